/* A change of a volume's members that was asked for is given up, by any node: that counts nowhere. */
#include "catalog/catalog_private.h"

#include <errno.h>

/* Of one shard; true: something was asked for. */
static bool shard_cancel(struct catalog_shard *shard, struct uuid learner)
{
	struct uuid kept = { 0 };
	bool any = false;

	for (unsigned i = 0; i < shard->replica_count; i++) {
		struct catalog_replica *replica = &shard->replicas[i];

		if (replica->retired || catalog_is_voter(shard, replica->replica) ||
			(!uuid_is_none(learner) && !uuid_equal(learner, replica->replica)))
			continue;
		kept = replica->replaces;
		replica->retired = any = true;
	}
	for (unsigned i = 0; i < shard->replica_count; i++) {
		struct catalog_replica *replica = &shard->replicas[i];

		if (replica->retired || !replica->leaves ||
			(!uuid_is_none(learner) && !uuid_equal(kept, replica->replica)))
			continue;
		replica->leaves = false;
		any = true;
	}
	return any;
}

/* Who gives up a change of the number is content with what there is. */
static bool number_cancel(struct catalog_volume *volume)
{
	bool any = false;

	for (unsigned s = 0; s < volume->shard_count; s++)
		any = any || volume->shards[s].wanted_voters != 0;
	if (volume->replicas != 0 || any)
		volume->replicas = volume->shards[0].voter_count;
	for (unsigned s = 0; s < volume->shard_count; s++)
		volume->shards[s].wanted_voters = 0;
	return any;
}

static int cancel_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	const struct catalog_shard *of = NULL; /* the learner's; NULL: all */
	bool any = false;
	int rc = volume_ready(op, &volume, error);

	if (rc != 0)
		return rc;
	if (!uuid_is_none(op->replica) && !catalog_volume_replica(volume, op->replica, &of))
		return OP_FINISHED;
	for (unsigned s = 0; s < volume->shard_count; s++)
		if ((!of || of == &volume->shards[s]) && volume->shards[s].next_voter_count != 0)
			return error_set(error, -EBUSY,
				"the voters of volume %s are being changed this moment: that ends by itself",
				volume->name);
	rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	for (unsigned s = 0; s < volume->shard_count; s++)
		if (!of || of == &volume->shards[s])
			any = shard_cancel(&op->volume_record->shards[s], op->replica) || any;
	if (!of)
		any = number_cancel(op->volume_record) || any;
	if (!any && (op->uncertain || of))
		return OP_FINISHED;
	if (!any)
		return error_set(
			error, -ENOENT, "no change of the members of volume %s is under way", volume->name);
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind cancel_kind = { "give up the change of the volume's members", cancel_step };

void catalog_change_cancel(struct catalog *catalog, struct uuid volume, struct uuid learner,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &cancel_kind, timeout_ms, arg);

	op->fn = fn;
	op->volume = volume;
	op->replica = learner;
	op_start(op);
}
