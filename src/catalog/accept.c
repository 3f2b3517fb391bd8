/*
 *   identify -> list -> compare with the frozen view -> (told) -> transactions, one by one -> thawed ->
 * listed anew
 *
 * Epochs and the numbers of members never go back in one history, so the greater one is the newer fact,
 * whoever has put it there.
 */
#include "catalog/accept.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/catalog_private.h"

struct accept {
	struct catalog *catalog;
	bool carry_out;
	uint32_t timeout_ms;
	void (*line)(void *arg, const char *text);
	catalog_done_fn fn;
	void *arg;
	bool is_owner;   /* of catalog->accepting */
	struct view now; /* what the kvdb says */
	struct uuid database;
	uint64_t revision;
	struct listing listing;
	struct op_txn **txns;
	const struct catalog_volume **volumes; /* as they stand in the end */
	size_t txn_count, next, volume_count, merged_count;
	struct catalog_volume **merged; /* of those, the ones made here */
};

static void accept_end(struct accept *accept, int rc, const struct error *error)
{
	static const struct error none;

	if (accept->is_owner)
		accept->catalog->accepting = false;
	if (rc == 0 && accept->carry_out && !accept->catalog->closing)
		catalog_thaw(accept->catalog, accept->database, accept->revision);
	accept->fn(accept->arg, rc, error ? error : &none);
	view_done(&accept->now);
	for (size_t i = 0; i < accept->txn_count; i++) {
		txn_done(accept->txns[i]);
		free(accept->txns[i]);
	}
	for (size_t i = 0; i < accept->merged_count; i++)
		catalog_volume_free(accept->merged[i]);
	free(accept->merged);
	free(accept->txns);
	free(accept->volumes);
	free(accept);
}

