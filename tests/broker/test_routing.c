/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing: the four types of exchange, bindings between exchanges, alternate exchanges, CC and BCC.
 *
 * How a message is routed is read off the queues: a case binds queues, publishes one message and
 * gets from each.
 */
#include "broker_test.h"

#include <stdio.h>
#include <string.h>

static void send_exchange_unbind(struct raw_client *c, const char *destination, const char *source)
{
    raw_method(c, 1, 40, 40, "wsss1T", 0, destination, source, "k", 0, NULL);
}

/* --- routing: which of the queues bound with these keys get a message of this key */

struct route_row {
    const char *name;
    const char *type;
    const char *bindings[4]; /* of the queues 0 to 3 */
    const char *key;
    const char *expected; /* one digit per queue that gets it */
};

static const struct route_row routes[] = {
    {"direct_is_exact", "direct", {"a", "b", "A", "a"}, "a", "03"},
    {"direct_knows_no_wildcards", "direct", {"#", "*", "a", ""}, "x", ""},
    {"direct_with_an_empty_key", "direct", {"", "a", "", "#"}, "", "02"},
    {"fanout_ignores_the_key", "fanout", {"a", "b", "", "#"}, "x", "0123"},
    {"topic_star_is_one_word", "topic", {"a.*", "*", "*.b", "*.*"}, "a.b", "023"},
    {"topic_hash_is_any_number_of_words", "topic", {"#", "a.#", "#.b", "a.b.#"}, "a.b", "0123"},
    {"topic_hash_is_no_word_too", "topic", {"a.#", "#.a", "#.a.#", "*.a"}, "a", "012"},
    {"topic_hash_in_the_middle",
     "topic",
     {"a.#.b", "a.*.b", "#.c.#", "a.#.c.#.b"},
     "a.c.d.b",
     "023"},
    {"topic_empty_key_has_no_words", "topic", {"#", "*", "", "#.#"}, "", "023"},
    {"topic_trailing_dot_is_an_empty_word", "topic", {"a.*", "a", "a.", "*.*"}, "a.", "023"},
    {"topic_wildcards_are_whole_words", "topic", {"a*", "*a", "ab", "a#"}, "ab", "2"},
    {"topic_wildcards_in_the_key_are_literal", "topic", {"a.*", "a.b", "a.#", "*.*"}, "a.#", "023"},
    {"topic_is_case_sensitive", "topic", {"A.*", "a.*", "*.B", "*.b"}, "a.b", "13"},
    {"topic_two_hashes", "topic", {"#.#", "#.a.#", "#.x.#", "a.#.#"}, "a.b", "013"},
    {"topic_leading_dot", "topic", {"*.a", ".a", "#.a", "a"}, ".a", "012"},
};

static void routes_by_key(const void *row)
{
    const struct route_row *r = row;
    struct raw_client *c = raw_open();
    char queue[32], got[5] = "";
    size_t got_count = 0;

    step_exchange(c, 1, "x-route", r->type, 0, NULL);
    for (int i = 0; i < 4; i++) {
        snprintf(queue, sizeof queue, "x-route-%d", i);
        step_declare(c, 1, queue, QUEUE_EXCLUSIVE, NULL);
        step_bind(c, 1, queue, "x-route", r->bindings[i], NULL);
    }
    step_publish(c, 1, "x-route", r->key, "routed");
    for (int i = 0; i < 4; i++) {
        snprintf(queue, sizeof queue, "x-route-%d", i);
        step_send_get(c, 1, queue, true);
        if (raw_expect_any(c) == (60u << 16 | 72))
            continue;
        raw_expect_content(c, 1);
        got[got_count++] = (char)('0' + i);
        step_get_empty(c, 1, queue);
    }
    assert_string_equal(got, r->expected);
    step_exchange_delete(c, 1, "x-route");
}

/* --- headers: whether a binding with these arguments takes a message with these headers */

struct headers_row {
    const char *name;
    struct raw_table binding;
    struct raw_table headers;
    bool is_routed;
};

static struct headers_row headers_rows[20];
static size_t headers_row_count;

