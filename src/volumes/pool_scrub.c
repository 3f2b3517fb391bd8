/* quoin pool scrub; and what the scrubs of the pools have to tell and to remember. */
#include "volumes/pool_scrub.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "volumes/manager.h"
#include "volumes/state_file.h"
#include "volumes/steward.h"

#define KEEP_NS           (60 * NS_PER_S)
#define SCRUB_DEADLINE_MS 10000u
#define LOOK_PAUSE_MS     50u

/* ---- STATE/scrub/POOL.json ---- */

struct scrub_path {
	char text[CONFIG_PATH_MAX + UUID_TEXT_LEN + 16];
};

static const char *path_of(const struct volumes *volumes, struct uuid pool, struct scrub_path *to)
{
	char name[UUID_TEXT_LEN + 1];

	snprintf(to->text, sizeof(to->text), "%s/scrub/%s.json", volumes->config.state_dir,
		uuid_format(pool, name));
	return to->text;
}

static json_t *tally_json(const struct pool_scrub_tally *tally)
{
	return json_pack("[I, I, I, I, I]", (json_int_t)tally->checked_bytes, (json_int_t)tally->bad_blocks,
		(json_int_t)tally->repaired_blocks, (json_int_t)tally->bad_pages,
		(json_int_t)tally->repaired_pages);
}

static bool tally_parse(json_t *from, struct pool_scrub_tally *ret_tally)
{
	json_int_t numbers[5];

	if (json_unpack(from, "[I, I, I, I, I!]", &numbers[0], &numbers[1], &numbers[2], &numbers[3],
		    &numbers[4]))
		return false;
	for (unsigned i = 0; i < 5; i++)
		if (numbers[i] < 0)
			return false;
	*ret_tally = (struct pool_scrub_tally){ (uint64_t)numbers[0], (uint64_t)numbers[1],
		(uint64_t)numbers[2], (uint64_t)numbers[3], (uint64_t)numbers[4] };
	return true;
}

static bool progress_parse(const char *text, size_t len, struct pool_scrub_progress *ret_progress)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL), *pass, *whole;
	struct pool_scrub_progress progress = { 0 };
	json_int_t began, page, ended;
	int version, asked;
	bool good = root &&
		    !json_unpack(root, "{s:i, s:I, s:b, s:I, s:o, s:I, s:o}", "version", &version, "began_ns",
			    &began, "asked", &asked, "page", &page, "pass", &pass, "whole_ns", &ended,
			    "whole", &whole) &&
		    version == 1 && began >= 0 && page >= 0 && page <= UINT32_MAX && ended >= 0 &&
		    tally_parse(pass, &progress.pass) && tally_parse(whole, &progress.whole);

	if (good) {
		progress.began_wall_ns = (uint64_t)began;
		progress.asked = asked;
		progress.page = (uint32_t)page;
		progress.whole_wall_ns = (uint64_t)ended;
		*ret_progress = progress;
	}
	json_decref(root);
	return good;
}

bool pool_scrub_load(
	struct volumes *volumes, const struct local_pool *pool, struct pool_scrub_progress *ret_progress)
{
	struct scrub_path path;
	struct error error;
	char *text = NULL;
	size_t len;
	int rc = state_file_read(path_of(volumes, pool->uuid, &path), &text, &len, &error);
	bool good = !rc && progress_parse(text, len, ret_progress);

	if (!good && rc != -ENOENT)
		manager_event(volumes, "state-damaged", pool->config.name,
			"%.200s can't be read: the pool's scrub begins anew", path.text);
	free(text);
	return good;
}

void pool_scrub_opened(struct local_pool *pool, const struct pool_scrub_progress *resumed)
{
	pool->scrubbed = (struct pool_scrubbed){ 0 };
	if (!resumed)
		return;
	pool->scrubbed.kept = *resumed;
	pool->scrubbed.told_whole_wall_ns = resumed->whole_wall_ns;
}

