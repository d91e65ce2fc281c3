// SPDX-License-Identifier: Apache-2.0
/*
 * A config is all of a file or nothing, and each mistake is shown with its place.
 */
#include "agent/daemon/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/daemon/config_address.h"
#include "agent/daemon/config_schema.h"

enum { TEXT_MAX = 1 << 16 };

static char text_memory[TEXT_MAX], other_memory[TEXT_MAX];

/* Parses TEXT as the file "x"; the errors as a C string stay until the next call. */
static int parse(const char *text, struct sonde_config *out, const char **errors)
{
	static char memory[TEXT_MAX];
	struct sonde_buf buf;
	int err;

	sonde_buf_over(&buf, memory, sizeof(memory) - 1);
	err = sonde_config_parse(sonde_slice_str(text), "x", out, &buf);
	assert_false(buf.failed);
	memory[buf.len] = '\0';
	if (errors)
		*errors = memory;
	return err;
}

static const char *print(const struct sonde_config *config, bool comments, char memory[TEXT_MAX])
{
	struct sonde_buf buf;

	sonde_buf_over(&buf, memory, TEXT_MAX - 1);
	sonde_config_print(config, comments, &buf);
	assert_false(buf.failed);
	memory[buf.len] = '\0';
	return memory;
}

static void empty_text_is_all_defaults(void **state)
{
	static const char *const texts[] = {
		"", "# nothing\n", "---\n", "{}\n", "capture:\n", "capture:\n  ignored_ports:\n"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sonde_config config;

		assert_int_equal(parse(texts[i], &config, NULL), 0);
		assert_int_equal(config.capture.ring_bytes, 8 << 20);
		assert_int_equal(config.capture.request_head_bytes, 448);
		assert_int_equal(config.capture.response_head_bytes, 192);
		assert_int_equal(config.capture.drain_interval_ns, 10000000);
		assert_int_equal(config.capture.max_connections, 65536);
		assert_int_equal(config.http.timeout_ns, 60000000000);
		assert_int_equal(config.routes.unmatched, SONDE_UNMATCHED_HEURISTIC);
		assert_int_equal(config.routes.max_segment_values, 10);
		assert_int_equal(config.routes.max_per_service, 200);
		assert_int_equal(config.metrics.max_series, 10000);
		assert_int_equal(config.metrics.idle_expiry_ns, 900000000000);
		assert_string_equal(config.listen.listen, "127.0.0.1:9764");
		assert_false(config.listen.insecure);
		assert_string_equal(config.control.view_group, "");
		assert_string_equal(config.control.trace_group, "sonde");
		assert_string_equal(config.control.control_group, "sonde-admin");
		assert_false(config.jsonl.enabled);
		assert_string_equal(config.jsonl.path, "/var/log/sonde/requests.jsonl");
		assert_int_equal(config.jsonl.max_bytes, 64 << 20);
		assert_int_equal(config.jsonl.max_files, 5);
		assert_int_equal(config.jsonl.queue_records, 8192);
		assert_string_equal(config.daemon.user, "sonde");
		assert_string_equal(config.daemon.log_level, "info");
		assert_int_equal(config.services.n_rules, 0);
		sonde_config_fini(&config);
	}
}

/* Every key away from its default. */
static const char full[] = "capture:\n"
			   "  ring_bytes: 64KiB\n"
			   "  request_head_bytes: 1984\n"
			   "  response_head_bytes: 64\n"
			   "  drain_interval: 1s\n"
			   "  max_connections: 64\n"
			   "  ignored_ports: [22, 65535]\n"
			   "  ignored_cgroups: [/a.slice, \"/b c\"]\n"
			   "http: {timeout: 100ms}\n"
			   "services:\n"
			   "  rules:\n"
			   "  - {name: shop, unit: 'shop-*', port: 8080}\n"
			   "  - name: \"a \\\"quoted\\\" \\u00e9 \\\\\"\n"
			   "    comm: '*'\n"
			   "    container: f00*\n"
			   "    cgroup: /x/*\n"
			   "routes:\n"
			   "  patterns: [/users/:id, '/static/*']\n"
			   "  ignored_patterns: [/healthz]\n"
			   "  unmatched: unset\n"
			   "  max_segment_values: 1\n"
			   "  max_per_service: 10000\n"
			   "metrics: {max_series: 16, idle_expiry: 0, service_version: true}\n"
			   "listen:\n"
			   "  http: '[::]:80'\n"
			   "  allowed_hosts: [node1]\n"
			   "  insecure: true\n"
			   "control: {view_group: v, trace_group: '', control_group: c}\n"
			   "exporters:\n"
			   "  jsonl: {enabled: true, path: '-', max_bytes: 1TiB, max_files: 0,\n"
			   "          queue_records: 16}\n"
			   "daemon: {user: u, log_level: debug}\n";

