/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection between a socket pair and a host that only notes down: what it answers, which
 * commands it makes of what bytes, which bytes of what effects, and what it does as time passes.
 * The clock is the host's now_ms, which the tests turn. Nothing of the core runs, except that a
 * session, which is the core's, is ended by a real one so that nothing leaks.
 */
#include "amqp_test.h"

#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "amqp/frame.h"
#include "amqp/table.h"
#include "base/xmalloc.h"
#include "broker/vhost.h"
#include "config.h"
#include "config/config.h"
#include "net/connection.h"

enum { commands_max = 4096 };

/* --- the host */

static struct event_base *base;
static struct connection_host host;
static struct net_settings settings;
static struct connection *connection; /* NULL once it was reported closed */
static int peer = -1;
static struct buffer received;
static struct command_batch *batch;
static struct command commands[commands_max]; /* what was submitted, in order */
static size_t command_count;
static size_t submit_count;
static enum login_result login_result;
static bool vhost_pending;
static int vhost_refusal;
static struct buffer asked_mechanism, asked_response, asked_second_response, asked_vhost;
static enum connection_note last_note;
static char last_note_text[320];
static bool has_session; /* SESSION_OPEN was seen, SESSION_CLOSED not yet answered */
static struct session *session;

static void append_mechanisms(void *context, struct connection *c, struct buffer *names)
{
    (void)context, (void)c;
    buffer_append_bytes(names, bytes_of_text("PLAIN AMQPLAIN"));
}

static void copy(struct buffer *buffer, struct bytes bytes)
{
    buffer_clear(buffer);
    buffer_append_bytes(buffer, bytes);
}

static enum login_result on_login(void *context, const struct login_request *request,
                                  struct login_answer *answer)
{
    (void)context;
    copy(&asked_mechanism, request->mechanism);
    copy(&asked_response, request->response);
    copy(&asked_second_response, request->second_response);
    if (login_result == LOGIN_MORE && !request->has_second_response) {
        buffer_append_bytes(&answer->challenge, bytes_of_text("who?"));
        return LOGIN_MORE;
    }
    if (login_result == LOGIN_PENDING || login_result == LOGIN_REFUSED ||
        login_result == LOGIN_MALFORMED)
        return login_result;
    buffer_append_bytes(&answer->user, bytes_of_text("guest"));
    return LOGIN_OK;
}

static struct vhost_gate *const gate = (struct vhost_gate *)(void *)&batch;

static struct vhost_gate *on_open_vhost(void *context, struct connection *c, const char *user,
                                        struct bytes vhost, struct amqp_error *error)
{
    (void)context, (void)c;
    assert_string_equal(user, "guest");
    copy(&asked_vhost, vhost);
    if (vhost_pending)
        return NULL;
    if (vhost_refusal == 0)
        return gate;
    amqp_error_set(error, (enum amqp_code)vhost_refusal, "vhost nope not found");
    return NULL;
}

static struct command_batch *on_gather(void *context, struct vhost_gate *asked)
{
    (void)context;
    assert_ptr_equal(asked, gate);
    if (batch == NULL)
        batch = command_batch_new();
    return batch;
}

static void on_submit(void *context, struct vhost_gate *asked)
{
    (void)context;
    assert_ptr_equal(asked, gate);
    if (batch == NULL)
        return;
    submit_count++;
    for (size_t i = 0; i < batch->count; i++) {
        assert_true(command_count < commands_max);
        commands[command_count++] = batch->commands[i];
        if (batch->commands[i].kind == COMMAND_SESSION_OPEN) {
            session = batch->commands[i].session;
            has_session = true;
        }
    }
    batch->count = 0;
    command_batch_free(batch);
    batch = NULL;
}

static void on_closed(void *context, struct connection *c)
{
    (void)context;
    assert_ptr_equal(c, connection);
    connection_free(c);
    connection = NULL;
}

static void on_note(void *context, const struct connection *c, enum connection_note note,
                    const char *text)
{
    (void)context, (void)c;
    assert_non_null(text);
    last_note = note;
    snprintf(last_note_text, sizeof last_note_text, "%s", text);
}

static void forget_commands(void)
{
    struct command_batch *left = command_batch_new();
    for (size_t i = 0; i < command_count; i++)
        *command_batch_add(left) = commands[i];
    command_batch_free(left);
    command_count = 0;
}

