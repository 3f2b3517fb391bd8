#include "sim/runner.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#define MAX_JOBS 64u
/* A seed that takes so long of CPU runs in circles. */
#define SEED_CPU_SECONDS 120u

struct slot {
	pid_t pid;
	uint64_t seed;
	int error_fd; /* the child's standard error */
};

struct shared {
	struct seed_result results[MAX_JOBS];
};

static void child_run(
	const struct runner_options *options, uint64_t seed, struct seed_result *result, int error_fd)
{
	struct rlimit cpu = { SEED_CPU_SECONDS, SEED_CPU_SECONDS + 1 };
	struct rlimit no_core = { 0, 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &no_core);
	dup2(error_fd, STDERR_FILENO);
	mallopt(M_MMAP_THRESHOLD, 64 << 10); /* large arrays stay untouched until they are used */
	cluster_run(seed, options->liveness, options->print, result);
	fflush(stdout);
	_exit(0);
}

static void slot_start(
	const struct runner_options *options, struct slot *slot, uint64_t seed, struct seed_result *result)
{
	int fds[2];

	memset(result, 0, sizeof(*result));
	if (pipe(fds) != 0) {
		perror("pipe");
		exit(2);
	}
	fflush(stdout);
	slot->seed = seed;
	slot->error_fd = fds[0];
	slot->pid = fork();
	if (slot->pid < 0) {
		perror("fork");
		exit(2);
	}
	if (slot->pid == 0)
		child_run(options, seed, result, fds[1]);
	close(fds[1]);
}

/* Why the process died: the last line that it wrote, or the signal. */
static void died_of(struct slot *slot, int status, char *text, size_t len)
{
	char line[4096];
	ssize_t got = read(slot->error_fd, line, sizeof(line) - 1);
	size_t end;

	if (got <= 0) {
		snprintf(text, len, "the process ended with %s %d", WIFSIGNALED(status) ? "signal" : "status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		return;
	}
	line[got] = '\0';
	end = strcspn(line, "\n");
	if (strncmp(line, "=====", 5) == 0) { /* a sanitizer's report: all of it */
		fputs(line, stderr);
		while ((got = read(slot->error_fd, line, sizeof(line) - 1)) > 0)
			fwrite(line, 1, (size_t)got, stderr);
		snprintf(text, len, "a sanitizer's report");
		return;
	}
	snprintf(text, len, "%.*s", (int)(end > len - 1 ? len - 1 : end), line);
}

static void slot_finished(const struct runner_options *options, struct slot *slot, struct seed_result *result,
	int status, struct runner_totals *totals)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		died_of(slot, status, result->violation, sizeof(result->violation));
	close(slot->error_fd);
	slot->pid = 0;
	totals->seeds++;
	totals->simulated_ns += result->simulated_ns;
	totals->operations += result->operations;
	totals->reads += result->reads;
	totals->events += result->events;
	totals->hash +=
		hash_mix(hash_mix(slot->seed, slot->seed), result->hash); /* in whatever order they end */
	if (!result->violation[0])
		return;
	totals->violations++;
	if (totals->first_violation_after == 0)
		totals->first_violation_after = totals->seeds;
	if (options->failed)
		options->failed(slot->seed, result->violation);
}

void runner_run(const struct runner_options *options, struct runner_totals *ret_totals)
{
	struct shared *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct slot slots[MAX_JOBS] = { 0 };
	unsigned jobs = options->jobs > MAX_JOBS ? MAX_JOBS : options->jobs;
	uint64_t next = options->from;
	unsigned running = 0;

	ASSERT(shared != MAP_FAILED && jobs > 0);
	*ret_totals = (struct runner_totals){ 0 };
	for (;;) {
		bool more = next <= options->to && !(options->stop_at_first && ret_totals->violations > 0);
		int status;
		pid_t pid;

		if (more && running < jobs) {
			unsigned i = 0;

			while (slots[i].pid != 0)
				i++;
			slot_start(options, &slots[i], next++, &shared->results[i]);
			running++;
			continue;
		}
		if (running == 0)
			break;
		pid = wait(&status);
		for (unsigned i = 0; i < jobs; i++)
			if (slots[i].pid == pid) {
				slot_finished(options, &slots[i], &shared->results[i], status, ret_totals);
				running--;
			}
	}
	munmap(shared, sizeof(*shared));
}
