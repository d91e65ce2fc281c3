// SPDX-License-Identifier: Apache-2.0
/* kubernetes_parse - lists and watch events as an API server writes them, whole, cut and broken. */
#include "agent/meta/kubernetes_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>

#include "tests/unit/guard.h"
#include "tests/unit/meta/answers.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

#define ID  "3f4a5b6c7d8e9f00112233445566778899aabbccddeeff000102030405060708"
#define ID2 "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9"
#define UID "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9fa"

enum { ROOM = 65536 };

/* Metadata, then the rest of a pod. */
#define POD(metadata, rest) "{'metadata':{" metadata "}" rest "}"
#define NAMED(name)	    "'name':'" name "','namespace':'prod','uid':'u1','resourceVersion':'7'"
#define OWNED(name, refs)   POD(NAMED(name) ",'ownerReferences':[" refs "]", "")
#define OWNER(kind, name)                                         \
	"{'apiVersion':'apps/v1','kind':'" kind "','name':'" name \
	"','uid':'u2','controller':true,'blockOwnerDeletion':true}"
#define RUNS(name, image, status) \
	",'spec':{'containers':[{'name':'" name "','image':'" image "'}]},'status':{" status "}"
#define STATUS(list, name, id, image) \
	"'" list "':[{'name':'" name "','containerID':'" id "','image':'" image "'}]"
#define EVENT(type, object) "{'type':'" type "','object':" object "}"

/* A whole one, with much that nobody reads. */
static const char web[] = POD(
	"'name':'web-7d9f8c6b5-x2x4z','generateName':'web-7d9f8c6b5-','namespace':'prod',"
	"'uid':'" UID "','resourceVersion':'812','creationTimestamp':'2026-01-05T10:00:00Z',"
	"'labels':{'app':'web','pod-template-hash':'7d9f8c6b5'},'annotations':{'note':'a \\u0000 "
	"b'},"
	"'ownerReferences':[" OWNER(
		"ReplicaSet", "web-7d9f8c6b5") "],"
					       "'managedFields':[{'manager':'kubelet','operation':'"
					       "Update','fieldsV1':{'f:status':{}}}]",
	",'spec':{'nodeName':'n1','initContainers':[{'name':'init','image':'busybox:1'}],"
	"'containers':[{'name':'web','image':'registry:5000/web:1.4','resources':{'limits':"
	"{'cpu':'500m'}},'ports':[{'containerPort':8080,'protocol':'TCP'}]},"
	"{'name':'proxy','image':'envoy@sha256:" ID "'}]},"
	"'status':{'phase':'Running','podIP':'10.1.0.7','containerStatuses':["
	"{'name':'proxy','state':{'waiting':{'reason':'ContainerCreating'}},'ready':false},"
	"{'name':'web','containerID':'containerd://" ID "','image':'sha256:" ID2 "',"
	"'restartCount':0,'ready':true,'state':{'running':{}}}],"
	"'initContainerStatuses':[{'name':'init','containerID':'cri-o://" ID2 "'}]}");
static const char web_told[] =
	"||||prod/web-7d9f8c6b5-x2x4z|" UID "|n1|web|app=web;pod-template-hash=7d9f8c6b5;\n"
	"3f4a5b6c7d8e|web|registry:5000/web:1.4|1.4|prod/web-7d9f8c6b5-x2x4z|" UID
	"|n1|web|app=web;pod-template-hash=7d9f8c6b5;\n"
	"0a1b2c3d4e5f|init|busybox:1|1|prod/web-7d9f8c6b5-x2x4z|" UID
	"|n1|web|app=web;pod-template-hash=7d9f8c6b5;\n";

struct pod_case {
	const char *pod, *want;
};

