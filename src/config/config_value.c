/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the text of a value to what it means, one function per type of rabbitmq.conf. They are
 * stricter than strtoul and friends on purpose: no blanks, no sign, no hexadecimal, nothing after
 * the number, and never a silent overflow, because a limit that was misread is a limit that does
 * not hold.
 *
 * Sizes are the odd one out. RabbitMQ reads `kb` as 1000 in memory and disk limits but as 1024 in
 * frame sizes, so that factor is the caller's; everything else about a unit is the same everywhere.
 */
#include "config/config_value.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/xmalloc.h"

static const char OVERFLOW_REASON[] = "the number is too large";

/* Reads digits from *text on and moves it behind them. */
static const char *read_digits(const char **text, uint64_t *count)
{
    const char *at = *text;
    uint64_t value = 0;
    if (*at < '0' || *at > '9')
        return *at == '-' ? "must not be negative" : "a whole number is expected";
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return OVERFLOW_REASON;
        value = value * 10 + digit;
    }
    *text = at;
    *count = value;
    return NULL;
}

const char *config_value_count(const char *text, uint64_t *count)
{
    uint64_t value;
    const char *reason = read_digits(&text, &value);
    if (reason != NULL)
        return reason;
    if (*text != '\0')
        return "a whole number is expected";
    *count = value;
    return NULL;
}

/* The factor of a unit such as "", "k", "KiB" or "MB"; 0 if it is none. */
static uint64_t unit_factor(const char *unit, uint64_t kb_base)
{
    static const char PREFIXES[] = "kmgtp";
    if (*unit == '\0' || strcasecmp(unit, "b") == 0)
        return 1;
    const char *prefix = strchr(PREFIXES, *unit | 0x20);
    if (prefix == NULL)
        return 0;
    uint64_t base;
    const char *rest = unit + 1;
    if (*rest == '\0' || strcasecmp(rest, "i") == 0 || strcasecmp(rest, "ib") == 0)
        base = 1024;
    else if (strcasecmp(rest, "b") == 0)
        base = kb_base;
    else
        return 0;
    uint64_t factor = 1;
    for (const char *p = PREFIXES; p <= prefix; p++)
        factor *= base;
    return factor;
}

/* Adds the digits behind a decimal point, cut to whole bytes. */
static const char *read_fraction(const char **text, uint64_t factor, uint64_t *bytes)
{
    const char *at = *text;
    double fraction = 0;
    double weight = 0.1;
    if (*at < '0' || *at > '9')
        return "digits are expected after the point";
    for (; *at >= '0' && *at <= '9'; at++, weight /= 10)
        fraction += (*at - '0') * weight;
    *text = at;
    *bytes = (uint64_t)(fraction * (double)factor);
    return NULL;
}

const char *config_value_size(const char *text, uint64_t kb_base, uint64_t *bytes)
{
    static const char REASON[] = "a size such as 65536, 64KiB or 2GB is expected";
    uint64_t whole, fraction = 0;
    const char *reason = read_digits(&text, &whole);
    if (reason != NULL)
        return *text == '-' || reason == OVERFLOW_REASON ? reason : REASON;
    const char *unit = text + strspn(text, ".0123456789");
    unit += strspn(unit, " \t");
    uint64_t factor = unit_factor(unit, kb_base);
    if (factor == 0)
        return REASON;
    if (*text == '.') {
        text++;
        if (factor == 1)
            return "a fraction needs a unit, as in 1.5GB";
        reason = read_fraction(&text, factor, &fraction);
        if (reason != NULL)
            return reason;
    }
    if (*text == '.')
        return REASON;
    if (whole > (UINT64_MAX - fraction) / factor)
        return OVERFLOW_REASON;
    *bytes = whole * factor + fraction;
    return NULL;
}

struct duration_unit {
    const char *name;
    uint64_t ms;
};

static const struct duration_unit *duration_unit_of(const char *text, size_t size)
{
    static const struct duration_unit units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                                 {"h", 3600000}, {"d", 86400000}, {"w", 604800000}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) == size && strncmp(text, units[i].name, size) == 0)
            return &units[i];
    }
    return NULL;
}

const char *config_value_duration(const char *text, uint64_t *ms)
{
    static const char digits[] = "0123456789";
    static const char expected[] = "a number of milliseconds, or a time such as 30s or 1h30m, is "
                                   "expected";
    enum { digits_max = 12 };
    if (text[0] != '\0' && text[strspn(text, digits)] == '\0')
        return config_value_count(text, ms);
    *ms = 0;
    do {
        size_t count = strspn(text, digits);
        size_t size = strcspn(text + count, digits);
        const struct duration_unit *unit = duration_unit_of(text + count, size);
        if (count == 0 || count > digits_max || unit == NULL)
            return expected;
        *ms += strtoull(text, NULL, 10) * unit->ms;
        text += count + size;
    } while (*text != '\0');
    return NULL;
}

const char *config_value_bool(const char *text, bool *value)
{
    static const struct {
        const char *word;
        bool value;
    } WORDS[] = {{"true", true}, {"false", false}, {"on", true}, {"off", false}};
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (strcmp(text, WORDS[i].word) == 0) {
            *value = WORDS[i].value;
            return NULL;
        }
    }
    return "true or false (on or off) is expected";
}

const char *config_value_ratio(const char *text, double *ratio)
{
    static const char REASON[] = "a number such as 0.4 is expected";
    if (*text == '-')
        return "must not be negative";
    if (*text == '\0' || text[strspn(text, "0123456789.eE+-")] != '\0')
        return REASON;
    char *end;
    double value = strtod(text, &end);
    if (*end != '\0' || end == text)
        return REASON;
    if (!isfinite(value) || value < 0)
        return OVERFLOW_REASON;
    *ratio = value;
    return NULL;
}

bool config_value_is_address(const char *text)
{
    struct in6_addr unused;
    return inet_pton(AF_INET, text, &unused) == 1 || inet_pton(AF_INET6, text, &unused) == 1;
}

/* What stands before the last colon, without the brackets of an IPv6 address. */
static char *endpoint_address(const char *text, const char *colon)
{
    size_t size = (size_t)(colon - text);
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']')
        return xstrndup(text + 1, size - 2);
    return xstrndup(text, size);
}

const char *config_value_endpoint(const char *text, char **address, uint16_t *port)
{
    if (strncmp(text, "unix:", 5) == 0 || strncmp(text, "local:", 6) == 0)
        return "listeners on Unix sockets are not supported";
    const char *colon = strrchr(text, ':');
    uint64_t number;
    if (config_value_count(colon == NULL ? text : colon + 1, &number) != NULL)
        return "PORT or ADDRESS:PORT is expected";
    if (number > UINT16_MAX)
        return "a port is at most 65535";
    char *found = colon == NULL ? NULL : endpoint_address(text, colon);
    if (found != NULL && !config_value_is_address(found)) {
        free(found);
        return "a numeric IPv4 or IPv6 address is expected before the port";
    }
    *address = found;
    *port = (uint16_t)number;
    return NULL;
}
