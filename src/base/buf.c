/*
 *   memory:  | slab 0 | slab 1 | slab 2 | ...        each 1 MiB, cut into buffers of one class, or free
 *   headers: one struct buf for each 4 KiB of memory; that of a buffer is found from its place
 *
 *        take (slab_take)                     last buffer put (slab_give_back)
 *   free ----------------> open <--> full     open or full ---------------------> free
 *                          (on its class's list while a buffer is free in it)
 *
 * A slab whose buffers have all been put is free for any class again: yesterday's many small writes
 * don't starve today's large ones. Neither memory nor headers are touched before they are used.
 */
#include "base/buf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/limits.h"

#define SLAB_BYTES  (UINT64_C(1) << 20)
#define CLASS_COUNT 4

static const uint32_t class_bytes[CLASS_COUNT] = { 4u << 10, 16u << 10, 64u << 10, 256u << 10 };

_Static_assert(ENTRY_MAX_BYTES == 256u << 10, "the largest class holds the largest payload");

struct slab {
	struct list node; /* on its class's list of open slabs, or on the pool's list of free ones */
	struct list free_bufs;
	uint32_t class;
	uint32_t cut; /* buffers [0 .. cut) have been given out at least once */
	uint32_t used;
};

struct buf_pool {
	uint8_t *memory;
	struct buf *headers;
	struct slab *slabs;
	uint64_t slab_count;
	uint64_t slabs_touched; /* slabs from here on have never been used */
	uint64_t used_bytes;
	struct list free_slabs;
	struct list open[CLASS_COUNT];
};

/* With AddressSanitizer, whoever uses a buffer that it has put is told so. */
#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define FORBID(memory, len) __asan_poison_memory_region(memory, len)
#define ALLOW(memory, len)  __asan_unpoison_memory_region(memory, len)
#else
#define FORBID(memory, len) ((void)0)
#define ALLOW(memory, len)  ((void)0)
#endif

static uint64_t headers_bytes(const struct buf_pool *pool)
{
	return pool->slab_count * (SLAB_BYTES / BLOCK_BYTES) * sizeof(struct buf);
}

