//! The connection to the broker.
//!
//! One thread: the MQTT event loop, and beside it a wait for a signal. The first connection has to succeed; one that
//! breaks later is made again, as often as it takes.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process,
    sync::Arc,
    thread,
    time::Duration,
};

use cartvision_metric::TrueChange;
use cartvision_wire::{Address, Event, EventData, Root, State, Status, address::PASSWORD_VARIABLE};
use rumqttc::{
    TlsConfiguration, Transport,
    v5::{
        self, AsyncClient, ConnectionError, MqttOptions, StateError,
        mqttbytes::{
            QoS,
            v5::{ConnectReturnCode, Filter, Packet, Publish, SubscribeReasonCode},
        },
    },
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use tokio::{sync::Notify, time::sleep};

use super::{Arguments, Error, screen::Screen, truth};

/// Larger packets are refused: an event has at most 8 KiB, a basket some 40.
const MAX_PACKET_BYTES: u32 = 256 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const CONNECT_WITHIN_S: u64 = 5;
/// Between two attempts to connect again.
const PAUSE: Duration = Duration::from_secs(1);
/// The one subscription.
const MAX_REQUESTS: usize = 4;

/// Watches until a signal, or until the cart is offline where that was asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let broker = Address::parse(&arguments.broker)?;
    let options = options(&broker, arguments)?;
    let changes = arguments.truth.as_deref().map(truth::read).transpose()?;
    let stopped = stop_on_signals().map_err(Error::System)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::System)?;
    let mut watch = Watch::new(broker, arguments, changes);
    runtime.block_on(async {
        tokio::select! {
            ended = watch.follow(options) => ended,
            () = stopped.notified() => Ok(()),
        }
    })
}

/// Notified at SIGINT and SIGTERM.
fn stop_on_signals() -> io::Result<Arc<Notify>> {
    let stopped = Arc::new(Notify::new());
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let notify = stopped.clone();
    thread::Builder::new().name("signals".into()).spawn(move || {
        for _ in signals.forever() {
            notify.notify_one();
        }
    })?;
    Ok(stopped)
}

fn options(broker: &Address, arguments: &Arguments) -> Result<MqttOptions, Error> {
    let Arguments { broker_ca, cart, .. } = arguments;
    let client_id = format!("cartlab-watch-{cart}-{:x}", process::id());
    let mut options = MqttOptions::new(client_id, broker.host.clone(), broker.port);
    options.set_keep_alive(KEEP_ALIVE);
    options.set_connection_timeout(CONNECT_WITHIN_S);
    options.set_max_packet_size(Some(MAX_PACKET_BYTES));
    if let Some(user) = &broker.user {
        options.set_credentials(user.clone(), std::env::var(PASSWORD_VARIABLE).unwrap_or_default());
    }
    if broker.tls {
        let tls = Arc::new(tls(broker_ca.as_deref())?);
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
    }
    Ok(options)
}

/// As the daemon does it (`runtime/daemon/src/broker/options.rs`). Written twice on purpose: the lab must not link
/// the daemon, wire does no I/O, and a crate for twenty lines of rustls would be more than what it saves.
fn tls(authority: Option<&Path>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    match authority {
        Some(file) => {
            let failed = |reason: String| Error::Authority { file: file.to_owned(), reason };
            let pem = fs::read(file).map_err(|e| failed(e.to_string()))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|e| failed(format!("is no PEM: {e}")))?;
                roots.add(certificate).map_err(|e| failed(e.to_string()))?;
            }
            if roots.is_empty() {
                return Err(failed("holds no certificate in PEM".to_owned()));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(Error::Tls("the system has no certificate authorities".to_owned()));
            }
        }
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Tls(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// What a message leads to.
enum Next {
    Go,
    End,
}

struct Watch<'a> {
    broker: Address,
    arguments: &'a Arguments,
    root: Root,
    screen: Screen,
    /// Whether the cart was seen not to be offline.
    came: bool,
    /// What really happens, until the session starts.
    truth: Option<Vec<TrueChange>>,
}

impl<'a> Watch<'a> {
    fn new(broker: Address, arguments: &'a Arguments, truth: Option<Vec<TrueChange>>) -> Self {
        let root = Root::new(arguments.store.clone(), arguments.cart.clone());
        Self { broker, arguments, root, screen: Screen::of_the_surroundings(), came: false, truth }
    }

