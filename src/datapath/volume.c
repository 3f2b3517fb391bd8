/* An attached volume: its life, and the driver of its coordinator's effects. */
#include "datapath/stripe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void volume_mark(struct volume *volume)
{
	struct datapath *dp = volume->datapath;

	if (list_is_empty(&volume->dirty_node))
		list_push_back(&dp->dirty, &volume->dirty_node);
	loop_defer(dp->config.loop, &dp->task);
}

static void volume_tick(void *arg)
{
	struct volume *volume = arg;

	coordinator_tick(volume->coordinator, datapath_now_ns(volume->datapath));
	volume_mark(volume);
}

/* ---- voters ---- */

void voter_up(struct voter *voter)
{
	if (!voter->volume->coordinator) {
		volume_mark(voter->volume);
		return;
	}
	coordinator_voter_up(
		voter->volume->coordinator, (int)voter->index, datapath_now_ns(voter->volume->datapath));
	volume_mark(voter->volume);
}

void voter_down(struct voter *voter)
{
	if (!voter->volume->coordinator) {
		view_voter_down(voter);
		return;
	}
	coordinator_voter_down(
		voter->volume->coordinator, (int)voter->index, datapath_now_ns(voter->volume->datapath));
	/* While a quorum is left this is no change to the coordinator; operators are told all the same. */
	voter->volume->changed = true;
	volume_mark(voter->volume);
}

struct voter *voter_find(struct datapath *dp, struct uuid replica, uint64_t session)
{
	list_for_each (at, table_bucket(&dp->voters_by_replica, replica)) {
		struct table_node *node = list_entry(at, struct table_node, node);
		struct voter *voter = container_of(node, struct voter, by_replica);

		if (uuid_equal(node->key, replica) && voter->volume->spec.session == session)
			return voter;
	}
	return NULL;
}

void volumes_host_added(struct datapath *dp, struct host *host)
{
	list_for_each (at, &dp->volumes) {
		struct volume *volume = list_entry(at, struct volume, node);

		for (unsigned i = 0; i < volume->spec.voter_count; i++) {
			struct voter *voter = &volume->voters[i];

			if (!voter->link || voter->host || !uuid_equal(voter->replica, host->by_replica.key))
				continue;
			voter->host = host;
			voter_up(voter);
		}
	}
}

void volumes_host_removed(struct datapath *dp, struct host *host)
{
	list_for_each (at, &dp->volumes) {
		struct volume *volume = list_entry(at, struct volume, node);

		for (unsigned i = 0; i < volume->spec.voter_count; i++) {
			struct voter *voter = &volume->voters[i];

			if (voter->host != host)
				continue;
			voter->host = NULL;
			voter_down(voter);
		}
	}
}

static int local_bind(struct voter *voter)
{
	struct datapath *dp = voter->volume->datapath;

	voter->link = link_new(dp, NULL, voter);
	if (!voter->link)
		return -ENOMEM;
	voter->host = host_find(dp, voter->replica);
	if (voter->host && voter->host->failed)
		voter->host = NULL;
	if (voter->host)
		voter_up(voter);
	return 0;
}

bool voter_is_here(const struct datapath *dp, const struct volume_voter *voter)
{
	return strcmp(voter->node, dp->config.node) == 0 &&
	       datapath_thread(voter->pool, dp->config.threads) == dp->config.thread;
}

int voter_bind(struct volume *volume, unsigned index)
{
	struct datapath *dp = volume->datapath;
	const struct volume_voter *spec = &volume->spec.voters[index];
	struct voter *voter = &volume->voters[index];
	struct peer *peer;

	voter->volume = volume;
	voter->index = index;
	voter->replica = spec->replica;
	list_init(&voter->peer_node);
	table_insert(&dp->voters_by_replica, &voter->by_replica, spec->replica);
	if (voter_is_here(dp, spec))
		return volume->coordinator ? local_bind(voter) : 0; /* a view finds it for each read */
	peer = peer_get(dp, spec);
	if (!peer)
		return -ENOMEM;
	peer_voter_add(peer, voter);
	return 0;
}

void voter_unbind(struct voter *voter)
{
	if (!voter->volume)
		return;
	table_remove(&voter->by_replica);
	if (voter->peer)
		peer_voter_remove(voter);
	if (voter->link)
		link_free(voter->link);
	*voter = (struct voter){ .volume = NULL };
}

/* ---- life ---- */

static int local_voter(const struct datapath *dp, const struct volume_spec *spec)
{
	for (unsigned i = 0; i < spec->voter_count; i++)
		if (voter_is_here(dp, &spec->voters[i]))
			return (int)i;
	return -1;
}

static int coordinator_make(struct volume *volume)
{
	struct datapath *dp = volume->datapath;
	const struct volume_spec *spec = &volume->spec;
	struct coordinator_config config = {
		.voter_count = spec->voter_count,
		.local = local_voter(dp, spec),
		.size_bytes = spec->size_bytes,
		.epoch = spec->epoch,
		.session = spec->session,
		.dead_session = spec->dead_session,
		.attachment = spec->attachment,
		.config_number = spec->config_number,
		.voters = spec->voter_mask,
		.next_voters = spec->next_mask,
		.lease_ms = dp->config.lease_ms,
		.lease_margin_ms = dp->config.lease_margin_ms,
		.reads_quorum = spec->reads_quorum,
		.steward = spec->steward,
		.error_after_ms = spec->error_after_ms,
		.entries = dp->config.entries,
		.budget = &dp->budget,
		.compare_every_ms = dp->config.compare_every_ms,
		.compare_budget = &dp->compare_budget,
		.map_grains = dp->config.map_grains,
		.map_copies = dp->config.map_copies,
	};

	return coordinator_new(&config, datapath_now_ns(dp), &volume->coordinator);
}

