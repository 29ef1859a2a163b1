/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question is a task in a mailbox, which its owner runs between two turns of its loop: a thread
 * that is stuck in one turn, behind a lock or in a system call does not come to it. A question that
 * was not answered stays where it is; there is never more than one in a mailbox.
 */
#include "runtime/watchdog.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/xmalloc.h"
#include "runtime/mailbox.h"

struct question {
    struct task task;
    _Atomic bool is_answered;
};

struct watchdog {
    struct mailbox *mailboxes; /* borrowed */
    size_t count;
    struct question questions[];
};

static void answer(struct task *task)
{
    struct question *question = container_of(task, struct question, task);
    atomic_store_explicit(&question->is_answered, true, memory_order_release);
}

struct watchdog *watchdog_new(struct mailbox *mailboxes, size_t count)
{
    struct watchdog *watchdog =
        xcalloc(1, sizeof *watchdog + count * sizeof watchdog->questions[0]);
    watchdog->mailboxes = mailboxes;
    watchdog->count = count;
    for (size_t i = 0; i < count; i++)
        atomic_init(&watchdog->questions[i].is_answered, true);
    return watchdog;
}

void watchdog_free(struct watchdog *watchdog)
{
    free(watchdog);
}

bool watchdog_ask(struct watchdog *watchdog)
{
    for (size_t i = 0; i < watchdog->count; i++) {
        if (!atomic_load_explicit(&watchdog->questions[i].is_answered, memory_order_acquire))
            return false;
    }
    for (size_t i = 0; i < watchdog->count; i++) {
        struct question *question = &watchdog->questions[i];
        atomic_store_explicit(&question->is_answered, false, memory_order_relaxed);
        question->task = (struct task){.run = answer};
        mailbox_post_task(&watchdog->mailboxes[i], &question->task);
    }
    return true;
}
