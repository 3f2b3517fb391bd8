/* What is to be seen of a volume from outside. */
#include "datapath/stripe.h"

#include <stdio.h>

void io_stats_add(struct io_stats *stats, uint64_t bytes, uint64_t latency_ns, int rc)
{
	unsigned bucket = 0;

	while (bucket < HISTOGRAM_BUCKETS - 1 && latency_ns > (16 * NS_PER_US) << bucket)
		bucket++;
	stats->ops++;
	if (rc != 0) {
		stats->errors++;
		return;
	}
	stats->bytes += bytes;
	stats->latency_ns_sum += latency_ns;
	stats->latency[bucket]++;
}

static enum replica_status status_of(const struct coordinator_voter_status *voter)
{
	if (voter->retired)
		return REPLICA_RETIRED;
	if (voter->unmatched)
		return REPLICA_DAMAGED;
	if (!voter->up || !voter->promised)
		return REPLICA_AWAY;
	if (voter->syncing)
		return REPLICA_SYNCING;
	if (voter->damaged)
		return REPLICA_DAMAGED;
	return voter->complete ? REPLICA_COMPLETE : REPLICA_SYNCING;
}

static void voter_fill(struct voter_stats *to, const struct volume *volume, unsigned i,
	const struct coordinator_voter_status *from)
{
	to->is_voter = from->is_voter;
	to->may_join = from->may_join;
	to->replica = volume->voters[i].replica;
	snprintf(to->node, sizeof(to->node), "%s", volume->spec.voters[i].node);
	to->status = status_of(from);
	to->connected = from->up;
	to->matched = from->matched;
	to->durable_seq = from->durable_seq;
	to->lag_entries = from->lag_entries;
	to->lag_bytes = from->lag_bytes;
	to->sync_why = from->sync_why;
	to->surveying = from->surveying;
	to->survey_percent = from->survey_percent;
	to->sync_done_bytes = from->sync_done_bytes;
	to->sync_total_bytes = from->sync_total_bytes;
	to->sync_bytes_per_s = from->sync_bytes_per_s;
	to->syncs = from->syncs;
	to->sync_copied_bytes = from->sync_copied_bytes;
	to->sync_map_bytes = from->sync_map_bytes;
	to->bad_reads = from->bad_reads;
	to->healed_blocks = from->healed_blocks;
	to->differing_grains = from->differing_grains;
	to->rewritten_grains = from->rewritten_grains;
}

static void striped_stats_get(const struct volume *volume, struct volume_stats *ret_stats)
{
	*ret_stats = (struct volume_stats){
		.volume = volume->spec.volume,
		.state = volume->state,
		.epoch = volume->spec.epoch,
		.in_flight = volume->in_flight,
		.limit_waits = volume->limit_waits,
		.read = volume->read_stats,
		.write = volume->write_stats,
		.trim = volume->trim_stats,
	};
	snprintf(ret_stats->name, sizeof(ret_stats->name), "%s", volume->spec.name);
	stripe_stats_add(volume, ret_stats);
}

void volume_stats_get(const struct volume *volume, struct volume_stats *ret_stats)
{
	uint64_t now_ns = datapath_now_ns(volume->datapath);
	struct coordinator_status status;

	if (volume->stripe) {
		striped_stats_get(volume, ret_stats);
		return;
	}
	coordinator_status_get(volume->coordinator, now_ns, &status);
	*ret_stats = (struct volume_stats){
		.volume = volume->spec.volume,
		.group = volume->spec.group,
		.state = volume->state,
		.epoch = volume->spec.epoch,
		.last_seq = status.last_seq,
		.commit_seq = status.commit_seq,
		.in_flight = volume->in_flight,
		.quorum_waits = status.quorum_waits,
		.limit_waits = volume->limit_waits,
		.remote_reads = volume->remote_reads,
		.read = volume->read_stats,
		.write = volume->write_stats,
		.trim = volume->trim_stats,
		.config_number = status.config_number,
		.changing = status.next_mask != 0,
		.compare = status.compare,
		.voter_count = volume->spec.voter_count,
	};
	if (status.compare.ended_ns != 0)
		ret_stats->compared_ms = (now_ns - status.compare.ended_ns) / NS_PER_MS;
	snprintf(ret_stats->name, sizeof(ret_stats->name), "%s", volume->spec.name);
	for (unsigned i = 0; i < volume->spec.voter_count; i++) {
		voter_fill(&ret_stats->voters[i], volume, i, &status.voters[i]);
		ret_stats->healed_blocks += status.voters[i].healed_blocks;
	}
}

void datapath_view_stats_get(const struct datapath *dp, struct view_stats *ret_stats)
{
	*ret_stats = dp->view_stats;
}
