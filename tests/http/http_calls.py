# SPDX-License-Identifier: Apache-2.0
"""The calls of tests/http/calls, made to a management API, and what came of them as text.

A line is a call: METHOD PATH, then, where wanted, the body, `as USER:PASSWORD` (or `as none`), and
`with NAME: VALUE` for a header. Without `as` it is the administrator guest. $AMQP_PORT in a path is
the broker's. A line that begins with "! " is a command of rabbitmqctl, which is waited for until an
alarm has come or gone. One that begins with "@ " is something that a client of AMQP does: http_amqp.py.
"""

import base64
import http.client
import json
import re

LINE = re.compile(r"(\S+) (\S+)(?: (?!as |with )(.*?))??(?: as (\S+))?(?: with ([\w-]+): (.*))?$")
FORM = "application/x-www-form-urlencoded"
HEADERS = ["allow", "content-type", "location", "www-authenticate"]


class Call:
    def __init__(self, line):
        self.line = line
        self.command = line[2:].split() if line.startswith("! ") else None
        self.step = line[2:].split() if line.startswith("@ ") else None
        if self.command or self.step:
            return
        self.method, self.path, self.body, user, self.header, self.value = LINE.match(line).groups()
        self.user = user or "guest:guest"

    def headers(self):
        headers = {}
        if self.header:
            headers[self.header] = self.value
        elif self.user != "none":
            headers["authorization"] = "Basic " + base64.b64encode(self.user.encode()).decode()
        if self.body:
            headers["content-type"] = FORM if self.path == "/api/login" else "application/json"
        return headers

    def make(self, host, port, peers=None):
        """The answer's status, headers and body."""
        connection = http.client.HTTPConnection(host, port, timeout=30)
        path = peers.resolve(self.path) if peers else self.path
        connection.request(self.method, path, self.body, self.headers())
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        headers = {name: reply.getheader(name) for name in HEADERS if reply.getheader(name)}
        return {"status": reply.status, "headers": headers, "body": body.decode()}


def read(path):
    with open(path) as file:
        lines = [line.rstrip("\n") for line in file]
    return [Call(line) for line in lines if line and not line.startswith("#")]
