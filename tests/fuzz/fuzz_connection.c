/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole server but for its threads and its disk: a connection on a socket pair, the core behind
 * it, and a store that commits at once. The input is what a client sends; the first octet says how:
 * bit 0, behind a login and an open channel or from the protocol header on; bits 1 to 7, how many
 * octets at a time. Whatever that is, the core's counters must be right at every moment, and in the
 * end connection and session are gone.
 */
#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "broker/vhost.h"
#include "fuzz.h"
#include "net/connection.h"

const char fuzz_name[] = "connection";

enum { handle = 7, piece_factor = 9, time_enough_ms = 60000 };

static const uint8_t login[] =
    "AMQP\0\0\x09\1"
    "\1\0\0\0\0\0\x24\0\x0a\0\x0b\0\0\0\0\5PLAIN\0\0\0\x0c\0guest\0guest\5en_US\xce"
    "\1\0\0\0\0\0\x0c\0\x0a\0\x1f\7\xff\0\2\0\0\0\0\xce"
    "\1\0\0\0\0\0\x08\0\x0a\0\x28\1/\0\0\xce"
    "\1\0\1\0\0\0\5\0\x14\0\x0a\0\xce";

static struct net_settings settings = {
    .handshake_timeout_ms = 10000,
    .tls_handshake_timeout_ms = 5000,
    .refusal_delay_ms = 3000,
    .closing_timeout_ms_max = 30000,
    .initial_frame_max = 16384,
    .frame_max = 131072,
    .channel_max = 2047,
    .table_depth_max = 32,
    .header_bytes_max = 131072,
    .message_bytes_max = 100000,
    .output_bytes = 65536,
};

static struct vhost *vhost;
static struct command_batch *batch;
static uint64_t wall_ms;
static bool is_closed;

/* --- the host */

static void append_mechanisms(void *context, struct connection *connection, struct buffer *names)
{
    (void)context, (void)connection;
    buffer_append_bytes(names, bytes_of_text("PLAIN"));
}

static enum login_result on_login(void *context, const struct login_request *request,
                                  struct login_answer *answer)
{
    (void)context;
    if (!bytes_equal_text(request->mechanism, "PLAIN"))
        return LOGIN_MALFORMED;
    buffer_append_bytes(&answer->user, bytes_of_text("guest"));
    return LOGIN_OK;
}

static struct vhost_gate *on_open_vhost(void *context, struct connection *connection,
                                        const char *user, struct bytes name,
                                        struct amqp_error *error)
{
    (void)context, (void)connection, (void)user;
    if (bytes_equal_text(name, "/"))
        return (struct vhost_gate *)(void *)vhost;
    amqp_error_set(error, AMQP_NOT_ALLOWED, "vhost not found");
    return NULL;
}

static struct command_batch *on_gather(void *context, struct vhost_gate *gate)
{
    (void)context, (void)gate;
    if (batch == NULL)
        batch = command_batch_new();
    return batch;
}

static void apply(void)
{
    if (batch == NULL)
        return;
    vhost_apply(vhost, batch, wall_ms);
    command_batch_free(batch);
    batch = NULL;
    vhost_check(vhost);
}

static void on_submit(void *context, struct vhost_gate *gate)
{
    (void)context, (void)gate;
    apply();
}

static void on_closed(void *context, struct connection *connection)
{
    (void)context;
    connection_free(connection);
    is_closed = true;
}

static void on_note(void *context, const struct connection *connection, enum connection_note note,
                    const char *text)
{
    (void)context, (void)connection, (void)note;
    CHECK(text != NULL);
}

/* --- turns of its loop */

static void commit(void)
{
    struct store_batch *done;
    while (vhost_has_batch(vhost) && (done = vhost_take_batch(vhost)) != NULL) {
        uint64_t number = done->number;
        store_batch_free(done);
        vhost_complete(vhost, number, wall_ms);
        vhost_check(vhost);
    }
}

static bool carry_out(struct connection *connection)
{
    struct effect_chain chain = vhost_take_effects(vhost, 0);
    bool has_any = chain.first != NULL;
    for (struct effect_chunk *chunk = chain.first, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        for (size_t i = 0; i < chunk->count; i++)
            connection_on_effect(connection, &chunk->effects[i]);
        effect_chunk_free(chunk);
    }
    return has_any;
}

static void read_all(int peer)
{
    uint8_t bytes[65536];
    while (recv(peer, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

static void turn(struct connection_host *host, struct connection *connection, int peer)
{
    bool is_busy = true;
    event_base_loop(host->base, EVLOOP_NONBLOCK);
    while (is_busy && !is_closed) {
        apply();
        commit();
        is_busy = carry_out(connection);
        is_busy = connection_host_is_dirty(host) || is_busy;
        connection_host_flush(host);
        if (peer >= 0)
            read_all(peer);
    }
}

static void send_all(struct connection_host *host, struct connection *connection, int peer,
                     struct bytes bytes, size_t piece)
{
    while (bytes.size > 0 && !is_closed) {
        size_t size = bytes.size < piece ? bytes.size : piece;
        ssize_t sent = send(peer, bytes.data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        turn(host, connection, peer);
        if (sent < 0 && errno != EAGAIN)
            return;
        size = sent > 0 ? (size_t)sent : 0;
        bytes = bytes_of(bytes.data + size, bytes.size - size);
    }
}

static void end(struct connection_host *host, struct connection *connection, int peer)
{
    close(peer);
    turn(host, connection, -1);
    host->now_ms += time_enough_ms;
    if (!is_closed)
        connection_host_tick(host);
    turn(host, connection, -1);
    CHECK(is_closed);
}

static void log_in(struct connection_host *host, struct connection *connection, int peer)
{
    struct vhost_counters counters;
    send_all(host, connection, peer, bytes_of(login, sizeof login - 1), sizeof login);
    vhost_count(vhost, &counters);
    CHECK(counters.sessions == 1 && counters.channels == 1);
}

static void converse(struct connection_host *host, const uint8_t *data, size_t size)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    is_closed = false;
    struct connection *connection = connection_new(host, fds[0], NULL, handle);
    size_t piece = 1 + (size_t)(data[0] >> 1) * piece_factor;
    if ((data[0] & 1) != 0)
        log_in(host, connection, fds[1]);
    send_all(host, connection, fds[1], bytes_of(data + 1, size - 1), piece);
    end(host, connection, fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vhost_config config;
    struct vhost_counters counters;
    if (size < 1)
        return 0;
    vhost_config_init(&config);
    struct access *access = access_new_open();
    vhost = vhost_new(&config, access);
    struct connection_host host = {
        .settings = &settings,
        .base = event_base_new(),
        .now_ms = 1000,
        .mechanisms = append_mechanisms,
        .login = on_login,
        .open_vhost = on_open_vhost,
        .gather = on_gather,
        .submit = on_submit,
        .closed = on_closed,
        .note = on_note,
    };
    connection_host_init(&host);
    wall_ms = 1;
    converse(&host, data, size);
    vhost_count(vhost, &counters);
    CHECK(counters.sessions == 0 && counters.channels == 0 && counters.consumers == 0);
    connection_host_fini(&host);
    event_base_free(host.base);
    vhost_free(vhost);
    access_free(access);
    return 0;
}
