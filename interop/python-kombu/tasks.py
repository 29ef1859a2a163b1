# SPDX-License-Identifier: Apache-2.0
"""The Celery application that the worker process runs and the tests call."""

import os
import time

from celery import Celery

QUEUE = os.environ["INTEROP_TASK_QUEUE"]
MARKS = os.environ["INTEROP_MARKS"]


def make_app():
    app = Celery("interop", broker=os.environ["INTEROP_BROKER_URL"])
    app.conf.update(
        result_backend=os.environ.get("INTEROP_RESULT_BACKEND", "rpc://"),
        result_persistent=False,
        task_default_queue=QUEUE,
        task_default_exchange=QUEUE,
        task_default_routing_key=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_heartbeat=4,
        worker_hijack_root_logger=False,
        worker_prefetch_multiplier=2,
        task_publish_retry_policy=dict(
            max_retries=20, interval_start=0, interval_step=0.2, interval_max=1
        ),
    )
    return app


app = make_app()


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
def flaky(self, failures):
    """Fails so many times before it gives back how often it was tried."""
    if self.request.retries < failures:
        raise self.retry()
    return self.request.retries + 1


@app.task
def clock():
    return time.time()


@app.task
def slow(seconds):
    time.sleep(seconds)
    return seconds


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def dies_once(self, name):
    """Kills its own process the first time; the broker has to deliver it again."""
    if count_mark(name) == 1:
        os.kill(os.getpid(), 9)
    return self.request.delivery_info["redelivered"]


@app.task(ignore_result=True)
def mark(name):
    count_mark(name)


@app.task(bind=True)
def progress(self):
    self.update_state(state="PROGRESS", meta={"percent": 50})
    return "done"
