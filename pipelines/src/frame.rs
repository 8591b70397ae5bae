//! One frame, on loan from its graph.

use std::time::Instant;

use cartvision_core::{CameraId, MediaTime, Picture, PixelFormat};
use gstreamer as gst;
use gstreamer_video::{VideoFormat, VideoInfo, VideoMeta};

/// A frame. It lends GStreamer's own buffer, which goes back to the graph's pool when the frame is dropped; so
/// keep few of them, and not for long.
pub struct Frame {
    /// Whose it is.
    pub camera: CameraId,
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
        let Pixels { buffer, offset, width, height, stride, format } = &self.pixels;
        // In range: looked at when the frame was made.
        let data = buffer.as_slice().get(*offset..).unwrap_or_default();
        Picture { data, width: *width, height: *height, stride: *stride, format: *format }
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { camera, index, at, .. } = self;
        write!(f, "Frame {{ camera: {}, index: {index}, at: {} ns }}", camera.index(), at.ns)
    }
}

/// A JPEG of a whole picture, in the size that the camera gives. A recording that lies on its side is upright where the CPU
/// decodes, and stays as it lies where a Jetson does.
pub struct Still {
    /// When it was captured, on the time line of the set: the same as its frame's.
    pub at: MediaTime,
    pub(crate) jpeg: gst::MappedBuffer<gst::buffer::Readable>,
}

impl Still {
    /// The JPEG, as a file holds it.
    pub fn jpeg(&self) -> &[u8] {
        self.jpeg.as_slice()
    }
}

impl std::fmt::Debug for Still {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Still {{ at: {} ns, {} bytes }}", self.at.ns, self.jpeg.len())
    }
}

/// A mapped buffer with one of the layouts that a [`Picture`] can have. (Not GStreamer's own `VideoFrame`: with
/// its four planes and four mappings it is five times as big, and frames are moved about.)
pub(crate) struct Pixels {
    buffer: gst::MappedBuffer<gst::buffer::Readable>,
    offset: usize,
    width: usize,
    height: usize,
    stride: usize,
    format: PixelFormat,
}

/// One in so many pieces of eight bytes is looked at to tell whether a picture is the one before. Odd, so that columns
/// take turns from row to row.
const SPARSE: usize = 61;

impl Pixels {
    /// A number that another picture has by chance alone.
    pub fn mark(&self) -> u64 {
        let data = self.buffer.as_slice().get(self.offset..).unwrap_or_default();
        data.chunks_exact(8).step_by(SPARSE).fold(0xcbf2_9ce4_8422_2325, |mark: u64, piece| {
            let piece = piece.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            (mark ^ piece).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
        })
    }

    /// `None` for a layout that no [`Picture`] has.
    pub fn new(buffer: gst::Buffer, layout: &VideoInfo) -> Option<Self> {
        let format = match layout.format() {
            VideoFormat::Rgb => PixelFormat::Rgb,
            VideoFormat::Rgbx | VideoFormat::Rgba => PixelFormat::Rgbx,
            _ => return None,
        };
        // What lies in the buffer is the meta's to say; the caps only tell the usual layout.
        let (stride, offset) = match buffer.meta::<VideoMeta>() {
            Some(meta) => (*meta.stride().first()?, *meta.offset().first()?),
            None => (*layout.stride().first()?, *layout.offset().first()?),
        };
        // A negative stride is a picture stored from the bottom: our caps never ask for one.
        let stride = usize::try_from(stride).ok()?;
        let (width, height) = (layout.width() as usize, layout.height() as usize);
        let row = width * format.bytes_per_pixel();
        let buffer = buffer.into_mapped_buffer_readable().ok()?;
        let end = offset + stride * height.checked_sub(1)? + row;
        (stride >= row && end <= buffer.len()).then_some(Self {
            buffer,
            offset,
            width,
            height,
            stride,
            format,
        })
    }
}
