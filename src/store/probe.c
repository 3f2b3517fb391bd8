/*
 * The probe: one part after the other, each for its share of the time. What is read has been written before.
 *
 *   write 64 KiB at depth, a flush -> durable writes -> random reads -> the same at depth -> read 64 KiB at
 * depth
 *
 * At least one operation is in flight from the first to the last: so the pool's closing waits for it.
 */
#include "store/probe.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "store/pool.h"

#define GRAINS_MAX  1024u /* 64 MiB */
#define GRAINS_MIN  16u
#define SAMPLES_MAX 512u

enum part { PART_WRITE, PART_DURABLE, PART_READ, PART_READ_DEPTH, PART_READ_WIDE, PARTS };

static const struct {
	bool write, durable, wide; /* wide: whole grains in order; else blocks at random */
	unsigned depth;
	unsigned until_percent;  /* of the budget */
	uint32_t operations_max; /* 0: each grain once */
} parts[PARTS] = {
	[PART_WRITE] = { .write = true, .wide = true, .depth = PROBE_DEPTH, .until_percent = 25 },
	[PART_DURABLE] = { .write = true,
		.durable = true,
		.depth = 1,
		.until_percent = 60,
		.operations_max = SAMPLES_MAX },
	[PART_READ] = { .depth = 1, .until_percent = 75, .operations_max = SAMPLES_MAX },
	[PART_READ_DEPTH] = { .depth = PROBE_DEPTH, .until_percent = 90, .operations_max = UINT32_MAX },
	[PART_READ_WIDE] = { .wide = true, .depth = PROBE_DEPTH, .until_percent = 100 },
};

struct probe_io {
	struct device_io io;
	struct iovec iov;
	struct pool_probe *probe;
	uint64_t began_ns;
	bool busy, flushing;
};

struct pool_probe {
	struct pool *pool;
	atomic_uint holders; /* who made it; and the pool, while something is in flight */
	pool_done_fn fn;
	void *arg;
	struct random random;
	uint64_t budget_ns, begin_ns, part_ns;
	enum part part;
	uint32_t operations; /* begun in this part */
	uint32_t ended;      /* of which have ended */
	unsigned busy;
	bool last_flush; /* of PART_WRITE */
	int rc;
	uint32_t grains[GRAINS_MAX], grain_count;
	uint32_t written_count; /* of them, from the first: what may be read */
	uint32_t us[SAMPLES_MAX];
	uint8_t *memory; /* one grain that is written, PROBE_DEPTH that are read into */
	struct probe_io ios[PROBE_DEPTH];
	struct pool_probe_figures figures;
};

int pool_probe_new(uint32_t budget_ms, struct pool_probe **ret_probe)
{
	struct pool_probe *probe = calloc(1, sizeof(*probe));

	if (!probe)
		return -ENOMEM;
	probe->memory = aligned_new((size_t)(PROBE_DEPTH + 1) * GRAIN_BYTES);
	if (!probe->memory) {
		free(probe);
		return -ENOMEM;
	}
	atomic_init(&probe->holders, 1);
	random_init_system(&probe->random);
	random_bytes(&probe->random, probe->memory, GRAIN_BYTES);
	probe->budget_ns = (budget_ms ? budget_ms : PROBE_BUDGET_MS) * NS_PER_MS;
	*ret_probe = probe;
	return 0;
}

void pool_probe_free(struct pool_probe *probe)
{
	if (!probe || atomic_fetch_sub(&probe->holders, 1) > 1)
		return;
	ASSERT(!probe->pool);
	free(probe->memory);
	free(probe);
}

const struct pool_probe_figures *pool_probe_figures(const struct pool_probe *probe)
{
	ASSERT(probe->rc == 0 && !probe->pool);
	return &probe->figures;
}

/* ---- figures ---- */

static uint64_t probe_now_ns(const struct pool_probe *probe)
{
	return clock_now_ns(probe->pool->loop->clock);
}

/* Returns of how many samples. */
static uint32_t part_percentiles(struct pool_probe *probe, uint32_t *ret_p50, uint32_t *ret_p99)
{
	ASSERT(probe->ended > 0 && probe->ended <= SAMPLES_MAX);
	percentiles(probe->us, probe->ended, ret_p50, ret_p99);
	return probe->ended;
}

