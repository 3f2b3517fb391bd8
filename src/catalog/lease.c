/*
 * The node's lease and what hangs on it: the node's record, and the key that says that it lives.
 *
 *   node_register() --> grant --> operation (record, live key) --> lease_begin() --> keepalive, about
 * each 1.75 s ^                  | ended: -ENOENT
 *                                                                     +---- again <------+
 */
#include "catalog/catalog_private.h"

#include <errno.h>
#include <string.h>

#define GRANT_TIMEOUT_MS   5000u
#define RENEW_RETRY_MS     500u
#define AGAIN_TIMEOUT_MS   10000u
#define AGAIN_PAUSE_MS     1000u /* after the first that fails; then twice as long each time, up to */
#define AGAIN_PAUSE_MAX_MS 16000u

static void lease_tick(void *arg);
static void lease_tick_in(struct catalog *catalog, uint64_t ms);

bool catalog_node_lease_valid(const struct catalog *catalog)
{
	return catalog->lease != 0 && catalog_now_ns(catalog) < catalog->lease_until_ns;
}

/* ---- the operation ---- */

static int node_taken(const struct op *op, const struct catalog_node *other, struct error *error)
{
	char since[TIME_TEXT_LEN + 1];
	char uuid[UUID_TEXT_LEN + 1];

	(void)op;
	if (other->live)
		return error_set(error, -EEXIST,
			"another node named %s lives since %s (%s, node %s): give this one "
			"another name",
			other->name, time_format(other->live_since_ns, since), other->address,
			uuid_format(other->node, uuid));
	return error_set(error, -EEXIST,
		"the name %s belongs to another node (node %s, now down): give this one another name, or "
		"bring back "
		"its state directory",
		other->name, uuid_format(other->node, uuid));
}

static bool labels_same(const struct catalog_node *a, const struct catalog_node *b)
{
	if (a->label_count != b->label_count)
		return false;
	for (unsigned i = 0; i < a->label_count; i++)
		if (strcmp(a->labels[i].name, b->labels[i].name) != 0 ||
			strcmp(a->labels[i].value, b->labels[i].value) != 0)
			return false;
	return true;
}

bool catalog_node_same(const struct catalog_node *a, const struct catalog_node *b)
{
	return uuid_equal(a->node, b->node) && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->region, b->region) == 0 && strcmp(a->zone, b->zone) == 0 &&
	       strcmp(a->rack, b->rack) == 0 && strcmp(a->host, b->host) == 0 &&
	       strcmp(a->address, b->address) == 0 && a->region_from == b->region_from &&
	       a->zone_from == b->zone_from && a->rack_from == b->rack_from && a->host_from == b->host_from &&
	       a->cores == b->cores && a->memory_bytes == b->memory_bytes &&
	       a->link_mbit_s == b->link_mbit_s && labels_same(a, b);
}

static int node_step(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	const char *name = op->node_record.name;
	const struct row *row = view_find(&catalog->view, RECORD_NODE, name);
	const struct row *live = view_find(&catalog->view, RECORD_LIVE, name);
	const struct catalog_node *known = row ? row->record : NULL;
	struct record_live lease = { .session = op->node_record.session };

	if (!catalog_cluster(catalog))
		return error_set(
			error, -ENOENT, "this cluster has not been initialised: run quoind --init-cluster");
	if (row && !known)
		return row_check(row, "node", name, error);
	if (known && !uuid_equal(known->node, op->node_record.node))
		return node_taken(op, known, error);
	/* This time marks the key as this operation's own, should its transaction's outcome be unknown. */
	if (op->since_ns == 0)
		op->since_ns = catalog_wall_ns(catalog);
	lease.since_ns = op->since_ns;
	op->node_record.registered_ns = known ? known->registered_ns : op->since_ns;
	if (known && known->live && known->live_since_ns == op->since_ns && op->uncertain &&
		catalog_node_same(known, &op->node_record))
		return OP_FINISHED;
	txn_if_revision(txn, catalog, RECORD_NODE, name, row_revision(row));
	txn_if_revision(txn, catalog, RECORD_LIVE, name, row_revision(live));
	if (!known || !catalog_node_same(known, &op->node_record))
		txn_put(txn, catalog, RECORD_NODE, name, &op->node_record, 0);
	txn_put(txn, catalog, RECORD_LIVE, name, &lease, op->lease);
	return 0;
}

static const struct op_kind node_kind = { "register the node", node_step };

static void node_granted(void *arg, const struct kvdb_result *result)
{
	struct op *op = arg;
	struct catalog *catalog = op->catalog;

	op->in_flight = false;
	catalog_heard(catalog, result);
	if (result->rc == 0 && !catalog->closing) {
		op->lease = result->lease;
		op_start(op);
		return;
	}
	if (catalog->closing)
		op_finish(op, -ECANCELED, result->error);
	else
		op_finish(op, result->rc == -ETIMEDOUT ? -EAGAIN : result->rc, result->error);
}