/* One turn of the loop. */
static void turn(void)
{
    uint8_t bytes[65536];
    ssize_t size;
    event_base_loop(base, EVLOOP_NONBLOCK);
    connection_host_flush(&host);
    on_submit(NULL, gate);
    while (peer >= 0 && (size = recv(peer, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        buffer_append(&received, bytes, (size_t)size);
}

static void turns(void)
{
    for (int i = 0; i < 4; i++)
        turn();
}

static void send_bytes(struct bytes bytes)
{
    while (bytes.size > 0) {
        ssize_t sent = send(peer, bytes.data, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            bytes = bytes_of(bytes.data + sent, bytes.size - (size_t)sent);
        turn();
    }
}

static bool peer_sees_end(void)
{
    uint8_t byte;
    turns();
    return recv(peer, &byte, 1, MSG_DONTWAIT) == 0;
}

static void pass(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 500) {
        host.now_ms += 500;
        connection_host_tick(&host);
        turn();
    }
}

static void connect_pair(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    peer = fds[1];
    buffer_clear(&received);
    connection = connection_new(&host, fds[0], NULL, 77);
}

/* --- what a client sends */

static struct buffer out;

static void put_method(uint16_t channel, const struct amqp_method *method)
{
    amqp_frame_write_method(&out, channel, method);
}

static void put_empty(uint16_t channel, uint32_t id)
{
    put_method(channel, &(struct amqp_method){.id = id});
}

static void put_start_ok(bool has_capability)
{
    struct buffer properties = {0};
    size_t begin = amqp_table_add_table_begin(&properties, "capabilities");
    amqp_table_add_bool(&properties, "authentication_failure_close", has_capability);
    amqp_table_add_bool(&properties, "consumer_cancel_notify", true);
    amqp_table_end(&properties, begin);
    amqp_table_add_text(&properties, "connection_name", "tested");
    put_method(0, &(struct amqp_method){
                      .id = AMQP_CONNECTION_START_OK,
                      .connection_start_ok = {.client_properties = buffer_bytes(&properties),
                                              .mechanism = bytes_of_text("PLAIN"),
                                              .response = BYTES("\0guest\0secret"),
                                              .locale = bytes_of_text("en_US")}});
    buffer_fini(&properties);
}

static void put_tune_ok(uint16_t channel_max, uint32_t frame_max, uint16_t heartbeat_s)
{
    put_method(0, &(struct amqp_method){.id = AMQP_CONNECTION_TUNE_OK,
                                        .connection_tune_ok = {.channel_max = channel_max,
                                                               .frame_max = frame_max,
                                                               .heartbeat = heartbeat_s}});
}

static void put_open(void)
{
    put_method(0, &(struct amqp_method){.id = AMQP_CONNECTION_OPEN,
                                        .connection_open = {.virtual_host = bytes_of_text("/")}});
}

static void put_publish(uint16_t channel, const char *key)
{
    put_method(channel, &(struct amqp_method){.id = AMQP_BASIC_PUBLISH,
                                              .basic_publish = {.exchange = bytes_of_text("x"),
                                                                .routing_key = bytes_of_text(key),
                                                                .mandatory = true}});
}

static const struct bytes persistent = {(const uint8_t *)"\x10\0\2", 3};

static void put_message(uint16_t channel, const char *key, struct bytes body, size_t frame_max)
{
    put_publish(channel, key);
    amqp_frame_write_header(&out, channel, body.size, persistent);
    amqp_frame_write_body(&out, channel, body, frame_max);
}

static void flush_out(void)
{
    struct buffer sending = out;
    out = (struct buffer){0};
    send_bytes(buffer_bytes(&sending));
    buffer_fini(&sending);
    turns();
}

static void put_handshake(uint16_t heartbeat_s)
{
    amqp_frame_write_protocol_header(&out);
    put_start_ok(true);
    put_tune_ok(100, 131072, heartbeat_s);
    put_open();
}

static void log_in_with(uint16_t heartbeat_s)
{
    connect_pair();
    put_handshake(heartbeat_s);
    flush_out();
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_SESSION_OPEN);
    command_count = 0;
    buffer_clear(&received);
}

static void log_in(void)
{
    log_in_with(0);
}

static void open_channel(uint16_t channel)
{
    put_empty(channel, AMQP_CHANNEL_OPEN);
    flush_out();
    forget_commands();
}

/* --- what it receives */

static size_t received_at; /* how far frames were taken */

static struct amqp_frame next_frame(void)
{
    struct amqp_frame frame;
    struct amqp_error error;
    size_t consumed;
    struct bytes rest = bytes_of(received.data + received_at, received.size - received_at);
    assert_true(rest.size > 0);
    assert_int_equal(amqp_frame_read(rest, 0, &frame, &consumed, &error), AMQP_FRAME_COMPLETE);
    received_at += consumed;
    return frame;
}

static struct amqp_method next_method(uint16_t channel, uint32_t id)
{
    struct amqp_method method;
    struct amqp_error error;
    struct amqp_frame frame = next_frame();
    assert_int_equal(frame.type, AMQP_FRAME_METHOD);
    assert_int_equal(frame.channel, channel);
    assert_true(amqp_method_decode(&method, frame.payload, &error));
    assert_string_equal(amqp_method_name(method.id), amqp_method_name(id));
    return method;
}

static void assert_no_more_frames(void)
{
    assert_int_equal(received.size, received_at);
}

/* --- effects */

static void apply(struct effect effect)
{
    effect.connection = 77;
    connection_on_effect(connection, &effect);
}

static void apply_method(uint8_t kind, uint16_t channel, const struct amqp_method *method)
{
    apply((struct effect){.kind = kind, .channel = channel, .method = effect_method_new(method)});
}

static void add_consumer(uint16_t channel, uint32_t number, const char *tag)
{
    apply((struct effect){.kind = EFFECT_CONSUMER_ADD,
                          .channel = channel,
                          .consumer = number,
                          .method = effect_text_new(bytes_of_text(tag))});
}

static struct message *message_of(struct bytes body)
{
    return message_new(bytes_of_text("x"), bytes_of_text("key"), persistent, body);
}

static void deliver(uint16_t channel, uint32_t consumer, uint64_t tag, struct message *message)
{
    apply((struct effect){.kind = EFFECT_DELIVER,
                          .channel = channel,
                          .consumer = consumer,
                          .tag = tag,
                          .flag = true,
                          .message = message_ref(message)});
}

/* --- fixture */

static void end_session(void)
{
    struct vhost_config config;
    if (!has_session)
        return;
    vhost_config_init(&config);
    struct access *access = access_new_open();
    struct vhost *vhost = vhost_new(&config, access);
    struct command_batch *ending = command_batch_new();
    *command_batch_add(ending) = (struct command){.kind = COMMAND_SESSION_OPEN, .session = session};
    *command_batch_add(ending) =
        (struct command){.kind = COMMAND_SESSION_CLOSE, .session = session};
    vhost_apply(vhost, ending, 0);
    command_batch_free(ending);
    vhost_free(vhost);
    access_free(access);
    has_session = false;
}

static int set_up(void **state)
{
    (void)state;
    settings = (struct net_settings){
        .handshake_timeout_ms = 10000,
        .tls_handshake_timeout_ms = 5000,
        .refusal_delay_ms = 3000,
        .closing_timeout_ms_max = 30000,
        .initial_frame_max = 16384,
        .frame_max = 131072,
        .channel_max = 2047,
        .heartbeat_s = 60,
        .table_depth_max = 8,
        .header_bytes_max = 1000,
        .message_bytes_max = 1000000,
        .output_bytes = 100000,
    };
    base = event_base_new();
    host = (struct connection_host){
        .settings = &settings,
        .base = base,
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
    login_result = LOGIN_OK;
    vhost_pending = false;
    vhost_refusal = 0;
    submit_count = 0;
    received_at = 0;
    return 0;
}

static void drop_connection(void)
{
    if (connection != NULL)
        connection_free(connection);
    connection = NULL;
    if (peer >= 0)
        close(peer);
    peer = -1;
    on_submit(NULL, gate);
    forget_commands();
    end_session();
    buffer_fini(&received);
    buffer_fini(&out);
    received_at = 0;
}

static int tear_down(void **state)
{
    (void)state;
    drop_connection();
    connection_host_fini(&host);
    event_base_free(base);
    buffer_fini(&asked_mechanism);
    buffer_fini(&asked_response);
    buffer_fini(&asked_second_response);
    buffer_fini(&asked_vhost);
    return 0;
}

/* --- the socket */

static int listen_on_loopback(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)address, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

/* Whatever the system's congestion control is: some pace what they send. */
static void peers_on_this_machine_are_not_paced(void **state)
{
    (void)state;
    char name[32] = "";
    socklen_t size = sizeof name;
    struct sockaddr_in address;
    int listener = listen_on_loopback(&address);
    peer = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(peer, (const struct sockaddr *)&address, sizeof address), 0);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    connection = connection_new(&host, fd, NULL, 77);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
    assert_string_equal(name, "reno");
    close(listener);
}

/* --- handshake */

static void handshake_step_by_step(void **state)
{
    (void)state;
    connect_pair();
    amqp_frame_write_protocol_header(&out);
    flush_out();
    struct amqp_method start = next_method(0, AMQP_CONNECTION_START);
    assert_bytes_equal(start.connection_start.mechanisms, bytes_of_text("PLAIN AMQPLAIN"));
    assert_bytes_equal(start.connection_start.locales, bytes_of_text("en_US"));
    put_start_ok(true);
    flush_out();
    assert_bytes_equal(buffer_bytes(&asked_mechanism), bytes_of_text("PLAIN"));
    assert_bytes_equal(buffer_bytes(&asked_response), BYTES("\0guest\0secret"));
    struct amqp_method tune = next_method(0, AMQP_CONNECTION_TUNE);
    assert_int_equal(tune.connection_tune.channel_max, 2047);
    assert_int_equal(tune.connection_tune.frame_max, 131072);
    assert_int_equal(tune.connection_tune.heartbeat, 60);
    put_tune_ok(100, 8192, 30);
    put_open();
    flush_out();
    assert_bytes_equal(buffer_bytes(&asked_vhost), bytes_of_text("/"));
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_SESSION_OPEN);
    assert_no_more_frames();
    struct connection_status status;
    connection_describe(connection, &status);
    assert_string_equal(status.user, "guest");
    assert_string_equal(status.client_name, "tested");
    assert_string_equal(status.state, "running");
    assert_int_equal(status.channel_max, 100);
    assert_int_equal(status.frame_max, 8192);
    assert_int_equal(status.heartbeat_s, 30);
}

static void old_protocol_header_is_accepted(void **state)
{
    (void)state;
    connect_pair();
    send_bytes(BYTES("AMQP\1\1\0\x09"));
    turns();
    next_method(0, AMQP_CONNECTION_START);
}

static void wrong_protocol_header_is_answered_and_ends(void **state)
{
    (void)state;
    connect_pair();
    send_bytes(BYTES("GET / HTTP/1.1\r\n"));
    assert_true(peer_sees_end());
    assert_bytes_equal(buffer_bytes(&received), BYTES("AMQP\0\0\x09\1"));
    close(peer);
    peer = -1;
    turns();
    assert_null(connection);
}

static void refused_login_is_told_and_ends_after_the_delay(void **state)
{
    (void)state;
    login_result = LOGIN_REFUSED;
    connect_pair();
    amqp_frame_write_protocol_header(&out);
    put_start_ok(true);
    flush_out();
    next_method(0, AMQP_CONNECTION_START);
    struct amqp_method close_method = next_method(0, AMQP_CONNECTION_CLOSE);
    assert_int_equal(close_method.connection_close.reply_code, 403);
    assert_bytes_equal(close_method.connection_close.reply_text,
                       bytes_of_text("ACCESS_REFUSED - Login was refused using authentication "
                                     "mechanism PLAIN. For details see the broker logfile."));
    pass(2500);
    assert_non_null(connection);
    pass(1000);
    assert_null(connection);
}

static void refused_login_without_capability_is_silent(void **state)
{
    (void)state;
    login_result = LOGIN_REFUSED;
    connect_pair();
    amqp_frame_write_protocol_header(&out);
    put_start_ok(false);
    flush_out();
    next_method(0, AMQP_CONNECTION_START);
    assert_no_more_frames();
    pass(2500);
    assert_non_null(connection);
    pass(1000);
    assert_null(connection);
}

static void malformed_login_is_silent(void **state)
{
    (void)state;
    login_result = LOGIN_MALFORMED;
    connect_pair();
    amqp_frame_write_protocol_header(&out);
    put_start_ok(true);
    flush_out();
    next_method(0, AMQP_CONNECTION_START);
    assert_no_more_frames();
    pass(3500);
    assert_null(connection);
}

static void assert_property(const struct buffer *table, const char *name, const char *text)
{
    struct amqp_value value;
    assert_true(amqp_table_find(buffer_bytes(table), name, &value));
    assert_bytes_equal(value.bytes, bytes_of_text(text));
}

static void server_properties_are_those_of_the_configuration(void **state)
{
    struct config config;
    struct config_messages messages;
    struct buffer table = {0};
    (void)state;
    config_init(&config);
    config_messages_init(&messages);
    assert_true(config_set_option(&config, "product.name=Hare", &messages));
    assert_true(config_set_option(&config, "product.version=4.1.0", &messages));
    assert_true(config_set_option(&config, "leveret.server_properties.place=north", &messages));
    net_append_server_properties(&table, &config, "field");
    assert_property(&table, "product", "Hare");
    assert_property(&table, "version", "4.1.0");
    assert_property(&table, "cluster_name", "field");
    assert_property(&table, "place", "north");
    assert_property(&table, "leveret_version", PACKAGE_VERSION);
    buffer_fini(&table);
    config_messages_fini(&messages);
    config_fini(&config);
}

static void challenge_and_response(void **state)
{
    (void)state;
    login_result = LOGIN_MORE;
    connect_pair();
    amqp_frame_write_protocol_header(&out);
    put_start_ok(true);
    flush_out();
    next_method(0, AMQP_CONNECTION_START);
    struct amqp_method secure = next_method(0, AMQP_CONNECTION_SECURE);
    assert_bytes_equal(secure.connection_secure.challenge, bytes_of_text("who?"));
    put_method(0, &(struct amqp_method){.id = AMQP_CONNECTION_SECURE_OK,
                                        .connection_secure_ok = {.response = bytes_of_text("me")}});
    flush_out();
    assert_bytes_equal(buffer_bytes(&asked_second_response), bytes_of_text("me"));
    assert_bytes_equal(buffer_bytes(&asked_response), BYTES("\0guest\0secret"));
    next_method(0, AMQP_CONNECTION_TUNE);
}

/* What was sent behind start-ok waits for the answer, and is then read without another byte. */
static void pending_login_holds_the_input(void **state)
{
    struct login_answer answer = {0};
    (void)state;
    login_result = LOGIN_PENDING;
    connect_pair();
    put_handshake(0);
    flush_out();
    next_method(0, AMQP_CONNECTION_START);
    assert_no_more_frames();
    assert_int_equal(command_count, 0);
    buffer_append_bytes(&answer.user, bytes_of_text("guest"));
    connection_login_done(connection, LOGIN_OK, &answer);
    turns();
    next_method(0, AMQP_CONNECTION_TUNE);
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_SESSION_OPEN);
}

