// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct texts {
	struct sonde_slice items[SONDE_FILTER_VALUES]; /* into the filter's bytes */
	size_t n;
};

struct numbers {
	uint32_t items[SONDE_FILTER_VALUES];
	size_t n;
};

struct range {
	uint32_t first, last;
};

struct sonde_filter {
	uint32_t protocols, roles, transports, states; /* bit sets; 0: any */
	struct numbers ports, pids;
	struct range statuses[SONDE_FILTER_VALUES];
	size_t n_statuses;
	bool errors_only, failed_only;
	uint64_t min_duration_ns;
	uint64_t ids[SONDE_FILTER_VALUES];
	size_t n_ids;
	struct texts services, peers, comms, containers, methods, paths;
	size_t used; /* of bytes */
	uint8_t bytes[];
};

struct complaint {
	char *text;
	size_t len;
};

static int refuse(struct complaint c, const char *what, const char *why)
{
	snprintf(c.text, c.len, "filter: %s: %s", what, why);
	return -EINVAL;
}

static size_t text_bytes(size_t n, const ProtobufCBinaryData *values)
{
	size_t sum = 0;

	for (size_t i = 0; i < n && i < SONDE_FILTER_VALUES; i++)
		sum += values[i].len < SONDE_FILTER_TEXT ? values[i].len : SONDE_FILTER_TEXT;
	return sum;
}

static int take_texts(struct sonde_filter *f, size_t n, const ProtobufCBinaryData *values,
		      struct texts *out, const char *what, struct complaint c)
{
	if (n > SONDE_FILTER_VALUES)
		return refuse(c, what, "more than 32 values");
	for (size_t i = 0; i < n; i++) {
		if (!values[i].len || values[i].len > SONDE_FILTER_TEXT)
			return refuse(c, what, "a value must have 1 to 1024 bytes");
		memcpy(f->bytes + f->used, values[i].data, values[i].len);
		out->items[i] = sonde_slice_of(f->bytes + f->used, values[i].len);
		f->used += values[i].len;
	}
	out->n = n;
	return 0;
}

static int take_numbers(size_t n, const uint32_t *values, uint32_t max, struct numbers *out,
			const char *what, struct complaint c)
{
	if (n > SONDE_FILTER_VALUES)
		return refuse(c, what, "more than 32 values");
	for (size_t i = 0; i < n; i++) {
		if (!values[i] || values[i] > max)
			return refuse(c, what, "out of range");
		out->items[i] = values[i];
	}
	out->n = n;
	return 0;
}

static int take_statuses(const Sonde__Filter *m, struct sonde_filter *f, struct complaint c)
{
	if (m->n_statuses > SONDE_FILTER_VALUES)
		return refuse(c, "status", "more than 32 values");
	for (size_t i = 0; i < m->n_statuses; i++) {
		const Sonde__Filter__StatusRange *range = m->statuses[i];

		if (!range->first || range->first > range->last || range->last > UINT16_MAX)
			return refuse(c, "status", "not a range of statuses");
		f->statuses[i] = (struct range){ range->first, range->last };
	}
	f->n_statuses = m->n_statuses;
	return 0;
}

static int take_enums(const Sonde__Filter *m, struct sonde_filter *f, struct complaint c)
{
	for (size_t i = 0; i < m->n_protocols; i++) {
		if (!m->protocols[i] || (unsigned int)m->protocols[i] >= SONDE_PROTOCOLS)
			return refuse(c, "protocol", "not known to this daemon");
		f->protocols |= 1u << m->protocols[i];
	}
	for (size_t i = 0; i < m->n_roles; i++) {
		if (!m->roles[i] || (unsigned int)m->roles[i] >= SONDE_ROLES)
			return refuse(c, "role", "must be server or client");
		f->roles |= 1u << m->roles[i];
	}
	for (size_t i = 0; i < m->n_transports; i++) {
		if ((unsigned int)m->transports[i] >= SONDE_TRANSPORTS)
			return refuse(c, "transport", "must be tcp or udp");
		f->transports |= 1u << m->transports[i];
	}
	for (size_t i = 0; i < m->n_states; i++) {
		if (!m->states[i] || (unsigned int)m->states[i] >= SONDE_TCP_STATES)
			return refuse(c, "state", "not a state of TCP");
		f->states |= 1u << m->states[i];
	}
	return 0;
}

