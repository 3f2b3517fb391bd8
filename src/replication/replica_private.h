/* The replica's state; docs/protocol.md tells the rules by name. */
#ifndef QUOIN_REPLICATION_REPLICA_PRIVATE_H
#define QUOIN_REPLICATION_REPLICA_PRIVATE_H

#include "replication/replication.h"

/* One event gives a handful; a durable answer, a commit and a state at most. */
#define REPLICA_MAX_EFFECTS 32u

/* An OPEN that waits for leases to run out, or whose promise is on its way to the disk. */
struct replica_open {
	bool is_set;
	uint64_t from;
	struct epoch epoch;
	uint64_t session;
	uint32_t attempt;
	uint32_t lease_ms;
	uint64_t config_number;
	uint64_t clock_ns;
	uint64_t dead_session;
	uint64_t durable_seq; /* when the promise went to the disk: for a mutant */
};

/* What the state on its way to the disk is for. One at a time: the others wait. */
enum replica_writing {
	WRITING_NOTHING,
	WRITING_PROMISE,
	WRITING_REGRESSED, /* MATCH told that acknowledged entries are lost */
	WRITING_SYNC_START,
	WRITING_COMPLETE,
	WRITING_NUMBER, /* of a membership entry */
};

struct replica {
	uint64_t size_bytes;
	struct replica_promise state; /* as last written, or being written */
	enum replica_writing writing;

	/* The session that is served; it may be older than the promise while that is being written. */
	bool accepting;
	struct epoch epoch;
	uint64_t session;
	uint32_t attempt;
	uint64_t to; /* its connection; 0: none */
	uint32_t lease_ms;
	uint64_t clock_ns; /* its clock in its newest frame: given back, so that it can count its lease from
			      there */
	bool released;
	bool matched;
	bool truncating;

	struct replica_open waiting;   /* for leases */
	struct replica_open promising; /* for the disk */

	uint64_t grant_until_ns; /* leases granted end here */
	bool heard;
	uint64_t heard_ns;

	uint64_t last_seq, durable_seq, commit_seq, all_seq;
	uint64_t number_seq; /* a membership entry that isn't acknowledged before its number is durable; 0:
				none */

	/* Resync, as its target. */
	struct message sync_start; /* without its pointers */
	bool resetting;            /* the log begins anew */
	struct epoch_start sync_rows[EPOCHS_MAX];
	bool finishing; /* SYNC_FINISH has come */
	bool finish_applied;
	uint64_t finish_seq;

	struct replica_counters counters;
	unsigned effect_head, effect_count;
	struct replica_effect effects[REPLICA_MAX_EFFECTS];
};

struct replica_effect *replica_push(struct replica *rep, enum replica_effect_type type);
/* An answer to the session that is served; its type, epoch, session and attempt are set. */
struct message *replica_answer(struct replica *rep, enum message_type type);
void replica_send_stale(struct replica *rep, uint64_t to, const struct message *about, struct epoch promised);
/* An APPEND_ANSWER with what is durable now; grants the lease. */
void replica_acknowledge(struct replica *rep, const struct replica_figures *figures, uint64_t now_ns);
/*
 * What it can take now. While the session's first entry isn't in its log it gets entries that are in
 * another's already: they can't be refused any more, and nothing commits before it has them.
 */
uint64_t replica_room(const struct replica *rep, const struct replica_figures *figures);
/* True when a lease may be granted to the session: no other one waits to be promised. */
bool replica_grant(struct replica *rep, uint64_t now_ns);

void replica_learn_size(struct replica *rep, const struct message *m);
void replica_recv_open(struct replica *rep, uint64_t from, const struct message *m, uint64_t now_ns);
void replica_open_step(struct replica *rep, uint64_t now_ns);
void replica_promise_written(struct replica *rep, const struct replica_figures *figures, uint64_t now_ns);

void replica_recv_match(struct replica *rep, const struct message *m, const struct replica_figures *figures);
void replica_regressed_written(struct replica *rep);
void replica_recv_append(
	struct replica *rep, const struct message *m, const struct replica_figures *figures, uint64_t now_ns);
void replica_number_written(struct replica *rep, const struct replica_figures *figures, uint64_t now_ns);
/* Writes the number of a membership entry when nothing else is being written. */
void replica_number_step(struct replica *rep);
void replica_raise_commit(struct replica *rep, uint64_t seq);

void replica_recv_sync_start(
	struct replica *rep, const struct message *m, const struct replica_figures *figures);
void replica_sync_start_written(struct replica *rep);
void replica_recv_sync_window(struct replica *rep, const struct message *m);
void replica_recv_grain_write(struct replica *rep, const struct message *m);
void replica_recv_map_compare(struct replica *rep, const struct message *m);
void replica_recv_grain_heal(struct replica *rep, const struct message *m);
void replica_recv_sync_finish(struct replica *rep, const struct message *m);
/* Becomes complete when everything is there: copies applied, log durable at or above `since`. */
void replica_sync_finish_step(struct replica *rep, const struct replica_figures *figures);
void replica_complete_written(struct replica *rep);

#endif
