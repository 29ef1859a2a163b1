# SPDX-License-Identifier: Apache-2.0
"""Clients of AMQP for the calls of tests/http/calls, which want something to look at.

A line "@ NAME connect VHOST (USER PASSWORD)" makes one, another "@ NAME VERB ARGUMENT..." has it do something;
what is in parentheses may be left out, tables are JSON without blanks:

    queue NAME FLAGS (TABLE)                FLAGS: any of durable,exclusive,autodelete, or none
    exchange NAME TYPE (TABLE)              durable
    bind QUEUE EXCHANGE KEY (TABLE)         the key "" is written as -, likewise below
    bind-exchange TARGET SOURCE KEY (TABLE)
    publish EXCHANGE KEY BODY (transient)
    consume QUEUE TAG (noack,exclusive)
    prefetch COUNT (global)
    receive COUNT                           waits until so many deliveries came
    confirms | tx | get QUEUE | close

In a path $NAME is the quoted name of its connection. "@ settle" waits until RabbitMQ shows what was done.
"""

import json
import os
import struct
import sys
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "crash"))

import amqp_client
from amqp_client import encode_table, long_string, short_string

SETTLE_S = 11  # it samples every 5 s
FLAGS = {"durable": 2, "exclusive": 4, "autodelete": 8, "none": 0}
CONSUME_FLAGS = {"noack": 2, "exclusive": 4}


def text(word):
    return short_string("" if word == "-" else word)


def table(words):
    return encode_table(json.loads(words[0]) if words else {})


def bits(words, flags):
    return bytes([sum(flags[word] for word in words[0].split(",")) if words else 0])


class Peer(amqp_client.Client):
    def __init__(self, port, vhost, user="guest", password="guest"):
        self.credentials = ("\0%s\0%s" % (user, password)).encode()
        self.has_confirms, self.published, self.unconfirmed = False, 0, set()
        super().__init__(port, vhost)

    def name(self):
        return "%s:%d -> %s:%d" % (self.socket.getsockname()[:2] + self.socket.getpeername()[:2])

    def do(self, verb, words):
        getattr(self, "do_" + verb.replace("-", "_"))(*words)

    def do_queue(self, name, flags, *words):
        self.call((50, 10), b"\0\0" + text(name) + bits([flags], FLAGS) + table(words), (50, 11))

    def do_exchange(self, name, kind, *words):
        self.call((40, 10), b"\0\0" + text(name) + text(kind) + b"\2" + table(words), (40, 11))

    def do_bind(self, queue, exchange, key, *words):
        self.call((50, 20), b"\0\0" + text(queue) + text(exchange) + text(key) + b"\0" + table(words), (50, 21))

    def do_bind_exchange(self, target, source, key, *words):
        self.call((40, 30), b"\0\0" + text(target) + text(source) + text(key) + b"\0" + table(words), (40, 31))

    def do_publish(self, exchange, key, body, *words):
        exchange = "" if exchange == "-" else exchange
        if self.has_confirms:
            self.published += 1
            self.unconfirmed.add(self.published)
        self.send(amqp_client.publish(exchange, key, body.encode(), is_persistent=not words))

    def do_consume(self, queue, tag, *words):
        self.send(amqp_client.method(60, 20, b"\0\0" + text(queue) + text(tag) + bits(words, CONSUME_FLAGS)
                                     + long_string(b"")))  # fmt: skip
        self.expect((60, 21))

    def take(self, kind):
        """Reads until there is one of that kind."""
        event = None
        while not isinstance(event, kind):
            event = self.read()
            if isinstance(event, amqp_client.Confirm):
                first = 1 if event.is_multiple else event.tag
                self.unconfirmed -= set(range(first, event.tag + 1))

    def do_receive(self, count):
        for _ in range(int(count)):
            self.take(amqp_client.Delivery)

    def do_prefetch(self, count, *words):
        self.call((60, 10), struct.pack(">IHB", 0, int(count), len(words)), (60, 11))

    def do_confirms(self):
        self.select_confirms()
        self.has_confirms = True

    def do_tx(self):
        self.call((90, 10), b"", (90, 11))

    def do_get(self, queue):
        self.call((60, 70), b"\0\0" + text(queue) + b"\0", (60, 71))

    def do_close(self):
        self.close()

    def finish(self):
        """What was sent before has been done, and is confirmed."""
        self.call((20, 20), b"\1", (20, 21))
        while self.unconfirmed:
            self.take(amqp_client.Confirm)


class Peers:
    def __init__(self, port, is_rabbitmq):
        self.port = port
        self.is_rabbitmq = is_rabbitmq
        self.peers = {}

    def do(self, words):
        if words == ["settle"]:
            for peer in self.peers.values():
                peer.finish()
            if self.is_rabbitmq:
                time.sleep(SETTLE_S)
        elif words[1] == "connect":
            self.peers[words[0]] = Peer(self.port, *words[2:])
        else:
            self.peers[words[0]].do(words[1], words[2:])

    def resolve(self, path):
        """The path with the names of connections in it, and the broker's port."""
        path = path.replace("$AMQP_PORT", str(self.port))
        for name, peer in self.peers.items():
            path = path.replace("$" + name, urllib.parse.quote(peer.name(), safe=""))
        return path
