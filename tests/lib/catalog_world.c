/* Nodes' catalogs in virtual time. */
#include "catalog_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t virtual_now_ns;

static uint64_t virtual_now(const struct clock *clock)
{
	(void)clock;
	return virtual_now_ns;
}

static const struct clock virtual_clock = { .now_ns = virtual_now, .wall_ns = virtual_now };

uint64_t world_now_ns(void)
{
	return virtual_now_ns;
}

struct world *world_new(uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));

	ASSERT(world);
	virtual_now_ns = 1000000 * NS_PER_S;
	random_init(&world->random, seed);
	memset(world->key, 0x5a, sizeof(world->key));
	ASSERT(loop_init(&world->loop, &virtual_clock) == 0);
	loop_run_due(&world->loop);
	world->sim = kvdb_sim_new(&world->loop, seed);
	return world;
}

void world_turn(struct world *world)
{
	uint64_t due_ns = loop_next_due_ns(&world->loop);
	uint64_t most_ns = virtual_now_ns + 20 * NS_PER_MS;

	virtual_now_ns = due_ns > most_ns ? most_ns : due_ns > virtual_now_ns ? due_ns : virtual_now_ns;
	loop_run_due(&world->loop);
}

void world_sleep(struct world *world, uint64_t ms)
{
	uint64_t until_ns = virtual_now_ns + ms * NS_PER_MS;

	while (virtual_now_ns < until_ns)
		world_turn(world);
}

bool world_wait(struct world *world, const bool *done)
{
	uint64_t until_ns = virtual_now_ns + 60 * NS_PER_S;

	while (!*done && virtual_now_ns < until_ns)
		world_turn(world);
	return *done;
}

static void closed(void *arg)
{
	*(bool *)arg = true;
}

void world_close(struct world *world, unsigned i, bool leave)
{
	struct world_node *node = &world->nodes[i];
	bool done = false;

	catalog_close(node->catalog, leave, closed, &done);
	ASSERT(world_wait(world, &done));
	node->catalog = NULL;
}

void world_kill(struct world *world, unsigned i)
{
	kvdb_sim_cut(world->nodes[i].kvdb, true);
}

void world_free(struct world *world)
{
	for (unsigned i = 0; i < WORLD_NODES; i++) {
		if (world->nodes[i].catalog)
			world_close(world, i, false);
	}
	kvdb_sim_free(world->sim);
	loop_done(&world->loop);
	free(world);
}

/* ---- nodes ---- */

struct uuid world_uuid(const char *text)
{
	struct uuid uuid = { 0 };
	struct random random;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const char *at = text; *at; at++)
		hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
	random_init(&random, hash);
	uuid = uuid_random(&random);
	return uuid;
}

struct uuid world_pool(unsigned i)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "pool%u", i);
	return world_uuid(text);
}

static void on_opened(void *user)
{
	struct world_node *node = user;

	node->opened = true;
	if (node->moved)
		node->moved(node);
}

static void on_changed(void *user, const struct catalog_change *changes, unsigned count)
{
	struct world_node *node = user;

	(void)changes;
	node->changes += count;
	if (node->moved)
		node->moved(node);
}

static void on_trouble(void *user, int rc, const struct error *error)
{
	struct world_node *node = user;

	node->troubles++;
	node->trouble_rc = rc;
	(void)snprintf(node->trouble, sizeof(node->trouble), "%s", error->text);
}

