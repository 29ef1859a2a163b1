# SPDX-License-Identifier: Apache-2.0
"""What docs/openapi.yaml says of a call's answer, and whether it knows the server's routes."""

import copy
import glob
import json
import os
import re
import urllib.parse

import jsonschema
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ROUTE = re.compile(r'\{"(/[^"]*)",(.*?)\}', re.DOTALL)
METHODS = ["get", "put", "delete", "post"]
BEYOND = {405, 406, 413, 429}  # which every path may say: see the description's own


def without_required(schema):
    """For answers of which some columns were asked for."""
    if isinstance(schema, dict):
        return {name: without_required(inner) for name, inner in schema.items() if name != "required"}
    if isinstance(schema, list):
        return [without_required(inner) for inner in schema]
    return schema


class Description:
    def __init__(self):
        with open(os.path.join(ROOT, "docs", "openapi.yaml")) as file:
            self.text = yaml.safe_load(file)
        self.some_columns = without_required(copy.deepcopy(self.text))
        # What is written in a path wins over a parameter. The default exchange has no name.
        self.paths = [
            (re.compile(re.sub(r"\{\w+\}", "([^/]+|(?<=/)(?=/|$))", path) + "$"), path)
            for path in sorted(self.text["paths"], key=lambda path: path.count("{"))
        ]

    def resolve(self, value):
        while "$ref" in value:
            name = value["$ref"]
            value = self.text
            for part in name[2:].split("/"):
                value = value[part]
        return value

    def find(self, url):
        path = urllib.parse.urlsplit(url).path
        path = path[len("/api"):].removesuffix("/") if path.startswith("/api/") else path
        for pattern, name in self.paths:
            if pattern.match(path):
                return self.text["paths"][name]
        return None

    def faults(self, call, answer):
        """What is wrong with the answer by the description, as texts."""
        path = self.find(call.path)
        method = {"HEAD": "get"}.get(call.method, call.method.lower())
        status = answer["status"]
        if path is None:
            is_meant = status in (404, 405, 400, 401) or method == "options" or not call.path.startswith("/api/")
            return [] if is_meant else ["status %d, and no such path is described" % status]
        if method not in path:
            is_meant = status in (405, 401) or method == "options"
            return [] if is_meant else ["status %d, and no such method is described" % status]
        if status in BEYOND or (status in (400, 401) and not answer["body"]):
            return []
        responses = path[method]["responses"]
        if str(status) not in responses:
            # A body or a query that has no meaning is refused wherever it is.
            return [] if status == 400 and self.is_error(answer) else ["status %d is not described" % status]
        return self.body_faults(self.resolve(responses[str(status)]), call, answer)

    def is_error(self, answer):
        """One, or none because nobody is logged in yet."""
        if not answer["body"]:
            return True
        try:
            return set(json.loads(answer["body"])) == {"error", "reason"}
        except ValueError:
            return False

    def body_faults(self, response, call, answer):
        if call.method == "HEAD":
            return []
        content = response.get("content", {})
        if not content:
            return ["a body, and none is described"] if answer["body"] else []
        kind = answer["headers"].get("content-type", "none").split(";")[0]
        if kind not in content:
            return ["content-type %s is not described" % kind]
        if kind != "application/json":
            return []
        some = "columns=" in urllib.parse.unquote(call.path)
        document = self.some_columns if some else self.text
        schema = content["application/json"]["schema"]
        schema = without_required(schema) if some else schema
        checker = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
        return [
            "%s: %s" % ("/".join(map(str, error.absolute_path)), error.message)
            for error in checker.iter_errors(json.loads(answer["body"]))
        ]


def served_operations():
    """The routes' (path, method) of the sources."""
    found = set()
    for name in glob.glob(os.path.join(ROOT, "src", "http", "*.c")):
        with open(name) as file:
            for path, row in ROUTE.findall(file.read()):
                path = re.sub(r":(\w+)", "{}", path)
                found |= {(path, method) for method in METHODS if re.search(r"\.%s = " % method, row)}
    return found


def described_operations(description):
    return {
        (re.sub(r"\{\w+\}", "{}", path), method)
        for path, item in description.text["paths"].items()
        for method in METHODS
        if method in item
    }


def route_faults(description):
    served, described = served_operations(), described_operations(description)
    missing = ["docs/openapi.yaml has no %s %s" % (method, path) for path, method in sorted(served - described)]
    extra = sorted(described - served)
    return missing + ["docs/openapi.yaml has %s %s, which is not served" % (method, path) for path, method in extra]
