# SPDX-License-Identifier: Apache-2.0
"""The suite of Terraform: a real one plans, makes, changes, imports and destroys what the provider knows."""

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import urllib.parse

import management
from interop_suite import BROKER, Mismatch, defer, expect, expect_true, main, test, unique

PROGRAMS = os.environ["TERRAFORM_FOLDER"]
CONFIGURATIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "configurations")
WORK = tempfile.mkdtemp(prefix="leveret-interop-terraform-")
atexit.register(shutil.rmtree, WORK)

NO_CHANGES, CHANGES = 0, 2


def write_settings():
    """The provider that is built here stands for the one that would be downloaded."""
    path = os.path.join(WORK, "terraformrc")
    with open(path, "w") as out:
        out.write('provider_installation {\n  dev_overrides {\n    "cyrilgdn/rabbitmq" = "%s"\n  }\n}\n' % PROGRAMS)
    return path


SETTINGS = write_settings()


class Project:
    """A folder with a configuration and the state that Terraform keeps of it."""

    def __init__(self, configuration, **variables):
        self.folder = tempfile.mkdtemp(dir=WORK)
        shutil.copytree(os.path.join(CONFIGURATIONS, configuration), self.folder, dirs_exist_ok=True)
        self.variables = variables
        self.login = BROKER.password

    def run(self, *words, statuses=(0,), variables=()):
        values = dict(self.variables, **dict(variables))
        environment = dict(
            os.environ,
            CHECKPOINT_DISABLE="1",
            TF_CLI_CONFIG_FILE=SETTINGS,
            TF_IN_AUTOMATION="1",
            RABBITMQ_ENDPOINT=management.URL,
            RABBITMQ_USERNAME=BROKER.user,
            RABBITMQ_PASSWORD=self.login,
        )
        for name, value in values.items():
            environment["TF_VAR_" + name] = value if isinstance(value, str) else json.dumps(value)
        program = os.path.join(PROGRAMS, "terraform")
        done = subprocess.run(
            [program, *words], cwd=self.folder, env=environment, capture_output=True, text=True
        )
        said = done.stdout + done.stderr
        if done.returncode not in statuses:
            raise Mismatch("terraform %s: %d %s" % (" ".join(words), done.returncode, said))
        return done.returncode, said

    def apply(self, **variables):
        return self.run("apply", "-auto-approve", "-input=false", "-no-color", variables=variables)[1]

    def plan(self, **variables):
        """Whether there is something to do."""
        words = ("plan", "-detailed-exitcode", "-input=false", "-no-color")
        return self.run(*words, statuses=(NO_CHANGES, CHANGES), variables=variables)

    def expect_no_changes(self, **variables):
        status, said = self.plan(**variables)
        if status != NO_CHANGES:
            raise Mismatch("a second plan has changes: " + said)

    def destroy(self):
        return self.run("destroy", "-auto-approve", "-input=false", "-no-color")[1]

    def outputs(self):
        return json.loads(self.run("output", "-json")[1])

    def expect_refusal(self, text, **variables):
        words = ("apply", "-auto-approve", "-input=false", "-no-color")
        said = self.run(*words, statuses=(1,), variables=variables)[1]
        expect_true(text in " ".join(said.replace("│", " ").split()), "%r in %s" % (text, said[-600:]))


def shop():
    """The configuration `all`, applied under names of its own."""
    project = Project("all", vhost=unique("shop"), user=unique("clerk"))
    defer(project.destroy)
    project.apply()
    return project


def path(project, kind, *names):
    quoted = [urllib.parse.quote(name, safe="") for name in (project.variables["vhost"], *names)]
    return "/".join([kind, *quoted])


@test
def everything_is_made_and_stays_as_it_is():
    project = shop()
    project.expect_no_changes()
    queue = management.get(path(project, "queues", "orders.eu"))
    arguments = {"x-message-ttl": 60000, "x-dead-letter-exchange": "unrouted", "x-max-priority": 5}
    expect(queue["arguments"], arguments, "the queue's arguments")
    expect(queue["durable"], True, "durable")
    exchange = management.get(path(project, "exchanges", "orders"))
    expect(exchange["arguments"], {"alternate-exchange": "unrouted"}, "the exchange's arguments")
    found = management.get(path(project, "bindings", "e", "orders", "q", "orders.kept"))
    expect([binding["arguments"] for binding in found], [{"x-match": "all", "weight": 3}], "the binding's arguments")
    policy = management.get(path(project, "policies", "lengths"))
    expect(policy["definition"], {"max-length": 1000, "overflow": "reject-publish"}, "the policy")


