/* A bounded measurement of a raw disk: it only reads. */
#include "fingerprint/fingerprint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/percentile.h"
#include "fingerprint/measure_depth.h"

#define BUDGET_DEFAULT_MS 2500u
#define BUDGET_MAX_MS     3000u
#define SAMPLES_MAX       512u
#define CHUNK_BYTES       (1u << 20)
#define WIDE_MAX_BYTES    (UINT64_C(64) << 20) /* read in order */

struct run {
	int fd;
	struct random random;
	uint8_t *chunk;
	uint64_t span_bytes; /* what may be read */
	uint32_t us[SAMPLES_MAX];
	struct measurement result;
};

static uint64_t now_ns(void)
{
	return clock_now_ns(clock_system());
}

int measure_read(int fd, void *to, uint32_t length_bytes, uint64_t offset_bytes)
{
	ssize_t n = pread(fd, to, length_bytes, (off_t)offset_bytes);

	if (n < 0)
		return -errno;
	return n == (ssize_t)length_bytes ? 0 : -EIO;
}

static uint32_t mib_per_s(uint64_t bytes, uint64_t ns)
{
	return ns == 0 ? 0 : (uint32_t)(bytes * NS_PER_S / ns >> 20);
}

static uint64_t random_block(struct run *run)
{
	return random_below(&run->random, run->span_bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

static int read_random(struct run *run, uint64_t until_ns)
{
	uint32_t count = 0;
	int rc = 0;

	while (rc == 0 && count < SAMPLES_MAX && (count == 0 || now_ns() < until_ns)) {
		uint64_t begin_ns = now_ns();

		rc = measure_read(run->fd, run->chunk, BLOCK_BYTES, random_block(run));
		run->us[count++] = (uint32_t)((now_ns() - begin_ns) / NS_PER_US);
	}
	run->result.samples_read = count;
	percentiles(run->us, count, &run->result.read_p50_us, &run->result.read_p99_us);
	return rc;
}

static int read_sequential(struct run *run, uint64_t until_ns)
{
	uint64_t begin_ns = now_ns(), at = 0;
	int rc = 0;

	while (rc == 0 && at + CHUNK_BYTES <= run->span_bytes && at < WIDE_MAX_BYTES &&
		(at == 0 || now_ns() < until_ns)) {
		rc = measure_read(run->fd, run->chunk, CHUNK_BYTES, at);
		at += CHUNK_BYTES;
	}
	run->result.read_mib_s = mib_per_s(at, now_ns() - begin_ns);
	return rc;
}

static int run_all(struct run *run, uint64_t begin_ns, uint64_t budget_ns)
{
	int rc = read_random(run, begin_ns + budget_ns * 4 / 10);

	if (rc == 0)
		rc = measure_depth(
			run->fd, run->span_bytes, begin_ns + budget_ns * 6 / 10, &run->result.read_iops);
	if (rc == 0)
		rc = read_sequential(run, begin_ns + budget_ns);
	return rc;
}

int measure_run(int fd, uint64_t size_bytes, uint32_t budget_ms, struct measurement *ret_measurement,
	struct error *error)
{
	struct run *run;
	uint64_t begin_ns = now_ns();
	int rc;

	if (size_bytes < CHUNK_BYTES)
		return error_set(error, -EINVAL, "%llu bytes are too few to measure: at least 1 MiB",
			(unsigned long long)size_bytes);
	if (budget_ms == 0)
		budget_ms = BUDGET_DEFAULT_MS;
	if (budget_ms > BUDGET_MAX_MS)
		budget_ms = BUDGET_MAX_MS;
	run = calloc(1, sizeof(*run));
	if (!run)
		return error_set(error, -ENOMEM, "no memory to measure with");
	run->fd = fd;
	run->span_bytes = size_bytes / BLOCK_BYTES * BLOCK_BYTES;
	random_init_system(&run->random);
	run->chunk = aligned_alloc(BLOCK_BYTES, CHUNK_BYTES);
	if (!run->chunk) {
		free(run);
		return error_set(error, -ENOMEM, "no memory to measure with");
	}
	rc = run_all(run, begin_ns, budget_ms * NS_PER_MS);
	if (rc == 0) {
		run->result.took_ms = (uint32_t)((now_ns() - begin_ns) / NS_PER_MS);
		run->result.wall_ns = clock_wall_ns(clock_system());
		*ret_measurement = run->result;
	} else {
		error_set(error, rc, "it can't be measured: %s", strerror(-rc));
	}
	free(run->chunk);
	free(run);
	return rc;
}
