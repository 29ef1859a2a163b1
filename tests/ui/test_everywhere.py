# SPDX-License-Identifier: Apache-2.0
"""What holds on every page and in every dialog: nothing that axe finds, no request to anywhere else, a focus that is
seen and comes back, live regions that say what has changed and nothing else."""

from playwright.sync_api import expect

import scene
from http_broker import expect as expect_equal
from mark import test
from refreshing import enter_and_count, refresh

FOCUSED = """() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  return { name: one.localName + ' ' + (one.getAttribute('aria-label') ?? one.textContent).slice(0, 40),
    isSeen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2,
    isThere: box.bottom > 0 && box.top < innerHeight };
}"""
LISTEN = """() => {
  window.said = [];
  const hear = new MutationObserver((records) => records.forEach(({ target }) => {
    const element = target.closest ? target : target.parentElement;
    const region = element?.closest('[aria-live], [role=status], [role=alert]');
    if (region) window.said.push(region.textContent);
  }));
  hear.observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


# Of the whole of what is seen; browsers call a page good below 0.1.
SHIFT_MAX = 0.01
SHIFTS = """() => new Promise((done) => {
  window.moved = 0;
  new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => { window.moved += value; }))
    .observe({ type: 'layout-shift', buffered: false });
  requestAnimationFrame(done);
})"""


def with_a_shop(work):
    def wrapped(visit, site):
        scene.build(site)
        clients = scene.Clients(site)
        try:
            work(visit, site)
        finally:
            clients.close()
            scene.clear(site)

    wrapped.__name__ = work.__name__
    return test()(wrapped)


def open_page(visit, names):
    visit.go(*names)
    expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
    expect(visit.page.locator(".loading")).to_have_count(0)


@with_a_shop
def every_page_is_accessible_in_both_themes(visit, site):
    visit.enter()
    visit.page.get_by_label("Virtual host").select_option("shop")
    for names in scene.pages(site):
        open_page(visit, names)
        expect_equal(visit.violations(), [], "what axe finds in " + "/".join(names))
        # Who has it on a telephone scrolls down, and tables aside.
        visit.page.set_viewport_size({"width": 390, "height": 844})
        wide = visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        expect_equal(wide <= 0, True, "%s is %d pixels too wide" % (names, wide))
        visit.page.set_viewport_size({"width": 1280, "height": 800})


@with_a_shop
def every_dialog_is_accessible_and_gives_the_focus_back(visit, site):
    visit.enter()
    page = visit.page
    page.get_by_label("Virtual host").select_option("shop")
    for names, opener, title in scene.DIALOGS:
        open_page(visit, names)
        button = visit.button(opener, page.locator("main")).first
        button.focus()
        page.keyboard.press("Enter")
        form = visit.dialog(title)
        expect(form).to_be_visible()
        inside = page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
        expect_equal(inside, True, "the focus is in " + title)
        expect_equal(visit.violations("dialog"), [], "what axe finds in " + title)
        # Who has made everything twice as large scrolls to the end of it.
        page.set_viewport_size({"width": 640, "height": 400})
        last = form.get_by_role("button").last
        last.scroll_into_view_if_needed()
        expect(last).to_be_in_viewport(ratio=1)
        page.set_viewport_size({"width": 1280, "height": 800})
        page.keyboard.press("Escape")
        expect(form).to_have_count(0)
        expect(button).to_be_focused()


@with_a_shop
def focus_is_seen_wherever_it_goes(visit, site):
    visit.enter()
    page = visit.page
    page.get_by_label("Virtual host").select_option("shop")
    for names in ([], ["queues"], ["queues", "shop", "orders.new"], ["users", "shop-frontend"]):
        open_page(visit, names)
        page.locator(".skip").focus()
        met = set()
        for _ in range(45):
            page.keyboard.press("Tab")
            focused = page.evaluate(FOCUSED)
            if focused is None:
                break  # at the end of the page
            expect_equal((focused["isSeen"], focused["isThere"]), (True, True), "the focus on " + focused["name"])
            met.add(focused["name"])
        expect_equal(len(met) > 20, True, "%d things that can have the focus" % len(met))


@with_a_shop
def chart_is_read_by_the_keyboard(visit, site):
    visit.enter()
    page = visit.page
    site.wait_for("overview?msg_rates_age=60&msg_rates_incr=5", lambda found: "publish" in found["message_stats"])
    visit.button("Refresh now").click()
    slider = page.get_by_role("slider", name="Time in Messages per second").first
    slider.focus()
    now = slider.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowLeft")
    expect(slider).not_to_have_attribute("aria-valuetext", now)
    expect(page.get_by_role("region", name="Message rates").locator(".pointer circle").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("region", name="Message rates").locator(".pointer")).to_have_count(0)


@with_a_shop
def refreshes_are_silent_and_move_nothing(visit, site):
    enter_and_count(visit)
    page = visit.page
    page.get_by_label("Virtual host").select_option("shop")
    for names in ([], ["queues"], ["queues", "shop", "orders.new"], ["channels"], ["bindings"]):
        open_page(visit, names)
        refresh(page, 1)
        page.evaluate(LISTEN)
        page.evaluate(SHIFTS)
        refresh(page, 10)
        expect_equal(page.evaluate("window.said"), [], "what live regions say in " + "/".join(names))
        moved = page.evaluate("window.moved")
        expect_equal(moved < SHIFT_MAX, True, "what moves on %s: %f" % (names, moved))