static int progress_write(struct volumes *volumes, const struct local_pool *pool, struct error *error)
{
	const struct pool_scrub_progress *progress = &pool->info.scrub.progress;
	char dir[CONFIG_PATH_MAX + 16], *text;
	struct scrub_path path;
	json_t *root;
	int rc;

	snprintf(dir, sizeof(dir), "%s/scrub", volumes->config.state_dir);
	rc = state_dir_make(dir, error);
	if (rc)
		return rc;
	root = json_pack("{s:i, s:I, s:b, s:I, s:o, s:I, s:o}", "version", 1, "began_ns",
		(json_int_t)progress->began_wall_ns, "asked", (int)progress->asked, "page",
		(json_int_t)progress->page, "pass", tally_json(&progress->pass), "whole_ns",
		(json_int_t)progress->whole_wall_ns, "whole", tally_json(&progress->whole));
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	if (!text)
		return error_set(error, -ENOMEM, "no memory to keep how far the scrub is");
	rc = state_file_write(path_of(volumes, pool->uuid, &path), text, strlen(text), error);
	free(text);
	return rc;
}

void pool_scrub_keep(struct volumes *volumes, struct local_pool *pool)
{
	const struct pool_scrub_progress *now = &pool->info.scrub.progress;
	struct pool_scrub_progress *kept = &pool->scrubbed.kept;
	struct error error;

	if (pool->info.failed || pool->info.scrub.pages == 0 ||
		(now->began_wall_ns == kept->began_wall_ns && now->page == kept->page &&
			now->asked == kept->asked && now->whole_wall_ns == kept->whole_wall_ns))
		return;
	if (progress_write(volumes, pool, &error))
		manager_event(volumes, "state-not-written", pool->config.name, "%s", error.text);
	else
		*kept = *now;
}

void pool_scrub_forget(const struct volumes *volumes, struct uuid pool)
{
	struct scrub_path path;

	(void)unlink(path_of(volumes, pool, &path)); /* what stays is of a pool that nobody opens again */
}

/* ---- events ---- */

/* "volume db@monday at 12 MiB" */
static void found_format(
	struct volumes *volumes, const struct pool_scrub_found *found, char *to, size_t bytes)
{
	char uuid[UUID_TEXT_LEN + 1], snapshot[UUID_TEXT_LEN + 1];
	const struct catalog_volume *volume;
	bool known = !catalog_volume_find_uuid(volumes->catalog, found->volume, &volume, NULL);

	if (uuid_is_none(found->volume))
		snprintf(to, bytes, "nothing needs the newest of them");
	else
		snprintf(to, bytes, "the newest of volume %.128s%s%s at %llu KiB", //
			known ? volume->name : uuid_format(found->volume, uuid),
			uuid_is_none(found->snapshot) ? "" : ", seen from its snapshot ",
			uuid_is_none(found->snapshot) ? "" : uuid_format(found->snapshot, snapshot),
			(unsigned long long)found->offset_bytes / 1024);
}

static void blocks_tell(struct volumes *volumes, struct local_pool *pool, const struct pool_scrub_info *scrub)
{
	uint64_t bad = scrub->since_open.bad_blocks - pool->scrubbed.told.bad_blocks;
	uint64_t repaired = scrub->since_open.repaired_blocks - pool->scrubbed.told.repaired_blocks;
	char where[NAME_MAX_LEN + 128];

	if (bad > 0) {
		found_format(volumes, &scrub->newest, where, sizeof(where));
		manager_event(volumes, "scrub-bad", pool->config.name,
			"its scrub has found %llu bad blocks, %s (%s): they are repaired from other replicas "
			"where their volumes are attached",
			(unsigned long long)bad, where,
			scrub->newest.device_error ? "the device can't read it" : "its checksum differs");
	}
	if (repaired > 0)
		manager_event(volumes, "scrub-repaired", pool->config.name,
			"%llu bad blocks are good again; %u grains are known to be bad still",
			(unsigned long long)repaired, scrub->known_bad);
}

static void pages_tell(struct volumes *volumes, struct local_pool *pool, const struct pool_scrub_info *scrub)
{
	uint64_t bad = scrub->since_open.bad_pages - pool->scrubbed.told.bad_pages;
	uint64_t repaired = scrub->since_open.repaired_pages - pool->scrubbed.told.repaired_pages;

	if (bad > 0)
		manager_event(volumes, "scrub-bad", pool->config.name,
			"its scrub has found %llu bad pages of its table or superblocks: they are written "
			"anew",
			(unsigned long long)bad);
	if (repaired > 0)
		manager_event(volumes, "scrub-repaired", pool->config.name,
			"%llu pages of its table or superblocks were written anew, and are good again",
			(unsigned long long)repaired);
}

