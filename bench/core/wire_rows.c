/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the wire: from the bytes of a socket to commands, and from effects to the bytes of a
 * socket. In: the event loop's turn, the frames, making the messages and freeing them; of a system
 * call what is done on this side of it, which is nearly nothing. The socket is one of a pair.
 *
 * A vhost stands behind the connection until it has its session, channel and consumer; what is
 * measured stops in front of it, or begins behind it.
 */
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "amqp/frame.h"
#include "base/check.h"
#include "broker/vhost.h"
#include "net/connection.h"
#include "queue/message_cache.h"
#include "rows.h"

enum { body_bytes = 16, wall_ms = 1000 };

static const uint8_t login[] =
    "AMQP\0\0\x09\1"
    "\1\0\0\0\0\0\x24\0\x0a\0\x0b\0\0\0\0\5PLAIN\0\0\0\x0c\0guest\0guest\5en_US\xce"
    "\1\0\0\0\0\0\x0c\0\x0a\0\x1f\7\xff\0\2\0\0\0\0\xce"
    "\1\0\0\0\0\0\x08\0\x0a\0\x28\1/\0\0\xce";

static struct net_settings settings = {
    .handshake_timeout_ms = 10000,
    .initial_frame_max = 16384,
    .frame_max = 131072,
    .channel_max = 2047,
    .table_depth_max = 32,
    .header_bytes_max = 131072,
    .message_bytes_max = 100000,
    .output_bytes = UINT32_MAX,
};

/* A connection with channel 1 and the consumer "consumer" of the queue "q". */
struct wire {
    struct connection_host host;
    struct connection *connection;
    struct access *access;
    struct vhost *vhost;
    struct command_batch *batch; /* what the connection has made; NULL: nothing */
    struct message_cache messages;
    int peer;
    uint32_t consumer;
};

/* --- the host */

static void append_mechanisms(void *context, struct connection *connection, struct buffer *names)
{
    (void)context, (void)connection;
    buffer_append_bytes(names, bytes_of_text("PLAIN"));
}

static enum login_result on_login(void *context, const struct login_request *request,
                                  struct login_answer *answer)
{
    (void)context, (void)request;
    buffer_append_bytes(&answer->user, bytes_of_text("guest"));
    return LOGIN_OK;
}

static struct vhost_gate *on_open_vhost(void *context, struct connection *connection,
                                        const char *user, struct bytes name,
                                        struct amqp_error *error)
{
    struct wire *wire = context;
    (void)connection, (void)user, (void)name, (void)error;
    return (struct vhost_gate *)(void *)wire->vhost;
}

static struct command_batch *on_gather(void *context, struct vhost_gate *gate)
{
    struct wire *wire = context;
    (void)gate;
    if (wire->batch == NULL)
        wire->batch = command_batch_new();
    return wire->batch;
}

static void apply(struct wire *wire)
{
    if (wire->batch == NULL)
        return;
    vhost_apply(wire->vhost, wire->batch, wall_ms);
    command_batch_free(wire->batch);
    wire->batch = NULL;
}

static void on_submit(void *context, struct vhost_gate *gate)
{
    (void)gate;
    apply(context);
}

static void on_closed(void *context, struct connection *connection)
{
    struct wire *wire = context;
    connection_free(connection);
    wire->connection = NULL;
}

static void on_note(void *context, const struct connection *connection, enum connection_note note,
                    const char *text)
{
    (void)context, (void)connection, (void)note, (void)text;
}

/* --- turns that are not measured */

