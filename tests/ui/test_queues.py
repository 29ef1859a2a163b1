# SPDX-License-Identifier: Apache-2.0
"""Queues: from the declaration to the end of one."""

import re

from playwright.sync_api import expect

from browser import quoted
from http_broker import expect as expect_equal
from mark import test

HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;%2F/ ?#"


def form_for_a_queue(visit, name):
    """Of the page of queues, with the name in it."""
    visit.button("Declare a queue").click()
    form = visit.dialog("Declare a queue")
    form.get_by_label("Name", exact=False).first.fill(name)
    return form


def publish(site, queue, payload):
    message = {"properties": {}, "routing_key": queue, "payload": payload, "payload_encoding": "string"}
    site.make("POST", "exchanges/%2F/amq.default/publish", message)


@test()
def queue_is_declared_bound_published_to_read_purged_and_deleted(visit, site):
    visit.enter("queues")
    page = visit.page
    form = form_for_a_queue(visit, "orders")
    form.get_by_label("Arguments: name").fill("x-max-length")
    form.get_by_label("Arguments: value").fill("1000")
    form.get_by_label("Arguments: type of the value").select_option("number")
    visit.button("Declare", form).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("orders")
    expect(page.get_by_role("status")).to_contain_text("Queue orders is declared.")
    expect_equal(site.make("GET", "queues/%2F/orders")["arguments"], {"x-max-length": 1000}, "arguments")

    visit.button("Bind").click()
    form = visit.dialog("Bind")
    form.get_by_label("From exchange").fill("amq.topic")
    form.get_by_label("Routing key").fill("order.*")
    visit.button("Bind", form).click()
    bindings = page.get_by_role("table", name="Bindings")
    expect(bindings).to_contain_text("order.*")
    expect(page.locator(".graph")).to_contain_text("amq.topic")

    visit.button("Publish").click()
    form = visit.dialog("Publish to this queue")
    form.get_by_label("Payload", exact=True).fill('{"id": 12345678901234567890}')
    form.get_by_label("Headers: name").fill("region")
    form.get_by_label("Headers: value").fill("eu")
    visit.button("Publish", form).click()
    expect(form).to_have_count(0)

    visit.button("Get messages").click()
    form = visit.dialog("Get messages from orders")
    visit.button("Get", form).click()
    message = form.get_by_role("article", name="Message 1")
    expect(message).to_contain_text('{"id": 12345678901234567890}')
    expect(message).to_contain_text("region")
    page.keyboard.press("Escape")
    expect(form).to_have_count(0)

    visit.button("Purge").click()
    visit.button("Purge", visit.dialog("Purge this queue")).click()
    expect(page.get_by_role("status")).to_contain_text("Queue orders is empty.")

    visit.button("Unbind").click()
    visit.button("Unbind", visit.dialog("Unbind")).click()
    expect(bindings).not_to_contain_text("order.*")

    visit.button("Delete").click()
    visit.button("Delete", visit.dialog("Delete this queue")).click()
    expect(page).to_have_url(site.url + "#/queues")
    expect_equal(site.call("GET", "queues/%2F/orders")[0], 404, "the queue after its end")


@test()
def messages_move_to_another_queue(visit, site):
    for name in "orders.dead", "orders.again":
        site.make("PUT", "queues/%2F/" + name, {"durable": True})
    for number in range(5):
        publish(site, "orders.dead", "order %d" % number)
    visit.enter("queues")
    visit.go("queues", "/", "orders.dead")
    visit.button("Move messages").click()
    form = visit.dialog("Move the messages")
    form.get_by_label("To queue").fill("nowhere")
    visit.button("Move", form).click()
    expect(form.get_by_role("alert")).to_contain_text("no queue 'nowhere' in vhost '/'")
    form.get_by_label("To queue").fill("orders.again")
    form.get_by_label("How many at most").fill("2")
    visit.button("Move", form).click()
    expect(form).to_have_count(0)
    expect(visit.page.locator("#notices")).to_contain_text("2 messages of orders.dead are in orders.again now.")
    expect(visit.page.get_by_role("list", name="Messages and consumers")).to_contain_text("3Ready")
    visit.button("Move messages").click()
    form = visit.dialog("Move the messages")
    form.get_by_label("To queue").fill("orders.again")
    visit.button("Move", form).click()
    expect(visit.page.locator("#notices")).to_contain_text("3 messages of orders.dead are in orders.again now.")
    wish = {"count": 9, "ackmode": "ack_requeue_false", "encoding": "auto"}
    got = [row["payload"] for row in site.make("POST", "queues/%2F/orders.again/get", wish)]
    expect_equal(got, ["order %d" % number for number in range(5)], "what is there now")
    for name in "orders.dead", "orders.again":
        site.make("DELETE", "queues/%2F/" + name)


