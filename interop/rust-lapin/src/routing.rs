// SPDX-License-Identifier: Apache-2.0
//
// Exchanges, bindings, and the life of queues.

use crate::harness::*;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, ExchangeKind};

pub fn register(suite: &mut Suite) {
    suite.test("direct_exchange", direct);
    suite.test("fanout_exchange", fanout);
    suite.test("topic_exchange", topic);
    suite.test("headers_exchange", headers);
    suite.test("exchange_to_exchange", exchange_to_exchange);
    suite.test("alternate_exchange", alternate);
    suite.test("cc_and_bcc", cc_and_bcc);
    suite.test("server_named_queue", server_named);
    suite.test("exclusive_queue_vanishes_with_its_connection", exclusive);
    suite.test(
        "auto_delete_queue_vanishes_after_its_last_consumer",
        auto_delete,
    );
    suite.test("purge_and_delete_count", purge);
}

type Routed = Vec<Vec<String>>;

/// Publishes (key, headers) pairs numbered from 0; for each queue the numbers of those that it got.
async fn routed(
    channel: &Channel,
    exchange: &str,
    queues: &[String],
    messages: &[(&str, Option<FieldTable>)],
) -> Result<Routed, Failure> {
    for (number, (key, headers)) in messages.iter().enumerate() {
        let mut properties = BasicProperties::default();
        if let Some(headers) = headers {
            properties = properties.with_headers(headers.clone());
        }
        publish_to(
            channel,
            exchange,
            key,
            number.to_string().as_bytes(),
            properties,
        )
        .await?;
    }
    let mut got = Vec::new();
    for queue in queues {
        got.push(drain(channel, queue).await?);
    }
    Ok(got)
}

fn wanted(lists: &[&[usize]]) -> Routed {
    lists
        .iter()
        .map(|list| list.iter().map(usize::to_string).collect())
        .collect()
}

async fn queues(t: &Context, channel: &Channel, count: usize) -> Result<Vec<String>, Failure> {
    let mut queues = Vec::new();
    for _ in 0..count {
        queues.push(t.queue(channel).await?);
    }
    Ok(queues)
}

async fn direct(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let exchange = t.exchange(&channel, ExchangeKind::Direct).await?;
    let queues = queues(&t, &channel, 2).await?;
    for (queue, key) in [(0, "a"), (1, "a"), (1, "b")] {
        bind(&channel, &queues[queue], &exchange, key).await?;
    }
    let keys = [("a", None), ("b", None), ("c", None)];
    let got = routed(&channel, &exchange, &queues, &keys).await?;
    expect(got, wanted(&[&[0], &[0, 1]]), "routed")?;
    let (queue, source) = (queues[1].as_str(), exchange.as_str());
    channel
        .queue_unbind(
            queue.into(),
            source.into(),
            "a".into(),
            FieldTable::default(),
        )
        .await?;
    let got = routed(&channel, &exchange, &queues, &keys).await?;
    expect(got, wanted(&[&[0], &[1]]), "after unbinding")
}

async fn fanout(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let exchange = t.exchange(&channel, ExchangeKind::Fanout).await?;
    let queues = queues(&t, &channel, 5).await?;
    for queue in &queues {
        bind(&channel, queue, &exchange, "ignored").await?;
    }
    let got = routed(&channel, &exchange, &queues, &[("x", None)]).await?;
    expect(got, vec![numbers(1); 5], "routed")
}

async fn topic(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let exchange = t.exchange(&channel, ExchangeKind::Topic).await?;
    let patterns: [(&str, &[usize]); 7] = [
        ("*.orange.*", &[0, 1]),
        ("*.*.rabbit", &[0]),
        ("lazy.#", &[1, 2, 3]),
        ("#", &[0, 1, 2, 3, 4, 5]),
        ("#.orange", &[4]),
        ("*", &[2, 4]),
        ("", &[5]),
    ];
    let queues = queues(&t, &channel, patterns.len()).await?;
    for (queue, (pattern, _)) in queues.iter().zip(patterns) {
        bind(&channel, queue, &exchange, pattern).await?;
    }
    let keys = [
        "quick.orange.rabbit",
        "lazy.orange.fox",
        "lazy",
        "lazy.",
        "orange",
        "",
    ];
    let got = routed(&channel, &exchange, &queues, &keys.map(|key| (key, None))).await?;
    expect(got, wanted(&patterns.map(|(_, numbers)| numbers)), "routed")
}

async fn headers(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let exchange = t.exchange(&channel, ExchangeKind::Headers).await?;
    let bindings = [
        table(&[
            ("x-match", text("all")),
            ("format", text("pdf")),
            ("pages", int(3)),
        ]),
        table(&[
            ("x-match", text("any")),
            ("format", text("pdf")),
            ("pages", int(3)),
        ]),
        table(&[("format", text("zip"))]),
        table(&[("x-match", text("all")), ("urgent", AMQPValue::Void)]),
    ];
    let queues = queues(&t, &channel, bindings.len()).await?;
    for (queue, arguments) in queues.iter().zip(bindings) {
        let options = QueueBindOptions::default();
        channel
            .queue_bind(
                queue.as_str().into(),
                exchange.as_str().into(),
                "".into(),
                options,
                arguments,
            )
            .await?;
    }
    let messages = [
        (
            "",
            Some(table(&[("format", text("pdf")), ("pages", int(3))])),
        ),
        (
            "",
            Some(table(&[("format", text("pdf")), ("pages", int(4))])),
        ),
        (
            "",
            Some(table(&[
                ("format", text("zip")),
                ("urgent", AMQPValue::Boolean(true)),
            ])),
        ),
        ("", None),
    ];
    let got = routed(&channel, &exchange, &queues, &messages).await?;
    expect(got, wanted(&[&[0], &[0, 1], &[2], &[2]]), "routed")
}

