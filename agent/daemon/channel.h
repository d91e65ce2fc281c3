// SPDX-License-Identifier: Apache-2.0
/*
 * channel - what broker and worker say to each other: whole messages of fixed size over a
 * socketpair (SOCK_SEQPACKET), some with descriptors. Neither side ever waits for the other.
 *
 *   broker                       worker
 *     SETUP + fds  ---------------->         map the ring, parse the config, open the sockets
 *           <----------------- READY         (or FAILED with the reason)
 *     REOPENED     ---------------->         begin to drain
 *           <-------------- QUESTION         who is this process?
 *     IDENTITY     ---------------->
 *     STATUS       ---------------->         once a second
 *           <---------------- REOPEN         a connection turned up that was never told
 *           <-------------- SNAPSHOT         what do live connections count?
 *     SNAPSHOT + fds -------------->
 *           <------------ LIMIT + fd         a person's socket, and what they ask of the rules
 *     LIMITED      ---------------->
 *     SAMPLE       ---------------->         a packet that a rule has held back
 *           <--------------- CONNECT         open what this talk of the metadata thread needs
 *     CONNECTION + fds ------------>         see agent/daemon/broker_metadata.h
 *     RELOAD + fd  ---------------->
 *     STOP         ---------------->         flush and exit
 */
#ifndef SONDE_DAEMON_CHANNEL_H
#define SONDE_DAEMON_CHANNEL_H

#include "agent/limit/command.h"
#include "agent/limit/sample.h"
#include "agent/meta/identity.h"
#include "agent/meta/processes.h"
#include "agent/model/record.h"
#include "agent/model/status.h"
#include "agent/probe/ring.h"

enum sonde_message_type {
	SONDE_MESSAGE_SETUP = 0,
	SONDE_MESSAGE_READY = 1,
	SONDE_MESSAGE_FAILED = 2,
	SONDE_MESSAGE_REOPENED = 3,
	SONDE_MESSAGE_QUESTION = 4,
	SONDE_MESSAGE_IDENTITY = 5,
	SONDE_MESSAGE_STATUS = 6,
	SONDE_MESSAGE_REOPEN = 7,
	SONDE_MESSAGE_RELOAD = 8,
	SONDE_MESSAGE_STOP = 9,
	SONDE_MESSAGE_SNAPSHOT = 10,
	SONDE_MESSAGE_LIMIT = 11,
	SONDE_MESSAGE_LIMITED = 12,
	SONDE_MESSAGE_SAMPLE = 13,
	SONDE_MESSAGE_CONNECT = 14,
	SONDE_MESSAGE_CONNECTION = 15,
	SONDE_MESSAGES = 16,
};

/* Descriptors of SETUP, in this order. RELOAD carries the config alone. */
enum {
	SONDE_FD_CONFIG = 0, /* memfd: the effective config as YAML */
	SONDE_FD_RING = 1,
	SONDE_FD_CONTROL = 2, /* the control page */
	SONDE_FD_SHARED = 3,  /* memfd: struct sonde_shared */
	SONDE_FD_LISTEN = 4,  /* the control socket, listening */
	SONDE_FD_LIMIT = 5,   /* memfd: struct sonde_limit_view */
	SONDE_FDS = 6,
};

/* What outlives a worker: some pages that the broker creates and every worker maps. */
struct sonde_shared {
	struct sonde_ledger ledger;
	struct sonde_ring_marks marks;
	char reasons[SONDE_REASONS][SONDE_REASON_NAME]; /* of enum skb_drop_reason, by number */
};

struct sonde_message {
	uint32_t type; /* enum sonde_message_type */
	uint32_t pad;
	union {
		struct {
			uint64_t ring_bytes;
			uint64_t start_unix_ns; /* of the daemon */
			uint32_t restarts;	/* workers before this one */
			uint32_t pad;
		} setup;
		struct {
			uint16_t canary_port;
		} ready;
		char failed[256];
		struct sonde_process_question question;
		struct sonde_identity identity;
		struct sonde_kernel_status status;
		struct sonde_limit_command limit;
		struct sonde_limit_answer limited;
		struct sonde_limit_sample sample;
		struct {
			uint32_t number; /* see agent/meta/metadata.h */
			int32_t error;	 /* CONNECTION: 0 or negative errno */
			uint32_t fds;	 /* bit I: the I-th descriptor is there */
		} talk;
	};
};

/* Creates both ends: close-on-exec, non-blocking. 0 or negative errno. */
int sonde_channel_pair(int fds[2]);
/* Sends M with N_FDS descriptors, which stay the caller's. 0, -EAGAIN (full), -EPIPE, ... */
int sonde_channel_send(int fd, const struct sonde_message *m, const int *fds, size_t n_fds);
/*
 * Receives one message. FDS has room for SONDE_FDS; *N_FDS says how many came, now the caller's.
 * 0, -EAGAIN (nothing there), -EPIPE (the other side is gone), -EPROTO (wrong size or type).
 */
int sonde_channel_receive(int fd, struct sonde_message *m, int fds[SONDE_FDS], size_t *n_fds);

#endif
