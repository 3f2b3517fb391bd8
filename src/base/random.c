#include "base/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/assert.h"

/* splitmix64 (Steele, Lea, Flood) spreads one number over the state, as xoshiro's authors advise. */
static uint64_t splitmix_next(uint64_t *x)
{
	uint64_t z = *x += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void random_init(struct random *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->state[i] = splitmix_next(&seed);
}

void random_init_system(struct random *r)
{
	ssize_t n;

	do {
		do
			n = getrandom(r->state, sizeof(r->state), 0);
		while (n < 0 && errno == EINTR);
		ASSERT(n == (ssize_t)sizeof(r->state));
		/* All zeroes is the one state that never leaves itself. */
	} while ((r->state[0] | r->state[1] | r->state[2] | r->state[3]) == 0);
}

static uint64_t rotate_left(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

uint64_t random_u64(struct random *r)
{
	uint64_t *s = r->state;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

/* The high half of a 64 x 64 bit product, without the few low products that would favour some results. */
uint64_t random_below(struct random *r, uint64_t bound)
{
	uint64_t unfair;
	unsigned __int128 product;

	ASSERT(bound > 0);
	unfair = -bound % bound;
	do
		product = (unsigned __int128)random_u64(r) * bound;
	while ((uint64_t)product < unfair);
	return (uint64_t)(product >> 64);
}

bool random_chance(struct random *r, uint64_t numerator, uint64_t denominator)
{
	return random_below(r, denominator) < numerator;
}

void random_bytes(struct random *r, void *to, size_t len_bytes)
{
	uint8_t *p = to;

	while (len_bytes > 0) {
		uint64_t v = random_u64(r);

		for (int i = 0; i < 8 && len_bytes > 0; i++, len_bytes--, v >>= 8)
			*p++ = (uint8_t)v;
	}
}
