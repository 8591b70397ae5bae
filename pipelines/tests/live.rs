//! Live cameras: the newest frame wins, and every loss is counted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod support;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use cartvision_core::MediaTime;
use cartvision_pipelines::{Fault, Frame, FrameSet, Pace, Pattern, Source, Taken, What};
use support::*;

fn frame(set: &FrameSet) -> Frame {
    match set.take(LONG) {
        Taken::Given { what: What::Frame(frame), .. } => frame,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_newest_wins_and_the_others_are_counted() {
    init();
    let set = FrameSet::open(vec![camera("one", pattern(200, None))], Pace::Live).unwrap();
    let (mut taken, mut last) = (0, None::<Frame>);
    while taken < 20 {
        // A slow consumer: it lets three frames go by.
        let before = set.counters(FIRST).dropped;
        while set.counters(FIRST).dropped < before + 3 {
            std::thread::yield_now();
        }
        let frame = frame(&set);
        taken += 1;
        if let Some(last) = &last {
            assert!(frame.index > last.index + 3 && frame.at > last.at, "{last:?} then {frame:?}");
        }
        let counters = set.counters(FIRST);
        assert_eq!(counters.delivered, taken);
        // All before it were delivered or dropped; since then more may have been dropped.
        assert!(counters.delivered + counters.dropped > frame.index, "{counters:?} {frame:?}");
        last = Some(frame);
    }
    assert!(set.counters(FIRST).rate > 0.0);
}

#[test]
fn all_cameras_have_one_time_line_and_their_turn() {
    init();
    let cameras = vec![camera("slow", pattern(20, None)), camera("fast", pattern(100, None))];
    let set = FrameSet::open(cameras, Pace::Live).unwrap();
    let mut seen = [0, 0];
    while seen.iter().any(|n| *n < 5) {
        let frame = frame(&set);
        seen[frame.camera.index()] += 1;
        // Captured before now, on the same line for both.
        let age = set.epoch().elapsed().saturating_sub(Duration::from_nanos(frame.at.ns));
        assert!(frame.at.ns <= u64::try_from(set.epoch().elapsed().as_nanos()).unwrap(), "{frame:?}");
        assert!(age < Duration::from_secs(5), "{age:?}");
        assert!(frame.captured.elapsed() >= Duration::ZERO && frame.captured >= set.epoch());
    }
}

/// A still is a frame's picture, whole: of the same moment, in the size that the camera gives.
#[test]
fn stills_are_whole_pictures_of_the_frames_moments() {
    init();
    let pattern =
        Source::Test { pattern: Pattern::Smpte, width: 322, height: 182, framerate: rate(40), frames: None };
    let mut settings = camera("one", pattern);
    (settings.stills, settings.frozen_within) = (Some(rate(10)), None);
    let set = FrameSet::open(vec![settings], Pace::Live).unwrap();
    let known = frame(&set).at;
    let mut stills = Vec::new();
    let since = Instant::now();
    while stills.len() < 6 {
        assert!(since.elapsed() < LONG, "{stills:?}");
        frame(&set);
        stills.extend(set.still(FIRST));
    }
    for still in &stills {
        // The source gives a picture every 25 ms; not each need have been taken here.
        assert_eq!(still.at.ns.abs_diff(known.ns) % 25_000_000, 0, "{still:?} beside {known:?}");
        assert_eq!(size(still.jpeg()), (322, 182));
    }
    let (first, last) = (stills[0].at, stills[5].at);
    let mean_ms = last.since(first).ns as f64 / 1e6 / 5.0;
    assert!(mean_ms >= 95.0, "one still in {mean_ms} ms");
    assert_eq!((frame(&set).picture().width, frame(&set).picture().height), (64, 36), "frames are small");
}

/// Width and height as a JPEG's frame header says, and that it has an end.
fn size(jpeg: &[u8]) -> (u16, u16) {
    assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]), "{} bytes", jpeg.len());
    let header = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    let number = |at: usize| u16::from_be_bytes([jpeg[header + at], jpeg[header + at + 1]]);
    (number(7), number(5))
}

#[test]
fn without_being_asked_nobody_makes_stills_and_a_replay_makes_none() {
    init();
    let set = FrameSet::open(vec![camera("one", pattern(50, None))], Pace::Live).unwrap();
    for _ in 0..10 {
        frame(&set);
    }
    assert!(set.still(FIRST).is_none());
    let mut settings = camera("one", pattern(50, Some(5)));
    settings.stills = Some(rate(5));
    let Err(refused) = FrameSet::open(vec![settings], LOSSLESS) else { panic!("it was opened") };
    assert!(refused.to_string().contains("a replay makes no stills"), "{refused}");
}

#[test]
fn the_cap_on_the_rate_drops_in_the_graph() {
    init();
    let mut settings = camera("one", pattern(100, None));
    settings.rate = Some(rate(10));
    let set = FrameSet::open(vec![settings], Pace::Live).unwrap();
    let first = frame(&set).at;
    let mut last = first;
    for _ in 0..10 {
        last = frame(&set).at;
    }
    let mean_ms = last.since(first).ns as f64 / 1e6 / 10.0;
    assert!(mean_ms >= 95.0, "one frame in {mean_ms} ms");
}

