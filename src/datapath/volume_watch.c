/* Changes of a volume that its owner and the operators are told: its state, its replicas' states. */
#include "datapath/stripe.h"

#include <stdio.h>

static enum volume_state state_of(const struct volume *volume, const struct coordinator_status *status)
{
	switch (status->phase) {
	case COORDINATOR_OPENING:
	case COORDINATOR_ADOPTING:
		return VOLUME_OPENING;
	case COORDINATOR_SERVING:
		return status->has_quorum || !volume->was_ready ? VOLUME_SERVING : VOLUME_NO_QUORUM;
	case COORDINATOR_ENDED:
		break;
	}
	return VOLUME_ENDED;
}

/* A word for each state of a replica that differs from the one before. */
static const char *voter_kind(const struct coordinator_voter_status *voter)
{
	if (voter->retired)
		return "replica-retired";
	if (voter->unmatched)
		return "replica-damaged";
	if (!voter->up || !voter->promised)
		return "replica-away";
	if (voter->syncing)
		return "replica-syncing";
	if (!voter->complete)
		return "replica-damaged";
	return voter->matched ? "replica-complete" : NULL;
}

/* Why it is copied to; afterwards, what that took. */
static void resync_words(const struct coordinator_voter_status *now,
	const struct coordinator_voter_status *before, char *to, size_t to_bytes)
{
	to[0] = '\0';
	if (now->unmatched)
		snprintf(to, to_bytes,
			": its log can't be matched with the group's; it takes no part until its node "
			"has started again");
	else if (now->syncing && now->sync_why)
		snprintf(to, to_bytes, ": %s", now->sync_why);
	else if (before && now->syncs > before->syncs)
		snprintf(to, to_bytes, ": resynced in %llu ms, %llu KiB copied, %llu KiB of maps compared",
			(unsigned long long)now->sync_ms, (unsigned long long)now->last_copied_bytes / 1024,
			(unsigned long long)now->last_map_bytes / 1024);
}

/* Bad blocks are never hidden, though the application sees nothing of them. */
static void watch_blocks(struct volume *volume, unsigned i, const struct coordinator_voter_status *now,
	const struct coordinator_voter_status *before)
{
	const char *node = volume->spec.voters[i].node;

	if (now->bad_found > (before ? before->bad_found : 0))
		datapath_event(volume->datapath, "block-bad", volume->spec.name,
			"%llu reads of the replica on %s failed, by checksum or device: answered by another "
			"replica",
			(unsigned long long)(now->bad_found - (before ? before->bad_found : 0)), node);
	if (now->healed_blocks > (before ? before->healed_blocks : 0))
		datapath_event(volume->datapath, "block-repaired", volume->spec.name,
			"%llu bad blocks of the replica on %s were written anew from another",
			(unsigned long long)(now->healed_blocks - (before ? before->healed_blocks : 0)),
			node);
}

static void watch_voters(struct volume *volume, const struct coordinator_status *status)
{
	for (unsigned i = 0; i < status->voter_count; i++) {
		const struct coordinator_voter_status *now = &status->voters[i];
		const struct coordinator_voter_status *before =
			i < volume->seen.voter_count ? &volume->seen.voters[i] : NULL;
		const char *kind = voter_kind(now);
		char replica[UUID_TEXT_LEN + 1], words[160];

		if (uuid_is_none(volume->voters[i].replica))
			continue; /* nobody's place any more: who had it has left the group */
		watch_blocks(volume, i, now, before);
		if (!kind || (before && kind == voter_kind(before)))
			continue;
		resync_words(now, before, words, sizeof(words));
		datapath_event(volume->datapath, kind, volume->spec.name, "replica %s on %s%s",
			uuid_format(volume->voters[i].replica, replica), volume->spec.voters[i].node, words);
	}
}

/* "a and b" */
static void nodes_format(const struct volume *volume, uint8_t mask, char *to, size_t to_bytes)
{
	size_t len = 0;

	to[0] = '\0';
	for (unsigned i = 0; i < volume->spec.voter_count && len < to_bytes; i++)
		if (mask & 1u << i)
			len += (size_t)snprintf(to + len, to_bytes - len, "%s%.60s", len ? " and " : "",
				volume->spec.voters[i].node);
}

