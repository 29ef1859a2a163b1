// SPDX-License-Identifier: Apache-2.0
//
// A test is a name and an async function that gets a context: the context opens connections, makes names
// that are unique to the run, and afterwards removes every queue and exchange that it declared, over a
// connection of its own, because the test's may be dead.

use futures_util::{FutureExt, StreamExt};
use lapin::message::{BasicGetMessage, Delivery};
use lapin::options::*;
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use lapin::{Error, ErrorKind, ExchangeKind};
use std::fmt::Debug;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const WAIT: Duration = Duration::from_secs(20);
const TEST_TIMEOUT: Duration = Duration::from_secs(180);

pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Outcome = Result<(), Failure>;
type Body = Box<dyn Fn(Context) -> Pin<Box<dyn Future<Output = Outcome> + Send>>>;

/// A test that cannot run on this broker, and why.
#[derive(Debug)]
pub struct Skip(pub &'static str);

impl std::fmt::Display for Skip {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.0)
    }
}

impl std::error::Error for Skip {}

pub fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: start the suite with interop/run"))
}

pub fn quick() -> bool {
    std::env::var("INTEROP_QUICK").is_ok_and(|value| value == "1")
}

pub fn expect<T: PartialEq + Debug>(got: T, wanted: T, what: &str) -> Outcome {
    if got == wanted {
        return Ok(());
    }
    Err(format!("{what}: expected {wanted:?}, got {got:?}").into())
}

pub fn expect_true(condition: bool, what: impl Into<String>) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(what.into().into())
    }
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(WAIT, future)
        .await
        .map_err(|_| format!("{what}: not within {WAIT:?}").into())
}

