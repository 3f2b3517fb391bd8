/*
 * Inside the catalog: the view's tables, and operations.
 *
 *   kvdb list, watch --> tables (view.c) --> lookups, changes
 *   operation: sync (which revision is newest?) --> wait for the view --> step (compute) --> transaction
 *                 ^                                     ^                                       |
 *                 | unknown outcome, kvdb down          | lost: another was faster              v
 *                 +-------------------------------------+-------------------------- won: wait for the view
 * --> done
 */
#ifndef QUOIN_CATALOG_PRIVATE_H
#define QUOIN_CATALOG_PRIVATE_H

#include "catalog/catalog.h"
#include "catalog/shards.h"
#include "catalog/list.h"
#include "catalog/pin.h"
#include "catalog/record.h"
#include "catalog/snapshots.h"

#define KEY_MAX_LEN 320u /* "/quoin/" and two names, with what stands between */

/* ---- view.c ---- */

struct row {
	char *name; /* of the record: what follows its kind in the key */
	uint64_t revision;
	void *record; /* NULL: damaged, and error says how */
	struct error *error;
	bool seen;       /* by the list that is being read */
	bool watched;    /* kept by the watch; else it was read for a pin (pin.c), and goes with it */
	uint32_t listed; /* the last pin of many that has read it: its number */
};

/* Rows in order of names (strcmp). */
struct table {
	struct row *rows;
	size_t count, capacity, damaged;
};

/* ---- table.c ---- */

/* The first row that isn't before the name: its index. */
size_t table_lower(const struct table *table, const char *name);
struct row *table_find(const struct table *table, const char *name);
struct row *table_insert(struct table *table, const char *name);
/* Whatever its order: to be sorted. */
struct row *table_append(struct table *table, const char *name);
void row_clear(struct table *table, enum record_kind kind, struct row *row);
void table_remove(struct table *table, enum record_kind kind, struct row *row);

struct view {
	/* Volumes here are those that the watch tells, and those that pins of this catalog keep, with their
	 * names; NULL: all volumes there are. */
	const struct catalog *part_of;
	struct table tables[RECORD_KINDS];
	uint64_t revision; /* everything up to it is in the tables */
	struct catalog_change *changes;
	size_t change_count, change_capacity;
};

void view_done(struct view *view);
struct row *view_find(const struct view *view, enum record_kind kind, const char *name);
struct row *view_find_uuid(const struct view *view, enum record_kind kind, struct uuid uuid);
/* Its record's, 0 where there is none: what KVDB_IF_REVISION wants. */
uint64_t row_revision(const struct row *row);
/* 0, or -ENOENT / -EBADMSG with words about "kind name". */
int row_check(const struct row *row, const char *what, const char *name, struct error *error) MUST_CHECK;
/* Puts a value (NULL: deleted) into its table, and notes the change; *ret_bad: it is damaged, error says how.
 */
void view_put(struct view *view, enum record_kind kind, const char *name, const uint8_t *value,
	size_t value_bytes, uint64_t revision, bool *ret_bad, struct error *error);
/*
 * What a pin has read of a volume (NULL: it is no more); nothing where the watch tells of it. `quiet`: no
 * change is noted, and names are left to view_names_rebuild().
 */
void view_put_read(struct view *view, const char *uuid, const uint8_t *value, size_t value_bytes,
	uint64_t revision, bool quiet);
/* The name of a volume whose record can't be read; else it follows from the record. */
void view_name_put(struct view *view, const char *name, struct uuid volume);
/* Drops a name that stands for no volume that is there and readable. */
void view_name_let_go(struct view *view, const char *name);
/* The name that a volume has in the view goes, or comes. */
void view_name_leave(struct view *view, const struct row *row);
void view_name_come(struct view *view, const struct row *row);
/* There is no such name. */
void view_name_drop(struct view *view, const char *name);
bool view_is_watched(const struct view *view, struct uuid volume);
/* Drops the volume if nothing keeps it any more. */
void view_let_go(struct view *view, struct uuid volume);
/* After many: drops all that nothing keeps; makes the names of all volumes anew. */
void view_sweep(struct view *view);
/*
 * Notes that the pin of many with this number, which was begun at `revision`, has read a volume; after all of
 * them, those that it hasn't are no more, and are dropped.
 */
void view_listed_put(struct view *view, uint32_t number, const char *uuid, const uint8_t *value,
	size_t value_bytes, uint64_t revision);
void view_listed_end(struct view *view, uint32_t number, uint64_t revision);
void view_names_rebuild(struct view *view);
/* The index-th readable row whose name begins with "NAME/". */
const struct catalog_volume *view_copy_at(
	const struct view *view, enum record_kind kind, const char *name, size_t index);
