// SPDX-License-Identifier: Apache-2.0
/*
 * set - all rules of a node with their lives, and who is allowed before any of them.
 *
 *              add (origin a person, or a config that asks for it)
 *               |
 *               v     confirm                    ttl over
 *             TRIAL ----------> ACTIVE --------------------------> gone
 *               |                                                   ^
 *               '----------- trial over: nobody confirmed ----------'
 *
 * A rule of the config that is gone stays as ENDED, so that neither a restart nor a reload brings
 * it back unless the config has changed it. Apart from that a rule has a mood: it enforces, or it
 * only counts because it says so, because of the panic switch, or because the breaker tripped.
 *
 * Every change raises the generation. Times are CLOCK_MONOTONIC, the clock of the kernel program,
 * which ends rules by itself at sonde_limit_entry_ends_ns(). Plain data, no pointers; the owner is
 * the broker, whose heap it lies on. Not thread-safe.
 */
#ifndef SONDE_LIMIT_SET_H
#define SONDE_LIMIT_SET_H

#include "agent/limit/breaker.h"
#include "agent/limit/spec.h"

enum {
	SONDE_LIMIT_ALLOWS = 512,
	SONDE_LIMIT_SSH_PEERS = 64, /* of those; the oldest makes room */
};

enum sonde_limit_origin {
	SONDE_LIMIT_BY_PERSON = 0,
	SONDE_LIMIT_BY_CONFIG = 1,
	SONDE_LIMIT_ORIGINS = 2,
};

enum sonde_limit_state {
	SONDE_LIMIT_TRIAL = 0,
	SONDE_LIMIT_ACTIVE = 1,
	SONDE_LIMIT_ENDED = 2,
	SONDE_LIMIT_STATES = 3,
};

/* Why a rule does not enforce; NONE: it does. */
enum sonde_limit_mute {
	SONDE_LIMIT_MUTE_NONE = 0,
	SONDE_LIMIT_MUTE_ACTION = 1,  /* action count */
	SONDE_LIMIT_MUTE_OFF = 2,     /* the panic switch */
	SONDE_LIMIT_MUTE_BREAKER = 3, /* it dropped too much */
	SONDE_LIMIT_MUTES = 4,
};

struct sonde_limit_entry {
	struct sonde_limit_spec spec;
	struct sonde_limit_breaker breaker;
	uint64_t added_ns;
	uint64_t trial_ends_ns; /* 0: confirmed */
	uint64_t expires_ns;	/* SONDE_LIMIT_FOREVER */
	uint32_t id;		/* never used again while the set lives; not 0 */
	uint8_t origin;
	bool ended, off, tripped;
};

/* Why an address is allowed. */
enum sonde_limit_why {
	SONDE_LIMIT_ALLOW_PERSON = 0,
	SONDE_LIMIT_ALLOW_CONFIG = 1,
	SONDE_LIMIT_ALLOW_GATEWAY = 2,
	SONDE_LIMIT_ALLOW_RESOLVER = 3,
	SONDE_LIMIT_ALLOW_SSH = 4,
	SONDE_LIMIT_WHYS = 5,
};

struct sonde_limit_allow {
	struct sonde_limit_network network;
	uint32_t why; /* enum sonde_limit_why */
};

struct sonde_limit_set {
	struct sonde_limit_entry entries[SONDE_LIMIT_RULES]; /* in the order they were added */
	struct sonde_limit_allow allows[SONDE_LIMIT_ALLOWS];
	uint32_t n_entries, n_allows;
	uint32_t last_id;
	uint32_t pad;
	uint64_t generation;
};

const char *sonde_limit_state_name(enum sonde_limit_state state); /* "trial", "active", "ended" */
const char *sonde_limit_origin_name(enum sonde_limit_origin origin); /* "person", "config" */
const char *sonde_limit_mute_name(enum sonde_limit_mute mute); /* "", "action", "off", "breaker" */
const char *sonde_limit_why_name(enum sonde_limit_why why);    /* "person", "ssh", ... */

enum sonde_limit_state sonde_limit_entry_state(const struct sonde_limit_entry *e);
enum sonde_limit_mute sonde_limit_entry_mute(const struct sonde_limit_entry *e);
/* When it stops limiting by itself: at the end of its trial or of its time. */
uint64_t sonde_limit_entry_ends_ns(const struct sonde_limit_entry *e);

struct sonde_limit_entry *sonde_limit_set_find(struct sonde_limit_set *set, const char *name);

/*
 * Adds a complete spec; with TRIAL_NS 0 it is confirmed at once. NULL, or why not: the name is
 * taken, the set or its interfaces are full.
 */
const char *sonde_limit_set_add(struct sonde_limit_set *set, const struct sonde_limit_spec *spec,
				enum sonde_limit_origin origin, uint64_t trial_ns, uint64_t now_ns);
/* A rule of the config is over, but not forgotten. */
void sonde_limit_set_end(struct sonde_limit_set *set, struct sonde_limit_entry *e);
/* False: there is no such rule. */
bool sonde_limit_set_remove(struct sonde_limit_set *set, const char *name);
/* Ends the trial of the rule, or with NULL of all; returns how many were on trial. */
size_t sonde_limit_set_confirm(struct sonde_limit_set *set, const char *name);
/* All rules to count, or back to what they say; a tripped breaker is armed anew by the latter.
 * Returns how many have changed. */
size_t sonde_limit_set_off(struct sonde_limit_set *set, bool off);
/* The breaker of the rule has tripped. */
void sonde_limit_set_trip(struct sonde_limit_set *set, struct sonde_limit_entry *e);
/* Takes out what has ended by NOW_NS; OVER (may be NULL) is told of each, with its state before. */
typedef void sonde_limit_over(void *ctx, const struct sonde_limit_entry *e);
size_t sonde_limit_set_expire(struct sonde_limit_set *set, uint64_t now_ns, sonde_limit_over *over,
			      void *ctx);

/* A rule of the config, and for how long it is on trial when it is new there. */
struct sonde_limit_wish {
	struct sonde_limit_spec spec;
	uint64_t trial_ns;
};
/*
 * Makes the rules by the config what WISHES say, all of it or nothing: those that are there
 * already, word by word, live on as they are, others come anew, further ones go. Rules by people
 * stay. NULL, or why not, with *AT the wish that could not be.
 */
const char *sonde_limit_set_reload(struct sonde_limit_set *set,
				   const struct sonde_limit_wish *wishes, size_t n, uint64_t now_ns,
				   size_t *at);

/* Allows a network. NULL, or why not; to allow it twice for one reason changes nothing. */
const char *sonde_limit_allow_add(struct sonde_limit_set *set,
				  const struct sonde_limit_network *network,
				  enum sonde_limit_why why);
/* False: it was not allowed for this reason. */
bool sonde_limit_allow_remove(struct sonde_limit_set *set,
			      const struct sonde_limit_network *network, enum sonde_limit_why why);
/* Makes the networks allowed for WHY these; returns how many found no room. */
size_t sonde_limit_allow_replace(struct sonde_limit_set *set, enum sonde_limit_why why,
				 const struct sonde_limit_network *networks, size_t n);
/* Whether ADDRESS is allowed, and why. */
const struct sonde_limit_allow *sonde_limit_allow_find(const struct sonde_limit_set *set,
						       const uint8_t address[16]);

#endif
