/* How scenes are told: steps of time, faults by hand, requests, and what the replicas say. */
#include "sim/scene.h"

#include <stdlib.h>
#include <string.h>

#include "datapath/wire.h"
#include "store/store.h"
#include "wire.pb-c.h"

/* ---- time ---- */

void scene_run(struct scene *s, uint64_t ms)
{
	scene_run_us(s, ms * 1000);
}

void scene_run_us(struct scene *s, uint64_t us)
{
	uint64_t end_ns = s->c->sim.now_ns + us * NS_PER_US;

	while (!s->c->violation[0] && loop_sim_step(&s->c->sim, end_ns))
		;
}

bool scene_until(struct scene *s, uint64_t ms, bool (*fn)(struct scene *s, const void *arg), const void *arg)
{
	uint64_t end_ns = s->c->sim.now_ns + ms * NS_PER_MS;

	for (;;) {
		if (s->c->violation[0])
			return false;
		if (fn(s, arg))
			return true;
		if (!loop_sim_step(&s->c->sim, end_ns))
			return fn(s, arg);
	}
}

/* ---- nodes ---- */

static bool is_up(struct scene *s, const void *arg)
{
	(void)s;
	return node_is_up(arg);
}

void scene_start(struct scene *s, unsigned node)
{
	node_start(&s->c->nodes[node]);
	loop_sim_kick(&s->c->sim, node);
}

/* What it has sent, and has not arrived, is lost with it. */
static void forget_frames(struct scene *s, unsigned node)
{
	for (unsigned i = 0; i < s->c->plan.nodes; i++)
		net_sim_reset(s->c->net, node, i);
}

void scene_kill(struct scene *s, unsigned node)
{
	forget_frames(s, node);
	node_crash(&s->c->nodes[node], false);
}

void scene_power_off(struct scene *s, unsigned node)
{
	forget_frames(s, node);
	node_crash(&s->c->nodes[node], true);
}

void scene_back(struct scene *s, unsigned node)
{
	scene_start(s, node);
	if (!scene_until(s, 20000, is_up, &s->c->nodes[node]))
		cluster_violation(s->c, "node %u did not come back", node);
}

void scene_pause(struct scene *s, unsigned node, uint64_t ms)
{
	loop_sim_pause(&s->c->sim, node, s->c->sim.now_ns + ms * NS_PER_MS);
}

void scene_slow_disk(struct scene *s, unsigned node, uint64_t ms)
{
	for (unsigned k = 0; k < s->c->plan.pools; k++)
		disk_latency(s->c->nodes[node].pools[k].disk, ms * NS_PER_MS);
}

void scene_fast_disk(struct scene *s, unsigned node)
{
	for (unsigned k = 0; k < s->c->plan.pools; k++)
		disk_latency(s->c->nodes[node].pools[k].disk, s->c->plan.disk_ns);
}

/* ---- network ---- */

void scene_cut(struct scene *s, unsigned from, unsigned to)
{
	trace_event(&s->c->trace, "cut", from, to, 0);
	net_sim_cut(s->c->net, from, to, true);
}

void scene_cut_both(struct scene *s, unsigned a, unsigned b)
{
	scene_cut(s, a, b);
	scene_cut(s, b, a);
}

void scene_isolate(struct scene *s, unsigned node)
{
	for (unsigned i = 0; i < s->c->plan.nodes; i++)
		if (i != node)
			scene_cut_both(s, node, i);
}

void scene_heal(struct scene *s)
{
	trace_event(&s->c->trace, "heal", 0, 0, 0);
	memset(s->holds, 0, sizeof(s->holds));
	net_sim_heal(s->c->net);
}

void scene_heal_keep(struct scene *s)
{
	trace_event(&s->c->trace, "heal", 0, 0, 1);
	net_sim_heal(s->c->net);
}

void scene_lose(struct scene *s, unsigned a, unsigned b)
{
	trace_event(&s->c->trace, "lose", a, b, 0);
	net_sim_reset(s->c->net, a, b);
}

void scene_hold(struct scene *s, unsigned from, unsigned to, enum message_type type, uint64_t seq)
{
	for (unsigned i = 0; i < SCENE_MAX_HOLDS; i++)
		if (!s->holds[i].is_set) {
			s->holds[i] = (struct hold){ true, false, from, to, type, seq };
			return;
		}
	ASSERT(!"room for one more hold");
}

/* The seq that a frame speaks of: the entry's, or what is durable. */
static uint64_t frame_seq(const struct frame *frame)
{
	Quoin__Wire__Message *m;
	uint64_t seq;

	if (frame->type >= WIRE_HEARTBEAT) {
		struct reader r = reader_init(frame->body + 32, frame->body_bytes - 32);

		return frame->type == WIRE_HEARTBEAT ? 0 : read_u64(&r);
	}
	m = quoin__wire__message__unpack(NULL, frame->body_bytes, frame->body);
	if (!m)
		return 0;
	seq = m->entry ? m->entry->seq : m->seq;
	quoin__wire__message__free_unpacked(m, NULL);
	return seq;
}

