//! The daemon under systemd: what it tells, and the units.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cartvision_tests::bench::Bench;
use cartvision_tests::cart::stop;
use cartvision_tests::input::{PATTERN, camera, configuration};
use cartvision_tests::mosquitto::closed_port;
use cartvision_tests::program::{PATIENCE, Running, cartvisiond, path, run};

/// systemd's end of the notification socket.
struct Manager(UnixDatagram);

impl Manager {
    /// Starts a cart as a service; its watchdog wants to be fed once a second.
    fn start(bench: &Bench, cameras: &str) -> (Self, Running) {
        let socket = bench.at("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let broker = format!("url = 'mqtt://127.0.0.1:{}'", closed_port());
        let file = configuration(&bench.at("cart"), &broker, &bench.bundle, cameras);
        let mut command = cartvisiond();
        command.args(["run", "--config"]).arg(file);
        command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", "1000000");
        (Self(manager), Running::start(&mut command))
    }

    fn hears(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).expect("systemd is told something");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// All up to the first that is this.
    fn hears_until(&self, what: &str) -> Vec<String> {
        let mut heard = vec![];
        while heard.last().is_none_or(|last: &String| !last.contains(what)) {
            heard.push(self.hears());
        }
        heard
    }
}

#[test]
fn ready_with_the_first_picture_fed_by_the_loop_and_a_goodbye() {
    let bench = Bench::tiny();
    let (manager, cart) = Manager::start(&bench, &camera("rim", PATTERN));
    let heard = manager.hears_until("READY=1");
    assert_eq!(heard.len(), 1, "nothing before: {heard:?}");
    for _ in 0..3 {
        manager.hears_until("WATCHDOG=1");
    }
    stop(cart);
    manager.hears_until("STOPPING=1");
}

/// A cart whose only camera is away does not keep systemd waiting: it is ready, and says what is wrong.
#[test]
fn ready_when_it_knows_that_it_is_degraded() {
    let bench = Bench::tiny();
    let source =
        "kind = 'v4l2', device = '/dev/absent', width = 64, height = 48, framerate = 5, format = 'mjpeg'";
    let (manager, cart) = Manager::start(&bench, &camera("rim", source));
    manager.hears_until("READY=1");
    let status = manager.hears_until("STATUS=").pop().unwrap();
    assert!(status.contains("degraded") && status.contains("rim"), "{status}");
    manager.hears_until("WATCHDOG=1");
    stop(cart);
}

/// A cart that stands still does not feed the watchdog.
#[test]
fn a_frozen_cart_is_not_fed() {
    let bench = Bench::tiny();
    let (manager, cart) = Manager::start(&bench, &camera("rim", PATTERN));
    manager.hears_until("WATCHDOG=1");
    cart.signal(rustix::process::Signal::STOP);
    manager.0.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    // What was on its way.
    while manager.0.recv(&mut [0; 4096]).is_ok() {}
    assert!(manager.0.recv(&mut [0; 4096]).is_err());
    cart.signal(rustix::process::Signal::CONT);
    manager.0.set_read_timeout(Some(PATIENCE)).unwrap();
    manager.hears_until("WATCHDOG=1");
    stop(cart);
}

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd")
}

/// The unit with our own program in it; with what the drop-in for Jetson adds, as systemd would read both.
fn unit(place: &Path, jetson: bool) -> PathBuf {
    let read = |name: &str| fs::read_to_string(units().join(name)).unwrap();
    let text = read("cartvisiond.service");
    assert!(text.contains("ExecStart=/usr/bin/cartvisiond run"), "{text}");
    let mut text = text.replace("/usr/bin/cartvisiond", &path("cartvisiond").display().to_string());
    if jetson {
        text += &read("jetson.conf");
    }
    let file = place.join("cartvisiond.service");
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    for jetson in [false, true] {
        let place = tempfile::tempdir().unwrap();
        let ran = run(Command::new("systemd-analyze").arg("verify").arg(unit(place.path(), jetson)));
        let said = ran.expect_code(0).stderr;
        assert!(said.trim().is_empty(), "{said}");
    }
}

/// 0 is the least, 10 the most.
#[test]
#[expect(clippy::print_stdout, reason = "the figure is of interest")]
fn the_service_is_exposed_to_little() {
    for (jetson, most) in [(false, 2.0), (true, 2.5)] {
        let place = tempfile::tempdir().unwrap();
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(["security", "--offline=true", "--no-pager"]).arg(unit(place.path(), jetson));
        let said = run(&mut analyze).expect_code(0).stdout;
        let overall = said.lines().find(|line| line.contains("Overall exposure level")).unwrap();
        let (_, level) = overall.split_once(": ").unwrap();
        let level: f64 = level.split_whitespace().next().unwrap().parse().unwrap();
        println!("exposure {}: {level}", if jetson { "with jetson.conf" } else { "of the unit" });
        assert!(level <= most, "{said}");
    }
}
