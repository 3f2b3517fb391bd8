/* The server's side of NBD's handshake, and its requests and replies, as bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attach/nbd_handshake.h"

#define SIZE_BYTES (UINT64_C(1) << 30)

static uint8_t option_bytes[NBD_OPTION_HEAD_BYTES + NBD_OPTION_MAX_BYTES + 1];

/* An option with its data, fed whole. Returns what was used. */
static uint32_t option(struct nbd_handshake *h, uint32_t number, const void *data, uint32_t length_bytes)
{
	uint8_t *at = nbd_put64(option_bytes, NBD_OPTION_MAGIC);

	at = nbd_put32(nbd_put32(at, number), length_bytes);
	if (length_bytes > 0)
		memcpy(at, data, length_bytes);
	return nbd_handshake_input(h, option_bytes, NBD_OPTION_HEAD_BYTES + length_bytes);
}

/* The type of the reply that begins at *at, which moves behind it. */
static uint32_t reply_next(const struct nbd_handshake *h, uint32_t *at, uint32_t number)
{
	const uint8_t *bytes = h->out + *at;

	assert_true(*at + 20 <= h->out_bytes);
	assert_true(nbd_get64(bytes) == NBD_REPLY_MAGIC);
	assert_int_equal(nbd_get32(bytes + 8), number);
	*at += 20 + nbd_get32(bytes + 16);
	assert_true(*at <= h->out_bytes);
	return nbd_get32(bytes + 12);
}

static uint32_t only_reply(const struct nbd_handshake *h, uint32_t number)
{
	uint32_t at = 0, type = reply_next(h, &at, number);

	assert_int_equal(at, h->out_bytes);
	return type;
}

