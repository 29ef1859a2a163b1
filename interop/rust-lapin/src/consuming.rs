// SPDX-License-Identifier: Apache-2.0
//
// Consuming, acknowledging, prefetch, redelivery, cancellation, request and reply.

use crate::harness::*;
use futures_util::StreamExt;
use lapin::options::*;
use lapin::{BasicProperties, Channel};

pub fn register(suite: &mut Suite) {
    suite.test("publish_and_consume_in_order", in_order);
    suite.test("get_returns_message_count_and_get_empty", gets);
    suite.test("prefetch_limits_unacked", prefetch);
    suite.test("consumers_share_in_turn", share);
    suite.test("consumer_priority", priority);
    suite.test("nack_with_requeue_keeps_the_order", nack);
    suite.test("reject_requeues_or_drops", reject);
    suite.test("recover_redelivers", recover);
    suite.test("double_ack_is_406", double_ack);
    suite.test("cancelled_consumer_gets_nothing_more", cancel);
    suite.test("consumer_is_told_when_its_queue_is_deleted", cancelled);
    suite.test("exclusive_consumer_is_alone", exclusive);
    suite.test("delegate_consumes", delegate);
    suite.test("rpc_with_reply_queue", rpc);
    suite.test("rpc_with_direct_reply_to", direct_reply_to);
    suite.test("direct_reply_to_needs_no_ack", direct_reply_to_ack);
}

async fn qos(channel: &Channel, count: u16) -> lapin::Result<()> {
    channel.basic_qos(count, BasicQosOptions::default()).await
}

async fn in_order(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    let sent = numbers(if quick() { 500 } else { 3000 });
    publish(&channel, &queue, &sent).await?;
    let taken = take(&mut consume(&channel, &queue, true).await?, sent.len()).await?;
    expect_true(bodies(&taken) == sent, "same bodies in the same order")?;
    let tags: Vec<u64> = taken.iter().map(|d| d.delivery_tag).collect();
    expect_true(
        tags == (1..=sent.len() as u64).collect::<Vec<_>>(),
        "delivery tags",
    )
}

async fn gets(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    publish(&channel, &queue, &["1", "2", "3"]).await?;
    for (body, left) in [("1", 2), ("2", 1), ("3", 0)] {
        let message = get_one(&channel, &queue).await?;
        expect(
            (body_of(&message.data).as_str(), message.message_count),
            (body, left),
            "body, left",
        )?;
    }
    expect_true(get(&channel, &queue).await?.is_none(), "get-empty")
}

async fn prefetch(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    publish(&channel, &queue, &numbers(20)).await?;
    qos(&channel, 3).await?;
    let mut consumer = consume(&channel, &queue, false).await?;
    let taken = waiting(&mut consumer).await?;
    expect(taken.len(), 3, "deliveries before an ack")?;
    taken[0].ack(BasicAckOptions::default()).await?;
    let more = take(&mut consumer, 1).await?;
    more[0].ack(BasicAckOptions { multiple: true }).await?;
    expect(
        waiting(&mut consumer).await?.len(),
        3,
        "deliveries after acking all",
    )?;
    expect(t.counts(&queue).await?, (13, 1), "ready, consumers")
}

async fn share(t: Context) -> Outcome {
    let publisher = t.confirm_channel().await?;
    let queue = t.queue(&publisher).await?;
    let channel = t.channel().await?;
    qos(&channel, 10).await?;
    let mut consumers = Vec::new();
    for _ in 0..4 {
        consumers.push(consume(&channel, &queue, false).await?);
    }
    publish(&publisher, &queue, &numbers(20)).await?;
    for consumer in &mut consumers {
        expect(waiting(consumer).await?.len(), 5, "deliveries of each")?;
    }
    Ok(())
}

async fn priority(t: Context) -> Outcome {
    let publisher = t.confirm_channel().await?;
    let queue = t.queue(&publisher).await?;
    let channel = t.channel().await?;
    qos(&channel, 2).await?;
    let mut low = consume_with(&channel, &queue, false, &[("x-priority", int(1))]).await?;
    let mut high = consume_with(&channel, &queue, false, &[("x-priority", int(9))]).await?;
    publish(&publisher, &queue, &numbers(3)).await?;
    let got = (
        take(&mut high, 2).await?.len(),
        take(&mut low, 1).await?.len(),
    );
    expect(got, (2, 1), "high until its prefetch is full, then low")
}

