# frozen_string_literal: true
# SPDX-License-Identifier: Apache-2.0
#
# Publisher confirms, returned messages, transactions, properties and bodies.

test 'confirms_of_a_stream_of_messages' do
  channel = confirm_channel
  q = queue(channel, 'q', durable: true)
  sent = Array.new(QUICK ? 500 : 3000, &:to_s)
  publish(channel, q, *sent, persistent: true)
  expect(channel.unconfirmed_set.size, 0, 'unconfirmed')
  expect(channel.nacked_set.size, 0, 'nacked')
  expect(drain(q) == sent, true, 'all messages, in the order of publishing')
end

test 'confirm_callback_is_called_for_each_tag' do
  channel = channel()
  confirmed = []
  channel.confirm_select(lambda { |tag, multiple, nack|
    confirmed.concat(multiple ? ((confirmed.max || 0) + 1..tag).to_a : [tag]) unless nack
  })
  q = queue(channel)
  publish(channel, q, *Array.new(100, 'x'))
  expect(confirmed.uniq.sort, (1..100).to_a, 'confirmed tags')
end

test 'mandatory_unroutable_message_is_returned' do
  channel = confirm_channel
  x = exchange(channel, :direct)
  returned = Inbox.new
  x.on_return { |info, properties, body| returned << [info, properties, body] }
  x.publish('body', routing_key: 'nowhere', mandatory: true, message_id: 'm1', headers: { 'k' => [1] })
  info, properties, body = returned.next('the returned message')
  expect([info.reply_code, info.reply_text, info.exchange, info.routing_key],
         [312, 'NO_ROUTE', x.name, 'nowhere'], 'basic.return')
  expect([body, properties.message_id, properties.headers], ['body', 'm1', { 'k' => [1] }], 'content')
  expect(channel.wait_for_confirms, true, 'confirmed too')
end

test 'unroutable_without_mandatory_is_confirmed' do
  channel = confirm_channel
  exchange(channel, :fanout).publish('x')
  expect(channel.wait_for_confirms, true, 'confirmed')
end

test 'publish_to_a_missing_exchange_is_404' do
  channel = confirm_channel
  missing = name('missing')
  channel.basic_publish('x', missing, 'key')
  expect_closed_channel(channel, 'NOT_FOUND', "no exchange '#{missing}' in vhost '/'")
end

test 'transaction_commits_and_rolls_back' do
  channel = channel()
  channel.tx_select
  q = queue(channel)
  q.publish('1')
  expect(ready(q.name), 0, 'messages before the commit')
  channel.tx_commit
  q.publish('discarded')
  channel.tx_rollback
  q.publish('2')
  channel.tx_commit
  expect(drain(q), %w[1 2], 'bodies')
end

test 'all_properties_round_trip' do
  channel = confirm_channel
  q = queue(channel)
  wanted = {
    content_type: 'application/json',
    content_encoding: 'gzip',
    headers: { 'k' => 'v' },
    delivery_mode: 2,
    priority: 7,
    correlation_id: 'correlation',
    reply_to: 'reply',
    expiration: '600000',
    message_id: 'id',
    timestamp: 1_700_000_000,
    type: 'kind',
    user_id: ENV.fetch('AMQP_USER'),
    app_id: 'application',
  }
  publish(channel, q, 'x', **wanted)
  _, properties, = q.pop
  got = properties.to_hash.slice(*wanted.keys)
  expect(got.merge(timestamp: got[:timestamp].to_i), wanted, 'properties')
end

test 'header_types_round_trip' do
  channel = confirm_channel
  q = queue(channel)
  headers = {
    'bool' => true,
    'int' => -(2**31),
    'long' => 2**62,
    'double' => 3.25,
    'string' => 'text € 🐇',
    'empty' => '',
    'time' => Time.at(1_700_000_000),
    'void' => nil,
    'array' => [1, 'two', [3, [4, 4.5]], { 'five' => 5 }],
    'table' => { 'a' => { 'b' => { 'c' => [1, 'd'] } } },
  }
  publish(channel, q, 'x', headers: headers)
  _, properties, = q.pop
  got = properties.headers.transform_values { |value| value.is_a?(String) ? value.dup.force_encoding('UTF-8') : value }
  expect(got, headers, 'headers')
end

test 'bodies_around_the_frame_size' do
  channel = confirm_channel
  q = queue(channel)
  limit = 131_072 - 8
  sizes = [0, 1, limit - 1, limit, limit + 1, 2 * limit, 2 * limit + 1]
  publish(channel, q, *sizes.map { |size| 'x' * size })
  expect(drain(q).map(&:bytesize), sizes, 'sizes')
end

test 'message_of_several_megabytes' do
  channel = confirm_channel
  q = queue(channel, 'q', durable: true)
  body = SecureRandom.bytes(QUICK ? 5_000_000 : 15_000_000)
  publish(channel, q, body, 'after', persistent: true)
  first, second = drain(q)
  expect([first == body, second], [true, 'after'], 'the large one, the one after')
end
