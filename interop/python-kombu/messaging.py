# SPDX-License-Identifier: Apache-2.0
"""kombu alone: connections, producers and consumers, entities, errors, reconnection, pidbox."""

import datetime
import decimal
import socket
import ssl
import threading
import time

import amqp
import kombu
from kombu.mixins import ConsumerMixin
from kombu.pidbox import Mailbox
from kombu.pools import producers

from client import (
    bodies,
    confirming,
    connection,
    declared,
    drain,
    expect_error,
    publish,
    simple_queue,
    stays_quiet,
    take,
    tls,
    url,
)
from interop_suite import (
    BROKER,
    QUICK,
    Mismatch,
    defer,
    expect,
    expect_true,
    poll,
    restart_broker,
    test,
    unique,
)


def works(conn):
    queue = simple_queue(conn.default_channel)
    publish(conn.default_channel, queue.name, {"hello": "world"})
    expect(bodies(take(conn, queue, 1)), [{"hello": "world"}], "bodies")


# --- connections -------------------------------------------------------------------------------


@test
def kombu_connects_by_url():
    with kombu.Connection(url(), connect_timeout=10) as conn:
        conn.connect()
        works(conn)
    expect_true(not conn.connected, "closed")


@test
def kombu_logs_in_with_amqplain_and_plain():
    works(connection(login_method="AMQPLAIN"))
    works(connection(login_method="PLAIN"))


@test
def kombu_wrong_password_is_access_refused():
    for method in ("PLAIN", "AMQPLAIN"):
        expect_error(
            amqp.AccessRefused,
            403,
            "ACCESS_REFUSED - Login was refused using authentication mechanism %s."
            " For details see the broker logfile." % method,
            connection(password="wrong", login_method=method).connect,
        )


@test
def kombu_missing_vhost_is_not_allowed():
    expect_error(
        amqp.NotAllowed,
        530,
        "NOT_ALLOWED - vhost missing not found",
        connection(virtual_host="missing").connect,
    )


@test
def kombu_reads_the_server_properties():
    conn = connection()
    conn.connect()
    properties = conn.connection.server_properties
    expect(properties["product"], "RabbitMQ", "product")
    for name in ("consumer_cancel_notify", "connection.blocked", "publisher_confirms"):
        expect(properties["capabilities"][name], True, name)


@test
def kombu_heartbeats_keep_an_idle_connection():
    conn = connection(heartbeat=2)
    conn.connect()
    expect(conn.connection.heartbeat, 2, "negotiated heartbeat")
    deadline = time.monotonic() + (5 if QUICK else 9)
    while time.monotonic() < deadline:
        conn.heartbeat_check(rate=4)
        try:
            conn.drain_events(timeout=0.5)
        except socket.timeout:
            pass
    works(conn)


@test
def kombu_many_channels():
    conn = connection()
    channels = [conn.channel() for _ in range(50 if QUICK else 200)]
    queue = simple_queue(channels[0])
    for number, channel in enumerate(channels):
        publish(channel, queue.name, number)
        if number % 2:
            channel.close()
    expect(sorted(bodies(take(conn, queue, len(channels)))), list(range(len(channels))), "bodies")


@test
def kombu_tls_with_server_verified():
    works(tls())


@test
def kombu_tls_mutual_with_plain():
    works(tls(with_certificate=True, login_method="PLAIN"))


@test
def kombu_tls_external():
    works(tls(with_certificate=True, login_method="EXTERNAL"))


@test
def kombu_tls_with_another_authority_is_refused_by_the_client():
    conn = connection(port=BROKER.tls_port, ssl={"cert_reqs": ssl.CERT_REQUIRED})
    try:
        conn.connect()
    except ssl.SSLError as error:
        expect_true("certificate verify failed" in str(error).lower(), str(error))
        return
    raise Mismatch("connected without trusting the authority")


# --- messages ----------------------------------------------------------------------------------


@test
def kombu_serializers_and_compression():
    conn = connection()
    queue = simple_queue(conn.default_channel)
    sent = {"number": 1, "text": "\u20ac" * 500, "list": [None, True]}
    for options in (
        dict(serializer="json"),
        dict(serializer="pickle"),
        dict(serializer="json", compression="zlib"),
        dict(serializer="json", compression="bzip2"),
    ):
        publish(conn.default_channel, queue.name, sent, **options)
    taken = take(conn, queue, 4)
    expect(bodies(taken), [sent] * 4, "bodies")
    expect(
        [message.content_type for _, message in taken],
        ["application/json", "application/x-python-serialize"] + ["application/json"] * 2,
        "content types",
    )


