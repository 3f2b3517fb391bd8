/* /metrics over TCP, read by a small checker of the Prometheus text format 0.0.4. */
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin_fixture.h"

static char *page_get(struct fixture *f)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
	struct http_reply reply = client_exchange(
		&f->loop, client_tcp(admin_metrics_port(f->admin)), request, strlen(request), 0, 5000);
	char *page;

	assert_int_equal(reply.status, 200);
	assert_non_null(strstr(reply.text, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	page = strdup(reply.body);
	client_reply_free(&reply);
	return page;
}

/* What the checker knows of the family whose samples it reads, and of the histogram within it. */
struct checker {
	char family[128], type[16];
	char series[512]; /* labels of the histogram being read, without le */
	double bucket, bound;
	bool infinite;
	unsigned families, samples;
};

static size_t name_len(const char *at)
{
	size_t len = 0;

	assert_true(isalpha((unsigned char)at[0]) || at[0] == '_');
	while (isalnum((unsigned char)at[len]) || at[len] == '_')
		len++;
	return len;
}

/* Reads {a="b",...}; copies all but le to `series`, le's value to `le`. Returns what follows. */
static const char *labels_check(const char *at, char *series, char *le)
{
	size_t used = 0;

	le[0] = '\0';
	assert_int_equal(*at, '{');
	do {
		const char *begin = ++at;
		size_t len = name_len(at);
		bool is_le = len == 2 && memcmp(at, "le", 2) == 0;

		at += len;
		assert_int_equal(*at++, '=');
		assert_int_equal(*at++, '"');
		for (len = 0; *at != '"'; at++) {
			assert_true(*at != '\0' && *at != '\n');
			if (*at == '\\') {
				at++;
				assert_non_null(strchr("\\\"n", *at));
			}
			if (is_le)
				le[len++] = *at;
		}
		if (is_le)
			le[len] = '\0';
		at++;
		if (!is_le) {
			memcpy(series + used, begin, (size_t)(at - begin));
			used += (size_t)(at - begin);
		}
	} while (*at == ',');
	series[used] = '\0';
	assert_int_equal(*at++, '}');
	return at;
}

static void histogram_check(
	struct checker *checker, const char *suffix, const char *series, const char *le, double value)
{
	if (strcmp(suffix, "_bucket") == 0) {
		double bound = strcmp(le, "+Inf") == 0 ? HUGE_VAL : strtod(le, NULL);

		if (strcmp(series, checker->series) != 0 || checker->infinite) {
			snprintf(checker->series, sizeof(checker->series), "%s", series);
			checker->bucket = checker->bound = 0;
		}
		assert_true(bound > checker->bound);
		assert_true(value >= checker->bucket);
		checker->bound = bound;
		checker->bucket = value;
		checker->infinite = bound == HUGE_VAL;
	} else if (strcmp(suffix, "_count") == 0) {
		assert_true(checker->infinite);
		assert_string_equal(series, checker->series);
		assert_true(value == checker->bucket);
	} else {
		assert_string_equal(suffix, "_sum");
	}
}

static void sample_check(struct checker *checker, const char *line)
{
	size_t len = strlen(checker->family);
	char series[512], le[32], suffix[16] = "";
	const char *at = line + name_len(line);
	char *end;
	double value;

	assert_memory_equal(line, checker->family, len);
	assert_true((size_t)(at - line) >= len && (size_t)(at - line) - len < sizeof(suffix));
	memcpy(suffix, line + len, (size_t)(at - line) - len);
	at = labels_check(at, series, le);
	assert_int_equal(*at++, ' ');
	value = strtod(at, &end);
	assert_true(end > at && *end == '\0' && value >= 0);
	if (strcmp(checker->type, "histogram") == 0)
		histogram_check(checker, suffix, series, le, value);
	else
		assert_string_equal(suffix, "");
	if (strcmp(checker->type, "counter") == 0)
		assert_string_equal(checker->family + len - 6, "_total");
	checker->samples++;
}

static void comment_check(struct checker *checker, const char *line, const char *page)
{
	size_t len;
	char again[160];

	if (strncmp(line, "# HELP ", 7) == 0) {
		len = name_len(line + 7);
		assert_true(line[7 + len] == ' ' && line[8 + len] != '\0');
		snprintf(checker->family, sizeof(checker->family), "%.*s", (int)len, line + 7);
		assert_memory_equal(checker->family, "quoin_", 6);
		checker->type[0] = '\0';
		checker->families++;
		/* Each family comes once. */
		snprintf(again, sizeof(again), "# HELP %s ", checker->family);
		assert_null(strstr(strstr(page, again) + 1, again));
		return;
	}
	assert_memory_equal(line, "# TYPE ", 7);
	len = strlen(checker->family);
	assert_memory_equal(line + 7, checker->family, len);
	snprintf(checker->type, sizeof(checker->type), "%s", line + 8 + len);
	assert_true(strcmp(checker->type, "gauge") == 0 || strcmp(checker->type, "counter") == 0 ||
		    strcmp(checker->type, "histogram") == 0);
}

static struct checker page_check(const char *page)
{
	struct checker checker = { 0 };
	char *copy = strdup(page), *save = NULL;

	assert_true(strlen(page) > 0);
	assert_int_equal(page[strlen(page) - 1], '\n');
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (line[0] == '#') {
			comment_check(&checker, line, page);
		} else {
			assert_true(checker.type[0] != '\0');
			sample_check(&checker, line);
		}
	}
	free(copy);
	return checker;
}

