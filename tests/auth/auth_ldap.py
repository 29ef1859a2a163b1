# SPDX-License-Identifier: Apache-2.0
"""The LDAP back end, asked of a real slapd."""

import os
import time

from auth_servers import FullServer, SilentServer, Slapd, make_certificates
from auth_suite import (
    Suite,
    check_end,
    equal,
    is_login_refused,
    publish,
    publish_as_somebody,
    refused,
)

LDIF = """dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: cn=Joe,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: Joe
sn: Joe
uid: joe
mail: joe@example.org
description: queue-1
description: queue-2
userPassword: joe-secret

dn: cn=Ann,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: Ann
sn: Ann
uid: ann
userPassword: ann-secret

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: cn=bosses,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: bosses
member: cn=Joe,ou=people,dc=example,dc=org

dn: cn=all,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: all
member: cn=bosses,ou=groups,dc=example,dc=org
member: cn=all,ou=groups,dc=example,dc=org

dn: cn=main,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: main
member: cn=Joe,ou=people,dc=example,dc=org
member: cn=Ann,ou=people,dc=example,dc=org
"""

PEOPLE, GROUPS = "ou=people,dc=example,dc=org", "ou=groups,dc=example,dc=org"
QUERIES = {
    "vhost_access": "{in_group, \"cn=main,%s\"}" % GROUPS,
    "resource_access": """{for, [{permission, configure, {'and', [{'not', {match, {string, "${name}"},
            {string, "^no-"}}}, {'or', [{in_group_nested, "cn=all,%s"},
            {equals, "${name}", "${username}-own"}]}]}},
        {permission, write, {exists, "cn=${username},%s"}},
        {permission, read, {equals, {attribute, "${user_dn}", "description"}, {string, "${name}"}}}]}"""
    % (GROUPS, PEOPLE),
    "topic_access": '{match, {string, "${routing_key}"}, {string, "^${username}\\\\."}}',
    "tags": '[{impersonator, {in_group, "cn=bosses,%s", "member"}}, {other, {constant, false}}]'
    % GROUPS,
}


class Directory(Suite):
    """How a user is found, and what the queries say about it."""

    anonymous = "none"

    def prepare(self):
        self.certificates = make_certificates(os.path.join(self.work, "certificates"))
        self.slapd = Slapd(LDIF, self.certificates, self.anonymous)
        self.servers.append(self.slapd)
        self.advanced = "[{rabbitmq_auth_backend_ldap, [%s]}].\n" % ",\n ".join(
            "{%s, %s}" % ("tag_queries" if key == "tags" else key + "_query", query)
            for key, query in QUERIES.items()
        )

    def settings(self):
        lines = [
            "auth_backends.1 = ldap",
            "auth_backends.2 = internal",
            "auth_ldap.servers.1 = 127.0.0.1",
            "auth_ldap.port = %d" % self.slapd.port,
            "auth_ldap.timeout = 10000",
        ] + self.manner()
        if self.kind == "leveret":
            lines += [
                "auth_ldap.queries.%s = %s" % (key, " ".join(query.split()))
                for key, query in QUERIES.items()
            ]
        return lines


