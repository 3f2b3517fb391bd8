#include "sim/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

uint64_t hash_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

void trace_init(struct trace *trace, const struct loop_sim *sim, bool print)
{
	*trace = (struct trace){ .sim = sim, .print = print, .hash = UINT64_C(0xcbf29ce484222325) };
}

static void stamp(const struct trace *trace)
{
	printf("%4" PRIu64 ".%09" PRIu64 " ", trace->sim->now_ns / NS_PER_S, trace->sim->now_ns % NS_PER_S);
}

void trace_hash(struct trace *trace, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
	trace->events++;
	trace->hash = hash_mix(trace->hash, trace->sim->now_ns);
	for (const char *at = what; *at; at++)
		trace->hash = hash_mix(trace->hash, (uint64_t)*at);
	trace->hash = hash_mix(hash_mix(hash_mix(trace->hash, a), b), c);
}

void trace_event(struct trace *trace, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
	trace_hash(trace, what, a, b, c);
	trace_words(trace, "%s %" PRIu64 " %" PRIu64 " %" PRIu64, what, a, b, c);
}

void trace_words(struct trace *trace, const char *format, ...)
{
	va_list args;

	if (!trace->print)
		return;
	stamp(trace);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}
