/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's life. It owns its two libevent events: one for input, there from the start and
 * taken out only while reading is paused, one for output, added only while the socket is full.
 * What is written gathers during a turn of the loop; connection_host_flush then writes every
 * connection that has something, once.
 *
 * There are two ways to end. connection_gone closes the socket where it stands: the peer is gone,
 * or has had its time. connection_end first writes what is left and then ends our half, so that a
 * peer reads our last words instead of a reset. Neither frees anything: nobody up the stack needs
 * to ask whether the connection still exists. A connection without a session is over at once, one
 * with a session when the core has said SESSION_CLOSED, and whatever is over is reported by
 * connection_host_flush alone, from the top of the loop.
 *
 * Invariant: between the COMMAND_SESSION_OPEN and the COMMAND_SESSION_CLOSE of a session every
 * error goes through the core, so that it comes behind the answers to what was sent before it.
 */
#include "net/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "net/net_internal.h"

enum {
    input_bytes = 256 * 1024,
    input_share_min = 64 * 1024,
    ending_timeout_ms = 2000,
    looks_per_turn = 256
};

/* --- events */

/* What TLS has read ahead, no event of the socket tells of. event_active() would have it read in
 * this turn still, and as long as there is always more the turn would not end: nobody else would be
 * read or written to. A timeout comes with the next turn; it takes the event out, see
 * on_readable(). */
static void read_next_turn(struct connection *connection)
{
    event_add(&connection->read_event, &(struct timeval){0});
}

static void update_read_event(struct connection *connection)
{
    if (connection->state == STATE_GONE)
        return;
    if (connection->read_pauses != 0) {
        event_del(&connection->read_event);
        return;
    }
    event_add(&connection->read_event, NULL);
    if (stream_has_input(&connection->stream))
        read_next_turn(connection);
}

void connection_pause(struct connection *connection, enum read_pause pause)
{
    bool was_reading = connection->read_pauses == 0;
    connection->read_pauses |= (uint8_t)pause;
    if (pause == PAUSE_PENDING)
        heartbeat_look_at(connection, connection->host->now_ms);
    if (was_reading)
        update_read_event(connection);
}

void connection_resume(struct connection *connection, enum read_pause pause)
{
    bool was_reading = connection->read_pauses == 0;
    connection->read_pauses &= (uint8_t)~pause;
    if (!was_reading && connection->read_pauses == 0)
        update_read_event(connection);
}

static void await_write(struct connection *connection)
{
    if (connection->is_waiting_to_write)
        return;
    connection->is_waiting_to_write = true;
    event_add(&connection->write_event, NULL);
}

/* --- ending */

void connection_note(const struct connection *connection, enum connection_note note,
                     const char *text)
{
    connection->host->note(connection->host->context, connection, note, text);
}

static void close_session(struct connection *connection)
{
    struct command *command = connection_command(connection, COMMAND_SESSION_CLOSE, 0);
    command->tag = 0;
}

void connection_gone(struct connection *connection, enum connection_note note, const char *text)
{
    if (connection->state == STATE_GONE)
        return;
    if (text != NULL)
        connection_note(connection, note, text);
    if (connection->session != NULL)
        close_session(connection);
    else
        connection->is_over = true;
    event_del(&connection->read_event);
    event_del(&connection->write_event);
    stream_close(&connection->stream);
    output_fini(&connection->output);
    channels_clear(connection);
    buffer_fini(&connection->rest);
    heap_remove(&connection->host->looks, &connection->look);
    connection->state = STATE_GONE;
    connection->deadline_ms = UINT64_MAX;
    connection_mark_dirty(connection);
}

void connection_end(struct connection *connection)
{
    if (connection->state == STATE_GONE || connection->state == STATE_ENDING)
        return;
    connection->state = STATE_ENDING;
    heartbeat_set_deadline(connection, connection->host->now_ms + ending_timeout_ms);
    connection_mark_dirty(connection);
}

void connection_await_close(struct connection *connection, enum connection_state state)
{
    uint64_t timeout_ms_max = connection->host->settings->closing_timeout_ms_max;
    uint64_t timeout_ms = connection->heartbeat_s * UINT64_C(1000);
    if (timeout_ms == 0 || timeout_ms > timeout_ms_max)
        timeout_ms = timeout_ms_max;
    connection->state = (uint8_t)state;
    heartbeat_set_deadline(connection, connection->host->now_ms + timeout_ms);
}

void connection_send(struct connection *connection, const struct amqp_method *method)
{
    size_t before = connection->output.data.size;
    amqp_frame_write_method(&connection->output.data, 0, method);
    output_appended(&connection->output, before);
    connection_mark_dirty(connection);
}

void connection_send_close(struct connection *connection, const struct amqp_error *error)
{
    struct amqp_method close = amqp_method_connection_close(error);
    connection_send(connection, &close);
}

void connection_fail(struct connection *connection, const struct amqp_error *error)
{
    connection_note(connection, CONNECTION_NOTE_ERROR, error->text);
    if (connection->session == NULL) {
        connection_send_close(connection, error);
    } else {
        struct command *command = connection_command(connection, COMMAND_CONNECTION_ERROR, 0);
        command->error = xmemdup(error, sizeof *error);
    }
    connection_await_close(connection, STATE_CLOSING);
}

