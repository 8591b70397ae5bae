//! What can go wrong with a camera, and what to do about it.

use std::{fmt, path::PathBuf, time::Duration};

use thiserror::Error;

use crate::settings::CameraName;

/// A camera that cannot be used, or no longer. It never holds credentials.
///
/// [`FrameSet::open`](crate::FrameSet::open) gives one before the run,
/// [`What::Failed`](crate::What::Failed) during it.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("camera {camera}: {fault}")]
pub struct CaptureError {
    /// Whose error it is.
    pub camera: CameraName,
    /// What is wrong.
    pub fault: Fault,
}

/// Width and height of the picture as shown, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// What is wrong with a camera.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The settings contradict themselves or the pace.
    #[error("{0}")]
    Settings(String),
    /// The file is not there.
    #[error("no such file: {}; check the path", path.display())]
    NoSuchFile {
        /// The path as given.
        path: PathBuf,
    },
    /// A directory, a socket, …
    #[error("{} is not a file; give the path of a video file", path.display())]
    NotAFile {
        /// The path as given.
        path: PathBuf,
    },
    /// The file is there, but cannot be read.
    #[error("cannot read {}: {reason}; check its permissions", path.display())]
    Unreadable {
        /// The path as given.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file holds nothing.
    #[error("{} is empty (0 bytes); record or copy it again", path.display())]
    EmptyFile {
        /// The path as given.
        path: PathBuf,
    },
    /// The content is no media that GStreamer knows.
    #[error("not a video ({element}: {reason}); give a file that `gst-discoverer-1.0` can read")]
    NotMedia {
        /// The element that refused.
        element: String,
        /// What it said.
        reason: String,
    },
    /// Media without a video stream.
    #[error("there is no video stream in it (audio only?); give a file or stream with video")]
    NoVideo,
    /// GStreamer lacks an element.
    #[error("GStreamer has no plugin for {what}; install {package}")]
    MissingPlugin {
        /// What cannot be handled.
        what: String,
        /// The system package, or packages, that may bring it.
        package: &'static str,
    },
    /// The camera device is not there.
    #[error("no camera at {}; check the cable and `ls /dev/v4l/by-id`", device.display())]
    DeviceMissing {
        /// The path as given.
        device: PathBuf,
    },
    /// Another program has the camera device.
    #[error("{} is in use by another program; `fuser -v {}` names it", device.display(), device.display())]
    DeviceBusy {
        /// The path as given.
        device: PathBuf,
    },
    /// The network camera refused user or password.
    #[error("{address} refuses the user or password; correct them in the camera's url")]
    Unauthorized {
        /// The address, without credentials.
        address: String,
    },
    /// The network camera was not reached, or has no such stream.
    #[error("cannot play {address} ({element}: {reason}); check address, path and network")]
    Unreachable {
        /// The address, without credentials.
        address: String,
        /// The element that failed.
        element: String,
        /// What it said.
        reason: String,
    },
    /// A camera that had given frames went away.
    #[error(
        "the connection was lost ({element}: {reason}); check power, cable and network, then reopen the camera"
    )]
    ConnectionLost {
        /// The element that failed.
        element: String,
        /// What it said.
        reason: String,
    },
    /// No frame within the time that was given.
    #[error("no frame within {:.1} s; check that the source runs and sends video", waited.as_secs_f32())]
    NoFrame {
        /// How long was waited.
        waited: Duration,
    },
    /// It gave frames, and none for so long.
    #[error("no further frame for {:.1} s; check power, cable and network, then reopen the camera", waited.as_secs_f32())]
    Silent {
        /// How long was waited.
        waited: Duration,
    },
    /// It gives the same picture again and again.
    #[error("the picture has not changed at all for {:.1} s: a frozen camera; check power and cable, then reopen it (a source that may stand still: frozen_s = 0)", same.as_secs_f32())]
    Frozen {
        /// For how long.
        same: Duration,
    },
    /// The source changed its picture size under way.
    #[error(
        "the picture size changes midway from {old} to {new}; zones and models are set for one size: split the recording or fix the camera's resolution"
    )]
    SizeChanged {
        /// Size of the frames so far.
        old: Size,
        /// Size of the next one.
        new: Size,
    },
    /// The recording ends well before its declared duration.
    #[error("the recording is cut off: it ends at {:.2} s of {:.2} s; copy or record it again", got.as_secs_f64(), declared.as_secs_f64())]
    Truncated {
        /// Where the last good frame ends.
        got: Duration,
        /// Where it should.
        declared: Duration,
    },
    /// The content is damaged.
    #[error(
        "damaged video ({element}: {reason}); check the file with `gst-discoverer-1.0`, copy or record it again"
    )]
    Damaged {
        /// The element that gave up.
        element: String,
        /// What it said.
        reason: String,
    },
    /// Anything else that an element reports.
    #[error("element {element}: {reason}; run with GST_DEBUG=3 for more")]
    Element {
        /// The element that failed.
        element: String,
        /// What it said.
        reason: String,
    },
}
