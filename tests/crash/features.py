# SPDX-License-Identifier: Apache-2.0
"""What a queue or exchange promises of its messages, as scenarios for a broker that is killed.

A scenario has a few queues of its own. An Account knows each of its messages, by number: whether it was
confirmed or refused, and whether an ack of it was sent. Whatever moves messages from one queue to
another (time to live, limits, rejections, delays), after all kills each confirmed message is in exactly one of
the scenario's queues, unless an ack was sent; no message is there twice; and none that was refused is there. What
else a scenario promises is checked after each start or where it happens.
"""

import collections
import struct
import time

from amqp_client import Blocked, Confirm, Delivery, Refused, headers_of, publish
from amqp_client import Client

WINDOW_MAX = 60
PAUSE_S = 0.002  # between bursts: what is tested are kills, not the rate
MARKS = "kill.marks"
CLOCK_S = 0.005  # as coarse is the clock of the broker, which tells what is due


class Message:
    def __init__(self, number):
        self.number = number
        self.is_confirmed = False
        self.is_refused = False
        self.is_acked = False
        self.due_s = 0.0
        self.priority = 0
        self.value = None  # by which a queue knows it
        self.failures = 0  # that are known to be on disk


def encode(number):
    return struct.pack(">Q", number) + b"%d" % number * (number % 40)


def decode(delivery):
    return struct.unpack_from(">Q", delivery.body)[0]


class Scenario:
    queues = ()  # in the order in which messages go through them

    def __init__(self, find, control, manage):
        self.tell = find
        self.control = control  # runs leveretctl: (exit status, output)
        self.manage = manage  # posts to the management API: path below /api, body; the answer's
        self.messages = {}

    def find(self, text):
        self.tell("%s: %s" % (type(self).__name__, text))

    def new_message(self):
        message = Message(len(self.messages) + 1)
        self.messages[message.number] = message
        return message

    # --- what a scenario may say

    def declare(self, client):
        raise NotImplementedError

    def jobs(self, choice):
        """(function of a client and more, more...) for a life."""
        raise NotImplementedError

    def after_start(self, client):
        """What must hold then; at first how many there are."""
        low = sum(m.is_confirmed and not m.is_acked for m in self.messages.values())
        count = sum(client.declare_queue(queue, is_passive=True) for queue in self.queues)
        if count < low:
            self.find("%d messages are there, not %d" % (count, low))

    def read_queues(self, client):
        """{queue: deliveries}: all that is there."""
        return {queue: read_all(client, queue) for queue in self.queues}

    def check_drained(self, found):
        """{queue: deliveries}, when all is read."""

    # --- clients

    def publish(self, client, choice, frames_of, messages=None):
        """Bursts of messages, at most a window of them unconfirmed. frames_of(message, choice) encodes one."""
        client.select_confirms()
        window = choice.choice((1, 10, WINDOW_MAX))
        sent, tag = {}, 0
        while True:
            burst = []
            for _ in range(choice.randint(1, window)):
                tag += 1
                sent[tag] = self.new_message() if messages is None else messages()
                burst.append(frames_of(sent[tag], choice))
            client.send(b"".join(burst))
            while len(sent) > window // 2:
                self.on_publisher_event(client.read(), sent)
            time.sleep(PAUSE_S)

    def on_publisher_event(self, event, sent):
        if isinstance(event, Blocked):
            return
        if not isinstance(event, Confirm):
            self.find("a publisher was sent %r" % (event,))
            return
        tags = [tag for tag in sent if tag <= event.tag] if event.is_multiple else [event.tag]
        for tag in tags:
            message = sent.pop(tag)
            message.is_confirmed |= event.is_ack
            message.is_refused |= not event.is_ack

    def message_of(self, delivery):
        message = self.messages.get(decode(delivery))
        if message is None or delivery.body != encode(message.number):
            self.find("a message that nobody sent: %r" % (delivery,))
            return None
        return message

    def consume(self, client, queue, prefetch, settle):
        """settle(client, delivery, message) for each."""
        client.set_prefetch(prefetch)
        client.consume(queue, "consumer")
        while True:
            event = client.read()
            message = self.message_of(event) if isinstance(event, Delivery) else None
            if message is not None:
                settle(client, event, message)
            else:
                self.find("a consumer was sent %r" % (event,))

    def ack(self, client, delivery, message):
        message.is_acked = True
        client.ack(delivery.tag)

    # --- the end

    def drain(self, port):
        client = Client(port)
        found = self.read_queues(client)
        client.ack(0, is_multiple=True)
        client.close()
        numbers = [decode(delivery) for deliveries in found.values() for delivery in deliveries]
        for number, count in collections.Counter(numbers).items():
            self.check_found(number, count)
        for number in sorted(self.missing(numbers)):
            self.find("message %d was confirmed and is nowhere" % number)
        self.check_drained(found)

    def missing(self, numbers):
        """Those that must be there, but for these."""
        due = (m.number for m in self.messages.values() if m.is_confirmed and not m.is_acked)
        return set(due).difference(numbers)

    def check_found(self, number, count):
        if count > 1:
            self.find("message %d is there %d times" % (number, count))
        if number not in self.messages:
            self.find("message %d was never sent" % number)
        elif self.messages[number].is_refused and not self.messages[number].is_confirmed:
            self.find("message %d was refused and is there" % number)

    def check_order(self, queue, deliveries):
        numbers = [decode(delivery) for delivery in deliveries]
        if numbers != sorted(numbers):
            self.find("%s is not in the order of publishing" % queue)


