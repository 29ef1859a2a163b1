// SPDX-License-Identifier: Apache-2.0

package main

// TLS: the server verified by its authority, the client known by its certificate, and refusals.

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

var tlsTests = []test{
	{name: "tls_server_verified", body: func(t *T) { tlsRoundTrip(t, host(), authority(t)) }},
	{name: "tls_server_verified_by_host_name", body: func(t *T) { tlsRoundTrip(t, "localhost", authority(t)) }},
	{name: "tls_mutual_1.2", body: func(t *T) { tlsMutual(t, tls.VersionTLS12) }},
	{name: "tls_mutual_1.3", body: func(t *T) { tlsMutual(t, tls.VersionTLS13) }},
	{name: "tls_by_url_parameters", body: tlsByURL},
	{name: "tls_unknown_authority_is_refused_by_the_client", body: tlsUnknownAuthority},
	{name: "tls_wrong_password_403", body: tlsWrongPassword},
	{name: "plain_client_on_the_tls_port_fails", body: plainOnTLS},
}

func authority(t *T) *tls.Config {
	pem, err := os.ReadFile(environment("AMQP_CA_FILE"))
	t.must(err)
	roots := x509.NewCertPool()
	t.equal("certificates in AMQP_CA_FILE", roots.AppendCertsFromPEM(pem), true)
	return &tls.Config{RootCAs: roots}
}

func tlsURL(host, password string) string {
	return urlOf("amqps", host, environment("AMQP_TLS_PORT"), password, environment("AMQP_VHOST", "/"))
}

func checkSecure(t *T, connection *connection) {
	t.equal("verified", len(connection.ConnectionState().VerifiedChains) > 0, true)
	body := randomBytes(500000)
	got := roundTrip(t, t.confirmChannelOn(connection), amqp.Publishing{Body: body})
	t.equal("body is unchanged", bytes.Equal(got.Body, body), true)
}

func tlsRoundTrip(t *T, host string, config *tls.Config) *connection {
	connection := t.connectTo(tlsURL(host, password()), amqp.Config{TLSClientConfig: config})
	checkSecure(t, connection)
	return connection
}

func tlsMutual(t *T, version uint16) {
	certificate, err := tls.LoadX509KeyPair(environment("AMQP_CLIENT_CERT"), environment("AMQP_CLIENT_KEY"))
	t.must(err)
	config := authority(t)
	config.Certificates = []tls.Certificate{certificate}
	config.MinVersion, config.MaxVersion = version, version
	connection := tlsRoundTrip(t, host(), config)
	t.equal("version", connection.ConnectionState().Version, version)
}

func tlsByURL(t *T) {
	where := tlsURL(host(), password()) + "?cacertfile=" + environment("AMQP_CA_FILE") +
		"&certfile=" + environment("AMQP_CLIENT_CERT") + "&keyfile=" + environment("AMQP_CLIENT_KEY")
	checkSecure(t, t.connectTo(where, amqp.Config{}))
}

func tlsUnknownAuthority(t *T) {
	_, err := t.tryConnect(tlsURL(host(), password()), amqp.Config{TLSClientConfig: &tls.Config{}})
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.fatalf("expected an unknown authority, got %v", err)
	}
}

func tlsWrongPassword(t *T) {
	_, err := t.tryConnect(tlsURL(host(), "wrong"), amqp.Config{TLSClientConfig: authority(t)})
	t.checkReply(err, 403, amqp.ErrCredentials.Reason)
}

func plainOnTLS(t *T) {
	where := urlOf("amqp", host(), environment("AMQP_TLS_PORT"), password(), environment("AMQP_VHOST", "/"))
	if _, err := t.tryConnect(where, amqp.Config{}); err == nil {
		t.fatalf("a plain connection to the TLS port was accepted")
	}
	tlsRoundTrip(t, host(), authority(t))
}
