# SPDX-License-Identifier: Apache-2.0
"""The connections of one run of a script: opens them, writes methods, records all that comes.

Nothing here runs in a thread of its own: what arrives is read while the run waits for something.
"""

import select
import socket
import time

import wire
from transcript import content_text, method_text
from wire import PROTOCOL_HEADER, Value

ANSWER_LIMIT_S = 10
READ_BYTES = 1 << 16
CAPABILITIES = (
    "authentication_failure_close basic.nack connection.blocked consumer_cancel_notify publisher_confirms"
)
# Its replies are no part of the transcript.
UTILITY_CHANNEL = 1999


class Channel:
    def __init__(self):
        self.is_open = False
        self.replies = []
        self.probes = 0
        self.hides_empty = False
        self.is_confirming = False
        self.published = 0  # since then
        self.settled = set()  # delivery tags of confirms
        self.half = None  # of a content: method, arguments, size, properties, body


class Connection:
    """One socket, and what is known of its channels."""

    def __init__(self, letter, port, log, names):
        self.letter = letter
        self.log = log  # (place, line)
        self.names = names
        self.input = bytearray()
        self.channels = {}
        self.is_open = False
        self.is_ended = False
        self.is_blocked = False
        self.is_quiet = False  # nothing more is recorded
        self.event_count = 0
        self.tuned = None  # what the broker proposed
        self.frame_max = wire.FRAME_MAX
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def channel(self, number):
        return self.channels.setdefault(number, Channel())

    def say(self, channel, line):
        self.event_count += 1
        if not self.is_quiet and channel != UTILITY_CHANNEL:
            self.log.add((self.letter, channel), line)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # the end of the connection is seen when it is read

    def send_method(self, channel, name, arguments):
        self.send(wire.method_frame(channel, name, arguments))

    def end(self, reason=None):
        if self.is_ended:
            return
        self.is_ended = True
        self.is_open = False
        for channel in self.channels.values():
            channel.is_open = False
        self.socket.close()
        if reason:
            self.say(0, reason)

    # --- reading

    def receive(self):
        try:
            data = self.socket.recv(READ_BYTES)
        except OSError:
            data = b""
        if not data:
            self.end("the broker dropped the connection")
            return
        self.input += data
        while not self.is_ended and len(self.input) >= 8:
            if self.input[:4] == b"AMQP":
                self.say(0, "protocol header %s" % self.input[4:8].hex(" "))
                del self.input[:8]
                continue
            size = int.from_bytes(self.input[3:7], "big")
            if len(self.input) < size + 8:
                break
            kind, channel = self.input[0], int.from_bytes(self.input[1:3], "big")
            payload = bytes(self.input[7 : 7 + size])
            del self.input[: size + 8]
            self.on_frame(kind, channel, payload)

    def on_frame(self, kind, number, payload):
        channel = self.channel(number)
        if kind == wire.METHOD:
            try:
                name, arguments = wire.decode_method(payload)
            except ValueError as error:
                self.say(number, "cannot be decoded: %s" % error)
                return
            self.on_method(number, channel, name, arguments)
        elif kind == wire.HEADER and channel.half:
            channel.half[2], channel.half[3] = wire.decode_header(payload)
            self.on_body(number, channel, b"")
        elif kind == wire.BODY and channel.half:
            self.on_body(number, channel, payload)
        elif kind != wire.HEARTBEAT:
            self.say(number, "unexpected frame of type %d" % kind)

    def on_body(self, number, channel, data):
        channel.half[4] += data
        name, arguments, size, properties, body = channel.half
        if len(body) >= size:
            channel.half = None
            content = content_text(self.names, properties, body)
            self.say(number, method_text(self.names, name, arguments) + " " + content)
            channel.replies.append((name, bytes(body)))

    def on_method(self, number, channel, name, arguments):
        if name in wire.HAS_CONTENT:
            channel.half = [name, arguments, None, {}, bytearray()]
            return
        if name == "channel.flow-ok" and channel.probes:
            channel.probes -= 1
            return
        if name == "basic.get-empty" and channel.hides_empty:
            channel.replies.append((name, None))
            return
        if name in ("basic.ack", "basic.nack"):
            self.on_confirm(number, channel, name, arguments)
            return
        if number or name not in ("connection.start", "connection.tune", "connection.open-ok"):
            if name != "channel.open-ok":
                self.say(number, method_text(self.names, name, arguments))
        if name == "connection.tune":
            self.tuned = arguments
        self.on_state(number, channel, name)
        channel.replies.append((name, arguments))

    def on_confirm(self, number, channel, name, arguments):
        """Whether several tags come in one confirm is the broker's choice."""
        tag = arguments["tag"]
        tags = [tag]
        if arguments["multiple"]:
            tags = [lower for lower in range(1, tag + 1) if lower not in channel.settled]
        channel.settled.update(tags)
        self.event_count += 1
        if not self.is_quiet:
            word = name.replace("basic.", "confirm: ") + (" requeue" if arguments.get("requeue") else "")
            self.log.add_confirm((self.letter, number), tags, word)

    def on_state(self, number, channel, name):
        if name == "channel.open-ok":
            channel.is_open = True
        elif name == "channel.close":
            channel.is_open = False
            self.send_method(number, "channel.close-ok", {})
        elif name == "channel.close-ok":
            channel.is_open = False
        elif name == "connection.close":
            self.send_method(0, "connection.close-ok", {})
            self.end()
        elif name == "connection.close-ok":
            self.end()
        elif name == "connection.blocked":
            self.is_blocked = True
        elif name == "connection.unblocked":
            self.is_blocked = False


def pump(connections, limit_s):
    """Reads what is there, waiting for at most the limit for something to come."""
    live = {c.socket: c for c in connections if not c.is_ended}
    if not live:
        time.sleep(max(limit_s, 0))
        return
    for ready in select.select(list(live), [], [], max(limit_s, 0))[0]:
        live[ready].receive()


def client_properties(options):
    names = options.get("capabilities", CAPABILITIES).replace(",", " ").split()
    pairs = [(name, Value("t", True)) for name in names]
    properties = [("product", Value("S", "differential")), ("capabilities", Value("F", pairs))]
    if "name" in options:
        properties.append(("connection_name", Value("S", options["name"])))
    return properties


def sasl_response(mechanism, user, password):
    if mechanism == "AMQPLAIN":
        table = [("LOGIN", Value("S", user)), ("PASSWORD", Value("S", password))]
        return wire.to_text(wire.encode_table(table)[4:])
    return "\0%s\0%s" % (user, password)


def log_in(connection, wait_for, options):
    """The handshake up to connection.open-ok; what goes wrong stands in the transcript."""
    connection.send(PROTOCOL_HEADER)
    if not wait_for(connection, 0, "connection.start"):
        return
    mechanism = options.get("mechanism", "PLAIN")
    response = sasl_response(mechanism, options["user"], options["password"])
    start_ok = {
        "properties": client_properties(options),
        "mechanism": mechanism,
        "response": options.get("response", response),
        "locale": "en_US",
    }
    connection.send_method(0, "connection.start-ok", start_ok)
    if not wait_for(connection, 0, "connection.tune"):
        return
    tune = dict(connection.tuned, heartbeat=0)
    tune_ok = {key: int(options.get(key, value)) for key, value in tune.items()}
    connection.frame_max = min(tune_ok["frame_max"] or wire.FRAME_MAX, wire.FRAME_MAX)
    connection.send_method(0, "connection.tune-ok", tune_ok)
    connection.send_method(0, "connection.open", {"vhost": options["vhost"]})
    connection.is_open = wait_for(connection, 0, "connection.open-ok")
