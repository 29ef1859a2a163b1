/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AMQP client of the socket tests.
 *
 * A client library hides what these tests are about: it answers closes, swallows heartbeats,
 * refuses to send what is wrong. This one sends what it is given and shows each frame that comes.
 * It is synchronous: a test is a line of sends and expectations, and each expectation has a
 * deadline instead of a sleep, so a broker that stays silent fails the test and one that is slow
 * does not.
 *
 * The bytes of the last frame stay in the input buffer until the next read; slices and readers
 * point there. Clients are in one list, so that a test which fails half-way (cmocka leaves by
 * longjmp) still gives its sockets back.
 */
#include "raw_client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define METHOD_ID(class_id, method_id) ((uint32_t)(class_id) << 16 | (method_id))

struct raw_client {
    int fd;
    SSL *tls; /* owned, NULL on a plain connection */
    struct raw_client *next;
    uint8_t *in; /* owned */
    size_t in_bytes;
    size_t in_bytes_max;
    size_t consumed_bytes; /* of the last frame, dropped at the next read */
    uint8_t *out;          /* owned; what raw_gather holds back */
    size_t out_bytes;
    size_t out_bytes_max;
    bool is_gathering;
    bool is_open; /* logged in, and not known to be closed */
    uint32_t frame_bytes_max;
    struct raw_frame frame;
    uint8_t *server_properties; /* owned */
    size_t server_properties_bytes;
    struct raw_message message;
};

static struct raw_client *clients; /* every client that is not dropped yet */
static SSL_CTX *tls_context;       /* owned, made at first use */

static const char *here_file = "?";
static int here_line;
static const char *note;

void raw_at(const char *file, int line)
{
    here_file = file;
    here_line = line;
}

void raw_note(const char *text)
{
    note = text;
}

#define FAIL(...)                                                                                  \
    do {                                                                                           \
        if (note != NULL)                                                                          \
            print_error("%s: ", note);                                                             \
        print_error(__VA_ARGS__);                                                                  \
        print_error("\n");                                                                         \
        _fail(here_file, here_line);                                                               \
    } while (0)

int64_t raw_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value != NULL && *value != '\0' ? value : otherwise;
}

static int connect_to(const char *port)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *address = NULL;
    int fd = -1;
    int one = 1;
    struct timeval patience = {.tv_sec = RAW_DEADLINE_MS / 1000};

    if (getaddrinfo(environment("AMQP_HOST", "127.0.0.1"), port, &hints, &address) == 0) {
        fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
        freeaddrinfo(address);
    }
    if (fd < 0)
        FAIL("cannot connect to port %s: %s", port, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
}

static struct raw_client *client_new(int fd)
{
    struct raw_client *c = calloc(1, sizeof *c);

    assert_non_null(c);
    c->fd = fd;
    c->frame_bytes_max = 131072;
    c->next = clients;
    clients = c;
    return c;
}

struct raw_client *raw_connect(void)
{
    return client_new(connect_to(environment("AMQP_PORT", "5672")));
}

struct raw_client *raw_connect_plain_to_tls(void)
{
    return client_new(connect_to(environment("AMQP_TLS_PORT", "5671")));
}

static SSL *tls_new(const struct raw_tls *options)
{
    if (tls_context == NULL) {
        tls_context = SSL_CTX_new(TLS_client_method());
        assert_non_null(tls_context);
        assert_int_equal(SSL_CTX_load_verify_locations(tls_context, getenv("AMQP_CA_FILE"), NULL),
                         1);
    }
    SSL *tls = SSL_new(tls_context);
    assert_non_null(tls);
    SSL_set_verify(tls, options->is_unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (!options->is_unverified)
        SSL_set1_host(tls, "localhost");
    if (options->version != 0) {
        SSL_set_min_proto_version(tls, options->version);
        SSL_set_max_proto_version(tls, options->version);
    }
    if (options->server_name != NULL)
        SSL_set_tlsext_host_name(tls, options->server_name);
    if (options->certificate_file != NULL) {
        assert_int_equal(SSL_use_certificate_chain_file(tls, options->certificate_file), 1);
        assert_int_equal(SSL_use_PrivateKey_file(tls, options->key_file, SSL_FILETYPE_PEM), 1);
    }
    return tls;
}

struct raw_client *raw_connect_tls(const struct raw_tls *options)
{
    struct raw_client *c = raw_connect_plain_to_tls();

    c->tls = tls_new(options);
    SSL_set_fd(c->tls, c->fd);
    if (SSL_connect(c->tls) == 1)
        return c;
    ERR_clear_error();
    raw_drop(c, false);
    return NULL;
}

void raw_server_name(const struct raw_client *c, char name[256])
{
    X509 *certificate = SSL_get1_peer_certificate(c->tls);

    assert_non_null(certificate);
    assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                          256) > 0);
    X509_free(certificate);
}

