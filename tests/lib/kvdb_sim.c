/* The simulated kvdb's network: handles, delays, faults, watches. */
#include "kvdb_sim_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_RETRY_NS (50 * NS_PER_MS)

struct sim_handle {
	struct kvdb base;
	struct kvdb_sim *sim;
	struct list node;
	struct list calls;
	struct list watches;
	struct loop_timer wake;
	bool cut;
};

enum call_fate { CALL_SERVED, CALL_REFUSED, CALL_FAILED_AFTER, CALL_ANSWER_LOST };

/* A request on its way. */
struct sim_call {
	struct list node;
	struct sim_handle *handle;
	struct kvdb_request *request;
	struct loop_timer timer;
	enum call_fate fate;
	bool served;
	bool withdrawn; /* the deadline came first */
};

struct sim_watch {
	struct kvdb_watch base;
	struct sim_handle *handle;
	struct list node;
	uint64_t next, told;
	struct loop_timer timer;
};

static struct sim_handle *handle_of(struct kvdb *kvdb)
{
	return container_of(kvdb, struct sim_handle, base);
}

static bool reachable(const struct sim_handle *handle)
{
	return !handle->cut && !handle->sim->down;
}

static uint64_t delay_ns(struct kvdb_sim *sim)
{
	const struct kvdb_sim_faults *faults = &sim->faults;

	return (faults->delay_min_us +
		       random_below(&sim->random, faults->delay_max_us - faults->delay_min_us + 1)) *
	       NS_PER_US;
}

/* ---- watches ---- */

static void watch_kick(struct sim_watch *watch)
{
	struct kvdb_sim *sim = watch->handle->sim;

	if (!loop_timer_is_set(&watch->timer))
		loop_timer_set(sim->loop, &watch->timer, loop_now_ns(sim->loop) + delay_ns(sim));
}

static void watches_kick(struct kvdb_sim *sim)
{
	list_for_each (node, &sim->handles) {
		struct sim_handle *handle = list_entry(node, struct sim_handle, node);

		list_for_each (at, &handle->watches)
			watch_kick(list_entry(at, struct sim_watch, node));
	}
}

static void sim_watch_cancel(struct kvdb_watch *base)
{
	struct sim_watch *watch = container_of(base, struct sim_watch, base);

	loop_timer_cancel(watch->handle->sim->loop, &watch->timer);
	list_remove(&watch->node);
	kvdb_prefixes_done(&watch->base.prefixes);
	free(watch);
}

static void watch_lose(struct sim_watch *watch, const char *why)
{
	struct kvdb_watch_callbacks callbacks = watch->base.callbacks;
	struct error error;
	int rc = error_set(&error, -ESTALE, "%s", why);

	sim_watch_cancel(&watch->base);
	callbacks.lost(callbacks.arg, rc, &error);
}

static size_t events_collect(const struct sim_watch *watch, const struct sim_state *state, uint64_t until,
	struct kvdb_event *events)
{
	size_t count = 0;

	for (size_t i = 0; i < state->history.count; i++) {
		const struct sim_item *item = &state->history.at[i];

		if (item->mod_revision < watch->next || item->mod_revision > until ||
			!kvdb_prefixes_match(&watch->base.prefixes, item->key))
			continue;
		events[count++] = (struct kvdb_event){
			.key = item->key,
			.value = item->value,
			.value_bytes = item->value_bytes,
			.revision = item->mod_revision,
		};
	}
	return count;
}

/* Events point into the history, which a callback can't change: calls are served later. */
static void watch_run(void *arg)
{
	struct sim_watch *watch = arg;
	struct kvdb_sim *sim = watch->handle->sim;
	const struct sim_state *state = &sim->state;
	uint64_t until = state->revision;
	struct kvdb_event *events;
	size_t count;

	if (!reachable(watch->handle)) {
		loop_timer_set(sim->loop, &watch->timer, loop_now_ns(sim->loop) + WATCH_RETRY_NS);
		return;
	}
	if (state->revision < watch->told) {
		watch_lose(watch, "the metadata database went back");
		return;
	}
	if (watch->next <= state->compacted) {
		watch_lose(watch, "changes are no longer kept");
		return;
	}
	if (watch->told == state->revision)
		return;
	events = calloc(state->history.count + 1, sizeof(*events));
	ASSERT(events);
	if (sim->faults.watch_revisions > 0 && watch->next + sim->faults.watch_revisions <= until) {
		until = watch->next + sim->faults.watch_revisions - 1;
		watch_kick(watch);
	}
	count = events_collect(watch, state, until, events);
	if (watch->next <= until)
		watch->next = until + 1;
	watch->told = until;
	sim->counts.events += count;
	watch->base.callbacks.events(watch->base.callbacks.arg, events, count, until);
	free(events);
}

