/* The admin API through a real unix socket, with volumes in memory: every endpoint, right and wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "admin_fixture.h"

static json_t *get(struct fixture *f, const char *path)
{
	json_t *json = client_json(&f->loop, f->path, "GET", path, NULL, 200);

	assert_int_equal(json_integer_value(json_object_get(json, "version")), 1);
	return json;
}

/* The call must fail with this status, code and words (NULL: any). */
static void refused(struct fixture *f, const char *method, const char *path, const char *body, int status,
	const char *code, const char *words)
{
	json_t *json = client_json(&f->loop, f->path, method, path, body, status);
	json_t *error = json_object_get(json, "error");

	assert_int_equal(json_integer_value(json_object_get(json, "version")), 1);
	assert_string_equal(json_string_value(json_object_get(error, "code")), code);
	if (words)
		assert_string_equal(json_string_value(json_object_get(error, "message")), words);
	json_decref(json);
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static long long number_of(const json_t *object, const char *key)
{
	assert_true(json_is_integer(json_object_get(object, key)));
	return json_integer_value(json_object_get(object, key));
}

static void the_socket_is_for_its_group_only(void **state)
{
	struct fixture *f = *state;
	struct stat info;

	assert_int_equal(stat(f->path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0660);
}

static void status_counts_all(void **state)
{
	struct fixture *f = *state;
	json_t *json;

	f->volumes->cluster.degraded_count = 4;
	json = get(f, "/v1/status");
	assert_string_equal(text_of(json, "node"), "a");
	assert_string_equal(text_of(json, "cluster"), "cccccccc-cccc-cccc-cccc-cccccccccccc");
	assert_string_equal(text_of(json, "kvdb"), "ok");
	assert_true(json_is_true(json_object_get(json, "ready")));
	assert_true(json_is_null(json_object_get(json, "not_ready")));
	assert_int_equal(number_of(json, "nodes"), 3);
	assert_int_equal(number_of(json, "nodes_up"), 2);
	assert_int_equal(number_of(json, "used_bytes"), 3LL << 30);
	assert_int_equal(number_of(json_object_get(json, "volume_states"), "degraded"), 4);
	json_decref(json);
}

static void status_says_why_it_is_not_ready(void **state)
{
	struct fixture *f = *state;
	json_t *json;

	f->volumes->cluster.ready = false;
	f->volumes->cluster.kvdb_ok = false;
	snprintf(f->volumes->cluster.not_ready, sizeof(f->volumes->cluster.not_ready), "pools are opening");
	json = get(f, "/v1/status");
	assert_true(json_is_false(json_object_get(json, "ready")));
	assert_string_equal(text_of(json, "not_ready"), "pools are opening");
	assert_string_equal(text_of(json, "kvdb"), "away");
	json_decref(json);
}

static void nodes_have_their_places(void **state)
{
	struct fixture *f = *state;
	json_t *json = get(f, "/v1/nodes");
	json_t *node = json_array_get(json_object_get(json, "nodes"), 2);

	assert_int_equal(json_array_size(json_object_get(json, "nodes")), 3);
	assert_string_equal(text_of(node, "name"), "c");
	assert_string_equal(text_of(node, "zone"), "zone-c");
	assert_string_equal(text_of(node, "state"), "down");
	assert_string_equal(text_of(node, "since"), "2026-01-31T12:00:00.000Z");
	assert_string_equal(text_of(node, "address"), "127.0.0.1:7423");
	json_decref(json);
}

static void pools_have_tier_and_room(void **state)
{
	struct fixture *f = *state;
	json_t *json = get(f, "/v1/pools");
	json_t *pool = json_array_get(json_object_get(json, "pools"), 0);

	assert_string_equal(text_of(pool, "name"), "p1");
	assert_string_equal(text_of(pool, "zone"), "zone-a");
	assert_string_equal(text_of(pool, "tier"), "high");
	assert_string_equal(text_of(pool, "tier_reason"), "durable write 40 us");
	assert_int_equal(number_of(pool, "size_bytes"), 20LL << 30);
	assert_int_equal(number_of(pool, "provisioned_bytes"), 10LL << 30);
	json_decref(json);
}

static void a_pool_is_added(void **state)
{
	struct fixture *f = *state;
	json_t *json = client_json(&f->loop, f->path, "POST", "/v1/pools",
		"{\"name\": \"p9\", \"path\": \"/tmp/x\", \"tier\": \"low\"}", 201);

	assert_string_equal(text_of(json_object_get(json, "pool"), "name"), "p9");
	assert_string_equal(text_of(json_object_get(json, "pool"), "path"), "/tmp/x");
	json_decref(json);
	refused(f, "POST", "/v1/pools", "{\"path\": \"/tmp/x\"}", 400, "invalid",
		"\"name\" is missing from the request");
	refused(f, "POST", "/v1/pools", "{\"name\": \"p\"}", 400, "invalid",
		"\"path\" is missing from the request");
	refused(f, "POST", "/v1/pools", "{\"name\": \"p\", \"path\": \"x\"}", 400, "invalid",
		"\"path\" must begin with /: the agent's directory isn't yours");
	refused(f, "POST", "/v1/pools", "{\"name\": \"p\", \"path\": \"/x\", \"teir\": \"low\"}", 400,
		"invalid", "unknown field \"teir\"; did you mean \"tier\"?");
	f->volumes->fail_rc = -EEXIST;
	snprintf(f->volumes->fail_text, sizeof(f->volumes->fail_text), "/tmp/x has an ext4 filesystem");
	refused(f, "POST", "/v1/pools", "{\"name\": \"p\", \"path\": \"/tmp/x\"}", 409, "exists",
		"/tmp/x has an ext4 filesystem");
}

static void a_volume_is_made_shown_and_removed(void **state)
{
	struct fixture *f = *state;
	json_t *json = client_json(&f->loop, f->path, "POST", "/v1/volumes",
		"{\"name\": \"v\", \"size\": \"2G\", \"replicas\": 3, \"fs\": \"xfs\", \"class\": null}",
		201);
	json_t *volume = json_object_get(json, "volume");

	assert_int_equal(number_of(volume, "size_bytes"), 2LL << 30);
	assert_string_equal(text_of(volume, "fs"), "xfs");
	assert_string_equal(text_of(volume, "state"), "detached");
	assert_true(json_is_null(json_object_get(volume, "attached")));
	assert_null(json_object_get(volume, "stats"));
	assert_string_equal(
		text_of(json_array_get(json_object_get(volume, "replicas"), 1), "zone"), "zone-b");
	volume = json_object_get(volume, "membership");
	assert_int_equal(number_of(volume, "number"), 1);
	assert_true(json_is_false(json_object_get(volume, "joint")));
	assert_int_equal(json_array_size(json_object_get(volume, "voters")), 3);
	assert_int_equal(json_array_size(json_object_get(volume, "next_voters")), 0);
	assert_int_equal(json_array_size(json_object_get(volume, "learners")), 0);
	json_decref(json);
	json = get(f, "/v1/volumes");
	assert_int_equal(json_array_size(json_object_get(json, "volumes")), 1);
	json_decref(json);
	json = get(f, "/v1/volumes/v");
	assert_string_equal(text_of(json_object_get(json, "volume"), "name"), "v");
	json_decref(json);
	json = client_json(&f->loop, f->path, "DELETE", "/v1/volumes/v", NULL, 200);
	assert_string_equal(text_of(json, "removed"), "v");
	json_decref(json);
	refused(f, "GET", "/v1/volumes/v", NULL, 404, "not-found", "no volume v");
	refused(f, "DELETE", "/v1/volumes/v", NULL, 404, "not-found", "no volume v");
}

static void what_is_elsewhere_is_read_first(void **state)
{
	static const struct {
		const char *path, *looked_at;
	} calls[] = {
		{ "/v1/volumes", "all" },
		{ "/v1/volumes/v", "volume v" },
		{ "/v1/classes", "all" },
		{ "/v1/classes/default", "all" },
		{ "/v1/rebalance", "all" },
		{ "/v1/pools/b/p2", "node b" },
		{ "/v1/status", "all" },
	};
	struct fixture *f = *state;
	json_t *json;

	(void)volumes_fake_add(f->volumes, "v");
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		f->volumes->looked_at[0] = '\0';
		json_decref(get(f, calls[i].path));
		assert_string_equal(f->volumes->looked_at, calls[i].looked_at);
	}
	f->volumes->look_rc = -EAGAIN;
	refused(f, "GET", "/v1/volumes", NULL, 503, "not-ready", "the kvdb is away");
	refused(f, "GET", "/v1/volumes/elsewhere", NULL, 503, "not-ready", "the kvdb is away");
	refused(f, "POST", "/v1/classes/postgres/check", "{}", 503, "not-ready", "the kvdb is away");
	json = get(f, "/v1/status");
	assert_true(json_is_false(json_object_get(json, "volumes_complete")));
	json_decref(json);
}

static void an_import_tells_its_beginning_and_end(void **state)
{
	static const char import[] = "{\"import\": \"77000000-0000-0000-0000-000000000000\"}";
	static const char onto[] =
		"{\"import\": \"78000000-0000-0000-0000-000000000000\", \"onto\": \"mon\"}";
	struct fixture *f = *state;
	struct volume_view *view = volumes_fake_add(f->volumes, "v");
	json_t *json = client_json(&f->loop, f->path, "POST", "/v1/volumes/v/serve-nbd", import, 200);

	assert_int_equal(f->volumes->import.byte[0], 0x77);
	assert_true(json_is_null(json_object_get(json_object_get(json, "volume"), "import")));
	json_decref(json);
	json = client_json(&f->loop, f->path, "POST", "/v1/volumes/v/begin-import", onto, 200);
	assert_int_equal(f->volumes->import.byte[0], 0x78);
	assert_string_equal(text_of(json_object_get(json, "volume"), "import"), "unfinished");
	json_decref(json);
	json_decref(client_json(&f->loop, f->path, "POST", "/v1/volumes/v/end-import", import, 200));
	assert_int_equal(f->volumes->import.byte[0], 0x77);
	assert_false(view->import_unfinished);
	json_decref(client_json(&f->loop, f->path, "POST", "/v1/volumes/v/serve-nbd", NULL, 200));
	assert_true(uuid_is_none(f->volumes->import));
	refused(f, "POST", "/v1/volumes/v/end-import", "{}", 400, "invalid",
		"\"import\" is missing from the request");
	refused(f, "POST", "/v1/volumes/v/begin-import", import, 400, "invalid",
		"\"onto\" is missing from the request");
	refused(f, "POST", "/v1/volumes", "{\"name\": \"w\", \"import\": \"x\"}", 400, "invalid",
		"\"import\": \"x\" is no UUID");
}

static void a_snapshot_is_made_shown_and_removed(void **state)
{
	struct fixture *f = *state;
	json_t *json, *list;

	(void)volumes_fake_add(f->volumes, "v");
	json = client_json(&f->loop, f->path, "POST", "/v1/volumes/v/snapshots",
		"{\"name\": \"one\", \"freeze\": true, \"import_of\": "
		"\"77000000-0000-0000-0000-000000000000\"}",
		201);
	assert_string_equal(text_of(json_object_get(json, "snapshot"), "state"), "ready");
	assert_true(f->volumes->froze);
	assert_int_equal(f->volumes->import_of.byte[0], 0x77);
	json_decref(json);
	json = get(f, "/v1/volumes/v/snapshots");
	list = json_object_get(json, "snapshots");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(text_of(json_array_get(list, 0), "name"), "one");
	json_decref(json);
	refused(f, "POST", "/v1/volumes/v/snapshots", "{\"name\": \"one\"}", 409, "exists",
		"snapshot v@one exists already");
	refused(f, "POST", "/v1/volumes/v/snapshots", "{\"name\": 1}", 400, "invalid",
		"\"name\" must be a string");
	refused(f, "POST", "/v1/volumes/v/snapshots", "{\"name\": \"o\", \"freeze\": 1}", 400, "invalid",
		"\"freeze\" must be true or false");
	refused(f, "POST", "/v1/volumes/v/snapshots", "{\"name\": \"o\", \"import_of\": \"x\"}", 400,
		"invalid", "\"import_of\": \"x\" is no UUID");
	json = client_json(&f->loop, f->path, "POST", "/v1/volumes/v/snapshots/one/serve-nbd", NULL, 200);
	list = json_object_get(json, "snapshot");
	assert_string_equal(text_of(list, "device"), "/dev/quoin/v@s");
	assert_string_equal(text_of(list, "front"), "nbd");
	assert_string_equal(json_string_value(json_array_get(json_object_get(list, "attached_on"), 0)), "a");
	json_decref(json);
	json = client_json(&f->loop, f->path, "POST", "/v1/volumes/v/snapshots/one/attach", NULL, 200);
	assert_string_equal(text_of(json_object_get(json, "snapshot"), "front"), "loop");
	json_decref(json);
	json = client_json(&f->loop, f->path, "POST", "/v1/volumes/v/snapshots/one/detach", NULL, 200);
	list = json_object_get(json, "snapshot");
	assert_true(json_is_null(json_object_get(list, "device")));
	assert_int_equal(json_array_size(json_object_get(list, "attached_on")), 0);
	json_decref(json);
	refused(f, "POST", "/v1/volumes/v/snapshots/two/attach", NULL, 404, "not-found",
		"volume v has no snapshot two");
	json = client_json(&f->loop, f->path, "POST", "/v1/volumes/v/snapshots/one/rollback", NULL, 200);
	assert_string_equal(text_of(json_object_get(json, "volume"), "name"), "v");
	json_decref(json);
	json = client_json(&f->loop, f->path, "DELETE", "/v1/volumes/v/snapshots/one", NULL, 200);
	assert_string_equal(text_of(json, "removed"), "one");
	json_decref(json);
	refused(f, "DELETE", "/v1/volumes/v/snapshots/one", NULL, 404, "not-found",
		"volume v has no snapshot one");
	refused(f, "GET", "/v1/volumes/w/snapshots", NULL, 404, "not-found", "no volume w");
}

static void wrong_volumes_are_refused(void **state)
{
	static const struct {
		const char *body, *words;
	} cases[] = {
		{ NULL, "the request has no body; a JSON object is expected" },
		{ "{\"name\" \"v\"}",
			"the request is not valid JSON: line 1, column 11: ':' expected near '\"v\"'" },
		{ "{}", "\"name\" is missing from the request" },
		{ "{\"name\": \"a b\"}", NULL },
		{ "{\"name\": \"v\", \"sise\": \"1G\"}", "unknown field \"sise\"; did you mean \"size\"?" },
		{ "{\"name\": \"v\", \"size\": true}", "\"size\" must be a string" },
		{ "{\"name\": \"v\", \"replicas\": 9}", "option replicas=9: write a number from 1 to 5" },
		{ "{\"name\": \"v\", \"size\": \"1M\"}", "option size=1M: a volume is at least 32 MiB" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(f, "POST", "/v1/volumes", cases[i].body, 400, "invalid", cases[i].words);
}

static void a_volume_is_attached_and_detached(void **state)
{
	struct fixture *f = *state;
	json_t *json, *attached, *stats;

	volumes_fake_add(f->volumes, "v");
	json = client_json(&f->loop, f->path, "POST", "/v1/volumes/v/attach", NULL, 200);
	attached = json_object_get(json_object_get(json, "volume"), "attached");
	stats = json_object_get(json_object_get(json, "volume"), "stats");
	assert_string_equal(text_of(attached, "device"), "/dev/quoin/v");
	assert_string_equal(text_of(attached, "node"), "a");
	assert_true(json_is_true(json_object_get(attached, "here")));
	assert_int_equal(number_of(stats, "quorum_waits"), 5);
	assert_int_equal(number_of(json_object_get(stats, "write"), "ops"), 3);
	json_decref(json);
	json = client_json(&f->loop, f->path, "POST", "/v1/volumes/v/detach", NULL, 200);
	assert_true(json_is_null(json_object_get(json_object_get(json, "volume"), "attached")));
	json_decref(json);
	assert_false(f->volumes->forced);
	json_decref(client_json(&f->loop, f->path, "POST", "/v1/volumes/v/attach", "{\"force\": true}", 200));
	assert_true(f->volumes->forced);
	json_decref(client_json(&f->loop, f->path, "POST", "/v1/volumes/v/detach", NULL, 200));
	refused(f, "POST", "/v1/volumes/v/attach", "{\"force\": 1}", 400, "invalid",
		"\"force\" must be true or false");

	refused(f, "POST", "/v1/volumes/w/attach", NULL, 404, "not-found", "no volume w");
	refused(f, "GET", "/v1/volumes/v/attach", NULL, 405, "not-supported", NULL);
}

static void limits_expect(struct fixture *f, const char *body, long long iops, long long bytes_per_s)
{
	json_t *json = client_json(&f->loop, f->path, "POST", "/v1/volumes/v/set-limits", body, 200);
	json_t *limits = json_object_get(json_object_get(json, "volume"), "limits");

	assert_int_equal(number_of(limits, "iops"), iops);
	assert_int_equal(number_of(limits, "bytes_per_s"), bytes_per_s);
	json_decref(json);
}

static void a_volume_is_resized(void **state)
{
	struct fixture *f = *state;
	json_t *json;

	volumes_fake_add(f->volumes, "v");
	json = client_json(&f->loop, f->path, "POST", "/v1/volumes/v/resize", "{\"size\": \"30G\"}", 200);
	assert_int_equal(number_of(json_object_get(json, "volume"), "size_bytes"), 30ll << 30);
	json_decref(json);
	refused(f, "POST", "/v1/volumes/v/resize", "{\"size\": \"20G\"}", 403, "refused",
		"volume v can't shrink");
	refused(f, "POST", "/v1/volumes/v/resize", "{\"size\": \"40\"}", 400, "invalid",
		"size '40' has no unit: it could be 40 bytes or 40 GiB; write 40G for GiB");
	refused(f, "POST", "/v1/volumes/v/resize", "{}", 400, "invalid", "\"size\" is missing");
}

static void limits_are_read_as_they_are_meant(void **state)
{
	struct fixture *f = *state;

	volumes_fake_add(f->volumes, "v");
	limits_expect(f, "{\"iops\": \"500\", \"bandwidth\": \"100M\"}", 500, 104857600);
	limits_expect(f, "{\"bandwidth\": 0}", 500, 0);
	limits_expect(f, "{\"iops\": 20}", 20, 0);
	refused(f, "POST", "/v1/volumes/v/set-limits", "{}", 400, "invalid",
		"neither \"iops\" nor \"bandwidth\" is given");
	refused(f, "POST", "/v1/volumes/v/set-limits", "{\"iops\": -1}", 400, "invalid",
		"\"iops\" must be a number from 0 to 999999999");
	refused(f, "POST", "/v1/volumes/v/set-limits", "{\"iops\": \"many\"}", 400, "invalid", NULL);
}

static void errors_keep_their_kind(void **state)
{
	static const struct {
		int rc, status;
		const char *code;
	} cases[] = { { -EBUSY, 409, "in-use" }, { -ESTALE, 409, "fenced" }, { -ETIMEDOUT, 504, "timed-out" },
		{ -EAGAIN, 503, "not-ready" }, { -ENOSPC, 507, "no-room" }, { -EIO, 500, "failed" } };
	struct fixture *f = *state;

	snprintf(f->volumes->fail_text, sizeof(f->volumes->fail_text), "because");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->volumes->fail_rc = cases[i].rc;
		refused(f, "POST", "/v1/volumes/v/attach", NULL, cases[i].status, cases[i].code, "because");
		refused(f, "POST", "/v1/volumes", "{\"name\": \"v\"}", cases[i].status, cases[i].code,
			"because");
	}
}

static void a_drain_names_a_pool_or_a_node(void **state)
{
	struct fixture *f = *state;

	json_decref(client_json(
		&f->loop, f->path, "POST", "/v1/drain", "{\"pool\": \"a/p\", \"force\": true}", 200));
	json_decref(client_json(
		&f->loop, f->path, "POST", "/v1/drain", "{\"node\": \"a\", \"drain\": false}", 200));
	json_decref(client_json(&f->loop, f->path, "DELETE", "/v1/nodes/a", NULL, 200));
	json_decref(client_json(&f->loop, f->path, "POST", "/v1/pools/remove", "{\"pool\": \"a/p\"}", 200));
	json_decref(client_json(&f->loop, f->path, "POST", "/v1/pools/scrub", "{\"pool\": \"a/p\"}", 200));
	refused(f, "POST", "/v1/pools/scrub", "{\"pool\": 7}", 400, "invalid", "\"pool\" must be a string");
	refused(f, "POST", "/v1/drain", "{\"node\": \"a\", \"to\": \"b/p\"}", 400, "invalid",
		"\"to\" is said of a pool that is to be drained");
	refused(f, "POST", "/v1/drain", "{}", 400, "invalid", "one of \"pool\" and \"node\" must be given");
	refused(f, "POST", "/v1/drain", "{\"pool\": \"p\", \"node\": \"a\"}", 400, "invalid",
		"one of \"pool\" and \"node\" must be given");
	refused(f, "POST", "/v1/drain", "{\"pool\": \"p\", \"force\": 1}", 400, "invalid",
		"\"force\" must be true or false");
}

static void a_rebalance_is_a_list_of_moves(void **state)
{
	struct fixture *f = *state;
	json_t *json = get(f, "/v1/rebalance");
	json_t *move = json_array_get(json_object_get(json, "moves"), 0);

	assert_string_equal(json_string_value(json_object_get(move, "volume")), "v");
	assert_string_equal(json_string_value(json_object_get(json_object_get(move, "to"), "node")), "d");
	assert_int_equal(json_integer_value(json_object_get(json, "move_bytes")), 1 << 30);
	json_decref(json);
}

static void a_scan_shows_disks_with_what_was_measured(void **state)
{
	struct fixture *f = *state;
	json_t *json = client_json(&f->loop, f->path, "POST", "/v1/scan", NULL, 200);
	json_t *device = json_array_get(json_object_get(json, "devices"), 0);

	assert_string_equal(json_string_value(json_object_get(device, "path")), "/dev/sdx");
	assert_true(json_is_true(json_object_get(device, "offered")));
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(device, "measured"), "read_p50_us")), 80);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(json, "node"), "tier")), "high");
	json_decref(json);
}

