/* Tables and texts for people. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && text[0] ? text : "-";
}

long long number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *size_text(const json_t *object, const char *key, char text[static SIZE_TEXT_LEN + 1])
{
	long long bytes = number_of(object, key);

	if (!json_is_integer(json_object_get(object, key)))
		return memcpy(text, "unknown", sizeof("unknown"));
	return size_format(bytes > 0 ? (uint64_t)bytes : 0, text);
}

static void row_add(struct table *table, va_list *cells)
{
	json_t *row = json_array();

	for (unsigned i = 0; i < table->columns; i++)
		json_array_append_new(row, json_string(va_arg(*cells, const char *)));
	json_array_append_new(table->rows, row);
}

void table_init(struct table *table, ...)
{
	va_list heads;

	table->rows = json_array();
	table->columns = 0;
	va_start(heads, table);
	while (va_arg(heads, const char *))
		table->columns++;
	va_end(heads);
	ASSERT(table->columns <= TABLE_MAX_COLUMNS);
	va_start(heads, table);
	row_add(table, &heads);
	va_end(heads);
}

void table_row(struct table *table, ...)
{
	va_list cells;

	va_start(cells, table);
	row_add(table, &cells);
	va_end(cells);
}

void table_print(struct table *table)
{
	int widths[TABLE_MAX_COLUMNS] = { 0 };
	size_t index;
	json_t *row;

	json_array_foreach(table->rows, index, row)
	{
		for (unsigned i = 0; i < table->columns; i++) {
			int len = (int)json_string_length(json_array_get(row, i));

			widths[i] = len > widths[i] ? len : widths[i];
		}
	}
	json_array_foreach(table->rows, index, row)
	{
		for (unsigned i = 0; i < table->columns; i++) {
			const char *cell = json_string_value(json_array_get(row, i));
			bool last = i + 1 == table->columns;

			printf("%-*s%s", last ? 0 : widths[i], cell ? cell : "-", last ? "\n" : "  ");
		}
	}
	json_decref(table->rows);
	table->rows = NULL;
}