def read_all(client, queue):
    """Every message of a queue, which stay unacked."""
    client.consume(queue, "drain of " + queue)
    while client.declare_queue(queue, is_passive=True) > 0:
        time.sleep(0.02)
    client.cancel("drain of " + queue)
    found = [event for event in client.events if isinstance(event, Delivery)]
    client.events.clear()
    return found


class Expiry(Scenario):
    """Messages expire in one queue, or are rejected there, and go to another."""

    queues = ("kill.expiring", "kill.expired")

    def declare(self, client):
        client.declare_queue("kill.expired")
        client.declare_queue("kill.expiring", arguments={
            "x-message-ttl": 40,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "kill.expired",
        })  # fmt: skip

    def jobs(self, choice):
        yield self.publish, choice(), lambda m, _: publish("", "kill.expiring", encode(m.number))
        if choice().random() < 0.4:
            yield self.consume, "kill.expiring", 20, self.reject_or_ack
        if choice().random() < 0.4:
            yield self.consume, "kill.expired", 50, self.ack

    def reject_or_ack(self, client, delivery, message):
        if message.number % 3 == 0:
            self.ack(client, delivery, message)
        else:
            client.reject(delivery.tag, is_requeue=False)

    def check_drained(self, found):
        for delivery in found["kill.expired"]:
            deaths = headers_of(delivery).get("x-death", [])
            if [death["queue"] for death in deaths] != ["kill.expiring"] or deaths[0]["count"] != 1:
                self.find("message %d died so: %r" % (decode(delivery), deaths))


class Length(Scenario):
    """A queue drops its head; what it drops goes to another."""

    queues = ("kill.short", "kill.dropped")
    length = 150

    def declare(self, client):
        client.declare_queue("kill.dropped")
        client.declare_queue("kill.short", arguments={
            "x-max-length": self.length,
            "x-overflow": "drop-head",
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "kill.dropped",
        })  # fmt: skip

    def jobs(self, choice):
        yield self.publish, choice(), lambda m, _: publish("", "kill.short", encode(m.number))
        if choice().random() < 0.3:
            yield self.consume, "kill.dropped", 50, self.ack

    def after_start(self, client):
        super().after_start(client)
        count = client.declare_queue("kill.short", is_passive=True)
        if count > self.length:
            self.find("the queue holds %d messages" % count)

    def check_drained(self, found):
        for queue, deliveries in found.items():
            self.check_order(queue, deliveries)
        dropped = [decode(delivery) for delivery in found["kill.dropped"]]
        kept = [decode(delivery) for delivery in found["kill.short"]]
        if dropped and kept and max(dropped) > min(kept):
            self.find("message %d was dropped, %d was not" % (max(dropped), min(kept)))


class Refusal(Scenario):
    """Full queues refuse messages, and one of them hands them on."""

    length = 100
    prefetch = 10  # unacked messages count no more, and come back
    queues = ("kill.refusing", "kill.diverting")

    def declare(self, client):
        client.declare_queue("kill.diverted")
        limits = {"x-max-length": self.length, "x-overflow": "reject-publish"}
        client.declare_queue("kill.refusing", arguments=limits)
        client.declare_queue("kill.diverting", arguments={
            "x-max-length": self.length,
            "x-overflow": "reject-publish-dlx",
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "kill.diverted",
        })  # fmt: skip

    def jobs(self, choice):
        for queue in self.queues:
            yield self.publish, choice(), lambda m, _, q=queue: publish("", q, encode(m.number))
            if choice().random() < 0.6:
                yield self.consume, queue, self.prefetch, self.ack

    def after_start(self, client):
        super().after_start(client)
        for queue in self.queues:
            count = client.declare_queue(queue, is_passive=True)
            if count > self.length + self.prefetch:
                self.find("%s holds %d messages" % (queue, count))

    def read_queues(self, client):
        for delivery in read_all(client, "kill.diverted"):
            message = self.message_of(delivery)
            if message is not None and message.is_confirmed:
                self.find("message %d was confirmed and handed on" % message.number)
        return super().read_queues(client)


