#include "net/handshake.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/*
 * What a proof is made over begins with its maker's role, so that no proof can be sent back to who made it.
 */
#define LABEL_BYTES 16u
static const char label_client[LABEL_BYTES + 1] = "quoin 1 client  ";
static const char label_server[LABEL_BYTES + 1] = "quoin 1 server  ";

static void handshake_put_hello(struct handshake *h)
{
	struct writer w = writer_init(h->out, sizeof(h->out));

	write_u32(&w, HANDSHAKE_MAGIC);
	write_u16(&w, FRAME_VERSION);
	write_u16(&w, (uint16_t)h->role);
	write_bytes(&w, h->own_nonce, sizeof(h->own_nonce));
	write_u64(&w, h->role == HANDSHAKE_CLIENT ? h->lane : 0);
	ASSERT(!w.failed && writer_left(&w) == 0);
	h->out_bytes = HANDSHAKE_HELLO_BYTES;
}

/* The proof that `role` makes, who sent `maker` and received `other`. */
static int handshake_prove(const uint8_t key[static NET_KEY_BYTES], enum handshake_role role,
	const uint8_t maker[static HANDSHAKE_NONCE_BYTES], const uint8_t other[static HANDSHAKE_NONCE_BYTES],
	uint8_t proof[static HANDSHAKE_PROOF_BYTES])
{
	uint8_t message[LABEL_BYTES + 2 * HANDSHAKE_NONCE_BYTES];
	struct writer w = writer_init(message, sizeof(message));
	unsigned bytes = HANDSHAKE_PROOF_BYTES;

	write_bytes(&w, role == HANDSHAKE_CLIENT ? label_client : label_server, LABEL_BYTES);
	write_bytes(&w, maker, HANDSHAKE_NONCE_BYTES);
	write_bytes(&w, other, HANDSHAKE_NONCE_BYTES);
	ASSERT(!w.failed && writer_left(&w) == 0);
	if (!HMAC(EVP_sha256(), key, NET_KEY_BYTES, message, sizeof(message), proof, &bytes))
		return -ENOMEM;
	ASSERT(bytes == HANDSHAKE_PROOF_BYTES);
	return 0;
}

void handshake_init(struct handshake *h, enum handshake_role role,
	const uint8_t nonce[static HANDSHAKE_NONCE_BYTES], uint64_t lane)
{
	*h = (struct handshake){ .role = role, .state = HANDSHAKE_WANTS_HELLO, .lane = lane };
	memcpy(h->own_nonce, nonce, sizeof(h->own_nonce));
	if (role == HANDSHAKE_CLIENT)
		handshake_put_hello(h);
}

uint32_t handshake_wanted_bytes(const struct handshake *h)
{
	switch (h->state) {
	case HANDSHAKE_WANTS_HELLO:
		return HANDSHAKE_HELLO_BYTES;
	case HANDSHAKE_WANTS_PROOF:
		return HANDSHAKE_PROOF_BYTES;
	case HANDSHAKE_DONE:
	case HANDSHAKE_FAILED:
		break;
	}
	return 0;
}

static int handshake_refuse(struct handshake *h, enum net_fault fault, int rc)
{
	h->state = HANDSHAKE_FAILED;
	h->out_bytes = 0;
	h->fault = fault;
	return rc;
}

static int handshake_put_proof(
	struct handshake *h, const uint8_t key[static NET_KEY_BYTES], struct error *error)
{
	int rc = handshake_prove(key, h->role, h->own_nonce, h->peer_nonce, h->out);

	if (rc < 0)
		return handshake_refuse(
			h, NET_FAULT_NONE, error_set(error, rc, "no memory for a proof of the key"));
	h->out_bytes = HANDSHAKE_PROOF_BYTES;
	return 0;
}

static int handshake_take_hello(struct handshake *h, const uint8_t key[static NET_KEY_BYTES],
	const uint8_t *bytes, struct error *error)
{
	struct reader r = reader_init(bytes, HANDSHAKE_HELLO_BYTES);
	uint16_t peer_role = h->role == HANDSHAKE_CLIENT ? HANDSHAKE_SERVER : HANDSHAKE_CLIENT;
	uint16_t version, role;
	uint64_t lane;

	if (read_u32(&r) != HANDSHAKE_MAGIC)
		return handshake_refuse(h, NET_FAULT_MAGIC,
			error_set(error, -EPROTO, "the peer does not speak this protocol (bad magic)"));
	version = read_u16(&r);
	if (version != FRAME_VERSION)
		return handshake_refuse(h, NET_FAULT_VERSION,
			error_set(error, -EPROTO, "the peer speaks version %u of the protocol, this node %u",
				version, FRAME_VERSION));
	role = read_u16(&r);
	read_bytes(&r, h->peer_nonce, sizeof(h->peer_nonce));
	lane = read_u64(&r);
	if (role != peer_role || (role == HANDSHAKE_SERVER && lane != 0))
		return handshake_refuse(
			h, NET_FAULT_AUTH, error_set(error, -EPROTO, "the peer's hello is malformed"));
	/* A peer that gives our own nonce back is a mirror. */
	if (memcmp(h->peer_nonce, h->own_nonce, sizeof(h->own_nonce)) == 0)
		return handshake_refuse(
			h, NET_FAULT_AUTH, error_set(error, -EACCES, "the peer mirrors our nonce"));
	h->state = HANDSHAKE_WANTS_PROOF;
	if (h->role == HANDSHAKE_CLIENT)
		return handshake_put_proof(h, key, error);
	h->lane = lane;
	handshake_put_hello(h);
	return 0;
}

static int handshake_take_proof(struct handshake *h, const uint8_t key[static NET_KEY_BYTES],
	const uint8_t *bytes, struct error *error)
{
	enum handshake_role peer_role = h->role == HANDSHAKE_CLIENT ? HANDSHAKE_SERVER : HANDSHAKE_CLIENT;
	uint8_t expected[HANDSHAKE_PROOF_BYTES];
	int rc = handshake_prove(key, peer_role, h->peer_nonce, h->own_nonce, expected);

	if (rc < 0)
		return handshake_refuse(
			h, NET_FAULT_NONE, error_set(error, rc, "no memory for a proof of the key"));
	if (CRYPTO_memcmp(expected, bytes, sizeof(expected)) != 0)
		return handshake_refuse(h, NET_FAULT_AUTH,
			error_set(error, -EACCES, "the peer does not know this cluster's key"));
	if (h->role == HANDSHAKE_SERVER) {
		rc = handshake_put_proof(h, key, error);
		if (rc < 0)
			return rc;
	}
	h->state = HANDSHAKE_DONE;
	return 1;
}

int handshake_input(struct handshake *h, const uint8_t key[static NET_KEY_BYTES], const uint8_t *bytes,
	struct error *error)
{
	h->out_bytes = 0;
	ASSERT(h->state == HANDSHAKE_WANTS_HELLO || h->state == HANDSHAKE_WANTS_PROOF);
	if (h->state == HANDSHAKE_WANTS_HELLO)
		return handshake_take_hello(h, key, bytes, error);
	return handshake_take_proof(h, key, bytes, error);
}
