/* The SQLite backend passes the suite; and what only a file on a machine can do wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "kvdb_suite.h"

struct fixture {
	uv_loop_t loop;
	uv_timer_t tick;
	char folder[64];
	char path[96];
	uint32_t keep_revisions;
	struct kvdb_suite suite;
};

static struct kvdb *open_at(struct fixture *fixture, const char *path)
{
	struct kvdb_sqlite_options options = { .path = path, .keep_revisions = fixture->keep_revisions };
	struct kvdb *kvdb;
	struct error error;

	assert_int_equal(kvdb_sqlite_open(&fixture->loop, &options, &kvdb, &error), 0);
	return kvdb;
}

static struct kvdb *fixture_open(void *user)
{
	struct fixture *fixture = user;

	return open_at(fixture, fixture->path);
}

static void ticked(uv_timer_t *timer)
{
	(void)timer;
}

static void fixture_turn(void *user)
{
	struct fixture *fixture = user;

	uv_update_time(&fixture->loop); /* else the timer may be over before the turn waits */
	(void)uv_timer_start(&fixture->tick, ticked, 20, 0);
	(void)uv_run(&fixture->loop, UV_RUN_ONCE);
}

static uint64_t fixture_now(void *user)
{
	(void)user;
	return clock_now_ns(clock_system());
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	assert_int_equal(uv_loop_init(&fixture->loop), 0);
	assert_int_equal(uv_timer_init(&fixture->loop, &fixture->tick), 0);
	/* Processes are killed here, not machines: memory is as good as a disk, and does not wait for one. */
	(void)snprintf(fixture->folder, sizeof(fixture->folder), "%s/quoin-kvdb-test-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(fixture->folder));
	(void)snprintf(fixture->path, sizeof(fixture->path), "%s/meta.db", fixture->folder);
	fixture->suite = (struct kvdb_suite){ fixture_open, fixture_turn, fixture_now, fixture };
	*state = &fixture->suite;
	return 0;
}

static void file_remove(const struct fixture *fixture)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char path[128];

	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", fixture->path, ends[i]);
		(void)unlink(path);
	}
}

static int teardown(void **state)
{
	struct fixture *fixture = ((struct kvdb_suite *)*state)->user;

	uv_close((uv_handle_t *)&fixture->tick, NULL);
	(void)uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	file_remove(fixture);
	assert_int_equal(rmdir(fixture->folder), 0);
	free(fixture);
	return 0;
}

static void file_write(const char *path, const void *bytes, size_t len_bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len_bytes), len_bytes);
	(void)close(fd);
}

/* ---- files ---- */

static void what_was_committed_is_there_after_reopening(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb_answer got;
	uint64_t revision = kvdb_suite_put(suite, a, "/k", "v", 0, NULL).revision;

	kvdb_suite_close(suite, a);
	a = suite->open(suite->user);
	got = kvdb_suite_get(suite, a, "/k");
	assert_string_equal(got.values[0], "v");
	assert_true(got.mod_revision == revision);
	kvdb_suite_close(suite, a);
}

static void a_file_that_is_no_database_is_one_clear_error_and_untouched(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	char text[8192];
	char after[8192];
	struct kvdb_answer got;
	struct kvdb *a;
	int fd;

	memset(text, 'x', sizeof(text));
	file_write(fixture->path, text, sizeof(text));
	a = suite->open(suite->user);
	got = kvdb_suite_get(suite, a, "/k");
	assert_int_equal(got.rc, -EBADMSG);
	assert_non_null(strstr(got.error, fixture->path));
	assert_int_equal(kvdb_suite_put(suite, a, "/k", "v", 0, NULL).rc, -EBADMSG);
	kvdb_suite_close(suite, a);
	fd = open(fixture->path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, after, sizeof(after)), sizeof(after));
	assert_memory_equal(text, after, sizeof(text));
	(void)close(fd);
}

static void another_programs_database_is_refused_and_untouched(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	struct stat before, after;
	struct kvdb_answer got;
	struct kvdb *a;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE birds (name TEXT)", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	assert_int_equal(stat(fixture->path, &before), 0);
	a = suite->open(suite->user);
	got = kvdb_suite_get(suite, a, "/k");
	assert_int_equal(got.rc, -EBADMSG);
	assert_non_null(strstr(got.error, "another program"));
	kvdb_suite_close(suite, a);
	assert_int_equal(stat(fixture->path, &after), 0);
	assert_true(before.st_size == after.st_size);
	assert_true(before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
		    before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
}

static void a_newer_version_is_refused(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb_answer got;
	sqlite3 *db;

	assert_int_equal(kvdb_suite_put(suite, a, "/k", "v", 0, NULL).rc, 0);
	kvdb_suite_close(suite, a);
	assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 9", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	a = suite->open(suite->user);
	got = kvdb_suite_get(suite, a, "/k");
	assert_int_equal(got.rc, -EBADMSG);
	assert_non_null(strstr(got.error, "version 9"));
	kvdb_suite_close(suite, a);
}

static void a_scribbled_file_is_one_clear_error(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	struct kvdb *a = suite->open(suite->user);
	char junk[4096];
	struct kvdb_answer got;
	int fd;

	for (int i = 0; i < 200; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "/k/%d", i);
		assert_int_equal(kvdb_suite_put(suite, a, key, "some value that takes room", 0, NULL).rc, 0);
	}
	kvdb_suite_close(suite, a);
	memset(junk, 0xa5, sizeof(junk));
	fd = open(fixture->path, O_WRONLY | O_CLOEXEC);
	for (off_t at = 4096; at < 6 * 4096; at += 4096)
		assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
	(void)close(fd);
	a = suite->open(suite->user);
	got = kvdb_suite_list(suite, a, "/k/");
	assert_int_equal(got.rc, -EBADMSG);
	assert_non_null(strstr(got.error, "damaged"));
	kvdb_suite_close(suite, a);
}

