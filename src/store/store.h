/*
 * store: a pool on a device. Superblocks, a journal ring, a table of grains, the grains; replicas live in it.
 * docs/on-disk-format.md is the format; the rules' reasons stand there too.
 *
 * Thread rule: the loop's thread that opened the pool. Callbacks never run inside the call that asked.
 * Error rule: 0 or -errno. A failed flush or write fails the pool: `failed` is told once, and after it
 * nothing is answered any more except with -EIO.
 */
#ifndef QUOIN_STORE_H
#define QUOIN_STORE_H

#include "base/base.h"
#include "loop/loop.h"
#include "store/device.h"

struct pool;
struct pool_replica;

/* ---- pool ---- */
struct pool_format_options {
	struct uuid cluster;
	struct uuid pool;
	uint64_t journal_bytes; /* 0: 1/512 of the device, 64 MiB .. 6 GiB; smaller ones are for tests */
	uint64_t seed;          /* of the salt */
};

typedef void (*pool_done_fn)(void *arg, int rc);

/*
 * Writes an empty pool onto the device; the device must be at least POOL_MIN_BYTES. The caller has made sure
 * that nothing of the user's is on it. -ETIMEDOUT: as pool_close(); else the device stays the caller's.
 */
void pool_format(struct loop *loop, struct device *device, const struct pool_format_options *options,
	pool_done_fn fn, void *arg);
#define POOL_MIN_BYTES (UINT64_C(4) << 20)

struct pool_bad;

struct pool_open_options {
	struct uuid cluster; /* another cluster's pool is refused */
	struct uuid pool;    /* none: any */
	struct buf_pool *bufs;
	struct entry_pool *entries;
	uint64_t cache_bytes; /* of checksums in memory; 0: 64 MiB; smaller ones are for tests */
	/* The pool has failed (once; why is for people). Its replicas answer -EIO from now on. */
	void (*failed)(void *arg, int rc, const char *why);
	/* Entries of a replica are durable up to and including seq; batched, in order. May be NULL. */
	void (*durable)(void *arg, struct pool_replica *replica, uint64_t seq);
	/* The scrub knows of something bad (see below): when found, and while it stays so. May be NULL. */
	void (*bad)(void *arg, const struct pool_bad *bad);
	/* An entry of its log can't be read any more: it is incomplete, vouches for nothing. May be NULL. */
	void (*damaged)(void *arg, struct pool_replica *replica);
	void *arg;
};

typedef void (*pool_open_fn)(void *arg, int rc, struct pool *pool, const struct error *error);

/*
 * Reads superblocks and table, replays the journal, flushes a mark, then tells. Takes the device over in
 * every case. -EILSEQ: no valid superblock; -EXDEV: another cluster or pool; -EPROTO: a newer format version.
 */
void pool_open(struct loop *loop, struct device *device, const struct pool_open_options *options,
	pool_open_fn fn, void *arg);
/*
 * Writes out what is cheap to write, closes the device, frees all. Nothing may be called on it meanwhile.
 * -EIO: it has failed. -ETIMEDOUT (of pool_open(), too): its device does not answer, and all goes with the
 * last answer; until then loop, bufs and entries may not be freed, even where the loop doesn't run.
 */
void pool_close(struct pool *pool, pool_done_fn fn, void *arg);

/*
 * The scrub reads and verifies all that a pool holds, pass after pass: superblocks, and page by page the
 * table and the grains of every layer that stand in it. Bad pages and superblocks it writes anew by itself,
 * from memory; of bad grains it tells (options.bad), until somebody has repaired them from another copy
 * (pool_replica_grain_heal()) or they are gone.
 */
struct pool_scrub_tally {
	uint64_t checked_bytes;
	uint64_t bad_blocks, repaired_blocks; /* of grains */
	uint64_t bad_pages, repaired_pages;   /* of the table; superblocks count as such */
};

/* How far it has come. Who opens the pool keeps it, so that a restart goes on where it was. */
struct pool_scrub_progress {
	uint64_t began_wall_ns; /* of the pass under way; 0: none has begun */
	bool asked;             /* by pool_scrub_now(): it isn't spread over the period */
	uint32_t page;          /* pages below are through */
	struct pool_scrub_tally pass;
	uint64_t whole_wall_ns; /* when the last whole pass ended; 0: there was none */
	struct pool_scrub_tally whole;
};

