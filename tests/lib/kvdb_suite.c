/* The contract of kvdb/kvdb.h, test by test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "kvdb_suite.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* ---- reading and writing ---- */

static void a_key_that_was_put_is_read_by_another_handle(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb *b = suite->open(suite->user);
	struct kvdb_answer put = kvdb_suite_put(suite, a, "/k", "one", 0, NULL);
	struct kvdb_answer got = kvdb_suite_get(suite, b, "/k");

	assert_int_equal(put.rc, 0);
	assert_int_equal(got.rc, 0);
	assert_string_equal(got.values[0], "one");
	assert_true(got.mod_revision == put.revision);
	assert_true(got.create_revision == put.revision);
	assert_true(got.revision >= put.revision);
	kvdb_suite_close(suite, a);
	kvdb_suite_close(suite, b);
}

static void an_absent_key_is_enoent_with_the_revision_and_its_name(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb_answer got = kvdb_suite_get(suite, a, "/nothing");

	assert_int_equal(got.rc, -ENOENT);
	assert_true(got.revision > 0);
	assert_non_null(strstr(got.error, "/nothing"));
	kvdb_suite_close(suite, a);
}

static void a_list_is_in_order_and_stops_at_its_prefix(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	const char *const keys[] = { "/a/2", "/a/10", "/a", "/b/1", "/a/~", "/a0" };
	struct kvdb_answer got;

	for (size_t i = 0; i < LENGTH(keys); i++)
		assert_int_equal(kvdb_suite_put(suite, a, keys[i], "v", 0, NULL).rc, 0);
	got = kvdb_suite_list(suite, a, "/a/");
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.count, 3);
	assert_string_equal(got.keys[0], "/a/10");
	assert_string_equal(got.keys[1], "/a/2");
	assert_string_equal(got.keys[2], "/a/~");
	got = kvdb_suite_list(suite, a, "");
	assert_int_equal(got.count, LENGTH(keys));
	got = kvdb_suite_list(suite, a, "/zzz");
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.count, 0);
	kvdb_suite_close(suite, a);
}

static void a_list_comes_in_pages(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	const char *const keys[] = { "/a/1", "/a/2", "/a/3", "/b/1" };
	struct kvdb_answer got;

	for (size_t i = 0; i < LENGTH(keys); i++)
		assert_int_equal(kvdb_suite_put(suite, a, keys[i], "v", 0, NULL).rc, 0);
	got = kvdb_suite_page(suite, a, "/a/", NULL, 2);
	assert_int_equal(got.count, 2);
	assert_string_equal(got.keys[1], "/a/2");
	/* What it comes after need not be there. */
	got = kvdb_suite_page(suite, a, "/a/", "/a/15", 1);
	assert_int_equal(got.count, 1);
	assert_string_equal(got.keys[0], "/a/2");
	got = kvdb_suite_page(suite, a, "/a/", "/a/2", 2);
	assert_int_equal(got.count, 1);
	assert_string_equal(got.keys[0], "/a/3");
	got = kvdb_suite_page(suite, a, "/a/", "/a/3", 2);
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.count, 0);
	assert_int_equal(kvdb_suite_page(suite, a, "/a/", NULL, 0).rc, -EINVAL);
	assert_int_equal(kvdb_suite_page(suite, a, "/a/", NULL, KVDB_MAX_LIST + 1).rc, -EINVAL);
	kvdb_suite_close(suite, a);
}

static void an_empty_value_is_a_value(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb_answer got;

	assert_int_equal(kvdb_suite_put(suite, a, "/k", "", 0, NULL).rc, 0);
	got = kvdb_suite_get(suite, a, "/k");
	assert_int_equal(got.rc, 0);
	assert_string_equal(got.values[0], "");
	kvdb_suite_close(suite, a);
}

static void each_writing_transaction_raises_the_revision_by_one(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb_answer first = kvdb_suite_put(suite, a, "/k", "1", 0, NULL);
	struct kvdb_answer second = kvdb_suite_put(suite, a, "/k", "2", 0, NULL);
	struct kvdb_answer got = kvdb_suite_get(suite, a, "/k");

	assert_true(second.revision == first.revision + 1);
	assert_true(got.create_revision == first.revision);
	assert_true(got.mod_revision == second.revision);
	kvdb_suite_close(suite, a);
}

