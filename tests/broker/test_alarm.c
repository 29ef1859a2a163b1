/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A resource alarm: who publishes is told and no longer read, everybody else goes on.
 *
 * The broker of these cases is started with a disk_free_limit that no disk has, so the alarm is on
 * from the start; the last case lifts it where the broker has a command for that.
 */
#include "broker_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void prove_it_serves(void)
{
    struct raw_client *c = raw_open();
    char queue[256];

    step_declare_unnamed(c, 1, queue);
    step_get_empty(c, 1, queue);
    raw_close(c);
}

static void expect_blocked(struct raw_client *c)
{
    char reason[256];

    raw_expect(c, 0, 10, 60);
    raw_args(c, "s", reason);
    assert_string_equal(reason, "low on disk");
}

static void publisher_is_told_and_no_longer_read(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    raw_expect_nothing(c, 1); /* who has not published is not told */
    step_publish(c, 1, "", queue, "m");
    expect_blocked(c);
    raw_method(c, 1, 20, 20, "1", 1);
    assert_int_equal(raw_read_frame(c, 1000), RAW_SILENCE);
    raw_drop(c, false);
}

static void publisher_without_the_capability_is_blocked_silently(const void *row)
{
    struct raw_login login = {.no_capabilities = true};
    struct raw_client *c = raw_open_with(&login);

    (void)row;
    step_publish(c, 1, "", "nowhere", "m");
    assert_int_equal(raw_read_frame(c, 200), RAW_SILENCE);
    raw_method(c, 1, 20, 20, "1", 1);
    assert_int_equal(raw_read_frame(c, 1000), RAW_SILENCE);
    raw_drop(c, false);
}

static void others_go_on(const void *row)
{
    struct raw_client *c = raw_open();
    struct raw_client *publisher = raw_open();

    (void)row;
    step_publish(publisher, 1, "", "nowhere", "m");
    expect_blocked(publisher);
    step_declare(c, 1, "beside-the-alarm", QUEUE_EXCLUSIVE, NULL);
    step_bind(c, 1, "beside-the-alarm", "amq.direct", "k", NULL);
    step_consume(c, 1, "beside-the-alarm", "t", 0, NULL);
    step_cancel(c, 1, "t");
    step_delete(c, 1, "beside-the-alarm");
    raw_drop(publisher, false);
}

/* Its heartbeats are not read either: the broker must not take that for silence. */
static void blocked_publisher_is_not_dead(const void *row)
{
    struct raw_login login = {.heartbeat_s = 1};
    struct raw_client *c = raw_open_with(&login);
    int64_t start_ms = raw_now_ms();
    int heartbeat_count = 0;

    (void)row;
    step_publish(c, 1, "", "nowhere", "m");
    expect_blocked(c);
    while (raw_now_ms() - start_ms < 4500) {
        enum raw_outcome outcome = raw_read_frame(c, 500);
        assert_int_not_equal(outcome, RAW_EOF);
        heartbeat_count += outcome == RAW_FRAME;
    }
    assert_true(heartbeat_count >= 4);
    raw_drop(c, false);
}

static void publisher_goes_on_when_the_alarm_is_lifted(const void *row)
{
    struct raw_client *c;
    char queue[256], command[1024];

    (void)row;
    broker_test_need("BROKER_CTL");
    c = raw_open();
    step_declare_unnamed(c, 1, queue);
    step_publish(c, 1, "", queue, "one");
    expect_blocked(c);
    step_publish(c, 1, "", queue, "two");
    snprintf(command, sizeof command, "%s set_disk_free_limit 1000 >/dev/null 2>&1",
             getenv("BROKER_CTL"));
    if (system(command) != 0) {
        raw_drop(c, false);
        broker_test_skip("the broker has no command to change its disk_free_limit");
    }
    raw_expect(c, 0, 10, 61);
    raw_args(c, "");
    step_get(c, 1, queue, "one");
    step_get(c, 1, queue, "two");
}

int main(int argc, char **argv)
{
    broker_test_prove_by(prove_it_serves);
    BROKER_TEST(publisher_is_told_and_no_longer_read);
    BROKER_TEST(publisher_without_the_capability_is_blocked_silently);
    BROKER_TEST(others_go_on);
    BROKER_TEST(blocked_publisher_is_not_dead);
    BROKER_TEST(publisher_goes_on_when_the_alarm_is_lifted);
    return broker_test_run("alarm", argc, argv);
}
