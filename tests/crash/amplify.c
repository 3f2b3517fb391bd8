/*
 * amplify: bytes that go to the device for each byte that a user writes, by size and by how many writes are
 * in flight. On the simulated disk, which counts exactly; each write is committed as soon as it is durable.
 *
 *     amplify [--mib N]        one line a pattern
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define DISK_BYTES   (UINT64_C(8) << 30)
#define VOLUME_BYTES (UINT64_C(4) << 30)

struct pattern {
	const char *name;
	uint32_t write_bytes; /* of one entry */
	unsigned in_flight;
	bool random;
};

/* 1 MiB arrives as four entries of 256 KiB. */
static const struct pattern patterns[] = {
	{ "4 KiB random, 1 in flight", 4096, 1, true },
	{ "4 KiB random, 8 in flight", 4096, 8, true },
	{ "4 KiB random, 32 in flight", 4096, 32, true },
	{ "64 KiB aligned random, 1 in flight", 65536, 1, true },
	{ "64 KiB aligned random, 4 in flight", 65536, 4, true },
	{ "1 MiB sequential", 262144, 4, false },
};

static struct {
	struct bench bench;
	struct random random;
	struct pool_replica *replica;
	const struct pattern *pattern;
	uint64_t appended, durable, goal, next_bytes;
} a;

static void append_more(void)
{
	while (a.appended < a.goal && a.appended - a.durable < a.pattern->in_flight &&
		pool_replica_room(a.replica) >= a.pattern->write_bytes) {
		struct entry *entry = entry_get(a.bench.entries);

		ASSERT(entry != NULL);
		entry->epoch.number = 1;
		entry->seq = ++a.appended;
		entry->op = ENTRY_WRITE;
		entry->length_bytes = a.pattern->write_bytes;
		if (a.pattern->random)
			a.next_bytes = random_below(&a.random, VOLUME_BYTES / entry->length_bytes) *
				       entry->length_bytes;
		entry->offset_bytes = a.next_bytes % VOLUME_BYTES;
		a.next_bytes += entry->length_bytes;
		entry->payload = buf_get(a.bench.bufs, a.pattern->write_bytes);
		ASSERT(entry->payload != NULL);
		entry->payload->len_bytes = a.pattern->write_bytes;
		memset(entry->payload->data, (int)(a.appended % 255) + 1, a.pattern->write_bytes);
		crc32c_blocks(entry->payload->data, a.pattern->write_bytes / BLOCK_BYTES, entry->crc);
		pool_replica_append(a.replica, entry);
		entry_put(entry);
	}
}

static void durable(void *arg, struct pool_replica *replica, uint64_t seq)
{
	(void)arg;
	a.durable = seq;
	pool_replica_commit_set(replica, seq);
	pool_replica_all_set(replica, seq);
	append_more();
}

static void measure(const struct pattern *pattern, uint64_t mib)
{
	const struct pool_replica_identity identity = { .replica = { { 3 } }, .size_bytes = VOLUME_BYTES };
	uint64_t user_bytes, device_bytes, before, batches;
	struct pool_info info, first;

	random_init(&a.random, 1);
	a.pattern = pattern;
	a.appended = a.durable = a.next_bytes = 0;
	a.goal = (mib << 20) / pattern->write_bytes;
	a.bench.disk = sim_disk_new(DISK_BYTES, 1);
	a.bench.durable = durable;
	ASSERT(bench_format(&a.bench, 0) == 0);
	ASSERT(bench_open(&a.bench) == 0);
	a.replica = bench_replica(&a.bench, &identity);
	before = sim_disk_counters(a.bench.disk)->written_bytes;
	pool_info_get(a.bench.pool, &first);
	append_more();
	while (a.durable < a.goal) {
		bench_run(&a.bench, 10 * NS_PER_MS);
		append_more(); /* where room was short */
	}
	pool_info_get(a.bench.pool, &info);
	batches = info.batches - first.batches;
	bench_run(&a.bench, 5 * NS_PER_S);
	user_bytes = a.goal * pattern->write_bytes;
	device_bytes = sim_disk_counters(a.bench.disk)->written_bytes - before;
	printf("%-36s %5.2f  (%.1f entries a batch)\n", pattern->name,
		(double)device_bytes / (double)user_bytes,
		(double)(info.batch_entries - first.batch_entries) / (double)batches);
	(void)fflush(stdout);
	bench_close(&a.bench);
	sim_disk_free(a.bench.disk);
}

int main(int argc, char **argv)
{
	uint64_t mib = 192;

	if (argc != 1 &&
		(argc != 3 || strcmp(argv[1], "--mib") != 0 || sscanf(argv[2], "%" SCNu64, &mib) != 1)) {
		fprintf(stderr, "usage: amplify [--mib N]\n");
		return 2;
	}
	bench_init(&a.bench);
	printf("%-36s bytes to the device for each of the user's\n", "");
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		measure(&patterns[i], mib);
	bench_done(&a.bench);
	return 0;
}
