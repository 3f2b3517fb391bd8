/* What `quoin-pool dump` prints: a line for each thing; with --json a JSON object on each line. */
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#include "tools/tools.h"

/* One object a line; the format is json_pack's. */
static void line(const char *format, ...)
{
	va_list args;
	json_t *object;

	va_start(args, format);
	object = json_vpack_ex(NULL, 0, format, args);
	va_end(args);
	ASSERT(object);
	(void)json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

/* ---- superblocks ---- */

static void superblock_dump(const struct image *image, unsigned copy, bool json)
{
	const struct superblock *sb = &image->superblocks[copy];
	const struct geometry *g = &sb->geometry;
	const char *name = copy ? "B" : "A";
	char pool[UUID_TEXT_LEN + 1], cluster[UUID_TEXT_LEN + 1];

	if (image->superblock_rc[copy] < 0) {
		if (json)
			line("{s:s, s:s, s:b}", "kind", "superblock", "copy", name, "valid", 0);
		else
			printf("superblock %s: not valid\n", name);
		return;
	}
	uuid_format(sb->pool, pool);
	uuid_format(sb->cluster, cluster);
	if (json)
		line("{s:s, s:s, s:b, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			"kind", "superblock", "copy", name, "valid", 1, "generation",
			(json_int_t)sb->generation, "pool", pool, "cluster", cluster, "open_count",
			(json_int_t)sb->open_count, "first", (json_int_t)sb->first, "size_bytes",
			(json_int_t)g->size_bytes, "ring_offset_bytes", (json_int_t)g->ring_offset_bytes,
			"ring_blocks", (json_int_t)g->ring_blocks, "table_a_offset_bytes",
			(json_int_t)g->table_offset_bytes[0], "table_b_offset_bytes",
			(json_int_t)g->table_offset_bytes[1], "grain_pages", (json_int_t)g->grain_pages,
			"dir_pages", (json_int_t)g->dir_pages, "grain_offset_bytes",
			(json_int_t)g->grain_offset_bytes, "grain_count", (json_int_t)g->grain_count);
	else
		printf("superblock %s: generation %" PRIu64 ", pool %s, cluster %s, opened %" PRIu64
		       " times, first %" PRIu64 "\n"
		       "  %" PRIu64 " bytes: ring at %" PRIu64 ", %u blocks; table A at %" PRIu64
		       ", B at %" PRIu64 ", %u pages of slots, %u of replicas; grains at %" PRIu64 ", %u\n",
			name, sb->generation, pool, cluster, sb->open_count, sb->first, g->size_bytes,
			g->ring_offset_bytes, g->ring_blocks, g->table_offset_bytes[0],
			g->table_offset_bytes[1], g->grain_pages, g->dir_pages, g->grain_offset_bytes,
			g->grain_count);
}

/* ---- replicas ---- */

static void replica_dump(const struct image_replica *replica, bool json)
{
	const struct directory_record *record = &replica->record;
	const struct replica_state *state = &record->state;
	char uuid[UUID_TEXT_LEN + 1], group[UUID_TEXT_LEN + 1], volume[UUID_TEXT_LEN + 1];

	uuid_format(record->identity.replica, uuid);
	uuid_format(record->identity.group, group);
	uuid_format(record->identity.volume, volume);
	if (json) {
		line("{s:s, s:I, s:I, s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "kind",
			"replica", "place", (json_int_t)record->dir, "layer", (json_int_t)record->layer,
			"replica", uuid, "group", group, "volume", volume, "size_bytes",
			(json_int_t)record->identity.size_bytes, "state", replica_state_word(state),
			"promise_number", (json_int_t)state->promise.number, "promise_restart",
			(json_int_t)state->promise.restart, "config_number", (json_int_t)state->config_number,
			"applied_seq", (json_int_t)record->applied.seq, "commit_seq",
			(json_int_t)replica->commit_seq, "last_seq", (json_int_t)replica->last.seq, "grains",
			(json_int_t)record->grain_count);
		return;
	}
	printf("replica %s at place %u, layer %" PRIu64 ": %s\n  group %s, volume %s, %" PRIu64
	       " bytes\n  promise %" PRIu64 ".%u to session %016" PRIx64 ", configuration %" PRIu64
	       ", longest lease %u ms\n  applied (%" PRIu64 ".%u, %" PRIu64 "), committed %" PRIu64
	       ", log to (%" PRIu64 ".%u, %" PRIu64 ")\n  %" PRIu64 " grains, sum %016" PRIx64 "\n",
		uuid, record->dir, record->layer, replica_state_word(state), group, volume,
		record->identity.size_bytes, state->promise.number, state->promise.restart,
		state->promise_session, state->config_number, state->longest_lease_ms,
		record->applied.epoch.number, record->applied.epoch.restart, record->applied.seq,
		replica->commit_seq, replica->last.epoch.number, replica->last.epoch.restart,
		replica->last.seq, record->grain_count, record->grain_sum);
	for (uint32_t i = 0; i < record->row_count; i++)
		printf("  epoch %" PRIu64 ".%u from %" PRIu64 "\n", record->rows[i].epoch.number,
			record->rows[i].epoch.restart, record->rows[i].first_seq);
}

/* ---- journal ---- */

static const char *op_word(const struct record *record)
{
	switch (record->op) {
	case ENTRY_WRITE:
		return "write";
	case ENTRY_TRIM:
		return "trim";
	case ENTRY_ZERO:
		return "zero";
	case ENTRY_NEW_EPOCH:
		return "new-epoch";
	case ENTRY_MEMBERSHIP:
		return "membership";
	case ENTRY_SNAPSHOT:
		return "snapshot";
	case ENTRY_DELETE_SNAPSHOT:
		return "delete-snapshot";
	case ENTRY_ROLLBACK:
		return "rollback";
	}
	return "entry";
}

static void record_dump(const struct record *record, bool json)
{
	const char *kind = record->kind == RECORD_IMAGES     ? "images"
			   : record->kind == RECORD_REDIRECT ? "redirect"
			   : record->kind == RECORD_TRUNCATE ? "truncate"
							     : op_word(record);

	if (record->kind == RECORD_IMAGES) {
		if (json)
			line("{s:s, s:I}", "kind", kind, "units", (json_int_t)record->units);
		else
			printf("  images, %u units\n", record->units);
	} else if (record->kind == RECORD_TRUNCATE) {
		if (json)
			line("{s:s, s:I, s:I}", "kind", kind, "place", (json_int_t)record->dir, "seq",
				(json_int_t)record->seq);
		else
			printf("  truncate, place %u behind %" PRIu64 "\n", record->dir, record->seq);
	} else if (json) {
		line("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "kind", kind, "place", (json_int_t)record->dir,
			"epoch", (json_int_t)record->epoch.number, "restart",
			(json_int_t)record->epoch.restart, "seq", (json_int_t)record->seq, "offset_bytes",
			(json_int_t)record->offset_bytes, "length_bytes", (json_int_t)record->length_bytes);
	} else {
		printf("  %s, place %u (%" PRIu64 ".%u, %" PRIu64 "), %" PRIu64 " bytes at %" PRIu64 "\n",
			kind, record->dir, record->epoch.number, record->epoch.restart, record->seq,
			record->length_bytes, record->offset_bytes);
	}
}

static int batch_dump(struct image *image, const struct batch_header *h, struct reader records,
	uint32_t block, const uint8_t *payload, void *arg)
{
	const bool *json = arg;
	struct record record;

	(void)image;
	(void)payload;
	if (*json)
		line("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "kind", "batch", "number",
			(json_int_t)h->number, "block", (json_int_t)block, "blocks", (json_int_t)h->blocks,
			"open_count", (json_int_t)h->open_count, "tail", (json_int_t)h->tail, "durable",
			(json_int_t)h->durable, "records", (json_int_t)h->record_count);
	else
		printf("batch %" PRIu64 " at block %u, %u blocks, open %" PRIu64 ", tail %" PRIu64
		       ", durable %" PRIu64 "\n",
			h->number, block, h->blocks, h->open_count, h->tail, h->durable);
	for (unsigned i = 0; i < h->name_count; i++) {
		const struct batch_name *name = &h->names[i];

		if (*json)
			line("{s:s, s:I, s:I, s:I}", "kind", "name", "place", (json_int_t)name->dir, "seq",
				(json_int_t)name->seq, "commit_seq", (json_int_t)name->commit_seq);
		else
			printf("  place %u: highest entry %" PRIu64 ", committed %" PRIu64 "\n", name->dir,
				name->seq, name->commit_seq);
	}
	for (unsigned i = 0; i < h->record_count && record_decode(&records, &record) == 0; i++)
		record_dump(&record, *json);
	return 0;
}

/* ---- grains ---- */

static int grain_dump(struct image *image, uint32_t phys, const struct slot *slot, void *arg)
{
	const bool *json = arg;
	uint64_t place = geometry_grain_offset(&image->g, phys);

	if (*json)
		line("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "kind", "grain", "grain",
			(json_int_t)phys, "offset_bytes", (json_int_t)place, "layer", (json_int_t)slot->layer,
			"index", (json_int_t)slot->index, "epoch", (json_int_t)slot->epoch_number, "seq",
			(json_int_t)slot->seq, "present", (json_int_t)slot->present, "zero",
			(json_int_t)slot->zero);
	else
		printf("grain %u at byte %" PRIu64 ": layer %" PRIu64 ", index %u, (%" PRIu64 ".%u, %" PRIu64
		       "), present %04x, zero %04x\n",
			phys, place, slot->layer, slot->index, slot->epoch_number, slot->epoch_restart,
			slot->seq, slot->present, slot->zero);
	return 0;
}

int dump_part(struct image *image, enum dump_part part, bool json)
{
	switch (part) {
	case DUMP_SUPERBLOCKS:
		superblock_dump(image, 0, json);
		superblock_dump(image, 1, json);
		return 0;
	case DUMP_REPLICAS:
		for (uint32_t i = 0; i < image->replica_count; i++)
			replica_dump(image->by_layer[i], json);
		return 0;
	case DUMP_JOURNAL:
		return image_batches(image, batch_dump, &json);
	case DUMP_GRAINS:
		return image_slots(image, grain_dump, &json);
	case DUMP_PARTS:
		break;
	}
	return 0;
}
