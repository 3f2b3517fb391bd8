/*
 * A world of nodes' catalogs on one simulated kvdb, in virtual time: for tests of the catalog and of what
 * stands on it.
 */
#ifndef QUOIN_TESTS_CATALOG_WORLD_H
#define QUOIN_TESTS_CATALOG_WORLD_H

#include "catalog/catalog.h"
#include "kvdb_sim.h"

#define WORLD_NODES      8
#define WORLD_TIMEOUT_MS 20000u

struct world_node {
	struct world *world;
	struct kvdb *kvdb;
	struct catalog *catalog; /* NULL: not there */
	struct catalog_node record;
	struct uuid session;
	bool opened;
	void (*moved)(
		struct world_node *node); /* NULL, or called whenever the view tells that it has moved */
	unsigned changes, troubles;
	int trouble_rc; /* the last one's */
	char trouble[ERROR_TEXT_MAX];
};

struct world {
	bool whole; /* nodes that are opened from now on have all volumes in view, not those that concern them
		     */
	struct loop loop;
	struct kvdb_sim *sim;
	struct random random;
	uint8_t key[CATALOG_KEY_BYTES];
	struct world_node nodes[WORLD_NODES];
};

struct world *world_new(uint64_t seed);
/* Closes what is open. */
void world_free(struct world *world);
uint64_t world_now_ns(void);
void world_turn(struct world *world);
void world_sleep(struct world *world, uint64_t ms);
/* Turns until it is so; false after 60 s of virtual time. */
bool world_wait(struct world *world, const bool *done);

/* Begins to; `moved` may be NULL. */
void world_open_begin(struct world *world, unsigned i, void (*moved)(struct world_node *node));
/* Node `i`: opens its catalog and waits for the view. Its name is "n<i>", its zone "z<i>". */
struct catalog *world_open(struct world *world, unsigned i);
/* The same, and initialises the cluster (the first) or joins it, registers the node and a pool "p<i>" of
 * size_bytes. */
struct catalog *world_start(struct world *world, unsigned i, uint64_t pool_bytes);
void world_close(struct world *world, unsigned i, bool leave);
/* As kill -9: cut off for ever, nothing given up. */
void world_kill(struct world *world, unsigned i);
struct uuid world_pool(unsigned i);

/* A call's answer. */
struct world_answer {
	bool done;
	int rc;
	char error[ERROR_TEXT_MAX];
	uint64_t epoch_number;
	struct catalog_holder holder;
};
void world_done(void *arg, int rc, const struct error *error);
void world_volume_done(void *arg, int rc, const struct error *error, const struct catalog_volume *volume);

/* A volume with one replica on the pool of each of the nodes 0 .. replicas-1; its UUIDs come of its name. */
struct world_volume {
	struct catalog_volume volume;
	struct catalog_shard shard;
};
struct uuid world_uuid(const char *text);
void world_volume_fill(struct world_volume *to, const char *name, uint64_t size_bytes, unsigned replicas);
/* Each waits for the answer; rc. `answer` may be NULL. */
int world_create(struct world *world, unsigned i, const char *name, uint64_t size_bytes, unsigned replicas,
	struct world_answer *answer);
int world_attach(struct world *world, unsigned i, const char *name, const char *attachment,
	const char *probed, struct world_answer *answer);
int world_detach(struct world *world, unsigned i, const char *name, const char *attachment);
int world_delete(struct world *world, unsigned i, const char *name, struct world_answer *answer);
/* Nodes 0, 1 and 2 with pools, and a volume "v" on all of them; a cmocka state. */
struct world *world_with_volume(uint64_t seed);
/* As node `by` sees it; it is there. */
const struct catalog_volume *world_find(struct world *world, unsigned by, const char *name);
int world_removed(struct world *world, unsigned i, const char *name, unsigned replica);

#endif
