#include "device_sim.h"

#include "device_sim_block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR_BYTES 512u

/* A write that no flush has covered yet. */
struct sim_write {
	struct list node; /* in the order of submission */
	uint64_t offset_bytes, length_bytes;
	bool is_completed;
	struct sim_block *blocks[]; /* NULL: zeroes */
};

enum sim_kind { SIM_READ, SIM_WRITE, SIM_FLUSH, SIM_DISCARD };

struct sim_op {
	struct list node;
	struct loop_timer timer;
	struct sim_disk *disk;
	struct device_io *io;
	enum sim_kind kind;
	int rc;
	struct sim_write *write; /* SIM_WRITE, SIM_DISCARD; NULL: lost on the way */
	struct iovec *iov;       /* SIM_READ */
	unsigned iov_count;
	uint64_t offset_bytes;
	uint64_t covers; /* SIM_FLUSH: completed writes up to this number */
};

struct sim_disk {
	uint64_t size_bytes;
	struct random random;
	struct sim_block **view, **medium; /* by block; NULL: zeroes */
	struct list writes;                /* unflushed */
	struct list ops;                   /* in flight */
	struct device *device;
	struct loop *loop;
	uint64_t newest_bytes; /* offset of the write that completed last */
	uint64_t written_end;  /* blocks at and beyond it were never written */
	uint64_t latency_ns;
	uint64_t operation; /* number of the last one */
	uint64_t fail_at;
	int fail_rc;
	bool fail_for_good, fail_reads;
	bool misdirect;
	uint64_t stall_from_bytes;
	uint64_t hang_from, hang_end; /* operations that hang */
	uint64_t misdirect_from_bytes, misdirect_bytes;
	struct sim_disk_counters counters;
	void (*watch)(void *arg);
	void *watch_arg;
};

struct sim_device {
	struct device device;
	struct sim_disk *disk;
};

static void *must(void *memory)
{
	ASSERT(memory != NULL);
	return memory;
}

/* ---- writes ---- */

static void write_land(struct sim_block **blocks, const struct sim_write *w)
{
	for (uint64_t i = 0; i < w->length_bytes / BLOCK_BYTES; i++)
		sim_block_set(&blocks[w->offset_bytes / BLOCK_BYTES + i], w->blocks[i]);
}

static void write_free(struct sim_write *w)
{
	list_remove(&w->node);
	for (uint64_t i = 0; i < w->length_bytes / BLOCK_BYTES; i++)
		sim_block_put(w->blocks[i]);
	free(w);
}

/* Some of the sectors of a write over what was there. */
static void land_torn(struct sim_block **at, const struct sim_block *written, struct random *random)
{
	struct sim_block *block = sim_block_own(at);

	for (uint32_t s = 0; s < BLOCK_BYTES; s += SECTOR_BYTES) {
		if (!random_chance(random, 1, 2))
			continue;
		if (written)
			memcpy(block->data + s, written->data + s, SECTOR_BYTES);
		else
			memset(block->data + s, 0, SECTOR_BYTES);
	}
}

/* A subset of the unflushed blocks reaches the medium, in the order of their writes; some are torn. */
static void land_some(struct sim_block **medium, const struct list *writes, struct random *random)
{
	uint64_t keep = random_below(random, 5); /* of 4: none, seldom, half, often, all */

	list_for_each (node, writes) {
		const struct sim_write *w = list_entry(node, struct sim_write, node);

		for (uint64_t i = 0; i < w->length_bytes / BLOCK_BYTES; i++) {
			struct sim_block **at = &medium[w->offset_bytes / BLOCK_BYTES + i];

			if (keep != 4 && keep != 0 && random_chance(random, 1, 8))
				land_torn(at, w->blocks[i], random);
			else if (random_below(random, 4) < keep)
				sim_block_set(at, w->blocks[i]);
		}
	}
}

static uint64_t block_count(const struct sim_disk *disk)
{
	return disk->size_bytes / BLOCK_BYTES;
}

