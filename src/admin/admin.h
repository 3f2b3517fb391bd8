/*
 * admin: the admin API (HTTP + JSON on a unix socket) that `quoin` speaks, and /metrics for Prometheus on
 * TCP. docs/cli.md, docs/metrics.md and docs/events.md are its manuals.
 *
 * Thread rule: the control thread. Everything comes from, and goes to, volumes.
 */
#ifndef QUOIN_ADMIN_H
#define QUOIN_ADMIN_H

#include "base/base.h"
#include "http/http.h"
#include "volumes/volumes.h"

struct admin;
struct uv_loop_s;

#define ADMIN_GROUP "quoin" /* owns the socket where there is such a group */

struct admin_config {
	struct uv_loop_s *loop;
	struct volumes *volumes;
	const char *socket_path;     /* /run/quoin/admin.sock */
	const char *metrics_address; /* "127.0.0.1:9742"; empty or NULL: no metrics */
	uint32_t receive_timeout_ms; /* 0: 10 s */
};

/* -errno with words. */
int admin_new(const struct admin_config *config, struct admin **ret_admin, struct error *error) MUST_CHECK;
/* Gone when fn (may be NULL) runs. NULL is fine. */
void admin_close(struct admin *admin, void (*fn)(void *arg), void *arg);
/* The port of /metrics, 0 for none. */
uint16_t admin_metrics_port(const struct admin *admin);

#endif
