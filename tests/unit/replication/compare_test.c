/* Replicas compared with each other: what differs, who is believed, and what is only told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "replication/replication.h"

#define GRAIN 5u

/* A replica: one grain, or none; and how far its maps are ahead of the question. */
struct fake {
	bool has;
	struct map_record record;
	uint64_t ahead;
};

static struct coordinator *machine;
static struct entry_pool *entries;
static struct entry *newest; /* of the logs */
static struct buf_pool *bufs;
static uint64_t now_ns, last_seq[3];
static struct fake fakes[3];
static unsigned maps_asked, grains_read, heals;
static int healed; /* the last one */
static uint32_t healed_blocks;
static bool gives_another;      /* a source's grain isn't what its map said */
static struct message replaced; /* the last GRAIN_HEAL of a whole grain */
static int heal_rc;
static struct operation trim; /* is begun when a source is asked for its grain, if ... */
static bool trims;            /* ... this is set: of this one: */
static uint64_t trim_index;

static const struct epoch_start rows[] = { { { 1, 0 }, 1 } };

static int setup(void **state)
{
	(void)state;
	now_ns = 1000 * NS_PER_S;
	maps_asked = grains_read = heals = 0;
	healed = -1;
	healed_blocks = 0;
	heal_rc = 0;
	gives_another = trims = false;
	replaced = (struct message){ 0 };
	for (unsigned i = 0; i < 3; i++) {
		last_seq[i] = 4;
		fakes[i] = (struct fake){ .has = true };
		fakes[i].record = (struct map_record){
			.index = GRAIN, .epoch = { 1, 0 }, .seq = 3, .present = 0xf0, .zero = 0x1
		};
		for (unsigned k = 4; k < 8; k++)
			fakes[i].record.crc[k] = 100 + k;
	}
	assert_int_equal(buf_pool_new(UINT64_C(8) << 20, &bufs), 0);
	return entry_pool_new(16, &entries);
}

static int teardown(void **state)
{
	(void)state;
	coordinator_end(machine, -EIO, now_ns);
	coordinator_free(machine);
	entry_put(newest);
	newest = NULL;
	entry_pool_free(entries);
	buf_pool_free(bufs);
	return 0;
}

static void map_answer(unsigned i, const struct message *m, struct message *answer)
{
	const struct fake *f = &fakes[i];

	answer->type = MESSAGE_MAP_ANSWER;
	answer->token = m->token;
	answer->seq = m->seq + f->ahead;
	answer->map = m->map;
	answer->map.count = 0;
	if (m->map.layer == LAYER_TREE)
		return;
	maps_asked++;
	assert_int_equal(m->map.layer, LAYER_TOP);
	if (!f->has || GRAIN < m->map.from || GRAIN >= m->map.end)
		return;
	answer->map.count = 1;
	answer->payload = buf_get(bufs, BLOCK_BYTES);
	assert_non_null(answer->payload);
	answer->payload->len_bytes = BLOCK_BYTES;
	memset(answer->payload->data, 0, BLOCK_BYTES);
	map_record_encode(answer->payload->data, &f->record);
}

static void trim_begin(void)
{
	trims = false;
	trim = (struct operation){ .entry = entry_get(entries) };
	assert_non_null(trim.entry);
	trim.entry->op = ENTRY_TRIM;
	trim.entry->offset_bytes = trim_index * GRAIN_BYTES;
	trim.entry->length_bytes = GRAIN_BYTES;
	coordinator_submit(machine, &trim, now_ns);
}

static void grain_answer(unsigned i, const struct message *m, struct message *answer)
{
	static uint32_t crc[GRAIN_BLOCKS];
	const struct map_record *record = &fakes[i].record;
	unsigned count = 0;

	grains_read++;
	if (trims)
		trim_begin();
	answer->type = MESSAGE_GRAIN_ANSWER;
	answer->token = m->token;
	answer->seq = m->seq;
	answer->grain = m->grain;
	if (!fakes[i].has)
		return;
	answer->grain.found = true;
	answer->grain.epoch = record->epoch;
	answer->grain.seq = record->seq;
	answer->grain.present = record->present;
	answer->grain.zero = record->zero;
	for (unsigned k = 0; k < GRAIN_BLOCKS; k++)
		if (record->present & 1u << k)
			crc[count++] = record->crc[k];
	crc[0] += gives_another;
	answer->payload = buf_get(bufs, count * BLOCK_BYTES);
	assert_non_null(answer->payload);
	answer->payload->len_bytes = count * BLOCK_BYTES;
	answer->crc = crc;
}

