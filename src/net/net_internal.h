/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_NET_NET_INTERNAL_H
#define LEVERET_NET_NET_INTERNAL_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "amqp/content.h"
#include "amqp/frame.h"
#include "base/hash_table.h"
#include "base/heap.h"
#include "net/connection.h"
#include "net/output.h"
#include "net/stream.h"

/* What the files of a connection share: state, and who does what with it. */

enum connection_state {
    STATE_PROXY,   /* a header of the PROXY protocol is expected */
    STATE_HEADER,  /* the protocol header is expected */
    STATE_START,   /* start was sent: start-ok is expected */
    STATE_SECURE,  /* secure was sent: secure-ok is expected */
    STATE_LOGIN,   /* the host works on the login; input waits */
    STATE_TUNE,    /* tune was sent: tune-ok is expected */
    STATE_OPEN,    /* connection.open is expected */
    STATE_VHOST,   /* the host works on the vhost; input waits */
    STATE_RUNNING, /* it has a session */
    STATE_CLOSING, /* our connection.close was sent or is on its way: only close(-ok) counts */
    STATE_CLOSED,  /* the client's close was answered: it closes the socket, or we do in time */
    STATE_REFUSED, /* input is dropped until the deadline ends it */
    STATE_ENDING,  /* what is left is written, then the stream ends */
    STATE_GONE,    /* the socket is closed; the session may still exist */
};

/* Why nothing is read from the socket. */
enum read_pause {
    PAUSE_CORE = 1,    /* EFFECT_READ_PAUSE */
    PAUSE_OUTPUT = 2,  /* the peer takes too little of what it asked for */
    PAUSE_PENDING = 4, /* login or vhost is pending */
};

/* The net side of a channel: from channel.open to EFFECT_CHANNEL_CLOSED. */
struct net_channel {
    struct hash_node by_number;
    uint16_t number;
    bool is_discarding; /* our channel.close is on its way: only close(-ok) goes to the core */
    bool mandatory;     /* of the publish under assembly */
    bool immediate;
    uint32_t open_count; /* channel.opens sent to the core and not yet closed by it */
    struct amqp_content content;
    struct message *message; /* owned; under assembly, body_size is what is allocated */
    size_t body_bytes;       /* of it that are there */
    char **consumer_tags;    /* owned, each owned: pascal strings by consumer number, or NULL */
    size_t consumer_capacity;
};

/* A body frame of which only a part has arrived. */
struct partial_body {
    bool is_active;
    uint32_t frame_bytes; /* its payload */
    uint32_t missing_bytes;
    struct net_channel *channel; /* borrowed; NULL: what comes is dropped */
};

struct heartbeat {
    uint64_t send_check_ms; /* when to look next whether something was written */
    uint64_t read_check_ms;
    uint64_t written_bytes; /* at the last look */
    uint64_t read_bytes;
    int waiting_bytes; /* input that the socket held while nothing was read */
    unsigned missed_count;
};

struct connection {
    struct connection_host *host;
    uint64_t handle;
    struct stream stream;
    struct event read_event;
    struct event write_event;
    uint8_t state;       /* enum connection_state */
    uint8_t read_pauses; /* of enum read_pause */
    bool is_waiting_to_write;
    bool is_deaf; /* the framing is lost: only a close-ok is looked for */
    bool is_mute; /* writing has failed: output is dropped, what was sent is still read */
    bool is_over; /* to be reported by connection_host_flush */
    bool is_loopback;
    bool is_tls;
    bool can_impersonate;
    bool asks_access;
    bool has_close_on_failure; /* client capability authentication_failure_close */
    bool has_cancel_notify;
    bool has_blocked_notify;
    struct heap_node look; /* in the host's heap: when something may be due; see heartbeat.c */
    struct list_node dirty_node;

    struct vhost_gate *gate; /* borrowed from the host */
    struct session *session; /* the core's; NULL before and after */

    size_t frame_max;
    uint16_t channel_max;
    uint16_t heartbeat_s;
    uint64_t deadline_ms; /* UINT64_MAX: none */
    uint64_t accepted_ms;
    struct heartbeat heartbeat;

    struct buffer rest; /* owned; the start of a frame whose end is still to come */
    struct partial_body partial;
    struct hash_table channels;
    struct net_channel *last_channel; /* borrowed: of channels, the one used last */
    size_t content_bytes;             /* allocated for messages under assembly */
    uint64_t read_bytes;
    uint64_t read_count; /* system calls that it took */

    struct output output;

    struct buffer user;              /* owned; ended by NUL */
    struct buffer mechanism;         /* owned; ended by NUL */
    struct buffer first_response;    /* owned; only while SASL goes on */
    struct buffer client_properties; /* owned */
    char *client_name;               /* owned; "" if none */
    char *name;                      /* owned */
    char *peer_host;                 /* owned */
    char *own_host;                  /* owned */
    uint16_t peer_port;
    uint16_t own_port;
};

