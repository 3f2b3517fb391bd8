/* The times of the last writes, for `quoin volume trace`: one slot a seq. */
#include "datapath/stripe.h"

#include <string.h>

static struct write_trace *slot_of(struct volume *volume, uint64_t seq)
{
	return &volume->traces[seq % TRACE_SLOTS];
}

void trace_sent(struct volume *volume, const struct entry *entry, uint64_t at_ns)
{
	struct write_trace *trace = slot_of(volume, entry->seq);

	if (entry->op != ENTRY_WRITE || trace->seq >= entry->seq)
		return;
	*trace = (struct write_trace){
		.epoch = entry->epoch,
		.seq = entry->seq,
		.length_bytes = (uint32_t)entry->length_bytes,
		.sent_ns = at_ns,
		.voter_count = volume->spec.voter_count,
	};
}

void trace_voter_answer(struct volume *volume, unsigned voter, uint64_t durable_seq, uint64_t at_ns)
{
	/* Downwards: what is below an answered one was answered before. */
	for (uint64_t i = 0, seq = durable_seq; i < TRACE_SLOTS && seq > 0; i++, seq--) {
		struct write_trace *trace = slot_of(volume, seq);

		if (trace->seq != seq)
			continue;
		if (trace->voter_answer_ns[voter] != 0)
			return;
		trace->voter_answer_ns[voter] = at_ns;
		if (volume->voters[voter].link)
			trace->local_durable_ns = at_ns;
	}
}

void trace_committed(struct volume *volume, uint64_t seq, uint64_t at_ns)
{
	struct write_trace *trace = slot_of(volume, seq);

	if (trace->seq == seq)
		trace->committed_ns = at_ns;
}

void trace_answered(struct volume *volume, const struct request *request, uint64_t seq, uint64_t at_ns)
{
	struct write_trace *trace = slot_of(volume, seq);

	if (trace->seq != seq)
		return; /* sixty-four later ones were sent before this one was committed */
	trace->submitted_ns = request->started_ns;
	trace->answered_ns = at_ns;
}

static unsigned shard_traces(const struct volume *volume, struct write_trace traces[static WRITE_TRACES])
{
	unsigned count = 0;
	uint64_t newest = 0;

	for (unsigned i = 0; i < TRACE_SLOTS; i++)
		if (volume->traces[i].seq > newest)
			newest = volume->traces[i].seq;
	for (uint64_t i = 0, seq = newest; i < TRACE_SLOTS && seq > 0; i++, seq--) {
		const struct write_trace *trace = &volume->traces[seq % TRACE_SLOTS];

		if (trace->seq == seq && trace->answered_ns != 0)
			traces[count++] = *trace;
	}
	return count;
}

/* Of `count` traces, newest first, the place of one that was answered then. */
static unsigned place_of(const struct write_trace *traces, unsigned count, uint64_t answered_ns)
{
	unsigned at = count;

	while (at > 0 && traces[at - 1].answered_ns < answered_ns)
		at--;
	return at;
}

unsigned volume_traces(const struct volume *volume, struct write_trace traces[static WRITE_TRACES])
{
	struct write_trace of_shard[WRITE_TRACES];
	unsigned count = 0;

	if (!volume->stripe)
		return shard_traces(volume, traces);
	for (unsigned i = 0; i < volume->stripe->shard_count && !volume->stripe->detached; i++) {
		unsigned more = shard_traces(volume->stripe->shards[i], of_shard);

		for (unsigned k = 0; k < more; k++) {
			unsigned at = place_of(traces, count, of_shard[k].answered_ns);

			if (at == WRITE_TRACES)
				continue;
			count += count < WRITE_TRACES;
			memmove(&traces[at + 1], &traces[at], (count - 1 - at) * sizeof(traces[0]));
			traces[at] = of_shard[k];
		}
	}
	return count;
}
