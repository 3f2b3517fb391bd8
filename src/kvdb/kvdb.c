/* The calls, the same for every backend: inputs are checked and copied, deadlines and timers kept. */
#include "kvdb/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEASE_MIN_MS 1000u

void kvdb_init(struct kvdb *kvdb, const struct kvdb_ops *ops, const struct clock *clock)
{
	*kvdb = (struct kvdb){ .ops = ops, .clock = clock, .wake_ns = UINT64_MAX };
	list_init(&kvdb->pending);
	list_init(&kvdb->timers);
}

const struct clock *kvdb_clock(const struct kvdb *kvdb)
{
	return kvdb->clock;
}

static void wake_before(struct kvdb *kvdb, uint64_t at_ns)
{
	if (at_ns >= kvdb->wake_ns)
		return;
	kvdb->wake_ns = at_ns;
	kvdb->ops->wake_at(kvdb, at_ns);
}

/* ---- requests ---- */

static struct kvdb_request *request_new(
	struct kvdb *kvdb, enum kvdb_op op, uint32_t timeout_ms, kvdb_done_fn fn, void *arg)
{
	struct kvdb_request *request = calloc(1, sizeof(*request));

	ASSERT(!kvdb->closing);
	/* A handful of bytes that can't be had ends the program: the contract has no other way to say so. */
	ASSERT(request);
	list_init(&request->node);
	request->kvdb = kvdb;
	request->op = op;
	request->timeout_ms = timeout_ms;
	request->deadline_ns = clock_now_ns(kvdb->clock) + timeout_ms * NS_PER_MS;
	request->fn = fn;
	request->arg = arg;
	list_push_back(&kvdb->pending, &request->pending);
	return request;
}

/* Hands it to the backend; with rc set it is answered by kvdb_run_due(), in a moment. */
static void request_submit(struct kvdb_request *request)
{
	struct kvdb *kvdb = request->kvdb;

	if (request->result.rc < 0) {
		request->deadline_ns = 0;
		wake_before(kvdb, clock_now_ns(kvdb->clock));
		return;
	}
	wake_before(kvdb, request->deadline_ns);
	kvdb->ops->submit(kvdb, request);
}

static void request_expire(struct kvdb_request *request)
{
	struct kvdb *kvdb = request->kvdb;
	int rc = kvdb->closing ? -ECANCELED : -ETIMEDOUT;
	bool mine;

	/* In this order: the result of one that was submitted may be the worker's just now. */
	if (request->deadline_ns == 0 && request->result.rc < 0) {
		kvdb_request_answer(request); /* it was never submitted */
		return;
	}
	mine = kvdb->ops->withdraw(kvdb, request);
	request->answered = true;
	list_remove(&request->pending);
	if (mine && rc == -ETIMEDOUT)
		rc = -EAGAIN;
	/* Not in the request: where it is under way, its answer belongs to the backend. */
	struct error error;
	struct kvdb_result result = { .rc = rc, .error = &error };

	if (rc == -ECANCELED)
		(void)error_set(&error, rc, "the metadata database is being closed");
	else
		(void)error_set(&error, rc, "the metadata database did not answer within %u ms%s",
			request->timeout_ms, rc == -EAGAIN ? "; nothing was done" : "");
	request->fn(request->arg, &result);
	if (mine)
		kvdb_request_free(request);
}

static uint8_t *bytes_copy(const void *bytes, size_t len_bytes)
{
	uint8_t *copy = malloc(len_bytes + 1);

	ASSERT(copy);
	if (len_bytes > 0)
		memcpy(copy, bytes, len_bytes);
	copy[len_bytes] = 0;
	return copy;
}

void kvdb_get(struct kvdb *kvdb, const char *key, uint32_t timeout_ms, kvdb_done_fn fn, void *arg)
{
	struct kvdb_request *request = request_new(kvdb, KVDB_OP_GET, timeout_ms, fn, arg);

	request->result.rc = kvdb_key_check(key, false, &request->error);
	if (request->result.rc == 0)
		request->key = (char *)bytes_copy(key, strlen(key));
	request_submit(request);
}

void kvdb_list(struct kvdb *kvdb, const char *prefix, const char *after, size_t limit, uint32_t timeout_ms,
	kvdb_done_fn fn, void *arg)
{
	struct kvdb_request *request = request_new(kvdb, KVDB_OP_LIST, timeout_ms, fn, arg);

	request->result.rc = kvdb_key_check(prefix, true, &request->error);
	if (request->result.rc == 0 && after)
		request->result.rc = kvdb_key_check(after, true, &request->error);
	if (request->result.rc == 0 && (limit == 0 || limit > KVDB_MAX_LIST))
		request->result.rc = error_set(
			&request->error, -EINVAL, "a list of %zu keys: 1 to %u", limit, KVDB_MAX_LIST);
	if (request->result.rc == 0) {
		request->key = (char *)bytes_copy(prefix, strlen(prefix));
		request->after = after ? (char *)bytes_copy(after, strlen(after)) : NULL;
		request->limit = limit;
	}
	request_submit(request);
}

