// SPDX-License-Identifier: Apache-2.0
/*
 * limit_probe - the broker's hold on the limiter: load, adopt, swap rules, attach, count, remove.
 *
 * The limiter's maps and links are pinned in a directory of their own (mode 0700, on bpffs), so
 * that it goes on limiting while no daemon runs, until the lease ends. Whoever opens the directory
 * next adopts what is there: the same buckets and counters, and each link gets the new program by
 * one atomic exchange.
 *
 *     open --> apply (a whole set of rules) --> attach (an interface) --> lease, again and again
 *
 * A rule keeps its buckets and counters for as long as its id is in every set applied. Interfaces
 * are those of the caller's network namespace. Not thread-safe; none of these waits for traffic.
 * Every `error` gets one line, without a newline.
 */
#ifndef SONDE_PROBE_LIMIT_PROBE_H
#define SONDE_PROBE_LIMIT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SONDE_LIMIT_PROBE_PINS	"/sys/fs/bpf/sonde-limit"
#define SONDE_LIMIT_PROBE_NEVER UINT64_MAX

enum {
	SONDE_LIMIT_PROBE_RULES = 1024,
	SONDE_LIMIT_PROBE_IFACES = 64,
	SONDE_LIMIT_PROBE_PREFIXES = 16384, /* allowed networks and sources of rules together */
	SONDE_LIMIT_PROBE_SOURCES = 1000000,
};

struct sonde_limit_probe;

struct sonde_limit_probe_config {
	const char *pins; /* directory; made when it is missing */
	/* How many sources are told apart at one time; fixes the memory. Buckets that are adopted
	 * keep their number. */
	uint32_t sources;
	uint32_t samples_per_second; /* of what was limited, per CPU at most */
};

/* A network: 16 bytes, IPv4 as ::ffff:a.b.c.d with 96 + bits; 0 bits: everything. */
struct sonde_limit_probe_network {
	uint8_t address[16];
	uint8_t bits;
	uint8_t pad[3];
};

/* Numbers of per, unit, proto and action are those of agent/limit/spec.h. */
struct sonde_limit_probe_rule {
	uint32_t id; /* not 0, unique in the set, never used for another rule */
	uint32_t ifindex;
	struct sonde_limit_probe_network source;
	uint16_t port_first, port_last; /* 0, 0: any */
	uint8_t per, unit, proto, action;
	uint64_t rate;	/* units per second, 1 .. 10^12 */
	uint64_t burst; /* units; burst / rate is at most 9 hours */
	/* When it stops by itself, CLOCK_MONOTONIC: end of trial or of time to live. */
	uint64_t expires_ns;
};

struct sonde_limit_probe_set {
	const struct sonde_limit_probe_rule *rules; /* in the order they are asked */
	size_t n_rules;
	const struct sonde_limit_probe_network *allows;
	size_t n_allows;
};

/* What the limiter with room for SOURCES takes, in bytes, before anything is loaded. */
uint64_t sonde_limit_probe_memory(uint32_t sources);

/* 0 and *OUT. -EPERM for lack of privilege, -ENOTSUP where there is no bpffs. */
int sonde_limit_probe_open(const struct sonde_limit_probe_config *config,
			   struct sonde_limit_probe **out, char *error, size_t error_len);
/* Lets go; links and maps stay pinned, and limit on until the lease ends. Accepts NULL. */
void sonde_limit_probe_close(struct sonde_limit_probe *p);
/* True: buckets and counters of an earlier daemon were adopted. */
bool sonde_limit_probe_adopted(const struct sonde_limit_probe *p);

/*
 * Makes SET the rules, all of it at once or, on failure, nothing. -E2BIG: too many rules, networks
 * or interfaces; -EINVAL: a rule that cannot be.
 */
int sonde_limit_probe_apply(struct sonde_limit_probe *p, const struct sonde_limit_probe_set *set,
			    char *error, size_t error_len);

/* Rules hold until UNTIL_NS, CLOCK_MONOTONIC; SONDE_LIMIT_PROBE_NEVER: whatever happens. */
void sonde_limit_probe_lease(struct sonde_limit_probe *p, uint64_t until_ns);
uint64_t sonde_limit_probe_lease_ns(const struct sonde_limit_probe *p);

