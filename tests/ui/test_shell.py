# SPDX-License-Identifier: Apache-2.0
"""The way in and out, and what stands around every page."""

import urllib.request

from playwright.sync_api import expect

from http_broker import Failure
from http_broker import expect as expect_equal
from mark import test

HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;"


@test()
def page_is_served_with_strict_headers(visit, site):
    if site.kind != "leveret":
        return
    with urllib.request.urlopen(site.url) as reply:
        headers = reply.headers
    policy = headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        expect_equal(part in policy, True, "%s in %s" % (part, policy))
    expect_equal("unsafe" in policy, False, policy)
    expect_equal(headers["X-Content-Type-Options"], "nosniff", "X-Content-Type-Options")
    expect_equal(headers["Referrer-Policy"], "no-referrer", "Referrer-Policy")
    expect_equal(headers["Content-Type"], "text/html; charset=utf-8", "Content-Type")
    again = urllib.request.Request(site.url, headers={"If-None-Match": headers["ETag"]})
    try:
        with urllib.request.urlopen(again) as reply:
            raise Failure("sent again: %d" % reply.status)
    except urllib.error.HTTPError as error:
        expect_equal(error.code, 304, "what the client has already")


@test()
def wrong_password_is_refused(visit, site):
    visit.log_in(password="wrong")
    expect(visit.page.get_by_role("alert")).to_have_text("Login failed")
    expect(visit.page.get_by_label("Password")).to_be_focused()


@test()
def user_without_a_tag_is_refused(visit, site):
    site.make("PUT", "users/untagged", {"password": "secret", "tags": ""})
    visit.log_in("untagged", "secret")
    expect(visit.page.get_by_role("alert")).to_have_text("Not management user")


@test()
def login_lasts_as_long_as_the_tab(visit, site):
    visit.enter()
    visit.page.reload()
    expect(visit.page.get_by_role("navigation", name="Pages")).to_be_visible()
    other = visit.context.new_page()
    other.goto(site.url)
    expect(other.get_by_role("button", name="Log in")).to_be_visible()
    expect_equal(visit.context.cookies(), [], "cookies")
    visit.button("Log out").click()
    expect(visit.page.get_by_role("alert")).to_have_text("You are logged out.")
    expect_equal(visit.page.evaluate("sessionStorage.length"), 0, "what is kept after the end")


@test()
def changed_password_ends_the_session(visit, site):
    site.make("PUT", "users/passing", {"password": "one", "tags": "administrator"})
    visit.enter("exchanges", user="passing", password="one")
    site.make("PUT", "users/passing", {"password": "two", "tags": "administrator"})
    # The next refresh finds it out.
    expect(visit.page.get_by_role("alert")).to_have_text("Your login is no longer accepted.")
    visit.page.get_by_label("User").fill("passing")
    visit.page.get_by_label("Password").fill("two")
    visit.button("Log in").click()
    expect(visit.page.get_by_role("heading", name="Exchanges", exact=True)).to_be_visible()


@test()
def address_that_names_nothing_says_so(visit, site):
    for names in (["nothing"], ["constructor"], ["__proto__", "x"], ["queues", "x"]):
        visit.enter(*names)
        expect(visit.page.get_by_role("heading", name="No such page")).to_be_visible()
        visit.button("Log out").click()


@test()
def who_logs_in_next_sees_nothing_of_who_was_there(visit, site):
    page = visit.page
    site.make("PUT", "vhosts/of-guest", {})
    site.make("PUT", "users/next", {"password": "next", "tags": "management"})
    visit.enter()
    page.get_by_label("Virtual host").select_option("of-guest")
    visit.button("Log out").click()
    page.route("**/api/vhosts?*", lambda route: route.fulfill(status=500))
    visit.enter(user="next", password="next")
    expect(page.locator("header .user")).to_have_text("next")
    expect(page.get_by_label("Virtual host")).not_to_contain_text("of-guest")
    site.make("DELETE", "vhosts/of-guest")
    site.make("DELETE", "users/next")


