/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_NET_CONNECTION_H
#define LEVERET_NET_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "amqp/error.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/octets.h"
#include "broker/command.h"
#include "broker/effect.h"
#include "net/settings.h"

/*
 * AMQP connections: everything between a socket and the core's commands and effects. All of it runs
 * on the one thread whose event loop the connection belongs to; nothing here locks.
 *
 * What a reactor does with it:
 *
 *     connection_host_init            once, after it filled in the public members
 *     connection_new                  for every accepted socket
 *     connection_on_effect            for every effect of its mailbox, by handle
 *     connection_host_flush           at the end of every turn of its loop: writes what gathered,
 *                                     returns credit, and reports connections that are over
 *     connection_host_end_turn        when it is over
 *     connection_host_tick            about every 250 ms: heartbeats and timeouts
 *
 * No callback may call back into a connection of the same host.
 */
struct connection;
struct event_base;
struct session_config;
struct tls_stream;
struct vhost_gate; /* the host's: how a reactor reaches a vhost */

enum login_result {
    LOGIN_OK,        /* answer: who it is */
    LOGIN_REFUSED,   /* wrong user or password: the client is told, if it wants to know */
    LOGIN_MALFORMED, /* no such mechanism, or a response that it cannot read: silence */
    LOGIN_MORE,      /* answer: the challenge of a connection.secure */
    LOGIN_PENDING,   /* connection_login_done will tell; nothing is read until then */
};

struct login_request {
    struct connection *connection;
    struct bytes mechanism;       /* as the client named it, at most 255 bytes of UTF-8 */
    struct bytes response;        /* of start-ok */
    struct bytes second_response; /* of secure-ok */
    bool has_second_response;     /* false: there was no challenge yet */
    struct bytes peer_name;       /* the user in the client's verified certificate, else empty */
    bool is_loopback;             /* the peer is this machine */
};

struct login_answer {
    struct buffer user;      /* login ok: the name; the connection takes it */
    struct buffer challenge; /* login more; the connection takes it */
    bool can_impersonate;    /* login ok: may set any user_id */
    bool asks_access;        /* login ok: as in struct session_config */
};

enum connection_note {
    CONNECTION_NOTE_INFO,          /* opened, closed as it should */
    CONNECTION_NOTE_WARNING,       /* gone without a word, missed heartbeats, timeouts */
    CONNECTION_NOTE_ERROR,         /* refused, broke the protocol */
    CONNECTION_NOTE_CHANNEL_ERROR, /* one of its channels was closed for an error */
};

/* What a reactor provides to its connections. */
struct connection_host {
    /* Filled in by the reactor. */
    const struct net_settings *settings; /* borrowed: outlives the host */
    struct event_base *base;             /* borrowed: likewise */
    size_t reactor;                      /* for session_config */
    uint64_t now_ms;                     /* monotonic; the reactor keeps it current every turn */
    void *context;                       /* for the callbacks */

    /* Appends the table of connection.start. NULL: it is empty. */
    void (*server_properties)(void *context, struct buffer *table);
    /* Appends the SASL mechanisms to offer, with a space between. */
    void (*mechanisms)(void *context, struct connection *connection, struct buffer *names);
    /* Views of the request are valid during the call only. answer is zeroed before. */
    enum login_result (*login)(void *context, const struct login_request *request,
                               struct login_answer *answer);
    /* The vhost for a user. NULL with error set: refused (530, see amqp_error_set; class and method
     * are added). NULL with error->code 0: connection_vhost_done will tell. */
    struct vhost_gate *(*open_vhost)(void *context, struct connection *connection, const char *user,
                                     struct bytes vhost, struct amqp_error *error);
    /* A session is about to be made: the host fills in number and opened. NULL: it has none. */
    void (*opening)(void *context, const struct connection *connection,
                    struct session_config *config);
    /* May one more channel be opened? False with error set: refused (530). NULL: always. */
    bool (*allow_channel)(void *context, struct amqp_error *error);
    /* The batch that this reactor gathers for the vhost (never NULL): connections append to it. It
     * must be submitted at the latest at the end of the turn, and stay where it is until then. */
    struct command_batch *(*gather)(void *context, struct vhost_gate *gate);
    /* The gathered batch has become large: hand it over now; gather then gives another one. */
    void (*submit)(void *context, struct vhost_gate *gate);
    /* The connection is over, with its session if it had one: forget its handle, release its gate
     * (connection_gate) and call connection_free. Only called by connection_host_flush. */
    void (*closed)(void *context, struct connection *connection);
    /* For the log. */
    void (*note)(void *context, const struct connection *connection, enum connection_note note,
                 const char *text);

