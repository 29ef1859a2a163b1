# SPDX-License-Identifier: Apache-2.0
"""The suite of Puppet: its rabbitmq module makes, keeps and takes away what manifests say, through programs that
have the names of RabbitMQ's. A second run finds nothing to do where what the module reads is what it wrote."""

import atexit
import json
import os
import re
import shutil
import subprocess
import tempfile

import interop_suite
import management
from interop_suite import BROKER, Mismatch, defer, expect, expect_true, main, test, unique

HERE = os.path.dirname(os.path.abspath(__file__))
MODULE = os.environ.get("PUPPET_RABBITMQ", "/usr/share/puppet/modules/rabbitmq")
WORK = tempfile.mkdtemp(prefix="leveret-interop-puppet-")
atexit.register(shutil.rmtree, WORK)
NO_CHANGES, CHANGES = 0, 2
RABBITMQADMIN = "/usr/bin/rabbitmqadmin"
# Where versions of the module look for what a test cannot put there.
PATHS = re.compile(r"'/usr(?:/local)?/bin/rabbitmqadmin'|'/etc/rabbitmq/rabbitmqadmin.conf'")

# A run asks RabbitMQ's tools some thirty times, each of which takes a second or more: so one test is a whole story.
interop_suite.TEST_TIMEOUT_S = 800