async fn nack(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    publish(&channel, &queue, &numbers(5)).await?;
    get_one(&channel, &queue).await?;
    get_one(&channel, &queue).await?;
    let third = get_one(&channel, &queue).await?;
    third
        .nack(BasicNackOptions {
            multiple: true,
            requeue: true,
        })
        .await?;
    let again = take(&mut consume(&channel, &queue, true).await?, 5).await?;
    expect(bodies(&again), numbers(5), "bodies")?;
    let redelivered: Vec<bool> = again.iter().map(|d| d.redelivered).collect();
    expect(
        redelivered,
        vec![true, true, true, false, false],
        "redelivered",
    )
}

async fn reject(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    publish(&channel, &queue, &["drop", "keep"]).await?;
    let first = get_one(&channel, &queue).await?;
    first.reject(BasicRejectOptions { requeue: true }).await?;
    let again = get_one(&channel, &queue).await?;
    expect(
        (body_of(&again.data), again.redelivered),
        ("drop".into(), true),
        "body, redelivered",
    )?;
    again.reject(BasicRejectOptions { requeue: false }).await?;
    expect(
        drain(&channel, &queue).await?,
        vec!["keep".to_owned()],
        "what is left",
    )
}

async fn recover(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    publish(&channel, &queue, &numbers(2)).await?;
    get_one(&channel, &queue).await?;
    get_one(&channel, &queue).await?;
    channel
        .basic_recover(BasicRecoverOptions { requeue: true })
        .await?;
    let again = take(&mut consume(&channel, &queue, true).await?, 2).await?;
    expect(bodies(&again), numbers(2), "bodies")?;
    expect_true(again.iter().all(|d| d.redelivered), "redelivered")
}

/// Acknowledges a message twice; what another call on the channel says then.
async fn ack_twice(t: &Context) -> Result<(u64, lapin::Result<lapin::Queue>), Failure> {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    publish(&channel, &queue, &["x"]).await?;
    let tag = get_one(&channel, &queue).await?.delivery_tag;
    channel.basic_ack(tag, BasicAckOptions::default()).await?;
    let again = channel.basic_ack(tag, BasicAckOptions::default());
    let (_, after) = tokio::join!(again, passive(&channel, &queue));
    Ok((tag, after))
}

async fn double_ack(t: Context) -> Outcome {
    // The client forgets the reason when the answer comes before anything waits for one.
    for _ in 0..50 {
        let (tag, after) = ack_twice(&t).await?;
        if let Err(error) = &after {
            if matches!(error.kind(), lapin::ErrorKind::InvalidChannelState(..)) {
                continue;
            }
        }
        let text = format!("PRECONDITION_FAILED - unknown delivery tag {tag}");
        return expect_error(after, 406, &text);
    }
    Err("the client never tells why".into())
}

async fn cancel(t: Context) -> Outcome {
    let channel = t.confirm_channel().await?;
    let queue = t.queue(&channel).await?;
    let mut consumer = consume(&channel, &queue, true).await?;
    publish(&channel, &queue, &["1"]).await?;
    take(&mut consumer, 1).await?;
    channel
        .basic_cancel(consumer.tag(), BasicCancelOptions::default())
        .await?;
    publish(&channel, &queue, &["2"]).await?;
    expect(
        drain(&channel, &queue).await?,
        vec!["2".to_owned()],
        "what is left",
    )?;
    expect_true(
        within("the end of the stream", consumer.next())
            .await?
            .is_none(),
        "no delivery",
    )
}

async fn cancelled(t: Context) -> Outcome {
    let channel = t.channel().await?;
    let queue = t.queue(&channel).await?;
    let mut consumer = consume(&channel, &queue, true).await?;
    let other = t.channel().await?;
    other
        .queue_delete(queue.into(), QueueDeleteOptions::default())
        .await?;
    let end = within("the cancellation", consumer.next()).await?;
    expect_true(end.is_none(), "the stream of deliveries ends")?;
    t.queue(&channel).await?; // the channel lives on
    Ok(())
}

async fn exclusive(t: Context) -> Outcome {
    let channel = t.channel().await?;
    let queue = t.queue(&channel).await?;
    let options = BasicConsumeOptions {
        exclusive: true,
        ..Default::default()
    };
    let _alone = channel
        .basic_consume(
            queue.as_str().into(),
            "".into(),
            options,
            Default::default(),
        )
        .await?;
    let text = format!("ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use");
    expect_error(consume(&t.channel().await?, &queue, true).await, 403, &text)
}

