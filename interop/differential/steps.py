# SPDX-License-Identifier: Apache-2.0
"""Runs one script against one broker; the result is a Transcript.

A step that has a reply waits for it. When a paragraph has been sent, the run waits until all is quiet:
every channel has answered a question (channel.flow, which changes nothing), and then nothing came for
a while. Nothing tells when a message that a queue expired has reached the consumer of another: there the
length of that while, the grace, counts, and a script that differs is run again with a long one.
"""

import json
import os
import re
import time

import session
import wire
from script import VERBS, body_of
from session import ANSWER_LIMIT_S, UTILITY_CHANNEL, Connection, pump
from transcript import Names, Transcript

POLL_S = 0.02
QUIET_ROUNDS_MAX = 100
HASH = re.compile(r'(?<="password_hash": ")[^"]+')
INTEGERS = {"tag", "count", "size", "code"}


def with_objects(value, key=None):
    """RabbitMQ 3.10 exports some objects as lists of pairs, and empty ones as empty lists."""
    if isinstance(value, dict):
        return {name: with_objects(inner, name) for name, inner in value.items()}
    is_pairs = isinstance(value, list) and all(isinstance(v, list) and len(v) == 2 for v in value)
    if is_pairs and key in ("value", "definition", "limits"):
        return {name: with_objects(inner, name) for name, inner in value}
    return value


