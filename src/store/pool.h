/*
 * The inside of a pool. How a write goes through it, file by file:
 *
 *   append (log.c) -> queue -> batch, write, flush (journal.c) -> durable told
 *   commit_set -> named in a header that becomes durable -> round: data, flush (apply.c) -> images (images.c)
 *   images durable -> map moves (map.c); pages written back (sweep.c); tail moves (tail.c)
 *   read (read.c): newest committed version of each block, from entries (index.c), ring or grain
 *   open (open.c): superblocks, table (open_table.c), ring (open_scan.c, replay.c), sums (settle.c)
 *
 * All of it is driven by pool_pump(), a deferred task that looks what can be started.
 */
#ifndef QUOIN_STORE_POOL_H
#define QUOIN_STORE_POOL_H

#include "store/layer.h"
#include "store/load.h"
#include "store/map.h"
#include "store/merge.h"
#include "store/ondisk.h"
#include "store/prepare.h"
#include "store/sums.h"
#include "store/watch.h"

#define BATCHES_IN_FLIGHT   2u
#define STATES_PER_BATCH    8u
#define REDIRECTS_PER_BATCH 32u
#define ENTRY_MAX_PIECES    (ENTRY_MAX_BYTES / GRAIN_BYTES + 1)
#define ROUND_MAX_GRAINS    4096u
#define ROUND_MAX_BYTES     (UINT64_C(16) << 20)
#define ROUND_MAX_REPLICAS  12u
#define ROUND_IOS           64u
#define ROUND_IOS_LEAST     2u /* while a round has time */
#define SWEEP_PAGES         256u
#define MARK_DELAY_NS       (5 * NS_PER_MS)
#define ROUND_DELAY_NS      NS_PER_S

struct work;
struct read_run;

/* ---- what goes through the journal ---- */

enum item_kind { ITEM_ENTRY, ITEM_WORK };

struct item {
	struct list node;
	enum item_kind kind;
};

/* A part of an entry that lies in one grain; on the index's chain, newest first. */
struct piece {
	struct piece *next, **at; /* in its bucket; those of a grain newest first */
	uint32_t index;
	uint32_t fresh; /* of a redirected entry: the grain that it stands in */
};

/* An entry of a replica's log, for as long as it is in the ring. */
struct log_entry {
	struct item item;       /* queue or batch in flight */
	struct list log_node;   /* replica's log, by seq */
	struct list batch_node; /* the batch in the ring that holds it */
	struct list wide_node;  /* replica's unapplied trims that are too long for pieces */
	struct log_entry *seq_next;
	struct pool_replica *replica;
	struct entry *entry; /* until it is applied */
	struct epoch epoch;
	uint64_t seq;
	uint64_t batch;         /* where it is in the ring; 0: not yet */
	uint64_t carry_batch;   /* where it is being carried to */
	uint64_t edge;          /* grains from here on are left out */
	uint32_t payload_block; /* in the ring */
	uint32_t carry_payload_block;
	uint32_t weight_bytes; /* of the ring, at most */
	uint8_t piece_count;
	uint8_t redirects; /* grains that its content stands in, by pieces[].fresh; 0: it is in the ring */
	uint8_t reserved;  /* fresh grains that it may take */
	bool indexed, applied, truncated, queued, carrying;
	bool bare;         /* at open: its entry is still to be read */
	bool structural;   /* makes a new top, and is not applied */
	bool shapes;       /* changes the levels, and is not applied */
	struct load *load; /* its payload is being read back */
	struct piece pieces[ENTRY_MAX_PIECES];
};

enum work_kind {
	WORK_STATE,
	WORK_CREATE,
	WORK_DELETE,
	WORK_TRUNCATE,
	WORK_RESET,
	WORK_TOP,       /* a resync: a new top; without a parent it is the root of a new tree */
	WORK_LAYER,     /* a resync: a frozen layer, still empty */
	WORK_STRUCTURE, /* a resync: a snapshot made or removed, a rollback */
	WORK_PUT,
	WORK_HEAL,
	WORK_APPLIED
};