/* Around the rows of a new list: rows that it didn't name are dropped at the end. */
void view_list_begin(struct view *view);
void view_list_end(struct view *view);
void view_changes_clear(struct view *view);

/* ---- keys.c ---- */

const char *key_kind_text(enum record_kind kind);
/* "/quoin/CLUSTER/kind/name" */
char *key_format(const struct catalog *catalog, enum record_kind kind, const char *name,
	char key[static KEY_MAX_LEN + 1]);
char *key_format_uuid(const struct catalog *catalog, enum record_kind kind, struct uuid uuid,
	char key[static KEY_MAX_LEN + 1]);
/* What all keys of a kind begin with; of `name` alone, where it isn't NULL: "at/NODE/". */
char *key_prefix(const struct catalog *catalog, enum record_kind kind, const char *name,
	char prefix[static KEY_MAX_LEN + 1]);
/* False: no key of a kind that we know. *ret_name points into the key. */
bool key_parse(
	const struct catalog *catalog, const char *key, enum record_kind *ret_kind, const char **ret_name);

/* ---- operations ---- */

/*
 * A transaction in the making; owns its keys and values. Without memory, or with more than the kvdb takes
 * (-E2BIG), it is `failed`, and is not sent.
 */
struct op_txn {
	struct kvdb_compare compares[KVDB_MAX_TXN_OPS];
	struct kvdb_write writes[KVDB_MAX_TXN_OPS];
	size_t compare_count, write_count;
	int failed;
};

void txn_if_revision(struct op_txn *txn, const struct catalog *catalog, enum record_kind kind,
	const char *name, uint64_t revision);
void txn_put(struct op_txn *txn, const struct catalog *catalog, enum record_kind kind, const char *name,
	const void *record, uint64_t lease);
void txn_delete(struct op_txn *txn, const struct catalog *catalog, enum record_kind kind, const char *name);
void txn_done(struct op_txn *txn);

#define OP_FINISHED 1

struct op;

struct op_kind {
	const char *what; /* "create the volume" */
	/*
	 * From the view: fills in a transaction (0), finds that nothing is left to do (OP_FINISHED), or
	 * refuses. Is called again after each transaction that lost or whose outcome is unknown
	 * (op->uncertain).
	 */
	int (*step)(struct op *op, struct op_txn *txn, struct error *error);
};

#define OP_MAX_PINS 3u

enum op_state { OP_SYNC, OP_FETCH, OP_WAIT_VIEW, OP_PAUSE, OP_TXN, OP_WAIT_DONE };

struct op {
	struct list node;
	struct catalog *catalog;
	const struct op_kind *kind;
	enum op_state state;
	uint64_t deadline_ns, began_ns;
	unsigned losses;
	bool uncertain; /* a transaction was sent whose outcome is not known */
	bool won;       /* its transaction was */
	bool in_flight; /* a call of kvdb will come back */
	uint64_t wait_revision;
	struct kvdb_timer timer;
	/* What it needs of volumes that this node doesn't watch: read anew before each step. */
	struct catalog_pin *pins[OP_MAX_PINS];
	unsigned pin_count, pin_next;
	int early_rc; /* refused before it began */
	struct error error;
	/* the answer: one of the two */
	catalog_done_fn fn;
	catalog_volume_fn volume_fn;
	void *arg;
	/* inputs */
	struct uuid volume, group, replica, attachment, import;
	struct catalog_attach attach;
	struct catalog_membership membership;
	struct catalog_replica learner;
	struct catalog_snapshot snapshot;
	struct catalog_volume *volume_record; /* owned */
	struct catalog_class *class_record;   /* owned */
	struct catalog_node node_record;
	struct catalog_pool pool;
	uint8_t key[CATALOG_KEY_BYTES];
	struct uuid expected;
	uint64_t above;
	uint64_t limit_iops, limit_bytes_per_s;
	uint64_t size_bytes;
	bool sticky;
	unsigned replicas;                    /* the user's number of them; 0: it isn't about that */
	uint64_t sent_epoch;                  /* of the attach or raise that is uncertain */
	uint64_t lease, granted_ns, since_ns; /* node_register */
	uint64_t sent_highest;                /* the catalog's highest_revision when the sync was sent */
};

struct op *op_new(struct catalog *catalog, const struct op_kind *kind, uint32_t timeout_ms, void *arg);
/* op->early_rc with op->error refuses it, in a moment. */
void op_start(struct op *op);
/* Before op_start(). */
void op_pin(struct op *op, struct catalog_pin *pin);
/* The view has moved on. */
void ops_view_moved(struct catalog *catalog);
void op_finish(struct op *op, int rc, const struct error *error);
/* op->volume, if it is none that is being deleted: -ENOENT. */
int volume_ready(
	const struct op *op, const struct catalog_volume **ret_volume, struct error *error) MUST_CHECK;

