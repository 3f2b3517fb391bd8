/* Calls that wait for their answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "kvdb_suite.h"

#define WAIT_MAX_NS (20 * NS_PER_S)
#define TIMEOUT_MS  5000u

void kvdb_answer_take(void *arg, const struct kvdb_result *result)
{
	struct kvdb_answer *answer = arg;

	assert_false(answer->done);
	assert_non_null(result->error);
	*answer = (struct kvdb_answer){
		.done = true,
		.rc = result->rc,
		.revision = result->revision,
		.lease = result->lease,
		.database = result->database,
		.count = result->count,
	};
	if (result->rc != 0)
		(void)snprintf(answer->error, sizeof(answer->error), "%s", result->error->text);
	for (size_t i = 0; i < result->count && i < 16; i++) {
		const struct kvdb_item *item = &result->items[i];

		(void)snprintf(answer->keys[i], sizeof(answer->keys[i]), "%s", item->key);
		(void)snprintf(answer->values[i], sizeof(answer->values[i]), "%.*s", (int)item->value_bytes,
			(const char *)item->value);
		answer->create_revision = item->create_revision;
		answer->mod_revision = item->mod_revision;
	}
}

void kvdb_suite_wait(const struct kvdb_suite *suite, const bool *done)
{
	uint64_t from_ns = suite->now_ns(suite->user);

	while (!*done) {
		assert_true(suite->now_ns(suite->user) - from_ns < WAIT_MAX_NS);
		suite->turn(suite->user);
	}
}

void kvdb_suite_sleep(const struct kvdb_suite *suite, uint64_t ms)
{
	uint64_t until_ns = suite->now_ns(suite->user) + ms * NS_PER_MS;

	while (suite->now_ns(suite->user) < until_ns)
		suite->turn(suite->user);
}

static void closed(void *arg)
{
	*(bool *)arg = true;
}

void kvdb_suite_close(const struct kvdb_suite *suite, struct kvdb *kvdb)
{
	bool done = false;

	kvdb_close(kvdb, closed, &done);
	assert_false(done);
	kvdb_suite_wait(suite, &done);
}

struct kvdb_answer kvdb_suite_get(const struct kvdb_suite *suite, struct kvdb *kvdb, const char *key)
{
	struct kvdb_answer answer = { 0 };

	kvdb_get(kvdb, key, TIMEOUT_MS, kvdb_answer_take, &answer);
	assert_false(answer.done);
	kvdb_suite_wait(suite, &answer.done);
	return answer;
}

struct kvdb_answer kvdb_suite_list(const struct kvdb_suite *suite, struct kvdb *kvdb, const char *prefix)
{
	return kvdb_suite_page(suite, kvdb, prefix, NULL, KVDB_MAX_LIST);
}

struct kvdb_answer kvdb_suite_page(const struct kvdb_suite *suite, struct kvdb *kvdb, const char *prefix,
	const char *after, size_t limit)
{
	struct kvdb_answer answer = { 0 };

	kvdb_list(kvdb, prefix, after, limit, TIMEOUT_MS, kvdb_answer_take, &answer);
	assert_false(answer.done);
	kvdb_suite_wait(suite, &answer.done);
	return answer;
}

struct kvdb_answer kvdb_suite_put(const struct kvdb_suite *suite, struct kvdb *kvdb, const char *key,
	const char *value, uint64_t lease, const struct kvdb_compare *compare)
{
	struct kvdb_answer answer = { 0 };
	struct kvdb_write write = {
		.key = key,
		.value = (const uint8_t *)value,
		.value_bytes = value ? strlen(value) : 0,
		.lease = lease,
	};
	struct kvdb_txn txn = {
		.compares = compare,
		.compare_count = compare ? 1 : 0,
		.writes = &write,
		.write_count = 1,
	};

	kvdb_transact(kvdb, &txn, TIMEOUT_MS, kvdb_answer_take, &answer);
	assert_false(answer.done);
	kvdb_suite_wait(suite, &answer.done);
	return answer;
}

struct kvdb_answer kvdb_suite_grant(const struct kvdb_suite *suite, struct kvdb *kvdb, uint32_t ttl_ms)
{
	struct kvdb_answer answer = { 0 };

	kvdb_lease_grant(kvdb, ttl_ms, TIMEOUT_MS, kvdb_answer_take, &answer);
	kvdb_suite_wait(suite, &answer.done);
	return answer;
}
