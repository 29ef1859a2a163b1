# SPDX-License-Identifier: Apache-2.0
#
# A test is a name and a sub that gets a context: the context opens connections, makes names that are unique
# to the run, and afterwards removes every queue and exchange that it declared, over a connection of its
# own, because the test's may be dead. The client calls back; here each call waits for its answer.
package Harness;

use strict;
use warnings;
use AnyEvent;
use AnyEvent::RabbitMQ;
use Data::Dumper;
use Exporter 'import';
use List::Util qw(any);
use Time::HiRes qw(sleep time);

our @EXPORT = qw(test run_tests expect expect_true expect_closed poll call wait_for header_of body_of quick shell);

use constant { WAIT_S => 20, TEST_TIMEOUT_S => 180 };

my $RUN = sprintf '%x', int rand 0xffffffff;
my @tests;

sub test { push @tests, [@_] }

sub quick { ($ENV{INTEROP_QUICK} // '') eq '1' }

sub shown { local ($Data::Dumper::Terse, $Data::Dumper::Indent, $Data::Dumper::Sortkeys) = (1, 0, 1); Dumper(@_) }

sub expect {
    my ($got, $wanted, $what) = @_;
    my ($one, $other) = (shown($got), shown($wanted));
    die "$what: expected $other, got $one\n" if $one ne $other;
}

sub expect_true {
    my ($condition, $what) = @_;
    die "$what\n" unless $condition;
}

# Runs the event loop until the condition holds.
sub wait_for {
    my ($what, $condition, $timeout_s) = @_;
    my $deadline = time + ($timeout_s // WAIT_S);
    until ($condition->()) {
        die "$what: not within the time\n" if time > $deadline;
        my $moment = AnyEvent->condvar;
        my $timer = AnyEvent->timer(after => 0.02, cb => sub { $moment->send });
        $moment->recv;
    }
}

# The first true value of the probe, which may itself wait.
sub poll {
    my ($what, $probe) = @_;
    my $value;
    wait_for($what, sub { $value = $probe->() });
    return $value;
}

sub told {
    my $told = shift;
    return ref $told ? $told->can('method_frame') ? $told->method_frame->reply_text : ref $told : $told // '';
}

# Calls a method of the client and waits for its answer; a refusal dies with what the client says.
sub call {
    my ($object, $method, @arguments) = @_;
    my ($answer, $failure);
    $object->$method(
        @arguments,
        on_success => sub { $answer = $_[0] // 1 },
        on_failure => sub { $failure = join ' ', map { told($_) } @_ },
    );
    wait_for($method, sub { defined $answer or defined $failure });
    die "$failure\n" if defined $failure;
    return $answer;
}

# The channel must have been closed by the broker with this code and text.
sub expect_closed {
    my ($channel, $code, $text) = @_;
    wait_for('the channel is closed', sub { $channel->{interop_closed} });
    my $close = $channel->{interop_closed}->method_frame;
    expect([$close->reply_code, $close->reply_text], [$code, $text], 'channel.close');
}

# An empty body has no frame.
sub body_of { $_[0]{body} ? $_[0]{body}->payload : '' }

# The headers of a message, without what the client adds to those that it publishes.
sub header_of { $_[0]{header}->headers // {} }

sub shell {
    my @command = @_;
    my $output = qx{@command 2>&1};
    die "@command: $output\n" if $?;
    AnyEvent->now_update; # or what is then given a time has none left
}

# --- the context of a test ---------------------------------------------------------------------

sub new {
    my ($class, $number) = @_;
    return bless {number => $number, names => 0, connections => [], queues => [], exchanges => []}, $class;
}

sub name {
    my ($t, $suffix) = @_;
    return sprintf 'pl.%s.%d.%d.%s', $RUN, $t->{number}, ++$t->{names}, $suffix;
}

sub connect {
    my ($t, %changes) = @_;
    my $client = AnyEvent::RabbitMQ->new->load_xml_spec;
    my $closed = delete $changes{closed} // [];
    my $connection = call(
        $client, 'connect',
        host => $ENV{AMQP_HOST}, port => $ENV{AMQP_PORT}, user => $ENV{AMQP_USER}, pass => $ENV{AMQP_PASSWORD},
        vhost => $ENV{AMQP_VHOST}, timeout => 60, on_close => sub { push @$closed, $_[0] },
        on_read_failure => sub { }, %changes,
    );
    push @{$t->{connections}}, $connection;
    return $connection;
}

sub channel {
    my ($t, $connection) = @_;
    my $channel;
    my $closed;
    $channel = call($connection // $t->connect, 'open_channel', on_close => sub { $closed->($_[0]) });
    $closed = sub { $channel->{interop_closed} = $_[0] };
    return $channel;
}

sub confirm_channel {
    my $channel = $_[0]->channel;
    call($channel, 'confirm');
    return $channel;
}

sub queue {
    my ($t, $channel, %options) = @_;
    my $name = $t->name('q');
    push @{$t->{queues}}, $name;
    call($channel, 'declare_queue', queue => $name, %options);
    return $name;
}

sub exchange {
    my ($t, $channel, $type, %options) = @_;
    my $name = $t->name('x');
    push @{$t->{exchanges}}, $name;
    call($channel, 'declare_exchange', exchange => $name, type => $type, %options);
    return $name;
}

# Publishes on a confirm channel and waits until the broker has said yes or no to each: the yes, as 1 and 0.
sub publish {
    my ($t, $channel, $exchange, $key, $bodies, %header) = @_;
    my @answers;
    for my $index (0 .. $#$bodies) {
        $channel->publish(
            exchange => $exchange, routing_key => $key, body => $bodies->[$index],
            header => {delivery_mode => 2, %header},
            on_ack => sub { $answers[$index] = 1 }, on_nack => sub { $answers[$index] = 0 },
        );
    }
    wait_for('the confirms', sub { @answers == @$bodies and not any { !defined } @answers }, 60);
    return \@answers;
}

# A consumer: what it got, and its tag.
sub consume {
    my ($t, $channel, $queue, %options) = @_;
    my @got;
    my $answer = call($channel, 'consume', queue => $queue, on_consume => sub { push @got, $_[0] }, %options);
    return (\@got, $answer->method_frame->consumer_tag);
}

sub take {
    my ($t, $got, $count) = @_;
    wait_for("$count deliveries", sub { @$got >= $count });
    return [splice @$got, 0, $count];
}

sub drain {
    my ($t, $channel, $queue) = @_;
    my @bodies;
    while (1) {
        my $got = call($channel, 'get', queue => $queue);
        return \@bodies if $got->{empty};
        push @bodies, body_of($got);
    }
}

# The next message of a queue, which may be on its way.
sub get {
    my ($t, $channel, $queue, %options) = @_;
    return poll("a message in $queue", sub {
        my $got = call($channel, 'get', queue => $queue, %options);
        return $got->{empty} ? undef : $got;
    });
}

sub clean_up {
    my $t = shift;
    @{$t->{connections}} = ();
    return unless @{$t->{queues}} or @{$t->{exchanges}};
    my $connection = $t->connect;
    my $channel = $t->channel($connection);
    call($channel, 'delete_queue', queue => $_) for @{$t->{queues}};
    call($channel, 'delete_exchange', exchange => $_) for @{$t->{exchanges}};
    call($connection, 'close');
}

# --- the suite ---------------------------------------------------------------------------------

sub reason_of {
    my $body = shift;
    local $SIG{ALRM} = sub { die 'no result after ' . TEST_TIMEOUT_S . " s\n" };
    alarm TEST_TIMEOUT_S;
    my $done = eval { $body->(); 1 };
    my $reason = $@ || 'it died';
    alarm 0;
    $reason =~ s/\s+/ /g;
    return $done ? undef : substr $reason, 0, 500;
}

# Runs the tests of these names, or all; the exit status.
sub run_tests {
    my @names = @_;
    my ($failed, $ran) = (0, 0);
    $| = 1;
    print "# AnyEvent::RabbitMQ $AnyEvent::RabbitMQ::VERSION, Perl $^V\n";
    for my $one (@tests) {
        my ($name, $body) = @$one;
        next if @names and not any { $_ eq $name } @names;
        my $t = Harness->new(++$ran);
        my $reason = reason_of(sub { $body->($t) });
        my $cleaning = reason_of(sub { $t->clean_up });
        $reason //= $cleaning;
        print defined $reason ? "not ok $name: $reason\n" : "ok $name\n";
        $failed++ if defined $reason;
    }
    return $failed || !$ran ? 1 : 0;
}

1;
