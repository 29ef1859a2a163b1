<?php
// SPDX-License-Identifier: Apache-2.0
//
// What a queue's arguments make of its messages: time to live, dead letters, limits, priorities, single
// active consumers, quorum queues.

declare(strict_types=1);

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

/** [exchange, queue of what arrives at it] */
function dead_letters(Context $t, AMQPChannel $channel): array
{
    [$exchange, $dead] = [$t->exchange($channel, 'fanout'), $t->queue($channel)];
    $channel->queue_bind($dead, $exchange);
    return [$exchange, $dead];
}

function take_from(AMQPChannel $channel, string $queue): AMQPMessage
{
    return poll("a message in $queue", fn() => $channel->basic_get($queue, true));
}

function headers(AMQPMessage $message): array
{
    return $message->has('application_headers') ? $message->get('application_headers')->getNativeData() : [];
}

/** x-death without its times, which must be there. */
function deaths(AMQPMessage $message): array
{
    return array_map(function (array $death): array {
        expect_true(isset($death['time']), 'a death without its time: ' . show($death));
        unset($death['time']);
        ksort($death);
        return $death;
    }, headers($message)['x-death'] ?? []);
}

test('expired_messages_are_dead_lettered', function (Context $t): void {
    $channel = $t->confirmChannel();
    [$exchange, $dead] = dead_letters($t, $channel);
    $queue = $t->queue($channel, ['x-message-ttl' => 50, 'x-dead-letter-exchange' => $exchange]);
    $t->publish($channel, $queue, ['x']);
    $message = take_from($channel, $dead);
    expect($message->getRoutingKey(), $queue, 'routing key');
    $death = ['count' => 1, 'exchange' => '', 'queue' => $queue, 'reason' => 'expired', 'routing-keys' => [$queue]];
    expect(deaths($message), [$death], 'x-death');
    expect(headers($message)['x-first-death-reason'], 'expired', 'x-first-death-reason');
    expect(headers($message)['x-first-death-queue'], $queue, 'x-first-death-queue');
});

test('expiration_of_a_message_is_taken_off_and_told', function (Context $t): void {
    $channel = $t->confirmChannel();
    [$exchange, $dead] = dead_letters($t, $channel);
    $queue = $t->queue($channel, ['x-dead-letter-exchange' => $exchange]);
    $t->publish($channel, $queue, ['x'], ['expiration' => '40']);
    $message = take_from($channel, $dead);
    expect($message->has('expiration'), false, 'expiration');
    expect(deaths($message)[0]['original-expiration'], '40', 'original-expiration');
});

