// SPDX-License-Identifier: Apache-2.0
/* Conversations that go as they should, and the requests they must become. */
#include "tests/unit/track/conversation.h"
#include "tests/unit/track/messages.h"

#define HEAD "HEAD /a HTTP/1.1\r\nHost: shop\r\n\r\n"

#define BROKEN	"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
#define NOTHING "HTTP/1.1 204 No Content\r\n\r\n"
#define SAME	"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"

#define CHUNKED_HEAD "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define CHUNKS	     "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n"

#define UNTIL_CLOSE "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define CONTINUE    "HTTP/1.1 100 Continue\r\n\r\n"
#define HINTS	    "HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n"
#define EXPECT	    "PUT /up HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n"
#define UPGRADE	    "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCH	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
#define CONNECT	    "CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n"
#define TUNNEL	    "HTTP/1.1 200 Connection established\r\n\r\n"

/* A value of 50 bytes, to make heads long. */
#define FIFTY	  "01234567890123456789012345678901234567890123456789"
#define LONG	  FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY
#define LONG_GET  "GET /long HTTP/1.1\r\nHost: shop\r\nCookie: " LONG "\r\n\r\n"
#define LONG_POST "POST /long HTTP/1.1\r\nContent-Length: 1000\r\nCookie: " LONG "\r\n\r\n"
#define LONG_HEAD \
	"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\nETag: " FIFTY FIFTY FIFTY FIFTY "\r\n\r\n"
#define LONG_OK \
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: " FIFTY FIFTY FIFTY FIFTY "\r\n\r\nhello"
#define LONG_304 "HTTP/1.1 304 Not Modified\r\nETag: " FIFTY FIFTY FIFTY FIFTY "\r\n\r\n"

