//! A moving picture without a camera.

use gstreamer::prelude::*;

use super::{Site, mode};
use crate::{
    error::Fault,
    graph::{add, element, link},
    settings::{Pace, Pattern, Rate},
};

/// `videotestsrc ! caps ! entry`.
pub(super) fn build(
    pattern: Pattern,
    size: (u32, u32),
    rate: Rate,
    frames: Option<u32>,
    pace: Pace,
    site: &Site<'_>,
) -> Result<(), Fault> {
    let source = element("videotestsrc")?;
    source.set_property("is-live", pace == Pace::Live);
    source.set_property_from_str(
        "pattern",
        match pattern {
            Pattern::Smpte => "smpte",
            Pattern::Ball => "ball",
            Pattern::Snow => "snow",
            Pattern::Black => "black",
        },
    );
    if let Some(frames) = frames {
        source.set_property("num-buffers", i32::try_from(frames).unwrap_or(i32::MAX));
    }
    let caps = element("capsfilter")?;
    caps.set_property("caps", mode("video/x-raw", size, rate).field("format", "I420").build());
    add(site.pipeline, &[source, caps.clone()])?;
    site.port.decodes("none", site.blocks);
    link(&caps, site.entry)
}