test('rejected_messages_get_the_dead_letter_routing_key', function (Context $t): void {
    $channel = $t->confirmChannel();
    $dead = $t->queue($channel);
    $queue = $t->queue($channel, ['x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => $dead]);
    $t->publish($channel, $queue, ['x']);
    $channel->basic_get($queue)->reject(false);
    $message = take_from($channel, $dead);
    expect($message->getRoutingKey(), $dead, 'routing key');
    expect([deaths($message)[0]['reason'], deaths($message)[0]['routing-keys']], ['rejected', [$queue]], 'x-death');
});

// The usual way to retry later: a work queue, and one whose messages expire back into it.
test('retry_queues_count_deaths', function (Context $t): void {
    $channel = $t->confirmChannel();
    $later = $t->name('later');
    $work = $t->queue($channel, ['x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => $later]);
    $back = ['x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => $work, 'x-message-ttl' => 20];
    $channel->queue_declare($later, false, false, true, false, false, new AMQPTable($back));
    $inbox = $t->consume($channel, $work, no_ack: false);
    $t->publish($channel, $work, ['x']);
    foreach (range(0, 3) as $try) {
        [$message] = $inbox->take(1);
        $seen = array_map(fn(array $death) => [$death['queue'], $death['reason'], $death['count']], deaths($message));
        $wanted = $try === 0 ? [] : [[$later, 'expired', $try], [$work, 'rejected', $try]];
        expect($seen, $wanted, "deaths at try $try");
        $message->reject(false);
    }
});

test('unused_queue_expires', function (Context $t): void {
    $queue = $t->queue($t->channel(), ['x-expires' => 300]);
    poll('deleted when nobody used it', function () use ($t, $queue): bool {
        usleep(600000); // asking is a use of the queue
        return !$t->isThere($queue);
    });
});

test('max_length_drops_the_oldest', function (Context $t): void {
    $channel = $t->confirmChannel();
    [$exchange, $dead] = dead_letters($t, $channel);
    $queue = $t->queue($channel, ['x-max-length' => 2, 'x-dead-letter-exchange' => $exchange]);
    $t->publish($channel, $queue, ['1', '2', '3']);
    $dropped = take_from($channel, $dead);
    expect([$dropped->getBody(), deaths($dropped)[0]['reason']], ['1', 'maxlen'], 'body, reason');
    expect($t->drain($channel, $queue), ['2', '3'], 'what is left');
});

test('full_queue_nacks_publishes', function (Context $t): void {
    $channel = $t->confirmChannel();
    $nacked = [];
    $channel->set_nack_handler(function (AMQPMessage $message) use (&$nacked): void {
        $nacked[] = $message->getBody();
    });
    $queue = $t->queue($channel, ['x-max-length' => 1, 'x-overflow' => 'reject-publish']);
    $t->publish($channel, $queue, ['1', '2', '3']);
    expect($nacked, ['2', '3'], 'nacked');
    expect($t->drain($channel, $queue), ['1'], 'what is left');
});

test('priorities_come_first', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel, ['x-max-priority' => 5]);
    foreach (['a' => 0, 'b' => 5, 'c' => 3, 'd' => 5, 'e' => 0, 'f' => 200] as $body => $priority) {
        $t->publish($channel, $queue, [$body], ['priority' => $priority]);
    }
    expect($t->drain($channel, $queue), ['b', 'd', 'f', 'c', 'a', 'e'], 'in this order');
});

test('single_active_consumer_hands_over', function (Context $t): void {
    [$one, $two, $publisher] = [$t->channel(), $t->channel(), $t->confirmChannel()];
    $queue = $t->queue($publisher, ['x-single-active-consumer' => true]);
    [$first, $second] = [$t->consume($one, $queue), $t->consume($two, $queue)];
    $t->publish($publisher, $queue, ['1', '2']);
    expect(bodies($first->take(2)), ['1', '2'], 'to the first');
    settle($two);
    expect($second->messages, [], 'deliveries to the one that waits');
    $one->basic_cancel($first->tag);
    $t->publish($publisher, $queue, ['3']);
    expect(bodies($second->take(1)), ['3'], 'to the second');
});

test('quorum_queue_counts_deliveries_and_buries_poison', function (Context $t): void {
    $channel = $t->confirmChannel();
    [$exchange, $dead] = dead_letters($t, $channel);
    $arguments = ['x-queue-type' => 'quorum', 'x-delivery-limit' => 2, 'x-dead-letter-exchange' => $exchange];
    $queue = $t->queue($channel, $arguments, durable: true);
    $inbox = $t->consume($channel, $queue, no_ack: false);
    $t->publish($channel, $queue, ['poison'], ['delivery_mode' => 2]);
    $seen = [];
    while (count($seen) < 3) {
        [$message] = $inbox->take(1);
        $seen[] = [headers($message)['x-delivery-count'] ?? null, $message->isRedelivered()];
        $message->nack(true);
    }
    expect($seen, [[null, false], [1, true], [2, true]], 'x-delivery-count, redelivered');
    expect(deaths(take_from($channel, $dead))[0]['reason'], 'delivery_limit', 'reason');
});

test('quorum_queue_must_be_durable', function (Context $t): void {
    $name = $t->name('q');
    $text = "PRECONDITION_FAILED - invalid property 'non-durable' for queue '$name' in vhost '/'";
    $table = new AMQPTable(['x-queue-type' => 'quorum']);
    expect_error(406, $text, fn() => $t->channel()->queue_declare($name, false, false, false, false, false, $table));
});

test('wrong_arguments_are_406', function (Context $t): void {
    $name = $t->name('wrong');
    foreach (
        [
            ['x-message-ttl', -1, '{value_negative,-1}'],
            ['x-expires', 0, '{value_zero,0}'],
            ['x-max-priority', 256, '{max_value_exceeded,256}'],
        ] as [$argument, $value, $reason]
    ) {
        $text = "PRECONDITION_FAILED - invalid arg '$argument' for queue '$name' in vhost '/': $reason";
        $table = new AMQPTable([$argument => $value]);
        expect_error(406, $text, fn() => $t->channel()->queue_declare($name, false, false, false, false, false, $table));
    }
});
