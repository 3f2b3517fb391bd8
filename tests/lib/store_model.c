/*
 * store_model: store.h kept in memory, as an executable reading of its contract: a queue of records, durable
 * in order; a crash keeps any prefix of what was under way. The protocol is simulated on it many times faster
 * than on the real store. The simulator's disk.h comes with it. Memory is not given back: a simulated seed is
 * a process of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/disk.h"
#include "store/store.h"

#define MODEL_MAX_REPLICAS 8u
#define MODEL_GRAINS       1024u
#define MODEL_LOG          4096u /* more than a seed writes */
#define MODEL_RING_BYTES   (UINT64_C(1) << 20)

struct value {
	uint32_t crc;
	uint8_t data[BLOCK_BYTES];
};

struct logged {
	struct entry entry; /* without payload */
	uint64_t edge;      /* grains from here on are left out */
	const struct value *values[ENTRY_MAX_BLOCKS];
};

struct grain {
	const struct value *values[GRAIN_BLOCKS];
	bool mapped;
};

/* A replica as it is in memory, or as it would be found after a crash. */
struct image {
	bool exists;
	struct pool_replica_identity identity;
	struct replica_state state;
	struct logged *log[MODEL_LOG]; /* by seq % MODEL_LOG */
	uint64_t first_seq;
	struct position last;
	uint64_t commit_seq, applied_seq;
	struct epoch_start rows[EPOCHS_MAX];
	unsigned row_count;
	struct grain grains[MODEL_GRAINS];
};

enum record_type {
	RECORD_CREATE,
	RECORD_DELETE,
	RECORD_STATE,
	RECORD_APPEND,
	RECORD_TRUNCATE,
	RECORD_RESET,
	RECORD_GRAIN,
	RECORD_APPLY
};

struct record {
	struct list node;
	enum record_type type;
	unsigned index;
	struct pool_replica_identity identity;
	struct replica_state state;
	struct logged *logged;
	uint64_t seq;
	struct position last;
	struct epoch_start rows[EPOCHS_MAX];
	unsigned row_count;
	uint64_t grain_index;
	struct grain grain;
	pool_done_fn fn;
	void *arg;
	void (*created)(void *arg, int rc, struct pool_replica *replica);
};

struct disk {
	struct device device;
	struct random random;
	uint64_t latency_ns;
	bool formatted;
	struct uuid cluster, pool_id;
	struct image images[MODEL_MAX_REPLICAS]; /* durable */
	struct pool *pool;                       /* of the process that has it open */
};

struct pool_replica {
	struct pool *pool;
	unsigned index;
	struct image live;
	void *user;
	uint64_t durable_seq, hold, edge, all_seq, applied_queued, applied_durable;
	uint64_t log_bytes; /* of entries not applied */
	struct list waits;
};

struct pool {
	struct loop *loop;
	struct disk *disk;
	struct pool_open_options options;
	struct pool_replica *replicas[MODEL_MAX_REPLICAS];
	struct list queue;
	unsigned queued, flushing;
	struct loop_timer flush_timer, lazy_timer;
	struct pool_info info;
	bool closing;
	pool_done_fn close_fn;
	void *close_arg;
};

struct applied_wait {
	struct list node;
	uint64_t seq;
	pool_done_fn fn;
	void *arg;
};

static void *need(size_t size)
{
	void *p = calloc(1, size);

	ASSERT(p);
	return p;
}

static uint64_t latency(struct disk *disk)
{
	return disk->latency_ns + random_below(&disk->random, disk->latency_ns + 1);
}

/* ---- later: callbacks never run inside the call ---- */

struct later {
	struct loop_timer timer;
	struct pool *pool;
	void (*run)(struct later *later);
	void *fn, *arg, *what;
	int rc;
};

static void later_fire(void *arg)
{
	struct later *later = arg;

	later->run(later);
	free(later);
}

static struct later *later_new(struct loop *loop, struct disk *disk, void (*run)(struct later *later))
{
	struct later *later = need(sizeof(*later));

	later->run = run;
	loop_timer_init(&later->timer, later_fire, later);
	loop_timer_set(loop, &later->timer, loop_now_ns(loop) + latency(disk));
	return later;
}

/* ---- images ---- */

static struct logged *logged_at(const struct image *im, uint64_t seq)
{
	return im->log[seq % MODEL_LOG];
}

