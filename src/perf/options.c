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

enum kind { TEXT, FLAG, UNSIGNED, COUNT, BYTES, SECONDS, WORD };

struct option_row {
    const char *name;
    const char *argument;
    enum kind kind;
    size_t offset;
    const char *help;
};

#define AT(field) offsetof(struct options, field)

/* What a WORD may be, by the value of its enum. */
static const struct vocabulary {
    size_t offset;
    const char *words[6];
} vocabularies[] = {
    {AT(exchange_type), {"default", "direct", "fanout", "topic", "headers"}},
    {AT(churn), {"none", "connections", "channels", "queues", "bindings"}},
    {AT(idle), {"none", "connections", "queues"}},
};

static const struct option_row rows[] = {
    {"host", "NAME", TEXT, AT(host), "broker's address (127.0.0.1)"},
    {"port", "NUMBER", UNSIGNED, AT(port), "broker's port (5672, with --tls 5671)"},
    {"tls", NULL, FLAG, AT(is_tls), "TLS; the broker's certificate is checked"},
    {"ca", "FILE", TEXT, AT(ca_file),
     "PEM file of the authorities that may have signed it (the system's)"},
    {"insecure", NULL, FLAG, AT(is_insecure), "any certificate will do"},
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
    {"exchange-type", "TYPE", WORD, AT(exchange_type),
     "default, direct, fanout, topic or headers (default)"},
    {"bindings", "NUMBER", UNSIGNED, AT(bindings),
     "bindings, dealt out to the queues; each takes one of as many routing keys (one per queue)"},
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
     "publish-to-deliver percentiles, needs --size of 16 or more; publish-to-confirm with "
     "--confirm"},
    {"ping", NULL, FLAG, AT(is_ping), "one message at a time: the latency of an idle broker"},
    {"ping-confirm", NULL, FLAG, AT(is_confirm_ping),
     "one message at a time, that nobody consumes: the time to its confirm"},
    {"ceiling", NULL, FLAG, AT(is_ceiling),
     "no broker but a bare relay: what leveret-perf itself reaches here"},
    {"standing", "MESSAGES", COUNT, AT(standing),
     "fill so many first; acks never run ahead of publishing, so they stay"},
    {"fill", "MESSAGES", COUNT, AT(fill), "only publish so many and leave them in the queues"},
    {"drain", NULL, FLAG, AT(is_drain), "only consume what stands in the queues"},
    {"churn", "WHAT", WORD, AT(churn),
     "make and remove, over and over: connections, channels, queues or bindings"},
    {"idle", "WHAT", WORD, AT(idle),
     "make --count connections, each with a channel and a consumer, or queues, and hold them until "
     "the input ends"},
    {"clients", "NUMBER", UNSIGNED, AT(clients),
     "connections that do so at once, with --churn and --idle (10)"},
    {"keep", NULL, FLAG, AT(keeps_queues), "do not delete the queues and the exchange afterwards"},
    {"json", NULL, FLAG, AT(is_json), "print one JSON object"},
    {"verbose", NULL, FLAG, AT(is_verbose), "a line per second on stderr"},
    {"live", NULL, FLAG, AT(is_live), "the same, each in the place of the last, on a terminal"},
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

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

