/*
 * The life of a striped volume: it serves when all its shards do, and ends with the first that ends; none may
 * go on without the others, or the volume would be of two times at once.
 */
#include "datapath/stripe.h"

#include <errno.h>
#include <stdlib.h>

unsigned volume_shard_count(const struct volume *volume)
{
	return volume->stripe ? volume->stripe->shard_count : 1;
}

struct volume *volume_shard(struct volume *volume, unsigned shard)
{
	ASSERT(shard < volume_shard_count(volume));
	if (!volume->stripe)
		return volume;
	return volume->stripe->detached ? NULL : volume->stripe->shards[shard];
}

unsigned volume_shard_index(const struct volume *volume)
{
	return volume->shard;
}

/* ---- state ---- */

static struct epoch greatest_promise(const struct volume *volume)
{
	struct epoch greatest = { 0 };

	for (unsigned i = 0; i < volume->stripe->shard_count; i++) {
		struct coordinator_status status;

		coordinator_status_get(
			volume->stripe->shards[i]->coordinator, datapath_now_ns(volume->datapath), &status);
		if (epoch_compare(status.promised, greatest) > 0)
			greatest = status.promised;
	}
	return greatest;
}

static enum volume_state state_of(const struct volume *volume)
{
	enum volume_state state = VOLUME_SERVING;

	for (unsigned i = 0; i < volume->stripe->shard_count; i++) {
		const struct volume *shard = volume->stripe->shards[i];

		if (!shard->was_ready)
			return VOLUME_OPENING;
		if (shard->state == VOLUME_NO_QUORUM)
			state = VOLUME_NO_QUORUM;
	}
	return state;
}

static void state_set(struct volume *volume, enum volume_state state)
{
	if (volume->state != VOLUME_ENDED)
		(void)volume_state_set(volume, state);
}

static void shard_ready(void *user, struct volume *shard)
{
	(void)user;
	state_set(shard->whole, state_of(shard->whole));
}

static void shard_changed(void *user, struct volume *shard, enum volume_state state)
{
	(void)user;
	if (state != VOLUME_ENDED)
		state_set(shard->whole, state_of(shard->whole));
}

static void shard_ended(
	void *user, struct volume *shard, bool outdated, struct epoch promised, const char *why)
{
	struct volume *volume = shard->whole;

	(void)promised;
	if (volume->state == VOLUME_ENDED)
		return;
	state_set(volume, VOLUME_ENDED);
	for (unsigned i = 0; i < volume->stripe->shard_count; i++) {
		struct volume *other = volume->stripe->shards[i];

		if (other == shard)
			continue;
		coordinator_end(other->coordinator, -EIO, datapath_now_ns(volume->datapath));
		volume_mark(other);
	}
	if (!volume->detaching)
		volume->events.ended(user, volume, outdated, greatest_promise(volume), why);
}

/* ---- turns ---- */

static void shard_gone(void *arg, int rc)
{
	struct volume *volume = arg;

	(void)rc;
	volume->stripe->gone++;
	volume_mark(volume);
}

/* What is in flight has 10 s, as with one shard; then the shards fail it. */
static void detach_step(struct volume *volume)
{
	struct stripe *stripe = volume->stripe;
	uint64_t now_ns = datapath_now_ns(volume->datapath);
	bool late = now_ns >= volume->detach_deadline_ns;

	if (stripe->detached)
		return;
	if (volume->in_flight > 0 && !late && !volume->read_only) {
		loop_timer_set(volume->datapath->config.loop, &volume->timer, volume->detach_deadline_ns);
		return;
	}
	stripe->detached = true;
	stripe_fail_waiting(volume);
	for (unsigned i = 0; i < stripe->shard_count; i++) {
		volume_detach(stripe->shards[i], shard_gone, volume);
		stripe->shards[i]->detach_deadline_ns = now_ns;
	}
}

static void stripe_free(struct volume *volume)
{
	struct stripe *stripe = volume->stripe;

	volume->stripe = NULL;
	volume_free(volume);
	free(stripe->pieces);
	free(stripe);
}

