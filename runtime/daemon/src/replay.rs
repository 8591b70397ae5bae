//! `replay`: recorded files through the same pipeline, as one session.

mod input;
mod questions;
mod recorded;
mod sightings;
mod sinks;
mod whole;

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use cartvision_core::{MAX_CAMERAS, MediaTime, Session, Settings, Zone};
use cartvision_engines::Bundle;
use cartvision_engines::bundle::Digest;
use cartvision_wire::event::LogReason;
use cartvision_wire::{Address, CameraName, ExitCode, Measure, Root, Summary};

use crate::broker::{Credentials, Files, Identity};
use crate::cart::Cart;
use crate::catalogue::Catalogue;
use crate::classifier::{Classifier, Kind};
use crate::cli::ReplayArgs;
use crate::clock::TimeLine;
use crate::facts::{self, Fact};
use crate::failure::Failure;
use crate::journal::Journal;
use crate::store::Log;
use crate::{Ended, figures, signals, zones};
use input::Input;
use questions::Questions;
use recorded::{Recorded, Recorder, Told};
use sightings::{Detected, Next, Sightings, Studio};
use sinks::Sinks;

/// How often a terminal is told how far it is.
const PROGRESS: Duration = Duration::from_millis(500);

/// Where the sightings will come from.
enum Plan {
    /// From the recordings.
    Detect(Studio, Input),
    /// From a file.
    Read(Box<Recorded>),
}

pub(crate) fn replay(args: &ReplayArgs) -> Ended {
    let cameras: Vec<CameraName> = args.cameras.iter().map(|(name, _)| name.clone()).collect();
    check_cameras(&cameras)?;
    check_outputs(args)?;
    let zones = match &args.zones {
        Some(file) => zones::read(file, &cameras)?,
        None => cameras.iter().map(|_| Zone::whole()).collect(),
    };
    let identity = args.broker.as_deref().map(|url| identity(args, url)).transpose()?;
    let bundle = Bundle::open(&args.bundle)?;
    let core = Session::new(Settings::default(), zones).map_err(Failure::usage)?;
    let catalogue = Catalogue::of(bundle.manifest()).map_err(Failure::usage)?;
    let classifier = Classifier::load(args.classifier, &bundle)?;
    let (plan, digest) = plan(args, &bundle, classifier.kind())?;
    let journal = Journal::replayed(args.cart.clone(), args.start_time, digest.to_string().as_bytes());
    let time = TimeLine::Recorded { start: args.start_time };
    let (core, name) = (Box::new(core), bundle.identity());
    let log = Log::Opened { reason: LogReason::Replay, previous: None };
    let mut cart = Cart::open(core, classifier, catalogue, cameras.clone(), &name, (journal, log), time)
        .map_err(Failure::defect)?;

    let (sender, facts) = facts::queue();
    signals::stop_on(&sender)?;
    // Files are begun when a signal can no longer leave them behind.
    let questions = args.questions.as_deref().map(Questions::begin).transpose()?;
    if questions.is_some() {
        cart.keep_answered();
    }
    let recorder = match (&plan, &args.inputs) {
        (Plan::Detect(_, input), Some(place)) => Some(Recorder::begin(place, input, bundle.manifest())?),
        _ => None,
    };
    let mut sinks = Sinks::open(args, identity, &bundle, &sender)?;
    cart.start_session(MediaTime::ZERO, &args.session)
        .map_err(Failure::defect)?
        .map_err(|_| Failure::defect("the replay's own session could not be opened"))?;
    sinks.take(&mut cart)?;

    let (began, cpu_before) = (Instant::now(), figures::cpu_time());
    let mut sightings = match plan {
        Plan::Detect(studio, _) => Sightings::Detected(Detected::start(studio, &sender, recorder)?),
        Plan::Read(inputs) => Sightings::Recorded { inputs, paced_from: args.realtime.then_some(began) },
    };
    // Whoever sends holds a sender of its own.
    drop(sender);
    let (open, last) = (cameras.len(), MediaTime::ZERO);
    let mut run = Replay { cart, sinks, questions, open, last, seen: 0, shown: began, began };
    let ended = run.follow(&mut sightings, &facts);
    let (wall, cpu) = (began.elapsed(), figures::cpu_time().saturating_sub(cpu_before));
    let closed = sightings.close(&facts, matches!(ended, Ok(false)));
    let seen = run.seen;
    let finished = ended.and_then(|stopped| run.finish(stopped).map(|()| stopped));
    let (events, classifier_failures) = (run.sinks.events(), run.cart.classifier().failures());
    let delivered = run.sinks.close(facts);
    let summary = Summary {
        frames: seen,
        fps: Measure::new(seen as f64 / wall.as_secs_f64().max(1e-9)),
        cpu_ms_per_frame: Measure::new(cpu.as_secs_f64() * 1e3 / seen.max(1) as f64),
        peak_rss_mib: figures::memory().peak_rss_mib,
        events,
        streams: cameras.len() as u32,
        classifier_failures,
    };
    let stopped = finished?;
    closed?;
    delivered?;
    let line = serde_json::to_string(&summary).map_err(Failure::defect)?;
    _ = writeln!(std::io::stderr(), "{line}");
    Ok(if stopped { ExitCode::No } else { ExitCode::Fine })
}