/* Who differs from whom, where; of many the newest. */
static void watch_differing(struct volume *volume, const struct compare_status *now, uint64_t before)
{
	const char *node = volume->spec.voters[now->voter].node;
	char others[160], words[256];

	nodes_format(volume, now->agreed, others, sizeof(others));
	if (now->agreed == 0)
		snprintf(words, sizeof(words),
			"others have something else; no quorum agrees: nothing is written anew");
	else
		snprintf(words, sizeof(words), "those on %s have something else: %s", others,
			now->rewritten ? "it is written anew from these"
				       : "it is of another version or shape, and is not written anew: "
					 "replace it");
	datapath_event(volume->datapath, "replica-differs", volume->spec.name,
		"%llu grains, the newest at %llu KiB%s: the replica on %.64s agrees with its checksums, but "
		"%s",
		(unsigned long long)(now->all.differing - before),
		(unsigned long long)now->index * (GRAIN_BYTES / 1024),
		now->in_snapshot ? " of a snapshot" : "", node, words);
}

static void watch_comparison(struct volume *volume, const struct compare_status *now)
{
	const struct compare_status *before = &volume->seen.compare;

	if (now->all.differing > before->all.differing)
		watch_differing(volume, now, before->all.differing);
	if (now->passes > before->passes && (now->last_asked || now->last.differing > 0))
		datapath_event(volume->datapath, "replicas-compared", volume->spec.name,
			"%llu grains: %llu differ, of which %llu were written anew; %llu could not be "
			"compared",
			(unsigned long long)now->last.grains, (unsigned long long)now->last.differing,
			(unsigned long long)now->last.rewritten, (unsigned long long)now->last.undecided);
}

/* Told while the volume is being opened, too: that is when it happens. */
static void watch_cuts(struct volume *volume, const struct coordinator_status *status)
{
	for (unsigned i = 0; i < status->voter_count; i++) {
		if (status->voters[i].cuts <= volume->cuts_seen[i])
			continue;
		volume->cuts_seen[i] = status->voters[i].cuts;
		datapath_event(volume->datapath, "log-cut", volume->spec.name,
			"the replica on %s had lost the end of its log, which no other one has; no write "
			"in it was ever acknowledged, and it is cut off. Its disk is not to be trusted",
			volume->spec.voters[i].node);
	}
}

/* What no state says: reads and trims go on. */
static void watch_room(struct volume *volume, const struct coordinator_status *status)
{
	if (status->full && !volume->seen.full)
		datapath_event(volume->datapath, "volume-full", volume->spec.name,
			"no quorum of its replicas has room: writes wait for 5 s, then they are refused "
			"(ENOSPC), "
			"until there is room; reads and trims go on");
	else if (!status->full && volume->seen.full)
		datapath_event(volume->datapath, "volume-space-back", volume->spec.name,
			"its replicas have room again; %llu writes were refused",
			(unsigned long long)status->refused);
}

bool volume_state_set(struct volume *volume, enum volume_state state)
{
	if (state == volume->state)
		return false;
	volume->state = state;
	volume_mark(volume); /* who waits outside the coordinator learns it too */
	if (volume->detaching)
		return false;
	if (state == VOLUME_SERVING && !volume->was_ready) {
		volume->was_ready = true;
		volume->events.ready(volume->events.user, volume);
	}
	if (volume->events.changed)
		volume->events.changed(volume->events.user, volume, state);
	return true;
}

void volume_watch(struct volume *volume)
{
	struct coordinator_status status;
	enum volume_state state;

	coordinator_status_get(volume->coordinator, datapath_now_ns(volume->datapath), &status);
	watch_cuts(volume, &status);
	if (!volume->detaching && status.phase == COORDINATOR_SERVING) {
		watch_voters(volume, &status);
		watch_room(volume, &status);
		watch_comparison(volume, &status.compare);
		volume->seen = status;
	}
	state = state_of(volume, &status);
	if (volume_state_set(volume, state) && state == VOLUME_ENDED && !volume->was_ended) {
		volume->was_ended = true;
		volume->events.ended(volume->events.user, volume, status.outdated, status.promised,
			status.why_ended ? status.why_ended : "ended");
	}
}
