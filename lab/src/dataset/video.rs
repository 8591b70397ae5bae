//! The frames of a recorded video, in order, scaled in the graph.
//!
//! ```text
//! filesrc → decodebin → [frames nobody wants end here] → videoscale → videoconvert → caps → appsink
//! ```

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as app;
use gstreamer_video::{VideoFrameExt as _, VideoFrameRef, VideoInfo};
use image::RgbImage;

use super::Error;
use crate::halt::Halt;

/// Decoded frames that wait for us.
const AHEAD: u32 = 4;
/// How often we look whether we are to stop, or something broke.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// A graph that decodes nothing for so long is stuck (`decodebin` loses some errors of demuxers).
const STUCK: Duration = Duration::from_secs(60);

/// A frame of a video.
pub(super) struct Frame {
    /// From 0.
    pub(super) index: u64,
    pub(super) picture: RgbImage,
}

/// What the graph's thread tells ours.
#[derive(Default)]
struct Progress {
    decoded: u64,
    /// Indices of the frames that are on their way to the sink; at most as many as fit into the graph.
    under_way: VecDeque<u64>,
    first: Option<gst::ClockTime>,
    /// Width and height before scaling.
    size: Option<(u32, u32)>,
    /// The largest distance of a frame's time from where its index puts it, seconds.
    jitter: f64,
}

/// A video that is being decoded. Stops when dropped.
pub(super) struct Video {
    file: PathBuf,
    pipeline: gst::Pipeline,
    sink: app::AppSink,
    progress: Arc<Mutex<Progress>>,
    halt: Halt,
}

