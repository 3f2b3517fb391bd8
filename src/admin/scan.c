/* POST /v1/scan: what this node is, and its disks */
#include <errno.h>

#include "admin/handlers.h"

static json_t *measurement_json(const struct measurement *m)
{
	json_t *figures = json_pack("{s:I, s:I, s:I, s:I}", "read_p50_us", (json_int_t)m->read_p50_us,
		"read_p99_us", (json_int_t)m->read_p99_us, "read_iops", (json_int_t)m->read_iops,
		"read_mib_per_s", (json_int_t)m->read_mib_s);

	if (m->samples_write) {
		json_object_set_new(figures, "write_p50_us", json_integer(m->write_p50_us));
		json_object_set_new(figures, "write_p99_us", json_integer(m->write_p99_us));
		json_object_set_new(figures, "write_mib_per_s", json_integer(m->write_mib_s));
	}
	json_object_set_new(figures, "took_ms", json_integer(m->took_ms));
	return figures;
}

static json_t *device_json(const struct scan_device *device)
{
	const struct device_facts *facts = &device->facts;
	json_t *json = json_pack("{s:o, s:s, s:s, s:o, s:o, s:s, s:o, s:I, s:I, s:I, s:b, s:b, s:b, s:b}",
		"path", http_json_text(facts->path), "disk", facts->disk, "bus", device_bus_name(facts->bus),
		"model", http_json_text(facts->model), "serial", http_json_text(facts->serial), "cloud",
		facts->cloud, "id", http_json_text(facts->id), "size_bytes", (json_int_t)facts->size_bytes,
		"logical_sector_bytes", (json_int_t)facts->logical_sector_bytes, "physical_sector_bytes",
		(json_int_t)facts->physical_sector_bytes, "rotational", (int)facts->rotational, "write_cache",
		(int)facts->write_back, "discard", (int)facts->discard, "read_only", (int)facts->read_only);

	json_object_set_new(json, "parent", device->parent[0] ? json_string(device->parent) : json_null());
	json_object_set_new(
		json, "partition_table", device->table[0] ? json_string(device->table) : json_null());
	json_object_set_new(
		json, "signature", device->signature[0] ? json_string(device->signature) : json_null());
	json_object_set_new(json, "label", device->label[0] ? http_json_text(device->label) : json_null());
	json_object_set_new(json, "in_use", json_boolean(device->in_use));
	json_object_set_new(json, "offered", json_boolean(device->offered));
	json_object_set_new(json, "why", device->why[0] ? http_json_text(device->why) : json_null());
	json_object_set_new(
		json, "measured", device->measured ? measurement_json(&device->measurement) : json_null());
	if (device->offered && device->tier != TIER_UNKNOWN) {
		json_object_set_new(json, "tier", json_string(tier_name(device->tier)));
		json_object_set_new(json, "tier_reason", http_json_text(device->tier_reason));
	}
	return json;
}

static void on_scanned(void *arg, int rc, const struct error *error, const struct node_scan *scan)
{
	struct http_request *request = arg;
	json_t *devices, *node;

	if (rc < 0) {
		http_respond_error(request, rc, error);
		return;
	}
	node = json_pack("{s:o, s:s, s:I, s:I, s:I, s:s, s:s}", "hostname",
		http_json_text(scan->node.hostname), "kernel", scan->node.kernel, "cores",
		(json_int_t)scan->node.cores, "memory_bytes", (json_int_t)scan->node.memory_bytes,
		"link_mbit_per_s", (json_int_t)scan->node.link_mbit_s, "tier", tier_name(scan->tier),
		"tier_reason", scan->tier_reason);
	devices = json_array();
	for (size_t i = 0; i < scan->disks.count; i++)
		json_array_append_new(devices, device_json(&scan->disks.devices[i]));
	http_respond_json(request, 200,
		json_pack("{s:i, s:o, s:o, s:I}", "version", 1, "node", node, "devices", devices, "took_ms",
			(json_int_t)scan->disks.took_ms));
}

void handle_scan(struct http_request *request, void *arg)
{
	struct admin *admin = arg;

	volumes_scan(admin->volumes, true, on_scanned, request);
}