void connection_shut(struct connection *connection, const struct amqp_error *error)
{
    if (connection->state == STATE_RUNNING)
        connection_fail(connection, error);
    else if (connection->state == STATE_CLOSED)
        connection_end(connection);
    else if (connection->session == NULL)
        connection_gone(connection, CONNECTION_NOTE_INFO, error->text);
}

/* --- commands */

static struct command_batch *gather(struct connection *connection)
{
    struct connection_host *host = connection->host;
    struct command_batch *batch = host->gather(host->context, connection->gate);
    if (batch->count < commands_per_batch)
        return batch;
    host->submit(host->context, connection->gate);
    return host->gather(host->context, connection->gate);
}

struct command *connection_command(struct connection *connection, enum command_kind kind,
                                   uint16_t channel)
{
    struct command_batch *batch = gather(connection);
    struct command *command = batch->count < batch->capacity ? &batch->commands[batch->count++]
                                                             : command_batch_add(batch);
    *command =
        (struct command){.kind = (uint8_t)kind, .channel = channel, .session = connection->session};
    return command;
}

/* --- writing */

/* Credit goes back in large pieces. Nothing is lost by that: a session without credit has all of it
 * in what is unwritten or not yet returned. */
static void return_credit(struct connection *connection)
{
    struct output *output = &connection->output;
    if (connection->session == NULL ||
        output->cost_written < connection->host->settings->output_bytes / 4)
        return;
    connection_command(connection, COMMAND_CREDIT, 0)->tag = output->cost_written;
    output->cost_written = 0;
}

static void limit_output(struct connection *connection)
{
    uint64_t output_bytes = connection->host->settings->output_bytes;
    uint64_t unwritten = output_unwritten(&connection->output);
    if (unwritten > 4 * output_bytes)
        connection_pause(connection, PAUSE_OUTPUT);
    else if (unwritten <= output_bytes)
        connection_resume(connection, PAUSE_OUTPUT);
}

/* A client that published and vanished without reading our confirms: writing fails first, but what
 * it sent is still there to read, and counts. Reading ends by itself. */
static void on_broken_output(struct connection *connection)
{
    bool is_reset = errno == EPIPE || errno == ECONNRESET;
    if (connection->state != STATE_RUNNING || connection->is_tls || !is_reset) {
        connection_gone(connection, CONNECTION_NOTE_WARNING, stream_failure(&connection->stream));
        return;
    }
    connection->is_mute = true;
    output_fini(&connection->output);
    connection_resume(connection, PAUSE_OUTPUT);
}

static void flush(struct connection *connection)
{
    if (connection->is_mute) {
        output_fini(&connection->output);
        return;
    }
    switch (output_write(&connection->output, &connection->stream)) {
    case OUTPUT_DONE:
        if (connection->state == STATE_ENDING)
            stream_end(&connection->stream);
        break;
    case OUTPUT_FULL:
        if (!connection->stream.write_wants_read)
            await_write(connection);
        break;
    case OUTPUT_BROKEN:
        on_broken_output(connection);
        return;
    }
    limit_output(connection);
    return_credit(connection);
    heartbeat_note_output(connection);
}

/* While the socket is full nothing is tried, but what gathers is still bounded. */
static void flush_if_possible(struct connection *connection)
{
    if (connection->is_waiting_to_write)
        limit_output(connection);
    else
        flush(connection);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;
    (void)fd, (void)what;
    connection->is_waiting_to_write = false;
    if (connection->stream.read_wants_write)
        input_read(connection);
    if (connection->state != STATE_GONE)
        flush(connection);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;
    (void)fd;
    if ((what & EV_TIMEOUT) != 0)
        event_add(&connection->read_event, NULL);
    input_read(connection);
    if (connection->state == STATE_GONE)
        return;
    if (connection->stream.write_wants_read)
        connection_mark_dirty(connection);
    if (connection->stream.read_wants_write)
        await_write(connection);
    if (connection->read_pauses == 0 && stream_has_input(&connection->stream))
        read_next_turn(connection);
}

/* --- the host */

void connection_host_init(struct connection_host *host)
{
    list_init(&host->dirty);
    host->input = xmalloc(input_bytes);
    host->input_size = input_bytes;
    host->input_share = input_bytes;
}

void connection_host_fini(struct connection_host *host)
{
    CHECK(heap_first(&host->looks) == NULL);
    heap_fini(&host->looks);
    free(host->input);
    host->input = NULL;
}

void connection_host_end_turn(struct connection_host *host)
{
    size_t share = input_bytes / (host->readers > 0 ? host->readers : 1);
    host->input_share = share > input_share_min ? share : input_share_min;
    host->readers = 0;
}

bool connection_host_is_dirty(const struct connection_host *host)
{
    return !list_is_empty(&host->dirty);
}

void connection_host_flush(struct connection_host *host)
{
    struct list_node *node;
    while ((node = list_pop_front(&host->dirty)) != NULL) {
        struct connection *connection = list_entry(node, struct connection, dirty_node);
        if (connection->state != STATE_GONE)
            flush_if_possible(connection);
        if (connection->is_over)
            host->closed(host->context, connection);
    }
}

