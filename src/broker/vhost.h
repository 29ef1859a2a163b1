/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_VHOST_H
#define LEVERET_BROKER_VHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "broker/access.h"
#include "broker/command.h"
#include "broker/effect.h"
#include "broker/policy.h"
#include "queue/message_counters.h"
#include "queue/message_sizes.h"
#include "queue/queue_settings.h"
#include "queue/store_batch.h"

/*
 * The core: one virtual host, with its exchanges, queues, bindings and the sessions of the
 * connections that use it. A deterministic library: no system call, no clock, no randomness, no
 * thread. One thread at a time calls it (the runtime's gate sees to that), always in the same way:
 *
 *     vhost_apply / vhost_complete / vhost_read_done ...   any number of inputs
 *     vhost_take_effects(reactor)                          for every reactor
 *     vhost_take_batch / vhost_take_reads                  for the store
 */
struct vhost;
struct session;

/* When a message interceptor writes its header. */
enum stamp { STAMP_NEVER, STAMP_WHERE_MISSING, STAMP_ALWAYS };

/* What all vhosts of a server have together. */
struct vhost_totals {
    _Atomic uint64_t queues, exchanges;
};

/* What a user has in all vhosts of a server. */
struct user_totals {
    _Atomic uint64_t connections, channels;
};

/* Limits have RabbitMQ's name and default where it has one. */
struct vhost_config {
    const char *name;             /* copied */
    const char *node_name;        /* borrowed: what the firehose says of the server */
    uint64_t started_s;           /* when the server was started */
    _Atomic bool *event_interest; /* borrowed: somebody is bound to amq.rabbitmq.event, in whichever
                                     vhost that is; NULL: there are no events */
    bool has_event_exchange;      /* it is in this one */
    _Atomic bool *log_interest;   /* borrowed; likewise for amq.rabbitmq.log */
    bool has_log_exchange;
    struct vhost_totals *totals;  /* borrowed; NULL: there is no other vhost */
    uint64_t hash_seed;           /* random in the server, fixed in tests */
    uint64_t name_seed;           /* for generated names; random in the server */
    size_t reactor_count;         /* effects go to reactors 0 .. reactor_count - 1 */
    size_t message_bytes_max;     /* max_message_size */
    size_t window_bytes_max;      /* memory for messages that are also in the store */
    size_t lane_bytes_max;        /* of that, at most this much for one lane */
    size_t transient_bytes_max;   /* memory for ready messages that are not in the store; above it
                                     they are spilled */
    size_t unstored_bytes_max;    /* publishers pause above this many bytes on their way to disk */
    size_t deferred_bytes_max;    /* a connection pauses above this many bytes behind a waiting
                                     channel */
    uint64_t consumer_timeout_ms; /* UINT64_MAX = none */
    uint32_t consumers_max;       /* consumer_max_per_channel; 0 = no limit */
    enum queue_type default_queue_type; /* of declarations that name none */
    bool quorum_relaxed_redeclaration;  /* a quorum queue may be redeclared as a classic one */
    enum stamp stamps_time;             /* message interceptors: when a message came, */
    enum stamp stamps_node;             /* and that node_name took it */
    size_t reads_max;                   /* lanes whose turn to be read it is at a time; > 0 */
    size_t settle_slice;  /* deliveries that are settled at once, about, before others have their
                             turn; > 0 */
    uint32_t mark_stride; /* after a crash, at most so many messages of a queue are redelivered
                             that never were delivered; > 1 */
};

/* Fills config with the defaults, for 1 reactor and vhost "/". */
void vhost_config_init(struct vhost_config *config);

/* A vhost with nothing but its predeclared exchanges. access is borrowed until replaced. */
struct vhost *vhost_new(const struct vhost_config *config, const struct access *access);
void vhost_free(struct vhost *vhost);
const char *vhost_name(const struct vhost *vhost);

/* What the store found (borrowed), before the first command. Emits no store operation. */
void vhost_restore(struct vhost *vhost, const struct store_opened *opened);

/* The users and permissions changed: every later check uses the new ones. */
void vhost_set_access(struct vhost *vhost, const struct access *access);

