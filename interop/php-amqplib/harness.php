<?php
// SPDX-License-Identifier: Apache-2.0
//
// A test is a name and a function that gets a context: the context opens connections, makes names that
// are unique to the run, and afterwards removes every queue and exchange that it declared, over a
// connection of its own, because the test's may be dead.

declare(strict_types=1);

require_once 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AbstractConnection;
use PhpAmqpLib\Connection\AMQPConnectionConfig;
use PhpAmqpLib\Connection\AMQPConnectionFactory;
use PhpAmqpLib\Connection\AMQPSSLConnection;
use PhpAmqpLib\Exception\AMQPProtocolException;
use PhpAmqpLib\Exception\AMQPTimeoutException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

const WAIT_S = 20;
const TEST_TIMEOUT_S = 180;

define('QUICK', getenv('INTEROP_QUICK') === '1');
define('RUN', bin2hex(random_bytes(4)));

class Mismatch extends Exception
{
}

$tests = [];

function test(string $name, callable $body): void
{
    $GLOBALS['tests'][$name] = $body;
}

function show(mixed $value): string
{
    return json_encode($value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_PARTIAL_OUTPUT_ON_ERROR);
}

function expect(mixed $got, mixed $wanted, string $what): void
{
    if ($got !== $wanted) {
        throw new Mismatch("$what: expected " . show($wanted) . ', got ' . show($got));
    }
}

function expect_true(bool $condition, string $what): void
{
    if (!$condition) {
        throw new Mismatch($what);
    }
}

/** The first true value of $probe(). */
function poll(string $what, callable $probe, float $timeout_s = WAIT_S): mixed
{
    $deadline = microtime(true) + $timeout_s;
    while (true) {
        $value = $probe();
        if ($value) {
            return $value;
        }
        if (microtime(true) > $deadline) {
            throw new Mismatch("$what: not within $timeout_s s");
        }
        usleep(20000);
    }
}

function setting(string $name): string
{
    $value = getenv($name);
    if ($value === false) {
        throw new RuntimeException("$name is not set: start the suite with interop/run");
    }
    return $value;
}

/** What a consumer got; null stands for a cancellation by the broker. */
class Inbox
{
    /** @var AMQPMessage[] */
    public array $messages = [];
    public string $tag = '';

    public function __construct(private AMQPChannel $channel)
    {
    }

    public function put(AMQPMessage $message): void
    {
        $this->messages[] = $message;
    }

    /** Waits until $count messages have come, and takes them out. */
    public function take(int $count): array
    {
        wait_until($this->channel, fn() => count($this->messages) >= $count, "$count deliveries");
        return array_splice($this->messages, 0, $count);
    }
}

/** Runs the client's loop until the condition holds. */
function wait_until(AMQPChannel $channel, callable $condition, string $what, float $timeout_s = WAIT_S): void
{
    $deadline = microtime(true) + $timeout_s;
    while (!$condition()) {
        $left = $deadline - microtime(true);
        if ($left <= 0) {
            throw new Mismatch("$what: not within $timeout_s s");
        }
        try {
            $channel->wait(null, false, min($left, 0.2));
        } catch (AMQPTimeoutException) {
            continue;
        }
    }
}

/** Runs the client's loop until nothing has come for a moment. */
function settle(AMQPChannel $channel): void
{
    try {
        while (true) {
            $channel->wait(null, false, 0.3);
        }
    } catch (AMQPTimeoutException) {
        return;
    }
}

function bodies(array $messages): array
{
    return array_map(fn(AMQPMessage $m) => $m->getBody(), $messages);
}

class Context
{
    private int $names = 0;
    private array $connections = [];
    private array $queues = [];
    private array $exchanges = [];

    public function __construct(private int $number)
    {
    }

    public function name(string $suffix): string
    {
        return 'php.' . RUN . ".{$this->number}." . ++$this->names . ".$suffix";
    }

    /** @param array<string, mixed> $changes values for the setters of AMQPConnectionConfig */
    public function config(array $changes = []): AMQPConnectionConfig
    {
        $values = $changes + [
            'Host' => setting('AMQP_HOST'),
            'Port' => (int) setting('AMQP_PORT'),
            'User' => setting('AMQP_USER'),
            'Password' => setting('AMQP_PASSWORD'),
            'Vhost' => setting('AMQP_VHOST'),
            'ReadTimeout' => (float) WAIT_S,
            'WriteTimeout' => (float) WAIT_S,
            'ConnectionTimeout' => 10.0,
        ];
        $config = new AMQPConnectionConfig();
        foreach ($values as $name => $value) {
            $config->{"set$name"}($value);
        }
        return $config;
    }

    public function connect(array $changes = []): AbstractConnection
    {
        $connection = AMQPConnectionFactory::create($this->config($changes));
        return $this->connections[] = $connection;
    }

    public function connectTls(array $options = [], ?string $password = null, string $method = 'PLAIN'): AbstractConnection
    {
        $connection = new AMQPSSLConnection(
            'localhost',
            (int) setting('AMQP_TLS_PORT'),
            setting('AMQP_USER'),
            $password ?? setting('AMQP_PASSWORD'),
            setting('AMQP_VHOST'),
            $options + ['cafile' => setting('AMQP_CA_FILE'), 'verify_peer' => true, 'verify_peer_name' => true],
            ['login_method' => $method, 'connection_timeout' => 10, 'read_write_timeout' => WAIT_S]
        );
        return $this->connections[] = $connection;
    }

    /** Cuts the socket without a word, as a crash of the client would. */
    public function drop(AbstractConnection $connection): void
    {
        $connection->set_close_on_destruct(false);
        $connection->getIO()->close();
        $this->connections = array_filter($this->connections, fn($other) => $other !== $connection);
    }

