/* Frames over TCP between two ends that know each other. */
#include "tcp_fixture.h"

#include <errno.h>
#include <string.h>

static unsigned expected_frames;

static bool server_has_frames(void)
{
	return server.frames >= expected_frames;
}

static bool client_has_frames(void)
{
	return client.frames == expected_frames;
}

static bool both_have_frames(void)
{
	return server.frames >= expected_frames && client.frames >= expected_frames;
}

static bool client_is_down(void)
{
	return client.downs > 0;
}

static bool both_are_down(void)
{
	return client.downs > 0 && server.downs > 0;
}

static void two_ends_come_up_and_talk_both_ways(void **state)
{
	(void)state;
	connect_both();
	assert_int_equal(end_send(&client, 1, 64, BLOCK_BYTES), 0);
	assert_int_equal(end_send(&server, 2, 56, 0), 0);
	expected_frames = 1;
	assert_true(run_until(both_have_frames));
	assert_int_equal(server.last_type, 1);
	assert_int_equal(server.payload_bytes, BLOCK_BYTES);
	assert_int_equal(client.last_type, 2);
	assert_int_equal(client.body_bytes, 56);
	assert_int_equal(server.damaged + client.damaged, 0);
}

static void frames_of_all_sizes_arrive_whole_and_in_order(void **state)
{
	static const uint32_t bodies[] = { 0, 1, 64, 4096, FRAME_MAX_BODY_BYTES };
	static const uint32_t blocks[] = { 0, 1, 3, 16, 64 };
	uint16_t type = 0;

	(void)state;
	connect_both();
	for (size_t b = 0; b < 5; b++) {
		for (size_t p = 0; p < 5; p++) {
			expected_frames = ++type;
			assert_int_equal(end_send(&client, type, bodies[b], blocks[p] * BLOCK_BYTES), 0);
			if (p % 2 == 0)
				assert_true(run_until(server_has_frames));
		}
		assert_int_equal(server.last_type, type);
	}
	assert_int_equal(server.frames, 25);
	assert_int_equal(server.damaged, 0);
	assert_int_equal(server.payload_bytes, 5 * (1 + 3 + 16 + 64) * BLOCK_BYTES);
	assert_int_equal(net_tcp_counters(here)->frames_in, 25);
	assert_int_equal(net_tcp_counters(there)->frames_out, 25);
	assert_int_equal(net_tcp_counters(here)->bytes_in, net_tcp_counters(there)->bytes_out);
}

static void what_is_sent_in_one_turn_leaves_together(void **state)
{
	(void)state;
	connect_both();
	for (uint16_t i = 0; i < 200; i++)
		assert_int_equal(end_send(&client, i, 56, 0), 0);
	expected_frames = 200;
	assert_true(run_until(server_has_frames));
	assert_int_equal(net_tcp_counters(there)->sends, 1);
}

static void sending_before_up_and_after_the_end_is_refused(void **state)
{
	(void)state;
	client_connect();
	assert_int_equal(end_send(&client, 1, 10, 0), -ENOTCONN);
	net_close(client.conn);
	assert_int_equal(client.downs, 0); /* never inside the call */
	assert_int_equal(end_send(&client, 1, 10, 0), -ENOTCONN);
	assert_true(run_until(client_is_down));
	assert_int_equal(client.down_rc, -ECONNABORTED);
	assert_int_equal(client.ups, 0);
}

static void closing_tells_both_ends_once(void **state)
{
	(void)state;
	connect_both();
	net_close(client.conn);
	net_close(client.conn);
	assert_true(run_until(both_are_down));
	run_for_ms(5);
	assert_int_equal(client.downs, 1);
	assert_int_equal(client.down_rc, -ECONNABORTED);
	assert_int_equal(server.downs, 1);
	assert_int_equal(server.down_rc, -ECONNRESET);
	assert_non_null(strstr(server.why, "closed the connection"));
	assert_int_equal(net_tcp_counters(here)->resets, 1);
}

static void closing_while_a_frame_is_handled_ends_the_frames(void **state)
{
	(void)state;
	connect_both();
	server.closes_in_frame = true;
	for (uint16_t i = 0; i < 10; i++)
		assert_int_equal(end_send(&client, i, 64, BLOCK_BYTES), 0);
	assert_true(run_until(both_are_down));
	assert_int_equal(server.frames, 1);
	assert_int_equal(server.down_rc, -ECONNABORTED);
}

static void after_an_end_one_can_connect_again(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		connect_both();
		client.downs = server.downs = 0;
		assert_int_equal(end_send(&client, 3, 64, 64 * BLOCK_BYTES), 0);
		if (i % 2 == 0)
			run_for_ms(1);
		net_close(i % 3 == 0 ? client.conn : server.conn);
		assert_true(run_until(both_are_down));
	}
}

