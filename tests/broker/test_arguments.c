/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every argument that means something, with values that are wrong in type, range, word or company,
 * and some that are right: one row each, against any broker. A row that is refused shows that
 * nothing changed: the queue is not there, the former declaration stands, other channels live.
 *
 * Arguments are written NAME:TAG=VALUE with the tag of the wire, `x-expires:I=5`, with spaces
 * between them; A holds nothing or comma-separated TAG=VALUE. In a text %Q is the queue, %X the
 * exchange. Where Leveret is not like RabbitMQ 3.10, the row says what 3.10 does and why that
 * differs.
 */
#include "broker_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum method { DECLARE, REDECLARE, EXCHANGE, REEXCHANGE, CONSUME, BIND, EXCHANGE_BIND, PUBLISH };

enum {
    ACCEPTED = 200,
    NOBODY_KNOWS = 1, /* Debian's RabbitMQ has no such plug-in */
    PLAIN = 0,
    DURABLE = QUEUE_DURABLE,
    EXCLUSIVE = QUEUE_EXCLUSIVE,
    AUTO_DELETE = QUEUE_AUTO_DELETE,
    UNNAMED = 32,
};

struct verdict {
    uint16_t code; /* ACCEPTED, or what closes the channel or the connection */
    const char *text;
};

struct row {
    enum method method;
    int flags;           /* of the queue; of a publish: the letter of a property, or 0 */
    const char *former;  /* the queue's or exchange's arguments before; the exchange's type, and
                          * after a space the binding's key; a property's value */
    const char *args;    /* what the row is about */
    struct verdict here; /* Leveret, and RabbitMQ 3.10 unless the next is set */
    struct verdict rabbit;
    const char *why; /* they differ */
};

#define QUEUE_NAME "args-q"
#define QUEUE_TEXT "queue '" QUEUE_NAME "' in vhost '/'"
#define EXCHANGE_NAME "args-x"
#define EXCHANGE_TEXT "exchange '" EXCHANGE_NAME "' in vhost '/'"

/* --- the notation */

static void append(struct raw_table *table, struct raw_table field)
{
    assert_true(table->bytes + field.bytes <= sizeof table->data);
    memcpy(table->data + table->bytes, field.data, field.bytes);
    table->bytes += field.bytes;
}

static struct raw_table array_of(char *items)
{
    struct raw_table array = {0};
    char *rest = NULL;
    for (char *item = strtok_r(items, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest))
        append(&array, item[0] == 'S' ? raw_array("S", item + 2)
                                      : raw_array("I", (int)strtol(item + 2, NULL, 10)));
    return array;
}

static struct raw_table field_of(const char *name, char tag, char *value)
{
    const char types[] = {tag, '\0'};
    struct raw_table nested = {0};
    switch (tag) {
    case 'S':
    case 'x':
        return raw_table(types, name, value);
    case 'l':
    case 'L':
    case 'T':
        return raw_table(types, name, (int64_t)strtoll(value, NULL, 10));
    case 'f':
    case 'd':
        return raw_table(types, name, strtod(value, NULL));
    case 'D':
        return raw_table(types, name, 1, (unsigned)strtoul(value, NULL, 10));
    case 'V':
        return raw_table(types, name);
    case 'A':
        nested = array_of(value);
        return raw_table(types, name, &nested);
    case 'F':
        return raw_table(types, name, &nested);
    default:
        return raw_table(types, name, (int)strtoll(value, NULL, 10));
    }
}

static struct raw_table table_of(const char *notation)
{
    struct raw_table table = {0};
    char text[1024];
    char *rest = NULL;
    assert_true((size_t)snprintf(text, sizeof text, "%s", notation) < sizeof text);
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        char *colon = strrchr(word, ':');
        assert_non_null(colon);
        *colon = '\0';
        append(&table, field_of(word, colon[1], colon + 3));
    }
    return table;
}

static void append_text(char *text, size_t size, const char *more)
{
    size_t length = strlen(text);
    snprintf(text + length, size - length, "%s", more);
}

/* The reply text of a verdict: the code's name, and the names in it. */
static void reply_text(const struct verdict *verdict, char text[512])
{
    const char *name = verdict->code == 406   ? "PRECONDITION_FAILED - "
                       : verdict->code == 403 ? "ACCESS_REFUSED - "
                       : verdict->code == 503 ? "COMMAND_INVALID - "
                       : verdict->code == 540 ? "NOT_IMPLEMENTED - "
                                              : "INTERNAL_ERROR";
    text[0] = '\0';
    append_text(text, 512, name);
    for (const char *at = verdict->text != NULL ? verdict->text : ""; *at != '\0'; at++) {
        char one[2] = {*at, '\0'};
        if (at[0] == '%' && (at[1] == 'Q' || at[1] == 'X'))
            append_text(text, 512, *++at == 'Q' ? QUEUE_TEXT : EXCHANGE_TEXT);
        else
            append_text(text, 512, one);
    }
}

/* --- a row's run: what was there before, the method, its answer, what is there after */

static const struct verdict *verdict_of(const struct row *row)
{
    return row->rabbit.code != 0 && !broker_test_is_leveret() ? &row->rabbit : &row->here;
}

/* Reads the close. A connection that it ended is opened anew, with channel 2. */
static struct raw_client *read_refusal(struct raw_client *c, const struct verdict *verdict,
                                       uint16_t class_id, uint16_t method_id)
{
    char text[512];
    reply_text(verdict, text);
    if (verdict->code < 500) {
        raw_expect_channel_close(c, 1, verdict->code, text, class_id, method_id);
        return c;
    }
    bool has_crashed = verdict->code == 541; /* that it names no method is RabbitMQ's way */
    raw_expect_connection_close(c, verdict->code, text, has_crashed ? 0 : class_id,
                                has_crashed ? 0 : method_id);
    c = raw_open();
    raw_open_channel(c, 2);
    return c;
}

static struct raw_client *open_two_channels(void)
{
    struct raw_client *c = raw_open();
    raw_open_channel(c, 2);
    return c;
}

static void expect_no_queue(struct raw_client *c)
{
    step_send_declare(c, 2, QUEUE_NAME, QUEUE_PASSIVE, NULL);
    raw_expect_channel_close(c, 2, 404, "NOT_FOUND - no " QUEUE_TEXT, 50, 10);
}

static void run_declare(const struct row *row)
{
    const struct verdict *verdict = verdict_of(row);
    struct raw_table args = table_of(row->args);
    struct raw_client *c = open_two_channels();
    int flags = row->flags & ~UNNAMED;
    step_send_declare(c, 1, row->flags & UNNAMED ? "" : QUEUE_NAME, flags, &args);
    if (verdict->code != ACCEPTED) {
        expect_no_queue(read_refusal(c, verdict, 50, 10));
        return;
    }
    raw_expect(c, 1, 50, 11);
    step_declare(c, 2, QUEUE_NAME, flags, &args);
    step_delete(c, 2, QUEUE_NAME);
}

static void run_redeclare(const struct row *row)
{
    const struct verdict *verdict = verdict_of(row);
    struct raw_table former = table_of(row->former), args = table_of(row->args);
    struct raw_client *c = open_two_channels();
    step_declare(c, 2, QUEUE_NAME, row->flags, &former);
    step_send_declare(c, 1, QUEUE_NAME, row->flags, &args);
    if (verdict->code != ACCEPTED)
        c = read_refusal(c, verdict, 50, 10);
    else
        raw_expect(c, 1, 50, 11);
    step_declare(c, 2, QUEUE_NAME, row->flags, &former);
    step_delete(c, 2, QUEUE_NAME);
}

static void run_exchange(const struct row *row)
{
    const struct verdict *verdict = verdict_of(row);
    struct raw_table args = table_of(row->args);
    struct raw_client *c = open_two_channels();
    step_send_exchange(c, 1, EXCHANGE_NAME, row->former, EXCHANGE_AUTO_DELETE, &args);
    if (verdict->code != ACCEPTED) {
        c = read_refusal(c, verdict, 40, 10);
        step_send_exchange(c, 2, EXCHANGE_NAME, "", EXCHANGE_PASSIVE, NULL);
        raw_expect_channel_close(c, 2, 404, "NOT_FOUND - no " EXCHANGE_TEXT, 40, 10);
        return;
    }
    raw_expect(c, 1, 40, 11);
    step_exchange_delete(c, 2, EXCHANGE_NAME);
}

static void run_exchange_again(const struct row *row)
{
    const struct verdict *verdict = verdict_of(row);
    struct raw_table former = table_of(row->former), args = table_of(row->args);
    struct raw_client *c = open_two_channels();
    step_exchange(c, 2, EXCHANGE_NAME, "fanout", 0, &former);
    step_send_exchange(c, 1, EXCHANGE_NAME, "fanout", 0, &args);
    if (verdict->code != ACCEPTED)
        c = read_refusal(c, verdict, 40, 10);
    else
        raw_expect(c, 1, 40, 11);
    step_send_exchange(c, 2, EXCHANGE_NAME, "fanout", 0, &former);
    raw_expect(c, 2, 40, 11);
    step_exchange_delete(c, 2, EXCHANGE_NAME);
}

static void run_consume(const struct row *row)
{
    const struct verdict *verdict = verdict_of(row);
    struct raw_table former = table_of(row->former), args = table_of(row->args);
    struct raw_client *c = open_two_channels();
    uint32_t ready_count, consumer_count;
    step_declare(c, 2, QUEUE_NAME, row->flags, &former);
    step_send_consume(c, 1, QUEUE_NAME, "t", 0, &args);
    if (verdict->code != ACCEPTED)
        c = read_refusal(c, verdict, 60, 20);
    else
        raw_expect(c, 1, 60, 21);
    step_counts(c, 2, QUEUE_NAME, &ready_count, &consumer_count);
    assert_int_equal(consumer_count, verdict->code == ACCEPTED);
    if (verdict->code == ACCEPTED)
        step_cancel(c, 1, "t");
    step_delete(c, 2, QUEUE_NAME);
}

/* The type and the key of TYPE KEY; "k" where there is none. */
static const char *split_key(const char *former, char type[64])
{
    const char *space = strchr(former, ' ');
    snprintf(type, 64, "%.*s", (int)strcspn(former, " "), former);
    return space != NULL ? space + 1 : "k";
}

/* A binding that is there all the same would take the message. */
static void expect_no_binding(struct raw_client *c, const char *key)
{
    step_publish_with(c, 2, EXCHANGE_NAME, key, PUBLISH_MANDATORY, NULL, "m", 1);
    raw_expect_return(c, 2);
}

