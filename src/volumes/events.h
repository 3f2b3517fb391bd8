/* The last events of this node, in a ring. Thread rule: the control thread. docs/events.md names all kinds.
 */
#ifndef QUOIN_VOLUMES_EVENTS_H
#define QUOIN_VOLUMES_EVENTS_H

#include "volumes/volumes.h"

#define EVENTS_KEPT 1000u

struct events {
	uint64_t last; /* the number of the last one; the first is 1 */
	struct event_view ring[EVENTS_KEPT];
};

/* Too long words are cut. */
void events_add(
	struct events *events, uint64_t wall_ns, const char *kind, const char *subject, const char *text);
void events_each(const struct events *events, uint64_t after,
	bool (*fn)(void *arg, const struct event_view *view), void *arg);

#endif