static void every_key_reaches_its_field(void **state)
{
	struct sonde_config c;

	(void)state;
	assert_int_equal(parse(full, &c, NULL), 0);
	assert_int_equal(c.capture.ring_bytes, 65536);
	assert_int_equal(c.capture.request_head_bytes, 1984);
	assert_int_equal(c.capture.response_head_bytes, 64);
	assert_int_equal(c.capture.drain_interval_ns, 1000000000);
	assert_int_equal(c.capture.max_connections, 64);
	assert_int_equal(c.capture.n_ignored_ports, 2);
	assert_int_equal(c.capture.ignored_ports[1], 65535);
	assert_int_equal(c.capture.ignored_cgroups.n_items, 2);
	assert_string_equal(c.capture.ignored_cgroups.items[1], "/b c");
	assert_int_equal(c.http.timeout_ns, 100000000);
	assert_int_equal(c.services.n_rules, 2);
	assert_string_equal(c.services.rules[0].name, "shop");
	assert_string_equal(c.services.rules[0].unit, "shop-*");
	assert_string_equal(c.services.rules[0].comm, "");
	assert_int_equal(c.services.rules[0].port, 8080);
	assert_string_equal(c.services.rules[1].name, "a \"quoted\" \xc3\xa9 \\");
	assert_string_equal(c.services.rules[1].comm, "*");
	assert_string_equal(c.services.rules[1].container, "f00*");
	assert_string_equal(c.services.rules[1].cgroup, "/x/*");
	assert_int_equal(c.services.rules[1].port, 0);
	assert_int_equal(c.routes.patterns.n_items, 2);
	assert_string_equal(c.routes.patterns.items[1], "/static/*");
	assert_string_equal(c.routes.ignored_patterns.items[0], "/healthz");
	assert_int_equal(c.routes.unmatched, SONDE_UNMATCHED_UNSET);
	assert_int_equal(c.routes.max_segment_values, 1);
	assert_int_equal(c.routes.max_per_service, 10000);
	assert_int_equal(c.metrics.max_series, 16);
	assert_int_equal(c.metrics.idle_expiry_ns, 0);
	assert_true(c.metrics.service_version);
	assert_false(c.metrics.service_namespace);
	assert_string_equal(c.listen.listen, "[::]:80");
	assert_string_equal(c.listen.allowed_hosts.items[0], "node1");
	assert_true(c.listen.insecure);
	assert_string_equal(c.control.view_group, "v");
	assert_string_equal(c.control.trace_group, "");
	assert_string_equal(c.control.control_group, "c");
	assert_true(c.jsonl.enabled);
	assert_string_equal(c.jsonl.path, "-");
	assert_true(c.jsonl.max_bytes == UINT64_C(1) << 40);
	assert_int_equal(c.jsonl.max_files, 0);
	assert_int_equal(c.jsonl.queue_records, 16);
	assert_string_equal(c.daemon.user, "u");
	assert_string_equal(c.daemon.log_level, "debug");
	sonde_config_fini(&c);
}

static void printed_config_reads_back_as_itself(void **state)
{
	static const char *const texts[] = { "", full };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct sonde_config first, second;

		assert_int_equal(parse(texts[i / 2], &first, NULL), 0);
		print(&first, i % 2, text_memory);
		assert_int_equal(parse(text_memory, &second, NULL), 0);
		assert_string_equal(print(&first, false, text_memory),
				    print(&second, false, other_memory));
		sonde_config_fini(&first);
		sonde_config_fini(&second);
	}
}

#define PLACES                                                                                     \
	"{container_name}, {pod}, {namespace}, {image_tag}, {unit}, {comm} and {label:KEY} stand " \
	"for what is known"
#define SECTIONS                                                                                 \
	"capture, http, services, routes, metrics, connections, metadata, peers, edges, limit, " \
	"listen, "                                                                               \
	"control, exporters, daemon"
#define SIZES                                                                      \
	"expected a number of bytes from 64KiB to 256MiB that is a power of two, " \
	"written like 64KiB or 8MiB\n"
