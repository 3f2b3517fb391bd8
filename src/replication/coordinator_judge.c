/*
 * What a comparison decides of each grain. Replicas that have the same content are the same, whatever their
 * maps were taken at. Where they differ that means something only if all maps were taken at one commit point:
 * else an entry in between may be the difference, and the grain is looked at again. What differs is repaired
 * where a quorum agrees. Where only checksums differ, in a grain of the same version and shape, blocks are
 * written anew in place: what is to be written is certain, and so is what it replaces, whatever is written
 * meanwhile. Else, in the volume as it is, the grain is replaced whole while no entry touches it. All else is
 * told, and left as it is: never a guess.
 */
#include "replication/coordinator_compare.h"

/* What the voters that were asked have of one grain. */
struct seen {
	uint32_t index;
	uint8_t has; /* the others say nothing of it: their records are zeroes */
	struct map_record records[GROUP_MAX_VOTERS];
};

enum verdict { VERDICT_SAME, VERDICT_CHANGING, VERDICT_LOST, VERDICT_DIFFERS };

static const uint8_t *record_at(const struct compare_map *map)
{
	return map->data->data + (size_t)map->at * MAP_RECORD_BYTES;
}

/* The next grain of which any map says something, below `end`. False: there is none. */
static bool look(struct coordinator *co, uint64_t end, struct seen *ret_seen)
{
	struct compare *c = &co->compare;
	uint64_t index = end;

	for (unsigned i = 0; i < co->config.voter_count; i++)
		if (c->maps[i].at < c->maps[i].count && map_record_index(record_at(&c->maps[i])) < index)
			index = map_record_index(record_at(&c->maps[i]));
	if (index == end)
		return false;
	*ret_seen = (struct seen){ .index = (uint32_t)index };
	for (unsigned i = 0; i < co->config.voter_count; i++) {
		struct compare_map *map = &c->maps[i];

		if (map->at == map->count || map_record_index(record_at(map)) != index)
			continue;
		map_record_decode(record_at(map), &ret_seen->records[i]);
		ret_seen->has = (uint8_t)(ret_seen->has | 1u << i);
		map->at++;
	}
	return true;
}

static enum verdict verdict(const struct coordinator *co, const struct seen *seen)
{
	const struct compare *c = &co->compare;
	int first = __builtin_ctz(c->voters);
	bool same = true, one_point = true;

	for (unsigned i = 0; i < co->config.voter_count; i++) {
		if (!(c->voters & 1u << i))
			continue;
		if (seen->records[i].lost)
			return VERDICT_LOST;
		same = same && map_record_same_content(&seen->records[i], &seen->records[first]);
		one_point = one_point && c->maps[i].q == c->maps[first].q;
	}
	if (same)
		return VERDICT_SAME;
	return one_point || MUTANT(compare_at_any_point) ? VERDICT_DIFFERS : VERDICT_CHANGING;
}

static bool is_same(const struct seen *seen, unsigned a, unsigned b)
{
	const struct map_record *of_b = &seen->records[b];

	return ((seen->has >> a ^ seen->has >> b) & 1u) == 0 &&
	       map_record_is_of_version(&seen->records[a], of_b->epoch, of_b->seq) &&
	       map_record_same_content(&seen->records[a], of_b);
}

/* A quorum of which all have the same; 0: there is none. */
static uint8_t agreeing(const struct coordinator *co, const struct seen *seen)
{
	const struct compare *c = &co->compare;

	for (unsigned i = 0; i < co->config.voter_count; i++) {
		uint8_t mask = 0;

		for (unsigned k = 0; k < co->config.voter_count; k++)
			if ((c->voters & 1u << i) && (c->voters & 1u << k) && is_same(seen, i, k))
				mask = (uint8_t)(mask | 1u << k);
		if (mask != 0 && (coordinator_is_quorum(co, mask) || MUTANT(rewrite_without_quorum)))
			return mask;
	}
	return 0;
}

