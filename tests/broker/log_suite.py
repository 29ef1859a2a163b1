# SPDX-License-Identifier: Apache-2.0
"""What the tests of the log have in common: a leveretd with a configuration of its own, and running them."""

import argparse
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEADLINE_S = 60
HOSTILE = "u\n2026-01-01 00:00:00.000000+00:00 [error] <0.1.0> \x1b[2Jforged\u202e"


class Skip(Exception):
    """Why a test cannot be run here."""


def wait_for(look, what):
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("in vain: " + what)


class Server:
    def __init__(self, build, *settings, environment=(), stderr=None, enter=()):
        """enter: words in front of the server's command."""
        self.build = build
        self.clients = []
        self.folder = tempfile.mkdtemp()
        self.data = os.path.join(self.folder, "data")
        self.log = os.path.join(self.folder, "a.log")
        self.config = os.path.join(self.folder, "leveret.conf")
        self.settings = ["listeners.tcp.default = 127.0.0.1:0", "management.tcp.port = none"]
        self.settings += ["log.file = " + self.log, "log.console = false", *settings]
        self.write_config()
        command = [*enter, os.path.join(build, "leveretd"), "-c", self.config, "-D", self.data]
        self.console = os.path.join(self.folder, "console.log")
        with open(self.console, "wb") as console:
            self.process = subprocess.Popen(
                command, stdout=console, stderr=stderr or console, env={**os.environ, **dict(environment)}
            )

    def write_config(self, *more):
        """At once: the server may be reading it."""
        with open(self.config + ".new", "w") as file:
            file.write("\n".join([*self.settings, *more]) + "\n")
        os.rename(self.config + ".new", self.config)

    def __enter__(self):
        try:
            self.wait_for_line(r"info.*ready")
        except AssertionError:
            self.process.kill()
            raise
        found = wait_for(lambda: re.search(r"TCP listener on \S+:(\d+)", self.text()), "the listener")
        self.port = int(found.group(1))
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.wait(DEADLINE_S) == 0, self.console_text()[-2000:]
        found = re.search(r"(ERROR|WARNING): \w+Sanitizer|runtime error:", self.console_text())
        assert not found, self.console_text()[-3000:]
        shutil.rmtree(self.folder, ignore_errors=True)

    def console_text(self):
        with open(self.console, errors="replace") as file:
            return file.read()

    def text(self, path=None):
        try:
            with open(path or self.log, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def lines(self, count):
        """The first ones of the log, count or more. Each place of the log has a thread of its own, so the file may be
        behind what another place has."""
        wait_for(lambda: self.text().count("\n") >= count, "%d lines" % count)
        return self.text().splitlines()

    def wait_for_line(self, pattern, path=None):
        return wait_for(lambda: re.search(pattern, self.text(path)), pattern)

    def ctl(self, *words, status=0):
        command = [os.path.join(self.build, "leveretctl"), "-D", self.data, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def refused_login(self, user):
        """A login with the wrong password is a line about a connection. Who does not say that it knows
        of refusals has no answer for 3 s, so none is waited for."""
        client = socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)
        self.clients.append(client)
        client.settimeout(DEADLINE_S)
        client.sendall(b"AMQP\0\0\x09\x01")
        client.recv(65536)
        answer = b"\0" + user.encode() + b"\0wrong"
        method = struct.pack(">HHI", 10, 11, 0) + b"\x05PLAIN" + struct.pack(">I", len(answer)) + answer
        method += b"\x05en_US"
        client.sendall(struct.pack(">BHI", 1, 0, len(method)) + method + b"\xce")


def perform(test, build):
    """1 for the count that it adds to: passed, failed, skipped."""
    try:
        test(build)
    except Skip as reason:
        print("skip %s: %s" % (test.__name__, reason), flush=True)
        return 0, 0, 1
    except Exception as error:  # a failed check is one finding, not the end
        print("FAILED %s: %s: %s" % (test.__name__, type(error).__name__, str(error)[:1500]), flush=True)
        return 0, 1, 0
    print("ok", test.__name__, flush=True)
    return 1, 0, 0


def main(about, tests):
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "asan"))
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = [test for test in tests if not options.names or test.__name__ in options.names]
    counts = [perform(test, os.path.abspath(options.build)) for test in chosen]
    passed, failed, skipped = (sum(column) for column in zip(*counts)) if counts else (0, 0, 0)
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed or not chosen else 0