static void headers_row(const char *name, bool is_routed, struct raw_table binding,
                        struct raw_table headers)
{
    assert_true(headers_row_count < ARRAY_COUNT(headers_rows));
    headers_rows[headers_row_count++] = (struct headers_row){name, binding, headers, is_routed};
}

static void fill_headers_rows(void)
{
    headers_row("headers_all_is_the_default", false, raw_table("SS", "a", "1", "b", "2"),
                raw_table("S", "a", "1"));
    headers_row("headers_all_matches", true, raw_table("SSS", "x-match", "all", "a", "1", "b", "2"),
                raw_table("SSS", "a", "1", "b", "2", "c", "3"));
    headers_row("headers_any_matches_one", true,
                raw_table("SSS", "x-match", "any", "a", "1", "b", "2"), raw_table("S", "b", "2"));
    headers_row("headers_any_matches_none", false,
                raw_table("SSS", "x-match", "any", "a", "1", "b", "2"), raw_table("S", "b", "3"));
    headers_row("headers_all_of_nothing_matches", true, raw_table("S", "x-match", "all"),
                raw_table("S", "a", "1"));
    headers_row("headers_any_of_nothing_does_not", false, raw_table("S", "x-match", "any"),
                raw_table("S", "a", "1"));
    headers_row("headers_no_arguments_match_everything", true, raw_table(""), raw_table(""));
    headers_row("headers_void_asks_for_presence", true, raw_table("V", "a"),
                raw_table("I", "a", 7));
    headers_row("headers_void_needs_presence", false, raw_table("V", "a"), raw_table("S", "b", ""));
    headers_row("headers_integer_width_is_ignored", true, raw_table("I", "n", 5),
                raw_table("l", "n", (int64_t)5));
    headers_row("headers_integer_is_no_string", false, raw_table("I", "n", 5),
                raw_table("S", "n", "5"));
    headers_row("headers_all_skips_x_arguments", true,
                raw_table("SSS", "x-match", "all", "a", "1", "x-b", "2"), raw_table("S", "a", "1"));
    headers_row("headers_all_with_x_needs_them", false,
                raw_table("SSS", "x-match", "all-with-x", "a", "1", "x-b", "2"),
                raw_table("S", "a", "1"));
    headers_row("headers_any_with_x_takes_them", true,
                raw_table("SSS", "x-match", "any-with-x", "a", "1", "x-b", "2"),
                raw_table("S", "x-b", "2"));
    headers_row("headers_any_skips_x_arguments", false,
                raw_table("SSS", "x-match", "any", "a", "1", "x-b", "2"),
                raw_table("S", "x-b", "2"));
    headers_row("headers_bool_matches", true, raw_table("t", "b", 1), raw_table("t", "b", 1));
    headers_row("headers_bool_differs", false, raw_table("t", "b", 1), raw_table("t", "b", 0));
    headers_row("headers_timestamp_matches", true, raw_table("T", "t", (int64_t)1700000000),
                raw_table("T", "t", (int64_t)1700000000));
    headers_row("headers_double_matches", true, raw_table("d", "d", 1.5), raw_table("d", "d", 1.5));
}

static void routes_by_headers(const void *row)
{
    const struct headers_row *r = row;
    struct raw_properties properties = raw_properties("h", &r->headers);
    struct raw_client *c = raw_open();

    step_declare(c, 1, "x-headers-q", QUEUE_EXCLUSIVE, NULL);
    step_bind(c, 1, "x-headers-q", "amq.headers", "ignored", &r->binding);
    step_publish_with(c, 1, "amq.headers", "other", 0, &properties, "h", 1);
    if (r->is_routed)
        step_get(c, 1, "x-headers-q", "h");
    step_get_empty(c, 1, "x-headers-q");
}

/* --- bindings between exchanges */

