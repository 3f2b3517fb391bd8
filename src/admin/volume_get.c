/* GET /v1/volumes and /v1/volumes/NAME */
#include <errno.h>
#include <stdlib.h>

#include "admin/handlers.h"

void all_volumes_look(struct http_request *request, volumes_done_fn fn)
{
	struct admin *admin = http_request_arg(request);

	volumes_look(admin->volumes, &(struct volumes_look){ .all = true }, fn, request);
}

static bool volume_append(void *arg, const struct volume_view *view)
{
	json_array_append_new(arg, volume_json(view, false));
	return true;
}

static void volumes_seen(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;
	struct admin *admin = http_request_arg(request);
	json_t *list;

	if (!http_request_goes_on(request, rc, error))
		return;
	list = json_array();
	volumes_each_volume(admin->volumes, volume_append, list);
	http_respond_json(request, 200, answer_json("volumes", list));
}

void handle_volumes(struct http_request *request, void *arg)
{
	(void)arg;
	all_volumes_look(request, volumes_seen);
}

struct answer {
	struct http_request *request;
	unsigned status;
	const char *name; /* the request's */
};

/* What an operation has done is told as far as it is known. */
static void volume_seen(void *arg, int rc, const struct error *error)
{
	struct answer *answer = arg;
	struct http_request *request = answer->request;
	struct admin *admin = http_request_arg(request);
	struct volume_view view;
	struct error why;
	int seen = admin ? volumes_volume_view(admin->volumes, answer->name, &view, &why) : -ECANCELED;

	if (seen == 0)
		http_respond_json(request, answer->status, answer_json("volume", volume_json(&view, true)));
	else if (rc < 0 || !admin)
		http_respond_error(request, rc < 0 ? rc : -ECANCELED, error);
	else
		http_respond_error(request, seen, &why);
	free(answer);
}

void respond_volume(struct http_request *request, unsigned status, const char *name)
{
	struct admin *admin = http_request_arg(request);
	struct answer *answer = malloc(sizeof(*answer));

	ASSERT(answer); /* as the JSON library does */
	*answer = (struct answer){ request, status, name };
	volumes_look(admin->volumes, &(struct volumes_look){ .volume = name }, volume_seen, answer);
}

void handle_volume(struct http_request *request, void *arg)
{
	(void)arg;
	respond_volume(request, 200, http_request_param(request, 0));
}
