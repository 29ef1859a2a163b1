/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request and its reply over the control socket, with a deadline over all of it. The server ends
 * the connection behind its reply, so that the reply is what comes until then.
 */
#define _GNU_SOURCE 1 /* O_PATH, struct ucred */
#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "net/control_address.h"

enum {
    READ_BYTES = 65536,
    RETRY_MS = 50,
    SEND_MS_MAX = 1000,
    WAIT_MS_MAX = 1 << 30,
};

int64_t client_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* False at the deadline. */
static bool wait_for(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left_ms = deadline_ms - client_now_ms();
        if (left_ms <= 0)
            return false;
        struct pollfd entry = {.fd = fd, .events = events};
        int count = poll(&entry, 1, left_ms > WAIT_MS_MAX ? WAIT_MS_MAX : (int)left_ms);
        if (count > 0)
            return true;
        if (count < 0 && errno != EINTR)
            return true; /* what is done next tells the error */
    }
}

/* -1 with a reason. Connecting to a Unix socket does not block long: the kernel answers. */
static int connect_to(const char *data_dir, char *reason, size_t reason_size)
{
    struct sockaddr_un address;
    int folder_fd = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) {
        snprintf(reason, reason_size, "the folder cannot be opened: %s", strerror(errno));
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    control_address(folder_fd, &address);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        close(folder_fd);
        return fd;
    }
    bool is_absent = errno == ENOENT || errno == ECONNREFUSED;
    snprintf(reason, reason_size, "%s: %s",
             is_absent ? "no server is running there" : "its control socket cannot be used",
             strerror(errno));
    if (fd >= 0)
        close(fd);
    close(folder_fd);
    return -1;
}

static enum client_result send_request(int fd, const json_t *request, int64_t deadline_ms)
{
    enum client_result result = CLIENT_OK;
    struct buffer line = {0};
    char *text = json_dumps(request, JSON_COMPACT);
    buffer_append_format(&line, "%s\n", text != NULL ? text : "");
    free(text);
    for (size_t sent = 0; sent < line.size && result == CLIENT_OK;) {
        ssize_t size = send(fd, line.data + sent, line.size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size > 0)
            sent += (size_t)size;
        else if (errno != EAGAIN && errno != EINTR)
            result = CLIENT_BROKEN;
        else if (!wait_for(fd, POLLOUT, deadline_ms))
            result = CLIENT_TIMEOUT;
    }
    buffer_fini(&line);
    return result;
}

/* What has come. False: more is to come; else *reply is the reply, NULL where it is none. */
static bool receive(int fd, struct buffer *bytes, json_t **reply)
{
    for (;;) {
        buffer_reserve(bytes, READ_BYTES);
        ssize_t size = recv(fd, bytes->data + bytes->size, READ_BYTES, MSG_DONTWAIT);
        if (size > 0) {
            bytes->size += (size_t)size;
        } else if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            return false;
        } else {
            *reply = json_loadb((const char *)bytes->data, bytes->size, JSON_ALLOW_NUL, NULL);
            return true;
        }
    }
}

static enum client_result receive_reply(int fd, int64_t deadline_ms, json_t **reply)
{
    struct buffer bytes = {0};
    enum client_result result = CLIENT_TIMEOUT;
    while (result == CLIENT_TIMEOUT && wait_for(fd, POLLIN, deadline_ms)) {
        if (receive(fd, &bytes, reply))
            result = *reply != NULL ? CLIENT_OK : CLIENT_BROKEN;
    }
    buffer_fini(&bytes);
    return result;
}

static pid_t process_of(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

enum client_result client_call(const char *data_dir, const json_t *request, int64_t deadline_ms,
                               json_t **reply, pid_t *server, char *reason, size_t reason_size)
{
    int fd = connect_to(data_dir, reason, reason_size);
    if (fd < 0)
        return CLIENT_UNREACHABLE;
    if (server != NULL)
        *server = process_of(fd);
    enum client_result result = send_request(fd, request, deadline_ms);
    if (result == CLIENT_OK)
        result = receive_reply(fd, deadline_ms, reply);
    close(fd);
    if (result == CLIENT_BROKEN)
        snprintf(reason, reason_size,
                 "the server did not answer (it serves its own user and root)");
    return result;
}

enum client_result client_call_patiently(const char *data_dir, const json_t *request,
                                         int64_t deadline_ms, json_t **reply, char *reason,
                                         size_t reason_size)
{
    for (;;) {
        enum client_result result =
            client_call(data_dir, request, deadline_ms, reply, NULL, reason, reason_size);
        if (result == CLIENT_OK || result == CLIENT_TIMEOUT)
            return result;
        if (client_now_ms() + RETRY_MS >= deadline_ms)
            return CLIENT_TIMEOUT;
        poll(NULL, 0, RETRY_MS);
    }
}

bool client_begin(struct client_talk *talk, const char *data_dir, const json_t *request,
                  char *reason, size_t reason_size)
{
    talk->fd = connect_to(data_dir, reason, reason_size);
    if (talk->fd < 0)
        return false;
    if (send_request(talk->fd, request, client_now_ms() + SEND_MS_MAX) == CLIENT_OK)
        return true;
    snprintf(reason, reason_size, "the server does not take the request");
    client_end(talk);
    return false;
}

bool client_continue(struct client_talk *talk, json_t **reply)
{
    *reply = NULL;
    if (!receive(talk->fd, &talk->bytes, reply))
        return false;
    client_end(talk);
    return true;
}

void client_end(struct client_talk *talk)
{
    if (talk->fd >= 0)
        close(talk->fd);
    talk->fd = -1;
    buffer_fini(&talk->bytes);
    buffer_init(&talk->bytes);
}

enum client_result client_wait_for_end(pid_t process, int64_t deadline_ms)
{
    int fd = (int)syscall(SYS_pidfd_open, process, 0);
    if (fd < 0)
        return errno == ESRCH ? CLIENT_OK : CLIENT_BROKEN;
    bool has_ended = wait_for(fd, POLLIN, deadline_ms);
    close(fd);
    return has_ended ? CLIENT_OK : CLIENT_TIMEOUT;
}
