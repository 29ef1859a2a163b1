# frozen_string_literal: true
# SPDX-License-Identifier: Apache-2.0
#
# What a queue's arguments make of its messages: time to live, dead letters, limits, priorities, single
# active consumers, quorum queues.

# [exchange, queue of what arrives at it]
def dead_letters(context, channel)
  x = context.exchange(channel, :fanout)
  [x, context.queue(channel, 'dead').bind(x)]
end

def with(arguments)
  { durable: true, arguments: arguments.transform_keys { |key| "x-#{key.to_s.tr('_', '-')}" } }
end

def take_from(queue)
  poll("a message in #{queue.name}") { queue.pop.then { |got| got if got.first } }
end

# x-death without its times, which must be there.
def deaths(properties)
  (properties.headers['x-death'] || []).map do |death|
    expect_true(death['time'].is_a?(Time), "a death without its time: #{death}")
    death.reject { |key,| key == 'time' }
  end
end

def first_death(properties)
  %w[reason queue exchange].map { |key| properties.headers["x-first-death-#{key}"] }
end

test 'expired_messages_are_dead_lettered' do
  channel = confirm_channel
  x, dead = dead_letters(self, channel)
  q = queue(channel, 'q', with(message_ttl: 50, dead_letter_exchange: x.name))
  publish(channel, q, 'x')
  info, properties, = take_from(dead)
  expect(info.routing_key, q.name, 'routing key')
  death = { 'count' => 1, 'reason' => 'expired', 'queue' => q.name, 'exchange' => '', 'routing-keys' => [q.name] }
  expect(deaths(properties), [death], 'x-death')
  expect(first_death(properties), ['expired', q.name, ''], 'x-first-death-*')
end

test 'expiration_of_a_message_is_taken_off_and_told' do
  channel = confirm_channel
  x, dead = dead_letters(self, channel)
  q = queue(channel, 'q', with(dead_letter_exchange: x.name))
  publish(channel, q, 'x', expiration: '40')
  _, properties, = take_from(dead)
  expect(properties.expiration, nil, 'expiration')
  expect(deaths(properties).first['original-expiration'], '40', 'original-expiration')
end

test 'rejected_messages_get_the_dead_letter_routing_key' do
  channel = confirm_channel
  dead = queue(channel, 'dead')
  q = queue(channel, 'q', with(dead_letter_exchange: '', dead_letter_routing_key: dead.name))
  publish(channel, q, 'x')
  channel.reject(take_unacked(q, 1).first[1].delivery_tag, false)
  info, properties, = take_from(dead)
  expect(info.routing_key, dead.name, 'routing key')
  expect(deaths(properties).first.values_at('reason', 'routing-keys'), ['rejected', [q.name]], 'x-death')
end

# The usual way to retry later: a work queue, and one whose messages expire back into it.
test 'retry_queues_count_deaths' do
  channel = confirm_channel
  later = name('later')
  work = queue(channel, 'work', with(dead_letter_exchange: '', dead_letter_routing_key: later))
  channel.queue(later, with(dead_letter_exchange: '', dead_letter_routing_key: work.name, message_ttl: 20)
    .merge(durable: false, exclusive: true))
  inbox = consume(channel, work, no_ack: false)
  publish(channel, work, 'x')
  4.times do |try|
    _, info, properties = inbox.next
    seen = properties.headers ? deaths(properties).map { |death| death.values_at('queue', 'reason', 'count') } : []
    wanted = try.zero? ? [] : [[later, 'expired', try], [work.name, 'rejected', try]]
    expect(seen, wanted, "deaths at try #{try}")
    channel.reject(info.delivery_tag, false)
  end
end

test 'unused_queue_expires' do
  channel = channel()
  q = queue(channel, 'q', with(expires: 300))
  poll('deleted when nobody used it') do
    sleep 0.6 # asking is a use of the queue
    !there?(q.name)
  end
end

test 'max_length_drops_the_oldest' do
  channel = confirm_channel
  x, dead = dead_letters(self, channel)
  q = queue(channel, 'q', with(max_length: 2, dead_letter_exchange: x.name))
  publish(channel, q, '1', '2', '3')
  _, properties, body = take_from(dead)
  expect([body, first_death(properties).first], %w[1 maxlen], 'body, reason')
  expect(drain(q), %w[2 3], 'what is left')
end

test 'full_queue_nacks_publishes' do
  channel = confirm_channel
  q = queue(channel, 'q', with(max_length: 1, overflow: 'reject-publish'))
  publish(channel, q, '1')
  q.publish('2')
  expect(channel.wait_for_confirms, false, 'all confirmed')
  expect(channel.nacked_set.to_a, [2], 'nacked')
  expect(drain(q), ['1'], 'what is left')
end

test 'priorities_come_first' do
  channel = confirm_channel
  q = queue(channel, 'q', with(max_priority: 5))
  [['a', 0], ['b', 5], ['c', 3], ['d', 5], ['e', 0], ['f', 200]].each do |body, priority|
    publish(channel, q, body, priority: priority)
  end
  expect(drain(q), %w[b d f c a e], 'in this order')
end

test 'single_active_consumer_hands_over' do
  one = channel
  publisher = confirm_channel
  q = queue(one, 'q', with(single_active_consumer: true))
  first = consume(one, q)
  second = consume(channel, q)
  publish(publisher, q, '1', '2')
  expect(first.take(2).map(&:first), %w[1 2], 'to the first')
  expect(second.size, 0, 'deliveries to the one that waits')
  one.basic_cancel(first.tag)
  publish(publisher, q, '3')
  expect(second.next.first, '3', 'to the second')
end

test 'quorum_queue_counts_deliveries_and_buries_poison' do
  channel = confirm_channel
  x, dead = dead_letters(self, channel)
  q = queue(channel, 'q', with(queue_type: 'quorum', delivery_limit: 2, dead_letter_exchange: x.name))
  inbox = consume(channel, q, no_ack: false)
  publish(channel, q, 'poison', persistent: true)
  seen = Array.new(3) do
    _, info, properties = inbox.next
    channel.nack(info.delivery_tag, false, true)
    [properties.headers.to_h['x-delivery-count'], info.redelivered?]
  end
  expect(seen, [[nil, false], [1, true], [2, true]], 'x-delivery-count, redelivered')
  expect(first_death(take_from(dead)[1]).first, 'delivery_limit', 'reason')
end

test 'quorum_queue_must_be_durable' do
  full = name('q')
  text = "PRECONDITION_FAILED - invalid property 'non-durable' for queue '#{full}' in vhost '/'"
  expect_channel_error(406, text) { channel.queue(full, arguments: { 'x-queue-type' => 'quorum' }) }
end

test 'wrong_arguments_are_406' do
  full = name('wrong')
  [['x-message-ttl', -1, '{value_negative,-1}'], ['x-expires', 0, '{value_zero,0}'],
   ['x-max-priority', 256, '{max_value_exceeded,256}']].each do |argument, value, reason|
    text = "PRECONDITION_FAILED - invalid arg '#{argument}' for queue '#{full}' in vhost '/': #{reason}"
    expect_channel_error(406, text) { channel.queue(full, arguments: { argument => value }) }
  end
end
