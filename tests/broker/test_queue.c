/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue class: declare with every flag, equivalence, exclusivity, bind, unbind, purge, delete,
 * and their errors.
 */
#include "broker_test.h"

#include <stdio.h>
#include <string.h>

#define LOCKED(queue)                                                                              \
    "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '" queue                     \
    "' in vhost '/'. It could be originally declared on another connection or the exclusive "      \
    "property value does not match that of the original declaration."

/* --- errors that need nothing but a channel */

SENDER(send_passive_missing, step_send_declare(c, 1, "no-q", QUEUE_PASSIVE, NULL))
SENDER(send_passive_unnamed, step_send_declare(c, 1, "", QUEUE_PASSIVE, NULL))
SENDER(send_passive_missing_nowait,
       step_send_declare(c, 1, "no-q", QUEUE_PASSIVE | QUEUE_NOWAIT, NULL))
SENDER(send_reserved, step_send_declare(c, 1, "amq.mine", 0, NULL))
SENDER(send_purge_missing, raw_method(c, 1, 50, 30, "ws1", 0, "no-q", 0))
SENDER(send_purge_missing_nowait, raw_method(c, 1, 50, 30, "ws1", 0, "no-q", 1))
SENDER(send_bind_missing_queue, step_send_bind(c, 1, "no-q", "amq.direct", "k", NULL))
SENDER(send_bind_missing_exchange, step_declare(c, 1, "bind-q", QUEUE_EXCLUSIVE, NULL);
       step_send_bind(c, 1, "bind-q", "no-x", "k", NULL))
SENDER(send_bind_both_missing, step_send_bind(c, 1, "no-q", "no-x", "k", NULL))
SENDER(send_bind_default, step_declare(c, 1, "bind-q", QUEUE_EXCLUSIVE, NULL);
       step_send_bind(c, 1, "bind-q", "", "k", NULL))
SENDER(send_unbind_default, step_declare(c, 1, "bind-q", QUEUE_EXCLUSIVE, NULL);
       step_send_unbind(c, 1, "bind-q", "", "bind-q", NULL))
SENDER(send_bind_no_last, step_send_bind(c, 1, "", "amq.direct", "k", NULL))
SENDER(send_unbind_no_last, step_send_unbind(c, 1, "", "amq.direct", "k", NULL))
SENDER(send_purge_no_last, raw_method(c, 1, 50, 30, "ws1", 0, "", 0))
SENDER(send_delete_no_last, step_send_delete(c, 1, "", 0))
SENDER(send_get_no_last, step_send_get(c, 1, "", true))
SENDER(send_consume_no_last, step_send_consume(c, 1, "", "", 0, NULL))
SENDER(send_delete_in_use, step_declare(c, 1, "in-use", QUEUE_EXCLUSIVE, NULL);
       step_consume(c, 1, "in-use", "t", 0, NULL);
       step_send_delete(c, 1, "in-use", DELETE_IF_UNUSED))
SENDER(send_delete_not_empty, step_declare(c, 1, "full-q", QUEUE_EXCLUSIVE, NULL);
       step_publish(c, 1, "", "full-q", "m"); step_send_delete(c, 1, "full-q", DELETE_IF_EMPTY))
SENDER(send_unequal_durable, step_declare(c, 1, "unequal-d", QUEUE_AUTO_DELETE, NULL);
       step_send_declare(c, 1, "unequal-d", QUEUE_AUTO_DELETE | QUEUE_DURABLE, NULL))
SENDER(send_unequal_auto_delete, step_declare(c, 1, "unequal-a", QUEUE_EXCLUSIVE, NULL);
       step_send_declare(c, 1, "unequal-a", QUEUE_EXCLUSIVE | QUEUE_AUTO_DELETE, NULL))
SENDER(send_unequal_exclusive, step_declare(c, 1, "unequal-e", QUEUE_EXCLUSIVE, NULL);
       step_send_declare(c, 1, "unequal-e", 0, NULL))

