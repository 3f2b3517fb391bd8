/* GET /v1/events?after=N */
#include <errno.h>
#include <stdlib.h>

#include "admin/handlers.h"

json_t *event_json(const struct event_view *view)
{
	return json_pack("{s:I, s:s, s:s, s:o, s:o}", "number", (json_int_t)view->number, "time", view->time,
		"kind", view->kind, "subject", http_json_text(view->subject), "text",
		http_json_text(view->text));
}

static bool event_add(void *arg, const struct event_view *view)
{
	json_array_append_new(arg, event_json(view));
	return true;
}

void handle_events(struct http_request *request, void *arg)
{
	struct admin *admin = arg;
	const char *text = http_request_query(request, "after");
	uint64_t after = 0;
	json_t *events;

	if (text) {
		struct error error;
		char *end;

		errno = 0;
		after = strtoull(text, &end, 10);
		if (errno || *text < '0' || *text > '9' || *end) {
			(void)error_set(&error, -EINVAL, "after=%.32s is no number of an event", text);
			http_respond_error(request, -EINVAL, &error);
			return;
		}
	}
	events = json_array();
	volumes_each_event(admin->volumes, after, event_add, events);
	http_respond_json(request, 200, answer_json("events", events));
}
