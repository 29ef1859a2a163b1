/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_STATUS_H
#define LEVERET_CLI_STATUS_H

struct json_t;
struct options;

/* Prints what the server says of itself: for people, or as JSON; the exit status. */
int status_print(const struct json_t *status, const struct options *options);

/* What a reload changed; the exit status. */
int status_print_reload(const struct json_t *answer, const struct options *options);

/* How a drain ended; the exit status. */
int status_print_drain(const struct json_t *answer, const struct options *options);

/* That a queue was deleted. */
int status_print_deleted(const struct json_t *answer, const struct options *options);

/* How many connections were closed. */
int status_print_closed(const struct json_t *answer, const struct options *options);

#endif
