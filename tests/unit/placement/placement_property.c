/*
 * Random clusters: the hard rules hold, and a solution is found whenever an exhaustive search finds one; the
 * loss of a zone leaves a quorum wherever that can be had; the order of the pools doesn't matter.
 *   placement_property [--clusters N] [--seed S]; the last line is `clusters N, violations V`.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property.h"

#define POOLS_MAX        600u
#define POOLS_EXHAUSTIVE 12u
#define GROUP_NODES_MAX  8u

struct cluster {
	size_t count;
	struct placement_pool pools[POOLS_MAX];
	char names[POOLS_MAX][5][16]; /* node, host, rack, zone, region */
	struct catalog_label labels[2];
	struct placement_request request;
	struct placement_beside beside[GROUP_MAX_VOTERS];
	const char *group_nodes[GROUP_NODES_MAX];
	char group_names[GROUP_NODES_MAX][16];
	struct selector selector;
};

unsigned violations;

void violation(uint64_t seed, const char *what)
{
	if (violations++ < 20)
		(void)printf("seed %llu: %s\n", (unsigned long long)seed, what);
}

static uint64_t below(struct random *random, uint64_t bound)
{
	return random_below(random, bound);
}

/* ---- a cluster ---- */

/* Nodes lie in hosts, hosts in racks, racks in zones: names repeat in different places on purpose. */
static void pool_make(struct cluster *cluster, size_t i, struct random *random, const unsigned most[static 3])
{
	unsigned zone = (unsigned)below(random, most[0]);
	unsigned host = (unsigned)below(random, most[1]);
	unsigned node = (unsigned)below(random, most[2]);
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
		.labels = cluster->labels,
		.label_count = (unsigned)random_below(&fixed, 3),
		.ok = below(random, 10) != 0,
		.draining = random_below(&fixed, 15) == 0,
		.size_bytes = (1 + below(random, 100)) * GIB,
		.replica_count = (uint32_t)below(random, 50),
		.replica_limit = below(random, 4) == 0 ? 0 : 5 + (uint32_t)below(random, 60),
		.load_percent = below(random, 2) == 0 ? 0 : (uint32_t)below(random, 120),
	};
	pool->limit_bytes = 2 * pool->size_bytes;
	pool->provisioned_bytes = below(random, 4) == 0 ? 0 : below(random, pool->limit_bytes + GIB);
	pool->used_bytes = below(random, pool->size_bytes + 1);
}

/* Up to two copies that stay or go, each on one of the pools; perhaps a group, perhaps a selector. */
static void limits_make(struct cluster *cluster, struct random *random)
{
	static const char *const selectors[] = { "zone=z0|z1", "zone!=z2", "label.disk=nvme",
		"rack=r0,node!=n0", "label.disk!=nvme,label.site=east", "pool=p", "host=h0|h1" };
	struct placement_request *request = &cluster->request;

	if (cluster->count > 0 && below(random, 3) == 0) {
		request->beside = cluster->beside;
		request->beside_count = 1 + (unsigned)below(random, 2);
		for (unsigned i = 0; i < request->beside_count; i++) {
			const struct placement_pool *pool = &cluster->pools[below(random, cluster->count)];

			cluster->beside[i] = (struct placement_beside){ .pool = pool->pool,
				.node = pool->node,
				.region = pool->region,
				.zone = pool->zone,
				.rack = pool->rack,
				.host = pool->host,
				.leaves = below(random, 3) == 0 };
		}
	}
	if (below(random, 3) == 0 &&
		selector_parse(selectors[below(random, sizeof(selectors) / sizeof(selectors[0]))],
			&cluster->selector, NULL) == 0)
		request->selector = &cluster->selector;
	if (cluster->count == 0 || below(random, 3) != 0)
		return;
	request->group_rule = 1 + (enum class_group_rule)below(random, 2);
	request->group_node_count = below(random, GROUP_NODES_MAX + 1);
	for (size_t i = 0; i < request->group_node_count; i++) {
		(void)snprintf(cluster->group_names[i], 16, "%s",
			cluster->pools[below(random, cluster->count)].node);
		cluster->group_nodes[i] = cluster->group_names[i];
	}
	for (size_t i = 1; i < request->group_node_count; i++)
		for (size_t j = i; j > 0 && strcmp(cluster->group_nodes[j - 1], cluster->group_nodes[j]) > 0;
			j--) {
			const char *swap = cluster->group_nodes[j];

			cluster->group_nodes[j] = cluster->group_nodes[j - 1];
			cluster->group_nodes[j - 1] = swap;
		}
	request->group_nodes = cluster->group_nodes;
}

