/*
 * The levels of a replica for a resync: which snapshots there are, and what stands on what. The source tells
 * its list; the target makes its own tree the same, keeping what it has where it can, before grains are
 * compared level by level.
 *
 *   record (64)         0 snapshot uuid  16 parent uuid  32 epoch.number u64  40 seq u64  48 epoch.restart
 * u32 52 bits u32: 1 the volume stands on it  56 zero u64
 */
#include "datapath/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BIT_TOP 1u
/* Each makes, removes or steps back to one snapshot. */
#define STEPS_MAX (4u * MAP_MAX_LEVELS)

_Static_assert(MAP_MAX_LEVELS *MAP_LEVEL_BYTES <= MAP_MAX_GRAINS * MAP_RECORD_BYTES, "one map holds a tree");

bool host_level(const struct host *host, uint64_t layer, struct grain_level *ret_level)
{
	*ret_level = (struct grain_level){ 0 };
	if (layer == LAYER_WHOLE)
		ret_level->whole = true;
	if (layer == LAYER_TOP || layer == LAYER_WHOLE)
		return true;
	return layer <= MAP_MAX_LEVELS &&
	       pool_replica_snapshot_at(host->store, (unsigned)layer - 1, &ret_level->snapshot);
}

/* ---- the source ---- */

int host_tree_fill(const struct host *host, struct buf *buf, uint32_t *ret_count)
{
	struct pool_snapshot *snapshots = calloc(MAP_MAX_LEVELS, sizeof(*snapshots));
	struct uuid top = pool_replica_snapshot_top(host->store);
	struct writer w = writer_init(buf->data, MAP_MAX_LEVELS * MAP_LEVEL_BYTES);
	unsigned count;

	if (!snapshots)
		return -ENOMEM;
	count = pool_replica_snapshots(host->store, snapshots, MAP_MAX_LEVELS);
	for (unsigned k = 0; k < count && count <= MAP_MAX_LEVELS; k++) {
		const struct pool_snapshot *s = &snapshots[k];

		write_bytes(&w, s->snapshot.byte, sizeof(s->snapshot.byte));
		write_bytes(&w, s->parent.byte, sizeof(s->parent.byte));
		write_u64(&w, s->frozen.epoch.number);
		write_u64(&w, s->frozen.seq);
		write_u32(&w, s->frozen.epoch.restart);
		write_u32(&w, uuid_equal(s->snapshot, top) ? BIT_TOP : 0);
		write_u64(&w, 0);
	}
	ASSERT(!w.failed);
	free(snapshots);
	*ret_count = count;
	return count <= MAP_MAX_LEVELS ? 0 : -E2BIG;
}

/* ---- the target ---- */

struct tree_work {
	struct job *job;
	struct pool_snapshot *want, *have;
	unsigned want_count, have_count;
	struct uuid top;
	bool reset; /* what is here can't be made the same: it begins anew */
	unsigned steps;
	uint32_t resets; /* host's, when it began */
};

static struct pool_snapshot *snapshot_find(struct pool_snapshot *list, unsigned count, struct uuid snapshot)
{
	for (unsigned k = 0; k < count; k++)
		if (uuid_equal(list[k].snapshot, snapshot))
			return &list[k];
	return NULL;
}

static int tree_decode(struct tree_work *work, const struct buf *payload)
{
	struct reader r = reader_init(payload ? payload->data : NULL, work->want_count * MAP_LEVEL_BYTES);

	for (unsigned k = 0; k < work->want_count; k++) {
		struct pool_snapshot *s = &work->want[k];

		read_bytes(&r, s->snapshot.byte, sizeof(s->snapshot.byte));
		read_bytes(&r, s->parent.byte, sizeof(s->parent.byte));
		s->frozen.epoch.number = read_u64(&r);
		s->frozen.seq = read_u64(&r);
		s->frozen.epoch.restart = read_u32(&r);
		if (read_u32(&r) & BIT_TOP)
			work->top = s->snapshot;
		(void)read_u64(&r);
		/* Parents before children, none twice. */
		if (uuid_is_none(s->snapshot) || snapshot_find(work->want, k, s->snapshot) ||
			(!uuid_is_none(s->parent) && !snapshot_find(work->want, k, s->parent)))
			return -EPROTO;
	}
	return 0;
}

