/*
 * Requests of a striped volume. What lies in one stripe goes to its shard as it is; a read or write across
 * the end of a stripe becomes two pieces; trims and zeroes of any length become one piece a shard, and so do
 * snapshots.
 *
 * A snapshot is one point in time: its pieces join the shards' queues in one turn, and no write overtakes
 * one. What is asked for after an answer that the snapshot doesn't show is behind it in every queue.
 */
#include "datapath/stripe.h"

#include <errno.h>
#include <string.h>

struct shard_range stripe_place(const struct stripe *stripe, uint64_t offset_bytes)
{
	uint64_t number = offset_bytes / stripe->stripe_bytes, in = offset_bytes % stripe->stripe_bytes;

	return (struct shard_range){
		.shard = (unsigned)(number % stripe->shard_count),
		.offset_bytes = number / stripe->shard_count * stripe->stripe_bytes + in,
		.length_bytes = stripe->stripe_bytes - in,
	};
}

/* Of the shard's bytes, how many stand before this byte of the volume. */
static uint64_t shard_bytes_before(const struct stripe *stripe, unsigned shard, uint64_t offset_bytes)
{
	struct shard_range place = stripe_place(stripe, offset_bytes);
	uint64_t row = offset_bytes / stripe->stripe_bytes / stripe->shard_count;

	if (place.shard == shard)
		return place.offset_bytes;
	return (row + (shard < place.shard)) * stripe->stripe_bytes;
}

struct shard_range stripe_part(
	const struct stripe *stripe, unsigned shard, uint64_t offset_bytes, uint64_t length_bytes)
{
	uint64_t begin = shard_bytes_before(stripe, shard, offset_bytes);
	uint64_t end = shard_bytes_before(stripe, shard, offset_bytes + length_bytes);

	ASSERT(end >= begin);
	return (struct shard_range){ shard, begin, end - begin };
}

/* The byte of the volume that stands there. */
static uint64_t whole_offset(const struct stripe *stripe, unsigned shard, uint64_t offset_bytes)
{
	uint64_t row = offset_bytes / stripe->stripe_bytes;

	return (row * stripe->shard_count + shard) * stripe->stripe_bytes +
	       offset_bytes % stripe->stripe_bytes;
}

static void piece_submit(struct volume *volume, struct request *piece, const struct request *of,
	const struct shard_range *range, void (*done)(struct request *piece, int rc), void *user)
{
	*piece = (struct request){
		.op = of->op,
		.offset_bytes = range->offset_bytes,
		.length_bytes = range->length_bytes,
		.data = piece->data,
		.snapshot = of->snapshot,
		.id = of->id,
		.part = of->part,
		.done = done,
		.user = user,
		.started_ns = of->started_ns,
		.is_piece = true,
	};
	list_init(&piece->node);
	volume_enqueue(volume->stripe->shards[range->shard], piece);
}

/* ---- across the end of a stripe ---- */

static void crossing_done(struct request *piece, int rc)
{
	struct crossing *crossing = piece->user;
	struct request *request = crossing->request;
	struct volume *volume = request->volume;

	ASSERT(crossing->left > 0);
	if (rc != 0 && crossing->rc == 0)
		crossing->rc = rc;
	if (--crossing->left > 0)
		return;
	/* A read may have got other buffers: see op_data_is_own(). */
	request->data = crossing->piece[0].data;
	crossing->second = crossing->piece[1].data;
	/* A write's data stays as it is: a voter that lags is sent the first piece's entry again. */
	if (crossing->rc == 0 && request->op == REQUEST_READ) {
		memcpy(request->data->data + crossing->piece[0].length_bytes, crossing->second->data,
			crossing->piece[1].length_bytes);
		request->data->len_bytes = (uint32_t)request->length_bytes;
	}
	buf_put(crossing->second);
	crossing->second = NULL;
	list_push_back(&volume->stripe->free_crossings, &crossing->node);
	request_finish(volume, request, crossing->rc);
}

