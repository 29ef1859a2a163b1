// SPDX-License-Identifier: Apache-2.0
//
// Publisher confirms, returned messages, transactions, properties and bodies.

use crate::harness::*;
use futures_util::future::try_join_all;
use lapin::options::*;
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Confirmation, ExchangeKind};

pub fn register(suite: &mut Suite) {
    suite.test("confirms_of_a_stream_of_messages", confirms);
    suite.test("mandatory_unroutable_message_is_returned", returned);
    suite.test("unroutable_without_mandatory_is_confirmed", unroutable);
    suite.test("publish_to_a_missing_exchange_is_404", missing_exchange);
    suite.test("wrong_user_id_is_406", wrong_user_id);
    suite.test("transaction_commits_and_rolls_back", transaction);
    suite.test("all_properties_round_trip", properties);
    suite.test("header_types_round_trip", headers);
    suite.test("bodies_around_the_frame_size", frame_size);
    suite.test("message_of_several_megabytes", megabytes);
}

async fn confirms(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue_with(&channel, DURABLE, &[]).await?;
    let sent = numbers(if quick() { 500 } else { 3000 });
    let mut confirms = Vec::new();
    for body in &sent {
        let options = BasicPublishOptions::default();
        let published = channel.basic_publish(
            "".into(),
            queue.as_str().into(),
            options,
            body.as_bytes(),
            persistent(),
        );
        confirms.push(published.await?);
    }
    let confirmed = within("all confirms", try_join_all(confirms)).await??;
    expect_true(
        confirmed.iter().all(|c| *c == Confirmation::Ack(None)),
        "each acked",
    )?;
    expect_true(
        drain(&channel, &queue).await? == sent,
        "all, in the order of publishing",
    )
}

async fn returned(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let exchange = t.exchange(&channel, ExchangeKind::Direct).await?;
    let options = BasicPublishOptions {
        mandatory: true,
        ..Default::default()
    };
    let properties = BasicProperties::default()
        .with_message_id("m1".into())
        .with_headers(table(&[("k", list(vec![int(1)]))]));
    let confirm = channel
        .basic_publish(
            exchange.as_str().into(),
            "nowhere".into(),
            options,
            b"body",
            properties,
        )
        .await?;
    let returned = within("the confirm", confirm)
        .await??
        .take_message()
        .ok_or("not returned")?;
    expect(
        (returned.reply_code, returned.reply_text.as_str()),
        (312, "NO_ROUTE"),
        "reply",
    )?;
    let back = &returned.delivery;
    expect(
        (back.exchange.as_str(), back.routing_key.as_str()),
        (exchange.as_str(), "nowhere"),
        "to",
    )?;
    expect(body_of(&back.data), "body".into(), "body")?;
    expect(
        back.properties.message_id().clone(),
        Some("m1".into()),
        "message id",
    )?;
    let headers = Some(table(&[("k", list(vec![int(1)]))]));
    expect(back.properties.headers().clone(), headers, "headers")
}

async fn unroutable(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let exchange = t.exchange(&channel, ExchangeKind::Fanout).await?;
    let confirm = publish_to(&channel, &exchange, "", b"x", persistent()).await?;
    expect(confirm, Confirmation::Ack(None), "confirm")
}

async fn missing_exchange(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let missing = t.name("missing");
    let confirm = channel
        .basic_publish(
            missing.as_str().into(),
            "".into(),
            Default::default(),
            b"x",
            persistent(),
        )
        .await?;
    expect_error(
        within("the error", confirm).await?,
        404,
        &format!("NOT_FOUND - no exchange '{missing}' in vhost '/'"),
    )
}

async fn wrong_user_id(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let properties = BasicProperties::default().with_user_id("somebody".into());
    let confirm = channel
        .basic_publish("".into(), "q".into(), Default::default(), b"x", properties)
        .await?;
    expect_error(
        within("the error", confirm).await?,
        406,
        "PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was 'guest'",
    )
}

