/* Mount IDs: counted, with generations, kept over a restart of the agent but not over a boot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "volumes/mounts.h"
#include "volumes/state_file.h"

static const char boot[] = "01234567-89ab-4cde-8f01-23456789abcd";
static const char other_boot[] = "11234567-89ab-4cde-8f01-23456789abcd";
static char dir[64], path[96];
static struct error words;

static int dir_begin(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/quoin-mounts-XXXXXX");
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/mounts.json", dir);
	return 0;
}

static int dir_end(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static struct mounts *mounts_of(const char *boot_id)
{
	struct mounts *mounts = NULL;

	assert_int_equal(mounts_open(path, boot_id, &mounts, &words), 0);
	return mounts;
}

static void one_id_twice_needs_two_unmounts(void **state)
{
	struct mounts *m = mounts_of(boot);

	(void)state;
	assert_int_equal(mounts_add(m, "v", "container", &words), 0);
	assert_int_equal(mounts_add(m, "v", "container", &words), 0); /* docker cp of a running container */
	assert_int_equal(mounts_drop(m, "v", "container", &words), 0);
	assert_int_equal(mounts_count(m, "v").current, 1);
	assert_int_equal(mounts_drop(m, "v", "container", &words), 0);
	assert_int_equal(mounts_count(m, "v").current, 0);
	assert_int_equal(mounts_drop(m, "v", "container", &words), -ENOENT);
	mounts_close(m);
}

static void killed_dockerd_leaves_no_count_behind(void **state)
{
	struct mounts *m = mounts_of(boot);

	(void)state;
	assert_int_equal(mounts_add(m, "v", "a", &words), 0);
	assert_int_equal(mounts_add(m, "v", "a", &words), 0);
	assert_int_equal(mounts_add(m, "v", "b", &words), 0);
	assert_int_equal(mounts_new_generation(m, &words), 0);
	assert_int_equal(mounts_count(m, "v").current, 0);
	assert_int_equal(mounts_count(m, "v").older, 2);
	/* The restarted container mounts with its old ID, and later unmounts once. */
	assert_int_equal(mounts_add(m, "v", "a", &words), 0);
	assert_int_equal(mounts_count(m, "v").current, 1);
	assert_int_equal(mounts_drop(m, "v", "a", &words), 0);
	assert_int_equal(mounts_count(m, "v").current, 0);
	/* An unmount of an older ID drops it whatever its count was. */
	assert_int_equal(mounts_drop(m, "v", "b", &words), 0);
	assert_int_equal(mounts_count(m, "v").older, 0);
	mounts_close(m);
}

static void older_ids_alone_can_be_forgotten(void **state)
{
	struct mounts *m = mounts_of(boot);

	(void)state;
	assert_int_equal(mounts_add(m, "v", "dead", &words), 0);
	assert_int_equal(mounts_new_generation(m, &words), 0);
	assert_int_equal(mounts_add(m, "v", "alive", &words), 0);
	assert_int_equal(mounts_forget(m, "v", true, &words), 0);
	assert_int_equal(mounts_count(m, "v").older, 0);
	assert_int_equal(mounts_count(m, "v").current, 1);
	mounts_close(m);
}

static void restart_keeps_counts_and_another_boot_drops_them(void **state)
{
	struct mounts *m = mounts_of(boot);

	(void)state;
	assert_int_equal(mounts_add(m, "v", "a", &words), 0);
	assert_int_equal(mounts_add(m, "v", "a", &words), 0);
	assert_int_equal(mounts_new_generation(m, &words), 0);
	assert_int_equal(mounts_add(m, "w", "a", &words), 0);
	assert_int_equal(mounts_attached_set(m, "x", ATTACHED_DEVICE, &words), 0);
	mounts_close(m);
	m = mounts_of(boot);
	assert_int_equal(mounts_count(m, "v").older, 1);
	assert_int_equal(mounts_count(m, "w").current, 1);
	assert_int_equal(mounts_attached(m, "x"), ATTACHED_DEVICE);
	assert_int_equal(mounts_attached_set(m, "x", ATTACHED_NBD, &words), 0);
	mounts_close(m);
	m = mounts_of(boot);
	assert_int_equal(mounts_attached(m, "x"), ATTACHED_NBD);
	assert_int_equal(mounts_count(m, "x").current, 0);
	mounts_close(m);
	m = mounts_of(other_boot);
	assert_int_equal(mounts_count(m, "v").older, 0);
	assert_int_equal(mounts_count(m, "w").current, 0);
	assert_false(mounts_attached(m, "x"));
	mounts_close(m);
}

