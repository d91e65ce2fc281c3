// SPDX-License-Identifier: Apache-2.0
#include "agent/agg/route_tree.h"

#include <stdlib.h>

enum { DEPTH_MAX = 16 }; /* what lies deeper is one `*` */

struct sonde_route_node {
	struct sonde_route_node *next;	   /* sibling */
	struct sonde_route_node *children; /* literal ones, owned */
	struct sonde_route_node *star;	   /* owned, NULL: none yet */
	struct sonde_text *text; /* the template that ends here, NULL: not asked for yet */
	uint32_t n_children;
	bool collapsed; /* has no literal children any more and never will */
	uint8_t len;
	uint8_t bytes[];
};

struct walk {
	struct sonde_route_tree *tree;
	const struct sonde_route_limits *limits;
	struct sonde_intern *texts;
	uint32_t max_texts;
	bool changed;
};

static struct sonde_route_node *new_node(struct sonde_route_tree *t, struct sonde_slice segment)
{
	struct sonde_route_node *n = calloc(1, sizeof(*n) + segment.len);

	if (!n)
		return NULL;
	n->len = (uint8_t)segment.len;
	if (segment.len)
		memcpy(n->bytes, segment.ptr, segment.len);
	t->n_nodes++;
	t->node_bytes += sizeof(*n) + segment.len;
	return n;
}

static void forget_text(struct sonde_route_tree *t, struct sonde_route_node *n)
{
	t->n_templates -= n->text != NULL;
	n->text = NULL;
}

static void free_node(struct sonde_route_tree *t, struct sonde_route_node *n)
{
	forget_text(t, n);
	t->n_nodes--;
	t->node_bytes -= sizeof(*n) + n->len;
	free(n);
}

/* No deeper than DEPTH_MAX, as are the other walks below. */
static void free_subtree(struct sonde_route_tree *t, struct sonde_route_node *n)
{
	struct sonde_route_node *next;

	if (!n)
		return;
	for (struct sonde_route_node *child = n->children; child; child = next) {
		next = child->next;
		free_subtree(t, child);
	}
	free_subtree(t, n->star);
	free_node(t, n);
}

void sonde_route_tree_fini(struct sonde_route_tree *t)
{
	free_subtree(t, t->root);
	*t = (struct sonde_route_tree){ 0 };
}

static void forget_texts(struct sonde_route_tree *t, struct sonde_route_node *n)
{
	forget_text(t, n);
	for (struct sonde_route_node *child = n->children; child; child = child->next)
		forget_texts(t, child);
	if (n->star)
		forget_texts(t, n->star);
}

static struct sonde_route_node *star_of(struct sonde_route_tree *t, struct sonde_route_node *n)
{
	if (!n->star)
		n->star = new_node(t, SONDE_SLICE_LIT("*"));
	return n->star;
}

static struct sonde_route_node *child_of(const struct sonde_route_node *n,
					 struct sonde_slice segment)
{
	for (struct sonde_route_node *child = n->children; child; child = child->next) {
		if (child->len == segment.len && !memcmp(child->bytes, segment.ptr, segment.len))
			return child;
	}
	return NULL;
}

static void link_child(struct sonde_route_node *n, struct sonde_route_node *child)
{
	child->next = n->children;
	n->children = child;
	n->n_children++;
}

static void merge(struct walk *w, struct sonde_route_node *to, struct sonde_route_node *from);

/* False: no memory for `*`, and nothing has changed. */
static bool collapse(struct walk *w, struct sonde_route_node *n)
{
	struct sonde_route_node *children = n->children, *star = star_of(w->tree, n), *next;

	if (!star)
		return false;
	n->collapsed = true;
	n->children = NULL;
	n->n_children = 0;
	for (struct sonde_route_node *child = children; child; child = next) {
		next = child->next;
		merge(w, star, child);
	}
	w->tree->n_collapsed++;
	w->changed = true;
	return true;
}

/* Moves CHILD, a literal child of a node that ends, below TO. */
static void adopt(struct walk *w, struct sonde_route_node *to, struct sonde_route_node *child)
{
	struct sonde_route_node *same = child_of(to, sonde_slice_of(child->bytes, child->len));

	if (!same && !to->collapsed && to->n_children < w->limits->max_values) {
		forget_texts(w->tree, child);
		link_child(to, child);
		return;
	}
	if (!same && !to->collapsed && !collapse(w, to)) {
		free_subtree(w->tree, child);
		return;
	}
	merge(w, same ? same : to->star, child);
}

