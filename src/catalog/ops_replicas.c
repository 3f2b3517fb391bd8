/* How many replicas a user wants of a volume: the number, and the first step towards it, in one transaction.
 */
#include "catalog/policy.h"

#include "catalog/catalog_private.h"

void replicas_want_note(struct op *op)
{
	if (op->replicas != 0)
		op->volume_record->replicas = op->replicas;
}

static int want_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume;
	int rc = OP_FINISHED;

	if (!uuid_is_none(op->learner.replica))
		rc = learner_step(op, txn, error);
	else if (!uuid_is_none(op->replica))
		rc = leave_step(op, txn, error);
	if (rc != OP_FINISHED)
		return rc;
	rc = volume_ready(op, &volume, error);
	if (rc != 0)
		return rc;
	if (volume->replicas == op->replicas)
		return OP_FINISHED;
	rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	replicas_want_note(op);
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind want_kind = { "set the volume's number of replicas", want_step };

void catalog_replicas_want(struct catalog *catalog, const struct catalog_replicas_want *want,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &want_kind, timeout_ms, arg);

	ASSERT(want->replicas >= 1 && want->replicas <= GROUP_MAX_VOTERS);
	op->fn = fn;
	op->volume = want->volume;
	op->replicas = want->replicas;
	op->replica = want->leaving;
	if (want->learner)
		op->learner = *want->learner;
	op->group = want->group;
	op_start(op);
}
