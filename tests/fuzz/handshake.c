/*
 * Both roles of the challenge, fed with the input as if it came from the peer: no stranger may get through.
 */
#include "fuzz.h"
#include "net/handshake.h"

static void feed(enum handshake_role role, const uint8_t *data, size_t size)
{
	static const uint8_t key[NET_KEY_BYTES] = { 1, 2, 3 };
	static const uint8_t nonce[HANDSHAKE_NONCE_BYTES] = { 4, 5, 6 };
	struct handshake h;
	struct error error;
	uint32_t wanted;

	handshake_init(&h, role, nonce, 0);
	while ((wanted = handshake_wanted_bytes(&h)) > 0 && wanted <= size) {
		int rc = handshake_input(&h, key, data, &error);

		ASSERT(rc <= 0); /* nobody guesses an HMAC */
		ASSERT(h.out_bytes <= sizeof(h.out));
		ASSERT(rc == 0 || (h.state == HANDSHAKE_FAILED && h.out_bytes == 0));
		data += wanted;
		size -= wanted;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	feed(HANDSHAKE_CLIENT, data, size);
	feed(HANDSHAKE_SERVER, data, size);
	return 0;
}