static void image_append(struct image *im, struct logged *logged)
{
	const struct entry *e = &logged->entry;

	ASSERT(e->seq == im->last.seq + 1);
	im->log[e->seq % MODEL_LOG] = logged;
	if (im->row_count == 0 || !epoch_equal(im->rows[im->row_count - 1].epoch, e->epoch)) {
		ASSERT(im->row_count == 0 || epoch_compare(im->rows[im->row_count - 1].epoch, e->epoch) < 0);
		if (im->row_count == EPOCHS_MAX)
			memmove(im->rows, im->rows + 1, --im->row_count * sizeof(im->rows[0]));
		im->rows[im->row_count++] = (struct epoch_start){ e->epoch, e->seq };
	}
	im->last = (struct position){ e->epoch, e->seq };
}

static void grain_put_block(struct grain *grain, unsigned block, const struct value *value)
{
	grain->values[block] = value;
	grain->mapped = false;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		grain->mapped |= grain->values[i] != NULL;
}

static void image_apply_entry(struct image *im, const struct logged *logged)
{
	const struct entry *e = &logged->entry;

	if (e->op == ENTRY_NEW_EPOCH)
		return;
	for (uint64_t i = 0; i < e->length_bytes / BLOCK_BYTES; i++) {
		uint64_t block = e->offset_bytes / BLOCK_BYTES + i;

		if (block / GRAIN_BLOCKS < logged->edge)
			grain_put_block(&im->grains[block / GRAIN_BLOCKS], block % GRAIN_BLOCKS,
				e->op == ENTRY_WRITE ? logged->values[i] : NULL);
	}
}

static void image_apply_to(struct image *im, uint64_t seq)
{
	ASSERT(seq <= im->last.seq);
	while (im->applied_seq < seq)
		image_apply_entry(im, logged_at(im, ++im->applied_seq));
	if (im->commit_seq < seq)
		im->commit_seq = seq;
}

static void image_truncate(struct image *im, uint64_t seq)
{
	ASSERT(seq >= im->applied_seq && seq <= im->last.seq);
	while (im->row_count > 0 && im->rows[im->row_count - 1].first_seq > seq)
		im->row_count--;
	im->last.seq = seq;
	im->last.epoch = im->row_count ? im->rows[im->row_count - 1].epoch : (struct epoch){ 0, 0 };
}

static void image_reset(struct image *im, const struct record *r)
{
	ASSERT(im->state.incomplete);
	memset(im->log, 0, sizeof(im->log));
	im->last = r->last;
	im->first_seq = r->last.seq + 1;
	im->commit_seq = im->applied_seq = r->last.seq;
	memcpy(im->rows, r->rows, sizeof(im->rows));
	im->row_count = r->row_count;
}

static void image_record(struct image *im, const struct record *r)
{
	switch (r->type) {
	case RECORD_CREATE:
		memset(im, 0, sizeof(*im));
		im->exists = true;
		im->identity = r->identity;
		im->first_seq = 1;
		break;
	case RECORD_DELETE:
		memset(im, 0, sizeof(*im));
		break;
	case RECORD_STATE:
		im->state = r->state;
		break;
	case RECORD_APPEND:
		image_append(im, r->logged);
		break;
	case RECORD_TRUNCATE:
		image_truncate(im, r->seq);
		break;
	case RECORD_RESET:
		image_reset(im, r);
		break;
	case RECORD_GRAIN:
		im->grains[r->grain_index] = r->grain;
		break;
	case RECORD_APPLY:
		image_apply_to(im, r->seq);
		break;
	}
}

/* ---- the queue ---- */

static void flush_start(struct pool *pool);

static void waits_tell(struct pool_replica *rep)
{
	list_for_each_safe (at, &rep->waits) {
		struct applied_wait *wait = list_entry(at, struct applied_wait, node);

		if (wait->seq > rep->applied_durable)
			continue;
		list_remove(at);
		wait->fn(wait->arg, 0);
		free(wait);
	}
}

static void record_done(struct pool *pool, struct record *r)
{
	struct pool_replica *rep = pool->replicas[r->index];

	if (r->type == RECORD_APPLY && rep)
		rep->applied_durable = r->seq;
	if (r->type == RECORD_RESET && rep)
		rep->applied_durable = r->last.seq;
	if (r->created)
		r->created(r->arg, 0, rep);
	else if (r->fn)
		r->fn(r->arg, 0);
}