/// Asks until the probe says yes.
pub async fn poll<F: Future<Output = Result<bool, Failure>>>(
    what: &str,
    mut probe: impl FnMut() -> F,
) -> Outcome {
    let deadline = Instant::now() + WAIT;
    while !probe().await? {
        if Instant::now() > deadline {
            return Err(format!("{what}: not within {WAIT:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

// --- values ------------------------------------------------------------------------------------

pub fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

pub fn int(value: i32) -> AMQPValue {
    AMQPValue::LongInt(value)
}

pub fn table(pairs: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in pairs {
        table.insert((*key).into(), value.clone());
    }
    table
}

pub fn list(values: Vec<AMQPValue>) -> AMQPValue {
    AMQPValue::FieldArray(FieldArray::from(values))
}

pub fn persistent() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2)
}

pub fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

pub fn bodies(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|d| body_of(&d.data)).collect()
}

pub fn body_of(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

// --- errors ------------------------------------------------------------------------------------

/// (code, text) of what the broker said when it closed a channel or a connection.
pub fn reason(error: &Error) -> Option<(u16, String)> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => {
            Some((error.get_id(), error.get_message().as_str().to_owned()))
        }
        _ => None,
    }
}

/// The result must be this error, in which the broker closed the channel or the connection.
pub fn expect_error<T>(result: lapin::Result<T>, code: u16, wanted: &str) -> Outcome {
    match result {
        Ok(_) => Err(format!("{code} expected, but there was no error").into()),
        Err(error) => match reason(&error) {
            Some(got) => expect(got, (code, wanted.to_owned()), "close"),
            None => Err(format!("{code} expected, got {error:?}").into()),
        },
    }
}

// --- the context of a test ---------------------------------------------------------------------

#[derive(Clone)]
pub struct Context(Arc<State>);

struct State {
    prefix: String,
    names: AtomicUsize,
    queues: Mutex<Vec<String>>,
    exchanges: Mutex<Vec<String>>,
}

pub fn address_of(user: &str, password: &str, vhost: &str) -> String {
    let (host, port) = (setting("AMQP_HOST"), setting("AMQP_PORT"));
    format!(
        "amqp://{user}:{password}@{host}:{port}/{}?heartbeat=30",
        vhost.replace('/', "%2f")
    )
}

pub fn address() -> String {
    address_of(
        &setting("AMQP_USER"),
        &setting("AMQP_PASSWORD"),
        &setting("AMQP_VHOST"),
    )
}

#[derive(Clone, Copy, Default)]
pub struct Flags {
    pub durable: bool,
    pub exclusive: bool,
    pub auto_delete: bool,
}

pub const DURABLE: Flags = Flags {
    durable: true,
    exclusive: false,
    auto_delete: false,
};

impl Context {
    fn new(prefix: String) -> Self {
        Context(Arc::new(State {
            prefix,
            names: AtomicUsize::new(0),
            queues: Mutex::default(),
            exchanges: Mutex::default(),
        }))
    }

    pub fn name(&self, suffix: &str) -> String {
        let number = self.0.names.fetch_add(1, Ordering::Relaxed);
        format!("{}.{number}.{suffix}", self.0.prefix)
    }

    pub async fn connect(&self) -> Result<Connection, Failure> {
        self.connect_to(&address()).await
    }

    pub async fn connect_to(&self, address: &str) -> Result<Connection, Failure> {
        let opening = Connection::connect(address, ConnectionProperties::default());
        Ok(within("the connection", opening).await??)
    }

    pub async fn channel(&self) -> Result<Channel, Failure> {
        Ok(self.connect().await?.create_channel().await?)
    }

    pub async fn confirm_channel(&self) -> Result<Channel, Failure> {
        let channel = self.channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(channel)
    }

    pub async fn queue(&self, channel: &Channel) -> Result<String, Failure> {
        self.queue_with(channel, Flags::default(), &[]).await
    }

    pub async fn queue_with(
        &self,
        channel: &Channel,
        flags: Flags,
        arguments: &[(&str, AMQPValue)],
    ) -> Result<String, Failure> {
        let name = self.name("q");
        self.0.queues.lock().unwrap().push(name.clone());
        declare(channel, &name, flags, arguments).await?;
        Ok(name)
    }

    pub async fn exchange(&self, channel: &Channel, kind: ExchangeKind) -> Result<String, Failure> {
        self.exchange_with(channel, kind, false, &[]).await
    }

    pub async fn exchange_with(
        &self,
        channel: &Channel,
        kind: ExchangeKind,
        durable: bool,
        arguments: &[(&str, AMQPValue)],
    ) -> Result<String, Failure> {
        let name = self.name("x");
        self.0.exchanges.lock().unwrap().push(name.clone());
        let options = ExchangeDeclareOptions {
            durable,
            ..Default::default()
        };
        channel
            .exchange_declare(name.as_str().into(), kind, options, table(arguments))
            .await?;
        Ok(name)
    }

    /// (messages, consumers) of a queue, asked over a connection of its own.
    pub async fn counts(&self, queue: &str) -> Result<(u32, u32), Failure> {
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        let declared = passive(&channel, queue).await;
        let _ = connection.close(200, "done".into()).await;
        let declared = declared?;
        Ok((declared.message_count(), declared.consumer_count()))
    }

    pub async fn is_there(&self, queue: &str) -> Result<bool, Failure> {
        match passive(&self.channel().await?, queue).await {
            Ok(_) => Ok(true),
            Err(error) if reason(&error).is_some_and(|(code, _)| code == 404) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub async fn restart_broker(&self) -> Outcome {
        shell(&setting("BROKER_RESTART"), &[]).await
    }

    /// SIGKILL, and started again.
    pub async fn crash_broker(&self) -> Outcome {
        shell(&setting("BROKER_CRASH"), &[]).await
    }

    /// rabbitmqctl or leveretctl.
    pub async fn control(&self, words: &[&str]) -> Outcome {
        shell(&format!("{} \"$@\"", setting("BROKER_CTL")), words).await
    }

    async fn clean_up(&self) -> Outcome {
        let queues = std::mem::take(&mut *self.0.queues.lock().unwrap());
        let exchanges = std::mem::take(&mut *self.0.exchanges.lock().unwrap());
        if queues.is_empty() && exchanges.is_empty() {
            return Ok(());
        }
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        for name in queues {
            channel
                .queue_delete(name.into(), QueueDeleteOptions::default())
                .await?;
        }
        for name in exchanges {
            channel
                .exchange_delete(name.into(), ExchangeDeleteOptions::default())
                .await?;
        }
        Ok(connection.close(200, "done".into()).await?)
    }
}

async fn shell(command: &str, words: &[&str]) -> Outcome {
    let output = tokio::process::Command::new("sh")
        .args(["-c", command, "sh"])
        .args(words)
        .output()
        .await?;
    expect_true(
        output.status.success(),
        format!("{command} {words:?}: {}", body_of(&output.stderr)),
    )
}

// --- what tests do with a channel --------------------------------------------------------------

pub async fn declare(
    channel: &Channel,
    name: &str,
    flags: Flags,
    arguments: &[(&str, AMQPValue)],
) -> lapin::Result<lapin::Queue> {
    let options = QueueDeclareOptions {
        durable: flags.durable,
        exclusive: flags.exclusive,
        auto_delete: flags.auto_delete,
        ..Default::default()
    };
    channel
        .queue_declare(name.into(), options, table(arguments))
        .await
}

pub async fn passive(channel: &Channel, name: &str) -> lapin::Result<lapin::Queue> {
    let options = QueueDeclareOptions {
        passive: true,
        ..Default::default()
    };
    channel
        .queue_declare(name.into(), options, FieldTable::default())
        .await
}

pub async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> lapin::Result<()> {
    let options = QueueBindOptions::default();
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            options,
            FieldTable::default(),
        )
        .await
}

/// Publishes, and waits for the confirm where the channel has them.
pub async fn publish_to(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &[u8],
    properties: BasicProperties,
) -> Result<Confirmation, Failure> {
    let options = BasicPublishOptions::default();
    let confirm = channel
        .basic_publish(exchange.into(), key.into(), options, body, properties)
        .await?;
    Ok(within("the confirm", confirm).await??)
}

/// To a queue, each confirmed.
pub async fn publish<B: AsRef<[u8]>>(channel: &Channel, queue: &str, bodies: &[B]) -> Outcome {
    for body in bodies {
        let confirm = publish_to(channel, "", queue, body.as_ref(), persistent()).await?;
        expect(confirm, Confirmation::Ack(None), "confirm")?;
    }
    Ok(())
}

pub async fn consume(channel: &Channel, queue: &str, no_ack: bool) -> lapin::Result<Consumer> {
    consume_with(channel, queue, no_ack, &[]).await
}

pub async fn consume_with(
    channel: &Channel,
    queue: &str,
    no_ack: bool,
    arguments: &[(&str, AMQPValue)],
) -> lapin::Result<Consumer> {
    let options = BasicConsumeOptions {
        no_ack,
        ..Default::default()
    };
    channel
        .basic_consume(queue.into(), "".into(), options, table(arguments))
        .await
}

pub async fn take(consumer: &mut Consumer, count: usize) -> Result<Vec<Delivery>, Failure> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let what = format!("delivery {} of {count}", taken.len() + 1);
        match within(&what, consumer.next()).await? {
            Some(delivery) => taken.push(delivery?),
            None => return Err(format!("{what}: the consumer was cancelled").into()),
        }
    }
    Ok(taken)
}