@test()
def answer_of_the_former_page_is_not_drawn_as_the_next_one(visit, site):
    page = visit.page
    held = []
    page.add_init_script(
        "window.addEventListener('hashchange', (event) => window.isHeld && event.stopImmediatePropagation())"
    )
    visit.enter()
    expect(page.get_by_role("region", name="About")).to_be_visible()
    page.route("**/api/nodes/*", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/api/nodes/*"):
        visit.button("Refresh now").click()
    # The address changes before the answer comes, and the event of that after it.
    page.evaluate("window.isHeld = true, location.hash = '#/queues'")
    with page.expect_event("requestfinished"):
        held[0].continue_()
    page.evaluate("new Promise((done) => setTimeout(done))")
    page.evaluate("window.isHeld = false, window.dispatchEvent(new HashChangeEvent('hashchange'))")
    expect(page.get_by_role("heading", name="Queues", exact=True)).to_be_visible()


@test()
def names_are_text_and_nothing_else(visit, site):
    site.make("PUT", "vhosts/" + urllib.request.quote(HOSTILE, safe=""), {})
    visit.enter()
    expect(visit.page.get_by_label("Virtual host")).to_contain_text(HOSTILE)
    expect_equal(visit.page.locator("#app img[src='x']").count(), 0, "elements made of a name")
    site.make("DELETE", "vhosts/" + urllib.request.quote(HOSTILE, safe=""))


@test()
def keyboard_alone_is_enough(visit, site):
    page = visit.page
    page.goto(site.url)
    expect(page.get_by_label("User")).to_be_focused()
    page.keyboard.type("guest")
    page.keyboard.press("Tab")
    page.keyboard.type("guest")
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the page")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name="Queues", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(site.url + "#/queues")
    expect(page.locator("main")).to_be_focused()


FOCUSED = """() => {
  const one = document.activeElement;
  return (one.labels?.[0]?.firstChild ?? one).textContent || one.getAttribute('aria-label');
}"""


def tab_to(page, name):
    met = []
    while name not in met:
        expect_equal(len(met) < 60, True, "the tabulator comes to %s, not only %s" % (name, met))
        page.keyboard.press("Tab")
        met.append(page.evaluate(FOCUSED))


@test()
def queue_lives_and_ends_by_the_keyboard(visit, site):
    visit.enter("queues")
    page = visit.page
    expect(visit.button("Declare a queue")).to_be_visible()
    tab_to(page, "Declare a queue")
    page.keyboard.press("Enter")
    tab_to(page, "Name")
    page.keyboard.type("typed")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("typed")
    tab_to(page, "Publish")
    page.keyboard.press("Enter")
    page.keyboard.type("by hand")
    tab_to(page, "Publish")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    tab_to(page, "Get messages")
    page.keyboard.press("Enter")
    expect(page.get_by_label("How many")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("article", name="Message 1")).to_contain_text("by hand")
    page.keyboard.press("Escape")
    expect(visit.button("Get messages")).to_be_focused()
    tab_to(page, "Delete")
    page.keyboard.press("Enter")
    tab_to(page, "Delete")
    page.keyboard.press("Enter")
    expect(page).to_have_url(site.url + "#/queues")
    expect(page.get_by_role("link", name="typed")).to_have_count(0)


def ground(page):
    return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")


@test(color_scheme="dark")
def colours_follow_the_system_until_chosen(visit, site):
    visit.enter()
    dark = ground(visit.page)
    visit.page.get_by_label("Colours").select_option("light")
    light = ground(visit.page)
    expect_equal(dark == light, False, "one colour in both themes")
    visit.page.reload()
    expect(visit.page.get_by_label("Colours")).to_have_value("light")
    expect_equal(ground(visit.page), light, "the colour after a reload")
    visit.page.get_by_label("Colours").select_option("auto")
    expect_equal(ground(visit.page), dark, "the system's colour")
    visit.page.emulate_media(color_scheme="light")
    expect(visit.page.locator("html")).to_have_css("background-color", light)


@test()
def login_is_accessible(visit, site):
    visit.page.goto(site.url)
    expect(visit.page.get_by_label("User")).to_be_visible()
    expect_equal(visit.violations(), [], "what axe finds")
