/*
 * floor: the least that a durable write to a quorum of replicas can cost on this machine.
 *
 *   coordinator process               replica processes (one for each remote replica)
 *     write to the own file             receive a block -> write it to the own file -> answer
 *     and, at the same moment,
 *     send to each remote replica
 *     done at the quorum's durable answer
 *
 * One io_uring a process, O_DIRECT files that were written before, TCP over loopback. No checksums, map,
 * journal, order, lease or recovery: it is a floor to measure against, not a storage system.
 *
 * usage: floor --dir DIR [--block 4096] [--depth 1] [--seconds 5] [--durable none|dsync|flush] [--replicas 3]
 *              [--size-mib 256]
 * Prints one JSON object: iops, mib_per_s, latencies in microseconds, CPU seconds of all processes.
 */
#include "floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct floor_options options = {
	.block_bytes = 4096,
	.depth = 1,
	.seconds = 5,
	.replicas = 3,
	.size_bytes = UINT64_C(256) << 20,
};

void fail(const char *what)
{
	(void)fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- starting the replicas ---- */

static void set_no_delay(int sock)
{
	int one = 1;

	if (setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		fail("TCP_NODELAY");
}

/* Forks replica `index` and returns the socket to it. It ends when the socket is closed. */
static int start_replica(unsigned index)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), sock;
	pid_t child;

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, bytes) < 0 ||
		listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&address, &bytes) < 0)
		fail("listen");
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		sock = accept(listener, NULL, NULL);
		if (sock < 0)
			fail("accept");
		set_no_delay(sock);
		replica_run(sock, index);
	}
	sock = socket(AF_INET, SOCK_STREAM, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&address, bytes) < 0)
		fail("connect");
	set_no_delay(sock);
	(void)close(listener);
	return sock;
}

static double cpu_seconds(int who)
{
	struct rusage usage;

	(void)getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* ---- results ---- */

void histogram_add(struct histogram *h, uint64_t ns)
{
	unsigned log2 = 63u - (unsigned)__builtin_clzll(ns | 64);
	unsigned index = (log2 - 6) * 64 + (unsigned)((ns | 64) >> (log2 - 6) & 63);

	h->buckets[index < HISTOGRAM_SLOTS ? index : HISTOGRAM_SLOTS - 1]++;
	h->count++;
	h->sum_ns += ns;
}

/* The latency below which this part of the operations stayed, in microseconds. */
static double histogram_percentile(const struct histogram *h, double part)
{
	uint64_t wanted = (uint64_t)((double)h->count * part), seen = 0;
	unsigned i = 0;

	while (i < HISTOGRAM_SLOTS - 1 && (seen += h->buckets[i]) <= wanted)
		i++;
	return (double)((uint64_t)(64 + i % 64) << i / 64) / 1000.0;
}

static void print_results(const struct histogram *h, double elapsed_s, double cpu_s)
{
	static const char *const names[] = { "none", "dsync", "flush" };
	double iops = (double)h->count / elapsed_s;

	(void)printf(
		"{\"version\": 1, \"replicas\": %u, \"block_bytes\": %zu, \"depth\": %u, \"durable\": "
		"\"%s\", "
		"\"iops\": %.0f, \"mib_per_s\": %.1f, \"mean_us\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
		"\"cpu_s\": %.2f}\n",
		options.replicas, options.block_bytes, options.depth, names[options.durable], iops,
		iops * (double)options.block_bytes / 1048576,
		h->count ? (double)h->sum_ns / (double)h->count / 1e3 : 0, histogram_percentile(h, 0.5),
		histogram_percentile(h, 0.99), cpu_s);
}

/* ---- options ---- */

static void usage(void)
{
	(void)fprintf(stderr, "usage: floor --dir DIR [--block BYTES] [--depth N] [--seconds S] "
			      "[--durable none|dsync|flush] [--replicas N] [--size-mib M]\n");
	exit(2);
}

static unsigned long number(const char *text, unsigned long from, unsigned long to)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value < from || value > to)
		usage();
	return value;
}

static enum durable durable_of(const char *text)
{
	if (strcmp(text, "none") == 0)
		return DURABLE_NONE;
	if (strcmp(text, "dsync") == 0)
		return DURABLE_DSYNC;
	if (strcmp(text, "flush") != 0)
		usage();
	return DURABLE_FLUSH;
}

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = { { "dir", 1, NULL, 'd' }, { "block", 1, NULL, 'b' },
		{ "depth", 1, NULL, 'q' }, { "seconds", 1, NULL, 't' }, { "durable", 1, NULL, 'f' },
		{ "replicas", 1, NULL, 'n' }, { "size-mib", 1, NULL, 's' }, { NULL, 0, NULL, 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 'd':
			options.dir = optarg;
			break;
		case 'b':
			options.block_bytes = number(optarg, 512, 1u << 20);
			break;
		case 'q':
			options.depth = (unsigned)number(optarg, 1, MAX_DEPTH);
			break;
		case 't':
			options.seconds = (unsigned)number(optarg, 1, 3600);
			break;
		case 'f':
			options.durable = durable_of(optarg);
			break;
		case 'n':
			options.replicas = (unsigned)number(optarg, 1, MAX_REPLICAS);
			break;
		case 's':
			options.size_bytes = number(optarg, 1, 1u << 20) << 20;
			break;
		default:
			usage();
		}
	}
	if (!options.dir || optind != argc)
		usage();
}

int main(int argc, char **argv)
{
	static struct histogram latencies;
	int socks[MAX_REPLICAS];
	double elapsed_s, cpu_s;

	parse_options(argc, argv);
	for (unsigned i = 0; i + 1 < options.replicas; i++)
		socks[i] = start_replica(i + 1);
	elapsed_s = coordinator_run(socks, options.replicas - 1, &latencies);
	cpu_s = cpu_seconds(RUSAGE_SELF);
	for (unsigned i = 0; i + 1 < options.replicas; i++)
		(void)shutdown(socks[i], SHUT_RDWR);
	while (wait(NULL) > 0)
		;
	cpu_s += cpu_seconds(RUSAGE_CHILDREN);
	print_results(&latencies, elapsed_s, cpu_s);
	return 0;
}
