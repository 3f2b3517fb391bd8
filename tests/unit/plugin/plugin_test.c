/* The Docker volume plugin through a real unix socket, with volumes in memory: each call as dockerd makes it,
 * and all the ways in which a call can be wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "http_client.h"
#include "plugin/plugin.h"
#include "volumes_fake.h"

struct fixture {
	uv_loop_t loop;
	struct volumes *volumes;
	struct plugin *plugin;
	char path[64];
	bool closed;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct plugin_config config = {
		.loop = &f->loop, .socket_path = f->path, .receive_timeout_ms = 100, .deadline_max_ms = 300
	};
	struct error error;

	snprintf(f->path, sizeof(f->path), "/tmp/quoin-ctl-plugin-%d.sock", (int)getpid());
	assert_int_equal(uv_loop_init(&f->loop), 0);
	config.volumes = f->volumes = volumes_fake_new(&f->loop);
	assert_int_equal(plugin_new(&config, &f->plugin, &error), 0);
	*state = f;
	return 0;
}

static void on_closed(void *arg)
{
	struct fixture *f = arg;

	f->closed = true;
}

static void plugin_end(struct fixture *f)
{
	plugin_close(f->plugin, on_closed, f);
	f->plugin = NULL;
	while (!f->closed)
		uv_run(&f->loop, UV_RUN_ONCE);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->plugin)
		plugin_end(f);
	volumes_fake_free(f->volumes);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

/* A call that must succeed; the answer, with an empty or absent Err. */
static json_t *call(struct fixture *f, const char *method, const char *body)
{
	char path[64];
	json_t *json;
	const char *err;

	snprintf(path, sizeof(path), "/%s", method);
	json = client_json(&f->loop, f->path, "POST", path, body, 200);
	err = json_string_value(json_object_get(json, "Err"));
	assert_true(!err || err[0] == '\0');
	return json;
}

static void call_ok(struct fixture *f, const char *method, const char *body)
{
	json_decref(call(f, method, body));
}

/* A call that must fail with 500 and these words. */
static void call_err(struct fixture *f, const char *method, const char *body, const char *words)
{
	char path[64];
	json_t *json;

	snprintf(path, sizeof(path), "/%s", method);
	json = client_json(&f->loop, f->path, "POST", path, body, 500);
	assert_string_equal(json_string_value(json_object_get(json, "Err")), words);
	json_decref(json);
}

static void activate_answers_at_once_and_begins_a_generation(void **state)
{
	static const char as_dockerd[] = "POST /Plugin.Activate HTTP/1.1\r\nHost: \r\nUser-Agent: "
					 "Go-http-client/1.1\r\nContent-Length: 0\r\n"
					 "Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n";
	struct fixture *f = *state;
	struct http_reply reply;

	f->volumes->cluster.ready = false;
	f->volumes->hold = true;
	reply = client_exchange(&f->loop, client_unix(f->path), as_dockerd, strlen(as_dockerd), 0, 1000);
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.body, "{\"Implements\":[\"VolumeDriver\"]}\n");
	assert_non_null(strstr(reply.text, "Content-Type: application/vnd.docker.plugins.v1.2+json\r\n"));
	client_reply_free(&reply);
	assert_int_equal(f->volumes->generations, 1);
}

static void capabilities_are_global(void **state)
{
	json_t *json = call(*state, "VolumeDriver.Capabilities", "{}\n");
	json_t *capabilities = json_object_get(json, "Capabilities");

	assert_string_equal(json_string_value(json_object_get(capabilities, "Scope")), "global");
	json_decref(json);
}

static void create_takes_all_options(void **state)
{
	struct fixture *f = *state;
	const struct volume_options *options = &f->volumes->volumes[0].options;

	call_ok(f, "VolumeDriver.Create",
		"{\"Name\": \"v\", \"Opts\": {\"size\": \"2G\", \"class\": \"high\", \"replicas\": \"1\", "
		"\"fs\": \"xfs\"}}\n");
	assert_int_equal(options->size_bytes, UINT64_C(2) << 30);
	assert_string_equal(options->class_name, "high");
	assert_int_equal(options->replicas, 1);
	assert_string_equal(options->fs, "xfs");
}

