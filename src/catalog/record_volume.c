/* The record of a volume. */
#include "catalog/record_codec.h"
#include "catalog/snapshots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct catalog_volume *catalog_volume_copy(const struct catalog_volume *volume)
{
	struct catalog_volume *copy = malloc(sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *volume;
	copy->shards = calloc(volume->shard_count + 1, sizeof(*copy->shards));
	copy->labels = calloc(volume->label_count + 1, sizeof(*copy->labels));
	/* Room for one more. */
	copy->snapshots = calloc(volume->snapshot_count + 1, sizeof(*copy->snapshots));
	copy->viewers = calloc(volume->viewer_count + 1, sizeof(*copy->viewers));
	if (!copy->shards || !copy->labels || !copy->snapshots || !copy->viewers) {
		catalog_volume_free(copy);
		return NULL;
	}
	if (volume->shard_count > 0)
		memcpy(copy->shards, volume->shards, volume->shard_count * sizeof(*copy->shards));
	if (volume->label_count > 0)
		memcpy(copy->labels, volume->labels, volume->label_count * sizeof(*copy->labels));
	if (volume->snapshot_count > 0)
		memcpy(copy->snapshots, volume->snapshots, volume->snapshot_count * sizeof(*copy->snapshots));
	if (volume->viewer_count > 0)
		memcpy(copy->viewers, volume->viewers, volume->viewer_count * sizeof(*copy->viewers));
	return copy;
}

void catalog_volume_free(struct catalog_volume *volume)
{
	if (!volume)
		return;
	free(volume->shards);
	free(volume->labels);
	free(volume->snapshots);
	free(volume->viewers);
	free(volume);
}

/* ---- in ---- */

static bool shard_has(const struct catalog_shard *shard, struct uuid replica)
{
	for (unsigned i = 0; i < shard->replica_count; i++) {
		if (uuid_equal(shard->replicas[i].replica, replica))
			return true;
	}
	return false;
}

static int voters_in(const struct catalog_shard *shard, const ProtobufCBinaryData *voters, size_t count,
	struct uuid to[static GROUP_MAX_VOTERS], struct error *error)
{
	int rc = 0;

	if (count > GROUP_MAX_VOTERS)
		return error_set(error, -EBADMSG, "it has %zu voters, at most %u are possible", count,
			GROUP_MAX_VOTERS);
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = uuid_in("voter", voters[i], &to[i], error);
		if (rc == 0 && !shard_has(shard, to[i]))
			rc = error_set(error, -EBADMSG, "one of its voters is not among its replicas");
		for (size_t j = 0; j < i && rc == 0; j++) {
			if (uuid_equal(to[i], to[j]))
				rc = error_set(error, -EBADMSG, "one of its voters stands there twice");
		}
	}
	return rc;
}

static int replica_in(const Quoin__Catalog__Replica *message, struct catalog_replica *to, struct error *error)
{
	char node[NAME_MAX_LEN + 1] = "";
	int rc = uuid_in("replica", message->replica, &to->replica, error);

	if (rc == 0)
		rc = uuid_in("replica's pool", message->pool, &to->pool, error);
	if (rc == 0)
		rc = name_in("node name", message->node, node, error);
	to->node = text_intern(node);
	to->removed = message->removed;
	to->made = message->made;
	to->retired = message->retired;
	to->leaves = message->leaves;
	if (rc == 0 && message->replaces.len != 0)
		rc = uuid_in("replaced replica", message->replaces, &to->replaces, error);
	return rc;
}

static int shard_in(const Quoin__Catalog__Shard *message, struct catalog_shard *to, struct error *error)
{
	int rc = uuid_in("group", message->group, &to->group, error);

	if (rc == 0 && message->config_number == 0)
		rc = error_set(error, -EBADMSG, "its configuration has the number 0");
	if (rc == 0 && (message->n_replicas < 1 || message->n_replicas > CATALOG_MAX_REPLICAS))
		rc = error_set(error, -EBADMSG, "it has %zu replicas", message->n_replicas);
	if (rc == 0 && message->n_voters < 1)
		rc = error_set(error, -EBADMSG, "it has no voters");
	for (size_t i = 0; rc == 0 && i < message->n_replicas; i++) {
		struct catalog_replica replica = { 0 };

		rc = replica_in(message->replicas[i], &replica, error);
		if (rc == 0 && shard_has(to, replica.replica))
			rc = error_set(error, -EBADMSG, "one of its replicas stands there twice");
		to->replicas[to->replica_count++] = replica;
	}
	if (rc == 0)
		rc = voters_in(to, message->voters, message->n_voters, to->voters, error);
	if (rc == 0)
		rc = voters_in(to, message->next_voters, message->n_next_voters, to->next_voters, error);
	if (rc != 0)
		return rc;
	to->config_number = message->config_number;
	to->voter_count = (unsigned)message->n_voters;
	to->next_voter_count = (unsigned)message->n_next_voters;
	if (message->wanted_voters > GROUP_MAX_VOTERS)
		return error_set(error, -EBADMSG, "it wants %u voters", message->wanted_voters);
	to->wanted_voters = message->wanted_voters;
	return 0;
}

