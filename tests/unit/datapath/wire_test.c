/* Messages on the wire: what is encoded is decoded again; nonsense is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "datapath/wire.h"

#define SIZE_BYTES (UINT64_C(1) << 30)

static struct buf_pool *bufs;
static struct entry_pool *entries;
static struct wire_out out;
static struct wire_in in;
static struct uuid target;

static int setup(void **state)
{
	struct random random;

	(void)state;
	random_init(&random, 7);
	target = uuid_random(&random);
	if (buf_pool_new(64u << 20, &bufs) != 0)
		return -1;
	return entry_pool_new(16, &entries);
}

static int teardown(void **state)
{
	(void)state;
	entry_pool_free(entries);
	buf_pool_free(bufs);
	return 0;
}

static struct message blank(enum message_type type)
{
	return (struct message){
		.type = type, .epoch = { 9, 2 }, .session = UINT64_C(0xfedcba9876543210), .attempt = 77
	};
}

static struct buf *data_new(uint32_t blocks, uint32_t *crc)
{
	struct buf *buf = buf_get(bufs, blocks * BLOCK_BYTES);

	assert_non_null(buf);
	memset(buf->data, 0x5a, blocks * BLOCK_BYTES);
	buf->data[blocks * BLOCK_BYTES - 1] = 1;
	buf->len_bytes = blocks * BLOCK_BYTES;
	crc32c_blocks(buf->data, blocks, crc);
	return buf;
}

static struct entry *write_new(uint32_t blocks)
{
	struct entry *entry = entry_get(entries);

	assert_non_null(entry);
	entry->epoch = (struct epoch){ 9, 2 };
	entry->seq = 1000;
	entry->op = ENTRY_WRITE;
	entry->offset_bytes = SIZE_BYTES - ENTRY_MAX_BYTES;
	entry->length_bytes = (uint64_t)blocks * BLOCK_BYTES;
	entry->request_id = UINT64_MAX - 5;
	entry->request_part = 3;
	entry->payload = data_new(blocks, entry->crc);
	return entry;
}

static void round_trip(const struct message *m)
{
	const char *why = "";

	wire_encode(m, target, &out);
	assert_true(uuid_equal(out.frame.target, target));
	assert_int_equal(wire_decode(&in, &out.frame, entries, SIZE_BYTES, &why), 0);
	assert_int_equal(in.message.type, m->type);
	assert_true(epoch_equal(in.message.epoch, m->epoch));
	assert_true(in.message.session == m->session);
	assert_int_equal(in.message.attempt, m->attempt);
}

static void append_of_its_own_epoch_fits_64_bytes_and_comes_back(void **state)
{
	struct message m = blank(MESSAGE_APPEND);

	(void)state;
	m.clock_ns = 123456789012;
	m.commit_seq = 998;
	m.all_seq = 900;
	m.entry = write_new(3);
	round_trip(&m);
	assert_int_equal(out.frame.type, WIRE_APPEND);
	assert_true(out.frame.body_bytes <= 64);
	assert_true(in.message.clock_ns == m.clock_ns);
	assert_true(in.message.commit_seq == 998 && in.message.all_seq == 900);
	assert_true(in.entry->seq == 1000 && in.entry->request_id == m.entry->request_id);
	assert_int_equal(in.entry->request_part, 3);
	assert_true(
		in.entry->offset_bytes == m.entry->offset_bytes && in.entry->length_bytes == 3 * BLOCK_BYTES);
	assert_ptr_equal(in.entry->payload, m.entry->payload);
	assert_memory_equal(in.entry->crc, m.entry->crc, 3 * sizeof(uint32_t));
	wire_in_done(&in);
	entry_put(m.entry);
}

static void commit_may_be_far_behind_or_ahead_of_the_entry(void **state)
{
	struct message m = blank(MESSAGE_APPEND);

	(void)state;
	m.entry = write_new(1);
	m.entry->seq = 50;
	m.commit_seq = 9000;
	m.all_seq = 20;
	round_trip(&m);
	assert_true(in.message.commit_seq == 9000 && in.message.all_seq == 20);
	wire_in_done(&in);
	m.commit_seq = 0;
	m.all_seq = 0;
	round_trip(&m);
	assert_true(in.message.commit_seq == 0 && in.message.all_seq == 0);
	wire_in_done(&in);
	entry_put(m.entry);
}

static void commit_out_of_the_fixed_structs_range_comes_back(void **state)
{
	struct message m = blank(MESSAGE_APPEND);

	(void)state;
	m.entry = write_new(1);
	m.entry->seq = UINT64_C(1) << 40;
	m.commit_seq = m.entry->seq - (UINT64_C(1) << 31);
	m.all_seq = m.commit_seq;
	round_trip(&m);
	assert_true(in.message.commit_seq == m.commit_seq && in.message.all_seq == m.all_seq);
	wire_in_done(&in);
	m.commit_seq = m.entry->seq;
	m.all_seq = 7;
	round_trip(&m);
	assert_true(in.message.commit_seq == m.commit_seq && in.message.all_seq == 7);
	wire_in_done(&in);
	entry_put(m.entry);
}

static void entries_of_older_epochs_and_without_data_travel_as_they_are(void **state)
{
	struct message m = blank(MESSAGE_APPEND);

	(void)state;
	m.entry = write_new(2);
	m.entry->epoch = (struct epoch){ 4, 1 };
	m.commit_seq = 998;
	m.all_seq = 900;
	m.clock_ns = 5;
	round_trip(&m);
	assert_int_equal(out.frame.type, MESSAGE_APPEND);
	assert_true(epoch_equal(in.entry->epoch, m.entry->epoch));
	assert_true(in.message.commit_seq == 998 && in.message.all_seq == 900 && in.message.clock_ns == 5);
	wire_in_done(&in);
	entry_put(m.entry);

	m.entry = entry_get(entries);
	m.entry->op = ENTRY_NEW_EPOCH;
	m.entry->epoch = m.epoch;
	m.entry->seq = 7;
	memset(m.entry->attachment.byte, 0xab, 16);
	round_trip(&m);
	assert_int_equal(in.entry->op, ENTRY_NEW_EPOCH);
	assert_true(uuid_equal(in.entry->attachment, m.entry->attachment));
	wire_in_done(&in);
	entry_put(m.entry);

	m.entry = entry_get(entries);
	m.entry->op = ENTRY_TRIM;
	m.entry->epoch = m.epoch;
	m.entry->seq = 8;
	m.entry->offset_bytes = GRAIN_BYTES;
	m.entry->length_bytes = SIZE_BYTES - GRAIN_BYTES;
	round_trip(&m);
	assert_true(in.entry->length_bytes == SIZE_BYTES - GRAIN_BYTES);
	wire_in_done(&in);
	entry_put(m.entry);
}

static void heartbeat_answer_and_reads_come_back(void **state)
{
	struct message m = blank(MESSAGE_APPEND);
	uint32_t crc[2];

	(void)state;
	m.clock_ns = 1;
	m.commit_seq = 2;
	m.all_seq = 3;
	round_trip(&m);
	assert_null(in.message.entry);
	assert_true(in.message.clock_ns == 1 && in.message.commit_seq == 2 && in.message.all_seq == 3);
	wire_in_done(&in);

	m = blank(MESSAGE_APPEND_ANSWER);
	m.clock_ns = 4;
	m.seq = 5;
	m.commit_seq = 6;
	m.room_bytes = 7;
	m.rc = -EIO;
	m.incomplete = m.full = true;
	round_trip(&m);
	assert_true(in.message.clock_ns == 4 && in.message.seq == 5 && in.message.commit_seq == 6 &&
		    in.message.room_bytes == 7);
	assert_true(in.message.rc == -EIO && in.message.incomplete && in.message.full);
	wire_in_done(&in);

	m = blank(MESSAGE_READ);
	m.token = 8;
	m.seq = 9;
	m.offset_bytes = GRAIN_BYTES;
	m.length_bytes = 2 * BLOCK_BYTES;
	round_trip(&m);
	assert_true(in.message.token == 8 && in.message.seq == 9);
	assert_true(in.message.offset_bytes == GRAIN_BYTES && in.message.length_bytes == 2 * BLOCK_BYTES);
	wire_in_done(&in);

	m = blank(MESSAGE_READ_ANSWER);
	m.token = 8;
	m.payload = data_new(2, crc);
	m.crc = crc;
	round_trip(&m);
	assert_ptr_equal(in.message.payload, m.payload);
	wire_in_done(&in);
	buf_put(m.payload);
}

static void open_answer_with_a_full_table_of_epochs_comes_back(void **state)
{
	struct message m = blank(MESSAGE_OPEN_ANSWER);
	struct epoch_start rows[EPOCHS_MAX];

	(void)state;
	for (uint32_t i = 0; i < EPOCHS_MAX; i++)
		rows[i] = (struct epoch_start){ { UINT64_MAX - EPOCHS_MAX + i, UINT32_MAX },
			UINT64_MAX - 1000 + i };
	m.rows = rows;
	m.row_count = EPOCHS_MAX;
	m.position = (struct position){ { UINT64_MAX, UINT32_MAX }, UINT64_MAX };
	m.since = (struct position){ { UINT64_MAX, 1 }, UINT64_MAX };
	m.first_seq = UINT64_MAX;
	m.commit_seq = UINT64_MAX;
	m.room_bytes = UINT64_MAX;
	m.clock_ns = UINT64_MAX;
	m.full = m.incomplete = m.damaged = m.retired = true;
	round_trip(&m);
	assert_int_equal(in.message.row_count, EPOCHS_MAX);
	for (uint32_t i = 0; i < EPOCHS_MAX; i++) {
		assert_true(epoch_equal(in.message.rows[i].epoch, rows[i].epoch));
		assert_true(in.message.rows[i].first_seq == rows[i].first_seq);
	}
	assert_true(in.message.position.seq == UINT64_MAX && in.message.since.epoch.restart == 1);
	assert_true(in.message.full && in.message.incomplete && in.message.damaged && in.message.retired);
	wire_in_done(&in);
}

static void grain_with_some_blocks_comes_back(void **state)
{
	struct message m = blank(MESSAGE_GRAIN_WRITE);
	uint32_t crc[3];

	(void)state;
	m.token = 11;
	m.grain = (struct message_grain){ .layer = 2,
		.index = 5,
		.found = true,
		.epoch = { 3, 0 },
		.seq = 12,
		.present = 0x0111,
		.zero = 0x8000 };
	m.payload = data_new(3, crc);
	m.crc = crc;
	round_trip(&m);
	assert_true(in.message.grain.layer == 2 && in.message.grain.index == 5 && in.message.grain.found);
	assert_true(in.message.grain.present == 0x0111 && in.message.grain.zero == 0x8000 &&
		    in.message.grain.seq == 12);
	wire_in_done(&in);
	buf_put(m.payload);
}

static void a_question_for_a_snapshots_map_comes_back(void **state)
{
	struct message m = { .type = MESSAGE_SNAPSHOT_READ,
		.snapshot = { { 7, 8, 9 } },
		.older = { { 7, 8, 8 } },
		.map_wanted = true,
		.length_bytes = 16 * GRAIN_BYTES,
		.size_bytes = 16 * GRAIN_BYTES };
	const char *why;

	(void)state;
	round_trip(&m);
	assert_true(in.message.map_wanted && uuid_equal(in.message.older, m.older));
	assert_int_equal(in.message.length_bytes, m.length_bytes);
	wire_in_done(&in);
	/* Outside the volume; not whole grains; more than one answer holds. */
	m.offset_bytes = m.size_bytes = SIZE_BYTES;
	wire_encode(&m, target, &out);
	assert_int_equal(wire_decode(&in, &out.frame, entries, SIZE_BYTES, &why), -EPROTO);
	m.offset_bytes = 0;
	m.length_bytes = 15 * GRAIN_BYTES + BLOCK_BYTES;
	wire_encode(&m, target, &out);
	assert_int_equal(wire_decode(&in, &out.frame, entries, SIZE_BYTES, &why), -EPROTO);
	m.size_bytes = UINT64_C(1) << 40;
	m.length_bytes = (SNAPSHOT_MAP_MAX_GRAINS + 1) * GRAIN_BYTES;
	wire_encode(&m, target, &out);
	assert_int_equal(wire_decode(&in, &out.frame, entries, SIZE_BYTES, &why), -EPROTO);
}

