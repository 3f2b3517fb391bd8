/*
 * Scenes of membership: docs/protocol.md, "Membership", "Drop". Nodes A, B, C have voters, X the replica D,
 * which is a learner first; Y coordinates. What the coordinator wants written stands in `asked` until a scene
 * lets it land, and tells.
 */
#include "sim/scene.h"

#include <errno.h>
#include <string.h>

#define D      3u
#define E      4u
#define BIT(i) (1u << (i))
#define ABC    (BIT(A) | BIT(B) | BIT(C))

static void members(struct scene *s, uint64_t number, unsigned voters, unsigned next)
{
	s->v->members = (struct sim_members){ number, (uint8_t)voters, (uint8_t)next };
}

static struct uuid name(struct scene *s, unsigned replica)
{
	return s->v->replicas[replica].uuid;
}

static bool is_asked(struct scene *s, const void *arg)
{
	(void)s;
	return ((const struct attached *)arg)->has_asked;
}

static uint8_t mask_of(struct scene *s, const struct uuid *names, unsigned count)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < s->v->replica_count; i++)
		for (unsigned k = 0; k < count; k++)
			if (uuid_equal(names[k], name(s, i)))
				mask |= 1u << i;
	return (uint8_t)mask;
}

/* The compare-and-set of what it has asked for: false where it isn't asked, or loses. */
static bool record_lands(struct scene *s, struct attached *a)
{
	const struct volume_record *asked = &a->asked;

	if (!scene_until(s, 5000, is_asked, a) || s->v->members.number != asked->number_before)
		return false;
	members(s, asked->number, mask_of(s, asked->voters, asked->voter_count),
		mask_of(s, asked->next_voters, asked->next_voter_count));
	trace_event(
		&s->c->trace, "record-lands", s->v->members.number, s->v->members.voters, s->v->members.next);
	return true;
}

static void record_told(struct scene *s, struct attached *a, enum record_outcome outcome)
{
	a->has_asked = false;
	volume_record_told(a->volume, outcome);
	loop_sim_kick(&s->c->sim, a->node->index);
}

static bool record_written(struct scene *s, struct attached *a)
{
	if (!record_lands(s, a))
		return false;
	record_told(s, a, RECORD_WRITTEN);
	return true;
}

static void learner_comes(struct scene *s, struct attached *a, unsigned replica)
{
	struct volume_voter learner;

	sim_voter_fill(s->v, replica, &learner);
	if (!s->c->violation[0] && volume_learner_add(a->volume, &learner) != 0)
		cluster_violation(s->c, "the learner can't come in");
	loop_sim_kick(&s->c->sim, a->node->index);
}

/* Y serves A, B and C; D is a learner, and level. */
static struct attached *begin(struct scene *s, uint32_t writes)
{
	struct attached *y;

	members(s, 1, ABC, 0);
	y = scene_serve(s, Y);
	learner_comes(s, y, D);
	scene_write_many(s, y, 0, writes);
	if (!s->c->violation[0] && !scene_is_level(s, y, 20000))
		cluster_violation(s->c, "the learner did not get level");
	return y;
}

static int change(struct scene *s, struct attached *a, unsigned comes, unsigned goes)
{
	int rc = volume_change_begin(a->volume, name(s, comes), name(s, goes));

	loop_sim_kick(&s->c->sim, a->node->index);
	return rc;
}

static void learner_counts_nowhere(struct scene *s)
{
	struct attached *y = begin(s, 4);
	struct scene_io *w;

	GOES_ON();
	scene_kill(s, B);
	scene_kill(s, C);
	w = scene_write(s, y, 1, 1);
	scene_run(s, 8000);
	EXPECT(!w->answered, "a voter and a learner are taken for a quorum of three");
	scene_back(s, B);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc == 0, "the write did not go on by itself");
	scene_seen(s, y, 1);
}

