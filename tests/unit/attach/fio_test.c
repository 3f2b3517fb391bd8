/*
 * fio over a real device, with verification; by hand: meson test --suite attach. An argument "bench" instead
 * prints figures of the front alone: the volume below is memory, what is measured is kernel, FUSE, loop and
 * this process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

static int run_fio(struct rig *rig, const char *const *options)
{
	char filename[128];
	const char *argv[32] = { "fio", "--name=test", filename, "--direct=1", "--ioengine=libaio", NULL };
	size_t count = 5;
	int status = -1;
	pid_t pid;

	(void)snprintf(filename, sizeof(filename), "--filename=%s", blockdev_path(rig->blockdev));
	while (*options && count < 31)
		argv[count++] = *options++;
	argv[count] = NULL;
	pid = fork();
	if (pid == 0) {
		execvp("fio", (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void begin(struct rig *rig, uint64_t buf_bytes)
{
	rig_init(rig, NULL, RIG_VOLUME_BYTES, buf_bytes);
	assert_int_equal(rig_attach(rig), 0);
}

static void end(struct rig *rig)
{
	assert_int_equal(rig_detach(rig, DETACH_CLEAN), 0);
	rig_done(rig, false);
}

static void verify(uint64_t buf_bytes, uint64_t delay_ns)
{
	const char *options[] = { "--rw=randrw", "--bsrange=4k-128k", "--blockalign=4k", "--iodepth=32",
		"--size=256m", "--verify=crc32c", "--runtime=8", "--verify_fatal=1", "--verify_backlog=512",
		"--output-format=terse", "--output=/dev/null", NULL };
	struct rig rig;

	begin(&rig, buf_bytes);
	volume_memory_delay(rig.volume, delay_ns);
	assert_int_equal(run_fio(&rig, options), 0);
	end(&rig);
}

static void random_reads_and_writes_of_all_sizes_verify(void **state)
{
	(void)state;
	verify(UINT64_C(64) << 20, 0);
}

static void they_verify_when_buffers_are_scarce_and_the_volume_is_slow(void **state)
{
	(void)state;
	verify(UINT64_C(3) << 20, NS_PER_MS / 2);
}

static double cpu_seconds(void)
{
	struct rusage use;

	(void)getrusage(RUSAGE_SELF, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void bench(void)
{
	static const char *const modes[][2] = { { "--rw=randwrite", "--iodepth=1" },
		{ "--rw=randwrite", "--iodepth=32" }, { "--rw=randread", "--iodepth=1" },
		{ "--rw=randread", "--iodepth=32" } };

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		const char *options[] = { modes[i][0], modes[i][1], "--bs=4k", "--size=256m", "--runtime=4",
			"--time_based", "--output=/dev/null", NULL };
		struct blockdev_stats stats;
		double before;
		struct rig rig;

		begin(&rig, UINT64_C(64) << 20);
		before = cpu_seconds();
		assert_int_equal(run_fio(&rig, options), 0);
		blockdev_stats_get(rig.blockdev, &stats);
		(void)printf("%s %s: %lu/s, %.2f us of CPU each, %.1f requests a wake-up, %lu stalls\n",
			modes[i][0], modes[i][1], stats.requests / 4,
			(cpu_seconds() - before) * 1e6 / (double)stats.requests,
			(double)stats.requests / (double)stats.wakeups, stats.stalls);
		end(&rig);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_reads_and_writes_of_all_sizes_verify),
		cmocka_unit_test(they_verify_when_buffers_are_scarce_and_the_volume_is_slow),
	};
	const char *why_not = rig_why_not();

	if (why_not || access("/usr/bin/fio", X_OK) != 0) {
		(void)printf("skipped: %s\n", why_not ? why_not : "fio is not installed");
		return 77;
	}
	if (argc > 1 && strcmp(argv[1], "bench") == 0) {
		bench();
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