async fn exchange_to_exchange(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let source = t.exchange(&channel, ExchangeKind::Topic).await?;
    let target = t.exchange(&channel, ExchangeKind::Fanout).await?;
    let queues = queues(&t, &channel, 1).await?;
    bind(&channel, &queues[0], &target, "").await?;
    let (to, from) = (target.as_str(), source.as_str());
    let options = ExchangeBindOptions::default();
    channel
        .exchange_bind(
            to.into(),
            from.into(),
            "a.#".into(),
            options,
            FieldTable::default(),
        )
        .await?;
    let keys = [("a.b", None), ("b", None)];
    expect(
        routed(&channel, &source, &queues, &keys).await?,
        wanted(&[&[0]]),
        "routed",
    )?;
    let options = ExchangeUnbindOptions::default();
    channel
        .exchange_unbind(
            to.into(),
            from.into(),
            "a.#".into(),
            options,
            FieldTable::default(),
        )
        .await?;
    expect(
        routed(&channel, &source, &queues, &keys).await?,
        wanted(&[&[]]),
        "after unbinding",
    )
}

async fn alternate(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let other = t.exchange(&channel, ExchangeKind::Fanout).await?;
    let arguments = [("alternate-exchange", text(&other))];
    let exchange = t
        .exchange_with(&channel, ExchangeKind::Direct, false, &arguments)
        .await?;
    let queues = queues(&t, &channel, 2).await?;
    bind(&channel, &queues[0], &exchange, "a").await?;
    bind(&channel, &queues[1], &other, "").await?;
    let got = routed(&channel, &exchange, &queues, &[("a", None), ("b", None)]).await?;
    expect(got, wanted(&[&[0], &[1]]), "routed")
}

async fn cc_and_bcc(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queues = queues(&t, &channel, 3).await?;
    let cc = ("CC", list(vec![text(&queues[1])]));
    let bcc = ("BCC", list(vec![text(&queues[2])]));
    let properties = BasicProperties::default().with_headers(table(&[cc.clone(), bcc]));
    publish_to(&channel, "", &queues[0], b"x", properties).await?;
    for queue in &queues {
        let message = get_one(&channel, queue).await?;
        let headers = message.properties.headers().clone();
        expect(
            headers,
            Some(table(std::slice::from_ref(&cc))),
            "BCC is removed",
        )?;
    }
    Ok(())
}

async fn server_named(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let exclusive = Flags {
        exclusive: true,
        ..Flags::default()
    };
    let name = declare(&channel, "", exclusive, &[])
        .await?
        .name()
        .as_str()
        .to_owned();
    expect_true(name.starts_with("amq.gen-"), format!("name: {name}"))?;
    publish(&channel, &name, &["0"]).await?;
    expect(drain(&channel, &name).await?, numbers(1), "bodies")
}

async fn exclusive(t: Context) -> Outcome {
    let owner = t.connect().await?;
    let exclusive = Flags {
        exclusive: true,
        ..Flags::default()
    };
    let channel = owner.create_channel().await?;
    let queue = t.queue_with(&channel, exclusive, &[]).await?;
    owner.close(200, "bye".into()).await?;
    poll("the queue is gone", || async {
        Ok(!t.is_there(&queue).await?)
    })
    .await
}

async fn auto_delete(t: Context) -> Outcome {
    let channel = t.channel().await?;
    let auto_delete = Flags {
        auto_delete: true,
        ..Flags::default()
    };
    let queue = t.queue_with(&channel, auto_delete, &[]).await?;
    let (one, two) = (
        consume(&channel, &queue, true).await?,
        consume(&channel, &queue, true).await?,
    );
    channel
        .basic_cancel(one.tag(), BasicCancelOptions::default())
        .await?;
    expect(
        t.is_there(&queue).await?,
        true,
        "there with one consumer left",
    )?;
    channel
        .basic_cancel(two.tag(), BasicCancelOptions::default())
        .await?;
    poll("the queue is gone", || async {
        Ok(!t.is_there(&queue).await?)
    })
    .await
}

async fn purge(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    publish(&channel, &queue, &numbers(3)).await?;
    let purged = channel
        .queue_purge(queue.as_str().into(), QueuePurgeOptions::default())
        .await?;
    expect(purged, 3, "purged")?;
    publish(&channel, &queue, &numbers(2)).await?;
    let deleted = channel
        .queue_delete(queue.into(), QueueDeleteOptions::default())
        .await?;
    expect(deleted, 2, "deleted")
}
