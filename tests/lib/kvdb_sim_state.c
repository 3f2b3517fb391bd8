/* The simulated kvdb's server: items, history, leases; no time, no faults. */
#include "kvdb_sim_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void item_done(struct sim_item *item)
{
	free(item->key);
	free(item->value);
}

static struct sim_item item_copy(const struct sim_item *from)
{
	struct sim_item copy = *from;

	copy.key = strdup(from->key);
	copy.value = NULL;
	if (from->value) {
		copy.value = malloc(from->value_bytes + 1);
		ASSERT(copy.value);
		if (from->value_bytes > 0)
			memcpy(copy.value, from->value, from->value_bytes);
	}
	return copy;
}

static void items_insert(struct sim_items *items, size_t index, struct sim_item item)
{
	if (items->count == items->capacity) {
		items->capacity = items->capacity ? 2 * items->capacity : 16;
		items->at = realloc(items->at, items->capacity * sizeof(*items->at));
		ASSERT(items->at);
	}
	memmove(&items->at[index + 1], &items->at[index], (items->count - index) * sizeof(*items->at));
	items->at[index] = item;
	items->count++;
}

static void items_done(struct sim_items *items)
{
	for (size_t i = 0; i < items->count; i++)
		item_done(&items->at[i]);
	free(items->at);
	*items = (struct sim_items){ 0 };
}

static struct sim_items items_copy(const struct sim_items *from)
{
	struct sim_items copy = { 0 };

	for (size_t i = 0; i < from->count; i++)
		items_insert(&copy, i, item_copy(&from->at[i]));
	return copy;
}

void sim_state_done(struct sim_state *state)
{
	items_done(&state->items);
	items_done(&state->history);
}

void sim_state_copy(const struct sim_state *from, struct sim_state *to)
{
	sim_state_done(to);
	*to = *from;
	to->items = items_copy(&from->items);
	to->history = items_copy(&from->history);
}