static void change_needs_both_quorums(struct scene *s)
{
	struct attached *y = begin(s, 4), *x;
	struct scene_io *w;

	GOES_ON();
	/* D takes C's place. A and C are a quorum of the old voters, not of the next ones. */
	scene_cut_both(s, Y, B);
	scene_cut_both(s, Y, D);
	EXPECT(change(s, y, D, C) == 0, "the change is not begun");
	w = scene_write(s, y, 1, 1);
	EXPECT(record_written(s, y), "the joint record is not asked for");
	scene_run(s, 3000);
	EXPECT(!w->answered, "a quorum of the old voters alone commits while they change");
	EXPECT(!y->has_asked, "the last record is asked for before the entry is committed by both");
	scene_heal(s);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc == 0, "the write did not go on by itself");
	EXPECT(record_written(s, y), "the last record is not asked for");
	scene_run(s, 1000);
	/* Its new members have it, without the one that has left and without one more. */
	scene_kill(s, Y);
	scene_kill(s, C);
	scene_power_off(s, A);
	x = scene_serve(s, X);
	GOES_ON();
	EXPECT(scene_seen(s, x, 1) == w->write, "what both quorums have committed is lost");
}

/* Whoever opens a joint record obeys it, however far its session had come. */
static void joint_record_is_obeyed(struct scene *s)
{
	struct attached *y = begin(s, 4), *x;
	uint32_t last;

	GOES_ON();
	EXPECT(change(s, y, D, C) == 0, "the change is not begun");
	EXPECT(record_lands(s, y), "the joint record is not asked for"); /* its success is never read */
	last = scene_written(s, y, 2, 1);
	scene_kill(s, Y);
	scene_kill(s, B);
	scene_kill(s, D);
	scene_back(s, Y);
	x = scene_attach(s, Y);
	EXPECT(!scene_is_ready(s, x, 15000), "A and C open a joint record that D has a part in");
	scene_back(s, D);
	EXPECT(scene_is_ready(s, x, 20000), "A, C and D are a quorum of both");
	EXPECT(scene_seen(s, x, 2) == last, "an acknowledged write is lost");
	EXPECT(record_written(s, x), "the change is not gone on with");
	scene_run(s, 1000);
	EXPECT(s->v->members.voters == (BIT(A) | BIT(B) | BIT(D)), "the change is not ended");
}

/* What an agent notes for its own restart hangs on it: docs/protocol.md, "A restart without the kvdb". */
static void unknown_is_remembered(struct scene *s)
{
	struct attached *y = begin(s, 4);

	GOES_ON();
	EXPECT(change(s, y, D, C) == 0, "the change is not begun");
	EXPECT(record_lands(s, y), "the joint record is not asked for");
	EXPECT(!y->asked.uncertain, "there was no attempt before the first");
	record_told(s, y, RECORD_UNKNOWN);
	EXPECT(scene_until(s, 5000, is_asked, y), "it is not asked again");
	EXPECT(!volume_record_is_stable(&y->asked, RECORD_UNWRITTEN),
		"the first attempt has landed, and is forgotten for the second");
	record_told(s, y, RECORD_UNWRITTEN);
	EXPECT(scene_until(s, 5000, is_asked, y), "it is not asked again");
	EXPECT(volume_record_is_stable(&y->asked, RECORD_REFUSED),
		"the record itself says that it is stable");
	record_told(s, y, RECORD_WRITTEN); /* it is there */
	EXPECT(record_written(s, y), "the change is not gone on with");
	scene_run(s, 1000);
	EXPECT(s->v->members.voters == (BIT(A) | BIT(B) | BIT(D)), "the change is not ended");
}

static void new_member_is_complete_first(struct scene *s)
{
	struct attached *y = begin(s, 4);
	uint32_t last;

	GOES_ON();
	scene_slow_disk(s, D, 3000);
	last = scene_written(s, y, 2, 1);
	EXPECT(change(s, y, D, C) == -EAGAIN, "a learner that lacks what is committed becomes a voter");
	scene_fast_disk(s, D);
	EXPECT(scene_is_level(s, y, 30000), "the learner did not get level");
	EXPECT(change(s, y, D, C) == 0, "a learner that is level can't become a voter");
	EXPECT(record_written(s, y) && record_written(s, y), "the change is not carried out");
	scene_run(s, 1000);
	scene_kill(s, C);
	scene_kill(s, A);
	scene_run(s, 4000);
	EXPECT(scene_seen(s, y, 2) == last, "B and D lack what was acknowledged");
	scene_written(s, y, 3, 1);
}

