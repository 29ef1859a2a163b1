# SPDX-License-Identifier: Apache-2.0
"""What a broker was told about messages, and what it may therefore do with them.

Each message stands in the line of its queue and publisher, in the order of publishing. What comes from
a queue is compared with its lines:

- A message that was confirmed and persistent comes again after every crash until an ack of it was sent.
  One that was not confirmed may be lost by a crash, but by nothing else.
- An ack has no reply, so what was acked may come again after a crash, until the ack is *proven*: after it
  the consumer had an answer to a synchronous method on the same channel, so the broker had applied
  the ack; and after that answer a message was published to a durable queue of the same virtual host that
  has no consumer, and was confirmed, so a later transaction is on disk. From then on it never comes again.
- A queue is read from its head after every start and nothing is requeued but by a crash. So what
  comes from one publisher only rises, and what it skips is not there any more.
- What was delivered before carries the redelivered flag; what was not, and has lived through no crash,
  does not. What is not persistent is gone after a crash.

Lives are counted: life n ends by the n-th crash. All methods may be called from any thread.
"""

import bisect
import struct
import threading
import zlib


class Message:
    __slots__ = (
        "sequence", "life", "is_persistent", "is_confirmed", "was_delivered", "is_acked", "is_proven"
    )  # fmt: skip

    def __init__(self, sequence, life, is_persistent):
        self.sequence = sequence
        self.life = life
        self.is_persistent = is_persistent
        self.is_confirmed = False
        self.was_delivered = False
        self.is_acked = False
        self.is_proven = False


class Line:
    """The messages of one publisher in one queue that may be there; those before `at` have come, or
    were skipped, in this life."""

    def __init__(self):
        self.messages = []
        self.at = 0
        self.gone = {}  # sequence -> why it cannot come any more

    def why_not(self, sequence):
        """Why this one should not have come."""
        place = bisect.bisect_left(self.messages, sequence, key=lambda message: message.sequence)
        if place < self.at and self.messages[place].sequence == sequence:
            return "came again or too late in the same life"
        return self.gone.get(sequence, "was never sent")

    def forget_gone(self, life):
        """After a crash: what was not persistent, or is known to be gone."""
        kept = []
        for message in self.messages:
            if message.is_persistent and not message.is_proven:
                kept.append(message)
            elif not message.is_persistent:
                self.gone[message.sequence] = "is transient, of life %d" % message.life
            else:
                why = "had a proven ack" if message.is_acked else "had been skipped"
                self.gone[message.sequence] = why + " in life %d" % (life - 1)
        self.messages = kept
        self.at = 0


def encode(publisher, sequence, size):
    head = struct.pack(">IQI", publisher, sequence, size)
    filler = (b"%d." % sequence * (size // 2 + 1))[:size]
    return head + filler + struct.pack(">I", zlib.crc32(head + filler))


def decode(body):
    """(publisher, sequence), or None if the body is not as it was sent."""
    if len(body) < 20 or zlib.crc32(body[:-4]) != struct.unpack(">I", body[-4:])[0]:
        return None
    return struct.unpack_from(">IQ", body)


class Ledger:
    def __init__(self, find):
        self.find = find  # is told of what must not be
        self.lock = threading.Lock()
        self.life = 0
        self.lines = {}  # queue -> publisher -> Line
        self.acked = []  # applied by the broker, not yet known to be on disk
        self.confirmed_count = 0
        self.delivered_count = 0
        self.proven_count = 0

    def line(self, queue, publisher):
        return self.lines.setdefault(queue, {}).setdefault(publisher, Line())

    # --- publishing

    def on_publish(self, queues, publisher, sequence, is_persistent):
        """Before it is sent; returns the message for on_confirm."""
        with self.lock:
            messages = []
            for queue in queues:
                message = Message(sequence, self.life, is_persistent)
                self.line(queue, publisher).messages.append(message)
                messages.append(message)
            return messages

    def on_confirm(self, messages):
        with self.lock:
            self.confirmed_count += 1
            for message in messages:
                message.is_confirmed = True

    # --- consuming

    def on_deliver(self, queue, body, is_redelivered):
        """Returns the message for on_ack; None if it should not have come."""
        decoded = decode(body)
        with self.lock:
            self.delivered_count += 1
            if decoded is None:
                self.find("%s: a damaged body of %d bytes" % (queue, len(body)))
                return None
            return self.step(queue, *decoded, is_redelivered)

    def step(self, queue, publisher, sequence, is_redelivered):
        line = self.line(queue, publisher)
        name = "%s: message %d of publisher %d" % (queue, sequence, publisher)
        while line.at < len(line.messages) and line.messages[line.at].sequence < sequence:
            self.skip(queue, publisher, line.messages[line.at])
            line.at += 1
        if line.at == len(line.messages) or line.messages[line.at].sequence != sequence:
            self.find("%s %s (now %d)" % (name, line.why_not(sequence), self.life))
            return None
        message = line.messages[line.at]
        line.at += 1
        if message.was_delivered and not is_redelivered:
            self.find(name + " comes a second time without the redelivered flag")
        if is_redelivered and not message.was_delivered and message.life == self.life:
            self.find(name + " has the redelivered flag at its first delivery")
        message.was_delivered = True
        message.is_acked = False  # an ack before the crash was lost with it
        return message

    def is_due(self, message):
        """Whether it must be in its queue now, if it has not come in this life."""
        if message.is_acked:
            return False
        is_safe = message.is_confirmed and message.is_persistent
        return is_safe or message.life == self.life

    def skip(self, queue, publisher, message):
        if self.is_due(message):
            self.find(
                "%s: message %d of publisher %d is missing (confirmed: %s, of life %d, now %d)"
                % (queue, message.sequence, publisher, message.is_confirmed, message.life, self.life)
            )
        message.is_proven = True  # it is known to be gone

    def on_ack(self, messages):
        """Before the ack is sent."""
        with self.lock:
            for message in messages:
                message.is_acked = True

    def on_applied(self, messages):
        """The acks were followed by an answer on their channel."""
        with self.lock:
            self.acked.extend(messages)

    # --- what is on disk

    def applied_now(self):
        """Before a mark is sent: how much its confirm will prove."""
        with self.lock:
            taken, self.acked = self.acked, []
            return taken

    def on_proven(self, messages):
        with self.lock:
            self.proven_count += len(messages)
            for message in messages:
                message.is_proven = True

    # --- crashes

    def on_crash(self):
        with self.lock:
            self.life += 1
            self.acked = []
            for lines in self.lines.values():
                for line in lines.values():
                    line.forget_gone(self.life)

    def bounds(self, queue):
        """The fewest and the most messages that the queue may hold after a crash."""
        with self.lock:
            messages = [m for line in self.lines.get(queue, {}).values() for m in line.messages]
            return sum(self.is_due(m) for m in messages), len(messages)

    def on_drained(self, queue):
        """The queue has given all it had."""
        with self.lock:
            for publisher, line in self.lines.get(queue, {}).items():
                for message in line.messages[line.at :]:
                    self.skip(queue, publisher, message)
                line.at = len(line.messages)
