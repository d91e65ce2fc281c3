// SPDX-License-Identifier: Apache-2.0
/*
 * filter - which requests, or which connections, a client wants to see.
 *
 * Made once from the public Filter message, which is checked and bounded here; then matched on the
 * data thread for every record while somebody is subscribed: cheap numbers first, globs last. All
 * conditions that are given must hold; of the values of one condition, any. process conditions hold
 * for either end of the connection, because a node-local exchange is reported once.
 */
#ifndef SONDE_DAEMON_FILTER_H
#define SONDE_DAEMON_FILTER_H

#include "agent/model/connection.h"
#include "agent/model/request.h"
#include "agent/model/wire.h"

enum {
	SONDE_FILTER_VALUES = 32, /* of one condition */
	SONDE_FILTER_TEXT = 1024, /* bytes of one glob */
};

struct sonde_filter;

enum sonde_filter_subject {
	SONDE_FILTER_REQUESTS = 0,
	SONDE_FILTER_CONNECTIONS = 1,
};

/*
 * A filter of one SUBJECT; conditions that only the other one can meet are refused. 0 and *OUT,
 * -EINVAL with a line about the culprit in ERROR, or -ENOMEM. MESSAGE may be NULL: a filter that
 * everything passes. Nothing of MESSAGE is kept.
 */
int sonde_filter_new(enum sonde_filter_subject subject, const Sonde__Filter *message,
		     struct sonde_filter **out, char *error, size_t error_len);
void sonde_filter_free(struct sonde_filter *f); /* accepts NULL */
bool sonde_filter_match(const struct sonde_filter *f, const struct sonde_request *r);
bool sonde_filter_match_connection(const struct sonde_filter *f, const struct sonde_connection *c);

#endif
