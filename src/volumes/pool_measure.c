#include "volumes/pool_measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/probe.h"
#include "volumes/manager.h"

#define MEASURE_DEADLINE_MS 60000u
#define BUSY_TRIES          12u /* of a pool that is being opened */
#define BUSY_PAUSE_MS       250u
#define BUSY_AGAIN_NS       (60 * NS_PER_S)
#define QUIET_MAX_NS        (10 * NS_PER_S)
#define CONFIRM_NS          (30 * NS_PER_S)

struct measuring {
	struct pool *pool; /* the data plane's */
	unsigned thread;
	char path[CONFIG_PATH_MAX], cache_dir[CONFIG_PATH_MAX + 16];
	bool fresh, opened;
	unsigned tries;
	int rc; /* of the probe */
	struct pool_probe *probe;
	struct fingerprint found;
	void *outer; /* the operation's own state */
	op_step_fn then;
};

/* ---- judged ---- */

static uint64_t period_ns(const struct volumes *volumes)
{
	return volumes->config.measure_every_ms * NS_PER_MS;
}

static bool tier_is_configured(const struct local_pool *pool)
{
	return strcmp(pool->config.tier, "auto") != 0;
}

static void tier_configured(struct local_pool *pool, const struct fingerprint *found)
{
	if (tier_parse(pool->config.tier, &pool->tier, NULL))
		pool->tier = TIER_LOW;
	if (found && found->measured)
		snprintf(pool->tier_reason, sizeof(pool->tier_reason),
			"by the configuration: tier = %s; measured: %.110s", pool->config.tier,
			found->tier_reason);
	else
		snprintf(pool->tier_reason, sizeof(pool->tier_reason), "by the configuration: tier = %s",
			pool->config.tier);
}

static void tier_set(struct local_pool *pool, const struct fingerprint *found)
{
	pool->tier = found->tier;
	memcpy(pool->tier_reason, found->tier_reason, sizeof(pool->tier_reason));
	pool->measured.judged = found->measurement;
	pool->measured.suspect = TIER_UNKNOWN;
}

static void tier_changed(
	struct volumes *volumes, const struct local_pool *pool, enum tier was, const char *figures)
{
	manager_event(volumes, "pool-tier-changed", pool->config.name, "pool %s %s from %s to %s: %s",
		pool->config.name, pool->tier < was ? "fell" : "rose", tier_name(was), tier_name(pool->tier),
		figures);
}

static void figures_take(struct volumes *volumes, struct local_pool *pool, const struct measurement *figures)
{
	uint64_t wall_ns = clock_wall_ns(volumes->clock), now_ns = clock_now_ns(volumes->clock);
	uint64_t age_ns = wall_ns > figures->wall_ns ? wall_ns - figures->wall_ns : 0;

	pool->measured.known = true;
	pool->measured.figures = *figures;
	pool->measured.due_ns = now_ns + (age_ns < period_ns(volumes) ? period_ns(volumes) - age_ns : 0);
}

/* What a pool that has just been opened is taken for. */
static void opened_judge(struct volumes *volumes, struct local_pool *pool, const struct measuring *m)
{
	const struct catalog_pool *record = pools_record_by_name(volumes, pool->config.name);
	bool known = record && uuid_equal(record->pool, pool->uuid) && record->tier != TIER_UNKNOWN;

	pool->measured.due_ns = clock_now_ns(volumes->clock) + BUSY_AGAIN_NS;
	if (m->found.measured)
		figures_take(volumes, pool, &m->found.measurement);
	if (!m->found.measured && known) {
		pool->tier = record->tier;
		memcpy(pool->tier_reason, record->tier_reason, sizeof(pool->tier_reason));
		return;
	}
	tier_set(pool, &m->found);
	if (known && record->tier != pool->tier)
		tier_changed(volumes, pool, record->tier, pool->tier_reason);
}