static void exchange_binding_routes_on(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_exchange(c, 1, "x-e2e-from", "topic", 0, NULL);
    step_exchange(c, 1, "x-e2e-to", "direct", EXCHANGE_INTERNAL, NULL);
    step_declare(c, 1, "x-e2e-q", QUEUE_EXCLUSIVE, NULL);
    step_exchange_bind(c, 1, "x-e2e-to", "x-e2e-from", "a.*");
    step_bind(c, 1, "x-e2e-q", "x-e2e-to", "a.b", NULL);
    step_publish(c, 1, "x-e2e-from", "a.b", "in");
    step_publish(c, 1, "x-e2e-from", "a.c", "out");
    step_get(c, 1, "x-e2e-q", "in");
    assert_string_equal(raw_last_message(c)->exchange, "x-e2e-from");
    assert_string_equal(raw_last_message(c)->routing_key, "a.b");
    step_get_empty(c, 1, "x-e2e-q");
    raw_method(c, 1, 40, 40, "wsss1T", 0, "x-e2e-to", "x-e2e-from", "a.*", 0, NULL);
    raw_expect(c, 1, 40, 51);
    step_publish(c, 1, "x-e2e-from", "a.b", "no more");
    step_get_empty(c, 1, "x-e2e-q");
    step_exchange_delete(c, 1, "x-e2e-from");
    step_exchange_delete(c, 1, "x-e2e-to");
}

static void exchange_unbind_is_idempotent(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    send_exchange_unbind(c, "amq.direct", "amq.fanout");
    raw_expect(c, 1, 40, 51);
    send_exchange_unbind(c, "no-x", "amq.fanout");
    raw_expect(c, 1, 40, 51);
    send_exchange_unbind(c, "amq.direct", "no-x");
    raw_expect(c, 1, 40, 51);
}

static void cycles_deliver_once(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_exchange(c, 1, "x-cycle-1", "fanout", 0, NULL);
    step_exchange(c, 1, "x-cycle-2", "fanout", 0, NULL);
    step_declare(c, 1, "x-cycle-q", QUEUE_EXCLUSIVE, NULL);
    step_exchange_bind(c, 1, "x-cycle-1", "x-cycle-2", "");
    step_exchange_bind(c, 1, "x-cycle-2", "x-cycle-1", "");
    step_exchange_bind(c, 1, "x-cycle-1", "x-cycle-1", "");
    step_bind(c, 1, "x-cycle-q", "x-cycle-1", "", NULL);
    step_bind(c, 1, "x-cycle-q", "x-cycle-2", "", NULL);
    step_publish(c, 1, "x-cycle-1", "", "once");
    step_get(c, 1, "x-cycle-q", "once");
    step_get_empty(c, 1, "x-cycle-q");
    step_exchange_delete(c, 1, "x-cycle-1");
    step_exchange_delete(c, 1, "x-cycle-2");
}

/* --- alternate exchanges */

static void alternate_takes_what_is_not_routed(const void *row)
{
    struct raw_table first = raw_table("S", "alternate-exchange", "x-ae-2");
    struct raw_table second = raw_table("S", "alternate-exchange", "x-ae-3");
    struct raw_client *c = raw_open();

    (void)row;
    step_exchange(c, 1, "x-ae-1", "direct", 0, &first);
    step_exchange(c, 1, "x-ae-2", "direct", 0, &second); /* a chain */
    step_exchange(c, 1, "x-ae-3", "fanout", 0, NULL);
    step_declare(c, 1, "x-ae-hit", QUEUE_EXCLUSIVE, NULL);
    step_declare(c, 1, "x-ae-rest", QUEUE_EXCLUSIVE, NULL);
    step_bind(c, 1, "x-ae-hit", "x-ae-1", "hit", NULL);
    step_bind(c, 1, "x-ae-rest", "x-ae-3", "", NULL);
    step_publish_with(c, 1, "x-ae-1", "hit", PUBLISH_MANDATORY, NULL, "hit", 3);
    step_publish_with(c, 1, "x-ae-1", "miss", PUBLISH_MANDATORY, NULL, "miss", 4);
    step_get(c, 1, "x-ae-hit", "hit");
    step_get_empty(c, 1, "x-ae-hit");
    step_get(c, 1, "x-ae-rest", "miss");
    assert_string_equal(raw_last_message(c)->exchange, "x-ae-1");
    step_get_empty(c, 1, "x-ae-rest");
    step_exchange_delete(c, 1, "x-ae-1");
    step_exchange_delete(c, 1, "x-ae-2");
    step_exchange_delete(c, 1, "x-ae-3");
}

