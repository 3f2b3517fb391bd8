/* What the simulated kvdb's server knows; for kvdb_sim*.c only. */
#ifndef QUOIN_TESTS_KVDB_SIM_STATE_H
#define QUOIN_TESTS_KVDB_SIM_STATE_H

#include "kvdb/backend.h"
#include "kvdb_sim.h"

struct sim_item {
	char *key;
	uint8_t *value; /* NULL in the history: deleted */
	size_t value_bytes;
	uint64_t create_revision, mod_revision, lease;
};

struct sim_items {
	struct sim_item *at;
	size_t count, capacity;
};

struct sim_lease {
	uint64_t id;
	uint32_t ttl_ms;
	uint64_t ends_ns;
};

#define SIM_MAX_LEASES 4096u

struct sim_state {
	struct uuid database;
	uint64_t revision, compacted;
	struct sim_items items;   /* in order of keys */
	struct sim_items history; /* in order of mod_revision */
	struct sim_lease leases[SIM_MAX_LEASES];
	size_t lease_count;
	uint64_t next_lease;
};

struct kvdb_sim {
	struct loop *loop;
	struct random random;
	struct kvdb_sim_faults faults;
	struct sim_state state, backup;
	struct list handles;
	struct loop_timer lease_timer;
	bool down;
	struct kvdb_sim_counts counts;
};

void sim_state_done(struct sim_state *state);
void sim_state_copy(const struct sim_state *from, struct sim_state *to);
struct sim_item *sim_item_find(const struct sim_state *state, const char *key);
/* Index of the first item whose key is not below `key`. */
size_t sim_item_lower(const struct sim_state *state, const char *key);
/* Applies one write at state->revision; the caller raised that. */
void sim_state_write(struct sim_state *state, const struct kvdb_write *write);
/* Carries the request out, at now_ns. */
void sim_state_request(struct sim_state *state, struct kvdb_request *request, uint64_t now_ns);
/* Ends what is over; true where keys went. */
bool sim_state_sweep(struct sim_state *state, uint64_t now_ns);

#endif
