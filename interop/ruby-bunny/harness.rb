# frozen_string_literal: true
# SPDX-License-Identifier: Apache-2.0
#
# A test is a name and a block that runs in a context of its own: the context opens connections, makes
# names that are unique to the run, and afterwards removes every queue and exchange that it declared,
# over a connection of its own, because the test's may be dead.

require 'bunny'
require 'json'
require 'logger'
require 'open3'
require 'securerandom'
require 'timeout'

QUICK = ENV['INTEROP_QUICK'] == '1'
TEST_TIMEOUT_S = 180
WAIT_S = 20
RUN = SecureRandom.hex(4)

TESTS = [] # rubocop:disable Style/MutableConstant

def test(name, &body)
  TESTS << [name, body]
end

class Mismatch < StandardError
end

def expect(got, wanted, what = 'result')
  raise Mismatch, "#{what}: expected #{wanted.inspect}, got #{got.inspect}" unless got == wanted
end

def expect_true(condition, what)
  raise Mismatch, what unless condition
end

# Returns the first true value of the block.
def poll(what, timeout_s = WAIT_S)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + timeout_s
  loop do
    value = yield
    return value if value
    raise Mismatch, "#{what}: not within #{timeout_s} s" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline

    sleep 0.02
  end
end

# What a consumer got, in order: [body, delivery info, properties].
class Inbox
  attr_accessor :tag

  def initialize
    @queue = Queue.new
  end

  def <<(item)
    @queue << item
    self
  end

  def size
    @queue.size
  end

  def next(what = 'a delivery')
    Timeout.timeout(WAIT_S, Mismatch, "#{what}: not within #{WAIT_S} s") { @queue.pop }
  end

  def take(count)
    Array.new(count) { |n| self.next("delivery #{n + 1} of #{count}") }
  end
end

# Takes the errors of a connection that a test breaks on purpose: by default the client raises them in
# the thread that opened it, wherever that is by then.
class Deaf
  def raise(*); end
end

class Context
  def initialize(number)
    @number = number
    @names = 0
    @connections = []
    @queues = []
    @exchanges = []
  end

  def name(suffix)
    "rb.#{RUN}.#{@number}.#{@names += 1}.#{suffix}"
  end

  def options(changes = {})
    {
      host: ENV.fetch('AMQP_HOST'),
      port: ENV.fetch('AMQP_PORT').to_i,
      user: ENV.fetch('AMQP_USER'),
      password: ENV.fetch('AMQP_PASSWORD'),
      vhost: ENV.fetch('AMQP_VHOST'),
      logger: Logger.new(IO::NULL),
      recovery_attempts: 0,
      automatically_recover: false,
      recover_from_connection_close: false,
      continuation_timeout: 15_000,
    }.merge(changes)
  end

  def tls_options(changes = {})
    options({
      host: 'localhost',
      port: ENV.fetch('AMQP_TLS_PORT').to_i,
      tls: true,
      tls_ca_certificates: [ENV.fetch('AMQP_CA_FILE')],
      verify_peer: true,
    }.merge(changes))
  end

  def with_certificate
    { tls_cert: ENV.fetch('AMQP_CLIENT_CERT'), tls_key: ENV.fetch('AMQP_CLIENT_KEY') }
  end

  def connect(changes = {})
    connect_with(options(changes))
  end

  def connect_with(all)
    connection = Bunny.new(all).start
    @connections << connection
    connection
  end

  # Cuts the socket without a word, as a crash of the client would.
  def drop(connection)
    connection.transport.socket.shutdown
    @connections.delete(connection)
  end

  def channel
    connect.create_channel
  end

  def confirm_channel
    channel.tap(&:confirm_select)
  end

  def queue(channel, suffix = 'q', options = {})
    @queues << (full = name(suffix))
    channel.queue(full, options)
  end

  def exchange(channel, type, options = {})
    @exchanges << (full = name(type.to_s[0, 8]))
    channel.exchange(full, options.merge(type: type))
  end

  # A consumer into an inbox; a cancellation by the broker arrives as :cancelled.
  def consume(channel, queue, no_ack: true, exclusive: false, arguments: {})
    inbox = Inbox.new
    tag = channel.generate_consumer_tag
    consumer = Bunny::Consumer.new(channel, queue, tag, no_ack, exclusive, arguments)
    consumer.on_delivery { |info, properties, body| inbox << [body, info, properties] }
    consumer.on_cancellation { inbox << :cancelled }
    channel.basic_consume_with(consumer)
    inbox.tag = tag
    inbox
  end

  # Publishes to a queue on a confirm channel and waits until the broker has confirmed all.
  def publish(channel, queue, *bodies, **options)
    bodies.each { |body| channel.default_exchange.publish(body, options.merge(routing_key: queue.name)) }
    expect(channel.wait_for_confirms, true, 'all confirmed')
  end

  def drain(queue)
    bodies = []
    loop do
      _, _, body = queue.pop
      return bodies if body.nil?

      bodies << body
    end
  end

  def take_unacked(queue, count)
    Array.new(count) do
      info, properties, body = queue.pop(manual_ack: true)
      expect_true(info, "a message in #{queue.name}")
      [body, info, properties]
    end
  end

  def ready(queue_name)
    channel = connect.create_channel
    channel.queue(queue_name, passive: true).message_count
  ensure
    channel&.connection&.close
  end

  def there?(queue_name)
    connection = connect
    connection.queue_exists?(queue_name)
  ensure
    connection&.close
  end

  def restart_broker
    shell(ENV.fetch('BROKER_RESTART'))
  end

  # The same after a SIGKILL.
  def crash_broker
    shell(ENV.fetch('BROKER_CRASH'))
  end

  def clean_up
    @connections.each { |connection| close(connection) }
    return if @queues.empty? && @exchanges.empty?

    connection = Bunny.new(options).start
    channel = connection.create_channel
    @queues.each { |full| channel.queue_delete(full) }
    @exchanges.each { |full| channel.exchange_delete(full) }
    connection.close
  end

  private

  def shell(command)
    output, status = Open3.capture2e('sh', '-c', command)
    raise "#{command}: #{output}" unless status.success?
  end

  def close(connection)
    connection.close unless connection.transport.closed?
  rescue Bunny::Exception, IOError, SystemCallError, Timeout::Error, OpenSSL::SSL::SSLError
    nil # the test itself ended it
  end