impl Video {
    /// Opens a video of `fps` frames a second; frames for which `wanted` is false are decoded and dropped. Pictures come
    /// in `size`, stretched where the aspect differs.
    pub(super) fn open(
        file: &Path,
        fps: f64,
        size: (u32, u32),
        wanted: impl Fn(u64) -> bool + Send + Sync + 'static,
        halt: &Halt,
    ) -> Result<Self, Error> {
        let failed = |reason: String| Error::Video { file: file.to_owned(), reason };
        gst::init().map_err(|e| Error::System { reason: format!("GStreamer: {e}") })?;
        let pipeline = gst::Pipeline::new();
        let source = element("filesrc")?;
        source.set_property("location", file);
        let (decoder, scale, convert) =
            (element("decodebin")?, element("videoscale")?, element("videoconvert")?);
        scale.set_property("add-borders", false);
        let side = |side: u32| i32::try_from(side).unwrap_or(i32::MAX);
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "RGB")
            .field("width", side(size.0))
            .field("height", side(size.1))
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .build();
        let sink = app::AppSink::builder()
            .caps(&caps)
            .sync(false)
            .max_buffers(AHEAD)
            .enable_last_sample(false)
            .build();
        let wrong = |e: gst::glib::BoolError| failed(e.message.to_string());
        pipeline.add_many([&source, &decoder, &scale, &convert, sink.upcast_ref()]).map_err(wrong)?;
        source.link(&decoder).map_err(wrong)?;
        gst::Element::link_many([&scale, &convert, sink.upcast_ref()]).map_err(wrong)?;
        let entry = scale.static_pad("sink").ok_or_else(|| failed("videoscale has no input".to_owned()))?;
        let progress = Arc::<Mutex<Progress>>::default();
        watch(&entry, fps, progress.clone(), wanted);
        decoder.connect_pad_added(move |_, pad| {
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let video = caps.structure(0).is_some_and(|s| s.name() == "video/x-raw");
            if video && !entry.is_linked() {
                // A refused link leaves the sink without a frame, which is told then.
                let _ = pad.link(&entry);
            }
        });
        if let Some(bin) = decoder.downcast_ref::<gst::Bin>() {
            bin.connect_deep_element_added(|_, _, element| {
                // This thread encodes: one more decodes.
                if element.factory().is_some_and(|factory| factory.name().starts_with("avdec_"))
                    && element.has_property_with_type("max-threads", i32::static_type())
                {
                    element.set_property("max-threads", 1);
                }
            });
        }
        let video = Self { file: file.to_owned(), pipeline, sink, progress, halt: halt.clone() };
        if video.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(video.said().unwrap_or_else(|| failed("it cannot be played".to_owned())));
        }
        Ok(video)
    }

    /// The next wanted frame; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Error> {
        let mut before = self.decoded();
        let mut moved = Instant::now();
        loop {
            self.halt.check()?;
            if let Some(sample) = self.sink.try_pull_sample(LOOK) {
                return self.frame(&sample).map(Some);
            }
            if let Some(error) = self.said() {
                return Err(error);
            }
            if self.sink.is_eos() {
                return Ok(None);
            }
            let decoded = self.decoded();
            if decoded != before {
                (before, moved) = (decoded, Instant::now());
            } else if moved.elapsed() > STUCK {
                return Err(self.failed("it cannot be decoded: no frame comes".to_owned()));
            }
        }
    }

    /// How many frames were decoded so far, wanted or not.
    pub(super) fn decoded(&self) -> u64 {
        self.progress().decoded
    }

    /// The frames' own size; `None` before the first.
    pub(super) fn size(&self) -> Option<(u32, u32)> {
        self.progress().size
    }

    /// How far at most a frame was from its time, seconds.
    pub(super) fn jitter(&self) -> f64 {
        self.progress().jitter
    }

    fn frame(&self, sample: &gst::Sample) -> Result<Frame, Error> {
        const SHAPELESS: &str = "a frame has another layout than was asked for";
        let picture = || {
            let info = VideoInfo::from_caps(sample.caps()?).ok()?;
            let frame = VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info).ok()?;
            let stride = usize::try_from(*frame.plane_stride().first()?).ok()?;
            let row = usize::try_from(info.width()).ok()? * 3;
            let rows = frame.plane_data(0).ok()?.chunks(stride);
            let pixels: Vec<u8> = rows
                .take(usize::try_from(info.height()).ok()?)
                .filter_map(|line| line.get(..row))
                .flatten()
                .copied()
                .collect();
            RgbImage::from_raw(info.width(), info.height(), pixels)
        };
        let picture = picture().ok_or_else(|| self.failed(SHAPELESS.to_owned()))?;
        let index = self.progress().under_way.pop_front();
        let index = index.ok_or_else(|| self.failed("a frame came from nowhere".to_owned()))?;
        Ok(Frame { index, picture })
    }

    /// What an element has said to be wrong.
    fn said(&self) -> Option<Error> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        let gst::MessageView::Error(error) = message.view() else { return None };
        let element = error.src().map(|source| source.name().to_string()).unwrap_or_default();
        Some(self.failed(format!("cannot decode it ({element}: {})", error.error().message())))
    }

    fn failed(&self, reason: String) -> Error {
        Error::Video { file: self.file.clone(), reason }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        // Nothing is left to do for a graph that does not even stop.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Counts decoded frames, and lets those through that are wanted.
fn watch(
    entry: &gst::Pad,
    fps: f64,
    progress: Arc<Mutex<Progress>>,
    wanted: impl Fn(u64) -> bool + Send + Sync + 'static,
) {
    entry.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        let index = progress.decoded;
        progress.decoded += 1;
        if progress.size.is_none() {
            let caps = pad.current_caps();
            progress.size =
                caps.and_then(|caps| VideoInfo::from_caps(&caps).ok()).map(|i| (i.width(), i.height()));
        }
        if let Some(time) = info.buffer().and_then(|buffer| buffer.pts()) {
            let first = *progress.first.get_or_insert(time);
            let at = time.saturating_sub(first).nseconds() as f64 / 1e9;
            progress.jitter = progress.jitter.max((at - index as f64 / fps).abs());
        }
        if !wanted(index) {
            // The binding has given the buffer up already: `Drop` would free it twice.
            return gst::PadProbeReturn::Handled;
        }
        progress.under_way.push_back(index);
        gst::PadProbeReturn::Ok
    });
}

fn element(factory: &str) -> Result<gst::Element, Error> {
    gst::ElementFactory::make(factory)
        .build()
        .map_err(|_| Error::System { reason: format!("GStreamer has no element {factory}") })
}