static void pending_vhost_holds_the_input(void **state)
{
    (void)state;
    vhost_pending = true;
    connect_pair();
    put_handshake(0);
    put_empty(1, AMQP_CHANNEL_OPEN);
    flush_out();
    assert_int_equal(command_count, 0);
    connection_vhost_done(connection, gate, NULL);
    turns();
    assert_int_equal(command_count, 2);
    assert_int_equal(commands[0].kind, COMMAND_SESSION_OPEN);
    assert_int_equal(commands[1].kind, COMMAND_METHOD);
}

static void missing_vhost_is_told(void **state)
{
    (void)state;
    vhost_refusal = AMQP_NOT_ALLOWED;
    connect_pair();
    put_handshake(0);
    flush_out();
    next_method(0, AMQP_CONNECTION_START);
    next_method(0, AMQP_CONNECTION_TUNE);
    struct amqp_method close_method = next_method(0, AMQP_CONNECTION_CLOSE);
    assert_int_equal(close_method.connection_close.reply_code, 530);
    assert_int_equal(close_method.connection_close.class_id, 10);
    assert_int_equal(close_method.connection_close.method_id, 40);
    put_empty(0, AMQP_CONNECTION_CLOSE_OK);
    flush_out();
    assert_true(peer_sees_end());
}

static void refuses_tune(uint16_t channel_max, uint32_t frame_max)
{
    connect_pair();
    amqp_frame_write_protocol_header(&out);
    put_start_ok(true);
    put_tune_ok(channel_max, frame_max, 0);
    put_open();
    flush_out();
    assert_int_equal(command_count, 0);
    pass(3500);
    assert_null(connection);
    drop_connection();
}

static void tunes_outside_the_offer_are_refused(void **state)
{
    (void)state;
    refuses_tune(0, 131072);
    refuses_tune(2048, 131072);
    refuses_tune(2047, 131073);
    refuses_tune(2047, 0);
    refuses_tune(2047, 4095);
}

