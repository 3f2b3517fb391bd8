/* What each pool has of the volume, and the history that its logs make together. */
#include "tools/salvage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- what each pool has ---- */

static int grain_take(struct image *image, uint32_t phys, const struct slot *slot, void *arg)
{
	struct salvage_copy *copy = arg;

	if (image_replica_of_layer(image, slot->layer) != copy->replica ||
		slot->index >= copy->replica->record.identity.size_bytes / GRAIN_BYTES)
		return 0;
	if (copy->grain_count == copy->grain_max) {
		uint32_t max = copy->grain_max ? copy->grain_max * 2 : 1024;
		struct salvage_grain *grains = reallocarray(copy->grains, max, sizeof(*grains));

		if (!grains)
			return -ENOMEM;
		copy->grains = grains;
		copy->grain_max = max;
	}
	copy->grains[copy->grain_count++] = (struct salvage_grain){ .phys = phys, .slot = *slot };
	return 0;
}

/* By index; where damage left two of one, the newer first. */
static int grain_compare(const void *a, const void *b)
{
	const struct salvage_grain *x = a, *y = b;

	if (x->slot.index != y->slot.index)
		return x->slot.index < y->slot.index ? -1 : 1;
	return x->slot.seq > y->slot.seq ? -1 : x->slot.seq < y->slot.seq;
}

/* *ret_replica NULL: it has none. */
static int replica_of(const struct image *image, const struct salvage *s, struct image_replica **ret_replica,
	struct error *error)
{
	*ret_replica = NULL;
	for (uint32_t i = 0; i < image->replica_count; i++) {
		const struct pool_replica_identity *identity = &image->by_layer[i]->record.identity;

		if (!uuid_equal(identity->volume, s->volume) ||
			(!uuid_is_none(s->group) && !uuid_equal(identity->group, s->group)))
			continue;
		if (*ret_replica && !uuid_equal((*ret_replica)->record.identity.group, identity->group))
			return error_set(error, -EINVAL,
				"the volume has several shards, and this pool replicas of more than one: "
				"name "
				"them by --shards");
		*ret_replica = image->by_layer[i];
	}
	return 0;
}

static bool entry_is_of_layers(enum entry_op op)
{
	return op == ENTRY_SNAPSHOT || op == ENTRY_DELETE_SNAPSHOT || op == ENTRY_ROLLBACK;
}

static int layers_check(const struct image_replica *replica, struct error *error)
{
	bool found = replica->record.parent != 0;

	for (uint32_t i = 0; i < replica->entry_count; i++)
		found |= entry_is_of_layers(replica->entries[i].op);
	return found ? error_set(error, -EOPNOTSUPP,
			       "the volume has snapshots: this program can't put their layers together")
		     : 0;
}

static int copy_begin(struct salvage *s, struct image *image, struct error *error)
{
	struct salvage_copy *copy = &s->copies[s->copy_count];
	const struct directory_record *record;
	struct image_replica *replica;
	int rc = replica_of(image, s, &replica, error);

	if (rc || !replica)
		return rc; /* this pool has none */
	if (s->copy_count == SALVAGE_MAX_COPIES)
		return error_set(error, -EINVAL, "more than %u replicas of one group", SALVAGE_MAX_COPIES);
	record = &replica->record;
	if (s->copy_count > 0 &&
		(record->identity.size_bytes != s->size_bytes ||
			!uuid_equal(record->identity.group, s->copies[0].replica->record.identity.group)))
		return error_set(error, -EINVAL,
			"these replicas differ in size or group: they are not of one volume, or of several "
			"shards of it, which --shards names");
	rc = layers_check(replica, error);
	if (rc)
		return rc;
	*copy = (struct salvage_copy){ .image = image, .replica = replica };
	copy->is_whole = !record->state.incomplete && replica->found_count == record->grain_count &&
			 replica->found_sum == record->grain_sum;
	s->size_bytes = record->identity.size_bytes;
	s->copy_count++;
	rc = image_slots(image, grain_take, copy);
	if (rc)
		return error_set(error, rc, "a table can't be read: %s", strerror(-rc));
	if (copy->grain_count)
		qsort(copy->grains, copy->grain_count, sizeof(*copy->grains), grain_compare);
	return 0;
}

/* ---- the history ---- */

/* The epoch that the chosen log has at a seq; false: it doesn't reach there, or nobody knows. */
static bool history_epoch(const struct salvage *s, uint64_t seq, struct epoch *ret_epoch)
{
	const struct image_replica *replica = s->copies[s->chosen].replica;
	const struct directory_record *record = &replica->record;

	if (seq == 0 || seq > replica->last.seq)
		return false;
	for (uint32_t i = 0; i < replica->entry_count; i++)
		if (replica->entries[i].seq == seq) {
			*ret_epoch = replica->entries[i].epoch;
			return true;
		}
	for (uint32_t i = record->row_count; i-- > 0;)
		if (record->rows[i].first_seq <= seq) {
			*ret_epoch = record->rows[i].epoch;
			return true;
		}
	return false;
}

/* The entry of the history at a seq, of everybody who has it; false: it is in no log. */
static bool history_entry(const struct salvage *s, uint64_t seq, struct salvage_entry *ret_entry)
{
	struct salvage_entry found = { .entry = NULL };
	struct epoch epoch;

	if (!history_epoch(s, seq, &epoch))
		return false;
	for (unsigned c = 0; c < s->copy_count; c++) {
		const struct image_replica *replica = s->copies[c].replica;

		for (uint32_t i = 0; i < replica->entry_count; i++)
			if (replica->entries[i].seq == seq && epoch_equal(replica->entries[i].epoch, epoch))
				found.entry = found.copies[c] = &replica->entries[i];
	}
	*ret_entry = found;
	return found.entry != NULL;
}

static int history_begin(struct salvage *s)
{
	uint64_t seq;
	uint32_t count;

	for (unsigned c = 1; c < s->copy_count; c++)
		if (position_compare(s->copies[c].replica->last, s->copies[s->chosen].replica->last) > 0)
			s->chosen = c;
	s->last = s->copies[s->chosen].replica->last;
	for (seq = s->last.seq; seq > 0; seq--) {
		struct salvage_entry entry;

		if (!history_entry(s, seq, &entry))
			break;
	}
	s->low = seq;
	count = (uint32_t)(s->last.seq - s->low);
	s->entries = calloc((size_t)count + 1, sizeof(*s->entries));
	s->near = calloc((size_t)count + 1, sizeof(*s->near));
	if (!s->entries || !s->near)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		ASSERT(history_entry(s, s->low + 1 + i, &s->entries[i]));
	s->entry_count = count;
	return 0;
}

int salvage_begin(struct salvage *s, struct image *images, unsigned count, struct error *error)
{
	void *memory = NULL;
	int rc = 0;

	for (unsigned i = 0; i < count && rc == 0; i++)
		rc = copy_begin(s, &images[i], error);
	if (rc)
		return rc;
	if (s->copy_count == 0)
		return error_set(error, -ENOENT, "none of these pools has a replica of that volume");
	if (posix_memalign(&memory, BLOCK_BYTES, BLOCK_BYTES) != 0 || history_begin(s) < 0) {
		free(memory);
		return error_set(error, -ENOMEM, "no memory");
	}
	s->memory = memory;
	return 0;
}

void salvage_done(struct salvage *s)
{
	for (unsigned c = 0; c < s->copy_count; c++)
		free(s->copies[c].grains);
	free(s->entries);
	free(s->near);
	free(s->memory);
	s->entries = NULL;
	s->near = NULL;
	s->memory = NULL;
	s->copy_count = 0;
}
