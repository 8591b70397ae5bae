//! Recordings.

use std::{
    fs,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::Path,
};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::Site;
use crate::{
    error::Fault,
    graph::{add, element, has_nvvidconv, link},
    port::Port,
};

/// `filesrc ! decodebin [! videoconvert ! videoflip] ! entry`, the first video stream only.
pub(super) fn build(path: &Path, site: &Site<'_>) -> Result<(), Fault> {
    readable(path)?;
    let source = element("filesrc")?;
    source.set_property("location", path);
    // A rotation in the recording's tags. Both do nothing where nothing is to be done; the converter is for
    // formats that the flip does not know. Absent on a Jetson, whose decoders' memory they cannot read.
    let upright = if has_nvvidconv() {
        None
    } else {
        let (convert, flip) = (element("videoconvert")?, element("videoflip")?);
        flip.set_property_from_str("video-direction", "auto");
        add(site.pipeline, &[convert.clone(), flip.clone()])?;
        link(&flip, site.entry)?;
        Some(convert)
    };
    let site = Site { entry: upright.as_ref().unwrap_or(site.entry), ..*site };
    let decoder = decoder(&site)?;
    add(site.pipeline, std::slice::from_ref(&source))?;
    link(&source, &decoder)
}

/// What can be told of a path before GStreamer sees it.
fn readable(path: &Path) -> Result<(), Fault> {
    let unreadable = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound => Fault::NoSuchFile { path: path.into() },
        _ => Fault::Unreadable { path: path.into(), reason: e.to_string() },
    };
    let about = fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        return Err(Fault::NotAFile { path: path.into() });
    }
    if about.len() == 0 {
        return Err(Fault::EmptyFile { path: path.into() });
    }
    let mut file = fs::File::open(path).map_err(unreadable)?;
    if unindexed(&mut file, about.len()).map_err(unreadable)? {
        let reason = "its index is missing: the recording was not finished, or the copy is cut off";
        return Err(Fault::Damaged { element: "mp4".into(), reason: reason.into() });
    }
    Ok(())
}

/// Whether this is an mp4 or mov of `len` bytes without an index. Asked here, because `decodebin` loses errors
/// that a demuxer has before the two are quite connected, and then nothing ever comes.
fn unindexed(file: &mut (impl Read + Seek), len: u64) -> std::io::Result<bool> {
    let mut at = 0_u64;
    // A box is its length, its kind, its content; the whole file is a row of them.
    while at.saturating_add(8) <= len {
        let mut head = [0; 8];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head)?;
        let [a, b, c, d, kind @ ..] = head;
        if at == 0 && !matches!(&kind, b"ftyp" | b"mdat" | b"wide" | b"free" | b"skip") || &kind == b"moov" {
            return Ok(false);
        }
        at = match u32::from_be_bytes([a, b, c, d]) {
            // To the end of the file.
            0 => len,
            1 if at.saturating_add(16) <= len => {
                let mut long = [0; 8];
                file.read_exact(&mut long)?;
                at.saturating_add(u64::from_be_bytes(long).max(16))
            }
            short => at.saturating_add(u64::from(short).max(8)),
        };
    }
    Ok(at > 0)
}

/// A `decodebin` in the pipeline that gives its first video stream to the entry and decodes nothing else. (The
/// older of GStreamer's two: the newer one changed much between 1.20 and 1.24.)
pub(super) fn decoder(site: &Site<'_>) -> Result<gst::Element, Fault> {
    let decoder = element("decodebin")?;
    // What is not decoded ends unlinked, which stops nothing as long as one stream is linked.
    decoder.connect("autoplug-continue", false, |args| {
        let caps = args.get(2).and_then(|v| v.get::<gst::Caps>().ok());
        Some(caps.is_none_or(|caps| may_hold_video(&caps)).to_value())
    });
    let (entry, port) = (site.entry.downgrade(), site.port.clone());
    decoder.connect_pad_added(move |_, pad| {
        let Some(entry) = entry.upgrade() else { return };
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        if caps.structure(0).is_none_or(|s| s.name() != "video/x-raw") {
            return;
        }
        let Some(sink) = entry.static_pad("sink").filter(|sink| !sink.is_linked()) else { return };
        if let Err(e) = pad.link(&sink) {
            port.fail(Fault::Element { element: "decodebin".into(), reason: e.to_string() });
        }
    });
    let (entry, port) = (site.entry.downgrade(), site.port.clone());
    decoder.connect_no_more_pads(move |_| {
        if entry.upgrade().and_then(|e| e.static_pad("sink")).is_some_and(|sink| !sink.is_linked()) {
            port.without_video();
        }
    });
    if let Some(bin) = decoder.downcast_ref::<gst::Bin>() {
        let port = site.port.clone();
        bin.connect_deep_element_added(move |_, _, element| prepare(element, &port));
    }
    add(site.pipeline, std::slice::from_ref(&decoder))?;
    Ok(decoder)
}

/// Whether decoding on may lead to video: containers and video do, audio and text do not.
fn may_hold_video(caps: &gst::Caps) -> bool {
    let dead_ends = ["audio/", "text/", "subpicture/", "application/x-subtitle", "closedcaption/"];
    caps.structure(0).is_none_or(|s| !dead_ends.iter().any(|dead| s.name().starts_with(dead)))
}

/// Sets up what `decodebin` has chosen.
fn prepare(element: &gst::Element, port: &Port) {
    let Some(factory) = element.factory() else { return };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices() {
        let boxes = |kinds: &[&[u8; 4]]| -> Vec<u8> {
            kinds.iter().flat_map(|kind| [&12_u32.to_be_bytes()[..], &kind[..], b"data"].concat()).collect()
        };
        let long = [&1_u32.to_be_bytes()[..], b"mdat", &24_u64.to_be_bytes()[..], b"contents"].concat();
        for (name, bytes, missing) in [
            ("in front", boxes(&[b"ftyp", b"moov", b"mdat"]), false),
            ("at the end", boxes(&[b"ftyp", b"free", b"mdat", b"moov"]), false),
            ("behind a long box", [boxes(&[b"ftyp"]), long.clone(), boxes(&[b"moov"])].concat(), false),
            ("none", boxes(&[b"ftyp", b"mdat"]), true),
            ("none behind a long box", [boxes(&[b"ftyp"]), long].concat(), true),
            ("cut", boxes(&[b"ftyp", b"mdat", b"moov"])[..20].to_vec(), true),
            ("cut in the next head", boxes(&[b"ftyp", b"mdat", b"moov"])[..30].to_vec(), true),
            ("open end", [boxes(&[b"ftyp"]), b"\0\0\0\0mdat".to_vec()].concat(), true),
            (
                "length beyond all",
                [boxes(&[b"ftyp"]), b"\0\0\0\x01mdat".to_vec(), vec![255; 8]].concat(),
                true,
            ),
            ("another container", b"OggS and so on".to_vec(), false),
            ("tiny", b"abc".to_vec(), false),
        ] {
            let len = bytes.len() as u64;
            assert_eq!(unindexed(&mut std::io::Cursor::new(bytes), len).unwrap(), missing, "{name}");
        }
    }
}
