/*
 * Volumes that don't concern this node aren't watched: they are read when they are wanted, and stand in the
 * view, as if they were watched, until they are unpinned. A part of the catalog: its rules of threads and
 * errors hold (catalog/catalog.h).
 *
 *   catalog_pin_...() --> catalog_pin_read() --fn--> lookups find it --> catalog_unpin()
 *
 * A single volume is read again several times a second for as long as it is pinned; its changes are told as
 * others'. What is read of many is as it was at that moment, and its changes aren't told.
 */
#ifndef QUOIN_CATALOG_PIN_H
#define QUOIN_CATALOG_PIN_H

#include "catalog/catalog.h"

struct catalog_pin;

/* Nothing is read yet. Never NULL. */
struct catalog_pin *catalog_pin_name(struct catalog *catalog, const char *name);
struct catalog_pin *catalog_pin_volume(struct catalog *catalog, struct uuid volume);
/* All that concern another node. */
struct catalog_pin *catalog_pin_node(struct catalog *catalog, const char *node);
struct catalog_pin *catalog_pin_all(struct catalog *catalog);
/* The watch tells of it: there is nothing to read. */
bool catalog_pin_is_known(const struct catalog_pin *pin);
/* The view shows it: it is known, or has been read since it was pinned. */
bool catalog_pin_is_told(const struct catalog_pin *pin);
/*
 * Reads it. 0: the view shows it, or there is no such volume. -ETIMEDOUT, -EAGAIN: the kvdb didn't tell, and
 * the view is no answer; -ESTALE: it was restored from a backup. One at a time.
 */
void catalog_pin_read(struct catalog_pin *pin, uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/* Volumes whose records are watched. */
size_t catalog_watched_count(const struct catalog *catalog);
/* fn isn't called any more. NULL is fine; so is a catalog that is gone by now. */
void catalog_unpin(struct catalog_pin *pin);

/*
 * The volumes of a group, wherever they are: name, size, class, replicas; not the holder and what else
 * changes from day to day.
 */
const struct catalog_volume *catalog_group_at(const struct catalog *catalog, const char *group, size_t index);

#endif