static int sim_watch(struct kvdb *kvdb, const struct kvdb_prefixes *prefixes, uint64_t from_revision,
	const struct kvdb_watch_callbacks *callbacks, struct kvdb_watch **ret_watch)
{
	struct sim_watch *watch = calloc(1, sizeof(*watch));

	ASSERT(watch);
	watch->base = (struct kvdb_watch){ .kvdb = kvdb, .prefixes = *prefixes, .callbacks = *callbacks };
	watch->handle = handle_of(kvdb);
	watch->next = from_revision;
	loop_timer_init(&watch->timer, watch_run, watch);
	list_push_back(&watch->handle->watches, &watch->node);
	watch_kick(watch);
	*ret_watch = &watch->base;
	return 0;
}

/* ---- calls ---- */

static void call_answer(struct sim_call *call)
{
	struct sim_handle *handle = call->handle;
	struct kvdb_request *request = call->request;

	list_remove(&call->node);
	free(call);
	list_for_each (node, &handle->watches)
		watch_kick(list_entry(node, struct sim_watch, node));
	kvdb_request_answer(request);
}

static void leases_arm(struct kvdb_sim *sim)
{
	uint64_t first_ns = UINT64_MAX;

	for (size_t i = 0; i < sim->state.lease_count; i++) {
		if (sim->state.leases[i].ends_ns < first_ns)
			first_ns = sim->state.leases[i].ends_ns;
	}
	loop_timer_cancel(sim->loop, &sim->lease_timer);
	if (first_ns != UINT64_MAX && !sim->down)
		loop_timer_set(sim->loop, &sim->lease_timer, first_ns);
}

static void leases_run(void *arg)
{
	struct kvdb_sim *sim = arg;

	uint64_t before = sim->state.revision;

	if (sim_state_sweep(&sim->state, loop_now_ns(sim->loop)))
		watches_kick(sim);
	sim->counts.writes += sim->state.revision - before;
	leases_arm(sim);
}

static void call_count(struct kvdb_sim *sim, const struct kvdb_request *request, uint64_t revision_before)
{
	struct kvdb_sim_counts *counts = &sim->counts;

	counts->calls++;
	counts->writes += sim->state.revision != revision_before;
	counts->keepalives += request->op == KVDB_OP_KEEPALIVE;
	counts->grants += request->op == KVDB_OP_GRANT;
	if (request->op == KVDB_OP_LIST) {
		counts->lists++;
		counts->listed_keys += request->result.count;
	}
}

static void call_run(void *arg)
{
	struct sim_call *call = arg;
	struct sim_handle *handle = call->handle;
	struct kvdb_sim *sim = handle->sim;
	uint64_t before = sim->state.revision;

	if (call->withdrawn) {
		call_answer(call);
		return;
	}
	if (call->served) {
		if (call->fate == CALL_ANSWER_LOST || !reachable(handle))
			return; /* the deadline will come */
		if (call->fate == CALL_FAILED_AFTER && call->request->result.rc == 0)
			kvdb_request_fail(call->request, -EIO, "the connection broke");
		call_answer(call);
		return;
	}
	if (!reachable(handle) || call->fate == CALL_REFUSED) {
		kvdb_request_fail(call->request, -EAGAIN, "the metadata database is out of reach");
		call_answer(call);
		return;
	}
	call->served = true;
	sim_state_request(&sim->state, call->request, loop_now_ns(sim->loop));
	leases_arm(sim);
	call_count(sim, call->request, before);
	if (sim->state.revision != before)
		watches_kick(sim);
	loop_timer_set(sim->loop, &call->timer, loop_now_ns(sim->loop) + delay_ns(sim));
}

static enum call_fate fate_draw(struct kvdb_sim *sim)
{
	uint64_t dice = random_below(&sim->random, 1000);

	if (dice < sim->faults.refuse)
		return CALL_REFUSED;
	dice -= sim->faults.refuse;
	if (dice < sim->faults.fail_after)
		return CALL_FAILED_AFTER;
	dice -= sim->faults.fail_after;
	return dice < sim->faults.lose_answer ? CALL_ANSWER_LOST : CALL_SERVED;
}

static void sim_submit(struct kvdb *kvdb, struct kvdb_request *request)
{
	struct sim_handle *handle = handle_of(kvdb);
	struct sim_call *call = calloc(1, sizeof(*call));

	ASSERT(call);
	call->handle = handle;
	call->request = request;
	call->fate = fate_draw(handle->sim);
	loop_timer_init(&call->timer, call_run, call);
	list_push_back(&handle->calls, &call->node);
	loop_timer_set(
		handle->sim->loop, &call->timer, loop_now_ns(handle->sim->loop) + delay_ns(handle->sim));
}

static bool sim_withdraw(struct kvdb *kvdb, struct kvdb_request *request)
{
	list_for_each (node, &handle_of(kvdb)->calls) {
		struct sim_call *call = list_entry(node, struct sim_call, node);

		if (call->request != request)
			continue;
		if (call->served) {
			call->withdrawn = true; /* call_run() frees it */
			loop_timer_set(
				call->handle->sim->loop, &call->timer, loop_now_ns(call->handle->sim->loop));
			return false;
		}
		loop_timer_cancel(call->handle->sim->loop, &call->timer);
		list_remove(&call->node);
		free(call);
		return true;
	}
	return false;
}

/* ---- handles ---- */

static void wake_run(void *arg)
{
	struct sim_handle *handle = arg;

	kvdb_run_due(&handle->base);
}

