# SPDX-License-Identifier: Apache-2.0
"""Worker processes, and the applications on the side of the tests that go with them.

The workers that several tests share are started together, so that their start costs its time once.
"""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import kombu

from interop_suite import BROKER, Mismatch, poll, unique

RESULT_TIMEOUT_S = 30
MARKS = tempfile.mkdtemp(prefix="leveret-interop-celery-")
QUEUE = unique("celery")


def url():
    return "amqp://%s:%s@%s:%d/%s" % (
        BROKER.user,
        BROKER.password,
        BROKER.host,
        BROKER.port,
        "/" if BROKER.vhost == "/" else BROKER.vhost,
    )


os.environ.update(
    INTEROP_TASK_QUEUE=QUEUE, INTEROP_MARKS=MARKS, INTEROP_BROKER_URL=url(), PYTHONUNBUFFERED="1"
)

import tasks  # noqa: E402  (it reads the environment, so the other modules take it from here)


def marks(name):
    path = os.path.join(MARKS, name)
    return os.path.getsize(path) if os.path.exists(path) else 0


def lines(name):
    path = os.path.join(MARKS, name)
    if not os.path.exists(path):
        return []
    with open(path) as noted:
        return noted.read().splitlines()


class Worker:
    """A worker process; the end of its log is shown if it does not start."""

    def __init__(self, name, queues, arguments=(), **environment):
        self.name = "%s@interop" % name
        self.log = os.path.join(MARKS, name + ".log")
        command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-n", self.name]
        command += ["-Q", queues, "-l", "INFO", "-E", *arguments]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(os.environ, **environment),
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

    def kill(self):
        """Ends the worker and its pool as a crash of their machine would."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()

    def request_stop(self):
        """Begins the warm shutdown."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """The warm shutdown; the worker's exit status."""
        self.request_stop()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            return self.kill()


class Site:
    """A profile of tasks.py with queues of its own: the application that the tests call, and its
    worker, which is started by `start`."""

    def __init__(self, name, profile, queue=None, result_backend="rpc://", arguments=("-c", "2")):
        self.name = name
        self.profile = profile
        self.queue = queue or unique(name)
        self.result_backend = result_backend
        self.arguments = arguments
        self.app = tasks.app if queue else tasks.make_app(self.queue, profile, result_backend)
        self.queues = list(self.app.amqp.queues)
        self.worker = None
        self.starts = 0

    def declare(self):
        """Declares the queues of the profile before anybody needs them."""
        with self.app.connection_for_write() as conn:
            for queue in self.app.amqp.queues.values():
                queue(conn.default_channel).declare()

    def start(self, consumed=None):
        self.declare()
        self.starts += 1
        self.worker = Worker(
            "%s-%d" % (self.name, self.starts),
            consumed or self.queue,
            self.arguments,
            INTEROP_TASK_QUEUE=self.queue,
            INTEROP_PROFILE=self.profile,
            INTEROP_RESULT_BACKEND=self.result_backend,
        )
        return self.worker

    def call(self, task, *arguments, **options):
        """Sends a task by its name; the result to come."""
        return self.app.send_task("tasks." + task, arguments, **options)

    def value(self, task, *arguments, **options):
        return self.call(task, *arguments, **options).get(timeout=RESULT_TIMEOUT_S)

    def inspect(self, timeout=5):
        return self.app.control.inspect(destination=[self.worker.name], timeout=timeout)

    def answers(self):
        try:
            return self.inspect(timeout=1).ping()
        except (OSError, kombu.exceptions.OperationalError):
            return None


_sites = {}
_ready = set()


def add_site(site):
    """Makes a site one of those that start together."""
    _sites[site.name] = site
    return site


def started(site):
    """The worker of a shared site; the first call starts those of all of them."""
    for shared in _sites.values():
        if shared.worker is None:
            shared.start()
    if site.worker not in _ready:
        site.worker.wait_until_ready()
        _ready.add(site.worker)
    return site.worker


def message_count(channel, queue):
    return channel.queue_declare(queue, passive=True).message_count


def delete_queues(*queues):
    """Deletes queues and the exchanges of their names."""
    with kombu.Connection(url(), connect_timeout=5) as conn:
        for queue in queues:
            conn.default_channel.queue_delete(queue)
            conn.default_channel.exchange_delete(queue)


@atexit.register
def _end():
    running = [site.worker for site in _sites.values() if site.worker]
    for worker in running:
        worker.request_stop()
    for worker in running:
        worker.stop()
    try:
        delete_queues(*(queue for site in _sites.values() for queue in site.queues))
    except OSError as error:
        print("# clean-up: %s" % error)
    shutil.rmtree(MARKS, ignore_errors=True)
