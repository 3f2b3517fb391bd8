#include "volumes/config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "volumes/config_keys.h"

#define CORES_PER_THREAD 4u
#define AUTO_MAX_THREADS 8u

/* libinih splits lines into keys and values; which line and section it is at is followed here, by its reader.
 */
struct parse {
	struct volumes_config *config;
	const char *file;
	const char *at, *end;
	unsigned line;
	bool in_section; /* a section was begun */
	enum config_section section;
	struct pool_config *pool; /* the one that [pool NAME] began */
	uint64_t seen;            /* keys, outside of pools */
	uint64_t pool_seen[CONFIG_MAX_POOLS];
	unsigned section_line[CONFIG_SECTIONS];
	struct error *error;
	int rc;
};

static void parse_fail(struct parse *p, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The first error counts; everything stops there. */
static void parse_fail(struct parse *p, unsigned line, const char *format, ...)
{
	char words[ERROR_TEXT_MAX];
	va_list args;

	if (p->rc)
		return;
	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	if (line)
		p->rc = error_set(p->error, -EINVAL, "%s:%u: %s", p->file, line, words);
	else
		p->rc = error_set(p->error, -EINVAL, "%s: %s", p->file, words);
}

static void pool_begin(struct parse *p, const char *name)
{
	struct volumes_config *config = p->config;
	struct error why;

	if (name_check("pool name", name, &why)) {
		parse_fail(p, p->line, "%s", why.text);
		return;
	}
	for (unsigned i = 0; i < config->pool_count; i++)
		if (!strcmp(config->pools[i].name, name)) {
			parse_fail(p, p->line, "[pool %s] stands at line %u already", name,
				config->pools[i].line);
			return;
		}
	if (config->pool_count == CONFIG_MAX_POOLS) {
		parse_fail(p, p->line, "more than %u pools", CONFIG_MAX_POOLS);
		return;
	}
	p->pool = &config->pools[config->pool_count++];
	*p->pool = (struct pool_config){ .tier = "auto", .line = p->line };
	memcpy(p->pool->name, name, strlen(name) + 1);
}

/* `text` stands between the brackets. */
static void section_begin(struct parse *p, const char *text)
{
	const char *near;

	p->in_section = true;
	if (!strncmp(text, "pool ", 5)) {
		p->section = CONFIG_POOL;
		pool_begin(p, text + 5 + strspn(text + 5, " \t"));
		return;
	}
	if (!strcmp(text, "pool")) {
		parse_fail(p, p->line, "a pool's section needs its name: [pool NAME]");
		return;
	}
	for (unsigned i = 0; i < CONFIG_SECTIONS; i++)
		if (!strcmp(text, config_section_names[i])) {
			if (p->section_line[i])
				parse_fail(p, p->line, "[%s] stands at line %u already", text,
					p->section_line[i]);
			p->section_line[i] = p->line;
			p->section = (enum config_section)i;
			return;
		}
	near = name_nearest(text, config_section_names, CONFIG_SECTIONS);
	parse_fail(p, p->line,
		"unknown section [%s]%s%s%s; known are [node] [cluster] [pool NAME] [docker] [admin] "
		"[metrics]",
		text, near ? ": did you mean [" : "", near ? near : "", near ? "]?" : "");
}

/* Gives libinih one line, without the blanks before it (it would take the line for a continuation). */
static char *parse_line(char *to, int to_bytes, void *stream)
{
	struct parse *p = stream;
	const char *end;
	size_t len;

	if (p->rc || p->at == p->end)
		return NULL;
	p->line++;
	end = memchr(p->at, '\n', (size_t)(p->end - p->at));
	if (!end)
		end = p->end;
	len = (size_t)(end - p->at);
	if (p->line == 1 && len >= 3 && !memcmp(p->at, "\xef\xbb\xbf", 3)) {
		p->at += 3; /* a byte order mark */
		len -= 3;
	}
	if (memchr(p->at, '\0', len)) {
		parse_fail(p, p->line, "a zero byte: this is not a text file");
		return NULL;
	}
	while (len && (*p->at == ' ' || *p->at == '\t')) {
		p->at++;
		len--;
	}
	if (len + 2 > (size_t)to_bytes) {
		parse_fail(p, p->line, "the line is longer than %d characters", to_bytes - 2);
		return NULL;
	}
	memcpy(to, p->at, len);
	to[len] = '\n';
	to[len + 1] = '\0';
	p->at = end == p->end ? end : end + 1;
	if (to[0] == '[') {
		char name[INI_MAX_LINE];
		size_t name_len = strcspn(to + 1, "]\n");

		if (to[1 + name_len] != ']' || name_len >= sizeof(name)) {
			parse_fail(p, p->line, "a section's name ends with a bracket: [node]");
			return NULL;
		}
		memcpy(name, to + 1, name_len);
		name[name_len] = '\0';
		section_begin(p, name);
	}
	return to;
}

static void key_unknown(struct parse *p, const char *name)
{
	const char *names[CONFIG_MAX_KEYS];
	char known[ERROR_TEXT_MAX / 2] = "";
	const char *near;
	size_t count = 0, len = 0;

	for (unsigned i = 0; i < config_key_count; i++) {
		if (config_keys[i].section != p->section)
			continue;
		names[count++] = config_keys[i].name;
		len += (size_t)snprintf(
			known + len, sizeof(known) - len, "%s%s", len ? ", " : "", config_keys[i].name);
	}
	near = name_nearest(name, names, count);
	if (near)
		parse_fail(p, p->line, "unknown key \"%s\" in [%s]: did you mean \"%s\"?", name,
			config_section_names[p->section], near);
	else
		parse_fail(p, p->line, "unknown key \"%s\" in [%s]; known are %s", name,
			config_section_names[p->section], known);
}

static int parse_pair(void *user, const char *section, const char *name, const char *value)
{
	struct parse *p = user;
	const struct config_key *key;
	struct error why;
	uint64_t *seen, bit;

	(void)section; /* cut at 50 characters by libinih; ours is whole */
	if (p->rc)
		return 1;
	if (!p->in_section) {
		parse_fail(p, p->line, "\"%s\" stands before the first [section]", name);
		return 1;
	}
	key = config_key_find(p->section, name);
	if (!key) {
		key_unknown(p, name);
		return 1;
	}
	seen = p->section == CONFIG_POOL ? &p->pool_seen[p->config->pool_count - 1] : &p->seen;
	bit = UINT64_C(1) << (key - config_keys);
	if (*seen & bit) {
		parse_fail(p, p->line, "\"%s\" is set twice in [%s]", name, config_section_names[p->section]);
		return 1;
	}
	*seen |= bit;
	if (config_value_set(key, value, p->section == CONFIG_POOL ? (void *)p->pool : p->config, &why))
		parse_fail(p, p->line, "%s %s", name, why.text);
	return 1;
}

static void config_defaults(struct volumes_config *config)
{
	*config = (struct volumes_config){
		.state_dir = "/var/lib/quoin",
		.listen = { "127.0.0.1:7420" },
		.buffer_bytes = UINT64_C(512) << 20,
		.snapshot_cache_bytes = UINT64_C(64) << 20,
		.measure_every_ms = UINT64_C(24) * 3600 * 1000,
		.scrub_every_ms = UINT64_C(7) * 24 * 3600 * 1000,
		.scrub_bytes_per_s = UINT64_C(64) << 20,
		.space_warnings = { 3, { 80, 90, 95 } },
		.kvdb_path = "/var/lib/quoin/kvdb.sqlite",
		.key_path = "/etc/quoin/cluster.key",
		.node_lease_ms = 6000,
		.group_lease_ms = 3000,
		.resync_bytes_per_s = UINT64_C(128) << 20,
		.rebuild_after_ms = 600000,
		.drop_after_ms = 20000,
		.steward_after_ms = 30000,
		.rebalance_bytes_per_s = UINT64_C(32) << 20,
		.docker_enabled = true,
		.docker_socket = "/run/docker/plugins/quoin.sock",
		.admin_socket = "/run/quoin/admin.sock",
		.metrics_listen = { "127.0.0.1:9742" },
	};
}

/* What only the whole file can tell. */
static void config_check(struct parse *p)
{
	struct volumes_config *config = p->config;

	if (!config->node[0]) {
		char name[NAME_MAX_LEN + 1] = "";
		struct error why;

		if (gethostname(name, sizeof(name) - 1) || name_check("node name", name, &why))
			parse_fail(p, 0,
				"[node] has no name, and the host's own name \"%s\" can't be one: write name "
				"= ...",
				name);
		memcpy(config->node, name, sizeof(name));
	}
	if (!config->address.text[0]) {
		if (config_address_is_wildcard(&config->listen))
			parse_fail(p, 0,
				"[node] listens on %s: write address = ADDRESS:PORT, by which other nodes "
				"reach it",
				config->listen.text);
		config->address = config->listen;
	}
	for (unsigned i = 0; i < config->pool_count; i++) {
		const struct pool_config *pool = &config->pools[i];

		if (!pool->path[0])
			parse_fail(p, pool->line, "[pool %s] has no path", pool->name);
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(pool->path, config->pools[j].path))
				parse_fail(p, pool->line, "[pool %s] and [pool %s] have the same path %s",
					pool->name, config->pools[j].name, pool->path);
	}
}

