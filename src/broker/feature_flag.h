/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_FEATURE_FLAG_H
#define LEVERET_BROKER_FEATURE_FLAG_H

/* The feature flags that tools find here: feature_flag.c says what they are good for. */

#include <stdbool.h>
#include <stddef.h>

struct feature_flag {
    const char *name;
    const char *description;
    const char *stability;   /* "required" or "stable" */
    const char *provided_by; /* the part of RabbitMQ that has it */
};

/* In the order of names; NULL behind the last. All are enabled. */
const struct feature_flag *feature_flag_at(size_t index);
bool feature_flag_exists(const char *name);

#endif
