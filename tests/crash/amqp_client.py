# SPDX-License-Identifier: Apache-2.0
"""A small AMQP client that blocks, for tests that count every message.

It has one channel and hides nothing: what the broker sends comes out of read() as an event, in the
order of the wire; call() keeps the events that come before the reply it waits for. A connection that
ends, in whatever way, is a Lost, and events that arrived before the end are still read.
"""

import collections
import select
import socket
import struct
import time

FRAME_MAX = 131072
READ_BYTES = 1 << 18
SILENCE_S = 60

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8

Delivery = collections.namedtuple("Delivery", "consumer tag is_redelivered body properties")
Confirm = collections.namedtuple("Confirm", "tag is_multiple is_ack")
Blocked = collections.namedtuple("Blocked", "reason")  # None: unblocked
Method = collections.namedtuple("Method", "id arguments")


class Lost(Exception):
    """The connection is gone."""


class Refused(Exception):
    """The broker closed the channel or the connection, with its code and text."""


def short_string(text):
    data = text.encode()
    return bytes([len(data)]) + data


def long_string(data):
    return struct.pack(">I", len(data)) + data


def table_of_capabilities(*names):
    inner = b"".join(short_string(name) + b"t\x01" for name in names)
    return long_string(short_string("capabilities") + b"F" + long_string(inner))


def read_short_string(data, at):
    end = at + 1 + data[at]
    return data[at + 1 : end].decode(), end


def frame(kind, payload, channel=1):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def method(class_id, method_id, arguments=b"", channel=1):
    return frame(METHOD, struct.pack(">HH", class_id, method_id) + arguments, channel)


def encode_table(fields):
    """A field table of truth values, integers and texts."""
    table = b""
    for name, value in (fields or {}).items():
        table += short_string(name)
        if isinstance(value, bool):
            table += b"t" + bytes([value])
        elif isinstance(value, int):
            table += b"l" + struct.pack(">q", value)
        else:
            table += b"S" + long_string(value.encode())
    return long_string(table)


NUMBERS = {"t": "?", "b": "b", "B": "B", "s": "h", "u": "H", "I": "i", "i": "I", "l": "q", "T": "Q"}


def decode_value(kind, data, at):
    """(value, where it ends)"""
    if kind in NUMBERS:
        format = ">" + NUMBERS[kind]
        return struct.unpack_from(format, data, at)[0], at + struct.calcsize(format)
    (size,) = struct.unpack_from(">I", data, at)
    inner = data[at + 4 : at + 4 + size]
    decode = {"S": lambda text: text.decode(), "F": decode_table, "A": decode_array}[kind]
    return decode(inner), at + 4 + size


def decode_table(data):
    fields, at = {}, 0
    while at < len(data):
        name, at = read_short_string(data, at)
        fields[name], at = decode_value(chr(data[at]), data, at + 1)
    return fields


def decode_array(data):
    values, at = [], 0
    while at < len(data):
        value, at = decode_value(chr(data[at]), data, at + 1)
        values.append(value)
    return values


def headers_of(delivery):
    """Of a message that has no content type and no content encoding."""
    (flags,) = struct.unpack_from(">H", delivery.properties)
    return decode_value("F", delivery.properties, 2)[0] if flags & 0x2000 else {}


def encode_properties(is_persistent, headers, priority):
    flags, values = 0x1000, b""
    if headers is not None:
        flags |= 0x2000
        values += encode_table(headers)
    values += b"\2" if is_persistent else b"\1"
    if priority is not None:
        flags |= 0x0800
        values += bytes([priority])
    return struct.pack(">H", flags) + values


def publish(exchange, routing_key, body, is_persistent=True, headers=None, priority=None):
    """The frames of one message."""
    arguments = b"\0\0" + short_string(exchange) + short_string(routing_key) + b"\0"
    properties = encode_properties(is_persistent, headers, priority)
    header = struct.pack(">HHQ", 60, 0, len(body)) + properties
    piece = FRAME_MAX - 8
    pieces = [frame(BODY, body[at : at + piece]) for at in range(0, len(body), piece)]
    return method(60, 40, arguments) + frame(HEADER, header) + b"".join(pieces)


