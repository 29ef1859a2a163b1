/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a log file is put aside, and how. A file is due where the last moment of its pattern lies
 * behind its beginning: so a server that was down at midnight makes up for it with the first line,
 * and a clock that goes back an hour in autumn rotates nothing twice.
 */
#include "log/log_rotation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xmalloc.h"

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month] + (month == 1 && is_leap);
}

/* The moment of the period that `parts` lie in, moved by `step` periods. mktime takes care of
 * months and days that are out of range. */
static time_t moment(const struct config_log_date *date, struct tm parts, int step)
{
    parts.tm_sec = 0;
    parts.tm_isdst = -1;
    parts.tm_min = date->minute;
    if (date->every == CONFIG_LOG_HOURLY) {
        parts.tm_hour += step;
        return mktime(&parts);
    }
    parts.tm_hour = date->hour;
    if (date->every == CONFIG_LOG_DAILY) {
        parts.tm_mday += step;
    } else if (date->every == CONFIG_LOG_WEEKLY) {
        parts.tm_mday += date->weekday - parts.tm_wday + 7 * step;
    } else {
        int month = parts.tm_year * 12 + parts.tm_mon + step;
        parts.tm_year = month / 12;
        parts.tm_mon = month % 12;
        int last = days_of_month(parts.tm_year + 1900, parts.tm_mon);
        parts.tm_mday = date->day == 0 || date->day > last ? last : date->day;
    }
    return mktime(&parts);
}

time_t log_rotation_last(const struct config_log_date *date, time_t now)
{
    struct tm parts;
    localtime_r(&now, &parts);
    for (int step = 0;; step--) {
        time_t found = moment(date, parts, step);
        if (found <= now || step == -3)
            return found;
    }
}

static char *numbered(const char *path, uint32_t number, const char *suffix)
{
    size_t size = strlen(path) + strlen(suffix) + 16;
    char *name = xmalloc(size);
    snprintf(name, size, "%s.%u%s", path, (unsigned)number, suffix);
    return name;
}

/* The last one may have the other suffix, where the configuration has changed. */
static void shift(const char *path, uint32_t count, const char *suffix)
{
    char *last = numbered(path, count - 1, suffix);
    unlink(last);
    free(last);
    for (uint32_t i = count - 1; i > 0; i--) {
        char *from = numbered(path, i - 1, suffix);
        char *to = numbered(path, i, suffix);
        rename(from, to);
        free(from);
        free(to);
    }
}

char *log_rotation_newest(const char *path)
{
    return numbered(path, 0, "");
}

void log_rotation_shift(const char *path, uint32_t count)
{
    if (count == 0) {
        unlink(path);
        return;
    }
    shift(path, count, "");
    shift(path, count, ".gz");
    char *first = log_rotation_newest(path);
    rename(path, first);
    free(first);
}
