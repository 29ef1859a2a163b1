/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_DIAGNOSIS_H
#define LEVERET_CLI_DIAGNOSIS_H

#include <stddef.h>

struct json_t;
struct options;

/* rabbitmq-diagnostics' commands, made of the server's answer to "diagnosis": they print what that
 * says, with the name of the node, and give the exit status. */
int diagnosis_running(const struct json_t *answer, const struct options *options);
int diagnosis_booting(const struct json_t *answer, const struct options *options);
int diagnosis_check_running(const struct json_t *answer, const struct options *options);
int diagnosis_alarms(const struct json_t *answer, const struct options *options);
int diagnosis_check_alarms(const struct json_t *answer, const struct options *options);
int diagnosis_check_local_alarms(const struct json_t *answer, const struct options *options);
int diagnosis_listeners(const struct json_t *answer, const struct options *options);
int diagnosis_check_connectivity(const struct json_t *answer, const struct options *options);
int diagnosis_check_port(const struct json_t *answer, const struct options *options);
int diagnosis_check_protocol(const struct json_t *answer, const struct options *options);
int diagnosis_check_vhosts(const struct json_t *answer, const struct options *options);
int diagnosis_version(const struct json_t *answer, const struct options *options);
int diagnosis_memory(const struct json_t *answer, const struct options *options);
int diagnosis_cluster(const struct json_t *answer, const struct options *options);

/* Is the first word a port? As struct command's check. */
const char *diagnosis_check_port_word(char *const *words, size_t count, int *status);

#endif
