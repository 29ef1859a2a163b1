# SPDX-License-Identifier: Apache-2.0
"""Starting and stopping the brokers that bench/run compares, and asking them for their versions.

Each run gets a broker that was started for it, in an empty folder, and that is gone when the next one
starts: nothing of one measurement is left for another, and an idle neighbour cannot take part.
"""

import os
import shutil
import subprocess
import tempfile

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUPPORT = os.path.join(REPOSITORY, "interop", "support")


class BrokenRun(Exception):
    """A broker that does not start or a measurement that fails: there is no figure."""


class Broker:
    def __init__(self, name, script, start_options):
        self.name = name
        self.script = os.path.join(SUPPORT, script)
        self.start_options = start_options

    def started(self, parent):
        return RunningBroker(self, parent)


class RunningBroker:
    """A context manager; `port` and `process_id` are set inside."""

    def __init__(self, broker, parent):
        self.broker = broker
        os.makedirs(parent, exist_ok=True)
        self.folder = tempfile.mkdtemp(prefix=broker.script.rpartition("/")[2] + "-", dir=parent)

    def call(self, command, *options):
        done = subprocess.run(
            [self.broker.script, command, self.folder, *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        if done.returncode != 0:
            raise BrokenRun("%s: %s failed" % (self.broker.name, command))
        return done.stdout

    def __enter__(self):
        try:
            lines = self.call("start", "--no-tls", *self.broker.start_options).splitlines()
        except BaseException:
            self.stop()  # The folder stays: its log tells why.
            raise
        environment = dict(line.split("=", 1) for line in lines if "=" in line)
        self.port = environment["AMQP_PORT"]
        self.process_id = int(environment["BROKER_PID"])
        return self

    def stop(self):
        subprocess.run([self.broker.script, "stop", self.folder], stdout=subprocess.DEVNULL)

    def __exit__(self, *unused):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def rabbitmq(settings):
    return Broker("RabbitMQ", "rabbitmq", settings)


def leveret(binary, settings):
    return Broker("Leveret", "leveret", ["--binary", binary] + settings)


def rabbitmq_version():
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return done.stdout.strip() or "unknown"


def leveret_version():
    done = subprocess.run(
        ["git", "-C", REPOSITORY, "describe", "--always", "--dirty"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return done.stdout.strip() or "unknown"