void stripe_run(struct volume *volume)
{
	pool_done_fn detach_fn = volume->detach_fn;
	void *detach_arg = volume->detach_arg;

	if (!volume->stripe->detached)
		stripe_admit(volume);
	volume_finish(volume);
	if (volume->detaching)
		detach_step(volume);
	volume_finish(volume);
	if (volume->stripe->gone < volume->stripe->shard_count || volume->in_flight > 0)
		return;
	stripe_free(volume);
	detach_fn(detach_arg, 0);
}

static void stripe_tick(void *arg)
{
	volume_mark(arg);
}

/* ---- begin ---- */

/* Nothing of it has been told to anybody. */
static void undo(struct volume *volume)
{
	for (unsigned i = 0; i < volume->stripe->shard_count; i++)
		if (volume->stripe->shards[i])
			volume_free(volume->stripe->shards[i]);
	stripe_free(volume);
}

static struct volume *stripe_new(struct datapath *dp, const struct volume_spec *specs, unsigned shard_count,
	uint64_t stripe_bytes, struct list *volumes)
{
	struct stripe *stripe = calloc(1, sizeof(*stripe) + shard_count * sizeof(stripe->shards[0]));
	struct request *pieces = calloc(shard_count, sizeof(*pieces));
	struct volume_spec spec = specs[0];
	struct volume *volume;

	spec.voter_count = 0;
	spec.group = (struct uuid){ 0 };
	volume = stripe && pieces ? volume_new(dp, &spec, volumes, stripe_tick) : NULL;
	if (!volume) {
		free(stripe);
		free(pieces);
		return NULL;
	}
	stripe->shard_count = shard_count;
	stripe->stripe_bytes = stripe_bytes;
	stripe->pieces = pieces;
	list_init(&stripe->spreading);
	list_init(&stripe->free_crossings);
	for (unsigned i = 0; i < STRIPE_CROSSINGS; i++)
		list_push_back(&stripe->free_crossings, &stripe->crossings[i].node);
	volume->stripe = stripe;
	return volume;
}

static void spec_check(const struct volume_spec *specs, unsigned shard_count, uint64_t stripe_bytes)
{
	ASSERT(shard_count >= 1 && shard_count <= VOLUME_MAX_SHARDS);
	ASSERT(stripe_bytes >= STRIPE_MIN_BYTES && stripe_bytes % GRAIN_BYTES == 0);
	for (unsigned i = 1; i < shard_count; i++) {
		ASSERT(uuid_equal(specs[i].volume, specs[0].volume));
		ASSERT(epoch_compare(specs[i].epoch, specs[0].epoch) == 0);
		ASSERT(specs[i].size_bytes == specs[0].size_bytes);
	}
}

/* The volume's limits are the whole's. */
static struct volume_spec shard_spec(
	const struct volume *volume, const struct volume_spec *spec, uint64_t session)
{
	struct volume_spec shard = *spec;

	shard.size_bytes =
		shard_size_bytes(spec->size_bytes, volume->stripe->shard_count, volume->stripe->stripe_bytes);
	shard.session = session;
	shard.limits = (struct volume_limits){ 0 };
	return shard;
}

static void shard_adopt(struct volume *volume, unsigned i, struct volume *shard)
{
	shard->whole = volume;
	shard->shard = i;
	/* A snapshot has one name on all shards, and each shard an offset 0. */
	shard->cache_key.byte[sizeof(shard->cache_key.byte) - 1] ^= (uint8_t)i;
	volume->stripe->shards[i] = shard;
}

int volume_attach_striped(struct datapath *dp, const struct volume_spec *specs, unsigned shard_count,
	uint64_t stripe_bytes, const struct volume_events *events, struct volume **ret_volume)
{
	struct volume_events of_shard = { shard_ready, shard_changed, shard_ended, events->record,
		events->user };
	struct volume *volume;

	if (shard_count == 1)
		return volume_attach(dp, specs, events, ret_volume);
	spec_check(specs, shard_count, stripe_bytes);
	volume = stripe_new(dp, specs, shard_count, stripe_bytes, &dp->volumes);
	if (!volume)
		return -ENOMEM;
	volume->events = *events;
	volume->state = VOLUME_OPENING;
	for (unsigned i = 0; i < shard_count; i++) {
		struct volume_spec spec = shard_spec(volume, &specs[i], volume->spec.session);
		struct volume *shard;
		int rc = volume_attach(dp, &spec, &of_shard, &shard);

		if (rc != 0) {
			undo(volume);
			return rc;
		}
		shard_adopt(volume, i, shard);
	}
	*ret_volume = volume;
	return 0;
}

