/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object has an entry from the first change on that was recorded, with its numbers and their
 * rates, and a history where there is room for one. The order in which entries last changed is that
 * of a list. Where the budget is used up, those that have been idle longest go first; what has come
 * to three quarters of it has no history then, and what comes when all is used has no rates. So a
 * million idle queues cost nothing, and a million busy ones no more than the budget.
 *
 * What a pass does not record has not changed: its rates are 0 as soon as the pass is over.
 */
#include "stats/statistics.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash_table.h"
#include "base/list.h"
#include "base/xmalloc.h"

struct entry {
    struct hash_node by_identity;
    struct list_node in_order; /* the one that changed last is at the end */
    struct history *history;   /* owned; NULL: there is no room */
    uint64_t changed_ms;       /* the pass that recorded it last */
    uint8_t kind;
    uint8_t vhost_size;
    uint32_t name_size;
    uint64_t values[]; /* then the rates, the vhost's name, and its own */
};

struct statistics {
    struct stats_config config;
    pthread_mutex_t mutex;
    struct hash_table entries;
    struct list order;     /* of those that count for the budget */
    size_t bytes;          /* of these */
    size_t bytes_of_total; /* of node and vhosts */
    uint64_t pass_ms, previous_ms;
    uint64_t read_ms; /* the last pass that is over */
};

/* --- fields */

#define TAKEN(name)                                                                                \
    {                                                                                              \
        name, STATS_MESSAGES, STATS_DELIVERIES                                                     \
    }
#define PUBLISHED(name)                                                                            \
    {                                                                                              \
        name, STATS_MESSAGES, STATS_PUBLISHES                                                      \
    }
#define DELIVERIES                                                                                 \
    TAKEN("deliver_get"), TAKEN("deliver"), TAKEN("deliver_no_ack"), TAKEN("get"),                 \
        TAKEN("get_no_ack"), TAKEN("get_empty"), TAKEN("redeliver"), TAKEN("ack")
#define PUBLISHES                                                                                  \
    PUBLISHED("publish"), PUBLISHED("confirm"), PUBLISHED("return_unroutable"),                    \
        PUBLISHED("drop_unroutable")
#define LENGTHS                                                                                    \
    {"messages", STATS_LENGTHS, STATS_WHOLE}, {"messages_ready", STATS_LENGTHS, STATS_WHOLE},      \
    {                                                                                              \
        "messages_unacknowledged", STATS_LENGTHS, STATS_WHOLE                                      \
    }
#define TOTALS                                                                                     \
    PUBLISHES, DELIVERIES, {"disk_reads", STATS_MESSAGES, STATS_WHOLE},                            \
        {"disk_writes", STATS_MESSAGES, STATS_WHOLE}, LENGTHS

#define OCTETS                                                                                     \
    {"recv_oct", STATS_DATA, STATS_WHOLE},                                                         \
    {                                                                                              \
        "send_oct", STATS_DATA, STATS_WHOLE                                                        \
    }

static const struct stats_field queue_fields[] = {
    PUBLISHED("publish"),
    DELIVERIES,
    LENGTHS,
};
static const struct stats_field exchange_fields[] = {
    {"publish_in", STATS_MESSAGES, STATS_WHOLE},
    {"publish_out", STATS_MESSAGES, STATS_WHOLE},
};
static const struct stats_field channel_fields[] = {PUBLISHES, DELIVERIES};
static const struct stats_field connection_fields[] = {OCTETS};
static const struct stats_field vhost_fields[] = {TOTALS, OCTETS};
static const struct stats_field node_fields[] = {
    TOTALS,
    {"connection_created", STATS_CHURN, STATS_WHOLE},
    {"connection_closed", STATS_CHURN, STATS_WHOLE},
    {"channel_created", STATS_CHURN, STATS_WHOLE},
    {"channel_closed", STATS_CHURN, STATS_WHOLE},
    {"queue_declared", STATS_CHURN, STATS_WHOLE},
    {"queue_created", STATS_CHURN, STATS_WHOLE},
    {"queue_deleted", STATS_CHURN, STATS_WHOLE},
    {"mem_used", STATS_GAUGES, STATS_WHOLE},
    {"fd_used", STATS_GAUGES, STATS_WHOLE},
    {"sockets_used", STATS_GAUGES, STATS_WHOLE},
    {"proc_used", STATS_GAUGES, STATS_WHOLE},
    {"disk_free", STATS_GAUGES, STATS_WHOLE},
    {"context_switches", STATS_GAUGES, STATS_WHOLE},
    {"io_read_count", STATS_GAUGES, STATS_WHOLE},
    {"io_read_bytes", STATS_GAUGES, STATS_WHOLE},
    {"io_write_count", STATS_GAUGES, STATS_WHOLE},
    {"io_write_bytes", STATS_GAUGES, STATS_WHOLE},
};

