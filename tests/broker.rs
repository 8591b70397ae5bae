//! The cart on a real broker: every message as the contract has it, whatever happens to either.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells how long a stop took"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cartvision_tests::input::{PATTERN, Real, camera, configuration, tiny_bundle};
use cartvision_tests::log::{EventLog, kind, lines};
use cartvision_tests::mosquitto::{Door, Mosquitto, PASSWORD};
use cartvision_tests::observer::{Message, Observer, root, utc_before, utc_now};
use cartvision_tests::program::{Running, cartvisiond, run};
use cartvision_tests::video::{self, Index};
use cartvision_wire::{CartId, CommandName, Root, StoreId};
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

/// A place with the tiny bundle; the carts of a test live in directories of their own in it.
struct Bench {
    place: TempDir,
    bundle: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let place = tempdir().unwrap();
        let bundle = tiny_bundle(place.path());
        Self { place, bundle }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Starts a cart that the broker's open door lets in.
    fn start(&self, name: &str, broker: &Mosquitto, cameras: &str) -> Running {
        let url = format!("url = '{}'", broker.url());
        run_cart(&configuration(&self.at(name), &url, &self.bundle, cameras))
    }
}

fn run_cart(configuration: &Path) -> Running {
    Running::start(cartvisiond().args(["run", "--config"]).arg(configuration))
}

/// Asks a cart to stop, and waits for its clean end.
fn stop(mut cart: Running) -> String {
    let asked = Instant::now();
    cart.signal(Signal::TERM);
    let status = cart.wait();
    let took = asked.elapsed();
    // The contract says 2 s; a loaded machine may be late, a stop that waits for something is much later.
    println!("stopped within {:.2} s", took.as_secs_f64());
    assert!(took < Duration::from_secs(10), "{took:?}\n{}", cart.stderr());
    assert_eq!(status.code(), Some(0), "{}", cart.stderr());
    cart.stderr()
}

fn start_session(observer: &Observer, session: &str) -> Value {
    let reply = observer.command(CommandName::SessionStart, json!({ "session": session }));
    assert_eq!(reply["ok"], true, "{reply:#}");
    reply
}

fn adjust(observer: &Observer, session: &str, changes: &Value) -> Value {
    observer
        .command(CommandName::BasketAdjust, json!({ "session": session, "by": "staff", "changes": changes }))
}

/// The code with which a command was refused.
fn refusal(reply: &Value) -> &str {
    assert_eq!(reply["ok"], false, "{reply:#}");
    reply["error"]["code"].as_str().unwrap()
}

#[test]
fn the_real_clip_in_real_time_over_tls() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::new();
    let bundle = real.bundle(bench.place.path(), "bottle");
    let broker = Mosquitto::start(Door::Tls);
    let cart = Root::new(StoreId::new("store-7").unwrap(), CartId::new("cart-7").unwrap());
    let observer = Observer::of(&broker, cart.clone());

    let mut replay = cartvisiond();
    replay.args(["replay", "--realtime", "--store", "store-7", "--cart", "cart-7", "--session", "visit-1"]);
    replay.arg("--bundle").arg(bundle).arg("--camera").arg(format!("rim={}", real.video.display()));
    replay.arg("--broker").arg(broker.url()).arg("--broker-ca").arg(broker.ca());
    replay.env("CARTVISION_BROKER_PASSWORD", PASSWORD).arg("--events").arg(bench.at("events.jsonl"));
    run(&mut replay).expect_code(0);

    let offline = observer.wait_state("offline", |_| true);
    observer.expect_contract();
    let log = observer.events();
    let heard: String = log.events().iter().map(|e| format!("{e}\n")).collect();
    fs::write(bench.at("heard.jsonl"), heard).unwrap();
    real.expect_all(&real.truth, &bench.at("heard.jsonl"), 0);
    let written = EventLog::from_lines(&fs::read_to_string(bench.at("events.jsonl")).unwrap());
    assert_eq!(written.events(), log.events(), "the broker has what the file has");
    assert!(log.events()[1..].iter().all(|e| e["subject"] == "visit-1" && e["source"] == "/carts/cart-7"));

    // Online from the start to the clean stop.
    let states: Vec<Value> =
        observer.messages().iter().filter(|m| m.topic == cart.state()).map(Message::json).collect();
    assert_eq!(states.first().unwrap()["status"], "online");
    assert_eq!(states.last().unwrap(), &offline, "offline is the last word");
    assert!(states.iter().all(|s| s["connection_id"] == offline["connection_id"]));
    // Whoever comes later finds the last state and the last basket, and no event.
    let late = Observer::of(&broker, cart.clone());
    let basket = late.wait_on(&cart.basket(), "the kept basket", |_| true);
    late.wait_state("offline", |s| s["connection_id"] == offline["connection_id"]);
    assert!(basket.retained && late.event_messages().is_empty());
    assert_eq!(basket.json()["sequence"], log.events().last().unwrap()["sequence"]);
    assert_eq!(lines(&basket.json()), log.basket());
}