#define TIMES  "expected a time from 100ms to 1h, written like 10ms, 1s, 5m or 2h\n"
#define LISTEN "expected ADDRESS:PORT such as 127.0.0.1:9764 or [::1]:9764, or \"\" for off\n"
#define HINT   "check the indentation, colons and quotes here and above\n"

static const struct {
	const char *text, *errors;
} broken[] = {
	{ "capture:\n  ring_byte: 1MiB\n",
	  "x:2:3: capture.ring_byte: unknown key; did you mean ring_bytes?\n" },
	{ "htpt:\n  timeout: 1s\n", "x:1:1: htpt: unknown key; did you mean http?\n" },
	{ "a: 1\n\n\nqqqqqqqq: {x: [1, {y: 2}]}\nb: 1",
	  "x:1:1: a: unknown key; known here are " SECTIONS "\n"
	  "x:4:1: qqqqqqqq: unknown key; known here are " SECTIONS "\n"
	  "x:5:1: b: unknown key; known here are " SECTIONS "\n" },
	{ "max_series: 100\n",
	  "x:1:1: max_series: unknown key; did you mean max_series in the section metrics?\n" },
	{ "metrics.max_series: 100\n",
	  "x:1:1: metrics.max_series: unknown key; did you mean max_series in the section "
	  "metrics?\n" },
	{ "services:\n  rules[]:\n    name: x\n",
	  "x:2:3: services.rules[]: unknown key; did you mean rules?\n" },
	{ "\"e\\e[1m\": 1\n", "x:1:1: e\\x1b[1m: unknown key; known here are " SECTIONS "\n" },
	{ "http: {timeout: 1s}\nhttp:\n  timeout: 2s\n",
	  "x:2:1: http: is given twice; keep this one or the one in line 1\n" },
	{ "http:\n  timeout: 1s\n  timeout: bad\n",
	  "x:3:3: http.timeout: is given twice; keep this one or the one in line 2\n" },
	{ "capture:\n  ring_bytes: [1]\n", "x:2:15: capture.ring_bytes: is a list; " SIZES },
	{ "capture:\n  ring_bytes: {a: 1}\n", "x:2:15: capture.ring_bytes: is a map; " SIZES },
	{ "capture:\n  ring_bytes:\n", "x:2:14: capture.ring_bytes: has no value; " SIZES },
	{ "capture:\n  ring_bytes: ~\n", "x:2:15: capture.ring_bytes: has no value; " SIZES },
	{ "capture:\n  ring_bytes: 100000\n",
	  "x:2:15: capture.ring_bytes: \"100000\" is not a power of two; " SIZES },
	{ "capture:\n  ring_bytes: 512MiB\n",
	  "x:2:15: capture.ring_bytes: \"512MiB\" is out of range; " SIZES },
	{ "capture:\n  ring_bytes: 32KiB\n",
	  "x:2:15: capture.ring_bytes: \"32KiB\" is out of range; " SIZES },
	{ "capture:\n  ring_bytes: 8MB\n",
	  "x:2:15: capture.ring_bytes: \"8MB\" is not a number of bytes; " SIZES },
	{ "capture:\n  ring_bytes: 99999999999TiB\n",
	  "x:2:15: capture.ring_bytes: \"99999999999TiB\" is out of range; " SIZES },
	{ "capture:\n  max_connections: -1\n",
	  "x:2:20: capture.max_connections: \"-1\" is not a number; expected a whole number from "
	  "64 to 1048576\n" },
	{ "capture:\n  ignored_ports: 22\n",
	  "x:2:18: capture.ignored_ports: is a single value; expected a list of at most 16, each "
	  "a port from 1 to 65535\n" },
	{ "capture:\n  ignored_ports: [1, 0, [2]]\n",
	  "x:2:22: capture.ignored_ports[1]: \"0\" is out of range; expected a port from 1 to "
	  "65535\n"
	  "x:2:25: capture.ignored_ports[2]: is a list; expected a port from 1 to 65535\n" },
	{ "http:\n  timeout: 60\n", "x:2:12: http.timeout: \"60\" is not a time; " TIMES },
	{ "http:\n  timeout: 5 m\n", "x:2:12: http.timeout: \"5 m\" is not a time; " TIMES },
	{ "http:\n  timeout: 99ms\n", "x:2:12: http.timeout: \"99ms\" is out of range; " TIMES },
	{ "http:\n  timeout: 61m\n", "x:2:12: http.timeout: \"61m\" is out of range; " TIMES },
	{ "http: 5\n", "x:1:7: http: is a single value; expected a map with the keys timeout\n" },
	{ "services:\n  rules:\n    - unit: x\n    - name: y\n      poort: 1\n    - z\n",
	  "x:3:7: services.rules[0].name: is missing; every rule needs the name it gives\n"
	  "x:5:7: services.rules[1].poort: unknown key; did you mean port?\n"
	  "x:6:7: services.rules[2]: is a single value; expected a map with the key name and what "
	  "must match\n" },
	{ "services:\n  rules:\n    - {name: x, name: y}\n",
	  "x:3:17: services.rules[0].name: is given twice; keep this one or the one in line 3\n" },
	{ "services:\n  rules:\n    - {name: '', port: 65536}\n",
	  "x:3:14: services.rules[0].name: \"\" is empty; expected a service name, in which " PLACES
	  "\n"
	  "x:3:24: services.rules[0].port: \"65536\" is out of range; expected 0 or a port from 1 "
	  "to 65535\n" },
	{ "routes:\n  unmatched: guess\n",
	  "x:2:14: routes.unmatched: \"guess\" is none of the choices; expected heuristic, path, "
	  "wildcard or unset\n" },
	{ "daemon:\n  log_level: loud\n",
	  "x:2:14: daemon.log_level: \"loud\" is none of the choices; expected error, warn, info "
	  "or debug\n" },
	{ "daemon:\n  user: \"a\\nb\"\n",
	  "x:2:9: daemon.user: \"a\\x0ab\" holds a control character; expected a user name\n" },
	{ "daemon:\n  user: \"a\\0b\"\n",
	  "x:2:9: daemon.user: \"a\\x00b\" holds a control character; expected a user name\n" },
	{ "exporters:\n  jsonl:\n    enabled: yes\n    path: here\n",
	  "x:3:14: exporters.jsonl.enabled: \"yes\" is neither true nor false; expected true or "
	  "false\n"
	  "x:4:11: exporters.jsonl.path: \"here\" does not begin with a slash; expected the full "
	  "path of a file, or - for standard output\n" },
	{ "listen:\n  http: 9764\n", "x:2:9: listen.http: \"9764\" has no port; " LISTEN },
	{ "listen:\n  http: 127.0.0.1:0\n",
	  "x:2:9: listen.http: \"127.0.0.1:0\" has no port from 1 to 65535; " LISTEN },
	{ "listen:\n  http: localhost:80\n",
	  "x:2:9: listen.http: \"localhost:80\" has no numeric IP address; " LISTEN },
	{ "listen:\n  http: '[::g]:80'\n",
	  "x:2:9: listen.http: \"[::g]:80\" has no numeric IPv6 address; " LISTEN },
	{ "listen:\n  insecure: false\n  http: 0.0.0.0:80\n",
	  "x:3:9: listen.http: \"0.0.0.0:80\"" SONDE_CONFIG_EXPOSED "\n" },
	{ "listen: &a\n  http: 127.0.0.1:80\ncontrol: *a\n",
	  "x:1:9: listen: anchors, aliases and tags are not understood; write the value itself\n"
	  "x:3:10: control: anchors, aliases and tags are not understood; write the value "
	  "itself\n" },
	{ "http:\n  timeout: !!str 1s\n",
	  "x:2:12: http.timeout: anchors, aliases and tags are not understood; write the value "
	  "itself\n" },
	{ "http:\n  [a]: 1\n", "x:2:3: http.?: is no key; expected one plain word\n" },
	{ "\n- a\n", "x:2:1: the config: is a list; expected a map with the keys " SECTIONS "\n" },
	{ "{}\n---\n{}\n",
	  "x:2:1: the config: a second document begins here; expected one only\n" },
	{ "http:\n\ttimeout: 1s\n",
	  "x:2:1: not YAML: found character that cannot start any token while scanning for the "
	  "next token; indent with spaces, not with tabs\n" },
	{ "http: {timeout: 1s\n",
	  "x:2:1: not YAML: did not find expected ',' or '}' while parsing a flow mapping; " HINT },
	{ "http:\n  timeout: 'a\xc3\xa9\xff'\n",
	  "x:2:15: not YAML: invalid leading UTF-8 octet; a config is text in UTF-8\n" },
};

