/* The replicas of a group compared with each other: docs/protocol.md, "Comparison of replicas". */
#ifndef QUOIN_REPLICATION_COORDINATOR_COMPARE_H
#define QUOIN_REPLICATION_COORDINATOR_COMPARE_H

#include "replication/coordinator_copy.h"

#define COMPARE_TRIES 10u

/*
 * coordinator_compare.c: to be called by and by. It is under way while the application uses the volume, and
 * waits for nothing that it waits for; nothing waits for it.
 */
void coordinator_compare_step(struct coordinator *co);
void coordinator_compare_free(struct coordinator *co);
/* A voter's connection is gone. */
void coordinator_compare_lost(struct coordinator *co, int i);
void coordinator_compare_message(struct coordinator *co, int i, struct message *m);
/* The answer to it; false: it is none. */
bool coordinator_recv_compare_map(struct coordinator *co, int i, const struct message *m);
void coordinator_recv_compare_asked(struct coordinator *co);
/* So much later the window is asked for again, from the cursor on. */
void coordinator_compare_again(struct coordinator *co, uint64_t after_ns);

/* coordinator_judge.c: all have answered. False: the window is to be asked for again from the cursor on, or a
 * repair is under way; true: it is through up to the cursor. */
bool coordinator_compare_judge(struct coordinator *co, uint64_t end);
/* A repair has ended; the copy is free. */
void coordinator_compare_repaired(struct coordinator *co, int target, bool rewritten);
/* An entry gets its seq. */
void coordinator_compare_entry(struct coordinator *co, const struct entry *entry);
/* Whether what the maps of commit point q said of the grain that is watched is so still. */
bool coordinator_compare_is_untouched(const struct coordinator *co, uint64_t q);
/* Whether what a source has given is what a repair is to write. */
bool coordinator_compare_is_expected(const struct copy *copy, const struct message *answer);

#endif
