/* The records of the cluster and of classes. */
#include "catalog/record_codec.h"

#include <errno.h>
#include <string.h>

int cluster_in(const Quoin__Catalog__Cluster *message, struct record_cluster *to, struct error *error)
{
	int rc = uuid_in("cluster", message->cluster, &to->cluster.cluster, error);

	if (rc == 0)
		rc = name_in("cluster name", message->name, to->cluster.name, error);
	if (rc == 0 && message->key_check.len != KEY_CHECK_BYTES)
		rc = error_set(error, -EBADMSG, "its key check has %zu bytes", message->key_check.len);
	if (rc == 0 && (message->provision_percent < 1 || message->provision_percent > 100000))
		rc = error_set(
			error, -EBADMSG, "it allows %u %% to be provisioned", message->provision_percent);
	if (rc != 0)
		return rc;
	memcpy(to->key_check, message->key_check.data, KEY_CHECK_BYTES);
	to->cluster.created_ns = message->created_ns;
	to->cluster.provision_percent = message->provision_percent;
	return 0;
}

void cluster_out(const struct record_cluster *record, Quoin__Catalog__Cluster *to)
{
	quoin__catalog__cluster__init(to);
	to->version = RECORD_CLUSTER_VERSION;
	to->cluster = uuid_out(&record->cluster.cluster);
	to->name = (char *)(uintptr_t)record->cluster.name;
	to->created_ns = record->cluster.created_ns;
	to->provision_percent = record->cluster.provision_percent;
	to->key_check = (ProtobufCBinaryData){ .len = KEY_CHECK_BYTES,
		.data = (uint8_t *)(uintptr_t)record->key_check };
}

static int schedule_in(const Quoin__Catalog__Class *message, struct schedule *to, struct error *error)
{
	struct schedule schedule = { .count = (unsigned)message->n_snapshot_periods_s };
	bool fits = message->n_snapshots_kept == message->n_snapshot_periods_s &&
		    message->n_snapshots_kept <= SCHEDULE_MAX_RULES;

	for (unsigned i = 0; fits && i < schedule.count; i++) {
		schedule.period_s[i] = message->snapshot_periods_s[i];
		schedule.keep[i] = message->snapshots_kept[i];
	}
	if (!fits || schedule_check(&schedule) != 0)
		return error_set(error, -EBADMSG, "its schedule of snapshots is not possible");
	*to = schedule;
	return 0;
}

int class_in(const Quoin__Catalog__Class *message, struct catalog_class *to, struct error *error)
{
	int rc = name_in("class name", message->name, to->name, error);

	if (rc == 0)
		rc = text_in(
			"description", message->description, to->description, CATALOG_REASON_MAX_LEN, error);
	if (rc == 0)
		rc = text_in("comment", message->comment, to->comment, CATALOG_COMMENT_MAX_LEN, error);
	if (rc == 0)
		rc = text_in("selector", message->selector, to->selector, CLASS_SELECTOR_LEN, error);
	if (rc == 0)
		rc = text_in(
			"mkfs options", message->mkfs_options, to->mkfs_options, CLASS_OPTIONS_LEN, error);
	if (rc == 0)
		rc = text_in(
			"mount options", message->mount_options, to->mount_options, CLASS_OPTIONS_LEN, error);
	if (rc == 0 && message->group_rule > CLASS_GROUP_LAST)
		rc = error_set(error, -EBADMSG, "its group rule is %u", message->group_rule);
	if (rc == 0)
		rc = fs_in(message->fs, to->fs, error);
	if (rc == 0 && (message->tiers == 0 || (message->tiers & ~CLASS_TIERS_ANY) != 0))
		rc = error_set(error, -EBADMSG, "its tiers are 0x%x", message->tiers);
	if (rc == 0 && (message->replicas < 1 || message->replicas > GROUP_MAX_VOTERS))
		rc = error_set(error, -EBADMSG, "it has %u replicas", message->replicas);
	if (rc == 0 && (message->spread < 1 || message->spread > CLASS_SPREAD_LAST))
		rc = error_set(error, -EBADMSG, "its spread is %u", message->spread);
	if (rc == 0 && (message->size_bytes < VOLUME_MIN_BYTES || message->size_bytes > VOLUME_MAX_BYTES))
		rc = error_set(error, -EBADMSG, "its volumes have %llu bytes",
			(unsigned long long)message->size_bytes);
	if (rc == 0 && message->shards > CATALOG_MAX_SHARDS && message->shards != SHARDS_AUTO)
		rc = error_set(error, -EBADMSG, "its volumes have %u shards", message->shards);
	if (rc == 0)
		rc = schedule_in(message, &to->snapshots, error);
	if (rc != 0)
		return rc;
	to->tiers = message->tiers;
	to->replicas = message->replicas;
	to->spread = (enum class_spread)message->spread;
	to->group_rule = (enum class_group_rule)message->group_rule;
	to->number = message->number;
	to->rebuild_after_ms = message->rebuild_after_ms;
	to->limit_iops = message->limit_iops;
	to->limit_bytes_per_s = message->limit_bytes_per_s;
	to->trim_s = message->trim_s;
	to->shards = message->shards;
	to->thick = message->thick;
	to->size_bytes = message->size_bytes;
	to->reads_quorum = message->reads_quorum;
	to->error_after_ms = message->error_after_ms;
	return 0;
}

void class_out(const struct catalog_class *record, Quoin__Catalog__Class *to)
{
	quoin__catalog__class__init(to);
	to->version = RECORD_VERSION;
	to->name = (char *)(uintptr_t)record->name;
	to->description = (char *)(uintptr_t)record->description;
	to->tiers = record->tiers;
	to->replicas = record->replicas;
	to->spread = record->spread;
	to->comment = (char *)(uintptr_t)record->comment;
	to->selector = (char *)(uintptr_t)record->selector;
	to->mkfs_options = (char *)(uintptr_t)record->mkfs_options;
	to->mount_options = (char *)(uintptr_t)record->mount_options;
	to->group_rule = record->group_rule;
	to->number = record->number;
	to->rebuild_after_ms = record->rebuild_after_ms;
	to->limit_iops = record->limit_iops;
	to->limit_bytes_per_s = record->limit_bytes_per_s;
	to->trim_s = record->trim_s;
	to->shards = record->shards;
	to->thick = record->thick;
	to->size_bytes = record->size_bytes;
	to->fs = (char *)(uintptr_t)record->fs;
	to->reads_quorum = record->reads_quorum;
	to->error_after_ms = record->error_after_ms;
	to->n_snapshot_periods_s = to->n_snapshots_kept = record->snapshots.count;
	to->snapshot_periods_s = (uint32_t *)(uintptr_t)record->snapshots.period_s;
	to->snapshots_kept = (uint32_t *)(uintptr_t)record->snapshots.keep;
}