static void pass_tell(struct volumes *volumes, struct local_pool *pool, const struct pool_scrub_info *scrub)
{
	const struct pool_scrub_tally *whole = &scrub->progress.whole;
	char size[SIZE_TEXT_LEN + 1];

	if (scrub->progress.whole_wall_ns == pool->scrubbed.told_whole_wall_ns)
		return;
	pool->scrubbed.told_whole_wall_ns = scrub->progress.whole_wall_ns;
	size_format(whole->checked_bytes, size);
	if (whole->bad_blocks == 0 && whole->bad_pages == 0)
		manager_event(volumes, "pool-scrubbed", pool->config.name,
			"all of it was read and verified, %s: nothing is bad", size);
	else
		manager_event(volumes, "pool-scrubbed", pool->config.name,
			"all of it was read and verified, %s: %llu bad blocks and %llu bad pages, of which "
			"%llu "
			"and %llu are good again",
			size, (unsigned long long)whole->bad_blocks, (unsigned long long)whole->bad_pages,
			(unsigned long long)whole->repaired_blocks,
			(unsigned long long)whole->repaired_pages);
}

void pool_scrub_observe(struct volumes *volumes, struct local_pool *pool)
{
	const struct pool_scrub_info *scrub = &pool->info.scrub;
	uint64_t now_ns = clock_now_ns(volumes->clock);
	bool ended = scrub->progress.whole_wall_ns != pool->scrubbed.told_whole_wall_ns;

	blocks_tell(volumes, pool, scrub);
	pages_tell(volumes, pool, scrub);
	pool->scrubbed.told = scrub->since_open;
	pass_tell(volumes, pool, scrub);
	if (!ended && now_ns < pool->scrubbed.keep_ns)
		return;
	pool->scrubbed.keep_ns = now_ns + KEEP_NS;
	pool_scrub_keep(volumes, pool);
}

/* ---- asked for ---- */

struct scrub_ask {
	struct pool *pool; /* the data plane's */
};

/* The caller sees it under way, or over, in the next view. */
static void look_wait(struct op *op)
{
	if (op->volumes->snapshot.stale && !op_expired(op))
		op_retry(op, LOOK_PAUSE_MS, look_wait);
	else
		op_end(op, 0);
}

static void asked(struct op *op, int rc)
{
	(void)rc;
	snapshot_take(op->volumes);
	look_wait(op);
}

static void ask_run(struct dataplane_call *call)
{
	const struct scrub_ask *ask = op_of_call(call)->state;

	pool_scrub_now(ask->pool);
	datapath_pool_compare(dataplane_datapath(call->dataplane), ask->pool);
	dataplane_call_finish(call, 0);
}

static void begin(struct op *op)
{
	const struct catalog_pool *record = NULL;
	struct scrub_ask *ask = op->state;
	const struct local_pool *pool;
	int rc = drain_pool_find(op->volumes, op->id, &record, &op->error);

	if (!rc && strcmp(record->node, op->volumes->config.node) != 0)
		rc = error_set(&op->error, -EBUSY,
			"pool %.64s is on node %.64s: ask its agent (--node %.64s)", record->name,
			record->node, record->node);
	if (rc) {
		op_end(op, rc);
		return;
	}
	pool = pools_find_uuid(op->volumes, record->pool);
	if (!pool || pool->phase != LOCAL_POOL_OPEN || !pool->pool || pool->removing) {
		op_end(op, error_set(&op->error, -EAGAIN, "pool %.64s isn't open%s%.128s", record->name,
				   pool && pool->reason[0] ? ": " : "", pool ? pool->reason : ""));
		return;
	}
	snprintf(op->name, sizeof(op->name), "%s", pool->config.name); /* not closed meanwhile */
	ask->pool = pool->pool;
	op_call(op, pool->thread, ask_run, asked);
}

void volumes_pool_scrub(struct volumes *volumes, const char *pool, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "scrub pool", "", SCRUB_DEADLINE_MS, begin, fn, arg);

	if (!op_accept(op, fn, arg, NULL))
		return;
	snprintf(op->id, sizeof(op->id), "%s", pool);
	op->state = calloc(1, sizeof(struct scrub_ask));
	if (!op->state)
		op_refuse(op, -ENOMEM);
	op_submit(op);
}
