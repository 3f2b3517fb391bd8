#include "tcp_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct uring_loop *loop;
struct buf_pool *bufs;
struct buf_pool *send_bufs;
struct net *here, *there, *here_odd;
uint64_t client_lane;
struct end server, client;
uint64_t clock_offset_ns;
const uint8_t fixture_key[NET_KEY_BYTES] = { 4, 2 };

static struct net *lanes[2];

static uint64_t shifted_now(const struct clock *clock)
{
	(void)clock;
	return clock_now_ns(clock_system()) + clock_offset_ns;
}

static const struct clock shifted_clock = { .now_ns = shifted_now, .wall_ns = shifted_now };

static uint8_t byte_of(uint16_t type, uint32_t at)
{
	return (uint8_t)(type * 31u + at / BLOCK_BYTES * 7u + at);
}

static struct end *end_of(struct net_conn *conn)
{
	return conn->user;
}

static void end_up(struct net_conn *conn)
{
	end_of(conn)->ups++;
}

static void end_frame(struct net_conn *conn, const struct frame *frame)
{
	struct end *end = end_of(conn);

	end->frames++;
	end->last_type = frame->type;
	end->body_bytes += frame->body_bytes;
	for (uint32_t i = 0; i < frame->body_bytes; i++)
		end->damaged += frame->body[i] != byte_of(frame->type, i);
	if (frame->payload) {
		end->payload_bytes += frame->payload->len_bytes;
		for (uint32_t i = 0; i < frame->payload->len_bytes; i++)
			end->damaged += frame->payload->data[i] != byte_of(frame->type, i);
		for (uint32_t i = 0; i < frame->payload->len_bytes / BLOCK_BYTES; i++)
			end->damaged += frame->crc[i] != frame->type + i;
		if (end->keeps_payloads)
			end->kept[end->kept_count++] = buf_ref(frame->payload);
	}
	if (end->closes_in_frame)
		net_close(conn);
}

static void end_down(struct net_conn *conn, int rc, const char *why)
{
	struct end *end = end_of(conn);

	end->downs++;
	end->conn = NULL;
	end->down_rc = rc;
	(void)snprintf(end->why, sizeof(end->why), "%s", why);
}

static void end_writable(struct net_conn *conn)
{
	end_of(conn)->writables++;
}

static const struct net_handler handler = {
	.up = end_up,
	.frame = end_frame,
	.down = end_down,
	.writable = end_writable,
};

static void here_accepted(struct net *net, struct net_conn *conn, const char *from)
{
	assert_ptr_equal(conn->net, net);
	assert_non_null(strstr(from, "127.0.0.1:"));
	server.conn = conn;
	server.ups++;
	conn->handler = &handler;
	conn->user = &server;
}

static void here_refused(void *arg, const char *from, const char *why)
{
	struct end *end = arg;

	(void)from;
	end->refusals++;
	(void)snprintf(end->why, sizeof(end->why), "%s", why);
}

int fixture_setup(void **state)
{
	struct net_address any = { "127.0.0.1:0" };
	struct error error;

	(void)state;
	clock_offset_ns = 0;
	server = client = (struct end){ 0 };
	client_lane = 0;
	if (uring_loop_new(&shifted_clock, &loop, &error) < 0 ||
		buf_pool_new(FIXTURE_POOL_BYTES, &bufs) < 0 ||
		buf_pool_new(FIXTURE_POOL_BYTES, &send_bufs) < 0)
		return -1;
	if (net_tcp_new(loop, bufs, fixture_key, &here) < 0 ||
		net_tcp_new(loop, bufs, fixture_key, &here_odd) < 0 ||
		net_tcp_new(loop, bufs, fixture_key, &there) < 0)
		return -1;
	lanes[0] = here;
	lanes[1] = here_odd;
	net_tcp_lanes(here, lanes, 2);
	here->accepted = here_odd->accepted = here_accepted;
	here->refused = here_refused;
	here->refused_arg = &server;
	return net_tcp_listen(here, &any, &error);
}

static bool all_idle(void)
{
	return net_tcp_is_idle(here) && net_tcp_is_idle(here_odd) && net_tcp_is_idle(there);
}

