/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_FEATURE_FLAGS_H
#define LEVERET_AUTH_FEATURE_FLAGS_H

/* The feature flags that tools find here: feature_flags.c says what they are good for. */

#include <stdbool.h>

struct json_t;

/* The caller's: an array of objects, in the order of names, with the fields of RabbitMQ's
 * management API. All are enabled. */
struct json_t *feature_flags_json(void);
bool feature_flag_exists(const char *name);

#endif
