/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the first byte to open-ok: protocol headers, start, SASL, tune, open, and the ways a login
 * is refused.
 *
 * A refusal without a word is closed by the broker after about three seconds, so those cases run
 * side by side on one connection each: the table costs what one row costs.
 */
#include "broker_test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct raw_login usual;

/* --- the protocol header */

struct header_row {
    const char *name;
    const char *data;
    size_t bytes;
};

static const struct header_row wrong_headers[] = {
    {"header_http_get_is_answered_by_ours", "GET / HTTP/1.1\r\n\r\n", 18},
    {"header_amqp_1_0_is_answered_by_ours", "AMQP\0\1\0\0", 8},
    {"header_amqp_1_0_sasl_is_answered_by_ours", "AMQP\3\1\0\0", 8},
    {"header_0_9_0_is_answered_by_ours", "AMQP\0\0\x09\0", 8},
    {"header_0_10_is_answered_by_ours", "AMQP\1\1\0\x0a", 8},
    {"header_zeros_are_answered_by_ours", "\0\0\0\0\0\0\0\0", 8},
    {"header_tls_hello_is_answered_by_ours", "\x16\3\1\0\xa5\1\0\0\xa1\3\3", 11},
    {"header_lower_case_is_answered_by_ours", "amqp\0\0\x09\1", 8},
};

static void wrong_header(const void *row)
{
    const struct header_row *header = row;
    struct raw_client *c = raw_connect();
    uint8_t answer[8];

    raw_send(c, header->data, header->bytes);
    assert_int_equal(raw_read_bytes(c, answer, sizeof answer, RAW_DEADLINE_MS), 8);
    assert_memory_equal(answer, "AMQP\0\0\x09\1", 8);
    raw_expect_eof(c, RAW_DEADLINE_MS);
}

static void header_byte_by_byte_is_accepted(const void *row)
{
    struct raw_client *c = raw_connect();

    (void)row;
    for (size_t i = 0; i < 8; i++)
        raw_send(c, &"AMQP\0\0\x09\1"[i], 1);
    raw_expect(c, 0, 10, 10);
}

/* RabbitMQ up to 3.13 starts, and speaks 0-8. */
static void header_of_0_8_is_answered_by_ours(const void *row)
{
    static const struct header_row header = {"", "AMQP\1\1\x08\0", 8};
    (void)row;
    if (!broker_test_is_leveret())
        broker_test_skip("it speaks 0-8");
    wrong_header(&header);
}

static void header_of_0_9_gets_start(const void *row)
{
    struct raw_client *c = raw_connect();

    (void)row;
    raw_send(c, "AMQP\1\1\0\x09", 8);
    raw_expect(c, 0, 10, 10);
}

static void connection_without_a_byte_may_close(const void *row)
{
    (void)row;
    raw_drop(raw_connect(), false);
    raw_drop(raw_connect(), true);
}

static void connection_of_half_a_header_may_close(const void *row)
{
    (void)row;
    for (size_t bytes = 1; bytes < 8; bytes++) {
        struct raw_client *c = raw_connect();
        raw_send(c, "AMQP\0\0\x09\1", bytes);
        raw_drop(c, bytes % 2 == 0);
    }
}

/* --- start */

static void start_tells_properties(const void *row)
{
    static const char *const texts[] = {"cluster_name", "copyright", "information",
                                        "platform",     "product",   "version"};
    struct raw_slice value;
    struct raw_client *c = raw_connect();

    (void)row;
    raw_start(c);
    struct raw_slice properties = raw_server_properties(c);
    assert_true(raw_table_is_valid(properties));
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        assert_int_equal(raw_table_find(properties, texts[i], &value), 'S');
    raw_table_find(properties, "product", &value);
    assert_true(raw_slice_equals(value, "RabbitMQ"));
    raw_table_find(properties, "version", &value);
    assert_true(value.bytes >= 5 && value.data[0] == '3' && value.data[1] == '.');
}

static void start_tells_capabilities(const void *row)
{
    static const char *const names[] = {
        "publisher_confirms",     "exchange_exchange_bindings",   "basic.nack",
        "connection.blocked",     "authentication_failure_close", "direct_reply_to",
        "consumer_cancel_notify", "consumer_priorities",          "per_consumer_qos",
    };
    struct raw_slice capabilities, value;
    struct raw_client *c = raw_connect();

    (void)row;
    raw_start(c);
    assert_int_equal(raw_table_find(raw_server_properties(c), "capabilities", &capabilities), 'F');
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        assert_int_equal(raw_table_find(capabilities, names[i], &value), 't');
        assert_int_equal(value.data[0], 1);
    }
}

