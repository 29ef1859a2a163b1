# SPDX-License-Identifier: Apache-2.0
"""What the tests of the management API share: a broker of their own, and how they say that it is wrong."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SUPPORT = os.path.join(ROOT, "interop", "support")
sys.path.insert(0, SUPPORT)

import http_amqp
import http_calls
import private_broker


NOTHING = {"status": 0, "headers": {}, "body": ""}


class Failure(Exception):
    pass


def expect(found, expected, what):
    if found != expected:
        raise Failure("%s: %r instead of %r" % (what, found, expected))


def default_build():
    return os.environ.get("BUILD_DIR", os.path.join(ROOT, "build", "release"))


def run(tests, broker, afterwards=lambda test: None):
    """Runs them one after the other and prints what came of it; the exit status."""
    failed = 0
    for test in tests:
        try:
            test(broker)
            afterwards(test)
            print("ok " + test.__name__)
        except (Failure, OSError) as error:
            failed += 1
            print("not ok %s: %s" % (test.__name__, error))
    print("%d passed, %d failed, 0 skipped" % (len(tests) - failed, failed))
    return failed > 0


class Broker:
    """A private one, of either kind, with its management API on a port of its own."""

    def __init__(self, kind, build, settings=(), plugins="rabbitmq_management"):
        self.kind = kind
        self.kind = kind
        self.program = os.path.join(SUPPORT, kind)
        self.folder = tempfile.mkdtemp(prefix="leveret-http-")
        self.port = private_broker.free_ports(1)[0]
        node = os.path.join(self.folder, "node")
        arguments = [self.program, "start", node, "--no-tls"]
        arguments += ["--set", "management.tcp.ip=127.0.0.1", "--set", "management.tcp.port=%d" % self.port]
        for setting in settings:
            arguments += ["--set", setting]
        if kind == "leveret":
            arguments += ["--binary", os.path.join(build, "leveretd")]
        else:
            arguments += ["--plugins", plugins]
        self.node = node
        try:
            subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        except subprocess.CalledProcessError:
            self.stop()
            raise

    def begin(self):
        """Again, after its end."""
        subprocess.run([self.program, "start", self.node], check=True, stdout=subprocess.DEVNULL)

    def end(self):
        subprocess.run([self.program, "stop", self.node], stdout=subprocess.DEVNULL)

    def restart(self):
        subprocess.run([self.program, "restart", self.node], check=True, stdout=subprocess.DEVNULL)

    def stop(self):
        self.end()
        shutil.rmtree(self.folder)

    def answers(self, calls):
        peers = http_amqp.Peers(int(self.value("AMQP_PORT")), self.kind == "rabbitmq")
        return [self.answer(call, peers) for call in calls]

    def answer(self, call, peers):
        if call.command:
            return self.command(call.command)
        if call.step:
            peers.do(call.step)
            return NOTHING
        return call.make("127.0.0.1", self.port, peers)

    def command(self, words):
        check = http_calls.Call("GET /api/health/checks/alarms")
        former = check.make("127.0.0.1", self.port)["status"]
        subprocess.run([self.program, "ctl", self.node] + words, check=True, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while check.make("127.0.0.1", self.port)["status"] == former:
            expect(time.monotonic() < deadline, True, "an alarm comes or goes after " + " ".join(words))
            time.sleep(0.1)
        return NOTHING

    def value(self, name):
        """What the broker's environment says, such as AMQP_PORT."""
        return private_broker.Folder(self.node).environment()[name]

    def check_last_words(self):
        with open(os.path.join(self.node, "log", "console.log")) as log:
            text = log.read()
        said = re.search("(?:ERROR|WARNING): .*Sanitizer|Sanitizer|CHECK", text)
        if said:
            raise Failure("what a sanitizer says: " + text[said.start() :])
