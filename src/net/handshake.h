/*
 * The mutual challenge with which a connection begins, from memory: no socket, no clock.
 *
 *   client                                        server
 *     hello: magic, version, role, nonce   ->
 *                                          <-     hello (only to who sent a valid one)
 *     proof: HMAC(key, client|own|peer)    ->
 *                                          <-     proof (only to who has proved to know the key)
 *
 * 80 bytes in each direction, no more; docs/protocol-wire.md says why it is so. The client's hello also names
 * the lane that it wants: which of the server's threads is to have the connection (net.h). Nothing proves it,
 * and nothing need: a wrong one meets no replica.
 */
#ifndef QUOIN_NET_HANDSHAKE_H
#define QUOIN_NET_HANDSHAKE_H

#include "net/frame.h"

#define HANDSHAKE_MAGIC       0x486e6f51u /* "QonH" */
#define HANDSHAKE_NONCE_BYTES 32u
#define HANDSHAKE_HELLO_BYTES 48u
#define HANDSHAKE_PROOF_BYTES 32u

enum handshake_role { HANDSHAKE_CLIENT = 1, HANDSHAKE_SERVER = 2 };
enum handshake_state { HANDSHAKE_WANTS_HELLO, HANDSHAKE_WANTS_PROOF, HANDSHAKE_DONE, HANDSHAKE_FAILED };

struct handshake {
	enum handshake_role role;
	enum handshake_state state;
	uint8_t own_nonce[HANDSHAKE_NONCE_BYTES];
	uint8_t peer_nonce[HANDSHAKE_NONCE_BYTES];
	uint64_t lane;                      /* the client's wish */
	uint8_t out[HANDSHAKE_HELLO_BYTES]; /* to be sent now */
	uint32_t out_bytes;                 /* 0 where there is nothing to send */
	enum net_fault fault;               /* after a failure: which counter */
};

/*
 * `nonce` must never have been used before: random bytes from the kernel. A client has something to send at
 * once. A server's `lane` is what its client will say.
 */
void handshake_init(struct handshake *h, enum handshake_role role,
	const uint8_t nonce[static HANDSHAKE_NONCE_BYTES], uint64_t lane);
/* How many bytes of the peer are wanted next; 0 when it is over. */
uint32_t handshake_wanted_bytes(const struct handshake *h);
/*
 * Takes exactly the bytes wanted; what out holds was sent before. 0: goes on; 1: the peer knows the key, send
 * what out holds and the connection is up; -EPROTO, -EACCES: refused, with words.
 */
int handshake_input(struct handshake *h, const uint8_t key[static NET_KEY_BYTES], const uint8_t *bytes,
	struct error *error) MUST_CHECK;

#endif
