/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mailboxes: a mutex, a chain of effects that is spliced as a whole, a list of tasks, and an
 * eventfd. A lock-free queue would win nothing here, because there is one splice per batch, not per
 * message, and a mutex is what the thread sanitizer can check.
 *
 * Waking costs a system call, so it is made only for an owner that sleeps: the owner announces that
 * it will wait, looks once more under the same lock, and only then waits; a poster that sees the
 * announcement takes it back and writes the event. What the owner posts to itself needs no waking
 * in any case: it takes its mail after every turn of its loop.
 */
#include "runtime/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"

void mailbox_init(struct mailbox *mailbox)
{
    *mailbox = (struct mailbox){.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    CHECK(mailbox->event_fd >= 0);
    CHECK(pthread_mutex_init(&mailbox->mutex, NULL) == 0);
}

void mailbox_fini(struct mailbox *mailbox)
{
    effect_chain_clear(&mailbox->effects);
    close(mailbox->event_fd);
    pthread_mutex_destroy(&mailbox->mutex);
}

void mailbox_wake(struct mailbox *mailbox)
{
    uint64_t one = 1;
    CHECK(write(mailbox->event_fd, &one, sizeof one) == sizeof one);
}

/* Unlocks; true where the owner sleeps, and is the caller's to wake. */
static bool unlock_posted(struct mailbox *mailbox)
{
    bool was_asleep = mailbox->is_asleep;
    mailbox->is_asleep = false;
    pthread_mutex_unlock(&mailbox->mutex);
    return was_asleep;
}

bool mailbox_leave_effects(struct mailbox *mailbox, struct effect_chain chain)
{
    if (chain.first == NULL)
        return false;
    pthread_mutex_lock(&mailbox->mutex);
    if (mailbox->effects.last != NULL)
        mailbox->effects.last->next = chain.first;
    else
        mailbox->effects.first = chain.first;
    mailbox->effects.last = chain.last;
    return unlock_posted(mailbox);
}

void mailbox_post_task(struct mailbox *mailbox, struct task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&mailbox->mutex);
    if (mailbox->last_task != NULL)
        mailbox->last_task->next = task;
    else
        mailbox->first_task = task;
    mailbox->last_task = task;
    if (unlock_posted(mailbox))
        mailbox_wake(mailbox);
}

struct mail mailbox_take(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    struct mail mail = {mailbox->effects, mailbox->first_task};
    mailbox->effects = (struct effect_chain){0};
    mailbox->first_task = mailbox->last_task = NULL;
    mailbox->is_asleep = false;
    pthread_mutex_unlock(&mailbox->mutex);
    return mail;
}

bool mailbox_fall_asleep(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->is_asleep = mailbox->effects.first == NULL && mailbox->first_task == NULL;
    bool is_asleep = mailbox->is_asleep;
    pthread_mutex_unlock(&mailbox->mutex);
    return is_asleep;
}

void mailbox_clear_event(struct mailbox *mailbox)
{
    uint64_t count;
    ssize_t size = read(mailbox->event_fd, &count, sizeof count);
    (void)size; /* nothing to read where the event was cleared before */
}
