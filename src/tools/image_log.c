/* Logs: the entries that the ring holds of each replica, judged as a recovery judges them. */
#include "tools/tools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* By seq. Carried copies come late: the place is looked for from the end. */
static uint32_t entry_place(const struct image_replica *replica, uint64_t seq)
{
	uint32_t at = replica->entry_count;

	while (at > 0 && replica->entries[at - 1].seq >= seq)
		at--;
	return at;
}

static void entry_remove(struct image_replica *replica, uint32_t at)
{
	memmove(&replica->entries[at], &replica->entries[at + 1],
		(replica->entry_count - at - 1) * sizeof(replica->entries[0]));
	replica->entry_count--;
}

int image_entry_add(struct image *image, struct image_replica *replica, const struct image_entry *entry)
{
	uint32_t at = entry_place(replica, entry->seq);

	if (at < replica->entry_count && replica->entries[at].seq == entry->seq) {
		if (!epoch_equal(replica->entries[at].epoch, entry->epoch)) {
			finding_add(image, SEVERITY_DAMAGE, "replica", UINT64_MAX, replica,
				"its log has two entries %llu: the record of a truncation is lost",
				(unsigned long long)entry->seq);
			replica->damaged = true;
		}
		replica->entries[at] = *entry;
		return 0;
	}
	if (replica->entry_count == replica->entry_max) {
		uint32_t max = replica->entry_max ? replica->entry_max * 2 : 64;
		struct image_entry *entries = realloc(replica->entries, max * sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		replica->entries = entries;
		replica->entry_max = max;
	}
	memmove(&replica->entries[at + 1], &replica->entries[at],
		(replica->entry_count - at) * sizeof(replica->entries[0]));
	replica->entries[at] = *entry;
	replica->entry_count++;
	return 0;
}

void image_entries_cut(struct image_replica *replica, uint64_t seq)
{
	while (replica->entry_count > 0 && replica->entries[replica->entry_count - 1].seq > seq)
		replica->entry_count--;
}

/* Entries at or below the applied position stay only as far as they reach down without a gap. */
static void applied_settle(struct image_replica *replica)
{
	uint64_t expected = replica->record.applied.seq;

	for (uint32_t at = replica->entry_count; at-- > 0;) {
		if (replica->entries[at].seq > replica->record.applied.seq)
			continue;
		if (replica->entries[at].seq == expected)
			expected--;
		else
			entry_remove(replica, at);
	}
}

static void pending_settle(struct image *image, struct image_replica *replica)
{
	replica->last = replica->record.applied;
	for (uint32_t at = 0; at < replica->entry_count;) {
		const struct image_entry *entry = &replica->entries[at];

		if (entry->seq <= replica->record.applied.seq) {
			at++;
			continue;
		}
		if (entry->seq != replica->last.seq + 1 ||
			epoch_compare(entry->epoch, replica->last.epoch) < 0) {
			if (!replica->damaged)
				finding_add(image, SEVERITY_DAMAGE, "replica", UINT64_MAX, replica,
					"its log has a gap: entry %llu follows %llu",
					(unsigned long long)entry->seq,
					(unsigned long long)replica->last.seq);
			replica->damaged = true;
			entry_remove(replica, at);
			continue;
		}
		replica->last = (struct position){ .epoch = entry->epoch, .seq = entry->seq };
		at++;
	}
}

static void replica_settle(struct image *image, struct image_replica *replica)
{
	const struct directory_record *record = &replica->record;

	if (replica->page_lost)
		finding_add(image, SEVERITY_DAMAGE, "replica", UINT64_MAX, replica,
			"its page of the table was lost, and entries of its log with it");
	applied_settle(replica);
	pending_settle(image, replica);
	if (replica->rotten_seq > record->applied.seq) {
		finding_add(image, SEVERITY_DAMAGE, "replica", UINT64_MAX, replica,
			"entry %llu of its log is rotten", (unsigned long long)replica->rotten_seq);
		replica->damaged = true;
	}
	if (replica->commit_seq < record->applied.seq)
		replica->commit_seq = record->applied.seq;
	if (replica->commit_seq > replica->last.seq) {
		finding_add(image, SEVERITY_DAMAGE, "replica", UINT64_MAX, replica,
			"entries up to %llu are committed, but its log ends at %llu",
			(unsigned long long)replica->commit_seq, (unsigned long long)replica->last.seq);
		replica->damaged = true;
		replica->commit_seq = replica->last.seq;
	}
	if (replica->found_count != record->grain_count || replica->found_sum != record->grain_sum) {
		finding_add(image, SEVERITY_DAMAGE, "replica", UINT64_MAX, replica,
			"its record counts %llu grains, the table has %llu%s: a part of the table is lost or "
			"old",
			(unsigned long long)record->grain_count, (unsigned long long)replica->found_count,
			record->grain_count == replica->found_count ? " with other content" : "");
		replica->damaged = true;
	}
}

/* Promises may be old where the records do not agree with what the last header says of them. */
static void directory_settle(struct image *image)
{
	uint64_t sum = 0;

	for (uint32_t dir = 0; dir < image->g.dir_pages; dir++)
		if (image->dir[dir])
			sum += directory_hash(&image->dir[dir]->record);
	if (image->sum_known && sum != image->directory_sum)
		finding_add(image, SEVERITY_DAMAGE, "directory", UINT64_MAX, NULL,
			"the replicas' records do not agree with their sum: one is lost or old, promises are "
			"not known");
}

void image_logs_settle(struct image *image)
{
	directory_settle(image);
	for (uint32_t dir = 0; dir < image->g.dir_pages; dir++)
		if (image->dir[dir])
			replica_settle(image, image->dir[dir]);
}