static void replaced_members_open_nothing(struct scene *s)
{
	struct attached *y = begin(s, 4);
	uint32_t last;

	GOES_ON();
	/* C is away for good; D has taken its place. */
	scene_kill(s, C);
	EXPECT(change(s, y, D, C) == 0, "the change is not begun");
	EXPECT(record_written(s, y) && record_written(s, y), "the change is not carried out");
	last = scene_written(s, y, 2, 1);
	scene_run(s, 1000);
	scene_kill(s, Y);
	scene_kill(s, A);
	scene_kill(s, D);
	/* Then C comes back, and somebody opens by what the members were once. */
	scene_back(s, C);
	scene_back(s, Y);
	members(s, 1, ABC, 0);
	y = scene_attach(s, Y);
	EXPECT(!scene_is_ready(s, y, 15000), "members that were replaced open the group");
	scene_detach(s, y);
	members(s, 3, BIT(A) | BIT(B) | BIT(D), 0);
	scene_back(s, A);
	y = scene_serve(s, Y);
	EXPECT(scene_seen(s, y, 2) == last, "an acknowledged write is lost");
}

/*
 * A kvdb from a backup names A, B and C; since then two of them have been replaced, each while it was away,
 * so that no single change is known to all three. Each change is known to a quorum of those that it replaced:
 * whatever two of the old ones are in reach, one of them says so.
 */
static void restored_record_opens_nothing(struct scene *s)
{
	struct attached *y = begin(s, 4), *x;
	uint32_t last;

	GOES_ON();
	/* D for C, which is away. E stands on Y itself, and takes B's place, which is away then. */
	scene_kill(s, C);
	EXPECT(change(s, y, D, C) == 0, "the change is not begun");
	EXPECT(record_written(s, y) && record_written(s, y), "the change is not carried out");
	learner_comes(s, y, E);
	scene_run(s, 5000);
	scene_kill(s, B);
	EXPECT(change(s, y, E, B) == 0, "the second change is not begun");
	EXPECT(record_written(s, y) && record_written(s, y), "the second change is not carried out");
	last = scene_written(s, y, 2, 1);
	scene_run(s, 3000);
	scene_detach(s, y);
	scene_power_off(s, A);
	for (unsigned n = A; n <= C; n++)
		scene_back(s, n);
	/* By the backup's record any two of three would do. */
	for (unsigned out = A; out <= C; out++) {
		members(s, 1, ABC, 0);
		scene_cut_both(s, X, out);
		x = scene_attach(s, X);
		EXPECT(!scene_is_ready(s, x, 10000), "without node %u the backup's voters open the group",
			out);
		scene_detach(s, x);
		scene_heal(s);
	}
	members(s, 5, BIT(A) | BIT(D) | BIT(E), 0);
	y = scene_serve(s, Y);
	EXPECT(scene_seen(s, y, 2) == last, "an acknowledged write is lost");
}

static void dropped_by_record_only(struct scene *s)
{
	struct attached *y, *x;
	struct scene_io *w;
	uint32_t last;

	members(s, 1, BIT(A) | BIT(B), 0);
	y = scene_serve(s, Y);
	scene_write_many(s, y, 0, 4);
	EXPECT(scene_is_level(s, y, 20000), "the voters did not get level");
	/* Y has A, and not the kvdb; X has B, and the kvdb. Both want to go on with what they have. */
	scene_cut_both(s, Y, B);
	scene_cut_both(s, X, A);
	scene_cut_both(s, A, B);
	w = scene_write(s, y, 1, 1);
	EXPECT(volume_drop_begin(y->volume, name(s, B)) == 0, "the drop is not begun");
	loop_sim_kick(&s->c->sim, Y);
	scene_run(s, 5000);
	EXPECT(!w->answered, "one of two acknowledges alone, and no record says so");
	x = scene_attach(s, X);
	scene_run(s, 5000);
	EXPECT(!x->ready, "one of two opens alone, and no record says so");
	EXPECT(volume_drop_begin(x->volume, name(s, A)) == 0, "the drop is not begun");
	loop_sim_kick(&s->c->sim, X);
	EXPECT(record_written(s, x), "the drop is not asked for");
	EXPECT(scene_is_ended(s, x, SCENE_EVENTUALLY), "the session that dropped while it opened goes on");
	scene_detach(s, x);
	x = scene_serve(s, X);
	last = scene_written(s, x, 1, 1);
	EXPECT(scene_seen(s, x, 1) == last, "the survivor's own write is not there");
	scene_seen(s, x, 2);
	GOES_ON();
	/* The other side's attempt loses, and A is out, whatever it has. */
	record_told(s, y, RECORD_LOST);
	scene_heal(s);
	EXPECT(scene_is_ended(s, y, SCENE_EVENTUALLY), "a session whose record is another's goes on");
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc != 0, "its write was acknowledged");
	EXPECT(scene_seen(s, x, 1) == last, "a write of the fenced session has landed");
}

