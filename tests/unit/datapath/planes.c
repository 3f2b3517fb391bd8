#include "planes.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POOL_FILE_BYTES    (UINT64_C(128) << 20)
#define POOL_JOURNAL_BYTES (UINT64_C(8) << 20)
#define WAIT_NS            (60 * NS_PER_S) /* of a machine that is busy */

struct plane planes[PLANES];
struct volume *volume;
bool volume_is_ready, volume_has_ended;

static bool one_node;
/* By their number as threads: of planes 2, 0, 1, since pool i has the UUID i + 1. */
static struct dataplane *threads[PLANES];
static char dir[64];
static sem_t woken;
static struct uuid cluster = { { 9 } };
static struct uuid volume_uuid = { { 8 } }, group_uuid = { { 7 } };
/* Told on plane 0's thread. */
static atomic_bool told_ready, told_ended;

/* ---- control thread ---- */

static void wake(void *user)
{
	(void)user;
	(void)sem_post(&woken);
}

static void event(void *user, const char *kind, const char *subject, const char *text)
{
	struct plane *plane = user;

	plane->events++;
	(void)snprintf(plane->last_event, sizeof(plane->last_event), "%s: %s: %s", kind, subject, text);
}

static void drain(void)
{
	for (unsigned i = 0; i < PLANES; i++)
		if (planes[i].dataplane)
			dataplane_drain(planes[i].dataplane);
	volume_is_ready = atomic_load(&told_ready);
	volume_has_ended = atomic_load(&told_ended);
}

bool planes_wait(bool (*cond)(void))
{
	uint64_t end_ns = clock_now_ns(clock_system()) + WAIT_NS;
	struct timespec until;

	for (;;) {
		drain();
		if (cond())
			return true;
		if (clock_now_ns(clock_system()) > end_ns)
			return false;
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 2000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		(void)sem_timedwait(&woken, &until);
	}
}

static bool call_is_done;

static void call_done(struct dataplane_call *call)
{
	(void)call;
	call_is_done = true;
}

static bool call_is_over(void)
{
	return call_is_done;
}

/* One call at a time; which plane it is for. */
static unsigned called;

int plane_call(unsigned i, void (*fn)(struct dataplane_call *call))
{
	struct dataplane_call call = { .run = fn, .done = call_done };

	call_is_done = false;
	called = i;
	dataplane_call(planes[i].dataplane, &call);
	assert_true(planes_wait(call_is_over));
	return call.rc;
}

/* ---- pools ---- */

static struct device *device;
static struct error words;

/* Not on the plane's thread: what still holds the file there may be waiting for that thread's next turn. */
static void open_device(const struct plane *plane)
{
	assert_int_equal(
		device_uring_open(dataplane_loop(plane->dataplane), plane->path, &device, &words), 0);
}

static void told_call(void *arg, int rc)
{
	dataplane_call_finish(arg, rc);
}

static void formatted(void *arg, int rc)
{
	device->ops->close(device); /* formatting leaves it open */
	dataplane_call_finish(arg, rc);
}

static void format_pool(struct dataplane_call *call)
{
	struct pool_format_options options = { .cluster = cluster,
		.pool = { { (uint8_t)(1 + called) } },
		.journal_bytes = POOL_JOURNAL_BYTES,
		.seed = called };

	pool_format(uring_loop_core(dataplane_loop(call->dataplane)), device, &options, formatted, call);
}

static void opened(void *arg, int rc, struct pool *pool, const struct error *error)
{
	struct dataplane_call *call = arg;

	if (rc < 0)
		words = *error;
	planes[called].pool = pool;
	if (rc == 0)
		datapath_pool_add(dataplane_datapath(call->dataplane), pool);
	dataplane_call_finish(call, rc);
}

static void open_pool(struct dataplane_call *call)
{
	struct pool_open_options options = { .cluster = cluster,
		.bufs = dataplane_bufs(call->dataplane),
		.entries = dataplane_entries(call->dataplane) };

	ASSERT(device_wrap(uring_loop_core(dataplane_loop(call->dataplane)),
		       planes[called].faults ? planes[called].faults : "", &device, &words) == 0);
	datapath_pool_callbacks(dataplane_datapath(call->dataplane), &options);
	pool_open(uring_loop_core(dataplane_loop(call->dataplane)), device, &options, opened, call);
}

static void close_pool(struct dataplane_call *call)
{
	datapath_pool_remove(dataplane_datapath(call->dataplane), planes[called].pool);
	pool_close(planes[called].pool, told_call, call);
}

static void make_replica(struct dataplane_call *call)
{
	struct pool_replica_identity identity = { .replica = planes[called].replica,
		.group = group_uuid,
		.volume = volume_uuid,
		.size_bytes = VOLUME_BYTES };

	datapath_replica_create(
		dataplane_datapath(call->dataplane), planes[called].pool, &identity, told_call, call);
}