@test()
def ten_thousand_bindings_are_looked_at_by_pages(visit, site):
    bindings = [
        {"source": "amq.topic", "vhost": "/", "destination": "crowded", "destination_type": "queue",
         "routing_key": "key.%05d" % number, "arguments": {}}
        for number in range(10000)
    ]  # fmt: skip
    queue = {"name": "crowded", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}
    site.make("POST", "definitions", {"queues": [queue], "bindings": bindings})
    visit.enter("queues")
    visit.go("queues", "/", "crowded")
    page = visit.page
    pages = page.get_by_role("navigation", name="Pages of bindings")
    expect(pages).to_contain_text("1 to 100 of 10,001")
    table = page.get_by_role("table", name="Bindings")
    expect(table.get_by_role("row")).to_have_count(101)
    first = table.get_by_role("row").nth(1).text_content()
    pages.get_by_role("button", name="Last page").click()
    expect(pages).to_contain_text("10,001 to 10,001 of 10,001")
    expect(table.get_by_role("row")).to_have_count(2)
    pages.get_by_role("button", name="First page").click()
    expect(table.get_by_role("row").nth(1)).to_have_text(first)
    visit.go("exchanges", "/", "amq.topic")
    expect(page.get_by_role("navigation", name="Pages of bindings to others")).to_contain_text("1 to 100 of 10,000")
    site.make("DELETE", "queues/%2F/crowded")


@test()
def refusals_are_shown_in_the_servers_words(visit, site):
    site.make("PUT", "queues/%2F/taken", {"durable": True})
    publish(site, "taken", "m")
    visit.enter("queues")
    form = form_for_a_queue(visit, "taken")
    form.get_by_label("Durable").uncheck()
    visit.button("Declare", form).click()
    expect(form.get_by_role("alert")).to_contain_text("inequivalent arg 'durable' for queue 'taken' in vhost '/'")
    visit.button("Cancel", form).click()
    expect(form).to_have_count(0)

    visit.go("queues", "/", "taken")
    visit.button("Delete").click()
    form = visit.dialog("Delete this queue")
    form.get_by_label("Only if it is empty").check()
    visit.button("Delete", form).click()
    expect(form.get_by_role("alert")).to_contain_text("queue 'taken' in vhost '/' not empty")
    visit.button("Cancel", form).click()

    visit.button("Bind").click()
    form = visit.dialog("Bind")
    form.get_by_label("From exchange").fill("no.such")
    visit.button("Bind", form).click()
    expect(form.get_by_role("alert")).not_to_be_empty()
    visit.button("Cancel", form).click()
    site.make("DELETE", "queues/%2F/taken")


@test()
def user_without_permission_hears_why(visit, site):
    site.make("PUT", "users/reader", {"password": "secret", "tags": "management"})
    site.make("PUT", "permissions/%2F/reader", {"configure": "^$", "write": "^$", "read": ".*"})
    visit.enter("queues", user="reader", password="secret")
    expect(visit.page.get_by_role("link", name="Users", exact=True)).to_have_count(0)
    form = form_for_a_queue(visit, "mine")
    visit.button("Declare", form).click()
    expect(form.get_by_role("alert")).to_have_text(re.compile("access.* refused", re.I))