static void a_trace_shows_each_step_in_microseconds(void **state)
{
	struct fixture *f = *state;
	json_t *json, *write, *voters;

	volumes_fake_attach_here(f->volumes, volumes_fake_add(f->volumes, "v"));
	volumes_fake_add(f->volumes, "w");
	json = get(f, "/v1/volumes/v/trace");
	write = json_array_get(json_object_get(json, "writes"), 0);
	voters = json_object_get(write, "voters");
	assert_int_equal(number_of(write, "seq"), 17);
	assert_int_equal(number_of(write, "length_bytes"), 4096);
	assert_true(json_real_value(json_object_get(write, "sent_us")) == 2.5);
	assert_true(json_real_value(json_object_get(write, "committed_us")) == 90.25);
	assert_string_equal(text_of(json_array_get(voters, 1), "node"), "b");
	assert_true(json_real_value(json_object_get(json_array_get(voters, 1), "answer_us")) == 90);
	assert_true(json_is_null(json_object_get(json_array_get(voters, 2), "answer_us")));
	json_decref(json);
	refused(f, "GET", "/v1/volumes/w/trace", NULL, 404, "not-found",
		"volume w is not attached on this node");
}

static void events_go_on_after_a_number(void **state)
{
	struct fixture *f = *state;
	json_t *json, *list;

	for (unsigned i = 0; i < 3; i++) {
		struct event_view *event = &f->volumes->events[i];

		event->number = i + 10;
		snprintf(event->time, sizeof(event->time), "2026-01-31T12:00:00.000Z");
		snprintf(event->kind, sizeof(event->kind), "volume-attached");
		snprintf(event->subject, sizeof(event->subject), "v%u", i);
		snprintf(event->text, sizeof(event->text), "on node a\xff");
	}
	f->volumes->event_count = 3;
	json = get(f, "/v1/events");
	assert_int_equal(json_array_size(json_object_get(json, "events")), 3);
	json_decref(json);
	json = get(f, "/v1/events?after=11");
	list = json_object_get(json, "events");
	assert_int_equal(json_array_size(list), 1);
	assert_int_equal(number_of(json_array_get(list, 0), "number"), 12);
	assert_string_equal(text_of(json_array_get(list, 0), "subject"), "v2");
	assert_string_equal(text_of(json_array_get(list, 0), "text"), "on node a?");
	json_decref(json);
	refused(f, "GET", "/v1/events?after=x", NULL, 400, "invalid", "after=x is no number of an event");
	refused(f, "GET", "/v1/events?after=-1", NULL, 400, "invalid", NULL);
	refused(f, "GET", "/v1/events?after=99999999999999999999", NULL, 400, "invalid", NULL);
}

