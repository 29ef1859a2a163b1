/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core asks for before it does anything: permissions on topics, where they come from the
 * snapshot.
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(topics_are_asked_for),
        core_test(a_remembered_route_is_no_permission),
    };
    return cmocka_run_group_tests_name("permissions", tests, NULL, NULL);
}