static unsigned parse_word(const struct option_row *row, const char *text)
{
    const struct vocabulary *vocabulary = vocabularies;
    while (vocabulary->offset != row->offset)
        vocabulary++;
    for (unsigned i = 0; vocabulary->words[i] != NULL; i++)
        if (strcmp(text, vocabulary->words[i]) == 0)
            return i;
    fprintf(stderr, "leveret-perf: '%s' is nothing for --%s (see --help)\n", text, row->name);
    exit(EXIT_USAGE);
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
    case WORD:
        *(unsigned *)field = parse_word(row, text);
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

static void check_routing(const struct options *options)
{
    if (options->exchange_type == EXCHANGE_FANOUT && options->in_flight_max != 0 &&
        options->in_flight_max < options->queues)
        usage_error("--in-flight below --queues would wait for ever", "");
    if (options->bindings == 0)
        return;
    if (options->exchange_type == EXCHANGE_DEFAULT || options->exchange_type == EXCHANGE_FANOUT)
        usage_error("--bindings needs an --exchange-type that has binding keys", "");
    if (options->bindings < options->queues)
        usage_error("--bindings below --queues leaves queues without one", "");
}

static void check_latency(const struct options *options)
{
    bool wants_delivery = options->is_ping || (options->has_latency && options->consumers != 0);
    if (wants_delivery && options->size_bytes < 16)
        usage_error("a latency needs --size of 16 or more", "");
}

static void check_tls(const struct options *options)
{
    if (!options->is_tls && (options->ca_file != NULL || options->is_insecure))
        usage_error("--ca and --insecure need --tls", "");
    if (options->ca_file != NULL && options->is_insecure)
        usage_error("--ca and --insecure exclude each other", "");
    if (options->is_tls && options->is_ceiling)
        usage_error("--ceiling knows no --tls", "");
}

static void check_modes(const struct options *options)
{
    int modes = (options->fill != 0) + options->is_drain + options->is_ping +
                options->is_confirm_ping + (options->standing != 0) +
                (options->churn != CHURN_NONE) + (options->idle != IDLE_NONE);
    if (modes > 1)
        usage_error("--fill, --drain, --ping, --ping-confirm, --standing, --churn and --idle "
                    "exclude each other",
                    "");
    if (options->is_ceiling && modes > 0 && !options->is_ping)
        usage_error("--ceiling has no queue to fill and no broker to ask", "");
    if (options->clients == 0)
        usage_error("--clients starts at 1", "");
    if (options->idle != IDLE_NONE && (options->count == 0 || options->count > 1000000))
        usage_error("--idle needs a --count, up to 1000000", "");
}

static void check(struct options *options)
{
    if (options->port > 65535)
        usage_error("no such port", "");
    if (options->threads == 0 || options->queues == 0)
        usage_error("--threads and --queues start at 1", "");
    check_latency(options);
    check_modes(options);
    check_tls(options);
    if (options->prefetch > 65535)
        usage_error("--prefetch ends at 65535", "");
    if (options->publishers > 65000)
        usage_error("--publishers ends at 65000", "");
    check_standing(options);
    if (options->prefetch != 0 && options->ack_every > options->prefetch)
        usage_error("--ack above --prefetch would wait for ever", "");
    check_routing(options);
}

static void apply_mode(struct options *options)
{
    if (options->port == 0)
        options->port = options->is_tls ? 5671 : 5672;
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
    if (options->is_ping || options->is_confirm_ping || options->is_ceiling) {
        options->publishers = options->consumers = options->queues = 1;
        options->confirm_window = options->ack_every = options->prefetch = 0;
    }
    if (options->is_ping || options->is_confirm_ping)
        options->has_latency = true;
    if (options->is_confirm_ping) {
        options->consumers = 0;
        options->confirm_window = 1;
    }
    if (options->churn == CHURN_BINDINGS && options->exchange_type == EXCHANGE_DEFAULT)
        options->exchange_type = EXCHANGE_DIRECT;
    if (options->consumers == 0)
        options->in_flight_max = 0;
}

void options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.host = "127.0.0.1",
                                .user = "guest",
                                .password = "guest",
                                .vhost = "/",
                                .name = "leveret-perf",
                                .threads = 1,
                                .publishers = 1,
                                .consumers = 1,
                                .queues = 1,
                                .clients = 10,
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

unsigned options_keys(const struct options *options)
{
    return options->bindings == 0 ? options->queues : options->bindings;
}

unsigned options_copies(const struct options *options)
{
    return options->exchange_type == EXCHANGE_FANOUT ? options->queues : 1;
}