int config_parse(const char *text, size_t len_bytes, const char *file, struct volumes_config *ret_config,
	struct error *error)
{
	struct volumes_config *config = malloc(sizeof(*config));
	struct parse p = {
		.config = config, .file = file, .at = text, .end = text + len_bytes, .error = error
	};
	int line;

	if (!config)
		return error_set(error, -ENOMEM, "%s: no memory", file);
	config_defaults(config);
	if (len_bytes > CONFIG_MAX_BYTES)
		parse_fail(&p, 0, "is larger than %u bytes", CONFIG_MAX_BYTES);
	/* Where it isn't an error of ours, libinih's own is a line with neither `=` nor a section. */
	line = ini_parse_stream(parse_line, &p, parse_pair, &p);
	if (line > 0)
		parse_fail(&p, (unsigned)line, "neither a [section] nor KEY = VALUE");
	if (line < 0)
		parse_fail(&p, 0, "no memory");
	config_check(&p);
	if (!p.rc)
		*ret_config = *config;
	free(config);
	return p.rc;
}

int config_load(const char *path, struct volumes_config *ret_config, struct error *error)
{
	char *text = NULL;
	size_t len = 0;
	ssize_t n;
	int fd = -1, rc;

	text = malloc(CONFIG_MAX_BYTES + 1);
	if (!text)
		return error_set(error, -ENOMEM, "%s: no memory", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		rc = error_set(error, -errno, "can't read the configuration %s: %s%s", path, strerror(errno),
			errno == ENOENT ? "; --config FILE names another, deploy/quoind.conf is an example"
					: "");
		goto out;
	}
	do {
		n = read(fd, text + len, CONFIG_MAX_BYTES + 1 - len);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		rc = error_set(error, -errno, "can't read the configuration %s: %s", path, strerror(errno));
	else if (len > CONFIG_MAX_BYTES)
		rc = error_set(error, -EFBIG, "%s is larger than %u bytes: not a configuration", path,
			CONFIG_MAX_BYTES);
	else
		rc = config_parse(text, len, path, ret_config, error);
out:
	if (fd >= 0)
		close(fd);
	free(text);
	return rc;
}

unsigned config_threads(const struct volumes_config *config, unsigned cores)
{
	unsigned count = cores / CORES_PER_THREAD;

	if (config->threads > 0)
		return (unsigned)config->threads;
	if (count > config->pool_count)
		count = config->pool_count;
	if (count > AUTO_MAX_THREADS)
		count = AUTO_MAX_THREADS;
	return count > 1 ? count : 1;
}
