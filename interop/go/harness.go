// SPDX-License-Identifier: Apache-2.0

package main

// The small test harness of this suite. A test is a name and a function that gets a *T: it opens
// connections, makes names that are unique to the run, and afterwards removes every queue and exchange
// that the test declared, over a connection of its own because the test's may be dead. A failed check
// panics with a failure, which ends that test alone. Nothing here sleeps to wait for the broker: what is
// awaited is an event, or polled with a deadline.

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	wait           = 10 * time.Second
	testTimeout    = 30 * time.Second
	restartTimeout = 120 * time.Second
)

var (
	quick    = os.Getenv("INTEROP_QUICK") == "1"
	runID    = randomHex(4)
	contexts int
)

type test struct {
	name     string
	body     func(t *T)
	restarts bool
}

type failure struct{ error }

// T is what a test works with.
type T struct {
	number      int
	connections []*connection
	queues      []string
	exchanges   []string
}

type connection struct {
	*amqp.Connection
	closed chan *amqp.Error
	socket net.Conn
}

type channel struct {
	*amqp.Channel
	closed   chan *amqp.Error
	returned chan amqp.Return
}

func randomHex(bytes int) string {
	return hex.EncodeToString(randomBytes(bytes))
}

func randomBytes(count int) []byte {
	buffer := make([]byte, count)
	if _, err := rand.Read(buffer); err != nil {
		panic(err)
	}
	return buffer
}

func oneLine(text string) string {
	return strings.Join(strings.Fields(text), " ")
}

// environment returns a variable, or the default; without a default it must be set.
func environment(name string, otherwise ...string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	if len(otherwise) == 0 {
		panic(failure{fmt.Errorf("%s is not set", name)})
	}
	return otherwise[0]
}

func user() string     { return environment("AMQP_USER", "guest") }
func password() string { return environment("AMQP_PASSWORD", "guest") }
func host() string     { return environment("AMQP_HOST", "127.0.0.1") }

func brokerURL() string {
	return urlOf("amqp", host(), environment("AMQP_PORT"), password(), environment("AMQP_VHOST", "/"))
}

func urlOf(scheme, host, port, password, vhost string) string {
	where := url.URL{Scheme: scheme, User: url.UserPassword(user(), password), Host: net.JoinHostPort(host, port)}
	return where.String() + "/" + url.PathEscape(vhost)
}

// run runs the test and what cleans up behind it, both with a time limit.
func (one test) run() error {
	contexts++
	t := &T{number: contexts}
	limit := testTimeout
	if one.restarts {
		limit += restartTimeout
	}
	err := guarded(limit, func() { one.body(t) })
	if cleaning := guarded(wait, t.cleanUp); err == nil {
		err = cleaning
	}
	return err
}

func guarded(limit time.Duration, body func()) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			switch reason := recover().(type) {
			case nil:
				done <- nil
			case failure:
				done <- reason.error
			default:
				panic(reason)
			}
		}()
		body()
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return fmt.Errorf("not done after %s", limit)
	}
}

func (t *T) fatalf(format string, arguments ...any) {
	panic(failure{fmt.Errorf(format, arguments...)})
}

func (t *T) must(err error) {
	if err != nil {
		panic(failure{err})
	}
}

func (t *T) equal(what string, got, expected any) {
	if !reflect.DeepEqual(got, expected) {
		t.fatalf("%s: expected %v, got %v", what, expected, got)
	}
}

// name is short, because a reply text that names it is cut off at 255 bytes.
func (t *T) name(suffix string) string {
	return fmt.Sprintf("go.%s.%d.%s", runID, t.number, suffix)
}

func (t *T) connect() *connection {
	return t.connectTo(brokerURL(), amqp.Config{})
}

func (t *T) connectTo(where string, config amqp.Config) *connection {
	opened, err := t.tryConnect(where, config)
	t.must(err)
	return opened
}