static void frames_out_of_turn_are_refused_in_silence(void **state)
{
    (void)state;
    connect_pair();
    amqp_frame_write_protocol_header(&out);
    put_open();
    flush_out();
    next_method(0, AMQP_CONNECTION_START);
    assert_no_more_frames();
    pass(3500);
    assert_null(connection);
}

static void frames_above_the_initial_limit_are_refused(void **state)
{
    (void)state;
    connect_pair();
    amqp_frame_write_protocol_header(&out);
    amqp_frame_write_start(&out, AMQP_FRAME_METHOD, 0, settings.initial_frame_max + 1);
    flush_out();
    pass(3500);
    assert_null(connection);
}

static void slow_handshake_is_ended(void **state)
{
    (void)state;
    connect_pair();
    send_bytes(BYTES("AMQP"));
    pass(9500);
    assert_non_null(connection);
    pass(1000);
    assert_null(connection);
}

static size_t ended_count;

static void count_ended(void *context, struct connection *c)
{
    (void)context;
    connection_free(c);
    ended_count++;
}

/* So that others are served in between. */
static void very_many_timeouts_take_several_turns(void **state)
{
    enum { many = 400 };
    (void)state;
    host.closed = count_ended;
    ended_count = 0;
    for (uint64_t i = 0; i < many; i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        close(pair[1]);
        connection_new(&host, pair[0], NULL, i);
    }
    assert_false(connection_host_tick(&host));
    host.now_ms += settings.handshake_timeout_ms;
    assert_true(connection_host_tick(&host));
    connection_host_flush(&host);
    assert_in_range(ended_count, 1, many - 1);
    while (connection_host_tick(&host))
        connection_host_flush(&host);
    connection_host_flush(&host);
    assert_int_equal(ended_count, many);
}

static void open_connection_outlives_the_handshake_timeout(void **state)
{
    (void)state;
    log_in();
    pass(60000);
    assert_non_null(connection);
    assert_int_equal(command_count, 0);
}

/* --- input */

static void small_publish_is_one_command(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    put_message(1, "key", bytes_of_text("hello"), 0);
    put_message(1, "key", bytes_of_text(""), 0);
    flush_out();
    assert_int_equal(command_count, 2);
    assert_int_equal(commands[0].kind, COMMAND_PUBLISH);
    assert_int_equal(commands[0].channel, 1);
    assert_true(commands[0].mandatory);
    assert_false(commands[0].immediate);
    struct message *message = commands[0].message;
    assert_bytes_equal(message_exchange(message), bytes_of_text("x"));
    assert_bytes_equal(message_routing_key(message), bytes_of_text("key"));
    assert_bytes_equal(message_properties(message), persistent);
    assert_bytes_equal(message_body(message), bytes_of_text("hello"));
    assert_true(message->is_persistent);
    assert_int_equal(message_body(commands[1].message).size, 0);
}

static void acks_are_commands_of_their_own(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    put_method(1,
               &(struct amqp_method){.id = AMQP_BASIC_ACK,
                                     .basic_ack = {.delivery_tag = 0x123456789, .multiple = true}});
    flush_out();
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_ACK);
    assert_int_equal(commands[0].tag, 0x123456789);
    assert_true(commands[0].multiple);
}

static void body_frames_are_put_together(void **state)
{
    uint8_t body[10000];
    (void)state;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 7);
    log_in();
    open_channel(1);
    put_message(1, "key", bytes_of(body, sizeof body), 1000);
    flush_out();
    assert_int_equal(command_count, 1);
    assert_bytes_equal(message_body(commands[0].message), bytes_of(body, sizeof body));
}

static void large_body_grows_as_it_arrives(void **state)
{
    size_t size = 900000;
    uint8_t *body = xmalloc(size);
    (void)state;
    for (size_t i = 0; i < size; i++)
        body[i] = (uint8_t)(i * 13 >> 3);
    log_in();
    open_channel(1);
    put_publish(1, "key");
    amqp_frame_write_header(&out, 1, size, persistent);
    flush_out();
    assert_true(connection_memory_bytes(connection) < 300000);
    amqp_frame_write_body(&out, 1, bytes_of(body, size), 131072);
    flush_out();
    assert_int_equal(command_count, 1);
    assert_bytes_equal(message_body(commands[0].message), bytes_of(body, size));
    assert_true(connection_memory_bytes(connection) < 300000);
    free(body);
}

static void contents_of_channels_interleave(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    open_channel(2);
    put_publish(1, "one");
    put_publish(2, "two");
    amqp_frame_write_header(&out, 2, 2, persistent);
    amqp_frame_write_header(&out, 1, 2, persistent);
    amqp_frame_write_body(&out, 2, bytes_of_text("22"), 0);
    amqp_frame_write_body(&out, 1, bytes_of_text("11"), 0);
    flush_out();
    assert_int_equal(command_count, 2);
    assert_bytes_equal(message_body(commands[0].message), bytes_of_text("22"));
    assert_bytes_equal(message_routing_key(commands[0].message), bytes_of_text("two"));
    assert_bytes_equal(message_body(commands[1].message), bytes_of_text("11"));
    assert_bytes_equal(message_routing_key(commands[1].message), bytes_of_text("one"));
}

/* Everything a client may say, in one conversation. */
static void put_conversation(void)
{
    uint8_t body[9000];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 31 >> 2);
    put_handshake(0);
    put_empty(1, AMQP_CHANNEL_OPEN);
    put_message(1, "small", bytes_of_text("hello"), 0);
    amqp_frame_write_heartbeat(&out);
    put_message(1, "parts", bytes_of(body, 50), 20);
    put_message(1, "large", bytes_of(body, sizeof body), 6000);
    put_method(1, &(struct amqp_method){.id = AMQP_BASIC_ACK, .basic_ack = {.delivery_tag = 9}});
}

static void assert_conversation(void)
{
    assert_int_equal(command_count, 6);
    assert_int_equal(commands[0].kind, COMMAND_SESSION_OPEN);
    assert_int_equal(commands[1].kind, COMMAND_METHOD);
    assert_bytes_equal(message_body(commands[2].message), bytes_of_text("hello"));
    assert_int_equal(message_body(commands[3].message).size, 50);
    assert_int_equal(message_body(commands[4].message).size, 9000);
    for (size_t i = 0; i < 9000; i++)
        assert_int_equal(message_body(commands[4].message).data[i], (uint8_t)(i * 31 >> 2));
    assert_int_equal(commands[5].kind, COMMAND_ACK);
    assert_int_equal(commands[5].tag, 9);
}

static void input_may_be_split_anywhere(void **state)
{
    struct buffer whole;
    (void)state;
    put_conversation();
    whole = out;
    out = (struct buffer){0};
    for (size_t at = 1; at < whole.size; at++) {
        connect_pair();
        send_bytes(bytes_of(whole.data, at));
        send_bytes(bytes_of(whole.data + at, whole.size - at));
        turns();
        assert_conversation();
        drop_connection();
    }
    buffer_fini(&whole);
}

static void input_may_come_byte_by_byte(void **state)
{
    struct buffer whole;
    (void)state;
    put_conversation();
    whole = out;
    out = (struct buffer){0};
    connect_pair();
    for (size_t at = 0; at < whole.size; at++)
        send_bytes(bytes_of(whole.data + at, 1));
    turns();
    assert_conversation();
    buffer_fini(&whole);
}