static void flushed(void *arg)
{
	struct pool *pool = arg;
	uint64_t durable[MODEL_MAX_REPLICAS] = { 0 };

	for (; pool->flushing > 0; pool->flushing--, pool->queued--) {
		struct record *r = list_entry(list_pop_front(&pool->queue), struct record, node);

		image_record(&pool->disk->images[r->index], r);
		if (r->type == RECORD_TRUNCATE || r->type == RECORD_RESET)
			durable[r->index] = 0;
		if (r->type == RECORD_APPEND)
			durable[r->index] = r->logged->entry.seq;
		record_done(pool, r);
		free(r);
	}
	for (unsigned i = 0; i < MODEL_MAX_REPLICAS; i++) {
		struct pool_replica *rep = pool->replicas[i];

		if (!rep)
			continue;
		if (durable[i] > 0 && durable[i] <= rep->live.last.seq) {
			rep->durable_seq = durable[i];
			pool->options.durable(pool->options.arg, rep, durable[i]);
		}
		waits_tell(rep);
	}
	if (pool->queued > 0) {
		flush_start(pool);
	} else if (pool->closing) {
		pool->disk->pool = NULL;
		pool->close_fn(pool->close_arg, 0);
	}
}

static struct record *record_push(struct pool *pool, enum record_type type, unsigned index)
{
	struct record *r = need(sizeof(*r));

	r->type = type;
	r->index = index;
	list_push_back(&pool->queue, &r->node);
	pool->queued++;
	return r;
}

static void flush_start(struct pool *pool)
{
	if (pool->flushing > 0 || pool->disk->pool != pool)
		return;
	for (unsigned i = 0; i < MODEL_MAX_REPLICAS; i++) {
		struct pool_replica *rep = pool->replicas[i];

		if (!rep || rep->live.applied_seq <= rep->applied_queued)
			continue;
		rep->applied_queued = rep->live.applied_seq;
		record_push(pool, RECORD_APPLY, i)->seq = rep->applied_queued;
	}
	if (pool->queued == 0)
		return;
	pool->flushing = pool->queued;
	loop_timer_set(pool->loop, &pool->flush_timer, loop_now_ns(pool->loop) + latency(pool->disk));
}

static void lazy(void *arg)
{
	struct pool *pool = arg;

	flush_start(pool);
	for (unsigned i = 0; i < MODEL_MAX_REPLICAS; i++)
		if (pool->replicas[i])
			waits_tell(pool->replicas[i]);
}

/* ---- disk.h ---- */

struct disk *disk_new(uint64_t size_bytes, uint64_t journal_bytes, uint64_t seed)
{
	struct disk *disk = need(sizeof(*disk));

	(void)journal_bytes; /* MODEL_RING_BYTES */
	disk->device.size_bytes = size_bytes;
	random_init(&disk->random, seed);
	return disk;
}

struct device *disk_open(struct disk *disk, struct loop *loop)
{
	(void)loop;
	return &disk->device;
}

void disk_crash(struct disk *disk, bool power)
{
	struct pool *pool = disk->pool;
	uint64_t least, keep;

	disk->pool = NULL;
	if (!pool)
		return;
	least = power ? 0 : pool->flushing;
	keep = least + random_below(&disk->random, pool->queued - least + 1);
	while (keep-- > 0) {
		struct record *r = list_entry(list_pop_front(&pool->queue), struct record, node);

		image_record(&disk->images[r->index], r);
	}
}

void disk_latency(struct disk *disk, uint64_t ns)
{
	disk->latency_ns = ns;
}

/* The values are shared by the durable and the live image of a replica, so both rot. */
bool disk_rot(struct disk *disk, struct random *random)
{
	struct image *im = &disk->images[0];
	const struct value *victim = NULL;
	uint64_t seen = 0, bit = random_below(random, BLOCK_BYTES * 8);

	for (unsigned g = 0; im->exists && g < MODEL_GRAINS; g++)
		for (unsigned b = 0; im->grains[g].mapped && b < GRAIN_BLOCKS; b++)
			if (im->grains[g].values[b] && random_below(random, ++seen) == 0)
				victim = im->grains[g].values[b];
	if (!victim)
		return false;
	((struct value *)(uintptr_t)victim)->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	return true;
}

/* ---- pool ---- */

static void format_done(struct later *later)
{
	((pool_done_fn)(uintptr_t)later->fn)(later->arg, 0);
}

