/*
 * Operations on who a volume's members are (docs/protocol.md, "Membership"). A learner may be asked for, and
 * a voter to leave, by any node: that counts nowhere. Voters and next voters are changed by the holder alone.
 */
#include "catalog/catalog_private.h"

#include <errno.h>
#include <string.h>

static bool names_equal(const struct uuid *a, unsigned a_count, const struct uuid *b, unsigned b_count)
{
	return a_count == b_count && memcmp(a, b, a_count * sizeof(*a)) == 0;
}

static const struct catalog_shard *shard_named(
	const struct catalog_volume *volume, struct uuid group, struct error *error)
{
	const struct catalog_shard *shard = catalog_shard_find(volume, group);

	if (!shard)
		error_set(error, -ENOENT, "volume %s has no such shard", volume->name);
	return shard;
}

/* The same one, in the copy that is changed. */
static struct catalog_shard *copy_shard(
	struct op *op, const struct catalog_volume *volume, const struct catalog_shard *shard)
{
	return &op->volume_record->shards[shard - volume->shards];
}

/* ---- by the holder: voters and next voters ---- */

/* Who has been taken out of both lists is retired; who is in gives up what it was asked to do. */
static void members_mark(struct catalog_shard *shard, const struct catalog_membership *change)
{
	for (unsigned i = 0; i < shard->replica_count; i++) {
		struct catalog_replica *replica = &shard->replicas[i];
		bool is_now = catalog_is_voter(shard, replica->replica);

		if (!is_now && change->was_joint && replica->leaves)
			replica->retired = true;
	}
	for (unsigned i = 0; change->was_joint && i < shard->replica_count; i++)
		if (catalog_is_voter(shard, shard->replicas[i].replica))
			shard->replicas[i].replaces = (struct uuid){ 0 };
}

/* Whether the record, which is this change's number_before, still asks for it: it may have been given up. */
static int asked_check(const struct catalog_volume *volume, const struct catalog_shard *shard,
	const struct catalog_membership *change, struct error *error)
{
	unsigned found = 0;

	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];
		bool in_voters = uuid_is_among(change->voters, change->voter_count, replica->replica);
		bool in_next = uuid_is_among(change->next_voters, change->next_voter_count, replica->replica);
		bool goes = in_voters && !in_next && change->next_voter_count != 0;

		if (!replica->retired)
			found += (unsigned)in_voters + (unsigned)in_next;
		if (goes && shard->next_voter_count == 0 && !replica->leaves)
			return error_set(error, -EPERM,
				"the replica of volume %s on node %s is to leave no longer", volume->name,
				replica->node);
	}
	if (found != change->voter_count + change->next_voter_count)
		return error_set(error, -EPERM,
			"the new replica of volume %s has been given up: it can't become a voter",
			volume->name);
	return 0;
}

/* From a record that isn't joint straight to voters alone. */
static bool is_drop(const struct catalog_shard *shard, const struct catalog_membership *change)
{
	return shard->next_voter_count == 0 && change->next_voter_count == 0;
}

static int drop_check(const struct catalog_volume *volume, const struct catalog_shard *shard,
	const struct catalog_membership *change, struct error *error)
{
	if (shard->voter_count != 2 || change->voter_count != 1 ||
		!uuid_is_among(shard->voters, shard->voter_count, change->voters[0]))
		return error_set(error, -EINVAL,
			"of the %u voters of volume %s none can be dropped without a joint record",
			shard->voter_count, volume->name);
	return 0;
}

/* Who is dropped is retired; a learner that was to take its place comes all the same. */
static void drop_mark(struct catalog_shard *shard, const struct catalog_membership *change)
{
	for (unsigned i = 0; i < shard->replica_count; i++) {
		struct catalog_replica *replica = &shard->replicas[i];

		replica->replaces = (struct uuid){ 0 };
		if (catalog_is_voter(shard, replica->replica) &&
			!uuid_equal(replica->replica, change->voters[0]))
			replica->retired = true;
	}
	shard->wanted_voters = shard->voter_count;
}

