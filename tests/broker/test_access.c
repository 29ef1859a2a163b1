/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users, virtual hosts and permissions on a running broker, changed through the command that
 * BROKER_CTL names.
 *
 * The patterns are unanchored regular expressions on the bare name; the default exchange is called
 * amq.default there, and an empty pattern matches nothing but the empty name.
 */
#include "broker_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The users are made once: a control command of RabbitMQ takes a second. What a former run left is
 * replaced. */
static void need_users(void)
{
    static bool is_done;

    broker_test_need("BROKER_CTL");
    if (is_done)
        return;
    broker_test_ctl("add_user limited secret");
    broker_test_ctl("set_permissions -p / limited ^own- ^own- ^own-");
    broker_test_ctl("add_user middle secret");
    broker_test_ctl("set_permissions -p / middle mid '' mid");
    broker_test_ctl("add_user outsider secret");
    broker_test_ctl("add_vhost elsewhere");
    broker_test_ctl("set_permissions -p elsewhere outsider '.*' '.*' '.*'");
    is_done = true;

    struct raw_client *c = raw_open();
    step_declare(c, 1, "own-q", QUEUE_DURABLE, NULL);
    step_declare(c, 1, "other-q", QUEUE_DURABLE, NULL);
    step_exchange(c, 1, "own-x", "topic", EXCHANGE_DURABLE, NULL);
    step_exchange(c, 1, "other-x", "topic", EXCHANGE_DURABLE, NULL);
    raw_close(c);
}

static struct raw_client *open_as(const char *user, const char *password, const char *vhost)
{
    struct raw_login login = {.user = user, .password = password, .vhost = vhost};

    return raw_open_with(&login);
}

/* --- what the user "limited", who may do all to own-*, is refused */

static void send_declare_with_foreign_alternate(struct raw_client *c)
{
    struct raw_table args = raw_table("S", "alternate-exchange", "other-x");

    step_send_exchange(c, 1, "own-ae", "direct", EXCHANGE_AUTO_DELETE, &args);
}

SENDER(send_exchange_declare, step_send_exchange(c, 1, "new-x", "direct", 0, NULL))
SENDER(send_exchange_delete, raw_method(c, 1, 40, 20, "ws11", 0, "other-x", 0, 0))
SENDER(send_queue_declare, step_send_declare(c, 1, "new-q", 0, NULL))
SENDER(send_unnamed_declare, step_send_declare(c, 1, "", QUEUE_EXCLUSIVE, NULL))
SENDER(send_queue_delete, step_send_delete(c, 1, "other-q", 0))
SENDER(send_bind_queue, step_send_bind(c, 1, "other-q", "own-x", "k", NULL))
SENDER(send_bind_exchange, step_send_bind(c, 1, "own-q", "other-x", "k", NULL))
SENDER(send_unbind_queue, step_send_unbind(c, 1, "other-q", "own-x", "k", NULL))
SENDER(send_unbind_exchange, step_send_unbind(c, 1, "own-q", "other-x", "k", NULL))
SENDER(send_e2e_destination,
       raw_method(c, 1, 40, 30, "wsss1T", 0, "other-x", "own-x", "k", 0, NULL))
SENDER(send_e2e_source, raw_method(c, 1, 40, 30, "wsss1T", 0, "own-x", "other-x", "k", 0, NULL))
SENDER(send_e2e_unbind, raw_method(c, 1, 40, 40, "wsss1T", 0, "own-x", "other-x", "k", 0, NULL))
SENDER(send_publish, step_publish(c, 1, "other-x", "k", "m"))
SENDER(send_publish_default, step_publish(c, 1, "", "own-q", "m"))
SENDER(send_publish_missing, step_publish(c, 1, "no-x", "k", "m"))
SENDER(send_get, step_send_get(c, 1, "other-q", true))
SENDER(send_consume, step_send_consume(c, 1, "other-q", "t", 0, NULL))
SENDER(send_purge, raw_method(c, 1, 50, 30, "ws1", 0, "other-q", 0))
SENDER(send_missing_queue, step_send_delete(c, 1, "never-there", 0))

#define REFUSED(what) "ACCESS_REFUSED - access to " what " in vhost '/' refused for user 'limited'"

