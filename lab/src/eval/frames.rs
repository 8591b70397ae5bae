//! Single pictures of a recording, small, as JPEGs.
//!
//! `filesrc ! decodebin ! videoconvert ! videoscale ! jpegenc ! appsink`, one accurate seek for each picture: a report
//! shows tens of them, out of hours.

use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;

/// Pixels; the height follows.
const WIDTH: i32 = 240;
const QUALITY: i32 = 75;
/// No picture takes longer to come; then the file is at fault.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// Why there are no pictures.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoFrames {
    #[error("GStreamer: {0}")]
    Start(#[from] gst::glib::Error),
    #[error("GStreamer has no {0}")]
    Element(String),
    #[error("the video cannot be decoded: {0}")]
    Video(String),
}

impl From<gst::glib::BoolError> for NoFrames {
    fn from(error: gst::glib::BoolError) -> Self {
        Self::Element(error.to_string())
    }
}

/// A recording that is open.
pub(super) struct Film {
    pipeline: gst::Pipeline,
    sink: AppSink,
}

impl Film {
    pub(super) fn open(video: &Path) -> Result<Self, NoFrames> {
        gst::init()?;
        let pipeline = gst::Pipeline::new();
        // Owned from here, so that it is stopped however this ends.
        let element = |name: &str| gst::ElementFactory::make(name).build();
        let source = element("filesrc")?;
        source.set_property("location", video);
        let decoder = element("decodebin")?;
        let (convert, scale, encoder) =
            (element("videoconvert")?, element("videoscale")?, element("jpegenc")?);
        encoder.set_property("quality", QUALITY);
        let size = gst::Caps::builder("video/x-raw")
            .field("width", WIDTH)
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .build();
        let filter = element("capsfilter")?;
        filter.set_property("caps", size);
        let sink = AppSink::builder().sync(false).max_buffers(1).build();
        let film = Self { pipeline, sink };
        let sink: &gst::Element = film.sink.upcast_ref();
        let chain = [&convert, &scale, &filter, &encoder, sink];
        film.pipeline.add_many([&source, &decoder])?;
        film.pipeline.add_many(chain)?;
        source.link(&decoder)?;
        gst::Element::link_many(chain)?;
        let entry = convert.downgrade();
        decoder.connect_pad_added(move |_, pad| {
            let video =
                pad.current_caps().is_some_and(|c| c.structure(0).is_some_and(|s| s.name() == "video/x-raw"));
            let entry = entry.upgrade().and_then(|entry| entry.static_pad("sink"));
            if let Some(entry) = entry.filter(|entry| video && !entry.is_linked()) {
                // When it fails no picture comes, which is told.
                _ = pad.link(&entry);
            }
        });
        film.pipeline.set_state(gst::State::Paused).map_err(|_| film.fault())?;
        film.settled()?;
        Ok(film)
    }

    /// The picture at a moment (seconds) as a JPEG; `None` after the last one.
    pub(super) fn at(&self, moment: f64) -> Result<Option<Vec<u8>>, NoFrames> {
        let position = gst::ClockTime::from_nseconds((moment.max(0.0) * 1e9) as u64);
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        self.pipeline.seek_simple(flags, position).map_err(|_| self.fault())?;
        self.settled()?;
        let Some(sample) = self.sink.try_pull_preroll(gst::ClockTime::ZERO) else { return Ok(None) };
        let bytes = sample.buffer().and_then(|buffer| buffer.map_readable().ok());
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }

    /// Waits until a picture (or the end) is there.
    fn settled(&self) -> Result<(), NoFrames> {
        match self.pipeline.state(PATIENCE) {
            (Ok(gst::StateChangeSuccess::Success | gst::StateChangeSuccess::NoPreroll), _, _) => Ok(()),
            _ => Err(self.fault()),
        }
    }

    /// What the graph said, when it said anything.
    fn fault(&self) -> NoFrames {
        let message = self.pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        let said = message.as_ref().and_then(|message| match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        });
        NoFrames::Video(said.unwrap_or_else(|| "no picture comes".to_owned()))
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        // Its threads end with it; there is nothing to be done where that fails.
        _ = self.pipeline.set_state(gst::State::Null);
    }
}
