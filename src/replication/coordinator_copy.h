/* What is copied from one voter to another: whole resyncs, and repairs of single grains. */
#ifndef QUOIN_REPLICATION_COORDINATOR_COPY_H
#define QUOIN_REPLICATION_COORDINATOR_COPY_H

#include "replication/coordinator_private.h"

/*
 * coordinator_levels.c: the next level, its cursor at the beginning; false: that was the last. Whether the
 * maps under way need no place in the stream: nothing is done about a survey, and entries don't change a
 * snapshot.
 */
bool sync_level_next(struct coordinator *co, struct voter *v);
bool sync_is_still(const struct voter_sync *sync);
bool sync_is_survey(const struct voter_sync *sync);
/* What a map may name. */
uint32_t sync_map_most(const struct coordinator *co, const struct voter_sync *sync);
/* What the group's levels were when it began is no more, or can't be reached from what the target has
 * (reset). */
void coordinator_sync_again(struct coordinator *co, int i, bool reset);
/* Whether the entry, which is this voter's next one, changes the levels under a resync that has not come so
 * far: it is done again then, from behind the entry. */
bool coordinator_sync_is_overtaken(struct coordinator *co, int i, const struct entry *entry);

/* coordinator_copy.c: NULL when all are in use. */
struct copy *coordinator_copy_new(
	struct coordinator *co, int target, uint64_t layer, uint64_t index, bool heal);
/* This voter's connection is gone: copies for it end, those from it are asked of another. */
void coordinator_copies_reset(struct coordinator *co, int i);
void coordinator_copies_step(struct coordinator *co);
uint64_t coordinator_copies_due_ns(const struct coordinator *co);
/* What is to be said to this voter about copies; false: nothing. */
bool coordinator_copy_message(struct coordinator *co, int i, struct message *m);
void coordinator_copy_unsent(struct coordinator *co, const struct message *m);
void coordinator_recv_grain_answer(struct coordinator *co, int i, const struct message *m);
void coordinator_recv_grain_written(struct coordinator *co, int i, const struct message *m);

/* coordinator_heal.c: a voter could not read the grains of this range, by checksum or device: it is counted,
 * and repaired. */
void coordinator_bad_read(struct coordinator *co, int i, uint64_t offset_bytes, uint32_t length_bytes);
/* A voter's scrub has found bad blocks. */
void coordinator_recv_grain_bad(struct coordinator *co, int i, const struct message *m);
/* It can't be healed now: later again, though not for ever. The copy may be free afterwards. */
void coordinator_heal_again(struct coordinator *co, struct copy *copy);
/* The answer to a GRAIN_HEAL. */
void coordinator_healed(struct coordinator *co, struct copy *copy, const struct message *m);
void coordinator_copy_free(struct coordinator *co, struct copy *copy);
void coordinator_copy_again(struct coordinator *co, struct copy *copy, uint64_t after_ns);

#endif
