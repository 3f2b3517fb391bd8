/* The real device on a file: what is written is read, one agent at a time, and trouble is told in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/loop.h"
#include "store/device.h"

#define FILE_BYTES (1u << 20)

static struct uring_loop *loop;
static struct device *device;
static char dir[64], path[96];
static uint8_t *memory; /* FILE_BYTES, aligned */
static struct random dice;

static int setup(void **state)
{
	struct error error;
	int fd;

	(void)state;
	random_init(&dice, 1);
	(void)snprintf(dir, sizeof(dir), "/var/tmp/quoin-device-XXXXXX"); /* a disk: /tmp may be a tmpfs */
	if (!mkdtemp(dir) || uring_loop_new(clock_system(), &loop, &error) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/pool", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, FILE_BYTES + 100) < 0)
		return -1;
	close(fd);
	memory = aligned_alloc(BLOCK_BYTES, FILE_BYTES);
	if (device_uring_open(loop, path, &device, &error) < 0) {
		print_error("%s\n", error.text);
		return -1;
	}
	return memory ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	if (device)
		device->ops->close(device);
	device = NULL;
	uring_loop_free(loop);
	free(memory);
	unlink(path);
	rmdir(dir);
	return 0;
}

struct one_io {
	struct device_io io;
	int rc;
	unsigned calls;
};

static unsigned waiting;

static void io_done(struct device_io *io, int rc)
{
	struct one_io *one = container_of(io, struct one_io, io);

	one->rc = rc;
	one->calls++;
	if (--waiting == 0)
		uring_loop_stop(loop);
}

static void begin(struct one_io *one)
{
	*one = (struct one_io){ .io.fn = io_done };
	waiting++;
}

static int finish(struct one_io *one)
{
	assert_int_equal(one->calls, 0); /* never inside the call */
	uring_loop_run(loop);
	assert_int_equal(one->calls, 1);
	return one->rc;
}

static int transfer(bool write, const struct iovec *iov, unsigned iov_count, uint64_t offset_bytes)
{
	struct one_io one;

	begin(&one);
	(write ? device->ops->write : device->ops->read)(device, &one.io, iov, iov_count, offset_bytes);
	return finish(&one);
}

static int flush(void)
{
	struct one_io one;

	begin(&one);
	device->ops->flush(device, &one.io);
	return finish(&one);
}

static void the_file_is_described(void **state)
{
	(void)state;
	assert_int_equal(device->size_bytes, FILE_BYTES); /* whole blocks only */
	assert_true(device->is_file);
	assert_false(device->write_through);
}

static void what_is_written_is_read(void **state)
{
	struct iovec whole = { memory, FILE_BYTES / 2 };
	/* In three pieces, the last first. */
	struct iovec pieces[3] = { { memory + 3 * FILE_BYTES / 4, FILE_BYTES / 4 },
		{ memory + FILE_BYTES / 2, BLOCK_BYTES },
		{ memory + FILE_BYTES / 2 + BLOCK_BYTES, BLOCK_BYTES } };

	(void)state;
	random_bytes(&dice, memory, FILE_BYTES / 2);
	memset(memory + FILE_BYTES / 2, 0, FILE_BYTES / 2);
	assert_int_equal(transfer(true, &whole, 1, BLOCK_BYTES), 0);
	assert_int_equal(flush(), 0);
	assert_int_equal(transfer(false, pieces, 3, BLOCK_BYTES), 0);
	assert_memory_equal(memory, pieces[0].iov_base, FILE_BYTES / 4);
	assert_memory_equal(memory + FILE_BYTES / 4, memory + FILE_BYTES / 2, 2 * BLOCK_BYTES);
	assert_int_equal(transfer(true, pieces, 3, 0), 0);
	assert_int_equal(transfer(false, &(struct iovec){ memory, BLOCK_BYTES }, 1, FILE_BYTES / 4), 0);
	assert_memory_equal(memory, pieces[1].iov_base, BLOCK_BYTES);
}

static void many_operations_at_once_all_come_back(void **state)
{
	static struct one_io ios[FILE_BYTES / BLOCK_BYTES];
	static struct iovec iov[FILE_BYTES / BLOCK_BYTES];

	(void)state;
	random_bytes(&dice, memory, FILE_BYTES);
	for (uint32_t i = 0; i < FILE_BYTES / BLOCK_BYTES; i++) {
		iov[i] = (struct iovec){ memory + i * BLOCK_BYTES, BLOCK_BYTES };
		begin(&ios[i]);
		device->ops->write(device, &ios[i].io, &iov[i], 1, i * BLOCK_BYTES);
	}
	uring_loop_run(loop);
	for (uint32_t i = 0; i < FILE_BYTES / BLOCK_BYTES; i++)
		assert_int_equal(ios[i].calls == 1 ? ios[i].rc : -1, 0);
}

static void a_short_transfer_is_an_error(void **state)
{
	struct iovec iov = { memory, 4 * BLOCK_BYTES };

	(void)state;
	assert_int_equal(truncate(path, FILE_BYTES - BLOCK_BYTES), 0);
	assert_int_equal(transfer(false, &iov, 1, FILE_BYTES - 4 * BLOCK_BYTES), -EIO);
}

static void discarded_bytes_of_a_file_are_zero(void **state)
{
	struct iovec iov = { memory, 16 * BLOCK_BYTES };
	struct one_io one;

	(void)state;
	memset(memory, 7, 16 * BLOCK_BYTES);
	assert_int_equal(transfer(true, &iov, 1, 0), 0);
	begin(&one);
	device->ops->discard(device, &one.io, 0, 15 * BLOCK_BYTES);
	assert_int_equal(finish(&one), 0);
	assert_int_equal(transfer(false, &iov, 1, 0), 0);
	for (uint32_t i = 0; i < 15 * BLOCK_BYTES; i++)
		assert_int_equal(memory[i], 0);
	assert_int_equal(memory[15 * BLOCK_BYTES], 7);
}

/* ---- who holds it ---- */

static void a_held_file_is_refused_with_its_path_and_holder(void **state)
{
	struct device *second;
	struct error error;
	char process[32];
	uint64_t begin_ns = clock_now_ns(clock_system());

	(void)state;
	assert_int_equal(device_uring_open(loop, path, &second, &error), -EBUSY);
	assert_in_range(clock_now_ns(clock_system()) - begin_ns, NS_PER_S / 2, 4 * NS_PER_S);
	assert_non_null(strstr(error.text, path));
	(void)snprintf(process, sizeof(process), "process %d", getpid());
	assert_non_null(strstr(error.text, process));
}

static void *close_later(void *arg)
{
	(void)arg;
	usleep(100 * 1000);
	device->ops->close(device);
	return NULL;
}

static void a_lock_that_goes_in_time_is_waited_for(void **state)
{
	struct device *second;
	struct error error;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, close_later, NULL), 0);
	assert_int_equal(device_uring_open(loop, path, &second, &error), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	device = second;
}

static void expect_refused(const char *which, int rc, const char *word)
{
	struct device *none;
	struct error error;

	assert_int_equal(device_uring_open(loop, which, &none, &error), rc);
	assert_non_null(strstr(error.text, which));
	assert_non_null(strstr(error.text, word));
}

static void what_is_no_pool_is_refused_in_words(void **state)
{
	(void)state;
	expect_refused("/nowhere/pool", -ENOENT, "No such file");
	expect_refused(dir, -EISDIR, "directory");
	expect_refused("/dev/null", -ENOTBLK, "neither");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_file_is_described),
		TEST(what_is_written_is_read),
		TEST(many_operations_at_once_all_come_back),
		TEST(a_short_transfer_is_an_error),
		TEST(discarded_bytes_of_a_file_are_zero),
		TEST(a_held_file_is_refused_with_its_path_and_holder),
		TEST(a_lock_that_goes_in_time_is_waited_for),
		TEST(what_is_no_pool_is_refused_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
