//! The whole way, from live cameras to decisions: the loop of [`crate::run`] without what it publishes and keeps.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use cartvision_core::{CameraId, MediaTime};
use cartvision_engines::Detector;
use cartvision_pipelines::{CameraSettings, Counters, FrameSet, Pace};
use cartvision_wire::bench::Pipeline;
use cartvision_wire::telemetry::{CameraFigures, StageFigures};
use cartvision_wire::{CameraName, List, Measure, SessionId};

use super::SENSED_EVERY;
use super::sensed::Sensed;
use crate::cart::Cart;
use crate::engine::Spares;
use crate::facts::{self, Fact};
use crate::failure::Failure;
use crate::figures::{self, micros, percentiles};
use crate::heat::Sensors;
use crate::inference::{self, Inferred, Sighting};
use crate::order::{Order, Window};
use crate::run::TICK;
use crate::signals;

/// The stages of a picture, as telemetry calls them.
const STAGES: [&str; 3] = ["slot", "inference", "decision"];

/// Looks through the cameras for so long; `None` when somebody stopped it.
pub(super) fn measure(
    cart: Cart,
    detectors: Vec<Detector>,
    cameras: Vec<CameraSettings>,
    names: Vec<CameraName>,
    sensors: &Sensors,
    seconds: Duration,
) -> Result<Option<Pipeline>, Failure> {
    let (sender, facts) = facts::queue();
    // Some cameras' drivers want to be told that it is over.
    signals::stop_on(&sender)?;
    let frames = Arc::new(FrameSet::open(cameras, Pace::Live).map_err(Failure::environment)?);
    let window = Arc::new(Window::new(inference::UNDER_WAY * detectors.len()));
    let mut line = Line {
        cart,
        order: Order::new(window.clone()),
        epoch: frames.epoch(),
        eyes: names.into_iter().map(Eye::new).collect(),
        sensed: Sensed::default(),
        run: None,
        frames: frames.clone(),
    };
    let session = SessionId::new("bench").map_err(Failure::defect)?;
    line.cart
        .start_session(MediaTime::ZERO, &session)
        .map_err(Failure::defect)?
        .map_err(|_| Failure::defect("the bench's own session could not be opened"))?;
    sensors.clone().watch(SENSED_EVERY, sender.clone())?;
    let workers = inference::start(&frames, detectors, &Spares::default(), &sender, &window)?;
    drop(sender);
    let ended = line.follow(&facts, seconds);
    frames.stop();
    window.close();
    // Whoever wants to tell something finds nobody, and ends.
    drop(facts);
    for worker in workers {
        _ = worker.join();
    }
    ended
}

/// One camera since the clock runs.
struct Eye {
    name: CameraName,
    seen: bool,
    before: Counters,
    /// From capture to a worker, in the worker, from the worker to the decision; microseconds of each picture.
    stages: [Vec<u32>; STAGES.len()],
    slow: bool,
    times_slow: u64,
}

impl Eye {
    fn new(name: CameraName) -> Self {
        let stages = [const { Vec::new() }; STAGES.len()];
        Self { name, seen: false, before: Counters::default(), stages, slow: false, times_slow: 0 }
    }
}

/// The clock.
#[derive(Clone, Copy)]
struct Run {
    began: Instant,
    cpu_before: Duration,
}

struct Line {
    cart: Cart,
    frames: Arc<FrameSet>,
    order: Order<Inferred>,
    epoch: Instant,
    eyes: Vec<Eye>,
    sensed: Sensed,
    /// Once every camera has given a picture.
    run: Option<Run>,
}

