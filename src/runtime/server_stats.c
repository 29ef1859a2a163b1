/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who samples. Every few seconds a job (server_jobs.c) goes over all vhosts and asks each core for
 * what has changed, a slice at a time, between which it serves its clients. The next pass waits for
 * ten times what this one took, so that a million queues cost a tenth of a core at most, and
 * clients see rates of a longer time instead.
 *
 * Passes are counted by the wall clock, in whole intervals, so that samples stand at round times as
 * RabbitMQ's do. That clock may be set back; the times of passes go on.
 */
#include "runtime/server_stats.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "config/config.h"
#include "net/control.h"
#include "runtime/clock.h"
#include "runtime/gate.h"
#include "runtime/reactor.h"
#include "runtime/server_internal.h"
#include "stats/statistics.h"

enum { SLICE_OBJECTS = 128, PAUSE_FACTOR = 10 };

struct counted_vhost {
    char *name; /* owned */
    struct vhost_counters counters;
    struct octets octets; /* of its connections */
};

struct counted_vhosts {
    struct counted_vhost *items; /* owned */
    size_t count, capacity;
};

struct server_stats {
    struct control_work work;
    struct server *server;         /* borrowed */
    struct statistics *statistics; /* owned */
    bool is_under_way;
    uint64_t began_ms, due_ms; /* steady clock */
    uint64_t pass_ms;          /* wall clock, rounded */
    struct gate **gates;       /* owned, with a reference each, during a pass */
    size_t gate_count;

    pthread_mutex_t mutex; /* guards what follows */
    struct counted_vhosts vhosts;
    struct vhost_counters gone; /* of vhosts that were deleted */
    struct vhost_counters total;
    struct octets gone_octets, total_octets; /* likewise */
    struct http_node_facts node;
    unsigned alarms; /* the main thread's, as of its last tick, and so are the limits */
    struct alarm_limits limits;
};

/* --- the node */

/* The number behind a name in a file of /proc; 0 where there is none. */
static uint64_t find_number(const char *path, const char *name)
{
    char line[256];
    unsigned long long number = 0;
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0 &&
            sscanf(line + strlen(name), " %llu", &number) == 1)
            break;
    }
    if (file != NULL)
        fclose(file);
    return number;
}

static uint64_t count_descriptors(void)
{
    uint64_t count = 0;
    /* Not by opendir: ThreadSanitizer takes the number for that of a socket that another thread has
     * closed. */
    int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder == NULL)
        return 0;
    closedir(folder);
    return count - 3; /* itself, "." and ".." */
}

static void look_at_node(struct http_node_facts *facts)
{
    struct rusage usage;
    facts->fd_used = count_descriptors();
    facts->threads = find_number("/proc/self/status", "Threads:");
    facts->io_read_count = find_number("/proc/self/io", "syscr:");
    facts->io_read_bytes = find_number("/proc/self/io", "read_bytes:");
    facts->io_write_count = find_number("/proc/self/io", "syscw:");
    facts->io_write_bytes = find_number("/proc/self/io", "write_bytes:");
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        facts->context_switches = (uint64_t)(usage.ru_nvcsw + usage.ru_nivcsw);
}

static void look_at_limits(struct server_stats *stats, struct http_node_facts *facts)
{
    struct rlimit limit;
    const struct server *server = stats->server;
    pthread_mutex_lock(&stats->mutex);
    const struct alarm_limits limits = stats->limits;
    pthread_mutex_unlock(&stats->mutex);
    facts->mem_used = alarm_memory_used();
    facts->disk_free = alarm_disk_free(&limits);
    facts->mem_limit = limits.memory_bytes;
    facts->disk_free_limit = limits.disk_free_bytes;
    facts->fd_total = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (uint64_t)limit.rlim_cur : 0;
    facts->uptime_ms = clock_steady_ms() - server->started_ms;
    facts->sockets_used = facts->channels = 0;
    for (size_t i = 0; i < server->reactor_count; i++) {
        facts->sockets_used += reactor_connection_count(server->reactors[i]);
        facts->channels += reactor_channel_count(server->reactors[i]);
    }
    facts->processors = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
}

/* --- numbers in the order of their fields */

static size_t put_totals(uint64_t *values, const struct vhost_counters *counters)
{
    const struct channel_counters all = {
        .publish = counters->published,
        .confirm = counters->confirmed,
        .return_unroutable = counters->unroutable_returned,
        .drop_unroutable = counters->unroutable_dropped,
        .deliveries = {.deliver = counters->delivered - counters->delivered_no_ack,
                       .deliver_no_ack = counters->delivered_no_ack,
                       .get = counters->got - counters->got_no_ack,
                       .get_no_ack = counters->got_no_ack,
                       .get_empty = counters->got_empty,
                       .redeliver = counters->redelivered,
                       .ack = counters->acked},
    };
    size_t count = stats_of_channel(values, &all);
    values[count++] = counters->disk_reads;
    values[count++] = counters->disk_writes;
    values[count++] = counters->ready + counters->unacked;
    values[count++] = counters->ready;
    values[count++] = counters->unacked;
    return count;
}

