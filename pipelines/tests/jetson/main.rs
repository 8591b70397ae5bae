//! The graphs of a Jetson, in front of stand-ins for NVIDIA's elements.
//!
//! **A fake.** The stand-ins have the names, ranks, properties and caps that NVIDIA publishes for JetPack 6, and refuse
//! what is none of these: a property that does not exist, caps that do not fit, pictures in the wrong memory. So it is
//! shown that our graphs are spelled as theirs are, which elements are taken, in which memory pictures go from one to the
//! next, and what comes out. It cannot show that NVIDIA's elements do what their papers say: no pixel is decoded,
//! scaled or converted here, and no driver, no time and no error of a real device is met. What differs between JetPack
//! 6 and 7 is known for Thor's JPEGs alone.
//!
//! A program of its own, as these names count for a whole process; each test plays its machine in a child.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod cameras;
mod decoders;
mod encoder;
mod machine;
mod nvvidconv;
mod settings;
#[path = "../support/mod.rs"]
mod support;
mod surface;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use cartvision_core::PixelFormat;
use cartvision_pipelines::{
    CameraSettings, Fault, Frame, FrameSet, Pace, PixelStream, RtspUrl, Size, Source, Still, Taken,
    Transport, What,
};
use machine::{Machine, brief, on, seen, was_tried};
use support::{
    rtsp::{Manner, Media, serve},
    *,
};

const SIZE: (u32, u32) = (320, 180);
const FITTED: &str = "ours RGBA 64x36";

/// The next frame, which must be of the right shape.
fn frame(set: &FrameSet) -> Frame {
    match set.take(LONG) {
        Taken::Given { what: What::Frame(frame), .. } => {
            let picture = frame.picture();
            let shape = (picture.width, picture.height, picture.format);
            assert_eq!(shape, (64, 36, PixelFormat::Rgbx), "{shape:?}");
            frame
        }
        other => panic!("{other:?}"),
    }
}

/// Opens a camera, takes a few frames, and gives their brightness, which must be one.
fn brightness_of(settings: CameraSettings) -> u8 {
    let set = FrameSet::open(vec![settings], Pace::Live).unwrap();
    let lumas: Vec<u8> = (0..5).map(|_| luma(&frame(&set))).collect();
    assert!(lumas.iter().all(|l| *l == lumas[0]), "{lumas:?}");
    lumas[0]
}

/// What the scaler made of what, and how.
fn scaled() -> (String, String, String) {
    let scaler = seen("nvvidconv").pop().expect("it was there");
    (brief(&scaler.input.unwrap()), brief(&scaler.output), scaler.set)
}

/// What all scalers made, in the order of their names.
fn made() -> Vec<String> {
    let mut made: Vec<_> = seen("nvvidconv").iter().map(|scaler| brief(&scaler.output)).collect();
    made.sort();
    made
}

/// Of this decoder: what was set, what went in and what came out.
fn decoded(element: &str) -> (String, String, String) {
    let decoder = seen(element).pop().unwrap_or_else(|| panic!("{element} was not taken"));
    let input = decoder.input.unwrap();
    (decoder.set, input.structure(0).unwrap().name().to_string(), brief(&decoder.output))
}

fn texts(given: (String, String, String)) -> [String; 3] {
    given.into()
}

fn csi(sensor_id: u32) -> CameraSettings {
    let (width, height) = SIZE;
    camera("csi", Source::Csi { sensor_id, width, height, framerate: rate(60) })
}

/// A camera whose device gives this picture, in the format that its name ends in.
fn usb(device: PathBuf, format: PixelStream) -> CameraSettings {
    let (width, height) = SIZE;
    camera("usb", Source::V4l2 { device, width, height, framerate: rate(60), format })
}

/// A USB camera that sends white JPEGs, and the folder that it lies in.
fn jpegs() -> (CameraSettings, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let device = dir.path().join("usb.jpeg");
    make(&format!(
        "videotestsrc num-buffers=1 pattern=white ! video/x-raw,format=I420,width=320,height=180 ! jpegenc \
         ! filesink location={}",
        device.display()
    ));
    (usb(device, PixelStream::Mjpeg), dir)
}

