/* All of it: facts, the cache, a measurement, a judgement. */
#include "fingerprint/fingerprint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fingerprint/cache.h"

#define AREA_MAX_BYTES (UINT64_C(64) << 20)
#define AREA_MIN_BYTES (UINT64_C(1) << 20)

/* What was written to measure is taken away again: the file or device was zeroes, and is. */
static int area_clear(int fd, bool is_file, uint64_t length_bytes)
{
	uint64_t range[2] = { 0, length_bytes };

	if (is_file)
		return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)length_bytes) == 0
			       ? 0
			       : -errno;
	return ioctl(fd, BLKZEROOUT, range) == 0 ? 0 : -errno;
}

static int measure_path(const struct fingerprint_options *options, const struct device_facts *facts,
	struct measurement *ret, struct error *error)
{
	uint64_t length_bytes = facts->size_bytes < AREA_MAX_BYTES || !options->may_write ? facts->size_bytes
											  : AREA_MAX_BYTES;
	struct measure_fd at = { .offset_bytes = 0 };
	struct measure_area area;
	int rc, cleared;

	at.fd = open(options->path, (options->may_write ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	if (at.fd < 0 && errno == EINVAL)
		at.fd = open(options->path,
			(options->may_write ? O_RDWR : O_RDONLY) | O_CLOEXEC); /* tmpfs of old kernels */
	if (at.fd < 0)
		return error_set(error, -errno, "%s can't be opened to measure it: %s", options->path,
			strerror(errno));
	area = measure_area_fd(&at, length_bytes, options->may_write);
	rc = measure_run(&area, options->budget_ms, ret, error);
	if (options->may_write) {
		cleared = area_clear(at.fd, facts->is_file, length_bytes);
		if (cleared != 0 && rc == 0)
			rc = error_set(error, cleared, "%s was measured, but can't be zeroed again: %s",
				options->path, strerror(-cleared));
	}
	close(at.fd);
	return rc;
}

int fingerprint_get(
	const struct fingerprint_options *options, struct fingerprint *ret_fingerprint, struct error *error)
{
	struct fingerprint f = { .measured = false };
	struct stat st;
	int rc = device_facts_get(options->path, &f.facts, error);

	if (rc != 0)
		return rc;
	if (options->cache_dir && !options->fresh &&
		cache_read(options->cache_dir, &f.facts, &f.measurement) == 0) {
		f.measured = true;
		f.from_cache = true;
	} else if (options->area) {
		rc = measure_run(options->area, options->budget_ms, &f.measurement, error);
		f.measured = rc == 0;
	} else if (f.facts.size_bytes >= AREA_MIN_BYTES && stat(options->path, &st) == 0 &&
		   !S_ISDIR(st.st_mode)) {
		rc = measure_path(options, &f.facts, &f.measurement, error);
		f.measured = rc == 0;
	}
	if (rc != 0)
		return rc;
	if (f.measured && !f.from_cache && options->cache_dir)
		cache_write(options->cache_dir, &f.facts, &f.measurement);
	f.tier = tier_judge(&f.facts, f.measured ? &f.measurement : NULL, f.tier_reason);
	*ret_fingerprint = f;
	return 0;
}
