//! A cart that cannot look often enough, gets hot, or is shown the same picture for ever: it says so, and guesses nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;

use cartvision_tests::bench::Bench;
use cartvision_tests::cart::stop;
use cartvision_tests::input::{PATTERN, camera, configuration};
use cartvision_tests::mosquitto::{Door, Mosquitto};
use cartvision_tests::observer::{Observer, root};
use cartvision_tests::program::{Running, cartvisiond, run, wait_until};

struct Shop {
    bench: Bench,
    observer: Observer,
    broker: Mosquitto,
}

impl Shop {
    fn open() -> Self {
        let broker = Mosquitto::start(Door::Open);
        Self { bench: Bench::tiny(), observer: Observer::of(&broker, root()), broker }
    }

    fn start(&self, rest: &str) -> Running {
        self.bench.start("cart", &self.broker, rest)
    }
}

/// Two pictures a second are too few: said once, not with every picture.
#[test]
fn too_few_pictures() {
    let shop = Shop::open();
    let cart = shop.start(&(camera("slow", &PATTERN.replace("10", "2")) + &camera("rim", PATTERN)));
    shop.observer.wait_degraded("too few pictures of camera slow");
    let log = stop(cart);
    let said = log.lines().filter(|l| l.contains("too few of its pictures") && l.contains("slow")).count();
    assert_eq!(said, 1, "{log}");
}

/// Temperature and power are files. Hot: fewer pictures, before the hardware does it. A stand-in for a Jetson's sysfs.
#[test]
fn hot_and_cool_again() {
    let shop = Shop::open();
    let sysfs = shop.bench.at("sys");
    let zone = sysfs.join("class/thermal/thermal_zone0/temp");
    fs::create_dir_all(zone.parent().unwrap()).unwrap();
    // In one piece: the cart may read at any moment.
    let write = |millidegrees: u32| {
        let part = zone.with_extension("part");
        fs::write(&part, millidegrees.to_string()).unwrap();
        fs::rename(&part, &zone).unwrap();
    };
    write(85_000);
    let fast = PATTERN.replace("framerate = 10", "framerate = 40");
    let cart = shop.start(&format!("[limits]\nsysfs = '{}'\n{}", sysfs.display(), camera("rim", &fast)));
    wait_for(&cart, "a rate for each camera");
    let limited = shop.observer.wait("telemetry of the limit", |messages| {
        let told = messages.iter().filter(|m| m.topic == root().telemetry()).map(|m| m.json());
        told.into_iter().find(|t| t["rate_limit"].is_number())
    });
    assert_eq!(limited["temperature_c"], 85.0);
    assert!(limited["rate_lowered"].as_u64() >= Some(1), "{limited:#}");
    write(50_000);
    wait_for(&cart, "pictures as they come");
    stop(cart);
}

fn wait_for(cart: &Running, what: &str) {
    wait_until(
        || cart.stderr().contains(what).then_some(()),
        || format!("{what:?} in the log:\n{}", cart.stderr()),
    );
}

/// A picture that never changes comes from no camera that works.
#[test]
fn a_frozen_picture() {
    let shop = Shop::open();
    let still = camera("still", &PATTERN.replace("ball", "black")).replace("source", "frozen_s = 1\nsource");
    let cart = shop.start(&(still + &camera("rim", PATTERN)));
    shop.observer.wait_degraded("camera still gives no pictures");
    let reason = shop.observer.wait("the event of it", |messages| {
        let events = messages.iter().map(|m| m.json());
        events
            .into_iter()
            .find(|e| e["type"] == "cartvision.camera.degraded.v1")
            .map(|e| e["data"].to_string())
    });
    assert!(reason.contains("frozen"), "{reason}");
    stop(cart);
}

/// A limit that makes no sense is refused, and says where it stands.
#[test]
fn nonsense_is_refused() {
    let bench = Bench::tiny();
    let limits = "[limits]\ncelsius = 8000\n";
    let file = configuration(&bench.at("cart"), "url = 'mqtt://127.0.0.1:1'", &bench.bundle, limits);
    let ran = run(cartvisiond().args(["run", "--config"]).arg(&file));
    let ran = ran.expect_code(2);
    assert!(ran.stderr.contains("limits.celsius = 8000"), "{ran:?}");
}
