//! What cameras do.

use std::process::Command;
use std::thread::sleep;

use cartvision_tests::backend::Backend;
use cartvision_tests::cart::stop;
use cartvision_tests::input::{PATTERN, camera, configuration};
use cartvision_tests::log::kind;
use cartvision_tests::observer::{Observer, root};
use cartvision_tests::program::{Running, path, wait_until};
use rustix::process::Signal;
use serde_json::Value;

use crate::{Shop, chance, close, ms, rounds, start_online, tell};

/// A camera that comes and goes is opened ever more seldom, until the cart starts anew: 1, 2, 4, 8 s.
const DEATHS_OF_A_START: usize = 4;

/// A network camera, a process of its own.
struct Camera {
    port: u16,
    running: Running,
}

impl Camera {
    /// On a port of its own, the same one whenever it comes back.
    fn start(port: u16) -> Self {
        let mut running = Running::start(Command::new(path("camera")).arg(port.to_string()));
        let port = wait_until(
            || match running.ended() {
                Some(status) => panic!("the camera ended ({status}):\n{}", running.stderr()),
                None => running.stdout().lines().next()?.parse().ok(),
            },
            || "the camera listens".to_owned(),
        );
        Self { port, running }
    }

    fn die(&mut self) {
        self.running.signal(Signal::KILL);
        self.running.wait();
    }
}

/// Waits for a message on this topic, after the first `from` of all, of which `fits` holds.
fn wait_new(
    observer: &Observer,
    from: usize,
    topic: &str,
    what: &str,
    fits: impl Fn(&Value) -> bool,
) -> Value {
    observer.wait(what, |messages| {
        let new = messages[from..].iter().filter(|m| m.topic == topic).map(|m| m.json());
        new.into_iter().find(&fits)
    })
}

/// What a state says of cameras.
fn lost(state: &Value) -> Vec<&str> {
    let reasons = state["reasons"].as_array().unwrap().iter().map(|r| r.as_str().unwrap());
    reasons.filter(|reason| reason.contains("gives no pictures")).collect()
}

/// Degraded for the camera that died, and for no other.
fn wait_lost(backend: &Backend, from: usize) {
    let what = "the state of a cart whose camera died";
    let state = wait_new(&backend.observer, from, &root().state(), what, |state| {
        state["status"] == "degraded" && !lost(state).is_empty()
    });
    assert_eq!(lost(&state), ["camera net gives no pictures"], "{state:#}");
}

/// One of two cameras dies and comes back, while the cart decides.
#[test]
fn a_camera_dies() {
    let fault = "one of two cameras is killed (−9)";
    let (shop, mut chance, tries) = (Shop::new(), chance(fault), rounds(4));
    let mut net = Camera::start(0);
    let source = format!(
        "kind = 'rtsp', url = 'rtsp://127.0.0.1:{}/net', latency_ms = 0, transport = 'tcp'",
        net.port
    );
    // How often it is looked at is not what this is about.
    let cameras = format!(
        "[decision]\nslowest_ms = 0\n{}max_rate = 10\n{}",
        camera("net", &source),
        camera("rim", PATTERN)
    );
    let broker = format!("url = '{}'", shop.broker.url());
    let configuration = configuration(&shop.bench.at("cart"), &broker, &shop.bench.bundle, &cameras);
    let mut backend = Backend::of(shop.observer(), &shop.state());
    let mut cart = start_online(&configuration, &backend.observer);
    let rate = |telemetry: &Value, camera: &str| {
        let cameras = telemetry["cameras"].as_array().unwrap();
        cameras.iter().find(|c| c["camera"] == camera).unwrap()["frames_per_s"].as_f64().unwrap()
    };
    for round in 0..tries {
        if round > 0 && round % DEATHS_OF_A_START == 0 {
            stop(cart);
            cart = start_online(&configuration, &backend.observer);
        }
        backend.next_session();
        let heard = backend.observer.messages().len();
        backend.adjust(10);
        sleep(ms(&mut chance, 300));
        net.die();
        backend.adjust(10);
        wait_lost(&backend, heard);
        let heard = backend.observer.messages().len();
        backend.adjust(10);
        sleep(ms(&mut chance, 300));
        net = Camera::start(net.port);
        backend.adjust(10);
        wait_new(&backend.observer, heard, &root().state(), "the cart online again", |s| {
            s["status"] == "online"
        });
        backend.settle();
    }
    // And once it stays away for longer: the other one goes on.
    let heard = backend.observer.messages().len();
    net.die();
    wait_lost(&backend, heard);
    let told = wait_new(&backend.observer, heard, &root().telemetry(), "telemetry without it", |t| {
        rate(t, "net") == 0.0
    });
    assert!(rate(&told, "rim") > 0.0, "{told:#}");
    let tally = close(cart, &backend, fault);
    assert_eq!(tally.epochs, 1, "one log");
    let log = backend.observer.events();
    let of_cameras = log.events().iter().filter(|e| kind(e).starts_with("camera."));
    for (number, event) in of_cameras.clone().enumerate() {
        let expected = ["camera.degraded", "camera.recovered"][number % 2];
        assert_eq!((kind(event), &event["data"]["camera"]), (expected, &"net".into()), "{event:#}");
    }
    assert_eq!(of_cameras.count(), 2 * tries + 1, "each death and each return is told once");
    tell(
        fault,
        tries + 1,
        tally,
        "`degraded` meanwhile, and says so in the same log; the other camera goes on",
    );
}
