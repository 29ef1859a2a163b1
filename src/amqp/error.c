/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reply codes and texts. The texts are part of the interface: clients match on them and people
 * search the web for them, so they read as RabbitMQ's do, down to how a long one is cut. A cut
 * never splits a UTF-8 sequence, because a client that decodes the short string strictly would drop
 * the connection over the very message that explains what went wrong.
 */
#include "amqp/error.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { cut_at = 252 };

struct code {
    enum amqp_code code;
    bool is_hard;
    const char *name;
};

static const struct code codes[] = {
    {AMQP_OK, false, "OK"},
    {AMQP_NO_ROUTE, false, "NO_ROUTE"},
    {AMQP_CONNECTION_FORCED, true, "CONNECTION_FORCED"},
    {AMQP_ACCESS_REFUSED, false, "ACCESS_REFUSED"},
    {AMQP_NOT_FOUND, false, "NOT_FOUND"},
    {AMQP_RESOURCE_LOCKED, false, "RESOURCE_LOCKED"},
    {AMQP_PRECONDITION_FAILED, false, "PRECONDITION_FAILED"},
    {AMQP_FRAME_ERROR, true, "FRAME_ERROR"},
    {AMQP_SYNTAX_ERROR, true, "SYNTAX_ERROR"},
    {AMQP_COMMAND_INVALID, true, "COMMAND_INVALID"},
    {AMQP_CHANNEL_ERROR, true, "CHANNEL_ERROR"},
    {AMQP_UNEXPECTED_FRAME, true, "UNEXPECTED_FRAME"},
    {AMQP_RESOURCE_ERROR, true, "RESOURCE_ERROR"},
    {AMQP_NOT_ALLOWED, true, "NOT_ALLOWED"},
    {AMQP_NOT_IMPLEMENTED, true, "NOT_IMPLEMENTED"},
    {AMQP_INTERNAL_ERROR, true, "INTERNAL_ERROR"},
};

static const struct code *find_code(enum amqp_code code)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].code == code)
            return &codes[i];
    }
    return NULL;
}

const char *amqp_code_name(enum amqp_code code)
{
    const struct code *found = find_code(code);
    return found != NULL ? found->name : "UNKNOWN";
}

bool amqp_code_is_hard(enum amqp_code code)
{
    const struct code *found = find_code(code);
    return found == NULL || found->is_hard;
}

/* text holds what fits of something longer. */
static void cut(char *text)
{
    size_t end = cut_at;
    while (end > 0 && ((uint8_t)text[end] & 0xc0) == 0x80)
        end--;
    memcpy(text + end, "...", sizeof "...");
}

bool amqp_error_set(struct amqp_error *error, enum amqp_code code, const char *format, ...)
{
    *error = (struct amqp_error){.code = (uint16_t)code};
    int prefix = snprintf(error->text, sizeof error->text, "%s - ", amqp_code_name(code));
    va_list arguments;
    va_start(arguments, format);
    int size =
        vsnprintf(error->text + prefix, sizeof error->text - (size_t)prefix, format, arguments);
    va_end(arguments);
    if (size < 0 || prefix + size > AMQP_SHORTSTR_MAX)
        cut(error->text);
    return false;
}
