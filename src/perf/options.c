/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line. One table holds every option: its name, its argument, where the value goes and
 * the line of the help text, so that an option cannot exist without being explained and its unit
 * said. Combinations that would measure something else than they say are refused here, before the
 * first connection, with the exit status that sysexits.h has for a wrong command line.
 */
#include "perf/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 64, FIRST_OPTION = 256 };

enum kind { TEXT, FLAG, UNSIGNED, COUNT, BYTES, SECONDS, EXCHANGE };

struct option_row {
    const char *name;
    const char *argument;
    enum kind kind;
    size_t offset;
    const char *help;
};

#define AT(field) offsetof(struct options, field)

static const struct option_row rows[] = {
    {"host", "NAME", TEXT, AT(host), "broker's address (127.0.0.1)"},
    {"port", "NUMBER", UNSIGNED, AT(port), "broker's port (5672)"},
    {"user", "NAME", TEXT, AT(user), "user (guest)"},
    {"password", "TEXT", TEXT, AT(password), "password (guest)"},
    {"vhost", "NAME", TEXT, AT(vhost), "virtual host (/)"},
    {"name", "TEXT", TEXT, AT(name),
     "prefix of the queues' and the exchange's names (leveret-perf)"},
    {"threads", "NUMBER", UNSIGNED, AT(threads),
     "threads; 2 and more part publishers from consumers (1)"},
    {"publishers", "NUMBER", UNSIGNED, AT(publishers), "publishing connections (1)"},
    {"consumers", "NUMBER", UNSIGNED, AT(consumers), "consuming connections (1)"},
    {"queues", "NUMBER", UNSIGNED, AT(queues), "queues, dealt out to publishers and consumers (1)"},
    {"exchange-type", "TYPE", EXCHANGE, AT(exchange_type),
     "default, direct, fanout or topic (default)"},
    {"size", "BYTES", BYTES, AT(size_bytes),
     "body of a message; from 8 on it carries a sequence number (16)"},
    {"persistent", NULL, FLAG, AT(is_persistent), "publish with delivery mode 2"},
    {"durable", NULL, FLAG, AT(is_durable), "declare the queues and the exchange durable"},
    {"confirm", "WINDOW", UNSIGNED, AT(confirm_window),
     "confirms, at most WINDOW messages unconfirmed per publisher (0 = none)"},
    {"ack", "EVERY", UNSIGNED, AT(ack_every),
     "acknowledge every EVERY messages (0 = consumers need no ack)"},
    {"prefetch", "MESSAGES", UNSIGNED, AT(prefetch), "basic.qos per consumer (0 = no limit)"},
    {"rate", "PER_SECOND", COUNT, AT(rate_per_s),
     "messages/s of all publishers together (0 = no limit)"},
    {"in-flight", "MESSAGES", COUNT, AT(in_flight_max),
     "publishers pause while that many are published but not delivered (0 = never)"},
    {"warmup", "SECONDS", SECONDS, AT(warmup_s), "run before the measurement begins (0)"},
    {"time", "SECONDS", SECONDS, AT(time_s), "length of the measurement (10)"},
    {"count", "MESSAGES", COUNT, AT(count),
     "publish that many and measure until all are delivered, instead of --time"},
    {"patience", "SECONDS", SECONDS, AT(patience_s),
     "give up when nothing at all arrives for so long (30)"},
    {"latency", NULL, FLAG, AT(has_latency),
     "publish-to-deliver percentiles, needs --size of 16 or more"},
    {"ping", NULL, FLAG, AT(is_ping), "one message at a time: the latency of an idle broker"},
    {"ceiling", NULL, FLAG, AT(is_ceiling),
     "no broker but a bare relay: what leveret-perf itself reaches here"},
    {"standing", "MESSAGES", COUNT, AT(standing),
     "fill so many first; acks never run ahead of publishing, so they stay"},
    {"fill", "MESSAGES", COUNT, AT(fill), "only publish so many and leave them in the queues"},
    {"drain", NULL, FLAG, AT(is_drain), "only consume what stands in the queues"},
    {"keep", NULL, FLAG, AT(keeps_queues), "do not delete the queues and the exchange afterwards"},
    {"json", NULL, FLAG, AT(is_json), "print one JSON object"},
    {"verbose", NULL, FLAG, AT(is_verbose), "a line per second on stderr"},
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static const char *const exchange_names[] = {"default", "direct", "fanout", "topic"};

static _Noreturn void usage_error(const char *message, const char *detail)
{
    fprintf(stderr, "leveret-perf: %s%s (see --help)\n", message, detail);
    exit(EXIT_USAGE);
}

static _Noreturn void print_help(void)
{
    puts("leveret-perf: load on an AMQP 0-9-1 broker, and what came of it.\n\n"
         "Usage: leveret-perf [OPTION]...\n");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char left[40];
        snprintf(left, sizeof left, "--%s %s", rows[i].name,
                 rows[i].argument == NULL ? "" : rows[i].argument);
        printf("  %-26s %s\n", left, rows[i].help);
    }
    puts("\nRates are in messages per second of the measured time, latencies in microseconds.\n"
         "Order per publisher and queue, and that nothing is lost or doubled, is verified.\n"
         "Exit status: 0, 1 if the verification failed, 2 if the run broke, 64 for wrong options.");
    exit(EXIT_SUCCESS);
}