    public function channel(): AMQPChannel
    {
        return $this->connect()->channel();
    }

    public function confirmChannel(): AMQPChannel
    {
        $channel = $this->channel();
        $channel->confirm_select();
        return $channel;
    }

    public function queue(
        AMQPChannel $channel,
        array $arguments = [],
        bool $durable = false,
        bool $exclusive = false,
        bool $auto_delete = false
    ): string {
        $this->queues[] = $name = $this->name('q');
        $channel->queue_declare($name, false, $durable, $exclusive, $auto_delete, false, new AMQPTable($arguments));
        return $name;
    }

    public function exchange(AMQPChannel $channel, string $type, array $arguments = [], bool $durable = false): string
    {
        $this->exchanges[] = $name = $this->name($type);
        $channel->exchange_declare($name, $type, false, $durable, false, false, false, new AMQPTable($arguments));
        return $name;
    }

    public function consume(
        AMQPChannel $channel,
        string $queue,
        bool $no_ack = true,
        bool $exclusive = false,
        array $arguments = []
    ): Inbox {
        $inbox = new Inbox($channel);
        $table = new AMQPTable($arguments);
        $put = $inbox->put(...);
        $inbox->tag = $channel->basic_consume($queue, '', false, $no_ack, $exclusive, false, $put, null, $table);
        return $inbox;
    }

    /** Publishes on a confirm channel and returns once the broker has confirmed all. */
    public function publish(AMQPChannel $channel, string $queue, array $bodies, array $properties = []): void
    {
        foreach ($bodies as $body) {
            $channel->basic_publish(new AMQPMessage((string) $body, $properties), '', $queue);
        }
        $channel->wait_for_pending_acks(WAIT_S);
    }

    public function drain(AMQPChannel $channel, string $queue): array
    {
        $bodies = [];
        while ($message = $channel->basic_get($queue, true)) {
            $bodies[] = $message->getBody();
        }
        return $bodies;
    }

    /** [messages, consumers] of a queue, asked over a connection of its own. */
    public function counts(string $queue): array
    {
        $connection = AMQPConnectionFactory::create($this->config());
        try {
            [, $messages, $consumers] = $connection->channel()->queue_declare($queue, true);
            return [$messages, $consumers];
        } finally {
            $connection->close();
        }
    }

    public function isThere(string $queue): bool
    {
        try {
            $this->counts($queue);
            return true;
        } catch (AMQPProtocolException $error) {
            expect($error->amqp_reply_code, 404, 'reply code');
            return false;
        }
    }

    public function restartBroker(): void
    {
        exec('sh -c ' . escapeshellarg(setting('BROKER_RESTART')) . ' 2>&1', $output, $status);
        if ($status !== 0) {
            throw new RuntimeException('the broker did not restart: ' . implode(' ', $output));
        }
    }

    public function cleanUp(): void
    {
        foreach ($this->connections as $connection) {
            try {
                $connection->close();
            } catch (Throwable) {
                continue; // the test itself ended it
            }
        }
        if (!$this->queues && !$this->exchanges) {
            return;
        }
        $connection = AMQPConnectionFactory::create($this->config());
        $channel = $connection->channel();
        foreach ($this->queues as $name) {
            $channel->queue_delete($name);
        }
        foreach ($this->exchanges as $name) {
            $channel->exchange_delete($name);
        }
        $connection->close();
    }
}

/** The action must make the broker close the channel, or the connection, with this code and text. */
function expect_error(int $code, string $text, callable $action): void
{
    try {
        $action();
    } catch (AMQPProtocolException | PhpAmqpLib\Exception\AMQPConnectionClosedException $error) {
        $got = $error instanceof AMQPProtocolException ? $error->amqp_reply_code : $error->getCode();
        expect_true(str_contains($error->getMessage(), $text), "expected $text, got " . $error->getMessage());
        expect($got, $code, 'reply code');
        return;
    }
    throw new Mismatch("$code expected, but there was no error");
}

function reason_of(Context $context, callable $body): ?string
{
    try {
        pcntl_alarm(TEST_TIMEOUT_S);
        $body($context);
        return null;
    } catch (Throwable $error) {
        foreach ([['file' => $error->getFile(), 'line' => $error->getLine()], ...$error->getTrace()] as $frame) {
            if (str_starts_with($frame['file'] ?? '', __DIR__)) {
                echo '#   ', substr($frame['file'], strlen(__DIR__) + 1), ':', $frame['line'], "\n";
            }
        }
        return substr(preg_replace('/\s+/', ' ', get_class($error) . ': ' . $error->getMessage()), 0, 500);
    } finally {
        pcntl_alarm(0);
    }
}

/** Runs the tests of these names, or all; the exit status. */
function run_tests(array $names): int
{
    global $tests;
    pcntl_async_signals(true);
    pcntl_signal(SIGALRM, fn() => throw new Mismatch('no result after ' . TEST_TIMEOUT_S . ' s'));
    set_error_handler(fn(int $level) => $level === E_DEPRECATED || $level === E_USER_DEPRECATED);
    echo '# php-amqplib ', PhpAmqpLib\Package::VERSION, ', PHP ', PHP_VERSION, "\n";
    [$failed, $ran] = [0, 0];
    foreach ($tests as $name => $body) {
        if ($names && !in_array($name, $names, true)) {
            continue;
        }
        $context = new Context(++$ran);
        $started = microtime(true);
        $reason = reason_of($context, $body) ?? reason_of($context, fn() => $context->cleanUp());
        if (microtime(true) - $started > 3) {
            printf("# the next took %.1f s\n", microtime(true) - $started);
        }
        echo $reason === null ? "ok $name\n" : "not ok $name: $reason\n";
        $failed += $reason === null ? 0 : 1;
    }
    return $failed || !$ran ? 1 : 0;
}