/* False where something is short. */
static bool crossing_start(struct volume *volume, struct request *request, const struct shard_range *first)
{
	struct stripe *stripe = volume->stripe;
	uint64_t first_bytes = first->length_bytes;
	struct shard_range second = stripe_place(stripe, request->offset_bytes + first_bytes);
	struct list *node = list_first(&stripe->free_crossings);
	struct crossing *crossing;
	struct buf *buf;

	ASSERT(first_bytes < request->length_bytes);
	ASSERT(request->length_bytes - first_bytes <= second.length_bytes);
	second.length_bytes = request->length_bytes - first_bytes;
	if (MUTANT(crossing_in_one_shard))
		second.shard = first->shard;
	buf = node ? buf_get(volume->datapath->config.bufs, (uint32_t)second.length_bytes) : NULL;
	if (!buf)
		return false;
	crossing = list_entry(node, struct crossing, node);
	list_remove(node);
	list_remove(&request->node);
	if (request->op == REQUEST_WRITE)
		memcpy(buf->data, request->data->data + first_bytes, second.length_bytes);
	crossing->request = request;
	crossing->second = buf;
	crossing->left = 2;
	crossing->rc = 0;
	crossing->piece[0].data = request->data;
	crossing->piece[1].data = buf;
	piece_submit(volume, &crossing->piece[0], request, first, crossing_done, crossing);
	piece_submit(volume, &crossing->piece[1], request, &second, crossing_done, crossing);
	return true;
}

/* ---- for several shards ---- */

static void spread_piece(struct volume *volume, unsigned shard);

static void maps_end(struct stripe *stripe)
{
	for (unsigned i = 0; i < stripe->shard_count; i++)
		if (stripe->pieces[i].data) {
			buf_put(stripe->pieces[i].data);
			stripe->pieces[i].data = NULL;
		}
}

/* With this bug a snapshot gets its place in one shard after the other. */
static bool is_one_by_one(const struct request *request)
{
	return MUTANT(snapshot_shard_by_shard) && request->op == REQUEST_SNAPSHOT;
}

/* Of a snapshot's view: each shard's part of the map has a buffer of its own. */
static bool maps_begin(struct volume *volume, const struct request *request)
{
	struct stripe *stripe = volume->stripe;

	for (unsigned i = 0; i < stripe->shard_count; i++) {
		uint64_t part_bytes =
			stripe_part(stripe, i, request->offset_bytes, request->length_bytes).length_bytes;

		if (part_bytes == 0)
			continue;
		stripe->pieces[i].data = buf_get(volume->datapath->config.bufs, volume_map_bytes(part_bytes));
		if (!stripe->pieces[i].data) {
			maps_end(stripe);
			return false;
		}
	}
	return true;
}

/* Grain by grain, each from its shard's part. */
static void maps_join(struct stripe *stripe, struct request *request, int rc)
{
	uint64_t grains = request->length_bytes / GRAIN_BYTES;

	for (uint64_t g = 0; rc == 0 && g < grains; g++) {
		struct shard_range place = stripe_place(stripe, request->offset_bytes + g * GRAIN_BYTES);
		uint64_t begin =
			stripe_part(stripe, place.shard, request->offset_bytes, request->length_bytes)
				.offset_bytes;
		uint64_t at = (place.offset_bytes - begin) / GRAIN_BYTES;

		memcpy(request->data->data + g * VOLUME_MAP_GRAIN_BYTES,
			stripe->pieces[place.shard].data->data + at * VOLUME_MAP_GRAIN_BYTES,
			VOLUME_MAP_GRAIN_BYTES);
	}
	if (rc == 0)
		request->data->len_bytes = volume_map_bytes(request->length_bytes);
	maps_end(stripe);
}

static void spread_done(struct request *piece, int rc)
{
	struct volume *volume = piece->user;
	struct stripe *stripe = volume->stripe;
	struct request *request = stripe->spread;

	ASSERT(stripe->spread_left > 0);
	if (rc != 0 && stripe->spread_rc == 0)
		stripe->spread_rc = rc;
	if (--stripe->spread_left > 0) {
		if (is_one_by_one(request))
			spread_piece(volume, stripe->shard_count - stripe->spread_left);
		return;
	}
	stripe->spread = NULL;
	if (request->op == REQUEST_MAP)
		maps_join(stripe, request, stripe->spread_rc);
	request_finish(volume, request, stripe->spread_rc); /* and the next one begins */
}

