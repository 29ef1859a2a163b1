# SPDX-License-Identifier: Apache-2.0
#
# The tests, those that restart the broker last, so that one that does not come back spoils nothing else.

use strict;
use warnings;
use Harness;

my %exclusive = (exclusive => 1);

# --- connections -------------------------------------------------------------------------------

test connection_opens_and_closes_cleanly => sub {
    my $t = shift;
    my $connection = $t->connect;
    expect($connection->server_properties->{product}, 'RabbitMQ', 'product');
    $t->channel($connection);
    call($connection, 'close');
    expect_true(!$connection->is_open, 'open, after close');
};

test wrong_password_is_refused => sub {
    my $t = shift;
    expect(!!eval { $t->connect(pass => 'wrong'); 1 }, !!0, 'a wrong password was accepted');
};

test many_channels => sub {
    my $t = shift;
    my $connection = $t->connect;
    my @channels = map { $t->channel($connection) } 1 .. (quick() ? 50 : 200);
    my $queue = $t->queue($channels[0], %exclusive);
    for my $channel (@channels) {
        call($channel, 'confirm');
        $t->publish($channel, '', $queue, ['x']);
    }
    expect(scalar @{$t->drain($channels[0], $queue)}, scalar @channels, 'messages');
};

# --- publishing --------------------------------------------------------------------------------

test confirms_of_a_stream_of_messages => sub {
    my $t = shift;
    my $channel = $t->confirm_channel;
    my $queue = $t->queue($channel, durable => 1);
    my @sent = 1 .. (quick() ? 300 : 1500);
    my $answers = $t->publish($channel, '', $queue, \@sent);
    expect((grep { !$_ } @$answers) + 0, 0, 'nacks');
    my ($got) = $t->consume($channel, $queue);
    expect([map { body_of($_) } @{$t->take($got, scalar @sent)}], ["@sent" =~ /\d+/g], 'in order');
};

test mandatory_unroutable_message_is_returned => sub {
    my $t = shift;
    my @returned;
    my $channel = $t->confirm_channel;
    my $exchange = $t->exchange($channel, 'direct');
    $channel->publish(
        exchange => $exchange, routing_key => 'nowhere', body => 'x', mandatory => 1,
        on_return => sub { push @returned, $_[0] },
    );
    wait_for('the return', sub { @returned });
    my $frame = $returned[0]->method_frame;
    expect([$frame->reply_code, $frame->reply_text, $frame->routing_key], [312, 'NO_ROUTE', 'nowhere'], 'return');
};

test properties_and_headers_round_trip => sub {
    my $t = shift;
    my $channel = $t->confirm_channel;
    my $queue = $t->queue($channel, %exclusive);
    my %sent = (
        content_type => 'application/json', content_encoding => 'gzip', priority => 7, reply_to => 'reply',
        correlation_id => 'correlation', expiration => '600000', message_id => 'id', type => 'kind',
        user_id => $ENV{AMQP_USER}, app_id => 'application', timestamp => 1700000000,
    );
    $t->publish($channel, '', $queue, ['x'], %sent, headers => {text => 'a', number => 5, table => {deep => 'b'}});
    my $header = $t->get($channel, $queue)->{header};
    expect({map { $_ => '' . $header->$_ } keys %sent}, {map { $_ => "$sent{$_}" } keys %sent}, 'properties');
    my $headers = $header->headers;
    expect(["$headers->{text}", $headers->{number} + 0, "$headers->{table}{deep}"], ['a', 5, 'b'], 'headers');
};

test bodies_around_the_frame_size => sub {
    my $t = shift;
    my $channel = $t->confirm_channel;
    my $queue = $t->queue($channel, %exclusive);
    my $limit = 131072 - 8;
    my @sizes = (0, 1, $limit - 1, $limit, $limit + 1, 2 * $limit + 1, 2000000);
    $t->publish($channel, '', $queue, [map { 'x' x $_ } @sizes]);
    expect([map { length } @{$t->drain($channel, $queue)}], \@sizes, 'sizes');
};

