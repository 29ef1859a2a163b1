# SPDX-License-Identifier: Apache-2.0
"""A small shop in a broker, so that every page has something to show; and where all pages and dialogs are."""

import threading

import pika

VHOSTS = [
    {"name": "/"},
    {"name": "shop", "description": "Orders and mail of the shop", "tags": ["production"]},
]
POLICIES = [
    {"vhost": "shop", "name": "dead-letters", "pattern": "^orders\\.", "apply-to": "queues", "priority": 5,
     "definition": {"dead-letter-exchange": "", "dead-letter-routing-key": "orders.dead", "max-length": 100000}},
    {"vhost": "shop", "name": "short-lived", "pattern": "^mail\\.", "apply-to": "queues", "priority": 0,
     "definition": {"message-ttl": 3600000}},
]  # fmt: skip
EXCHANGES = [("orders", "topic"), ("mail", "direct"), ("events", "fanout"), ("by-country", "headers")]
QUEUES = [
    ("orders.new", {"x-max-priority": 5}),
    ("orders.paid", {"x-single-active-consumer": True}),
    ("orders.dead", {}),
    ("mail.welcome", {"x-max-length": 5000, "x-overflow": "reject-publish"}),
    ("mail.invoice", {"x-message-ttl": 600000}),
    ("invoices", {"x-queue-type": "quorum", "x-delivery-limit": 5}),
    ("audit", {}),
    ("exports.of-the-warehouse-in-rotterdam.by-supplier.and-by-week.waiting-for-approval", {}),
]
BINDINGS = [
    ("orders", "queue", "orders.new", "order.*.new", {}),
    ("orders", "queue", "orders.paid", "order.*.paid", {}),
    ("orders", "queue", "invoices", "order.*.paid", {}),
    ("orders", "exchange", "events", "order.#", {}),
    ("mail", "queue", "mail.welcome", "welcome", {}),
    ("mail", "queue", "mail.invoice", "invoice", {}),
    ("events", "queue", "audit", "", {}),
    ("events", "exchange", "by-country", "", {}),
    ("by-country", "queue", "exports.of-the-warehouse-in-rotterdam.by-supplier.and-by-week.waiting-for-approval", "",
     {"x-match": "all", "country": "nl", "weight": 12}),
]  # fmt: skip
DEFINITIONS = {
    "vhosts": VHOSTS,
    "policies": POLICIES,
    "exchanges": [
        {"vhost": "shop", "name": name, "type": kind, "durable": True, "auto_delete": False, "internal": False,
         "arguments": {}}
        for name, kind in EXCHANGES
    ],
    "queues": [
        {"vhost": "shop", "name": name, "durable": True, "auto_delete": False, "arguments": arguments}
        for name, arguments in QUEUES
    ],
    "bindings": [
        {"vhost": "shop", "source": source, "destination_type": kind, "destination": destination,
         "routing_key": key, "arguments": arguments}
        for source, kind, destination, key, arguments in BINDINGS
    ],
}  # fmt: skip
# Where a dialog is, the button that opens it, its title; of buttons in a table the first one.
DIALOGS = [
    ([], "Reset statistics", "Reset all statistics"),
    (["queues"], "Declare a queue", "Declare a queue"),
    (["queues", "shop", "orders.dead"], "Publish", "Publish to this queue"),
    (["queues", "shop", "orders.dead"], "Get messages", "Get messages from orders.dead"),
    (["queues", "shop", "orders.dead"], "Move messages", "Move the messages"),
    (["queues", "shop", "orders.dead"], "Bind", "Bind"),
    (["queues", "shop", "orders.dead"], "Purge", "Purge this queue"),
    (["queues", "shop", "orders.dead"], "Delete", "Delete this queue"),
    (["exchanges"], "Declare an exchange", "Declare an exchange"),
    (["exchanges", "shop", "orders"], "Publish", "Publish a message"),
    (["exchanges", "shop", "orders"], "Unbind", "Unbind"),
    (["exchanges", "shop", "orders"], "Delete", "Delete this exchange"),
    (["bindings"], "Bind", "Bind"),
    (["users"], "Add a user", "Add a user"),
    (["users", "shop-frontend"], "Give permissions", "Give permissions"),
    (["users", "shop-frontend"], "Give topic permissions", "Give topic permissions"),
    (["users", "shop-frontend"], "Change", "Change the permissions"),
    (["users", "shop-frontend"], "Take away", "Take the permissions away"),
    (["users", "shop-frontend"], "Change password or tags", "Change shop-frontend"),
    (["users", "shop-frontend"], "Delete", "Delete this user"),
    (["vhosts"], "Add a virtual host", "Add a virtual host"),
    (["vhosts", "shop"], "Change", "Change shop"),
    (["vhosts", "shop"], "Delete", "Delete this virtual host"),
    (["policies"], "Add a policy", "Add a policy"),
    (["policies"], "Add an operator policy", "Add an operator policy"),
    (["policies"], "Delete", "Delete this policy"),
    (["limits"], "Limit a virtual host", "Set a limit of a virtual host"),
    (["limits"], "Limit a user", "Set a limit of a user"),
    (["limits"], "Change", "Change max-queues of shop"),
    (["limits"], "Take away", "Take this limit away"),
    (["definitions"], "Export definitions", "Export definitions"),
    (["definitions"], "Import definitions", "Import definitions"),
    (["queues"], "Columns", "Columns of the queues"),
    (["cluster-name"], "Change the name", "Change the name of the cluster"),
]  # fmt: skip
PERMISSIONS = {"configure": "^$", "write": "^(orders|mail)$", "read": ".*"}


