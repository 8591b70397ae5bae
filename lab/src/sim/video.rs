//! Pictures into an MP4 file: H.264 at the bitrate of a cart's camera.

use std::path::{Path, PathBuf};

use cartvision_sim::{Difficulty, Order};
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::AppSrc;

use super::Error;

/// Pictures on their way to the encoder, one in its hands and one in ours; when all are under way the renderer waits.
/// This is the one bound: the source's own queue must not block, for nobody wakes it when the graph has failed.
const UNDER_WAY: u32 = 6;

/// A video that is being written.
pub(super) struct Video {
    file: PathBuf,
    pipeline: gst::Pipeline,
    source: AppSrc,
    /// Pictures' memory, used again and again.
    pool: gst::BufferPool,
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
        let failed = |what: String| Error::Video { file: file.to_owned(), what };
        let graph = format!(
            "appsrc name=source format=time block=false max-buffers=0 max-bytes=0 max-time=0 \
             caps=video/x-raw,format=RGB,width={},height={},framerate={}/1 \
             ! videoconvert ! openh264enc name=encoder bitrate={bits} rate-control=bitrate complexity=low gop-size={} \
             multi-thread=1 ! h264parse name=parser ! mp4mux faststart=true ! filesink name=sink",
            order.width,
            order.height,
            order.fps,
            order.fps * 2
        );
        let pipeline = gst::parse::launch(&graph).map_err(|e| Error::GStreamer(e.to_string()))?;
        let pipeline = pipeline
            .downcast::<gst::Pipeline>()
            .map_err(|_| Error::GStreamer("the graph is no pipeline".to_owned()))?;
        let part = |name: &str| {
            pipeline.by_name(name).ok_or_else(|| Error::GStreamer(format!("the graph has no {name}")))
        };
        part("sink")?.set_property("location", file);
        let source = part("source")?
            .downcast::<AppSrc>()
            .map_err(|_| Error::GStreamer("the source is no appsrc".to_owned()))?;
        // The encoder keeps nothing back, and when it is asked to give out the rest it complains on standard error:
        // the end of the stream goes round it.
        if let (Some(into), Some(past)) =
            (part("encoder")?.static_pad("sink"), part("parser")?.static_pad("sink"))
        {
            into.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| match info.data.take() {
                Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Eos => {
                    past.send_event(event);
                    gst::PadProbeReturn::Handled
                }
                data => {
                    info.data = data;
                    gst::PadProbeReturn::Ok
                }
            });
        }
        let pool = gst::BufferPool::new();
        let mut about = pool.config();
        about.set_params(None, (order.width * order.height * 3) as u32, 2, UNDER_WAY);
        pool.set_config(about).and_then(|()| pool.set_active(true)).map_err(|e| failed(e.to_string()))?;
        pipeline.set_state(gst::State::Playing).map_err(|e| failed(e.to_string()))?;
        let frame = gst::ClockTime::SECOND;
        Ok(Self { file: file.to_owned(), pipeline, source, pool, frame: frame / u64::from(order.fps.max(1)) })
    }

    /// Adds a picture: RGB, row by row. Waits for memory until the encoder gives some back.
    pub(super) fn push(&mut self, picture: &[u8], number: u32) -> Result<(), Error> {
        let at_once = gst::BufferPoolAcquireParams::with_flags(gst::BufferPoolAcquireFlags::DONTWAIT);
        let mut buffer = loop {
            match self.pool.acquire_buffer(Some(&at_once)) {
                Ok(buffer) => break buffer,
                // None is free: unless the graph has failed, one soon is.
                Err(gst::FlowError::Eos) => match self.failure() {
                    Some(failure) => return Err(failure),
                    None => std::thread::sleep(std::time::Duration::from_millis(1)),
                },
                Err(flow) => return Err(self.failed(flow.to_string())),
            }
        };
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(self.frame * u64::from(number));
            buffer.set_duration(self.frame);
            buffer
                .copy_from_slice(0, picture)
                .map_err(|_| self.failed("a picture of another size".to_owned()))?;
        }
        match self.source.push_buffer(buffer) {
            Ok(_) => Ok(()),
            Err(flow) => Err(self.failure().unwrap_or_else(|| self.failed(flow.to_string()))),
        }
    }

    /// Closes the file.
    pub(super) fn finish(self) -> Result<(), Error> {
        self.source.end_of_stream().map_err(|e| self.failed(e.to_string()))?;
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

    /// What the graph says went wrong.
    fn failure(&self) -> Option<Error> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(e) => Some(self.failed(told(e))),
            _ => None,
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
