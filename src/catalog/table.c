/* A table of the view: rows in order of names. */
#include "catalog/catalog_private.h"

#include <stdlib.h>
#include <string.h>

size_t table_lower(const struct table *table, const char *name)
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

struct row *table_find(const struct table *table, const char *name)
{
	size_t index = table_lower(table, name);

	if (index < table->count && strcmp(table->rows[index].name, name) == 0)
		return &table->rows[index];
	return NULL;
}

static struct row *table_insert_at(struct table *table, size_t index, const char *name)
{
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

struct row *table_insert(struct table *table, const char *name)
{
	return table_insert_at(table, table_lower(table, name), name);
}

/* Whatever its order: to be sorted. */
struct row *table_append(struct table *table, const char *name)
{
	return table_insert_at(table, table->count, name);
}

void row_clear(struct table *table, enum record_kind kind, struct row *row)
{
	if (row->error)
		table->damaged--;
	record_free(kind, row->record);
	free(row->error);
	row->record = NULL;
	row->error = NULL;
}

void table_remove(struct table *table, enum record_kind kind, struct row *row)
{
	size_t index = (size_t)(row - table->rows);

	row_clear(table, kind, row);
	free(row->name);
	memmove(row, row + 1, (table->count - index - 1) * sizeof(*row));
	table->count--;
}
