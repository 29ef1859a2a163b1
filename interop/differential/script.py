# SPDX-License-Identifier: Apache-2.0
"""The language of the scripts; README.md describes it. Here a file of them becomes Scripts."""

import collections
import copy
import itertools
import json
import os
import re
import shlex

from wire import PROPERTIES, Value

Step = collections.namedtuple("Step", "text connection channel verb words options table line")
Step.__doc__ = """One step: `words` are its positional values, `options` flags (True) and name=value."""
Difference = collections.namedtuple("Difference", "row rabbitmq leveret")


# ~bob is a user, or another vhost, of this script alone.
OWN_NAME = re.compile(r"~(\w+)")
# %{ab*3} is ababab.
TIMES = re.compile(r"%\{([^{}]*)\*(\d+)\}")


class ScriptError(Exception):
    """The text of a script is wrong."""


class Script:
    def __init__(self, area, number, name, path, line):
        self.area = area
        self.number = number
        self.name = name
        self.place = "%s:%d" % (os.path.relpath(path), line)
        self.profile = "plain"
        self.source = []  # (line, text)
        self.paragraphs = []
        self.differences = []
        self.vhost = None

    @property
    def title(self):
        return "%s: %s" % (self.area, self.name)

    def for_run(self, turn):
        """The script with names of a vhost and of users that no other run has; `turn` is a letter.
        They are equally long in every run, because brokers cut long texts of errors."""
        script = copy.copy(self)
        script.vhost = "%s-%03d%s" % (self.area, self.number, turn)
        script.paragraphs = [[]]
        for line, text in self.source:
            if text:
                text = OWN_NAME.sub(lambda match: match[1] + "-" + script.vhost, text)
                script.paragraphs[-1] += steps_of(text.replace("%v", script.vhost), line)
            elif script.paragraphs[-1]:
                script.paragraphs.append([])
        script.paragraphs = [steps for steps in script.paragraphs if steps]
        return script


# Verb: method, positional arguments, flags by the argument they set (a leading ! clears it).
VERBS = {
    "exchange": ("exchange.declare", "exchange type", "passive durable auto-delete internal nowait"),
    "delete-exchange": ("exchange.delete", "exchange", "if-unused nowait"),
    "bind-exchange": ("exchange.bind", "destination source key", "nowait"),
    "unbind-exchange": ("exchange.unbind", "destination source key", "nowait"),
    "queue": ("queue.declare", "queue", "passive durable exclusive auto-delete nowait"),
    "bind": ("queue.bind", "queue exchange key", "nowait"),
    "unbind": ("queue.unbind", "queue exchange key", ""),
    "purge": ("queue.purge", "queue", "nowait"),
    "delete-queue": ("queue.delete", "queue", "if-unused if-empty nowait"),
    "qos": ("basic.qos", "count", "global size="),
    "consume": ("basic.consume", "queue consumer", "no-local no-ack exclusive nowait"),
    "cancel": ("basic.cancel", "consumer", "nowait"),
    "publish": ("basic.publish", "exchange key body", "mandatory immediate persistent"),
    "get": ("basic.get", "queue", "no-ack"),
    "ack": ("basic.ack", "tag", "multiple"),
    "reject": ("basic.reject", "tag", "requeue"),
    "nack": ("basic.nack", "tag", "multiple requeue"),
    "recover": ("basic.recover", "", "requeue"),
    "recover-async": ("basic.recover-async", "", "requeue"),
    "confirm": ("confirm.select", "", "nowait"),
    "tx": ("tx.select", "", ""),
    "commit": ("tx.commit", "", ""),
    "rollback": ("tx.rollback", "", ""),
    "flow": ("channel.flow", "active", ""),
    "close": ("channel.close", "", "code= text="),
    "access": ("access.request", "realm", "exclusive passive active write read"),
    "update-secret": ("connection.update-secret", "secret", "reason="),
}
# Verb: (positional words at least, at most). They are no methods; steps.py performs them.
ACTIONS = {
    "connect": (0, 0),
    "disconnect": (0, 0),
    "drop": (0, 0),
    "poll": (1, 1),
    "count": (2, 2),
    "gone": (2, 2),
    "drain": (1, 99),
    "wait": (1, 1),
    "quiet": (0, 0),
    "sleep": (1, 1),
    "restart": (0, 0),
    "ctl": (1, 99),
    "show": (1, 99),
    "import": (1, 1),
    "export": (0, 0),
    "raw": (1, 1),
    "method": (1, 1),
}
SHELL_WORDS = ("ctl", "show", "import")
PUBLISH_PROPERTIES = {key for key, _ in PROPERTIES}


