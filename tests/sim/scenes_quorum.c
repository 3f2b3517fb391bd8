/* Scenes without a quorum: what waits, what is given back, and when. */
#include "sim/scene.h"

#include <errno.h>

#define ERROR_AFTER_MS 5000u

static void lose_quorum(struct scene *s)
{
	scene_cut_both(s, X, B);
	scene_cut_both(s, X, C);
}

static void error_in_time(struct scene *s)
{
	struct attached *x = scene_begin(s, 3);
	struct scene_io *w, *r, *late;

	GOES_ON();
	lose_quorum(s);
	w = scene_write(s, x, 1, 1);
	r = scene_read(s, x, 2, 1);
	scene_run(s, 2500);
	late = scene_write(s, x, 2, 1);
	scene_run(s, ERROR_AFTER_MS - 2500 - 300);
	EXPECT(!w->answered, "policy error answers before its time");
	/* By now the leases are over for long: 100 ms is how often it looks. */
	scene_run(s, 600);
	EXPECT(w->answered && w->rc == -EIO, "a write without a quorum has no answer in time");
	EXPECT(r->answered, "a read without a quorum has no answer in time");
	EXPECT(!late->answered, "a later write is answered before its time");
	scene_run(s, 2500);
	EXPECT(late->answered && late->rc == -EIO, "a later write has no answer in time");
	scene_heal(s);
	/* The device lives, and what is asked now is answered. */
	EXPECT(scene_written(s, x, 1, 1) != 0, "the volume doesn't go on");
	GOES_ON();
	scene_seen(s, x, 1);
	scene_seen(s, x, 2);
}

static void queue_goes_on(struct scene *s)
{
	struct attached *x = scene_begin(s, 3);
	struct scene_io *w, *r;

	GOES_ON();
	lose_quorum(s);
	w = scene_write(s, x, 1, 1);
	scene_run(s, 5000); /* leases are over */
	r = scene_read(s, x, 2, 1);
	scene_run(s, 120000);
	EXPECT(!w->answered && !r->answered, "policy queue answers without a quorum");
	scene_heal(s);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc == 0,
		"the queued write did not complete by itself");
	EXPECT(scene_is_answered(s, r, SCENE_EVENTUALLY) && r->rc == 0,
		"the queued read did not complete by itself");
	EXPECT(scene_seen(s, x, 1) == w->write, "the queued write is not seen");
}

const struct scenario scenarios_quorum[] = {
	{ "error-in-time", "policy error answers EIO at its time, not before and not later", "No quorum",
		{ "error_never" }, .run = error_in_time, .error_after_ms = ERROR_AFTER_MS },
	{ "queue-goes-on", "policy queue waits for as long as it takes, and goes on by itself", "No quorum",
		{ "queue_gives_up" }, .run = queue_goes_on },
	{ 0 },
};
