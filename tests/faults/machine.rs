//! What disks and clocks do.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use cartvision_tests::backend::Tally;
use cartvision_tests::cart::{start, stop};
use cartvision_tests::log::kind;
use cartvision_tests::observer::{Message, root};
use cartvision_tests::program::{Running, cartvisiond, path, run, wait_until};
use cartvision_tests::proxy::{Proxy, Weather};
use rustix::process::Signal;

use crate::{Shop, chance, close, rounds, start_online, tell};

/// A state directory on a file system of its own, which can be filled and be made read-only. Mounting needs rights.
struct Disk {
    directory: PathBuf,
}

impl Disk {
    /// Small, so that it is soon full; larger than SQLite's log.
    fn at(directory: PathBuf) -> Option<Self> {
        fs::create_dir_all(&directory).unwrap();
        let ran = run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&directory));
        if ran.code == Some(0) {
            return Some(Self { directory });
        }
        println!("NOT TESTED, a disk that fails: mounting needs root ({})", ran.stderr.trim());
        None
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let mut ballast = File::create(self.directory.join("ballast")).unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.directory.join("ballast")).unwrap();
    }

    fn remount(&self, how: &str) {
        // What is open for writing holds it up, but not a tmpfs that is forced.
        let options = format!("remount,{how}");
        run(Command::new("mount").args(["-o", &options]).arg(&self.directory)).expect_code(0);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(&self.directory));
    }
}

/// A disk that takes nothing for a while: the cart says so, refuses what it could not record, and goes on.
#[test]
fn the_disk_is_full() {
    let (fault, tries) = ("the disk is full for a while", rounds(3));
    let shop = Shop::new();
    let Some(disk) = Disk::at(shop.state()) else { return };
    let (_, mut backend, cart) = shop.start(&shop.broker.url());
    for _ in 0..tries {
        backend.next_session();
        backend.adjust(10);
        disk.fill();
        let refused = |messages: &[Message]| {
            messages.iter().any(|m| m.topic.ends_with("replies/adjusted") && m.json()["ok"] == false)
        };
        // Until its log has no room left.
        wait_until(
            || {
                backend.adjust(5);
                sleep(Duration::from_millis(100));
                (backend.room() == 0 || refused(&backend.observer.messages())).then_some(())
            },
            || "a command is refused".to_owned(),
        );
        if refused(&backend.observer.messages()) {
            backend.observer.wait_state("degraded", |state| {
                state["reasons"].as_array().unwrap().iter().any(|r| r.as_str().unwrap().contains("database"))
            });
        }
        disk.empty();
        wait_until(
            || {
                (cart.stderr().matches("can be written again").count() > 0
                    || !refused(&backend.observer.messages()))
                .then_some(())
            },
            || cart.stderr(),
        );
        backend.wait_delivered();
    }
    let log = cart.stderr();
    assert!(log.contains("make room on the disk"), "{log}");
    let tally = close(cart, &backend, fault);
    tell(fault, tries, tally, "says `degraded`, refuses what it could not record");
}

#[test]
fn a_cart_does_not_start_on_a_full_disk_and_says_why() {
    let shop = Shop::new();
    let Some(disk) = Disk::at(shop.state()) else { return };
    disk.fill();
    let ran = start(&shop.configuration(&shop.broker.url())).end().expect_code(3);
    assert!(ran.stderr.contains("cart/state") && ran.stderr.contains("room"), "{}", ran.stderr);
    disk.empty();
    disk.remount("ro");
    let ran = start(&shop.configuration(&shop.broker.url())).end().expect_code(3);
    assert!(ran.stderr.contains("cart/state"), "{}", ran.stderr);
}

/// What is sent is on the disk: no bytes of an event go to the broker before the commit's fsync has returned.
#[test]
fn the_commit_is_on_disk_before_anything_is_sent() {
    let shop = Shop::new();
    let (configuration, mut backend) = shop.open(&shop.broker.url());
    let trace = shop.bench.at("trace");
    let mut strace = Command::new("strace");
    // -D: the cart is our child and strace looks on, so that what ends our child ends the cart.
    strace.args([
        "-D",
        "-f",
        "-y",
        "-s",
        "4096",
        "-e",
        "trace=fsync,fdatasync,write,writev,sendto,pwrite64",
        "-o",
    ]);
    strace.arg(&trace).arg(path("cartvisiond")).args(["run", "--config"]);
    let cart = Running::start(strace.arg(&configuration));
    backend.observer.wait_state("online", |_| true);
    backend.next_session();
    for sent in 1..=20 {
        backend.adjust(1);
        wait_until(|| (backend.confirmations() == sent).then_some(()), || "an answer".to_owned());
    }
    backend.wait_delivered();
    let tally = backend.tally().expect_whole("traced");
    stop(cart);
    let read = || fs::read_to_string(&trace).unwrap();
    wait_until(
        || read().trim_end().ends_with("+++ exited with 0 +++").then_some(()),
        || "the trace is whole".to_owned(),
    );
    let (mut synced, mut written, mut checked) = (0_u64, 0_u64, 0);
    for line in read().lines() {
        // The log's write holds the event; the fsync after it (of the same file) makes it stay.
        let newest = |line: &str| {
            let numbers = line.split("\\\"sequence\\\":\\\"").skip(1);
            numbers.filter_map(|n| n.get(..20)?.parse::<u64>().ok()).max()
        };
        if line.contains("cart.db-wal>") && line.contains("pwrite64") {
            written = newest(line).unwrap_or(0).max(written);
        } else if line.contains("cart.db-wal>") && (line.contains("fsync") || line.contains("fdatasync")) {
            synced = written;
        } else if (line.contains("socket:") || line.contains("TCP:"))
            && let Some(number) = newest(line).filter(|_| line.contains("specversion"))
        {
            assert!(number <= synced, "event {number} was sent when {synced} was on disk:\n{line}");
            checked += 1;
        }
    }
    assert!(checked >= 20, "{checked} sends of {} events were seen", tally.decided);
    println!(
        "| each commit is on disk before its event is sent (strace) | {checked} sends | {} | {} | 0 | 0 | 0 | 0 | 1 | |",
        tally.decided, tally.received
    );
}

