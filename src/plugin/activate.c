/* Plugin.Activate and VolumeDriver.Capabilities: answered at once, whatever the cluster does. */
#include "plugin/handlers.h"

void handle_activate(struct http_request *request, void *arg)
{
	struct plugin *plugin = arg;

	/* dockerd says this once, at its first use of us and at each of its starts: mount IDs of before are
	 * old now. */
	volumes_new_generation(plugin->volumes);
	http_respond_json(request, 200, json_pack("{s:[s]}", "Implements", "VolumeDriver"));
}

void handle_capabilities(struct http_request *request, void *arg)
{
	(void)arg;
	/* global: a volume is the same volume on every node, so Swarm creates it once. */
	http_respond_json(request, 200, json_pack("{s:{s:s}}", "Capabilities", "Scope", "global"));
}
