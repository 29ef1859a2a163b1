<?php
// SPDX-License-Identifier: Apache-2.0
//
// Consuming, acknowledging, prefetch, redelivery, cancellation, request and reply.

declare(strict_types=1);

use PhpAmqpLib\Exception\AMQPBasicCancelException;
use PhpAmqpLib\Message\AMQPMessage;

function redelivered(array $messages): array
{
    return array_map(fn(AMQPMessage $m) => $m->isRedelivered(), $messages);
}

test('publish_and_consume_in_order', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel);
    $sent = array_map(fn(int $n) => "message $n", range(1, QUICK ? 500 : 3000));
    $t->publish($channel, $queue, $sent);
    $taken = $t->consume($channel, $queue)->take(count($sent));
    expect(bodies($taken) === $sent, true, 'same bodies in the same order');
    $tags = array_map(fn(AMQPMessage $m) => $m->getDeliveryTag(), $taken);
    expect($tags === range(1, count($sent)), true, 'delivery tags');
});

test('get_returns_message_count_and_get_empty', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel);
    $t->publish($channel, $queue, ['1', '2', '3']);
    $left = [];
    while ($message = $channel->basic_get($queue, true)) {
        $left[$message->getBody()] = $message->getMessageCount();
    }
    expect($left, [1 => 2, 2 => 1, 3 => 0], 'body => messages left');
});

test('prefetch_limits_unacked', function (Context $t): void {
    $publisher = $t->confirmChannel();
    $channel = $t->channel();
    $queue = $t->queue($publisher);
    $t->publish($publisher, $queue, range(0, 19));
    $channel->basic_qos(0, 3, false);
    $inbox = $t->consume($channel, $queue, no_ack: false);
    $taken = $inbox->take(3);
    settle($channel);
    expect($inbox->messages, [], 'more than the prefetch');
    $taken[0]->ack();
    $taken[] = $inbox->take(1)[0];
    $taken[3]->ack(true);
    $inbox->take(3);
    expect($t->counts($queue), [13, 1], 'ready, consumers');
});

test('prefetch_of_the_whole_channel', function (Context $t): void {
    $publisher = $t->confirmChannel();
    $channel = $t->channel();
    $channel->basic_qos(0, 4, true);
    $inboxes = [];
    foreach ([$t->queue($publisher), $t->queue($publisher)] as $queue) {
        $t->publish($publisher, $queue, range(0, 9));
        $inboxes[] = $t->consume($channel, $queue, no_ack: false);
    }
    settle($channel);
    expect(count($inboxes[0]->messages) + count($inboxes[1]->messages), 4, 'deliveries of both');
});

test('consumers_share_in_turn', function (Context $t): void {
    $publisher = $t->confirmChannel();
    $channel = $t->channel();
    $queue = $t->queue($publisher);
    $channel->basic_qos(0, 10, false);
    $inboxes = array_map(fn() => $t->consume($channel, $queue, no_ack: false), range(1, 4));
    $t->publish($publisher, $queue, range(0, 19));
    $counts = fn() => array_map(fn(Inbox $inbox) => count($inbox->messages), $inboxes);
    wait_until($channel, fn() => array_sum($counts()) === 20, 'all delivered');
    expect($counts(), [5, 5, 5, 5], 'deliveries of each');
});

test('consumer_priority', function (Context $t): void {
    $publisher = $t->confirmChannel();
    $channel = $t->channel();
    $queue = $t->queue($publisher);
    $channel->basic_qos(0, 2, false);
    $low = $t->consume($channel, $queue, no_ack: false, arguments: ['x-priority' => 1]);
    $high = $t->consume($channel, $queue, no_ack: false, arguments: ['x-priority' => 9]);
    $t->publish($publisher, $queue, ['1', '2', '3']);
    wait_until($channel, fn() => count($low->messages) + count($high->messages) === 3, 'all delivered');
    expect([count($high->messages), count($low->messages)], [2, 1], 'high until its prefetch is full, then low');
});

test('nack_with_requeue_keeps_the_order', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel);
    $t->publish($channel, $queue, range(0, 4));
    $taken = array_map(fn() => $channel->basic_get($queue), range(1, 3));
    $taken[2]->nack(true, true);
    $again = $t->consume($channel, $queue)->take(5);
    expect(bodies($again), ['0', '1', '2', '3', '4'], 'bodies');
    expect(redelivered($again), [true, true, true, false, false], 'redelivered');
});

test('reject_requeues_or_drops', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel);
    $t->publish($channel, $queue, ['drop', 'keep']);
    $channel->basic_get($queue)->reject(true);
    $again = $channel->basic_get($queue);
    expect([$again->getBody(), $again->isRedelivered()], ['drop', true], 'body, redelivered');
    $again->reject(false);
    expect($t->drain($channel, $queue), ['keep'], 'what is left');
});

test('recover_redelivers', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel);
    $t->publish($channel, $queue, ['1', '2']);
    $channel->basic_get($queue);
    $channel->basic_get($queue);
    $channel->basic_recover(true);
    $again = $t->consume($channel, $queue)->take(2);
    expect([bodies($again), redelivered($again)], [['1', '2'], [true, true]], 'bodies, redelivered');
});