static void a_place_is_told_without_making_anything(void **state)
{
	struct fixture *f = *state;
	json_t *json = client_json(
		&f->loop, f->path, "POST", "/v1/place", "{\"size\": \"1G\", \"replicas\": 2}", 200);
	const json_t *place = json_object_get(json, "place");
	const json_t *pools = json_object_get(place, "pools");

	assert_true(json_is_true(json_object_get(place, "found")));
	assert_true(json_is_null(json_object_get(place, "would_help")));
	assert_int_equal(number_of(place, "size_bytes"), 1LL << 30);
	assert_int_equal(json_array_size(pools), 3);
	assert_string_equal(text_of(json_array_get(pools, 0), "verdict"), "taken");
	assert_string_equal(text_of(json_array_get(pools, 2), "verdict"), "score");
	json_decref(json);
	refused(f, "POST", "/v1/place", "{\"sise\": \"1G\"}", 400, "invalid", NULL);
	refused(f, "POST", "/v1/place", "{\"replicas\": 9}", 400, "invalid",
		"option replicas=9: write a number from 1 to 5");
	f->volumes->fail_rc = -ENOSPC;
	json = client_json(&f->loop, f->path, "POST", "/v1/place", "{}", 200);
	place = json_object_get(json, "place");
	assert_true(json_is_false(json_object_get(place, "found")));
	assert_string_equal(text_of(place, "would_help"), "start node c");
	json_decref(json);
	f->volumes->fail_rc = 0;
}

