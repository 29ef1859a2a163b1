/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's journal by its native protocol, which systemd documents and keeps: a datagram of
 * fields, each NAME=value and a line feed, or, where the value may hold line feeds, the name, a
 * line feed, the length as 64 bits in little-endian order, the value and a line feed. There is no
 * answer.
 *
 * MESSAGE has the second form, so that nothing in a message can begin another field, and is escaped
 * besides, so that journalctl shows one line. A journal that is started again has a new socket: a
 * send that fails connects and tries once more.
 */
#include "log/log_journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "log/log_format.h"

enum { send_wait_s = 2 };

struct log_journal {
    char *socket; /* owned, as fields: the path */
    char *fields;
    int fd; /* -1: not connected */
    struct buffer datagram, value;
};

/* --- fields */

static void append_field(struct buffer *datagram, const char *name, size_t name_size,
                         struct bytes value)
{
    uint64_t size = value.size;
    buffer_append(datagram, name, name_size);
    buffer_append_u8(datagram, '\n');
    for (int i = 0; i < 8; i++)
        buffer_append_u8(datagram, (uint8_t)(size >> (8 * i)));
    buffer_append_bytes(datagram, value);
    buffer_append_u8(datagram, '\n');
}

/* The journal's priorities are syslog's, 7 for debug down to 0. */
static int priority_of(enum config_log_level level)
{
    return 7 - (int)level;
}

/* What a word of log.journald.fields stands for, appended to value; false: messages have no such
 * field. */
static bool append_value(struct buffer *value, const struct log_entry *entry, const char *word,
                         size_t size)
{
    struct bytes name = bytes_of(word, size);
    if (bytes_equal_text(name, "priority"))
        buffer_append_format(value, "%d", priority_of(entry->level));
    else if (bytes_equal_text(name, "syslog_timestamp") || bytes_equal_text(name, "time"))
        log_format_append_time(value, &entry->time, 'T');
    else if (bytes_equal_text(name, "syslog_pid"))
        buffer_append_format(value, "%ld", (long)getpid());
    else if (bytes_equal_text(name, "pid"))
        buffer_append_format(value, "<0.%" PRIu32 ".0>", entry->thread);
    else if (bytes_equal_text(name, "level"))
        buffer_append_bytes(value, bytes_of_text(config_log_level_name(entry->level)));
    else if (bytes_equal_text(name, "domain"))
        buffer_append_bytes(value, bytes_of_text(log_format_domain(entry->category)));
    else
        return false;
    return true;
}

static size_t make_capitals(char *to, size_t size_max, const char *name, size_t size)
{
    size_t i = 0;
    for (; i < size && i < size_max; i++)
        to[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
    return i;
}

static void append_word(struct log_journal *journal, const struct log_entry *entry,
                        const char *word, size_t size)
{
    char capitals[64];
    const char *equals = memchr(word, '=', size);
    const char *source = equals == NULL ? word : equals + 1;
    size_t source_size = size - (size_t)(source - word);
    buffer_clear(&journal->value);
    if (equals != NULL && source_size >= 2 && *source == '"')
        buffer_append(&journal->value, source + 1, source_size - 2);
    else if (!append_value(&journal->value, entry, source, source_size))
        return;
    size_t name_size = equals == NULL ? size : (size_t)(equals - word);
    name_size = make_capitals(capitals, sizeof capitals, word, name_size);
    append_field(&journal->datagram, capitals, name_size, buffer_bytes(&journal->value));
}

static void make_datagram(struct log_journal *journal, const struct log_entry *entry)
{
    const char *text = journal->fields, *word;
    size_t size;
    buffer_clear(&journal->datagram);
    buffer_clear(&journal->value);
    log_format_append_escaped(&journal->value, bytes_of(entry->text, entry->size));
    append_field(&journal->datagram, "MESSAGE", strlen("MESSAGE"), buffer_bytes(&journal->value));
    while ((size = config_log_next_word(&text, &word)) > 0)
        append_word(journal, entry, word, size);
}

/* --- the socket */

static bool connect_journal(struct log_journal *journal)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = send_wait_s};
    if (journal->fd >= 0)
        close(journal->fd);
    journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (journal->fd < 0)
        return false;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", journal->socket);
    setsockopt(journal->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (connect(journal->fd, (struct sockaddr *)&address, sizeof address) == 0)
        return true;
    int error = errno;
    close(journal->fd);
    journal->fd = -1;
    errno = error;
    return false;
}

static bool send_datagram(struct log_journal *journal)
{
    return journal->fd >= 0 && send(journal->fd, journal->datagram.data, journal->datagram.size,
                                    MSG_NOSIGNAL) == (ssize_t)journal->datagram.size;
}

static bool journal_write(void *self, struct log_outlet *outlet, const struct log_entry *entry)
{
    struct log_journal *journal = self;
    make_datagram(journal, entry);
    if (send_datagram(journal))
        return true;
    if (errno == EAGAIN && journal->fd >= 0)
        return false;
    return !log_outlet_is_given_up(outlet) && connect_journal(journal) && send_datagram(journal);
}

static void journal_free(void *self)
{
    struct log_journal *journal = self;
    if (journal->fd >= 0)
        close(journal->fd);
    buffer_fini(&journal->datagram);
    buffer_fini(&journal->value);
    free(journal->socket);
    free(journal->fields);
    free(journal);
}

struct log_outlet *log_journal_new(const struct config_log_journald *journald, const char *socket,
                                   unsigned categories)
{
    static const struct log_outlet_kind kind = {.write = journal_write, .free = journal_free};
    struct log_journal *journal = xcalloc(1, sizeof *journal);
    journal->fd = -1;
    journal->socket = xstrdup(socket);
    journal->fields = xstrdup(journald->fields);
    if (connect_journal(journal))
        return log_outlet_new(&kind, journal, "<journald>", journald->level, categories);
    int error = errno;
    journal_free(journal);
    errno = error;
    return NULL;
}
