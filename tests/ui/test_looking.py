# SPDX-License-Identifier: Apache-2.0
"""The overview and its charts."""

import re

from playwright.sync_api import expect

from http_broker import expect as expect_equal
from mark import test

OVERVIEW = ("overview", "nodes")
RATES = "Message rates"


def chart_line(page, panel, number):
    line = page.get_by_role("region", name=panel).locator(".line-%d .stroke" % number)
    return line.get_attribute("d") if line.count() else ""


@test(*OVERVIEW, "queues")
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


@test(*OVERVIEW)
def chart_says_its_figures_in_words_and_in_a_table(visit, site):
    visit.enter()
    page = visit.page
    memory = page.get_by_role("img", name="Memory, ")
    expect(memory).to_have_attribute("aria-label", re.compile(r"Used: now [\d.]+ .iB, between"))
    region = page.locator("figure.chart").filter(has=memory)
    region.get_by_text("As a table").click()
    expect(region.get_by_role("columnheader", name="Used")).to_be_visible()
    expect(region.locator("tbody tr").last).to_contain_text("iB")
    button = region.get_by_role("button", name="Used")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(region).to_contain_text("All lines are hidden")


@test(*OVERVIEW)
def overview_tells_what_listens(visit, site):
    visit.enter()
    listeners = visit.page.get_by_role("table", name="Listeners")
    expect(listeners).to_contain_text("amqp")
    expect(listeners).to_contain_text("127.0.0.1")
    expect(visit.page.get_by_role("region", name="About")).to_contain_text("RabbitMQ")


@test(*OVERVIEW)
def server_that_is_gone_is_told(visit, site):
    visit.enter()
    expect(visit.page.get_by_role("heading", name="Overview")).to_be_visible()
    visit.page.route("**/api/**", lambda route: route.abort())
    visit.button("Refresh now").click()
    expect(visit.page.get_by_role("alert")).to_have_text("The server does not answer. What you see is older.")
    expect(visit.page.get_by_role("heading", name="Overview")).to_be_visible()
    visit.page.unroute("**/api/**")
    visit.button("Refresh now").click()
    expect(visit.page.get_by_role("alert")).to_have_count(0)


@test(*OVERVIEW)
def overview_is_accessible_in_both_themes(visit, site):
    visit.enter()
    for scheme in ("light", "dark"):
        visit.page.emulate_media(color_scheme=scheme)
        expect(visit.page.get_by_role("region", name=RATES)).to_be_visible()
        expect_equal(visit.violations(), [], "what axe finds, " + scheme)
