//! What is done to a cart, and what must not come of it: an event that was decided is never lost, first deliveries come
//! in order, and what comes twice can be recognized.
//!
//! Each test does one thing to a cart, so many times over, while a backend has it decide and hears what it sends; then
//! the two are held against each other and against the cart's database. `make faults` does each many times and prints
//! the table of SPECIFICATION.md. `CARTVISION_FAULT_ROUNDS` says how often (default: a few times), and
//! `CARTVISION_FAULT_SEED` which chances (default: others each time; printed).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is what this prints")]

use std::env;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use cartvision_tests::backend::{Backend, Tally};
use cartvision_tests::bench::Bench;
use cartvision_tests::cart::{start, stop};
use cartvision_tests::input::{PATTERN, camera, configuration};
use cartvision_tests::mosquitto::{Door, Mosquitto};
use cartvision_tests::observer::{Observer, root};
use cartvision_tests::program::{Running, wait_until};
use cartvision_tests::proxy::{Proxy, Weather};
use rustix::process::Signal;

/// How often a fault is tried, where `few` is enough to see that it works.
fn rounds(few: usize) -> usize {
    let asked = env::var("CARTVISION_FAULT_ROUNDS").ok().and_then(|n| n.parse::<usize>().ok());
    asked.map_or(few, |rounds| (rounds * few).div_ceil(20).max(few))
}

/// Chance, said so that it can be had again.
fn chance(fault: &str) -> fastrand::Rng {
    let seed = env::var("CARTVISION_FAULT_SEED").ok().and_then(|n| n.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("{fault}: seed {seed}");
    fastrand::Rng::with_seed(seed)
}

fn ms(chance: &mut fastrand::Rng, most: u64) -> Duration {
    Duration::from_millis(chance.u64(..most))
}

/// A line of the table.
fn tell(fault: &str, tries: usize, tally: Tally, remark: &str) {
    let Tally { decided, received, lost, gaps, out_of_order, repeated, epochs } = tally;
    println!(
        "| {fault} | {tries} | {decided} | {received} | {lost} | {gaps} | {out_of_order} | {repeated} | {epochs} | {remark} |"
    );
}

/// A cart, its broker and who hears it, all in one place.
struct Shop {
    bench: Bench,
    broker: Mosquitto,
}

impl Shop {
    fn new() -> Self {
        Self { bench: Bench::tiny(), broker: Mosquitto::start(Door::Open) }
    }

    fn state(&self) -> PathBuf {
        self.bench.at("cart/state")
    }

    fn observer(&self) -> Observer {
        Observer::of(&self.broker, root())
    }

    /// The configuration of a cart that reaches its broker at `url`.
    fn configuration(&self, url: &str) -> PathBuf {
        let broker = format!("url = '{url}'");
        configuration(&self.bench.at("cart"), &broker, &self.bench.bundle, &camera("rim", PATTERN))
    }
}

/// Starts a cart, and waits until it has told the broker so since the last time.
fn start_online(configuration: &Path, observer: &Observer) -> Running {
    let online =
        |m: &cartvision_tests::observer::Message| m.topic == root().state() && m.json()["status"] == "online";
    let before = observer.messages().iter().filter(|m| online(m)).count();
    let cart = start(configuration);
    observer.wait("the cart online again", |messages| {
        (messages.iter().filter(|m| online(m)).count() > before).then_some(())
    });
    cart
}

/// Lets the cart deliver what it has, stops it, and holds everything against each other.
fn close(cart: Running, backend: &Backend<'_>, fault: &str) -> Tally {
    backend.wait_delivered();
    stop(cart);
    let decided = backend.rows().0;
    // The broker acknowledges before it passes on.
    wait_until(
        || (backend.tally().received >= decided).then_some(()),
        || format!("{fault}: all {decided} events were heard: {:?}", backend.tally()),
    );
    backend.tally().expect_whole(fault)
}

#[test]
fn killed_at_any_moment() {
    let fault = "the cart is killed (−9)";
    let (shop, mut chance, tries) = (Shop::new(), chance(fault), rounds(20));
    let observer = shop.observer();
    let configuration = shop.configuration(&shop.broker.url());
    let mut backend = Backend::of(&observer, &shop.state());
    let mut cart = start_online(&configuration, &observer);
    for round in 0..tries {
        if round % 5 == 0 || backend.room() == 0 {
            backend.next_session();
        }
        backend.adjust(chance.usize(1..20));
        sleep(ms(&mut chance, 120));
        cart.signal(Signal::KILL);
        cart.wait();
        cart = start_online(&configuration, &observer);
    }
    let tally = close(cart, &backend, fault);
    assert_eq!(tally.epochs, 1, "the log goes on over every kill");
    tell(fault, tries, tally, "session and basket go on");
}

#[test]
fn the_broker_is_killed() {
    let fault = "the broker is killed (−9) and loses its sessions";
    let (mut shop, mut chance, tries) = (Shop::new(), chance(fault), rounds(6));
    let observer = shop.observer();
    let configuration = shop.configuration(&shop.broker.url());
    let mut backend = Backend::of(&observer, &shop.state());
    let cart = start_online(&configuration, &observer);
    for _ in 0..tries {
        backend.next_session();
        let before = backend.confirmations();
        backend.adjust(20);
        wait_until(|| (backend.confirmations() > before).then_some(()), || "an answer".to_owned());
        shop.broker.kill();
        sleep(ms(&mut chance, 300));
        let connected = cart.stderr().matches("broker connected").count();
        shop.broker.resume();
        wait_until(
            || (cart.stderr().matches("broker connected").count() > connected).then_some(()),
            || format!("the cart is back:\n{}", cart.stderr()),
        );
        backend.wait_delivered();
    }
    // What the broker acknowledged and had not passed on died with it: the backend asks for it again.
    let tally = backend.tally();
    let remark = if tally.lost > 0 || tally.gaps > 0 { ask_again(&observer) } else { "" };
    let tally = close(cart, &backend, fault);
    tell(fault, tries, tally, remark);
}

/// As a backend does that finds a gap.
fn ask_again(observer: &Observer) -> &'static str {
    let events = observer.event_messages();
    let epoch = &events[0].json()["epoch"];
    let from = serde_json::json!({ "epoch": epoch, "sequence": "00000000000000000001" });
    let reply = observer.command(cartvision_wire::CommandName::EventsReplay, from);
    assert_eq!(reply["ok"], true, "{reply:#}");
    "the backend asked for what the broker had acknowledged and lost (events/replay)"
}