static void run_bind(const struct row *row)
{
    const struct verdict *verdict = verdict_of(row);
    struct raw_table args = table_of(row->args);
    struct raw_client *c = open_two_channels();
    char type[64];
    const char *key = split_key(row->former, type);
    step_exchange(c, 2, EXCHANGE_NAME, type, EXCHANGE_AUTO_DELETE, NULL);
    step_declare(c, 2, QUEUE_NAME, EXCLUSIVE, NULL);
    step_send_bind(c, 1, QUEUE_NAME, EXCHANGE_NAME, key, &args);
    if (verdict->code != ACCEPTED) {
        c = read_refusal(c, verdict, 50, 20);
        expect_no_binding(c, key);
    } else {
        raw_expect(c, 1, 50, 21);
        step_unbind(c, 2, QUEUE_NAME, EXCHANGE_NAME, key, &args);
    }
    step_delete(c, 2, QUEUE_NAME);
    raw_method(c, 2, 40, 20, "ws11", 0, EXCHANGE_NAME, 0, 0);
    raw_expect(c, 2, 40, 21);
}

/* To an exchange that has a queue. */
static void run_exchange_bind(const struct row *row)
{
    const struct verdict *verdict = verdict_of(row);
    struct raw_table args = table_of(row->args);
    struct raw_client *c = open_two_channels();
    char type[64];
    const char *key = split_key(row->former, type);
    step_exchange(c, 2, EXCHANGE_NAME, type, 0, NULL);
    step_declare(c, 2, QUEUE_NAME, EXCLUSIVE, NULL);
    step_bind(c, 2, QUEUE_NAME, "amq.fanout", "", NULL);
    raw_method(c, 1, 40, 30, "wsss1T", 0, "amq.fanout", EXCHANGE_NAME, key, 0, &args);
    if (verdict->code != ACCEPTED) {
        c = read_refusal(c, verdict, 40, 30);
        expect_no_binding(c, key);
    } else {
        raw_expect(c, 1, 40, 31);
        raw_method(c, 2, 40, 40, "wsss1T", 0, "amq.fanout", EXCHANGE_NAME, key, 0, &args);
        raw_expect(c, 2, 40, 51);
        expect_no_binding(c, key);
    }
    step_exchange_delete(c, 2, EXCHANGE_NAME);
}

static struct raw_properties properties_of(const struct row *row)
{
    struct raw_table headers = table_of(row->args);
    const char letters[] = {(char)row->flags, '\0'};
    if (row->flags == 0)
        return raw_properties("h", &headers);
    if (row->flags == 'p' || row->flags == 'd')
        return raw_properties(letters, (int)strtol(row->former, NULL, 10));
    return raw_properties(letters, row->former);
}

static void run_publish(const struct row *row)
{
    const struct verdict *verdict = verdict_of(row);
    struct raw_properties properties = properties_of(row);
    struct raw_client *c = open_two_channels();
    uint32_t ready_count, consumer_count;
    step_declare(c, 2, QUEUE_NAME, EXCLUSIVE, NULL);
    step_publish_with(c, 1, "", QUEUE_NAME, 0, &properties, "m", 1);
    if (verdict->code == ACCEPTED) {
        step_get_no_ack(c, 1, QUEUE_NAME, "m");
    } else {
        c = read_refusal(c, verdict, 60, 40);
        step_counts(c, 2, QUEUE_NAME, &ready_count, &consumer_count);
        assert_int_equal(ready_count, 0);
    }
    step_delete(c, 2, QUEUE_NAME);
}

/* --- rows: queue.declare */

#define BAD(flags, args, text)                                                                     \
    {                                                                                              \
        DECLARE, flags, "", args, {406, text}, {0}, NULL                                           \
    }
#define GOOD(flags, args)                                                                          \
    {                                                                                              \
        DECLARE, flags, "", args, {ACCEPTED, NULL}, {0}, NULL                                      \
    }
#define INVALID(arg, reason) "invalid arg '" arg "' for %Q: " reason

#define QUORUM "x-queue-type:S=quorum "
#define STREAM "x-queue-type:S=stream "

#define NOT_INTEGER(flags, type, arg, field, name)                                                 \
    BAD(flags, type arg ":" field, INVALID(arg, "\"expected integer, got " name "\""))
#define NOT_INTEGERS(flags, type, arg)                                                             \
    NOT_INTEGER(flags, type, arg, "S=5", "longstr"),                                               \
        NOT_INTEGER(flags, type, arg, "x=5", "binary"),                                            \
        NOT_INTEGER(flags, type, arg, "t=1", "bool"),                                              \
        NOT_INTEGER(flags, type, arg, "f=5", "float"),                                             \
        NOT_INTEGER(flags, type, arg, "d=5", "double"),                                            \
        NOT_INTEGER(flags, type, arg, "D=5", "decimal"),                                           \
        NOT_INTEGER(flags, type, arg, "T=5", "timestamp"),                                         \
        NOT_INTEGER(flags, type, arg, "V=", "void"), NOT_INTEGER(flags, type, arg, "F=", "table"), \
        NOT_INTEGER(flags, type, arg, "A=", "array")

#define UNACCEPTABLE(flags, type, arg, field, name)                                                \
    BAD(flags, type arg ":" field, INVALID(arg, "{unacceptable_type," name "}"))
#define NOT_TEXTS(flags, type, arg)                                                                \
    UNACCEPTABLE(flags, type, arg, "I=5", "signedint"),                                            \
        UNACCEPTABLE(flags, type, arg, "l=5", "long"),                                             \
        UNACCEPTABLE(flags, type, arg, "t=1", "bool"),                                             \
        UNACCEPTABLE(flags, type, arg, "d=5", "double"),                                           \
        UNACCEPTABLE(flags, type, arg, "T=5", "timestamp"),                                        \
        UNACCEPTABLE(flags, type, arg, "V=", "void"),                                              \
        UNACCEPTABLE(flags, type, arg, "F=", "table"),                                             \
        UNACCEPTABLE(flags, type, arg, "A=", "array"),                                             \
        UNACCEPTABLE(flags, type, arg, "x=abc", "binary")

#define BAD_EXCHANGE(field, name)                                                                  \
    BAD(EXCLUSIVE, "x-dead-letter-exchange:" field,                                                \
        "invalid type '" name "' for arg 'x-dead-letter-exchange' in %Q")

/* There are no streams in Leveret yet. */
#define NO_STREAM(args)                                                                            \
    {                                                                                              \
        DECLARE, DURABLE, "", STREAM args,                                                         \
            {406, INVALID("x-queue-type", "\"unsupported queue type 'stream'\"")},                 \
            {ACCEPTED, NULL}, "no streams yet"                                                     \
    }

#define OTHERS(flags, args, arg, type)                                                             \
    BAD(flags, args, "invalid arg '" arg "' for %Q of queue type rabbit_" type "_queue")

#define INTEGER_WIDTHS(arg)                                                                        \
    GOOD(EXCLUSIVE, arg ":b=5"), GOOD(EXCLUSIVE, arg ":B=5"), GOOD(EXCLUSIVE, arg ":s=5"),         \
        GOOD(EXCLUSIVE, arg ":u=5"), GOOD(EXCLUSIVE, arg ":I=5"), GOOD(EXCLUSIVE, arg ":i=5"),     \
        GOOD(EXCLUSIVE, arg ":l=5"), GOOD(EXCLUSIVE, arg ":L=5")

