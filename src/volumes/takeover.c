/*
 * Becoming the holder by the catalog's record: at once where nobody holds it, never from a living node, and
 * from a dead one when both its node lease is over and the replicas have not heard from it for a whole group
 * lease.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"

#define HOLD_PAUSE_MS    250u
#define PROBE_TIMEOUT_MS 1000u

static void hold_try(struct op *op);

struct shard_probe {
	struct holder_probe *probe;
	struct probe_result result; /* no answers: it couldn't be asked */
};

struct holder_probe {
	struct dataplane_call *call;
	struct uuid attachment; /* the holder's, when it was asked */
	struct volume_shards shards;
	unsigned left; /* that haven't answered yet */
	struct shard_probe of_shard[];
};

static void probe_end(struct holder_probe *probe)
{
	if (--probe->left == 0)
		dataplane_call_finish(probe->call, 0);
}

static void probe_answered(void *arg, const struct probe_result *result)
{
	struct shard_probe *of = arg;

	of->result = *result;
	probe_end(of->probe);
}

/* All shards at once. */
static void probe_run(struct dataplane_call *call)
{
	struct holder_probe *probe = op_of_call(call)->state;

	probe->call = call;
	probe->left = probe->shards.count + 1;
	for (unsigned s = 0; s < probe->shards.count; s++) {
		const struct shard_members *members = &probe->shards.members[s];

		if (datapath_probe(dataplane_datapath(call->dataplane), members->voters, members->voter_count,
			    PROBE_TIMEOUT_MS, probe_answered, &probe->of_shard[s]))
			probe->left--;
	}
	probe_end(probe);
}

/* Of each shard a quorum has answered. Of two, one is enough: the other can be dropped (docs/protocol.md,
 * "Membership"). */
static bool has_quorums(const struct holder_probe *probe)
{
	for (unsigned s = 0; s < probe->shards.count; s++) {
		unsigned voters = probe->shards.members[s].voter_count;

		if (probe->of_shard[s].result.answers < (voters == 2 ? 1 : voters / 2 + 1))
			return false;
	}
	return true;
}

/* Since the last word of the holder to any replica. */
static uint64_t heard_ms(const struct holder_probe *probe)
{
	uint64_t least_ms = UINT64_MAX;

	for (unsigned s = 0; s < probe->shards.count; s++)
		if (probe->of_shard[s].result.heard_ms < least_ms)
			least_ms = probe->of_shard[s].result.heard_ms;
	return least_ms;
}

static void probe_free(struct holder_probe *probe)
{
	volume_shards_done(&probe->shards);
	free(probe);
}

/* By force it is taken from the living; but not by one who could not open it: its holder would lose it for
 * nothing. */
static void force_told(struct op *op, bool reaches)
{
	static const char what[] =
		"a quorum of the volume's replicas to answer this node: until then nothing is "
		"taken by force";

	op->force_reaches = reaches;
	if (reaches) {
		hold_try(op);
	} else if (op_expired(op)) {
		op->told_then(op, error_set(&op->error, -ETIMEDOUT,
					  "can't attach volume %s in time: it waits for %s", op->name, what));
	} else {
		op->waits_for = what;
		op_retry(op, HOLD_PAUSE_MS, hold_try);
	}
}

/*
 * A quorum that has not heard from the holder for a whole group lease: it serves nothing, and an open will
 * find a quorum. With fewer answers the record stays where it is, for taking it would help nobody.
 */
static void probe_told(struct op *op, int rc)
{
	struct holder_probe *probe = op->state;
	bool reaches = has_quorums(probe);

	op->state = NULL;
	if (op->force_attach) {
		probe_free(probe);
		force_told(op, rc == 0 && reaches);
		return;
	}
	if (rc == 0 && !reaches) {
		op->waits_for =
			"a quorum of the volume's replicas to say when they last heard from its holder";
		rc = -EAGAIN;
	} else if (rc == 0 && heard_ms(probe) < op->volumes->config.group_lease_ms) {
		op->waits_for = "the former holder, whose node lease is over, but which the replicas still "
				"hear";
		rc = -EAGAIN;
	}
	if (rc == 0)
		op->probed = probe->attachment;
	probe_free(probe);
	if (rc)
		op_retry(op, HOLD_PAUSE_MS, hold_try);
	else
		hold_try(op);
}

static void holder_probe(struct op *op)
{
	const struct catalog_volume *volume;
	struct holder_probe *probe = NULL;

	if (!catalog_volume_find(op->volumes->catalog, op->name, &volume, NULL) && volume->shard_count)
		probe = calloc(1, sizeof(*probe) + volume->shard_count * sizeof(probe->of_shard[0]));
	if (!probe || volume_shards_fill(op->volumes, volume, &probe->shards)) {
		free(probe);
		op_retry(op, HOLD_PAUSE_MS, hold_try);
		return;
	}
	probe->attachment = volume->holder.attachment;
	for (unsigned s = 0; s < probe->shards.count; s++)
		probe->of_shard[s].probe = probe;
	ASSERT(!op->state);
	op->state = probe;
	op_call(op, 0, probe_run, probe_told);
}

static void hold_told(void *arg, int rc, const struct error *error, const struct catalog_volume *volume)
{
	struct op *op = arg;

	(void)volume;
	if (rc)
		op->error = *error;
	if (rc == -EOWNERDEAD && !op_expired(op)) {
		op->error.text[0] = '\0'; /* what the probe waits for says more */
		holder_probe(op);
		return;
	}
	if ((rc == -EHOSTDOWN || rc == -EAGAIN || rc == -ESTALE) && !op_expired(op) &&
		op->volumes->phase != MANAGER_STOPPING) {
		op->waits_for =
			rc == -EHOSTDOWN ? "this node to have seen the kvdb for a whole lease" : "the kvdb";
		op_retry(op, HOLD_PAUSE_MS, hold_try);
		return;
	}
	op->waits_for = NULL;
	op->told_then(op, rc);
}

static void hold_try(struct op *op)
{
	struct catalog_attach attach = {
		.attachment = op->attachment->spec.attachment,
		.probed = op->probed,
		.force = op->force_attach,
		.steward = op->steward,
		.import = op->import,
		.for_snapshots = op->for_snapshots,
	};
	const struct catalog_volume *volume;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	if (rc || op->volumes->phase == MANAGER_STOPPING) {
		op->told_then(op, rc ? rc : -ESHUTDOWN);
		return;
	}
	attach.volume = volume->volume;
	op->attachment->spec.volume = volume->volume;
	if (op->force_attach && !op->force_reaches && !uuid_is_none(volume->holder.attachment) &&
		strcmp(volume->holder.node, op->volumes->config.node) != 0) {
		holder_probe(op);
		return;
	}
	catalog_volume_attach(op->volumes->catalog, &attach, op_left_ms(op), hold_told, op);
}

void attachment_hold(struct op *op, void (*then)(struct op *op, int rc))
{
	op->told_then = then;
	hold_try(op);
}

static void held_again(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;

	if (!rc)
		manager_event(op->volumes, "volume-held-again", op->name,
			"nobody held it, while a quorum of its replicas served it here");
	op_told(op, rc, error);
}

void attachment_hold_again(struct op *op)
{
	catalog_volume_hold(op->volumes->catalog, op->volume, op->replica, op_left_ms(op), held_again, op);
}
