//! What it costs that nothing is lost: a cart (its database on a disk, and each commit waits for that), the same cart with
//! its database in memory, and a program that publishes with QoS 1 and keeps nothing.
//!
//! `make build`, then `cargo run --release -p cartvision-tests --example durability -- [DIRECTORY ON A DISK]`
//!
//! They take turns at the same work, a backend's `basket/adjust`, and answer with the same bytes of events, basket and
//! reply: first as fast as it goes, 16 changes a command and no waiting for answers; then one change at a time. From
//! decision to PUBACK is on each program's own clock: a cart's (it tells in its telemetry) starts when it has worked a
//! command out, before the commit; the other's when it hands its client the command's first message. So a command's way in
//! is on neither. From command to event is what the backend sees, both ways included. Figures are medians of the rounds,
//! in brackets those of their ratios to the program without an outbox.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc::channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use cartvision_tests::bench::Bench;
use cartvision_tests::cart::{replies, start, start_session, stop};
use cartvision_tests::input::{PATTERN, camera, configuration};
use cartvision_tests::mosquitto::{Door, Mosquitto};
use cartvision_tests::observer::{Observer, at_once, root, utc_now};
use cartvision_wire::CommandName;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
use rumqttc::v5::{Client, Event, MqttOptions, mqttbytes::QoS};
use serde_json::{Value, json};

const ROUNDS: usize = 7;
const AT_ONCE: usize = 16;
/// As fast as it goes: so many commands, each of which makes so many events.
const COMMANDS: usize = 200;
/// Then one event at a time: as many as telemetry keeps, so that its figures are of these.
const SINGLES: usize = 300;

const PROGRAMS: [&str; 3] = ["cart, database on a disk", "cart, database in memory", "QoS 1, no outbox"];
type Figures = [f64; 5];
/// A cart's event, basket and reply.
type Bytes = [Vec<u8>; 3];

fn main() {
    let disk = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let kind = rustix::fs::statfs(&disk).unwrap().f_type;
    assert_ne!(kind, 0x0102_1994, "{} is in memory; name a directory on a disk", disk.display());
    let (mut rounds, mut bytes): (Vec<[Figures; 3]>, _) = (Vec::new(), None);
    for round in 0..ROUNDS {
        let mut figures = [Figures::default(); 3];
        for program in if round % 2 == 0 { [0, 1, 2] } else { [2, 1, 0] } {
            figures[program] = match program {
                0 => cart(&disk, &mut bytes),
                1 => cart(Path::new("/dev/shm"), &mut bytes),
                _ => without(bytes.clone().unwrap()),
            };
            println!("round {}, {}: {:.2?}", round + 1, PROGRAMS[program], figures[program]);
        }
        rounds.push(figures);
    }
    let median = |of: &dyn Fn(&[Figures; 3]) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!(
        "\n| | events/s | decision to PUBACK, p50 ms | p99 ms | command to event at the backend, p50 ms | p99 ms |\n|---|---:|---:|---:|---:|---:|"
    );
    for (program, name) in PROGRAMS.iter().enumerate() {
        let cell = |f| (median(&|r| r[program][f]), median(&|r| r[program][f] / r[2][f]));
        let cells: String = (0..5).map(cell).map(|(value, to)| format!(" {value:.2} ({to:.2}) |")).collect();
        println!("| {name} |{cells}");
    }
}

/// Waits for so many events after the first `from` messages; gives how many messages there are by then.
fn hear(observer: &Observer, from: usize, wanted: usize) -> usize {
    let (topic, mut looked, mut heard) = (root().events(), from, 0);
    observer.wait("events", |messages| {
        heard += messages[looked..].iter().filter(|m| m.topic == topic).count();
        looked = messages.len();
        (heard >= wanted).then_some(looked)
    })
}

/// Has an adjustment made with so many changes, each one event; does not wait for it.
fn ask(observer: &Observer, number: usize, changes: usize) {
    // What is put in is taken out again, so that the basket stays small.
    let delta = if number.is_multiple_of(2) { 1 } else { -1 };
    let changes: Value = (0..changes).map(|_| json!({ "id": "42", "delta": delta })).collect();
    let payload = json!({ "issued_at": utc_now(), "session": "s-1", "by": "staff", "changes": changes });
    let properties = PublishProperties {
        response_topic: Some(replies() + "adjusted"),
        correlation_data: Some(number.to_string().into()),
        ..Default::default()
    };
    observer.publish(&root().command(CommandName::BasketAdjust), &payload.to_string(), false, properties);
}

