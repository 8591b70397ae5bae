//! The cameras of a cart as one source of frames.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use cartvision_core::{CameraId, MAX_CAMERAS, Span};
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::{
    attendant::Attendant,
    board::{Board, Took},
    error::{CaptureError, Fault, Size},
    frame::{Frame, Still},
    port::{Epoch, Newest, Shot},
    profile,
    settings::{CameraName, CameraSettings, Pace, Rate},
};

/// How long the graphs may take to stop at the set's end. One that hangs in its driver is left behind: it ends with
/// the process.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// Several cameras, each with its own graph and a slot for one frame. Several threads may [take](Self::take)
/// from it at once. Each graph has an attendant of its own: a camera that hangs holds up nobody else.
///
/// [`Pace::Live`]: a new frame replaces an unread one; the camera whose last frame was taken longest ago is next.
/// [`Pace::Lossless`]: every frame of every camera, in the order of media time (of equal ones, the camera named
/// first goes first), so the order of tickets depends on the recordings alone.
pub struct FrameSet {
    names: Vec<CameraName>,
    board: Arc<Board<Shot>>,
    epoch: Epoch,
    pace: Pace,
    attendants: Vec<Attendant>,
    stills: Vec<Newest>,
}

/// What [`FrameSet::take`] gives.
#[derive(Debug)]
pub enum Taken {
    /// Something to handle.
    Given {
        /// From 0 and without a gap over all takers, in the order in which things are to be handled: by it, one
        /// loop can put the results of several workers back in order.
        ticket: u64,
        /// What it is.
        what: What,
    },
    /// Nothing within the timeout.
    Idle,
    /// Every camera's end was told, or the set was stopped. Tickets below the highest given may still be in
    /// other takers' hands.
    Over,
}

/// What there is to handle.
#[derive(Debug)]
pub enum What {
    /// A frame.
    Frame(Frame),
    /// This camera's last frame was given before.
    Ended(CameraId),
    /// This camera gives no further frame.
    Failed(CameraId, CaptureError),
}

/// One camera's figures since the set was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Frames that were taken.
    pub delivered: u64,
    /// Frames that a newer one replaced before anybody took them. Losslessly always 0.
    pub dropped: u64,
    /// Size of the source's picture as shown; known with the first frame.
    pub source: Option<Size>,
    /// Size of the frames; known with the first one.
    pub fitted: Option<Size>,
    /// Frames a second that the graph gives, by their times, averaged over about 16; 0 before the second frame.
    pub rate: f64,
}

impl FrameSet {
    /// Builds and starts a graph for each camera.
    ///
    /// Losslessly it returns when every camera has given a frame, so that bad files are found here. Live it
    /// waits for no camera: what does not start comes through [`take`](Self::take).
    ///
    /// # Errors
    /// Settings that cannot work; losslessly also the first camera that gives no frame.
    pub fn open(cameras: Vec<CameraSettings>, pace: Pace) -> Result<Self, CaptureError> {
        check(&cameras, pace)?;
        if let (Err(error), Some(camera)) = (gst::init(), cameras.first()) {
            let fault = Fault::Element { element: "GStreamer".into(), reason: error.to_string() };
            return Err(CaptureError { camera: camera.name.clone(), fault });
        }
        let lossless = matches!(pace, Pace::Lossless { .. });
        let patience: Vec<_> = cameras.iter().map(|c| (c.first_frame_within, c.next_frame_within)).collect();
        let names = cameras.iter().map(|c| c.name.clone()).collect();
        let clock = gst::SystemClock::obtain();
        let epoch = Epoch { start: clock.time(), instant: Instant::now(), clock };
        let board = Arc::new(Board::new(lossless, &patience));
        let mut set = Self { names, board, epoch, pace, attendants: Vec::new(), stills: Vec::new() };
        for (camera, settings) in CameraId::all().zip(cameras) {
            let newest = Newest::default();
            let attendant = Attendant::start(camera, settings, pace, &set.board, &set.epoch, &newest)
                .map_err(|fault| set.error(camera, fault))?;
            set.attendants.push(attendant);
            set.stills.push(newest);
        }
        if lossless {
            set.board.all_flowing().map_err(|(camera, fault)| set.error(camera, fault))?;
        }
        Ok(set)
    }