/* And its frames, sent at once, arrive there: none was read before it moved. */
static void a_connection_goes_where_its_lane_lies(void **state)
{
	(void)state;
	for (unsigned lane = 0; lane < 6; lane++) {
		server = client = (struct end){ 0 };
		client_lane = lane;
		connect_both();
		assert_ptr_equal(server.conn->net, lane % 2 ? here_odd : here);
		assert_int_equal(end_send(&client, (uint16_t)lane, 64, BLOCK_BYTES), 0);
		expected_frames = 1;
		assert_true(run_until(server_has_frames));
		assert_int_equal(server.damaged, 0);
		assert_int_equal(end_send(&server, 9, 64, 0), 0);
		assert_true(run_until(client_has_frames));
		net_close(server.conn);
		assert_true(run_until(both_are_down));
		assert_int_equal(server.refusals, 0);
	}
}

static void nobody_listening_is_told_in_words(void **state)
{
	struct net_address address = fixture_address();

	(void)state;
	fixture_stop_listening();
	client_connect_to(&address);
	assert_true(run_until(client_is_down));
	assert_int_equal(client.down_rc, -ECONNREFUSED);
	assert_int_equal(client.ups, 0);
	assert_non_null(strstr(client.why, address.text));
}

static void a_malformed_address_is_refused_at_once(void **state)
{
	struct net_address address = { "nowhere" };
	struct net_conn *conn;

	(void)state;
	assert_int_equal(net_connect(there, &address, 0, NULL, NULL, &conn), -EINVAL);
}

static void a_port_in_use_is_told_in_words(void **state)
{
	struct net_address address = fixture_address();
	struct error error;

	(void)state;
	assert_int_equal(net_tcp_listen(there, &address, &error), -EADDRINUSE);
	assert_non_null(strstr(error.text, address.text));
	assert_non_null(strstr(error.text, "in use"));
}

/* ---- back-pressure ---- */

static bool client_may_write(void)
{
	return client.writables > 0;
}

static void a_full_queue_says_so_and_when_it_has_room(void **state)
{
	unsigned sent = 0;
	int rc;

	(void)state;
	connect_both();
	while ((rc = end_send(&client, 5, 64, 64 * BLOCK_BYTES)) == 0)
		sent++;
	assert_int_equal(rc, -EAGAIN);
	assert_int_equal(sent, (NET_QUEUE_BYTES - 1) / ENTRY_MAX_BYTES);
	assert_int_equal(client.writables, 0);
	assert_true(run_until(client_may_write));
	assert_int_equal(end_send(&client, 6, 64, 64 * BLOCK_BYTES), 0);
	expected_frames = sent + 1;
	assert_true(run_until(server_has_frames));
	assert_int_equal(client.writables, 1);
	assert_int_equal(server.damaged, 0);
	assert_int_equal(server.last_type, 6);
}

static void an_empty_pool_stops_receiving_until_a_buffer_is_free(void **state)
{
	static struct buf *held[FIXTURE_POOL_BYTES / BLOCK_BYTES];
	unsigned count = 0;

	(void)state;
	connect_both();
	assert_int_equal(end_send(&client, 8, 64, BLOCK_BYTES), 0);
	assert_int_equal(end_send(&client, 9, 64, 64 * BLOCK_BYTES), 0);
	for (uint32_t size = ENTRY_MAX_BYTES; size >= BLOCK_BYTES; size /= 4)
		while ((held[count] = buf_get(bufs, size)))
			count++;
	run_for_ms(20);
	assert_int_equal(server.downs, 0);
	assert_true(net_tcp_counters(here)->starved > 0);
	assert_true(server.frames < 2);
	while (count > 0)
		buf_put(held[--count]);
	expected_frames = 2;
	assert_true(run_until(server_has_frames));
	assert_int_equal(server.damaged, 0);
}

static void payloads_that_are_kept_stay_whole(void **state)
{
	(void)state;
	connect_both();
	server.keeps_payloads = true;
	for (uint16_t i = 0; i < 32; i++) {
		assert_int_equal(end_send(&client, i, 64, BLOCK_BYTES), 0);
		expected_frames = i + 1u;
		assert_true(run_until(server_has_frames));
	}
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(server.kept[i]->data[5], (uint8_t)(i * 31u + 5));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(two_ends_come_up_and_talk_both_ways),
		TEST(frames_of_all_sizes_arrive_whole_and_in_order),
		TEST(what_is_sent_in_one_turn_leaves_together),
		TEST(sending_before_up_and_after_the_end_is_refused),
		TEST(closing_tells_both_ends_once),
		TEST(closing_while_a_frame_is_handled_ends_the_frames),
		TEST(after_an_end_one_can_connect_again),
		TEST(a_connection_goes_where_its_lane_lies),
		TEST(nobody_listening_is_told_in_words),
		TEST(a_malformed_address_is_refused_at_once),
		TEST(a_port_in_use_is_told_in_words),
		TEST(a_full_queue_says_so_and_when_it_has_room),
		TEST(an_empty_pool_stops_receiving_until_a_buffer_is_free),
		TEST(payloads_that_are_kept_stay_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
