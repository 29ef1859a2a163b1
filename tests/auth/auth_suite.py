# SPDX-License-Identifier: Apache-2.0
"""What the suites of tests/auth have in common."""

import shutil
import socket
import tempfile
import time

import pika

from auth_broker import Broker, outcome, raw_login


class Skipped(Exception):
    pass


def equal(found, expected):
    assert found == expected, "found %r, expected %r" % (found, expected)


class Knowledge:
    """What the broker that is asked knows."""

    permissions = True  # RabbitMQ 3.10 does not say which permission was missing


def refused(permission, what, user, tail=""):
    if not Knowledge.permissions:
        return "403 ACCESS_REFUSED - access to %s refused for user '%s'%s" % (what, user, tail)
    return "403 ACCESS_REFUSED - %s access to %s refused for user '%s'%s" % (
        permission,
        what,
        user,
        tail,
    )


def login_refused(mechanism="PLAIN"):
    return (
        "403) ACCESS_REFUSED - Login was refused using authentication mechanism %s. For details "
        "see the broker logfile." % mechanism
    )


def is_login_refused(found):
    return "Login was refused using authentication mechanism" in found


def hang(broker, count):
    """So many clients that have sent a password and wait for what comes of it."""
    clients = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", broker.port), timeout=20)
        raw_login(client, "sleepy", "x", waits=False)
        clients.append(client)
    return clients


def check_end(suite):
    """Whatever a back end still owes to however many, the server ends at once. The last test."""
    suite.only_leveret("RabbitMQ takes seconds to stop in any case")
    clients = hang(suite.broker, 640)
    time.sleep(0.5)  # some of the questions are under way then
    taken = suite.broker.stop()
    for client in clients:
        client.close()
    assert taken < 2.5, "it took %.1f s" % taken


class Suite:
    """One broker, started with `settings`, for all test_ methods."""

    name = ""
    advanced = None
    has_tls = False

    def __init__(self, kind, build):
        self.kind, self.build = kind, build
        self.work = tempfile.mkdtemp()
        self.servers = []
        self.prepare()
        self.broker = Broker(kind, build, self.settings(), self.advanced, self.has_tls)

    def prepare(self):
        pass

    def settings(self):
        return []

    def end(self):
        found = self.broker.end()
        for server in self.servers:
            server.end()
        shutil.rmtree(self.work, ignore_errors=True)
        assert not found, found

    def only_leveret(self, why):
        if self.kind != "leveret":
            raise Skipped(why)

    def step(self, user, password, do, vhost="/"):
        """What comes of one step on a channel of the user's."""
        connection = self.broker.connect(user, password, vhost)
        try:
            return outcome(lambda: do(connection.channel()))
        finally:
            if connection.is_open:
                connection.close()


def publish(channel, exchange, key, body=b"m", properties=None):
    """With a confirm, so that a refusal is there when this returns."""
    channel.confirm_delivery()
    channel.basic_publish(exchange, key, body, properties)


def publish_as_somebody(channel):
    """What needs the tag impersonator."""
    publish(channel, "", "nowhere", properties=pika.BasicProperties(user_id="somebody"))