/// From start to clean stop: the state is kept for latecomers, and the cart says goodbye itself.
#[test]
fn a_cart_says_how_it_is_and_goodbye() {
    let bench = Bench::new();
    let broker = Mosquitto::start(Door::Open);
    let cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    // Nobody hears the first events, so the cart is degraded until somebody does.
    let observer = Observer::of(&broker, root());
    let online = observer.wait_state("online", |_| true);
    observer.wait_events(1);
    start_session(&observer, "visit-1");
    observer.wait_state("online", |s| s["session"] == "visit-1");
    let log = stop(cart);
    assert!(!log.contains("not delivered"), "{log}");
    let offline = observer.wait_state("offline", |_| true);
    assert_eq!(offline["connection_id"], online["connection_id"]);
    assert_eq!(offline["reasons"], json!(["stopped"]));
    observer.expect_contract();
}

/// Killed, it cannot say goodbye: the broker does, in the name of the same connection.
#[test]
fn the_will_speaks_for_a_killed_cart() {
    let bench = Bench::new();
    let broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    // The recording starts over at its end: more pictures come than it has.
    let clip = video::ball(10, Index::Front, bench.at("clip.mov"));
    let source = format!("kind = 'file', path = '{}', repeat = true", clip.display());
    let mut cart = bench.start("cart", &broker, &camera("rim", &source));
    let online = observer.wait_state("online", |_| true);
    let telemetry = observer.wait_on(&root().telemetry(), "telemetry of many pictures", |t| {
        t["cameras"][0]["frames"].as_u64().is_some_and(|frames| frames > 10)
    });
    assert_eq!(telemetry.json()["outbox"]["depth"], 0);
    cart.signal(Signal::KILL);
    assert_eq!(cart.wait().code(), None);
    let offline = observer.wait_state("offline", |_| true);
    assert_eq!(offline["connection_id"], online["connection_id"]);
    assert_eq!(offline["reasons"], json!(["connection lost"]));
    observer.expect_contract();
}