static int membership_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_membership *change = &op->membership;
	const struct catalog_volume *volume = NULL;
	const struct catalog_shard *shard;
	struct catalog_shard *to;
	int rc = volume_ready(op, &volume, error);

	if (rc != 0)
		return rc;
	shard = shard_named(volume, change->group, error);
	if (!shard)
		return -ENOENT;
	if (uuid_equal(volume->holder.attachment, change->attachment) &&
		volume->epoch_number > change->epoch_number && shard->config_number == change->number_before)
		return error_set(error, -EPERM,
			"volume %s was taken by force meanwhile, in vain: attach it anew before its members "
			"change",
			volume->name);
	if (!uuid_equal(volume->holder.attachment, change->attachment) ||
		volume->epoch_number != change->epoch_number)
		return error_set(
			error, -ESTALE, "volume %s is no longer held by this attachment", volume->name);
	if (shard->config_number == change->number &&
		names_equal(shard->voters, shard->voter_count, change->voters, change->voter_count) &&
		names_equal(shard->next_voters, shard->next_voter_count, change->next_voters,
			change->next_voter_count))
		return OP_FINISHED;
	if (shard->config_number != change->number_before)
		return error_set(error, -ESTALE, "volume %s has members of number %llu, not %llu",
			volume->name, (unsigned long long)shard->config_number,
			(unsigned long long)change->number_before);
	rc = asked_check(volume, shard, change, error);
	if (rc == 0 && is_drop(shard, change))
		rc = drop_check(volume, shard, change, error);
	if (rc == 0)
		rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	to = copy_shard(op, volume, shard);
	op->membership.was_joint = shard->next_voter_count != 0;
	if (is_drop(shard, change))
		drop_mark(to, change);
	to->config_number = change->number;
	to->voter_count = change->voter_count;
	memcpy(to->voters, change->voters, sizeof(to->voters));
	to->next_voter_count = change->next_voter_count;
	memcpy(to->next_voters, change->next_voters, sizeof(to->next_voters));
	members_mark(to, change);
	if (to->next_voter_count == 0 && to->voter_count >= to->wanted_voters)
		to->wanted_voters = 0;
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind membership_kind = { "change the volume's members", membership_step };

void catalog_membership_set(struct catalog *catalog, const struct catalog_membership *change,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &membership_kind, timeout_ms, arg);

	ASSERT(change->number == change->number_before + 1);
	op->fn = fn;
	op->volume = change->volume;
	op->membership = *change;
	op_start(op);
}

/* ---- by any node: what is asked for ---- */

/* 0 where no other change of the shard is asked for or under way. */
static int no_change_check(
	const struct catalog_volume *volume, const struct catalog_shard *shard, struct error *error)
{
	if (shard->next_voter_count != 0)
		return error_set(error, -EBUSY, "the members of volume %s are being changed", volume->name);
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];

		if (replica->retired)
			continue;
		if (!catalog_is_voter(shard, replica->replica))
			return error_set(error, -EBUSY,
				"volume %s has a new replica on node %s that isn't ready yet", volume->name,
				replica->node);
		if (replica->leaves)
			return error_set(error, -EBUSY, "a replica of volume %s, on node %s, is leaving",
				volume->name, replica->node);
	}
	return 0;
}

/* Whether there is a place for it in the record. */
static int learner_check(const struct catalog_volume *volume, const struct catalog_shard *shard,
	const struct catalog_replica *learner, struct error *error)
{
	int rc = no_change_check(volume, shard, error);

	if (rc == 0 && shard->replica_count >= CATALOG_MAX_REPLICAS)
		rc = error_set(error, -EBUSY,
			"volume %s has as many replicas as its record takes: some that left aren't deleted "
			"yet",
			volume->name);
	if (rc == 0 && !uuid_is_none(learner->replaces) && !catalog_is_voter(shard, learner->replaces))
		rc = error_set(error, -ENOENT, "volume %s has no such replica to be replaced", volume->name);
	for (unsigned i = 0; rc == 0 && i < shard->replica_count; i++)
		if (uuid_equal(shard->replicas[i].pool, learner->pool))
			rc = error_set(
				error, -EEXIST, "volume %s has a replica on that pool already", volume->name);
	return rc;
}

