/*
 * plugin: the Docker volume plugin protocol (v1) on a unix socket. docs/docker.md says what dockerd really
 * does with it, and why each answer is as it is.
 *
 * Thread rule: the control thread. It only asks volumes; what is counted and remembered is counted there.
 */
#ifndef QUOIN_PLUGIN_H
#define QUOIN_PLUGIN_H

#include "base/base.h"
#include "http/http.h"
#include "volumes/volumes.h"

struct plugin;
struct uv_loop_s;

struct plugin_config {
	struct uv_loop_s *loop;
	struct volumes *volumes;
	const char *socket_path;     /* /run/docker/plugins/quoin.sock */
	uint32_t receive_timeout_ms; /* 0: 10 s */
	uint32_t deadline_max_ms;    /* 0: each call's own (docs/docker.md) */
};

/* Listens and answers from now on, ready or not: dockerd's own start waits for it. -errno with words. */
int plugin_new(
	const struct plugin_config *config, struct plugin **ret_plugin, struct error *error) MUST_CHECK;
/* Removes the socket. Gone when fn (may be NULL) runs; calls that wait for an operation are dropped. NULL is
 * fine. */
void plugin_close(struct plugin *plugin, void (*fn)(void *arg), void *arg);
const struct http_counters *plugin_counters(const struct plugin *plugin);

#endif