# --- the words of a line -------------------------------------------------------------------------

BARE = re.compile(r"[^\s{}\[\],]+")
KEY = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s:{}",]+')
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
NAMED = re.compile(r"([a-z][a-z_-]*)=")
TYPED = re.compile(r"([bBsuIilLfdDTxSt])\(([^)]*)\)")
BODY_BYTES = re.compile(r"bytes\((\d+)\)")


class Words:
    """Reads the words of a line from left to right."""

    def __init__(self, text):
        self.text = text
        self.at = 0

    def fail(self, reason):
        raise ScriptError("%s at column %d of: %s" % (reason, self.at + 1, self.text))

    def skip(self):
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1
        return self.at < len(self.text)

    def next_is(self, character):
        return self.text.startswith(character, self.at)

    def take(self, pattern, what):
        match = pattern.match(self.text, self.at)
        if not match:
            self.fail("no " + what)
        self.at = match.end()
        return match

    def string(self):
        literal = self.take(STRING, "string").group()
        return json.loads(literal).encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")

    def list_of(self, read_one, closing):
        self.at += 1
        found = []
        while True:
            if not self.skip():
                self.fail("no " + closing)
            if self.next_is(closing):
                self.at += 1
                return found
            found.append(read_one())
            self.skip()
            if self.next_is(","):
                self.at += 1

    def pair(self):
        key = self.take(KEY, "key").group()
        key = json.loads(key) if key.startswith('"') else key
        self.skip()
        if not self.next_is(":"):
            self.fail("no ':'")
        self.at += 1
        self.skip()
        return key, self.value()

    def table(self):
        return self.list_of(self.pair, "}")

    def value(self):
        """A value of a table."""
        if self.next_is('"'):
            return Value("S", self.string())
        if self.next_is("{"):
            return Value("F", self.table())
        if self.next_is("["):
            return Value("A", self.list_of(self.value, "]"))
        typed = TYPED.match(self.text, self.at)
        if typed:
            self.at = typed.end()
            return typed_value(*typed.groups())
        return plain_value(self.take(BARE, "value").group())

    def word(self):
        """A string, or a bare word."""
        if self.next_is('"'):
            return self.string()
        return self.take(BARE, "word").group()


def typed_value(kind, text):
    if kind == "D":
        scale, number = text.split(",")
        return Value(kind, (int(scale), int(number)))
    if kind in "fd":
        return Value(kind, float(text))
    if kind == "S":
        return Value(kind, text)
    if kind == "x":
        return Value(kind, bytes.fromhex(text))
    return Value(kind, int(text))


def plain_value(text):
    """What a client library would make of it."""
    if text in ("true", "false"):
        return Value("t", text == "true")
    if text == "void":
        return Value("V", None)
    if re.fullmatch(r"-?\d+", text):
        number = int(text)
        return Value("I" if -(2**31) <= number < 2**31 else "l", number)
    if re.fullmatch(r"-?\d+\.\d+", text):
        return Value("d", float(text))
    raise ScriptError("not a value (strings stand in quotes): " + text)


# --- a step --------------------------------------------------------------------------------------

PLACE = re.compile(r"([a-z])(\d*):\s+")
REPEAT = re.compile(r"(\d+)x\s+")


def flags_of(verb):
    return set(VERBS[verb][2].split()) if verb in VERBS else None


def read_option(words, verb, step_options):
    """A flag or name=value behind the positional words; false if there is none."""
    named = NAMED.match(words.text, words.at)
    if named:
        words.at = named.end()
        if words.next_is("{"):
            step_options[named[1]] = words.table()
        else:
            step_options[named[1]] = words.word()
        return True
    flag = words.word()
    if verb in VERBS and flag not in flags_of(verb):
        words.fail("%s has no flag %s" % (verb, flag))
    step_options[flag] = True
    return True


