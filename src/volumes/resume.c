/*
 * An agent that starts while the kvdb is away (docs/protocol.md, "A restart without the kvdb"):
 *
 *   attached here, in this boot (mounts.h) + what was noted of it (held.h)
 *     -> the epoch's restart raised, on disk -> open -> device -> mount
 *
 * The kvdb is asked for nothing, and nobody's leave is needed but the replicas': who attached the volume
 * meanwhile has a greater epoch, and who changed its members a greater number, and a quorum of its replicas
 * says so.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "volumes/held.h"
#include "volumes/manager.h"

#define KVDB_PATIENCE_NS   (2 * NS_PER_S)
#define RESUME_DEADLINE_MS 60000u
#define RESUME_PAUSE_MS    2000u

/* ---- what is noted ---- */

typedef int (*note_fn)(const char *state_dir, const struct held *held, struct error *error);

static void note(struct attachment *attachment, const struct held *held, note_fn write_note)
{
	struct volumes *volumes = attachment->volumes;
	struct error why;

	/* Without a device there is nothing to resume. */
	if (!attachment->steward && write_note(volumes->config.state_dir, held, &why))
		manager_event(volumes, "state-not-written", attachment->spec.name, "%s", why.text);
}

void held_note(struct attachment *attachment)
{
	struct held held = { .spec = attachment->spec, .shards = attachment->shards };

	memcpy(held.fs, attachment->fs, sizeof(held.fs));
	memcpy(held.mount_options, attachment->mount_options, sizeof(held.mount_options));
	for (unsigned s = 0; s < attachment->shards.count; s++) {
		attachment->of_shard[s].changing = attachment->shards.members[s].next_mask != 0;
		held.changing |= attachment->of_shard[s].changing;
	}
	note(attachment, &held, held_write_for_boot);
}

void held_note_size(struct attachment *attachment)
{
	struct error error;
	struct held held;

	if (held_read(attachment->volumes->config.state_dir, attachment->spec.name, &held, &error))
		return; /* a steward's, or it could not be written: nothing is opened by it */
	held.spec.size_bytes = attachment->spec.size_bytes;
	note(attachment, &held, held_write);
	volume_shards_done(&held.shards);
}

void held_note_change(struct attachment *attachment)
{
	struct held held = { .spec = attachment->spec };
	const struct catalog_volume *volume;

	memcpy(held.fs, attachment->fs, sizeof(held.fs));
	memcpy(held.mount_options, attachment->mount_options, sizeof(held.mount_options));
	for (unsigned s = 0; s < attachment->shards.count; s++)
		held.changing |= attachment->of_shard[s].changing;
	if (held.changing) {
		held.shards = attachment->shards;
		note(attachment, &held, held_write);
		return;
	}
	if (catalog_volume_find_uuid(attachment->volumes->catalog, attachment->spec.volume, &volume, NULL))
		return; /* it goes on to say that a change is under way: no resume, no harm */
	attachment_spec_fill(volume, &held.spec);
	held.spec.epoch = attachment->spec.epoch;
	if (volume_shards_fill(attachment->volumes, volume, &held.shards) == 0)
		note(attachment, &held, held_write);
	volume_shards_done(&held.shards);
}

/* ---- an agent that starts ---- */

static bool is_over(const struct op *op)
{
	const char *why;

	return op->volumes->phase != MANAGER_STARTING || catalog_kvdb_ok(op->volumes->catalog, &why);
}

/* Nothing more is tried without the kvdb; with it, the plan finds what is to be attached. */
static void resume_wait(struct op *op)
{
	if (is_over(op))
		op_end(op, 0);
	else
		op_retry(op, RESUME_PAUSE_MS, resume_wait);
}

static void resume_refused(struct op *op)
{
	manager_event(
		op->volumes, "volume-not-resumed", op->name, "it waits for the kvdb: %s", op->error.text);
	op->error.text[0] = '\0';
	resume_wait(op);
}

static void resume_pause(struct op *op)
{
	op_end(op, 0);
}

static void resume_mounted(struct op *op, int rc)
{
	struct attachment *attachment = attachment_find(op->volumes, op->name);

	if (rc)
		manager_event(op->volumes, "volume-not-mounted", op->name, "%s", op->error.text);
	else if (attachment)
		attachment->mounted = true;
	op_end(op, 0);
}

