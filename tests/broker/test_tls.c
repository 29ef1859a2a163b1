/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS listener: both versions, client certificates, and the peers that do not speak TLS.
 */
#include "broker_test.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct raw_login usual;

static void work_over(struct raw_client *c)
{
    char queue[256];

    assert_non_null(c);
    raw_log_in(c, &usual);
    raw_open_channel(c, 1);
    step_declare_unnamed(c, 1, queue);
    step_publish(c, 1, "", queue, "secret");
    step_get(c, 1, queue, "secret");
    raw_close(c);
}

struct tls_row {
    const char *name;
    int version;
    const char *server_name;
    bool has_certificate;
};

static const struct tls_row versions[] = {
    {"tls_1_2_works", TLS1_2_VERSION, NULL, false},
    {"tls_1_3_works", TLS1_3_VERSION, NULL, false},
    {"tls_with_a_server_name_works", 0, "localhost", false},
    {"tls_with_an_unknown_server_name_works", 0, "no.such.name.example", false},
    {"tls_1_2_with_a_client_certificate_works", TLS1_2_VERSION, NULL, true},
    {"tls_1_3_with_a_client_certificate_works", TLS1_3_VERSION, NULL, true},
};

static struct raw_tls options_of(const struct tls_row *r)
{
    struct raw_tls tls = {.version = r->version, .server_name = r->server_name};

    if (r->has_certificate) {
        tls.certificate_file = getenv("AMQP_CLIENT_CERT");
        tls.key_file = getenv("AMQP_CLIENT_KEY");
    }
    return tls;
}

static void tls_works(const void *row)
{
    struct raw_tls tls = options_of(row);

    broker_test_need("AMQP_TLS_PORT");
    work_over(raw_connect_tls(&tls));
}

static void large_messages_pass(const void *row)
{
    size_t bytes = 5u << 20;
    uint8_t *body = malloc(bytes);
    struct raw_tls tls = {0};
    char queue[256];

    (void)row;
    broker_test_need("AMQP_TLS_PORT");
    for (size_t i = 0; i < bytes; i++)
        body[i] = (uint8_t)(i * 31 >> 3);
    struct raw_client *c = raw_connect_tls(&tls);
    assert_non_null(c);
    raw_log_in(c, &usual);
    raw_open_channel(c, 1);
    step_declare_unnamed(c, 1, queue);
    step_publish_with(c, 1, "", queue, 0, NULL, body, bytes);
    step_get(c, 1, queue, NULL);
    assert_int_equal(raw_last_message(c)->body_bytes, bytes);
    assert_memory_equal(raw_last_message(c)->body, body, bytes);
    free(body);
    raw_close(c);
}

static void heartbeats_pass(const void *row)
{
    struct raw_login login = {.heartbeat_s = 1};
    struct raw_tls tls = {0};
    int count = 0;

    (void)row;
    broker_test_need("AMQP_TLS_PORT");
    struct raw_client *c = raw_connect_tls(&tls);
    assert_non_null(c);
    raw_log_in(c, &login);
    while (count < 3) {
        assert_int_equal(raw_read_frame(c, 3000), RAW_FRAME);
        assert_int_equal(raw_last_frame(c)->type, RAW_HEARTBEAT_FRAME);
        raw_send_frame(c, RAW_HEARTBEAT_FRAME, 0, "", 0);
        count++;
    }
    raw_close(c);
}

static void wrong_header_over_tls_is_answered(const void *row)
{
    struct raw_tls tls = {0};
    uint8_t answer[8];

    (void)row;
    broker_test_need("AMQP_TLS_PORT");
    struct raw_client *c = raw_connect_tls(&tls);
    assert_non_null(c);
    raw_send(c, "GET / HTTP/1.1\r\n\r\n", 18);
    assert_int_equal(raw_read_bytes(c, answer, sizeof answer, RAW_DEADLINE_MS), 8);
    assert_memory_equal(answer, "AMQP\0\0\x09\1", 8);
    raw_expect_eof(c, RAW_DEADLINE_MS);
}

/* A plain client may get an alert of TLS, but no AMQP, and then the end. */
static void expect_clean_refusal(struct raw_client *c)
{
    uint8_t answer[64];
    size_t bytes = raw_read_bytes(c, answer, sizeof answer, RAW_DEADLINE_MS);

    assert_true(bytes < sizeof answer);
    if (bytes > 0)
        assert_int_equal(answer[0], 21); /* a record of type alert */
    raw_expect_eof(c, RAW_DEADLINE_MS);
}