static void record_node(struct server_stats *stats)
{
    uint64_t values[STATS_WIDTH_MAX];
    size_t expected, count = put_totals(values, &stats->total);
    const struct vhost_counters *total = &stats->total;
    const struct http_node_facts *node = &stats->node;
    const uint64_t rest[] = {
        total->connections_opened,
        total->connections_closed,
        total->channels_opened,
        total->channels_closed,
        total->queues_declared,
        total->queues_created,
        total->queues_deleted,
        node->mem_used,
        node->fd_used,
        node->sockets_used,
        node->threads,
        node->disk_free,
        node->context_switches,
        node->io_read_count,
        node->io_read_bytes,
        node->io_write_count,
        node->io_write_bytes,
    };
    memcpy(values + count, rest, sizeof rest);
    stats_fields(STATS_NODE, &expected);
    CHECK(count + sizeof rest / sizeof rest[0] == expected);
    statistics_record(stats->statistics, STATS_NODE, bytes_of_text(""), bytes_of_text(""), values,
                      true);
}

static void record_vhost(struct server_stats *stats, const struct counted_vhost *vhost)
{
    uint64_t values[STATS_WIDTH_MAX];
    size_t expected, count = put_totals(values, &vhost->counters);
    count += stats_of_octets(values + count, &vhost->octets);
    stats_fields(STATS_VHOST, &expected);
    CHECK(count == expected);
    statistics_record(stats->statistics, STATS_VHOST, bytes_of_text(vhost->name), bytes_of_text(""),
                      values, true);
}

/* --- a pass; on a thread of the jobs */

struct slice {
    struct server_stats *stats;
    struct bytes vhost;
    struct vhost_sampling sampling;
    struct vhost_sampler sampler;
    struct vhost_counters *counters;
};

static void record_queue(void *context, const struct queue_sample *sample)
{
    struct slice *slice = context;
    uint64_t values[STATS_WIDTH_MAX];
    stats_of_queue(values, sample->counters, sample->ready, sample->unacked);
    statistics_record(slice->stats->statistics, STATS_QUEUE, slice->vhost, sample->name, values,
                      sample->is_new);
}

static void record_exchange(void *context, const struct exchange_sample *sample)
{
    struct slice *slice = context;
    uint64_t values[STATS_WIDTH_MAX];
    stats_of_exchange(values, sample->counters);
    statistics_record(slice->stats->statistics, STATS_EXCHANGE, slice->vhost, sample->name, values,
                      sample->is_new);
}

static void record_channel(void *context, const struct channel_sample *sample)
{
    struct slice *slice = context;
    uint64_t values[STATS_WIDTH_MAX];
    const struct stats_number number = {sample->connection_number, sample->serial};
    stats_of_channel(values, sample->counters);
    statistics_record(slice->stats->statistics, STATS_CHANNEL, bytes_of_text(""),
                      stats_name_of(&number), values, sample->is_new);
}

static void sample_slice(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct slice *slice = context;
    vhost_sample(vhost, &slice->sampling, &slice->sampler, now_ms, SLICE_OBJECTS);
    if (slice->sampling.is_done)
        vhost_count_quickly(vhost, slice->counters);
}

static void sample_vhost(struct server_stats *stats, struct gate *gate,
                         struct vhost_counters *counters)
{
    struct slice slice = {
        .stats = stats, .vhost = bytes_of_text(gate_name(gate)), .counters = counters};
    slice.sampler = (struct vhost_sampler){record_queue, record_exchange, record_channel, &slice};
    while (!slice.sampling.is_done && !server_is_ending(stats->server))
        gate_ask(gate, sample_slice, &slice);
    counters->ready = slice.sampling.sums.ready;
    counters->unacked = slice.sampling.sums.unacked;
    counters->ready_bytes = slice.sampling.sums.ready_bytes;
    counters->unacked_bytes = slice.sampling.sums.unacked_bytes;
    counters->persistent = slice.sampling.sums.persistent;
    counters->persistent_bytes = slice.sampling.sums.persistent_bytes;
    delivery_counters_add(&counters->from_quorum, &slice.sampling.sums.from_quorum);
}

static void sample_connections(struct server_stats *stats)
{
    struct connection_samples samples = {0};
    for (size_t i = 0; i < stats->server->reactor_count && !server_is_ending(stats->server); i++)
        reactor_sample(stats->server->reactors[i], &samples);
    for (size_t i = 0; i < samples.count; i++) {
        uint64_t values[STATS_WIDTH_MAX];
        const struct stats_number number = {.connection = samples.items[i].number};
        stats_of_octets(values, &samples.items[i].octets);
        statistics_record(stats->statistics, STATS_CONNECTION, bytes_of_text(""),
                          stats_name_of(&number), values, samples.items[i].is_new);
    }
    free(samples.items);
}