static const struct error_row refused[] = {
    {"declare_of_a_foreign_exchange", send_exchange_declare, 403, REFUSED("exchange 'new-x'"), 40,
     10},
    {"delete_of_a_foreign_exchange", send_exchange_delete, 403, REFUSED("exchange 'other-x'"), 40,
     20},
    {"foreign_alternate_exchange", send_declare_with_foreign_alternate, 403,
     REFUSED("exchange 'other-x'"), 40, 10},
    {"declare_of_a_foreign_queue", send_queue_declare, 403, REFUSED("queue 'new-q'"), 50, 10},
    {"declare_of_a_generated_name", send_unnamed_declare, 403, NULL, 50, 10},
    {"delete_of_a_foreign_queue", send_queue_delete, 403, REFUSED("queue 'other-q'"), 50, 40},
    {"delete_of_a_missing_foreign_queue", send_missing_queue, 403, REFUSED("queue 'never-there'"),
     50, 40},
    {"bind_of_a_foreign_queue", send_bind_queue, 403, REFUSED("queue 'other-q'"), 50, 20},
    {"bind_to_a_foreign_exchange", send_bind_exchange, 403, REFUSED("exchange 'other-x'"), 50, 20},
    {"unbind_of_a_foreign_queue", send_unbind_queue, 403, REFUSED("queue 'other-q'"), 50, 50},
    {"unbind_from_a_foreign_exchange", send_unbind_exchange, 403, REFUSED("exchange 'other-x'"), 50,
     50},
    {"exchange_bind_to_a_foreign_exchange", send_e2e_destination, 403,
     REFUSED("exchange 'other-x'"), 40, 30},
    {"exchange_bind_from_a_foreign_exchange", send_e2e_source, 403, REFUSED("exchange 'other-x'"),
     40, 30},
    {"exchange_unbind_from_a_foreign_exchange", send_e2e_unbind, 403, REFUSED("exchange 'other-x'"),
     40, 40},
    {"publish_to_a_foreign_exchange", send_publish, 403, REFUSED("exchange 'other-x'"), 60, 40},
    {"publish_to_the_default_exchange", send_publish_default, 403,
     REFUSED("exchange 'amq.default'"), 60, 40},
    {"publish_to_a_missing_foreign_exchange", send_publish_missing, 403, REFUSED("exchange 'no-x'"),
     60, 40},
    {"get_from_a_foreign_queue", send_get, 403, REFUSED("queue 'other-q'"), 60, 70},
    {"consume_from_a_foreign_queue", send_consume, 403, REFUSED("queue 'other-q'"), 60, 20},
    {"purge_of_a_foreign_queue", send_purge, 403, REFUSED("queue 'other-q'"), 50, 30},
};

/* The permission's name stands before "access" in later versions: both texts are RabbitMQ's. */
static bool is_refusal(const char *got, const char *expected)
{
    static const char *const permissions[] = {"configure ", "write ", "read "};
    static const char prefix[] = "ACCESS_REFUSED - ";
    const char *rest = got + strlen(prefix);

    if (strncmp(got, prefix, strlen(prefix)) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_COUNT(permissions); i++)
        if (strncmp(rest, permissions[i], strlen(permissions[i])) == 0)
            rest += strlen(permissions[i]);
    return strcmp(rest, expected + strlen(prefix)) == 0;
}

static void limited_is_refused(const void *row)
{
    const struct error_row *r = row;
    uint16_t code = 0, class_id = 0, method_id = 0;
    char text[256];

    need_users();
    struct raw_client *c = open_as("limited", "secret", "/");
    r->send(c);
    raw_expect(c, 1, 20, 40);
    raw_args(c, "wsww", &code, text, &class_id, &method_id);
    assert_int_equal(code, 403);
    if (r->text != NULL && !is_refusal(text, r->text))
        assert_string_equal(text, r->text);
    assert_int_equal(class_id, r->class_id);
    assert_int_equal(method_id, r->method_id);
    raw_method(c, 1, 20, 41, "");
}

static void limited_may_do_all_to_its_own(const void *row)
{
    struct raw_client *c;

    (void)row;
    need_users();
    c = open_as("limited", "secret", "/");
    step_exchange(c, 1, "own-new-x", "direct", 0, NULL);
    step_declare(c, 1, "own-new-q", QUEUE_EXCLUSIVE, NULL);
    step_bind(c, 1, "own-new-q", "own-new-x", "k", NULL);
    step_publish(c, 1, "own-new-x", "k", "m");
    step_get(c, 1, "own-new-q", "m");
    step_consume(c, 1, "own-new-q", "t", 0, NULL);
    step_cancel(c, 1, "t");
    assert_int_equal(step_purge(c, 1, "own-new-q"), 0);
    step_unbind(c, 1, "own-new-q", "own-new-x", "k", NULL);
    step_exchange_bind(c, 1, "own-new-x", "own-x", "k");
    step_delete(c, 1, "own-new-q");
    step_exchange_delete(c, 1, "own-new-x");
}

