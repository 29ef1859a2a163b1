# SPDX-License-Identifier: Apache-2.0
"""Every form that the server may refuse: its reason stands in the form, and what was typed is still there. First
because something is wrong in it, then, with that mended, because the user has lost the rights in the meantime. And
every other thing that can be done, by who has lost the rights to do it."""

import json
import re
from typing import NamedTuple

from playwright.sync_api import expect

from http_broker import expect as expect_equal
from mark import test

BROKEN = {"queues": [{"name": "q", "vhost": "/", "durable": True, "auto_delete": False,
                      "arguments": {"x-max-length": "many"}}]}  # fmt: skip
NO_ADMINISTRATOR = "Not administrator user"
NO_POLICYMAKER = "User not authorised to access object"
REFUSED = re.compile("access.* refused", re.I)


class Form(NamedTuple):
    what: str
    page: list
    opens: str  # the button
    title: str  # of the dialog
    typed: dict  # by labels; a list is chosen from, what is True is checked, what is bytes is a file
    reason: object  # what the server says of it
    mended: dict  # what is typed instead
    rights: object  # what it says when they are gone
    submits: str = "Add"


def line(field, name, value, kind="Text"):
    """Of a field that is a table."""
    return {field + ": name": name, field + ": value": value, field + ": type of the value": kind}


FORMS = [
    Form("user", ["users"], "Add a user", "Add a user",
         {"Name": "..", "Password": "s3cret", "The same once more": "s3cret", "monitoring": True, "Other tags": "a,b"},
         'A browser cannot address the name ".."', {"Name": "new"}, NO_ADMINISTRATOR),
    Form("vhost", ["vhosts"], "Add a virtual host", "Add a virtual host",
         {"Name": ".", "Description": "of the test", "Tags": "a,b", "Tracing": True},
         'A browser cannot address the name "."', {"Name": "new"}, NO_ADMINISTRATOR),
    Form("permission", ["users", "loser"], "Give permissions", "Give permissions",
         {"Configure": "(", "Write": "^w", "Read": "^r"}, re.compile("missing (closing parenthesis|\\))"),
         {"Configure": "^c"}, NO_ADMINISTRATOR, "Give"),
    Form("topic_permission", ["vhosts", "/"], "Give topic permissions", "Give topic permissions",
         {"Exchange": "amq.topic", "Write": "(", "Read": "^r"}, re.compile("missing (closing parenthesis|\\))"),
         {"Write": "^w"}, NO_ADMINISTRATOR, "Give"),
    Form("policy", ["policies"], "Add a policy", "Add a policy",
         {"Name": "new", "Pattern": "^a", "Priority": "7", "Apply to": "queues",
          **line("Definition", "max-length", "<many>")}, '<<"<many>">> is not a valid maximum length',
         line("Definition", "max-length", "5", "Number"), NO_POLICYMAKER),
    Form("operator_policy", ["policies"], "Add an operator policy", "Add an operator policy",
         {"Name": "new", "Pattern": "(", "Priority": "7", **line("Definition", "max-length", "5", "Number")},
         "pattern should be regular expression but is invalid", {"Pattern": "^a"}, NO_ADMINISTRATOR),
    Form("limit_of_a_vhost", ["limits"], "Limit a virtual host", "Set a limit of a virtual host",
         {"Limit": "max-queues", "At most": "1e30"}, "max-queues should be a number", {"At most": "5"},
         NO_ADMINISTRATOR, "Set"),
    Form("limit_of_a_user", ["limits"], "Limit a user", "Set a limit of a user",
         {"User": "loser", "Limit": "max-channels", "At most": "1e30"}, "max-channels should be a number",
         {"At most": "5"}, NO_ADMINISTRATOR, "Set"),
    Form("definitions", ["definitions"], "Import definitions", "Import definitions",
         {"File": json.dumps(BROKEN).encode(), "Into": "/"}, "x-max-length", {"File": b"{}"}, NO_ADMINISTRATOR,
         "Import"),
    Form("exchange", ["exchanges"], "Declare an exchange", "Declare an exchange",
         {"Name": "amq.mine", "Type": "topic", "Internal": True, **line("Arguments", "a", "1", "Number")},
         REFUSED, {"Name": "mine"}, REFUSED, "Declare"),
    Form("queue", ["queues"], "Declare a queue", "Declare a queue",
         {"Name": "mine", "Delete with its last consumer": True, **line("Arguments", "x-message-ttl", "<soon>")},
         "invalid arg 'x-message-ttl' for queue 'mine'", line("Arguments", "x-message-ttl", "5", "Number"),
         REFUSED, "Declare"),
    Form("binding", ["queues", "/", "theirs"], "Bind", "Bind",
         {"From exchange": "nowhere", "Routing key": "a.b", **line("Arguments", "toString", "1", "Number")},
         "no exchange 'nowhere' in vhost '/'", {"From exchange": "amq.topic"}, REFUSED, "Bind"),
    Form("publish", ["queues", "/", "theirs"], "Publish", "Publish to this queue",
         {"Payload": "not of base64!", "The payload is": "base64", **line("Headers", "__proto__", "1", "Number"),
          **line("Properties", "type", "order")}, "not_base64", {"Payload": "YQ=="}, REFUSED, "Publish"),
    Form("move", ["queues", "/", "theirs"], "Move messages", "Move the messages",
         {"To queue": "nowhere", "How many at most": "5"}, "no queue 'nowhere' in vhost '/'", {"To queue": "others"},
         REFUSED, "Move"),
]  # fmt: skip