static void a_compare_that_fails_writes_nothing(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	uint64_t revision = kvdb_suite_put(suite, a, "/k", "one", 0, NULL).revision;
	const struct {
		struct kvdb_compare compare;
		bool holds;
	} rows[] = {
		{ { .kind = KVDB_IF_ABSENT, .key = "/k" }, false },
		{ { .kind = KVDB_IF_ABSENT, .key = "/x" }, true },
		{ { .kind = KVDB_IF_PRESENT, .key = "/k" }, true },
		{ { .kind = KVDB_IF_PRESENT, .key = "/x" }, false },
		{ { .kind = KVDB_IF_REVISION, .key = "/k", .revision = revision }, true },
		{ { .kind = KVDB_IF_REVISION, .key = "/k", .revision = revision + 1 }, false },
		{ { .kind = KVDB_IF_REVISION, .key = "/k", .revision = 0 }, false },
		{ { .kind = KVDB_IF_REVISION, .key = "/x", .revision = 0 }, true },
		{ { .kind = KVDB_IF_VALUE, .key = "/k", .value = (const uint8_t *)"one", .value_bytes = 3 },
			true },
		{ { .kind = KVDB_IF_VALUE, .key = "/k", .value = (const uint8_t *)"on", .value_bytes = 2 },
			false },
		{ { .kind = KVDB_IF_VALUE, .key = "/x", .value = (const uint8_t *)"", .value_bytes = 0 },
			false },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		char key[16];
		struct kvdb_answer put;

		(void)snprintf(key, sizeof(key), "/out/%zu", i);
		put = kvdb_suite_put(suite, a, key, "v", 0, &rows[i].compare);
		assert_int_equal(put.rc, rows[i].holds ? 0 : KVDB_LOST);
		assert_true(put.revision > 0);
		assert_int_equal(kvdb_suite_get(suite, a, key).rc, rows[i].holds ? 0 : -ENOENT);
	}
	kvdb_suite_close(suite, a);
}

static void of_racing_creators_exactly_one_wins(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *handles[3];
	struct kvdb_answer answers[24] = { 0 };
	struct kvdb_compare compare = { .kind = KVDB_IF_ABSENT, .key = "/name" };
	unsigned won = 0;

	for (size_t i = 0; i < 3; i++)
		handles[i] = suite->open(suite->user);
	for (size_t i = 0; i < LENGTH(answers); i++) {
		struct kvdb_write write = { .key = "/name", .value = (const uint8_t *)"x", .value_bytes = 1 };
		struct kvdb_txn txn = { &compare, 1, &write, 1 };

		kvdb_transact(handles[i % 3], &txn, 10000, kvdb_answer_take, &answers[i]);
	}
	for (size_t i = 0; i < LENGTH(answers); i++) {
		kvdb_suite_wait(suite, &answers[i].done);
		assert_true(answers[i].rc == 0 || answers[i].rc == KVDB_LOST);
		won += answers[i].rc == 0;
	}
	assert_int_equal(won, 1);
	for (size_t i = 0; i < 3; i++)
		kvdb_suite_close(suite, handles[i]);
}

static void malformed_calls_are_einval_and_never_run_inside_the_call(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb_write twice[2] = { { .key = "/k" }, { .key = "/k" } };
	struct kvdb_txn txns[] = {
		{ .writes = twice, .write_count = 2 },
		{ .write_count = 0 },
	};
	static char long_key[KVDB_MAX_KEY_LEN + 2];

	memset(long_key, 'k', sizeof(long_key) - 1);
	assert_int_equal(kvdb_suite_get(suite, a, long_key).rc, -EINVAL);
	assert_int_equal(kvdb_suite_get(suite, a, "").rc, -EINVAL);
	assert_int_equal(kvdb_suite_get(suite, a, "/with space").rc, -EINVAL);
	assert_int_equal(kvdb_suite_get(suite, a, "/with\nline").rc, -EINVAL);
	assert_int_equal(kvdb_suite_grant(suite, a, 10).rc, -EINVAL);
	for (size_t i = 0; i < LENGTH(txns); i++) {
		struct kvdb_answer answer = { 0 };

		kvdb_transact(a, &txns[i], 1000, kvdb_answer_take, &answer);
		assert_false(answer.done);
		kvdb_suite_wait(suite, &answer.done);
		assert_int_equal(answer.rc, -EINVAL);
	}
	kvdb_suite_close(suite, a);
}

