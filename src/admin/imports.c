/* POST /v1/volumes/NAME/serve-nbd, begin-import and end-import: what an import calls around its content. */
#include "admin/handlers.h"
#include "volumes/import.h"

/* "import": UUID, of one that fills the volume; the body may be left out */
void handle_volume_serve_nbd(struct http_request *request, void *arg)
{
	static const char *const known[] = { "import" };
	struct uuid import = { 0 };
	struct admin *admin = arg;
	struct error error;
	json_t *body;
	int rc = 0;

	if (http_request_has_body(request)) {
		rc = http_request_fields(request, known, 1, &body, &error);
		if (rc == 0)
			rc = body_uuid(body, "import", false, &import, &error);
	}
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_serve_nbd(
			admin->volumes, http_request_param(request, 0), import, on_volume_changed, request);
}

/* "import": UUID, "onto": the snapshot "monday" */
void handle_import_begin(struct http_request *request, void *arg)
{
	static const char *const known[] = { "import", "onto" };
	struct uuid import = { 0 };
	struct admin *admin = arg;
	const char *onto;
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, known, 2, &body, &error);

	if (rc == 0)
		rc = body_uuid(body, "import", true, &import, &error);
	if (rc == 0)
		rc = http_json_string(body, "onto", true, NAME_MAX_LEN, &onto, &error);
	if (rc == 0)
		rc = name_check("snapshot name", onto, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_import_begin(admin->volumes, http_request_param(request, 0), import, onto,
			on_volume_changed, request);
}

/* "import": UUID */
void handle_import_end(struct http_request *request, void *arg)
{
	static const char *const known[] = { "import" };
	struct uuid import = { 0 };
	struct admin *admin = arg;
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, known, 1, &body, &error);

	if (rc == 0)
		rc = body_uuid(body, "import", true, &import, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_import_end(
			admin->volumes, http_request_param(request, 0), import, on_volume_changed, request);
}
