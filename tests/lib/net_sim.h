/*
 * net_sim: the network of net.h between the nodes of one loop_sim. Frames are encoded and decoded by the real
 * codec; each connection delivers in order; delays differ by connection and direction, so that connections
 * overtake each other.
 *
 * Faults: links that are cut in one direction (frames wait, as TCP's would, until the link is back or the
 * connection is reset), resets (what was on the way is lost; the two ends learn it at different times),
 * delay, flipped bits, dead nodes.
 */
#ifndef QUOIN_TESTS_NET_SIM_H
#define QUOIN_TESTS_NET_SIM_H

#include "lib/loop_sim.h"
#include "net/net.h"

struct net_sim;

struct net_sim_options {
	uint64_t delay_min_ns, delay_max_ns; /* one way */
	uint64_t slow_ns; /* now and then (1 in 64) a frame, and all behind it, take up to this much longer */
	/* Each frame delivered, for the trace; may be NULL. */
	void (*delivered)(void *arg, unsigned from, unsigned to, const struct frame *frame);
	/* True: this frame, and what is behind it, waits: the link is cut in this direction. May be NULL. */
	bool (*hold)(void *arg, unsigned from, unsigned to, const struct frame *frame);
	void *arg;
};

int net_sim_new(struct loop_sim *sim, uint64_t seed, const struct net_sim_options *options,
	struct net_sim **ret_net) MUST_CHECK;
void net_sim_free(struct net_sim *net);

/* The node's side; it listens at address "node-N" from now on. Payloads arrive in `bufs`. */
struct net *net_sim_node_start(struct net_sim *net, unsigned node, struct buf_pool *bufs);
/* The node is dead: its connections are gone without a word to it; the others learn it by reset, or, when
 * `silent`, not. */
void net_sim_node_stop(struct net_sim *net, unsigned node, bool silent);
void net_sim_address(unsigned node, struct net_address *ret_address);

/* Frames from one node to another pass, or wait. */
void net_sim_cut(struct net_sim *net, unsigned from, unsigned to, bool cut);
void net_sim_heal(struct net_sim *net);
/* Resets a connection (chosen by the seed) that is up. False where there is none. */
bool net_sim_reset_one(struct net_sim *net);
/* Resets all connections between two nodes; what was on the way is lost. */
void net_sim_reset(struct net_sim *net, unsigned a, unsigned b);
/* Flips a bit in a frame on its way (chosen by the seed). False where there is none. */
bool net_sim_corrupt_one(struct net_sim *net);

#endif
