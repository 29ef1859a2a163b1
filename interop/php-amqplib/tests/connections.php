<?php
// SPDX-License-Identifier: Apache-2.0
//
// Opening, authenticating, keeping and closing connections.

declare(strict_types=1);

use PhpAmqpLib\Connection\AMQPConnectionConfig;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPConnectionClosedException;

test('connection_opens_and_closes_cleanly', function (Context $t): void {
    $connection = $t->connect();
    $connection->channel()->queue_declare('', false, false, true);
    $connection->close();
    expect($connection->isConnected(), false, 'connected');
});

test('connection_by_sockets', function (Context $t): void {
    $connection = $t->connect(['IoType' => AMQPConnectionConfig::IO_TYPE_SOCKET]);
    $channel = $connection->channel();
    $channel->confirm_select();
    $queue = $t->queue($channel);
    $t->publish($channel, $queue, ['x']);
    expect($t->drain($channel, $queue), ['x'], 'bodies');
});

test('one_of_several_hosts', function (Context $t): void {
    $user = ['user' => setting('AMQP_USER'), 'password' => setting('AMQP_PASSWORD'), 'vhost' => setting('AMQP_VHOST')];
    $hosts = [
        ['host' => setting('AMQP_HOST'), 'port' => 1] + $user,
        ['host' => setting('AMQP_HOST'), 'port' => setting('AMQP_PORT')] + $user,
    ];
    $connection = AMQPStreamConnection::create_connection($hosts);
    expect($connection->isConnected(), true, 'connected');
    $connection->close();
});

test('server_announces_itself_and_its_capabilities', function (Context $t): void {
    $properties = $t->connect()->getServerProperties();
    expect($properties['product'][1], 'RabbitMQ', 'product');
    foreach (
        ['publisher_confirms', 'exchange_exchange_bindings', 'basic.nack', 'consumer_cancel_notify',
            'connection.blocked', 'authentication_failure_close'] as $capability
    ) {
        expect((bool) ($properties['capabilities'][1][$capability][1] ?? null), true, $capability);
    }
});

test('login_by_each_mechanism', function (Context $t): void {
    foreach (['PLAIN', 'AMQPLAIN'] as $mechanism) {
        $t->connect(['LoginMethod' => $mechanism])->channel()->queue_declare('', false, false, true);
    }
});

test('many_channels', function (Context $t): void {
    $connection = $t->connect();
    $channels = array_map(fn() => $connection->channel(), range(1, QUICK ? 100 : 500));
    $queue = $t->queue($channels[0]);
    foreach ($channels as $number => $channel) {
        $channel->confirm_select();
        $t->publish($channel, $queue, [$number]);
    }
    expect($t->drain($channels[0], $queue), array_map('strval', array_keys($channels)), 'bodies');
});

test('wrong_password_is_refused_with_403', function (Context $t): void {
    $text = 'ACCESS_REFUSED - Login was refused using authentication mechanism AMQPLAIN.'
        . ' For details see the broker logfile.';
    expect_error(403, $text, fn() => $t->connect(['Password' => 'wrong']));
});

test('missing_vhost_is_refused_with_530', function (Context $t): void {
    $text = 'NOT_ALLOWED - vhost no-such-vhost not found';
    expect_error(530, $text, fn() => $t->connect(['Vhost' => 'no-such-vhost']));
});

test('idle_connection_survives_by_heartbeats', function (Context $t): void {
    $connection = $t->connect(['Heartbeat' => 2]);
    $channel = $connection->channel();
    $end = microtime(true) + 5;
    while (microtime(true) < $end) {
        usleep(500000);
        $connection->checkHeartBeat();
    }
    $channel->queue_declare('', false, false, true);
});

test('silent_client_is_disconnected', function (Context $t): void {
    $connection = $t->connect(['Heartbeat' => 1]);
    $started = microtime(true);
    $socket = $connection->getIO()->getSocket();
    stream_set_blocking($socket, true);
    stream_set_timeout($socket, WAIT_S);
    while (!feof($socket) && microtime(true) - $started < WAIT_S) {
        fread($socket, 4096); // reads what the server sends and answers nothing
    }
    $waited_s = microtime(true) - $started;
    expect_true($waited_s >= 1 && $waited_s <= 10, "disconnected after $waited_s s");
    $t->drop($connection);
});

test('connection_that_vanishes_gives_its_messages_back', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel, durable: true);
    $t->publish($channel, $queue, ['kept']);
    $lost = $t->connect();
    expect($lost->channel()->basic_get($queue)->getBody(), 'kept', 'held');
    $t->drop($lost);
    $back = $t->consume($channel, $queue)->take(1)[0];
    expect([$back->getBody(), $back->isRedelivered()], ['kept', true], 'body, redelivered');
});

test('closed_connection_cannot_be_used', function (Context $t): void {
    $connection = $t->connect();
    $channel = $connection->channel();
    $connection->close();
    try {
        $channel->queue_declare('', false, false, true);
    } catch (PhpAmqpLib\Exception\AMQPChannelClosedException | AMQPConnectionClosedException) {
        $connection->reconnect();
        $connection->channel()->queue_declare('', false, false, true);
        return;
    }
    throw new Mismatch('a closed connection took a method');
});