static bool has_word(struct raw_slice words, const char *word)
{
    char text[256];

    snprintf(text, sizeof text, " %.*s ", (int)words.bytes, (const char *)words.data);
    char wanted[64];
    snprintf(wanted, sizeof wanted, " %s ", word);
    return strstr(text, wanted) != NULL;
}

static void start_tells_mechanisms_and_locale(const void *row)
{
    struct raw_slice mechanisms, locales;
    struct raw_client *c = raw_connect();

    (void)row;
    raw_send(c, "AMQP\0\0\x09\1", 8);
    raw_expect(c, 0, 10, 10);
    raw_args(c, "ooTSS", NULL, NULL, NULL, &mechanisms, &locales);
    assert_true(has_word(mechanisms, "PLAIN"));
    assert_true(has_word(mechanisms, "AMQPLAIN"));
    assert_true(raw_slice_equals(locales, "en_US"));
}

/* --- SASL */

static void tune_offers_rabbitmqs_values(const void *row)
{
    uint16_t channel_max = 0, heartbeat_s = 0;
    uint32_t frame_max = 0;
    struct raw_client *c = raw_connect();

    (void)row;
    raw_start(c);
    raw_start_ok_plain(c, &usual);
    raw_read_tune(c, &channel_max, &frame_max, &heartbeat_s);
    assert_int_equal(channel_max, 2047);
    assert_int_equal(frame_max, 131072);
    assert_int_equal(heartbeat_s, 60);
}

static void amqplain_is_accepted(const void *row)
{
    struct raw_table response = raw_table("SS", "LOGIN", "guest", "PASSWORD", "guest");
    struct raw_client *c = raw_connect();

    (void)row;
    raw_start(c);
    raw_start_ok(c, true, "AMQPLAIN", response.data, response.bytes);
    raw_read_tune(c, NULL, NULL, NULL);
}

static void amqplain_of_reversed_order_is_accepted(const void *row)
{
    struct raw_table response = raw_table("SS", "PASSWORD", "guest", "LOGIN", "guest");
    struct raw_client *c = raw_connect();

    (void)row;
    raw_start(c);
    raw_start_ok(c, true, "AMQPLAIN", response.data, response.bytes);
    raw_read_tune(c, NULL, NULL, NULL);
}

struct refusal_row {
    const char *name;
    const char *mechanism;
    const char *user;
    const char *password;
};

static const struct refusal_row refusals[] = {
    {"wrong_password_is_refused_with_403", "PLAIN", "guest", "wrong"},
    {"unknown_user_is_refused_with_403", "PLAIN", "nobody", "guest"},
    {"empty_password_is_refused_with_403", "PLAIN", "guest", ""},
    {"wrong_amqplain_password_is_refused_with_403", "AMQPLAIN", "guest", "wrong"},
};

static void refused_with_capability(const void *row)
{
    const struct refusal_row *refusal = row;
    struct raw_client *c = raw_connect();
    char text[256];
    char plain[256];

    raw_start(c);
    if (strcmp(refusal->mechanism, "PLAIN") == 0) {
        int bytes =
            snprintf(plain, sizeof plain, "%c%s%c%s", 0, refusal->user, 0, refusal->password);
        raw_start_ok(c, true, refusal->mechanism, plain, (size_t)bytes);
    } else {
        struct raw_table table =
            raw_table("SS", "LOGIN", refusal->user, "PASSWORD", refusal->password);
        raw_start_ok(c, true, refusal->mechanism, table.data, table.bytes);
    }
    snprintf(
        text, sizeof text,
        "ACCESS_REFUSED - Login was refused using authentication mechanism %s. For details see "
        "the broker logfile.",
        refusal->mechanism);
    raw_expect(c, 0, 10, 50);
    uint16_t code = 0, class_id = 1, method_id = 1;
    char got[256];
    raw_args(c, "wsww", &code, got, &class_id, &method_id);
    assert_int_equal(code, 403);
    assert_string_equal(got, text);
    assert_int_equal(class_id, 0);
    assert_int_equal(method_id, 0);
    if (refusal == refusals) /* no close-ok is sent: the broker must not wait for it for ever */
        raw_expect_eof(c, RAW_DEADLINE_MS);
}

