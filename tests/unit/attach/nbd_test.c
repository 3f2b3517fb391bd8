/* An NBD export of a volume in memory, spoken to by a client that writes the bytes itself, honest and
 * hostile. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "attach/nbd_handshake.h"
#include "rig.h"

#define VOLUME_BYTES (UINT64_C(64) << 20)

struct fixture {
	struct rig rig;
	char path[UNIX_SOCKET_PATH_MAX];
};

static int export_begin(struct fixture *f)
{
	struct blockdev_spec spec = { .name = "v", .volume = f->rig.volume, .nbd_socket = f->path };
	int rc;

	f->rig.ended = false;
	rc = blockdev_attach(f->rig.attach, &spec, &f->rig.blockdev, rig_end, &f->rig, &f->rig.error);
	return rc < 0 ? rc : rig_wait(&f->rig, 10);
}

static int setup_with(void **state, uint64_t buf_bytes)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig, NULL, VOLUME_BYTES, buf_bytes);
	snprintf(f->path, sizeof(f->path), "%s/v.sock", f->rig.dir);
	*state = f;
	return export_begin(f);
}

static int setup(void **state)
{
	return setup_with(state, UINT64_C(64) << 20);
}

static int setup_with_few_buffers(void **state)
{
	return setup_with(state, UINT64_C(3) << 20);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->rig.blockdev)
		assert_int_equal(rig_detach(&f->rig, DETACH_FORCE), 0);
	rig_done(&f->rig, false);
	free(f);
	return 0;
}

/* ---- a client ---- */