static const struct pod_case pods[] = {
	{ web, web_told },
	/* Where it runs is not decided. */
	{ POD("'name':'a','namespace':'b','uid':'u1'", ",'spec':{},'status':{'phase':'Pending'}"),
	  "||||b/a|u1|||\n" },
	{ POD("'name':'a','uid':'u1'", ",'spec':null,'status':[]"), "||||/a|u1|||\n" },
	/* Who is behind it. */
	{ OWNED("db-0", OWNER("StatefulSet", "db")), "||||prod/db-0|u1||db|\n" },
	{ OWNED("log-x", OWNER("DaemonSet", "log")), "||||prod/log-x|u1||log|\n" },
	{ OWNED("x", OWNER("ReplicaSet", "web-7d9f8c6b5")), "||||prod/x|u1||web-7d9f8c6b5|\n" },
	{ OWNED("x", OWNER("Job", "backup-28912345")), "||||prod/x|u1||backup|\n" },
	{ OWNED("x", OWNER("Job", "load-2026")), "||||prod/x|u1||load-2026|\n" },
	{ OWNED("x", OWNER("Job", "28912345")), "||||prod/x|u1||28912345|\n" },
	{ OWNED("x", OWNER("Job", "-28912345")), "||||prod/x|u1||-28912345|\n" },
	{ OWNED("x", OWNER("Node", "n1")), "||||prod/x|u1|||\n" },
	{ OWNED("x", "{'kind':'Foo','name':'f','controller':false}," OWNER("Rollout", "r")),
	  "||||prod/x|u1||r|\n" },
	{ OWNED("x", "{'kind':'Foo','name':'f'},7,null"), "||||prod/x|u1|||\n" },
	/* The hash is a suffix and a whole part of the name, or is left where it is. */
	{ POD(NAMED("x") ",'labels':{'pod-template-hash':'b5'},'ownerReferences':[" OWNER(
		      "ReplicaSet", "webb5") "]",
	      ""),
	  "||||prod/x|u1||webb5|pod-template-hash=b5;\n" },
	{ POD(NAMED("x") ",'labels':{'pod-template-hash':'b5'},'ownerReferences':[" OWNER(
		      "ReplicaSet", "-b5") "]",
	      ""),
	  "||||prod/x|u1||-b5|pod-template-hash=b5;\n" },
	/* Ids of all engines; what is no id tells of no container. */
	{ POD(NAMED("x"), RUNS("c", "i:1", STATUS("containerStatuses", "c", "docker://" ID, ""))),
	  "||||prod/x|u1|||\n3f4a5b6c7d8e|c|i:1|1|prod/x|u1|||\n" },
	{ POD(NAMED("x"), RUNS("c", "i", STATUS("containerStatuses", "c", ID, ""))),
	  "||||prod/x|u1|||\n3f4a5b6c7d8e|c|i||prod/x|u1|||\n" },
	{ POD(NAMED("x"), RUNS("c", "i", STATUS("containerStatuses", "c", "", ""))),
	  "||||prod/x|u1|||\n" },
	{ POD(NAMED("x"), RUNS("c", "i", STATUS("containerStatuses", "c", "cri-o://../" ID, ""))),
	  "||||prod/x|u1|||\n" },
	/* The image of the status stands in for one that the spec does not have. */
	{ POD(NAMED("x"),
	      RUNS("other", "i", STATUS("containerStatuses", "c", "cri-o://" ID, "r/c:2"))),
	  "||||prod/x|u1|||\n3f4a5b6c7d8e|c|r/c:2|2|prod/x|u1|||\n" },
	{ POD(NAMED("x"),
	      ",'spec':{'ephemeralContainers':[{'name':'debug','image':'tools:3'}]},'status':"
	      "{" STATUS("ephemeralContainerStatuses", "debug", "containerd://" ID, "") "}"),
	  "||||prod/x|u1|||\n3f4a5b6c7d8e|debug|tools:3|3|prod/x|u1|||\n" },
};

static const char *const no_pods[] = {
	"{}",
	"null",
	"[]",
	"7",
	POD("'name':'a'", ""),
	POD("'uid':'u1'", ""),
	POD("'name':'','uid':'u1'", ""),
	POD("'name':7,'uid':'u1'", ""),
	"{'metadata':['name','uid']}",
};

/* At a guard page. */
static int read_list(const struct guard *g, struct sonde_slice body, struct answers_note *note,
		     struct sonde_kubernetes_page *page)
{
	*note = (struct answers_note){ .text = "" };
	return sonde_kubernetes_parse_list(guard_put(g, body), answers_sink, note, page);
}

static int read_event(const struct guard *g, struct sonde_slice line, struct answers_note *note,
		      char version[SONDE_KUBERNETES_VERSION_MAX])
{
	*note = (struct answers_note){ .text = "" };
	return sonde_kubernetes_parse_event(guard_put(g, line), answers_sink, note, version);
}

/* FORMAT with POD in the place of its %s, and ' as ". To be freed. */
static char *answer_of(const char *format_head, const char *pod, const char *format_tail,
		       struct sonde_slice *out)
{
	char *text = NULL, *bytes;

	if (asprintf(&text, "%s%s%s", format_head, pod, format_tail) < 0)
		abort();
	bytes = answers_json(text, out);
	free(text);
	return bytes;
}

