/* quoin node scan */
#include <stdio.h>

#include "cli/client.h"

static void device_row(struct table *table, const json_t *device)
{
	const json_t *figures = json_object_get(device, "measured");
	const char *cloud = json_string_value(json_object_get(device, "cloud"));
	const char *holds = text_of(device, "signature");
	char size[SIZE_TEXT_LEN + 1], read[24] = "-", iops[24] = "-";

	if (json_is_object(figures)) {
		snprintf(read, sizeof(read), "%lld us", number_of(figures, "read_p50_us"));
		snprintf(iops, sizeof(iops), "%lld", number_of(figures, "read_iops"));
	}
	if (holds[0] == '-')
		holds = text_of(device, "partition_table");
	table_row(table, text_of(device, "path"), size_text(device, "size_bytes", size),
		text_of(device, "bus"), cloud && cloud[0] ? cloud : text_of(device, "model"), holds,
		json_is_true(json_object_get(device, "offered"))  ? "free"
		: json_is_true(json_object_get(device, "in_use")) ? "in use"
								  : "not empty",
		text_of(device, "tier"), read, iops);
}

int cmd_node_scan(struct cli *cli)
{
	struct table table;
	json_t *answer, *node, *devices, *device;
	char memory[SIZE_TEXT_LEN + 1];
	size_t index;
	int exit_code = cli_call(cli, "POST", "/v1/scan", NULL, &answer);

	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	node = json_object_get(answer, "node");
	devices = json_object_get(answer, "devices");
	table_init(&table, "DEVICE", "SIZE", "BUS", "MODEL", "HOLDS", "STATE", "TIER", "READ", "IOPS", NULL);
	json_array_foreach(devices, index, device) device_row(&table, device);
	table_print(&table);
	json_array_foreach(devices, index, device)
	{
		const char *why = json_string_value(json_object_get(device, "why"));

		if (why)
			printf("%s\n", why);
		else if (json_string_value(json_object_get(device, "tier_reason")))
			printf("%s: %s\n", text_of(device, "path"), text_of(device, "tier_reason"));
	}
	printf("%s: %lld cores, %s of memory", text_of(node, "hostname"), number_of(node, "cores"),
		size_text(node, "memory_bytes", memory));
	if (number_of(node, "link_mbit_per_s") > 0)
		printf(", network link of %lld Mbit/s", number_of(node, "link_mbit_per_s"));
	printf("\ntier %s: %s\n", text_of(node, "tier"), text_of(node, "tier_reason"));
	json_decref(answer);
	return EXIT_OK;
}