/* Another tier is believed once two measurements say so. */
static void again_judge(struct volumes *volumes, struct local_pool *pool, const struct fingerprint *found)
{
	enum tier now = tier_judge_again(&found->facts, pool->tier, &found->measurement), was = pool->tier;
	uint64_t confirm_ns = period_ns(volumes) < CONFIRM_NS ? period_ns(volumes) : CONFIRM_NS;
	char figures[DRIFT_TEXT_MAX];

	figures_take(volumes, pool, &found->measurement);
	if (tier_is_configured(pool)) {
		tier_configured(pool, found);
		return;
	}
	if (now == pool->tier) {
		pool->measured.suspect = TIER_UNKNOWN;
		if (found->tier == pool->tier)
			tier_set(pool, found);
		return;
	}
	if (pool->measured.suspect != now) {
		pool->measured.suspect = now;
		pool->measured.due_ns = clock_now_ns(volumes->clock) + confirm_ns;
		return;
	}
	if (pool->measured.judged.samples_read)
		measurement_drift_text(&found->measurement, &pool->measured.judged, figures);
	else
		snprintf(figures, sizeof(figures), "%.79s", found->tier_reason);
	tier_set(pool, found);
	if (pool->tier != was)
		tier_changed(volumes, pool, was, figures);
}

/* ---- the steps ---- */

static void measuring_end(struct op *op)
{
	struct measuring *m = op->state;
	struct local_pool *pool = pools_find(op->volumes, op->name);
	op_step_fn then = m->then;

	op->state = m->outer;
	if (pool && pool->pool == m->pool && m->opened) {
		opened_judge(op->volumes, pool, m);
	} else if (pool && pool->pool == m->pool) {
		pool->measured.running = false;
		pool->measured.due_ns = clock_now_ns(op->volumes->clock) +
					(m->rc == -EAGAIN ? BUSY_AGAIN_NS : period_ns(op->volumes));
		if (m->rc == 0)
			again_judge(op->volumes, pool, &m->found);
		manager_kick(op->volumes);
	}
	pool_probe_free(m->probe);
	free(m);
	then(op, 0);
}

static int keep_work(struct op *op)
{
	struct measuring *m = op->state;
	const struct pool_probe_figures *f = pool_probe_figures(m->probe);
	const struct measurement measurement = {
		.read_p50_us = f->read_p50_us,
		.read_p99_us = f->read_p99_us,
		.write_p50_us = f->write_p50_us,
		.write_p99_us = f->write_p99_us,
		.read_mib_s = f->read_mib_s,
		.write_mib_s = f->write_mib_s,
		.read_iops = f->read_iops,
		.samples_read = f->samples_read,
		.samples_write = f->samples_write,
		.took_ms = f->took_ms,
		.wall_ns = clock_wall_ns(op->volumes->clock),
	};

	fingerprint_keep(m->cache_dir, &measurement, &m->found);
	return 0;
}

static void kept(struct op *op, int rc)
{
	(void)rc;
	measuring_end(op);
}

static void probe_told(void *arg, int rc)
{
	dataplane_call_finish(arg, rc);
}

static void probe_run(struct dataplane_call *call)
{
	struct measuring *m = op_of_call(call)->state;

	pool_probe_run(m->pool, m->probe, probe_told, call);
}

static void probe_begin(struct op *op);

static void probed(struct op *op, int rc)
{
	struct measuring *m = op->state;

	m->rc = rc;
	if (rc == 0)
		op_work(op, keep_work, kept);
	else if (rc == -EAGAIN && m->opened && ++m->tries < BUSY_TRIES)
		op_retry(op, BUSY_PAUSE_MS, probe_begin);
	else
		measuring_end(op);
}

static void probe_begin(struct op *op)
{
	const struct measuring *m = op->state;

	op_call(op, m->thread, probe_run, probed);
}

/* What the disk is can't be told: then it is taken for slow, until somebody measures it. */
static int recall_work(struct op *op)
{
	struct measuring *m = op->state;
	struct error why;

	if (fingerprint_recall(m->path, m->cache_dir, &m->found, &why) != 0) {
		m->found.tier = TIER_LOW;
		snprintf(m->found.tier_reason, sizeof(m->found.tier_reason), "%.150s", why.text);
	}
	if (!m->fresh)
		return 0;
	m->found.measured = false;
	m->found.tier = tier_judge(&m->found.facts, NULL, m->found.tier_reason);
	return 0;
}

