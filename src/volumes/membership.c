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

	(void)volume;
	attachment->record = *record;
	attachment->has_record = true;
	if (attachment->record_pending) {
		struct dataplane_call *call = attachment->record_pending;

		attachment->record_pending = NULL;
		attachment->has_record = false;
		dataplane_call_finish(call, 0);
	}
}

static void record_run(struct dataplane_call *call)
{
	struct attachment *attachment = container_of(call, struct attachment, record_call);

	if (!attachment->opened) {
		dataplane_call_finish(call, -ENOTCONN); /* it could not be opened */
		return;
	}
	if (attachment->told) {
		attachment->told = false;
		volume_record_told(attachment->opened, attachment->outcome);
	}
	attachment->record_pending = call;
	if (attachment->has_record) {
		attachment->record_pending = NULL;
		attachment->has_record = false;
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
	uint64_t session = told->session;

	free(told);
	/* What a former session asked for can't land behind the new one's epoch, and is none of its business.
	 */
	if (!attachment || attachment->closing || attachment->sessions != session)
		return;
	if (rc)
		manager_event(volumes, "membership-not-written", attachment->spec.name, "%s", error->text);
	else
		manager_event(volumes, "membership-changed", attachment->spec.name,
			"number %llu, %u voters%s", (unsigned long long)attachment->record.number,
			attachment->record.voter_count, attachment->record.next_voter_count ? ", joint" : "");
	attachment->outcome = record_outcome(volumes, rc);
	/* Stable: the last step is through, or the first was never taken. */
	if (attachment->record.next_voter_count == 0
			? attachment->outcome == RECORD_WRITTEN
			: attachment->outcome == RECORD_UNWRITTEN || attachment->outcome == RECORD_REFUSED)
		held_note_change(attachment, false);
	attachment->told = true;
	attachment_call(attachment, &attachment->record_call);
}

static void record_done(struct dataplane_call *call)
{
	struct attachment *attachment = container_of(call, struct attachment, record_call);
	const struct volume_record *record = &attachment->record;
	struct record_told *told;
	struct catalog_membership change;

	if (call->rc != 0 || attachment->closing)
		return;
	told = malloc(sizeof(*told));
	if (!told)
		abort(); /* a few bytes; the kernel kills long before */
	*told = (struct record_told){ attachment->volumes, attachment->spec.attachment,
		attachment->sessions };
	change = (struct catalog_membership){
		.volume = attachment->spec.volume,
		.group = attachment->spec.group,
		.attachment = attachment->spec.attachment,
		.epoch_number = attachment->spec.epoch.number,
		.number_before = record->number_before,
		.number = record->number,
		.voter_count = record->voter_count,
		.next_voter_count = record->next_voter_count,
	};
	memcpy(change.voters, record->voters, sizeof(change.voters));
	memcpy(change.next_voters, record->next_voters, sizeof(change.next_voters));
	held_note_change(attachment, true);
	catalog_membership_set(attachment->volumes->catalog, &change, RECORD_DEADLINE_MS, record_set, told);
}

void membership_begin(struct attachment *attachment)
{
	attachment->told = false;
	attachment->sessions++;
	attachment->record_call = (struct dataplane_call){ .run = record_run, .done = record_done };
	attachment_call(attachment, &attachment->record_call);
}

void membership_end(struct attachment *attachment)
{
	struct dataplane_call *call = attachment->record_pending;

	attachment->record_pending = NULL;
	if (call)
		dataplane_call_finish(call, -ECANCELED);
}

/* ---- a step ---- */

static void member_run(struct dataplane_call *call)
{
	struct attachment *attachment = container_of(call, struct attachment, member_call);
	struct member_step *step = &attachment->step;
	int rc = 0;

	if (!attachment->opened)
		rc = -ENOTCONN;
	else if (step->kind == MEMBER_DROP)
		rc = volume_drop_begin(attachment->opened, step->goes);
	else if (step->kind == MEMBER_ADD)
		rc = volume_learner_add(attachment->opened, &step->learner);
	else if (step->kind == MEMBER_REMOVE)
		rc = volume_member_remove(attachment->opened, step->goes);
	else
		rc = volume_change_begin(attachment->opened, step->comes, step->goes);
	dataplane_call_finish(call, rc);
}

static void member_done(struct dataplane_call *call)
{
	struct attachment *attachment = container_of(call, struct attachment, member_call);

	attachment->stepping = false;
	snapshot_take(attachment->volumes);
}

void membership_step_begin(struct attachment *attachment, const struct member_step *step)
{
	static const char *const what[] = { "a learner comes in", "a former member goes",
		"the voters are to be changed", "of two voters the one that is away is to be dropped" };

	attachment->step = *step;
	attachment->stepping = true;
	attachment->member_call = (struct dataplane_call){ .run = member_run, .done = member_done };
	manager_event(attachment->volumes, "membership-step", attachment->spec.name, "%s", what[step->kind]);
	attachment_call(attachment, &attachment->member_call);
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
	const struct volume_stats *stats, struct member_step *step)
{
	const struct catalog_shard *shard = &volume->shards[0];
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

void membership_plan(struct volumes *volumes)
{
	/* No change while the kvdb is away. */
	if (!catalog_node_lease_valid(volumes->catalog))
		return;
	list_for_each (node, &volumes->attachments) {
		struct attachment *attachment = list_entry(node, struct attachment, node);
		const struct volume_stats *stats;
		const struct catalog_volume *volume;
		struct member_step step;
		bool serves;

		if (attachment->ended || attachment->closing || attachment->stepping ||
			catalog_volume_find_uuid(volumes->catalog, attachment->spec.volume, &volume, NULL) ||
			!uuid_equal(volume->holder.attachment, attachment->spec.attachment))
			continue;
		limits_follow(attachment, volume);
		resize_follow(attachment, volume);
		stats = snapshot_stats_find(&volumes->snapshot, attachment->spec.volume);
		if (!stats || stats->state == VOLUME_ENDED || stats->changing ||
			stats->config_number != volume->shards[0].config_number)
			continue;
		serves = attachment->phase == ATTACHMENT_UP && attachment->handle &&
			 stats->state == VOLUME_SERVING;
		/* While it is being opened, or has no quorum, one of two voters can be dropped, no more. */
		if (serves && plan_step(volumes, volume, stats, &step)) {
			membership_step_begin(attachment, &step);
		} else {
			repair_plan(attachment, volume, stats);
			if (serves)
				drain_plan(attachment, volume);
		}
	}
	stewards_plan(volumes);
	replaced_plan(volumes);
}