struct silent_row {
    const char *name;
    bool has_capabilities;
    const char *mechanism;
    const char *response;
    size_t response_bytes;
};

static const struct silent_row silent_refusals[] = {
    {"wrong password, no capability", false, "PLAIN", "\0guest\0wrong", 12},
    {"unknown mechanism", true, "CRAM-MD5", "x", 1},
    {"empty mechanism", true, "", "\0guest\0guest", 12},
    {"PLAIN with an authorization identity", true, "PLAIN", "guest\0guest\0guest", 17},
    {"PLAIN without the second NUL", true, "PLAIN", "\0guestguest", 11},
    {"PLAIN that is empty", true, "PLAIN", "", 0},
    {"PLAIN in lower case", true, "plain", "\0guest\0guest", 12},
    {"AMQPLAIN that is no table", true, "AMQPLAIN", "\0guest\0guest", 12},
    {"AMQPLAIN without a password", true, "AMQPLAIN", "\5LOGINS\0\0\0\5guest", 16},
};

/* Some of these are told by a close in some versions; none may ever be let in, nor be refused at
 * once in silence. */
static void malformed_responses_are_refused(const void *row)
{
    struct raw_client *c[ARRAY_COUNT(silent_refusals)];

    (void)row;
    for (size_t i = 0; i < ARRAY_COUNT(c); i++) {
        const struct silent_row *r = &silent_refusals[i];
        c[i] = raw_connect();
        raw_start(c[i]);
        raw_start_ok(c[i], r->has_capabilities, r->mechanism, r->response, r->response_bytes);
    }
    int64_t start_ms = raw_now_ms();
    for (size_t i = 0; i < ARRAY_COUNT(c); i++) {
        raw_note(silent_refusals[i].name);
        if (i == 0) {
            raw_expect_eof(c[i], RAW_DEADLINE_MS);
            assert_true(raw_now_ms() - start_ms > 1000);
        } else {
            raw_expect_hard_error(c[i]);
        }
    }
}

/* --- tune-ok */

struct tune_row {
    const char *name;
    uint16_t channel_max;
    uint32_t frame_max;
};

static const struct tune_row refused_tunes[] = {
    {"channel_max 0", 0, 131072},
    {"channel_max over the offer", 2048, 131072},
    {"channel_max 65535", 65535, 131072},
    {"frame_max under 4096", 2047, 4095},
    {"frame_max over the offer", 2047, 131073},
    {"frame_max 0", 2047, 0},
};