int volume_view_striped(struct datapath *dp, const struct volume_spec *specs, unsigned shard_count,
	uint64_t stripe_bytes, struct volume **ret_volume)
{
	struct volume *volume;

	if (shard_count == 1)
		return volume_view(dp, specs, ret_volume);
	spec_check(specs, shard_count, stripe_bytes);
	volume = stripe_new(dp, specs, shard_count, stripe_bytes, &dp->views);
	if (!volume)
		return -ENOMEM;
	volume->state = VOLUME_SERVING;
	volume->read_only = true;
	for (unsigned i = 0; i < shard_count; i++) {
		struct volume_spec spec = shard_spec(volume, &specs[i], volume->spec.session);
		struct volume *shard;
		int rc = volume_view(dp, &spec, &shard);

		if (rc != 0) {
			undo(volume);
			return rc;
		}
		shard_adopt(volume, i, shard);
	}
	*ret_volume = volume;
	return 0;
}

/* ---- the rest ---- */

void stripe_grow(struct volume *volume, uint64_t size_bytes)
{
	const struct stripe *stripe = volume->stripe;

	for (unsigned i = 0; i < stripe->shard_count && !stripe->detached; i++)
		volume_grow(stripe->shards[i],
			shard_size_bytes(size_bytes, stripe->shard_count, stripe->stripe_bytes));
	volume->spec.size_bytes = size_bytes;
}

struct extent stripe_extent(struct volume *volume, uint64_t offset_bytes, uint64_t max_bytes)
{
	struct shard_range place = stripe_place(volume->stripe, offset_bytes);

	return volume_extent(volume->stripe->shards[place.shard], place.offset_bytes,
		max_bytes < place.length_bytes ? max_bytes : place.length_bytes);
}

static void io_stats_sum(struct io_stats *to, const struct io_stats *from)
{
	to->ops += from->ops;
	to->bytes += from->bytes;
	to->errors += from->errors;
	to->latency_ns_sum += from->latency_ns_sum;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->latency[i] += from->latency[i];
}

static void tally_sum(struct compare_tally *to, const struct compare_tally *from)
{
	to->grains += from->grains;
	to->differing += from->differing;
	to->rewritten += from->rewritten;
	to->undecided += from->undecided;
}

/* The whole has been compared as often as the shard that was compared least often, and when the last was. */
static void compare_sum(struct volume_stats *to, const struct volume_stats *from, bool first)
{
	if (first || from->compare.passes < to->compare.passes)
		to->compare.passes = from->compare.passes;
	if (first || from->compared_ms > to->compared_ms)
		to->compared_ms = from->compared_ms;
	if (from->compare.under_way &&
		(!to->compare.under_way || from->compare.percent < to->compare.percent))
		to->compare.percent = from->compare.percent;
	to->compare.under_way |= from->compare.under_way;
	to->compare.asked |= from->compare.asked;
	tally_sum(&to->compare.all, &from->compare.all);
	tally_sum(&to->compare.pass, &from->compare.pass);
	tally_sum(&to->compare.last, &from->compare.last);
}

void stripe_stats_add(const struct volume *volume, struct volume_stats *to)
{
	for (unsigned i = 0; i < volume->stripe->shard_count && !volume->stripe->detached; i++) {
		struct volume_stats shard;

		volume_stats_get(volume->stripe->shards[i], &shard);
		to->last_seq += shard.last_seq;
		to->commit_seq += shard.commit_seq;
		to->changing |= shard.changing;
		to->quorum_waits += shard.quorum_waits;
		to->healed_blocks += shard.healed_blocks;
		to->remote_reads += shard.remote_reads;
		compare_sum(to, &shard, i == 0);
		io_stats_sum(&to->read, &shard.read);
		io_stats_sum(&to->write, &shard.write);
		io_stats_sum(&to->trim, &shard.trim);
	}
}