void pool_format(struct loop *loop, struct device *device, const struct pool_format_options *options,
	pool_done_fn fn, void *arg)
{
	struct disk *disk = container_of(device, struct disk, device);
	struct later *later = later_new(loop, disk, format_done);

	disk->cluster = options->cluster;
	disk->pool_id = options->pool;
	later->fn = (void *)(uintptr_t)fn;
	later->arg = arg;
}

static struct pool_replica *replica_new_in(struct pool *pool, unsigned index)
{
	struct pool_replica *rep = need(sizeof(*rep));

	rep->pool = pool;
	rep->index = index;
	rep->hold = UINT64_MAX;
	rep->edge = UINT64_MAX;
	list_init(&rep->waits);
	pool->replicas[index] = rep;
	return rep;
}

static void open_done(struct later *later)
{
	struct pool *pool = later->what;
	struct disk *disk = pool->disk;

	for (unsigned i = 0; i < MODEL_MAX_REPLICAS; i++) {
		struct image *im = &disk->images[i];
		struct pool_replica *rep;

		if (!im->exists)
			continue;
		rep = replica_new_in(pool, i);
		rep->live = *im;
		rep->durable_seq = im->last.seq;
		rep->applied_queued = rep->applied_durable = im->applied_seq;
		for (uint64_t seq = im->applied_seq + 1; seq <= im->last.seq; seq++)
			rep->log_bytes += logged_at(im, seq)->entry.length_bytes;
		if (im->state.incomplete)
			rep->hold = im->applied_seq; /* nothing is replayed into grains */
	}
	((pool_open_fn)(uintptr_t)later->fn)(later->arg, 0, pool, NULL);
}

void pool_open(struct loop *loop, struct device *device, const struct pool_open_options *options,
	pool_open_fn fn, void *arg)
{
	struct disk *disk = container_of(device, struct disk, device);
	struct later *later = later_new(loop, disk, open_done);
	struct pool *pool = need(sizeof(*pool));

	ASSERT(!disk->pool);
	pool->loop = loop;
	pool->disk = disk;
	pool->options = *options;
	pool->info.cluster = disk->cluster;
	pool->info.pool = disk->pool_id;
	list_init(&pool->queue);
	loop_timer_init(&pool->flush_timer, flushed, pool);
	loop_timer_init(&pool->lazy_timer, lazy, pool);
	disk->pool = pool;
	later->what = pool;
	later->fn = (void *)(uintptr_t)fn;
	later->arg = arg;
}

void pool_close(struct pool *pool, pool_done_fn fn, void *arg)
{
	pool->closing = true;
	pool->close_fn = fn;
	pool->close_arg = arg;
	loop_timer_cancel(pool->loop, &pool->lazy_timer);
	if (pool->flushing > 0)
		return;
	flush_start(pool);
	if (pool->flushing == 0)
		loop_timer_set(pool->loop, &pool->flush_timer, loop_now_ns(pool->loop) + latency(pool->disk));
}

void pool_info_get(const struct pool *pool, struct pool_info *ret_info)
{
	*ret_info = pool->info;
}

struct pool_replica *pool_replica_next(struct pool *pool, struct pool_replica *after)
{
	for (unsigned i = after ? after->index + 1 : 0; i < MODEL_MAX_REPLICAS; i++)
		if (pool->replicas[i])
			return pool->replicas[i];
	return NULL;
}

struct pool_replica *pool_replica_find(struct pool *pool, struct uuid replica)
{
	for (struct pool_replica *rep = pool_replica_next(pool, NULL); rep;
		rep = pool_replica_next(pool, rep))
		if (uuid_equal(rep->live.identity.replica, replica))
			return rep;
	return NULL;
}

void pool_replica_create(struct pool *pool, const struct pool_replica_identity *identity,
	void (*fn)(void *arg, int rc, struct pool_replica *replica), void *arg)
{
	unsigned index = 0;
	struct record *r;

	while (pool->replicas[index])
		index++;
	ASSERT(index < MODEL_MAX_REPLICAS);
	r = record_push(pool, RECORD_CREATE, index);
	r->identity = *identity;
	r->created = fn;
	r->arg = arg;
	image_record(&replica_new_in(pool, index)->live, r);
	flush_start(pool);
}

void pool_replica_delete(struct pool_replica *rep, pool_done_fn fn, void *arg)
{
	struct pool *pool = rep->pool;
	struct record *r = record_push(pool, RECORD_DELETE, rep->index);

	r->fn = fn;
	r->arg = arg;
	pool->replicas[rep->index] = NULL;
	flush_start(pool);
}

