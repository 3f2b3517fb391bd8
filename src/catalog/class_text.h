/* Inside catalog: the fields of a class's text, by number. */
#ifndef QUOIN_CATALOG_CLASS_TEXT_H
#define QUOIN_CATALOG_CLASS_TEXT_H

#include "catalog/catalog.h"

/* -EINVAL with words: there is no such field, or not yet. */
int class_field_find(const char *key, unsigned *ret_index, struct error *error) MUST_CHECK;
/* "10s", "500ms", "10m", in milliseconds: 0 where it is none. */
uint64_t class_duration_of(const char *text);
int class_field_put(
	struct catalog_class *class, unsigned index, const char *value, struct error *error) MUST_CHECK;

#endif
