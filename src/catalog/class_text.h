/* Inside catalog: the fields of a class's text, by number. */
#ifndef QUOIN_CATALOG_CLASS_TEXT_H
#define QUOIN_CATALOG_CLASS_TEXT_H

#include "catalog/catalog.h"

/* -EINVAL with words: there is no such field, or not yet. */
int class_field_find(const char *key, unsigned *ret_index, struct error *error) MUST_CHECK;
int class_field_put(
	struct catalog_class *class, unsigned index, const char *value, struct error *error) MUST_CHECK;

#endif
