//! The cart on a real broker: every message as the contract has it, whatever happens to either.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;

use cartvision_tests::bench::Bench;
use cartvision_tests::cart::{self, adjust, replies, start_session, stop};
use cartvision_tests::input::{PATTERN, Real, camera, configuration};
use cartvision_tests::log::{EventLog, kind, lines};
use cartvision_tests::mosquitto::{Door, Mosquitto, PASSWORD};
use cartvision_tests::observer::{Message, Observer, root};
use cartvision_tests::program::{Running, cartvisiond, run};
use cartvision_tests::video::{self, Index};
use cartvision_wire::{CartId, CommandName, Root, StoreId};
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use rustix::process::Signal;
use serde_json::{Value, json};

#[test]
fn the_real_clip_in_real_time_over_tls() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::tiny();
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
    let bench = Bench::tiny();
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
    let bench = Bench::tiny();
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

/// Two carts of one name: the older says so and is silent from then on, even at its stop.
#[test]
fn a_second_cart_of_the_same_name_silences_the_first() {
    let bench = Bench::tiny();
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
    let bench = Bench::tiny();
    let broker = Mosquitto::prepare(Door::Open);
    let mut cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    cart.wait_for_log("an unreachable broker", |log| log.contains("cannot be reached"));
    let log = stop(cart);
    assert!(log.contains("not delivered"), "{log}");
}

/// `run` never ends for the broker: it starts without one, and then everything is delivered.
#[test]
fn a_broker_that_comes_late() {
    let bench = Bench::tiny();
    let mut broker = Mosquitto::prepare(Door::Password);
    let password = bench.at("password");
    fs::write(&password, PASSWORD).unwrap();
    let clip = video::ball(5, Index::Front, bench.at("clip.mov"));
    let source = format!("kind = 'file', path = '{}'", clip.display());
    let reach = format!("url = '{}'\npassword_file = '{}'", broker.url(), password.display());
    let cameras = format!("{}{}", camera("rim", &source), camera("top", PATTERN));
    let mut cart = cart::start(&configuration(&bench.at("cart"), &reach, &bench.bundle, &cameras));
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
    let bench = Bench::tiny();
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
    let bench = Bench::tiny();
    let broker = Mosquitto::start(Door::Open);
    let backend = Observer::on(&broker, root(), &format!("{}#", replies()));
    let screen = Observer::on(&broker, root(), &root().state());
    let cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    let reason = json!("nobody subscribed to the events");
    screen.wait_state("degraded", |s| s["reasons"].as_array().is_some_and(|all| all.contains(&reason)));
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

/// A replay whose events nobody takes gives up in the end, however much it is talked to meanwhile.
#[test]
fn a_replay_ends_though_nobody_listens_and_somebody_talks() {
    let bench = Bench::tiny();
    let broker = Mosquitto::start(Door::Open);
    let screen = Observer::on(&broker, root(), &root().state());
    let clip = bench.clip();
    let more = ["--store", "store-1", "--cart", "cart-1", "--broker", &broker.url()];
    let replay = Running::start(&mut bench.replay(&[("rim", &clip)], &more));
    screen.wait_state("online", |_| true);
    for _ in 0..500 {
        screen.publish(&root().command(CommandName::Snapshot), "{}", false, PublishProperties::default());
    }
    let ran = replay.end().expect_code(3);
    assert!(ran.stderr.contains("is anybody subscribed to them?"), "{}", ran.stderr);
    screen.wait_state("offline", |_| true);
}

#[test]
fn two_daemons_cannot_share_a_state_directory() {
    let bench = Bench::tiny();
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

/// Nobody is let in without a certificate; the files are named in the configuration, or given by systemd.
#[test]
fn a_broker_that_wants_a_certificate() {
    let bench = Bench::tiny();
    let broker = Mosquitto::start(Door::Certificate);
    let observer = Observer::of(&broker, root());
    let (certificate, key) = broker.certificate();
    let url = format!("url = '{}'", broker.url());
    let ca = format!("{url}\nca = '{}'", broker.ca().display());
    let named = format!("{ca}\ncertificate = '{}'\nkey = '{}'", certificate.display(), key.display());

    let without = configuration(&bench.at("without"), &ca, &bench.bundle, &camera("rim", PATTERN));
    let refused = run(cartvisiond().args(["check", "--config"]).arg(&without)).expect_code(3);
    assert!(refused.stderr.contains("broker"), "{}", refused.stderr);

    let cart =
        cart::start(&configuration(&bench.at("named"), &named, &bench.bundle, &camera("rim", PATTERN)));
    observer.wait_state("online", |_| true);
    stop(cart);

    let credentials = bench.at("credentials");
    fs::create_dir(&credentials).unwrap();
    for (from, name) in [(broker.ca(), "ca"), (certificate, "certificate"), (key, "key")] {
        fs::copy(from, credentials.join(format!("broker-{name}.pem"))).unwrap();
    }
    let given = configuration(&bench.at("given"), &url, &bench.bundle, &camera("rim", PATTERN));
    let heard = observer.messages().len();
    let mut command = cartvisiond();
    command.args(["run", "--config"]).arg(&given).env("CREDENTIALS_DIRECTORY", &credentials);
    let cart = Running::start(&mut command);
    observer.wait("the cart online again", |messages| {
        messages[heard..].iter().any(|m| m.json()["status"] == "online").then_some(())
    });
    stop(cart);
}
