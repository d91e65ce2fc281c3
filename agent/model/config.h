// SPDX-License-Identifier: Apache-2.0
/*
 * config - everything that can be set, as plain data.
 *
 * Filled by agent/daemon/config.c from one table that also gives the defaults, the error messages,
 * `sonde config print` and the man page. Strings are owned by the config; sizes in bytes, times in
 * nanoseconds.
 */
#ifndef SONDE_MODEL_CONFIG_H
#define SONDE_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SONDE_CONFIG_PORTS_MAX = 16,
	SONDE_CONFIG_LIST_MAX = 64,
	SONDE_CONFIG_RULES_MAX = 64,
	SONDE_CONFIG_GROUPS_MAX = 64,
	SONDE_CONFIG_DOCKER_SOCKETS_MAX = 4,
	SONDE_CONFIG_LIMITS_MAX = 1024,
};

/* One rule that names a service. Empty globs and port 0 match anything; all that are set must
 * match. */
struct sonde_service_rule {
	char *name;	 /* may hold placeholders, see sonde_identity_check_name() */
	char *unit;	 /* glob over the systemd unit */
	char *container; /* glob over the container id */
	char *cgroup;	 /* glob over the cgroup path */
	char *comm;	 /* glob */
	char *image;	 /* glob over the image as its owner wrote it */
	char *container_name, *pod_namespace, *pod; /* globs */
	char *label;				    /* "key=glob" */
	uint16_t port;				    /* server port of the connection */
};

/* A name for the addresses of a network. */
struct sonde_peer_group {
	char *name;
	char *cidr;
};

/* A rule of rate limiting as it was written, "" where nothing was; see agent/limit/spec.h. */
struct sonde_limit_text {
	char *name, *iface, *src, *per, *dport, *proto;
	char *rate, *burst, *unit, *action, *ttl;
	uint32_t priority;
	bool trial; /* it ends unless confirmed */
};

struct sonde_string_list {
	char *items[SONDE_CONFIG_LIST_MAX];
	size_t n_items;
};

enum sonde_unmatched {
	SONDE_UNMATCHED_HEURISTIC = 0,
	SONDE_UNMATCHED_PATH = 1,
	SONDE_UNMATCHED_WILDCARD = 2, /* all become one: slash, two asterisks */
	SONDE_UNMATCHED_UNSET = 3,
};

struct sonde_config {
	struct {
		uint32_t ring_bytes;	      /* power of two, 64 KiB .. 256 MiB */
		uint32_t request_head_bytes;  /* 64 .. 1984 */
		uint32_t response_head_bytes; /* 64 .. 1984 */
		uint64_t drain_interval_ns;   /* timed drain of the ring */
		uint32_t max_connections;     /* in the worker's table */
		uint16_t ignored_ports[SONDE_CONFIG_PORTS_MAX];
		size_t n_ignored_ports;
		struct sonde_string_list ignored_cgroups; /* paths below the cgroup v2 root */
	} capture;
	struct {
		uint64_t timeout_ns; /* a request without an answer ends as error after this */
	} http;
	struct {
		struct sonde_service_rule rules[SONDE_CONFIG_RULES_MAX];
		size_t n_rules;
	} services;
	struct {
		struct sonde_string_list patterns;
		struct sonde_string_list
			ignored_patterns; /* such requests are not reported at all */
		enum sonde_unmatched unmatched;
		uint32_t max_segment_values; /* distinct values of a segment before it is a variable
					      */
		uint32_t max_per_service;    /* distinct routes of one service, then __other__ */
	} routes;
	struct {
		uint32_t max_series;
		bool service_namespace, service_version; /* as labels of requests */
		uint64_t idle_expiry_ns; /* a series without a record for this long is dropped; 0
					    never */
	} metrics;
	struct {
		uint64_t snapshot_interval_ns; /* how often live connections are read */
		uint64_t history_ns;	       /* how long closed ones are remembered */
		uint32_t history_max;	       /* and how many */
	} connections;
	struct {
		struct {
			struct sonde_string_list sockets; /* paths; none: Docker is not asked */
		} docker;
		struct {
			char *api_server; /* "https://10.0.0.1:443", "" = off */
			char *node_name;
			char *token_file, *ca_file; /* "" = none */
		} kubernetes;
	} metadata;
	struct {
		struct sonde_peer_group groups[SONDE_CONFIG_GROUPS_MAX];
		size_t n_groups;
		uint32_t max_addresses; /* distinct ones with a name of their own */
	} peers;
	struct {
		uint32_t max; /* pairs of services; further ones are __other__ */
	} edges;
	struct {
		struct sonde_limit_text rules[SONDE_CONFIG_LIMITS_MAX];
		size_t n_rules;
		struct sonde_string_list allow;	  /* networks that are never limited */
		struct sonde_string_list generic; /* interfaces that may do with generic XDP */
		uint64_t trial_ns;
		uint64_t lease_ns; /* without a daemon for this long nothing is limited */
		int on_agent_loss; /* 0: the lease ends; 1: rules are kept */
		uint32_t breaker_percent;
		uint64_t breaker_ns;
		uint32_t max_sources; /* buckets of the kernel's table */
		char *audit_path;     /* "" = the log alone */
		uint64_t audit_max_bytes;
		uint32_t audit_max_files;
	} limit;
	struct {
		char *listen; /* "127.0.0.1:9764", "[::1]:9764", "" = off */
		struct sonde_string_list
			allowed_hosts; /* Host header, beside localhost and the address */
		bool insecure;	       /* lets listen be an address that other machines can reach */
	} listen;
	struct {
		char *view_group, *trace_group, *control_group;
	} control;
	struct {
		bool enabled;
		char *path;		/* "-" is standard output */
		uint64_t max_bytes;	/* a file rotates beyond this; 0 never */
		uint32_t max_files;	/* rotated files kept */
		uint32_t queue_records; /* bound of the exporter's queue */
		bool connections;	/* those that closed or failed, beside the requests */
	} jsonl;
	struct {
		char *user;	 /* whom the worker runs as */
		char *log_level; /* error, warn, info, debug */
	} daemon;
};

#endif
