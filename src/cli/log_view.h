/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_LOG_VIEW_H
#define LEVERET_CLI_LOG_VIEW_H

struct json_t;
struct options;

/* What log_location, log_tail and log_tail_stream do with the server's answer, the places of its
 * log; the exit status. */
int log_view_location(const struct json_t *answer, const struct options *options);
int log_view_tail(const struct json_t *answer, const struct options *options);
int log_view_follow(const struct json_t *answer, const struct options *options);

#endif