static struct sim_block **blocks_copy(struct sim_block *const *blocks, uint64_t count)
{
	struct sim_block **copy = must(calloc(count, sizeof(struct sim_block *)));

	for (uint64_t i = 0; i < count; i++)
		copy[i] = sim_block_ref(blocks[i]);
	return copy;
}

static void blocks_free(struct sim_block **blocks, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		sim_block_put(blocks[i]);
	free(blocks);
}

/* ---- operations ---- */

static void op_free(struct sim_op *op)
{
	loop_timer_cancel(op->disk->loop, &op->timer);
	list_remove(&op->node);
	free(op->iov);
	free(op);
}

static void op_read(struct sim_op *op)
{
	uint64_t at = op->offset_bytes;

	for (unsigned i = 0; i < op->iov_count; i++) {
		sim_disk_peek(op->disk, at, op->iov[i].iov_base, op->iov[i].iov_len);
		at += op->iov[i].iov_len;
	}
}

/* Everything that had completed when the flush was submitted is on the medium now. */
static void op_flush(struct sim_op *op)
{
	uint64_t left = op->covers;

	list_for_each_safe (node, &op->disk->writes) {
		struct sim_write *w = list_entry(node, struct sim_write, node);

		if (left == 0)
			break;
		if (!w->is_completed)
			continue;
		left--;
		write_land(op->disk->medium, w);
		write_free(w);
	}
}

static void op_done(void *arg)
{
	struct sim_op *op = arg;
	struct sim_disk *disk = op->disk;
	struct device_io *io = op->io;
	int rc = op->rc;

	if (rc == 0 && op->kind == SIM_READ)
		op_read(op);
	if (rc == 0 && op->kind == SIM_FLUSH)
		op_flush(op);
	if (op->write) {
		/* A write that failed may be there all the same. */
		op->write->is_completed = true;
		disk->newest_bytes = op->write->offset_bytes;
		write_land(disk->view, op->write);
		list_remove(&op->write->node);
		list_push_back(&disk->writes, &op->write->node);
	}
	op_free(op);
	if (disk->watch)
		disk->watch(disk->watch_arg);
	if (disk->device)
		io->fn(io, rc);
}

static struct sim_op *op_new(struct device *device, struct device_io *io, enum sim_kind kind)
{
	struct sim_disk *disk = ((struct sim_device *)device)->disk;
	struct sim_op *op = must(calloc(1, sizeof(*op)));
	uint64_t ns = disk->latency_ns / 2 + random_below(&disk->random, disk->latency_ns * 3 / 2 + 1);

	op->disk = disk;
	op->io = io;
	op->kind = kind;
	disk->operation++;
	if (disk->fail_at != 0 && (disk->operation == disk->fail_at ||
					  (disk->fail_for_good && disk->operation > disk->fail_at)))
		op->rc = disk->fail_rc;
	if (kind == SIM_READ && disk->fail_reads)
		op->rc = -EIO;
	list_push_back(&disk->ops, &op->node);
	loop_timer_init(&op->timer, op_done, op);
	if (disk->operation < disk->hang_from || disk->operation >= disk->hang_end)
		loop_timer_set(disk->loop, &op->timer, loop_now_ns(disk->loop) + ns + 1);
	return op;
}

static void check_range(const struct sim_disk *disk, uint64_t offset_bytes, uint64_t length_bytes)
{
	ASSERT(offset_bytes % BLOCK_BYTES == 0 && length_bytes % BLOCK_BYTES == 0);
	ASSERT(length_bytes > 0 && offset_bytes <= disk->size_bytes &&
		length_bytes <= disk->size_bytes - offset_bytes);
}

static void sim_read(struct device *device, struct device_io *io, const struct iovec *iov, unsigned iov_count,
	uint64_t offset_bytes)
{
	struct sim_op *op = op_new(device, io, SIM_READ);
	uint64_t length_bytes = 0;

	ASSERT(iov_count >= 1 && iov_count <= DEVICE_MAX_IOV);
	op->iov = must(calloc(iov_count, sizeof(*iov)));
	for (unsigned i = 0; i < iov_count; i++) {
		ASSERT((uintptr_t)iov[i].iov_base % BLOCK_BYTES == 0);
		op->iov[i] = iov[i];
		length_bytes += iov[i].iov_len;
	}
	check_range(op->disk, offset_bytes, length_bytes);
	op->iov_count = iov_count;
	op->offset_bytes = offset_bytes;
	op->disk->counters.reads++;
}

