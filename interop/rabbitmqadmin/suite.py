# SPDX-License-Identifier: Apache-2.0
"""The suite of rabbitmqadmin v2, run as operators and their scripts run it."""

import json
import os
import subprocess
import tempfile

import management
from interop_suite import BROKER, Mismatch, Skip, defer, expect, expect_true, main, poll, test, unique

PROGRAM = os.environ["RABBITMQADMIN"]
# The status of a request that the server refused.
REFUSED = 65
FOLDER = tempfile.TemporaryDirectory(prefix="leveret-interop-rabbitmqadmin-")


class Admin:
    """The program, used by a user in a virtual host."""

    def __init__(self, vhost="/", user=BROKER.user, password=BROKER.password):
        self.vhost, self.user, self.password = vhost, user, password

    def __call__(self, *words, status=0, text=None):
        """What it prints; `text` goes to its standard input."""
        command = [PROGRAM, "--non-interactive", "--host", BROKER.host, "--port", str(BROKER.management_port)]
        command += ["--username", self.user, "--password", self.password, "--vhost", self.vhost]
        environment = dict(os.environ, HOME=FOLDER.name)
        done = subprocess.run([*command, *words], env=environment, input=text, capture_output=True, text=True)
        if done.returncode != status:
            raise Mismatch("%s: %d %s%s" % (" ".join(words), done.returncode, done.stdout, done.stderr))
        return done.stdout + (done.stderr if status else "")

    def rows(self, *words):
        """The lines of a table, as lists of the cells that are not empty."""
        return [line.split() for line in self(*words).splitlines() if line.split()]

    def names(self, *words):
        return sorted(row[0] for row in self.rows(*words))


def shop():
    """An administrator in a virtual host of its own."""
    vhost = unique("shop")
    Admin()("vhosts", "declare", "--name", vhost, "--description", "a shop")
    defer(Admin(), "vhosts", "delete", "--name", vhost)
    return Admin(vhost)


def newer_fields(admin, *words):
    """What needs fields that RabbitMQ 3.10 has not."""
    if os.environ["BROKER_NAME"] == "rabbitmq":
        expect_true("error decoding response body" in admin(*words, status=REFUSED), "it is older")
        raise Skip("this RabbitMQ has not all fields that it wants")
    return admin(*words)


def over_tls(*words, authority=BROKER.ca_file, certificate=BROKER.client_cert, key=BROKER.client_key):
    """As it ended, by the port that wants a certificate."""
    command = [PROGRAM, "--non-interactive", "--use-tls", "--host", "localhost"]
    command += ["--port", os.environ["MANAGEMENT_TLS_PORT"], "--username", BROKER.user, "--password", BROKER.password]
    command += ["--tls-ca-cert-file", authority] if authority else []
    command += ["--tls-cert-file", certificate, "--tls-key-file", key] if certificate else []
    return subprocess.run([*command, *words], env=dict(os.environ, HOME=FOLDER.name), capture_output=True, text=True)


@test
def it_works_over_tls_with_authority_and_certificate():
    name = unique("by-tls")
    declared = over_tls("queues", "declare", "--name", name, "--type", "classic")
    defer(over_tls, "queues", "delete", "--name", name)
    expect((declared.returncode, declared.stderr), (0, ""), "declaring")
    expect_true(name in over_tls("queues", "list").stdout, "it is listed")
    for words in ({"authority": None}, {"certificate": None}):
        refused = over_tls("queues", "list", **words)
        expect_true(refused.returncode != 0 and name not in refused.stdout, "that it is refused with %r" % words)


@test
def vhosts_are_declared_listed_and_deleted():
    admin = Admin()
    name = unique("vhost")
    admin("declare", "vhost", "--name", name, "--description", "a shop", "--default-queue-type", "quorum")
    row = [row for row in admin.rows("list", "vhosts") if row[0] == name]
    expect(row[0][1:3], ["a", "shop"], "the description")
    admin("delete", "vhost", "--name", name)
    expect_true(name not in admin.names("list", "vhosts"), "it is gone")
    expect_true("404" in admin("delete", "vhost", "--name", name, status=REFUSED), "that it is not there")
    admin("delete", "vhost", "--name", name, "--idempotently")