/* The first that has other content than those who agree; where nobody does, than the first one. */
static int differing(const struct coordinator *co, const struct seen *seen, uint8_t agreed)
{
	unsigned good = (unsigned)__builtin_ctz(agreed ? agreed : co->compare.voters);

	for (unsigned i = 0; i < co->config.voter_count; i++)
		if ((co->compare.voters & 1u << i) &&
			!map_record_same_content(&seen->records[i], &seen->records[good]))
			return (int)i;
	ASSERT(!"they differ");
	return -1;
}

/* Blocks of the target that are to be written anew in place; 0: it has another version or shape. */
static uint16_t blocks_to_rewrite(const struct seen *seen, const struct map_record *good, int target)
{
	const struct map_record *bad = &seen->records[target];
	uint16_t blocks = 0;

	if (!(seen->has & 1u << target) || !map_record_is_of_version(bad, good->epoch, good->seq) ||
		bad->present != good->present || bad->zero != good->zero)
		return 0;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		if (bad->crc[i] != good->crc[i])
			blocks = (uint16_t)(blocks | 1u << i);
	return blocks;
}

/* ---- a grain that is to be replaced ---- */

void coordinator_compare_entry(struct coordinator *co, const struct entry *entry)
{
	struct compare *c = &co->compare;
	uint64_t start = c->watch_index * GRAIN_BYTES;
	bool has_range = entry->op == ENTRY_WRITE || entry->op == ENTRY_TRIM || entry->op == ENTRY_ZERO;

	ASSERT(c->watches && entry->seq > c->watch_from);
	/* What changes the levels touches all. */
	if (!has_range || (entry->offset_bytes < start + GRAIN_BYTES &&
				  entry->offset_bytes + entry->length_bytes > start))
		c->touched_seq = entry->seq;
}

bool coordinator_compare_is_untouched(const struct coordinator *co, uint64_t q)
{
	const struct compare *c = &co->compare;

	return (c->watches && q >= c->watch_from && c->touched_seq <= q) || MUTANT(replace_unwatched);
}

/* From now on it is known what is written into it. */
static void watch(struct coordinator *co, uint64_t index)
{
	struct compare *c = &co->compare;

	if (c->watches && c->watch_index == index)
		return;
	c->watches = true;
	c->watch_index = index;
	c->watch_from = co->last_seq;
	c->touched_seq = 0;
}

/* What is put into a snapshot would be seen through the trims above it, where they have left no mark over
 * nothing; and what is taken away above a snapshot lets it be seen. */
static bool may_replace(
	const struct coordinator *co, const struct map_record *good, int target, uint8_t agreed)
{
	const struct compare *c = &co->compare;
	uint8_t all = (uint8_t)(agreed | 1u << target);

	if (c->layer != LAYER_TOP || MUTANT(replace_never) || MUTANT(compare_at_any_point))
		return false;
	if ((c->snapshots_differ || (c->steady & all) != all) && !MUTANT(replace_over_differing))
		return false;
	/* Peers say so: it isn't our own. */
	return good->seq <= c->maps[target].q && c->maps[target].q <= co->commit_seq;
}

/* Later once more, from this grain on; false: that was often enough. */
static bool look_again(struct coordinator *co, uint64_t index)
{
	struct compare *c = &co->compare;

	if (c->again_index != index)
		c->tries = 0;
	c->again_index = index;
	if (++c->tries > COMPARE_TRIES) {
		c->tries = 0;
		return false;
	}
	c->cursor = index;
	coordinator_compare_again(co, (uint64_t)c->tries * c->tries * RETRY_NS);
	return true;
}

/* Who isn't in reach may know who is right. */
static bool somebody_is_missing(const struct coordinator *co)
{
	for (unsigned i = 0; i < co->config.voter_count; i++)
		if (coordinator_is_voter(co, i) && !(co->compare.voters & 1u << i))
			return true;
	return false;
}

