//! Network cameras.

use gstreamer as gst;
use gstreamer::prelude::*;

use super::{Site, decoder::decoder};
use crate::{
    error::Fault,
    graph::{add, element},
    settings::{RtspUrl, Transport},
};

/// `rtspsrc ! decodebin ! entry`, video only.
pub(super) fn build(
    url: &RtspUrl,
    latency_ms: u32,
    transport: Transport,
    site: &Site<'_>,
) -> Result<(), Fault> {
    let source = element("rtspsrc")?;
    source.set_property("location", url.secret());
    source.set_property("latency", latency_ms);
    source.set_property_from_str(
        "protocols",
        match transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        },
    );
    // What is not set up is not sent.
    source.connect("select-stream", false, |args| {
        let caps = args.get(2).and_then(|v| v.get::<gst::Caps>().ok());
        Some(caps.is_some_and(|caps| is_video(&caps)).to_value())
    });
    let decoder = decoder(Vec::new(), site)?;
    add(site.pipeline, std::slice::from_ref(&source))?;
    let (decoder, port) = (decoder.downgrade(), site.port.clone());
    source.connect_pad_added(move |_, pad| {
        let Some(decoder) = decoder.upgrade() else { return };
        let Some(sink) = decoder.static_pad("sink").filter(|sink| !sink.is_linked()) else { return };
        if let Err(e) = pad.link(&sink) {
            port.fail(Fault::Element { element: "rtspsrc".into(), reason: e.to_string() });
        }
    });
    Ok(())
}

fn is_video(caps: &gst::Caps) -> bool {
    caps.structure(0).is_some_and(|s| s.get::<&str>("media") == Ok("video"))
}