static void many_commands_are_submitted_in_between(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    submit_count = 0;
    for (int i = 0; i < 1000; i++)
        put_message(1, "key", bytes_of_text("m"), 0);
    flush_out();
    assert_int_equal(command_count, 1000);
    assert_in_range(submit_count, 4, 8);
}

/* --- what is wrong with the input */

static void assert_connection_error(uint16_t code, uint16_t class_id, uint16_t method_id,
                                    const char *text)
{
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_CONNECTION_ERROR);
    assert_amqp_error(*commands[0].error, code, class_id, method_id, text);
}

static void frame_errors_go_through_the_core(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    send_bytes(BYTES("\x09\0\1\0\0\0\3abc\xce"));
    put_message(1, "late", bytes_of_text("ignored"), 0);
    flush_out();
    assert_connection_error(501, 0, 0,
                            "FRAME_ERROR - type 9, all octets = <<\"abc\">>: unknown_frame");
}

/* Nobody knows where frames start any more, but the answer to our close is found. */
static void close_ok_is_found_after_a_frame_error(void **state)
{
    (void)state;
    log_in();
    send_bytes(BYTES("\x09\0\1\0\0\0\3abc\xce more of the same kind"));
    send_bytes(BYTES("\1\0\0\0\0\0\4\0\x0a"));
    assert_false(peer_sees_end());
    send_bytes(BYTES("\0\x33\xce"));
    assert_true(peer_sees_end());
}

static void method_amid_content_is_505(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    put_publish(1, "key");
    put_empty(1, AMQP_TX_SELECT);
    flush_out();
    assert_connection_error(505, 60, 40,
                            "UNEXPECTED_FRAME - expected content header for class 60, got non "
                            "content header frame instead");
}

static void body_longer_than_announced_is_501(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    put_publish(1, "key");
    amqp_frame_write_header(&out, 1, 10, persistent);
    amqp_frame_write_body(&out, 1, bytes_of_text("12345678901"), 0);
    flush_out();
    assert_connection_error(501, 60, 40,
                            "FRAME_ERROR - content body frame exceeds remaining content size");
}

static void bad_end_of_a_partial_body_is_501(void **state)
{
    static const uint8_t body[8000];
    (void)state;
    log_in();
    open_channel(1);
    put_publish(1, "key");
    amqp_frame_write_header(&out, 1, sizeof body, persistent);
    amqp_frame_write_start(&out, AMQP_FRAME_BODY, 1, sizeof body);
    flush_out();
    send_bytes(bytes_of(body, sizeof body));
    send_bytes(BYTES("x"));
    turns();
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_CONNECTION_ERROR);
    assert_int_equal(commands[0].error->code, 501);
}

static void content_without_a_method_is_505(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    amqp_frame_write_header(&out, 1, 10, persistent);
    flush_out();
    assert_connection_error(
        505, 0, 0, "UNEXPECTED_FRAME - expected method frame, got non method frame instead");
}

static void publish_on_an_unopened_channel_is_a_bare_method(void **state)
{
    (void)state;
    log_in();
    put_publish(9, "key");
    flush_out();
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_METHOD);
    assert_int_equal(commands[0].channel, 9);
    assert_int_equal(commands[0].method->method.id, AMQP_BASIC_PUBLISH);
}

static void malformed_names_are_501(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    put_message(1, "\xff", bytes_of_text("m"), 0);
    flush_out();
    assert_connection_error(501, 0, 0, "FRAME_ERROR - Malformed UTF-8 in shortstr");
}

static void too_large_message_fails_its_channel_only(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    put_publish(1, "key");
    amqp_frame_write_header(&out, 1, 1000001, persistent);
    amqp_frame_write_body(&out, 1, bytes_of_text("a part of it"), 0);
    put_message(1, "key", bytes_of_text("ignored"), 0);
    flush_out();
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_CHANNEL_ERROR);
    assert_int_equal(commands[0].channel, 1);
    assert_amqp_error(*commands[0].error, 406, 60, 40,
                      "PRECONDITION_FAILED - message size 1000001 is larger than configured max "
                      "size 1000000");
}

static void too_large_message_in_one_piece(void **state)
{
    uint8_t body[2000] = {0};
    (void)state;
    settings.message_bytes_max = 1000;
    log_in();
    open_channel(1);
    put_message(1, "key", bytes_of(body, sizeof body), 0);
    flush_out();
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_CHANNEL_ERROR);
}

static void properties_are_limited(void **state)
{
    struct buffer properties = {0};
    char text[1000];
    (void)state;
    memset(text, 'h', sizeof text);
    buffer_append_u16(&properties, 1 << 13);
    size_t begin = amqp_table_begin(&properties);
    amqp_table_add_longstr(&properties, "long", bytes_of(text, sizeof text));
    amqp_table_end(&properties, begin);
    log_in();
    open_channel(1);
    put_publish(1, "key");
    amqp_frame_write_header(&out, 1, 0, buffer_bytes(&properties));
    flush_out();
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_CONNECTION_ERROR);
    assert_int_equal(commands[0].error->code, 501);
    buffer_fini(&properties);
}

static void nesting_is_limited(void **state)
{
    struct buffer properties = {0};
    size_t begins[10];
    (void)state;
    buffer_append_u16(&properties, 1 << 13);
    begins[0] = amqp_table_begin(&properties);
    for (size_t i = 1; i < 10; i++)
        begins[i] = amqp_table_add_table_begin(&properties, "t");
    for (size_t i = 10; i-- > 0;)
        amqp_table_end(&properties, begins[i]);
    log_in();
    open_channel(1);
    put_publish(1, "key");
    amqp_frame_write_header(&out, 1, 0, buffer_bytes(&properties));
    flush_out();
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_CONNECTION_ERROR);
    assert_int_equal(commands[0].error->code, 501);
    buffer_fini(&properties);
}

static void put_nested_declare(size_t depth)
{
    struct buffer payload = {0};
    size_t begins[16];
    struct amqp_method declare = {.id = AMQP_QUEUE_DECLARE,
                                  .queue_declare = {.queue = bytes_of_text("q")}};
    amqp_method_encode(&payload, &declare);
    payload.size -= 4; /* the empty table */
    begins[0] = amqp_table_begin(&payload);
    for (size_t i = 1; i < depth; i++)
        begins[i] = amqp_table_add_table_begin(&payload, "t");
    for (size_t i = depth; i-- > 0;)
        amqp_table_end(&payload, begins[i]);
    buffer_append_u8(&out, AMQP_FRAME_METHOD);
    buffer_append_u16(&out, 1);
    buffer_append_u32(&out, (uint32_t)payload.size);
    buffer_append_bytes(&out, buffer_bytes(&payload));
    buffer_append_u8(&out, AMQP_FRAME_END);
    flush_out();
    buffer_fini(&payload);
}

static void nesting_of_arguments_is_limited(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    put_nested_declare(8);
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_METHOD);
    put_nested_declare(9);
    assert_int_equal(command_count, 2);
    assert_int_equal(commands[1].kind, COMMAND_CONNECTION_ERROR);
    assert_amqp_error(*commands[1].error, 501, 50, 10,
                      "FRAME_ERROR - arguments are nested deeper than the configured maximum 8");
}

/* --- effects */

