// SPDX-License-Identifier: Apache-2.0
/*
 * From a process to the name of its service. A rule's name may hold placeholders for what is known
 * of the process; with one of them unknown there would be a hole in the name, so the next rule is
 * tried.
 */
#include <stdio.h>

#include "agent/core/buf.h"
#include "agent/meta/identity.h"

enum { SERVICE_ID_DIGITS = 12 };

#define LABEL_PREFIX SONDE_SLICE_LIT("label:")

static bool text_matches(const char *glob, struct sonde_slice text)
{
	return !glob || !*glob || sonde_slice_glob(text, sonde_slice_str(glob));
}

static bool glob_matches(const char *glob, const char *text)
{
	return text_matches(glob, sonde_slice_str(text));
}

/* People write the unit with its ".service" or without. */
static bool unit_matches(const char *glob, const char *unit)
{
	char full[SONDE_UNIT_MAX + sizeof(".service")];

	if (glob_matches(glob, unit))
		return true;
	if (!*unit)
		return false;
	snprintf(full, sizeof(full), "%s.service", unit);
	return glob_matches(glob, full);
}

/* CONDITION is "key=glob": the label is there and its value matches. */
static bool label_matches(const char *condition, const struct sonde_workload *w)
{
	struct sonde_slice text = sonde_slice_str(condition);
	size_t equals = sonde_slice_find(text, 0, '=');
	struct sonde_slice key = sonde_slice_sub(text, 0, equals);

	if (!text.len)
		return true;
	for (size_t i = 0; i < w->n_labels; i++)
		if (sonde_slice_eq(w->labels[i].key, key))
			return sonde_slice_glob(w->labels[i].value,
						sonde_slice_from(text, equals + 1));
	return false;
}

static const struct sonde_workload *workload_of(const struct sonde_process *p)
{
	static const struct sonde_workload unknown;

	return p->workload ? p->workload : &unknown;
}

static bool rule_matches(const struct sonde_service_rule *rule, const struct sonde_process *p,
			 uint16_t port, bool server)
{
	const struct sonde_workload *w = workload_of(p);

	if (rule->port && (!server || rule->port != port))
		return false;
	return unit_matches(rule->unit, p->unit) &&
	       glob_matches(rule->container, p->container_id) &&
	       glob_matches(rule->cgroup, p->cgroup) && glob_matches(rule->comm, p->comm) &&
	       text_matches(rule->image, w->image) &&
	       text_matches(rule->container_name, w->container) &&
	       text_matches(rule->pod_namespace, w->pod_namespace) &&
	       text_matches(rule->pod, w->pod) && label_matches(rule->label, w);
}

/* ---- names with placeholders ---- */

enum placeholder {
	CONTAINER_NAME = 0,
	POD = 1,
	NAMESPACE = 2,
	IMAGE_TAG = 3,
	UNIT = 4,
	COMM = 5,
	PLACEHOLDERS = 6,
	LABEL = 7,
};

/* Which placeholder WORD, the text between braces, is; -1: none. */
static int find_placeholder(struct sonde_slice word)
{
	static const char *const words[PLACEHOLDERS] = {
		"container_name", "pod", "namespace", "image_tag", "unit", "comm",
	};

	for (int i = 0; i < PLACEHOLDERS; i++)
		if (sonde_slice_eq(word, sonde_slice_str(words[i])))
			return i;
	return sonde_slice_starts(word, LABEL_PREFIX) && word.len > LABEL_PREFIX.len ? LABEL : -1;
}

static struct sonde_slice value_of(struct sonde_slice word, const struct sonde_process *p)
{
	const struct sonde_workload *w = workload_of(p);

	switch (find_placeholder(word)) {
	case CONTAINER_NAME:
		return w->container;
	case POD:
		return w->pod;
	case NAMESPACE:
		return sonde_identity_service_namespace(p);
	case IMAGE_TAG:
		return w->image_tag;
	case UNIT:
		return sonde_slice_str(p->unit);
	case COMM:
		return sonde_slice_str(p->comm);
	case LABEL:
		return sonde_workload_label(w, sonde_slice_from(word, LABEL_PREFIX.len));
	default:
		return SONDE_SLICE_EMPTY;
	}
}

/* Writes NAME with its placeholders filled in, as far as OUT holds it. False: one is unknown. */
static bool expand(struct sonde_slice name, const struct sonde_process *p, struct sonde_buf *out)
{
	for (size_t at = 0; at < name.len;) {
		size_t open = sonde_slice_find(name, at, '{');
		size_t close = sonde_slice_find(name, open, '}');
		struct sonde_slice value;

		sonde_buf_put_slice(out, sonde_slice_sub(name, at, open - at));
		if (open == name.len)
			break;
		value = value_of(sonde_slice_sub(name, open + 1, close - open - 1), p);
		if (!value.len)
			return false;
		/* A label's value may be longer than a name may be. */
		sonde_buf_put_slice(out, sonde_slice_sub(value, 0, out->cap - out->len));
		at = close + 1;
	}
	return true;
}