static void the_database_has_one_identity_for_all(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb *b = suite->open(suite->user);
	struct kvdb_answer one = { 0 };
	struct kvdb_answer two = { 0 };

	kvdb_identify(a, 5000, kvdb_answer_take, &one);
	kvdb_identify(b, 5000, kvdb_answer_take, &two);
	kvdb_suite_wait(suite, &one.done);
	kvdb_suite_wait(suite, &two.done);
	assert_string_equal(one.error, "");
	assert_string_equal(two.error, "");
	assert_false(uuid_is_none(one.database));
	assert_true(uuid_equal(one.database, two.database));
	assert_true(one.revision > 0);
	kvdb_suite_close(suite, a);
	kvdb_suite_close(suite, b);
}

static void closing_ends_calls_with_ecanceled(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb_answer answers[8] = { 0 };

	for (size_t i = 0; i < LENGTH(answers); i++)
		kvdb_get(a, "/k", 5000, kvdb_answer_take, &answers[i]);
	kvdb_suite_close(suite, a);
	for (size_t i = 0; i < LENGTH(answers); i++) {
		assert_true(answers[i].done);
		assert_true(answers[i].rc == -ECANCELED || answers[i].rc == -ENOENT);
	}
	assert_int_equal(answers[LENGTH(answers) - 1].rc, -ECANCELED);
}

/* ---- leases ---- */

static void keys_of_a_lease_vanish_when_it_ends(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb *b = suite->open(suite->user);
	uint64_t from_ns;
	uint64_t lease;

	/* The database's side has been in reach for the lease's time. */
	assert_int_equal(kvdb_suite_put(suite, b, "/other", "stays", 0, NULL).rc, 0);
	kvdb_suite_sleep(suite, 1200);
	lease = kvdb_suite_grant(suite, a, 1000).lease;
	from_ns = suite->now_ns(suite->user);
	assert_true(lease != 0);
	assert_int_equal(kvdb_suite_put(suite, a, "/live/a", "1", lease, NULL).rc, 0);
	assert_int_equal(kvdb_suite_put(suite, a, "/live/b", "1", lease, NULL).rc, 0);
	while (kvdb_suite_get(suite, b, "/live/a").rc == 0)
		assert_true(suite->now_ns(suite->user) - from_ns < 3 * NS_PER_S);
	assert_true(suite->now_ns(suite->user) - from_ns >= 1 * NS_PER_S);
	assert_int_equal(kvdb_suite_get(suite, b, "/live/b").rc, -ENOENT);
	assert_int_equal(kvdb_suite_get(suite, b, "/other").rc, 0);
	kvdb_suite_close(suite, a);
	kvdb_suite_close(suite, b);
}

static void a_lease_that_is_kept_alive_goes_on(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	uint64_t lease = kvdb_suite_grant(suite, a, 1000).lease;

	assert_int_equal(kvdb_suite_put(suite, a, "/live/a", "1", lease, NULL).rc, 0);
	for (int i = 0; i < 4; i++) {
		struct kvdb_answer answer = { 0 };

		kvdb_suite_sleep(suite, 350);
		kvdb_lease_keepalive(a, lease, 1000, kvdb_answer_take, &answer);
		kvdb_suite_wait(suite, &answer.done);
		assert_int_equal(answer.rc, 0);
	}
	assert_int_equal(kvdb_suite_get(suite, a, "/live/a").rc, 0);
	kvdb_suite_close(suite, a);
}

