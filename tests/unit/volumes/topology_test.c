/* Where a node stands: which source counts, and what others wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <pthread.h>
#include <cmocka.h>

#include "volumes/topology.h"

static const char docker_info[] =
	"{\"ID\": \"x\", \"Labels\": [\"zone=dz\", \"topology.kubernetes.io/region=dr\", "
	"\"disk=fast\", \"odd\", 7, \"rack=not a name\"]}";

static void docker_labels_are_places_or_free(void **state)
{
	static struct topology topology;

	(void)state;
	topology = (struct topology){ .label_count = 0 };
	topology_from_docker(&topology, docker_info, strlen(docker_info));
	assert_string_equal(topology.zone.name, "dz");
	assert_int_equal(topology.zone.from, CATALOG_SOURCE_DOCKER);
	assert_string_equal(topology.region.name, "dr");
	assert_int_equal(topology.rack.from, CATALOG_SOURCE_NONE);
	assert_int_equal(topology.label_count, 1);
	assert_string_equal(topology.labels[0].name, "disk");
	assert_string_equal(topology.labels[0].value, "fast");
	assert_true(topology.docker_asked);
}

static void what_is_no_json_tells_nothing(void **state)
{
	static struct topology topology;

	(void)state;
	topology = (struct topology){ .label_count = 0 };
	topology_from_docker(&topology, "{\"Labels\": [", 12);
	topology_from_docker(&topology, "[]", 2);
	topology_from_docker(&topology, "{\"Labels\": null}", 16);
	topology_from_cloud(&topology, "{\"v1\": [1]}", 11);
	topology_from_cloud(&topology, "", 0);
	assert_int_equal(topology.zone.from, CATALOG_SOURCE_NONE);
	assert_int_equal(topology.label_count, 0);
}

static void the_cloud_tells_region_and_zone(void **state)
{
	static const char data[] =
		"{\"v1\": {\"region\": \"eu-central-1\", \"availability_zone\": \"eu-central-1a\"}}";
	static struct topology topology;

	(void)state;
	topology = (struct topology){ .label_count = 0 };
	topology_from_cloud(&topology, data, strlen(data));
	assert_string_equal(topology.zone.name, "eu-central-1a");
	assert_string_equal(topology.region.name, "eu-central-1");
	assert_int_equal(topology.zone.from, CATALOG_SOURCE_CLOUD);
}

static void dmi_strings_are_read_and_never_past_their_end(void **state)
{
	/* type 11, length 5, handle, count; then the strings. */
	static const uint8_t bytes[] = "\x0b\x05\x01\x02\x03vendor words\0quoin.zone=vz\0quoin.rack=r7\0";
	static struct topology topology;

	(void)state;
	topology = (struct topology){ .label_count = 0 };
	topology_from_dmi(&topology, bytes, sizeof(bytes));
	assert_string_equal(topology.zone.name, "vz");
	assert_string_equal(topology.rack.name, "r7");
	assert_int_equal(topology.rack.from, CATALOG_SOURCE_DMI);
	for (size_t len = 0; len < sizeof(bytes); len++) {
		uint8_t copy[sizeof(bytes)];

		topology = (struct topology){ .label_count = 0 };
		memcpy(copy, bytes, len);
		topology_from_dmi(&topology, copy, len);
		assert_true(topology.rack.from == CATALOG_SOURCE_NONE || len >= sizeof(bytes) - 2);
	}
	topology_from_dmi(&topology, (const uint8_t *)"\x01\x05\x01\x02\x03quoin.zone=no", 19);
	assert_string_not_equal(topology.zone.name, "no");
}

/* A Docker engine that answers one question. */
static void *engine(void *arg)
{
	int listener = *(int *)arg, fd = accept(listener, NULL, NULL);
	char text[1024];

	(void)!read(fd, text, sizeof(text));
	snprintf(text, sizeof(text), "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n%s",
		docker_info);
	(void)!write(fd, text, strlen(text));
	close(fd);
	return NULL;
}

static void the_configuration_counts_first_then_docker_then_the_cloud(void **state)
{
	static struct topology topology;
	static struct volumes_config config = { .node = "n1", .zone = "cz", .labels = "disk=slow, owner=db" };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char cloud[64];
	struct topology_sources sources = { address.sun_path, cloud, "/nonexistent" };
	struct catalog_node record = { .cores = 1 };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_t thread;
	FILE *file;

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/quoin-topology-%d.sock", (int)getpid());
	snprintf(cloud, sizeof(cloud), "/tmp/quoin-topology-%d.json", (int)getpid());
	file = fopen(cloud, "we");
	assert_non_null(file);
	fputs("{\"v1\": {\"region\": \"kr\", \"availability_zone\": \"kz\"}}", file);
	fclose(file);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, engine, &listener), 0);
	topology_find(&config, &sources, &topology);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(listener);
	unlink(address.sun_path);
	unlink(cloud);
	topology_record(&topology, &record);
	assert_string_equal(record.zone, "cz");
	assert_int_equal(record.zone_from, CATALOG_SOURCE_CONFIG);
	assert_string_equal(record.region, "dr");
	assert_int_equal(record.region_from, CATALOG_SOURCE_DOCKER);
	assert_string_equal(record.rack, "default");
	assert_int_equal(record.rack_from, CATALOG_SOURCE_NONE);
	assert_string_equal(record.host, "n1");
	assert_int_equal(record.host_from, CATALOG_SOURCE_HOSTNAME);
	assert_int_equal(record.label_count, 2);
	assert_string_equal(record.labels[0].value, "slow");
}

static void while_docker_is_silent_what_it_said_holds(void **state)
{
	static struct topology said, silent;
	static struct volumes_config config = { .node = "n1" };
	static const struct topology_sources none = { "/nonexistent", "/nonexistent", "/nonexistent" };
	struct catalog_node known = { .cores = 1 };

	(void)state;
	said = (struct topology){ .label_count = 0 };
	topology_from_docker(&said, docker_info, strlen(docker_info));
	topology_record(&said, &known);
	topology_find(&config, &none, &silent);
	assert_false(silent.docker_asked);
	topology_keep(&silent, &known);
	assert_string_equal(silent.zone.name, "dz");
	assert_int_equal(silent.zone.from, CATALOG_SOURCE_DOCKER);
	assert_int_equal(silent.label_count, 1);
	/* It answers, and has no label any more: then it is gone. */
	topology_find(&config, &none, &silent);
	topology_from_docker(&silent, "{\"Labels\": []}", 14);
	topology_keep(&silent, &known);
	assert_int_equal(silent.zone.from, CATALOG_SOURCE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docker_labels_are_places_or_free),
		cmocka_unit_test(what_is_no_json_tells_nothing),
		cmocka_unit_test(the_cloud_tells_region_and_zone),
		cmocka_unit_test(dmi_strings_are_read_and_never_past_their_end),
		cmocka_unit_test(the_configuration_counts_first_then_docker_then_the_cloud),
		cmocka_unit_test(while_docker_is_silent_what_it_said_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
