/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of sd_notify: datagrams of lines to the socket that the environment names, a path
 * or, with @ in front, an abstract name. Nothing here may stop the server, so nothing waits: a
 * datagram for which there is no room is not sent. Why this is not libsystemd is in
 * docs/architecture.md.
 */
#include "runtime/notify.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/clock.h"

enum { extend_s = 120, text_size = 512, extend_every_ms = 1000 };

static int notify_fd = -1;
static struct sockaddr_un address;
static socklen_t address_size;
static uint64_t watchdog_us;

static bool is_for_us(const char *pid)
{
    return pid == NULL || pid[0] == '\0' || strtol(pid, NULL, 10) == (long)getpid();
}

static void read_watchdog(void)
{
    const char *interval = getenv("WATCHDOG_USEC");
    if (interval != NULL && is_for_us(getenv("WATCHDOG_PID")))
        watchdog_us = strtoull(interval, NULL, 10);
}

void notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t size = path == NULL ? 0 : strlen(path);
    if (size < 2 || size >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path, size);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    read_watchdog();
}

void notify_close(void)
{
    if (notify_fd >= 0)
        close(notify_fd);
    notify_fd = -1;
}

uint64_t notify_watchdog_us(void)
{
    return notify_fd >= 0 ? watchdog_us : 0;
}

void notify_send(const char *format, ...)
{
    char text[text_size];
    va_list arguments;
    if (notify_fd < 0)
        return;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size > 0 && (size_t)size < sizeof text)
        sendto(notify_fd, text, (size_t)size, MSG_NOSIGNAL, (struct sockaddr *)&address,
               address_size);
}

void notify_extend(const char *status)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t last_ms;
    uint64_t now_ms = clock_steady_ms();
    pthread_mutex_lock(&mutex);
    bool is_time = last_ms == 0 || now_ms >= last_ms + extend_every_ms;
    if (is_time)
        last_ms = now_ms;
    pthread_mutex_unlock(&mutex);
    if (is_time)
        notify_send("EXTEND_TIMEOUT_USEC=%u000000\nSTATUS=%.200s", (unsigned)extend_s, status);
}