static void plain_amqp_on_the_tls_port_is_refused(const void *row)
{
    struct raw_client *c;

    (void)row;
    broker_test_need("AMQP_TLS_PORT");
    c = raw_connect_plain_to_tls();
    raw_send(c, "AMQP\0\0\x09\1", 8);
    expect_clean_refusal(c);
}

static void garbage_on_the_tls_port_is_refused(const void *row)
{
    struct raw_client *c;

    (void)row;
    broker_test_need("AMQP_TLS_PORT");
    c = raw_connect_plain_to_tls();
    raw_send(c, "\x16\3\1\0\5zzzzz", 10);
    expect_clean_refusal(c);
}

static void broken_handshakes_leave_the_port_working(const void *row)
{
    struct raw_tls tls = {0};

    (void)row;
    broker_test_need("AMQP_TLS_PORT");
    for (size_t bytes = 0; bytes < 6; bytes++) {
        struct raw_client *c = raw_connect_plain_to_tls();
        raw_send(c, "\x16\3\1\2\0\1", bytes);
        raw_drop(c, bytes % 2 == 0);
    }
    work_over(raw_connect_tls(&tls));
}

static void silent_tls_peer_is_closed(const void *row)
{
    int timeout_ms = broker_test_handshake_timeout_ms();
    struct raw_tls tls = {0};
    struct raw_client *silent, *shaken;

    (void)row;
    broker_test_need("AMQP_TLS_PORT");
    silent = raw_connect_plain_to_tls();
    shaken = raw_connect_tls(&tls);
    assert_non_null(shaken);
    raw_expect_eof(shaken, timeout_ms + RAW_DEADLINE_MS);
    raw_expect_eof(silent, timeout_ms + RAW_DEADLINE_MS);
}

static void socket_closed_without_close_notify_frees_the_queue(const void *row)
{
    struct raw_tls tls = {0};
    struct raw_client *observer;

    (void)row;
    broker_test_need("AMQP_TLS_PORT");
    observer = raw_open();
    struct raw_client *c = raw_connect_tls(&tls);
    assert_non_null(c);
    raw_log_in(c, &usual);
    raw_open_channel(c, 1);
    step_declare(c, 1, "tls-gone", QUEUE_EXCLUSIVE, NULL);
    raw_drop(c, true);
    step_queue_vanishes(observer, "tls-gone");
}

/* --- client certificates */

static void stranger_certificate_is_refused(const void *row)
{
    char certificate[512], key[512];
    struct raw_tls tls = {
        .certificate_file = certificate, .key_file = key, .version = TLS1_2_VERSION};

    (void)row;
    broker_test_need("AMQP_TLS_PORT");
    broker_test_need("AMQP_STRANGER_CERT");
    snprintf(certificate, sizeof certificate, "%s", getenv("AMQP_STRANGER_CERT"));
    snprintf(key, sizeof key, "%s", getenv("AMQP_STRANGER_KEY"));
    assert_null(raw_connect_tls(&tls));
}

static bool has_external(struct raw_slice mechanisms)
{
    char text[256];

    snprintf(text, sizeof text, "%.*s", (int)mechanisms.bytes, (const char *)mechanisms.data);
    return strstr(text, "EXTERNAL") != NULL;
}

static void external_logs_in_by_the_certificate(const void *row)
{
    struct raw_tls tls = {0};
    struct raw_slice mechanisms;

    (void)row;
    broker_test_need("AMQP_TLS_PORT");
    broker_test_need("AMQP_EXTERNAL");
    tls.certificate_file = getenv("AMQP_CLIENT_CERT");
    tls.key_file = getenv("AMQP_CLIENT_KEY");
    struct raw_client *c = raw_connect_tls(&tls);
    assert_non_null(c);
    raw_send(c, "AMQP\0\0\x09\1", 8);
    raw_expect(c, 0, 10, 10);
    raw_args(c, "ooTSS", NULL, NULL, NULL, &mechanisms, NULL);
    assert_true(has_external(mechanisms));
    raw_start_ok(c, true, "EXTERNAL", "", 0);
    raw_read_tune(c, NULL, NULL, NULL);
    raw_tune_ok(c, 2047, 131072, 0);
    raw_method(c, 0, 10, 40, "ss1", "/", "", 0);
    raw_expect(c, 0, 10, 41);
}