static void create_without_options_leaves_them_to_the_class(void **state)
{
	struct fixture *f = *state;

	call_ok(f, "VolumeDriver.Create", "{\"Name\": \"v\", \"Opts\": null}\n");
	call_ok(f, "VolumeDriver.Create", "{\"Name\": \"w\"}\n");
	call_ok(f, "VolumeDriver.Create", "{\"Name\": \"x\", \"Opts\": {}, \"Unknown\": [1, 2]}\n");
	assert_int_equal(f->volumes->volumes[0].options.size_bytes, 0);
	assert_non_null(volumes_fake_find(f->volumes, "x"));
}

static void create_again_with_the_same_options_is_a_success(void **state)
{
	struct fixture *f = *state;

	call_ok(f, "VolumeDriver.Create", "{\"Name\": \"v\", \"Opts\": {\"size\": \"2G\"}}\n");
	call_ok(f, "VolumeDriver.Create", "{\"Name\": \"v\", \"Opts\": {\"size\": \"2048M\"}}\n");
	call_err(f, "VolumeDriver.Create", "{\"Name\": \"v\", \"Opts\": {\"size\": \"3G\"}}\n",
		"volume v exists already, with other options");
}

static void wrong_creates_are_refused_with_words(void **state)
{
	static const struct {
		const char *body, *words;
	} cases[] = {
		{ NULL, "the request has no body; a JSON object is expected" },
		{ "{\"Name\": \"v\"",
			"the request is not valid JSON: line 1, column 12: '}' expected near end of file" },
		{ "[]", "the request is JSON, but not an object" },
		{ "{}", "\"Name\" is missing from the request" },
		{ "{\"Name\": null}", "\"Name\" is missing from the request" },
		{ "{\"Name\": 7}", "\"Name\" must be a string" },
		{ "{\"Name\": \"\"}", "volume name is empty" },
		{ "{\"Name\": \"../etc\"}", "volume name '../etc': character 1, '.', is not allowed; the "
					    "first one is a letter or a digit" },
		{ "{\"Name\": \"v\", \"Opts\": []}", "\"Opts\" must be an object of strings" },
		{ "{\"Name\": \"v\", \"Opts\": {\"size\": 10}}", "option \"size\" must be a string" },
		{ "{\"Name\": \"v\", \"Opts\": {\"sise\": \"10G\"}}",
			"unknown option \"sise\": did you mean \"size\"? There are size, class, replicas, "
			"fs, "
			"tier, group, nodes, zones, racks, selector, sticky, near, from, shards and thick" },
		{ "{\"Name\": \"v\", \"Opts\": {\"fs\": \"ext3\"}}",
			"option fs=ext3: did you mean fs=ext4? There are ext4 and xfs" },
		{ "{\"Name\": \"v\", \"Opts\": {\"replicas\": \"three\"}}",
			"option replicas=three: write a number from 1 to 5" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		call_err(f, "VolumeDriver.Create", cases[i].body, cases[i].words);
	assert_null(volumes_fake_find(f->volumes, "v"));
}

static const char *const named_calls[] = { "VolumeDriver.Create", "VolumeDriver.Remove", "VolumeDriver.Mount",
	"VolumeDriver.Unmount", "VolumeDriver.Get", "VolumeDriver.Path" };

static void every_call_survives_any_body(void **state)
{
	static const char *const bodies[] = { "", "\n", "null", "{", "{}", "[]", "\"x\"", "{\"Name\": {}}",
		"{\"Name\": \"\\ud800\"}", "{\"Name\": \"a\\u0000b\"}", "{\"Name\": \"x\", \"ID\": []}",
		"{\"Name\": \"x\", \"Name\": \"y\"}", "\xff\xfe" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(named_calls) / sizeof(named_calls[0]); i++) {
		for (size_t j = 0; j < sizeof(bodies) / sizeof(bodies[0]); j++) {
			char path[64];
			json_t *json;

			if (i == 0 && j == 10)
				continue; /* for Create that one is right */
			snprintf(path, sizeof(path), "/%s", named_calls[i]);
			json = client_json(&f->loop, f->path, "POST", path, bodies[j], 500);
			assert_true(json_string_length(json_object_get(json, "Err")) > 0);
			json_decref(json);
		}
	}
	call_ok(f, "VolumeDriver.List", NULL);
	call_ok(f, "VolumeDriver.List", "nonsense");
	call_ok(f, "VolumeDriver.Capabilities", NULL);
}

static void a_huge_name_is_refused(void **state)
{
	struct fixture *f = *state;
	size_t len = 900000;
	char *body = malloc(len + 64);

	for (size_t i = 0; i < sizeof(named_calls) / sizeof(named_calls[0]); i++) {
		memcpy(body, "{\"Name\": \"", 10);
		memset(body + 10, 'x', len);
		memcpy(body + 10 + len, "\", \"ID\": \"i\"}", 14);
		call_err(f, named_calls[i], body, "\"Name\" is 900000 bytes long; at most 1024 are allowed");
	}
	free(body);
}

static void chunked_calls_work(void **state)
{
	static const char text[] =
		"POST /VolumeDriver.Create HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n"
		"8\r\n{\"Name\":\r\n6\r\n \"v1\"}\r\n0\r\n\r\n";
	struct fixture *f = *state;
	struct http_reply reply =
		client_exchange(&f->loop, client_unix(f->path), text, strlen(text), 0, 2000);

	assert_int_equal(reply.status, 200);
	client_reply_free(&reply);
	assert_non_null(volumes_fake_find(f->volumes, "v1"));
}

static void hostile_calls_end_and_the_next_is_answered(void **state)
{
	static const char large[] =
		"POST /VolumeDriver.Create HTTP/1.1\r\nHost: \r\nContent-Length: 104857600\r\n\r\n";
	static const char half[] =
		"POST /VolumeDriver.Create HTTP/1.1\r\nHost: \r\nContent-Length: 20\r\n\r\n{\"Na";
	struct fixture *f = *state;
	struct http_reply reply =
		client_exchange(&f->loop, client_unix(f->path), large, strlen(large), 104857600, 5000);

	assert_int_equal(reply.status, 413);
	assert_non_null(strstr(reply.body, "larger than 1048576 bytes"));
	client_reply_free(&reply);
	reply = client_exchange(&f->loop, client_unix(f->path), half, strlen(half), 0, 3000);
	assert_int_equal(reply.status, 408);
	client_reply_free(&reply);
	call_ok(f, "VolumeDriver.List", NULL);
	assert_int_equal(plugin_counters(f->plugin)->refused_large, 1);
	assert_int_equal(plugin_counters(f->plugin)->refused_slow, 1);
}

static void mount_gives_the_path_and_unmount_takes_it_back(void **state)
{
	struct fixture *f = *state;
	json_t *json;

	volumes_fake_add(f->volumes, "v");
	json = call(f, "VolumeDriver.Path", "{\"Name\": \"v\"}");
	assert_string_equal(json_string_value(json_object_get(json, "Mountpoint")), "");
	json_decref(json);
	json = call(f, "VolumeDriver.Mount", "{\"Name\": \"v\", \"ID\": \"i1\"}\n");
	assert_string_equal(json_string_value(json_object_get(json, "Mountpoint")), "/var/lib/quoin/mnt/v");
	json_decref(json);
	json = call(f, "VolumeDriver.Path", "{\"Name\": \"v\"}");
	assert_string_equal(json_string_value(json_object_get(json, "Mountpoint")), "/var/lib/quoin/mnt/v");
	json_decref(json);
	call_err(f, "VolumeDriver.Remove", "{\"Name\": \"v\"}",
		"volume v is in use on node a since 2026-01-31T12:34:56.000Z");
	call_ok(f, "VolumeDriver.Unmount", "{\"Name\": \"v\", \"ID\": \"i1\"}\n");
	assert_int_equal(volumes_fake_find(f->volumes, "v")->mount_count, 0);
	call_ok(f, "VolumeDriver.Remove", "{\"Name\": \"v\"}");
	assert_null(volumes_fake_find(f->volumes, "v"));
}

/* Both forms of its name mean one volume; dockerd hears the one that it used. */
static void a_name_with_options_means_its_volume(void **state)
{
#define INLINE "\"size=2G,repl=1,name=v\""
	struct fixture *f = *state;
	json_t *json;

	call_ok(f, "VolumeDriver.Create", "{\"Name\": " INLINE ", \"Opts\": {\"fs\": \"xfs\"}}\n");
	assert_non_null(volumes_fake_find(f->volumes, "v"));
	assert_int_equal(f->volumes->volumes[0].options.size_bytes, UINT64_C(2) << 30);
	assert_int_equal(f->volumes->volumes[0].options.replicas, 1);
	assert_string_equal(f->volumes->volumes[0].options.fs, "xfs");
	json = call(f, "VolumeDriver.Get", "{\"Name\": " INLINE "}\n");
	assert_string_equal(json_string_value(json_object_get(json_object_get(json, "Volume"), "Name")),
		"size=2G,repl=1,name=v");
	json_decref(json);
	/* What was asked for at first may have been changed since: it is that volume all the same. */
	json = call(f, "VolumeDriver.Get", "{\"Name\": \"size=9G,name=v\"}\n");
	json_decref(json);
	/* But not by what it never was. */
	call_err(f, "VolumeDriver.Get", "{\"Name\": \"class=defualt,name=v\"}",
		"volume v exists already, with another class");
	json_decref(call(f, "VolumeDriver.Get", "{\"Name\": \"class=default,name=v\"}"));
	json = call(f, "VolumeDriver.List", "{}\n");
	assert_int_equal(json_array_size(json_object_get(json, "Volumes")), 1);
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(json, "Volumes"), 0), "Name")),
		"v");
	json_decref(json);
	json = call(f, "VolumeDriver.Mount", "{\"Name\": " INLINE ", \"ID\": \"i1\"}\n");
	assert_string_equal(json_string_value(json_object_get(json, "Mountpoint")), "/var/lib/quoin/mnt/v");
	json_decref(json);
	json = call(f, "VolumeDriver.Path", "{\"Name\": " INLINE "}");
	assert_string_equal(json_string_value(json_object_get(json, "Mountpoint")), "/var/lib/quoin/mnt/v");
	json_decref(json);
	/* The same container by the other form: one ID, counted. */
	call_ok(f, "VolumeDriver.Unmount", "{\"Name\": \"v\", \"ID\": \"i1\"}\n");
	assert_int_equal(volumes_fake_find(f->volumes, "v")->mount_count, 0);
	call_ok(f, "VolumeDriver.Remove", "{\"Name\": " INLINE "}");
	assert_null(volumes_fake_find(f->volumes, "v"));
	call_err(f, "VolumeDriver.Create", "{\"Name\": " INLINE ", \"Opts\": {\"replicas\": \"3\"}}",
		"option replicas is given twice");
	call_err(f, "VolumeDriver.Get", "{\"Name\": \"size=2G\"}",
		"a volume name with options needs the name among them: size=2G,name=NAME");
	assert_null(volumes_fake_find(f->volumes, "v"));
}

