// SPDX-License-Identifier: Apache-2.0
/* Series and edges made into one line for each service and role. */
#include <errno.h>
#include <stdlib.h>

#include "tools/sonde/services.h"

static int compare_slices(struct sonde_slice a, struct sonde_slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.ptr, b.ptr, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_lines(const void *a, const void *b)
{
	const struct sonde_service_line *x = a, *y = b;
	int order = compare_slices(x->service, y->service);

	return order ? order : (x->role > y->role) - (x->role < y->role);
}

static bool is_wanted(const struct sonde_words *globs, struct sonde_slice service)
{
	for (size_t i = 0; i < globs->n; i++)
		if (sonde_slice_glob(service, sonde_slice_str(globs->items[i])))
			return true;
	return !globs->n;
}

/* The name at one end of an edge, or at the other. */
static struct sonde_slice end_of(const Sonde__Edge *e, enum sonde_role role)
{
	return sonde_wire_slice(role == SONDE_ROLE_CLIENT ? e->client : e->server);
}

static enum sonde_role other(enum sonde_role role)
{
	return role == SONDE_ROLE_CLIENT ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
}

static bool is_here(const Sonde__Edge *e, enum sonde_role role)
{
	return role == SONDE_ROLE_CLIENT ? e->client_here : e->server_here;
}

static void put(struct sonde_services *s, const struct sonde_words *globs,
		struct sonde_service_line line)
{
	if (is_wanted(globs, line.service))
		s->lines[s->n++] = line;
}

static void put_edge(struct sonde_services *s, const struct sonde_words *globs,
		     const Sonde__Edge *e, enum sonde_role role)
{
	if (is_here(e, role))
		put(s, globs,
		    (struct sonde_service_line){ .service = end_of(e, role), .role = role });
}

/* Of lines with the same name and role the one with requests stays, or any. */
static void drop_doubles(struct sonde_services *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (kept && compare_lines(&s->lines[kept - 1], &s->lines[i]) == 0) {
			if (s->lines[i].requests)
				s->lines[kept - 1].requests = s->lines[i].requests;
			continue;
		}
		s->lines[kept++] = s->lines[i];
	}
	s->n = kept;
}

static void add_connections(struct sonde_services *s, const Sonde__Edge *e, enum sonde_role role)
{
	struct sonde_service_line key = { .service = end_of(e, role), .role = role }, *line;

	if (!is_here(e, role) || !s->n)
		return;
	line = bsearch(&key, s->lines, s->n, sizeof(*s->lines), compare_lines);
	if (!line)
		return;
	line->has_connections = true;
	sonde_edge_row_add(&line->connections, e, NULL);
}

static int make_lines(struct sonde_services *s, const struct sonde_words *globs)
{
	static const struct sonde_snapshot nothing = { 0 };
	long n = sonde_rows_make(&nothing, &s->series, SONDE_GROUP_SERVICE, &s->rows);

	if (n < 0)
		return (int)n;
	s->lines = calloc((size_t)n + 2 * s->edges.n_edges + 1, sizeof(*s->lines));
	if (!s->lines)
		return -ENOMEM;
	for (long i = 0; i < n; i++)
		put(s, globs,
		    (struct sonde_service_line){
			    .service = sonde_wire_slice(s->rows[i].first->service),
			    .role = (enum sonde_role)s->rows[i].first->role,
			    .requests = &s->rows[i] });
	for (size_t i = 0; i < s->edges.n_edges; i++) {
		put_edge(s, globs, s->edges.edges[i], SONDE_ROLE_SERVER);
		put_edge(s, globs, s->edges.edges[i], SONDE_ROLE_CLIENT);
	}
	qsort(s->lines, s->n, sizeof(*s->lines), compare_lines);
	drop_doubles(s);
	for (size_t i = 0; i < s->edges.n_edges; i++) {
		add_connections(s, s->edges.edges[i], SONDE_ROLE_SERVER);
		add_connections(s, s->edges.edges[i], SONDE_ROLE_CLIENT);
	}
	return 0;
}

int sonde_services_make(struct sonde_snapshot *series, struct sonde_edges_snapshot *edges,
			const struct sonde_words *globs, struct sonde_services *out)
{
	int err;

	*out = (struct sonde_services){ .series = *series, .edges = *edges };
	*series = (struct sonde_snapshot){ 0 };
	*edges = (struct sonde_edges_snapshot){ 0 };
	err = make_lines(out, globs);
	if (err)
		sonde_services_free(out);
	return err;
}

void sonde_services_free(struct sonde_services *s)
{
	free(s->rows);
	free(s->lines);
	sonde_snapshot_free(&s->series);
	sonde_edges_snapshot_free(&s->edges);
	*s = (struct sonde_services){ 0 };
}

/* The other end of edge number AT, when it is one of LINE. */
static bool is_peer(const struct sonde_services *s, const struct sonde_service_line *line,
		    size_t at, struct sonde_slice *out)
{
	const Sonde__Edge *e = s->edges.edges[at];

	if (!is_here(e, line->role) || compare_slices(end_of(e, line->role), line->service) != 0)
		return false;
	*out = end_of(e, other(line->role));
	return out->len != 0;
}

/* Whether an edge before number END, or the requests of LINE, have told PEER already. */
static bool is_told(const struct sonde_services *s, const struct sonde_service_line *line,
		    size_t end, struct sonde_slice peer)
{
	struct sonde_slice earlier;
	size_t cursor = 0;

	while (line->requests && sonde_row_next_peer(&s->series, line->requests, &cursor, &earlier))
		if (sonde_slice_eq(earlier, peer))
			return true;
	for (size_t i = 0; i < end; i++)
		if (is_peer(s, line, i, &earlier) && sonde_slice_eq(earlier, peer))
			return true;
	return false;
}

bool sonde_services_next_peer(const struct sonde_services *s, const struct sonde_service_line *line,
			      size_t *cursor, struct sonde_slice *out)
{
	size_t rows = line->requests ? line->requests->n : 0, at;

	/* First those of requests, then the edges that tell of others. */
	if (*cursor < rows && sonde_row_next_peer(&s->series, line->requests, cursor, out))
		return true;
	if (*cursor < rows)
		*cursor = rows;
	for (at = *cursor - rows; at < s->edges.n_edges; at++) {
		if (!is_peer(s, line, at, out) || is_told(s, line, at, *out))
			continue;
		*cursor = rows + at + 1;
		return true;
	}
	*cursor = rows + at;
	return false;
}
