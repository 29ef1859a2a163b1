# SPDX-License-Identifier: Apache-2.0
"""Priorities, and results in a database, with which chords work."""

import os

from celery import chain, chord, group

from interop_suite import defer, expect, expect_true, poll, test, unique
from worker import MARKS, RESULT_TIMEOUT_S, Site, add_site, lines, started

SITE = add_site(
    Site(
        "priorities",
        "priorities",
        result_backend="db+sqlite:///" + os.path.join(MARKS, "results.db"),
        arguments=("-c", "1"),
    )
)


def task(name, *arguments, **options):
    return SITE.app.signature("tasks." + name, args=arguments, **options)


# --- priorities --------------------------------------------------------------------------------


def close_gate():
    """Keeps the worker's one process busy until the function that this returns is called."""
    gate = unique("gate")
    path = os.path.join(MARKS, gate)

    def open_gate():
        with open(path, "w"):
            pass

    defer(open_gate)
    SITE.call("wait_for", gate)
    poll(lambda: "tasks.wait_for" in str(SITE.inspect().active()), "the worker is busy")
    return open_gate


@test
def celery_tasks_run_by_priority():
    started(SITE)
    name = unique("order")
    open_gate = close_gate()
    sent = [0, 9, 3, None, 12, 9, 10, 5, 0]
    for number, priority in enumerate(sent):
        options = {} if priority is None else {"priority": priority}
        SITE.call("note", name, number, **options)

    open_gate()

    poll(lambda: len(lines(name)) == len(sent), "all tasks ran")
    # 12 counts as the queue's maximum of 10, none as 0.
    expect([int(number) for number in lines(name)], [4, 6, 1, 5, 7, 2, 0, 3, 8], "order")


@test
def celery_urgent_task_overtakes_a_backlog():
    started(SITE)
    name = unique("backlog")
    open_gate = close_gate()
    for number in range(40):
        SITE.call("note", name, number, priority=1)
    urgent = SITE.call("note", name, "urgent", priority=9)

    open_gate()

    urgent.get(timeout=RESULT_TIMEOUT_S)
    poll(lambda: len(lines(name)) == 41, "all tasks ran")
    expect(lines(name), ["urgent"] + [str(number) for number in range(40)], "order")


@test
def celery_task_sees_its_priority():
    started(SITE)
    got = [SITE.value("delivery", priority=given)["priority"] for given in (0, 7, 12)]
    expect(got, [0, 7, 12], "priorities")


@test
def celery_child_inherits_the_priority():
    started(SITE)
    child = SITE.app.AsyncResult(SITE.value("priority_of_a_child", priority=8))
    expect(child.get(timeout=RESULT_TIMEOUT_S)["priority"], 8, "priority of the child")


@test
def celery_retry_keeps_the_priority():
    started(SITE)
    expect(SITE.value("priority_after_retry", priority=9), 9, "priority after a retry")


# --- results in a database ---------------------------------------------------------------------


@test
def celery_chord_by_database():
    started(SITE)
    result = chord([task("add", n, n) for n in range(5)], app=SITE.app)(task("total"))
    expect(result.get(timeout=RESULT_TIMEOUT_S), 20, "result")


@test
def celery_group_within_a_chain_by_database():
    started(SITE)
    numbers = group([task("add", n, 1) for n in range(4)], app=SITE.app)
    flow = chain(numbers, task("total"), task("add", 100), app=SITE.app)
    expect(flow.apply_async().get(timeout=RESULT_TIMEOUT_S), 110, "result")


@test
def celery_chord_of_a_failed_task_by_database():
    started(SITE)
    header = [task("add", 1, 1), task("fail", "on purpose")]
    result = chord(header, app=SITE.app)(task("total"))
    error = result.get(timeout=RESULT_TIMEOUT_S, propagate=False)
    expect(result.status, "FAILURE", "status")
    expect_true("on purpose" in str(error), "the reason: %r" % error)


@test
def celery_result_is_read_by_another_application():
    started(SITE)
    result = SITE.call("add", 20, 22)
    expect(result.get(timeout=RESULT_TIMEOUT_S), 42, "result")
    again = SITE.app.AsyncResult(result.id)
    expect((again.status, again.result), ("SUCCESS", 42), "read by its identifier")
    again.forget()
    expect(SITE.app.AsyncResult(result.id).status, "PENDING", "status after it was forgotten")