static void passive_declares_need_no_permission(const void *row)
{
    struct raw_client *c;

    (void)row;
    need_users();
    c = open_as("limited", "secret", "/");
    step_counts(c, 1, "other-q", NULL, NULL);
    step_send_exchange(c, 1, "other-x", "", EXCHANGE_PASSIVE, NULL);
    raw_expect(c, 1, 40, 11);
}

static void patterns_are_not_anchored(const void *row)
{
    struct raw_client *c;

    (void)row;
    need_users();
    c = open_as("middle", "secret", "/");
    step_declare(c, 1, "in-the-middle-of", QUEUE_EXCLUSIVE, NULL);
    step_get_empty(c, 1, "in-the-middle-of");
    step_send_bind(c, 1, "in-the-middle-of", "amq.direct", "k", NULL);
    raw_expect(c, 1, 20, 40); /* the empty pattern allows no write */
}

static void other_vhosts_are_refused(const void *row)
{
    struct raw_client *c = raw_connect();
    struct raw_login login = {.user = "outsider", .password = "secret"};

    (void)row;
    need_users();
    raw_start(c);
    raw_start_ok_plain(c, &login);
    raw_read_tune(c, NULL, NULL, NULL);
    raw_tune_ok(c, 2047, 131072, 0);
    raw_method(c, 0, 10, 40, "ss1", "/", "", 0);
    raw_expect_connection_close(
        c, 530, "NOT_ALLOWED - access to vhost '/' refused for user 'outsider'", 10, 40);
}

static void guest_is_refused_where_it_has_no_permissions(const void *row)
{
    struct raw_client *c;

    (void)row;
    need_users();
    c = raw_connect();
    raw_start(c);
    raw_start_ok_plain(c, &(struct raw_login){0});
    raw_read_tune(c, NULL, NULL, NULL);
    raw_tune_ok(c, 2047, 131072, 0);
    raw_method(c, 0, 10, 40, "ss1", "elsewhere", "", 0);
    raw_expect_connection_close(
        c, 530, "NOT_ALLOWED - access to vhost 'elsewhere' refused for user 'guest'", 10, 40);
}

static void vhosts_are_separate(const void *row)
{
    struct raw_client *here, *there;

    (void)row;
    need_users();
    here = raw_open();
    there = open_as("outsider", "secret", "elsewhere");
    step_declare(here, 1, "same-name", QUEUE_EXCLUSIVE, NULL);
    step_declare(there, 1, "same-name", QUEUE_EXCLUSIVE, NULL);
    step_bind(here, 1, "same-name", "amq.fanout", "", NULL);
    step_publish(there, 1, "amq.fanout", "", "nowhere");
    step_publish(there, 1, "", "same-name", "there");
    step_get(there, 1, "same-name", "there");
    step_get_empty(here, 1, "same-name");
    step_send_declare(there, 1, "own-q", QUEUE_PASSIVE, NULL);
    raw_expect_channel_close(there, 1, 404, "NOT_FOUND - no queue 'own-q' in vhost 'elsewhere'", 50,
                             10);
}

static void expect_wrong_password(const char *user, const char *password)
{
    struct raw_client *c = raw_connect();
    struct raw_login login = {.user = user, .password = password};

    raw_start(c);
    raw_start_ok_plain(c, &login);
    raw_expect(c, 0, 10, 50);
    uint16_t code = 0;
    raw_args(c, "wsww", &code, NULL, NULL, NULL);
    assert_int_equal(code, 403);
    raw_drop(c, false);
}

static void changed_passwords_count_at_once(const void *row)
{
    (void)row;
    need_users();
    broker_test_ctl("add_user changing before");
    broker_test_ctl("set_permissions -p / changing '.*' '.*' '.*'");
    raw_close(open_as("changing", "before", "/"));
    broker_test_ctl("change_password changing after");
    expect_wrong_password("changing", "before");
    raw_close(open_as("changing", "after", "/"));
    broker_test_ctl("delete_user changing");
    expect_wrong_password("changing", "after");
}

static void deleted_user_is_disconnected(const void *row)
{
    struct raw_client *c;

    (void)row;
    need_users();
    broker_test_ctl("add_user leaving secret");
    broker_test_ctl("set_permissions -p / leaving '.*' '.*' '.*'");
    c = open_as("leaving", "secret", "/");
    broker_test_ctl("delete_user leaving");
    raw_expect_connection_close(c, 320, "CONNECTION_FORCED - user 'leaving' is deleted", 0, 0);
}

