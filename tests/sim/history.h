/*
 * The history of every block as its clients saw it, and the checker: is there one order of all writes and
 * reads of the block that respects what happened before what, in which each read returns the write before it?
 * A write that was never acknowledged may take effect once, at any time after it was asked, or never; but it
 * never flips back.
 *
 * Each write's blocks hold its number, so every value is written once, except zeroes (trims, and the
 * beginning). For values written once the question is easy (Gibbons and Korach, "Testing shared memories",
 * 1997): the time in which a value is certainly there (from the end of its first operation to the beginning
 * of its last) must not overlap that of another value, nor contain all of another value's operations. Zeroes
 * are checked by what must have overwritten them.
 */
#ifndef QUOIN_TESTS_SIM_HISTORY_H
#define QUOIN_TESTS_SIM_HISTORY_H

#include "base/base.h"

struct history;

struct history *history_new(uint32_t block_count, uint64_t salt);
void history_free(struct history *h);

/* A write or trim of blocks [first, first + count) begins; its number, from 1. */
uint32_t history_write(struct history *h, uint32_t first, uint32_t count, bool trim);
/* It was acknowledged. What is never told stays unknown. */
void history_acknowledged(struct history *h, uint32_t write);
/* The content of a block of this write; no other history has it. */
void history_fill(const struct history *h, uint32_t write, uint32_t block, uint8_t *data);

/* A read begins: hand the stamp back at its end. */
uint64_t history_stamp(struct history *h);
/* The read's data has come. False when a block holds what was never written there; `text` says what. */
bool history_read(struct history *h, uint64_t began, uint32_t first, uint32_t count, const uint8_t *data,
	char *text, size_t text_len);

/*
 * What a snapshot holds, block by block: the newest beginning of a write that it has, and the oldest end of
 * one that it lacks. It is one point in time where that is older than this. Begin with excluded UINT64_MAX.
 */
struct history_cut {
	uint64_t included, excluded;
	uint32_t included_write, excluded_write;
};
/* False: that was never written there. */
bool history_cut(const struct history *h, uint32_t block, const uint8_t *data, struct history_cut *cut);

/* Looks at all blocks. False: `text` says which block, and which operations contradict each other. */
bool history_check(struct history *h, char *text, size_t text_len);
uint64_t history_reads(const struct history *h);
uint64_t history_writes(const struct history *h);

#endif
