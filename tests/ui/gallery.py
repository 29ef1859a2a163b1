# SPDX-License-Identifier: Apache-2.0
"""Pictures of every page and dialog, in both colours, on a desk's screen and on a telephone's: for people to look at.

tests/ui/run --gallery DIR takes them.
"""

import os
import time

from playwright.sync_api import expect

import scene
from browser import Visit

SCREENS = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
HISTORY_S = 65


def take(browser, site, folder, only=""):
    os.makedirs(folder, exist_ok=True)
    scene.build(site)
    clients = scene.Clients(site)
    try:
        # Charts of the last minute want one.
        time.sleep(HISTORY_S)
        for screen, size in SCREENS.items():
            for theme in ("light", "dark"):
                take_all(browser, site, os.path.join(folder, "%s-%s" % (screen, theme)), size, theme, only)
    finally:
        clients.close()


def take_all(browser, site, stem, size, theme, only):
    visit = Visit(browser, site, color_scheme=theme)
    visit.page.set_viewport_size(size)
    visit.page.goto(site.url)
    visit.page.screenshot(path=stem + "-login.png")
    visit.enter()
    visit.page.get_by_label("Virtual host").select_option("shop")
    for names in scene.pages(site):
        label = "-".join(name[:12].replace("/", "_") for name in names) or "overview"
        if only in label:
            visit.go(*names)
            expect(visit.page.locator(".loading")).to_have_count(0)
            visit.page.screenshot(path="%s-%s.png" % (stem, label), full_page=True)
    for names, opener, title in scene.DIALOGS:
        label = "dialog-" + title.replace(" ", "-")
        if only in label:
            visit.go(*names)
            visit.button(opener, visit.page.locator("main")).first.click()
            visit.page.screenshot(path="%s-%s.png" % (stem, label))
            visit.page.keyboard.press("Escape")
    visit.close()