static void external_without_a_certificate_is_refused(const void *row)
{
    struct raw_tls tls = {0};

    (void)row;
    broker_test_need("AMQP_TLS_PORT");
    broker_test_need("AMQP_EXTERNAL");
    struct raw_client *c = raw_connect_tls(&tls);
    assert_non_null(c);
    raw_start(c);
    raw_start_ok(c, true, "EXTERNAL", "", 0);
    raw_expect_hard_error(c);
}

static void external_on_a_plain_connection_is_refused(const void *row)
{
    struct raw_slice mechanisms;
    struct raw_client *c = raw_connect();

    (void)row;
    raw_send(c, "AMQP\0\0\x09\1", 8);
    raw_expect(c, 0, 10, 10);
    raw_args(c, "ooTSS", NULL, NULL, NULL, &mechanisms, NULL);
    assert_false(has_external(mechanisms));
    raw_start_ok(c, true, "EXTERNAL", "guest", 5);
    raw_expect_hard_error(c);
}

/* --- a new certificate in the old place */

static void copy_file(const char *from_name, const char *to_name)
{
    char data[16384];
    FILE *from = fopen(getenv(from_name), "r");
    assert_non_null(from);
    size_t bytes = fread(data, 1, sizeof data, from);
    fclose(from);
    FILE *to = fopen(getenv(to_name), "w");
    assert_non_null(to);
    assert_int_equal(fwrite(data, 1, bytes, to), bytes);
    assert_int_equal(fclose(to), 0);
}

static void reload(void)
{
    assert_int_equal(system(getenv("BROKER_RELOAD")), 0);
}

/* The client's certificate serves as the new one: what matters is which one is shown. */
static void reload_keeps_connections_and_shows_the_new_certificate(const void *row)
{
    struct raw_tls tls = {.is_unverified = true};
    char name[256];

    (void)row;
    broker_test_need("AMQP_TLS_PORT");
    broker_test_need("BROKER_RELOAD");
    struct raw_client *before = raw_connect_tls(&tls);
    assert_non_null(before);
    raw_server_name(before, name);
    assert_string_equal(name, "localhost");
    raw_log_in(before, &usual);
    raw_open_channel(before, 1);
    copy_file("AMQP_SERVER_CERT", "AMQP_SPARE_CERT");
    copy_file("AMQP_SERVER_KEY", "AMQP_SPARE_KEY");
    copy_file("AMQP_CLIENT_CERT", "AMQP_SERVER_CERT");
    copy_file("AMQP_CLIENT_KEY", "AMQP_SERVER_KEY");
    reload();
    struct raw_client *after = raw_connect_tls(&tls);
    copy_file("AMQP_SPARE_CERT", "AMQP_SERVER_CERT");
    copy_file("AMQP_SPARE_KEY", "AMQP_SERVER_KEY");
    reload();
    assert_non_null(after);
    raw_server_name(after, name);
    assert_string_equal(name, "guest");
    work_over(after);
    raw_expect_nothing(before, 1);
    raw_close(before);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_COUNT(versions); i++)
        broker_test_add(versions[i].name, tls_works, &versions[i]);
    BROKER_TEST(large_messages_pass);
    BROKER_TEST(heartbeats_pass);
    BROKER_TEST(wrong_header_over_tls_is_answered);
    BROKER_TEST(plain_amqp_on_the_tls_port_is_refused);
    BROKER_TEST(garbage_on_the_tls_port_is_refused);
    BROKER_TEST(broken_handshakes_leave_the_port_working);
    BROKER_TEST(silent_tls_peer_is_closed);
    BROKER_TEST(socket_closed_without_close_notify_frees_the_queue);
    BROKER_TEST(stranger_certificate_is_refused);
    BROKER_TEST(external_logs_in_by_the_certificate);
    BROKER_TEST(external_without_a_certificate_is_refused);
    BROKER_TEST(external_on_a_plain_connection_is_refused);
    BROKER_TEST(reload_keeps_connections_and_shows_the_new_certificate);
    return broker_test_run("tls", argc, argv);
}
