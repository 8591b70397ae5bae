//! Bad input: each with an error that says what is wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::Write as _;
use std::{fs, mem::discriminant, path::Path, time::Duration};

use cartvision_pipelines::{
    CameraSettings, Fault, FrameSet, Pace, PixelStream, RtspUrl, Size, Source, Taken, Transport, What,
};
use support::*;

/// The error with which a set of these cameras does not open, as text.
fn refused(cameras: Vec<CameraSettings>, pace: Pace) -> String {
    FrameSet::open(cameras, pace).err().expect("it must not open").to_string()
}

#[test]
fn files_that_are_no_video() {
    init();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("empty.mp4"), b"").unwrap();
    fs::write(path("text.mp4"), "just a text, no video\n".repeat(100)).unwrap();
    fs::write(path("noise.mp4"), (0..4096_u32).map(|i| (i * 7919 % 251) as u8).collect::<Vec<_>>()).unwrap();
    make(&format!("audiotestsrc num-buffers=20 ! wavenc ! filesink location={}", path("a.wav").display()));
    make(&format!(
        "audiotestsrc num-buffers=50 ! avenc_aac ! aacparse ! qtmux ! filesink location={}",
        path("a.m4a").display()
    ));
    type Kind = fn(&Fault) -> bool;
    let table: [(&str, Kind, &str); 7] = [
        ("absent.mp4", |f| matches!(f, Fault::NoSuchFile { .. }), "absent.mp4"),
        (".", |f| matches!(f, Fault::NotAFile { .. }), "not a file"),
        ("empty.mp4", |f| matches!(f, Fault::EmptyFile { .. }), "0 bytes"),
        ("text.mp4", |f| matches!(f, Fault::NotMedia { .. }), "text file"),
        ("noise.mp4", |f| matches!(f, Fault::NotMedia { .. }), "not a video"),
        ("a.wav", |f| matches!(f, Fault::NoVideo), "no video stream"),
        ("a.m4a", |f| matches!(f, Fault::NoVideo), "no video stream"),
    ];
    for (name, kind, says) in table {
        let error = FrameSet::open(vec![camera("rim", file(path(name)))], LOSSLESS).err();
        let error = error.unwrap_or_else(|| panic!("{name} opened"));
        assert!(kind(&error.fault), "{name}: {error:?}");
        let text = error.to_string();
        assert!(text.starts_with("camera rim: ") && text.contains(says), "{name}: {text}");
    }
}

#[test]
fn a_bad_file_does_not_keep_a_good_one_open() {
    init();
    let cameras = vec![camera("good", pattern(30, None)), camera("bad", file("/nowhere/x.mp4"))];
    assert!(refused(cameras, LOSSLESS).starts_with("camera bad: no such file"));
}

#[test]
fn truncated_with_the_index_in_front() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.mov");
    numbered(&path, (96, 64), 25, 100);
    let whole = fs::read(&path).unwrap();
    for percent in [40, 70, 90] {
        fs::write(&path, &whole[..whole.len() * percent / 100]).unwrap();
        let (frames, fault) = fault(&path);
        let Fault::Truncated { got, declared } = fault else { panic!("{percent} %: {fault:?}") };
        assert_eq!(declared, Duration::from_secs(4), "{percent} %");
        assert!((1..98).contains(&frames), "{percent} %: {frames} frames");
        assert!(
            got.abs_diff(Duration::from_millis(40 * frames as u64)) <= Duration::from_millis(1),
            "{got:?}"
        );
    }
}

#[test]
fn truncated_with_the_index_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.mov");
    make(&format!(
        "videotestsrc num-buffers=50 ! video/x-raw,width=64,height=48,framerate=25/1 ! jpegenc ! qtmux \
         ! filesink location={}",
        path.display()
    ));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = FrameSet::open(vec![camera("one", file(&path))], LOSSLESS).err().expect("it must not open");
    assert!(matches!(error.fault, Fault::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("index is missing"), "{error}");
}

#[test]
fn truncated_matroska() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.mkv");
    numbered(&path, (96, 64), 25, 100);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let (frames, fault) = fault(&path);
    assert!(matches!(fault, Fault::Truncated { .. } | Fault::Damaged { .. }), "{fault:?}");
    assert!((10..90).contains(&frames), "{frames}");
}

#[test]
fn the_size_changes_midway() {
    init();
    let dir = tempfile::tempdir().unwrap();
    let part = |name: &str, caps: &str| {
        let path = dir.path().join(name);
        make(&format!(
            "videotestsrc num-buffers=20 ! video/x-raw,{caps},framerate=20/1 ! theoraenc ! oggmux \
             ! filesink location={}",
            path.display()
        ));
        fs::read(path).unwrap()
    };
    // Ogg streams may follow one another in a file.
    let first = part("a.ogg", "width=64,height=48");
    let path = dir.path().join("joined.ogg");
    fs::write(&path, [first.clone(), part("b.ogg", "width=128,height=96")].concat()).unwrap();
    let (old, new) = (Size { width: 64, height: 48 }, Size { width: 128, height: 96 });
    assert_eq!(fault(&path), (20, Fault::SizeChanged { old, new }));
    // The same as a camera's: a fault, and nothing rescaled.
    let set = FrameSet::open(vec![camera("one", file(&path))], Pace::Live).unwrap();
    match drain(&set, 1).last() {
        Some(Gave::Failed(0, error)) => assert_eq!(error.fault, Fault::SizeChanged { old, new }),
        other => panic!("{other:?}"),
    }
}

