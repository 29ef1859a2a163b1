# SPDX-License-Identifier: Apache-2.0
"""What Celery does by default: tasks, results over rpc, workflows, remote control, events."""

import socket
import time

import kombu
from celery import chain, group
from celery.exceptions import TaskRevokedError

from interop_suite import QUICK, Mismatch, defer, expect, expect_true, poll, test, unique
from worker import (
    QUEUE,
    RESULT_TIMEOUT_S,
    Site,
    add_site,
    delete_queues,
    marks,
    message_count,
    started,
    tasks,
    url,
)

MAIN = add_site(Site("main", "classic", QUEUE))


def worker():
    return started(MAIN)


def inspect():
    return MAIN.inspect()


# --- tasks and results -------------------------------------------------------------------------


@test
def celery_worker_starts():
    worker()
    expect_true("mingle" in worker().text(), "the worker looked for its neighbours")


@test
def celery_task_and_result():
    worker()
    expect(tasks.add.delay(2, 3).get(timeout=RESULT_TIMEOUT_S), 5, "result")


@test
def celery_many_tasks_and_results():
    worker()
    count = 50 if QUICK else 300
    results = [tasks.add.delay(n, n) for n in range(count)]
    got = [result.get(timeout=RESULT_TIMEOUT_S) for result in results]
    expect(got, [2 * n for n in range(count)], "results")


@test
def celery_failed_task_raises():
    worker()
    try:
        tasks.fail.delay("on purpose").get(timeout=RESULT_TIMEOUT_S)
    except ValueError as error:
        expect(str(error), "on purpose", "text")
        return
    raise Mismatch("the task did not fail")


@test
def celery_retries():
    worker()
    expect(tasks.flaky.delay(3).get(timeout=RESULT_TIMEOUT_S), 4, "times tried")


@test
def celery_large_arguments_and_results():
    worker()
    text = "0123456789" * (100000 if QUICK else 300000)
    got = tasks.echo.delay(text).get(timeout=RESULT_TIMEOUT_S)
    expect(got == text, True, "%d characters there and back" % len(text))


@test
def celery_eta_and_countdown():
    worker()
    sent_at = time.time()
    ran_at = tasks.clock.apply_async(countdown=1.5).get(timeout=RESULT_TIMEOUT_S)
    expect_true(1.4 <= ran_at - sent_at <= 10, "ran after %.2f s" % (ran_at - sent_at))


@test
def celery_expired_task_is_revoked():
    worker()
    result = tasks.add.apply_async((1, 1), countdown=1, expires=0.2)
    try:
        result.get(timeout=RESULT_TIMEOUT_S)
    except TaskRevokedError:
        return
    raise Mismatch("an expired task ran")


@test
def celery_progress_states():
    worker()
    seen = []
    result = tasks.progress.delay()
    value = result.get(
        timeout=RESULT_TIMEOUT_S, on_message=lambda meta: seen.append(meta["status"])
    )
    expect(value, "done", "result")
    expect(seen, ["PROGRESS", "SUCCESS"], "states")


# --- workflows ---------------------------------------------------------------------------------


@test
def celery_group():
    worker()
    result = group(tasks.add.s(n, 1) for n in range(10)).apply_async()
    expect(result.get(timeout=RESULT_TIMEOUT_S), list(range(1, 11)), "results")


@test
def celery_chain():
    worker()
    result = chain(tasks.add.s(1, 2), tasks.add.s(10), tasks.add.s(100)).apply_async()
    expect(result.get(timeout=RESULT_TIMEOUT_S), 113, "result")


@test
def celery_link_callback():
    worker()
    name = unique("linked")
    tasks.add.apply_async((1, 1), link=tasks.mark.si(name))
    poll(lambda: marks(name) == 1, "the callback ran")


# --- redelivery --------------------------------------------------------------------------------


@test
def celery_task_of_a_killed_process_is_delivered_again():
    worker()
    result = tasks.dies_once.delay(unique("dies"))
    expect(result.get(timeout=RESULT_TIMEOUT_S), True, "redelivered, the second time")


# --- remote control ----------------------------------------------------------------------------


