/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_FACTS_H
#define LEVERET_CLI_FACTS_H

#include <stddef.h>

struct json_t;
struct options;

/* What the server says about itself: each prints from its answer and returns the exit status. */
int facts_os_env(const struct json_t *answer, const struct options *options);
int facts_environment(const struct json_t *answer, const struct options *options);
int facts_command_line(const struct json_t *answer, const struct options *options);
int facts_tls_versions(const struct json_t *answer, const struct options *options);
int facts_cipher_suites(const struct json_t *answer, const struct options *options);
int facts_logins(const struct json_t *answer, const struct options *options);
int facts_logins_forgotten(const struct json_t *answer, const struct options *options);
int facts_hash(const struct json_t *result, const struct options *options);

#endif