/* Bad blocks of a grain, as they were found. */
struct pool_scrub_found {
	struct uuid volume, snapshot; /* none: they are seen from nowhere; none: the volume as it is */
	uint64_t offset_bytes;        /* of the grain */
	bool device_error;            /* it can't be read; else a checksum differs */
};

struct pool_scrub_info {
	struct pool_scrub_progress progress;
	uint32_t pages;                     /* that a pass goes through */
	uint32_t known_bad;                 /* grains that are bad now, as far as known */
	struct pool_scrub_tally since_open; /* of all passes */
	struct pool_scrub_found newest;     /* where since_open.bad_blocks isn't 0 */
};

#define POOL_WHY_MAX 128u

struct pool_info {
	struct uuid cluster, pool;
	uint64_t size_bytes;    /* room for grains */
	uint64_t used_bytes;    /* grains mapped, of which ... */
	uint64_t merging_bytes; /* ... of removed snapshots, on their way to be merged or freed, ... */
	uint64_t unowned_bytes; /* ... of no replica: removed ones', that go, or that clones stand on */
	/* The rest of size_bytes is in grains that hold entries which are not applied yet. */
	uint64_t free_bytes;
	uint64_t freeing_bytes;                  /* soon free: given back, and not durably so yet */
	uint64_t reserve_bytes;                  /* of both: not for new writes, but for trims and repair */
	uint64_t thick_bytes, thick_limit_bytes; /* of both: kept for thick ones; what those can be */
	uint64_t journal_bytes, journal_used_bytes;
	uint32_t replica_limit; /* replicas that it takes at most; one more is -ENOSPC */
	bool failed;
	char why[POOL_WHY_MAX]; /* it has failed, in words */
	/* counters since open */
	uint64_t batches, batch_entries, flushes, device_write_bytes, user_write_bytes, apply_rounds,
		checksum_errors;
	uint64_t reads, read_bytes; /* of the device, for users, resyncs and repairs */
	uint64_t read_errors;       /* that the device has given */
	struct pool_scrub_info scrub;
};

void pool_info_get(const struct pool *pool, struct pool_info *ret_info);

/*
 * A whole pass in each period, evenly, at most so many bytes a second, after the application's own I/O.
 * period_ms 0: only when asked for. `resume` (NULL: stays as it is): where an earlier open was.
 */
void pool_scrub_set(struct pool *pool, uint64_t period_ms, uint64_t bytes_per_s,
	const struct pool_scrub_progress *resume);
/* A whole pass from the beginning, now, as fast as set. */
void pool_scrub_now(struct pool *pool);

enum pool_bad_kind { POOL_BAD_GRAIN, POOL_BAD_PAGE, POOL_BAD_SUPERBLOCK };
struct pool_bad {
	enum pool_bad_kind kind;
	bool news;         /* it is told for the first time */
	bool device_error; /* it can't be read; else its checksum differs */
	/* GRAIN: where it can be seen, so that its blocks can be had from another replica. */
	struct pool_replica *replica; /* NULL: nothing that is needed: they are seen from nowhere */
	struct uuid snapshot;         /* none: the volume as it is */
	uint64_t index;
	uint16_t blocks;
	uint32_t page; /* PAGE; SUPERBLOCK: 0 or 1 */
};

/* The pool's replicas, one after the other; NULL begins, NULL ends. */
struct pool_replica *pool_replica_next(struct pool *pool, struct pool_replica *after);
struct pool_replica *pool_replica_find(struct pool *pool, struct uuid replica);

/* ---- a replica's identity and durable state ---- */
/* What a replica must not forget: written as one record, in journal order behind all entries appended before.
 */
struct replica_state {
	struct epoch promise; /* no older epoch is ever acknowledged again */
	uint64_t promise_session;
	uint64_t config_number;    /* of the newest membership known */
	bool incomplete;           /* syncing or damaged: vouches for nothing */
	struct position since;     /* while incomplete: upper bound of what it may have acknowledged */
	bool retired;              /* removed from its group, for ever */
	uint32_t longest_lease_ms; /* ever granted */
};

