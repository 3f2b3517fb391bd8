/*
 * GET and POST /v1/volumes/NAME/snapshots, DELETE /v1/volumes/NAME/snapshots/SNAPSHOT,
 * POST /v1/volumes/NAME/snapshots/SNAPSHOT/rollback, attach, serve-nbd and detach
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin/handlers.h"

static json_t *snapshot_json(const struct snapshot_view *view)
{
	json_t *nodes = json_array();

	for (unsigned i = 0; i < view->node_count; i++)
		json_array_append_new(nodes, json_string(view->nodes[i]));
	return json_pack("{s:o, s:s, s:s, s:s?, s:o, s:o, s:o, s:s?, s:s?}", "uuid",
		uuid_json(view->snapshot), "name", view->name, "state", view->state, "schedule",
		view->schedule[0] ? view->schedule : NULL, "import_of",
		uuid_is_none(view->import_of) ? json_null() : uuid_json(view->import_of), "created",
		time_json(view->created), "attached_on", nodes, "device",
		view->device[0] ? view->device : NULL, "front",
		!view->device[0] ? NULL
		: view->nbd      ? "nbd"
				 : "loop");
}

/* What is known of the room that they take; rows NULL: nothing. */
struct snapshot_list {
	json_t *snapshots;
	const struct snapshot_usage *rows;
	unsigned count;
};

/* Null where it isn't known: of one that is only being made, too. */
static void snapshot_append(void *arg, const struct snapshot_view *view)
{
	struct snapshot_list *list = arg;
	json_t *snapshot = snapshot_json(view), *used = json_null(), *own = json_null();

	for (unsigned i = 0; list->rows && i < list->count; i++) {
		if (!uuid_equal(list->rows[i].snapshot, view->snapshot))
			continue;
		used = json_integer((json_int_t)list->rows[i].used_bytes);
		own = json_integer((json_int_t)list->rows[i].own_bytes);
	}
	json_object_set_new(snapshot, "used_bytes", used);
	json_object_set_new(snapshot, "own_bytes", own);
	json_array_append_new(list->snapshots, snapshot);
}

static void on_counted(
	void *arg, int rc, const struct error *error, const struct snapshot_usage *rows, unsigned count)
{
	struct http_request *request = arg;
	struct admin *admin = http_request_arg(request);
	struct snapshot_list list = { json_array(), rows, count };
	struct error why;

	if (rc < 0 || !admin) {
		http_respond_error(request, rc < 0 ? rc : -ECANCELED, error);
		json_decref(list.snapshots);
		return;
	}
	rc = volumes_each_snapshot(
		admin->volumes, http_request_param(request, 0), snapshot_append, &list, &why);
	if (rc == 0) {
		http_respond_json(request, 200, answer_json("snapshots", list.snapshots));
		return;
	}
	json_decref(list.snapshots);
	http_respond_error(request, rc, &why);
}

void handle_snapshots(struct http_request *request, void *arg)
{
	struct admin *admin = arg;

	volumes_snapshot_usage(admin->volumes, http_request_param(request, 0), on_counted, request);
}

struct snapshot_search {
	const char *name;
	json_t *found;
};

static void snapshot_is_it(void *arg, const struct snapshot_view *view)
{
	struct snapshot_search *search = arg;

	if (strcmp(view->name, search->name) == 0)
		search->found = snapshot_json(view);
}

static void on_made(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;
	struct admin *admin = http_request_arg(request);
	struct snapshot_search search = { 0 };
	struct error ignored;
	json_t *body;

	if (rc < 0 || !admin) {
		http_respond_error(request, rc < 0 ? rc : -ECANCELED, error);
		return;
	}
	rc = http_request_json(request, &body, &ignored);
	ASSERT(rc == 0); /* it was parsed before */
	search.name = json_string_value(json_object_get(body, "name"));
	rc = volumes_each_snapshot(
		admin->volumes, http_request_param(request, 0), snapshot_is_it, &search, &ignored);
	/* Where the view doesn't show it yet, its name is all there is to tell. */
	if (rc != 0 || !search.found)
		search.found = json_pack("{s:s}", "name", search.name);
	http_respond_json(request, 201, answer_json("snapshot", search.found));
}