static void memory_of_much_output_is_given_back(void **state)
{
    struct message *message = message_of(bytes_of_text("hello"));
    (void)state;
    log_in();
    open_channel(1);
    add_consumer(1, 0, "first");
    for (int i = 0; i < 300; i++)
        deliver(1, 0, 1, message);
    turns();
    assert_true(connection_memory_bytes(connection) > 10000);
    pass(500);
    assert_true(connection_memory_bytes(connection) < 5000);
    message_unref(message);
}

static void delivery_is_three_frames(void **state)
{
    struct message *message = message_of(bytes_of_text("hello"));
    (void)state;
    log_in();
    open_channel(3);
    add_consumer(3, 0, "first");
    add_consumer(3, 1, "second");
    deliver(3, 1, 42, message);
    turns();
    struct amqp_method method = next_method(3, AMQP_BASIC_DELIVER);
    assert_bytes_equal(method.basic_deliver.consumer_tag, bytes_of_text("second"));
    assert_int_equal(method.basic_deliver.delivery_tag, 42);
    assert_true(method.basic_deliver.redelivered);
    assert_bytes_equal(method.basic_deliver.exchange, bytes_of_text("x"));
    assert_bytes_equal(method.basic_deliver.routing_key, bytes_of_text("key"));
    struct amqp_frame header = next_frame();
    assert_int_equal(header.type, AMQP_FRAME_HEADER);
    assert_int_equal(header.payload.size, AMQP_CONTENT_HEADER_SIZE_MIN + persistent.size);
    struct amqp_frame body = next_frame();
    assert_int_equal(body.type, AMQP_FRAME_BODY);
    assert_bytes_equal(body.payload, bytes_of_text("hello"));
    assert_no_more_frames();
    message_unref(message);
}

static void large_delivery_is_split_and_not_copied(void **state)
{
    size_t size = 700000;
    uint8_t *bytes = xmalloc(size);
    (void)state;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 17 >> 4);
    struct message *message = message_of(bytes_of(bytes, size));
    log_in();
    open_channel(1);
    add_consumer(1, 0, "tag");
    deliver(1, 0, 1, message);
    for (int i = 0; i < 200; i++)
        turn();
    next_method(1, AMQP_BASIC_DELIVER);
    next_frame();
    size_t at = 0;
    while (at < size) {
        struct amqp_frame body = next_frame();
        assert_true(body.payload.size <= 131072 - 8);
        assert_bytes_equal(body.payload, bytes_of(bytes + at, body.payload.size));
        at += body.payload.size;
    }
    assert_int_equal(at, size);
    assert_no_more_frames();
    assert_int_equal(atomic_load(&message->references), 1);
    message_unref(message);
    free(bytes);
}

static void confirms_are_written(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    apply((struct effect){.kind = EFFECT_ACK, .channel = 1, .tag = 5, .flag = true});
    apply((struct effect){.kind = EFFECT_NACK, .channel = 1, .tag = 6});
    turns();
    struct amqp_method ack = next_method(1, AMQP_BASIC_ACK);
    assert_int_equal(ack.basic_ack.delivery_tag, 5);
    assert_true(ack.basic_ack.multiple);
    struct amqp_method nack = next_method(1, AMQP_BASIC_NACK);
    assert_int_equal(nack.basic_nack.delivery_tag, 6);
    assert_false(nack.basic_nack.multiple);
    assert_no_more_frames();
}

static void method_with_content_is_written(void **state)
{
    struct amqp_method get_ok = {.id = AMQP_BASIC_GET_OK,
                                 .basic_get_ok = {.delivery_tag = 1,
                                                  .exchange = bytes_of_text("x"),
                                                  .routing_key = bytes_of_text("key")}};
    (void)state;
    log_in();
    open_channel(1);
    apply((struct effect){.kind = EFFECT_METHOD,
                          .channel = 1,
                          .method = effect_method_new(&get_ok),
                          .message = message_of(bytes_of_text("got"))});
    turns();
    next_method(1, AMQP_BASIC_GET_OK);
    next_frame();
    assert_bytes_equal(next_frame().payload, bytes_of_text("got"));
}

static void after_a_channel_error_all_is_dropped_until_close_ok(void **state)
{
    struct amqp_method closing = {
        .id = AMQP_CHANNEL_CLOSE,
        .channel_close = {.reply_code = 404, .reply_text = bytes_of_text("NOT_FOUND - it")}};
    (void)state;
    log_in();
    open_channel(1);
    put_publish(1, "half");
    amqp_frame_write_header(&out, 1, 100, persistent);
    flush_out();
    apply_method(EFFECT_CHANNEL_ERROR, 1, &closing);
    turns();
    next_method(1, AMQP_CHANNEL_CLOSE);
    assert_int_equal(last_note, CONNECTION_NOTE_CHANNEL_ERROR);
    assert_string_equal(last_note_text, "channel 1: NOT_FOUND - it");
    amqp_frame_write_body(&out, 1, bytes_of_text("rest of the half"), 0);
    put_message(1, "lost", bytes_of_text("lost"), 0);
    put_method(1, &(struct amqp_method){.id = AMQP_BASIC_ACK, .basic_ack = {.delivery_tag = 1}});
    put_empty(1, AMQP_TX_SELECT);
    flush_out();
    assert_int_equal(command_count, 0);
    put_empty(1, AMQP_CHANNEL_CLOSE_OK);
    put_empty(1, AMQP_CHANNEL_OPEN);
    put_message(1, "new", bytes_of_text("new"), 0);
    flush_out();
    assert_int_equal(command_count, 3);
    assert_int_equal(commands[0].method->method.id, AMQP_CHANNEL_CLOSE_OK);
    assert_int_equal(commands[1].method->method.id, AMQP_CHANNEL_OPEN);
    assert_bytes_equal(message_body(commands[2].message), bytes_of_text("new"));
    /* The core's answer to the old channel does not touch the new one. */
    apply((struct effect){.kind = EFFECT_CHANNEL_CLOSED, .channel = 1});
    put_message(1, "newer", bytes_of_text("newer"), 0);
    flush_out();
    assert_int_equal(command_count, 4);
    assert_int_equal(commands[3].kind, COMMAND_PUBLISH);
}

static void connection_close_of_the_core(void **state)
{
    struct amqp_method closing = {
        .id = AMQP_CONNECTION_CLOSE,
        .connection_close = {.reply_code = 504, .reply_text = bytes_of_text("CHANNEL_ERROR - it")}};
    (void)state;
    log_in();
    open_channel(1);
    apply_method(EFFECT_CONNECTION_CLOSE, 0, &closing);
    turns();
    next_method(0, AMQP_CONNECTION_CLOSE);
    assert_int_equal(last_note, CONNECTION_NOTE_ERROR);
    assert_string_equal(last_note_text, "CHANNEL_ERROR - it");
    put_message(1, "lost", bytes_of_text("lost"), 0);
    put_method(0, &(struct amqp_method){.id = AMQP_CONNECTION_CLOSE});
    flush_out();
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].method->method.id, AMQP_CONNECTION_CLOSE);
    put_empty(0, AMQP_CONNECTION_CLOSE_OK);
    flush_out();
    assert_true(peer_sees_end());
    pass(2500);
    assert_int_equal(command_count, 2);
    assert_int_equal(commands[1].kind, COMMAND_SESSION_CLOSE);
    assert_non_null(connection);
    apply((struct effect){.kind = EFFECT_SESSION_CLOSED});
    turn();
    assert_null(connection);
}

