/*
 * What comes to a listening port from strangers, cripples and foreign clusters. Each is refused, and counted.
 */
#include "tcp_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/handshake.h"

static unsigned expected_refusals;

static bool client_is_down(void)
{
	return client.downs > 0;
}

static bool server_is_down(void)
{
	return server.downs > 0;
}

static bool server_is_up(void)
{
	return server.ups > 0;
}

static bool server_has_a_frame(void)
{
	return server.frames == 1;
}

static bool here_has_refused(void)
{
	return server.refusals >= expected_refusals;
}

static bool here_has_a_stranger(void)
{
	return !net_tcp_is_idle(here);
}

/* A socket of our own, connected to `here`: the kernel completes it without the loop. */
static int raw_connect(void)
{
	struct net_address address = fixture_address();
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons((uint16_t)strtoul(strchr(address.text, ':') + 1, NULL, 10));
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
	return fd;
}

static void raw_send(int fd, const void *bytes, size_t count)
{
	assert_int_equal(send(fd, bytes, count, MSG_NOSIGNAL), (ssize_t)count);
}

static int raw_fd;
static size_t raw_wanted;
static bool raw_has_answer(void)
{
	uint8_t bytes[256];

	return recv(raw_fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT) >= (ssize_t)raw_wanted;
}

/* Receives exactly count bytes while the loop runs. */
static void raw_receive(int fd, void *bytes, size_t count)
{
	raw_fd = fd;
	raw_wanted = count;
	assert_true(run_until(raw_has_answer));
	assert_int_equal(recv(fd, bytes, count, MSG_DONTWAIT), (ssize_t)count);
}

/* The whole handshake by hand, with the right key. Returns the socket, on which frames may follow. */
static int raw_handshake(void)
{
	static const uint8_t nonce[HANDSHAKE_NONCE_BYTES] = { 77 };
	struct handshake h;
	uint8_t bytes[HANDSHAKE_HELLO_BYTES];
	struct error error;
	int fd = raw_connect();

	handshake_init(&h, HANDSHAKE_CLIENT, nonce, 0);
	raw_send(fd, h.out, h.out_bytes);
	raw_receive(fd, bytes, HANDSHAKE_HELLO_BYTES);
	assert_int_equal(handshake_input(&h, fixture_key, bytes, &error), 0);
	raw_send(fd, h.out, h.out_bytes);
	raw_receive(fd, bytes, HANDSHAKE_PROOF_BYTES);
	assert_int_equal(handshake_input(&h, fixture_key, bytes, &error), 1);
	assert_true(run_until(server_is_up));
	return fd;
}

/* The server still takes a connection that is in order. */
static void expect_alive(void)
{
	connect_both();
}

static void a_wrong_key_is_refused_and_counted_at_both_ends(void **state)
{
	static const uint8_t other_key[NET_KEY_BYTES] = { 4, 3 };

	(void)state;
	fixture_there_with_key(other_key);
	client_connect();
	assert_true(run_until(client_is_down));
	assert_int_equal(client.ups, 0);
	assert_int_equal(server.ups, 0);
	assert_non_null(strstr(client.why, "key"));
	assert_int_equal(net_tcp_counters(here)->refused_auth, 1);
	assert_int_equal(server.refusals, 1);
	assert_non_null(strstr(server.why, "key"));
}

static void a_stranger_gets_not_one_byte(void **state)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: quoin\r\nAccept: everything\r\n\r\n";
	int fd = raw_connect();
	char byte;

	(void)state;
	raw_send(fd, http, sizeof(http) - 1);
	expected_refusals = 1;
	assert_true(run_until(here_has_refused));
	run_for_ms(5);
	assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0);
	assert_int_equal(net_tcp_counters(here)->refused_magic, 1);
	close(fd);
	expect_alive();
}

static void another_version_is_refused_and_counted(void **state)
{
	uint8_t hello[HANDSHAKE_HELLO_BYTES] = "QonH\x02\x00\x01";
	int fd = raw_connect();

	(void)state;
	raw_send(fd, hello, sizeof(hello));
	expected_refusals = 1;
	assert_true(run_until(here_has_refused));
	assert_int_equal(net_tcp_counters(here)->refused_version, 1);
	close(fd);
}

static void half_a_handshake_and_silence_is_closed_in_time(void **state)
{
	int fd = raw_connect();

	(void)state;
	raw_send(fd, "QonH\x01\x00", 6);
	assert_true(run_until(here_has_a_stranger));
	run_for_ms(5);
	assert_int_equal(server.refusals, 0);
	clock_offset_ns = 6 * NS_PER_S;
	expected_refusals = 1;
	assert_true(run_until(here_has_refused));
	assert_int_equal(net_tcp_counters(here)->refused_timeout, 1);
	assert_non_null(strstr(server.why, "handshake"));
	close(fd);
	expect_alive();
}

static void a_connection_that_is_up_may_be_silent(void **state)
{
	(void)state;
	connect_both();
	clock_offset_ns = 60 * NS_PER_S;
	run_for_ms(5);
	assert_int_equal(client.downs + server.downs, 0);
	assert_int_equal(end_send(&client, 1, 10, 0), 0);
}