def write_program(name):
    """A program of RabbitMQ's name that asks the broker of the suite."""
    path = os.path.join(WORK, "bin", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as out:
        out.write('#!/bin/sh\nexec %s "$@"\n' % BROKER.broker_ctl)
    os.chmod(path, 0o755)


def write_module():
    """The module, which looks for rabbitmqadmin and its settings in the suite's folder."""
    own = {"rabbitmqadmin": RABBITMQADMIN, "rabbitmqadmin.conf": os.path.join(WORK, "rabbitmqadmin.conf")}
    folder = os.path.join(WORK, "modules", "rabbitmq")
    shutil.copytree(os.path.realpath(MODULE), folder)
    for path, _, names in os.walk(os.path.join(folder, "lib")):
        for name in names:
            with open(os.path.join(path, name)) as file:
                text = file.read()
            with open(os.path.join(path, name), "w") as file:
                file.write(PATHS.sub(lambda found: "'%s'" % own[os.path.basename(found[0].strip("'"))], text))


def write_all():
    for name in ("rabbitmqctl", "rabbitmq-plugins"):
        write_program(name)
    write_module()
    with open(os.path.join(WORK, "rabbitmqadmin.conf"), "w") as out:
        out.write("[default]\nhostname = %s\nport = %d\n" % (BROKER.host, BROKER.management_port))


def puppet(*words, statuses=(0,), **facts):
    """Runs Puppet; its exit status and what it said."""
    environment = {"FACTER_" + name: value for name, value in facts.items()}
    environment = dict(os.environ, HOME=WORK, LC_ALL="C.UTF-8", **environment)
    environment["PATH"] = os.path.join(WORK, "bin") + ":" + os.environ["PATH"]
    folders = ["--confdir", os.path.join(WORK, "conf"), "--vardir", os.path.join(WORK, "var")]
    folders += ["--rundir", os.path.join(WORK, "run"), "--logdir", os.path.join(WORK, "log")]
    folders += ["--modulepath", os.path.join(WORK, "modules"), "--color", "false"]
    done = subprocess.run(["puppet", *words, *folders], env=environment, capture_output=True, text=True)
    if done.returncode not in statuses:
        said = [line for line in (done.stdout + done.stderr).splitlines() if re.match("Error: (?!Facter)", line)]
        raise Mismatch("puppet %s: %d %s" % (words[0], done.returncode, " ".join(said)))
    return done.returncode, done.stdout


class Shop:
    """A virtual host and a user with names of their own, as the manifests have them."""

    def __init__(self):
        self.vhost, self.user, self.password = unique("shop"), unique("clerk"), "s3 cr$et"
        defer(self.clean_up)

    def clean_up(self):
        management.call("DELETE", "vhosts/" + self.vhost)
        management.call("DELETE", "users/" + self.user)

    def apply(self, manifest, **changed):
        """Whether something was changed, and what was said."""
        facts = dict(shop=self.vhost, clerk=self.user, clerk_password=self.password, **changed)
        path = os.path.join(HERE, "manifests", manifest)
        status, said = puppet("apply", "--detailed-exitcodes", path, statuses=(NO_CHANGES, CHANGES), **facts)
        return status == CHANGES, said

    def expect_nothing_to_do(self, manifest):
        is_changed, said = self.apply(manifest)
        if is_changed:
            raise Mismatch("a second run changes something: " + said)

    def get(self, path):
        return management.get(path.replace("VHOST", self.vhost).replace("USER", self.user))


def expect_made(shop):
    queue = shop.get("queues/VHOST/orders.eu")
    arguments = {"x-message-ttl": 60000, "x-dead-letter-exchange": "amq.fanout"}
    expect(queue["arguments"], arguments, "the queue's arguments")
    expect(queue["durable"], True, "durable")
    exchange = shop.get("exchanges/VHOST/orders")
    expect(exchange["arguments"], {"alternate-exchange": "amq.fanout"}, "the exchange's arguments")
    bindings = {row["source"]: row for row in shop.get("queues/VHOST/orders.eu/bindings")}
    expect(bindings["orders"]["routing_key"], "eu.#", "the routing key")
    found = shop.get("bindings/VHOST/e/amq.topic/e/orders")
    expect([row["routing_key"] for row in found], ["orders.*"], "the binding of the exchange")


def expect_right(shop):
    BROKER.ctl("authenticate_user", shop.user, shop.password)
    expect(sorted(shop.get("users/USER")["tags"]), ["administrator", "monitoring", "sales"], "tags")
    expect(shop.get("permissions/VHOST/USER")["read"], "^(orders|amq\\.)", "what the user may read")
    policy = shop.get("policies/VHOST/lengths")
    expect((policy["pattern"], policy["definition"]["max-length"]), ("^orders\\.", 1000), "the policy")
    expect(shop.get("vhost-limits/VHOST")[0]["value"], {"max-queues": 50}, "the limits")


def change_by_hand(shop):
    BROKER.ctl("change_password", shop.user, "another")
    BROKER.ctl("set_user_tags", shop.user, "monitoring")
    BROKER.ctl("set_permissions", "-p", shop.vhost, shop.user, "", "", "")
    BROKER.ctl("set_policy", "-p", shop.vhost, "lengths", "^x", '{"max-length": 7}')
    BROKER.ctl("set_vhost_limits", "-p", shop.vhost, '{"max-queues": 1}')


@test
def all_is_made_kept_corrected_and_removed():
    shop = Shop()
    shop.apply("made.pp")
    expect_made(shop)
    expect_right(shop)
    shop.expect_nothing_to_do("made.pp")
    change_by_hand(shop)
    expect_true(shop.apply("made.pp")[0], "that something was changed")
    expect_right(shop)
    _, said = puppet("resource", "rabbitmq_user", shop.user)
    expect_true("'present'" in said and "'monitoring'" in said and "'sales'" in said, said)
    shop.apply("emptied.pp")
    expect([row["name"] for row in shop.get("queues/VHOST")], [], "queues")
    expect([row["name"] for row in shop.get("policies/VHOST")], [], "policies")
    expect([row for row in shop.get("exchanges/VHOST") if row["name"] == "orders"], [], "the exchange")
    shop.apply("removed.pp")
    expect(management.call("GET", "vhosts/" + shop.vhost)[0], 404, "the virtual host")
    expect(management.call("GET", "users/" + shop.user)[0], 404, "the user")


@test
def facts_are_found():
    BROKER.ctl("set_cluster_name", "front@office")
    facts = json.loads(puppet("facts", "show", "--render-as", "json")[1])
    expect_true(re.fullmatch(r"[\w.-]+@[\w.-]+", facts["rabbitmq_nodename"]), "the name of the node")
    expect_true(re.fullmatch(r"\d+\.\d+\.\d+", facts["rabbitmq_version"]), "the version")
    if "rabbitmq_clustername" in facts:
        expect(facts["rabbitmq_clustername"], "front@office", "the name of the cluster")


write_all()
main()
