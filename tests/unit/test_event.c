/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of a vhost: which there are, what they say, and where they go. What they say is
 * RabbitMQ's: tests/broker/test_event.c asks it the same.
 */
#include "core_fixture.h"

#include <stdatomic.h>

#include "amqp/properties.h"
#include "amqp/table.h"
#include "broker/event_message.h"

struct watched {
    struct core core;
    _Atomic bool interest;
};

static int setup_with(void **state, bool has_exchange, bool is_wanted)
{
    struct vhost_config config;
    struct watched *watched = calloc(1, sizeof *watched);
    assert_non_null(watched);
    watched->interest = is_wanted;
    vhost_config_init(&config);
    config.name = "one";
    config.node_name = "rabbit@test";
    config.started_s = 1000;
    config.event_interest = &watched->interest;
    config.has_event_exchange = has_exchange;
    core_init_with(&watched->core, &config);
    watched->core.session_config.number = 7;
    *state = watched;
    return 0;
}

static int setup_elsewhere(void **state)
{
    return setup_with(state, false, true);
}

static int setup_host(void **state)
{
    return setup_with(state, true, false);
}

static int teardown(void **state)
{
    struct watched *watched = *state;
    core_fini(&watched->core);
    free(watched);
    return 0;
}

/* --- events as text: "queue.deleted name=q vhost=one", without what is the same in all */

static void append_value(struct buffer *text, const struct amqp_value *value)
{
    struct reader reader = reader_of(value->bytes);
    struct amqp_value item;
    if (value->type != AMQP_TYPE_ARRAY) {
        amqp_value_append_text(text, value);
        return;
    }
    buffer_append_u8(text, '[');
    while (amqp_array_next(&reader, &item))
        amqp_value_append_text(text, &item);
    buffer_append_u8(text, ']');
}

static void append_event(struct buffer *text, const struct message *event)
{
    struct bytes headers;
    struct amqp_field field;
    struct bytes key = message_routing_key(event);
    assert_true(bytes_equal_text(message_exchange(event), "amq.rabbitmq.event"));
    assert_true(event->is_persistent);
    assert_int_equal(message_body(event).size, 0);
    assert_true(amqp_properties_is_valid(message_properties(event), 4));
    assert_true(amqp_properties_headers(message_properties(event), &headers));
    buffer_append_bytes(text, key);
    struct reader reader = reader_of(headers);
    while (amqp_table_next(&reader, &field)) {
        if (bytes_equal_text(field.name, "timestamp_in_ms"))
            continue;
        buffer_append_format(text, " %.*s=", (int)field.name.size, (const char *)field.name.data);
        append_value(text, &field.value);
    }
    buffer_append_u8(text, '\n');
}

static void assert_events(struct watched *watched, const char *expected)
{
    struct message **events;
    struct buffer text = {0};
    size_t count = vhost_take_events(watched->core.vhost, &events);
    for (size_t i = 0; i < count; i++) {
        append_event(&text, events[i]);
        message_unref(events[i]);
    }
    free(events);
    buffer_append_u8(&text, '\0');
    assert_string_equal((const char *)text.data, expected);
    buffer_fini(&text);
}

#define BY(user) " user_who_performed_action=" user
#define CHANNEL_1 "<rabbit@test.1000.7.1>"

static void open_and_forget(struct watched *watched)
{
    struct message **events;
    core_open(&watched->core, 1, 1);
    size_t count = vhost_take_events(watched->core.vhost, &events);
    for (size_t i = 0; i < count; i++)
        message_unref(events[i]);
    free(events);
}

/* Runs commands whose replies do not matter here. */
static void drop(struct watched *watched, const char *commands)
{
    run(&watched->core, commands, NULL);
    buffer_clear(&watched->core.transcript);
}

/* --- what is told */

static void queues_are_told(void **state)
{
    struct watched *watched = *state;
    open_and_forget(watched);
    run(&watched->core,
        "1.1 queue.declare q durable no-wait x-max-length=5\n1.1 queue.declare q durable no-wait "
        "x-max-length=5\n1.1 queue.delete q no-wait",
        "");
    assert_events(watched,
                  "queue.created" BY("guest") " exclusive=false owner_pid= "
                                              "arguments=[{<<\"x-max-length\">>,signedint,5}] "
                                              "auto_delete=false durable=true "
                                              "name=q vhost=one\n"
                                              "queue.deleted" BY("guest") " name=q vhost=one\n");
}

