/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker tells of itself: events on amq.rabbitmq.event, of every vhost, and the lines of
 * its log on amq.rabbitmq.log. The broker of these cases has both in the vhost /.
 */
#include "broker_test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* --- waiting for one */

struct watcher {
    struct raw_client *c;
    char queue[256];
};

static struct watcher watch(const char *exchange, const char *key)
{
    struct watcher watcher = {.c = raw_open()};
    step_declare_unnamed(watcher.c, 1, watcher.queue);
    step_bind(watcher.c, 1, watcher.queue, exchange, key, NULL);
    step_consume(watcher.c, 1, watcher.queue, "watch", CONSUME_NO_ACK, NULL);
    return watcher;
}

static struct raw_slice headers_of(const struct raw_message *m)
{
    struct raw_reader r = {.data = m->properties, .bytes = m->properties_bytes};
    struct raw_slice headers = {0};
    if (m->flags & 1 << 15)
        assert_true(raw_read(&r, "s", NULL));
    assert_true(m->flags & 1 << 13);
    assert_true(raw_read(&r, "T", &headers));
    return headers;
}

static const struct raw_message *take(struct watcher *watcher)
{
    return raw_expect_deliver(watcher->c, 1);
}

static bool has(const struct raw_message *m, const char *name, const char *text)
{
    struct raw_slice value;
    return raw_table_find(headers_of(m), name, &value) == 'S' && raw_slice_equals(value, text);
}

/* Takes events until one has this text in a header: others do things as well. */
static const struct raw_message *take_of(struct watcher *watcher, const char *name,
                                         const char *text)
{
    const struct raw_message *m = take(watcher);
    while (!has(m, name, text))
        m = take(watcher);
    return m;
}

static void assert_header(const struct raw_message *m, const char *name, char type,
                          const char *text)
{
    struct raw_slice value;
    assert_int_equal(raw_table_find(headers_of(m), name, &value), type);
    assert_true(raw_slice_equals(value, text));
}

static void assert_flag(const struct raw_message *m, const char *name, bool is_set)
{
    struct raw_slice value;
    assert_int_equal(raw_table_find(headers_of(m), name, &value), 't');
    assert_int_equal(value.data[0], is_set);
}

static uint64_t number_of(const struct raw_message *m, const char *name)
{
    struct raw_slice value;
    uint64_t number;
    assert_int_equal(raw_table_find(headers_of(m), name, &value), 'l');
    struct raw_reader r = {.data = value.data, .bytes = value.bytes};
    assert_true(raw_read(&r, "L", &number));
    return number;
}

/* --- cases */

/* flags: headers, delivery mode, timestamp. */
static void an_event_has_headers_and_no_body(const void *row)
{
    struct watcher watcher = watch("amq.rabbitmq.event", "queue.created");
    struct raw_client *c = raw_open();
    char queue[256];
    (void)row;
    step_declare_unnamed(c, 1, queue);
    const struct raw_message *m = take_of(&watcher, "name", queue);
    assert_string_equal(m->exchange, "amq.rabbitmq.event");
    assert_string_equal(m->routing_key, "queue.created");
    assert_int_equal(m->body_bytes, 0);
    assert_int_equal(m->flags, 1 << 13 | 1 << 12 | 1 << 6);
    uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    assert_in_range(number_of(m, "timestamp_in_ms"), now_ms - 600000, now_ms + 600000);
    assert_header(m, "vhost", 'S', "/");
    assert_header(m, "user_who_performed_action", 'S', "guest");
    assert_flag(m, "exclusive", true);
    assert_flag(m, "durable", false);
    assert_flag(m, "auto_delete", false);
}

static void arguments_are_texts(const void *row)
{
    struct watcher watcher = watch("amq.rabbitmq.event", "queue.created");
    struct raw_client *c = raw_open();
    const struct raw_table args = raw_table("I", "x-max-length", 5);
    struct raw_slice value;
    (void)row;
    step_declare(c, 1, "told-with-arguments", QUEUE_EXCLUSIVE, &args);
    const struct raw_message *m = take_of(&watcher, "name", "told-with-arguments");
    static const char text[] = "{<<\"x-max-length\">>,signedint,5}";
    assert_int_equal(raw_table_find(headers_of(m), "arguments", &value), 'A');
    assert_int_equal(value.bytes, 5 + sizeof text - 1);
    assert_int_equal(value.data[0], 'S');
    assert_memory_equal(value.data + 5, text, sizeof text - 1);
}

static void a_binding_is_told_with_both_its_ends(const void *row)
{
    struct watcher watcher = watch("amq.rabbitmq.event", "binding.*");
    struct raw_client *c = raw_open();
    char queue[256];
    (void)row;
    step_declare_unnamed(c, 1, queue);
    step_bind(c, 1, queue, "amq.topic", "a.#", NULL);
    step_unbind(c, 1, queue, "amq.topic", "a.#", NULL);
    static const char *const keys[] = {"binding.created", "binding.deleted"};
    for (size_t i = 0; i < 2; i++) {
        const struct raw_message *m = take_of(&watcher, "destination_name", queue);
        assert_string_equal(m->routing_key, keys[i]);
        assert_header(m, "source_name", 'S', "amq.topic");
        assert_header(m, "source_kind", 'S', "exchange");
        assert_header(m, "destination_kind", 'S', "queue");
        assert_header(m, "routing_key", 'S', "a.#");
    }
}

