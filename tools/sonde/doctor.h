// SPDX-License-Identifier: Apache-2.0
/* doctor - what `sonde doctor` looks at, apart from the kernel's BPF features. */
#ifndef SONDE_TOOLS_DOCTOR_H
#define SONDE_TOOLS_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sonde_finding_state {
	SONDE_FINDING_OK = 0,
	SONDE_FINDING_NOTE = 1,	   /* works, with less */
	SONDE_FINDING_FAIL = 2,	   /* sonded cannot work */
	SONDE_FINDING_UNKNOWN = 3, /* could not find out */
};
extern const char *const sonde_finding_names[];

enum { SONDE_FINDING_DETAIL = 160, SONDE_FINDINGS_MAX = 16 };

struct sonde_finding {
	const char *name;
	enum sonde_finding_state state;
	char detail[SONDE_FINDING_DETAIL];
	const char *fix; /* NULL: nothing to do */
};

/* Looks at the node and at the daemon of RUN_DIR. Returns how many findings there are. */
size_t sonde_doctor_examine(const char *run_dir, struct sonde_finding out[SONDE_FINDINGS_MAX]);

/* RELEASE ("5.10.0-35-amd64") is at least MAJOR.MINOR. */
bool sonde_doctor_kernel_at_least(const char *release, unsigned int major, unsigned int minor);
/* The word in brackets of a lockdown file, in place: "none [integrity] x" -> "integrity". */
const char *sonde_doctor_lockdown(char *text);
/* The capabilities that are needed and not in CAPS (a CapEff mask), as text; "" when none. */
void sonde_doctor_missing_caps(uint64_t caps, char *out, size_t len);

#endif