static int take_ids(const Sonde__Filter *m, struct sonde_filter *f, struct complaint c)
{
	if (m->n_ids > SONDE_FILTER_VALUES)
		return refuse(c, "id", "more than 32 values");
	if (m->n_ids)
		memcpy(f->ids, m->ids, m->n_ids * sizeof(f->ids[0]));
	f->n_ids = m->n_ids;
	return 0;
}

/* What the other subject alone has would match nothing, or everything, without a word. */
static int check_subject(enum sonde_filter_subject subject, const Sonde__Filter *m,
			 struct complaint c)
{
	const struct {
		enum sonde_filter_subject of;
		bool given;
		const char *what;
	} all[] = {
		{ SONDE_FILTER_REQUESTS, m->n_protocols != 0, "protocol" },
		{ SONDE_FILTER_REQUESTS, m->n_methods != 0, "method" },
		{ SONDE_FILTER_REQUESTS, m->n_paths != 0, "path" },
		{ SONDE_FILTER_REQUESTS, m->n_statuses != 0, "status" },
		{ SONDE_FILTER_CONNECTIONS, m->n_transports != 0, "transport" },
		{ SONDE_FILTER_CONNECTIONS, m->n_states != 0, "state" },
		{ SONDE_FILTER_CONNECTIONS, m->failed_only, "failed" },
		{ SONDE_FILTER_CONNECTIONS, m->n_ids != 0, "id" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].given && all[i].of != subject)
			return refuse(c, all[i].what,
				      subject == SONDE_FILTER_REQUESTS ? "requests have none"
								       : "connections have none");
	return 0;
}

static int take_all_texts(const Sonde__Filter *m, struct sonde_filter *f, struct complaint c)
{
	const struct {
		size_t n;
		const ProtobufCBinaryData *values;
		struct texts *out;
		const char *what;
	} all[] = {
		{ m->n_services, m->services, &f->services, "service" },
		{ m->n_peers, m->peers, &f->peers, "peer" },
		{ m->n_comms, m->comms, &f->comms, "comm" },
		{ m->n_containers, m->containers, &f->containers, "container" },
		{ m->n_methods, m->methods, &f->methods, "method" },
		{ m->n_paths, m->paths, &f->paths, "path" },
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(all) / sizeof(all[0]); i++)
		err = take_texts(f, all[i].n, all[i].values, all[i].out, all[i].what, c);
	return err;
}

static int take_message(const Sonde__Filter *m, struct sonde_filter *f, struct complaint c)
{
	int err = take_enums(m, f, c);

	if (!err)
		err = take_ids(m, f, c);
	if (!err)
		err = take_numbers(m->n_ports, m->ports, UINT16_MAX, &f->ports, "port", c);
	if (!err)
		err = take_numbers(m->n_pids, m->pids, UINT32_MAX, &f->pids, "pid", c);
	if (!err)
		err = take_statuses(m, f, c);
	if (!err)
		err = take_all_texts(m, f, c);
	f->errors_only = m->errors_only;
	f->failed_only = m->failed_only;
	f->min_duration_ns = m->min_duration_ns;
	return err;
}

int sonde_filter_new(enum sonde_filter_subject subject, const Sonde__Filter *message,
		     struct sonde_filter **out, char *error, size_t error_len)
{
	static const Sonde__Filter everything = SONDE__FILTER__INIT;
	const Sonde__Filter *m = message ? message : &everything;
	struct complaint complaint = { error, error_len };
	struct sonde_filter *f;
	int err = check_subject(subject, m, complaint);

	if (err)
		return err;
	f = calloc(1, sizeof(*f) + text_bytes(m->n_services, m->services) +
			      text_bytes(m->n_peers, m->peers) + text_bytes(m->n_comms, m->comms) +
			      text_bytes(m->n_containers, m->containers) +
			      text_bytes(m->n_methods, m->methods) +
			      text_bytes(m->n_paths, m->paths));
	if (!f) {
		snprintf(error, error_len, "filter: out of memory");
		return -ENOMEM;
	}
	err = take_message(m, f, complaint);
	if (err) {
		sonde_filter_free(f);
		return err;
	}
	*out = f;
	return 0;
}

void sonde_filter_free(struct sonde_filter *f)
{
	free(f);
}

static bool has_number(const struct numbers *set, uint32_t value)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->items[i] == value)
			return true;
	return false;
}

