/* How an operation goes: sync, wait for the view, step, transaction, again if need be. See catalog_private.h.
 */
#include "catalog/catalog_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How long a kvdb that is out of reach is tried before the caller is told. */
#define PATIENCE_NS       (3 * NS_PER_S)
#define PAUSE_MS          200u
#define CALL_TIMEOUT_MS   10000u
#define LOSSES_FREE       2u /* without a pause */
#define LOSS_PAUSE_MAX_MS 8u /* for each loss, up to ten */

/* ---- life ---- */

static void op_timer(void *arg);
static void op_sync(struct op *op);
static void op_fetch(struct op *op);
static void op_step(struct op *op);

struct op *op_new(struct catalog *catalog, const struct op_kind *kind, uint32_t timeout_ms, void *arg)
{
	struct op *op = calloc(1, sizeof(*op));

	ASSERT(!catalog->closing);
	ASSERT(op); /* as in kvdb.c */
	op->catalog = catalog;
	op->kind = kind;
	op->began_ns = catalog_now_ns(catalog);
	op->deadline_ns = op->began_ns + timeout_ms * NS_PER_MS;
	op->arg = arg;
	kvdb_timer_init(&op->timer, op_timer, op);
	list_push_back(&catalog->ops, &op->node);
	return op;
}

static uint64_t op_left_ms(const struct op *op)
{
	uint64_t now_ns = catalog_now_ns(op->catalog);

	return op->deadline_ns > now_ns ? (op->deadline_ns - now_ns) / NS_PER_MS : 0;
}

static uint32_t call_timeout_ms(const struct op *op)
{
	uint64_t left_ms = op_left_ms(op);

	return left_ms < 1 ? 1 : left_ms < CALL_TIMEOUT_MS ? (uint32_t)left_ms : CALL_TIMEOUT_MS;
}

void op_finish(struct op *op, int rc, const struct error *error)
{
	static const struct error none;
	const struct error *words = error ? error : &none;
	const struct catalog_volume *volume = NULL;
	const struct row *row;

	ASSERT(!op->in_flight);
	kvdb_timer_cancel(op->catalog->kvdb, &op->timer);
	list_remove(&op->node);
	if (rc == 0)
		op_ended_well(op);
	if (op->volume_fn) {
		/* What was written, if it was: the view may be further on already. */
		row = view_find_uuid(&op->catalog->view, RECORD_VOLUME, op->volume);
		volume = op->won ? op->volume_record : row ? row->record : NULL;
		if (rc == 0 && !volume)
			op->volume_fn(op->arg, -ENOENT, words, NULL); /* deleted at the same moment */
		else
			op->volume_fn(op->arg, rc, words, rc == 0 ? volume : NULL);
	} else {
		op->fn(op->arg, rc, words);
	}
	for (unsigned i = 0; i < op->pin_count; i++)
		catalog_unpin(op->pins[i]);
	catalog_volume_free(op->volume_record);
	free(op->class_record);
	explicit_bzero(op->key, sizeof(op->key));
	free(op);
}

static void op_time_out(struct op *op)
{
	const struct catalog *catalog = op->catalog;
	struct error error;
	const char *cause = catalog->kvdb_bad ? catalog->kvdb_error.text : "the metadata database is slow";

	if (op->uncertain || op->state == OP_WAIT_DONE || !catalog->kvdb_bad)
		(void)error_set(&error, -ETIMEDOUT, "can't %s in time: %s%s", op->kind->what, cause,
			op->uncertain || op->state == OP_WAIT_DONE ? "; it may have happened" : "");
	else
		(void)error_set(&error, -EAGAIN, "can't %s now: %s", op->kind->what, cause);
	op_finish(op, op->uncertain || op->state == OP_WAIT_DONE || !catalog->kvdb_bad ? -ETIMEDOUT : -EAGAIN,
		&error);
}

/* Waits in `state` for ms, or until the deadline, whichever is first. */
static void op_wait(struct op *op, enum op_state state, uint64_t ms)
{
	uint64_t left_ms = op_left_ms(op);

	op->state = state;
	kvdb_timer_set(op->catalog->kvdb, &op->timer, ms < left_ms ? ms : left_ms);
}

static void op_timer(void *arg)
{
	struct op *op = arg;

	if (op->early_rc != 0)
		op_finish(op, op->early_rc, &op->error);
	else if (op_left_ms(op) == 0)
		op_time_out(op);
	else if (op->state == OP_PAUSE)
		op_sync(op);
	else
		op_wait(op, op->state, UINT64_MAX);
}