size_t sim_item_lower(const struct sim_state *state, const char *key)
{
	size_t low = 0;
	size_t high = state->items.count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(state->items.at[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct sim_item *sim_item_find(const struct sim_state *state, const char *key)
{
	size_t index = sim_item_lower(state, key);

	if (index < state->items.count && strcmp(state->items.at[index].key, key) == 0)
		return &state->items.at[index];
	return NULL;
}

void sim_state_write(struct sim_state *state, const struct kvdb_write *write)
{
	size_t index = sim_item_lower(state, write->key);
	struct sim_item *old = sim_item_find(state, write->key);
	struct sim_item item = {
		.key = (char *)(uintptr_t)write->key,
		.value = (uint8_t *)(uintptr_t)write->value,
		.value_bytes = write->value_bytes,
		.create_revision = old ? old->create_revision : state->revision,
		.mod_revision = state->revision,
		.lease = write->lease,
	};

	if (!write->value && !old)
		return;
	item = item_copy(&item); /* before the old one, whose key it may be, goes */
	items_insert(&state->history, state->history.count, item_copy(&item));
	if (old)
		item_done(old);
	if (write->value && old) {
		*old = item;
	} else if (write->value) {
		items_insert(&state->items, index, item);
	} else {
		item_done(&item);
		memmove(old, old + 1, (state->items.count - index - 1) * sizeof(*old));
		state->items.count--;
	}
}

/* ---- requests ---- */

static void item_answer(struct kvdb_request *request, const struct sim_item *item)
{
	struct kvdb_item answer = {
		.key = item->key,
		.value = item->value,
		.value_bytes = item->value_bytes,
		.create_revision = item->create_revision,
		.mod_revision = item->mod_revision,
		.lease = item->lease,
	};

	ASSERT(kvdb_request_item(request, &answer) == 0);
}

static void request_list(struct sim_state *state, struct kvdb_request *request)
{
	size_t len = strlen(request->key);

	for (size_t i = sim_item_lower(state, request->key);
		i < state->items.count && request->result.count < request->limit; i++) {
		if (strncmp(state->items.at[i].key, request->key, len) != 0)
			break;
		if (request->after && strcmp(state->items.at[i].key, request->after) <= 0)
			continue;
		item_answer(request, &state->items.at[i]);
	}
}

static bool compare_holds(const struct sim_state *state, const struct kvdb_compare *compare)
{
	const struct sim_item *item = sim_item_find(state, compare->key);

	switch (compare->kind) {
	case KVDB_IF_ABSENT:
		return !item;
	case KVDB_IF_PRESENT:
		return item;
	case KVDB_IF_REVISION:
		return (item ? item->mod_revision : 0) == compare->revision;
	case KVDB_IF_VALUE:
		return item && item->value_bytes == compare->value_bytes &&
		       (item->value_bytes == 0 ||
			       memcmp(item->value, compare->value, item->value_bytes) == 0);
	}
	return false;
}

static struct sim_lease *lease_find(struct sim_state *state, uint64_t id)
{
	for (size_t i = 0; i < state->lease_count; i++) {
		if (state->leases[i].id == id)
			return &state->leases[i];
	}
	return NULL;
}

static void request_transact(struct sim_state *state, struct kvdb_request *request)
{
	for (size_t i = 0; i < request->compare_count; i++) {
		if (compare_holds(state, &request->compares[i]))
			continue;
		kvdb_request_lose(request, request->compares[i].key);
		return;
	}
	for (size_t i = 0; i < request->write_count; i++) {
		const struct kvdb_write *write = &request->writes[i];

		if (write->value && write->lease != 0 && !lease_find(state, write->lease)) {
			kvdb_request_fail(request, -ENOENT, "the lease for %s has ended", write->key);
			return;
		}
	}
	state->revision++;
	for (size_t i = 0; i < request->write_count; i++)
		sim_state_write(state, &request->writes[i]);
}

static bool lease_end(struct sim_state *state, struct sim_lease *lease)
{
	uint64_t id = lease->id;
	bool first = true;

	*lease = state->leases[--state->lease_count];
	for (size_t i = 0; i < state->items.count;) {
		struct kvdb_write write = { .key = state->items.at[i].key };

		if (state->items.at[i].lease != id) {
			i++;
			continue;
		}
		if (first)
			state->revision++;
		first = false;
		sim_state_write(state, &write);
	}
	return !first;
}

bool sim_state_sweep(struct sim_state *state, uint64_t now_ns)
{
	bool changed = false;

	for (size_t i = 0; i < state->lease_count;) {
		if (state->leases[i].ends_ns <= now_ns)
			changed = lease_end(state, &state->leases[i]) || changed;
		else
			i++;
	}
	return changed;
}

static void request_lease(struct sim_state *state, struct kvdb_request *request, uint64_t now_ns)
{
	struct sim_lease *lease = lease_find(state, request->lease);

	if (request->op == KVDB_OP_GRANT) {
		ASSERT(state->lease_count < SIM_MAX_LEASES);
		lease = &state->leases[state->lease_count++];
		*lease = (struct sim_lease){ .id = ++state->next_lease, .ttl_ms = request->ttl_ms };
	}
	if (request->op == KVDB_OP_REVOKE) {
		if (lease)
			(void)lease_end(state, lease);
		return;
	}
	if (!lease) {
		kvdb_request_fail(request, -ENOENT, "the lease has ended");
		return;
	}
	lease->ends_ns = now_ns + lease->ttl_ms * NS_PER_MS;
	request->result.lease = lease->id;
}

void sim_state_request(struct sim_state *state, struct kvdb_request *request, uint64_t now_ns)
{
	const struct sim_item *item;

	switch (request->op) {
	case KVDB_OP_GET:
		item = sim_item_find(state, request->key);
		if (item)
			item_answer(request, item);
		else
			kvdb_request_fail(request, -ENOENT, "no key %s", request->key);
		break;
	case KVDB_OP_LIST:
		request_list(state, request);
		break;
	case KVDB_OP_IDENTIFY:
		break;
	case KVDB_OP_TRANSACT:
		request_transact(state, request);
		break;
	case KVDB_OP_GRANT:
	case KVDB_OP_KEEPALIVE:
	case KVDB_OP_REVOKE:
		request_lease(state, request, now_ns);
		break;
	}
	request->result.database = state->database;
	if (request->result.rc >= 0 || request->op == KVDB_OP_GET)
		request->result.revision = state->revision;
}