static void each_mistake_is_shown_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct sonde_config config;
		const char *errors;

		memset(&config, 0xA5, sizeof(config));
		assert_int_equal(parse(broken[i].text, &config, &errors), -EINVAL);
		assert_string_equal(errors, broken[i].errors);
		for (size_t j = 0; j < sizeof(config); j++)
			assert_int_equal(((const unsigned char *)&config)[j], 0xA5);
	}
}

static void one_run_shows_all_mistakes_and_counts_the_rest(void **state)
{
	struct sonde_config config;
	const char *errors;
	struct sonde_buf text;
	size_t n_lines = 0;

	(void)state;
	sonde_buf_over(&text, text_memory, sizeof(text_memory) - 1);
	for (int i = 0; i < 100; i++)
		sonde_buf_printf(&text, "key%d: 1\n", i);
	text_memory[text.len] = '\0';
	assert_int_equal(parse(text_memory, &config, &errors), -EINVAL);
	for (const char *p = errors; (p = strchr(p, '\n')); p++)
		n_lines++;
	assert_int_equal(n_lines, 65);
	assert_non_null(strstr(errors, "\nx:64:1: key63: unknown key"));
	assert_string_equal(strstr(errors, "x: and"), "x: and 36 further mistakes\n");
}

static void lists_are_bounded(void **state)
{
	static const struct {
		const char *head, *item, *error;
		int max;
	} lists[] = {
		{ "capture: {ignored_ports: [", "1,",
		  "capture.ignored_ports[16]: \"1\" is one too many", SONDE_CONFIG_PORTS_MAX },
		{ "capture: {ignored_cgroups: [", "/x,",
		  "capture.ignored_cgroups[64]: \"/x\" is one too many", SONDE_CONFIG_LIST_MAX },
		{ "services: {rules: [", "{name: x},", "services.rules[64]: is one too many",
		  SONDE_CONFIG_RULES_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (int extra = 0; extra < 2; extra++) {
			struct sonde_config config;
			struct sonde_buf text;
			const char *errors;

			sonde_buf_over(&text, text_memory, sizeof(text_memory));
			sonde_buf_put_str(&text, lists[i].head);
			for (int j = 0; j < lists[i].max + extra; j++)
				sonde_buf_put_str(&text, lists[i].item);
			sonde_buf_put(&text, "]}", sizeof("]}"));
			assert_int_equal(parse(text_memory, &config, &errors), extra ? -EINVAL : 0);
			if (extra)
				assert_non_null(strstr(errors, lists[i].error));
			else
				sonde_config_fini(&config);
		}
	}
}

static void long_texts_are_refused(void **state)
{
	struct sonde_config config;
	const char *errors;

	(void)state;
	snprintf(text_memory, sizeof(text_memory), "daemon: {user: %065d}", 0);
	assert_int_equal(parse(text_memory, &config, &errors), -EINVAL);
	snprintf(other_memory, sizeof(other_memory),
		 "x:1:16: daemon.user: \"%060d...\" is too long; expected a user name\n", 0);
	assert_string_equal(errors, other_memory);
	snprintf(text_memory, sizeof(text_memory), "daemon: {user: %064d}", 0);
	assert_int_equal(parse(text_memory, &config, &errors), 0);
	sonde_config_fini(&config);
}

static void route_patterns_are_checked(void **state)
{
	struct sonde_config config;
	const char *errors;

	(void)state;
	assert_int_equal(parse("routes:\n  patterns:\n    - users\n", &config, &errors), -EINVAL);
	assert_int_equal(strncmp(errors, "x:3:7: routes.patterns[0]: \"users\" ", 35), 0);
}

static void option_overrides_the_file(void **state)
{
	struct sonde_config config;
	struct sonde_buf errors;

	(void)state;
	sonde_buf_over(&errors, text_memory, sizeof(text_memory) - 1);
	assert_int_equal(sonde_config_defaults(&config), 0);
	assert_int_equal(sonde_config_set(&config, "listen.http", SONDE_SLICE_LIT("[::1]:80"),
					  "--http", &errors),
			 0);
	assert_string_equal(config.listen.listen, "[::1]:80");
	assert_int_equal(sonde_config_set(&config, "listen.http", SONDE_SLICE_LIT("1.2.3.4:80"),
					  "--http", &errors),
			 -EINVAL);
	assert_string_equal(config.listen.listen, "[::1]:80");
	assert_int_equal(
		sonde_config_set(&config, "listen.http", SONDE_SLICE_LIT("80"), "--http", &errors),
		-EINVAL);
	assert_string_equal(config.listen.listen, "[::1]:80");
	text_memory[errors.len] = '\0';
	assert_string_equal(text_memory, "--http: \"1.2.3.4:80\"" SONDE_CONFIG_EXPOSED "\n"
					 "--http: \"80\" has no port; " LISTEN);
	assert_int_equal(
		sonde_config_set(&config, "services.rules", SONDE_SLICE_LIT("x"), "-x", &errors),
		-ENOENT);
	assert_int_equal(sonde_config_set(&config, "services.rules[].name", SONDE_SLICE_LIT("x"),
					  "-x", &errors),
			 -ENOENT);
	sonde_config_fini(&config);
	sonde_config_fini(&config);
}

static void file_that_cannot_be_read_is_named(void **state)
{
	struct sonde_config config;
	struct sonde_buf errors;

	(void)state;
	sonde_buf_over(&errors, text_memory, sizeof(text_memory) - 1);
	assert_int_equal(sonde_config_load("/nowhere/x.yaml", &config, &errors), -ENOENT);
	assert_int_equal(sonde_config_load("/", &config, &errors), -EISDIR);
	assert_int_equal(sonde_config_load("/dev/zero", &config, &errors), -EFBIG);
	text_memory[errors.len] = '\0';
	assert_string_equal(text_memory,
			    "/nowhere/x.yaml: cannot be read: No such file or directory\n"
			    "/: cannot be read: Is a directory\n"
			    "/dev/zero: cannot be read: File too large\n");
}

static void file_is_loaded(void **state)
{
	char path[] = "/tmp/sonde-config-XXXXXX";
	struct sonde_config config;
	struct sonde_buf errors;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, full, strlen(full)), (ssize_t)strlen(full));
	close(fd);
	sonde_buf_over(&errors, text_memory, sizeof(text_memory));
	assert_int_equal(sonde_config_load(path, &config, &errors), 0);
	assert_int_equal(errors.len, 0);
	assert_int_equal(config.capture.max_connections, 64);
	sonde_config_fini(&config);
	unlink(path);
}