#define TABLE(fields)                                                                              \
    {                                                                                              \
        fields, sizeof(fields) / sizeof(fields)[0]                                                 \
    }

static const struct {
    const struct stats_field *fields;
    size_t count;
} tables[STATS_KINDS] = {
    [STATS_NODE] = TABLE(node_fields),       [STATS_VHOST] = TABLE(vhost_fields),
    [STATS_QUEUE] = TABLE(queue_fields),     [STATS_EXCHANGE] = TABLE(exchange_fields),
    [STATS_CHANNEL] = TABLE(channel_fields), [STATS_CONNECTION] = TABLE(connection_fields),
};

const struct stats_field *stats_fields(enum stats_kind kind, size_t *count)
{
    *count = tables[kind].count;
    return tables[kind].fields;
}

/* May it fall without the object being another one? */
static bool is_gauge(const struct stats_field *field)
{
    return field->group == STATS_LENGTHS || field->group == STATS_GAUGES;
}

/* Does it always have a history, whatever the budget? */
static bool is_total(enum stats_kind kind)
{
    return kind == STATS_NODE || kind == STATS_VHOST;
}

static const struct retention_policy *policy_of(const struct statistics *statistics,
                                                enum stats_kind kind)
{
    return is_total(kind) ? &statistics->config.global : &statistics->config.basic;
}

/* --- the numbers of objects */

static size_t put_deliveries(uint64_t *values, const struct delivery_counters *counters)
{
    size_t count = 0;
    values[count++] =
        counters->deliver + counters->deliver_no_ack + counters->get + counters->get_no_ack;
    values[count++] = counters->deliver;
    values[count++] = counters->deliver_no_ack;
    values[count++] = counters->get;
    values[count++] = counters->get_no_ack;
    values[count++] = counters->get_empty;
    values[count++] = counters->redeliver;
    values[count++] = counters->ack;
    return count;
}

size_t stats_of_queue(uint64_t *values, const struct queue_counters *counters, uint64_t ready,
                      uint64_t unacked)
{
    size_t count = 0;
    values[count++] = counters->publish;
    count += put_deliveries(values + count, &counters->deliveries);
    values[count++] = ready + unacked;
    values[count++] = ready;
    values[count++] = unacked;
    CHECK(count == tables[STATS_QUEUE].count);
    return count;
}

size_t stats_of_exchange(uint64_t *values, const struct exchange_counters *counters)
{
    values[0] = counters->publish_in;
    values[1] = counters->publish_out;
    return tables[STATS_EXCHANGE].count;
}

size_t stats_of_channel(uint64_t *values, const struct channel_counters *counters)
{
    size_t count = 0;
    values[count++] = counters->publish;
    values[count++] = counters->confirm;
    values[count++] = counters->return_unroutable;
    values[count++] = counters->drop_unroutable;
    count += put_deliveries(values + count, &counters->deliveries);
    CHECK(count == tables[STATS_CHANNEL].count);
    return count;
}

size_t stats_of_octets(uint64_t *values, const struct octets *octets)
{
    values[0] = octets->read;
    values[1] = octets->written;
    return tables[STATS_CONNECTION].count;
}

/* --- entries */

struct identity {
    enum stats_kind kind;
    struct bytes vhost, name;
};

static uint64_t hash_of(const struct identity *identity)
{
    return bytes_hash(identity->name, bytes_hash(identity->vhost, (uint64_t)identity->kind));
}

static float *rates_of(const struct entry *entry)
{
    return (float *)(uintptr_t)(entry->values + tables[entry->kind].count);
}

static uint8_t *names_of(const struct entry *entry)
{
    return (uint8_t *)(rates_of(entry) + tables[entry->kind].count);
}

static size_t entry_bytes(const struct entry *entry)
{
    size_t history = entry->history != NULL ? history_bytes(entry->history) : 0;
    return (size_t)(names_of(entry) - (const uint8_t *)entry) + entry->vhost_size +
           entry->name_size + history;
}

