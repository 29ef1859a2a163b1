# frozen_string_literal: true
# SPDX-License-Identifier: Apache-2.0
#
# Consuming, acknowledging, prefetch, redelivery, cancellation, request and reply.

test 'publish_and_consume_in_order' do
  channel = confirm_channel
  q = queue(channel)
  sent = Array.new(QUICK ? 500 : 3000) { |n| "message #{n}" }
  publish(channel, q, *sent)
  taken = consume(channel, q).take(sent.size)
  expect(taken.map(&:first) == sent, true, 'same bodies in the same order')
  expect(taken.map { |_, info,| info.delivery_tag.to_i }, (1..sent.size).to_a, 'delivery tags')
end

test 'get_returns_what_is_left' do
  channel = confirm_channel
  q = queue(channel)
  publish(channel, q, '1', '2', '3')
  got = Array.new(3) { [q.pop[2], q.message_count] }
  expect(got, [['1', 2], ['2', 1], ['3', 0]], 'body, messages left')
  expect(q.pop, [nil, nil, nil], 'get-empty')
end

test 'prefetch_limits_unacked' do
  channel = channel()
  q = queue(channel)
  publisher = confirm_channel
  publish(publisher, q, *('0'..'19').to_a)
  channel.prefetch(3)
  inbox = consume(channel, q, no_ack: false)
  taken = inbox.take(3)
  expect(ready(q.name), 17, 'ready')
  channel.ack(taken[0][1].delivery_tag)
  taken << inbox.next
  channel.ack(taken[3][1].delivery_tag, true)
  inbox.take(3)
  expect(ready(q.name), 13, 'ready after acking all')
  expect(inbox.size, 0, 'more than the prefetch')
end

test 'prefetch_of_the_whole_channel' do
  publisher = confirm_channel
  channel = channel()
  queues = Array.new(2) { queue(publisher) }
  queues.each { |q| publish(publisher, q, *('0'..'9').to_a) }
  channel.prefetch(4, true)
  inboxes = queues.map { |q| consume(channel, q, no_ack: false) }
  poll('4 deliveries') { inboxes.sum(&:size) == 4 }
  expect(queues.sum { |q| ready(q.name) }, 16, 'ready in both')
end

test 'consumers_share_in_turn' do
  channel = channel()
  publisher = confirm_channel
  q = queue(publisher)
  channel.prefetch(10)
  inboxes = Array.new(4) { consume(channel, q, no_ack: false) }
  publish(publisher, q, *('0'..'19').to_a)
  poll('all delivered') { inboxes.sum(&:size) == 20 }
  expect(inboxes.map(&:size), [5, 5, 5, 5], 'deliveries of each')
end

test 'consumer_priority' do
  channel = channel()
  publisher = confirm_channel
  q = queue(publisher)
  channel.prefetch(2)
  low = consume(channel, q, no_ack: false, arguments: { 'x-priority' => 1 })
  high = consume(channel, q, no_ack: false, arguments: { 'x-priority' => 9 })
  publish(publisher, q, '1', '2', '3')
  poll('all delivered') { low.size + high.size == 3 }
  expect([high.size, low.size], [2, 1], 'high until its prefetch is full, then low')
end

test 'nack_with_requeue_keeps_the_order' do
  channel = confirm_channel
  q = queue(channel)
  publish(channel, q, *('0'..'4').to_a)
  taken = take_unacked(q, 3)
  channel.nack(taken.last[1].delivery_tag, true, true)
  again = consume(channel, q).take(5)
  expect(again.map(&:first), ('0'..'4').to_a, 'bodies')
  expect(again.map { |_, info,| info.redelivered? }, [true] * 3 + [false] * 2, 'redelivered')
end

test 'reject_requeues_or_drops' do
  channel = confirm_channel
  q = queue(channel)
  publish(channel, q, 'drop', 'keep')
  channel.reject(take_unacked(q, 1).first[1].delivery_tag, true)
  body, info, = take_unacked(q, 1).first
  expect([body, info[:redelivered]], ['drop', true], 'body, redelivered')
  channel.reject(info.delivery_tag, false)
  expect(drain(q), ['keep'], 'what is left')
end

test 'recover_redelivers' do
  channel = confirm_channel
  q = queue(channel)
  publish(channel, q, '1', '2')
  take_unacked(q, 2)
  channel.recover
  again = consume(channel, q).take(2)
  expect(again.map { |body, info,| [body, info.redelivered?] }, [['1', true], ['2', true]], 'redelivered')