#[test]
fn commands_are_carried_out_and_answered() {
    let bench = Bench::new();
    let broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    let cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    observer.wait_state("online", |_| true);

    let nobody = adjust(&observer, "visit-1", &json!([{ "id": "42", "delta": 1 }]));
    assert_eq!(refusal(&nobody), "no-session");
    start_session(&observer, "visit-1");
    start_session(&observer, "visit-1");
    let other = observer.command(CommandName::SessionStart, json!({ "session": "visit-2" }));
    assert_eq!(refusal(&other), "session-open");
    let log = observer.wait_events(2);
    assert_eq!(log.kinds(), ["log.opened", "session.started"], "started once");

    // In, out, and wrong.
    let reply =
        adjust(&observer, "visit-1", &json!([{ "id": "42", "delta": 3 }, { "id": "43", "delta": 1 }]));
    assert_eq!(lines(&reply["result"]["basket"]), [("42".into(), 3), ("43".into(), 1)].into());
    let reply = adjust(&observer, "visit-1", &json!([{ "id": "42", "delta": -1 }]));
    assert_eq!(lines(&reply["result"]["basket"]), [("42".into(), 2), ("43".into(), 1)].into());
    let log = observer.wait_events(5);
    assert_eq!(log.kinds()[2..], ["item.added", "item.added", "item.removed"]);
    assert_eq!(log.events()[2]["data"]["decided_by"], "staff");
    for (session, changes, code) in [
        ("visit-2", json!([{ "id": "42", "delta": 1 }]), "session-mismatch"),
        ("visit-1", json!([{ "id": "42", "delta": 1 }, { "id": "44", "delta": 1 }]), "unknown-item"),
    ] {
        assert_eq!(refusal(&adjust(&observer, session, &changes)), code);
    }

    // An event was wrong: something else stands in its place; then nothing does.
    let cups = log.events()[3]["id"].clone();
    let correct = |changes: Value, event: &Value| {
        let payload = json!({ "session": "visit-1", "by": "scanner", "changes": changes, "corrects": event });
        observer.command(CommandName::BasketAdjust, payload)
    };
    let reply = correct(json!([{ "id": "42", "delta": 1 }]), &cups);
    assert_eq!(lines(&reply["result"]["basket"]), [("42".into(), 3)].into());
    let reply = correct(json!([]), &cups);
    assert_eq!(lines(&reply["result"]["basket"]), [("42".into(), 2)].into());
    let stranger = "01890a5d-ac96-774b-bcce-b302099a8057".into();
    assert_eq!(refusal(&correct(json!([]), &stranger)), "unknown-event");
    let log = observer.wait_events(7);
    for (revision, event) in [(1, 5), (2, 6)] {
        let data = &log.events()[event]["data"];
        assert_eq!((&data["corrects"], &data["revision"]), (&cups, &revision.into()));
    }

    for name in [CommandName::Snapshot, CommandName::Reload] {
        assert_eq!(refusal(&observer.command(name, json!({}))), "not-available");
    }
    let end = |session: &str| observer.command(CommandName::SessionEnd, json!({ "session": session }));
    assert_eq!(refusal(&end("visit-2")), "session-mismatch");
    assert_eq!(end("visit-1")["ok"], true);
    assert_eq!(refusal(&end("visit-1")), "no-session");
    let log = observer.wait_events(9);
    assert_eq!(log.kinds()[7..], ["session.ended", "session.settled"]);
    assert_eq!(lines(&log.events()[7]["data"]["basket"]), [("42".into(), 2)].into());
    assert_eq!(log.basket(), [("42".into(), 2)].into());
    let basket = observer
        .wait_on(&root().basket(), "the last basket", |b| b["sequence"] == log.events()[8]["sequence"]);
    assert_eq!((lines(&basket.json()), &basket.json()["session"]), (log.basket(), &"visit-1".into()));
    stop(cart);
    observer.expect_contract();
    assert_eq!(observer.events().events().len(), 9, "and nothing else happened");
}

#[test]
fn events_are_sent_again_on_request() {
    let bench = Bench::new();
    let broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    let cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    observer.wait_state("online", |_| true);
    start_session(&observer, "visit-1");
    adjust(&observer, "visit-1", &json!([{ "id": "42", "delta": 1 }]));
    let log = observer.wait_events(3);
    let from = |epoch: &Value, sequence: &str| {
        observer.command(CommandName::EventsReplay, json!({ "epoch": epoch, "sequence": sequence }))
    };
    let epoch = &log.events()[0]["epoch"];
    let reply = from(epoch, "00000000000000000002");
    assert_eq!(reply["result"]["events"], 2, "{reply:#}");
    observer.wait("the events again", |messages| {
        (messages.iter().filter(|m| m.topic == root().events()).count() == 5).then_some(())
    });
    let heard = observer.event_messages();
    for (again, first) in heard[3..].iter().zip(&heard[1..]) {
        assert_eq!(again.payload, first.payload, "byte for byte, so with the same id");
    }
    assert_eq!(refusal(&from(epoch, "00000000000000000009")), "unknown-position");
    let other = "01890a5d-ac96-774b-bcce-b302099a8057".into();
    assert_eq!(refusal(&from(&other, "00000000000000000001")), "unknown-position");
    stop(cart);
    observer.expect_contract();
}