/* A control operation; from a free list. */
struct work {
	struct item item;
	enum work_kind kind;
	struct pool_replica *replica;
	struct replica_state state; /* STATE, with ... */
	uint64_t size_bytes;
	struct position position; /* TRUNCATE, RESET, APPLIED: up to here */
	uint64_t until_seq; /* HEAL, not 0: a whole grain, while what is applied is from position to this */
	struct epoch_start rows[EPOCHS_MAX];
	unsigned row_count;
	struct layer *layer; /* TOP, LAYER */
	enum entry_op op;    /* STRUCTURE, with copy.level and position */
	struct grain_copy copy;
	uint16_t bad_blocks, rewrite_blocks; /* HEAL; the second: whatever their checksums say */
	struct list entries;                 /* TRUNCATE, RESET: what is cut off, until it is durable */
	pool_done_fn fn;
	void (*create_fn)(void *arg, int rc, struct pool_replica *replica);
	void *arg;
	int rc;
};

/* A wish to be told when a flush that is submitted from now on has ended. */
struct flush_waiter {
	struct list node;
	void (*fn)(struct flush_waiter *waiter);
};

/* Content of a batch's entries on its way into fresh grains. */
struct redirect_io {
	struct device_io io;
	struct iovec iov;
	struct batch *batch;
	uint64_t offset_bytes;
};

enum batch_state { BATCH_FREE, BATCH_WRITING, BATCH_WRITTEN, BATCH_FLUSHING };

struct batch {
	enum batch_state state;
	uint64_t began_look; /* of the watch: its write */
	struct batch_header header;
	struct batch_writer writer;
	uint64_t tail_position; /* of header.tail */
	uint64_t position;
	uint8_t *block;
	uint8_t *images;      /* STATES_PER_BATCH times 4 KiB... */
	unsigned images_used; /* blocks of it */
	struct iovec iov[DEVICE_MAX_IOV];
	unsigned iov_count;
	uint32_t blocks;
	struct list items, carried;
	unsigned item_count;
	struct device_io io;
	struct redirect_io redirects[REDIRECTS_PER_BATCH];
	unsigned redirect_count;
	unsigned busy; /* writes under way: its own, and those into fresh grains */
	struct pool *pool;
	bool has_round, has_records; /* records: something that a restart must not miss */
};

/* A batch that is in the ring. Positions count blocks and never wrap: position % ring_blocks is the place. */
struct ring_batch {
	uint64_t position;
	uint32_t blocks;
	uint32_t live; /* entries that hold it */
	struct list entries;
};

struct journal {
	struct ring_batch *ring; /* by number % ring_blocks */
	uint32_t batch_max_blocks;
	uint64_t next;          /* number of the next batch */
	uint64_t head;          /* its position, unless it wraps */
	uint64_t tail;          /* oldest batch that is still needed */
	uint64_t tail_written;  /* what the last header says */
	uint64_t tail_free;     /* position of the tail in the newest durable header: room begins behind it */
	uint64_t durable;       /* newest durable batch */
	uint64_t claimed;       /* `durable` in the newest durable header */
	uint64_t settled;       /* two durable headers claim up to here */
	uint64_t settle_goal;   /* a round waits until this one is settled; 0: none does */
	uint64_t written_claim; /* `durable` in the last header */
	uint64_t last_records;  /* newest batch with anything in it */
	struct list queue;      /* items, in the order of the calls */
	unsigned queued, flush_items; /* of them; that the flush under way is to answer */
	struct list carry; /* log entries to be copied forward, by batch_node's owner: see tail.c */
	struct batch batches[BATCHES_IN_FLIGHT];
	struct batch_name former[HEADER_MAX_NAMED];
	unsigned former_count;
	struct list flush_waiters, flush_covered;
	struct device_io flush_io;
	uint64_t flush_began_look;
	bool flushing;
	bool mark_wanted, stalled;
	bool tail_waits;   /* for a header that says that its entries are committed */
	bool tail_applies; /* its entries can be applied now */
	struct loop_timer mark_timer;
};