/// libfaketime, which gives a program another clock; the file says how far it is off.
fn with_clock(configuration: &Path, offset: &Path) -> Option<Command> {
    let library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
        .map(|directory| Path::new(directory).join("faketime/libfaketimeMT.so.1"))
        .into_iter()
        .find(|library| library.exists());
    let Some(library) = library else {
        println!("NOT TESTED, a clock that jumps: libfaketime is missing; run `make setup`");
        return None;
    };
    let mut command = cartvisiond();
    command.args(["run", "--config"]).arg(configuration).env("LD_PRELOAD", library);
    // The kernel's steady clock stays steady, as it does when somebody sets the time.
    command
        .env("FAKETIME_TIMESTAMP_FILE", offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    Some(command)
}

#[test]
fn the_clock_jumps() {
    let (fault, tries) = ("the clock is set back and forward", rounds(4));
    let mut chance = chance(fault);
    let shop = Shop::new();
    let (configuration, mut backend) = shop.open(&shop.broker.url());
    let offset = shop.bench.write("offset", "+0");
    let Some(mut command) = with_clock(&configuration, &offset) else { return };
    let mut cart = Running::start(&mut command);
    backend.observer.wait_state("online", |_| true);
    backend.next_session();
    for round in 0..tries {
        if backend.room() < 10 {
            set_clock(&offset, 0);
            backend.ahead_s = 0;
            backend.next_session();
        }
        // A week back, a day forward: a cart that boots without network time, and gets it.
        backend.ahead_s = chance.i64(-7 * 86_400..86_400);
        set_clock(&offset, backend.ahead_s);
        let before = backend.confirmations();
        backend.adjust(5);
        wait_until(|| (backend.confirmations() >= before + 5).then_some(()), || cart.stderr());
        if round % 2 == 1 {
            cart.signal(Signal::KILL);
            cart.wait();
            let heard = backend.observer.messages().len();
            cart = Running::start(&mut command);
            backend.observer.wait("the cart again", |m| {
                m[heard..].iter().any(|m| m.json()["status"] == "online").then_some(())
            });
        }
    }
    let tally = close(cart, &backend, fault);
    assert_eq!(tally.epochs, 1, "order rests on no clock");
    tell(fault, tries, tally, "and killed every other time");
}

fn set_clock(offset: &Path, ahead_s: i64) {
    fs::write(offset, format!("{ahead_s:+}")).unwrap();
}

/// The disk has spoilt the database: what nobody has got is saved from it, a new log says so, and the basket is known.
#[test]
fn the_database_is_damaged() {
    let (fault, tries) =
        ("the database's first page is overwritten while it holds what was not sent", rounds(2));
    let shop = Shop::new();
    let proxy = Proxy::to(shop.broker.port());
    let (configuration, mut backend, mut cart) = shop.start(&proxy.url());
    backend.next_session();
    for _ in 0..tries.min(10) {
        proxy.set(Weather::UpStalls);
        let before = backend.rows().0;
        backend.adjust(10);
        wait_until(|| (backend.rows().0 >= before + 10).then_some(()), || "ten are decided".to_owned());
        cart.signal(Signal::KILL);
        cart.wait();
        // What SQLite keeps beside the file would mend it.
        let file = shop.state().join("cart.db");
        run(Command::new("sqlite3").arg(&file).arg("PRAGMA wal_checkpoint(TRUNCATE)")).expect_code(0);
        let spoilt = fs::OpenOptions::new().write(true).open(&file).unwrap();
        spoilt.write_all_at(&[0xa5; 4096], 0).unwrap();
        proxy.reset();
        proxy.set(Weather::Fair);
        cart = start_online(&configuration, &backend.observer);
        backend.wait_delivered();
    }
    stop(cart);
    let tally = backend.tally();
    assert_eq!((tally.gaps, tally.out_of_order), (0, 0), "{tally:?}");
    assert_eq!(tally.epochs, 1 + tries.min(10), "each damage opens a new log");
    let opened = backend.observer.event_messages().into_iter().map(|m| m.json());
    let reasons = opened.filter(|e| kind(e) == "log.opened").map(|e| e["data"]["reason"].to_string());
    assert_eq!(reasons.filter(|reason| reason.contains("damaged")).count(), tries.min(10));
    let sum: u64 = (1..=10 * tries.min(10) as u64).sum();
    let basket =
        backend.observer.messages().into_iter().rfind(|m| m.topic == root().basket()).unwrap().json();
    assert_eq!(basket["lines"][0]["quantity"], sum, "{basket:#}");
    // Rows of the damaged ones that were delivered are in no database any more.
    tell(fault, tries.min(10), Tally { decided: tally.received, ..tally }, "each opens a new log");
}
