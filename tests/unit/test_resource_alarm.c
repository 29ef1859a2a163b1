/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sets off the alarms of this process and this machine, and what becomes of them when nothing
 * can be found out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/resource.h>
#include <unistd.h>

#include "broker/vhost.h"
#include "runtime/alarm.h"

static struct alarm_limits generous(void)
{
    return (struct alarm_limits){.data_dir = ".", .memory_bytes = UINT64_MAX};
}

static void limits_that_are_passed_set_alarms(void **state)
{
    struct alarm_limits limits = generous();
    (void)state;
    assert_int_equal(alarm_check(&limits, 0), 0);
    limits.memory_bytes = 1;
    assert_int_equal(alarm_check(&limits, 0), VHOST_ALARM_MEMORY);
    limits.disk_free_bytes = UINT64_MAX;
    assert_int_equal(alarm_check(&limits, 0), VHOST_ALARM_MEMORY | VHOST_ALARM_DISK);
    limits = generous();
    assert_int_equal(alarm_check(&limits, VHOST_ALARM_MEMORY | VHOST_ALARM_DISK), 0);
}

/* A process that is out of descriptors cannot read how much memory it has. */
static void without_descriptors_the_alarm_of_memory_stays(void **state)
{
    struct alarm_limits limits = generous();
    struct rlimit limit, none;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(alarm_check(&limits, VHOST_ALARM_MEMORY), VHOST_ALARM_MEMORY);
    limits.memory_bytes = 1;
    assert_int_equal(alarm_check(&limits, 0), 0);
    assert_int_equal(limits.unknown, VHOST_ALARM_MEMORY);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(alarm_check(&limits, 0), VHOST_ALARM_MEMORY);
    assert_int_equal(limits.unknown, 0);
}

static void a_disk_that_does_not_answer_leaves_its_alarm(void **state)
{
    struct alarm_limits limits = generous();
    (void)state;
    limits.data_dir = "there/is/no/such/folder";
    assert_int_equal(alarm_check(&limits, VHOST_ALARM_DISK), VHOST_ALARM_DISK);
    assert_int_equal(alarm_check(&limits, 0), 0);
    assert_int_equal(limits.unknown, VHOST_ALARM_DISK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_that_are_passed_set_alarms),
        cmocka_unit_test(without_descriptors_the_alarm_of_memory_stays),
        cmocka_unit_test(a_disk_that_does_not_answer_leaves_its_alarm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