void kvdb_identify(struct kvdb *kvdb, uint32_t timeout_ms, kvdb_done_fn fn, void *arg)
{
	request_submit(request_new(kvdb, KVDB_OP_IDENTIFY, timeout_ms, fn, arg));
}

static int txn_check(const struct kvdb_txn *txn, struct error *error)
{
	int rc = 0;

	if (txn->compare_count > KVDB_MAX_TXN_OPS || txn->write_count > KVDB_MAX_TXN_OPS)
		return error_set(error, -EINVAL,
			"a transaction of %zu compares and %zu writes: at most %u each", txn->compare_count,
			txn->write_count, KVDB_MAX_TXN_OPS);
	if (txn->write_count == 0)
		return error_set(error, -EINVAL, "a transaction that writes nothing");
	for (size_t i = 0; i < txn->compare_count && rc == 0; i++)
		rc = kvdb_key_check(txn->compares[i].key, false, error);
	for (size_t i = 0; i < txn->write_count && rc == 0; i++) {
		const struct kvdb_write *write = &txn->writes[i];

		rc = kvdb_key_check(write->key, false, error);
		if (rc == 0 && write->value_bytes > KVDB_MAX_VALUE_BYTES)
			rc = error_set(error, -EINVAL, "a value of %zu bytes for %s: at most %u",
				write->value_bytes, write->key, KVDB_MAX_VALUE_BYTES);
		for (size_t j = 0; j < i && rc == 0; j++) {
			if (strcmp(write->key, txn->writes[j].key) == 0)
				rc = error_set(
					error, -EINVAL, "a transaction that writes %s twice", write->key);
		}
	}
	return rc;
}

static void txn_copy(struct kvdb_request *request, const struct kvdb_txn *txn)
{
	request->compares = calloc(txn->compare_count + 1, sizeof(*request->compares));
	request->writes = calloc(txn->write_count + 1, sizeof(*request->writes));
	ASSERT(request->compares && request->writes);
	request->compare_count = txn->compare_count;
	request->write_count = txn->write_count;
	for (size_t i = 0; i < txn->compare_count; i++) {
		const struct kvdb_compare *from = &txn->compares[i];

		request->compares[i] = *from;
		request->compares[i].key = (char *)bytes_copy(from->key, strlen(from->key));
		if (from->kind == KVDB_IF_VALUE)
			request->compares[i].value = bytes_copy(from->value, from->value_bytes);
		else
			request->compares[i].value = NULL;
	}
	for (size_t i = 0; i < txn->write_count; i++) {
		const struct kvdb_write *from = &txn->writes[i];

		request->writes[i] = *from;
		request->writes[i].key = (char *)bytes_copy(from->key, strlen(from->key));
		if (from->value)
			request->writes[i].value = bytes_copy(from->value, from->value_bytes);
	}
}

void kvdb_transact(
	struct kvdb *kvdb, const struct kvdb_txn *txn, uint32_t timeout_ms, kvdb_done_fn fn, void *arg)
{
	struct kvdb_request *request = request_new(kvdb, KVDB_OP_TRANSACT, timeout_ms, fn, arg);

	request->result.rc = txn_check(txn, &request->error);
	if (request->result.rc == 0)
		txn_copy(request, txn);
	request_submit(request);
}

void kvdb_lease_grant(struct kvdb *kvdb, uint32_t ttl_ms, uint32_t timeout_ms, kvdb_done_fn fn, void *arg)
{
	struct kvdb_request *request = request_new(kvdb, KVDB_OP_GRANT, timeout_ms, fn, arg);

	request->ttl_ms = ttl_ms;
	if (ttl_ms < LEASE_MIN_MS)
		kvdb_request_fail(request, -EINVAL, "a lease of %u ms: at least %u", ttl_ms, LEASE_MIN_MS);
	request_submit(request);
}

void kvdb_lease_keepalive(struct kvdb *kvdb, uint64_t lease, uint32_t timeout_ms, kvdb_done_fn fn, void *arg)
{
	struct kvdb_request *request = request_new(kvdb, KVDB_OP_KEEPALIVE, timeout_ms, fn, arg);

	request->lease = lease;
	request_submit(request);
}

void kvdb_lease_revoke(struct kvdb *kvdb, uint64_t lease, uint32_t timeout_ms, kvdb_done_fn fn, void *arg)
{
	struct kvdb_request *request = request_new(kvdb, KVDB_OP_REVOKE, timeout_ms, fn, arg);

	request->lease = lease;
	request_submit(request);
}

/* ---- watches ---- */

void kvdb_prefixes_done(struct kvdb_prefixes *prefixes)
{
	for (size_t i = 0; i < prefixes->count; i++)
		free(prefixes->at[i]);
	prefixes->count = 0;
}