#[test]
fn commands_that_cannot_be_meant_are_refused() {
    let bench = Bench::new();
    let broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    let start = |issued_at: &str| json!({ "issued_at": issued_at, "session": "visit-1" }).to_string();
    // One that the broker had kept since before the cart came, with an age that would do.
    let kept = root().command(CommandName::SessionStart);
    observer.publish(&kept, &start(&utc_now()), true, answered_on(&format!("{}kept", replies())));
    let cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    let reply = observer.wait_on(&format!("{}kept", replies()), "the answer to a kept command", |_| true);
    assert_eq!(refusal(&reply.json()), "retained");
    observer.publish(&kept, "", true, PublishProperties::default());

    let minute = Duration::from_secs(60);
    let ahead = "2999-01-01T00:00:00.000Z";
    for (name, payload, code) in [
        ("session/start", start(&utc_before(minute)), "stale"),
        ("session/start", start(ahead), "stale"),
        ("session/start", json!({ "session": "visit-1" }).to_string(), "malformed"),
        ("session/start", start("yesterday"), "malformed"),
        ("session/start", json!({ "issued_at": utc_now(), "session": "a b" }).to_string(), "malformed"),
        ("session/start", "no JSON".to_owned(), "malformed"),
        ("session/start", String::new(), "malformed"),
        ("session/start", format!("{}{}", start(&utc_now()), " ".repeat(9000)), "malformed"),
        (
            "basket/adjust",
            json!({ "issued_at": utc_now(), "session": "v", "by": "staff", "changes": [] }).to_string(),
            "malformed",
        ),
        ("session/dance", start(&utc_now()), "unknown-command"),
        ("session", start(&utc_now()), "unknown-command"),
    ] {
        let reply = observer.ask(name, &payload, false);
        assert_eq!(refusal(&reply), code, "{name} {payload:.80}");
        assert!(reply["error"]["message"].as_str().is_some_and(|m| !m.is_empty()));
    }

    // Where the cart may not speak it does not, be the command good or bad.
    let outside = [
        "elsewhere/replies",
        "cartvision/v1/store-1/cart-10/replies/1",
        &root().state(),
        &root().events(),
        &kept,
    ];
    for topic in outside {
        observer.publish(&kept, &start(&utc_before(minute)), false, answered_on(topic));
    }
    // Answered after them, so they are done with.
    start_session(&observer, "visit-1");
    for message in observer.messages().iter().filter(|m| outside.contains(&m.topic.as_str())) {
        let text = String::from_utf8_lossy(&message.payload);
        assert!(!text.contains("\"error\""), "an answer on {}: {text}", message.topic);
    }
    assert_eq!(observer.wait_events(2).kinds(), ["log.opened", "session.started"]);
    let log = stop(cart);
    assert!(log.contains("not under the cart's own root"), "{log}");
    observer.expect_contract();
}

/// The topics on which the cart may answer.
fn replies() -> String {
    root().telemetry().replace("telemetry", "replies/")
}

fn answered_on(topic: &str) -> PublishProperties {
    PublishProperties { response_topic: Some(topic.to_owned()), ..Default::default() }
}

/// Two carts of one name: the older says so and is silent from then on, even at its stop.
#[test]
fn a_second_cart_of_the_same_name_silences_the_first() {
    let bench = Bench::new();
    let broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    let mut older = bench.start("older", &broker, &camera("rim", PATTERN));
    let first = observer.wait_state("online", |_| true)["connection_id"].clone();
    let epoch = observer.wait_events(1).events()[0]["epoch"].clone();
    let newer = bench.start("newer", &broker, &camera("rim", PATTERN));
    observer.wait_state("online", |s| s["connection_id"] != first);
    older.wait_for_log("a report", |log| log.contains("another client has this cart's name"));
    let before = observer.messages().len();
    stop(older);
    // Answered by the newer one, after anything that the older one could have said at its stop.
    start_session(&observer, "visit-1");
    observer.wait_on(&root().events(), "the session's start", |e| kind(e) == "session.started");
    for message in &observer.messages()[before..] {
        let told = message.json();
        assert!(told["connection_id"] != first && told["epoch"] != epoch, "by the older one: {told:#}");
    }
    stop(newer);
    observer.wait_state("offline", |s| s["connection_id"] != first);
}

/// Nobody hears the goodbye of a cart without a broker; it stops all the same, and says what was lost.
#[test]
fn a_cart_without_a_broker_stops_too() {
    let bench = Bench::new();
    let broker = Mosquitto::prepare(Door::Open);
    let mut cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    cart.wait_for_log("an unreachable broker", |log| log.contains("cannot be reached"));
    let log = stop(cart);
    assert!(log.contains("not delivered"), "{log}");
}

