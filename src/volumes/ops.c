#include "volumes/ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"
#include "volumes/pool_device.h"
#include "volumes/steward.h"

#define OPS_TIMER_MS  50u
#define LOOK_TRIES_NS (3 * NS_PER_S)
#define LOOK_PAUSE_MS 200u

static void ops_timer_fired(uv_timer_t *timer)
{
	ops_turn(timer->data);
}

struct op *op_make(struct volumes *volumes, const char *verb, const char *name, uint64_t deadline_ms,
	void (*begin)(struct op *op), volumes_done_fn fn, void *arg)
{
	struct op *op = calloc(1, sizeof(*op));

	if (!op)
		return NULL;
	list_init(&op->node);
	op->volumes = volumes;
	op->verb = verb;
	snprintf(op->name, sizeof(op->name), "%s", name);
	op->begin = begin;
	op->fn = fn;
	op->arg = arg;
	op->deadline_ns = clock_now_ns(volumes->clock) + deadline_ms * NS_PER_MS;
	return op;
}

static void refused_begin(struct op *op)
{
	op_end(op, op->rc_undone);
}

void op_refuse(struct op *op, int rc)
{
	op->rc_undone = rc;
	op->before_ready = true;
	op->begin = refused_begin;
}

bool op_accept(struct op *op, volumes_done_fn fn, void *arg, const char *name)
{
	struct error why;
	int rc;

	if (!op) {
		error_set(&why, -ENOMEM, "no memory");
		fn(arg, -ENOMEM, &why);
		return false;
	}
	rc = name ? name_check("volume name", name, &op->error) : 0;
	if (rc)
		op_refuse(op, rc);
	return true;
}

void op_submit(struct op *op)
{
	struct volumes *volumes = op->volumes;

	list_push_back(&volumes->ops, &op->node);
	if (op->fn)
		steward_yield(volumes, op->name);
	if (!uv_is_active((uv_handle_t *)&volumes->ops_timer))
		uv_timer_start(&volumes->ops_timer, ops_timer_fired, OPS_TIMER_MS, OPS_TIMER_MS);
	manager_kick(volumes);
}

static void op_answer(struct op *op, int rc)
{
	if (op->answered)
		return;
	op->answered = true;
	if (op->fn)
		op->fn(op->arg, rc, &op->error);
}

void op_end(struct op *op, int rc)
{
	struct volumes *volumes = op->volumes;

	ASSERT(rc <= 0);
	if (rc && !op->error.text[0])
		error_set(&op->error, rc, "can't %s %s: %s", op->verb, op->name, strerror(-rc));
	list_remove(&op->node);
	op_answer(op, rc);
	for (unsigned i = 0; i < op->pin_count; i++)
		catalog_unpin(op->pins[i]);
	pool_device_free(op->device);
	free(op->state);
	free(op);
	if (list_is_empty(&volumes->ops))
		uv_timer_stop(&volumes->ops_timer);
	manager_kick(volumes);
}

bool op_expired(const struct op *op)
{
	return op->answered || clock_now_ns(op->volumes->clock) >= op->deadline_ns;
}

uint32_t op_left_ms(const struct op *op)
{
	uint64_t now_ns = clock_now_ns(op->volumes->clock);
	uint64_t left_ms = op->deadline_ns > now_ns ? (op->deadline_ns - now_ns) / NS_PER_MS : 0;

	return left_ms < 1000 ? 1000 : (uint32_t)left_ms;
}

void op_retry(struct op *op, uint64_t after_ms, void (*fn)(struct op *op))
{
	op->retry_at_ns = clock_now_ns(op->volumes->clock) + after_ms * NS_PER_MS;
	op->retry = fn;
}

/* ---- the three kinds of steps ---- */

static void work_run(uv_work_t *work)
{
	struct op *op = work->data;

	op->work_rc = op->work_fn(op);
}

static void work_done(uv_work_t *work, int status)
{
	struct op *op = work->data;

	op->work_then(op, status ? status : op->work_rc);
}

void op_work(struct op *op, int (*fn)(struct op *op), op_step_fn then)
{
	op->work.data = op;
	op->work_fn = fn;
	op->work_then = then;
	/* It fails only where work_run is NULL. */
	ASSERT(uv_queue_work(op->volumes->loop, &op->work, work_run, work_done) == 0);
}

struct op *op_of_call(struct dataplane_call *call)
{
	return container_of(call, struct op, call);
}

static void call_done(struct dataplane_call *call)
{
	struct op *op = op_of_call(call);

	op->call_then(op, call->rc);
}

void op_call(struct op *op, unsigned thread, void (*run)(struct dataplane_call *call), op_step_fn then)
{
	op->call = (struct dataplane_call){ .run = run, .done = call_done };
	op->call_then = then;
	dataplane_call(op->volumes->dataplanes[thread], &op->call);
}

