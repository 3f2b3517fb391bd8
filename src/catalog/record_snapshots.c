/* Of a volume's record: its snapshots, who has them attached, and from what its content comes. */
#include "catalog/record_codec.h"
#include "catalog/snapshots.h"

#include <errno.h>
#include <stdlib.h>

int snapshots_in(const Quoin__Catalog__Volume *message, struct catalog_volume *to, struct error *error)
{
	int rc = 0;

	if (message->n_snapshots > CATALOG_MAX_SNAPSHOTS)
		return error_set(error, -EBADMSG, "it has %zu snapshots, at most %u are possible",
			message->n_snapshots, CATALOG_MAX_SNAPSHOTS);
	if (message->n_snapshots == 0)
		return 0;
	to->snapshots = calloc(message->n_snapshots, sizeof(*to->snapshots));
	if (!to->snapshots)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < message->n_snapshots && rc == 0; i++) {
		const Quoin__Catalog__Snapshot *from = message->snapshots[i];
		struct catalog_snapshot *snapshot = &to->snapshots[to->snapshot_count++];

		rc = uuid_in("snapshot", from->snapshot, &snapshot->snapshot, error);
		if (rc == 0)
			rc = name_in("snapshot's name", from->name, snapshot->name, error);
		if (rc == 0 && from->state > CATALOG_SNAPSHOT_RESTORING)
			rc = error_set(
				error, -EBADMSG, "the state of one of its snapshots is %u", from->state);
		if (rc == 0 && from->import_of.len > 0)
			rc = uuid_in("snapshot that one is a copy of", from->import_of, &snapshot->import_of,
				error);
		snapshot->created_ns = from->created_ns;
		snapshot->period_s = from->period_s;
		snapshot->state = (enum catalog_snapshot_state)from->state;
	}
	return rc;
}

void snapshot_out(const struct catalog_snapshot *record, Quoin__Catalog__Snapshot *to)
{
	quoin__catalog__snapshot__init(to);
	to->snapshot = uuid_out(&record->snapshot);
	to->name = (char *)(uintptr_t)record->name;
	to->created_ns = record->created_ns;
	to->state = (uint32_t)record->state;
	to->period_s = record->period_s;
	if (!uuid_is_none(record->import_of))
		to->import_of = uuid_out(&record->import_of);
}

int viewers_in(const Quoin__Catalog__Volume *message, struct catalog_volume *to, struct error *error)
{
	int rc = 0;

	if (message->n_viewers > CATALOG_MAX_VIEWERS)
		return error_set(error, -EBADMSG, "it has %zu viewers, at most %u are possible",
			message->n_viewers, CATALOG_MAX_VIEWERS);
	if (message->n_viewers == 0)
		return 0;
	to->viewers = calloc(message->n_viewers, sizeof(*to->viewers));
	if (!to->viewers)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < message->n_viewers && rc == 0; i++) {
		const Quoin__Catalog__Viewer *from = message->viewers[i];
		struct catalog_viewer *viewer = &to->viewers[to->viewer_count++];

		rc = uuid_in("viewed snapshot", from->snapshot, &viewer->snapshot, error);
		if (rc == 0)
			rc = name_in("viewer's name", from->node, viewer->node, error);
		if (rc == 0)
			rc = uuid_in("viewer's session", from->session, &viewer->session, error);
	}
	return rc;
}

int origin_in(const Quoin__Catalog__Volume *message, struct catalog_volume *to, struct error *error)
{
	int rc;

	if (!message->origin)
		return 0;
	rc = uuid_in("origin", message->origin->volume, &to->origin, error);
	if (rc == 0)
		rc = uuid_in("origin's snapshot", message->origin->snapshot, &to->origin_snapshot, error);
	return rc;
}

Quoin__Catalog__Origin *origin_out(const struct catalog_volume *record, Quoin__Catalog__Origin *to)
{
	if (uuid_is_none(record->origin))
		return NULL;
	quoin__catalog__origin__init(to);
	to->volume = uuid_out(&record->origin);
	to->snapshot = uuid_out(&record->origin_snapshot);
	return to;
}

int import_in(const Quoin__Catalog__Volume *message, struct catalog_volume *to, struct error *error)
{
	int rc;

	if (!message->import)
		return 0;
	rc = uuid_in("import", message->import->import, &to->import, error);
	if (rc == 0 && message->import->onto.len > 0)
		rc = uuid_in("snapshot below its import", message->import->onto, &to->import_base, error);
	return rc;
}

Quoin__Catalog__Import *import_out(const struct catalog_volume *record, Quoin__Catalog__Import *to)
{
	if (uuid_is_none(record->import))
		return NULL;
	quoin__catalog__import__init(to);
	to->import = uuid_out(&record->import);
	if (!uuid_is_none(record->import_base))
		to->onto = uuid_out(&record->import_base);
	return to;
}
