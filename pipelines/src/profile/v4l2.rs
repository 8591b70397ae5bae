//! Cameras of Video4Linux: USB, mostly.

use std::path::Path;

use gstreamer::prelude::*;

use super::{Site, mode};
use crate::{
    blocks::filter,
    error::Fault,
    graph::{add, element, link},
    settings::{PixelStream, Rate},
};

/// `v4l2src ! caps [! decoder] [! adapter] ! entry`.
pub(super) fn build(
    device: &Path,
    size: (u32, u32),
    rate: Rate,
    format: PixelStream,
    site: &Site<'_>,
) -> Result<(), Fault> {
    if bare(device) {
        tracing::warn!(
            device = %device.display(),
            "this name may mean another camera after a restart; use its path in /dev/v4l/by-id or by-path"
        );
    }
    if !device.exists() {
        return Err(Fault::DeviceMissing { device: device.into() });
    }
    let source = element("v4l2src")?;
    source.set_property("device", device.to_string_lossy().as_ref());
    let mut elements = vec![source];
    let (decoder, in_device_memory) = match format {
        PixelStream::Raw => {
            elements.push(filter(&mode("video/x-raw", size, rate).build())?);
            ("none", false)
        }
        PixelStream::Mjpeg => {
            let jpeg = site.blocks.jpeg;
            let (decoder, in_device_memory) = jpeg.elements()?;
            elements.push(filter(&mode("image/jpeg", size, rate).build())?);
            elements.extend(decoder);
            (jpeg.name(), in_device_memory)
        }
    };
    if !in_device_memory {
        elements.extend(site.blocks.scaler.adapter()?);
    }
    site.port.decodes(decoder, site.blocks);
    add(site.pipeline, &elements)?;
    elements.last().map_or(Ok(()), |last| link(last, site.entry))
}

/// `/dev/videoN`: numbered in the order of discovery.
fn bare(device: &Path) -> bool {
    device.parent() == Some(Path::new("/dev"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_names() {
        for (device, is_bare) in [
            ("/dev/video0", true),
            ("/dev/v4l/by-id/usb-Cam-video-index0", false),
            ("/dev/v4l/by-path/pci-0000:00:14.0-usb-0:1:1.0-video-index0", false),
        ] {
            assert_eq!(bare(Path::new(device)), is_bare, "{device}");
        }
    }
}