static void list_tells_of_the_pod_and_its_containers(void **state)
{
	struct guard g = guard_new(ROOM);

	(void)state;
	for (size_t i = 0; i < N_OF(pods); i++) {
		struct sonde_kubernetes_page page;
		struct answers_note note;
		struct sonde_slice body;
		char *bytes = answer_of("{'kind':'PodList','metadata':{'resourceVersion':'9'},"
					"'items':[",
					pods[i].pod, "]}", &body);
		int err = read_list(&g, body, &note, &page);

		free(bytes);
		if (err || strcmp(note.text, pods[i].want))
			print_error("row: %s\n", pods[i].pod);
		assert_int_equal(err, 0);
		assert_string_equal(note.text, pods[i].want);
	}
	guard_free(&g);
}

static void watch_tells_the_same(void **state)
{
	static const char *const types[] = { "{'type':'ADDED','object':",
					     "{'type':'MODIFIED','object':" };
	struct guard g = guard_new(ROOM);

	(void)state;
	for (size_t i = 0; i < N_OF(types); i++) {
		char version[SONDE_KUBERNETES_VERSION_MAX] = "";
		struct answers_note note;
		struct sonde_slice line;
		char *bytes = answer_of(types[i], web, "}", &line);

		assert_int_equal(read_event(&g, line, &note, version), 0);
		free(bytes);
		assert_string_equal(note.text, web_told);
		assert_string_equal(version, "812");
	}
	guard_free(&g);
}

static void what_is_no_pod_does_not_hide_the_next(void **state)
{
	struct guard g = guard_new(ROOM);

	(void)state;
	for (size_t i = 0; i < N_OF(no_pods); i++) {
		struct sonde_kubernetes_page page;
		struct answers_note note;
		struct sonde_slice body;
		char *bytes = answer_of("{'metadata':{'resourceVersion':'9'},'items':[", no_pods[i],
					"," POD(NAMED("a"), "") "]}", &body);

		assert_int_equal(read_list(&g, body, &note, &page), 0);
		free(bytes);
		assert_string_equal(note.text, "||||prod/a|u1|||\n");
	}
	guard_free(&g);
}

#define V63 "123456789012345678901234567890123456789012345678901234567890123"

static void list_says_how_to_go_on(void **state)
{
	static const struct {
		const char *body, *version, *next;
	} lists[] = {
		{ "{'metadata':{'resourceVersion':'1001'},'items':[]}", "1001", "" },
		{ "{'metadata':{'resourceVersion':'1001'},'items':null}", "1001", "" },
		{ "{'metadata':{'resourceVersion':'1001','continue':''}}", "1001", "" },
		{ "{'metadata':{'resourceVersion':'1001','continue':'eyJ2Ijo/+=',"
		  "'remainingItemCount':3},'items':[]}",
		  "1001", "eyJ2Ijo/+=" },
		{ "{'metadata':{'resourceVersion':'" V63 "'}}", V63, "" },
	};
	struct guard g = guard_new(ROOM);

	(void)state;
	for (size_t i = 0; i < N_OF(lists); i++) {
		struct sonde_kubernetes_page page;
		struct answers_note note;
		struct sonde_slice body;
		char *bytes = answers_json(lists[i].body, &body);

		assert_int_equal(read_list(&g, body, &note, &page), 0);
		free(bytes);
		assert_string_equal(page.version, lists[i].version);
		assert_string_equal(page.next, lists[i].next);
	}
	guard_free(&g);
}

static void other_answers_leave_the_page_as_it_was(void **state)
{
	static const char *const answers[] = {
		"",
		"ok",
		"[]",
		"{}",
		"{'kind':'Status','code':403,'message':'forbidden'}",
		"{'metadata':{}}",
		"{'metadata':{'resourceVersion':''}}",
		"{'metadata':{'resourceVersion':7}}",
		"{'metadata':{'resourceVersion':'" V63 "4'}}",
		"{'metadata':{'resourceVersion':'9'},'items':{}}",
		"{'metadata':{'resourceVersion':'9'},'items':'" UID "'}",
		"{'metadata':{'resourceVersion':'9'}} {}",
	};
	struct guard g = guard_new(ROOM);

	(void)state;
	for (size_t i = 0; i < N_OF(answers); i++) {
		struct sonde_kubernetes_page page = { "1", "2" };
		struct answers_note note;
		struct sonde_slice body;
		char *bytes = answers_json(answers[i], &body);

		assert_int_equal(read_list(&g, body, &note, &page), -EPROTO);
		free(bytes);
		assert_int_equal(note.len, 0);
		assert_string_equal(page.version, "1");
		assert_string_equal(page.next, "2");
	}
	guard_free(&g);
}