static struct sim_write *write_new(struct sim_disk *disk, uint64_t offset_bytes, uint64_t length_bytes)
{
	struct sim_write *w;

	check_range(disk, offset_bytes, length_bytes);
	if (disk->misdirect && offset_bytes >= disk->misdirect_from_bytes) {
		disk->misdirect = false;
		offset_bytes += disk->misdirect_bytes;
		if (disk->misdirect_bytes == 0 || offset_bytes + length_bytes > disk->size_bytes)
			return NULL;
	}
	w = must(calloc(1, sizeof(*w) + length_bytes / BLOCK_BYTES * sizeof(struct sim_block *)));
	w->offset_bytes = offset_bytes;
	w->length_bytes = length_bytes;
	list_push_back(&disk->writes, &w->node);
	return w;
}

static void sim_write(struct device *device, struct device_io *io, const struct iovec *iov,
	unsigned iov_count, uint64_t offset_bytes)
{
	struct sim_op *op = op_new(device, io, SIM_WRITE);
	uint64_t length_bytes = 0, index = 0;

	ASSERT(iov_count >= 1 && iov_count <= DEVICE_MAX_IOV);
	for (unsigned i = 0; i < iov_count; i++) {
		ASSERT((uintptr_t)iov[i].iov_base % BLOCK_BYTES == 0 && iov[i].iov_len % BLOCK_BYTES == 0);
		length_bytes += iov[i].iov_len;
	}
	op->disk->counters.writes++;
	op->disk->counters.written_bytes += length_bytes;
	if (offset_bytes >= op->disk->stall_from_bytes)
		loop_timer_cancel(op->disk->loop, &op->timer); /* until sim_disk_stall() */
	op->write = write_new(op->disk, offset_bytes, length_bytes);
	if (!op->write)
		return;
	if (op->disk->written_end < (op->write->offset_bytes + length_bytes) / BLOCK_BYTES)
		op->disk->written_end = (op->write->offset_bytes + length_bytes) / BLOCK_BYTES;
	for (unsigned i = 0; i < iov_count; i++)
		for (size_t at = 0; at < iov[i].iov_len; at += BLOCK_BYTES) {
			struct sim_block *block = sim_block_with((const uint8_t *)iov[i].iov_base + at);

			if (block)
				block->flushes = op->disk->counters.flushes;
			op->write->blocks[index++] = block;
		}
}

static void sim_flush(struct device *device, struct device_io *io)
{
	struct sim_op *op = op_new(device, io, SIM_FLUSH);

	op->disk->counters.flushes++;
	list_for_each (node, &op->disk->writes) {
		if (list_entry(node, struct sim_write, node)->is_completed)
			op->covers++;
	}
}

static void sim_discard(
	struct device *device, struct device_io *io, uint64_t offset_bytes, uint64_t length_bytes)
{
	struct sim_op *op = op_new(device, io, SIM_DISCARD);

	op->disk->counters.discards++;
	op->write = write_new(op->disk, offset_bytes, length_bytes);
}

static void sim_close(struct device *device)
{
	struct sim_disk *disk = ((struct sim_device *)device)->disk;

	ASSERT(list_is_empty(&disk->ops));
	disk->device = NULL;
	free(device);
}

/* ---- the disk ---- */

struct sim_disk *sim_disk_new(uint64_t size_bytes, uint64_t seed)
{
	struct sim_disk *disk = must(calloc(1, sizeof(*disk)));