static void a_bad_grain_of_a_snapshot_comes_back(void **state)
{
	struct message m = blank(MESSAGE_GRAIN_BAD);

	(void)state;
	m.grain = (struct message_grain){ .layer = LAYER_WHOLE, .index = SIZE_BYTES / GRAIN_BYTES - 1 };
	m.snapshot = (struct uuid){ { 7, 8, 9 } };
	round_trip(&m);
	assert_true(in.message.grain.layer == LAYER_WHOLE && in.message.grain.index == m.grain.index);
	assert_true(uuid_equal(in.message.snapshot, m.snapshot));
	wire_in_done(&in);
}

static int decoded(void)
{
	const char *why = NULL;
	int rc = wire_decode(&in, &out.frame, entries, SIZE_BYTES, &why);

	if (rc == 0)
		wire_in_done(&in);
	else
		assert_non_null(why);
	return rc;
}

static void nonsense_is_refused(void **state)
{
	struct message m = blank(MESSAGE_APPEND);

	(void)state;
	m.entry = write_new(2);
	wire_encode(&m, target, &out);
	m.entry->payload->data[5000] ^= 1; /* on its way */
	assert_true(decoded() < 0);
	m.entry->payload->data[5000] ^= 1;
	assert_int_equal(decoded(), 0);
	out.frame.body_bytes--;
	assert_int_equal(decoded(), -EPROTO);
	out.frame.body_bytes++;
	out.frame.type = 1000;
	assert_int_equal(decoded(), -EPROTO);
	entry_put(m.entry);

	m = blank(MESSAGE_READ);
	m.offset_bytes = SIZE_BYTES;
	m.length_bytes = BLOCK_BYTES;
	wire_encode(&m, target, &out);
	assert_int_equal(decoded(), -EPROTO);
	m.offset_bytes = 0;
	m.length_bytes = ENTRY_MAX_BYTES + BLOCK_BYTES;
	wire_encode(&m, target, &out);
	assert_int_equal(decoded(), -EPROTO);

	m = blank(MESSAGE_GRAIN_BAD);
	m.grain = (struct message_grain){ .layer = LAYER_WHOLE, .index = SIZE_BYTES / GRAIN_BYTES };
	wire_encode(&m, target, &out);
	assert_int_equal(decoded(), -EPROTO);

	m = blank(MESSAGE_GRAIN_WRITE);
	m.grain = (struct message_grain){ .layer = LAYER_WHOLE };
	wire_encode(&m, target, &out);
	assert_int_equal(decoded(), -EPROTO);
	m.grain.layer = LAYER_TOP;
	wire_encode(&m, target, &out);
	assert_int_equal(decoded(), 0);
}

