<?php
// SPDX-License-Identifier: Apache-2.0
//
// The broker restarts under its clients. This client has no recovery of its own: a worker connects again.

declare(strict_types=1);

use PhpAmqpLib\Exception\AMQPConnectionClosedException;
use PhpAmqpLib\Exception\AMQPIOException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

test('durable_things_survive_and_the_client_reconnects', function (Context $t): void {
    $connection = $t->connect();
    $channel = $connection->channel();
    $channel->confirm_select();
    $exchange = $t->exchange($channel, 'topic', durable: true);
    $sink = $t->exchange($channel, 'fanout', durable: true);
    $durable = $t->queue($channel, durable: true);
    $transient = $t->queue($channel);
    $channel->exchange_bind($sink, $exchange, 'to.#');
    $channel->queue_bind($durable, $sink);
    $large = random_bytes(2000000);
    $properties = ['delivery_mode' => 2, 'application_headers' => new AMQPTable(['n' => [1, 'x']])];
    $t->publish($channel, $durable, ['acked', 'first', $large, 'last'], $properties);
    $t->publish($channel, $durable, ['transient'], ['delivery_mode' => 1]);
    $channel->basic_get($durable)->ack();
    expect($channel->basic_get($durable)->getBody(), 'first', 'held unacked');

    $t->restartBroker();

    try {
        $channel->queue_declare($durable, true);
        throw new Mismatch('the old connection still works');
    } catch (AMQPConnectionClosedException | AMQPIOException) {
        $connection->reconnect();
    }
    $channel = $connection->channel();
    $channel->confirm_select();
    $channel->basic_publish(new AMQPMessage('routed', ['delivery_mode' => 2]), $exchange, 'to.sink');
    $channel->wait_for_pending_acks(WAIT_S);
    $taken = $t->consume($channel, $durable)->take(4);
    $shown = array_map(fn(string $body) => strlen($body) > 99 ? $body === $large : $body, bodies($taken));
    expect($shown, ['first', true, 'last', 'routed'], 'messages');
    expect($taken[0]->isRedelivered(), true, 'redelivered, of the one that was held');
    expect($taken[0]->get('application_headers')->getNativeData(), ['n' => [1, 'x']], 'headers');
    expect($t->isThere($transient), false, 'the transient queue');
});

// The client answers connection.close before it looks at the reason, and by then the socket may be gone.
test('consumer_notices_the_shutdown', function (Context $t): void {
    $connection = $t->connect();
    $channel = $connection->channel();
    $t->consume($channel, $t->queue($channel));
    $t->restartBroker();
    try {
        wait_until($channel, fn() => false, 'the end');
    } catch (AMQPConnectionClosedException) {
        expect($connection->isConnected(), false, 'connected');
    }
});
