/* Randomness: xoshiro256** (Blackman, Vigna), seeded by the system or, in simulations, by a number. Not for
 * keys. */
#ifndef QUOIN_BASE_RANDOM_H
#define QUOIN_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state[4];
};

/* The same seed gives the same sequence, on every machine. */
void random_init(struct random *r, uint64_t seed);
/* Seeded from getrandom(2). */
void random_init_system(struct random *r);
uint64_t random_u64(struct random *r);
/* Uniform in [0, bound); bound > 0. */
uint64_t random_below(struct random *r, uint64_t bound);
/* True with a chance of `numerator` in `denominator`. */
bool random_chance(struct random *r, uint64_t numerator, uint64_t denominator);
void random_bytes(struct random *r, void *to, size_t len_bytes);

#endif
