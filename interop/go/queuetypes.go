// SPDX-License-Identifier: Apache-2.0

package main

// Quorum queues and single active consumers.

import (
	amqp "github.com/rabbitmq/amqp091-go"
)

var queueTypeTests = []test{
	{name: "single_active_consumer_hands_over", body: singleActiveConsumer},
	{name: "quorum_queue_counts_deliveries", body: quorumCounts},
	{name: "quorum_queue_buries_poison", body: quorumPoison},
	{name: "quorum_queue_must_be_durable", body: quorumDurable},
}

func singleActiveConsumer(t *T) {
	publisher := t.confirmChannel()
	queue := t.queueWith(publisher, "q", false, amqp.Table{"x-single-active-consumer": true})
	one, two := t.channel(), t.channel()
	first := t.consumeAs(one, queue, "first", true)
	second := t.consumeAs(two, queue, "second", true)
	for _, body := range []string{"1", "2"} {
		t.publishConfirmed(publisher, "", queue, text(body))
		t.equal("to the first", string(t.next(first).Body), body)
	}
	t.must(one.Cancel("first", false))
	t.publishConfirmed(publisher, "", queue, text("3"))
	t.equal("to the second", string(t.next(second).Body), "3")
}

func quorumCounts(t *T) {
	channel := t.confirmChannel()
	queue := t.queueWith(channel, "q", true, amqp.Table{"x-queue-type": "quorum"})
	deliveries := t.consume(channel, queue, false)
	t.publishConfirmed(channel, "", queue, persistent("x"))
	for try := int64(0); try < 3; try++ {
		delivery := t.next(deliveries)
		count, _ := delivery.Headers["x-delivery-count"].(int64)
		t.equal("x-delivery-count", count, try)
		t.equal("redelivered", delivery.Redelivered, try > 0)
		t.must(delivery.Nack(false, true))
	}
}

func quorumPoison(t *T) {
	channel := t.confirmChannel()
	exchange, dead := t.deadLetters(channel)
	queue := t.queueWith(channel, "q", true, amqp.Table{
		"x-queue-type": "quorum", "x-delivery-limit": 1, "x-dead-letter-exchange": exchange,
	})
	deliveries := t.consume(channel, queue, false)
	t.publishConfirmed(channel, "", queue, persistent("poison"))
	t.must(t.next(deliveries).Nack(false, true))
	t.must(t.next(deliveries).Nack(false, true))
	t.equal("reason", t.take1(channel, dead).Headers["x-first-death-reason"], "delivery_limit")
}

func quorumDurable(t *T) {
	channel := t.channel()
	name := t.name("q")
	_, err := channel.QueueDeclare(name, false, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	t.channelError(channel, err, amqp.PreconditionFailed,
		"PRECONDITION_FAILED - invalid property 'non-durable' for queue '"+name+"' in vhost '/'")
}
