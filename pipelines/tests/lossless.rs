//! Replays: every frame, exact times, one order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::Write as _;
use std::{path::Path, thread, time::Duration};

use cartvision_core::PixelFormat;
use cartvision_pipelines::{FrameSet, Pace, Size, Taken, What};
use support::*;

/// Frame `n`'s time in a recording of a whole number of frames a second, as containers round it.
fn exact(n: u64, fps: u64, at_ns: u64, rounding_ns: u64) -> bool {
    (n * 1_000_000_000 / fps).abs_diff(at_ns) <= rounding_ns
}

#[test]
fn every_frame_arrives_with_its_time_and_its_picture() {
    let dir = tempfile::tempdir().unwrap();
    for (name, rounding_ns) in [("clip.mov", 50_000), ("clip.mkv", 1_000_000)] {
        let path = dir.path().join(name);
        numbered(&path, (96, 64), 25, 100);
        let gave = replay(&path).unwrap();
        assert_eq!(gave.len(), 101, "{name}");
        assert_eq!(gave[100], Gave::Ended(0), "{name}");
        for (n, frame) in (0_u64..).zip(&gave[..100]) {
            let Gave::Frame { camera: 0, index, at_ns, luma } = *frame else {
                panic!("{name} {n}: {frame:?}")
            };
            assert_eq!(index, n, "{name}");
            assert!(exact(n, 25, at_ns, rounding_ns), "{name}: frame {n} at {at_ns}");
            assert!(luma.abs_diff(brightness(n)) <= 3, "{name}: frame {n} is {luma} bright");
        }
    }
}

#[test]
fn frames_have_the_fitted_size() {
    init();
    let dir = tempfile::tempdir().unwrap();
    // (caps, as shown, fitted into 64×64)
    let table = [
        ("width=160,height=120", (160, 120), (64, 48)),
        ("width=120,height=160", (120, 160), (48, 64)),
        ("width=32,height=18", (32, 18), (64, 36)),
        ("width=80,height=90,pixel-aspect-ratio=2/1", (160, 90), (64, 36)),
        ("width=150,height=99", (150, 99), (64, 42)),
    ];
    for (caps, shown, fitted) in table {
        let path = dir.path().join("clip.mkv");
        make(&format!(
            "videotestsrc num-buffers=3 ! video/x-raw,framerate=10/1,{caps} ! jpegenc ! matroskamux ! filesink location={}",
            path.display()
        ));
        let set = FrameSet::open(vec![camera("one", file(&path))], LOSSLESS).unwrap();
        let Taken::Given { what: What::Frame(frame), .. } = set.take(LONG) else {
            panic!("{caps}: no frame")
        };
        let picture = frame.picture();
        assert_eq!((picture.width, picture.height), fitted, "{caps}");
        assert!(picture.stride >= picture.width * picture.format.bytes_per_pixel(), "{caps}");
        let used = picture.stride * (picture.height - 1) + picture.width * picture.format.bytes_per_pixel();
        assert!(picture.data.len() >= used, "{caps}");
        let counters = set.counters(FIRST);
        assert_eq!(counters.source, Some(Size { width: shown.0, height: shown.1 }), "{caps}");
        assert_eq!(counters.fitted, Some(Size { width: fitted.0, height: fitted.1 }), "{caps}");
    }
}

#[test]
fn colours_are_in_order() {
    init();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("red.mkv");
    make(&format!(
        "videotestsrc num-buffers=2 pattern=red ! video/x-raw,width=64,height=48,framerate=10/1 ! jpegenc \
         ! matroskamux ! filesink location={}",
        path.display()
    ));
    let set = FrameSet::open(vec![camera("one", file(&path))], LOSSLESS).unwrap();
    let Taken::Given { what: What::Frame(frame), .. } = set.take(LONG) else { panic!("no frame") };
    let picture = frame.picture();
    assert!(matches!(picture.format, PixelFormat::Rgb | PixelFormat::Rgbx));
    let [r, g, b] = picture.data[..3] else { unreachable!() };
    assert!(r > 230 && g < 25 && b < 25, "{r} {g} {b}");
}

#[test]
fn a_rotated_recording_stands_upright() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.mov");
    numbered(&path, (96, 64), 25, 10);
    turn(&path, 64);
    let set = FrameSet::open(vec![camera("one", file(&path))], LOSSLESS).unwrap();
    let Taken::Given { what: What::Frame(frame), .. } = set.take(LONG) else { panic!("no frame") };
    assert_eq!((frame.picture().width, frame.picture().height), (42, 64));
    assert_eq!(set.counters(FIRST).source, Some(Size { width: 64, height: 96 }));
    drop(frame);
    assert_eq!(drain_rest(&set), 9);
}

