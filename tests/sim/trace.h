/*
 * The history of one seed as lines with IDs, and its hash: same seed, same hash. Lines are made only when
 * they are printed.
 *
 *   12.345678901 n2 append-answer <- n0 r1f3a e5.0 s812
 */
#ifndef QUOIN_TESTS_SIM_TRACE_H
#define QUOIN_TESTS_SIM_TRACE_H

#include "base/base.h"
#include "lib/loop_sim.h"
#include "net/net.h"

struct trace {
	const struct loop_sim *sim;
	bool print;
	uint64_t hash;
	uint64_t events;
};

void trace_init(struct trace *trace, const struct loop_sim *sim, bool print);
/* One event: `what` and three numbers go into the hash; with --trace the words go to standard output. */
void trace_event(struct trace *trace, const char *what, uint64_t a, uint64_t b, uint64_t c);
/* The same without words. */
void trace_hash(struct trace *trace, const char *what, uint64_t a, uint64_t b, uint64_t c);
void trace_frame(struct trace *trace, unsigned from, unsigned to, const struct frame *frame);
void trace_words(struct trace *trace, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t hash_mix(uint64_t hash, uint64_t value);

#endif