static int holder_in(const Quoin__Catalog__Holder *message, struct catalog_holder *to, struct error *error)
{
	int rc = name_in("holder's name", message->node, to->node, error);

	if (rc == 0)
		rc = uuid_in("holder's session", message->session, &to->session, error);
	if (rc == 0)
		rc = uuid_in("attachment", message->attachment, &to->attachment, error);
	to->since_ns = message->since_ns;
	to->steward = message->steward;
	return rc;
}

static int shards_in(const Quoin__Catalog__Volume *message, struct catalog_volume *to, struct error *error)
{
	int rc = 0;

	if (message->n_shards < 1 || message->n_shards > CATALOG_MAX_SHARDS)
		return error_set(error, -EBADMSG, "it has %zu shards", message->n_shards);
	to->shards = calloc(message->n_shards, sizeof(*to->shards));
	if (!to->shards)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < message->n_shards && rc == 0; i++)
		rc = shard_in(message->shards[i], &to->shards[to->shard_count++], error);
	to->stripe_bytes = message->stripe_bytes;
	if (rc == 0 && !stripe_is_valid(to))
		rc = error_set(error, -EBADMSG, "its stripes don't go with its shards");
	return rc;
}

static int labels_in(const Quoin__Catalog__Volume *message, struct catalog_volume *to, struct error *error)
{
	int rc = 0;

	if (message->n_labels > CATALOG_MAX_LABELS)
		return error_set(error, -EBADMSG, "it has %zu labels, at most %u are possible",
			message->n_labels, CATALOG_MAX_LABELS);
	if (message->n_labels == 0)
		return 0; /* most have none, and one label's room is half a kilobyte */
	to->labels = calloc(message->n_labels, sizeof(*to->labels));
	if (!to->labels)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < message->n_labels && rc == 0; i++) {
		struct catalog_label *label = &to->labels[to->label_count++];

		rc = text_in("label", message->labels[i]->name, label->name, CATALOG_LABEL_MAX_LEN, error);
		if (rc == 0)
			rc = text_in("label's value", message->labels[i]->value, label->value,
				CATALOG_LABEL_MAX_LEN, error);
	}
	return rc;
}

int volume_in(const Quoin__Catalog__Volume *message, struct catalog_volume *to, struct error *error)
{
	int rc = uuid_in("volume", message->volume, &to->volume, error);

	if (rc == 0)
		rc = name_in("volume name", message->name, to->name, error);
	if (rc == 0)
		rc = name_in("class name", message->class_name, to->class_name, error);
	if (rc == 0)
		rc = fs_in(message->fs, to->fs, error);
	if (rc == 0)
		rc = text_in("selector", message->selector, to->selector, VOLUME_SELECTOR_LEN, error);
	if (rc == 0)
		rc = name_or_none_in("group name", message->group_name, to->group_name, error);
	if (rc == 0 && ((message->tiers & ~CLASS_TIERS_ANY) != 0 || message->replicas > GROUP_MAX_VOTERS))
		rc = error_set(error, -EBADMSG, "its tiers are 0x%x, its replicas %u", message->tiers,
			message->replicas);
	if (rc == 0 && (message->size_bytes < VOLUME_MIN_BYTES || message->size_bytes > VOLUME_MAX_BYTES ||
			       message->size_bytes % GRAIN_BYTES != 0))
		rc = error_set(error, -EBADMSG,
			"its size is %llu bytes, not a multiple of %u from 32 MiB to 64 TiB",
			(unsigned long long)message->size_bytes, GRAIN_BYTES);
	if (rc == 0 && message->state > CATALOG_VOLUME_DELETING)
		rc = error_set(error, -EBADMSG, "its state is %u", message->state);
	if (rc == 0 && message->holder)
		rc = holder_in(message->holder, &to->holder, error);
	if (rc == 0)
		rc = shards_in(message, to, error);
	if (rc == 0)
		rc = labels_in(message, to, error);
	if (rc == 0)
		rc = snapshots_in(message, to, error);
	if (rc == 0)
		rc = viewers_in(message, to, error);
	if (rc == 0)
		rc = origin_in(message, to, error);
	if (rc == 0)
		rc = import_in(message, to, error);
	if (rc != 0)
		return rc;
	to->size_bytes = message->size_bytes;
	to->fs_made = message->fs_made;
	to->reads_quorum = message->reads_quorum;
	to->error_after_ms = message->error_after_ms;
	to->limit_iops = message->limit_iops;
	to->limit_bytes_per_s = message->limit_bytes_per_s;
	to->created_ns = message->created_ns;
	to->state = (enum catalog_volume_state)message->state;
	to->epoch_number = message->epoch_number;
	to->tiers = message->tiers;
	to->replicas = message->replicas;
	to->sticky = message->sticky;
	to->thick = message->thick;
	return 0;
}