static const struct error_row errors[] = {
    {"passive_declare_of_a_missing_queue", send_passive_missing, 404,
     "NOT_FOUND - no queue 'no-q' in vhost '/'", 50, 10},
    {"passive_declare_without_a_name", send_passive_unnamed, 404,
     "NOT_FOUND - no queue '' in vhost '/'", 50, 10},
    {"nowait_errors_are_told_too", send_passive_missing_nowait, 404,
     "NOT_FOUND - no queue 'no-q' in vhost '/'", 50, 10},
    {"reserved_queue_name", send_reserved, 403,
     "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'", 50, 10},
    {"purge_of_a_missing_queue", send_purge_missing, 404,
     "NOT_FOUND - no queue 'no-q' in vhost '/'", 50, 30},
    {"nowait_purge_of_a_missing_queue", send_purge_missing_nowait, 404,
     "NOT_FOUND - no queue 'no-q' in vhost '/'", 50, 30},
    {"bind_of_a_missing_queue", send_bind_missing_queue, 404,
     "NOT_FOUND - no queue 'no-q' in vhost '/'", 50, 20},
    {"bind_to_a_missing_exchange", send_bind_missing_exchange, 404,
     "NOT_FOUND - no exchange 'no-x' in vhost '/'", 50, 20},
    {"bind_names_the_missing_exchange_first", send_bind_both_missing, 404,
     "NOT_FOUND - no exchange 'no-x' in vhost '/'", 50, 20},
    {"bind_to_the_default_exchange", send_bind_default, 403,
     "ACCESS_REFUSED - operation not permitted on the default exchange", 50, 20},
    {"unbind_from_the_default_exchange", send_unbind_default, 403,
     "ACCESS_REFUSED - operation not permitted on the default exchange", 50, 50},
    {"bind_without_a_last_queue", send_bind_no_last, 404,
     "NOT_FOUND - no previously declared queue", 50, 20},
    {"unbind_without_a_last_queue", send_unbind_no_last, 404,
     "NOT_FOUND - no previously declared queue", 50, 50},
    {"purge_without_a_last_queue", send_purge_no_last, 404,
     "NOT_FOUND - no previously declared queue", 50, 30},
    {"delete_without_a_last_queue", send_delete_no_last, 404,
     "NOT_FOUND - no previously declared queue", 50, 40},
    {"get_without_a_last_queue", send_get_no_last, 404, "NOT_FOUND - no previously declared queue",
     60, 70},
    {"consume_without_a_last_queue", send_consume_no_last, 404,
     "NOT_FOUND - no previously declared queue", 60, 20},
    {"delete_if_unused_of_a_used_queue", send_delete_in_use, 406,
     "PRECONDITION_FAILED - queue 'in-use' in vhost '/' in use", 50, 40},
    {"delete_if_empty_of_a_full_queue", send_delete_not_empty, 406,
     "PRECONDITION_FAILED - queue 'full-q' in vhost '/' not empty", 50, 40},
    {"declare_with_unequal_durable", send_unequal_durable, 406,
     "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'unequal-d' in vhost '/': "
     "received 'true' but current is 'false'",
     50, 10},
    {"declare_with_unequal_auto_delete", send_unequal_auto_delete, 406,
     "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue 'unequal-a' in vhost '/': "
     "received 'true' but current is 'false'",
     50, 10},
    {"declare_with_unequal_exclusive", send_unequal_exclusive, 405, LOCKED("unequal-e"), 50, 10},
};

/* --- another connection's exclusive queue */

