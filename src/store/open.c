/* Opening a pool: the superblocks, before all else is read and after all is known; and the first batch. */
#include "store/opening.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void opening_free(struct opening *o)
{
	loop_timer_cancel(o->loop, &o->timer);
	free(o->window);
	free(o->grain);
	free(o->pages[0]);
	free(o->pages[1]);
	free(o->found);
	free(o->suspects);
	free(o->hashes);
	free(o);
}

void opening_fail(struct opening *o, int rc)
{
	struct pool *pool = o->pool;

	if (o->error.text[0] == 0)
		(void)error_set(&o->error, rc, "the pool can't be opened: %s", strerror(-rc));
	pool_free(pool);
	o->fn(o->arg, rc, NULL, &o->error);
	opening_free(o);
}

/* Its memory is the device's: all of it goes when the answer comes, see close.c. */
static void opening_give_up(struct opening *o, const char *why)
{
	pool_open_fn fn = o->fn;

	(void)error_set(&o->error, -ETIMEDOUT, "the pool can't be opened: %s", why);
	o->fn = NULL;
	fn(o->arg, -ETIMEDOUT, NULL, &o->error);
}

/* As with a pool that is open, a process that stood still blames nobody: looks are counted, not time. */
static void opening_look(void *arg)
{
	struct opening *o = arg;
	char why[96];

	if (++o->looks > DEVICE_WAIT_MS * NS_PER_MS / WATCH_EVERY_NS && !MUTANT(open_waits_for_ever)) {
		(void)snprintf(
			why, sizeof(why), "the device has not answered for %u s", DEVICE_WAIT_MS / 1000);
		opening_give_up(o, why);
		return;
	}
	loop_timer_set(o->loop, &o->timer, loop_now_ns(o->loop) + WATCH_EVERY_NS);
}

static void opening_io_ended(struct device_io *io, int rc)
{
	struct opening *o = container_of(io, struct opening, io);

	if (!o->fn) {
		pool_free(o->pool);
		opening_free(o);
		return;
	}
	if (rc < 0) {
		(void)error_set(&o->error, rc, "the pool's device gives an error: %s", strerror(-rc));
		opening_fail(o, rc);
		return;
	}
	o->next(o);
}

static struct device *opening_io(struct opening *o, void (*next)(struct opening *o))
{
	o->io.fn = opening_io_ended;
	o->next = next;
	o->looks = 0;
	return o->pool->device;
}

void opening_read(struct opening *o, uint8_t *to, uint64_t length_bytes, uint64_t offset_bytes,
	void (*next)(struct opening *o))
{
	struct device *device = opening_io(o, next);

	o->iov = (struct iovec){ .iov_base = to, .iov_len = length_bytes };
	device->ops->read(device, &o->io, &o->iov, 1, offset_bytes);
}

void opening_write(struct opening *o, uint8_t *from, uint64_t offset_bytes, void (*next)(struct opening *o))
{
	struct device *device = opening_io(o, next);

	o->iov = (struct iovec){ .iov_base = from, .iov_len = BLOCK_BYTES };
	device->ops->write(device, &o->io, &o->iov, 1, offset_bytes);
}

void opening_flush(struct opening *o, void (*next)(struct opening *o))
{
	struct device *device = opening_io(o, next);

	device->ops->flush(device, &o->io);
}

/* ---- reading them ---- */

static void superblock_chosen(struct opening *o)
{
	struct pool *pool = o->pool;
	const struct superblock *sb = &pool->sb;
	char text[UUID_TEXT_LEN + 1];
	int rc;

	if (!uuid_equal(sb->cluster, pool->options.cluster)) {
		(void)error_set(&o->error, -EXDEV, "the pool belongs to another cluster, %s",
			uuid_format(sb->cluster, text));
		opening_fail(o, -EXDEV);
		return;
	}
	if (!uuid_is_none(pool->options.pool) && !uuid_equal(sb->pool, pool->options.pool)) {
		(void)error_set(&o->error, -EXDEV, "this is another pool, %s", uuid_format(sb->pool, text));
		opening_fail(o, -EXDEV);
		return;
	}
	if (sb->geometry.size_bytes > pool->device->size_bytes) {
		(void)error_set(&o->error, -EILSEQ,
			"the pool was truncated: it has %llu bytes, its superblock says %llu",
			(unsigned long long)pool->device->size_bytes,
			(unsigned long long)sb->geometry.size_bytes);
		opening_fail(o, -EILSEQ);
		return;
	}
	pool->g = sb->geometry;
	rc = pool_size(pool);
	o->suspects = calloc(pool->g.dir_pages, sizeof(*o->suspects));
	o->found = calloc(pool->g.ring_blocks, sizeof(*o->found));
	if (rc < 0 || !o->suspects || !o->found) {
		opening_fail(o, -ENOMEM);
		return;
	}
	open_table(o);
}

