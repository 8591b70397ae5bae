//! What decodes recordings and network cameras.

use gstreamer as gst;
use gstreamer::{
    glib::{EnumClass, Type, Value, WeakRef},
    prelude::*,
};

use super::Site;
use crate::{
    blocks::{Blocks, may_be_device_memory},
    error::Fault,
    graph::{add, element, link},
    port::Port,
};

/// A `decodebin` in the pipeline that gives its first video stream to the entry and decodes nothing else. (The
/// older of GStreamer's two: the newer one changed much between 1.20 and 1.24.)
///
/// Pictures in our own memory go through `upright` before the entry; those in the device's own go straight to it, as
/// nothing else can read them.
///
/// `decodebin` and not a chain of parser and decoder: neither a file's codec nor a network camera's is known before it
/// plays, a parser comes with what NVIDIA's decoder asks for (whole pictures as a byte stream), and that decoder is
/// taken by its rank where it is and missed by nobody where it is not.
pub(super) fn decoder(mut upright: Vec<gst::Element>, site: &Site<'_>) -> Result<gst::Element, Fault> {
    let (decoder, blocks) = (element("decodebin")?, site.blocks);
    upright.extend(blocks.scaler.adapter()?);
    add(site.pipeline, &upright)?;
    if let Some(last) = upright.last() {
        link(last, site.entry)?;
    }
    // What is not decoded ends unlinked, which stops nothing as long as one stream is linked.
    decoder.connect("autoplug-continue", false, |args| {
        let caps = args.get(2).and_then(|v| v.get::<gst::Caps>().ok());
        Some(caps.is_none_or(|caps| may_hold_video(&caps)).to_value())
    });
    decoder.connect("autoplug-select", false, move |args| {
        let stream = args.get(2).and_then(|v| v.get::<gst::Caps>().ok());
        let factory = args.get(3).and_then(|v| v.get::<gst::ElementFactory>().ok());
        let may = stream.zip(factory).is_none_or(|(stream, factory)| blocks.may_decode(&factory, &stream));
        selected(if may { "try" } else { "skip" })
    });
    let (way, port) = (Way::new(&upright, site.entry), site.port.clone());
    let ours = way.clone();
    decoder.connect_pad_added(move |_, pad| {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        if caps.structure(0).is_none_or(|s| s.name() != "video/x-raw") || !ours.is_free() {
            return;
        }
        if let Err(reason) = ours.take(pad, may_be_device_memory(&caps)) {
            port.fail(Fault::Element { element: "decodebin".into(), reason });
        }
    });
    let port = site.port.clone();
    decoder.connect_no_more_pads(move |_| {
        if way.is_free() {
            port.without_video();
        }
    });
    if let Some(bin) = decoder.downcast_ref::<gst::Bin>() {
        let port = site.port.clone();
        bin.connect_deep_element_added(move |_, _, element| prepare(element, blocks, &port));
    }
    add(site.pipeline, std::slice::from_ref(&decoder))?;
    Ok(decoder)
}

/// One of `decodebin`'s answers to "shall this element be tried", whose type only the registry knows.
fn selected(nick: &str) -> Option<Value> {
    let answers = EnumClass::with_type(Type::from_name("GstAutoplugSelectResult")?)?;
    answers.to_value_by_nick(nick)
}

/// The way from a decoder to the entry: through these elements, or past them.
#[derive(Clone)]
struct Way {
    upright: Vec<WeakRef<gst::Element>>,
    entry: WeakRef<gst::Element>,
}

impl Way {
    fn new(upright: &[gst::Element], entry: &gst::Element) -> Self {
        Self { upright: upright.iter().map(|e| e.downgrade()).collect(), entry: entry.downgrade() }
    }

    /// Whether no decoder has it, or its pipeline is gone.
    fn is_free(&self) -> bool {
        let sink = |element: Option<gst::Element>| element.and_then(|e| e.static_pad("sink"));
        let last = self.upright.last().and_then(WeakRef::upgrade);
        let past =
            sink(self.entry.upgrade()).and_then(|sink| sink.peer()).and_then(|peer| peer.parent_element());
        let through = self.upright.first().and_then(WeakRef::upgrade);
        (past.is_none() || past == last) && sink(through).is_none_or(|sink| !sink.is_linked())
    }

    /// Leads a decoder's pictures to the entry.
    fn take(&self, pad: &gst::Pad, past: bool) -> Result<(), String> {
        let gone = || "its pipeline is gone".to_owned();
        let entry = self.entry.upgrade().ok_or_else(gone)?;
        let first = match (self.upright.first(), self.upright.last().and_then(WeakRef::upgrade)) {
            (Some(first), Some(last)) => {
                if past {
                    last.unlink(&entry);
                    entry
                } else {
                    if entry.static_pad("sink").is_some_and(|sink| !sink.is_linked()) {
                        last.link(&entry).map_err(|e| e.message.to_string())?;
                    }
                    first.upgrade().ok_or_else(gone)?
                }
            }
            _ => entry,
        };
        let sink = first.static_pad("sink").ok_or_else(gone)?;
        pad.link(&sink).map(drop).map_err(|e| e.to_string())
    }
}

/// Whether decoding on may lead to video: containers and video do, audio and text do not.
fn may_hold_video(caps: &gst::Caps) -> bool {
    let dead_ends = ["audio/", "text/", "subpicture/", "application/x-subtitle", "closedcaption/"];
    caps.structure(0).is_none_or(|s| !dead_ends.iter().any(|dead| s.name().starts_with(dead)))
}

/// Sets up what `decodebin` has chosen.
fn prepare(element: &gst::Element, blocks: Blocks, port: &Port) {
    let Some(factory) = element.factory() else { return };
    if factory.has_type(gst::ElementFactoryType::DECODER) {
        port.decodes(&factory.name(), blocks);
    }
    // One thread costs a fifth less CPU a frame than two or than libav's own choice (640x360 H.264: 0.68 against
    // 0.83 and 0.87 ms, medians of seven interleaved runs), and frames come without delay.
    if factory.name().starts_with("avdec_")
        && element.has_property_with_type("max-threads", i32::static_type())
    {
        element.set_property("max-threads", 1);
    }
    if factory.has_type(gst::ElementFactoryType::DEMUXER) {
        port.demuxed(gst::ClockTime::ZERO);
        let port = port.clone();
        element.connect_pad_added(move |_, pad| measure(pad, &port));
    }
}

/// Tells the port how far a stream of the container has come.
fn measure(pad: &gst::Pad, port: &Port) {
    let port = port.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let (Some(buffer), Some(event)) = (info.buffer(), pad.sticky_event::<gst::event::Segment>(0)) {
            let segment = event.segment().downcast_ref::<gst::ClockTime>();
            if let Some(at) = segment.zip(buffer.pts()).and_then(|(s, pts)| s.to_stream_time(pts)) {
                port.demuxed(at + buffer.duration().unwrap_or_default());
            }
        }
        gst::PadProbeReturn::Ok
    });
}