static void cluster_make(struct cluster *cluster, struct random *random)
{
	static const struct catalog_label labels[2] = { { "disk", "nvme" }, { "site", "east" } };
	size_t most = below(random, 8) == 0 ? POOLS_MAX : POOLS_EXHAUSTIVE;
	unsigned places[3] = { 1 + (unsigned)below(random, 5), 1 + (unsigned)below(random, 4),
		1 + (unsigned)below(random, 3) };

	memcpy(cluster->labels, labels, sizeof(labels));
	cluster->count = below(random, most + 1);
	for (size_t i = 0; i < cluster->count; i++)
		pool_make(cluster, i, random, places);
	cluster->request = (struct placement_request){
		.volume = uuid_random(random),
		.class_name = "test",
		.size_bytes = (1 + below(random, 60)) * GIB,
		.replicas = 1 + (unsigned)below(random, GROUP_MAX_VOTERS),
		.tiers = below(random, 2) == 0 ? CLASS_TIERS_ANY : CLASS_TIER(1 + below(random, 3)),
		.spread = (enum class_spread)(1 + below(random, CLASS_SPREAD_LAST)),
	};
	if (cluster->count > 0 && below(random, 2) == 0) {
		cluster->request.near = cluster->pools[0].node;
		cluster->request.near_percent = (unsigned)below(random, 150);
	}
	limits_make(cluster, random);
}

/* ---- the rules once more, in other words than the code's ---- */

static bool in_zone(const struct placement_pool *a, const char *region, const char *zone)
{
	return strcmp(a->region, region) == 0 && strcmp(a->zone, zone) == 0;
}

static bool pair_may(const struct placement_request *request, const struct placement_pool *a,
	const struct placement_pool *b)
{
	bool zone = in_zone(a, b->region, b->zone);
	bool rack = zone && strcmp(a->rack, b->rack) == 0;
	bool host = rack && a->host[0] != 0 && strcmp(a->host, b->host) == 0;

	if (strcmp(a->node, b->node) == 0 || host)
		return false;
	return request->spread == CLASS_SPREAD_ZONE   ? !zone
	       : request->spread == CLASS_SPREAD_RACK ? !rack
						      : true;
}

static bool selector_may(const struct selector *selector, const struct placement_pool *pool)
{
	bool nvme = pool->label_count > 0;
	bool east = pool->label_count > 1;
	const char *text = selector->term_count ? selector->text : "";

	/* The parser has cut the text: its first term tells which it was. */
	if (selector->term_count == 2)
		return strcmp(text, "rack") == 0
			       ? strcmp(pool->rack, "r0") == 0 && strcmp(pool->node, "n0") != 0
			       : !nvme && east;
	if (strcmp(text, "zone") == 0)
		return strcmp(pool->zone, "z2") != 0; /* there are z0, z1, z2: both mean the same */
	if (strcmp(text, "label.disk") == 0)
		return nvme;
	if (strcmp(text, "host") == 0)
		return pool->host[0] != 0;
	return true;
}

static bool group_may(const struct placement_request *request, const struct placement_pool *pool)
{
	bool has = false;

	for (size_t i = 0; i < request->group_node_count; i++)
		has = has || strcmp(request->group_nodes[i], pool->node) == 0;
	return request->group_node_count == 0 || request->group_rule == CLASS_GROUP_NONE ||
	       (request->group_rule == CLASS_GROUP_APART ? !has : has);
}

static bool pool_may(const struct placement_request *request, const struct placement_pool *pool)
{
	bool may = request->tiers == CLASS_TIERS_ANY || (request->tiers >> pool->tier & 1) != 0;

	may = may && pool->node_live && pool->ok && !pool->draining &&
	      pool->provisioned_bytes + request->size_bytes <= pool->limit_bytes &&
	      pool->used_bytes * 100 < pool->size_bytes * PLACEMENT_FULL_PERCENT &&
	      (pool->replica_limit == 0 || pool->replica_count + 1 <= pool->replica_limit) &&
	      (!request->selector || selector_may(request->selector, pool)) && group_may(request, pool);
	for (unsigned i = 0; may && i < request->beside_count; i++) {
		const struct placement_beside *beside = &request->beside[i];
		struct placement_pool there = { .node = beside->node,
			.region = beside->region,
			.zone = beside->zone,
			.rack = beside->rack,
			.host = beside->host };

		may = !uuid_equal(beside->pool, pool->pool) &&
		      (beside->leaves || pair_may(request, pool, &there));
	}
	return may;
}

