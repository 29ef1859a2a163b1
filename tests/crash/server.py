# SPDX-License-Identifier: Apache-2.0
"""The server under a crash test: a child process on one data folder, started again and again.

The folder, its ports and its configuration are those of interop/support; the process is started here,
because a crash test must be able to end it at any moment, also before it is ready.
"""

import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUPPORT = os.path.join(ROOT, "interop", "support")
STOP_LIMIT_S = 60
SANITIZER = re.compile(r"ERROR: (?:Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:")

sys.dont_write_bytecode = True
sys.path.append(SUPPORT)
import private_broker  # noqa: E402


class DidNotStart(Exception):
    pass


def new_folder(path, settings):
    """A folder with its configuration; (folder, environment)."""
    folder = private_broker.Folder(path)
    options = SimpleNamespace(no_tls=True, port=None, tls_port=None, set=settings, config=[])
    environment = private_broker.prepare(folder, options)
    folder.write_environment(environment)
    return folder, environment


class Leveret:
    syncs_acks = True
    management_port = None

    def __init__(self, path, binary, settings=()):
        self.folder, self.environment = new_folder(path, list(settings))
        self.binary = os.path.abspath(binary)
        self.port = int(self.environment["AMQP_PORT"])
        self.process = None

    def begin_start(self):
        self.process = private_broker.spawn(
            [self.binary, "-D", self.folder("data"), "-c", self.folder("broker.conf")]
            + ["-o", "management.tcp.port=%s" % (self.management_port or "none"), "-o", "prometheus.tcp.port=none"],
            self.folder.log("console.log"),
            cwd=self.folder.path,
        )

    def start(self):
        """Returns when it accepts AMQP."""
        self.begin_start()
        try:
            private_broker.wait_until_ready(self.environment, self.process, self.log_path())
        except private_broker.BrokerError as error:
            self.kill()
            raise DidNotStart(str(error)) from error

    def signal(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self):
        """True if it was alive until now."""
        self.signal(signal.SIGKILL)
        return self.process.wait() == -signal.SIGKILL

    def stop(self):
        """Ends it in order; its exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def is_running(self):
        return self.process.poll() is None

    def ended_with(self):
        status = self.process.poll()
        return signal.Signals(-status).name if status < 0 else "exit status %d" % status

    def log_path(self):
        return self.folder("log", "console.log")

    def log_text(self):
        with open(self.log_path(), errors="replace") as log:
            return log.read()

    def sanitizer_findings(self):
        return SANITIZER.findall(self.log_text())

    def last_words(self, count=40):
        return "".join(self.log_text().splitlines(True)[-count:])


class RabbitMQ(Leveret):
    """RabbitMQ in the same place, which shows that a test asks for nothing unusual. It keeps acks in
    memory for a while, so after a crash acked messages may come back."""

    syncs_acks = False
    script = os.path.join(SUPPORT, "rabbitmq")

    def __init__(self, path):
        super().__init__(path, "rabbitmq")

    def begin_start(self):
        self.start()

    def start(self):
        command = [self.script, "start", self.folder.path]
        if subprocess.call(command, stdout=subprocess.DEVNULL) != 0:
            raise DidNotStart("see " + self.folder.path)
        self.environment = self.folder.environment()

    def signal(self, number):
        pid = private_broker.pid_of(self.environment, "BROKER_PROCESS")
        if pid is not None:
            os.kill(pid, number)

    def kill(self):
        was_running = self.is_running()
        subprocess.call([self.script, "kill", self.folder.path])
        return was_running

    def ended_with(self):
        return "see its log"

    def stop(self):
        return subprocess.call([self.script, "stop", self.folder.path])

    def is_running(self):
        return private_broker.pid_of(self.environment, "BROKER_PROCESS") is not None
