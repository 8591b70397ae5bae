//! What is done to a cart, and what must not come of it: an event that was decided is never lost, first deliveries come
//! in order, and what comes twice can be recognized.
//!
//! Each test does one thing to a cart, so many times over, while a backend has it decide and hears what it sends; then
//! the two are held against each other and against the cart's database. `make faults` does each many times and prints
//! the table of SPECIFICATION.md. `CARTVISION_FAULT_ROUNDS` says how often (default: a few times), and
//! `CARTVISION_FAULT_SEED` which chances (default: others each time; printed).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is what this prints")]

mod camera;
mod machine;
mod network;
mod without;

use std::env;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use cartvision_tests::backend::{Backend, Tally};
use cartvision_tests::bench::Bench;
use cartvision_tests::cart::{start, stop};
use cartvision_tests::input::{PATTERN, camera, configuration};
use cartvision_tests::log::lines;
use cartvision_tests::mosquitto::{Door, Mosquitto};
use cartvision_tests::observer::{Message, Observer, root};
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

    /// The configuration of a cart that reaches its broker at `url`, and its backend, who listens already.
    fn open(&self, url: &str) -> (PathBuf, Backend) {
        (self.configuration(url), Backend::of(self.observer(), &self.state()))
    }

    /// The same, and the cart, online.
    fn start(&self, url: &str) -> (PathBuf, Backend, Running) {
        let (configuration, backend) = self.open(url);
        let cart = start_online(&configuration, &backend.observer);
        (configuration, backend, cart)
    }

    /// The configuration of a cart that reaches its broker at `url`.
    fn configuration(&self, url: &str) -> PathBuf {
        let broker = format!("url = '{url}'");
        configuration(&self.bench.at("cart"), &broker, &self.bench.bundle, &camera("rim", PATTERN))
    }
}

/// Starts a cart, and waits until it has told the broker so since the last time.
fn start_online(configuration: &Path, observer: &Observer) -> Running {
    let online = |m: &Message| m.topic == root().state() && m.json()["status"] == "online";
    let before = observer.messages().iter().filter(|m| online(m)).count();
    let cart = start(configuration);
    observer.wait("the cart online again", |messages| {
        (messages.iter().filter(|m| online(m)).count() > before).then_some(())
    });
    cart
}

/// Lets the cart deliver what it has, stops it, and holds everything against each other.
fn close(cart: Running, backend: &Backend, fault: &str) -> Tally {
    finish(cart, backend, fault).expect_whole(fault)
}

/// Lets the cart deliver what it has, and stops it.
fn finish(cart: Running, backend: &Backend, fault: &str) -> Tally {
    backend.settle();
    stop(cart);
    let decided = backend.rows().0;
    // The broker acknowledges before it passes on.
    wait_until(
        || (backend.tally().received >= decided).then_some(()),
        || format!("{fault}: all {decided} events were heard: {:?}", backend.tally()),
    );
    backend.tally()
}

#[test]
fn killed_at_any_moment() {
    let fault = "the cart is killed (−9)";
    let (shop, mut chance, tries) = (Shop::new(), chance(fault), rounds(20));
    let (configuration, mut backend, mut cart) = shop.start(&shop.broker.url());
    for round in 0..tries {
        if round % 5 == 0 || backend.room() == 0 {
            backend.next_session();
        }
        backend.adjust(chance.usize(1..20));
        sleep(ms(&mut chance, 120));
        cart.signal(Signal::KILL);
        cart.wait();
        cart = start_online(&configuration, &backend.observer);
    }
    let tally = close(cart, &backend, fault);
    assert_eq!(tally.epochs, 1, "the log goes on over every kill");
    let baskets = backend.observer.messages().into_iter().filter(|m| m.topic == root().basket());
    let last = { baskets }.next_back().expect("a basket was published").json();
    assert_eq!(lines(&last), backend.observer.events().basket(), "the basket is what the events make");
    tell(fault, tries, tally, "session and basket go on");
}

