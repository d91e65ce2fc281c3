// SPDX-License-Identifier: Apache-2.0
/*
 * json_put - members of JSON objects, one call each; commas come by themselves.
 *
 * What requests and connections have in common is here too: endpoints and processes.
 */
#ifndef SONDE_EXPORTERS_JSON_PUT_H
#define SONDE_EXPORTERS_JSON_PUT_H

#include "agent/core/buf.h"
#include "agent/model/request.h"

/* `"KEY":`, with a comma in front unless it is the first of its object. */
void sonde_json_put_key(struct sonde_buf *b, const char *key);
void sonde_json_put_string(struct sonde_buf *b, const char *key, struct sonde_slice s);
void sonde_json_put_number(struct sonde_buf *b, const char *key, uint64_t v);
/* A number as a string: JSON's own lose bits beyond 2^53. */
void sonde_json_put_id(struct sonde_buf *b, const char *key, uint64_t id);
/* Nothing when the value is empty, 0 or false: not known, or not so. */
void sonde_json_put_known(struct sonde_buf *b, const char *key, struct sonde_slice s);
void sonde_json_put_known_number(struct sonde_buf *b, const char *key, uint64_t v);
void sonde_json_put_true(struct sonde_buf *b, const char *key, bool v);

void sonde_json_open(struct sonde_buf *b, const char *key); /* `"KEY":{` */
void sonde_json_close(struct sonde_buf *b);

/* ORIGINAL is what the application used; NULL or port 0: the same. */
void sonde_json_put_endpoint(struct sonde_buf *b, const char *key, const struct sonde_endpoint *e,
			     const struct sonde_endpoint *original);
void sonde_json_put_process(struct sonde_buf *b, const char *key, const struct sonde_process *p);

#endif
