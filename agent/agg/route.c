// SPDX-License-Identifier: Apache-2.0
/*
 * A path that was seen lately is found by its bytes in a direct-mapped cache of one entry per slot.
 * Everything else is split, matched against the user's patterns, and walked down the tree of its
 * service. When that tree becomes coarser, the service's generation moves on, which makes all its
 * cached answers stale at once.
 */
#include "agent/agg/route.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/agg/route_tree.h"

enum {
	CACHE = 4096,	       /* entries; a power of two */
	CACHED_PATH_MAX = 104, /* bytes; longer paths are worked out each time */
	SERVICES_MAX = 1024,   /* trees; the one used longest ago makes room */
	NODES_MAX = 65536,     /* of all trees */
	TEXTS_MAX = 16384,     /* templates of all trees, of all times: they are never freed */
};

struct service {
	struct sonde_text *name; /* NULL: free */
	struct sonde_route_tree tree;
	uint64_t used; /* the clock at its last request */
	uint32_t generation;
};

struct cached {
	struct service *service; /* NULL: free */
	struct sonde_text *route;
	uint32_t generation;
	uint16_t path_len;
	bool ignored;
	uint8_t path[CACHED_PATH_MAX];
};

struct sonde_routes {
	struct sonde_intern texts; /* templates; live as long as this */
	struct sonde_intern names; /* of services */
	struct sonde_index index;  /* of services, by the hash of the name */
	struct service *services;  /* SERVICES_MAX; number 0 is never used */
	struct cached *cache;
	struct sonde_text *other, *star, *wildcard, *empty;
	struct sonde_route_pattern patterns[SONDE_CONFIG_LIST_MAX];
	struct sonde_route_pattern ignored[SONDE_CONFIG_LIST_MAX];
	struct sonde_text *names_of_patterns[SONDE_CONFIG_LIST_MAX];
	size_t n_patterns, n_ignored;
	enum sonde_unmatched unmatched;
	struct sonde_route_limits limits;
	uint32_t n_services, n_nodes;
	uint64_t templates, collapsed, overflowed, clock, seed;
	size_t node_bytes;
};

static int compile_list(struct sonde_routes *rt, const struct sonde_string_list *list,
			struct sonde_route_pattern *out, struct sonde_text **names)
{
	for (size_t i = 0; i < list->n_items; i++) {
		struct sonde_slice pattern = sonde_slice_str(list->items[i]);

		if (sonde_route_check(pattern))
			return -EINVAL;
		names[i] = sonde_intern_get(&rt->texts, pattern);
		if (!names[i])
			return -ENOMEM;
		sonde_route_pattern_compile(sonde_text_slice(names[i]), &out[i]);
	}
	return 0;
}

static int compile(struct sonde_routes *rt, const struct sonde_config *config)
{
	struct sonde_text *unused[SONDE_CONFIG_LIST_MAX];
	int err;

	rt->n_patterns = config->routes.patterns.n_items;
	rt->n_ignored = config->routes.ignored_patterns.n_items;
	err = compile_list(rt, &config->routes.patterns, rt->patterns, rt->names_of_patterns);
	if (err)
		return err;
	return compile_list(rt, &config->routes.ignored_patterns, rt->ignored, unused);
}

static int set_up(struct sonde_routes *rt, const struct sonde_config *config)
{
	int err = sonde_intern_init(&rt->texts);

	if (!err)
		err = sonde_intern_init(&rt->names);
	if (!err)
		err = sonde_index_init(&rt->index, SERVICES_MAX);
	if (err)
		return err;
	rt->seed = rt->names.seed;
	rt->unmatched = config->routes.unmatched;
	rt->limits = (struct sonde_route_limits){
		.max_values = config->routes.max_segment_values,
		.max_templates = config->routes.max_per_service,
		.literal = config->routes.unmatched == SONDE_UNMATCHED_PATH,
	};
	rt->services = calloc(SERVICES_MAX, sizeof(*rt->services));
	rt->cache = calloc(CACHE, sizeof(*rt->cache));
	rt->other = sonde_intern_get(&rt->texts, SONDE_SLICE_LIT("__other__"));
	rt->star = sonde_intern_get(&rt->texts, SONDE_SLICE_LIT("*"));
	rt->wildcard = sonde_intern_get(&rt->texts, SONDE_SLICE_LIT("/**"));
	rt->empty = sonde_intern_get(&rt->texts, SONDE_SLICE_EMPTY);
	if (!rt->services || !rt->cache || !rt->other || !rt->star || !rt->wildcard || !rt->empty)
		return -ENOMEM;
	return compile(rt, config);
}

