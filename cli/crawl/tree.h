/* SPDX-License-Identifier: MIT */
/* A page as a tree. Process: a worker. */
#ifndef OXBOW_CLI_TREE_H
#define OXBOW_CLI_TREE_H

#include <oxbow/crunch.h>

#include "cli/buffer.h"

#define OXI_TREE_DEPTH 1000             /* elements in one another */
#define OXI_TREE_NODES 1000000

struct oxi_tree;

/*
 * Reads HTML in UTF-8, as browsers would about: element and attribute names are in lower case, and in no
 * namespace, in XHTML too.
 * Returns: 0; OX_ETOOBIG past the limits; OX_ENOMEM.
 */
int oxi_tree_parse(const char *html, size_t len, struct oxi_tree **ret);
void oxi_tree_free(struct oxi_tree *t);         /* takes NULL */
void *oxi_tree_document(const struct oxi_tree *t);      /* libxml2's; for xpath.c */

/* ---- nodes, which live as long as their tree; NULL: there is none ---- */

const ox_page_node *oxi_tree_root(const struct oxi_tree *t);
const ox_page_node *oxi_tree_node_child(const ox_page_node *n);      /* elements and text alone are given */
const ox_page_node *oxi_tree_node_next(const ox_page_node *n);
const ox_page_node *oxi_tree_node_parent(const ox_page_node *n);
const char *oxi_tree_node_name(const ox_page_node *n);               /* or an attribute's; NULL: text */
const char *oxi_tree_node_attribute(const ox_page_node *n, const char *name);
int oxi_tree_node_text(const ox_page_node *n, struct oxi_buffer *out);       /* adds all text inside. OX_ENOMEM */

#endif