static void odd_paths_are_refused(void **state)
{
	struct fixture *f = *state;

	refused(f, "GET", "/", NULL, 404, "not-found", NULL);
	refused(f, "GET", "/v2/status", NULL, 404, "not-found", NULL);
	refused(f, "GET", "/v1/volumes/", NULL, 404, "not-found", NULL);
	refused(f, "GET", "/v1/volumes/..%2f..%2fetc", NULL, 404, "not-found", NULL);
	refused(f, "PUT", "/v1/volumes", "{}", 405, "not-supported", NULL);
}

static void an_agent_ends_under_an_operation_that_waits(void **state)
{
	static const char attach[] =
		"POST /v1/volumes/v/attach HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\r\n";
	struct fixture *f = *state;
	int fd = client_unix(f->path);
	struct http_reply reply;

	volumes_fake_add(f->volumes, "v");
	f->volumes->hold = true;
	reply = client_exchange(&f->loop, fd, attach, strlen(attach), 0, 30);
	client_reply_free(&reply);
	admin_end(f);
	volumes_fake_release(f->volumes);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, admin_setup, admin_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_socket_is_for_its_group_only),
		TEST(status_counts_all),
		TEST(status_says_why_it_is_not_ready),
		TEST(nodes_have_their_places),
		TEST(pools_have_tier_and_room),
		TEST(a_pool_is_added),
		TEST(a_volume_is_made_shown_and_removed),
		TEST(what_is_elsewhere_is_read_first),
		TEST(an_import_tells_its_beginning_and_end),
		TEST(what_is_elsewhere_is_read_first),
		TEST(a_snapshot_is_made_shown_and_removed),
		TEST(wrong_volumes_are_refused),
		TEST(a_volume_is_attached_and_detached),
		TEST(limits_are_read_as_they_are_meant),
		TEST(a_volume_is_resized),
		TEST(errors_keep_their_kind),
		TEST(a_drain_names_a_pool_or_a_node),
		TEST(a_rebalance_is_a_list_of_moves),
		TEST(a_scan_shows_disks_with_what_was_measured),
		TEST(a_trace_shows_each_step_in_microseconds),
		TEST(events_go_on_after_a_number),
		TEST(a_place_is_told_without_making_anything),
		TEST(odd_paths_are_refused),
		TEST(an_agent_ends_under_an_operation_that_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
