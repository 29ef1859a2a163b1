/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue and the thread of a place where messages go. One mutex for all of them guards lists of
 * pointers and nothing else: no write, no clock and no allocation happens under it but for a link
 * of the list, so a thread that logs holds it for a moment only, however slow the places are.
 *
 * A queue is bounded in messages and in bytes. What does not fit is counted, and the count is
 * written as a message of its own when the place takes messages again; so are those that could not
 * be written, such as by a full disk.
 *
 * An outlet ends itself: its thread writes what is queued and frees it, or gives up at a deadline.
 * A thread that hangs in a system call, on a disk that does not answer, is left behind.
 */
#define _GNU_SOURCE /* gettid */
#include "log/log_outlet.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/xmalloc.h"

enum {
    waiting_max = 16384,
    waiting_bytes_max = 8 << 20,
    batch_max = 256,
    stack_bytes = 256 << 10,
    former_wait_ms = 2000,
};

struct log_outlet {
    const struct log_outlet_kind *kind;
    void *self; /* owned */
    char *name; /* owned */
    unsigned categories;
    _Atomic int level;
    pthread_cond_t changed;
    bool has_thread;

    struct log_entry *waiting[waiting_max]; /* a ring; a reference each */
    size_t first, count, bytes;
    size_t written_count, offered_count; /* ever; equal: nothing is under way */
    uint64_t lost_count;                 /* not yet told */
    bool is_reopening, is_ending;
    struct timespec deadline; /* of the end */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER; /* something was written, or ended */
static size_t ending_count;
static _Atomic uint64_t lost_total;

static struct timespec after_ms(unsigned ms)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_sec += ms / 1000;
    time.tv_nsec += (long)(ms % 1000) * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

static bool is_past(const struct timespec *time)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec > time->tv_sec ||
           (now.tv_sec == time->tv_sec && now.tv_nsec >= time->tv_nsec);
}

struct log_outlet *log_outlet_new(const struct log_outlet_kind *kind, void *self, const char *name,
                                  enum config_log_level level, unsigned categories)
{
    struct log_outlet *outlet = xcalloc(1, sizeof *outlet);
    outlet->kind = kind;
    outlet->self = self;
    outlet->name = xstrdup(name);
    outlet->categories = categories;
    outlet->level = (int)level;
    CHECK(pthread_cond_init(&outlet->changed, NULL) == 0);
    return outlet;
}

const char *log_outlet_name(const struct log_outlet *outlet)
{
    return outlet->name;
}

void log_outlet_set_level(struct log_outlet *outlet, enum config_log_level level)
{
    atomic_store_explicit(&outlet->level, (int)level, memory_order_relaxed);
}

bool log_outlet_takes(const struct log_outlet *outlet, enum config_log_category category,
                      enum config_log_level level)
{
    return (outlet->categories & 1u << category) != 0 &&
           (int)level >= atomic_load_explicit(&outlet->level, memory_order_relaxed);
}

uint64_t log_outlets_lost(void)
{
    return atomic_load_explicit(&lost_total, memory_order_relaxed);
}

/* --- the queue */

static void unref_locked(struct log_entry *entry)
{
    if (--entry->references == 0)
        free(entry);
}

static void lose_locked(struct log_outlet *outlet)
{
    outlet->lost_count++;
    atomic_fetch_add_explicit(&lost_total, 1, memory_order_relaxed);
}

static void offer_locked(struct log_outlet *outlet, struct log_entry *entry)
{
    if (outlet->count == waiting_max || outlet->bytes + entry->size > waiting_bytes_max) {
        lose_locked(outlet);
        return;
    }
    entry->references++;
    outlet->waiting[(outlet->first + outlet->count++) % waiting_max] = entry;
    outlet->bytes += entry->size;
    outlet->offered_count++;
    if (outlet->count == 1)
        pthread_cond_signal(&outlet->changed);
}

void log_outlets_offer(struct log_outlet *const *outlets, size_t count, struct log_entry *entry)
{
    pthread_mutex_lock(&mutex);
    entry->references = 1;
    for (size_t i = 0; i < count; i++) {
        if (log_outlet_takes(outlets[i], entry->category, entry->level))
            offer_locked(outlets[i], entry);
    }
    unref_locked(entry);
    pthread_mutex_unlock(&mutex);
}

static size_t take_locked(struct log_outlet *outlet, struct log_entry **batch)
{
    size_t count = 0;
    while (count < batch_max && outlet->count > 0) {
        batch[count] = outlet->waiting[outlet->first];
        outlet->bytes -= batch[count++]->size;
        outlet->first = (outlet->first + 1) % waiting_max;
        outlet->count--;
    }
    return count;
}

/* --- the thread */

static void write_batch(struct log_outlet *outlet, struct log_entry **batch, size_t count)
{
    size_t lost = 0;
    for (size_t i = 0; i < count; i++)
        lost += !outlet->kind->write(outlet->self, outlet, batch[i]);
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < count; i++)
        unref_locked(batch[i]);
    while (lost-- > 0)
        lose_locked(outlet);
    outlet->written_count += count;
    pthread_cond_broadcast(&progress);
}

/* Says how many messages are missing in front of those that come now; goes on counting where not
 * even that can be written. Called and returns with the mutex held. */