static const struct row declares[] = {
    /* types */
    NOT_INTEGERS(EXCLUSIVE, "", "x-expires"),
    NOT_INTEGERS(EXCLUSIVE, "", "x-message-ttl"),
    NOT_INTEGERS(EXCLUSIVE, "", "x-max-length"),
    NOT_INTEGERS(EXCLUSIVE, "", "x-max-length-bytes"),
    NOT_INTEGERS(EXCLUSIVE, "", "x-max-priority"),
    NOT_INTEGERS(EXCLUSIVE, "", "x-queue-version"),
    NOT_INTEGERS(DURABLE, QUORUM, "x-max-in-memory-length"),
    NOT_INTEGERS(DURABLE, QUORUM, "x-max-in-memory-bytes"),
    NOT_INTEGERS(DURABLE, QUORUM, "x-quorum-initial-group-size"),
    NOT_INTEGERS(DURABLE, QUORUM, "x-message-ttl"),
    NOT_INTEGERS(DURABLE, STREAM, "x-stream-max-segment-size-bytes"),
    NOT_INTEGERS(DURABLE, STREAM, "x-initial-cluster-size"),
    NOT_INTEGERS(DURABLE, STREAM, "x-max-length-bytes"),
    NOT_TEXTS(EXCLUSIVE, "x-dead-letter-exchange:S=a ", "x-dead-letter-routing-key"),
    NOT_TEXTS(EXCLUSIVE, "", "x-overflow"),
    NOT_TEXTS(EXCLUSIVE, "", "x-queue-mode"),
    NOT_TEXTS(EXCLUSIVE, "", "x-queue-type"),
    NOT_TEXTS(DURABLE, QUORUM, "x-dead-letter-strategy"),
    NOT_TEXTS(DURABLE, QUORUM, "x-queue-leader-locator"),
    NOT_TEXTS(DURABLE, STREAM, "x-max-age"),
    UNACCEPTABLE(EXCLUSIVE, "", "x-single-active-consumer", "S=true", "longstr"),
    UNACCEPTABLE(EXCLUSIVE, "", "x-single-active-consumer", "I=1", "signedint"),
    UNACCEPTABLE(EXCLUSIVE, "", "x-single-active-consumer", "b=1", "byte"),
    UNACCEPTABLE(EXCLUSIVE, "", "x-single-active-consumer", "d=1", "double"),
    UNACCEPTABLE(EXCLUSIVE, "", "x-single-active-consumer", "V=", "void"),
    UNACCEPTABLE(DURABLE, QUORUM, "x-single-active-consumer", "S=true", "longstr"),
    BAD_EXCHANGE("b=5", "byte"),
    BAD_EXCHANGE("B=5", "unsignedbyte"),
    BAD_EXCHANGE("s=5", "short"),
    BAD_EXCHANGE("u=5", "unsignedshort"),
    BAD_EXCHANGE("I=5", "signedint"),
    BAD_EXCHANGE("i=5", "unsignedint"),
    BAD_EXCHANGE("l=5", "long"),
    BAD_EXCHANGE("L=5", "long"),
    BAD_EXCHANGE("f=5", "float"),
    BAD_EXCHANGE("d=5", "double"),
    BAD_EXCHANGE("D=5", "decimal"),
    BAD_EXCHANGE("T=5", "timestamp"),
    BAD_EXCHANGE("t=1", "bool"),
    BAD_EXCHANGE("V=", "void"),
    BAD_EXCHANGE("F=", "table"),
    BAD_EXCHANGE("A=", "array"),
    BAD_EXCHANGE("x=abc", "binary"),
    INTEGER_WIDTHS("x-max-length"),
    INTEGER_WIDTHS("x-message-ttl"),
    INTEGER_WIDTHS("x-max-priority"),

    /* ranges */
    BAD(EXCLUSIVE, "x-expires:I=0", INVALID("x-expires", "{value_zero,0}")),
    BAD(EXCLUSIVE, "x-expires:I=-1", INVALID("x-expires", "{value_negative,-1}")),
    BAD(EXCLUSIVE, "x-expires:l=315360000001",
        INVALID("x-expires", "{value_too_large,315360000001}")),
    GOOD(EXCLUSIVE, "x-expires:l=315360000000"),
    GOOD(EXCLUSIVE, "x-message-ttl:I=0"),
    BAD(EXCLUSIVE, "x-message-ttl:I=-1", INVALID("x-message-ttl", "{value_negative,-1}")),
    BAD(EXCLUSIVE, "x-message-ttl:b=-128", INVALID("x-message-ttl", "{value_negative,-128}")),
    BAD(EXCLUSIVE, "x-message-ttl:l=315360000001",
        INVALID("x-message-ttl", "{value_too_large,315360000001}")),
    BAD(EXCLUSIVE, "x-message-ttl:l=9223372036854775807",
        INVALID("x-message-ttl", "{value_too_large,9223372036854775807}")),
    GOOD(EXCLUSIVE, "x-message-ttl:l=315360000000"),
    BAD(EXCLUSIVE, "x-max-length:I=-1", INVALID("x-max-length", "{value_negative,-1}")),
    BAD(EXCLUSIVE, "x-max-length:l=-9223372036854775808",
        INVALID("x-max-length", "{value_negative,-9223372036854775808}")),
    GOOD(EXCLUSIVE, "x-max-length:I=0"),
    GOOD(EXCLUSIVE, "x-max-length:l=9223372036854775807"),
    BAD(EXCLUSIVE, "x-max-length-bytes:I=-5", INVALID("x-max-length-bytes", "{value_negative,-5}")),
    GOOD(EXCLUSIVE, "x-max-length-bytes:I=0"),
    BAD(EXCLUSIVE, "x-max-priority:I=256", INVALID("x-max-priority", "{max_value_exceeded,256}")),
    BAD(EXCLUSIVE, "x-max-priority:I=-1", INVALID("x-max-priority", "{value_negative,-1}")),
    GOOD(EXCLUSIVE, "x-max-priority:I=0"),
    GOOD(EXCLUSIVE, "x-max-priority:B=255"),
    BAD(EXCLUSIVE, "x-queue-version:I=0",
        INVALID("x-queue-version", "\"unsupported queue version '0'\"")),
    BAD(EXCLUSIVE, "x-queue-version:I=3",
        INVALID("x-queue-version", "\"unsupported queue version '3'\"")),
    BAD(EXCLUSIVE, "x-queue-version:I=-1", INVALID("x-queue-version", "{value_negative,-1}")),
    GOOD(EXCLUSIVE, "x-queue-version:I=1"),
    GOOD(EXCLUSIVE, "x-queue-version:I=2"),
    BAD(DURABLE, QUORUM "x-max-in-memory-length:I=-1",
        INVALID("x-max-in-memory-length", "{value_negative,-1}")),
    BAD(DURABLE, QUORUM "x-max-in-memory-bytes:I=-1",
        INVALID("x-max-in-memory-bytes", "{value_negative,-1}")),
    BAD(DURABLE, QUORUM "x-quorum-initial-group-size:I=0",
        INVALID("x-quorum-initial-group-size", "{value_zero,0}")),
    BAD(DURABLE, QUORUM "x-quorum-initial-group-size:I=-2",
        INVALID("x-quorum-initial-group-size", "{value_negative,-2}")),
    BAD(DURABLE, QUORUM "x-expires:I=0", INVALID("x-expires", "{value_zero,0}")),
    BAD(DURABLE, STREAM "x-initial-cluster-size:I=0",
        INVALID("x-initial-cluster-size", "{value_zero,0}")),
    BAD(DURABLE, STREAM "x-initial-cluster-size:I=-1",
        INVALID("x-initial-cluster-size", "{value_negative,-1}")),
    BAD(DURABLE, STREAM "x-stream-max-segment-size-bytes:I=-1",
        INVALID("x-stream-max-segment-size-bytes", "{value_negative,-1}")),
    BAD(DURABLE, STREAM "x-stream-max-segment-size-bytes:l=3000000001",
        "Exceeded max value for x-stream-max-segment-size-bytes"),
    BAD(DURABLE, STREAM "x-max-length-bytes:I=-1",
        INVALID("x-max-length-bytes", "{value_negative,-1}")),

    /* words */
    BAD(EXCLUSIVE, "x-overflow:S=drop-tail", INVALID("x-overflow", "invalid_overflow")),
    BAD(EXCLUSIVE, "x-overflow:S=", INVALID("x-overflow", "invalid_overflow")),
    BAD(EXCLUSIVE, "x-overflow:S=Drop-Head", INVALID("x-overflow", "invalid_overflow")),
    GOOD(EXCLUSIVE, "x-overflow:S=drop-head"),
    GOOD(EXCLUSIVE, "x-overflow:S=reject-publish"),
    GOOD(EXCLUSIVE, "x-overflow:S=reject-publish-dlx"),
    BAD(EXCLUSIVE, "x-queue-mode:S=foo",
        INVALID("x-queue-mode", "\"unsupported queue mode 'foo'\"")),
    BAD(EXCLUSIVE, "x-queue-mode:S=", INVALID("x-queue-mode", "\"unsupported queue mode ''\"")),
    BAD(EXCLUSIVE, "x-queue-mode:S=a\"b",
        INVALID("x-queue-mode", "\"unsupported queue mode 'a\\\"b'\"")),
    GOOD(EXCLUSIVE, "x-queue-mode:S=default"),
    GOOD(EXCLUSIVE, "x-queue-mode:S=lazy"),
    BAD(DURABLE, "x-queue-type:S=foo", INVALID("x-queue-type", "\"unsupported queue type 'foo'\"")),
    BAD(DURABLE, "x-queue-type:S=f\xc3\xb6o",
        INVALID("x-queue-type", "\"unsupported queue type 'f\xc3\xb6o'\"")),
    BAD(DURABLE, "x-queue-type:S=f\x81",
        INVALID(
            "x-queue-type",
            "[117,110,115,117,112,112,111,114,116,101,100,32,113,117,101,117,101,32,116,121,112,"
            "101,32,39,102,129,39]")),
    BAD(DURABLE, "x-queue-type:S=Classic",
        INVALID("x-queue-type", "\"unsupported queue type 'Classic'\"")),
    GOOD(DURABLE, "x-queue-type:S=classic"),
    {DECLARE,
     DURABLE,
     "",
     "x-queue-type:S=undefined",
     {ACCEPTED, NULL},
     {406, INVALID("x-queue-type", "\"unsupported queue type 'undefined'\"")},
     "newer versions take it as none"},
    {DECLARE,
     DURABLE,
     "",
     "x-queue-type:S=",
     {ACCEPTED, NULL},
     {406, INVALID("x-queue-type", "\"unsupported queue type ''\"")},
     "newer versions take it as none"},
    BAD(DURABLE, QUORUM "x-dead-letter-strategy:S=perhaps",
        INVALID("x-dead-letter-strategy", "invalid_dlx_strategy")),
    BAD(DURABLE, QUORUM "x-overflow:S=drop", INVALID("x-overflow", "invalid_overflow")),
    BAD(DURABLE, QUORUM "x-queue-leader-locator:S=here",
        INVALID("x-queue-leader-locator", "invalid_queue_locator_arg")),
    BAD(DURABLE, STREAM "x-queue-leader-locator:S=",
        INVALID("x-queue-leader-locator", "invalid_queue_locator_arg")),
    BAD(DURABLE, STREAM "x-max-age:S=5", INVALID("x-max-age", "invalid_max_age")),
    BAD(DURABLE, STREAM "x-max-age:S=0D", INVALID("x-max-age", "invalid_max_age")),
    BAD(DURABLE, STREAM "x-max-age:S=5d", INVALID("x-max-age", "invalid_max_age")),
    BAD(DURABLE, STREAM "x-max-age:S=5DD", INVALID("x-max-age", "invalid_max_age")),
    {DECLARE,
     DURABLE,
     "",
     STREAM "x-max-age:S=D",
     {406, INVALID("x-max-age", "invalid_max_age")},
     {541, NULL},
     "3.10 crashes"},

    /* company */
    BAD(EXCLUSIVE, "x-dead-letter-routing-key:S=k",
        INVALID("x-dead-letter-routing-key", "routing_key_but_no_dlx_defined")),
    BAD(DURABLE, QUORUM "x-dead-letter-routing-key:S=k",
        INVALID("x-dead-letter-routing-key", "routing_key_but_no_dlx_defined")),
    GOOD(EXCLUSIVE, "x-dead-letter-routing-key:S=k x-dead-letter-exchange:S=no-such"),
    GOOD(EXCLUSIVE, "x-dead-letter-exchange:S="),
    GOOD(EXCLUSIVE, "x-single-active-consumer:t=1"),
    GOOD(EXCLUSIVE, "x-single-active-consumer:t=0"),
    BAD(DURABLE | AUTO_DELETE, QUORUM, "invalid property 'auto-delete' for %Q"),
    BAD(DURABLE | EXCLUSIVE, QUORUM, "invalid property 'exclusive-owner' for %Q"),
    BAD(EXCLUSIVE, QUORUM, "invalid property 'exclusive-owner' for %Q"),
    BAD(PLAIN, QUORUM, "invalid property 'non-durable' for %Q"),
    BAD(EXCLUSIVE | AUTO_DELETE, QUORUM, "invalid property 'auto-delete' for %Q"),
    BAD(DURABLE | AUTO_DELETE, STREAM, "invalid property 'auto-delete' for %Q"),
    BAD(EXCLUSIVE, STREAM, "invalid property 'exclusive-owner' for %Q"),
    BAD(PLAIN, STREAM, "invalid property 'non-durable' for %Q"),
    BAD(DURABLE | UNNAMED, QUORUM,
        "Cannot declare a server-named queue for type rabbit_quorum_queue"),
    BAD(DURABLE | UNNAMED, STREAM,
        "Cannot declare a server-named queue for type rabbit_stream_queue"),
    BAD(PLAIN | UNNAMED, QUORUM "x-expires:S=5",
        "Cannot declare a server-named queue for type rabbit_quorum_queue"),

    /* known to other types */
    OTHERS(EXCLUSIVE, "x-delivery-limit:I=5", "x-delivery-limit", "classic"),
    OTHERS(EXCLUSIVE, "x-dead-letter-strategy:S=at-most-once", "x-dead-letter-strategy", "classic"),
    OTHERS(EXCLUSIVE, "x-quorum-initial-group-size:I=3", "x-quorum-initial-group-size", "classic"),
    OTHERS(EXCLUSIVE, "x-max-in-memory-length:I=3", "x-max-in-memory-length", "classic"),
    OTHERS(EXCLUSIVE, "x-max-in-memory-bytes:I=3", "x-max-in-memory-bytes", "classic"),
    OTHERS(EXCLUSIVE, "x-max-age:S=5D", "x-max-age", "classic"),
    OTHERS(EXCLUSIVE, "x-stream-max-segment-size-bytes:I=5", "x-stream-max-segment-size-bytes",
           "classic"),
    OTHERS(EXCLUSIVE, "x-initial-cluster-size:I=5", "x-initial-cluster-size", "classic"),
    OTHERS(EXCLUSIVE, "x-max-age:I=5", "x-max-age", "classic"),
    {DECLARE,
     EXCLUSIVE,
     "",
     "x-queue-leader-locator:S=balanced",
     {ACCEPTED, NULL},
     {406, "invalid arg 'x-queue-leader-locator' for %Q of queue type rabbit_classic_queue"},
     "4.x takes it"},
    {DECLARE,
     EXCLUSIVE,
     "",
     "x-queue-leader-locator:S=here",
     {406, INVALID("x-queue-leader-locator", "invalid_queue_locator_arg")},
     {406, "invalid arg 'x-queue-leader-locator' for %Q of queue type rabbit_classic_queue"},
     "4.x takes it"},
    OTHERS(DURABLE, QUORUM "x-max-priority:I=5", "x-max-priority", "quorum"),
    OTHERS(DURABLE, QUORUM "x-queue-mode:S=lazy", "x-queue-mode", "quorum"),
    OTHERS(DURABLE, QUORUM "x-queue-version:I=2", "x-queue-version", "quorum"),
    OTHERS(DURABLE, QUORUM "x-queue-master-locator:S=min-masters", "x-queue-master-locator",
           "quorum"),
    OTHERS(DURABLE, QUORUM "x-max-age:S=5D", "x-max-age", "quorum"),
    OTHERS(DURABLE, QUORUM "x-stream-max-segment-size-bytes:I=5", "x-stream-max-segment-size-bytes",
           "quorum"),
    OTHERS(DURABLE, QUORUM "x-initial-cluster-size:I=5", "x-initial-cluster-size", "quorum"),
    OTHERS(DURABLE, STREAM "x-expires:I=5", "x-expires", "stream"),
    OTHERS(DURABLE, STREAM "x-message-ttl:I=5", "x-message-ttl", "stream"),
    OTHERS(DURABLE, STREAM "x-max-length:I=5", "x-max-length", "stream"),
    OTHERS(DURABLE, STREAM "x-overflow:S=drop-head", "x-overflow", "stream"),
    OTHERS(DURABLE, STREAM "x-dead-letter-exchange:S=x", "x-dead-letter-exchange", "stream"),
    OTHERS(DURABLE, STREAM "x-max-priority:I=5", "x-max-priority", "stream"),
    OTHERS(DURABLE, STREAM "x-single-active-consumer:t=1", "x-single-active-consumer", "stream"),
    OTHERS(DURABLE, STREAM "x-delivery-limit:I=5", "x-delivery-limit", "stream"),
    OTHERS(DURABLE, STREAM "x-queue-mode:S=lazy", "x-queue-mode", "stream"),

    /* the order: the type, the values in the order of the rules, strangers in that of the client,
     * the flags */
    BAD(EXCLUSIVE, "x-message-ttl:S=a x-queue-type:S=foo",
        INVALID("x-queue-type", "\"unsupported queue type 'foo'\"")),
    BAD(EXCLUSIVE, "x-queue-type:I=5 x-dead-letter-exchange:I=5",
        "invalid type 'signedint' for arg 'x-dead-letter-exchange' in %Q"),
    BAD(EXCLUSIVE, "x-max-length:I=-1 x-message-ttl:I=-2 x-expires:I=-3",
        INVALID("x-expires", "{value_negative,-3}")),
    BAD(EXCLUSIVE, "x-queue-mode:S=no x-overflow:S=no", INVALID("x-overflow", "invalid_overflow")),
    BAD(EXCLUSIVE, "x-max-priority:I=-1 x-max-length-bytes:I=-2",
        INVALID("x-max-length-bytes", "{value_negative,-2}")),
    BAD(EXCLUSIVE, "x-delivery-limit:I=5 x-expires:I=0", INVALID("x-expires", "{value_zero,0}")),
    OTHERS(EXCLUSIVE, "x-max-age:S=5D x-delivery-limit:I=5", "x-max-age", "classic"),
    OTHERS(EXCLUSIVE, "x-delivery-limit:I=5 x-max-age:S=5D", "x-delivery-limit", "classic"),
    OTHERS(EXCLUSIVE, QUORUM "x-max-priority:I=5", "x-max-priority", "quorum"),
    BAD(EXCLUSIVE, QUORUM "x-expires:I=0", INVALID("x-expires", "{value_zero,0}")),
    BAD(EXCLUSIVE, STREAM "x-stream-max-segment-size-bytes:l=3000000001",
        "invalid property 'exclusive-owner' for %Q"),

    /* the first of two of one name counts */
    GOOD(EXCLUSIVE, "x-max-length:I=5 x-max-length:S=a"),
    BAD(EXCLUSIVE, "x-max-length:S=a x-max-length:I=5",
        INVALID("x-max-length", "\"expected integer, got longstr\"")),

    /* nobody looks at it */
    GOOD(EXCLUSIVE, "x-message-deduplication:t=1"),
    GOOD(EXCLUSIVE, "x-message-deduplication:S=yes"),
    GOOD(EXCLUSIVE, "x-message-deduplication:I=1 x-max-priority:I=5"),
    GOOD(EXCLUSIVE, "x-message-deduplication:V="),
    GOOD(EXCLUSIVE, "x-message-deduplication:F="),

    /* right for a quorum queue */
    GOOD(DURABLE, QUORUM),
    GOOD(DURABLE, QUORUM "x-message-deduplication:t=1"),
    GOOD(DURABLE, QUORUM "x-delivery-limit:I=5"),
    GOOD(DURABLE, QUORUM "x-delivery-limit:I=0"),
    GOOD(DURABLE, QUORUM "x-delivery-limit:I=-1"),
    GOOD(DURABLE, QUORUM "x-delivery-limit:S=five"),
    GOOD(DURABLE, QUORUM "x-max-in-memory-length:I=0 x-max-in-memory-bytes:I=0"),
    GOOD(DURABLE, QUORUM "x-quorum-initial-group-size:I=1"),
    GOOD(DURABLE, QUORUM "x-quorum-initial-group-size:I=5"),
    GOOD(DURABLE, QUORUM "x-message-ttl:I=0 x-expires:I=60000"),
    GOOD(DURABLE, QUORUM "x-max-length:I=0 x-max-length-bytes:I=0"),
    GOOD(DURABLE, QUORUM "x-overflow:S=drop-head"),
    GOOD(DURABLE, QUORUM "x-overflow:S=reject-publish"),
    GOOD(DURABLE, QUORUM "x-overflow:S=reject-publish-dlx"),
    GOOD(DURABLE, QUORUM "x-dead-letter-strategy:S=at-most-once"),
    GOOD(DURABLE, QUORUM "x-dead-letter-strategy:S=at-least-once x-dead-letter-exchange:S=a"),
    GOOD(DURABLE, QUORUM "x-dead-letter-strategy:S=at-least-once x-dead-letter-exchange:S=a "
                         "x-overflow:S=reject-publish"),
    GOOD(DURABLE, QUORUM "x-single-active-consumer:t=1"),
    GOOD(DURABLE, QUORUM "x-queue-leader-locator:S=client-local"),
    GOOD(DURABLE, QUORUM "x-queue-leader-locator:S=balanced"),
    GOOD(DURABLE, QUORUM "x-queue-leader-locator:S=random"),
    GOOD(DURABLE, QUORUM "x-queue-leader-locator:S=least-leaders"),
    GOOD(DURABLE, QUORUM "x-my-own:F= x-consumer-timeout:I=60000"),
    GOOD(DURABLE, QUORUM "x-quorum-target-group-size:S=later x-member-placement-tag:S=a"),
    GOOD(DURABLE, QUORUM "x-delayed-retry-type:S=all x-delayed-retry-min:I=5 "
                         "x-delayed-retry-max:I=50 x-consumer-disconnected-timeout:I=5"),

    /* right for a stream */
    NO_STREAM(""),
    NO_STREAM("x-max-age:S=7D"),
    NO_STREAM("x-max-age:S=1Y"),
    NO_STREAM("x-max-age:S=12M"),
    NO_STREAM("x-max-age:S=24h"),
    NO_STREAM("x-max-age:S=5m"),
    NO_STREAM("x-max-age:S=007s"),
    NO_STREAM("x-max-length-bytes:l=20000000000"),
    NO_STREAM("x-stream-max-segment-size-bytes:l=3000000000"),
    NO_STREAM("x-initial-cluster-size:I=1 x-queue-leader-locator:S=balanced"),

    /* nobody's business */
    GOOD(EXCLUSIVE, "x-my-own:S=anything another:F= third:I=-1"),
    GOOD(EXCLUSIVE, "x-ha-policy:S=all x-cancel-on-ha-failover:I=5"),
    GOOD(EXCLUSIVE, "x-name-prefix:S=mine x-stream-filter-size-bytes:I=5"),
    GOOD(EXCLUSIVE, "x-consumer-timeout:S=soon"),
    GOOD(EXCLUSIVE, "X-Expires:S=no"),
};

