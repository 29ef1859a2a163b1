<?php
// SPDX-License-Identifier: Apache-2.0
//
// Exchanges, bindings, and the life of queues.

declare(strict_types=1);

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

/** Publishes [key, headers] pairs; for each queue the numbers of those that it got. */
function routed(Context $t, AMQPChannel $channel, string $exchange, array $queues, array $messages): array
{
    foreach ($messages as $number => $message) {
        $properties = isset($message[1]) ? ['application_headers' => new AMQPTable($message[1])] : [];
        $channel->basic_publish(new AMQPMessage((string) $number, $properties), $exchange, $message[0]);
    }
    $channel->wait_for_pending_acks(WAIT_S);
    return array_map(fn(string $queue) => array_map('intval', $t->drain($channel, $queue)), $queues);
}

test('direct_exchange', function (Context $t): void {
    $channel = $t->confirmChannel();
    $exchange = $t->exchange($channel, 'direct');
    [$one, $two] = [$t->queue($channel), $t->queue($channel)];
    foreach ([[$one, 'a'], [$two, 'a'], [$two, 'b']] as [$queue, $key]) {
        $channel->queue_bind($queue, $exchange, $key);
    }
    $keys = [['a'], ['b'], ['c']];
    expect(routed($t, $channel, $exchange, [$one, $two], $keys), [[0], [0, 1]], 'routed');
    $channel->queue_unbind($two, $exchange, 'a');
    expect(routed($t, $channel, $exchange, [$one, $two], $keys), [[0], [1]], 'after unbinding');
});

test('fanout_exchange', function (Context $t): void {
    $channel = $t->confirmChannel();
    $exchange = $t->exchange($channel, 'fanout');
    $queues = array_map(fn() => $t->queue($channel), range(1, 5));
    foreach ($queues as $queue) {
        $channel->queue_bind($queue, $exchange);
    }
    expect(routed($t, $channel, $exchange, $queues, [['x']]), array_fill(0, 5, [0]), 'routed');
});

test('topic_exchange', function (Context $t): void {
    $channel = $t->confirmChannel();
    $exchange = $t->exchange($channel, 'topic');
    $patterns = [
        '*.orange.*' => [0, 1], '*.*.rabbit' => [0], 'lazy.#' => [1, 2, 3],
        '#' => [0, 1, 2, 3, 4, 5], '#.orange' => [4], '*' => [2, 4], '' => [5],
    ];
    $queues = [];
    foreach (array_keys($patterns) as $pattern) {
        $queues[] = $queue = $t->queue($channel);
        $channel->queue_bind($queue, $exchange, $pattern);
    }
    $keys = [['quick.orange.rabbit'], ['lazy.orange.fox'], ['lazy'], ['lazy.'], ['orange'], ['']];
    $got = routed($t, $channel, $exchange, $queues, $keys);
    expect(array_combine(array_keys($patterns), $got), $patterns, 'routed');
});

test('headers_exchange', function (Context $t): void {
    $channel = $t->confirmChannel();
    $exchange = $t->exchange($channel, 'headers');
    $queues = [];
    foreach (
        [
            ['x-match' => 'all', 'format' => 'pdf', 'pages' => 3],
            ['x-match' => 'any', 'format' => 'pdf', 'pages' => 3],
            ['format' => 'zip'],
            ['x-match' => 'all', 'urgent' => null],
        ] as $arguments
    ) {
        $queues[] = $queue = $t->queue($channel);
        $channel->queue_bind($queue, $exchange, '', false, new AMQPTable($arguments));
    }
    $messages = [
        ['', ['format' => 'pdf', 'pages' => 3]],
        ['', ['format' => 'pdf', 'pages' => 4]],
        ['', ['format' => 'zip', 'urgent' => true]],
        [''],
    ];
    expect(routed($t, $channel, $exchange, $queues, $messages), [[0], [0, 1], [2], [2]], 'routed');
});

test('exchange_to_exchange', function (Context $t): void {
    $channel = $t->confirmChannel();
    [$source, $target] = [$t->exchange($channel, 'topic'), $t->exchange($channel, 'fanout')];
    $queue = $t->queue($channel);
    $channel->exchange_bind($target, $source, 'a.#');
    $channel->queue_bind($queue, $target);
    expect(routed($t, $channel, $source, [$queue], [['a.b'], ['b']]), [[0]], 'routed');
    $channel->exchange_unbind($target, $source, 'a.#');
    expect(routed($t, $channel, $source, [$queue], [['a.b']]), [[]], 'after unbinding');
});

test('alternate_exchange', function (Context $t): void {
    $channel = $t->confirmChannel();
    $other = $t->exchange($channel, 'fanout');
    $exchange = $t->exchange($channel, 'direct', ['alternate-exchange' => $other]);
    [$known, $unknown] = [$t->queue($channel), $t->queue($channel)];
    $channel->queue_bind($known, $exchange, 'a');
    $channel->queue_bind($unknown, $other);
    expect(routed($t, $channel, $exchange, [$known, $unknown], [['a'], ['b']]), [[0], [1]], 'routed');
});

test('server_named_queue', function (Context $t): void {
    $channel = $t->confirmChannel();
    [$name] = $channel->queue_declare('', false, false, true);
    expect_true(str_starts_with($name, 'amq.gen-'), "name: $name");
    $t->publish($channel, $name, ['x']);
    expect($t->drain($channel, $name), ['x'], 'bodies');
});

test('exclusive_queue_vanishes_with_its_connection', function (Context $t): void {
    $owner = $t->connect();
    $queue = $t->queue($owner->channel(), exclusive: true);
    $owner->close();
    poll('the queue is gone', fn() => !$t->isThere($queue));
});

test('auto_delete_queue_vanishes_after_its_last_consumer', function (Context $t): void {
    $channel = $t->channel();
    $queue = $t->queue($channel, auto_delete: true);
    [$one, $two] = [$t->consume($channel, $queue), $t->consume($channel, $queue)];
    $channel->basic_cancel($one->tag);
    expect($t->isThere($queue), true, 'there with one consumer left');
    $channel->basic_cancel($two->tag);
    poll('the queue is gone', fn() => !$t->isThere($queue));
});

test('purge_and_delete_count', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel);
    $t->publish($channel, $queue, ['1', '2', '3']);
    expect($channel->queue_purge($queue), 3, 'purged');
    $t->publish($channel, $queue, ['4', '5']);
    expect($channel->queue_delete($queue), 2, 'deleted');
});
