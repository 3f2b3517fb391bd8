/* Reads whose checksums are not at hand: the pages of the table that have them are read beside the data. */
#include "store/read.h"

bool read_sums_have_room(const struct pool *pool, uint32_t blocks)
{
	return SUMS_FETCHES - pool->sums.fetches_busy >= blocks;
}

void read_lacks(struct pool *pool, struct pool_read *read, uint32_t i, uint32_t place)
{
	ASSERT(sums_fetch(pool, place, SUMS_FOR_READ));
	read->crc[i] = place;
	read->lacking |= UINT64_C(1) << i;
}

void read_sums_wait(struct pool *pool, struct pool_read *read)
{
	if (read->lacking == 0)
		return;
	read->pending++;
	list_push_back(&pool->sums.reads, &read->node);
}

/* Takes its checksums from the page that has come. True: it lacks none any more. */
static bool read_sums_take(struct pool *pool, struct pool_read *read, uint32_t page, uint32_t known, int rc)
{
	for (uint64_t left = read->lacking; left != 0; left &= left - 1) {
		uint32_t i = (uint32_t)__builtin_ctzll(left), place = read->crc[i];

		if (geometry_place_page(&pool->g, place) != page)
			continue;
		read->lacking &= ~(UINT64_C(1) << i);
		if (rc < 0) {
			read->rc = read->rc ? read->rc : rc;
			read_block_is_bad(read, i);
		} else if (known & UINT32_C(1) << geometry_place_unit(&pool->g, place)) {
			uint64_t block = read->offset_bytes / BLOCK_BYTES + i;

			read->crc[i] = sums_get(pool, place)[block % GRAIN_BLOCKS];
		} else {
			read->moved = true; /* it has changed meanwhile: the slot is another */
			read->crc[i] = 0;
		}
	}
	return read->lacking == 0;
}

void read_sums_came(struct pool *pool, uint32_t page, uint32_t known, int rc)
{
	struct list ready;
	struct list *node;

	list_init(&ready);
	list_for_each_safe (each, &pool->sums.reads) {
		struct pool_read *read = list_entry(each, struct pool_read, node);

		if (read_sums_take(pool, read, page, known, rc)) {
			list_remove(&read->node);
			list_push_back(&ready, &read->node);
		}
	}
	while ((node = list_pop_front(&ready)) != NULL) {
		struct pool_read *read = list_entry(node, struct pool_read, node);

		ASSERT(read->pending > 0);
		if (--read->pending == 0)
			read_check(pool, read);
	}
	if (!list_is_empty(&pool->read_wait))
		loop_defer(pool->loop, &pool->read_task);
}
