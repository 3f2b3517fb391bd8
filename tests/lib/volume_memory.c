#include "volume_memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "loop/loop.h"

/* How often a waiting request looks whether it may go on. */
#define VOLUME_LOOK_NS NS_PER_MS

struct volume {
	struct uring_loop *loop;
	struct buf_pool *bufs;
	uint8_t *bytes;
	uint64_t room_bytes; /* it may grow so far */
	atomic_ullong size_bytes;
	struct list waiting; /* requests, oldest first */
	struct loop_timer timer;
	struct loop_task task;
	atomic_bool held, read_only;
	atomic_int rc;
	atomic_ullong delay_ns;
	struct {
		atomic_ullong reads, writes, trims, zeroes, largest_bytes, in_flight, most_in_flight;
	} stats;
};

static void volume_memory_run(void *arg);

struct volume *volume_memory_new(struct uring_loop *loop, struct buf_pool *bufs, uint64_t size_bytes)
{
	struct volume *volume = calloc(1, sizeof(*volume));

	ASSERT(volume);
	volume->loop = loop;
	volume->bufs = bufs;
	volume->size_bytes = size_bytes;
	volume->room_bytes = size_bytes * 4;
	volume->bytes = mmap(NULL, volume->room_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT(volume->bytes != MAP_FAILED);
	list_init(&volume->waiting);
	loop_timer_init(&volume->timer, volume_memory_run, volume);
	loop_task_init(&volume->task, volume_memory_run, volume);
	return volume;
}

void volume_memory_free(struct volume *volume)
{
	if (!volume)
		return;
	ASSERT(list_is_empty(&volume->waiting));
	(void)munmap(volume->bytes, volume->room_bytes);
	free(volume);
}

const uint8_t *volume_memory_bytes(const struct volume *volume)
{
	return volume->bytes;
}

void volume_memory_grow(struct volume *volume, uint64_t size_bytes)
{
	ASSERT(size_bytes <= volume->room_bytes);
	atomic_store(&volume->size_bytes, size_bytes);
}

void volume_memory_hold(struct volume *volume, bool held)
{
	atomic_store(&volume->held, held);
}

void volume_memory_fail(struct volume *volume, int rc)
{
	atomic_store(&volume->rc, rc);
}

void volume_memory_delay(struct volume *volume, uint64_t delay_ns)
{
	atomic_store(&volume->delay_ns, delay_ns);
}

void volume_memory_get_stats(const struct volume *volume, struct volume_memory_stats *ret_stats)
{
	ret_stats->reads = atomic_load(&volume->stats.reads);
	ret_stats->writes = atomic_load(&volume->stats.writes);
	ret_stats->trims = atomic_load(&volume->stats.trims);
	ret_stats->zeroes = atomic_load(&volume->stats.zeroes);
	ret_stats->largest_bytes = atomic_load(&volume->stats.largest_bytes);
	ret_stats->in_flight = atomic_load(&volume->stats.in_flight);
	ret_stats->most_in_flight = atomic_load(&volume->stats.most_in_flight);
}

static void volume_memory_execute(struct volume *volume, struct request *request)
{
	uint8_t *at = volume->bytes + request->offset_bytes;

	switch (request->op) {
	case REQUEST_READ:
		volume->stats.reads++;
		memcpy(request->data->data, at, request->length_bytes);
		break;
	case REQUEST_WRITE:
		volume->stats.writes++;
		memcpy(at, request->data->data, request->length_bytes);
		break;
	case REQUEST_TRIM:
	case REQUEST_ZERO:
		if (request->op == REQUEST_TRIM)
			volume->stats.trims++;
		else
			volume->stats.zeroes++;
		/* Gives the memory back; it reads as zeroes. */
		ASSERT(madvise(at, request->length_bytes, MADV_DONTNEED) == 0);
		break;
	case REQUEST_SNAPSHOT:
	case REQUEST_SNAPSHOT_DELETE:
	case REQUEST_ROLLBACK:
	case REQUEST_MAP: /* of snapshots */
	case REQUEST_FLUSH:
		break;
	}
}

static int volume_memory_check(struct volume *volume, const struct request *request)
{
	bool has_data = request->op == REQUEST_READ || request->op == REQUEST_WRITE;

	if (request->offset_bytes % BLOCK_BYTES != 0 || request->length_bytes % BLOCK_BYTES != 0 ||
		request->offset_bytes > volume->size_bytes ||
		request->length_bytes > volume->size_bytes - request->offset_bytes)
		return -EINVAL;
	if (has_data) {
		ASSERT(request->length_bytes <= ENTRY_MAX_BYTES);
		ASSERT(request->data && request->data->cap_bytes >= request->length_bytes);
		ASSERT((uintptr_t)request->data->data % BLOCK_BYTES == 0);
		ASSERT(request->op == REQUEST_READ || request->data->len_bytes == request->length_bytes);
	}
	return 0;
}

static void volume_memory_end(struct volume *volume, struct request *request, int rc)
{
	list_remove(&request->node);
	if (rc == 0)
		rc = volume_memory_check(volume, request);
	if (rc == 0)
		volume_memory_execute(volume, request);
	volume->stats.in_flight--;
	request->done(request, rc);
}

static void volume_memory_run(void *arg)
{
	struct volume *volume = arg;
	struct loop *core = uring_loop_core(volume->loop);
	uint64_t delay_ns = atomic_load(&volume->delay_ns);
	int rc = atomic_load(&volume->rc);

	while (!list_is_empty(&volume->waiting)) {
		struct request *request = list_entry(list_first(&volume->waiting), struct request, node);

		if (rc == 0 && atomic_load(&volume->held)) {
			loop_timer_set(core, &volume->timer, loop_now_ns(core) + VOLUME_LOOK_NS);
			return;
		}
		if (rc == 0 && request->started_ns + delay_ns > loop_now_ns(core)) {
			loop_timer_set(core, &volume->timer, request->started_ns + delay_ns);
			return;
		}
		volume_memory_end(volume, request, rc);
	}
}

void volume_submit(struct volume *volume, struct request *request)
{
	unsigned long long in_flight = ++volume->stats.in_flight;

	if (in_flight > volume->stats.most_in_flight)
		volume->stats.most_in_flight = in_flight;
	if ((request->op == REQUEST_READ || request->op == REQUEST_WRITE) &&
		request->length_bytes > volume->stats.largest_bytes)
		volume->stats.largest_bytes = request->length_bytes;
	request->started_ns = loop_now_ns(uring_loop_core(volume->loop));
	list_push_back(&volume->waiting, &request->node);
	loop_defer(uring_loop_core(volume->loop), &volume->task);
}

struct buf_pool *volume_bufs(struct volume *volume)
{
	return volume->bufs;
}

bool volume_is_read_only(const struct volume *volume)
{
	return volume->read_only;
}

void volume_memory_read_only(struct volume *volume, bool read_only)
{
	volume->read_only = read_only;
}

uint64_t volume_size_bytes(const struct volume *volume)
{
	return volume->size_bytes;
}

static bool is_zero_block(const uint8_t *bytes)
{
	for (unsigned i = 0; i < BLOCK_BYTES; i++)
		if (bytes[i])
			return false;
	return true;
}

struct extent volume_extent(struct volume *volume, uint64_t offset_bytes, uint64_t max_bytes)
{
	const uint8_t *bytes = volume_memory_bytes(volume) + offset_bytes;
	struct extent extent = { .is_hole = is_zero_block(bytes) };

	while (extent.length_bytes < max_bytes &&
		is_zero_block(bytes + extent.length_bytes) == extent.is_hole)
		extent.length_bytes += BLOCK_BYTES;
	return extent;
}