static void an_empty_cluster_has_a_valid_page(void **state)
{
	char *page = page_get(*state);
	struct checker checker = page_check(page);

	assert_true(checker.families > 20);
	assert_non_null(strstr(page, "quoin_build_info{node=\"a\",version=\""));
	assert_non_null(strstr(page, "\nquoin_nodes{node=\"a\",state=\"down\"} 1\n"));
	assert_null(strstr(page, "quoin_volume_operations_total"));
	free(page);
}

static void attached_volumes_pools_and_replicas_are_counted(void **state)
{
	static const char *const lines[] = {
		"quoin_volume_operations_total{node=\"a\",volume=\"v\",operation=\"write\"} 3\n",
		"quoin_volume_bytes_total{node=\"a\",volume=\"v\",operation=\"write\"} 12288\n",
		"quoin_volume_latency_seconds_bucket{node=\"a\",volume=\"v\",operation=\"write\",le=\"0."
		"000016\"} 0\n",
		"quoin_volume_latency_seconds_bucket{node=\"a\",volume=\"v\",operation=\"write\",le=\"0."
		"000032\"} 1\n",
		"quoin_volume_latency_seconds_bucket{node=\"a\",volume=\"v\",operation=\"write\",le=\"0."
		"000128\"} 3\n",
		"quoin_volume_latency_seconds_bucket{node=\"a\",volume=\"v\",operation=\"write\",le=\"67."
		"108864\"} 3\n",
		"quoin_volume_latency_seconds_bucket{node=\"a\",volume=\"v\",operation=\"write\",le=\"+Inf\"}"
		" 3\n",
		"quoin_volume_latency_seconds_sum{node=\"a\",volume=\"v\",operation=\"write\"} 0.000300000\n",
		"quoin_volume_latency_seconds_count{node=\"a\",volume=\"v\",operation=\"write\"} 3\n",
		"quoin_volume_quorum_waits_total{node=\"a\",volume=\"v\"} 5\n",
		"quoin_volume_state{node=\"a\",volume=\"v\",state=\"healthy\"} 1\n",
		"quoin_volume_state{node=\"a\",volume=\"v\",state=\"degraded\"} 0\n",
		"quoin_replica_state{node=\"b\",pool=\"p2\",volume=\"v\",replica=\"e1e1e1e1-e1e1-e1e1-e1e1-"
		"e1e1e1e1e1e1\","
		"state=\"complete\"} 1\n",
		"quoin_replica_lag_bytes{node=\"b\",pool=\"p2\",volume=\"v\",replica=\"e1e1e1e1-e1e1-e1e1-"
		"e1e1-e1e1e1e1e1e1\"} "
		"4096\n",
		"quoin_replica_used_bytes{node=\"a\",pool=\"p1\",volume=\"v\",replica=\"e0e0e0e0-e0e0-e0e0-"
		"e0e0-e0e0e0e0e0e0\"} 458752\n",
		"quoin_replica_snapshot_bytes{node=\"a\",pool=\"p1\",volume=\"v\",replica=\"e0e0e0e0-e0e0-"
		"e0e0-e0e0-e0e0e0e0e0e0\"} 196608\n",
		"quoin_pool_size_bytes{node=\"a\",pool=\"p1\"} 21474836480\n",
		"quoin_pool_batches_total{node=\"a\",pool=\"p1\"} 7\n",
		"quoin_pool_checksum_cache_misses_total{node=\"a\",pool=\"p1\"} 0\n",
		"quoin_snapshot_reads_total{node=\"a\"} 3\n",
		"quoin_snapshot_asked_total{node=\"a\",from=\"cache\"} 1\n",
		"quoin_net_refused_total{node=\"a\",reason=\"crc\"} 2\n",
		"quoin_net_frames_total{node=\"a\",direction=\"in\"} 9\n",
	};
	struct fixture *f = *state;
	struct volume_view *view = volumes_fake_add(f->volumes, "v");
	struct checker checker;
	char *page;

	volumes_fake_attach_here(f->volumes, view);
	view->replicas[1].lag_bytes = 4096;
	view->replicas[0].usage = (struct usage_view){ true, 7 << 16, 3 << 16, 0 };
	f->volumes->net.frames_in = 9;
	f->volumes->net.refused_crc = 2;
	volumes_fake_add(f->volumes, "elsewhere");
	page = page_get(f);
	checker = page_check(page);
	assert_int_equal(checker.families, 84);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (!strstr(page, lines[i]))
			print_error("missing: %s", lines[i]);
		assert_non_null(strstr(page, lines[i]));
	}
	/* Another node's pools and volumes are that node's to tell. */
	assert_null(strstr(page, "pool=\"p2\"}"));
	assert_null(strstr(page, "elsewhere"));
	/* What isn't known is no 0. */
	assert_null(strstr(page, "quoin_replica_used_bytes{node=\"b\""));
	free(page);
}

static void label_values_are_escaped(void **state)
{
	struct fixture *f = *state;
	char *page;

	snprintf(f->volumes->pools[0].name, sizeof(f->volumes->pools[0].name), "a\\b\"c\nd");
	page = page_get(f);
	(void)page_check(page);
	assert_non_null(strstr(page, "quoin_pool_used_bytes{node=\"a\",pool=\"a\\\\b\\\"c\\nd\"} "));
	free(page);
}

static void other_paths_are_not_served_there(void **state)
{
	static const char request[] = "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n";
	struct fixture *f = *state;
	struct http_reply reply = client_exchange(
		&f->loop, client_tcp(admin_metrics_port(f->admin)), request, strlen(request), 0, 5000);

	assert_int_equal(reply.status, 404);
	client_reply_free(&reply);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, admin_setup, admin_teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_empty_cluster_has_a_valid_page),
		TEST(attached_volumes_pools_and_replicas_are_counted),
		TEST(label_values_are_escaped),
		TEST(other_paths_are_not_served_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