static void read_all(int socket)
{
    uint8_t bytes[65536];
    while (recv(socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

static void carry_out(struct wire *wire)
{
    struct effect_chain chain = vhost_take_effects(wire->vhost, 0);
    for (struct effect_chunk *chunk = chain.first, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        for (size_t i = 0; i < chunk->count; i++) {
            if (chunk->effects[i].kind == EFFECT_CONSUMER_ADD)
                wire->consumer = chunk->effects[i].consumer;
            connection_on_effect(wire->connection, &chunk->effects[i]);
        }
        effect_chunk_free(chunk);
    }
}

static void turn(struct wire *wire)
{
    event_base_loop(wire->host.base, EVLOOP_NONBLOCK);
    apply(wire);
    carry_out(wire);
    connection_host_flush(&wire->host);
    apply(wire);
    if (wire->connection != NULL)
        carry_out(wire);
    connection_host_flush(&wire->host);
    read_all(wire->peer);
}

static void send_bytes(struct wire *wire, struct bytes bytes)
{
    CHECK(send(wire->peer, bytes.data, bytes.size, MSG_NOSIGNAL) == (ssize_t)bytes.size);
}

static void send_method(struct wire *wire, const struct amqp_method *method)
{
    struct buffer frame = {0};
    amqp_frame_write_method(&frame, 1, method);
    send_bytes(wire, buffer_bytes(&frame));
    buffer_fini(&frame);
    turn(wire);
}

static void init(struct wire *wire)
{
    struct vhost_config config;
    struct bytes queue = bytes_of_text("q"), tag = bytes_of_text("consumer");
    int sockets[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets) == 0);
    vhost_config_init(&config);
    *wire = (struct wire){.access = access_new_open(), .peer = sockets[1]};
    wire->messages.bytes_max = message_cache_bytes;
    message_cache_use(&wire->messages);
    wire->vhost = vhost_new(&config, wire->access);
    wire->host = (struct connection_host){
        .settings = &settings,
        .base = event_base_new(),
        .now_ms = 1000,
        .context = wire,
        .mechanisms = append_mechanisms,
        .login = on_login,
        .open_vhost = on_open_vhost,
        .gather = on_gather,
        .submit = on_submit,
        .closed = on_closed,
        .note = on_note,
    };
    connection_host_init(&wire->host);
    wire->connection = connection_new(&wire->host, sockets[0], NULL, 1);
    send_bytes(wire, bytes_of(login, sizeof login - 1));
    for (int i = 0; i < 4; i++)
        turn(wire);
    send_method(wire, &(struct amqp_method){.id = AMQP_CHANNEL_OPEN});
    send_method(wire,
                &(struct amqp_method){.id = AMQP_QUEUE_DECLARE, .queue_declare = {.queue = queue}});
    send_method(wire, &(struct amqp_method){
                          .id = AMQP_BASIC_CONSUME,
                          .basic_consume = {.queue = queue, .consumer_tag = tag, .no_ack = true}});
    struct queue_status status;
    CHECK(vhost_queue_status(wire->vhost, queue, &status) && status.consumers == 1);
}

static void fini(struct wire *wire)
{
    close(wire->peer);
    for (int i = 0; i < 4 && wire->connection != NULL; i++)
        turn(wire);
    CHECK(wire->connection == NULL);
    connection_host_fini(&wire->host);
    event_base_free(wire->host.base);
    vhost_free(wire->vhost);
    access_free(wire->access);
    message_cache_use(NULL);
    message_cache_fini(&wire->messages);
}

/* --- what is measured */

/* A turn of the loop in which the socket has something. */
void measured_input(struct wire *wire);
__attribute__((noinline)) void measured_input(struct wire *wire)
{
    event_base_loop(wire->host.base, EVLOOP_NONBLOCK);
}

/* The end of a turn: effects are carried out, and what they wrote leaves. */
void measured_output(struct wire *wire, struct effect_chunk *chunk);
__attribute__((noinline)) void measured_output(struct wire *wire, struct effect_chunk *chunk)
{
    for (; chunk != NULL; chunk = chunk->next)
        for (size_t i = 0; i < chunk->count; i++)
            connection_on_effect(wire->connection, &chunk->effects[i]);
    connection_host_flush(&wire->host);
}

static void encode_publishes(struct buffer *buffer)
{
    static const uint8_t body[body_bytes];
    struct amqp_method publish = {.id = AMQP_BASIC_PUBLISH,
                                  .basic_publish = {.routing_key = bytes_of_text("q")}};
    for (int i = 0; i < round_messages; i++) {
        amqp_frame_write_method(buffer, 1, &publish);
        amqp_frame_write_header(buffer, 1, sizeof body, bytes_of(NULL, 0));
        amqp_frame_write_body(buffer, 1, bytes_of(body, sizeof body), 0);
    }
}

/* Publishes of 16 bytes become commands, each with its message. */
static size_t receive(void)
{
    struct wire wire;
    struct buffer publishes = {0};
    init(&wire);
    encode_publishes(&publishes);
    for (int i = 0; i < row_rounds; i++) {
        send_bytes(&wire, buffer_bytes(&publishes));
        measured_input(&wire);
        CHECK(wire.batch != NULL && wire.batch->count == round_messages);
        CHECK(wire.batch->commands[0].kind == COMMAND_PUBLISH);
        command_batch_free(wire.batch);
        wire.batch = NULL;
    }
    buffer_fini(&publishes);
    fini(&wire);
    return row_rounds * round_messages;
}

static void make_deliveries(struct wire *wire, struct effect_chain *chain, uint64_t *tag)
{
    static const uint8_t body[body_bytes];
    for (int i = 0; i < round_messages; i++) {
        struct message *message = message_new(bytes_of_text(""), bytes_of_text("q"),
                                              bytes_of("\0\0", 2), bytes_of(body, sizeof body));
        *effect_chain_add(chain) = (struct effect){.kind = EFFECT_DELIVER,
                                                   .channel = 1,
                                                   .consumer = wire->consumer,
                                                   .connection = 1,
                                                   .tag = ++*tag,
                                                   .message = message};
    }
}

/* Deliveries of 16 bytes become frames; the last reference to each message goes. */
static size_t transmit(void)
{
    struct wire wire;
    struct effect_chain chain = {0};
    uint64_t tag = 0;
    init(&wire);
    for (int i = 0; i < row_rounds; i++) {
        make_deliveries(&wire, &chain, &tag);
        measured_output(&wire, chain.first);
        effect_chain_clear(&chain);
        uint8_t byte;
        CHECK(recv(wire.peer, &byte, 1, MSG_DONTWAIT) == 1);
        read_all(wire.peer);
    }
    fini(&wire);
    return row_rounds * round_messages;
}

const struct row wire_rows[] = {
    {"receive", receive},
    {"transmit", transmit},
    {NULL, NULL},
};
