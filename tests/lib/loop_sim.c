#include "lib/loop_sim.h"

#include <stdlib.h>
#include <string.h>

/* Far enough from zero that no subtraction of a lease wraps. */
#define CLOCK_OFFSET_MIN_NS (100 * NS_PER_S)

/* In 128 bits, so that no rounding ever turns it back. */
static int64_t drifted(uint64_t ns, int64_t drift_ppm)
{
	return (int64_t)((__int128)ns * drift_ppm / 1000000);
}

static uint64_t clock_at(const struct sim_clock *clock, uint64_t world_ns)
{
	return clock->offset_ns + world_ns + (uint64_t)drifted(world_ns, clock->drift_ppm);
}

static uint64_t sim_clock_now(const struct clock *clock)
{
	const struct sim_clock *own = container_of(clock, struct sim_clock, clock);

	return clock_at(own, own->sim->now_ns);
}

static uint64_t sim_clock_wall(const struct clock *clock)
{
	const struct sim_clock *own = container_of(clock, struct sim_clock, clock);

	return UINT64_C(1700000000) * NS_PER_S + own->sim->now_ns;
}

/* The earliest time of the world at which the node's clock shows at least local_ns. */
static uint64_t world_at(const struct sim_clock *clock, uint64_t local_ns)
{
	uint64_t elapsed, world_ns;

	if (local_ns <= clock->offset_ns)
		return 0;
	elapsed = local_ns - clock->offset_ns;
	world_ns = (uint64_t)((__int128)elapsed * 1000000 / (1000000 + clock->drift_ppm));
	world_ns -= world_ns > 0;
	while (clock_at(clock, world_ns) < local_ns)
		world_ns++;
	return world_ns;
}

void loop_sim_init(struct loop_sim *sim)
{
	memset(sim, 0, sizeof(*sim));
	sim->capacity = 1024;
	sim->heap = calloc(sim->capacity, sizeof(struct sim_event *));
	ASSERT(sim->heap);
	for (unsigned i = 0; i < SIM_MAX_NODES; i++)
		loop_sim_clock(sim, i, 0, 0);
}

void loop_sim_done(struct loop_sim *sim)
{
	free(sim->heap);
	sim->heap = NULL;
}

/* ---- events ---- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void place(struct loop_sim *sim, uint32_t index, struct sim_event *event)
{
	sim->heap[index] = event;
	event->heap_index = index;
}

static void sift_up(struct loop_sim *sim, uint32_t index, struct sim_event *event)
{
	for (; index > 1 && is_before(event, sim->heap[index / 2]); index /= 2)
		place(sim, index, sim->heap[index / 2]);
	place(sim, index, event);
}

static void sift_down(struct loop_sim *sim, uint32_t index, struct sim_event *event)
{
	for (uint32_t child; (child = index * 2) <= sim->count; index = child) {
		if (child < sim->count && is_before(sim->heap[child + 1], sim->heap[child]))
			child++;
		if (!is_before(sim->heap[child], event))
			break;
		place(sim, index, sim->heap[child]);
	}
	place(sim, index, event);
}

void sim_event_set(struct loop_sim *sim, struct sim_event *event, uint64_t at_ns)
{
	sim_event_cancel(sim, event);
	if (sim->count + 2 > sim->capacity) {
		sim->capacity *= 2;
		sim->heap = realloc(sim->heap, sim->capacity * sizeof(struct sim_event *));
		ASSERT(sim->heap);
	}
	event->at_ns = at_ns < sim->now_ns ? sim->now_ns : at_ns;
	event->order = sim->order++;
	sift_up(sim, ++sim->count, event);
}

void sim_event_cancel(struct loop_sim *sim, struct sim_event *event)
{
	uint32_t index = event->heap_index;
	struct sim_event *last;

	if (index == 0)
		return;
	last = sim->heap[sim->count--];
	event->heap_index = 0;
	if (last == event)
		return;
	if (index > 1 && is_before(last, sim->heap[index / 2]))
		sift_up(sim, index, last);
	else
		sift_down(sim, index, last);
}

/* ---- nodes ---- */

void loop_sim_clock(struct loop_sim *sim, unsigned node, uint64_t offset_ns, int64_t drift_ppm)
{
	struct sim_clock *clock = &sim->nodes[node].clock;

	clock->clock = (struct clock){ .now_ns = sim_clock_now, .wall_ns = sim_clock_wall };
	clock->sim = sim;
	clock->offset_ns = CLOCK_OFFSET_MIN_NS + offset_ns;
	clock->drift_ppm = drift_ppm;
	sim->nodes[node].due_local_ns = 0;
}

const struct clock *loop_sim_node_clock(struct loop_sim *sim, unsigned node)
{
	return &sim->nodes[node].clock.clock;
}

void loop_sim_attach(struct loop_sim *sim, unsigned node, struct loop *loop)
{
	sim->nodes[node].loop = loop;
	sim->nodes[node].paused_until_ns = 0;
}

void loop_sim_pause(struct loop_sim *sim, unsigned node, uint64_t until_ns)
{
	sim->nodes[node].paused_until_ns = until_ns;
}

bool loop_sim_is_paused(const struct loop_sim *sim, unsigned node)
{
	return sim->nodes[node].paused_until_ns > sim->now_ns;
}

void loop_sim_kick(struct loop_sim *sim, unsigned node)
{
	if (sim->nodes[node].loop && !loop_sim_is_paused(sim, node))
		loop_run_due(sim->nodes[node].loop);
}

static uint64_t node_due(struct loop_sim *sim, unsigned node)
{
	struct loop_sim_node *n = &sim->nodes[node];
	uint64_t local_ns, due_ns;

	if (!n->loop)
		return UINT64_MAX;
	local_ns = loop_next_due_ns(n->loop);
	if (local_ns == UINT64_MAX)
		return UINT64_MAX;
	if (n->due_local_ns != local_ns) {
		n->due_local_ns = local_ns;
		n->due_world_ns = world_at(&n->clock, local_ns);
	}
	due_ns = n->due_world_ns;
	if (due_ns < n->paused_until_ns)
		due_ns = n->paused_until_ns;
	return due_ns < sim->now_ns ? sim->now_ns : due_ns;
}

bool loop_sim_step(struct loop_sim *sim, uint64_t until_ns)
{
	uint64_t best_ns = sim->count > 0 ? sim->heap[1]->at_ns : UINT64_MAX;
	int best = -1; /* an event of the world goes first */

	for (unsigned i = 0; i < SIM_MAX_NODES; i++) {
		uint64_t due_ns = node_due(sim, i);

		if (due_ns < best_ns) {
			best_ns = due_ns;
			best = (int)i;
		}
	}
	if (best_ns > until_ns || best_ns == UINT64_MAX) {
		sim->now_ns = until_ns > sim->now_ns ? until_ns : sim->now_ns;
		return false;
	}
	ASSERT(best_ns >= sim->now_ns);
	sim->now_ns = best_ns;
	if (best >= 0) {
		loop_run_due(sim->nodes[best].loop);
	} else {
		struct sim_event *event = sim->heap[1];

		sim_event_cancel(sim, event);
		event->fn(event);
	}
	return true;
}
