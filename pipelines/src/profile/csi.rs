//! A Jetson's CSI sensor. Written to the caps in NVIDIA's accelerated GStreamer guide; **never run on hardware**.

use gstreamer::prelude::*;

use super::{Site, mode};
use crate::{
    error::Fault,
    graph::{add, element, link},
    settings::Rate,
};

/// `nvarguscamerasrc ! NV12 in the device's own memory ! entry`, where the entry leads to `nvvidconv`: scaled and
/// converted to RGBA by the image processor, and only then in memory that we can read.
pub(super) fn build(sensor_id: u32, size: (u32, u32), rate: Rate, site: &Site<'_>) -> Result<(), Fault> {
    let source = element("nvarguscamerasrc")?;
    source.set_property("sensor-id", i32::try_from(sensor_id).unwrap_or(i32::MAX));
    // Without it the graph would have to link pictures in the device's memory to elements that cannot read it.
    element("nvvidconv")?;
    let caps = element("capsfilter")?;
    let nvmm = mode("video/x-raw", size, rate).features(["memory:NVMM"]).field("format", "NV12");
    caps.set_property("caps", nvmm.build());
    add(site.pipeline, &[source, caps.clone()])?;
    link(&caps, site.entry)
}