/* ---- ops_volume.c: what operations on volumes share ---- */

/* By somebody, stewards aside. */
bool volume_is_held(const struct catalog_volume *volume);
/* -EBUSY, with holder and since when. */
int volume_held(const struct catalog *catalog, const struct catalog_volume *volume, struct error *error);
/* Makes op->volume_record a copy to be changed. -ENOMEM. */
int volume_edit(struct op *op, const struct catalog_volume *volume, struct error *error) MUST_CHECK;
/* Writes op->volume_record where the record still is what `was` was. */
void txn_put_volume(struct op *op, struct op_txn *txn, const struct catalog_volume *was);

/*
 * copies.c: writes a volume's record (`was` NULL: a new one) or deletes it (`is` NULL), with all that is
 * written beside it. The compare is the caller's.
 */
void txn_write_volume(struct op_txn *txn, const struct catalog *catalog, const struct catalog_volume *was,
	const struct catalog_volume *is);

/* Whether a copy of it is written for that node. */
bool catalog_volume_concerns(const struct catalog_volume *volume, const char *node);

/* volume_check.c: -EINVAL, with words, for a volume that can't be made. */
int volume_check(const struct catalog_volume *volume, struct error *error) MUST_CHECK;
/*
 * Adds `count` replicas of op->volume_record to what is promised on a replica's pool, if there is room. Once
 * a pool and transaction.
 */
int pool_reserve(struct op *op, struct op_txn *txn, const struct catalog_replica *replica, unsigned count,
	struct error *error) MUST_CHECK;
/* How many replicas of the volume are on the pool of this one; 0: they were counted with an earlier one. */
unsigned replicas_on_pool(const struct catalog_volume *volume, unsigned shard, unsigned replica);
/* One goes. */
void pool_release(struct op *op, struct op_txn *txn, struct uuid pool, const struct catalog_volume *volume);
/* ops_resize.c: whether so much more may be promised on the pool: -ENOSPC with the numbers. */
int pool_room_check(const struct op *op, const struct catalog_pool *pool,
	const struct record_reservation *known, const struct catalog_volume *volume, uint64_t more_bytes,
	struct error *error) MUST_CHECK;
/* ops_membership.c: a learner comes, op->replica is to leave; with op->replicas as the user's number, if any.
 */
int learner_step(struct op *op, struct op_txn *txn, struct error *error) MUST_CHECK;
int leave_step(struct op *op, struct op_txn *txn, struct error *error) MUST_CHECK;
/* ops_replicas.c, ops_import.c: into the record that is being made. */
void replicas_want_note(struct op *op);
void import_clear(struct catalog_volume *volume);
/* clones.c */
/* The names of a volume's clones, of one snapshot (none: of any); returns how many there are. */
unsigned clones_name(
	const struct catalog *catalog, struct uuid origin, struct uuid snapshot, char *text, size_t size);
/*
 * -EBUSY where a volume can't be removed for its snapshots: users' own stay until they remove them, and what
 * a node has attached; what a schedule has made goes with the volume.
 */
int snapshots_refuse(
	const struct catalog *catalog, const struct catalog_volume *volume, struct error *error) MUST_CHECK;
/* -EBUSY, with their names, where clones stand on the snapshot. */
int clones_refuse(const struct catalog *catalog, const struct catalog_volume *volume,
	const struct catalog_snapshot *snapshot, struct error *error) MUST_CHECK;
/* A clone that is being created (op->volume_record; another volume: nothing): whether its origin is as it
 * must be, and that it stays so until the transaction. */
int clone_hold(struct op *op, struct op_txn *txn, struct error *error) MUST_CHECK;
/* -EBUSY where a clone has no replica yet: the first one needs the origin to be as large as it was. */
int clones_unmade(
	const struct catalog *catalog, const struct catalog_volume *origin, struct error *error) MUST_CHECK;
/* ops_membership.c: op->replica, which is retired, is taken out of the record. */
int retired_removed_step(struct op *op, struct op_txn *txn, const struct catalog_volume *volume,
	struct error *error) MUST_CHECK;

/* ---- pin.c ---- */

/* Whether one keeps this volume in the view, which isn't watched; record NULL: it can't be read. */
bool pins_keep(const struct catalog *catalog, const char *uuid, const struct catalog_volume *record);
/* The same, of those of one volume alone. */
bool pins_keep_single(const struct catalog *catalog, const char *uuid, const struct catalog_volume *record);
/* The view has come further: what was read and waited for that goes into it; and who waited is told. */
void pins_view_moved(struct catalog *catalog);
void pins_view_told(struct catalog *catalog);
/* Of one volume, and not of many. */
bool pin_is_single(const struct catalog_pin *pin);
/* Reads all again that aren't watched; a timer's. */
void pins_poll(void *catalog);
void pins_close_begin(struct catalog *catalog);
void pins_close_end(struct catalog *catalog);

