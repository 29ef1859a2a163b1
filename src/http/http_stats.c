/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers with their rates and samples, in RabbitMQ's form:
 *
 *     "publish": 7, "publish_details": {"rate": 0.2, "samples": [{"sample": 7, "timestamp": ...},
 * ...], "avg": 3.5, "avg_rate": 0.1}
 *
 * The newest sample is the first. avg is the mean of the samples, avg_rate what the number changed
 * by from the oldest to the newest one, per second.
 */
#include "http/http_stats.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "http/http_call.h"
#include "http/http_columns.h"
#include "http/http_query.h"
#include "http/http_row.h"

enum { NAME_MAX_SIZE = 64, RANGE_SAMPLES_MAX = 500 };

/* Each with _age and _incr behind it. */
static const char *const ranges[] = {"lengths", "msg_rates", "data_rates", "node_stats"};

/* --- what is asked for */

/* False where the query has not got both numbers; what is no number counts as not said. */
static bool find_range(const struct http_call *call, const char *name, const char *texts[2],
                       long *age, long *incr)
{
    char key[NAME_MAX_SIZE];
    snprintf(key, sizeof key, "%s_age", name);
    texts[0] = http_call_query(call, key);
    snprintf(key, sizeof key, "%s_incr", name);
    texts[1] = http_call_query(call, key);
    return texts[0] != NULL && texts[1] != NULL && http_query_number(texts[0], age) &&
           http_query_number(texts[1], incr);
}

static bool is_fine_range(long age, long incr)
{
    return age > 0 && incr > 0 && age / incr <= RANGE_SAMPLES_MAX;
}

static struct stats_range read_range(const struct http_call *call, const char *name)
{
    const char *texts[2];
    long age, incr;
    if (!find_range(call, name, texts, &age, &incr) || !is_fine_range(age, incr))
        return (struct stats_range){0, 0};
    return (struct stats_range){(uint64_t)age, (uint64_t)incr};
}

void http_ages_read(struct http_ages *ages, const struct http_call *call)
{
    *ages = (struct http_ages){
        .lengths = read_range(call, ranges[0]),
        .messages = read_range(call, ranges[1]),
        .data = read_range(call, ranges[2]),
        .node = read_range(call, ranges[3]),
    };
}

json_t *http_ages_fault(const struct http_call *call)
{
    const char *texts[2];
    long age, incr;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (find_range(call, ranges[i], texts, &age, &incr) && !is_fine_range(age, incr))
            return json_sprintf("Invalid range parameters: age %s, incr %s", texts[0], texts[1]);
    }
    return NULL;
}

static const struct stats_range *range_of(const struct http_ages *ages, enum stats_group group)
{
    if (ages == NULL)
        return NULL;
    const struct stats_range *range = group == STATS_LENGTHS  ? &ages->lengths
                                      : group == STATS_DATA   ? &ages->data
                                      : group == STATS_GAUGES ? &ages->node
                                                              : &ages->messages;
    return range->age_s > 0 ? range : NULL;
}

/* --- one number */

static void put_samples(json_t *details, const struct stats_samples *samples, size_t field)
{
    json_t *list = json_array();
    double sum = 0;
    for (size_t i = 0; i < samples->count; i++) {
        uint64_t value = samples->values[i * samples->width + field];
        sum += (double)value;
        json_array_append_new(list,
                              json_pack("{s:I, s:I}", "sample", (json_int_t)value, "timestamp",
                                        (json_int_t)(samples->newest_ms - i * samples->step_ms)));
    }
    double newest = (double)samples->values[field];
    double oldest = (double)samples->values[(samples->count - 1) * samples->width + field];
    double seconds = (double)((samples->count - 1) * samples->step_ms) / 1000;
    json_object_set_new(details, "samples", list);
    json_object_set_new(details, "avg", json_real(sum / (double)samples->count));
    json_object_set_new(details, "avg_rate",
                        json_real(seconds > 0 ? (newest - oldest) / seconds : 0));
}

