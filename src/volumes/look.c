#include "volumes/look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/pin.h"
#include "volumes/clone.h"
#include "volumes/manager.h"

#define ONE_MS  4000u
#define MANY_MS 12000u
#define PINS    4u /* a volume, its origin, another; or a node; or all */

struct look {
	struct volumes *volumes;
	struct catalog_pin *pins[PINS];
	unsigned count, next;
	uint32_t timeout_ms;
	char name[NAME_MAX_LEN + 1]; /* of the volume whose origin comes after it; "": none, or it has come */
	volumes_done_fn fn;
	void *arg;
};

static void look_end(struct look *look, int rc, const struct error *error)
{
	static const struct error none;

	look->fn(look->arg, rc, error ? error : &none);
	for (unsigned i = 0; i < look->count; i++)
		catalog_unpin(look->pins[i]);
	free(look);
}

static void look_next(struct look *look);

static void looked(void *arg, int rc, const struct error *error)
{
	struct look *look = arg;

	look->next++;
	if (rc)
		look_end(look, rc, error);
	else
		look_next(look);
}

static void pin_add(struct look *look, struct catalog_pin *pin)
{
	ASSERT(look->count < PINS);
	look->pins[look->count++] = pin;
}

/* Of the volume that is in view by now. */
static void origin_add(struct look *look)
{
	struct catalog *catalog = look->volumes->catalog;
	const struct catalog_volume *volume;

	if (look->name[0] && !catalog_volume_find(catalog, look->name, &volume, NULL) &&
		!uuid_is_none(volume->origin))
		pin_add(look, catalog_pin_volume(catalog, volume->origin));
	look->name[0] = '\0';
}

static void look_next(struct look *look)
{
	for (;;) {
		for (; look->next < look->count; look->next++) {
			if (catalog_pin_is_known(look->pins[look->next]))
				continue;
			catalog_pin_read(look->pins[look->next], look->timeout_ms, looked, look);
			return;
		}
		if (!look->name[0])
			break;
		origin_add(look);
	}
	look_end(look, 0, NULL);
}

/* Names that can't be are those of no volume. */
static void names_add(struct look *look, const struct volumes_look *what)
{
	struct catalog *catalog = look->volumes->catalog;
	char from[NAME_MAX_LEN + 1], snapshot[NAME_MAX_LEN + 1];
	struct error ignored;

	if (what->volume && !name_check("volume name", what->volume, &ignored)) {
		snprintf(look->name, sizeof(look->name), "%s", what->volume);
		pin_add(look, catalog_pin_name(catalog, what->volume));
	}
	if (what->from && what->from[0] && !clone_from_parse(what->from, from, snapshot, &ignored))
		pin_add(look, catalog_pin_name(catalog, from));
}

void volumes_look(struct volumes *volumes, const struct volumes_look *what, volumes_done_fn fn, void *arg)
{
	bool can = volumes->catalog_opened && volumes->phase != MANAGER_STOPPING;
	struct look *look = calloc(1, sizeof(*look));
	struct error error;

	if (!look) {
		fn(arg, error_set(&error, -ENOMEM, "no memory"), &error);
		return;
	}
	*look = (struct look){ .volumes = volumes, .timeout_ms = ONE_MS, .fn = fn, .arg = arg };
	if (can && (what->all || what->node))
		look->timeout_ms = MANY_MS;
	if (can && what->all)
		pin_add(look, catalog_pin_all(volumes->catalog));
	else if (can && what->node)
		pin_add(look, catalog_pin_node(volumes->catalog, what->node));
	else if (can)
		names_add(look, what);
	look_next(look);
}
