/* Private to admin: the handlers, and the JSON of each kind of thing. */
#ifndef QUOIN_ADMIN_HANDLERS_H
#define QUOIN_ADMIN_HANDLERS_H

#include "admin/admin.h"
#include "volumes/care.h"
#include "volumes/look.h"

struct admin {
	struct volumes *volumes;
	struct http_server *server;
	struct http_server *metrics;
	char node[NAME_MAX_LEN + 1];
	unsigned closing; /* servers that aren't gone yet */
	void (*close_fn)(void *arg);
	void *close_arg;
};

/* status.c */
void handle_status(struct http_request *request, void *arg);
/* cluster.c */
void handle_cluster_accept_restore(struct http_request *request, void *arg);
/* nodes.c */
void handle_nodes(struct http_request *request, void *arg);
/* care.c */
void handle_drain(struct http_request *request, void *arg);
void handle_pool_wipe(struct http_request *request, void *arg);
void handle_pool_remove(struct http_request *request, void *arg);
void handle_pool_scrub(struct http_request *request, void *arg);
void handle_rebalance(struct http_request *request, void *arg);
void handle_node_remove(struct http_request *request, void *arg);
/* scan.c */
void handle_scan(struct http_request *request, void *arg);
/* pools.c */
void handle_pools(struct http_request *request, void *arg);
void handle_pool_add(struct http_request *request, void *arg);
json_t *pool_view_json(const struct pool_view *view);
/* pool_get.c */
void handle_pool(struct http_request *request, void *arg);
void handle_node_pool(struct http_request *request, void *arg);
/* volume_get.c */
/* Reads all volumes, wherever they are; then fn, whose argument is the request. */
void all_volumes_look(struct http_request *request, volumes_done_fn fn);
void handle_volumes(struct http_request *request, void *arg);
void handle_volume(struct http_request *request, void *arg);
/* classes.c */
void handle_classes(struct http_request *request, void *arg);
void handle_class(struct http_request *request, void *arg);
void handle_classes_apply(struct http_request *request, void *arg);
void handle_class_set(struct http_request *request, void *arg);
void handle_class_remove(struct http_request *request, void *arg);
void handle_class_check(struct http_request *request, void *arg);
/* place.c */
void handle_place(struct http_request *request, void *arg);
/* volume_ops.c */
/* Options of a new volume out of a body that has no keys but known ones. -EINVAL, with words. */
int options_json_read(const json_t *body, struct volume_options *options, struct error *error) MUST_CHECK;
void handle_volume_create(struct http_request *request, void *arg);
void handle_volume_remove(struct http_request *request, void *arg);
void handle_volume_attach(struct http_request *request, void *arg);
void handle_volume_move_replica(struct http_request *request, void *arg);
void handle_volume_set_sticky(struct http_request *request, void *arg);
void handle_volume_set_limits(struct http_request *request, void *arg);
void handle_volume_resize(struct http_request *request, void *arg);
void handle_volume_set_replicas(struct http_request *request, void *arg);
void handle_volume_cancel_change(struct http_request *request, void *arg);
void handle_volume_detach(struct http_request *request, void *arg);
/* For attach and its like: answers with the volume as it is afterwards; a volumes_done_fn of the request. */
void on_volume_changed(void *arg, int rc, const struct error *error);
/* imports.c */
void handle_volume_serve_nbd(struct http_request *request, void *arg);
void handle_import_begin(struct http_request *request, void *arg);
void handle_import_end(struct http_request *request, void *arg);
/* json.c: the UUID at `key`; absent: *ret_uuid stays if !required. -EINVAL, with words. */
int body_uuid(const json_t *body, const char *key, bool required, struct uuid *ret_uuid,
	struct error *error) MUST_CHECK;
/* snapshots.c */
void handle_snapshots(struct http_request *request, void *arg);
void handle_snapshot_create(struct http_request *request, void *arg);
void handle_snapshot_remove(struct http_request *request, void *arg);
void handle_snapshot_attach(struct http_request *request, void *arg);
void handle_snapshot_serve_nbd(struct http_request *request, void *arg);
void handle_snapshot_detach(struct http_request *request, void *arg);
void handle_rollback(struct http_request *request, void *arg);
/* trace.c */
void handle_volume_trace(struct http_request *request, void *arg);
/* events.c */
void handle_events(struct http_request *request, void *arg);
json_t *event_json(const struct event_view *view);
/* metrics.c */
void handle_metrics(struct http_request *request, void *arg);

/* volume_json.c */
json_t *volume_json(const struct volume_view *view, bool with_stats);
/* "used_bytes" and "snapshot_bytes": null where they aren't known. */
void usage_put(json_t *to, const struct usage_view *usage);
/* volume_get.c: answers with the volume as it is now, or with the error. */
void respond_volume(struct http_request *request, unsigned status, const char *name);
/* json.c: a UUID's text; a time's text, null where there is none. */
json_t *uuid_json(struct uuid uuid);
json_t *time_json(const char *text);
/* {"version": 1, key: value}; takes the reference to value. */
json_t *answer_json(const char *key, json_t *value);
/* {key: [lines]}, or the error. */
void respond_lines(struct http_request *request, int rc, const struct error *error, const char *key,
	const char *const *lines, unsigned count);
/* "path" of a pool's device or file, absolute; borrowed from the body. */
int body_pool_path(const json_t *body, const char **ret_path, struct error *error) MUST_CHECK;
/* Answers a removal: {"removed": the name at this place of the path}, or the error. */
void respond_removed(struct http_request *request, unsigned param, int rc, const struct error *error);

#endif