void raw_drop(struct raw_client *c, bool is_reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    struct raw_client **link = &clients;

    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    if (is_reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    SSL_free(c->tls);
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c->server_properties);
    free(c->message.body);
    free(c);
}

/* Reads away what comes until the broker has answered close, which it does after deleting what was
 * exclusive. */
static void await_close_ok(struct raw_client *c)
{
    int64_t deadline_ms = raw_now_ms() + 3000;

    while (raw_now_ms() < deadline_ms) {
        if (raw_read_frame(c, (int)(deadline_ms - raw_now_ms())) != RAW_FRAME)
            return;
        if (c->frame.class_id == 10 && (c->frame.method_id == 51 || c->frame.method_id == 50))
            return;
    }
}

void raw_drop_all(void)
{
    while (clients != NULL) {
        struct raw_client *c = clients;
        if (c->is_open) {
            c->is_open = false; /* a failure below must not come back here */
            raw_method(c, 0, 10, 50, "wsww", 200, "done", 0, 0);
            await_close_ok(c);
        }
        raw_drop(c, false);
    }
}

int raw_socket(const struct raw_client *c)
{
    return c->fd;
}

uint32_t raw_frame_max(const struct raw_client *c)
{
    return c->frame_bytes_max;
}

/* --- sending */

static void send_now(struct raw_client *c, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t sent;
        if (c->tls != NULL)
            sent = SSL_write(c->tls, data, bytes > 16384 ? 16384 : (int)bytes);
        else
            sent = send(c->fd, data, bytes, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data += sent;
        bytes -= (size_t)sent;
    }
}

void raw_send(struct raw_client *c, const void *data, size_t bytes)
{
    if (!c->is_gathering) {
        send_now(c, data, bytes);
        return;
    }
    if (c->out_bytes + bytes > c->out_bytes_max) {
        c->out_bytes_max = (c->out_bytes + bytes) * 2;
        c->out = realloc(c->out, c->out_bytes_max);
        assert_non_null(c->out);
    }
    memcpy(c->out + c->out_bytes, data, bytes);
    c->out_bytes += bytes;
}

void raw_gather(struct raw_client *c)
{
    c->is_gathering = true;
}

void raw_flush(struct raw_client *c)
{
    c->is_gathering = false;
    send_now(c, c->out, c->out_bytes);
    c->out_bytes = 0;
}

uint8_t *raw_gathered(struct raw_client *c, size_t *bytes)
{
    *bytes = c->out_bytes;
    return c->out;
}

void raw_send_frame(struct raw_client *c, uint8_t type, uint16_t channel, const void *payload,
                    size_t bytes)
{
    uint8_t *data = malloc(bytes + 8);
    struct raw_writer w = {.data = data, .bytes_max = bytes + 8};

    assert_non_null(data);
    raw_write(&w, "owl", type, channel, (unsigned)bytes);
    raw_write_bytes(&w, payload, bytes);
    raw_write(&w, "o", 0xce);
    raw_send(c, data, w.bytes);
    free(data);
}

void raw_method(struct raw_client *c, uint16_t channel, uint16_t class_id, uint16_t method_id,
                const char *format, ...)
{
    uint8_t data[3 * RAW_TABLE_BYTES_MAX];
    struct raw_writer w = {.data = data, .bytes_max = sizeof data};
    va_list list;

    raw_write(&w, "ww", class_id, method_id);
    va_start(list, format);
    raw_write_list(&w, format, list);
    va_end(list);
    raw_send_frame(c, RAW_METHOD_FRAME, channel, data, w.bytes);
}

void raw_header(struct raw_client *c, uint16_t channel, uint64_t body_bytes,
                const struct raw_properties *properties)
{
    uint8_t data[sizeof properties->data + 14];
    struct raw_writer w = {.data = data, .bytes_max = sizeof data};

    raw_write(&w, "wwLw", 60, 0, body_bytes, properties == NULL ? 0 : properties->flags);
    if (properties != NULL)
        raw_write_bytes(&w, properties->data, properties->bytes);
    raw_send_frame(c, RAW_HEADER_FRAME, channel, data, w.bytes);
}