/* The type of queues whose declaration names none, from now on. */
void vhost_set_default_queue_type(struct vhost *vhost, enum queue_type type);

/* What a vhost may hold, for what comes from now on; UINT64_MAX: no limit. */
struct vhost_limits {
    uint64_t queues_max;            /* max-queues of the vhost */
    uint64_t connections_max;       /* max-connections of the vhost */
    uint64_t cluster_queues_max;    /* cluster_queue_limit, over all vhosts */
    uint64_t cluster_exchanges_max; /* cluster_exchange_limit; those always there count, too */
};
void vhost_set_limits(struct vhost *vhost, const struct vhost_limits *limits);

/* How much memory ready messages may take that are not in the store, from now on, in bytes. */
void vhost_set_transient_bytes_max(struct vhost *vhost, size_t bytes);

/* The vhost is deleted: what it has is no part of the totals any more. */
void vhost_leave_totals(struct vhost *vhost);

/* The policies changed (NULL: there are none). The vhost owns them from here on; the former ones
 * are freed. */
void vhost_set_policies(struct vhost *vhost, struct policies *policies);
/* What follows from them begins with the next input, or with this: a client that comes later finds
 * it done, where it is not very much. */
void vhost_obey_policies(struct vhost *vhost, uint64_t now_ms);

/* Whether the firehose is on (rabbitmqctl trace_on). */
void vhost_set_tracing(struct vhost *vhost, bool is_tracing);

/* Facts about a connection that its session needs. */
struct session_config {
    size_t reactor;          /* which reactor owns the connection */
    uint64_t connection;     /* its handle there */
    const char *user;        /* copied */
    const char *name;        /* of the connection, for people: copied; NULL: "" */
    uint64_t number;         /* of the connection, over all of the server's */
    uint16_t channel_max;    /* negotiated */
    uint64_t output_bytes;   /* output credit: deliveries on their way to the socket, at most */
    bool has_cancel_notify;  /* the client announced consumer_cancel_notify */
    bool has_blocked_notify; /* the client announced connection.blocked */
    bool can_impersonate;    /* tag impersonator: may set any user_id */
    bool is_uncounted;       /* nobody's connection: no limit counts it, and no event tells of it */
    struct user_totals *user_totals; /* borrowed; NULL: the user has no limits */
    struct message *opened; /* the event that tells of it; the session takes the reference; NULL:
                               nobody wants to know */
    bool asks_access;       /* permissions are asked for with EFFECT_ACCESS_QUESTION, and the
                               snapshot counts for nothing */
    bool ignores_drain;     /* basic.get gets messages although the server is drained */
    bool ignores_owners;    /* queues that are exclusive to others are open to it: an operator */
};

/* The core's side of a connection, to be named in commands, the first of which is
 * COMMAND_SESSION_OPEN. It is freed by the core before its SESSION_CLOSED effect is emitted. */
struct session *session_new(const struct session_config *config);

/* Applies a batch at a time (wall-clock ms). Every command is consumed; the batch is the caller's.
 */
void vhost_apply(struct vhost *vhost, struct command_batch *batch, uint64_t now_ms);

/* Everything up to and including this batch is on disk. */
void vhost_complete(struct vhost *vhost, uint64_t batch_number, uint64_t now_ms);

/* The answer to a read; rows that are wanted are taken out of it, the rest is the caller's. */
void vhost_read_done(struct vhost *vhost, struct store_read_result *result, uint64_t now_ms);

/* What others have for the exchanges of this vhost, such as events of other vhosts: published in
 * this order by the broker itself. The references pass. */
void vhost_publish(struct vhost *vhost, struct message **messages, size_t count, uint64_t now_ms);

/* The alarms in effect (RabbitMQ's words: "low on memory", "low on disk"); changes block or
 * unblock connections that publish.
 * VHOST_ALARM_DRAINING is none of the resources: the server is being taken out of service. What
 * queues have that outlive their connections is handed out to nobody, and connections that hold
 * deliveries may publish: what comes of these. */
enum vhost_alarm { VHOST_ALARM_MEMORY = 1, VHOST_ALARM_DISK = 2, VHOST_ALARM_DRAINING = 4 };
void vhost_set_alarms(struct vhost *vhost, unsigned alarms, uint64_t now_ms);