test transaction_commits_and_rolls_back => sub {
    my $t = shift;
    my $channel = $t->channel;
    my $queue = $t->queue($channel, %exclusive);
    call($channel, 'select_tx');
    $channel->publish(routing_key => $queue, body => 'rolled back');
    call($channel, 'rollback_tx');
    $channel->publish(routing_key => $queue, body => 'committed');
    call($channel, 'commit_tx');
    expect($t->drain($channel, $queue), ['committed'], 'messages');
};

# --- consuming ---------------------------------------------------------------------------------

test prefetch_limits_unacked => sub {
    my $t = shift;
    my $channel = $t->confirm_channel;
    my $queue = $t->queue($channel, %exclusive);
    $t->publish($channel, '', $queue, [1 .. 5]);
    call($channel, 'qos', prefetch_count => 2);
    my ($got) = $t->consume($channel, $queue, no_ack => 0);
    my $taken = $t->take($got, 2);
    call($channel, 'declare_queue', queue => $queue, passive => 1);
    expect(scalar @$got, 0, 'a third one');
    $channel->ack(delivery_tag => $taken->[1]{deliver}->method_frame->delivery_tag, multiple => 1);
    expect([map { body_of($_) } @{$t->take($got, 2)}], ['3', '4'], 'the next two');
};

test reject_and_recover_redeliver => sub {
    my $t = shift;
    my $channel = $t->confirm_channel;
    my $queue = $t->queue($channel, %exclusive);
    $t->publish($channel, '', $queue, ['x']);
    my ($got) = $t->consume($channel, $queue, no_ack => 0);
    my ($first) = @{$t->take($got, 1)};
    $channel->reject(delivery_tag => $first->{deliver}->method_frame->delivery_tag, requeue => 1);
    my ($again) = @{$t->take($got, 1)};
    expect($again->{deliver}->method_frame->redelivered ? 1 : 0, 1, 'redelivered');
    call($channel, 'recover', requeue => 1);
    ($again) = @{$t->take($got, 1)};
    $channel->reject(delivery_tag => $again->{deliver}->method_frame->delivery_tag, requeue => 0);
    expect($t->drain($channel, $queue), [], 'what is left');
};

test consumer_is_told_when_its_queue_is_deleted => sub {
    my $t = shift;
    my $channel = $t->channel;
    my $queue = $t->queue($channel);
    my @cancelled;
    $t->consume($channel, $queue, on_cancel => sub { push @cancelled, $_[0] });
    call($t->channel, 'delete_queue', queue => $queue);
    wait_for('basic.cancel', sub { @cancelled });
};

test double_ack_is_406 => sub {
    my $t = shift;
    my $channel = $t->confirm_channel;
    my $queue = $t->queue($channel);
    $t->publish($channel, '', $queue, ['x']);
    my $tag = $t->get($channel, $queue, no_ack => 0)->{ok}->method_frame->delivery_tag;
    $channel->ack(delivery_tag => $tag) for 1, 2;
    expect_closed($channel, 406, "PRECONDITION_FAILED - unknown delivery tag $tag");
};

test rpc_with_direct_reply_to => sub {
    my $t = shift;
    my ($client, $server) = ($t->channel, $t->confirm_channel);
    my $requests = $t->queue($server);
    my ($replies) = $t->consume($client, 'amq.rabbitmq.reply-to');
    my %header = (reply_to => 'amq.rabbitmq.reply-to', correlation_id => 'c1');
    $client->publish(routing_key => $requests, body => 'question', header => \%header);
    my $address = $t->get($server, $requests)->{header}->reply_to;
    expect_true($address =~ /^amq\.rabbitmq\.reply-to\./, "its address: $address");
    $t->publish($server, '', "$address", ['answer']);
    expect(body_of($t->take($replies, 1)->[0]), 'answer', 'answer');
};

# --- topology ----------------------------------------------------------------------------------

test exchange_types_route => sub {
    my $t = shift;
    my $channel = $t->confirm_channel;
    for my $row (['direct', 'a.b', ['a.b']], ['fanout', 'any', ['a.b', 'x', 'a.c']], ['topic', 'a.*', ['a.b', 'a.c']]) {
        my ($type, $key, $wanted) = @$row;
        my ($exchange, $queue) = ($t->exchange($channel, $type), $t->queue($channel, %exclusive));
        call($channel, 'bind_queue', queue => $queue, exchange => $exchange, routing_key => $key);
        $t->publish($channel, $exchange, $_, [$_]) for 'a.b', 'x', 'a.c';
        expect($t->drain($channel, $queue), $wanted, $type);
    }
};

