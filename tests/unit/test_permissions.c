/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core asks for before it does anything: topics, which the snapshot knows, and everything
 * where a session asks outside. Then a command waits for the answer, is run again, and nobody else
 * waits for it.
 */
#include "core_fixture.h"

/* The user guest may do everything, but for the topics of amq.topic. */
static struct access *new_topics(const char *exchange, const char *write, const char *read)
{
    char reason[80];
    struct bytes user = bytes_of_text("guest"), vhost = bytes_of_text("/"),
                 all = bytes_of_text(".*");
    struct access *access = access_new();
    assert_true(access_add_permission(access, user, vhost, all, all, all, reason, sizeof reason));
    assert_true(access_add_topic_permission(access, user, vhost, bytes_of_text(exchange),
                                            bytes_of_text(write), bytes_of_text(read), reason,
                                            sizeof reason));
    return access;
}

static void topics_are_asked_for(void **state)
{
    struct core *core = *state;
    struct access *topics = new_topics("amq.topic", "^{username}\\.w", "^r");
    core_open(core, 1, 7);
    run(core, "1.1 queue.declare q", "1.1 queue.declare-ok q 0 0\n");
    vhost_set_access(core->vhost, topics);
    run(core, "1.1 queue.bind q amq.topic r.#\n1.1 basic.publish amq.topic guest.w.1 a",
        "1.1 queue.bind-ok\n");
    run(core, "1.1 queue.bind q amq.topic #",
        "1.1 channel.close 403 ACCESS_REFUSED - read access to topic '#' in exchange 'amq.topic' "
        "in vhost '/' refused for user 'guest' (50.20)\n");
    run(core, "1.2 queue.unbind q amq.topic w",
        "1.2 channel.close 403 ACCESS_REFUSED - read access to topic 'w' in exchange 'amq.topic' "
        "in vhost '/' refused for user 'guest' (50.50)\n");
    run(core, "1.3 exchange.bind amq.direct amq.topic w",
        "1.3 channel.close 403 ACCESS_REFUSED - read access to topic 'w' in exchange 'amq.topic' "
        "in vhost '/' refused for user 'guest' (40.30)\n");
    run(core, "1.4 basic.publish amq.topic r.1 b",
        "1.4 channel.close 403 ACCESS_REFUSED - write access to topic 'r.1' in exchange "
        "'amq.topic' in vhost '/' refused for user 'guest' (60.40)\n");
    run(core,
        "1.5 basic.publish amq.direct r.1 c\n1.5 queue.bind q amq.direct w\n"
        "1.5 basic.publish amq.topic guest.w d",
        "1.5 queue.bind-ok\n");
    vhost_set_access(core->vhost, core->access);
    access_free(topics);
}

/* CC is no way around a permission. */
static void every_key_of_a_message_is_asked_for(void **state)
{
    struct core *core = *state;
    struct access *topics = new_topics("amq.topic", "^w", "");
    core_open(core, 1, 2);
    vhost_set_access(core->vhost, topics);
    run(core, "1.1 basic.publish amq.topic w.1 a CC=w.2", "");
    run(core, "1.1 basic.publish amq.topic w.1 b CC=r.1",
        "1.1 channel.close 403 ACCESS_REFUSED - write access to topic 'r.1' in exchange "
        "'amq.topic' in vhost '/' refused for user 'guest' (60.40)\n");
    run(core, "1.2 basic.publish amq.direct w.1 c CC=r.1", "");
    vhost_set_access(core->vhost, core->access);
    access_free(topics);
}

/* A queue that dead-letters publishes in the name of who declared it. */
static void a_dead_letter_exchange_is_asked_for(void **state)
{
    struct core *core = *state;
    char reason[80];
    struct bytes user = bytes_of_text("guest"), vhost = bytes_of_text("/");
    struct access *access = access_new();
    assert_true(access_add_permission(access, user, vhost, bytes_of_text(".*"),
                                      bytes_of_text("^mine"), bytes_of_text("^r"), reason,
                                      sizeof reason));
    core_open(core, 1, 3);
    vhost_set_access(core->vhost, access);
    run(core, "1.1 queue.declare rq x-dead-letter-exchange=mine", "1.1 queue.declare-ok rq 0 0\n");
    run(core, "1.1 queue.declare q x-dead-letter-exchange=mine",
        "1.1 channel.close 403 ACCESS_REFUSED - read access to queue 'q' in vhost '/' refused for "
        "user 'guest' (50.10)\n");
    run(core, "1.2 queue.declare r x-dead-letter-exchange=other",
        "1.2 channel.close 403 ACCESS_REFUSED - write access to exchange 'other' in vhost '/' "
        "refused for user 'guest' (50.10)\n");
    assert_int_equal(core_counters(core).queues, 1);
    vhost_set_access(core->vhost, core->access);
    access_free(access);
}

