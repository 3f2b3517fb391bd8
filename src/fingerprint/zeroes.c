/* Is there anything but zeroes? All of a file's data up to a bound; of a device the beginning, the end and
 * samples between. */
#include "fingerprint/empty.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES  (1u << 20)
#define BUDGET_BYTES (UINT64_C(64) << 20)
#define SAMPLES      32u

static bool is_zero(const uint8_t *bytes, size_t len_bytes)
{
	return len_bytes == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len_bytes - 1) == 0);
}

static int chunk_check(
	int fd, const char *path, uint8_t *chunk, uint64_t at, uint64_t len_bytes, struct error *error)
{
	ssize_t n = pread(fd, chunk, len_bytes < CHUNK_BYTES ? len_bytes : CHUNK_BYTES, (off_t)at);

	if (n < 0)
		return error_set(
			error, -errno, "%s can't be read at byte %" PRIu64 ": %s", path, at, strerror(errno));
	if (!is_zero(chunk, (size_t)n))
		return error_set(
			error, -EEXIST, "%s holds data: bytes at %" PRIu64 " are not zero", path, at);
	return 0;
}

/* A file's data, hole by hole. */
static int data_check(int fd, const char *path, uint8_t *chunk, uint64_t size_bytes, struct error *error)
{
	uint64_t budget = BUDGET_BYTES;
	off_t at = lseek(fd, 0, SEEK_DATA);
	int rc = 0;

	while (rc == 0 && at >= 0 && (uint64_t)at < size_bytes && budget > 0) {
		off_t end = lseek(fd, at, SEEK_HOLE);
		uint64_t left = (end > at ? (uint64_t)end : size_bytes) - (uint64_t)at;

		for (uint64_t done = 0; rc == 0 && done < left && budget > 0; done += CHUNK_BYTES) {
			rc = chunk_check(fd, path, chunk, (uint64_t)at + done, left - done, error);
			budget -= CHUNK_BYTES;
		}
		at = lseek(fd, at + (off_t)left, SEEK_DATA);
	}
	return rc;
}

int zeroes_check(int fd, const char *path, uint64_t size_bytes, struct error *error)
{
	uint8_t *chunk = malloc(CHUNK_BYTES);
	int rc = 0;

	if (!chunk)
		return error_set(error, -ENOMEM, "no memory to look into %s", path);
	if (lseek(fd, 0, SEEK_DATA) >= 0 || errno == ENXIO) {
		rc = data_check(fd, path, chunk, size_bytes, error);
	}
	for (uint64_t i = 0; rc == 0 && i <= SAMPLES && size_bytes > 0; i++) {
		uint64_t at = (size_bytes > CHUNK_BYTES ? size_bytes - CHUNK_BYTES : 0) / SAMPLES * i /
			      BLOCK_BYTES * BLOCK_BYTES;

		if (i == SAMPLES && size_bytes > CHUNK_BYTES)
			at = size_bytes - CHUNK_BYTES;
		rc = chunk_check(fd, path, chunk, at, size_bytes - at, error);
	}
	free(chunk);
	return rc;
}