/* Sends connection.close with this code and text to every session of the user; NULL: to all, and to
 * those that are on their way. */
void vhost_end_sessions(struct vhost *vhost, const char *user, const struct amqp_error *reason,
                        uint64_t now_ms);

/* The same for connections that an operator closes. */
struct session_choice {
    struct bytes name; /* of the connection; no data: by the user alone */
    const char *user;  /* whose they have to be; NULL: anybody's */
    size_t ended;      /* out: how many there were */
    size_t refused;    /* out: how many of that name are of another user */
};
void vhost_end_chosen(struct vhost *vhost, struct session_choice *choice,
                      const struct amqp_error *reason, uint64_t now_ms);

/* A clean stop: sends connection.close to every session with this code and text, and notes exactly
 * what was delivered. The final batch is then there to take. */
void vhost_stop(struct vhost *vhost, const struct amqp_error *reason, uint64_t now_ms);

/* The effects for a reactor since the last call; empty (first == NULL) where there are none. */
struct effect_chain vhost_take_effects(struct vhost *vhost, size_t reactor);

/* Tells of the whole vhost that it comes (its exchanges), or is about to go (with all that is in
 * it), as events by the command line. What goes has no say any more in whether events and lines of
 * the log are wanted: another vhost of its name may come while its sessions still end. */
void vhost_announce(struct vhost *vhost, bool is_created, uint64_t now_ms);

/* The events since the last call, for the vhost that has amq.rabbitmq.event: the caller frees the
 * array and owns the references. */
size_t vhost_take_events(struct vhost *vhost, struct message ***events);

/* The operations gathered so far as the next batch, or NULL when there are none. Numbers rise by
 * one for every batch that was taken. */
struct store_batch *vhost_take_batch(struct vhost *vhost);
/* Is there a batch to take? */
bool vhost_has_batch(const struct vhost *vhost);
/* Was at least a quarter of what it was to write consumed already? More of it is likely to follow.
 */
bool vhost_batch_shrinks(const struct vhost *vhost);

/* The reads asked for since the last call: the caller frees the array. */
size_t vhost_take_reads(struct vhost *vhost, struct store_read **reads);

/* When vhost_apply must be called at the latest, even with an empty batch (wall-clock ms);
 * UINT64_MAX when nothing is due, 0 when it is due at once: long work goes in slices. */
uint64_t vhost_deadline(const struct vhost *vhost);

/* What becomes of what a queue gives up: nothing, as it has no dead letter exchange, or a letter.
 */
enum letter_strategy {
    LETTER_DISABLED,
    LETTER_AT_MOST_ONCE,
    LETTER_AT_LEAST_ONCE,
    LETTER_STRATEGIES,
};

/* Counters since the start, and sizes now; for metrics and tests. */
struct vhost_counters {
    uint64_t published, routed, unroutable_dropped, unroutable_returned, confirmed, rejected;
    uint64_t published_to_confirm; /* of published: on channels with confirms, */
    uint64_t kept;                 /* and what an exchange keeps for later */
    struct message_sizes sizes;    /* of what publishers sent; see channel_publish */
    uint64_t delivered, got, got_empty, redelivered, acked, requeued, discarded;
    uint64_t delivered_no_ack, got_no_ack;           /* of delivered and got: to who does not ack */
    uint64_t disk_reads, disk_writes;                /* messages of queues */
    uint64_t dead_lettered[2][LETTER_STRATEGIES][4]; /* of classic queues (0) and quorum queues, by
                                                        enum letter_strategy and death_reason */
    uint64_t letters_confirmed;           /* at least once: all their queues have taken them */
    struct delivery_counters from_quorum; /* of those below: by quorum queues */
    uint64_t connections_opened, connections_closed, channels_opened, channels_closed;
    uint64_t queues_declared, queues_created, queues_deleted;
    uint64_t sessions, channels, consumers, queues, exchanges, bindings;
    uint64_t publishers;                   /* channels that have published */
    uint64_t ready, unacked;               /* messages */
    uint64_t ready_bytes, unacked_bytes;   /* sums of body sizes */
    uint64_t persistent, persistent_bytes; /* of both: what a restart leaves */
    uint64_t window_bytes, unstored_bytes; /* memory: of messages that are in the store, too, and
                                              of those on their way to it, */
    uint64_t transient_bytes;              /* and of ready ones that are in memory alone */
    uint64_t session_bytes;                /* memory of sessions, channels, consumers */
    uint64_t value_bytes;                  /* memory of queues that deduplicate */
};
void vhost_count(const struct vhost *vhost, struct vhost_counters *counters);
/* The same but for the messages and the memory of sessions, which are 0: those take time for every
 * queue and session. */