enum { commands_per_batch = 256 };

/* --- connection.c */

/* Something is to be written, or the connection is over. */
static inline void connection_mark_dirty(struct connection *connection)
{
    if (!list_node_is_linked(&connection->dirty_node))
        list_push_back(&connection->host->dirty, &connection->dirty_node);
}

/* A place for one more command of the session; kind, channel and session are filled in. */
struct command *connection_command(struct connection *connection, enum command_kind kind,
                                   uint16_t channel);
/* The socket is closed at once; a session is told. text NULL: nothing to log. */
void connection_gone(struct connection *connection, enum connection_note note, const char *text);
/* What is unwritten is written, then the stream ends. */
void connection_end(struct connection *connection);
void connection_pause(struct connection *connection, enum read_pause pause);
void connection_resume(struct connection *connection, enum read_pause pause);
void connection_note(const struct connection *connection, enum connection_note note,
                     const char *text);
void connection_send(struct connection *connection, const struct amqp_method *method);
/* Sends connection.close without the core, which knows nothing of the connection. */
void connection_send_close(struct connection *connection, const struct amqp_error *error);
/* The peer broke the protocol: told through the core, where there is a session. */
void connection_fail(struct connection *connection, const struct amqp_error *error);
/* The state of a close that waits for the peer, for as long as RabbitMQ does. */
void connection_await_close(struct connection *connection, enum connection_state state);

/* --- address.c */

void address_describe(struct connection *connection);
/* Likewise, with the addresses that a proxy tells. */
struct sockaddr_storage;
void address_set(struct connection *connection, const struct sockaddr_storage *peer,
                 const struct sockaddr_storage *own);

/* --- proxy.c */

/* Takes the header from the socket, as far as it is there. */
void proxy_read(struct connection *connection);

/* --- channels.c */

struct net_channel *channels_find_slow(struct connection *connection, uint16_t number);
/* NULL where the client has not opened it. */
static inline struct net_channel *channels_find(struct connection *connection, uint16_t number)
{
    struct net_channel *last = connection->last_channel;
    return last != NULL && last->number == number ? last : channels_find_slow(connection, number);
}
/* channel.open goes to the core. */
void channels_open(struct connection *connection, uint16_t number);
/* The core closed it. */
void channels_close(struct connection *connection, uint16_t number);
/* From now on only close(-ok) counts. */
void channels_discard(struct connection *connection, struct net_channel *channel);
void channels_drop_content(struct connection *connection, struct net_channel *channel);
void channels_set_consumer(struct net_channel *channel, uint32_t number, struct bytes tag);
void channels_clear(struct connection *connection);

/* --- handshake.c */

/* Takes what it can from the front of input while the connection is not running. */
size_t handshake_input(struct connection *connection, struct bytes input);
/* Nothing is said; the socket is closed after the delay. */
void handshake_refuse(struct connection *connection, const char *reason);

/* --- input.c */

void input_read(struct connection *connection);
/* The largest payload of a frame that is taken whole. */
size_t input_frame_max(const struct connection *connection);
/* Parses what was kept while something was pending. */
void input_continue(struct connection *connection);

/* --- publish.c */

/* A whole message of the plainest kind at the start of input: the bytes taken, 0 where it is
 * anything else. */
size_t publish_whole(struct connection *connection, struct bytes input);
/* The method of a publish, alone. */
void publish_on_method(struct connection *connection, struct net_channel *channel,
                       struct bytes payload);
/* A frame of a channel while a content is expected, or one that is no method. */
void publish_on_frame(struct connection *connection, struct net_channel *channel,
                      const struct amqp_frame *frame);
/* Begins with a body frame that is not all there: the bytes taken, 0 where it must be waited for.
 */
size_t publish_begin_partial(struct connection *connection, struct bytes input);
/* Goes on with it: the bytes taken. */
size_t publish_continue_partial(struct connection *connection, struct bytes input);
/* Where the body's bytes may be read to directly; a size of 0: nowhere. */
struct iovec publish_partial_space(struct connection *connection);
/* That many were. */
void publish_partial_read(struct connection *connection, size_t bytes);

/* --- heartbeat.c */

/* The time of a new connection begins. */
void heartbeat_accepted(struct connection *connection);
/* The interval was negotiated. */
void heartbeat_start(struct connection *connection);
/* The present state ends at that time at the latest. */
void heartbeat_set_deadline(struct connection *connection, uint64_t deadline_ms);
/* Something may be due at that time. */
void heartbeat_look_at(struct connection *connection, uint64_t due_ms);
/* Something was written: memory that it took may have to be given back. */
void heartbeat_note_output(struct connection *connection);
/* Does what is due. */
void heartbeat_tick(struct connection *connection);

#endif
