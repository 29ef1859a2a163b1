# SPDX-License-Identifier: Apache-2.0
"""What a broker said, as lines that can be compared: names that it makes up get numbers in the order
of their coming, times close to now are `now`, tables are sorted by their keys, and what differs
from node to node (its name, ports, process ids) is replaced.

Between channels there is no order that a broker promises, so each stands alone; a paragraph of the script
is a section. Confirms may be merged by `multiple` and come in any order: if there are several in a section,
they are summed up behind it.
"""

import difflib
import re
import time
import zlib

from wire import to_bytes, to_text

NEAR_S = 86400
SHOWN_BYTES = 80

MADE_UP = re.compile(
    r"(?P<queue>amq\.gen-[A-Za-z0-9_-]{22})"
    r"|(?P<consumer>amq\.ctag-[A-Za-z0-9_-]{22})"
    r"|(?P<reply>amq\.rabbitmq\.reply-to\.[A-Za-z0-9+/=_.-]+)"
)
LABELS = {"queue": "amq.gen-#%d", "consumer": "amq.ctag-#%d", "reply": "reply-to-#%d"}
LABEL = re.compile(r"(?:amq\.gen|amq\.ctag|reply-to)-#\d+")
REPLACED = (
    (re.compile(r"\b(?:leveret-\d+|rabbit|leveret)@[\w.-]*\w"), "NODE"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"(?<=port: )l\(\d+\)"), "PORT"),
    (re.compile(r"<(?:NODE\.)?\d+\.\d+\.\d+(?:\.\d+)?>"), "PID"),
    # To the connections of a vhost that goes: what of it RabbitMQ hears first.
    (re.compile(r"(?<=FORCED - vhost )('[^']*') is down"), r"\1 is deleted"),
)


class Names:
    """The names that the broker made up in one run of a script, and its own."""

    def __init__(self, node):
        self.node = node
        self.labels = {}
        self.counts = {}

    def label(self, match):
        name, kind = match.group(), match.lastgroup
        if name not in self.labels:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.labels[name] = LABELS[kind] % self.counts[kind]
        return self.labels[name]

    def hide(self, text):
        text = MADE_UP.sub(self.label, text)
        for pattern, word in REPLACED:
            text = pattern.sub(word, text)
        return text

    def actual(self, text):
        """A script's text with the labels in it replaced by the names."""
        by_label = {label: name for name, label in self.labels.items()}
        return LABEL.sub(lambda match: by_label.get(match.group(), match.group()), text).replace("%n", self.node)


# --- values --------------------------------------------------------------------------------------


def quoted(text):
    return '"%s"' % text.encode("utf-8", "backslashreplace").decode().replace("\n", "\\n")


def time_text(seconds):
    return "now" if abs(seconds - time.time()) < NEAR_S else str(seconds)


def value_text(names, value):
    kind, content = value
    if kind == "S":
        return quoted(names.hide(content))
    if kind == "I":
        return str(content)
    if kind == "T":
        return "T(%s)" % time_text(content)
    if kind == "l" and abs(content / 1000 - time.time()) < NEAR_S:
        return "l(now)"
    if kind == "t":
        return str(content).lower()
    if kind == "V":
        return "void"
    if kind == "x":
        return "x(%s)" % to_bytes(content).hex()
    if kind == "A":
        return "[%s]" % ", ".join(value_text(names, inner) for inner in content)
    if kind == "F":
        return table_text(names, content)
    return "%s(%s)" % (kind, repr(content) if kind in "fdD" else content)


def table_text(names, pairs):
    parts = sorted("%s: %s" % (names.hide(key), value_text(names, value)) for key, value in pairs)
    return "{%s}" % ", ".join(parts)


def argument_text(names, key, value):
    if isinstance(value, list):
        return "%s=%s" % (key, names.hide(table_text(names, value)))
    if isinstance(value, str):
        return "%s=%s" % (key, quoted(names.hide(value)))
    return "%s=%s" % (key, value)


def method_text(names, method, arguments):
    return " ".join([method] + [argument_text(names, *item) for item in arguments.items()])


def content_text(names, properties, body):
    properties = dict(properties)
    if "timestamp" in properties:
        properties["timestamp"] = time_text(properties["timestamp"])
    parts = [argument_text(names, *item) for item in properties.items()]
    text = to_text(body)
    if len(body) > SHOWN_BYTES or not text.isprintable():
        parts.append("body=%d bytes crc %08x" % (len(body), zlib.crc32(body)))
    else:
        parts.append("body=%s" % quoted(names.hide(text)))
    return " ".join(parts)


