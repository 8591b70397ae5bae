//! `cartvisiond replay` on recordings: the eight labelled events of the real clip, whatever is done to the clip
//! that should not matter; and what a replay promises besides.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cartvision_tests::bench::Bench;
use cartvision_tests::input::Real;
use cartvision_tests::log::{EventLog, expect_valid, kind, lines, validator};
use cartvision_tests::program::{Ran, Running, run, wait_until};
use cartvision_tests::video::{self, DIMMED, Index, MIRRORED};
use cartvision_wire::{UtcTime, schema};
use rustix::process::Signal;
use serde_json::Value;

/// Replays to a file; gives the file and its events.
fn events(bench: &Bench, cameras: &[(&str, &Path)], more: &[&str]) -> (PathBuf, EventLog) {
    let (ran, file) = bench.replay_to_file(cameras, more);
    let log = EventLog::from_lines(&fs::read_to_string(&file).unwrap());
    check_session(&log);
    check_summary(&ran, &log, cameras.len());
    (file, log)
}

/// One session from its start to its settlement, whose last word about the basket is what its events make.
fn check_session(log: &EventLog) {
    let kinds = log.kinds();
    assert_eq!(kinds[..2], ["log.opened", "session.started"]);
    assert_eq!(kinds[kinds.len() - 2..], ["session.ended", "session.settled"]);
    let of = |kind: &str| kinds.iter().filter(|k| **k == kind).count();
    assert_eq!((of("session.started"), of("session.ended"), of("session.settled")), (1, 1, 1));
    assert_eq!(log.events()[0]["data"]["reason"], "replay");
    let ended = log.of("session.ended")[0];
    assert_eq!(lines(&ended["data"]["basket"]), log.basket(), "the final basket");
}

/// Standard error ends with the summary.
fn check_summary(ran: &Ran, log: &EventLog, streams: usize) {
    let summary: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    expect_valid(&validator(schema::SUMMARY), &summary);
    assert_eq!(summary["events"], log.events().len());
    assert_eq!(summary["streams"], streams);
}

/// The moments of what was added and removed, the same within a frame.
fn same_acts(a: &EventLog, b: &EventLog) -> bool {
    let near =
        |((kind, at), (other, then)): (&(&str, u64), &(&str, u64))| kind == other && at.abs_diff(*then) <= 34;
    a.acts().len() == b.acts().len() && a.acts().iter().zip(&b.acts()).all(near)
}

#[test]
fn the_real_clip_gives_the_same_bytes_on_any_number_of_threads() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::of(&real, "bottle");
    let (file, log) = events(&bench, &[("rim", &real.video)], &[]);
    real.expect_all(&real.truth, &file, 0);
    assert_eq!(log.of("item.removed").iter().filter(|e| e["data"]["not_in_basket"] == true).count(), 2);

    let first = fs::read_to_string(&file).unwrap();
    let (again, _) = events(&bench, &[("rim", &real.video)], &["--threads", "1"]);
    assert_eq!(fs::read_to_string(again).unwrap(), first, "on one thread");
    // To standard output, which then carries nothing else.
    let ran = run(&mut bench.replay(&[("rim", &real.video)], &["--threads", "3", "--events", "-"]));
    let ran = ran.expect_code(0);
    assert_eq!(ran.stdout, first, "on three threads");
    check_summary(&ran, &log, 1);
}

#[test]
fn a_mirrored_copy_gives_the_same_events_alone_and_beside_the_clip() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::of(&real, "bottle");
    let mirrored = video::filtered(&real.video, MIRRORED, bench.at("mirrored.mkv"));
    let (file, _) = events(&bench, &[("rim", &mirrored)], &[]);
    real.expect_all(&real.truth, &file, 0);
    // Two views of one basket: each act is one event, seen by both.
    let (file, log) = events(&bench, &[("left", &real.video), ("right", &mirrored)], &[]);
    real.expect_all(&real.truth, &file, 0);
    for event in log.of("item.added").into_iter().chain(log.of("item.removed")) {
        let cameras = event["data"]["cameras"].as_array().unwrap();
        let cameras: BTreeSet<_> = cameras.iter().filter_map(Value::as_str).collect();
        assert_eq!(cameras, BTreeSet::from(["left", "right"]), "{event:#}");
    }
}

#[test]
fn a_dimmed_copy_gives_the_same_events() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::of(&real, "bottle");
    let dimmed = video::filtered(&real.video, DIMMED, bench.at("dimmed.mkv"));
    let (file, _) = events(&bench, &[("rim", &dimmed)], &[]);
    real.expect_all(&real.truth, &file, 0);
}

