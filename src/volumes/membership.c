/*
 * Changes of a volume's members (docs/protocol.md, "Membership"). What is wanted stands in the record: a
 * replica that is no voter yet, or one that leaves. The node where the volume is attached carries it out, one
 * step for each look: the learner is made known to the data plane, is synced by it, and takes its place by
 * joint quorum.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/held.h"
#include "volumes/volume_limits.h"
#include "volumes/manager.h"
#include "volumes/steward.h"

#define RECORD_DEADLINE_MS 5000u

/* ---- the record, on behalf of the coordinator ---- */

struct record_told {
	struct volumes *volumes;
	struct uuid attachment;
	unsigned shard;
	uint64_t session; /* of the attachment's, which opens anew with another epoch */
};

static struct attachment *attachment_by_id(struct volumes *volumes, struct uuid id)
{
	list_for_each (node, &volumes->attachments) {
		struct attachment *attachment = list_entry(node, struct attachment, node);

		if (uuid_equal(attachment->spec.attachment, id))
			return attachment;
	}
	return NULL;
}

void volume_record_asked(void *user, struct volume *volume, const struct volume_record *record)
{
	struct attachment *attachment = user;
	struct attachment_shard *of = &attachment->of_shard[volume_shard_index(volume)];

	of->record = *record;
	of->has_record = true;
	if (of->record_pending) {
		struct dataplane_call *call = of->record_pending;

		of->record_pending = NULL;
		of->has_record = false;
		dataplane_call_finish(call, 0);
	}
}

/* Of the data plane's thread; NULL: it could not be opened, or is on its way out. */
static struct volume *opened_shard(const struct attachment_shard *of)
{
	return of->attachment->opened ? volume_shard(of->attachment->opened, of->index) : NULL;
}

static void record_run(struct dataplane_call *call)
{
	struct attachment_shard *of = container_of(call, struct attachment_shard, record_call);
	struct volume *shard = opened_shard(of);

	if (!shard) {
		dataplane_call_finish(call, -ENOTCONN);
		return;
	}
	if (of->told) {
		of->told = false;
		volume_record_told(shard, of->outcome);
	}
	of->record_pending = call;
	if (of->has_record) {
		of->record_pending = NULL;
		of->has_record = false;
		dataplane_call_finish(call, 0);
	}
}

/* catalog.h says which answers are certain; for the others the coordinator keeps to joint rules. */
static enum record_outcome record_outcome(const struct volumes *volumes, int rc)
{
	const char *why;

	switch (rc) {
	case 0:
		return RECORD_WRITTEN;
	case -ESTALE:
		/* A kvdb that has gone back to an older state proves nothing about this volume's holder. */
		return catalog_kvdb_ok(volumes->catalog, &why) ? RECORD_LOST : RECORD_UNKNOWN;
	case -ENOENT:
		return RECORD_LOST;
	case -EPERM:
		return RECORD_REFUSED;
	case -EAGAIN:
		return RECORD_UNWRITTEN;
	default:
		return RECORD_UNKNOWN;
	}
}

static void record_set(void *arg, int rc, const struct error *error)
{
	struct record_told *told = arg;
	struct volumes *volumes = told->volumes;
	struct attachment *attachment = attachment_by_id(volumes, told->attachment);
	unsigned shard = told->shard;
	uint64_t session = told->session;
	struct attachment_shard *of;

	free(told);
	/* What a former session asked for can't land behind the new one's epoch, and is none of its business.
	 */
	if (!attachment || attachment->closing || attachment->sessions != session)
		return;
	of = &attachment->of_shard[shard];
	if (rc)
		manager_event(volumes, "membership-not-written", attachment->spec.name, "%s", error->text);
	else
		manager_event(volumes, "membership-changed", attachment->spec.name,
			"number %llu, %u voters%s", (unsigned long long)of->record.number,
			of->record.voter_count, of->record.next_voter_count ? ", joint" : "");
	of->outcome = record_outcome(volumes, rc);
	/* Stable: the last step is through, or the first was never taken. */
	if (volume_record_is_stable(&of->record, of->outcome)) {
		of->changing = false;
		held_note_change(attachment);
	}
	of->told = true;
	attachment_call(attachment, &of->record_call);
}

static void record_done(struct dataplane_call *call)
{
	struct attachment_shard *of = container_of(call, struct attachment_shard, record_call);
	struct attachment *attachment = of->attachment;
	const struct volume_record *record = &of->record;
	struct record_told *told;
	struct catalog_membership change;

	if (call->rc != 0 || attachment->closing)
		return;
	told = malloc(sizeof(*told));
	if (!told)
		abort(); /* a few bytes; the kernel kills long before */
	*told = (struct record_told){ attachment->volumes, attachment->spec.attachment, of->index,
		attachment->sessions };
	change = (struct catalog_membership){
		.volume = attachment->spec.volume,
		.group = attachment->shards.members[of->index].group,
		.attachment = attachment->spec.attachment,
		.epoch_number = attachment->spec.epoch.number,
		.number_before = record->number_before,
		.number = record->number,
		.voter_count = record->voter_count,
		.next_voter_count = record->next_voter_count,
	};
	memcpy(change.voters, record->voters, sizeof(change.voters));
	memcpy(change.next_voters, record->next_voters, sizeof(change.next_voters));
	of->changing = true;
	held_note_change(attachment);
	catalog_membership_set(attachment->volumes->catalog, &change, RECORD_DEADLINE_MS, record_set, told);
}

void membership_begin(struct attachment *attachment)
{
	attachment->sessions++;
	for (unsigned s = 0; s < attachment->shards.count; s++) {
		struct attachment_shard *of = &attachment->of_shard[s];

		of->told = false;
		of->record_call = (struct dataplane_call){ .run = record_run, .done = record_done };
		attachment_call(attachment, &of->record_call);
	}
}