static void many_strangers_do_not_keep_a_peer_out(void **state)
{
	int fds[60]; /* no more than the backlog holds */

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		fds[i] = raw_connect();
	expected_refusals = 60 - 32;
	assert_true(run_until(here_has_refused));
	assert_int_equal(net_tcp_counters(here)->refused_limit, expected_refusals);
	expect_alive();
	for (unsigned i = 0; i < 60; i++)
		close(fds[i]);
}

/* ---- authenticated, but broken ---- */

static struct frame small_frame(void)
{
	return (struct frame){ .type = 3, .body = (const uint8_t *)"abcd", .body_bytes = 4 };
}

static void put_u32(uint8_t *at, uint32_t v)
{
	struct writer w = writer_init(at, 4);

	write_u32(&w, v);
}

/* Sends these bytes as a frame; the connection must end with this rc and word, the server must live on. */
static void expect_broken(const uint8_t *bytes, size_t count, int rc, const char *word)
{
	int fd = raw_handshake();

	server.downs = 0;
	raw_send(fd, bytes, count);
	assert_true(run_until(server_is_down));
	assert_int_equal(server.down_rc, rc);
	assert_non_null(strstr(server.why, word));
	assert_int_equal(server.frames, 0);
	assert_int_equal(buf_pool_used_bytes(bufs), 0);
	close(fd);
	expect_alive();
}

static void a_wrong_checksum_of_the_header_ends_the_connection(void **state)
{
	struct frame frame = small_frame();
	uint8_t bytes[FRAME_HEADER_BYTES];

	(void)state;
	frame_header_encode(&frame, bytes);
	bytes[9] ^= 1;
	expect_broken(bytes, sizeof(bytes), -EPROTO, "checksum");
	assert_int_equal(net_tcp_counters(here)->refused_crc, 1);
}

static void a_wrong_checksum_of_the_body_ends_the_connection(void **state)
{
	struct frame frame = small_frame();
	uint8_t bytes[FRAME_HEADER_BYTES + 4];

	(void)state;
	frame_header_encode(&frame, bytes);
	memcpy(bytes + FRAME_HEADER_BYTES, "abce", 4);
	expect_broken(bytes, sizeof(bytes), -EPROTO, "checksum");
	assert_int_equal(net_tcp_counters(here)->refused_crc, 1);
}

static void a_length_of_4_gib_ends_the_connection(void **state)
{
	struct frame frame = small_frame();
	uint8_t bytes[FRAME_HEADER_BYTES];

	(void)state;
	frame_header_encode(&frame, bytes);
	put_u32(bytes + 24, UINT32_MAX);
	put_u32(bytes + 32, crc32c(bytes, 32));
	expect_broken(bytes, sizeof(bytes), -EMSGSIZE, "4294967295");
	assert_int_equal(net_tcp_counters(here)->refused_size, 1);
}

static void a_peer_that_goes_in_mid_frame_leaves_nothing_behind(void **state)
{
	uint8_t data[FRAME_HEADER_BYTES + 4 + 4 + 1000] = { 0 };
	struct buf payload = { .len_bytes = BLOCK_BYTES };
	static const uint32_t crc = 5;
	struct frame frame = small_frame();
	int fd;

	(void)state;
	frame.payload = &payload;
	frame.crc = &crc;
	frame_header_encode(&frame, data);
	memcpy(data + FRAME_HEADER_BYTES, "abcd\x05", 5);
	fd = raw_handshake();
	raw_send(fd, data, sizeof(data));
	run_for_ms(5);
	assert_int_equal(buf_pool_used_bytes(bufs), BLOCK_BYTES);
	close(fd);
	assert_true(run_until(server_is_down));
	run_for_ms(1);
	assert_int_equal(server.frames, 0);
	assert_int_equal(buf_pool_used_bytes(bufs), 0);
}

static void a_frame_in_single_bytes_arrives(void **state)
{
	struct frame frame = small_frame();
	uint8_t bytes[FRAME_HEADER_BYTES + 4];
	int fd;

	(void)state;
	frame_header_encode(&frame, bytes);
	memcpy(bytes + FRAME_HEADER_BYTES, "abcd", 4);
	fd = raw_handshake();
	for (size_t i = 0; i < sizeof(bytes); i++) {
		raw_send(fd, bytes + i, 1);
		run_for_ms(1);
	}
	assert_true(run_until(server_has_a_frame));
	assert_int_equal(server.last_type, 3);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_wrong_key_is_refused_and_counted_at_both_ends),
		TEST(a_stranger_gets_not_one_byte),
		TEST(another_version_is_refused_and_counted),
		TEST(half_a_handshake_and_silence_is_closed_in_time),
		TEST(a_connection_that_is_up_may_be_silent),
		TEST(many_strangers_do_not_keep_a_peer_out),
		TEST(a_wrong_checksum_of_the_header_ends_the_connection),
		TEST(a_wrong_checksum_of_the_body_ends_the_connection),
		TEST(a_length_of_4_gib_ends_the_connection),
		TEST(a_peer_that_goes_in_mid_frame_leaves_nothing_behind),
		TEST(a_frame_in_single_bytes_arrives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
