/*
 * Scenes: one interleaving of docs/protocol.md each, told step by step on the real code. A scene drives the
 * cluster by hand: nothing is attached, started or healed by itself, no fault comes by chance. What a scene's
 * reads return goes into the history as ever, and the checker has the last word; beside it a scene says what
 * must be so with EXPECT.
 *
 * Nodes 0, 1, 2 have the voters A, B, C; nodes from 3 on have none: a coordinator there hears all voters by
 * the network, where its frames can be held.
 */
#ifndef QUOIN_TESTS_SIM_SCENE_H
#define QUOIN_TESTS_SIM_SCENE_H

#include "replication/message.h"
#include "sim/cluster.h"

#define SCENE_MAX_HOLDS 8u
#define A               0u
#define B               1u
#define C               2u
#define X               3u
#define Y               4u

struct hold {
	bool is_set, has_struck;
	unsigned from, to;
	enum message_type type;
	uint64_t seq; /* 0: any */
};

struct scene {
	struct cluster *c;
	struct sim_volume *v; /* the first */
	struct hold holds[SCENE_MAX_HOLDS];
};

/* A request of a scene; never freed. */
struct scene_io {
	struct request request;
	struct attached *attached;
	struct sim_volume *volume;
	bool answered, is_read;
	int rc;
	uint32_t first, count;
	uint32_t write; /* its number, or what a read of one block saw: 0 zeroes */
	uint64_t began;
};

struct scenario {
	const char *name;
	const char *what;
	const char *case_of;    /* docs/protocol.md */
	const char *mutants[4]; /* each makes it fail */
	void (*run)(struct scene *s);
	unsigned voters, pools, volumes; /* 0: 3, 1, 1 */
	uint64_t journal_bytes;          /* 0: 1 MiB */
	uint64_t disk_bytes;
	uint32_t hot_blocks; /* 0: 64 */
	int64_t drift_ppm;
	bool reads_quorum;
	bool thick; /* the first volume is */
	uint32_t error_after_ms;
	uint32_t map_grains, map_copies; /* 0: as large as may be */
	uint64_t compare_ms; /* so often replicas are compared with each other; 0: when asked to */
};

/* Ends the scene with these words: it has failed. */
#define EXPECT(condition, ...)                                                                               \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			cluster_violation(s->c, __VA_ARGS__);                                                \
			return;                                                                              \
		}                                                                                            \
	} while (0)
#define GOES_ON()                                                                                            \
	do {                                                                                                 \
		if (s->c->violation[0])                                                                      \
			return;                                                                              \
	} while (0)

/* ---- time ---- */
void scene_run(struct scene *s, uint64_t ms);
void scene_run_us(struct scene *s, uint64_t us);
/* Until it is so: false after `ms`. */
bool scene_until(struct scene *s, uint64_t ms, bool (*fn)(struct scene *s, const void *arg), const void *arg);

/* ---- nodes ---- */
void scene_start(struct scene *s, unsigned node);
void scene_kill(struct scene *s, unsigned node);
void scene_power_off(struct scene *s, unsigned node);
/* Starts it and waits until its pools are open. */
void scene_back(struct scene *s, unsigned node);
void scene_pause(struct scene *s, unsigned node, uint64_t ms);
void scene_slow_disk(struct scene *s, unsigned node, uint64_t ms);
void scene_fast_disk(struct scene *s, unsigned node);

/* ---- network ---- */
void scene_cut(struct scene *s, unsigned from, unsigned to);
void scene_cut_both(struct scene *s, unsigned a, unsigned b);
/* From and to everybody. */
void scene_isolate(struct scene *s, unsigned node);
void scene_heal(struct scene *s);
/* The same, but holds that are set stay. */
void scene_heal_keep(struct scene *s);
/* Like a reset of the connection: what was on the way is lost. */
void scene_lose(struct scene *s, unsigned a, unsigned b);
/* The next such frame, and all behind it, waits until scene_heal(). */
void scene_hold(struct scene *s, unsigned from, unsigned to, enum message_type type, uint64_t seq);
/* Waits until it has come and is held. */
bool scene_is_held(struct scene *s, unsigned from, unsigned to);

/* ---- attachments ---- */
/* Compare-and-set, then opens. */
struct attached *scene_attach(struct scene *s, unsigned node);
/* And waits until it serves. */
struct attached *scene_serve(struct scene *s, unsigned node);
bool scene_is_ready(struct scene *s, struct attached *a, uint64_t ms);
bool scene_is_ended(struct scene *s, struct attached *a, uint64_t ms);
void scene_detach(struct scene *s, struct attached *a);
/* All voters complete, matched, without lag. */
bool scene_is_level(struct scene *s, struct attached *a, uint64_t ms);
enum replica_status scene_voter_status(struct attached *a, unsigned voter);
uint64_t scene_last_seq(struct attached *a);
uint64_t scene_commit_seq(struct attached *a);