/// Takes what is left; gives the number of frames.
fn drain_rest(set: &FrameSet) -> usize {
    let mut frames = 0;
    loop {
        match set.take(LONG) {
            Taken::Given { what: What::Frame(_), .. } => frames += 1,
            Taken::Given { what: What::Ended(_), .. } => {}
            Taken::Over => return frames,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn cameras_come_in_the_order_of_media_time_whatever_the_takers() {
    let dir = tempfile::tempdir().unwrap();
    let clips = [("a", 25, 50_u32), ("b", 10, 30), ("c", 25, 20)];
    for (name, fps, frames) in clips {
        numbered(&dir.path().join(name).with_extension("mov"), (64, 48), fps, frames);
    }
    let order = |takers: usize| {
        let path = |name: &str| dir.path().join(name).with_extension("mov");
        let cameras = clips.iter().map(|(name, ..)| camera(name, file(path(name)))).collect();
        drain(&FrameSet::open(cameras, LOSSLESS).unwrap(), takers)
    };
    let one = order(1);
    assert_eq!(one.iter().filter(|g| matches!(g, Gave::Frame { .. })).count(), 100);
    assert_eq!(one.iter().filter(|g| matches!(g, Gave::Ended(_))).count(), 3);
    let keys: Vec<(u64, usize)> = one
        .iter()
        .filter_map(|g| match g {
            Gave::Frame { camera, at_ns, .. } => Some((*at_ns, *camera)),
            _ => None,
        })
        .collect();
    assert!(keys.is_sorted(), "{keys:?}");
    for takers in [2, 3, 3, 3] {
        assert_eq!(order(takers), one, "{takers} takers");
    }
}

#[test]
fn a_test_pattern_ends_after_its_frames() {
    init();
    let gave = drain(&FrameSet::open(vec![camera("one", pattern(30, Some(7)))], LOSSLESS).unwrap(), 2);
    assert_eq!(gave.len(), 8);
    assert_eq!(gave[7], Gave::Ended(0));
    for (n, frame) in (0_u64..).zip(&gave[..7]) {
        assert!(matches!(frame, Gave::Frame { at_ns, .. } if exact(n, 30, *at_ns, 1)), "{n}: {frame:?}");
    }
}

#[test]
fn real_time_loses_nothing_and_is_not_faster_than_the_recording() {
    init();
    let start = std::time::Instant::now();
    let set = FrameSet::open(vec![camera("one", pattern(50, Some(25)))], Pace::Lossless { realtime: true })
        .unwrap();
    assert_eq!(drain(&set, 1).len(), 26);
    // A lower bound only: no load makes the clock run faster.
    assert!(start.elapsed() >= Duration::from_millis(480), "{:?}", start.elapsed());
    assert_eq!(set.counters(FIRST).dropped, 0);
}

#[test]
fn audio_is_left_aside_however_long_it_is() {
    init();
    let dir = tempfile::tempdir().unwrap();
    for (muxer, name) in [("qtmux", "av.mov"), ("matroskamux", "av.mkv")] {
        let path = dir.path().join(name);
        make(&format!(
            "{muxer} name=m ! filesink location={} \
             videotestsrc num-buffers=20 ! video/x-raw,width=64,height=48,framerate=20/1 ! jpegenc ! queue ! m. \
             audiotestsrc num-buffers=200 ! audio/x-raw,rate=44100,channels=1 ! avenc_aac ! aacparse ! queue ! m.",
            path.display()
        ));
        let gave = replay(&path).unwrap();
        assert_eq!((gave.len(), gave.last()), (21, Some(&Gave::Ended(0))), "{name}");
    }
}

#[test]
fn the_rate_is_that_of_the_recording() {
    init();
    let set = FrameSet::open(vec![camera("one", pattern(40, Some(50)))], LOSSLESS).unwrap();
    drain(&set, 1);
    let rate = set.counters(FIRST).rate;
    assert!((rate - 40.0).abs() < 0.01, "{rate}");
}

#[test]
fn a_frame_costs_the_taker_no_allocation() {
    init();
    let set = FrameSet::open(vec![camera("one", pattern(30, Some(50)))], LOSSLESS).unwrap();
    let mut frames = 0;
    let mut look = || match set.take(LONG) {
        Taken::Given { what: What::Frame(frame), .. } => {
            frames += usize::from(!frame.picture().data.is_empty())
        }
        other => panic!("{other:?}"),
    };
    look();
    let about = allocation_counter::measure(|| (0..40).for_each(|_| look()));
    assert_eq!((about.count_total, frames), (0, 41));
}

#[test]
fn stop_and_drop_do_not_wait_for_anybody() {
    init();
    // Endless, and nobody takes: every thread of the graph waits for room.
    let cameras = || vec![camera("a", pattern(30, None)), camera("b", pattern(30, None))];
    drop(FrameSet::open(cameras(), LOSSLESS).unwrap());

    let set = FrameSet::open(vec![camera("a", pattern(1, None))], Pace::Live).unwrap();
    thread::scope(|scope| {
        let taker = scope.spawn(|| {
            loop {
                match set.take(Duration::from_secs(3600)) {
                    Taken::Over => return,
                    Taken::Given { .. } => {}
                    Taken::Idle => panic!("an hour went by"),
                }
            }
        });
        set.stop();
        taker.join().unwrap();
    });
    assert!(matches!(set.take(Duration::ZERO), Taken::Over));
}

#[test]
fn the_real_clip() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/real/bottle-detection.mp4");
    if !path.exists() {
        // Not by a macro: the harness would swallow it.
        _ = writeln!(std::io::stderr(), "SKIPPED: the_real_clip: no {}", path.display());
        return;
    }
    init();
    let mut settings = camera("one", file(&path));
    (settings.max_width, settings.max_height) = (416, 416);
    let set = FrameSet::open(vec![settings], LOSSLESS).unwrap();
    let Taken::Given { what: What::Frame(frame), .. } = set.take(LONG) else { panic!("no frame") };
    assert_eq!((frame.picture().width, frame.picture().height, frame.at.ns), (416, 234, 0));
    drop(frame);
    let mut frames = 1_u64;
    loop {
        match set.take(LONG) {
            Taken::Given { what: What::Frame(frame), .. } => {
                // 179/6 frames a second.
                assert!(
                    (frames * 6_000_000_000 / 179).abs_diff(frame.at.ns) < 100_000,
                    "{frames}: {frame:?}"
                );
                frames += 1;
            }
            Taken::Given { what: What::Ended(_), .. } => {}
            Taken::Over => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(frames, 1189);
}
