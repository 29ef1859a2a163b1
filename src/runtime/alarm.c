/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two alarms of RabbitMQ. Memory is what the process has resident, against the machine's, or
 * the control group's where that is less: in a container the machine's figure would promise what
 * the kernel does not give.
 */
#include "runtime/alarm.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "broker/vhost.h"
#include "runtime/log.h"

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

/* The first number of a file of /proc or /sys; 0 where there is none. */
static uint64_t read_number(const char *path, const char *format)
{
    unsigned long long number = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, format, &number) != 1)
        number = 0;
    fclose(file);
    return number;
}

static uint64_t page_bytes(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t alarm_memory_used(void)
{
    return read_number("/proc/self/statm", "%*s %llu") * page_bytes();
}

static uint64_t total_bytes(const struct config *config)
{
    if (config->memory_total_override_bytes > 0)
        return config->memory_total_override_bytes;
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * page_bytes();
    uint64_t group = read_number("/sys/fs/cgroup/memory.max", "%llu");
    return group > 0 && group < machine ? group : machine;
}

void alarm_limits_set_memory(struct alarm_limits *limits, const struct config *config)
{
    double relative = config->memory_watermark_relative;
    limits->memory_bytes = config->memory_watermark_bytes > 0
                               ? config->memory_watermark_bytes
                               : (uint64_t)((double)limits->memory_available_bytes * relative);
    limits->transient_bytes =
        (uint64_t)((double)limits->memory_bytes * config->memory_paging_ratio);
}

void alarm_limits_set_disk(struct alarm_limits *limits, const struct config *config)
{
    double relative = config->disk_free_limit_relative;
    limits->disk_free_bytes = relative > 0
                                  ? (uint64_t)((double)limits->memory_available_bytes * relative)
                                  : config->disk_free_limit_bytes;
}

void alarm_limits_init(struct alarm_limits *limits, const struct config *config)
{
    *limits = (struct alarm_limits){.data_dir = config->data_dir,
                                    .memory_available_bytes = total_bytes(config)};
    alarm_limits_set_memory(limits, config);
    alarm_limits_set_disk(limits, config);
}

/* What was freed may still be resident: it is given back before publishers are blocked for it, and
 * while they are, or the alarm would outlast its reason. */
static enum answer find_memory(const struct alarm_limits *limits)
{
    uint64_t bytes = alarm_memory_used();
    if (bytes > limits->memory_bytes && malloc_trim(0) != 0)
        bytes = alarm_memory_used();
    return bytes == 0 ? ANSWER_UNKNOWN : bytes > limits->memory_bytes ? ANSWER_YES : ANSWER_NO;
}

uint64_t alarm_disk_free(const struct alarm_limits *limits)
{
    struct statvfs disk;
    return statvfs(limits->data_dir, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : 0;
}

static enum answer find_disk(const struct alarm_limits *limits)
{
    struct statvfs disk;
    if (statvfs(limits->data_dir, &disk) != 0)
        return ANSWER_UNKNOWN;
    bool is_low = (uint64_t)disk.f_bavail * disk.f_frsize < limits->disk_free_bytes;
    return is_low ? ANSWER_YES : ANSWER_NO;
}

static unsigned check_one(struct alarm_limits *limits, unsigned former, unsigned alarm,
                          const char *what)
{
    enum answer answer = alarm == VHOST_ALARM_MEMORY ? find_memory(limits) : find_disk(limits);
    const char *why = strerror(errno);
    bool was_unknown = (limits->unknown & alarm) != 0;
    if (answer == ANSWER_UNKNOWN) {
        if (!was_unknown)
            log_error("%s cannot be found out, its alarm stays as it is: %s", what, why);
        limits->unknown |= alarm;
        return former & alarm;
    }
    if (was_unknown)
        log_info("%s can be found out again", what);
    limits->unknown &= ~alarm;
    return answer == ANSWER_YES ? alarm : 0;
}

unsigned alarm_check(struct alarm_limits *limits, unsigned former)
{
    return check_one(limits, former, VHOST_ALARM_MEMORY, "the memory in use") |
           check_one(limits, former, VHOST_ALARM_DISK, "the space on the disk");
}
