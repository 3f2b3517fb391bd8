/* /v1/classes: list, one, apply a text, set a field, remove, check. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/handlers.h"

#define MENDS_MAX 32u /* volumes that one call asks changes for */

static json_t *class_json(const struct class_view *view)
{
	return json_pack("{s:s, s:I, s:o, s:i, s:s, s:s, s:s, s:o, s:I, s:s, s:s, s:s, s:s, s:s, s:i, s:o}",
		"name", view->name, "number", (json_int_t)view->number, "description",
		http_json_text(view->description), "replicas", (int)view->replicas, "tier", view->tier,
		"spread", view->spread, "group_rule", view->group_rule, "selector",
		http_json_text(view->selector), "size_bytes", (json_int_t)view->size_bytes, "fs", view->fs,
		"reads", view->reads, "on_no_quorum", view->on_no_quorum, "rebuild_after",
		view->rebuild_after, "snapshots", view->snapshots, "volumes", (int)view->volume_count, "text",
		http_json_text(view->text));
}

static bool class_append(void *arg, const struct class_view *view)
{
	json_array_append_new(arg, class_json(view));
	return true;
}

static void classes_seen(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;
	struct admin *admin = http_request_arg(request);
	json_t *list;

	if (!http_request_goes_on(request, rc, error))
		return;
	list = json_array();
	volumes_each_class(admin->volumes, class_append, list);
	http_respond_json(request, 200, answer_json("classes", list));
}

/* Each class tells how many volumes it has, wherever they are. */
void handle_classes(struct http_request *request, void *arg)
{
	(void)arg;
	all_volumes_look(request, classes_seen);
}

static void class_seen(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;
	struct admin *admin = http_request_arg(request);
	struct class_view view;
	struct error why;

	if (!http_request_goes_on(request, rc, error))
		return;
	rc = volumes_class_view(admin->volumes, http_request_param(request, 0), &view, &why);
	if (rc < 0)
		http_respond_error(request, rc, &why);
	else
		http_respond_json(request, 200, answer_json("class", class_json(&view)));
}

void handle_class(struct http_request *request, void *arg)
{
	(void)arg;
	all_volumes_look(request, class_seen);
}

/* What has been changed is told as far as it is known. */
static void classes_changed_seen(void *arg, int rc, const struct error *error)
{
	(void)rc;
	classes_seen(arg, 0, error);
}

static void class_set_seen(void *arg, int rc, const struct error *error)
{
	(void)rc;
	class_seen(arg, 0, error);
}

static void on_changed(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;

	if (rc < 0 || !http_request_is_waiting(request))
		http_respond_error(request, rc < 0 ? rc : -ECANCELED, error);
	else
		all_volumes_look(request, classes_changed_seen);
}

/* {"text": "[class a] ..."} */
void handle_classes_apply(struct http_request *request, void *arg)
{
	static const char *const known[] = { "text" };
	struct admin *admin = arg;
	struct error error;
	const char *text;
	json_t *body;
	int rc = http_request_fields(request, known, 1, &body, &error);

	if (rc == 0)
		rc = http_json_string(body, "text", true, HTTP_MAX_BODY_BYTES, &text, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_classes_apply(admin->volumes, text, strlen(text), on_changed, request);
}

static void on_set(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;

	if (rc < 0 || !http_request_is_waiting(request))
		http_respond_error(request, rc < 0 ? rc : -ECANCELED, error);
	else
		all_volumes_look(request, class_set_seen);
}

/* {"key": "replicas", "value": "5"} */
void handle_class_set(struct http_request *request, void *arg)
{
	static const char *const known[] = { "key", "value" };
	struct admin *admin = arg;
	const char *key, *value;
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, known, 2, &body, &error);

	if (rc == 0)
		rc = http_json_string(body, "key", true, NAME_MAX_LEN, &key, &error);
	if (rc == 0)
		rc = http_json_string(body, "value", true, 500, &value, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_class_set(
			admin->volumes, http_request_param(request, 0), key, value, on_set, request);
}

static void on_removed(void *arg, int rc, const struct error *error)
{
	respond_removed(arg, 0, rc, error);
}

void handle_class_remove(struct http_request *request, void *arg)
{
	struct admin *admin = arg;

	volumes_class_remove(admin->volumes, http_request_param(request, 0), on_removed, request);
}

/* ---- check: which volumes aren't as their class says; with "apply" each is asked to change ---- */

struct check {
	struct http_request *request;
	json_t *breaches;
	size_t asked, answered;
};

struct mend {
	struct check *check;
	json_t *breach; /* borrowed */
};

static bool breach_append(void *arg, const struct breach_view *view)
{
	json_array_append_new(arg, json_pack("{s:s, s:o, s:n}", "volume", view->volume, "why",
					   http_json_text(view->why), "outcome"));
	return true;
}

static void check_answer(struct check *check)
{
	http_respond_json(check->request, 200, answer_json("breaches", check->breaches));
	free(check);
}

static void on_mended(void *arg, int rc, const struct error *error)
{
	struct mend *mend = arg;
	struct check *check = mend->check;

	json_object_set_new(
		mend->breach, "outcome", rc ? http_json_text(error->text) : json_string("change asked for"));
	free(mend);
	if (++check->answered == check->asked)
		check_answer(check);
}

static void mends_begin(struct admin *admin, struct check *check)
{
	size_t count = json_array_size(check->breaches);

	check->asked = count < MENDS_MAX ? count : MENDS_MAX;
	for (size_t i = 0; i < count; i++) {
		json_t *breach = json_array_get(check->breaches, i);
		struct mend *mend;

		if (i >= MENDS_MAX) {
			json_object_set_new(breach, "outcome", json_string("later: ask again"));
			continue;
		}
		mend = calloc(1, sizeof(*mend));
		ASSERT(mend); /* as the JSON library does */
		*mend = (struct mend){ check, breach };
		volumes_class_mend(admin->volumes, json_string_value(json_object_get(breach, "volume")),
			on_mended, mend);
	}
}

static void check_seen(void *arg, int seen, const struct error *why)
{
	struct http_request *request = arg;
	struct admin *admin = http_request_arg(request);
	struct class_view view;
	struct check *check;
	struct error error;
	bool apply = false;
	json_t *body;
	int rc;

	if (!http_request_goes_on(request, seen, why))
		return;
	rc = http_request_json(request, &body, &error);
	if (rc == 0)
		rc = volumes_class_view(admin->volumes, http_request_param(request, 0), &view, &error);
	if (rc == 0)
		rc = http_json_flag(body, "apply", &apply, &error);
	check = rc == 0 ? calloc(1, sizeof(*check)) : NULL;
	if (!check) {
		http_respond_error(request, rc < 0 ? rc : error_set(&error, -ENOMEM, "no memory"), &error);
		return;
	}
	*check = (struct check){ .request = request, .breaches = json_array() };
	volumes_each_breach(admin->volumes, view.name, breach_append, check->breaches);
	if (apply && json_array_size(check->breaches) > 0)
		mends_begin(admin, check);
	else
		check_answer(check);
}

void handle_class_check(struct http_request *request, void *arg)
{
	static const char *const known[] = { "apply" };
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, known, 1, &body, &error);

	(void)arg;
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		all_volumes_look(request, check_seen);
}