static void close_ok_is_not_waited_for_for_ever(void **state)
{
    struct amqp_method closing = {.id = AMQP_CONNECTION_CLOSE};
    (void)state;
    log_in_with(5);
    apply_method(EFFECT_CONNECTION_CLOSE, 0, &closing);
    pass(4500);
    assert_int_equal(command_count, 0);
    pass(1000);
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_SESSION_CLOSE);
}

static void close_by_the_client_waits_for_its_end(void **state)
{
    (void)state;
    log_in();
    put_method(0, &(struct amqp_method){.id = AMQP_CONNECTION_CLOSE});
    flush_out();
    assert_int_equal(command_count, 1);
    apply_method(EFFECT_METHOD, 0, &(struct amqp_method){.id = AMQP_CONNECTION_CLOSE_OK});
    turns();
    next_method(0, AMQP_CONNECTION_CLOSE_OK);
    assert_false(peer_sees_end());
    last_note = CONNECTION_NOTE_ERROR;
    close(peer);
    peer = -1;
    turns();
    assert_int_equal(command_count, 2);
    assert_int_equal(commands[1].kind, COMMAND_SESSION_CLOSE);
    assert_int_equal(last_note, CONNECTION_NOTE_ERROR);
}

static void lost_socket_closes_the_session_once(void **state)
{
    struct message *message = message_of(bytes_of_text("late"));
    (void)state;
    log_in();
    open_channel(1);
    add_consumer(1, 0, "tag");
    put_message(1, "last", bytes_of_text("last words"), 0);
    flush_out();
    close(peer);
    peer = -1;
    turns();
    assert_int_equal(command_count, 2);
    assert_int_equal(commands[0].kind, COMMAND_PUBLISH);
    assert_int_equal(commands[1].kind, COMMAND_SESSION_CLOSE);
    assert_int_equal(last_note, CONNECTION_NOTE_WARNING);
    /* Effects that were on their way fall into the void. */
    deliver(1, 0, 1, message);
    assert_int_equal(atomic_load(&message->references), 1);
    apply((struct effect){.kind = EFFECT_READ_PAUSE});
    pass(60000);
    assert_non_null(connection);
    apply((struct effect){.kind = EFFECT_SESSION_CLOSED});
    turn();
    assert_null(connection);
    assert_int_equal(command_count, 2);
    message_unref(message);
}

/* Writing to it fails before all that it sent was read; that counts all the same. */
static void last_words_of_a_peer_that_reads_nothing(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    for (int i = 0; i < 3000; i++)
        put_message(1, "key", bytes_of_text("last words"), 0);
    for (size_t at = 0; at < out.size;) {
        ssize_t sent = send(peer, out.data + at, out.size - at, MSG_DONTWAIT);
        if (sent > 0)
            at += (size_t)sent;
        else
            event_base_loop(base, EVLOOP_NONBLOCK);
    }
    close(peer);
    peer = -1;
    apply((struct effect){.kind = EFFECT_ACK, .channel = 1, .tag = 1});
    connection_host_flush(&host);
    turns();
    assert_int_equal(command_count, 3001);
    assert_int_equal(commands[2999].kind, COMMAND_PUBLISH);
    assert_int_equal(commands[3000].kind, COMMAND_SESSION_CLOSE);
}

static void pause_stops_reading(void **state)
{
    (void)state;
    log_in();
    open_channel(1);
    apply((struct effect){.kind = EFFECT_READ_PAUSE});
    put_message(1, "key", bytes_of_text("later"), 0);
    flush_out();
    assert_int_equal(command_count, 0);
    apply((struct effect){.kind = EFFECT_READ_RESUME});
    turns();
    assert_int_equal(command_count, 1);
}

/* --- credit and backpressure */

static uint64_t credit_returned(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < command_count; i++) {
        if (commands[i].kind == COMMAND_CREDIT)
            sum += commands[i].tag;
    }
    return sum;
}

static void credit_returns_in_large_pieces(void **state)
{
    static const uint8_t body[1000];
    struct message *message = message_of(bytes_of(body, sizeof body));
    uint64_t cost = effect_deliver_cost(message), sum = 0;
    (void)state;
    log_in();
    open_channel(1);
    add_consumer(1, 0, "tag");
    while (sum + cost < settings.output_bytes / 4) {
        deliver(1, 0, 1, message);
        turn();
        sum += cost;
    }
    assert_int_equal(command_count, 0);
    deliver(1, 0, 2, message);
    turns();
    assert_int_equal(command_count, 1);
    assert_int_equal(credit_returned(), sum + cost);
    message_unref(message);
}

/* --- one that floods */

/* Heartbeats, as many as the socket takes. */
static void flood(void)
{
    static const uint8_t heartbeat[] = {AMQP_FRAME_HEARTBEAT, 0, 0, 0, 0, 0, 0, AMQP_FRAME_END};
    static uint8_t frames[65536 + sizeof heartbeat];
    static size_t sent;
    ssize_t size;
    for (size_t i = 0; i < sizeof frames; i++)
        frames[i] = heartbeat[i % sizeof heartbeat];
    while ((size = send(peer, frames + sent % sizeof heartbeat, 65536, MSG_DONTWAIT)) > 0)
        sent += (size_t)size;
}

/* Its bytes that a turn takes while so many others have something to say. */
static uint64_t flood_taken(const int *others, size_t count, const char *word)
{
    struct connection_status before, after;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(send(others[i], word, 1, MSG_DONTWAIT), 1);
    flood();
    connection_describe(connection, &before);
    event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
    connection_host_flush(&host);
    connection_host_end_turn(&host);
    connection_describe(connection, &after);
    return after.read_bytes - before.read_bytes;
}

static void a_flood_shares_the_turn_with_others(void **state)
{
    enum { OTHERS = 6, SHARE_BYTES = 64 * 1024 };
    struct connection *connections[OTHERS];
    int ours[2], theirs[OTHERS];
    (void)state;
    log_in();
    open_channel(1);
    for (size_t i = 0; i < OTHERS; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ours), 0);
        theirs[i] = ours[1];
        connections[i] = connection_new(&host, ours[0], NULL, 100 + i);
    }
    assert_true(flood_taken(NULL, 0, "") > SHARE_BYTES);
    flood_taken(theirs, OTHERS, "A");
    assert_in_range(flood_taken(theirs, OTHERS, "M"), 1, SHARE_BYTES);
    flood_taken(NULL, 0, "");
    assert_true(flood_taken(NULL, 0, "") > SHARE_BYTES);
    for (size_t i = 0; i < OTHERS; i++) {
        close(theirs[i]);
        connection_free(connections[i]);
    }
}

