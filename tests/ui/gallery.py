# SPDX-License-Identifier: Apache-2.0
"""Pictures of every page and dialog of a busy broker, and of what else can be met, in both colours, on a desk's screen
and on a telephone's: for people to look at.

tests/ui/run --gallery DIR takes them.
"""

import os
import time

from playwright.sync_api import expect

import scene
from browser import Visit

SCREENS = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
HISTORY_S = 65
NO_MEMORY, MEMORY = ["set_vm_memory_high_watermark", "0.00001"], ["set_vm_memory_high_watermark", "0.6"]
NAMES = ["orders", "invoices", "shipments", "returns", "stock-levels", "price-changes", "newsletter", "search-index",
         "fraud-checks", "recommendations"]  # fmt: skip
REGIONS = ["eu-central-1", "eu-west-1", "us-east-1", "ap-southeast-2"]
STEPS = ["incoming", "validated", "enriched", "archived.retry-after-five-minutes"]


def crowd(site):
    """More of everything, so that lists are as long as people's are."""
    vhosts = ["billing", "warehouse", "integration-tests-of-the-payment-team"]
    queues = [
        {"vhost": "shop", "name": "%s.%s.%s" % (name, region, step), "durable": True, "auto_delete": False,
         "arguments": {"x-queue-type": "quorum"} if step == "validated" else {"x-message-ttl": 60000}}
        for name in NAMES for region in REGIONS for step in STEPS
    ]  # fmt: skip
    exchanges = [
        {"vhost": "shop", "name": name + ".events", "type": "topic", "durable": True, "auto_delete": False,
         "internal": False, "arguments": {"alternate-exchange": "unroutable"}}
        for name in NAMES
    ]  # fmt: skip
    bindings = [
        {"vhost": "shop", "source": queue["name"].split(".")[0] + ".events", "destination_type": "queue",
         "destination": queue["name"], "routing_key": queue["name"].split(".", 1)[1] + ".#", "arguments": {}}
        for queue in queues
    ]  # fmt: skip
    policies = [
        {"vhost": "shop", "name": "limits-of-" + name, "pattern": "^%s\\." % name, "apply-to": "queues",
         "priority": 1, "definition": {"max-length": 50000, "overflow": "reject-publish"}}
        for name in NAMES[:4]
    ]  # fmt: skip
    site.make("POST", "definitions", {"vhosts": [{"name": name} for name in vhosts], "queues": queues,
                                      "exchanges": exchanges, "bindings": bindings, "policies": policies})  # fmt: skip
    site.make("PUT", "permissions/billing/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    names = ["worker-%d of the invoices in %s" % (number, REGIONS[number % 4]) for number in range(30)]
    return [scene.connect(site, name) for name in names]


def take(browser, site, folder, only=""):
    os.makedirs(folder, exist_ok=True)
    scene.build(site)
    connections = crowd(site)
    clients = scene.Clients(site)
    try:
        # Charts of the last minute want one.
        time.sleep(HISTORY_S)
        for screen, size in SCREENS.items():
            for theme in ("light", "dark"):
                Gallery(browser, site, os.path.join(folder, "%s-%s" % (screen, theme)), size, theme, only).take()
    finally:
        clients.close()
        for connection in connections:
            connection.close()


class Gallery:
    """One screen and theme."""

    def __init__(self, browser, site, stem, size, theme, only):
        self.visit = Visit(browser, site, color_scheme=theme)
        self.page = self.visit.page
        self.page.set_viewport_size(size)
        self.site, self.stem, self.only = site, stem, only

    def take(self):
        self.page.goto(self.site.url)
        self.picture("login")
        self.visit.log_in(password="wrong")
        expect(self.page.get_by_role("alert")).not_to_be_empty()
        self.picture("login-refused")
        self.visit.enter()
        self.page.get_by_label("Virtual host").select_option("shop")
        for names in scene.pages(self.site):
            label = "-".join(name[:12].replace("/", "_") for name in names) or "overview"
            if self.only in label:
                self.open(names)
                self.picture(label, full_page=True)
        for names, opener, title in scene.DIALOGS:
            label = "dialog-" + title.replace(" ", "-")
            if self.only in label:
                self.open(names)
                self.visit.button(opener, self.page.locator("main")).first.click()
                self.picture(label)
                self.page.keyboard.press("Escape")
        for name in [name for name in dir(self) if name.startswith("show_") and self.only in name]:
            getattr(self, name)()
        self.visit.close()

    def open(self, names):
        self.visit.go(*names)
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()
        expect(self.page.locator(".loading")).to_have_count(0)

    def picture(self, label, **options):
        self.page.screenshot(path="%s-%s.png" % (self.stem, label), **options)

    def dialog(self, names, opener, title):
        self.open(names)
        self.visit.button(opener, self.page.locator("main")).first.click()
        return self.visit.dialog(title)

    def show_messages(self):
        form = self.dialog(["queues", "shop", "orders.dead"], "Get messages", "Get messages from orders.dead")
        form.get_by_label("How many").fill("3")
        self.visit.button("Get", form).click()
        expect(form.get_by_role("article")).to_have_count(3)
        self.picture("state-messages")

    def show_known_arguments(self):
        form = self.dialog(["queues"], "Declare a queue", "Declare a queue")
        form.get_by_text("Choose from what there is").click()
        self.visit.button("x-overflow", form).click()
        self.picture("state-known-arguments")

    def show_refusal(self):
        form = self.dialog(["queues"], "Declare a queue", "Declare a queue")
        form.get_by_label("Name", exact=False).first.fill("orders.dead")
        form.get_by_label("Durable").uncheck()
        self.visit.button("Declare", form).click()
        expect(form.get_by_role("alert")).not_to_be_empty()
        self.picture("state-refusal")

    def show_columns(self):
        for label in ("queues", "connections", "channels", "exchanges"):
            form = self.dialog([label], "Columns", "Columns of the " + label)
            self.picture("state-columns-" + label)
            boxes = form.get_by_role("checkbox").all()
            for box in boxes:
                box.check()
            self.visit.button("Show", form).click()
            expect(self.page.locator("thead th")).to_have_count(len(boxes) + 1)
            self.picture("state-all-columns-" + label)
        self.page.evaluate("localStorage.removeItem('leveret.columns')")

    def show_nothing(self):
        self.page.get_by_label("Virtual host").select_option("billing")
        for label in ("connections", "channels", "queues", "bindings", "policies"):
            self.open([label])
            self.picture("state-empty-" + label)
        self.page.goto(self.site.url + "#/queues?name=no.such.queue")
        expect(self.page.get_by_role("table", name="Queues")).to_contain_text("No queue")
        self.picture("state-nothing-found")
        self.page.get_by_label("Virtual host").select_option("shop")

    def show_alarm(self):
        self.site.broker.command(NO_MEMORY)
        self.open([])
        expect(self.page.get_by_role("alert")).to_be_visible()
        self.picture("state-alarm")
        self.open(["queues"])
        self.picture("state-alarm-elsewhere")
        self.site.broker.command(MEMORY)

    def show_no_server(self):
        self.open(["queues"])
        self.page.route("**/api/**", lambda route: route.abort())
        self.visit.button("Refresh now").click()
        expect(self.page.get_by_role("alert")).to_be_visible()
        self.picture("state-stale")
        self.visit.go("exchanges")
        expect(self.page.get_by_role("heading", level=1)).to_contain_text("cannot be shown")
        self.picture("state-no-server")
        self.page.unroute("**/api/**")

    def show_loading(self):
        self.open(["queues"])
        held = []
        self.page.route("**/api/exchanges/**", lambda route: held.append(route))
        self.visit.go("exchanges")
        expect(self.page.locator(".loading")).to_be_visible()
        self.picture("state-loading")
        for route in held:
            route.continue_()
        self.page.unroute("**/api/exchanges/**")