void op_pin(struct op *op, struct catalog_pin *pin)
{
	ASSERT(op->pin_count < OP_MAX_PINS);
	op->pins[op->pin_count++] = pin;
}

/* The volumes that it is about; a volume that it makes has a name that may be taken, and perhaps an origin.
 */
static void op_pin_volumes(struct op *op)
{
	const struct catalog_volume *made = op->volume_record;

	if (!uuid_is_none(op->volume))
		op_pin(op, catalog_pin_volume(op->catalog, op->volume));
	if (made)
		op_pin(op, catalog_pin_name(op->catalog, made->name));
	if (made && !uuid_is_none(made->origin))
		op_pin(op, catalog_pin_volume(op->catalog, made->origin));
}

void op_start(struct op *op)
{
	if (op->early_rc == 0 && op->catalog->view.part_of)
		op_pin_volumes(op);
	if (op->early_rc != 0)
		kvdb_timer_set(op->catalog->kvdb, &op->timer, 0);
	else
		op_sync(op);
}

/* ---- kvdb is out of reach, or the outcome unknown ---- */

/* False: the operation has ended. */
static void op_failed(struct op *op, const struct kvdb_result *result)
{
	struct error error;
	bool patient = catalog_now_ns(op->catalog) - op->began_ns < PATIENCE_NS && op_left_ms(op) > PAUSE_MS;
	int rc = result->rc;

	if (op->catalog->closing || rc == -ECANCELED) {
		(void)error_set(&error, -ECANCELED, "can't %s: the agent is stopping", op->kind->what);
		op_finish(op, -ECANCELED, &error);
		return;
	}
	if ((rc == -EAGAIN || rc == -ETIMEDOUT || rc == -EIO) && patient) {
		op_wait(op, OP_PAUSE, PAUSE_MS);
		return;
	}
	if (op->uncertain)
		rc = -ETIMEDOUT;
	else if (rc == -ETIMEDOUT || rc == -EIO)
		rc = -EAGAIN; /* nothing was sent yet that could have changed anything */
	(void)error_set(&error, rc, "can't %s%s: %s", op->kind->what,
		op->uncertain ? " for sure (it may have happened)" : "", result->error->text);
	op_finish(op, rc, &error);
}

/* ---- the circle ---- */

static void op_synced(void *arg, const struct kvdb_result *result)
{
	struct op *op = arg;
	struct catalog *catalog = op->catalog;

	op->in_flight = false;
	catalog_heard(catalog, result);
	if (result->rc != 0 || catalog->closing) {
		op_failed(op, result);
		return;
	}
	(void)catalog_identity_check(catalog, result, op->sent_highest);
	op->wait_revision = result->revision;
	op->pin_next = 0;
	op_fetch(op);
}

/* The next pin that is to be read; NULL: all that the step looks at is in the view, or will be. */
static struct catalog_pin *pin_to_read(struct op *op)
{
	for (; op->pin_next < op->pin_count; op->pin_next++)
		if (!catalog_pin_is_known(op->pins[op->pin_next]) &&
			(!op->won || pin_is_single(op->pins[op->pin_next])))
			return op->pins[op->pin_next];
	return NULL;
}

static void op_fetched(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;
	struct kvdb_result result = { .rc = rc, .error = error };

	op->in_flight = false;
	op->pin_next++;
	/* What has been written, has been: at the worst the view shows it a little later. */
	if ((rc != 0 || op->catalog->closing) && !op->won)
		op_failed(op, &result);
	else
		op_fetch(op);
}

static void op_fetch(struct op *op)
{
	struct catalog *catalog = op->catalog;
	bool there = catalog->opened && catalog->view.revision >= op->wait_revision;
	struct catalog_pin *pin = NULL;

	/* What it has written may well be watched. */
	if (op->won && !there && !catalog->closing) {
		op_wait(op, OP_WAIT_DONE, UINT64_MAX);
		return;
	}
	if (!catalog->frozen && !catalog->closing)
		pin = pin_to_read(op);
	if (pin) {
		op->state = OP_FETCH;
		op->in_flight = true;
		kvdb_timer_cancel(catalog->kvdb, &op->timer);
		catalog_pin_read(pin, call_timeout_ms(op), op_fetched, op);
	} else if (op->won) {
		op_finish(op, 0, NULL);
	} else if (catalog->frozen || there) {
		op_step(op); /* which refuses, if it is frozen */
	} else {
		op_wait(op, OP_WAIT_VIEW, UINT64_MAX);
	}
}

