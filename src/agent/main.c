/*
 * quoind: configuration, wiring, signals, start and stop order. No logic of its own.
 *
 * Start: limits, configuration, volumes (which goes on in the background), then the sockets, which answer
 * from the first moment on. Stop (SIGTERM, SIGINT), bounded: sockets, volumes, end. A second signal ends it
 * at once.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "admin/admin.h"
#include "agent/agent.h"
#include "attach/attach.h"
#include "plugin/plugin.h"
#include "volumes/config.h"
#include "volumes/volumes.h"

#define STOP_DEADLINE_MS 30000u

struct agent {
	uv_loop_t loop;
	uv_signal_t signals[3];
	uv_timer_t deadline;
	struct volumes_config config;
	struct volumes *volumes;
	struct plugin *plugin;
	struct admin *admin;
	bool stopping;
};

/* ---- stop ---- */

static void stop_late(uv_timer_t *timer)
{
	(void)timer;
	log_error("not stopped in order within %u s: ending now; the next start cleans up",
		STOP_DEADLINE_MS / 1000);
	_exit(1);
}

static void volumes_stopped(void *arg)
{
	struct agent *agent = arg;

	for (size_t i = 0; i < 3; i++)
		uv_close((uv_handle_t *)&agent->signals[i], NULL);
	uv_close((uv_handle_t *)&agent->deadline, NULL);
	log_info("stopped");
}

static void admin_closed(void *arg)
{
	struct agent *agent = arg;

	volumes_stop(agent->volumes, volumes_stopped, agent);
}

static void plugin_closed(void *arg)
{
	struct agent *agent = arg;

	if (agent->admin)
		admin_close(agent->admin, admin_closed, agent);
	else
		admin_closed(agent);
}

static void stop_begin(struct agent *agent)
{
	agent->stopping = true;
	uv_timer_start(&agent->deadline, stop_late, STOP_DEADLINE_MS, 0);
	if (agent->plugin)
		plugin_close(agent->plugin, plugin_closed, agent);
	else
		plugin_closed(agent);
}

static void signalled(uv_signal_t *handle, int number)
{
	struct agent *agent = handle->data;

	if (agent->stopping) {
		log_warning("told twice to stop: ending now");
		_exit(1);
	}
	log_info("stopping (%s)", number == SIGTERM ? "SIGTERM" : number == SIGINT ? "SIGINT" : "SIGHUP");
	stop_begin(agent);
}

static void signals_begin(struct agent *agent)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < 3; i++) {
		ASSERT(uv_signal_init(&agent->loop, &agent->signals[i]) == 0);
		agent->signals[i].data = agent;
		ASSERT(uv_signal_start(&agent->signals[i], signalled, numbers[i]) == 0);
	}
	ASSERT(uv_timer_init(&agent->loop, &agent->deadline) == 0);
	/* A peer that goes away is an error of the write, not the end of the agent. */
	signal(SIGPIPE, SIG_IGN);
}

/* ---- start ---- */

static int sockets_begin(struct agent *agent, struct error *error)
{
	struct plugin_config plugin = {
		.loop = &agent->loop,
		.volumes = agent->volumes,
		.socket_path = agent->config.docker_socket,
	};
	struct admin_config admin = {
		.loop = &agent->loop,
		.volumes = agent->volumes,
		.socket_path = agent->config.admin_socket,
		.metrics_address = agent->config.metrics_listen.text,
	};
	int rc = admin_new(&admin, &agent->admin, error);

	if (!rc && agent->config.docker_enabled)
		rc = plugin_new(&plugin, &agent->plugin, error);
	return rc;
}

static int agent_run(const struct volumes_config *config)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	bool locked, io_flusher;
	struct error error;
	int rc;

	if (!agent || uv_loop_init(&agent->loop))
		return EXIT_FAILURE;
	agent->config = *config;
	log_init(LOG_LEVEL_INFO, config->node);
	agent_limits_set();
	attach_protect_process(&locked, &io_flusher, &error);
	log_info("quoind %s, node %s: %s", QUOIN_VERSION, config->node, error.text);
	signals_begin(agent);
	rc = volumes_start(&agent->loop, &agent->config, &agent->volumes, &error);
	if (!rc)
		rc = sockets_begin(agent, &error);
	if (rc && !agent->volumes) {
		log_error("can't start: %s", error.text);
		exit(EXIT_FAILURE);
	}
	if (rc) {
		log_error("can't start: %s", error.text);
		stop_begin(agent);
	}
	uv_run(&agent->loop, UV_RUN_DEFAULT);
	uv_loop_close(&agent->loop);
	free(agent);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- the command line ---- */

static int usage(FILE *to, int code)
{
	fputs("quoind: the agent of a Quoin node\n\n"
	      "  quoind [--config FILE]                 run (default FILE: " AGENT_CONFIG_DEFAULT ")\n"
	      "  quoind [--config FILE] --check-config  say whether the configuration is right, and end\n"
	      "  quoind [--config FILE] --init-cluster  make the cluster: its key and its record in the "
	      "kvdb\n"
	      "  quoind --version | --help\n",
		to);
	return code;
}

int main(int argc, char **argv)
{
	const char *path = AGENT_CONFIG_DEFAULT;
	bool check = false, init = false;
	static struct volumes_config config;
	struct error error;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help")) {
			return usage(stdout, 0);
		} else if (!strcmp(argv[i], "--version")) {
			printf("quoind %s\n", QUOIN_VERSION);
			return 0;
		} else if (!strcmp(argv[i], "--config") && i + 1 < argc) {
			path = argv[++i];
		} else if (!strcmp(argv[i], "--check-config")) {
			check = true;
		} else if (!strcmp(argv[i], "--init-cluster")) {
			init = true;
		} else {
			fprintf(stderr, "quoind: what is \"%s\"?\n\n", argv[i]);
			return usage(stderr, 2);
		}
	}
	if (config_load(path, &config, &error)) {
		fprintf(stderr, "quoind: %s\n", error.text);
		return 2;
	}
	if (check) {
		printf("%s is right: node %s, zone %s, %u pools\n", path, config.node,
			config.zone[0] ? config.zone : "to be found", config.pool_count);
		return 0;
	}
	return init ? agent_init_cluster(&config) : agent_run(&config);
}
