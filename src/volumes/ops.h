/*
 * Operations: what a caller asked for, or what this node does by itself, as a chain of steps. Those on one
 * name (volume or pool) run one after the other; each is answered once, at its deadline at the latest. An
 * operation whose deadline has passed is answered, and goes on until it has undone or finished what it began.
 *
 *   op_submit() --turn--> the volume of its name is read, if it is elsewhere
 *                           --> begin(op) --> step ... step --> op_end()
 *                                      |
 *                 +------ deadline: answered -ETIMEDOUT, expired(op) lets a step that waits give up
 *
 * Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_OPS_H
#define QUOIN_VOLUMES_OPS_H

#include <uv.h>

#include "catalog/catalog.h"
#include "catalog/pin.h"
#include "datapath/dataplane.h"
#include "volumes/config.h"
#include "volumes/mounts.h"
#include "volumes/volumes.h"

struct attachment;
struct op;
struct pool_device;

#define OP_FOREVER_MS (UINT64_C(1) << 40) /* for what nobody waits for */
#define OP_MAX_PINS   4u                  /* that one operation looks at */

typedef void (*op_step_fn)(struct op *op, int rc);

struct op {
	struct list node; /* in volumes->ops */
	struct volumes *volumes;
	const char *verb; /* "create": for words */
	char name[SNAPSHOT_NAME_MAX_LEN + 1];
	void (*begin)(struct op *op);
	volumes_done_fn fn; /* NULL: this node's own */
	void *arg;
	uint64_t deadline_ns;
	bool begun, answered;
	bool before_ready;              /* may begin before the cluster has been joined */
	bool patient;                   /* waits for a kvdb that is away until its deadline */
	bool no_look;                   /* its name is no volume's, or the volume's record doesn't matter */
	struct error error;             /* the words of the step that failed */
	const char *waits_for;          /* in words, for a timeout */
	void (*expired)(struct op *op); /* gives up what it waits for; NULL: the step ends by itself soon */
	/* Chains of steps that others call go on here when they are through. */
	op_step_fn then;       /* attachment_bring_up(), pool_open_run(), pools_close() */
	op_step_fn then_down;  /* attachment_take_down() */
	op_step_fn mount_then; /* mount_run() */

	/* One blocking piece of work at a time, on libuv's threads. */
	uv_work_t work;
	int (*work_fn)(struct op *op);
	op_step_fn work_then;
	int work_rc;
	/* One call of the data plane at a time. */
	struct dataplane_call call;
	op_step_fn call_then;
	/* What it looks at, which stays in the catalog's view until it ends; one look at a time. */
	struct catalog_pin *pins[OP_MAX_PINS];
	unsigned pin_count;
	uint64_t look_until_ns; /* a kvdb that is away is asked so long */
	op_step_fn look_then;
	/* One pause at a time. */
	uint64_t retry_at_ns; /* 0: none */
	void (*retry)(struct op *op);

	/* Of the catalog and of attach. */
	op_step_fn told_then;

	/* What it is about. */
	char id[MOUNT_ID_MAX + 1];
	struct volume_options options;
	struct pool_config pool;
	struct uuid volume, replica, pool_uuid, probed, import;
	struct attachment *attachment;
	struct pool_device *device; /* that is being looked at and opened; freed with it */
	unsigned tries, pools_closing;
	bool force, keep_record; /* attachment_take_down() */
	bool outdated;           /* attachment_undo(): what the volume was opened by is no longer so */
	bool steward;            /* attachment_bring_up(): without a device, for changes of members */
	bool nbd;                /* attachment_bring_up(): as an NBD export */
	bool restoring;          /* attachment_bring_up(): though it is half rolled back */
	bool for_snapshots;      /* attachment_bring_up(): though its import has not ended */
	bool force_attach;       /* succeeds a holder that lives */
	bool force_reaches;      /* a quorum of the replicas has answered: it may */
	bool brought_up;         /* by this operation */
	bool syncing;            /* stop.c: a filesystem, on another thread */
	int rc_undone;           /* what failed, while it is undone; or why it is refused */
	struct error why_undone;
	void *state; /* freed with it */
};

/* deadline_ms from now. NULL: no memory. Names longer than NAME_MAX_LEN are cut: the caller has checked them.
 */
struct op *op_make(struct volumes *volumes, const char *verb, const char *name, uint64_t deadline_ms,
	void (*begin)(struct op *op), volumes_done_fn fn, void *arg);
/*
 * For a caller's operation: checks the name (NULL: there is none to check); a bad one is answered in its
 * turn. False where op is NULL: fn was called with -ENOMEM.
 */
bool op_accept(struct op *op, volumes_done_fn fn, void *arg, const char *name) MUST_CHECK;
/* It will be answered with rc and op->error when its turn comes, and does nothing. */
void op_refuse(struct op *op, int rc);
void op_submit(struct op *op);
/* Answers, unless that has happened, and frees it. The words are op->error where rc is not 0. */
void op_end(struct op *op, int rc);
bool op_expired(const struct op *op);
/* What is left, at least 1 s: for the catalog's timeouts. */
uint32_t op_left_ms(const struct op *op);
/*
 * Reads the volumes that the pin is about, which is the operation's from now on; then the catalog's lookups
 * find them until it ends. `then` is called at once where this node knows of them without asking.
 */
void op_look(struct op *op, struct catalog_pin *pin, op_step_fn then);
/* Calls fn after some time, from the loop. */
void op_retry(struct op *op, uint64_t after_ms, void (*fn)(struct op *op));
/* Runs fn on a thread of libuv's, then `then` with what it gave. */
void op_work(struct op *op, int (*fn)(struct op *op), op_step_fn then);
/* Runs `run` on that thread of the data plane, which ends it with dataplane_call_finish(&op->call), then
 * `then`. */
void op_call(struct op *op, unsigned thread, void (*run)(struct dataplane_call *call), op_step_fn then);
/* For run(): the operation of a call. */
struct op *op_of_call(struct dataplane_call *call);
/* A catalog_done_fn and attach_done_fn with an op as argument: keeps the words, goes on at op->told_then. */
void op_told(void *arg, int rc, const struct error *error);

/* Is one under way, or waiting, for this name by this verb (NULL: any)? */
bool ops_has(struct volumes *volumes, const char *name, const char *verb);
/* Begins what may begin, and answers what is late; the manager calls it when something has changed. */
void ops_turn(struct volumes *volumes);
/* Nothing new begins; what waits is answered -ESHUTDOWN. */
void ops_refuse(struct volumes *volumes);

#endif
