// SPDX-License-Identifier: Apache-2.0
/*
 * message_json - any message of the public schema as JSON, by its own description.
 *
 * Names are those of the fields. Every scalar is printed, also when it is 0; 64-bit numbers are
 * numbers; a member of a oneof and a part that is not there are left out.
 */
#ifndef SONDE_TOOLS_MESSAGE_JSON_H
#define SONDE_TOOLS_MESSAGE_JSON_H

#include <protobuf-c/protobuf-c.h>

#include "agent/core/buf.h"

void sonde_message_json(struct sonde_buf *b, const ProtobufCMessage *message);

#endif
