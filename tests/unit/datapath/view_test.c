/* A snapshot that is looked at from another node: real TCP, real pools, no coordinator. */
#include "planes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct uuid snapshot = { { 0x5b, 1 } };
static struct volume *view;
static unsigned viewer;     /* the plane that looks at it */
static unsigned from_plane; /* the first replica that it may ask; the others follow */
static struct request request;
static uint32_t seed;

static void request_done(struct request *r, int rc)
{
	struct dataplane_call *call = r->user;

	if (rc == 0 && r->op == REQUEST_READ)
		for (uint32_t i = 0; i < r->length_bytes; i++)
			if (r->data->data[i] !=
				(uint8_t)(seed ? seed + (r->offset_bytes + i) / BLOCK_BYTES * 3 + i : 0))
				rc = -EILSEQ;
	buf_put(r->data);
	dataplane_call_finish(call, rc);
}

static void submit(struct volume *to, struct dataplane_call *call)
{
	request.user = call;
	request.done = request_done;
	if (request.length_bytes > 0) {
		request.data = buf_get(volume_bufs(to), (uint32_t)request.length_bytes);
		ASSERT(request.data != NULL);
		request.data->len_bytes = (uint32_t)request.length_bytes;
		memset(request.data->data, 0xee, request.data->len_bytes);
	}
	volume_submit(to, &request);
}

static void submit_to_view(struct dataplane_call *call)
{
	submit(view, call);
}

static void submit_to_volume(struct dataplane_call *call)
{
	submit(volume, call);
}

static void snapshot_entry(enum request_op op)
{
	static uint64_t id = UINT64_C(1) << 40;

	request = (struct request){ .op = op, .snapshot = snapshot, .id = ++id };
	assert_int_equal(plane_call(0, submit_to_volume), 0);
}

static int view_read_expect(uint64_t offset_bytes, uint32_t length_bytes, uint32_t expected)
{
	request = (struct request){
		.op = REQUEST_READ, .offset_bytes = offset_bytes, .length_bytes = length_bytes
	};
	seed = expected;
	return plane_call(viewer, submit_to_view);
}

static void trim_submit(struct dataplane_call *call)
{
	request.user = call;
	request.done = request_done;
	volume_submit(volume, &request);
}

static void begin(struct dataplane_call *call)
{
	struct volume_spec spec = { .volume = { { 8 } },
		.group = { { 7 } },
		.name = "v@s",
		.size_bytes = VOLUME_BYTES,
		.snapshot = snapshot };

	for (unsigned i = from_plane; i < PLANES; i++) {
		struct volume_voter *voter;

		if (i == viewer && from_plane > 0)
			continue;
		voter = &spec.voters[spec.voter_count++];
		voter->replica = planes[i].replica;
		(void)snprintf(voter->node, sizeof(voter->node), "%s", planes[i].node);
		voter->address = dataplane_address(planes[i].dataplane);
	}
	dataplane_call_finish(call, volume_view(dataplane_datapath(call->dataplane), &spec, &view));
}

static void told(void *arg, int rc)
{
	dataplane_call_finish(arg, rc);
}

static void end(struct dataplane_call *call)
{
	volume_detach(view, told, call);
}

static struct view_stats stats;

static void take_stats(struct dataplane_call *call)
{
	datapath_view_stats_get(dataplane_datapath(call->dataplane), &stats);
	dataplane_call_finish(call, 0);
}

/*
 * The viewer's own replica has applied the snapshot: nobody else is asked for what no cache has. From 2 MiB
 * on nothing is written.
 */
static void own_replica_has_it(void)
{
	uint64_t remote, at = 2u << 20;

	plane_call(viewer, take_stats);
	do {
		assert_true(at < 8u << 20);
		(void)usleep(at > 2u << 20 ? 10000 : 0);
		remote = stats.remote;
		assert_int_equal(view_read_expect(at, BLOCK_BYTES, 0), 0);
		plane_call(viewer, take_stats);
		at += BLOCK_BYTES;
	} while (stats.remote != remote);
}

