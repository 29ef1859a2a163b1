# frozen_string_literal: true
# SPDX-License-Identifier: Apache-2.0
#
# The broker restarts under its clients: what was durable is still there, and Bunny's automatic recovery
# finds its way back to all that it had declared.

test 'automatic_recovery' do
  recovered = Inbox.new
  connection = connect(automatically_recover: true, network_recovery_interval: 0.2, recovery_attempts: nil,
                       recover_from_connection_close: true, recovery_completed: -> { recovered << true })
  channel = connection.create_channel
  channel.prefetch(10)
  channel.confirm_select
  x = exchange(channel, :topic, durable: true)
  durable = queue(channel, 'durable', durable: true).bind(x, routing_key: 'to.#')
  temporary = channel.queue('', exclusive: true).bind(x, routing_key: 'to.#')
  old_name = temporary.name
  inboxes = [durable, temporary].map do |q|
    inbox = Inbox.new
    q.subscribe(manual_ack: true) do |info, _, body|
      inbox << [body, info.redelivered?]
      channel.ack(info.delivery_tag)
    end
    inbox
  end
  x.publish('before', routing_key: 'to.both', persistent: true)
  inboxes.each { |inbox| expect(inbox.next, ['before', false], 'before') }

  restart_broker

  recovered.next('the recovery')
  expect(connection.open?, true, 'the connection is open again')
  expect_true(temporary.name != old_name, 'the server-named queue has a new name')
  x.publish('after', routing_key: 'to.both', persistent: true)
  inboxes.each { |inbox| expect(inbox.next, ['after', false], 'after') }
  expect(channel.wait_for_confirms, true, 'confirms of the recovered channel')
end

test 'durable_things_survive' do
  channel = connect(session_error_handler: Deaf.new).create_channel
  channel.confirm_select
  x = exchange(channel, :direct, durable: true)
  sink = exchange(channel, :fanout, durable: true).bind(x, routing_key: 'to')
  durable = queue(channel, 'durable', durable: true).bind(sink)
  transient = queue(channel, 'transient')
  large = SecureRandom.bytes(2_000_000)
  publish(channel, durable, 'acked', 'first', large, 'last', persistent: true, headers: { 'n' => [1, 'x'] })
  publish(channel, durable, 'transient', persistent: false)
  channel.ack(take_unacked(durable, 1).first[1].delivery_tag)
  expect(take_unacked(durable, 1).first[0], 'first', 'held unacked')

  restart_broker

  channel = confirm_channel
  channel.exchange(x.name, type: :direct, passive: true).publish('routed', routing_key: 'to')
  expect(channel.wait_for_confirms, true, 'confirmed')
  taken = consume(channel, channel.queue(durable.name, passive: true)).take(4)
  expect(taken.map { |body,| body.bytesize > 99 ? body == large : body }, ['first', true, 'last', 'routed'], 'messages')
  expect([taken[0][1].redelivered?, taken[0][2].headers], [true, { 'n' => [1, 'x'] }], 'redelivered, headers')
  expect(there?(transient.name), false, 'the transient queue')
end

# Publishes numbers in batches, each until it is confirmed, on a new channel after each that was lost; the
# connection recovers by itself.
def publish_numbers(connection, queue_name, confirmed, enough, recovered)
  while enough.empty?
    begin
      channel = connection.create_channel.tap(&:confirm_select)
      while enough.empty?
        batch = (confirmed.size...confirmed.size + 100).map(&:to_s)
        batch.each { |body| channel.default_exchange.publish(body, routing_key: queue_name, persistent: true) }
        confirmed.concat(batch) if Timeout.timeout(20) { channel.wait_for_confirms }
      end
    rescue Bunny::Exception, Timeout::Error, IOError, SystemCallError
      poll('the recovery', 120) { recovered.size.positive? }
    end
  end
end

test 'what_was_confirmed_survives_a_crash' do
  recovered = Inbox.new
  connection = connect(automatically_recover: true, network_recovery_interval: 0.2, recovery_attempts: nil,
                       continuation_timeout: 5000, recovery_completed: -> { recovered << true })
  durable = queue(connection.create_channel, 'durable', durable: true)
  confirmed = []
  enough = Queue.new
  publishing = Thread.new { publish_numbers(connection, durable.name, confirmed, enough, recovered) }
  poll('publishing has begun') { confirmed.size >= 500 }
  crash_broker
  poll('the recovery', 60) { recovered.size.positive? }
  before = confirmed.size
  poll('publishing goes on', 60) { confirmed.size > before }
  enough << true
  expect_true(publishing.join(60), 'all confirmed in the end')
  reader = channel
  inbox = consume(reader, reader.queue(durable.name, passive: true))
  held = {}
  held[inbox.next.first] = true while held.size < confirmed.size
end
