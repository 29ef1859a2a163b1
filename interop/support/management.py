# SPDX-License-Identifier: Apache-2.0
"""The management API as the tests of the tools ask it: what a tool has said, or is about to read, is
looked at without the tool."""

import base64
import contextlib
import json
import os
import sys
import urllib.error
import urllib.request

from interop_suite import BROKER, Mismatch, expect_true, poll

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "http"))

import http_amqp  # noqa: E402

URL = "http://%s:%d" % (BROKER.host, BROKER.management_port)
TIMEOUT_S = 30


def call(method, path, body=None):
    """The status and what the body says; `path` is that below /api/."""
    login = base64.b64encode(("%s:%s" % (BROKER.user, BROKER.password)).encode()).decode()
    request = urllib.request.Request(
        "%s/api/%s" % (URL, path),
        None if body is None else json.dumps(body).encode(),
        {"authorization": "Basic " + login, "content-type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    try:
        return status, json.loads(text) if text else None
    except ValueError:
        return status, text.decode()


def get(path):
    return _expect_success("GET", path)


def put(path, body):
    return _expect_success("PUT", path, body)


def delete(path):
    return _expect_success("DELETE", path)


def exists(path):
    return call("GET", path)[0] == 200


def _expect_success(method, path, body=None):
    status, answer = call(method, path, body)
    if not 200 <= status < 300:
        raise Mismatch("%s %s: %d %s" % (method, path, status, answer))
    return answer


def wait_for_alarm(is_wanted):
    poll(lambda: (call("GET", "health/checks/alarms")[0] != 200) == is_wanted, "an alarm: %s" % is_wanted, 60)


@contextlib.contextmanager
def connected():
    """A client of AMQP (http_amqp.Peer), once the management API has its connection."""
    client = http_amqp.Peer(BROKER.port, "/")
    try:
        poll(lambda: client.name() in [row["name"] for row in get("connections")], "the connection is listed")
        yield client
    finally:
        client.socket.close()


def expect_end(client, reason):
    """The broker closes the connection of a connected() client, and says why."""
    client.socket.settimeout(TIMEOUT_S)
    told = b""
    while reason.encode() not in told:
        more = client.socket.recv(4096)
        expect_true(more != b"", "%r: the client is told nothing" % reason)
        told += more