static void tree_step(struct tree_work *work);

static void tree_over(struct tree_work *work, int rc)
{
	struct job *job = work->job;

	job->rc = rc;
	job->compared = (struct replica_compared){ .end = job->message.map.end };
	free(work->want);
	free(work->have);
	free(work);
	host_compared_tell(job);
}

static void tree_stepped(void *arg, int rc)
{
	struct tree_work *work = arg;

	/* Another resync has begun meanwhile: its own comparison makes the levels, to another list perhaps.
	 */
	if (rc == 0 && work->resets != work->job->host->resets && !MUTANT(levels_of_two_resyncs))
		rc = -ECANCELED;
	if (rc != 0 || work->job->host->gone || work->reset)
		tree_over(work, rc);
	else
		tree_step(work);
}

static void structure(struct tree_work *work, enum entry_op op, struct uuid snapshot, struct position frozen)
{
	pool_replica_structure(work->job->host->store, op, snapshot, frozen, tree_stepped, work);
}

static void tree_reset(struct tree_work *work)
{
	work->reset = true;
	pool_replica_tree_reset(
		work->job->host->store, work->want, work->want_count, work->top, tree_stepped, work);
}

/* One that is missing is made where the volume stands, once it stands on the same. */
static void snapshot_add(struct tree_work *work, const struct pool_snapshot *missing, struct uuid standing)
{
	if (uuid_equal(standing, missing->parent) || MUTANT(parents_ignored))
		structure(work, ENTRY_SNAPSHOT, missing->snapshot, missing->frozen);
	else if (!uuid_is_none(missing->parent))
		structure(work, ENTRY_ROLLBACK, missing->parent, missing->frozen);
	else
		tree_reset(work);
}

/* Looks at what is here now, and does the next thing that brings it nearer. */
static void tree_step(struct tree_work *work)
{
	struct pool_replica *store = work->job->host->store;
	struct uuid standing = pool_replica_snapshot_top(store);
	struct position none = { { 0, 0 }, 0 };

	work->have_count = pool_replica_snapshots(store, work->have, MAP_MAX_LEVELS);
	if (work->have_count > MAP_MAX_LEVELS || work->steps++ > STEPS_MAX) {
		tree_reset(work);
		return;
	}
	for (unsigned k = 0; k < work->have_count; k++) {
		struct uuid snapshot = work->have[k].snapshot;

		if (!snapshot_find(work->want, work->want_count, snapshot)) {
			structure(work, ENTRY_DELETE_SNAPSHOT, snapshot, none);
			return;
		}
	}
	for (unsigned k = 0; k < work->want_count; k++) {
		const struct pool_snapshot *want = &work->want[k];
		const struct pool_snapshot *have =
			snapshot_find(work->have, work->have_count, want->snapshot);

		if (!have) {
			snapshot_add(work, want, standing);
			return;
		}
		if ((!uuid_equal(have->parent, want->parent) && !MUTANT(parents_ignored)) ||
			have != &work->have[k]) {
			tree_reset(work);
			return;
		}
	}
	if (uuid_equal(standing, work->top))
		tree_over(work, 0);
	else if (!uuid_is_none(work->top))
		structure(work, ENTRY_ROLLBACK, work->top, none);
	else
		tree_reset(work);
}

void host_tree_compare(struct host *host, const struct replica_effect *effect)
{
	const struct message *m = &effect->message;
	struct tree_work *work = calloc(1, sizeof(*work));
	int rc = -ENOMEM;

	if (work) {
		work->want_count = m->map.count;
		work->want = calloc(MAP_MAX_LEVELS, sizeof(*work->want));
		work->have = calloc(MAP_MAX_LEVELS, sizeof(*work->have));
		work->job = job_get(host, effect, true);
		work->resets = host->resets;
		if (work->want && work->have && work->job)
			rc = m->map.count > MAP_MAX_LEVELS || (m->map.count > 0 && !m->payload)
				     ? -EPROTO
				     : tree_decode(work, m->payload);
	}
	if (rc == 0) {
		if (m->map.reset)
			tree_reset(work);
		else
			tree_step(work);
		return;
	}
	if (work && work->job)
		job_put(work->job);
	if (work) {
		free(work->want);
		free(work->have);
	}
	free(work);
	host_compare_refuse(host, effect, rc);
}
