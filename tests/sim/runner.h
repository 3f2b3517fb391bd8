/* Runs seeds in processes of their own (an assertion that fails is the violation of the seed that is run),
 * several at a time. */
#ifndef QUOIN_TESTS_SIM_RUNNER_H
#define QUOIN_TESTS_SIM_RUNNER_H

#include "sim/cluster.h"

struct runner_options {
	uint64_t from, to;
	bool liveness, print;
	bool alone; /* a process for each seed: slower, and the hash must be the same */
	unsigned jobs;
	bool stop_at_first;                                   /* violation */
	void (*failed)(uint64_t seed, const char *violation); /* in order of finding; may be NULL */
};

struct runner_totals {
	uint64_t seeds, violations, excused;
	uint64_t first_violation_after; /* seeds run until then; 0: none */
	uint64_t simulated_ns, operations, reads, events;
	uint64_t hash;
};

void runner_run(const struct runner_options *options, struct runner_totals *ret_totals);

#endif
