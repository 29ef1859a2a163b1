# SPDX-License-Identifier: Apache-2.0
"""AMQP 0-9-1 as bytes: frames, methods, properties and tables, both ways.

A method is named as in the specification (`queue.declare`) and its arguments are a dict; reserved
arguments are left out. A value of a table is a Value with its type's letter, because whether a
broker answers with a 32 or a 64 bit integer is part of what it says.
"""

import collections
import struct

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_MAX = 131072
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

Value = collections.namedtuple("Value", "kind value")

# Types: o octet, h short, l long, g longlong, s shortstr, S longstr, F table, b bit, - reserved bit,
# and the reserved arguments 0h (short 0), 0s (empty shortstr).
METHODS = {
    "connection.start": (10, 10, "o:version_major o:version_minor F:properties S:mechanisms S:locales"),
    "connection.start-ok": (10, 11, "F:properties s:mechanism S:response s:locale"),
    "connection.secure": (10, 20, "S:challenge"),
    "connection.secure-ok": (10, 21, "S:response"),
    "connection.tune": (10, 30, "h:channel_max l:frame_max h:heartbeat"),
    "connection.tune-ok": (10, 31, "h:channel_max l:frame_max h:heartbeat"),
    "connection.open": (10, 40, "s:vhost 0s 0o"),
    "connection.open-ok": (10, 41, "0s"),
    "connection.close": (10, 50, "h:code s:text h:class h:method"),
    "connection.close-ok": (10, 51, ""),
    "connection.blocked": (10, 60, "s:reason"),
    "connection.unblocked": (10, 61, ""),
    "connection.update-secret": (10, 70, "S:secret s:reason"),
    "connection.update-secret-ok": (10, 71, ""),
    "channel.open": (20, 10, "0s"),
    "channel.open-ok": (20, 11, "0S"),
    "channel.flow": (20, 20, "b:active"),
    "channel.flow-ok": (20, 21, "b:active"),
    "channel.close": (20, 40, "h:code s:text h:class h:method"),
    "channel.close-ok": (20, 41, ""),
    "access.request": (30, 10, "s:realm b:exclusive b:passive b:active b:write b:read"),
    "access.request-ok": (30, 11, "h:ticket"),
    "exchange.declare": (
        40,
        10,
        "0h s:exchange s:type b:passive b:durable b:auto_delete b:internal b:nowait F:arguments",
    ),
    "exchange.declare-ok": (40, 11, ""),
    "exchange.delete": (40, 20, "0h s:exchange b:if_unused b:nowait"),
    "exchange.delete-ok": (40, 21, ""),
    "exchange.bind": (40, 30, "0h s:destination s:source s:key b:nowait F:arguments"),
    "exchange.bind-ok": (40, 31, ""),
    "exchange.unbind": (40, 40, "0h s:destination s:source s:key b:nowait F:arguments"),
    "exchange.unbind-ok": (40, 51, ""),
    "queue.declare": (
        50,
        10,
        "0h s:queue b:passive b:durable b:exclusive b:auto_delete b:nowait F:arguments",
    ),
    "queue.declare-ok": (50, 11, "s:queue l:messages l:consumers"),
    "queue.bind": (50, 20, "0h s:queue s:exchange s:key b:nowait F:arguments"),
    "queue.bind-ok": (50, 21, ""),
    "queue.purge": (50, 30, "0h s:queue b:nowait"),
    "queue.purge-ok": (50, 31, "l:messages"),
    "queue.delete": (50, 40, "0h s:queue b:if_unused b:if_empty b:nowait"),
    "queue.delete-ok": (50, 41, "l:messages"),
    "queue.unbind": (50, 50, "0h s:queue s:exchange s:key F:arguments"),
    "queue.unbind-ok": (50, 51, ""),
    "basic.qos": (60, 10, "l:size h:count b:global"),
    "basic.qos-ok": (60, 11, ""),
    "basic.consume": (
        60,
        20,
        "0h s:queue s:consumer b:no_local b:no_ack b:exclusive b:nowait F:arguments",
    ),
    "basic.consume-ok": (60, 21, "s:consumer"),
    "basic.cancel": (60, 30, "s:consumer b:nowait"),
    "basic.cancel-ok": (60, 31, "s:consumer"),
    "basic.publish": (60, 40, "0h s:exchange s:key b:mandatory b:immediate"),
    "basic.return": (60, 50, "h:code s:text s:exchange s:key"),
    "basic.deliver": (60, 60, "s:consumer g:tag b:redelivered s:exchange s:key"),
    "basic.get": (60, 70, "0h s:queue b:no_ack"),
    "basic.get-ok": (60, 71, "g:tag b:redelivered s:exchange s:key l:messages"),
    "basic.get-empty": (60, 72, "0s"),
    "basic.ack": (60, 80, "g:tag b:multiple"),
    "basic.reject": (60, 90, "g:tag b:requeue"),
    "basic.recover-async": (60, 100, "b:requeue"),
    "basic.recover": (60, 110, "b:requeue"),
    "basic.recover-ok": (60, 111, ""),
    "basic.nack": (60, 120, "g:tag b:multiple b:requeue"),
    "confirm.select": (85, 10, "b:nowait"),
    "confirm.select-ok": (85, 11, ""),
    "tx.select": (90, 10, ""),
    "tx.select-ok": (90, 11, ""),
    "tx.commit": (90, 20, ""),
    "tx.commit-ok": (90, 21, ""),
    "tx.rollback": (90, 30, ""),
    "tx.rollback-ok": (90, 31, ""),
}
NAMES = {(class_id, method_id): name for name, (class_id, method_id, _) in METHODS.items()}
HAS_CONTENT = ("basic.deliver", "basic.get-ok", "basic.return")

