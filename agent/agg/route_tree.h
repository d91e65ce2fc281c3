// SPDX-License-Identifier: Apache-2.0
/*
 * route_tree - what the paths of one service have looked like so far.
 *
 *   /            A node is a position below one template prefix. Segments that look generated go to
 *   |-- users    its child `*`. When a node has max_values other children and one more comes, it
 *   |   `-- *    collapses: all of them are merged into `*`, subtree by subtree, for good. So the
 *   `-- login    tree only ever becomes coarser, and what has collapsed stays one template.
 */
#ifndef SONDE_AGG_ROUTE_TREE_H
#define SONDE_AGG_ROUTE_TREE_H

#include "agent/agg/intern.h"
#include "agent/agg/route_pattern.h"

struct sonde_route_node;

enum { SONDE_ROUTE_NODES_MAX = 2048 }; /* of one tree */

struct sonde_route_tree {
	struct sonde_route_node *root;
	uint32_t n_nodes;
	uint32_t n_templates; /* nodes that have been answered with */
	uint32_t n_collapsed; /* since it was last emptied */
	size_t node_bytes;
};

struct sonde_route_limits {
	uint32_t max_values;	/* children of a node before it collapses */
	uint32_t max_templates; /* of one tree */
	bool literal;		/* no segment is taken for generated, nothing collapses */
};

/* A zeroed tree is ready. Empties it. */
void sonde_route_tree_fini(struct sonde_route_tree *t);
/*
 * The template of a path, interned in TEXTS (a reference is taken for each new one and never given
 * back), or NULL when the tree is full of templates or nodes, TEXTS has MAX_TEXTS, or memory is
 * out. *CHANGED is set when templates given before are no longer what the same paths would get now.
 */
struct sonde_text *sonde_route_tree_find(struct sonde_route_tree *t,
					 const struct sonde_route_limits *limits,
					 const struct sonde_segments *path,
					 struct sonde_intern *texts, uint32_t max_texts,
					 bool *changed);

#endif
