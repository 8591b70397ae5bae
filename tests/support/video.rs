//! Videos made on the spot by `gst-launch-1.0`, with plugins of the base, good and libav sets.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::run;

/// Runs a graph to its end; `graph` is as on `gst-launch-1.0`'s command line, paths must hold no blanks.
///
/// # Panics
/// When it fails.
pub fn make(graph: &str) {
    let ran = run(Command::new("gst-launch-1.0").arg("-q").args(graph.split_whitespace()));
    assert_eq!(ran.code, Some(0), "gst-launch-1.0 {graph}\n{}{}", ran.stdout, ran.stderr);
}

/// A copy of an H.264 mp4 with `filter` between decoder and encoder.
///
/// FFV1 loses nothing, so what is detected differs only by the filter; every frame keeps its time, rounded to
/// Matroska's millisecond.
pub fn filtered(original: &Path, filter: &str, copy: PathBuf) -> PathBuf {
    make(&format!(
        "filesrc location={} ! qtdemux ! h264parse ! avdec_h264 ! {filter} ! avenc_ffv1 ! matroskamux ! filesink location={}",
        original.display(),
        copy.display()
    ));
    copy
}

/// Left and right exchanged. (Not by `method`: GStreamer 1.22 takes that and does nothing.)
pub const MIRRORED: &str = "videoflip video-direction=horiz";

/// Half as bright: each of R', G', B' times 0.5, as somebody would halve the numbers of a picture. In Y'CbCr that
/// is luma halved from black up and both colour differences halved, which is what these two do. (`brightness`
/// would subtract the same from everything and crush the shadows; a `compositor` over black gives the same picture
/// but new frame times.)
pub const DIMMED: &str = "videobalance contrast=0.5 saturation=0.5";

/// Where an mp4 or mov has its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// Before the pictures, for players that begin before they have the whole file ("faststart").
    Front,
    /// After the pictures, as a camera writes it.
    End,
}

/// An H.264 mp4 as it is, its index where it is asked for; only its first `frames` frames where that is given.
pub fn remuxed(original: &Path, index: Index, frames: Option<u32>, copy: PathBuf) -> PathBuf {
    // The buffer after the last one ends it; -1 is for never.
    let last = frames.map_or(-1, |frames| i64::from(frames) + 1);
    make(&format!(
        "filesrc location={} ! qtdemux ! h264parse ! identity eos-after={last} ! mp4mux faststart={} ! filesink location={}",
        original.display(),
        index == Index::Front,
        copy.display()
    ));
    copy
}

/// So many frames of a moving ball at 5 a second, as Motion JPEG in mov (an mp4 in all but name).
pub fn ball(frames: u32, index: Index, file: PathBuf) -> PathBuf {
    let (source, front) = (source(frames, (64, 48)), index == Index::Front);
    make(&format!("{source} ! jpegenc ! qtmux faststart={front} ! filesink location={}", file.display()));
    file
}

/// The same as Theora in Ogg, where one recording may follow another in one file.
pub fn ball_ogg(frames: u32, size: (u32, u32), file: PathBuf) -> PathBuf {
    make(&format!("{} ! theoraenc ! oggmux ! filesink location={}", source(frames, size), file.display()));
    file
}

/// The file's first 7 tenths.
pub fn cut_off(file: &Path, part: PathBuf) -> PathBuf {
    let whole = std::fs::read(file).unwrap();
    std::fs::write(&part, &whole[..whole.len() * 7 / 10]).unwrap();
    part
}

fn source(frames: u32, (width, height): (u32, u32)) -> String {
    format!(
        "videotestsrc pattern=ball num-buffers={frames} ! video/x-raw,format=I420,width={width},height={height},framerate=5/1"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of one 16×16 picture (luma, then both chroma) after `filter`.
    fn picture(source: &str, filter: &str) -> Vec<u8> {
        let place = tempfile::tempdir().unwrap();
        let raw = place.path().join("raw");
        make(&format!(
            "videotestsrc {source} num-buffers=1 ! video/x-raw,format=Y444,width=16,height=16,framerate=5/1 ! {filter} ! filesink location={}",
            raw.display()
        ));
        std::fs::read(raw).unwrap()
    }

    /// Luma and chroma of a grey or coloured picture after [`DIMMED`].
    fn dimmed(colour: u32) -> [u8; 3] {
        let bytes = picture(&format!("pattern=solid-color foreground-color={colour}"), DIMMED);
        [bytes[0], bytes[256], bytes[512]]
    }

    #[test]
    fn mirroring_exchanges_left_and_right() {
        let bars = picture("pattern=smpte", "identity");
        let mirrored = picture("pattern=smpte", MIRRORED);
        assert_ne!(mirrored, bars);
        for (row, original) in mirrored.chunks(16).zip(bars.chunks(16)) {
            assert!(row.iter().eq(original.iter().rev()), "{row:?}, {original:?}");
        }
    }

    #[test]
    fn dimming_halves_every_channel() {
        // BT.601: white is (235, 128, 128); red (81, 90, 240); half of each from (16, 128, 128) on.
        for (colour, expected) in
            [(0xffff_ffff_u32, [125, 128, 128]), (0xff00_0000, [16, 128, 128]), (0xffff_0000, [48, 109, 184])]
        {
            let found = dimmed(colour);
            let near = found.iter().zip(expected).all(|(f, e): (&u8, u8)| f.abs_diff(e) <= 2);
            assert!(near, "{colour:#x}: {found:?}, expected {expected:?}");
        }
    }
}