/* ---- checks ---- */

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
			violation(seed, "a pool that breaks a rule");
			return;
		}
		for (unsigned j = 0; j < i; j++) {
			if (!pair_may(&cluster->request, &cluster->pools[result->index[i]],
				    &cluster->pools[result->index[j]]))
				violation(seed, "two copies too close");
		}
	}
}

/* Copies in the pool's zone: of those chosen, and of those that stay. */
static unsigned zone_copies(const struct cluster *cluster, const struct placement_result *result,
	const struct placement_pool *pool)
{
	unsigned copies = 0;

	for (unsigned i = 0; i < result->count; i++)
		copies += in_zone(
			pool, cluster->pools[result->index[i]].region, cluster->pools[result->index[i]].zone);
	for (unsigned i = 0; i < cluster->request.beside_count; i++)
		copies += !cluster->beside[i].leaves &&
			  in_zone(pool, cluster->beside[i].region, cluster->beside[i].zone);
	return copies;
}

/* Whether pool i is the first that may be taken of its host. */
static bool host_first(const struct cluster *cluster, size_t i)
{
	struct placement_request hosts = cluster->request;

	hosts.spread = CLASS_SPREAD_HOST;
	for (size_t j = 0; j < i; j++)
		if (pool_may(&cluster->request, &cluster->pools[j]) &&
			!pair_may(&hosts, &cluster->pools[i], &cluster->pools[j]))
			return false;
	return true;
}

/*
 * Any one zone is lost: those left are a quorum, wherever that can be had at all. With strict zones, from
 * three copies on it always can. With preferred ones: where the hosts of the zones, each counted up to less
 * than half of the copies, are enough for all. (Copies that stay may be anywhere: not looked at then.)
 */
static void zone_loss_check(
	const struct cluster *cluster, const struct placement_result *result, uint64_t seed)
{
	const struct placement_request *request = &cluster->request;
	unsigned spare = (request->replicas - 1) / 2, room = 0, most = 0;

	if (request->replicas < 3 || request->beside_count > 0 || request->spread == CLASS_SPREAD_RACK ||
		request->spread == CLASS_SPREAD_HOST)
		return;
	for (unsigned i = 0; i < result->count; i++) {
		unsigned copies = zone_copies(cluster, result, &cluster->pools[result->index[i]]);

		most = copies > most ? copies : most;
	}
	if (result->relaxed != (most > 1))
		violation(seed, "two copies share a zone, and it isn't said; or they don't, and it is");
	for (size_t i = 0; i < cluster->count; i++) {
		unsigned before = 0;

		if (!pool_may(request, &cluster->pools[i]) || !host_first(cluster, i))
			continue;
		for (size_t j = 0; j < i; j++)
			before += in_zone(&cluster->pools[i], cluster->pools[j].region,
					  cluster->pools[j].zone) &&
				  pool_may(request, &cluster->pools[j]) && host_first(cluster, j);
		room += before < spare;
	}
	if (most > spare && (request->spread == CLASS_SPREAD_ZONE || room >= request->replicas))
		violation(seed, "the loss of one zone takes the quorum");
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
		bool may = pool_may(&cluster->request, &cluster->pools[i]);

		if (explains[i].text[0] == 0)
			violation(seed, "a pool without an explanation");
		if (!may && explains[i].verdict == PLACEMENT_TAKEN)
			violation(seed, "an explanation that takes what may not be taken");
		if (may && explains[i].verdict != PLACEMENT_TAKEN && explains[i].verdict < PLACEMENT_HOST)
			violation(seed, "an explanation that names a rule which isn't broken");
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
		zone_loss_check(&cluster, &result, seed);
		order_check(&cluster, &result, &random, seed);
	} else if (rc != -ENOSPC || strncmp(error.text, "class test needs", 16) != 0 ||
		   !strstr(error.text, "; what would help: ")) {
		violation(seed, "another error than -ENOSPC with words and advice");
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
	/* Whole clusters, filled: a few are enough. */
	spread_check(seed, clusters >= 100000 ? 10000 : 1000);
	scale_check(seed, 1000, 5000, 5);
	scale_check(seed, 10000, 50000, 50);
	(void)printf("clusters %lu, violations %u\n", clusters, violations);
	return violations > 0;
}