static const struct error_row locked[] = {
    {"declare_of_a_locked_queue", NULL, 405, LOCKED("locked"), 50, 10},
    {"exclusive_declare_of_a_locked_queue", NULL, 405, LOCKED("locked"), 50, 10},
    {"passive_declare_of_a_locked_queue", NULL, 405, LOCKED("locked"), 50, 10},
    {"bind_of_a_locked_queue", NULL, 405, LOCKED("locked"), 50, 20},
    {"unbind_of_a_locked_queue", NULL, 405, LOCKED("locked"), 50, 50},
    {"purge_of_a_locked_queue", NULL, 405, LOCKED("locked"), 50, 30},
    {"delete_of_a_locked_queue", NULL, 405, LOCKED("locked"), 50, 40},
    {"get_of_a_locked_queue", NULL, 405, LOCKED("locked"), 60, 70},
    {"consume_of_a_locked_queue", NULL, 405, LOCKED("locked"), 60, 20},
};

static void send_to_locked(struct raw_client *c, size_t index)
{
    switch (index) {
    case 0:
        step_send_declare(c, 1, "locked", 0, NULL);
        break;
    case 1:
        step_send_declare(c, 1, "locked", QUEUE_EXCLUSIVE, NULL);
        break;
    case 2:
        step_send_declare(c, 1, "locked", QUEUE_PASSIVE, NULL);
        break;
    case 3:
        step_send_bind(c, 1, "locked", "amq.direct", "k", NULL);
        break;
    case 4:
        step_send_unbind(c, 1, "locked", "amq.direct", "k", NULL);
        break;
    case 5:
        raw_method(c, 1, 50, 30, "ws1", 0, "locked", 0);
        break;
    case 6:
        step_send_delete(c, 1, "locked", 0);
        break;
    case 7:
        step_send_get(c, 1, "locked", true);
        break;
    default:
        step_send_consume(c, 1, "locked", "t", 0, NULL);
        break;
    }
}

static void locked_queue_refuses(const void *row)
{
    const struct error_row *r = row;
    struct raw_client *owner = raw_open();
    struct raw_client *c = raw_open();

    step_declare(owner, 1, "locked", QUEUE_EXCLUSIVE, NULL);
    step_bind(owner, 1, "locked", "amq.direct", "k", NULL);
    send_to_locked(c, (size_t)(r - locked));
    raw_expect_channel_close(c, 1, r->code, r->text, r->class_id, r->method_id);
    step_counts(owner, 1, "locked", NULL, NULL);
}

static void locked_queue_may_be_published_to(const void *row)
{
    struct raw_client *owner = raw_open();
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(owner, 1, "locked-publish", QUEUE_EXCLUSIVE, NULL);
    step_publish(c, 1, "", "locked-publish", "in");
    step_await_ready(owner, 1, "locked-publish", 1);
    step_get(owner, 1, "locked-publish", "in");
}

static void exclusive_queue_serves_all_channels_of_its_connection(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_open_channel(c, 2);
    step_declare(c, 1, "own-exclusive", QUEUE_EXCLUSIVE, NULL);
    step_declare(c, 2, "own-exclusive", QUEUE_EXCLUSIVE, NULL);
    step_publish(c, 2, "", "own-exclusive", "m");
    step_get(c, 2, "own-exclusive", "m");
    raw_method(c, 1, 20, 40, "wsww", 200, "", 0, 0);
    raw_expect(c, 1, 20, 41);
    step_counts(c, 2, "own-exclusive", NULL, NULL);
}

static void exclusive_forces_transient(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "exclusive-durable", QUEUE_EXCLUSIVE, NULL);
    step_declare(c, 1, "exclusive-durable", QUEUE_EXCLUSIVE | QUEUE_DURABLE, NULL);
}

/* --- names */

static void server_named_queue_has_a_generated_name(const void *row)
{
    struct raw_client *c = raw_open();
    char first[256], second[256];

    (void)row;
    step_declare_unnamed(c, 1, first);
    step_declare_unnamed(c, 1, second);
    assert_memory_equal(first, "amq.gen-", 8);
    assert_int_equal(strlen(first), 30);
    assert_int_equal(strspn(first + 8,
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                            "-_"),
                     22);
    assert_string_not_equal(first, second);
    step_publish(c, 1, "", first, "m");
    step_get(c, 1, first, "m");
}

