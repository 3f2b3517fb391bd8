#include "base/entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mutant.h"

struct entry_pool {
	struct entry *all;
	uint32_t capacity;
	uint32_t touched; /* all[0 .. touched) have been given out at least once; the rest is not resident */
	uint32_t used;
	struct list free;
};

bool entry_op_is_known(uint32_t op)
{
	return (op >= ENTRY_WRITE && op <= ENTRY_DELETE_SNAPSHOT) || op == ENTRY_MEMBERSHIP ||
	       op == ENTRY_ROLLBACK;
}

bool entry_op_has_uuid(enum entry_op op)
{
	return op == ENTRY_NEW_EPOCH || op == ENTRY_SNAPSHOT || op == ENTRY_DELETE_SNAPSHOT ||
	       op == ENTRY_ROLLBACK;
}

int entry_pool_new(uint32_t capacity, struct entry_pool **ret_pool)
{
	struct entry_pool *pool = calloc(1, sizeof(*pool));

	ASSERT(capacity > 0);
	if (!pool)
		return -ENOMEM;
	pool->all = calloc(capacity, sizeof(*pool->all));
	if (!pool->all) {
		free(pool);
		return -ENOMEM;
	}
	pool->capacity = capacity;
	list_init(&pool->free);
	*ret_pool = pool;
	return 0;
}

void entry_pool_free(struct entry_pool *pool)
{
	if (!pool)
		return;
	ASSERT(pool->used == 0);
	free(pool->all);
	free(pool);
}

struct entry *entry_get(struct entry_pool *pool)
{
	struct list *node = list_pop_front(&pool->free);
	struct entry *entry;

	if (node)
		entry = list_entry(node, struct entry, free);
	else if (pool->touched < pool->capacity)
		entry = &pool->all[pool->touched++];
	else
		return NULL;
	memset(entry, 0, sizeof(*entry));
	entry->pool = pool;
	entry->refs = 1;
	list_init(&entry->free);
	pool->used++;
	return entry;
}

struct entry *entry_ref(struct entry *entry)
{
	ASSERT(entry->refs > 0);
	entry->refs++;
	return entry;
}

void entry_put(struct entry *entry)
{
	if (!entry)
		return;
	ASSERT(entry->refs > 0);
	if (--entry->refs > 0)
		return;
	buf_put(entry->payload);
	entry->payload = NULL;
	ASSERT(entry->pool->used > 0);
	entry->pool->used--;
	list_push_front(&entry->pool->free, &entry->free);
}

static bool range_is_valid(const struct entry *entry, uint64_t size_bytes)
{
	return entry->length_bytes > 0 && entry->offset_bytes % BLOCK_BYTES == 0 &&
	       entry->length_bytes % BLOCK_BYTES == 0 && entry->offset_bytes <= size_bytes &&
	       entry->length_bytes <= size_bytes - entry->offset_bytes;
}

static bool payload_is_valid(const struct entry *entry)
{
	uint32_t crcs[ENTRY_MAX_BLOCKS];
	size_t blocks = entry->length_bytes / BLOCK_BYTES;

	if (entry->length_bytes > ENTRY_MAX_BYTES || !entry->payload)
		return false;
	if (entry->payload->len_bytes != entry->length_bytes)
		return false;
	crc32c_blocks(entry->payload->data, blocks, crcs);
	return memcmp(crcs, entry->crc, blocks * sizeof(crcs[0])) == 0;
}

bool entry_is_valid(const struct entry *entry, uint64_t size_bytes)
{
	switch (entry->op) {
	case ENTRY_WRITE:
		return range_is_valid(entry, size_bytes) && payload_is_valid(entry);
	case ENTRY_TRIM:
	case ENTRY_ZERO:
		return range_is_valid(entry, size_bytes) && !entry->payload;
	case ENTRY_NEW_EPOCH:
		return entry->offset_bytes == 0 && entry->length_bytes == 0 && !entry->payload;
	case ENTRY_MEMBERSHIP:
		return entry->offset_bytes == 0 && entry->length_bytes == 0 && !entry->payload &&
		       entry->request_id != 0;
	case ENTRY_SNAPSHOT:
	case ENTRY_DELETE_SNAPSHOT:
	case ENTRY_ROLLBACK:
		return entry->offset_bytes == 0 && entry->length_bytes == 0 && !entry->payload &&
		       !uuid_is_none(entry->attachment);
	}
	return false;
}
