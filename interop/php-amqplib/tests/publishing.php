<?php
// SPDX-License-Identifier: Apache-2.0
//
// Publisher confirms, returned messages, transactions, properties and bodies.

declare(strict_types=1);

use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

test('confirms_of_a_stream_of_messages', function (Context $t): void {
    $channel = $t->channel();
    [$acked, $nacked] = [[], []];
    $channel->set_ack_handler(function (AMQPMessage $m) use (&$acked): void {
        $acked[] = $m->getBody();
    });
    $channel->set_nack_handler(function (AMQPMessage $m) use (&$nacked): void {
        $nacked[] = $m->getBody();
    });
    $channel->confirm_select();
    $queue = $t->queue($channel, durable: true);
    $sent = array_map('strval', range(1, QUICK ? 500 : 3000));
    $t->publish($channel, $queue, $sent, ['delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT]);
    sort($acked, SORT_NUMERIC);
    expect($acked === $sent, true, 'each acked once');
    expect($nacked, [], 'nacked');
    expect($t->drain($channel, $queue) === $sent, true, 'in the order of publishing');
});

test('publishing_in_batches', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel);
    for ($n = 0; $n < 300; $n++) {
        $channel->batch_basic_publish(new AMQPMessage((string) $n), '', $queue);
        if ($n % 100 === 99) {
            $channel->publish_batch();
        }
    }
    $channel->wait_for_pending_acks(WAIT_S);
    expect($t->drain($channel, $queue), array_map('strval', range(0, 299)), 'bodies');
});

test('mandatory_unroutable_message_is_returned', function (Context $t): void {
    $channel = $t->confirmChannel();
    $exchange = $t->exchange($channel, 'direct');
    $returned = [];
    $channel->set_return_listener(function (...$return) use (&$returned): void {
        $returned[] = $return;
    });
    $message = new AMQPMessage('body', ['message_id' => 'm1', 'application_headers' => new AMQPTable(['k' => 'v'])]);
    $channel->basic_publish($message, $exchange, 'nowhere', true);
    $channel->basic_publish(new AMQPMessage('dropped'), $exchange, 'nowhere', false);
    $channel->wait_for_pending_acks_returns(WAIT_S);
    expect(count($returned), 1, 'returned');
    [$code, $text, $from, $key, $back] = $returned[0];
    expect([$code, $text, $from, $key], [312, 'NO_ROUTE', $exchange, 'nowhere'], 'basic.return');
    expect([$back->getBody(), $back->get('message_id')], ['body', 'm1'], 'content');
    expect($back->get('application_headers')->getNativeData(), ['k' => 'v'], 'headers');
});

test('publish_to_a_missing_exchange_is_404', function (Context $t): void {
    $channel = $t->confirmChannel();
    $missing = $t->name('missing');
    expect_error(404, "NOT_FOUND - no exchange '$missing' in vhost '/'", function () use ($channel, $missing): void {
        $channel->basic_publish(new AMQPMessage('x'), $missing);
        $channel->wait_for_pending_acks(WAIT_S);
    });
});

test('wrong_user_id_is_406', function (Context $t): void {
    $text = "PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was 'guest'";
    $channel = $t->confirmChannel();
    expect_error(406, $text, fn() => $t->publish($channel, 'q', ['x'], ['user_id' => 'somebody']));
});

test('transaction_commits_and_rolls_back', function (Context $t): void {
    $channel = $t->channel();
    $queue = $t->queue($channel);
    $channel->tx_select();
    $channel->basic_publish(new AMQPMessage('1'), '', $queue);
    expect($t->counts($queue), [0, 0], 'before the commit');
    $channel->tx_commit();
    $channel->basic_publish(new AMQPMessage('discarded'), '', $queue);
    $channel->tx_rollback();
    $channel->basic_publish(new AMQPMessage('2'), '', $queue);
    $channel->tx_commit();
    poll('both messages', fn() => $t->counts($queue) === [2, 0]);
    expect($t->drain($channel, $queue), ['1', '2'], 'bodies');
});

test('all_properties_round_trip', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel);
    $wanted = [
        'content_type' => 'application/json',
        'content_encoding' => 'gzip',
        'delivery_mode' => 2,
        'priority' => 7,
        'correlation_id' => 'correlation',
        'reply_to' => 'reply',
        'expiration' => '600000',
        'message_id' => 'id',
        'timestamp' => 1700000000,
        'type' => 'kind',
        'user_id' => setting('AMQP_USER'),
        'app_id' => 'application',
        'cluster_id' => 'cluster',
    ];
    $t->publish($channel, $queue, ['x'], $wanted);
    $got = $channel->basic_get($queue, true)->get_properties();
    ksort($got);
    ksort($wanted);
    expect(array_map('strval', $got), array_map('strval', $wanted), 'properties');
});

test('header_types_round_trip', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel);
    $headers = [
        'bool' => true,
        'int' => -(2 ** 31),
        'long' => 2 ** 62,
        'string' => 'text € 🐇',
        'empty' => '',
        'void' => null,
        'double' => 3.25,
        'array' => [1, 'two', [3, [4]], ['five' => 5]],
        'table' => ['a' => ['b' => ['c' => 'd']]],
    ];
    $t->publish($channel, $queue, ['x'], ['application_headers' => new AMQPTable($headers)]);
    $got = $channel->basic_get($queue, true)->get('application_headers')->getNativeData();
    $got['double'] = (float) $got['double'];
    expect($got, $headers, 'headers');
});

test('bodies_around_the_frame_size', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel);
    $limit = 131072 - 8;
    $sizes = [0, 1, $limit - 1, $limit, $limit + 1, 2 * $limit, 2 * $limit + 1];
    $t->publish($channel, $queue, array_map(fn(int $size) => str_repeat('x', $size), $sizes));
    expect(array_map('strlen', $t->drain($channel, $queue)), $sizes, 'sizes');
});

test('message_of_several_megabytes', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel, durable: true);
    $body = random_bytes(QUICK ? 5000000 : 15000000);
    $t->publish($channel, $queue, [$body, 'after'], ['delivery_mode' => 2]);
    [$first, $second] = $t->drain($channel, $queue);
    expect([$first === $body, $second], [true, 'after'], 'the large one, the one after');
});
