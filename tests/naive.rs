//! What a program without an outbox does, for comparison: publishes each line of its input once, QoS 1, as rumqttc's
//! users write it, and says which lines it handed over.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it stands for a quick program")]

use std::io::BufRead as _;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{Client, MqttOptions};

fn main() {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap();
    let mut options = MqttOptions::new("naive", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(10));
    let (client, mut connection) = Client::new(options, 64);
    std::thread::spawn(move || {
        for notification in connection.iter() {
            if notification.is_err() {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    });
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if client.publish("naive/events", QoS::AtLeastOnce, false, line.clone()).is_ok() {
            println!("{line}");
        }
    }
    std::thread::sleep(Duration::from_secs(2));
}
