//! What it costs that nothing is lost: events a second, and from decision to PUBACK, of a cart with its database on a disk,
//! of the same cart with its database in memory (a commit costs nothing there), and of a program that publishes QoS 1 and
//! keeps nothing. `cargo run --release -p cartvision-tests --example durability -- [DIRECTORY ON A DISK]`
//!
//! The three take turns; figures are medians over the rounds. Ratios count, on a busy machine nothing else does. A cart's
//! burst is of commands, each answered before the next; the program without an outbox is handed its messages at once, and
//! its clock starts when a message leaves it, a cart's when it decides. So the last line flatters it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is what this prints")]

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cartvision_tests::bench::Bench;
use cartvision_tests::cart::{adjust, start, start_session, stop};
use cartvision_tests::input::{PATTERN, camera, configuration};
use cartvision_tests::mosquitto::{Door, Mosquitto};
use cartvision_tests::observer::{Observer, root};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Client, Event, MqttOptions};
use serde_json::{Value, json};

const ROUNDS: usize = 5;
/// One command makes so many events.
const AT_ONCE: usize = 16;
/// A burst: so many commands, one after the other's answer.
const COMMANDS: usize = 60;
/// Then one event at a time, as shoppers make them; some more than telemetry keeps.
const SINGLES: usize = 320;
const APART: Duration = Duration::from_millis(35);

#[derive(Clone, Copy, Debug)]
struct Measured {
    per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
}

fn main() {
    let disk = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let mut all: [Vec<Measured>; 3] = Default::default();
    for round in 0..ROUNDS {
        let mut order = [0, 1, 2];
        order.rotate_left(round % 3);
        for which in order {
            let measured = match which {
                0 => cart(&disk),
                1 => cart(Path::new("/dev/shm")),
                _ => without(),
            };
            println!("{which}: {measured:.2?}");
            all[which].push(measured);
        }
    }
    println!("\n| | events/s | decision to PUBACK, p50 ms | p99 ms |\n|---|---:|---:|---:|");
    let names = ["cart, database on a disk", "cart, database in memory", "QoS 1 without an outbox"];
    for (name, measured) in names.iter().zip(&all) {
        let median = |of: fn(&Measured) -> f64| {
            let mut values: Vec<f64> = measured.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (per_s, p50, p99) = (median(|m| m.per_s), median(|m| m.p50_ms), median(|m| m.p99_ms));
        println!("| {name} | {per_s:.0} | {p50:.2} | {p99:.2} |");
    }
}

fn cart(state: &Path) -> Measured {
    let (bench, broker) = (Bench::tiny(), Mosquitto::start(Door::Open));
    let observer = Observer::of(&broker, root());
    let state = tempfile::tempdir_in(state).unwrap();
    let url = format!("url = '{}'", broker.url());
    let file = configuration(state.path(), &url, &bench.bundle, &camera("rim", PATTERN));
    let cart = start(&file);
    start_session(&observer, "s-1");
    let before = observer.event_messages().len();
    let began = Instant::now();
    // Each quantity once: what is put in is taken out again, so the basket stays small.
    let changes =
        |delta: i64| -> Value { (0..AT_ONCE).map(|_| json!({ "id": "42", "delta": delta })).collect() };
    for n in 0..COMMANDS {
        let reply = adjust(&observer, "s-1", &changes(if n % 2 == 0 { 1 } else { -1 }));
        assert_eq!(reply["ok"], true, "{reply:#}");
    }
    let wanted = before + COMMANDS * AT_ONCE;
    observer.wait("all events", |messages| {
        let heard = messages.iter().filter(|m| m.topic == root().events()).count();
        (heard >= wanted).then_some(())
    });
    let per_s = (COMMANDS * AT_ONCE) as f64 / began.elapsed().as_secs_f64();
    for n in 0..SINGLES {
        let change = json!([{ "id": "42", "delta": if n % 2 == 0 { 1 } else { -1 } }]);
        assert_eq!(adjust(&observer, "s-1", &change)["ok"], true);
        sleep(APART);
    }
    let told = observer.messages().len();
    let delivery = observer.wait("telemetry", |messages| {
        let new = messages.iter().skip(told).find(|m| m.topic == root().telemetry())?;
        Some(new.json()["outbox"]["delivery"].clone())
    });
    stop(cart);
    let of = |name: &str| delivery[name].as_f64().unwrap();
    Measured { per_s, p50_ms: of("p50_ms"), p99_ms: of("p99_ms") }
}

/// The same number of messages of an event's size.
fn without() -> Measured {
    let broker = Mosquitto::start(Door::Open);
    let _backend = Observer::on(&broker, root(), "#");
    let mut options = MqttOptions::new("naive", "127.0.0.1", broker.port());
    options.set_keep_alive(Duration::from_secs(10));
    let (client, mut connection) = Client::new(options, 64);
    let (sender, acknowledged) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut sent = [Instant::now(); 1 << 16];
        for event in connection.iter() {
            match event {
                Ok(Event::Outgoing(Outgoing::Publish(id))) => sent[usize::from(id)] = Instant::now(),
                Ok(Event::Incoming(Packet::PubAck(ack))) => {
                    if sender.send(sent[usize::from(ack.pkid)].elapsed()).is_err() {
                        return;
                    }
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    let event = vec![b'x'; 700];
    let publish = || client.publish("naive/events", QoS::AtLeastOnce, false, event.clone()).unwrap();
    let began = Instant::now();
    (0..COMMANDS * AT_ONCE).for_each(|_| publish());
    assert_eq!(acknowledged.iter().take(COMMANDS * AT_ONCE).count(), COMMANDS * AT_ONCE);
    let per_s = (COMMANDS * AT_ONCE) as f64 / began.elapsed().as_secs_f64();
    let mut took: Vec<f64> = (0..SINGLES)
        .map(|_| {
            publish();
            let took = acknowledged.recv().unwrap().as_secs_f64() * 1e3;
            sleep(APART);
            took
        })
        .collect();
    took.sort_by(f64::total_cmp);
    Measured { per_s, p50_ms: took[took.len() / 2], p99_ms: took[took.len() * 99 / 100] }
}
