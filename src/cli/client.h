/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_CLIENT_H
#define LEVERET_CLI_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"

struct json_t;

/* One request to the server that works in a data folder. */

enum client_result {
    CLIENT_OK,
    CLIENT_UNREACHABLE, /* no server is there, or it refuses us */
    CLIENT_TIMEOUT,
    CLIENT_BROKEN, /* it ended the connection, or what it said is no reply */
};

/* The clock of deadlines. */
int64_t client_now_ms(void);

/* Asks once. CLIENT_OK: *reply is the caller's, and *server the server's process (0 where it is not
 * known; may be NULL); else reason says more. */
enum client_result client_call(const char *data_dir, const struct json_t *request,
                               int64_t deadline_ms, struct json_t **reply, pid_t *server,
                               char *reason, size_t reason_size)
    __attribute__((warn_unused_result));

/* As client_call, but a server that is not there yet is waited for. */
enum client_result client_call_patiently(const char *data_dir, const struct json_t *request,
                                         int64_t deadline_ms, struct json_t **reply, char *reason,
                                         size_t reason_size) __attribute__((warn_unused_result));

/* The same for who has more to do than to wait. fd is -1 where nothing is under way; else it can be
 * read when there is something to continue with. Initialised: {.fd = -1}. */
struct client_talk {
    int fd;              /* owned */
    struct buffer bytes; /* owned */
};
/* A small request. False with a reason. */
bool client_begin(struct client_talk *talk, const char *data_dir, const struct json_t *request,
                  char *reason, size_t reason_size) __attribute__((warn_unused_result));
/* True when it is over: *reply is the caller's, NULL where what came is no reply. */
bool client_continue(struct client_talk *talk, struct json_t **reply)
    __attribute__((warn_unused_result));
/* Whatever is under way is no more. */
void client_end(struct client_talk *talk);

/* Waits for the end of a process. */
enum client_result client_wait_for_end(pid_t process, int64_t deadline_ms)
    __attribute__((warn_unused_result));

#endif