@test()
def hostile_names_are_shown_as_they_are(visit, site):
    site.make("PUT", "queues/%2F/" + quoted(HOSTILE), {"durable": True})
    publish(site, HOSTILE, "<script>alert(2)</script>")
    site.make("POST", "bindings/%2F/e/amq.topic/q/" + quoted(HOSTILE), {"routing_key": HOSTILE, "arguments": {}})
    visit.enter("queues")
    page = visit.page
    page.get_by_role("link", name=HOSTILE, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(HOSTILE)
    expect(page.get_by_role("table", name="Bindings")).to_contain_text(HOSTILE)
    visit.button("Get messages").click()
    form = page.get_by_role("dialog")
    visit.button("Get", form).click()
    expect(form.get_by_role("article")).to_contain_text("<script>alert(2)</script>")
    page.keyboard.press("Escape")
    expect_equal(page.locator("img[src='x'], main script").count(), 0, "elements made of names")
    site.make("DELETE", "queues/%2F/" + quoted(HOSTILE))


def fill_lines(form, field, values):
    for number, (name, value) in enumerate(values.items()):
        if number > 0:
            form.get_by_role("group", name=field).get_by_role("button", name="Add a line").click()
        form.get_by_label(field + ": name").nth(number).fill(name)
        form.get_by_label(field + ": value").nth(number).fill(value)


@test()
def arguments_are_called_what_every_object_has(visit, site):
    names = {name: "of " + name for name in ("__proto__", "constructor", "hasOwnProperty", "toString")}
    visit.enter("queues")
    page = visit.page
    form = form_for_a_queue(visit, "inherited")
    fill_lines(form, "Arguments", names)
    visit.button("Declare", form).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("inherited")
    expect_equal(site.make("GET", "queues/%2F/inherited")["arguments"], names, "arguments of the queue")
    visit.button("Bind").click()
    form = visit.dialog("Bind")
    form.get_by_label("From exchange").fill("amq.headers")
    fill_lines(form, "Arguments", names)
    visit.button("Bind", form).click()
    for place in page.get_by_role("region", name="Details"), page.get_by_role("table", name="Bindings"):
        for name, value in names.items():
            expect(place).to_contain_text(name + value)
    visit.button("Publish").click()
    form = visit.dialog("Publish to this queue")
    fill_lines(form, "Headers", names)
    visit.button("Publish", form).click()
    expect(form).to_have_count(0)
    visit.button("Get messages").click()
    form = page.get_by_role("dialog")
    visit.button("Get", form).click()
    for name, value in names.items():
        expect(form.get_by_role("article")).to_contain_text(name + value)
    page.keyboard.press("Escape")
    site.make("DELETE", "queues/%2F/inherited")


@test()
def arguments_are_chosen_from_what_there_is(visit, site):
    visit.enter("queues")
    page = visit.page
    form = form_for_a_queue(visit, "chosen")
    form.get_by_text("Choose from what there is").focus()
    page.keyboard.press("Enter")
    for name, value in (("x-max-length", "10"), ("x-overflow", "reject-publish")):
        visit.button(name, form).focus()
        page.keyboard.press("Enter")
        expect(form.get_by_label("Arguments: value").last).to_be_focused()
        page.keyboard.type(value)
    expect(form.get_by_text("So many messages wait at most.").first).to_be_visible()
    last = form.get_by_label("Arguments: value").last
    expect(last).to_have_accessible_description("What happens beyond these limits.")
    visit.button("Declare", form).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("chosen")
    arguments = {"x-max-length": 10, "x-overflow": "reject-publish"}
    expect_equal(site.make("GET", "queues/%2F/chosen")["arguments"], arguments, "arguments")
    visit.button("Bind").click()
    source = visit.dialog("Bind").get_by_label("From exchange")
    source.fill("amq.top")
    names = page.locator("dialog datalist option")
    expect(names.nth(0)).to_have_attribute("value", "amq.topic")
    page.keyboard.press("Escape")
    site.make("DELETE", "queues/%2F/chosen")


@test()
def argument_is_not_said_twice(visit, site):
    visit.enter("queues")
    form = form_for_a_queue(visit, "double")
    fill_lines(form, "Arguments", {"x-max-length": "1", "x-expires": "2"})
    form.get_by_label("Arguments: name").nth(1).fill("x-max-length")
    visit.button("Declare", form).click()
    expect(form.get_by_role("alert")).to_have_text("Arguments: x-max-length is there twice")
    expect_equal(site.call("GET", "queues/%2F/double")[0], 404, "the queue")


@test()
def queue_that_is_gone_says_so(visit, site):
    visit.enter("queues", "/", "no.such")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("no.such is not there")
    visit.page.get_by_role("link", name="Back to the list").click()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Queues")


@test()
def names_that_no_browser_can_address_are_refused(visit, site):
    visit.enter("queues")
    form = form_for_a_queue(visit, "..")
    visit.button("Declare", form).click()
    expect(form.get_by_role("alert")).to_contain_text('A browser cannot address the name ".."')


@test()
def long_lists_come_in_pages_sorted_and_filtered_by_the_server(visit, site):
    names = ["page.%03d" % number for number in range(130)]
    for name in names:
        site.make("PUT", "queues/%2F/" + name, {"durable": False})
    asked = []
    visit.page.on("request", lambda request: asked.append(request.url))
    visit.enter("queues")
    page = visit.page
    filter_field = page.get_by_role("searchbox")
    filter_field.fill("page.")
    expect(page).to_have_url(site.url + "#/queues?name=page.")
    pager = page.get_by_role("navigation", name="Pages of queues")
    expect(pager).to_contain_text("1 to 100 of 130")
    expect(filter_field).to_be_focused()
    visit.button("Next page").click()
    expect(pager).to_contain_text("101 to 130 of 130")
    expect(page.get_by_role("link", name="page.129")).to_be_visible()
    page.go_back()
    expect(pager).to_contain_text("1 to 100 of 130")
    # The second one comes before the rows of the first.
    visit.button("Name").evaluate("button => { button.click(); button.click(); }")
    expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "descending")
    expect(page.get_by_role("rowheader").first).to_have_text("page.129")
    lists = [url for url in asked if "/api/queues" in url]
    expect_equal([url for url in lists if "page_size=" not in url], [], "lists that were asked for whole")
    for name in names:
        site.make("DELETE", "queues/%2F/" + name)