bool kvdb_prefixes_match(const struct kvdb_prefixes *prefixes, const char *key)
{
	for (size_t i = 0; i < prefixes->count; i++)
		if (strncmp(key, prefixes->at[i], strlen(prefixes->at[i])) == 0)
			return true;
	return false;
}

int kvdb_watch(struct kvdb *kvdb, const char *const *prefixes, size_t prefix_count, uint64_t from_revision,
	const struct kvdb_watch_callbacks *callbacks, struct kvdb_watch **ret_watch)
{
	struct kvdb_prefixes copy = { 0 };

	ASSERT(!kvdb->closing);
	if (prefix_count < 1 || prefix_count > KVDB_MAX_WATCH_PREFIXES)
		return -EINVAL;
	for (size_t i = 0; i < prefix_count; i++) {
		int rc = kvdb_key_check(prefixes[i], true, NULL);

		if (rc == 0 && kvdb_prefixes_match(&copy, prefixes[i]))
			rc = -EINVAL; /* its events would be told twice */
		copy.at[i] = rc == 0 ? strdup(prefixes[i]) : NULL;
		if (!copy.at[i]) {
			kvdb_prefixes_done(&copy);
			return rc != 0 ? rc : -ENOMEM;
		}
		copy.count++;
	}
	return kvdb->ops->watch(kvdb, &copy, from_revision, callbacks, ret_watch);
}

void kvdb_watch_cancel(struct kvdb_watch *watch)
{
	if (watch)
		watch->kvdb->ops->watch_cancel(watch);
}

/* ---- timers and deadlines ---- */

void kvdb_timer_init(struct kvdb_timer *timer, void (*fn)(void *arg), void *arg)
{
	*timer = (struct kvdb_timer){ .fn = fn, .arg = arg };
	list_init(&timer->node);
}

void kvdb_timer_set(struct kvdb *kvdb, struct kvdb_timer *timer, uint64_t after_ms)
{
	ASSERT(!kvdb->closing);
	list_remove(&timer->node);
	timer->at_ns = clock_now_ns(kvdb->clock) + after_ms * NS_PER_MS;
	list_push_back(&kvdb->timers, &timer->node);
	wake_before(kvdb, timer->at_ns);
}

void kvdb_timer_cancel(struct kvdb *kvdb, struct kvdb_timer *timer)
{
	(void)kvdb;
	list_remove(&timer->node);
	timer->at_ns = 0;
}

/* The first pending request whose deadline has passed. */
static struct kvdb_request *request_overdue(struct kvdb *kvdb, uint64_t now_ns, uint64_t *next_ns)
{
	list_for_each (node, &kvdb->pending) {
		struct kvdb_request *request = list_entry(node, struct kvdb_request, pending);

		if (request->deadline_ns <= now_ns || kvdb->closing)
			return request;
		if (request->deadline_ns < *next_ns)
			*next_ns = request->deadline_ns;
	}
	return NULL;
}

static struct kvdb_timer *timer_overdue(struct kvdb *kvdb, uint64_t now_ns, uint64_t *next_ns)
{
	struct kvdb_timer *first = NULL;

	list_for_each (node, &kvdb->timers) {
		struct kvdb_timer *timer = list_entry(node, struct kvdb_timer, node);

		if (timer->at_ns > now_ns) {
			if (timer->at_ns < *next_ns)
				*next_ns = timer->at_ns;
		} else if (!first || timer->at_ns < first->at_ns) {
			first = timer;
		}
	}
	return first;
}

void kvdb_run_due(struct kvdb *kvdb)
{
	uint64_t now_ns = clock_now_ns(kvdb->clock);
	uint64_t next_ns = UINT64_MAX;
	struct kvdb_request *request;
	struct kvdb_timer *timer;

	kvdb->wake_ns = UINT64_MAX;
	while ((request = request_overdue(kvdb, now_ns, &next_ns)))
		request_expire(request);
	while (!kvdb->closing && (timer = timer_overdue(kvdb, now_ns, &next_ns))) {
		kvdb_timer_cancel(kvdb, timer);
		timer->fn(timer->arg);
	}
	if (kvdb->closing) {
		while ((request = request_overdue(kvdb, now_ns, &next_ns)))
			request_expire(request);
		kvdb->ops->close(kvdb, kvdb->closed_fn, kvdb->closed_arg);
		return;
	}
	if (next_ns != UINT64_MAX)
		wake_before(kvdb, next_ns);
}

void kvdb_close(struct kvdb *kvdb, void (*fn)(void *arg), void *arg)
{
	ASSERT(!kvdb->closing);
	ASSERT(list_is_empty(&kvdb->timers));
	kvdb->closing = true;
	kvdb->closed_fn = fn;
	kvdb->closed_arg = arg;
	kvdb->wake_ns = UINT64_MAX;
	wake_before(kvdb, clock_now_ns(kvdb->clock));
}