static void a_quorum_queue_names_its_type(void **state)
{
    struct watched *watched = *state;
    open_and_forget(watched);
    run(&watched->core, "1.1 queue.declare q durable no-wait x-queue-type=quorum", "");
    assert_events(
        watched,
        "queue.created" BY(
            "guest") " exclusive=false type=rabbit_quorum_queue "
                     "arguments=[{<<\"x-queue-type\">>,longstr,<<\"quorum\">>}] auto_delete=false "
                     "durable=true name=q vhost=one\n");
}

static void what_goes_with_a_queue_is_told_before(void **state)
{
    struct watched *watched = *state;
    open_and_forget(watched);
    run(&watched->core,
        "1.1 queue.declare q no-wait\n1.1 queue.bind q amq.topic k no-wait\n"
        "1.1 basic.consume q c no-wait",
        "");
    assert_events(
        watched,
        "queue.created" BY(
            "guest") " exclusive=false owner_pid= arguments=[] "
                     "auto_delete=false durable=false name=q vhost=one\n"
                     "binding.created" BY(
                         "guest") " vhost=one arguments=[] routing_key=k "
                                  "destination_kind=queue destination_name=q source_kind=exchange "
                                  "source_name=amq.topic\n"
                                  "consumer.created" BY(
                                      "guest") " arguments=[] prefetch_count=0 "
                                               "ack_required=true exclusive=false queue=q "
                                               "vhost=one channel=" CHANNEL_1 " consumer_tag=c\n");
    drop(watched, "1.1 queue.delete q no-wait");
    assert_events(
        watched,
        "consumer.deleted" BY(
            "guest") " queue=q vhost=one channel=" CHANNEL_1 " consumer_tag=c\n"
                     "binding.deleted" BY("rmq-internal") " vhost=one arguments=[] routing_key=k "
                                                          "destination_kind=queue "
                                                          "destination_name=q source_kind=exchange "
                                                          "source_name=amq.topic\n"
                                                          "queue.deleted" BY(
                                                              "guest") " name=q vhost=one\n");
}

static void an_exchange_goes_with_its_last_binding(void **state)
{
    struct watched *watched = *state;
    open_and_forget(watched);
    run(&watched->core,
        "1.1 exchange.declare x topic auto-delete no-wait other=1\n1.1 queue.declare q no-wait\n"
        "1.1 queue.bind q x k no-wait",
        "");
    assert_events(
        watched,
        "exchange.created" BY(
            "guest") " policy= "
                     "arguments=[{<<\"other\">>,signedint,1}] internal=false auto_delete=true "
                     "durable=false type=topic name=x vhost=one\n"
                     "queue.created" BY(
                         "guest") " exclusive=false owner_pid= arguments=[] "
                                  "auto_delete=false durable=false name=q vhost=one\n"
                                  "binding.created" BY(
                                      "guest") " vhost=one arguments=[] routing_key=k "
                                               "destination_kind=queue destination_name=q "
                                               "source_kind=exchange "
                                               "source_name=x\n");
    drop(watched, "1.1 queue.unbind q x k");
    assert_events(
        watched,
        "exchange.deleted" BY(
            "guest") " name=x vhost=one\n"
                     "binding.deleted" BY(
                         "guest") " vhost=one arguments=[] routing_key=k "
                                  "destination_kind=queue destination_name=q source_kind=exchange "
                                  "source_name=x\n");
}

