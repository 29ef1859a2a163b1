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

/* Of what the configuration says, one more setting included. */
static struct alarm_limits limits_with(struct config *config, const char *assignment)
{
    struct alarm_limits limits;
    struct config_messages messages;
    config_messages_init(&messages);
    assert_true(config_set_option(config, assignment, &messages));
    alarm_limits_init(&limits, config);
    config_messages_fini(&messages);
    return limits;
}

static void limits_are_parts_of_the_memory_that_is_there(void **state)
{
    struct config config;
    struct alarm_limits limits;
    (void)state;
    config_init(&config);
    alarm_limits_init(&limits, &config);
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    assert_in_range(limits.memory_available_bytes, 1, machine);
    assert_int_equal(limits.memory_bytes, (uint64_t)((double)limits.memory_available_bytes * 0.6));
    assert_int_equal(limits.disk_free_bytes, 50000000);
    limits = limits_with(&config, "total_memory_available_override_value=1000000");
    assert_int_equal(limits.memory_bytes, 600000);
    limits = limits_with(&config, "vm_memory_high_watermark.relative=0.25");
    assert_int_equal(limits.memory_bytes, 250000);
    limits = limits_with(&config, "disk_free_limit.relative=2.5");
    assert_int_equal(limits.disk_free_bytes, 2500000);
    config_fini(&config);
}

static void limits_may_be_sizes(void **state)
{
    struct config config;
    (void)state;
    config_init(&config);
    assert_int_equal(limits_with(&config, "vm_memory_high_watermark.absolute=2GB").memory_bytes,
                     2000000000);
    assert_int_equal(limits_with(&config, "disk_free_limit.absolute=3MiB").disk_free_bytes,
                     3145728);
    config_fini(&config);
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
        cmocka_unit_test(limits_are_parts_of_the_memory_that_is_there),
        cmocka_unit_test(limits_may_be_sizes),
        cmocka_unit_test(limits_that_are_passed_set_alarms),
        cmocka_unit_test(without_descriptors_the_alarm_of_memory_stays),
        cmocka_unit_test(a_disk_that_does_not_answer_leaves_its_alarm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
