/* GET /v1/volumes and /v1/volumes/NAME */
#include "admin/handlers.h"

static bool volume_append(void *arg, const struct volume_view *view)
{
	json_array_append_new(arg, volume_json(view, false));
	return true;
}

void handle_volumes(struct http_request *request, void *arg)
{
	struct admin *admin = arg;
	json_t *list = json_array();

	volumes_each_volume(admin->volumes, volume_append, list);
	http_respond_json(request, 200, answer_json("volumes", list));
}

void respond_volume(struct http_request *request, unsigned status, const char *name)
{
	struct admin *admin = http_request_arg(request);
	struct volume_view view;
	struct error error;
	int rc = volumes_volume_view(admin->volumes, name, &view, &error);

	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		http_respond_json(request, status, answer_json("volume", volume_json(&view, true)));
}

void handle_volume(struct http_request *request, void *arg)
{
	(void)arg;
	respond_volume(request, 200, http_request_param(request, 0));
}
