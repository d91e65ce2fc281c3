// SPDX-License-Identifier: Apache-2.0
/*
 * config_man - the table as the manual page sonde.yaml(5).
 */
#include "agent/daemon/config.h"

#include <string.h>

#include "agent/daemon/config_schema.h"
#include "agent/daemon/roff.h"

static const char head[] =
	".TH SONDE.YAML 5 \"\" \"Sonde " SONDE_VERSION "\" \"Sonde\"\n"
	".SH NAME\n"
	"sonde.yaml \\- configuration of the traffic telemetry daemon sonded\n"
	".SH SYNOPSIS\n"
	".I " SONDE_CONFIG_PATH "\n"
	".SH DESCRIPTION\n"
	"The file is YAML in UTF-8. Every key has a default, so an empty file, or none, is a\n"
	"complete configuration. The names below are paths: the key\n"
	".B capture.ring_bytes\n"
	"is written as\n"
	".PP\n.RS 4\n.nf\n"
	"capture:\n"
	"  ring_bytes: 16MiB\n"
	".fi\n.RE\n"
	".PP\n"
	"A key that is not known, a value of another type or beyond its range, or text that is "
	"not\n"
	"YAML is an error with file, line and column. All errors are shown at once, and nothing\n"
	"starts; on a reload the daemon keeps the configuration that it has. Anchors, aliases and\n"
	"tags of YAML are not understood.\n"
	".PP\n"
	".B sonded \\-\\-check\n"
	"checks a file,\n"
	".B sonde config print\n"
	"shows every key with its value, and\n"
	".B SIGHUP\n"
	"makes the daemon read the file again.\n"
	".SH KEYS\n";

static const char tail[] = ".SH EXAMPLES\n"
			   "Name two services and count one of them by its routes:\n"
			   ".PP\n.RS 4\n.nf\n"
			   "services:\n"
			   "  rules:\n"
			   "    \\- name: shop\n"
			   "      unit: shop\\-*\n"
			   "      port: 8080\n"
			   "    \\- name: batch\n"
			   "      cgroup: /batch.slice/*\n"
			   "routes:\n"
			   "  patterns:\n"
			   "    \\- /carts/:id\n"
			   "    \\- /static/*\n"
			   "  ignored_patterns:\n"
			   "    \\- /healthz\n"
			   ".fi\n.RE\n"
			   ".PP\n"
			   "Write every request to a file:\n"
			   ".PP\n.RS 4\n.nf\n"
			   "exporters:\n"
			   "  jsonl:\n"
			   "    enabled: true\n"
			   "    path: /var/log/sonde/requests.jsonl\n"
			   ".fi\n.RE\n"
			   ".SH FILES\n"
			   ".I " SONDE_CONFIG_PATH "\n"
			   ".SH SEE ALSO\n"
			   ".BR sonded (8),\n"
			   ".BR sonde (1)\n";

static void put_key(const struct sonde_config_key *key, struct sonde_buf *out)
{
	char memory[256];
	struct sonde_buf expects;

	sonde_buf_put_str(out, ".TP\n.B ");
	sonde_roff_put(out, sonde_slice_str(key->name));
	sonde_buf_put_byte(out, '\n');
	sonde_roff_put_sentences(out, key->help);
	sonde_buf_over(&expects, memory, sizeof(memory));
	sonde_config_value_expects(key, false, &expects);
	sonde_buf_put_str(out, ".br\nValue: ");
	sonde_roff_put(out, sonde_buf_slice(&expects));
	sonde_buf_put_str(out, ".\n");
	if (key->fallback && key->fallback[0]) {
		sonde_buf_put_str(out, "Default:\n.BR ");
		sonde_roff_put(out, sonde_slice_str(key->fallback));
		sonde_buf_put_str(out, " .\n");
	}
}

void sonde_config_man(struct sonde_buf *out)
{
	struct sonde_slice last = SONDE_SLICE_EMPTY;

	sonde_buf_put_str(out, head);
	for (size_t i = 0; i < sonde_n_config_keys; i++) {
		const struct sonde_config_key *key = &sonde_config_keys[i];
		struct sonde_slice section = sonde_slice_of(key->name, strcspn(key->name, "."));

		if (!sonde_slice_eq(section, last)) {
			sonde_buf_put_str(out, ".SS ");
			sonde_roff_put(out, section);
			sonde_buf_put_byte(out, '\n');
			last = section;
		}
		put_key(key, out);
	}
	sonde_buf_put_str(out, tail);
}