func (t *T) tryConnect(where string, config amqp.Config) (*connection, error) {
	opened := &connection{closed: make(chan *amqp.Error, 1)}
	dial := amqp.DefaultDial(wait)
	config.Dial = func(network, address string) (net.Conn, error) {
		socket, err := dial(network, address)
		opened.socket = socket
		return socket, err
	}
	connected, err := amqp.DialConfig(where, config)
	if err != nil {
		return nil, err
	}
	opened.Connection = connected
	opened.NotifyClose(opened.closed)
	t.connections = append(t.connections, opened)
	return opened, nil
}

// drop cuts the socket without a word, as a crash of the client would.
func (t *T) drop(dropped *connection) {
	t.must(dropped.socket.Close())
}

func (t *T) channel() *channel {
	return t.channelOn(t.connect())
}

func (t *T) channelOn(on *connection) *channel {
	opened, err := on.Channel()
	t.must(err)
	return &channel{
		Channel:  opened,
		closed:   opened.NotifyClose(make(chan *amqp.Error, 1)),
		returned: opened.NotifyReturn(make(chan amqp.Return, 100)),
	}
}

func (t *T) confirmChannel() *channel {
	return t.confirmChannelOn(t.connect())
}

func (t *T) confirmChannelOn(on *connection) *channel {
	opened := t.channelOn(on)
	t.must(opened.Confirm(false))
	return opened
}

type queueOptions struct{ durable, autoDelete, exclusive bool }

func (t *T) queue(on *channel, suffix string, options queueOptions) string {
	name := t.name(suffix)
	t.queues = append(t.queues, name)
	_, err := on.QueueDeclare(name, options.durable, options.autoDelete, options.exclusive, false, nil)
	t.must(err)
	return name
}

func (t *T) transientQueue(on *channel, suffix string) string {
	return t.queue(on, suffix, queueOptions{})
}

func (t *T) durableQueue(on *channel, suffix string) string {
	return t.queue(on, suffix, queueOptions{durable: true})
}

func (t *T) serverNamedQueue(on *channel) string {
	queue, err := on.QueueDeclare("", false, false, true, false, nil)
	t.must(err)
	return queue.Name
}

func (t *T) exchange(on *channel, suffix, kind string, durable, autoDelete bool, arguments amqp.Table) string {
	name := t.name(suffix)
	t.exchanges = append(t.exchanges, name)
	t.must(on.ExchangeDeclare(name, kind, durable, autoDelete, false, false, arguments))
	return name
}

func (t *T) transientExchange(on *channel, suffix, kind string) string {
	return t.exchange(on, suffix, kind, false, false, nil)
}

func (t *T) bind(on *channel, queue, exchange, key string) {
	t.must(on.QueueBind(queue, key, exchange, false, nil))
}

func text(body string) amqp.Publishing {
	return amqp.Publishing{Body: []byte(body)}
}

func persistent(body string) amqp.Publishing {
	return amqp.Publishing{Body: []byte(body), DeliveryMode: amqp.Persistent}
}

func (t *T) publish(on *channel, exchange, key string, message amqp.Publishing) {
	t.must(on.PublishWithContext(context.Background(), exchange, key, false, false, message))
}

// publishConfirmed publishes on a confirm channel and returns when the broker has confirmed it.
func (t *T) publishConfirmed(on *channel, exchange, key string, message amqp.Publishing) {
	t.confirmed(t.publishDeferred(on, exchange, key, false, message))
}

func (t *T) publishDeferred(
	on *channel, exchange, key string, mandatory bool, message amqp.Publishing,
) *amqp.DeferredConfirmation {
	deferred, err := on.PublishWithDeferredConfirmWithContext(
		context.Background(), exchange, key, mandatory, false, message)
	t.must(err)
	return deferred
}

func (t *T) confirmed(deferred *amqp.DeferredConfirmation) {
	limit, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	acked, err := deferred.WaitContext(limit)
	t.must(err)
	if !acked {
		t.fatalf("publish %d was nacked", deferred.DeliveryTag)
	}
}

func (t *T) consume(on *channel, queue string, autoAck bool) <-chan amqp.Delivery {
	return t.consumeAs(on, queue, "", autoAck)
}

func (t *T) consumeAs(on *channel, queue, tag string, autoAck bool) <-chan amqp.Delivery {
	deliveries, err := on.Consume(queue, tag, autoAck, false, false, false, nil)
	t.must(err)
	return deliveries
}

