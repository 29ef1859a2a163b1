# SPDX-License-Identifier: Apache-2.0
"""The overview and its charts, connections and channels, exchanges and drawings."""

import os
import re
import signal

import pika
import pika.exceptions
from playwright.sync_api import expect

from browser import quoted
from http_broker import expect as expect_equal
from mark import test

RATES = "Message rates"


def chart_line(page, panel, number):
    line = page.get_by_role("region", name=panel).locator(".line-%d .stroke" % number)
    return line.get_attribute("d") if line.count() else ""


@test()
def chart_moves_with_the_messages(visit, site):
    site.make("PUT", "queues/%2F/moving", {"durable": True})
    visit.enter()
    page = visit.page
    page.get_by_role("combobox", name="Refresh").select_option("2")
    page.get_by_label("Charts show the").select_option("60")
    legend = page.get_by_role("list", name="Lines of Messages in all queues")
    expect(legend.get_by_role("button", name="Ready")).to_be_visible()
    before = chart_line(page, "Queued messages", 1)
    for _ in range(25):
        message = {"properties": {}, "routing_key": "moving", "payload": "m", "payload_encoding": "string"}
        site.make("POST", "exchanges/%2F/amq.default/publish", message)
    expect(legend.get_by_role("button", name="Ready 25")).to_be_visible()
    expect(page.get_by_role("list", name="How many there are")).to_contain_text("1queue")
    line = page.get_by_role("region", name="Queued messages").locator(".line-1 .stroke")
    expect(line).not_to_have_attribute("d", before)
    site.make("DELETE", "queues/%2F/moving")


@test()
def chart_says_its_figures_in_words_and_in_a_table(visit, site):
    visit.enter()
    page = visit.page
    memory = page.get_by_role("img", name="Memory, ")
    expect(memory).to_have_attribute("aria-label", re.compile(r"Used: now [\d.]+ .iB, between"))
    region = page.get_by_role("region", name="Node").locator("figure.chart").first
    region.get_by_text("As a table").click()
    expect(region.get_by_role("columnheader", name="Used")).to_be_visible()
    expect(region.locator("tbody tr").last).to_contain_text("iB")
    button = region.get_by_role("button", name="Used")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(region).to_contain_text("All lines are hidden")


@test()
def overview_tells_what_listens(visit, site):
    visit.enter()
    listeners = visit.page.get_by_role("table", name="Listeners")
    expect(listeners).to_contain_text("amqp")
    expect(listeners).to_contain_text("127.0.0.1")
    expect(visit.page.get_by_role("region", name="About")).to_contain_text("RabbitMQ")


@test()
def statistics_begin_anew(visit, site):
    asked = []
    visit.page.on("request", lambda request: request.method == "DELETE" and asked.append(request.url))
    node = site.make("GET", "nodes")[0]["name"]
    for names, title in (([], "Reset all statistics"), (["nodes", node], "Reset the statistics of " + node)):
        visit.enter(*names)
        visit.button("Reset statistics").click()
        visit.button("Reset", visit.dialog(title)).click()
        expect(visit.page.get_by_text("The statistics begin anew.")).to_be_visible()
        visit.button("Log out").click()
    expect_equal([url.split("/api/")[1] for url in asked], ["reset", "reset/" + quoted(node)], "what is reset")
    site.make("PUT", "users/looker", {"password": "secret", "tags": "monitoring"})
    visit.enter(user="looker", password="secret")
    expect(visit.page.get_by_role("region", name="About")).to_be_visible()
    expect(visit.button("Reset statistics")).to_have_count(0)
    site.make("DELETE", "users/looker")


