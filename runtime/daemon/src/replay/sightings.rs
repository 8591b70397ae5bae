//! Where a replay's sightings come from: from the recordings through the detector, or from a file that an earlier
//! replay of the same recordings wrote.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cartvision_engines::{Bundle, Detector, Runtime};
use cartvision_pipelines::{self as pipelines, CameraSettings, FrameSet, Pace, Source};
use cartvision_wire::CameraName;

use super::recorded::{Recorded, Recorder, Told};
use crate::broker::BrokerFact;
use crate::cli::ReplayArgs;
use crate::engine::Spares;
use crate::facts::Fact;
use crate::failure::Failure;
use crate::inference::{self, Inferred};
use crate::order::{Order, Window};
use crate::store::StoreFact;

/// What happens next.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once: no heap for a picture")]
pub(super) enum Next {
    /// The cart is told something.
    Told(Told),
    /// The broker says something.
    Heard(BrokerFact),
    /// The writer says something.
    Stored(StoreFact),
    /// Somebody wants the replay to end.
    Stopped,
}

/// Recordings that play, and the detectors for them; nothing is inferred yet.
pub(super) struct Studio {
    frames: Arc<FrameSet>,
    detectors: Vec<Detector>,
}

impl Studio {
    /// Loads the detectors and opens the recordings: wrong ones are found here.
    pub(super) fn open(args: &ReplayArgs, bundle: &Bundle) -> Result<Self, Failure> {
        let runtime = Runtime::open()?;
        let threads = args.threads.map_or_else(inference::default_threads, usize::from);
        let detectors = inference::detectors(&runtime, bundle, threads)?;
        let size = (bundle.manifest().detector.width, bundle.manifest().detector.height);
        let recordings = args.cameras.iter().map(|camera| recording(camera, size));
        let pace = Pace::Lossless { realtime: args.realtime };
        let frames = FrameSet::open(recordings.collect::<Result<_, _>>()?, pace).map_err(Failure::usage)?;
        Ok(Self { frames: Arc::new(frames), detectors })
    }
}

fn recording(
    (name, path): &(CameraName, std::path::PathBuf),
    (width, height): (usize, usize),
) -> Result<CameraSettings, Failure> {
    let name = pipelines::CameraName::new(name.as_str()).map_err(Failure::usage)?;
    let source = Source::File { path: path.clone(), repeat: false };
    Ok(CameraSettings::new(name, source, width, height))
}

/// The sightings of a replay, one after the other.
pub(super) enum Sightings {
    /// From the recordings, through the detector.
    Detected(Detected),
    /// From a file.
    Recorded {
        inputs: Box<Recorded>,
        /// The moment that is zero on the recordings' time line, where the replay is paced.
        paced_from: Option<Instant>,
    },
}

impl Sightings {
    /// What comes next: a fact that waits, else a sighting.
    pub(super) fn next(&mut self, facts: &Receiver<Fact>) -> Result<Next, Failure> {
        match self {
            Self::Detected(detected) => detected.next(facts),
            Self::Recorded { inputs, paced_from } => {
                // What is next is known before its time: it is kept until then.
                let due = match (inputs.peek()?, paced_from) {
                    (Told::Saw { at, .. }, Some(start)) => *start + Duration::from_nanos(at.ns),
                    _ => Instant::now(),
                };
                match facts.recv_timeout(due.saturating_duration_since(Instant::now())) {
                    Ok(Fact::Broker(fact)) => Ok(Next::Heard(fact)),
                    Ok(Fact::Store(fact)) => Ok(Next::Stored(fact)),
                    Ok(Fact::Stop) => Ok(Next::Stopped),
                    Ok(Fact::Inferred { .. } | Fact::Sensed(_) | Fact::Engine(_)) | Err(_) => {
                        Ok(Next::Told(inputs.take()?))
                    }
                }
            }
        }
    }

    /// Ends all work. If every recording came to its `end`, what was to be recorded is put in its place.
    pub(super) fn close(self, facts: &Receiver<Fact>, end: bool) -> Result<(), Failure> {
        match self {
            Self::Detected(detected) => detected.close(facts, end),
            Self::Recorded { .. } => Ok(()),
        }
    }
}

/// Recordings that play, detectors that look, and who writes down what they see.
pub(super) struct Detected {
    frames: Arc<FrameSet>,
    window: Arc<Window>,
    order: Order<Inferred>,
    workers: Vec<JoinHandle<()>>,
    recorder: Option<Recorder>,
}

impl Detected {
    /// Starts to look.
    pub(super) fn start(
        studio: Studio,
        facts: &SyncSender<Fact>,
        recorder: Option<Recorder>,
    ) -> Result<Self, Failure> {
        let Studio { frames, detectors } = studio;
        let window = Arc::new(Window::new(inference::UNDER_WAY * detectors.len()));
        let workers = inference::start(&frames, detectors, &Spares::default(), facts, &window)?;
        Ok(Self { frames, order: Order::new(window.clone()), window, workers, recorder })
    }

    fn next(&mut self, facts: &Receiver<Fact>) -> Result<Next, Failure> {
        loop {
            if let Some(inferred) = self.order.take() {
                return self.told(inferred).map(Next::Told);
            }
            // The senders live as long as there are frames.
            let fact = facts
                .recv()
                .map_err(|_| Failure::defect("the inference workers ended before the recordings"))?;
            match fact {
                Fact::Inferred { ticket, inferred } => {
                    self.order.put(ticket, inferred).map_err(Failure::defect)?;
                }
                Fact::Broker(fact) => return Ok(Next::Heard(fact)),
                Fact::Store(fact) => return Ok(Next::Stored(fact)),
                Fact::Stop => return Ok(Next::Stopped),
                // A replay watches no sensors, and builds no engines.
                Fact::Sensed(_) | Fact::Engine(_) => {}
            }
        }
    }

    fn told(&mut self, inferred: Inferred) -> Result<Told, Failure> {
        let recorder = &mut self.recorder;
        match inferred {
            Inferred::Saw(sighting) => {
                let (camera, at, detections) = (sighting.camera, sighting.at, sighting.detections);
                recorder.as_mut().map_or(Ok(()), |r| r.saw(camera, at, &detections))?;
                Ok(Told::Saw { camera, at, detections })
            }
            Inferred::CameraEnded(camera) => {
                recorder.as_mut().map_or(Ok(()), |r| r.ended(camera))?;
                Ok(Told::Ended(camera))
            }
            Inferred::CameraFailed(_, error) => Err(Failure::environment(error)),
            Inferred::EngineFailed(_, _, error) => Err(Failure::environment(error)),
        }
    }

    fn close(self, facts: &Receiver<Fact>, end: bool) -> Result<(), Failure> {
        self.frames.stop();
        self.window.close();
        for worker in self.workers {
            // It waits for the queue or for a frame: drain the one, and the other is stopped.
            while !worker.is_finished() {
                _ = facts.recv_timeout(Duration::from_millis(5));
            }
            _ = worker.join();
        }
        match self.recorder {
            Some(recorder) if end => recorder.finish(),
            _ => Ok(()),
        }
    }
}