static void channels_and_what_ends_with_them_are_told(void **state)
{
    struct watched *watched = *state;
    watched->core.session_config.name = "a -> b";
    open_and_forget(watched);
    drop(watched, "1.2 channel.open\n1.2 queue.declare q exclusive no-wait\n"
                  "1.2 basic.consume q c no-wait no-ack exclusive");
    assert_events(
        watched,
        "channel.created" BY(
            "guest") " vhost=one user=guest number=2 "
                     "connection=<rabbit@test.1000.7.0> name=a -> b (2) "
                     "pid=<rabbit@test.1000.7.2>\n"
                     "queue.created" BY(
                         "guest") " exclusive=true owner_pid=<rabbit@test.1000.7.0> "
                                  "arguments=[] auto_delete=false durable=false name=q vhost=one\n"
                                  "consumer.created" BY(
                                      "guest") " arguments=[] prefetch_count=0 "
                                               "ack_required=false exclusive=true queue=q "
                                               "vhost=one "
                                               "channel=<rabbit@test.1000.7.2> consumer_tag=c\n");
    drop(watched, "1.1 basic.cancel unknown no-wait\n1.2 basic.cancel c no-wait\n"
                  "1.2 channel.close");
    assert_events(watched,
                  "consumer.deleted" BY("guest") " queue=q vhost=one "
                                                 "channel=<rabbit@test.1000.7.2> consumer_tag=c\n"
                                                 "channel.closed" BY(
                                                     "guest") " pid=<rabbit@test.1000.7.2>\n");
    drop(watched, "1.0 gone");
    assert_events(watched, "channel.closed" BY("guest") " pid=" CHANNEL_1 "\n"
                                                        "queue.deleted" BY(
                                                            "rmq-internal") " name=q vhost=one\n");
}

static void a_channel_that_fails_is_closed_once(void **state)
{
    struct watched *watched = *state;
    open_and_forget(watched);
    drop(watched, "1.1 queue.declare nowhere passive");
    assert_events(watched, "channel.closed" BY("guest") " pid=" CHANNEL_1 "\n");
    drop(watched, "1.1 channel.close-ok\n1.0 gone");
    assert_events(watched, "");
}

static void what_expires_is_the_brokers_doing(void **state)
{
    struct watched *watched = *state;
    open_and_forget(watched);
    run(&watched->core, "1.1 queue.declare q no-wait x-expires=100", "");
    pass(&watched->core, 50, "");
    drop(watched, "1.1 basic.qos 1");
    pass(&watched->core, 200, "");
    assert_events(watched, "queue.created" BY("guest") " exclusive=false owner_pid= "
                                                       "arguments=[{<<\"x-expires\">>,signedint,"
                                                       "100}] auto_delete=false durable=false "
                                                       "name=q vhost=one\n"
                                                       "queue.deleted" BY(
                                                           "rmq-internal") " name=q vhost=one\n");
}

static void direct_reply_to_is_not_told(void **state)
{
    struct watched *watched = *state;
    open_and_forget(watched);
    drop(watched, "1.1 basic.consume amq.rabbitmq.reply-to c no-ack no-wait\n"
                  "1.1 basic.cancel c no-wait");
    assert_events(watched, "");
}

static void a_session_tells_the_event_it_was_given(void **state)
{
    struct watched *watched = *state;
    struct buffer headers = {0};
    amqp_table_add_text(&headers, "name", "c");
    watched->core.session_config.opened = event_message_new("connection.created", &headers, 5000);
    buffer_fini(&headers);
    drop(watched, "1.0 connect");
    assert_events(watched, "connection.created name=c\n");
}

static void nothing_is_told_while_nobody_wants_it(void **state)
{
    struct watched *watched = *state;
    watched->interest = false;
    core_open(&watched->core, 1, 1);
    drop(watched, "1.1 queue.declare q no-wait\n1.1 queue.bind q amq.topic k no-wait\n"
                  "1.1 basic.consume q c no-wait\n1.0 gone");
    assert_events(watched, "");
}

/* --- the vhost that has the exchange */

static void interest_follows_the_bindings(void **state)
{
    struct watched *watched = *state;
    core_open(&watched->core, 1, 1);
    drop(watched, "1.1 queue.declare e durable no-wait\n1.1 queue.declare f no-wait");
    assert_false(watched->interest);
    drop(watched, "1.1 queue.bind e amq.rabbitmq.event queue.# no-wait");
    assert_true(watched->interest);
    drop(watched, "1.1 queue.bind f amq.rabbitmq.event #");
    drop(watched, "1.1 queue.unbind e amq.rabbitmq.event queue.#");
    commit(&watched->core, "1.1 queue.unbind-ok\n");
    assert_true(watched->interest);
    drop(watched, "1.1 queue.delete f");
    assert_false(watched->interest);
    drop(watched, "1.1 queue.bind e amq.rabbitmq.event queue.# no-wait");
    commit(&watched->core, "");
    watched->interest = false;
    core_crash(&watched->core);
    assert_true(watched->interest);
}

