/*
 * So much a second: a token bucket, kept as the time at which it is empty of debts (the generic cell rate
 * algorithm, ITU-T I.371), so that low rates lose nothing to rounding. A fifth of a second's worth can be
 * saved up; one amount may overdraw it.
 */
#ifndef QUOIN_BASE_BUDGET_H
#define QUOIN_BASE_BUDGET_H

#include <stdint.h>

struct budget {
	uint64_t per_s;   /* 0: no limit */
	uint64_t paid_ns; /* when all that was spent is earned again */
};

/* 0: something may be spent now; else the time at which to ask again, later than now_ns. NULL: no limit. */
uint64_t budget_later_ns(const struct budget *budget, uint64_t now_ns);
/* amount at most 2^32; also more than there is. NULL: nothing happens. */
void budget_spend(struct budget *budget, uint64_t amount, uint64_t now_ns);
/* Both: 0: spent; else the time at which to ask again. */
uint64_t budget_take(struct budget *budget, uint64_t amount, uint64_t now_ns);

#endif
