/* Devices that are slow or fail on purpose, over one that only notes what reaches it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "loop/loop.h"
#include "store/device_wrap.h"

static uint64_t fake_now_ns;

static uint64_t fake_now(const struct clock *clock)
{
	(void)clock;
	return fake_now_ns;
}

static const struct clock fake_clock = { .now_ns = fake_now, .wall_ns = fake_now };

/* ---- the device below: notes an operation, and ends it in the next turn ---- */

static struct loop loop;
static struct {
	struct device device;
	struct loop_task task;
	struct device_io *ios[16];
	char seen[64]; /* R, W, F, D in order of arrival */
	uint64_t last_offset_bytes;
	unsigned count, closes;
} below;

static void below_take(struct device_io *io, char kind)
{
	below.seen[strlen(below.seen)] = kind;
	below.ios[below.count++] = io;
	memset(io->priv, 0xee, sizeof(io->priv)); /* the place is the device's */
	loop_defer(&loop, &below.task);
}

static void below_end(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < below.count; i++)
		below.ios[i]->fn(below.ios[i], 0);
	below.count = 0;
}

static void below_read(struct device *d, struct device_io *io, const struct iovec *iov, unsigned iov_count,
	uint64_t offset_bytes)
{
	(void)d;
	assert_int_equal(iov_count, 1);
	assert_int_equal(iov->iov_len, BLOCK_BYTES);
	below.last_offset_bytes = offset_bytes;
	below_take(io, 'R');
}

static void below_write(struct device *d, struct device_io *io, const struct iovec *iov, unsigned iov_count,
	uint64_t offset_bytes)
{
	(void)d;
	assert_int_equal(iov_count, 1);
	assert_int_equal(iov->iov_len, BLOCK_BYTES);
	below.last_offset_bytes = offset_bytes;
	below_take(io, 'W');
}

static void below_flush(struct device *d, struct device_io *io)
{
	(void)d;
	below_take(io, 'F');
}

static void below_discard(
	struct device *d, struct device_io *io, uint64_t offset_bytes, uint64_t length_bytes)
{
	(void)d;
	assert_int_equal(length_bytes, GRAIN_BYTES);
	below.last_offset_bytes = offset_bytes;
	below_take(io, 'D');
}

static void below_close(struct device *d)
{
	(void)d;
	below.closes++;
}

static const struct device_ops below_ops = {
	.read = below_read,
	.write = below_write,
	.flush = below_flush,
	.discard = below_discard,
	.close = below_close,
};

/* ---- the device under test ---- */

static struct device *device;
static struct one_io {
	struct device_io io;
	int rc;
	unsigned calls;
} ios[8];
static uint8_t block[BLOCK_BYTES];
static struct iovec iov = { block, sizeof(block) };

static void io_done(struct device_io *io, int rc)
{
	struct one_io *one = container_of(io, struct one_io, io);

	one->rc = rc;
	one->calls++;
}

static int setup(void **state)
{
	(void)state;
	fake_now_ns = NS_PER_S;
	memset(&below, 0, sizeof(below));
	memset(ios, 0, sizeof(ios));
	for (unsigned i = 0; i < 8; i++)
		ios[i].io.fn = io_done;
	below.device = (struct device){ .ops = &below_ops, .size_bytes = 1u << 30, .rotational = true };
	loop_task_init(&below.task, below_end, NULL);
	device = &below.device;
	return loop_init(&loop, &fake_clock);
}

static int teardown(void **state)
{
	(void)state;
	device->ops->close(device);
	assert_int_equal(below.closes, 1);
	loop_done(&loop);
	return 0;
}

static void wrap(const char *text)
{
	struct error error;

	assert_int_equal(device_wrap(&loop, text, &device, &error), 0);
}

static void run_at(uint64_t ms)
{
	fake_now_ns = NS_PER_S + ms * NS_PER_MS;
	loop_run_due(&loop);
}

