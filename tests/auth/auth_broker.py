# SPDX-License-Identifier: Apache-2.0
"""A broker under test, and clients of it, for the tests of authentication and authorisation."""

import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import time

import pika
from pika import amqp_object, data, exceptions, spec

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLUGINS = "http ldap oauth2 cache"


class Broker:
    """A private one, with these lines of rabbitmq.conf; `advanced` is advanced.config's text, for
    what only that file of RabbitMQ can say."""

    def __init__(self, kind, build, settings, advanced=None, tls=False):
        self.kind, self.build = kind, build
        self.folder = tempfile.mkdtemp()
        self.support = os.path.join(ROOT, "interop", "support", kind)
        self.is_running = False
        options = [] if tls else ["--no-tls"]
        if kind == "leveret":
            options += ["--binary", os.path.join(build, "leveretd")]
        else:
            names = ["rabbitmq_auth_backend_" + name for name in PLUGINS.split()]
            options += ["--plugins", ",".join(names)]
            if advanced:
                with open(os.path.join(self.folder, "advanced.config"), "w") as out:
                    out.write(advanced)
        for line in settings:
            options += ["--set", line]
        self.start(options)

    def start(self, options):
        done = subprocess.run(
            [self.support, "start", self.folder, *options], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise AssertionError("the broker does not start:\n%s" % (done.stderr + self.log()))
        self.is_running = True
        lines = [line.partition("=") for line in done.stdout.splitlines()]
        self.environment = {key: value.strip("'\"") for key, _, value in lines}
        self.port = int(self.environment["AMQP_PORT"])
        self.tls_port = int(self.environment.get("AMQP_TLS_PORT", 0))

    def log(self):
        path = os.path.join(self.folder, "log", "console.log")
        if not os.path.exists(path):
            return ""
        with open(path, errors="replace") as file:
            return file.read()

    def ctl(self, *words):
        if self.kind == "leveret":
            command = [os.path.join(self.build, "leveretctl")]
            command += ["-D", os.path.join(self.folder, "data"), *words]
        else:
            command = [self.support, "ctl", self.folder, *words]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, (words, done.stdout, done.stderr)

    def sockets(self):
        """The rows of /proc/net/tcp for connections that the broker has not closed."""
        with open("/proc/net/tcp") as lines:
            rows = [line.split() for line in lines.readlines()[1:]]
        established, close_wait = "01", "08"
        here = "0100007F:%04X" % self.port
        return [row for row in rows if row[1] == here and row[3] in (established, close_wait)]

    def count_connections(self):
        return len(self.sockets())

    def unread(self, client):
        """How many octets of that client the broker has left in its socket."""
        there = "0100007F:%04X" % client.getsockname()[1]
        return sum(int(row[4].split(":")[1], 16) for row in self.sockets() if row[2] == there)

    def connect(
        self, user="guest", password="guest", vhost="/", credentials=None, certificate=None
    ):
        """certificate: the files of one and of its key; "" is TLS without."""
        is_plain = certificate is None
        return pika.BlockingConnection(
            pika.ConnectionParameters(
                "127.0.0.1",
                self.port if is_plain else self.tls_port,
                vhost,
                credentials or pika.PlainCredentials(user, password),
                ssl_options=None if is_plain else self.tls_options(certificate),
                blocked_connection_timeout=30,
                socket_timeout=30,
            )
        )

    def tls_context(self):
        return ssl.create_default_context(cafile=self.environment["AMQP_CA_FILE"])

    def tls_options(self, certificate):
        context = self.tls_context()
        if certificate:
            context.load_cert_chain(*certificate)
        return pika.SSLOptions(context, "localhost")

    def login(
        self, user="guest", password="guest", vhost="/", credentials=None, certificate=None
    ):
        """What comes of a login: "ok", or the code and text of the refusal."""
        return outcome(lambda: self.connect(user, password, vhost, credentials, certificate).close())

    def stop(self):
        """How long SIGTERM takes, in seconds."""
        started = time.time()
        subprocess.run([self.support, "stop", self.folder], stdout=subprocess.DEVNULL, check=True)
        self.is_running = False
        return time.time() - started

    def end(self):
        """Stops it; what a sanitizer has said."""
        if self.is_running:
            subprocess.run([self.support, "stop", self.folder], stdout=subprocess.DEVNULL)
        log = self.log()
        shutil.rmtree(self.folder, ignore_errors=True)
        found = re.search(r"(ERROR|WARNING): \w+Sanitizer|runtime error:", log)
        return log[found.start() :] if found else ""


# Older versions of pika do not know connection.update-secret.


class UpdateSecret(amqp_object.Method):
    INDEX = 0x000A0046
    NAME = "Connection.UpdateSecret"
    synchronous = True

    def __init__(self, secret=b"", reason=""):
        self.secret, self.reason = secret, reason

    def encode(self):
        pieces = [struct.pack(">I", len(self.secret)), self.secret]
        data.encode_short_string(pieces, self.reason)
        return pieces


class UpdateSecretOk(amqp_object.Method):
    INDEX = 0x000A0047
    NAME = "Connection.UpdateSecretOk"
    synchronous = False

    def decode(self, encoded, offset=0):
        return self


spec.methods[UpdateSecretOk.INDEX] = UpdateSecretOk


def update_secret(connection, secret, reason="because", answers=None):
    """Returns when it is answered; answers gets what it was answered with."""
    answers = [] if answers is None else answers
    method = UpdateSecret(secret.encode(), reason)
    connection._impl._rpc(0, method, answers.append, [UpdateSecretOk])
    while not answers:
        connection.process_data_events(0.1)


def outcome(step):
    """ "ok", or what the broker closed the channel or the connection with."""
    try:
        step()
        return "ok"
    except exceptions.ProbableAuthenticationError as error:
        return str(error.args[0])
    except exceptions.ProbableAccessDeniedError as error:
        return str(error.args[0])
    except (exceptions.ChannelClosedByBroker, exceptions.ConnectionClosedByBroker) as error:
        return "%d %s" % (error.reply_code, error.reply_text)
    except exceptions.AMQPConnectionError as error:
        return "connection lost: %r" % (error,)


# --- without a client ----------------------------------------------------------------------------


def receive(client, size):
    """So many octets; fewer at the end."""
    got = b""
    while len(got) < size:
        more = client.recv(size - len(got))
        if not more:
            break
        got += more
    return got


def longstr(octets):
    return struct.pack(">I", len(octets)) + octets


def method_frame(class_id, method_id, arguments):
    """On channel 0."""
    payload = struct.pack(">HH", class_id, method_id) + arguments
    return struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce"


def start_ok(user, password, mechanism="PLAIN"):
    """The frame."""
    table = b"\x0ccapabilitiesF" + longstr(b"\x1cauthentication_failure_closet\1")
    user, password = user.encode(), password.encode()
    response = b"\0%s\0%s" % (user, password)
    if mechanism == "AMQPLAIN":
        response = b"\x05LOGINS" + longstr(user) + b"\x08PASSWORDS" + longstr(password)
    if mechanism == "RABBIT-CR-DEMO":
        response = user
    arguments = longstr(table)
    arguments += bytes([len(mechanism)]) + mechanism.encode() + longstr(response) + b"\x05en_US"
    return method_frame(10, 11, arguments)


def receive_method(client):
    """Class, method and arguments; None at the end."""
    head = receive(client, 7)
    if not head:
        return None
    payload = receive(client, struct.unpack(">I", head[3:])[0] + 1)
    return struct.unpack(">HH", payload[:4]) + (payload[4:-1],)


def raw_login(client, user, password, waits=True, mechanism="PLAIN"):
    """Logs in over the socket; the class and method of the answer, None where there is none."""
    client.sendall(b"AMQP\0\0\x09\x01")
    head = receive(client, 7)
    receive(client, struct.unpack(">I", head[3:])[0] + 1)
    client.sendall(start_ok(user, password, mechanism))
    if not waits:
        return None
    head = receive(client, 7)
    return struct.unpack(">HH", receive(client, 4)) if head else None
