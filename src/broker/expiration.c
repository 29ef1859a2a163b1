/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The expiration property is a string with a number in it. What is wrong with one is told in the
 * words of the Erlang function that RabbitMQ reads it with: an optional sign, digits, and nothing
 * behind them.
 */
#include "broker/expiration.h"

#include <stdio.h>
#include <stdlib.h>

#include "amqp/properties.h"

enum { digits_max = 15 };
static const int64_t expiration_ms_max = 315360000000; /* ten years */

/* What is wrong with the text; false where it is right. Size of why: AMQP_SHORTSTR_MAX + 32. */
static bool find_mistake(const char *text, char *why, size_t why_size)
{
    size_t sign = text[0] == '-' || text[0] == '+';
    size_t digits = strspn(text + sign, "0123456789");
    int64_t value = strtoll(text, NULL, 10);
    if (digits == 0)
        snprintf(why, why_size, "no_integer");
    else if (text[sign + digits] != '\0')
        snprintf(why, why_size, "{leftover_string,\"%s\"}", text + sign + digits);
    else if (value < 0)
        snprintf(why, why_size, "{value_negative,%s}", text);
    else if (digits > digits_max || value > expiration_ms_max)
        snprintf(why, why_size, "{value_too_large,%s}", text + sign);
    else
        return false;
    return true;
}

bool expiration_check(struct bytes properties, struct amqp_error *error)
{
    struct bytes expiration;
    char text[AMQP_SHORTSTR_MAX + 1], why[AMQP_SHORTSTR_MAX + 32];
    if ((amqp_properties_flags(properties) & AMQP_PROPERTY_EXPIRATION) == 0 ||
        !amqp_properties_expiration(properties, &expiration))
        return true;
    memcpy(text, expiration.data, expiration.size);
    text[expiration.size] = '\0';
    return !find_mistake(text, why, sizeof why) ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED, "invalid expiration '%s': %s", text,
                          why);
}

uint64_t expiration_of(struct bytes properties)
{
    struct bytes expiration;
    char text[AMQP_SHORTSTR_MAX + 1];
    if ((amqp_properties_flags(properties) & AMQP_PROPERTY_EXPIRATION) == 0 ||
        !amqp_properties_expiration(properties, &expiration))
        return EXPIRATION_NEVER;
    memcpy(text, expiration.data, expiration.size);
    text[expiration.size] = '\0';
    return strtoull(text, NULL, 10);
}
