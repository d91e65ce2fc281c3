// SPDX-License-Identifier: Apache-2.0
/* Conversations that go wrong: on the network, at one of the ends, or on the way to track. */
#include "tests/unit/track/conversation.h"
#include "tests/unit/track/messages.h"

#define GET_FRONT "GET /a HTTP/1.1\r\n"
#define GET_REST  "Host: shop\r\n\r\n"

static const struct conversation conversations[] = {
	{
		.name = "a_request_without_an_answer_ends_as_closed",
		.steps = { ASK(GET), TICK(20), CLOSE },
		.wants = { WANT_ERROR(SONDE_ERROR_CLOSED, 22) },
	},
	{
		.name = "a_request_without_an_answer_ends_as_reset",
		.steps = { ASK(GET), RESET },
		.wants = { WANT_ERROR(SONDE_ERROR_RESET, 1) },
	},
	{
		.name = "a_request_whose_socket_was_dropped_ends_as_reset",
		.steps = { ASK(GET), ABORT },
		.wants = { WANT_ERROR(SONDE_ERROR_RESET, 1) },
	},
	{
		.name = "a_request_that_tcp_gave_up_on_ends_as_timeout",
		.steps = { ASK(GET), GIVE_UP },
		.wants = { WANT_ERROR(SONDE_ERROR_TIMEOUT, 1) },
	},
	{
		.name = "all_pipelined_requests_without_an_answer_end_with_the_connection",
		.steps = { ASK(GET GET_B), ANSWER(OK), RESET },
		.wants = { WANT_GET(1, 1),
			   { "GET", "/b", 0, SONDE_ERROR_RESET, 0, 2, LEN(GET_B), 0, 0, 0,
			     false } },
		.streams = true,
	},
	{
		.name = "a_request_waits_for_its_answer_up_to_the_timeout",
		.steps = { ASK(GET), TICK(59999), ANSWER(OK), CLOSE },
		.wants = { WANT_GET(60001, 60001) },
	},
	{
		.name = "after_the_timeout_the_late_answer_is_swallowed",
		.steps = { ASK(GET), TICK(60000), ANSWER(OK), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { WANT_ERROR(SONDE_ERROR_TIMEOUT, 60001), WANT_GET_B(1, 1) },
	},
	{
		.name = "after_the_timeout_the_end_is_not_told_again",
		.steps = { ASK(GET), TICK(60000), TICK(60000), RESET },
		.wants = { WANT_ERROR(SONDE_ERROR_TIMEOUT, 60001) },
	},
	{
		.name = "an_answer_that_has_begun_may_take_its_time",
		.steps = { ASK(GET), ANSWER(BIG_HEAD), TICK(90000), ANSWER_BODY(3000), CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 1, 90003, LEN(GET),
			     LEN(BIG_HEAD) + 3000, 0, 3000, false } },
	},
	{
		.name = "a_request_whose_first_segment_comes_late_is_put_together",
		.steps = { ASK_AHEAD(LEN(GET_FRONT), GET_REST), ASK_REPEAT(LEN(GET), GET_FRONT),
			   ANSWER(OK), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { WANT_GET(2, 2), WANT_GET_B(1, 1) },
	},
	{
		.name = "a_later_request_whose_first_segment_comes_late_is_put_together",
		.steps = { ASK(GET_B), ANSWER(OK), ASK_AHEAD(LEN(GET_FRONT), GET_REST),
			   ASK_REPEAT(LEN(GET), GET_FRONT), ANSWER(OK), CLOSE },
		.wants = { WANT_GET_B(1, 1), WANT_GET(2, 2) },
	},
	{
		.name = "an_answer_whose_first_segment_comes_late_is_put_together",
		.steps = { ASK(GET_B), ANSWER(OK), ASK(GET), ANSWER_AHEAD(LEN(OK_HEAD), "hello"),
			   ANSWER_REPEAT(LEN(OK), OK_HEAD), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { WANT_GET_B(1, 1), WANT_GET(1, 2), WANT_GET_B(1, 1) },
	},
	{
		.name = "segments_that_come_again_change_nothing",
		.steps = { ASK(GET), ASK_REPEAT(LEN(GET), GET), ANSWER(OK),
			   ANSWER_REPEAT(LEN(OK), OK), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { WANT_GET(2, 2), WANT_GET_B(1, 1) },
	},
	{
		.name = "segments_that_come_again_after_a_hole_change_nothing",
		.steps = { ASK_AHEAD(LEN(GET_FRONT), GET_REST), ASK_REPEAT(LEN(GET), GET_FRONT),
			   ASK_REPEAT(LEN(GET), GET_FRONT), ASK_REPEAT(LEN(GET_REST), GET_REST),
			   ANSWER(OK), CLOSE },
		.wants = { WANT_GET(4, 4) },
	},
	{
		.name = "lost_requests_are_counted_when_the_next_one_comes",
		.steps = { ASK(GET), ANSWER(OK), RING_FULL(1), ASK(GET), ANSWER(OK), ASK(GET),
			   ANSWER(OK), RING_FULL(0), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { WANT_GET(1, 1), WANT_GET_B(1, 1) },
		.lost = 2,
	},
	{
		.name = "lost_requests_are_counted_at_the_close",
		.steps = { ASK(GET), ANSWER(OK), RING_FULL(1), ASK(GET), ANSWER(OK), ASK(GET_B),
			   ANSWER(OK), RING_FULL(0), CLOSE },
		.wants = { WANT_GET(1, 1) },
		.lost = 2,
	},
	{
		.name = "a_lost_first_request_is_counted_too",
		.steps = { RING_FULL(1), ASK(GET), RING_FULL(0), ANSWER(OK), ASK(GET_B), ANSWER(OK),
			   CLOSE },
		.wants = { WANT_GET_B(1, 1) },
		.lost = 1,
		.unsynced = 1,
	},
	{
		.name = "a_request_whose_answer_was_lost_is_counted_as_lost",
		.steps = { ASK(GET), RING_FULL(1), ANSWER(OK), RING_FULL(0), ASK(GET_B), ANSWER(OK),
			   CLOSE },
		.wants = { WANT_GET_B(1, 1) },
		.lost = 1,
	},
	{
		.name = "a_request_whose_answer_was_lost_is_counted_at_the_close",
		.steps = { ASK(GET), RING_FULL(1), ANSWER(OK), RING_FULL(0), CLOSE },
		.lost = 1,
	},
	{
		.name = "the_rest_of_a_request_head_may_be_lost",
		.steps = { ASK(GET_FRONT "X: 1"), RING_FULL(1), ASK(GET_REST), RING_FULL(0),
			   ANSWER(OK), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 4, 4,
			     LEN(GET_FRONT "X: 1" GET_REST), LEN(OK), 0, 5, true },
			   WANT_GET_B(1, 1) },
		.whole_only = true,
	},
};

int main(void)
{
	return run_conversations("faults", conversations,
				 sizeof(conversations) / sizeof(conversations[0]));
}