static void tell_lost_locked(struct log_outlet *outlet)
{
    enum { text_max = 100 };
    uint64_t count = outlet->lost_count;
    if (count == 0)
        return;
    pthread_mutex_unlock(&mutex);
    struct log_entry *entry = xcalloc(1, sizeof *entry + text_max);
    entry->level = CONFIG_LOG_WARNING;
    entry->thread = (uint32_t)gettid();
    clock_gettime(CLOCK_REALTIME, &entry->time);
    entry->size = (size_t)snprintf(entry->text, text_max,
                                   "%" PRIu64 " messages are missing here: this log was too slow "
                                   "or could not be written",
                                   count);
    bool is_told = outlet->kind->write(outlet->self, outlet, entry);
    free(entry);
    pthread_mutex_lock(&mutex);
    if (is_told)
        outlet->lost_count -= count;
}

static void reopen_locked(struct log_outlet *outlet)
{
    outlet->is_reopening = false;
    pthread_mutex_unlock(&mutex);
    if (outlet->kind->reopen != NULL)
        outlet->kind->reopen(outlet->self);
    pthread_mutex_lock(&mutex);
    pthread_cond_broadcast(&progress);
}

static void free_outlet(struct log_outlet *outlet)
{
    outlet->kind->free(outlet->self);
    pthread_cond_destroy(&outlet->changed);
    free(outlet->name);
    free(outlet);
}

static void wait_for_former_locked(void)
{
    struct timespec until = after_ms(former_wait_ms);
    while (ending_count > 0 && pthread_cond_timedwait(&progress, &mutex, &until) == 0)
        continue;
}

static void *run(void *context)
{
    struct log_outlet *outlet = context;
    struct log_entry *batch[batch_max];
    prctl(PR_SET_NAME, "log");
    pthread_mutex_lock(&mutex);
    if (!outlet->is_ending)
        wait_for_former_locked();
    for (;;) {
        while (outlet->count == 0 && !outlet->is_reopening && !outlet->is_ending)
            pthread_cond_wait(&outlet->changed, &mutex);
        if (outlet->is_reopening)
            reopen_locked(outlet);
        if (outlet->count == 0 && outlet->is_ending)
            break;
        size_t count = take_locked(outlet, batch);
        pthread_mutex_unlock(&mutex);
        write_batch(outlet, batch, count);
        tell_lost_locked(outlet);
    }
    pthread_mutex_unlock(&mutex);
    free_outlet(outlet);
    pthread_mutex_lock(&mutex);
    ending_count--;
    pthread_cond_broadcast(&progress);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

/* Signals are for the main thread. */
void log_outlet_start(struct log_outlet *outlet)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, former;
    sigfillset(&all);
    CHECK(pthread_attr_init(&attributes) == 0);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    outlet->has_thread = true;
    CHECK(pthread_create(&thread, &attributes, run, outlet) == 0);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    pthread_attr_destroy(&attributes);
}

void log_outlet_end(struct log_outlet *outlet, unsigned grace_ms)
{
    if (!outlet->has_thread) {
        free_outlet(outlet);
        return;
    }
    pthread_mutex_lock(&mutex);
    outlet->deadline = after_ms(grace_ms);
    outlet->is_ending = true;
    ending_count++;
    pthread_cond_signal(&outlet->changed);
    pthread_mutex_unlock(&mutex);
}

void log_outlet_reopen(struct log_outlet *outlet)
{
    pthread_mutex_lock(&mutex);
    outlet->is_reopening = true;
    pthread_cond_signal(&outlet->changed);
    pthread_mutex_unlock(&mutex);
}

/* --- waiting */

static bool is_given_up_locked(const struct log_outlet *outlet)
{
    return outlet->is_ending && is_past(&outlet->deadline);
}

bool log_outlet_is_given_up(struct log_outlet *outlet)
{
    pthread_mutex_lock(&mutex);
    bool is_given_up = is_given_up_locked(outlet);
    pthread_mutex_unlock(&mutex);
    return is_given_up;
}

bool log_outlet_pause(struct log_outlet *outlet, unsigned ms)
{
    struct timespec until = after_ms(ms);
    pthread_mutex_lock(&mutex);
    while (!is_past(&until) && !is_given_up_locked(outlet)) {
        struct timespec soon = after_ms(50);
        const struct timespec *next = outlet->is_ending ? &soon : &until;
        pthread_cond_timedwait(&outlet->changed, &mutex, next);
    }
    bool goes_on = !is_given_up_locked(outlet);
    pthread_mutex_unlock(&mutex);
    return goes_on;
}

static bool is_idle_locked(const struct log_outlet *outlet, size_t offered)
{
    return outlet->written_count >= offered && !outlet->is_reopening;
}

bool log_outlets_flush(struct log_outlet *const *outlets, size_t count, unsigned wait_ms)
{
    struct timespec until = after_ms(wait_ms);
    bool is_in_time = true;
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < count; i++) {
        size_t offered = outlets[i]->offered_count;
        while (is_in_time && !is_idle_locked(outlets[i], offered))
            is_in_time = pthread_cond_timedwait(&progress, &mutex, &until) == 0;
    }
    pthread_mutex_unlock(&mutex);
    return is_in_time;
}

void log_outlets_wait(unsigned wait_ms)
{
    struct timespec until = after_ms(wait_ms);
    pthread_mutex_lock(&mutex);
    while (ending_count > 0 && pthread_cond_timedwait(&progress, &mutex, &until) == 0)
        continue;
    pthread_mutex_unlock(&mutex);
}