static enum message_type frame_type(const struct frame *frame)
{
	switch (frame->type) {
	case WIRE_HEARTBEAT:
	case WIRE_APPEND:
		return MESSAGE_APPEND;
	case WIRE_APPEND_ANSWER:
		return MESSAGE_APPEND_ANSWER;
	case WIRE_READ:
		return MESSAGE_READ;
	case WIRE_READ_ANSWER:
		return MESSAGE_READ_ANSWER;
	default:
		return (enum message_type)frame->type;
	}
}

static bool scene_holds(void *arg, unsigned from, unsigned to, const struct frame *frame)
{
	struct scene *s = ((struct cluster *)arg)->scene;

	for (unsigned i = 0; s && i < SCENE_MAX_HOLDS; i++) {
		struct hold *hold = &s->holds[i];

		if (!hold->is_set || hold->has_struck || hold->from != from || hold->to != to ||
			hold->type != frame_type(frame) || (hold->seq != 0 && hold->seq != frame_seq(frame)))
			continue;
		hold->has_struck = true;
		trace_event(&s->c->trace, "held", from, to, frame_seq(frame));
		return true;
	}
	return false;
}

static bool has_struck(struct scene *s, const void *arg)
{
	(void)s;
	return ((const struct hold *)arg)->has_struck;
}

bool scene_is_held(struct scene *s, unsigned from, unsigned to)
{
	for (unsigned i = 0; i < SCENE_MAX_HOLDS; i++) {
		struct hold *hold = &s->holds[i];

		if (hold->is_set && hold->from == from && hold->to == to)
			return scene_until(s, 20000, has_struck, hold);
	}
	return false;
}

/* ---- attachments ---- */

struct attached *scene_attach(struct scene *s, unsigned node)
{
	attach(s->v, &s->c->nodes[node], 0);
	loop_sim_kick(&s->c->sim, node);
	return attached_current(s->v);
}

static bool is_ready(struct scene *s, const void *arg)
{
	(void)s;
	return ((const struct attached *)arg)->ready;
}

bool scene_is_ready(struct scene *s, struct attached *a, uint64_t ms)
{
	return scene_until(s, ms, is_ready, a);
}

struct attached *scene_serve(struct scene *s, unsigned node)
{
	struct attached *a = scene_attach(s, node);

	if (!scene_is_ready(s, a, 20000))
		cluster_violation(s->c, "the attachment on node %u did not serve within 20 s", node);
	return a;
}

static bool is_ended(struct scene *s, const void *arg)
{
	(void)s;
	return ((const struct attached *)arg)->ended;
}

bool scene_is_ended(struct scene *s, struct attached *a, uint64_t ms)
{
	return scene_until(s, ms, is_ended, a);
}

struct gone {
	struct process *process;
	const struct attached *attached;
};

static bool is_gone(struct scene *s, const void *arg)
{
	const struct gone *gone = arg;

	for (unsigned i = 0; i < SIM_MAX_ATTACHED; i++)
		if (gone->process->handles[s->v->index][i] == gone->attached)
			return false;
	return true;
}

void scene_detach(struct scene *s, struct attached *a)
{
	struct gone gone = { a->node->process, a };
	unsigned node = a->node->index;

	detach(a);
	loop_sim_kick(&s->c->sim, node);
	if (!scene_until(s, 30000, is_gone, &gone))
		cluster_violation(s->c, "the detach on node %u did not end", node);
}

static bool is_level(struct scene *s, const void *arg)
{
	const struct attached *a = arg;
	struct volume_stats stats;

	(void)s;
	if (a->ended || !a->ready)
		return false;
	volume_stats_get(a->volume, &stats);
	for (unsigned i = 0; i < stats.voter_count; i++)
		if (stats.voters[i].status != REPLICA_COMPLETE || !stats.voters[i].matched ||
			stats.voters[i].lag_entries != 0)
			return false;
	return true;
}

bool scene_is_level(struct scene *s, struct attached *a, uint64_t ms)
{
	return scene_until(s, ms, is_level, a);
}

enum replica_status scene_voter_status(struct attached *a, unsigned voter)
{
	struct volume_stats stats;

	volume_stats_get(a->volume, &stats);
	return stats.voters[voter].status;
}

uint64_t scene_last_seq(struct attached *a)
{
	struct volume_stats stats;

	volume_stats_get(a->volume, &stats);
	return stats.last_seq;
}

uint64_t scene_commit_seq(struct attached *a)
{
	struct volume_stats stats;

	volume_stats_get(a->volume, &stats);
	return stats.commit_seq;
}

