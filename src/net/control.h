/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_NET_CONTROL_H
#define LEVERET_NET_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "net/acceptor.h"

struct buffer;
struct event_base;
struct json_t;

/*
 * The server's side of leveretctl: a Unix socket, control.sock in the data folder, that only the
 * server's own user and root may use. A connection carries one request and one reply, each a line
 * of JSON:
 *
 *   {"command": "add_user", "arguments": {"user": "u", "password": "p"}}
 *   {"status": 0, "result": ...}   or   {"status": 70, "error": "User \"u\" already exists"}
 *
 * status is the exit status of leveretctl. A reply has the name of the node, too. Everything here
 * runs on the thread of the event base.
 */
struct control;

/* A request that waits for its answer. It lives until it is answered, even where its client has
 * gone. */
struct control_call;

/* Statuses, those of sysexits.h that rabbitmqctl uses. */
enum control_status {
    CONTROL_OK = 0,
    CONTROL_USAGE = 64,
    CONTROL_DATA = 65,        /* a value is wrong, a vhost is not there */
    CONTROL_NO_USER = 67,     /* the user is not there */
    CONTROL_UNAVAILABLE = 69, /* the server does not answer, or cannot now */
    CONTROL_SOFTWARE = 70,    /* it cannot be done */
    CONTROL_TIMEOUT = 75,
};

/* A command: handle answers the call, with control_reply or control_fail, once: at once or later on
 * this thread. */
struct control_command {
    const char *name;
    void (*handle)(void *context, struct control_call *call);
};

/* Makes the folder's socket (one that is there is from a former run and is replaced: the caller
 * holds the folder's lock) and listens. on_trouble may be NULL. NULL with a reason. */
struct control *control_open(struct event_base *base, const char *folder,
                             acceptor_on_trouble *on_trouble, void *context, char *reason,
                             size_t reason_size);
/* Removes the socket and ends the connections. Calls that were not answered become idle: answering
 * them then only frees them, and whoever holds them still does so, even after this. */
void control_close(struct control *control);

/* The node's name, for replies; borrowed. */
void control_set_node(struct control *control, const char *node);

/* Adds commands; the table is borrowed and must outlive control. A name is added once. */
void control_add_commands(struct control *control, const struct control_command *commands,
                          size_t count, void *context);

/* The command's arguments may have texts with a NUL in them, and it looks for that; those of others
 * are refused. */
void control_allow_nul(struct control *control, const char *command);

/* Work that takes long: run is called on another thread, then done on that of the event base. It
 * frees itself. */
struct control_work {
    void (*run)(struct control_work *work);
    void (*done)(struct control_work *work);
};
/* Where requests are read that are large, so that nothing else of the event base waits for that.
 * Without it they are read at once. submit may do everything at once, too. */
void control_set_helper(struct control *control,
                        void (*submit)(void *context, struct control_work *work), void *context);

/* Has a text in it a NUL, which would end it early for whoever takes it as a string? */
bool control_has_nul(const struct json_t *json);

/* The arguments: a JSON object, borrowed from the call. */
const struct json_t *control_arguments(const struct control_call *call);
/* One of them where it is a string without NUL, else NULL. */
const char *control_text(const struct control_call *call, const char *name);

/* A JSON string of a name that need not be UTF-8 (then each byte is taken for a character). */
struct json_t *control_json_text(struct bytes name);

/* Answers with status 0 and ends the call. result is taken over; NULL: nothing. */
void control_reply(struct control_call *call, struct json_t *result);
/* The same in two parts for what may be large: the first one, on any thread, makes the bytes of the
 * reply, which the second takes over. */
void control_print_reply(struct json_t *result, struct buffer *reply);
void control_reply_printed(struct control_call *call, struct buffer *reply);
/* Answers with a status other than 0 and a text, and ends the call. */
void control_fail(struct control_call *call, enum control_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