void op_told(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;

	if (rc)
		op->error = *error;
	op->told_then(op, rc);
}

/* ---- volumes that are elsewhere ---- */

static void look_try(struct op *op);

static void looked(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;

	if ((rc == -EAGAIN || rc == -ETIMEDOUT) && !op_expired(op) &&
		op->volumes->phase != MANAGER_STOPPING &&
		clock_now_ns(op->volumes->clock) < op->look_until_ns) {
		op->waits_for = "the kvdb";
		op_retry(op, LOOK_PAUSE_MS, look_try);
		return;
	}
	op->waits_for = NULL;
	if (rc)
		op->error = *error;
	op->look_then(op, rc);
}

static void look_try(struct op *op)
{
	catalog_pin_read(op->pins[op->pin_count - 1], op_left_ms(op), looked, op);
}

void op_look(struct op *op, struct catalog_pin *pin, op_step_fn then)
{
	ASSERT(op->pin_count < OP_MAX_PINS);
	op->pins[op->pin_count++] = pin;
	op->look_then = then;
	op->look_until_ns = op->patient ? op->deadline_ns : clock_now_ns(op->volumes->clock) + LOOK_TRIES_NS;
	if (catalog_pin_is_known(pin))
		then(op, 0);
	else
		look_try(op);
}

/* ---- all of them ---- */

bool ops_has(struct volumes *volumes, const char *name, const char *verb)
{
	list_for_each (node, &volumes->ops) {
		const struct op *op = list_entry(node, struct op, node);

		if (!strcmp(op->name, name) && (!verb || !strcmp(op->verb, verb)))
			return true;
	}
	return false;
}

static bool op_may_begin(const struct op *op)
{
	const struct volumes *volumes = op->volumes;

	if (op == volumes->stop_op)
		return volumes->ops.next == &op->node; /* the others end first */
	if (volumes->phase != MANAGER_READY && !op->before_ready)
		return false;
	for (const struct list *node = volumes->ops.next; node != &op->node; node = node->next)
		if (!strcmp(list_entry(node, struct op, node)->name, op->name))
			return false;
	return true;
}

static void begin_looked(struct op *op, int rc)
{
	if (rc || op->answered)
		op_end(op, rc);
	else
		op->begin(op);
}

/* What is attached here is known; so is what it was opened by, should the kvdb be away. */
static void op_begin(struct op *op)
{
	char volume[NAME_MAX_LEN + 1];

	op->begun = true;
	if (op->before_ready || op->no_look || !op->name[0] || attachment_find(op->volumes, op->name)) {
		op->begin(op);
		return;
	}
	/* "VOLUME@SNAPSHOT" */
	snprintf(volume, sizeof(volume), "%.*s", (int)strcspn(op->name, "@"), op->name);
	op_look(op, catalog_pin_name(op->volumes->catalog, volume), begin_looked);
}

static void op_late(struct op *op)
{
	if (!op->begun) {
		int rc = manager_ready_check(op->volumes, &op->error);

		if (!rc)
			rc = error_set(&op->error, -ETIMEDOUT,
				"can't %s %s in time: another operation on it is still under way", op->verb,
				op->name);
		op_end(op, rc);
		return;
	}
	if (!op->error.text[0])
		error_set(&op->error, -ETIMEDOUT, "can't %s %s in time: it waits for %s", op->verb, op->name,
			op->waits_for ? op->waits_for : "an answer of the cluster");
	op_answer(op, -ETIMEDOUT);
	if (op->expired)
		op->expired(op);
}

/* Looks at one operation; it may be gone afterwards, and others too: true when the list must be begun anew.
 */
static bool op_turn(struct op *op, uint64_t now_ns)
{
	if (op->retry_at_ns && op->retry_at_ns <= now_ns) {
		op->retry_at_ns = 0;
		op->retry(op);
		return true;
	}
	if (!op->answered && op->deadline_ns <= now_ns) {
		op_late(op);
		return true;
	}
	if (!op->begun && op_may_begin(op)) {
		op_begin(op);
		return true;
	}
	return false;
}

void ops_turn(struct volumes *volumes)
{
	uint64_t now_ns = clock_now_ns(volumes->clock);
	bool changed;

	if (volumes->phase == MANAGER_STOPPING)
		ops_refuse(volumes);
	do {
		changed = false;
		list_for_each (node, &volumes->ops) {
			changed = op_turn(list_entry(node, struct op, node), now_ns);
			if (changed)
				break;
		}
	} while (changed);
}

void ops_refuse(struct volumes *volumes)
{
	list_for_each_safe (node, &volumes->ops) {
		struct op *op = list_entry(node, struct op, node);

		if (op->begun || op == volumes->stop_op)
			continue;
		error_set(&op->error, -ESHUTDOWN, "can't %s %s: the agent is stopping", op->verb, op->name);
		op_end(op, -ESHUTDOWN);
	}
}
