# SPDX-License-Identifier: Apache-2.0
"""Celery with a real worker process: tasks, results, workflows, remote control, a restart."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import kombu

from client import url
from interop_suite import (
    QUICK,
    Mismatch,
    defer,
    expect,
    expect_true,
    poll,
    restart_broker,
    test,
    unique,
)

QUEUE = unique("celery")
MARKS = tempfile.mkdtemp(prefix="leveret-interop-celery-")
RESULT_TIMEOUT_S = 30

os.environ.update(
    INTEROP_TASK_QUEUE=QUEUE, INTEROP_MARKS=MARKS, INTEROP_BROKER_URL=url(), PYTHONUNBUFFERED="1"
)

from celery import chain, chord, group, signature  # noqa: E402
from celery.exceptions import TaskRevokedError  # noqa: E402

import tasks  # noqa: E402


class Worker:
    """A worker process; its log is shown if the suite fails."""

    def __init__(self, name, queue, arguments=(), **environment):
        self.name = "%s@interop" % name
        self.queue = queue
        self.log = os.path.join(MARKS, name + ".log")
        command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-n", self.name]
        command += ["-Q", queue, "-c", "2", "-l", "INFO", "-E", *arguments]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(os.environ, INTEROP_TASK_QUEUE=queue, **environment),
                cwd=os.path.dirname(os.path.abspath(__file__)),
                start_new_session=True,
            )

    def wait_until_ready(self):
        poll(self._is_ready, "the worker %s is ready" % self.name, timeout_s=50)

    def _is_ready(self):
        if self.process.poll() is not None:
            raise Mismatch("the worker ended with %s:\n%s" % (self.process.returncode, self.tail()))
        return " ready." in self.text()

    def text(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def tail(self):
        return "\n".join(self.text().splitlines()[-15:])

    def stop(self):
        """The warm shutdown; the worker's exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()


_workers = {}


def worker():
    """The worker that most tests share, started by the first of them."""
    if "main" not in _workers:
        _workers["main"] = Worker("main", QUEUE)
        _workers["main"].wait_until_ready()
    return _workers["main"]


@atexit.register
def _end_workers():
    for started in _workers.values():
        started.stop()
    try:
        with kombu.Connection(url(), connect_timeout=5) as conn:
            conn.default_channel.queue_delete(QUEUE)
            conn.default_channel.exchange_delete(QUEUE)
    except OSError as error:
        print("# clean-up: %s" % error)
    shutil.rmtree(MARKS, ignore_errors=True)


def marks(name):
    path = os.path.join(MARKS, name)
    return os.path.getsize(path) if os.path.exists(path) else 0


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


@test
def celery_chord():
    """Results in files, as the rpc back end has no chords; the tasks go through the broker."""
    queue = unique("chords")
    backend = "file://" + tempfile.mkdtemp(prefix="results-", dir=MARKS)
    os.environ["INTEROP_RESULT_BACKEND"] = backend
    _workers["chords"] = Worker("chords", queue)
    defer(_delete_task_queue, queue)
    defer(_workers["chords"].stop)
    try:
        app = tasks.make_app()
    finally:
        del os.environ["INTEROP_RESULT_BACKEND"]
    app.conf.task_default_queue = queue
    app.conf.task_default_exchange = app.conf.task_default_routing_key = queue
    _workers["chords"].wait_until_ready()
    with app.connection_for_write():
        header = [signature("tasks.add", (n, n), app=app) for n in range(5)]
        result = chord(header, app=app)(signature("tasks.total", app=app))
        expect(result.get(timeout=RESULT_TIMEOUT_S), 20, "result")
    app.close()


def _delete_task_queue(queue):
    with kombu.Connection(url()) as conn:
        conn.default_channel.queue_delete(queue)
        conn.default_channel.exchange_delete(queue)


# --- redelivery --------------------------------------------------------------------------------


@test
def celery_task_of_a_killed_process_is_delivered_again():
    worker()
    result = tasks.dies_once.delay(unique("dies"))
    expect(result.get(timeout=RESULT_TIMEOUT_S), True, "redelivered, the second time")


# --- remote control ----------------------------------------------------------------------------


def inspect():
    return tasks.app.control.inspect(destination=[worker().name], timeout=5)


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
        replies = command(1, destination=[worker().name], reply=True, timeout=5)
        expect_true(replies and "ok" in replies[0][worker().name], "reply: %r" % replies)
    results = [tasks.add.delay(n, n) for n in range(20)]
    got = [result.get(timeout=RESULT_TIMEOUT_S) for result in results]
    expect(got, [2 * n for n in range(20)], "results")


@test
def celery_consumer_is_added_and_cancelled():
    worker()
    control, name, queue = tasks.app.control, unique("added"), unique("queue")
    defer(_delete_task_queue, queue)
    tasks.mark.apply_async((name,), queue=queue)
    replies = control.add_consumer(queue, destination=[worker().name], reply=True, timeout=5)
    expect_true(replies and "ok" in replies[0][worker().name], "reply: %r" % replies)
    poll(lambda: marks(name) == 1, "the task that waited ran")
    control.cancel_consumer(queue, destination=[worker().name], reply=True, timeout=5)
    # The worker replies before it cancels.
    poll(lambda: queue not in str(inspect().active_queues()), "the queue is given up")
    tasks.mark.apply_async((name,), queue=queue)
    with kombu.Connection(url()) as conn:
        poll(
            lambda: conn.default_channel.queue_declare(queue, passive=True).message_count == 1,
            "the next task waits",
        )


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


# --- the end -----------------------------------------------------------------------------------


@test
def celery_worker_shuts_down_on_request():
    started = worker()
    tasks.app.control.shutdown(destination=[started.name])
    poll(lambda: started.process.poll() is not None, "the worker ended", timeout_s=30)
    expect(started.process.returncode, 0, "exit status")
    del _workers["main"]


@test
def celery_worker_survives_a_broker_restart():
    worker()
    app = tasks.app
    waiting, running = unique("waiting"), unique("queue")
    defer(_delete_task_queue, running)
    tasks.mark.apply_async((waiting,), queue=running)  # persistent; nobody consumes this queue

    restart_broker()

    poll(lambda: _answers(app), "the worker answers again", timeout_s=45)
    expect(tasks.add.delay(20, 22).get(timeout=RESULT_TIMEOUT_S), 42, "result")
    app.control.add_consumer(running, destination=[worker().name])
    poll(lambda: marks(waiting) == 1, "the task that waited over the restart ran")
    expect(worker().process.poll(), None, "exit status of the worker")


def _answers(app):
    try:
        return app.control.inspect(destination=[worker().name], timeout=1).ping()
    except (OSError, kombu.exceptions.OperationalError):
        return None