@test
def kombu_properties_and_headers_round_trip():
    conn = connection()
    queue = simple_queue(conn.default_channel)
    headers = {
        "int": 2**31,
        "negative": -5,
        "float": 2.5,
        "bool": False,
        "void": None,
        "decimal": decimal.Decimal("12.34"),
        "time": datetime.datetime(2024, 2, 29, 1, 2, 3),
        "array": ["a", 1, {"b": [2.25]}],
        "table": {"nested": {"deep": "x" * 1000}},
    }
    publish(
        conn.default_channel,
        queue.name,
        b"raw",
        headers=headers,
        content_type="application/octet-stream",
        content_encoding="binary",
        priority=4,
        correlation_id="c",
        reply_to="r",
        message_id="m",
        type="t",
        app_id="a",
        user_id=BROKER.user,
        expiration=600,
        timestamp=1704164645,
    )
    body, message = take(conn, queue, 1)[0]
    expect(bytes(body), b"raw", "body")
    expect(message.headers, headers, "headers")
    wanted = dict(
        priority=4,
        correlation_id="c",
        reply_to="r",
        message_id="m",
        type="t",
        app_id="a",
        user_id=BROKER.user,
        expiration="600000",
        delivery_mode=2,
        timestamp=1704164645,
    )
    expect({k: message.properties.get(k) for k in wanted}, wanted, "properties")


@test
def kombu_large_message():
    conn = confirming()
    queue = simple_queue(conn.default_channel)
    body = bytes(range(256)) * (16000 if QUICK else 50000)
    publish(conn.default_channel, queue.name, body, content_encoding="binary")
    got, _message = take(conn, queue, 1)[0]
    expect(bytes(got) == body, True, "%d bytes" % len(body))


@test
def kombu_confirmed_publishing():
    conn = confirming()
    queue = simple_queue(conn.default_channel)
    count = 100 if QUICK else 500
    publish(conn.default_channel, queue.name, *range(count))
    expect(queue.queue_declare(passive=True).message_count, count, "messages")


@test
def kombu_mandatory_message_is_returned():
    conn = confirming()
    returned = []

    def on_return(exception, exchange, routing_key, message):
        returned.append((exception.reply_code, exchange, routing_key, message.body))

    producer = kombu.Producer(conn.default_channel, on_return=on_return)
    key = unique("nowhere")
    producer.publish("x", routing_key=key, mandatory=True, serializer="raw", content_type="t/x")
    stays_quiet(conn, 0.1)
    expect([r[:3] for r in returned], [(312, "", key)], "returned")


@test
def kombu_simple_queue():
    conn = connection()
    name = unique("simple")
    defer(_delete_queue, name)
    with conn.SimpleQueue(name) as queue:
        for number in range(10):
            queue.put({"n": number})
        poll(lambda: len(queue) == 10, "ten messages")
        got = []
        for _ in range(10):
            message = queue.get(block=True, timeout=10)
            got.append(message.payload["n"])
            message.ack()
        expect(got, list(range(10)), "messages")
        try:
            queue.get(block=True, timeout=0.2)
        except queue.Empty:
            return
        raise Mismatch("an eleventh message")


def _delete_queue(name):
    with kombu.Connection(url()) as conn:
        conn.default_channel.queue_delete(name)


@test
def kombu_requeue_and_reject():
    conn = connection()
    queue = simple_queue(conn.default_channel)
    publish(conn.default_channel, queue.name, "again", "never")
    seen = []

    def on_message(body, message):
        seen.append((body, message.delivery_info["redelivered"]))
        if body == "never":
            message.reject()
        elif message.delivery_info["redelivered"]:
            message.ack()
        else:
            message.requeue()

    with conn.Consumer(queue, callbacks=[on_message], prefetch_count=1):
        drain(conn, lambda: len(seen) == 3, "three deliveries")
        stays_quiet(conn)
    expect(seen, [("again", False), ("again", True), ("never", False)], "deliveries")
    expect(queue.queue_declare(passive=True).message_count, 0, "messages left")


