/* The HTTP helper through a real unix socket: limits, deadlines, late answers, routes, JSON. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "http/http.h"
#include "http_client.h"

struct fixture {
	uv_loop_t loop;
	struct http_server *server;
	char path[64];
	struct http_request *kept; /* a handler that answers later */
	bool closed;
};

static json_t *error_body(int rc, const char *text)
{
	return json_pack("{s:s, s:o}", "code", http_error_code(rc), "message", http_json_text(text));
}

static void on_echo(struct http_request *request, void *arg)
{
	struct error error;
	json_t *body;
	int rc = http_request_json(request, &body, &error);

	(void)arg;
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		http_respond_json(request, 200, json_incref(body));
}

static void on_keep(struct http_request *request, void *arg)
{
	struct fixture *f = arg;

	f->kept = request;
}

static void on_param(struct http_request *request, void *arg)
{
	const char *query = http_request_query(request, "q");

	(void)arg;
	http_respond_json(
		request, 200, json_pack("{s:s, s:s?}", "param", http_request_param(request, 0), "q", query));
}

static const struct http_route routes[] = {
	{ "POST", "/echo", on_echo, 1000 },
	{ "POST", "/keep", on_keep, 100 },
	{ "GET", "/things/*", on_param, 1000 },
	{ "GET", "/things/*/parts", on_param, 1000 },
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct http_config config = { .loop = &f->loop,
		.routes = routes,
		.route_count = 4,
		.arg = f,
		.content_type = "application/json",
		.error_body = error_body,
		.receive_timeout_ms = 600,
		.connection_max = 4 };
	struct http_listener listener;
	struct error error;

	snprintf(f->path, sizeof(f->path), "/tmp/quoin-ctl-http-%d/sub/x.sock", (int)getpid());
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(http_listen_unix(f->path, 0640, "no-such-group", &listener, &error), 0);
	assert_int_equal(http_server_new(&config, &listener, &f->server, &error), 0);
	*state = f;
	return 0;
}

static void on_closed(void *arg)
{
	struct fixture *f = arg;

	f->closed = true;
}

static void server_close(struct fixture *f)
{
	http_server_close(f->server, on_closed, f);
	f->server = NULL;
	while (!f->closed)
		uv_run(&f->loop, UV_RUN_ONCE);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char dir[64];

	if (f->server)
		server_close(f);
	assert_int_equal(access(f->path, F_OK), -1); /* its socket file is gone */
	assert_int_equal(uv_loop_close(&f->loop), 0);
	snprintf(dir, sizeof(dir), "/tmp/quoin-ctl-http-%d/sub", (int)getpid());
	rmdir(dir);
	*strrchr(dir, '/') = '\0';
	rmdir(dir);
	free(f);
	return 0;
}

static void turn(struct fixture *f, unsigned ms)
{
	uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;

	while (uv_hrtime() < until) {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
}

/* The answer to raw bytes. */
static struct http_reply raw(struct fixture *f, const char *bytes)
{
	return client_exchange(&f->loop, client_unix(f->path), bytes, strlen(bytes), 0, 3000);
}

static void a_body_comes_back_and_the_connection_ends(void **state)
{
	struct fixture *f = *state;
	struct http_reply reply =
		client_call(&f->loop, f->path, "POST", "/echo", "{\"a\": [1, \"\xc3\xa9\"]}\n");

	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.body, "{\"a\":[1,\"\xc3\xa9\"]}\n");
	assert_non_null(strstr(reply.text, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(reply.text, "Connection: close\r\n"));
	client_reply_free(&reply);
}

static void a_chunked_body_is_put_together(void **state)
{
	struct http_reply reply =
		raw(*state, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
			    "4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n");

	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.body, "{\"a\":1}\n");
	client_reply_free(&reply);
}

static void wrong_json_is_told_with_its_place(void **state)
{
	static const struct {
		const char *body, *message;
	} cases[] = {
		{ NULL, "the request has no body; a JSON object is expected" },
		{ "{\"a\": 1,\n \"b\" 2}",
			"the request is not valid JSON: line 2, column 6: ':' expected near '2'" },
		{ "[1]", "the request is JSON, but not an object" },
		{ "{\"a\": 1, \"a\": 2}", NULL },
		{ "{\"a\": 1} x", NULL },
		{ "{\"a\": \"\xff\"}", NULL },
		{ "{\"a\": \"\\u0000\"}", NULL },
		{ "nonsense", NULL },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *json = client_json(&f->loop, f->path, "POST", "/echo", cases[i].body, 400);

		assert_string_equal(json_string_value(json_object_get(json, "code")), "invalid");
		if (cases[i].message)
			assert_string_equal(
				json_string_value(json_object_get(json, "message")), cases[i].message);
		json_decref(json);
	}
}

