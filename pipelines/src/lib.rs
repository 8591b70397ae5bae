//! Capture: one GStreamer graph per camera, and the set of their frames.
//!
//! A graph decodes, caps the rate, scales to the model's fitted size and converts the colour, on the device's
//! own blocks where they exist; what reaches us is the picture that the detector takes, with its capture time.
//! Where stills are asked for, a second branch makes JPEGs of whole pictures: evidence needs more pixels than inference.
//! Each camera has one slot for one frame ([`FrameSet`]): live, a newer frame replaces an unread one and the
//! loss is counted; in a replay the graph waits.
//!
//! Deliberately absent: audio (never decoded), deinterlacing, distortion correction, reconnection (a failed
//! camera is reported and may be [reopened](FrameSet::reopen)), and pixel code of our own.
//!
//! Runs with GStreamer 1.20 to 1.24; no newer interface is used.

mod attendant;
mod blocks;
mod board;
mod error;
mod frame;
mod graph;
mod port;
mod profile;
mod reason;
mod set;
mod settings;

pub use error::{CaptureError, Fault, Size};
pub use frame::{Frame, Still};
pub use set::{Counters, FrameSet, Taken, What};
pub use settings::{
    CameraName, CameraNameError, CameraSettings, FIRST_FRAME_WITHIN, FROZEN_WITHIN, NEXT_FRAME_WITHIN, Pace,
    Pattern, PixelStream, Rate, RtspUrl, RtspUrlError, Source, Transport,
};
