/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RAW_CLIENT_H
#define RAW_CLIENT_H

/* An AMQP client that does what it is told and nothing else: any bytes go out, every frame is seen,
 * nothing is answered by itself. The expectations fail the running cmocka test when something else
 * comes, naming the line of the test. Every client that a test opened is closed after it. */

#include "raw_codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long an answer may take before its absence is a failure; long for sanitizers and busy
 * machines. */
#define RAW_DEADLINE_MS 15000

#define RAW_METHOD_FRAME 1
#define RAW_HEADER_FRAME 2
#define RAW_BODY_FRAME 3
#define RAW_HEARTBEAT_FRAME 8

enum raw_outcome { RAW_FRAME, RAW_EOF, RAW_SILENCE };

struct raw_frame {
    uint8_t type;
    uint16_t channel;
    uint16_t class_id;  /* of a method or a content header, else 0 */
    uint16_t method_id; /* of a method, else 0 */
    struct raw_reader args;
};

/* A message that came by deliver, get-ok or return. Strings and body live until the next one is
 * read. */
struct raw_message {
    char consumer_tag[256];
    uint64_t delivery_tag;
    bool redelivered;
    char exchange[256];
    char routing_key[256];
    uint32_t message_count;
    uint16_t reply_code;
    char reply_text[256];
    uint16_t flags;
    uint8_t properties[131072];
    size_t properties_bytes;
    uint8_t *body; /* owned */
    size_t body_bytes;
    size_t body_frame_count;
};

struct raw_client;

/* What a login may do otherwise than usual; zero values are the usual. */
struct raw_login {
    const char *mechanism; /* PLAIN */
    const char *user;      /* guest */
    const char *password;  /* guest */
    const char *vhost;     /* / */
    bool no_capabilities;  /* announce no client capabilities */
    uint16_t channel_max;  /* what the server offers */
    uint32_t frame_max;    /* what the server offers */
    uint16_t heartbeat_s;  /* 0: none */
};

/* Connects to AMQP_HOST:AMQP_PORT; nothing is sent. */
struct raw_client *raw_connect(void);

/* What the client shows of itself to a TLS listener. */
struct raw_tls {
    const char *certificate_file; /* NULL: none */
    const char *key_file;
    const char *server_name; /* the SNI, NULL: none */
    int version;             /* TLS1_2_VERSION or TLS1_3_VERSION, 0: any */
    bool is_unverified;      /* accept any server certificate */
};

/* Connects to AMQP_HOST:AMQP_TLS_PORT and shakes hands; NULL when the handshake fails. */
struct raw_client *raw_connect_tls(const struct raw_tls *tls);

/* The common name of the certificate that the broker showed. */
void raw_server_name(const struct raw_client *c, char name[256]);

/* Connects a plain socket to AMQP_TLS_PORT. */
struct raw_client *raw_connect_plain_to_tls(void);

/* Connects, logs in and opens channel 1. */
struct raw_client *raw_open(void);
struct raw_client *raw_open_with(const struct raw_login *login);

/* The handshake on a connected client, up to and including open-ok. */
void raw_log_in(struct raw_client *c, const struct raw_login *login);

/* The first steps of it: header and start; start-ok with a mechanism and response; tune read. */
void raw_start(struct raw_client *c);
void raw_start_ok(struct raw_client *c, bool has_capabilities, const char *mechanism,
                  const void *response, size_t response_bytes);
void raw_start_ok_plain(struct raw_client *c, const struct raw_login *login);
void raw_read_tune(struct raw_client *c, uint16_t *channel_max, uint32_t *frame_max,
                   uint16_t *heartbeat_s);
void raw_tune_ok(struct raw_client *c, uint16_t channel_max, uint32_t frame_max,
                 uint16_t heartbeat_s);

void raw_open_channel(struct raw_client *c, uint16_t channel);

/* Closes the connection by connection.close and waits for close-ok and the end. */
void raw_close(struct raw_client *c);

/* Ends the socket at once; with a reset when `is_reset`. */
void raw_drop(struct raw_client *c, bool is_reset);

/* Ends whatever the test left open. */
void raw_drop_all(void);

/* Sends. A peer that has closed already is not a failure here: what comes back is what is tested.
 */
void raw_send(struct raw_client *c, const void *data, size_t bytes);
void raw_send_frame(struct raw_client *c, uint8_t type, uint16_t channel, const void *payload,
                    size_t bytes);
void raw_method(struct raw_client *c, uint16_t channel, uint16_t class_id, uint16_t method_id,
                const char *format, ...);
void raw_header(struct raw_client *c, uint16_t channel, uint64_t body_bytes,
                const struct raw_properties *properties);
void raw_body(struct raw_client *c, uint16_t channel, const void *data, size_t bytes);

