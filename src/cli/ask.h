/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_ASK_H
#define LEVERET_CLI_ASK_H

struct json_t;
struct options;

/* For commands that ask the server more than once: one request, whose arguments are taken over. The
 * exit status; *result is the caller's, and NULL where that failed, which was said on standard
 * error. */
int ask_server(const struct options *options, const char *command, struct json_t *arguments,
               struct json_t **result);

/* The same, where a refusal is an answer: *reply is the caller's, whole, and NULL where there was
 * none, which was said. */
int ask_server_reply(const struct options *options, const char *command, struct json_t *arguments,
                     struct json_t **reply);

#endif