static void tunes_outside_the_offer_are_refused(const void *row)
{
    struct raw_client *c[ARRAY_COUNT(refused_tunes)];

    (void)row;
    for (size_t i = 0; i < ARRAY_COUNT(c); i++) {
        c[i] = raw_connect();
        raw_start(c[i]);
        raw_start_ok_plain(c[i], &usual);
        raw_read_tune(c[i], NULL, NULL, NULL);
        raw_tune_ok(c[i], refused_tunes[i].channel_max, refused_tunes[i].frame_max, 0);
        raw_method(c[i], 0, 10, 40, "ss1", "/", "", 0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(c); i++) {
        raw_note(refused_tunes[i].name);
        raw_expect_hard_error(c[i]);
    }
}

static void smallest_tune_is_accepted(const void *row)
{
    struct raw_login login = {.channel_max = 1, .frame_max = 4096};

    (void)row;
    raw_close(raw_open_with(&login));
}

static void handshake_may_be_pipelined(const void *row)
{
    struct raw_client *c = raw_connect();

    (void)row;
    raw_start(c);
    raw_gather(c);
    raw_start_ok_plain(c, &usual);
    raw_tune_ok(c, 100, 8192, 0);
    raw_method(c, 0, 10, 40, "ss1", "/", "", 0);
    raw_method(c, 1, 20, 10, "s", "");
    step_send_declare(c, 1, "", QUEUE_EXCLUSIVE, NULL);
    raw_flush(c);
    raw_expect(c, 0, 10, 30);
    raw_expect(c, 0, 10, 41);
    raw_expect(c, 1, 20, 11);
    raw_expect(c, 1, 50, 11);
}

/* --- open */

static void start_to_tune(struct raw_client *c)
{
    raw_start(c);
    raw_start_ok_plain(c, &usual);
    raw_read_tune(c, NULL, NULL, NULL);
    raw_tune_ok(c, 2047, 131072, 0);
}

static void missing_vhost_is_530(const void *row)
{
    struct raw_client *c = raw_connect();

    (void)row;
    start_to_tune(c);
    raw_method(c, 0, 10, 40, "ss1", "nope", "", 0);
    raw_expect_connection_close(c, 530, "NOT_ALLOWED - vhost nope not found", 10, 40);
}

static void long_vhost_name_is_530(const void *row)
{
    char name[256];
    struct raw_client *c = raw_connect();

    (void)row;
    memset(name, 'v', 255);
    name[255] = '\0';
    start_to_tune(c);
    raw_method(c, 0, 10, 40, "ss1", name, "", 0);
    raw_expect_connection_close(c, 530, NULL, 10, 40);
}

static void open_ok_is_empty(const void *row)
{
    struct raw_client *c = raw_connect();
    char text[256] = "x";

    (void)row;
    start_to_tune(c);
    raw_method(c, 0, 10, 40, "ss1", "/", "", 0);
    raw_expect(c, 0, 10, 41);
    raw_args(c, "s", text);
    assert_string_equal(text, "");
}

/* --- what comes out of turn before open-ok ends the connection, with or without a close */

struct early_row {
    const char *name;
    void (*send)(struct raw_client *c);
};

static void send_tune_ok_first(struct raw_client *c)
{
    raw_start(c);
    raw_method(c, 0, 10, 31, "wlw", 2047, 131072, 0);
}

static void send_open_first(struct raw_client *c)
{
    raw_start(c);
    raw_method(c, 0, 10, 40, "ss1", "/", "", 0);
}

static void send_channel_open_first(struct raw_client *c)
{
    raw_start(c);
    raw_method(c, 1, 20, 10, "s", "");
}

static void send_declare_before_open(struct raw_client *c)
{
    start_to_tune(c);
    step_send_declare(c, 1, "early", 0, NULL);
}

static void send_second_start_ok(struct raw_client *c)
{
    raw_start(c);
    raw_start_ok_plain(c, &usual);
    raw_read_tune(c, NULL, NULL, NULL);
    raw_start_ok_plain(c, &usual);
}

static void send_secure_ok_unasked(struct raw_client *c)
{
    raw_start(c);
    raw_method(c, 0, 10, 21, "S", "secret");
}

static void send_unknown_method_first(struct raw_client *c)
{
    raw_start(c);
    raw_method(c, 0, 99, 99, "");
}

static void send_content_first(struct raw_client *c)
{
    raw_start(c);
    raw_header(c, 0, 5, NULL);
}

static void send_bad_end_marker_first(struct raw_client *c)
{
    raw_start(c);
    raw_send(c, "\1\0\0\0\0\0\4\0\x0a\0\x0b\0", 12);
}

static void send_unknown_frame_type_first(struct raw_client *c)
{
    raw_start(c);
    raw_send_frame(c, 9, 0, "abc", 3);
}

static void send_huge_frame_first(struct raw_client *c)
{
    raw_start(c);
    raw_send(c, "\1\0\0\x7f\xff\xff\xff\0\x0a\0\x0b", 11);
}

static void send_truncated_start_ok(struct raw_client *c)
{
    raw_start(c);
    raw_send_frame(c, RAW_METHOD_FRAME, 0, "\0\x0a\0\x0b\0\0\0\x40", 8);
}

static void send_start_ok_with_broken_table(struct raw_client *c)
{
    raw_start(c);
    raw_send_frame(c, RAW_METHOD_FRAME, 0, "\0\x0a\0\x0b\0\0\0\4\1aZ\0\5PLAIN\0\0\0\0\0", 23);
}

static const struct early_row early[] = {
    {"tune-ok before start-ok", send_tune_ok_first},
    {"open before start-ok", send_open_first},
    {"channel.open before start-ok", send_channel_open_first},
    {"queue.declare before open", send_declare_before_open},
    {"a second start-ok", send_second_start_ok},
    {"secure-ok unasked", send_secure_ok_unasked},
    {"unknown method", send_unknown_method_first},
    {"content header", send_content_first},
    {"wrong end marker", send_bad_end_marker_first},
    {"unknown frame type", send_unknown_frame_type_first},
    {"huge frame", send_huge_frame_first},
    {"truncated start-ok", send_truncated_start_ok},
    {"start-ok with a broken table", send_start_ok_with_broken_table},
};

/* Side by side, since most of these are closed in silence only after seconds. */
static void frames_out_of_turn_end_the_handshake(const void *row)
{
    struct raw_client *c[ARRAY_COUNT(early)];

    (void)row;
    for (size_t i = 0; i < ARRAY_COUNT(c); i++) {
        c[i] = raw_connect();
        early[i].send(c[i]);
    }
    for (size_t i = 0; i < ARRAY_COUNT(c); i++) {
        raw_note(early[i].name);
        raw_expect_hard_error(c[i]);
    }
}

/* RabbitMQ takes 4096 bytes before tune; Leveret at least 16 KiB, since a password may be a long
 * token. */
static void large_password_before_tune(const void *row)
{
    struct raw_client *c = raw_connect();
    char response[15000];

    (void)row;
    memset(response, 'x', sizeof response);
    memcpy(response, "\0guest\0", 7);
    raw_start(c);
    raw_start_ok(c, true, "PLAIN", response, broker_test_is_leveret() ? sizeof response : 3500);
    raw_expect(c, 0, 10, 50);
}

/* --- the handshake timeout */

static void read_until_eof(struct raw_client *c, int deadline_ms)
{
    int64_t deadline = raw_now_ms() + deadline_ms;

    while (raw_read_frame(c, (int)(deadline - raw_now_ms())) == RAW_FRAME)
        ;
    raw_expect_eof(c, 1);
}

static void slow_handshakes_are_closed(const void *row)
{
    int timeout_ms = broker_test_handshake_timeout_ms();
    struct raw_client *c[4];

    (void)row;
    int64_t start_ms = raw_now_ms();
    for (size_t i = 0; i < ARRAY_COUNT(c); i++)
        c[i] = raw_connect();
    raw_send(c[1], "AMQP", 4);
    raw_start(c[2]);
    start_to_tune(c[3]);
    for (size_t i = 0; i < ARRAY_COUNT(c); i++)
        read_until_eof(c[i], timeout_ms + RAW_DEADLINE_MS);
    assert_true(raw_now_ms() - start_ms >= timeout_ms - 500);
    assert_true(raw_now_ms() - start_ms < timeout_ms + 5000);
}

static void login_outlives_the_handshake_timeout(const void *row)
{
    int timeout_ms = broker_test_handshake_timeout_ms();
    struct raw_client *c = raw_open();

    (void)row;
    assert_int_equal(raw_read_frame(c, timeout_ms + 500), RAW_SILENCE);
    raw_expect_nothing(c, 1);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_COUNT(wrong_headers); i++)
        broker_test_add(wrong_headers[i].name, wrong_header, &wrong_headers[i]);
    BROKER_TEST(header_byte_by_byte_is_accepted);
    BROKER_TEST(header_of_0_8_is_answered_by_ours);
    BROKER_TEST(header_of_0_9_gets_start);
    BROKER_TEST(connection_without_a_byte_may_close);
    BROKER_TEST(connection_of_half_a_header_may_close);
    BROKER_TEST(start_tells_properties);
    BROKER_TEST(start_tells_capabilities);
    BROKER_TEST(start_tells_mechanisms_and_locale);
    BROKER_TEST(tune_offers_rabbitmqs_values);
    BROKER_TEST(amqplain_is_accepted);
    BROKER_TEST(amqplain_of_reversed_order_is_accepted);
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++)
        broker_test_add(refusals[i].name, refused_with_capability, &refusals[i]);
    BROKER_TEST(malformed_responses_are_refused);
    BROKER_TEST(tunes_outside_the_offer_are_refused);
    BROKER_TEST(smallest_tune_is_accepted);
    BROKER_TEST(handshake_may_be_pipelined);
    BROKER_TEST(missing_vhost_is_530);
    BROKER_TEST(long_vhost_name_is_530);
    BROKER_TEST(open_ok_is_empty);
    BROKER_TEST(frames_out_of_turn_end_the_handshake);
    BROKER_TEST(large_password_before_tune);
    BROKER_TEST(slow_handshakes_are_closed);
    BROKER_TEST(login_outlives_the_handshake_timeout);
    return broker_test_run("handshake", argc, argv);
}