/* ---- identity, state ---- */

const struct pool_replica_identity *pool_replica_identity(const struct pool_replica *rep)
{
	return &rep->live.identity;
}

const struct replica_state *pool_replica_state(const struct pool_replica *rep)
{
	return &rep->live.state;
}

void pool_replica_state_write(
	struct pool_replica *rep, const struct replica_state *state, pool_done_fn fn, void *arg)
{
	struct record *r = record_push(rep->pool, RECORD_STATE, rep->index);

	r->state = *state;
	r->fn = fn;
	r->arg = arg;
	image_record(&rep->live, r);
	flush_start(rep->pool);
}

void pool_replica_user_set(struct pool_replica *rep, void *user)
{
	rep->user = user;
}

void *pool_replica_user(const struct pool_replica *rep)
{
	return rep->user;
}

/* ---- log ---- */

struct position pool_replica_last(const struct pool_replica *rep)
{
	return rep->live.last;
}

uint64_t pool_replica_durable_seq(const struct pool_replica *rep)
{
	return rep->durable_seq;
}

uint64_t pool_replica_commit_seq(const struct pool_replica *rep)
{
	return rep->live.commit_seq;
}

uint64_t pool_replica_applied_seq(const struct pool_replica *rep)
{
	return rep->live.applied_seq;
}

uint64_t pool_replica_first_seq(const struct pool_replica *rep)
{
	return rep->live.first_seq;
}

unsigned pool_replica_epochs(const struct pool_replica *rep, struct epoch_start rows[static EPOCHS_MAX])
{
	memcpy(rows, rep->live.rows, rep->live.row_count * sizeof(rows[0]));
	return rep->live.row_count;
}

static void apply_live(struct pool_replica *rep)
{
	struct image *im = &rep->live;
	uint64_t to = im->commit_seq < rep->hold ? im->commit_seq : rep->hold;

	while (im->applied_seq < to) {
		rep->log_bytes -= logged_at(im, im->applied_seq + 1)->entry.length_bytes;
		image_apply_to(im, im->applied_seq + 1);
	}
	/* The ring lets go of what is applied: all that others have, and more when it is half full. */
	while (im->first_seq <= im->applied_seq && im->first_seq <= im->last.seq &&
		(im->first_seq <= rep->all_seq || im->last.seq - im->first_seq > 200))
		im->first_seq++;
	if (im->applied_seq > rep->applied_queued && !loop_timer_is_set(&rep->pool->lazy_timer) &&
		!rep->pool->closing)
		loop_timer_set(rep->pool->loop, &rep->pool->lazy_timer,
			loop_now_ns(rep->pool->loop) + 50 * NS_PER_MS);
}

void pool_replica_append(struct pool_replica *rep, struct entry *entry)
{
	struct record *r = record_push(rep->pool, RECORD_APPEND, rep->index);
	struct logged *logged = need(sizeof(*logged));

	logged->entry = *entry;
	logged->entry.payload = NULL;
	logged->edge = rep->edge;
	for (uint32_t i = 0; entry->op == ENTRY_WRITE && i < entry->length_bytes / BLOCK_BYTES; i++) {
		struct value *value = need(sizeof(*value));

		memcpy(value->data, entry->payload->data + (size_t)i * BLOCK_BYTES, BLOCK_BYTES);
		value->crc = entry->crc[i];
		logged->values[i] = value;
	}
	r->logged = logged;
	rep->log_bytes += entry->length_bytes;
	image_record(&rep->live, r);
	flush_start(rep->pool);
}

uint64_t pool_replica_room(const struct pool_replica *rep)
{
	return rep->log_bytes < MODEL_RING_BYTES ? MODEL_RING_BYTES - rep->log_bytes : 0;
}

void pool_replica_truncate(struct pool_replica *rep, uint64_t seq, pool_done_fn fn, void *arg)
{
	struct record *r = record_push(rep->pool, RECORD_TRUNCATE, rep->index);

	for (uint64_t at = seq + 1; at <= rep->live.last.seq; at++)
		rep->log_bytes -= logged_at(&rep->live, at)->entry.length_bytes;
	r->seq = seq;
	r->fn = fn;
	r->arg = arg;
	image_record(&rep->live, r);
	if (rep->durable_seq > seq)
		rep->durable_seq = seq;
	flush_start(rep->pool);
}