/* One after the other, by their process identifiers. */
static void a_connection_is_told_from_its_login_to_its_end(const void *row)
{
    struct watcher watcher = watch("amq.rabbitmq.event", "#");
    struct raw_login login = {.heartbeat_s = 60, .channel_max = 17};
    char pid[256], channel[256];
    struct raw_slice value;
    (void)row;
    take_of(&watcher, "consumer_tag", "watch"); /* the last that it did itself */
    struct raw_client *c = raw_open_with(&login);
    const struct raw_message *m = take(&watcher);
    assert_string_equal(m->routing_key, "user.authentication.success");
    assert_header(m, "name", 'S', "guest");
    assert_header(m, "auth_mechanism", 'S', "PLAIN");
    assert_flag(m, "ssl", false);
    m = take(&watcher);
    assert_string_equal(m->routing_key, "connection.created");
    assert_header(m, "vhost", 'S', "/");
    assert_header(m, "user", 'S', "guest");
    assert_header(m, "peer_host", 'S', "{127,0,0,1}");
    assert_header(m, "protocol", 'S', "{0,9,1}");
    assert_int_equal(number_of(m, "timeout"), 60);
    assert_int_equal(number_of(m, "channel_max"), 17);
    assert_int_equal(raw_table_find(headers_of(m), "pid", &value), 'S');
    snprintf(pid, sizeof pid, "%.*s", (int)value.bytes, (const char *)value.data);
    m = take(&watcher);
    assert_string_equal(m->routing_key, "channel.created");
    assert_header(m, "connection", 'S', pid);
    assert_int_equal(number_of(m, "number"), 1);
    assert_int_equal(raw_table_find(headers_of(m), "pid", &value), 'S');
    snprintf(channel, sizeof channel, "%.*s", (int)value.bytes, (const char *)value.data);
    raw_close(c);
    m = take_of(&watcher, "pid", channel);
    assert_string_equal(m->routing_key, "channel.closed");
    m = take_of(&watcher, "pid", pid);
    assert_string_equal(m->routing_key, "connection.closed");
}

static void a_refused_login_is_told(const void *row)
{
    struct watcher watcher = watch("amq.rabbitmq.event", "user.authentication.failure");
    struct raw_login login = {.password = "wrong"};
    struct raw_slice value;
    (void)row;
    struct raw_client *c = raw_connect();
    raw_start(c);
    raw_start_ok_plain(c, &login);
    raw_expect(c, 0, 10, 50);
    const struct raw_message *m = take_of(&watcher, "name", "guest");
    assert_header(m, "connection_type", 'S', "network");
    assert_int_equal(raw_table_find(headers_of(m), "error", &value), 'A');
    assert_int_equal(value.data[0], 'l'); /* a list of characters */
}

/* No user has such a name; it is told like any other. */
static void a_refused_name_with_a_nul_is_told(const void *row)
{
    static const char response[] = "\5LOGINS\0\0\0\3a\0b\10PASSWORDS\0\0\0\1p";
    struct watcher watcher = watch("amq.rabbitmq.event", "user.authentication.failure");
    struct raw_slice value;
    (void)row;
    struct raw_client *c = raw_connect();
    raw_start(c);
    raw_start_ok(c, true, "AMQPLAIN", response, sizeof response - 1);
    raw_expect(c, 0, 10, 50);
    do {
        assert_int_equal(raw_table_find(headers_of(take(&watcher)), "name", &value), 'S');
    } while (value.bytes != 3 || memcmp(value.data, "a\0b", 3) != 0);
}

static void other_vhosts_are_told_of(const void *row)
{
    struct watcher watcher = watch("amq.rabbitmq.event", "#");
    struct raw_login login = {.vhost = "told-of"};
    (void)row;
    broker_test_ctl("add_vhost told-of");
    take_of(&watcher, "name", "told-of");
    broker_test_ctl("set_permissions -p told-of guest '.*' '.*' '.*'");
    struct raw_client *c = raw_open_with(&login);
    for (int i = 0; i < 50; i++) {
        char name[32];
        snprintf(name, sizeof name, "told-%d", i);
        step_declare(c, 1, name, 0, NULL);
    }
    for (int i = 0; i < 50; i++) {
        char name[32];
        snprintf(name, sizeof name, "told-%d", i);
        const struct raw_message *m = take(&watcher);
        while (strcmp(m->routing_key, "queue.created") != 0)
            m = take(&watcher);
        assert_header(m, "name", 'S', name); /* in their order */
        assert_header(m, "vhost", 'S', "told-of");
    }
    raw_close(c);
    broker_test_ctl("delete_vhost told-of");
    const struct raw_message *m = take_of(&watcher, "name", "told-of");
    assert_string_equal(m->routing_key, "vhost.deleted");
}