struct pool_replica_identity {
	struct uuid replica;
	struct uuid group;
	struct uuid volume;
	uint64_t size_bytes; /* logical; multiple of GRAIN_BYTES */
	bool thick;          /* the pool keeps free grains for all of it that has none yet */
};

/* Makes an empty, complete replica. -EEXIST, -ENOSPC (no directory slot, no room to keep). Durable when told.
 */
void pool_replica_create(struct pool *pool, const struct pool_replica_identity *identity,
	void (*fn)(void *arg, int rc, struct pool_replica *replica), void *arg);
/*
 * The same, but one that vouches for nothing until a resync has filled it, from the first record of it on:
 * for a group whose content doesn't begin with its log.
 */
void pool_replica_create_incomplete(struct pool *pool, const struct pool_replica_identity *identity,
	void (*fn)(void *arg, int rc, struct pool_replica *replica), void *arg);
/*
 * A complete one again, on top of a snapshot of another replica of this pool (not larger than this one),
 * whose blocks it shares. -ENOENT: there is no such snapshot (yet); -EAGAIN: that replica is incomplete;
 * -EINVAL: its size.
 */
void pool_replica_clone(struct pool_replica *origin, struct uuid snapshot,
	const struct pool_replica_identity *identity,
	void (*fn)(void *arg, int rc, struct pool_replica *replica), void *arg);
/* Removes it and frees its grains; the handle is gone at once. */
void pool_replica_delete(struct pool_replica *replica, pool_done_fn fn, void *arg);

/* Its size is the one as of the journal's head; pool_replica_size() tells the present one. */
const struct pool_replica_identity *pool_replica_identity(const struct pool_replica *replica);
uint64_t pool_replica_size(const struct pool_replica *replica);
/*
 * It is so large from now on (a multiple of GRAIN_BYTES; what is smaller than it changes nothing): durable
 * before any entry or state that is asked for afterwards. Without memory for it the pool fails.
 */
void pool_replica_grow(struct pool_replica *replica, uint64_t size_bytes);
/* The state as last written (durable or on the way). After damage at open: incomplete, since =
 * {UINT64_MAX...}. */
const struct replica_state *pool_replica_state(const struct pool_replica *replica);
/* fn when durable. States and entries become durable in the order of the calls. */
void pool_replica_state_write(
	struct pool_replica *replica, const struct replica_state *state, pool_done_fn fn, void *arg);
/* The owner's pointer (the datapath's replica). */
void pool_replica_user_set(struct pool_replica *replica, void *user);
void *pool_replica_user(const struct pool_replica *replica);

/* ---- snapshots: made, removed and rolled back to by entries of the log ---- */
struct pool_snapshot {
	struct uuid snapshot;
	struct uuid parent;     /* the next one below; none: the lowest */
	struct position frozen; /* the entry that made it */
	uint64_t used_bytes;    /* in its own layer: what its removal would give back at most */
};

/* Oldest first, parents before children. Returns how many there are, though at most `max` are filled in. */
unsigned pool_replica_snapshots(
	const struct pool_replica *replica, struct pool_snapshot *ret_snapshots, unsigned max);
/* The n-th of them, from 0; false: there are not so many. */
bool pool_replica_snapshot_at(const struct pool_replica *replica, unsigned n, struct uuid *ret_snapshot);
/* The snapshot that the volume stands on; none where there is none. */
struct uuid pool_replica_snapshot_top(const struct pool_replica *replica);
/*
 * For a resync: forgets all content and all snapshots, and makes empty ones in their place, to be filled by
 * grain_put(). The replica must be incomplete. fn when durable; -ENOSPC, -ENOMEM.
 */
void pool_replica_tree_reset(struct pool_replica *replica, const struct pool_snapshot *snapshots,
	unsigned count, struct uuid top, pool_done_fn fn, void *arg);
/*
 * For a resync: what an entry SNAPSHOT (as that at `frozen`), DELETE_SNAPSHOT or ROLLBACK would do, without
 * one. The replica must be incomplete. fn when durable; it may have come to nothing where something else
 * changed the levels meanwhile.
 */