test('double_ack_is_406', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel);
    $t->publish($channel, $queue, ['x']);
    $tag = $channel->basic_get($queue)->getDeliveryTag();
    expect_error(406, "PRECONDITION_FAILED - unknown delivery tag $tag", function () use ($channel, $tag): void {
        $channel->basic_ack($tag);
        $channel->basic_ack($tag);
        $channel->queue_declare('', false, false, true);
    });
});

test('cancelled_consumer_gets_nothing_more', function (Context $t): void {
    $channel = $t->confirmChannel();
    $queue = $t->queue($channel);
    $inbox = $t->consume($channel, $queue);
    $t->publish($channel, $queue, ['1']);
    $inbox->take(1);
    $channel->basic_cancel($inbox->tag);
    $t->publish($channel, $queue, ['2']);
    expect($t->drain($channel, $queue), ['2'], 'what is left');
    expect($inbox->messages, [], 'deliveries after cancel-ok');
});

test('consumer_is_told_when_its_queue_is_deleted', function (Context $t): void {
    $channel = $t->channel();
    $queue = $t->queue($channel);
    $inbox = $t->consume($channel, $queue);
    $t->channel()->queue_delete($queue);
    try {
        wait_until($channel, fn() => false, 'the cancellation', 10);
    } catch (AMQPBasicCancelException $error) {
        expect($error->consumerTag, $inbox->tag, 'cancelled consumer');
        $channel->queue_declare('', false, false, true); // the channel lives on
        return;
    }
});

test('exclusive_consumer_is_alone', function (Context $t): void {
    $channel = $t->channel();
    $queue = $t->queue($channel);
    $t->consume($channel, $queue, exclusive: true);
    $text = "ACCESS_REFUSED - queue '$queue' in vhost '/' in exclusive use";
    expect_error(403, $text, fn() => $t->consume($t->channel(), $queue));
});

test('consume_loop_of_the_documentation', function (Context $t): void {
    $publisher = $t->confirmChannel();
    $channel = $t->channel();
    $queue = $t->queue($channel, durable: true);
    $channel->basic_qos(0, 1, false);
    $done = [];
    $work = function (AMQPMessage $message) use (&$done, $channel): void {
        $done[] = (int) $message->getBody();
        $message->ack();
        if (count($done) === 100) {
            $message->getChannel()->basic_cancel($message->getConsumerTag());
        }
    };
    $channel->basic_consume($queue, '', false, false, false, false, $work);
    $t->publish($publisher, $queue, range(0, 99), ['delivery_mode' => 2]);
    while ($channel->is_consuming()) {
        $channel->wait(null, false, WAIT_S);
    }
    expect($done, range(0, 99), 'bodies');
});

/** One answer to each request in the queue, in this same process. */
function serve(Context $t, AMQPChannel|PhpAmqpLib\Channel\AMQPChannel $channel, string $queue, int $count): array
{
    $names = [];
    foreach ($t->consume($channel, $queue)->take($count) as $request) {
        $names[] = $request->get('reply_to');
        $properties = ['correlation_id' => $request->get('correlation_id')];
        $reply = new AMQPMessage((string) ((int) $request->getBody() ** 2), $properties);
        $channel->basic_publish($reply, '', $request->get('reply_to'));
    }
    return $names;
}

test('rpc_with_reply_queue', function (Context $t): void {
    [$server, $client] = [$t->channel(), $t->channel()];
    $requests = $t->queue($server);
    [$replies] = $client->queue_declare('', false, false, true);
    $inbox = $t->consume($client, $replies);
    foreach (range(0, 19) as $n) {
        $properties = ['reply_to' => $replies, 'correlation_id' => "c$n"];
        $client->basic_publish(new AMQPMessage((string) $n, $properties), '', $requests);
    }
    serve($t, $server, $requests, 20);
    $answers = [];
    foreach ($inbox->take(20) as $reply) {
        $answers[$reply->get('correlation_id')] = (int) $reply->getBody();
    }
    foreach (range(0, 19) as $n) {
        expect($answers["c$n"] ?? null, $n * $n, "answer $n");
    }
});

test('rpc_with_direct_reply_to', function (Context $t): void {
    [$server, $client] = [$t->channel(), $t->channel()];
    $requests = $t->queue($server);
    $inbox = $t->consume($client, 'amq.rabbitmq.reply-to');
    foreach (range(0, 4) as $n) {
        $properties = ['reply_to' => 'amq.rabbitmq.reply-to', 'correlation_id' => "c$n"];
        $client->basic_publish(new AMQPMessage((string) $n, $properties), '', $requests);
    }
    $names = serve($t, $server, $requests, 5);
    expect_true(str_starts_with($names[0], 'amq.rabbitmq.reply-to.'), "reply-to: $names[0]");
    $replies = $inbox->take(5);
    expect(bodies($replies), ['0', '1', '4', '9', '16'], 'replies');
    expect($replies[0]->getRoutingKey(), $names[0], 'routing key of the reply');
});

test('direct_reply_to_needs_no_ack', function (Context $t): void {
    $text = 'PRECONDITION_FAILED - reply consumer cannot acknowledge';
    expect_error(406, $text, fn() => $t->consume($t->channel(), 'amq.rabbitmq.reply-to', no_ack: false));
});