/* ---- planes ---- */

void plane_start(unsigned i)
{
	struct plane *plane = &planes[i];
	struct dataplane_config config = { .key = { 3 },
		.buffer_bytes = UINT64_C(64) << 20,
		.entry_count = 4096,
		.lease_ms = 400, /* a restarted replica waits for it */
		.snapshot_cache_bytes = 1u << 20,
		.wake = wake,
		.event = event,
		.user = plane };
	struct error error;
	bool is_new = access(plane->path, F_OK) < 0;
	int fd = open(plane->path, O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)POOL_FILE_BYTES), 0);
	(void)close(fd);
	if (one_node) {
		config.thread = (i + 1) % PLANES;
		config.threads = PLANES;
		config.others = threads;
	}
	(void)snprintf(config.node, sizeof(config.node), "%s", plane->node);
	(void)snprintf(config.listen.text, sizeof(config.listen.text), "127.0.0.1:0");
	assert_int_equal(dataplane_start(&config, &plane->dataplane, &error), 0);
	threads[config.thread] = plane->dataplane;
	open_device(plane);
	if (is_new) {
		assert_int_equal(plane_call(i, format_pool), 0);
		open_device(plane);
	}
	assert_int_equal(plane_call(i, open_pool), 0);
}

struct net_address plane_address(unsigned i)
{
	return dataplane_address(planes[one_node ? PLANES - 1 : i].dataplane);
}

void plane_stop(unsigned i)
{
	int rc = plane_call(i, close_pool);

	assert_true(rc == 0 || (rc == -EIO && planes[i].faults));
	planes[i].pool = NULL;
	dataplane_stop(planes[i].dataplane);
	planes[i].dataplane = NULL;
}

static int setup(void)
{
	volume = NULL;
	atomic_store(&told_ready, false);
	atomic_store(&told_ended, false);
	(void)snprintf(dir, sizeof(dir), "/var/tmp/quoin-planes-XXXXXX");
	if (!mkdtemp(dir) || sem_init(&woken, 0, 0) < 0)
		return -1;
	for (unsigned i = 0; i < PLANES; i++) {
		planes[i] = (struct plane){ .replica = { { (uint8_t)(20 + i) } } };
		(void)snprintf(planes[i].node, sizeof(planes[i].node), "node-%u", one_node ? 0 : i);
		(void)snprintf(planes[i].path, sizeof(planes[i].path), "%s/%u", dir, i);
		plane_start(i);
	}
	return 0;
}

int planes_setup(void **state)
{
	(void)state;
	one_node = false;
	return setup();
}

int planes_setup_threads(void **state)
{
	(void)state;
	one_node = true;
	return setup();
}

int planes_teardown(void **state)
{
	(void)state;
	if (volume)
		volume_end();
	/* Who listens goes first. */
	for (unsigned i = PLANES; i-- > 0;) {
		if (planes[i].dataplane)
			plane_stop(i);
		(void)unlink(planes[i].path);
	}
	(void)rmdir(dir);
	(void)sem_destroy(&woken);
	return 0;
}

/* ---- the volume ---- */

static void volume_ready(void *user, struct volume *v)
{
	(void)user;
	(void)v;
	atomic_store(&told_ready, true);
	(void)sem_post(&woken);
}

static void volume_changed(void *user, struct volume *v, enum volume_state state)
{
	(void)user;
	(void)v;
	(void)state;
}

static void volume_ended(void *user, struct volume *v, bool outdated, struct epoch promised, const char *why)
{
	(void)user;
	(void)v;
	(void)outdated;
	(void)promised;
	(void)why;
	atomic_store(&told_ended, true);
	(void)sem_post(&woken);
}

static uint64_t attach_epoch;

static void attach(struct dataplane_call *call)
{
	static const struct volume_events events = {
		.ready = volume_ready, .changed = volume_changed, .ended = volume_ended
	};
	struct volume_spec spec = { .volume = volume_uuid,
		.group = group_uuid,
		.attachment = { { (uint8_t)(100 + attach_epoch) } },
		.name = "v",
		.size_bytes = VOLUME_BYTES,
		.epoch = { attach_epoch, 0 },
		.config_number = 1,
		.voter_count = PLANES };

	for (unsigned i = 0; i < PLANES; i++) {
		struct volume_voter *voter = &spec.voters[i];

		voter->replica = planes[i].replica;
		voter->pool = (struct uuid){ { (uint8_t)(1 + i) } };
		(void)snprintf(voter->node, sizeof(voter->node), "%s", planes[i].node);
		if (planes[i].dataplane)
			voter->address = plane_address(i);
		else
			(void)snprintf(voter->address.text, sizeof(voter->address.text), "127.0.0.1:1");
	}
	dataplane_call_finish(
		call, volume_attach(dataplane_datapath(call->dataplane), &spec, &events, &volume));
}

