# SPDX-License-Identifier: Apache-2.0
"""The application that the worker runs and flower looks at."""

import os

import celery
from kombu import Queue

NAME = os.environ["INTEROP_TASK_QUEUE"]

app = celery.Celery("interop", broker=os.environ["INTEROP_BROKER_URL"], backend="rpc://")
app.conf.task_default_queue = NAME
# Without a worker: what is sent there stays.
app.conf.task_queues = [Queue(NAME, routing_key=NAME)]
app.conf.broker_connection_retry_on_startup = True


@app.task(name="add")
def add(x, y):
    return x + y
