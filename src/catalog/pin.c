/* The life of pins: what they keep in the view, and that it is read again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/pin_private.h"

#define POLL_MS         300u
#define POLL_TIMEOUT_MS 5000u

bool pin_is_single(const struct catalog_pin *pin)
{
	return pin->scope == PIN_NAME || pin->scope == PIN_VOLUME;
}

/* ---- life ---- */

static struct catalog_pin *pin_new(struct catalog *catalog, enum pin_scope scope)
{
	struct catalog_pin *pin = calloc(1, sizeof(*pin));

	ASSERT(pin); /* as in kvdb.c */
	pin->catalog = catalog;
	pin->scope = scope;
	kvdb_timer_init(&pin->timer, pin_timer, pin);
	list_push_back(&catalog->pins, &pin->node);
	if (!pin_is_single(pin))
		catalog->list_pins++;
	else if (catalog->pin_timer.at_ns == 0 && !catalog->closing)
		kvdb_timer_set(catalog->kvdb, &catalog->pin_timer, POLL_MS);
	return pin;
}

struct catalog_pin *catalog_pin_name(struct catalog *catalog, const char *name)
{
	struct catalog_pin *pin = pin_new(catalog, PIN_NAME);

	ASSERT(strlen(name) <= NAME_MAX_LEN);
	memcpy(pin->name, name, strlen(name) + 1);
	return pin;
}

struct catalog_pin *catalog_pin_volume(struct catalog *catalog, struct uuid volume)
{
	struct catalog_pin *pin = pin_new(catalog, PIN_VOLUME);

	pin->volume = volume;
	return pin;
}

struct catalog_pin *catalog_pin_node(struct catalog *catalog, const char *node)
{
	struct catalog_pin *pin = pin_new(catalog, PIN_NODE);

	ASSERT(strlen(node) <= NAME_MAX_LEN);
	memcpy(pin->name, node, strlen(node) + 1);
	return pin;
}

struct catalog_pin *catalog_pin_all(struct catalog *catalog)
{
	return pin_new(catalog, PIN_ALL);
}

void pin_gone(struct catalog_pin *pin)
{
	struct catalog *catalog = pin->catalog;

	if (catalog) {
		list_remove(&pin->node);
		kvdb_timer_cancel(catalog->kvdb, &pin->timer);
		if (!pin_is_single(pin) && --catalog->list_pins == 0 && catalog->view.part_of)
			view_sweep(&catalog->view);
		else if (pin->scope == PIN_VOLUME || !uuid_is_none(pin->volume))
			view_let_go(&catalog->view, pin->volume);
		if (pin->scope == PIN_NAME)
			view_name_let_go(&catalog->view, pin->name);
	}
	free(pin->value);
	free(pin);
}

void catalog_unpin(struct catalog_pin *pin)
{
	if (!pin)
		return;
	pin->fn = NULL;
	pin->released = true;
	if (!pin->calling)
		pin_gone(pin);
}

/* One that waits for the view; the others end with their call. */
static struct catalog_pin *pin_waiting(struct catalog *catalog)
{
	list_for_each (node, &catalog->pins) {
		struct catalog_pin *pin = list_entry(node, struct catalog_pin, node);

		if (pin->reading && !pin->calling)
			return pin;
	}
	return NULL;
}

void pins_close_begin(struct catalog *catalog)
{
	struct catalog_pin *pin;
	struct error error;

	kvdb_timer_cancel(catalog->kvdb, &catalog->pin_timer);
	(void)error_set(&error, -ECANCELED, "the agent is stopping");
	while ((pin = pin_waiting(catalog)))
		pin_end(pin, -ECANCELED, &error);
}

void pins_close_end(struct catalog *catalog)
{
	struct list *node;

	while ((node = list_pop_front(&catalog->pins)))
		list_entry(node, struct catalog_pin, node)->catalog = NULL;
}

bool pins_keep(const struct catalog *catalog, const char *uuid, const struct catalog_volume *record)
{
	return catalog->list_pins > 0 || pins_keep_single(catalog, uuid, record);
}

bool pins_keep_single(const struct catalog *catalog, const char *uuid, const struct catalog_volume *record)
{
	struct uuid volume = { 0 };

	if (uuid_parse(uuid, &volume) != 0)
		return false;
	list_for_each (node, &catalog->pins) {
		const struct catalog_pin *pin = list_entry(node, struct catalog_pin, node);

		if (!pin->released && pin_is_single(pin) &&
			(uuid_equal(pin->volume, volume) ||
				(pin->scope == PIN_NAME && record && strcmp(record->name, pin->name) == 0)))
			return true;
	}
	return false;
}

bool catalog_pin_is_known(const struct catalog_pin *pin)
{
	const struct catalog *catalog = pin->catalog;
	const struct view *view = &catalog->view;
	const struct row *name;

	if (!view->part_of)
		return catalog->opened;
	switch (pin->scope) {
	case PIN_NAME:
		name = view_find(view, RECORD_NAME, pin->name);
		return name && view_is_watched(view, ((const struct record_name *)name->record)->volume);
	case PIN_VOLUME:
		return view_is_watched(view, pin->volume);
	case PIN_NODE:
		return catalog->opened && strcmp(pin->name, catalog->options.node) == 0;
	case PIN_ALL:
		break;
	}
	return false;
}

bool catalog_pin_is_told(const struct catalog_pin *pin)
{
	return pin->told || catalog_pin_is_known(pin);
}

void pins_poll(void *arg)
{
	struct catalog *catalog = arg;
	bool any = false;

	list_for_each_safe (node, &catalog->pins) {
		struct catalog_pin *pin = list_entry(node, struct catalog_pin, node);

		any |= pin_is_single(pin);
		if (!pin_is_single(pin) || pin->reading || pin->released || catalog->frozen ||
			catalog_pin_is_known(pin))
			continue;
		pin->deadline_ns = catalog_now_ns(catalog) + POLL_TIMEOUT_MS * NS_PER_MS;
		pin_begin(pin);
	}
	if (any)
		kvdb_timer_set(catalog->kvdb, &catalog->pin_timer, POLL_MS);
}