/* What a replica says to this; false: nothing. */
static bool reply(unsigned i, const struct message *m, struct message *answer)
{
	switch (m->type) {
	case MESSAGE_OPEN:
		answer->type = MESSAGE_OPEN_ANSWER;
		answer->position = (struct position){ { 1, 0 }, 4 };
		answer->rows = rows;
		answer->row_count = 1;
		answer->commit_seq = 4;
		return true;
	case MESSAGE_MATCH:
		answer->type = MESSAGE_MATCH_ANSWER;
		answer->seq = m->seq;
		return true;
	case MESSAGE_APPEND:
		if (m->entry) {
			last_seq[i] = m->entry->seq;
			entry_put(newest);
			newest = entry_ref(m->entry);
		}
		answer->type = MESSAGE_APPEND_ANSWER;
		answer->seq = last_seq[i];
		answer->clock_ns = m->clock_ns;
		return true;
	case MESSAGE_LOG_READ:
		assert_int_equal(m->seq, newest->seq);
		answer->type = MESSAGE_LOG_ANSWER;
		answer->token = m->token;
		answer->seq = m->seq;
		answer->entry = newest;
		return true;
	case MESSAGE_MAP_READ:
		map_answer(i, m, answer);
		return true;
	case MESSAGE_GRAIN_READ:
		grain_answer(i, m, answer);
		return true;
	case MESSAGE_GRAIN_HEAL:
		heals++;
		healed = (int)i;
		healed_blocks = m->blocks;
		if (m->seq != 0)
			replaced = *m;
		if (heal_rc == 0)
			fakes[i] = fakes[(i + 1) % 3];
		answer->type = MESSAGE_GRAIN_HEALED;
		answer->token = m->token;
		answer->grain = m->grain;
		answer->rc = heal_rc;
		answer->blocks = heal_rc == 0;
		return true;
	default:
		return false;
	}
}

static void pass_ms(unsigned ms)
{
	struct coordinator_effect effect;

	for (unsigned k = 0; k < ms / 10; k++) {
		now_ns += 10 * NS_PER_MS;
		coordinator_tick(machine, now_ns);
		while (coordinator_poll(machine, now_ns, &effect)) {
			const struct message *m = &effect.message;
			struct message answer = { .room_bytes = 1u << 20 };

			if (effect.type != COORDINATOR_SEND || !reply((unsigned)effect.voter, m, &answer))
				continue;
			answer.epoch = m->epoch;
			answer.session = m->session;
			answer.attempt = m->attempt;
			coordinator_message(machine, effect.voter, &answer, now_ns);
			buf_put(answer.payload);
		}
	}
}

static struct compare_status status_get(void)
{
	struct coordinator_status status;

	coordinator_status_get(machine, now_ns, &status);
	assert_int_equal(status.dropped, 0);
	return status.compare;
}

/* Of so many the first ones are there. */
static void begin(unsigned voters, unsigned there)
{
	struct coordinator_config config = {
		.voter_count = voters,
		.local = -1,
		.size_bytes = 64 * GRAIN_BYTES,
		.epoch = { 2, 0 },
		.session = 77,
		.lease_ms = 3000,
		.lease_margin_ms = 400,
		.entries = entries,
		.compare_every_ms = 1000,
	};

	assert_int_equal(coordinator_new(&config, now_ns, &machine), 0);
	for (unsigned i = 0; i < there; i++)
		coordinator_voter_up(machine, (int)i, now_ns);
}

/* The first comparison. */
static struct compare_tally compared(unsigned voters)
{
	begin(voters, voters);
	for (unsigned i = 0; i < 200 && status_get().passes == 0; i++)
		pass_ms(100);
	assert_int_equal(status_get().passes, 1);
	return status_get().last;
}

static void equal_replicas_are_compared_again_and_again(void **state)
{
	struct compare_tally found = compared(3);

	(void)state;
	assert_int_equal(found.grains, 1);
	assert_int_equal(found.differing + found.undecided, 0);
	pass_ms(2500);
	assert_true(status_get().passes >= 3);
	assert_int_equal(status_get().all.grains, status_get().passes);
	assert_int_equal(grains_read + heals, 0);
}