func (t *T) next(deliveries <-chan amqp.Delivery) amqp.Delivery {
	select {
	case delivery, open := <-deliveries:
		if !open {
			t.fatalf("the consumer was ended")
		}
		return delivery
	case <-time.After(wait):
		t.fatalf("no delivery after %s", wait)
	}
	panic("unreachable")
}

func (t *T) take(deliveries <-chan amqp.Delivery, count int) []amqp.Delivery {
	var taken []amqp.Delivery
	for len(taken) < count {
		taken = append(taken, t.next(deliveries))
	}
	return taken
}

// get fetches one message; there must be one.
func (t *T) get(from *channel, queue string, autoAck bool) amqp.Delivery {
	delivery, found, err := from.Get(queue, autoAck)
	t.must(err)
	if !found {
		t.fatalf("queue %s is empty", queue)
	}
	return delivery
}

func (t *T) drain(from *channel, queue string) []string {
	bodies := []string{}
	for {
		delivery, found, err := from.Get(queue, true)
		t.must(err)
		if !found {
			return bodies
		}
		bodies = append(bodies, string(delivery.Body))
	}
}

func (t *T) ready(on *channel, queue string) int {
	state, err := on.QueueDeclarePassive(queue, false, false, false, false, nil)
	t.must(err)
	return state.Messages
}

// exists asks on a channel of its own, because asking for a missing queue costs one.
func (t *T) exists(on *connection, queue string) bool {
	asking := t.channelOn(on)
	_, err := asking.QueueDeclarePassive(queue, false, false, false, false, nil)
	var reply *amqp.Error
	if errors.As(err, &reply) && reply.Code == amqp.NotFound {
		return false
	}
	t.must(err)
	t.must(asking.Close())
	return true
}

func (t *T) eventually(what string, holds func() bool) {
	for deadline := time.Now().Add(wait); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.fatalf("%s: not so after %s", what, wait)
		}
	}
}

func (t *T) checkReply(err error, code int, reason string) {
	var reply *amqp.Error
	if !errors.As(err, &reply) {
		t.fatalf("expected %d %q, got %v", code, reason, err)
	}
	if reply.Code != code || reply.Reason != reason {
		t.fatalf("expected %d %q, got %d %q", code, reason, reply.Code, reply.Reason)
	}
}

func (t *T) awaitClose(closed <-chan *amqp.Error) error {
	select {
	case reply := <-closed:
		if reply == nil {
			return nil
		}
		return reply
	case <-time.After(wait):
		t.fatalf("not closed after %s", wait)
	}
	panic("unreachable")
}

// channelError checks that the operation fails with this reply and that its channel was closed with it.
func (t *T) channelError(on *channel, err error, code int, reason string) {
	t.checkReply(err, code, reason)
	t.checkReply(t.awaitClose(on.closed), code, reason)
}

// restartBroker returns once the broker accepts connections again.
func (t *T) restartBroker() {
	t.shell(environment("BROKER_RESTART"))
}

// crashBroker does the same by SIGKILL.
func (t *T) crashBroker() {
	t.shell(environment("BROKER_CRASH"))
}

func (t *T) shell(command string) {
	limit, cancel := context.WithTimeout(context.Background(), restartTimeout)
	defer cancel()
	output, err := exec.CommandContext(limit, "sh", "-c", command).CombinedOutput()
	if err != nil {
		t.fatalf("%s: %v: %s", command, err, output)
	}
}

func (t *T) cleanUp() {
	for _, opened := range t.connections {
		_ = opened.CloseDeadline(time.Now().Add(time.Second))
	}
	if len(t.queues)+len(t.exchanges) == 0 {
		return
	}
	own, err := amqp.Dial(brokerURL())
	t.must(err)
	channel, err := own.Channel()
	t.must(err)
	for _, name := range t.queues {
		_, err := channel.QueueDelete(name, false, false, false)
		t.must(err)
	}
	for _, name := range t.exchanges {
		t.must(channel.ExchangeDelete(name, false, false))
	}
	t.must(own.Close())
}
