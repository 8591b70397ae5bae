//! `replay`: recorded files through the same pipeline, as one session.

use std::io::{IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use cartvision_core::{MAX_CAMERAS, MAX_EFFECTS, MediaTime, Session, Settings, Zone};
use cartvision_engines::{Bundle, BundleError, Runtime};
use cartvision_pipelines::{self as pipelines, CameraSettings, FrameSet, Pace, Source};
use cartvision_wire::{
    Address, CameraName, Clock, ConnectionId, ExitCode, Measure, Root, State, Status, Summary,
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::broker::{BrokerFact, Credentials, Identity, Link, Post, probe};
use crate::cart::Cart;
use crate::catalogue::Catalogue;
use crate::cli::ReplayArgs;
use crate::clock::TimeLine;
use crate::commands;
use crate::facts::{self, Fact};
use crate::failure::Failure;
use crate::inference::{self, Inferred};
use crate::journal::{Journal, Row};
use crate::order::{Order, Window};
use crate::{Ended, figures, zones};

/// How long the broker may take for what is still to be delivered at the end.
const LAST_DELIVERY: Duration = Duration::from_secs(15);
/// How long the goodbye to the broker may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// How often a terminal is told how far it is.
const PROGRESS: Duration = Duration::from_millis(500);

/// Where events go.
struct Sinks {
    file: Option<(String, Box<dyn Write>)>,
    broker: Option<(Arc<Post>, Link)>,
    events: u64,
}

pub(crate) fn replay(args: &ReplayArgs) -> Ended {
    let cameras: Vec<CameraName> = args.cameras.iter().map(|(name, _)| name.clone()).collect();
    check_cameras(&cameras)?;
    let zones = match &args.zones {
        Some(file) => zones::read(file, &cameras)?,
        None => cameras.iter().map(|_| Zone::whole()).collect(),
    };
    let identity = args.broker.as_deref().map(|url| identity(args, url)).transpose()?;
    let bundle = Bundle::open(&args.bundle).map_err(bundle_failure)?;
    let runtime = Runtime::open().map_err(|e| inference::engine_failure(&e))?;
    let threads = args.threads.map_or_else(inference::default_threads, usize::from);
    let detectors = inference::detectors(&runtime, &bundle, threads)?;
    let size = (bundle.manifest().detector.width, bundle.manifest().detector.height);

    let pace = Pace::Lossless { realtime: args.realtime };
    let sources =
        args.cameras.iter().map(|(name, path)| recording(name, path, size)).collect::<Result<_, _>>()?;
    let frames = FrameSet::open(sources, pace).map_err(before_the_run)?;
    let frames = Arc::new(frames);

    let core = Session::new(Settings::default(), zones).map_err(Failure::usage)?;
    let catalogue = Catalogue::of(bundle.manifest()).map_err(Failure::usage)?;
    let digest = digest(args, &bundle)?;
    let journal = Journal::replayed(args.cart.clone(), args.start_time, &digest);
    let time = TimeLine::Recorded { start: args.start_time };
    let mut cart = Cart::open(Box::new(core), catalogue, cameras.clone(), &bundle.identity(), journal, time)
        .map_err(Failure::defect)?;

    let (sender, facts) = facts::queue();
    stop_on_signals(&sender)?;
    let mut sinks = Sinks::open(args, identity, &bundle, &sender)?;
    cart.start_session(MediaTime::ZERO, &args.session)
        .map_err(Failure::defect)?
        .map_err(|_| Failure::defect("the replay's own session could not be opened"))?;
    sinks.take(&mut cart)?;

    let window = Arc::new(Window::new(inference::UNDER_WAY * detectors.len()));
    let workers = inference::start(&frames, detectors, &sender, &window)?;
    // The workers hold the senders from now on: the queue ends when they do (and the broker link).
    let (began, cpu_before) = (Instant::now(), figures::cpu_time());
    let mut run = Replay {
        cart,
        sinks,
        order: Order::new(0, window.limit()),
        window: window.clone(),
        open: cameras.len(),
        last: MediaTime::ZERO,
        seen: 0,
        shown: began,
        began,
    };
    let ended = run.follow(&facts);
    let (wall, cpu) = (began.elapsed(), figures::cpu_time().saturating_sub(cpu_before));
    frames.stop();
    window.close();
    for worker in workers {
        // It waits for the queue or for a frame: drain the one, and the other is stopped.
        while !worker.is_finished() {
            _ = facts.recv_timeout(Duration::from_millis(5));
        }
        _ = worker.join();
    }
    let seen = run.seen;
    let finished = ended.and_then(|stopped| run.finish().map(|()| stopped));
    let events = run.sinks.events;
    let delivered = run.sinks.close();
    let summary = Summary {
        frames: seen,
        fps: Measure::new(seen as f64 / wall.as_secs_f64().max(1e-9)),
        cpu_ms_per_frame: Measure::new(cpu.as_secs_f64() * 1e3 / seen.max(1) as f64),
        peak_rss_mib: figures::memory().peak_rss_mib,
        events,
        streams: cameras.len() as u32,
    };
    let stopped = finished?;
    delivered?;
    let line = serde_json::to_string(&summary).map_err(Failure::defect)?;
    _ = writeln!(std::io::stderr(), "{line}");
    Ok(if stopped { ExitCode::No } else { ExitCode::Fine })
}

/// The loop of a replay.
struct Replay {
    cart: Cart,
    sinks: Sinks,
    order: Order<Inferred>,
    window: Arc<Window>,
    /// Cameras whose recording goes on.
    open: usize,
    last: MediaTime,
    seen: u64,
    began: Instant,
    shown: Instant,
}

impl Replay {
    /// Follows the recordings to their end; says whether it was stopped before.
    fn follow(&mut self, facts: &Receiver<Fact>) -> Result<bool, Failure> {
        while self.open > 0 {
            // The senders live as long as there are frames.
            let fact = facts
                .recv()
                .map_err(|_| Failure::defect("the inference workers ended before the recordings"))?;
            match fact {
                Fact::Inferred { ticket, inferred } => {
                    self.order.put(ticket, inferred).map_err(|_| {
                        Failure::defect(format_args!("ticket {ticket} came twice or too early"))
                    })?;
                    while let Some(inferred) = self.order.take() {
                        self.window.leave();
                        self.inferred(inferred)?;
                    }
                }
                Fact::Broker(fact) => self.sinks.heard(fact, &mut self.cart, self.last)?,
                Fact::Stop => return Ok(true),
            }
        }
        Ok(false)
    }

    fn inferred(&mut self, inferred: Inferred) -> Result<(), Failure> {
        match inferred {
            Inferred::Saw(mut sighting) => {
                self.last = self.last.max(sighting.at);
                self.seen += 1;
                self.cart
                    .saw(sighting.camera, sighting.at, &mut sighting.detections)
                    .map_err(Failure::defect)?;
                self.sinks.take(&mut self.cart)?;
                self.show();
            }
            Inferred::CameraEnded(camera) => {
                self.open -= 1;
                self.cart.camera_ended(self.last, camera).map_err(Failure::defect)?;
                self.sinks.take(&mut self.cart)?;
            }
            Inferred::CameraFailed(_, error) => return Err(Failure::environment(error)),
            Inferred::EngineFailed(error) => return Err(Failure::environment(error)),
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        // Somebody may have ended it already, by a command over the broker.
        _ = self.cart.end_session(self.last, None).map_err(Failure::defect)?;
        self.sinks.take(&mut self.cart)
    }

    fn show(&mut self) {
        if self.shown.elapsed() >= PROGRESS && std::io::stderr().is_terminal() {
            self.shown = Instant::now();
            let rate = self.seen as f64 / self.began.elapsed().as_secs_f64();
            let at = self.last.as_ms() as f64 / 1e3;
            _ = write!(
                std::io::stderr(),
                "\r{at:7.1} s  {} frames  {rate:.0} frames/s  {} events ",
                self.seen,
                self.sinks.events
            );
        }
    }
}

impl Sinks {
    fn open(
        args: &ReplayArgs,
        identity: Option<Identity>,
        bundle: &Bundle,
        facts: &std::sync::mpsc::SyncSender<Fact>,
    ) -> Result<Self, Failure> {
        let file = match args.events.as_deref() {
            None => None,
            Some(path) if path == Path::new("-") => {
                Some(("standard output".to_owned(), Box::new(std::io::stdout()) as Box<dyn Write>))
            }
            Some(path) => {
                let name = path.display().to_string();
                let file = std::fs::File::create(path).map_err(|e| {
                    Failure::environment(format_args!(
                        "{name}: cannot write the events: {e}; name a file in a directory that can be written with --events"
                    ))
                })?;
                Some((name, Box::new(file) as Box<dyn Write>))
            }
        };
        let broker = match identity {
            None => None,
            Some(identity) => {
                probe(&identity).map_err(Failure::environment)?;
                let post = Arc::new(Post::new());
                post.set_state(State {
                    status: Status::Online,
                    reasons: std::iter::empty().collect(),
                    // The link puts in the connection's own.
                    connection_id: ConnectionId(Uuid::nil()),
                    version: env!("CARGO_PKG_VERSION").into(),
                    bundle: bundle.identity().as_str().into(),
                    clock: Clock { synced: false, uncertainty_ms: None },
                    session: Some(args.session.clone()),
                    time: None,
                });
                let link = Link::start(identity, post.clone(), facts.clone())
                    .map_err(|e| Failure::environment(format_args!("cannot start the broker link: {e}")))?;
                Some((post, link))
            }
        };
        Ok(Self { file, broker, events: 0 })
    }

    /// Writes and commits what the cart has recorded. A replay can wait: it does so before the outbox is full.
    fn take(&mut self, cart: &mut Cart) -> Result<(), Failure> {
        let rows: Vec<Row> = cart.take_rows().collect();
        if rows.is_empty() {
            return Ok(());
        }
        self.events += rows.len() as u64;
        if let Some((name, file)) = &mut self.file {
            for row in &rows {
                // Line by line, so that what is there is whole whatever happens next.
                let line = format!("{}\n", row.json);
                file.write_all(line.as_bytes()).and_then(|()| file.flush()).map_err(|e| {
                    Failure::environment(format_args!(
                        "{name}: cannot write the events: {e}; those before are whole: make room, or open what reads them, and run it again"
                    ))
                })?;
            }
        }
        if let Some((post, _)) = &self.broker {
            if !post.wait_room(rows.len() + MAX_EFFECTS, LAST_DELIVERY) {
                return Err(Failure::environment(
                    "the broker takes no more events; is anybody subscribed to them?",
                ));
            }
            post.commit(rows.into_iter(), || cart.basket());
        }
        Ok(())
    }

    fn heard(&mut self, fact: BrokerFact, cart: &mut Cart, now: MediaTime) -> Result<(), Failure> {
        let Some((post, _)) = &self.broker else { return Ok(()) };
        match fact {
            BrokerFact::Connected => {}
            BrokerFact::Events(taking) => tracing::debug!(?taking, "events"),
            BrokerFact::Lost(error) => tracing::warn!("{error}; trying again"),
            BrokerFact::TakenOver => {
                return Err(Failure::environment(
                    "another client with this cart's name took over the connection; give the replay a --cart of its own",
                ));
            }
            BrokerFact::Command { incoming, response } => {
                let reply =
                    commands::obey(&incoming, cart, &mut post.lock().outbox, now, crate::clock::utc_now())
                        .map_err(Failure::defect)?;
                if let Some(to) = response {
                    post.reply(to, reply);
                }
            }
        }
        self.take(cart)
    }

    /// Waits for the last deliveries and says goodbye.
    fn close(self) -> Result<(), Failure> {
        let Some((post, link)) = self.broker else { return Ok(()) };
        let left = post.wait_empty(LAST_DELIVERY);
        link.stop(Instant::now() + GOODBYE);
        if left > 0 {
            return Err(Failure::environment(format_args!(
                "{left} events were not taken by the broker (those in the events file are whole); is anybody subscribed to them?"
            )));
        }
        Ok(())
    }
}

fn check_cameras(cameras: &[CameraName]) -> Result<(), Failure> {
    if cameras.len() > MAX_CAMERAS {
        return Err(Failure::usage(format_args!(
            "{} cameras; a cart has at most {MAX_CAMERAS}",
            cameras.len()
        )));
    }
    let twice = cameras.iter().enumerate().find(|(i, name)| cameras[..*i].contains(name));
    match twice {
        Some((_, name)) => {
            Err(Failure::usage(format_args!("two cameras are called {name}; give each a name of its own")))
        }
        None => Ok(()),
    }
}

fn identity(args: &ReplayArgs, url: &str) -> Result<Identity, Failure> {
    Ok(Identity {
        address: Address::parse(url).map_err(Failure::usage)?,
        credentials: Credentials::read(args.broker_ca.as_deref(), args.broker_password_file.as_deref())
            .map_err(Failure::usage)?,
        root: Root::new(args.store.clone(), args.cart.clone()),
    })
}

fn recording(
    name: &CameraName,
    path: &Path,
    (width, height): (usize, usize),
) -> Result<CameraSettings, Failure> {
    let name = pipelines::CameraName::new(name.as_str()).map_err(Failure::usage)?;
    let source = Source::File { path: path.to_owned(), repeat: false };
    Ok(CameraSettings::new(name, source, width, height))
}

/// A bundle's error: a wrong bundle is wrong input; a disk that fails is the environment.
pub(crate) fn bundle_failure(e: BundleError) -> Failure {
    match e {
        e if e.is_environment() => Failure::environment(e),
        e @ BundleError::Malformed { .. } => {
            Failure::usage(format_args!("{e}; make the bundle again with `cartlab bundle`"))
        }
        e => Failure::usage(e),
    }
}

/// A recording that cannot be opened is wrong input.
fn before_the_run(e: pipelines::CaptureError) -> Failure {
    Failure::usage(e)
}

/// Stands for all that goes in: bundle, zones, cameras and the recordings' content, so that only a replay of the
/// same input gives the same ids.
fn digest(args: &ReplayArgs, bundle: &Bundle) -> Result<Vec<u8>, Failure> {
    let mut digest = Sha256::new();
    digest.update(bundle.digest().to_string());
    let read = |path: &Path| {
        std::fs::File::open(path).map_err(|e| Failure::usage(format_args!("{}: {e}", path.display())))
    };
    for (name, path) in &args.cameras {
        digest.update(name.as_str());
        digest.update([0]);
        let mut content = Sha256::new();
        std::io::copy(&mut read(path)?, &mut HashWriter(&mut content))
            .map_err(|e| Failure::environment(format_args!("{}: {e}", path.display())))?;
        digest.update(content.finalize());
    }
    if let Some(path) = &args.zones {
        std::io::copy(&mut read(path)?, &mut HashWriter(&mut digest))
            .map_err(|e| Failure::environment(format_args!("{}: {e}", path.display())))?;
    }
    digest.update(args.session.as_str());
    Ok(digest.finalize().to_vec())
}

/// A hash that can be written to.
struct HashWriter<'a>(&'a mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// SIGTERM and SIGINT become facts.
pub(crate) fn stop_on_signals(facts: &std::sync::mpsc::SyncSender<Fact>) -> Result<(), Failure> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let failed = |e: std::io::Error| Failure::environment(format_args!("cannot wait for signals: {e}"));
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT]).map_err(failed)?;
    let facts = facts.clone();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for _ in signals.forever() {
                if facts.send(Fact::Stop).is_err() {
                    return;
                }
            }
        })
        .map(drop)
        .map_err(failed)
}
