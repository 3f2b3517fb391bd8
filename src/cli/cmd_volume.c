/* quoin volume list, inspect */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"

/* "a,b,c": where the replicas are; a bad one with its state: "a,b,c(away)". */
static void zones_format(const json_t *volume, char *text, size_t capacity)
{
	json_t *replica;
	size_t index, used = 0;

	text[0] = '\0';
	json_array_foreach(json_object_get(volume, "replicas"), index, replica)
	{
		const char *state = text_of(replica, "state");
		bool whole = strcmp(state, "complete") == 0;

		used += (size_t)snprintf(text + used, capacity - used, "%s%s%s%s%s", index ? "," : "",
			text_of(replica, "zone"), whole ? "" : "(", whole ? "" : state, whole ? "" : ")");
		if (used >= capacity)
			return;
	}
}

int cmd_volume_list(struct cli *cli)
{
	struct table table;
	json_t *answer, *volume;
	size_t index;
	int exit_code = cli_call(cli, "GET", "/v1/volumes", NULL, &answer);

	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	table_init(&table, "VOLUME", "SIZE", "USED", "BY SNAPSHOTS", "CLASS", "FS", "STATE", "ATTACHED",
		"ZONES", NULL);
	json_array_foreach(json_object_get(answer, "volumes"), index, volume)
	{
		char size[SIZE_TEXT_LEN + 1], used[SIZE_TEXT_LEN + 1], snapshots[SIZE_TEXT_LEN + 1],
			zones[512], state[64];

		zones_format(volume, zones, sizeof(zones));
		snprintf(state, sizeof(state), "%s%s", text_of(volume, "state"),
			json_is_string(json_object_get(volume, "import")) ? ", import unfinished" : "");
		table_row(&table, text_of(volume, "name"), size_text(volume, "size_bytes", size),
			size_text(volume, "used_bytes", used), size_text(volume, "snapshot_bytes", snapshots),
			text_of(volume, "class"), text_of(volume, "fs"), state,
			text_of(json_object_get(volume, "attached"), "node"), zones);
	}
	table_print(&table);
	json_decref(answer);
	return EXIT_OK;
}

/* "12 of 400 MiB to copy, 80 MiB/s, 5 s left": what it is, and why, on a line of its own. */
static void resync_print(const json_t *replica, const json_t *resync)
{
	char done[SIZE_TEXT_LEN + 1], total[SIZE_TEXT_LEN + 1], rate[SIZE_TEXT_LEN + 1];
	const json_t *left_ms = json_object_get(resync, "left_ms");

	printf("resync of %s: ", text_of(replica, "node"));
	if (json_is_true(json_object_get(resync, "surveying"))) {
		printf("comparing, %lld %%", number_of(resync, "survey_percent"));
	} else {
		printf("%s of %s to copy", size_text(resync, "done_bytes", done),
			size_text(resync, "total_bytes", total));
		if (number_of(resync, "bytes_per_s") > 0)
			printf(", %s/s", size_text(resync, "bytes_per_s", rate));
		if (json_is_integer(left_ms))
			printf(", %lld s left", (number_of(resync, "left_ms") + 999) / 1000);
	}
	printf("; %s\n", text_of(resync, "why"));
}

static void replicas_print(const json_t *volume)
{
	struct table table;
	json_t *replica;
	size_t index;

	table_init(&table, "REPLICA ON", "POOL", "ZONE", "ROLE", "STATE", "USED", "BEHIND", "BAD READS",
		"REPAIRED", NULL);
	json_array_foreach(json_object_get(volume, "replicas"), index, replica)
	{
		char behind[SIZE_TEXT_LEN + 1], used[SIZE_TEXT_LEN + 1], bad[24], healed[24], role[64];

		snprintf(bad, sizeof(bad), "%lld", number_of(replica, "bad_reads"));
		snprintf(healed, sizeof(healed), "%lld", number_of(replica, "healed_blocks"));
		snprintf(role, sizeof(role), "%.24s", text_of(replica, "role"));
		if (number_of(volume, "stripe_bytes") > 0)
			snprintf(role, sizeof(role), "%.24s of shard %lld", text_of(replica, "role"),
				number_of(replica, "shard"));
		table_row(&table, text_of(replica, "node"), text_of(replica, "pool"),
			text_of(replica, "zone"), role, text_of(replica, "state"),
			size_text(replica, "used_bytes", used), size_text(replica, "lag_bytes", behind), bad,
			healed);
	}
	table_print(&table);
	json_array_foreach(json_object_get(volume, "replicas"), index, replica)
	{
		const json_t *resync = json_object_get(replica, "resync");

		if (json_is_object(resync))
			resync_print(replica, resync);
	}
}