static bool is_ready(void)
{
	return volume_is_ready;
}

void volume_begin(uint64_t epoch)
{
	attach_epoch = epoch;
	atomic_store(&told_ready, false);
	assert_int_equal(plane_call(0, attach), 0);
	assert_true(planes_wait(is_ready));
}

void volume_make(void)
{
	for (unsigned i = 0; i < PLANES; i++)
		assert_int_equal(plane_call(i, make_replica), 0);
	volume_begin(1);
}

static void detach(struct dataplane_call *call)
{
	volume_detach(volume, told_call, call);
}

static struct volume_limits limits;

static void limit(struct dataplane_call *call)
{
	volume_limits_set(volume, &limits);
	dataplane_call_finish(call, 0);
}

void volume_limit(uint64_t iops, uint64_t bytes_per_s)
{
	limits = (struct volume_limits){ .iops = iops, .bytes_per_s = bytes_per_s };
	assert_int_equal(plane_call(0, limit), 0);
}

void volume_end(void)
{
	assert_int_equal(plane_call(0, detach), 0);
	volume = NULL;
}

static struct request request;
static uint32_t request_seed;

static void fill(uint8_t *bytes, uint32_t count, uint64_t offset_bytes, uint32_t seed)
{
	for (uint32_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)(seed + (offset_bytes + i) / BLOCK_BYTES * 3 + i);
}

static void request_done(struct request *r, int rc)
{
	struct dataplane_call *call = r->user;

	if (rc == 0 && r->op == REQUEST_READ)
		for (uint32_t i = 0; i < r->length_bytes; i++) {
			uint8_t expected =
				(uint8_t)(request_seed + (r->offset_bytes + i) / BLOCK_BYTES * 3 + i);

			if (r->data->data[i] != (request_seed ? expected : 0))
				rc = -EILSEQ;
		}
	buf_put(r->data);
	dataplane_call_finish(call, rc);
}

static void submit(struct dataplane_call *call)
{
	static uint64_t id;

	request.id = ++id;
	request.user = call;
	request.done = request_done;
	request.data = buf_get(volume_bufs(volume), (uint32_t)request.length_bytes);
	ASSERT(request.data != NULL);
	request.data->len_bytes = (uint32_t)request.length_bytes;
	if (request.op == REQUEST_WRITE)
		fill(request.data->data, request.data->len_bytes, request.offset_bytes, request_seed);
	volume_submit(volume, &request);
}

int volume_write(uint64_t offset_bytes, uint32_t length_bytes, uint32_t seed)
{
	request = (struct request){
		.op = REQUEST_WRITE, .offset_bytes = offset_bytes, .length_bytes = length_bytes
	};
	request_seed = seed;
	return plane_call(0, submit);
}

int volume_read_expect(uint64_t offset_bytes, uint32_t length_bytes, uint32_t seed)
{
	request = (struct request){
		.op = REQUEST_READ, .offset_bytes = offset_bytes, .length_bytes = length_bytes
	};
	request_seed = seed;
	return plane_call(0, submit);
}

static struct request side_by_side[SIDE_BY_SIDE_MAX];
static uint32_t side_count, side_busy;
static int side_rc;

static void one_done(struct request *r, int rc)
{
	buf_put(r->data);
	if (rc != 0)
		side_rc = rc;
	if (--side_busy == 0)
		dataplane_call_finish(r->user, side_rc);
}

static void submit_side_by_side(struct dataplane_call *call)
{
	side_busy = side_count;
	for (uint32_t i = 0; i < side_count; i++) {
		struct request *r = &side_by_side[i];

		*r = (struct request){ .op = REQUEST_WRITE,
			.id = (UINT64_C(1) << 32) + i,
			.offset_bytes = (uint64_t)i * BLOCK_BYTES,
			.length_bytes = BLOCK_BYTES,
			.user = call,
			.done = one_done };
		r->data = buf_get(volume_bufs(volume), BLOCK_BYTES);
		ASSERT(r->data != NULL);
		r->data->len_bytes = BLOCK_BYTES;
		fill(r->data->data, BLOCK_BYTES, r->offset_bytes, i + 1);
		volume_submit(volume, r);
	}
}

int volume_write_side_by_side(uint32_t count)
{
	assert_in_range(count, 1, SIDE_BY_SIDE_MAX);
	side_count = count;
	side_rc = 0;
	return plane_call(0, submit_side_by_side);
}

static struct volume_stats stats;

static void take_stats(struct dataplane_call *call)
{
	volume_stats_get(volume, &stats);
	dataplane_call_finish(call, 0);
}

struct volume_stats volume_stats_now(void)
{
	assert_int_equal(plane_call(0, take_stats), 0);
	return stats;
}
