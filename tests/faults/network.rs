//! What networks and brokers do.

use std::net::Ipv4Addr;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use cartvision_tests::backend::Tally;
use cartvision_tests::cart::stop;
use cartvision_tests::program::{Running, path, run, wait_until};
use cartvision_tests::proxy::{Proxy, Weather};

use crate::{Shop, chance, close, ms, rounds, start_online, tell};

/// The keep-alive is 10 s, and a link counts as dead after one and a half times that.
const LONGER_THAN_KEEP_ALIVE: Duration = Duration::from_secs(18);

/// Through a network that does something to the cart while it decides. Ten events are on their way when that begins, or,
/// every other time, some of them have arrived.
fn through(
    fault: &str,
    few: usize,
    remark: &str,
    mut weather: impl FnMut(&mut fastrand::Rng, usize) -> (Weather, Duration),
) -> Tally {
    let (shop, mut chance, tries) = (Shop::new(), chance(fault), rounds(few));
    let proxy = Proxy::to(shop.broker.port());
    let (_, mut backend, cart) = shop.start(&proxy.url());
    for round in 0..tries {
        backend.next_session();
        let (bad, lasts) = weather(&mut chance, round);
        proxy.set(Weather::UpStalls);
        let before = backend.rows().0;
        backend.adjust(10);
        wait_until(|| (backend.rows().0 >= before + 10).then_some(()), || "ten are decided".to_owned());
        if chance.bool() {
            proxy.set(Weather::Fair);
            sleep(ms(&mut chance, 10));
        }
        proxy.set(bad);
        backend.adjust(10);
        sleep(lasts);
        proxy.set(Weather::Fair);
        backend.settle();
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
    through("the network is silent for longer than the keep-alive", 1, "", |_, _| {
        (Weather::Silence, LONGER_THAN_KEEP_ALIVE)
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
    let proxy = Proxy::to(shop.broker.port());
    let (configuration, mut backend, cart) = shop.start(&proxy.url());
    backend.next_session();
    proxy.set(Weather::NoAcknowledgements);
    backend.adjust(60);
    wait_until(|| (backend.rows().0 > 60).then_some(()), || "all is decided".to_owned());
    stop(cart);
    assert!(backend.rows().1 > 0, "something is left");
    proxy.set(Weather::Fair);
    let tally = close(start_online(&configuration, &backend.observer), &backend, fault);
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

/// A network namespace with one link to this machine. Making one needs rights.
struct Namespace {
    name: String,
    /// This machine's and the namespace's end of the link: of their own for each process, as several may run.
    ends: [Ipv4Addr; 2],
}

impl Namespace {
    fn make() -> Option<Self> {
        let name = format!("cart-{}", std::process::id());
        let ip = |arguments: &str| run(Command::new("ip").args(arguments.split_whitespace()));
        if ip(&format!("netns add {name}")).code != Some(0) {
            println!("NOT TESTED, a network that is cut: a namespace needs root and iproute2");
            return None;
        }
        let net = Ipv4Addr::new(10, 213, 0, 0).to_bits() + (std::process::id() << 2 & 0xffff);
        let namespace = Self { name, ends: [net + 1, net + 2].map(Ipv4Addr::from_bits) };
        let (name, [here, there]) = (&namespace.name, namespace.ends);
        for step in [
            format!("link add h{name} type veth peer name c{name}"),
            format!("link set c{name} netns {name}"),
            format!("addr add {here}/30 dev h{name}"),
            format!("link set h{name} up"),
            format!("-n {name} addr add {there}/30 dev c{name}"),
            format!("-n {name} link set c{name} up"),
            format!("-n {name} link set lo up"),
        ] {
            ip(&step).expect_code(0);
        }
        Some(namespace)
    }

    fn link(&self, how: &str) {
        run(Command::new("ip").args(["link", "set", &format!("h{}", self.name), how])).expect_code(0);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        run(Command::new("ip").args(["netns", "del", &self.name]));
    }
}

#[test]
fn the_network_is_cut() {
    let (fault, tries) = ("the network is cut for longer than the keep-alive", rounds(1));
    let Some(namespace) = Namespace::make() else { return };
    let shop = Shop::new();
    let proxy = Proxy::from(namespace.ends[0], shop.broker.port());
    let (configuration, mut backend) = shop.open(&proxy.url());
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &namespace.name]);
    command.arg(path("cartvisiond")).args(["run", "--config"]).arg(&configuration);
    let cart = Running::start(&mut command);
    backend.observer.wait_state("online", |_| true);
    for _ in 0..tries {
        backend.next_session();
        backend.adjust(10);
        namespace.link("down");
        backend.adjust(10);
        sleep(LONGER_THAN_KEEP_ALIVE);
        namespace.link("up");
        backend.settle();
    }
    let tally = close(cart, &backend, fault);
    tell(fault, tries, tally, "");
}
