/*
 * Who holds a volume. Each change compares the whole record (its revision), so holder, epoch and
 * configuration are those that the step has seen, and the answer is the configuration to open
 * (docs/protocol.md, Attach).
 */
#include "catalog/catalog_private.h"
#include "catalog/import.h"

#include <errno.h>
#include <string.h>

/* ---- attach ---- */

/* 0 where the dead holder may be succeeded. */
static int dead_holder_check(struct op *op, const struct catalog_volume *volume, struct error *error)
{
	struct catalog *catalog = op->catalog;
	uint64_t reach_since_ns = catalog_reach_since_ns(catalog);
	uint64_t whole_ns = catalog->options.node_lease_ms * NS_PER_MS;

	/* An outage that has just ended tells nothing about the others: they couldn't renew either. */
	if ((reach_since_ns == 0 || catalog_now_ns(catalog) - reach_since_ns < whole_ns) &&
		!MUTANT(takeover_after_outage))
		return error_set(error, -EHOSTDOWN,
			"volume %s is attached on node %s, whose lease is over; this node must have had the "
			"metadata "
			"database in reach for %u s before it may take it over",
			volume->name, volume->holder.node, op->catalog->options.node_lease_ms / 1000);
	if (!uuid_equal(op->attach.probed, volume->holder.attachment) && !MUTANT(takeover_unprobed))
		return error_set(error, -EOWNERDEAD,
			"volume %s is attached on node %s, whose lease is over: its replicas must be asked "
			"first",
			volume->name, volume->holder.node);
	return 0;
}

/* 0 where the holder, if any, may be succeeded; adds the compares that this rests on. */
static int holder_check(
	struct op *op, struct op_txn *txn, const struct catalog_volume *volume, struct error *error)
{
	struct catalog *catalog = op->catalog;
	const struct row *live;
	int rc;

	if (op->attach.steward && !uuid_is_none(volume->holder.attachment) &&
		(!volume->holder.steward || view_find(&catalog->view, RECORD_LIVE, volume->holder.node)))
		return volume_held(catalog, volume, error);
	if (!volume_is_held(volume) || strcmp(volume->holder.node, catalog->node.name) == 0 ||
		op->attach.force)
		return 0;
	live = view_find(&catalog->view, RECORD_LIVE, volume->holder.node);
	if (live)
		return volume_held(catalog, volume, error);
	rc = dead_holder_check(op, volume, error);
	if (rc == 0)
		txn_if_revision(txn, catalog, RECORD_LIVE, volume->holder.node, 0);
	return rc;
}

/* This node's lease, if it is in force. */
static int own_lease(
	struct op *op, const struct catalog_volume *volume, const struct row **ret_live, struct error *error)
{
	struct catalog *catalog = op->catalog;
	const struct row *live = view_find(&catalog->view, RECORD_LIVE, catalog->node.name);
	const struct record_live *lease = live ? live->record : NULL;

	if (!catalog_node_lease_valid(catalog) || !lease ||
		!uuid_equal(lease->session, catalog->node.session))
		return error_set(error, -ESTALE,
			"the lease of this node (%s) is not in force: it can't attach volume %s now",
			catalog->node.name, volume->name);
	*ret_live = live;
	return 0;
}

static void holder_fill(struct op *op, struct op_txn *txn, struct uuid attachment, const struct row *live)
{
	struct catalog *catalog = op->catalog;

	op->volume_record->holder = (struct catalog_holder){
		.session = catalog->node.session,
		.attachment = attachment,
		.since_ns = catalog_wall_ns(catalog),
	};
	memcpy(op->volume_record->holder.node, catalog->node.name, sizeof(catalog->node.name));
	txn_if_revision(txn, catalog, RECORD_LIVE, catalog->node.name, live->revision);
}

/* The same of an import that hasn't ended: who is refused for that need not wait for a dead holder first. */
static int may_attach(
	struct op *op, struct op_txn *txn, const struct catalog_volume *volume, struct error *error)
{
	int rc = holder_check(op, txn, volume, error), refused = 0;

	if (rc != -EBUSY && !op->attach.steward && !op->attach.for_snapshots && !MUTANT(half_import_attached))
		refused = catalog_import_refuse(volume, op->attach.import, error);
	return refused ? refused : rc;
}

