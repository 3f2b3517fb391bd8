/* The members of an attached volume's group: learners come, voters go, without a detach. */
#include "datapath/stripe.h"

#include <errno.h>
#include <string.h>

void volume_grow(struct volume *volume, uint64_t size_bytes)
{
	if (size_bytes <= volume->spec.size_bytes)
		return;
	if (volume->stripe) {
		stripe_grow(volume, size_bytes);
		return;
	}
	coordinator_grow(volume->coordinator, size_bytes, datapath_now_ns(volume->datapath));
	volume->spec.size_bytes = size_bytes;
	volume_mark(volume);
}

static int member_find(const struct volume *volume, struct uuid replica)
{
	for (unsigned i = 0; i < volume->spec.voter_count; i++)
		if (volume->voters[i].volume && uuid_equal(volume->voters[i].replica, replica))
			return (int)i;
	return -1;
}

int volume_learner_add(struct volume *volume, const struct volume_voter *member)
{
	struct datapath *dp = volume->datapath;
	int i, rc;

	if (member_find(volume, member->replica) >= 0)
		return -EEXIST;
	i = coordinator_member_add(volume->coordinator, voter_is_here(dp, member), datapath_now_ns(dp));
	if (i < 0)
		return i;
	volume->spec.voters[i] = *member;
	if ((unsigned)i >= volume->spec.voter_count)
		volume->spec.voter_count = (unsigned)i + 1;
	rc = voter_bind(volume, (unsigned)i);
	if (rc != 0) {
		voter_unbind(&volume->voters[i]);
		coordinator_member_remove(volume->coordinator, i, datapath_now_ns(dp));
	}
	volume_mark(volume);
	return rc;
}

int volume_member_remove(struct volume *volume, struct uuid replica)
{
	struct coordinator_status status;
	int i = member_find(volume, replica);

	if (i < 0)
		return -ENOENT;
	coordinator_status_get(volume->coordinator, datapath_now_ns(volume->datapath), &status);
	if (status.voters[i].is_voter)
		return -EBUSY;
	coordinator_member_remove(volume->coordinator, i, datapath_now_ns(volume->datapath));
	voter_unbind(&volume->voters[i]);
	volume_mark(volume);
	return 0;
}

int volume_change_begin(struct volume *volume, struct uuid comes, struct uuid goes)
{
	uint64_t now_ns = datapath_now_ns(volume->datapath);
	struct coordinator_status status;
	unsigned mask;
	int rc;

	if (!volume->events.record)
		return -EOPNOTSUPP;
	coordinator_status_get(volume->coordinator, now_ns, &status);
	mask = status.voter_mask;
	if (!uuid_is_none(comes)) {
		int i = member_find(volume, comes);

		if (i < 0)
			return -ENOENT;
		mask |= 1u << i;
	}
	if (!uuid_is_none(goes)) {
		int i = member_find(volume, goes);

		if (i < 0)
			return -ENOENT;
		mask &= ~(1u << i);
	}
	rc = coordinator_change_begin(volume->coordinator, (uint8_t)mask, now_ns);
	volume_mark(volume);
	return rc;
}

int volume_drop_begin(struct volume *volume, struct uuid goes)
{
	int i = member_find(volume, goes), rc;

	if (i < 0)
		return -ENOENT;
	if (!volume->events.record)
		return -EOPNOTSUPP;
	rc = coordinator_drop_begin(volume->coordinator, i, datapath_now_ns(volume->datapath));
	volume_mark(volume);
	return rc;
}

static unsigned names_of(const struct volume *volume, uint8_t mask, struct uuid *names)
{
	unsigned count = 0;

	for (unsigned i = 0; i < volume->spec.voter_count; i++)
		if (mask & 1u << i)
			names[count++] = volume->voters[i].replica;
	return count;
}

void volume_record_wanted(struct volume *volume, const struct coordinator_record *record)
{
	struct volume_record named = { .number_before = record->number_before,
		.number = record->number,
		.uncertain = record->uncertain };

	named.voter_count = names_of(volume, record->voters, named.voters);
	named.next_voter_count = names_of(volume, record->next_voters, named.next_voters);
	volume->events.record(volume->events.user, volume, &named);
}

bool volume_record_is_stable(const struct volume_record *asked, enum record_outcome outcome)
{
	if (asked->next_voter_count == 0)
		return outcome == RECORD_WRITTEN; /* the last step */
	return outcome == RECORD_REFUSED || (outcome == RECORD_UNWRITTEN && !asked->uncertain);
}

void volume_record_told(struct volume *volume, enum record_outcome outcome)
{
	static const enum coordinator_record_outcome outcomes[] = {
		[RECORD_WRITTEN] = COORDINATOR_RECORD_WRITTEN,
		[RECORD_UNWRITTEN] = COORDINATOR_RECORD_UNWRITTEN,
		[RECORD_REFUSED] = COORDINATOR_RECORD_REFUSED,
		[RECORD_UNKNOWN] = COORDINATOR_RECORD_UNKNOWN,
		[RECORD_LOST] = COORDINATOR_RECORD_LOST,
	};

	coordinator_record_told(volume->coordinator, outcomes[outcome], datapath_now_ns(volume->datapath));
	volume_mark(volume);
}
