# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ's own clients: the shovels and federation links of a RabbitMQ of the suite's own (there), to
the broker under test and from it (here)."""

import atexit
import json
import os
import shutil
import subprocess
import tempfile
from urllib.parse import quote

import pika
from client import bodies, channel, exchange_on, queue_on, take
from interop_suite import BROKER, defer, expect, expect_true, main, poll, restart_broker, test, unique

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "..", "support", "rabbitmq")
PLUGINS = "rabbitmq_shovel,rabbitmq_federation"
COUNT = 200


class There:
    """The RabbitMQ of the suite."""

    def __init__(self):
        self.base = tempfile.mkdtemp(prefix="leveret-links-")
        self.folder = os.path.join(self.base, "1")
        atexit.register(self.end)
        command = [SCRIPT, "start", self.folder, "--no-tls", "--plugins", PLUGINS]
        started = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        values = dict(line.split("=", 1) for line in started.stdout.splitlines())
        self.where = {"host": values["AMQP_HOST"], "port": int(values["AMQP_PORT"])}
        self.user, self.password = values["AMQP_USER"], values["AMQP_PASSWORD"]
        self.uri = uri(self.user, self.password, **self.where)

    def ctl(self, *words):
        command = [SCRIPT, "ctl", self.folder, *words]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def channel(self):
        credentials = pika.PlainCredentials(self.user, self.password)
        return channel(virtual_host="/", credentials=credentials, **self.where)

    def end(self):
        subprocess.run([SCRIPT, "stop", self.folder], check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(self.base, ignore_errors=True)


def uri(user, password, host, port, vhost="/"):
    user, password, vhost = (quote(word, safe="") for word in (user, password, vhost))
    return "amqp://%s:%s@%s:%d/%s?heartbeat=5" % (user, password, host, port, vhost)


THERE = There()
HERE_URI = uri(BROKER.user, BROKER.password, BROKER.host, BROKER.port, BROKER.vhost)


def keys(value):
    return {key.replace("_", "-"): content for key, content in value.items()}


def shovel(**value):
    name = unique("shovel")
    if "src_delete_after" not in value:
        defer(THERE.ctl, "clear_parameter", "shovel", name)
    value["reconnect_delay"] = 1
    THERE.ctl("set_parameter", "shovel", name, json.dumps(keys(value)))
    return name


def has_shovel(name):
    return name in THERE.ctl("list_parameters", "-q")


def queue_there(ch, **arguments):
    name = unique("there")
    ch.queue_declare(name, durable=True, **arguments)
    defer(lambda: THERE.channel().queue_delete(name))
    return name


def numbers():
    return [b"%d" % number for number in range(COUNT)]


def publish(ch, exchange, key, messages, **properties):
    for body in messages:
        ch.basic_publish(exchange, key, body, pika.BasicProperties(delivery_mode=2, **properties))


PROPERTIES = {
    "content_type": "text/plain",
    "correlation_id": "c",
    "reply_to": "r",
    "message_id": "m",
    "priority": 3,
    "app_id": "a",
    "headers": {"text": "caf\u00e9", "number": 1 << 40, "list": [1, "b"]},
}


def expect_properties(taken):
    for _method, properties, _body in taken:
        got = {name: getattr(properties, name) for name in PROPERTIES}
        expect(got, PROPERTIES, "properties")
        expect(properties.delivery_mode, 2, "delivery mode")


@test
def shovel_brings_messages_here():
    here, there = channel(), THERE.channel()
    target, source = queue_on(here, durable=True), queue_there(there)
    publish(there, "", source, numbers(), **PROPERTIES)
    shovel(src_uri=THERE.uri, src_queue=source, dest_uri=HERE_URI, dest_queue=target)
    taken = take(here, target, COUNT)
    expect(bodies(taken), numbers(), "messages")
    expect_properties(taken)


@test
def shovel_takes_messages_from_here():
    here, there = channel(), THERE.channel()
    source, target = queue_on(here, durable=True), queue_there(there)
    publish(here, "", source, numbers(), **PROPERTIES)
    shovel(src_uri=HERE_URI, src_queue=source, dest_uri=THERE.uri, dest_queue=target)
    taken = take(there, target, COUNT)
    expect(bodies(taken), numbers(), "messages")
    expect_properties(taken)
    again = lambda: here.queue_declare(source, passive=True).method  # noqa: E731
    poll(lambda: again().message_count == 0 and again().consumer_count == 1, "all is acknowledged")


@test
def shovel_from_an_exchange_to_an_exchange():
    here, there = channel(), THERE.channel()
    source = exchange_on(here, "topic")
    target = exchange_on(here, "direct")
    queue = queue_on(here)
    here.queue_bind(queue, target, "moved")
    name = shovel(
        src_uri=HERE_URI,
        src_exchange=source,
        src_exchange_key="a.#",
        dest_uri=HERE_URI,
        dest_exchange=target,
        dest_exchange_key="moved",
        add_forward_headers=True,
    )
    expect_true(has_shovel(name), "the shovel is there")
    here.confirm_delivery()

    def is_bound():
        try:
            here.basic_publish(source, "a.b", b"text", mandatory=True)
            return True
        except pika.exceptions.UnroutableError:
            return False

    poll(is_bound, "the shovel has bound its queue")
    [(method, properties, body)] = take(here, queue, 1)
    expect((method.exchange, method.routing_key, body), (target, "moved", b"text"), "message")
    expect_true("x-shovelled" in properties.headers, "the shovel says that it was here")
    there.close()


@test
def shovel_that_moves_what_is_there_ends():
    here, there = channel(), THERE.channel()
    source, target = queue_on(here, durable=True), queue_there(there)
    publish(here, "", source, numbers())
    name = shovel(
        src_uri=HERE_URI,
        src_queue=source,
        src_delete_after="queue-length",
        dest_uri=THERE.uri,
        dest_queue=target,
    )
    expect(bodies(take(there, target, COUNT)), numbers(), "messages")
    poll(lambda: not has_shovel(name), "the shovel is gone")
    expect(here.queue_declare(source, passive=True).method.consumer_count, 0, "consumers")


@test
def shovel_comes_back_after_a_restart():
    here, there = channel(), THERE.channel()
    source, target = queue_on(here, durable=True), queue_there(there)
    shovel(src_uri=HERE_URI, src_queue=source, dest_uri=THERE.uri, dest_queue=target)
    publish(here, "", source, [b"before"])
    expect(bodies(take(there, target, 1)), [b"before"], "message")
    restart_broker()
    publish(channel(), "", source, [b"after"])
    expect(bodies(take(there, target, 1, timeout_s=40)), [b"after"], "message")


def federate(kind, name, **upstream):
    """The link ends with the exchange or the queue; what is left of it here goes after a while."""
    value = keys(dict(upstream, uri=HERE_URI, reconnect_delay=1, expires=60000))
    component = {"vhost": "/", "component": "federation-upstream", "name": name, "value": value}
    policy = {
        "vhost": "/",
        "name": name,
        "pattern": "^%s$" % name,
        "apply-to": kind,
        "definition": {"federation-upstream": name},
        "priority": 0,
    }
    path = os.path.join(THERE.base, name)
    with open(path, "w") as file:
        json.dump({"parameters": [component], "policies": [policy]}, file)
    THERE.ctl("import_definitions", path)


def federated_exchange(kind="topic", **upstream):
    """Its name, and the queue there that its messages go to."""
    here, there = channel(), THERE.channel()
    name = exchange_on(here, kind, durable=True)
    there.exchange_declare(name, kind, durable=True)
    defer(lambda: THERE.channel().exchange_delete(name))
    queue = queue_there(there)
    there.queue_bind(queue, name, "a.*")
    federate("exchanges", name, **upstream)
    return name, queue


def publish_until_linked(name, headers=None):
    """The link binds in its own time: what is mandatory comes back until then."""
    here = channel()
    here.confirm_delivery()
    properties = pika.BasicProperties(headers=headers)

    def is_bound():
        try:
            here.basic_publish(name, "a.b", b"text", properties, mandatory=True)
            return True
        except pika.exceptions.UnroutableError:
            return False

    poll(is_bound, "the link is bound", timeout_s=40)
    return here


@test
def federated_exchange_gets_what_is_published_here():
    name, queue = federated_exchange()
    here = publish_until_linked(name)
    here.basic_publish(name, "b.b", b"for nobody there")
    here.basic_publish(name, "a.c", b"more")
    taken = take(THERE.channel(), queue, 2)
    expect(bodies(taken), [b"text", b"more"], "messages")
    for (method, properties, _body), key in zip(taken, ("a.b", "a.c")):
        expect((method.exchange, method.routing_key), (name, key), "envelope")
        [received] = properties.headers["x-received-from"]
        expect(received["exchange"], name, "exchange of x-received-from")


@test
def federated_exchange_of_a_message_that_has_come_far_enough():
    name, queue = federated_exchange(max_hops=1)
    publish_until_linked(name)
    hop = {"uri": "amqp://elsewhere", "exchange": name, "vhost": "/", "cluster-name": "elsewhere"}
    here = channel()
    headers = {"x-received-from": [hop]}
    here.basic_publish(name, "a.far", b"far", pika.BasicProperties(headers=headers))
    here.basic_publish(name, "a.last", b"last")
    expect(bodies(take(THERE.channel(), queue, 2)), [b"text", b"last"], "messages")


@test
def federated_exchange_comes_back_after_a_restart():
    name, queue = federated_exchange()
    publish_until_linked(name)
    expect(len(take(THERE.channel(), queue, 1)), 1, "messages before")
    restart_broker()
    publish(channel(), name, "a.x", [b"after"])
    expect(bodies(take(THERE.channel(), queue, 1, timeout_s=40)), [b"after"], "message")


@test
def federated_queue_takes_from_here_when_it_has_consumers():
    here, there = channel(), THERE.channel()
    name = queue_on(here, durable=True)
    there.queue_declare(name, durable=True)
    defer(lambda: THERE.channel().queue_delete(name))
    federate("queues", name)
    publish(here, "", name, numbers())
    expect(bodies(take(there, name, COUNT, timeout_s=40)), numbers(), "messages")


main()
