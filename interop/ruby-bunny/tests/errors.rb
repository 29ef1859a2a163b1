# frozen_string_literal: true
# SPDX-License-Identifier: Apache-2.0
#
# The errors of channels and connections, with their codes and texts.

test 'missing_things_are_404' do
  missing = name('missing')
  no_queue = "NOT_FOUND - no queue '#{missing}' in vhost '/'"
  no_exchange = "NOT_FOUND - no exchange '#{missing}' in vhost '/'"
  expect_channel_error(404, no_queue) { channel.queue(missing, passive: true) }
  # The client looks at its channel's error only when it has waited for get-ok in vain.
  expect_channel_error(404, no_queue) { connect(continuation_timeout: 500).create_channel.basic_get(missing) }
  expect_channel_error(404, no_queue) { channel.basic_consume(missing) }
  expect_channel_error(404, no_queue) { channel.queue_purge(missing) }
  expect_channel_error(404, no_exchange) { channel.exchange_declare(missing, 'direct', passive: true) }
  expect_channel_error(404, no_exchange) { channel.queue('', exclusive: true).bind(missing) }
end

test 'inequivalent_declare_is_406' do
  q = queue(channel, 'q', durable: true)
  expect_channel_error(
    406,
    "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '#{q.name}' in vhost '/': " \
    "received 'false' but current is 'true'"
  ) { channel.queue(q.name, durable: false) }
  x = exchange(channel, :direct)
  expect_channel_error(
    406,
    "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '#{x.name}' in vhost '/': " \
    "received 'fanout' but current is 'direct'"
  ) { channel.exchange(x.name, type: :fanout) }
end

test 'exclusive_queue_is_locked' do
  q = queue(channel, 'q', exclusive: true)
  text = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '#{q.name}' in vhost '/'. It could be " \
         'originally declared on another connection or the exclusive property value does not match that of the ' \
         'original declaration.'
  expect_channel_error(405, text) { channel.queue(q.name, passive: true) }
  expect_channel_error(405, text) { channel.queue_delete(q.name) }
end

test 'reserved_names_are_403' do
  expect_channel_error(403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'") do
    channel.queue('amq.mine')
  end
  expect_channel_error(403, "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed") do
    channel.exchange_delete('amq.topic')
  end
end

test 'delete_if_empty_and_if_unused' do
  channel = confirm_channel
  q = queue(channel)
  publish(channel, q, 'x')
  expect_channel_error(406, "PRECONDITION_FAILED - queue '#{q.name}' in vhost '/' not empty") do
    channel.queue_delete(q.name, if_empty: true)
  end
  consume(channel(), q, no_ack: false)
  expect_channel_error(406, "PRECONDITION_FAILED - queue '#{q.name}' in vhost '/' in use") do
    channel().queue_delete(q.name, if_unused: true)
  end
end

test 'connection_lives_on_after_a_channel_error' do
  connection = connect
  bad = connection.create_channel
  good = connection.create_channel
  missing = name('missing')
  expect_channel_error(404, "NOT_FOUND - no queue '#{missing}' in vhost '/'") { bad.queue(missing, passive: true) }
  poll('the bad channel is closed') { bad.closed? }
  q = good.queue('', exclusive: true)
  q.publish('x')
  expect(poll('the message') { q.pop[2] }, 'x', 'body')
end

# Up to 3.13.0 a connection error (503), since then one of the channel (406).
test 'unknown_exchange_type_is_refused' do
  channel.exchange(name('x'), type: 'nonsense')
  raise Mismatch, 'an exchange of an unknown type was declared'
rescue Bunny::ConnectionLevelException => error
  close = error.connection_close
  expect([close.reply_code, close.reply_text], [503, "COMMAND_INVALID - unknown exchange type 'nonsense'"])
rescue Bunny::ChannelLevelException => error
  close = error.channel_close
  expect([close.reply_code, close.reply_text], [406, "PRECONDITION_FAILED - unknown exchange type 'nonsense'"])
end
