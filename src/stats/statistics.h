/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_STATS_STATISTICS_H
#define LEVERET_STATS_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/octets.h"
#include "queue/message_counters.h"
#include "stats/history.h"

/*
 * What is known of the past of all objects: rates and histories, within a budget of memory. One
 * thread records (a pass over all objects every few seconds), any number read meanwhile.
 */
struct statistics;

enum stats_kind {
    STATS_NODE,
    STATS_VHOST,
    STATS_QUEUE,
    STATS_EXCHANGE,
    STATS_CHANNEL,
    STATS_CONNECTION,
    STATS_KINDS,
};

/* Under what a client finds a number, and which part of its query is about it. */
enum stats_group {
    STATS_MESSAGES, /* in message_stats; msg_rates_age */
    STATS_LENGTHS,  /* queue lengths; lengths_age */
    STATS_DATA,     /* octets; data_rates_age */
    STATS_CHURN,    /* in churn_rates; msg_rates_age */
    STATS_GAUGES,   /* of the node; node_stats_age */
};

/* Of the messages, what is shown together as soon as any of it has counted something. */
enum stats_part { STATS_WHOLE, STATS_PUBLISHES, STATS_DELIVERIES, STATS_PARTS };

struct stats_field {
    const char *name; /* RabbitMQ's */
    enum stats_group group;
    enum stats_part part;
};

/* The numbers of a kind of object, in the order in which they are recorded. */
enum { STATS_WIDTH_MAX = 48 };
const struct stats_field *stats_fields(enum stats_kind kind, size_t *count);

struct stats_config {
    uint32_t interval_s;            /* between passes, about */
    size_t bytes_max;               /* memory for what is not of the node or a vhost */
    struct retention_policy global; /* of the node and vhosts */
    struct retention_policy basic;  /* of queues, exchanges, channels, connections */
};

/* RabbitMQ's defaults, and 24 MiB. */
void stats_config_init(struct stats_config *config);

struct statistics *statistics_new(const struct stats_config *config);
void statistics_free(struct statistics *statistics);
const struct stats_config *statistics_config(const struct statistics *statistics);

/* --- recording */

/* A pass begins: what it records is of this time (wall-clock ms). */
void statistics_begin(struct statistics *statistics, uint64_t time_ms);
/* An object whose numbers may have changed since the last pass; others need not be recorded.
 * is_new: never seen before, so that all of its numbers were 0. vhost and name are copied. */
void statistics_record(struct statistics *statistics, enum stats_kind kind, struct bytes vhost,
                       struct bytes name, const uint64_t *values, bool is_new);
/* It is gone, and what comes by its name is another one. */
void statistics_forget(struct statistics *statistics, enum stats_kind kind, struct bytes vhost,
                       struct bytes name);
/* The pass is over: rates of this pass are what is read from now on. What has been idle for longer
 * than is kept is forgotten. */
void statistics_end(struct statistics *statistics);

/* Rates and histories begin anew, as of the next pass; any thread. */
void statistics_reset(struct statistics *statistics);

/* --- the numbers of objects, in the order of their fields; return how many */

size_t stats_of_queue(uint64_t *values, const struct queue_counters *counters, uint64_t ready,
                      uint64_t unacked);
size_t stats_of_exchange(uint64_t *values, const struct exchange_counters *counters);
size_t stats_of_channel(uint64_t *values, const struct channel_counters *counters);
size_t stats_of_octets(uint64_t *values, const struct octets *octets); /* of a connection */

/* A channel or connection is known by a number that comes only once; their names come again. A view
 * into what is given. */
struct stats_number {
    uint64_t connection, channel; /* 0: the connection itself */
};
static inline struct bytes stats_name_of(const struct stats_number *number)
{
    return bytes_of((const uint8_t *)number, sizeof *number);
}

/* --- reading */

struct stats_reading {
    size_t count;                     /* of numbers */
    uint64_t values[STATS_WIDTH_MAX]; /* at the last pass in which they changed */
    double rates[STATS_WIDTH_MAX];    /* per second, during the last pass */
};

/* False where nothing is known of the object: it never changed, has been idle for long, or there
 * was no room; its rates are 0 then (count is set). */
bool statistics_read(struct statistics *statistics, enum stats_kind kind, struct bytes vhost,
                     struct bytes name, struct stats_reading *reading);

/* A part of the past: from the last pass back to age_s before it, a sample every incr_s. */
struct stats_range {
    uint64_t age_s, incr_s;
};
enum { STATS_SAMPLES_MAX = 512 };
struct stats_samples {
    size_t count;       /* of samples, newest first */
    uint64_t newest_ms; /* when the first one was taken */
    uint64_t step_ms;   /* between two */
    size_t width;
    uint64_t *values; /* owned: width numbers for each sample; 0 before the object came */
};
/* What the past says of the object in this range; no more than STATS_SAMPLES_MAX, and none between
 * those that there are. count is 0 where nothing is known. */
void statistics_sample(struct statistics *statistics, enum stats_kind kind, struct bytes vhost,
                       struct bytes name, const struct stats_range *range,
                       struct stats_samples *samples);
/* The same of an object that never did anything: of 0s. */
void statistics_sample_nothing(struct statistics *statistics, enum stats_kind kind,
                               const struct stats_range *range, struct stats_samples *samples);
void stats_samples_fini(struct stats_samples *samples);

/* Memory in use, in bytes. */
size_t statistics_bytes(struct statistics *statistics);

#endif
