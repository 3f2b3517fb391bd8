/*
 * Private to admin: the Prometheus text format 0.0.4. Samples are added in any order, each to its family; the
 * page has each family once, with HELP and TYPE before its samples.
 */
#ifndef QUOIN_ADMIN_METRIC_TEXT_H
#define QUOIN_ADMIN_METRIC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

struct metric_text {
	char *data;
	size_t len_bytes, capacity;
	bool failed; /* no memory */
};

struct metric_family {
	const char *name, *type, *help;
	struct metric_text samples;
};

/* Label pairs: name, value, name, value …; values are escaped here. */
struct metric_labels {
	const char *pairs[12];
	unsigned count; /* of pairs' entries */
};

/* A histogram that is counted by bucket; the last bucket has no upper bound. */
struct metric_histogram {
	const uint64_t *buckets;
	unsigned count;
	uint64_t first_bound_us; /* doubles from bucket to bucket */
	uint64_t sum_ns;
};

void metric_append(struct metric_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void metric_integer(struct metric_family *family, const struct metric_labels *labels, uint64_t value);
/* _bucket (cumulative, with le), _sum and _count. */
void metric_histogram(struct metric_family *family, const struct metric_labels *labels,
	const struct metric_histogram *histogram);
/* Joins the families that have samples, and frees them all. NULL for want of memory; malloc'd. */
char *metric_page(struct metric_family *families, size_t count, size_t *ret_len_bytes);

#endif
