/*
 * What is written beside a volume's record, from it and in the same transaction, so that an agent watches
 * what concerns it, and nothing else (docs/scaling.md):
 *
 *   volume/UUID        the record
 *   at/NODE/UUID       the same bytes, for each node that it concerns: the replicas', the holder's, viewers'
 *   group/GROUP/UUID   where the volume belongs to a group: what placement asks of its fellows
 *   clone/ORIGIN/UUID  where it is a clone: what those ask who work on its origin
 *
 * All copies of at/ are written anew with each write of the record: their mod_revision is the record's own,
 * so a compare-and-set of the record may be computed from any of them. The other two are written only where
 * what they say changes: every agent watches them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/catalog_private.h"

/* ---- whom it concerns ---- */

struct concerned {
	size_t count;
	const char *nodes[KVDB_MAX_TXN_OPS];
	bool too_many;
};

static bool concerns(const struct concerned *concerned, const char *node)
{
	for (size_t i = 0; i < concerned->count; i++)
		if (strcmp(concerned->nodes[i], node) == 0)
			return true;
	return false;
}

static void concern(struct concerned *concerned, const char *node)
{
	if (!node[0] || concerns(concerned, node))
		return;
	if (concerned->count == KVDB_MAX_TXN_OPS)
		concerned->too_many = true;
	else
		concerned->nodes[concerned->count++] = node;
}

static void concerned_read(const struct catalog_volume *volume, struct concerned *ret_concerned)
{
	*ret_concerned = (struct concerned){ 0 };
	if (!volume)
		return;
	for (unsigned s = 0; s < volume->shard_count; s++)
		for (unsigned i = 0; i < volume->shards[s].replica_count; i++)
			if (catalog_is_voter(&volume->shards[s], volume->shards[s].replicas[i].replica) ||
				!MUTANT(copy_not_of_learner))
				concern(ret_concerned, volume->shards[s].replicas[i].node);
	if (!uuid_is_none(volume->holder.attachment))
		concern(ret_concerned, volume->holder.node);
	for (unsigned i = 0; i < volume->viewer_count; i++)
		concern(ret_concerned, volume->viewers[i].node);
}

bool catalog_volume_concerns(const struct catalog_volume *volume, const char *node)
{
	struct concerned concerned;

	concerned_read(volume, &concerned);
	return concerns(&concerned, node);
}

/* ---- keys ---- */

/* "NAME/UUID" */
static const char *copy_name(char text[static KEY_MAX_LEN + 1], const char *name, struct uuid volume)
{
	char uuid[UUID_TEXT_LEN + 1];

	(void)snprintf(text, KEY_MAX_LEN + 1, "%s/%s", name, uuid_format(volume, uuid));
	return text;
}

/* ---- for all ---- */

/* What a group's fellows and an origin's users are asked for, and nothing that changes more often. */
static struct catalog_volume digest(const struct catalog_volume *volume)
{
	struct catalog_volume digest = *volume;

	digest.holder = (struct catalog_holder){ 0 };
	digest.epoch_number = 0;
	digest.fs_made = false;
	digest.limit_iops = digest.limit_bytes_per_s = 0;
	digest.sticky = false;
	import_clear(&digest);
	digest.label_count = digest.snapshot_count = digest.viewer_count = 0;
	return digest;
}

static bool digests_same(const struct catalog_volume *a, const struct catalog_volume *b)
{
	struct catalog_volume left = digest(a), right = digest(b);
	struct record_bytes bytes[2] = { { 0 }, { 0 } };
	bool same = record_encode(RECORD_VOLUME, &left, &bytes[0]) == 0 &&
		    record_encode(RECORD_VOLUME, &right, &bytes[1]) == 0 &&
		    bytes[0].len_bytes == bytes[1].len_bytes &&
		    memcmp(bytes[0].bytes, bytes[1].bytes, bytes[0].len_bytes) == 0;

	free(bytes[0].bytes);
	free(bytes[1].bytes);
	return same;
}

static bool has_digest(const struct catalog_volume *volume, enum record_kind kind)
{
	return volume && volume->state == CATALOG_VOLUME_READY &&
	       (kind == RECORD_GROUP ? volume->group_name[0] != 0 : !uuid_is_none(volume->origin));
}

/* A volume's group and origin never change. */
static void digest_write(struct op_txn *txn, const struct catalog *catalog, enum record_kind kind,
	const struct catalog_volume *was, const struct catalog_volume *is)
{
	const struct catalog_volume *any = is ? is : was;
	char name[KEY_MAX_LEN + 1], origin[UUID_TEXT_LEN + 1];
	struct catalog_volume record;

	(void)copy_name(
		name, kind == RECORD_GROUP ? any->group_name : uuid_format(any->origin, origin), any->volume);
	if (has_digest(was, kind) && !has_digest(is, kind)) {
		txn_delete(txn, catalog, kind, name);
	} else if (has_digest(is, kind) && (!has_digest(was, kind) || !digests_same(was, is))) {
		record = digest(is);
		txn_put(txn, catalog, kind, name, &record, 0);
	}
}

/* ---- all of it ---- */

void txn_write_volume(struct op_txn *txn, const struct catalog *catalog, const struct catalog_volume *was,
	const struct catalog_volume *is)
{
	const struct catalog_volume *any = is ? is : was;
	struct concerned before, after;
	char name[KEY_MAX_LEN + 1];

	ASSERT(any && (!was || !is || uuid_equal(was->volume, is->volume)));
	concerned_read(was, &before);
	concerned_read(is, &after);
	if (after.too_many)
		txn->failed = -E2BIG;
	(void)uuid_format(any->volume, name);
	if (is)
		txn_put(txn, catalog, RECORD_VOLUME, name, is, 0);
	else
		txn_delete(txn, catalog, RECORD_VOLUME, name);
	for (size_t i = 0; i < after.count; i++) {
		if (concerns(&before, after.nodes[i]) && MUTANT(copy_not_rewritten))
			continue;
		txn_put(txn, catalog, RECORD_AT, copy_name(name, after.nodes[i], any->volume), is, 0);
	}
	for (size_t i = 0; i < before.count; i++)
		if (!concerns(&after, before.nodes[i]) && !MUTANT(copy_not_deleted))
			txn_delete(txn, catalog, RECORD_AT, copy_name(name, before.nodes[i], any->volume));
	digest_write(txn, catalog, RECORD_GROUP, was, is);
	digest_write(txn, catalog, RECORD_CLONE, was, is);
}