/* ---- catalog.c, reach.c ---- */

#define CATALOG_WATCH_PREFIXES 10u

struct catalog {
	struct kvdb *kvdb;
	struct catalog_options options;
	char cluster[NAME_MAX_LEN + 1];
	char prefix[KEY_MAX_LEN + 1];
	char node_name[NAME_MAX_LEN + 1];
	/* What is listed and watched. */
	char watch_texts[CATALOG_WATCH_PREFIXES][KEY_MAX_LEN + 1];
	const char *watch_prefixes[CATALOG_WATCH_PREFIXES];
	size_t watch_prefix_count;
	struct list pins;
	unsigned list_pins; /* of many volumes */
	uint32_t list_number;
	struct kvdb_timer pin_timer;
	struct random random;
	struct view view;
	struct kvdb_watch *watch;
	struct kvdb_timer list_timer;
	struct listing listing;
	bool is_listing;
	bool listing_stale; /* it was begun before a thaw: nothing of it counts */
	/* What the last list's later pages have told is newer than its first: until the watch has come so
	 * far, the tables are of no one revision, and nobody is told. */
	uint64_t settled_revision;
	struct list ops;
	bool opened, closing;
	/* The database's identity, as first seen: it must stay, and its revision must not go back. */
	struct uuid database;
	uint64_t highest_revision;
	uint64_t asked_revision; /* known when the kvdb was last asked who it is */
	bool frozen;             /* it did not: nothing is changed any more; `frozen_error` says why */
	struct error frozen_error;
	bool accepting; /* accept.c is at work */
	/* Whether the kvdb answers. */
	bool kvdb_bad;
	struct error kvdb_error;
	uint64_t reach_since_ns, reach_ns; /* of an unbroken series of answers */
	/* The node's lease. */
	struct catalog_node node; /* as registered; name empty: not */
	uint64_t lease, lease_until_ns, lease_sent_ns;
	uint64_t lease_pause_ms; /* before a new lease is tried again */
	bool lease_call;         /* a keepalive or grant is under way */
	struct kvdb_timer lease_timer;
	/* closing */
	bool leave;
	struct kvdb_timer close_timer;
	void (*closed_fn)(void *arg);
	void *closed_arg;
};

/*
 * A revision that was read by a call sent when `sent_highest` was the highest known: false, and the catalog
 * frozen, where the database is another one or has gone back.
 */
bool catalog_identity_check(struct catalog *catalog, const struct kvdb_result *result, uint64_t sent_highest);
/* The database as it stands is this node's from now on: the view is listed anew, nothing of it is relied on
 * before. */
void catalog_thaw(struct catalog *catalog, struct uuid database, uint64_t revision);
/* What every answer of kvdb tells about it. */
void catalog_heard(struct catalog *catalog, const struct kvdb_result *result);
/* Since when the kvdb has been in reach, without a gap; 0: it isn't. */
uint64_t catalog_reach_since_ns(const struct catalog *catalog);
void catalog_trouble(struct catalog *catalog, int rc, const struct error *error);
/* Tells the user what has changed in the view since the last time. */
void catalog_changes_tell(struct catalog *catalog);
/* Puts the value of a key (NULL: deleted) into a view; a damaged record of the catalog's own is told. */
void view_apply(struct catalog *catalog, struct view *view, const char *key, const uint8_t *value,
	size_t value_bytes, uint64_t revision);
uint64_t catalog_now_ns(const struct catalog *catalog);
uint64_t catalog_wall_ns(const struct catalog *catalog);

/* ---- accept_members.c: which of two records of a volume has the newer members ---- */

/* Of all its shards together: each number never goes back, so the sum doesn't either. */
uint64_t members_number(const struct catalog_volume *volume);
/* Of one shard at the least. */
bool members_are_newer(const struct catalog_volume *a, const struct catalog_volume *b);
/*
 * What was seen, but with the epoch and, shard by shard, the members that are newer in the backup (which may
 * be NULL). catalog_volume_free() it; NULL: no memory.
 */
struct catalog_volume *members_merge(const struct catalog_volume *seen, const struct catalog_volume *backup);
/* What these volumes have promised on a pool. */
struct record_reservation members_reserved(
	const struct catalog_volume *const *volumes, size_t count, struct uuid pool);

/* ---- lease.c ---- */

/* An operation is about to end with 0: a registration begins to renew its lease. */
void op_ended_well(struct op *op);
/* The lease is this node's from now on: renews it. */
void lease_begin(struct catalog *catalog, uint64_t lease, uint64_t granted_ns);
/* After a thaw: the lease, which was not renewed meanwhile, is looked after again. */
void lease_thaw(struct catalog *catalog);

#endif
