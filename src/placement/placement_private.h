/* Inside placement: the choice in progress. */
#ifndef QUOIN_PLACEMENT_PRIVATE_H
#define QUOIN_PLACEMENT_PRIVATE_H

#include "placement/placement.h"

#define NONE SIZE_MAX

/* A host and its best pool; or a zone and its best host's pool. */
struct place {
	size_t best; /* index of a pool; NONE: an empty slot */
	bool taken;
};

/* Places by their path, open addressing. */
struct places {
	struct place *slots;
	size_t capacity; /* power of two, at least twice the pools */
};

struct choice {
	const struct placement_request *request;
	const struct placement_pool *pools;
	size_t count;
	struct placement_explain *explains; /* NULL: nobody asks */
	struct places hosts;                /* only those with an eligible pool */
	size_t eligible;                    /* pools that pass the rules that concern them alone */
	size_t host_count, zone_count;      /* with an eligible pool */
	struct placement_result result;
};

/* The verdict about one pool alone, TAKEN where nothing is against it; room is what it could take. */
enum placement_verdict pool_verdict(
	const struct placement_request *request, const struct placement_pool *pool);
uint64_t pool_room_bytes(const struct placement_pool *pool);
bool same_zone(const struct placement_pool *a, const struct placement_pool *b);
bool same_host(const struct placement_pool *a, const struct placement_pool *b);
/* Order by score: < 0 where a is to be preferred. Total: 0 only for a pool and itself. */
int score_compare(const struct placement_request *request, const struct placement_pool *a,
	const struct placement_pool *b);

/* Fills in the explanations after the choice. */
void choice_explain(struct choice *choice);
/* The words for a choice that failed. Returns -ENOSPC. */
int choice_words(const struct choice *choice, struct error *error);

#endif
