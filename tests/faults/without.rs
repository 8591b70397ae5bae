//! The same things done to a program that has no outbox, for comparison.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use cartvision_tests::program::path;
use cartvision_tests::proxy::{Proxy, Weather};

use crate::{SWITCHED_OFF, Shop, chance, ms, rounds};

/// The same things done to a program that publishes with QoS 1 and has no outbox.
#[test]
fn what_a_program_without_an_outbox_loses() {
    let mut lost = 0;
    for fault in [SWITCHED_OFF, "the broker is killed (−9) and loses its sessions", "the connection breaks"]
    {
        let (mut shop, mut chance, tries) = (Shop::new(), chance(fault), rounds(6));
        let observer = shop.observer();
        let proxy = Proxy::to(shop.broker.port());
        let naive = |proxy: &Proxy| {
            let mut command = Command::new(path("naive"));
            let mut child = command.arg(proxy.port().to_string());
            let (out, write) = (shop.bench.at("handed-over"), fs::OpenOptions::new());
            let file = write.clone().create(true).append(true).open(out).unwrap();
            child = child.stdin(Stdio::piped()).stdout(file);
            child.spawn().unwrap()
        };
        let mut running = naive(&proxy);
        let mut number = 0;
        for _ in 0..tries {
            if fault == SWITCHED_OFF {
                proxy.set(Weather::UpStalls);
            }
            for _ in 0..chance.usize(10..40) {
                number += 1;
                writeln!(running.stdin.as_mut().unwrap(), "{number}").unwrap();
                sleep(Duration::from_millis(2));
            }
            match fault {
                SWITCHED_OFF => {
                    running.kill().unwrap();
                    running.wait().unwrap();
                    proxy.reset();
                    proxy.set(Weather::Fair);
                    running = naive(&proxy);
                }
                "the connection breaks" => {
                    proxy.set(Weather::Cut);
                    sleep(ms(&mut chance, 800));
                    proxy.set(Weather::Fair);
                }
                _ => {
                    shop.broker.kill();
                    sleep(ms(&mut chance, 300));
                    shop.broker.resume();
                }
            }
        }
        sleep(Duration::from_secs(2));
        drop(running.stdin.take());
        running.wait().unwrap();
        let handed_over = fs::read_to_string(shop.bench.at("handed-over")).unwrap().lines().count();
        let heard: BTreeSet<Vec<u8>> = observer.messages().into_iter().map(|m| m.payload).collect();
        lost += handed_over.saturating_sub(heard.len());
        println!(
            "| without an outbox: {fault} | {tries} | {handed_over} | {} | {} |",
            heard.len(),
            handed_over - heard.len()
        );
    }
    assert!(lost > 0, "what is done here does harm");
}
