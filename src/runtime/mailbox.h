/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_MAILBOX_H
#define LEVERET_RUNTIME_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>

#include "broker/effect.h"

/* The one kind of link between threads: everybody posts, the owner takes all at once. */

/* Something to run on the owner's thread. It frees itself. */
struct task {
    struct task *next;
    void (*run)(struct task *task);
};

struct mailbox {
    pthread_mutex_t mutex;
    struct effect_chain effects;
    struct task *first_task;
    struct task *last_task;
    bool is_asleep; /* the owner waits in its event loop: who posts must wake it */
    int event_fd;   /* readable when the owner was woken */
};

/* What was in a mailbox, in the order in which it was posted. */
struct mail {
    struct effect_chain effects;
    struct task *tasks;
};

void mailbox_init(struct mailbox *mailbox);
/* Drops what is still in it; tasks are the poster's loss. */
void mailbox_fini(struct mailbox *mailbox);

/* Any thread. The chain's effects pass to the mailbox. true where the owner sleeps: the caller, and
 * nobody else, is to wake it, soon. */
bool mailbox_leave_effects(struct mailbox *mailbox, struct effect_chain chain);
void mailbox_wake(struct mailbox *mailbox);
/* Any thread. The owner is woken. */
void mailbox_post_task(struct mailbox *mailbox, struct task *task);

/* The owner: takes everything, and is awake. */
struct mail mailbox_take(struct mailbox *mailbox);
/* The owner: is about to wait. false where there is mail already: do not wait. */
bool mailbox_fall_asleep(struct mailbox *mailbox);
/* The owner: clears the event after it was woken. */
void mailbox_clear_event(struct mailbox *mailbox);

#endif
