//! Cameras of Video4Linux: USB, mostly.

use std::path::Path;

use gstreamer::prelude::*;

use super::{Site, mode};
use crate::{
    error::Fault,
    graph::{add, element, link},
    settings::{PixelStream, Rate},
};

/// `v4l2src ! caps [! jpegdec] ! entry`.
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
    let caps = element("capsfilter")?;
    let mut elements = vec![source, caps.clone()];
    match format {
        PixelStream::Raw => caps.set_property("caps", mode("video/x-raw", size, rate).build()),
        PixelStream::Mjpeg => {
            caps.set_property("caps", mode("image/jpeg", size, rate).build());
            elements.push(element("jpegdec")?);
        }
    }
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
