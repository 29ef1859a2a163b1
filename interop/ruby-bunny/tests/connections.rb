# frozen_string_literal: true
# SPDX-License-Identifier: Apache-2.0
#
# Opening, authenticating, keeping and closing connections.

CAPABILITIES = %w[publisher_confirms exchange_exchange_bindings basic.nack consumer_cancel_notify
                  connection.blocked consumer_priorities authentication_failure_close per_consumer_qos].freeze

test 'connection_opens_and_closes_cleanly' do
  connection = connect
  expect(connection.open?, true, 'open')
  connection.create_channel.queue('', exclusive: true)
  connection.close
  expect(connection.closed?, true, 'closed')
end

test 'connection_by_url' do
  o = options
  url = "amqp://#{o[:user]}:#{o[:password]}@#{o[:host]}:#{o[:port]}/#{CGI.escape(o[:vhost])}"
  connection = Bunny.new(url, logger: o[:logger]).start
  channel = connection.create_channel
  channel.queue('', exclusive: true).publish('x')
  connection.close
end

test 'server_announces_itself_and_its_capabilities' do
  properties = connect.server_properties
  expect(properties['product'], 'RabbitMQ', 'product')
  announced = properties['capabilities'].select { |_, value| value == true }.keys
  expect(CAPABILITIES - announced, [], 'capabilities that are not announced')
end

test 'tuned_limits' do
  connection = connect(frame_max: 8192, channel_max: 7)
  expect([connection.frame_max, connection.channel_max], [8192, 7], 'frame_max, channel_max')
  channel = connection.create_channel
  channel.confirm_select
  q = queue(channel)
  body = 'x' * 100_000
  publish(channel, q, body)
  expect(drain(q) == [body], true, '100 KB in frames of 8 KB')
end

test 'many_channels' do
  connection = connect
  channels = Array.new(QUICK ? 100 : 500) { connection.create_channel }
  q = queue(channels.first)
  channels.each do |channel|
    channel.confirm_select
    publish(channel, q, channel.id.to_s)
  end
  expect(q.message_count, channels.size, 'messages')
  channels.drop(1).each(&:close)
  expect(connection.create_channel.id, 2, 'a number that is free again')
end

test 'wrong_password_is_refused_with_403' do
  connect(password: 'wrong')
  raise Mismatch, 'a wrong password was accepted'
rescue Bunny::AuthenticationFailureError => error
  # Bunny raises this for connection.close 403 alone, and keeps its text to itself.
  expect([error.username, error.vhost], [ENV.fetch('AMQP_USER'), ENV.fetch('AMQP_VHOST')], 'user, vhost')
end

test 'missing_vhost_is_refused_with_530' do
  expect_connection_error(530, 'NOT_ALLOWED - vhost no-such-vhost not found') { connect(vhost: 'no-such-vhost') }
end

test 'idle_connection_survives_by_heartbeats' do
  connection = connect(heartbeat: 1)
  sleep 4
  connection.create_channel.queue('', exclusive: true)
end

test 'heartbeats_switched_off' do
  connection = connect(heartbeat: 0)
  expect(connection.heartbeat, 0, 'heartbeat')
  connection.create_channel.queue('', exclusive: true)
end

test 'update_secret_is_answered' do
  connection = connect
  connection.update_secret(ENV.fetch('AMQP_PASSWORD'), 'rotated')
  connection.create_channel.queue('', exclusive: true)
end

test 'connection_that_vanishes_gives_its_messages_back' do
  channel = confirm_channel
  q = queue(channel, 'q', durable: true)
  publish(channel, q, 'kept')
  lost = connect(session_error_handler: Deaf.new)
  body, = take_unacked(lost.create_channel.queue(q.name, passive: true), 1).first
  expect(body, 'kept', 'held')
  drop(lost)
  inbox = consume(channel, q)
  body, info, = inbox.next
  expect([body, info.redelivered?], ['kept', true], 'body, redelivered')
end
