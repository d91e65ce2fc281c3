// SPDX-License-Identifier: Apache-2.0
/* json - jansson's values as slices: what is not there, or no text, is empty. */
#ifndef SONDE_META_JSON_H
#define SONDE_META_JSON_H

#include <jansson.h>

#include "agent/core/slice.h"
#include "agent/model/workload.h"

/* Reads TEXT as one value; NULL when it is not JSON, or is nested without end. To be json_decref'd.
 */
static inline json_t *sonde_json_load(struct sonde_slice text)
{
	/* Of a key that is given twice the last counts, as everywhere else. Any pod may have a NUL
	 * in an annotation: that is no reason not to read the others. */
	return text.len ? json_loadb((const char *)text.ptr, text.len, JSON_ALLOW_NUL, NULL) : NULL;
}

/* A text up to a NUL in it; empty when V is none. */
static inline struct sonde_slice sonde_json_slice(const json_t *v)
{
	return sonde_slice_str(json_string_value(v));
}

static inline struct sonde_slice sonde_json_text(const json_t *object, const char *key)
{
	return sonde_json_slice(json_object_get(object, key));
}

/* The members of OBJECT whose values are text, at most SONDE_WORKLOAD_LABELS. How many. */
static inline size_t sonde_json_labels(json_t *object, struct sonde_workload_label *out)
{
	const char *key;
	json_t *value;
	size_t n = 0;

	json_object_foreach(object, key, value)
	{
		if (n == SONDE_WORKLOAD_LABELS)
			break;
		if (json_is_string(value))
			out[n++] = (struct sonde_workload_label){
				sonde_slice_str(key),
				sonde_json_slice(value),
			};
	}
	return n;
}

#endif