static int dial(const struct fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 20 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The loop of the other side is of this process, whose work for io_uring may cut a send short. */
static void put(int fd, const void *bytes, size_t length_bytes)
{
	const uint8_t *at = bytes;

	while (length_bytes > 0) {
		ssize_t count = send(fd, at, length_bytes, MSG_NOSIGNAL);

		assert_true(count > 0 || errno == EINTR);
		at += count > 0 ? count : 0;
		length_bytes -= count > 0 ? (size_t)count : 0;
	}
}

/* With a time limit, recv() ends with EINTR also where no signal handler ran (signal(7)). */
static ssize_t take(int fd, void *bytes, size_t length_bytes)
{
	ssize_t count;

	do
		count = recv(fd, bytes, length_bytes, MSG_WAITALL);
	while (count < 0 && errno == EINTR);
	return count;
}

static void get(int fd, void *bytes, size_t length_bytes)
{
	size_t has_bytes = 0;

	while (has_bytes < length_bytes) {
		ssize_t count = take(fd, (uint8_t *)bytes + has_bytes, length_bytes - has_bytes);

		assert_true(count > 0);
		has_bytes += (size_t)count;
	}
}

static bool is_closed(int fd)
{
	uint8_t byte;

	return take(fd, &byte, 1) <= 0;
}

/* The shortest honest way in: simple replies. */
static int client(const struct fixture *f)
{
	uint8_t bytes[64], *at;
	int fd = dial(f);

	get(fd, bytes, 18);
	at = nbd_put32(bytes, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
	at = nbd_put64(at, NBD_OPTION_MAGIC);
	at = nbd_put32(nbd_put32(at, NBD_OPT_EXPORT_NAME), 0);
	put(fd, bytes, (size_t)(at - bytes));
	get(fd, bytes, 10);
	assert_true(nbd_get64(bytes) == VOLUME_BYTES);
	return fd;
}

static void ask(int fd, uint16_t command, uint64_t cookie, uint64_t offset_bytes, uint32_t length_bytes)
{
	uint8_t bytes[NBD_REQUEST_BYTES], *at = nbd_put32(bytes, NBD_REQUEST_MAGIC);

	at = nbd_put64(nbd_put16(nbd_put16(at, 0), command), cookie);
	nbd_put32(nbd_put64(at, offset_bytes), length_bytes);
	put(fd, bytes, sizeof(bytes));
}

/* NBD's errno of the next simple reply. */
static uint32_t answer(int fd, uint64_t *ret_cookie)
{
	uint8_t bytes[16];

	get(fd, bytes, sizeof(bytes));
	assert_int_equal(nbd_get32(bytes), 0x67446698);
	*ret_cookie = nbd_get64(bytes + 8);
	return nbd_get32(bytes + 4);
}

static uint32_t answer_to(int fd, uint64_t cookie)
{
	uint64_t got, error = answer(fd, &got);

	assert_true(got == cookie);
	return (uint32_t)error;
}

static void fill(uint8_t *bytes, size_t length_bytes, unsigned seed)
{
	for (size_t i = 0; i < length_bytes; i++)
		bytes[i] = (uint8_t)(i * 31 + i / 4096 + seed);
}

/* ---- tests ---- */

static void what_is_written_is_read_in_any_size(void **state)
{
	static const uint32_t sizes[] = { 4096, 8192, 65536, 131072, 262144, 266240, 1048576 };
	struct fixture *f = *state;
	uint8_t *out = malloc(FRONT_MAX_BYTES), *in = malloc(FRONT_MAX_BYTES);
	int fd = client(f);

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fill(out, sizes[i], i);
		ask(fd, NBD_CMD_WRITE, i, (uint64_t)i << 20, sizes[i]);
		put(fd, out, sizes[i]);
		assert_int_equal(answer_to(fd, i), 0);
		assert_memory_equal(volume_memory_bytes(f->rig.volume) + ((size_t)i << 20), out, sizes[i]);
		ask(fd, NBD_CMD_READ, 100 + i, (uint64_t)i << 20, sizes[i]);
		assert_int_equal(answer_to(fd, 100 + i), 0);
		get(fd, in, sizes[i]);
		assert_memory_equal(in, out, sizes[i]);
	}
	close(fd);
	free(in);
	free(out);
}

/* Header and payload in pieces that fit nothing. */
static void a_stream_may_come_in_any_pieces(void **state)
{
	struct fixture *f = *state;
	size_t length_bytes = NBD_REQUEST_BYTES + 300 * 1024, sent = 0;
	uint8_t *bytes = malloc(length_bytes), *at;
	unsigned piece = 1;
	int fd = client(f);

	at = nbd_put16(nbd_put16(nbd_put32(bytes, NBD_REQUEST_MAGIC), 0), NBD_CMD_WRITE);
	at = nbd_put32(nbd_put64(nbd_put64(at, 7), 8192), 300 * 1024);
	fill(at, 300 * 1024, 3);
	while (sent < length_bytes) {
		size_t now = length_bytes - sent < piece ? length_bytes - sent : piece;

		put(fd, bytes + sent, now);
		sent += now;
		piece = piece * 3 % 40961 + 1;
		usleep(100);
	}
	assert_int_equal(answer_to(fd, 7), 0);
	assert_memory_equal(volume_memory_bytes(f->rig.volume) + 8192, at, 300 * 1024);
	close(fd);
	free(bytes);
}

static void many_requests_at_once_are_each_answered_once(void **state)
{
	struct fixture *f = *state;
	uint8_t block[4096];
	bool seen[500] = { false };
	int fd = client(f);

	fill(block, sizeof(block), 9);
	for (unsigned i = 0; i < 500; i++) {
		ask(fd, NBD_CMD_WRITE, i, (uint64_t)i * 4096, 4096);
		put(fd, block, sizeof(block));
	}
	for (unsigned i = 0; i < 500; i++) {
		uint64_t cookie;

		assert_int_equal(answer(fd, &cookie), 0);
		assert_true(cookie < 500 && !seen[cookie]);
		seen[cookie] = true;
	}
	close(fd);
}

struct worker {
	const struct fixture *f;
	pthread_t thread;
	unsigned index;
	bool differs;
};

/* Writes 1 MiB and reads it, in the worker's own part, again and again. */
static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	uint8_t *out = malloc(FRONT_MAX_BYTES), *in = malloc(FRONT_MAX_BYTES);
	int fd = client(worker->f);

	for (unsigned round = 0; round < 20; round++) {
		uint64_t at_bytes = (uint64_t)worker->index << 20;

		fill(out, FRONT_MAX_BYTES, worker->index + round);
		ask(fd, NBD_CMD_WRITE, round, at_bytes, FRONT_MAX_BYTES);
		put(fd, out, FRONT_MAX_BYTES);
		worker->differs |= answer_to(fd, round) != 0;
		ask(fd, NBD_CMD_READ, round, at_bytes, FRONT_MAX_BYTES);
		worker->differs |= answer_to(fd, round) != 0;
		get(fd, in, FRONT_MAX_BYTES);
		worker->differs |= memcmp(in, out, FRONT_MAX_BYTES) != 0;
	}
	close(fd);
	free(in);
	free(out);
	return NULL;
}

