# SPDX-License-Identifier: Apache-2.0
"""Starting and stopping the brokers that bench/run compares, and asking them for their versions.

Each run gets a broker that was started for it, in an empty folder, and that is gone when the next one
starts: nothing of one measurement is left for another, and an idle neighbour cannot take part.
"""

import json
import os
import shutil
import subprocess
import tempfile

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUPPORT = os.path.join(REPOSITORY, "interop", "support")


class BrokenRun(Exception):
    """A broker that does not start or a measurement that fails: there is no figure."""


class Broker:
    """`name` is what it is called in the results; `kind` is RabbitMQ or Leveret."""

    def __init__(self, kind, script, start_options, name=None):
        self.kind = kind
        self.name = name or kind
        self.script = os.path.join(SUPPORT, script)
        self.start_options = start_options
        self.reactors = None  # unknown until asked for

    def started(self, parent, is_tls=False):
        return RunningBroker(self, parent, is_tls)


class RunningBroker:
    """A context manager; `port`, with TLS that for TLS, and `process_id` are set inside."""

    def __init__(self, broker, parent, is_tls):
        self.broker = broker
        self.is_tls = is_tls
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
            options = ([] if self.is_tls else ["--no-tls"]) + self.broker.start_options
            lines = self.call("start", *options).splitlines()
        except BaseException:
            self.stop()  # The folder stays: its log tells why.
            raise
        environment = dict(line.split("=", 1) for line in lines if "=" in line)
        self.port = environment["AMQP_TLS_PORT" if self.is_tls else "AMQP_PORT"]
        self.process_id = int(environment["BROKER_PID"])
        return self

    def status(self):
        """What Leveret says of itself; {} of RabbitMQ."""
        if self.broker.kind != "Leveret":
            return {}
        return json.loads(self.call("ctl", "--silent", "status", "--formatter", "json"))

    def reactors(self):
        """How many threads serve connections; in RabbitMQ it is schedulers, which do all its work."""
        if self.broker.reactors is None and self.broker.kind == "Leveret":
            self.broker.reactors = self.status()["reactors"]
        elif self.broker.reactors is None:
            answer = self.call("ctl", "--silent", "eval", "erlang:system_info(schedulers_online).")
            self.broker.reactors = int(answer)
        return self.broker.reactors

    def stop(self):
        subprocess.run([self.broker.script, "stop", self.folder], stdout=subprocess.DEVNULL)

    def __exit__(self, *unused):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def rabbitmq(settings):
    return Broker("RabbitMQ", "rabbitmq", settings)


def leveret(binary, settings, reactors=None):
    """With the reactors that it takes by itself, or with so many."""
    if reactors is None:
        return Broker("Leveret", "leveret", ["--binary", binary] + settings)
    settings = settings + ["--set", "leveret.reactors=%d" % reactors]
    name = "Leveret, %d reactors" % reactors
    return Broker("Leveret", "leveret", ["--binary", binary] + settings, name)


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
