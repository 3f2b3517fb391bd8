/*
 * selector: which pools may be taken, by where they are and by their node's labels.
 *
 *     zone=a|b,label.disk!=slow        all terms hold; a term holds for any (with != for none) of its values
 *
 * In classes and in volumes. Fields: region, zone, rack, host, node, pool (its name), label.NAME. A label
 * that a node doesn't have is equal to nothing. Thread rule: any.
 */
#ifndef QUOIN_CATALOG_SELECTOR_H
#define QUOIN_CATALOG_SELECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

#define SELECTOR_TEXT_LEN  511u
#define SELECTOR_MAX_TERMS 16u

enum selector_field {
	SELECTOR_REGION,
	SELECTOR_ZONE,
	SELECTOR_RACK,
	SELECTOR_HOST,
	SELECTOR_NODE,
	SELECTOR_POOL,
	SELECTOR_LABEL,
};

struct selector_term {
	enum selector_field field;
	bool excludes;         /* != */
	uint16_t label, value; /* where they begin in text; values end with a zero byte each */
	uint16_t value_count;
};

/* May be copied. */
struct selector {
	char text[SELECTOR_TEXT_LEN + 1];
	unsigned term_count; /* 0: every pool */
	struct selector_term terms[SELECTOR_MAX_TERMS];
};

/* What a selector looks at: a pool and its node; the strings are the caller's, "" where unknown. */
struct selector_subject {
	const char *region, *zone, *rack, *host, *node, *pool;
	const struct catalog_label *labels;
	unsigned label_count;
};

/* "" is every pool. -EINVAL: names the term, and the nearest field. */
int selector_parse(const char *text, struct selector *ret_selector, struct error *error) MUST_CHECK;
bool selector_matches(const struct selector *selector, const struct selector_subject *subject);
/* The first term that the pool fails, as text; "" where it matches. */
const char *selector_failed(const struct selector *selector, const struct selector_subject *subject,
	char text[static SELECTOR_TEXT_LEN + 1]);

#endif