static uint64_t parse_number(const struct option_row *row, const char *text, uint64_t max)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value > max)
        usage_error("not a number that can be used for --", row->name);
    return value;
}

static double parse_seconds(const struct option_row *row, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && value < 1e6))
        usage_error("not a number of seconds: --", row->name);
    return value;
}

static enum exchange_type parse_exchange(const char *text)
{
    for (unsigned i = 0; i < sizeof exchange_names / sizeof exchange_names[0]; i++)
        if (strcmp(text, exchange_names[i]) == 0)
            return (enum exchange_type)i;
    usage_error("unknown exchange type ", text);
}

static void set_option(struct options *options, const struct option_row *row, const char *text)
{
    void *field = (char *)options + row->offset;
    switch (row->kind) {
    case TEXT:
        *(const char **)field = text;
        break;
    case FLAG:
        *(bool *)field = true;
        break;
    case UNSIGNED:
        *(unsigned *)field = (unsigned)parse_number(row, text, 1000000);
        break;
    case COUNT:
        *(uint64_t *)field = parse_number(row, text, UINT64_C(1) << 47);
        break;
    case BYTES:
        *(uint32_t *)field = (uint32_t)parse_number(row, text, UINT32_C(1) << 29);
        break;
    case SECONDS:
        *(double *)field = parse_seconds(row, text);
        break;
    case EXCHANGE:
        *(enum exchange_type *)field = parse_exchange(text);
        break;
    }
}

static void check_standing(struct options *options)
{
    if (options->standing == 0)
        return;
    if (options->ack_every == 0)
        usage_error("--standing needs --ack: without acks nothing keeps the backlog", "");
    if (options->prefetch == 0)
        options->prefetch = 8 * options->ack_every;
}

static void check(struct options *options)
{
    if (options->port == 0 || options->port > 65535)
        usage_error("no such port", "");
    if (options->threads == 0 || options->queues == 0)
        usage_error("--threads and --queues start at 1", "");
    if ((options->has_latency || options->is_ping) && options->size_bytes < 16)
        usage_error("a latency needs --size of 16 or more", "");
    if ((options->fill != 0) + options->is_drain + options->is_ping + (options->standing != 0) > 1)
        usage_error("--fill, --drain, --ping and --standing exclude each other", "");
    if (options->is_ceiling && (options->fill != 0 || options->is_drain || options->standing != 0))
        usage_error("--ceiling has no queue to fill", "");
    if (options->prefetch > 65535)
        usage_error("--prefetch ends at 65535", "");
    if (options->publishers > 65000)
        usage_error("--publishers ends at 65000", "");
    check_standing(options);
    if (options->prefetch != 0 && options->ack_every > options->prefetch)
        usage_error("--ack above --prefetch would wait for ever", "");
    if (options->exchange_type == EXCHANGE_FANOUT && options->in_flight_max != 0 &&
        options->in_flight_max < options->queues)
        usage_error("--in-flight below --queues would wait for ever", "");
}

static void apply_mode(struct options *options)
{
    if (options->fill != 0) {
        options->count = options->fill;
        options->consumers = 0;
        options->keeps_queues = true;
    }
    if (options->is_drain)
        options->publishers = 0;
    if (options->is_ceiling) {
        options->exchange_type = EXCHANGE_DEFAULT;
        options->host = "127.0.0.1";
    }
    if (options->is_ping || options->is_ceiling) {
        options->publishers = options->consumers = options->queues = 1;
        options->confirm_window = options->ack_every = options->prefetch = 0;
    }
    if (options->consumers == 0)
        options->in_flight_max = 0;
}

void options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.host = "127.0.0.1",
                                .port = 5672,
                                .user = "guest",
                                .password = "guest",
                                .vhost = "/",
                                .name = "leveret-perf",
                                .threads = 1,
                                .publishers = 1,
                                .consumers = 1,
                                .queues = 1,
                                .size_bytes = 16,
                                .time_s = 10,
                                .patience_s = 30};
    struct option longs[ROW_COUNT + 2] = {{.name = "help", .val = 'h'}};
    for (int i = 0; i < ROW_COUNT; i++)
        longs[i + 1] = (struct option){
            .name = rows[i].name, .has_arg = rows[i].argument != NULL, .val = FIRST_OPTION + i};
    for (int found; (found = getopt_long(argc, argv, "h", longs, NULL)) != -1;) {
        if (found == 'h')
            print_help();
        if (found < FIRST_OPTION)
            exit(EXIT_USAGE);
        set_option(options, &rows[found - FIRST_OPTION], optarg);
    }
    if (optind < argc)
        usage_error("unexpected argument ", argv[optind]);
    check(options);
    apply_mode(options);
}

unsigned options_copies(const struct options *options)
{
    return options->exchange_type == EXCHANGE_FANOUT ? options->queues : 1;
}
