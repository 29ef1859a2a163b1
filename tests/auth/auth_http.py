# SPDX-License-Identifier: Apache-2.0
"""The HTTP back end, and the cache in front of it."""

import time

from auth_broker import update_secret
from auth_servers import WebServer
from auth_suite import Suite, equal, is_login_refused, publish, publish_as_somebody, refused


class Web(Suite):
    """A web service that knows three users; `rules` may be changed by a test."""

    method = "get"

    def prepare(self):
        self.web = WebServer(self.answer)
        self.servers.append(self.web)

    def answer(self, path, fields):
        user = fields.get("username")
        if path == "/user":
            passwords = {"web": "a b&c=ü", "boss": "x", "sullen": "x"}
            if user == "broken":
                return 500, "allow"
            if user == "odd":
                return 200, "perhaps"
            if fields.get("password") != passwords.get(user, object()):
                return 200, "deny"
            return 200, " allow administrator impersonator " if user == "boss" else "Allow"
        if path == "/vhost":
            return 200, "deny" if user == "sullen" else "allow"
        if path == "/resource" and fields["name"].startswith("bad"):
            # RabbitMQ 3.10 cannot read a reason.
            return 200, "deny it is bad" if self.kind == "leveret" else "deny"
        if path == "/topic" and fields["routing_key"].startswith("bad"):
            return 200, "deny"
        if path == "/resource" and fields["name"].startswith("fail"):
            return 503, "no"
        return 200, "allow"

    def settings(self):
        paths = ["user", "vhost", "resource", "topic"]
        return [
            "auth_backends.1 = http",
            "auth_backends.2 = internal",
            "auth_http.http_method = " + self.method,
        ] + ["auth_http.%s_path = %s/%s" % (path, self.web.url, path) for path in paths]

    def asked(self, path):
        return [fields for _, asked, fields in self.web.asked if asked == path]


class Http(Web):
    name = "http"

    def test_the_service_decides_who_comes_in(self):
        equal(self.broker.login("web", "a b&c=ü"), "ok")
        assert is_login_refused(self.broker.login("web", "wrong"))
        assert is_login_refused(self.broker.login("nobody", "x"))

    def test_an_answer_that_makes_no_sense_lets_nobody_in(self):
        assert is_login_refused(self.broker.login("broken", "x"))
        assert is_login_refused(self.broker.login("odd", "x"))

    def test_the_next_back_end_is_asked(self):
        equal(self.broker.login("guest", "guest"), "ok")

    def test_a_vhost_may_be_refused(self):
        found = self.broker.login("sullen", "x")
        assert "access to vhost '/' refused for user 'sullen'" in found, found
        asked = [fields for fields in self.asked("/vhost") if fields["username"] == "sullen"][-1]
        equal((asked["vhost"], asked["ip"]), ("/", "127.0.0.1"))

    def test_a_vhost_that_is_not_there(self):
        assert "vhost nope not found" in self.broker.login("web", "a b&c=ü", "nope")

    def test_resources_are_asked_for(self):
        self.web.asked.clear()
        step = self.step("web", "a b&c=ü", lambda c: c.queue_declare("good", exclusive=True))
        equal(step, "ok")
        asked = self.asked("/resource")[0]
        found = tuple(asked[k] for k in ("username", "vhost", "resource", "name", "permission"))
        equal(found, ("web", "/", "queue", "good", "configure"))

    def test_a_refusal_closes_the_channel(self):
        found = self.step("web", "a b&c=ü", lambda c: c.queue_declare("bad"))
        equal(found, refused("configure", "queue 'bad' in vhost '/'", "web"))

    def test_a_failure_is_a_refusal(self):
        found = self.step("web", "a b&c=ü", lambda c: c.queue_declare("fail"))
        assert found.startswith(refused("configure", "queue 'fail' in vhost '/'", "web")), found

    def test_topics_are_asked_for_with_their_keys(self):
        self.web.asked.clear()
        equal(self.step("web", "a b&c=ü", lambda c: publish(c, "amq.topic", "good.1")), "ok")
        asked = self.asked("/topic")[0]
        found = tuple(asked[k] for k in ("resource", "name", "permission", "routing_key"))
        equal(found, ("topic", "amq.topic", "write", "good.1"))
        found = self.step("web", "a b&c=ü", lambda c: publish(c, "amq.topic", "bad.1"))
        equal(found, refused("write", "topic 'bad.1' in exchange 'amq.topic' in vhost '/'", "web"))

    def test_what_is_allowed_is_not_asked_for_again(self):
        connection = self.broker.connect("web", "a b&c=ü")
        channel = connection.channel()
        channel.confirm_delivery()
        self.web.asked.clear()
        for _ in range(20):
            channel.basic_publish("", "nowhere", b"m")
        connection.close()
        equal(len(self.asked("/resource")), 1)

    def test_publishes_keep_their_order(self):
        connection = self.broker.connect("web", "a b&c=ü")
        channel = connection.channel()
        channel.queue_declare("ordered", exclusive=True)
        bodies = [b"%d" % i for i in range(50)]
        for body in bodies:
            channel.basic_publish("", "ordered", body)
        found = [channel.basic_get("ordered", auto_ack=True)[2] for _ in bodies]
        connection.close()
        equal(found, bodies)

    def test_tags_come_with_the_answer(self):
        equal(self.step("boss", "x", publish_as_somebody), "ok")
        found = self.step("web", "a b&c=ü", publish_as_somebody)
        assert "user_id property set to 'somebody' but authenticated user was 'web'" in found, found

    def test_a_server_named_queue(self):
        def declare_and_use(channel):
            name = channel.queue_declare("", exclusive=True).method.queue
            channel.basic_get(name)

        equal(self.step("web", "a b&c=ü", declare_and_use), "ok")

    def test_a_new_secret_changes_nothing(self):
        connection = self.broker.connect("web", "a b&c=ü")
        update_secret(connection, "anything", "because")
        connection.channel()
        connection.close()