/// How many deliveries have come and wait; for a moment it lets more come.
pub async fn waiting(consumer: &mut Consumer) -> Result<Vec<Delivery>, Failure> {
    let mut taken = Vec::new();
    let moment = Duration::from_millis(300);
    while let Ok(Some(delivery)) = tokio::time::timeout(moment, consumer.next()).await {
        taken.push(delivery?);
    }
    Ok(taken)
}

pub async fn get(channel: &Channel, queue: &str) -> lapin::Result<Option<BasicGetMessage>> {
    channel
        .basic_get(queue.into(), BasicGetOptions { no_ack: false })
        .await
}

pub async fn get_one(channel: &Channel, queue: &str) -> Result<BasicGetMessage, Failure> {
    get(channel, queue)
        .await?
        .ok_or_else(|| format!("{queue} is empty").into())
}

pub async fn drain(channel: &Channel, queue: &str) -> Result<Vec<String>, Failure> {
    let mut bodies = Vec::new();
    let options = BasicGetOptions { no_ack: true };
    while let Some(message) = channel.basic_get(queue.into(), options).await? {
        bodies.push(body_of(&message.delivery.data));
    }
    Ok(bodies)
}

// --- the suite ---------------------------------------------------------------------------------

pub struct Suite {
    tests: Vec<(&'static str, Body)>,
}

impl Suite {
    pub fn new() -> Self {
        Suite { tests: Vec::new() }
    }

    pub fn test<F, R>(&mut self, name: &'static str, body: F)
    where
        F: Fn(Context) -> R + 'static,
        R: Future<Output = Outcome> + Send + 'static,
    {
        self.tests
            .push((name, Box::new(move |context| Box::pin(body(context)))));
    }

    /// Runs the tests named by the arguments, or all; the exit status.
    pub fn run(&self) -> i32 {
        println!("# lapin, tokio, rustls: see Cargo.toml");
        let chosen: Vec<String> = std::env::args().skip(1).collect();
        let run = std::process::id();
        let (mut ran, mut failed) = (0, 0);
        for (name, body) in &self.tests {
            if !chosen.is_empty() && !chosen.iter().any(|chosen| chosen == name) {
                continue;
            }
            ran += 1;
            let context = Context::new(format!("rs.{run:x}.{ran}"));
            let started = Instant::now();
            match run_one(body, context) {
                Ok(()) => println!("ok {name}"),
                Err(error) if error.is::<Skip>() => println!("skip {name}: {error}"),
                Err(error) => {
                    let words: Vec<String> = error
                        .to_string()
                        .split_whitespace()
                        .map(str::to_owned)
                        .collect();
                    println!("not ok {name}: {}", words.join(" "));
                    failed += 1;
                }
            }
            if started.elapsed() > Duration::from_secs(3) {
                println!("# that took {:.1} s", started.elapsed().as_secs_f64());
            }
        }
        i32::from(failed > 0 || ran == 0)
    }
}

/// Each test has a runtime of its own, whose end closes what the test left open.
fn run_one(body: &Body, context: Context) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let test = AssertUnwindSafe(body(context.clone())).catch_unwind();
        match tokio::time::timeout(TEST_TIMEOUT, test).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("it panicked".into()),
            Err(_) => Err(format!("no result after {TEST_TIMEOUT:?}").into()),
        }
    });
    let cleaned = runtime.block_on(async { within("cleaning up", context.clean_up()).await });
    runtime.shutdown_background();
    outcome.and(cleaned.unwrap_or_else(Err))
}