static void missing_or_cyclic_alternates_return(const void *row)
{
    struct raw_table missing = raw_table("S", "alternate-exchange", "x-ae-missing");
    struct raw_table self = raw_table("S", "alternate-exchange", "x-ae-self");
    struct raw_client *c = raw_open();

    (void)row;
    step_exchange(c, 1, "x-ae-broken", "direct", 0, &missing);
    step_exchange(c, 1, "x-ae-self", "direct", 0, &self);
    step_publish_with(c, 1, "x-ae-broken", "k", PUBLISH_MANDATORY, NULL, "one", 3);
    raw_expect_return(c, 1);
    step_publish_with(c, 1, "x-ae-self", "k", PUBLISH_MANDATORY, NULL, "two", 3);
    raw_expect_return(c, 1);
    step_assert_body(c, "two");
    step_exchange_delete(c, 1, "x-ae-broken");
    step_exchange_delete(c, 1, "x-ae-self");
}

/* --- CC and BCC */

static void cc_and_bcc_are_more_routing_keys(const void *row)
{
    struct raw_table cc = raw_array("SIS", "x-cc-1", 5, "x-cc-2");
    struct raw_table bcc = raw_array("S", "x-cc-3");
    struct raw_table headers = raw_table("AAS", "CC", &cc, "BCC", &bcc, "other", "kept");
    struct raw_properties properties = raw_properties("h", &headers);
    static const char *const queues[] = {"x-cc-0", "x-cc-1", "x-cc-2", "x-cc-3"};
    struct raw_client *c = raw_open();

    (void)row;
    for (size_t i = 0; i < ARRAY_COUNT(queues); i++)
        step_declare(c, 1, queues[i], QUEUE_EXCLUSIVE, NULL);
    step_publish_with(c, 1, "", "x-cc-0", 0, &properties, "copy", 4);
    for (size_t i = 0; i < ARRAY_COUNT(queues); i++) {
        struct raw_slice table;
        step_get(c, 1, queues[i], "copy");
        const struct raw_message *m = raw_last_message(c);
        struct raw_reader r = {.data = m->properties, .bytes = m->properties_bytes};
        assert_string_equal(m->routing_key, "x-cc-0");
        assert_true(raw_read(&r, "T", &table));
        assert_int_equal(raw_table_find(table, "CC", NULL), 'A');
        assert_int_equal(raw_table_find(table, "other", NULL), 'S');
        assert_int_equal(raw_table_find(table, "BCC", NULL), 0);
        step_get_empty(c, 1, queues[i]);
    }
}

static void publish_with_string_header(struct raw_client *c, const char *header)
{
    struct raw_table headers = raw_table("S", header, "one");
    struct raw_properties properties = raw_properties("h", &headers);

    step_publish_with(c, 1, "", "nowhere", 0, &properties, "m", 1);
}

SENDER(send_cc_string, publish_with_string_header(c, "CC"))
SENDER(send_bcc_string, publish_with_string_header(c, "BCC"))

static const struct error_row errors[] = {
    {"cc_must_be_an_array", send_cc_string, 406,
     "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}", 60, 40},
    {"bcc_must_be_an_array", send_bcc_string, 406,
     "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"BCC\",longstr}", 60,
     40},
};

int main(int argc, char **argv)
{
    broker_test_add_errors(errors, ARRAY_COUNT(errors));
    for (size_t i = 0; i < ARRAY_COUNT(routes); i++)
        broker_test_add(routes[i].name, routes_by_key, &routes[i]);
    fill_headers_rows();
    for (size_t i = 0; i < headers_row_count; i++)
        broker_test_add(headers_rows[i].name, routes_by_headers, &headers_rows[i]);
    BROKER_TEST(exchange_binding_routes_on);
    BROKER_TEST(exchange_unbind_is_idempotent);
    BROKER_TEST(cycles_deliver_once);
    BROKER_TEST(alternate_takes_what_is_not_routed);
    BROKER_TEST(missing_or_cyclic_alternates_return);
    BROKER_TEST(cc_and_bcc_are_more_routing_keys);
    return broker_test_run("routing", argc, argv);
}
