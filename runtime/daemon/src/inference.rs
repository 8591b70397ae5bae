//! Inference workers: each takes the next frame, runs its own detector and tells the loop.
//!
//! One thread and one single-threaded detector for each core serve one camera as well as several: two pictures of
//! one camera are inferred side by side, and the loop puts them back in order. (What one
//! session with more threads costs instead stands in `engines/examples/inference_cost.rs`; on a quiet machine the
//! two are still to be compared for one stream.)

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cartvision_core::{CameraId, Detections, MediaTime};
use cartvision_engines::{Bundle, Detector, EngineError, Runtime};
use cartvision_pipelines::{CaptureError, FrameSet, Taken, What};

use crate::engine::Spares;
use crate::facts::Fact;
use crate::failure::Failure;
use crate::order::Window;

/// How long a worker sleeps at most before it looks whether it should end.
const NAP: Duration = Duration::from_millis(200);

/// Pieces of work under way at once, for each worker: enough that a worker need not wait for one whose picture
/// takes long, few enough that a decision is never far behind.
pub(crate) const UNDER_WAY: usize = 4;

/// What came of one ticket.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a picture's detections travel in the queue itself: no heap for a frame"
)]
pub(crate) enum Inferred {
    /// A picture was looked at.
    Saw(Sighting),
    /// A camera's recording is over.
    CameraEnded(CameraId),
    /// A camera gave up.
    CameraFailed(CameraId, CaptureError),
    /// The detector failed on a picture of this camera's, captured then.
    EngineFailed(CameraId, MediaTime, EngineError),
}

/// One picture and what was seen in it.
#[derive(Debug)]
pub(crate) struct Sighting {
    pub(crate) camera: CameraId,
    /// Capture time on the media time line.
    pub(crate) at: MediaTime,
    /// The same on this machine's clock.
    pub(crate) captured: Instant,
    /// When a worker took it.
    pub(crate) taken: Instant,
    /// When the detector was done.
    pub(crate) inferred: Instant,
    pub(crate) detections: Detections,
}

/// One detector for each thread.
pub(crate) fn detectors(
    runtime: &Runtime,
    bundle: &Bundle,
    threads: usize,
) -> Result<Vec<Detector>, Failure> {
    let load = |_| Detector::load(runtime, bundle, 1).map_err(Failure::from);
    (0..threads.max(1)).map(load).collect()
}

/// Inference threads where none are asked for: one for each core.
pub(crate) fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Starts a worker for each detector, which takes a spare in its place whenever there are some. They end when the frame set
/// is over or stopped, and drop their sender then.
pub(crate) fn start(
    frames: &Arc<FrameSet>,
    detectors: Vec<Detector>,
    spares: &Spares,
    facts: &SyncSender<Fact>,
    window: &Arc<Window>,
) -> Result<Vec<JoinHandle<()>>, Failure> {
    let spawn = |(n, detector)| {
        let (frames, facts, window) = (frames.clone(), facts.clone(), window.clone());
        let spares = spares.clone();
        std::thread::Builder::new()
            .name(format!("inference-{n}"))
            .spawn(move || work(&frames, detector, spares, &facts, &window))
    };
    detectors
        .into_iter()
        .enumerate()
        .map(spawn)
        .collect::<Result<_, _>>()
        .map_err(|e| Failure::environment(format_args!("cannot start an inference thread: {e}")))
}

fn work(
    frames: &FrameSet,
    mut detector: Detector,
    spares: Spares,
    facts: &SyncSender<Fact>,
    window: &Window,
) {
    let mut taken_from = 0;
    while window.enter() {
        if let Some(better) = spares.take(&mut taken_from) {
            detector = better;
        }
        let (ticket, what) = match frames.take(NAP) {
            Taken::Given { ticket, what } => (ticket, what),
            Taken::Idle => {
                window.leave();
                continue;
            }
            Taken::Over => return,
        };
        let inferred = match what {
            What::Frame(frame) => {
                let taken = Instant::now();
                let mut detections = Detections::new();
                match detector.detect(frame.picture(), &mut detections) {
                    Ok(()) => Inferred::Saw(Sighting {
                        camera: frame.camera,
                        at: frame.at,
                        captured: frame.captured,
                        taken,
                        inferred: Instant::now(),
                        detections,
                    }),
                    Err(e) => Inferred::EngineFailed(frame.camera, frame.at, e),
                }
            }
            What::Ended(camera) => Inferred::CameraEnded(camera),
            What::Failed(camera, error) => Inferred::CameraFailed(camera, error),
        };
        // The loop is gone: nobody wants to know.
        if facts.send(Fact::Inferred { ticket, inferred }).is_err() {
            return;
        }
    }
}