int learner_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_replica *learner = &op->learner;
	const struct catalog_volume *volume = NULL;
	const struct catalog_shard *was;
	struct catalog_shard *shard;
	int rc = volume_ready(op, &volume, error);

	if (rc != 0)
		return rc;
	if (catalog_volume_replica(volume, learner->replica, NULL))
		return OP_FINISHED;
	was = shard_named(volume, op->group, error);
	if (!was)
		return -ENOENT;
	rc = learner_check(volume, was, learner, error);
	if (rc == 0)
		rc = volume_edit(op, volume, error);
	if (rc == 0)
		rc = pool_reserve(op, txn, learner, 1, error);
	if (rc != 0)
		return rc;
	replicas_want_note(op);
	shard = copy_shard(op, volume, was);
	shard->replicas[shard->replica_count++] = *learner;
	for (unsigned i = 0; i < shard->replica_count; i++)
		if (!uuid_is_none(learner->replaces) &&
			uuid_equal(shard->replicas[i].replica, learner->replaces))
			shard->replicas[i].leaves = true;
	if (MUTANT(replaced_leaves_first) && !uuid_is_none(learner->replaces))
		shard->voter_count--;
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind learner_kind = { "add a replica to the volume", learner_step };

void catalog_learner_add(struct catalog *catalog, struct uuid volume, struct uuid group,
	const struct catalog_replica *learner, uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &learner_kind, timeout_ms, arg);

	op->fn = fn;
	op->volume = volume;
	op->group = group;
	op->learner = *learner;
	op_start(op);
}

int leave_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	const struct catalog_replica *replica;
	const struct catalog_shard *shard;
	int rc = volume_ready(op, &volume, error);

	if (rc != 0)
		return rc;
	replica = catalog_volume_replica(volume, op->replica, &shard);
	if (!replica || replica->leaves || replica->retired)
		return OP_FINISHED;
	rc = no_change_check(volume, shard, error);
	if (rc == 0 && shard->voter_count < 2)
		rc = error_set(error, -EBUSY, "that is the only replica of volume %s", volume->name);
	if (rc == 0)
		rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	replicas_want_note(op);
	((struct catalog_replica *)(uintptr_t)catalog_volume_replica(op->volume_record, op->replica, NULL))
		->leaves = true;
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind leave_kind = { "take a replica out of the volume", leave_step };

void catalog_replica_leave(struct catalog *catalog, struct uuid volume, struct uuid replica,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &leave_kind, timeout_ms, arg);

	op->fn = fn;
	op->volume = volume;
	op->replica = replica;
	op_start(op);
}

/* ---- by its node: a retired replica is no more ---- */

int retired_removed_step(
	struct op *op, struct op_txn *txn, const struct catalog_volume *volume, struct error *error)
{
	const struct catalog_shard *was = NULL;
	const struct catalog_replica *replica = catalog_volume_replica(volume, op->replica, &was);
	struct catalog_shard *shard;
	int rc;

	if (!replica)
		return OP_FINISHED;
	if (!replica->retired)
		return error_set(error, -EINVAL, "a replica of volume %s is in use", volume->name);
	rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	pool_release(op, txn, replica->pool, volume);
	shard = copy_shard(op, volume, was);
	for (unsigned i = 0; i < shard->replica_count; i++) {
		if (!uuid_equal(shard->replicas[i].replica, op->replica))
			continue;
		memmove(&shard->replicas[i], &shard->replicas[i + 1],
			(shard->replica_count - i - 1) * sizeof(shard->replicas[0]));
		shard->replica_count--;
		break;
	}
	txn_put_volume(op, txn, volume);
	return 0;
}