static void put_number(json_t *object, const char *name, uint64_t value, double rate,
                       const struct stats_samples *samples, size_t field)
{
    char details_name[NAME_MAX_SIZE];
    json_t *details = json_object();
    snprintf(details_name, sizeof details_name, "%s_details", name);
    json_object_set_new(details, "rate", json_real(rate));
    if (samples->count > 0)
        put_samples(details, samples, field);
    json_object_set_new(object, name, json_integer((json_int_t)value));
    json_object_set_new(object, details_name, details);
}

/* --- a group of them */

/* Of each part, whether a number of the group is there to be shown: messages that were never
 * anything but 0 are not, and the others always. */
static bool find_parts(const struct stats_field *fields, size_t count, enum stats_group group,
                       const uint64_t *values, bool *has_part)
{
    memset(has_part, group != STATS_MESSAGES, STATS_PARTS * sizeof has_part[0]);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].group == group && values[i] != 0)
            has_part[fields[i].part] = has_part[STATS_WHOLE] = true;
    }
    return has_part[STATS_WHOLE];
}

static bool are_all_zero(const uint64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i] != 0)
            return false;
    }
    return true;
}

bool http_stats_put(const struct http_stats *stats, enum stats_group group, json_t *object)
{
    size_t count;
    struct stats_reading reading;
    struct stats_samples samples = {0};
    const struct stats_field *fields = stats_fields(stats->kind, &count);
    const struct stats_range *range = range_of(stats->ages, group);
    statistics_read(stats->statistics, stats->kind, stats->vhost, stats->name, &reading);
    const uint64_t *values = stats->values != NULL ? stats->values : reading.values;
    bool has_part[STATS_PARTS];
    if (!find_parts(fields, count, group, values, has_part))
        return false;
    if (range != NULL)
        statistics_sample(stats->statistics, stats->kind, stats->vhost, stats->name, range,
                          &samples);
    if (range != NULL && samples.count == 0 && are_all_zero(values, count))
        statistics_sample_nothing(stats->statistics, stats->kind, range, &samples);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].group == group && has_part[fields[i].part])
            put_number(object, fields[i].name, values[i], reading.rates[i], &samples, i);
    }
    stats_samples_fini(&samples);
    return true;
}

json_t *http_stats_object(const struct http_stats *stats, enum stats_group group)
{
    json_t *object = json_object();
    http_stats_put(stats, group, object);
    return object;
}

void http_stats_add(const struct http_stats *stats, enum stats_group group, json_t *row,
                    const char *name)
{
    json_t *object = json_object();
    if (http_stats_put(stats, group, object))
        json_object_set_new(row, name, object);
    else
        json_decref(object);
}

static void fill_row(const struct http_stats *stats, enum stats_group group, struct http_row *row)
{
    const char *name;
    json_t *value;
    json_t *object = http_stats_object(stats, group);
    json_object_foreach(object, name, value) http_row_put(row, name, json_incref(value));
    json_decref(object);
}

void http_stats_fill_row(const struct http_stats *stats, struct http_row *row)
{
    if (http_row_wants(row, "message_stats"))
        http_stats_add(stats, STATS_MESSAGES, row->json, "message_stats");
    if (!http_columns_mention(row->columns, "_details"))
        return;
    fill_row(stats, STATS_LENGTHS, row);
    fill_row(stats, STATS_DATA, row);
}

bool http_stats_are_wanted(const struct http_context *context, const struct http_call *call)
{
    const struct config_statistics *config = &context->config->statistics;
    return !config->is_disabled && !config->is_collector_disabled &&
           !http_call_says(call, "disable_stats", "true");
}

bool http_totals_are_wanted(const struct http_context *context, const struct http_call *call)
{
    return context->config->statistics.has_queue_totals ||
           http_call_says(call, "enable_queue_totals", "true");
}