def build(site):
    """The shop, with its users, and messages that wait."""
    site.make("POST", "definitions", DEFINITIONS)
    site.make("PUT", "permissions/shop/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    for name, tags in (("shop-frontend", ""), ("grafana", "monitoring"), ("anna", "administrator")):
        site.make("PUT", "users/" + name, {"password": "secret", "tags": tags})
    site.make("PUT", "permissions/shop/shop-frontend", PERMISSIONS)
    topics = {"exchange": "orders", "write": "^order\\.", "read": ".*"}
    site.make("PUT", "topic-permissions/shop/shop-frontend", topics)
    site.make("PUT", "operator-policies/shop/not-too-long",
              {"pattern": ".*", "definition": {"max-length": 1000000}, "priority": 0, "apply-to": "queues"})
    site.make("PUT", "vhost-limits/shop/max-queues", {"value": 5000})
    site.make("PUT", "user-limits/shop-frontend/max-connections", {"value": 100})
    for queue, count in (("orders.dead", 12), ("mail.invoice", 3)):
        for number in range(count):
            message = {"properties": {"content_type": "application/json", "headers": {"attempt": 3}},
                       "routing_key": queue, "payload": '{"order":%d}' % number, "payload_encoding": "string"}
            site.make("POST", "exchanges/shop/amq.default/publish", message)


def clear(site):
    site.make("DELETE", "vhosts/shop")
    for name in ("shop-frontend", "grafana", "anna"):
        site.make("DELETE", "users/" + name)


def connect(site, name, user="guest", password="guest"):
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            "127.0.0.1", site.amqp_port(), "shop", pika.PlainCredentials(user, password), heartbeat=600,
            client_properties={"connection_name": name, "product": "pika", "version": pika.__version__},
        )
    )  # fmt: skip


class Clients:
    """One that publishes, a few messages in each tenth of a second, and one that consumes and is slower."""

    def __init__(self, site):
        self.is_over = threading.Event()
        self.publisher = connect(site, "shop-frontend", "shop-frontend", "secret")
        self.orders = self.publisher.channel()
        self.orders.confirm_delivery()
        self.consumer = connect(site, "order-worker-1")
        self.work = self.consumer.channel()
        self.work.basic_qos(prefetch_count=20)
        for queue in ("orders.new", "invoices"):
            self.work.basic_consume(queue, self.take, consumer_tag="worker." + queue)
        self.threads = [threading.Thread(target=self.publish), threading.Thread(target=self.consume)]
        for thread in self.threads:
            thread.start()

    def take(self, channel, delivery, properties, body):
        if delivery.delivery_tag % 10:
            channel.basic_ack(delivery.delivery_tag)
        else:
            channel.basic_nack(delivery.delivery_tag)

    def publish(self):
        number = 0
        while not self.is_over.wait(0.1):
            for event in ("new", "new", "paid", "packed"):
                number += 1
                self.orders.basic_publish("orders", "order.%d.%s" % (number, event), b'{"total": 12.5}')

    def consume(self):
        while not self.is_over.is_set():
            self.consumer.process_data_events(0.1)

    def close(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        for connection in (self.publisher, self.consumer):
            connection.close()


def pages(site):
    """Of every page the names in its address; of one connection and one channel those that are there."""
    connection = site.wait_for("connections", bool)[0]["name"]
    channel = site.wait_for("channels", bool)[0]["name"]
    node = site.make("GET", "nodes")[0]["name"]
    return [
        [], ["nodes", node],
        ["connections"], ["connections", connection], ["channels"], ["channels", channel],
        ["exchanges"], ["exchanges", "shop", "orders"], ["exchanges", "shop", "amq.default"],
        ["queues"], ["queues", "shop", "orders.new"], ["queues", "shop", "orders.dead"],
        ["streams"], ["bindings"],
        ["users"], ["users", "shop-frontend"], ["vhosts"], ["vhosts", "shop"],
        ["policies"], ["policies", "shop", "dead-letters"], ["limits"], ["definitions"], ["cluster-name"],
        ["queues", "shop", "not-there"], ["nothing"],
    ]  # fmt: skip