	ASSERT(size_bytes % BLOCK_BYTES == 0);
	disk->size_bytes = size_bytes;
	random_init(&disk->random, seed);
	disk->view = must(calloc(block_count(disk), sizeof(struct sim_block *)));
	disk->medium = must(calloc(block_count(disk), sizeof(struct sim_block *)));
	disk->latency_ns = 20 * NS_PER_US;
	disk->stall_from_bytes = UINT64_MAX;
	list_init(&disk->writes);
	list_init(&disk->ops);
	return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
	if (!disk)
		return;
	ASSERT(disk->device == NULL);
	while (!list_is_empty(&disk->writes))
		write_free(list_entry(list_first(&disk->writes), struct sim_write, node));
	blocks_free(disk->view, block_count(disk));
	blocks_free(disk->medium, block_count(disk));
	free(disk);
}

struct device *sim_disk_open(struct sim_disk *disk, struct loop *loop)
{
	static const struct device_ops ops = { sim_read, sim_write, sim_flush, sim_discard, sim_close };
	struct sim_device *device = must(calloc(1, sizeof(*device)));

	ASSERT(disk->device == NULL);
	device->device.ops = &ops;
	device->device.size_bytes = disk->size_bytes;
	device->disk = disk;
	disk->loop = loop;
	disk->device = &device->device;
	return disk->device;
}

uint64_t sim_disk_size(const struct sim_disk *disk)
{
	return disk->size_bytes;
}

/* The view differs from the medium only where unflushed writes stand: there it becomes the medium's. */
static void view_forgets_writes(struct sim_disk *disk)
{
	list_for_each (node, &disk->writes) {
		const struct sim_write *w = list_entry(node, struct sim_write, node);

		for (uint64_t i = 0; i < w->length_bytes / BLOCK_BYTES; i++) {
			uint64_t index = w->offset_bytes / BLOCK_BYTES + i;

			sim_block_set(&disk->view[index], disk->medium[index]);
		}
	}
}

void sim_disk_crash(struct sim_disk *disk, bool power)
{
	while (!list_is_empty(&disk->ops)) {
		struct sim_op *op = list_entry(list_first(&disk->ops), struct sim_op, node);

		/* What was submitted to a disk that keeps its power lands. */
		if (op->write && !power) {
			op->write->is_completed = true;
			write_land(disk->view, op->write);
		}
		op_free(op);
	}
	free(disk->device);
	disk->device = NULL;
	if (!power)
		return;
	land_some(disk->medium, &disk->writes, &disk->random);
	view_forgets_writes(disk);
	while (!list_is_empty(&disk->writes))
		write_free(list_entry(list_first(&disk->writes), struct sim_write, node));
}

struct sim_disk *sim_disk_crashed_copy(const struct sim_disk *disk, uint64_t seed)
{
	struct sim_disk *copy = sim_disk_new(disk->size_bytes, seed);

	blocks_free(copy->medium, block_count(copy));
	copy->medium = blocks_copy(disk->medium, block_count(disk));
	copy->latency_ns = disk->latency_ns;
	copy->written_end = disk->written_end;
	land_some(copy->medium, &disk->writes, &copy->random);
	blocks_free(copy->view, block_count(copy));
	copy->view = blocks_copy(copy->medium, block_count(copy));
	return copy;
}

bool sim_disk_is_flushed(const struct sim_disk *disk)
{
	return list_is_empty(&disk->writes);
}

void sim_disk_latency(struct sim_disk *disk, uint64_t ns)
{
	disk->latency_ns = ns;
}

void sim_disk_fail(struct sim_disk *disk, uint64_t operation, int rc, bool for_good)
{
	disk->fail_at = operation == 0 ? 0 : disk->operation + operation;
	disk->fail_rc = rc;
	disk->fail_for_good = for_good;
}

void sim_disk_fail_reads(struct sim_disk *disk, bool fail)
{
	disk->fail_reads = fail;
}

void sim_disk_misdirect(struct sim_disk *disk, uint64_t from_bytes, uint64_t by_bytes)
{
	ASSERT(by_bytes % BLOCK_BYTES == 0);
	disk->misdirect_from_bytes = from_bytes;
	disk->misdirect = true;
	disk->misdirect_bytes = by_bytes;
}