static bool is_identity(const struct hash_node *node, const void *key)
{
    const struct entry *entry = container_of(node, struct entry, by_identity);
    const struct identity *identity = key;
    struct bytes vhost = bytes_of(names_of(entry), entry->vhost_size);
    struct bytes name = bytes_of(names_of(entry) + entry->vhost_size, entry->name_size);
    return entry->kind == identity->kind && bytes_equal(vhost, identity->vhost) &&
           bytes_equal(name, identity->name);
}

static struct entry *find(const struct statistics *statistics, const struct identity *identity)
{
    struct hash_node *node =
        hash_table_find(&statistics->entries, hash_of(identity), is_identity, identity);
    return node != NULL ? container_of(node, struct entry, by_identity) : NULL;
}

static size_t *account_of(struct statistics *statistics, const struct entry *entry)
{
    return is_total(entry->kind) ? &statistics->bytes_of_total : &statistics->bytes;
}

static void drop_history(struct statistics *statistics, struct entry *entry)
{
    *account_of(statistics, entry) -= entry->history != NULL ? history_bytes(entry->history) : 0;
    history_free(entry->history);
    entry->history = NULL;
}

static void forget(struct statistics *statistics, struct entry *entry)
{
    drop_history(statistics, entry);
    *account_of(statistics, entry) -= entry_bytes(entry);
    hash_table_remove(&statistics->entries, &entry->by_identity);
    list_remove(&entry->in_order);
    free(entry);
}

/* Makes room for so much below a bound, by what has been idle longest; never by what this pass has
 * recorded. False where that is not enough. */
static bool make_room(struct statistics *statistics, size_t bytes, size_t bytes_max)
{
    struct list_node *node;
    while (statistics->bytes + bytes > bytes_max) {
        node = list_front(&statistics->order);
        if (node == NULL)
            return false;
        struct entry *oldest = list_entry(node, struct entry, in_order);
        if (oldest->changed_ms == statistics->pass_ms)
            return false;
        forget(statistics, oldest);
    }
    return true;
}

/* The rest is for entries that have no history. */
static size_t bytes_with_histories_max(const struct statistics *statistics)
{
    return statistics->config.bytes_max / 4 * 3;
}

static struct entry *add(struct statistics *statistics, const struct identity *identity)
{
    size_t number_bytes = sizeof(uint64_t) + sizeof(float);
    size_t bytes = sizeof(struct entry) + tables[identity->kind].count * number_bytes +
                   identity->vhost.size + identity->name.size;
    if (!is_total(identity->kind) && !make_room(statistics, bytes, statistics->config.bytes_max))
        return NULL;
    struct entry *entry = xcalloc(1, bytes);
    entry->kind = (uint8_t)identity->kind;
    entry->vhost_size = (uint8_t)identity->vhost.size;
    entry->name_size = (uint32_t)identity->name.size;
    if (identity->vhost.size > 0)
        memcpy(names_of(entry), identity->vhost.data, identity->vhost.size);
    if (identity->name.size > 0)
        memcpy(names_of(entry) + identity->vhost.size, identity->name.data, identity->name.size);
    list_node_init(&entry->in_order);
    hash_table_insert(&statistics->entries, &entry->by_identity, hash_of(identity));
    *account_of(statistics, entry) += bytes;
    return entry;
}

/* --- recording */

/* It has counted less than before: it was deleted and made again. */
static bool is_another(const struct entry *entry, const uint64_t *values)
{
    for (size_t i = 0; i < tables[entry->kind].count; i++) {
        if (!is_gauge(&tables[entry->kind].fields[i]) && values[i] < entry->values[i])
            return true;
    }
    return false;
}

static void set_rates(const struct statistics *statistics, struct entry *entry,
                      const uint64_t *values)
{
    double seconds = (double)(statistics->pass_ms - statistics->previous_ms) / 1000;
    for (size_t i = 0; i < tables[entry->kind].count; i++) {
        double change = (double)values[i] - (double)entry->values[i];
        rates_of(entry)[i] = seconds > 0 ? (float)(change / seconds) : 0;
    }
}

static void add_to_history(struct statistics *statistics, struct entry *entry)
{
    size_t width = tables[entry->kind].count;
    size_t former_bytes = entry_bytes(entry);
    if (entry->history == NULL)
        entry->history = history_new(width, policy_of(statistics, entry->kind));
    history_add(entry->history, statistics->pass_ms, entry->values);
    *account_of(statistics, entry) += entry_bytes(entry) - former_bytes;
    if (!is_total(entry->kind) && !make_room(statistics, 0, bytes_with_histories_max(statistics)))
        drop_history(statistics, entry);
}

