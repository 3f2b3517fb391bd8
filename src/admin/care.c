/* POST /v1/drain, POST /v1/pools/remove, .../scrub, .../wipe, DELETE /v1/nodes/NAME */
#include <errno.h>

#include "admin/handlers.h"

static void on_drained(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;

	if (rc < 0)
		http_respond_error(request, rc, error);
	else
		http_respond_json(request, 200, json_pack("{s:i}", "version", 1));
}

/* {"pool": "NODE/POOL"} or {"node": "NODE"}; "to": of a pool, another one; "drain": false; "force" */
void handle_drain(struct http_request *request, void *arg)
{
	static const char *const known[] = { "pool", "node", "to", "drain", "force" };
	struct admin *admin = arg;
	const char *pool = NULL, *node = NULL, *to = NULL;
	bool drain = true, force = false;
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, known, sizeof(known) / sizeof(known[0]), &body, &error);

	if (rc == 0)
		rc = http_json_string(body, "pool", false, 2 * NAME_MAX_LEN + 1, &pool, &error);
	if (rc == 0)
		rc = http_json_string(body, "node", false, NAME_MAX_LEN, &node, &error);
	if (rc == 0)
		rc = http_json_string(body, "to", false, 2 * NAME_MAX_LEN + 1, &to, &error);
	if (rc == 0)
		rc = http_json_flag(body, "drain", &drain, &error);
	if (rc == 0)
		rc = http_json_flag(body, "force", &force, &error);
	if (rc == 0 && !pool == !node)
		rc = error_set(&error, -EINVAL, "one of \"pool\" and \"node\" must be given");
	if (rc == 0 && to && (!pool || !drain))
		rc = error_set(&error, -EINVAL, "\"to\" is said of a pool that is to be drained");
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else if (to)
		volumes_pool_replace(admin->volumes, pool, to, force, on_drained, request);
	else if (pool)
		volumes_pool_drain(admin->volumes, pool, drain, force, on_drained, request);
	else
		volumes_node_drain(admin->volumes, node, drain, force, on_drained, request);
}

/* {"pool": "NODE/POOL"}: a call that wants nothing else. */
static void pool_call(struct http_request *request, struct admin *admin,
	void (*call)(struct volumes *volumes, const char *pool, volumes_done_fn fn, void *arg))
{
	static const char *const known[] = { "pool" };
	const char *pool = NULL;
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, known, 1, &body, &error);

	if (rc == 0)
		rc = http_json_string(body, "pool", true, 2 * NAME_MAX_LEN + 1, &pool, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		call(admin->volumes, pool, on_drained, request);
}

void handle_pool_remove(struct http_request *request, void *arg)
{
	pool_call(request, arg, volumes_pool_remove);
}

void handle_pool_scrub(struct http_request *request, void *arg)
{
	pool_call(request, arg, volumes_pool_scrub);
}

static void on_wiped(void *arg, int rc, const struct error *error, const char *const *lines, unsigned count)
{
	respond_lines(arg, rc, error, "destroys", lines, count);
}

/* {"path": "/dev/sdc", "yes": true}; without "yes" it is only told what would be destroyed */
void handle_pool_wipe(struct http_request *request, void *arg)
{
	static const char *const known[] = { "path", "yes" };
	struct admin *admin = arg;
	const char *path = NULL;
	struct error error;
	bool yes = false;
	json_t *body;
	int rc = http_request_fields(request, known, 2, &body, &error);

	if (rc == 0)
		rc = body_pool_path(body, &path, &error);
	if (rc == 0)
		rc = http_json_flag(body, "yes", &yes, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_pool_wipe(admin->volumes, path, yes, on_wiped, request);
}

void handle_node_remove(struct http_request *request, void *arg)
{
	struct admin *admin = arg;

	volumes_node_remove(admin->volumes, http_request_param(request, 0), on_drained, request);
}
