/* Inside placement: the choice in progress. */
#ifndef QUOIN_PLACEMENT_PRIVATE_H
#define QUOIN_PLACEMENT_PRIVATE_H

#include "placement/placement.h"

#define NONE SIZE_MAX

typedef bool (*same_fn)(const struct placement_pool *, const struct placement_pool *);

/* A host and its best pool; or a zone (or rack) and its best host's pool. */
struct place {
	size_t best; /* index of a pool; NONE: an empty slot */
	bool taken;
};

/* Places by their path, open addressing. */
struct places {
	struct place *slots;
	size_t capacity; /* power of two, at least twice the pools */
	size_t count;    /* places with a pool */
};

struct choice {
	const struct placement_request *request;
	const struct placement_pool *pools;
	size_t count;
	struct placement_explain *explains; /* NULL: nobody asks */
	const unsigned *objections;         /* of each pool, known already; NULL: looked for as needed */
	unsigned ignored;                   /* verdicts, a bit each, that are no objection: for advice */
	bool by_room;                       /* the one with the most room is the best: for advice */
	struct places hosts;                /* only those with an eligible pool */
	struct places apart;                /* zones or racks, where the spread wants them distinct */
	size_t eligible;                    /* pools that pass the rules that concern them alone */
	struct placement_result result;
};

#define VERDICT_BIT(verdict) (1u << (verdict))

/* ---- rules.c ---- */

/*
 * The rules against one pool alone, beside copies that stay, as bits; 0 where nothing is against it. What
 * it could take is its room.
 */
unsigned pool_objections(const struct placement_request *request, const struct placement_pool *pool);
/* The first of them, TAKEN where there is none. */
enum placement_verdict pool_verdict(
	const struct placement_request *request, const struct placement_pool *pool);
uint64_t pool_room_bytes(const struct placement_pool *pool);
struct selector_subject pool_subject(const struct placement_pool *pool);
bool same_zone(const struct placement_pool *a, const struct placement_pool *b);
bool same_rack(const struct placement_pool *a, const struct placement_pool *b);
bool same_host(const struct placement_pool *a, const struct placement_pool *b);
/* As one of the above sees it: a copy that stays, as a pool. */
struct placement_pool beside_pool(const struct placement_beside *beside);
/* What the spread wants distinct: one of the above, and "zone", "rack" or "host". */
same_fn spread_same(enum class_spread spread);
const char *spread_place(enum class_spread spread);

/* ---- placement.c ---- */

/* Fills in choice->hosts and ->apart. -ENOMEM. choice_done() frees them, also then. */
int choice_places(struct choice *choice) MUST_CHECK;
/* How many copies there is a place for. */
size_t choice_room(const struct choice *choice);
/* Takes the best pools, as many as there are places for, up to request->replicas. */
void choice_take(struct choice *choice);
void choice_done(struct choice *choice);

/* ---- words.c, advice.c ---- */

/* Fills in the explanations after the choice. */
void choice_explain(struct choice *choice);
/* The words for a choice that failed. Returns -ENOSPC. */
int choice_words(const struct choice *choice, struct error *error);

/* A text that grows up to its end, and then stays as it is. */
struct text {
	char *at;
	size_t left;
};

void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "high/medium ", nothing for any tier. */
void tiers_add(struct text *text, unsigned tiers);

#endif