/* ---- rounds and sweeps ---- */

struct round_grain {
	struct layer *layer;
	struct layer *from; /* whose `phys` was until now, where that is another's: a merge */
	uint32_t phys;      /* its place in the map; PHYS_NONE: none */
	uint32_t to;        /* its place afterwards; PHYS_NONE: none */
	uint32_t next;      /* hash chain */
	bool redirected;    /* `to` is an entry's fresh grain, which is the entry's to give back */
	uint16_t below;     /* blocks with data that shine through from the parent */
	uint64_t was_hash;  /* of what `phys` holds until now */
	uint64_t now_hash;  /* of what `to` will hold */
	struct slot slot;   /* as it will be */
	const uint8_t *source[GRAIN_BLOCKS];
};

struct round_replica {
	struct pool_replica *replica;
	struct position end;  /* applied up to here */
	uint64_t trim_cursor; /* of the entry behind it */
	uint32_t serial;
	/* A snapshot and its like is alone in its round, for its replica. */
	enum entry_op op;     /* 0: none */
	struct layer *layer;  /* SNAPSHOT, ROLLBACK: the new top; DELETE_SNAPSHOT: the one concerned */
	uint32_t place;       /* SNAPSHOT: of the former top's record */
	struct layer *target; /* SNAPSHOT: the former top; ROLLBACK: the snapshot's */
	struct uuid snapshot;
	struct position frozen;    /* SNAPSHOT: the entry that makes it */
	struct layer *gone, *heir; /* a merge is done: the child gets the removed layer's parent */
	bool composed;             /* the structural change stands in the images */
};

struct round_io {
	struct device_io io;
	struct iovec iov[GRAIN_BLOCKS];
	struct pool *pool;
	bool busy;
};

enum round_state { ROUND_IDLE, ROUND_WRITING, ROUND_FLUSHING, ROUND_IMAGES };

struct round {
	enum round_state state;
	struct round_grain *grains;
	uint32_t grain_count, grain_max;
	uint32_t heads[ROUND_MAX_GRAINS]; /* hash */
	const struct layer *sought_layer; /* the grain that the map was asked for last, ... */
	uint64_t sought_index;
	uint32_t sought_place; /* ... and its answer */
	struct round_replica replicas[ROUND_MAX_REPLICAS];
	unsigned replica_count;
	uint64_t bytes;
	struct list puts;      /* works that wait for a round */
	struct list taken;     /* those that are in this one */
	uint64_t images_batch; /* the batch that bears its images; 0: not composed yet */
	struct round_io ios[ROUND_IOS];
	unsigned ios_busy;
	uint32_t write_grain; /* cursor: next grain ... */
	unsigned write_block; /* ... and block to write */
	struct flush_waiter waiter;
	uint8_t *images;
	uint32_t image_units;
	struct list leftovers; /* entries that a reset cut off while the round writes them */
	bool wrote;
	struct loop_timer timer;
	bool wanted;
};

struct sweep {
	bool running, wanted;
	uint64_t oldest; /* while running: the oldest image that is on its way */
	uint32_t pages[SWEEP_PAGES];
	unsigned count, busy;
	uint8_t *blocks;
	struct round_io ios[ROUND_IOS];
	unsigned next;
	struct flush_waiter waiter;
};

