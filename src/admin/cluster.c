/* POST /v1/cluster/accept-restore {"yes": true} */
#include <errno.h>

#include "admin/handlers.h"

static void on_accepted(
	void *arg, int rc, const struct error *error, const char *const *lines, unsigned count)
{
	respond_lines(arg, rc, error, "facts", lines, count);
}

void handle_cluster_accept_restore(struct http_request *request, void *arg)
{
	static const char *const known[] = { "yes" };
	struct admin *admin = arg;
	struct error error;
	bool yes = false;
	json_t *body;
	int rc = 0;

	/* Without a body nothing is changed: what would be is told. */
	if (http_request_has_body(request)) {
		rc = http_request_fields(request, known, 1, &body, &error);
		if (rc == 0)
			rc = http_json_flag(body, "yes", &yes, &error);
	}
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_accept_restore(admin->volumes, yes, on_accepted, request);
}