/* Buffers for three requests, six clients: they wait for each other, and all get through. */
static void a_shortage_of_buffers_makes_clients_wait_not_fail(void **state)
{
	struct worker workers[6];

	for (unsigned i = 0; i < 6; i++) {
		workers[i] = (struct worker){ .f = *state, .index = i };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]), 0);
	}
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
		assert_false(workers[i].differs);
	}
}

/* A client that asks and never reads holds no more than its share of the buffers. */
static void a_client_that_does_not_read_starves_nobody(void **state)
{
	struct fixture *f = *state;
	uint8_t *bytes = malloc(FRONT_MAX_BYTES);
	int deaf = client(f), fd = client(f);

	for (unsigned i = 0; i < 100; i++)
		ask(deaf, NBD_CMD_READ, i, 0, FRONT_MAX_BYTES);
	usleep(50000);
	for (unsigned i = 0; i < 10; i++) {
		ask(fd, NBD_CMD_READ, i, 0, FRONT_MAX_BYTES);
		assert_int_equal(answer_to(fd, i), 0);
		get(fd, bytes, FRONT_MAX_BYTES);
	}
	for (unsigned i = 0; i < 100; i++) { /* it wakes up */
		uint64_t cookie;

		assert_int_equal(answer(deaf, &cookie), 0);
		get(deaf, bytes, FRONT_MAX_BYTES);
	}
	close(deaf);
	close(fd);
	free(bytes);
}

static void a_refused_write_is_skipped_and_the_stream_goes_on(void **state)
{
	struct fixture *f = *state;
	uint8_t *bytes = calloc(1, 2 * FRONT_MAX_BYTES);
	int fd = client(f);

	ask(fd, NBD_CMD_WRITE, 1, VOLUME_BYTES, 8192);
	put(fd, bytes, 8192);
	assert_int_equal(answer_to(fd, 1), 28); /* ENOSPC */
	ask(fd, NBD_CMD_WRITE, 2, 0, 2 * FRONT_MAX_BYTES);
	put(fd, bytes, 2 * FRONT_MAX_BYTES);
	assert_int_equal(answer_to(fd, 2), 22); /* EINVAL */
	ask(fd, NBD_CMD_READ, 3, 100, 512);
	assert_int_equal(answer_to(fd, 3), 22);
	ask(fd, 77, 4, 0, 0);
	assert_int_equal(answer_to(fd, 4), 22);
	ask(fd, NBD_CMD_FLUSH, 5, 0, 0);
	assert_int_equal(answer_to(fd, 5), 0);
	ask(fd, NBD_CMD_READ, 6, 0, 0);
	assert_int_equal(answer_to(fd, 6), 0);
	close(fd);
	free(bytes);
}

static void a_client_that_speaks_nonsense_loses_its_connection_only(void **state)
{
	struct fixture *f = *state;
	uint8_t junk[256];
	int honest = client(f), hostile;

	memset(junk, 0xa5, sizeof(junk));
	hostile = dial(f); /* in the handshake */
	put(hostile, junk, sizeof(junk));
	get(hostile, junk, 18);
	assert_true(is_closed(hostile));
	close(hostile);
	memset(junk, 0xa5, sizeof(junk));
	hostile = client(f); /* behind it */
	put(hostile, junk, sizeof(junk));
	assert_true(is_closed(hostile));
	close(hostile);
	hostile = client(f); /* gone in the middle of a payload */
	ask(hostile, NBD_CMD_WRITE, 1, 0, FRONT_MAX_BYTES);
	put(hostile, junk, sizeof(junk));
	close(hostile);
	ask(honest, NBD_CMD_FLUSH, 5, 0, 0);
	assert_int_equal(answer_to(honest, 5), 0);
	close(honest);
}