struct pool {
	struct loop *loop;
	struct device *device;
	struct geometry g;
	struct superblock sb;
	struct pool_open_options options;
	struct pool_info counters;
	struct journal journal;
	struct map map;
	struct sums sums;
	uint32_t grain_looks; /* layers of grains that this turn may still look at: grain.c */
	struct round round;
	struct load loads[LOADS];
	unsigned loads_busy;
	struct sweep sweep;
	struct prepare prepare;
	struct merge merge;
	struct scrub *scrub;
	struct loop_task pump;
	struct loop_task answers; /* tells what must not be told inside the call */
	struct list answer_works;
	struct pool_replica **dir;      /* by directory place */
	struct list replicas, to_apply; /* whose log goes on beyond what is applied, and maybe others */
	uint32_t replica_count;
	uint64_t directory_sum;                        /* of the records as of the ring's head */
	uint64_t layer_sum;                            /* and of the frozen layers' */
	uint64_t next_layer, next_tree, layers_change; /* the last: grows when parents have changed */
	struct list layers;                            /* all, by number */
	struct layer **layer_table;                    /* by id */
	struct layer *layer_buckets[LAYER_BUCKETS];    /* by number: layer_by_number() */
	uint32_t layer_table_size;
	bool layer_sum_stale;
	struct reap reap;
	struct list commit_news; /* replicas whose commit_seq no header has */
	struct list zombies;     /* deleted, waiting for a round to end */
	/* log entries */
	struct log_entry *les;
	uint32_t le_count, le_touched, le_used;
	struct list le_free;
	struct piece **piece_heads;
	struct log_entry **seq_heads;
	uint32_t index_mask;
	struct list work_free;
	struct list applied_waiters;
	uint64_t change; /* counts what may have pulled the ground from under a read */
	/* reads */
	struct read_run *runs;
	struct list run_free, read_wait, rollback_wait; /* rollback: reads that wait for a round */
	unsigned run_free_count;
	uint32_t zero_crc;
	struct list job_free;
	struct loop_task read_task;
	struct list read_done;
	struct pool_probe *probe;                  /* the one that runs */
	uint64_t unapplied_bytes, grains_reserved; /* committed, not applied; for redirects */
	uint64_t thick_grains;                     /* of what is free: kept for thick replicas */
	unsigned io_busy;                          /* device operations in flight */
	struct watch watch;
	bool open, failed, closing;
	int fail_rc;
	struct loop_task fail_task;
	char why[POOL_WHY_MAX];
	pool_done_fn close_fn; /* NULL: told; the pool waits for its device's last answer */
	void *close_arg;
	struct opening *opening;
};

struct pool_replica {
	struct pool *pool;
	struct list node; /* pool->replicas or zombies */
	struct list commit_node, apply_node;
	struct directory_record head;  /* as of the ring's head: what the next image says */
	uint64_t head_batch;           /* newest batch with an image of it */
	struct replica_state state;    /* as last asked for */
	struct position last, applied; /* applied: images durable */
	uint64_t composed_seq, durable_seq, commit_seq, commit_written, commit_durable, all_seq;
	struct epoch_start rows[EPOCHS_MAX];
	unsigned row_count;
	uint64_t lost_seq; /* up to here the log can't be read: a grain that held an entry has changed */
	struct list log;   /* log entries, first_seq .. last */
	struct list wide;
	struct layer *top;
	struct list layers;    /* frozen, its own ... */
	uint64_t frozen;       /* ... and their grains */
	struct list rollbacks; /* entries that are not applied, by wide_node: reads wait for committed ones */
	uint32_t structural;   /* entries that make a new top and are not applied */
	uint32_t shapes;       /* those that change the levels */
	uint32_t snapshots_due;           /* those that make snapshots */
	uint64_t thick_grains, thick_due; /* kept for it; of these: what its entries may take */
	uint64_t grain_limit;
	uint64_t edge, hold;
	uint64_t trim_cursor; /* the entry after `applied` is a trim that is done up to this grain */
	uint64_t uncommitted_bytes;
	uint32_t serial;     /* changes with each log_reset */
	unsigned reads;      /* in flight */
	uint64_t gone_batch; /* its deletion is durable in this one: to be finalized */
	bool syncing;        /* a resync of this open: its log may be applied although incomplete */
	uint64_t found_count, found_sum; /* with recount: what the open found of the top */
	bool recount;
	bool deleted, delete_composed, creating, damaged; /* damaged: no state that is written unsays it */
	void *user;
};

