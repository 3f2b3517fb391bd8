#include "volumes/manager.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REGISTER_DEADLINE_MS 20000u
#define REGISTER_PAUSE_NS    NS_PER_S

void manager_event(struct volumes *volumes, const char *kind, const char *subject, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	events_add(&volumes->events, clock_wall_ns(volumes->clock), kind, subject, text);
	log_info("%s %s: %s", kind, subject, text);
}

int manager_ready_check(const struct volumes *volumes, struct error *error)
{
	switch (volumes->phase) {
	case MANAGER_READY:
		return 0;
	case MANAGER_STARTING:
		return error_set(error, -EAGAIN, "node %s isn't ready yet: %s", volumes->config.node,
			volumes->not_ready);
	case MANAGER_STOPPING:
		break;
	}
	return error_set(error, -ESHUTDOWN, "node %s is stopping", volumes->config.node);
}

static void plan_fired(uv_timer_t *timer)
{
	struct volumes *volumes = timer->data;
	uint64_t began_ns = clock_now_ns(volumes->clock);
	uint64_t left_ms = plan_pace_left_ms(&volumes->plan_pace, began_ns);

	if (left_ms) {
		uv_timer_start(&volumes->plan, plan_fired, left_ms, 0);
		return;
	}
	manager_plan(volumes);
	plan_pace_made(&volumes->plan_pace, began_ns, clock_now_ns(volumes->clock));
}

static void kick_fired(uv_timer_t *timer)
{
	struct volumes *volumes = timer->data;

	manager_start_step(volumes);
	if (!uv_is_active((uv_handle_t *)&volumes->plan))
		plan_fired(&volumes->plan);
	ops_turn(volumes);
}

void manager_kick(struct volumes *volumes)
{
	if (!uv_is_closing((uv_handle_t *)&volumes->kick))
		uv_timer_start(&volumes->kick, kick_fired, 0, 0);
}

/* ---- the node's place in the catalog ---- */

static void registered(void *arg, int rc, const struct error *error)
{
	struct volumes *volumes = arg;

	volumes->registering = false;
	if (rc)
		snprintf(volumes->not_ready, sizeof(volumes->not_ready), "%.150s", error->text);
	if (rc && rc != -ECANCELED) {
		manager_event(volumes, "node-not-registered", volumes->config.node, "%s", error->text);
		volumes->register_not_before_ns = clock_now_ns(volumes->clock) + REGISTER_PAUSE_NS;
	}
	volumes->registered |= rc == 0;
	manager_start_step(volumes);
	manager_kick(volumes);
}

void manager_register(struct volumes *volumes)
{
	/* What was refused is refused again: the tick comes back to it. */
	if (volumes->registering || volumes->phase == MANAGER_STOPPING ||
		clock_now_ns(volumes->clock) < volumes->register_not_before_ns)
		return;
	volumes->registering = true;
	catalog_node_register(volumes->catalog, &volumes->node_record, volumes->session, REGISTER_DEADLINE_MS,
		registered, volumes);
}
