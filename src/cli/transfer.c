/* What export and import share. */
#include "cli/transfer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS         500
#define PROGRESS_MS     500u
#define INSIST_MS       30000u /* an agent that was killed is back by then, if anything starts it again */
#define INSIST_PAUSE_US 250000u

static volatile sig_atomic_t interrupted;
static uint64_t progress_ms;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

void transfer_begin(void)
{
	/* No SA_RESTART: whatever blocks comes back. */
	struct sigaction note = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGINT, &note, NULL);
	(void)sigaction(SIGTERM, &note, NULL);
	(void)sigaction(SIGHUP, &note, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

bool transfer_is_interrupted(void)
{
	return interrupted != 0;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Until the descriptor can be used. */
static int stream_wait(int fd, short events, struct error *error)
{
	struct pollfd one = { .fd = fd, .events = events };

	while (!transfer_is_interrupted()) {
		int ready = poll(&one, 1, POLL_MS);

		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return error_set(error, -errno, "poll: %s", strerror(errno));
	}
	return error_set(error, -EINTR, "interrupted");
}

int transfer_write(const uint8_t *bytes, size_t len_bytes, struct error *error)
{
	while (len_bytes > 0) {
		int rc = stream_wait(STDOUT_FILENO, POLLOUT, error);
		ssize_t done;

		if (rc)
			return rc;
		done = write(STDOUT_FILENO, bytes, len_bytes);
		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return error_set(error, -errno, "standard output: %s", strerror(errno));
		if (done > 0) {
			bytes += done;
			len_bytes -= (size_t)done;
		}
	}
	return 0;
}

ssize_t transfer_read(uint8_t *bytes, size_t room_bytes, struct error *error)
{
	for (;;) {
		int rc = stream_wait(STDIN_FILENO, POLLIN, error);
		ssize_t done;

		if (rc)
			return rc;
		done = read(STDIN_FILENO, bytes, room_bytes);
		if (done >= 0)
			return done;
		if (errno != EINTR && errno != EAGAIN)
			return error_set(error, -errno, "standard input: %s", strerror(errno));
	}
}

void transfer_progress(const char *verb, uint64_t done_bytes, uint64_t of_bytes)
{
	char done[SIZE_TEXT_LEN + 1], of[SIZE_TEXT_LEN + 1];

	if (now_ms() < progress_ms + PROGRESS_MS || !isatty(STDERR_FILENO))
		return;
	progress_ms = now_ms();
	fprintf(stderr, "\r\033[K%s: %s of %s, %u %%", verb, size_format(done_bytes, done),
		size_format(of_bytes, of), (unsigned)(done_bytes * 100 / of_bytes));
	fflush(stderr);
}

void transfer_progress_end(void)
{
	if (progress_ms)
		fprintf(stderr, "\r\033[K");
	progress_ms = 0;
}

int transfer_call(struct cli *cli, const char *method, const char *path, const json_t *body,
	json_t **ret_json, unsigned *ret_status, struct error *error)
{
	char whole[4 * NAME_MAX_LEN];
	struct reply reply;
	int exit_code;

	snprintf(whole, sizeof(whole), "/v1/volumes%s%s", path[0] ? "/" : "", path);
	exit_code = api_call(cli->socket_path, method, whole, body, &reply, error);
	if (ret_json)
		*ret_json = exit_code == EXIT_OK ? json_incref(reply.json) : NULL;
	if (ret_status)
		*ret_status = reply.status;
	reply_free(&reply);
	return exit_code;
}

int transfer_insist(
	struct cli *cli, const char *before, const char *method, const char *path, struct error *error)
{
	uint64_t until_ms = now_ms() + INSIST_MS;

	for (;;) {
		int exit_code =
			before ? transfer_call(cli, "POST", before, NULL, NULL, NULL, error) : EXIT_OK;

		exit_code = transfer_call(cli, method, path, NULL, NULL, NULL, error);
		if (exit_code == EXIT_OK || exit_code == EXIT_NOT_FOUND)
			return EXIT_OK;
		if (exit_code == EXIT_USAGE || now_ms() >= until_ms)
			return exit_code;
		(void)usleep(INSIST_PAUSE_US);
	}
}

int transfer_uuid(const json_t *object, const char *key, struct uuid *ret_uuid, struct error *error)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (!text || uuid_parse(text, ret_uuid) != 0)
		return error_set(error, -EIO, "the agent's answer has no %s", key);
	return 0;
}

int transfer_exit_code(int rc)
{
	return rc == 0 ? EXIT_OK : EXIT_FAILED;
}