/* --- what was counted */

static struct counted_vhost *find(const struct counted_vhosts *vhosts, const char *name)
{
    for (size_t i = 0; i < vhosts->count; i++) {
        if (strcmp(vhosts->items[i].name, name) == 0)
            return &vhosts->items[i];
    }
    return NULL;
}

static void free_counted(struct counted_vhosts *vhosts)
{
    for (size_t i = 0; i < vhosts->count; i++)
        free(vhosts->items[i].name);
    free(vhosts->items);
    *vhosts = (struct counted_vhosts){0};
}

/* All members are numbers of that size. */
static void add_counters(struct vhost_counters *sum, const struct vhost_counters *counters)
{
    uint64_t *to = (uint64_t *)(void *)sum;
    const uint64_t *from = (const uint64_t *)(const void *)counters;
    for (size_t i = 0; i < sizeof *sum / sizeof to[0]; i++)
        to[i] += from[i];
}

/* What is there now is nothing any more, where the vhost is not. */
static void keep_what_was(struct vhost_counters *gone, const struct vhost_counters *counters)
{
    struct vhost_counters past = *counters;
    past.sessions = past.channels = past.consumers = 0;
    past.queues = past.exchanges = past.bindings = past.publishers = 0;
    past.ready = past.unacked = past.ready_bytes = past.unacked_bytes = 0;
    past.persistent = past.persistent_bytes = 0;
    past.window_bytes = past.unstored_bytes = past.transient_bytes = 0;
    past.session_bytes = past.value_bytes = 0;
    add_counters(gone, &past);
}

static void add_octets(struct octets *sum, const struct octets *octets)
{
    sum->read += octets->read;
    sum->written += octets->written;
}

/* A vhost that is not there any more, or that another one of its name has replaced. */
static void find_gone(struct server_stats *stats, const struct counted_vhosts *now)
{
    for (size_t i = 0; i < stats->vhosts.count; i++) {
        const struct counted_vhost *former = &stats->vhosts.items[i];
        const struct counted_vhost *present = find(now, former->name);
        if (present == NULL)
            statistics_forget(stats->statistics, STATS_VHOST, bytes_of_text(former->name),
                              bytes_of_text(""));
        if (present == NULL || present->counters.published < former->counters.published ||
            present->counters.queues_declared < former->counters.queues_declared)
            keep_what_was(&stats->gone, &former->counters);
        if (present == NULL)
            add_octets(&stats->gone_octets, &former->octets);
    }
}

static void take_over(struct server_stats *stats, struct counted_vhosts *now,
                      const struct http_node_facts *node)
{
    pthread_mutex_lock(&stats->mutex);
    find_gone(stats, now);
    free_counted(&stats->vhosts);
    stats->vhosts = *now;
    stats->total = stats->gone;
    stats->total_octets = stats->gone_octets;
    for (size_t i = 0; i < now->count; i++) {
        add_counters(&stats->total, &now->items[i].counters);
        add_octets(&stats->total_octets, &now->items[i].octets);
    }
    stats->node = *node;
    pthread_mutex_unlock(&stats->mutex);
}

static void run_pass(struct control_work *work)
{
    struct server_stats *stats = container_of(work, struct server_stats, work);
    struct counted_vhosts now = {0};
    struct http_node_facts node = {0};
    statistics_begin(stats->statistics, stats->pass_ms);
    sample_connections(stats);
    for (size_t i = 0; i < stats->gate_count; i++) {
        now.items = xgrow(now.items, &now.capacity, now.count + 1, sizeof now.items[0]);
        struct counted_vhost *vhost = &now.items[now.count++];
        *vhost = (struct counted_vhost){.name = xstrdup(gate_name(stats->gates[i]))};
        sample_vhost(stats, stats->gates[i], &vhost->counters);
        vhost->octets = gate_octets(stats->gates[i]);
    }
    if (server_is_ending(stats->server)) { /* not all were asked */
        free_counted(&now);
        return;
    }
    look_at_node(&node);
    look_at_limits(stats, &node);
    for (size_t i = 0; i < now.count; i++)
        record_vhost(stats, &now.items[i]);
    take_over(stats, &now, &node);
    record_node(stats);
    statistics_end(stats->statistics);
}