/// `run` never ends for the broker: it starts without one, and then everything is delivered.
#[test]
fn a_broker_that_comes_late() {
    let bench = Bench::new();
    let mut broker = Mosquitto::prepare(Door::Password);
    let password = bench.at("password");
    fs::write(&password, PASSWORD).unwrap();
    let clip = video::ball(5, Index::Front, bench.at("clip.mov"));
    let source = format!("kind = 'file', path = '{}'", clip.display());
    let reach = format!("url = '{}'\npassword_file = '{}'", broker.url(), password.display());
    let cameras = format!("{}{}", camera("rim", &source), camera("top", PATTERN));
    let mut cart = run_cart(&configuration(&bench.at("cart"), &reach, &bench.bundle, &cameras));
    cart.wait_for_log("an unreachable broker", |log| log.contains("cannot be reached"));
    // Decided while nobody could hear it.
    cart.wait_for_log("the recording's end", |log| log.contains("the recording is over"));
    broker.resume();
    let observer = Observer::of(&broker, root());
    let log = observer.wait_events(2);
    assert_eq!(log.kinds(), ["log.opened", "camera.degraded"]);
    assert_eq!(log.events()[1]["data"]["camera"], "rim");
    let state = observer.wait_state("degraded", |_| true);
    assert!(state["reasons"].to_string().contains("camera rim gives no pictures"), "{state:#}");
    stop(cart);
    observer.expect_contract();
}

/// A broker that dies and forgets everything: nothing is missing, and first deliveries come in order.
#[test]
fn a_broker_that_dies_on_the_way() {
    let bench = Bench::new();
    let mut broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    // Each recording's end is an event; they end one after the other, with and without a broker.
    let cameras: String = (1..=6)
        .map(|n| {
            let clip = video::ball(15 * n, Index::Front, bench.at(&format!("clip-{n}.mov")));
            camera(&format!("camera-{n}"), &format!("kind = 'file', path = '{}'", clip.display()))
        })
        .collect();
    let mut cart = bench.start("cart", &broker, &format!("{cameras}{}", camera("rim", PATTERN)));
    let first = observer.wait_state("online", |_| true)["connection_id"].clone();
    observer.wait_events(2);
    broker.kill();
    cart.wait_for_log("four ends", |log| log.matches("the recording is over").count() >= 4);
    broker.resume();
    let log = observer.wait_events(7);
    let cameras: Vec<_> = log.of("camera.degraded").iter().map(|e| e["data"]["camera"].clone()).collect();
    assert_eq!(cameras, [1, 2, 3, 4, 5, 6].map(|n| format!("camera-{n}")));
    // The broker knows nothing any more, so the cart tells it anew, in the name of a new connection.
    observer.wait_state("degraded", |s| s["connection_id"] != first);
    let late = Observer::of(&broker, root());
    late.wait_state("degraded", |s| s["connection_id"] != first);
    start_session(&observer, "visit-1");
    stop(cart);
    observer.expect_contract();
}

/// An event that nobody subscribed to is not delivered: it waits, and the state says why.
#[test]
fn events_wait_for_a_subscriber() {
    let bench = Bench::new();
    let broker = Mosquitto::start(Door::Open);
    let backend = Observer::on(&broker, root(), &format!("{}#", replies()));
    let screen = Observer::on(&broker, root(), &root().state());
    let cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    let degraded = screen.wait_state("degraded", |_| true);
    assert_eq!(degraded["reasons"], json!(["nobody subscribed to the events"]));
    start_session(&backend, "visit-1");
    for _ in 0..3 {
        assert_eq!(adjust(&backend, "visit-1", &json!([{ "id": "42", "delta": 1 }]))["ok"], true);
    }
    let consumer = Observer::on(&broker, root(), &root().events());
    let log = consumer.wait_events(5);
    assert_eq!(log.basket(), [("42".into(), 3)].into());
    screen.wait("the state after", |messages| {
        let after = messages.iter().skip_while(|m| m.json()["status"] != "degraded");
        after.map(Message::json).find(|s| s["status"] == "online")
    });
    stop(cart);
    consumer.expect_contract();
    screen.expect_contract();
}

#[test]
fn two_daemons_cannot_share_a_state_directory() {
    let bench = Bench::new();
    let broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    let first = bench.start("cart", &broker, &camera("rim", PATTERN));
    observer.wait_state("online", |_| true);
    let second = bench.start("cart", &broker, &camera("rim", PATTERN)).end().expect_code(3);
    assert!(
        second.stderr.contains("another cartvisiond runs with this state directory"),
        "{}",
        second.stderr
    );
    start_session(&observer, "visit-1");
    stop(first);
}
