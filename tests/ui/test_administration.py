# SPDX-License-Identifier: Apache-2.0
"""Users, virtual hosts, policies, limits and definitions."""

import json

import pika
from playwright.sync_api import expect

from http_broker import expect as expect_equal
from mark import test


@test()
def user_is_added_given_permissions_and_deleted(visit, site):
    visit.enter("users")
    page = visit.page
    visit.button("Add a user").click()
    form = visit.dialog("Add a user")
    form.get_by_label("Name").fill("carol")
    form.get_by_label("Password").fill("secret")
    form.get_by_label("monitoring").check()
    form.get_by_label("The same once more").fill("secreT")
    visit.button("Add", form).click()
    expect(form.get_by_role("alert")).to_have_text("The password is not the same both times.")
    form.get_by_label("The same once more").fill("secret")
    visit.button("Add", form).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("carol")
    expect_equal(site.call("GET", "whoami", user="carol:secret")[0], 200, "carol's login")

    visit.button("Give permissions").click()
    form = visit.dialog("Give permissions")
    form.get_by_label("Virtual host").select_option("/")
    form.get_by_label("Configure").fill("^carol\\.")
    visit.button("Give", form).click()
    expect(page.get_by_role("table", name="Permissions", exact=True)).to_contain_text("^carol\\.")
    expect_equal(site.make("GET", "permissions/%2F/carol")["configure"], "^carol\\.", "what carol may configure")

    visit.button("Change password or tags").click()
    form = visit.dialog("Change carol")
    form.get_by_label("policymaker").check()
    visit.button("Change", form).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("policymaker")
    expect_equal(site.call("GET", "whoami", user="carol:secret")[0], 200, "the password is as it was")

    visit.button("Change password or tags").click()
    form = visit.dialog("Change carol")
    form.get_by_label("Without a password").check()
    visit.button("Change", form).click()
    expect(page.get_by_role("region", name="Details")).to_contain_text("no, other ways")
    expect_equal(site.call("GET", "whoami", user="carol:secret")[0], 401, "carol's login without a password")

    visit.button("Delete").click()
    visit.button("Delete", visit.dialog("Delete this user")).click()
    expect(page).to_have_url(site.url + "#/users")
    expect_equal(site.call("GET", "users/carol")[0], 404, "carol after the end")


@test()
def own_password_is_changed_and_the_session_goes_on(visit, site):
    site.make("PUT", "users/selfmade", {"password": "one", "tags": "administrator"})
    visit.enter("users", "selfmade", user="selfmade", password="one")
    page = visit.page
    visit.button("Change password or tags").click()
    form = visit.dialog("Change selfmade")
    form.get_by_label("Password", exact=True).fill("two")
    form.get_by_label("The same once more").fill("two")
    visit.button("Change", form).click()
    expect(page.get_by_text("User selfmade is changed.")).to_be_visible()
    visit.button("Refresh now").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("selfmade")
    expect_equal(site.call("GET", "whoami", user="selfmade:two")[0], 200, "the new password")
    site.make("DELETE", "users/selfmade")


@test()
def topic_permissions_are_changed_and_taken_away_one_by_one(visit, site):
    site.make("PUT", "users/routed", {"password": "secret", "tags": ""})
    site.make("PUT", "permissions/%2F/routed", {"configure": "", "write": ".*", "read": ".*"})
    for exchange in ("amq.topic", "amq.direct"):
        site.make("PUT", "topic-permissions/%2F/routed", {"exchange": exchange, "write": "^a", "read": "^b"})
    visit.enter("users", "routed")
    table = visit.page.get_by_role("table", name="Topic permissions")
    row = table.get_by_role("row").filter(has_text="amq.topic")
    visit.button("Change", row).click()
    form = visit.dialog("Change the topic permissions")
    form.get_by_label("Write").fill("^changed")
    visit.button("Change", form).click()
    expect(row).to_contain_text("^changed")
    visit.button("Take away", row).click()
    visit.button("Take away", visit.dialog("Take the topic permissions away")).click()
    expect(row).to_have_count(0)
    # RabbitMQ takes them all away, and says so before.
    left = [] if site.kind == "rabbitmq" else ["amq.direct"]
    found = site.call("GET", "users/routed/topic-permissions")[1]
    expect_equal([permission["exchange"] for permission in found], left, "what is left")
    site.make("DELETE", "users/routed")