static void the_same_content_is_the_same_at_any_point(void **state)
{
	struct compare_tally found;

	(void)state;
	fakes[0].ahead = 2;
	fakes[0].record.seq = 4;
	found = compared(3);
	assert_int_equal(found.differing + found.undecided, 0);
}

static void what_differs_at_other_points_is_asked_for_again(void **state)
{
	struct compare_tally found;

	(void)state;
	fakes[0].ahead = 1;
	fakes[0].record.seq = 4;
	fakes[0].record.crc[5]++;
	found = compared(3);
	assert_int_equal(found.differing, 0);
	assert_int_equal(found.undecided, 1);
	assert_true(maps_asked >= 3 * 10);
	assert_int_equal(grains_read + heals, 0);
}

static void a_quorum_is_believed_and_the_other_one_written_anew(void **state)
{
	struct compare_tally found;

	(void)state;
	fakes[1].record.crc[5]++;
	fakes[1].record.crc[7]++;
	found = compared(3);
	assert_int_equal(found.differing, 1);
	assert_int_equal(found.rewritten, 1);
	assert_int_equal(heals, 1);
	assert_int_equal(healed, 1);
	assert_int_equal(healed_blocks, 1u << 5 | 1u << 7);
	assert_int_equal(status_get().voter, 1);
	assert_int_equal(status_get().agreed, 1u << 0 | 1u << 2);
}

static void a_copy_that_is_no_longer_what_was_compared_is_not_written(void **state)
{
	struct compare_tally found;

	(void)state;
	fakes[1].record.crc[5]++;
	gives_another = true;
	found = compared(3);
	assert_int_equal(found.differing, 1);
	assert_int_equal(found.rewritten, 0);
	assert_true(grains_read > 0);
	assert_int_equal(heals, 0);
}

static void of_two_nobody_is_believed(void **state)
{
	struct compare_tally found;

	(void)state;
	fakes[1].record.crc[5]++;
	found = compared(2);
	assert_int_equal(found.differing, 1);
	assert_int_equal(status_get().agreed, 0);
	assert_int_equal(grains_read + heals, 0);
}

/* Two differ, and the third one is away: it comes, and tells who is right. */
static void who_is_missing_is_asked_when_he_is_there(void **state)
{
	(void)state;
	fakes[0].record.crc[5]++;
	begin(3, 2);
	for (unsigned i = 0; i < 200 && maps_asked == 0; i++)
		pass_ms(10);
	pass_ms(500);
	assert_int_equal(status_get().all.differing + status_get().passes, 0);
	assert_int_equal(heals, 0);
	coordinator_voter_up(machine, 2, now_ns);
	for (unsigned i = 0; i < 200 && status_get().passes == 0; i++)
		pass_ms(100);
	assert_int_equal(status_get().last.differing, 1);
	assert_int_equal(status_get().last.rewritten, 1);
	assert_int_equal(healed, 0);
}

/* The whole grain, if what is applied there is from the newest entry in it on up to what is committed. */
static void another_version_or_shape_is_replaced(void **state)
{
	struct compare_tally found;

	(void)state;
	fakes[2].record.seq = 2;
	fakes[2].record.crc[5]++;
	found = compared(3);
	assert_int_equal(found.differing, 1);
	assert_int_equal(found.rewritten, 1);
	assert_int_equal(healed, 2);
	assert_int_equal(healed_blocks, 0);
	assert_int_equal(replaced.grain.layer, LAYER_TOP);
	assert_int_equal(replaced.grain.index, GRAIN);
	assert_true(replaced.grain.found);
	assert_int_equal(replaced.grain.seq, 3);
	assert_int_equal(replaced.seq, 5); /* with the session's own */
	fakes[2].record.zero = 0x2;        /* trimmed elsewhere */
	pass_ms(2000);
	assert_int_equal(status_get().all.rewritten, 2);
	assert_int_equal(replaced.grain.zero, 1);
}

