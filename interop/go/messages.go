// SPDX-License-Identifier: Apache-2.0

package main

// What a message carries must come out as it went in: the body of any size, every property, every type
// of a header table. This client decodes each wire type to a Go type of its own, so that a broker that
// writes a header anew with another type is found out.

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var messageTests = []test{
	{name: "all_properties", body: allProperties},
	{name: "no_properties", body: noProperties},
	{name: "header_table_types", body: headerTableTypes},
	{name: "queue_argument_types", body: queueArgumentTypes},
	{name: "frame_sized_messages", body: frameSizedMessages},
	{name: "large_message", body: largeMessage},
	{name: "small_frames", body: smallFrames},
}

func roundTrip(t *T, channel *channel, message amqp.Publishing) amqp.Delivery {
	queue := t.transientQueue(channel, "q")
	t.publishConfirmed(channel, "", queue, message)
	return t.get(channel, queue, true)
}

// checkProperties compares every field that the published and the delivered message have in common.
func checkProperties(t *T, got amqp.Delivery, sent amqp.Publishing) {
	published, delivered := reflect.ValueOf(sent), reflect.ValueOf(got)
	for i := 0; i < published.NumField(); i++ {
		name := published.Type().Field(i).Name
		t.equal(name, delivered.FieldByName(name).Interface(), published.Field(i).Interface())
	}
}

func allProperties(t *T) {
	sent := amqp.Publishing{
		Headers:         amqp.Table{"h": "v"},
		ContentType:     "application/json",
		ContentEncoding: "gzip",
		DeliveryMode:    amqp.Persistent,
		Priority:        5,
		CorrelationId:   "correlation",
		ReplyTo:         "reply",
		Expiration:      "60000",
		MessageId:       "message",
		Timestamp:       time.Unix(1700000000, 0),
		Type:            "kind",
		UserId:          user(),
		AppId:           "application",
		Body:            []byte("{}"),
	}
	checkProperties(t, roundTrip(t, t.confirmChannel(), sent), sent)
}

func noProperties(t *T) {
	sent := amqp.Publishing{Body: []byte("x")}
	checkProperties(t, roundTrip(t, t.confirmChannel(), sent), sent)
}

func headerTableTypes(t *T) {
	headers := amqp.Table{
		"yes":       true,
		"no":        false,
		"int8":      int8(-128),
		"uint8":     byte(255),
		"int16":     int16(-32768),
		"uint16":    uint16(65535),
		"int32":     int32(math.MinInt32),
		"uint32":    uint32(math.MaxUint32),
		"int64":     int64(math.MinInt64),
		"float":     float32(0.1),
		"double":    math.Pi,
		"decimal":   amqp.Decimal{Scale: 2, Value: 31415},
		"string":    "hällo wörld",
		"empty":     "",
		"long":      strings.Repeat("x", 10000),
		"not utf-8": "\xff\xfe",
		"bytes":     []byte{0, 1, 254, 255},
		"timestamp": time.Unix(1700000000, 0),
		"nothing":   nil,
		"array":     []any{int32(1), "two", []any{true, nil}, amqp.Table{"three": int64(3)}},
		"table":     amqp.Table{"nested": amqp.Table{"deeper": amqp.Table{"deepest": "value"}}},
		"no table":  amqp.Table{},
	}
	got := roundTrip(t, t.confirmChannel(), amqp.Publishing{Headers: headers, Body: []byte("x")}).Headers
	for name, value := range headers {
		t.equal(fmt.Sprintf("%s (%T)", name, value), got[name], value)
	}
	t.equal("number of headers", len(got), len(headers))
}

// Arguments that the broker does not know are accepted, whatever their type.
func queueArgumentTypes(t *T) {
	channel := t.channel()
	queue := t.name("q")
	t.queues = append(t.queues, queue)
	arguments := amqp.Table{
		"interop-int":   int64(1) << 40,
		"interop-array": []any{"a", nil, amqp.Table{"b": 1.5}},
		"interop-time":  time.Unix(1700000000, 0),
		"interop-bytes": []byte{1, 2, 3},
	}
	for i := 0; i < 2; i++ {
		_, err := channel.QueueDeclare(queue, false, false, false, false, arguments)
		t.must(err)
	}
}

func checkSizes(t *T, channel *channel, sizes ...int) {
	queue := t.durableQueue(channel, "q")
	for _, size := range sizes {
		body := randomBytes(size)
		t.publishConfirmed(channel, "", queue, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
		if !bytes.Equal(t.get(channel, queue, true).Body, body) {
			t.fatalf("a body of %d bytes came back changed", size)
		}
	}
}

// Around the frame size lies where a body is cut.
func frameSizedMessages(t *T) {
	const frame = 131072
	checkSizes(t, t.confirmChannel(), 1, frame-9, frame-8, frame-7, frame, 2*(frame-8), 2*frame)
}

func largeMessage(t *T) {
	size := 32 << 20
	if quick {
		size = 8 << 20
	}
	checkSizes(t, t.confirmChannel(), size+1)
}

func smallFrames(t *T) {
	connection := t.connectTo(brokerURL(), amqp.Config{FrameSize: 8192})
	t.equal("frame size", connection.Config.FrameSize, 8192)
	checkSizes(t, t.confirmChannelOn(connection), 8184, 8185, 100000)
}
