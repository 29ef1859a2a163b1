/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BASE_OCTETS_H
#define LEVERET_BASE_OCTETS_H

#include <stdint.h>

/* What came through a socket and what went, in bytes. */
struct octets {
    uint64_t read, written;
};

#endif