/* --- rows: queue.declare of a queue that is there */

#define UNEQUAL(flags, former, args, arg, received, current)                                       \
    {                                                                                              \
        REDECLARE, flags, former, args,                                                            \
            {406,                                                                                  \
             "inequivalent arg '" arg "' for %Q: received " received " but current is " current},  \
            {0}, NULL                                                                              \
    }
#define EQUAL(flags, former, args)                                                                 \
    {                                                                                              \
        REDECLARE, flags, former, args, {ACCEPTED, NULL}, {0}, NULL                                \
    }
#define VALUE(value, type) "the value '" value "' of type '" type "'"
/* Two values, then each of them alone. */
#define COMPARED(arg, former, args, current, received, former_type, args_type)                     \
    UNEQUAL(EXCLUSIVE, arg ":" former, arg ":" args, arg, "'" received "'", "'" current "'"),      \
        UNEQUAL(EXCLUSIVE, arg ":" former, "", arg, "none", VALUE(current, former_type)),          \
        UNEQUAL(EXCLUSIVE, "", arg ":" args, arg, VALUE(received, args_type), "none"),             \
        EQUAL(EXCLUSIVE, arg ":" former, arg ":" former)

static const struct row redeclares[] = {
    COMPARED("x-expires", "I=100000", "I=200000", "100000", "200000", "signedint", "signedint"),
    COMPARED("x-message-ttl", "s=1000", "l=2000", "1000", "2000", "short", "long"),
    COMPARED("x-max-length", "b=10", "B=20", "10", "20", "byte", "unsignedbyte"),
    COMPARED("x-max-length-bytes", "u=10", "i=20", "10", "20", "unsignedshort", "unsignedint"),
    COMPARED("x-max-priority", "I=5", "I=6", "5", "6", "signedint", "signedint"),
    COMPARED("x-dead-letter-exchange", "S=a", "S=b", "a", "b", "longstr", "longstr"),
    COMPARED("x-overflow", "S=drop-head", "S=reject-publish", "drop-head", "reject-publish",
             "longstr", "longstr"),
    COMPARED("x-queue-mode", "S=default", "S=lazy", "default", "lazy", "longstr", "longstr"),
    COMPARED("x-queue-version", "I=1", "I=2", "1", "2", "signedint", "signedint"),
    COMPARED("x-single-active-consumer", "t=0", "t=1", "false", "true", "bool", "bool"),
    UNEQUAL(EXCLUSIVE, "x-dead-letter-exchange:S=a x-dead-letter-routing-key:S=k",
            "x-dead-letter-exchange:S=a x-dead-letter-routing-key:S=l", "x-dead-letter-routing-key",
            "'l'", "'k'"),
    UNEQUAL(EXCLUSIVE, "x-dead-letter-exchange:S=a", "x-dead-letter-exchange:I=5",
            "x-dead-letter-exchange", "'5'", "'a'"),
    UNEQUAL(EXCLUSIVE, "x-max-length:I=5", "x-max-length:S=5", "x-max-length", "'5'", "'5'"),
    UNEQUAL(EXCLUSIVE, "x-max-length:I=100", "x-max-length:d=100", "x-max-length", "'100.0'",
            "'100'"),
    UNEQUAL(EXCLUSIVE, "x-max-length:I=100", "x-max-length:d=1e20", "x-max-length", "'1.0e20'",
            "'100'"),
    UNEQUAL(EXCLUSIVE, "x-max-length:I=100", "x-max-length:d=0.1", "x-max-length", "'0.1'",
            "'100'"),
    UNEQUAL(EXCLUSIVE, "x-max-length:I=100", "x-max-length:V=", "x-max-length", "none", "'100'"),
    UNEQUAL(EXCLUSIVE, "", "x-max-length:V=", "x-max-length", VALUE("undefined", "void"), "none"),
    UNEQUAL(EXCLUSIVE, "x-max-length:I=100", "x-max-length:t=1", "x-max-length", "'true'", "'100'"),
    UNEQUAL(EXCLUSIVE, "x-max-length:I=100", "x-max-length:F=", "x-max-length", "'[]'", "'100'"),
    UNEQUAL(EXCLUSIVE, "x-max-length:I=100", "x-max-length:A=S=abc,I=5", "x-max-length",
            "'[{longstr,<<\"abc\">>},{signedint,5}]'", "'100'"),
    {REDECLARE,
     EXCLUSIVE,
     "x-max-length:I=100",
     "x-max-length:D=5",
     {406, "inequivalent arg 'x-max-length' for %Q: received '{1,5}' but current is '100'"},
     {541, NULL},
     "3.10 crashes"},
    UNEQUAL(EXCLUSIVE, "", "x-queue-type:S=foo", "x-queue-type", VALUE("foo", "longstr"), "none"),
    UNEQUAL(DURABLE, "", "x-queue-type:S=quorum", "x-queue-type", VALUE("quorum", "longstr"),
            "none"),
    UNEQUAL(DURABLE, "x-queue-type:S=classic", "x-queue-type:S=stream", "x-queue-type", "'stream'",
            "'classic'"),
    EQUAL(EXCLUSIVE, "", "x-queue-type:S=classic"),
    EQUAL(EXCLUSIVE, "x-queue-type:S=classic", ""),
    EQUAL(EXCLUSIVE, "x-max-length:b=10", "x-max-length:l=10"),
    EQUAL(EXCLUSIVE, "x-max-length:L=10", "x-max-length:u=10"),
    EQUAL(EXCLUSIVE, "x-max-length:I=10", "x-max-length:T=10"),
    EQUAL(EXCLUSIVE, "x-dead-letter-exchange:S=a", "x-dead-letter-exchange:x=a"),
    EQUAL(EXCLUSIVE, "", "x-my-own:I=5 x-delivery-limit:I=5 x-max-age:S=no"),
    EQUAL(EXCLUSIVE, "x-my-own:I=5", "x-my-own:S=other"),
    EQUAL(EXCLUSIVE, "x-max-length:I=1 x-max-priority:I=2", "x-max-priority:I=2 x-max-length:I=1"),
    UNEQUAL(EXCLUSIVE, "x-max-length:I=1 x-expires:I=100000", "x-max-length:I=2 x-expires:I=200000",
            "x-expires", "'200000'", "'100000'"),
};

