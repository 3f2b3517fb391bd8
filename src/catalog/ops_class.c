/* Operations on classes: written whole, with a number that grows with each change. */
#include "catalog/catalog_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text says all that a class is, but for its version. */
static bool class_same(const struct catalog_class *a, const struct catalog_class *b)
{
	struct catalog_class left = *a;
	struct catalog_class right = *b;
	char text[2][CLASS_TEXT_MAX_LEN + 1];

	left.number = right.number = 0;
	class_text_format(&left, text[0]);
	class_text_format(&right, text[1]);
	return strcmp(text[0], text[1]) == 0;
}

static int class_put_step(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	const char *name = op->class_record->name;
	const struct row *row = view_find(&catalog->view, RECORD_CLASS, name);
	const struct catalog_class *known = row ? row->record : NULL;
	uint64_t number = known ? known->number : 0;

	/* Also where its own transaction, of unknown outcome, has happened. */
	if (known && class_same(known, op->class_record))
		return OP_FINISHED;
	if (op->above != 0 && op->above != number)
		return error_set(error, -ESTALE,
			"class %s has version %llu by now, not %llu: look at it again, with `quoin class "
			"show %s`",
			name, (unsigned long long)number, (unsigned long long)op->above, name);
	op->class_record->number = number + 1;
	txn_if_revision(txn, catalog, RECORD_CLASS, name, row_revision(row));
	txn_put(txn, catalog, RECORD_CLASS, name, op->class_record, 0);
	return 0;
}

static const struct op_kind class_put_kind = { "write the class", class_put_step };

void catalog_class_put(struct catalog *catalog, const struct catalog_class *class, uint32_t timeout_ms,
	catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &class_put_kind, timeout_ms, arg);

	op->fn = fn;
	op->class_record = malloc(sizeof(*class));
	ASSERT(op->class_record); /* as in op_new() */
	*op->class_record = *class;
	op->above = class->number;
	op->early_rc = name_check("class name", class->name, &op->error);
	op_start(op);
}

/* The volumes of this class, with the names of some. */
static unsigned class_users(const struct catalog *catalog, const char *name, char *text, size_t text_bytes)
{
	const struct catalog_volume *volume;
	unsigned count = 0;
	size_t len = 0;

	text[0] = 0;
	for (size_t i = 0; (volume = catalog_volume_by_name_at(catalog, i)); i++) {
		if (strcmp(volume->class_name, name) != 0)
			continue;
		if (count++ < 3 && len + NAME_MAX_LEN + 3 < text_bytes)
			len += (size_t)snprintf(
				text + len, text_bytes - len, "%s%s", count > 1 ? ", " : "", volume->name);
	}
	if (count > 3)
		(void)snprintf(text + len, text_bytes - len, " ...");
	return count;
}

static int class_remove_step(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	const char *name = op->class_record->name;
	const struct row *row = view_find(&catalog->view, RECORD_CLASS, name);
	char users[4 * (NAME_MAX_LEN + 3)];
	unsigned count;

	if (!row)
		return op->uncertain ? OP_FINISHED : error_set(error, -ENOENT, "there is no class %s", name);
	if (strcmp(name, "default") == 0)
		return error_set(error, -EBUSY,
			"class default can't be removed: it is the one of volumes that name none");
	count = class_users(catalog, name, users, sizeof(users));
	if (count > 0)
		return error_set(error, -EBUSY, "class %s is used by %u volume%s (%.200s)", name, count,
			count == 1 ? "" : "s", users);
	txn_if_revision(txn, catalog, RECORD_CLASS, name, row->revision);
	txn_delete(txn, catalog, RECORD_CLASS, name);
	return 0;
}

static const struct op_kind class_remove_kind = { "remove the class", class_remove_step };

void catalog_class_remove(
	struct catalog *catalog, const char *name, uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &class_remove_kind, timeout_ms, arg);

	op->fn = fn;
	op->class_record = calloc(1, sizeof(*op->class_record));
	ASSERT(op->class_record);
	op->early_rc = name_check("class name", name, &op->error);
	(void)snprintf(op->class_record->name, sizeof(op->class_record->name), "%s", name);
	op_pin(op, catalog_pin_all(catalog));
	op_start(op);
}