/* Tells of each holder once it is written down. */
static _Noreturn void child_adds(int told)
{
	struct mounts *m = mounts_of(boot);
	uint32_t count;

	for (;;) {
		if (mounts_add(m, "v", "a", &words))
			_exit(1);
		count = mounts_count(m, "v").current;
		if (write(told, &count, sizeof(count)) != sizeof(count))
			_exit(1);
	}
}

static void a_process_killed_at_any_moment_leaves_what_it_has_told(void **state)
{
	uint32_t told = 0, count, at_least;

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		int ends[2];
		struct mounts *m;
		pid_t child;

		assert_int_equal(pipe(ends), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			child_adds(ends[1]);
		close(ends[1]);
		at_least = told + 1 + round % 7;
		while (told < at_least)
			assert_int_equal(read(ends[0], &told, sizeof(told)), sizeof(told));
		usleep(round * 37 % 400); /* somewhere within a later one */
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		while (read(ends[0], &count, sizeof(count)) == sizeof(count))
			told = count;
		close(ends[0]);
		m = mounts_of(boot);
		/* The one that was under way is there, or isn't. */
		assert_in_range(mounts_count(m, "v").current, told, told + 1);
		told = mounts_count(m, "v").current;
		mounts_close(m);
	}
	(void)snprintf(words.text, sizeof(words.text), "%s.new", path);
	unlink(words.text);
}

static void append_name(void *arg, const char *volume)
{
	strncat(arg, volume, 8);
}

static void each_volume_is_told_once(void **state)
{
	struct mounts *m = mounts_of(boot);
	char names[64] = "";

	(void)state;
	assert_int_equal(mounts_add(m, "v", "a", &words), 0);
	assert_int_equal(mounts_add(m, "w", "a", &words), 0);
	assert_int_equal(mounts_add(m, "v", "b", &words), 0);
	mounts_each_volume(m, append_name, names);
	assert_string_equal(names, "vw");
	mounts_close(m);
}

static void damaged_file_is_an_error(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "{\"version\": 2}",
		"{\"version\": 1, \"boot_id\": \"01234567-89ab-4cde-8f01-23456789abcd\", \"generation\": 0, "
		"\"ids\": [{}]}",
		"{\"version\": 1, \"boot_id\": \"01234567-89ab-4cde-8f01-23456789abcd\", \"generation\": 0, "
		"\"ids\": "
		"[{\"volume\": \"a/b\", \"id\": \"x\", \"generation\": 0, \"count\": 1}]}" };
	struct mounts *m;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(state_file_write(path, texts[i], strlen(texts[i]), &words), 0);
		assert_int_equal(mounts_open(path, boot, &m, &words), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_id_twice_needs_two_unmounts, dir_begin, dir_end),
		cmocka_unit_test_setup_teardown(killed_dockerd_leaves_no_count_behind, dir_begin, dir_end),
		cmocka_unit_test_setup_teardown(older_ids_alone_can_be_forgotten, dir_begin, dir_end),
		cmocka_unit_test_setup_teardown(
			restart_keeps_counts_and_another_boot_drops_them, dir_begin, dir_end),
		cmocka_unit_test_setup_teardown(
			a_process_killed_at_any_moment_leaves_what_it_has_told, dir_begin, dir_end),
		cmocka_unit_test_setup_teardown(each_volume_is_told_once, dir_begin, dir_end),
		cmocka_unit_test_setup_teardown(damaged_file_is_an_error, dir_begin, dir_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
