/*
 * A seed builds a world and leaves it; its nodes' processes die without freeing anything. Given a process
 * each, seeds spent most of their time in page faults. So a process runs many, and this memory is used by one
 * after the other: what the kernel has given stays, a reset only forgets what was taken.
 *
 *   region:  | small piece | small piece | 4 KiB-aligned large piece | ...     all of 2^class bytes
 *            ^ a page of them at a time    ^ a large one's class stands in pages[]
 *
 * What was never touched is zero already; `touched_bytes` says from where on. Nothing else is cleared but by
 * calloc(), and a seed must not see what the seed before it left: its hash is the same in a process of its
 * own.
 *
 * The program is linked with --wrap; the C library's own allocations are not concerned.
 */
#include "sim/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/base.h"

#define REGION_BYTES (UINT64_C(16) << 30) /* of addresses */
#define PAGE_BYTES   4096u
#define CLASS_MIN    4u
#define CLASS_PAGE   12u
#define CLASS_COUNT  32u
#define MAPPINGS_MAX 512u

void *__real_malloc(size_t len_bytes);
void *__real_calloc(size_t count, size_t each_bytes);
void *__real_realloc(void *memory, size_t len_bytes);
int __real_posix_memalign(void **ret_memory, size_t align_bytes, size_t len_bytes);
void __real_free(void *memory);
int __real_madvise(void *at, size_t len_bytes, int advice);
void *__real_mmap(void *at, size_t len_bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t len_bytes);
void *__wrap_calloc(size_t count, size_t each_bytes);
void *__wrap_realloc(void *memory, size_t len_bytes);
int __wrap_posix_memalign(void **ret_memory, size_t align_bytes, size_t len_bytes);
void __wrap_free(void *memory);
void *__wrap_mmap(void *at, size_t len_bytes, int protection, int flags, int fd, off_t offset);
int __wrap_madvise(void *at, size_t len_bytes, int advice);

struct mapping {
	void *memory;
	size_t len_bytes;
	bool is_used;
};

static struct {
	uint8_t *memory; /* NULL: everything comes from the C library */
	size_t used_bytes, touched_bytes;
	void *free[CLASS_COUNT]; /* each piece holds the next */
	uint8_t *pages;          /* the class of the piece, or pieces, there */
	struct mapping mappings[MAPPINGS_MAX];
	unsigned mapping_count;
} region;

