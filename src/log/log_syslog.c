/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syslog: the message as RFC 3164 or RFC 5424 writes it, over a datagram each, or over a stream
 * with its length in front (RFC 6587; over TLS as RFC 5425). A line of our own never holds a line
 * feed, so no receiver can take one message for two.
 *
 * A stream that breaks is opened again, after pauses that grow; the message that was under way is
 * sent again, because nobody knows how much of it arrived, so the server may have it twice.
 * Meanwhile the queue of the outlet holds what comes, up to its bound.
 */
#include "log/log_syslog.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "log/log_syslog_tls.h"

enum { wait_s = 5, pause_min_ms = 500, pause_max_ms = 30000, host_size = 256, identity_max = 48 };

struct log_syslog {
    enum config_syslog_transport transport;
    char *server; /* owned; a host, or a path */
    char port[8];
    char host[host_size];
    char identity[identity_max + 1];
    struct log_syslog_header header;
    struct log_format *format;  /* owned */
    struct log_syslog_tls *tls; /* owned; NULL: none */
    int fd;                     /* -1: not connected */
    unsigned pause_ms;
    struct buffer message, frame;
};

/* --- messages */

static void append_rfc3164(const struct log_syslog_header *header, const struct log_entry *entry,
                           struct buffer *message)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm parts;
    localtime_r(&entry->time.tv_sec, &parts);
    buffer_append_format(message, "%s %2d %02d:%02d:%02d %s%s%s[%ld]: ", months[parts.tm_mon],
                         parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, header->host,
                         header->host[0] == '\0' ? "" : " ", header->identity, header->pid);
}

static void append_rfc5424(const struct log_syslog_header *header, const struct log_entry *entry,
                           struct buffer *message)
{
    buffer_append_format(message, "1 ");
    log_format_append_time(message, &entry->time, 'T');
    buffer_append_format(message, " %s %s %ld %s - ", header->host[0] == '\0' ? "-" : header->host,
                         header->identity, header->pid, log_format_domain(entry->category));
}

void log_syslog_append(const struct log_syslog_header *header, struct log_format *format,
                       const struct log_entry *entry, struct buffer *message)
{
    buffer_append_format(message, "<%d>", header->facility * 8 + 7 - (int)entry->level);
    if (header->protocol == CONFIG_SYSLOG_RFC5424)
        append_rfc5424(header, entry, message);
    else
        append_rfc3164(header, entry, message);
    log_format_append(format, entry, message);
}

/* --- the way to the server */

static void hang_up(struct log_syslog *syslog)
{
    if (syslog->tls != NULL)
        log_syslog_tls_end(syslog->tls);
    if (syslog->fd >= 0)
        close(syslog->fd);
    syslog->fd = -1;
}

/* Linux bounds connect by the time for sending. */
static void set_waits(int fd)
{
    struct timeval wait = {.tv_sec = wait_s};
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

static int dial(int family, int type, const struct sockaddr *address, socklen_t size)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set_waits(fd);
    if (connect(fd, address, size) == 0)
        return fd;
    close(fd);
    return -1;
}

static int dial_local(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct sockaddr *generic = (const struct sockaddr *)&address;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return dial(AF_UNIX, SOCK_DGRAM, generic, sizeof address);
}

static int dial_host(const struct log_syslog *syslog)
{
    bool is_udp = syslog->transport == CONFIG_SYSLOG_UDP;
    struct addrinfo wanted = {.ai_socktype = is_udp ? SOCK_DGRAM : SOCK_STREAM};
    struct addrinfo *found = NULL;
    int fd = -1;
    if (getaddrinfo(syslog->server, syslog->port, &wanted, &found) != 0)
        return -1;
    for (struct addrinfo *one = found; one != NULL && fd < 0; one = one->ai_next)
        fd = dial(one->ai_family, wanted.ai_socktype, one->ai_addr, one->ai_addrlen);
    freeaddrinfo(found);
    return fd;
}

static bool connect_server(struct log_syslog *syslog)
{
    syslog->fd =
        syslog->transport == CONFIG_SYSLOG_LOCAL ? dial_local(syslog->server) : dial_host(syslog);
    if (syslog->fd < 0)
        return false;
    if (syslog->tls == NULL || log_syslog_tls_begin(syslog->tls, syslog->fd, syslog->server))
        return true;
    hang_up(syslog);
    return false;
}

/* Nobody sends anything here: what can be read is the end of the connection. Without a look at it
 * the first message after a server's restart would be lost without an error. */
