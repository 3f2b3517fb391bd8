#include "volumes/events.h"

#include <stdio.h>

void events_add(
	struct events *events, uint64_t wall_ns, const char *kind, const char *subject, const char *text)
{
	struct event_view *e = &events->ring[events->last % EVENTS_KEPT];

	e->number = ++events->last;
	time_format(wall_ns, e->time);
	snprintf(e->kind, sizeof(e->kind), "%s", kind);
	snprintf(e->subject, sizeof(e->subject), "%s", subject);
	snprintf(e->text, sizeof(e->text), "%s", text);
}

void events_each(const struct events *events, uint64_t after,
	bool (*fn)(void *arg, const struct event_view *view), void *arg)
{
	uint64_t first = events->last > EVENTS_KEPT ? events->last - EVENTS_KEPT + 1 : 1;

	for (uint64_t n = after + 1 > first ? after + 1 : first; n <= events->last; n++)
		if (!fn(arg, &events->ring[(n - 1) % EVENTS_KEPT]))
			return;
}