static void server_named_queue_is_not_redeclared_by_name(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256], text[400];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    step_counts(c, 1, queue, NULL, NULL);
    step_send_declare(c, 1, queue, QUEUE_EXCLUSIVE, NULL);
    snprintf(text, sizeof text, "ACCESS_REFUSED - queue name '%s' contains reserved prefix 'amq.*'",
             queue);
    raw_expect_channel_close(c, 1, 403, text, 50, 10);
}

static void line_ends_are_removed_from_names(const void *row)
{
    struct raw_client *c = raw_open();
    char name[256];

    (void)row;
    step_send_declare(c, 1, "line\r\nend\n", QUEUE_EXCLUSIVE, NULL);
    raw_expect(c, 1, 50, 11);
    raw_args(c, "sll", name, NULL, NULL);
    assert_string_equal(name, "lineend");
    step_send_bind(c, 1, "line\nend", "amq.\rdirect", "line-key", NULL);
    raw_expect(c, 1, 50, 21);
    step_publish(c, 1, "amq.direct", "line-key", "m");
    step_get(c, 1, "lineend", "m");
    step_delete(c, 1, "\rlineend");
    step_send_declare(c, 1, "lineend", QUEUE_PASSIVE, NULL);
    raw_expect_channel_close(c, 1, 404, "NOT_FOUND - no queue 'lineend' in vhost '/'", 50, 10);
}

static void names_of_255_bytes_work(const void *row)
{
    struct raw_client *c = raw_open();
    char name[256];

    (void)row;
    memset(name, 'n', 255);
    name[255] = '\0';
    step_declare(c, 1, name, QUEUE_EXCLUSIVE, NULL);
    step_publish(c, 1, "", name, "long");
    step_get(c, 1, name, "long");
}

/* The name and the text together pass 255 bytes: the reply is cut and ends in dots. */
static void long_texts_are_cut(const void *row)
{
    struct raw_client *c = raw_open();
    char name[256], text[512], got[256];
    uint16_t code = 0;

    (void)row;
    memset(name, 'n', 250);
    name[250] = '\0';
    step_send_declare(c, 1, name, QUEUE_PASSIVE, NULL);
    snprintf(text, sizeof text, "NOT_FOUND - no queue '%s' in vhost '/'", name);
    raw_expect(c, 1, 20, 40);
    raw_args(c, "wsww", &code, got, NULL, NULL);
    assert_int_equal(code, 404);
    assert_int_equal(strlen(got), 255);
    assert_memory_equal(got, text, 252);
    assert_string_equal(got + 252, "...");
    raw_method(c, 1, 20, 41, "");
}

static void names_of_utf8_work(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "h\xc3\xa4se \xe2\x82\xac \xf0\x9f\x90\x87", QUEUE_EXCLUSIVE, NULL);
    step_publish(c, 1, "", "h\xc3\xa4se \xe2\x82\xac \xf0\x9f\x90\x87", "m");
    step_get(c, 1, "h\xc3\xa4se \xe2\x82\xac \xf0\x9f\x90\x87", "m");
}

/* --- the last declared queue */

static void empty_name_is_the_last_declared_queue(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "last-one", QUEUE_EXCLUSIVE, NULL);
    step_declare(c, 1, "last-two", QUEUE_EXCLUSIVE, NULL);
    step_bind(c, 1, "", "amq.direct", "", NULL); /* the key becomes the name as well */
    step_publish(c, 1, "amq.direct", "last-two", "m");
    step_get(c, 1, "", "m");
    step_counts(c, 1, "last-one", NULL, NULL); /* passive counts as the last declaration */
    step_get_empty(c, 1, "");
    step_publish(c, 1, "", "last-one", "n");
    assert_int_equal(step_purge(c, 1, ""), 1);
    step_delete(c, 1, "");
    step_queue_vanishes(c, "last-one");
}

