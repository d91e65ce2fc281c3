// SPDX-License-Identifier: Apache-2.0
/*
 * spec - a rate limiting rule as a person means it, and its one form as text.
 *
 * A rule is a name and values by key, the same on the command line (--rate 100/s), in sonde.yaml
 * (rate: 100/s) and in the state file (rate=100/s). sonde_limit_spec_set() reads one value,
 * sonde_limit_spec_complete() fills in what was left out and says what does not go together.
 *
 * What a rule covers: packets that come in on `iface`, from `source`, to `dport`, of `proto`; all
 * that are given must match. What it counts are `unit`s, apart for each source, each network of
 * sources, or all together, as `per` says. A packet passes when every rule that covers it has room.
 */
#ifndef SONDE_LIMIT_SPEC_H
#define SONDE_LIMIT_SPEC_H

#include "agent/core/buf.h"
#include "agent/limit/amount.h"

enum {
	SONDE_LIMIT_RULES = 1024,
	SONDE_LIMIT_IFACES = 64,
	SONDE_LIMIT_NAME = 32,	/* with the NUL */
	SONDE_LIMIT_IFACE = 16, /* IFNAMSIZ */
	SONDE_LIMIT_TTL_S = 3600,
	SONDE_LIMIT_TRIAL_S = 60,
	SONDE_LIMIT_PRIORITY = 100,
	SONDE_LIMIT_PRIORITY_MAX = 65535,
	SONDE_LIMIT_VALUE_TEXT = 64, /* bytes that any value needs, with a NUL */
};

enum sonde_limit_per {
	SONDE_LIMIT_PER_SOURCE = 0,
	SONDE_LIMIT_PER_24 = 1, /* IPv4 by /24; IPv6 by /64 */
	SONDE_LIMIT_PER_64 = 2, /* IPv6 by /64; IPv4 by address */
	SONDE_LIMIT_PER_RULE = 3,
	SONDE_LIMIT_PERS = 4,
};

enum sonde_limit_unit {
	SONDE_LIMIT_PACKETS = 0,
	SONDE_LIMIT_BYTES = 1,	     /* of the frame, Ethernet header included */
	SONDE_LIMIT_CONNECTIONS = 2, /* TCP segments with SYN and without ACK */
	SONDE_LIMIT_REQUESTS = 3,    /* TCP payload that begins with a method of HTTP/1 */
	SONDE_LIMIT_UNITS = 4,
};

enum sonde_limit_proto {
	SONDE_LIMIT_PROTO_ANY = 0,
	SONDE_LIMIT_PROTO_TCP = 1,
	SONDE_LIMIT_PROTO_UDP = 2,
	SONDE_LIMIT_PROTO_ICMP = 3, /* of either family */
	SONDE_LIMIT_PROTOS = 4,
};

enum sonde_limit_action {
	SONDE_LIMIT_DROP = 0,
	SONDE_LIMIT_COUNT = 1, /* says what it would drop, and lets it pass */
	SONDE_LIMIT_ACTIONS = 2,
};

/* 16 bytes of address, IPv4 as ::ffff:a.b.c.d, and how many bits of it count; IPv4 from 96. */
struct sonde_limit_network {
	uint8_t address[16];
	uint8_t bits; /* 0: everything, of both families */
	uint8_t pad[3];
};

/* Fixed size and without pointers: it crosses the socketpair as it is. */
struct sonde_limit_spec {
	char name[SONDE_LIMIT_NAME];
	char iface[SONDE_LIMIT_IFACE];
	struct sonde_limit_network source;
	uint16_t port_first, port_last; /* 0, 0: any */
	uint8_t per, unit, proto, action;
	uint32_t priority; /* the lower one is asked first, and its name is told */
	uint32_t pad;
	uint64_t rate;	 /* units per second */
	uint64_t burst;	 /* units that may come at once; 0: not given yet */
	uint64_t ttl_ns; /* SONDE_LIMIT_FOREVER; 0: not given yet */
};

/* All that can be left out: any source, any port, per source, packets, drop. */
void sonde_limit_spec_init(struct sonde_limit_spec *spec);

/* The keys, without the name, in the order of their printing; ends with NULL. */
extern const char *const sonde_limit_spec_keys[];
/* For one key, the words it takes, ending with NULL; NULL: it takes others. */
const char *const *sonde_limit_spec_choices(const char *key);
/* What a value of KEY looks like: "100/s, 10K/s or 1M/s". */
const char *sonde_limit_spec_form(const char *key);

/*
 * Reads TEXT as the value of KEY ("rate", "src", or "name"). NULL, or what is wrong with it ("is
 * no number per second"), with SPEC untouched. An unknown key is wrong as well.
 */
const char *sonde_limit_spec_set(struct sonde_limit_spec *spec, const char *key,
				 struct sonde_slice text);
/* The value of KEY as it would be written. */
void sonde_limit_spec_get(const struct sonde_limit_spec *spec, const char *key,
			  struct sonde_buf *out);
/* "rate=100/s burst=200 ...": every key but those that match anything. */
void sonde_limit_spec_print(const struct sonde_limit_spec *spec, struct sonde_buf *out);

/*
 * Fills in the defaults that depend on other values: a burst, a time to live of one hour, TCP for
 * connections and requests. NULL, or what is missing or does not go together. Whoever takes a spec
 * from elsewhere calls it again: every field is looked at.
 */
const char *sonde_limit_spec_complete(struct sonde_limit_spec *spec);
bool sonde_limit_spec_equal(const struct sonde_limit_spec *a, const struct sonde_limit_spec *b);

/* One value, for tables of configs: NULL, or what is wrong. */
const char *sonde_limit_check_name(struct sonde_slice text);
const char *sonde_limit_check_iface(struct sonde_slice text);
const char *sonde_limit_check_network(struct sonde_slice text);
const char *sonde_limit_check_ports(struct sonde_slice text);
const char *sonde_limit_check_rate(struct sonde_slice text);
const char *sonde_limit_check_burst(struct sonde_slice text);
const char *sonde_limit_check_ttl(struct sonde_slice text);

/* "10.0.0.0/8", "fd00::/8", "192.0.2.7". NULL and *OUT, or what is wrong. */
const char *sonde_limit_network_parse(struct sonde_slice text, struct sonde_limit_network *out);
void sonde_limit_network_print(const struct sonde_limit_network *n, struct sonde_buf *out);
bool sonde_limit_network_holds(const struct sonde_limit_network *n, const uint8_t address[16]);

#endif
