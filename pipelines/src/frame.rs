//! One frame, on loan from its graph.

use std::time::Instant;

use cartvision_core::{MediaTime, Picture, PixelFormat};
use gstreamer_video::{VideoFormat, VideoFrame, prelude::*, video_frame::Readable};

/// A camera: its place in the list that the set was opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CameraIndex(pub usize);

/// A frame. It lends GStreamer's own buffer, which goes back to the graph's pool when the frame is dropped; so
/// keep few of them, and not for long.
pub struct Frame {
    /// Whose it is.
    pub camera: CameraIndex,
    /// How many frames this camera's graph gave before it, those dropped unread included.
    pub index: u64,
    /// Live: when it was captured, on the time line of the set. Replay: its time in the recording, whose first
    /// frame is at 0.
    pub at: MediaTime,
    /// To measure latency by. Live: the same moment as `at`. Replay: when it left the graph.
    pub captured: Instant,
    pub(crate) pixels: Pixels,
}

impl Frame {
    /// The pixels, without a copy.
    pub fn picture(&self) -> Picture<'_> {
        let Pixels { video, format, stride } = &self.pixels;
        Picture {
            // A packed format has a plane 0 in every mapped frame.
            data: video.plane_data(0).unwrap_or_default(),
            width: video.width() as usize,
            height: video.height() as usize,
            stride: *stride,
            format: *format,
        }
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { camera, index, at, .. } = self;
        write!(f, "Frame {{ camera: {}, index: {index}, at: {} ns }}", camera.0, at.ns)
    }
}

/// A mapped buffer in one of the formats that a [`Picture`] can have.
pub(crate) struct Pixels {
    video: VideoFrame<Readable>,
    format: PixelFormat,
    stride: usize,
}

impl Pixels {
    /// `None` for a format or a layout that no [`Picture`] has.
    pub fn new(video: VideoFrame<Readable>) -> Option<Self> {
        let format = match video.format() {
            VideoFormat::Rgb => PixelFormat::Rgb,
            VideoFormat::Rgbx | VideoFormat::Rgba => PixelFormat::Rgbx,
            _ => return None,
        };
        // A negative stride is a picture stored from the bottom: our caps never ask for one.
        let stride = usize::try_from(*video.plane_stride().first()?).ok()?;
        Some(Self { video, format, stride })
    }
}