static void a_folder_that_is_missing_is_eagain_until_it_is_there(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	char folder[96];
	char path[128];
	struct kvdb *a;
	struct kvdb_answer got;

	(void)snprintf(folder, sizeof(folder), "%s/sub", fixture->folder);
	(void)snprintf(path, sizeof(path), "%s/meta.db", folder);
	a = open_at(fixture, path);
	got = kvdb_suite_get(suite, a, "/k");
	assert_int_equal(got.rc, -EAGAIN);
	assert_non_null(strstr(got.error, path));
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(kvdb_suite_put(suite, a, "/k", "v", 0, NULL).rc, 0);
	kvdb_suite_close(suite, a);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/meta.db-wal", folder);
	(void)unlink(path);
	assert_int_equal(rmdir(folder), 0);
}

static void a_file_that_was_removed_is_not_made_again(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	struct kvdb *a = suite->open(suite->user);
	struct stat info;

	assert_int_equal(kvdb_suite_put(suite, a, "/k", "v", 0, NULL).rc, 0);
	file_remove(fixture);
	kvdb_suite_sleep(suite, 400);
	assert_int_equal(kvdb_suite_get(suite, a, "/k").rc, -EAGAIN);
	assert_int_equal(stat(fixture->path, &info), -1);
	kvdb_suite_close(suite, a);
}

static void a_lock_that_another_process_keeps_is_eagain(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb_answer put;
	sqlite3 *db;

	assert_int_equal(kvdb_suite_put(suite, a, "/k", "v", 0, NULL).rc, 0);
	assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	put = kvdb_suite_put(suite, a, "/k", "w", 0, NULL);
	assert_int_equal(put.rc, -EAGAIN);
	assert_non_null(strstr(put.error, "busy"));
	assert_string_equal(kvdb_suite_get(suite, a, "/k").values[0], "v");
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	assert_int_equal(kvdb_suite_put(suite, a, "/k", "w", 0, NULL).rc, 0);
	kvdb_suite_close(suite, a);
}

static void a_relative_path_is_refused(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	struct kvdb_sqlite_options options = { .path = "meta.db" };
	struct kvdb *kvdb;
	struct error error;

	assert_int_equal(kvdb_sqlite_open(&fixture->loop, &options, &kvdb, &error), -EINVAL);
	assert_non_null(strstr(error.text, "meta.db"));
}

/* ---- watches of the file ---- */

struct losses {
	unsigned events, lost;
	int rc;
};

static void count_events(void *arg, const struct kvdb_event *events, size_t count, uint64_t revision)
{
	struct losses *losses = arg;

	(void)events;
	(void)revision;
	losses->events += (unsigned)count;
}

static void count_lost(void *arg, int rc, const struct error *error)
{
	struct losses *losses = arg;

	assert_true(error->text[0] != 0);
	losses->lost++;
	losses->rc = rc;
}

static void a_watch_from_before_what_is_kept_is_lost(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	struct losses losses = { 0 };
	struct kvdb_watch_callbacks callbacks = { count_events, count_lost, &losses };
	struct kvdb_watch *watch;
	struct kvdb *a;

	fixture->keep_revisions = 10;
	a = suite->open(suite->user);
	for (int i = 0; i < 30; i++)
		assert_int_equal(kvdb_suite_put(suite, a, "/k", "v", 0, NULL).rc, 0);
	assert_int_equal(kvdb_watch(a, (const char *[]){ "/" }, 1, 2, &callbacks, &watch), 0);
	kvdb_suite_sleep(suite, 200);
	assert_int_equal(losses.lost, 1);
	assert_int_equal(losses.rc, -ESTALE);
	assert_int_equal(losses.events, 0);
	kvdb_suite_close(suite, a);
}

static void file_copy(const char *from, const char *to)
{
	static char bytes[1 << 20];
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	ssize_t got = read(fd, bytes, sizeof(bytes));

	assert_true(got > 0 && got < (ssize_t)sizeof(bytes));
	(void)close(fd);
	file_write(to, bytes, (size_t)got);
}

