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
	/* Of a key that is given twice the last counts, as everywhere else. */
	return text.len ? json_loadb((const char *)text.ptr, text.len, 0, NULL) : NULL;
}

static inline struct sonde_slice sonde_json_text(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_string(v) ? sonde_slice_of(json_string_value(v), json_string_length(v))
				 : SONDE_SLICE_EMPTY;
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
				sonde_slice_of(json_string_value(value), json_string_length(value)),
			};
	}
	return n;
}

#endif
