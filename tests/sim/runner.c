/*
 *   runner                        worker (a process; one for each job)
 *     fork ------------------------> takes the next seed, says which, runs it, reports: again and again
 *     reads reports <-- pipe ------- struct report
 *     end of the pipe: it ended by itself, or the seed that it has taken last, and not reported, killed it
 */
#include "sim/runner.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/child.h"
#include "sim/memory.h"

#define MAX_JOBS         64u
#define SEEDS_PER_WORKER 200u
/* A worker holds what the largest of its seeds took: behind one that took much another worker begins. */
#define WORKER_KIB (512u << 10)

struct report {
	uint64_t seed;
	struct seed_result result;
};

/* Between runner and workers. */
struct shared {
	_Atomic uint64_t next;
	_Atomic bool stop;
	_Atomic uint64_t taken[MAX_JOBS]; /* UINT64_MAX: none */
};

struct slot {
	struct child child;
	unsigned index;
	int reports[2];
	const struct runner_options *options;
	struct shared *shared;
};

static bool is_more(struct shared *shared, const struct runner_options *options)
{
	return atomic_load(&shared->next) <= options->to && !atomic_load(&shared->stop);
}

static bool is_large(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return used.ru_maxrss > (long)WORKER_KIB;
}

static void work(void *arg)
{
	const struct slot *slot = arg;
	struct shared *shared = slot->shared;
	unsigned left = memory_begin() && !slot->options->alone ? SEEDS_PER_WORKER : 1;

	for (; left > 0 && is_more(shared, slot->options); left--) {
		struct report report = { .seed = atomic_fetch_add(&shared->next, 1) };

		if (report.seed > slot->options->to)
			return;
		atomic_store(&shared->taken[slot->index], report.seed);
		child_allow_cpu();
		cluster_run(report.seed, slot->options->liveness, slot->options->print, &report.result);
		ASSERT(write(slot->reports[1], &report, sizeof(report)) == (ssize_t)sizeof(report));
		memory_reset();
		disks_forget();
		if (is_large())
			return;
	}
}

static void slot_start(struct slot *slot)
{
	_Static_assert(sizeof(struct report) <= 4096, "a report is written at once");
	ASSERT(pipe(slot->reports) == 0);
	atomic_store(&slot->shared->taken[slot->index], UINT64_MAX);
	child_start(&slot->child, work, slot);
	close(slot->reports[1]);
}

static void count(const struct slot *slot, const struct report *report, struct runner_totals *totals)
{
	const struct seed_result *result = &report->result;

	totals->seeds++;
	totals->simulated_ns += result->simulated_ns;
	totals->operations += result->operations;
	totals->reads += result->reads;
	totals->events += result->events;
	totals->excused += result->excused;
	totals->hash +=
		hash_mix(hash_mix(report->seed, report->seed), result->hash); /* in whatever order they end */
	if (!result->violation[0])
		return;
	totals->violations++;
	if (totals->first_violation_after == 0)
		totals->first_violation_after = totals->seeds;
	if (slot->options->stop_at_first)
		atomic_store(&slot->shared->stop, true);
	if (slot->options->failed)
		slot->options->failed(report->seed, result->violation);
}

/* Its pipe has ended, and so has the worker, or will. */
static void slot_ended(struct slot *slot, struct runner_totals *totals)
{
	struct report report = { .seed = atomic_load(&slot->shared->taken[slot->index]) };
	int status;

	close(slot->reports[0]);
	ASSERT(waitpid(slot->child.pid, &status, 0) == slot->child.pid);
	child_ended(&slot->child, status, report.result.violation, sizeof(report.result.violation));
	if (report.result.violation[0])
		count(slot, &report, totals);
}

static void slot_read(struct slot *slot, struct runner_totals *totals)
{
	struct report report;
	ssize_t got = read(slot->reports[0], &report, sizeof(report));

	if (got < 0 && errno == EINTR)
		return;
	if (got == (ssize_t)sizeof(report))
		count(slot, &report, totals);
	else
		slot_ended(slot, totals);
}

/* False: none is under way any more. */
static bool wait_for_one(struct slot *slots, unsigned jobs, struct runner_totals *totals)
{
	struct pollfd polls[MAX_JOBS];
	unsigned running = 0;

	for (unsigned i = 0; i < jobs; i++) {
		bool is_running = slots[i].child.pid != 0;

		polls[i] = (struct pollfd){ .fd = is_running ? slots[i].reports[0] : -1, .events = POLLIN };
		running += is_running;
	}
	if (running == 0)
		return false;
	if (poll(polls, jobs, -1) < 0)
		return true;
	for (unsigned i = 0; i < jobs; i++)
		if (polls[i].revents != 0)
			slot_read(&slots[i], totals);
	return true;
}

void runner_run(const struct runner_options *options, struct runner_totals *ret_totals)
{
	struct shared *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct slot slots[MAX_JOBS] = { 0 };
	unsigned jobs = options->jobs > MAX_JOBS ? MAX_JOBS : options->jobs;

	ASSERT(shared != MAP_FAILED && jobs > 0);
	*ret_totals = (struct runner_totals){ 0 };
	atomic_store(&shared->next, options->from);
	do {
		for (unsigned i = 0; i < jobs; i++) {
			if (slots[i].child.pid != 0 || !is_more(shared, options))
				continue;
			slots[i].index = i;
			slots[i].options = options;
			slots[i].shared = shared;
			slot_start(&slots[i]);
		}
	} while (wait_for_one(slots, jobs, ret_totals));
	munmap(shared, sizeof(*shared));
}