@test
def vhosts_are_protected():
    if os.environ["BROKER_NAME"] == "rabbitmq":
        raise Skip("this RabbitMQ does not protect virtual hosts")
    admin = shop()
    admin("vhosts", "enable_deletion_protection", "--name", admin.vhost)
    refused = admin("vhosts", "delete", "--name", admin.vhost, status=REFUSED)
    expect_true("because it is protected from deletion" in refused, refused)
    admin("vhosts", "disable_deletion_protection", "--name", admin.vhost)


@test
def queues_are_declared_shown_and_deleted():
    admin = shop()
    admin("declare", "queue", "--name", "plain", "--type", "classic", "--durable", "true")
    admin("queues", "declare", "--name", "bounded", "--type", "classic", "--arguments", '{"x-max-length":5}')
    admin("queues", "declare", "--name", "kept", "--type", "quorum")
    rows = {row[0]: row for row in admin.rows("list", "queues")}
    expect(sorted(rows), ["bounded", "kept", "plain"], "the queues")
    expect([rows[name][2] for name in sorted(rows)], ["classic", "quorum", "classic"], "their types")
    expect_true("x-max-length: 5" in admin("queues", "show", "--name", "bounded"), "the argument")
    refused = admin("declare", "queue", "--name", "plain", "--type", "classic", "--durable", "false", status=REFUSED)
    expect_true("inequivalent arg 'durable' for queue 'plain'" in refused, refused)
    admin("queues", "delete", "--name", "kept")
    expect(admin.names("queues", "list"), ["bounded", "plain"], "what is left")
    expect_true("404" in admin("queues", "delete", "--name", "kept", status=REFUSED), "that it is not there")
    admin("queues", "delete", "--name", "kept", "--idempotently")


@test
def exchanges_are_bound_and_unbound():
    admin = shop()
    admin("declare", "exchange", "--name", "orders", "--type", "topic", "--durable", "true")
    admin("declare", "queue", "--name", "eu", "--type", "classic")
    words = ("--source", "orders", "--destination-type", "queue", "--destination", "eu")
    admin("declare", "binding", *words, "--routing-key", "eu.#")
    admin("bindings", "declare", *words, "--routing-key", "all", "--arguments", '{"weight":3}')
    admin("exchanges", "bind", "--source", "orders", "--destination-type", "exchange", "--destination", "amq.fanout",
          "--routing-key", "lost")  # fmt: skip
    found = sorted(row[3:5] for row in admin.rows("bindings", "list") if row[1] == "orders")
    expect(found, [["exchange", "lost"], ["queue", "all"], ["queue", "eu.#"]], "the bindings")
    admin("delete", "binding", *words, "--routing-key", "eu.#", "--arguments", "{}")
    admin("bindings", "delete", *words, "--routing-key", "all", "--arguments", '{"weight":3}')
    admin("exchanges", "unbind", "--source", "orders", "--destination-type", "exchange", "--destination", "amq.fanout",
          "--routing-key", "lost")  # fmt: skip
    expect([row for row in admin.rows("bindings", "list") if row[1] == "orders"], [], "what is left")
    expect_true("orders" in admin("exchanges", "list"), "the exchange is listed")
    admin("exchanges", "delete", "--name", "orders")
    refused = admin("declare", "exchange", "--name", "amq.x", "--type", "topic", status=REFUSED)
    expect_true("Access refused" in refused, refused)


@test
def messages_are_published_got_and_purged():
    admin = shop()
    admin("declare", "queue", "--name", "eu", "--type", "classic")
    properties = '{"delivery_mode":2,"content_type":"text/plain","headers":{"a":1}}'
    said = admin("publish", "message", "--exchange", "", "--routing-key", "eu", "--payload", "hello",
                 "--properties", properties)  # fmt: skip
    expect_true("published and routed" in said, said)
    said = admin("publish", "message", "--exchange", "amq.topic", "--routing-key", "x", "--payload", "lost")
    expect_true("NOT routed" in said or "not routed" in said, said)
    got = admin("get", "messages", "--queue", "eu", "--ack-mode", "ack_requeue_true")
    expect_true("hello" in got and "text/plain" in got, got)
    got = admin("get", "messages", "--queue", "eu", "--ack-mode", "ack_requeue_false").split()
    expect_true("true" in got, "redelivered: %s" % got)
    expect(admin.rows("get", "messages", "--queue", "eu"), [], "what is left")
    for _ in range(3):
        admin("publish", "message", "--exchange", "amq.default", "--routing-key", "eu", "--payload", "more")
    expect(len(admin.rows("get", "messages", "--queue", "eu", "--count", "2")), 2, "how many are got")
    admin("queues", "purge", "--name", "eu")
    expect(admin.rows("get", "messages", "--queue", "eu"), [], "what is left")