/* FROM's subtree becomes part of TO's; FROM is gone. */
static void merge(struct walk *w, struct sonde_route_node *to, struct sonde_route_node *from)
{
	struct sonde_route_node *next;

	if (from->collapsed && !to->collapsed)
		collapse(w, to);
	for (struct sonde_route_node *child = from->children; child; child = next) {
		next = child->next;
		adopt(w, to, child);
	}
	if (from->star && to->star) {
		merge(w, to->star, from->star);
	} else if (from->star) {
		forget_texts(w->tree, from->star);
		to->star = from->star;
	}
	free_node(w->tree, from);
}

static bool is_full(const struct walk *w)
{
	return w->tree->n_nodes >= SONDE_ROUTE_NODES_MAX;
}

static struct sonde_route_node *enter_star(struct walk *w, struct sonde_route_node *n)
{
	return n->star || !is_full(w) ? star_of(w->tree, n) : NULL;
}

static struct sonde_route_node *enter_child(struct walk *w, struct sonde_route_node *n,
					    struct sonde_slice segment)
{
	struct sonde_route_node *child = child_of(n, segment);

	if (child)
		return child;
	if (!w->limits->literal && n->n_children >= w->limits->max_values)
		return collapse(w, n) ? n->star : NULL;
	/* Without collapsing, a node beyond the last template would never be of use. */
	if (is_full(w) || (w->limits->literal && w->tree->n_templates >= w->limits->max_templates))
		return NULL;
	child = new_node(w->tree, segment);
	if (child)
		link_child(n, child);
	return child;
}

/* The nodes on the way from below the root to the end of the path. */
struct trail {
	struct sonde_route_node *at[DEPTH_MAX + 1];
	size_t n;
	size_t len; /* bytes of the template so far */
};

static struct sonde_route_node *follow(struct walk *w, const struct sonde_segments *path,
				       struct trail *trail)
{
	struct sonde_route_node *n = w->tree->root;
	bool rest = false;

	for (size_t i = 0; i < path->n && !rest; i++) {
		struct sonde_slice segment = path->at[i];
		bool star =
			n->collapsed || (!w->limits->literal && sonde_route_is_generated(segment));
		size_t len = star ? 1 : segment.len;

		/* Two bytes stay free for a last slash and star. */
		rest = i == DEPTH_MAX || trail->len + 1 + len > SONDE_TEXT_MAX - 2;
		n = star || rest ? enter_star(w, n) : enter_child(w, n, segment);
		if (!n)
			return NULL;
		trail->at[trail->n++] = n;
		trail->len += 1u + n->len;
	}
	return n;
}

static struct sonde_text *name_trail(struct walk *w, const struct trail *trail)
{
	uint8_t text[SONDE_TEXT_MAX];
	size_t len = 0;

	if (w->texts->n_texts >= w->max_texts)
		return NULL;
	for (size_t i = 0; i < trail->n; i++) {
		text[len++] = '/';
		memcpy(text + len, trail->at[i]->bytes, trail->at[i]->len);
		len += trail->at[i]->len;
	}
	if (!len)
		text[len++] = '/';
	return sonde_intern_get(w->texts, sonde_slice_of(text, len));
}

struct sonde_text *sonde_route_tree_find(struct sonde_route_tree *t,
					 const struct sonde_route_limits *limits,
					 const struct sonde_segments *path,
					 struct sonde_intern *texts, uint32_t max_texts,
					 bool *changed)
{
	struct walk w = { .tree = t, .limits = limits, .texts = texts, .max_texts = max_texts };
	struct trail trail = { .n = 0 };
	struct sonde_route_node *n;

	if (!t->root)
		t->root = new_node(t, SONDE_SLICE_EMPTY);
	n = t->root ? follow(&w, path, &trail) : NULL;
	if (w.changed)
		*changed = true;
	if (!n)
		return NULL;
	if (!n->text && t->n_templates < limits->max_templates) {
		n->text = name_trail(&w, &trail);
		t->n_templates += n->text != NULL;
	}
	return n->text;
}
