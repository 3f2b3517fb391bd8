/*
 * loop_sim: virtual time for several nodes, each with the real loop core and a clock of its own (an offset
 * and a drift). One queue of events of the world outside (network, faults) beside the nodes' timers; equal
 * times run in the order of their setting, so one seed gives one history.
 */
#ifndef QUOIN_TESTS_LOOP_SIM_H
#define QUOIN_TESTS_LOOP_SIM_H

#include "base/base.h"
#include "loop/loop.h"

#define SIM_MAX_NODES 8u

/* Something that happens at a time of the world; the owner's, from sim_event_set() until fn has run. */
struct sim_event {
	void (*fn)(struct sim_event *event);
	void *arg;
	uint64_t at_ns;
	uint64_t order;
	uint32_t heap_index; /* 0: not set */
};

struct loop_sim;

/* A node's clock: at the world's time t it shows offset + t + t * drift / 1e6. */
struct sim_clock {
	struct clock clock;
	const struct loop_sim *sim;
	uint64_t offset_ns;
	int64_t drift_ppm;
};

struct loop_sim_node {
	struct sim_clock clock;
	struct loop *loop;                   /* NULL: not running */
	uint64_t paused_until_ns;            /* the world's time; it runs nothing before */
	uint64_t due_local_ns, due_world_ns; /* the last answer of the drifting clock's arithmetic */
};

struct loop_sim {
	uint64_t now_ns;
	struct sim_event **heap; /* from 1 */
	uint32_t count, capacity;
	uint64_t order;
	struct loop_sim_node nodes[SIM_MAX_NODES];
};

void loop_sim_init(struct loop_sim *sim);
void loop_sim_done(struct loop_sim *sim);

void sim_event_set(struct loop_sim *sim, struct sim_event *event, uint64_t at_ns);
void sim_event_cancel(struct loop_sim *sim, struct sim_event *event);

/* Sets the node's clock; keep it for the node's life, restarts included (a reboot may change it). */
void loop_sim_clock(struct loop_sim *sim, unsigned node, uint64_t offset_ns, int64_t drift_ppm);
const struct clock *loop_sim_node_clock(struct loop_sim *sim, unsigned node);
/* The node runs this loop from now on; NULL: it is dead. */
void loop_sim_attach(struct loop_sim *sim, unsigned node, struct loop *loop);
/* Like SIGSTOP: nothing of the node runs until then; its clock goes on. */
void loop_sim_pause(struct loop_sim *sim, unsigned node, uint64_t until_ns);
bool loop_sim_is_paused(const struct loop_sim *sim, unsigned node);
/* Runs what is due on this node now: after something was handed to it. */
void loop_sim_kick(struct loop_sim *sim, unsigned node);

/* Runs the next thing, if there is one before `until_ns`; false (and the time is until_ns) if not. */
bool loop_sim_step(struct loop_sim *sim, uint64_t until_ns);

#endif