/* ---- out ---- */

/* What the messages of one volume need while they are packed; they borrow all else from the record. */
struct shard_messages {
	Quoin__Catalog__Shard shard;
	Quoin__Catalog__Replica replicas[CATALOG_MAX_REPLICAS];
	Quoin__Catalog__Replica *replica_pointers[CATALOG_MAX_REPLICAS];
	ProtobufCBinaryData voters[GROUP_MAX_VOTERS];
	ProtobufCBinaryData next_voters[GROUP_MAX_VOTERS];
};

struct volume_messages {
	Quoin__Catalog__Holder holder;
	Quoin__Catalog__Origin origin;
	Quoin__Catalog__Import import;
	Quoin__Catalog__Label labels[CATALOG_MAX_LABELS];
	Quoin__Catalog__Label *label_pointers[CATALOG_MAX_LABELS];
	Quoin__Catalog__Shard *shard_pointers[CATALOG_MAX_SHARDS];
	Quoin__Catalog__Snapshot snapshots[CATALOG_MAX_SNAPSHOTS];
	Quoin__Catalog__Snapshot *snapshot_pointers[CATALOG_MAX_SNAPSHOTS];
	Quoin__Catalog__Viewer viewers[CATALOG_MAX_VIEWERS];
	Quoin__Catalog__Viewer *viewer_pointers[CATALOG_MAX_VIEWERS];
	struct shard_messages shards[]; /* shard_count of them */
};

static void shard_out(const struct catalog_shard *record, struct shard_messages *to)
{
	quoin__catalog__shard__init(&to->shard);
	to->shard.group = uuid_out(&record->group);
	to->shard.config_number = record->config_number;
	for (unsigned i = 0; i < record->replica_count; i++) {
		const struct catalog_replica *replica = &record->replicas[i];

		quoin__catalog__replica__init(&to->replicas[i]);
		to->replicas[i].replica = uuid_out(&replica->replica);
		to->replicas[i].pool = uuid_out(&replica->pool);
		to->replicas[i].node = (char *)(uintptr_t)replica->node;
		to->replicas[i].removed = replica->removed;
		to->replicas[i].made = replica->made;
		to->replicas[i].retired = replica->retired;
		to->replicas[i].leaves = replica->leaves;
		if (!uuid_is_none(replica->replaces))
			to->replicas[i].replaces = uuid_out(&replica->replaces);
		to->replica_pointers[i] = &to->replicas[i];
	}
	to->shard.n_replicas = record->replica_count;
	to->shard.replicas = to->replica_pointers;
	for (unsigned i = 0; i < record->voter_count; i++)
		to->voters[i] = uuid_out(&record->voters[i]);
	to->shard.n_voters = record->voter_count;
	to->shard.voters = to->voters;
	for (unsigned i = 0; i < record->next_voter_count; i++)
		to->next_voters[i] = uuid_out(&record->next_voters[i]);
	to->shard.n_next_voters = record->next_voter_count;
	to->shard.next_voters = to->next_voters;
	to->shard.wanted_voters = record->wanted_voters;
}

