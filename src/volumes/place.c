/* quoin place: where a new volume's replicas would go, and why; nothing is made. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"
#include "volumes/placing.h"

static void pool_view_fill(struct place_pool_view *view, const struct placement_pool *pool,
	const struct placement_explain *explain)
{
	*view = (struct place_pool_view){
		.pool = pool->pool,
		.name = pool->name,
		.node = pool->node,
		.zone = pool->zone,
		.rack = pool->rack,
		.tier = tier_name(pool->tier),
		.taken = explain->verdict == PLACEMENT_TAKEN,
		.verdict = placement_verdict_name(explain->verdict),
		.why = explain->text,
		.size_bytes = pool->size_bytes,
		.used_bytes = pool->used_bytes,
		.provisioned_bytes = view->provisioned_bytes, /* as it was before */
		.limit_bytes = pool->limit_bytes,
		.load_percent = pool->load_percent,
	};
}

static void result_fill(
	struct place_view *view, const struct placing *placing, const struct placement_explain *explains)
{
	view->size_bytes = placing->request.size_bytes;
	view->replicas = placing->request.replicas;
	snprintf(view->class_name, sizeof(view->class_name), "%s", placing->request.class_name);
	snprintf(view->spread, sizeof(view->spread), "%s", class_spread_name(placing->request.spread));
	for (size_t i = 0; i < placing->pool_count; i++)
		pool_view_fill(&view->pools[i], &placing->pools[i], &explains[i]);
	view->pool_count = placing->pool_count;
	if (!view->found)
		placement_advise(&placing->request, placing->pools, placing->pool_count, view->advice);
}

/* What one shard takes is told as taken, whatever the others say of it. */
static int shard_explain(struct placing *placing, unsigned shard, struct placement_result *result,
	struct placement_explain *explains, struct error *why)
{
	struct placement_explain *of = calloc(placing->pool_count + 1, sizeof(*of));
	int rc = of ? placing_shard(placing, shard, result, of, why) : -ENOMEM;

	for (size_t i = 0; i < placing->pool_count && (rc == 0 || rc == -ENOSPC); i++)
		if (shard == 0 || explains[i].verdict != PLACEMENT_TAKEN)
			explains[i] = of[i];
	free(of);
	return rc;
}

static int explain(
	struct placing *placing, unsigned shard_count, struct place_view *view, struct error *error)
{
	struct placement_explain *explains = calloc(placing->pool_count + 1, sizeof(*explains));
	struct placement_result result = { 0 };
	struct error why = { "" };
	int rc = 0;

	view->pools = calloc(placing->pool_count + 1, sizeof(*view->pools));
	view->texts = explains;
	if (!explains || !view->pools)
		return error_set(error, -ENOMEM, "no memory for %zu pools", placing->pool_count);
	for (size_t i = 0; i < placing->pool_count; i++)
		view->pools[i].provisioned_bytes = placing->pools[i].provisioned_bytes;
	for (unsigned s = 0; !rc && s < shard_count; s++) {
		rc = shard_explain(placing, s, &result, explains, &why);
		view->relaxed |= !rc && result.relaxed;
	}
	if (rc && rc != -ENOSPC)
		return error_set(error, rc, "%s", why.text);
	view->found = rc == 0;
	view->shard_count = shard_count;
	snprintf(view->why_not, sizeof(view->why_not), "%s", why.text);
	result_fill(view, placing, explains);
	return 0;
}

int volumes_place(struct volumes *volumes, const struct volume_options *options, struct place_view *ret_view,
	struct error *error)
{
	struct catalog_volume draft = { .volume = { { 0 } } };
	const struct catalog_class *class;
	struct placing placing = { .pools = NULL };
	struct place_view view = { .pool_count = 0 };
	int rc = manager_ready_check(volumes, error);

	if (!rc && options->from[0])
		rc = error_set(error, -EINVAL, "option from: a clone's replicas are where its origin's are");
	if (!rc)
		rc = class_of_options(volumes, options, &class, error);
	if (!rc)
		rc = volume_draft("new", options, class, &draft, error);
	if (!rc)
		rc = volume_divide(volumes, options, class, &draft, error);
	if (!rc)
		rc = placing_init(volumes, class, &draft, NULL, volume_replicas(&draft, class),
			(struct uuid){ 0 }, &placing, error);
	if (!rc)
		rc = placing_near(volumes, options->near, &placing, error);
	if (!rc)
		rc = explain(&placing, draft.shard_count, &view, error);
	placing_done(&placing);
	if (rc)
		place_view_done(&view);
	else
		*ret_view = view;
	return rc;
}

void place_view_done(struct place_view *view)
{
	free(view->pools);
	free(view->texts);
	*view = (struct place_view){ .pool_count = 0 };
}
