//! What is asked of a camera.

use std::{fmt, num::NonZeroU32, path::PathBuf, time::Duration};

use serde::Deserialize;
use thiserror::Error;

/// How long a camera may take to its first frame, unless told otherwise.
pub const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(10);
/// How long a live camera may pause when nothing else is said.
pub const NEXT_FRAME_WITHIN: Duration = Duration::from_secs(5);
/// How long a live camera may give the same picture when nothing else is said. A sensor's noise never repeats, and an
/// encoder's next key frame comes within seconds.
pub const FROZEN_WITHIN: Duration = Duration::from_secs(30);

/// A camera's name: 1 to 64 of `A-Z a-z 0-9 . _ -`, so that it fits into topics, metrics and file names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct CameraName(String);

/// A name that no camera can have.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no camera name: use 1 to 64 letters, digits, '.', '_' or '-'")]
pub struct CameraNameError(String);

impl CameraName {
    /// Takes `name` if it is one.
    pub fn new(name: impl Into<String>) -> Result<Self, CameraNameError> {
        let name = name.into();
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if (1..=64).contains(&name.len()) && name.bytes().all(fits) {
            Ok(Self(name))
        } else {
            Err(CameraNameError(name))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CameraName {
    type Error = CameraNameError;
    fn try_from(name: String) -> Result<Self, CameraNameError> {
        Self::new(name)
    }
}

impl fmt::Display for CameraName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CameraName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Frames a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Rate(pub NonZeroU32);

/// One camera and what is wanted of it.
#[derive(Clone, Debug)]
pub struct CameraSettings {
    /// Unique in a set.
    pub name: CameraName,
    /// Where its frames come from.
    pub source: Source,
    /// A cap on frames a second; frames above it are dropped in the graph, before they cost anything. Live only.
    pub rate: Option<Rate>,
    /// Besides the frames a JPEG of the whole picture, at most so many a second ([`FrameSet::still`](crate::FrameSet::still)).
    /// Live only.
    pub stills: Option<Rate>,
    /// Frames are at most this wide, pixels.
    pub max_width: usize,
    /// Frames are at most this high, pixels.
    pub max_height: usize,
    /// A camera without a frame after this long has failed.
    pub first_frame_within: Duration,
    /// A live camera that gave frames, and none for this long, has failed: drivers stop without a word.
    pub next_frame_within: Duration,
    /// A live camera whose picture is the same for this long has failed: drivers give old buffers as new ones. `None`:
    /// it may.
    pub frozen_within: Option<Duration>,
}

impl CameraSettings {
    /// A camera without a cap on its rate and without stills, with [`FIRST_FRAME_WITHIN`], [`NEXT_FRAME_WITHIN`] and [`FROZEN_WITHIN`].
    pub fn new(name: CameraName, source: Source, max_width: usize, max_height: usize) -> Self {
        let (first_frame_within, next_frame_within) = (FIRST_FRAME_WITHIN, NEXT_FRAME_WITHIN);
        let frozen_within = Some(FROZEN_WITHIN);
        Self {
            name,
            source,
            rate: None,
            stills: None,
            max_width,
            max_height,
            first_frame_within,
            next_frame_within,
            frozen_within,
        }
    }
}

/// Where frames come from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// A recording, in any container and codec that GStreamer decodes. A rotation tag is honoured.
    File {
        /// The file.
        path: PathBuf,
        /// Start over at the end (live only).
        #[serde(default)]
        repeat: bool,
    },
    /// A USB camera or another one of Video4Linux.
    V4l2 {
        /// `/dev/v4l/by-id/…` or `by-path/…`: `/dev/videoN` may be another camera after a restart.
        device: PathBuf,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Frames a second.
        framerate: Rate,
        /// What the camera sends.
        format: PixelStream,
    },
    /// A network camera.
    Rtsp {
        /// `rtsp://` or `rtsps://`, with user and password if it wants them.
        url: RtspUrl,
        /// How long the jitter buffer holds packets, milliseconds.
        latency_ms: u32,
        /// How packets travel.
        transport: Transport,
    },
    /// A CSI sensor of a Jetson, through Argus. Written to NVIDIA's documented caps; never run on hardware yet.
    Csi {
        /// The sensor's number in the device tree.
        sensor_id: u32,
        /// Pixels; with height and framerate one of the sensor's modes.
        width: u32,
        /// Pixels.
        height: u32,
        /// Frames a second.
        framerate: Rate,
    },
    /// A moving picture without a camera.
    Test {
        /// What it shows.
        pattern: Pattern,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Frames a second.
        framerate: Rate,
        /// Ends after this many frames; without it, never.
        frames: Option<u32>,
    },
}

impl Source {
    /// Whether its end is an end, and not a loss.
    pub(crate) fn ends(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Test { .. })
    }
}

/// What a V4L2 camera sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PixelStream {
    /// Uncompressed.
    Raw,
    /// A JPEG per frame: what fits through USB 2 above 640×480.
    Mjpeg,
}

