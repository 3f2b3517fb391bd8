/* Private to plugin: one handler for each call of the protocol. */
#ifndef QUOIN_PLUGIN_HANDLERS_H
#define QUOIN_PLUGIN_HANDLERS_H

#include "plugin/plugin.h"
#include "volumes/look.h"

struct plugin {
	struct volumes *volumes;
	struct http_server *server;
	void (*close_fn)(void *arg);
	void *close_arg;
};

/* activate.c */
void handle_activate(struct http_request *request, void *arg);
void handle_capabilities(struct http_request *request, void *arg);
/* create.c */
void handle_create(struct http_request *request, void *arg);
void handle_remove(struct http_request *request, void *arg);
/* mount.c */
void handle_mount(struct http_request *request, void *arg);
void handle_unmount(struct http_request *request, void *arg);
/* get.c */
void handle_get(struct http_request *request, void *arg);
void handle_list(struct http_request *request, void *arg);
void handle_path(struct http_request *request, void *arg);

/*
 * plugin.c: the request's object and the volume that its "Name" means, which may have options in it. Answers
 * and returns false if it is malformed. Only Create looks at the options.
 */
struct request_volume {
	const char *text; /* what dockerd calls it: it wants to hear the same */
	char name[NAME_MAX_LEN + 1];
	struct volume_options options;
};
bool request_name(struct http_request *request, json_t **ret_body, struct request_volume *ret_volume);
/* Answers `{"Err": ""}`, or the error: for calls whose success says nothing. */
void respond_done(void *request, int rc, const struct error *error);
/* As volumes_volume_view(), but while the catalog has not been read "not there" is "not known yet". */
int volume_look(struct volumes *volumes, const char *name, struct volume_view *ret_view,
	struct error *error) MUST_CHECK;

#endif
