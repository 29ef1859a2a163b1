# SPDX-License-Identifier: Apache-2.0
"""The tests of the web interface; tests/ui/run says how they are run.

A test gets a visit, which starts at the login, and the site. After each the page must have had no error, asked no
other host, and opened no dialog of the browser's.
"""

import argparse
import inspect
import os
import sys
import traceback

from playwright.sync_api import Error, expect, sync_playwright

import gallery
import test_administration
import test_everywhere
import test_looking
import test_queues
import test_refusals
import test_scale
import test_shell
from browser import CHROMIUM, PATIENCE_MS, Site, Visit
from http_broker import Failure, default_build

MODULES = (test_shell, test_looking, test_queues, test_administration, test_refusals, test_everywhere, test_scale)


def tests():
    """In the order in which they are written."""
    for module in MODULES:
        if hasattr(module, "tests"):
            yield from module.tests()
            continue
        functions = inspect.getmembers(module, inspect.isfunction)
        own = [test for _, test in functions if hasattr(test, "options")]
        yield from sorted(own, key=lambda test: test.__code__.co_firstlineno)


def check_afterwards(visit, site):
    if visit.errors:
        raise Failure("the page says: " + "; ".join(visit.errors))
    if visit.dialogs:
        raise Failure("a dialog of the browser: %r" % visit.dialogs)
    others = visit.hosts - {site.url.split("/")[2]}
    if others:
        raise Failure("asked other hosts: %r" % others)


def perform(test, browser, site, pictures):
    visit = Visit(browser, site, **test.options)
    try:
        test(visit, site)
        check_afterwards(visit, site)
    except (Failure, Error, AssertionError):
        visit.page.screenshot(path=os.path.join(pictures, test.__name__ + ".png"), full_page=True)
        raise
    finally:
        visit.close()


def run(chosen, browser, site, pictures):
    passed = failed = 0
    for test in chosen:
        try:
            perform(test, browser, site, pictures)
            print("ok " + test.__name__)
            passed += 1
        except (Failure, Error, AssertionError):
            failed += 1
            print("not ok %s\n%s" % (test.__name__, traceback.format_exc(limit=-3)))
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return failed > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=default_build())
    parser.add_argument("--broker", choices=["leveret", "rabbitmq"], default="leveret")
    parser.add_argument("--pictures", default=os.path.join("build", "ui"), help="of tests that fail")
    parser.add_argument("--full", action="store_true", help="with very many queues and connections")
    parser.add_argument("--gallery", metavar="DIR", help="no tests: pictures of every page, to be looked at")
    parser.add_argument("tests", nargs="*")
    options = parser.parse_args()
    chosen = [test for test in tests() if not options.tests or test.__name__ in options.tests]
    if not chosen:
        parser.error("no such test")
    os.makedirs(options.pictures, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MS)
    site = Site(options.broker, options.build, options.full)
    try:
        with sync_playwright() as playwright:
            # Chromium's own sandbox does not start as root, as which CI runs; all it sees is this broker.
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            if options.gallery:
                gallery.take(browser, site, options.gallery)
                status = 0
            else:
                status = run(chosen, browser, site, options.pictures)
            browser.close()
        site.broker.end()
        if options.broker == "leveret":
            site.broker.check_last_words()
    finally:
        site.stop()
    sys.exit(status)


if __name__ == "__main__":
    main()