static void part_figures(struct pool_probe *probe)
{
	struct pool_probe_figures *f = &probe->figures;
	uint64_t ns = probe_now_ns(probe) - probe->part_ns;
	uint64_t grains_s;

	if (ns == 0)
		ns = 1; /* simulated devices may take no time */
	grains_s = (uint64_t)probe->ended * NS_PER_S / ns;
	switch (probe->part) {
	case PART_WRITE:
		f->write_mib_s = (uint32_t)(grains_s * GRAIN_BYTES >> 20);
		probe->written_count = probe->ended;
		break;
	case PART_DURABLE:
		f->samples_write = part_percentiles(probe, &f->write_p50_us, &f->write_p99_us);
		break;
	case PART_READ:
		f->samples_read = part_percentiles(probe, &f->read_p50_us, &f->read_p99_us);
		break;
	case PART_READ_DEPTH:
		f->read_iops = (uint32_t)grains_s;
		break;
	default:
		f->read_mib_s = (uint32_t)(grains_s * GRAIN_BYTES >> 20);
		break;
	}
}

/* ---- its grains ---- */

/* A quarter of what could be taken: whoever comes meanwhile finds room, and the pool isn't full by it. */
static uint32_t grains_wanted(const struct pool *pool)
{
	uint64_t count = pool_spare_grains(pool);

	if (count > pool->map.ready_count)
		count = pool->map.ready_count;
	return count / 4 < GRAINS_MAX ? (uint32_t)count / 4 : GRAINS_MAX;
}

static void grains_take(struct pool_probe *probe)
{
	uint32_t count = grains_wanted(probe->pool);

	for (probe->grain_count = 0; probe->grain_count < count; probe->grain_count++) {
		uint32_t phys = map_alloc(probe->pool);

		ASSERT(phys < probe->pool->map.prepared && map_is_free(&probe->pool->map, phys));
		probe->grains[probe->grain_count] = phys;
	}
}

static void grains_return(struct pool_probe *probe)
{
	ASSERT(probe->busy == 0);
	while (probe->grain_count > 0)
		map_unalloc(probe->pool, probe->grains[--probe->grain_count]);
}

/* ---- operations ---- */

static void probe_tell(struct pool_probe *probe)
{
	pool_done_fn fn = probe->fn;

	probe->fn = NULL;
	if (fn)
		fn(probe->arg, probe->rc);
}

void probe_fail(struct pool *pool)
{
	struct pool_probe *probe = pool->probe;

	if (probe->rc == 0)
		probe->rc = -EIO;
	probe_tell(probe);
}

static void probe_end(struct pool_probe *probe)
{
	struct pool *pool = probe->pool;

	ASSERT(pool->probe == probe && probe->busy == 0);
	grains_return(probe);
	probe->figures.took_ms = (uint32_t)((probe_now_ns(probe) - probe->begin_ns) / NS_PER_MS);
	pool->probe = NULL;
	probe->pool = NULL;
	probe_tell(probe);
	pool_probe_free(probe); /* the pool's hold of it */
	pool_pump(pool);
}

/* Somebody else has come, or it is over. */
static int probe_disturbed(const struct pool_probe *probe)
{
	const struct pool *pool = probe->pool;

	if (pool->failed)
		return -EIO;
	if (pool->closing)
		return -ECANCELED;
	ASSERT(pool->io_busy >= probe->busy);
	return pool->io_busy > probe->busy || !list_is_empty(&pool->journal.queue) ||
			       !list_is_empty(&pool->read_wait)
		       ? -EAGAIN
		       : 0;
}

static void io_begin(struct pool_probe *probe, struct probe_io *io)
{
	bool wide = parts[probe->part].wide, write = parts[probe->part].write;
	uint32_t span = probe->part == PART_WRITE ? probe->grain_count : probe->written_count;
	uint32_t grain = wide ? probe->operations % span : (uint32_t)random_below(&probe->random, span);
	uint64_t offset_bytes = geometry_grain_offset(&probe->pool->g, probe->grains[grain]);
	const struct device_ops *ops = probe->pool->device->ops;
	size_t slot = write ? 0 : (size_t)(io - probe->ios) + 1;

	ASSERT(span > 0 && !io->busy);
	if (!wide)
		offset_bytes += random_below(&probe->random, GRAIN_BLOCKS) * BLOCK_BYTES;
	io->iov = (struct iovec){ .iov_base = probe->memory + slot * GRAIN_BYTES,
		.iov_len = wide ? GRAIN_BYTES : BLOCK_BYTES };
	io->busy = true;
	io->flushing = false;
	io->began_ns = probe_now_ns(probe);
	probe->busy++;
	probe->operations++;
	pool_io_began(probe->pool, &io->io);
	if (write)
		ops->write(probe->pool->device, &io->io, &io->iov, 1, offset_bytes);
	else
		ops->read(probe->pool->device, &io->io, &io->iov, 1, offset_bytes);
}