static void spread_piece(struct volume *volume, unsigned shard)
{
	struct stripe *stripe = volume->stripe;
	const struct request *request = stripe->spread;
	struct shard_range range = stripe_part(stripe, shard, request->offset_bytes, request->length_bytes);

	piece_submit(volume, &stripe->pieces[shard], request, &range, spread_done, volume);
}

/* False where something is short. */
static bool spread_start(struct volume *volume, struct request *request)
{
	struct stripe *stripe = volume->stripe;
	bool is_range = request->length_bytes > 0;

	ASSERT(!stripe->spread && stripe->spread_left == 0);
	for (unsigned i = 0; i < stripe->shard_count; i++)
		stripe->pieces[i].data = NULL;
	if (request->op == REQUEST_MAP && !maps_begin(volume, request))
		return false;
	list_remove(&request->node);
	stripe->spread = request;
	stripe->spread_rc = 0;
	for (unsigned i = 0; i < stripe->shard_count; i++)
		stripe->spread_left +=
			!is_range ||
			stripe_part(stripe, i, request->offset_bytes, request->length_bytes).length_bytes > 0;
	ASSERT(stripe->spread_left > 0);
	for (unsigned i = 0; i < (is_one_by_one(request) ? 1 : stripe->shard_count); i++)
		if (!is_range ||
			stripe_part(stripe, i, request->offset_bytes, request->length_bytes).length_bytes > 0)
			spread_piece(volume, i);
	return true;
}

/* ---- all ---- */

/* False where something is short. */
static bool stripe_start(struct volume *volume, struct request *request)
{
	struct stripe *stripe = volume->stripe;
	struct shard_range place = stripe_place(stripe, request->offset_bytes);

	if (request->length_bytes > 0 && request->length_bytes <= place.length_bytes) {
		list_remove(&request->node);
		request->offset_bytes = place.offset_bytes;
		volume_enqueue(stripe->shards[place.shard], request);
		return true;
	}
	if (request->op == REQUEST_READ || request->op == REQUEST_WRITE)
		return crossing_start(volume, request, &place);
	list_remove(&request->node);
	list_push_back(&stripe->spreading, &request->node);
	return true;
}

static void retry_soon(struct volume *volume)
{
	struct datapath *dp = volume->datapath;

	loop_timer_set(dp->config.loop, &dp->admit_timer, datapath_now_ns(dp) + ADMIT_RETRY_MS * NS_PER_MS);
}

void stripe_admit(struct volume *volume)
{
	struct list *node;

	while (volume->state != VOLUME_OPENING && (node = list_first(&volume->waiting)) != NULL) {
		struct request *request = list_entry(node, struct request, node);

		if (volume->state == VOLUME_ENDED)
			break;
		if (!volume_limits_admit(volume, request))
			break;
		if (!stripe_start(volume, request)) {
			retry_soon(volume);
			break;
		}
		volume_limits_admitted(volume);
	}
	if (volume->state == VOLUME_ENDED)
		stripe_fail_waiting(volume);
	if (!volume->stripe->spread && (node = list_first(&volume->stripe->spreading)) != NULL &&
		!spread_start(volume, list_entry(node, struct request, node)))
		retry_soon(volume);
}

void stripe_fail_waiting(struct volume *volume)
{
	struct list *node;

	while ((node = list_pop_front(&volume->waiting)) != NULL)
		request_finish(volume, list_entry(node, struct request, node), -EIO);
	while ((node = list_pop_front(&volume->stripe->spreading)) != NULL)
		request_finish(volume, list_entry(node, struct request, node), -EIO);
	volume_limits_admitted(volume);
}

void stripe_answered(struct volume *shard, struct request *request)
{
	struct volume *volume = shard->whole;

	if (request->is_piece)
		return;
	request->volume = volume;
	request->offset_bytes = whole_offset(volume->stripe, shard->shard, request->offset_bytes);
	ASSERT(volume->in_flight > 0);
	volume->in_flight--;
	if (volume->detaching)
		volume_mark(volume);
}
