/*
 * Two networks on one loop, over real loopback: `here` listens, `there` connects. The test owns the clock's
 * offset.
 */
#ifndef QUOIN_TESTS_NET_TCP_FIXTURE_H
#define QUOIN_TESTS_NET_TCP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "loop/loop.h"
#include "net/net.h"

#define FIXTURE_POOL_BYTES (UINT64_C(32) << 20)

/* One end of a connection, and what it was told. */
struct end {
	struct net_conn *conn; /* NULL before and after */
	unsigned ups, frames, downs, writables, refusals;
	uint64_t payload_bytes, body_bytes, damaged;
	uint16_t last_type;
	int down_rc;
	char why[ERROR_TEXT_MAX];
	bool keeps_payloads; /* holds each one it gets in `kept` */
	struct buf *kept[64];
	unsigned kept_count;
	bool closes_in_frame;
};

extern struct uring_loop *loop;
extern struct buf_pool *bufs;      /* where payloads arrive */
extern struct buf_pool *send_bufs; /* where end_send() takes them from */
extern struct net *here, *there;
extern struct end server, client; /* server: the last connection accepted */
extern uint64_t clock_offset_ns;
extern const uint8_t fixture_key[NET_KEY_BYTES];

int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Makes `there` another network with this key. */
void fixture_there_with_key(const uint8_t *key);
struct net_address fixture_address(void);
/* `here` becomes a network that does not listen. */
void fixture_stop_listening(void);
/* Connects `client`, to where `here` listens or elsewhere; up or down follows. */
void client_connect(void);
void client_connect_to(const struct net_address *address);
extern uint64_t client_lane; /* that it asks for; 0 at first */
/* `here` gives the connections of odd lanes to this one, of even ones to itself. */
extern struct net *here_odd;
/* Both ends up. */
void connect_both(void);
/* Runs the loop until cond() or for real seconds; returns whether it held. */
bool run_until(bool (*cond)(void));
void run_for_ms(unsigned ms);
/* Sends a frame whose body and payload say what they must be; fills in the sizes. */
int end_send(struct end *end, uint16_t type, uint32_t body_bytes, uint32_t payload_bytes);

#endif