class Ldap(Directory):
    name = "ldap"

    def manner(self):
        return [
            "auth_ldap.user_dn_pattern = cn=${username},%s" % PEOPLE,
            "auth_ldap.group_lookup_base = %s" % GROUPS,
        ]

    def test_a_bind_decides_who_comes_in(self):
        equal(self.broker.login("Joe", "joe-secret"), "ok")
        assert is_login_refused(self.broker.login("Joe", "wrong"))
        assert is_login_refused(self.broker.login("Nobody", "x"))

    def test_no_password_is_no_bind(self):
        assert is_login_refused(self.broker.login("Joe", ""))

    def test_a_name_is_no_part_of_a_dn(self):
        assert is_login_refused(self.broker.login("Joe,%s" % PEOPLE, "joe-secret"))

    def test_the_next_back_end_is_asked(self):
        equal(self.broker.login("guest", "guest"), "ok")

    def test_groups_and_their_groups(self):
        declare = lambda name: lambda c: c.queue_declare(name, exclusive=True)
        equal(self.step("Joe", "joe-secret", declare("anything")), "ok")
        equal(self.step("Ann", "ann-secret", declare("Ann-own")), "ok")
        found = self.step("Ann", "ann-secret", declare("anything"))
        equal(found, refused("configure", "queue 'anything' in vhost '/'", "Ann"))
        found = self.step("Joe", "joe-secret", declare("no-way"))
        equal(found, refused("configure", "queue 'no-way' in vhost '/'", "Joe"))

    def test_attributes(self):
        def declare_and_get(name):
            def go(channel):
                channel.queue_declare(name, exclusive=True)
                channel.basic_get(name)

            return go

        equal(self.step("Joe", "joe-secret", declare_and_get("queue-2")), "ok")
        found = self.step("Joe", "joe-secret", declare_and_get("queue-3"))
        equal(found, refused("read", "queue 'queue-3' in vhost '/'", "Joe"))

    def test_a_name_goes_on_behind_a_nul(self):
        self.only_leveret("RabbitMQ 3.10 lets it through")
        declare = lambda c: c.queue_declare("Ann-own\0.secret", exclusive=True)
        equal(self.step("Ann", "ann-secret", declare).startswith("403"), True)

    def test_topics(self):
        go = lambda key: lambda c: publish(c, "amq.topic", key)
        equal(self.step("Ann", "ann-secret", go("Ann.1")), "ok")
        found = self.step("Ann", "ann-secret", go("Joe.1"))
        equal(found, refused("write", "topic 'Joe.1' in exchange 'amq.topic' in vhost '/'", "Ann"))

    def test_tags(self):
        equal(self.step("Joe", "joe-secret", publish_as_somebody), "ok")
        found = self.step("Ann", "ann-secret", publish_as_somebody)
        assert "user_id property set to 'somebody'" in found, found


class LdapLookup(Directory):
    """The DN is looked up by an attribute, before the bind, as somebody; over STARTTLS."""

    name = "ldap-lookup"

    def manner(self):
        return [
            "auth_ldap.dn_lookup_attribute = uid",
            "auth_ldap.dn_lookup_base = %s" % PEOPLE,
            "auth_ldap.dn_lookup_bind.user_dn = cn=admin,dc=example,dc=org",
            "auth_ldap.dn_lookup_bind.password = admin-secret",
            "auth_ldap.group_lookup_base = %s" % GROUPS,
            "auth_ldap.other_bind.user_dn = cn=admin,dc=example,dc=org",
            "auth_ldap.other_bind.password = admin-secret",
            "auth_ldap.use_starttls = true",
            "auth_ldap.ssl_options.cacertfile = %s/ca.pem" % self.certificates,
            "auth_ldap.ssl_options.verify = verify_peer",
        ]

    def test_the_dn_is_looked_up(self):
        equal(self.broker.login("joe", "joe-secret"), "ok")
        equal(self.broker.login("ann", "ann-secret"), "ok")
        assert is_login_refused(self.broker.login("joe", "ann-secret"))
        assert is_login_refused(self.broker.login("nobody", "ann-secret"))
        assert is_login_refused(self.broker.login("*", "ann-secret"))

    def test_queries_are_asked_as_somebody_else(self):
        go = lambda c: c.queue_declare("anything", exclusive=True)
        equal(self.step("joe", "joe-secret", go), "ok")


