/* What this node is. */
#include "fingerprint/fingerprint.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "fingerprint/sysfs.h"

void node_facts_get(struct node_facts *ret_facts)
{
	struct node_facts facts = { .cores = 0 };
	struct utsname name;
	struct sysinfo info;
	cpu_set_t cpus;

	if (uname(&name) == 0) {
		snprintf(facts.hostname, sizeof(facts.hostname), "%.64s", name.nodename);
		snprintf(facts.kernel, sizeof(facts.kernel), "%.64s", name.release);
	}
	sysfs_text("/proc/sys/kernel/random", "boot_id", facts.boot_id, sizeof(facts.boot_id));
	if (sysinfo(&info) == 0)
		facts.memory_bytes = (uint64_t)info.totalram * info.mem_unit;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		facts.cores = (uint32_t)CPU_COUNT(&cpus);
	*ret_facts = facts;
}
