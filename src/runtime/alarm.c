/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two alarms of RabbitMQ. Memory is what the process has resident, against the machine's, or
 * the control group's where that is less: in a container the machine's figure would promise what
 * the kernel does not give.
 */
#include "runtime/alarm.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "broker/vhost.h"

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

static uint64_t resident_bytes(void)
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

static bool is_memory_low(const struct config *config)
{
    uint64_t watermark = config->memory_watermark_bytes;
    if (watermark == 0)
        watermark = (uint64_t)((double)total_bytes(config) * config->memory_watermark_relative);
    return resident_bytes() > watermark;
}

static bool is_disk_low(const struct config *config)
{
    struct statvfs disk;
    uint64_t limit = config->disk_free_limit_bytes;
    if (config->disk_free_limit_relative > 0)
        limit = (uint64_t)((double)total_bytes(config) * config->disk_free_limit_relative);
    if (statvfs(config->data_dir, &disk) != 0)
        return false;
    return (uint64_t)disk.f_bavail * disk.f_frsize < limit;
}

unsigned alarm_check(const struct config *config)
{
    return (is_memory_low(config) ? VHOST_ALARM_MEMORY : 0u) |
           (is_disk_low(config) ? VHOST_ALARM_DISK : 0u);
}
