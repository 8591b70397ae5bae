//! Media made on the spot, and ways to look at what comes out of a set.

#![allow(dead_code, reason = "each test program uses its own part")]

pub mod rtsp;

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::{Mutex, Once},
    thread,
    time::Duration,
};

use cartvision_core::CameraId;
use cartvision_pipelines::{
    CameraName, CameraSettings, CaptureError, Fault, FrameSet, Pace, Pattern, Rate, Source, Taken, What,
};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as app;

pub const FIRST: CameraId = CameraId::new(0).unwrap();
pub const SECOND: CameraId = CameraId::new(1).unwrap();
/// No test waits longer for anything.
pub const LONG: Duration = Duration::from_secs(20);
pub const LOSSLESS: Pace = Pace::Lossless { realtime: false };

/// What GStreamer 1.22 says, once in some hundred runs, while a network camera is closed. Nothing of ours numbers events.
const GSTREAMERS_OWN: [&str; 1] = ["gst_event_set_seqnum: assertion 'seqnum != GST_SEQNUM_INVALID' failed"];

/// Starts GStreamer; from then on a critical warning of its ends the test program: it means misuse by us.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gst::glib::log_set_default_handler(|domain, level, text| {
            if matches!(level, gst::glib::LogLevel::Critical | gst::glib::LogLevel::Warning) {
                eprintln!("{level:?} {}: {text}", domain.unwrap_or_default());
            }
            if level == gst::glib::LogLevel::Critical && !GSTREAMERS_OWN.contains(&text) {
                std::process::abort();
            }
        });
    });
}

pub fn rate(fps: u32) -> Rate {
    Rate(NonZeroU32::new(fps).unwrap())
}

pub fn camera(name: &str, source: Source) -> CameraSettings {
    CameraSettings::new(CameraName::new(name).unwrap(), source, 64, 64)
}

pub fn file(path: impl Into<PathBuf>) -> Source {
    Source::File { path: path.into(), repeat: false }
}

pub fn pattern(fps: u32, frames: Option<u32>) -> Source {
    Source::Test { pattern: Pattern::Ball, width: 64, height: 48, framerate: rate(fps), frames }
}

/// Runs a graph to its end.
pub fn make(graph: &str) {
    init();
    run(gst::parse::launch(graph).unwrap().downcast().unwrap());
}

fn run(pipeline: gst::Pipeline) {
    pipeline.set_state(gst::State::Playing).unwrap();
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &wanted);
    pipeline.set_state(gst::State::Null).unwrap();
    match message.as_ref().map(|m| m.view()) {
        Some(gst::MessageView::Eos(_)) => {}
        other => panic!("media could not be made: {other:?}"),
    }
}

/// A video in mov (the index in front) or mkv by the path's extension, whose frame `n` has brightness
/// [`brightness`]`(n)`.
pub fn numbered(path: &Path, (width, height): (u32, u32), fps: u32, frames: u32) {
    init();
    let muxer = if path.extension().unwrap() == "mkv" { "matroskamux" } else { "qtmux faststart=true" };
    let graph = format!(
        "appsrc name=in format=time caps=video/x-raw,format=I420,width={width},height={height},framerate={fps}/1,colorimetry=1:4:0:0 \
         ! jpegenc quality=95 ! {muxer} ! filesink location={}",
        path.display()
    );
    let pipeline = gst::parse::launch(&graph).unwrap().downcast::<gst::Pipeline>().unwrap();
    let input = pipeline.by_name("in").unwrap().downcast::<app::AppSrc>().unwrap();
    let feeder = thread::spawn(move || {
        for n in 0..frames {
            let luma = (width * height) as usize;
            let mut pixels = vec![128; luma * 3 / 2];
            pixels[..luma].fill(brightness(u64::from(n)));
            let mut buffer = gst::Buffer::from_slice(pixels);
            let about = buffer.get_mut().unwrap();
            let at = |n: u32| gst::ClockTime::SECOND.mul_div_round(u64::from(n), u64::from(fps)).unwrap();
            about.set_pts(at(n));
            about.set_duration(at(n + 1) - at(n));
            input.push_buffer(buffer).unwrap();
        }
        input.end_of_stream().unwrap();
    });
    run(pipeline);
    feeder.join().unwrap();
}

/// Writes a quarter turn into a mov, of whose pictures this is the height.
pub fn turn(path: &Path, height: i32) {
    // The rotation is a matrix in the track's header, 40 bytes into its content.
    let mut bytes = std::fs::read(path).unwrap();
    let header = bytes.windows(4).position(|w| w == b"tkhd").unwrap() + 4;
    let quarter_turn: [i32; 9] = [0, 1 << 16, 0, -(1 << 16), 0, 0, height << 16, 0, 1 << 30];
    for (i, value) in quarter_turn.iter().enumerate() {
        bytes[header + 40 + i * 4..][..4].copy_from_slice(&value.to_be_bytes());
    }
    std::fs::write(path, bytes).unwrap();
}

/// Luma of frame `n`; it repeats after 13.
pub fn brightness(n: u64) -> u8 {
    16 + (n % 13) as u8 * 16
}

/// The brightness of a grey frame. JPEG's range is the full one, so it is the value that went in.
pub fn luma(frame: &cartvision_pipelines::Frame) -> u8 {
    let picture = frame.picture();
    let middle = picture.height / 2 * picture.stride + picture.width / 2 * picture.format.bytes_per_pixel();
    picture.data[middle + 1]
}

/// One thing that a set gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Gave {
    Frame { camera: usize, index: u64, at_ns: u64, luma: u8 },
    Ended(usize),
    Failed(usize, CaptureError),
}

/// Everything that a set gives to that many takers, in the order of its tickets, which must have no gap.
pub fn drain(set: &FrameSet, takers: usize) -> Vec<Gave> {
    let gave = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..takers {
            scope.spawn(|| {
                loop {
                    let (ticket, what) = match set.take(LONG) {
                        Taken::Given { ticket, what } => (ticket, what),
                        Taken::Over => return,
                        Taken::Idle => panic!("nothing came"),
                    };
                    let what = match what {
                        What::Frame(f) => Gave::Frame {
                            camera: f.camera.index(),
                            index: f.index,
                            at_ns: f.at.ns,
                            luma: luma(&f),
                        },
                        What::Ended(camera) => Gave::Ended(camera.index()),
                        What::Failed(camera, error) => Gave::Failed(camera.index(), error),
                    };
                    gave.lock().unwrap().push((ticket, what));
                }
            });
        }
    });
    let mut gave = gave.into_inner().unwrap();
    gave.sort_by_key(|(ticket, _)| *ticket);
    let tickets: Vec<u64> = gave.iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(tickets, (0..gave.len() as u64).collect::<Vec<_>>(), "tickets have no gap");
    gave.into_iter().map(|(_, what)| what).collect()
}

/// Plays one file losslessly to its end.
pub fn replay(path: &Path) -> Result<Vec<Gave>, CaptureError> {
    Ok(drain(&FrameSet::open(vec![camera("one", file(path))], LOSSLESS)?, 1))
}

/// The fault with which one file fails, and the number of frames before it.
pub fn fault(path: &Path) -> (usize, Fault) {
    match replay(path) {
        Err(error) => (0, error.fault),
        Ok(gave) => match gave.split_last() {
            Some((Gave::Failed(0, error), frames)) => {
                assert!(
                    frames.iter().all(|g| matches!(g, Gave::Frame { .. })),
                    "only frames before a failure"
                );
                (frames.len(), error.fault.clone())
            }
            other => panic!("{}: no failure: {:?}", path.display(), other.map(|(last, _)| last)),
        },
    }
}
