//! The kinds of cameras. One file each, all of one shape: `check` what the settings say, `build` the elements
//! that lead to the graph's `entry`.

mod csi;
mod decoder;
mod file;
mod rtsp;
mod test;
mod v4l2;

use gstreamer as gst;

use crate::{
    blocks::Blocks,
    error::Fault,
    port::Port,
    settings::{CameraSettings, Pace, Source},
};

/// Where a profile builds.
pub(crate) struct Site<'a> {
    pub pipeline: &'a gst::Pipeline,
    /// Takes decoded pictures of any size, and of the formats and the memory that `blocks` says.
    pub entry: &'a gst::Element,
    pub port: &'a Port,
    pub blocks: Blocks,
}

/// Whether such a camera can be opened at this pace.
pub(crate) fn check(settings: &CameraSettings, pace: Pace) -> Result<(), Fault> {
    if pace != Pace::Live {
        let why = match &settings.source {
            _ if settings.rate.is_some() => "a replay gives every frame; remove the cap on its rate",
            _ if settings.stills.is_some() => "a replay makes no stills; ask for none",
            Source::File { repeat: true, .. } => "a replay ends; remove `repeat`",
            Source::File { .. } | Source::Test { .. } => "",
            Source::V4l2 { .. } | Source::Rtsp { .. } | Source::Csi { .. } => {
                "a live camera cannot be replayed; record it and give the file"
            }
        };
        if !why.is_empty() {
            return Err(Fault::Settings(why.into()));
        }
    }
    Ok(())
}

/// Builds the elements of this camera's kind.
pub(crate) fn build(settings: &CameraSettings, pace: Pace, site: &Site<'_>) -> Result<(), Fault> {
    match &settings.source {
        Source::File { path, .. } => file::build(path, site),
        Source::V4l2 { device, width, height, framerate, format } => {
            v4l2::build(device, (*width, *height), *framerate, *format, site)
        }
        Source::Rtsp { url, latency_ms, transport } => rtsp::build(url, *latency_ms, *transport, site),
        Source::Csi { sensor_id, width, height, framerate } => {
            csi::build(*sensor_id, (*width, *height), *framerate, site)
        }
        Source::Test { pattern, width, height, framerate, frames } => {
            test::build(*pattern, (*width, *height), *framerate, *frames, pace, site)
        }
    }
}

/// `name` with size and rate, as a camera is asked for it. Numbers beyond an `i32` are refused by the camera.
fn mode(
    name: &str,
    (width, height): (u32, u32),
    rate: crate::settings::Rate,
) -> gst::caps::Builder<gst::caps::NoFeature> {
    let int = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    gst::Caps::builder(name)
        .field("width", int(width))
        .field("height", int(height))
        .field("framerate", gst::Fraction::new(int(rate.0.get()), 1))
}