static void mount_needs_an_id(void **state)
{
	struct fixture *f = *state;

	volumes_fake_add(f->volumes, "v");
	call_err(f, "VolumeDriver.Mount", "{\"Name\": \"v\"}", "\"ID\" is missing from the request");
	call_err(f, "VolumeDriver.Mount", "{\"Name\": \"v\", \"ID\": \"\"}", "\"ID\" is empty");
	call_err(f, "VolumeDriver.Unmount", "{\"Name\": \"v\", \"ID\": 5}", "\"ID\" must be a string");
	assert_int_equal(f->volumes->mounts + f->volumes->unmounts, 0);
}

static void an_operations_error_keeps_its_words(void **state)
{
	struct fixture *f = *state;

	volumes_fake_add(f->volumes, "v");
	f->volumes->fail_rc = -EBUSY;
	snprintf(f->volumes->fail_text, sizeof(f->volumes->fail_text),
		"volume v is attached on node b since yesterday");
	call_err(f, "VolumeDriver.Mount", "{\"Name\": \"v\", \"ID\": \"i\"}",
		"volume v is attached on node b since yesterday");
	call_err(f, "VolumeDriver.Unmount", "{\"Name\": \"v\", \"ID\": \"i\"}",
		"volume v is attached on node b since yesterday");
}