/* A route that is remembered counts for its own key only, and not once the topics have changed. */
static void a_remembered_route_is_no_permission(void **state)
{
    struct core *core = *state;
    struct access *topics = new_topics("amq.topic", "^a$", "");
    struct access *others = new_topics("amq.topic", "^b$", "");
    core_open(core, 1, 2);
    vhost_set_access(core->vhost, topics);
    run(core, "1.1 basic.publish amq.topic a 1\n1.1 basic.publish amq.topic a 2", "");
    run(core, "1.1 basic.publish amq.topic a 3 CC=b",
        "1.1 channel.close 403 ACCESS_REFUSED - write access to topic 'b' in exchange 'amq.topic' "
        "in vhost '/' refused for user 'guest' (60.40)\n");
    run(core, "1.2 basic.publish amq.topic a 1", "");
    vhost_set_access(core->vhost, others);
    run(core, "1.2 basic.publish amq.topic a 4",
        "1.2 channel.close 403 ACCESS_REFUSED - write access to topic 'a' in exchange 'amq.topic' "
        "in vhost '/' refused for user 'guest' (60.40)\n");
    vhost_set_access(core->vhost, core->access);
    access_free(topics);
    access_free(others);
}

/* A user may lose its permission, or be deleted, between the answer that it may enter and this. */
static void who_may_not_enter_any_more_is_refused(void **state)
{
    struct core *core = *state;
    struct access *nobody = access_new();
    vhost_set_access(core->vhost, nobody);
    run(core, "1.0 connect",
        "1.0 connection.close 530 NOT_ALLOWED - access to vhost '/' refused for user 'guest' "
        "(10.40)\n");
    core->session_config.asks_access = true;
    run(core, "2.0 connect", "2.0 connection.open-ok\n");
    vhost_set_access(core->vhost, core->access);
    access_free(nobody);
}

/* --- sessions that ask outside */

static void open_asking(struct core *core, unsigned session, unsigned channels)
{
    core->session_config.asks_access = true;
    core_open(core, session, channels);
}

static void a_command_waits_for_its_answer(void **state)
{
    struct core *core = *state;
    open_asking(core, 1, 2);
    run(core, "1.1 queue.declare q\n1.1 channel.flow active", "1.1 ask 1 configure queue q\n");
    run(core, "1.2 channel.flow active", "1.2 channel.flow-ok\n");
    run(core, "0.0 answer 1 allow 60000", "1.1 queue.declare-ok q 0 0\n1.1 channel.flow-ok\n");
    assert_queue(core, "q", "0 0 0");
}

static void a_command_with_several_questions_asks_one_after_the_other(void **state)
{
    struct core *core = *state;
    open_asking(core, 1, 1);
    run(core, "1.1 queue.declare q", "1.1 ask 1 configure queue q\n");
    run(core, "0.0 answer 1 allow 60000\n1.1 queue.bind q amq.topic k.*",
        "1.1 queue.declare-ok q 0 0\n1.1 ask 2 write queue q\n");
    run(core, "0.0 answer 2 allow 0", "1.1 ask 3 read exchange amq.topic\n");
    core->now_ms += 490;
    run(core, "0.0 answer 3 allow 0", "1.1 ask 4 read topic amq.topic k.*\n");
    core->now_ms += 490;
    run(core, "0.0 answer 4 allow 0", "1.1 queue.bind-ok\n");
}

static void answers_are_kept_for_as_long_as_they_are_good(void **state)
{
    struct core *core = *state;
    open_asking(core, 1, 2);
    run(core, "1.1 queue.declare q", "1.1 ask 1 configure queue q\n");
    run(core, "0.0 answer 1 allow 5000", "1.1 queue.declare-ok q 0 0\n");
    core->now_ms += 4999;
    run(core, "1.2 queue.declare q", "1.2 queue.declare-ok q 0 0\n");
    run(core, "1.1 queue.purge q", "1.1 ask 2 read queue q\n");
    run(core, "0.0 answer 2 allow 5000", "1.1 queue.purge-ok 0\n");
    core->now_ms += 1;
    run(core, "1.2 queue.declare q", "1.2 ask 3 configure queue q\n");
    run(core, "0.0 answer 3 allow 18446744073709551615", "1.2 queue.declare-ok q 0 0\n");
    core->now_ms += UINT64_C(1) << 40;
    run(core, "1.1 queue.declare q", "1.1 queue.declare-ok q 0 0\n");
}

