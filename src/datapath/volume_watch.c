/* Changes of a volume that its owner and the operators are told: its state, its replicas' states. */
#include "datapath/private.h"

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
	if (!voter->up || !voter->promised)
		return "replica-away";
	if (voter->syncing)
		return "replica-syncing";
	if (!voter->complete)
		return "replica-damaged";
	return voter->matched ? "replica-complete" : NULL;
}

static void watch_voters(struct volume *volume, const struct coordinator_status *status)
{
	for (unsigned i = 0; i < status->voter_count; i++) {
		const char *kind = voter_kind(&status->voters[i]);
		const char *before =
			i < volume->seen.voter_count ? voter_kind(&volume->seen.voters[i]) : NULL;
		char replica[UUID_TEXT_LEN + 1];

		if (!kind || kind == before)
			continue;
		datapath_event(volume->datapath, kind, volume->spec.name, "replica %s on %s",
			uuid_format(volume->voters[i].replica, replica), volume->spec.voters[i].node);
	}
}

void volume_watch(struct volume *volume)
{
	struct coordinator_status status;
	enum volume_state state;

	coordinator_status_get(volume->coordinator, datapath_now_ns(volume->datapath), &status);
	if (!volume->detaching && status.phase == COORDINATOR_SERVING) {
		watch_voters(volume, &status);
		volume->seen = status;
	}
	state = state_of(volume, &status);
	if (state == volume->state)
		return;
	volume->state = state;
	volume_mark(volume); /* who waits outside the coordinator learns it too */
	if (volume->detaching)
		return;
	if (state == VOLUME_SERVING && !volume->was_ready) {
		volume->was_ready = true;
		volume->events.ready(volume->events.user, volume);
	}
	if (volume->events.changed)
		volume->events.changed(volume->events.user, volume, state);
	if (state == VOLUME_ENDED && !volume->was_ended) {
		volume->was_ended = true;
		volume->events.ended(volume->events.user, volume, status.promised,
			status.why_ended ? status.why_ended : "ended");
	}
}
