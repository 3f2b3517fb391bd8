/*
 * The server's side of NBD's fixed newstyle handshake, as a machine over bytes: no sockets, no clock.
 *
 *   FLAGS --client's flags--> OPTION --GO, EXPORT_NAME--> READY
 *                             |  ^ \--ABORT, a broken frame--> CLOSED
 *                             +--+ any other option
 *
 * nbd_handshake_init() puts the greeting into `out`. Whoever drives it sends `out` whole before the next
 * nbd_handshake_input(), which sets it anew; with CLOSED, too.
 */
#ifndef QUOIN_ATTACH_NBD_HANDSHAKE_H
#define QUOIN_ATTACH_NBD_HANDSHAKE_H

#include "attach/nbd_proto.h"

/* An option's data: a name (4096 at most) and a few context queries. A larger one is no honest client's. */
#define NBD_OPTION_MAX_BYTES  8192u
#define NBD_OPTION_HEAD_BYTES 16u
/* The longest answer: infos of a GO with the volume's name twice. */
#define NBD_HANDSHAKE_OUT_BYTES 1024u

enum nbd_handshake_state {
	NBD_HANDSHAKE_FLAGS,
	NBD_HANDSHAKE_OPTION,
	NBD_HANDSHAKE_READY,
	NBD_HANDSHAKE_CLOSED
};

struct nbd_handshake {
	enum nbd_handshake_state state;
	const char *name; /* of the export; the default one ("") is the same */
	uint64_t size_bytes;
	bool read_only;           /* for nbd_handshake_init()'s caller to set */
	bool no_zeroes;           /* the client wants no padding */
	bool structured;          /* structured replies */
	enum nbd_context context; /* the one that was chosen */
	struct uuid since;        /* of CHANGED: the older snapshot */
	uint32_t out_bytes;
	uint8_t out[NBD_HANDSHAKE_OUT_BYTES];
};

/* `name` must live as long as the handshake. */
void nbd_handshake_init(struct nbd_handshake *h, const char *name, uint64_t size_bytes);
/*
 * Takes the next step from the bytes that have come; returns how many it used. 0: more must come first (never
 * more than NBD_OPTION_HEAD_BYTES + NBD_OPTION_MAX_BYTES in all), or the state is READY or CLOSED.
 */
uint32_t nbd_handshake_input(struct nbd_handshake *h, const uint8_t *bytes, uint32_t len_bytes);

#endif
