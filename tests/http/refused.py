#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes calls that are to be refused, of all paths and methods that docs/openapi.yaml has.

    tests/http/refused.py > tests/http/calls/http_refused.txt && tests/http/compare --record http_refused

Each path with each of its methods: without a login, as users whose tags are not enough or who may not enter the
virtual host, about objects that there are not, with bodies that are no JSON or no object; and each path with the
methods that it has not, and with OPTIONS and HEAD. tests/http/compare says so where the file is not what this would
write now.
"""

import re
import sys

sys.dont_write_bytecode = True

import openapi

METHODS = openapi.METHODS
PREPARATION = """\
# Written by tests/http/refused.py: every path and method, by who may not, of what is not there, with nonsense.
PUT /api/vhosts/closed
PUT /api/users/plain {"password":"p","tags":""}
PUT /api/users/manager {"password":"p","tags":"management"}
PUT /api/users/maker {"password":"p","tags":"policymaker"}
PUT /api/users/watcher {"password":"p","tags":"monitoring"}
"""
USERS = ["none", "guest:wrong", "plain:p", "manager:p", "maker:p", "watcher:p"]
# Nobody but guest may enter the virtual host; nothing else of that name is there, but the user.
KNOWN = {"vhost": "closed", "user": "guest", "node": "nothing", "unit": "days", "within": "1", "port": "1"}
UNKNOWN = dict(KNOWN, vhost="nothing", user="nothing", unit="nothing", within="x", port="x")
BODIES = ["{", "[1]", '"text"']


def filled(path, values):
    return "/api" + re.sub(r"\{(\w+)\}", lambda found: values.get(found.group(1), "nothing"), path)


def makes(path, method):
    """Would it make what is not there?"""
    return method == "put" and path.count("{") < 2


def lines_of(path, item):
    there = [method for method in METHODS if method in item]
    for method in there:
        body = " {}" if method in ("put", "post") else ""
        for user in USERS:
            yield "%s %s%s as %s" % (method.upper(), filled(path, KNOWN), body, user)
        if "{" in path and not makes(path, method):
            yield "%s %s%s" % (method.upper(), filled(path, UNKNOWN), body)
        if body:
            for text in BODIES:
                yield "%s %s %s" % (method.upper(), filled(path, KNOWN), text)
    for method in METHODS:
        if method not in there:
            yield "%s %s" % (method.upper(), filled(path, KNOWN))
    yield "OPTIONS %s as none" % filled(path, KNOWN)
    yield "HEAD %s as manager:p" % filled(path, KNOWN)


def text():
    description = openapi.Description().text
    lines = [line for path, item in description["paths"].items() for line in lines_of(path, item)]
    return PREPARATION + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