static void record(struct statistics *statistics, const struct identity *identity,
                   const uint64_t *values, bool is_new)
{
    size_t size = tables[identity->kind].count * sizeof values[0];
    struct entry *entry = find(statistics, identity);
    if (entry != NULL && is_another(entry, values)) {
        forget(statistics, entry);
        entry = NULL;
        is_new = true;
    }
    bool is_first = entry == NULL;
    if (is_first)
        entry = add(statistics, identity);
    if (entry == NULL)
        return;
    if (is_first && !is_new)
        memcpy(entry->values, values, size);
    bool is_idle = entry->history != NULL && memcmp(entry->values, values, size) == 0;
    set_rates(statistics, entry, values);
    memcpy(entry->values, values, size);
    entry->changed_ms = statistics->pass_ms;
    if (!is_total(entry->kind)) {
        list_remove(&entry->in_order);
        list_push_back(&statistics->order, &entry->in_order);
    }
    if (!is_idle) /* its last sample is still true */
        add_to_history(statistics, entry);
}

void statistics_begin(struct statistics *statistics, uint64_t time_ms)
{
    pthread_mutex_lock(&statistics->mutex);
    CHECK(time_ms > statistics->pass_ms);
    statistics->previous_ms = statistics->pass_ms;
    if (statistics->previous_ms == 0)
        statistics->previous_ms = time_ms - (uint64_t)statistics->config.interval_s * 1000;
    statistics->pass_ms = time_ms;
    pthread_mutex_unlock(&statistics->mutex);
}

void statistics_record(struct statistics *statistics, enum stats_kind kind, struct bytes vhost,
                       struct bytes name, const uint64_t *values, bool is_new)
{
    const struct identity identity = {kind, vhost, name};
    CHECK(vhost.size <= UINT8_MAX);
    pthread_mutex_lock(&statistics->mutex);
    record(statistics, &identity, values, is_new);
    pthread_mutex_unlock(&statistics->mutex);
}

void statistics_forget(struct statistics *statistics, enum stats_kind kind, struct bytes vhost,
                       struct bytes name)
{
    const struct identity identity = {kind, vhost, name};
    pthread_mutex_lock(&statistics->mutex);
    struct entry *entry = find(statistics, &identity);
    if (entry != NULL)
        forget(statistics, entry);
    pthread_mutex_unlock(&statistics->mutex);
}

void statistics_end(struct statistics *statistics)
{
    struct list_node *node;
    uint64_t age_ms = (uint64_t)retention_age_s(&statistics->config.basic) * 1000;
    pthread_mutex_lock(&statistics->mutex);
    statistics->read_ms = statistics->pass_ms;
    while ((node = list_front(&statistics->order)) != NULL) {
        struct entry *oldest = list_entry(node, struct entry, in_order);
        if (oldest->changed_ms + age_ms >= statistics->pass_ms)
            break;
        forget(statistics, oldest);
    }
    pthread_mutex_unlock(&statistics->mutex);
}

/* Of the node and the vhosts the numbers themselves are read here, so they stay. */
static void reset(struct statistics *statistics, struct entry *entry)
{
    if (is_total(entry->kind)) {
        drop_history(statistics, entry);
        memset(rates_of(entry), 0, tables[entry->kind].count * sizeof rates_of(entry)[0]);
    } else {
        forget(statistics, entry);
    }
}

void statistics_reset(struct statistics *statistics)
{
    struct hash_node *node, *next;
    pthread_mutex_lock(&statistics->mutex);
    for (node = hash_table_next(&statistics->entries, NULL); node != NULL; node = next) {
        next = hash_table_next(&statistics->entries, node);
        reset(statistics, container_of(node, struct entry, by_identity));
    }
    pthread_mutex_unlock(&statistics->mutex);
}

/* --- reading */