class HttpPost(Web):
    """By POST, the reasons told, and permissions of the internal back end for some."""

    name = "http-post"
    method = "post"

    def settings(self):
        more = ["auth_backends.2.authn = http", "auth_backends.2.authz = internal"]
        lines = [line for line in super().settings() if not line.startswith("auth_backends.")]
        disclosed = ["auth_http.authorization_failure_disclosure = true"]
        return lines + more + (disclosed if self.kind == "leveret" else [])

    def test_who_it_is_by_http_what_it_may_by_permissions(self):
        assert is_login_refused(self.broker.login("web", "a b&c=ü"))
        self.broker.ctl("add_user", "web", "unused")
        self.broker.ctl("set_permissions", "-p", "/", "web", "^own", "^own", "^own")
        self.web.asked.clear()
        equal(self.broker.login("web", "a b&c=ü"), "ok")
        equal([(method, path) for method, path, _ in self.web.asked], [("POST", "/user")])
        assert is_login_refused(self.broker.login("web", "unused"))
        found = self.step("web", "a b&c=ü", lambda c: c.queue_declare("other"))
        equal(found, refused("configure", "queue 'other' in vhost '/'", "web"))


class HttpReasons(Web):
    name = "http-reasons"

    def settings(self):
        if self.kind != "leveret":
            return super().settings()
        return super().settings() + ["auth_http.authorization_failure_disclosure = true"]

    def test_reasons_are_told_where_they_may_be(self):
        self.only_leveret("RabbitMQ 3.10 never tells reasons")
        found = self.step("web", "a b&c=ü", lambda c: c.queue_declare("bad"))
        tail = " by backend rabbit_auth_backend_http: it is bad"
        equal(found, refused("configure", "queue 'bad' in vhost '/'", "web", tail))


class Cache(Web):
    name = "cache"

    def settings(self):
        lines = [line for line in super().settings() if not line.startswith("auth_backends.")]
        return lines + [
            "auth_backends.1 = cache",
            "auth_cache.cached_backend = http",
            "auth_cache.cache_ttl = 3000",
        ]

    def test_what_was_allowed_is_remembered_for_a_while(self):
        def declare():
            return self.step("web", "a b&c=ü", lambda c: c.queue_declare("kept", exclusive=True))

        self.web.asked.clear()
        equal(declare(), "ok")
        first = len(self.web.asked)
        equal(declare(), "ok")
        equal(len(self.web.asked), first)
        deadline = time.time() + 20
        while len(self.web.asked) == first and time.time() < deadline:
            time.sleep(0.5)
            equal(declare(), "ok")
        assert len(self.web.asked) > first

    def test_refusals_are_not_remembered(self):
        self.web.asked.clear()
        assert is_login_refused(self.broker.login("web", "wrong"))
        assert is_login_refused(self.broker.login("web", "wrong"))
        equal(len(self.asked("/user")), 2)

    def test_another_password_is_another_question(self):
        equal(self.broker.login("web", "a b&c=ü"), "ok")
        assert is_login_refused(self.broker.login("web", "another"))


SUITES = [Http, HttpPost, HttpReasons, Cache]