static void changes_of_users_are_told(const void *row)
{
    struct watcher watcher = watch("amq.rabbitmq.event", "user.#");
    (void)row;
    broker_test_ctl("add_user told-user pw");
    broker_test_ctl("set_user_tags told-user monitoring");
    broker_test_ctl("delete_user told-user");
    static const char *const keys[] = {"user.created", "user.tags.set", "user.deleted"};
    for (size_t i = 0; i < 3; i++) {
        const struct raw_message *m = take_of(&watcher, "name", "told-user");
        assert_string_equal(m->routing_key, keys[i]);
        assert_header(m, "user_who_performed_action", 'S', "rmq-cli");
    }
}

/* Reads lines until one has the text; other tests of the broker may leave some, too. */
static void expect_line(struct watcher *watcher, const char *text)
{
    char line[4096];
    do {
        const struct raw_message *m = take(watcher);
        snprintf(line, sizeof line, "%.*s", (int)m->body_bytes, (const char *)m->body);
    } while (strstr(line, text) == NULL);
}

/* flags: content type, headers, timestamp. */
static void lines_of_the_log(const void *row)
{
    struct watcher watcher = watch("amq.rabbitmq.log", "error");
    struct raw_login login = {.password = "wrong"};
    struct raw_reader r;
    char type[256];
    (void)row;
    struct raw_client *c = raw_connect();
    raw_start(c);
    raw_start_ok_plain(c, &login);
    raw_expect(c, 0, 10, 50);
    const struct raw_message *m = take(&watcher);
    assert_string_equal(m->exchange, "amq.rabbitmq.log");
    assert_string_equal(m->routing_key, "error");
    assert_int_equal(m->flags, 1 << 15 | 1 << 13 | 1 << 6);
    r = (struct raw_reader){.data = m->properties, .bytes = m->properties_bytes};
    assert_true(raw_read(&r, "s", type));
    assert_string_equal(type, "text/plain");
    struct raw_slice node;
    assert_int_equal(raw_table_find(headers_of(m), "node", &node), 'S');
    char line[512];
    snprintf(line, sizeof line, "%.*s", (int)m->body_bytes, (const char *)m->body);
    assert_non_null(strstr(line, " [error] "));
    assert_int_equal(m->body[m->body_bytes - 1], '\n');
}

/* RabbitMQ says more about it, in several lines. */
static void errors_are_logged(const void *row)
{
    static const char *const methods[] = {"no queue 'nope-1' in vhost '/'",
                                          "attempt to reuse consumer tag 'twice'"};
    struct watcher watcher = watch("amq.rabbitmq.log", "error");
    struct raw_client *c = raw_open();
    char queue[256];
    (void)row;
    step_declare_unnamed(c, 1, queue);
    raw_open_channel(c, 2);
    step_send_declare(c, 2, "nope-1", QUEUE_PASSIVE, NULL);
    raw_expect(c, 2, 20, 40);
    expect_line(&watcher, methods[0]);
    step_consume(c, 1, queue, "twice", 0, NULL);
    step_send_consume(c, 1, queue, "twice", 0, NULL);
    raw_expect(c, 0, 10, 50);
    expect_line(&watcher, methods[1]);
}

/* What publishing them logs would have no end. */
static void lines_of_the_log_do_not_breed(const void *row)
{
    struct raw_client *c = raw_open();
    uint32_t before, after, consumers;
    char queue[256];
    (void)row;
    step_declare_unnamed(c, 1, queue);
    step_bind(c, 1, queue, "amq.rabbitmq.log", "#", NULL);
    raw_close(raw_open());
    do {
        step_counts(c, 1, queue, &before, &consumers);
    } while (before == 0);
    for (int i = 0; i < 200; i++)
        step_counts(c, 1, queue, &after, &consumers);
    assert_in_range(after, before, before + 50); /* of that connection */
}

static void nobody_else_publishes_there(const void *row)
{
    static const char *const exchanges[] = {"amq.rabbitmq.event", "amq.rabbitmq.log"};
    char text[256];
    (void)row;
    for (size_t i = 0; i < 2; i++) {
        struct raw_client *c = raw_open();
        step_publish(c, 1, exchanges[i], "k", "m");
        snprintf(text, sizeof text,
                 "ACCESS_REFUSED - cannot publish to internal exchange '%s' in vhost '/'",
                 exchanges[i]);
        raw_expect_channel_close(c, 1, 403, text, 60, 40);
    }
}

int main(int argc, char **argv)
{
    BROKER_TEST(an_event_has_headers_and_no_body);
    BROKER_TEST(arguments_are_texts);
    BROKER_TEST(a_binding_is_told_with_both_its_ends);
    BROKER_TEST(a_connection_is_told_from_its_login_to_its_end);
    BROKER_TEST(a_refused_login_is_told);
    BROKER_TEST(a_refused_name_with_a_nul_is_told);
    BROKER_TEST(other_vhosts_are_told_of);
    BROKER_TEST(changes_of_users_are_told);
    BROKER_TEST(lines_of_the_log);
    BROKER_TEST(errors_are_logged);
    BROKER_TEST(lines_of_the_log_do_not_breed);
    BROKER_TEST(nobody_else_publishes_there);
    return broker_test_run("event_exchange", argc, argv);
}