static void io_print(const char *what, const json_t *io)
{
	char bytes[SIZE_TEXT_LEN + 1];

	printf("%s  %lld, %s, %lld errors, %.3f ms each\n", what, number_of(io, "ops"),
		size_text(io, "bytes", bytes), number_of(io, "errors"),
		json_number_value(json_object_get(io, "mean_ms")));
}

static void compare_print(const json_t *compare)
{
	bool under_way = json_is_true(json_object_get(compare, "under_way"));

	if (number_of(compare, "passes") == 0 && !under_way)
		return;
	printf("compared    ");
	if (number_of(compare, "passes") > 0) {
		printf("replicas with each other, %lld s ago: ", number_of(compare, "last_s_ago"));
		cli_compared_print(compare);
	}
	if (under_way)
		printf("%sunder way, %lld %%", number_of(compare, "passes") > 0 ? "; " : "",
			number_of(compare, "percent"));
	printf("\n");
}

static void stats_print(const json_t *stats)
{
	printf("epoch       %lld, %lld entries committed, %lld requests in flight\n",
		number_of(stats, "epoch"), number_of(stats, "commit_seq"), number_of(stats, "in_flight"));
	io_print("reads     ", json_object_get(stats, "read"));
	io_print("writes    ", json_object_get(stats, "write"));
	io_print("trims     ", json_object_get(stats, "trim"));
	printf("since then  %lld waits for a quorum, %lld blocks healed, %lld remote reads\n",
		number_of(stats, "quorum_waits"), number_of(stats, "healed_blocks"),
		number_of(stats, "remote_reads"));
	compare_print(json_object_get(stats, "compare"));
}

static void limits_print(const json_t *limits, const json_t *stats)
{
	char bytes[SIZE_TEXT_LEN + 1];
	bool iops = number_of(limits, "iops") > 0, bandwidth = number_of(limits, "bytes_per_s") > 0;

	if (!iops && !bandwidth)
		return;
	printf("limits      ");
	if (iops)
		printf("%lld requests%s", number_of(limits, "iops"), bandwidth ? ", " : "");
	if (bandwidth)
		printf("%s", size_text(limits, "bytes_per_s", bytes));
	printf(" a second");
	if (stats)
		printf("; %lld requests have waited for that", number_of(stats, "limit_waits"));
	printf("\n");
}

static void device_print(const json_t *attached)
{
	const char *mountpoint = json_string_value(json_object_get(attached, "mountpoint"));

	if (!strcmp(text_of(attached, "front"), "nbd"))
		printf("nbd export  %s\n", text_of(attached, "device"));
	else if (mountpoint)
		printf("device      %s, mounted at %s (mount IDs: %lld)\n", text_of(attached, "device"),
			mountpoint, number_of(attached, "mount_count"));
	else
		printf("device      %s, not mounted\n", text_of(attached, "device"));
}

static void members_print(const json_t *members, bool is_striped, size_t shard)
{
	char of[32] = "";

	if (is_striped)
		snprintf(of, sizeof(of), "shard %zu, ", shard);
	printf("members     %snumber %lld: %zu voters, %zu learners%s\n", of, number_of(members, "number"),
		json_array_size(json_object_get(members, "voters")),
		json_array_size(json_object_get(members, "learners")),
		json_is_true(json_object_get(members, "joint"))
			? "; joint: the old and the next voters are both needed"
			: "");
}

/* Whether there is a text that says something. */
static bool tells(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && text[0];
}