static void next_page_is_asked_for_whole_or_not_at_all(void **state)
{
	struct guard g = guard_new(ROOM);

	(void)state;
	for (int len = SONDE_KUBERNETES_CONTINUE_MAX - 2; len <= SONDE_KUBERNETES_CONTINUE_MAX;
	     len++) {
		struct sonde_kubernetes_page page = { "1", "2" };
		struct answers_note note;
		char text[2 * SONDE_KUBERNETES_CONTINUE_MAX];
		bool fits = len < SONDE_KUBERNETES_CONTINUE_MAX;
		int n = snprintf(text, sizeof(text),
				 "{\"metadata\":{\"resourceVersion\":\"9\",\"continue\":\"%0*d\"}}",
				 len, 7);

		assert_int_equal(read_list(&g, sonde_slice_of(text, (size_t)n), &note, &page),
				 fits ? 0 : -EPROTO);
		assert_int_equal(strlen(page.next), fits ? len : 1);
	}
	guard_free(&g);
}

struct event_case {
	const char *line;
	int err;
	const char *version, *want;
};

static const struct event_case events[] = {
	{ EVENT("BOOKMARK", "{'kind':'Pod','apiVersion':'v1','metadata':{'resourceVersion':'1200',"
			    "'creationTimestamp':null},'spec':{'containers':null},'status':{}}"),
	  0, "1200", "" },
	/* Its connections may still be told of. */
	{ EVENT("DELETED", POD(NAMED("a"), "")), 0, "7", "" },
	{ EVENT("LATER", POD(NAMED("a"), "")), 0, "7", "" },
	{ EVENT("ERROR", "{'kind':'Status','apiVersion':'v1','metadata':{},'status':'Failure',"
			 "'message':'too old resource version: 1 (9)','reason':'Expired',"
			 "'code':410}"),
	  -ESTALE, "old", "" },
	{ EVENT("ERROR", "{'kind':'Status','code':500,'reason':'InternalError'}"), -EIO, "old",
	  "" },
	{ EVENT("ERROR", "{'kind':'Status','code':'410'}"), -EIO, "old", "" },
	{ EVENT("ERROR", "null"), -EIO, "old", "" },
	{ EVENT("ADDED", "{'metadata':{'resourceVersion':'9'}}"), -EPROTO, "old", "" },
	{ EVENT("ADDED", "{'metadata':{'name':'a','uid':'u1'}}"), -EPROTO, "old", "" },
	{ EVENT("BOOKMARK", "{'metadata':{}}"), -EPROTO, "old", "" },
	{ EVENT("BOOKMARK", "{'metadata':{'resourceVersion':'" V63 "4'}}"), -EPROTO, "old", "" },
	{ EVENT("BOOKMARK", "{'metadata':{'resourceVersion':'" V63 "'}}"), 0, V63, "" },
	{ EVENT("", POD(NAMED("a"), "")), -EPROTO, "old", "" },
	{ "{'type':7,'object':{}}", -EPROTO, "old", "" },
	{ "{}", -EPROTO, "old", "" },
	{ "[]", -EPROTO, "old", "" },
	{ "null", -EPROTO, "old", "" },
	{ "", -EPROTO, "old", "" },
	{ "404 page not found", -EPROTO, "old", "" },
	{ EVENT("BOOKMARK", "{'metadata':{'resourceVersion':'1'}}") "{", -EPROTO, "old", "" },
};

static void event_says_from_where_to_go_on(void **state)
{
	struct guard g = guard_new(ROOM);

	(void)state;
	for (size_t i = 0; i < N_OF(events); i++) {
		char version[SONDE_KUBERNETES_VERSION_MAX] = "old";
		struct answers_note note;
		struct sonde_slice line;
		char *bytes = answers_json(events[i].line, &line);
		int err = read_event(&g, line, &note, version);

		free(bytes);
		if (err != events[i].err || strcmp(version, events[i].version))
			print_error("row: %s\n", events[i].line);
		assert_int_equal(err, events[i].err);
		assert_string_equal(version, events[i].version);
		assert_string_equal(note.text, events[i].want);
	}
	guard_free(&g);
}

