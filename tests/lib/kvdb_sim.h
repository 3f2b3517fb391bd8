/*
 * A kvdb in memory, on the loop's core and so in virtual time: one server, a handle for each node, faults.
 * Thread rule: the loop's. A call takes a delay to the server and one back; what happens on the way is the
 * fault's.
 */
#ifndef QUOIN_TESTS_KVDB_SIM_H
#define QUOIN_TESTS_KVDB_SIM_H

#include "kvdb/kvdb.h"
#include "loop/loop.h"

struct kvdb_sim;

struct kvdb_sim_faults {
	uint32_t delay_min_us, delay_max_us; /* each way */
	/* Of 1,000 calls: that many end with -EAGAIN unserved; with -EIO, served; served, without answer. */
	uint32_t refuse, fail_after, lose_answer;
	uint32_t watch_revisions; /* a watch is told of at most so many at a time; 0: of all */
};

/* The same seed and the same calls give the same run. */
struct kvdb_sim *kvdb_sim_new(struct loop *loop, uint64_t seed);
/* All handles were closed before. */
void kvdb_sim_free(struct kvdb_sim *sim);
struct kvdb *kvdb_sim_open(struct kvdb_sim *sim);

/* For calls from now on. */
void kvdb_sim_faults_set(struct kvdb_sim *sim, const struct kvdb_sim_faults *faults);
/* The handle can't reach the server: calls end with -EAGAIN, answers under way are lost, watches wait. */
void kvdb_sim_cut(struct kvdb *kvdb, bool cut);
/* Nobody can; and the leases' time stands still, then begins anew, as with a new leader of etcd. */
void kvdb_sim_down(struct kvdb_sim *sim, bool down);
/* Forgets all history: watches that lag are lost. */
void kvdb_sim_compact(struct kvdb_sim *sim);
/* Goes back to the backup, watches and all. One backup is kept. */
void kvdb_sim_backup(struct kvdb_sim *sim);
void kvdb_sim_restore(struct kvdb_sim *sim);
/* What the server has done, from its beginning. */
struct kvdb_sim_counts {
	uint64_t calls;  /* of all kinds, served */
	uint64_t writes; /* transactions that wrote, and leases that ended with keys */
	uint64_t keepalives, grants, lists, listed_keys; /* keys in all lists' answers */
	uint64_t events;                                 /* told to watches */
};
void kvdb_sim_counts(const struct kvdb_sim *sim, struct kvdb_sim_counts *ret_counts);
uint64_t kvdb_sim_revision(const struct kvdb_sim *sim);
/* Overwrites a key's value past all rules, as a damaged disk would. */
void kvdb_sim_scribble(struct kvdb_sim *sim, const char *key, const void *value, size_t value_bytes);
/* The value as it stands; NULL where there is none. */
const uint8_t *kvdb_sim_peek(const struct kvdb_sim *sim, const char *key, size_t *ret_bytes);
/* Keys in order, index 0, 1, ... until NULL. */
const char *kvdb_sim_key_at(const struct kvdb_sim *sim, size_t index);

#endif