void world_open_begin(struct world *world, unsigned i, void (*moved)(struct world_node *node))
{
	struct world_node *node = &world->nodes[i];
	struct catalog_options options;
	char text[32];

	ASSERT(i < WORLD_NODES && !node->catalog);
	*node = (struct world_node){ .world = world, .moved = moved };
	(void)snprintf(node->record.name, sizeof(node->record.name), "n%u", i);
	(void)snprintf(node->record.zone, sizeof(node->record.zone), "z%u", i);
	(void)snprintf(node->record.host, sizeof(node->record.host), "h%u", i);
	(void)snprintf(node->record.address, sizeof(node->record.address), "127.0.0.1:742%u", i);
	(void)snprintf(text, sizeof(text), "node%u", i);
	node->record.node = world_uuid(text);
	options = (struct catalog_options){
		.cluster = "test",
		.node = world->whole ? NULL : node->record.name,
		.opened = on_opened,
		.changed = on_changed,
		.trouble = on_trouble,
		.user = node,
		.seed = random_u64(&world->random) | 1,
		.list_page = 3, /* what is read in pages is read in many */
	};
	node->session = uuid_random(&world->random);
	node->kvdb = kvdb_sim_open(world->sim);
	ASSERT(catalog_open(node->kvdb, &options, &node->catalog, NULL) == 0);
}

struct catalog *world_open(struct world *world, unsigned i)
{
	world_open_begin(world, i, NULL);
	(void)world_wait(world, &world->nodes[i].opened);
	return world->nodes[i].catalog;
}

struct catalog *world_start(struct world *world, unsigned i, uint64_t pool_bytes)
{
	struct catalog *catalog = world_open(world, i);
	struct world_answer answer = { 0 };
	struct catalog_pool pool = { .pool = world_pool(i), .tier = TIER_HIGH, .size_bytes = pool_bytes };
	char text[32];

	ASSERT(world->nodes[i].opened);
	if (!catalog_cluster(catalog)) {
		catalog_cluster_init(catalog, world->key, WORLD_TIMEOUT_MS, world_done, &answer);
		ASSERT(world_wait(world, &answer.done) && (answer.rc == 0 || answer.rc == -EEXIST));
	}
	answer = (struct world_answer){ 0 };
	catalog_cluster_join(catalog, world->key, (struct uuid){ 0 }, WORLD_TIMEOUT_MS, world_done, &answer);
	ASSERT(world_wait(world, &answer.done) && answer.rc == 0);
	answer = (struct world_answer){ 0 };
	catalog_node_register(catalog, &world->nodes[i].record, world->nodes[i].session, WORLD_TIMEOUT_MS,
		world_done, &answer);
	ASSERT(world_wait(world, &answer.done) && answer.rc == 0);
	if (pool_bytes == 0)
		return catalog;
	(void)snprintf(pool.name, sizeof(pool.name), "p%u", i);
	(void)snprintf(text, sizeof(text), "n%u", i);
	pool.node = text_intern(text);
	(void)snprintf(text, sizeof(text), "/pools/%u", i);
	pool.path = text_intern(text);
	answer = (struct world_answer){ 0 };
	catalog_pool_put(catalog, &pool, WORLD_TIMEOUT_MS, world_done, &answer);
	ASSERT(world_wait(world, &answer.done) && answer.rc == 0);
	return catalog;
}

/* ---- calls ---- */

void world_done(void *arg, int rc, const struct error *error)
{
	struct world_answer *answer = arg;

	ASSERT(!answer->done);
	answer->done = true;
	answer->rc = rc;
	if (rc != 0)
		(void)snprintf(answer->error, sizeof(answer->error), "%s", error->text);
}

void world_volume_done(void *arg, int rc, const struct error *error, const struct catalog_volume *volume)
{
	struct world_answer *answer = arg;

	world_done(arg, rc, error);
	ASSERT((rc == 0) == (volume != NULL));
	if (!volume)
		return;
	answer->epoch_number = volume->epoch_number;
	answer->holder = volume->holder;
}

