/*
 * What every backend of kvdb must pass: tests of the contract in kvdb/kvdb.h, on handles that the backend's
 * own test program opens. Each test gets a fresh database.
 */
#ifndef QUOIN_TESTS_KVDB_SUITE_H
#define QUOIN_TESTS_KVDB_SUITE_H

#include "kvdb/kvdb.h"

struct kvdb_suite {
	/* Another handle to the database of this test, as another agent would have one. */
	struct kvdb *(*open)(void *user);
	/* Lets the loop go on until something happened, or a little while (at most 50 ms). */
	void (*turn)(void *user);
	uint64_t (*now_ns)(void *user);
	void *user;
};

struct kvdb_suite_test {
	const char *name;
	/* *state is the struct kvdb_suite. */
	void (*fn)(void **state);
};

extern const struct kvdb_suite_test kvdb_suite_tests[];
extern const size_t kvdb_suite_test_count;

/* ---- helpers, for other tests of kvdb as well: each waits for the answer ---- */

struct kvdb_answer {
	bool done;
	int rc;
	uint64_t revision, lease, create_revision, mod_revision;
	struct uuid database;
	size_t count;
	char keys[16][64];
	char values[16][64]; /* as text */
	char error[ERROR_TEXT_MAX];
};

/* kvdb_done_fn with a struct kvdb_answer. */
void kvdb_answer_take(void *arg, const struct kvdb_result *result);
/* Turns until it is done; fails the test after 20 s of the suite's time. */
void kvdb_suite_wait(const struct kvdb_suite *suite, const bool *done);
void kvdb_suite_sleep(const struct kvdb_suite *suite, uint64_t ms);
void kvdb_suite_close(const struct kvdb_suite *suite, struct kvdb *kvdb);
struct kvdb_answer kvdb_suite_get(const struct kvdb_suite *suite, struct kvdb *kvdb, const char *key);
struct kvdb_answer kvdb_suite_list(const struct kvdb_suite *suite, struct kvdb *kvdb, const char *prefix);
struct kvdb_answer kvdb_suite_page(const struct kvdb_suite *suite, struct kvdb *kvdb, const char *prefix,
	const char *after, size_t limit);
/* One put (value NULL: delete), bound to `lease`, under at most one compare (NULL: none). */
struct kvdb_answer kvdb_suite_put(const struct kvdb_suite *suite, struct kvdb *kvdb, const char *key,
	const char *value, uint64_t lease, const struct kvdb_compare *compare);
struct kvdb_answer kvdb_suite_grant(const struct kvdb_suite *suite, struct kvdb *kvdb, uint32_t ttl_ms);

#endif