/* ---- requests ---- */

static void io_done(struct request *request, int rc)
{
	struct scene_io *io = container_of(request, struct scene_io, request);
	struct cluster *c = io->volume->cluster;
	char text[400];

	io->answered = true;
	io->rc = rc;
	trace_event(&c->trace, io->is_read ? "read-done" : "write-done", io->first, io->write,
		(uint64_t)(uint32_t)-rc);
	if (rc == 0 && !io->is_read)
		history_acknowledged(io->volume->history, io->write);
	if (rc == 0 && io->is_read) {
		uint64_t word;

		memcpy(&word, request->data->data, sizeof(word));
		io->write = (uint32_t)(word >> 32);
		if (!history_read(io->volume->history, io->began, io->first, io->count, request->data->data,
			    text, sizeof(text)))
			cluster_violation(c, "%s", text);
	}
	buf_put(request->data);
	request->data = NULL;
}

static struct scene_io *submit(
	struct scene *s, struct attached *a, enum request_op op, uint32_t first, uint32_t count)
{
	struct scene_io *io = calloc(1, sizeof(*io));
	struct request *r = &io->request;

	ASSERT(io);
	io->attached = a;
	io->volume = a->of;
	io->is_read = op == REQUEST_READ;
	io->first = first;
	io->count = count;
	*r = (struct request){ .op = op,
		.offset_bytes = (uint64_t)first * BLOCK_BYTES,
		.length_bytes = (uint64_t)count * BLOCK_BYTES,
		.id = ++a->request_id,
		.done = io_done };
	if (op == REQUEST_READ || op == REQUEST_WRITE) {
		r->data = buf_get(a->node->process->bufs, count * BLOCK_BYTES);
		ASSERT(r->data);
	}
	if (io->is_read)
		io->began = history_stamp(a->of->history);
	else
		io->write = history_write(a->of->history, first, count, op == REQUEST_TRIM);
	for (uint32_t i = 0; op == REQUEST_WRITE && i < count; i++)
		history_fill(a->of->history, io->write, first + i, r->data->data + (size_t)i * BLOCK_BYTES);
	trace_event(&s->c->trace, io->is_read ? "read" : "write", a->node->index, first,
		(uint64_t)count << 32 | io->write);
	volume_submit(a->volume, r);
	loop_sim_kick(&s->c->sim, a->node->index);
	return io;
}

struct scene_io *scene_write(struct scene *s, struct attached *a, uint32_t first, uint32_t count)
{
	return submit(s, a, REQUEST_WRITE, first, count);
}

struct scene_io *scene_trim(struct scene *s, struct attached *a, uint32_t first, uint32_t count)
{
	return submit(s, a, REQUEST_TRIM, first, count);
}

struct scene_io *scene_read(struct scene *s, struct attached *a, uint32_t first, uint32_t count)
{
	return submit(s, a, REQUEST_READ, first, count);
}

static bool is_answered(struct scene *s, const void *arg)
{
	(void)s;
	return ((const struct scene_io *)arg)->answered;
}

static bool succeeds(struct scene *s, struct scene_io *io, const char *what);

struct scene_io *scene_snapshot_begin(
	struct scene *s, struct attached *a, enum request_op op, uint8_t snapshot)
{
	struct scene_io *io = calloc(1, sizeof(*io));

	ASSERT(io);
	/* A write of no block: the history hears nothing of it. */
	io->attached = a;
	io->volume = a->of;
	io->write = history_write(a->of->history, 0, 0, true);
	io->request = (struct request){ .op = op, .id = ++a->request_id, .done = io_done };
	io->request.snapshot.byte[0] = 0x5a;
	io->request.snapshot.byte[15] = snapshot;
	trace_event(&s->c->trace, "snapshot", a->node->index, op, snapshot);
	volume_submit(a->volume, &io->request);
	loop_sim_kick(&s->c->sim, a->node->index);
	return io;
}

void scene_snapshot(struct scene *s, struct attached *a, enum request_op op, uint8_t snapshot)
{
	succeeds(s, scene_snapshot_begin(s, a, op, snapshot), "snapshot");
}

bool scene_is_answered(struct scene *s, struct scene_io *io, uint64_t ms)
{
	return scene_until(s, ms, is_answered, io);
}

static bool succeeds(struct scene *s, struct scene_io *io, const char *what)
{
	if (s->c->violation[0])
		return false;
	if (!scene_is_answered(s, io, 20000))
		cluster_violation(s->c, "a %s of block %u was not answered within 20 s", what, io->first);
	else if (io->rc != 0)
		cluster_violation(
			s->c, "a %s of block %u was answered with %s", what, io->first, strerror(-io->rc));
	return !s->c->violation[0];
}

uint32_t scene_written(struct scene *s, struct attached *a, uint32_t first, uint32_t count)
{
	struct scene_io *io = scene_write(s, a, first, count);

	return succeeds(s, io, "write") ? io->write : 0;
}