static void recalled(struct op *op, int rc)
{
	struct measuring *m = op->state;

	(void)rc;
	if (m->opened && m->found.measured)
		measuring_end(op);
	else if (pool_probe_new(0, &m->probe) != 0)
		measuring_end(op);
	else
		probe_begin(op);
}

static bool measuring_begin(
	struct op *op, const struct local_pool *pool, bool fresh, bool opened, op_step_fn then)
{
	struct measuring *m = calloc(1, sizeof(*m));

	if (!m)
		return false;
	*m = (struct measuring){ .pool = pool->pool,
		.thread = pool->thread,
		.fresh = fresh,
		.opened = opened,
		.rc = -ENOMEM,
		.outer = op->state,
		.then = then };
	snprintf(m->path, sizeof(m->path), "%s", pool->config.path);
	snprintf(m->cache_dir, sizeof(m->cache_dir), "%s/fingerprint", op->volumes->config.state_dir);
	op->state = m;
	op_work(op, recall_work, recalled);
	return true;
}

void pool_measure_opened(struct op *op, bool fresh, void (*then)(struct op *op, int rc))
{
	struct local_pool *pool = pools_find(op->volumes, op->name);

	pool->measured = (struct pool_measured){ .due_ns = clock_now_ns(op->volumes->clock) };
	if (tier_is_configured(pool)) {
		tier_configured(pool, NULL);
		then(op, 0);
	} else if (!measuring_begin(op, pool, fresh, true, then)) {
		pool->tier = TIER_LOW;
		snprintf(pool->tier_reason, sizeof(pool->tier_reason), "not measured: no memory");
		then(op, 0);
	}
}

/* ---- again ---- */

static void again_ended(struct op *op, int rc)
{
	op_end(op, rc);
}

static void again_begin(struct op *op)
{
	struct local_pool *pool = pools_find(op->volumes, op->name);

	if (!pool || pool->phase != LOCAL_POOL_OPEN || !pool->pool) {
		op_end(op, 0);
		return;
	}
	if (!measuring_begin(op, pool, false, false, again_ended)) {
		pool->measured.running = false;
		op_end(op, -ENOMEM);
	}
}

/* Since when nothing has been written to any pool of the node. */
static uint64_t quiet_ns(struct volumes *volumes)
{
	uint64_t written = 0, now_ns = clock_now_ns(volumes->clock);

	list_for_each (node, &volumes->pools)
		written += list_entry(node, struct local_pool, node)->info.user_write_bytes;
	if (written != volumes->quiet_written || volumes->quiet_since_ns == 0)
		volumes->quiet_since_ns = now_ns;
	volumes->quiet_written = written;
	return now_ns - volumes->quiet_since_ns;
}

void pool_measure_tick(struct volumes *volumes)
{
	uint64_t now_ns = clock_now_ns(volumes->clock), quiet = quiet_ns(volumes);
	uint64_t enough_ns = period_ns(volumes) / 2 < QUIET_MAX_NS ? period_ns(volumes) / 2 : QUIET_MAX_NS;
	struct local_pool *due = NULL;

	list_for_each (node, &volumes->pools) {
		struct local_pool *pool = list_entry(node, struct local_pool, node);

		if (pool->measured.running)
			return;
		if (pool->phase != LOCAL_POOL_OPEN || !pool->pool || pool->info.failed || pool->removing ||
			now_ns < pool->measured.due_ns || ops_has(volumes, pool->config.name, NULL))
			continue;
		if (!due || pool->measured.due_ns < due->measured.due_ns)
			due = pool;
	}
	if (due && quiet >= enough_ns) {
		struct op *op = op_make(volumes, "measure pool", due->config.name, MEASURE_DEADLINE_MS,
			again_begin, NULL, NULL);

		due->measured.running = op != NULL;
		if (!op)
			return;
		op->no_look = true;
		op_submit(op);
	}
}
