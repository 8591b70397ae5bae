//! A graph's way out: its frames, its end and its errors, put on the board.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cartvision_core::{CameraId, MediaTime};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as app;
use gstreamer_video as video;

use crate::{
    attendant::Desk,
    blocks::Blocks,
    board::{Board, Put, Sizes},
    error::{Fault, Size},
    frame::{Pixels, Still},
    reason,
    settings::{CameraSettings, Pace, Source},
};

/// The live time line's start: one moment on GStreamer's clock and on ours.
#[derive(Clone)]
pub(crate) struct Epoch {
    pub clock: gst::Clock,
    pub start: gst::ClockTime,
    pub instant: Instant,
}

/// What a frame takes through its slot.
pub(crate) struct Shot {
    pub pixels: Pixels,
    pub captured: Instant,
}

/// The newest still of a camera; an older one that nobody took is gone.
pub(crate) type Newest = Arc<Mutex<Option<Still>>>;

const TIMELESS: &str = "its frames carry no times; put it into a container such as mp4 or mkv";

/// How much earlier than declared a recording may end, besides two frames, where its container declares the end
/// of the video itself: muxers round it, to a hundredth of a second at worst.
const ROUNDED: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// The same where only the whole container's end is known, which some muxers estimate.
const GUESSED: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// One opening of one camera, as its graph's threads see it. Clones are the same port.
#[derive(Clone)]
pub(crate) struct Port(Arc<Inner>);

struct Inner {
    board: Arc<Board<Shot>>,
    camera: CameraId,
    run: u32,
    source: Source,
    pace: Pace,
    epoch: Epoch,
    desk: Arc<Desk>,
    newest: Newest,
    frozen_within: Option<Duration>,
    /// A decoded picture has come through: from here on errors wait for the good frames before them.
    entered: AtomicBool,
    progress: Mutex<Progress>,
}

/// When a picture was captured, and where in its stream.
struct Moment {
    /// On the set's time line.
    at: MediaTime,
    /// Stream time.
    stream: gst::ClockTime,
    /// Stream time at which the stream ends, where it says so.
    stop: Option<gst::ClockTime>,
}

/// How far the stream has come. Never locked together with the board.
#[derive(Default)]
struct Progress {
    source: Option<Size>,
    layout: Option<(gst::Caps, video::VideoInfo)>,
    /// Stream time of the first frame: 0 on the recording's time line.
    first: Option<gst::ClockTime>,
    /// Stream time at which the last frame ends.
    end: gst::ClockTime,
    /// How long the last frame lasts.
    frame: gst::ClockTime,
    /// Stream time at which the video stream ends, where its container says so of each stream.
    declared: Option<gst::ClockTime>,
    /// Stream time that any of the container's streams has reached; `None` without a container.
    demuxed: Option<gst::ClockTime>,
    /// What GStreamer has no plugin for.
    missing: Option<String>,
    /// The last picture, and since when it is the same.
    still: Option<(u64, MediaTime)>,
}

impl Progress {
    /// For how long the picture has been this one, at `at`.
    fn still_for(&mut self, mark: u64, at: MediaTime) -> Duration {
        match self.still {
            Some((same, since)) if same == mark => Duration::from_nanos(at.since(since).ns),
            _ => {
                self.still = Some((mark, at));
                Duration::ZERO
            }
        }
    }
}

impl Port {
    pub fn new(
        board: Arc<Board<Shot>>,
        (camera, run): (CameraId, u32),
        settings: &CameraSettings,
        pace: Pace,
        epoch: Epoch,
        (desk, newest): (Arc<Desk>, Newest),
    ) -> Self {
        Self(Arc::new(Inner {
            board,
            camera,
            run,
            source: settings.source.clone(),
            pace,
            epoch,
            desk,
            newest,
            frozen_within: settings.frozen_within,
            entered: AtomicBool::new(false),
            progress: Mutex::default(),
        }))
    }

    /// The clock of all graphs.
    pub fn clock(&self) -> &gst::Clock {
        &self.0.epoch.clock
    }

    /// Which opening of the camera this is.
    pub fn run(&self) -> u32 {
        self.0.run
    }

    /// What this camera's pictures are decoded, scaled and converted by.
    pub fn decodes(&self, decoder: &str, blocks: Blocks) {
        let (camera, scaler) = (self.0.camera.index(), blocks.scaler.name());
        tracing::info!(camera, decoder, scaler, "pictures go through");
    }

