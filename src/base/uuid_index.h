/*
 * Rows of an array, found by a UUID in each. Made of an array as it is, in time linear in its rows; the array
 * stays the caller's, and must neither move nor change while the index is used.
 */
#ifndef QUOIN_BASE_UUID_INDEX_H
#define QUOIN_BASE_UUID_INDEX_H

#include <stddef.h>

#include "base/uuid.h"

struct uuid_index {
	const void **slots; /* NULL: free */
	size_t slot_count;  /* a power of two, at least twice the rows; 0: it was never made */
	size_t key_offset_bytes;
};

/* `key_offset_bytes`: where a row has its UUID. -ENOMEM. */
int uuid_index_make(const void *rows, size_t count, size_t row_bytes, size_t key_offset_bytes,
	struct uuid_index *ret_index) MUST_CHECK;
/* The first row with this UUID; NULL where there is none. */
const void *uuid_index_find(const struct uuid_index *index, struct uuid key);
/* Harmless where it is all zero. */
void uuid_index_done(struct uuid_index *index);

#endif
