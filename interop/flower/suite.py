# SPDX-License-Identifier: Apache-2.0
"""The suite of flower: it shows the queues of a worker by the management API, and its tasks by events."""

import atexit
import html.parser
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import management
import private_broker
from interop_suite import BROKER, Mismatch, expect, main, poll, test, unique

WORK = tempfile.mkdtemp(prefix="leveret-interop-flower-")
HERE = os.path.dirname(os.path.abspath(__file__))
QUEUE = unique("flower")
URL = "amqp://%s:%s@%s:%d/%s"
ENVIRONMENT = {
    "INTEROP_BROKER_URL": URL % (BROKER.user, BROKER.password, BROKER.host, BROKER.port, BROKER.vhost),
    "INTEROP_TASK_QUEUE": QUEUE,
    "FLOWER_UNAUTHENTICATED_API": "true",  # on loopback; without it the API answers nobody
}
os.environ.update(ENVIRONMENT)

import tasks  # noqa: E402  (it reads the environment)

START_S, STOP_S = 50, 20
PROCESSES = []


def start(name, *words):
    log = os.path.join(WORK, name + ".log")
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "tasks", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, PYTHONUNBUFFERED="1"),
            cwd=HERE,
            start_new_session=True,
        )
    PROCESSES.append(process)
    return process, log


def stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@atexit.register
def end():
    for process in PROCESSES:
        stop(process)
    shutil.rmtree(WORK)


def worker():
    options = ["-Q", QUEUE, "-l", "INFO", "-E", "--concurrency", "1", "-n", "flower@interop"]
    process, log = start("worker", "worker", *options)

    def is_ready():
        with open(log, errors="replace") as lines:
            text = lines.read()
        if process.poll() is not None:
            raise Mismatch("the worker ended: " + text[-500:])
        return " ready." in text

    poll(is_ready, "the worker is ready", START_S)
    return process


class Flower:
    def __init__(self):
        self.port = private_broker.free_ports(1)[0]
        api = "http://%s:%s@%s:%d/api/" % (BROKER.user, BROKER.password, BROKER.host, BROKER.management_port)
        self.process, self.log = start(
            "flower", "flower", "--address=127.0.0.1", "--port=%d" % self.port, "--broker_api=" + api
        )
        poll(self.is_up, "flower answers", START_S)

    def is_up(self):
        if self.process.poll() is not None:
            with open(self.log, errors="replace") as lines:
                raise Mismatch("flower ended: " + lines.read()[-500:])
        try:
            return self.get("/healthcheck") == "OK"
        except (urllib.error.URLError, ConnectionError):
            return False

    def get(self, path):
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.port, path), timeout=20) as answer:
            return answer.read().decode()

    def lengths(self):
        rows = json.loads(self.get("/api/queues/length"))["active_queues"]
        return {row["name"]: row.get("messages") for row in rows}

    def row(self):
        """The cells that the page of the broker has for the queue."""
        table = Table()
        table.feed(self.get("/broker"))
        return next((row for row in table.rows if row and row[0] == QUEUE), None)


class Table(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self.is_in_cell = [], False

    def handle_starttag(self, tag, _attributes):
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append("")
            self.is_in_cell = True

    def handle_endtag(self, tag):
        self.is_in_cell = self.is_in_cell and tag != "td"

    def handle_data(self, data):
        if self.is_in_cell:
            self.rows[-1][-1] += data.strip()


WORKER = worker()
FLOWER = Flower()


@test
def queues_of_workers_are_found():
    poll(lambda: FLOWER.lengths() == {QUEUE: 0}, "the queue and its length")
    poll(lambda: FLOWER.row() and FLOWER.row()[1:5] == ["0", "0", "0", "1"], "the page of the broker")


@test
def tasks_are_seen():
    expect(tasks.add.delay(2, 3).get(timeout=20), 5, "the result")

    def is_seen():
        found = json.loads(FLOWER.get("/api/tasks")).values()
        return [task["state"] for task in found if task["name"] == "add"] == ["SUCCESS"]

    poll(is_seen, "the task")
    poll(lambda: "flower@interop" in FLOWER.get("/api/workers?refresh=1"), "the worker")


@test
def lengths_follow_what_waits():
    stop(WORKER)
    for number in range(5):
        tasks.add.apply_async((number, number))
    poll(lambda: management.get("queues/%2F/" + QUEUE).get("messages") == 5, "the queue's length")
    expect(FLOWER.lengths(), {QUEUE: 5}, "what flower says")
    poll(lambda: FLOWER.row() and FLOWER.row()[1:5] == ["5", "0", "5", "0"], "the page of the broker")


main()