static void empty_key_with_a_queue_name_stays_empty(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "key-empty", QUEUE_EXCLUSIVE, NULL);
    step_bind(c, 1, "key-empty", "amq.direct", "", NULL);
    step_publish(c, 1, "amq.direct", "key-empty", "not routed");
    step_publish(c, 1, "amq.direct", "", "routed");
    step_get(c, 1, "key-empty", "routed");
    step_get_empty(c, 1, "key-empty");
}

static void last_declared_queue_is_per_channel(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_open_channel(c, 2);
    step_declare(c, 1, "last-of-1", QUEUE_EXCLUSIVE, NULL);
    step_send_get(c, 2, "", true);
    raw_expect_channel_close(c, 2, 404, "NOT_FOUND - no previously declared queue", 60, 70);
}

/* --- declare, purge, delete */

static void declare_ok_counts_ready_and_consumers(const void *row)
{
    struct raw_client *c = raw_open();
    uint32_t ready = 9, consumers = 9;

    (void)row;
    step_declare(c, 1, "counted", QUEUE_EXCLUSIVE, NULL);
    for (int i = 0; i < 3; i++)
        step_publish(c, 1, "", "counted", "m");
    step_await_ready(c, 1, "counted", 3);
    assert_int_equal(step_declare(c, 1, "counted", QUEUE_EXCLUSIVE, NULL), 3);
    step_get(c, 1, "counted", "m");
    step_counts(c, 1, "counted", &ready, &consumers);
    assert_int_equal(ready, 2);
    assert_int_equal(consumers, 0);
    step_consume(c, 1, "counted", "t", 0, NULL);
    step_deliver(c, 1, "t", "m");
    step_deliver(c, 1, "t", "m");
    step_counts(c, 1, "counted", &ready, &consumers);
    assert_int_equal(ready, 0);
    assert_int_equal(consumers, 1);
}

static void nowait_methods_give_no_answer(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "silent", QUEUE_EXCLUSIVE | QUEUE_NOWAIT, NULL);
    raw_method(c, 1, 50, 20, "wsss1T", 0, "silent", "amq.direct", "silent-key", 1, NULL);
    step_publish(c, 1, "amq.direct", "silent-key", "purged");
    raw_method(c, 1, 50, 30, "ws1", 0, "silent", 1);
    raw_expect_nothing(c, 1);
    step_get_empty(c, 1, "silent");
    step_send_delete(c, 1, "silent", DELETE_NOWAIT);
    raw_expect_nothing(c, 1);
    step_send_declare(c, 1, "silent", QUEUE_PASSIVE, NULL);
    raw_expect_channel_close(c, 1, 404, "NOT_FOUND - no queue 'silent' in vhost '/'", 50, 10);
}

static void unknown_arguments_are_ignored(const void *row)
{
    struct raw_table args = raw_table("SIFS", "x-custom", "a", "other", 1, "x-table",
                                      &(struct raw_table){.bytes = 0}, "x-ha-policy", "all");
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "custom-args", QUEUE_EXCLUSIVE, &args);
    step_declare(c, 1, "custom-args", QUEUE_EXCLUSIVE, NULL);
    step_publish(c, 1, "", "custom-args", "m");
    step_get(c, 1, "custom-args", "m");
}

static void queue_type_classic_equals_none(const void *row)
{
    struct raw_table args = raw_table("S", "x-queue-type", "classic");
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "classic", QUEUE_EXCLUSIVE, &args);
    step_declare(c, 1, "classic", QUEUE_EXCLUSIVE, NULL);
}

static void purge_removes_only_what_is_ready(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "purged", QUEUE_EXCLUSIVE, NULL);
    assert_int_equal(step_purge(c, 1, "purged"), 0);
    step_publish(c, 1, "", "purged", "held");
    step_publish(c, 1, "", "purged", "gone");
    step_publish(c, 1, "", "purged", "gone");
    uint64_t tag = step_get(c, 1, "purged", "held");
    assert_int_equal(step_purge(c, 1, "purged"), 2);
    step_get_empty(c, 1, "purged");
    step_reject(c, 1, tag, true);
    step_get(c, 1, "purged", "held");
}