end

# The block must make the broker close the channel with this code and text.
def expect_channel_error(code, text)
  yield
rescue Bunny::ChannelLevelException => error
  close = error.channel_close
  expect([close.reply_code, close.reply_text], [code, text], 'channel.close')
else
  raise Mismatch, "channel.close #{code} expected, but there was no error"
end

# The channel was closed after a method without an answer: the next call tells.
def expect_closed_channel(channel, code_name, text)
  poll('the channel is closed') { channel.closed? }
  channel.queue('', exclusive: true)
  raise Mismatch, 'a closed channel took a method'
rescue Bunny::ChannelAlreadyClosed => error
  expect_true(error.message.end_with?("#{code_name} - #{text}"), error.message)
end

def expect_connection_error(code, text)
  yield
rescue Bunny::ConnectionLevelException, Bunny::NotAllowedError => error
  close = error.connection_close
  expect([close.reply_code, close.reply_text], [code, text], 'connection.close')
else
  raise Mismatch, "connection.close #{code} expected, but there was no error"
end

def reason_of(context, body)
  Timeout.timeout(TEST_TIMEOUT_S) { context.instance_exec(&body) }
  nil
rescue StandardError, Timeout::Error => error
  own = (error.backtrace || []).grep(/#{Regexp.escape(__dir__)}/).first(3)
  own.each { |line| puts "#   #{line.delete_prefix(__dir__)}" }
  "#{error.class}: #{error.message}".gsub(/\s+/, ' ')[0, 500]
end

def run_test(name, body, number)
  context = Context.new(number)
  started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  reason = reason_of(context, body)
  begin
    Timeout.timeout(WAIT_S) { context.clean_up }
  rescue StandardError, Timeout::Error => error
    reason ||= "clean-up: #{error.class}: #{error.message}"
  end
  took_s = Process.clock_gettime(Process::CLOCK_MONOTONIC) - started
  puts format('# the next took %.1f s', took_s) if took_s > 3
  puts(reason ? "not ok #{name}: #{reason}" : "ok #{name}")
  reason.nil?
end

# Runs the tests of these names, or all; the exit status.
def run_tests(names)
  $stdout.sync = true
  Thread.report_on_exception = false
  puts "# Bunny #{Bunny::VERSION}, ruby #{RUBY_VERSION}"
  chosen = TESTS.select { |name, _| names.empty? || names.include?(name) }
  failed = chosen.each_with_index.count { |(name, body), number| !run_test(name, body, number) }
  chosen.empty? || failed.positive? ? 1 : 0
end