@test()
def server_that_is_gone_is_told(visit, site):
    visit.enter()
    expect(visit.page.get_by_role("region", name="About")).to_be_visible()
    visit.page.route("**/api/**", lambda route: route.abort())
    visit.button("Refresh now").click()
    expect(visit.page.get_by_role("alert")).to_have_text("The server does not answer. What you see is older.")
    expect(visit.page.get_by_role("heading", name="Overview")).to_be_visible()
    visit.page.unroute("**/api/**")
    visit.button("Refresh now").click()
    expect(visit.page.get_by_role("alert")).to_have_count(0)


@test()
def server_that_was_stopped_is_there_again_by_itself(visit, site):
    site.make("PUT", "queues/%2F/kept", {"durable": True})
    visit.enter("queues")
    page = visit.page
    page.get_by_role("combobox", name="Refresh").select_option("2")
    expect(page.get_by_role("link", name="kept")).to_be_visible()
    site.broker.end()
    expect(page.get_by_role("alert")).to_have_text("The server does not answer. What you see is older.")
    site.broker.begin()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("link", name="kept")).to_be_visible()
    site.make("DELETE", "queues/%2F/kept")


@test()
def alarm_is_told_on_every_page(visit, site):
    visit.enter("exchanges")
    page = visit.page
    expect(page.get_by_role("table", name="Exchanges")).to_be_visible()
    expect(page.get_by_role("link", name="Memory alarm")).to_have_count(0)
    site.broker.command(["set_vm_memory_high_watermark", "0.00001"])
    visit.button("Refresh now").click()
    page.get_by_role("link", name="Memory alarm").click()
    expect(page.get_by_role("alert")).to_contain_text("the memory is used up")
    site.broker.command(["set_vm_memory_high_watermark", "0.6"])
    visit.button("Refresh now").click()
    expect(page.get_by_role("link", name="Memory alarm")).to_have_count(0)


@test()
def columns_are_chosen_and_nothing_else_is_asked_for(visit, site):
    asked = []
    visit.page.on("request", lambda request: asked.append(request.url))
    visit.enter("queues")
    page = visit.page
    head = page.get_by_role("table", name="Queues").get_by_role("columnheader")
    expect(head.get_by_text("State")).to_be_visible()
    visit.button("Columns").click()
    form = visit.dialog("Columns of the queues")
    form.get_by_label("State").uncheck()
    form.get_by_label("Memory", exact=True).check()
    asked.clear()
    visit.button("Show", form).click()
    expect(head.get_by_text("State")).to_have_count(0)
    visit.button("Memory").click()
    expect(page.get_by_role("columnheader", name="Memory")).to_have_attribute("aria-sort", "descending")
    columns = [url.split("columns=")[1].split("%2C") for url in asked if "/api/queues" in url][-1]
    expect_equal(("memory" in columns, "state" in columns), (True, False), "memory and state in what is asked for")
    page.reload()
    expect(page.get_by_role("columnheader", name="Memory")).to_have_attribute("aria-sort", "descending")
    expect(head.get_by_text("State")).to_have_count(0)


@test()
def memory_of_a_node_is_shown_by_its_use(visit, site):
    visit.enter()
    page = visit.page
    page.get_by_role("link", name="Its memory by use").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Node " + site.make("GET", "nodes")[0]["name"])
    uses = page.get_by_role("table", name="Memory by use")
    expect(uses.get_by_role("row").nth(2)).to_contain_text("%")
    expect(uses.get_by_role("meter").first).to_be_visible()
    expect(page.get_by_role("region", name="About")).to_contain_text("PLAIN")