/// With every class an item, boxes flicker between labels; bottles stay bottles, and nothing else is claimed.
#[test]
fn every_class_an_item() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::of(&real, "all");
    let (file, log) = events(&bench, &[("rim", &real.video)], &[]);
    real.expect_all(&real.truth, &file, u64::MAX);
    let bottles = log.events().iter().filter(|e| matches!(kind(e), "item.added" | "item.removed"));
    assert!(bottles.clone().all(|e| e["data"]["item"]["id"] == "bottle"));
    assert_eq!(bottles.count(), 8);
}

/// Two bottles are lifted at the same moment: they stay two, and seen twice they do not become four.
#[test]
fn two_cameras_with_the_same_clip_give_each_act_once() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::of(&real, "bottle");
    let (file, log) = events(&bench, &[("left", &real.video), ("right", &real.video)], &[]);
    real.expect_all(&real.truth, &file, 0);
    let items = log.kinds().iter().filter(|k| k.starts_with("item.")).count();
    assert_eq!(items, 8, "{:?}", log.kinds());
}

/// A zone that leaves the right bottle out, and one that holds only the right bottle, share the events out.
#[test]
fn a_zone_says_what_counts() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::of(&real, "bottle");
    let truth = fs::read_to_string(&real.truth).unwrap();
    let (right, others): (Vec<&str>, Vec<&str>) =
        truth.lines().partition(|l| l.contains(r#""where":"right""#));
    assert_eq!((right.len(), others.len()), (2, 6));
    for (name, zone, expected) in [
        ("others", "[[0, 0], [0.6, 0], [0.6, 1], [0, 1]]", others),
        ("right", "[[0.6, 0], [1, 0], [1, 1], [0.6, 1]]", right),
    ] {
        let (zones, truth) = (bench.at(&format!("{name}.toml")), bench.at(&format!("{name}.jsonl")));
        fs::write(&zones, format!("[zones]\nrim = {zone}\n")).unwrap();
        fs::write(&truth, expected.join("\n")).unwrap();
        let (file, _) = events(&bench, &[("rim", &real.video)], &["--zones", zones.to_str().unwrap()]);
        real.expect_all(&truth, &file, 0);
    }
}

#[test]
fn the_start_time_shifts_every_moment() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::of(&real, "bottle");
    // The first act is over at 7.2 s.
    let clip = video::remuxed(&real.video, Index::Front, Some(270), bench.at("beginning.mp4"));
    let (_, epoch) = events(&bench, &[("rim", &clip)], &[]);
    let start: UtcTime = "2026-11-23T10:15:30.123Z".parse().unwrap();
    let (_, shifted) = events(&bench, &[("rim", &clip)], &["--start-time", &start.to_string()]);
    assert_eq!(epoch.kinds(), shifted.kinds());
    assert!(same_acts(&epoch, &shifted) && epoch.acts().len() == 1, "{:?}", epoch.acts());
    let time = |e: &Value| e["time"].as_str().unwrap().parse::<UtcTime>().unwrap().as_ms();
    for (a, b) in epoch.events().iter().zip(shifted.events()) {
        assert_eq!(time(b) - time(a), start.as_ms());
        let moment = a["data"]["media_time_ms"].as_u64().unwrap_or(0);
        assert_eq!(time(a), moment, "from 1970 on");
        assert_ne!(a["id"], b["id"], "other input, other ids");
    }
}

/// A clean stop: what was decided is whole on disk, the session is closed, the answer is "no, not to the end".
#[test]
fn sigterm_ends_a_replay_with_whole_lines() {
    let bench = Bench::tiny();
    let clip = video::ball(1500, Index::Front, bench.at("clip.mov"));
    let file = bench.at("events.jsonl");
    let mut replay =
        Running::start(bench.replay(&[("rim", &clip)], &["--realtime"]).arg("--events").arg(&file));
    let text = || fs::read_to_string(&file).unwrap_or_default();
    wait_until(|| (text().lines().count() >= 2).then_some(()), || "the session has started".to_owned());
    assert_eq!(replay.ended(), None);
    replay.signal(Signal::TERM);
    let ran = replay.end().expect_code(1);
    let log = EventLog::from_lines(&text());
    check_session(&log);
    check_summary(&ran, &log, 1);
    let summary: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert!(summary["frames"].as_u64().unwrap() < 1500, "it did not play to its end");
}
