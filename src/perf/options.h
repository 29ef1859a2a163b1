/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_OPTIONS_H
#define LEVERET_PERF_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum exchange_type {
    EXCHANGE_DEFAULT,
    EXCHANGE_DIRECT,
    EXCHANGE_FANOUT,
    EXCHANGE_TOPIC,
    EXCHANGE_HEADERS
};

enum churn_kind { CHURN_NONE, CHURN_CONNECTIONS, CHURN_CHANNELS, CHURN_QUEUES, CHURN_BINDINGS };
enum idle_kind { IDLE_NONE, IDLE_CONNECTIONS, IDLE_QUEUES };

/* What a run does. Strings are borrowed from argv, which outlives everything. */
struct options {
    const char *host;
    const char *user;
    const char *password;
    const char *vhost;
    const char *name;
    unsigned port; /* 0 until parsed: that of the protocol */
    bool is_tls;
    const char *ca_file; /* or NULL: the system's */
    bool is_insecure;
    unsigned threads;
    unsigned publishers;
    unsigned consumers;
    unsigned queues;
    unsigned bindings; /* 0: one per queue */
    enum exchange_type exchange_type;
    uint32_t size_bytes;
    bool is_persistent;
    bool is_durable;
    unsigned confirm_window;
    unsigned ack_every;
    unsigned prefetch;
    uint64_t rate_per_s;
    uint64_t in_flight_max;
    double warmup_s;
    double time_s;
    double patience_s;
    uint64_t count;
    uint64_t standing;
    uint64_t fill;
    bool is_drain;
    bool is_ping;
    bool is_confirm_ping;
    bool is_ceiling;
    enum churn_kind churn;
    enum idle_kind idle;
    unsigned clients;
    bool has_latency;
    bool keeps_queues;
    bool is_json;
    bool is_verbose;
    bool is_live;
};

/* Reads the command line; ends the process on --help (status 0) and on a wrong one (status 64). */
void options_parse(struct options *options, int argc, char **argv);

/* How many routing keys there are, dealt out to the publishers. */
unsigned options_keys(const struct options *options);

/* How many queues receive a copy of each published message. */
unsigned options_copies(const struct options *options);

#endif
