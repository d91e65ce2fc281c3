// SPDX-License-Identifier: Apache-2.0
/* `sonde doctor`: can sonded work here, and what would help. Needs no daemon. */
#include "tools/sonde/doctor.h"

#include "agent/probe/features.h"
#include "exporters/json.h"
#include "tools/sonde/commands.h"
#include "tools/sonde/text.h"

enum { OUTPUT_BYTES = 1 << 20 };

struct options {
	int format;
};

struct report {
	struct sonde_finding findings[SONDE_FINDINGS_MAX];
	size_t n_findings;
	struct sonde_feature features[SONDE_FEATURES_MAX];
	size_t n_features;
};

static const struct sonde_option option_table[] = {
	{ "output", 'o', SONDE_OPTION_CHOICE, offsetof(struct options, format), "FORMAT",
	  sonde_plain_format_names, "table or json" },
};

static const char *const feature_states[] = { "missing", "yes", "unknown" };

static bool core_works(const struct report *r)
{
	for (size_t i = 0; i < r->n_findings; i++)
		if (r->findings[i].state == SONDE_FINDING_FAIL)
			return false;
	for (size_t i = 0; i < r->n_features; i++)
		if (r->features[i].core && r->features[i].state != SONDE_FEATURE_PRESENT)
			return false;
	return true;
}

static void print_table(const struct report *r, struct sonde_buf *out)
{
	struct sonde_grid g;

	sonde_grid_init(&g, "NODE STATE DETAIL");
	for (size_t i = 0; i < r->n_findings; i++) {
		sonde_grid_add_str(&g, r->findings[i].name);
		sonde_grid_add_str(&g, sonde_finding_names[r->findings[i].state]);
		sonde_grid_add_str(&g, r->findings[i].detail);
	}
	sonde_grid_print(&g, out);
	sonde_grid_init(&g, "FEATURE STATE NEED FOR");
	sonde_buf_put_byte(out, '\n');
	for (size_t i = 0; i < r->n_features; i++) {
		const struct sonde_feature *f = &r->features[i];

		sonde_grid_add_str(&g, f->name);
		sonde_grid_add_str(&g, feature_states[f->state]);
		sonde_grid_add_str(&g, f->core ? "core" : "optional");
		sonde_grid_add_str(&g, f->use);
	}
	sonde_grid_print(&g, out);
	sonde_buf_put_byte(out, '\n');
	for (size_t i = 0; i < r->n_findings; i++)
		if (r->findings[i].fix && r->findings[i].state != SONDE_FINDING_OK)
			sonde_buf_printf(out, "%s: %s\n", r->findings[i].name, r->findings[i].fix);
	sonde_buf_put_str(out, core_works(r)
				       ? "sonded can work here.\n"
				       : "sonded cannot work here, or this user cannot tell.\n");
}

static void put_pair(struct sonde_buf *b, const char *key, const char *value)
{
	sonde_buf_printf(b, "%s\"%s\":", b->ptr[b->len - 1] == '{' ? "" : ",", key);
	sonde_json_string(b, sonde_slice_str(value));
}

static void print_json(const struct report *r, struct sonde_buf *b)
{
	sonde_buf_printf(b, "{\"works\":%s,\"node\":[", core_works(r) ? "true" : "false");
	for (size_t i = 0; i < r->n_findings; i++) {
		const struct sonde_finding *f = &r->findings[i];

		sonde_buf_put_str(b, i ? ",{" : "{");
		put_pair(b, "name", f->name);
		put_pair(b, "state",
			 f->state == SONDE_FINDING_FAIL ? "fail" : sonde_finding_names[f->state]);
		put_pair(b, "detail", f->detail);
		if (f->fix && f->state != SONDE_FINDING_OK)
			put_pair(b, "fix", f->fix);
		sonde_buf_put_byte(b, '}');
	}
	sonde_buf_put_str(b, "],\"features\":[");
	for (size_t i = 0; i < r->n_features; i++) {
		const struct sonde_feature *f = &r->features[i];

		sonde_buf_put_str(b, i ? ",{" : "{");
		put_pair(b, "name", f->name);
		put_pair(b, "state", feature_states[f->state]);
		sonde_buf_printf(b, ",\"core\":%s", f->core ? "true" : "false");
		put_pair(b, "use", f->use);
		sonde_buf_put_byte(b, '}');
	}
	sonde_buf_put_str(b, "]}\n");
}

static int run_doctor(const struct sonde_cli *cli, int argc, char **argv)
{
	struct options options = { SONDE_PLAIN_TABLE };
	struct sonde_words words = { .n = 0 };
	struct sonde_buf out;
	struct report r;
	int code;

	if (!sonde_cli_options(&sonde_doctor_command, &options, argc, argv, &words, &code))
		return code;
	r.n_findings = sonde_doctor_examine(cli->run_dir, r.findings);
	r.n_features = sonde_features_probe(r.features);
	sonde_buf_init(&out, OUTPUT_BYTES);
	if (options.format == SONDE_PLAIN_JSON)
		print_json(&r, &out);
	else
		print_table(&r, &out);
	return sonde_print_last(&out, core_works(&r) ? SONDE_EXIT_OK : SONDE_EXIT_PRIVILEGE);
}

const struct sonde_command sonde_doctor_command = {
	.name = "doctor",
	.arguments = "",
	.summary = "Say whether sonded can work here, and what would help",
	.notes = "Exit 0 when all that the core needs is there, 4 when not or when this user may "
		 "not\n"
		 "find out.",
	.options = option_table,
	.n_options = sizeof(option_table) / sizeof(option_table[0]),
	.run = run_doctor,
};