@test()
def virtual_hosts_show_what_their_clients_send(visit, site):
    client = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", site.amqp_port()))
    site.wait_for("vhosts/%2F", lambda vhost: vhost.get("recv_oct", 0) > 0)
    visit.enter("vhosts")
    page = visit.page
    visit.button("Columns").click()
    form = visit.dialog("Columns of the virtual hosts")
    form.get_by_label("From clients").check()
    visit.button("Show", form).click()
    row = page.get_by_role("table", name="Virtual hosts").get_by_role("row").filter(has_text="Default virtual host")
    expect(row).to_contain_text("B/s")
    visit.go("vhosts", "/")
    expect(page.get_by_role("region", name="Data")).to_contain_text("To client")
    client.close()


@test()
def virtual_host_is_added_and_deleted_by_its_name(visit, site):
    visit.enter("vhosts")
    page = visit.page
    visit.button("Add a virtual host").click()
    form = visit.dialog("Add a virtual host")
    form.get_by_label("Name").fill("team a/b")
    form.get_by_label("Description").fill("of the team")
    visit.button("Add", form).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("team a/b")
    expect(page.get_by_role("region", name="Details")).to_contain_text("of the team")
    visit.button("Delete").click()
    form = visit.dialog("Delete this virtual host")
    form.get_by_label("Its name").fill("another")
    visit.button("Delete", form).click()
    expect(form.get_by_role("alert")).to_have_text("This is another name.")
    form.get_by_label("Its name").fill("team a/b")
    visit.button("Delete", form).click()
    expect(page).to_have_url(site.url + "#/vhosts")
    expect_equal(site.call("GET", "vhosts/team%20a%2Fb")[0], 404, "the virtual host after its end")


@test()
def who_may_change_nothing_may_look(visit, site):
    site.make("PUT", "users/looker", {"password": "secret", "tags": "management"})
    site.make("PUT", "permissions/%2F/looker", {"configure": ".*", "write": ".*", "read": ".*"})
    site.make("PUT", "policies/%2F/seen", {"pattern": "^seen", "definition": {"max-length": 5}})
    site.make("PUT", "vhost-limits/%2F/max-queues", {"value": 54321})
    visit.enter("vhosts", user="looker", password="secret")
    page = visit.page
    page.get_by_role("link", name="/", exact=True).click()
    expect(page.get_by_role("table", name="Limits of virtual hosts")).to_contain_text("54,321")
    ways = page.get_by_role("navigation", name="Pages")
    ways.get_by_role("link", name="Policies").click()
    expect(page.get_by_role("table", name="Policies", exact=True)).to_contain_text("max-length5")
    ways.get_by_role("link", name="Limits").click()
    expect(page.get_by_role("table", name="Limits of virtual hosts")).to_contain_text("54,321")
    expect(page.locator("main").get_by_role("button")).to_have_count(0)
    visit.go("vhosts", "not there")
    expect(page.get_by_role("alert")).to_contain_text("or you may not use it")
    for what in ("vhost-limits/%2F/max-queues", "policies/%2F/seen", "users/looker"):
        site.make("DELETE", what)


