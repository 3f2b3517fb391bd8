/* From figures to a tier. docs/fingerprint.md has the thresholds and their reasons. */
#include "fingerprint/fingerprint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A durable 4 KiB write and a 4 KiB read, medians: what a database waits for. */
#define HIGH_WRITE_US   200u
#define HIGH_READ_US    250u
#define MEDIUM_WRITE_US 2000u
#define MEDIUM_READ_US  2000u

static enum tier by_latency(uint32_t us, uint32_t high_us, uint32_t medium_us)
{
	if (us <= high_us)
		return TIER_HIGH;
	return us <= medium_us ? TIER_MEDIUM : TIER_LOW;
}

static char *latency_text(uint32_t us, char text[static 24])
{
	if (us < 1000)
		snprintf(text, 24, "%" PRIu32 " us", us);
	else
		snprintf(text, 24, "%" PRIu32 ".%" PRIu32 " ms", us / 1000, us / 100 % 10);
	return text;
}

/* Nothing was measured: the kind of disk decides, one tier below what it might be. */
static enum tier judge_facts(const struct device_facts *facts, char reason[static TIER_REASON_MAX])
{
	enum tier tier = TIER_LOW;

	if (facts->rotational)
		tier = TIER_LOW;
	else if (facts->bus == BUS_NVME || facts->bus == BUS_SATA || facts->bus == BUS_SAS ||
		 facts->bus == BUS_VIRTIO)
		tier = TIER_MEDIUM;
	snprintf(reason, TIER_REASON_MAX, "%s, %s, not measured: %s", device_bus_name(facts->bus),
		facts->rotational ? "rotational" : "not rotational", tier_name(tier));
	return tier;
}

enum tier tier_judge(
	const struct device_facts *facts, const struct measurement *m, char reason[static TIER_REASON_MAX])
{
	enum tier read, write, tier;
	bool fast_kind = facts->bus == BUS_NVME || facts->bus == BUS_MEMORY;
	char read_text[24], write_text[24];

	if (!m || m->samples_read == 0)
		return judge_facts(facts, reason);
	read = by_latency(m->read_p50_us, HIGH_READ_US, MEDIUM_READ_US);
	/* Without a measured write nobody knows what a flush costs: not high. */
	write = m->samples_write ? by_latency(m->write_p50_us, HIGH_WRITE_US, MEDIUM_WRITE_US) : TIER_MEDIUM;
	tier = read < write ? read : write;
	latency_text(m->read_p50_us, read_text);
	latency_text(m->write_p50_us, write_text);
	if (!m->samples_write)
		snprintf(reason, TIER_REASON_MAX, "%s, read %s, durable write not measured: %s",
			device_bus_name(facts->bus), read_text, tier_name(tier));
	else if (fast_kind && write < TIER_HIGH && write <= read)
		snprintf(reason, TIER_REASON_MAX, "%s, but durable write %s: %s%s",
			device_bus_name(facts->bus), write_text, tier_name(tier),
			facts->write_back ? ", because its cache needs a flush" : "");
	else
		snprintf(reason, TIER_REASON_MAX, "%s%s, durable write %s, read %s: %s",
			device_bus_name(facts->bus), facts->rotational ? ", rotational" : "", write_text,
			read_text, tier_name(tier));
	return tier;
}

/* How far beyond a threshold figures must be, to be another tier. */
#define MARGIN_PERCENT 120u

static struct measurement scaled(const struct measurement *m, unsigned by, unsigned of)
{
	struct measurement result = *m;

	result.read_p50_us = (uint32_t)((uint64_t)m->read_p50_us * by / of);
	result.write_p50_us = (uint32_t)((uint64_t)m->write_p50_us * by / of);
	return result;
}

enum tier tier_judge_again(const struct device_facts *facts, enum tier tier, const struct measurement *now)
{
	struct measurement better = scaled(now, 100, MARGIN_PERCENT),
			   worse = scaled(now, MARGIN_PERCENT, 100);
	char reason[TIER_REASON_MAX];
	enum tier at_best = tier_judge(facts, &better, reason), at_worst = tier_judge(facts, &worse, reason);

	if (tier == TIER_UNKNOWN)
		return tier_judge(facts, now, reason);
	return at_best < tier ? at_best : at_worst > tier ? at_worst : tier;
}

static uint32_t ratio_percent(uint32_t a, uint32_t b)
{
	uint32_t low = a < b ? a : b, high = a < b ? b : a;

	return (uint32_t)((uint64_t)high * 100 / (low ? low : 1));
}

void measurement_drift_text(
	const struct measurement *now, const struct measurement *was, char ret_text[static DRIFT_TEXT_MAX])
{
	bool write = now->samples_write && was->samples_write &&
		     ratio_percent(now->write_p50_us, was->write_p50_us) >=
			     ratio_percent(now->read_p50_us, was->read_p50_us);
	char now_text[24], was_text[24];

	snprintf(ret_text, DRIFT_TEXT_MAX, "%s %s, was %s", write ? "durable write" : "read",
		latency_text(write ? now->write_p50_us : now->read_p50_us, now_text),
		latency_text(write ? was->write_p50_us : was->read_p50_us, was_text));
}

/* A write goes to other nodes at the same moment: 4 KiB take 330 us at 100 Mbit/s, 33 us at 1 Gbit/s. */
#define HIGH_LINK_MBIT_S   1000u
#define MEDIUM_LINK_MBIT_S 100u
#define HIGH_CORES         2u /* a data-plane thread that the control thread doesn't hold up */

enum tier node_tier_judge(
	const struct node_facts *facts, enum tier best_pool, char reason[static TIER_REASON_MAX])
{
	enum tier tier = best_pool;

	if (best_pool == TIER_UNKNOWN) {
		snprintf(reason, TIER_REASON_MAX, "no pool is open: it holds no replicas");
		return tier;
	}
	snprintf(reason, TIER_REASON_MAX, "its best pool is %s%s", tier_name(best_pool),
		facts->link_mbit_s == 0 ? "; no network link tells its speed" : "");
	if (facts->link_mbit_s != 0 && facts->link_mbit_s < HIGH_LINK_MBIT_S) {
		enum tier link = facts->link_mbit_s < MEDIUM_LINK_MBIT_S ? TIER_LOW : TIER_MEDIUM;

		if (link < tier) {
			tier = link;
			snprintf(reason, TIER_REASON_MAX,
				"its best pool is %s, but its network link has %" PRIu32 " Mbit/s: %s",
				tier_name(best_pool), facts->link_mbit_s, tier_name(tier));
		}
	}
	if (facts->cores < HIGH_CORES && tier == TIER_HIGH) {
		tier = TIER_MEDIUM;
		snprintf(reason, TIER_REASON_MAX,
			"its best pool is high, but with one core threads wait for each other: medium");
	}
	return tier;
}