async fn delegate(t: Context) -> Outcome {
    let publisher = t.confirm_channel().await?;
    let queue = t.queue_with(&publisher, DURABLE, &[]).await?;
    let channel = t.channel().await?;
    qos(&channel, 1).await?;
    let (done, mut bodies) = tokio::sync::mpsc::unbounded_channel();
    let consumer = consume(&channel, &queue, false).await?;
    consumer.set_delegate(move |delivery: lapin::message::DeliveryResult| {
        let done = done.clone();
        async move {
            if let Ok(Some(delivery)) = delivery {
                let _ = done.send(body_of(&delivery.data));
                let _ = delivery.ack(BasicAckOptions::default()).await;
            }
        }
    });
    publish(&publisher, &queue, &numbers(100)).await?;
    let mut got = Vec::new();
    while got.len() < 100 {
        got.push(
            within("the next body", bodies.recv())
                .await?
                .ok_or("no more bodies")?,
        );
    }
    expect(got, numbers(100), "bodies")?;
    poll("all acked", || async { Ok(t.counts(&queue).await?.0 == 0) }).await
}

/// Answers requests with their square; the reply-to of each.
async fn serve(t: &Context, queue: &str, count: usize) -> Result<Vec<String>, Failure> {
    let server = t.channel().await?;
    let mut names = Vec::new();
    for request in take(&mut consume(&server, queue, true).await?, count).await? {
        let properties = &request.properties;
        let reply_to = properties
            .reply_to()
            .clone()
            .ok_or("no reply-to")?
            .as_str()
            .to_owned();
        let id = properties
            .correlation_id()
            .clone()
            .ok_or("no correlation id")?;
        let square = body_of(&request.data).parse::<u32>()?.pow(2).to_string();
        let properties = BasicProperties::default().with_correlation_id(id);
        publish_to(&server, "", &reply_to, square.as_bytes(), properties).await?;
        names.push(reply_to);
    }
    Ok(names)
}

/// Asks through the reply queue; (the reply-to that the server saw, replies by correlation id).
async fn ask(
    t: &Context,
    client: &Channel,
    replies: &str,
) -> Result<(Vec<String>, Vec<(String, String)>), Failure> {
    let requests = t.queue(client).await?;
    let mut consumer = consume(client, replies, true).await?;
    for n in 0..5 {
        let properties = BasicProperties::default()
            .with_reply_to(replies.into())
            .with_correlation_id(format!("c{n}").into());
        publish_to(client, "", &requests, n.to_string().as_bytes(), properties).await?;
    }
    let names = serve(t, &requests, 5).await?;
    let mut got = Vec::new();
    for reply in take(&mut consumer, 5).await? {
        let id = reply
            .properties
            .correlation_id()
            .clone()
            .ok_or("no correlation id")?;
        got.push((id.as_str().to_owned(), body_of(&reply.data)));
    }
    got.sort();
    Ok((names, got))
}

fn squares() -> Vec<(String, String)> {
    (0..5)
        .map(|n| (format!("c{n}"), (n * n).to_string()))
        .collect()
}

async fn rpc(t: Context) -> Outcome {
    let client = t.channel().await?;
    let exclusive = Flags {
        exclusive: true,
        ..Flags::default()
    };
    let replies = declare(&client, "", exclusive, &[])
        .await?
        .name()
        .as_str()
        .to_owned();
    expect(ask(&t, &client, &replies).await?.1, squares(), "answers")
}

async fn direct_reply_to(t: Context) -> Outcome {
    let client = t.channel().await?;
    let (names, answers) = ask(&t, &client, "amq.rabbitmq.reply-to").await?;
    expect(answers, squares(), "answers")?;
    expect_true(
        names[0].starts_with("amq.rabbitmq.reply-to."),
        format!("reply-to {}", names[0]),
    )
}

async fn direct_reply_to_ack(t: Context) -> Outcome {
    let refused = consume(&t.channel().await?, "amq.rabbitmq.reply-to", false).await;
    expect_error(
        refused,
        406,
        "PRECONDITION_FAILED - reply consumer cannot acknowledge",
    )
}