static void delete_counts_what_was_ready(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "deleted", QUEUE_EXCLUSIVE, NULL);
    step_publish(c, 1, "", "deleted", "m");
    step_publish(c, 1, "", "deleted", "m");
    step_get(c, 1, "deleted", "m");
    assert_int_equal(step_delete(c, 1, "deleted"), 1);
}

static void delete_of_a_missing_queue_is_answered(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    assert_int_equal(step_delete(c, 1, "never-there"), 0);
    step_send_delete(c, 1, "never-there", DELETE_IF_EMPTY | DELETE_IF_UNUSED);
    raw_expect(c, 1, 50, 41);
}

static void acks_of_a_deleted_queue_are_accepted(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "ack-after", QUEUE_EXCLUSIVE, NULL);
    step_publish(c, 1, "", "ack-after", "one");
    step_publish(c, 1, "", "ack-after", "two");
    uint64_t first = step_get(c, 1, "ack-after", "one");
    uint64_t second = step_get(c, 1, "ack-after", "two");
    step_delete(c, 1, "ack-after");
    step_ack(c, 1, first, false);
    step_reject(c, 1, second, true);
    raw_expect_nothing(c, 1);
}

static void deleted_name_starts_afresh(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(step_declare(c, 1, "afresh", QUEUE_EXCLUSIVE, NULL), 0);
        step_bind(c, 1, "afresh", "amq.fanout", "", NULL);
        step_publish(c, 1, "", "afresh", "m");
        assert_int_equal(step_delete(c, 1, "afresh"), 1);
    }
    step_declare(c, 1, "afresh", QUEUE_EXCLUSIVE, NULL);
    step_publish(c, 1, "amq.fanout", "", "bound no more");
    step_get_empty(c, 1, "afresh");
}

static void every_flag_combination_is_declared_and_redeclared(const void *row)
{
    struct raw_client *c = raw_open();
    char name[64];

    (void)row;
    for (int flags = 0; flags < 16; flags += 2) {
        snprintf(name, sizeof name, "flags-%d", flags);
        step_delete(c, 1, name);
        step_declare(c, 1, name, flags, NULL);
        step_declare(c, 1, name, flags, NULL);
        step_counts(c, 1, name, NULL, NULL);
        step_publish(c, 1, "", name, "m");
        step_get(c, 1, name, "m");
        step_delete(c, 1, name);
    }
}

/* --- auto-delete */

static void auto_delete_follows_the_last_cancel(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "auto-cancel", QUEUE_AUTO_DELETE, NULL);
    step_consume(c, 1, "auto-cancel", "one", 0, NULL);
    step_consume(c, 1, "auto-cancel", "two", 0, NULL);
    step_cancel(c, 1, "one");
    step_counts(c, 1, "auto-cancel", NULL, NULL);
    step_cancel(c, 1, "two");
    step_queue_vanishes(c, "auto-cancel");
}

static void auto_delete_follows_a_lost_connection(const void *row)
{
    struct raw_client *observer = raw_open();
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "auto-lost", QUEUE_AUTO_DELETE, NULL);
    step_consume(c, 1, "auto-lost", "t", 0, NULL);
    raw_drop(c, true);
    step_queue_vanishes(observer, "auto-lost");
}

static void auto_delete_waits_for_a_first_consumer(const void *row)
{
    struct raw_client *observer = raw_open();
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "auto-unused", QUEUE_AUTO_DELETE, NULL);
    step_publish(c, 1, "", "auto-unused", "m");
    step_get_no_ack(c, 1, "auto-unused", "m");
    raw_close(c);
    step_counts(observer, 1, "auto-unused", NULL, NULL);
    step_delete(observer, 1, "auto-unused");
}

/* --- bindings */