/* ---- pool.c ---- */
void pool_pump(struct pool *pool);
void pool_pump_soon(struct pool *pool);
void pool_fail(struct pool *pool, int rc, const char *why);
struct work *work_get(struct pool *pool, struct pool_replica *replica, enum work_kind kind);
void work_put(struct pool *pool, struct work *work);
/* Calls back, from the loop, with rc; then the work is free. */
void work_answer(struct pool *pool, struct work *work, int rc);
void work_finish(struct pool *pool, struct work *work, int rc);
int pool_new(struct loop *loop, struct device *device, const struct pool_open_options *options,
	struct pool **ret_pool) MUST_CHECK;
int pool_size(struct pool *pool) MUST_CHECK;
void pool_free(struct pool *pool);

struct pool_replica *pool_replica_new(struct pool *pool, const struct directory_record *record) MUST_CHECK;
void pool_replica_free(struct pool_replica *replica);
int replica_top_make(struct pool_replica *replica, struct layer *parent) MUST_CHECK;
void replica_top_moved(struct pool_replica *replica, struct layer *top);
uint8_t *aligned_new(size_t bytes) MUST_CHECK;

/* ---- open.c ---- */
void opening_pump(struct pool *pool);

/* ---- journal.c, batch.c ---- */
int journal_init(struct pool *pool) MUST_CHECK;
void journal_done(struct pool *pool);
void journal_queue(struct pool *pool, struct item *item);
void journal_unqueue(struct pool *pool, struct item *item, struct batch *batch);
void journal_pump(struct pool *pool);
void journal_flush_want(struct pool *pool, struct flush_waiter *waiter);
void journal_mark_arm(struct pool *pool);
bool journal_is_idle(const struct pool *pool);
uint64_t journal_used_blocks(const struct pool *pool);
bool batch_compose(struct pool *pool, struct batch *batch);
void batch_durable(struct pool *pool, struct batch *batch);
/* One of its writes has ended; the last makes it written. */
void batch_write_ended(struct batch *batch, struct device_io *io, int rc, const char *what);
struct ring_batch *ring_batch(struct pool *pool, uint64_t number);

/* ---- images.c ---- */
uint32_t images_of_round(struct pool *pool, struct batch *batch);
uint32_t images_of_work(struct pool *pool, const struct work *work, uint8_t *bytes);
void directory_change(struct pool *pool, struct pool_replica *replica, const struct directory_record *record);

/* ---- apply.c, round.c ---- */
int round_init(struct pool *pool) MUST_CHECK;
void round_done(struct pool *pool);
void apply_pump(struct pool *pool);
void apply_images_durable(struct pool *pool, uint64_t batch);
bool round_build(struct pool *pool);
bool entry_may_apply(const struct log_entry *le);
bool round_is_awaited(const struct pool *pool);
void applied_waiters_check(struct pool *pool);
void replicas_finalize(struct pool *pool);
void replica_cancel_works(struct pool_replica *replica);

/* ---- load.c ---- */
/* What was found rotten while running: the replica is incomplete from now on. */
void replica_damage(struct pool_replica *replica);

/* ---- sweep.c, tail.c ---- */
int sweep_init(struct pool *pool) MUST_CHECK;
void sweep_done(struct pool *pool);
void sweep_pump(struct pool *pool);
void tail_pump(struct pool *pool);
void carry_durable(struct pool *pool, struct batch *batch);

/* ---- read.c ---- */
int read_init(struct pool *pool) MUST_CHECK;
void read_done(struct pool *pool);
/* After a round: those that waited for a rollback. */
void read_wake(struct pool *pool);
struct epoch replica_epoch_at(const struct pool_replica *replica, uint64_t seq);
void replica_rows_cut(struct pool_replica *replica, uint64_t seq);
void replica_rows_add(struct pool_replica *replica, struct epoch epoch, uint64_t seq);

#include "store/close.h"
#include "store/index.h"
#include "store/redirect.h"
#include "store/room.h"

#endif