#define UNEQUAL_QUORUM(former, args, arg, received, current)                                       \
    UNEQUAL(DURABLE, QUORUM former, QUORUM args, arg, received, current)
#define COMPARED_QUORUM(arg, former, args, current, received, type)                                \
    UNEQUAL_QUORUM(arg ":" former, arg ":" args, arg, "'" received "'", "'" current "'"),          \
        UNEQUAL_QUORUM(arg ":" former, "", arg, "none", VALUE(current, type)),                     \
        UNEQUAL_QUORUM("", arg ":" args, arg, VALUE(received, type), "none")

static const struct row quorum_redeclares[] = {
    COMPARED_QUORUM("x-dead-letter-exchange", "S=a", "S=b", "a", "b", "longstr"),
    COMPARED_QUORUM("x-dead-letter-strategy", "S=at-most-once", "S=at-least-once", "at-most-once",
                    "at-least-once", "longstr"),
    COMPARED_QUORUM("x-expires", "I=100000", "I=200000", "100000", "200000", "signedint"),
    COMPARED_QUORUM("x-max-length", "I=1", "I=2", "1", "2", "signedint"),
    COMPARED_QUORUM("x-max-length-bytes", "I=1", "I=2", "1", "2", "signedint"),
    COMPARED_QUORUM("x-max-in-memory-length", "I=1", "I=2", "1", "2", "signedint"),
    COMPARED_QUORUM("x-max-in-memory-bytes", "I=1", "I=2", "1", "2", "signedint"),
    COMPARED_QUORUM("x-overflow", "S=drop-head", "S=reject-publish", "drop-head", "reject-publish",
                    "longstr"),
    COMPARED_QUORUM("x-single-active-consumer", "t=0", "t=1", "false", "true", "bool"),
    COMPARED_QUORUM("x-quorum-initial-group-size", "I=1", "I=3", "1", "3", "signedint"),
    COMPARED_QUORUM("x-delivery-limit", "I=1", "I=2", "1", "2", "signedint"),
    COMPARED_QUORUM("x-message-ttl", "I=100000", "I=200000", "100000", "200000", "signedint"),
    COMPARED_QUORUM("x-queue-leader-locator", "S=balanced", "S=client-local", "balanced",
                    "client-local", "longstr"),
    UNEQUAL(DURABLE, QUORUM, "", "x-queue-type", "none", VALUE("quorum", "longstr")),
    UNEQUAL(DURABLE, QUORUM, "x-queue-type:S=classic", "x-queue-type", "'classic'", "'quorum'"),
    UNEQUAL(DURABLE, QUORUM, STREAM, "x-queue-type", "'stream'", "'quorum'"),
    UNEQUAL_QUORUM("x-message-ttl:I=1", "x-message-ttl:I=2 x-delivery-limit:I=5",
                   "x-delivery-limit", VALUE("5", "signedint"), "none"),
    EQUAL(DURABLE, QUORUM, QUORUM "x-max-priority:I=5 x-queue-mode:S=lazy"),
    EQUAL(DURABLE, QUORUM "x-delivery-limit:I=5", QUORUM "x-delivery-limit:l=5"),
};

/* --- rows: exchange.declare */

#define EXCHANGE_ROW(type, args, code, text)                                                       \
    {                                                                                              \
        EXCHANGE, 0, type, args, {code, text}, {0}, NULL                                           \
    }
#define BAD_ALTERNATE(field, name)                                                                 \
    EXCHANGE_ROW("fanout", "alternate-exchange:" field, 406,                                       \
                 "invalid type '" name "' for arg 'alternate-exchange' in %X")
#define EXCHANGE_AGAIN(former, args, code, text)                                                   \
    {                                                                                              \
        REEXCHANGE, 0, former, args, {code, text}, {0}, NULL                                       \
    }
#define UNEQUAL_ALTERNATE(received, current)                                                       \
    "inequivalent arg 'alternate-exchange' for %X: received " received " but current is " current

