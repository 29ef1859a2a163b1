/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_STATS_H
#define LEVERET_HTTP_HTTP_STATS_H

#include "base/bytes.h"
#include "stats/statistics.h"

struct http_call;
struct http_context;
struct http_row;
struct json_t;

/* Of which parts of the past a client wants samples: lengths_age and lengths_incr, msg_rates_*,
 * data_rates_*, node_stats_*; an age of 0: of none. */
struct http_ages {
    struct stats_range lengths, messages, data, node;
};

/* As the query has it. RabbitMQ wants both of a pair, and so does this. */
void http_ages_read(struct http_ages *ages, const struct http_call *call);
/* What is wrong with the ages of the query, a text; NULL: nothing. Those count as not said. */
struct json_t *http_ages_fault(const struct http_call *call);

/* What is known of an object. */
struct http_stats {
    struct statistics *statistics;
    enum stats_kind kind;
    struct bytes vhost, name;
    const uint64_t *values;       /* its numbers now, by its fields; NULL: those last sampled */
    const struct http_ages *ages; /* NULL: no samples */
};

/* Puts the numbers of a group into an object, each with NAME_details beside it: the rate, and what
 * ages ask for. Of message_stats those about publishing and those about taking are there only
 * where one of them was ever anything but 0; false where none is. */
bool http_stats_put(const struct http_stats *stats, enum stats_group group, struct json_t *object);
/* The group's numbers as an object of their own, {} where nothing was counted yet. */
struct json_t *http_stats_object(const struct http_stats *stats, enum stats_group group);
/* Adds it to a row under that name where something was counted. */
void http_stats_add(const struct http_stats *stats, enum stats_group group, struct json_t *row,
                    const char *name);

/* What a row of a list has of all that: message_stats where something was counted, and the other
 * numbers with their details, as far as the client wants them. */
void http_stats_fill_row(const struct http_stats *stats, struct http_row *row);

/* Has the answer counters and rates? Where it has not, by the query or the configuration, the
 * numbers of a queue's messages may be wanted all the same. */
bool http_stats_are_wanted(const struct http_context *context, const struct http_call *call);
bool http_totals_are_wanted(const struct http_context *context, const struct http_call *call);

#endif
