# SPDX-License-Identifier: Apache-2.0
"""The suite of Python's clients of the management API: pyrabbit2, and the management part of AMQPStorm."""

import amqpstorm.management
import pyrabbit2.api
from pyrabbit2.http import HTTPError

import management
from interop_suite import BROKER, Mismatch, defer, expect, expect_true, main, poll, test, unique


def fails(error, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except error as failure:
        return str(failure)
    raise Mismatch("%s did not fail" % function.__name__)


# --- pyrabbit2


def rabbit(user=BROKER.user, password=BROKER.password):
    return pyrabbit2.api.Client("%s:%d" % (BROKER.host, BROKER.management_port), user, password, timeout=30)


def vhost():
    client = rabbit()
    name = unique("pyrabbit")
    client.create_vhost(name)
    defer(client.delete_vhost, name)
    client.set_vhost_permissions(name, BROKER.user, ".*", ".*", ".*")
    return client, name


@test
def pyrabbit_declares_publishes_and_gets():
    client, name = vhost()
    expect_true(name in client.get_vhost_names(), "the virtual host is listed")
    expect(client.get_vhost(name)["name"], name, "the virtual host")
    client.create_queue(name, "orders", durable=True, arguments={"x-max-length": 5})
    client.create_exchange(name, "shop", "topic", durable=True)
    client.create_binding(name, "shop", "orders", "eu.#")
    keys = [row["routing_key"] for row in client.get_queue_bindings(name, "orders") if row["source"]]
    expect(keys, ["eu.#"], "bindings")
    expect(client.publish(name, "shop", "eu.x", "hello"), True, "routed")
    expect(client.publish(name, "shop", "us.x", "hello"), False, "not routed")
    got = client.get_messages(name, "orders", count=2, requeue=True)
    expect([message["payload"] for message in got], ["hello"], "what is got")
    poll(lambda: client.get_queue(name, "orders").get("messages") == 1, "the queue's length")
    expect(client.get_queue_depth(name, "orders"), 1, "its depth")
    client.purge_queue(name, "orders")
    poll(lambda: client.get_queue(name, "orders").get("messages") == 0, "the queue's length")
    client.delete_binding(name, "shop", "orders", "eu.%23")
    expect([row for row in client.get_queue_bindings(name, "orders") if row["source"]], [], "bindings")
    client.delete_queue(name, "orders")
    expect(client.get_queues(name), [], "the queues")
    client.delete_exchange(name, "shop")
    expect(client.get_exchange(name, "amq.topic")["type"], "topic", "the exchange's type")
    expect_true("404" in fails(HTTPError, client.get_queue, name, "orders"), "the queue is gone")


@test
def pyrabbit_manages_users_and_policies():
    client, name = vhost()
    user = unique("clerk")
    client.create_user(user, "secret", tags="management")
    defer(client.delete_user, user)
    client.set_vhost_permissions(name, user, "", ".*", ".*")
    expect(client.get_permission(name, user)["configure"], "", "the permission")
    expect([row["vhost"] for row in client.get_user_permissions(user)], [name], "the user's permissions")
    expect(sorted(row["user"] for row in client.get_vhost_permissions(name)), sorted([BROKER.user, user]), "the users")
    expect(rabbit(user, "secret").get_whoami()["name"], user, "who that is")
    client.create_policy(name, "lengths", pattern="^orders", definition={"max-length": 5}, priority=1)
    expect(client.get_policy(name, "lengths")["definition"], {"max-length": 5}, "the policy")
    client.delete_policy(name, "lengths")
    client.delete_permission(name, user)
    expect(client.get_user_permissions(user), [], "the user's permissions")
    expect_true("401" in fails(pyrabbit2.api.PermissionError, rabbit(user, "wrong").get_whoami), "a wrong password")


@test
def pyrabbit_looks_at_the_broker():
    client, name = vhost()
    expect(client.is_alive(name), True, "alive")
    expect_true("rabbitmq_version" in client.get_overview(), "the version")
    expect(len(client.get_nodes()), 1, "the nodes")
    for rows in (client.get_users(), client.get_permissions(), client.get_bindings(), client.get_all_policies()):
        expect_true(isinstance(rows, list), "a list")
    with management.connected() as peer:
        expect_true(peer.name() in [row["name"] for row in client.get_connections()], "the connection")
        client.delete_connection(peer.name())
        management.expect_end(peer, "CONNECTION_FORCED - Closed via management plugin")


# --- AMQPStorm


def storm(user=BROKER.user, password=BROKER.password):
    return amqpstorm.management.ManagementApi(management.URL, user, password, timeout=30)


@test
def amqpstorm_declares_publishes_and_gets():
    api, name = storm(), unique("storm")
    api.virtual_host.create(name)
    defer(api.virtual_host.delete, name)
    api.queue.declare("orders", virtual_host=name, durable=True, arguments={"x-max-length": 5})
    api.queue.declare("orders", virtual_host=name, passive=True)
    api.exchange.declare("shop", "topic", virtual_host=name, durable=True)
    api.queue.bind("orders", "shop", "eu.#", virtual_host=name, arguments={})
    expect([row["routing_key"] for row in api.queue.bindings("orders", name) if row["source"]], ["eu.#"], "bindings")
    expect(api.basic.publish("hello", "eu.x", "shop", name)["routed"], True, "routed")
    got = api.basic.get("orders", name, requeue=False, to_dict=True)
    expect([message["payload"] for message in got], ["hello"], "what is got")
    expect(api.basic.publish("again", "orders", "amq.default", name)["routed"], True, "routed")
    got = api.basic.get("orders", name, requeue=True)
    expect([message.body for message in got], ["again"], "what is got")
    api.queue.purge("orders", name)
    api.queue.unbind("orders", "shop", "eu.#", name, properties_key="eu.%23")
    api.exchange.declare("other", "fanout", virtual_host=name)
    api.exchange.bind("other", "shop", "k", virtual_host=name, arguments={})
    expect([row["destination"] for row in api.exchange.bindings("shop", name)], ["other"], "bindings")
    api.exchange.unbind("other", "shop", "k", name)
    expect([row["name"] for row in api.queue.list(name)], ["orders"], "the queues")
    api.queue.delete("orders", name)
    api.exchange.delete("shop", name)
    error = amqpstorm.management.ApiError
    fails(error, api.queue.get, "orders", name)
    fails(error, api.basic.publish, "x", "x", "none", name)


@test
def amqpstorm_manages_users():
    api, name, user = storm(), unique("storm"), unique("clerk")
    api.virtual_host.create(name)
    defer(api.virtual_host.delete, name)
    api.user.create(user, "secret", tags="monitoring")
    api.user.set_permission(user, name, configure_regex="", write_regex=".*", read_regex=".*")
    expect(api.user.get_permission(user, name)["configure"], "", "the permission")
    expect([row["vhost"] for row in api.user.get_permissions(user)], [name], "the user's permissions")
    expect_true(user in [row["user"] for row in api.virtual_host.get_permissions(name)], "of the virtual host")
    expect(storm(user, "secret").whoami()["name"], user, "who that is")
    api.user.delete_permission(user, name)
    other = unique("clerk")
    api.user.create(other, "secret")
    api.user.delete([user, other])
    names = [row["name"] for row in api.user.list()]
    expect_true(user not in names and other not in names, "the users are gone")


@test
def amqpstorm_looks_at_the_broker():
    api = storm()
    expect(api.aliveness_test("/")["status"], "ok", "alive")
    expect_true("name" in api.cluster_name(), "the cluster's name")
    node = api.nodes()[0]["name"]
    expect(api.node(node)["running"], True, "the node runs")
    expect_true("object_totals" in api.overview(), "the overview")
    with management.connected() as peer:
        expect_true(peer.name() in [row["name"] for row in api.connection.list(name="127.0.0.1")], "the connection")
        expect(api.connection.get(peer.name())["user"], BROKER.user, "its user")
        api.channel.list()
        api.connection.close(peer.name(), reason="tidying up")
        management.expect_end(peer, "tidying up")


main()