#[test]
fn settings_that_contradict_themselves() {
    init();
    let twice = vec![camera("a", pattern(30, Some(1))), camera("a", pattern(30, Some(1)))];
    let mut capped = camera("a", pattern(30, Some(1)));
    capped.rate = Some(rate(5));
    let mut sizeless = camera("a", pattern(30, Some(1)));
    sizeless.max_width = 0;
    let repeated = camera("a", Source::File { path: "x".into(), repeat: true });
    let url = RtspUrl::new("rtsp://cam/x").unwrap();
    let network = camera("a", Source::Rtsp { url, latency_ms: 100, transport: Transport::Tcp });
    for (cameras, pace, says) in [
        (twice, Pace::Live, "two cameras"),
        (vec![capped], LOSSLESS, "cap on its rate"),
        (vec![sizeless], Pace::Live, "no size"),
        (vec![repeated], LOSSLESS, "`repeat`"),
        (vec![network], LOSSLESS, "record it"),
    ] {
        let text = refused(cameras, pace);
        assert!(text.starts_with("camera a: ") && text.contains(says), "{text}");
    }
}

#[test]
fn settings_are_read_strictly() {
    let read = |text: &str| toml::from_str::<Source>(text);
    assert_eq!(
        read("kind = 'file'\npath = 'a.mp4'").unwrap(),
        Source::File { path: "a.mp4".into(), repeat: false }
    );
    read("kind = 'v4l2'\ndevice = '/dev/v4l/by-id/x'\nwidth = 640\nheight = 480\nframerate = 30\nformat = 'mjpeg'")
        .unwrap();
    read("kind = 'rtsp'\nurl = 'rtsp://u:p@cam/1'\nlatency_ms = 100\ntransport = 'tcp'").unwrap();
    read("kind = 'csi'\nsensor_id = 0\nwidth = 1920\nheight = 1080\nframerate = 30").unwrap();
    read("kind = 'test'\npattern = 'ball'\nwidth = 64\nheight = 48\nframerate = 30\nframes = 3").unwrap();
    for bad in [
        "kind = 'film'\npath = 'a.mp4'",
        "kind = 'file'\npath = 'a.mp4'\nloop = true",
        "kind = 'test'\npattern = 'ball'\nwidth = 64\nheight = 48\nframerate = 0",
        "kind = 'rtsp'\nurl = 'http://cam/1'\nlatency_ms = 100\ntransport = 'tcp'",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

/// The first failure that a live set tells, and that the camera may be opened again after it.
fn fails_live(settings: CameraSettings) -> Fault {
    let set = FrameSet::open(vec![settings], Pace::Live).unwrap();
    let told = |set: &FrameSet| match set.take(LONG) {
        Taken::Given { what: What::Failed(camera, error), .. } => (camera, error.fault),
        other => panic!("{other:?}"),
    };
    let (camera, fault) = told(&set);
    assert!(matches!(set.take(LONG), Taken::Over));
    set.reopen(camera).unwrap();
    let again = told(&set).1;
    assert_eq!(discriminant(&again), discriminant(&fault), "{again:?} after {fault:?}");
    fault
}

#[test]
fn devices_that_are_absent() {
    init();
    let v4l2 = |device: &str, format| {
        let device = device.into();
        camera("usb", Source::V4l2 { device, width: 640, height: 480, framerate: rate(30), format })
    };
    let absent = "/dev/v4l/by-id/usb-none-video-index0";
    assert_eq!(fails_live(v4l2(absent, PixelStream::Raw)), Fault::DeviceMissing { device: absent.into() });
    // It is there, so the whole graph is built, and its camera then says what is wrong.
    for format in [PixelStream::Raw, PixelStream::Mjpeg] {
        let fault = fails_live(v4l2("/dev/null", format));
        assert!(
            matches!(&fault, Fault::Element { element, .. } if element.starts_with("v4l2src")),
            "{fault:?}"
        );
    }
    if Path::new("/dev/nvhost-ctrl").exists() || Path::new("/etc/nv_tegra_release").exists() {
        // Not by a macro: the harness would swallow it.
        _ = writeln!(
            std::io::stderr(),
            "SKIPPED: the part of devices_that_are_absent that needs a machine without a CSI camera"
        );
        return;
    }
    let csi = Source::Csi { sensor_id: 0, width: 1920, height: 1080, framerate: rate(30) };
    let fault = fails_live(camera("csi", csi));
    assert!(
        matches!(&fault, Fault::MissingPlugin { package, .. } if package.contains("JetPack")),
        "{fault:?}"
    );
}
