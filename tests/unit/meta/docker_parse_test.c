// SPDX-License-Identifier: Apache-2.0
/* docker_parse - lists, containers and events as Docker and Podman tell them, and broken ones. */
#include "agent/meta/docker_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>

#include "tests/unit/guard.h"
#include "tests/unit/meta/answers.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

#define ID  "3f4a5b6c7d8e9f00112233445566778899aabbccddeeff000102030405060708"
#define ID2 "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9"

typedef int parse(struct sonde_slice body, sonde_workload_sink *sink, void *ctx);

struct answer_case {
	const char *body, *want;
	int err;
};

static const struct answer_case lists[] = {
	{ "[]", "", 0 },
	{ "[{'Id':'" ID "','Names':['/shop-web-1','/x'],'Image':'reg:5000/web:1.4',"
	  "'Labels':{'a':'1','b':'2'}}]",
	  "3f4a5b6c7d8e|shop-web-1|reg:5000/web:1.4|1.4|/||||a=1;b=2;\n", 0 },
	{ "[{'Id':'" ID "'}]", "3f4a5b6c7d8e||||/||||\n", 0 },
	{ "[{'Id':'" ID "','Names':null,'Image':7,'Labels':[]}]", "3f4a5b6c7d8e||||/||||\n", 0 },
	{ "[{'Id':'" ID "','Names':['podman'],'Image':'sha256:" ID "','Labels':{'n':1,'t':'x'}}]",
	  "3f4a5b6c7d8e|podman|sha256:" ID "||/||||t=x;\n", 0 },
	/* What a kubelet leaves on its containers. */
	{ "[{'Id':'" ID "','Labels':{'io.kubernetes.pod.name':'web-1',"
	  "'io.kubernetes.pod.namespace':'prod','io.kubernetes.pod.uid':'u-1'}}]",
	  "3f4a5b6c7d8e||||prod/web-1|u-1|||io.kubernetes.pod.name=web-1;"
	  "io.kubernetes.pod.namespace=prod;io.kubernetes.pod.uid=u-1;\n",
	  0 },
	/* What nobody reads may hold anything. */
	{ "[{'Id':'" ID "','Names':['/a'],'Command':'sh -c \\u0000','Labels':{'n':'1\\u00002'}}]",
	  "3f4a5b6c7d8e|a|||/||||n=1;\n", 0 },
	/* One that cannot be read does not hide the next. */
	{ "[{'Id':'../x'},{'Id':'" ID2 "','Names':['/db']}]", "0a1b2c3d4e5f|db|||/||||\n",
	  -EPROTO },
	{ "[1]", "", -EPROTO },
	{ "{'message':'no'}", "", -EPROTO },
	{ "[{'Id':'" ID "'}", "", -EPROTO },
	{ "[] x", "", -EPROTO },
	{ "", "", -EPROTO },
};

static const struct answer_case inspects[] = {
	{ "{'Id':'" ID "','Name':'/web','Config':{'Image':'web:2','Labels':{'a':'1'}}}",
	  "3f4a5b6c7d8e|web|web:2|2|/||||a=1;\n", 0 },
	{ "{'Id':'" ID "','Name':'/web','Config':{'Labels':null}}", "3f4a5b6c7d8e|web|||/||||\n",
	  0 },
	{ "{'Id':'" ID "','Image':'sha256:" ID2 "'}", "3f4a5b6c7d8e||||/||||\n", 0 },
	{ "{'message':'No such container: x'}", "", -EPROTO },
	{ "[{'Id':'" ID "'}]", "", -EPROTO },
	{ "null", "", -EPROTO },
	{ "", "", -EPROTO },
};

static void check_answers(const struct answer_case *cases, size_t n, parse *read)
{
	for (size_t i = 0; i < n; i++) {
		struct answers_note note = { .text = "" };
		struct sonde_slice body;
		char *bytes = answers_json(cases[i].body, &body);
		int err = read(body, answers_sink, &note);

		free(bytes);
		if (err != cases[i].err || strcmp(note.text, cases[i].want))
			print_error("row: %s\n", cases[i].body);
		assert_int_equal(err, cases[i].err);
		assert_string_equal(note.text, cases[i].want);
	}
}

static void list_tells_every_container(void **state)
{
	(void)state;
	check_answers(lists, sizeof(lists) / sizeof(lists[0]), sonde_docker_parse_list);
}

static void inspect_tells_the_container(void **state)
{
	(void)state;
	check_answers(inspects, sizeof(inspects) / sizeof(inspects[0]), sonde_docker_parse_inspect);
}

static void labels_beyond_the_bound_are_left_out(void **state)
{
	char text[4096];
	struct answers_note note = { .text = "" };
	struct sonde_slice body;
	int n = snprintf(text, sizeof(text), "[{'Id':'" ID "','Labels':{'l0':''");
	char *bytes;

	(void)state;
	for (int i = 1; i <= SONDE_WORKLOAD_LABELS; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ",'l%d':''", i);
	snprintf(text + n, sizeof(text) - (size_t)n, "}}]");
	bytes = answers_json(text, &body);
	assert_int_equal(sonde_docker_parse_list(body, answers_sink, &note), 0);
	free(bytes);
	assert_non_null(strstr(note.text, "l31=;\n"));
	assert_null(strstr(note.text, "l32"));
}

struct event_case {
	const char *line, *id;
	int err;
};

#define EVENT(type, action, id) \
	"{'Type':'" type "','Action':'" action "','Actor':{'ID':'" id "','Attributes':{}}}"

