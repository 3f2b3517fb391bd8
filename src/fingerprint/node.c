/* What this node is. */
#include "fingerprint/fingerprint.h"

#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "fingerprint/sysfs.h"

#define LINK_MAX_MBIT_S 10000000u /* -1, read without its sign, is more */

/* Most virtual links tell -1 or nothing; the loopback interface has no file at all. */
static uint32_t link_speed(void)
{
	DIR *dir = opendir("/sys/class/net");
	struct dirent *entry;
	uint64_t fastest = 0;

	while (dir && (entry = readdir(dir)) != NULL) {
		char folder[NAME_MAX + 32], text[16];
		uint64_t speed;

		snprintf(folder, sizeof(folder), "/sys/class/net/%s", entry->d_name);
		if (entry->d_name[0] == '.' ||
			strcmp(sysfs_text(folder, "operstate", text, sizeof(text)), "up") != 0)
			continue;
		speed = sysfs_number(folder, "speed", 0);
		if (speed > fastest && speed < LINK_MAX_MBIT_S)
			fastest = speed;
	}
	if (dir)
		closedir(dir);
	return (uint32_t)fastest;
}

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
	facts.link_mbit_s = link_speed();
	*ret_facts = facts;
}