def check_options(words, verb, options):
    allowed = {name.rstrip("=") for name in flags_of(verb)}
    if verb == "publish":
        allowed |= PUBLISH_PROPERTIES
    for name in options:
        if name not in allowed:
            words.fail("%s has no %s" % (verb, name))


def parse_step(text, line):
    place = PLACE.match(text)
    connection, channel = (place[1], int(place[2] or 1)) if place else ("a", 1)
    words = Words(text)
    words.at = place.end() if place else 0
    verb = words.word()
    if verb not in VERBS and verb not in ACTIONS:
        words.fail("no such step: " + verb)
    if verb in SHELL_WORDS:
        return Step(text, connection, channel, verb, shlex.split(text[words.at :]), {}, [], line)
    positional, options, table = [], {}, []
    least, most = ACTIONS.get(verb, (0, len(VERBS[verb][1].split()) if verb in VERBS else 0))
    while words.skip():
        is_named = NAMED.match(words.text, words.at)
        if words.next_is("{"):
            table = words.table()
        elif len(positional) < most and not is_named:
            positional.append(words.word())
        else:
            read_option(words, verb, options)
    if verb in VERBS:
        check_options(words, verb, options)
        least = most
    if len(positional) < least:
        words.fail("%s needs %d words" % (verb, least))
    return Step(text, connection, channel, verb, positional, options, table, line)


def steps_of(text, line):
    """The steps of a line: one, or those of a repetition, in which %i counts from 1."""
    text = TIMES.sub(lambda match: match[1] * int(match[2]), text)
    repeat = REPEAT.match(text)
    if not repeat:
        return [parse_step(text, line)]
    rest = text[repeat.end() :]
    return [parse_step(rest.replace("%i", str(i + 1)), line) for i in range(int(repeat[1]))]


def body_of(word):
    """What a publish carries."""
    size = BODY_BYTES.fullmatch(word)
    if not size:
        return word.encode("utf-8", "surrogateescape")
    pattern = bytes(range(256))
    return bytes(itertools.islice(itertools.cycle(pattern), int(size[1])))


# --- a file --------------------------------------------------------------------------------------


def logical_lines(path):
    """(number, text): a line that begins with white space continues the one above."""
    held = None
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t") and line.strip() and held:
                held = (held[0], held[1] + "\n" + line.strip())
                continue
            if held:
                yield held
            held = (number, line)
    if held:
        yield held


def read_difference(text):
    head, *patterns = text.split("\n")
    row = json.loads(head[len("differs ") :])
    found = {"rabbitmq": [], "leveret": []}
    for pattern in patterns:
        broker, _, glob = pattern.partition(": ")
        if broker not in found:
            raise ScriptError("a difference is of rabbitmq or leveret: " + pattern)
        found[broker].append(glob)
    return Difference(row, found["rabbitmq"], found["leveret"])


def add_line(script, text, line):
    if text.startswith("with "):
        script.profile = text[len("with ") :]
    elif text.startswith("differs "):
        script.differences.append(read_difference(text))
    else:
        script.source.append((line, text.replace("\n", " ")))
        if text:
            steps_of(script.source[-1][1], line)


def read_fragments(path):
    """The differences that stand in many scripts: pieces of lines, on one side only."""
    found = []
    for line, text in logical_lines(path):
        if not text:
            continue
        try:
            found.append(read_difference(text))
        except (ScriptError, ValueError) as error:
            raise ScriptError("%s:%d: %s" % (os.path.relpath(path), line, error)) from error
    return found


def read_file(path):
    """The scripts of a file. Their numbers only tell vhosts apart; `--only` takes names."""
    area = os.path.splitext(os.path.basename(path))[0]
    scripts = []
    for line, text in logical_lines(path):
        try:
            if text.startswith("== "):
                scripts.append(Script(area, len(scripts) + 1, text[3:].strip(), path, line))
            elif scripts:
                add_line(scripts[-1], text, line)
            elif text:
                raise ScriptError("a step before the first script")
        except (ScriptError, ValueError) as error:
            raise ScriptError("%s:%d: %s" % (os.path.relpath(path), line, error)) from error
    for script in scripts:
        if not any(text for _, text in script.source):
            raise ScriptError("%s: %s has no step" % (script.place, script.name))
    names = [script.name for script in scripts]
    for name in names:
        if names.count(name) > 1:
            raise ScriptError("%s: two scripts named %s" % (path, name))
    return scripts