void vhost_count_quickly(const struct vhost *vhost, struct vhost_counters *counters);

/* What tests and listings see of a queue. false where there is none of that name. */
struct queue_status {
    struct bytes name; /* borrowed */
    uint64_t ready, unacked, consumers;
    uint64_t ready_bytes; /* sum of body sizes */
    bool is_durable, is_auto_delete, is_exclusive;
    struct bytes arguments;
    const struct policy *policy, *operator_policy; /* NULL: none; of a copy references */
    const char *type;
    struct queue_counters counters;
    uint64_t unacked_bytes;
    uint64_t persistent, persistent_bytes; /* of both: what a restart leaves */
    uint64_t ram, ram_bytes;               /* of the ready ones: those that are in memory */
    uint64_t memory_bytes;                 /* of the queue, with the messages in it */
    uint64_t head_timestamp_s;             /* of the first message, where that has one, or 0 */
    double taker_share;         /* 0 to 1: of the last samplings and now, how often a consumer
                                   could take a message */
    uint64_t idle_since_ms;     /* the time of the sampling that saw the last change; 0: it
                                   has changed since the last one */
    struct bytes exclusive_tag; /* of the consumer that allows no other, or no data; */
    struct bytes single_tag;    /* of the single active one */
    struct bytes owner;         /* of an exclusive queue: the name of its connection */
    uint64_t owner_number;      /* and its number */
};
bool vhost_queue_status(const struct vhost *vhost, struct bytes name, struct queue_status *status);

/* A ready message, the first at index 0; see peek.c. What was found is a reference, and the
 * caller's. */
enum vhost_peek {
    VHOST_PEEK_FOUND,
    VHOST_PEEK_NO_QUEUE,
    VHOST_PEEK_NO_MESSAGE,
    VHOST_PEEK_IN_STORE, /* alone, and would have to be read */
};
struct vhost_peeked {
    struct message *message;
    unsigned failures; /* that a quorum queue has counted */
};
enum vhost_peek vhost_peek(const struct vhost *vhost, struct bytes queue, uint64_t index,
                           struct vhost_peeked *peeked);

bool vhost_has_exchange(const struct vhost *vhost, struct bytes name);

void vhost_list_queues(const struct vhost *vhost,
                       void (*visit)(void *context, const struct queue_status *status),
                       void *context);

/* --- listing, a slice at a time: see inspect.c. What is visited is borrowed for the visit. */

struct exchange_status {
    struct bytes name, type, arguments;
    struct bytes user; /* who declared it; empty: a former version, which kept it not */
    bool is_durable, is_auto_delete, is_internal, is_predeclared;
    struct bytes policy; /* no data: none */
    struct exchange_counters counters;
    uint64_t bindings; /* that lead away from it */
};

bool vhost_exchange_status(const struct vhost *vhost, struct bytes name,
                           struct exchange_status *status);

struct binding_status {
    struct bytes source, destination, key, arguments;
    bool to_queue;
    bool to_exclusive; /* a queue that belongs to a connection */
};

/* That of the default exchange to a queue, which is nowhere kept: every queue has one. Its texts
 * are the queue's. */
struct binding_status binding_status_of_default(const struct queue_status *queue);

/* A connection, as far as a vhost knows it. */
struct session_status {
    struct bytes user, name;
    uint64_t number; /* of the connection, over all of the server's */
    uint64_t channels;
    bool is_blocked;  /* it publishes while an alarm is on, */
    bool is_blocking; /* or will be blocked when it does */
    bool is_slowed;   /* it waits for the store */
};