static void a_revoked_lease_is_gone_with_its_keys(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	uint64_t lease = kvdb_suite_grant(suite, a, 60000).lease;
	struct kvdb_answer answer = { 0 };

	assert_int_equal(kvdb_suite_put(suite, a, "/live/a", "1", lease, NULL).rc, 0);
	assert_int_equal(kvdb_suite_put(suite, a, "/live/kept", "1", lease, NULL).rc, 0);
	assert_int_equal(kvdb_suite_put(suite, a, "/live/kept", "2", 0, NULL).rc, 0);
	kvdb_lease_revoke(a, lease, 1000, kvdb_answer_take, &answer);
	kvdb_suite_wait(suite, &answer.done);
	assert_int_equal(answer.rc, 0);
	assert_int_equal(kvdb_suite_get(suite, a, "/live/a").rc, -ENOENT);
	assert_int_equal(kvdb_suite_get(suite, a, "/live/kept").rc, 0);
	answer = (struct kvdb_answer){ 0 };
	kvdb_lease_keepalive(a, lease, 1000, kvdb_answer_take, &answer);
	kvdb_suite_wait(suite, &answer.done);
	assert_int_equal(answer.rc, -ENOENT);
	assert_int_equal(kvdb_suite_put(suite, a, "/live/late", "1", lease, NULL).rc, -ENOENT);
	assert_int_equal(kvdb_suite_get(suite, a, "/live/late").rc, -ENOENT);
	kvdb_suite_close(suite, a);
}

/* ---- watches ---- */

struct seen {
	char text[2048]; /* "key=value@+n " or "key-@+n ": n counts from base */
	uint64_t base, revision;
	bool lost;
	int rc;
};

static void seen_events(void *arg, const struct kvdb_event *events, size_t count, uint64_t revision)
{
	struct seen *seen = arg;

	assert_true(revision >= seen->revision);
	seen->revision = revision;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(seen->text);

		assert_true(events[i].revision <= revision);
		(void)snprintf(seen->text + len, sizeof(seen->text) - len, "%s%s%.*s@+%d ", events[i].key,
			events[i].value ? "=" : "-", (int)events[i].value_bytes,
			events[i].value ? (const char *)events[i].value : "",
			(int)(events[i].revision - seen->base));
	}
}

static void seen_lost(void *arg, int rc, const struct error *error)
{
	struct seen *seen = arg;

	assert_true(rc < 0);
	assert_true(error->text[0] != 0);
	seen->lost = true;
	seen->rc = rc;
}

static struct kvdb_watch *seen_watch(struct kvdb *kvdb, const char *prefix, uint64_t from, struct seen *seen)
{
	struct kvdb_watch_callbacks callbacks = { .events = seen_events, .lost = seen_lost, .arg = seen };
	struct kvdb_watch *watch;

	assert_int_equal(kvdb_watch(kvdb, &prefix, 1, from, &callbacks, &watch), 0);
	return watch;
}

static void seen_wait(const struct kvdb_suite *suite, const struct seen *seen, uint64_t revision)
{
	uint64_t from_ns = suite->now_ns(suite->user);

	while (seen->revision < revision && !seen->lost) {
		assert_true(suite->now_ns(suite->user) - from_ns < 2 * NS_PER_S);
		suite->turn(suite->user);
	}
}