/// Through a network that does something to the cart while it decides.
fn through(
    fault: &str,
    few: usize,
    remark: &str,
    mut weather: impl FnMut(&mut fastrand::Rng, usize) -> (Weather, Duration),
) -> Tally {
    let (shop, mut chance, tries) = (Shop::new(), chance(fault), rounds(few));
    let (observer, proxy) = (shop.observer(), Proxy::to(shop.broker.port()));
    let configuration = shop.configuration(&proxy.url());
    let mut backend = Backend::of(&observer, &shop.state());
    let cart = start_online(&configuration, &observer);
    for round in 0..tries {
        backend.next_session();
        let (bad, lasts) = weather(&mut chance, round);
        backend.adjust(10);
        proxy.set(bad);
        backend.adjust(10);
        sleep(lasts);
        proxy.set(Weather::Fair);
        backend.wait_delivered();
    }
    let tally = close(cart, &backend, fault);
    tell(fault, tries, tally, remark);
    tally
}

#[test]
fn connections_break() {
    through("the connection breaks", 6, "", |chance, _| (Weather::Cut, ms(chance, 800)));
}

#[test]
fn the_network_is_silent() {
    // Longer than the keep-alive of 10 s and its half.
    through("the network is silent for longer than the keep-alive", 1, "", |_, _| {
        (Weather::Silence, Duration::from_secs(18))
    });
}

#[test]
fn what_the_cart_says_stays_on_the_way() {
    through("what the cart sends is held up", 3, "", |chance, _| (Weather::UpStalls, ms(chance, 2000)));
}

#[test]
fn the_broker_never_acknowledges() {
    let remark = "each comes again, over a new connection";
    let tally = through("the broker acknowledges nothing", 1, remark, |_, _| {
        (Weather::NoAcknowledgements, Duration::from_secs(20))
    });
    assert!(tally.repeated > 0, "what was not acknowledged was sent again: {tally:?}");
}

/// And it is asked to stop meanwhile: it does, and delivers after its next start.
#[test]
fn a_cart_is_stopped_while_the_broker_acknowledges_nothing() {
    let fault = "stopped while the broker acknowledges nothing";
    let shop = Shop::new();
    let (observer, proxy) = (shop.observer(), Proxy::to(shop.broker.port()));
    let configuration = shop.configuration(&proxy.url());
    let mut backend = Backend::of(&observer, &shop.state());
    let cart = start_online(&configuration, &observer);
    backend.next_session();
    proxy.set(Weather::NoAcknowledgements);
    backend.adjust(60);
    wait_until(|| (backend.rows().0 > 60).then_some(()), || "all is decided".to_owned());
    stop(cart);
    assert!(backend.rows().1 > 0, "something is left");
    proxy.set(Weather::Fair);
    let tally = close(start_online(&configuration, &observer), &backend, fault);
    tell(fault, 1, tally, "");
}

#[test]
fn the_broker_has_nobody_to_pass_them_on_to() {
    through("the broker says that nobody subscribed (0x10)", 2, "", |_, _| {
        (Weather::Acknowledgements(0x10), Duration::from_secs(2))
    });
}

#[test]
fn the_broker_has_no_room() {
    through("the broker says that its quota is exceeded (0x97)", 2, "", |_, _| {
        (Weather::Acknowledgements(0x97), Duration::from_secs(2))
    });
}

#[test]
fn the_network_is_slow() {
    through("2 KiB/s, and each packet 20 ms late", 2, "", |_, _| {
        (Weather::Slow { bytes_per_s: 2048, late_ms: 20 }, Duration::from_secs(3))
    });
}