struct channel_status {
    struct bytes user, connection_name;
    uint64_t connection_number;
    uint64_t serial; /* the how manyth of its connection */
    uint16_t number;
    bool has_confirms, has_transactions, is_slowed;
    uint64_t consumers, unacked, unconfirmed, uncommitted, acks_uncommitted;
    uint64_t prefetch_count, prefetch_global; /* 0: no limit */
    struct channel_counters counters;
    uint64_t idle_since_ms; /* as of a queue */
};

struct consumer_status {
    struct bytes tag, queue, user, connection_name;
    uint64_t connection_number, channel_serial;
    uint16_t channel, prefetch_count;
    int32_t priority;
    bool is_ack_required, is_exclusive, is_active;
    const char *activity; /* up, single_active, waiting */
};

struct vhost_visitor {
    void (*queue)(void *context, const struct queue_status *status);
    void (*exchange)(void *context, const struct exchange_status *status);
    void (*binding)(void *context, const struct binding_status *status);
    void (*session)(void *context, const struct session_status *status);
    void (*channel)(void *context, const struct channel_status *status);
    void (*consumer)(void *context, const struct consumer_status *status);
    void *context;
};

/* Where a listing stands; all zero at its beginning. */
struct vhost_listing {
    uint64_t cursor;
    size_t visited; /* so far */
    bool is_done;
};

/* Visits about count_max more of one kind: the one whose visitor is not NULL. What comes or goes
 * while a listing is under way may be missed; what stays is visited, once. */
void vhost_list(const struct vhost *vhost, struct vhost_listing *listing,
                const struct vhost_visitor *visitor, size_t count_max);
/* The consumers of a queue, of very many the first. */
void vhost_list_consumers(const struct vhost *vhost, struct bytes queue,
                          const struct vhost_visitor *visitor, size_t count_max);

/* --- sampling, a slice at a time: see sampling.c. What is visited is borrowed for the visit. */

struct queue_sample {
    struct bytes name;
    const struct queue_counters *counters;
    uint64_t ready, unacked;
    bool is_new; /* in no sampling before */
};

struct exchange_sample {
    struct bytes name;
    const struct exchange_counters *counters;
    bool is_new;
};

struct channel_sample {
    uint64_t connection_number, serial;
    const struct channel_counters *counters;
    bool is_new;
};

/* What queues hold, all together. */
struct queue_sums {
    uint64_t ready, unacked;
    uint64_t ready_bytes, unacked_bytes;
    uint64_t persistent, persistent_bytes; /* of both: what a restart leaves */
    struct delivery_counters from_quorum;
};

struct vhost_sampler {
    void (*queue)(void *context, const struct queue_sample *sample);
    void (*exchange)(void *context, const struct exchange_sample *sample);
    void (*channel)(void *context, const struct channel_sample *sample);
    void *context;
};

/* Where a sampling stands; all zero at its beginning. */
struct vhost_sampling {
    uint64_t cursor;
    unsigned kind;          /* of object that is looked at now */
    struct queue_sums sums; /* of the queues so far */
    bool is_done;
};

/* Looks at about count_max more queues, exchanges and channels, and visits those that have changed
 * since the last sampling: there is one who samples. */
void vhost_sample(struct vhost *vhost, struct vhost_sampling *sampling,
                  const struct vhost_sampler *sampler, uint64_t now_ms, size_t count_max);

/* What a queue looks like, at little cost. */
struct queue_view {
    struct bytes name;
    struct queue_counters counters;
    uint64_t ready, unacked, ready_bytes, unacked_bytes, consumers;
    uint64_t persistent, persistent_bytes; /* as in struct queue_status */
    uint64_t ram, ram_bytes;               /* of the ready ones: those in memory, */
    uint64_t paged_out, paged_out_bytes;   /* and those on disk alone */
    uint64_t memory_bytes;
    double taker_share; /* as in struct queue_status */
};

/* Visits about count_max more queues; false, and *cursor 0 again, when those were the last. */
bool vhost_view_queues(const struct vhost *vhost, uint64_t *cursor,
                       void (*visit)(void *context, const struct queue_view *view), void *context,
                       size_t count_max);

/* Recounts everything and aborts where a counter differs from what is really there. For tests. */
void vhost_check(const struct vhost *vhost);

#endif
