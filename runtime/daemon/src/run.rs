//! `run`: the daemon.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use cartvision_core::{CameraId, MediaTime, Session, Span};
use cartvision_engines::{Bundle, EngineError};
use cartvision_pipelines::{FrameSet, Pace};
use cartvision_wire::telemetry::{CameraFigures, PERIOD_S, QueueFigures};
use cartvision_wire::{CameraName, ConnectionId, ExitCode, Measure, Reply, State, Telemetry};
use rustix::fs::{FlockOperation, flock};
use uuid::Uuid;

use crate::broker::{BrokerFact, Link, Post, ResponseAddress, Taking};
use crate::cart::{Cart, Kept};
use crate::catalogue::Catalogue;
use crate::clock::{TimeLine, utc_now};
use crate::commands;
use crate::config::Config;
use crate::engine::{self, EngineFact, Inference, Keeper, Place as Where, Spares};
use crate::facts::{self, Fact};
use crate::failure::Failure;
use crate::figures::{self, Latency};
use crate::health::{Health, Trouble};
use crate::heat::{self, Brake, Reading, Sensors};
use crate::inference::{self, Inferred, Sighting};
use crate::journal::Journal;
use crate::order::{Order, Window};
use crate::outbox::{ROOM, Turn};
use crate::service::Service;
use crate::sight::Sight;
use crate::store::{Log, Opening, Place, StoreFact, Writer};
use crate::{Ended, signals};

/// How often the core is told that time has passed.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// Pictures in a row on which the GPU may fail until the CPU takes over: a driver that lost it never gets it back.
const GPU_FAILURES: u32 = 20;
/// How long what is pending may take to be delivered at a stop; the goodbye comes on top, within 2 s in all.
const LAST_DELIVERY: Duration = Duration::from_millis(1200);
/// How long the last write may take after that.
const LAST_WRITE: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &crate::cli::RunArgs) -> Ended {
    let config = Config::read(&args.config)?;
    // Held until the process ends, however that happens.
    let _lock = lock(&config.state_dir)?;
    let bundle = Bundle::open(&config.bundle)?;
    let inferring = config.inference();
    let (Inference { detectors, classifier }, place) = engine::open(&inferring, &bundle)?;

    let size = (bundle.manifest().detector.width, bundle.manifest().detector.height);
    let sources = config.cameras.iter().map(|c| c.capture(size)).collect::<Result<_, _>>()?;
    let frames = Arc::new(FrameSet::open(sources, Pace::Live).map_err(Failure::environment)?);
    let epoch = frames.epoch();

    let names: Vec<CameraName> = config.cameras.iter().map(|c| c.name.clone()).collect();
    let core = Session::new(config.settings, config.cameras.iter().map(|c| c.zone.clone()))
        .map_err(Failure::usage)?;
    let catalogue = Catalogue::of(bundle.manifest()).map_err(Failure::usage)?;
    let opening =
        Opening::of(Place::of(&config.state_dir, &config.identity.root)).map_err(Failure::environment)?;
    let reader = opening.reader().map_err(Failure::environment)?;
    let (log, owner) = (opening.log, config.identity.root.cart().clone());
    let journal = match log {
        Log::Continued(last) => Journal::continued(owner, last),
        Log::Opened { .. } => Journal::opened(owner),
    };
    let (core, identity) = (Box::new(core), bundle.identity());
    let mut cart =
        Cart::open(core, classifier, catalogue, names.clone(), &identity, (journal, log), TimeLine::Live)
            .map_err(Failure::defect)?;
    let post = Arc::new(Post::new(&opening.pending));
    resume(&mut cart, &opening, &post)?;

    let (sender, facts) = facts::queue();
    signals::stop_on(&sender)?;
    let window = Arc::new(Window::new(inference::UNDER_WAY * detectors.len()));
    let mut daemon = Daemon {
        cart,
        post: post.clone(),
        frames: frames.clone(),
        cameras: names.into_iter().map(Camera::new).collect(),
        health: Health::default(),
        bundle: bundle.identity(),
        order: Order::new(window.clone()),
        window: window.clone(),
        epoch,
        began: Instant::now(),
        undecided: 0,
        service: Service::of_environment(),
        slowest: config.settings.slowest,
        brake: Brake::new(config.limits),
        sensed: Reading::default(),
        failures: 0,
        keeper: None,
    };
    match &place {
        Where::Cpu | Where::Gpu => {}
        Where::Building(_) => daemon.health.set(Trouble::EngineBuilding, true),
        Where::Fallback(why) => daemon.health.set(Trouble::NoGpu(why.clone()), true),
    }
    daemon.publish_state();
    daemon.put_by(None)?;
    let no_thread = |e| Failure::environment(format_args!("cannot start a thread: {e}"));
    let writer = Writer::start(opening, post.clone(), sender.clone()).map_err(no_thread)?;
    let link = Link::start(config.identity, post.clone(), reader, sender.clone()).map_err(no_thread)?;
    Sensors::below(&config.sysfs).watch(heat::EVERY, sender.clone())?;
    let spares = Spares::default();
    let workers = inference::start(&frames, detectors, &spares, &sender, &window)?;
    let keep = |site| Keeper::start(site, &inferring, bundle, spares, sender.clone()).map(Some);
    daemon.keeper = match place {
        Where::Building(site) => keep(Some(*site))?,
        Where::Gpu => keep(None)?,
        Where::Cpu | Where::Fallback(_) => None,
    };
    drop(sender);

    let ended = daemon.follow(&facts);
    let by = Instant::now() + LAST_DELIVERY;
    tracing::info!("stopping");
    daemon.service.stopping();
    frames.stop();
    window.close();
    // Whoever wants to tell something finds nobody, and ends.
    drop(facts);
    link.stop(by);
    if let Some(keeper) = daemon.keeper.take() {
        keeper.stop(by);
    }
    writer.stop(Instant::now() + LAST_WRITE);
    // Last: a GPU that hangs holds its worker for good.
    for worker in workers {
        _ = worker.join();
    }
    let left = post.lock().outbox.depth();
    if left > 0 {
        tracing::info!(events = left, "not delivered yet: kept for the next start");
    }
    ended.map(|()| ExitCode::Fine)
}

