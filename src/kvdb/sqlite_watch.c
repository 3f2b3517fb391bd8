/* What has changed since: events for watches. */
#include "kvdb/sqlite_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int store_data_version(struct store *store, uint64_t *ret_version)
{
	sqlite3_stmt *statement = store_statement(store, STORE_DATA_VERSION);
	int code;

	if (!statement)
		return sqlite3_errcode(store->db);
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*ret_version = (uint64_t)sqlite3_column_int64(statement, 0);
	(void)sqlite3_reset(statement);
	return code == SQLITE_ROW ? SQLITE_OK : code;
}

/* ---- events ---- */

void store_events_free(struct store_events *events)
{
	for (size_t i = 0; i < events->count; i++)
		free((void *)(uintptr_t)events->events[i].key);
	free(events->events);
	*events = (struct store_events){ 0 };
}

static int event_add(struct store_events *events, const struct kvdb_event *event)
{
	size_t key_bytes = strlen(event->key) + 1;
	char *copy;

	if (events->count == events->capacity) {
		size_t capacity = events->capacity ? 2 * events->capacity : 8;
		struct kvdb_event *grown = realloc(events->events, capacity * sizeof(*grown));

		if (!grown)
			return SQLITE_NOMEM;
		events->events = grown;
		events->capacity = capacity;
	}
	copy = malloc(key_bytes + event->value_bytes + 1);
	if (!copy)
		return SQLITE_NOMEM;
	memcpy(copy, event->key, key_bytes);
	if (event->value_bytes > 0)
		memcpy(copy + key_bytes, event->value, event->value_bytes);
	events->events[events->count] = *event;
	events->events[events->count].key = copy;
	if (event->value)
		events->events[events->count].value = (uint8_t *)copy + key_bytes;
	events->count++;
	return SQLITE_OK;
}

/* Adds those of one prefix. */
static int prefix_read(
	struct store *store, const char *prefix, uint64_t from, uint64_t to, struct store_events *events)
{
	static const uint8_t empty[1];
	char upper[KVDB_MAX_KEY_LEN + 2];
	sqlite3_stmt *statement = store_statement(store, STORE_HISTORY_READ);
	int code;

	if (!statement)
		return sqlite3_errcode(store->db);
	store_prefix_upper(prefix, upper);
	(void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)from);
	(void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)to);
	(void)sqlite3_bind_text(statement, 3, prefix, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(statement, 4, upper, -1, SQLITE_STATIC);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		bool deleted = sqlite3_column_type(statement, 2) == SQLITE_NULL;
		const uint8_t *blob = sqlite3_column_blob(statement, 2);
		struct kvdb_event event = {
			.revision = (uint64_t)sqlite3_column_int64(statement, 0),
			.key = (const char *)sqlite3_column_text(statement, 1),
			.value = deleted ? NULL
				 : blob  ? blob
					 : empty,
			.value_bytes = (size_t)sqlite3_column_bytes(statement, 2),
		};

		code = event_add(events, &event);
		if (code != SQLITE_OK)
			break;
	}
	(void)sqlite3_reset(statement);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* A transaction writes a key once, so there is one order. */
static int event_compare(const void *a, const void *b)
{
	const struct kvdb_event *left = a, *right = b;

	if (left->revision != right->revision)
		return left->revision < right->revision ? -1 : 1;
	return strcmp(left->key, right->key);
}

int store_events_read(struct store *store, const struct kvdb_prefixes *prefixes, uint64_t from, uint64_t to,
	struct store_events *events)
{
	int code = SQLITE_OK;

	*events = (struct store_events){ 0 };
	for (size_t i = 0; i < prefixes->count && code == SQLITE_OK; i++)
		code = prefix_read(store, prefixes->at[i], from, to, events);
	if (code != SQLITE_OK)
		store_events_free(events);
	else if (prefixes->count > 1 && events->count > 1)
		qsort(events->events, events->count, sizeof(*events->events), event_compare);
	return code;
}