static const struct row exchanges[] = {
    BAD_ALTERNATE("b=5", "byte"),
    BAD_ALTERNATE("B=5", "unsignedbyte"),
    BAD_ALTERNATE("s=5", "short"),
    BAD_ALTERNATE("u=5", "unsignedshort"),
    BAD_ALTERNATE("I=5", "signedint"),
    BAD_ALTERNATE("i=5", "unsignedint"),
    BAD_ALTERNATE("l=5", "long"),
    BAD_ALTERNATE("f=5", "float"),
    BAD_ALTERNATE("d=5", "double"),
    BAD_ALTERNATE("D=5", "decimal"),
    BAD_ALTERNATE("T=5", "timestamp"),
    BAD_ALTERNATE("t=1", "bool"),
    BAD_ALTERNATE("V=", "void"),
    BAD_ALTERNATE("F=", "table"),
    BAD_ALTERNATE("A=", "array"),
    BAD_ALTERNATE("x=abc", "binary"),
    EXCHANGE_ROW("fanout", "alternate-exchange:S=no-such", ACCEPTED, NULL),
    EXCHANGE_ROW("fanout", "alternate-exchange:S=", ACCEPTED, NULL),
    EXCHANGE_ROW("fanout", "x-my-own:I=5 hash-header:I=5", ACCEPTED, NULL),
    {EXCHANGE,
     0,
     "no-such-type",
     "",
     {406, "unknown exchange type 'no-such-type'"},
     {503, "unknown exchange type 'no-such-type'"},
     "late 3.13 and 4.x close the channel alone"},
    EXCHANGE_AGAIN("alternate-exchange:S=a", "alternate-exchange:S=b", 406,
                   UNEQUAL_ALTERNATE("'b'", "'a'")),
    EXCHANGE_AGAIN("alternate-exchange:S=a", "", 406,
                   UNEQUAL_ALTERNATE("none", VALUE("a", "longstr"))),
    EXCHANGE_AGAIN("", "alternate-exchange:S=a", 406,
                   UNEQUAL_ALTERNATE(VALUE("a", "longstr"), "none")),
    EXCHANGE_AGAIN("", "alternate-exchange:I=5", 406,
                   UNEQUAL_ALTERNATE(VALUE("5", "signedint"), "none")),
    EXCHANGE_AGAIN("alternate-exchange:S=a", "alternate-exchange:S=a", ACCEPTED, NULL),
    EXCHANGE_AGAIN("alternate-exchange:S=a", "alternate-exchange:S=a other:I=5", ACCEPTED, NULL),
    EXCHANGE_AGAIN("other:I=5", "other:I=6", ACCEPTED, NULL),
};

/* --- rows: basic.consume, queue.bind, basic.publish */

#define CONSUME_ROW(args, code, text)                                                              \
    {                                                                                              \
        CONSUME, EXCLUSIVE, "", args, {code, text}, {0}, NULL                                      \
    }
#define BAD_PRIORITY(field, name)                                                                  \
    CONSUME_ROW("x-priority:" field, 406,                                                          \
                INVALID("x-priority", "\"expected integer, got " name "\""))
#define BAD_FAILOVER(field, name)                                                                  \
    CONSUME_ROW("x-cancel-on-ha-failover:" field, 406,                                             \
                INVALID("x-cancel-on-ha-failover", "{unacceptable_type," name "}"))

#define BIND_ROW(type, args, code, text)                                                           \
    {                                                                                              \
        BIND, 0, type, args, {code, text}, {0}, NULL                                               \
    }
#define BAD_MATCH(word, shown)                                                                     \
    BIND_ROW("headers", "x-match:S=" word, 406,                                                    \
             "Invalid x-match field value " shown                                                  \
             "; expected all, any, all-with-x, or any-with-x")
#define BAD_MATCH_TYPE(field, name, value)                                                         \
    BIND_ROW("headers", "x-match:" field, 406,                                                     \
             "Invalid x-match field type " name " (value " value "); expected longstr")

#define HEADERS_ROW(args, code, text)                                                              \
    {                                                                                              \
        PUBLISH, 0, "", args, {code, text}, {0}, NULL                                              \
    }
#define BAD_ROUTES(header, field, name)                                                            \
    HEADERS_ROW(header ":" field, 406,                                                             \
                "invalid message: {unacceptable_type_in_header,\"" header "\"," name "}")
#define PROPERTY_ROW(letter, value, code, text)                                                    \
    {                                                                                              \
        PUBLISH, letter, value, "", {code, text}, {0}, NULL                                        \
    }
#define BAD_EXPIRATION(value, reason)                                                              \
    PROPERTY_ROW('x', value, 406, "invalid expiration '" value "': " reason)

static const struct row consumes[] = {
    BAD_PRIORITY("S=5", "longstr"),
    BAD_PRIORITY("x=5", "binary"),
    BAD_PRIORITY("t=1", "bool"),
    BAD_PRIORITY("f=5", "float"),
    BAD_PRIORITY("d=5", "double"),
    BAD_PRIORITY("D=5", "decimal"),
    BAD_PRIORITY("T=5", "timestamp"),
    BAD_PRIORITY("V=", "void"),
    BAD_PRIORITY("F=", "table"),
    BAD_PRIORITY("A=", "array"),
    CONSUME_ROW("x-priority:b=-5", ACCEPTED, NULL),
    CONSUME_ROW("x-priority:B=5", ACCEPTED, NULL),
    CONSUME_ROW("x-priority:s=5", ACCEPTED, NULL),
    CONSUME_ROW("x-priority:u=5", ACCEPTED, NULL),
    CONSUME_ROW("x-priority:I=2147483647", ACCEPTED, NULL),
    CONSUME_ROW("x-priority:i=5", ACCEPTED, NULL),
    CONSUME_ROW("x-priority:l=9223372036854775807", ACCEPTED, NULL),
    CONSUME_ROW("x-priority:L=-9223372036854775808", ACCEPTED, NULL),
    BAD_FAILOVER("S=true", "longstr"),
    BAD_FAILOVER("I=1", "signedint"),
    BAD_FAILOVER("V=", "void"),
    BAD_FAILOVER("d=1", "double"),
    CONSUME_ROW("x-cancel-on-ha-failover:t=1", ACCEPTED, NULL),
    CONSUME_ROW("x-stream-offset:S=first", 406,
                "invalid arg 'x-stream-offset' for %Q of queue type rabbit_classic_queue"),
    CONSUME_ROW("x-stream-offset:I=5", 406,
                "invalid arg 'x-stream-offset' for %Q of queue type rabbit_classic_queue"),
    CONSUME_ROW("x-stream-offset:I=5 x-priority:S=a", 406,
                INVALID("x-priority", "\"expected integer, got longstr\"")),
    CONSUME_ROW("x-my-own:F= x-expires:S=no", ACCEPTED, NULL),
};

#define CONSUME_QUORUM(args, code, text)                                                           \
    {                                                                                              \
        CONSUME, DURABLE, QUORUM, args, {code, text}, {0}, NULL                                    \
    }

static const struct row quorum_consumes[] = {
    CONSUME_QUORUM("x-priority:S=5", 406,
                   INVALID("x-priority", "\"expected integer, got longstr\"")),
    CONSUME_QUORUM("x-priority:d=5", 406,
                   INVALID("x-priority", "\"expected integer, got double\"")),
    CONSUME_QUORUM("x-priority:I=5", ACCEPTED, NULL),
    CONSUME_QUORUM("x-stream-offset:S=first", 406,
                   "invalid arg 'x-stream-offset' for %Q of queue type rabbit_quorum_queue"),
    {CONSUME,
     DURABLE,
     QUORUM,
     "x-cancel-on-ha-failover:t=1",
     {ACCEPTED, NULL},
     {406, "invalid arg 'x-cancel-on-ha-failover' for %Q of queue type rabbit_quorum_queue"},
     "4.x looks at it no more"},
    CONSUME_QUORUM("x-my-own:S=a", ACCEPTED, NULL),
};

static const struct row binds[] = {
    BAD_MATCH("foo", "<<\"foo\">>"),
    BAD_MATCH("", "<<>>"),
    BAD_MATCH("ALL", "<<\"ALL\">>"),
    BAD_MATCH("any-without", "<<\"any-without\">>"),
    {BIND,
     0,
     "headers",
     "x-match:S=a\xff",
     {406, "Invalid x-match field value <<\"a\xc3\xbf\">>; expected all, any, all-with-x, or "
           "any-with-x"},
     {406, "Invalid x-match field value <<\"a\xff\">>; expected all, any, all-with-x, or "
           "any-with-x"},
     "a reply text is UTF-8"},
    BAD_MATCH("a\x81", "<<97,129>>"),
    BAD_MATCH("a\x01", "<<97,1>>"),
    BAD_MATCH("\xc3\xa9", "<<\"\xc3\xa9\">>"),
    BAD_MATCH("a\"b", "<<\"a\\\"b\">>"),
    BAD_MATCH_TYPE("b=5", "byte", "5"),
    BAD_MATCH_TYPE("B=5", "unsignedbyte", "5"),
    BAD_MATCH_TYPE("s=5", "short", "5"),
    BAD_MATCH_TYPE("u=5", "unsignedshort", "5"),
    BAD_MATCH_TYPE("I=1", "signedint", "1"),
    BAD_MATCH_TYPE("i=1", "unsignedint", "1"),
    BAD_MATCH_TYPE("l=-1", "long", "-1"),
    BAD_MATCH_TYPE("t=1", "bool", "true"),
    BAD_MATCH_TYPE("f=0.5", "float", "0.5"),
    BAD_MATCH_TYPE("d=100", "double", "100.0"),
    BAD_MATCH_TYPE("d=1e20", "double", "1.0e20"),
    BAD_MATCH_TYPE("d=-2.5e-7", "double", "-2.5e-7"),
    BAD_MATCH_TYPE("d=0.001", "double", "0.001"),
    BAD_MATCH_TYPE("d=123456789012345678", "double", "1.2345678901234568e17"),
    BAD_MATCH_TYPE("d=0", "double", "0.0"),
    BAD_MATCH_TYPE("d=-0.0", "double", "-0.0"),
    BAD_MATCH_TYPE("d=1000", "double", "1.0e3"),
    BAD_MATCH_TYPE("d=123456.5", "double", "123456.5"),
    BAD_MATCH_TYPE("d=123000", "double", "1.23e5"),
    BAD_MATCH_TYPE("d=0.0001", "double", "0.0001"),
    BAD_MATCH_TYPE("d=0.00015", "double", "1.5e-4"),
    BAD_MATCH_TYPE("d=9007199254740991", "double", "9007199254740991.0"),
    BAD_MATCH_TYPE("d=9007199254740992", "double", "9.007199254740992e15"),
    BAD_MATCH_TYPE("d=1.7976931348623157e308", "double", "1.7976931348623157e308"),
    BAD_MATCH_TYPE("d=5e-324", "double", "5.0e-324"),
    BAD_MATCH_TYPE("f=0.1", "float", "0.10000000149011612"),
    BAD_MATCH_TYPE("A=S=\x81", "array", "[{longstr,<<129>>}]"),
    BAD_MATCH_TYPE("D=5", "decimal", "{1,5}"),
    BAD_MATCH_TYPE("T=5", "timestamp", "5"),
    BAD_MATCH_TYPE("V=", "void", "undefined"),
    BAD_MATCH_TYPE("x=all", "binary", "<<\"all\">>"),
    BAD_MATCH_TYPE("F=", "table", "[]"),
    BAD_MATCH_TYPE("A=", "array", "[]"),
    BAD_MATCH_TYPE("A=S=all,I=5", "array", "[{longstr,<<\"all\">>},{signedint,5}]"),
    BAD_MATCH_TYPE("A=I=97", "array", "[{signedint,97}]"),
    BIND_ROW("headers", "x-match:S=all a:I=5", ACCEPTED, NULL),
    BIND_ROW("headers", "x-match:S=any a:I=5", ACCEPTED, NULL),
    BIND_ROW("headers", "x-match:S=all-with-x a:I=5", ACCEPTED, NULL),
    BIND_ROW("headers", "x-match:S=any-with-x a:V=", ACCEPTED, NULL),
    BIND_ROW("headers", "a:F= b:A= x-c:T=5", ACCEPTED, NULL),
    BIND_ROW("fanout", "x-match:I=5", ACCEPTED, NULL),
    BIND_ROW("direct", "x-match:S=foo", ACCEPTED, NULL),
    BIND_ROW("topic", "x-match:S=foo", ACCEPTED, NULL),
};

