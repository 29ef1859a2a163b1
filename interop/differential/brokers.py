# SPDX-License-Identifier: Apache-2.0
"""The brokers under test, each private and with the configuration of a profile."""

import base64
import glob
import os
import shutil
import socket
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
SUPPORT = os.path.join(os.path.dirname(HERE), "support")
sys.path.insert(0, SUPPORT)

import private_broker  # noqa: E402

CTL_LIMIT_S = 60
# RabbitMQ looks for timeouts of acknowledgements once a minute otherwise.
ERLANG_ARGUMENTS = "-rabbit channel_tick_interval 500"
ESCRIPT = "/usr/lib/rabbitmq/lib/rabbitmq_server-*/escript/rabbitmqctl"
# Those of the package that add something to AMQP 0-9-1.
PLUGINS = ",".join(
    "rabbitmq_" + name
    for name in (
        "auth_backend_cache",
        "auth_backend_http",
        "auth_backend_oauth2",
        "consistent_hash_exchange",
        "event_exchange",
        "federation",
        "federation",
        "jms_topic_exchange",
        "random_exchange",
        "recent_history_exchange",
        "sharding",
    )
)


class Gate:
    """Restarts a broker when every script that runs on it has come to its restart."""

    def __init__(self, restart):
        self.restart = restart
        self.changed = threading.Condition()
        self.running = self.waiting = self.passed = 0

    def enter(self, count):
        with self.changed:
            self.running += count

    def leave(self):
        with self.changed:
            self.running -= 1
            self.open_if_complete()

    def wait(self):
        with self.changed:
            self.waiting += 1
            turn = self.passed
            self.open_if_complete()
            self.changed.wait_for(lambda: self.passed != turn)

    def open_if_complete(self):
        if self.waiting and self.waiting == self.running:
            self.restart()
            self.waiting = 0
            self.passed += 1
            self.changed.notify_all()


class Broker:
    """A broker started by its script in interop/support."""

    name = None

    def __init__(self, base, profile, arguments):
        self.folder = os.path.join(base, "%s-%s" % (self.name, profile.name))
        self.arguments = arguments + ["--config", profile.path]
        self.profile = profile
        self.gate = Gate(self.restart_now)
        self.lock = threading.Lock()

    def support(self, command, *arguments):
        subprocess.run(
            [os.path.join(SUPPORT, self.name), command, self.folder, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            env=dict(os.environ, RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=ERLANG_ARGUMENTS),
        )

    def start(self):
        self.support("start", "--no-tls", *self.arguments)
        self.environment = private_broker.Folder(self.folder).environment()
        self.port = int(self.environment["AMQP_PORT"])

    def restart(self):
        self.gate.wait()

    def restart_now(self):
        self.support("restart")

    def stop(self):
        if os.path.exists(os.path.join(self.folder, "environment")):
            self.support("stop")

    def is_running(self):
        script = os.path.join(SUPPORT, self.name)
        return subprocess.call([script, "status", self.folder], stdout=subprocess.DEVNULL) == 0

    def make_vhost(self, name):
        for command in (["add_vhost", name], ["set_permissions", "-p", name, "guest", ".*", ".*", ".*"]):
            status, output, error = self.ctl(command)
            if status:
                raise RuntimeError("%s: %s: %s%s" % (self.name, " ".join(command), output, error))


class Leveret(Broker):
    name = "leveret"

    @property
    def node(self):
        return "rabbit@" + socket.gethostname().split(".")[0]

    def ctl(self, arguments):
        program = os.path.join(os.path.dirname(self.environment["BROKER_BINARY"]), "leveretctl")
        done = subprocess.run(
            [program, "-D", os.path.join(self.folder, "data"), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CTL_LIMIT_S,
        )
        return done.returncode, done.stdout, done.stderr


class KeptRabbitmqctl:
    """Debian's rabbitmqctl as one process that stays (rabbitmqctl_server.erl). code is where
    unpack_rabbitmqctl has put it, values the environment of its node."""

    def __init__(self, code, folder, values, **more):
        environment = dict(
            os.environ,
            HOME=folder,
            ERL_EPMD_PORT=values["BROKER_EXTRA_PORT_1"],
            ERL_EPMD_ADDRESS="127.0.0.1",
            **more,
        )
        command = ["erl", "-noshell", "-pa", code, "-eval", "rabbitmqctl_server:main()."]
        self.node = "leveret-%s@localhost" % values["AMQP_PORT"]
        self.process = subprocess.Popen(
            command + ["-extra", "rabbitmqctl"],
            env=environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def run(self, arguments):
        """(status, what it prints, what it says on standard error)"""
        words = ["-n", self.node, *arguments]
        line = " ".join("=" + base64.b64encode(word.encode()).decode() for word in words)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        output, end = until_end(self.process.stdout)
        error, _ = until_end(self.process.stderr)
        return int(end), output, error

    def end(self):
        self.process.communicate()


class RabbitMQ(Broker):
    name = "rabbitmq"

    def __init__(self, base, profile, arguments):
        super().__init__(base, profile, ["--plugins", PLUGINS])
        self.code = os.path.join(base, "rabbitmqctl")
        self.kept = None

    @property
    def node(self):
        return "leveret-%d@localhost" % self.port

    def start(self):
        super().start()
        self.keep()

    def keep(self):
        self.kept = KeptRabbitmqctl(self.code, self.folder, self.environment)

    def let_go(self):
        if self.kept:
            self.kept.end()
            self.kept = None

    def restart_now(self):
        with self.lock:
            self.let_go()
            super().restart_now()
            self.keep()

    def stop(self):
        self.let_go()
        super().stop()

    def ctl(self, arguments):
        with self.lock:
            return self.kept.run(arguments)


def until_end(stream):
    """(the text, what stands behind the end mark)."""
    lines = []
    for line in stream:
        if line.startswith("\x01end"):
            return "".join(lines), line[len("\x01end") :].strip()
        lines.append(line)
    raise RuntimeError("rabbitmqctl ended: " + "".join(lines))


def unpack_rabbitmqctl(base):
    """The code of the installed rabbitmqctl, and our loop around it, in base/rabbitmqctl."""
    found = glob.glob(ESCRIPT)
    if not found:
        raise RuntimeError("Debian's package rabbitmq-server is not installed")
    code = os.path.join(base, "rabbitmqctl")
    os.makedirs(code)
    unpack = (
        '{ok,S} = escript:extract("%s", []), {archive,A} = lists:keyfind(archive, 1, S),'
        " {ok,_} = zip:extract(A), halt()." % found[0]
    )
    shutil.copy(os.path.join(HERE, "rabbitmqctl_server.erl"), code)
    for command in (["erl", "-noshell", "-eval", unpack], ["erlc", "rabbitmqctl_server.erl"]):
        subprocess.run(command, cwd=code, check=True, stdin=subprocess.DEVNULL)
