/* Operations on a volume whose import has not ended: catalog/import.h. */
#include "catalog/import.h"

#include <errno.h>

#include "catalog/catalog_private.h"

bool catalog_import_is_unfinished(const struct catalog_volume *volume)
{
	return !uuid_is_none(volume->import);
}

/* The snapshot onto which the increment goes; NULL: a whole volume's import, or it was removed since. */
static const struct catalog_snapshot *base_of(const struct catalog_volume *volume)
{
	for (unsigned i = 0; i < volume->snapshot_count; i++)
		if (uuid_equal(volume->snapshots[i].snapshot, volume->import_base))
			return &volume->snapshots[i];
	return NULL;
}

int catalog_import_refuse(const struct catalog_volume *volume, struct uuid import, struct error *error)
{
	const struct catalog_snapshot *base = base_of(volume);

	if (!catalog_import_is_unfinished(volume) || uuid_equal(volume->import, import))
		return 0;
	if (base)
		return error_set(error, -EBUSY,
			"volume %s has a part of an increment only, whose import did not finish; unless it "
			"is "
			"still under way, `quoin snapshot rollback %s@%s` makes the volume what it was "
			"before",
			volume->name, volume->name, base->name);
	return error_set(error, -EBUSY,
		"volume %s is not whole: its import did not finish; unless it is still under way, `quoin "
		"volume rm %s` removes it",
		volume->name, volume->name);
}

static int begin_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	int rc = volume_ready(op, &volume, error);

	if (rc == 0 && uuid_equal(volume->import, op->import))
		return OP_FINISHED;
	if (rc == 0)
		rc = catalog_import_refuse(volume, op->import, error);
	if (rc == 0 && !uuid_equal(volume->holder.attachment, op->attachment))
		rc = error_set(error, -ESTALE, "volume %s is no longer held by the import's attachment",
			volume->name);
	if (rc == 0)
		rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	op->volume_record->import = op->import;
	op->volume_record->import_base = op->snapshot.snapshot;
	txn_put_volume(op, txn, volume);
	return 0;
}

static int end_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	int rc = volume_ready(op, &volume, error);

	if (rc == 0 && !catalog_import_is_unfinished(volume))
		return OP_FINISHED;
	if (rc == 0 && !uuid_is_none(op->import))
		rc = catalog_import_refuse(volume, op->import, error);
	if (rc == 0)
		rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	import_clear(op->volume_record);
	txn_put_volume(op, txn, volume);
	return 0;
}

void import_clear(struct catalog_volume *volume)
{
	volume->import = volume->import_base = (struct uuid){ 0 };
}

static const struct op_kind begin_kind = { "begin the import", begin_step };
static const struct op_kind end_kind = { "end the import", end_step };

void catalog_import_begin(struct catalog *catalog, struct uuid volume, struct uuid attachment,
	struct uuid import, struct uuid base, uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &begin_kind, timeout_ms, arg);

	ASSERT(!uuid_is_none(attachment));
	ASSERT(!uuid_is_none(import) && !uuid_is_none(base));
	op->fn = fn;
	op->volume = volume;
	op->attachment = attachment;
	op->import = import;
	op->snapshot.snapshot = base;
	op_start(op);
}

void catalog_import_end(struct catalog *catalog, struct uuid volume, struct uuid import, uint32_t timeout_ms,
	catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &end_kind, timeout_ms, arg);

	op->fn = fn;
	op->volume = volume;
	op->import = import;
	op_start(op);
}
