/* Names, where not all volumes are in the view: they follow from the records. */
#include "catalog/catalog_private.h"

#include <stdlib.h>
#include <string.h>

static void name_insert(struct table *names, const char *name, struct uuid volume)
{
	struct row *row = table_find(names, name);
	struct record_name *record = malloc(sizeof(*record));

	ASSERT(record);
	record->volume = volume;
	if (!row)
		row = table_insert(names, name);
	row_clear(names, RECORD_NAME, row);
	row->record = record;
	row->watched = true;
}

void view_name_put(struct view *view, const char *name, struct uuid volume)
{
	name_insert(&view->tables[RECORD_NAME], name, volume);
}

void view_name_drop(struct view *view, const char *name)
{
	struct table *names = &view->tables[RECORD_NAME];
	struct row *row = table_find(names, name);

	if (row)
		table_remove(names, RECORD_NAME, row);
}

void view_name_let_go(struct view *view, const char *name)
{
	const struct row *row = view->part_of ? view_find(view, RECORD_NAME, name) : NULL;
	const struct row *volume =
		row ? view_find_uuid(view, RECORD_VOLUME, ((const struct record_name *)row->record)->volume)
		    : NULL;

	if (row && !(volume && volume->record))
		view_name_drop(view, name);
}

/* The name that a volume has in the view goes, or comes. */
void view_name_leave(struct view *view, const struct row *row)
{
	const struct catalog_volume *volume = row->record;
	const struct row *name;

	if (!view->part_of || !volume)
		return;
	name = table_find(&view->tables[RECORD_NAME], volume->name);
	if (name && uuid_equal(((const struct record_name *)name->record)->volume, volume->volume))
		view_name_drop(view, volume->name);
}

void view_name_come(struct view *view, const struct row *row)
{
	const struct catalog_volume *volume = row->record;

	if (view->part_of && volume && volume->state == CATALOG_VOLUME_READY)
		name_insert(&view->tables[RECORD_NAME], volume->name, volume->volume);
}

static int name_rows_compare(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

/* Of two volumes with one name: what the watch tells is so now; else the record that was written last. */
static bool is_newer(const struct view *view, const struct row *name, const struct row *than)
{
	const struct row *a =
		view_find_uuid(view, RECORD_VOLUME, ((const struct record_name *)name->record)->volume);
	const struct row *b =
		view_find_uuid(view, RECORD_VOLUME, ((const struct record_name *)than->record)->volume);

	return a->watched != b->watched ? a->watched : a->revision > b->revision;
}

void view_names_rebuild(struct view *view)
{
	const struct table *volumes = &view->tables[RECORD_VOLUME];
	struct table *names = &view->tables[RECORD_NAME];
	size_t count = 0;

	while (names->count > 0)
		table_remove(names, RECORD_NAME, &names->rows[names->count - 1]);
	for (size_t i = 0; i < volumes->count; i++) {
		const struct catalog_volume *volume = volumes->rows[i].record;
		struct row *row;

		if (!volume || volume->state != CATALOG_VOLUME_READY)
			continue;
		/* At the end, whatever its order. */
		row = table_append(names, volume->name);
		row->record = malloc(sizeof(struct record_name));
		ASSERT(row->record);
		*(struct record_name *)row->record = (struct record_name){ volume->volume };
		row->watched = true;
	}
	if (names->count > 1)
		qsort(names->rows, names->count, sizeof(*names->rows), name_rows_compare);
	/* Pages were read one after the other: a name may have gone from one volume to another meanwhile. */
	for (size_t i = 0; i < names->count; i++) {
		struct row *last = count > 0 ? &names->rows[count - 1] : NULL;
		struct row gone = names->rows[i];

		if (!last || strcmp(last->name, gone.name) != 0) {
			names->rows[count++] = gone;
			continue;
		}
		if (is_newer(view, &gone, last)) {
			struct row newer = gone;

			gone = *last;
			*last = newer;
		}
		row_clear(names, RECORD_NAME, &gone);
		free(gone.name);
	}
	names->count = count;
}