static const struct conversation conversations[] = {
	{
		.name = "one_request_on_one_connection",
		.steps = { ASK(GET), ANSWER(OK), CLOSE },
		.wants = { WANT_GET(1, 1) },
	},
	{
		.name = "keep_alive_tells_each_request_when_its_answer_is_whole",
		.steps = { ASK(GET), ANSWER(OK), TICK(50), ASK(GET_B), TICK(9), ANSWER(OK),
			   ASK(GET), ANSWER(OK), CLOSE },
		.wants = { WANT_GET(1, 1), WANT_GET_B(11, 11), WANT_GET(1, 1) },
	},
	{
		.name = "a_status_of_the_client_fails_the_client_alone",
		.steps = { ASK(GET), ANSWER(NO), ASK(GET), ANSWER(BROKEN), CLOSE },
		.wants = { { "GET", "/a", 404, SONDE_ERROR_NONE, 1, 1, LEN(GET), LEN(NO), 0, 0,
			     false },
			   { "GET", "/a", 500, SONDE_ERROR_STATUS, 1, 1, LEN(GET), LEN(BROKEN), 0,
			     0, false } },
	},
	{
		.name = "answers_to_head_have_no_body",
		.steps = { ASK(HEAD), ANSWER(BIG_HEAD), ASK(GET), ANSWER(OK), CLOSE },
		.wants = { { "HEAD", "/a", 200, SONDE_ERROR_NONE, 1, 1, LEN(HEAD), LEN(BIG_HEAD), 0,
			     0, false },
			   WANT_GET(1, 1) },
	},
	{
		.name = "answers_204_and_304_have_no_body",
		.steps = { ASK(GET), ANSWER(NOTHING), ASK(GET), ANSWER(SAME), CLOSE },
		.wants = { { "GET", "/a", 204, SONDE_ERROR_NONE, 1, 1, LEN(GET), LEN(NOTHING), 0, 0,
			     false },
			   { "GET", "/a", 304, SONDE_ERROR_NONE, 1, 1, LEN(GET), LEN(SAME), 0, 0,
			     false } },
	},
	{
		.name = "an_upload_of_several_segments_is_one_request",
		.steps = { ASK(POST), ASK_BODY(600), ASK_BODY(400), ANSWER(OK), ASK(GET),
			   ANSWER(OK), CLOSE },
		.wants = { { "POST", "/up", 200, SONDE_ERROR_NONE, 3, 3, LEN(POST) + 1000, LEN(OK),
			     1000, 5, false },
			   WANT_GET(1, 1) },
	},
	{
		.name = "a_long_answer_ends_with_its_last_segment_as_the_next_request_tells",
		.steps = { ASK(GET), ANSWER(BIG_HEAD), ANSWER_BODY(1400), ANSWER_BODY(1600),
			   TICK(20), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 1, 3, LEN(GET),
			     LEN(BIG_HEAD) + 3000, 0, 3000, false },
			   WANT_GET_B(1, 1) },
	},
	{
		.name = "a_long_answer_ends_as_the_progress_record_tells",
		.steps = { ASK(GET), ANSWER(BIG_HEAD), ANSWER_BODY(1400), PROGRESS,
			   ANSWER_BODY(1600), TICK(300), PROGRESS, TICK(2000), CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 1, 4, LEN(GET),
			     LEN(BIG_HEAD) + 3000, 0, 3000, false } },
	},
	{
		.name = "a_long_answer_ends_as_the_close_record_tells",
		.steps = { ASK(GET), ANSWER(BIG_HEAD), ANSWER_BODY(3000), TICK(5000), CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 1, 2, LEN(GET),
			     LEN(BIG_HEAD) + 3000, 0, 3000, false } },
	},
	{
		.name = "an_answer_that_is_cut_short_by_the_close_is_an_error",
		.steps = { ASK(GET), ANSWER(BIG_HEAD), ANSWER_BODY(2999), CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_CLOSED, 1, 2, LEN(GET),
			     LEN(BIG_HEAD) + 2999, 0, 2999, false } },
	},
	{
		.name = "an_answer_that_is_cut_short_by_a_reset_is_an_error",
		.steps = { ASK(GET), ANSWER(BIG_HEAD), ANSWER_BODY(2999), RESET },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_RESET, 1, 2, LEN(GET),
			     LEN(BIG_HEAD) + 2999, 0, 2999, false } },
	},
	{
		.name = "chunks_are_walked_to_their_end",
		.steps = { ASK(GET), ANSWER(CHUNKED_HEAD), ANSWER(CHUNKS), ASK(GET_B), ANSWER(OK),
			   CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 1, 2, LEN(GET),
			     LEN(CHUNKED_HEAD CHUNKS), 0, 11, false },
			   WANT_GET_B(1, 1) },
	},
	{
		.name = "chunks_in_the_segment_of_their_head_are_walked",
		.steps = { ASK(GET), ANSWER(CHUNKED_HEAD CHUNKS), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 1, 1, LEN(GET),
			     LEN(CHUNKED_HEAD CHUNKS), 0, 11, false },
			   WANT_GET_B(1, 1) },
		.whole_only = true,
	},
	{
		.name = "the_only_chunk_may_be_out_of_sight_in_its_middle",
		.steps = { ASK(GET), ANSWER(CHUNKED_HEAD "bb8\r\n"), ANSWER_BODY(3000),
			   ANSWER("\r\n0\r\n\r\n"), PROGRESS, CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 1, 3, LEN(GET),
			     LEN(CHUNKED_HEAD "bb8\r\n") + 3000 + 7, 0, 3000, false } },
	},
	{
		.name = "chunks_out_of_sight_end_with_the_next_request",
		.steps = { ASK(GET), ANSWER(CHUNKED_HEAD "64\r\n"), ANSWER_BODY(1000),
			   ANSWER_BODY(1000), TICK(30), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 1, 3, LEN(GET),
			     LEN(CHUNKED_HEAD "64\r\n") + 2000, 0, 2004, false },
			   WANT_GET_B(1, 1) },
	},
	{
		.name = "chunks_out_of_sight_end_in_silence",
		.steps = { ASK(GET), ANSWER(CHUNKED_HEAD "64\r\n"), ANSWER_BODY(1000),
			   ANSWER_BODY(1000), TICK(250), PROGRESS, TICK(500), TICK(600),
			   TICK(60000), CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 1, 3, LEN(GET),
			     LEN(CHUNKED_HEAD "64\r\n") + 2000, 0, 2004, false } },
	},
	{
		.name = "silence_does_not_end_chunks_that_are_known_to_go_on",
		.steps = { ASK(GET), ANSWER(CHUNKED_HEAD), TICK(250), PROGRESS, TICK(5000),
			   ANSWER(CHUNKS), CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 1, 5255, LEN(GET),
			     LEN(CHUNKED_HEAD CHUNKS), 0, 11, false } },
	},
	{
		.name = "an_answer_until_close_ends_with_its_last_byte",
		.steps = { ASK(GET), ANSWER(UNTIL_CLOSE), ANSWER_BODY(700), PROGRESS, TICK(3000),
			   ANSWER_BODY(300), TICK(40), CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 1, 3005, LEN(GET),
			     LEN(UNTIL_CLOSE) + 1000, 0, 1000, false } },
	},
	{
		.name = "an_answer_until_close_that_is_reset_is_an_error",
		.steps = { ASK(GET), ANSWER(UNTIL_CLOSE), ANSWER_BODY(700), RESET },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_RESET, 1, 2, LEN(GET),
			     LEN(UNTIL_CLOSE) + 700, 0, 700, false } },
	},
	{
		.name = "continue_is_not_the_answer",
		.steps = { ASK(EXPECT), ANSWER(CONTINUE), ASK_BODY(1000), ANSWER(OK), ASK(GET),
			   ANSWER(OK), CLOSE },
		.wants = { { "PUT", "/up", 200, SONDE_ERROR_NONE, 3, 3, LEN(EXPECT) + 1000, LEN(OK),
			     1000, 5, false },
			   WANT_GET(1, 1) },
	},
	{
		.name = "early_hints_are_not_the_answer",
		.steps = { ASK(GET), ANSWER(HINTS), ANSWER(OK), ASK(GET_B), ANSWER(HINTS OK),
			   CLOSE },
		.wants = { WANT_GET(2, 2), WANT_GET_B(1, 1) },
	},
	{
		.name = "an_upgraded_connection_is_left_alone",
		.steps = { ASK(UPGRADE), ANSWER(SWITCH), ASK("\x81\x05hello"),
			   ANSWER("GET / HTTP/1.1\r\n"), ASK(GET), CLOSE },
		.wants = { { "GET", "/ws", 101, SONDE_ERROR_NONE, 1, 1, LEN(UPGRADE), LEN(SWITCH),
			     0, 0, false } },
		.left_alone = true,
	},
	{
		.name = "bytes_behind_an_upgrade_are_not_read",
		.steps = { ASK(UPGRADE), ANSWER(SWITCH "\x81\x05hello"), CLOSE },
		.wants = { { "GET", "/ws", 101, SONDE_ERROR_NONE, 1, 1, LEN(UPGRADE), LEN(SWITCH),
			     0, 0, false } },
		.left_alone = true,
	},
	{
		.name = "a_tunnel_is_left_alone",
		.steps = { ASK(CONNECT), ANSWER(TUNNEL), ASK(GET), ANSWER(OK), CLOSE },
		.wants = { { "CONNECT", "", 200, SONDE_ERROR_NONE, 1, 1, LEN(CONNECT), LEN(TUNNEL),
			     0, 0, false } },
		.left_alone = true,
	},
	{
		.name = "a_refused_tunnel_is_a_request_like_others",
		.steps = { ASK(CONNECT), ANSWER(NO), ASK(GET), ANSWER(OK), CLOSE },
		.wants = { { "CONNECT", "", 404, SONDE_ERROR_NONE, 1, 1, LEN(CONNECT), LEN(NO), 0,
			     0, false },
			   WANT_GET(1, 1) },
	},
	{
		.name = "an_answer_before_the_upload_is_over_counts",
		.steps = { ASK(POST), ASK_BODY(300), ANSWER(NO), ASK_BODY(300), ASK_BODY(400),
			   CLOSE },
		.wants = { { "POST", "/up", 404, SONDE_ERROR_NONE, 2, 2, LEN(POST) + 300, LEN(NO),
			     300, 0, false } },
	},
	{
		/* It begins no turn, and what a turn shows of itself was used up. */
		.name = "a_request_behind_such_an_upload_is_out_of_sight_and_its_answer_counted",
		.steps = { ASK(POST), ASK_BODY(300), ANSWER(NO), ASK_BODY(300), ASK_BODY(400),
			   ASK(GET), ANSWER(OK), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { { "POST", "/up", 404, SONDE_ERROR_NONE, 2, 2, LEN(POST) + 300, LEN(NO),
			     300, 0, false },
			   WANT_GET_B(1, 1) },
		.unsynced = 1,
		.lost = 1,
	},
	{
		.name = "a_long_request_head_still_gives_method_and_path",
		.steps = { ASK(LONG_GET), ANSWER(OK), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { { "GET", "/long", 200, SONDE_ERROR_NONE, 1, 1, LEN(LONG_GET), LEN(OK), 0,
			     5, true },
			   WANT_GET_B(1, 1) },
	},
	{
		.name = "a_long_request_head_with_a_body_still_gives_its_size",
		.steps = { ASK(LONG_POST), ASK_BODY(1000), ANSWER(OK), ASK(GET_B), ANSWER(OK),
			   CLOSE },
		.wants = { { "POST", "/long", 200, SONDE_ERROR_NONE, 2, 2, LEN(LONG_POST) + 1000,
			     LEN(OK), 1000, 5, true },
			   WANT_GET_B(1, 1) },
	},
	{
		.name = "a_long_answer_head_does_not_change_the_sizes",
		.steps = { ASK(GET), ANSWER(LONG_OK), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 1, 1, LEN(GET), LEN(LONG_OK), 0, 5,
			     false },
			   WANT_GET_B(1, 1) },
		.whole_only = true,
	},
	{
		.name = "a_long_answer_head_with_a_long_body_ends_with_the_body",
		.steps = { ASK(GET), ANSWER(LONG_HEAD), ANSWER_BODY(1400), ANSWER_BODY(1600),
			   TICK(10), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { { "GET", "/a", 200, SONDE_ERROR_NONE, 1, 3, LEN(GET),
			     LEN(LONG_HEAD) + 3000, 0, 3000, false },
			   WANT_GET_B(1, 1) },
	},
	{
		.name = "a_long_answer_head_without_a_body_ends_at_once",
		.steps = { ASK(GET), ANSWER(LONG_304), TICK(100), ASK(GET_B), ANSWER(OK), CLOSE },
		.wants = { { "GET", "/a", 304, SONDE_ERROR_NONE, 1, 1, LEN(GET), LEN(LONG_304), 0,
			     0, false },
			   WANT_GET_B(1, 1) },
		.whole_only = true,
	},
	{
		.name = "pipelined_in_one_segment_answered_one_by_one",
		.steps = { ASK(GET GET_B GET_C), ANSWER(OK), ANSWER(OK), ANSWER(OK), CLOSE },
		.wants = { WANT_GET(1, 1), WANT_GET_B(2, 2), WANT_GET_C(3, 3) },
		.streams = true,
	},
	{
		.name = "pipelined_in_one_segment_answered_in_one_segment",
		.steps = { ASK(GET GET_B GET_C), ANSWER(OK OK OK), CLOSE },
		.wants = { WANT_GET(1, 1), WANT_GET_B(1, 1), WANT_GET_C(1, 1) },
		.streams = true,
	},
	{
		.name = "pipelined_in_several_segments",
		.steps = { ASK(GET), ASK(GET_B), ASK(GET_C), ANSWER(OK OK), ANSWER(OK), CLOSE },
		.wants = { WANT_GET(3, 3), WANT_GET_B(2, 2), WANT_GET_C(2, 2) },
		.streams = true,
	},
	{
		.name = "pipelined_while_earlier_answers_are_under_way",
		.steps = { ASK(GET GET_B), ANSWER(OK), ASK(GET_C), ANSWER(OK), ANSWER(OK), CLOSE },
		.wants = { WANT_GET(1, 1), WANT_GET_B(3, 3), WANT_GET_C(2, 2) },
		.streams = true,
	},
};

int main(void)
{
	return run_conversations("conversations", conversations,
				 sizeof(conversations) / sizeof(conversations[0]));
}