/* ---- requests ---- */
struct scene_io *scene_write(struct scene *s, struct attached *a, uint32_t first, uint32_t count);
struct scene_io *scene_trim(struct scene *s, struct attached *a, uint32_t first, uint32_t count);
struct scene_io *scene_read(struct scene *s, struct attached *a, uint32_t first, uint32_t count);
/* Waits for it: a snapshot is made, removed, rolled back to; its UUID ends in `snapshot`. */
void scene_snapshot(struct scene *s, struct attached *a, enum request_op op, uint8_t snapshot);
/* The same, not waited for. */
struct scene_io *scene_snapshot_begin(
	struct scene *s, struct attached *a, enum request_op op, uint8_t snapshot);
bool scene_is_answered(struct scene *s, struct scene_io *io, uint64_t ms);
/* Writes, and expects success within 20 s; its number, 0 if not. */
uint32_t scene_written(struct scene *s, struct attached *a, uint32_t first, uint32_t count);
/* Reads one block, and expects success within 20 s: the write that it saw. */
uint32_t scene_seen(struct scene *s, struct attached *a, uint32_t block);
/* `count` writes of one block each. */
void scene_write_many(struct scene *s, struct attached *a, uint32_t first, uint32_t count);

/* ---- replicas ---- */
struct pool_replica *scene_store(struct scene *s, unsigned voter);
struct position scene_position(struct scene *s, unsigned voter);
bool scene_is_incomplete(struct scene *s, unsigned voter);
/* Compares all levels of all voters with those of the first, grain by grain. */
void scene_compare_levels(struct scene *s);
unsigned scene_levels(struct scene *s, unsigned voter);
/* Reads every block of every voter and compares. */
void scene_compare(struct scene *s, uint32_t blocks);

/* ---- snapshots that node Y looks at: scene_look.c ---- */
struct scene_look {
	struct request request;
	bool answered;
	int rc;
	uint32_t write; /* that the block is of */
};
struct volume *scene_view(struct scene *s, uint8_t snapshot);
/* Where the scene's volumes are the shards of one. */
struct volume *scene_view_striped(struct scene *s, uint8_t snapshot);
struct scene_look *scene_look_at(struct scene *s, struct volume *view, uint32_t block);
/* Waits for it, and expects this write. */
void scene_sees(struct scene *s, const struct scene_look *look, uint32_t write);
/* The view's map, as volume_map_block() reads it: of all, or of what has changed since snapshot `since`. */
void scene_map(struct scene *s, struct volume *view, uint8_t since, const struct buf **ret_map);

/* ---- beginnings that many share ---- */
#define SCENE_EVENTUALLY 20000u
bool scene_reaches(struct scene *s, unsigned voter, uint64_t seq); /* durable there */
/* X serves; blocks 0 .. writes - 1 are written; all voters are level. */
struct attached *scene_begin(struct scene *s, uint32_t writes);
/*
 * X serves; C is away until its entries are in no log any more (scene_log_is_gone()); level otherwise.
 * Meanwhile SCENE_MANY grains are written, each `step`th; those in between were before, and are the same on
 * C.
 */
#define SCENE_MANY 40u /* far more than the ring keeps */
struct attached *scene_behind(struct scene *s, uint32_t step);
bool scene_log_is_gone(struct scene *s);
/* X's log ends in entries that only `voter` has, uncommitted; and X is dead. */
void scene_leave_tail(struct scene *s, struct attached *x, unsigned voter, uint32_t first, uint32_t count);

/* ---- comparisons: scenes_compare.c ---- */
#define SCENE_GRAINS 8u
/* X serves; so many grains are written, and applied everywhere. */
struct attached *scene_begin_grains(struct scene *s);
struct compare_status scene_compared(struct attached *a);
/* A pass is over; arg: the attachment. */
bool scene_is_compared(struct scene *s, const void *arg);
/* The scrub of this node asks for one. */
void scene_compare_ask(struct scene *s, unsigned node);
/* And it is waited for; what it has found. */
struct compare_tally scene_compare_pass(struct scene *s, struct attached *a, unsigned node);

extern const struct scenario *const scenario_lists[];
/* NULL-terminated by a name of NULL. */
extern const struct scenario scenarios_log[], scenarios_lease[], scenarios_sync[], scenarios_life[],
	scenarios_room[], scenarios_maps[], scenarios_snapshot[], scenarios_members[], scenarios_quorum[],
	scenarios_view[], scenarios_source[], scenarios_grow[], scenarios_cut[], scenarios_scrub[],
	scenarios_stripe[], scenarios_compare[], scenarios_replace[], scenarios_thick[];

const struct scenario *scenario_find(const char *name);
/* Runs it; text: why it failed; empty: it passed. */
void scenario_run(const struct scenario *scenario, bool print, char text[static 512]);

#endif