class Action(NamedTuple):
    page: list
    opens: str
    title: str
    submits: str
    reason: object
    typed: dict = {}


THEIRS = ["queues", "/", "theirs"]
ACTIONS = [
    Action(THEIRS, "Get messages", "Get messages from theirs", "Get", REFUSED),
    Action(THEIRS, "Purge", "Purge this queue", "Purge", REFUSED),
    Action(THEIRS, "Unbind", "Unbind", "Unbind", REFUSED),
    Action(THEIRS, "Delete", "Delete this queue", "Delete", REFUSED),
    Action(["exchanges", "/", "hub"], "Delete", "Delete this exchange", "Delete", REFUSED),
    Action(["users", "other"], "Take away", "Take the permissions away", "Take away", NO_ADMINISTRATOR),
    Action(["users", "other"], "Change password or tags", "Change other", "Change", NO_ADMINISTRATOR),
    Action(["users", "other"], "Delete", "Delete this user", "Delete", NO_ADMINISTRATOR),
    Action(["vhosts", "aside"], "Change", "Change aside", "Change", NO_ADMINISTRATOR),
    Action(["vhosts", "aside"], "Delete", "Delete this virtual host", "Delete", NO_ADMINISTRATOR,
           {"Its name, once more": "aside"}),
    Action(["policies"], "Delete", "Delete this policy", "Delete", NO_POLICYMAKER),
    Action(["limits"], "Take away", "Take this limit away", "Take away", NO_ADMINISTRATOR),
    Action(["definitions"], "Export definitions", "Export definitions", "Export", NO_ADMINISTRATOR),
    Action(["cluster-name"], "Change the name", "Change the name of the cluster", "Change", NO_ADMINISTRATOR),
]  # fmt: skip


def field(form, label):
    return form.get_by_label(re.compile("^%s( required)?$" % re.escape(label)))


def type_in(form, values):
    for label, value in values.items():
        control = field(form, label)
        if value is True:
            control.check()
        elif isinstance(value, bytes):
            control.set_input_files({"name": "definitions.json", "mimeType": "application/json", "buffer": value})
        elif control.evaluate("control => control.localName") == "select":
            control.select_option(label=value) if label.endswith("type of the value") else control.select_option(value)
        else:
            control.fill(value)