const SWITCHED_OFF: &str = "killed (−9) while what it sends is held up";

/// A cart rolls out of the network's reach, decides, and is switched off with its key.
#[test]
fn switched_off_without_a_network() {
    let (shop, mut chance, tries) = (Shop::new(), chance(SWITCHED_OFF), rounds(6));
    let proxy = Proxy::to(shop.broker.port());
    let (configuration, mut backend, mut cart) = shop.start(&proxy.url());
    for _ in 0..tries {
        backend.next_session();
        proxy.set(Weather::UpStalls);
        let before = backend.rows().0;
        backend.adjust(chance.usize(10..40));
        wait_until(|| (backend.rows().0 > before).then_some(()), || "something is decided".to_owned());
        sleep(ms(&mut chance, 50));
        cart.signal(Signal::KILL);
        cart.wait();
        proxy.reset();
        proxy.set(Weather::Fair);
        cart = start_online(&configuration, &backend.observer);
    }
    let tally = close(cart, &backend, SWITCHED_OFF);
    assert_eq!(tally.epochs, 1, "the log goes on");
    tell(SWITCHED_OFF, tries, tally, "");
}

#[test]
fn the_broker_is_killed() {
    let fault = "the broker is killed (−9) and loses its sessions";
    let (mut shop, mut chance, tries) = (Shop::new(), chance(fault), rounds(6));
    let (_, mut backend, cart) = shop.start(&shop.broker.url());
    for _ in 0..tries {
        backend.next_session();
        let before = backend.confirmations();
        backend.adjust(20);
        wait_until(|| (backend.confirmations() > before).then_some(()), || "an answer".to_owned());
        shop.broker.kill();
        let heard = backend.observer.messages().len();
        sleep(ms(&mut chance, 300));
        let connected = cart.stderr().matches("broker connected").count();
        shop.broker.resume();
        wait_until(
            || (cart.stderr().matches("broker connected").count() > connected).then_some(()),
            || format!("the cart is back:\n{}", cart.stderr()),
        );
        // And so is the backend.
        backend.observer.wait("the cart's state again", |messages| {
            messages[heard..].iter().any(|m| m.topic == root().state()).then_some(())
        });
        backend.wait_delivered();
    }
    // What the broker acknowledged and had not passed on died with it: the backend asks for it again, and hears it then.
    let tally = backend.tally();
    let asked_again = tally.lost > 0 || tally.gaps > 0;
    let remark = if asked_again { ask_again(&backend.observer) } else { "" };
    let tally = finish(cart, &backend, fault);
    Tally { out_of_order: if asked_again { 0 } else { tally.out_of_order }, ..tally }.expect_whole(fault);
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

/// A copy of the cart with the same name, on a disk of its own: the older one falls silent and says so, and what it had
/// decided goes out when the copy is gone.
#[test]
fn a_second_cart_has_the_same_name() {
    let fault = "a second cart of the same name";
    let shop = Shop::new();
    let (configuration, mut backend, mut cart) = shop.start(&shop.broker.url());
    backend.next_session();
    backend.adjust(20);
    wait_until(|| (backend.rows().0 > 20).then_some(()), || "all is decided".to_owned());
    let copy = shop.bench.start("copy", &shop.broker, &camera("rim", PATTERN));
    cart.wait_for_log("the takeover", |log| log.contains("another client has this cart's name"));
    stop(copy);
    stop(cart);
    let cart = start_online(&configuration, &backend.observer);
    backend.wait_delivered();
    stop(cart);
    let tally = backend.tally();
    // The copy has a log of its own, whose rows are not in this database.
    assert_eq!((tally.gaps, tally.out_of_order, tally.epochs), (0, 0, 2), "{tally:?}");
    assert!(tally.received >= tally.decided, "{tally:?}");
    tell(fault, 1, tally, "each with a log of its own");
}