@test
def data_sources_are_read():
    outputs = shop().outputs()
    expect(outputs["tags"]["value"], ["management"], "the user's tags")
    expect(outputs["type"]["value"], "topic", "the exchange's type")
    expect(outputs["key"]["value"], "eu.%23", "the binding's key")


@test
def what_changes_is_changed_in_its_place():
    project = shop()
    changed = dict(max_length=5, readable="^new", tags=["monitoring", "policymaker"], password="other")
    status, said = project.plan(**changed)
    expect(status, CHANGES, "whether there is something to do")
    expect_true("0 to add, 4 to change, 0 to destroy" in said, said)
    project.apply(**changed)
    project.expect_no_changes(**changed)
    expect(management.get(path(project, "policies", "lengths"))["definition"]["max-length"], 5, "the policy")
    user = project.variables["user"]
    expect(management.get("users/" + user)["tags"], ["monitoring", "policymaker"], "the tags")
    expect(management.get(path(project, "permissions", user))["read"], "^new", "the permission")


@test
def what_cannot_be_changed_is_made_anew():
    project = shop()
    said = project.apply(queue_durable=False)
    expect_true("1 added, 0 changed, 1 destroyed" in said, said)
    expect(management.get(path(project, "queues", "orders.eu"))["durable"], False, "durable")
    # Its binding went with the queue that was there.
    said = project.apply(queue_durable=False)
    expect_true("1 added, 0 changed, 0 destroyed" in said, said)
    project.expect_no_changes(queue_durable=False)


@test
def what_others_took_away_is_made_again():
    project = shop()
    management.delete(path(project, "queues", "orders.eu"))
    management.delete(path(project, "policies", "lengths"))
    management.delete(path(project, "permissions", project.variables["user"]))
    status, said = project.plan()
    expect_true("4 to add, 0 to change, 0 to destroy" in said, said)  # the queue's binding went with it
    project.apply()
    project.expect_no_changes()


@test
def what_others_changed_is_put_back():
    project = shop()
    user = project.variables["user"]
    management.put("users/" + user, {"password": "secret", "tags": "administrator"})
    management.put(path(project, "permissions", user), {"configure": ".*", "write": ".*", "read": ".*"})
    said = project.apply()
    expect_true("0 added, 2 changed, 0 destroyed" in said, said)
    expect(management.get("users/" + user)["tags"], ["management"], "the tags")


@test
def what_there_is_is_imported():
    first = shop()
    vhost, user = first.variables["vhost"], first.variables["user"]
    found = management.get(path(first, "bindings", "e", "orders", "q", "orders.kept"))
    project = Project("all", **first.variables)
    for address, identifier in [
        ("vhost.shop", vhost),
        ("user.clerk", user),
        ("permissions.clerk", "%s@%s" % (user, vhost)),
        ("topic_permissions.clerk", "%s@%s" % (user, vhost)),
        ("exchange.orders", "orders@" + vhost),
        ("exchange.unrouted", "unrouted@" + vhost),
        ("exchange.by_header", "by header/1@" + vhost),
        ("queue.orders", "orders.eu@" + vhost),
        ("queue.quorum", "orders.kept@" + vhost),
        ("queue.plain", "100% plain@" + vhost),
        ("binding.orders", vhost + "/orders/orders.eu/queue/eu.%23"),
        ("binding.without_key", vhost + "/unrouted/orders.kept/queue/~"),
        ("binding.with_arguments", vhost + "/orders/orders.kept/queue/" + found[0]["properties_key"]),
        ("binding.between_exchanges", vhost + "/orders/unrouted/exchange/lost.%2A"),
        ("policy.lengths", "lengths@" + vhost),
        ("operator_policy.ages", "ages@" + vhost),
    ]:
        project.run("import", "-input=false", "-no-color", "rabbitmq_" + address, identifier)
    _, said = project.plan()
    # Passwords are not told, and in what form a binding's arguments were written is not known.
    expect_true("1 to add, 1 to change, 1 to destroy" in said, said)
    expect_true("rabbitmq_binding.with_arguments must be replaced" in said, said)


@test
def everything_is_destroyed():
    project = shop()
    project.destroy()
    expect_true(not management.exists(path(project, "vhosts")), "the virtual host is gone")
    expect_true(not management.exists("users/" + project.variables["user"]), "the user is gone")


@test
def what_is_refused_is_told():
    project = Project("refused")
    project.expect_refusal("-1 is not a valid maximum length", what="policy")
    project.expect_refusal("API responded with a 401 Unauthorized", what="queue")
    project.expect_refusal("exchange type 'nonsense'", what="exchange")
    project.expect_refusal("404", what="binding")
    project.expect_refusal("400", what="permissions")
    project.login = "wrong"
    project.expect_refusal("401", what="queue")


main()
