/* Inside pins: pin.c is their life, pin_read.c what they read. */
#ifndef QUOIN_CATALOG_PIN_PRIVATE_H
#define QUOIN_CATALOG_PIN_PRIVATE_H

#include "catalog/catalog_private.h"
#include "catalog/pin.h"

enum pin_scope { PIN_NAME, PIN_VOLUME, PIN_NODE, PIN_ALL };

struct catalog_pin {
	struct list node;        /* in catalog->pins */
	struct catalog *catalog; /* NULL: it is gone */
	enum pin_scope scope;
	char name[NAME_MAX_LEN + 1];
	struct uuid volume; /* none: there was no such name */
	bool reading;       /* from pin_begin() to pin_end() */
	bool calling;       /* the kvdb will come back */
	bool answered;      /* what was read waits for the view */
	bool again;         /* somebody asked while a poll was under way */
	bool released;
	bool told; /* it has been read */
	uint8_t *value;
	size_t value_bytes;
	uint64_t value_revision, revision; /* of the record; at which it was read */
	uint64_t deadline_ns;
	struct kvdb_timer timer;
	char prefix[KEY_MAX_LEN + 1]; /* what is listed */
	uint32_t number;              /* of this list */
	struct listing listing;
	catalog_done_fn fn;
	void *arg;
};

/* ---- pin.c ---- */

void pin_gone(struct catalog_pin *pin);

/* ---- pin_read.c ---- */

void pin_begin(struct catalog_pin *pin);
/* Tells who asked; the pin may be gone afterwards. */
void pin_end(struct catalog_pin *pin, int rc, const struct error *error);
/* A read that needs no answer of the kvdb, or one that waits too long. */
void pin_timer(void *pin);

#endif