@test
def celery_inspect_ping():
    expect(inspect().ping(), {worker().name: {"ok": "pong"}}, "reply")


@test
def celery_broadcast_ping():
    name = worker().name
    replies = tasks.app.control.ping(timeout=2)
    expect_true({name: {"ok": "pong"}} in replies, "replies: %r" % replies)


@test
def celery_inspect_active_queues_and_registered():
    queues = inspect().active_queues()[worker().name]
    expect([queue["name"] for queue in queues], [QUEUE], "queues")
    expect_true("tasks.add" in inspect().registered()[worker().name], "registered tasks")


@test
def celery_inspect_stats():
    stats = inspect().stats()[worker().name]
    expect(stats["broker"]["transport"], "amqp", "transport")
    expect_true(stats["total"].get("tasks.add", 0) >= 1, "tasks counted: %r" % stats["total"])


@test
def celery_revoke_before_start():
    worker()
    result = tasks.add.apply_async((1, 1), countdown=2)
    poll(lambda: result.id in str(inspect().scheduled()), "the task is scheduled")
    result.revoke()
    try:
        result.get(timeout=RESULT_TIMEOUT_S)
    except TaskRevokedError:
        return
    raise Mismatch("a revoked task ran")


@test
def celery_revoke_and_terminate():
    worker()
    result = tasks.slow.delay(60)
    poll(lambda: result.id in str(inspect().active()), "the task is active")
    result.revoke(terminate=True, signal="SIGKILL")
    try:
        result.get(timeout=RESULT_TIMEOUT_S)
    except TaskRevokedError:
        expect(tasks.add.delay(1, 1).get(timeout=RESULT_TIMEOUT_S), 2, "a task after that")
        return
    raise Mismatch("a terminated task had a result")


@test
def celery_prefetch_follows_the_pool():
    """pool_grow makes the worker raise its prefetch count on the running consumer."""
    worker()
    control = tasks.app.control
    for command in (control.pool_grow, control.pool_shrink):

        def is_done(command=command):
            # A process that is just being started, or still busy, cannot be spared yet.
            replies = command(1, destination=[worker().name], reply=True, timeout=5)
            expect_true(replies and ("ok" in replies[0][worker().name] or "busy" in str(replies)),
                        "reply: %r" % replies)  # fmt: skip
            return "ok" in replies[0][worker().name]

        poll(is_done, "the pool has another size")
    results = [tasks.add.delay(n, n) for n in range(20)]
    got = [result.get(timeout=RESULT_TIMEOUT_S) for result in results]
    expect(got, [2 * n for n in range(20)], "results")


@test
def celery_consumer_is_added_and_cancelled():
    worker()
    control, name, queue = tasks.app.control, unique("added"), unique("queue")
    defer(delete_queues, queue)
    tasks.mark.apply_async((name,), queue=queue)
    replies = control.add_consumer(queue, destination=[worker().name], reply=True, timeout=5)
    expect_true(replies and "ok" in replies[0][worker().name], "reply: %r" % replies)
    poll(lambda: marks(name) == 1, "the task that waited ran")
    control.cancel_consumer(queue, destination=[worker().name], reply=True, timeout=5)
    # The worker replies before it cancels.
    poll(lambda: queue not in str(inspect().active_queues()), "the queue is given up")
    tasks.mark.apply_async((name,), queue=queue)
    with kombu.Connection(url()) as conn:
        poll(lambda: message_count(conn.default_channel, queue) == 1, "the next task waits")


@test
def celery_events_reach_a_monitor():
    worker()
    seen = []
    with tasks.app.connection() as conn:
        receiver = tasks.app.events.Receiver(
            conn, handlers={"*": lambda event: seen.append((event["type"], event.get("uuid")))}
        )
        with receiver.consumer_context() as (events, _channel, _consumers):
            result = tasks.add.delay(4, 4)
            wanted = {("task-received", result.id), ("task-succeeded", result.id)}
            poll(lambda: _receive(events) or wanted <= set(seen), "events of the task")
    expect(result.get(timeout=RESULT_TIMEOUT_S), 8, "result")


def _receive(conn):
    try:
        conn.drain_events(timeout=0.1)
    except socket.timeout:
        pass
