/*
 * big_pool: a large pool whose table is full, made without writing the data, to see how long opening takes
 * and how much memory it needs. tests/bench/start drives it.
 *
 *     big_pool make PATH --size-gib N --grains N --replicas N    a sparse file: superblocks and table only
 *                 --journal-mib N                            not 1/512 of its size; written, as a format does
 *                 --like POOL                                and of POOL's cluster and UUID: its agent opens
 * it instead big_pool open PATH [--entries N]                           opens and closes it; one JSON object
 *     big_pool fill PATH --mib N [--entries N]                   fills the journal, then dies by SIGKILL
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "store/device.h"
#include "store/ondisk.h"
#include "store/store.h"

#define CHUNK_PAGES 256u
#define WRITE_BYTES 4096u
#define DEPTH       64u

static const struct uuid cluster = { { 1 } }, pool_uuid = { { 2 } };

struct options {
	const char *command, *path, *like;
	uint64_t size_gib, journal_mib, grains, replicas, mib, entries;
};

static void die(const char *what, int rc)
{
	fprintf(stderr, "big_pool: %s: %s\n", what, strerror(rc < 0 ? -rc : rc));
	exit(1);
}

/* ---- make ---- */

static void put(int fd, const void *bytes, size_t length, uint64_t offset)
{
	if (pwrite(fd, bytes, length, (off_t)offset) != (ssize_t)length)
		die("write", errno);
}

static struct slot slot_of(const struct options *o, uint32_t phys)
{
	struct slot slot = { .layer = 1 + phys % o->replicas,
		.epoch_number = 1,
		.seq = phys + 1,
		.index = (uint32_t)(phys / o->replicas),
		.present = 0xffff };

	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		slot.crc[i] = phys * 16 + i;
	return slot;
}

/* A ring of holes would pay for each first write to them. */
static void make_ring(int fd, const struct geometry *g)
{
	uint8_t *chunk = calloc(CHUNK_PAGES, BLOCK_BYTES);

	if (!chunk)
		die("memory", ENOMEM);
	for (uint32_t block = 0; block < g->ring_blocks; block += CHUNK_PAGES) {
		uint32_t count = g->ring_blocks - block < CHUNK_PAGES ? g->ring_blocks - block : CHUNK_PAGES;

		put(fd, chunk, (size_t)count * BLOCK_BYTES, geometry_ring_offset(g, block));
	}
	free(chunk);
}

static void make_slots(
	int fd, const struct geometry *g, const struct options *o, struct directory_record *records)
{
	uint8_t *chunk = calloc(CHUNK_PAGES, BLOCK_BYTES);

	if (!chunk)
		die("memory", ENOMEM);
	for (uint32_t page = 0; page < g->grain_pages && (uint64_t)page * PAGE_SLOTS < o->grains;
		page += CHUNK_PAGES) {
		uint32_t count = g->grain_pages - page < CHUNK_PAGES ? g->grain_pages - page : CHUNK_PAGES;

		memset(chunk, 0, (size_t)CHUNK_PAGES * BLOCK_BYTES);
		for (uint32_t i = 0; i < count; i++) {
			uint8_t *block = chunk + (size_t)i * BLOCK_BYTES;

			for (uint32_t k = 0; k < PAGE_SLOTS; k++) {
				uint32_t phys = (page + i) * PAGE_SLOTS + k;
				struct slot slot;

				if (phys >= o->grains || phys >= g->grain_count)
					break;
				slot = slot_of(o, phys);
				slot_encode(&slot, phys, block + PAGE_HEAD_BYTES + (size_t)k * UNIT_BYTES);
				records[slot.layer - 1].grain_count++;
				records[slot.layer - 1].grain_sum += slot_hash(&slot, phys);
			}
			page_seal(g, page + i, 0, 1, block);
		}
		put(fd, chunk, (size_t)count * BLOCK_BYTES, geometry_page_offset(g, page, 0));
	}
	free(chunk);
}

/* A new pool's superblock; of the same cluster and UUID as the one that it is to be like. */
static struct superblock new_superblock(const struct options *o)
{
	struct superblock sb = { .generation = 1, .cluster = cluster, .pool = pool_uuid, .first = 1 }, like;
	uint8_t block[BLOCK_BYTES];
	int rc, fd;

