/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_CREDENTIAL_H
#define LEVERET_AUTH_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>

struct config;

/* Is this password good enough for a user to have (credential_validator.* of the configuration)?
 * False with a reason. */
bool credential_check(const struct config *config, const char *password, char *reason,
                      size_t reason_size) __attribute__((warn_unused_result));

#endif
