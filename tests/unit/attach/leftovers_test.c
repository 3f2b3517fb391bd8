/* An agent is killed with a volume attached; the next one on its state directory takes all of it down. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

struct victim {
	pid_t pid;
	char dir[64];
	char device[64];
	char mountpoint[ATTACH_PATH_MAX];
};

/* A process of its own that attaches and mounts, says so, and goes on for ever. */
static void victim_start(struct victim *victim, bool held)
{
	struct rig rig;
	int pipe_fds[2];
	ssize_t n;

	memset(victim, 0, sizeof(*victim));
	(void)snprintf(victim->dir, sizeof(victim->dir), "/tmp/quoin-attach-XXXXXX");
	assert_non_null(mkdtemp(victim->dir));
	assert_int_equal(pipe(pipe_fds), 0);
	victim->pid = fork();
	assert_true(victim->pid >= 0);
	if (victim->pid == 0) {
		rig_init(&rig, victim->dir, RIG_VOLUME_BYTES, UINT64_C(64) << 20);
		if (rig_attach(&rig) < 0 || rig_make_and_mount(&rig, "ext4") < 0)
			_exit(1);
		if (held)
			volume_memory_hold(rig.volume, true);
		(void)snprintf(victim->device, sizeof(victim->device), "%s", blockdev_path(rig.blockdev));
		(void)!write(pipe_fds[1], victim->device, sizeof(victim->device));
		for (;;)
			rig_turn(&rig);
	}
	close(pipe_fds[1]);
	n = read(pipe_fds[0], victim->device, sizeof(victim->device));
	assert_int_equal(n, sizeof(victim->device));
	close(pipe_fds[0]);
	(void)snprintf(victim->mountpoint, sizeof(victim->mountpoint), "%s/state/mnt/v1", victim->dir);
}

static void victim_kill(struct victim *victim)
{
	assert_int_equal(kill(victim->pid, SIGKILL), 0);
	assert_int_equal(waitpid(victim->pid, NULL, 0), victim->pid);
}

/* Of a file below `dir`: the device's number may be another test's by now. */
__attribute__((noinline)) static bool loop_is_free(const char *device, const char *dir)
{
	char path[128], file[ATTACH_PATH_MAX] = "";
	ssize_t count = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "/sys/block/%.20s/loop/backing_file", strrchr(device, '/') + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		count = read(fd, file, sizeof(file) - 1);
		close(fd);
	}
	return count <= 0 || strncmp(file, dir, strlen(dir)) != 0;
}

static void what_a_killed_agent_left_is_taken_down(void **state)
{
	struct victim victim;
	struct rig rig;

	(void)state;
	victim_start(&victim, false);
	victim_kill(&victim);
	assert_false(loop_is_free(victim.device, victim.dir));
	rig_init(&rig, victim.dir, RIG_VOLUME_BYTES, UINT64_C(64) << 20);
	assert_int_equal(rig_clean(&rig), 0);
	/* Filesystem, loop device, FUSE mount, link. */
	assert_int_equal(rig.found_count, 4);
	assert_true(loop_is_free(victim.device, victim.dir));
	assert_false(fs_is_mounted(rig.attach, "v1", NULL));
	/* A second look finds nothing, and the volume can be attached again. */
	assert_int_equal(rig_clean(&rig), 0);
	assert_int_equal(rig.found_count, 0);
	assert_int_equal(rig_attach(&rig), 0);
	assert_int_equal(rig_detach(&rig, DETACH_CLEAN), 0);
	rig_done(&rig, false);
}

static void a_filesystem_in_use_is_left_to_its_last_user(void **state)
{
	struct victim victim;
	struct rig rig;
	int fd;

	(void)state;
	victim_start(&victim, false);
	fd = open(victim.mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	victim_kill(&victim);
	rig_init(&rig, victim.dir, RIG_VOLUME_BYTES, UINT64_C(64) << 20);
	assert_int_equal(rig_clean(&rig), 0);
	assert_false(fs_is_mounted(rig.attach, "v1", NULL));
	assert_int_equal(rig_attach(&rig), 0);
	assert_string_not_equal(blockdev_path(rig.blockdev), victim.device);
	assert_int_equal(rig_detach(&rig, DETACH_CLEAN), 0);
	close(fd);
	for (int i = 0; i < 2000 && !loop_is_free(victim.device, victim.dir); i++)
		usleep(10000);
	assert_true(loop_is_free(victim.device, victim.dir));
	rig_done(&rig, false);
}

/* Writers that wait for a quorum are no reason that the agent can't die. */
static void an_agent_dies_at_once_though_io_waits(void **state)
{
	struct victim victim;
	struct rig rig;
	pid_t writer;

	(void)state;
	victim_start(&victim, true);
	writer = fork();
	if (writer == 0) {
		char path[ATTACH_PATH_MAX + 16];
		int fd;

		(void)snprintf(path, sizeof(path), "%s/file", victim.mountpoint);
		fd = open(path, O_RDWR | O_CREAT, 0600);
		(void)!write(fd, "x", 1);
		(void)fsync(fd);
		_exit(0);
	}
	usleep(200000);
	victim_kill(&victim);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	rig_init(&rig, victim.dir, RIG_VOLUME_BYTES, UINT64_C(64) << 20);
	assert_int_equal(rig_clean(&rig), 0);
	assert_true(loop_is_free(victim.device, victim.dir));
	rig_done(&rig, false);
}

static void what_belongs_to_another_agent_is_left_alone(void **state)
{
	struct victim victim;
	struct rig rig, other;
	char link[160];

	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* the thread sanitizer can't follow a fork of a process that has threads */
#endif
	rig_init(&other, NULL, RIG_VOLUME_BYTES, UINT64_C(64) << 20);
	victim_start(&victim, false);
	assert_int_equal(rig_attach(&other), 0);
	victim_kill(&victim);
	/* Its link lies in the directory that both share. */
	(void)snprintf(link, sizeof(link), "%s/links/v1", victim.dir);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink(blockdev_path(other.blockdev), link), 0);
	rig_init(&rig, victim.dir, RIG_VOLUME_BYTES, UINT64_C(64) << 20);
	assert_int_equal(rig_clean(&rig), 0);
	assert_false(loop_is_free(blockdev_path(other.blockdev), other.dir));
	assert_int_equal(unlink(link), 0);
	rig_done(&rig, false);
	assert_int_equal(rig_detach(&other, DETACH_CLEAN), 0);
	rig_done(&other, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_killed_agent_left_is_taken_down),
		cmocka_unit_test(a_filesystem_in_use_is_left_to_its_last_user),
		cmocka_unit_test(an_agent_dies_at_once_though_io_waits),
		cmocka_unit_test(what_belongs_to_another_agent_is_left_alone),
	};
	const char *why_not = rig_why_not();

	if (why_not) {
		(void)printf("skipped: %s\n", why_not);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