static void one_connection_too_many_is_closed_and_the_others_serve(void **state)
{
	struct fixture *f = *state;
	int fds[16], more;

	for (unsigned i = 0; i < 16; i++)
		fds[i] = client(f);
	more = dial(f);
	assert_true(is_closed(more));
	close(more);
	for (unsigned i = 0; i < 16; i++) {
		ask(fds[i], NBD_CMD_FLUSH, i, 0, 0);
		assert_int_equal(answer_to(fds[i], i), 0);
		close(fds[i]);
	}
}

static void a_leaving_client_gets_its_answers_first(void **state)
{
	struct fixture *f = *state;
	uint8_t block[4096] = { 1 };
	int fd = client(f);

	volume_memory_hold(f->rig.volume, true);
	ask(fd, NBD_CMD_WRITE, 1, 0, 4096);
	put(fd, block, sizeof(block));
	ask(fd, NBD_CMD_DISC, 0, 0, 0);
	usleep(50000);
	volume_memory_hold(f->rig.volume, false);
	assert_int_equal(answer_to(fd, 1), 0);
	assert_true(is_closed(fd));
	close(fd);
}

static void an_export_in_use_is_not_withdrawn_but_by_force(void **state)
{
	struct fixture *f = *state;
	uint8_t block[4096] = { 1 };
	struct stat info;
	int fd = client(f);

	assert_int_equal(stat(f->path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0660);
	assert_int_equal(rig_detach(&f->rig, DETACH_CLEAN), -EBUSY);
	assert_non_null(strstr(f->rig.error.text, "1 NBD client is connected"));
	ask(fd, NBD_CMD_FLUSH, 5, 0, 0);
	assert_int_equal(answer_to(fd, 5), 0);
	volume_memory_hold(f->rig.volume, true); /* no quorum: nothing will be answered */
	ask(fd, NBD_CMD_WRITE, 1, 0, 4096);
	put(fd, block, sizeof(block));
	usleep(20000);
	assert_int_equal(rig_detach(&f->rig, DETACH_FORCE), 0);
	f->rig.blockdev = NULL;
	assert_true(is_closed(fd));
	close(fd);
	volume_memory_fail(f->rig.volume, -EIO); /* as the volume's end does */
	volume_memory_hold(f->rig.volume, false);
	assert_int_equal(stat(f->path, &info), -1);
}

static void errors_of_the_volume_reach_the_client(void **state)
{
	struct fixture *f = *state;
	uint8_t block[4096] = { 1 };
	int fd = client(f);

	volume_memory_fail(f->rig.volume, -EIO);
	ask(fd, NBD_CMD_WRITE, 1, 0, 4096);
	put(fd, block, sizeof(block));
	assert_int_equal(answer_to(fd, 1), 5);
	ask(fd, NBD_CMD_READ, 2, 0, FRONT_MAX_BYTES);
	assert_int_equal(answer_to(fd, 2), 5);
	volume_memory_fail(f->rig.volume, 0);
	ask(fd, NBD_CMD_TRIM, 3, 0, 1u << 20);
	assert_int_equal(answer_to(fd, 3), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_is_read_in_any_size, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stream_may_come_in_any_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(
			many_requests_at_once_are_each_answered_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_shortage_of_buffers_makes_clients_wait_not_fail, setup_with_few_buffers, teardown),
		cmocka_unit_test_setup_teardown(a_client_that_does_not_read_starves_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_refused_write_is_skipped_and_the_stream_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_client_that_speaks_nonsense_loses_its_connection_only, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_connection_too_many_is_closed_and_the_others_serve, setup, teardown),
		cmocka_unit_test_setup_teardown(a_leaving_client_gets_its_answers_first, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_export_in_use_is_not_withdrawn_but_by_force, setup, teardown),
		cmocka_unit_test_setup_teardown(errors_of_the_volume_reach_the_client, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