void volume_free(struct volume *volume)
{
	ASSERT(volume->in_flight == 0 && list_is_empty(&volume->asking));
	for (unsigned i = 0; i < volume->spec.voter_count; i++)
		voter_unbind(&volume->voters[i]);
	loop_timer_cancel(volume->datapath->config.loop, &volume->timer);
	volume_limits_end(volume);
	list_remove(&volume->dirty_node);
	list_remove(&volume->node);
	coordinator_free(volume->coordinator);
	free(volume);
}

struct volume *volume_new(
	struct datapath *dp, const struct volume_spec *spec, struct list *volumes, void (*tick)(void *arg))
{
	struct volume *volume = calloc(1, sizeof(*volume));

	if (!volume)
		return NULL;
	ASSERT(spec->voter_count <= GROUP_MAX_VOTERS);
	volume->datapath = dp;
	volume->spec = *spec;
	while (volume->spec.session == 0)
		volume->spec.session = random_u64(&dp->random);
	list_init(&volume->dirty_node);
	list_init(&volume->waiting);
	list_init(&volume->finished);
	list_init(&volume->asking);
	loop_timer_init(&volume->timer, tick, volume);
	volume_limits_begin(volume);
	list_push_back(volumes, &volume->node);
	return volume;
}

int volume_attach(struct datapath *dp, const struct volume_spec *spec, const struct volume_events *events,
	struct volume **ret_volume)
{
	struct volume *volume = volume_new(dp, spec, &dp->volumes, volume_tick);
	int rc;

	if (!volume)
		return -ENOMEM;
	ASSERT(spec->voter_count >= 1);
	volume->events = *events;
	volume->state = VOLUME_OPENING;
	rc = coordinator_make(volume);
	for (unsigned i = 0; rc == 0 && i < spec->voter_count; i++)
		rc = voter_bind(volume, i);
	if (rc != 0) {
		volume_free(volume);
		return rc;
	}
	volume_mark(volume);
	*ret_volume = volume;
	return 0;
}

struct volume *volume_next(struct datapath *dp, struct volume *after)
{
	struct list *next = after ? after->node.next : dp->volumes.next;

	while (next != &dp->volumes && list_entry(next, struct volume, node)->whole)
		next = next->next;
	return next == &dp->volumes ? NULL : list_entry(next, struct volume, node);
}

enum volume_state volume_state(const struct volume *volume)
{
	return volume->state;
}

struct buf_pool *volume_bufs(struct volume *volume)
{
	return volume->datapath->config.bufs;
}

bool volume_is_read_only(const struct volume *volume)
{
	return volume->read_only;
}

uint64_t volume_size_bytes(const struct volume *volume)
{
	return volume->spec.size_bytes;
}

/* ---- effects ---- */

static void send_message(struct volume *volume, const struct coordinator_effect *effect)
{
	struct voter *voter = &volume->voters[effect->voter];
	const struct message *message = &effect->message;

	if (message->type == MESSAGE_APPEND && message->entry)
		trace_sent(volume, message->entry, datapath_now_ns(volume->datapath));
	if (voter->link) {
		if (voter->host)
			host_message(voter->host, voter->link->id, message);
		else
			coordinator_refused(volume->coordinator, effect);
		return;
	}
	if (peer_send(voter, message) != 0)
		coordinator_refused(volume->coordinator, effect);
}

static void volume_effect(struct volume *volume, const struct coordinator_effect *effect)
{
	switch (effect->type) {
	case COORDINATOR_SEND:
		send_message(volume, effect);
		break;
	case COORDINATOR_READ:
		volume_read_start(volume, effect);
		break;
	case COORDINATOR_ANSWER:
		volume_answered(volume, effect->operation, effect->rc);
		break;
	case COORDINATOR_RECORD:
		volume_record_wanted(volume, &effect->record);
		break;
	case COORDINATOR_CHANGED:
		volume->changed = true;
		break;
	}
}

static void timer_update(struct volume *volume)
{
	struct loop *loop = volume->datapath->config.loop;
	uint64_t deadline_ns = coordinator_deadline_ns(volume->coordinator);

	if (volume->detaching && volume->detach_deadline_ns < deadline_ns)
		deadline_ns = volume->detach_deadline_ns;
	if (deadline_ns == UINT64_MAX)
		loop_timer_cancel(loop, &volume->timer);
	else
		loop_timer_set(loop, &volume->timer, deadline_ns);
}

void volume_run(struct volume *volume)
{
	struct datapath *dp = volume->datapath;
	struct coordinator_effect effect;
	pool_done_fn detach_fn;
	void *detach_arg;

	if (!volume->coordinator) {
		if (volume->stripe)
			stripe_run(volume);
		else
			view_run(volume);
		return;
	}
	volume_admit(volume);
	while (coordinator_poll(volume->coordinator, datapath_now_ns(dp), &effect))
		volume_effect(volume, &effect);
	if (volume->changed) {
		volume->changed = false;
		volume_watch(volume);
	}
	volume_finish(volume);
	if (!volume_detach_step(volume)) {
		timer_update(volume);
		return;
	}
	detach_fn = volume->detach_fn;
	detach_arg = volume->detach_arg;
	volume_free(volume);
	detach_fn(detach_arg, 0);
}