int fixture_teardown(void **state)
{
	(void)state;
	while (server.kept_count > 0)
		buf_put(server.kept[--server.kept_count]);
	net_tcp_shutdown(here);
	net_tcp_shutdown(here_odd);
	net_tcp_shutdown(there);
	assert_true(run_until(all_idle));
	net_tcp_free(here);
	net_tcp_free(here_odd);
	net_tcp_free(there);
	assert_int_equal(buf_pool_used_bytes(bufs), 0);
	assert_int_equal(buf_pool_used_bytes(send_bufs), 0);
	buf_pool_free(bufs);
	buf_pool_free(send_bufs);
	uring_loop_free(loop);
	return 0;
}

void fixture_there_with_key(const uint8_t *key)
{
	net_tcp_free(there);
	assert_int_equal(net_tcp_new(loop, bufs, key, &there), 0);
}

struct net_address fixture_address(void)
{
	struct net_address address;

	net_tcp_address(here, &address);
	return address;
}

/* ---- life ---- */

static bool here_idle(void)
{
	return net_tcp_is_idle(here);
}

void fixture_stop_listening(void)
{
	net_tcp_shutdown(here);
	assert_true(run_until(here_idle));
	net_tcp_free(here);
	assert_int_equal(net_tcp_new(loop, bufs, fixture_key, &here), 0);
}

void client_connect_to(const struct net_address *address)
{
	assert_int_equal(net_connect(there, address, client_lane, &handler, &client, &client.conn), 0);
}

void client_connect(void)
{
	struct net_address address = fixture_address();

	client_connect_to(&address);
}

static bool both_up(void)
{
	return client.ups == 1 && server.ups == 1;
}

void connect_both(void)
{
	client.ups = server.ups = 0;
	client_connect();
	assert_true(run_until(both_up));
}

/* ---- running ---- */

#define RUN_MAX_NS (10 * NS_PER_S)

static struct {
	struct loop_timer timer;
	bool (*cond)(void);
	uint64_t end_ns; /* by the system's clock */
	bool held;
} run;

static void run_check(void *arg)
{
	struct loop *core = uring_loop_core(loop);

	(void)arg;
	run.held = run.cond && run.cond();
	if (run.held || clock_now_ns(clock_system()) >= run.end_ns)
		uring_loop_stop(loop);
	else
		loop_timer_set(core, &run.timer, loop_now_ns(core) + NS_PER_MS / 2);
}

static bool run_up_to(bool (*cond)(void), uint64_t ns)
{
	run.cond = cond;
	run.end_ns = clock_now_ns(clock_system()) + ns;
	loop_timer_init(&run.timer, run_check, NULL);
	/* At least one turn. */
	loop_timer_set(uring_loop_core(loop), &run.timer, shifted_now(NULL) + NS_PER_US);
	uring_loop_run(loop);
	loop_timer_cancel(uring_loop_core(loop), &run.timer);
	return run.held;
}

bool run_until(bool (*cond)(void))
{
	return run_up_to(cond, RUN_MAX_NS);
}

void run_for_ms(unsigned ms)
{
	(void)run_up_to(NULL, ms * NS_PER_MS);
}

int end_send(struct end *end, uint16_t type, uint32_t body_bytes, uint32_t payload_bytes)
{
	static uint8_t body[FRAME_MAX_BODY_BYTES];
	uint32_t crcs[ENTRY_MAX_BLOCKS];
	struct frame frame = { .type = type, .body = body, .body_bytes = body_bytes };
	int rc;

	for (uint32_t i = 0; i < body_bytes; i++)
		body[i] = byte_of(type, i);
	if (payload_bytes > 0) {
		frame.payload = buf_get(send_bufs, payload_bytes);
		if (!frame.payload)
			return -ENOBUFS;
		frame.payload->len_bytes = payload_bytes;
		for (uint32_t i = 0; i < payload_bytes; i++)
			frame.payload->data[i] = byte_of(type, i);
		for (uint32_t i = 0; i < payload_bytes / BLOCK_BYTES; i++)
			crcs[i] = type + i;
		frame.crc = crcs;
	}
	rc = net_send(end->conn, &frame);
	buf_put(frame.payload);
	return rc;
}