    /// A decoded picture came.
    pub fn entered(&self) {
        self.0.entered.store(true, Ordering::Relaxed);
    }

    /// The next pictures' size; an error if earlier ones had another.
    pub fn sized(&self, source: Size, fitted: Size) -> Result<(), Fault> {
        let old = self.progress().source.replace(source);
        match old {
            Some(old) if old != source && self.0.entered.load(Ordering::Relaxed) => {
                Err(Fault::SizeChanged { old, new: source })
            }
            _ => {
                self.0.board.sized(self.0.camera, self.0.run, Sizes { source, fitted });
                Ok(())
            }
        }
    }

    /// A frame at the end of the graph; waits for its slot in a replay.
    pub fn sample(&self, sink: &app::AppSink) -> Result<gst::FlowSuccess, gst::FlowError> {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let (at, pixels) = self.shot(sink, &sample).map_err(|reason| self.damaged(sink, reason))?;
        if let (Pace::Live, Some(within)) = (self.0.pace, self.0.frozen_within) {
            let same = self.progress().still_for(pixels.mark(), at);
            if same >= within {
                self.fail(Fault::Frozen { same });
                return Err(gst::FlowError::Error);
            }
        }
        let captured = match self.0.pace {
            Pace::Live => self.0.epoch.instant + Duration::from_nanos(at.ns),
            Pace::Lossless { .. } => Instant::now(),
        };
        match self.0.board.put(self.0.camera, self.0.run, at, Shot { pixels, captured }) {
            Put::Kept => Ok(gst::FlowSuccess::Ok),
            Put::Unwanted => Err(gst::FlowError::Eos),
        }
    }

    /// A still at the end of its branch.
    pub fn still(&self, sink: &app::AppSink) -> Result<gst::FlowSuccess, gst::FlowError> {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let buffer = sample.buffer_owned().and_then(|buffer| buffer.into_mapped_buffer_readable().ok());
        let at = self.moment(sink, &sample);
        let still = buffer.ok_or("a still cannot be read").and_then(|jpeg| Ok(Still { at: at?.at, jpeg }));
        let still = still.map_err(|reason| self.damaged(sink, reason))?;
        *self.0.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(still);
        Ok(gst::FlowSuccess::Ok)
    }

    /// What came is no picture of ours: the camera's end.
    fn damaged(&self, sink: &app::AppSink, reason: &str) -> gst::FlowError {
        self.fail(Fault::Damaged { element: sink.name().into(), reason: reason.into() });
        gst::FlowError::Error
    }

