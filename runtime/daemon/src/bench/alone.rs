//! The engine alone: what a cart could look at if all else cost nothing.

use std::thread;
use std::time::{Duration, Instant};

use cartvision_core::features::{ASKED, ROW, WINDOW};
use cartvision_core::{Detections, Picture, PixelFormat};
use cartvision_engines::{Detector, EngineError, TemporalClassifier};
use cartvision_wire::Measure;
use cartvision_wire::bench::EngineOnly;

use super::SENSED_EVERY;
use super::sensed::Sensed;
use crate::classifier::Classifier;
use crate::failure::Failure;
use crate::figures::{micros, percentiles};
use crate::heat::Sensors;

/// Questions to the learned classifier.
const QUESTIONS: usize = 300;

/// How it is measured.
pub(super) struct Alone<'a> {
    pub(super) sensors: &'a Sensors,
    pub(super) seconds: Duration,
}

impl Alone<'_> {
    /// Every detector at once, then the classifier.
    pub(super) fn measure(
        &self,
        detectors: &mut [Detector],
        classifier: &mut Classifier,
    ) -> Result<EngineOnly, Failure> {
        let began = Instant::now();
        let until = began + self.seconds;
        let mut sensed = Sensed::default();
        let mut latencies = thread::scope(|scope| {
            let start = |detector| {
                thread::Builder::new()
                    .name("inference".into())
                    .spawn_scoped(scope, move || look(detector, until))
            };
            let at_work = detectors.iter_mut().map(start).collect::<Result<Vec<_>, _>>();
            let at_work = at_work
                .map_err(|e| Failure::environment(format_args!("cannot start an inference thread: {e}")))?;
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                sensed.add(self.sensors.read());
                thread::sleep(left.min(SENSED_EVERY));
            }
            let mut all = Vec::new();
            for worker in at_work {
                let looked = worker.join().map_err(|_| Failure::defect("an inference thread panicked"))?;
                all.extend(looked?);
            }
            Ok::<_, Failure>(all)
        })?;
        let seconds = began.elapsed().as_secs_f64();
        let mut answers = classifier.engine().map(answer).transpose()?;
        let detector = percentiles("detector", &mut latencies);
        Ok(EngineOnly {
            seconds: Measure::new(seconds),
            inferences: latencies.len() as u64,
            inferences_per_s: Measure::new(latencies.len() as f64 / seconds),
            detector: detector.ok_or_else(|| Failure::defect("no detector looked at anything"))?,
            classifier: answers.as_mut().and_then(|answers| percentiles("classifier", answers)),
            sensors: sensed.figures(),
        })
    }
}

/// Looks at one grey picture again and again; how long each look took. The first comes before the clock: it sets the
/// padding.
fn look(detector: &mut Detector, until: Instant) -> Result<Vec<u32>, EngineError> {
    let (width, height) = detector.input_size();
    let format = PixelFormat::Rgbx;
    let stride = width * format.bytes_per_pixel();
    let data = vec![128; stride * height];
    let mut detections = Detections::new();
    let mut latencies = Vec::new();
    detector.detect(Picture { data: &data, width, height, stride, format }, &mut detections)?;
    loop {
        let began = Instant::now();
        detector.detect(Picture { data: &data, width, height, stride, format }, &mut detections)?;
        let ended = Instant::now();
        latencies.push(micros(ended.duration_since(began)));
        if ended >= until {
            return Ok(latencies);
        }
    }
}

/// How long each answer took.
fn answer(classifier: &mut TemporalClassifier) -> Result<Vec<u32>, EngineError> {
    let (window, asked) = ([[0.0; ROW]; WINDOW], [0.0; ASKED]);
    (0..QUESTIONS)
        .map(|_| {
            let began = Instant::now();
            classifier.classify(&window, &asked).map(|_| micros(began.elapsed()))
        })
        .collect()
}