# --- the lines of a run --------------------------------------------------------------------------


def confirm_text(word, tags):
    return "%s %s" % (word, " ".join(map(str, sorted(tags))))


class Section:
    """What came while one paragraph of the script ran."""

    def __init__(self, heading):
        self.heading = heading
        self.channels = {}

    def add(self, place, line):
        self.channels.setdefault(place, []).append(line)

    def add_confirm(self, place, tags, word):
        """A confirm is a tuple among the lines."""
        self.channels.setdefault(place, []).append((word, tags))

    def message_count(self, place):
        lines = self.channels.get(place, [])
        return sum(line[0:13] in ("basic.deliver", "basic.return ") for line in lines)

    def lines_of(self, place):
        """A single confirm stands where it came; several are summed up in the end."""
        lines = self.channels[place]
        confirms = [line for line in lines if isinstance(line, tuple)]
        if len(confirms) == 1 and len(confirms[0][1]) == 1:
            return [confirm_text(*line) if line in confirms else line for line in lines]
        settled = {}
        for word, tags in confirms:
            settled.setdefault(word, []).extend(tags)
        plain = [line for line in lines if line not in confirms]
        return plain + [confirm_text(word, tags) for word, tags in sorted(settled.items())]

    def render(self):
        yield self.heading
        for place in sorted(self.channels):
            for line in self.lines_of(place):
                yield "    %s%s %s" % (place[0], place[1] or "", line)


class Transcript:
    def __init__(self):
        self.sections = [Section("-- before the first step")]

    def begin(self, heading):
        self.sections.append(Section("-- " + heading))

    @property
    def now(self):
        return self.sections[-1]

    def lines(self):
        """A section in which nothing came is only its heading."""
        first, *others = self.sections
        shown = ([first] if first.channels else []) + others
        return [line for section in shown for line in section.render()]


# --- comparing -----------------------------------------------------------------------------------


def matcher(glob):
    return re.compile(".*".join(map(re.escape, glob.split("*")))).fullmatch


def without(lines, globs):
    """(the lines that match no glob, the others, the globs that match none)."""
    matchers = [(glob, matcher(glob)) for glob in globs]
    used, kept, removed = set(), [], []
    for line in lines:
        hits = [glob for glob, matches in matchers if matches(line.strip())]
        used.update(hits)
        (removed if hits else kept).append(line)
    return kept, removed, [glob for glob in globs if glob not in used]


class Fragments:
    """Pieces of lines that one of the brokers says everywhere; `seen` are those that came."""

    def __init__(self, differences):
        self.seen = set()
        self.patterns = {}
        for broker in ("rabbitmq", "leveret"):
            globs = [glob for one in differences for glob in getattr(one, broker)]
            self.patterns[broker] = [
                (glob, re.compile('[^"]*'.join(map(re.escape, glob.split("*"))))) for glob in globs
            ]

    def remove(self, broker, lines):
        """The lines without the pieces of that broker."""
        for glob, pattern in self.patterns[broker]:
            changed = [pattern.sub("", line) for line in lines]
            if changed != lines:
                self.seen.add(glob)
            lines = changed
        return lines

    def missing(self):
        globs = [glob for patterns in self.patterns.values() for glob, _ in patterns]
        return [glob for glob in globs if glob not in self.seen]


def compare(rabbitmq, leveret, differences, fragments):
    """What is wrong, as lines; none where the transcripts agree but for the listed differences."""
    wrong = []
    rabbitmq = fragments.remove("rabbitmq", rabbitmq)
    leveret = fragments.remove("leveret", leveret)
    for broker, lines in (("rabbitmq", rabbitmq), ("leveret", leveret)):
        for difference in differences:
            for glob in without(lines, getattr(difference, broker))[2]:
                wrong.append("listed as different, but %s does not say: %s" % (broker, glob))
    if differences and rabbitmq == leveret:
        wrong.append("listed as different, but there is no difference")
    left, gone, _ = without(rabbitmq, [g for d in differences for g in d.rabbitmq])
    right, gone_too, _ = without(leveret, [g for d in differences for g in d.leveret])
    for line in sorted(set(gone) & set(gone_too)):
        wrong.append("listed as different, but both say: " + line.strip())
    if left != right:
        wrong += difflib.unified_diff(left, right, "rabbitmq", "leveret", n=4, lineterm="")
    return wrong