void world_volume_fill(struct world_volume *to, const char *name, uint64_t size_bytes, unsigned replicas)
{
	char text[NAME_MAX_LEN + 32];

	*to = (struct world_volume){ 0 };
	(void)snprintf(to->volume.name, sizeof(to->volume.name), "%s", name);
	to->volume.volume = world_uuid(name);
	to->volume.size_bytes = size_bytes;
	(void)snprintf(to->volume.class_name, sizeof(to->volume.class_name), "default");
	(void)snprintf(to->volume.fs, sizeof(to->volume.fs), "ext4");
	to->volume.shard_count = 1;
	to->volume.shards = &to->shard;
	(void)snprintf(text, sizeof(text), "%s-group", name);
	to->shard.group = world_uuid(text);
	to->shard.config_number = 1;
	to->shard.replica_count = replicas;
	to->shard.voter_count = replicas;
	for (unsigned i = 0; i < replicas; i++) {
		(void)snprintf(text, sizeof(text), "%s-replica%u", name, i);
		to->shard.replicas[i].replica = world_uuid(text);
		to->shard.replicas[i].pool = world_pool(i);
		(void)snprintf(text, sizeof(text), "n%u", i);
		to->shard.replicas[i].node = text_intern(text);
		to->shard.voters[i] = to->shard.replicas[i].replica;
	}
}

static int wait_rc(struct world *world, const struct world_answer *answer)
{
	ASSERT(world_wait(world, &answer->done));
	return answer->rc;
}

int world_create(struct world *world, unsigned i, const char *name, uint64_t size_bytes, unsigned replicas,
	struct world_answer *answer)
{
	struct world_answer own = { 0 };
	struct world_volume volume;

	world_volume_fill(&volume, name, size_bytes, replicas);
	answer = answer ? answer : &own;
	*answer = own;
	catalog_volume_create(
		world->nodes[i].catalog, &volume.volume, WORLD_TIMEOUT_MS, world_volume_done, answer);
	return wait_rc(world, answer);
}

int world_attach(struct world *world, unsigned i, const char *name, const char *attachment,
	const char *probed, struct world_answer *answer)
{
	struct world_answer own = { 0 };
	struct catalog_attach attach = { .volume = world_uuid(name), .attachment = world_uuid(attachment) };

	if (probed)
		attach.probed = world_uuid(probed);
	answer = answer ? answer : &own;
	*answer = own;
	catalog_volume_attach(world->nodes[i].catalog, &attach, WORLD_TIMEOUT_MS, world_volume_done, answer);
	return wait_rc(world, answer);
}

int world_detach(struct world *world, unsigned i, const char *name, const char *attachment)
{
	struct world_answer answer = { 0 };

	catalog_volume_detach(world->nodes[i].catalog, world_uuid(name), world_uuid(attachment),
		WORLD_TIMEOUT_MS, world_done, &answer);
	return wait_rc(world, &answer);
}

int world_delete(struct world *world, unsigned i, const char *name, struct world_answer *answer)
{
	struct world_answer own = { 0 };

	answer = answer ? answer : &own;
	*answer = own;
	catalog_volume_delete(
		world->nodes[i].catalog, world_uuid(name), WORLD_TIMEOUT_MS, world_done, answer);
	return wait_rc(world, answer);
}

struct world *world_with_volume(uint64_t seed)
{
	struct world *world = world_new(seed);
	int rc;

	for (unsigned i = 0; i < 3; i++)
		(void)world_start(world, i, UINT64_C(100) << 30);
	rc = world_create(world, 0, "v", UINT64_C(1) << 30, 3, NULL);
	ASSERT(rc == 0);
	return world;
}

const struct catalog_volume *world_find(struct world *world, unsigned by, const char *name)
{
	const struct catalog_volume *found = NULL;
	int rc = catalog_volume_find(world->nodes[by].catalog, name, &found, NULL);

	ASSERT(rc == 0);
	return found;
}

int world_removed(struct world *world, unsigned i, const char *name, unsigned replica)
{
	struct world_answer answer = { 0 };
	char text[NAME_MAX_LEN + 32];

	(void)snprintf(text, sizeof(text), "%s-replica%u", name, replica);
	catalog_replica_removed(world->nodes[i].catalog, world_uuid(name), world_uuid(text), WORLD_TIMEOUT_MS,
		world_done, &answer);
	return wait_rc(world, &answer);
}