/* The payload would be the entry's, and its checksums compared with nothing. */
static void an_answer_with_an_entry_in_it_is_refused(void **state)
{
	static const enum message_type types[] = { MESSAGE_READ_ANSWER, MESSAGE_GRAIN_ANSWER,
		MESSAGE_MAP_ANSWER, MESSAGE_OPEN };
	struct message m = blank(MESSAGE_LOG_ANSWER);

	(void)state;
	m.entry = write_new(1);
	wire_encode(&m, target, &out);
	assert_int_equal(out.frame.type, MESSAGE_LOG_ANSWER);
	assert_int_equal(decoded(), 0);
	m.entry->payload->data[0] ^= 1;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		out.frame.type = (uint16_t)types[i];
		assert_int_equal(decoded(), -EPROTO);
	}
	entry_put(m.entry);
}

static void bytes_at_random_never_do_harm(void **state)
{
	struct random random;

	(void)state;
	random_init(&random, 3);
	memset(&out, 0, sizeof(out));
	out.frame.body = out.body;
	for (int i = 0; i < 20000; i++) {
		out.frame.type = (uint16_t)random_below(&random, 70);
		out.frame.body_bytes = (uint32_t)random_below(&random, 200);
		random_bytes(&random, out.body, out.frame.body_bytes);
		(void)decoded();
	}
	assert_true(in.entry == NULL);
}

