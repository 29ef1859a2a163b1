/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CONFIG_CONFIG_VALUE_H
#define LEVERET_CONFIG_CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>

/* What one value means. Each function returns NULL and sets its results, or says why it cannot (a
 * constant string) and leaves them alone. */

const char *config_value_count(const char *text, uint64_t *count);

/* A count with an optional unit. k, ki, kib (and m, g, t, p) are powers of 1024 in any case; kb,
 * mb, ... are powers of kb_base: RabbitMQ reads them as 1000 in memory and disk limits and as 1024
 * in frame sizes. A fraction is allowed before a unit. */
const char *config_value_size(const char *text, uint64_t kb_base, uint64_t *bytes);

/* A length of time in milliseconds: a count of them, or counts with units (w, d, h, m, s, ms), the
 * larger ones first: 1h30m. */
const char *config_value_duration(const char *text, uint64_t *ms);

/* true, on, false, off. */
const char *config_value_bool(const char *text, bool *value);

/* A decimal number, 0 or more. */
const char *config_value_ratio(const char *text, double *ratio);

/* PORT, ADDRESS:PORT or [ADDRESS]:PORT with a numeric address. *address is allocated for the
 * caller, or NULL if there was none. */
/* Is it a numeric IPv4 or IPv6 address? */
bool config_value_is_address(const char *text);
const char *config_value_endpoint(const char *text, char **address, uint16_t *port);

#endif