static void superblocks_read(struct opening *o)
{
	struct pool *pool = o->pool;
	struct superblock sb[2];
	int rc[2];

	for (unsigned copy = 0; copy < 2; copy++)
		rc[copy] = superblock_decode(o->window + (size_t)copy * BLOCK_BYTES,
			geometry_superblock_offset(pool->device->size_bytes, copy), &sb[copy]);
	if (rc[0] == 0 && (rc[1] < 0 || sb[0].generation >= sb[1].generation)) {
		pool->sb = sb[0];
	} else if (rc[1] == 0) {
		pool->sb = sb[1];
	} else if (rc[0] == -EPROTO || rc[1] == -EPROTO) {
		(void)error_set(&o->error, -EPROTO,
			"the pool has a newer format than this program (version %u) knows", ONDISK_VERSION);
		opening_fail(o, -EPROTO);
		return;
	} else {
		(void)error_set(
			&o->error, -EILSEQ, "no valid superblock: not a pool, or both copies are damaged");
		opening_fail(o, -EILSEQ);
		return;
	}
	superblock_chosen(o);
}

static void superblock_b_read(struct opening *o)
{
	opening_read(o, o->window + BLOCK_BYTES, BLOCK_BYTES,
		geometry_superblock_offset(o->pool->device->size_bytes, 1), superblocks_read);
}

void pool_open(struct loop *loop, struct device *device, const struct pool_open_options *options,
	pool_open_fn fn, void *arg)
{
	struct opening *o = calloc(1, sizeof(*o));
	struct pool *pool = NULL;
	/* Without memory for this much at start nothing else would work. */
	int rc = o ? pool_new(loop, device, options, &pool) : -ENOMEM;

	ASSERT(rc == 0);
	o->pool = pool;
	o->loop = loop;
	o->fn = fn;
	o->arg = arg;
	pool->opening = o;
	o->window = aligned_new((size_t)WINDOW_BLOCKS * BLOCK_BYTES);
	ASSERT(o->window);
	loop_timer_init(&o->timer, opening_look, o);
	loop_timer_set(loop, &o->timer, loop_now_ns(loop) + WATCH_EVERY_NS);
	opening_read(o, o->window, BLOCK_BYTES, geometry_superblock_offset(device->size_bytes, 0),
		superblock_b_read);
}

/* ---- writing them: open count and `first` are durable before the ring is written to ---- */

static void open_mark(struct opening *o);

/* Steps: flush what replay has read (it may be in the device's cache only), A, flush, B, flush. */
void open_superblocks_write(struct opening *o)
{
	struct pool *pool = o->pool;
	unsigned step = o->superblock_step++;

	if (step == 0) {
		pool->sb.generation++;
		pool->sb.open_count++;
		pool->sb.first = pool->journal.next;
	}
	if (step == 0 || step == 2 || step == 4) {
		opening_flush(o, open_superblocks_write);
	} else if (step == 1 || step == 3) {
		uint64_t offset = geometry_superblock_offset(pool->g.size_bytes, step == 3);

		superblock_encode(&pool->sb, offset, o->window);
		opening_write(o, o->window, offset, open_superblocks_write);
	} else {
		open_mark(o);
	}
}

/* ---- the first batch ---- */

static void open_mark(struct opening *o)
{
	struct pool *pool = o->pool;

	for (uint32_t dir = 0; dir < pool->g.dir_pages; dir++) {
		const struct suspect *s = &o->suspects[dir];
		struct pool_replica *replica = pool->dir[dir];
		struct replica_state state;

		if (!replica || !(s->damaged || s->unsure))
			continue;
		state = replica->state;
		state.incomplete = true;
		state.since = (struct position){ .epoch = { UINT64_MAX, UINT32_MAX }, .seq = UINT64_MAX };
		state.retired = state.retired || s->unsure;
		pool_replica_state_write(replica, &state, NULL, NULL);
	}
	pool->journal.mark_wanted = true;
	pool->open = true; /* what is in flight from now on the pool's own watch looks after */
	loop_timer_cancel(o->loop, &o->timer);
	pool_pump_soon(pool);
}

/* Asked at each pump until the pool is told. */
void opening_pump(struct pool *pool)
{
	struct opening *o = pool->opening;

	if (!pool->failed && (!journal_is_idle(pool) || pool->journal.durable < pool->sb.first))
		return;
	pool->opening = NULL;
	if (pool->failed && pool->io_busy > 0) {
		opening_give_up(o, pool->why);
		opening_free(o);
		pool_leave(pool);
		return;
	}
	if (pool->failed) {
		o->pool = pool;
		(void)error_set(&o->error, -EIO, "%s", pool->why);
		opening_fail(o, pool->fail_rc);
		return;
	}
	o->fn(o->arg, 0, pool, NULL);
	opening_free(o);
}
