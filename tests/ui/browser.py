# SPDX-License-Identifier: Apache-2.0
"""What the tests of the web interface share: a broker with the interface in front, calls to prepare it, and the
steps that a user takes."""

import base64
import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import axe_playwright_python
from playwright.sync_api import expect

import http_broker
from front import Front

CHROMIUM = "/usr/bin/chromium"
AXE = os.path.join(os.path.dirname(axe_playwright_python.__file__), "axe.min.js")
PATIENCE_MS = 15000
SETTINGS_OF_RABBITMQ = ["collect_statistics_interval=1000"]


def quoted(name):
    return urllib.parse.quote(name, safe="")


class Site:
    """A broker and the address of its web interface; that of RabbitMQ is src/ui as well, by a front."""

    def __init__(self, kind, build, is_full=False):
        settings = SETTINGS_OF_RABBITMQ if kind == "rabbitmq" else ()
        plugins = "rabbitmq_management,rabbitmq_shovel,rabbitmq_shovel_management"
        self.kind = kind
        self.is_full = is_full
        self.broker = http_broker.Broker(kind, build, settings, plugins)
        self.api_url = "http://127.0.0.1:%d" % self.broker.port
        self.front = None
        self.url = self.api_url + "/"
        if kind == "rabbitmq":
            self.front = Front(0, self.api_url)
            threading.Thread(target=self.front.serve_forever, daemon=True).start()
            self.url = "http://127.0.0.1:%d/" % self.front.server_address[1]

    def stop(self):
        if self.front:
            self.front.shutdown()
        self.broker.stop()

    def amqp_port(self):
        return int(self.broker.value("AMQP_PORT"))

    def call(self, method, path, body=None, user="guest:guest"):
        """The status and the answer, None where it has none."""
        login = "Basic " + base64.b64encode(user.encode()).decode()
        headers = {"Authorization": login, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.api_url + "/api/" + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                text = reply.read()
                return reply.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, None

    def make(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        if status >= 300:
            raise http_broker.Failure("%s %s: %d" % (method, path, status))
        return answer

    def wait_for(self, path, is_so):
        """The first answer of which that is so."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while True:
            status, answer = self.call("GET", path)
            if status == 200 and is_so(answer):
                return answer
            if time.monotonic() > deadline:
                raise http_broker.Failure("GET %s stays %r" % (path, answer))
            time.sleep(0.1)


class Visit:
    """One visitor: a browser context, its page, and all that went wrong in it."""

    def __init__(self, browser, site, **options):
        self.site = site
        self.context = browser.new_context(
            viewport={"width": 1280, "height": 900}, reduced_motion="reduce", **options
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.errors = []
        self.dialogs = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self.hear)
        self.page.on("dialog", self.meet)
        self.hosts = set()
        self.page.on("request", lambda request: self.hosts.add(urllib.parse.urlsplit(request.url).netloc))

    def hear(self, message):
        # The browser itself reports every answer of 400 and above.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def meet(self, dialog):
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def close(self):
        self.context.close()

    def log_in(self, user="guest", password="guest"):
        self.page.goto(self.site.url)
        self.page.get_by_label("User").fill(user)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def enter(self, *names, **login):
        """Logs in and goes to a page."""
        self.log_in(**login)
        expect(self.page.get_by_role("navigation", name="Pages")).to_be_visible()
        if names:
            self.go(*names)

    def go(self, *names):
        self.page.goto(self.site.url + "#/" + "/".join(quoted(name) for name in names))

    def button(self, name, within=None):
        return (within or self.page).get_by_role("button", name=name, exact=True)

    def dialog(self, title):
        return self.page.get_by_role("dialog", name=title)

    def violations(self, within="html"):
        """What axe finds in the page as it is, or in one element, in light and dark."""
        light = "axe.run('%s', {resultTypes: ['violations']})" % within
        # All but the colours are the same.
        dark = "axe.run('%s', {resultTypes: ['violations'], runOnly: ['color-contrast']})" % within
        return self.violations_in("light", light) + self.violations_in("dark", dark)

    def violations_in(self, scheme, search):
        self.page.emulate_media(color_scheme=scheme)
        if not self.page.evaluate("'axe' in window"):
            with open(AXE, encoding="utf-8") as file:
                self.page.evaluate(file.read())
        found = self.page.evaluate(search)
        return [
            "%s, %s: %s" % (scheme, violation["id"], node["html"][:120])
            for violation in found["violations"]
            for node in violation["nodes"]
        ]