void raw_body(struct raw_client *c, uint16_t channel, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    size_t piece_max = c->frame_bytes_max - 8;

    while (bytes > 0) {
        size_t piece = bytes < piece_max ? bytes : piece_max;
        raw_send_frame(c, RAW_BODY_FRAME, channel, at, piece);
        at += piece;
        bytes -= piece;
    }
}

/* --- receiving */

/* Waits for bytes and appends them. RAW_FRAME here means that some came. */
static enum raw_outcome receive(struct raw_client *c, int64_t deadline_ms)
{
    struct pollfd poll_fd = {.fd = c->fd, .events = POLLIN};
    int64_t left_ms = deadline_ms - raw_now_ms();
    bool has_pending = c->tls != NULL && SSL_pending(c->tls) > 0;
    ssize_t got;

    if (!has_pending && poll(&poll_fd, 1, left_ms > 0 ? (int)left_ms : 0) <= 0)
        return RAW_SILENCE;
    if (c->in_bytes_max - c->in_bytes < 65536) {
        c->in_bytes_max = c->in_bytes_max * 2 + 65536;
        c->in = realloc(c->in, c->in_bytes_max);
        assert_non_null(c->in);
    }
    if (c->tls != NULL) {
        got = SSL_read(c->tls, c->in + c->in_bytes, 65536);
        ERR_clear_error();
    } else {
        got = recv(c->fd, c->in + c->in_bytes, c->in_bytes_max - c->in_bytes, 0);
    }
    if (got <= 0)
        return RAW_EOF;
    c->in_bytes += (size_t)got;
    return RAW_FRAME;
}

static void drop_consumed(struct raw_client *c)
{
    c->in_bytes -= c->consumed_bytes;
    if (c->consumed_bytes > 0 && c->in_bytes > 0)
        memmove(c->in, c->in + c->consumed_bytes, c->in_bytes);
    c->consumed_bytes = 0;
}