static void get_shows_all_that_matters_in_status(void **state)
{
	struct fixture *f = *state;
	struct volume_view *view = volumes_fake_add(f->volumes, "v");
	json_t *json, *volume, *status;

	volumes_fake_attach_here(f->volumes, view);
	json = call(f, "VolumeDriver.Get", "{\"Name\": \"v\"}\n");
	volume = json_object_get(json, "Volume");
	status = json_object_get(volume, "Status");
	assert_string_equal(json_string_value(json_object_get(volume, "Name")), "v");
	assert_string_equal(
		json_string_value(json_object_get(volume, "CreatedAt")), "2026-01-31T12:00:00.000Z");
	assert_string_equal(json_string_value(json_object_get(status, "size")), "1 GiB");
	assert_int_equal(json_integer_value(json_object_get(status, "size_bytes")), 1 << 30);
	assert_string_equal(json_string_value(json_object_get(status, "class")), "default");
	assert_string_equal(json_string_value(json_object_get(status, "fs")), "ext4");
	assert_int_equal(json_integer_value(json_object_get(status, "replicas")), 3);
	assert_int_equal(json_array_size(json_object_get(status, "zones")), 3);
	assert_string_equal(json_string_value(json_array_get(json_object_get(status, "zones"), 2)), "zone-c");
	assert_string_equal(json_string_value(json_object_get(status, "state")), "healthy");
	assert_string_equal(json_string_value(json_object_get(status, "attached_node")), "a");
	assert_string_equal(
		json_string_value(json_object_get(status, "attached_since")), "2026-01-31T12:34:56.000Z");
	json_decref(json);
}