static void tell(struct accept *accept, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(struct accept *accept, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	accept->line(accept->arg, text);
}

/* Memory that can't be had ends the program, as in view.c. */
static struct op_txn *txn_new(struct accept *accept)
{
	struct op_txn *txn = calloc(1, sizeof(*txn));

	accept->txns = reallocarray(accept->txns, accept->txn_count + 1, sizeof(struct op_txn *));
	ASSERT(txn && accept->txns);
	accept->txns[accept->txn_count++] = txn;
	return txn;
}

static void volume_add(struct accept *accept, const struct catalog_volume *volume)
{
	accept->volumes =
		reallocarray(accept->volumes, accept->volume_count + 1, sizeof(struct catalog_volume *));
	ASSERT(accept->volumes);
	accept->volumes[accept->volume_count++] = volume;
}

/* ---- volumes ---- */

/* The name of a volume that is put back; false: it is another's by now. */
static bool name_put(struct accept *accept, struct op_txn *txn, const struct catalog_volume *volume)
{
	const struct row *row = view_find(&accept->now, RECORD_NAME, volume->name);
	const struct record_name *name = row ? row->record : NULL;
	struct record_name record = { .volume = volume->volume };
	bool is_own = name && uuid_equal(name->volume, volume->volume);

	if (volume->state == CATALOG_VOLUME_DELETING) {
		if (is_own) {
			txn_if_revision(txn, accept->catalog, RECORD_NAME, volume->name, row->revision);
			txn_delete(txn, accept->catalog, RECORD_NAME, volume->name);
		}
		return true;
	}
	if (is_own)
		return true;
	if (name)
		return false;
	txn_if_revision(txn, accept->catalog, RECORD_NAME, volume->name, row_revision(row));
	txn_put(txn, accept->catalog, RECORD_NAME, volume->name, &record, 0);
	return true;
}

static void volume_told(
	struct accept *accept, const struct catalog_volume *seen, const struct catalog_volume *backup)
{
	char uuid[UUID_TEXT_LEN + 1];

	if (!backup)
		tell(accept, "volume %s (%s): made after the backup; its record is put back", seen->name,
			uuid_format(seen->volume, uuid));
	else
		tell(accept,
			"volume %s: epoch %llu in the backup, %llu since; members number %llu in the backup, "
			"%llu since; the newer ones are put back",
			seen->name, (unsigned long long)backup->epoch_number,
			(unsigned long long)seen->epoch_number, (unsigned long long)members_number(backup),
			(unsigned long long)members_number(seen));
}

static struct catalog_volume *merge(
	struct accept *accept, const struct catalog_volume *seen, const struct catalog_volume *backup)
{
	struct catalog_volume *merged = members_merge(seen, backup);

	accept->merged = reallocarray(accept->merged, accept->merged_count + 1, sizeof(merged));
	ASSERT(merged && accept->merged);
	accept->merged[accept->merged_count++] = merged;
	return merged;
}

/* A volume of the frozen view. */
static void plan_seen(struct accept *accept, const struct row *row)
{
	const struct catalog_volume *seen = row->record;
	const struct row *now = view_find(&accept->now, RECORD_VOLUME, row->name);
	const struct catalog_volume *backup = now ? now->record : NULL;
	struct catalog_volume *merged;
	struct op_txn *txn;

	if (!seen || (!now && seen->state == CATALOG_VOLUME_DELETING))
		return;
	if (backup && seen->epoch_number <= backup->epoch_number && !members_are_newer(seen, backup) &&
		seen->state == backup->state) {
		volume_add(accept, backup);
		return;
	}
	merged = merge(accept, seen, backup);
	txn = txn_new(accept);
	if (!name_put(accept, txn, seen)) {
		txn_done(txn);
		tell(accept,
			"volume %s, made after the backup, can't be put back: its name is another's by now; "
			"its replicas are kept",
			seen->name);
		return;
	}
	volume_told(accept, seen, backup);
	txn_if_revision(txn, accept->catalog, RECORD_VOLUME, row->name, row_revision(now));
	txn_write_volume(txn, accept->catalog, backup, merged);
	volume_add(accept, merged);
}

/* A volume of the backup that the frozen view doesn't have. */
static void plan_unseen(struct accept *accept, const struct row *row)
{
	const struct catalog_volume *backup = row->record;
	const struct catalog *catalog = accept->catalog;

	if (!backup || view_find(&accept->catalog->view, RECORD_VOLUME, row->name))
		return;
	volume_add(accept, backup);
	/* Other nodes know of those that don't concern this one. */
	if (catalog->view.part_of && !catalog_volume_concerns(backup, catalog->options.node))
		return;
	if (catalog->opened)
		tell(accept,
			"volume %s: %s after the backup; its record is in the kvdb again. If it was removed, "
			"its data is gone: remove it again",
			backup->name, catalog->view.part_of ? "moved away, or removed," : "removed");
}

/* ---- what is promised on the pools: counted anew ---- */

static void plan_reservation(struct accept *accept, const char *pool)
{
	const struct row *seen = view_find(&accept->catalog->view, RECORD_RESERVATION, pool);
	const struct row *now = view_find(&accept->now, RECORD_RESERVATION, pool);
	const struct record_reservation *was = now ? now->record : NULL, *known = was;
	struct record_reservation sum;
	struct op_txn *txn;
	struct uuid uuid;

	if (uuid_parse(pool, &uuid))
		return;
	sum = members_reserved(accept->volumes, accept->volume_count, uuid);
	if (seen && seen->record)
		known = seen->record;
	sum.draining = known && known->draining;
	sum.replaced_by = known ? known->replaced_by : sum.replaced_by;
	if (was ? was->provisioned_bytes == sum.provisioned_bytes && was->thick_bytes == sum.thick_bytes &&
				was->replica_count == sum.replica_count && was->draining == sum.draining &&
				uuid_equal(was->replaced_by, sum.replaced_by)
		: !now && sum.replica_count == 0 && !sum.draining)
		return;
	txn = txn_new(accept);
	txn_if_revision(txn, accept->catalog, RECORD_RESERVATION, pool, row_revision(now));
	txn_put(txn, accept->catalog, RECORD_RESERVATION, pool, &sum, 0);
}

/* ---- all of it ---- */

static void plan_missing(struct accept *accept, enum record_kind kind)
{
	const struct table *seen = &accept->catalog->view.tables[kind];

	for (size_t i = 0; i < seen->count; i++) {
		const struct row *row = &seen->rows[i];
		struct op_txn *txn;

		if (!row->record || view_find(&accept->now, kind, row->name))
			continue;
		txn = txn_new(accept);
		txn_if_revision(txn, accept->catalog, kind, row->name, 0);
		txn_put(txn, accept->catalog, kind, row->name, row->record, 0);
		tell(accept, "%s %s: made after the backup; its record is put back", key_kind_text(kind),
			row->name);
	}
}

static int plan(struct accept *accept, struct error *error)
{
	struct catalog *catalog = accept->catalog;
	const struct row *seen = view_find(&catalog->view, RECORD_CLUSTER, "cluster");
	const struct row *now = view_find(&accept->now, RECORD_CLUSTER, "cluster");
	const struct record_cluster *is = now ? now->record : NULL;
	const struct record_cluster *was = seen ? seen->record : NULL;
	const struct table *volumes = &catalog->view.tables[RECORD_VOLUME];

	if (!is)
		return error_set(error, -ESTALE,
			"the metadata database knows no cluster %s: this is no backup of it",
			catalog->cluster);
	if (was && !uuid_equal(is->cluster.cluster, was->cluster.cluster))
		return error_set(error, -ESTALE, "the metadata database is another cluster's");
	if (!catalog->opened)
		tell(accept, "this agent was restarted since, and has no newer facts than the backup: epochs "
			     "are raised by the replicas when volumes are attached; what else was changed "
			     "after the backup is put back only where an agent has run since before");
	for (size_t i = 0; i < volumes->count; i++)
		plan_seen(accept, &volumes->rows[i]);
	for (size_t i = 0; i < accept->now.tables[RECORD_VOLUME].count; i++)
		plan_unseen(accept, &accept->now.tables[RECORD_VOLUME].rows[i]);
	plan_missing(accept, RECORD_CLASS);
	plan_missing(accept, RECORD_NODE);
	plan_missing(accept, RECORD_POOL);
	for (size_t i = 0; i < catalog->view.tables[RECORD_POOL].count; i++)
		plan_reservation(accept, catalog->view.tables[RECORD_POOL].rows[i].name);
	return 0;
}

static void accept_next(struct accept *accept);

static int changed_meanwhile(struct error *error)
{
	return error_set(error, -EAGAIN, "somebody else has changed the kvdb meanwhile: try again");
}

static void accept_written(void *arg, const struct kvdb_result *result)
{
	struct accept *accept = arg;
	struct error error;

	catalog_heard(accept->catalog, result);
	if (result->rc == KVDB_LOST) {
		accept_end(accept, changed_meanwhile(&error), &error);
	} else if (result->rc != 0) {
		accept_end(accept, result->rc, result->error);
	} else {
		accept->revision = result->revision;
		accept_next(accept);
	}
}

static void accept_next(struct accept *accept)
{
	struct op_txn *txn;
	struct kvdb_txn request;
	struct error error;

	/* Emptied where its name was taken. */
	while (accept->next < accept->txn_count && !accept->txns[accept->next]->write_count &&
		!accept->txns[accept->next]->failed)
		accept->next++;
	if (!accept->carry_out || accept->next == accept->txn_count) {
		accept_end(accept, 0, NULL);
		return;
	}
	txn = accept->txns[accept->next++];
	if (txn->failed) {
		accept_end(accept,
			error_set(&error, txn->failed, "can't put a record back: %s", strerror(-txn->failed)),
			&error);
		return;
	}
	request = (struct kvdb_txn){ txn->compares, txn->compare_count, txn->writes, txn->write_count };
	kvdb_transact(accept->catalog->kvdb, &request, accept->timeout_ms, accept_written, accept);
}

static void accept_item(struct listing *listing, const struct kvdb_item *item)
{
	struct accept *accept = container_of(listing, struct accept, listing);

	view_apply(
		accept->catalog, &accept->now, item->key, item->value, item->value_bytes, item->mod_revision);
}

static void accept_listed(struct listing *listing, int rc, const struct error *why)
{
	struct accept *accept = container_of(listing, struct accept, listing);
	struct error error;

	if (rc != 0) {
		accept_end(accept, rc, why);
		return;
	}
	accept->revision = listing->revision;
	rc = listing->first_revision == listing->revision ? plan(accept, &error) : changed_meanwhile(&error);
	if (rc != 0)
		accept_end(accept, rc, &error);
	else
		accept_next(accept);
}

static void accept_identified(void *arg, const struct kvdb_result *result)
{
	struct accept *accept = arg;
	struct catalog *catalog = accept->catalog;
	struct error error;
	int rc = result->rc;

	catalog_heard(catalog, result);
	if (rc == 0 && !catalog->frozen)
		rc = error_set(&error, -EPERM,
			"the metadata database has not gone back to an older state: there is nothing to "
			"accept");
	else if (rc == 0 && catalog->accepting)
		rc = error_set(&error, -EBUSY, "the restored metadata database is being accepted already");
	else if (rc != 0)
		error = *result->error;
	if (rc != 0) {
		accept_end(accept, rc, &error);
		return;
	}
	catalog->accepting = accept->is_owner = true;
	accept->database = result->database;
	listing_begin(
		&accept->listing, catalog, catalog->prefix, accept->timeout_ms, accept_item, accept_listed);
}

void catalog_accept_restore(struct catalog *catalog, bool carry_out, uint32_t timeout_ms,
	void (*line)(void *arg, const char *text), catalog_done_fn fn, void *arg)
{
	struct accept *accept = calloc(1, sizeof(*accept));

	ASSERT(accept && !catalog->closing);
	*accept = (struct accept){ .catalog = catalog,
		.carry_out = carry_out,
		.timeout_ms = timeout_ms,
		.line = line,
		.fn = fn,
		.arg = arg };
	kvdb_identify(catalog->kvdb, timeout_ms, accept_identified, accept);
}