/* The vhost of that name that comes after it has the say then. */
static void a_vhost_that_is_deleted_has_no_interest(void **state)
{
    struct watched *watched = *state;
    struct core *core = &watched->core;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q", "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 queue.bind q amq.rabbitmq.event queue.#", "1.1 queue.bind-ok\n");
    assert_true(watched->interest);
    vhost_announce(core->vhost, false, core->now_ms);
    run(core, "1.1 queue.unbind q amq.rabbitmq.event queue.#", "1.1 queue.unbind-ok\n");
    assert_true(watched->interest);
}

static void its_own_events_are_published_at_once(void **state)
{
    struct watched *watched = *state;
    core_open(&watched->core, 1, 1);
    run(&watched->core,
        "1.1 queue.declare e no-wait\n1.1 queue.bind e amq.rabbitmq.event queue.* no-wait\n"
        "1.1 queue.declare q no-wait\n1.1 basic.get e no-ack",
        "1.1 basic.get-ok 1 left=0 \n");
    assert_events(watched, "");
}

static void events_of_others_are_published_in_their_order(void **state)
{
    struct watched *watched = *state;
    struct message *events[3];
    struct buffer headers = {0};
    core_open(&watched->core, 1, 1);
    drop(watched,
         "1.1 queue.declare e no-wait\n1.1 queue.bind e amq.rabbitmq.event queue.* no-wait\n"
         "1.1 queue.declare f no-wait\n1.1 queue.bind f amq.rabbitmq.event user.* no-wait\n"
         "1.1 queue.purge e");
    events[0] = event_message_new("queue.created", &headers, 5000);
    events[1] = event_message_new("user.created", &headers, 5000);
    events[2] = event_message_new("queue.deleted", &headers, 5000);
    vhost_publish(watched->core.vhost, events, 3, 5000);
    assert_queue(&watched->core, "e", "2 0 0");
    assert_queue(&watched->core, "f", "1 0 0");
    buffer_fini(&headers);
}

/* As in RabbitMQ, what is bound keeps the exchange there after the plug-in has gone. */
static void a_stored_binding_outlives_the_setting(void **state)
{
    struct watched *watched = *state;
    core_open(&watched->core, 1, 1);
    drop(watched,
         "1.1 queue.declare e durable no-wait\n1.1 queue.bind e amq.rabbitmq.event # no-wait");
    commit(&watched->core, "");
    watched->core.config.has_event_exchange = false;
    watched->interest = false;
    core_crash(&watched->core);
    assert_false(watched->interest);
    core_open(&watched->core, 1, 1);
    run(&watched->core,
        "1.1 queue.declare q no-wait\n1.1 exchange.declare amq.rabbitmq.event - "
        "passive",
        "1.1 exchange.declare-ok\n");
    assert_queue(&watched->core, "e", "1 0 0"); /* that it was bound */
}

#define elsewhere_test(function)                                                                   \
    cmocka_unit_test_setup_teardown(function, setup_elsewhere, teardown)
#define host_test(function) cmocka_unit_test_setup_teardown(function, setup_host, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        elsewhere_test(queues_are_told),
        elsewhere_test(a_quorum_queue_names_its_type),
        elsewhere_test(what_goes_with_a_queue_is_told_before),
        elsewhere_test(an_exchange_goes_with_its_last_binding),
        elsewhere_test(channels_and_what_ends_with_them_are_told),
        elsewhere_test(a_channel_that_fails_is_closed_once),
        elsewhere_test(what_expires_is_the_brokers_doing),
        elsewhere_test(direct_reply_to_is_not_told),
        elsewhere_test(a_session_tells_the_event_it_was_given),
        elsewhere_test(nothing_is_told_while_nobody_wants_it),
        host_test(interest_follows_the_bindings),
        host_test(a_vhost_that_is_deleted_has_no_interest),
        host_test(its_own_events_are_published_at_once),
        host_test(events_of_others_are_published_in_their_order),
        host_test(a_stored_binding_outlives_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