static void sim_wake_at(struct kvdb *kvdb, uint64_t at_ns)
{
	struct sim_handle *handle = handle_of(kvdb);

	loop_timer_set(handle->sim->loop, &handle->wake, at_ns);
}

static void sim_close(struct kvdb *kvdb, void (*fn)(void *arg), void *arg)
{
	struct sim_handle *handle = handle_of(kvdb);
	struct list *node;

	loop_timer_cancel(handle->sim->loop, &handle->wake);
	while ((node = list_first(&handle->watches)))
		sim_watch_cancel(&list_entry(node, struct sim_watch, node)->base);
	while ((node = list_pop_front(&handle->calls))) {
		struct sim_call *call = list_entry(node, struct sim_call, node);

		loop_timer_cancel(handle->sim->loop, &call->timer);
		kvdb_request_free(call->request);
		free(call);
	}
	list_remove(&handle->node);
	free(handle);
	fn(arg);
}

static const struct kvdb_ops sim_ops = {
	.submit = sim_submit,
	.withdraw = sim_withdraw,
	.watch = sim_watch,
	.watch_cancel = sim_watch_cancel,
	.wake_at = sim_wake_at,
	.close = sim_close,
};

struct kvdb *kvdb_sim_open(struct kvdb_sim *sim)
{
	struct sim_handle *handle = calloc(1, sizeof(*handle));

	ASSERT(handle);
	kvdb_init(&handle->base, &sim_ops, sim->loop->clock);
	handle->sim = sim;
	list_init(&handle->calls);
	list_init(&handle->watches);
	loop_timer_init(&handle->wake, wake_run, handle);
	list_push_back(&sim->handles, &handle->node);
	return &handle->base;
}

/* ---- the server and its faults ---- */

struct kvdb_sim *kvdb_sim_new(struct loop *loop, uint64_t seed)
{
	struct kvdb_sim *sim = calloc(1, sizeof(*sim));

	ASSERT(sim);
	sim->loop = loop;
	random_init(&sim->random, seed);
	sim->faults = (struct kvdb_sim_faults){ .delay_min_us = 100, .delay_max_us = 1000 };
	sim->state.database = uuid_random(&sim->random);
	sim->state.revision = 1;
	list_init(&sim->handles);
	loop_timer_init(&sim->lease_timer, leases_run, sim);
	return sim;
}

void kvdb_sim_free(struct kvdb_sim *sim)
{
	ASSERT(list_is_empty(&sim->handles));
	loop_timer_cancel(sim->loop, &sim->lease_timer);
	sim_state_done(&sim->state);
	sim_state_done(&sim->backup);
	free(sim);
}

void kvdb_sim_faults_set(struct kvdb_sim *sim, const struct kvdb_sim_faults *faults)
{
	ASSERT(faults->delay_max_us >= faults->delay_min_us);
	sim->faults = *faults;
}

void kvdb_sim_cut(struct kvdb *kvdb, bool cut)
{
	handle_of(kvdb)->cut = cut;
}

void kvdb_sim_down(struct kvdb_sim *sim, bool down)
{
	if (sim->down && !down) {
		for (size_t i = 0; i < sim->state.lease_count; i++)
			sim->state.leases[i].ends_ns =
				loop_now_ns(sim->loop) + sim->state.leases[i].ttl_ms * NS_PER_MS;
	}
	sim->down = down;
	leases_arm(sim);
}

void kvdb_sim_compact(struct kvdb_sim *sim)
{
	struct sim_state *state = &sim->state;

	for (size_t i = 0; i < state->history.count; i++) {
		free(state->history.at[i].key);
		free(state->history.at[i].value);
	}
	state->history.count = 0;
	state->compacted = state->revision;
}

void kvdb_sim_backup(struct kvdb_sim *sim)
{
	sim_state_copy(&sim->state, &sim->backup);
}

void kvdb_sim_restore(struct kvdb_sim *sim)
{
	sim_state_copy(&sim->backup, &sim->state);
	leases_arm(sim);
	watches_kick(sim);
}

void kvdb_sim_counts(const struct kvdb_sim *sim, struct kvdb_sim_counts *ret_counts)
{
	*ret_counts = sim->counts;
}

uint64_t kvdb_sim_revision(const struct kvdb_sim *sim)
{
	return sim->state.revision;
}

void kvdb_sim_scribble(struct kvdb_sim *sim, const char *key, const void *value, size_t value_bytes)
{
	struct kvdb_write write = { .key = key, .value = value, .value_bytes = value_bytes };

	sim->state.revision++;
	sim_state_write(&sim->state, &write);
	watches_kick(sim);
}

const uint8_t *kvdb_sim_peek(const struct kvdb_sim *sim, const char *key, size_t *ret_bytes)
{
	const struct sim_item *item = sim_item_find(&sim->state, key);

	*ret_bytes = item ? item->value_bytes : 0;
	return item ? item->value : NULL;
}

const char *kvdb_sim_key_at(const struct kvdb_sim *sim, size_t index)
{
	return index < sim->state.items.count ? sim->state.items.at[index].key : NULL;
}
