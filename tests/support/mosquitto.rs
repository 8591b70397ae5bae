//! A real mosquitto of the test's own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::program::{Running, run, wait_until};

/// The cart's user and password where the broker asks for them.
pub const USER: &str = "cart";
/// See [`USER`].
pub const PASSWORD: &str = "not-a-secret-1";

/// What the broker asks of the cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Nothing.
    Open,
    /// User and password.
    Password,
    /// User and password, over TLS.
    Tls,
    /// A certificate of its authority ([`Mosquitto::certificate`]), over TLS.
    Certificate,
}

/// A broker with two listeners on free loopback ports: one for the cart, and one without any door for the test's
/// own [`Observer`](crate::observer::Observer). Killed when dropped.
#[derive(Debug)]
pub struct Mosquitto {
    door: Door,
    ports: Ports,
    place: TempDir,
    running: Option<Running>,
}

/// The cart's port and the observer's.
#[derive(Clone, Copy, Debug)]
struct Ports {
    cart: u16,
    observer: u16,
}

impl Ports {
    /// Free ones, as far as one can know.
    fn free() -> Self {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        // Both at once, so that they differ.
        let (cart, observer) = (listen(), listen());
        Self { cart: port(&cart), observer: port(&observer) }
    }
}

/// A loopback port on which nobody listens.
pub fn closed_port() -> u16 {
    Ports::free().cart
}

impl Mosquitto {
    /// Starts one and waits until it listens.
    ///
    /// # Panics
    /// When mosquitto (or, for its door, openssl or `mosquitto_passwd`) is missing or fails.
    pub fn start(door: Door) -> Self {
        let mut broker = Self::prepare(door);
        // Another program may take a port between our look and mosquitto's.
        let mut tries = 0;
        while let Err(said) = broker.listen() {
            tries += 1;
            assert!(tries < 5, "mosquitto ended:\n{said}");
            broker.ports = Ports::free();
        }
        broker
    }

    /// Prepares one that does not run yet.
    ///
    /// # Panics
    /// See [`Self::start`].
    pub fn prepare(door: Door) -> Self {
        let place = TempDir::new().unwrap();
        if matches!(door, Door::Password | Door::Tls) {
            let file = place.path().join("passwords");
            run(Command::new("mosquitto_passwd").arg("-c").arg("-b").arg(&file).args([USER, PASSWORD]))
                .expect_code(0);
        }
        if matches!(door, Door::Tls | Door::Certificate) {
            certify(place.path());
        }
        Self { door, ports: Ports::free(), place, running: None }
    }

    /// Starts it on its ports, at its first start or after [`Self::kill`]; what it knew before is gone.
    ///
    /// # Panics
    /// See [`Self::start`].
    pub fn resume(&mut self) {
        self.listen().unwrap_or_else(|said| panic!("mosquitto ended:\n{said}"));
    }

    fn listen(&mut self) -> Result<(), String> {
        let mut running = self.spawn();
        let listens = |port: u16| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        let Ports { cart, observer } = self.ports;
        let lives = wait_until(
            || match running.ended() {
                Some(_) => Some(false),
                None => (listens(cart) && listens(observer)).then_some(true),
            },
            || "mosquitto listens".to_owned(),
        );
        if !lives {
            return Err(running.stderr());
        }
        self.running = Some(running);
        Ok(())
    }

    fn spawn(&self) -> Running {
        let Self { door, ports, place, .. } = self;
        let at = |name: &str| place.path().join(name).display().to_string();
        let mut text = format!(
            // As root it would become the user `mosquitto`, who may not read our directory; for others the line
            // means nothing.
            // It acknowledges before it delivers, and would drop what a slow listener has not taken. And it would hold
            // small packets back for 40 ms, until the one before has been acknowledged by TCP.
            "user root\nlog_dest stderr\nmax_queued_messages 0\nset_tcp_nodelay true\nper_listener_settings true\n\
             listener {} 127.0.0.1\nallow_anonymous true\n\
             listener {} 127.0.0.1\n",
            ports.observer, ports.cart
        );
        match door {
            Door::Open => text += "allow_anonymous true\n",
            Door::Certificate => {
                text += "allow_anonymous false\nrequire_certificate true\nuse_identity_as_username true\n";
            }
            Door::Password | Door::Tls => {
                text += &format!("allow_anonymous false\npassword_file {}\n", at("passwords"));
            }
        }
        if matches!(door, Door::Tls | Door::Certificate) {
            text += &format!(
                "cafile {}\ncertfile {}\nkeyfile {}\n",
                at("ca.pem"),
                at("broker.pem"),
                at("broker.key")
            );
        }
        let file = place.path().join("mosquitto.conf");
        fs::write(&file, text).unwrap();
        // Debian keeps it out of a plain user's path.
        let program =
            ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|p| Path::new(p).exists());
        Running::start(Command::new(program.unwrap_or("mosquitto")).arg("-c").arg(file))
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(running) = &mut self.running {
            running.signal(Signal::KILL);
            running.wait();
        }
    }

    /// Its address for the cart.
    pub fn url(&self) -> String {
        let port = self.ports.cart;
        match self.door {
            Door::Open => format!("mqtt://127.0.0.1:{port}"),
            Door::Password => format!("mqtt://{USER}@127.0.0.1:{port}"),
            Door::Tls => format!("mqtts://{USER}@localhost:{port}"),
            Door::Certificate => format!("mqtts://localhost:{port}"),
        }
    }

    /// A certificate that its authority has signed for a cart, and the key.
    pub fn certificate(&self) -> (PathBuf, PathBuf) {
        (self.place.path().join("cart.pem"), self.place.path().join("cart.key"))
    }

    /// The port of that address.
    pub fn port(&self) -> u16 {
        self.ports.cart
    }

    /// The certificate of the authority that signed its own.
    pub fn ca(&self) -> PathBuf {
        self.place.path().join("ca.pem")
    }

    /// The port without a door.
    pub fn observer_port(&self) -> u16 {
        self.ports.observer
    }
}

/// An authority (`ca.pem`), and certificates of a broker (`broker.pem`, `broker.key`) for the loopback and of a cart
/// (`cart.pem`, `cart.key`).
///
/// # Panics
/// When openssl is missing or fails.
pub fn certify(place: &Path) {
    let openssl = |arguments: &str| {
        run(Command::new("openssl").current_dir(place).args(arguments.split_whitespace())).expect_code(0)
    };
    // With files of our own: what the system's openssl.cnf adds differs.
    let request = "[req]\nprompt=no\ndistinguished_name=name\n";
    let authority = "[name]\nCN=Test authority\n[extensions]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
    let broker = "[name]\nCN=Test broker\n[extensions]\nsubjectAltName=IP:127.0.0.1,DNS:localhost\n";
    fs::write(place.join("ca.cnf"), format!("{request}{authority}")).unwrap();
    fs::write(place.join("broker.cnf"), format!("{request}{broker}")).unwrap();
    let cart = "[name]\nCN=cart-1\n[extensions]\nextendedKeyUsage=clientAuth\n";
    fs::write(place.join("cart.cnf"), format!("{request}{cart}")).unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!(
        "req -x509 {key} -days 2 -config ca.cnf -extensions extensions -keyout ca.key -out ca.pem"
    ));
    for whose in ["broker", "cart"] {
        openssl(&format!("req {key} -config {whose}.cnf -keyout {whose}.key -out {whose}.csr"));
        openssl(&format!(
            "x509 -req -in {whose}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile {whose}.cnf -extensions extensions -out {whose}.pem"
        ));
    }
}
