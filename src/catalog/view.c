/* The view: one table for each kind of record, in memory, kept by lists and events. */
#include "catalog/catalog_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- tables ---- */

static size_t table_lower(const struct table *table, const char *name)
{
	size_t low = 0;
	size_t high = table->count;

	/* A list comes in order: its rows go to the end. */
	if (high > 0 && strcmp(table->rows[high - 1].name, name) < 0)
		return high;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(table->rows[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct row *table_find(const struct table *table, const char *name)
{
	size_t index = table_lower(table, name);

	if (index < table->count && strcmp(table->rows[index].name, name) == 0)
		return &table->rows[index];
	return NULL;
}

static struct row *table_insert(struct table *table, const char *name)
{
	size_t index = table_lower(table, name);
	char *copy = strdup(name);

	/* The control plane can't go on without its view: see kvdb.c for the same decision. */
	ASSERT(copy);
	if (table->count == table->capacity) {
		table->capacity = table->capacity ? 2 * table->capacity : 16;
		table->rows = realloc(table->rows, table->capacity * sizeof(*table->rows));
		ASSERT(table->rows);
	}
	memmove(&table->rows[index + 1], &table->rows[index], (table->count - index) * sizeof(*table->rows));
	table->rows[index] = (struct row){ .name = copy };
	table->count++;
	return &table->rows[index];
}

static void row_clear(struct table *table, enum record_kind kind, struct row *row)
{
	if (row->error)
		table->damaged--;
	record_free(kind, row->record);
	free(row->error);
	row->record = NULL;
	row->error = NULL;
}

static void table_remove(struct table *table, enum record_kind kind, struct row *row)
{
	size_t index = (size_t)(row - table->rows);

	row_clear(table, kind, row);
	free(row->name);
	memmove(row, row + 1, (table->count - index - 1) * sizeof(*row));
	table->count--;
}

void view_done(struct view *view)
{
	for (enum record_kind kind = RECORD_CLUSTER; kind < RECORD_KINDS; kind++) {
		struct table *table = &view->tables[kind];

		while (table->count > 0)
			table_remove(table, kind, &table->rows[table->count - 1]);
		free(table->rows);
		*table = (struct table){ 0 };
	}
	view_changes_clear(view);
	free(view->changes);
	view->changes = NULL;
}

struct row *view_find(const struct view *view, enum record_kind kind, const char *name)
{
	return table_find(&view->tables[kind], name);
}

struct row *view_find_uuid(const struct view *view, enum record_kind kind, struct uuid uuid)
{
	char text[UUID_TEXT_LEN + 1];

	return view_find(view, kind, uuid_format(uuid, text));
}

uint64_t row_revision(const struct row *row)
{
	return row ? row->revision : 0;
}

int row_check(const struct row *row, const char *what, const char *name, struct error *error)
{
	if (!row)
		return error_set(error, -ENOENT, "no %s %s", what, name);
	if (!row->record)
		return error_set(
			error, -EBADMSG, "the record of %s %s is damaged: %s", what, name, row->error->text);
	return 0;
}

/* ---- changes ---- */

static void change_note(struct view *view, enum catalog_kind kind, const char *name, struct uuid uuid)
{
	struct catalog_change *change;
	char *copy;

	for (size_t i = 0; i < view->change_count; i++) {
		if (view->changes[i].kind == kind && uuid_equal(view->changes[i].uuid, uuid) &&
			strcmp(view->changes[i].name, name) == 0)
			return;
		if (i == 64)
			break; /* after a long list it's cheaper to tell something twice */
	}
	if (view->change_count == view->change_capacity) {
		view->change_capacity = view->change_capacity ? 2 * view->change_capacity : 16;
		view->changes = realloc(view->changes, view->change_capacity * sizeof(*view->changes));
		ASSERT(view->changes);
	}
	copy = strdup(name);
	ASSERT(copy);
	change = &view->changes[view->change_count++];
	*change = (struct catalog_change){ .kind = kind, .name = copy, .uuid = uuid };
}

void view_changes_clear(struct view *view)
{
	for (size_t i = 0; i < view->change_count; i++)
		free((void *)(uintptr_t)view->changes[i].name);
	view->change_count = 0;
}

static void change_note_row(struct view *view, enum record_kind kind, const struct row *row)
{
	const struct catalog_volume *volume = row->record;
	struct uuid uuid = { 0 };

	switch (kind) {
	case RECORD_CLUSTER:
		change_note(view, CATALOG_CLUSTER, "", uuid);
		break;
	case RECORD_NODE:
	case RECORD_LIVE:
		change_note(view, CATALOG_NODE, row->name, uuid);
		break;
	case RECORD_POOL:
	case RECORD_RESERVATION:
		if (uuid_parse(row->name, &uuid) == 0)
			change_note(view, CATALOG_POOL, "", uuid);
		break;
	case RECORD_VOLUME:
		if (uuid_parse(row->name, &uuid) == 0)
			change_note(view, CATALOG_VOLUME, volume ? volume->name : "", uuid);
		break;
	case RECORD_CLASS:
		change_note(view, CATALOG_CLASS, row->name, uuid);
		break;
	case RECORD_NAME: /* its volume changes with it */
	case RECORD_KINDS:
		break;
	}
}

/* What a node's and a pool's record show of the record beside them. */
static void row_join(struct view *view, enum record_kind kind, const char *name)
{
	if (kind == RECORD_NODE || kind == RECORD_LIVE) {
		struct row *node = view_find(view, RECORD_NODE, name);
		const struct row *live = view_find(view, RECORD_LIVE, name);
		const struct record_live *lease = live ? live->record : NULL;
		struct catalog_node *record = node ? node->record : NULL;

		if (!record)
			return;
		/* A damaged lease record is a lease all the same. */
		record->live = live != NULL;
		record->session = lease ? lease->session : (struct uuid){ 0 };
		record->live_since_ns = lease ? lease->since_ns : 0;
	} else if (kind == RECORD_POOL || kind == RECORD_RESERVATION) {
		struct row *pool = view_find(view, RECORD_POOL, name);
		const struct row *reserved = view_find(view, RECORD_RESERVATION, name);
		const struct record_reservation *reservation = reserved ? reserved->record : NULL;
		struct catalog_pool *record = pool ? pool->record : NULL;

		if (!record)
			return;
		/* A damaged reservation leaves no room: nothing may be placed there. */
		record->provisioned_bytes =
			reservation ? reservation->provisioned_bytes : (reserved ? UINT64_MAX : 0);
		record->replica_count = reservation ? reservation->replica_count : 0;
		record->draining = reservation && reservation->draining;
		record->replaced_by = reservation ? reservation->replaced_by : (struct uuid){ 0 };
	}
}

/* A record must be about what its key says: else a value has got under another key. */
static int row_identity(enum record_kind kind, const char *name, const void *record, struct error *error)
{
	char text[UUID_TEXT_LEN + 1];
	const char *found = name;

	switch (kind) {
	case RECORD_NODE:
		found = ((const struct catalog_node *)record)->name;
		break;
	case RECORD_CLASS:
		found = ((const struct catalog_class *)record)->name;
		break;
	case RECORD_POOL:
		found = uuid_format(((const struct catalog_pool *)record)->pool, text);
		break;
	case RECORD_VOLUME:
		found = uuid_format(((const struct catalog_volume *)record)->volume, text);
		break;
	default:
		break;
	}
	return strcmp(found, name) == 0 ? 0 : error_set(error, -EBADMSG, "it is the record of %s", found);
}

void view_put(struct view *view, enum record_kind kind, const char *name, const uint8_t *value,
	size_t value_bytes, uint64_t revision, bool *ret_bad, struct error *error)
{
	struct table *table = &view->tables[kind];
	struct row *row = table_find(table, name);
	void *record = NULL;
	int rc;

	*ret_bad = false;
	if (!value) {
		if (row) {
			change_note_row(view, kind, row);
			table_remove(table, kind, row);
			row_join(view, kind, name);
		}
		return;
	}
	if (row)
		row->seen = true;
	if (row && row->revision == revision)
		return;
	rc = catalog_record_decode(kind, value, value_bytes, &record, error);
	if (rc == 0) {
		rc = row_identity(kind, name, record, error);
		if (rc != 0) {
			record_free(kind, record);
			record = NULL;
		}
	}
	if (!row)
		row = table_insert(table, name);
	row_clear(table, kind, row);
	row->revision = revision;
	row->record = record;
	row->seen = true;
	if (rc != 0) {
		row->error = malloc(sizeof(*row->error));
		ASSERT(row->error);
		*row->error = *error;
		table->damaged++;
		*ret_bad = true;
	} else if (kind == RECORD_VOLUME) {
		((struct catalog_volume *)record)->revision = revision;
	} else if (kind == RECORD_CLASS) {
		((struct catalog_class *)record)->revision = revision;
	}
	row_join(view, kind, name);
	change_note_row(view, kind, row);
}

void view_list_begin(struct view *view)
{
	for (enum record_kind kind = RECORD_CLUSTER; kind < RECORD_KINDS; kind++) {
		struct table *table = &view->tables[kind];

		for (size_t i = 0; i < table->count; i++)
			table->rows[i].seen = false;
	}
}

void view_list_end(struct view *view)
{
	bool bad;

	for (enum record_kind kind = RECORD_CLUSTER; kind < RECORD_KINDS; kind++) {
		struct table *table = &view->tables[kind];

		for (size_t i = table->count; i > 0; i--) {
			char name[KEY_MAX_LEN + 1];

			if (table->rows[i - 1].seen)
				continue;
			ASSERT(strlen(table->rows[i - 1].name) <= KEY_MAX_LEN);
			memcpy(name, table->rows[i - 1].name, strlen(table->rows[i - 1].name) + 1);
			view_put(view, kind, name, NULL, 0, 0, &bad, NULL);
		}
	}
}