static void deeply_nested_json_is_refused(void **state)
{
	struct fixture *f = *state;
	char body[200001];
	json_t *json;

	memset(body, '[', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	json = client_json(&f->loop, f->path, "POST", "/echo", body, 400);
	json_decref(json);
}

static void routes_are_found_by_method_and_segments(void **state)
{
	struct fixture *f = *state;
	json_t *json = client_json(&f->loop, f->path, "GET", "/things/a%20b/parts?q=1%2F2&r=3", NULL, 200);

	assert_string_equal(json_string_value(json_object_get(json, "param")), "a b");
	assert_string_equal(json_string_value(json_object_get(json, "q")), "1/2");
	json_decref(json);
	json_decref(client_json(&f->loop, f->path, "GET", "/things/x", NULL, 200));
	json_decref(client_json(&f->loop, f->path, "GET", "/things", NULL, 404));
	json_decref(client_json(&f->loop, f->path, "GET", "/things/x/parts/y", NULL, 404));
	json_decref(client_json(&f->loop, f->path, "GET", "/a/b/c/d/e/f/g/h/i/j/k", NULL, 404));
	json_decref(client_json(&f->loop, f->path, "GET", "/", NULL, 404));
	json_decref(client_json(&f->loop, f->path, "DELETE", "/things/x", NULL, 405));
	json_decref(client_json(&f->loop, f->path, "GET", "/echo", NULL, 405));
}

static void a_stated_body_of_100_mib_gets_413_unread(void **state)
{
	static const char head[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n";
	struct fixture *f = *state;
	struct http_reply reply =
		client_exchange(&f->loop, client_unix(f->path), head, strlen(head), 104857600, 5000);

	assert_int_equal(reply.status, 413);
	assert_non_null(strstr(reply.body, "too-large"));
	assert_true(reply.sent_bytes < 4u << 20);
	assert_int_equal(http_server_counters(f->server)->refused_large, 1);
	client_reply_free(&reply);
}

static void a_chunked_body_without_end_gets_413(void **state)
{
	static const char head[] =
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6400000\r\n";
	struct fixture *f = *state;
	struct http_reply reply =
		client_exchange(&f->loop, client_unix(f->path), head, strlen(head), 104857600, 5000);

	assert_int_equal(reply.status, 413);
	assert_true(reply.sent_bytes < 4u << 20);
	client_reply_free(&reply);
	json_decref(client_json(&f->loop, f->path, "POST", "/echo", "{}", 200));
}

static void the_largest_allowed_body_passes(void **state)
{
	struct fixture *f = *state;
	char *body = malloc(HTTP_MAX_BODY_BYTES + 1);
	json_t *json;

	memset(body, ' ', HTTP_MAX_BODY_BYTES);
	memcpy(body, "{\"a\":1}", 7);
	body[HTTP_MAX_BODY_BYTES] = '\0';
	json = client_json(&f->loop, f->path, "POST", "/echo", body, 200);
	json_decref(json);
	free(body);
}

static void half_a_request_and_silence_is_closed(void **state)
{
	static const char *const halves[] = { "", "POST /ec", "POST /echo HTTP/1.1\r\nHost: x\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"a\"" };
	struct fixture *f = *state;

	for (size_t i = 0; i < 4; i++) {
		uint64_t began = uv_hrtime();
		struct http_reply reply = raw(f, halves[i]);

		assert_int_equal(reply.status, 408);
		assert_in_range((uv_hrtime() - began) / 1000000, 590, 3000);
		client_reply_free(&reply);
	}
	assert_int_equal(http_server_counters(f->server)->refused_slow, 4);
}

static void a_request_that_trickles_is_closed_too(void **state)
{
	struct fixture *f = *state;
	int fd = client_unix(f->path);
	struct http_reply reply = { .status = -1 };

	for (unsigned i = 0; i < 40 && reply.status == -1; i++) {
		client_reply_free(&reply);
		reply = client_exchange(&f->loop, fd, "G", 1, 0, 20);
	}
	assert_int_equal(reply.status, 408);
	client_reply_free(&reply);
}

static void headers_without_end_are_refused(void **state)
{
	static const char head[] = "GET /things/x HTTP/1.1\r\nX: ";
	struct fixture *f = *state;
	struct http_reply reply =
		client_exchange(&f->loop, client_unix(f->path), head, strlen(head), 1 << 20, 3000);

	assert_true(reply.status == 431 || reply.status == 0);
	client_reply_free(&reply);
	json_decref(client_json(&f->loop, f->path, "POST", "/echo", "{}", 200));
}

static void nonsense_ends_the_connection_only(void **state)
{
	struct fixture *f = *state;
	struct http_reply reply = raw(f, "\x16\x03\x01\x02\r\n\r\n\r\n\r\n");

	assert_in_range(reply.status + 1, 1, 600);
	client_reply_free(&reply);
	json_decref(client_json(&f->loop, f->path, "POST", "/echo", "{}", 200));
}

static void more_connections_than_allowed_wait_for_a_place(void **state)
{
	struct fixture *f = *state;
	int idle[4];

	for (unsigned i = 0; i < 4; i++)
		idle[i] = client_unix(f->path);
	turn(f, 20);
	/* All places are taken by silent clients; they are thrown out after 600 ms. */
	json_decref(client_json(&f->loop, f->path, "POST", "/echo", "{}", 200));
	for (unsigned i = 0; i < 4; i++)
		close(idle[i]);
}

static void an_answer_may_come_later(void **state)
{
	static const char request[] = "POST /keep HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
	struct fixture *f = *state;
	int fd = client_unix(f->path);
	struct http_reply reply = client_exchange(&f->loop, fd, request, strlen(request), 0, 30);

	assert_int_equal(reply.status, -1);
	client_reply_free(&reply);
	assert_non_null(f->kept);
	assert_true(http_request_is_waiting(f->kept));
	http_respond_json(f->kept, 200, json_pack("{s:b}", "late", 1));
	reply = client_exchange(&f->loop, fd, "", 0, 0, 2000);
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.body, "{\"late\":true}\n");
	client_reply_free(&reply);
}

static void past_its_deadline_a_request_is_answered_and_the_late_answer_ignored(void **state)
{
	struct fixture *f = *state;
	json_t *json = client_json(&f->loop, f->path, "POST", "/keep", "{\"x\": 1}", 504);
	struct error error;
	json_t *body;

	assert_string_equal(json_string_value(json_object_get(json, "code")), "timed-out");
	assert_string_equal(json_string_value(json_object_get(json, "message")),
		"no answer within 100 ms; what was asked may still be done: look again");
	json_decref(json);
	assert_int_equal(http_server_counters(f->server)->deadlines, 1);
	assert_false(http_request_is_waiting(f->kept));
	assert_ptr_equal(http_request_arg(f->kept), f);
	assert_int_equal(http_request_json(f->kept, &body, &error), 0); /* still its own */
	http_respond_json(f->kept, 200, json_object());
}

static void a_client_that_leaves_does_no_harm(void **state)
{
	static const char request[] = "POST /keep HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
	struct fixture *f = *state;
	int fd = client_unix(f->path);
	struct http_reply reply = client_exchange(&f->loop, fd, request, strlen(request), 0, 30);

	client_reply_free(&reply);
	close(fd);
	turn(f, 20);
	http_respond_json(f->kept, 200, json_object());
	turn(f, 20);
	json_decref(client_json(&f->loop, f->path, "POST", "/echo", "{}", 200));
}

static void a_server_closes_under_a_request_that_waits(void **state)
{
	static const char request[] = "POST /keep HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
	struct fixture *f = *state;
	int fd = client_unix(f->path);
	struct http_reply reply = client_exchange(&f->loop, fd, request, strlen(request), 0, 30);
	struct error error = { "too late" };

	client_reply_free(&reply);
	server_close(f);
	assert_null(http_request_arg(f->kept));
	assert_false(http_request_is_waiting(f->kept));
	http_respond_error(f->kept, -EIO, &error);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_body_comes_back_and_the_connection_ends),
		TEST(a_chunked_body_is_put_together),
		TEST(wrong_json_is_told_with_its_place),
		TEST(deeply_nested_json_is_refused),
		TEST(routes_are_found_by_method_and_segments),
		TEST(a_stated_body_of_100_mib_gets_413_unread),
		TEST(a_chunked_body_without_end_gets_413),
		TEST(the_largest_allowed_body_passes),
		TEST(half_a_request_and_silence_is_closed),
		TEST(a_request_that_trickles_is_closed_too),
		TEST(headers_without_end_are_refused),
		TEST(nonsense_ends_the_connection_only),
		TEST(more_connections_than_allowed_wait_for_a_place),
		TEST(an_answer_may_come_later),
		TEST(past_its_deadline_a_request_is_answered_and_the_late_answer_ignored),
		TEST(a_client_that_leaves_does_no_harm),
		TEST(a_server_closes_under_a_request_that_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
