/* Reads at depth, by as many threads: the simplest way to keep a disk's queue filled for a moment. */
#include "fingerprint/measure_depth.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct reader_thread {
	pthread_t thread;
	int fd;
	struct random random;
	uint64_t span_bytes, until_ns;
	uint64_t count;
	int rc;
};

static void *read_until(void *arg)
{
	struct reader_thread *reader = arg;
	void *block = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);

	reader->rc = block ? 0 : -ENOMEM;
	while (reader->rc == 0 && (reader->count == 0 || clock_now_ns(clock_system()) < reader->until_ns)) {
		uint64_t at = random_below(&reader->random, reader->span_bytes / BLOCK_BYTES) * BLOCK_BYTES;

		reader->rc = measure_read(reader->fd, block, BLOCK_BYTES, at);
		reader->count++;
	}
	free(block);
	return NULL;
}

int measure_depth(int fd, uint64_t span_bytes, uint64_t until_ns, uint32_t *ret_iops)
{
	struct reader_thread readers[MEASURE_DEPTH];
	uint64_t begin_ns = clock_now_ns(clock_system()), took_ns, count = 0;
	unsigned started = 0;
	int rc = 0;

	for (; started < MEASURE_DEPTH && rc == 0; started++) {
		readers[started] =
			(struct reader_thread){ .fd = fd, .span_bytes = span_bytes, .until_ns = until_ns };
		random_init_system(&readers[started].random);
		rc = -pthread_create(&readers[started].thread, NULL, read_until, &readers[started]);
		if (rc != 0)
			break;
	}
	for (unsigned i = 0; i < started; i++) {
		ASSERT(pthread_join(readers[i].thread, NULL) == 0);
		if (rc == 0)
			rc = readers[i].rc;
		count += readers[i].count;
	}
	took_ns = clock_now_ns(clock_system()) - begin_ns;
	if (rc == 0)
		*ret_iops = (uint32_t)(count * NS_PER_S / (took_ns ? took_ns : 1));
	return rc;
}
