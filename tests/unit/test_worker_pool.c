/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool with real threads: who comes first, for whom threads and places are kept, and what
 * becomes of work that waits or runs when nobody wants it any more. Work that blocks stands at a
 * barrier of the test's, or in a system call, as a question to a silent server does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/check.h"
#include "runtime/worker_pool.h"

enum { limit_s = 20 };

struct step {
    struct work work;
    sem_t has_begun;
    sem_t may_end;
    _Atomic unsigned *clock; /* or NULL */
    unsigned begun_at;
};

static void stand(struct work *work)
{
    struct step *step = container_of(work, struct step, work);
    if (step->clock != NULL)
        step->begun_at = ++*step->clock;
    CHECK(sem_post(&step->has_begun) == 0);
    while (sem_wait(&step->may_end) != 0)
        CHECK(errno == EINTR);
}

static void wait_in_poll(struct work *work)
{
    struct step *step = container_of(work, struct step, work);
    CHECK(sem_post(&step->has_begun) == 0);
    while (poll(NULL, 0, limit_s * 1000) == 0)
        ;
    CHECK(errno == EINTR);
}

static void init_step(struct step *step, enum work_rank rank, void (*run)(struct work *work))
{
    *step = (struct step){.work = {.rank = rank, .run = run}};
    assert_int_equal(sem_init(&step->has_begun, 0, 0), 0);
    assert_int_equal(sem_init(&step->may_end, 0, 0), 0);
}

static bool begins(struct step *step)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += limit_s;
    return sem_timedwait(&step->has_begun, &until) == 0;
}

static bool has_begun(struct step *step)
{
    return sem_trywait(&step->has_begun) == 0;
}

static void let_end(struct step *step)
{
    assert_int_equal(sem_post(&step->may_end), 0);
}

static struct worker_pool *new_pool(size_t threads, size_t for_strangers, size_t places)
{
    return worker_pool_new(&(struct worker_pool_limits){.thread_name = "test",
                                                        .threads_max = threads,
                                                        .stranger_threads_max = for_strangers,
                                                        .strangers_max = places});
}

static void end_pool(struct worker_pool *pool)
{
    worker_pool_end(pool);
    worker_pool_free(pool);
}

static void users_come_before_strangers(void **state)
{
    struct worker_pool *pool = new_pool(1, 1, 9);
    struct step first, stranger, user;
    _Atomic unsigned clock = 0;
    (void)state;
    init_step(&first, WORK_FOR_STRANGERS, stand);
    init_step(&stranger, WORK_FOR_STRANGERS, stand);
    init_step(&user, WORK_FOR_USERS, stand);
    stranger.clock = user.clock = &clock;
    assert_true(worker_pool_submit(pool, &first.work));
    assert_true(begins(&first));
    assert_true(worker_pool_submit(pool, &stranger.work));
    assert_true(worker_pool_submit(pool, &user.work));
    let_end(&first);
    let_end(&stranger);
    let_end(&user);
    assert_true(begins(&user) && begins(&stranger));
    assert_true(user.begun_at < stranger.begun_at);
    end_pool(pool);
}

static void strangers_leave_threads_to_users(void **state)
{
    struct worker_pool *pool = new_pool(2, 1, 9);
    struct step strangers[2], user;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        init_step(&strangers[i], WORK_FOR_STRANGERS, stand);
        assert_true(worker_pool_submit(pool, &strangers[i].work));
    }
    assert_true(begins(&strangers[0]));
    init_step(&user, WORK_FOR_USERS, stand);
    assert_true(worker_pool_submit(pool, &user.work));
    assert_true(begins(&user));
    let_end(&user);
    assert_false(has_begun(&strangers[1]));
    let_end(&strangers[0]);
    assert_true(begins(&strangers[1]));
    let_end(&strangers[1]);
    end_pool(pool);
}

static void only_so_many_strangers_wait(void **state)
{
    struct worker_pool *pool = new_pool(1, 1, 2);
    struct step steps[5];
    (void)state;
    for (size_t i = 0; i < 5; i++)
        init_step(&steps[i], i < 4 ? WORK_FOR_STRANGERS : WORK_FOR_USERS, stand);
    assert_true(worker_pool_submit(pool, &steps[0].work));
    assert_true(begins(&steps[0]));
    assert_true(worker_pool_submit(pool, &steps[1].work));
    assert_true(worker_pool_submit(pool, &steps[2].work));
    assert_false(worker_pool_submit(pool, &steps[3].work));
    assert_true(worker_pool_submit(pool, &steps[4].work));
    /* A place that becomes free is one for the next. */
    assert_true(worker_pool_cancel(pool, &steps[1].work));
    assert_true(worker_pool_submit(pool, &steps[3].work));
    for (size_t i = 0; i < 5; i++)
        let_end(&steps[i]);
    assert_true(begins(&steps[2]) && begins(&steps[3]) && begins(&steps[4]));
    assert_false(has_begun(&steps[1]));
    end_pool(pool);
}

static void what_runs_cannot_be_cancelled(void **state)
{
    struct worker_pool *pool = new_pool(1, 1, 9);
    struct step step;
    (void)state;
    init_step(&step, WORK_FOR_USERS, stand);
    assert_true(worker_pool_submit(pool, &step.work));
    assert_true(begins(&step));
    assert_false(worker_pool_cancel(pool, &step.work));
    let_end(&step);
    end_pool(pool);
}

static void the_end_interrupts_what_runs_and_begins_nothing(void **state)
{
    struct worker_pool *pool = new_pool(2, 2, 9);
    struct step steps[4];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        init_step(&steps[i], i % 2 == 0 ? WORK_FOR_USERS : WORK_FOR_STRANGERS, wait_in_poll);
        assert_true(worker_pool_submit(pool, &steps[i].work));
        assert_true(i >= 2 || begins(&steps[i]));
    }
    worker_pool_end(pool);
    for (size_t i = 2; i < 4; i++) {
        assert_false(has_begun(&steps[i]));
        assert_true(worker_pool_cancel(pool, &steps[i].work));
        assert_false(worker_pool_submit(pool, &steps[i].work));
    }
    worker_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_come_before_strangers),
        cmocka_unit_test(strangers_leave_threads_to_users),
        cmocka_unit_test(only_so_many_strangers_wait),
        cmocka_unit_test(what_runs_cannot_be_cancelled),
        cmocka_unit_test(the_end_interrupts_what_runs_and_begins_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
