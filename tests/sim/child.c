#include "sim/child.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What takes so long of CPU runs in circles. */
#define CHILD_CPU_SECONDS 120u

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(2);
}

void child_allow_cpu(void)
{
	struct rusage used;
	struct rlimit cpu = { 0, RLIM_INFINITY };

	getrusage(RUSAGE_SELF, &used);
	cpu.rlim_cur = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + CHILD_CPU_SECONDS;
	setrlimit(RLIMIT_CPU, &cpu);
}

void child_start(struct child *child, void (*fn)(void *arg), void *arg)
{
	struct rlimit no_core = { 0, 0 };
	int fds[2];

	must(pipe(fds) == 0, "pipe");
	fflush(stdout);
	child->error_fd = fds[0];
	child->pid = fork();
	must(child->pid >= 0, "fork");
	if (child->pid > 0) {
		close(fds[1]);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	child_allow_cpu();
	setrlimit(RLIMIT_CORE, &no_core);
	dup2(fds[1], STDERR_FILENO);
	mallopt(M_MMAP_THRESHOLD, 64 << 10); /* large arrays stay untouched until they are used */
	fn(arg);
	fflush(stdout);
	_exit(0);
}

/* The last line that it wrote, or the signal. */
static void died_of(const struct child *child, int status, char *text, size_t len)
{
	char line[4096];
	ssize_t got = read(child->error_fd, line, sizeof(line) - 1);
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
		while ((got = read(child->error_fd, line, sizeof(line) - 1)) > 0)
			fwrite(line, 1, (size_t)got, stderr);
		snprintf(text, len, "a sanitizer's report");
		return;
	}
	snprintf(text, len, "%.*s", (int)(end > len - 1 ? len - 1 : end), line);
}

void child_ended(struct child *child, int status, char *text, size_t text_len)
{
	text[0] = '\0';
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		died_of(child, status, text, text_len);
	close(child->error_fd);
	child->pid = 0;
}

struct run {
	void (*fn)(const void *arg, char text[static 512]);
	const void *arg;
	char text[512];
};

static void run_it(void *arg)
{
	struct run *run = arg;

	run->fn(run->arg, run->text);
}

void child_run(void (*fn)(const void *arg, char text[static 512]), const void *arg, char text[static 512])
{
	struct run *run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct child child;
	int status;

	must(run != MAP_FAILED, "mmap");
	run->fn = fn;
	run->arg = arg;
	child_start(&child, run_it, run);
	must(waitpid(child.pid, &status, 0) == child.pid, "waitpid");
	child_ended(&child, status, text, 512);
	if (!text[0])
		memcpy(text, run->text, sizeof(run->text));
	munmap(run, sizeof(*run));
}