end

test 'double_ack_is_406' do
  channel = channel()
  q = queue(channel)
  q.publish('x')
  info, = poll('the message') { q.pop(manual_ack: true).then { |got| got if got.first } }
  closed = Inbox.new
  channel.on_error { |_, close| closed << [close.reply_code, close.reply_text] }
  channel.ack(info.delivery_tag)
  channel.basic_ack(info.delivery_tag.to_i)
  expect(closed.next('channel.close'), [406, 'PRECONDITION_FAILED - unknown delivery tag 1'], 'channel.close')
end

test 'cancelled_consumer_gets_nothing_more' do
  channel = confirm_channel
  q = queue(channel)
  inbox = consume(channel, q)
  publish(channel, q, '1')
  expect(inbox.next.first, '1', 'first')
  channel.basic_cancel(inbox.tag)
  publish(channel, q, '2')
  expect(drain(q), ['2'], 'what is left')
  expect(inbox.size, 0, 'deliveries after cancel-ok')
end

test 'consumer_is_told_when_its_queue_is_deleted' do
  channel = channel()
  q = queue(channel)
  inbox = consume(channel, q)
  channel().queue_delete(q.name)
  expect(inbox.next('basic.cancel'), :cancelled, 'what the consumer got')
  channel.queue('', exclusive: true) # the channel lives on
end

test 'exclusive_consumer_is_alone' do
  channel = channel()
  q = queue(channel)
  consume(channel, q, exclusive: true)
  expect_channel_error(403, "ACCESS_REFUSED - queue '#{q.name}' in vhost '/' in exclusive use") do
    consume(channel(), q)
  end
end

test 'subscribe_with_manual_acks' do
  channel = channel()
  channel.prefetch(1)
  publisher = confirm_channel
  q = queue(channel, 'work', durable: true)
  done = Inbox.new
  q.subscribe(manual_ack: true) do |info, _, body|
    done << body
    channel.ack(info.delivery_tag)
  end
  publish(publisher, q, *('0'..'99').to_a, persistent: true)
  expect(done.take(100), ('0'..'99').to_a, 'bodies')
end

test 'rpc_with_reply_queue' do
  server = channel()
  requests = queue(server, 'rpc')
  requests.subscribe do |_, properties, body|
    server.default_exchange.publish((body.to_i**2).to_s,
                                    routing_key: properties.reply_to, correlation_id: properties.correlation_id)
  end
  client = channel()
  replies = client.queue('', exclusive: true)
  inbox = consume(client, replies)
  20.times do |n|
    client.default_exchange.publish(n.to_s, routing_key: requests.name, reply_to: replies.name,
                                            correlation_id: n.to_s)
  end
  answers = inbox.take(20).to_h { |body, _, properties| [properties.correlation_id.to_i, body.to_i] }
  expect(answers, (0..19).to_h { |n| [n, n * n] }, 'answers by correlation id')
end

test 'rpc_with_direct_reply_to' do
  server = channel()
  requests = queue(server, 'rpc')
  names = Inbox.new
  requests.subscribe do |_, properties, body|
    names << properties.reply_to
    server.default_exchange.publish("re: #{body}", routing_key: properties.reply_to,
                                                   correlation_id: properties.correlation_id)
  end
  client = channel()
  inbox = Inbox.new
  client.queue('amq.rabbitmq.reply-to', no_declare: true).subscribe do |info, properties, body|
    inbox << [body, info.routing_key, properties.correlation_id]
  end
  5.times do |n|
    client.default_exchange.publish(n.to_s, routing_key: requests.name, reply_to: 'amq.rabbitmq.reply-to',
                                            correlation_id: "c#{n}")
  end
  got = inbox.take(5)
  expect(got.map { |body, _, id| [body, id] }, (0..4).map { |n| ["re: #{n}", "c#{n}"] }, 'replies')
  key = names.next
  expect_true(key.start_with?('amq.rabbitmq.reply-to.'), "reply-to: #{key}")
  expect(got.first[1], key, 'routing key of the reply')
  expect(client.connection.queue_exists?(key), true, 'the name can be declared passively while its client is there')
end

test 'direct_reply_to_without_a_consumer_is_406' do
  channel = channel()
  channel.default_exchange.publish('x', routing_key: 'q', reply_to: 'amq.rabbitmq.reply-to')
  expect_closed_channel(channel, 'PRECONDITION_FAILED', 'fast reply consumer does not exist')
end
