//! The network between a cart and its broker, as bad as a test wants it. It knows just enough of MQTT to touch
//! acknowledgements.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It carries.
    Fair,
    /// What the cart sends stays on the way; what it is sent arrives.
    UpStalls,
    /// Nothing arrives, and nobody is told.
    Silence,
    /// Acknowledgements of what the cart publishes get lost.
    NoAcknowledgements,
    /// Acknowledgements of what the cart publishes say this.
    Acknowledgements(u8),
    /// So many bytes a second, both ways, after so many milliseconds.
    Slow {
        /// Bytes a second.
        bytes_per_s: u32,
        /// Milliseconds that each piece is late.
        late_ms: u32,
    },
    /// Connections break, and none is taken.
    Cut,
}

/// A port that leads to another one. Ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    own: SocketAddr,
    sky: Arc<Sky>,
}

#[derive(Debug)]
struct Sky {
    weather: Mutex<Weather>,
    streams: Mutex<Vec<TcpStream>>,
    gone: AtomicBool,
    acknowledgements: AtomicU64,
}

impl Sky {
    fn now(&self) -> Weather {
        *self.weather.lock().unwrap()
    }
}

impl Proxy {
    /// From the loopback to a port of it.
    pub fn to(port: u16) -> Self {
        Self::from(Ipv4Addr::LOCALHOST, port)
    }

    /// From this address of the machine to a port of its loopback.
    ///
    /// # Panics
    /// When no port can be had.
    pub fn from(address: Ipv4Addr, port: u16) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let own = listener.local_addr().unwrap();
        let sky = Arc::new(Sky {
            weather: Mutex::new(Weather::Fair),
            streams: Mutex::default(),
            gone: AtomicBool::new(false),
            acknowledgements: AtomicU64::new(0),
        });
        let seen = sky.clone();
        thread::spawn(move || {
            for cart in listener.incoming() {
                if seen.gone.load(Ordering::SeqCst) {
                    return;
                }
                // Dropped: refused.
                if let (Ok(cart), true) = (cart, seen.now() != Weather::Cut) {
                    carry(cart, (Ipv4Addr::LOCALHOST, port).into(), &seen);
                }
            }
        });
        Self { own, sky }
    }

    /// Its own port.
    pub fn port(&self) -> u16 {
        self.own.port()
    }

    /// The cart's address.
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.own)
    }

    /// From now on it is like this.
    ///
    /// # Panics
    /// When another thread has panicked.
    pub fn set(&self, weather: Weather) {
        *self.sky.weather.lock().unwrap() = weather;
        if weather == Weather::Cut {
            self.reset();
        }
    }

    /// Breaks every connection.
    ///
    /// # Panics
    /// When another thread has panicked.
    pub fn reset(&self) {
        for stream in self.sky.streams.lock().unwrap().drain(..) {
            _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// How many acknowledgements were touched.
    pub fn acknowledgements(&self) -> u64 {
        self.sky.acknowledgements.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.sky.gone.store(true, Ordering::SeqCst);
        self.reset();
        // So that its thread looks.
        _ = TcpStream::connect(self.own);
    }
}

fn carry(cart: TcpStream, to: SocketAddr, sky: &Arc<Sky>) {
    // The broker may be away: then the cart finds nobody either.
    let Ok(broker) = TcpStream::connect(to) else { return };
    let twin = |stream: &TcpStream| stream.try_clone().unwrap();
    sky.streams.lock().unwrap().extend([twin(&cart), twin(&broker)]);
    let up = (twin(&cart), twin(&broker), sky.clone());
    thread::spawn(move || pass(up.0, up.1, &up.2, true));
    let down = (broker, cart, sky.clone());
    thread::spawn(move || pass(down.0, down.1, &down.2, false));
}

fn pass(mut from: TcpStream, mut to: TcpStream, sky: &Sky, up: bool) {
    let mut packets = Packets::default();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        packets.came(&buffer[..count]);
        while let Some(mut packet) = packets.next() {
            let stays = |weather| match weather {
                Weather::UpStalls => up,
                Weather::Silence => true,
                _ => false,
            };
            while stays(sky.now()) && !sky.gone.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(5));
            }
            let acknowledges = !up && packet[0] >> 4 == PUBACK;
            match sky.now() {
                Weather::NoAcknowledgements if acknowledges => {
                    sky.acknowledgements.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                Weather::Acknowledgements(reason) if acknowledges => {
                    sky.acknowledgements.fetch_add(1, Ordering::SeqCst);
                    // The identifier is the body's first two bytes.
                    packet = vec![PUBACK << 4, 3, packet[2], packet[3], reason];
                }
                Weather::Slow { bytes_per_s, late_ms } => {
                    let spent = packet.len() as f64 / f64::from(bytes_per_s);
                    thread::sleep(Duration::from_millis(late_ms.into()) + Duration::from_secs_f64(spent));
                }
                _ => {}
            }
            if to.write_all(&packet).is_err() {
                break;
            }
        }
    }
    _ = to.shutdown(Shutdown::Both);
    _ = from.shutdown(Shutdown::Both);
}

/// The type of a PUBACK.
const PUBACK: u8 = 4;

/// Cuts a stream into MQTT's packets.
#[derive(Debug, Default)]
struct Packets(Vec<u8>);

impl Packets {
    fn came(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The first whole one.
    fn next(&mut self) -> Option<Vec<u8>> {
        let (mut length, mut at) = (0, 1);
        loop {
            let byte = usize::from(*self.0.get(at)?);
            length |= (byte & 0x7f) << (7 * (at - 1));
            at += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        (self.0.len() >= at + length).then(|| self.0.drain(..at + length).collect())
    }
}