static const struct row publishes[] = {
    BAD_ROUTES("CC", "S=a", "longstr"),
    BAD_ROUTES("CC", "I=5", "signedint"),
    BAD_ROUTES("CC", "t=1", "bool"),
    BAD_ROUTES("CC", "d=5", "double"),
    BAD_ROUTES("CC", "T=5", "timestamp"),
    BAD_ROUTES("CC", "V=", "void"),
    BAD_ROUTES("CC", "F=", "table"),
    BAD_ROUTES("CC", "x=a", "binary"),
    BAD_ROUTES("BCC", "S=a", "longstr"),
    BAD_ROUTES("BCC", "l=5", "long"),
    BAD_ROUTES("BCC", "D=5", "decimal"),
    BAD_ROUTES("BCC", "F=", "table"),
    BAD_ROUTES("BCC", "V=", "void"),
    HEADERS_ROW("CC:I=5 BCC:S=a", 406,
                "invalid message: {unacceptable_type_in_header,\"CC\",signedint}"),
    HEADERS_ROW("CC:A= BCC:S=a", 406,
                "invalid message: {unacceptable_type_in_header,\"BCC\",longstr}"),
    HEADERS_ROW("CC:A=", ACCEPTED, NULL),
    HEADERS_ROW("CC:A=I=5,S=no-such", ACCEPTED, NULL),
    HEADERS_ROW("cc:S=a bcc:I=5", ACCEPTED, NULL),
    HEADERS_ROW("x-delay:S=no x-deduplication-header:I=5 x-death:S=no", ACCEPTED, NULL),
    BAD_EXPIRATION("abc", "no_integer"),
    BAD_EXPIRATION("", "no_integer"),
    BAD_EXPIRATION(" 5", "no_integer"),
    BAD_EXPIRATION("-", "no_integer"),
    BAD_EXPIRATION("-1", "{value_negative,-1}"),
    BAD_EXPIRATION("-315360000001", "{value_negative,-315360000001}"),
    BAD_EXPIRATION("10x", "{leftover_string,\"x\"}"),
    BAD_EXPIRATION("10 ", "{leftover_string,\" \"}"),
    BAD_EXPIRATION("10.5", "{leftover_string,\".5\"}"),
    BAD_EXPIRATION("1e3", "{leftover_string,\"e3\"}"),
    BAD_EXPIRATION("315360000001", "{value_too_large,315360000001}"),
    BAD_EXPIRATION("999999999999999999", "{value_too_large,999999999999999999}"),
    PROPERTY_ROW('x', "60000", ACCEPTED, NULL),
    PROPERTY_ROW('x', "+60000", ACCEPTED, NULL),
    PROPERTY_ROW('x', "060000", ACCEPTED, NULL),
    PROPERTY_ROW('x', "315360000000", ACCEPTED, NULL),
    PROPERTY_ROW('u', "bob", 406,
                 "user_id property set to 'bob' but authenticated user was 'guest'"),
    PROPERTY_ROW('u', "", 406, "user_id property set to '' but authenticated user was 'guest'"),
    PROPERTY_ROW('u', "Guest", 406,
                 "user_id property set to 'Guest' but authenticated user was 'guest'"),
    PROPERTY_ROW('u', "guest", ACCEPTED, NULL),
    PROPERTY_ROW('r', "amq.rabbitmq.reply-to", 406, "fast reply consumer does not exist"),
    PROPERTY_ROW('r', "amq.rabbitmq.reply-to.x", ACCEPTED, NULL),
    PROPERTY_ROW('p', "255", ACCEPTED, NULL),
    {PUBLISH,
     'd',
     "0",
     "",
     {ACCEPTED, NULL},
     {406, "invalid message: {delivery_mode_unknown,0}"},
     "4.x takes it as transient"},
    {PUBLISH,
     'd',
     "255",
     "",
     {ACCEPTED, NULL},
     {406, "invalid message: {delivery_mode_unknown,255}"},
     "4.x takes it as transient"},
};

/* --- rows: the types of exchange that are plug-ins */

#define DYING_ROW(type, arg, field, name)                                                          \
    {                                                                                              \
        EXCHANGE, 0, type, arg ":" field, {406, "invalid type '" name "' for arg '" arg "'"},      \
            {541, NULL}, "3.10 crashes"                                                            \
    }
#define NOT_TEXTS_OF_HASH(arg)                                                                     \
    DYING_ROW("x-consistent-hash", arg, "b=5", "byte"),                                            \
        DYING_ROW("x-consistent-hash", arg, "I=5", "signedint"),                                   \
        DYING_ROW("x-consistent-hash", arg, "l=5", "long"),                                        \
        DYING_ROW("x-consistent-hash", arg, "t=1", "bool"),                                        \
        DYING_ROW("x-consistent-hash", arg, "d=5", "double"),                                      \
        DYING_ROW("x-consistent-hash", arg, "D=5", "decimal"),                                     \
        DYING_ROW("x-consistent-hash", arg, "T=5", "timestamp"),                                   \
        DYING_ROW("x-consistent-hash", arg, "V=", "void"),                                         \
        DYING_ROW("x-consistent-hash", arg, "F=", "table"),                                        \
        DYING_ROW("x-consistent-hash", arg, "A=", "array"),                                        \
        DYING_ROW("x-consistent-hash", arg, "x=abc", "binary")
#define HASH_PROPERTY(name, code, text)                                                            \
    EXCHANGE_ROW("x-consistent-hash", "hash-property:S=" name, code, text)
#define BAD_LENGTH(field, shown)                                                                   \
    EXCHANGE_ROW("x-recent-history", "x-recent-history-length:" field, 406,                        \
                 "Invalid argument " shown                                                         \
                 ", 'x-recent-history-length' must be a positive integer")
#define ALTERNATE_OF(type)                                                                         \
    EXCHANGE_ROW(type, "alternate-exchange:I=5", 406,                                              \
                 "invalid type 'signedint' for arg 'alternate-exchange' in %X"),                   \
        EXCHANGE_ROW(type, "alternate-exchange:S=a", ACCEPTED, NULL),                              \
        EXCHANGE_ROW(type, "x-my-own:F= x-match:I=5", ACCEPTED, NULL)
#define OURS(type, args, code, text)                                                               \
    {                                                                                              \
        EXCHANGE, 0, type, args, {code, text}, {NOBODY_KNOWS, NULL}, "not among Debian's plug-ins" \
    }
#define BAD_DELAYED(args, text) OURS("x-delayed-message", args, 406, text)
#define BAD_CACHE(args, text) OURS("x-message-deduplication", args, 406, text)
#define NO_DELAYED_TYPE "Invalid argument, 'x-delayed-type' must be an existing exchange type"
#define NO_CACHE_SIZE                                                                              \
    "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0"
#define NO_CACHE_TTL "Invalid argument, 'x-cache-ttl' must be an integer greater than 0"
#define NO_PERSISTENCE "Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'"

