# SPDX-License-Identifier: Apache-2.0
"""Very much of everything: lists stay pages, the page stays small, and refreshes leave nothing behind."""

import time

from playwright.sync_api import expect

from heap import Heap
from refreshing import enter_and_count, refresh
from http_broker import expect as expect_equal
from mark import test

import amqp_client  # from a folder that http_broker has made known

QUEUES, CONNECTIONS, REFRESHES = 50000, 10000, 200
AT_ONCE = 10000  # queues, in one body of definitions
SMALLER = 20  # times, where the tests are to be quick
ELEMENTS_MAX = 3500
BYTES_MAX = 300000
GROWTH_MAX = 16384


def size(site, full):
    return full if site.is_full else full // SMALLER


def fill(site):
    """Queues, each bound, and connections; what is to be closed in the end."""
    for first in range(0, size(site, QUEUES), AT_ONCE):
        declare(site, range(first, min(first + AT_ONCE, size(site, QUEUES))))
    port = site.amqp_port()
    return [amqp_client.Client(port) for _ in range(size(site, CONNECTIONS))]


def declare(site, numbers):
    names = ["many.%05d" % number for number in numbers]
    queues = [{"name": name, "vhost": "/", "durable": False, "auto_delete": False, "arguments": {}} for name in names]
    bindings = [
        {"source": "amq.topic", "vhost": "/", "destination": name, "destination_type": "queue",
         "routing_key": "key." + name, "arguments": {}}
        for name in names
    ]  # fmt: skip
    site.make("POST", "definitions", {"queues": queues, "bindings": bindings})


def empty(site, clients):
    for client in clients:
        client.socket.close()
    site.make("DELETE", "vhosts/%2F")
    site.make("PUT", "vhosts/%2F", {})
    site.make("PUT", "permissions/%2F/guest", {"configure": ".*", "write": ".*", "read": ".*"})


def name_of(names):
    return "/".join(names) or "overview"


LONG_TASKS = """() => {
  window.longTasks = [];
  new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => window.longTasks.push(duration)))
    .observe({ type: 'longtask' });
}"""


def look(visit, names, shown):
    """Goes there, and says how it was."""
    page = visit.page
    heap = Heap(visit)
    start = time.monotonic()
    visit.go(*names)
    expect(shown).to_be_visible()
    there_ms = 1000 * (time.monotonic() - start)
    before_ms = heap.work_ms()
    again = refresh(page)
    work_ms = heap.work_ms() - before_ms
    elements = page.evaluate("document.querySelectorAll('*').length")
    longest_ms = page.evaluate("Math.max(0, ...window.longTasks)")
    page.evaluate("window.longTasks = []")
    print("  %-22s there after %4d ms, a refresh is %6d bytes in %d calls, %3d ms of work, %4d elements,"
          " %4d KiB of objects, longest task %d ms"
          % (name_of(names), there_ms, again["bytes"], again["calls"], work_ms, elements,
             heap.object_bytes() // 1024, longest_ms))  # fmt: skip
    expect_equal(elements < ELEMENTS_MAX, True, "%d elements of %s" % (elements, names))
    expect_equal(again["bytes"] < BYTES_MAX, True, "%d bytes for %s" % (again["bytes"], names))


def rows(page, table):
    return page.get_by_role("table", name=table, exact=True).get_by_role("row")


def look_at_all(visit, site):
    page = visit.page
    last = "many.%05d" % (size(site, QUEUES) - 1)
    look(visit, ["queues"], page.get_by_role("link", name="many.00000"))
    expect(rows(page, "Queues")).to_have_count(101)
    look(visit, ["connections"], rows(page, "Connections").nth(100))
    look(visit, ["channels"], rows(page, "Channels").nth(100))
    look(visit, ["exchanges"], page.get_by_role("link", name="amq.topic"))
    look(visit, ["bindings"], rows(page, "Bindings").nth(100))
    left = size(site, QUEUES) - 59  # the drawing has an exchange and what fits beside it
    said = "{:,} bindings are not drawn".format(left)
    expect(page.get_by_role("region", name="Drawing", exact=True)).to_contain_text(said)
    look(visit, ["exchanges", "/", "amq.topic"], rows(page, "Bindings to others").nth(100))
    look(visit, ["streams"], page.get_by_role("heading", name="Streams", exact=True))
    look(visit, ["queues", "/", last], page.get_by_role("table", name="Bindings", exact=True))
    look(visit, [], page.get_by_role("region", name="About"))


def work_with_the_list(visit, site):
    page = visit.page
    count = size(site, QUEUES)
    visit.go("queues")
    pager = page.get_by_role("navigation", name="Pages of queues")
    expect(pager).to_contain_text("1 to 100 of {:,}".format(count))
    visit.button("Last page").click()
    expect(page.get_by_role("link", name="many.%05d" % (count - 1))).to_be_visible()
    visit.button("First page").click()
    visit.button("Name").click()
    visit.button("Name").click()
    expect(page.get_by_role("link", name="many.%05d" % (count - 1))).to_be_visible()
    page.get_by_role("searchbox").fill("many.0007")
    expect(pager).to_contain_text("1 to 10 of 10 (of {:,} in all)".format(count))
    page.get_by_label("Regular expression").check()
    page.get_by_role("searchbox").fill("^many\\.000[12]5$")
    expect(pager).to_contain_text("1 to 2 of 2 (of {:,} in all)".format(count))


@test()
def lists_of_very_many_are_small(visit, site):
    clients = fill(site)
    try:
        enter_and_count(visit)
        visit.page.evaluate(LONG_TASKS)
        look_at_all(visit, site)
        work_with_the_list(visit, site)
    finally:
        empty(site, clients)


@test()
def refreshes_leave_nothing_behind(visit, site):
    page = visit.page
    names = ["some.%03d" % number for number in range(100)]
    for name in names:
        site.make("PUT", "queues/%2F/" + name, {"durable": False})
    enter_and_count(visit)
    heap = Heap(visit)
    for address in ([], ["queues"], ["queues", "/", names[0]]):
        visit.go(*address)
        expect(page.locator(".loading")).to_have_count(0)
        refresh(page, 20)
        before, nodes = heap.object_bytes(), heap.nodes()
        refresh(page, size(site, REFRESHES))
        grown = heap.object_bytes() - before
        print("  %-22s %d bytes and %d nodes more after %d refreshes"
              % (name_of(address), grown, heap.nodes() - nodes, size(site, REFRESHES)))  # fmt: skip
        expect_equal(grown < GROWTH_MAX, True, "%d bytes more" % grown)
    for name in names:
        site.make("DELETE", "queues/%2F/" + name)
