<?php
// SPDX-License-Identifier: Apache-2.0
//
// TLS: the server verified by its authority, the client known by its certificate, and refusals.

declare(strict_types=1);

use PhpAmqpLib\Connection\AbstractConnection;

function round_trip(Context $t, AbstractConnection $connection, string $body = 'over TLS'): void
{
    $channel = $connection->channel();
    $channel->confirm_select();
    $queue = $t->queue($channel);
    $t->publish($channel, $queue, [$body]);
    expect($t->drain($channel, $queue) === [$body], true, 'the message came back');
}

function certificate(): array
{
    return ['local_cert' => setting('AMQP_CLIENT_CERT'), 'local_pk' => setting('AMQP_CLIENT_KEY')];
}

test('tls_with_server_verified', fn(Context $t) => round_trip($t, $t->connectTls()));

test('tls_mutual', fn(Context $t) => round_trip($t, $t->connectTls(certificate())));

test('tls_external_by_common_name', fn(Context $t) => round_trip($t, $t->connectTls(certificate(), '', 'EXTERNAL')));

test('tls_carries_a_large_message', fn(Context $t) => round_trip($t, $t->connectTls(), random_bytes(5000000)));

test('tls_wrong_password_is_403', function (Context $t): void {
    $text = 'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.';
    expect_error(403, $text, fn() => $t->connectTls([], 'wrong'));
});

test('tls_with_another_authority_is_refused_by_the_client', function (Context $t): void {
    try {
        $t->connectTls(['cafile' => '/etc/ssl/certs/ca-certificates.crt']);
    } catch (PhpAmqpLib\Exception\AMQPIOException $error) {
        return;
    }
    throw new Mismatch('connected without trusting the authority');
});

test('plain_client_on_the_tls_port_is_refused', function (Context $t): void {
    try {
        $t->connect(['Port' => (int) setting('AMQP_TLS_PORT'), 'ReadTimeout' => 5.0, 'WriteTimeout' => 5.0]);
    } catch (Mismatch $error) {
        throw $error;
    } catch (Exception) {
        round_trip($t, $t->connectTls());
        return;
    }
    throw new Mismatch('AMQP without TLS was accepted on the TLS port');
});