static void resume_up(struct op *op, int rc)
{
	struct mounts_count count = mounts_count(op->volumes->mounts, op->name);
	struct attachment *attachment = attachment_find(op->volumes, op->name);
	struct fs_spec spec;

	/* A session may also end while what was noted stands: its log's only source was lost, say. */
	if (op->outdated) {
		held_remove(op->volumes->config.state_dir, op->name);
		resume_refused(op);
		return;
	}
	if (rc) {
		manager_event(
			op->volumes, "volume-not-resumed", op->name, "it is tried again: %s", op->error.text);
		op_retry(op, RESUME_PAUSE_MS, resume_pause);
		return;
	}
	ASSERT(attachment && attachment->phase == ATTACHMENT_UP);
	manager_event(op->volumes, "volume-resumed", op->name,
		"%s, epoch %llu, restart %u: without the kvdb, by what this node noted of it",
		blockdev_link(attachment->blockdev), (unsigned long long)attachment->spec.epoch.number,
		attachment->spec.epoch.restart);
	if (!count.current && !count.older) {
		op_end(op, 0);
		return;
	}
	/* It was mounted before, so it has a filesystem: none is ever made here. */
	spec = (struct fs_spec){ .type = attachment->fs,
		.device = blockdev_path(attachment->blockdev),
		.options = attachment->mount_options };
	op->told_then = resume_mounted;
	fs_mount(op->volumes->attach, &spec, op->name, op_told, op);
}

static void resume_opened(struct op *op, int rc)
{
	if (!rc && op_expired(op))
		rc = error_set(&op->error, -ETIMEDOUT, "volume %s was opened too late", op->name);
	if (rc)
		attachment_undo(op, rc);
	else
		attachment_device(op);
}

/* 0, or why it may not be opened by what is noted. */
static int held_check(const struct op *op, struct held *held, struct error *error)
{
	int rc = held_read(op->volumes->config.state_dir, op->name, held, error);

	if (rc == -ENOENT)
		return error_set(error, rc, "this node has noted nothing of volume %s", op->name);
	if (!rc && held->changing)
		return error_set(error, -EBUSY,
			"the members of volume %s were being changed, and only the kvdb knows how that ended",
			op->name);
	return rc;
}

static void resume_begin(struct op *op)
{
	struct volumes *volumes = op->volumes;
	enum attached_as as = mounts_attached(volumes->mounts, op->name);
	struct mounts_count count = mounts_count(volumes->mounts, op->name);
	struct held held = { .changing = false };
	int rc;

	if (is_over(op)) {
		op_end(op, 0);
		return;
	}
	op->nbd = as == ATTACHED_NBD && !count.current && !count.older;
	rc = held_check(op, &held, &op->error);
	if (!rc && !op->nbd)
		rc = attach_supported(&op->error);
	/* On disk, flushed, before anybody hears of it: no two sessions have one epoch. */
	held.spec.epoch.restart++;
	if (!rc)
		rc = held_write(volumes->config.state_dir, &held, &op->error);
	if (!rc && !attachment_new(op, &held.shards))
		rc = error_set(&op->error, -ENOMEM, "no memory");
	if (rc) {
		volume_shards_done(&held.shards);
		resume_refused(op);
		return;
	}
	op->attachment->spec = held.spec;
	op->attachment->pin = catalog_pin_volume(volumes->catalog, held.spec.volume);
	memcpy(op->attachment->fs, held.fs, sizeof(held.fs));
	memcpy(op->attachment->mount_options, held.mount_options, sizeof(held.mount_options));
	op->then = resume_up;
	op->keep_record = true; /* whatever fails, the record is the kvdb's */
	attachment_open(op, resume_opened);
}

static void resume_one(void *arg, const char *name)
{
	struct volumes *volumes = arg;
	struct op *op;

	if (attachment_find(volumes, name) || ops_has(volumes, name, "resume"))
		return;
	op = op_make(volumes, "resume", name, RESUME_DEADLINE_MS, resume_begin, NULL, NULL);
	if (!op)
		return;
	op->before_ready = true;
	op_submit(op);
}

void manager_resume(struct volumes *volumes)
{
	uint64_t now_ns = clock_now_ns(volumes->clock);
	const char *why;

	if (catalog_kvdb_ok(volumes->catalog, &why))
		volumes->kvdb_away_ns = 0;
	else if (!volumes->kvdb_away_ns)
		volumes->kvdb_away_ns = now_ns;
	if (volumes->phase != MANAGER_STARTING || !volumes->kvdb_away_ns ||
		now_ns - volumes->kvdb_away_ns < KVDB_PATIENCE_NS || !volumes->leftovers_clean ||
		!pools_settled(volumes))
		return;
	mounts_each_volume(volumes->mounts, resume_one, volumes);
}