class LdapAnonymous(Directory):
    """Looked up after the bind; queries as nobody; over TLS."""

    name = "ldap-anonymous"
    anonymous = "read"

    def settings(self):
        replaced = ("auth_ldap.port", "auth_ldap.servers.1")
        lines = [line for line in super().settings() if not line.startswith(replaced)]
        # Erlang finds no address in a certificate, libldap takes localhost for the machine's name.
        server = "127.0.0.1" if self.kind == "leveret" else "localhost"
        return lines + [
            "auth_ldap.port = %d" % self.slapd.tls_port,
            "auth_ldap.servers.1 = " + server,
        ]

    def manner(self):
        return [
            "auth_ldap.user_bind_pattern = cn=${username},%s" % PEOPLE,
            "auth_ldap.user_dn_pattern = ${username}",
            "auth_ldap.dn_lookup_attribute = cn",
            "auth_ldap.dn_lookup_base = %s" % PEOPLE,
            "auth_ldap.dn_lookup_bind = as_user",
            "auth_ldap.other_bind = anon",
            "auth_ldap.use_ssl = true",
            "auth_ldap.ssl_options.cacertfile = %s/ca.pem" % self.certificates,
            "auth_ldap.ssl_options.verify = verify_peer",
        ]

    def test_the_dn_is_looked_up_after_the_bind(self):
        equal(self.broker.login("Joe", "joe-secret"), "ok")
        assert is_login_refused(self.broker.login("Joe", "wrong"))

    def test_queries_are_asked_as_nobody(self):
        go = lambda c: c.queue_declare("Ann-own", exclusive=True)
        equal(self.step("Ann", "ann-secret", go), "ok")


class LdapPlainNames(Directory):
    """The name is what is bound as: a DN, or whatever else the server knows users by."""

    name = "ldap-plain-names"

    def manner(self):
        return ["auth_ldap.group_lookup_base = %s" % GROUPS]

    def test_a_dn_is_a_name(self):
        name = "cn=Joe," + PEOPLE
        equal(self.broker.login(name, "joe-secret"), "ok")
        assert is_login_refused(self.broker.login(name, "wrong"))
        go = lambda c: c.queue_declare("anything", exclusive=True)
        equal(self.step(name, "joe-secret", go), "ok")


class Silent(Suite):
    """A server that does not answer."""

    more = []
    timeout = "1000"

    def prepare(self):
        self.silent = SilentServer()
        self.servers.append(self.silent)

    def settings(self):
        return [
            "auth_backends.1 = ldap",
            "auth_backends.2 = internal",
            "auth_ldap.servers.1 = 127.0.0.1",
            "auth_ldap.port = %d" % self.silent.port,
            "auth_ldap.timeout = " + self.timeout,
        ] + self.more


class LdapSilent(Silent):
    """It is given up, and the next back end is asked."""

    name = "ldap-silent"

    def test_the_next_back_end_is_asked_in_time(self):
        self.only_leveret("RabbitMQ 3.10 ends the connection before it asks the next")
        started = time.time()
        equal(self.broker.login("guest", "guest"), "ok")
        taken = time.time() - started
        assert taken < 20, "it took %.1f s" % taken


class LdapSilentTls(LdapSilent):
    name = "ldap-silent-tls"
    more = ["auth_ldap.use_ssl = true", "auth_ldap.ssl_options.verify = verify_none"]


class LdapSilentStartTls(LdapSilent):
    name = "ldap-silent-starttls"
    more = ["auth_ldap.use_starttls = true", "auth_ldap.ssl_options.verify = verify_none"]


class LdapEnd(Silent):
    """Nobody who stops the server waits for a directory."""

    name = "ldap-end"
    timeout = "infinity"

    def test_the_end_waits_for_nobody(self):
        check_end(self)


class LdapEndTls(LdapEnd):
    name = "ldap-end-tls"
    more = LdapSilentTls.more


class LdapEndStartTls(LdapEnd):
    name = "ldap-end-starttls"
    more = LdapSilentStartTls.more


class LdapEndUnreachable(LdapEnd):
    """Not even the connection is taken."""

    name = "ldap-end-unreachable"

    def prepare(self):
        self.silent = FullServer()
        self.servers.append(self.silent)


SUITES = [
    Ldap,
    LdapLookup,
    LdapAnonymous,
    LdapPlainNames,
    LdapSilent,
    LdapSilentTls,
    LdapSilentStartTls,
    LdapEnd,
    LdapEndTls,
    LdapEndStartTls,
    LdapEndUnreachable,
]
