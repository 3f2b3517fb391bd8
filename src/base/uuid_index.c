/* Open addressing: a row stands in the first free slot from that of its hash on. */
#include "base/uuid_index.h"

#include <errno.h>
#include <stdlib.h>

#define LEAST_SLOTS 16u

static struct uuid key_of(const struct uuid_index *index, const void *row)
{
	return *(const struct uuid *)((const char *)row + index->key_offset_bytes);
}

/* Of the row with this UUID, or the free one where it would stand. */
static const void **slot_of(const struct uuid_index *index, struct uuid key)
{
	size_t at = uuid_hash(key) & (index->slot_count - 1);

	while (index->slots[at] && !uuid_equal(key_of(index, index->slots[at]), key))
		at = (at + 1) & (index->slot_count - 1);
	return &index->slots[at];
}

int uuid_index_make(const void *rows, size_t count, size_t row_bytes, size_t key_offset_bytes,
	struct uuid_index *ret_index)
{
	struct uuid_index index = { .slot_count = LEAST_SLOTS, .key_offset_bytes = key_offset_bytes };

	ASSERT(key_offset_bytes + sizeof(struct uuid) <= row_bytes);
	while (index.slot_count < 2 * count)
		index.slot_count *= 2;
	index.slots = calloc(index.slot_count, sizeof(*index.slots));
	if (!index.slots)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const void *row = (const char *)rows + i * row_bytes;
		const void **slot = slot_of(&index, key_of(&index, row));

		if (!*slot)
			*slot = row;
	}
	*ret_index = index;
	return 0;
}

const void *uuid_index_find(const struct uuid_index *index, struct uuid key)
{
	return index->slot_count > 0 ? *slot_of(index, key) : NULL;
}

void uuid_index_done(struct uuid_index *index)
{
	free(index->slots);
	*index = (struct uuid_index){ 0 };
}