class Client:
    credentials = b"\0guest\0guest"

    def __init__(self, port, vhost="/"):
        self.events = collections.deque()
        self.input = bytearray()
        self.half = None  # of a delivery: what is known before its body is complete
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout=SILENCE_S)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise Lost(str(error)) from error
        self.log_in(vhost)

    def log_in(self, vhost):
        self.send(b"AMQP\x00\x00\x09\x01")
        self.expect((10, 10))
        properties = table_of_capabilities("connection.blocked", "basic.nack")
        response = long_string(self.credentials)
        self.send(method(10, 11, properties + short_string("PLAIN") + response + b"\5en_US", 0))
        self.expect((10, 30))
        self.send(method(10, 31, struct.pack(">HIH", 16, FRAME_MAX, 0), 0))
        self.send(method(10, 40, short_string(vhost) + b"\0\0", 0))
        self.expect((10, 41))
        self.call((20, 10), b"\0", (20, 11))

    # --- the wire

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Lost(str(error)) from error

    def receive(self):
        try:
            data = self.socket.recv(READ_BYTES)
        except TimeoutError as error:
            raise Lost("nothing came for %d s" % SILENCE_S) from error
        except OSError as error:
            raise Lost(str(error)) from error
        if not data:
            raise Lost("end of file")
        self.input += data
        at = 0
        while len(self.input) - at >= 8:
            kind, _, size = struct.unpack_from(">BHI", self.input, at)
            if len(self.input) - at < size + 8:
                break
            self.on_frame(kind, bytes(self.input[at + 7 : at + 7 + size]))
            at += size + 8
        del self.input[:at]

    def on_frame(self, kind, payload):
        if kind == METHOD:
            self.on_method(struct.unpack_from(">HH", payload), payload[4:])
        elif kind == HEADER:
            (self.half[1],) = struct.unpack_from(">Q", payload, 4)
            self.half[0] = self.half[0]._replace(properties=payload[12:])
            self.on_body(b"")
        elif kind == BODY:
            self.on_body(payload)

    def on_body(self, data):
        delivery, size, body = self.half
        body += data
        if len(body) == size:
            self.events.append(delivery._replace(body=bytes(body)))

    def on_method(self, number, arguments):
        if number == (60, 60):
            consumer, at = read_short_string(arguments, 0)
            tag, is_redelivered = struct.unpack_from(">QB", arguments, at)
            self.half = [
                Delivery(consumer, tag, is_redelivered != 0, None, None), None, bytearray()
            ]  # fmt: skip
        elif number in ((60, 80), (60, 120)):
            tag, bits = struct.unpack(">QB", arguments)
            self.events.append(Confirm(tag, bits & 1 != 0, number[1] == 80))
        elif number == (10, 60):
            self.events.append(Blocked(read_short_string(arguments, 0)[0]))
        elif number == (10, 61):
            self.events.append(Blocked(None))
        else:
            self.events.append(Method(number, arguments))

    # --- what tests use

    def read(self):
        """The next event."""
        while not self.events:
            self.receive()
        event = self.events.popleft()
        if isinstance(event, Method) and event.id in ((10, 50), (20, 40)):
            (code,) = struct.unpack_from(">H", event.arguments)
            raise Refused("%d %s" % (code, read_short_string(event.arguments, 2)[0]))
        return event

    def poll(self, limit_s):
        """The next event, or None if none comes in time."""
        deadline = time.monotonic() + limit_s
        while not self.events:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([self.socket], [], [], left_s)[0]:
                return None
            self.receive()
        return self.read()

    def rest(self):
        """What had arrived when the connection ended."""
        while True:
            try:
                yield self.read()
            except (Lost, Refused):
                return

    def expect(self, number):
        """The arguments of this method, which is the next one; other events wait."""
        kept = []
        while True:
            event = self.read()
            if isinstance(event, Method):
                break
            kept.append(event)
        self.events.extendleft(reversed(kept))
        if event.id != number:
            raise Refused("method %d.%d came instead of %d.%d" % (event.id + number))
        return event.arguments

    def call(self, number, arguments, reply):
        self.send(method(*number, arguments))
        return self.expect(reply)

    def declare_exchange(self, name, kind, arguments=None):
        names = b"\0\0" + short_string(name) + short_string(kind)
        self.call((40, 10), names + b"\2" + encode_table(arguments), (40, 11))

    def declare_queue(self, name, is_passive=False, arguments=None):
        """Durable; the number of its ready messages."""
        bits = bytes([1 if is_passive else 2])
        fields = b"\0\0" + short_string(name) + bits + encode_table(arguments)
        reply = self.call((50, 10), fields, (50, 11))
        return struct.unpack_from(">I", reply, read_short_string(reply, 0)[1])[0]

    def bind(self, queue, exchange, key=""):
        names = b"\0\0" + short_string(queue) + short_string(exchange) + short_string(key)
        self.call((50, 20), names + b"\0" + long_string(b""), (50, 21))

    def delete_queue(self, name):
        self.call((50, 40), b"\0\0" + short_string(name) + b"\0", (50, 41))

    def select_confirms(self):
        self.call((85, 10), b"\0", (85, 11))

    def set_prefetch(self, count):
        self.call((60, 10), struct.pack(">IHB", 0, count, 0), (60, 11))

    def consume(self, queue, tag=""):
        self.send_consume(queue, tag)
        self.expect((60, 21))

    def send_consume(self, queue, tag=""):
        names = b"\0\0" + short_string(queue) + short_string(tag)
        self.send(method(60, 20, names + b"\0" + long_string(b"")))

    def cancel(self, tag):
        self.call((60, 30), short_string(tag) + b"\0", (60, 31))

    def ack(self, tag, is_multiple=False):
        self.send(method(60, 80, struct.pack(">QB", tag, is_multiple)))

    def reject(self, tag, is_requeue):
        self.send(method(60, 90, struct.pack(">QB", tag, is_requeue)))

    def close(self):
        self.call_connection_close()
        self.socket.close()

    def call_connection_close(self):
        self.send(method(10, 50, struct.pack(">HBHH", 200, 0, 0, 0), 0))
        for event in self.rest():
            if isinstance(event, Method) and event.id == (10, 51):
                return