@test
def kombu_prefetch_and_recover():
    conn = connection()
    queue = simple_queue(conn.default_channel)
    publish(conn.default_channel, queue.name, *range(10))
    held = []
    on_message = [lambda body, message: held.append(message)]
    with conn.Consumer(queue, callbacks=on_message, prefetch_count=4) as consumer:
        drain(conn, lambda: len(held) == 4, "four deliveries")
        stays_quiet(conn)
        expect(len(held), 4, "deliveries")
        consumer.recover(requeue=True)
        drain(conn, lambda: len(held) == 8, "the same again")
        stays_quiet(conn)
    expect([m.payload for m in held], [0, 1, 2, 3] * 2, "messages")
    expect([m.delivery_info["redelivered"] for m in held], [False] * 4 + [True] * 4, "redelivered")


@test
def kombu_qos_is_changed_while_consuming():
    """The way a Celery worker grows and shrinks its prefetch."""
    conn = connection()
    queue = simple_queue(conn.default_channel)
    publish(conn.default_channel, queue.name, *range(10))
    held = []
    with conn.Consumer(queue, callbacks=[lambda b, m: held.append(m)]) as consumer:
        consumer.qos(prefetch_count=2, apply_global=True)
        stays_quiet(conn)
        already = len(held)  # what came before the limit was set
        for message in held:
            message.ack()
        stays_quiet(conn)
    expect_true(already in (2, 10), "%d deliveries before the limit" % already)


@test
def kombu_no_ack_consumer():
    conn = connection()
    queue = simple_queue(conn.default_channel)
    publish(conn.default_channel, queue.name, "a", "b")
    got = []
    with conn.Consumer(queue, callbacks=[lambda b, m: got.append(b)], no_ack=True):
        drain(conn, lambda: len(got) == 2, "two deliveries")
    expect(queue.queue_declare(passive=True).message_count, 0, "messages left")


@test
def kombu_queue_get():
    conn = connection()
    queue = simple_queue(conn.default_channel)
    expect(queue.get(), None, "get of an empty queue")
    publish(conn.default_channel, queue.name, "x")
    message = poll(queue.get, "message")
    expect(message.payload, "x", "payload")
    message.ack()


# --- entities ----------------------------------------------------------------------------------


@test
def kombu_exchange_types():
    conn = confirming()
    channel = conn.default_channel
    cases = {
        "direct": (dict(routing_key="a"), ["a"], ["b"]),
        "topic": (dict(routing_key="*.a.#"), ["x.a", "x.a.b.c"], ["a", "x.b"]),
        "fanout": (dict(routing_key="a"), ["a", "b", ""], []),
    }
    for kind, (binding, matching, other) in cases.items():
        exchange = declared(kombu.Exchange(unique(kind), kind), channel)
        queue = declared(kombu.Queue(unique("queue"), exchange, **binding), channel)
        for key in matching + other:
            publish(channel, key, key, exchange=exchange)
        expect(bodies(take(conn, queue, len(matching))), matching, kind)
        expect(queue.queue_declare(passive=True).message_count, 0, "left of " + kind)


@test
def kombu_headers_exchange():
    conn = confirming()
    channel = conn.default_channel
    exchange = declared(kombu.Exchange(unique("headers"), "headers"), channel)
    arguments = {"x-match": "any", "a": 1, "b": "two"}
    queue = declared(kombu.Queue(unique("queue"), exchange, binding_arguments=arguments), channel)
    for number, headers in enumerate(({"a": 1}, {"b": "two", "c": 3}, {"a": 2}, {})):
        publish(channel, "", number, exchange=exchange, headers=headers)
    expect(bodies(take(conn, queue, 2)), [0, 1], "bodies")


@test
def kombu_exchange_to_exchange():
    conn = confirming()
    channel = conn.default_channel
    source = declared(kombu.Exchange(unique("source"), "topic"), channel)
    sink = declared(kombu.Exchange(unique("sink"), "fanout"), channel)
    sink.bind_to(source, routing_key="to.#")
    queue = declared(kombu.Queue(unique("queue"), sink), channel)
    for key in ("to.sink", "elsewhere"):
        publish(channel, key, key, exchange=source)
    expect(bodies(take(conn, queue, 1)), ["to.sink"], "bodies")
    sink.unbind_from(source, routing_key="to.#")
    publish(channel, "to.sink", "x", exchange=source)
    expect(queue.queue_declare(passive=True).message_count, 0, "messages after unbinding")


