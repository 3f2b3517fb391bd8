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

#define HOLD_PAUSE_MS 250u

static void hold_try(struct op *op);

struct probe {
	struct uuid replica;
	uint64_t heard_ns; /* 0: never */
	bool found;
};

static void probe_run(struct dataplane_call *call)
{
	struct probe *probe = op_of_call(call)->state;
	struct epoch promise;

	probe->found = datapath_replica_heard(dataplane_datapath(call->dataplane), probe->replica, &promise,
			       &probe->heard_ns) == 0;
	dataplane_call_finish(call, 0);
}

static uint64_t lease_ns(const struct volumes *volumes)
{
	return volumes->config.group_lease_ms * NS_PER_MS;
}

/* The replica on this node knows when the holder spoke last; a node without one waits for a whole lease. */
static void probe_told(struct op *op, int rc)
{
	const struct probe *probe = op->state;
	uint64_t now_ns = clock_now_ns(op->volumes->clock);
	uint64_t since_ns = op->dead_since_ns;
	const struct catalog_volume *volume;

	(void)rc;
	if (probe && probe->found && probe->heard_ns)
		since_ns = probe->heard_ns;
	if (now_ns - since_ns < lease_ns(op->volumes)) {
		op_retry(op, HOLD_PAUSE_MS, hold_try);
		return;
	}
	if (!catalog_volume_find(op->volumes->catalog, op->name, &volume, NULL))
		op->probed = volume->holder.attachment;
	hold_try(op);
}

static void holder_probe(struct op *op)
{
	const struct catalog_volume *volume;
	struct probe *probe = op->state;

	if (!op->dead_since_ns)
		op->dead_since_ns = clock_now_ns(op->volumes->clock);
	op->waits_for = "the dead holder's lease at the replicas to end";
	if (!probe) {
		probe = calloc(1, sizeof(*probe));
		op->state = probe;
	}
	if (probe && !catalog_volume_find(op->volumes->catalog, op->name, &volume, NULL) &&
		volume->shard_count)
		for (unsigned i = 0; i < volume->shards[0].replica_count; i++)
			if (!strcmp(volume->shards[0].replicas[i].node, op->volumes->config.node)) {
				probe->replica = volume->shards[0].replicas[i].replica;
				op_call(op, probe_run, probe_told);
				return;
			}
	probe_told(op, 0);
}

static void hold_told(void *arg, int rc, const struct error *error, const struct catalog_volume *volume)
{
	struct op *op = arg;

	(void)volume;
	if (rc)
		op->error = *error;
	if (rc == -EOWNERDEAD && !op_expired(op)) {
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
	struct catalog_attach attach = { .attachment = op->attachment->spec.attachment,
		.probed = op->probed };
	const struct catalog_volume *volume;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	if (rc || op->volumes->phase == MANAGER_STOPPING) {
		op->told_then(op, rc ? rc : -ESHUTDOWN);
		return;
	}
	attach.volume = volume->volume;
	op->attachment->spec.volume = volume->volume;
	catalog_volume_attach(op->volumes->catalog, &attach, op_left_ms(op), hold_told, op);
}

void attachment_hold(struct op *op, void (*then)(struct op *op, int rc))
{
	op->told_then = then;
	hold_try(op);
}
