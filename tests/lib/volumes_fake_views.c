/* The views of classes and of places, as the fake has them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes_fake.h"

void volumes_look(struct volumes *volumes, const struct volumes_look *what, volumes_done_fn fn, void *arg)
{
	struct error error = { "" };

	if (what->all)
		snprintf(volumes->looked_at, sizeof(volumes->looked_at), "all");
	else
		snprintf(volumes->looked_at, sizeof(volumes->looked_at), "%s %s",
			what->node ? "node" : "volume", what->node ? what->node : what->volume);
	if (volumes->look_rc)
		error_set(&error, volumes->look_rc, "the kvdb is away");
	fn(arg, volumes->look_rc, &error);
}

/* One class, "default"; "postgres" has one volume that isn't as it says. */
static void class_fill(struct class_view *view, const char *name)
{
	*view = (struct class_view){ .number = 2,
		.replicas = 3,
		.tier = "any",
		.spread = "zone",
		.group_rule = "none",
		.on_no_quorum = "queue",
		.rebuild_after = "default",
		.snapshots = "none",
		.description = "three copies",
		.reads = "lease",
		.size_bytes = UINT64_C(10) << 30,
		.fs = "ext4" };
	snprintf(view->name, sizeof(view->name), "%s", name);
	snprintf(view->text, sizeof(view->text), "[class %s]\nreplicas = 3\n", name);
}

void volumes_each_class(
	struct volumes *volumes, bool (*fn)(void *arg, const struct class_view *view), void *arg)
{
	struct class_view view;

	(void)volumes;
	class_fill(&view, "default");
	if (!fn(arg, &view))
		return;
	class_fill(&view, "postgres");
	(void)fn(arg, &view);
}

int volumes_class_view(
	struct volumes *volumes, const char *name, struct class_view *ret_view, struct error *error)
{
	(void)volumes;
	if (strcmp(name, "default") != 0 && strcmp(name, "postgres") != 0)
		return error_set(error, -ENOENT, "there is no class %s", name);
	class_fill(ret_view, name);
	return 0;
}

void volumes_each_breach(struct volumes *volumes, const char *class_name,
	bool (*fn)(void *arg, const struct breach_view *view), void *arg)
{
	struct breach_view view = { "pgdata", "pool p0 of node a is of tier low" };

	(void)volumes;
	if (strcmp(class_name, "postgres") == 0)
		(void)fn(arg, &view);
}

/* Pools are taken in their order, as many as there are to be; with fail_rc there is no place. */
int volumes_place(struct volumes *volumes, const struct volume_options *options, struct place_view *ret_view,
	struct error *error)
{
	unsigned replicas = options->replicas ? options->replicas : 3;
	struct place_view view = { .found = volumes->fail_rc == 0,
		.class_name = "default",
		.spread = "zone",
		.size_bytes = options->size_bytes ? options->size_bytes : UINT64_C(10) << 30,
		.replicas = replicas,
		.advice = "start node c",
		.pool_count = volumes->pool_count };

	if (volumes->fail_rc != 0 && volumes->fail_rc != -ENOSPC)
		return error_set(error, volumes->fail_rc, "%s", volumes->fail_text);
	snprintf(view.why_not, sizeof(view.why_not), "%s", volumes->fail_text);
	view.pools = calloc(view.pool_count + 1, sizeof(*view.pools));
	for (size_t i = 0; i < view.pool_count; i++) {
		const struct pool_view *pool = &volumes->pools[i];
		bool taken = view.found && i < replicas;

		view.pools[i] = (struct place_pool_view){ .pool = pool->pool,
			.name = pool->name,
			.node = pool->node,
			.zone = pool->node,
			.rack = "",
			.tier = pool->tier,
			.taken = taken,
			.verdict = taken ? "taken" : "score",
			.why = taken ? "taken: 5 % of its limit is promised with it" : "not needed",
			.size_bytes = pool->size_bytes };
	}
	*ret_view = view;
	return 0;
}

void place_view_done(struct place_view *view)
{
	free(view->pools);
	free(view->texts);
}

void volumes_view_stats(struct volumes *volumes, struct view_stats *ret_stats)
{
	(void)volumes;
	*ret_stats = (struct view_stats){ .reads = 3, .cached = 1, .local = 1, .remote = 1 };
}

void volumes_class_set(struct volumes *volumes, const char *name, const char *key, const char *value,
	volumes_done_fn fn, void *arg)
{
	snprintf(fake_op_add(volumes, FAKE_CLASS, name, fn, arg)->id, 300, "%s=%s", key, value);
}

void volumes_class_remove(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg)
{
	fake_op_add(volumes, FAKE_CLASS, name, fn, arg);
}

void volumes_class_mend(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg)
{
	fake_op_add(volumes, FAKE_CLASS, name, fn, arg);
}