static int attach_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	const struct row *live = NULL;
	int rc = volume_ready(op, &volume, error);

	if (rc != 0)
		return rc;
	/* Its own transaction, of unknown outcome: the epoch that it wrote shows it. */
	if (op->uncertain && uuid_equal(volume->holder.attachment, op->attach.attachment) &&
		volume->epoch_number == op->sent_epoch)
		return OP_FINISHED;
	rc = own_lease(op, volume, &live, error);
	if (rc == 0)
		rc = may_attach(op, txn, volume, error);
	if (rc == 0)
		rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	op->sent_epoch = volume->epoch_number + 1;
	op->volume_record->epoch_number = op->sent_epoch;
	holder_fill(op, txn, op->attach.attachment, live);
	op->volume_record->holder.steward = op->attach.steward;
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind attach_kind = { "attach the volume", attach_step };

void catalog_volume_attach(struct catalog *catalog, const struct catalog_attach *attach, uint32_t timeout_ms,
	catalog_volume_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &attach_kind, timeout_ms, arg);

	op->volume_fn = fn;
	op->volume = attach->volume;
	op->attach = *attach;
	if (uuid_is_none(attach->attachment))
		op->early_rc = error_set(&op->error, -EINVAL, "an attachment without a UUID");
	op_start(op);
}

/* ---- by the holder ---- */

static int hold_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	const struct row *live = NULL;
	int rc = volume_ready(op, &volume, error);

	if (rc == 0 && uuid_equal(volume->holder.attachment, op->attachment))
		return OP_FINISHED;
	if (rc == 0 && volume_is_held(volume))
		return error_set(error, -ESTALE, "volume %s is held by node %s by now", volume->name,
			volume->holder.node);
	if (rc == 0)
		rc = own_lease(op, volume, &live, error);
	if (rc == 0)
		rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	holder_fill(op, txn, op->attachment, live);
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind hold_kind = { "hold the volume again", hold_step };

void catalog_volume_hold(struct catalog *catalog, struct uuid volume, struct uuid attachment,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &hold_kind, timeout_ms, arg);

	ASSERT(!uuid_is_none(attachment));
	op->fn = fn;
	op->volume = volume;
	op->attachment = attachment;
	op_start(op);
}

static int detach_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	int rc = catalog_volume_find_uuid(op->catalog, op->volume, &volume, error);

	if (rc == -ENOENT || (rc == 0 && !uuid_equal(volume->holder.attachment, op->attachment)))
		return OP_FINISHED;
	if (rc == 0)
		rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	op->volume_record->holder = (struct catalog_holder){ 0 };
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind detach_kind = { "detach the volume", detach_step };

void catalog_volume_detach(struct catalog *catalog, struct uuid volume, struct uuid attachment,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &detach_kind, timeout_ms, arg);

	ASSERT(!uuid_is_none(attachment));
	op->fn = fn;
	op->volume = volume;
	op->attachment = attachment;
	op_start(op);
}

/* The record, if this attachment holds it. */
static int held_by_us(struct op *op, const struct catalog_volume **ret_volume, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	int rc = volume_ready(op, &volume, error);

	if (rc != 0)
		return rc;
	if (!uuid_equal(volume->holder.attachment, op->attachment))
		return error_set(error, -ESTALE, "volume %s is no longer held by this attachment, but by %s",
			volume->name, volume_is_held(volume) ? volume->holder.node : "nobody");
	*ret_volume = volume;
	return 0;
}

static int raise_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	int rc = held_by_us(op, &volume, error);

	if (rc != 0)
		return rc;
	if (op->uncertain && volume->epoch_number == op->sent_epoch)
		return OP_FINISHED;
	rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	/* Above what it was told, and always one more: no two sessions use one epoch. */
	op->sent_epoch = (volume->epoch_number > op->above ? volume->epoch_number : op->above) + 1;
	op->volume_record->epoch_number = op->sent_epoch;
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind raise_kind = { "raise the volume's epoch", raise_step };

void catalog_volume_epoch_raise(struct catalog *catalog, struct uuid volume, struct uuid attachment,
	uint64_t above, uint32_t timeout_ms, catalog_volume_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &raise_kind, timeout_ms, arg);

	op->volume_fn = fn;
	op->volume = volume;
	op->attachment = attachment;
	op->above = above;
	if (above == UINT64_MAX)
		op->early_rc =
			error_set(&op->error, -EINVAL, "no epoch is above %llu", (unsigned long long)above);
	op_start(op);
}

static int fs_made_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	int rc = held_by_us(op, &volume, error);

	if (rc != 0)
		return rc;
	if (volume->fs_made)
		return OP_FINISHED;
	rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	op->volume_record->fs_made = true;
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind fs_made_kind = { "note that the filesystem was made", fs_made_step };

void catalog_volume_fs_made(struct catalog *catalog, struct uuid volume, struct uuid attachment,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &fs_made_kind, timeout_ms, arg);

	op->fn = fn;
	op->volume = volume;
	op->attachment = attachment;
	op_start(op);
}