/// The same work for each program: events a second, and percentiles from a single command to its event.
fn work(observer: &Observer) -> (f64, [f64; 2]) {
    let mut heard = observer.messages().len();
    let began = Instant::now();
    (0..COMMANDS).for_each(|number| ask(observer, number, AT_ONCE));
    heard = hear(observer, heard, COMMANDS * AT_ONCE);
    let per_s = (COMMANDS * AT_ONCE) as f64 / began.elapsed().as_secs_f64();
    let single = |number| {
        sleep(Duration::from_millis(20));
        let asked = Instant::now();
        ask(observer, COMMANDS + number, 1);
        heard = hear(observer, heard, 1);
        ms(asked)
    };
    let took_ms: Vec<f64> = (0..SINGLES).map(single).collect();
    (per_s, percentiles(&took_ms))
}

/// Of the single ones, which came last; by nearest rank, as telemetry has it.
fn percentiles(took_ms: &[f64]) -> [f64; 2] {
    let mut sorted = took_ms[took_ms.len() - SINGLES..].to_vec();
    sorted.sort_by(f64::total_cmp);
    [50, 99].map(|p| sorted[(SINGLES * p).div_ceil(100) - 1])
}

fn cart(place: &Path, bytes: &mut Option<Bytes>) -> Figures {
    let (bench, broker, state) = (Bench::tiny(), Mosquitto::start(Door::Open), tempfile::tempdir_in(place));
    let (observer, state) = (Observer::of(&broker, root()), state.unwrap());
    let url = format!("url = '{}'", broker.url());
    let cart = start(&configuration(state.path(), &url, &bench.bundle, &camera("rim", PATTERN)));
    // It has subscribed by then: a command that comes before is nobody's.
    observer.wait_state("online", |_| true);
    start_session(&observer, "s-1");
    observer.wait_events(2);
    let (per_s, [heard, at_worst]) = work(&observer);
    let told = observer.messages().len();
    let delivery = observer.wait("telemetry", |messages| {
        let new = messages[told..].iter().find(|m| m.topic == root().telemetry())?;
        Some(new.json()["outbox"]["delivery"].clone())
    });
    stop(cart);
    let all = observer.messages();
    let last = |topic: String| all.iter().rfind(|m| m.topic == topic).unwrap().payload.clone();
    *bytes = Some([last(root().events()), last(root().basket()), last(replies() + "adjusted")]);
    let [of, to] = ["p50_ms", "p99_ms"].map(|name| delivery[name].as_f64().unwrap());
    [per_s, of, to, heard, at_worst]
}

fn without([event, basket, reply]: Bytes) -> Figures {
    let broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    let mut options = MqttOptions::new("cart", "127.0.0.1", broker.port());
    options.set_keep_alive(Duration::from_secs(10));
    options.set_network_options(at_once());
    let (client, mut connection) = Client::new(options, 64);
    client.subscribe(root().command(CommandName::BasketAdjust), QoS::AtLeastOnce).unwrap();
    // When what is handed over was decided, in its order; nothing for what is no event.
    let decided = Arc::new(Mutex::new(VecDeque::new()));
    let ((commands, incoming), (told, acknowledged), (ready, is_ready)) = (channel(), channel(), channel());
    let queue = decided.clone();
    thread::spawn(move || {
        let mut sent: Vec<Option<Instant>> = vec![None; 1 + usize::from(u16::MAX)];
        for event in connection.iter().map_while(Result::ok) {
            match event {
                Event::Outgoing(Outgoing::Publish(id)) => {
                    sent[usize::from(id)] = queue.lock().unwrap().pop_front().unwrap();
                }
                Event::Incoming(Packet::PubAck(ack)) => {
                    _ = sent[usize::from(ack.pkid)].take().map(|at| told.send(ms(at)));
                }
                Event::Incoming(Packet::Publish(command)) => _ = commands.send(command),
                Event::Incoming(Packet::SubAck(_)) => _ = ready.send(()),
                _ => {}
            }
        }
    });
    thread::spawn(move || {
        for command in incoming {
            let request: Value = serde_json::from_slice(&command.payload).unwrap();
            let now = Instant::now();
            let publish = |topic: String, retain, payload: &[u8], moment| {
                decided.lock().unwrap().push_back(moment);
                client.publish(topic, QoS::AtLeastOnce, retain, payload.to_vec()).unwrap();
            };
            for _ in request["changes"].as_array().unwrap() {
                publish(root().events(), false, &event, Some(now));
            }
            publish(root().basket(), true, &basket, None);
            publish(command.properties.unwrap().response_topic.unwrap(), false, &reply, None);
        }
    });
    is_ready.recv().unwrap();
    let (per_s, [heard, at_worst]) = work(&observer);
    let acknowledged: Vec<f64> = acknowledged.iter().take(COMMANDS * AT_ONCE + SINGLES).collect();
    let [of, to] = percentiles(&acknowledged);
    [per_s, of, to, heard, at_worst]
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
