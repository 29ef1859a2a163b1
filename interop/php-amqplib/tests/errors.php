<?php
// SPDX-License-Identifier: Apache-2.0
//
// The errors of channels and connections, with their codes and texts.

declare(strict_types=1);

use PhpAmqpLib\Exception\AMQPProtocolException;

test('missing_things_are_404', function (Context $t): void {
    $missing = $t->name('missing');
    $queue = "NOT_FOUND - no queue '$missing' in vhost '/'";
    $exchange = "NOT_FOUND - no exchange '$missing' in vhost '/'";
    expect_error(404, $queue, fn() => $t->channel()->queue_declare($missing, true));
    expect_error(404, $queue, fn() => $t->channel()->basic_get($missing));
    expect_error(404, $queue, fn() => $t->channel()->basic_consume($missing));
    expect_error(404, $queue, fn() => $t->channel()->queue_purge($missing));
    expect_error(404, $queue, fn() => $t->channel()->queue_bind($missing, 'amq.direct', 'a'));
    expect_error(404, $exchange, fn() => $t->channel()->exchange_declare($missing, 'direct', true));
    expect_error(404, $exchange, fn() => $t->channel()->exchange_bind('amq.direct', $missing, 'a'));
});

test('inequivalent_declare_is_406', function (Context $t): void {
    $queue = $t->queue($t->channel(), durable: true);
    $text = "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '$queue' in vhost '/':"
        . " received 'false' but current is 'true'";
    expect_error(406, $text, fn() => $t->channel()->queue_declare($queue, false, false, false, false));
    $exchange = $t->exchange($t->channel(), 'direct');
    $text = "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '$exchange' in vhost '/':"
        . " received 'fanout' but current is 'direct'";
    expect_error(406, $text, fn() => $t->channel()->exchange_declare($exchange, 'fanout', false, false, false));
});

test('exclusive_queue_is_locked', function (Context $t): void {
    $queue = $t->queue($t->channel(), exclusive: true);
    $text = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '$queue' in vhost '/'. It could be"
        . ' originally declared on another connection or the exclusive property value does not match that of the'
        . ' original declaration.';
    expect_error(405, $text, fn() => $t->channel()->queue_declare($queue, true));
    expect_error(405, $text, fn() => $t->channel()->basic_consume($queue));
});

test('reserved_names_are_403', function (Context $t): void {
    $text = "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'";
    expect_error(403, $text, fn() => $t->channel()->queue_declare('amq.mine'));
    $text = "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed";
    expect_error(403, $text, fn() => $t->channel()->exchange_delete('amq.topic'));
});

test('delete_if_empty_and_if_unused', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel);
    $t->publish($channel, $queue, ['x']);
    $text = "PRECONDITION_FAILED - queue '$queue' in vhost '/' not empty";
    expect_error(406, $text, fn() => $channel->queue_delete($queue, false, true));
    $t->consume($t->channel(), $queue, no_ack: false);
    $text = "PRECONDITION_FAILED - queue '$queue' in vhost '/' in use";
    expect_error(406, $text, fn() => $t->channel()->queue_delete($queue, true));
});

test('default_exchange_cannot_be_bound', function (Context $t): void {
    $queue = $t->queue($t->channel());
    $text = 'ACCESS_REFUSED - operation not permitted on the default exchange';
    expect_error(403, $text, fn() => $t->channel()->queue_bind($queue, '', 'a'));
});

test('connection_lives_on_after_a_channel_error', function (Context $t): void {
    $connection = $t->connect();
    [$bad, $good] = [$connection->channel(), $connection->channel()];
    $missing = $t->name('missing');
    $text = "NOT_FOUND - no queue '$missing' in vhost '/'";
    expect_error(404, $text, fn() => $bad->queue_declare($missing, true));
    $good->confirm_select();
    $queue = $t->queue($good);
    $t->publish($good, $queue, ['x']);
    expect($t->drain($connection->channel(), $queue), ['x'], 'bodies');
});

// Up to 3.13.0 a connection error (503), since then one of the channel (406).
test('unknown_exchange_type_is_refused', function (Context $t): void {
    try {
        $t->channel()->exchange_declare($t->name('x'), 'nonsense');
    } catch (AMQPProtocolException | PhpAmqpLib\Exception\AMQPConnectionClosedException $error) {
        expect_true(in_array($error->getCode(), [503, 406], true), 'code: ' . $error->getCode());
        expect_true(str_contains($error->getMessage(), "unknown exchange type 'nonsense'"), $error->getMessage());
        return;
    }
    throw new Mismatch('an exchange of an unknown type was declared');
});

test('prefetch_size_is_not_implemented', function (Context $t): void {
    $channel = $t->channel();
    expect_error(540, 'NOT_IMPLEMENTED - prefetch_size!=0 (10)', fn() => $channel->basic_qos(10, 0, false));
});
