// SPDX-License-Identifier: Apache-2.0

package main

// Publishing: confirms one by one, in batches and asynchronously, and messages that come back.

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var publishingTests = []test{
	{name: "publish_and_consume", body: publishAndConsume},
	{name: "publish_and_get", body: publishAndGet},
	{name: "empty_message", body: emptyMessage},
	{name: "confirm_single", body: confirmSingle},
	{name: "confirm_batch", body: confirmBatch},
	{name: "confirm_async", body: confirmAsync},
	{name: "confirm_listeners", body: confirmListeners},
	{name: "mandatory_return", body: mandatoryReturn},
	{name: "return_comes_before_its_confirm", body: returnBeforeConfirm},
	{name: "tx_commit", body: txCommit},
	{name: "tx_rollback", body: txRollback},
	{name: "tx_of_acks", body: txOfAcks},
}

func publishAndConsume(t *T) {
	channel := t.channel()
	queue := t.transientQueue(channel, "q")
	deliveries := t.consumeAs(channel, queue, "consumer", false)
	for i := 0; i < 100; i++ {
		t.publish(channel, "", queue, text(fmt.Sprint("message ", i)))
	}
	for i, delivery := range t.take(deliveries, 100) {
		t.equal("body", string(delivery.Body), fmt.Sprint("message ", i))
		t.equal("redelivered", delivery.Redelivered, false)
		t.equal("exchange", delivery.Exchange, "")
		t.equal("routing key", delivery.RoutingKey, queue)
		t.equal("consumer tag", delivery.ConsumerTag, "consumer")
		t.equal("delivery tag", delivery.DeliveryTag, uint64(i+1))
		t.must(delivery.Ack(false))
	}
	state, err := channel.QueueDeclarePassive(queue, false, false, false, false, nil)
	t.must(err)
	t.equal("queue", state, amqp.Queue{Name: queue, Messages: 0, Consumers: 1})
}

func publishAndGet(t *T) {
	channel := t.confirmChannel()
	queue := t.transientQueue(channel, "q")
	t.publishConfirmed(channel, "", queue, text("one"))
	t.publishConfirmed(channel, "", queue, text("two"))
	first := t.get(channel, queue, true)
	t.equal("body", string(first.Body), "one")
	t.equal("messages left", first.MessageCount, uint32(1))
	second := t.get(channel, queue, false)
	t.equal("body", string(second.Body), "two")
	t.must(second.Ack(false))
	_, found, err := channel.Get(queue, true)
	t.must(err)
	t.equal("a third message", found, false)
}

func emptyMessage(t *T) {
	channel := t.channel()
	queue := t.transientQueue(channel, "q")
	deliveries := t.consume(channel, queue, true)
	t.publish(channel, "", queue, amqp.Publishing{})
	t.equal("length", len(t.next(deliveries).Body), 0)
}

func confirmSingle(t *T) {
	channel := t.confirmChannel()
	queue := t.durableQueue(channel, "q")
	for i := 1; i <= 20; i++ {
		t.publishConfirmed(channel, "", queue, persistent("x"))
		t.equal("messages", t.ready(channel, queue), i)
	}
}

func confirmBatch(t *T) {
	channel := t.confirmChannel()
	queue := t.durableQueue(channel, "q")
	for batch := 1; batch <= 5; batch++ {
		var unconfirmed []*amqp.DeferredConfirmation
		for i := 0; i < 200; i++ {
			unconfirmed = append(unconfirmed, t.publishDeferred(channel, "", queue, false, persistent("x")))
		}
		for _, deferred := range unconfirmed {
			t.confirmed(deferred)
		}
		t.equal("messages", t.ready(channel, queue), 200*batch)
	}
}

func confirmAsync(t *T) {
	channel := t.confirmChannel()
	queue := t.durableQueue(channel, "q")
	count := 10000
	if quick {
		count = 2000
	}
	pending := make(chan *amqp.DeferredConfirmation, 256)
	confirms := make(chan int)
	go func() {
		acked := 0
		for deferred := range pending {
			limit, cancel := context.WithTimeout(context.Background(), wait)
			if ok, err := deferred.WaitContext(limit); ok && err == nil {
				acked++
			}
			cancel()
		}
		confirms <- acked
	}()
	for i := 0; i < count; i++ {
		pending <- t.publishDeferred(channel, "", queue, false, persistent("x"))
	}
	close(pending)
	t.equal("confirms", <-confirms, count)
	t.equal("messages", t.ready(channel, queue), count)
}

