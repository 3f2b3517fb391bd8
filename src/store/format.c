/*
 * An empty pool: ring and table are written with zeroes where the device is a file (so that no write of them
 * ever waits for an extent to be allocated, or finds no room), then the superblocks. On a raw device nothing
 * of it need be written: the random salt makes all that stood there before invalid.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_CHUNK_BYTES (UINT64_C(1) << 20)
#define FORMAT_DEPTH       4u

struct format_io {
	struct device_io io;
	struct iovec iov;
	struct format *format;
};

struct format {
	struct loop *loop;
	struct device *device;
	struct superblock sb;
	pool_done_fn fn; /* NULL: told; the device's last answer is waited for */
	void *arg;
	struct loop_task refused;
	struct loop_timer timer;
	unsigned looks; /* since the newest answer, one a second */
	struct format_io ios[FORMAT_DEPTH];
	unsigned busy;
	uint64_t at_bytes, end_bytes;
	uint8_t *zeroes;
	uint8_t *block;
	unsigned step; /* 0 zeroes, 1 flush, 2 superblocks, 3 flush */
	int rc;
};

static void format_next(struct format *f);

static void format_end(void *arg)
{
	struct format *f = arg;
	pool_done_fn fn = f->fn;
	void *fn_arg = f->arg;
	int rc = f->rc;

	loop_timer_cancel(f->loop, &f->timer);
	if (!fn)
		f->device->ops->close(f->device);
	free(f->zeroes);
	free(f->block);
	free(f);
	if (fn)
		fn(fn_arg, rc);
}

/* What is in flight is the device's until it answers: all goes then. */
static void format_look(void *arg)
{
	struct format *f = arg;
	pool_done_fn fn = f->fn;

	if (++f->looks <= DEVICE_WAIT_MS * NS_PER_MS / WATCH_EVERY_NS) {
		loop_timer_set(f->loop, &f->timer, loop_now_ns(f->loop) + WATCH_EVERY_NS);
		return;
	}
	f->fn = NULL;
	f->rc = -ETIMEDOUT;
	fn(f->arg, -ETIMEDOUT);
}

static void format_io_ended(struct device_io *io, int rc)
{
	struct format *f = container_of(io, struct format_io, io)->format;

	container_of(io, struct format_io, io)->iov.iov_len = 0;
	f->busy--;
	f->looks = 0;
	if (rc < 0 && f->rc == 0)
		f->rc = rc;
	if (f->rc == 0)
		format_next(f);
	else if (f->busy == 0)
		format_end(f);
}

static struct format_io *format_io(struct format *f)
{
	for (unsigned i = 0; i < FORMAT_DEPTH; i++) {
		struct format_io *io = &f->ios[i];

		if (io->iov.iov_len == 0) {
			io->format = f;
			io->io.fn = format_io_ended;
			return io;
		}
	}
	return NULL;
}

static void format_write(
	struct format *f, struct format_io *io, uint8_t *bytes, uint64_t length, uint64_t offset)
{
	io->iov = (struct iovec){ .iov_base = bytes, .iov_len = length };
	f->busy++;
	f->device->ops->write(f->device, &io->io, &io->iov, 1, offset);
}

static void format_flush(struct format *f)
{
	struct format_io *io = format_io(f);

	io->iov.iov_len = 1;
	f->busy++;
	f->device->ops->flush(f->device, &io->io);
}

static void format_next(struct format *f)
{
	struct format_io *io;

	while (f->step == 0 && f->at_bytes < f->end_bytes && (io = format_io(f)) != NULL) {
		uint64_t length = f->end_bytes - f->at_bytes;

		if (length > FORMAT_CHUNK_BYTES)
			length = FORMAT_CHUNK_BYTES;
		f->at_bytes += length;
		format_write(f, io, f->zeroes, length, f->at_bytes - length);
	}
	if (f->busy > 0)
		return;
	f->step++;
	if (f->step == 1 || f->step == 3) {
		format_flush(f);
	} else if (f->step == 2) {
		for (unsigned copy = 0; copy < 2; copy++) {
			uint64_t offset = geometry_superblock_offset(f->sb.geometry.size_bytes, copy);
			uint8_t *block = f->block + (size_t)copy * BLOCK_BYTES;

			superblock_encode(&f->sb, offset, block);
			format_write(f, format_io(f), block, BLOCK_BYTES, offset);
		}
	} else {
		format_end(f);
	}
}

void pool_format(struct loop *loop, struct device *device, const struct pool_format_options *options,
	pool_done_fn fn, void *arg)
{
	struct format *f = calloc(1, sizeof(*f));
	struct random random;

	ASSERT(f);
	f->loop = loop;
	f->device = device;
	f->fn = fn;
	f->arg = arg;
	loop_task_init(&f->refused, format_end, f);
	loop_timer_init(&f->timer, format_look, f);
	random_init(&random, options->seed);
	f->rc = geometry_make(
		device->size_bytes, options->journal_bytes, random_u64(&random), &f->sb.geometry);
	f->zeroes = aligned_new(FORMAT_CHUNK_BYTES);
	f->block = aligned_new(2 * (size_t)BLOCK_BYTES);
	if (f->rc == 0 && (!f->zeroes || !f->block))
		f->rc = -ENOMEM;
	if (f->rc < 0) {
		loop_defer(loop, &f->refused);
		return;
	}
	memset(f->zeroes, 0, FORMAT_CHUNK_BYTES);
	loop_timer_set(loop, &f->timer, loop_now_ns(loop) + WATCH_EVERY_NS);
	f->sb.generation = 1;
	f->sb.cluster = options->cluster;
	f->sb.pool = options->pool;
	f->sb.first = 1;
	f->at_bytes = f->sb.geometry.ring_offset_bytes;
	f->end_bytes = device->is_file ? f->sb.geometry.grain_offset_bytes : 0;
	format_next(f);
}
