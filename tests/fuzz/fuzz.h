/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_TESTS_FUZZ_H
#define LEVERET_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* What a fuzz target is made of: the name of its folder under corpus/, and the entry point that
 * libFuzzer calls. The target aborts (CHECK) where a property does not hold, and returns 0. */
extern const char fuzz_name[];
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