    async fn follow(&mut self, options: MqttOptions) -> Result<(), Error> {
        let (client, mut events) = AsyncClient::new(options, MAX_REQUESTS);
        let mut was_connected = false;
        let mut away = false;
        loop {
            match events.poll().await {
                Ok(v5::Event::Incoming(Packet::ConnAck(_))) => {
                    // Anew each time: the broker keeps no session for us. The queue is empty then.
                    _ = client.try_subscribe_many(self.filters());
                }
                Ok(v5::Event::Incoming(Packet::SubAck(ack))) => {
                    self.subscribed(&ack.return_codes)?;
                    (was_connected, away) = (true, false);
                }
                Ok(v5::Event::Incoming(Packet::Publish(publish))) => {
                    if let Next::End = self.heard(&publish)? {
                        return Ok(());
                    }
                }
                Ok(_) => {}
                Err(error) if !was_connected => return Err(self.broker(reason(error))),
                Err(error) => {
                    if !away {
                        note(format_args!(
                            "broker {}: {}; trying again. What happens meanwhile may not be shown",
                            self.broker,
                            reason(error)
                        ));
                    }
                    away = true;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn filters(&self) -> [Filter; 3] {
        [self.root.events(), self.root.basket(), self.root.state()]
            .map(|topic| Filter::new(topic, QoS::AtLeastOnce))
    }

    fn subscribed(&self, codes: &[SubscribeReasonCode]) -> Result<(), Error> {
        for (filter, code) in self.filters().into_iter().zip(codes) {
            if !matches!(code, SubscribeReasonCode::Success(_)) {
                return Err(Error::Subscription {
                    address: self.broker.clone(),
                    filter: filter.path,
                    reason: format!("{code:?}"),
                });
            }
        }
        // Whoever starts a cart after us can wait for this line.
        note(format_args!(
            "watching cart {} of store {} on {}",
            self.root.cart(),
            self.root.store(),
            self.broker
        ));
        Ok(())
    }

    fn heard(&mut self, publish: &Publish) -> Result<Next, Error> {
        let (topic, payload) = (&publish.topic, &publish.payload);
        let mut next = Next::Go;
        let told = if *topic == self.root.events().as_bytes() {
            if self.arguments.json {
                self.write(&one_line(payload))?;
            }
            // An event of a new type is a minor change of the contract: passed over.
            let event = Event::from_json(payload);
            let starts = |event: &Event| matches!(event.data, EventData::SessionStarted(_));
            if let Ok(Some(event)) = &event
                && starts(event)
                && let Some(changes) = self.truth.take()
            {
                truth::play(changes, &self.screen).map_err(Error::System)?;
            }
            event.map(|event| event.map(|event| self.screen.event(&event))).map_err(|e| e.to_string())
        } else if *topic == self.root.basket().as_bytes() {
            serde_json::from_slice(payload)
                .map(|basket| self.screen.basket(&basket))
                .map_err(|e| e.to_string())
        } else {
            serde_json::from_slice::<State>(payload)
                .map(|state| {
                    let offline = state.status == Status::Offline;
                    // One that was offline before we came may be about to come.
                    if offline && self.came && self.arguments.until_offline {
                        next = Next::End;
                    }
                    self.came |= !offline;
                    self.screen.state(&state)
                })
                .map_err(|e| e.to_string())
        };
        match told {
            Ok(Some(line)) if !self.arguments.json => self.write(line.as_bytes())?,
            Ok(_) => {}
            Err(reason) => {
                let topic = String::from_utf8_lossy(topic);
                note(format_args!("what came on {topic} cannot be read: {reason}"));
            }
        }
        Ok(next)
    }

    /// One line, at once.
    fn write(&self, line: &[u8]) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        out.write_all(line)
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| out.flush())
            .map_err(Error::Output)
    }

    fn broker(&self, reason: String) -> Error {
        Error::Broker { address: self.broker.clone(), reason }
    }
}

/// JSON on one line: within its strings a line end is never bare.
fn one_line(json: &[u8]) -> Vec<u8> {
    json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}

/// What is no result goes to standard error; when that is gone nobody is left to tell.
fn note(text: std::fmt::Arguments<'_>) {
    _ = writeln!(io::stderr(), "{text}");
}

/// A connection's error as people say it.
fn reason(error: ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(code)
        | ConnectionError::MqttState(StateError::ConnFail { reason: code }) => match code {
            ConnectReturnCode::BadUserNamePassword => "wrong user or password".to_owned(),
            ConnectReturnCode::NotAuthorized => "not authorized".to_owned(),
            other => format!("it refused the connection: {other:?}"),
        },
        ConnectionError::Timeout(_) => "no answer in time".to_owned(),
        ConnectionError::Io(e) => e.to_string(),
        ConnectionError::Tls(e) => format!("TLS failed: {e}"),
        other => other.to_string(),
    }
}
