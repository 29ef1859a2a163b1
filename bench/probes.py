# SPDX-License-Identifier: Apache-2.0
"""What others notice while something happens: probes, each in a process of its own."""

import json
import multiprocessing
import os
import socket
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "crash"))
from amqp_client import Client, Delivery, publish  # noqa: E402

BODY = b"x" * 100
PROBE_PAUSE_S = 0.002


def deliveries(port, vhost="/"):
    """The time from publishing a transient message to having it."""
    client = Client(port, vhost)
    client.declare_queue("bench.probe")
    client.consume("bench.probe")
    message = publish("", "bench.probe", BODY, is_persistent=False)

    def once():
        client.send(message)
        if not isinstance(client.read(), Delivery):
            raise RuntimeError("the probe was sent something else")
        client.ack(0, is_multiple=True)

    return once


def confirms(port, vhost="/"):
    """The time from publishing a persistent message to its confirm."""
    client = Client(port, vhost)
    client.declare_queue("bench.confirmed")
    client.select_confirms()
    message = publish("", "bench.confirmed", BODY)

    def once():
        client.send(message)
        client.read()

    return once


def connections(port, vhost="/"):
    """The time to connect, to log in and to open a channel."""

    def once():
        Client(port, vhost).socket.close()

    return once


def commands(folder):
    """The time of a command that asks for nothing."""

    def once():
        control(folder, "ping")

    return once


def control(folder, command, **arguments):
    """What leveretctl does, without its process and without making a table of the answer, whose size
    is returned."""
    content = {"command": command, "arguments": arguments}
    return request(folder, json.dumps(content).encode() + b"\n")


def answer(folder, command, **arguments):
    """The same; what the broker answers is returned."""
    content = {"command": command, "arguments": arguments}
    pieces = []
    request(folder, json.dumps(content).encode() + b"\n", pieces.append)
    return json.loads(b"".join(pieces))["result"]


def request(folder, line, keep=lambda data: None):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.path.join(folder, "control.sock"))
        connection.sendall(line)
        first, size = b"", 0
        while data := connection.recv(1 << 16):
            first, size = first or data, size + len(data)
            keep(data)
    if b'"status":0' not in first[:12]:
        raise RuntimeError("the answer is %r" % first[:200])
    return size


def run_probe(make, arguments, pipe):
    once, taken_s = make(*arguments), []
    once()
    pipe.send(None)
    while not pipe.poll():
        started = time.monotonic()
        once()
        taken_s.append(time.monotonic() - started)
        time.sleep(PROBE_PAUSE_S)
    pipe.send(taken_s)


class Probe:
    """In a process of its own, so that it waits for nobody but the broker and the machine."""

    def __init__(self, make, *arguments):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=run_probe, args=(make, arguments, theirs))
        self.process.start()
        self.pipe.recv()

    def stop(self):
        """All the times in ms, the shortest first."""
        self.pipe.send(None)
        taken_ms = sorted(1000 * taken_s for taken_s in self.pipe.recv())
        self.process.join()
        return taken_ms


def percentile(taken_ms, share):
    return taken_ms[min(len(taken_ms) - 1, int(len(taken_ms) * share))]