static void what_is_missing_or_too_many_is_replaced(void **state)
{
	(void)state;
	fakes[1].has = false;
	fakes[1].record = (struct map_record){ 0 };
	assert_int_equal(compared(3).rewritten, 1);
	assert_int_equal(healed, 1);
	assert_true(replaced.grain.found);
	for (unsigned i = 0; i < 3; i++) {
		fakes[i].has = i == 0;
		if (i > 0)
			fakes[i].record = (struct map_record){ 0 };
	}
	pass_ms(2000);
	assert_int_equal(status_get().all.rewritten, 2);
	assert_int_equal(healed, 0);
	assert_false(replaced.grain.found);
	assert_null(replaced.payload);
	/* There is no newest entry: where the maps were taken that much was applied. */
	assert_int_equal(replaced.grain.seq, 5);
	assert_int_equal(replaced.seq, 5);
}

/* It is looked at again, with what is committed then; what is written elsewhere does no harm. */
static void what_is_touched_meanwhile_is_not_replaced(void **state)
{
	(void)state;
	fakes[1].record.seq = 2;
	fakes[1].record.crc[5]++;
	trims = true;
	trim_index = GRAIN;
	assert_int_equal(compared(3).rewritten, 1);
	assert_int_equal(grains_read, 2);
	assert_int_equal(heals, 1);
	assert_int_equal(replaced.seq, 6);
	fakes[1].record.zero = 0x2;
	trims = true;
	trim_index = GRAIN + 1;
	pass_ms(2000);
	assert_int_equal(grains_read, 3);
	assert_int_equal(heals, 2);
}

static void what_is_refused_for_good_is_told_at_once(void **state)
{
	struct compare_tally found;

	(void)state;
	fakes[1].has = false;
	fakes[1].record = (struct map_record){ 0 };
	heal_rc = -ENOTSUP;
	found = compared(3);
	assert_int_equal(found.differing, 1);
	assert_int_equal(found.rewritten, 0);
	assert_int_equal(heals, 1);
	heal_rc = -EAGAIN;
	pass_ms(20000);
	assert_true(heals > 5);
	assert_int_equal(status_get().all.rewritten, 0);
}

static void a_version_beyond_its_map_is_told_and_left_alone(void **state)
{
	(void)state;
	fakes[0].record.seq = fakes[2].record.seq = 99;
	fakes[1].record.crc[5]++;
	assert_int_equal(compared(3).differing, 1);
	assert_int_equal(status_get().all.rewritten, 0);
	assert_int_equal(grains_read + heals, 0);
}

static void lost_checksums_are_no_difference(void **state)
{
	struct compare_tally found;

	(void)state;
	fakes[1].record.lost = true;
	fakes[1].record.crc[5] = 7;
	found = compared(3);
	assert_int_equal(found.differing, 0);
	assert_int_equal(found.undecided, 1);
	assert_int_equal(grains_read + heals, 0);
}

static void a_scrub_asks_for_one_at_once(void **state)
{
	struct message asked = {
		.type = MESSAGE_COMPARE_ASKED, .epoch = { 2, 0 }, .session = 77, .attempt = 1
	};
	uint64_t passes = compared(3).grains;

	(void)state;
	assert_int_equal(passes, 1);
	coordinator_message(machine, 2, &asked, now_ns);
	assert_true(status_get().under_way && status_get().asked);
	coordinator_message(machine, 1, &asked, now_ns); /* of its pool: once more after this one */
	pass_ms(100);
	assert_int_equal(status_get().passes, 3);
	assert_true(status_get().last_asked && !status_get().asked);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(equal_replicas_are_compared_again_and_again),
		TEST(the_same_content_is_the_same_at_any_point),
		TEST(what_differs_at_other_points_is_asked_for_again),
		TEST(a_quorum_is_believed_and_the_other_one_written_anew),
		TEST(a_copy_that_is_no_longer_what_was_compared_is_not_written),
		TEST(of_two_nobody_is_believed),
		TEST(who_is_missing_is_asked_when_he_is_there),
		TEST(another_version_or_shape_is_replaced),
		TEST(what_is_missing_or_too_many_is_replaced),
		TEST(what_is_touched_meanwhile_is_not_replaced),
		TEST(what_is_refused_for_good_is_told_at_once),
		TEST(a_version_beyond_its_map_is_told_and_left_alone),
		TEST(lost_checksums_are_no_difference),
		TEST(a_scrub_asks_for_one_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
