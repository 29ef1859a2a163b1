# SPDX-License-Identifier: Apache-2.0
"""The Celery application that the worker processes run and the tests call."""

import os
import time

from celery import Celery
from celery.exceptions import Reject
from kombu import Exchange, Queue

MARKS = os.environ["INTEROP_MARKS"]


def classic(queue):
    """Classic queue, global prefetch: what a Celery that is configured by nobody does."""
    return dict(
        task_default_queue=queue,
        task_default_exchange=queue,
        task_default_routing_key=queue,
    )


def priorities(queue):
    """Priorities as Celery documents them: a maximum, one task at a time, acknowledged late."""
    return dict(
        classic(queue),
        task_queue_max_priority=10,
        task_inherit_parent_priority=True,
        task_acks_late=True,
        worker_prefetch_multiplier=1,
    )


def quorum(queue):
    """Quorum queues, with which an ETA waits in the broker (native delayed delivery). A task that
    fails too often, is refused or waits too long in `.short` is dead-lettered to `.dead`."""
    exchange, dead = Exchange(queue, type="topic"), queue + ".dead"
    to_dead = {"x-dead-letter-exchange": queue, "x-dead-letter-routing-key": dead}
    limited = {"x-queue-type": "quorum", "x-delivery-limit": 2, **to_dead}
    return dict(
        classic(queue),
        task_default_exchange_type="topic",
        task_queues=[
            Queue(queue, exchange, routing_key=queue, queue_arguments=limited),
            Queue(
                queue + ".short",
                exchange,
                routing_key=queue + ".short",
                message_ttl=0.5,
                queue_arguments=to_dead,
            ),
            Queue(dead, exchange, routing_key=dead),
        ],
        broker_transport_options={"confirm_publish": True},
    )


PROFILES = dict(classic=classic, priorities=priorities, quorum=quorum)


def make_app(queue, profile="classic", result_backend="rpc://", current=False):
    app = Celery(
        "interop",
        broker=os.environ["INTEROP_BROKER_URL"],
        backend=result_backend,
        set_as_current=current,
    )
    app.conf.update(
        result_persistent=False,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_heartbeat=4,
        worker_hijack_root_logger=False,
        worker_prefetch_multiplier=2,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        task_publish_retry_policy=dict(
            max_retries=20, interval_start=0, interval_step=0.2, interval_max=1
        ),
    )
    app.conf.update(PROFILES[profile](queue))
    return app


app = make_app(
    os.environ["INTEROP_TASK_QUEUE"],
    os.environ.get("INTEROP_PROFILE", "classic"),
    os.environ.get("INTEROP_RESULT_BACKEND", "rpc://"),
    current=True,
)


def count_mark(name):
    """How often this was called with the name, in any process."""
    path = os.path.join(MARKS, name)
    with open(path, "a") as marks:
        marks.write("x")
    return os.path.getsize(path)


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def echo(value):
    return value


@app.task
def fail(text):
    raise ValueError(text)


@app.task(bind=True, max_retries=5, default_retry_delay=0.1)
def flaky(self, failures, countdown=0.1):
    """Fails so many times before it gives back how often it was tried."""
    if self.request.retries < failures:
        raise self.retry(countdown=countdown)
    return self.request.retries + 1


@app.task
def clock():
    return time.time()


@app.task(bind=True)
def delivery(self):
    """How this task came."""
    return {
        "at": time.time(),
        "routing_key": self.request.delivery_info["routing_key"],
        "priority": self.request.delivery_info["priority"],
        "redelivered": self.request.delivery_info["redelivered"],
    }


@app.task(bind=True)
def priority_of_a_child(self):
    """Calls a task without a priority from one that has one; the child's identifier."""
    return delivery.delay().id


@app.task(bind=True, max_retries=1)
def priority_after_retry(self):
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    return self.request.delivery_info["priority"]


@app.task(ignore_result=True)
def wait_for(name):
    """Occupies a process until the file is there."""
    deadline_s = time.monotonic() + 30
    while not os.path.exists(os.path.join(MARKS, name)) and time.monotonic() < deadline_s:
        time.sleep(0.02)


@app.task
def slow(seconds):
    time.sleep(seconds)
    return seconds


@app.task
def note(name, value):
    """Writes a line to a file, in the order in which the tasks run."""
    with open(os.path.join(MARKS, name), "a") as lines:
        lines.write("%s\n" % value)


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def dies_once(self, name):
    """Kills its own process the first time; the broker has to deliver it again."""
    if count_mark(name) == 1:
        os.kill(os.getpid(), 9)
    return self.request.delivery_info["redelivered"]


@app.task(acks_late=True, reject_on_worker_lost=True, ignore_result=True)
def dies_always(name):
    count_mark(name)
    os.kill(os.getpid(), 9)


@app.task(bind=True, acks_late=True)
def survives(self, name, seconds):
    """Takes its time at the first try, during which the worker is killed."""
    if count_mark(name) == 1:
        time.sleep(seconds)
    return self.request.delivery_info["redelivered"]


@app.task(acks_late=True, ignore_result=True)
def refuses():
    """Rejected without requeueing: dead-lettered."""
    raise Reject("on purpose", requeue=False)


@app.task(ignore_result=True)
def mark(name):
    count_mark(name)


@app.task(bind=True)
def progress(self):
    self.update_state(state="PROGRESS", meta={"percent": 50})
    return "done"