static void end_pass(struct control_work *work)
{
    struct server_stats *stats = container_of(work, struct server_stats, work);
    uint64_t now_ms = clock_steady_ms();
    for (size_t i = 0; i < stats->gate_count; i++)
        server_release_gate(stats->server, stats->gates[i]);
    free(stats->gates);
    stats->gates = NULL;
    stats->gate_count = 0;
    stats->is_under_way = false;
    uint64_t pause_ms = (now_ms - stats->began_ms) * PAUSE_FACTOR;
    if (now_ms + pause_ms > stats->due_ms)
        stats->due_ms = now_ms + pause_ms;
}

/* --- main thread */

void server_stats_tick(struct server_stats *stats)
{
    uint64_t now_ms = clock_steady_ms();
    uint64_t interval_ms = (uint64_t)statistics_config(stats->statistics)->interval_s * 1000;
    uint64_t wall_ms = clock_wall_ms();
    pthread_mutex_lock(&stats->mutex);
    stats->alarms = stats->server->alarms;
    stats->limits = stats->server->alarm_limits;
    pthread_mutex_unlock(&stats->mutex);
    uint64_t round_ms = wall_ms - wall_ms % interval_ms;
    if (stats->is_under_way || now_ms < stats->due_ms)
        return;
    if (round_ms <= stats->pass_ms && stats->pass_ms - round_ms < interval_ms)
        return; /* this one was */
    stats->pass_ms = round_ms > stats->pass_ms ? round_ms : stats->pass_ms + interval_ms;
    stats->began_ms = now_ms;
    stats->due_ms = now_ms + interval_ms / 2;
    stats->is_under_way = true;
    stats->gate_count = server_take_gates(stats->server, &stats->gates);
    stats->work = (struct control_work){run_pass, end_pass};
    server_submit_job(stats->server, &stats->work);
}

/* By age, the youngest first. Nothing is changed where the configuration says nothing. */
static void read_retention(const struct config_list *list, struct retention_policy *policy)
{
    _Static_assert((int)RETENTION_INTERVALS_MAX <= (int)HISTORY_LEVELS_MAX,
                   "all of them have a level");
    struct retention *levels = policy->levels;
    if (list->count > 0)
        policy->count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct retention level = {
            .age_s = (uint32_t)config_retention_age_s(list->entries[i].name),
            .interval_s = (uint32_t)strtoul(list->entries[i].value, NULL, 10),
        };
        size_t at = policy->count++;
        for (; at > 0 && levels[at - 1].age_s > level.age_s; at--)
            levels[at] = levels[at - 1];
        levels[at] = level;
    }
}

struct server_stats *server_stats_new(struct server *server)
{
    struct server_stats *stats = xcalloc(1, sizeof *stats);
    struct stats_config config;
    stats_config_init(&config);
    config.interval_s = (uint32_t)((server->config->statistics.interval_ms + 999) / 1000);
    config.bytes_max = server->config->statistics.memory_bytes;
    read_retention(&server->config->statistics.retention_global, &config.global);
    read_retention(&server->config->statistics.retention_basic, &config.basic);
    stats->server = server;
    stats->statistics = statistics_new(&config);
    stats->alarms = server->alarms;
    stats->limits = server->alarm_limits;
    CHECK(pthread_mutex_init(&stats->mutex, NULL) == 0);
    return stats;
}

void server_stats_free(struct server_stats *stats)
{
    if (stats == NULL)
        return;
    CHECK(!stats->is_under_way);
    statistics_free(stats->statistics);
    free_counted(&stats->vhosts);
    pthread_mutex_destroy(&stats->mutex);
    free(stats);
}

struct statistics *server_stats_statistics(struct server_stats *stats)
{
    return stats->statistics;
}

/* --- any thread */

bool server_stats_vhost(struct server_stats *stats, const char *vhost,
                        struct vhost_counters *counters)
{
    pthread_mutex_lock(&stats->mutex);
    const struct counted_vhost *counted = find(&stats->vhosts, vhost);
    if (counted != NULL)
        *counters = counted->counters;
    pthread_mutex_unlock(&stats->mutex);
    return counted != NULL;
}

unsigned server_stats_alarms(struct server_stats *stats)
{
    pthread_mutex_lock(&stats->mutex);
    unsigned alarms = stats->alarms;
    pthread_mutex_unlock(&stats->mutex);
    return alarms;
}

void server_stats_total(struct server_stats *stats, struct vhost_counters *counters)
{
    pthread_mutex_lock(&stats->mutex);
    *counters = stats->total;
    pthread_mutex_unlock(&stats->mutex);
}

struct octets server_stats_octets(struct server_stats *stats)
{
    pthread_mutex_lock(&stats->mutex);
    struct octets octets = stats->total_octets;
    pthread_mutex_unlock(&stats->mutex);
    return octets;
}

void server_stats_node(struct server_stats *stats, struct http_node_facts *facts)
{
    pthread_mutex_lock(&stats->mutex);
    *facts = stats->node;
    pthread_mutex_unlock(&stats->mutex);
    look_at_limits(stats, facts);
}