static void get_of_an_unwell_volume_is_no_error(void **state)
{
	struct fixture *f = *state;
	struct volume_view *view = volumes_fake_add(f->volumes, "v");
	json_t *json, *volume;

	snprintf(view->state, sizeof(view->state), "no-quorum");
	view->created[0] = '\0';
	f->volumes->cluster.kvdb_ok = false;
	json = call(f, "VolumeDriver.Get", "{\"Name\": \"v\"}\n");
	volume = json_object_get(json, "Volume");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(volume, "Status"), "state")), "no-quorum");
	assert_null(json_object_get(volume, "CreatedAt")); /* absent rather than wrong */
	json_decref(json);
}

static void get_of_no_volume_is_an_error(void **state)
{
	struct fixture *f = *state;

	call_err(f, "VolumeDriver.Get", "{\"Name\": \"v\"}", "no volume v");
	call_err(f, "VolumeDriver.Path", "{\"Name\": \"v\"}", "no volume v");
	f->volumes->cluster.ready = false;
	snprintf(f->volumes->cluster.not_ready, sizeof(f->volumes->cluster.not_ready),
		"the catalog is being read");
	call_err(f, "VolumeDriver.Get", "{\"Name\": \"v\"}",
		"volume v: not known yet, this node is not ready: the catalog is being read");
}

/* dockerd forgets a volume whose Get is an Err, and hides all of a List's that is one. */
static void a_kvdb_that_is_away_hides_nothing_that_is_known(void **state)
{
	struct fixture *f = *state;
	json_t *json;

	volumes_fake_add(f->volumes, "v");
	f->volumes->look_rc = -EAGAIN;
	call_ok(f, "VolumeDriver.Get", "{\"Name\": \"v\"}");
	assert_string_equal(f->volumes->looked_at, "volume v");
	call_ok(f, "VolumeDriver.Path", "{\"Name\": \"v\"}");
	call_err(f, "VolumeDriver.Get", "{\"Name\": \"elsewhere\"}", "the kvdb is away");
	call_err(f, "VolumeDriver.Path", "{\"Name\": \"elsewhere\"}", "the kvdb is away");
	json = call(f, "VolumeDriver.List", "{}\n");
	assert_string_equal(f->volumes->looked_at, "all");
	assert_int_equal(json_array_size(json_object_get(json, "Volumes")), 1);
	json_decref(json);
}

static void list_names_all(void **state)
{
	struct fixture *f = *state;
	json_t *json = call(f, "VolumeDriver.List", "{}\n");

	assert_int_equal(json_array_size(json_object_get(json, "Volumes")), 0);
	assert_true(json_is_array(json_object_get(json, "Volumes")));
	json_decref(json);
	volumes_fake_add(f->volumes, "v1");
	volumes_fake_add(f->volumes, "v2");
	json = call(f, "VolumeDriver.List", "{}\n");
	assert_int_equal(json_array_size(json_object_get(json, "Volumes")), 2);
	json_decref(json);
}

