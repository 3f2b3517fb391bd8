/* quoin node scan: the disks of this node, on a thread of libuv's; at start, what is free is told as an
 * event. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fingerprint/fingerprint.h"
#include "volumes/manager.h"
#include "volumes/pool_file.h"

#define SCAN_DEADLINE_MS 30000u
#define SCAN_BUDGET_MS   1000u /* of each disk; all at once */

struct scan_job {
	void (*fn)(void *arg, int rc, const struct error *error, const struct node_scan *scan);
	void *arg;
	struct uuid cluster;
	bool measure;
	struct node_scan result;
};

static bool pool_look(void *arg, const char *path, char ret_words[static 128])
{
	const struct scan_job *job = arg;
	char pool[UUID_TEXT_LEN + 1], cluster[UUID_TEXT_LEN + 1];
	struct superblock sb;

	if (pool_file_superblock(path, &sb) != 0)
		return false;
	uuid_format(sb.pool, pool);
	if (uuid_equal(sb.cluster, job->cluster))
		snprintf(ret_words, 128, "pool %s of this cluster", pool);
	else
		snprintf(ret_words, 128, "pool %s of cluster %s", pool, uuid_format(sb.cluster, cluster));
	return true;
}

static int scan_work(struct op *op)
{
	struct scan_job *job = op->state;
	const struct scan_options options = {
		.measure = job->measure, .budget_ms = SCAN_BUDGET_MS, .look = pool_look, .arg = job
	};

	node_facts_get(&job->result.node);
	return scan_run(&options, &job->result.disks, &op->error);
}

/* The best that the pools which are open here could hold. */
static enum tier best_pool(struct volumes *volumes)
{
	enum tier best = TIER_UNKNOWN;

	list_for_each (node, &volumes->pools) {
		const struct local_pool *pool = list_entry(node, struct local_pool, node);

		if (pool->phase == LOCAL_POOL_OPEN && pool->tier > best)
			best = pool->tier;
	}
	return best;
}

static void scan_told(struct op *op, int rc)
{
	struct scan_job *job = op->state;

	job->result.tier =
		node_tier_judge(&job->result.node, best_pool(op->volumes), job->result.tier_reason);
	if (!op->answered && job->fn) {
		op->answered = true;
		job->fn(job->arg, rc, &op->error, rc == 0 ? &job->result : NULL);
	}
	scan_done(&job->result.disks);
	op_end(op, rc);
}

static void scan_begin(struct op *op)
{
	op_work(op, scan_work, scan_told);
}

/* Late or refused. */
static void scan_ended(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;
	struct scan_job *job = op->state;

	job->fn(job->arg, rc, error, NULL);
}

void volumes_scan(struct volumes *volumes, bool measure,
	void (*fn)(void *arg, int rc, const struct error *error, const struct node_scan *scan), void *arg)
{
	/* Of no name: it waits behind nothing. */
	struct op *op = op_make(volumes, "scan", "", SCAN_DEADLINE_MS, scan_begin, scan_ended, NULL);
	struct scan_job *job = op ? calloc(1, sizeof(*job)) : NULL;
	struct error why;

	if (!job) {
		free(op);
		error_set(&why, -ENOMEM, "no memory");
		fn(arg, -ENOMEM, &why, NULL);
		return;
	}
	*job = (struct scan_job){
		.fn = fn, .arg = arg, .cluster = volumes->node.cluster, .measure = measure
	};
	op->state = job;
	op->arg = op;
	op->before_ready = true;
	op_submit(op);
}

/* ---- at start ---- */

static void scanned_at_start(void *arg, int rc, const struct error *error, const struct node_scan *scan)
{
	struct volumes *volumes = arg;
	char text[200] = "";
	unsigned free_count = 0;
	size_t used = 0;

	if (rc) {
		manager_event(volumes, "disks-scanned", volumes->config.node, "failed: %s", error->text);
		return;
	}
	for (size_t i = 0; i < scan->disks.count; i++) {
		const struct scan_device *device = &scan->disks.devices[i];
		char size[SIZE_TEXT_LEN + 1];

		if (!device->offered)
			continue;
		if (free_count++ < 4)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%.24s (%s, %s)",
				used ? ", " : ": ", device->facts.path,
				size_format(device->facts.size_bytes, size),
				device_bus_name(device->facts.bus));
	}
	manager_event(volumes, "disks-scanned", volumes->config.node, "%zu block devices, %u free%s%s",
		scan->disks.count, free_count, text, free_count > 4 ? " …" : "");
}

void manager_scan(struct volumes *volumes)
{
	volumes_scan(volumes, false, scanned_at_start, volumes);
}