enum sonde_limit_probe_mode {
	SONDE_LIMIT_PROBE_NATIVE = 0,
	SONDE_LIMIT_PROBE_GENERIC = 1, /* slow; only when a person asked for it */
};

/* How our program is on an interface, as enum sonde_limit_probe_mode; -ENOENT: it is not. */
int sonde_limit_probe_mode(struct sonde_limit_probe *p, uint32_t ifindex);
/*
 * Puts the program on an interface, or exchanges the one that an earlier daemon (or an earlier
 * call, before the MTU changed) left there. Never another mode than MODE: ours of another one is
 * taken off first, for a kernel has no exchange between modes. -EBUSY: somebody else's
 * program is there, whose id and name ERROR tells; -EOPNOTSUPP: the driver has no native XDP;
 * -ENODEV.
 */
int sonde_limit_probe_attach(struct sonde_limit_probe *p, uint32_t ifindex,
			     enum sonde_limit_probe_mode mode, char *error, size_t error_len);
/* 0, or -ENOENT when we are not there. */
int sonde_limit_probe_detach(struct sonde_limit_probe *p, uint32_t ifindex);

/* Takes everything away: links off their interfaces, pins, directory. 0 when there is nothing. */
int sonde_limit_probe_remove(const char *pins, char *error, size_t error_len);

/* ---- counts, summed over CPUs ---- */

struct sonde_limit_probe_counts {
	uint64_t passed, passed_bytes, limited, limited_bytes;
};
/* -ENOENT: no such rule in the set that is applied. */
int sonde_limit_probe_rule(struct sonde_limit_probe *p, uint32_t id,
			   struct sonde_limit_probe_counts *out);

/* What became of packets; the names are also those of metrics. The first passed, and all others but
 * DROPPED too. */
enum sonde_limit_probe_outcome {
	SONDE_LIMIT_PROBE_PASSED = 0, /* within every rule that covers it */
	SONDE_LIMIT_PROBE_DROPPED = 1,
	SONDE_LIMIT_PROBE_UNMATCHED = 2, /* no rule covers it */
	SONDE_LIMIT_PROBE_ALLOWED = 3,
	SONDE_LIMIT_PROBE_UNLEASED = 4, /* a rule covers it, but the lease is over */
	SONDE_LIMIT_PROBE_NEIGHBOUR = 5,
	SONDE_LIMIT_PROBE_DHCP = 6,
	SONDE_LIMIT_PROBE_NOT_IP = 7,
	SONDE_LIMIT_PROBE_MALFORMED = 8,
	SONDE_LIMIT_PROBE_OUTCOMES = 9,
};
const char *sonde_limit_probe_outcome_name(enum sonde_limit_probe_outcome outcome);

struct sonde_limit_probe_iface {
	uint64_t packets[SONDE_LIMIT_PROBE_OUTCOMES];
	uint64_t bytes[SONDE_LIMIT_PROBE_OUTCOMES];
	uint64_t fragments; /* after the first */
	uint64_t crowded;   /* a bucket had to be shared: more sources than there is room for */
	uint64_t contended; /* charged unseen: other CPUs were faster every time */
	uint64_t skipped;   /* rules beyond the 32 that one packet is held against */
	uint64_t samples, samples_lost;
};
/* -ENOENT: no rule of the applied set is on this interface. */
int sonde_limit_probe_iface(struct sonde_limit_probe *p, uint32_t ifindex,
			    struct sonde_limit_probe_iface *out);

/* ---- samples ---- */

/* Addresses in 16 bytes, ports in host order, 0 where there is none. */
struct sonde_limit_probe_sample {
	uint64_t stamp_ns; /* CLOCK_MONOTONIC */
	uint64_t weight;   /* limited packets that it stands for, itself included */
	uint8_t source[16], destination[16];
	uint16_t source_port, destination_port;
	uint32_t bytes;
	uint32_t rule; /* id */
	uint32_t ifindex;
	uint8_t protocol; /* IANA number */
	bool dropped;	  /* false: the rule only counts */
	uint8_t unit;
	uint8_t pad[5];
};
typedef void sonde_limit_probe_on_sample(void *ctx, const struct sonde_limit_probe_sample *s);
/* Reads what there is, without waiting; nobody is woken for a sample, so call it by a timer.
 * Returns how many. */
int sonde_limit_probe_samples(struct sonde_limit_probe *p, sonde_limit_probe_on_sample *on_sample,
			      void *ctx);

#endif
