/*
 * A fuzz target is one function over bytes. libFuzzer calls it, or (with any compiler) main.c over files and
 * seeds.
 */
#ifndef QUOIN_TESTS_FUZZ_H
#define QUOIN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