# In the order of their bits, from bit 15 down.
PROPERTIES = (
    "content_type:s content_encoding:s headers:F delivery_mode:o priority:o correlation_id:s reply_to:s"
    " expiration:s message_id:s timestamp:g type:s user_id:s app_id:s cluster_id:s"
)
PROPERTIES = [tuple(word.split(":")) for word in PROPERTIES.split()]

NUMBERS = {"o": ">B", "h": ">H", "l": ">I", "g": ">Q"}
TABLE_NUMBERS = {
    "b": ">b",
    "B": ">B",
    "s": ">h",
    "u": ">H",
    "I": ">i",
    "i": ">I",
    "l": ">q",
    "L": ">q",
    "f": ">f",
    "d": ">d",
    "T": ">Q",
}


# --- writing -----------------------------------------------------------------------------------


def to_bytes(text):
    """Text of scripts is UTF-8; bytes that are not stand as surrogates."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def to_text(data):
    return bytes(data).decode("utf-8", "surrogateescape")


def short_string(text):
    data = to_bytes(text)
    return bytes([len(data)]) + data


def long_string(text):
    data = to_bytes(text)
    return struct.pack(">I", len(data)) + data


def encode_value(value):
    kind, content = value
    if kind in TABLE_NUMBERS:
        data = struct.pack(TABLE_NUMBERS[kind], content)
    elif kind == "t":
        data = bytes([content])
    elif kind == "D":
        data = struct.pack(">BI", *content)
    elif kind in "Sx":
        data = long_string(content)
    elif kind == "A":
        data = long_string(b"".join(map(encode_value, content)))
    elif kind == "F":
        data = encode_table(content)
    elif kind == "V":
        data = b""
    else:
        raise ValueError("no such type: " + kind)
    return kind.encode() + data


def encode_table(pairs):
    return long_string(b"".join(short_string(key) + encode_value(value) for key, value in pairs))


def encode_argument(kind, value):
    if kind in NUMBERS:
        return struct.pack(NUMBERS[kind], value)
    return {"s": short_string, "S": long_string, "F": encode_table}[kind](value)


def encode_method(name, arguments):
    class_id, method_id, layout = METHODS[name]
    out, bits, bit_count = [struct.pack(">HH", class_id, method_id)], 0, 0
    for word in layout.split() + ["end"]:
        kind, _, key = word.partition(":")
        if kind == "b":
            bits |= bool(arguments.get(key)) << bit_count
            bit_count += 1
            continue
        if bit_count:
            out.append(bytes([bits]))
            bits = bit_count = 0
        if kind.startswith("0"):
            out.append(encode_argument(kind[1], 0 if kind[1] in NUMBERS else ""))
        elif key:
            default = {"F": [], "s": "", "S": ""}.get(kind, 0)
            out.append(encode_argument(kind, arguments.get(key, default)))
    return b"".join(out)


def encode_header(size, properties):
    flags, out = 0, b""
    for bit, (key, kind) in enumerate(PROPERTIES):
        if key in properties:
            flags |= 1 << (15 - bit)
            out += encode_argument(kind, properties[key])
    return struct.pack(">HHQH", 60, 0, size, flags) + out


def frame(kind, channel, payload):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def method_frame(channel, name, arguments):
    return frame(METHOD, channel, encode_method(name, arguments))


def content_frames(channel, body, properties, frame_max):
    piece = max(frame_max - 8, 1)
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)]
    frames = [frame(HEADER, channel, encode_header(len(body), properties))]
    return b"".join(frames + [frame(BODY, channel, data) for data in pieces])


# --- reading -----------------------------------------------------------------------------------


class Reader:
    """Reads one value after the other from the payload of a frame."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("the payload ends early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, layout):
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def short_string(self):
        return to_text(self.take(self.number(">B")))

    def long_string(self):
        return to_text(self.take(self.number(">I")))

    def table(self):
        inner = Reader(self.take(self.number(">I")))
        pairs = []
        while inner.at < len(inner.data):
            key = inner.short_string()
            pairs.append((key, inner.value()))
        return pairs

    def array(self):
        inner = Reader(self.take(self.number(">I")))
        values = []
        while inner.at < len(inner.data):
            values.append(inner.value())
        return values

    def value(self):
        kind = chr(self.take(1)[0])
        if kind in TABLE_NUMBERS:
            return Value(kind, self.number(TABLE_NUMBERS[kind]))
        if kind == "D":
            return Value(kind, (self.number(">B"), self.number(">I")))
        readers = {
            "t": lambda: self.number(">B") != 0,
            "S": self.long_string,
            "x": self.long_string,
            "A": self.array,
            "F": self.table,
            "V": lambda: None,
        }
        if kind not in readers:
            raise ValueError("a value of type %r" % kind)
        return Value(kind, readers[kind]())

    def argument(self, kind):
        if kind in NUMBERS:
            return self.number(NUMBERS[kind])
        return {"s": self.short_string, "S": self.long_string, "F": self.table}[kind]()


def decode_method(payload):
    """(name, arguments); an unknown method is a ValueError."""
    reader = Reader(payload)
    number = (reader.number(">H"), reader.number(">H"))
    if number not in NAMES:
        raise ValueError("method %d.%d" % number)
    arguments, bits, bit_count = {}, 0, 0
    for word in METHODS[NAMES[number]][2].split():
        kind, _, key = word.partition(":")
        if kind == "b":
            if bit_count == 0:
                bits = reader.number(">B")
            arguments[key] = bits >> bit_count & 1
            bit_count += 1
        elif kind.startswith("0"):
            reader.argument(kind[1])
        else:
            arguments[key] = reader.argument(kind)
    # More flags than the layout has, such as the requeue bit of the nack of a publish.
    if bit_count and bits >> bit_count:
        arguments["more_bits"] = bits >> bit_count
    return NAMES[number], arguments


def decode_header(payload):
    """(body size, properties)."""
    reader = Reader(payload)
    reader.take(4)
    size, flags = reader.number(">Q"), reader.number(">H")
    properties = {}
    for bit, (key, kind) in enumerate(PROPERTIES):
        if flags >> (15 - bit) & 1:
            properties[key] = reader.argument(kind)
    return size, properties