/* "name": "before-upgrade", "freeze": true, "import_of": UUID */
void handle_snapshot_create(struct http_request *request, void *arg)
{
	static const char *const known[] = { "name", "freeze", "import_of" };
	struct uuid import_of = { 0 };
	struct admin *admin = arg;
	bool freeze = false;
	const char *name;
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, known, sizeof(known) / sizeof(known[0]), &body, &error);

	if (rc == 0)
		rc = http_json_string(body, "name", true, NAME_MAX_LEN, &name, &error);
	if (rc == 0)
		rc = name_check("snapshot name", name, &error);
	if (rc == 0)
		rc = http_json_flag(body, "freeze", &freeze, &error);
	if (rc == 0)
		rc = body_uuid(body, "import_of", false, &import_of, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_snapshot_create(admin->volumes, http_request_param(request, 0), name, freeze,
			import_of, on_made, request);
}

static void on_gone(void *arg, int rc, const struct error *error)
{
	respond_removed(arg, 1, rc, error);
}

void handle_snapshot_remove(struct http_request *request, void *arg)
{
	struct admin *admin = arg;

	volumes_snapshot_remove(admin->volumes, http_request_param(request, 0),
		http_request_param(request, 1), on_gone, request);
}

/* For attach, serve-nbd and detach: answers with the snapshot as it is afterwards. */
static void on_attached(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;
	struct admin *admin = http_request_arg(request);
	struct snapshot_search search = { .name = http_request_param(request, 1) };
	struct error why;

	if (rc < 0 || !admin) {
		http_respond_error(request, rc < 0 ? rc : -ECANCELED, error);
		return;
	}
	rc = volumes_each_snapshot(
		admin->volumes, http_request_param(request, 0), snapshot_is_it, &search, &why);
	if (rc == 0 && !search.found)
		rc = error_set(&why, -ENOENT, "volume %s has no snapshot %s", http_request_param(request, 0),
			search.name);
	if (rc < 0)
		http_respond_error(request, rc, &why);
	else
		http_respond_json(request, 200, answer_json("snapshot", search.found));
}

/* VOLUME@SNAPSHOT; what is too long is cut, and no name then. */
static const char *snapshot_name(struct http_request *request, char text[static SNAPSHOT_NAME_MAX_LEN + 2])
{
	snprintf(text, SNAPSHOT_NAME_MAX_LEN + 2, "%s@%s", http_request_param(request, 0),
		http_request_param(request, 1));
	return text;
}

void handle_snapshot_attach(struct http_request *request, void *arg)
{
	char name[SNAPSHOT_NAME_MAX_LEN + 2];
	struct admin *admin = arg;

	volumes_snapshot_attach(admin->volumes, snapshot_name(request, name), false, on_attached, request);
}

void handle_snapshot_serve_nbd(struct http_request *request, void *arg)
{
	char name[SNAPSHOT_NAME_MAX_LEN + 2];
	struct admin *admin = arg;

	volumes_snapshot_attach(admin->volumes, snapshot_name(request, name), true, on_attached, request);
}

void handle_snapshot_detach(struct http_request *request, void *arg)
{
	char name[SNAPSHOT_NAME_MAX_LEN + 2];
	struct admin *admin = arg;

	volumes_snapshot_detach(admin->volumes, snapshot_name(request, name), on_attached, request);
}

static void on_rolled_back(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;

	if (rc < 0 || !http_request_is_waiting(request))
		http_respond_error(request, rc < 0 ? rc : -ECANCELED, error);
	else
		respond_volume(request, 200, http_request_param(request, 0));
}

void handle_rollback(struct http_request *request, void *arg)
{
	struct admin *admin = arg;

	volumes_rollback(admin->volumes, http_request_param(request, 0), http_request_param(request, 1),
		on_rolled_back, request);
}