@test
def users_get_permissions_and_limits():
    admin = shop()
    user = unique("clerk")
    admin("declare", "user", "--name", user, "--password", "secret", "--tags", "management")
    defer(admin, "users", "delete", "--name", user, "--idempotently")
    clerk = Admin(admin.vhost, user, "secret")
    refused = clerk("declare", "queue", "--name", "mine", "--type", "classic", status=REFUSED)
    expect_true("User not authorised to access virtual host" in refused, refused)
    everything = ("--configure", ".*", "--read", ".*", "--write", ".*")
    admin("declare", "permissions", "--user", user, *everything)
    expect([row[1:] for row in admin.rows("permissions", "list") if user in row],
           [[admin.vhost, ".*", ".*", ".*"]], "the permissions")  # fmt: skip
    clerk("declare", "queue", "--name", "mine", "--type", "classic")
    admin("declare", "user_limit", "--user", user, "--name", "max-channels", "--value", "7")
    expect_true("max-channels: 7" in admin("user_limits", "list"), "the limit")
    admin("user_limits", "delete", "--user", user, "--name", "max-channels")
    admin("delete", "permissions", "--user", user)
    clerk("queues", "purge", "--name", "mine", status=REFUSED)
    admin("vhost_limits", "declare", "--name", "max-queues", "--value", "1")
    expect_true("max-queues: 1" in admin("vhost_limits", "list"), "the limit")
    refused = admin("declare", "queue", "--name", "another", "--type", "classic", status=REFUSED)
    expect_true("queue limit in vhost" in refused, refused)
    admin("vhost_limits", "delete", "--name", "max-queues")
    refused = Admin(user=user, password="wrong")("list", "queues", status=REFUSED)
    expect_true("Login failed" in refused, refused)


@test
def policies_are_declared_patched_and_overridden():
    admin = shop()
    words = ("--pattern", "^orders", "--priority", "3", "--apply-to", "queues")
    admin("declare", "policy", "--name", "lengths", "--definition", '{"max-length":5}', *words)
    admin("policies", "patch", "--name", "lengths", "--definition", '{"message-ttl":1000}')
    expect(policy(admin, "lengths")["definition"], {"max-length": 5, "message-ttl": 1000}, "the policy")
    admin("policies", "update_definition", "--name", "lengths", "--definition-key", "max-length", "--new-value", "9")
    admin("policies", "delete_definition_keys", "--name", "lengths", "--definition-keys", "message-ttl")
    expect(policy(admin, "lengths")["definition"], {"max-length": 9}, "the policy")
    admin("policies", "declare_override", "--name", "lengths", "--override-name", "for-now",
          "--definition", '{"overflow":"reject-publish"}')  # fmt: skip
    override = policy(admin, "for-now")
    expect(override["definition"], {"max-length": 9, "overflow": "reject-publish"}, "the override")
    expect_true(override["priority"] > 3, "its priority")
    admin("policies", "declare_blanket", "--name", "all", "--apply-to", "queues", "--definition", '{"max-length":1}')
    matching = admin.names("policies", "list_matching_object", "--name", "orders.eu", "--type", "queues")
    expect(matching, ["all", "for-now", "lengths"], "those that match")
    for name in matching:
        admin("policies", "delete", "--name", name)
    expect(admin.rows("policies", "list_in"), [], "what is left")
    refused = admin("declare", "policy", "--name", "wrong", "--definition", '{"max-length":-5}', *words, status=REFUSED)
    expect_true("Validation failed" in refused, refused)


def policy(admin, name):
    return management.get("policies/%s/%s" % (admin.vhost, name))


@test
def operator_policies_and_parameters_are_set():
    admin = shop()
    admin("declare", "operator_policy", "--name", "ages", "--definition", '{"message-ttl":1000}', "--pattern", ".*",
          "--priority", "0", "--apply-to", "queues")  # fmt: skip
    expect_true("message-ttl" in admin("operator_policies", "list"), "the operator policy")
    admin("delete", "operator_policy", "--name", "ages")
    name = unique("parameter")
    admin("global_parameters", "set", "--name", name, "--value", '{"a":1}')
    expect_true(name in admin.names("global_parameters", "list"), "the parameter")
    admin("global_parameters", "clear", "--name", name)
    refused = admin("parameters", "set", "--component", "nonsense", "--name", "x", "--value", "{}", status=REFUSED)
    expect_true("component nonsense not found" in refused, refused)


