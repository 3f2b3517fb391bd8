/*
 * Random clusters: the hard rules hold, and a solution is found whenever an exhaustive search finds one.
 *   placement_property [--clusters N] [--seed S]; the last line is `clusters N, violations V`.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "placement/placement.h"

#define POOLS_MAX        600u
#define POOLS_EXHAUSTIVE 12u
#define GIB              (UINT64_C(1) << 30)

struct cluster {
	size_t count;
	struct placement_pool pools[POOLS_MAX];
	char names[POOLS_MAX][5][16]; /* node, host, rack, zone, region */
	struct placement_request request;
};

static unsigned violations;

static void violation(uint64_t seed, const char *what)
{
	if (violations++ < 20)
		(void)printf("seed %llu: %s\n", (unsigned long long)seed, what);
}

static uint64_t below(struct random *random, uint64_t bound)
{
	return random_below(random, bound);
}

/* Nodes lie in hosts, hosts in racks, racks in zones: names repeat in different places on purpose. */
static void cluster_make(struct cluster *cluster, struct random *random)
{
	size_t most = below(random, 4) == 0 ? POOLS_MAX : POOLS_EXHAUSTIVE;
	unsigned zones = 1 + (unsigned)below(random, 5);
	unsigned hosts = 1 + (unsigned)below(random, 4);
	unsigned nodes = 1 + (unsigned)below(random, 3);

	cluster->count = below(random, most + 1);
	for (size_t i = 0; i < cluster->count; i++) {
		unsigned zone = (unsigned)below(random, zones);
		unsigned host = (unsigned)below(random, hosts);
		unsigned node = (unsigned)below(random, nodes);
		uint64_t place = (zone * 16 + host) * 16 + node;
		struct placement_pool *pool = &cluster->pools[i];
		struct random fixed; /* what a node has in common for all its pools */

		random_init(&fixed, place + 1);
		(void)snprintf(cluster->names[i][0], 16, "n%llu", (unsigned long long)place);
		(void)snprintf(cluster->names[i][1], 16, "%s", host == 3 ? "" : host == 0 ? "h0" : "h1");
		(void)snprintf(cluster->names[i][2], 16, "r%u", host / 2);
		(void)snprintf(cluster->names[i][3], 16, "z%u", zone % 3);
		(void)snprintf(cluster->names[i][4], 16, "g%u", zone / 3);
		*pool = (struct placement_pool){
			.pool = uuid_random(random),
			.name = "p",
			.node = cluster->names[i][0],
			.host = cluster->names[i][1],
			.rack = cluster->names[i][2],
			.zone = cluster->names[i][3],
			.region = cluster->names[i][4],
			.tier = (enum tier)below(random, 4),
			.node_live = random_below(&fixed, 10) != 0,
			.ok = below(random, 10) != 0,
			.size_bytes = (1 + below(random, 100)) * GIB,
		};
		pool->limit_bytes = 2 * pool->size_bytes;
		pool->provisioned_bytes = below(random, 4) == 0 ? 0 : below(random, pool->limit_bytes + GIB);
		pool->used_bytes = below(random, pool->size_bytes + 1);
	}
	cluster->request = (struct placement_request){
		.volume = uuid_random(random),
		.class_name = "test",
		.size_bytes = (1 + below(random, 60)) * GIB,
		.replicas = 1 + (unsigned)below(random, GROUP_MAX_VOTERS),
		.tiers = below(random, 2) == 0 ? CLASS_TIERS_ANY : CLASS_TIER(1 + below(random, 3)),
		.zones_strict = below(random, 2) == 0,
	};
}

/* The rules once more, in other words than the code's. */
static bool pool_may(const struct placement_request *request, const struct placement_pool *pool)
{
	bool tier = request->tiers == CLASS_TIERS_ANY || (request->tiers >> pool->tier & 1) != 0;

	return pool->node_live && pool->ok && tier &&
	       pool->provisioned_bytes + request->size_bytes <= pool->limit_bytes &&
	       pool->used_bytes * 100 < pool->size_bytes * PLACEMENT_FULL_PERCENT;
}

static bool pair_may(const struct placement_request *request, const struct placement_pool *a,
	const struct placement_pool *b)
{
	bool zone = strcmp(a->region, b->region) == 0 && strcmp(a->zone, b->zone) == 0;
	bool host = zone && a->host[0] != 0 && strcmp(a->rack, b->rack) == 0 && strcmp(a->host, b->host) == 0;

	if (strcmp(a->node, b->node) == 0 || host)
		return false;
	return !request->zones_strict || !zone;
}