void sim_disk_flip(struct sim_disk *disk, uint64_t offset_bytes, unsigned bit)
{
	uint64_t index = offset_bytes / BLOCK_BYTES;
	struct sim_block **both[2] = { &disk->view[index], &disk->medium[index] };

	ASSERT(offset_bytes < disk->size_bytes && bit < 8);
	for (unsigned i = 0; i < 2; i++)
		if (*both[i])
			sim_block_own(both[i])->data[offset_bytes % BLOCK_BYTES] ^= (uint8_t)(1u << bit);
}

uint64_t sim_disk_newest(const struct sim_disk *disk)
{
	return disk->newest_bytes;
}

bool sim_disk_rot(struct sim_disk *disk, uint64_t from_bytes, uint64_t to_bytes, uint64_t flushes,
	struct random *random)
{
	uint64_t first = from_bytes / BLOCK_BYTES, end = to_bytes / BLOCK_BYTES, count, at;

	if (end > disk->written_end)
		end = disk->written_end;
	if (end <= first)
		return false;
	count = end - first;
	at = random_below(random, count);

	/* The next one that was written, round the end: near enough to a fair choice, and cheap. */
	for (uint64_t i = 0; i < count; i++, at = at + 1 < count ? at + 1 : 0)
		if (disk->view[first + at] &&
			disk->view[first + at]->flushes + flushes <= disk->counters.flushes) {
			sim_disk_flip(disk, (first + at) * BLOCK_BYTES + random_below(random, BLOCK_BYTES),
				(unsigned)random_below(random, 8));
			return true;
		}
	return false;
}

/* All that hangs is answered. */
static void ops_go_on(struct sim_disk *disk)
{
	list_for_each (node, &disk->ops) {
		struct sim_op *op = list_entry(node, struct sim_op, node);

		if (!loop_timer_is_set(&op->timer))
			loop_timer_set(disk->loop, &op->timer, loop_now_ns(disk->loop) + disk->latency_ns);
	}
}

void sim_disk_stall(struct sim_disk *disk, uint64_t from_bytes)
{
	disk->stall_from_bytes = from_bytes;
	if (from_bytes == UINT64_MAX)
		ops_go_on(disk);
}

void sim_disk_hang(struct sim_disk *disk, uint64_t operation, uint64_t count)
{
	disk->hang_from = disk->operation + operation;
	disk->hang_end = count < UINT64_MAX - disk->hang_from ? disk->hang_from + count : UINT64_MAX;
	if (operation > 0)
		return;
	disk->hang_end = 0;
	ops_go_on(disk);
}

void sim_disk_peek(const struct sim_disk *disk, uint64_t offset_bytes, void *to, uint64_t length_bytes)
{
	for (uint64_t at = 0; at < length_bytes; at += BLOCK_BYTES) {
		const struct sim_block *block = disk->view[(offset_bytes + at) / BLOCK_BYTES];

		if (block)
			memcpy((uint8_t *)to + at, block->data, BLOCK_BYTES);
		else
			memset((uint8_t *)to + at, 0, BLOCK_BYTES);
	}
}

void sim_disk_poke(struct sim_disk *disk, uint64_t offset_bytes, const void *from, uint64_t length_bytes)
{
	check_range(disk, offset_bytes, length_bytes);
	for (uint64_t at = 0; at < length_bytes; at += BLOCK_BYTES) {
		uint64_t index = (offset_bytes + at) / BLOCK_BYTES;
		struct sim_block *block = sim_block_with((const uint8_t *)from + at);

		sim_block_set(&disk->view[index], block);
		sim_block_set(&disk->medium[index], block);
		sim_block_put(block);
	}
}

const struct sim_disk_counters *sim_disk_counters(const struct sim_disk *disk)
{
	return &disk->counters;
}

void sim_disk_watch(struct sim_disk *disk, void (*fn)(void *arg), void *arg)
{
	disk->watch = fn;
	disk->watch_arg = arg;
}