@test
def definitions_go_round():
    admin = shop()
    admin("declare", "exchange", "--name", "orders", "--type", "topic", "--durable", "true")
    admin("declare", "queue", "--name", "eu", "--type", "quorum")
    admin("declare", "binding", "--source", "orders", "--destination-type", "queue", "--destination", "eu",
          "--routing-key", "eu.#")  # fmt: skip
    everything = os.path.join(FOLDER.name, "everything.json")
    admin("definitions", "export", "--file", everything)
    own = os.path.join(FOLDER.name, "own.json")
    admin("definitions", "export_from_vhost", "--file", own)
    copy = shop()
    copy("definitions", "import_into_vhost", "--file", own)
    expect(copy.names("queues", "list"), ["eu"], "the queues of the copy")
    admin("queues", "delete", "--name", "eu")
    with open(everything) as file:
        exported = file.read()
    expect_true(admin.vhost in [vhost["name"] for vhost in json.loads(exported)["vhosts"]], "the virtual host in it")
    admin("definitions", "import", "--stdin", text=exported)
    expect(admin.names("queues", "list"), ["eu"], "the queues again")
    bound = [row[4] for row in admin.rows("bindings", "list") if row[:2] == [admin.vhost, "orders"]]
    expect(bound, ["eu.#"], "the binding again")


@test
def exported_definitions_are_transformed():
    admin = shop()
    management.put("policies/%s/mirrored" % admin.vhost, {"pattern": "", "definition": {"ha-mode": "all"}})
    changes = "strip_cmq_keys_from_policies,drop_empty_policies,exclude_users,exclude_permissions"
    exported = json.loads(admin("definitions", "export", "--stdout", "--transformations", changes))
    expect(exported["users"], [], "the users")
    expect([policy for policy in exported["policies"] if policy["vhost"] == admin.vhost], [], "the policies")


@test
def the_overview_is_shown():
    said = Admin()("show", "overview")
    for line in ["Product name", "RabbitMQ version", "Queues and streams (total)", "Publishing (ingress) rate"]:
        expect_true(line in said, line)
    Admin()("show", "churn")
    for kind in ["connections", "channels", "consumers", "parameters", "feature_flags", "user_limits"]:
        Admin()("list", kind)
    table = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True).stdout
    expect_true("2.35.0" in table, "the version that is tried")


@test
def nodes_and_their_memory_are_shown():
    admin = Admin()
    node = management.get("nodes")[0]["name"]
    expect_true("rabbitmq_management" in newer_fields(admin, "plugins", "list_all"), "the plug-ins")
    expect_true(admin("nodes", "list").startswith(node), "the node")
    expect_true("Total (RSS)" in admin("show", "memory_breakdown_in_bytes", "--node", node), "the memory")
    expect_true("100%" in admin("show", "memory_breakdown_in_percent", "--node", node), "the memory's shares")


@test
def health_is_checked():
    admin = Admin()
    admin("health_check", "local_alarms")
    admin("health_check", "cluster_wide_alarms")
    admin("health_check", "node_is_quorum_critical")
    admin("health_check", "port_listener", "--port", str(BROKER.port))
    admin("health_check", "protocol_listener", "--protocol", "amqp")
    unavailable = 69
    admin("health_check", "port_listener", "--port", "1", status=unavailable)
    admin("health_check", "protocol_listener", "--protocol", "mqtt", status=unavailable)
    BROKER.ctl("set_vm_memory_high_watermark", "0.0001")
    defer(BROKER.ctl, "set_vm_memory_high_watermark", "0.6")
    management.wait_for_alarm(True)
    admin("health_check", "local_alarms", status=unavailable)
    BROKER.ctl("set_vm_memory_high_watermark", "0.6")
    management.wait_for_alarm(False)
    admin("health_check", "local_alarms")


@test
def connections_are_listed_and_closed():
    admin = Admin()
    with management.connected() as client:
        name = client.name()
        expect_true(name in admin("list", "connections"), "it is listed")
        expect_true(name in admin("list", "user_connections", "--username", BROKER.user), "it is its user's")
        admin("close", "connection", "--name", name)
        management.expect_end(client, "CONNECTION_FORCED - closed via rabbitmqadmin v2")
    poll(lambda: name not in admin("list", "connections"), "it is gone")
    admin("close", "connection", "--name", name, "--idempotently")


main()
