/* The admin API by libcurl over a unix socket. */
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"

/* A little longer than the longest deadline of the API (attach: 61 s), so that its words arrive. */
#define CALL_TIMEOUT_MS    70000L
#define REPLY_MAX_BYTES    (64u << 20)
#define CONNECT_TIMEOUT_MS 5000L

struct buffer {
	char *data;
	size_t len_bytes;
};

static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
	struct buffer *buffer = arg;
	size_t len = size * count;
	char *longer;

	if (len > REPLY_MAX_BYTES - buffer->len_bytes)
		return 0;
	longer = realloc(buffer->data, buffer->len_bytes + len + 1);
	if (!longer)
		return 0;
	memcpy(longer + buffer->len_bytes, data, len);
	buffer->data = longer;
	buffer->len_bytes += len;
	longer[buffer->len_bytes] = '\0';
	return len;
}

static int exit_code_of(const char *code)
{
	static const struct {
		const char *code;
		enum exit_code exit_code;
	} rows[] = {
		{ "not-found", EXIT_NOT_FOUND },
		{ "invalid", EXIT_USAGE },
		{ "in-use", EXIT_REFUSED },
		{ "exists", EXIT_REFUSED },
		{ "fenced", EXIT_REFUSED },
		{ "refused", EXIT_REFUSED },
		{ "no-room", EXIT_REFUSED },
		{ "not-ready", EXIT_NO_QUORUM },
		{ "timed-out", EXIT_NO_QUORUM },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].code, code) == 0)
			return (int)rows[i].exit_code;
	}
	return EXIT_FAILED;
}

static int fail(struct error *error, int exit_code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct error *error, int exit_code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return exit_code;
}

/* The curl handle's part of a call. */
static CURLcode call_perform(CURL *curl, const char *socket_path, const char *method, const char *path,
	const char *body, struct buffer *buffer)
{
	char url[512];
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURLcode code;

	if (snprintf(url, sizeof(url), "http://quoin%s", path) >= (int)sizeof(url) || !headers) {
		curl_slist_free_all(headers);
		return CURLE_URL_MALFORMAT;
	}
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (body || strcmp(method, "POST") == 0)
		curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body ? body : "");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, buffer);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, CALL_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	code = curl_easy_perform(curl);
	curl_slist_free_all(headers);
	return code;
}

static int reply_judge(struct reply *reply, const char *socket_path, struct error *error)
{
	const json_t *told = json_object_get(reply->json, "error");
	const char *message = json_string_value(json_object_get(told, "message"));
	const char *code = json_string_value(json_object_get(told, "code"));
	json_int_t version = json_integer_value(json_object_get(reply->json, "version"));

	if (!reply->json)
		return fail(error, EXIT_FAILED, "%s: the answer is not JSON: is this a quoin agent?",
			socket_path);
	if (version != 1)
		return fail(
			error, EXIT_FAILED, "%s: the agent speaks another version of the API", socket_path);
	if (reply->status >= 200 && reply->status < 300)
		return EXIT_OK;
	return fail(error, exit_code_of(code ? code : ""), "%s%s", message ? message : "failed without words",
		"");
}

int api_call(const char *socket_path, const char *method, const char *path, const json_t *body,
	struct reply *ret_reply, struct error *error)
{
	struct buffer buffer = { 0 };
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	CURL *curl = curl_easy_init();
	long status = 0;
	CURLcode code;

	memset(ret_reply, 0, sizeof(*ret_reply));
	if (!curl || (body && !text)) {
		curl_easy_cleanup(curl);
		free(text);
		return fail(error, EXIT_FAILED, "no memory");
	}
	code = call_perform(curl, socket_path, method, path, text, &buffer);
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	free(text);
	ret_reply->text = buffer.data;
	if (code == CURLE_COULDNT_CONNECT) {
		return fail(error, EXIT_FAILED,
			"no agent answers on %s: is quoind running, and may you use it?", socket_path);
	}
	if (code == CURLE_OPERATION_TIMEDOUT)
		return fail(error, EXIT_NO_QUORUM, "the agent on %s does not answer", socket_path);
	if (code != CURLE_OK)
		return fail(error, EXIT_FAILED, "%s: %s", socket_path, curl_easy_strerror(code));
	ret_reply->status = (unsigned)status;
	ret_reply->json = buffer.data ? json_loadb(buffer.data, buffer.len_bytes, 0, NULL) : NULL;
	return reply_judge(ret_reply, socket_path, error);
}

void reply_free(struct reply *reply)
{
	free(reply->text);
	json_decref(reply->json);
	memset(reply, 0, sizeof(*reply));
}

int cli_call(struct cli *cli, const char *method, const char *path, const json_t *body, json_t **ret_json)
{
	struct reply reply;
	struct error error;
	int exit_code = api_call(cli->socket_path, method, path, body, &reply, &error);

	*ret_json = NULL;
	if (cli->options[OPTION_JSON] && reply.json)
		fputs(reply.text, stdout);
	else if (exit_code == EXIT_OK)
		*ret_json = json_incref(reply.json);
	if (exit_code != EXIT_OK)
		fprintf(stderr, "quoin: %s\n", error.text);
	reply_free(&reply);
	return exit_code;
}

static int call_volume(
	struct cli *cli, const char *method, const char *suffix, const json_t *body, json_t **ret_json)
{
	struct error error;
	char path[NAME_MAX_LEN + 64];

	*ret_json = NULL;
	/* Only names that need no escaping are names. */
	if (name_check("volume name", cli->args[0], &error) < 0) {
		fprintf(stderr, "quoin: %s\n", error.text);
		return EXIT_USAGE;
	}
	snprintf(path, sizeof(path), "/v1/volumes/%s%s", cli->args[0], suffix);
	return cli_call(cli, method, path, body, ret_json);
}

int cli_call_volume(struct cli *cli, const char *method, const char *suffix, json_t **ret_json)
{
	return call_volume(cli, method, suffix, NULL, ret_json);
}

static int body_is_bad(json_t **ret_json)
{
	*ret_json = NULL;
	fprintf(stderr, "quoin: an argument or an option is not valid UTF-8\n");
	return EXIT_USAGE;
}

int cli_post(struct cli *cli, const char *path, json_t *body, json_t **ret_json)
{
	int exit_code = body ? cli_call(cli, "POST", path, body, ret_json) : body_is_bad(ret_json);

	json_decref(body);
	return exit_code;
}

int cli_post_volume(struct cli *cli, const char *suffix, json_t *body, json_t **ret_json)
{
	int exit_code = body ? call_volume(cli, "POST", suffix, body, ret_json) : body_is_bad(ret_json);

	json_decref(body);
	return exit_code;
}

json_t *cli_volume_options(const struct cli *cli, const char *name)
{
	static const enum option options[] = { OPTION_SIZE, OPTION_CLASS, OPTION_REPLICAS, OPTION_FS,
		OPTION_TIER, OPTION_GROUP, OPTION_NODES, OPTION_ZONES, OPTION_RACKS, OPTION_SELECTOR,
		OPTION_STICKY, OPTION_NEAR, OPTION_FROM, OPTION_SHARDS, OPTION_THICK };
	json_t *body = json_pack("{s:s*}", "name", name);

	for (size_t i = 0; body && i < sizeof(options) / sizeof(options[0]); i++) {
		const char *value = cli->options[options[i]];

		if (value &&
			json_object_set_new(body, option_specs[options[i]].name, json_string(value)) != 0) {
			json_decref(body);
			return NULL;
		}
	}
	return body;
}
