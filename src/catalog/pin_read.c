/*
 *   read: get name/NAME -> get volume/UUID -> wait until the view has come so far -> into the view -> fn
 *
 * The wait keeps the view of one revision: what a step computes from a record that was read and from others
 * that are watched was so at one time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/pin_private.h"

#define PAGE_TIMEOUT_MS 10000u

void pin_end(struct catalog_pin *pin, int rc, const struct error *error)
{
	static const struct error none;
	catalog_done_fn fn = pin->fn;

	pin->reading = pin->answered = false;
	pin->told |= rc == 0;
	kvdb_timer_cancel(pin->catalog->kvdb, &pin->timer);
	free(pin->value);
	pin->value = NULL;
	if (pin->again && rc != -ECANCELED) {
		pin->again = false;
		pin_begin(pin); /* what it tells may be older than the question */
		return;
	}
	pin->fn = NULL;
	if (fn)
		fn(pin->arg, rc, error ? error : &none);
}

static void pin_failed(struct catalog_pin *pin, int rc, const struct error *why)
{
	struct error error;

	if (rc == -EIO)
		rc = -EAGAIN; /* nothing was to be changed */
	(void)error_set(&error, rc, "can't read %s %s: %.400s",
		pin->scope == PIN_NODE  ? "the volumes of node"
		: pin->scope == PIN_ALL ? "the list of volumes"
					: "the record of volume",
		pin->name, why->text);
	pin_end(pin, rc, &error);
}

static uint32_t left_ms(const struct catalog_pin *pin)
{
	uint64_t now_ns = catalog_now_ns(pin->catalog);

	return pin->deadline_ns > now_ns + NS_PER_MS ? (uint32_t)((pin->deadline_ns - now_ns) / NS_PER_MS)
						     : 1;
}

void pin_timer(void *arg)
{
	struct catalog_pin *pin = arg;
	struct catalog *catalog = pin->catalog;
	struct error why;

	if (catalog->frozen) {
		pin_failed(pin, -ESTALE, &catalog->frozen_error);
	} else if (pin->answered) {
		(void)error_set(&why, -ETIMEDOUT, "the metadata database is slow to tell what has changed");
		pin_failed(pin, -ETIMEDOUT, &why);
	} else {
		pin_end(pin, 0, NULL); /* it is known by now */
	}
}

/* What was read goes into the view, whose revision is no older. */
static void pin_apply(struct catalog_pin *pin)
{
	struct view *view = &pin->catalog->view;
	char uuid[UUID_TEXT_LEN + 1];
	const struct row *row;

	if (uuid_is_none(pin->volume)) {
		row = view_find(view, RECORD_NAME, pin->name);
		if (row && !view_is_watched(view, ((const struct record_name *)row->record)->volume))
			view_name_drop(view, pin->name);
		return;
	}
	view_put_read(view, uuid_format(pin->volume, uuid), pin->value, pin->value_bytes, pin->value_revision,
		false);
	row = view_find(view, RECORD_VOLUME, uuid);
	if (pin->scope == PIN_NAME && row && !row->record)
		view_name_put(view, pin->name, pin->volume);
}

static bool view_is_there(const struct catalog_pin *pin)
{
	const struct catalog *catalog = pin->catalog;

	return catalog->opened && catalog->view.revision >= pin->revision;
}

static void pin_answered(struct catalog_pin *pin)
{
	struct catalog *catalog = pin->catalog;

	if (!view_is_there(pin)) {
		pin->answered = true;
		kvdb_timer_set(catalog->kvdb, &pin->timer, left_ms(pin));
		return;
	}
	pin_apply(pin);
	catalog_changes_tell(catalog);
	pin_end(pin, 0, NULL);
}

void pins_view_moved(struct catalog *catalog)
{
	list_for_each (node, &catalog->pins) {
		struct catalog_pin *pin = list_entry(node, struct catalog_pin, node);

		if (pin->answered && !pin->released && view_is_there(pin))
			pin_apply(pin);
	}
}

void pins_view_told(struct catalog *catalog)
{
	bool more;

	do {
		more = false;
		list_for_each (node, &catalog->pins) {
			struct catalog_pin *pin = list_entry(node, struct catalog_pin, node);

			if (!pin->answered || !view_is_there(pin))
				continue;
			pin_end(pin, 0, NULL); /* others may be gone */
			more = true;
			break;
		}
	} while (more);
}

/* False: it ends here. */
static bool pin_heard(struct catalog_pin *pin, const struct kvdb_result *result)
{
	catalog_heard(pin->catalog, result);
	pin->calling = false;
	if (pin->released) {
		pin_gone(pin);
		return false;
	}
	if (result->rc == 0 || result->rc == -ENOENT) {
		pin->revision = result->revision;
		return true;
	}
	pin_failed(pin, result->rc, result->error);
	return false;
}