class Run:
    """`broker` has a port, the name of its node, ctl(arguments) and restart()."""

    def __init__(self, script, broker, pace):
        self.script = script
        self.broker = broker
        self.pace = pace
        self.names = Names(broker.node)
        self.transcript = Transcript()
        self.connections = {}
        self.is_unsettled = False  # something without a reply was sent, and nothing waited for it

    @property
    def live(self):
        return list(self.connections.values())

    def perform(self):
        """The lines of the transcript."""
        try:
            for paragraph in self.script.paragraphs:
                self.transcript.begin("; ".join(step.text for step in paragraph))
                for step in paragraph:
                    self.perform_step(step)
                self.settle()
        finally:
            for connection in self.live:
                connection.is_quiet = True
                connection.end()
        return [line.replace(self.script.vhost, "%v") for line in self.transcript.lines()]

    def perform_step(self, step):
        if step.verb in VERBS:
            self.perform_method(step)
        else:
            getattr(self, "do_" + step.verb)(step)

    def note(self, step, line):
        self.transcript.now.add((step.connection, step.channel), self.names.hide(line))

    # --- waiting

    def wait_until(self, is_done, limit_s=ANSWER_LIMIT_S):
        deadline = time.monotonic() + limit_s
        while not is_done():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            pump(self.live, min(left_s, POLL_S))
        return True

    def wait_for(self, connection, number, name):
        """Whether the method came, as the next that is one of the replies."""
        channel = connection.channel(number)
        self.wait_until(lambda: channel.replies or connection.is_ended)
        if not channel.replies:
            if not connection.is_ended:
                connection.say(number, "no answer")
            return False
        return channel.replies.pop(0)[0] == name

    def settle(self):
        self.is_unsettled = False
        for _ in range(QUIET_ROUNDS_MAX):
            self.ask_all()
            self.wait_for_confirms()
            before = self.event_counts()
            self.wait_until(lambda: False, self.pace.grace_s)
            if self.event_counts() == before:
                break

    def event_counts(self):
        return [connection.event_count for connection in self.live]

    def ask_all(self):
        asked = []
        for connection in self.live:
            for number, channel in list(connection.channels.items()):
                if number and channel.is_open and not connection.is_blocked:
                    channel.probes += 1
                    connection.send_method(number, "channel.flow", {"active": 1})
                    asked.append((connection, channel))
        answered = lambda: all(
            not (channel.probes and channel.is_open) or connection.is_blocked
            for connection, channel in asked
        )
        self.wait_until(answered)

    def wait_for_confirms(self):
        """A commit to disk takes as long as it takes."""
        waiting = [(c, channel) for c in self.live for channel in c.channels.values()]
        is_done = lambda: all(
            c.is_blocked or not channel.is_open or len(channel.settled) >= channel.published
            for c, channel in waiting
        )
        self.wait_until(is_done, self.pace.poll_limit_s)

    # --- connections and channels

    def connect(self, letter, options):
        """Opens a connection; its predecessor of that letter is left alone if it is still there."""
        options = dict({"user": "guest", "password": "guest", "vhost": self.script.vhost}, **options)
        old = self.connections.get(letter)
        if old:
            old.is_quiet = True
            old.end()
        connection = Connection(letter, self.broker.port, self.transcript_log(), self.names)
        self.connections[letter] = connection
        session.log_in(connection, self.wait_for, options)
        return connection

    def transcript_log(self):
        transcript = self.transcript

        class Log:
            """Always the section of now."""

            def add(self, place, line):
                transcript.now.add(place, line)

            def add_confirm(self, *arguments):
                transcript.now.add_confirm(*arguments)

        return Log()

    def connection(self, letter):
        found = self.connections.get(letter)
        return found if found and not found.is_ended else self.connect(letter, {})

    def channel(self, letter, number):
        """An open channel, or None; what was closed is opened again."""
        connection = self.connection(letter)
        if not connection.is_open:
            return None, None
        channel = connection.channel(number)
        if not channel.is_open:
            connection.channels[number] = channel = session.Channel()
            connection.send_method(number, "channel.open", {})
            if not self.wait_for(connection, number, "channel.open-ok"):
                return None, None
        return connection, channel

    # --- methods

    def arguments_of(self, step):
        method, positional, flags = VERBS[step.verb]
        values = dict(zip(positional.split(), step.words))
        values.update(step.options)
        layout = wire.METHODS[method][2]
        known = {word.partition(":")[2] for word in layout.split()}
        arguments = {}
        for key, value in values.items():
            name = key.replace("-", "_")
            if name in known:
                arguments[name] = self.argument(name, value)
        if step.verb == "flow":
            arguments["active"] = step.words[0] == "on"
        if step.verb == "close":
            arguments.setdefault("code", 200)
        if "arguments" in known:
            arguments["arguments"] = step.table
        return arguments

    def argument(self, name, value):
        if value is True:
            return 1
        if name in INTEGERS:
            return int(value)
        return self.names.actual(value) if isinstance(value, str) else value

    def perform_method(self, step):
        if step.verb == "queue":
            self.settle_what_was_sent()
        number = 0 if step.verb == "update-secret" else step.channel
        if number:
            connection, channel = self.channel(step.connection, number)
        else:
            connection = self.connection(step.connection)
            channel = connection.channel(0) if connection.is_open else None
        if not channel:
            self.note(step, "not sent: " + step.verb)
            return
        channel.replies.clear()
        method = VERBS[step.verb][0]
        data = wire.method_frame(number, method, self.arguments_of(step))
        if step.verb == "publish":
            body = body_of(self.names.actual(step.words[2]))
            channel.published += channel.is_confirming
            data += wire.content_frames(number, body, self.properties_of(step), connection.frame_max)
        connection.send(data)
        channel.is_confirming |= method == "confirm.select"
        has_reply = method + "-ok" in wire.METHODS or method == "basic.get"
        if has_reply and not step.options.get("nowait") and not connection.is_blocked:
            self.wait_for_reply(connection, channel, number)
        else:
            self.is_unsettled = True

    def wait_for_reply(self, connection, channel, number):
        """Deliveries and returns may come first."""
        is_reply = lambda: any(
            name not in ("basic.deliver", "basic.return", "basic.cancel") for name, _ in channel.replies
        )
        if not self.wait_until(lambda: is_reply() or connection.is_ended or connection.is_blocked):
            connection.say(number, "no answer")

    def properties_of(self, step):
        properties = {"delivery_mode": 2} if step.options.get("persistent") else {}
        for key, kind in wire.PROPERTIES:
            if key not in step.options:
                continue
            value = step.options[key]
            if kind in "og":
                value = int(value)
            properties[key] = self.names.actual(value) if isinstance(value, str) else value
        return properties

    # --- what is no method

    def do_connect(self, step):
        connection = self.connect(step.connection, step.options)
        self.note(step, "connected" if connection.is_open else "not connected")

    def do_disconnect(self, step):
        connection = self.connections.get(step.connection)
        if connection and connection.is_open:
            connection.send_method(0, "connection.close", {"code": 200})
            self.wait_until(lambda: connection.is_ended)

    def do_drop(self, step):
        """The socket closes without a word."""
        connection = self.connections.get(step.connection)
        if connection:
            connection.is_quiet = True
            connection.end()

    def do_wait(self, step):
        """Until so many messages came to the channel in this paragraph."""
        place, wanted = (step.connection, step.channel), int(step.words[0])
        self.wait_until(lambda: self.transcript.now.message_count(place) >= wanted, self.pace.poll_limit_s)

    def do_quiet(self, step):
        self.settle()

    def do_sleep(self, step):
        self.wait_until(lambda: False, int(step.words[0]) / 1000)

    def settle_what_was_sent(self):
        """RabbitMQ answers on one channel before it looks at what came earlier on another."""
        if self.is_unsettled:
            self.settle()

    def ask(self, step, method, arguments):
        """A question on the utility channel; the reply, or None where the channel or more was closed."""
        connection, channel = self.channel(step.connection, UTILITY_CHANNEL)
        if not channel:
            return None
        channel.replies.clear()
        connection.send_method(UTILITY_CHANNEL, method, arguments)
        self.wait_until(lambda: channel.replies or connection.is_ended)
        if not channel.replies or not channel.is_open:
            return None
        return channel.replies.pop(0)

    def do_poll(self, step):
        """basic.get until there is something."""
        connection, channel = self.channel(step.connection, step.channel)
        if not channel:
            self.note(step, "not sent: poll")
            return
        channel.hides_empty = True
        arguments = {"queue": self.names.actual(step.words[0])}
        arguments["no_ack"] = step.options.get("no-ack", False)
        deadline = time.monotonic() + self.pace.poll_limit_s
        while channel.is_open:
            channel.replies.clear()
            connection.send_method(step.channel, "basic.get", arguments)
            self.wait_for_reply(connection, channel, step.channel)
            is_empty = ("basic.get-empty", None) in channel.replies
            if not is_empty or time.monotonic() > deadline:
                break
            self.wait_until(lambda: False, POLL_S)
        if channel.is_open and is_empty:
            self.note(step, "still empty")
        channel.hides_empty = False

    def do_count(self, step):
        """Until the queue has so many ready messages."""
        self.settle_what_was_sent()
        queue, wanted = self.names.actual(step.words[0]), int(step.words[1])
        deadline = time.monotonic() + self.pace.poll_limit_s
        while True:
            reply = self.ask(step, "queue.declare", {"queue": queue, "passive": 1})
            count = reply[1]["messages"] if reply else None
            if count == wanted or reply is None or time.monotonic() > deadline:
                break
            self.wait_until(lambda: False, POLL_S)
        self.note(step, "%s has %s" % (queue, "no answer" if count is None else count))

    def do_gone(self, step):
        """Until the queue or exchange does not exist."""
        self.settle_what_was_sent()
        kind, name = step.words[0], self.names.actual(step.words[1])
        arguments = {kind: name, "passive": 1}
        deadline = time.monotonic() + self.pace.poll_limit_s
        while self.ask(step, kind + ".declare", arguments):
            if time.monotonic() > deadline:
                self.note(step, "%s is still there" % name)
                return
            self.wait_until(lambda: False, POLL_S)
        self.note(step, "%s is gone" % name)

    def do_drain(self, step):
        """All messages of all these queues, sorted, as if it did not matter which queue has which."""
        self.settle_what_was_sent()
        bodies = []
        for queue in step.words:
            while True:
                reply = self.ask(step, "basic.get", {"queue": self.names.actual(queue), "no_ack": 1})
                if reply is None:
                    self.note(step, "cannot get from " + queue)
                if reply is None or reply[0] != "basic.get-ok":
                    break
                bodies.append(wire.to_text(reply[1]))
        self.note(step, "drained %d: %s" % (len(bodies), " ".join(sorted(bodies))))

    def do_restart(self, step):
        for connection in self.live:
            self.do_disconnect(step._replace(connection=connection.letter))
        self.broker.restart()

    def do_ctl(self, step):
        status = self.broker.ctl([self.names.actual(word) for word in step.words])[0]
        self.note(step, "%s exits with %d" % (step.words[0], status))

    def do_show(self, step):
        """A ctl command with all it says; the order of rows behind the head is the broker's own."""
        status, output, error = self.broker.ctl([self.names.actual(word) for word in step.words])
        self.note(step, "%s exits with %d" % (step.words[0], status))
        lines = [line.rstrip() for line in output.splitlines() if line.strip()]
        self.note_lines(step, "\n".join(lines[:2] + sorted(lines[2:])))
        if status:
            self.note_lines(step, error)

    def definitions_path(self):
        return os.path.join(self.broker.folder, self.script.vhost + ".json")

    def do_import(self, step):
        path = self.definitions_path()
        with open(path, "w", encoding="utf-8") as file:
            file.write(step.words[0])
        self.do_ctl(step._replace(words=["import_definitions", path]))

    def do_export(self, step):
        """What the definitions say of the script's vhost and users."""
        path = self.definitions_path()
        status, output, error = self.broker.ctl(["export_definitions", path])
        if status:
            self.note(step, "export_definitions exits with %d: %s%s" % (status, output, error))
            return
        with open(path, encoding="utf-8") as file:
            definitions = json.load(file)
        for kind, entries in sorted(definitions.items()):
            if isinstance(entries, list):
                lines = [json.dumps(with_objects(entry), sort_keys=True) for entry in entries]
                for line in sorted(line for line in lines if self.script.vhost in line):
                    self.note(step, "%s %s" % (kind, HASH.sub("HASH", line)))

    def note_lines(self, step, text):
        for line in text.replace(self.broker.folder, "FOLDER").splitlines():
            if line.strip():
                self.note(step, "| " + re.sub(r"\s+", " ", line.strip()))

    def do_raw(self, step):
        connection = self.connection(step.connection)
        connection.send(bytes.fromhex(step.words[0].replace("_", "")))

    def do_method(self, step):
        """Any method by its name, such as one that only a server may send."""
        if step.channel:
            connection, channel = self.channel(step.connection, step.channel)
        else:
            connection = channel = self.connection(step.connection)
        if not channel:
            self.note(step, "not sent: " + step.words[0])
            return
        arguments = {}
        for key, value in step.options.items():
            is_number = isinstance(value, str) and value.isdigit()
            arguments[key.replace("-", "_")] = int(value) if is_number else value
        connection.send_method(step.channel, step.words[0], arguments)
