/* What an application may ask for in a second. A request that is over it waits, with all behind it. */
#include "datapath/private.h"

static void later(void *arg)
{
	volume_mark(arg);
}

void volume_limits_begin(struct volume *volume)
{
	loop_timer_init(&volume->limit_timer, later, volume);
	volume_limits_set(volume, &volume->spec.limits);
}

void volume_limits_end(struct volume *volume)
{
	loop_timer_cancel(volume->datapath->config.loop, &volume->limit_timer);
}

void volume_limits_set(struct volume *volume, const struct volume_limits *limits)
{
	/* From now on: what was spent under other limits counts no more. */
	volume->ops_budget = (struct budget){ .per_s = limits->iops };
	volume->bytes_budget = (struct budget){ .per_s = limits->bytes_per_s };
	volume->spec.limits = *limits;
	volume_mark(volume);
}

bool volume_limits_admit(struct volume *volume, const struct request *request)
{
	uint64_t now_ns, ops_ns, bytes_ns;
	bool has_bytes = request->op == REQUEST_READ || request->op == REQUEST_WRITE;

	if (volume->paid || (volume->ops_budget.per_s == 0 && volume->bytes_budget.per_s == 0))
		return true;
	now_ns = datapath_now_ns(volume->datapath);
	ops_ns = budget_later_ns(&volume->ops_budget, now_ns);
	bytes_ns = has_bytes ? budget_later_ns(&volume->bytes_budget, now_ns) : 0;
	if (ops_ns || bytes_ns) {
		volume->limit_waits += !volume->limited;
		volume->limited = true;
		loop_timer_set(volume->datapath->config.loop, &volume->limit_timer,
			ops_ns > bytes_ns ? ops_ns : bytes_ns);
		return false;
	}
	budget_spend(&volume->ops_budget, 1, now_ns);
	if (has_bytes)
		budget_spend(&volume->bytes_budget, request->length_bytes, now_ns);
	volume->paid = true;
	return true;
}

void volume_limits_admitted(struct volume *volume)
{
	volume->paid = volume->limited = false;
}
