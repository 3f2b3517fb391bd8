/*
 * The core of a loop: a heap of timers, a list of deferred tasks. No I/O, no clock but the one that is handed
 * in.
 */
#include "loop/loop.h"

#include <errno.h>
#include <stdlib.h>

/* More callbacks than this in one turn is a task that defers itself for ever. */
#define LOOP_MAX_TURN_CALLBACKS (1u << 22)

int loop_init(struct loop *loop, const struct clock *clock)
{
	struct loop_timer **heap = calloc(LOOP_MAX_TIMERS + 1, sizeof(*heap));

	if (!heap)
		return -ENOMEM;
	*loop = (struct loop){ .clock = clock, .now_ns = clock_now_ns(clock), .heap = heap };
	list_init(&loop->tasks);
	return 0;
}

void loop_done(struct loop *loop)
{
	free(loop->heap);
	loop->heap = NULL;
}

static bool timer_is_before(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void heap_put(struct loop *loop, uint32_t index, struct loop_timer *timer)
{
	loop->heap[index] = timer;
	timer->heap_index = index;
}

/* Moves the timer up from the free place `index` to where it belongs. */
static void heap_sift_up(struct loop *loop, uint32_t index, struct loop_timer *timer)
{
	while (index > 1 && timer_is_before(timer, loop->heap[index / 2])) {
		heap_put(loop, index, loop->heap[index / 2]);
		index /= 2;
	}
	heap_put(loop, index, timer);
}

static void heap_sift_down(struct loop *loop, uint32_t index, struct loop_timer *timer)
{
	for (;;) {
		uint32_t child = index * 2;

		if (child > loop->timer_count)
			break;
		if (child < loop->timer_count && timer_is_before(loop->heap[child + 1], loop->heap[child]))
			child++;
		if (!timer_is_before(loop->heap[child], timer))
			break;
		heap_put(loop, index, loop->heap[child]);
		index = child;
	}
	heap_put(loop, index, timer);
}

/* From the place `index`, which is free or its own, up or down. */
static void heap_move(struct loop *loop, uint32_t index, struct loop_timer *timer)
{
	if (index > 1 && timer_is_before(timer, loop->heap[index / 2]))
		heap_sift_up(loop, index, timer);
	else
		heap_sift_down(loop, index, timer);
}

void loop_timer_init(struct loop_timer *timer, void (*fn)(void *arg), void *arg)
{
	*timer = (struct loop_timer){ .fn = fn, .arg = arg };
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_ns)
{
	uint32_t index = timer->heap_index;

	/* Most are set again and again to what they are. */
	if (index != 0 && timer->at_ns == at_ns && at_ns > loop->now_ns)
		return;
	timer->at_ns = at_ns < loop->now_ns ? loop->now_ns : at_ns;
	timer->order = loop->timer_order++;
	if (index == 0) {
		ASSERT(loop->timer_count < LOOP_MAX_TIMERS);
		heap_sift_up(loop, ++loop->timer_count, timer);
	} else {
		heap_move(loop, index, timer);
	}
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	uint32_t index = timer->heap_index;
	struct loop_timer *last;

	if (index == 0)
		return;
	ASSERT(index <= loop->timer_count && loop->heap[index] == timer);
	last = loop->heap[loop->timer_count--];
	timer->heap_index = 0;
	if (last != timer)
		heap_move(loop, index, last);
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->heap_index != 0;
}

void loop_task_init(struct loop_task *task, void (*fn)(void *arg), void *arg)
{
	*task = (struct loop_task){ .fn = fn, .arg = arg };
	list_init(&task->node);
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
	if (list_is_empty(&task->node))
		list_push_back(&loop->tasks, &task->node);
}

void loop_task_cancel(struct loop_task *task)
{
	list_remove(&task->node);
}

/*
 * The next timer that is due and was set before this turn (its order is below `limit`), taken off; else NULL.
 */
static struct loop_timer *loop_take_due(struct loop *loop, uint64_t limit)
{
	struct loop_timer *timer = loop->timer_count > 0 ? loop->heap[1] : NULL;

	if (!timer || timer->at_ns > loop->now_ns || timer->order >= limit)
		return NULL;
	loop_timer_cancel(loop, timer);
	return timer;
}

void loop_run_due(struct loop *loop)
{
	uint64_t limit = loop->timer_order;
	uint64_t now_ns = clock_now_ns(loop->clock);

	ASSERT(now_ns >= loop->now_ns);
	loop->now_ns = now_ns;
	for (uint32_t callbacks = 0;; callbacks++) {
		struct list *node = list_pop_front(&loop->tasks);

		ASSERT(callbacks < LOOP_MAX_TURN_CALLBACKS);
		if (node) {
			struct loop_task *task = list_entry(node, struct loop_task, node);

			task->fn(task->arg);
		} else {
			struct loop_timer *timer = loop_take_due(loop, limit);

			if (!timer)
				return;
			timer->fn(timer->arg);
		}
	}
}

uint64_t loop_next_due_ns(const struct loop *loop)
{
	if (!list_is_empty(&loop->tasks))
		return loop->now_ns;
	return loop->timer_count > 0 ? loop->heap[1]->at_ns : UINT64_MAX;
}
