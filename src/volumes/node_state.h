/*
 * The state directory's identity: whose it is, under a lock that one agent holds. STATE/node.json keeps the
 * node's UUID and the cluster's, so that pools open, and replicas serve, while the kvdb is away. Thread rule:
 * the control thread.
 */
#ifndef QUOIN_VOLUMES_NODE_STATE_H
#define QUOIN_VOLUMES_NODE_STATE_H

#include "base/base.h"

struct node_state {
	char dir[256];
	struct uuid node;
	struct uuid cluster; /* none: it has joined none yet */
	struct uuid kvdb;    /* the metadata database that it saw last, and its highest revision; none, 0 */
	uint64_t kvdb_revision;
	char boot_id[UUID_TEXT_LEN + 1];
	int lock_fd;
};

/* Makes the directory and its identity where it has none. -EBUSY: another agent lives in it, named by its
 * process id. */
int node_state_open(
	const char *dir, struct random *random, struct node_state *ret_state, struct error *error) MUST_CHECK;
void node_state_close(struct node_state *state);
/* Remembers the cluster. */
int node_state_cluster_set(struct node_state *state, struct uuid cluster, struct error *error) MUST_CHECK;
/* Remembers what it has seen of the kvdb: one that is older is from a backup. */
int node_state_generation_set(
	struct node_state *state, struct uuid kvdb, uint64_t revision, struct error *error) MUST_CHECK;

#endif
