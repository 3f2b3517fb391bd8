/* Lookups in the view. */
#include "catalog/catalog_private.h"

#include <errno.h>

const struct catalog_cluster *catalog_cluster(const struct catalog *catalog)
{
	const struct row *row = view_find(&catalog->view, RECORD_CLUSTER, "cluster");
	const struct record_cluster *record = row ? row->record : NULL;

	return record ? &record->cluster : NULL;
}

int catalog_node_find(const struct catalog *catalog, const char *name, const struct catalog_node **ret_node,
	struct error *error)
{
	const struct row *row = view_find(&catalog->view, RECORD_NODE, name);
	int rc = row_check(row, "node", name, error);

	if (rc == 0)
		*ret_node = row->record;
	return rc;
}

int catalog_pool_find(const struct catalog *catalog, struct uuid pool, const struct catalog_pool **ret_pool,
	struct error *error)
{
	char text[UUID_TEXT_LEN + 1];
	const struct row *row = view_find(&catalog->view, RECORD_POOL, uuid_format(pool, text));
	int rc = row_check(row, "pool", text, error);

	if (rc == 0)
		*ret_pool = row->record;
	return rc;
}

int catalog_class_find(const struct catalog *catalog, const char *name,
	const struct catalog_class **ret_class, struct error *error)
{
	const struct row *row = view_find(&catalog->view, RECORD_CLASS, name);
	int rc = row_check(row, "class", name, error);

	if (rc == 0)
		*ret_class = row->record;
	return rc;
}

int catalog_volume_find(const struct catalog *catalog, const char *name,
	const struct catalog_volume **ret_volume, struct error *error)
{
	const struct row *row = view_find(&catalog->view, RECORD_NAME, name);
	int rc = row_check(row, "volume", name, error);

	if (rc != 0)
		return rc;
	row = view_find_uuid(
		&catalog->view, RECORD_VOLUME, ((const struct record_name *)row->record)->volume);
	rc = row_check(row, "volume", name, error);
	if (rc == 0)
		*ret_volume = row->record;
	return rc;
}

int catalog_volume_find_uuid(const struct catalog *catalog, struct uuid volume,
	const struct catalog_volume **ret_volume, struct error *error)
{
	char text[UUID_TEXT_LEN + 1];
	const struct row *row = view_find(&catalog->view, RECORD_VOLUME, uuid_format(volume, text));
	int rc = row_check(row, "volume", text, error);

	if (rc == 0)
		*ret_volume = row->record;
	return rc;
}

bool catalog_is_voter(const struct catalog_shard *shard, struct uuid replica)
{
	return uuid_is_among(shard->voters, shard->voter_count, replica) ||
	       uuid_is_among(shard->next_voters, shard->next_voter_count, replica);
}

const struct catalog_replica *catalog_volume_replica(
	const struct catalog_volume *volume, struct uuid replica, const struct catalog_shard **ret_shard)
{
	for (unsigned s = 0; s < volume->shard_count; s++) {
		const struct catalog_shard *shard = &volume->shards[s];

		for (unsigned i = 0; i < shard->replica_count; i++) {
			if (!uuid_equal(shard->replicas[i].replica, replica))
				continue;
			if (ret_shard)
				*ret_shard = shard;
			return &shard->replicas[i];
		}
	}
	return NULL;
}

const struct catalog_shard *catalog_shard_find(const struct catalog_volume *volume, struct uuid group)
{
	for (unsigned s = 0; s < volume->shard_count; s++)
		if (uuid_equal(volume->shards[s].group, group))
			return &volume->shards[s];
	return NULL;
}

uint64_t catalog_replica_bytes(const struct catalog_volume *volume)
{
	return shard_size_bytes(volume->size_bytes, volume->shard_count, volume->stripe_bytes);
}

/* ---- iteration ---- */

/* The index-th row that is readable. */
static const void *record_at(const struct catalog *catalog, enum record_kind kind, size_t index)
{
	const struct table *table = &catalog->view.tables[kind];

	if (table->damaged == 0)
		return index < table->count ? table->rows[index].record : NULL;
	for (size_t i = 0; i < table->count; i++) {
		if (table->rows[i].record && index-- == 0)
			return table->rows[i].record;
	}
	return NULL;
}

const struct catalog_node *catalog_node_at(const struct catalog *catalog, size_t index)
{
	return record_at(catalog, RECORD_NODE, index);
}

const struct catalog_pool *catalog_pool_at(const struct catalog *catalog, size_t index)
{
	return record_at(catalog, RECORD_POOL, index);
}

const struct catalog_class *catalog_class_at(const struct catalog *catalog, size_t index)
{
	return record_at(catalog, RECORD_CLASS, index);
}

const struct catalog_volume *catalog_volume_at(const struct catalog *catalog, size_t index)
{
	return record_at(catalog, RECORD_VOLUME, index);
}

size_t catalog_watched_count(const struct catalog *catalog)
{
	const struct table *volumes = &catalog->view.tables[RECORD_VOLUME];
	size_t count = 0;

	for (size_t i = 0; i < volumes->count; i++)
		count += volumes->rows[i].watched;
	return count;
}

const struct catalog_volume *catalog_group_at(const struct catalog *catalog, const char *group, size_t index)
{
	return view_copy_at(&catalog->view, RECORD_GROUP, group, index);
}

static const struct catalog_volume *named_volume(
	const struct catalog *catalog, const struct record_name *name)
{
	const struct row *row = name ? view_find_uuid(&catalog->view, RECORD_VOLUME, name->volume) : NULL;

	return row ? row->record : NULL;
}

const struct catalog_volume *catalog_volume_by_name_at(const struct catalog *catalog, size_t index)
{
	const struct table *names = &catalog->view.tables[RECORD_NAME];
	const struct catalog_volume *volume;

	if (names->damaged == 0 && catalog->view.tables[RECORD_VOLUME].damaged == 0)
		return index < names->count ? named_volume(catalog, names->rows[index].record) : NULL;
	for (size_t i = 0; i < names->count; i++) {
		volume = named_volume(catalog, names->rows[i].record);
		if (volume && index-- == 0)
			return volume;
	}
	return NULL;
}
