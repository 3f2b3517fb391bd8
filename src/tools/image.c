/* Reading an image: the superblocks, and what all parts of the reader share. */
#include "tools/tools.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void finding_add(struct image *image, enum severity severity, const char *area, uint64_t offset_bytes,
	const struct image_replica *replica, const char *format, ...)
{
	struct finding *finding;
	va_list args;

	if (severity == SEVERITY_DAMAGE)
		image->damages++;
	else
		image->notes++;
	if (image->finding_count == FINDINGS_MAX)
		return;
	finding = &image->findings[image->finding_count++];
	*finding = (struct finding){ .severity = severity, .area = area, .offset_bytes = offset_bytes };
	if (replica)
		finding->replica = replica->record.identity.replica;
	va_start(args, format);
	(void)vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
}

void image_read(
	struct image *image, const char *area, uint64_t offset_bytes, uint8_t *to, uint64_t length_bytes)
{
	const struct image_source *source = image->source;
	uint64_t bad = 0, first = 0;
	int rc = source->read(source->arg, offset_bytes, to, length_bytes), bad_rc = 0;

	if (rc == 0)
		return;
	for (uint64_t at = 0; at < length_bytes; at += BLOCK_BYTES) {
		rc = source->read(source->arg, offset_bytes + at, to + at, BLOCK_BYTES);
		if (rc == 0)
			continue;
		memset(to + at, 0, BLOCK_BYTES);
		if (bad++ == 0)
			first = offset_bytes + at;
		bad_rc = rc;
	}
	if (bad > 0)
		finding_add(image, SEVERITY_DAMAGE, area, first, NULL,
			"the device can't read %llu blocks from here on: %s", (unsigned long long)bad,
			strerror(-bad_rc));
}

/* ---- superblocks ---- */

static void superblock_look(struct image *image, unsigned copy)
{
	uint64_t offset_bytes = geometry_superblock_offset(image->source->size_bytes, copy);

	image_read(image, "superblock", offset_bytes, image->window, BLOCK_BYTES);
	image->superblock_rc[copy] =
		superblock_decode(image->window, offset_bytes, &image->superblocks[copy]);
}

static void superblocks_compare(struct image *image)
{
	const struct superblock *a = &image->superblocks[0], *b = &image->superblocks[1];

	for (unsigned copy = 0; copy < 2; copy++)
		if (image->superblock_rc[copy] < 0)
			finding_add(image, SEVERITY_DAMAGE, "superblock",
				geometry_superblock_offset(image->source->size_bytes, copy), NULL,
				"copy %c is not valid; the other one is, and the next open writes both",
				copy ? 'B' : 'A');
	if (image->superblock_rc[0] == 0 && image->superblock_rc[1] == 0 && a->generation != b->generation)
		finding_add(image, SEVERITY_NOTE, "superblock", UINT64_MAX, NULL,
			"copy A has generation %llu, copy B %llu: an open was interrupted between them",
			(unsigned long long)a->generation, (unsigned long long)b->generation);
}

static int superblock_choose(struct image *image, struct error *error)
{
	const int *rc = image->superblock_rc;

	if (rc[0] == 0 && (rc[1] < 0 || image->superblocks[0].generation >= image->superblocks[1].generation))
		image->sb = image->superblocks[0];
	else if (rc[1] == 0)
		image->sb = image->superblocks[1];
	else if (rc[0] == -EPROTO || rc[1] == -EPROTO)
		return error_set(error, -EPROTO,
			"the pool has a newer format than this program (version %u) knows", ONDISK_VERSION);
	else
		return error_set(error, -EILSEQ,
			"no valid superblock at either end: not a pool, or both copies are damaged");
	image->g = image->sb.geometry;
	if (image->g.size_bytes > image->source->size_bytes)
		return error_set(error, -EILSEQ,
			"the pool was truncated: there are %llu bytes, its superblock says %llu",
			(unsigned long long)image->source->size_bytes,
			(unsigned long long)image->g.size_bytes);
	superblocks_compare(image);
	return 0;
}

/* ---- all of it ---- */

static int image_load_rest(struct image *image)
{
	int rc = image_directory_load(image);

	if (rc == 0)
		rc = image_ring_load(image);
	if (rc == 0)
		rc = image_layers_sort(image);
	if (rc == 0)
		rc = image_slots_load(image);
	if (rc == 0)
		image_logs_settle(image);
	return rc;
}