/* Blocks 0..3 stand in the snapshot as 1, and are 2 in the volume. */
static void snapshot_made(void)
{
	volume_make();
	assert_int_equal(volume_write(0, 4 * BLOCK_BYTES, 1), 0);
	snapshot_entry(REQUEST_SNAPSHOT);
	assert_int_equal(volume_write(0, 4 * BLOCK_BYTES, 2), 0);
	assert_int_equal(volume_write(1u << 20, BLOCK_BYTES, 2), 0);
}

/* By a plane, of the replicas from the first on. */
static void snapshot_made_and_viewed(unsigned plane, unsigned first)
{
	snapshot_made();
	viewer = plane;
	from_plane = first;
	assert_int_equal(plane_call(viewer, begin), 0);
}

static void it_is_read_on_another_node_while_the_volume_is_written(void **state)
{
	(void)state;
	snapshot_made_and_viewed(1, 0);
	assert_int_equal(view_read_expect(0, 4 * BLOCK_BYTES, 1), 0);
	assert_int_equal(view_read_expect(BLOCK_BYTES, BLOCK_BYTES, 1), 0);
	assert_int_equal(view_read_expect(1u << 20, BLOCK_BYTES, 0), 0);
	assert_int_equal(view_read_expect(0, BLOCK_BYTES, 2), -EILSEQ); /* the check itself can fail */
	for (uint32_t i = 3; i < 10; i++) {
		assert_int_equal(volume_write(0, 4 * BLOCK_BYTES, i), 0);
		assert_int_equal(view_read_expect(0, 4 * BLOCK_BYTES, 1), 0);
		assert_int_equal(volume_read_expect(0, 4 * BLOCK_BYTES, i), 0);
	}
	assert_int_equal(plane_call(viewer, end), 0);
}

static void nothing_is_written_to_it(void **state)
{
	static const enum request_op ops[] = { REQUEST_WRITE, REQUEST_TRIM, REQUEST_ZERO, REQUEST_SNAPSHOT };

	(void)state;
	snapshot_made_and_viewed(1, 0);
	assert_true(volume_is_read_only(view) && !volume_is_read_only(volume));
	for (unsigned i = 0; i < 4; i++) {
		request = (struct request){ .op = ops[i], .length_bytes = BLOCK_BYTES };
		if (ops[i] == REQUEST_SNAPSHOT)
			request = (struct request){ .op = ops[i], .snapshot = { { 9 } } };
		assert_int_equal(plane_call(viewer, submit_to_view), -EROFS);
	}
	request = (struct request){ .op = REQUEST_FLUSH };
	assert_int_equal(plane_call(viewer, submit_to_view), 0);
	assert_int_equal(view_read_expect(0, 4 * BLOCK_BYTES, 1), 0);
	assert_int_equal(plane_call(viewer, end), 0);
}

static void one_replica_is_enough_and_no_coordinator_is_needed(void **state)
{
	(void)state;
	snapshot_made_and_viewed(1, 0);
	own_replica_has_it(); /* before it can't hear of it any more */
	volume_end();
	plane_stop(0);
	plane_stop(2);
	assert_int_equal(view_read_expect(0, 2 * BLOCK_BYTES, 1), 0);
	assert_int_equal(view_read_expect(2u << 20, 2 * BLOCK_BYTES, 0), 0);
	assert_int_equal(plane_call(viewer, end), 0);
}

static void when_its_replica_is_lost_another_goes_on(void **state)
{
	(void)state;
	/* Plane 0 has the volume: the view asks 1 and 2, which are both remote. */
	snapshot_made_and_viewed(0, 1);
	assert_int_equal(view_read_expect(0, 2 * BLOCK_BYTES, 1), 0);
	assert_int_equal(view_read_expect(1u << 20, BLOCK_BYTES, 0), 0);
	plane_stop(1);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(view_read_expect(i << 20, 2 * BLOCK_BYTES, i ? 0 : 1), 0);
	plane_call(viewer, take_stats);
	assert_true(stats.remote >= 16 && stats.local == 0 && stats.errors == 0);
	assert_int_equal(plane_call(viewer, end), 0);
}

