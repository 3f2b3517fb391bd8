/* What may be changed of a volume while it is used. */
#include "catalog/policy.h"

#include "catalog/catalog_private.h"

static int limits_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume;
	int rc = volume_ready(op, &volume, error);

	if (rc != 0)
		return rc;
	if (volume->limit_iops == op->limit_iops && volume->limit_bytes_per_s == op->limit_bytes_per_s)
		return OP_FINISHED;
	rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	op->volume_record->limit_iops = op->limit_iops;
	op->volume_record->limit_bytes_per_s = op->limit_bytes_per_s;
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind limits_kind = { "set the volume's limits", limits_step };

void catalog_volume_limits_set(struct catalog *catalog, struct uuid volume, uint64_t iops,
	uint64_t bytes_per_s, uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &limits_kind, timeout_ms, arg);

	op->fn = fn;
	op->volume = volume;
	op->limit_iops = iops;
	op->limit_bytes_per_s = bytes_per_s;
	op_start(op);
}

static int sticky_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume;
	int rc = volume_ready(op, &volume, error);

	if (rc != 0)
		return rc;
	if (volume->sticky == op->sticky)
		return OP_FINISHED;
	rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	op->volume_record->sticky = op->sticky;
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind sticky_kind = { "set whether the volume is sticky", sticky_step };

void catalog_volume_sticky_set(struct catalog *catalog, struct uuid volume, bool sticky, uint32_t timeout_ms,
	catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &sticky_kind, timeout_ms, arg);

	op->fn = fn;
	op->volume = volume;
	op->sticky = sticky;
	op_start(op);
}
