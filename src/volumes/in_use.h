/* Is a volume in use by who mounted it? IDs of dead holders are found out, and forgotten. */
#ifndef QUOIN_VOLUMES_IN_USE_H
#define QUOIN_VOLUMES_IN_USE_H

struct op;

/*
 * `then` with 0: nobody holds op->name's mount; -EBUSY with words: an ID of this generation, or an older one
 * whose filesystem some mount namespace still holds. The blocking part is done elsewhere.
 */
void in_use_check(struct op *op, void (*then)(struct op *op, int rc));

#endif