static void a_database_from_a_backup_is_noticed(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	struct losses losses = { 0 };
	struct kvdb_watch_callbacks callbacks = { count_events, count_lost, &losses };
	struct kvdb *a = suite->open(suite->user);
	char backup[128];
	struct kvdb_watch *watch;
	uint64_t revision = 0;

	(void)snprintf(backup, sizeof(backup), "%s.backup", fixture->path);
	assert_int_equal(kvdb_suite_put(suite, a, "/k", "old", 0, NULL).rc, 0);
	kvdb_suite_close(suite, a);
	file_copy(fixture->path, backup);
	a = suite->open(suite->user);
	for (int i = 0; i < 5; i++)
		revision = kvdb_suite_put(suite, a, "/k", "new", 0, NULL).revision;
	assert_int_equal(kvdb_watch(a, (const char *[]){ "/" }, 1, revision + 1, &callbacks, &watch), 0);
	kvdb_suite_sleep(suite, 100);
	file_remove(fixture);
	assert_int_equal(rename(backup, fixture->path), 0);
	kvdb_suite_sleep(suite, 800);
	assert_int_equal(losses.lost, 1);
	assert_int_equal(losses.rc, -ESTALE);
	assert_string_equal(kvdb_suite_get(suite, a, "/k").values[0], "old");
	kvdb_suite_close(suite, a);
}

/* ---- several processes ---- */

static int atoi_checked(const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	assert_true(*end == 0 && end != text && number < 1000);
	return (int)number;
}

#define INCREMENTS 25

/* Raises the counter by compare-and-set; a byte into the pipe for each success. Returns only at the end. */
static void child_run(const char *path, int pipe_fd)
{
	struct fixture fixture = { .keep_revisions = 0 };
	struct kvdb_suite suite = { fixture_open, fixture_turn, fixture_now, &fixture };
	struct kvdb *kvdb;
	int left = INCREMENTS;

	(void)snprintf(fixture.path, sizeof(fixture.path), "%s", path);
	(void)uv_loop_init(&fixture.loop);
	(void)uv_timer_init(&fixture.loop, &fixture.tick);
	kvdb = fixture_open(&fixture);
	while (left > 0) {
		struct kvdb_answer got = kvdb_suite_get(&suite, kvdb, "/counter");
		struct kvdb_compare compare = {
			.kind = KVDB_IF_REVISION, .key = "/counter", .revision = got.mod_revision
		};
		char value[16];

		(void)snprintf(value, sizeof(value), "%d", got.rc == 0 ? atoi_checked(got.values[0]) + 1 : 1);
		if ((got.rc == 0 || got.rc == -ENOENT) &&
			kvdb_suite_put(&suite, kvdb, "/counter", value, 0, &compare).rc == 0) {
			left--;
			if (write(pipe_fd, "+", 1) != 1)
				_exit(1);
		}
	}
	_exit(0);
}

/* One of three is killed in the middle: nothing that was answered is lost, and nothing happens twice. */
static void agents_count_together_and_a_killed_one_takes_nothing_with_it(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	struct kvdb *a;
	pid_t children[3];
	int fds[2];
	int told = 0;
	int counted;
	char byte;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	for (int i = 0; i < 3; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			child_run(fixture->path, fds[1]);
	}
	(void)close(fds[1]);
	while (read(fds[0], &byte, 1) == 1) {
		if (++told == INCREMENTS)
			assert_int_equal(kill(children[0], SIGKILL), 0);
	}
	(void)close(fds[0]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
	a = suite->open(suite->user);
	counted = atoi_checked(kvdb_suite_get(suite, a, "/counter").values[0]);
	assert_true(counted == told || counted == told + 1); /* one may have died before it could tell */
	assert_true(told >= 2 * INCREMENTS);
	kvdb_suite_close(suite, a);
}

int main(int argc, char **argv)
{
#define OWN(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest own[] = {
		OWN(what_was_committed_is_there_after_reopening),
		OWN(a_file_that_is_no_database_is_one_clear_error_and_untouched),
		OWN(another_programs_database_is_refused_and_untouched),
		OWN(a_newer_version_is_refused),
		OWN(a_scribbled_file_is_one_clear_error),
		OWN(a_folder_that_is_missing_is_eagain_until_it_is_there),
		OWN(a_file_that_was_removed_is_not_made_again),
		OWN(a_lock_that_another_process_keeps_is_eagain),
		OWN(a_relative_path_is_refused),
		OWN(a_watch_from_before_what_is_kept_is_lost),
		OWN(a_database_from_a_backup_is_noticed),
		OWN(agents_count_together_and_a_killed_one_takes_nothing_with_it),
	};
	struct CMUnitTest *suite = calloc(kvdb_suite_test_count, sizeof(*suite));
	int failed = 0;

	if (!suite || argc != 2)
		return 2;
	for (size_t i = 0; i < kvdb_suite_test_count; i++)
		suite[i] = (struct CMUnitTest){ kvdb_suite_tests[i].name, kvdb_suite_tests[i].fn, setup,
			teardown, NULL };
	if (strcmp(argv[1], "suite") == 0)
		failed = _cmocka_run_group_tests(
			"kvdb suite: SQLite", suite, kvdb_suite_test_count, NULL, NULL);
	else
		failed = cmocka_run_group_tests_name("kvdb SQLite", own, NULL, NULL);
	free(suite);
	return failed;
}