static void deleted_vhost_takes_its_connections_along(const void *row)
{
    struct raw_client *c;
    uint16_t code = 0;
    char text[256];

    (void)row;
    need_users();
    broker_test_ctl("add_vhost vanishing");
    broker_test_ctl("set_permissions -p vanishing outsider '.*' '.*' '.*'");
    c = open_as("outsider", "secret", "vanishing");
    step_declare(c, 1, "vanishing-q", QUEUE_DURABLE, NULL);
    broker_test_ctl("delete_vhost vanishing");
    raw_expect(c, 0, 10, 50); /* RabbitMQ says "is deleted" or "is down", whichever it sees first */
    raw_args(c, "wsww", &code, text, NULL, NULL);
    assert_int_equal(code, 320);
    assert_memory_equal(text, "CONNECTION_FORCED - vhost 'vanishing' is d", 42);
    raw_drop(c, false);
    broker_test_ctl("add_vhost vanishing");
    broker_test_ctl("set_permissions -p vanishing outsider '.*' '.*' '.*'");
    c = open_as("outsider", "secret", "vanishing");
    step_send_declare(c, 1, "vanishing-q", QUEUE_PASSIVE, NULL);
    raw_expect_channel_close(c, 1, 404, "NOT_FOUND - no queue 'vanishing-q' in vhost 'vanishing'",
                             50, 10);
    raw_close(c);
    broker_test_ctl("delete_vhost vanishing");
}

static void cleared_permissions_refuse_new_connections(const void *row)
{
    struct raw_login login = {.user = "cleared", .password = "secret"};
    struct raw_client *c;

    (void)row;
    need_users();
    broker_test_ctl("add_user cleared secret");
    broker_test_ctl("set_permissions -p / cleared '.*' '.*' '.*'");
    raw_close(open_as("cleared", "secret", "/"));
    broker_test_ctl("clear_permissions -p / cleared");
    c = raw_connect();
    raw_start(c);
    raw_start_ok_plain(c, &login);
    raw_read_tune(c, NULL, NULL, NULL);
    raw_tune_ok(c, 2047, 131072, 0);
    raw_method(c, 0, 10, 40, "ss1", "/", "", 0);
    raw_expect_connection_close(
        c, 530, "NOT_ALLOWED - access to vhost '/' refused for user 'cleared'", 10, 40);
    broker_test_ctl("delete_user cleared");
}

static void names_and_passwords_of_utf8_work(const void *row)
{
    (void)row;
    need_users();
    broker_test_ctl("add_user h\xc3\xa4se '\xe2\x82\xac: \"x\"'");
    broker_test_ctl("set_permissions -p / h\xc3\xa4se '.*' '.*' '.*'");
    raw_close(open_as("h\xc3\xa4se", "\xe2\x82\xac: \"x\"", "/"));
    broker_test_ctl("delete_user h\xc3\xa4se");
}

/* The last case: what the others used goes, so that the program can be run again on the same
 * broker. */
static void users_and_vhosts_can_be_deleted(const void *row)
{
    struct raw_client *c;

    (void)row;
    need_users();
    broker_test_ctl("delete_user limited");
    broker_test_ctl("delete_user middle");
    broker_test_ctl("delete_user outsider");
    broker_test_ctl("delete_vhost elsewhere");
    c = raw_open();
    step_delete(c, 1, "own-q");
    step_delete(c, 1, "other-q");
    step_exchange_delete(c, 1, "own-x");
    step_exchange_delete(c, 1, "other-x");
    raw_close(c);
    expect_wrong_password("limited", "secret");
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++)
        broker_test_add(refused[i].name, limited_is_refused, &refused[i]);
    BROKER_TEST(limited_may_do_all_to_its_own);
    BROKER_TEST(passive_declares_need_no_permission);
    BROKER_TEST(patterns_are_not_anchored);
    BROKER_TEST(other_vhosts_are_refused);
    BROKER_TEST(guest_is_refused_where_it_has_no_permissions);
    BROKER_TEST(vhosts_are_separate);
    BROKER_TEST(changed_passwords_count_at_once);
    BROKER_TEST(deleted_user_is_disconnected);
    BROKER_TEST(deleted_vhost_takes_its_connections_along);
    BROKER_TEST(cleared_permissions_refuse_new_connections);
    BROKER_TEST(names_and_passwords_of_utf8_work);
    BROKER_TEST(users_and_vhosts_can_be_deleted);
    return broker_test_run("access", argc, argv);
}