func confirmListeners(t *T) {
	channel := t.confirmChannel()
	queue := t.durableQueue(channel, "q")
	confirmations := channel.NotifyPublish(make(chan amqp.Confirmation, 500))
	for i := 0; i < 500; i++ {
		t.publish(channel, "", queue, persistent("x"))
	}
	for i := 1; i <= 500; i++ {
		select {
		case confirmation := <-confirmations:
			t.equal("confirmation", confirmation, amqp.Confirmation{DeliveryTag: uint64(i), Ack: true})
		case <-time.After(wait):
			t.fatalf("no confirm of %d", i)
		}
	}
}

func mandatoryReturn(t *T) {
	channel := t.channel()
	key := t.name("nowhere")
	message := amqp.Publishing{Body: []byte("back"), MessageId: "m1", Headers: amqp.Table{"h": int32(1)}}
	t.must(channel.PublishWithContext(context.Background(), "amq.direct", key, true, false, message))
	select {
	case returned := <-channel.returned:
		t.equal("code", returned.ReplyCode, uint16(312))
		t.equal("text", returned.ReplyText, "NO_ROUTE")
		t.equal("exchange", returned.Exchange, "amq.direct")
		t.equal("routing key", returned.RoutingKey, key)
		t.equal("message id", returned.MessageId, "m1")
		t.equal("headers", returned.Headers, message.Headers)
		t.equal("body", string(returned.Body), "back")
	case <-time.After(wait):
		t.fatalf("no return after %s", wait)
	}
}

func returnBeforeConfirm(t *T) {
	channel := t.confirmChannel()
	queue := t.transientQueue(channel, "q")
	t.confirmed(t.publishDeferred(channel, "", t.name("nowhere"), true, text("x")))
	t.equal("returns when confirmed", len(channel.returned), 1)
	t.confirmed(t.publishDeferred(channel, "", queue, true, text("x")))
	t.equal("returns when routed", len(channel.returned), 1)
}

func txCommit(t *T) {
	channel, observer := t.channel(), t.channel()
	queue := t.durableQueue(channel, "q")
	t.must(channel.Tx())
	for i := 0; i < 10; i++ {
		t.publish(channel, "", queue, persistent("x"))
	}
	t.equal("messages before the commit", t.ready(channel, queue), 0)
	t.must(channel.TxCommit())
	t.equal("messages after the commit", t.ready(observer, queue), 10)
	t.publish(channel, "", queue, persistent("x"))
	t.must(channel.TxCommit())
	t.equal("messages after the second commit", t.ready(observer, queue), 11)
}

func txRollback(t *T) {
	channel := t.channel()
	queue := t.transientQueue(channel, "q")
	t.must(channel.Tx())
	t.publish(channel, "", queue, text("rolled back"))
	t.must(channel.TxRollback())
	t.publish(channel, "", queue, text("committed"))
	t.must(channel.TxCommit())
	t.equal("messages", t.drain(channel, queue), []string{"committed"})
}

func txOfAcks(t *T) {
	publisher := t.confirmChannel()
	queue := t.transientQueue(publisher, "q")
	t.publishConfirmed(publisher, "", queue, text("a"))
	t.publishConfirmed(publisher, "", queue, text("b"))
	channel := t.channel()
	t.must(channel.Tx())
	t.must(t.get(channel, queue, false).Ack(false))
	t.must(channel.TxCommit())
	t.must(t.get(channel, queue, false).Ack(false))
	t.must(channel.TxRollback())
	t.must(channel.Close())
	t.eventually("b to be back", func() bool { return t.ready(publisher, queue) == 1 })
	again := t.get(publisher, queue, true)
	t.equal("body", string(again.Body), "b")
	t.equal("redelivered", again.Redelivered, true)
}