/// Goes on where the last process stopped, if it left something to go on with.
fn resume(cart: &mut Cart, opening: &Opening, post: &Post) -> Result<(), Failure> {
    let (last, state) = match (opening.log, &opening.state) {
        (Log::Continued(last) | Log::Opened { previous: Some(last), .. }, Some(state)) => (last, state),
        _ => return Ok(()),
    };
    match Kept::parse(state) {
        Ok(kept) => cart.resume(MediaTime::ZERO, kept, last).map_err(Failure::defect)?,
        Err(e) => {
            tracing::error!("the cart's state cannot be read: {e}; it starts without session and basket");
            return Ok(());
        }
    }
    // With a new log it goes out with the event that opens it.
    if let (Log::Continued(_), Some(basket)) = (opening.log, cart.basket()) {
        post.set_basket(basket);
    }
    let pending = post.lock().outbox.depth();
    tracing::info!(sequence = last.1.get(), session = ?cart.session(), pending, "goes on");
    Ok(())
}

/// One daemon for each state directory.
fn lock(state_dir: &Path) -> Result<std::fs::File, Failure> {
    let failed = |e: std::io::Error| {
        Failure::environment(format_args!(
            "{}: cannot use the state directory: {e}; create it for this user, or set cart.state_dir",
            state_dir.display()
        ))
    };
    std::fs::create_dir_all(state_dir).map_err(failed)?;
    let file = std::fs::File::create(state_dir.join("lock")).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Failure::environment(format_args!(
            "{}: another cartvisiond runs with this state directory; stop it, or give this one its own",
            state_dir.display()
        ))),
        Err(e) => Err(failed(e.into())),
    }
}

#[derive(Debug)]
struct Camera {
    name: CameraName,
    sight: Sight,
    /// From capture to a worker, in the worker, from the worker to the decision.
    stages: [Latency; 3],
    frames_before: u64,
    slow: bool,
    times_slow: u64,
}

impl Camera {
    fn new(name: CameraName) -> Self {
        let stages = [Latency::of("slot"), Latency::of("inference"), Latency::of("decision")];
        let sight = Sight::new(Instant::now());
        Self { name, sight, stages, frames_before: 0, slow: false, times_slow: 0 }
    }
}

