/* The view: one table for each kind of record, in memory, kept by lists and events. */
#include "catalog/catalog_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	case RECORD_NAME: /* its volume changes with it, and so with these */
	case RECORD_AT:
	case RECORD_GROUP:
	case RECORD_CLONE:
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
		record->thick_bytes = reservation ? reservation->thick_bytes : 0;
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
	case RECORD_GROUP: /* "NAME/UUID" */
	case RECORD_CLONE:
		found = uuid_format(((const struct catalog_volume *)record)->volume, text);
		name += strlen(name) > UUID_TEXT_LEN ? strlen(name) - UUID_TEXT_LEN : 0;
		break;
	default:
		break;
	}
	return strcmp(found, name) == 0 ? 0 : error_set(error, -EBADMSG, "it is the record of %s", found);
}

/* ---- rows come and go ---- */

static void row_remove(struct view *view, enum record_kind kind, struct row *row, bool quiet)
{
	char name[KEY_MAX_LEN + 1];

	ASSERT(strlen(row->name) <= KEY_MAX_LEN);
	memcpy(name, row->name, strlen(row->name) + 1);
	if (!quiet)
		change_note_row(view, kind, row);
	if (kind == RECORD_VOLUME && !quiet)
		view_name_leave(view, row);
	table_remove(&view->tables[kind], kind, row);
	row_join(view, kind, name);
}

/* Whether a pin wants it still. */
static bool is_kept(const struct view *view, const struct row *row)
{
	return view->part_of && pins_keep(view->part_of, row->name, row->record);
}

/* The watch tells of it no more: it is gone, or concerns this node no longer. */
static void row_unwatch(struct view *view, enum record_kind kind, struct row *row)
{
	row->watched = false;
	if (kind != RECORD_VOLUME || !is_kept(view, row))
		row_remove(view, kind, row, false);
}

/* *ret_bad: the value is damaged. */
static struct row *row_fill(struct view *view, enum record_kind kind, const char *name, const uint8_t *value,
	size_t value_bytes, uint64_t revision, bool quiet, bool *ret_bad, struct error *error)
{
	struct table *table = &view->tables[kind];
	struct row *row = table_find(table, name);
	void *record = NULL;
	int rc = catalog_record_decode(kind, value, value_bytes, &record, error);

	if (rc == 0) {
		rc = row_identity(kind, name, record, error);
		if (rc != 0) {
			record_free(kind, record);
			record = NULL;
		}
	}
	if (!row)
		row = table_insert(table, name);
	else if (kind == RECORD_VOLUME && !quiet && rc == 0)
		view_name_leave(view, row); /* one that is damaged keeps the name that it had */
	row_clear(table, kind, row);
	row->revision = revision;
	row->record = record;
	*ret_bad = rc != 0;
	if (rc != 0) {
		row->error = malloc(sizeof(*row->error));
		ASSERT(row->error);
		*row->error = *error;
		table->damaged++;
	} else if (kind == RECORD_VOLUME) {
		((struct catalog_volume *)record)->revision = revision;
	} else if (kind == RECORD_CLASS) {
		((struct catalog_class *)record)->revision = revision;
	}
	row_join(view, kind, name);
	if (kind == RECORD_VOLUME && !quiet)
		view_name_come(view, row);
	if (!quiet)
		change_note_row(view, kind, row);
	return row;
}

void view_put(struct view *view, enum record_kind kind, const char *name, const uint8_t *value,
	size_t value_bytes, uint64_t revision, bool *ret_bad, struct error *error)
{
	struct row *row = table_find(&view->tables[kind], name);

	*ret_bad = false;
	if (!value) {
		if (row)
			row_unwatch(view, kind, row);
		return;
	}
	if (!row || row->revision != revision)
		row = row_fill(view, kind, name, value, value_bytes, revision, false, ret_bad, error);
	row->seen = row->watched = true;
}

void view_put_read(struct view *view, const char *uuid, const uint8_t *value, size_t value_bytes,
	uint64_t revision, bool quiet)
{
	struct row *row = table_find(&view->tables[RECORD_VOLUME], uuid);
	struct error ignored;
	bool bad;

	if (row && row->watched)
		return;
	if (!value && row)
		row_remove(view, RECORD_VOLUME, row, quiet);
	else if (value && (!row || row->revision != revision))
		(void)row_fill(
			view, RECORD_VOLUME, uuid, value, value_bytes, revision, quiet, &bad, &ignored);
}

bool view_is_watched(const struct view *view, struct uuid volume)
{
	const struct row *row = view_find_uuid(view, RECORD_VOLUME, volume);

	return row && row->watched;
}

void view_let_go(struct view *view, struct uuid volume)
{
	struct row *row = view_find_uuid(view, RECORD_VOLUME, volume);

	if (row && !row->watched && !is_kept(view, row))
		row_remove(view, RECORD_VOLUME, row, false);
}

void view_sweep(struct view *view)
{
	struct table *table = &view->tables[RECORD_VOLUME];
	size_t count = 0;

	for (size_t i = 0; i < table->count; i++) {
		struct row *row = &table->rows[i];

		if (!row->watched && !is_kept(view, row)) {
			row_clear(table, RECORD_VOLUME, row);
			free(row->name);
			continue;
		}
		table->rows[count++] = *row;
	}
	table->count = count;
	view_names_rebuild(view);
}

void view_listed_put(struct view *view, uint32_t number, const char *uuid, const uint8_t *value,
	size_t value_bytes, uint64_t revision)
{
	struct row *row = view_find(view, RECORD_VOLUME, uuid);

	/* What single pins have read stays as it is: it is of the view's revision. */
	if (!row || (row->revision < revision && !pins_keep_single(view->part_of, uuid, row->record)))
		view_put_read(view, uuid, value, value_bytes, revision, true);
	row = view_find(view, RECORD_VOLUME, uuid);
	if (row && row->listed < number)
		row->listed = number;
}

/* Others may list at the same time: what these have found since isn't gone. */
void view_listed_end(struct view *view, uint32_t number, uint64_t revision)
{
	struct table *table = &view->tables[RECORD_VOLUME];
	size_t count = 0;

	for (size_t i = 0; i < table->count; i++) {
		struct row *row = &table->rows[i];

		if (!row->watched && row->listed < number && row->revision <= revision &&
			!pins_keep_single(view->part_of, row->name, row->record)) {
			row_clear(table, RECORD_VOLUME, row);
			free(row->name);
			continue;
		}
		table->rows[count++] = *row;
	}
	table->count = count;
}

const struct catalog_volume *view_copy_at(
	const struct view *view, enum record_kind kind, const char *name, size_t index)
{
	const struct table *table = &view->tables[kind];
	char prefix[NAME_MAX_LEN + 2];
	size_t len = (size_t)snprintf(prefix, sizeof(prefix), "%s/", name);

	for (size_t i = table_lower(table, prefix);
		i < table->count && strncmp(table->rows[i].name, prefix, len) == 0; i++)
		if (table->rows[i].record && index-- == 0)
			return table->rows[i].record;
	return NULL;
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
	for (enum record_kind kind = RECORD_CLUSTER; kind < RECORD_KINDS; kind++) {
		struct table *table = &view->tables[kind];

		if (kind == RECORD_NAME && view->part_of)
			continue; /* they follow from the volumes */
		for (size_t i = table->count; i > 0; i--) {
			if (table->rows[i - 1].watched && !table->rows[i - 1].seen)
				row_unwatch(view, kind, &table->rows[i - 1]);
		}
	}
}