int sonde_routes_new(const struct sonde_config *config, struct sonde_routes **out)
{
	struct sonde_routes *rt = calloc(1, sizeof(*rt));
	int err;

	if (!rt)
		return -ENOMEM;
	err = set_up(rt, config);
	if (err) {
		sonde_routes_free(rt);
		return err;
	}
	*out = rt;
	return 0;
}

void sonde_routes_free(struct sonde_routes *rt)
{
	if (!rt)
		return;
	for (size_t i = 0; rt->services && i < SERVICES_MAX; i++)
		sonde_route_tree_fini(&rt->services[i].tree);
	sonde_intern_fini(&rt->texts);
	sonde_intern_fini(&rt->names);
	sonde_index_fini(&rt->index);
	free(rt->services);
	free(rt->cache);
	free(rt);
}

static struct service *find_service(struct sonde_routes *rt, struct sonde_slice name)
{
	struct sonde_text *text = sonde_intern_find(&rt->names, name);
	uint32_t number;
	size_t at;

	if (!text)
		return NULL;
	at = text->hash;
	while ((number = sonde_index_next(&rt->index, text->hash, &at)) != 0) {
		if (rt->services[number].name == text)
			return &rt->services[number];
	}
	return NULL;
}

/* Keeps the sums over all trees, of which one has changed. */
static void account(struct sonde_routes *rt, const struct sonde_route_tree *before,
		    const struct sonde_route_tree *after)
{
	rt->n_nodes += after->n_nodes - before->n_nodes;
	rt->templates += (uint64_t)after->n_templates - before->n_templates;
	rt->node_bytes += after->node_bytes - before->node_bytes;
}

/* Forgets the service used longest ago, other than KEEP. Its templates stay valid. */
static struct service *evict(struct sonde_routes *rt, const struct service *keep)
{
	struct service *oldest = NULL;
	struct sonde_route_tree before;

	for (uint32_t i = 1; i <= rt->n_services; i++) {
		struct service *s = &rt->services[i];

		if (s != keep && s->name && (!oldest || s->used < oldest->used))
			oldest = s;
	}
	if (!oldest)
		return NULL;
	before = oldest->tree;
	sonde_route_tree_fini(&oldest->tree);
	account(rt, &before, &oldest->tree);
	sonde_index_remove(&rt->index, oldest->name->hash, (uint32_t)(oldest - rt->services));
	sonde_intern_put(&rt->names, oldest->name);
	oldest->name = NULL;
	oldest->generation++;
	return oldest;
}

static struct service *free_service(struct sonde_routes *rt)
{
	if (rt->n_services < SERVICES_MAX - 1)
		return &rt->services[++rt->n_services];
	for (uint32_t i = 1; i <= rt->n_services; i++) {
		if (!rt->services[i].name)
			return &rt->services[i];
	}
	return evict(rt, NULL);
}

static struct service *add_service(struct sonde_routes *rt, struct sonde_slice name)
{
	struct sonde_text *text = sonde_intern_get(&rt->names, name);
	struct service *s;

	if (!text)
		return NULL;
	s = free_service(rt);
	s->name = text;
	sonde_index_put(&rt->index, text->hash, (uint32_t)(s - rt->services));
	return s;
}

static struct sonde_text *learn(struct sonde_routes *rt, struct service *s,
				const struct sonde_segments *path)
{
	struct sonde_route_tree before = s->tree;
	struct sonde_text *text;
	bool changed = false;

	text = sonde_route_tree_find(&s->tree, &rt->limits, path, &rt->texts, TEXTS_MAX, &changed);
	account(rt, &before, &s->tree);
	rt->collapsed += s->tree.n_collapsed - before.n_collapsed;
	s->generation += changed;
	return text ? text : rt->other;
}

static struct sonde_text *route_unmatched(struct sonde_routes *rt, struct service *s,
					  struct sonde_slice path,
					  const struct sonde_segments *segments)
{
	switch (rt->unmatched) {
	case SONDE_UNMATCHED_UNSET:
		return rt->empty;
	case SONDE_UNMATCHED_WILDCARD:
		return rt->wildcard;
	default:
		break;
	}
	/* `*` of OPTIONS, and the authority of CONNECT: no path, and no end of different ones. */
	if (path.len && path.ptr[0] != '/')
		return rt->star;
	while (rt->n_nodes >= NODES_MAX && evict(rt, s))
		;
	return learn(rt, s, segments);
}