/// The loop of a running cart.
struct Daemon {
    cart: Cart,
    post: Arc<Post>,
    frames: Arc<FrameSet>,
    cameras: Vec<Camera>,
    health: Health,
    bundle: String,
    order: Order<Inferred>,
    window: Arc<Window>,
    epoch: Instant,
    began: Instant,
    /// Pictures that were not decided on because the outbox was full or the database could not be written.
    undecided: u64,
    service: Service,
    slowest: Span,
    brake: Brake,
    sensed: Reading,
    /// Pictures in a row on which the detector failed.
    failures: u32,
    keeper: Option<Keeper>,
}

impl Daemon {
    fn now(&self) -> MediaTime {
        MediaTime { ns: u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX) }
    }

    fn follow(&mut self, facts: &Receiver<Fact>) -> Result<(), Failure> {
        let mut tick_at = Instant::now() + TICK;
        let mut report_at = Instant::now() + Duration::from_secs(PERIOD_S);
        loop {
            match facts.recv_timeout(tick_at.saturating_duration_since(Instant::now())) {
                Ok(Fact::Inferred { ticket, inferred }) => {
                    self.order.put(ticket, inferred).map_err(Failure::defect)?;
                    while let Some(inferred) = self.order.take() {
                        self.inferred(inferred)?;
                    }
                }
                Ok(Fact::Broker(fact)) => self.heard(fact)?,
                Ok(Fact::Store(fact)) => self.stored(fact)?,
                Ok(Fact::Sensed(reading)) => self.sensed(reading),
                Ok(Fact::Engine(fact)) => self.engine(fact)?,
                Ok(Fact::Stop) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::defect("every edge of the daemon has ended"));
                }
            }
            let now = Instant::now();
            if now >= tick_at {
                tick_at = now + TICK;
                self.cart.tick(self.now()).map_err(Failure::defect)?;
                self.reopen_cameras(now)?;
            }
            if now >= report_at {
                report_at = now + Duration::from_secs(PERIOD_S);
                self.report();
            }
            self.put_by(None)?;
            if self.health.take_changed() {
                self.publish_state();
                self.service.degraded(self.health.line());
            }
            let working = self.cameras.iter().any(|c| c.sight.is_giving());
            self.service.turned(working);
        }
    }

    fn inferred(&mut self, inferred: Inferred) -> Result<(), Failure> {
        match inferred {
            Inferred::Saw(sighting) => self.saw(sighting),
            Inferred::CameraEnded(camera) => {
                let Some(state) = self.cameras.get_mut(camera.index()) else { return Ok(()) };
                state.sight = Sight::Over;
                tracing::warn!(camera = %state.name, "the recording is over");
                self.camera_lost(camera, "the recording is over")
            }
            Inferred::CameraFailed(camera, error) => self.camera_failed(camera, &error.to_string()),
            Inferred::EngineFailed(camera, at, error) => {
                self.engine_failed(&error);
                self.gave(camera, at)
            }
        }
    }

    fn saw(&mut self, mut sighting: Sighting) -> Result<(), Failure> {
        self.health.set(Trouble::Engine, false);
        self.failures = 0;
        self.service.progressed();
        self.gave(sighting.camera, sighting.at)?;
        let Some(camera) = self.cameras.get_mut(sighting.camera.index()) else { return Ok(()) };
        let full = self.post.lock().outbox.room() < ROOM;
        // While the database cannot be written there is no room either.
        self.health.set(Trouble::OutboxFull, full && !self.health.has(&Trouble::Store));
        if full {
            self.undecided += 1;
            return Ok(());
        }
        self.cart.saw(sighting.camera, sighting.at, &mut sighting.detections).map_err(Failure::defect)?;
        self.health.set(Trouble::Classifier, self.cart.classifier().is_failing());
        let slow = self.cart.is_slow(sighting.camera);
        if slow != std::mem::replace(&mut camera.slow, slow) {
            self.health.set(Trouble::Slow(camera.name.clone()), slow);
            if slow {
                camera.times_slow += 1;
                tracing::warn!(camera = %camera.name, "too few of its pictures are looked at: what it alone tells is unresolved; it may give too few, or the computer is too slow for all cameras (more model.threads, fewer cameras, a lower max_rate for the others)");
            } else {
                tracing::info!(camera = %camera.name, "enough of its pictures are looked at again");
            }
        }
        let Sighting { captured, taken, inferred, .. } = sighting;
        let [slot, inference, decision] = &mut camera.stages;
        slot.add(taken.saturating_duration_since(captured));
        inference.add(inferred.saturating_duration_since(taken));
        decision.add(inferred.elapsed());
        Ok(())
    }

    fn sensed(&mut self, reading: Reading) {
        self.sensed = reading;
        if self.brake.feel(Instant::now(), reading) {
            let rate = self.brake.rate(self.slowest);
            self.frames.limit(rate);
            let (celsius, watts) = (reading.celsius, reading.watts);
            match rate {
                Some(rate) => tracing::warn!(
                    celsius,
                    watts,
                    rate = rate.0,
                    "temperature or power: a rate for each camera"
                ),
                None => tracing::info!(celsius, watts, "cool again: pictures as they come"),
            }
        }
        self.health.set(Trouble::Heat, self.brake.is_helpless());
    }

    /// A camera gave a picture, whatever came of that.
    fn gave(&mut self, camera: CameraId, at: MediaTime) -> Result<(), Failure> {
        let Some(state) = self.cameras.get_mut(camera.index()) else { return Ok(()) };
        if state.sight.gave(Instant::now()) {
            tracing::info!(camera = %state.name, "gives pictures again");
            self.health.set(Trouble::Camera(state.name.clone()), false);
            self.cart.camera_recovered(at, camera).map_err(Failure::defect)?;
        }
        Ok(())
    }

    fn engine(&mut self, fact: EngineFact) -> Result<(), Failure> {
        self.health.set(Trouble::EngineBuilding, false);
        match fact {
            EngineFact::Ready(classifier) => {
                tracing::info!("the GPU infers from now on");
                self.cart.set_classifier(*classifier);
            }
            EngineFact::Failed(why) => {
                tracing::error!("{why}; the CPU goes on inferring");
                self.health.set(Trouble::NoGpu(why), true);
            }
            EngineFact::FellBack(classifier) => {
                tracing::warn!("the CPU infers from now on");
                self.cart.set_classifier(*classifier);
            }
            EngineFact::Lost(failure) => return Err(failure),
        }
        Ok(())
    }

    fn engine_failed(&mut self, error: &EngineError) {
        // Once in a row of them: what fails on one picture may fail on each.
        if !self.health.has(&Trouble::Engine) {
            tracing::error!("{error}");
        }
        self.health.set(Trouble::Engine, true);
        self.failures += 1;
        if self.failures == GPU_FAILURES
            && matches!(error, EngineError::TensorRt { .. })
            && let Some(keeper) = &self.keeper
        {
            tracing::error!(
                "the GPU failed on {GPU_FAILURES} pictures in a row: {error}; the CPU takes over"
            );
            self.health.set(Trouble::NoGpu(error.to_string()), true);
            keeper.fall_back();
        }
    }

    fn camera_failed(&mut self, camera: CameraId, reason: &str) -> Result<(), Failure> {
        let Some(state) = self.cameras.get_mut(camera.index()) else { return Ok(()) };
        let was_giving = state.sight.is_giving();
        let pause = state.sight.failed(Instant::now());
        tracing::error!("{reason}; trying again in {} s", pause.as_secs());
        if was_giving { self.camera_lost(camera, reason) } else { Ok(()) }
    }

    /// From now on it gives nothing.
    fn camera_lost(&mut self, camera: CameraId, reason: &str) -> Result<(), Failure> {
        let Some(state) = self.cameras.get_mut(camera.index()) else { return Ok(()) };
        state.slow = false;
        self.health.set(Trouble::Slow(state.name.clone()), false);
        self.health.set(Trouble::Camera(state.name.clone()), true);
        self.cart.camera_lost(self.now(), camera, reason).map_err(Failure::defect)
    }

    fn reopen_cameras(&mut self, now: Instant) -> Result<(), Failure> {
        for camera in CameraId::all().take(self.cameras.len()) {
            if self.cameras[camera.index()].sight.is_due(now)
                && let Err(error) = self.frames.reopen(camera)
            {
                self.camera_failed(camera, &error.to_string())?;
            }
        }
        Ok(())
    }

    fn heard(&mut self, fact: BrokerFact) -> Result<(), Failure> {
        match fact {
            BrokerFact::Connected => tracing::info!("broker connected"),
            BrokerFact::Lost(error) => tracing::warn!("{error}; trying again"),
            BrokerFact::TakenOver => {
                tracing::error!(
                    "another client has this cart's name: nothing is published any more; give one of them another cart.id and restart"
                );
            }
            BrokerFact::Events(taking) => {
                tracing::info!(?taking, "events");
                self.health.set(Trouble::NobodySubscribed, taking == Taking::NobodySubscribed);
                self.health.set(Trouble::EventsRefused, taking == Taking::Refused);
            }
            BrokerFact::Command { incoming, response } => {
                let when = (self.now(), utc_now());
                let session = self.cart.session().cloned();
                let reply = commands::obey(&incoming, response.as_ref(), &mut self.cart, &self.post, when)
                    .map_err(Failure::defect)?;
                self.put_by(response.zip(reply))?;
                if self.cart.session() != session.as_ref() {
                    self.publish_state();
                }
            }
        }
        Ok(())
    }

    fn stored(&mut self, fact: StoreFact) -> Result<(), Failure> {
        match fact {
            StoreFact::Failing(error) => {
                tracing::error!("{error}");
                self.health.set(Trouble::Store, true);
            }
            StoreFact::Works => {
                tracing::info!("the database can be written again");
                self.health.set(Trouble::Store, false);
            }
            StoreFact::Broken(error) => {
                let next = "the next start saves what can be read";
                return Err(Failure::environment(format_args!("{error}; {next}")));
            }
        }
        Ok(())
    }

    /// What the cart has recorded goes to the writer; the command that it was is answered after that.
    fn put_by(&mut self, reply: Option<(ResponseAddress, Reply)>) -> Result<(), Failure> {
        let rows = self.cart.take_rows();
        if rows.is_empty() {
            if let Some((to, reply)) = reply {
                self.post.reply(to, reply);
            }
            return Ok(());
        }
        for row in &rows {
            tracing::info!(r#type = row.event_type.as_str(), sequence = row.sequence.get(), "decided");
        }
        let state = self.cart.kept().map_err(Failure::defect)?;
        self.post.put(Turn { rows, basket: self.cart.basket(), state, reply, decided: Instant::now() });
        Ok(())
    }

    fn publish_state(&self) {
        self.post.set_state(State {
            status: self.health.status(),
            reasons: self.health.reasons().collect(),
            // The link puts in the connection's own.
            connection_id: ConnectionId(Uuid::nil()),
            version: env!("CARGO_PKG_VERSION").into(),
            bundle: self.bundle.as_str().into(),
            clock: TimeLine::Live.clock(),
            session: self.cart.session().cloned(),
            time: Some(utc_now()),
        });
    }

    fn report(&mut self) {
        let frames = &self.frames;
        let cameras = CameraId::all()
            .zip(&mut self.cameras)
            .map(|(id, camera)| {
                let counters = frames.counters(id);
                let since =
                    counters.delivered - std::mem::replace(&mut camera.frames_before, counters.delivered);
                CameraFigures {
                    camera: camera.name.clone(),
                    frames_per_s: Measure::new(since as f64 / PERIOD_S as f64),
                    frames: counters.delivered + counters.dropped,
                    dropped: counters.dropped,
                    slow: camera.times_slow,
                    stages: camera.stages.iter().filter_map(Latency::figures).collect(),
                }
            })
            .collect();
        let (outbox, replies) = self.post.figures();
        let pictures = QueueFigures {
            queue: "under-way".into(),
            depth: self.window.under_way() as u64,
            bound: self.window.limit() as u64,
            dropped: self.undecided + self.cart.out_of_order(),
        };
        let queues = [replies, pictures].into_iter().chain(self.cart.queues());
        self.post.set_telemetry(Telemetry {
            time: utc_now(),
            uptime_s: self.began.elapsed().as_secs(),
            cameras,
            queues: queues.collect(),
            outbox,
            temperature_c: self.sensed.celsius.map(Measure::new),
            power_w: self.sensed.watts.map(Measure::new),
            rate_limit: self.brake.rate(self.slowest).map(|rate| rate.0.get()),
            rate_lowered: self.brake.times(),
            memory: figures::memory(),
            classifier_failures: self.cart.classifier().failures(),
        });
    }
}