static const struct event_case events[] = {
	{ EVENT("container", "create", ID), ID, 0 },
	{ EVENT("container", "start", ID), ID, 0 },
	{ EVENT("container", "rename", "0123456789ab"), "0123456789ab", 0 },
	{ "{'Action':'start','Actor':{'ID':'" ID "'}}", ID, 0 },
	{ EVENT("container", "die", ID), "", -ENOENT },
	{ EVENT("container", "started", ID), "", -ENOENT },
	{ EVENT("network", "create", ID), "", -ENOENT },
	{ "{}", "", -ENOENT },
	{ EVENT("container", "start", "../../images"), "", -EPROTO },
	{ EVENT("container", "start", ID "0"), "", -EPROTO },
	{ "{'Type':'container','Action':'start'}", "", -EPROTO },
	{ "[]", "", -EPROTO },
	{ "{'Type':", "", -EPROTO },
	{ "", "", -EPROTO },
};

static void event_tells_whose_names_may_be_new(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		char id[SONDE_CONTAINER_MAX] = "";
		struct sonde_slice line;
		char *bytes = answers_json(events[i].line, &line);
		int err = sonde_docker_parse_event(line, id);

		free(bytes);
		if (err != events[i].err || strcmp(id, events[i].id))
			print_error("row: %s\n", events[i].line);
		assert_int_equal(err, events[i].err);
		assert_string_equal(id, events[i].id);
	}
}

/* A whole answer of each kind, for those that cut and change them. */
static char *whole(size_t kind, struct sonde_slice *out)
{
	static const char *const texts[] = {
		"[{'Id':'" ID "','Names':['/web'],'Image':'web:1.4','Labels':{'a':'1'}}]",
		"{'Id':'" ID "','Name':'/web','Config':{'Image':'web:2','Labels':{'a':'1'}}}",
		EVENT("container", "start", ID),
	};

	return answers_json(texts[kind], out);
}

static void read_all(void *ctx, const struct sonde_workload *facts)
{
	struct sonde_workload *w = sonde_workload_new(facts);

	assert_non_null(w);
	assert_true(sonde_docker_is_id(w->container_id));
	assert_true(facts->n_labels <= SONDE_WORKLOAD_LABELS);
	sonde_workload_put(w);
	++*(size_t *)ctx;
}

/* Reads BYTES as each of the kinds; whether one of them took it for a whole answer. */
static bool read_as_any(struct sonde_slice bytes)
{
	char id[SONDE_CONTAINER_MAX] = "old";
	size_t listed = 0, inspected = 0;
	int list = sonde_docker_parse_list(bytes, read_all, &listed);
	int inspect = sonde_docker_parse_inspect(bytes, read_all, &inspected);
	int event = sonde_docker_parse_event(bytes, id);

	assert_true(list == 0 || list == -EPROTO);
	assert_int_equal(inspect, inspected ? 0 : -EPROTO);
	assert_true(event == 0 || event == -ENOENT || event == -EPROTO);
	assert_true(event ? !strcmp(id, "old") : sonde_docker_is_id(sonde_slice_str(id)));
	return !list || !inspect || event != -EPROTO;
}

static void every_proper_prefix_is_refused(void **state)
{
	struct guard g = guard_new(4096);

	(void)state;
	for (size_t kind = 0; kind < 3; kind++) {
		struct sonde_slice body;
		char *bytes = whole(kind, &body);

		for (size_t n = 0; n < body.len; n++)
			assert_false(read_as_any(guard_put(&g, sonde_slice_sub(body, 0, n))));
		assert_true(read_as_any(guard_put(&g, body)));
		free(bytes);
	}
	guard_free(&g);
}

static void mutants_are_read_within_their_bounds(void **state)
{
	static const uint8_t values[] = {
		'\0', '"', '\\', '{', '}', '[', ',', ':', '0', 0x80, 0xff
	};
	struct guard g = guard_new(4096);

	(void)state;
	for (size_t kind = 0; kind < 3; kind++) {
		struct sonde_slice body;
		char *bytes = whole(kind, &body);

		for (size_t at = 0; at < body.len; at++)
			for (size_t v = 0; v < N_OF(values); v++) {
				struct sonde_slice mutant = guard_put(&g, body);

				g.room[g.cap - mutant.len + at] = values[v];
				read_as_any(mutant);
			}
		free(bytes);
	}
	guard_free(&g);
}

static void ids_are_12_to_64_lower_case_hex_digits(void **state)
{
	static const struct {
		const char *id;
		bool want;
	} ids[] = {
		{ "0123456789ab", true },
		{ ID, true },
		{ "", false },
		{ "0123456789a", false },
		{ ID "0", false },
		{ "0123456789aB", false },
		{ "0123456789ag", false },
		{ "0123456789ab/", false },
		{ "0123456789a:", false },
		{ "0123456789a`", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		assert_int_equal(sonde_docker_is_id(sonde_slice_str(ids[i].id)), ids[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_tells_every_container),
		cmocka_unit_test(inspect_tells_the_container),
		cmocka_unit_test(labels_beyond_the_bound_are_left_out),
		cmocka_unit_test(event_tells_whose_names_may_be_new),
		cmocka_unit_test(every_proper_prefix_is_refused),
		cmocka_unit_test(mutants_are_read_within_their_bounds),
		cmocka_unit_test(ids_are_12_to_64_lower_case_hex_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