#[test]
fn a_file_is_paced_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.mov");
    numbered(&path, (64, 48), 50, 25);
    let set = FrameSet::open(vec![camera("one", file(&path))], Pace::Live).unwrap();
    let gave = drain(&set, 1);
    assert_eq!(gave.last(), Some(&Gave::Ended(0)));
    let times: Vec<u64> = gave
        .iter()
        .filter_map(|g| match g {
            Gave::Frame { at_ns, .. } => Some(*at_ns),
            _ => None,
        })
        .collect();
    let counters = set.counters(FIRST);
    assert_eq!((times.len() as u64, counters.delivered + counters.dropped), (counters.delivered, 25));
    assert!(times.is_sorted());
    // After its end it may be opened again, on the same time line.
    set.reopen(FIRST).unwrap();
    assert!(frame(&set).at.ns > *times.last().unwrap());
}

/// Resident memory in KiB, threads and open files of this process.
fn footprint() -> (u64, usize, usize) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    let kib = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let count = |what: &str| fs::read_dir(Path::new("/proc/self").join(what)).unwrap().count();
    (kib, count("task"), count("fd"))
}

/// What the other tests of this program take meanwhile is part of the figures; the bounds have room for it.
#[test]
fn a_short_file_repeats_without_end_and_without_a_leak() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.mov");
    numbered(&path, (640, 480), 100, 3);
    let source = Source::File { path, repeat: true };
    let set = FrameSet::open(vec![camera("one", source)], Pace::Live).unwrap();
    let mut last = MediaTime::ZERO;
    let mut repeats = |n: u64| {
        let until = set.counters(FIRST).delivered + 3 * n;
        while set.counters(FIRST).delivered < until {
            let frame = frame(&set);
            assert!(frame.at > last, "{frame:?} after {last:?}");
            last = frame.at;
        }
    };
    repeats(30);
    let (before_kib, before_threads, before_files) = footprint();
    repeats(150);
    let (kib, threads, files) = footprint();
    // A leaked decoded picture of each round would be 150 × 450 KiB = 66 MiB.
    assert!(kib < before_kib + 24 * 1024, "{before_kib} KiB grew to {kib} KiB");
    assert!(threads < before_threads + 30 && files < before_files + 60, "{threads} threads, {files} files");
}

/// Two hundred times a camera ends and is opened again: what its graph took, it gives back.
#[test]
fn two_hundred_restarts_leave_nothing_behind() {
    init();
    let set = FrameSet::open(vec![camera("one", pattern(500, Some(3)))], Pace::Live).unwrap();
    let restarts = |n: usize| {
        for _ in 0..n {
            loop {
                match set.take(LONG) {
                    Taken::Given { what: What::Ended(camera), .. } => break set.reopen(camera).unwrap(),
                    Taken::Given { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    };
    restarts(20);
    let (before_kib, before_threads, before_files) = footprint();
    restarts(200);
    let (kib, threads, files) = footprint();
    eprintln!(
        "200 restarts: {before_kib} → {kib} KiB, {before_threads} → {threads} threads, {before_files} → {files} files"
    );
    // A graph left behind takes threads and files, each time.
    assert!(kib < before_kib + 24 * 1024, "{before_kib} KiB grew to {kib} KiB");
    assert!(threads < before_threads + 30 && files < before_files + 60, "{threads} threads, {files} files");
}

#[test]
fn a_camera_without_a_frame_is_reported_and_the_others_run() {
    init();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // It accepts, by the system's queue, and never answers.
    let address = format!("rtsp://user:secret@{}/silent", server.local_addr().unwrap());
    let source = Source::Rtsp {
        url: cartvision_pipelines::RtspUrl::new(address).unwrap(),
        latency_ms: 0,
        transport: cartvision_pipelines::Transport::Tcp,
    };
    let mut silent = camera("silent", source);
    silent.first_frame_within = Duration::from_millis(300);
    let set = FrameSet::open(vec![silent, camera("good", pattern(50, None))], Pace::Live).unwrap();
    let (mut frames, mut failed) = (0, false);
    while frames < 30 || !failed {
        match set.take(LONG) {
            Taken::Given { what: What::Frame(frame), .. } => {
                assert_eq!(frame.camera, SECOND);
                frames += 1;
            }
            Taken::Given { what: What::Failed(camera, error), .. } => {
                assert_eq!(camera, FIRST);
                assert_eq!(error.fault, Fault::NoFrame { waited: Duration::from_millis(300) });
                failed = true;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_frozen_camera_is_reported_and_a_lively_one_is_not() {
    init();
    let still =
        Source::Test { pattern: Pattern::Black, width: 64, height: 48, framerate: rate(50), frames: None };
    let within = Some(Duration::from_millis(500));
    let mut cameras =
        vec![camera("still", still.clone()), camera("ball", pattern(50, None)), camera("statue", still)];
    cameras[0].frozen_within = within;
    cameras[1].frozen_within = within;
    cameras[2].frozen_within = None;
    let set = FrameSet::open(cameras, Pace::Live).unwrap();
    let mut others = [0, 0, 0];
    let mut frozen = false;
    while !frozen || others[1] < 60 || others[2] < 60 {
        match set.take(LONG) {
            Taken::Given { what: What::Frame(frame), .. } => others[frame.camera.index()] += 1,
            Taken::Given { what: What::Failed(camera, error), .. } => {
                assert_eq!(camera, FIRST, "{error}");
                assert!(matches!(error.fault, Fault::Frozen { .. }), "{error}");
                assert!(error.to_string().contains("frozen"), "{error}");
                frozen = true;
            }
            other => panic!("{other:?}"),
        }
    }
    // Opened again, it gives pictures again, until it is found out again.
    set.reopen(FIRST).unwrap();
    let again = loop {
        match set.take(LONG) {
            Taken::Given { what: What::Failed(_, error), .. } => break error,
            Taken::Given { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(again.fault, Fault::Frozen { .. }), "{again}");
}