static void snapshots_out(
	const struct catalog_volume *record, struct volume_messages *parts, Quoin__Catalog__Volume *to)
{
	for (unsigned i = 0; i < record->snapshot_count; i++) {
		snapshot_out(&record->snapshots[i], &parts->snapshots[i]);
		parts->snapshot_pointers[i] = &parts->snapshots[i];
	}
	to->n_snapshots = record->snapshot_count;
	to->snapshots = parts->snapshot_pointers;
}

static void viewers_out(
	const struct catalog_volume *record, struct volume_messages *parts, Quoin__Catalog__Volume *to)
{
	for (unsigned i = 0; i < record->viewer_count; i++) {
		quoin__catalog__viewer__init(&parts->viewers[i]);
		parts->viewers[i].snapshot = uuid_out(&record->viewers[i].snapshot);
		parts->viewers[i].node = (char *)(uintptr_t)record->viewers[i].node;
		parts->viewers[i].session = uuid_out(&record->viewers[i].session);
		parts->viewer_pointers[i] = &parts->viewers[i];
	}
	to->n_viewers = record->viewer_count;
	to->viewers = parts->viewer_pointers;
}

static void volume_out(
	const struct catalog_volume *record, struct volume_messages *parts, Quoin__Catalog__Volume *to)
{
	quoin__catalog__volume__init(to);
	to->version = RECORD_VERSION;
	to->volume = uuid_out(&record->volume);
	to->name = (char *)(uintptr_t)record->name;
	to->size_bytes = record->size_bytes;
	to->class_name = (char *)(uintptr_t)record->class_name;
	to->fs = (char *)(uintptr_t)record->fs;
	to->fs_made = record->fs_made;
	to->reads_quorum = record->reads_quorum;
	to->error_after_ms = record->error_after_ms;
	to->limit_iops = record->limit_iops;
	to->limit_bytes_per_s = record->limit_bytes_per_s;
	to->created_ns = record->created_ns;
	to->state = (uint32_t)record->state;
	to->epoch_number = record->epoch_number;
	to->selector = (char *)(uintptr_t)record->selector;
	to->group_name = (char *)(uintptr_t)record->group_name;
	to->tiers = record->tiers;
	to->replicas = record->replicas;
	to->sticky = record->sticky;
	to->thick = record->thick;
	if (!uuid_is_none(record->holder.attachment)) {
		quoin__catalog__holder__init(&parts->holder);
		parts->holder.node = (char *)(uintptr_t)record->holder.node;
		parts->holder.session = uuid_out(&record->holder.session);
		parts->holder.attachment = uuid_out(&record->holder.attachment);
		parts->holder.since_ns = record->holder.since_ns;
		parts->holder.steward = record->holder.steward;
		to->holder = &parts->holder;
	}
	to->origin = origin_out(record, &parts->origin);
	to->import = import_out(record, &parts->import);
	for (unsigned i = 0; i < record->shard_count; i++) {
		shard_out(&record->shards[i], &parts->shards[i]);
		parts->shard_pointers[i] = &parts->shards[i].shard;
	}
	to->stripe_bytes = record->stripe_bytes;
	to->n_shards = record->shard_count;
	to->shards = parts->shard_pointers;
	for (unsigned i = 0; i < record->label_count; i++) {
		quoin__catalog__label__init(&parts->labels[i]);
		parts->labels[i].name = (char *)(uintptr_t)record->labels[i].name;
		parts->labels[i].value = (char *)(uintptr_t)record->labels[i].value;
		parts->label_pointers[i] = &parts->labels[i];
	}
	to->n_labels = record->label_count;
	to->labels = parts->label_pointers;
	snapshots_out(record, parts, to);
	viewers_out(record, parts, to);
}

int volume_pack(const struct catalog_volume *record, struct record_bytes *ret_bytes)
{
	struct volume_messages *parts;
	Quoin__Catalog__Volume message;
	int rc;

	if (record->shard_count > CATALOG_MAX_SHARDS || record->label_count > CATALOG_MAX_LABELS ||
		record->snapshot_count > CATALOG_MAX_SNAPSHOTS || record->viewer_count > CATALOG_MAX_VIEWERS)
		return -EINVAL;
	parts = calloc(1, sizeof(*parts) + record->shard_count * sizeof(parts->shards[0]));
	if (!parts)
		return -ENOMEM;
	volume_out(record, parts, &message);
	rc = message_pack(&message.base, ret_bytes);
	free(parts);
	return rc;
}