/* What is to be called at the end needs the lease's number: both callers keep the operation until then. */
static struct op *node_op_new(struct catalog *catalog, const struct catalog_node *node, struct uuid session,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &node_kind, timeout_ms, arg);

	op->fn = fn;
	op->node_record = *node;
	op->node_record.session = session;
	op->granted_ns = catalog_now_ns(catalog);
	return op;
}

static void node_op_grant(struct op *op, uint32_t timeout_ms)
{
	op->in_flight = true;
	op->state = OP_SYNC;
	kvdb_lease_grant(op->catalog->kvdb, op->catalog->options.node_lease_ms,
		timeout_ms < GRANT_TIMEOUT_MS ? timeout_ms : GRANT_TIMEOUT_MS, node_granted, op);
}

void lease_thaw(struct catalog *catalog)
{
	if (catalog->node.name[0] && !catalog->lease_call)
		lease_tick_in(catalog, 0);
}

void op_ended_well(struct op *op)
{
	struct catalog *catalog = op->catalog;

	if (op->kind != &node_kind || catalog->closing)
		return;
	catalog->node = op->node_record;
	lease_begin(catalog, op->lease, op->granted_ns);
}

void catalog_node_register(struct catalog *catalog, const struct catalog_node *node, struct uuid session,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = node_op_new(catalog, node, session, timeout_ms, fn, arg);

	op->early_rc = name_check("node name", node->name, &op->error);
	if (op->early_rc == 0 && (uuid_is_none(node->node) || uuid_is_none(session)))
		op->early_rc = error_set(
			&op->error, -EINVAL, "a node without a UUID, or an agent without a session");
	if (op->early_rc != 0)
		op_start(op);
	else
		node_op_grant(op, timeout_ms);
}

/* ---- keeping it ---- */

static void lease_tick_in(struct catalog *catalog, uint64_t ms)
{
	if (!catalog->closing)
		kvdb_timer_set(catalog->kvdb, &catalog->lease_timer, ms);
}

/* Never later, and up to a quarter earlier: nodes that began together don't stay together (docs/scaling.md).
 */
static void lease_tick_about(struct catalog *catalog, uint64_t ms)
{
	lease_tick_in(catalog, ms - random_below(&catalog->random, ms / 4 + 1));
}

void lease_begin(struct catalog *catalog, uint64_t lease, uint64_t granted_ns)
{
	kvdb_timer_cancel(catalog->kvdb, &catalog->lease_timer);
	kvdb_timer_init(&catalog->lease_timer, lease_tick, catalog);
	catalog->lease = lease;
	catalog->lease_until_ns = granted_ns + catalog->options.node_lease_ms * NS_PER_MS;
	catalog->lease_pause_ms = AGAIN_PAUSE_MS;
	lease_tick_about(catalog, catalog->options.node_lease_ms / 3);
}

static void again_done(void *arg, int rc, const struct error *error)
{
	struct catalog *catalog = arg;

	catalog->lease_call = false;
	if (rc == 0 || rc == -ECANCELED || catalog->closing)
		return; /* op_ended_well() has begun the new lease */
	if (rc == -EEXIST)
		catalog_trouble(
			catalog, rc, error); /* somebody took our name: told each time, for it is grave */
	lease_tick_about(catalog, catalog->lease_pause_ms);
	if (catalog->lease_pause_ms < AGAIN_PAUSE_MAX_MS)
		catalog->lease_pause_ms *= 2;
}

/* The lease has ended, and the key with it: others may take over what this node holds. It comes back all the
 * same. */
static void lease_again(struct catalog *catalog)
{
	struct op *op = node_op_new(
		catalog, &catalog->node, catalog->node.session, AGAIN_TIMEOUT_MS, again_done, catalog);

	catalog->lease_call = true;
	node_op_grant(op, AGAIN_TIMEOUT_MS);
}

static void lease_kept(void *arg, const struct kvdb_result *result)
{
	struct catalog *catalog = arg;
	struct error error;

	catalog->lease_call = false;
	catalog_heard(catalog, result);
	if (catalog->closing)
		return;
	if (result->rc == 0) {
		catalog->lease_until_ns = catalog->lease_sent_ns + catalog->options.node_lease_ms * NS_PER_MS;
		lease_tick_about(catalog, catalog->options.node_lease_ms / 3);
	} else if (result->rc == -ENOENT) {
		catalog->lease = 0;
		(void)error_set(&error, -ESTALE,
			"the lease of node %s ran out: its volumes may have been taken over",
			catalog->node.name);
		catalog_trouble(catalog, -ESTALE, &error);
		lease_again(catalog);
	} else {
		lease_tick_about(catalog, RENEW_RETRY_MS);
	}
}

static void lease_tick(void *arg)
{
	struct catalog *catalog = arg;

	/* A database from a backup: whoever repairs it must find it as it is. */
	if (catalog->closing || catalog->lease_call || catalog->frozen)
		return;
	if (catalog->lease == 0) {
		lease_again(catalog);
		return;
	}
	catalog->lease_call = true;
	catalog->lease_sent_ns = catalog_now_ns(catalog);
	kvdb_lease_keepalive(
		catalog->kvdb, catalog->lease, catalog->options.node_lease_ms / 3, lease_kept, catalog);
}
