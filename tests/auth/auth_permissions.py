# SPDX-License-Identifier: Apache-2.0
"""Permissions on every method."""

from auth_suite import Suite, publish, refused

NONE, C, W, R = "", "c", "w", "r"

QUEUE, EXCHANGE = "queue 'q' in vhost '/'", "exchange 'x' in vhost '/'"
OTHER = "exchange 'x2' in vhost '/'"


# Each method, what it needs in the order in which it is asked for, and the method.
METHODS = [
    ("exchange.declare", [(C, EXCHANGE)], lambda c: c.exchange_declare("x", "topic", durable=True)),
    (
        "exchange.declare passive",
        [],
        lambda c: c.exchange_declare("x", "topic", passive=True),
    ),
    (
        "exchange.declare alternate",
        [
            (C, "exchange 'n' in vhost '/'"),
            (R, "exchange 'n' in vhost '/'"),
            (W, OTHER),
        ],
        lambda c: c.exchange_declare(
            "n", "fanout", auto_delete=True, arguments={"alternate-exchange": "x2"}
        ),
    ),
    (
        "exchange.delete",
        [(C, "exchange 'gone' in vhost '/'")],
        lambda c: c.exchange_delete("gone"),
    ),
    ("exchange.bind", [(W, OTHER), (R, EXCHANGE)], lambda c: c.exchange_bind("x2", "x", "k")),
    ("exchange.unbind", [(W, OTHER), (R, EXCHANGE)], lambda c: c.exchange_unbind("x2", "x", "k")),
    ("queue.declare", [(C, QUEUE)], lambda c: c.queue_declare("q", durable=True)),
    ("queue.declare passive", [], lambda c: c.queue_declare("q", passive=True)),
    (
        "queue.declare dead-letter",
        [(C, "queue 'd' in vhost '/'"), (R, "queue 'd' in vhost '/'"), (W, OTHER)],
        lambda c: c.queue_declare(
            "d", exclusive=True, arguments={"x-dead-letter-exchange": "x2"}
        ),
    ),
    ("queue.bind", [(W, QUEUE), (R, EXCHANGE)], lambda c: c.queue_bind("q", "x", "k")),
    ("queue.unbind", [(W, QUEUE), (R, EXCHANGE)], lambda c: c.queue_unbind("q", "x", "k")),
    ("queue.purge", [(R, QUEUE)], lambda c: c.queue_purge("q")),
    ("queue.delete", [(C, "queue 'gone' in vhost '/'")], lambda c: c.queue_delete("gone")),
    ("basic.publish", [(W, EXCHANGE)], lambda c: publish(c, "x", "nowhere")),
    (
        "basic.publish to the default exchange",
        [(W, "exchange 'amq.default' in vhost '/'")],
        lambda c: publish(c, "", "nowhere"),
    ),
    ("basic.get", [(R, QUEUE)], lambda c: c.basic_get("q")),
    ("basic.consume", [(R, QUEUE)], lambda c: c.basic_consume("q", lambda *_: None)),
    ("basic.qos", [], lambda c: c.basic_qos(prefetch_count=1)),
    ("basic.recover", [], lambda c: c.basic_recover(True)),
    ("confirm.select", [], lambda c: c.confirm_delivery()),
    (
        "tx",
        [],
        lambda c: (c.tx_select(), c.tx_commit(), c.tx_rollback()),
    ),
    (
        "consuming the replies of direct reply-to",
        [],
        lambda c: c.basic_consume("amq.rabbitmq.reply-to", lambda *_: None, auto_ack=True),
    ),
]
WORDS = {C: "configure", W: "write", R: "read"}


class Permissions(Suite):
    """Every method with every set of permissions that a user may have."""

    name = "permissions"

    def prepare(self):
        self.users = ["u" + "".join(s) for s in ("", C, W, R, C + W, C + R, W + R, C + W + R)]

    def test_every_method_with_every_set_of_permissions(self):
        for user in self.users:
            self.broker.ctl("add_user", user, "secret")
            patterns = [".*" if letter in user[1:] else "^$" for letter in (C, W, R)]
            self.broker.ctl("set_permissions", "-p", "/", user, *patterns)
        connection = self.broker.connect()
        channel = connection.channel()
        channel.queue_declare("q", durable=True)
        for exchange in ("x", "x2"):
            channel.exchange_declare(exchange, "topic", durable=True)
        connection.close()
        wrong = []
        for user in self.users:
            for name, needed, do in METHODS:
                missing = [(p, what) for p, what in needed if p not in user[1:]]
                expected = refused(WORDS[missing[0][0]], missing[0][1], user) if missing else "ok"
                found = self.step(user, "secret", do)
                if found != expected:
                    wrong.append("%s as %s: found %r, expected %r" % (name, user, found, expected))
        assert not wrong, "\n".join(wrong)

    def test_no_permissions_no_vhost(self):
        self.broker.ctl("add_user", "nobody", "secret")
        found = self.broker.login("nobody", "secret")
        assert "access to vhost '/' refused for user 'nobody'" in found, found


SUITES = [Permissions]