void pool_replica_log_reset(struct pool_replica *rep, struct position last, const struct epoch_start *rows,
	unsigned row_count, pool_done_fn fn, void *arg)
{
	struct record *r = record_push(rep->pool, RECORD_RESET, rep->index);

	ASSERT(row_count <= EPOCHS_MAX);
	r->last = last;
	memcpy(r->rows, rows, row_count * sizeof(rows[0]));
	r->row_count = row_count;
	r->fn = fn;
	r->arg = arg;
	image_record(&rep->live, r);
	rep->log_bytes = 0;
	rep->durable_seq = last.seq;
	rep->applied_queued = rep->applied_durable = last.seq;
	flush_start(rep->pool);
}

void pool_replica_commit_set(struct pool_replica *rep, uint64_t seq)
{
	ASSERT(seq <= rep->live.last.seq);
	if (seq > rep->live.commit_seq)
		rep->live.commit_seq = seq;
	apply_live(rep);
}

void pool_replica_all_set(struct pool_replica *rep, uint64_t seq)
{
	if (seq > rep->all_seq)
		rep->all_seq = seq;
	apply_live(rep);
}

static void log_read_done(struct later *later)
{
	void (*fn)(void *, int, struct entry *) = (void (*)(void *, int, struct entry *))(uintptr_t)later->fn;

	fn(later->arg, later->rc, later->what);
}

void pool_replica_log_read(
	struct pool_replica *rep, uint64_t seq, void (*fn)(void *arg, int rc, struct entry *entry), void *arg)
{
	struct later *later = later_new(rep->pool->loop, rep->pool->disk, log_read_done);
	const struct logged *logged;
	struct entry *entry;

	later->fn = (void *)(uintptr_t)fn;
	later->arg = arg;
	later->rc = -ENOENT;
	if (seq < rep->live.first_seq || seq > rep->live.last.seq)
		return;
	logged = logged_at(&rep->live, seq);
	entry = entry_get(rep->pool->options.entries);
	later->rc = -EAGAIN;
	if (!entry)
		return;
	entry->epoch = logged->entry.epoch;
	entry->seq = logged->entry.seq;
	entry->op = logged->entry.op;
	entry->offset_bytes = logged->entry.offset_bytes;
	entry->length_bytes = logged->entry.length_bytes;
	entry->request_id = logged->entry.request_id;
	entry->request_part = logged->entry.request_part;
	entry->attachment = logged->entry.attachment;
	memcpy(entry->crc, logged->entry.crc, sizeof(entry->crc));
	later->rc = 0;
	later->what = entry;
	if (entry->op != ENTRY_WRITE)
		return;
	entry->payload = buf_get(rep->pool->options.bufs, (uint32_t)entry->length_bytes);
	ASSERT(entry->payload);
	entry->payload->len_bytes = (uint32_t)entry->length_bytes;
	for (uint32_t i = 0; i < entry->length_bytes / BLOCK_BYTES; i++) {
		memcpy(entry->payload->data + (size_t)i * BLOCK_BYTES, logged->values[i]->data, BLOCK_BYTES);
		if (crc32c(logged->values[i]->data, BLOCK_BYTES) != logged->values[i]->crc)
			later->rc = -EILSEQ;
	}
	if (later->rc) {
		entry_put(entry);
		later->what = NULL;
	}
}

/* ---- data ---- */

/* The newest committed value, entries that are held back included. */
static const struct value *value_at(const struct pool_replica *rep, uint64_t block)
{
	const struct image *im = &rep->live;

	for (uint64_t seq = im->commit_seq; seq > im->applied_seq; seq--) {
		const struct logged *logged = logged_at(im, seq);
		uint64_t first = logged->entry.offset_bytes / BLOCK_BYTES;

		if (logged->entry.op == ENTRY_NEW_EPOCH || block < first ||
			block >= first + logged->entry.length_bytes / BLOCK_BYTES)
			continue;
		if (block / GRAIN_BLOCKS < logged->edge)
			return logged->entry.op == ENTRY_WRITE ? logged->values[block - first] : NULL;
	}
	return im->grains[block / GRAIN_BLOCKS].values[block % GRAIN_BLOCKS];
}

static void read_done(struct later *later)
{
	struct pool_read *read = later->what;

	read->fn(read, later->rc);
}