/* Asks for the newest revision, so that what the step sees is no older than its call. */
static void op_sync(struct op *op)
{
	op->state = OP_SYNC;
	op->in_flight = true;
	op->sent_highest = op->catalog->highest_revision;
	kvdb_identify(op->catalog->kvdb, call_timeout_ms(op), op_synced, op);
}

static void op_transacted(void *arg, const struct kvdb_result *result)
{
	struct op *op = arg;
	struct catalog *catalog = op->catalog;

	op->in_flight = false;
	catalog_heard(catalog, result);
	if (result->rc == 0) {
		op->won = true;
		op->wait_revision = result->revision;
		if (op->volume_record)
			op->volume_record->revision = result->revision;
		op->pin_next = 0;
		op_fetch(op);
		return;
	}
	if (result->rc == KVDB_LOST && !catalog->closing) {
		op->losses++;
		op->wait_revision = result->revision;
		if (op->losses > LOSSES_FREE) {
			uint64_t most = LOSS_PAUSE_MAX_MS * (op->losses < 10 ? op->losses : 10);

			op_wait(op, OP_PAUSE, 1 + random_below(&catalog->random, most));
		} else if (op->pin_next = 0, pin_to_read(op)) {
			op_sync(op);
		} else if (catalog->view.revision >= op->wait_revision) {
			op_step(op);
		} else {
			op_wait(op, OP_WAIT_VIEW, UINT64_MAX);
		}
		return;
	}
	if (result->rc != -EAGAIN && result->rc != -ENOENT && result->rc != -EINVAL &&
		result->rc != KVDB_LOST)
		op->uncertain = true;
	op_failed(op, result);
}

static void op_step(struct op *op)
{
	struct catalog *catalog = op->catalog;
	struct op_txn *txn = calloc(1, sizeof(*txn));
	struct kvdb_txn request;
	struct error error;
	int rc;

	kvdb_timer_cancel(catalog->kvdb, &op->timer);
	if (!txn)
		rc = error_set(&error, -ENOMEM, "can't %s: out of memory", op->kind->what);
	else if (catalog->frozen)
		rc = error_set(
			&error, -ESTALE, "can't %s: %.400s", op->kind->what, catalog->frozen_error.text);
	else
		rc = op->kind->step(op, txn, &error);
	if (rc == 0 && txn->failed == -E2BIG)
		rc = error_set(&error, -E2BIG,
			"can't %s: more nodes and pools are concerned than one transaction of the metadata "
			"database has room for (%u)",
			op->kind->what, KVDB_MAX_TXN_OPS);
	else if (rc == 0 && txn->failed != 0)
		rc = error_set(&error, txn->failed, "can't %s: %s", op->kind->what, strerror(-txn->failed));
	if (rc != 0) {
		if (txn)
			txn_done(txn);
		free(txn);
		op_finish(op, rc == OP_FINISHED ? 0 : rc, rc == OP_FINISHED ? NULL : &error);
		return;
	}
	op->state = OP_TXN;
	op->in_flight = true;
	request = (struct kvdb_txn){ txn->compares, txn->compare_count, txn->writes, txn->write_count };
	kvdb_transact(catalog->kvdb, &request, call_timeout_ms(op), op_transacted, op);
	txn_done(txn);
	free(txn);
}

/* Any of them may end, and its caller begin or end others: so each is looked for anew. */
static struct op *op_ready(struct catalog *catalog)
{
	list_for_each (node, &catalog->ops) {
		struct op *op = list_entry(node, struct op, node);

		if ((op->state == OP_WAIT_VIEW || op->state == OP_WAIT_DONE) &&
			op->wait_revision <= catalog->view.revision)
			return op;
	}
	return NULL;
}

void ops_view_moved(struct catalog *catalog)
{
	struct op *op;

	while (!catalog->closing && (op = op_ready(catalog))) {
		if (op->state == OP_WAIT_VIEW)
			op_step(op);
		else
			op_fetch(op);
	}
}

int volume_ready(const struct op *op, const struct catalog_volume **ret_volume, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	int rc = catalog_volume_find_uuid(op->catalog, op->volume, &volume, error);

	if (rc != 0)
		return rc;
	if (volume->state != CATALOG_VOLUME_READY)
		return error_set(error, -ENOENT, "volume %s is being deleted", volume->name);
	*ret_volume = volume;
	return 0;
}