static void rows_out_of_order_are_refused(void **state)
{
	struct message m = blank(MESSAGE_OPEN_ANSWER);
	struct epoch_start rows[2] = { { { 5, 0 }, 10 }, { { 4, 0 }, 20 } };

	(void)state;
	m.rows = rows;
	m.row_count = 2;
	wire_encode(&m, target, &out);
	assert_int_equal(decoded(), -EPROTO);
}

static void commit_before_the_first_entry_is_refused(void **state)
{
	struct message m = blank(MESSAGE_APPEND);

	(void)state;
	m.entry = write_new(1);
	m.entry->seq = 50;
	m.commit_seq = 0;
	wire_encode(&m, target, &out);
	assert_int_equal(out.frame.type, WIRE_APPEND);
	assert_int_equal(out.body[40], (uint8_t)-50); /* commit_seq - seq, little end first */
	assert_int_equal(decoded(), 0);
	wire_in_done(&in);
	out.body[40]--;
	assert_int_equal(decoded(), -EPROTO);
	entry_put(m.entry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(append_of_its_own_epoch_fits_64_bytes_and_comes_back),
		cmocka_unit_test(commit_may_be_far_behind_or_ahead_of_the_entry),
		cmocka_unit_test(commit_out_of_the_fixed_structs_range_comes_back),
		cmocka_unit_test(commit_before_the_first_entry_is_refused),
		cmocka_unit_test(entries_of_older_epochs_and_without_data_travel_as_they_are),
		cmocka_unit_test(heartbeat_answer_and_reads_come_back),
		cmocka_unit_test(open_answer_with_a_full_table_of_epochs_comes_back),
		cmocka_unit_test(grain_with_some_blocks_comes_back),
		cmocka_unit_test(a_question_for_a_snapshots_map_comes_back),
		cmocka_unit_test(a_bad_grain_of_a_snapshot_comes_back),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(an_answer_with_an_entry_in_it_is_refused),
		cmocka_unit_test(bytes_at_random_never_do_harm),
		cmocka_unit_test(rows_out_of_order_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