uint32_t scene_seen(struct scene *s, struct attached *a, uint32_t block)
{
	struct scene_io *io = scene_read(s, a, block, 1);

	return succeeds(s, io, "read") ? io->write : UINT32_MAX;
}

void scene_write_many(struct scene *s, struct attached *a, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count && !s->c->violation[0]; i++)
		scene_written(s, a, first + i, 1);
}

/* ---- replicas ---- */

struct pool_replica *scene_store(struct scene *s, unsigned voter)
{
	struct pool_replica *store = sim_replica_store(s->c, &s->v->replicas[voter]);

	ASSERT(store);
	return store;
}

struct position scene_position(struct scene *s, unsigned voter)
{
	return pool_replica_last(scene_store(s, voter));
}

bool scene_is_incomplete(struct scene *s, unsigned voter)
{
	return pool_replica_state(scene_store(s, voter))->incomplete;
}

void scene_compare(struct scene *s, uint32_t blocks)
{
	if (s->c->violation[0])
		return;
	s->v->hot_blocks = blocks;
	cluster_compare(s->c);
}

/* ---- beginnings that many share ---- */

static bool durable_is(struct scene *s, const void *arg)
{
	const uint64_t *want = arg; /* voter, seq */

	return pool_replica_durable_seq(scene_store(s, (unsigned)want[0])) >= want[1];
}

bool scene_reaches(struct scene *s, unsigned voter, uint64_t seq)
{
	uint64_t want[2] = { voter, seq };

	return scene_until(s, SCENE_EVENTUALLY, durable_is, want);
}

struct attached *scene_begin(struct scene *s, uint32_t writes)
{
	struct attached *x = scene_serve(s, X);

	scene_write_many(s, x, 0, writes);
	if (!s->c->violation[0] && !scene_is_level(s, x, SCENE_EVENTUALLY))
		cluster_violation(s->c, "the voters did not get level");
	return x;
}

void scene_leave_tail(struct scene *s, struct attached *x, unsigned voter, uint32_t first, uint32_t count)
{
	uint64_t seq = scene_last_seq(x);

	for (unsigned i = A; i <= C; i++)
		if (i != voter)
			scene_cut(s, X, i);
	for (uint32_t i = 0; i < count; i++)
		scene_write(s, x, first + i, 1);
	if (!scene_reaches(s, voter, seq + count))
		cluster_violation(s->c, "voter %u did not get the tail", voter);
	scene_kill(s, X);
}

/* ---- the frame of a scene ---- */

static bool all_up(struct scene *s, const void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < s->c->plan.nodes; i++)
		if (!node_is_up(&s->c->nodes[i]))
			return false;
	return true;
}

void scenario_run(const struct scenario *scenario, bool print, char text[static 512])
{
	struct cluster *c = calloc(1, sizeof(*c));
	struct scene *s = calloc(1, sizeof(*s));

	ASSERT(c && s);
	c->plan = (struct plan){ .nodes = 5,
		.pools = scenario->pools ? scenario->pools : 1,
		.volumes = scenario->volumes ? scenario->volumes : 1,
		.hot_blocks = scenario->hot_blocks ? scenario->hot_blocks : 64,
		.journal_bytes = scenario->journal_bytes ? scenario->journal_bytes : UINT64_C(1) << 20,
		.disk_bytes = scenario->disk_bytes,
		.disk_ns = 20 * NS_PER_US,
		.drift_ppm = scenario->drift_ppm,
		.reads_quorum = scenario->reads_quorum,
		.thick = scenario->thick,
		.error_after_ms = scenario->error_after_ms,
		.map_grains = scenario->map_grains,
		.map_copies = scenario->map_copies,
		.compare_ms = scenario->compare_ms,
		.rot_node = -1,
		.net = { .delay_min_ns = 50 * NS_PER_US, .delay_max_ns = 60 * NS_PER_US } };
	c->plan.net.hold = scene_holds;
	for (unsigned i = 0; i < c->plan.volumes; i++)
		c->plan.voters[i] = scenario->voters ? scenario->voters : 3;
	c->scene = s;
	s->c = c;
	cluster_init(c, 1, print);
	s->v = &c->volumes[0];
	for (unsigned i = 0; i < c->plan.nodes; i++)
		scene_start(s, i);
	if (!scene_until(s, 20000, all_up, NULL))
		cluster_violation(c, "the nodes did not come up");
	else
		scenario->run(s);
	for (unsigned i = 0; i < c->plan.volumes && !c->violation[0]; i++) {
		char words[400];

		if (!history_check(c->volumes[i].history, words, sizeof(words)))
			cluster_violation(c, "%s", words);
	}
	memcpy(text, c->violation, sizeof(c->violation));
}