@test
def kombu_queue_with_several_bindings():
    conn = confirming()
    channel = conn.default_channel
    exchange = kombu.Exchange(unique("direct"), "direct")
    declared(exchange, channel)
    bindings = [kombu.binding(exchange, routing_key=key) for key in ("a", "b")]
    queue = declared(kombu.Queue(unique("queue"), bindings=bindings), channel)
    for key in ("a", "b", "c"):
        publish(channel, key, key, exchange=exchange)
    expect(bodies(take(conn, queue, 2)), ["a", "b"], "bodies")


@test
def kombu_exclusive_and_auto_delete_queues_vanish():
    conn = connection()
    other = connection()
    exclusive = kombu.Queue(unique("exclusive"), exclusive=True, exchange=kombu.Exchange(""))
    exclusive(conn.default_channel).declare()
    auto_delete = kombu.Queue(unique("auto"), auto_delete=True, exchange=kombu.Exchange(""))
    auto_delete(conn.default_channel).declare()
    with conn.Consumer(auto_delete, callbacks=[]):
        stays_quiet(conn, 0.1)
    conn.release()
    for queue in (exclusive, auto_delete):
        poll(lambda q=queue: _is_missing(other, q), "%s is gone" % queue.name)


def _is_missing(conn, queue):
    channel = conn.channel()
    try:
        channel.queue_declare(queue.name, passive=True)
    except amqp.NotFound:
        return True
    except amqp.ResourceLocked:
        return False
    channel.close()
    return False


@test
def kombu_queue_arguments_are_accepted():
    conn = connection()
    queue = simple_queue(
        conn.default_channel,
        expires=600,
        message_ttl=300,
        max_length=1000,
        max_length_bytes=10000000,
        max_priority=9,
    )
    publish(conn.default_channel, queue.name, "x", priority=3)
    expect(bodies(take(conn, queue, 1)), ["x"], "bodies")


# --- errors ------------------------------------------------------------------------------------


@test
def kombu_errors_of_declarations():
    conn = connection()
    name = unique("queue")
    expect_error(
        amqp.NotFound,
        404,
        "NOT_FOUND - no queue '%s' in vhost '/'" % name,
        lambda: conn.channel().queue_declare(name, passive=True),
    )
    exchange = declared(kombu.Exchange(unique("exchange"), "direct"), conn.default_channel)
    expect_error(
        amqp.PreconditionFailed,
        406,
        "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '%s' in vhost '/':"
        " received 'topic' but current is 'direct'" % exchange.name,
        lambda: kombu.Exchange(exchange.name, "topic")(conn.channel()).declare(),
    )
    exclusive = kombu.Queue(unique("q"), exclusive=True, exchange=kombu.Exchange(""))
    exclusive(conn.default_channel).declare()
    other = connection()
    try:
        exclusive(other.channel()).declare()
    except amqp.ResourceLocked as error:
        expect(error.reply_code, 405, "reply code")
    else:
        raise Mismatch("an exclusive queue was declared by another connection")
    works(conn)


@test
def kombu_double_ack_closes_the_channel():
    conn = connection()
    channel = conn.channel()
    queue = simple_queue(channel)
    publish(channel, queue.name, "x")
    message = poll(queue.get, "message")
    message.ack()

    def again():
        channel.basic_ack(message.delivery_tag)
        channel.queue_declare(queue.name, passive=True)

    expect_error(
        amqp.PreconditionFailed,
        406,
        "PRECONDITION_FAILED - unknown delivery tag %d" % message.delivery_tag,
        again,
    )


@test
def kombu_publish_to_a_missing_exchange():
    missing = unique("missing")
    expect_error(
        amqp.NotFound,
        404,
        "NOT_FOUND - no exchange '%s' in vhost '/'" % missing,
        lambda: publish(confirming().default_channel, "key", "x", exchange=missing),
    )


@test
def kombu_consumer_is_told_when_its_queue_is_deleted():
    conn = connection()
    queue = simple_queue(conn.default_channel)
    cancelled = []
    with conn.Consumer(queue, callbacks=[], on_message=lambda m: None) as consumer:
        consumer.channel.connection  # the consumer is registered
        stays_quiet(conn, 0.1)
        _delete_queue(queue.name)
        try:
            drain(conn, lambda: cancelled, "cancellation")
        except amqp.ConsumerCancelled as error:
            cancelled.append(error)
        consumer._active_tags.clear()
    expect(len(cancelled), 1, "cancellations")


