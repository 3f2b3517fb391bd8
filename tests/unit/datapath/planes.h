/*
 * Data planes as a node has them, with their threads, real TCP and real pools, in one process. The test is
 * the control thread: a call is made and waited for.
 */
#ifndef QUOIN_TESTS_PLANES_H
#define QUOIN_TESTS_PLANES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "datapath/dataplane.h"

#define PLANES       3u
#define VOLUME_BYTES (UINT64_C(32) << 20)

struct plane {
	struct dataplane *dataplane; /* NULL: not running */
	char node[NAME_MAX_LEN + 1];
	char path[128]; /* of its pool's file */
	struct pool *pool;
	struct uuid replica;
	char last_event[256]; /* "kind: text" */
	unsigned events;
	const char *faults; /* of the pool's device, for the next start */
};

extern struct plane planes[PLANES];
/* The volume, on planes[0] where it is attached; its state as last told. */
extern struct volume *volume;
extern bool volume_is_ready, volume_has_ended;

int planes_setup(void **state);
/* All three are data-plane threads of one node. */
int planes_setup_threads(void **state);
int planes_teardown(void **state);
/* Starts plane i, with a pool in a file of its own; stops it, with all that it has. */
void plane_start(unsigned i);
void plane_stop(unsigned i);
/* How its pool's replicas are reached. */
struct net_address plane_address(unsigned i);
/* Runs fn on the plane's thread and waits until it has finished the call. Returns its rc. */
int plane_call(unsigned i, void (*fn)(struct dataplane_call *call));
/* Drains all planes until cond() holds; false after 10 s. */
bool planes_wait(bool (*cond)(void));
/* A replica on each plane, and the volume attached on plane 0 with this epoch, ready. */
void volume_make(void);
void volume_begin(uint64_t epoch);
/* From now on; 0: none. */
void volume_limit(uint64_t iops, uint64_t bytes_per_s);
void volume_end(void);
/* One request on plane 0, waited for. A write's blocks, and what a read must find, are filled from `seed`. */
int volume_write(uint64_t offset_bytes, uint32_t length_bytes, uint32_t seed);

/* The first so many blocks, a write each, all submitted at once; ends with the last one. */
#define SIDE_BY_SIDE_MAX 32u
int volume_write_side_by_side(uint32_t count);
int volume_read_expect(uint64_t offset_bytes, uint32_t length_bytes, uint32_t seed);
struct volume_stats volume_stats_now(void);

#endif
