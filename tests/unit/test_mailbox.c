/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mailboxes between real threads: what several post arrives complete, in the order of each poster,
 * and an owner that sleeps is always woken, which is the part that a wrong order of announcing and
 * looking would break only now and then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>

#include "base/list.h"
#include "base/xmalloc.h"
#include "runtime/mailbox.h"

enum { posters = 3, posts_each = 20000, deadline_ms = 20000 };

static void post_one(struct mailbox *mailbox, uint64_t poster, uint64_t number)
{
    struct effect_chain chain = {0};
    *effect_chain_add(&chain) =
        (struct effect){.kind = EFFECT_ACK, .connection = poster, .tag = number};
    if (mailbox_leave_effects(mailbox, chain))
        mailbox_wake(mailbox);
}

static bool is_woken(struct mailbox *mailbox, int timeout_ms)
{
    struct pollfd event = {.fd = mailbox->event_fd, .events = POLLIN};
    return poll(&event, 1, timeout_ms) == 1;
}

/* --- one thread */

static void effects_and_tasks_come_in_the_order_of_their_posting(void **state)
{
    struct mailbox mailbox;
    struct task tasks[2];
    (void)state;
    mailbox_init(&mailbox);
    for (uint64_t i = 0; i < 3; i++)
        post_one(&mailbox, 0, i);
    mailbox_post_task(&mailbox, &tasks[0]);
    mailbox_post_task(&mailbox, &tasks[1]);
    struct mail mail = mailbox_take(&mailbox);
    assert_ptr_equal(mail.tasks, &tasks[0]);
    assert_ptr_equal(mail.tasks->next, &tasks[1]);
    assert_null(tasks[1].next);
    uint64_t next = 0;
    for (struct effect_chunk *chunk = mail.effects.first; chunk != NULL; chunk = chunk->next) {
        for (size_t i = 0; i < chunk->count; i++)
            assert_int_equal(chunk->effects[i].tag, next++);
    }
    assert_int_equal(next, 3);
    effect_chain_clear(&mail.effects);
    mail = mailbox_take(&mailbox);
    assert_null(mail.tasks);
    assert_null(mail.effects.first);
    mailbox_fini(&mailbox);
}

static void an_owner_with_mail_does_not_fall_asleep(void **state)
{
    struct mailbox mailbox;
    (void)state;
    mailbox_init(&mailbox);
    post_one(&mailbox, 0, 1);
    assert_false(mailbox_fall_asleep(&mailbox));
    struct mail mail = mailbox_take(&mailbox);
    effect_chain_clear(&mail.effects);
    assert_true(mailbox_fall_asleep(&mailbox));
    mailbox_fini(&mailbox);
}

static void only_a_sleeper_is_woken_and_only_once(void **state)
{
    struct mailbox mailbox;
    (void)state;
    mailbox_init(&mailbox);
    post_one(&mailbox, 0, 1);
    assert_false(is_woken(&mailbox, 0));
    struct mail mail = mailbox_take(&mailbox);
    effect_chain_clear(&mail.effects);
    assert_true(mailbox_fall_asleep(&mailbox));
    post_one(&mailbox, 0, 2);
    assert_true(is_woken(&mailbox, 0));
    mailbox_clear_event(&mailbox);
    post_one(&mailbox, 0, 3);
    assert_false(is_woken(&mailbox, 0));
    mailbox_fini(&mailbox);
}

static void an_empty_chain_wakes_nobody(void **state)
{
    struct mailbox mailbox;
    (void)state;
    mailbox_init(&mailbox);
    assert_true(mailbox_fall_asleep(&mailbox));
    assert_false(mailbox_leave_effects(&mailbox, (struct effect_chain){0}));
    assert_false(is_woken(&mailbox, 0));
    mailbox_fini(&mailbox);
}

/* --- several */

struct counting_task {
    struct task task;
    uint64_t *count;
};

static void count_task(struct task *task)
{
    struct counting_task *counting = container_of(task, struct counting_task, task);
    (*counting->count)++;
    free(counting);
}

struct poster {
    struct mailbox *mailbox;
    uint64_t number;
    uint64_t *task_count; /* the owner's */
    pthread_t thread;
};

static void *post_all(void *context)
{
    struct poster *poster = context;
    for (uint64_t i = 1; i <= posts_each; i++) {
        post_one(poster->mailbox, poster->number, i);
        if (i % 16 != 0)
            continue;
        struct counting_task *counting = xmalloc(sizeof *counting);
        *counting = (struct counting_task){{.run = count_task}, poster->task_count};
        mailbox_post_task(poster->mailbox, &counting->task);
    }
    return NULL;
}

static size_t read_mail(struct mailbox *mailbox, uint64_t *last)
{
    size_t count = 0;
    struct mail mail = mailbox_take(mailbox);
    for (struct effect_chunk *chunk = mail.effects.first; chunk != NULL; chunk = chunk->next) {
        for (size_t i = 0; i < chunk->count; i++, count++) {
            const struct effect *effect = &chunk->effects[i];
            assert_int_equal(effect->tag, last[effect->connection] + 1);
            last[effect->connection] = effect->tag;
        }
    }
    effect_chain_clear(&mail.effects);
    while (mail.tasks != NULL) {
        struct task *task = mail.tasks;
        mail.tasks = task->next;
        task->run(task);
        count++;
    }
    return count;
}

static void nothing_is_lost_between_threads_and_no_wake_up_either(void **state)
{
    enum { expected = posters * (posts_each + posts_each / 16) };
    struct mailbox mailbox;
    struct poster threads[posters];
    uint64_t last[posters] = {0}, task_count = 0;
    size_t count = 0;
    (void)state;
    mailbox_init(&mailbox);
    for (uint64_t i = 0; i < posters; i++) {
        threads[i] = (struct poster){.mailbox = &mailbox, .number = i, .task_count = &task_count};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, post_all, &threads[i]), 0);
    }
    while (count < expected) {
        if (mailbox_fall_asleep(&mailbox)) {
            assert_true(is_woken(&mailbox, deadline_ms));
            mailbox_clear_event(&mailbox);
        }
        count += read_mail(&mailbox, last);
    }
    for (size_t i = 0; i < posters; i++)
        pthread_join(threads[i].thread, NULL);
    assert_int_equal(count, expected);
    assert_int_equal(task_count, posters * (posts_each / 16));
    mailbox_fini(&mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effects_and_tasks_come_in_the_order_of_their_posting),
        cmocka_unit_test(an_owner_with_mail_does_not_fall_asleep),
        cmocka_unit_test(only_a_sleeper_is_woken_and_only_once),
        cmocka_unit_test(an_empty_chain_wakes_nobody),
        cmocka_unit_test(nothing_is_lost_between_threads_and_no_wake_up_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