static void sessions_share_no_answers(void **state)
{
    struct core *core = *state;
    open_asking(core, 1, 1);
    open_asking(core, 2, 1);
    run(core, "1.1 queue.declare q", "1.1 ask 1 configure queue q\n");
    run(core, "0.0 answer 1 allow 60000", "1.1 queue.declare-ok q 0 0\n");
    run(core, "2.1 queue.declare q", "2.1 ask 2 configure queue q\n");
}

static void a_refusal_closes_the_channel_with_its_reason(void **state)
{
    struct core *core = *state;
    open_asking(core, 1, 3);
    run(core, "1.1 queue.declare q\n1.1 queue.declare r", "1.1 ask 1 configure queue q\n");
    run(core, "0.0 answer 1 deny",
        "1.1 channel.close 403 ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused "
        "for user 'guest' (50.10)\n");
    run(core, "1.2 exchange.declare x direct", "1.2 ask 2 configure exchange x\n");
    run(core, "0.0 answer 2 deny  by backend b: no",
        "1.2 channel.close 403 ACCESS_REFUSED - configure access to exchange 'x' in vhost '/' "
        "refused for user 'guest' by backend b: no (40.10)\n");
    /* Permissions may change: a refusal is not kept. */
    core->now_ms += 1;
    run(core, "1.3 queue.declare q", "1.3 ask 3 configure queue q\n");
    run(core, "0.0 answer 3 allow 1000", "1.3 queue.declare-ok q 0 0\n");
}

static void publishes_wait_in_order(void **state)
{
    struct core *core = *state;
    open_asking(core, 1, 1);
    run(core, "1.1 queue.declare q", "1.1 ask 1 configure queue q\n");
    run(core, "0.0 answer 1 allow 60000", "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 confirm.select\n1.1 basic.publish - q a\n1.1 basic.publish - q b",
        "1.1 confirm.select-ok\n1.1 ask 2 write exchange amq.default\n");
    run(core, "1.1 basic.publish - nowhere c mandatory", "");
    assert_queue(core, "q", "0 0 0");
    run(core, "0.0 answer 2 allow 60000", "1.1 basic.return 312 NO_ROUTE c\n1.1 ack 3 multiple\n");
    assert_queue(core, "q", "2 0 0");
}

/* The remembered route rests on answers, and lasts no longer than they do. */
static void a_remembered_route_ends_with_its_answers(void **state)
{
    struct core *core = *state;
    open_asking(core, 1, 1);
    run(core, "1.1 basic.publish amq.topic k a", "1.1 ask 1 write exchange amq.topic\n");
    run(core, "0.0 answer 1 allow 60000", "1.1 ask 2 write topic amq.topic k\n");
    run(core, "0.0 answer 2 allow 5000", "");
    core->now_ms += 4999;
    run(core, "1.1 basic.publish amq.topic k b", "");
    core->now_ms += 1;
    run(core, "1.1 basic.publish amq.topic k c", "1.1 ask 3 write topic amq.topic k\n");
    run(core, "0.0 answer 3 deny",
        "1.1 channel.close 403 ACCESS_REFUSED - write access to topic 'k' in exchange 'amq.topic' "
        "in vhost '/' refused for user 'guest' (60.40)\n");
}

static void a_server_named_queue_keeps_the_name_that_was_asked_for(void **state)
{
    struct core *core = *state;
    open_asking(core, 1, 2);
    run(core, "1.1 queue.declare -", NULL);
    char name[64];
    assert_int_equal(
        sscanf((const char *)core->transcript.data, "1.1 ask 1 configure queue %63s", name), 1);
    buffer_clear(&core->transcript);
    assert_memory_equal(name, "amq.gen-", 8);
    run(core, "1.2 queue.declare other", "1.2 ask 2 configure queue other\n");
    char expected[128];
    snprintf(expected, sizeof expected, "1.1 queue.declare-ok %s 0 0\n", name);
    run(core, "0.0 answer 1 allow 60000", expected);
}

