/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_PLUGINS_H
#define LEVERET_CLI_PLUGINS_H

struct json_t;
struct options;

/* The commands of rabbitmq-plugins; all but is_enabled need no server. They return the exit status.
 */
int plugins_list(const struct options *options, const struct json_t *arguments);
int plugins_enable(const struct options *options, const struct json_t *arguments);
int plugins_disable(const struct options *options, const struct json_t *arguments);
int plugins_is_enabled(const struct json_t *answer, const struct options *options);

#endif