    /// The next thing to handle; waits for it up to `timeout`. Allocates nothing for a frame.
    pub fn take(&self, timeout: Duration) -> Taken {
        match self.board.take(timeout) {
            Took::Frame { ticket, camera, index, at, payload } => {
                let frame = Frame { camera, index, at, captured: payload.captured, pixels: payload.pixels };
                Taken::Given { ticket, what: What::Frame(frame) }
            }
            Took::Closed { ticket, camera, run, how } => {
                self.attendants[camera.index()].desk.retire(run);
                let what = match how {
                    Ok(()) => What::Ended(camera),
                    Err(fault) => What::Failed(camera, self.error(camera, fault)),
                };
                Taken::Given { ticket, what }
            }
            Took::Idle => Taken::Idle,
            Took::Over => Taken::Over,
        }
    }

    /// Starts a camera again whose end or failure was told. What does not start comes through
    /// [`take`](Self::take). Does nothing while the camera runs.
    ///
    /// # Errors
    /// Under [`Pace::Lossless`], where no camera starts again.
    pub fn reopen(&self, camera: CameraId) -> Result<(), CaptureError> {
        if self.pace != Pace::Live {
            let fault = Fault::Settings("a replay cannot reopen a camera; start the replay again".into());
            return Err(self.error(camera, fault));
        }
        if let Some(run) = self.board.reopen(camera) {
            // It is of the time before.
            drop(self.still(camera));
            self.attendants[camera.index()].desk.open(run);
        }
        Ok(())
    }

    /// From now on at most so many frames a second of each live camera are given, on average; `None`: as they come.
    pub fn limit(&self, rate: Option<Rate>) {
        self.board
            .space(rate.map_or(Span::ZERO, |Rate(rate)| Span { ns: 1_000_000_000 / u64::from(rate.get()) }));
    }

    /// One camera's figures.
    pub fn counters(&self, camera: CameraId) -> Counters {
        let tally = self.board.tally(camera);
        Counters {
            delivered: tally.delivered,
            dropped: tally.dropped,
            source: tally.sizes.map(|s| s.source),
            fitted: tally.sizes.map(|s| s.fitted),
            rate: if tally.interval_ns > 0.0 { 1e9 / tally.interval_ns } else { 0.0 },
        }
    }

    /// Takes the camera's newest still, if [asked for](CameraSettings::stills) and if there is one since the last was
    /// taken. One is kept: a newer one replaces it, and nobody counts what was not taken.
    pub fn still(&self, camera: CameraId) -> Option<Still> {
        self.stills[camera.index()].lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The cameras' names, in the order of their indices.
    pub fn names(&self) -> &[CameraName] {
        &self.names
    }

    /// The moment that is [`MediaTime::ZERO`](cartvision_core::MediaTime::ZERO) on the live time line.
    pub fn epoch(&self) -> Instant {
        self.epoch.instant
    }

    /// Ends every wait: takers get [`Taken::Over`], graphs stop with the set's end.
    pub fn stop(&self) {
        self.board.stop();
    }

    fn error(&self, camera: CameraId, fault: Fault) -> CaptureError {
        CaptureError { camera: self.names[camera.index()].clone(), fault }
    }
}

impl Drop for FrameSet {
    fn drop(&mut self) {
        // A graph can only stop when its threads do not wait for us: wake them first.
        self.board.stop();
        let until = Instant::now() + LEAVE_WITHIN;
        self.attendants.iter().for_each(Attendant::dismiss);
        for (attendant, name) in self.attendants.drain(..).zip(&self.names) {
            if !attendant.has_left(until) {
                tracing::warn!(camera = %name, "its graph does not stop; it is left behind");
            }
        }
    }
}

fn check(cameras: &[CameraSettings], pace: Pace) -> Result<(), CaptureError> {
    for (i, camera) in cameras.iter().enumerate() {
        let fault = if i >= MAX_CAMERAS {
            Some(Fault::Settings(format!("a cart has at most {MAX_CAMERAS} cameras; leave the rest out")))
        } else if cameras[..i].iter().any(|c| c.name == camera.name) {
            Some(Fault::Settings("two cameras have this name; give each its own".into()))
        } else if camera.max_width == 0 || camera.max_height == 0 {
            Some(Fault::Settings("frames of no size are asked for; width and height start at 1".into()))
        } else {
            profile::check(camera, pace).err()
        };
        if let Some(fault) = fault {
            return Err(CaptureError { camera: camera.name.clone(), fault });
        }
    }
    Ok(())
}