/* A list and an event that hold everything, for those that cut and change them. */
static char *whole_list(struct sonde_slice *out)
{
	return answer_of("{'kind':'PodList','metadata':{'resourceVersion':'9','continue':'n'},"
			 "'items':[",
			 web, "]}", out);
}

static char *whole_event(struct sonde_slice *out)
{
	return answer_of("{'type':'MODIFIED','object':", web, "}", out);
}

static void every_proper_prefix_is_refused(void **state)
{
	struct guard g = guard_new(ROOM);
	struct sonde_slice body, line;
	char *list = whole_list(&body), *event = whole_event(&line);

	(void)state;
	for (size_t n = 0; n < body.len; n++) {
		struct sonde_kubernetes_page page = { "1", "2" };
		struct answers_note note;

		assert_int_equal(read_list(&g, sonde_slice_sub(body, 0, n), &note, &page), -EPROTO);
		assert_int_equal(note.len, 0);
		assert_string_equal(page.version, "1");
	}
	for (size_t n = 0; n < line.len; n++) {
		char version[SONDE_KUBERNETES_VERSION_MAX] = "old";
		struct answers_note note;

		assert_int_equal(read_event(&g, sonde_slice_sub(line, 0, n), &note, version),
				 -EPROTO);
		assert_int_equal(note.len, 0);
		assert_string_equal(version, "old");
	}
	free(list);
	free(event);
	guard_free(&g);
}

/* What borrowed text a mutant yields must be there to be read, and be within its bounds. */
static void read_all(void *ctx, const struct sonde_workload *facts)
{
	struct sonde_workload *w = sonde_workload_new(facts);

	assert_non_null(w);
	assert_true(w->pod_uid.len && w->pod.len);
	assert_true(!w->container_id.len || sonde_docker_is_id(w->container_id));
	assert_true(facts->n_labels <= SONDE_WORKLOAD_LABELS);
	sonde_workload_put(w);
	++*(size_t *)ctx;
}

static void check_mutant(struct sonde_slice bytes)
{
	struct sonde_kubernetes_page page = { "1", "2" };
	char version[SONDE_KUBERNETES_VERSION_MAX] = "old";
	size_t told = 0;
	int err = sonde_kubernetes_parse_list(bytes, read_all, &told, &page);

	assert_true(err == 0 || err == -EPROTO);
	assert_true(!err || (!told && !strcmp(page.version, "1") && !strcmp(page.next, "2")));
	told = 0;
	err = sonde_kubernetes_parse_event(bytes, read_all, &told, version);
	assert_true(err == 0 || err == -EPROTO || err == -EIO || err == -ESTALE);
	assert_true(err ? !told && !strcmp(version, "old") : *version != '\0');
}

static void mutants_are_read_within_their_bounds(void **state)
{
	static const uint8_t values[] = {
		'\0', '"', '\\', '{', '}', '[', ',', ':', '0', 0x80, 0xff
	};
	struct guard g = guard_new(ROOM);
	struct sonde_slice whole[2];
	char *list = whole_list(&whole[0]), *event = whole_event(&whole[1]);

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t at = 0; at < whole[i].len; at++)
			for (size_t v = 0; v < N_OF(values); v++) {
				struct sonde_slice mutant = guard_put(&g, whole[i]);

				g.room[g.cap - mutant.len + at] = values[v];
				check_mutant(mutant);
			}
	free(list);
	free(event);
	guard_free(&g);
}

static void nesting_without_end_is_refused(void **state)
{
	static char deep[ROOM];
	struct sonde_kubernetes_page page = { "1", "2" };
	struct guard g = guard_new(ROOM);
	struct answers_note note;

	(void)state;
	memset(deep, '[', sizeof(deep));
	assert_int_equal(read_list(&g, sonde_slice_of(deep, sizeof(deep)), &note, &page), -EPROTO);
	guard_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_tells_of_the_pod_and_its_containers),
		cmocka_unit_test(watch_tells_the_same),
		cmocka_unit_test(what_is_no_pod_does_not_hide_the_next),
		cmocka_unit_test(list_says_how_to_go_on),
		cmocka_unit_test(other_answers_leave_the_page_as_it_was),
		cmocka_unit_test(next_page_is_asked_for_whole_or_not_at_all),
		cmocka_unit_test(event_says_from_where_to_go_on),
		cmocka_unit_test(every_proper_prefix_is_refused),
		cmocka_unit_test(mutants_are_read_within_their_bounds),
		cmocka_unit_test(nesting_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
