#include "volumes/threads.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "volumes/manager.h"

#define LISTEN_TRIES    60u
#define LISTEN_PAUSE_US 50000u
#define ENTRY_COUNT     65536u
/* A thread has at least so much, whatever its share would be. */
#define BUFFER_MIN_BYTES (UINT64_C(64) << 20)

_Static_assert(CONFIG_MAX_THREADS <= DATAPLANE_MAX_THREADS && CONFIG_MAX_THREADS <= ATTACH_MAX_LOOPS,
	"as many as the configuration may ask for");

/* ---- life ---- */

static void thread_wake(void *user)
{
	struct volumes *volumes = user;

	uv_async_send(&volumes->wake);
}

static void thread_event(void *user, const char *kind, const char *subject, const char *text)
{
	manager_event(user, kind, pools_name_of(user, subject), "%s", text);
}

/* What all may take together is shared out evenly. */
static struct dataplane_config thread_config(struct volumes *volumes, unsigned thread, unsigned count)
{
	struct dataplane_config config = {
		.thread = thread,
		.threads = count,
		.others = volumes->dataplanes,
		.listen = volumes->config.listen,
		.buffer_bytes = volumes->config.buffer_bytes / count,
		.entry_count = ENTRY_COUNT / count,
		.lease_ms = (uint32_t)volumes->config.group_lease_ms,
		.resync_bytes_per_s = volumes->config.resync_bytes_per_s / count,
		.compare_every_ms = volumes->config.scrub_every_ms,
		.compare_bytes_per_s = volumes->config.scrub_bytes_per_s / count,
		.snapshot_cache_bytes = volumes->config.snapshot_cache_bytes / count,
		.wake = thread_wake,
		.event = thread_event,
		.user = volumes,
	};

	if (config.buffer_bytes < BUFFER_MIN_BYTES)
		config.buffer_bytes = BUFFER_MIN_BYTES;
	memcpy(config.node, volumes->config.node, sizeof(config.node));
	memcpy(config.key, volumes->key, sizeof(config.key));
	return config;
}

static int thread_start(struct volumes *volumes, unsigned thread, struct error *error)
{
	struct dataplane_config config = thread_config(volumes, thread, volumes->thread_count);

	/* The socket of a killed agent lives on until the kernel has ended that process's io_uring. */
	for (unsigned tries = 0;; tries++) {
		int rc = dataplane_start(&config, &volumes->dataplanes[thread], error);

		if (rc != -EADDRINUSE || tries == LISTEN_TRIES)
			return rc;
		usleep(LISTEN_PAUSE_US);
	}
}

int threads_start(struct volumes *volumes, struct error *error)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int rc = 0;

	volumes->thread_count = config_threads(&volumes->config, cores > 0 ? (unsigned)cores : 1);
	for (unsigned i = volumes->thread_count; i > 0 && rc == 0; i--)
		rc = thread_start(volumes, i - 1, error);
	if (rc != 0)
		threads_stop(volumes);
	return rc;
}

void threads_drain(struct volumes *volumes)
{
	for (unsigned i = 0; i < volumes->thread_count; i++)
		if (volumes->dataplanes[i])
			dataplane_drain(volumes->dataplanes[i]);
}

void threads_stop(struct volumes *volumes)
{
	for (unsigned i = 0; i < volumes->thread_count; i++) {
		dataplane_stop(volumes->dataplanes[i]);
		volumes->dataplanes[i] = NULL;
	}
}

/* ---- who has what ---- */

unsigned threads_of_pool(const struct volumes *volumes, struct uuid pool)
{
	return datapath_thread(pool, volumes->thread_count);
}

unsigned threads_of_volume(
	const struct volumes *volumes, struct uuid volume, const struct volume_shards *shards)
{
	for (unsigned s = 0; s < shards->count; s++) {
		const struct shard_members *members = &shards->members[s];

		for (unsigned i = 0; i < members->voter_count; i++)
			if (strcmp(members->voters[i].node, volumes->config.node) == 0)
				return threads_of_pool(volumes, members->voters[i].pool);
	}
	return threads_of_pool(volumes, volume);
}

struct uuid threads_pool_uuid(struct volumes *volumes)
{
	unsigned pools[DATAPLANE_MAX_THREADS] = { 0 };
	unsigned fewest = 0;
	struct uuid uuid;

	list_for_each (node, &volumes->pools) {
		const struct local_pool *pool = list_entry(node, struct local_pool, node);

		if (pool->has_thread)
			pools[pool->thread]++;
	}
	for (unsigned i = 1; i < volumes->thread_count; i++)
		if (pools[i] < pools[fewest])
			fewest = i;
	do
		uuid = uuid_random(&volumes->random);
	while (threads_of_pool(volumes, uuid) != fewest);
	return uuid;
}
