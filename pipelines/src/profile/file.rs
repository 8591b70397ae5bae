//! Recordings.

use std::{
    fs,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::Path,
};

use gstreamer::prelude::*;

use super::{Site, decoder::decoder};
use crate::{
    error::Fault,
    graph::{add, element, link},
};

/// `filesrc ! decodebin [! videoconvert ! videoflip] ! entry`, the first video stream only.
pub(super) fn build(path: &Path, site: &Site<'_>) -> Result<(), Fault> {
    readable(path)?;
    let source = element("filesrc")?;
    source.set_property("location", path);
    // A rotation in the recording's tags. Both do nothing where nothing is to be done; the converter is for
    // formats that the flip does not know. What comes in a Jetson's own memory goes past them, and its scaler turns it.
    let (convert, flip) = (element("videoconvert")?, element("videoflip")?);
    flip.set_property_from_str("video-direction", "auto");
    let decoder = decoder(vec![convert, flip], site)?;
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
