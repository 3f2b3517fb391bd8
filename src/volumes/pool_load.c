#include "volumes/pool_load.h"

#define PPM      UINT64_C(1000000)
#define STEP_PPM (POOL_LOAD_STEP_PERCENT * PPM / 100)

static void window_begin(struct pool_load *load, const struct pool_info *info, uint64_t now_ns)
{
	load->window_ns = now_ns;
	load->batches = info->batches;
	load->write_bytes = info->device_write_bytes;
	load->reads = info->reads;
	load->read_bytes = info->read_bytes;
}

/* The greater of two ways to be busy: with so many operations, or with so many bytes. */
static uint64_t busy_us(uint64_t operations_us, uint64_t bytes, uint32_t mib_s)
{
	uint64_t bytes_us = mib_s ? bytes * PPM / ((uint64_t)mib_s << 20) : 0;

	return operations_us > bytes_us ? operations_us : bytes_us;
}

/* A batch of the journal is a write and its flush, one after the other; reads go side by side. */
static uint64_t window_ppm(const struct pool_load *load, const struct measurement *m,
	const struct pool_info *info, uint64_t now_ns)
{
	uint64_t window_us = (now_ns - load->window_ns) / 1000, reads = info->reads - load->reads;
	uint64_t us = busy_us((info->batches - load->batches) * m->write_p50_us,
		info->device_write_bytes - load->write_bytes, m->write_mib_s);

	us += busy_us(m->read_iops ? reads * PPM / m->read_iops : reads * m->read_p50_us,
		info->read_bytes - load->read_bytes, m->read_mib_s);
	return us >= window_us ? PPM : us * PPM / window_us;
}

static void tell(struct pool_load *load, uint64_t now_ns)
{
	uint64_t told_ppm = load->told_percent * PPM / 100;
	uint64_t away_ppm = load->mean_ppm > told_ppm ? load->mean_ppm - told_ppm : told_ppm - load->mean_ppm;

	if (away_ppm * 4 < STEP_PPM * 3 || now_ns - load->told_ns < POOL_LOAD_TOLD_NS)
		return;
	load->told_percent = (unsigned)((load->mean_ppm + STEP_PPM / 2) / STEP_PPM * POOL_LOAD_STEP_PERCENT);
	load->told_ns = now_ns;
}

void pool_load_observe(struct pool_load *load, const struct measurement *figures,
	const struct pool_info *info, uint64_t now_ns)
{
	uint64_t ppm;

	if (load->began_ns == 0) {
		load->began_ns = load->told_ns = now_ns;
		load->mean_ppm = load->told_percent * PPM / 100;
		window_begin(load, info, now_ns);
		return;
	}
	if (now_ns - load->window_ns < POOL_LOAD_WINDOW_NS)
		return;
	if (info->batches < load->batches || info->device_write_bytes < load->write_bytes ||
		info->reads < load->reads || info->read_bytes < load->read_bytes) {
		window_begin(load, info, now_ns);
		return;
	}
	ppm = window_ppm(load, figures, info, now_ns);
	load->mean_ppm = (load->mean_ppm * (POOL_LOAD_MEAN_WINDOWS - 1) + ppm) / POOL_LOAD_MEAN_WINDOWS;
	window_begin(load, info, now_ns);
	tell(load, now_ns);
}
