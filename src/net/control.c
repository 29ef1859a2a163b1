/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket. A connection is one call: a line is read, its command answers, the answer is
 * written, the connection ends. So a call has one event at a time, and none while it waits for its
 * answer; that the client has gone is then seen when the answer is written. An answer is written at
 * once, as far as the socket takes it: the command that stops the server ends the event loop too.
 *
 * Other things run on this thread, so what is large is read, and freed, on another one: definitions
 * of a hundred thousand queues take a second.
 *
 * Who may ask is decided three times: by the mode of the data folder, by that of the socket, and by
 * the credentials that the kernel tells of the peer. There is no password.
 *
 * The socket is removed by control_close. One that a killed server left is replaced at the next
 * start, which the lock on the data folder makes safe.
 */
#define _GNU_SOURCE 1 /* O_PATH, struct ucred */
#include "net/control.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/list.h"
#include "base/xmalloc.h"
#include "net/control_address.h"

enum {
    BACKLOG = 16,
    CALLS_MAX = 64,              /* at the same time */
    REQUEST_BYTES_MAX = 1 << 27, /* definitions of a hundred thousand queues, and more */
    READ_BYTES = 1 << 16,
    LARGE_BYTES = 1 << 16, /* a request that takes longer to read than to hand over */
    PATIENCE_S = 10,       /* with a client that neither sends nor reads */
};

struct entry {
    const struct control_command *command; /* borrowed */
    void *context;                         /* borrowed */
    bool takes_nul;
};

struct control {
    struct event_base *base; /* borrowed */
    const char *node;        /* borrowed; NULL: not told */
    int folder_fd;           /* owned */
    int listen_fd;           /* owned */
    struct acceptor acceptor;
    struct entry *entries; /* owned */
    size_t entry_count;
    size_t entry_capacity;
    struct list calls; /* of struct control_call, owned */
    size_t call_count;
    void (*submit)(void *context, struct control_work *work); /* NULL: there is no helper */
    void *submit_context;
};

struct control_call {
    struct list_node in_calls;
    struct control *control; /* NULL after control_close */
    int fd;                  /* owned; -1 after control_close */
    struct event *event;     /* owned; what the call waits for: bytes, or room for bytes */
    struct buffer bytes;     /* the request, then the reply */
    size_t written;
    struct json_t *request; /* owned; NULL until it was read */
    bool is_handled;        /* a command has it and did not answer yet, or another thread */
    bool is_large;          /* the request */
    struct control_work reading;
};

/* A request to be freed. */
struct waste {
    struct control_work work;
    json_t *request; /* owned */
};

/* --- a call's end */

static void run_waste(struct control_work *work)
{
    json_decref(container_of(work, struct waste, work)->request);
}

static void end_waste(struct control_work *work)
{
    free(container_of(work, struct waste, work));
}

static void free_request(struct control_call *call)
{
    if (!call->is_large || call->control == NULL) {
        json_decref(call->request);
        return;
    }
    struct waste *waste = xmalloc(sizeof *waste);
    *waste = (struct waste){{run_waste, end_waste}, call->request};
    call->control->submit(call->control->submit_context, &waste->work);
}

static void call_free(struct control_call *call)
{
    free_request(call);
    if (call->control != NULL) {
        list_remove(&call->in_calls);
        call->control->call_count--;
    }
    if (call->event != NULL)
        event_free(call->event);
    if (call->fd >= 0)
        close(call->fd);
    buffer_fini(&call->bytes);
    free(call);
}

static void call_wait(struct control_call *call, short what, event_callback_fn callback)
{
    static const struct timeval patience = {.tv_sec = PATIENCE_S};
    if (call->event != NULL)
        event_free(call->event);
    call->event = event_new(call->control->base, call->fd, what, callback, call);
    CHECK(call->event != NULL && event_add(call->event, &patience) == 0);
}

/* --- the reply */

static void on_writable(evutil_socket_t fd, short what, void *context);

/* What does not fit into the socket waits for room. */
static void write_reply(struct control_call *call)
{
    size_t left = call->bytes.size - call->written;
    ssize_t sent =
        send(call->fd, call->bytes.data + call->written, left, MSG_NOSIGNAL | MSG_DONTWAIT);
    bool is_busy = sent < 0 && (errno == EAGAIN || errno == EINTR);
    if (sent > 0)
        call->written += (size_t)sent;
    if (is_busy || (sent > 0 && call->written < call->bytes.size))
        call_wait(call, EV_WRITE, on_writable);
    else
        call_free(call);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct control_call *call = context;
    (void)fd;
    if (what & EV_WRITE)
        write_reply(call);
    else
        call_free(call); /* the client does not read */
}

void control_reply_printed(struct control_call *call, struct buffer *reply)
{
    CHECK(call->is_handled);
    call->is_handled = false;
    buffer_fini(&call->bytes);
    call->bytes = *reply;
    buffer_init(reply);
    if (call->control != NULL)
        write_reply(call);
    else
        call_free(call);
}

