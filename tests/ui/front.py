#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Serves src/ui as it is on disk, in front of any management API: for work on the web interface, and for its tests
against RabbitMQ.

    tests/ui/front.py [--port N] URL      such as http://127.0.0.1:15672

Listens on loopback. A page that is loaded again is the file as it is now; nothing has to be built.
"""

import argparse
import http.client
import http.server
import os
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UI = os.path.join(ROOT, "src", "ui")
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
OF_ONE_HOP = ("connection", "content-length", "host", "keep-alive", "transfer-encoding")


def kept(headers):
    return {name: value for name, value in headers if name.lower() not in OF_ONE_HOP}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        status, headers, body = self.forward() if self.path.startswith("/api/") else self.file()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = answer

    def forward(self):
        size = int(self.headers.get("Content-Length") or 0)
        connection = http.client.HTTPConnection(self.server.target, timeout=60)
        connection.request(self.command, self.path, self.rfile.read(size) or None, kept(self.headers.items()))
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply.status, kept(reply.getheaders()), body

    def file(self):
        name = self.path.split("?")[0].lstrip("/") or "index.html"
        path = os.path.normpath(os.path.join(UI, name))
        kind = TYPES.get(os.path.splitext(path)[1])
        if not path.startswith(UI + os.sep) or kind is None or not os.path.isfile(path):
            return 404, {}, b""
        with open(path, "rb") as file:
            headers = {"Content-Type": kind + "; charset=utf-8", "Content-Security-Policy": POLICY}
            return 200, {**headers, "Cache-Control": "no-store"}, file.read()

    def log_message(self, *arguments):
        pass


class Front(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port, url):
        super().__init__(("127.0.0.1", port), Handler)
        self.target = urllib.parse.urlsplit(url).netloc

    def handle_error(self, request, client_address):
        pass  # a browser breaks off what it no longer wants


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=15680)
    parser.add_argument("url")
    options = parser.parse_args()
    print("http://127.0.0.1:%d/ in front of %s" % (options.port, options.url), flush=True)
    Front(options.port, options.url).serve_forever()


if __name__ == "__main__":
    main()
