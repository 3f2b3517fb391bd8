/* The applications on a node where the volume is attached: reads, writes and trims of a few blocks that all
 * fight for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cluster.h"

static void schedule(struct attached *a)
{
	struct cluster *c = a->node->cluster;

	if (a->think.heap_index == 0)
		sim_event_set(&c->sim, &a->think,
			c->sim.now_ns + random_below(&c->random, 2 * c->plan.think_ns + 1));
}

/* At the end of a stripe, where two shards meet: few blocks, so that they are written again and again. */
static uint32_t near_stripe(struct cluster *c, uint32_t count, uint32_t hot_blocks)
{
	uint32_t stripe_blocks = STRIPE_MIN_BYTES / BLOCK_BYTES;
	uint32_t end = stripe_blocks * (1 + (uint32_t)random_below(&c->random, c->plan.volumes - 1));
	uint32_t first = end - 3 + (uint32_t)random_below(&c->random, 6);

	return first + count <= hot_blocks ? first : hot_blocks - count;
}

static void choose_blocks(struct cluster *c, struct client_op *op, uint32_t hot_blocks)
{
	uint64_t kind = random_below(&c->random, 16);

	op->count = (uint32_t)(kind < 12 ? 1 : kind < 15 ? 1 + random_below(&c->random, 8) : GRAIN_BLOCKS);
	if (op->count > hot_blocks)
		op->count = hot_blocks;
	op->first = (uint32_t)random_below(&c->random, hot_blocks - op->count + 1);
	if (c->plan.striped && random_chance(&c->random, 7, 8))
		op->first = near_stripe(c, op->count, hot_blocks);
	else if (op->count == GRAIN_BLOCKS)
		op->first -= op->first % GRAIN_BLOCKS;
}

static void done(struct request *request, int rc)
{
	struct client_op *op = container_of(request, struct client_op, request);
	struct attached *a = op->attached;
	struct cluster *c = a->node->cluster;
	char text[400];

	trace_event(&c->trace, op->is_read ? "read-done" : "write-done", a->node->index, op->first,
		(uint64_t)(uint32_t)-rc);
	if (rc == 0)
		c->answered++;
	else
		c->failed++;
	if (rc == -EINVAL)
		cluster_violation(c, "node %u: a good request was answered with EINVAL", a->node->index);
	if (rc == -ENOSPC && request->op == REQUEST_WRITE)
		thick_refused(a->of);
	if (rc == 0 && !op->is_read)
		history_acknowledged(a->of->history, op->write);
	if (rc == 0 && op->is_read &&
		!history_read(a->of->history, op->began, op->first, op->count, request->data->data, text,
			sizeof(text)))
		cluster_violation(c, "%s: %s", a->of->name, text);
	buf_put(request->data);
	request->data = NULL;
	a->in_flight--;
	list_push_back(&a->idle, &op->node);
	schedule(a);
}

static void choose_kind(struct cluster *c, struct client_op *op)
{
	uint64_t kind = random_below(&c->random, 100);

	op->request = (struct request){ .op = REQUEST_READ };
	if (kind < c->plan.write_percent)
		op->request.op = REQUEST_WRITE;
	else if (kind < c->plan.write_percent + c->plan.trim_percent)
		op->request.op = random_chance(&c->random, 1, 2) ? REQUEST_TRIM : REQUEST_ZERO;
	op->is_read = op->request.op == REQUEST_READ;
	op->write = 0;
}

static void issue(struct attached *a, struct client_op *op)
{
	struct cluster *c = a->node->cluster;
	struct request *r = &op->request;

	choose_blocks(c, op, a->of->hot_blocks);
	choose_kind(c, op);
	if (c->plan.snapshots && random_chance(&c->random, 1, c->plan.snapshots)) {
		snapshot_request(a->of, &c->random, r);
		op->is_read = false;
		op->first = op->count = 0;
	}
	if (r->op == REQUEST_READ || r->op == REQUEST_WRITE) {
		r->data = buf_get(a->node->process->bufs, op->count * BLOCK_BYTES);
		if (!r->data) {
			list_push_back(&a->idle, &op->node);
			return;
		}
	}
	r->offset_bytes = (uint64_t)op->first * BLOCK_BYTES;
	r->length_bytes = (uint64_t)op->count * BLOCK_BYTES;
	r->id = ++a->request_id;
	r->done = done;
	op->attached = a;
	if (op->is_read)
		op->began = history_stamp(a->of->history);
	else
		op->write = history_write(a->of->history, op->first, op->count, r->op != REQUEST_WRITE);
	for (uint32_t i = 0; r->op == REQUEST_WRITE && i < op->count; i++)
		history_fill(
			a->of->history, op->write, op->first + i, r->data->data + (size_t)i * BLOCK_BYTES);
	trace_event(&c->trace, op->is_read ? "read" : "write", a->node->index, op->first,
		(uint64_t)op->count << 32 | op->write);
	a->in_flight++;
	c->operations++;
	volume_submit(a->volume, r);
}

static void think(struct sim_event *event)
{
	struct attached *a = event->arg;
	struct cluster *c = a->node->cluster;
	struct list *node;

	if (c->phase != CLUSTER_RUNNING || c->operations >= c->plan.operations || a->ended || a->detaching)
		return;
	if (loop_sim_is_paused(&c->sim, a->node->index)) {
		schedule(a);
		return;
	}
	node = list_pop_front(&a->idle);
	if (!node)
		return; /* the next answer goes on */
	issue(a, list_entry(node, struct client_op, node));
	loop_sim_kick(&c->sim, a->node->index);
	schedule(a);
}

void client_start(struct attached *a)
{
	struct cluster *c = a->node->cluster;

	list_init(&a->idle);
	for (uint32_t i = 0; i < c->plan.clients; i++)
		list_push_back(&a->idle, &a->ops[i].node);
	a->think = (struct sim_event){ .fn = think, .arg = a };
	schedule(a);
}

void client_stop(struct attached *a)
{
	sim_event_cancel(&a->node->cluster->sim, &a->think);
}

static void trimmed(struct request *request, int rc)
{
	struct sim_volume *v = request->user;

	if (rc == 0)
		v->trimmed = true;
	if (rc == 0)
		history_acknowledged(v->history, (uint32_t)request->id);
	v->trimming = NULL; /* if it failed, once more */
}

void client_trim(struct attached *a)
{
	struct sim_volume *v = a->of;
	uint32_t first = 2 * GRAIN_BLOCKS;
	struct request *r;

	if (v->trimmed || v->hot_blocks <= first)
		v->trimmed = true;
	if (v->trimmed || v->trimming == a || !a->ready || a->ended || a->detaching)
		return;
	r = calloc(1, sizeof(*r)); /* kept until the seed's process ends */
	ASSERT(r);
	v->trimming = a;
	*r = (struct request){
		.op = REQUEST_TRIM,
		.offset_bytes = (uint64_t)first * BLOCK_BYTES,
		.length_bytes = (uint64_t)(v->hot_blocks - first) * BLOCK_BYTES,
		.id = history_write(v->history, first, v->hot_blocks - first, true),
		.done = trimmed,
		.user = v,
	};
	volume_submit(a->volume, r);
}
