/*
 * A volume that is attached on this node: the catalog's attach, the data plane's volume, the block device and
 * the mount, in that order up, and in the reverse order down.
 *
 *            catalog     data plane     blockdev
 *   (none) --------> OPENING ------> ready -------> UP --(fs_mount)--> UP, mounted
 *     ^                 |                            |
 *     +--- take_down ---+------- take_down ----------+   (also when it was fenced: by force)
 *
 * Thread rule: the control thread; what the data plane's thread touches is marked.
 */
#ifndef QUOIN_VOLUMES_ATTACHMENT_H
#define QUOIN_VOLUMES_ATTACHMENT_H

#include "attach/attach.h"
#include "catalog/catalog.h"
#include "catalog/pin.h"
#include "datapath/dataplane.h"
#include "volumes/membership.h"
#include "volumes/repair.h"
#include "volumes/volume_shards.h"

struct op;
struct volumes;

enum attachment_phase { ATTACHMENT_OPENING, ATTACHMENT_UP };

/* What each of its shards' groups has under way. */
struct attachment_shard {
	struct attachment *attachment;
	unsigned index;
	bool stepping;                     /* member_call is under way */
	bool changing;                     /* held.h: a change of its members was sent, and isn't through */
	struct dataplane_call record_call; /* pends until the coordinator wants its record written */
	struct dataplane_call member_call;
	struct member_step step;
	struct repair repair;
	/* Handed over with record_call. */
	bool told;
	enum record_outcome outcome;
	/* The data plane's thread only: */
	struct dataplane_call *record_pending;
	bool has_record;
	/* Written by it before it finishes a call, read after: */
	struct volume_record record;
};

struct attachment {
	struct list node; /* in volumes->attachments */
	struct volumes *volumes;
	enum attachment_phase phase;
	struct volume_spec spec; /* name, UUIDs, epoch: what all its shards have in common */
	struct catalog_pin *pin; /* the catalog's view has its record, whoever holds it by now */
	struct volume_shards shards;
	struct attachment_shard *of_shard;      /* as many */
	char fs[8];                             /* of its record */
	char mount_options[FS_OPTIONS_LEN + 1]; /* of its class, as it was attached */
	unsigned thread;                        /* of the data plane, where it is open */
	struct volume *handle;                  /* the data plane's; NULL while there is none */
	struct blockdev *blockdev;
	bool mounted;
	bool steward;   /* no device at all: steward.h */
	bool nbd;       /* an export, not a device of the kernel */
	bool ended;     /* fenced: its I/O gets EIO for ever */
	bool closing;   /* the data plane has been told to let it go: nothing more is asked of it */
	bool cancelled; /* cancel_call is under way, or was */
	bool limiting;  /* limits_call is under way */

	struct dataplane_call ended_call; /* pends at the data plane until the volume ends */
	struct dataplane_call cancel_call;
	uint64_t sessions;                 /* counts: opened, closed */
	uint64_t grown_bytes;              /* its device and filesystem have followed so far: resize.c */
	struct dataplane_call limits_call; /* limits.c */
	struct volume_limits limits;
	uint64_t trim_ns, trim_done_bytes; /* trim.c: due then (0: not set), and so far */
	uint64_t schedule_ns;              /* no snapshot by schedule is made or removed before */
	/* The data plane's thread only: */
	struct dataplane_call *open_pending, *ended_pending;
	bool has_ended, outdated;
	/* Written by it before it finishes a call, read after: */
	struct volume *opened;
	struct epoch promised;
	char why[160];
};

/* Sends one of its calls to the thread on which it is open. */
void attachment_call(struct attachment *attachment, struct dataplane_call *call);
struct attachment *attachment_find(struct volumes *volumes, const char *name);
struct attachment *attachment_find_uuid(struct volumes *volumes, struct uuid volume);
/*
 * Makes it UP for op->name, if it isn't yet: attached, with its device or, with op->nbd, its export; -EBUSY
 * where it is UP as the other: two ways in, each with a cache of its own, would ruin a filesystem.
 * op->brought_up tells whether it was this. Undone where it fails. Then `then`.
 */
void attachment_bring_up(struct op *op, void (*then)(struct op *op, int rc));
/* attach.c: -EBUSY where op->attachment, which is UP, is another way in, or another import's. */
int attachment_front_check(struct op *op) MUST_CHECK;
/*
 * For attachment_bring_up() and resume.c. attachment_device() goes on where the data plane has opened it;
 * undo ends what failed with rc and op->error, and keeps both. Then op->then. attachment_new() takes `shards`
 * over; NULL: no memory, and they stay the caller's.
 */
struct attachment *attachment_new(struct op *op, const struct volume_shards *shards);
void attachment_device(struct op *op);
void attachment_undo(struct op *op, int rc);
/*
 * Unmounts, takes the device away, sends RELEASE, gives up the record. op->force: lazily, and I/O gets EIO.
 * Without it -EBUSY where it is in use: the device goes on. op->keep_record: the catalog isn't touched.
 * Success where it isn't here.
 */
void attachment_take_down(struct op *op, void (*then)(struct op *op, int rc));

/* attachment_open.c: the data plane's part. Words in op->error. -ESTALE: attachment->promised tells. */
void attachment_open(struct op *op, void (*then)(struct op *op, int rc));
/* Success where there is no handle. */
void attachment_close(struct op *op, void (*then)(struct op *op, int rc));
/* Another's by now: an event says so, with op->why_undone; taken down by force, the record left alone. */
void attachment_fence(struct op *op, struct attachment *attachment, void (*then)(struct op *op, int rc));
/* resize.c: begins to follow a record that is larger than what is attached here. */
void resize_follow(struct attachment *attachment, const struct catalog_volume *volume);
/* Whether a quorum of its replicas served it, a second ago at most. */
bool attachment_serves(const struct attachment *attachment);
/* Gives up an open that waits. */
void attachment_open_cancel(struct attachment *attachment);

/* Size, epoch and policies, as the record has them. */
void attachment_spec_fill(const struct catalog_volume *volume, struct volume_spec *spec);

/* Where an export of this name is served. */
void nbd_socket_path(const struct volumes *volumes, const char *name, char *path, size_t path_bytes);

/* takeover.c: the catalog's attach, with its patience; the record goes to `then` by the catalog's view. */
void attachment_hold(struct op *op, void (*then)(struct op *op, int rc));
/* The record names nobody, and this attachment (op->replica) serves: goes on at op->told_then. */
void attachment_hold_again(struct op *op);

#endif