def expect_kept(form, values):
    for label, value in values.items():
        control = field(form, label)
        if value is True:
            expect(control).to_be_checked()
        elif isinstance(value, bytes):
            expect_equal(control.evaluate("control => control.files[0].size"), len(value), "the file")
        elif control.evaluate("control => control.localName") == "select":
            expect(control.locator("option:checked")).to_have_count(1)
            chosen = control.evaluate("control => [control.value, control.selectedOptions[0].label]")
            expect_equal(value in chosen, True, "%s in %s of %s" % (value, chosen, label))
        else:
            expect(control).to_have_value(value)


def set_rights(site, tags, pattern):
    site.make("PUT", "users/loser", {"password": "secret", "tags": tags})
    site.make("PUT", "permissions/%2F/loser", {"configure": pattern, "write": pattern, "read": pattern})


def submit(visit, form, row, typed, reason):
    visit.button(row.submits, form).click()
    alert = form.get_by_role("alert")
    expect(alert).to_contain_text(reason)
    expect(alert).to_be_in_viewport()
    expect_kept(form, typed)


def try_it(row, visit, site):
    if row.what == "move" and site.kind == "rabbitmq":
        return  # its shovel says later what is wrong
    set_rights(site, "administrator", ".*")
    for queue in "theirs", "others":
        site.make("PUT", "queues/%2F/" + queue, {"durable": True})
    message = {"properties": {}, "routing_key": "theirs", "payload": "m", "payload_encoding": "string"}
    site.make("POST", "exchanges/%2F/amq.default/publish", message)
    visit.enter(*row.page, user="loser", password="secret")
    visit.page.locator(".heading").get_by_role("button", name=row.opens, exact=True).or_(
        visit.page.locator(".panel").get_by_role("button", name=row.opens, exact=True)
    ).click()
    form = visit.dialog(row.title)
    type_in(form, row.typed)
    submit(visit, form, row, row.typed, row.reason)
    type_in(form, row.mended)
    set_rights(site, "management", "^$")
    submit(visit, form, row, {**row.typed, **row.mended}, row.rights)
    visit.button("Cancel", form).click()
    expect(form).to_have_count(0)
    for queue in "theirs", "others":
        site.make("DELETE", "queues/%2F/" + queue)


def make_what_is_acted_on(site):
    site.make("PUT", "queues/%2F/theirs", {"durable": True})
    site.make("PUT", "exchanges/%2F/hub", {"type": "topic"})
    site.make("POST", "bindings/%2F/e/hub/q/theirs", {"routing_key": "a", "arguments": {}})
    site.make("PUT", "users/other", {"password": "secret", "tags": ""})
    site.make("PUT", "permissions/%2F/other", {"configure": "", "write": "", "read": ""})
    site.make("PUT", "vhosts/aside", {})
    site.make("PUT", "policies/%2F/theirs", {"pattern": "^none$", "definition": {"max-length": 5}})
    site.make("PUT", "vhost-limits/%2F/max-queues", {"value": 500})


def take_away(site):
    for what in ("queues/%2F/theirs", "exchanges/%2F/hub", "users/other", "vhosts/aside", "policies/%2F/theirs",
                 "vhost-limits/%2F/max-queues"):  # fmt: skip
        site.make("DELETE", what)


@test()
def what_is_not_allowed_says_why(visit, site):
    make_what_is_acted_on(site)
    set_rights(site, "administrator", ".*")
    visit.enter(user="loser", password="secret")
    for row in ACTIONS:
        visit.go(*row.page)
        visit.button(row.opens, visit.page.locator("main")).first.click()
        form = visit.dialog(row.title)
        type_in(form, row.typed)
        set_rights(site, "management", "^$")
        visit.button(row.submits, form).click()
        expect(form.get_by_role("alert")).to_contain_text(row.reason)
        visit.page.keyboard.press("Escape")
        expect(form).to_have_count(0)
        set_rights(site, "administrator", ".*")
    take_away(site)


def made_of(row):
    @test()
    def refused(visit, site):
        try_it(row, visit, site)

    refused.__name__ = "refused_%s_says_why_and_loses_nothing" % row.what
    return refused


def tests():
    return [what_is_not_allowed_says_why, *(made_of(row) for row in FORMS)]
