//! Pictures into an MP4 file: H.264 at the bitrate of a cart's camera.

use std::path::{Path, PathBuf};

use cartvision_sim::{Difficulty, Order};
use gstreamer::{self as gst, prelude::*};

use super::Error;

/// A video that is being written.
pub(super) struct Video {
    file: PathBuf,
    pipeline: gst::Pipeline,
    /// Where pictures go in. Nothing is linked to it: whoever pushes encodes, on their own thread. A source would bring
    /// a thread for each video, and with it an encoder's memory to one part of the heap after the other (`crew.rs`).
    into: gst::Pad,
    /// Where the end goes in. The encoder keeps nothing back, and when it is asked to give out the rest it complains on
    /// standard error: the end of the stream goes round it.
    past: gst::Pad,
    frame: gst::ClockTime,
}

impl Video {
    pub(super) fn create(file: &Path, order: &Order) -> Result<Self, Error> {
        // Cameras of carts compress; the harder the session, the harder.
        let bits = match order.difficulty {
            Difficulty::Easy => 3_000_000,
            Difficulty::Normal => 1_800_000,
            Difficulty::Hard => 900_000,
        };
        let graph = format!(
            "videoconvert name=first ! openh264enc bitrate={bits} rate-control=bitrate complexity=low gop-size={} \
             multi-thread=1 ! h264parse name=parser ! mp4mux faststart=true ! filesink name=sink",
            order.fps * 2
        );
        let pipeline = gst::parse::launch(&graph).map_err(|e| Error::GStreamer(e.to_string()))?;
        let pipeline = pipeline
            .downcast::<gst::Pipeline>()
            .map_err(|_| Error::GStreamer("the graph is no pipeline".to_owned()))?;
        let part = |name: &str| {
            pipeline.by_name(name).ok_or_else(|| Error::GStreamer(format!("the graph has no {name}")))
        };
        let pad = |name: &str| {
            part(name)?.static_pad("sink").ok_or_else(|| Error::GStreamer(format!("{name} takes nothing")))
        };
        part("sink")?.set_property("location", file);
        let (into, past) = (pad("first")?, pad("parser")?);
        let frame = gst::ClockTime::SECOND / u64::from(order.fps.max(1));
        let video = Self { file: file.to_owned(), pipeline, into, past, frame };
        video.pipeline.set_state(gst::State::Playing).map_err(|e| video.failure(&e.to_string()))?;
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "RGB")
            .field("width", order.width as i32)
            .field("height", order.height as i32)
            .field("framerate", gst::Fraction::new(order.fps as i32, 1))
            .build();
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let begin = [
            gst::event::StreamStart::new("pictures"),
            gst::event::Caps::new(&caps),
            gst::event::Segment::new(&segment),
        ];
        for event in begin {
            if !video.into.send_event(event) {
                return Err(video.failure("the encoder takes no such pictures"));
            }
        }
        Ok(video)
    }

    /// Adds a picture: RGB, row by row. It is encoded when this returns.
    pub(super) fn push(&mut self, picture: &[u8], number: u32) -> Result<(), Error> {
        let mut buffer = gst::Buffer::from_slice(picture.to_vec());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(self.frame * u64::from(number));
            buffer.set_duration(self.frame);
        }
        match self.into.chain(buffer) {
            Ok(_) => Ok(()),
            Err(flow) => Err(self.failure(&flow.to_string())),
        }
    }

    /// Closes the file.
    pub(super) fn finish(self) -> Result<(), Error> {
        if !self.past.send_event(gst::event::Eos::new()) {
            return Err(self.failure("the end is not taken"));
        }
        let Some(bus) = self.pipeline.bus() else { return Err(self.failed("no bus".to_owned())) };
        for message in bus.iter_timed(gst::ClockTime::from_seconds(60)) {
            match message.view() {
                gst::MessageView::Eos(_) => return Ok(()),
                gst::MessageView::Error(e) => return Err(self.failed(told(e))),
                _ => {}
            }
        }
        Err(self.failed("the encoder did not end within 60 s".to_owned()))
    }

    /// What the graph says went wrong, or else what it came to.
    fn failure(&self, otherwise: &str) -> Error {
        let message = self.pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match message.as_ref().map(|m| m.view()) {
            Some(gst::MessageView::Error(e)) => self.failed(told(e)),
            _ => self.failed(otherwise.to_owned()),
        }
    }

    fn failed(&self, what: String) -> Error {
        Error::Video { file: self.file.clone(), what }
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        // Nothing is left to tell when it does not stop.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn told(e: &gst::message::Error) -> String {
    let of = e.src().map(|s| s.name().to_string()).unwrap_or_default();
    // The plug-in's own words name the cause ("No space left on device"), behind its source line.
    match e.debug().as_deref().and_then(|d| d.rsplit(":\n").next()).filter(|d| !d.is_empty()) {
        Some(detail) => format!("{of}: {} ({detail})", e.error()),
        None => format!("{of}: {}", e.error()),
    }
}