static void members_set(struct dataplane_call *call)
{
	struct volume_voter voter = { .replica = planes[2].replica,
		.address = dataplane_address(planes[2].dataplane) };

	(void)snprintf(voter.node, sizeof(voter.node), "%s", planes[2].node);
	dataplane_call_finish(call, volume_view_members(view, &voter, 1));
}

static void other_members_go_on_where_the_former_ones_were(void **state)
{
	(void)state;
	snapshot_made_and_viewed(0, 1);
	assert_int_equal(view_read_expect(0, 4 * BLOCK_BYTES, 1), 0);
	plane_stop(1);
	assert_int_equal(plane_call(0, members_set), 0);
	for (uint32_t i = 1; i < 8; i++)
		assert_int_equal(view_read_expect(i << 20, 2 * BLOCK_BYTES, 0), 0);
	plane_call(viewer, take_stats);
	assert_int_equal(stats.errors, 0);
	assert_int_equal(plane_call(viewer, end), 0);
}

static void what_came_from_elsewhere_comes_from_the_cache_the_next_time(void **state)
{
	uint64_t remote;

	(void)state;
	snapshot_made_and_viewed(0, 1);
	assert_int_equal(view_read_expect(0, 4 * BLOCK_BYTES, 1), 0);
	plane_call(viewer, take_stats);
	remote = stats.remote;
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(view_read_expect(i * BLOCK_BYTES, BLOCK_BYTES, 1), 0);
	plane_call(viewer, take_stats);
	assert_int_equal(stats.remote, remote);
	assert_int_equal(stats.cached, 4);
	/* Far more than it holds: nothing of it is ever another block. */
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(view_read_expect((uint64_t)i * 65536, 65536, i ? 0 : 1), i ? 0 : -EILSEQ);
	assert_int_equal(view_read_expect(0, 4 * BLOCK_BYTES, 1), 0);
	assert_int_equal(plane_call(viewer, end), 0);
}

static const struct uuid older = { { 0x5b, 0 } };
static const struct uuid stranger = { { 0x5b, 9 } };
static enum block_state states[4 * GRAIN_BLOCKS]; /* of the volume's first grains */

static void map_done(struct request *r, int rc)
{
	struct dataplane_call *call = r->user;

	for (uint32_t i = 0; rc == 0 && i < 4 * GRAIN_BLOCKS; i++)
		states[i] = volume_map_block(r->data, i);
	buf_put(r->data);
	dataplane_call_finish(call, rc);
}

static void map_submit(struct dataplane_call *call)
{
	request.user = call;
	request.done = map_done;
	request.data = buf_get(volume_bufs(view), volume_map_bytes(request.length_bytes));
	ASSERT(request.data != NULL);
	volume_submit(view, &request);
}

static int view_map(struct uuid since)
{
	request = (struct request){ .op = REQUEST_MAP, .length_bytes = VOLUME_BYTES, .snapshot = since };
	return plane_call(viewer, map_submit);
}

