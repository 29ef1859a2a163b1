/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watchdog is satisfied by threads that come round their loops, and by nothing else. The test
 * plays the threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/mailbox.h"
#include "runtime/watchdog.h"

static void come_round(struct mailbox *mailbox)
{
    struct mail mail = mailbox_take(mailbox);
    while (mail.tasks != NULL) {
        struct task *task = mail.tasks;
        mail.tasks = task->next;
        task->run(task);
    }
}

static void all_must_answer(void **state)
{
    struct mailbox mailboxes[2];
    (void)state;
    mailbox_init(&mailboxes[0]);
    mailbox_init(&mailboxes[1]);
    struct watchdog *watchdog = watchdog_new(mailboxes, 2);
    assert_true(watchdog_ask(watchdog));
    assert_false(watchdog_ask(watchdog));
    come_round(&mailboxes[0]);
    assert_false(watchdog_ask(watchdog));
    come_round(&mailboxes[0]);
    assert_false(watchdog_ask(watchdog));
    come_round(&mailboxes[1]);
    assert_true(watchdog_ask(watchdog));
    come_round(&mailboxes[1]);
    assert_false(watchdog_ask(watchdog));
    come_round(&mailboxes[0]);
    assert_true(watchdog_ask(watchdog));
    watchdog_free(watchdog);
    mailbox_fini(&mailboxes[0]);
    mailbox_fini(&mailboxes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_must_answer)};
    return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