static void policy_print(const json_t *policy)
{
	if (!tells(policy, "tier"))
		return; /* its class is gone, or the agent is an older one */
	printf("policy      %lld replicas, tier %s, spread %s", number_of(policy, "replicas"),
		text_of(policy, "tier"), text_of(policy, "spread"));
	if (tells(policy, "selector"))
		printf(", selector %s", text_of(policy, "selector"));
	if (tells(policy, "group"))
		printf(", group %s: %s", text_of(policy, "group"), text_of(policy, "group_rule"));
	printf("\n            snapshots: %s", text_of(policy, "snapshots"));
	printf("\n            without a quorum: %s; reads by %s; rebuild after: %s%s\n",
		text_of(policy, "on_no_quorum"), text_of(policy, "reads"), text_of(policy, "rebuild_after"),
		json_is_true(json_object_get(policy, "sticky")) ? "; sticky" : "");
	if (json_is_true(json_object_get(policy, "thick")))
		printf("            thick: its room is kept for it on each of its pools\n");
}

static void used_print(const json_t *volume)
{
	char used[SIZE_TEXT_LEN + 1], snapshots[SIZE_TEXT_LEN + 1];

	if (!json_is_integer(json_object_get(volume, "used_bytes")))
		printf("used        unknown: no complete copy of it is on this node\n");
	else
		printf("used        %s in each copy, %s of it by snapshots\n",
			size_text(volume, "used_bytes", used),
			size_text(volume, "snapshot_bytes", snapshots));
	if (number_of(volume, "kept_bytes") > 0)
		printf("            and %s kept free for it\n", size_text(volume, "kept_bytes", used));
}

int cmd_volume_inspect(struct cli *cli)
{
	char size[SIZE_TEXT_LEN + 1];
	json_t *answer, *volume, *attached, *stats, *shard;
	size_t index;
	int exit_code = cli_call_volume(cli, "GET", "", &answer);

	if (exit_code != EXIT_OK || !answer)
		return exit_code;
	volume = json_object_get(answer, "volume");
	attached = json_object_get(volume, "attached");
	stats = json_object_get(volume, "stats");
	printf("volume      %s (%s)\n", text_of(volume, "name"), text_of(volume, "uuid"));
	printf("state       %s\n", text_of(volume, "state"));
	if (json_is_string(json_object_get(volume, "import")))
		printf("import      %s: it is under way, or was killed; nobody else uses the volume "
		       "meanwhile\n",
			text_of(volume, "import"));
	printf("size        %s, %s, class %s\n", size_text(volume, "size_bytes", size), text_of(volume, "fs"),
		text_of(volume, "class"));
	if (number_of(volume, "stripe_bytes") > 0)
		printf("shards      %zu, in stripes of %s\n",
			json_array_size(json_object_get(volume, "shards")),
			size_text(volume, "stripe_bytes", size));
	used_print(volume);
	policy_print(json_object_get(volume, "policy"));
	printf("created     %s\n", text_of(volume, "created"));
	if (json_is_object(json_object_get(volume, "origin")))
		printf("clone of    %s@%s\n", text_of(json_object_get(volume, "origin"), "volume"),
			text_of(json_object_get(volume, "origin"), "snapshot"));
	if (json_is_string(json_object_get(volume, "breach")))
		printf("breach      %s; `quoin class check %s --apply` mends it\n", text_of(volume, "breach"),
			text_of(volume, "class"));
	if (json_is_string(json_object_get(volume, "shared_zone")))
		printf("placement   relaxed: two copies are in zone %s\n", text_of(volume, "shared_zone"));
	if (json_is_object(attached)) {
		printf("attached    on node %s since %s\n", text_of(attached, "node"),
			text_of(attached, "since"));
		if (json_is_true(json_object_get(attached, "here")))
			device_print(attached);
	} else {
		printf("attached    nowhere\n");
		if (json_is_string(json_object_get(volume, "steward")))
			printf("steward     node %s repairs it\n", text_of(volume, "steward"));
	}
	json_array_foreach(json_object_get(volume, "shards"), index, shard)
		members_print(shard, number_of(volume, "stripe_bytes") > 0, index);
	limits_print(json_object_get(volume, "limits"), stats);
	if (stats)
		stats_print(stats);
	printf("\n");
	replicas_print(volume);
	json_decref(answer);
	return EXIT_OK;
}
