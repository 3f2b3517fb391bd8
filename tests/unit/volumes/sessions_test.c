/* Which session is named as dead, and which never. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "volumes/sessions.h"

static char dir[64], path[96], lock[96], other_lock[96];
static const struct uuid v1 = { { 1 } }, v2 = { { 2 } };
static const char boot[] = "11111111-1111-1111-1111-111111111111";

static int dir_make(void **state)
{
	(void)state;
	/* Each session is flushed: in memory, where there is such a place. */
	snprintf(
		dir, sizeof(dir), "%s/quoin-sessions-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sessions.json", dir);
	snprintf(lock, sizeof(lock), "%s/lock", dir);
	snprintf(other_lock, sizeof(other_lock), "%s/other", dir);
	return 0;
}

static int dir_drop(void **state)
{
	(void)state;
	unlink(path);
	unlink(lock);
	unlink(other_lock);
	return rmdir(dir);
}

static struct sessions *start(const char *boot_id, const char *lock_path)
{
	struct sessions *sessions = NULL;
	struct error error;
	int fd = open(lock_path, O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(sessions_open(path, boot_id, fd, &sessions, &error), 0);
	close(fd);
	return sessions;
}

static uint64_t begin(struct sessions *sessions, struct uuid volume, uint64_t session)
{
	struct error error;
	uint64_t dead = 77;

	assert_int_equal(sessions_begin(sessions, volume, session, &dead, &error), 0);
	return dead;
}

static void a_former_process_is_dead(void **state)
{
	struct sessions *sessions = start(boot, lock);

	(void)state;
	assert_int_equal(begin(sessions, v1, 5), 0);
	assert_int_equal(begin(sessions, v2, UINT64_MAX), 0);
	sessions_free(sessions);
	sessions = start(boot, lock);
	assert_int_equal(begin(sessions, v2, 7), UINT64_MAX);
	assert_int_equal(begin(sessions, v1, 6), 5);
	sessions_free(sessions);
	sessions = start(boot, lock);
	assert_int_equal(begin(sessions, v1, 8), 6);
	sessions_free(sessions);
}

static void one_of_this_process_is_dead_when_it_is_closed(void **state)
{
	struct sessions *sessions = start(boot, lock);

	(void)state;
	assert_int_equal(begin(sessions, v1, 5), 0);
	assert_int_equal(begin(sessions, v1, 6), 0);
	sessions_end(sessions, v1);
	assert_int_equal(begin(sessions, v1, 7), 6);
	sessions_free(sessions);
}

static void another_boot_claims_nothing(void **state)
{
	struct sessions *sessions = start(boot, lock);

	(void)state;
	begin(sessions, v1, 5);
	sessions_free(sessions);
	sessions = start("22222222-2222-2222-2222-222222222222", lock);
	assert_int_equal(begin(sessions, v1, 6), 0);
	sessions_free(sessions);
}

/* A copy of the directory has a lock file of its own, and its agent may be started beside the first. */
static void another_lock_claims_nothing(void **state)
{
	struct sessions *sessions = start(boot, lock);

	(void)state;
	begin(sessions, v1, 5);
	sessions_free(sessions);
	sessions = start(boot, other_lock);
	assert_int_equal(begin(sessions, v1, 6), 0);
	sessions_free(sessions);
}

static void a_damaged_table_claims_nothing(void **state)
{
	struct sessions *sessions = start(boot, lock);
	FILE *file;

	(void)state;
	begin(sessions, v1, 5);
	sessions_free(sessions);
	file = fopen(path, "r+");
	assert_non_null(file);
	fputs("{\"version\": 1, \"boot_id\"", file);
	fclose(file);
	sessions = start(boot, lock);
	assert_int_equal(begin(sessions, v1, 6), 0);
	sessions_free(sessions);
}

static void the_table_is_bounded(void **state)
{
	struct sessions *sessions = start(boot, lock);
	struct uuid volume = { { 0 } };

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < SESSIONS_MAX / 2; k++) {
			volume.byte[0] = (uint8_t)i;
			volume.byte[1] = (uint8_t)(k >> 8);
			volume.byte[2] = (uint8_t)k;
			begin(sessions, volume, k + 1);
			sessions_end(sessions, volume);
		}
	assert_int_equal(begin(sessions, volume, 9999), SESSIONS_MAX / 2);
	volume = (struct uuid){ { 0 } };
	assert_int_equal(begin(sessions, volume, 9998), 0); /* forgotten */
	sessions_free(sessions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_former_process_is_dead, dir_make, dir_drop),
		cmocka_unit_test_setup_teardown(
			one_of_this_process_is_dead_when_it_is_closed, dir_make, dir_drop),
		cmocka_unit_test_setup_teardown(another_boot_claims_nothing, dir_make, dir_drop),
		cmocka_unit_test_setup_teardown(another_lock_claims_nothing, dir_make, dir_drop),
		cmocka_unit_test_setup_teardown(a_damaged_table_claims_nothing, dir_make, dir_drop),
		cmocka_unit_test_setup_teardown(the_table_is_bounded, dir_make, dir_drop),
	};

	return cmocka_run_group_tests_name("volumes sessions", tests, NULL, NULL);
}