impl Line {
    fn follow(&mut self, facts: &Receiver<Fact>, seconds: Duration) -> Result<Option<Pipeline>, Failure> {
        let mut tick_at = Instant::now() + TICK;
        loop {
            match facts.recv_timeout(tick_at.saturating_duration_since(Instant::now())) {
                Ok(Fact::Inferred { ticket, inferred }) => {
                    self.order.put(ticket, inferred).map_err(Failure::defect)?;
                    while let Some(inferred) = self.order.take() {
                        self.inferred(inferred)?;
                    }
                }
                Ok(Fact::Sensed(reading)) => self.sensed.add(reading),
                Ok(Fact::Stop) => return Ok(None),
                // Nobody here has a broker, a database or engines to build.
                Ok(Fact::Broker(_) | Fact::Store(_) | Fact::Engine(_)) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::defect("every edge of the bench has ended"));
                }
            }
            let now = Instant::now();
            if now >= tick_at {
                tick_at = now + TICK;
                let ns = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
                self.cart.tick(MediaTime { ns }).map_err(Failure::defect)?;
            }
            // What is decided goes nowhere.
            drop(self.cart.take_rows());
            match self.run {
                Some(run) if now >= run.began + seconds => return self.figures(run, now).map(Some),
                None if self.eyes.iter().all(|eye| eye.seen) => self.begin(now),
                _ => {}
            }
        }
    }

    fn inferred(&mut self, inferred: Inferred) -> Result<(), Failure> {
        match inferred {
            Inferred::Saw(sighting) => self.saw(sighting),
            Inferred::CameraEnded(camera) => {
                let name = self.eyes.get(camera.index()).map_or("?", |eye| eye.name.as_str());
                Err(Failure::environment(format_args!(
                    "camera {name}: its recording is over before the measurement; give it `repeat = true`, or fewer --seconds"
                )))
            }
            Inferred::CameraFailed(_, error) => Err(Failure::environment(error)),
            Inferred::EngineFailed(_, _, error) => Err(error.into()),
        }
    }

    fn saw(&mut self, mut sighting: Sighting) -> Result<(), Failure> {
        self.cart.saw(sighting.camera, sighting.at, &mut sighting.detections).map_err(Failure::defect)?;
        let Some(eye) = self.eyes.get_mut(sighting.camera.index()) else { return Ok(()) };
        eye.seen = true;
        let slow = self.cart.is_slow(sighting.camera);
        let came = !std::mem::replace(&mut eye.slow, slow) && slow;
        let Sighting { captured, taken, inferred, .. } = sighting;
        if self.run.is_some() {
            eye.times_slow += u64::from(came);
            let took = [
                taken.saturating_duration_since(captured),
                inferred.saturating_duration_since(taken),
                inferred.elapsed(),
            ];
            eye.stages.iter_mut().zip(took).for_each(|(stage, took)| stage.push(micros(took)));
        }
        Ok(())
    }

    fn begin(&mut self, now: Instant) {
        for (id, eye) in CameraId::all().zip(&mut self.eyes) {
            eye.before = self.frames.counters(id);
            eye.times_slow = u64::from(eye.slow);
        }
        self.sensed = Sensed::default();
        self.run = Some(Run { began: now, cpu_before: figures::cpu_time() });
    }

    fn figures(&mut self, run: Run, now: Instant) -> Result<Pipeline, Failure> {
        let cpu = figures::cpu_time().saturating_sub(run.cpu_before).as_secs_f64();
        let seconds = now.duration_since(run.began).as_secs_f64();
        let mut all = [const { Vec::new() }; STAGES.len()];
        let (mut pictures, mut dropped, mut cameras) = (0, 0, Vec::new());
        for (id, eye) in CameraId::all().zip(&mut self.eyes) {
            let counters = self.frames.counters(id);
            let lost = counters.dropped - eye.before.dropped;
            let looked_at = eye.stages.first().map_or(0, Vec::len);
            pictures += looked_at;
            dropped += lost;
            all.iter_mut().zip(&eye.stages).for_each(|(all, stage)| all.extend_from_slice(stage));
            cameras.push(CameraFigures {
                camera: eye.name.clone(),
                frames_per_s: Measure::new(looked_at as f64 / seconds),
                frames: counters.delivered - eye.before.delivered + lost,
                dropped: lost,
                slow: eye.times_slow,
                stages: stages(&mut eye.stages),
            });
        }
        if pictures == 0 {
            let what = "no camera gave a picture while the clock ran; measure for longer (--seconds)";
            return Err(Failure::environment(what));
        }
        Ok(Pipeline {
            seconds: Measure::new(seconds),
            pictures: pictures as u64,
            pictures_per_s: Measure::new(pictures as f64 / seconds),
            dropped,
            stages: stages(&mut all),
            cameras: cameras.into_iter().collect(),
            cpu_ms_per_picture: Measure::new(cpu * 1e3 / pictures as f64),
            peak_rss_mib: figures::memory().peak_rss_mib,
            sensors: self.sensed.figures(),
        })
    }
}

/// Percentiles of each stage.
fn stages(latencies: &mut [Vec<u32>]) -> List<StageFigures, 16> {
    STAGES.iter().zip(latencies).filter_map(|(name, latencies)| percentiles(name, latencies)).collect()
}