static void loopback_is_told_from_other_addresses(void **state)
{
	static const struct {
		const char *text;
		int err;
		bool loopback;
	} rows[] = {
		{ "127.0.0.1:80", 0, true },
		{ "127.255.0.9:1", 0, true },
		{ "[::1]:65535", 0, true },
		{ "[::ffff:127.0.0.1]:80", 0, true },
		{ "128.0.0.1:80", 0, false },
		{ "0.0.0.0:80", 0, false },
		{ "[::]:80", 0, false },
		{ "[::ffff:1.2.3.4]:80", 0, false },
		{ "[fe80::1]:80", 0, false },
		{ "", -EINVAL, false },
		{ ":80", -EINVAL, false },
		{ "::1:80", -EINVAL, false },
		{ "[127.0.0.1]:80", -EINVAL, false },
		{ "[]:80", -EINVAL, false },
		{ "127.0.0.1:65536", -EINVAL, false },
		{ "127.0.0.1:+80", -EINVAL, false },
		{ "127.0.0.1", -EINVAL, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_storage address;
		socklen_t len = 0;

		assert_int_equal(
			sonde_config_address_parse(sonde_slice_str(rows[i].text), &address, &len),
			rows[i].err);
		if (rows[i].err)
			assert_int_equal(len, 0);
		else
			assert_int_equal(sonde_config_address_is_loopback(&address),
					 rows[i].loopback);
	}
}

/* The table keeps what its walkers rely on. */
static void every_key_is_documented_and_in_order(void **state)
{
	struct sonde_buf man;

	(void)state;
	sonde_buf_over(&man, text_memory, sizeof(text_memory) - 1);
	sonde_config_man(&man);
	assert_false(man.failed);
	text_memory[man.len] = '\0';
	for (size_t i = 0; i < sonde_n_config_keys; i++) {
		const struct sonde_config_key *key = &sonde_config_keys[i];
		size_t section = strcspn(key->name, ".") + 1;

		snprintf(other_memory, sizeof(other_memory), ".TP\n.B %s\n%.20s", key->name,
			 key->help);
		assert_non_null(strstr(text_memory, other_memory));
		assert_int_equal(key->help[strlen(key->help) - 1], '.');
		assert_true(sonde_config_key_is_list(key) ? !key->fallback : !!key->fallback);
		assert_ptr_equal(sonde_config_key_find("", sonde_slice_str(key->name)), key);
		if (i && !strncmp(key->name, key[-1].name, section))
			continue;
		for (size_t j = 0; j < i; j++) /* a section is in one piece */
			assert_int_not_equal(strncmp(key->name, sonde_config_keys[j].name, section),
					     0);
	}
}

static void shipped_example_is_all_defaults(void **state)
{
	struct sonde_config config, defaults;
	struct sonde_buf errors;

	(void)state;
	sonde_buf_over(&errors, text_memory, sizeof(text_memory) - 1);
	assert_int_equal(sonde_config_load("tools/packaging/sonde.yaml", &config, &errors), 0);
	assert_int_equal(sonde_config_defaults(&defaults), 0);
	assert_string_equal(print(&config, false, text_memory),
			    print(&defaults, false, other_memory));
	sonde_config_fini(&config);
	sonde_config_fini(&defaults);
}

static void rules_of_rate_limiting_are_good_as_a_whole_too(void **state)
{
	static const struct {
		const char *rule, *want;
	} rows[] = {
		{ "{name: a, iface: eth0, rate: 5/s}", NULL },
		{ "{name: b, iface: eth0, rate: 5/s, unit: connections, dport: 443, ttl: none}",
		  NULL },
		{ "{name: b, iface: eth0, rate: 5/s, trial: false, src: 10.0.0.0/8, per: /24}",
		  NULL },
		{ "{name: first, iface: eth0, rate: 5/s}", "has the name of an earlier rule" },
		{ "{name: b, iface: eth0}", "rate: is missing" },
		{ "{name: b, rate: 5/s}", "iface: is missing" },
		{ "{iface: eth0, rate: 5/s}", "name: is missing" },
		{ "{name: b, iface: eth0, rate: 5}", "is no number per second; expected" },
		{ "{name: b, iface: eth0, rate: 5/s, unit: requests, proto: udp}",
		  "only proto tcp has" },
		{ "{name: b, iface: eth0, rate: 5/s, dport: 1, proto: icmp}",
		  "which proto icmp has not" },
		{ "{name: b, iface: eth0, rate: 5/s, ttl: 0}", "is no time; expected" },
		{ "{name: b, iface: eth0, rate: 5/s, per: /32}", "is none of the choices" },
		{ "{name: b, iface: eth0, rate: 5/s, src: 10.0.0.1/8}", "beyond its prefix" },
		{ "{name: b, iface: eth0, rate: 5/s, prio: 3}",
		  "unknown key; did you mean priority" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sonde_config config;
		const char *errors;
		char text[512];

		snprintf(
			text, sizeof(text),
			"limit:\n  rules:\n    - {name: first, iface: eth0, rate: 1/s}\n    - %s\n",
			rows[i].rule);
		if (rows[i].want) {
			assert_int_equal(parse(text, &config, &errors), -EINVAL);
			assert_non_null(strstr(errors, "x:4:"));
			assert_non_null(strstr(errors, "limit.rules[1]"));
			assert_non_null(strstr(errors, rows[i].want));
			continue;
		}
		assert_int_equal(parse(text, &config, NULL), 0);
		assert_int_equal(config.limit.n_rules, 2);
		print(&config, false, text_memory);
		sonde_config_fini(&config);
		/* As the worker gets it. */
		assert_int_equal(parse(text_memory, &config, NULL), 0);
		assert_int_equal(config.limit.n_rules, 2);
		sonde_config_fini(&config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_of_rate_limiting_are_good_as_a_whole_too),
		cmocka_unit_test(empty_text_is_all_defaults),
		cmocka_unit_test(every_key_reaches_its_field),
		cmocka_unit_test(printed_config_reads_back_as_itself),
		cmocka_unit_test(each_mistake_is_shown_with_its_place),
		cmocka_unit_test(one_run_shows_all_mistakes_and_counts_the_rest),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(long_texts_are_refused),
		cmocka_unit_test(route_patterns_are_checked),
		cmocka_unit_test(option_overrides_the_file),
		cmocka_unit_test(file_that_cannot_be_read_is_named),
		cmocka_unit_test(file_is_loaded),
		cmocka_unit_test(loopback_is_told_from_other_addresses),
		cmocka_unit_test(every_key_is_documented_and_in_order),
		cmocka_unit_test(shipped_example_is_all_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