@test()
def virtual_host_is_protected_from_its_end(visit, site):
    if site.kind == "rabbitmq":
        return  # 4.1 is the first that does it
    site.make("PUT", "vhosts/kept", {})
    visit.enter("vhosts", "kept")
    page = visit.page
    visit.button("Protect").click()
    visit.button("Protect", visit.dialog("Protect this virtual host")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("protected")
    visit.button("Delete").click()
    form = visit.dialog("Delete this virtual host")
    form.get_by_label("Its name").fill("kept")
    visit.button("Delete", form).click()
    expect(form.get_by_role("alert")).to_contain_text("it is protected from deletion")
    visit.button("Cancel", form).click()
    visit.button("Allow deletion").click()
    visit.button("Allow it", visit.dialog("Allow the deletion")).click()
    expect(visit.button("Protect")).to_be_visible()
    site.make("DELETE", "vhosts/kept")


@test()
def policy_is_added_changed_refused_and_deleted(visit, site):
    visit.enter("policies")
    page = visit.page
    visit.button("Add a policy").click()
    form = visit.dialog("Add a policy")
    form.get_by_label("Name", exact=False).first.fill("caps")
    form.get_by_label("Pattern").fill("^mail")
    form.get_by_label("Definition: name").fill("max-length")
    form.get_by_label("Definition: value").fill("many")
    visit.button("Add", form).click()
    expect(form.get_by_role("alert")).to_contain_text("many")
    form.get_by_label("Definition: value").fill("500")
    form.get_by_label("Definition: type of the value").select_option("number")
    visit.button("Add", form).click()
    table = page.get_by_role("table", name="Policies", exact=True)
    expect(table).to_contain_text("max-length500")
    table.get_by_role("link", name="caps").click()
    expect(page).to_have_url(site.url + "#/policies/%2F/caps")
    expect(page.get_by_role("heading", level=1)).to_have_text("caps")
    visit.button("Change", table).click()
    form = visit.dialog("Change caps")
    form.get_by_label("Priority").fill("7")
    visit.button("Change", form).click()
    expect(table.get_by_role("row").filter(has_text="caps")).to_contain_text("7")
    found = site.make("GET", "policies/%2F/caps")
    expect_equal((found["priority"], found["definition"]), (7, {"max-length": 500}), "the policy")
    visit.button("Delete", table).click()
    visit.button("Delete", visit.dialog("Delete this policy")).click()
    expect(table).not_to_contain_text("caps")


@test()
def limits_are_set_and_taken_away(visit, site):
    visit.enter("limits")
    visit.button("Limit a virtual host").click()
    form = visit.dialog("Set a limit of a virtual host")
    form.get_by_label("Virtual host").select_option("/")
    form.get_by_label("Limit").select_option("max-queues")
    form.get_by_label("At most").fill("12345")
    visit.button("Set", form).click()
    table = visit.page.get_by_role("table", name="Limits of virtual hosts")
    expect(table).to_contain_text("12,345")
    visit.button("Change", table).click()
    form = visit.dialog("Change max-queues of /")
    expect(form.get_by_label("At most")).to_have_value("12345")
    form.get_by_label("At most").fill("12346")
    visit.button("Change", form).click()
    expect(table).to_contain_text("12,346")
    visit.button("Take away", table).click()
    visit.button("Take away", visit.dialog("Take this limit away")).click()
    expect(table).not_to_contain_text("12,346")


def exported(visit):
    visit.button("Export definitions").click()
    with visit.page.expect_download() as download:
        visit.button("Export", visit.dialog("Export definitions")).click()
    return download.value.path()


@test()
def definitions_go_out_and_come_in(visit, site):
    site.make("PUT", "queues/%2F/kept", {"durable": True})
    visit.enter("definitions")
    path = exported(visit)
    with open(path, encoding="utf-8") as file:
        names = [queue["name"] for queue in json.load(file)["queues"]]
    expect_equal("kept" in names, True, "the queue is in the file")
    site.make("DELETE", "queues/%2F/kept")
    visit.button("Import definitions").click()
    form = visit.dialog("Import definitions")
    form.get_by_label("File").set_input_files(
        {"name": "broken.json", "mimeType": "application/json", "buffer": b"{"}
    )
    visit.button("Import", form).click()
    expect(form.get_by_role("alert")).to_have_text("broken.json is not JSON.")
    form.get_by_label("File").set_input_files(path)
    visit.button("Import", form).click()
    expect(form).to_have_count(0)
    site.wait_for("queues/%2F/kept", lambda queue: queue["durable"])
    site.make("DELETE", "queues/%2F/kept")


@test()
def definitions_keep_their_numbers(visit, site):
    numbers = {"long": 9007199254740993, "real": 1.0}
    site.make("PUT", "exchanges/%2F/of-numbers", {"type": "headers"})
    site.make("PUT", "queues/%2F/of-numbers", {})
    site.make("POST", "bindings/%2F/e/of-numbers/q/of-numbers", {"routing_key": "", "arguments": numbers})
    visit.enter("definitions")
    path = exported(visit)
    site.make("DELETE", "exchanges/%2F/of-numbers")
    visit.button("Import definitions").click()
    form = visit.dialog("Import definitions")
    form.get_by_label("File").set_input_files(path)
    visit.button("Import", form).click()
    expect(form).to_have_count(0)
    bindings = site.wait_for("exchanges/%2F/of-numbers/bindings/source", lambda found: len(found) == 1)
    expect_equal(repr(bindings[0]["arguments"]), repr(numbers), "the arguments of the binding")
    site.make("DELETE", "exchanges/%2F/of-numbers")
    site.make("DELETE", "queues/%2F/of-numbers")


@test()
def cluster_gets_another_name(visit, site):
    former = site.make("GET", "cluster-name")["name"]
    site.make("PUT", "users/namer", {"password": "secret", "tags": "administrator"})
    visit.enter("feature-flags", user="namer", password="secret")
    page = visit.page
    expect(page.get_by_role("table", name="Feature flags")).to_contain_text("quorum_queueenabled")
    visit.button("Change the name").click()
    form = visit.dialog("Change the name of the cluster")
    form.get_by_label("Name").fill("hutch@field")
    site.make("PUT", "users/namer", {"password": "secret", "tags": "management"})
    visit.button("Change", form).click()
    expect(form.get_by_role("alert")).to_contain_text("Not administrator user")
    site.make("PUT", "users/namer", {"password": "secret", "tags": "administrator"})
    visit.button("Change", form).click()
    expect(page.locator("header .cluster")).to_have_text("hutch@field")
    site.make("PUT", "cluster-name", {"name": former})
    site.make("DELETE", "users/namer")


@test()
def feature_flag_that_is_disabled_can_be_enabled(visit, site):
    page = visit.page
    asked = []
    flag = {"name": "new_one", "state": "disabled", "stability": "stable", "provided_by": "rabbit",
            "desc": "of the test"}  # fmt: skip
    page.route("**/api/feature-flags", lambda route: route.fulfill(json=[flag]))
    page.route("**/api/feature-flags/new_one/enable", lambda route: (asked.append(route.request.method),
                                                                     route.fulfill(status=204)))
    visit.enter("cluster-name")
    visit.button("Enable").click()
    visit.button("Enable", visit.dialog("Enable this feature flag")).click()
    expect(page.get_by_text("new_one is enabled.")).to_be_visible()
    expect_equal(asked, ["PUT"], "what is asked for")


@test()
def limit_is_set_where_it_holds(visit, site):
    visit.enter("vhosts", "/")
    visit.button("Set a limit").click()
    form = visit.dialog("Set a limit of a virtual host")
    form.get_by_label("Limit").select_option("max-queues")
    form.get_by_label("At most").fill("1234")
    visit.button("Set", form).click()
    limits = visit.page.get_by_role("table", name="Limits of virtual hosts")
    expect(limits).to_contain_text("max-queues1,234")
    visit.button("Take away", limits).click()
    visit.button("Take away", visit.dialog("Take this limit away")).click()
    expect(limits).to_contain_text("There are none")