static void a_watch_tells_each_change_once_in_order(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb *b = suite->open(suite->user);
	struct seen seen = { 0 };
	struct kvdb_watch *watch;
	uint64_t revision;

	assert_int_equal(kvdb_suite_put(suite, a, "/w/old", "0", 0, NULL).rc, 0);
	seen.base = kvdb_suite_list(suite, b, "/w/").revision;
	watch = seen_watch(b, "/w/", seen.base + 1, &seen);
	assert_int_equal(kvdb_suite_put(suite, a, "/w/1", "a", 0, NULL).rc, 0);
	assert_int_equal(kvdb_suite_put(suite, b, "/w/1", "b", 0, NULL).rc, 0);
	assert_int_equal(kvdb_suite_put(suite, a, "/not", "x", 0, NULL).rc, 0);
	assert_int_equal(kvdb_suite_put(suite, a, "/w/old", NULL, 0, NULL).rc, 0);
	revision = kvdb_suite_put(suite, a, "/w/1", "", 0, NULL).revision;
	seen_wait(suite, &seen, revision);
	assert_string_equal(seen.text, "/w/1=a@+1 /w/1=b@+2 /w/old-@+4 /w/1=@+5 ");
	assert_true(seen.revision == revision);
	kvdb_watch_cancel(watch);
	assert_int_equal(kvdb_suite_put(suite, a, "/w/1", "late", 0, NULL).rc, 0);
	kvdb_suite_sleep(suite, 200);
	assert_null(strstr(seen.text, "late"));
	kvdb_suite_close(suite, a);
	kvdb_suite_close(suite, b);
}

/* A copy may be compared where its original is meant: both were written at one revision. */
static void a_watch_of_several_prefixes_tells_a_transaction_together(void **state)
{
	const struct kvdb_suite *suite = *state;
	const char *const prefixes[] = { "/z/", "/w/" }, *const nested[] = { "/w/", "/w/a/" };
	const struct kvdb_write writes[] = {
		{ .key = "/w/1", .value = (const uint8_t *)"a", .value_bytes = 1 },
		{ .key = "/not", .value = (const uint8_t *)"a", .value_bytes = 1 },
		{ .key = "/z/1", .value = (const uint8_t *)"a", .value_bytes = 1 },
	};
	struct kvdb_txn txn = { .writes = writes, .write_count = LENGTH(writes) };
	struct kvdb *a = suite->open(suite->user);
	struct seen seen = { .base = kvdb_suite_list(suite, a, "/").revision };
	struct kvdb_watch_callbacks callbacks = { .events = seen_events, .lost = seen_lost, .arg = &seen };
	struct kvdb_answer answer = { 0 };
	struct kvdb_watch *watch;

	assert_int_equal(kvdb_watch(a, nested, 2, seen.base + 1, &callbacks, &watch), -EINVAL);
	assert_int_equal(kvdb_watch(a, prefixes, 0, seen.base + 1, &callbacks, &watch), -EINVAL);
	assert_int_equal(kvdb_watch(a, prefixes, 2, seen.base + 1, &callbacks, &watch), 0);
	assert_int_equal(kvdb_suite_put(suite, a, "/z/0", "b", 0, NULL).rc, 0);
	kvdb_transact(a, &txn, 5000, kvdb_answer_take, &answer);
	kvdb_suite_wait(suite, &answer.done);
	assert_int_equal(answer.rc, 0);
	assert_true(kvdb_suite_get(suite, a, "/w/1").mod_revision == answer.revision);
	assert_true(kvdb_suite_get(suite, a, "/z/1").mod_revision == answer.revision);
	assert_int_equal(kvdb_suite_put(suite, a, "/w/1", NULL, 0, NULL).rc, 0);
	seen_wait(suite, &seen, answer.revision + 1);
	assert_string_equal(seen.text, "/z/0=b@+1 /w/1=a@+2 /z/1=a@+2 /w/1-@+3 ");
	kvdb_suite_close(suite, a);
}

static void a_watch_can_begin_in_the_past(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct seen seen = { 0 };
	uint64_t first = kvdb_suite_put(suite, a, "/w/1", "a", 0, NULL).revision;
	uint64_t last = kvdb_suite_put(suite, a, "/w/2", "b", 0, NULL).revision;

	seen.base = first;
	(void)seen_watch(a, "/w/", first, &seen);
	seen_wait(suite, &seen, last);
	assert_string_equal(seen.text, "/w/1=a@+0 /w/2=b@+1 ");
	kvdb_suite_close(suite, a);
}