/* Whether `left` more pools from index `from` on can be added to those chosen. */
static bool search(const struct cluster *cluster, size_t from, unsigned left, size_t chosen[], unsigned count)
{
	if (left == 0)
		return true;
	for (size_t i = from; i < cluster->count; i++) {
		bool may = pool_may(&cluster->request, &cluster->pools[i]);

		for (unsigned j = 0; j < count && may; j++)
			may = pair_may(&cluster->request, &cluster->pools[i], &cluster->pools[chosen[j]]);
		if (!may)
			continue;
		chosen[count] = i;
		if (search(cluster, i + 1, left - 1, chosen, count + 1))
			return true;
	}
	return false;
}

static void result_check(const struct cluster *cluster, const struct placement_result *result, uint64_t seed)
{
	if (result->count != cluster->request.replicas) {
		violation(seed, "another number of pools than replicas");
		return;
	}
	for (unsigned i = 0; i < result->count; i++) {
		if (result->index[i] >= cluster->count ||
			!pool_may(&cluster->request, &cluster->pools[result->index[i]])) {
			violation(seed, "a pool that is down, of another tier, or without room");
			return;
		}
		for (unsigned j = 0; j < i; j++) {
			if (!pair_may(&cluster->request, &cluster->pools[result->index[i]],
				    &cluster->pools[result->index[j]]))
				violation(seed, "two copies too close");
		}
	}
}

/* The same pools in another order, and the same answer. */
static void order_check(const struct cluster *cluster, const struct placement_result *result,
	struct random *random, uint64_t seed)
{
	static struct placement_pool shuffled[POOLS_MAX];
	struct placement_result again;
	struct error error;

	memcpy(shuffled, cluster->pools, cluster->count * sizeof(shuffled[0]));
	for (size_t i = cluster->count; i > 1; i--) {
		size_t j = below(random, i);
		struct placement_pool swap = shuffled[i - 1];

		shuffled[i - 1] = shuffled[j];
		shuffled[j] = swap;
	}
	if (placement_choose(&cluster->request, shuffled, cluster->count, &again, &error) != 0) {
		violation(seed, "in another order nothing is found");
		return;
	}
	for (unsigned i = 0; i < result->count; i++) {
		if (!uuid_equal(shuffled[again.index[i]].pool, cluster->pools[result->index[i]].pool)) {
			violation(seed, "in another order another answer");
			return;
		}
	}
}

static void explain_check(const struct cluster *cluster, const struct placement_result *result,
	const struct placement_explain *explains, bool found, uint64_t seed)
{
	for (size_t i = 0; i < cluster->count; i++) {
		bool taken = false;

		if (explains[i].text[0] == 0)
			violation(seed, "a pool without an explanation");
		if (!found)
			continue;
		for (unsigned j = 0; j < result->count; j++)
			taken = taken || result->index[j] == i;
		if (taken != (explains[i].verdict == PLACEMENT_TAKEN))
			violation(seed, "an explanation that contradicts the choice");
	}
}

static void cluster_check(uint64_t seed)
{
	static struct cluster cluster;
	static struct placement_explain explains[POOLS_MAX];
	struct placement_result result = { 0 };
	struct random random;
	struct error error;
	size_t chosen[GROUP_MAX_VOTERS];
	int rc;

	random_init(&random, seed);
	cluster_make(&cluster, &random);
	memset(explains, 0, sizeof(explains));
	rc = placement_explain(&cluster.request, cluster.pools, cluster.count, &result, explains, &error);
	if (rc == 0) {
		result_check(&cluster, &result, seed);
		order_check(&cluster, &result, &random, seed);
	} else if (rc != -ENOSPC || strncmp(error.text, "class test needs", 16) != 0) {
		violation(seed, "another error than -ENOSPC with words");
	}
	explain_check(&cluster, &result, explains, rc == 0, seed);
	if (cluster.count <= POOLS_EXHAUSTIVE &&
		search(&cluster, 0, cluster.request.replicas, chosen, 0) != (rc == 0))
		violation(seed, rc == 0 ? "found what can't be" : "not found, though it can be had");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "clusters", required_argument, NULL, 'c' },
		{ "seed", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long clusters = 3000;
	uint64_t seed = 1;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			clusters = strtoul(optarg, NULL, 10);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	for (unsigned long i = 0; i < clusters; i++)
		cluster_check(seed + i);
	(void)printf("clusters %lu, violations %u\n", clusters, violations);
	return violations > 0;
}