	if (o->like) {
		fd = open(o->like, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			die(o->like, errno);
		if (pread(fd, block, sizeof(block), 0) != (ssize_t)sizeof(block))
			die("no superblock", EIO);
		rc = superblock_decode(block, 0, &like);
		if (rc < 0)
			die(o->like, rc);
		close(fd);
		sb.cluster = like.cluster;
		sb.pool = like.pool;
	}
	rc = geometry_make(o->size_gib << 30, o->journal_mib << 20, 42, &sb.geometry);
	if (rc < 0)
		die("the size", rc);
	return sb;
}

static void make(const struct options *o)
{
	struct superblock sb = new_superblock(o);
	struct directory_record *records = calloc(o->replicas, sizeof(*records));
	uint8_t block[BLOCK_BYTES];
	int fd = open(o->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || !records || ftruncate(fd, (off_t)sb.geometry.size_bytes) < 0)
		die(o->path, errno);
	if (o->grains > sb.geometry.grain_count || o->replicas > sb.geometry.dir_pages)
		die("so many grains or replicas do not fit", EINVAL);
	make_slots(fd, &sb.geometry, o, records);
	if (o->journal_mib > 0)
		make_ring(fd, &sb.geometry);
	for (uint32_t dir = 0; dir < o->replicas; dir++) {
		struct directory_record *record = &records[dir];

		record->dir = dir;
		record->layer = dir + 1;
		record->identity.replica.byte[0] = record->identity.group.byte[0] =
			record->identity.volume.byte[0] = (uint8_t)(dir + 1);
		record->identity.replica.byte[1] = (uint8_t)(dir >> 8);
		record->identity.size_bytes = (o->grains / o->replicas + 2) * GRAIN_BYTES;
		record->applied = (struct position){ { 1, 0 }, o->grains };
		record->row_count = 1;
		record->rows[0] = (struct epoch_start){ { 1, 0 }, 1 };
		memset(block, 0, sizeof(block));
		(void)directory_encode(record, block + PAGE_HEAD_BYTES);
		page_seal(&sb.geometry, sb.geometry.grain_pages + dir, 0, 1, block);
		put(fd, block, sizeof(block),
			geometry_page_offset(&sb.geometry, sb.geometry.grain_pages + dir, 0));
	}
	for (unsigned copy = 0; copy < 2; copy++) {
		uint64_t offset = geometry_superblock_offset(sb.geometry.size_bytes, copy);

		superblock_encode(&sb, offset, block);
		put(fd, block, sizeof(block), offset);
	}
	if (fsync(fd) < 0)
		die("fsync", errno);
	close(fd);
	free(records);
}

/* ---- open, fill ---- */

static struct run {
	const struct options *options;
	struct uring_loop *uring;
	struct buf_pool *bufs;
	struct entry_pool *entries;
	struct pool *pool;
	struct pool_replica *replica;
	uint64_t began_ns, opened_ns, appended, durable, first, goal,
		former; /* former: of the replicas before */
	struct random random;
} run;

static uint64_t memory_bytes(void)
{
	unsigned long long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file || fscanf(file, "%*u %llu", &pages) != 1)
		die("/proc/self/statm", errno);
	(void)fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void closed(void *arg, int rc)
{
	(void)arg;
	if (rc < 0)
		die("close", rc);
	uring_loop_stop(run.uring);
}

static void append_more(void)
{
	while (run.former + run.appended < run.goal && run.appended - run.durable < DEPTH) {
		struct entry *entry = entry_get(run.entries);
		const struct pool_replica_identity *identity = pool_replica_identity(run.replica);

		if (!entry)
			break;
		entry->epoch.number = 1;
		entry->seq = run.first + run.appended;
		entry->op = ENTRY_WRITE;
		entry->offset_bytes =
			random_below(&run.random, identity->size_bytes / BLOCK_BYTES) * BLOCK_BYTES;
		entry->length_bytes = WRITE_BYTES;
		entry->payload = buf_get(run.bufs, WRITE_BYTES);
		if (!entry->payload)
			die("buffers", ENOMEM);
		entry->payload->len_bytes = WRITE_BYTES;
		random_bytes(&run.random, entry->payload->data, 64);
		crc32c_blocks(entry->payload->data, 1, entry->crc);
		if (pool_replica_room(run.replica) < WRITE_BYTES) {
			entry_put(entry);
			break;
		}
		pool_replica_append(run.replica, entry);
		entry_put(entry);
		run.appended++;
	}
}

static void replica_begin(struct pool_replica *replica)
{
	run.former += run.durable;
	run.appended = run.durable = 0;
	run.replica = replica;
	if (replica)
		run.first = pool_replica_last(replica).seq + 1;
}

/* Nothing is committed, so nothing may be applied: the worst that a kill can leave. */
static void durable(void *arg, struct pool_replica *replica, uint64_t seq)
{
	(void)arg;
	if (replica != run.replica)
		return;
	run.durable = seq - run.first + 1;
	append_more();
	/* Its share is full: the next one's turn. */
	while (run.replica && run.durable == run.appended && run.former + run.durable < run.goal) {
		replica_begin(pool_replica_next(run.pool, run.replica));
		if (run.replica)
			append_more();
	}
	if (run.durable < run.appended)
		return;
	printf("{\"entries\": %" PRIu64 "}\n", run.former + run.durable);
	(void)fflush(stdout);
	raise(SIGKILL);
}

static void failed(void *arg, int rc, const char *why)
{
	(void)arg;
	die(why, rc);
}

static void opened(void *arg, int rc, struct pool *pool, const struct error *error)
{
	uint64_t grains = 0, entries = 0, before = *(uint64_t *)arg;
	struct pool_info info;

	if (rc < 0)
		die(error->text, rc);
	run.pool = pool;
	run.opened_ns = clock_now_ns(clock_system());
	pool_info_get(pool, &info);
	grains = info.used_bytes / GRAIN_BYTES;
	run.replica = pool_replica_next(pool, NULL);
	if (run.options->mib > 0) {
		run.goal = (run.options->mib << 20) / WRITE_BYTES;
		replica_begin(run.replica);
		append_more();
		return;
	}
	for (struct pool_replica *r = run.replica; r; r = pool_replica_next(pool, r))
		entries += pool_replica_last(r).seq + 1 - pool_replica_first_seq(r);
	printf("{\"seconds\": %.3f, \"grains\": %" PRIu64 ", \"journal_used_bytes\": %" PRIu64
	       ", \"resident_bytes\": %" PRIu64 ", \"resident_before_bytes\": %" PRIu64
	       ", \"bytes_per_grain\": %.1f, \"log_entries\": %" PRIu64 ", \"incomplete\": %s}\n",
		(double)(run.opened_ns - run.began_ns) / 1e9, grains, info.journal_used_bytes, memory_bytes(),
		before, grains ? (double)(memory_bytes() - before) / (double)grains : 0.0, entries,
		pool_replica_state(run.replica)->incomplete ? "true" : "false");
	pool_close(pool, closed, NULL);
}

static void open_pool(const struct options *o)
{
	struct pool_open_options options = {
		.cluster = cluster, .pool = pool_uuid, .failed = failed, .durable = durable
	};
	struct device *device = NULL;
	struct error error = { "" };
	uint64_t before;
	int rc = uring_loop_new(clock_system(), &run.uring, &error);

	run.options = o;
	random_init(&run.random, 1);
	if (rc < 0 || (rc = device_uring_open(run.uring, o->path, &device, &error)) < 0)
		die(error.text, rc);
	if (buf_pool_new(UINT64_C(512) << 20, &run.bufs) < 0 ||
		entry_pool_new((uint32_t)o->entries, &run.entries) < 0)
		die("memory", ENOMEM);
	options.bufs = run.bufs;
	options.entries = run.entries;
	before = memory_bytes();
	run.began_ns = clock_now_ns(clock_system());
	pool_open(uring_loop_core(run.uring), device, &options, opened, &before);
	uring_loop_run(run.uring);
	entry_pool_free(run.entries);
	buf_pool_free(run.bufs);
	uring_loop_free(run.uring);
}

int main(int argc, char **argv)
{
	struct options o = { .replicas = 16, .entries = 65536 };

	if (argc < 3)
		goto usage;
	o.command = argv[1];
	o.path = argv[2];
	for (int i = 3; i + 1 < argc; i += 2) {
		uint64_t *to = strcmp(argv[i], "--size-gib") == 0      ? &o.size_gib
			       : strcmp(argv[i], "--journal-mib") == 0 ? &o.journal_mib
			       : strcmp(argv[i], "--grains") == 0      ? &o.grains
			       : strcmp(argv[i], "--replicas") == 0    ? &o.replicas
			       : strcmp(argv[i], "--mib") == 0         ? &o.mib
			       : strcmp(argv[i], "--entries") == 0     ? &o.entries
								       : NULL;

		if (strcmp(argv[i], "--like") == 0)
			o.like = argv[i + 1];
		else if (!to || sscanf(argv[i + 1], "%" SCNu64, to) != 1)
			goto usage;
	}
	if (strcmp(o.command, "make") == 0 && o.size_gib && o.grains && o.replicas)
		make(&o);
	else if (strcmp(o.command, "open") == 0 || (strcmp(o.command, "fill") == 0 && o.mib))
		open_pool(&o);
	else
		goto usage;
	return 0;
usage:
	fprintf(stderr, "usage: big_pool make|open|fill PATH [--size-gib N] [--journal-mib N] [--like POOL] "
			"[--grains N] [--replicas N] [--mib N]"
			" [--entries N]\n");
	return 2;
}