static void *map_lazily(uint64_t len_bytes)
{
	void *memory = mmap(
		NULL, len_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	/*
	 * The agent starts children (mkfs, mount). A fork write-protects what both see, and the data plane
	 * would then take a fault and copy a page for each buffer that it writes before the child's exec.
	 */
	(void)madvise(memory, len_bytes, MADV_DONTFORK);
	/* Each direct I/O and each copy by a socket looks its pages up: of 2 MiB there are fewer. */
	(void)madvise(memory, len_bytes, MADV_HUGEPAGE);
	return memory;
}

static void pool_release(struct buf_pool *pool)
{
	if (pool->memory) {
		ALLOW(pool->memory, pool->slab_count * SLAB_BYTES);
		munmap(pool->memory, pool->slab_count * SLAB_BYTES);
	}
	if (pool->headers)
		munmap(pool->headers, headers_bytes(pool));
	free(pool->slabs);
	free(pool);
}

int buf_pool_new(uint64_t budget_bytes, struct buf_pool **ret_pool)
{
	struct buf_pool *pool = calloc(1, sizeof(*pool));

	ASSERT(budget_bytes > 0);
	if (!pool)
		return -ENOMEM;
	pool->slab_count = (budget_bytes + SLAB_BYTES - 1) / SLAB_BYTES;
	pool->slabs = calloc(pool->slab_count, sizeof(*pool->slabs));
	pool->memory = map_lazily(pool->slab_count * SLAB_BYTES);
	pool->headers = map_lazily(headers_bytes(pool));
	if (!pool->slabs || !pool->memory || !pool->headers) {
		pool_release(pool);
		return -ENOMEM;
	}
	FORBID(pool->memory, pool->slab_count * SLAB_BYTES);
	list_init(&pool->free_slabs);
	for (int i = 0; i < CLASS_COUNT; i++)
		list_init(&pool->open[i]);
	*ret_pool = pool;
	return 0;
}

void buf_pool_free(struct buf_pool *pool)
{
	if (!pool)
		return;
	ASSERT(pool->used_bytes == 0);
	pool_release(pool);
}

uint64_t buf_pool_used_bytes(const struct buf_pool *pool)
{
	return pool->used_bytes;
}

static uint32_t slab_capacity(const struct slab *slab)
{
	return (uint32_t)(SLAB_BYTES / class_bytes[slab->class]);
}

/* A free slab, now open for this class; NULL where none is free. */
static struct slab *slab_take(struct buf_pool *pool, uint32_t class)
{
	struct list *node = list_pop_front(&pool->free_slabs);
	struct slab *slab;

	if (node)
		slab = list_entry(node, struct slab, node);
	else if (pool->slabs_touched < pool->slab_count)
		slab = &pool->slabs[pool->slabs_touched++];
	else
		return NULL;
	*slab = (struct slab){ .class = class };
	list_init(&slab->free_bufs);
	list_push_front(&pool->open[class], &slab->node);
	return slab;
}

/* An open slab of this class, or a free one, or an open one of a larger class. */
static struct slab *slab_find(struct buf_pool *pool, uint32_t class)
{
	struct slab *slab;

	if (!list_is_empty(&pool->open[class]))
		return list_entry(list_first(&pool->open[class]), struct slab, node);
	slab = slab_take(pool, class);
	for (uint32_t larger = class + 1; !slab && larger < CLASS_COUNT; larger++) {
		if (!list_is_empty(&pool->open[larger]))
			slab = list_entry(list_first(&pool->open[larger]), struct slab, node);
	}
	return slab;
}

static struct buf *slab_cut(struct buf_pool *pool, struct slab *slab)
{
	uint64_t offset_bytes =
		(uint64_t)(slab - pool->slabs) * SLAB_BYTES + (uint64_t)slab->cut * class_bytes[slab->class];
	struct buf *buf = &pool->headers[offset_bytes / BLOCK_BYTES];

	ASSERT(slab->cut < slab_capacity(slab));
	slab->cut++;
	*buf = (struct buf){
		.data = pool->memory + offset_bytes, .cap_bytes = class_bytes[slab->class], .pool = pool
	};
	list_init(&buf->free);
	return buf;
}

struct buf *buf_get(struct buf_pool *pool, uint32_t cap_bytes)
{
	uint32_t class = 0;
	struct slab *slab;
	struct list *node;
	struct buf *buf;

	ASSERT(cap_bytes > 0);
	ASSERT(cap_bytes <= class_bytes[CLASS_COUNT - 1]);
	while (class_bytes[class] < cap_bytes)
		class ++;
	slab = slab_find(pool, class);
	if (!slab)
		return NULL;
	node = list_pop_front(&slab->free_bufs);
	buf = node ? list_entry(node, struct buf, free) : slab_cut(pool, slab);
	slab->used++;
	if (slab->used == slab_capacity(slab))
		list_remove(&slab->node);
	ASSERT(buf->refs == 0);
	buf->refs = 1;
	buf->len_bytes = 0;
	pool->used_bytes += buf->cap_bytes;
	ALLOW(buf->data, buf->cap_bytes);
	return buf;
}

struct buf *buf_ref(struct buf *buf)
{
	ASSERT(buf->refs > 0);
	buf->refs++;
	return buf;
}

void buf_put(struct buf *buf)
{
	struct buf_pool *pool;
	struct slab *slab;

	if (!buf)
		return;
	ASSERT(buf->refs > 0);
	if (--buf->refs > 0)
		return;
	pool = buf->pool;
	slab = &pool->slabs[(uint64_t)(buf->data - pool->memory) / SLAB_BYTES];
	ASSERT(slab->used > 0);
	ASSERT(pool->used_bytes >= buf->cap_bytes);
	FORBID(buf->data, buf->cap_bytes);
	pool->used_bytes -= buf->cap_bytes;
	list_push_front(&slab->free_bufs, &buf->free);
	if (slab->used == slab_capacity(slab))
		list_push_front(&pool->open[slab->class], &slab->node);
	slab->used--;
	if (slab->used == 0) {
		list_remove(&slab->node);
		list_push_front(&pool->free_slabs, &slab->node);
	}
}