static void a_watch_tells_progress_without_events(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb *b = suite->open(suite->user);
	struct seen seen = { 0 };
	uint64_t revision;

	(void)seen_watch(a, "/w/", kvdb_suite_list(suite, a, "/w/").revision + 1, &seen);
	assert_int_equal(kvdb_suite_put(suite, b, "/elsewhere", "x", 0, NULL).rc, 0);
	revision = kvdb_suite_get(suite, a, "/elsewhere").revision;
	seen_wait(suite, &seen, revision);
	assert_true(seen.revision >= revision);
	assert_string_equal(seen.text, "");
	kvdb_suite_close(suite, a);
	kvdb_suite_close(suite, b);
}

static void a_watch_tells_the_keys_that_vanish_with_a_lease(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb *b = suite->open(suite->user);
	uint64_t lease = kvdb_suite_grant(suite, a, 60000).lease;
	struct seen seen = { 0 };
	struct kvdb_answer answer = { 0 };

	assert_int_equal(kvdb_suite_put(suite, a, "/live/a", "1", lease, NULL).rc, 0);
	assert_int_equal(kvdb_suite_put(suite, a, "/live/b", "1", lease, NULL).rc, 0);
	seen.base = kvdb_suite_list(suite, b, "").revision;
	(void)seen_watch(b, "/live/", seen.base + 1, &seen);
	kvdb_lease_revoke(a, lease, 1000, kvdb_answer_take, &answer);
	kvdb_suite_wait(suite, &answer.done);
	seen_wait(suite, &seen, seen.base + 1);
	assert_string_equal(seen.text, "/live/a-@+1 /live/b-@+1 ");
	kvdb_suite_close(suite, a);
	kvdb_suite_close(suite, b);
}

static void one_transaction_is_told_as_one(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct seen seen = { 0 };
	struct kvdb_answer answer = { 0 };
	const uint8_t value[] = "v";
	struct kvdb_write writes[] = {
		{ .key = "/w/3", .value = value, .value_bytes = 1 },
		{ .key = "/w/1", .value = value, .value_bytes = 1 },
		{ .key = "/w/absent" },
	};
	struct kvdb_txn txn = { .writes = writes, .write_count = LENGTH(writes) };

	seen.base = kvdb_suite_list(suite, a, "").revision;
	(void)seen_watch(a, "/w/", seen.base + 1, &seen);
	kvdb_transact(a, &txn, 1000, kvdb_answer_take, &answer);
	kvdb_suite_wait(suite, &answer.done);
	assert_int_equal(answer.rc, 0);
	assert_true(answer.revision == seen.base + 1);
	seen_wait(suite, &seen, answer.revision);
	assert_string_equal(seen.text, "/w/3=v@+1 /w/1=v@+1 ");
	kvdb_suite_close(suite, a);
}

#define TEST(fn)                                                                                             \
	{                                                                                                    \
#fn, fn                                                                                      \
	}
const struct kvdb_suite_test kvdb_suite_tests[] = {
	TEST(a_key_that_was_put_is_read_by_another_handle),
	TEST(an_absent_key_is_enoent_with_the_revision_and_its_name),
	TEST(a_list_is_in_order_and_stops_at_its_prefix),
	TEST(a_list_comes_in_pages),
	TEST(an_empty_value_is_a_value),
	TEST(each_writing_transaction_raises_the_revision_by_one),
	TEST(a_compare_that_fails_writes_nothing),
	TEST(of_racing_creators_exactly_one_wins),
	TEST(malformed_calls_are_einval_and_never_run_inside_the_call),
	TEST(the_database_has_one_identity_for_all),
	TEST(closing_ends_calls_with_ecanceled),
	TEST(keys_of_a_lease_vanish_when_it_ends),
	TEST(a_lease_that_is_kept_alive_goes_on),
	TEST(a_revoked_lease_is_gone_with_its_keys),
	TEST(a_watch_tells_each_change_once_in_order),
	TEST(a_watch_of_several_prefixes_tells_a_transaction_together),
	TEST(a_watch_can_begin_in_the_past),
	TEST(a_watch_tells_progress_without_events),
	TEST(a_watch_tells_the_keys_that_vanish_with_a_lease),
	TEST(one_transaction_is_told_as_one),
};
const size_t kvdb_suite_test_count = LENGTH(kvdb_suite_tests);