const char *sonde_identity_check_name(struct sonde_slice text)
{
	for (size_t at = 0; at < text.len;) {
		size_t open = sonde_slice_find(text, at, '{');
		size_t close = sonde_slice_find(text, open, '}');

		if (sonde_slice_find(text, at, '}') < open)
			return "closes a brace that was not opened";
		if (open == text.len)
			return NULL;
		if (close == text.len)
			return "opens a brace and does not close it";
		if (find_placeholder(sonde_slice_sub(text, open + 1, close - open - 1)) < 0)
			return "holds an unknown placeholder";
		at = close + 1;
	}
	return NULL;
}

const char *sonde_identity_check_label(struct sonde_slice text)
{
	size_t equals = sonde_slice_find(text, 0, '=');

	if (!text.len)
		return NULL;
	if (equals == text.len)
		return "has no equals sign";
	return equals ? NULL : "names no label";
}

/* ---- what there is without rules ---- */

static struct sonde_slice first_known(const struct sonde_slice *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (from[i].len)
			return from[i];
	return SONDE_SLICE_EMPTY;
}

static struct sonde_slice own_name(const struct sonde_process *p)
{
	const struct sonde_workload *w = workload_of(p);
	struct sonde_slice id = sonde_slice_str(p->container_id);
	bool pod = w->pod.len > 0;
	const struct sonde_slice from[] = {
		sonde_slice_str(p->unit),
		pod ? sonde_workload_label(w, SONDE_SLICE_LIT("app.kubernetes.io/name"))
		    : SONDE_SLICE_EMPTY,
		pod ? sonde_workload_label(w, SONDE_SLICE_LIT("app")) : SONDE_SLICE_EMPTY,
		w->owner,
		w->pod,
		w->container,
		sonde_slice_sub(id, 0, SERVICE_ID_DIGITS),
		sonde_slice_str(p->comm),
		SONDE_SLICE_LIT("unknown"),
	};

	return first_known(from, sizeof(from) / sizeof(from[0]));
}

static bool name_by_rule(const struct sonde_config *config, const struct sonde_process *p,
			 uint16_t port, bool server, struct sonde_buf *out)
{
	for (size_t i = 0; config && i < config->services.n_rules; i++) {
		const struct sonde_service_rule *rule = &config->services.rules[i];

		if (!rule->name || !*rule->name || !rule_matches(rule, p, port, server))
			continue;
		sonde_buf_reset(out);
		if (expand(sonde_slice_str(rule->name), p, out))
			return true;
	}
	return false;
}

const char *sonde_identity_service(const struct sonde_config *config, const struct sonde_process *p,
				   uint16_t port, bool server, char *out, size_t len)
{
	char text[SONDE_SERVICE_MAX];
	struct sonde_buf b;
	struct sonde_slice name;

	sonde_buf_over(&b, text, sizeof(text) - 1);
	name = name_by_rule(config, p, port, server, &b) ? sonde_buf_slice(&b) : own_name(p);
	if (!len)
		return out;
	name = sonde_slice_sub(name, 0, len - 1);
	if (name.len)
		memcpy(out, name.ptr, name.len);
	out[name.len] = '\0';
	return out;
}

struct sonde_slice sonde_identity_service_namespace(const struct sonde_process *p)
{
	const struct sonde_slice from[] = {
		workload_of(p)->pod_namespace,
		sonde_workload_label(p->workload, SONDE_SLICE_LIT("com.docker.compose.project")),
	};

	return first_known(from, 2);
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

/*
 * Units are no versions of anything, but where several of one service run they are instances of a
 * template, named after their versions. Instances that count begin with a digit too; a version has
 * a dot or a v.
 */
static struct sonde_slice unit_version(const struct sonde_process *p)
{
	struct sonde_slice unit = sonde_slice_str(p->unit);
	struct sonde_slice instance = sonde_slice_from(unit, sonde_slice_find(unit, 0, '@') + 1);
	bool dotted = sonde_slice_find(instance, 0, '.') < instance.len;

	if (sonde_slice_at(instance, 0) == 'v' ? is_digit(sonde_slice_at(instance, 1))
					       : is_digit(sonde_slice_at(instance, 0)) && dotted)
		return instance;
	return SONDE_SLICE_EMPTY;
}

struct sonde_slice sonde_identity_service_version(const struct sonde_process *p)
{
	const struct sonde_slice from[] = {
		workload_of(p)->image_tag,
		sonde_workload_label(p->workload, SONDE_SLICE_LIT("app.kubernetes.io/version")),
		unit_version(p),
	};

	return first_known(from, 3);
}
