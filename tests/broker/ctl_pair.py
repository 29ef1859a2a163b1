# SPDX-License-Identifier: Apache-2.0
"""A Leveret and a RabbitMQ, and the same command line for the tools of both.

rabbitmqctl is a process that stays (interop/differential/rabbitmqctl_server.erl), which makes no difference but that it
takes seconds and not ten minutes.
"""

import glob
import importlib.machinery
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile

import pika

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIMIT_S = 60
sys.path.insert(0, os.path.join(ROOT, "interop", "differential"))

import brokers  # noqa: E402


class Broker:
    def __init__(self, kind, build):
        self.kind = kind
        self.build = build
        self.folder = tempfile.mkdtemp()
        self.support = os.path.join(ROOT, "interop", "support", kind)
        options = ["--binary", os.path.join(build, "leveretd")] if kind == "leveret" else []
        self.tell("start", "--no-tls", *options)
        with open(os.path.join(self.folder, "environment")) as file:
            self.values = {key: value.strip("'\"") for key, value in re.findall(r"^(\w+)=(.*)$", file.read(), re.M)}
        self.port = int(self.values["AMQP_PORT"])
        self.kept = self.keep_rabbitmqctl() if kind == "rabbitmq" else None

    def keep_rabbitmqctl(self):
        """With the code of the server, where rabbitmqctl finds the commands of plug-ins."""
        code = os.path.join(self.folder, "rabbitmqctl")
        brokers.unpack_rabbitmqctl(self.folder)
        libraries = glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/plugins")[0]
        plugins = {"RABBITMQ_ENABLED_PLUGINS_FILE": os.path.join(self.folder, "enabled_plugins")}
        return brokers.KeptRabbitmqctl(code, self.folder, self.values, ERL_LIBS=libraries, LC_ALL="C.UTF-8", **plugins)

    def tell(self, what, *options):
        command = [self.support, what, self.folder, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def ctl(self, *words):
        if self.kept:
            done = self.kept.run(["--script-name", program_of(words), *words])
            return subprocess.CompletedProcess(words, done[0], done[1][:-1], done[2][:-1])
        command = [os.path.join(self.build, "leveretctl"), "-D", os.path.join(self.folder, "data"), *words]
        options = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "timeout": LIMIT_S}
        return subprocess.run(command, **options, check=False)

    def do(self, *words):
        done = self.ctl(*words)
        assert done.returncode == 0, (words, done)

    def connect(self):
        return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.port))

    def end(self):
        if self.kept:
            self.kept.end()
        subprocess.run([self.support, "stop", self.folder], stdout=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def load_support():
    """Which of RabbitMQ's programs knows which command."""
    loader = importlib.machinery.SourceFileLoader("support", os.path.join(ROOT, "interop", "support", "rabbitmq"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("support", loader))
    loader.exec_module(module)
    return module


SUPPORT = load_support()


def program_of(words):
    command = next((word for word in words if not word.startswith("-")), "")
    known = (name for name, commands in SUPPORT.PROGRAMS.items() if commands.fullmatch(command))
    return next(known, "rabbitmqctl")