static bool is_closed(struct log_syslog *syslog)
{
    char octet;
    if (syslog->tls != NULL)
        return log_syslog_tls_is_closed(syslog->tls);
    ssize_t size = recv(syslog->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}

static bool send_all(struct log_syslog *syslog, struct bytes bytes)
{
    while (bytes.size > 0) {
        ssize_t sent = syslog->tls != NULL ? log_syslog_tls_write(syslog->tls, bytes)
                                           : send(syslog->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes = bytes_of(bytes.data + sent, bytes.size - (size_t)sent);
    }
    return true;
}

static bool is_stream(const struct log_syslog *syslog)
{
    return syslog->transport == CONFIG_SYSLOG_TCP || syslog->transport == CONFIG_SYSLOG_TLS;
}

static bool send_frame(struct log_syslog *syslog)
{
    if (syslog->fd >= 0 && is_stream(syslog) && is_closed(syslog))
        hang_up(syslog);
    if (syslog->fd < 0 && !connect_server(syslog))
        return false;
    if (send_all(syslog, buffer_bytes(&syslog->frame)))
        return true;
    hang_up(syslog);
    return false;
}

/* A datagram has no server to wait for: once more over a new socket, and it is lost. */
static bool deliver(struct log_syslog *syslog, struct log_outlet *outlet)
{
    if (!is_stream(syslog))
        return send_frame(syslog) || send_frame(syslog);
    while (!send_frame(syslog)) {
        syslog->pause_ms = syslog->pause_ms == 0 ? pause_min_ms : syslog->pause_ms * 2;
        if (syslog->pause_ms > pause_max_ms)
            syslog->pause_ms = pause_max_ms;
        if (!log_outlet_pause(outlet, syslog->pause_ms))
            return false;
    }
    syslog->pause_ms = 0;
    return true;
}

static bool syslog_write(void *self, struct log_outlet *outlet, const struct log_entry *entry)
{
    struct log_syslog *syslog = self;
    buffer_clear(&syslog->message);
    buffer_clear(&syslog->frame);
    log_syslog_append(&syslog->header, syslog->format, entry, &syslog->message);
    if (is_stream(syslog))
        buffer_append_format(&syslog->frame, "%zu ", syslog->message.size);
    buffer_append_bytes(&syslog->frame, buffer_bytes(&syslog->message));
    return deliver(syslog, outlet);
}

/* --- beginning and end */

static void syslog_free(void *self)
{
    struct log_syslog *syslog = self;
    hang_up(syslog);
    if (syslog->tls != NULL)
        log_syslog_tls_free(syslog->tls);
    log_format_free(syslog->format);
    buffer_fini(&syslog->message);
    buffer_fini(&syslog->frame);
    free(syslog->server);
    free(syslog);
}

/* The name has no characters that would end the field. */
static void copy_identity(char *to, const char *from, size_t size)
{
    size_t i = 0;
    for (; i < size && i < identity_max; i++)
        to[i] = from[i] > ' ' && from[i] < 0x7f && strchr("[]:", from[i]) == NULL ? from[i] : '_';
    to[i] = '\0';
}

static void name_us(struct log_syslog *syslog, const struct config_log_syslog *config,
                    const char *node_name)
{
    const char *identity = config->identity[0] != '\0' ? config->identity : node_name;
    size_t size = identity == node_name ? strcspn(node_name, "@") : strlen(identity);
    copy_identity(syslog->identity, identity, size);
    if (config->transport != CONFIG_SYSLOG_LOCAL &&
        gethostname(syslog->host, sizeof syslog->host - 1) != 0)
        syslog->host[0] = '\0';
    syslog->header = (struct log_syslog_header){
        .protocol = config->protocol,
        .facility = config->facility,
        .host = syslog->host,
        .identity = syslog->identity,
        .pid = (long)getpid(),
    };
    if (config->protocol == CONFIG_SYSLOG_DEFAULT)
        syslog->header.protocol =
            config->transport == CONFIG_SYSLOG_TLS ? CONFIG_SYSLOG_RFC5424 : CONFIG_SYSLOG_RFC3164;
}

struct log_outlet *log_syslog_new(const struct config_log_syslog *config, const char *node_name,
                                  unsigned categories, char *reason, size_t reason_size)
{
    static const struct log_outlet_kind kind = {.write = syslog_write, .free = syslog_free};
    struct log_syslog *syslog = xcalloc(1, sizeof *syslog);
    char name[300];
    bool is_local = config->transport == CONFIG_SYSLOG_LOCAL;
    bool is_tls = config->transport == CONFIG_SYSLOG_TLS;
    const char *usual = is_local ? "/dev/log" : "127.0.0.1";
    syslog->fd = -1;
    syslog->transport = config->transport;
    syslog->server = xstrdup(config->host[0] != '\0' ? config->host : usual);
    snprintf(syslog->port, sizeof syslog->port, "%u",
             config->port != 0 ? config->port
             : is_tls          ? 6514u
                               : 514u);
    syslog->format = log_format_new(&config->output.formatter);
    name_us(syslog, config, node_name);
    if (is_tls) {
        syslog->tls = log_syslog_tls_new(config, reason, reason_size);
        if (syslog->tls == NULL) {
            syslog_free(syslog);
            return NULL;
        }
    }
    snprintf(name, sizeof name, "syslog:%s", syslog->server);
    return log_outlet_new(&kind, syslog, name, config->output.level, categories);
}
