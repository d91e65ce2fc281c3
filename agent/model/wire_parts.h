// SPDX-License-Identifier: Apache-2.0
/* wire_parts - private to the files wire*.c: what their messages have in common. */
#ifndef SONDE_MODEL_WIRE_PARTS_H
#define SONDE_MODEL_WIRE_PARTS_H

#include "agent/model/wire.h"

void sonde_wire_put_endpoint(const struct sonde_endpoint *e, Sonde__Endpoint *out);
void sonde_wire_put_process(const struct sonde_process *p, struct sonde_wire_process *out);

/* 16 bytes and a port that is one. NULL is none. */
bool sonde_wire_is_endpoint(const Sonde__Endpoint *e);
/* E is one of those, or NULL: all zero. */
void sonde_wire_take_endpoint(const Sonde__Endpoint *in, struct sonde_endpoint *out);
/* NULL: a process of which nothing is known. */
void sonde_wire_take_process(const Sonde__Process *in, struct sonde_wire_identity *out);

#endif