static bool matches_any(const struct sonde_route_pattern *patterns, size_t n,
			const struct sonde_segments *path, size_t *which)
{
	for (*which = 0; *which < n; ++*which) {
		if (sonde_route_pattern_matches(&patterns[*which], path))
			return true;
	}
	return false;
}

/* The answer for a path; NULL: ignored. */
static struct sonde_text *work_out(struct sonde_routes *rt, struct service *s,
				   struct sonde_slice path)
{
	bool is_path = !path.len || path.ptr[0] == '/';
	struct sonde_segments segments;
	size_t which;

	sonde_segments_split(path, &segments);
	if (is_path && matches_any(rt->ignored, rt->n_ignored, &segments, &which))
		return NULL;
	if (is_path && matches_any(rt->patterns, rt->n_patterns, &segments, &which))
		return rt->names_of_patterns[which];
	return route_unmatched(rt, s, path, &segments);
}

static __attribute__((noinline)) bool find_slow(struct sonde_routes *rt, struct sonde_slice service,
						struct sonde_slice path, struct cached *slot,
						struct sonde_text **out)
{
	struct service *s = find_service(rt, service);
	struct sonde_text *text;

	if (!s)
		s = add_service(rt, service);
	if (!s) {
		*out = rt->other;
		return true;
	}
	s->used = ++rt->clock;
	text = work_out(rt, s, path);
	if (path.len <= CACHED_PATH_MAX) {
		*slot = (struct cached){
			.service = s,
			.route = text,
			.generation = s->generation,
			.path_len = (uint16_t)path.len,
			.ignored = !text,
		};
		if (path.len)
			memcpy(slot->path, path.ptr, path.len);
	}
	if (text)
		*out = text;
	return text != NULL;
}

/*
 * Where the cache has a path. Weaker than the hashes of tables and cheaper: what collides is only
 * worked out again.
 */
static size_t cache_place(const struct sonde_routes *rt, struct sonde_slice service,
			  struct sonde_slice path)
{
	const uint64_t odd = 0x9e3779b97f4a7c15ULL;
	uint64_t h = (rt->seed ^ (uintptr_t)service.ptr ^ path.len) * odd, word;
	size_t i = 0;

	for (; i + sizeof(word) <= path.len; i += sizeof(word)) {
		memcpy(&word, path.ptr + i, sizeof(word));
		h = (h ^ (h >> 32) ^ word) * odd;
	}
	if (path.len >= sizeof(word)) {
		memcpy(&word, path.ptr + path.len - sizeof(word), sizeof(word));
	} else {
		word = 0;
		for (i = 0; i < path.len; i++)
			word = word << 8 | path.ptr[i];
	}
	h = (h ^ (h >> 32) ^ word) * odd;
	return (h >> 40) & (CACHE - 1);
}

bool sonde_routes_find(struct sonde_routes *rt, struct sonde_slice service, struct sonde_slice path,
		       struct sonde_slice *route)
{
	struct cached *c = &rt->cache[cache_place(rt, service, path)];
	struct sonde_text *text;

	/* The hash says where to look, the bytes say whether it is the one. */
	if (c->service && c->generation == c->service->generation && c->path_len == path.len &&
	    sonde_same_bytes(c->path, path.ptr, path.len) &&
	    sonde_text_is(c->service->name, service)) {
		c->service->used = ++rt->clock;
		if (c->ignored)
			return false;
		text = c->route;
	} else if (!find_slow(rt, service, path, c, &text)) {
		return false;
	}
	rt->overflowed += text == rt->other;
	*route = sonde_text_slice(text);
	return true;
}

void sonde_routes_stats(const struct sonde_routes *rt, struct sonde_routes_stats *out)
{
	*out = (struct sonde_routes_stats){
		.templates = rt->templates,
		.overflowed = rt->overflowed,
		.collapsed = rt->collapsed,
		.memory_bytes = sizeof(*rt) + sonde_intern_memory(&rt->texts) +
				sonde_intern_memory(&rt->names) + sonde_index_memory(&rt->index) +
				SERVICES_MAX * sizeof(*rt->services) + CACHE * sizeof(*rt->cache) +
				rt->node_bytes,
	};
}
