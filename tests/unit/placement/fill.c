/* Big clusters: how evenly they fill, and how long a choice takes. */
#include "property.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LOADED      20u /* times slower: under valgrind or a sanitizer */
#define FILL_NODES  30u
#define FILL_POOLS  60u
#define TIMED_RUNS  8u
#define ZONES_COUNT 3u

static const char *const zones[ZONES_COUNT] = { "a", "b", "c" };

static void pools_make(struct placement_pool *pools, char (*names)[16], unsigned nodes, unsigned count,
	struct random *random)
{
	for (unsigned i = 0; i < nodes; i++)
		(void)snprintf(names[i], sizeof(names[i]), "node-%u", i);
	for (unsigned i = 0; i < count; i++) {
		unsigned node = i % nodes;
		uint64_t size = (1000 + 500 * (uint64_t)(i / ZONES_COUNT % 5)) * 16 * GIB;

		pools[i] = (struct placement_pool){
			.pool = uuid_random(random),
			.name = "pool",
			.node = names[node],
			.region = "region",
			.zone = zones[node % ZONES_COUNT],
			.rack = "rack",
			.host = names[node],
			.tier = TIER_HIGH,
			.node_live = true,
			.ok = true,
			.size_bytes = size,
			.limit_bytes = 2 * size,
		};
	}
}

static struct placement_request request_make(struct random *random)
{
	return (struct placement_request){
		.volume = uuid_random(random),
		.class_name = "test",
		.size_bytes = (1 + random_below(random, 40)) * GIB,
		.replicas = 3,
		.tiers = CLASS_TIERS_ANY,
		.spread = CLASS_SPREAD_ZONE,
	};
}

void spread_check(uint64_t seed, unsigned volumes)
{
	static struct placement_pool pools[FILL_POOLS];
	static char names[FILL_NODES][16];
	struct random random;
	double most = 0, least = 1e9, mean = 0;

	random_init(&random, seed);
	pools_make(pools, names, FILL_NODES, FILL_POOLS, &random);
	for (unsigned v = 0; v < volumes; v++) {
		struct placement_request request = request_make(&random);
		struct placement_result result;

		request.size_bytes = request.size_bytes * 10000 / volumes;
		if (placement_choose(&request, pools, FILL_POOLS, &result, NULL) != 0) {
			violation(seed, "no room, though all is half empty");
			return;
		}
		for (unsigned i = 0; i < result.count; i++) {
			pools[result.index[i]].provisioned_bytes += request.size_bytes;
			pools[result.index[i]].replica_count++;
		}
	}
	for (unsigned i = 0; i < FILL_POOLS; i++) {
		double full = (double)pools[i].provisioned_bytes / (double)pools[i].limit_bytes;

		most = full > most ? full : most;
		least = full < least ? full : least;
		mean += full / FILL_POOLS;
	}
	(void)printf("%u volumes: pools %.2f %% full in the mean, %.2f %% to %.2f %%\n", volumes, 100 * mean,
		100 * least, 100 * most);
	if (most > mean * 1.05 || least < mean * 0.95)
		violation(seed, "pools are filled unevenly");
}

/* Processor time: others' load doesn't count. */
static double now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* The least of some runs; negative: another answer than rc. */
static double timed(
	struct placement_request *request, const struct placement_pool *pools, unsigned count, int rc)
{
	struct placement_result result;
	struct error error;
	double best = 1e9;

	for (unsigned i = 0; i < TIMED_RUNS; i++) {
		double from = now_ms(), took;

		request->volume.byte[0] = (uint8_t)i;
		if (placement_choose(request, pools, count, &result, &error) != rc)
			return -1;
		took = now_ms() - from;
		best = took < best ? took : best;
	}
	return best;
}

void scale_check(uint64_t seed, unsigned nodes, unsigned count, unsigned limit_ms)
{
	struct placement_pool *pools = calloc(count, sizeof(*pools));
	char(*names)[16] = calloc(nodes, sizeof(*names));
	struct placement_request request;
	struct random random;
	double chosen, refused;

	if (!pools || !names)
		abort();
	random_init(&random, seed);
	pools_make(pools, names, nodes, count, &random);
	for (unsigned i = 0; i < count; i++)
		pools[i].provisioned_bytes = random_below(&random, pools[i].limit_bytes / 2);
	request = request_make(&random);
	chosen = timed(&request, pools, count, 0);
	request.replicas = 5;
	refused = timed(&request, pools, count, -ENOSPC);
	(void)printf("%u nodes, %u pools: %.2f ms a volume, %.2f ms to refuse one\n", nodes, count, chosen,
		refused);
	if (chosen < 0 || refused < 0)
		violation(seed, "another answer on a big cluster");
	if (chosen > limit_ms * LOADED || refused > 10.0 * limit_ms * LOADED)
		violation(seed, "too slow");
	free(names);
	free(pools);
}