class Priority(Scenario):
    """After each start a queue gives its messages by priority, and by age within one."""

    queues = ("kill.priority",)
    priority_max = 4

    def declare(self, client):
        arguments = {"x-max-priority": self.priority_max}
        client.declare_queue("kill.priority", arguments=arguments)

    def jobs(self, choice):
        yield self.publish, choice(), self.frames_of

    def frames_of(self, message, choice):
        priority = choice.randint(0, self.priority_max + 2)
        message.priority = min(priority, self.priority_max)
        return publish("", "kill.priority", encode(message.number), priority=priority)

    def after_start(self, client):
        super().after_start(client)
        deliveries = read_all(client, "kill.priority")
        self.check_priorities(deliveries)
        for delivery in deliveries[: len(deliveries) // 2]:
            self.messages[decode(delivery)].is_acked = True
        if len(deliveries) > 1:
            client.ack(deliveries[len(deliveries) // 2 - 1].tag, is_multiple=True)

    def check_priorities(self, deliveries):
        ranks = [(-self.messages[decode(d)].priority, decode(d)) for d in deliveries]
        if ranks != sorted(ranks):
            self.find("%d messages did not come by priority and age" % len(ranks))

    def check_drained(self, found):
        self.check_priorities(found["kill.priority"])


class Attempts(Scenario):
    """A quorum queue counts failed deliveries; what fails too often goes to another queue."""

    queues = ("kill.quorum", "kill.failed")
    limit = 4

    def declare(self, client):
        client.declare_queue("kill.failed")
        client.declare_queue("kill.quorum", arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": self.limit,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "kill.failed",
        })  # fmt: skip

    def jobs(self, choice):
        yield self.publish, choice(), lambda m, _: publish("", "kill.quorum", encode(m.number))
        if choice().random() < 0.7:
            yield self.fail, choice()
        if choice().random() < 0.3:
            yield self.consume, "kill.failed", 50, self.ack

    def fail(self, client, choice):
        """Most come back; now and then a mark behind them proves that this is on disk."""
        failed, marked = [], []
        client.select_confirms()
        client.set_prefetch(15)
        client.consume("kill.quorum", "consumer")
        while True:
            event = client.read()
            if isinstance(event, Confirm):
                for message, failures in marked:
                    message.failures = max(message.failures, failures)
                marked = []
                continue
            failed += self.settle(client, choice, event)
            if len(failed) >= 10 and not marked:
                failed, marked = [], failed
                client.send(publish("", MARKS, b""))

    def settle(self, client, choice, delivery):
        message = self.message_of(delivery)
        count = headers_of(delivery).get("x-delivery-count", 0)
        if not message.failures <= count <= self.limit:
            self.find("message %d failed %d times, and now %d times"
                      % (message.number, message.failures, count))  # fmt: skip
        if choice.random() < 0.3:
            self.ack(client, delivery, message)
            return []
        client.reject(delivery.tag, is_requeue=True)
        # One more than the limit is the message's move, for which it may have to be read first.
        return [(message, min(count + 1, self.limit))]

    def check_drained(self, found):
        for delivery in found["kill.failed"]:
            deaths = headers_of(delivery).get("x-death", [])
            if [death["reason"] for death in deaths] != ["delivery_limit"]:
                self.find("message %d died so: %r" % (decode(delivery), deaths))
        for delivery in found["kill.quorum"]:
            count = headers_of(delivery).get("x-delivery-count", 0)
            if count < self.messages[decode(delivery)].failures:
                self.find("message %d failed only %d times" % (decode(delivery), count))


class Delay(Scenario):
    """Messages wait in an exchange, over kills, and come when they are due."""

    queues = ("kill.due",)
    limit_s = 90

    def declare(self, client):
        arguments = {"x-delayed-type": "direct"}
        client.declare_exchange("kill.delayed", "x-delayed-message", arguments)
        client.declare_queue("kill.due")
        client.bind("kill.due", "kill.delayed", "due")

    def jobs(self, choice):
        yield self.publish, choice(), self.frames_of
        if choice().random() < 0.6:
            yield self.consume, "kill.due", 50, self.take

    def frames_of(self, message, choice):
        delay_ms = choice.choice((choice.randint(1, 40), choice.randint(100, 4000)))
        message.due_s = time.time() + delay_ms / 1000
        headers = {"x-delay": delay_ms}
        return publish("kill.delayed", "due", encode(message.number), headers=headers)

    def take(self, client, delivery, message):
        early_s = message.due_s - time.time()
        if early_s > CLOCK_S:
            self.find("message %d came %.4f s early" % (message.number, early_s))
        self.ack(client, delivery, message)

    def after_start(self, client):
        """Most are not in the queue."""

    def read_queues(self, client):
        deadline = time.monotonic() + self.limit_s
        deliveries = read_all(client, "kill.due")
        while self.missing(map(decode, deliveries)) and time.monotonic() < deadline:
            time.sleep(0.1)
            deliveries += read_all(client, "kill.due")
        return {"kill.due": deliveries}


class Once(Scenario):
    """What is sent again, until it is confirmed, is there once."""

    queues = ("kill.once",)

    def __init__(self, find, control, manage):
        super().__init__(find, control, manage)
        self.again = []

    def declare(self, client):
        arguments = {"x-cache-size": 1000000, "x-cache-persistence": "disk"}
        client.declare_exchange("kill.deduplicating", "x-message-deduplication", arguments)
        client.declare_queue("kill.once")
        client.bind("kill.once", "kill.deduplicating")

    def jobs(self, choice):
        self.again = [m for m in self.messages.values() if not m.is_confirmed]
        again = choice()
        yield self.publish, choice(), self.frames_of
        yield self.publish, again, self.frames_of, lambda: self.any_message(again)
        if again.random() < 0.3:
            yield self.consume, "kill.once", 50, self.ack

    def any_message(self, choice):
        if self.again:
            return self.again.pop()
        numbers = len(self.messages)
        if numbers == 0:
            return self.new_message()
        return self.messages[numbers - choice.randint(0, min(numbers - 1, 100))]

    def frames_of(self, message, _):
        headers = {"x-deduplication-header": "message %d" % message.number}
        return publish("kill.deduplicating", "", encode(message.number), headers=headers)


class Unique(Scenario):
    """A queue holds one message of a value, and takes the next when that has left; one queue because of
    its argument, the other of a policy."""

    queues = ("kill.unique", "kill.governed")
    values = 300

    def declare(self, client):
        client.declare_queue("kill.unique", arguments={"x-message-deduplication": True})
        definition = '{"x-message-deduplication":true}'
        status, output = self.control("set_policy", "kill.unique", r"^kill\.governed$", definition)
        if status != 0:
            self.find("set_policy: %s" % output)
        client.declare_queue("kill.governed")

    def jobs(self, choice):
        for queue in self.queues:
            yield self.publish, choice(), lambda m, c, queue=queue: self.frames_of(m, c, queue)
            if choice().random() < 0.7:
                yield self.consume, queue, 50, self.ack
        yield self.publish, choice(), lambda m, c: self.frames_of(m, c, c.choice(self.queues))

    def frames_of(self, message, choice, queue):
        message.value = choice.randrange(self.values)
        return self.frames_with(queue, message.value, message.number)

    def frames_with(self, queue, value, number):
        headers = {"x-deduplication-header": "value %d" % value}
        return publish("", queue, encode(number), headers=headers)

    def check_drained(self, found):
        for queue, deliveries in found.items():
            values = [self.messages[decode(delivery)].value for delivery in deliveries]
            for value, count in collections.Counter(values).items():
                if count > 1:
                    self.find("value %d is there %d times in %s" % (value, count, queue))

    def drain(self, port):
        super().drain(port)
        for queue in self.queues:
            self.check_free(port, queue)

    def check_free(self, port, queue):
        """All values, since all messages are gone."""
        client = Client(port)
        client.select_confirms()
        sent = {}
        for value in range(self.values):
            sent[value + 1] = self.new_message()
            client.send(self.frames_with(queue, value, sent[value + 1].number))
        probes = list(sent.values())
        while sent:
            self.on_publisher_event(client.read(), sent)
        for value, probe in enumerate(probes):
            if not probe.is_confirmed:
                self.find("value %d of %s is held by no message" % (value, queue))
        client.close()


class Single(Scenario):
    """One consumer at a time, also after a start."""

    queues = ("kill.single",)

    def __init__(self, find, control, manage):
        super().__init__(find, control, manage)
        self.active = None

    def declare(self, client):
        arguments = {"x-single-active-consumer": True}
        client.declare_queue("kill.single", arguments=arguments)

    def jobs(self, choice):
        self.active = None
        yield self.publish, choice(), lambda m, _: publish("", "kill.single", encode(m.number))
        for name in ("one", "two", "three"):
            yield self.take_some, choice(), name

    def take_some(self, client, choice, name):
        """Leaves after some messages; they are acked one by one."""
        client.set_prefetch(1)
        client.consume("kill.single", "consumer")
        for _ in range(choice.randint(1, 40)):
            delivery = client.read()
            if self.active not in (None, name):
                self.find("%s was given a message, where %s is active" % (name, self.active))
            self.active = name
            self.ack(client, delivery, self.message_of(delivery))
        client.declare_queue("kill.single", is_passive=True)  # the acks have arrived
        self.leave(client)

    def leave(self, client):
        """What is delivered before the cancel-ok goes back when the connection ends."""
        self.active = None
        client.close()

    def check_drained(self, found):
        self.check_order("kill.single", found["kill.single"])


class Moved(Scenario):
    """Messages move to another queue over the management API, and are in one of the two, in their order."""

    queues = ("kill.moving", "kill.moved")

    def declare(self, client):
        for queue in self.queues:
            client.declare_queue(queue)

    def jobs(self, choice):
        yield self.publish, choice(), lambda m, _: publish("", "kill.moving", encode(m.number))
        yield self.move, choice()
        if choice().random() < 0.3:
            yield self.consume, "kill.moved", 50, self.ack

    def move(self, client, choice):
        while client.poll(0) is None:
            count = choice.choice((1, 7, 100, 5000))
            answer = self.manage("queues/%2F/kill.moving/move", {"destination": "kill.moved", "count": count})
            if answer["remaining"] != 0 or answer["moved"] > count:
                self.find("to move %d messages was answered with %r" % (count, answer))

    def check_drained(self, found):
        for queue, deliveries in found.items():
            self.check_order(queue, deliveries)
        moving, moved = ([decode(delivery) for delivery in found[queue]] for queue in self.queues)
        if moving and moved and max(moved) > min(moving):
            self.find("message %d was moved, %d was not" % (max(moved), min(moving)))


class Controlled(Scenario):
    """What leveretctl has done is there after a kill: policies, users, permissions, definitions."""

    queues = ("kill.controlled",)
    length = 60
    prefetch = 10
    kept_max = 3

    def __init__(self, find, control, manage):
        super().__init__(find, control, manage)
        self.there = []
        self.gone = []
        self.next = 0

    def declare(self, client):
        client.declare_queue("kill.controlled")
        definition = '{"max-length":%d,"overflow":"reject-publish"}' % self.length
        self.do("set_policy", "kill.limit", r"^kill\.controlled$", definition)

    def do(self, *words):
        status, output = self.control(*words)
        if status != 0:
            raise Refused("leveretctl %s: %s" % (" ".join(words), output))
        return output

    def jobs(self, choice):
        yield self.publish, choice(), lambda m, _: publish("", "kill.controlled", encode(m.number))
        yield self.churn,
        if choice().random() < 0.6:
            yield self.consume, "kill.controlled", self.prefetch, self.ack

    def churn(self, client):
        while client.poll(0) is None:
            name = "kill.%d" % self.next
            self.next += 1
            self.do("set_policy", name, "^%s$" % name, '{"max-length":9}')
            self.do("add_user", name, "secret")
            self.do("set_permissions", name, "^%s$" % name, ".*", "")
            self.there.append(name)
            if len(self.there) > self.kept_max:
                self.remove(self.there.pop(0))

    def remove(self, name):
        self.do("clear_policy", name)
        self.do("delete_user", name)
        self.gone.append(name)

    def after_start(self, client):
        super().after_start(client)
        count = client.declare_queue("kill.controlled", is_passive=True)
        if count > self.length + self.prefetch:
            self.find("the queue holds %d messages" % count)
        lists = {what: self.names_of(what) for what in ("policies", "users", "permissions")}
        for what, names in lists.items():
            for name in self.there:
                if name not in names:
                    self.find("%s are without %s" % (what, name))
            for name in self.gone:
                if name in names:
                    self.find("%s have %s, which was deleted" % (what, name))
        self.gone.clear()

    def names_of(self, what):
        output = self.do("--quiet", "list_" + what)
        return {word for line in output.splitlines() for word in line.split("\t")[:2]}
