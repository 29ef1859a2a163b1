/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arguments of set_vm_memory_high_watermark and set_disk_free_limit. A number alone is a part
 * of the memory for the first one, and bytes for the second; a word in front says that it is the
 * other. Units are the server's business, which reads them as those of its configuration: what is
 * looked at here is what would be taken for something else, such as a watermark of 2 for 2 bytes.
 */
#include "cli/alarm_limit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "net/control.h"

static const char bad[] = "Bad argument.";

/* Digits, at most one point among them, and nothing else. */
static bool is_number(const char *text)
{
    size_t size = strspn(text, "0123456789");
    if (size > 0 && text[size] == '.')
        size += 1 + strspn(text + size + 1, "0123456789");
    return size > 0 && text[size] == '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Is the word that goes before a number in its place? */
static const char *check_word(char *const *words, size_t count, const char *word, int *status)
{
    bool is_there = strcmp(words[0], word) == 0;
    *status = CONTROL_USAGE;
    if (is_there && count == 1)
        return "not enough arguments.";
    if (!is_there && count == 2)
        return "too many arguments.";
    *status = CONTROL_DATA;
    return NULL;
}

/* A size alone, as in a configuration file, is taken as well. */
const char *alarm_limit_check_memory(char *const *words, size_t count, int *status)
{
    const char *complaint = check_word(words, count, "absolute", status);
    const char *value = words[count - 1];
    if (complaint != NULL)
        return complaint;
    bool is_negative = value[0] == '-' && is_number(value + 1);
    if (!is_digit(value[0]) && !(is_negative && count == 1))
        return bad;
    if (count == 2 && is_number(value) && strchr(value, '.') != NULL)
        return "Bad argument: The threshold should be an integer.";
    if (is_negative || (count == 1 && is_number(value) && strtod(value, NULL) > 1))
        return "Bad argument: The threshold should be a fraction between 0.0 and 1.0";
    return NULL;
}

const char *alarm_limit_check_disk(char *const *words, size_t count, int *status)
{
    const char *complaint = check_word(words, count, "mem_relative", status);
    const char *value = words[count - 1];
    if (complaint != NULL)
        return complaint;
    bool is_fraction = is_number(value) && strchr(value, '.') != NULL;
    if (count == 2 ? !is_number(value) : !is_digit(value[0]) || is_fraction)
        return bad;
    return NULL;
}
