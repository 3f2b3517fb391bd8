/* The challenge, from memory: who has the key gets in, nobody else, and a stranger is told nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "net/handshake.h"

static const uint8_t key[NET_KEY_BYTES] = { 1, 2, 3 };
static const uint8_t other_key[NET_KEY_BYTES] = { 1, 2, 4 };
static const uint8_t client_nonce[HANDSHAKE_NONCE_BYTES] = { 10 };
static const uint8_t server_nonce[HANDSHAKE_NONCE_BYTES] = { 20 };

static struct handshake client, server;
static uint8_t wire[HANDSHAKE_HELLO_BYTES]; /* what was sent last */

static int setup(void **state)
{
	(void)state;
	handshake_init(&client, HANDSHAKE_CLIENT, client_nonce, 0);
	handshake_init(&server, HANDSHAKE_SERVER, server_nonce, 0);
	return 0;
}

/* Carries what `from` has to say to `to`. */
static int carry(struct handshake *from, struct handshake *to, const uint8_t *to_key)
{
	struct error error;

	assert_true(from->out_bytes > 0);
	assert_int_equal(from->out_bytes, handshake_wanted_bytes(to));
	memcpy(wire, from->out, from->out_bytes);
	from->out_bytes = 0;
	return handshake_input(to, to_key, wire, &error);
}

static void two_with_one_key_find_together(void **state)
{
	(void)state;
	assert_int_equal(server.out_bytes, 0); /* the client speaks first */
	assert_int_equal(carry(&client, &server, key), 0);
	assert_int_equal(carry(&server, &client, key), 0);
	assert_int_equal(carry(&client, &server, key), 1);
	assert_int_equal(handshake_wanted_bytes(&server), 0);
	assert_int_equal(carry(&server, &client, key), 1);
	assert_int_equal(handshake_wanted_bytes(&client), 0);
	assert_int_equal(client.out_bytes, 0);
}

static void a_client_with_another_key_is_refused_and_gets_no_proof(void **state)
{
	(void)state;
	assert_int_equal(carry(&client, &server, key), 0);
	assert_int_equal(carry(&server, &client, other_key), 0);
	assert_int_equal(carry(&client, &server, key), -EACCES);
	assert_int_equal(server.fault, NET_FAULT_AUTH);
	assert_int_equal(server.out_bytes, 0);
}

static void a_server_with_another_key_is_refused(void **state)
{
	(void)state;
	assert_int_equal(carry(&client, &server, key), 0);
	assert_int_equal(carry(&server, &client, key), 0);
	assert_int_equal(carry(&client, &server, key), 1);
	assert_int_equal(server.out_bytes, HANDSHAKE_PROOF_BYTES);
	server.out[31] ^= 1;
	assert_int_equal(carry(&server, &client, key), -EACCES);
	assert_int_equal(client.fault, NET_FAULT_AUTH);
}

/*
 * A thief without the key who opens a connection as a client, and answers with what the server itself sends.
 */
static void a_mirror_is_refused(void **state)
{
	struct error error;
	uint8_t mirrored[HANDSHAKE_HELLO_BYTES];

	(void)state;
	memcpy(mirrored, client.out, sizeof(mirrored));
	assert_int_equal(handshake_input(&client, key, mirrored, &error), -EPROTO); /* the role */
	assert_int_equal(client.fault, NET_FAULT_AUTH);
	handshake_init(&client, HANDSHAKE_CLIENT, server_nonce, 0);
	memcpy(mirrored, client.out, sizeof(mirrored));
	assert_int_equal(handshake_input(&server, key, mirrored, &error), -EACCES); /* the nonce */
}

/* The client's proof for these two nonces can't serve as the server's. */
static void a_proof_can_not_be_sent_back(void **state)
{
	struct error error;
	uint8_t proof[HANDSHAKE_HELLO_BYTES];

	(void)state;
	assert_int_equal(carry(&client, &server, key), 0);
	assert_int_equal(carry(&server, &client, key), 0);
	memcpy(proof, client.out, HANDSHAKE_PROOF_BYTES);
	assert_int_equal(handshake_input(&client, key, proof, &error), -EACCES);
}

static void a_recorded_proof_does_not_serve_twice(void **state)
{
	static const uint8_t new_nonce[HANDSHAKE_NONCE_BYTES] = { 21 };
	uint8_t hello[HANDSHAKE_HELLO_BYTES], proof[HANDSHAKE_PROOF_BYTES];
	struct error error;

	(void)state;
	memcpy(hello, client.out, sizeof(hello));
	assert_int_equal(carry(&client, &server, key), 0);
	assert_int_equal(carry(&server, &client, key), 0);
	memcpy(proof, client.out, sizeof(proof));
	assert_int_equal(carry(&client, &server, key), 1);
	handshake_init(&server, HANDSHAKE_SERVER, new_nonce, 0);
	assert_int_equal(handshake_input(&server, key, hello, &error), 0);
	assert_int_equal(handshake_input(&server, key, proof, &error), -EACCES);
}

static void another_protocol_gets_nothing(void **state)
{
	static const uint8_t http[HANDSHAKE_HELLO_BYTES] =
		"GET / HTTP/1.1\r\nHost: 127.0.0.1:7420\r\nUser-Ag";
	struct error error;

	(void)state;
	assert_int_equal(handshake_input(&server, key, http, &error), -EPROTO);
	assert_int_equal(server.fault, NET_FAULT_MAGIC);
	assert_int_equal(server.out_bytes, 0);
}

static void another_version_is_refused_by_name(void **state)
{
	struct error error;
	uint8_t hello[HANDSHAKE_HELLO_BYTES];

	(void)state;
	memcpy(hello, client.out, sizeof(hello));
	hello[4] = 9;
	assert_int_equal(handshake_input(&server, key, hello, &error), -EPROTO);
	assert_int_equal(server.fault, NET_FAULT_VERSION);
	assert_non_null(strstr(error.text, "version 9"));
}

static void the_client_alone_names_a_lane(void **state)
{
	struct error error;
	uint8_t hello[HANDSHAKE_HELLO_BYTES];

	(void)state;
	handshake_init(&client, HANDSHAKE_CLIENT, client_nonce, UINT64_C(0x123456789abcdef0));
	assert_int_equal(carry(&client, &server, key), 0);
	assert_true(server.lane == UINT64_C(0x123456789abcdef0));
	memcpy(hello, server.out, sizeof(hello));
	hello[47] = 1;
	assert_int_equal(handshake_input(&client, key, hello, &error), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(two_with_one_key_find_together, setup),
		cmocka_unit_test_setup(a_client_with_another_key_is_refused_and_gets_no_proof, setup),
		cmocka_unit_test_setup(a_server_with_another_key_is_refused, setup),
		cmocka_unit_test_setup(a_mirror_is_refused, setup),
		cmocka_unit_test_setup(a_proof_can_not_be_sent_back, setup),
		cmocka_unit_test_setup(a_recorded_proof_does_not_serve_twice, setup),
		cmocka_unit_test_setup(another_protocol_gets_nothing, setup),
		cmocka_unit_test_setup(another_version_is_refused_by_name, setup),
		cmocka_unit_test_setup(the_client_alone_names_a_lane, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