static void who_has_gone_needs_no_answer(void **state)
{
    struct core *core = *state;
    open_asking(core, 1, 2);
    run(core, "1.1 queue.declare q", "1.1 ask 1 configure queue q\n");
    /* The error of another channel does not wait, that of the connection ends all. */
    run(core, "1.2 basic.ack 1",
        "1.2 channel.close 406 PRECONDITION_FAILED - unknown delivery tag 1 (60.80)\n");
    struct amqp_error error = {0};
    amqp_error_set(&error, AMQP_CONNECTION_FORCED, "over");
    vhost_end_sessions(core->vhost, NULL, &error, core->now_ms);
    run(core, "0.0 answer 1 allow 60000",
        "1.0 connection.close 320 CONNECTION_FORCED - over (0.0)\n");
    assert_queue(core, "q", "none");
    run(core, "0.0 answer 77 deny", "");
}

static void what_was_sent_before_the_end_is_done_before(void **state)
{
    struct core *core = *state;
    open_asking(core, 1, 1);
    run(core, "1.1 queue.declare q\n1.0 gone", "1.1 ask 1 configure queue q\n");
    run(core, "0.0 answer 1 allow 60000", "1.1 queue.declare-ok q 0 0\n1.0 gone\n");
    assert_queue(core, "q", "0 0 0");
}

static void a_new_secret_is_asked_about(void **state)
{
    struct core *core = *state;
    open_asking(core, 1, 1);
    run(core, "1.1 queue.declare q", "1.1 ask 1 configure queue q\n");
    run(core, "0.0 answer 1 allow 60000", "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.0 connection.update-secret token", "1.0 ask 2 secret token\n");
    run(core, "1.1 queue.declare q", "1.1 queue.declare-ok q 0 0\n");
    run(core, "0.0 answer 2 allow 0 impersonator", "1.0 connection.update-secret-ok\n");
    run(core, "1.1 queue.declare q", "1.1 ask 3 configure queue q\n");
    run(core, "0.0 answer 3 allow 60000", "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 basic.publish - q m user-id=joe", "1.1 ask 4 write exchange amq.default\n");
    run(core, "0.0 answer 4 allow 60000", "");
    assert_queue(core, "q", "1 0 0");
}

static void an_answer_to_the_former_secret_counts_for_nothing(void **state)
{
    struct core *core = *state;
    open_asking(core, 1, 1);
    run(core, "1.0 connection.update-secret token\n1.1 queue.declare q",
        "1.0 ask 1 secret token\n1.1 ask 2 configure queue q\n");
    run(core, "0.0 answer 1 allow 0", "1.0 connection.update-secret-ok\n");
    run(core, "0.0 answer 2 allow 60000", "1.1 ask 3 configure queue q\n");
    run(core, "0.0 answer 3 allow 60000", "1.1 queue.declare-ok q 0 0\n");
}

static void a_secret_that_is_refused_ends_the_connection(void **state)
{
    struct core *core = *state;
    open_asking(core, 1, 1);
    run(core, "1.0 connection.update-secret bad\n1.0 connection.close bye",
        "1.0 ask 1 secret bad\n");
    run(core, "0.0 answer 1 deny New secret was refused by one of the backends",
        "1.0 connection.close 530 NOT_ALLOWED - New secret was refused by one of the backends "
        "(10.70)\n1.0 connection.close-ok\n");
    open_asking(core, 2, 1);
    run(core, "2.0 connection.update-secret bad\n2.0 gone", "2.0 ask 2 secret bad\n");
    run(core, "0.0 answer 2 allow 0", "2.0 connection.update-secret-ok\n2.0 gone\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(who_may_not_enter_any_more_is_refused),
        core_test(a_dead_letter_exchange_is_asked_for),
        core_test(topics_are_asked_for),
        core_test(every_key_of_a_message_is_asked_for),
        core_test(a_remembered_route_is_no_permission),
        core_test(a_command_waits_for_its_answer),
        core_test(a_command_with_several_questions_asks_one_after_the_other),
        core_test(answers_are_kept_for_as_long_as_they_are_good),
        core_test(sessions_share_no_answers),
        core_test(a_refusal_closes_the_channel_with_its_reason),
        core_test(publishes_wait_in_order),
        core_test(a_remembered_route_ends_with_its_answers),
        core_test(a_server_named_queue_keeps_the_name_that_was_asked_for),
        core_test(who_has_gone_needs_no_answer),
        core_test(what_was_sent_before_the_end_is_done_before),
        core_test(a_new_secret_is_asked_about),
        core_test(an_answer_to_the_former_secret_counts_for_nothing),
        core_test(a_secret_that_is_refused_ends_the_connection),
    };
    return cmocka_run_group_tests_name("permissions", tests, NULL, NULL);
}