static void volume_told(void *arg, const struct kvdb_result *result)
{
	struct catalog_pin *pin = arg;

	if (!pin_heard(pin, result))
		return;
	if (result->rc == 0) {
		pin->value_bytes = result->items[0].value_bytes;
		pin->value_revision = result->items[0].mod_revision;
		pin->value = malloc(pin->value_bytes + 1);
		ASSERT(pin->value);
		if (pin->value_bytes > 0)
			memcpy(pin->value, result->items[0].value, pin->value_bytes);
	}
	pin_answered(pin);
}

static void volume_ask(struct catalog_pin *pin)
{
	char key[KEY_MAX_LEN + 1];

	pin->calling = true;
	kvdb_get(pin->catalog->kvdb, key_format_uuid(pin->catalog, RECORD_VOLUME, pin->volume, key),
		left_ms(pin), volume_told, pin);
}

static void name_told(void *arg, const struct kvdb_result *result)
{
	struct catalog_pin *pin = arg;
	struct uuid before = pin->volume;
	struct error why;
	void *record;
	int rc;

	if (!pin_heard(pin, result))
		return;
	pin->volume = (struct uuid){ 0 };
	if (result->rc == 0) {
		rc = catalog_record_decode(
			RECORD_NAME, result->items[0].value, result->items[0].value_bytes, &record, &why);
		if (rc != 0) {
			pin_failed(pin, rc, &why);
			return;
		}
		pin->volume = ((const struct record_name *)record)->volume;
		record_free(RECORD_NAME, record);
	}
	if (!uuid_is_none(before) && !uuid_equal(before, pin->volume)) {
		/* It was removed; who waits for that finds out. */
		if (uuid_is_none(pin->volume))
			pin->volume = before;
		else
			view_let_go(&pin->catalog->view, before);
	}
	if (uuid_is_none(pin->volume))
		pin_answered(pin);
	else
		volume_ask(pin);
}

/* ---- many ---- */

static void listed_item(struct listing *listing, const struct kvdb_item *item)
{
	struct catalog_pin *pin = container_of(listing, struct catalog_pin, listing);
	struct catalog *catalog = pin->catalog;
	const char *uuid = strrchr(item->key, '/') + 1;

	if (!pin->released && !catalog->closing && !catalog->frozen)
		view_listed_put(&catalog->view, pin->number, uuid, item->value, item->value_bytes,
			item->mod_revision);
}

static void listed(struct listing *listing, int rc, const struct error *error)
{
	struct catalog_pin *pin = container_of(listing, struct catalog_pin, listing);

	pin->calling = false;
	if (pin->released) {
		pin_gone(pin);
		return;
	}
	if (rc == 0 && pin->scope == PIN_ALL && !pin->catalog->frozen)
		view_listed_end(&pin->catalog->view, pin->number, listing->first_revision);
	view_names_rebuild(&pin->catalog->view);
	if (rc != 0)
		pin_failed(pin, rc, error);
	else
		pin_end(pin, 0, NULL);
}

static void list_ask(struct catalog_pin *pin)
{
	struct catalog *catalog = pin->catalog;
	uint32_t ms = left_ms(pin);

	key_prefix(catalog, pin->scope == PIN_ALL ? RECORD_VOLUME : RECORD_AT,
		pin->scope == PIN_ALL ? NULL : pin->name, pin->prefix);
	pin->calling = true;
	pin->number = ++catalog->list_number;
	listing_begin(&pin->listing, catalog, pin->prefix, ms < PAGE_TIMEOUT_MS ? ms : PAGE_TIMEOUT_MS,
		listed_item, listed);
}

/* ---- all of it ---- */

void pin_begin(struct catalog_pin *pin)
{
	struct catalog *catalog = pin->catalog;
	char key[KEY_MAX_LEN + 1];

	pin->reading = true;
	if (catalog->frozen || catalog_pin_is_known(pin)) {
		kvdb_timer_set(catalog->kvdb, &pin->timer, 0);
	} else if (pin->scope == PIN_VOLUME) {
		volume_ask(pin);
	} else if (pin->scope == PIN_NAME) {
		pin->calling = true;
		kvdb_get(catalog->kvdb, key_format(catalog, RECORD_NAME, pin->name, key), left_ms(pin),
			name_told, pin);
	} else {
		list_ask(pin);
	}
}

void catalog_pin_read(struct catalog_pin *pin, uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	ASSERT(!pin->fn && !pin->released && !pin->catalog->closing);
	pin->fn = fn;
	pin->arg = arg;
	pin->deadline_ns = catalog_now_ns(pin->catalog) + timeout_ms * NS_PER_MS;
	if (pin->reading)
		pin->again = true;
	else
		pin_begin(pin);
}
