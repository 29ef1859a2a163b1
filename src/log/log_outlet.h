/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_LOG_LOG_OUTLET_H
#define LEVERET_LOG_LOG_OUTLET_H

#include <stdbool.h>

#include "log/log_entry.h"

/* A place where messages go: the console, a file, syslog, the journal. Each has a bounded queue and
 * a thread of its own, so that whoever logs never waits, and a place that is slow stops no other.
 */
struct log_outlet;

/* What kinds of places do. All but `free` are called on the outlet's thread. */
struct log_outlet_kind {
    /* False: the message is lost, or part of it is. */
    bool (*write)(void *self, struct log_outlet *outlet, const struct log_entry *entry);
    /* After somebody has moved a file away; may be NULL. */
    void (*reopen)(void *self);
    void (*free)(void *self);
};

/* name is what log_location shows; copied, as categories: a bit for each that comes here. Takes
 * self over. No thread yet. */
struct log_outlet *log_outlet_new(const struct log_outlet_kind *kind, void *self, const char *name,
                                  enum config_log_level level, unsigned categories);

/* Begins to write, once those that have been ended are gone (or stuck for too long). */
void log_outlet_start(struct log_outlet *outlet);

/* Any thread. Queues the entry wherever it is wanted; takes it over. */
void log_outlets_offer(struct log_outlet *const *outlets, size_t count, struct log_entry *entry);

/* Any thread: to write what is queued goes on; then the thread ends and the outlet is freed. A
 * place that takes nothing is given up after grace_ms. Without a thread it is freed at once. */
void log_outlet_end(struct log_outlet *outlet, unsigned grace_ms);
void log_outlet_reopen(struct log_outlet *outlet);

void log_outlet_set_level(struct log_outlet *outlet, enum config_log_level level);
bool log_outlet_takes(const struct log_outlet *outlet, enum config_log_category category,
                      enum config_log_level level);
const char *log_outlet_name(const struct log_outlet *outlet);

/* For kinds that have to wait. False: the outlet is to end now. */
bool log_outlet_pause(struct log_outlet *outlet, unsigned ms);
bool log_outlet_is_given_up(struct log_outlet *outlet);

/* Returns when everything that was offered before has been written or lost, or after wait_ms. */
bool log_outlets_flush(struct log_outlet *const *outlets, size_t count, unsigned wait_ms);
/* Returns when all that were ended are gone, or after wait_ms. */
void log_outlets_wait(unsigned wait_ms);

/* How many messages did not get to the place that they were meant for, of all outlets, so far. */
uint64_t log_outlets_lost(void);

#endif
