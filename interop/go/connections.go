// SPDX-License-Identifier: Apache-2.0

package main

// Connections and channels as such: heartbeats, many channels, closing, authentication.

import (
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var connectionTests = []test{
	{name: "server_properties", body: serverProperties},
	{name: "heartbeats_keep_an_idle_connection", body: heartbeats},
	{name: "many_channels", body: manyChannels},
	{name: "channel_numbers_are_reused", body: channelNumbers},
	{name: "many_connections", body: manyConnections},
	{name: "close_is_clean", body: closeIsClean},
	{name: "publish_then_close_loses_nothing", body: publishThenClose},
	{name: "amqplain", body: amqplain},
	{name: "update_secret", body: updateSecret},
}

func serverProperties(t *T) {
	connection := t.connect()
	t.equal("product", connection.Properties["product"], "RabbitMQ")
	capabilities, _ := connection.Properties["capabilities"].(amqp.Table)
	for _, name := range []string{
		"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
		"connection.blocked", "authentication_failure_close", "per_consumer_qos",
	} {
		t.equal(name, capabilities[name], true)
	}
	t.equal("channel max", connection.Config.ChannelMax, uint16(2047))
	t.equal("frame max", connection.Config.FrameSize, 131072)
}

// Longer than the three intervals after which this client would give up; only time shows this.
func heartbeats(t *T) {
	connection := t.connectTo(brokerURL(), amqp.Config{Heartbeat: time.Second})
	channel := t.confirmChannelOn(connection)
	queue := t.transientQueue(channel, "q")
	idle := 10 * time.Second
	if quick {
		idle = 5 * time.Second
	}
	time.Sleep(idle)
	t.publishConfirmed(channel, "", queue, text("still here"))
	t.equal("messages", t.drain(channel, queue), []string{"still here"})
}

func manyChannels(t *T) {
	connection := t.connect()
	count := 1000
	if quick {
		count = 200
	}
	var channels []*channel
	for i := 0; i < count; i++ {
		channels = append(channels, t.confirmChannelOn(connection))
	}
	queue := t.transientQueue(channels[0], "q")
	var unconfirmed []*amqp.DeferredConfirmation
	for _, channel := range channels {
		unconfirmed = append(unconfirmed, t.publishDeferred(channel, "", queue, false, text("x")))
	}
	for _, deferred := range unconfirmed {
		t.confirmed(deferred)
	}
	t.equal("messages", t.ready(channels[count-1], queue), count)
	for _, channel := range channels[1:] {
		t.must(channel.Close())
	}
	t.equal("messages", t.ready(channels[0], queue), count)
}

func channelNumbers(t *T) {
	connection := t.connectTo(brokerURL(), amqp.Config{ChannelMax: 4})
	for i := 0; i < 100; i++ {
		t.must(t.channelOn(connection).Close())
	}
	for i := 0; i < 4; i++ {
		t.channelOn(connection)
	}
	checkUsable(t, t.connect())
	if _, err := connection.Channel(); err != amqp.ErrChannelMax {
		t.fatalf("a fifth channel of four: %v", err)
	}
}

func manyConnections(t *T) {
	count := 100
	if quick {
		count = 20
	}
	results := make(chan error, count)
	var opened sync.WaitGroup
	opened.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			connection, err := amqp.Dial(brokerURL())
			opened.Done()
			if err == nil {
				opened.Wait()
				_, err = connection.Channel()
			}
			if err == nil {
				err = connection.Close()
			}
			results <- err
		}()
	}
	for i := 0; i < count; i++ {
		t.must(<-results)
	}
}

func closeIsClean(t *T) {
	connection := t.connect()
	channel := t.channelOn(connection)
	t.must(connection.Close())
	t.equal("connection", t.awaitClose(connection.closed), nil)
	t.equal("channel", t.awaitClose(channel.closed), nil)
	t.equal("closed", connection.IsClosed(), true)
}

func publishThenClose(t *T) {
	connection := t.connect()
	channel := t.channelOn(connection)
	queue := t.transientQueue(channel, "q")
	for i := 0; i < 1000; i++ {
		t.publish(channel, "", queue, text("x"))
	}
	t.must(channel.Close())
	t.must(connection.Close())
	t.equal("messages", t.ready(t.channel(), queue), 1000)
}

func amqplain(t *T) {
	mechanism := &amqp.AMQPlainAuth{Username: user(), Password: password()}
	checkUsable(t, t.connectTo(brokerURL(), amqp.Config{SASL: []amqp.Authentication{mechanism}}))
}

func updateSecret(t *T) {
	connection := t.connect()
	t.must(connection.UpdateSecret(password(), "rotation"))
	checkUsable(t, connection)
}