bool statistics_read(struct statistics *statistics, enum stats_kind kind, struct bytes vhost,
                     struct bytes name, struct stats_reading *reading)
{
    const struct identity identity = {kind, vhost, name};
    memset(reading, 0, sizeof *reading);
    reading->count = tables[kind].count;
    pthread_mutex_lock(&statistics->mutex);
    const struct entry *entry = find(statistics, &identity);
    bool is_known = entry != NULL;
    if (is_known) {
        memcpy(reading->values, entry->values, reading->count * sizeof reading->values[0]);
        bool has_changed = entry->changed_ms >= statistics->read_ms;
        for (size_t i = 0; i < reading->count; i++)
            reading->rates[i] = has_changed ? (double)rates_of(entry)[i] : 0;
    }
    pthread_mutex_unlock(&statistics->mutex);
    return is_known;
}

/* Of 0s; when they are, and how many. */
static void lay_out(const struct statistics *statistics, enum stats_kind kind,
                    const struct stats_range *range, struct stats_samples *samples)
{
    const struct retention_policy *policy = policy_of(statistics, kind);
    uint64_t interval_s = retention_interval_s(policy, range->age_s);
    uint64_t step_s = range->incr_s > interval_s ? range->incr_s : interval_s;
    uint64_t age_s =
        range->age_s < retention_age_s(policy) ? range->age_s : retention_age_s(policy);
    uint64_t count = age_s / step_s + 1;
    samples->count = count < STATS_SAMPLES_MAX ? count : STATS_SAMPLES_MAX;
    samples->step_ms = step_s * 1000;
    samples->newest_ms = statistics->read_ms - statistics->read_ms % (interval_s * 1000);
    samples->width = tables[kind].count;
    samples->values = xcalloc(samples->count * samples->width, sizeof samples->values[0]);
}

static void sample(const struct statistics *statistics, const struct entry *entry,
                   const struct stats_range *range, struct stats_samples *samples)
{
    lay_out(statistics, entry->kind, range, samples);
    for (size_t i = 0; i < samples->count; i++) {
        uint64_t back_ms = i * samples->step_ms;
        if (back_ms < samples->newest_ms)
            history_at(entry->history, samples->newest_ms - back_ms,
                       samples->values + i * samples->width);
    }
}

void statistics_sample(struct statistics *statistics, enum stats_kind kind, struct bytes vhost,
                       struct bytes name, const struct stats_range *range,
                       struct stats_samples *samples)
{
    const struct identity identity = {kind, vhost, name};
    *samples = (struct stats_samples){0};
    pthread_mutex_lock(&statistics->mutex);
    const struct entry *entry = find(statistics, &identity);
    if (entry != NULL && entry->history != NULL)
        sample(statistics, entry, range, samples);
    pthread_mutex_unlock(&statistics->mutex);
}

void statistics_sample_nothing(struct statistics *statistics, enum stats_kind kind,
                               const struct stats_range *range, struct stats_samples *samples)
{
    *samples = (struct stats_samples){0};
    pthread_mutex_lock(&statistics->mutex);
    if (statistics->read_ms > 0)
        lay_out(statistics, kind, range, samples);
    pthread_mutex_unlock(&statistics->mutex);
}

void stats_samples_fini(struct stats_samples *samples)
{
    free(samples->values);
    samples->values = NULL;
}

/* --- all of it */

void stats_config_init(struct stats_config *config)
{
    *config = (struct stats_config){
        .interval_s = 5,
        .bytes_max = 24 << 20,
        .global = {{{605, 5}, {3660, 60}, {29400, 600}, {86400, 1800}}, 4},
        .basic = {{{605, 5}, {3600, 60}}, 2},
    };
}

struct statistics *statistics_new(const struct stats_config *config)
{
    struct statistics *statistics = xcalloc(1, sizeof *statistics);
    statistics->config = *config;
    CHECK(pthread_mutex_init(&statistics->mutex, NULL) == 0);
    hash_table_init(&statistics->entries);
    list_init(&statistics->order);
    return statistics;
}

void statistics_free(struct statistics *statistics)
{
    struct hash_node *node;
    size_t cursor = 0;
    if (statistics == NULL)
        return;
    while ((node = hash_table_remaining(&statistics->entries, &cursor)) != NULL)
        forget(statistics, container_of(node, struct entry, by_identity));
    hash_table_fini(&statistics->entries);
    pthread_mutex_destroy(&statistics->mutex);
    free(statistics);
}

const struct stats_config *statistics_config(const struct statistics *statistics)
{
    return &statistics->config;
}

size_t statistics_bytes(struct statistics *statistics)
{
    pthread_mutex_lock(&statistics->mutex);
    size_t bytes = statistics->bytes + statistics->bytes_of_total;
    pthread_mutex_unlock(&statistics->mutex);
    return bytes;
}
