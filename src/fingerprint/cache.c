#include "fingerprint/cache.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_FORM 2u

static int cache_path(
	const char *dir, const struct device_facts *facts, const char *ending, char *to, size_t to_bytes)
{
	uint32_t key = crc32c(facts->id, sizeof(facts->id));

	return snprintf(to, to_bytes, "%s/%08" PRIx32 "%s", dir, key, ending) < (int)to_bytes ? 0
											      : -ENAMETOOLONG;
}

int cache_read(const char *dir, const struct device_facts *facts, struct measurement *ret_measurement)
{
	char path[PATH_MAX], id[sizeof(facts->id)] = "";
	struct measurement m = { .took_ms = 0 };
	uint64_t size_bytes;
	unsigned form;
	FILE *file;
	int n;

	if (cache_path(dir, facts, "", path, sizeof(path)) != 0)
		return -ENOENT;
	file = fopen(path, "re");
	if (!file)
		return -ENOENT;
	n = fscanf(file,
		"form %u size %" SCNu64 " read %" SCNu32 " %" SCNu32 " write %" SCNu32 " %" SCNu32
		" mib %" SCNu32 " %" SCNu32 " iops %" SCNu32 " samples %" SCNu32 " %" SCNu32 " took %" SCNu32
		" at %" SCNu64 " id %255[^\n]",
		&form, &size_bytes, &m.read_p50_us, &m.read_p99_us, &m.write_p50_us, &m.write_p99_us,
		&m.read_mib_s, &m.write_mib_s, &m.read_iops, &m.samples_read, &m.samples_write, &m.took_ms,
		&m.wall_ns, id);
	fclose(file);
	if (n != 14 || form != CACHE_FORM || size_bytes != facts->size_bytes || strcmp(id, facts->id) != 0)
		return -ENOENT;
	*ret_measurement = m;
	return 0;
}

void cache_write(const char *dir, const struct device_facts *facts, const struct measurement *m)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	FILE *file;
	int n;

	if (cache_path(dir, facts, "", path, sizeof(path)) != 0 ||
		cache_path(dir, facts, ".new", fresh, sizeof(fresh)) != 0)
		return;
	(void)mkdir(dir, 0700);
	file = fopen(fresh, "we");
	if (!file)
		return;
	n = fprintf(file,
		"form %u size %" PRIu64 " read %" PRIu32 " %" PRIu32 " write %" PRIu32 " %" PRIu32
		" mib %" PRIu32 " %" PRIu32 " iops %" PRIu32 " samples %" PRIu32 " %" PRIu32 " took %" PRIu32
		" at %" PRIu64 " id %s\n",
		CACHE_FORM, facts->size_bytes, m->read_p50_us, m->read_p99_us, m->write_p50_us,
		m->write_p99_us, m->read_mib_s, m->write_mib_s, m->read_iops, m->samples_read,
		m->samples_write, m->took_ms, m->wall_ns, facts->id);
	if (fclose(file) != 0 || n < 0 || rename(fresh, path) != 0)
		(void)unlink(fresh);
}
