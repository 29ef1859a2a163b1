/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_REACTOR_H
#define LEVERET_RUNTIME_REACTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/octets.h"
#include "net/settings.h"
#include "net/tls.h"
#include "runtime/mailbox.h"

struct server;

/* A thread with an event loop and the connections that belong to it. */
struct reactor;

/* mailbox and server are borrowed. The thread runs at once. */
struct reactor *reactor_new(struct server *server, size_t number, struct mailbox *mailbox,
                            const struct net_settings *settings);

/* Any thread: gives the reactor an accepted socket; tls is NULL for a plain one. */
void reactor_adopt(struct reactor *reactor, int fd, struct tls_context *tls);

/* Any thread: how many connections it has, those on their way included. */
size_t reactor_connection_count(const struct reactor *reactor);
size_t reactor_channel_count(const struct reactor *reactor);

/* Not from a reactor: adds copies of struct http_peer, of all its connections with a vhost. */
struct status_rows;
void reactor_list(struct reactor *reactor, struct status_rows *rows);

/* Not from a reactor: visits a few of its connections with a vhost, from *slot on, in its thread.
 * False: there are no more. */
struct connection_traffic {
    const struct gate *gate; /* of its vhost; borrowed, like the name */
    struct bytes name;
    uint64_t read_bytes, written_bytes, reads, writes;
};
bool reactor_visit_traffic(struct reactor *reactor, size_t *slot,
                           void (*visit)(void *context, const struct connection_traffic *traffic),
                           void *context);

/* Not from a reactor: adds what its connections have read and written to their vhosts' accounts,
 * and tells of those for which that has changed since the last time: there is one who samples. */
struct connection_sample {
    uint64_t number; /* over all of the server's */
    struct octets octets;
    bool is_new; /* in no sampling before */
};
struct connection_samples {
    struct connection_sample *items; /* owned */
    size_t count, capacity;
};
void reactor_sample(struct reactor *reactor, struct connection_samples *samples);

/* Ends the connections that have no vhost yet; those with a session are ended by their vhost. */
void reactor_shut(struct reactor *reactor);

/* Ends the thread, whatever connections there are. */
void reactor_stop(struct reactor *reactor);
/* It has been stopped, and so have the others, which count its connections. Mail that came after
 * that is dropped with the mailbox. */
void reactor_free(struct reactor *reactor);

#endif
