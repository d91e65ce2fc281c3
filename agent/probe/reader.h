// SPDX-License-Identifier: Apache-2.0
/*
 * reader - from bytes in the ring to struct sonde_record. Pure: the only code that knows both.
 *
 * Nothing of a record is believed before version, type and length have been checked; what a field
 * may say is checked where it would steer an access. Only this file and the programs know the ABI.
 */
#ifndef SONDE_PROBE_READER_H
#define SONDE_PROBE_READER_H

#include "agent/core/slice.h"
#include "agent/model/record.h"

/*
 * Decodes the record in RAW. 0, or -EPROTO (wrong version, type, length or a field out of range)
 * with *OUT untouched. A payload slice borrows from RAW.
 */
int sonde_reader_decode(struct sonde_slice raw, struct sonde_record *out);

/* The same for a record of a snapshot (agent/probe/snapshot.h). */
int sonde_reader_snapshot(struct sonde_slice raw, struct sonde_snapshot *out);

/* The record's kind as far as it can be told, SONDE_KIND_DATA else: where to book an invalid one.
 */
enum sonde_kind sonde_reader_kind(struct sonde_slice raw);

#endif