/// How RTP packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Within the RTSP connection: nothing lost, later under congestion.
    Tcp,
    /// On their own: lost under congestion, never late.
    Udp,
}

/// What the test source shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Colour bars.
    Smpte,
    /// A ball that moves.
    Ball,
    /// Noise.
    Snow,
    /// Black.
    Black,
}

/// An RTSP address. It never shows its user and password: neither by `Debug` nor by `Display`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RtspUrl(String);

/// An address that is none of RTSP's. It does not repeat the address, which may hold a password.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "no RTSP address: it must look like rtsp://host[:port]/path or rtsp://user:password@host[:port]/path"
)]
pub struct RtspUrlError;

impl RtspUrl {
    /// Takes `url` if it is one.
    pub fn new(url: impl Into<String>) -> Result<Self, RtspUrlError> {
        let url = url.into();
        match url.split_once("://") {
            Some(("rtsp" | "rtsps" | "rtspt", rest)) if !authority(rest).1.is_empty() => Ok(Self(url)),
            _ => Err(RtspUrlError),
        }
    }

    /// With user and password: for the connection and nothing else.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// `user:password`, if given.
    pub(crate) fn credentials(&self) -> Option<&str> {
        let (_, rest) = self.0.split_once("://")?;
        authority(rest).0
    }
}

/// Splits what follows `://` into user information and the rest (host first).
fn authority(rest: &str) -> (Option<&str>, &str) {
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..host_end].rfind('@') {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    }
}

impl TryFrom<String> for RtspUrl {
    type Error = RtspUrlError;
    fn try_from(url: String) -> Result<Self, RtspUrlError> {
        Self::new(url)
    }
}

impl fmt::Display for RtspUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("rtsp", ""));
        let (user, host) = authority(rest);
        write!(f, "{scheme}://{}{host}", if user.is_some() { "…@" } else { "" })
    }
}

impl fmt::Debug for RtspUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// How frames are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Newest wins; moments are those of the monotonic clock since the set was opened.
    Live,
    /// Every frame, in the order of media time; moments are the recording's own.
    Lossless {
        /// Not faster than the recording.
        realtime: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "rim-left", "Cam_2", "a.b", "x".repeat(64).as_str()] {
            assert_eq!(CameraName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "ä", "a/b", "x".repeat(65).as_str(), "a\n"] {
            assert!(CameraName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_hide_their_credentials() {
        for (given, shown, credentials) in [
            ("rtsp://10.0.0.7/a", "rtsp://10.0.0.7/a", None),
            ("rtsp://u:p@10.0.0.7:554/a", "rtsp://…@10.0.0.7:554/a", Some("u:p")),
            ("rtsp://u:p@ss@cam/a@b", "rtsp://…@cam/a@b", Some("u:p@ss")),
            ("rtsps://cam?x=a@b", "rtsps://cam?x=a@b", None),
        ] {
            let url = RtspUrl::new(given).unwrap();
            assert_eq!((url.to_string().as_str(), url.credentials()), (shown, credentials), "{given}");
            assert_eq!(format!("{url:?}"), shown, "{given}");
        }
        for bad in ["", "http://a/b", "rtsp:/a", "rtsp://", "rtsp://u:p@"] {
            let error = RtspUrl::new(bad).unwrap_err();
            assert!(!error.to_string().contains("u:p@"), "{bad:?}");
        }
    }
}