static void calls_from_memory_dont_wait_for_operations(void **state)
{
	static const char mount[] =
		"POST /VolumeDriver.Mount HTTP/1.1\r\nHost: \r\nContent-Length: 24\r\n\r\n"
		"{\"Name\": \"v\",\"ID\": \"i1\"}";
	struct fixture *f = *state;
	struct http_reply reply;
	int fd = client_unix(f->path);

	volumes_fake_add(f->volumes, "v");
	f->volumes->hold = true;
	reply = client_exchange(&f->loop, fd, mount, strlen(mount), 0, 30);
	assert_int_equal(reply.status, -1);
	client_reply_free(&reply);
	call_ok(f, "VolumeDriver.Get", "{\"Name\": \"v\"}");
	call_ok(f, "VolumeDriver.List", NULL);
	volumes_fake_release(f->volumes);
	reply = client_exchange(&f->loop, fd, "", 0, 0, 2000);
	assert_int_equal(reply.status, 200);
	assert_non_null(strstr(reply.body, "/var/lib/quoin/mnt/v"));
	client_reply_free(&reply);
}

static void a_plugin_closes_under_a_mount_that_waits(void **state)
{
	static const char mount[] =
		"POST /VolumeDriver.Mount HTTP/1.1\r\nHost: \r\nContent-Length: 24\r\n\r\n"
		"{\"Name\": \"v\",\"ID\": \"i1\"}";
	struct fixture *f = *state;
	int fd = client_unix(f->path);
	struct http_reply reply;

	volumes_fake_add(f->volumes, "v");
	f->volumes->hold = true;
	reply = client_exchange(&f->loop, fd, mount, strlen(mount), 0, 30);
	client_reply_free(&reply);
	plugin_end(f);
	volumes_fake_release(f->volumes);
	assert_int_equal(f->volumes->mounts, 1);
	close(fd);
}

static void a_mount_that_ends_too_late_is_given_back(void **state)
{
	struct fixture *f = *state;

	volumes_fake_add(f->volumes, "v");
	f->volumes->hold = true;
	call_err(f, "VolumeDriver.Mount", "{\"Name\": \"v\", \"ID\": \"i1\"}",
		"no answer within 300 ms; what was asked may still be done: look again");
	/* dockerd believes that it failed, and never sends Unmount for it. */
	volumes_fake_release(f->volumes);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->volumes->unmounts, 1);
	assert_int_equal(volumes_fake_find(f->volumes, "v")->mount_count, 0);
}

static void unknown_calls_are_refused(void **state)
{
	struct fixture *f = *state;

	json_decref(client_json(&f->loop, f->path, "POST", "/VolumeDriver.Snapshot", "{}", 404));
	json_decref(client_json(&f->loop, f->path, "GET", "/VolumeDriver.List", NULL, 405));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(activate_answers_at_once_and_begins_a_generation),
		TEST(capabilities_are_global),
		TEST(create_takes_all_options),
		TEST(create_without_options_leaves_them_to_the_class),
		TEST(create_again_with_the_same_options_is_a_success),
		TEST(wrong_creates_are_refused_with_words),
		TEST(every_call_survives_any_body),
		TEST(a_huge_name_is_refused),
		TEST(chunked_calls_work),
		TEST(hostile_calls_end_and_the_next_is_answered),
		TEST(mount_gives_the_path_and_unmount_takes_it_back),
		TEST(a_name_with_options_means_its_volume),
		TEST(mount_needs_an_id),
		TEST(an_operations_error_keeps_its_words),
		TEST(get_shows_all_that_matters_in_status),
		TEST(get_of_an_unwell_volume_is_no_error),
		TEST(get_of_no_volume_is_an_error),
		TEST(a_kvdb_that_is_away_hides_nothing_that_is_known),
		TEST(list_names_all),
		TEST(calls_from_memory_dont_wait_for_operations),
		TEST(a_plugin_closes_under_a_mount_that_waits),
		TEST(a_mount_that_ends_too_late_is_given_back),
		TEST(unknown_calls_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