static const struct row plugin_exchanges[] = {
    NOT_TEXTS_OF_HASH("hash-header"),
    NOT_TEXTS_OF_HASH("hash-property"),
    EXCHANGE_ROW("x-consistent-hash", "hash-header:S=a hash-property:S=message_id", 406,
                 "hash-header and hash-property are mutually exclusive"),
    EXCHANGE_ROW("x-consistent-hash", "hash-header:S=", ACCEPTED, NULL),
    HASH_PROPERTY("", 406, "Unsupported property: "),
    HASH_PROPERTY("nope", 406, "Unsupported property: nope"),
    HASH_PROPERTY("Message_id", 406, "Unsupported property: Message_id"),
    HASH_PROPERTY("message-id", 406, "Unsupported property: message-id"),
    HASH_PROPERTY("type", 406, "Unsupported property: type"),
    HASH_PROPERTY("priority", 406, "Unsupported property: priority"),
    HASH_PROPERTY("user_id", 406, "Unsupported property: user_id"),
    HASH_PROPERTY("message_id", ACCEPTED, NULL),
    HASH_PROPERTY("correlation_id", ACCEPTED, NULL),
    HASH_PROPERTY("timestamp", ACCEPTED, NULL),
    BAD_LENGTH("I=0", "0"),
    BAD_LENGTH("I=-1", "-1"),
    BAD_LENGTH("b=-128", "-128"),
    BAD_LENGTH("l=-9223372036854775808", "-9223372036854775808"),
    BAD_LENGTH("S=5", "<<\"5\">>"),
    BAD_LENGTH("S=", "<<>>"),
    BAD_LENGTH("x=5", "<<\"5\">>"),
    BAD_LENGTH("t=1", "true"),
    BAD_LENGTH("d=5", "5.0"),
    BAD_LENGTH("f=0.5", "0.5"),
    BAD_LENGTH("D=5", "{1,5}"),
    BAD_LENGTH("V=", "undefined"),
    BAD_LENGTH("F=", "[]"),
    BAD_LENGTH("A=", "[]"),
    BAD_LENGTH("A=I=5", "[{signedint,5}]"),
    EXCHANGE_ROW("x-recent-history", "", ACCEPTED, NULL),
    EXCHANGE_ROW("x-recent-history", "x-recent-history-length:b=1", ACCEPTED, NULL),
    EXCHANGE_ROW("x-recent-history", "x-recent-history-length:l=100000", ACCEPTED, NULL),
    BAD_LENGTH("T=5", "5"),
    ALTERNATE_OF("direct"),
    ALTERNATE_OF("topic"),
    ALTERNATE_OF("headers"),
    ALTERNATE_OF("x-consistent-hash"),
    ALTERNATE_OF("x-random"),
    ALTERNATE_OF("x-modulus-hash"),
    ALTERNATE_OF("x-recent-history"),
    ALTERNATE_OF("x-jms-topic"),
    EXCHANGE_ROW("x-jms-topic", "x-jms-topic-exchange-version:I=5", ACCEPTED, NULL),
    BAD_DELAYED("", NO_DELAYED_TYPE),
    BAD_DELAYED("x-delayed-type:I=5", NO_DELAYED_TYPE),
    BAD_DELAYED("x-delayed-type:t=1", NO_DELAYED_TYPE),
    BAD_DELAYED("x-delayed-type:V=", NO_DELAYED_TYPE),
    BAD_DELAYED("x-delayed-type:F=", NO_DELAYED_TYPE),
    BAD_DELAYED("x-delayed-type:S=nope", "unknown exchange type 'nope'"),
    BAD_DELAYED("x-delayed-type:S=", "unknown exchange type ''"),
    BAD_DELAYED("x-delayed-type:S=x-delayed-message",
                "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'"),
    BAD_DELAYED("x-delayed-type:S=direct alternate-exchange:I=5",
                "invalid type 'signedint' for arg 'alternate-exchange' in %X"),
    BAD_DELAYED("x-delayed-type:S=x-consistent-hash hash-property:S=nope",
                "Unsupported property: nope"),
    OURS("x-delayed-message", "x-delayed-type:S=direct", ACCEPTED, NULL),
    OURS("x-delayed-message", "x-delayed-type:S=headers", ACCEPTED, NULL),
    OURS("x-delayed-message", "x-delayed-type:S=x-random", ACCEPTED, NULL),
    BAD_CACHE("", NO_CACHE_SIZE),
    BAD_CACHE("x-cache-size:I=0", NO_CACHE_SIZE),
    BAD_CACHE("x-cache-size:I=-1", NO_CACHE_SIZE),
    BAD_CACHE("x-cache-size:S=many", NO_CACHE_SIZE),
    BAD_CACHE("x-cache-size:S=0", NO_CACHE_SIZE),
    BAD_CACHE("x-cache-size:d=5", NO_CACHE_SIZE),
    BAD_CACHE("x-cache-size:t=1", NO_CACHE_SIZE),
    BAD_CACHE("x-cache-size:I=5 x-cache-ttl:I=0", NO_CACHE_TTL),
    BAD_CACHE("x-cache-size:I=5 x-cache-ttl:S=soon", NO_CACHE_TTL),
    BAD_CACHE("x-cache-size:I=5 x-cache-ttl:F=", NO_CACHE_TTL),
    BAD_CACHE("x-cache-size:I=5 x-cache-persistence:S=tape", NO_PERSISTENCE),
    BAD_CACHE("x-cache-size:I=5 x-cache-persistence:I=5", NO_PERSISTENCE),
    BAD_CACHE("x-cache-size:I=5 alternate-exchange:I=5",
              "invalid type 'signedint' for arg 'alternate-exchange' in %X"),
    OURS("x-message-deduplication", "x-cache-size:I=5", ACCEPTED, NULL),
    OURS("x-message-deduplication", "x-cache-size:S=5 x-cache-ttl:S=5", ACCEPTED, NULL),
    OURS("x-message-deduplication", "x-cache-size:l=5 x-cache-persistence:S=disk", ACCEPTED, NULL),
    OURS("x-message-deduplication", "x-cache-size:b=5 x-cache-persistence:S=memory", ACCEPTED,
         NULL),
    OURS("x-local-random", "", ACCEPTED, NULL),
    OURS("x-local-random", "alternate-exchange:t=1", 406,
         "invalid type 'bool' for arg 'alternate-exchange' in %X"),
};

#define BAD_WEIGHT(key, shown)                                                                     \
    BIND_ROW("x-consistent-hash " key, "", 406, "The binding key must be an integer: " shown)
#define LOW_WEIGHT(key)                                                                            \
    BIND_ROW("x-consistent-hash " key, "", 406, "The binding key must be greater than 0")
#define SELECTOR_ROW(args) BIND_ROW("x-jms-topic a", args, ACCEPTED, NULL)
#define BAD_SELECTOR(args, text)                                                                   \
    {                                                                                              \
        BIND, 0, "x-jms-topic a", args, {406, "invalid JMS selector: " text}, {541, NULL},         \
            "3.10 crashes"                                                                         \
    }

static const struct row plugin_binds[] = {
    LOW_WEIGHT("0"),
    LOW_WEIGHT("-0"),
    LOW_WEIGHT("-3"),
    BAD_WEIGHT("", "<<>>"),
    BAD_WEIGHT("heavy", "<<\"heavy\">>"),
    BAD_WEIGHT("1.5", "<<\"1.5\">>"),
    BAD_WEIGHT("1e3", "<<\"1e3\">>"),
    BAD_WEIGHT("0x10", "<<\"0x10\">>"),
    BAD_WEIGHT(" 5", "<<\" 5\">>"),
    BAD_WEIGHT("5 ", "<<\"5 \">>"),
    BAD_WEIGHT("--5", "<<\"--5\">>"),
    BAD_WEIGHT("+", "<<\"+\">>"),
    BAD_WEIGHT("5\xc3\xb6", "<<\"5\xc3\xb6\">>"),
    BIND_ROW("x-consistent-hash 1", "", ACCEPTED, NULL),
    BIND_ROW("x-consistent-hash +5", "", ACCEPTED, NULL),
    BIND_ROW("x-consistent-hash 007", "", ACCEPTED, NULL),
    BIND_ROW("x-consistent-hash 500", "x-match:S=foo hash-header:I=5", ACCEPTED, NULL),
    BIND_ROW("x-random", "x-match:S=foo", ACCEPTED, NULL),
    BIND_ROW("x-modulus-hash", "x-match:S=foo", ACCEPTED, NULL),
    BIND_ROW("x-recent-history", "x-match:S=foo", ACCEPTED, NULL),
    BAD_SELECTOR("", "rjms_erlang_selector must be a string"),
    BAD_SELECTOR("rjms_erlang_selector:I=5", "rjms_erlang_selector must be a string"),
    BAD_SELECTOR("rjms_erlang_selector:t=1", "rjms_erlang_selector must be a string"),
    BAD_SELECTOR("rjms_erlang_selector:V=", "rjms_erlang_selector must be a string"),
    BAD_SELECTOR("rjms_erlang_selector:F=", "rjms_erlang_selector must be a string"),
    BAD_SELECTOR("rjms_erlang_selector:S=", "unexpected end"),
    BAD_SELECTOR("rjms_erlang_selector:S={'=',{'ident',<<\"a\">>}", "malformed term"),
    SELECTOR_ROW("rjms_erlang_selector:S=true."),
    SELECTOR_ROW("rjms_erlang_selector:S={'=',{'ident',<<\"a\">>},5}."),
};

#define EXCHANGE_BIND_ROW(type, args, code, text)                                                  \
    {                                                                                              \
        EXCHANGE_BIND, 0, type, args, {code, text}, {0}, NULL                                      \
    }

static const struct row exchange_binds[] = {
    EXCHANGE_BIND_ROW("headers", "x-match:S=foo", 406,
                      "Invalid x-match field value <<\"foo\">>; expected all, any, all-with-x, or "
                      "any-with-x"),
    EXCHANGE_BIND_ROW("headers", "x-match:I=1", 406,
                      "Invalid x-match field type signedint (value 1); expected longstr"),
    EXCHANGE_BIND_ROW("headers", "x-match:V=", 406,
                      "Invalid x-match field type void (value undefined); expected longstr"),
    EXCHANGE_BIND_ROW("headers", "x-match:S=any a:I=5 b:F=", ACCEPTED, NULL),
    EXCHANGE_BIND_ROW("direct", "x-match:I=5", ACCEPTED, NULL),
    EXCHANGE_BIND_ROW("topic a.#", "x-match:I=5", ACCEPTED, NULL),
    EXCHANGE_BIND_ROW("fanout", "x-my-own:D=5", ACCEPTED, NULL),
    EXCHANGE_BIND_ROW("x-consistent-hash 0", "", 406, "The binding key must be greater than 0"),
    EXCHANGE_BIND_ROW("x-consistent-hash heavy", "", 406,
                      "The binding key must be an integer: <<\"heavy\">>"),
    EXCHANGE_BIND_ROW("x-consistent-hash 5", "", ACCEPTED, NULL),
    EXCHANGE_BIND_ROW("x-random", "", ACCEPTED, NULL),
    EXCHANGE_BIND_ROW("x-modulus-hash", "", ACCEPTED, NULL),
    EXCHANGE_BIND_ROW("x-recent-history", "", ACCEPTED, NULL),
};

/* --- all of them as cases */

static void run(const void *data)
{
    static void (*const runs[])(const struct row *row) = {
        [DECLARE] = run_declare,
        [REDECLARE] = run_redeclare,
        [EXCHANGE] = run_exchange,
        [REEXCHANGE] = run_exchange_again,
        [CONSUME] = run_consume,
        [BIND] = run_bind,
        [EXCHANGE_BIND] = run_exchange_bind,
        [PUBLISH] = run_publish,
    };
    const struct row *row = data;
    if (verdict_of(row)->code == NOBODY_KNOWS)
        skip();
    raw_note(row->args);
    runs[row->method](row);
}

/* A case is found again by what it sends; its number makes it unique. */
static void add(const char *method, const struct row *rows, size_t count)
{
    static char names[1024][160];
    static size_t name_count;
    for (size_t i = 0; i < count; i++) {
        char *name = names[name_count++];
        snprintf(name, sizeof names[0], "%s %zu: %s | %s", method, i + 1, rows[i].former,
                 rows[i].args);
        broker_test_add(name, run, &rows[i]);
    }
}

int main(int argc, char **argv)
{
    add("queue.declare", declares, ARRAY_COUNT(declares));
    add("queue.declare again", redeclares, ARRAY_COUNT(redeclares));
    add("queue.declare again, quorum", quorum_redeclares, ARRAY_COUNT(quorum_redeclares));
    add("exchange.declare", exchanges, ARRAY_COUNT(exchanges));
    add("basic.consume", consumes, ARRAY_COUNT(consumes));
    add("basic.consume, quorum", quorum_consumes, ARRAY_COUNT(quorum_consumes));
    add("queue.bind", binds, ARRAY_COUNT(binds));
    add("exchange.declare, plug-ins", plugin_exchanges, ARRAY_COUNT(plugin_exchanges));
    add("queue.bind, plug-ins", plugin_binds, ARRAY_COUNT(plugin_binds));
    add("exchange.bind", exchange_binds, ARRAY_COUNT(exchange_binds));
    add("basic.publish", publishes, ARRAY_COUNT(publishes));
    return broker_test_run("arguments", argc, argv);
}