void pool_replica_structure(struct pool_replica *replica, enum entry_op op, struct uuid snapshot,
	struct position frozen, pool_done_fn fn, void *arg);

/* ---- the log ---- */
/* Position of the last entry appended (durable or not). */
struct position pool_replica_last(const struct pool_replica *replica);
uint64_t pool_replica_durable_seq(const struct pool_replica *replica);
/* Known to be committed: what commit_set() said, or, after a restart, what the headers and the table say. */
uint64_t pool_replica_commit_seq(const struct pool_replica *replica);
uint64_t pool_replica_applied_seq(const struct pool_replica *replica);
/* The oldest seq that log_read() can still give; last + 1 where there is none. */
uint64_t pool_replica_first_seq(const struct pool_replica *replica);
/* The table of epochs, oldest first, as it is until the log changes. Returns the count. */
unsigned pool_replica_epochs(const struct pool_replica *replica, const struct epoch_start **ret_rows);

/*
 * Appends; entry->seq is last + 1 (asserted). Takes a reference. Room must have been asked for with
 * pool_replica_room(). Durable is told by options.durable.
 */
void pool_replica_append(struct pool_replica *replica, struct entry *entry);
/* Bytes of payload that may be appended now without overrunning share, ring or free grains. */
uint64_t pool_replica_room(const struct pool_replica *replica);
/* It, and the same for entries that others have already, and that commit only when this replica has them too:
 * its share of the ring is no limit there. */
void pool_replica_rooms(const struct pool_replica *replica, uint64_t *ret_room, uint64_t *ret_adopted);
/* Drops entries above seq (seq >= commit and applied: asserted); fn when durable. */
void pool_replica_truncate(struct pool_replica *replica, uint64_t seq, pool_done_fn fn, void *arg);
/*
 * For a resync: forgets all entries; the log now ends at `last`, with `rows` as its table of epochs. The
 * replica must be incomplete. fn when durable.
 */
void pool_replica_log_reset(struct pool_replica *replica, struct position last,
	const struct epoch_start *rows, unsigned row_count, pool_done_fn fn, void *arg);
/* Entries up to seq (at most last) are committed: they may be applied. Never goes back; lower values are
 * ignored. */
void pool_replica_commit_set(struct pool_replica *replica, uint64_t seq);
/* Entries up to seq are durable on every voter that is not away: the log need not keep them for others. */
void pool_replica_all_set(struct pool_replica *replica, uint64_t seq);
/*
 * Gives a reference to the entry with this seq (with payload, checksums verified), from memory or the ring.
 * -ENOENT when the log no longer has it, -EILSEQ when it is rotten, -EAGAIN when buffers are short.
 */
void pool_replica_log_read(struct pool_replica *replica, uint64_t seq,
	void (*fn)(void *arg, int rc, struct entry *entry), void *arg);

/* ---- data ---- */
/* A read in flight; embed it, keep it until fn has run. */
struct pool_read {
	void (*fn)(struct pool_read *read, int rc);
	struct pool_replica *replica;
	uint64_t offset_bytes;          /* multiples of 4096 */
	uint32_t length_bytes;          /* at most ENTRY_MAX_BYTES */
	struct buf *into;               /* cap_bytes >= length_bytes; the caller's */
	struct uuid snapshot;           /* none: the volume as it is; else -ENOENT where it isn't (yet) */
	uint32_t crc[ENTRY_MAX_BLOCKS]; /* of the blocks read */
	uint64_t bad_offset_bytes;      /* with -EILSEQ or -EIO: the first block concerned */
	uint64_t bad_blocks;            /* with -EILSEQ or -EIO: bit i: block i of the read is bad */
	bool left; /* false; then: `into` has a reference of the store's, and may still be written to */
	/* below: the store's */
	struct list node;
	struct list runs;
	uint64_t commit_seq, change; /* the view that was read */
	uint32_t pending, attempts;
	uint64_t lacking; /* blocks whose checksums are on their way: crc[] has their places */
	bool moved;
	int rc;
};

/*
 * Reads the newest committed version of each block (as of commit_seq when called), from memory, journal or
 * grains; every block's checksum is compared. Absent and zero blocks read as zeroes. -EILSEQ: a checksum
 * differs. -EIO: the device says so.
 */