@test()
def what_is_typed_is_meant_for_the_page_it_is_typed_on(visit, site):
    page = visit.page
    page.clock.install()
    visit.enter("queues")
    page.get_by_role("searchbox").fill("abc")
    page.get_by_role("link", name="Exchanges").click()
    expect(page.get_by_role("heading", name="Exchanges")).to_be_visible()
    page.clock.run_for(1000)
    expect(page.get_by_role("table", name="Exchanges")).to_contain_text("amq.topic")
    expect_equal(page.url.split("#")[1], "/exchanges", "the address")


@test()
def list_that_cannot_be_had_as_asked_for_is_shown_all_the_same(visit, site):
    page = visit.page
    visit.enter()
    page.goto(site.url + "#/exchanges?page=99")
    expect(page.get_by_role("table", name="Exchanges")).to_contain_text("amq.topic")
    expect(page.get_by_role("navigation", name="Pages of exchanges")).to_contain_text("Page 1 of 1")
    page.get_by_label("Regular expression").check()
    filter_field = page.get_by_role("searchbox")
    filter_field.press_sequentially("(top")
    expect(page.get_by_role("navigation", name="Pages of exchanges")).to_contain_text(
        "This is not a regular expression."
    )
    filter_field.press_sequentially(")ic")
    expect(page.get_by_role("table", name="Exchanges")).to_contain_text("amq.topic")
    expect(page.get_by_role("table", name="Exchanges")).not_to_contain_text("amq.direct")


@test()
def refusal_is_heard_also_by_who_has_left_the_form(visit, site):
    page = visit.page
    site.make("PUT", "queues/%2F/gone-before", {})
    visit.enter("queues", "/", "gone-before")
    held = []
    page.route("**/api/queues/%2F/gone-before", lambda route: held.append(route)
               if route.request.method == "DELETE" else route.continue_())
    visit.button("Delete").click()
    visit.button("Delete", visit.dialog("Delete this queue")).click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    held[0].fulfill(status=400, body='{"error":"bad_request","reason":"It is in use."}')
    expect(page.get_by_role("alert")).to_contain_text("It is in use.")
    site.make("DELETE", "queues/%2F/gone-before")


@test()
def dialog_keeps_the_focus_and_gives_it_back(visit, site):
    visit.enter("queues")
    page = visit.page
    visit.button("Declare a queue").focus()
    page.keyboard.press("Enter")
    form = visit.dialog("Declare a queue")
    expect(form).to_be_visible()
    for _ in range(30):
        page.keyboard.press("Tab")
        inside = page.evaluate("document.activeElement === document.body || "
                               "document.querySelector('dialog').contains(document.activeElement)")
        expect_equal(inside, True, "the focus is in the dialog")
    page.keyboard.press("Escape")
    expect(form).to_have_count(0)
    expect(visit.button("Declare a queue")).to_be_focused()