static uint32_t load_long(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static void open_frame(struct raw_client *c, uint32_t payload_bytes)
{
    struct raw_frame *frame = &c->frame;

    if (c->in[7 + payload_bytes] != 0xce)
        FAIL("the broker sent a frame without its end marker");
    if (payload_bytes > c->frame_bytes_max - 8)
        FAIL("the broker sent a frame of %u bytes over the frame_max", payload_bytes);
    frame->type = c->in[0];
    frame->channel = (uint16_t)(c->in[1] << 8 | c->in[2]);
    frame->class_id = 0;
    frame->method_id = 0;
    frame->args = (struct raw_reader){.data = c->in + 7, .bytes = payload_bytes};
    if (frame->type == RAW_METHOD_FRAME)
        raw_read(&frame->args, "ww", &frame->class_id, &frame->method_id);
    else if (frame->type == RAW_HEADER_FRAME)
        raw_read(&frame->args, "ww", &frame->class_id, NULL);
    c->consumed_bytes = payload_bytes + 8;
}

enum raw_outcome raw_read_frame(struct raw_client *c, int deadline_ms)
{
    int64_t deadline = raw_now_ms() + deadline_ms;

    drop_consumed(c);
    for (;;) {
        if (c->in_bytes >= 7) {
            uint32_t payload_bytes = load_long(c->in + 3);
            if (payload_bytes > 1u << 24)
                FAIL("the broker sent a frame of %u bytes", payload_bytes);
            if (c->in_bytes >= payload_bytes + 8) {
                open_frame(c, payload_bytes);
                return RAW_FRAME;
            }
        }
        enum raw_outcome outcome = receive(c, deadline);
        if (outcome == RAW_EOF)
            c->is_open = false;
        if (outcome != RAW_FRAME)
            return outcome;
    }
}

size_t raw_read_bytes(struct raw_client *c, void *data, size_t bytes_max, int deadline_ms)
{
    int64_t deadline = raw_now_ms() + deadline_ms;

    drop_consumed(c);
    while (c->in_bytes < bytes_max)
        if (receive(c, deadline) != RAW_FRAME)
            break;
    size_t bytes = c->in_bytes < bytes_max ? c->in_bytes : bytes_max;
    memcpy(data, c->in, bytes);
    c->consumed_bytes = bytes;
    return bytes;
}

const struct raw_frame *raw_last_frame(const struct raw_client *c)
{
    return &c->frame;
}

const struct raw_message *raw_last_message(const struct raw_client *c)
{
    return &c->message;
}

struct raw_slice raw_server_properties(const struct raw_client *c)
{
    return (struct raw_slice){c->server_properties, c->server_properties_bytes};
}

/* --- expectations */

/* What came, for the message of a failure. */
static const char *describe_frame(const struct raw_frame *frame)
{
    static char text[512];
    uint16_t code = 0;
    char reason[256] = "";
    struct raw_reader args = frame->args;
    bool is_close = (frame->class_id == 10 && frame->method_id == 50) ||
                    (frame->class_id == 20 && frame->method_id == 40);

    if (frame->type == RAW_METHOD_FRAME && is_close)
        raw_read(&args, "ws", &code, reason);
    snprintf(text, sizeof text, "frame type %u, channel %u, class %u, method %u %u %s", frame->type,
             frame->channel, frame->class_id, frame->method_id, code, reason);
    return text;
}

static void next_frame(struct raw_client *c)
{
    do {
        switch (raw_read_frame(c, RAW_DEADLINE_MS)) {
        case RAW_EOF:
            FAIL("the broker closed the socket where a frame was expected");
            break;
        case RAW_SILENCE:
            FAIL("the broker stayed silent where a frame was expected");
            break;
        case RAW_FRAME:
            break;
        }
    } while (c->frame.type == RAW_HEARTBEAT_FRAME);
}

void raw_expect_(struct raw_client *c, uint16_t channel, uint16_t class_id, uint16_t method_id)
{
    next_frame(c);
    if (c->frame.type != RAW_METHOD_FRAME || c->frame.channel != channel ||
        c->frame.class_id != class_id || c->frame.method_id != method_id)
        FAIL("expected method %u.%u on channel %u, got %s", class_id, method_id, channel,
             describe_frame(&c->frame));
}

uint32_t raw_expect_any_(struct raw_client *c)
{
    next_frame(c);
    if (c->frame.type != RAW_METHOD_FRAME)
        FAIL("expected a method, got %s", describe_frame(&c->frame));
    return METHOD_ID(c->frame.class_id, c->frame.method_id);
}

void raw_args_(struct raw_client *c, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    bool is_whole = raw_read_list(&c->frame.args, format, list);
    va_end(list);
    if (!is_whole || c->frame.args.at != c->frame.args.bytes)
        FAIL("the arguments of method %u.%u do not read as \"%s\"", c->frame.class_id,
             c->frame.method_id, format);
}

/* Texts are compared as RabbitMQ sends them: no longer than 255 bytes. */
static void check_close(struct raw_client *c, uint16_t code, const char *text, uint16_t class_id,
                        uint16_t method_id)
{
    uint16_t got_code = 0, got_class_id = 0, got_method_id = 0;
    char got_text[256] = "";

    raw_args_(c, "wsww", &got_code, got_text, &got_class_id, &got_method_id);
    if (got_code != code || (text != NULL && strcmp(got_text, text) != 0) ||
        got_class_id != class_id || got_method_id != method_id)
        FAIL("expected a close with %u \"%s\" %u.%u\n      but it came with %u \"%s\" %u.%u", code,
             text == NULL ? "(any)" : text, class_id, method_id, got_code, got_text, got_class_id,
             got_method_id);
}

void raw_expect_channel_close_(struct raw_client *c, uint16_t channel, uint16_t code,
                               const char *text, uint16_t class_id, uint16_t method_id)
{
    raw_expect_(c, channel, 20, 40);
    check_close(c, code, text, class_id, method_id);
    raw_method(c, channel, 20, 41, "");
}

void raw_expect_connection_close_(struct raw_client *c, uint16_t code, const char *text,
                                  uint16_t class_id, uint16_t method_id)
{
    raw_expect_(c, 0, 10, 50);
    check_close(c, code, text, class_id, method_id);
    raw_method(c, 0, 10, 51, "");
    raw_expect_eof_(c, RAW_DEADLINE_MS);
}

void raw_expect_eof_(struct raw_client *c, int deadline_ms)
{
    int64_t deadline = raw_now_ms() + deadline_ms;
    enum raw_outcome outcome;

    do {
        int64_t left_ms = deadline - raw_now_ms();
        outcome = raw_read_frame(c, left_ms > 0 ? (int)left_ms : 0);
    } while (outcome == RAW_FRAME && c->frame.type == RAW_HEARTBEAT_FRAME);
    if (outcome == RAW_FRAME)
        FAIL("expected the end of the stream, got %s", describe_frame(&c->frame));
    if (outcome == RAW_SILENCE)
        FAIL("the broker did not close the socket within %d ms", deadline_ms);
}

void raw_expect_hard_error_(struct raw_client *c)
{
    enum raw_outcome outcome;

    do {
        outcome = raw_read_frame(c, RAW_DEADLINE_MS);
    } while (outcome == RAW_FRAME && c->frame.type == RAW_HEARTBEAT_FRAME);
    if (outcome == RAW_SILENCE)
        FAIL("the broker neither answered nor closed the socket");
    if (outcome == RAW_EOF)
        return;
    if (c->frame.class_id != 10 || c->frame.method_id != 50)
        FAIL("expected connection.close, got %s", describe_frame(&c->frame));
    raw_method(c, 0, 10, 51, "");
    raw_expect_eof_(c, RAW_DEADLINE_MS);
}

void raw_expect_nothing_(struct raw_client *c, uint16_t channel)
{
    raw_method(c, channel, 20, 20, "1", 1);
    raw_expect_(c, channel, 20, 21);
}

void raw_expect_content_(struct raw_client *c, uint16_t channel)
{
    struct raw_message *message = &c->message;
    uint64_t body_bytes = 0;
    uint16_t weight = 0;

    next_frame(c);
    if (c->frame.type != RAW_HEADER_FRAME || c->frame.channel != channel || c->frame.class_id != 60)
        FAIL("expected a content header, got %s", describe_frame(&c->frame));
    c->frame.args.at = 2;
    raw_read(&c->frame.args, "wLw", &weight, &body_bytes, &message->flags);
    if (weight != 0 || body_bytes > 1u << 30 || c->frame.args.failed)
        FAIL("a malformed content header");
    message->properties_bytes = c->frame.args.bytes - c->frame.args.at;
    memcpy(message->properties, c->frame.args.data + c->frame.args.at, message->properties_bytes);
    free(message->body);
    message->body = calloc(1, body_bytes + 1);
    assert_non_null(message->body);
    message->body_bytes = 0;
    message->body_frame_count = 0;
    while (message->body_bytes < body_bytes) {
        next_frame(c);
        size_t bytes = c->frame.args.bytes;
        if (c->frame.type != RAW_BODY_FRAME || c->frame.channel != channel)
            FAIL("expected a content body, got %s", describe_frame(&c->frame));
        if (bytes == 0 || bytes > body_bytes - message->body_bytes)
            FAIL("a content body frame of %zu bytes with %llu left", bytes,
                 (unsigned long long)(body_bytes - message->body_bytes));
        memcpy(message->body + message->body_bytes, c->frame.args.data, bytes);
        message->body_bytes += bytes;
        message->body_frame_count++;
    }
}

const struct raw_message *raw_expect_deliver_(struct raw_client *c, uint16_t channel)
{
    struct raw_message *m = &c->message;

    raw_expect_(c, channel, 60, 60);
    raw_args_(c, "sL1ss", m->consumer_tag, &m->delivery_tag, &m->redelivered, m->exchange,
              m->routing_key);
    raw_expect_content_(c, channel);
    return m;
}

const struct raw_message *raw_expect_get_ok_(struct raw_client *c, uint16_t channel)
{
    struct raw_message *m = &c->message;

    raw_expect_(c, channel, 60, 71);
    raw_args_(c, "L1ssl", &m->delivery_tag, &m->redelivered, m->exchange, m->routing_key,
              &m->message_count);
    raw_expect_content_(c, channel);
    return m;
}

const struct raw_message *raw_expect_return_(struct raw_client *c, uint16_t channel)
{
    struct raw_message *m = &c->message;

    raw_expect_(c, channel, 60, 50);
    raw_args_(c, "wsss", &m->reply_code, m->reply_text, m->exchange, m->routing_key);
    raw_expect_content_(c, channel);
    return m;
}

/* A silent refusal comes after about 3 s, so that nobody tries secrets quickly. */
void raw_expect_login_refused_(struct raw_client *c)
{
    int64_t start_ms = raw_now_ms();

    raw_expect_eof_(c, RAW_DEADLINE_MS);
    if (raw_now_ms() - start_ms < 1000)
        FAIL("the refusal came at once: an attacker could try many secrets");
}

/* --- the handshake */

void raw_start(struct raw_client *c)
{
    uint8_t version_major = 255, version_minor = 255;
    struct raw_slice properties, mechanisms, locales;

    raw_send(c, "AMQP\0\0\x09\x01", 8);
    raw_expect_(c, 0, 10, 10);
    raw_args_(c, "ooTSS", &version_major, &version_minor, &properties, &mechanisms, &locales);
    if (version_major != 0 || version_minor != 9)
        FAIL("connection.start says version %u.%u", version_major, version_minor);
    free(c->server_properties);
    c->server_properties = malloc(properties.bytes + 1);
    assert_non_null(c->server_properties);
    memcpy(c->server_properties, properties.data, properties.bytes);
    c->server_properties_bytes = properties.bytes;
}

void raw_start_ok(struct raw_client *c, bool has_capabilities, const char *mechanism,
                  const void *response, size_t response_bytes)
{
    uint8_t data[8 * RAW_TABLE_BYTES_MAX];
    struct raw_writer w = {.data = data, .bytes_max = sizeof data};
    struct raw_table capabilities =
        raw_table("tttttt", "authentication_failure_close", 1, "consumer_cancel_notify", 1,
                  "connection.blocked", 1, "publisher_confirms", 1, "basic.nack", 1,
                  "exchange_exchange_bindings", 1);
    struct raw_table with = raw_table("SF", "product", "tests", "capabilities", &capabilities);
    struct raw_table without = raw_table("S", "product", "tests");

    raw_write(&w, "wwTsl", 10, 11, has_capabilities ? &with : &without, mechanism,
              (unsigned)response_bytes);
    raw_write_bytes(&w, response, response_bytes);
    raw_write(&w, "s", "en_US");
    raw_send_frame(c, RAW_METHOD_FRAME, 0, data, w.bytes);
}

void raw_start_ok_plain(struct raw_client *c, const struct raw_login *login)
{
    char response[600];
    int bytes = snprintf(response, sizeof response, "%c%s%c%s", 0,
                         login->user == NULL ? "guest" : login->user, 0,
                         login->password == NULL ? "guest" : login->password);

    raw_start_ok(c, !login->no_capabilities, login->mechanism == NULL ? "PLAIN" : login->mechanism,
                 response, (size_t)bytes);
}

void raw_read_tune(struct raw_client *c, uint16_t *channel_max, uint32_t *frame_max,
                   uint16_t *heartbeat_s)
{
    raw_expect_(c, 0, 10, 30);
    raw_args_(c, "wlw", channel_max, frame_max, heartbeat_s);
}

void raw_tune_ok(struct raw_client *c, uint16_t channel_max, uint32_t frame_max,
                 uint16_t heartbeat_s)
{
    raw_method(c, 0, 10, 31, "wlw", channel_max, frame_max, heartbeat_s);
    if (frame_max >= 4096)
        c->frame_bytes_max = frame_max;
}

void raw_log_in(struct raw_client *c, const struct raw_login *login)
{
    uint16_t channel_max = 0;
    uint32_t frame_max = 0;

    raw_start(c);
    raw_start_ok_plain(c, login);
    raw_read_tune(c, &channel_max, &frame_max, NULL);
    raw_tune_ok(c, login->channel_max == 0 ? channel_max : login->channel_max,
                login->frame_max == 0 ? frame_max : login->frame_max, login->heartbeat_s);
    raw_method(c, 0, 10, 40, "ss1", login->vhost == NULL ? "/" : login->vhost, "", 0);
    raw_expect_(c, 0, 10, 41);
    raw_args_(c, "s", NULL);
    c->is_open = true;
}

void raw_open_channel(struct raw_client *c, uint16_t channel)
{
    raw_method(c, channel, 20, 10, "s", "");
    raw_expect_(c, channel, 20, 11);
    raw_args_(c, "S", NULL);
}

struct raw_client *raw_open_with(const struct raw_login *login)
{
    struct raw_client *c = raw_connect();

    raw_log_in(c, login);
    raw_open_channel(c, 1);
    return c;
}

struct raw_client *raw_open(void)
{
    static const struct raw_login usual;

    return raw_open_with(&usual);
}

void raw_close(struct raw_client *c)
{
    raw_method(c, 0, 10, 50, "wsww", 200, "done", 0, 0);
    raw_expect_(c, 0, 10, 51);
    raw_drop(c, false);
}
