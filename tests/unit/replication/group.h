/*
 * A group for scenarios: replica machines with plain in-memory logs, coordinators, and a network whose every
 * message can be held back or lost. Time stands still unless a scenario moves it.
 */
#ifndef TEST_REPLICATION_GROUP_H
#define TEST_REPLICATION_GROUP_H

#include "replication/replication.h"

#define GROUP_VOTERS   3 /* replicas behind them are learners, where a scenario has them */
#define GROUP_REPLICAS 4
#define GROUP_SESSIONS 3
#define GROUP_LOG      256
#define GROUP_GRAINS   8u

struct group_message {
	bool to_replica;
	int replica, session;
	struct message message;
	struct epoch_start rows[EPOCHS_MAX];
	uint32_t indices[MAP_MAX_COPIES];
};

struct group_replica {
	struct replica *machine;
	struct epoch_start rows[EPOCHS_MAX];
	struct entry log[GROUP_LOG]; /* by seq; seq 0 unused */
	uint64_t last, durable, commit, base;
	struct replica_promise state; /* durable */
	bool full;                    /* its pool */
	uint64_t size_bytes;          /* told by REPLICA_GROW; 0: never */
	bool disk_stopped;            /* nothing becomes durable until it is let go */
	bool state_pending;
	struct replica_promise pending;
	uint64_t applied_wait;        /* 0: none */
	uint64_t grain[GROUP_GRAINS]; /* seq of the newest entry applied to it, and so its content; 0: absent
				       */
	bool rotten[GROUP_GRAINS];
	uint64_t applied;
	uint64_t hold;
	bool syncing;
	uint64_t edge;
	uint64_t edge_of[GROUP_LOG];
};

struct group_session {
	struct coordinator *machine;
	bool linked[GROUP_REPLICAS];
	unsigned answered;
	int last_rc;
	unsigned reads_answered;
	struct coordinator_record record; /* asked for last; told by the scenario */
	unsigned records;
};

struct group {
	uint64_t now_ns;
	struct entry_pool *entries;
	struct buf_pool *bufs;
	struct budget budget;
	uint64_t maps_read, grains_read; /* answered */
	uint32_t map_grains, map_copies;
	struct group_replica replicas[GROUP_REPLICAS];
	struct group_session sessions[GROUP_SESSIONS];
	struct group_message queue[512];
	unsigned queued;
	/* Messages for which this says true are held in the queue until it changes. */
	bool (*hold)(const struct group_message *m);
	unsigned delivered;
};

void group_init(struct group *g);
void group_done(struct group *g);
/* Starts session s with this epoch, linked to the replicas in the mask. */
void group_session_start(struct group *g, int s, uint64_t epoch_number, unsigned mask);
/* The same, with members and voters as in the config. */
void group_session_start_as(struct group *g, int s, const struct coordinator_config *members, unsigned mask);
void group_link(struct group *g, int s, int replica);
void group_unlink(struct group *g, int s, int replica);
/* Delivers everything that isn't held, until nothing moves. */
void group_run(struct group *g);
/* Moves the clock in steps, running all ticks. */
void group_pass(struct group *g, uint64_t ms);
/* Drops everything that is queued. */
void group_lose(struct group *g);
/* A write of one block to this grain; the operation lives in the group for ever. Returns it. */
struct operation *group_write(struct group *g, int s, uint64_t grain);
struct operation *group_read(struct group *g, int s);
/* Crash and restart: what isn't durable is gone. */
void group_replica_restart(struct group *g, int replica);
void group_disk_stop(struct group *g, int replica);
void group_disk_go(struct group *g, int replica);
struct coordinator_status group_status(struct group *g, int s);
/* group_grains.c: what the store and its driver do for resync and repair. */
void group_effect_grains(struct group *g, int replica, struct replica_effect *effect);
/* Puts an answer on its way to the session. */
void group_answer(struct group *g, int replica, int session, const struct message *m);
/* As much as may be applied now. */
void group_apply(struct group_replica *r);
/* Entries of a log are the same up to seq on both. */
bool group_logs_equal(struct group *g, int a, int b, uint64_t seq);

#endif
