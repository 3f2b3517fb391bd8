#include "attach/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* What SIGKILL may take until it is clear that the kernel holds the child. */
#define CHILD_KILL_MS 2000u

static void child_handle_closed(uv_handle_t *handle)
{
	struct child *child = handle->data;

	if (--child->handles_open == 0)
		child->done(child);
}

static void child_end(struct child *child)
{
	uv_handle_t *handles[] = { (uv_handle_t *)&child->process, (uv_handle_t *)&child->pipe,
		(uv_handle_t *)&child->timer };

	for (size_t i = 0; i < 3; i++)
		if (!uv_is_closing(handles[i]))
			uv_close(handles[i], child_handle_closed);
}

/* Keeps the last words, as one line. */
static void child_output_add(struct child *child, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool space = bytes[i] == '\n' || bytes[i] == '\t' || bytes[i] == ' ';
		char c = space ? ' ' : bytes[i];

		if ((unsigned char)c < ' ' || c == 127)
			c = '?';
		if (space && (child->output_bytes == 0 || child->output[child->output_bytes - 1] == ' '))
			continue;
		if (child->output_bytes == CHILD_OUTPUT_MAX - 1) {
			memmove(child->output, child->output + CHILD_OUTPUT_MAX / 2, CHILD_OUTPUT_MAX / 2);
			child->output_bytes -= CHILD_OUTPUT_MAX / 2;
		}
		child->output[child->output_bytes++] = c;
		child->output[child->output_bytes] = 0;
	}
}

static void child_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
	struct child *child = handle->data;

	(void)suggested;
	*ret_buf = uv_buf_init(child->buffer, sizeof(child->buffer));
}

static void child_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
	struct child *child = stream->data;

	if (count > 0)
		child_output_add(child, buf->base, (size_t)count);
	else if (count < 0)
		(void)uv_read_stop(stream);
}

static void child_exited(uv_process_t *process, int64_t status, int signal_number)
{
	struct child *child = process->data;
	char rest[512];
	uv_os_fd_t fd;

	child->exit_code = signal_number ? 128 + signal_number : (int)status;
	/* The exit may be seen before the last words are. */
	if (uv_fileno((uv_handle_t *)&child->pipe, &fd) == 0) {
		ssize_t n;

		while ((n = read(fd, rest, sizeof(rest))) > 0)
			child_output_add(child, rest, (size_t)n);
	}
	while (child->output_bytes > 0 && child->output[child->output_bytes - 1] == ' ')
		child->output[--child->output_bytes] = 0;
	child->rc = child->killed ? -ETIMEDOUT : 0;
	child_end(child);
}

static void child_timed_out(uv_timer_t *timer)
{
	struct child *child = timer->data;
	int rc;

	child->rc = -ETIMEDOUT;
	if (child->killed) {
		child_end(child);
		return;
	}
	child->killed = true;
	(void)uv_process_kill(&child->process, SIGKILL);
	rc = uv_timer_start(&child->timer, child_timed_out, CHILD_KILL_MS, 0);
	ASSERT(rc == 0);
}

void child_start(uv_loop_t *uv, struct child *child, const char *const *argv, uint64_t deadline_ms)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
	char *env[] = { path, locale, NULL };
	uv_stdio_container_t stdio[3] = { { .flags = UV_IGNORE } };
	uv_process_options_t options = {
		.exit_cb = child_exited, .file = argv[0], .env = env, .stdio = stdio, .stdio_count = 3
	};
	int rc;

	/* libuv's type is not const; it does not write. */
	memcpy(&options.args, &argv, sizeof(argv));
	child->output[0] = 0;
	child->output_bytes = 0;
	child->killed = false;
	child->rc = 0;
	child->exit_code = 0;
	rc = uv_pipe_init(uv, &child->pipe, 0);
	ASSERT(rc == 0);
	rc = uv_timer_init(uv, &child->timer);
	ASSERT(rc == 0);
	child->pipe.data = child->timer.data = child;
	stdio[2].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
	stdio[2].data.stream = (uv_stream_t *)&child->pipe;
	stdio[1].flags = UV_IGNORE;
	child->handles_open = 3; /* uv_spawn() initialises the process handle even where it fails */
	rc = uv_spawn(uv, &child->process, &options);
	child->process.data = child;
	if (rc < 0) {
		child->rc = rc;
		(void)snprintf(child->output, sizeof(child->output), "%s: %s", argv[0], uv_strerror(rc));
		child_end(child);
		return;
	}
	rc = uv_read_start((uv_stream_t *)&child->pipe, child_alloc, child_read);
	ASSERT(rc == 0);
	rc = uv_timer_start(&child->timer, child_timed_out, deadline_ms, 0);
	ASSERT(rc == 0);
}