static void a_delayed_operation_reaches_the_device_later(void **state)
{
	(void)state;
	wrap("delay:write=5ms,flush=20ms,read=500us");
	assert_int_equal(device->size_bytes, 1u << 30);
	assert_true(device->rotational);
	device->ops->flush(device, &ios[0].io);
	device->ops->write(device, &ios[1].io, &iov, 1, 8192);
	device->ops->read(device, &ios[2].io, &iov, 1, 4096);
	run_at(0);
	assert_string_equal(below.seen, "");
	run_at(1);
	assert_string_equal(below.seen, "R");
	assert_int_equal(below.last_offset_bytes, 4096);
	run_at(5);
	assert_string_equal(below.seen, "RW");
	assert_int_equal(below.last_offset_bytes, 8192);
	assert_int_equal(ios[0].calls, 0);
	run_at(20);
	assert_string_equal(below.seen, "RWF");
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ios[i].calls == 1 ? ios[i].rc : -1, 0);
}

static void what_is_not_delayed_goes_on_in_the_same_turn(void **state)
{
	(void)state;
	wrap("delay:flush=1s");
	device->ops->write(device, &ios[0].io, &iov, 1, 0);
	device->ops->discard(device, &ios[1].io, 65536, GRAIN_BYTES);
	assert_string_equal(below.seen, ""); /* never inside the call */
	run_at(0);
	assert_string_equal(below.seen, "WD");
	assert_int_equal(ios[0].calls + ios[1].calls, 2);
}

static void jitter_stays_in_its_bounds(void **state)
{
	(void)state;
	wrap("delay:write=10ms,jitter=10ms");
	for (unsigned i = 0; i < 8; i++)
		device->ops->write(device, &ios[i].io, &iov, 1, 0);
	run_at(9);
	assert_string_equal(below.seen, "");
	run_at(15);
	assert_in_range(strlen(below.seen), 1, 7);
	run_at(20);
	assert_string_equal(below.seen, "WWWWWWWW");
}

static void the_nth_operation_fails_and_does_nothing(void **state)
{
	(void)state;
	wrap("error:on=write+flush,after=2,count=1");
	device->ops->write(device, &ios[0].io, &iov, 1, 0);
	device->ops->read(device, &ios[1].io, &iov, 1, 0);
	device->ops->flush(device, &ios[2].io);
	device->ops->flush(device, &ios[3].io); /* the third of these kinds */
	assert_int_equal(ios[3].calls, 0);      /* never inside the call */
	device->ops->write(device, &ios[4].io, &iov, 1, 0);
	run_at(0);
	assert_string_equal(below.seen, "WRFW");
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(ios[i].calls, 1);
		assert_int_equal(ios[i].rc, i == 3 ? -EIO : 0);
	}
}

static void without_a_count_all_that_follow_fail(void **state)
{
	(void)state;
	wrap("error:after=1");
	for (unsigned i = 0; i < 4; i++)
		device->ops->read(device, &ios[i].io, &iov, 1, 0);
	run_at(0);
	assert_string_equal(below.seen, "R");
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(ios[i].rc, -EIO);
}

static void wrappers_stand_around_one_another(void **state)
{
	(void)state;
	wrap(" delay:write=5ms  error:on=write ");
	device->ops->write(device, &ios[0].io, &iov, 1, 0);
	run_at(4);
	assert_int_equal(ios[0].calls, 0);
	run_at(5);
	assert_int_equal(ios[0].rc, -EIO);
	assert_string_equal(below.seen, "");
}

static void nonsense_is_refused_and_wraps_nothing(void **state)
{
	static const char *const texts[] = { "slow", "delay", "delay:", "delay:write", "delay:write=5",
		"delay:write=ms", "delay:write=5min", "delay:color=5ms", "delay:write=601s",
		"delay:write=99999999999999999999s", "error:on=everything", "error:on=", "error:after=-1",
		"error:after=1x", "error:on=read error:nothing=1",
		"delay:read=1s delay:read=1s delay:read=1s delay:read=1s delay:read=1s" };
	struct error error;

	(void)state;
	wrap("");
	wrap("  ");
	assert_ptr_equal(device, &below.device);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(device_wrap(&loop, texts[i], &device, &error), -EINVAL);
		assert_non_null(strstr(error.text, texts[i]));
		assert_ptr_equal(device, &below.device);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_delayed_operation_reaches_the_device_later),
		TEST(what_is_not_delayed_goes_on_in_the_same_turn),
		TEST(jitter_stays_in_its_bounds),
		TEST(the_nth_operation_fails_and_does_nothing),
		TEST(without_a_count_all_that_follow_fail),
		TEST(wrappers_stand_around_one_another),
		TEST(nonsense_is_refused_and_wraps_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