void pool_read(struct pool_read *read)
{
	struct pool_replica *rep = read->replica;
	struct later *later = later_new(rep->pool->loop, rep->pool->disk, read_done);

	later->what = read;
	for (uint32_t i = 0; i < read->length_bytes / BLOCK_BYTES; i++) {
		const struct value *value = value_at(rep, read->offset_bytes / BLOCK_BYTES + i);
		uint8_t *to = read->into->data + (size_t)i * BLOCK_BYTES;

		if (value)
			memcpy(to, value->data, BLOCK_BYTES);
		else
			memset(to, 0, BLOCK_BYTES);
		read->crc[i] = crc32c(to, BLOCK_BYTES);
		if (value && read->crc[i] != value->crc && !MUTANT(skip_crc)) {
			later->rc = -EILSEQ;
			read->bad_offset_bytes = read->offset_bytes + (uint64_t)i * BLOCK_BYTES;
		}
	}
}

static void grain_got(struct later *later)
{
	void (*fn)(void *, int, struct grain_copy *) =
		(void (*)(void *, int, struct grain_copy *))(uintptr_t)later->fn;

	fn(later->arg, later->rc, later->what);
	free(later->what);
}

void pool_replica_grain_get(struct pool_replica *rep, uint64_t index,
	void (*fn)(void *arg, int rc, struct grain_copy *copy), void *arg)
{
	struct later *later = later_new(rep->pool->loop, rep->pool->disk, grain_got);
	struct grain_copy *copy = need(sizeof(*copy));

	later->fn = (void *)(uintptr_t)fn;
	later->arg = arg;
	later->what = copy;
	copy->index = index;
	copy->seq = rep->live.commit_seq;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
		const struct value *value = value_at(rep, index * GRAIN_BLOCKS + i);

		if (!value)
			continue;
		if (!copy->data) {
			copy->data = buf_get(rep->pool->options.bufs, GRAIN_BYTES);
			ASSERT(copy->data);
			copy->data->len_bytes = GRAIN_BYTES;
		}
		copy->present |= (uint16_t)(1u << i);
		copy->crc[i] = value->crc;
		memcpy(copy->data->data + (size_t)i * BLOCK_BYTES, value->data, BLOCK_BYTES);
		if (crc32c(value->data, BLOCK_BYTES) != value->crc)
			later->rc = -EILSEQ;
	}
	if (later->rc)
		buf_put(copy->data);
}

uint64_t pool_replica_grain_next(const struct pool_replica *rep, uint64_t from)
{
	for (uint64_t g = from; g < MODEL_GRAINS; g++) {
		if (rep->live.grains[g].mapped)
			return g;
		for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
			if (rep->live.commit_seq > rep->live.applied_seq &&
				value_at(rep, g * GRAIN_BLOCKS + i))
				return g;
	}
	return UINT64_MAX;
}

void pool_replica_sync_edge(struct pool_replica *rep, uint64_t edge_index)
{
	rep->edge = edge_index;
}

void pool_replica_sync_hold(struct pool_replica *rep, uint64_t seq)
{
	rep->hold = seq;
	apply_live(rep);
}

void pool_replica_grain_put(
	struct pool_replica *rep, const struct grain_copy *copy, pool_done_fn fn, void *arg)
{
	struct record *r = record_push(rep->pool, RECORD_GRAIN, rep->index);

	ASSERT(rep->live.state.incomplete);
	r->grain_index = copy->index;
	r->fn = fn;
	r->arg = arg;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
		struct value *value;

		if (!(copy->present & 1u << i))
			continue;
		value = need(sizeof(*value));
		memcpy(value->data, copy->data->data + (size_t)i * BLOCK_BYTES, BLOCK_BYTES);
		value->crc = copy->crc[i];
		grain_put_block(&r->grain, i, value);
	}
	image_record(&rep->live, r);
	flush_start(rep->pool);
}

void pool_replica_applied_wait(struct pool_replica *rep, uint64_t seq, pool_done_fn fn, void *arg)
{
	struct applied_wait *wait = need(sizeof(*wait));

	*wait = (struct applied_wait){ .seq = seq, .fn = fn, .arg = arg };
	list_push_back(&rep->waits, &wait->node);
	apply_live(rep);
	if (!loop_timer_is_set(&rep->pool->lazy_timer))
		loop_timer_set(
			rep->pool->loop, &rep->pool->lazy_timer, loop_now_ns(rep->pool->loop) + NS_PER_MS);
}