static void count(struct coordinator *co, uint64_t index, int target, uint8_t agreed, bool rewritten)
{
	struct compare_status *s = &co->compare.status;

	s->in_snapshot = co->compare.layer != LAYER_TOP;
	s->pass.differing++;
	s->all.differing++;
	s->pass.rewritten += rewritten;
	s->all.rewritten += rewritten;
	co->compare.snapshots_differ |= s->in_snapshot && !rewritten;
	if (agreed != 0) {
		co->compare.differing_grains[target]++;
		co->compare.rewritten_grains[target] += rewritten;
	}
	s->index = index;
	s->voter = target;
	s->agreed = agreed;
	s->rewritten = rewritten;
	/* Many may differ: the first is told at once, the others with the end of the pass. */
	if (s->pass.differing == 1)
		co->changed = true;
}

/* False: it is told, and left as it is. */
static bool repair(struct coordinator *co, const struct seen *seen, int target, uint8_t agreed)
{
	const struct map_record *good = &seen->records[__builtin_ctz(agreed)];
	uint16_t blocks = blocks_to_rewrite(seen, good, target);
	uint64_t q = co->compare.maps[target].q;
	struct copy *copy;

	if ((blocks == 0 && !may_replace(co, good, target, agreed)) || !look_again(co, seen->index))
		return false;
	if (blocks == 0) {
		watch(co, seen->index);
		if (!coordinator_compare_is_untouched(co, q))
			return true;
	}
	copy = coordinator_copy_new(co, target, co->compare.layer, seen->index, true);
	if (!copy)
		return true;
	copy->bad = (uint8_t)~agreed;
	copy->compares = true;
	copy->rewrite = blocks;
	copy->q = q;
	copy->expected = *good;
	co->compare.step = COMPARE_REPAIR;
	co->compare.status.agreed = agreed;
	co->compare.next_ns = UINT64_MAX;
	return true;
}

bool coordinator_compare_judge(struct coordinator *co, uint64_t end)
{
	struct compare *c = &co->compare;
	struct seen seen;
	bool undecided;

	if (c->layer != LAYER_TOP)
		c->steady &= c->voters;
	while (look(co, end, &seen)) {
		enum verdict is = verdict(co, &seen);

		if (is == VERDICT_CHANGING && look_again(co, seen.index))
			return false;
		if (is == VERDICT_DIFFERS) {
			uint8_t agreed = agreeing(co, &seen);
			int target = differing(co, &seen, agreed);

			if (agreed != 0 && repair(co, &seen, target, agreed))
				return false;
			if (agreed == 0 && somebody_is_missing(co)) {
				c->missing = true;
				if (look_again(co, seen.index))
					return false;
			}
			count(co, seen.index, target, agreed, false);
		}
		undecided = is == VERDICT_CHANGING || is == VERDICT_LOST;
		c->snapshots_differ |= undecided && c->layer != LAYER_TOP;
		c->status.pass.undecided += undecided;
		c->status.all.undecided += undecided;
		c->status.pass.grains++;
		c->status.all.grains++;
	}
	c->cursor = end;
	return true;
}

bool coordinator_compare_is_expected(const struct copy *copy, const struct message *answer)
{
	const struct map_record *expected = &copy->expected;
	unsigned n = 0;

	if (expected->present == 0 && expected->zero == 0)
		return !answer->grain.found;
	if (!answer->grain.found || answer->grain.present != expected->present ||
		answer->grain.zero != expected->zero ||
		!map_record_is_of_version(expected, answer->grain.epoch, answer->grain.seq))
		return false;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		if ((expected->present & 1u << i) && answer->crc[n++] != expected->crc[i])
			return false;
	return true;
}

/* The window is asked for again in any case: what was written is compared once more. */
void coordinator_compare_repaired(struct coordinator *co, int target, bool rewritten)
{
	struct compare *c = &co->compare;

	ASSERT(c->step == COMPARE_REPAIR);
	if (rewritten)
		count(co, c->cursor, target, c->status.agreed, true);
	coordinator_compare_again(co, rewritten ? 0 : (uint64_t)c->tries * c->tries * RETRY_NS);
}