/* Between these two everything sent is gathered and leaves in one write: a pipelining client. */
void raw_gather(struct raw_client *c);
void raw_flush(struct raw_client *c);

/* What is gathered so far, for a test that spoils it before it leaves. */
uint8_t *raw_gathered(struct raw_client *c, size_t *bytes);

/* The frame_max that was agreed: how raw_publish splits bodies. */
uint32_t raw_frame_max(const struct raw_client *c);

/* The server properties of connection.start, kept from the login. */
struct raw_slice raw_server_properties(const struct raw_client *c);

/* The socket, for tests of half-open connections. */
int raw_socket(const struct raw_client *c);

/* Reads one frame, heartbeats included, within the deadline. */
enum raw_outcome raw_read_frame(struct raw_client *c, int deadline_ms);
const struct raw_frame *raw_last_frame(const struct raw_client *c);
const struct raw_message *raw_last_message(const struct raw_client *c);

/* Reads what is there as bytes, up to `bytes_max`, until the deadline, the end or enough. */
size_t raw_read_bytes(struct raw_client *c, void *data, size_t bytes_max, int deadline_ms);

/* Milliseconds of a clock that only moves forward. */
int64_t raw_now_ms(void);

/* --- expectations; each fails the test with the file and line of its caller */

void raw_at(const char *file, int line);
/* What a failure names besides its line: the row of a table that one case walks; NULL for nothing.
 */
void raw_note(const char *note);
#define RAW_HERE(call) (raw_at(__FILE__, __LINE__), call)

/* The next frame but heartbeats is this method; its arguments follow from raw_args. */
#define raw_expect(c, channel, class_id, method_id)                                                \
    RAW_HERE(raw_expect_(c, channel, class_id, method_id))
/* The next frame but heartbeats is some method; gives class_id << 16 | method_id. */
#define raw_expect_any(c) RAW_HERE(raw_expect_any_(c))
/* Reads the arguments of the last method, all of them. */
#define raw_args(c, ...) RAW_HERE(raw_args_(c, __VA_ARGS__))
/* channel.close or connection.close with exactly this; the channel's is answered by close-ok, and
 * the connection's as well, after which the end of the stream must come. */
#define raw_expect_channel_close(c, channel, code, text, class_id, method_id)                      \
    RAW_HERE(raw_expect_channel_close_(c, channel, code, text, class_id, method_id))
#define raw_expect_connection_close(c, code, text, class_id, method_id)                            \
    RAW_HERE(raw_expect_connection_close_(c, code, text, class_id, method_id))
/* The end of the stream, by close or reset, with no frame but heartbeats before it. */
#define raw_expect_eof(c, deadline_ms) RAW_HERE(raw_expect_eof_(c, deadline_ms))
/* connection.close with this code or, for a broker that only hangs up, the end of the stream. */
#define raw_expect_hard_error(c) RAW_HERE(raw_expect_hard_error_(c))
/* Nothing arrives before the answer to a round trip on this channel does. */
#define raw_expect_nothing(c, channel) RAW_HERE(raw_expect_nothing_(c, channel))
/* deliver, get-ok, get-empty and return, with their content. */
#define raw_expect_deliver(c, channel) RAW_HERE(raw_expect_deliver_(c, channel))
#define raw_expect_get_ok(c, channel) RAW_HERE(raw_expect_get_ok_(c, channel))
#define raw_expect_return(c, channel) RAW_HERE(raw_expect_return_(c, channel))
/* The content that follows a deliver, get-ok or return read by raw_expect_any. */
#define raw_expect_content(c, channel) RAW_HERE(raw_expect_content_(c, channel))
#define raw_expect_login_refused(c) RAW_HERE(raw_expect_login_refused_(c))

void raw_expect_(struct raw_client *c, uint16_t channel, uint16_t class_id, uint16_t method_id);
uint32_t raw_expect_any_(struct raw_client *c);
void raw_args_(struct raw_client *c, const char *format, ...);
void raw_expect_channel_close_(struct raw_client *c, uint16_t channel, uint16_t code,
                               const char *text, uint16_t class_id, uint16_t method_id);
void raw_expect_connection_close_(struct raw_client *c, uint16_t code, const char *text,
                                  uint16_t class_id, uint16_t method_id);
void raw_expect_eof_(struct raw_client *c, int deadline_ms);
void raw_expect_hard_error_(struct raw_client *c);
void raw_expect_nothing_(struct raw_client *c, uint16_t channel);
const struct raw_message *raw_expect_deliver_(struct raw_client *c, uint16_t channel);
const struct raw_message *raw_expect_get_ok_(struct raw_client *c, uint16_t channel);
const struct raw_message *raw_expect_return_(struct raw_client *c, uint16_t channel);
void raw_expect_content_(struct raw_client *c, uint16_t channel);
void raw_expect_login_refused_(struct raw_client *c);

#endif