test missing_things_are_404 => sub {
    my $t = shift;
    my $name = $t->name('missing');
    my $text = "NOT_FOUND - no queue '$name' in vhost '/'";
    for my $call (['declare_queue', passive => 1], ['get'], ['consume']) {
        my ($method, @options) = @$call;
        my $channel = $t->channel;
        eval { call($channel, $method, queue => $name, @options) };
        expect_closed($channel, 404, $text);
    }
};

test inequivalent_declare_is_406 => sub {
    my $t = shift;
    my $queue = $t->queue($t->channel, durable => 1);
    my $channel = $t->channel;
    eval { call($channel, 'declare_queue', queue => $queue, durable => 0) };
    expect_closed($channel, 406, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '$queue' in vhost '/':"
        . " received 'false' but current is 'true'");
};

# --- what a queue's arguments make of its messages ---------------------------------------------
#
# Not dead letters and redelivered messages of quorum queues: their headers have numbers of 64 bits, on
# which this client ends the program.

test full_queue_nacks_publishes => sub {
    my $t = shift;
    my $channel = $t->confirm_channel;
    my $queue = $t->queue($channel, arguments => {'x-max-length' => 1, 'x-overflow' => 'reject-publish'});
    expect($t->publish($channel, '', $queue, [1, 2, 3]), [1, 0, 0], 'confirms');
    expect($t->drain($channel, $queue), ['1'], 'what is left');
};

test priorities_come_first => sub {
    my $t = shift;
    my $channel = $t->confirm_channel;
    my $queue = $t->queue($channel, arguments => {'x-max-priority' => 5});
    for my $pair (['a', 0], ['b', 5], ['c', 3], ['d', 5], ['e', 0], ['f', 200]) {
        $t->publish($channel, '', $queue, [$pair->[0]], priority => $pair->[1]);
    }
    expect($t->drain($channel, $queue), [qw(b d f c a e)], 'in this order');
};

test wrong_arguments_are_406 => sub {
    my $t = shift;
    my $name = $t->name('wrong');
    for my $row (['x-message-ttl', -1, '{value_negative,-1}'], ['x-max-priority', 256, '{max_value_exceeded,256}']) {
        my ($argument, $value, $reason) = @$row;
        my $channel = $t->channel;
        eval { call($channel, 'declare_queue', queue => $name, arguments => {$argument => $value}) };
        my $text = "PRECONDITION_FAILED - invalid arg '$argument' for queue '$name' in vhost '/': $reason";
        expect_closed($channel, 406, $text);
    }
};

# --- restarts ----------------------------------------------------------------------------------

test durable_things_survive => sub {
    my $t = shift;
    my @closed;
    my $channel = $t->channel($t->connect(closed => \@closed));
    call($channel, 'confirm');
    my ($exchange, $queue) = ($t->exchange($channel, 'topic', durable => 1), $t->queue($channel, durable => 1));
    call($channel, 'bind_queue', queue => $queue, exchange => $exchange, routing_key => 'to.#');
    $t->publish($channel, '', $queue, ['a', 'b']);
    shell($ENV{BROKER_RESTART});
    wait_for('the end of the connection', sub { @closed });
    $channel = $t->confirm_channel;
    $t->publish($channel, $exchange, 'to.queue', ['c']);
    expect($t->drain($channel, $queue), ['a', 'b', 'c'], 'messages');
};

test what_was_confirmed_survives_a_crash => sub {
    my $t = shift;
    my $channel = $t->confirm_channel;
    my $queue = $t->queue($channel, durable => 1);
    my @confirmed;
    for my $number (1 .. 1000) {
        $channel->publish(
            routing_key => $queue, body => $number, header => {delivery_mode => 2},
            on_ack => sub { push @confirmed, $number },
        );
    }
    wait_for('some confirms', sub { @confirmed });
    shell($ENV{BROKER_CRASH});
    my %held = map { $_ => 1 } @{$t->drain($t->channel, $queue)};
    expect([grep { !$held{$_} } @confirmed], [], 'confirmed, and lost');
};

exit run_tests(@ARGV);
