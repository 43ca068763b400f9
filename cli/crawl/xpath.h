/* SPDX-License-Identifier: MIT */
/* XPath 1.0 over the tree of a page. */
#ifndef OXBOW_CLI_XPATH_H
#define OXBOW_CLI_XPATH_H

#include "cli/crawl/tree.h"

struct oxi_xpath;

/*
 * Compiles an expression. Names of functions and how many arguments they have, prefixes and variables (there are
 * none of either) are looked at too, so that what fails later can only be a type.
 *
 * @ret_at: where in it an error is. @ret_why: what is wrong, a static text.
 * Returns: 0; OX_EINVAL, with both; OX_ENOMEM.
 */
int oxi_xpath_new(const char *text, struct oxi_xpath **ret, size_t *ret_at, const char **ret_why);
void oxi_xpath_free(struct oxi_xpath *x);       /* takes NULL */

/* What came of one; to be freed. */
struct oxi_xpath_result {
	enum oxi_xpath_kind { OXI_XPATH_NODES, OXI_XPATH_BOOLEAN, OXI_XPATH_NUMBER, OXI_XPATH_STRING } kind;
	const ox_page_node **node;      /* n of them, in the order of the page, and a NULL */
	size_t n;
	double number;                  /* BOOLEAN too */
	char *string;
};

/* Evaluates, from the root of a tree or one of its nodes. Returns: 0; OX_EINVAL: something has a wrong type; OX_ENOMEM. */
int oxi_xpath_run(const struct oxi_xpath *x, const struct oxi_tree *t, const ox_page_node *from, struct oxi_xpath_result *ret);
void oxi_xpath_result_free(struct oxi_xpath_result *f);

#endif
