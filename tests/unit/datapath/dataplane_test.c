/* The two queues between the control thread and a data-plane thread; starting and stopping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "datapath/dataplane.h"

static struct dataplane *plane;
static sem_t woken;
static pthread_t control_thread;
static unsigned events;
static char last_event[512];

static void wake(void *user)
{
	(void)user;
	(void)sem_post(&woken);
}

static void event(void *user, const char *kind, const char *subject, const char *text)
{
	(void)user;
	assert_true(pthread_equal(pthread_self(), control_thread));
	events++;
	(void)snprintf(last_event, sizeof(last_event), "%s: %s: %s", kind, subject, text);
}

static struct dataplane_config config = {
	.node = "a",
	.listen = { "127.0.0.1:0" },
	.buffer_bytes = UINT64_C(16) << 20,
	.entry_count = 256,
	.lease_ms = 3000,
	.wake = wake,
	.event = event,
};

static int setup(void **state)
{
	struct error error;

	(void)state;
	control_thread = pthread_self();
	events = 0;
	if (sem_init(&woken, 0, 0) < 0)
		return -1;
	return dataplane_start(&config, &plane, &error);
}

static int teardown(void **state)
{
	(void)state;
	dataplane_stop(plane);
	(void)sem_destroy(&woken);
	return 0;
}

/* Drains until *count reaches `wanted`; each waking is waited for, so that a lost one is noticed. */
static void wait_for(const unsigned *count, unsigned wanted)
{
	struct timespec until;

	while (*count < wanted) {
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 10;
		assert_int_equal(sem_timedwait(&woken, &until), 0);
		dataplane_drain(plane);
	}
	assert_int_equal(*count, wanted);
}

struct numbered {
	struct dataplane_call call;
	struct loop_timer timer;
	unsigned number;
};

static unsigned done_count;

static void number_run(struct dataplane_call *call)
{
	struct numbered *n = container_of(call, struct numbered, call);

	ASSERT(!pthread_equal(pthread_self(), control_thread));
	ASSERT(dataplane_datapath(call->dataplane) != NULL);
	dataplane_call_finish(call, (int)n->number);
}

static void number_done(struct dataplane_call *call)
{
	struct numbered *n = container_of(call, struct numbered, call);

	assert_true(pthread_equal(pthread_self(), control_thread));
	assert_int_equal(call->rc, n->number);
	assert_int_equal(n->number, done_count); /* in the order in which they were made */
	done_count++;
	free(n);
}

static void calls_run_on_the_other_thread_and_come_back_in_order(void **state)
{
	(void)state;
	done_count = 0;
	for (unsigned i = 0; i < 5000; i++) {
		struct numbered *n = calloc(1, sizeof(*n));

		assert_non_null(n);
		n->number = i;
		n->call.run = number_run;
		n->call.done = number_done;
		dataplane_call(plane, &n->call);
		if (i % 100 == 0)
			dataplane_drain(plane);
	}
	wait_for(&done_count, 5000);
}

static struct buf *kept;
static unsigned left_count;

static void left_run(struct dataplane_call *call)
{
	kept = buf_get(dataplane_bufs(call->dataplane), BLOCK_BYTES);
	dataplane_leave(call->dataplane);
	dataplane_call_finish(call, 0);
}

static void left_done(struct dataplane_call *call)
{
	(void)call;
	left_count++;
}

/* What a disk that does not answer may still write to. */
static void memory_that_is_left_outlives_the_thread(void **state)
{
	struct dataplane_call call = { .run = left_run, .done = left_done };

	(void)state;
	left_count = 0;
	dataplane_call(plane, &call);
	wait_for(&left_count, 1);
	dataplane_stop(plane);
	plane = NULL;
	memset(kept->data, 7, BLOCK_BYTES);
	assert_int_equal(kept->data[BLOCK_BYTES - 1], 7);
}

static void later_fires(void *arg)
{
	dataplane_call_finish(arg, -ETIME);
}

static void later_run(struct dataplane_call *call)
{
	struct numbered *n = container_of(call, struct numbered, call);
	struct loop *core = uring_loop_core(dataplane_loop(call->dataplane));

	loop_timer_init(&n->timer, later_fires, call);
	loop_timer_set(core, &n->timer, loop_now_ns(core) + 5 * NS_PER_MS);
}

static void later_done(struct dataplane_call *call)
{
	assert_int_equal(call->rc, -ETIME);
	done_count++;
}

static void a_call_may_be_finished_later(void **state)
{
	struct numbered n = { .call = { .run = later_run, .done = later_done } };

	(void)state;
	done_count = 0;
	dataplane_call(plane, &n.call);
	wait_for(&done_count, 1);
}

/* Connects to where the plane listens, and says what no node would say. */
static void knock(void)
{
	struct net_address address = dataplane_address(plane);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char junk[64] = "GET / HTTP/1.0";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons((uint16_t)strtoul(strchr(address.text, ':') + 1, NULL, 10));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, junk, sizeof(junk), MSG_NOSIGNAL), sizeof(junk));
	assert_true(recv(fd, junk, sizeof(junk), 0) <= 0); /* until it is thrown out */
	close(fd);
}

static void a_stranger_is_an_event_and_many_are_one(void **state)
{
	(void)state;
	knock();
	wait_for(&events, 1);
	assert_non_null(strstr(last_event, "connection-refused: 127.0.0.1:"));
	for (int i = 0; i < 5; i++)
		knock();
	usleep(20000);
	dataplane_drain(plane);
	assert_int_equal(events, 1);
}

static struct net_tcp_counters counters;

static void counters_run(struct dataplane_call *call)
{
	counters = *dataplane_net_counters(call->dataplane);
	dataplane_call_finish(call, 0);
}

static void counters_done(struct dataplane_call *call)
{
	assert_int_equal(call->rc, 0);
	done_count++;
}

static void strangers_are_counted(void **state)
{
	struct dataplane_call call = { .run = counters_run, .done = counters_done };

	(void)state;
	done_count = 0;
	for (int i = 0; i < 3; i++)
		knock();
	dataplane_call(plane, &call);
	while (done_count == 0) {
		usleep(1000);
		dataplane_drain(plane);
	}
	assert_int_equal(counters.refused_magic, 3);
}

static void a_port_in_use_is_told_in_words(void **state)
{
	struct dataplane_config second = config;
	struct dataplane *none;
	struct error error;

	(void)state;
	second.listen = dataplane_address(plane);
	assert_int_equal(dataplane_start(&second, &none, &error), -EADDRINUSE);
	assert_non_null(strstr(error.text, second.listen.text));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(calls_run_on_the_other_thread_and_come_back_in_order),
		TEST(memory_that_is_left_outlives_the_thread),
		TEST(a_call_may_be_finished_later),
		TEST(a_stranger_is_an_event_and_many_are_one),
		TEST(strangers_are_counted),
		TEST(a_port_in_use_is_told_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