static void dropped_while_it_serves(struct scene *s)
{
	struct attached *y;
	struct scene_io *w;

	members(s, 1, BIT(A) | BIT(B), 0);
	y = scene_serve(s, Y);
	scene_write_many(s, y, 0, 4);
	scene_kill(s, B);
	w = scene_write(s, y, 1, 1);
	EXPECT(volume_drop_begin(y->volume, name(s, B)) == 0, "the drop is not begun");
	loop_sim_kick(&s->c->sim, Y);
	EXPECT(record_lands(s, y), "the drop is not asked for");
	scene_run(s, 2000);
	EXPECT(!w->answered, "it acknowledges alone before it has read that it may");
	record_told(s, y, RECORD_WRITTEN);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc == 0, "the write did not go on by itself");
	/* B is out: with it alone nothing opens by the old record, for A knows the new one. */
	scene_back(s, B);
	scene_kill(s, Y);
	scene_back(s, Y);
	members(s, 1, BIT(A) | BIT(B), 0);
	y = scene_attach(s, Y);
	EXPECT(!scene_is_ready(s, y, 10000), "members that were replaced open the group");
	scene_detach(s, y);
	members(s, 2, BIT(A), 0);
	y = scene_serve(s, Y);
	EXPECT(scene_seen(s, y, 1) == w->write, "an acknowledged write is lost");
}

const struct scenario scenarios_members[] = {
	{ "learner-counts-nowhere", "a voter and a learner are no quorum of three", "35",
		{ "learner_counts" }, .run = learner_counts_nowhere, .voters = 4 },
	{ "change-needs-both-quorums", "what is committed while voters change is on a quorum of both", "6",
		{ "change_without_joint" }, .run = change_needs_both_quorums, .voters = 4 },
	{ "joint-record-is-obeyed", "who opens a joint record needs both quorums, and ends the change", "6",
		{ "change_without_joint" }, .run = joint_record_is_obeyed, .voters = 4 },
	{ "unknown-is-remembered", "a change that may be in the record is under way until it surely isn't",
		"31", { "uncertain_untold" }, .run = unknown_is_remembered, .voters = 4 },
	{ "new-member-is-complete-first", "a learner becomes a voter when it has all that is committed", "34",
		{ "join_incomplete" }, .run = new_member_is_complete_first, .voters = 4 },
	{ "replaced-members-open-nothing", "an older configuration opens nothing", "13",
		{ "old_configuration" }, .run = replaced_members_open_nothing, .voters = 4 },
	{ "restored-record-opens-nothing",
		"a kvdb's backup names voters of which two were replaced: it opens nothing", "13",
		{ "old_configuration", "number_in_memory" }, .run = restored_record_opens_nothing,
		.voters = 5 },
	{ "dropped-by-record-only", "two halves of a pair both want to go on: the record decides", "30",
		{ "drop_without_cas" }, .run = dropped_by_record_only, .voters = 2 },
	{ "dropped-while-it-serves", "of two the survivor goes on when it has read that it may", "30",
		{ "drop_without_cas", "old_configuration" }, .run = dropped_while_it_serves, .voters = 2 },
	{ 0 },
};