/* A peer that reads nothing: no credit comes back, and above the bound nothing is read from it. */
static void output_that_is_not_read_pauses_the_connection(void **state)
{
    static const uint8_t body[20000];
    struct message *message = message_of(bytes_of(body, sizeof body));
    uint64_t cost = effect_deliver_cost(message), sum = 0;
    struct connection_status status;
    (void)state;
    log_in();
    open_channel(1);
    add_consumer(1, 0, "tag");
    do {
        deliver(1, 0, 1, message);
        connection_host_flush(&host);
        sum += cost;
        connection_describe(connection, &status);
    } while (status.unwritten_bytes <= 4 * settings.output_bytes);
    on_submit(NULL, gate);
    assert_true(credit_returned() <= sum - 4 * settings.output_bytes);
    forget_commands();
    put_message(1, "key", bytes_of_text("waits"), 0);
    assert_int_equal(send(peer, out.data, out.size, MSG_DONTWAIT), out.size);
    buffer_fini(&out);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_true(batch == NULL || batch->count == 0);
    for (int i = 0; i < 500; i++)
        turn();
    connection_describe(connection, &status);
    assert_int_equal(status.unwritten_bytes, 0);
    assert_true(command_count > 1);
    assert_int_equal(atomic_load(&message->references), 1);
    bool has_publish = false;
    for (size_t i = 0; i < command_count; i++)
        has_publish = has_publish || commands[i].kind == COMMAND_PUBLISH;
    assert_true(has_publish);
    message_unref(message);
}

/* --- heartbeats */

static size_t count_heartbeats(void)
{
    size_t count = 0;
    while (received_at < received.size)
        count += next_frame().type == AMQP_FRAME_HEARTBEAT;
    return count;
}

static void heartbeats_are_sent_at_half_the_interval(void **state)
{
    (void)state;
    log_in_with(4);
    for (int i = 0; i < 10; i++) {
        pass(2000);
        send_bytes(BYTES("\x08\0\0\0\0\0\0\xce"));
    }
    turns();
    assert_int_equal(count_heartbeats(), 10);
}

static void no_heartbeat_while_something_is_sent(void **state)
{
    (void)state;
    log_in_with(4);
    open_channel(1);
    for (int i = 0; i < 20; i++) {
        pass(1000);
        apply((struct effect){.kind = EFFECT_ACK, .channel = 1, .tag = 1});
        send_bytes(BYTES("\x08\0\0\0\0\0\0\xce"));
    }
    turns();
    assert_int_equal(count_heartbeats(), 0);
}

static void silence_ends_the_connection(void **state)
{
    (void)state;
    log_in_with(4);
    pass(7500);
    assert_int_equal(command_count, 0);
    pass(1000);
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_SESSION_CLOSE);
    assert_true(peer_sees_end());
}

static void silence_of_a_paused_connection_is_our_own(void **state)
{
    (void)state;
    log_in_with(4);
    apply((struct effect){.kind = EFFECT_READ_PAUSE});
    pass(60000);
    assert_int_equal(command_count, 0);
    assert_in_range(count_heartbeats(), 29, 30);
    apply((struct effect){.kind = EFFECT_READ_RESUME});
    pass(12500);
    assert_int_equal(command_count, 1);
}

/* A peer that takes no output is not read, but has to show that it lives. */
static void fill_output(void)
{
    static const uint8_t body[20000];
    struct message *message = message_of(bytes_of(body, sizeof body));
    open_channel(1);
    add_consumer(1, 0, "tag");
    for (int i = 0; i < 100; i++) {
        deliver(1, 0, 1, message);
        connection_host_flush(&host);
    }
    message_unref(message);
    on_submit(NULL, gate);
    forget_commands();
}

static void pass_unread(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 500) {
        host.now_ms += 500;
        connection_host_tick(&host);
        event_base_loop(base, EVLOOP_NONBLOCK);
        connection_host_flush(&host);
    }
}

static void peer_that_reads_nothing_must_show_life(void **state)
{
    (void)state;
    log_in_with(4);
    fill_output();
    for (int i = 0; i < 10; i++) {
        assert_int_equal(send(peer, "\x08\0\0\0\0\0\0\xce", 8, MSG_DONTWAIT), 8);
        pass_unread(2000);
    }
    on_submit(NULL, gate);
    assert_int_equal(command_count, 0);
    pass_unread(13000);
    on_submit(NULL, gate);
    assert_int_equal(command_count, 1);
    assert_int_equal(commands[0].kind, COMMAND_SESSION_CLOSE);
}

static void no_heartbeats_without_an_interval(void **state)
{
    (void)state;
    log_in_with(0);
    pass(120000);
    assert_int_equal(command_count, 0);
    assert_no_more_frames();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(peers_on_this_machine_are_not_paced),
        TEST(handshake_step_by_step),
        TEST(old_protocol_header_is_accepted),
        TEST(wrong_protocol_header_is_answered_and_ends),
        TEST(refused_login_is_told_and_ends_after_the_delay),
        TEST(refused_login_without_capability_is_silent),
        TEST(malformed_login_is_silent),
        TEST(server_properties_are_those_of_the_configuration),
        TEST(challenge_and_response),
        TEST(pending_login_holds_the_input),
        TEST(pending_vhost_holds_the_input),
        TEST(missing_vhost_is_told),
        TEST(tunes_outside_the_offer_are_refused),
        TEST(frames_out_of_turn_are_refused_in_silence),
        TEST(frames_above_the_initial_limit_are_refused),
        TEST(slow_handshake_is_ended),
        TEST(very_many_timeouts_take_several_turns),
        TEST(open_connection_outlives_the_handshake_timeout),
        TEST(small_publish_is_one_command),
        TEST(acks_are_commands_of_their_own),
        TEST(body_frames_are_put_together),
        TEST(large_body_grows_as_it_arrives),
        TEST(contents_of_channels_interleave),
        TEST(input_may_be_split_anywhere),
        TEST(input_may_come_byte_by_byte),
        TEST(many_commands_are_submitted_in_between),
        TEST(frame_errors_go_through_the_core),
        TEST(close_ok_is_found_after_a_frame_error),
        TEST(method_amid_content_is_505),
        TEST(body_longer_than_announced_is_501),
        TEST(bad_end_of_a_partial_body_is_501),
        TEST(content_without_a_method_is_505),
        TEST(publish_on_an_unopened_channel_is_a_bare_method),
        TEST(malformed_names_are_501),
        TEST(too_large_message_fails_its_channel_only),
        TEST(too_large_message_in_one_piece),
        TEST(properties_are_limited),
        TEST(nesting_is_limited),
        TEST(nesting_of_arguments_is_limited),
        TEST(memory_of_much_output_is_given_back),
        TEST(delivery_is_three_frames),
        TEST(large_delivery_is_split_and_not_copied),
        TEST(confirms_are_written),
        TEST(method_with_content_is_written),
        TEST(after_a_channel_error_all_is_dropped_until_close_ok),
        TEST(connection_close_of_the_core),
        TEST(close_ok_is_not_waited_for_for_ever),
        TEST(close_by_the_client_waits_for_its_end),
        TEST(lost_socket_closes_the_session_once),
        TEST(last_words_of_a_peer_that_reads_nothing),
        TEST(pause_stops_reading),
        TEST(credit_returns_in_large_pieces),
        TEST(a_flood_shares_the_turn_with_others),
        TEST(output_that_is_not_read_pauses_the_connection),
        TEST(heartbeats_are_sent_at_half_the_interval),
        TEST(no_heartbeat_while_something_is_sent),
        TEST(silence_ends_the_connection),
        TEST(silence_of_a_paused_connection_is_our_own),
        TEST(peer_that_reads_nothing_must_show_life),
        TEST(no_heartbeats_without_an_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