void membership_end(struct attachment *attachment)
{
	for (unsigned s = 0; s < attachment->shards.count; s++) {
		struct attachment_shard *of = &attachment->of_shard[s];
		struct dataplane_call *call = of->record_pending;

		of->record_pending = NULL;
		if (call)
			dataplane_call_finish(call, -ECANCELED);
	}
}

/* ---- a step ---- */

static void member_run(struct dataplane_call *call)
{
	struct attachment_shard *of = container_of(call, struct attachment_shard, member_call);
	struct volume *shard = opened_shard(of);
	struct member_step *step = &of->step;
	int rc = 0;

	if (!shard)
		rc = -ENOTCONN;
	else if (step->kind == MEMBER_DROP)
		rc = volume_drop_begin(shard, step->goes);
	else if (step->kind == MEMBER_ADD)
		rc = volume_learner_add(shard, &step->learner);
	else if (step->kind == MEMBER_REMOVE)
		rc = volume_member_remove(shard, step->goes);
	else
		rc = volume_change_begin(shard, step->comes, step->goes);
	dataplane_call_finish(call, rc);
}

static void member_done(struct dataplane_call *call)
{
	struct attachment_shard *of = container_of(call, struct attachment_shard, member_call);

	of->stepping = false;
	snapshot_take(of->attachment->volumes);
}

void membership_step_begin(struct attachment_shard *of, const struct member_step *step)
{
	static const char *const what[] = { "a learner comes in", "a former member goes",
		"the voters are to be changed", "of two voters the one that is away is to be dropped" };
	struct attachment *attachment = of->attachment;

	of->step = *step;
	of->stepping = true;
	of->member_call = (struct dataplane_call){ .run = member_run, .done = member_done };
	manager_event(attachment->volumes, "membership-step", attachment->spec.name, "%s", what[step->kind]);
	attachment_call(attachment, &of->member_call);
}

static const struct voter_stats *member_stats(const struct volume_stats *stats, struct uuid replica)
{
	for (unsigned i = 0; i < stats->voter_count; i++)
		if (uuid_equal(stats->voters[i].replica, replica))
			return &stats->voters[i];
	return NULL;
}

/* Someone the data plane knows, and the record no more, or only as retired. */
static bool plan_former(
	const struct catalog_volume *volume, const struct volume_stats *stats, struct member_step *step)
{
	for (unsigned i = 0; i < stats->voter_count; i++) {
		const struct voter_stats *member = &stats->voters[i];
		const struct catalog_replica *replica;

		if (uuid_is_none(member->replica) || member->is_voter)
			continue;
		replica = catalog_volume_replica(volume, member->replica, NULL);
		if (replica && !replica->retired)
			continue;
		*step = (struct member_step){ .kind = MEMBER_REMOVE, .goes = member->replica };
		return true;
	}
	return false;
}

static bool plan_step(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_shard *shard, const struct volume_stats *stats, struct member_step *step)
{
	bool waits = false;

	if (plan_former(volume, stats, step))
		return true;
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];
		const struct voter_stats *member = member_stats(stats, replica->replica);

		if (replica->retired || catalog_is_voter(shard, replica->replica))
			continue;
		waits = true;
		if (!member && replica->made) {
			*step = (struct member_step){ .kind = MEMBER_ADD };
			volume_voter_fill(volumes, replica, &step->learner);
			return true;
		}
		if (member && member->may_join) {
			*step = (struct member_step){
				.kind = MEMBER_CHANGE, .comes = replica->replica, .goes = replica->replaces
			};
			return true;
		}
	}
	for (unsigned i = 0; !waits && i < shard->replica_count; i++) {
		if (!shard->replicas[i].leaves || shard->replicas[i].retired)
			continue;
		*step = (struct member_step){ .kind = MEMBER_CHANGE, .goes = shard->replicas[i].replica };
		return true;
	}
	return false;
}

static void shard_plan(struct attachment_shard *of, const struct catalog_volume *volume)
{
	struct attachment *attachment = of->attachment;
	struct volumes *volumes = attachment->volumes;
	const struct catalog_shard *shard = &volume->shards[of->index];
	const struct volume_stats *stats;
	struct member_step step;
	bool serves;

	stats = snapshot_shard_stats_find(&volumes->snapshot, volume->volume, shard->group);
	if (of->stepping || !stats || stats->state == VOLUME_ENDED || stats->changing ||
		stats->config_number != shard->config_number)
		return;
	serves = attachment->phase == ATTACHMENT_UP && attachment->handle && stats->state == VOLUME_SERVING;
	/* While it is being opened, or has no quorum, one of two voters can be dropped, no more. */
	if (serves && plan_step(volumes, volume, shard, stats, &step)) {
		membership_step_begin(of, &step);
	} else {
		repair_plan(of, volume, stats);
		if (serves)
			drain_plan(of, volume);
	}
}

void membership_plan(struct volumes *volumes)
{
	/* No change while the kvdb is away. */
	if (!catalog_node_lease_valid(volumes->catalog))
		return;
	list_for_each (node, &volumes->attachments) {
		struct attachment *attachment = list_entry(node, struct attachment, node);
		const struct catalog_volume *volume;

		if (attachment->ended || attachment->closing ||
			catalog_volume_find_uuid(volumes->catalog, attachment->spec.volume, &volume, NULL) ||
			!uuid_equal(volume->holder.attachment, attachment->spec.attachment))
			continue;
		limits_follow(attachment, volume);
		resize_follow(attachment, volume);
		for (unsigned s = 0; s < attachment->shards.count && s < volume->shard_count; s++)
			shard_plan(&attachment->of_shard[s], volume);
	}
	stewards_plan(volumes);
	replaced_plan(volumes);
}