    /// When a picture was captured.
    fn moment(&self, sink: &app::AppSink, sample: &gst::SampleRef) -> Result<Moment, &'static str> {
        let segment = sample.segment().and_then(|s| s.downcast_ref::<gst::ClockTime>()).ok_or(TIMELESS)?;
        let pts = sample.buffer().and_then(|buffer| buffer.pts()).ok_or(TIMELESS)?;
        let stream = segment.to_stream_time(pts).ok_or(TIMELESS)?;
        let at = match self.0.pace {
            // Base time and running time make clock time: whatever the graph's own base, the time line is one.
            Pace::Live => {
                let base = sink.base_time().ok_or(TIMELESS)?;
                let clock = base + segment.to_running_time(pts).ok_or(TIMELESS)?;
                clock.saturating_sub(self.0.epoch.start)
            }
            Pace::Lossless { .. } => stream.saturating_sub(*self.progress().first.get_or_insert(stream)),
        };
        let stop = segment.stop().and_then(|stop| segment.to_stream_time(stop));
        Ok(Moment { at: MediaTime { ns: at.nseconds() }, stream, stop })
    }

    fn shot(
        &self,
        sink: &app::AppSink,
        sample: &gst::SampleRef,
    ) -> Result<(MediaTime, Pixels), &'static str> {
        const SHAPELESS: &str = "a frame has another layout than was asked for";

        let (buffer, caps) = sample.buffer_owned().zip(sample.caps()).ok_or(SHAPELESS)?;
        let Moment { at, stream, stop } = self.moment(sink, sample)?;
        let mut progress = self.progress();
        if progress.layout.as_ref().is_none_or(|(known, _)| known.as_ref() != caps) {
            let layout = video::VideoInfo::from_caps(caps).map_err(|_| SHAPELESS)?;
            progress.layout = Some((caps.to_owned(), layout));
        }
        let (_, layout) = progress.layout.as_ref().ok_or(SHAPELESS)?;
        let frame = buffer.duration().or_else(|| nominal(layout.fps())).unwrap_or_default();
        let pixels = Pixels::new(buffer, layout).ok_or(SHAPELESS)?;
        progress.frame = frame;
        progress.end = progress.end.max(stream + frame);
        progress.declared = stop;
        Ok((at, pixels))
    }

    /// The end of the stream has come through the graph, behind the last frame.
    pub fn ended(&self, sink: &app::AppSink) {
        let Inner { board, camera, run, source, pace, desk, .. } = &*self.0;
        let how = if !source.ends() {
            Err(Fault::ConnectionLost { element: "source".into(), reason: "the stream ended".into() })
        } else {
            self.whole(sink.query_duration())
        };
        match (how, source) {
            (Ok(()), Source::File { repeat: true, .. }) if *pace == Pace::Live => {
                desk.rewind(*run);
            }
            (how, _) => board.close(*camera, *run, how),
        }
    }

    /// Whether the recording came to its declared end. GStreamer ends a cut mp4 with its index in front as if
    /// it were whole.
    fn whole(&self, container: Option<gst::ClockTime>) -> Result<(), Fault> {
        let progress = self.progress();
        if !self.0.entered.load(Ordering::Relaxed) {
            return Err(Fault::Damaged {
                element: "decoder".into(),
                reason: "it ends without a frame".into(),
            });
        }
        // Only a container declares; a bare stream's duration is a guess from its size.
        let Some(demuxed) = progress.demuxed else { return Ok(()) };
        let (got, declared, slack) = match (progress.declared, container) {
            (Some(video), _) => (progress.end, video, ROUNDED),
            // The whole container's: audio may last longer than the pictures.
            (None, Some(container)) => (progress.end.max(demuxed), container, GUESSED),
            (None, None) => return Ok(()),
        };
        let allowed = progress.frame * 2 + slack;
        if got + allowed < declared {
            return Err(Fault::Truncated { got: progress.end.into(), declared: declared.into() });
        }
        Ok(())
    }

    /// The camera gives no frame after those that are on their way.
    pub fn fail(&self, fault: Fault) {
        let Inner { board, camera, run, entered, .. } = &*self.0;
        if entered.load(Ordering::Relaxed) {
            board.doom(*camera, *run, fault);
        } else {
            board.close(*camera, *run, Err(fault));
        }
    }

    /// The container's streams are known and none is video.
    pub fn without_video(&self) {
        let missing = self.progress().missing.take();
        self.fail(match missing {
            Some(what) => Fault::MissingPlugin { what, package: reason::CODECS },
            None => Fault::NoVideo,
        });
    }

    /// One of the container's streams has come to this stream time.
    pub fn demuxed(&self, at: gst::ClockTime) {
        let mut progress = self.progress();
        progress.demuxed = progress.demuxed.max(Some(at));
    }

    /// A message on the bus.
    pub fn message(&self, message: &gst::Message) {
        match message.view() {
            gst::MessageView::Error(error) => {
                let missing = self.progress().missing.take();
                let playing = self.0.entered.load(Ordering::Relaxed);
                self.fail(reason::of(error, &self.0.source, playing, missing));
            }
            gst::MessageView::Warning(warning) => {
                let element = warning.src().map(|s| s.name().to_string()).unwrap_or_default();
                let reason = reason::without_credentials(&warning.error().to_string(), &self.0.source);
                tracing::warn!(camera = self.0.camera.index(), element, reason, "a graph warns");
            }
            gst::MessageView::Element(element) => {
                // As GStreamer's own library for it reads the message; that library is not worth a dependency.
                if let Some(s) = element.structure().filter(|s| s.name() == "missing-plugin") {
                    self.progress().missing = s.get::<String>("name").ok();
                }
            }
            _ => {}
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a frame lasts at this rate.
fn nominal(fps: gst::Fraction) -> Option<gst::ClockTime> {
    let (n, d) = (u64::try_from(fps.numer()).ok()?, u64::try_from(fps.denom()).ok()?);
    if n > 0 { gst::ClockTime::SECOND.mul_div_round(d, n) } else { None }
}