void pool_read(struct pool_read *read);

/*
 * A grain is looked at level by level. A level is what was written up to a snapshot since the one below it
 * (no UUID: since the last); of layers that were removed in between it has what they held. The lowest level
 * has everything down to the bottom.
 */
struct grain_level {
	struct uuid snapshot;
	bool whole; /* all levels in one, as the volume reads: for repair */
};

/* What a level holds of a grain. Equal (epoch, seq) is equal content, on every replica of the group. */
struct grain_state {
	struct epoch epoch; /* of the newest entry in it */
	uint64_t seq;
	uint16_t present; /* blocks with data */
	uint16_t zero;    /* blocks trimmed, where the levels below have data */
	bool lost;        /* checksums are lost, and agree with nothing: to be repaired */
	uint32_t crc[GRAIN_BLOCKS];
};
bool grain_state_equal(const struct grain_state *a, const struct grain_state *b);

/* The grain as it is at commit_seq, pending entries included; false: the level isn't there, or is silent. */
bool pool_replica_grain_view(const struct pool_replica *replica, struct grain_level level, uint64_t index,
	struct grain_state *ret_state);
/* The grain as it is applied; false as above. */
bool pool_replica_grain_applied(const struct pool_replica *replica, struct grain_level level, uint64_t index,
	struct grain_state *ret_state);

/* One grain's content in a level, for resync and repair. */
struct grain_copy {
	struct grain_level level;
	uint64_t index;
	uint64_t commit_seq; /* at which it was taken */
	struct grain_state state;
	struct buf *data; /* GRAIN_BYTES; undefined where not present; NULL where nothing is present */
};

/* The level's newest committed content, pending entries included; -ENOENT: no such level (yet). The reference
 * to data goes to fn. */
void pool_replica_grain_get(struct pool_replica *replica, struct grain_level level, uint64_t index,
	void (*fn)(void *arg, int rc, struct grain_copy *copy), void *arg);
/*
 * Writes bad blocks of a grain anew from the copy, in the grain's own order with entries. -EAGAIN: the grain
 * is not, or no longer, of the copy's version. fn when durable. Not while incomplete.
 */
void pool_replica_grain_heal(struct pool_replica *replica, const struct grain_copy *copy, uint16_t bad_blocks,
	pool_done_fn fn, void *arg);
/*
 * The lowest index >= from of which the level may say something; where the turn has looked at enough
 * (store/checksums.h), the one that it came to; UINT64_MAX where there is none.
 */
uint64_t pool_replica_level_next(const struct pool_replica *replica, struct grain_level level, uint64_t from);
/*
 * Whether committed entries that change the levels are not applied yet: what can be looked at now is not what
 * is committed. They are applied soon.
 */
bool pool_replica_levels_move(struct pool_replica *replica);
/* The lowest index >= from that is mapped or has pending entries; UINT64_MAX where there is none. */
uint64_t pool_replica_grain_next(const struct pool_replica *replica, uint64_t from);
/* The grain's blocks that have content (bit 0: the first), as of commit_seq; the others read as zeroes. */
uint16_t pool_replica_grain_present(const struct pool_replica *replica, uint64_t index);

/*
 * Resync, target side. Only while incomplete.
 * sync_edge: entries above the hold, and those appended from now on, are applied only to grains below edge
 * (their other parts are left out).
 * sync_hold: entries above seq are not applied until it is called again (UINT64_MAX: no hold).
 * grain_put: the copy replaces the grain's content whole (nothing present and nothing zero frees it), and
 * keeps its version; an entry that the version has already is left out. fn when durable.
 */
void pool_replica_sync_edge(struct pool_replica *replica, uint64_t edge_index);
void pool_replica_sync_hold(struct pool_replica *replica, uint64_t seq);
void pool_replica_grain_put(
	struct pool_replica *replica, const struct grain_copy *copy, pool_done_fn fn, void *arg);
/* fn when everything up to and including `seq` (committed, not held) is applied and durable. */
void pool_replica_applied_wait(struct pool_replica *replica, uint64_t seq, pool_done_fn fn, void *arg);

#endif