async fn transaction(t: Context) -> Outcome {
    let channel = t.channel().await?;
    let queue = t.queue(&channel).await?;
    channel.tx_select().await?;
    publish_to(&channel, "", &queue, b"1", persistent()).await?;
    expect(t.counts(&queue).await?.0, 0, "messages before the commit")?;
    channel.tx_commit().await?;
    publish_to(&channel, "", &queue, b"discarded", persistent()).await?;
    channel.tx_rollback().await?;
    publish_to(&channel, "", &queue, b"2", persistent()).await?;
    channel.tx_commit().await?;
    poll("both messages", || async {
        Ok(t.counts(&queue).await?.0 == 2)
    })
    .await?;
    expect(
        drain(&channel, &queue).await?,
        numbers(3)[1..].to_vec(),
        "bodies",
    )
}

async fn properties(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    let wanted = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("gzip".into())
        .with_headers(table(&[("k", text("v"))]))
        .with_delivery_mode(2)
        .with_priority(7)
        .with_correlation_id("correlation".into())
        .with_reply_to("reply".into())
        .with_expiration("600000".into())
        .with_message_id("id".into())
        .with_timestamp(1_700_000_000)
        .with_type("kind".into())
        .with_user_id(setting("AMQP_USER").into())
        .with_app_id("application".into())
        .with_cluster_id("cluster".into());
    publish_to(&channel, "", &queue, b"x", wanted.clone()).await?;
    expect(
        get_one(&channel, &queue).await?.delivery.properties,
        wanted,
        "properties",
    )?;
    publish_to(&channel, "", &queue, b"x", BasicProperties::default()).await?;
    let none = get_one(&channel, &queue).await?.delivery.properties;
    expect(none, BasicProperties::default(), "no properties")
}

async fn headers(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    let wanted = table(&[
        ("bool", AMQPValue::Boolean(true)),
        ("i8", AMQPValue::ShortShortInt(-128)),
        ("u8", AMQPValue::ShortShortUInt(255)),
        ("i16", AMQPValue::ShortInt(-32768)),
        ("u16", AMQPValue::ShortUInt(65535)),
        ("i32", int(-2_147_483_648)),
        ("u32", AMQPValue::LongUInt(4_294_967_295)),
        ("i64", AMQPValue::LongLongInt(-(1 << 62))),
        ("float", AMQPValue::Float(1.5)),
        ("double", AMQPValue::Double(3.25)),
        ("string", text("text € 🐇")),
        ("bytes", AMQPValue::ByteArray(vec![0, 255, 254].into())),
        ("time", AMQPValue::Timestamp(1_700_000_000)),
        ("void", AMQPValue::Void),
        (
            "array",
            list(vec![int(1), text("two"), list(vec![AMQPValue::Void])]),
        ),
        (
            "table",
            AMQPValue::FieldTable(table(&[("a", list(vec![AMQPValue::Boolean(false)]))])),
        ),
    ]);
    let properties = BasicProperties::default().with_headers(wanted.clone());
    publish_to(&channel, "", &queue, b"x", properties).await?;
    let got = get_one(&channel, &queue)
        .await?
        .delivery
        .properties
        .headers()
        .clone();
    expect(got, Some(wanted), "headers")
}

async fn frame_size(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    let limit = 131_072 - 8;
    let sizes = vec![0, 1, limit - 1, limit, limit + 1, 2 * limit, 2 * limit + 1];
    let bodies: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
    publish(&channel, &queue, &bodies).await?;
    let got: Vec<usize> = drain(&channel, &queue)
        .await?
        .iter()
        .map(String::len)
        .collect();
    expect(got, sizes, "sizes")
}

async fn megabytes(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue_with(&channel, DURABLE, &[]).await?;
    let size = if quick() { 5_000_000 } else { 15_000_000 };
    let body: Vec<u8> = (0..size).map(|n: u32| (n % 251) as u8).collect();
    publish(&channel, &queue, &[body.as_slice(), b"after"]).await?;
    let got = take(&mut consume(&channel, &queue, true).await?, 2).await?;
    expect_true(
        got[0].data == body && got[1].data == b"after",
        "the large one, the one after",
    )
}