    /* The channels of all connections; any thread may read it. */
    _Atomic size_t channel_count;

    /* Private from here on. */
    uint8_t *input; /* owned: what is read from a socket is parsed here, in place */
    size_t input_size;
    size_t input_share; /* how much of it a socket may fill in this turn */
    size_t readers;     /* sockets that were read in this turn */
    struct heap looks;  /* connections, by the time at which something may be due */
    struct list dirty;  /* those with something to write or to report */
};

void connection_host_init(struct connection_host *host);
/* Every connection has been freed. */
void connection_host_fini(struct connection_host *host);

/* At the end of a turn of the loop. May append commands (credit, session close) to batches. */
void connection_host_flush(struct connection_host *host);
/* After that: the sockets that are readable in the next turn share what one turn reads. */
void connection_host_end_turn(struct connection_host *host);
/* Has connection_host_flush anything to do? */
bool connection_host_is_dirty(const struct connection_host *host);
/* Heartbeats and timeouts that are due at host->now_ms, of a bounded number of connections: true
 * where there may be more, to be asked for in the next turn. */
bool connection_host_tick(struct connection_host *host);

/* A connection on an accepted, nonblocking socket. Takes fd and tls (NULL: plain). handle is what
 * the effects of its session will carry. */
struct connection *connection_new(struct connection_host *host, int fd, struct tls_stream *tls,
                                  uint64_t handle);
/* At once, whatever its state; a session that it still has is not told. */
void connection_free(struct connection *connection);

/* Carries out one effect and consumes what it owns. */
void connection_on_effect(struct connection *connection, struct effect *effect);

/* The answers to what was pending. answer is zero-initialised by the caller except for what the
 * result needs, and is taken; of error the connection takes a copy (ignored with a gate). */
void connection_login_done(struct connection *connection, enum login_result result,
                           struct login_answer *answer);
void connection_vhost_done(struct connection *connection, struct vhost_gate *gate,
                           const struct amqp_error *error);

/* Ends a connection from this side, as a clean stop does: with a session the core sends the close,
 * without one the socket is closed. */
void connection_shut(struct connection *connection, const struct amqp_error *error);

/* --- what is known about it */

uint64_t connection_handle(const struct connection *connection);
/* NULL before open_vhost has given it. */
struct vhost_gate *connection_gate(const struct connection *connection);
/* NULL unless its session exists: from the commit of connection.open to SESSION_CLOSED. */
struct session *connection_session(const struct connection *connection);
/* Memory that the peer made the connection hold: rest of input, contents, unwritten output. */
size_t connection_memory_bytes(const struct connection *connection);

/* What it has read and written so far. */
struct octets connection_octets(const struct connection *connection);

/* For listings. The strings are valid as long as the connection. */
struct connection_status {
    const char *name; /* "peer:port -> own:port" */
    const char *peer_host;
    const char *host;
    uint16_t peer_port;
    uint16_t port;
    const char *user;  /* "" before login */
    const char *state; /* RabbitMQ's: starting, tuning, opening, running, blocked, closing, ... */
    const char *client_name;        /* client property connection_name, "" if none */
    struct bytes client_properties; /* table */
    const char *mechanism;          /* "" before start-ok */
    bool is_tls;
    uint16_t channel_max;
    uint32_t frame_max;
    uint16_t heartbeat_s;
    uint64_t read_bytes, read_count; /* and the system calls that it took, as RabbitMQ counts */
    uint64_t written_bytes, write_count;
    uint64_t unwritten_bytes;
};
void connection_describe(const struct connection *connection, struct connection_status *status);

/* The TLS of the connection, NULL where it is plain. */
const struct tls_stream *connection_tls(const struct connection *connection);

#endif
