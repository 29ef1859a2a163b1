/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AMQP_ERROR_H
#define LEVERET_AMQP_ERROR_H

#include <stdbool.h>
#include <stdint.h>

/* Reply codes of AMQP 0-9-1 (section 1.2) as RabbitMQ uses them. */
enum amqp_code {
    AMQP_OK = 200,
    AMQP_NO_ROUTE = 312,
    AMQP_CONNECTION_FORCED = 320,
    AMQP_ACCESS_REFUSED = 403,
    AMQP_NOT_FOUND = 404,
    AMQP_RESOURCE_LOCKED = 405,
    AMQP_PRECONDITION_FAILED = 406,
    AMQP_FRAME_ERROR = 501,
    AMQP_SYNTAX_ERROR = 502,
    AMQP_COMMAND_INVALID = 503,
    AMQP_CHANNEL_ERROR = 504,
    AMQP_UNEXPECTED_FRAME = 505,
    AMQP_RESOURCE_ERROR = 506,
    AMQP_NOT_ALLOWED = 530,
    AMQP_NOT_IMPLEMENTED = 540,
    AMQP_INTERNAL_ERROR = 541,
};

enum { AMQP_SHORTSTR_MAX = 255 };

/* What is wrong with what a peer sent: the arguments of connection.close or channel.close. text is
 * the whole reply text ("NOT_FOUND - no queue ..."), ended by NUL, at most 255 bytes. code 0 is no
 * error. */
struct amqp_error {
    uint16_t code; /* enum amqp_code */
    uint16_t class_id;
    uint16_t method_id;
    char text[AMQP_SHORTSTR_MAX + 1];
};

/* Sets code and text ("NAME - " and the formatted explanation); what is longer than 255 bytes is
 * cut at 252 with "..." behind, as RabbitMQ does. class and method stay 0. Returns false, so that
 * a check can end with `return amqp_error_set(...)`. */
bool amqp_error_set(struct amqp_error *error, enum amqp_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The constant's name, "NOT_FOUND" for 404; "UNKNOWN" for a code that AMQP does not have. */
const char *amqp_code_name(enum amqp_code code);

/* Does this code close the whole connection, not the channel alone? */
bool amqp_code_is_hard(enum amqp_code code);

#endif