static void *map(size_t len_bytes)
{
	return __real_mmap(
		NULL, len_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

bool memory_begin(void)
{
	uint8_t *pages = map(REGION_BYTES / PAGE_BYTES);
	uint8_t *memory = map(REGION_BYTES);

	ASSERT(pages != MAP_FAILED && memory != MAP_FAILED);
	(void)__real_madvise(memory, REGION_BYTES, MADV_HUGEPAGE);
	region.pages = pages;
	region.memory = memory;
	return true;
}

void memory_reset(void)
{
	if (region.touched_bytes < region.used_bytes)
		region.touched_bytes = region.used_bytes;
	region.used_bytes = 0;
	memset(region.free, 0, sizeof(region.free));
	for (unsigned i = 0; i < region.mapping_count; i++)
		region.mappings[i].is_used = false;
}

static uint8_t *bump(size_t len_bytes, uint8_t class)
{
	uint8_t *memory = region.memory + region.used_bytes;

	ASSERT(REGION_BYTES - region.used_bytes >= len_bytes);
	for (size_t page = 0; page < len_bytes / PAGE_BYTES; page++)
		region.pages[region.used_bytes / PAGE_BYTES + page] = class;
	region.used_bytes += len_bytes;
	return memory;
}

/* A page of small ones, all free but the first, which is returned. */
static void *small_cut(uint8_t class)
{
	uint8_t *page = bump(PAGE_BYTES, class);

	for (size_t at = PAGE_BYTES - ((size_t)1 << class); at > 0; at -= (size_t)1 << class) {
		*(void **)(void *)(page + at) = region.free[class];
		region.free[class] = page + at;
	}
	return page;
}

/* *ret_clean: it is known to be zero. */
static void *piece_take(size_t len_bytes, uint8_t class_min, bool *ret_clean)
{
	uint8_t class = class_min;
	void *memory;

	while (((size_t)1 << class) < len_bytes)
		class ++;
	ASSERT(class < CLASS_COUNT);
	memory = region.free[class];
	*ret_clean = false;
	if (memory) {
		region.free[class] = *(void **)memory;
		return memory;
	}
	if (class < CLASS_PAGE)
		return small_cut(class);
	*ret_clean = region.used_bytes >= region.touched_bytes;
	return bump((size_t)1 << class, class);
}

static bool is_ours(const void *memory)
{
	return region.memory && (uintptr_t)memory - (uintptr_t)region.memory < REGION_BYTES;
}

static uint8_t class_of(const void *memory)
{
	return region.pages[((const uint8_t *)memory - region.memory) / PAGE_BYTES];
}

void *__wrap_malloc(size_t len_bytes)
{
	bool is_clean;

	return region.memory ? piece_take(len_bytes, CLASS_MIN, &is_clean) : __real_malloc(len_bytes);
}

void *__wrap_calloc(size_t count, size_t each_bytes)
{
	size_t len_bytes;
	bool is_clean;
	void *memory;

	if (!region.memory)
		return __real_calloc(count, each_bytes);
	if (__builtin_mul_overflow(count, each_bytes, &len_bytes))
		return NULL;
	memory = piece_take(len_bytes, CLASS_MIN, &is_clean);
	return is_clean ? memory : memset(memory, 0, len_bytes);
}

void *__wrap_realloc(void *memory, size_t len_bytes)
{
	size_t had_bytes;
	void *larger;

	if (!region.memory || (memory && !is_ours(memory)))
		return __real_realloc(memory, len_bytes);
	had_bytes = memory ? (size_t)1 << class_of(memory) : 0;
	if (memory && had_bytes >= len_bytes)
		return memory;
	larger = __wrap_malloc(len_bytes);
	if (memory)
		memcpy(larger, memory, had_bytes);
	__wrap_free(memory);
	return larger;
}

int __wrap_posix_memalign(void **ret_memory, size_t align_bytes, size_t len_bytes)
{
	bool is_clean;

	if (!region.memory || align_bytes > PAGE_BYTES)
		return __real_posix_memalign(ret_memory, align_bytes, len_bytes);
	*ret_memory = piece_take(len_bytes, CLASS_PAGE, &is_clean);
	return 0;
}

void __wrap_free(void *memory)
{
	uint8_t class;

	if (!is_ours(memory)) {
		__real_free(memory);
		return;
	}
	class = class_of(memory);
	*(void **)memory = region.free[class];
	region.free[class] = memory;
}

/* A buffer pool's: it doesn't expect zeroes. Never unmapped by a process that dies. */
void *__wrap_mmap(void *at, size_t len_bytes, int protection, int flags, int fd, off_t offset)
{
	struct mapping *mapping;

	if (!region.memory || !(flags & MAP_ANONYMOUS))
		return __real_mmap(at, len_bytes, protection, flags, fd, offset);
	for (unsigned i = 0; i < region.mapping_count; i++) {
		mapping = &region.mappings[i];
		if (mapping->is_used || mapping->len_bytes != len_bytes)
			continue;
		mapping->is_used = true;
		return mapping->memory;
	}
	ASSERT(region.mapping_count < MAPPINGS_MAX);
	mapping = &region.mappings[region.mapping_count++];
	*mapping = (struct mapping){ map(len_bytes), len_bytes, true };
	return mapping->memory;
}

/*
 * Each process that a node starts has a buffer pool, and few of them need more than some KiB of it. A worker
 * keeps them all, hundreds: with pages of 2 MiB it came to 4.7 GiB within 200 seeds.
 */
int __wrap_madvise(void *at, size_t len_bytes, int advice)
{
	return region.memory && advice == MADV_HUGEPAGE ? 0 : __real_madvise(at, len_bytes, advice);
}
