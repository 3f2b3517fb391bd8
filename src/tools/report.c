/* What `quoin-pool check` says: for people, and as one JSON object. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "tools/tools.h"

const char *replica_state_word(const struct replica_state *state)
{
	if (state->retired)
		return "retired";
	if (!state->incomplete)
		return "complete";
	/* Damage found at an open is recorded as a bound that is not known. */
	return state->since.seq == UINT64_MAX ? "damaged" : "syncing";
}

static const char *severity_word(enum severity severity)
{
	return severity == SEVERITY_DAMAGE ? "damage" : "note";
}

/* ---- text ---- */

static void text_replica(const struct image_replica *replica)
{
	const struct directory_record *record = &replica->record;
	char uuid[UUID_TEXT_LEN + 1], size[SIZE_TEXT_LEN + 1], used[SIZE_TEXT_LEN + 1];

	printf("replica %s: %s, %s, %s used; log to (%" PRIu64 ".%u, %" PRIu64 "), committed %" PRIu64
	       ", applied %" PRIu64 "%s\n",
		uuid_format(record->identity.replica, uuid), replica_state_word(&record->state),
		size_format(record->identity.size_bytes, size),
		size_format(replica->found_count * GRAIN_BYTES, used), replica->last.epoch.number,
		replica->last.epoch.restart, replica->last.seq, replica->commit_seq, record->applied.seq,
		replica->damaged ? "; DAMAGED" : "");
}

static void text_findings(const struct image *image)
{
	char uuid[UUID_TEXT_LEN + 1];

	for (uint32_t i = 0; i < image->finding_count; i++) {
		const struct finding *finding = &image->findings[i];

		printf("%s: %s", severity_word(finding->severity), finding->area);
		if (!uuid_is_none(finding->replica))
			printf(", replica %s", uuid_format(finding->replica, uuid));
		if (finding->offset_bytes != UINT64_MAX)
			printf(", at byte %" PRIu64, finding->offset_bytes);
		printf(": %s\n", finding->text);
	}
	if (image->notes + image->damages > image->finding_count)
		printf("... and %" PRIu64 " more\n", image->notes + image->damages - image->finding_count);
}

static void text_verdict(const struct image *image, const char *path)
{
	if (image->damages > 0)
		printf("%s: DAMAGED, %" PRIu64
		       " findings. The next open marks the replicas concerned as damaged;"
		       " a healthy group repairs them.\n",
			path, image->damages);
	else
		printf("%s: clean%s\n", path,
			image->data_checked ? "" : " (metadata; --data reads the grains as well)");
}

void report_text(const struct image *image, const char *path)
{
	const struct geometry *g = &image->g;
	char uuid[UUID_TEXT_LEN + 1], size[SIZE_TEXT_LEN + 1], room[SIZE_TEXT_LEN + 1],
		ring[SIZE_TEXT_LEN + 1];

	printf("pool %s, %s", uuid_format(image->sb.pool, uuid), size_format(g->size_bytes, size));
	printf(", cluster %s\n", uuid_format(image->sb.cluster, uuid));
	printf("opened %" PRIu64 " times, first batch of the last time %" PRIu64 "\n", image->sb.open_count,
		image->sb.first);
	printf("journal %s, batches %" PRIu64 " to %" PRIu64 ", durable to %" PRIu64 " at least\n",
		size_format((uint64_t)g->ring_blocks * BLOCK_BYTES, ring), image->tail,
		image->end > 0 ? image->end - 1 : 0, image->claim);
	printf("grains: %" PRIu64 " of %u mapped, room for %s\n", image->mapped_count, g->grain_count,
		size_format((uint64_t)g->grain_count * GRAIN_BYTES, room));
	for (uint32_t i = 0; i < image->replica_count; i++)
		text_replica(image->by_layer[i]);
	if (image->data_checked)
		printf("data: %" PRIu64 " blocks read, %" PRIu64 " rotten\n", image->blocks_checked,
			image->blocks_rotten);
	text_findings(image);
	text_verdict(image, path);
}

/* ---- JSON ---- */

static json_t *json_number(uint64_t number)
{
	return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

static json_t *json_uuid(struct uuid uuid)
{
	char text[UUID_TEXT_LEN + 1];

	return json_string(uuid_format(uuid, text));
}

static json_t *json_position(struct position position)
{
	return json_pack("{s:o, s:I, s:o}", "epoch", json_number(position.epoch.number), "restart",
		(json_int_t)position.epoch.restart, "seq", json_number(position.seq));
}

static json_t *json_replica(const struct image_replica *replica)
{
	const struct directory_record *record = &replica->record;

	return json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "replica",
		json_uuid(record->identity.replica), "group", json_uuid(record->identity.group), "volume",
		json_uuid(record->identity.volume), "state", replica_state_word(&record->state), "size_bytes",
		json_number(record->identity.size_bytes), "used_bytes",
		json_number(replica->found_count * GRAIN_BYTES), "data_bytes",
		json_number(replica->block_count * BLOCK_BYTES), "last", json_position(replica->last),
		"commit_seq", json_number(replica->commit_seq), "applied", json_position(record->applied),
		"damaged", replica->damaged);
}

static json_t *json_finding(const struct finding *finding)
{
	json_t *object = json_pack("{s:s, s:s, s:s}", "severity", severity_word(finding->severity), "area",
		finding->area, "text", finding->text);

	if (finding->offset_bytes != UINT64_MAX)
		(void)json_object_set_new(object, "offset_bytes", json_number(finding->offset_bytes));
	if (!uuid_is_none(finding->replica))
		(void)json_object_set_new(object, "replica", json_uuid(finding->replica));
	return object;
}

static json_t *json_pool(const struct image *image)
{
	const struct geometry *g = &image->g;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pool", json_uuid(image->sb.pool), "cluster",
		json_uuid(image->sb.cluster), "size_bytes", json_number(g->size_bytes), "room_bytes",
		json_number((uint64_t)g->grain_count * GRAIN_BYTES), "used_bytes",
		json_number(image->mapped_count * GRAIN_BYTES), "journal_bytes",
		json_number((uint64_t)g->ring_blocks * BLOCK_BYTES), "open_count",
		json_number(image->sb.open_count));
}

int report_json(const struct image *image, const char *path)
{
	json_t *replicas = json_array(), *findings = json_array(), *report;
	int rc;

	for (uint32_t i = 0; i < image->replica_count; i++)
		(void)json_array_append_new(replicas, json_replica(image->by_layer[i]));
	for (uint32_t i = 0; i < image->finding_count; i++)
		(void)json_array_append_new(findings, json_finding(&image->findings[i]));
	report = json_pack("{s:i, s:s, s:s, s:o, s:{s:o, s:o, s:o, s:i}, s:o, s:o, s:o, s:o}", "version", 1,
		"path", path, "result", image->damages ? "damaged" : "clean", "pool", json_pool(image),
		"journal", "tail", json_number(image->tail), "end", json_number(image->end), "durable",
		json_number(image->claim), "torn_batches", (int)image->torn_batches, "replicas", replicas,
		"findings", findings, "damages", json_number(image->damages), "notes",
		json_number(image->notes));
	if (!report)
		return -ENOMEM;
	if (image->data_checked) {
		(void)json_object_set_new(report, "blocks_checked", json_number(image->blocks_checked));
		(void)json_object_set_new(report, "blocks_rotten", json_number(image->blocks_rotten));
	}
	rc = json_dumpf(report, stdout, JSON_INDENT(2)) == 0 ? 0 : -EIO;
	putchar('\n');
	json_decref(report);
	return rc;
}
