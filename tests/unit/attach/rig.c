#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
/*
 * ThreadSanitizer takes descriptor numbers for the process's; a worker's table is its own (attach/worker.h),
 * and the same number there is another file.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:interceptor_epoll_\nrace:interceptor_close\nrace:interceptor_fclose\nrace:loop_is_"
	       "free\n";
}
#endif

const char *rig_why_not(void)
{
	static struct error error;

	return attach_supported(&error) == 0 ? NULL : error.text;
}

static void *rig_thread(void *arg)
{
	struct rig *rig = arg;

	uring_loop_run(rig->loop);
	return NULL;
}

void rig_init(struct rig *rig, const char *dir, uint64_t volume_bytes, uint64_t buf_bytes)
{
	struct attach_config config = { 0 };

	memset(rig, 0, sizeof(*rig));
	(void)snprintf(rig->dir, sizeof(rig->dir), "%s", dir ? dir : "/tmp/quoin-attach-XXXXXX");
	ASSERT(dir || mkdtemp(rig->dir));
	(void)snprintf(rig->state_dir, sizeof(rig->state_dir), "%s/state", rig->dir);
	(void)snprintf(rig->link_dir, sizeof(rig->link_dir), "%s/links", rig->dir);
	ASSERT(uv_loop_init(&rig->uv) == 0);
	ASSERT(buf_pool_new(buf_bytes, &rig->bufs) == 0);
	ASSERT(uring_loop_new(clock_system(), &rig->loop, &rig->error) == 0);
	rig->volume = volume_memory_new(rig->loop, rig->bufs, volume_bytes);
	ASSERT(pthread_create(&rig->thread, NULL, rig_thread, rig) == 0);
	config.uv = &rig->uv;
	config.loops = &rig->loop;
	config.loop_count = 1;
	config.state_dir = rig->state_dir;
	config.link_dir = rig->link_dir;
	if (attach_new(&config, &rig->attach, &rig->error) < 0) {
		(void)fprintf(stderr, "%s\n", rig->error.text);
		ASSERT(!"attach_new");
	}
}

static void rig_freed(void *arg)
{
	struct rig *rig = arg;

	rig->ended = true;
}

struct rig_stop_message {
	struct loop_message message;
	struct rig *rig;
};

static void rig_stop_on_loop(struct loop_message *message)
{
	uring_loop_stop(container_of(message, struct rig_stop_message, message)->rig->loop);
}

void rig_done(struct rig *rig, bool keep_dir)
{
	struct rig_stop_message stop = { .message.fn = rig_stop_on_loop, .rig = rig };
	struct volume_memory_stats stats;
	char path[160];

	/* As volume_detach() does: what is in flight ends. */
	do {
		rig_turn(rig);
		volume_memory_get_stats(rig->volume, &stats);
	} while (stats.in_flight > 0);
	rig->ended = false;
	while (attach_free(rig->attach, rig_freed, rig) == -EBUSY)
		rig_turn(rig);
	while (!rig->ended)
		rig_turn(rig);
	ASSERT(uv_loop_close(&rig->uv) == 0);
	loop_post(rig->loop, &stop.message);
	ASSERT(pthread_join(rig->thread, NULL) == 0);
	volume_memory_free(rig->volume);
	uring_loop_free(rig->loop);
	buf_pool_free(rig->bufs);
	if (keep_dir)
		return;
	/* Fails, and so shows, where something is left. */
	(void)snprintf(path, sizeof(path), "%s/dev", rig->state_dir);
	ASSERT(rmdir(path) == 0);
	(void)snprintf(path, sizeof(path), "%s/mnt", rig->state_dir);
	ASSERT(rmdir(path) == 0);
	ASSERT(rmdir(rig->state_dir) == 0 && rmdir(rig->link_dir) == 0 && rmdir(rig->dir) == 0);
}

void rig_end(void *arg, int rc, const struct error *error)
{
	struct rig *rig = arg;

	ASSERT(!rig->ended);
	rig->ended = true;
	rig->rc = rc;
	rig->error = *error;
}

static void rig_tick(uv_timer_t *timer)
{
	(void)timer;
}

void rig_turn(struct rig *rig)
{
	uv_timer_t timer;

	/* So that the turn ends where nothing happens. The loop's time is that of its last turn: a timer that
	 * is late from the start would end before the turn waits, which then has no end. */
	ASSERT(uv_timer_init(&rig->uv, &timer) == 0);
	uv_update_time(&rig->uv);
	ASSERT(uv_timer_start(&timer, rig_tick, 20, 0) == 0);
	(void)uv_run(&rig->uv, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	(void)uv_run(&rig->uv, UV_RUN_NOWAIT);
}

int rig_wait(struct rig *rig, unsigned seconds)
{
	uint64_t until_ns = clock_now_ns(clock_system()) + seconds * NS_PER_S;

	while (!rig->ended && clock_now_ns(clock_system()) < until_ns)
		rig_turn(rig);
	if (!rig->ended)
		return -ETIME;
	if (rig->rc < 0)
		(void)fprintf(stderr, "# %s\n", rig->error.text);
	return rig->rc;
}

int rig_attach(struct rig *rig)
{
	struct blockdev_spec spec = { .name = "v1", .volume = rig->volume };
	int rc;

	rig->ended = false;
	rc = blockdev_attach(rig->attach, &spec, &rig->blockdev, rig_end, rig, &rig->error);
	return rc < 0 ? rc : rig_wait(rig, 30);
}

int rig_detach(struct rig *rig, enum detach_mode mode)
{
	rig->ended = false;
	blockdev_detach(rig->blockdev, mode, 0, rig_end, rig);
	return rig_wait(rig, 30);
}

int rig_make_and_mount(struct rig *rig, const char *type)
{
	struct fs_spec spec = { .device = blockdev_path(rig->blockdev), .type = type };

	rig->ended = false;
	fs_make_and_mount(rig->attach, &spec, "v1", rig_end, rig);
	return rig_wait(rig, 90);
}

int rig_unmount(struct rig *rig, bool lazy)
{
	rig->ended = false;
	fs_unmount(rig->attach, "v1", lazy, 0, rig_end, rig);
	return rig_wait(rig, 90);
}

static void rig_found(void *arg, const char *words)
{
	struct rig *rig = arg;

	if (rig->found_count < 16)
		(void)snprintf(rig->found[rig->found_count], sizeof(rig->found[0]), "%s", words);
	rig->found_count++;
}

int rig_clean(struct rig *rig)
{
	rig->ended = false;
	rig->found_count = 0;
	attach_clean_leftovers(rig->attach, rig_found, rig_end, rig);
	return rig_wait(rig, 30);
}