static int append_text(const char *text, size_t size, void *context)
{
    buffer_append(context, text, size);
    return 0;
}

/* Takes over reply. What cannot be printed is no answer at all: the connection ends. */
static void print(json_t *reply, struct buffer *bytes)
{
    if (json_dump_callback(reply, append_text, bytes, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
        buffer_append_u8(bytes, '\n');
    else
        buffer_clear(bytes);
    json_decref(reply);
}

static void print_success(const char *node, json_t *result, struct buffer *reply)
{
    json_t *object = json_object();
    json_object_set_new(object, "status", json_integer(CONTROL_OK));
    if (node != NULL)
        json_object_set_new(object, "node", json_string(node));
    if (result != NULL)
        json_object_set_new(object, "result", result);
    print(object, reply);
}

void control_print_reply(struct json_t *result, struct buffer *reply)
{
    print_success(NULL, result, reply);
}

void control_reply(struct control_call *call, struct json_t *result)
{
    struct buffer reply = {0};
    print_success(call->control != NULL ? call->control->node : NULL, result, &reply);
    control_reply_printed(call, &reply);
}

static void send_failure(struct control_call *call, enum control_status status, const char *text)
{
    struct buffer bytes = {0};
    json_t *reply = json_object();
    json_object_set_new(reply, "status", json_integer(status));
    if (call->control != NULL && call->control->node != NULL)
        json_object_set_new(reply, "node", json_string(call->control->node));
    json_object_set_new(reply, "error", control_json_text(bytes_of_text(text)));
    print(reply, &bytes);
    control_reply_printed(call, &bytes);
}

void control_fail(struct control_call *call, enum control_status status, const char *format, ...)
{
    CHECK(call->is_handled && status != CONTROL_OK);
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    send_failure(call, status, text);
}

struct json_t *control_json_text(struct bytes name)
{
    json_t *text = json_stringn(name.size > 0 ? (const char *)name.data : "", name.size);
    if (text != NULL)
        return text;
    struct buffer latin1 = {0};
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        if (byte >= 0x80)
            buffer_append_u8(&latin1, (uint8_t)(0xc0 | byte >> 6));
        buffer_append_u8(&latin1, byte >= 0x80 ? (uint8_t)(0x80 | (byte & 0x3f)) : byte);
    }
    text = json_stringn((const char *)latin1.data, latin1.size);
    buffer_fini(&latin1);
    return text;
}

/* --- the request */

static struct entry *find_entry(const struct control *control, const char *name)
{
    for (size_t i = 0; i < control->entry_count; i++) {
        if (strcmp(control->entries[i].command->name, name) == 0)
            return &control->entries[i];
    }
    return NULL;
}

bool control_has_nul(const struct json_t *json)
{
    const char *name;
    json_t *value;
    if (json_is_string(json))
        return strlen(json_string_value(json)) < json_string_length(json);
    for (size_t i = 0; i < json_array_size(json); i++) {
        if (control_has_nul(json_array_get(json, i)))
            return true;
    }
    json_object_foreach((json_t *)(uintptr_t)json, name, value)
    {
        if (control_has_nul(value))
            return true;
    }
    return false;
}

static void read_request(struct control_call *call)
{
    call->request = json_loadb((const char *)call->bytes.data, call->bytes.size,
                               JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    buffer_fini(&call->bytes);
}

static void run_request(struct control_call *call)
{
    const json_t *command = json_object_get(call->request, "command");
    const char *name = control_has_nul(command) ? NULL : json_string_value(command);
    call->is_handled = true;
    if (name == NULL || !json_is_object(json_object_get(call->request, "arguments"))) {
        send_failure(call, CONTROL_USAGE, "the request is not one");
        return;
    }
    const struct entry *entry = find_entry(call->control, name);
    if (entry == NULL)
        send_failure(call, CONTROL_USAGE, "the server does not know this command");
    else if (!entry->takes_nul && control_has_nul(control_arguments(call)))
        send_failure(call, CONTROL_DATA, "an argument has a NUL in it");
    else
        entry->command->handle(entry->context, call);
}

static void read_elsewhere(struct control_work *work)
{
    read_request(container_of(work, struct control_call, reading));
}

static void end_reading(struct control_work *work)
{
    struct control_call *call = container_of(work, struct control_call, reading);
    if (call->control != NULL)
        run_request(call);
    else
        call_free(call);
}

static void take_request(struct control_call *call)
{
    call->is_large = call->control->submit != NULL && call->bytes.size > LARGE_BYTES;
    if (!call->is_large) {
        read_request(call);
        run_request(call);
        return;
    }
    call->is_handled = true;
    call->reading = (struct control_work){read_elsewhere, end_reading};
    call->control->submit(call->control->submit_context, &call->reading);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct control_call *call = context;
    if ((what & EV_READ) == 0) {
        call_free(call);
        return;
    }
    buffer_reserve(&call->bytes, READ_BYTES);
    uint8_t *place = call->bytes.data + call->bytes.size;
    ssize_t got = recv(fd, place, READ_BYTES, 0);
    bool is_busy = got < 0 && (errno == EAGAIN || errno == EINTR);
    if (got > 0)
        call->bytes.size += (size_t)got;
    if (got > 0 && memchr(place, '\n', (size_t)got) != NULL) {
        event_free(call->event);
        call->event = NULL;
        take_request(call);
    } else if (is_busy || (got > 0 && call->bytes.size <= REQUEST_BYTES_MAX)) {
        call_wait(call, EV_READ, on_readable);
    } else {
        call_free(call);
    }
}

const struct json_t *control_arguments(const struct control_call *call)
{
    return json_object_get(call->request, "arguments");
}

const char *control_text(const struct control_call *call, const char *name)
{
    return json_string_value(json_object_get(control_arguments(call), name));
}

/* --- the socket */

static bool is_trusted(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static void on_accept(void *context, int fd)
{
    struct control *control = context;
    if (control->call_count >= CALLS_MAX || !is_trusted(fd)) {
        close(fd);
        return;
    }
    struct control_call *call = xcalloc(1, sizeof *call);
    call->control = control;
    call->fd = fd;
    list_push_back(&control->calls, &call->in_calls);
    control->call_count++;
    call_wait(call, EV_READ, on_readable);
}

/* The mode is set before the socket has a name, so that there is no moment at which others could
 * connect. */
static bool listen_in_folder(struct control *control, const char *folder)
{
    struct sockaddr_un address;
    control->folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (control->folder_fd < 0)
        return false;
    control->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (control->listen_fd < 0)
        return false;
    if (unlinkat(control->folder_fd, CONTROL_SOCKET_NAME, 0) != 0 && errno != ENOENT)
        return false;
    control_address(control->folder_fd, &address);
    return fchmod(control->listen_fd, S_IRUSR | S_IWUSR) == 0 &&
           bind(control->listen_fd, (struct sockaddr *)&address, sizeof address) == 0 &&
           listen(control->listen_fd, BACKLOG) == 0;
}

static void control_free(struct control *control)
{
    acceptor_stop(&control->acceptor);
    if (control->listen_fd >= 0)
        close(control->listen_fd);
    if (control->folder_fd >= 0)
        close(control->folder_fd);
    free(control->entries);
    free(control);
}

struct control *control_open(struct event_base *base, const char *folder,
                             acceptor_on_trouble *on_trouble, void *context, char *reason,
                             size_t reason_size)
{
    struct control *control = xcalloc(1, sizeof *control);
    control->base = base;
    control->folder_fd = -1;
    control->listen_fd = -1;
    list_init(&control->calls);
    if (!listen_in_folder(control, folder)) {
        snprintf(reason, reason_size, "%s/%s: %s", folder, CONTROL_SOCKET_NAME, strerror(errno));
        control_free(control);
        return NULL;
    }
    control->acceptor = (struct acceptor){.fd = control->listen_fd,
                                          .what = "calls of leveretctl",
                                          .on_accept = on_accept,
                                          .context = control,
                                          .on_trouble = on_trouble,
                                          .trouble_context = context};
    acceptor_start(&control->acceptor, base);
    return control;
}

/* What a command still has is left to it; the rest goes. */
static void abandon(struct control_call *call)
{
    if (!call->is_handled) {
        call_free(call);
        return;
    }
    list_remove(&call->in_calls);
    call->control = NULL;
    close(call->fd);
    call->fd = -1;
}

void control_close(struct control *control)
{
    list_for_each(&control->calls, node) abandon(list_entry(node, struct control_call, in_calls));
    unlinkat(control->folder_fd, CONTROL_SOCKET_NAME, 0);
    control_free(control);
}

void control_set_helper(struct control *control,
                        void (*submit)(void *context, struct control_work *work), void *context)
{
    control->submit = submit;
    control->submit_context = context;
}

void control_set_node(struct control *control, const char *node)
{
    control->node = node;
}

void control_add_commands(struct control *control, const struct control_command *commands,
                          size_t count, void *context)
{
    control->entries = xgrow(control->entries, &control->entry_capacity,
                             control->entry_count + count, sizeof control->entries[0]);
    for (size_t i = 0; i < count; i++) {
        CHECK(find_entry(control, commands[i].name) == NULL);
        control->entries[control->entry_count++] =
            (struct entry){.command = &commands[i], .context = context};
    }
}

void control_allow_nul(struct control *control, const char *command)
{
    struct entry *entry = find_entry(control, command);
    CHECK(entry != NULL);
    entry->takes_nul = true;
}