/// A USB camera that sends raw pictures, all bytes the same.
fn raw(format: &str, bytes_per_pixel: usize) -> (CameraSettings, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let device = dir.path().join(format!("usb.{format}"));
    fs::write(&device, vec![140; 320 * 180 * bytes_per_pixel]).unwrap();
    (usb(device, PixelStream::Raw), dir)
}

/// A recording of 20 black frames of 320x180 at 25 frames/s.
fn recording(codec: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/jetson/black-{codec}.mkv"))
}

/// The camera's first still, taken beside its frames.
fn still(mut settings: CameraSettings) -> Still {
    settings.stills = Some(rate(20));
    let set = FrameSet::open(vec![settings], Pace::Live).unwrap();
    let since = Instant::now();
    while since.elapsed() < LONG {
        frame(&set);
        if let Some(still) = set.still(FIRST) {
            return still;
        }
    }
    panic!("no still");
}

/// A network camera that sends that recording.
fn network(codec: &str) -> CameraSettings {
    let rtpmap = if codec == "h264" { "H264/90000" } else { "H265/90000" };
    let graph = format!(
        "filesrc location={} ! matroskademux ! {codec}parse ! rtp{codec}pay config-interval=-1",
        recording(codec).display()
    );
    let (port, _server) = serve(Manner::Plays(usize::MAX), Media { payload: 96, rtpmap, graph });
    let url = RtspUrl::new(format!("rtsp://127.0.0.1:{port}/rim")).unwrap();
    camera("net", Source::Rtsp { url, latency_ms: 0, transport: Transport::Tcp })
}

/// Frames of a live camera until it fails: their brightness, and how.
fn until_lost(settings: CameraSettings) -> (Vec<u8>, Fault) {
    let set = FrameSet::open(vec![settings], Pace::Live).unwrap();
    let mut lumas = Vec::new();
    loop {
        match set.take(LONG) {
            Taken::Given { what: What::Frame(frame), .. } => lumas.push(luma(&frame)),
            Taken::Given { what: What::Failed(_, error), .. } => return (lumas, error.fault),
            other => panic!("{other:?}"),
        }
    }
}

/// Plays a recording to its end: the brightness of its frames.
fn replayed(path: PathBuf) -> Vec<u8> {
    let gave = replay(&path).unwrap();
    let (last, frames) = gave.split_last().unwrap();
    assert_eq!(*last, Gave::Ended(0));
    let luma = |g: &Gave| match g {
        Gave::Frame { luma, .. } => *luma,
        other => panic!("{other:?}"),
    };
    frames.iter().map(luma).collect()
}

/// Plays a recording that lies on its side, and is to be given upright.
fn lies(path: &Path) {
    let set = FrameSet::open(vec![camera("one", file(path))], LOSSLESS).unwrap();
    let Taken::Given { what: What::Frame(frame), .. } = set.take(LONG) else { panic!("no frame") };
    assert_eq!((frame.picture().width, frame.picture().height), (36, 64));
    assert_eq!(set.counters(FIRST).source, Some(Size { width: 180, height: 320 }));
}