static void unbind_is_idempotent(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "unbound", QUEUE_EXCLUSIVE, NULL);
    step_unbind(c, 1, "unbound", "amq.direct", "never", NULL);
    step_unbind(c, 1, "no-q", "amq.direct", "never", NULL);
    step_unbind(c, 1, "unbound", "no-x", "never", NULL);
    step_bind(c, 1, "unbound", "amq.direct", "unbound-key", NULL);
    step_unbind(c, 1, "unbound", "amq.direct", "unbound-key", NULL);
    step_publish(c, 1, "amq.direct", "unbound-key", "nowhere");
    step_get_empty(c, 1, "unbound");
}

static void arguments_are_part_of_a_binding(const void *row)
{
    struct raw_table args = raw_table("S", "a", "1");
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "bound-twice", QUEUE_EXCLUSIVE, NULL);
    step_bind(c, 1, "bound-twice", "amq.direct", "twice", NULL);
    step_bind(c, 1, "bound-twice", "amq.direct", "twice", NULL);
    step_bind(c, 1, "bound-twice", "amq.direct", "twice", &args);
    step_publish(c, 1, "amq.direct", "twice", "once");
    step_get(c, 1, "bound-twice", "once");
    step_get_empty(c, 1, "bound-twice");
    step_unbind(c, 1, "bound-twice", "amq.direct", "twice", NULL);
    step_publish(c, 1, "amq.direct", "twice", "still");
    step_get(c, 1, "bound-twice", "still");
    step_unbind(c, 1, "bound-twice", "amq.direct", "twice", &args);
    step_publish(c, 1, "amq.direct", "twice", "gone");
    step_get_empty(c, 1, "bound-twice");
}

static void every_queue_is_bound_to_the_default_exchange(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "default-bound", QUEUE_EXCLUSIVE, NULL);
    step_publish(c, 1, "", "default-bound", "m");
    step_get(c, 1, "default-bound", "m");
    step_publish(c, 1, "", "default-bound ", "not here");
    step_get_empty(c, 1, "default-bound");
}

int main(int argc, char **argv)
{
    broker_test_add_errors(errors, ARRAY_COUNT(errors));
    for (size_t i = 0; i < ARRAY_COUNT(locked); i++)
        broker_test_add(locked[i].name, locked_queue_refuses, &locked[i]);
    BROKER_TEST(locked_queue_may_be_published_to);
    BROKER_TEST(exclusive_queue_serves_all_channels_of_its_connection);
    BROKER_TEST(exclusive_forces_transient);
    BROKER_TEST(server_named_queue_has_a_generated_name);
    BROKER_TEST(server_named_queue_is_not_redeclared_by_name);
    BROKER_TEST(line_ends_are_removed_from_names);
    BROKER_TEST(names_of_255_bytes_work);
    BROKER_TEST(long_texts_are_cut);
    BROKER_TEST(names_of_utf8_work);
    BROKER_TEST(empty_name_is_the_last_declared_queue);
    BROKER_TEST(empty_key_with_a_queue_name_stays_empty);
    BROKER_TEST(last_declared_queue_is_per_channel);
    BROKER_TEST(declare_ok_counts_ready_and_consumers);
    BROKER_TEST(nowait_methods_give_no_answer);
    BROKER_TEST(unknown_arguments_are_ignored);
    BROKER_TEST(queue_type_classic_equals_none);
    BROKER_TEST(purge_removes_only_what_is_ready);
    BROKER_TEST(delete_counts_what_was_ready);
    BROKER_TEST(delete_of_a_missing_queue_is_answered);
    BROKER_TEST(acks_of_a_deleted_queue_are_accepted);
    BROKER_TEST(deleted_name_starts_afresh);
    BROKER_TEST(every_flag_combination_is_declared_and_redeclared);
    BROKER_TEST(auto_delete_follows_the_last_cancel);
    BROKER_TEST(auto_delete_follows_a_lost_connection);
    BROKER_TEST(auto_delete_waits_for_a_first_consumer);
    BROKER_TEST(unbind_is_idempotent);
    BROKER_TEST(arguments_are_part_of_a_binding);
    BROKER_TEST(every_queue_is_bound_to_the_default_exchange);
    return broker_test_run("queue", argc, argv);
}