bool connection_host_tick(struct connection_host *host)
{
    for (int i = 0; i < looks_per_turn; i++) {
        struct heap_node *first = heap_first(&host->looks);
        if (first == NULL || first->key > host->now_ms)
            return false;
        heartbeat_tick(container_of(first, struct connection, look));
    }
    return true;
}

/* --- creating and freeing */

static void start_reading(struct connection *connection)
{
    struct event_base *base = connection->host->base;
    int fd = connection->stream.fd;
    event_assign(&connection->read_event, base, fd, EV_READ | EV_PERSIST, on_readable, connection);
    event_assign(&connection->write_event, base, fd, EV_WRITE, on_writable, connection);
    update_read_event(connection);
}

struct connection *connection_new(struct connection_host *host, int fd, struct tls_stream *tls,
                                  uint64_t handle)
{
    struct connection *connection = xcalloc(1, sizeof *connection);
    connection->host = host;
    connection->handle = handle;
    connection->state = host->settings->proxy_protocol ? STATE_PROXY : STATE_HEADER;
    connection->is_tls = tls != NULL;
    connection->frame_max = host->settings->initial_frame_max;
    connection->client_name = xstrdup("");
    stream_init(&connection->stream, fd, tls);
    hash_table_init(&connection->channels);
    list_node_init(&connection->dirty_node);
    heartbeat_accepted(connection);
    address_describe(connection);
    if (connection->is_loopback || strcmp(connection->peer_host, connection->own_host) == 0)
        stream_avoid_pacing(&connection->stream);
    start_reading(connection);
    return connection;
}

void connection_free(struct connection *connection)
{
    if (connection->state != STATE_GONE) {
        event_del(&connection->read_event);
        event_del(&connection->write_event);
    }
    stream_close(&connection->stream);
    output_fini(&connection->output);
    channels_clear(connection);
    hash_table_fini(&connection->channels);
    list_remove(&connection->dirty_node);
    heap_remove(&connection->host->looks, &connection->look);
    buffer_fini(&connection->rest);
    buffer_fini(&connection->user);
    buffer_fini(&connection->mechanism);
    buffer_fini(&connection->first_response);
    buffer_fini(&connection->client_properties);
    free(connection->client_name);
    free(connection->name);
    free(connection->peer_host);
    free(connection->own_host);
    free(connection);
}

/* --- what is known about it */

uint64_t connection_handle(const struct connection *connection)
{
    return connection->handle;
}

struct vhost_gate *connection_gate(const struct connection *connection)
{
    return connection->gate;
}

struct session *connection_session(const struct connection *connection)
{
    return connection->session;
}

size_t connection_memory_bytes(const struct connection *connection)
{
    return sizeof *connection + connection->rest.capacity + connection->content_bytes +
           connection->channels.count * sizeof(struct net_channel) +
           connection->client_properties.capacity + output_memory_bytes(&connection->output);
}

static const char *state_name(const struct connection *connection)
{
    static const char *const names[] = {
        [STATE_PROXY] = "starting",  [STATE_HEADER] = "starting", [STATE_START] = "starting",
        [STATE_SECURE] = "securing", [STATE_LOGIN] = "securing",  [STATE_TUNE] = "tuning",
        [STATE_OPEN] = "opening",    [STATE_VHOST] = "opening",   [STATE_RUNNING] = "running",
        [STATE_CLOSING] = "closing", [STATE_CLOSED] = "closed",   [STATE_REFUSED] = "closing",
        [STATE_ENDING] = "closing",  [STATE_GONE] = "closed",
    };
    if (connection->state == STATE_RUNNING && (connection->read_pauses & PAUSE_CORE) != 0)
        return "flow";
    return names[connection->state];
}

static const char *text_of(const struct buffer *buffer)
{
    return buffer->size > 0 ? (const char *)buffer->data : "";
}

void connection_describe(const struct connection *connection, struct connection_status *status)
{
    *status = (struct connection_status){
        .name = connection->name,
        .peer_host = connection->peer_host,
        .host = connection->own_host,
        .peer_port = connection->peer_port,
        .port = connection->own_port,
        .user = text_of(&connection->user),
        .state = state_name(connection),
        .client_name = connection->client_name,
        .client_properties = buffer_bytes(&connection->client_properties),
        .mechanism = text_of(&connection->mechanism),
        .is_tls = connection->is_tls,
        .channel_max = connection->channel_max,
        .frame_max = (uint32_t)connection->frame_max,
        .heartbeat_s = connection->heartbeat_s,
        .read_bytes = connection->read_bytes,
        .read_count = connection->read_count,
        .written_bytes = connection->output.written_bytes,
        .write_count = connection->output.write_count,
        .unwritten_bytes = output_unwritten(&connection->output),
    };
}

struct octets connection_octets(const struct connection *connection)
{
    return (struct octets){connection->read_bytes, connection->output.written_bytes};
}

const struct tls_stream *connection_tls(const struct connection *connection)
{
    return connection->stream.tls;
}