int image_load(struct image *image, const struct image_source *source, struct error *error)
{
	void *window = NULL;
	int rc;

	*image = (struct image){ .source = source };
	image->findings = calloc(FINDINGS_MAX, sizeof(*image->findings));
	if (!image->findings ||
		posix_memalign(&window, BLOCK_BYTES, (size_t)1024 * BLOCK_BYTES + GRAIN_BYTES) != 0)
		return error_set(error, -ENOMEM, "no memory");
	image->window = window;
	image->grain = image->window + (size_t)1024 * BLOCK_BYTES;
	if (source->size_bytes < POOL_MIN_BYTES)
		return error_set(error, -EILSEQ, "too small for a pool: %llu bytes",
			(unsigned long long)source->size_bytes);
	superblock_look(image, 0);
	superblock_look(image, 1);
	rc = superblock_choose(image, error);
	if (rc < 0)
		return rc;
	rc = image_load_rest(image);
	if (rc < 0)
		return error_set(error, rc, "the pool can't be read: %s", strerror(-rc));
	return 0;
}

void image_done(struct image *image)
{
	for (uint32_t dir = 0; image->dir && dir < image->g.dir_pages; dir++)
		image_replica_free(image->dir[dir]);
	free(image->dir);
	free(image->by_layer);
	free(image->batches);
	free(image->orphans);
	free(image->slots);
	free(image->window);
	free(image->findings);
	*image = (struct image){ 0 };
}

/* ---- replicas ---- */

struct image_replica *image_replica_new(struct image *image, const struct directory_record *record)
{
	struct image_replica *replica = calloc(1, sizeof(*replica));

	ASSERT(record->dir < image->g.dir_pages && !image->dir[record->dir]);
	if (!replica)
		return NULL;
	replica->record = *record;
	image->dir[record->dir] = replica;
	return replica;
}

void image_replica_free(struct image_replica *replica)
{
	if (!replica)
		return;
	free(replica->entries);
	free(replica->seen);
	free(replica);
}

static int layer_compare(const void *a, const void *b)
{
	const struct image_replica *const *x = a, *const *y = b;

	return (*x)->record.layer < (*y)->record.layer ? -1 : (*x)->record.layer > (*y)->record.layer;
}

/* Once the ring is read, the directory does not change any more. */
int image_layers_sort(struct image *image)
{
	image->by_layer = calloc(image->g.dir_pages, sizeof(struct image_replica *));
	if (!image->by_layer)
		return -ENOMEM;
	for (uint32_t dir = 0; dir < image->g.dir_pages; dir++)
		if (image->dir[dir])
			image->by_layer[image->replica_count++] = image->dir[dir];
	qsort(image->by_layer, image->replica_count, sizeof(struct image_replica *), layer_compare);
	return 0;
}

struct image_replica *image_replica_of_layer(const struct image *image, uint64_t layer)
{
	struct image_replica key = { .record.layer = layer };
	const struct image_replica *key_at = &key;
	struct image_replica **found = bsearch(&key_at, image->by_layer, image->replica_count,
		sizeof(struct image_replica *), layer_compare);

	return found ? *found : NULL;
}

/* ---- images of slots ---- */

static struct image_slot *slot_place(struct image_slot *slots, uint32_t mask, uint32_t phys)
{
	uint32_t at = phys * UINT32_C(2654435761) & mask;

	while (slots[at].used && slots[at].phys != phys)
		at = (at + 1) & mask;
	return &slots[at];
}

static int slots_grow(struct image *image)
{
	uint32_t mask = image->slots ? image->slot_mask * 2 + 1 : 1023;
	struct image_slot *slots = calloc((size_t)mask + 1, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; image->slots && i <= image->slot_mask; i++)
		if (image->slots[i].used)
			*slot_place(slots, mask, image->slots[i].phys) = image->slots[i];
	free(image->slots);
	image->slots = slots;
	image->slot_mask = mask;
	return 0;
}

int image_slot_set(struct image *image, uint32_t phys, const struct slot *slot)
{
	struct image_slot *place;

	if ((!image->slots || image->slot_count > image->slot_mask / 2) && slots_grow(image) < 0)
		return -ENOMEM;
	place = slot_place(image->slots, image->slot_mask, phys);
	if (!place->used)
		image->slot_count++;
	*place = (struct image_slot){ .used = true, .phys = phys, .slot = *slot };
	return 0;
}

const struct slot *image_slot_find(const struct image *image, uint32_t phys)
{
	const struct image_slot *place;

	if (!image->slots)
		return NULL;
	place = slot_place(image->slots, image->slot_mask, phys);
	return place->used ? &place->slot : NULL;
}
