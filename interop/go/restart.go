// SPDX-License-Identifier: Apache-2.0

package main

// The broker restarts under its clients: what was durable is still there, what was not is gone, and the
// client's own recovery of connections, channels, topology and consumers finds its way back.

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var restartTests = []test{
	{name: "client_recovers_after_a_dropped_connection", body: recoveryAfterDrop},
	{name: "durable_things_survive_a_restart", body: durableThings, restarts: true},
	{name: "client_recovers_after_a_restart", body: recoveryAfterRestart, restarts: true},
	{name: "what_was_confirmed_survives_a_crash", body: crash, restarts: true},
}

func durableThings(t *T) {
	connection := t.connect()
	channel := t.confirmChannelOn(connection)
	source := t.exchange(channel, "source", "topic", true, false, nil)
	target := t.exchange(channel, "target", "fanout", true, false, nil)
	durable, transient := t.durableQueue(channel, "durable"), t.transientQueue(channel, "transient")
	t.bind(channel, durable, target, "")
	t.must(channel.ExchangeBind(target, "kept.*", source, false, nil))
	sent := persistent("")
	sent.Headers = amqp.Table{"count": int32(7), "list": []any{"a", nil}}
	for i := 0; i < 50; i++ {
		sent.Body = []byte(fmt.Sprint(i))
		t.publishConfirmed(channel, source, "kept.yes", sent)
	}
	t.publishConfirmed(channel, "", durable, text("not persistent"))
	for i := 0; i < 10; i++ {
		t.must(t.get(channel, durable, false).Ack(false))
	}
	t.equal("messages before", t.ready(channel, durable), 41)

	t.restartBroker()

	t.checkReply(t.awaitClose(connection.closed), 320,
		"CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'")
	after := t.connect()
	channel = t.confirmChannelOn(after)
	t.equal("messages after", t.ready(channel, durable), 40)
	for i := 10; i < 50; i++ {
		delivery := t.get(channel, durable, true)
		sent.Body = []byte(fmt.Sprint(i))
		checkProperties(t, delivery, sent)
		t.equal("redelivered", delivery.Redelivered, false)
		t.equal("exchange", delivery.Exchange, source)
		t.equal("routing key", delivery.RoutingKey, "kept.yes")
	}
	t.publishConfirmed(channel, source, "kept.again", text("by the old bindings"))
	t.equal("messages", t.drain(channel, durable), []string{"by the old bindings"})
	t.equal("the transient queue exists", t.exists(after, transient), false)
}

// recovering opens a connection that recovers, and a channel of it with a consumer of a queue that
// vanishes with the connection, bound to an exchange that vanishes with the queue.
func recovering(t *T) (*connection, *channel, string, <-chan amqp.Delivery, <-chan *amqp.StateChanged) {
	retries := &amqp.ReconnectionConfig{MaxRetryCount: 300, RetryInterval: 100 * time.Millisecond}
	connection := t.connectTo(brokerURL(), amqp.Config{Recovery: &amqp.Recovery{ReconnectionConfig: retries}})
	states := make(chan *amqp.StateChanged, 100)
	connection.NotifyStateChange(states)
	channel := t.confirmChannelOn(connection)
	exchange := t.exchange(channel, "transient", "topic", false, true, nil)
	queue := t.queue(channel, "exclusive", queueOptions{exclusive: true})
	t.bind(channel, queue, exchange, "key.#")
	return connection, channel, exchange, t.consume(channel, queue, true), states
}

func awaitRecovery(t *T, states <-chan *amqp.StateChanged) {
	for {
		select {
		case state := <-states:
			if state.To == amqp.StateOpen {
				t.equal("what could not be recovered", len(state.SkippedTopologyEntities), 0)
				return
			}
		case <-time.After(wait):
			t.fatalf("not recovered after %s", wait)
		}
	}
}

func recoveryAfterDrop(t *T) {
	connection, channel, exchange, deliveries, states := recovering(t)
	t.publishConfirmed(channel, exchange, "key.before", text("before"))
	t.equal("body", string(t.next(deliveries).Body), "before")
	t.drop(connection)
	awaitRecovery(t, states)
	t.publishConfirmed(channel, exchange, "key.after", text("after"))
	t.equal("body", string(t.next(deliveries).Body), "after")
}

func recoveryAfterRestart(t *T) {
	_, channel, exchange, transients, states := recovering(t)
	queue := t.durableQueue(channel, "durable")
	deliveries := t.consume(channel, queue, false)
	t.publishConfirmed(channel, "", queue, persistent("before"))
	t.equal("redelivered at first", t.next(deliveries).Redelivered, false)

	t.restartBroker()
	awaitRecovery(t, states)

	again := t.next(deliveries)
	t.equal("body", string(again.Body), "before")
	t.equal("redelivered", again.Redelivered, true)
	t.must(again.Ack(false))
	t.publishConfirmed(channel, "", queue, persistent("after"))
	next := t.next(deliveries)
	t.equal("body", string(next.Body), "after")
	t.must(next.Ack(false))
	t.publishConfirmed(channel, exchange, "key.after", text("to the recovered topology"))
	t.equal("body", string(t.next(transients).Body), "to the recovered topology")
	t.equal("messages left", t.ready(channel, queue), 0)
}

// publishBatch returns whether all of these numbers were confirmed.
func publishBatch(on *channel, queue string, first, count int) bool {
	limit, cancel := context.WithTimeout(context.Background(), 2*wait)
	defer cancel()
	var confirms []*amqp.DeferredConfirmation
	for i := 0; i < count; i++ {
		confirm, err := on.PublishWithDeferredConfirmWithContext(
			limit, "", queue, false, false, persistent(fmt.Sprint(first+i)))
		if err != nil || confirm == nil {
			return false
		}
		confirms = append(confirms, confirm)
	}
	for _, confirm := range confirms {
		if acked, err := confirm.WaitContext(limit); err != nil || !acked {
			return false
		}
	}
	return true
}

func crash(t *T) {
	const batch = 100
	_, channel, _, _, states := recovering(t)
	queue := t.durableQueue(channel, "durable")
	var confirmed atomic.Int64
	var recovered atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !recovered.Load() {
			if publishBatch(channel, queue, int(confirmed.Load()), batch) {
				confirmed.Add(batch)
			} else {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	t.eventually("publishing has begun", func() bool { return confirmed.Load() >= 500 })
	t.crashBroker()
	awaitRecovery(t, states)
	recovered.Store(true)
	select {
	case <-done:
	case <-time.After(10 * wait):
		t.fatalf("no confirm in the end, after %d", confirmed.Load())
	}
	deliveries := t.consume(t.channel(), queue, true)
	bodies := map[string]bool{}
	for len(bodies) < int(confirmed.Load()) {
		bodies[string(t.next(deliveries).Body)] = true
	}
}