macro_rules! played {
    ($($(#[$about:meta])* fn $name:ident($machine:ident) $body:block)*) => {
        $($(#[$about])* #[test] fn $name() { on(Machine::$machine, stringify!($name), || $body); })*
    };
}

played! {
    fn a_csi_sensor(Orin) {
        let mut settings = csi(1);
        // The cap on the rate comes before the scaler, in the device's memory.
        settings.rate = Some(rate(30));
        assert_eq!(brightness_of(settings), cameras::SENSOR);
        let source = seen("nvarguscamerasrc").pop().unwrap();
        assert_eq!((source.set.as_str(), brief(&source.output).as_str()), ("sensor-id=1", "NVMM NV12 320x180"));
        assert_eq!(texts(scaled()), ["NVMM NV12 320x180", FITTED, "Bilinear"]);
    }

    fn a_csi_sensor_that_cannot_be(Orin) {
        for (sensor, says) in [(300, "300 is not within 0..=255"), (7, "no sensor 7")] {
            let (frames, fault) = until_lost(csi(sensor));
            assert!(frames.is_empty() && fault.to_string().contains(says), "{fault}");
        }
    }

    fn jpegs_of_usb(Orin) {
        let (settings, _dir) = jpegs();
        let set = FrameSet::open(vec![settings], Pace::Live).unwrap();
        for _ in 0..5 {
            frame(&set);
        }
        assert_eq!(texts(decoded("nvv4l2decoder")), ["mjpeg=true", "image/jpeg", "NVMM NV12 320x180"]);
        assert_eq!(texts(scaled()), ["NVMM NV12 320x180", FITTED, "Bilinear"]);
        assert!(!was_tried("nvjpegdec"));
    }

    fn jpegs_of_usb_without_a_jpeg_block_in_the_decoder(Thor) {
        let (settings, _dir) = jpegs();
        let set = FrameSet::open(vec![settings], Pace::Live).unwrap();
        for _ in 0..5 {
            frame(&set);
        }
        assert_eq!(texts(decoded("nvjpegdec")), ["", "image/jpeg", "NVMM Y42B 320x180"]);
        assert_eq!(texts(scaled()), ["NVMM Y42B 320x180", FITTED, "Bilinear"]);
        assert!(!was_tried("nvv4l2decoder"));
    }

    fn jpegs_of_usb_without_decoders(Bare) {
        let (settings, _dir) = jpegs();
        // As white as video is, but for what JPEG loses of it.
        let white = brightness_of(settings);
        assert!((233..=237).contains(&white), "{white}");
        assert_eq!(texts(scaled()), ["ours I420 320x180", FITTED, "Bilinear"]);
    }

    /// In the device's memory up to the encoder, and in the camera's own size.
    fn stills(Orin) {
        let still = still(csi(1));
        assert_eq!(still.jpeg(), [0xff, 0xd8, cameras::SENSOR, 0xff, 0xd9]);
        let encoder = seen("nvjpegenc").pop().unwrap();
        assert_eq!(brief(&encoder.input.unwrap()), "NVMM I420 320x180");
        assert_eq!(brief(&encoder.output), "ours image/jpeg 320x180");
        assert_eq!(made(), ["NVMM I420 320x180", FITTED]);
    }

    /// From pictures in our own memory, by the CPU.
    fn stills_without_an_encoder(Bare) {
        let (settings, _dir) = raw("YUY2", 2);
        let still = still(settings);
        assert!(still.jpeg().starts_with(&[0xff, 0xd8]) && still.jpeg().ends_with(&[0xff, 0xd9]));
        assert_eq!(made(), ["ours I420 320x180", FITTED]);
    }

    /// Its encoder wants pictures in a memory that nothing there puts them into.
    fn stills_of_a_machine_with_the_encoder_alone(Desk) {
        let (settings, _dir) = raw("YUY2", 2);
        assert!(still(settings).jpeg().starts_with(&[0xff, 0xd8]));
        assert!(seen("nvjpegenc").is_empty());
    }

    fn raw_pictures_of_usb(Orin) {
        let (settings, _dir) = raw("YUY2", 2);
        assert_eq!(brightness_of(settings), 140);
        assert_eq!(texts(scaled()), ["ours YUY2 320x180", FITTED, "Bilinear"]);
    }

    /// `nvvidconv` says to take grey pictures and makes no colours of them, and does not say to take `BGR`.
    fn raw_pictures_of_usb_that_the_scaler_does_not_take(Orin) {
        for (format, bytes) in [("GRAY8", 1), ("BGR", 3)] {
            let (settings, _dir) = raw(format, bytes);
            brightness_of(settings);
            let [input, output, _] = texts(scaled());
            let took = input.split(' ').nth(1).unwrap();
            assert!(input.starts_with("ours") && took != format && output == FITTED, "{input} {output}");
        }
    }

    fn network_cameras(Orin) {
        for codec in ["h264", "h265"] {
            let (lumas, fault) = until_lost(network(codec));
            assert!(matches!(fault, Fault::ConnectionLost { .. }), "{codec}: {fault}");
            // The stand-in's own brightness: they came through it.
            assert!(!lumas.is_empty() && lumas.iter().all(|l| (16..=208).contains(l)), "{codec}: {lumas:?}");
            assert_eq!(texts(decoded("nvv4l2decoder")), ["mjpeg=false", &format!("video/x-{codec}"), "NVMM NV12 320x180"]);
            assert_eq!(texts(scaled()), ["NVMM NV12 320x180", FITTED, "Bilinear"]);
        }
    }

    fn network_cameras_without_decoders(Bare) {
        for codec in ["h264", "h265"] {
            let (lumas, fault) = until_lost(network(codec));
            assert!(matches!(fault, Fault::ConnectionLost { .. }), "{codec}: {fault}");
            // Black, as it was sent.
            assert!(!lumas.is_empty() && lumas.iter().all(|l| *l == 16), "{codec}: {lumas:?}");
            assert_eq!(texts(scaled()), ["ours I420 320x180", FITTED, "Bilinear"]);
        }
    }

    fn recordings(Orin) {
        for codec in ["h264", "h265"] {
            assert_eq!(replayed(recording(codec)), (0..20).map(brightness).collect::<Vec<_>>());
            assert_eq!(texts(decoded("nvv4l2decoder")), ["mjpeg=false", &format!("video/x-{codec}"), "NVMM NV12 320x180"]);
            assert_eq!(texts(scaled()), ["NVMM NV12 320x180", FITTED, "Bilinear"]);
        }
    }

    fn recordings_without_decoders(Bare) {
        for codec in ["h264", "h265"] {
            assert_eq!(replayed(recording(codec)), [16; 20]);
            assert_eq!(texts(scaled()), ["ours I420 320x180", FITTED, "Bilinear"]);
        }
    }

    /// By the scaler, as nothing else can read what the decoder gives; by the CPU, where that decodes.
    fn a_recording_that_lies_on_its_side(Orin) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.mov");
        let h264 = recording("h264");
        make(&format!(
            "filesrc location={} ! matroskademux ! h264parse ! qtmux ! filesink location={}",
            h264.display(),
            path.display()
        ));
        turn(&path, 180);
        lies(&path);
        assert_eq!(texts(scaled()), ["NVMM NV12 320x180", "ours RGBA 36x64", "Bilinear Clockwise"]);
        numbered(&path, SIZE, 25, 5);
        turn(&path, 180);
        lies(&path);
        assert_eq!(texts(scaled()), ["ours I420 180x320", "ours RGBA 36x64", "Bilinear"]);
    }

    fn a_recording_that_repeats(Orin) {
        let source = Source::File { path: recording("h265"), repeat: true };
        let set = FrameSet::open(vec![camera("file", source)], Pace::Live).unwrap();
        while set.counters(FIRST).delivered < 50 {
            frame(&set);
        }
    }

    /// They are left to the CPU.
    fn recordings_of_jpegs(Orin) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.mov");
        numbered(&path, SIZE, 25, 13);
        assert_eq!(replayed(path), (0..13).map(brightness).collect::<Vec<_>>());
        assert_eq!(texts(scaled()), ["ours I420 320x180", FITTED, "Bilinear"]);
        assert!(!was_tried("nvjpegdec") && !was_tried("nvv4l2decoder"));
    }

    /// A PC with DeepStream: its decoders have the highest ranks, and nothing here could read what they give.
    fn a_machine_with_the_decoders_alone(Desk) {
        for codec in ["h264", "h265"] {
            assert_eq!(replayed(recording(codec)).len(), 20);
        }
        let (settings, _dir) = jpegs();
        brightness_of(settings);
        assert!(!was_tried("nvjpegdec") && !was_tried("nvv4l2decoder"));
        let (_, fault) = until_lost(csi(0));
        assert!(matches!(&fault, Fault::MissingPlugin { package, .. } if package.contains("JetPack")), "{fault}");
    }
}
