//! A Jetson's CSI sensor. Written to the caps in NVIDIA's accelerated GStreamer guide; **never run on hardware**.

use super::{Site, mode};
use crate::{
    blocks::{Scaler, filter, in_device_memory},
    error::Fault,
    graph::{add, element, link, set},
    settings::Rate,
};

/// `nvarguscamerasrc ! NV12 in the device's own memory ! entry`, where the entry leads to `nvvidconv`: scaled and
/// converted to RGBA by the image processor, and only then in memory that we can read.
pub(super) fn build(sensor_id: u32, size: (u32, u32), rate: Rate, site: &Site<'_>) -> Result<(), Fault> {
    let source = element("nvarguscamerasrc")?;
    set(&source, "sensor-id", &sensor_id.to_string())?;
    if site.blocks.scaler != Scaler::Nvvidconv {
        // The graph would have to link pictures in the device's memory to elements that cannot read it.
        element("nvvidconv")?;
    }
    let caps = filter(&in_device_memory(mode("video/x-raw", size, rate).field("format", "NV12")))?;
    add(site.pipeline, &[source, caps.clone()])?;
    site.port.decodes("none", site.blocks);
    link(&caps, site.entry)
}