/* Of the snapshot and of one before it; by the local replica, and by another node's. */
static void its_map_tells_what_there_is_and_what_has_changed(void **state)
{
	struct request trim = { .op = REQUEST_TRIM,
		.offset_bytes = GRAIN_BYTES,
		.length_bytes = BLOCK_BYTES,
		.id = UINT64_C(1) << 41 };

	(void)state;
	volume_make();
	assert_int_equal(volume_write(0, 2 * BLOCK_BYTES, 1), 0);
	assert_int_equal(volume_write(GRAIN_BYTES, 2 * BLOCK_BYTES, 1), 0);
	request = (struct request){ .op = REQUEST_SNAPSHOT, .snapshot = older, .id = UINT64_C(1) << 42 };
	assert_int_equal(plane_call(0, submit_to_volume), 0);
	assert_int_equal(volume_write(BLOCK_BYTES, BLOCK_BYTES, 2), 0);
	request = trim;
	assert_int_equal(plane_call(0, trim_submit), 0);
	snapshot_entry(REQUEST_SNAPSHOT);
	assert_int_equal(volume_write(2 * GRAIN_BYTES, BLOCK_BYTES, 3), 0);
	for (unsigned first = 0; first < 2; first++) {
		viewer = first ? 0 : 1;
		from_plane = first;
		assert_int_equal(plane_call(viewer, begin), 0);
		if (first == 0)
			own_replica_has_it();
		assert_int_equal(view_map((struct uuid){ 0 }), 0);
		assert_true(states[0] == BLOCK_DATA && states[1] == BLOCK_DATA && states[2] == BLOCK_SAME);
		assert_true(states[GRAIN_BLOCKS] == BLOCK_SAME && states[GRAIN_BLOCKS + 1] == BLOCK_DATA);
		assert_int_equal(states[2 * GRAIN_BLOCKS], BLOCK_SAME);
		assert_int_equal(view_map(older), 0);
		assert_true(states[0] == BLOCK_SAME && states[1] == BLOCK_DATA && states[2] == BLOCK_SAME);
		assert_true(states[GRAIN_BLOCKS] == BLOCK_TRIMMED && states[GRAIN_BLOCKS + 1] == BLOCK_SAME);
		assert_int_equal(states[2 * GRAIN_BLOCKS], BLOCK_SAME);
		assert_int_equal(view_map(stranger), -EINVAL);
		plane_call(viewer, take_stats);
		assert_true(first ? stats.remote >= 3 : stats.local >= 2);
		assert_int_equal(plane_call(viewer, end), 0);
	}
}

static bool gone_is_told(void)
{
	return strstr(planes[1].last_event, "snapshot-gone") != NULL;
}

static void one_that_was_removed_reads_as_an_error_with_words(void **state)
{
	(void)state;
	snapshot_made_and_viewed(1, 0);
	assert_int_equal(view_read_expect(0, BLOCK_BYTES, 1), 0);
	snapshot_entry(REQUEST_SNAPSHOT_DELETE);
	/*
	 * Soon; until all have applied it, it reads as ever. Another block each time: what another node has
	 * answered, since the local replica was behind, is in the cache and reads for ever.
	 */
	for (unsigned i = 0; i < 400; i++) {
		int rc = view_read_expect((uint64_t)(4 + i) * BLOCK_BYTES, BLOCK_BYTES, 0);

		assert_int_equal(volume_write(8u << 20, ENTRY_MAX_BYTES, i + 1), 0);
		if (rc != 0) {
			assert_int_equal(rc, -EIO);
			break;
		}
	}
	assert_true(planes_wait(gone_is_told));
	assert_int_equal(plane_call(viewer, end), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_read_on_another_node_while_the_volume_is_written,
			planes_setup, planes_teardown),
		cmocka_unit_test_setup_teardown(nothing_is_written_to_it, planes_setup, planes_teardown),
		cmocka_unit_test_setup_teardown(
			one_replica_is_enough_and_no_coordinator_is_needed, planes_setup, planes_teardown),
		cmocka_unit_test_setup_teardown(
			when_its_replica_is_lost_another_goes_on, planes_setup, planes_teardown),
		cmocka_unit_test_setup_teardown(
			other_members_go_on_where_the_former_ones_were, planes_setup, planes_teardown),
		cmocka_unit_test_setup_teardown(what_came_from_elsewhere_comes_from_the_cache_the_next_time,
			planes_setup, planes_teardown),
		cmocka_unit_test_setup_teardown(
			its_map_tells_what_there_is_and_what_has_changed, planes_setup, planes_teardown),
		cmocka_unit_test_setup_teardown(
			one_that_was_removed_reads_as_an_error_with_words, planes_setup, planes_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
