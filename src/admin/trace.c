/* GET /v1/volumes/NAME/trace: the steps of the last writes, in microseconds after each was submitted. */
#include <errno.h>

#include "admin/handlers.h"

/* Null for what has not happened yet. */
static json_t *step_json(const struct write_trace *trace, uint64_t at_ns)
{
	if (at_ns == 0 || at_ns < trace->submitted_ns)
		return json_null();
	return json_real((double)(at_ns - trace->submitted_ns) / 1e3);
}

static json_t *trace_json(const struct write_trace *trace, const struct volume_stats *stats)
{
	json_t *voters = json_array();

	for (unsigned i = 0; i < trace->voter_count && i < GROUP_MAX_VOTERS; i++) {
		const char *node = i < stats->voter_count ? stats->voters[i].node : "";

		json_array_append_new(voters, json_pack("{s:s, s:o}", "node", node, "answer_us",
						      step_json(trace, trace->voter_answer_ns[i])));
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "epoch",
		(json_int_t)trace->epoch.number, "epoch_restart", (json_int_t)trace->epoch.restart, "seq",
		(json_int_t)trace->seq, "length_bytes", (json_int_t)trace->length_bytes, "sent_us",
		step_json(trace, trace->sent_ns), "local_durable_us",
		step_json(trace, trace->local_durable_ns), "committed_us",
		step_json(trace, trace->committed_ns), "answered_us", step_json(trace, trace->answered_ns),
		"voters", voters);
}

static void on_traces(
	void *arg, int rc, const struct error *error, const struct write_trace *traces, unsigned count)
{
	struct http_request *request = arg;
	struct admin *admin = http_request_arg(request);
	struct volume_view view;
	struct error look;
	json_t *writes;

	if (rc < 0 || !admin) {
		http_respond_error(request, rc < 0 ? rc : -ECANCELED, error);
		return;
	}
	rc = volumes_volume_view(admin->volumes, http_request_param(request, 0), &view, &look);
	if (rc < 0) {
		http_respond_error(request, rc, &look);
		return;
	}
	writes = json_array();
	for (unsigned i = 0; i < count; i++)
		json_array_append_new(writes, trace_json(&traces[i], &view.stats));
	http_respond_json(request, 200,
		json_pack("{s:i, s:s, s:o}", "version", 1, "volume", view.name, "writes", writes));
}

void handle_volume_trace(struct http_request *request, void *arg)
{
	struct admin *admin = arg;

	volumes_trace(admin->volumes, http_request_param(request, 0), on_traces, request);
}