static bool any_glob(const struct texts *globs, struct sonde_slice value)
{
	for (size_t i = 0; i < globs->n; i++)
		if (sonde_slice_glob(value, globs->items[i]))
			return true;
	return false;
}

static bool numbers_match(const struct sonde_filter *f, const struct sonde_request *r)
{
	if (f->errors_only && r->error == SONDE_ERROR_NONE)
		return false;
	if (r->duration_ns < f->min_duration_ns)
		return false;
	if (f->protocols && !(f->protocols & 1u << r->protocol))
		return false;
	if (f->roles && !(f->roles & 1u << r->role))
		return false;
	return !f->ports.n || has_number(&f->ports, r->server.port);
}

static bool status_matches(const struct sonde_filter *f, uint16_t status)
{
	for (size_t i = 0; i < f->n_statuses; i++)
		if (status >= f->statuses[i].first && status <= f->statuses[i].last)
			return true;
	return !f->n_statuses;
}

static bool process_matches(const struct sonde_filter *f, const struct sonde_process *p)
{
	struct sonde_slice id;

	if (!p || (f->pids.n && !has_number(&f->pids, p->pid)))
		return false;
	if (f->comms.n && !any_glob(&f->comms, sonde_slice_str(p->comm)))
		return false;
	id = sonde_slice_str(p->container_id);
	for (size_t i = 0; i < f->containers.n; i++)
		if (sonde_slice_starts(id, f->containers.items[i]))
			return true;
	return !f->containers.n;
}

/* A peer is its service, or its address. */
static bool peer_matches(const struct sonde_filter *f, struct sonde_slice service,
			 const struct sonde_endpoint *peer)
{
	char address[SONDE_ADDRESS_TEXT];

	if (!f->peers.n || any_glob(&f->peers, service))
		return true;
	sonde_endpoint_address(peer, address);
	return any_glob(&f->peers, sonde_slice_str(address));
}

static bool method_matches(const struct sonde_filter *f, struct sonde_slice method)
{
	for (size_t i = 0; i < f->methods.n; i++)
		if (sonde_slice_eq(method, f->methods.items[i]))
			return true;
	return !f->methods.n;
}

bool sonde_filter_match(const struct sonde_filter *f, const struct sonde_request *r)
{
	if (!numbers_match(f, r) || !status_matches(f, r->status))
		return false;
	if (!process_matches(f, r->process) && !process_matches(f, r->peer))
		return false;
	if (f->services.n && !any_glob(&f->services, r->service))
		return false;
	if (!method_matches(f, r->method) ||
	    !peer_matches(f, r->peer_service,
			  r->role == SONDE_ROLE_CLIENT ? &r->server : &r->client))
		return false;
	return !f->paths.n || any_glob(&f->paths, r->path);
}

static bool wants_id(const struct sonde_filter *f, uint64_t id)
{
	for (size_t i = 0; i < f->n_ids; i++)
		if (f->ids[i] == id)
			return true;
	return !f->n_ids;
}

static bool went_wrong(const struct sonde_connection *c)
{
	return c->connect_error != SONDE_CONNECT_OK || c->reset_by != SONDE_ROLE_UNKNOWN ||
	       c->timed_out || c->port_unreachable;
}

static bool connection_numbers_match(const struct sonde_filter *f, const struct sonde_connection *c)
{
	if (f->failed_only && c->connect_error == SONDE_CONNECT_OK)
		return false;
	if (f->errors_only && !went_wrong(c))
		return false;
	if (c->duration_ns < f->min_duration_ns)
		return false;
	if (f->transports && !(f->transports & 1u << c->transport))
		return false;
	if (f->states && !(f->states & 1u << c->state))
		return false;
	if (f->roles && !(f->roles & 1u << c->role))
		return false;
	/* People know a service by the port that they use. */
	return !f->ports.n || has_number(&f->ports, c->server.port) ||
	       (c->server_original.port && has_number(&f->ports, c->server_original.port));
}

bool sonde_filter_match_connection(const struct sonde_filter *f, const struct sonde_connection *c)
{
	if (!wants_id(f, c->id) || !connection_numbers_match(f, c))
		return false;
	if (!process_matches(f, c->process) && !process_matches(f, c->peer))
		return false;
	if (f->services.n && !any_glob(&f->services, c->service))
		return false;
	return peer_matches(f, c->peer_service,
			    c->role == SONDE_ROLE_CLIENT ? &c->server : &c->client);
}