static void io_flush(struct pool_probe *probe, struct probe_io *io)
{
	ASSERT(!io->busy);
	io->busy = io->flushing = true;
	probe->busy++;
	pool_io_began(probe->pool, &io->io);
	probe->pool->device->ops->flush(probe->pool->device, &io->io);
}

static bool part_goes_on(const struct pool_probe *probe)
{
	uint32_t most = parts[probe->part].operations_max ? parts[probe->part].operations_max
			: probe->part == PART_WRITE       ? probe->grain_count
							  : probe->written_count;
	uint64_t until_ns = probe->begin_ns + probe->budget_ns * parts[probe->part].until_percent / 100;

	return probe->operations < most && (probe->operations < GRAINS_MIN || probe_now_ns(probe) < until_ns);
}

/* Keeps the part's depth filled. */
static void part_fill(struct pool_probe *probe)
{
	for (unsigned i = 0; i < parts[probe->part].depth && part_goes_on(probe); i++)
		if (!probe->ios[i].busy)
			io_begin(probe, &probe->ios[i]);
}

static void part_next(struct pool_probe *probe)
{
	part_figures(probe);
	probe->part++;
	probe->operations = probe->ended = 0;
	probe->part_ns = probe_now_ns(probe);
}

/* Nothing of this part is in flight, and nothing more of it begins. */
static void part_ended(struct pool_probe *probe)
{
	if (probe->part == PART_WRITE && !probe->last_flush && !probe->pool->device->write_through) {
		probe->last_flush = true;
		io_flush(probe, &probe->ios[0]);
		return;
	}
	part_next(probe);
	if (probe->part == PARTS)
		probe_end(probe);
	else
		part_fill(probe);
}

static void io_ended(struct device_io *device_io, int rc)
{
	struct probe_io *io = container_of(device_io, struct probe_io, io);
	struct pool_probe *probe = io->probe;
	bool flushed = io->flushing;

	ASSERT(io->busy && probe->busy > 0);
	io->busy = io->flushing = false;
	probe->busy--;
	pool_io_ended(probe->pool, &io->io);
	if (rc != 0 && parts[probe->part].write)
		pool_fail(probe->pool, rc, flushed ? "measuring: a flush" : "measuring: a write");
	if (probe->rc == 0)
		probe->rc = rc != 0 ? rc : probe_disturbed(probe);
	if (probe->rc == 0 && parts[probe->part].durable && !flushed && !probe->pool->device->write_through) {
		io_flush(probe, io);
		return;
	}
	/* The flush at the end of a part is no sample, and nothing follows it in the part. */
	if (!flushed || parts[probe->part].durable) {
		if (parts[probe->part].depth == 1)
			probe->us[probe->ended] =
				(uint32_t)((probe_now_ns(probe) - io->began_ns) / NS_PER_US);
		probe->ended++;
		if (probe->rc == 0)
			part_fill(probe);
	}
	if (probe->busy > 0)
		return;
	if (probe->rc != 0)
		probe_end(probe);
	else
		part_ended(probe);
}

/* It can't begin. */
static void probe_refuse(struct pool *pool, struct pool_probe *probe, int rc)
{
	struct work *work = work_get(pool, NULL, WORK_APPLIED);

	probe->rc = rc;
	work->fn = probe->fn;
	work->arg = probe->arg;
	work_answer(pool, work, rc);
}

void pool_probe_run(struct pool *pool, struct pool_probe *probe, pool_done_fn fn, void *arg)
{
	int rc = 0;

	ASSERT(!probe->pool);
	probe->fn = fn;
	probe->arg = arg;
	if (pool->failed)
		rc = -EIO;
	else if (pool->closing)
		rc = -ECANCELED;
	else if (pool->probe || pool->io_busy > 0 || !journal_is_idle(pool) ||
		 !list_is_empty(&pool->read_wait))
		rc = -EAGAIN;
	else if (grains_wanted(pool) < GRAINS_MIN)
		rc = -ENOSPC;
	if (rc != 0) {
		probe_refuse(pool, probe, rc);
		return;
	}
	atomic_fetch_add(&probe->holders, 1);
	probe->pool = pool;
	pool->probe = probe;
	probe->part = PART_WRITE;
	probe->operations = probe->ended = probe->written_count = 0;
	probe->last_flush = false;
	probe->rc = 0;
	probe->figures = (struct pool_probe_figures){ 0 };
	for (unsigned i = 0; i < PROBE_DEPTH; i++)
		probe->ios[i] = (struct probe_io){ .io.fn = io_ended, .probe = probe };
	grains_take(probe);
	probe->begin_ns = probe->part_ns = probe_now_ns(probe);
	part_fill(probe);
}
