/* quoind.conf, as a person may write it. Whatever stands there, the answer is a configuration within its
 * limits or words. */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "volumes/config.h"

static struct volumes_config config;

static void check(void)
{
	ASSERT(name_check("node", config.node, NULL) == 0);
	ASSERT(config.pool_count <= CONFIG_MAX_POOLS);
	for (unsigned i = 0; i < config.pool_count; i++) {
		ASSERT(name_check("pool", config.pools[i].name, NULL) == 0);
		ASSERT(strnlen(config.pools[i].path, CONFIG_PATH_MAX) < CONFIG_PATH_MAX);
		ASSERT(config.pools[i].line > 0);
	}
	ASSERT(strnlen(config.docker_socket, CONFIG_SOCKET_MAX) < CONFIG_SOCKET_MAX);
	ASSERT(strnlen(config.admin_socket, CONFIG_SOCKET_MAX) < CONFIG_SOCKET_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error error = { "" };
	int rc = config_parse((const char *)data, size, "quoind.conf", &config, &error);

	ASSERT(rc == 0 || rc == -EINVAL);
	if (rc == 0)
		check();
	else
		ASSERT(error.text[0] != '\0');
	return 0;
}
