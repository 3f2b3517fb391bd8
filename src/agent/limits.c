#include "agent/agent.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#define DESCRIPTORS_WANTED 65536u

static void limit_raise(int what, const char *name, rlim_t wanted)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)what, &limit) || limit.rlim_cur == RLIM_INFINITY ||
		limit.rlim_cur >= wanted)
		return;
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted) {
		struct rlimit higher = { wanted, wanted };

		if (!setrlimit((__rlimit_resource_t)what, &higher))
			return;
		log_warning(
			"%s stays at %llu: %s", name, (unsigned long long)limit.rlim_max, strerror(errno));
		wanted = limit.rlim_max;
	}
	limit.rlim_cur = wanted;
	if (setrlimit((__rlimit_resource_t)what, &limit))
		log_warning("%s stays as it is: %s", name, strerror(errno));
}

void agent_limits_set(void)
{
	limit_raise(RLIMIT_NOFILE, "the number of open files", DESCRIPTORS_WANTED);
	limit_raise(RLIMIT_MEMLOCK, "locked memory", RLIM_INFINITY);
}
