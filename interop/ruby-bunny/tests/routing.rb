# frozen_string_literal: true
# SPDX-License-Identifier: Apache-2.0
#
# Exchanges, bindings, and the life of queues.

# Publishes [key, headers] pairs; for each queue the numbers of those that it got.
def routed(context, channel, exchange, queues, messages)
  channel.confirm_select unless channel.using_publisher_confirmations?
  messages.each_with_index do |(key, headers), number|
    exchange.publish(number.to_s, { routing_key: key, headers: headers }.compact)
  end
  expect(channel.wait_for_confirms, true, 'all confirmed')
  queues.map { |q| context.drain(q).map(&:to_i) }
end

test 'direct_exchange' do
  channel = channel()
  x = exchange(channel, :direct)
  one = queue(channel).bind(x, routing_key: 'a')
  two = queue(channel).bind(x, routing_key: 'a').bind(x, routing_key: 'b')
  keys = [['a'], ['b'], ['c']]
  expect(routed(self, channel, x, [one, two], keys), [[0], [0, 1]], 'routed')
  two.unbind(x, routing_key: 'a')
  expect(routed(self, channel, x, [one, two], keys), [[0], [1]], 'after unbinding')
end

test 'fanout_exchange' do
  channel = channel()
  x = exchange(channel, :fanout)
  queues = Array.new(5) { queue(channel).bind(x) }
  expect(routed(self, channel, x, queues, [['x']]), [[0]] * 5, 'routed')
end

test 'topic_exchange' do
  channel = channel()
  x = exchange(channel, :topic)
  patterns = {
    '*.orange.*' => [0, 1], '*.*.rabbit' => [0], 'lazy.#' => [1, 2, 3],
    '#' => [0, 1, 2, 3, 4, 5], '#.orange' => [4], '*' => [2, 4], '' => [5],
  }
  queues = patterns.keys.map { |pattern| queue(channel).bind(x, routing_key: pattern) }
  keys = ['quick.orange.rabbit', 'lazy.orange.fox', 'lazy', 'lazy.', 'orange', ''].map { |key| [key] }
  expect(patterns.keys.zip(routed(self, channel, x, queues, keys)).to_h, patterns, 'routed')
end

test 'headers_exchange' do
  channel = channel()
  x = exchange(channel, :headers)
  bindings = {
    { 'x-match' => 'all', 'format' => 'pdf', 'pages' => 3 } => [0],
    { 'x-match' => 'any', 'format' => 'pdf', 'pages' => 3 } => [0, 1],
    { 'format' => 'zip' } => [2],
    { 'x-match' => 'all', 'urgent' => nil } => [2],
  }
  queues = bindings.keys.map { |arguments| queue(channel).bind(x, arguments: arguments) }
  messages = [
    ['', { 'format' => 'pdf', 'pages' => 3 }],
    ['', { 'format' => 'pdf', 'pages' => 4 }],
    ['', { 'format' => 'zip', 'urgent' => true }],
    [''],
  ]
  expect(routed(self, channel, x, queues, messages), bindings.values, 'routed')
end

test 'exchange_to_exchange' do
  channel = channel()
  source = exchange(channel, :topic)
  target = exchange(channel, :fanout).bind(source, routing_key: 'a.#')
  q = queue(channel).bind(target)
  expect(routed(self, channel, source, [q], [['a.b'], ['b']]), [[0]], 'routed')
  target.unbind(source, routing_key: 'a.#')
  expect(routed(self, channel, source, [q], [['a.b']]), [[]], 'after unbinding')
end

test 'alternate_exchange' do
  channel = channel()
  other = exchange(channel, :fanout)
  x = exchange(channel, :direct, arguments: { 'alternate-exchange' => other.name })
  known = queue(channel).bind(x, routing_key: 'a')
  unknown = queue(channel).bind(other)
  expect(routed(self, channel, x, [known, unknown], [['a'], ['b']]), [[0], [1]], 'routed')
end

test 'cc_and_bcc' do
  channel = confirm_channel
  to, cc, bcc = Array.new(3) { queue(channel) }
  publish(channel, to, 'x', headers: { 'CC' => [cc.name], 'BCC' => [bcc.name] })
  [to, cc, bcc].each do |q|
    _, properties, body = q.pop
    expect([body, properties.headers], ['x', { 'CC' => [cc.name] }], 'body, headers')
  end
end

test 'server_named_queue' do
  channel = channel()
  q = channel.queue('', exclusive: true)
  expect_true(q.name.start_with?('amq.gen-'), "name: #{q.name}")
  q.publish('x')
  expect(poll('the message') { q.pop[2] }, 'x', 'body')
end

test 'exclusive_queue_vanishes_with_its_connection' do
  owner = connect
  q = queue(owner.create_channel, 'q', exclusive: true)
  owner.close
  poll('the queue is gone') { !there?(q.name) }
end

test 'auto_delete_queue_vanishes_after_its_last_consumer' do
  channel = channel()
  q = queue(channel, 'q', auto_delete: true)
  first, second = Array.new(2) { consume(channel, q) }
  channel.basic_cancel(first.tag)
  expect(there?(q.name), true, 'there with one consumer left')
  channel.basic_cancel(second.tag)
  poll('the queue is gone') { !there?(q.name) }
end

test 'purge_and_delete' do
  channel = confirm_channel
  q = queue(channel)
  publish(channel, q, '1', '2', '3')
  expect([q.message_count, q.consumer_count], [3, 0], 'messages, consumers')
  expect(channel.queue_purge(q.name).message_count, 3, 'purged')
  publish(channel, q, '4')
  expect(q.delete.message_count, 1, 'deleted')
end