static void ready_for_options(struct nbd_handshake *h)
{
	uint8_t flags[4];

	nbd_handshake_init(h, "v1", SIZE_BYTES);
	assert_true(nbd_get64(h->out) == NBD_MAGIC);
	nbd_put32(flags, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
	assert_int_equal(nbd_handshake_input(h, flags, 3), 0);
	assert_int_equal(nbd_handshake_input(h, flags, 4), 4);
	assert_int_equal(h->state, NBD_HANDSHAKE_OPTION);
	assert_int_equal(h->out_bytes, 0);
}

static void go_tells_size_flags_and_block_sizes(void **state)
{
	static const uint8_t data[] = { 0, 0, 0, 2, 'v', '1', 0, 0 };
	struct nbd_handshake h;
	uint32_t at = 0;

	(void)state;
	ready_for_options(&h);
	assert_int_equal(option(&h, NBD_OPT_GO, data, sizeof(data)), NBD_OPTION_HEAD_BYTES + sizeof(data));
	assert_int_equal(h.state, NBD_HANDSHAKE_READY);
	assert_true(nbd_get64(h.out + 22) == SIZE_BYTES);
	assert_true(nbd_get16(h.out + 30) & NBD_FLAG_CAN_MULTI_CONN);
	assert_int_equal(reply_next(&h, &at, NBD_OPT_GO), NBD_REP_INFO);
	assert_int_equal(nbd_get16(h.out + at + 20), NBD_INFO_BLOCK_SIZE);
	assert_int_equal(nbd_get32(h.out + at + 22), BLOCK_BYTES);
	assert_int_equal(nbd_get32(h.out + at + 30), FRONT_MAX_BYTES);
	assert_int_equal(reply_next(&h, &at, NBD_OPT_GO), NBD_REP_INFO);
	assert_int_equal(reply_next(&h, &at, NBD_OPT_GO), NBD_REP_ACK);
	assert_int_equal(at, h.out_bytes);
}

static void info_leaves_the_choice_open_and_the_empty_name_is_the_volume(void **state)
{
	static const uint8_t data[] = { 0, 0, 0, 0, 0, 2, 0, NBD_INFO_NAME, 0, NBD_INFO_DESCRIPTION };
	struct nbd_handshake h;
	uint32_t at = 0;

	(void)state;
	ready_for_options(&h);
	assert_true(option(&h, NBD_OPT_INFO, data, sizeof(data)) > 0);
	assert_int_equal(h.state, NBD_HANDSHAKE_OPTION);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(reply_next(&h, &at, NBD_OPT_INFO), NBD_REP_INFO);
	assert_int_equal(reply_next(&h, &at, NBD_OPT_INFO), NBD_REP_ACK);
	assert_int_equal(at, h.out_bytes);
}

static void another_volumes_name_is_refused_and_the_client_may_ask_again(void **state)
{
	static const uint8_t other[] = { 0, 0, 0, 2, 'v', '2', 0, 0 };
	struct nbd_handshake h;

	(void)state;
	ready_for_options(&h);
	assert_true(option(&h, NBD_OPT_GO, other, sizeof(other)) > 0);
	assert_int_equal(only_reply(&h, NBD_OPT_GO), NBD_REP_ERR_UNKNOWN);
	assert_int_equal(h.state, NBD_HANDSHAKE_OPTION);
	assert_true(option(&h, NBD_OPT_EXPORT_NAME, "v2", 2) > 0);
	assert_int_equal(h.state, NBD_HANDSHAKE_CLOSED);
}

static void export_name_is_padded_unless_the_client_declines(void **state)
{
	struct nbd_handshake h;
	uint8_t flags[4];

	(void)state;
	ready_for_options(&h);
	assert_true(option(&h, NBD_OPT_EXPORT_NAME, "v1", 2) > 0);
	assert_int_equal(h.state, NBD_HANDSHAKE_READY);
	assert_int_equal(h.out_bytes, 10);
	nbd_handshake_init(&h, "v1", SIZE_BYTES);
	nbd_put32(flags, NBD_FIXED_NEWSTYLE);
	assert_int_equal(nbd_handshake_input(&h, flags, 4), 4);
	assert_true(option(&h, NBD_OPT_EXPORT_NAME, "", 0) > 0);
	assert_int_equal(h.out_bytes, 134);
}

static void allocation_needs_structured_replies_first(void **state)
{
	static const uint8_t data[] = { 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 15, 'b', 'a', 's', 'e', ':', 'a',
		'l', 'l', 'o', 'c', 'a', 't', 'i', 'o', 'n' };
	struct nbd_handshake h;
	uint32_t at = 0;

	(void)state;
	ready_for_options(&h);
	assert_true(option(&h, NBD_OPT_SET_META_CONTEXT, data, sizeof(data)) > 0);
	assert_int_equal(only_reply(&h, NBD_OPT_SET_META_CONTEXT), NBD_REP_ERR_INVALID);
	assert_true(option(&h, NBD_OPT_STRUCTURED_REPLY, "", 0) > 0);
	assert_int_equal(only_reply(&h, NBD_OPT_STRUCTURED_REPLY), NBD_REP_ACK);
	assert_true(option(&h, NBD_OPT_SET_META_CONTEXT, data, sizeof(data)) > 0);
	assert_int_equal(reply_next(&h, &at, NBD_OPT_SET_META_CONTEXT), NBD_REP_META_CONTEXT);
	assert_int_equal(reply_next(&h, &at, NBD_OPT_SET_META_CONTEXT), NBD_REP_ACK);
	assert_int_equal(h.context, NBD_CONTEXT_ALLOCATION);
	/* A query that runs past its end: refused, and the former choice is void. */
	assert_true(option(&h, NBD_OPT_SET_META_CONTEXT, data, sizeof(data) - 1) > 0);
	assert_int_equal(only_reply(&h, NBD_OPT_SET_META_CONTEXT), NBD_REP_ERR_INVALID);
	assert_int_equal(h.context, NBD_CONTEXT_NONE);
}

static void what_has_changed_is_told_of_snapshots_only(void **state)
{
	static const char name[] = "quoin:changed-since:01020304-0506-0708-090a-0b0c0d0e0f10";
	uint8_t data[12 + sizeof(name)] = { 0 };
	struct nbd_handshake h;
	uint32_t at = 0;

	(void)state;
	data[7] = 1;
	data[11] = sizeof(name) - 1;
	memcpy(data + 12, name, sizeof(name) - 1);
	ready_for_options(&h);
	assert_true(option(&h, NBD_OPT_STRUCTURED_REPLY, "", 0) > 0);
	assert_true(option(&h, NBD_OPT_SET_META_CONTEXT, data, sizeof(data) - 1) > 0);
	assert_int_equal(only_reply(&h, NBD_OPT_SET_META_CONTEXT), NBD_REP_ACK);
	assert_int_equal(h.context, NBD_CONTEXT_NONE);
	h.read_only = true;
	assert_true(option(&h, NBD_OPT_SET_META_CONTEXT, data, sizeof(data) - 1) > 0);
	assert_int_equal(reply_next(&h, &at, NBD_OPT_SET_META_CONTEXT), NBD_REP_META_CONTEXT);
	assert_int_equal(reply_next(&h, &at, NBD_OPT_SET_META_CONTEXT), NBD_REP_ACK);
	assert_int_equal(h.context, NBD_CONTEXT_CHANGED);
	assert_int_equal(h.since.byte[0], 1);
	assert_int_equal(h.since.byte[15], 16);
	data[12 + sizeof(name) - 2] = 'x';
	assert_true(option(&h, NBD_OPT_SET_META_CONTEXT, data, sizeof(data) - 1) > 0);
	assert_int_equal(only_reply(&h, NBD_OPT_SET_META_CONTEXT), NBD_REP_ACK);
	assert_int_equal(h.context, NBD_CONTEXT_NONE);
}

static void what_is_unknown_is_refused_and_what_is_broken_ends_it(void **state)
{
	struct nbd_handshake h;
	uint8_t flags[4];

	(void)state;
	ready_for_options(&h);
	assert_true(option(&h, 5, "", 0) > 0); /* STARTTLS */
	assert_int_equal(only_reply(&h, 5), NBD_REP_ERR_UNSUP);
	assert_true(option(&h, NBD_OPT_LIST, "x", 1) > 0);
	assert_int_equal(only_reply(&h, NBD_OPT_LIST), NBD_REP_ERR_INVALID);
	assert_true(option(&h, NBD_OPT_ABORT, "", 0) > 0);
	assert_int_equal(h.state, NBD_HANDSHAKE_CLOSED);
	ready_for_options(&h);
	(void)option(&h, NBD_OPT_GO, option_bytes, 0);
	memset(option_bytes, 0, sizeof(option_bytes));
	assert_true(nbd_handshake_input(&h, option_bytes, NBD_OPTION_HEAD_BYTES) > 0);
	assert_int_equal(h.state, NBD_HANDSHAKE_CLOSED);
	ready_for_options(&h);
	nbd_put32(nbd_put32(nbd_put64(option_bytes, NBD_OPTION_MAGIC), NBD_OPT_GO), UINT32_MAX);
	assert_true(nbd_handshake_input(&h, option_bytes, NBD_OPTION_HEAD_BYTES) > 0);
	assert_int_equal(h.state, NBD_HANDSHAKE_CLOSED);
	nbd_handshake_init(&h, "v1", SIZE_BYTES);
	nbd_put32(flags, 0); /* oldstyle */
	assert_int_equal(nbd_handshake_input(&h, flags, 4), 4);
	assert_int_equal(h.state, NBD_HANDSHAKE_CLOSED);
}

struct checked {
	uint16_t command, flags;
	uint64_t offset_bytes;
	uint32_t length_bytes;
	int rc;
};

static void a_snapshots_export_says_that_it_is_read_only(void **state)
{
	static const uint8_t go[6] = { 0 };
	struct nbd_handshake h;
	uint16_t flags;

	(void)state;
	ready_for_options(&h);
	h.read_only = true;
	(void)option(&h, NBD_OPT_GO, go, sizeof(go));
	assert_int_equal(h.state, NBD_HANDSHAKE_READY);
	flags = nbd_get16(h.out + 20 + 2 + 8);
	assert_true(flags & NBD_FLAG_READ_ONLY);
	assert_false(flags & (NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_FUA));
	assert_int_equal(nbd_errno(-EROFS), nbd_errno(-EPERM));
}

static void requests_are_checked_against_the_export(void **state)
{
	static const struct checked cases[] = {
		{ NBD_CMD_READ, 0, 0, 4096, 0 },
		{ NBD_CMD_READ, NBD_CMD_FLAG_DF, SIZE_BYTES - 4096, 4096, 0 },
		{ NBD_CMD_READ, 0, SIZE_BYTES - 4096, 8192, -EINVAL },
		{ NBD_CMD_READ, 0, UINT64_MAX - 4095, 4096, -EINVAL },
		{ NBD_CMD_READ, 0, 512, 4096, -EINVAL },
		{ NBD_CMD_READ, 0, 0, 512, -EINVAL },
		{ NBD_CMD_READ, 0, 0, FRONT_MAX_BYTES + 4096, -EINVAL },
		{ NBD_CMD_READ, 0x80, 0, 4096, -EINVAL },
		{ NBD_CMD_READ, 0, 0, 0, 0 },
		{ NBD_CMD_WRITE, NBD_CMD_FLAG_FUA, 0, FRONT_MAX_BYTES, 0 },
		{ NBD_CMD_WRITE, 0, SIZE_BYTES, 4096, -ENOSPC },
		{ NBD_CMD_WRITE, NBD_CMD_FLAG_DF, 0, 4096, -EINVAL },
		{ NBD_CMD_TRIM, 0, 0, 1u << 30, 0 },
		{ NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO, 0, 1u << 30, 0 },
		{ NBD_CMD_WRITE_ZEROES, 0, 4096, 1u << 30, -ENOSPC },
		{ NBD_CMD_FLUSH, 0, 0, 0, 0 },
		{ NBD_CMD_BLOCK_STATUS, NBD_CMD_FLAG_REQ_ONE, 0, 1u << 30, -EINVAL }, /* not negotiated */
		{ 5, 0, 0, 4096, -EINVAL },                                           /* CACHE */
		{ 99, 0, 0, 0, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nbd_request request = { cases[i].flags, cases[i].command, i, cases[i].offset_bytes,
			cases[i].length_bytes };

		if (nbd_request_check(&request, SIZE_BYTES, false) != cases[i].rc)
			fail_msg("case %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(go_tells_size_flags_and_block_sizes),
		cmocka_unit_test(info_leaves_the_choice_open_and_the_empty_name_is_the_volume),
		cmocka_unit_test(another_volumes_name_is_refused_and_the_client_may_ask_again),
		cmocka_unit_test(export_name_is_padded_unless_the_client_declines),
		cmocka_unit_test(allocation_needs_structured_replies_first),
		cmocka_unit_test(what_has_changed_is_told_of_snapshots_only),
		cmocka_unit_test(what_is_unknown_is_refused_and_what_is_broken_ends_it),
		cmocka_unit_test(a_snapshots_export_says_that_it_is_read_only),
		cmocka_unit_test(requests_are_checked_against_the_export),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