@test
def kombu_transactions():
    conn = connection()
    channel = conn.channel()
    queue = simple_queue(channel)
    other = connection()
    watched = queue(other.default_channel)
    channel.tx_select()
    publish(channel, queue.name, "discarded")
    channel.tx_rollback()
    publish(channel, queue.name, "kept")
    expect(watched.queue_declare(passive=True).message_count, 0, "before the commit")
    channel.tx_commit()
    poll(lambda: watched.queue_declare(passive=True).message_count == 1, "one after the commit")
    expect(bodies(take(other, watched, 1)), ["kept"], "bodies")


# --- reconnection ------------------------------------------------------------------------------


class Worker(ConsumerMixin):
    """kombu's own consumer that reconnects."""

    def __init__(self, conn, queue):
        self.connection = conn
        self.queue = queue
        self.got = []
        self.revived = 0

    def get_consumers(self, Consumer, channel):
        return [Consumer([self.queue], callbacks=[self.on_message])]

    def on_connection_revived(self):
        self.revived += 1

    def on_message(self, body, message):
        self.got.append(body)
        message.ack()


@test
def kombu_consumer_mixin_and_producer_survive_a_restart():
    conn = connection()
    queue = simple_queue(conn.default_channel)
    waiting = simple_queue(conn.default_channel)
    transient = simple_queue(conn.default_channel, durable=False)
    publish(conn.default_channel, waiting.name, "persistent", retry=True)
    publish(conn.default_channel, waiting.name, "transient", delivery_mode=1)
    worker = Worker(connection(), queue)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    producing = connection()
    with producers[producing].acquire(block=True) as producer:
        producer.publish("before", routing_key=queue.name)
        poll(lambda: worker.got == ["before"], "the worker works")

        restart_broker()

        # The same producer, on a connection that is dead by now.
        policy = dict(max_retries=20, interval_start=0, interval_step=0.2, interval_max=1)
        producer.publish("after", routing_key=queue.name, retry=True, retry_policy=policy)
    poll(lambda: worker.got == ["before", "after"], "the worker is back", timeout_s=30)
    worker.should_stop = True
    thread.join(10)
    expect_true(worker.revived >= 2, "%d connections of the worker" % worker.revived)
    fresh = connection()
    again = waiting.bind(fresh.default_channel)
    expect(bodies(take(fresh, again, 1)), ["persistent"], "messages")
    expect(again.queue_declare(passive=True).message_count, 0, "messages left")
    expect_true(_is_missing(fresh, transient), "the transient queue is gone")


@test
def kombu_ensure_connection_gives_up_in_time():
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    conn = connection(port=closed.getsockname()[1])
    try:
        conn.ensure_connection(max_retries=2, interval_start=0, interval_step=0.1, timeout=5)
    except conn.connection_errors + (kombu.exceptions.OperationalError,):
        return
    finally:
        closed.close()
    raise Mismatch("connected to a port where nobody listens")


# --- remote control, the part below Celery's ----------------------------------------------------


@test
def kombu_pidbox_broadcast_and_reply():
    server_connection = connection()
    client_connection = connection()
    namespace = unique("pidbox")
    mailbox = Mailbox(namespace, type="fanout")
    node = mailbox.Node("node@here", state={"x": 41}, channel=server_connection.channel())
    node.handlers["increase"] = lambda state, by: {"is": state["x"] + by}
    consumer = node.listen(channel=server_connection.channel())
    stop = threading.Event()

    def serve():
        while not stop.is_set():
            try:
                server_connection.drain_events(timeout=0.1)
            except socket.timeout:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        bound = mailbox(client_connection)
        replies = bound.call(["node@here"], "increase", {"by": 1}, timeout=5)
        expect(replies, [{"node@here": {"is": 42}}], "replies of call")
        replies = bound.multi_call("increase", {"by": 2}, timeout=2, limit=1)
        expect(replies, [{"node@here": {"is": 43}}], "replies of multi_call")
    finally:
        stop.set()
        thread.join(10)
        consumer.cancel()
        channel = client_connection.channel()
        channel.exchange_delete(mailbox.exchange.name)
        channel.exchange_delete(mailbox.reply_exchange.name)
