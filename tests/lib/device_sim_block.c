#include "device_sim_block.h"

#include <stdlib.h>
#include <string.h>

#include "device_sim.h"

static void *must(void *memory)
{
	ASSERT(memory != NULL);
	return memory;
}

/* Never given back: the next write wants one, and memory that is in use already costs no page fault. */
static struct sim_block *free_blocks;

#define SLAB_BLOCKS 64u

static struct sim_block *block_new(void)
{
	struct sim_block *block;

	if (!free_blocks) {
		uint8_t *data = must(malloc(SLAB_BLOCKS * BLOCK_BYTES));
		struct sim_block *slab = must(calloc(SLAB_BLOCKS, sizeof(*slab)));

		for (unsigned i = 0; i < SLAB_BLOCKS; i++) {
			slab[i].data = data + (size_t)i * BLOCK_BYTES;
			slab[i].next_free = i + 1 < SLAB_BLOCKS ? &slab[i + 1] : NULL;
		}
		free_blocks = slab;
	}
	block = free_blocks;
	free_blocks = block->next_free;
	block->refs = 1;
	block->flushes = 0;
	return block;
}

struct sim_block *sim_block_with(const uint8_t *data)
{
	static const uint8_t zeroes[BLOCK_BYTES];
	struct sim_block *block;

	if (memcmp(data, zeroes, BLOCK_BYTES) == 0)
		return NULL;
	block = block_new();
	memcpy(block->data, data, BLOCK_BYTES);
	return block;
}

struct sim_block *sim_block_ref(struct sim_block *block)
{
	if (block)
		block->refs++;
	return block;
}

void sim_block_put(struct sim_block *block)
{
	if (!block || --block->refs > 0)
		return;
	block->next_free = free_blocks;
	free_blocks = block;
}

void sim_block_set(struct sim_block **at, struct sim_block *block)
{
	sim_block_ref(block);
	sim_block_put(*at);
	*at = block;
}

struct sim_block *sim_block_own(struct sim_block **at)
{
	struct sim_block *block = *at;

	if (block && block->refs == 1)
		return block;
	block = block_new();
	if (*at)
		memcpy(block->data, (*at)->data, BLOCK_BYTES);
	else
		memset(block->data, 0, BLOCK_BYTES);
	sim_block_put(*at);
	*at = block;
	return block;
}

void sim_disks_forget(void)
{
	free_blocks = NULL;
}