@test()
def server_that_hangs_is_told(visit, site):
    visit.page.clock.install()
    visit.enter()
    expect(visit.page.get_by_role("region", name="About")).to_be_visible()
    pid = int(site.broker.value("BROKER_PID"))
    os.kill(pid, signal.SIGSTOP)
    try:
        visit.button("Refresh now").click()
        visit.page.clock.run_for(11000)
        expect(visit.page.get_by_role("alert")).to_have_text(
            "The server has not answered for a while. What you see is older."
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    expect(visit.page.get_by_role("alert")).to_have_count(0)


@test()
def connection_is_found_and_closed_with_a_reason(visit, site):
    site.make("PUT", "queues/%2F/consumed", {"durable": True})
    parameters = pika.ConnectionParameters(
        "127.0.0.1", site.amqp_port(), client_properties={"connection_name": "the-one-to-close"}
    )
    client = pika.BlockingConnection(parameters)
    channel = client.channel()
    channel.basic_consume("consumed", lambda *delivery: None, consumer_tag="a-consumer")
    site.wait_for("connections", lambda found: len(found) == 1 and found[0].get("user_provided_name"))
    site.wait_for("channels", lambda found: len(found) == 1 and found[0].get("consumer_count") == 1)
    visit.enter("connections")
    page = visit.page
    row = page.get_by_role("row").filter(has_text="the-one-to-close")
    row.get_by_role("link").click()
    expect(page.get_by_role("region", name="Details")).to_contain_text("the-one-to-close")
    page.get_by_role("table", name="Channels").get_by_role("link").click()
    expect(page.get_by_role("table", name="Consumers")).to_contain_text("a-consumer")
    page.get_by_role("region", name="Details").get_by_role("link").click()
    visit.button("Close").click()
    form = visit.dialog("Close this connection")
    form.get_by_label("Reason").fill("for the test")
    visit.button("Close it", form).click()
    expect(page).to_have_url(site.url + "#/connections")
    try:
        while True:
            client.process_data_events(1)
    except pika.exceptions.ConnectionClosed as closed:
        expect_equal("for the test" in closed.reply_text, True, closed.reply_text)
    site.make("DELETE", "queues/%2F/consumed")


@test()
def exchange_is_declared_bound_drawn_and_deleted(visit, site):
    site.make("PUT", "queues/%2F/drawn", {"durable": True})
    visit.enter("exchanges")
    page = visit.page
    visit.button("Declare an exchange").click()
    form = visit.dialog("Declare an exchange")
    form.get_by_label("Name", exact=False).first.fill("hub")
    form.get_by_label("Type", exact=True).select_option("topic")
    visit.button("Declare", form).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("hub")
    visit.button("Publish").click()
    form = visit.dialog("Publish a message")
    form.get_by_label("Payload", exact=True).fill("lost")
    visit.button("Publish", form).click()
    expect(form.get_by_role("alert")).to_contain_text("was not routed")
    visit.button("Cancel", form).click()
    visit.button("Bind").click()
    form = visit.dialog("Bind")
    form.get_by_label("Name of it").fill("drawn")
    form.get_by_label("Routing key").fill("a.#")
    visit.button("Bind", form).click()
    drawing = page.locator(".graph")
    expect(drawing).to_contain_text("a.#")
    visit.go("bindings")
    expect(drawing).to_contain_text("hub")
    drawing.get_by_text("drawn", exact=True).click()
    expect(page).to_have_url(site.url + "#/queues/%2F/drawn")
    visit.go("exchanges", "/", "hub")
    expect(page.get_by_role("heading", level=1)).to_contain_text("hub")
    visit.button("Delete").click()
    visit.button("Delete", visit.dialog("Delete this exchange")).click()
    expect(page).to_have_url(site.url + "#/exchanges")
    site.make("DELETE", "queues/%2F/drawn")


@test()
def small_screens_need_no_sideways_scrolling(visit, site):
    name = "n" * 255
    site.make("PUT", "queues/%2F/" + name, {"durable": True})
    visit.page.set_viewport_size({"width": 360, "height": 740})
    visit.enter("queues")
    for names in (["queues"], ["queues", "/", name], ["exchanges"], ["bindings"], ["vhosts"]):
        visit.go(*names)
        expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
        expect(visit.page.locator(".loading")).to_have_count(0)
        wide = visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        expect_equal(wide <= 0, True, "%s is %d pixels too wide" % (names[0], wide))
    site.make("DELETE", "queues/%2F/" + name)
