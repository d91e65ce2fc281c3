// SPDX-License-Identifier: Apache-2.0
/*
 * command - what a person asks of the rules, and what comes of it: fixed-size messages from the
 * worker, who talks to people, to the broker, who holds the rules.
 *
 * The broker believes none of it: it looks at every value again, and at the person's socket, which
 * comes along, for who that is.
 */
#ifndef SONDE_LIMIT_COMMAND_H
#define SONDE_LIMIT_COMMAND_H

#include "agent/limit/spec.h"

enum sonde_limit_verb {
	SONDE_LIMIT_LIST = 0, /* only has the view brought up to date */
	SONDE_LIMIT_ADD = 1,
	SONDE_LIMIT_REMOVE = 2,	 /* name; "": all */
	SONDE_LIMIT_CONFIRM = 3, /* name; "": all */
	SONDE_LIMIT_OFF = 4,
	SONDE_LIMIT_ON = 5,
	SONDE_LIMIT_ALLOW_ADD = 6,
	SONDE_LIMIT_ALLOW_REMOVE = 7,
	SONDE_LIMIT_VERBS = 8,
};

struct sonde_limit_command {
	uint64_t token; /* comes back in the answer */
	uint32_t verb;	/* enum sonde_limit_verb */
	char name[SONDE_LIMIT_NAME];
	struct sonde_limit_network network;
	struct sonde_limit_spec spec;
};

struct sonde_limit_answer {
	uint64_t token;
	uint64_t changed; /* rules */
	int32_t err;	  /* 0, or negative errno: -EINVAL, -ENOENT, -EACCES, ... */
	char text[244];	  /* what went wrong, or what is to be known; may be "" */
};

const char *sonde_limit_verb_name(enum sonde_limit_verb verb); /* "add", "allow-remove", ... */

#endif
