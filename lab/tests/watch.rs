//! `cartlab watch` on a real mosquitto, as a user runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStderr, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rumqttc::v5::{
    Client, Event, MqttOptions,
    mqttbytes::{QoS, v5::Packet},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const ROOT: &str = "cartvision/v1/store-1/cart-17";
const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn cartlab(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cartlab"));
    command.arg("watch").args(arguments).stdin(Stdio::null()).env_remove("CARTVISION_BROKER_PASSWORD");
    command
}

/// A process that is killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A mosquitto of the test's own.
fn broker(place: &TempDir, more: &str) -> (Killed, u16) {
    let port = free_port();
    let conf = place.path().join("mosquitto.conf");
    // As root it would become the user `mosquitto`; for others the line means nothing.
    fs::write(&conf, format!("user root\nlistener {port} 127.0.0.1\n{more}\n")).unwrap();
    // Debian keeps it out of a plain user's path.
    let program =
        ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|p| Path::new(p).exists());
    let child = Command::new(program.unwrap_or("mosquitto"))
        .arg("-c")
        .arg(conf)
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto is missing; run `make setup`");
    let (mut child, since) = (Killed(child), Instant::now());
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(child.0.try_wait().unwrap().is_none(), "mosquitto ended");
        assert!(since.elapsed() < PATIENCE, "mosquitto does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    (child, port)
}

/// A watch that has subscribed.
fn watching(port: u16, more: &[&str]) -> (Child, BufReader<ChildStderr>) {
    let url = format!("mqtt://127.0.0.1:{port}");
    let mut child = cartlab(&["--broker", &url, "--store", "store-1", "--cart", "cart-17"])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("watching cart cart-17"), "{line}");
    (child, said)
}

/// Publishes, one after the other, and waits until the broker has all.
fn publish(port: u16, messages: &[(&str, bool, String)]) {
    let (client, mut connection) = Client::new(MqttOptions::new("cart", "127.0.0.1", port), 64);
    for (topic, retain, payload) in messages {
        client.publish(format!("{ROOT}/{topic}"), QoS::AtLeastOnce, *retain, payload.clone()).unwrap();
    }
    let acknowledged = |event| matches!(event, Ok(Event::Incoming(Packet::PubAck(_))));
    let count = connection.iter().map(acknowledged).filter(|yes| *yes).take(messages.len()).count();
    assert_eq!(count, messages.len());
}

fn event(sequence: u64, kind: &str, data: Value) -> (&'static str, bool, String) {
    let event = json!({
        "specversion": "1.0", "id": ID, "source": "/carts/cart-17", "subject": "visit-1",
        "type": format!("cartvision.{kind}.v1"), "time": "2026-11-23T10:15:30.123Z",
        "datacontenttype": "application/json", "epoch": ID, "sequence": format!("{sequence:020}"), "data": data,
    });
    ("events", false, event.to_string())
}

fn added(sequence: u64) -> (&'static str, bool, String) {
    let item = json!({"kind": "catalogue", "id": "bottle", "label": "bottle"});
    let clock = json!({"synced": true, "uncertainty_ms": 4});
    event(
        sequence,
        "item.added",
        json!({"item": item, "quantity": 1, "confidence": 0.9, "decided_by": "edge", "cameras": ["rim"],
            "media_time_ms": 1, "decided_media_time_ms": 2, "candidates": [], "bundle": "b@1", "clock": clock}),
    )
}

fn state(status: &str) -> (&'static str, bool, String) {
    let clock = json!({"synced": true, "uncertainty_ms": 4});
    let state = json!({"status": status, "reasons": [], "connection_id": ID, "version": "1", "bundle": "b@1",
        "clock": clock});
    ("state", true, state.to_string())
}

fn basket(sequence: u64, quantity: u64) -> (&'static str, bool, String) {
    let lines = json!([{"kind": "catalogue", "id": "bottle", "label": "bottle", "quantity": quantity}]);
    let basket =
        json!({"session": "visit-1", "epoch": ID, "sequence": format!("{sequence:020}"), "lines": lines});
    ("basket", true, basket.to_string())
}

#[test]
fn events_and_basket_as_they_come_until_the_cart_goes() {
    let place = TempDir::new().unwrap();
    let (_broker, port) = broker(&place, "allow_anonymous true");
    // Kept from the past: no reason to end.
    publish(port, &[state("offline")]);
    let (watch, mut said) = watching(port, &["--until-offline"]);
    let unheard_of = event(2, "item.weighed", json!({"grams": 12}));
    let broken = ("events", false, "no JSON".to_owned());
    publish(
        port,
        &[
            state("online"),
            added(1),
            basket(1, 1),
            unheard_of,
            broken,
            added(1),
            basket(1, 1),
            state("offline"),
        ],
    );
    let Output { status, stdout, .. } = watch.wait_with_output().unwrap();
    assert_eq!(status.code(), Some(0));
    let line = "10:15:30.123  + bottle            90 %  rim";
    let shown = String::from_utf8(stdout).unwrap();
    let shown: Vec<_> = shown.lines().map(str::trim_start).collect();
    let again = format!("{line}  (sent again)");
    let expected = ["cart offline", "cart online", line, "basket: 1 × bottle", &again, "cart offline"];
    assert_eq!(shown, expected);
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("/events cannot be read"), "{rest}");
}

#[test]
fn json_is_the_events_and_nothing_else() {
    let place = TempDir::new().unwrap();
    let (_broker, port) = broker(&place, "allow_anonymous true");
    let (watch, _said) = watching(port, &["--until-offline", "--json"]);
    let unheard_of = event(2, "item.weighed", json!({"grams": 12}));
    let (first, second) = (added(1).2, unheard_of.2.clone());
    publish(port, &[state("online"), added(1), basket(1, 1), unheard_of, state("offline")]);
    let output = watch.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{first}\n{second}\n"));
}

#[test]
fn what_cannot_be_watched_says_so() {
    let place = TempDir::new().unwrap();
    let passwords = place.path().join("passwords");
    fs::write(&passwords, "").unwrap();
    let closed = format!("mqtt://127.0.0.1:{}", free_port());
    let door = format!("allow_anonymous false\npassword_file {}", passwords.display());
    let (_broker, port) = broker(&place, &door);
    let guarded = format!("mqtt://somebody@127.0.0.1:{port}");
    let absent = place.path().join("absent.pem").display().to_string();
    let no_pem = place.path().join("mosquitto.conf").display().to_string();
    for (arguments, code, says) in [
        (&["--broker", "127.0.0.1:1883"][..], 2, "it must start with mqtt:// or mqtts://"),
        (&["--broker", "mqtt://user:secret@host"], 2, "a password does not belong into an address"),
        (&["--broker", &closed, "--cart", "a/b"], 2, "letters, digits"),
        (&["--broker", &closed], 3, "Connection refused"),
        (&["--broker", &guarded], 3, "CARTVISION_BROKER_PASSWORD"),
        (&["--broker", "mqtts://host", "--broker-ca", &absent], 2, "absent.pem: No such file"),
        (&["--broker", "mqtts://host", "--broker-ca", &no_pem], 2, "holds no certificate"),
    ] {
        let output = cartlab(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
}
