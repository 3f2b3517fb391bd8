/*
 * A blunt HTTP client for tests: sends exactly the given bytes over a real socket and turns the server's
 * loop, in the same thread, until the server has closed the connection (ours always do) or the time is over.
 */
#ifndef QUOIN_TESTS_HTTP_CLIENT_H
#define QUOIN_TESTS_HTTP_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uv_loop_s;

struct http_reply {
	int status; /* 0: the connection was closed without an answer; -1: it is still open */
	char *text; /* all that came, with a zero byte */
	size_t len_bytes;
	const char *body; /* in text */
	size_t sent_bytes;
};

int client_unix(const char *path);
int client_tcp(uint16_t port);
/* Sends `bytes`, then `fill` times 'x'. Closes fd unless the reply is -1. */
struct http_reply client_exchange(struct uv_loop_s *loop, int fd, const char *bytes, size_t len_bytes,
	size_t fill, unsigned timeout_ms);
void client_reply_free(struct http_reply *reply);
/* One whole request; body NULL for none. */
struct http_reply client_call(struct uv_loop_s *loop, const char *socket_path, const char *method,
	const char *path, const char *body);
/* As client_call(), and the status must be as told; returns the body's JSON, a new reference. */
json_t *client_json(struct uv_loop_s *loop, const char *socket_path, const char *method, const char *path,
	const char *body, int status);

#endif