/// Opens what the sightings come from; gives also the digest of all that decides about the events.
fn plan(args: &ReplayArgs, bundle: &Bundle, classifier: Kind) -> Result<(Plan, Digest), Failure> {
    if let Some(mut inputs) = args.inputs.as_deref().map(Recorded::open).transpose()?.flatten() {
        let input = Input::read(args, bundle)?;
        inputs.expect(&input)?;
        return Ok((Plan::Read(Box::new(inputs)), input.digest_with_rules(args, bundle, classifier)?));
    }
    // First, because it tells better what is wrong with a recording.
    let studio = Studio::open(args, bundle)?;
    let input = Input::read(args, bundle)?;
    let digest = input.digest_with_rules(args, bundle, classifier)?;
    Ok((Plan::Detect(studio, input), digest))
}

/// The loop of a replay.
struct Replay {
    cart: Cart,
    sinks: Sinks,
    questions: Option<Questions>,
    /// Cameras whose recording goes on.
    open: usize,
    last: MediaTime,
    seen: u64,
    began: Instant,
    shown: Instant,
}

impl Replay {
    /// Follows the recordings to their end; says whether it was stopped before.
    fn follow(&mut self, sightings: &mut Sightings, facts: &Receiver<Fact>) -> Result<bool, Failure> {
        while self.open > 0 {
            match sightings.next(facts)? {
                Next::Told(told) => self.told(told)?,
                Next::Heard(fact) => self.sinks.heard(fact, &mut self.cart, self.last)?,
                Next::Stored(fact) => self.sinks.stored(fact)?,
                Next::Stopped => return Ok(true),
            }
        }
        Ok(false)
    }

    fn told(&mut self, told: Told) -> Result<(), Failure> {
        match told {
            Told::Saw { camera, at, mut detections } => {
                self.last = self.last.max(at);
                self.seen += 1;
                self.cart.saw(camera, at, &mut detections).map_err(Failure::defect)?;
                self.take()?;
                self.show();
            }
            Told::Ended(camera) => {
                self.open -= 1;
                self.cart.camera_ended(self.last, camera).map_err(Failure::defect)?;
                self.take()?;
            }
        }
        Ok(())
    }

    /// What the cart has recorded goes where it is wanted.
    fn take(&mut self) -> Result<(), Failure> {
        if let Some(questions) = &mut self.questions {
            self.cart.take_answered().try_for_each(|answered| questions.write(&answered))?;
        }
        self.sinks.take(&mut self.cart)
    }

    /// Ends the session. The questions of a replay that was stopped are not all there are: they are not kept.
    fn finish(&mut self, stopped: bool) -> Result<(), Failure> {
        // Somebody may have ended it already, by a command over the broker.
        _ = self.cart.end_session(self.last, None).map_err(Failure::defect)?;
        self.take()?;
        match self.questions.take() {
            Some(questions) if !stopped => questions.finish(),
            _ => Ok(()),
        }
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
                self.sinks.events()
            );
        }
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

/// What is written is not written over what the replay reads, nor over what else it writes.
fn check_outputs(args: &ReplayArgs) -> Result<(), Failure> {
    if args.questions.as_deref() == Some(Path::new("-")) {
        return Err(Failure::usage(
            "questions are written whole or not at all, and not to standard output; name a file with --questions",
        ));
    }
    // However it is spelt; a file that is not there yet lies in a directory that is.
    let place = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let beside = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
        path.canonicalize().ok().or_else(beside).unwrap_or(path)
    };
    let recordings = args.cameras.iter().map(|(_, path)| (path, "a recording"));
    let zones = args.zones.iter().map(|path| (path, "the zones"));
    let inputs = args.inputs.iter().map(|path| (path, "the recorded inputs"));
    let taken: Vec<_> = recordings.chain(zones).chain(inputs).collect();
    let events = args.events.iter().map(|path| (path, "events", "--events", None));
    let questions = args
        .questions
        .iter()
        .map(|path| (path, "questions", "--questions", args.events.as_ref().map(|e| (e, "the events"))));
    for (output, what, option, beside) in events.chain(questions) {
        let over = taken.iter().chain(&beside).find(|(path, _)| place(path) == place(output));
        if let Some((_, over)) = over {
            return Err(Failure::usage(format_args!(
                "{}: {what} would be written over {over}; name another file with {option}",
                output.display()
            )));
        }
    }
    Ok(())
}

fn identity(args: &ReplayArgs, url: &str) -> Result<Identity, Failure> {
    Ok(Identity {
        address: Address::parse(url).map_err(Failure::usage)?,
        credentials: Credentials::read(Files {
            ca: args.broker_ca.clone(),
            password: args.broker_password_file.clone(),
            ..Files::default()
        })
        .map_err(Failure::usage)?,
        root: Root::new(args.store.clone(), args.cart.clone()),
    })
}
