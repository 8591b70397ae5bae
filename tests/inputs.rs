//! `cartvisiond replay --inputs`: what the detector saw is recorded once, and gives the same events ever after,
//! without the recordings being decoded or the model being run.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cartvision_tests::bench::Bench;
use cartvision_tests::input::Real;
use cartvision_tests::log::EventLog;
use cartvision_tests::mosquitto::{Door, Mosquitto};
use cartvision_tests::observer::{Observer, root};
use cartvision_tests::program::{Ran, Running, run, wait_until};
use cartvision_tests::table::Table;
use cartvision_tests::video::{self, Index};
use rustix::process::Signal;
use serde_json::Value;

/// So that neither ONNX Runtime nor GStreamer can be used.
fn bare(command: &mut Command, bench: &Bench) -> Ran {
    command.env("ORT_DYLIB_PATH", bench.at("absent.so"));
    for variable in ["GST_PLUGIN_PATH", "GST_PLUGIN_SYSTEM_PATH", "GST_PLUGIN_SYSTEM_PATH_1_0"] {
        command.env(variable, bench.at("absent"));
    }
    command.env("GST_REGISTRY", bench.at("registry"));
    run(command)
}

/// A replay from recorded inputs; gives its events' bytes and its summary.
fn replayed(bench: &Bench, cameras: &[(&str, &Path)], inputs: &Path, more: &[&str]) -> (String, Value) {
    let mut command = bench.replay(cameras, more);
    let ran = bare(command.args(["--events", "-", "--inputs"]).arg(inputs), bench).expect_code(0);
    let summary = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    (ran.stdout, summary)
}

/// A bench with the tiny model, a recording of so many frames, and what was seen in it.
fn recorded(frames: u32) -> (Bench, PathBuf, PathBuf) {
    let bench = Bench::tiny();
    let clip = video::ball(frames, Index::Front, bench.at("clip.mov"));
    let inputs = bench.at("inputs.jsonl");
    run(bench.replay(&[("rim", &clip)], &[]).arg("--inputs").arg(&inputs)).expect_code(0);
    (bench, clip, inputs)
}

/// What lies in the bench beside FILE and is named after it.
fn parts(bench: &Bench) -> Vec<String> {
    let names = fs::read_dir(bench.place.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".part")).collect()
}

#[test]
fn the_real_clip_gives_the_same_bytes_from_what_was_seen_in_it() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::of(&real, "bottle");
    let (inputs, cameras) = (bench.at("inputs.jsonl"), [("rim", real.video.as_path())]);
    let (ran, file) = bench.replay_to_file(&cameras, &["--inputs", inputs.to_str().unwrap()]);
    real.expect_all(&real.truth, &file, 0);
    let first = fs::read_to_string(file).unwrap();
    let summary: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    let kept = fs::read(&inputs).unwrap();
    let (again, told) = replayed(&bench, &cameras, &inputs, &["--threads", "3"]);
    assert_eq!(again, first);
    for figure in ["frames", "events", "streams"] {
        assert_eq!(told[figure], summary[figure], "{figure}");
    }
    assert_eq!(fs::read(&inputs).unwrap(), kept, "it is read, not written");
    assert!(parts(&bench).is_empty());
}

/// Two cameras, and zones that were not there when it was recorded: as if the whole had been run with them.
#[test]
fn other_zones_need_no_other_recording() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::of(&real, "bottle");
    // The first act is over at 7.2 s.
    let clip = video::remuxed(&real.video, Index::Front, Some(270), bench.at("beginning.mp4"));
    let (inputs, cameras) = (bench.at("inputs.jsonl"), [("left", clip.as_path()), ("right", clip.as_path())]);
    let (_, whole) = bench.replay_to_file(&cameras, &["--inputs", inputs.to_str().unwrap()]);
    let whole = fs::read_to_string(whole).unwrap();
    let zone = "[[0.6, 0], [1, 0], [1, 1], [0.6, 1]]";
    let zones = bench.write("zones.toml", format!("[zones]\nleft = {zone}\nright = {zone}\n"));
    let more = ["--zones", zones.to_str().unwrap()];
    let (_, direct) = bench.replay_to_file(&cameras, &more);
    let (again, _) = replayed(&bench, &cameras, &inputs, &more);
    assert_eq!(again, fs::read_to_string(direct).unwrap());
    assert_eq!(replayed(&bench, &cameras, &inputs, &[]).0, whole);
    let acts = |events: &str| EventLog::from_lines(events).acts().len();
    assert_ne!(acts(&again), acts(&whole), "the zones made a difference");
}

/// What two cameras saw serves for the first one alone: as if the other had not been there.
#[test]
fn the_first_camera_needs_no_recording_of_its_own() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::of(&real, "bottle");
    let clip = |frames, name| video::remuxed(&real.video, Index::Front, Some(frames), bench.at(name));
    // The other one goes on for longer than the first.
    let (left, right) = (clip(270, "left.mp4"), clip(290, "right.mp4"));
    let (inputs, cameras) =
        (bench.at("inputs.jsonl"), [("left", left.as_path()), ("right", right.as_path())]);
    run(bench.replay(&cameras, &[]).arg("--inputs").arg(&inputs)).expect_code(0);
    let (ran, direct) = bench.replay_to_file(&cameras[..1], &[]);
    let summary: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    let (again, told) = replayed(&bench, &cameras[..1], &inputs, &[]);
    assert_eq!(again, fs::read_to_string(direct).unwrap());
    for figure in ["frames", "events", "streams"] {
        assert_eq!(told[figure], summary[figure], "{figure}");
    }
    let mut command = bench.replay(&cameras[1..], &["--events", "-"]);
    let refused = bare(command.arg("--inputs").arg(&inputs), &bench).expect_code(2);
    assert!(refused.stderr.contains("cameras left, right and not right"), "{}", refused.stderr);
}

#[test]
fn a_broker_hears_what_the_file_has() {
    let (bench, clip, inputs) = recorded(10);
    let broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    let more = ["--store", "store-1", "--cart", "cart-1", "--broker", &broker.url()];
    let (events, _) = replayed(&bench, &[("rim", &clip)], &inputs, &more);
    observer.wait_state("offline", |_| true);
    observer.expect_contract();
    assert_eq!(observer.events().events(), EventLog::from_lines(&events).events());
}

/// Paced, it can be stopped on the way; it changes no byte of what came until then.
#[test]
fn recorded_inputs_can_be_paced() {
    let (bench, clip, inputs) = recorded(1500);
    let file = bench.at("events.jsonl");
    let mut replay = bench.replay(&[("rim", &clip)], &["--realtime"]);
    let mut replay = Running::start(replay.arg("--inputs").arg(&inputs).arg("--events").arg(&file));
    let begun = |replay: &mut Running| {
        assert_eq!(replay.ended(), None, "{}", replay.stderr());
        (fs::read_to_string(&file).unwrap_or_default().lines().count() >= 2).then_some(())
    };
    wait_until(|| begun(&mut replay), || "the session has started".to_owned());
    replay.signal(Signal::TERM);
    let ran = replay.end().expect_code(1);
    let summary: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert!(summary["frames"].as_u64().unwrap() < 1500, "it did not play to its end");
    let (whole, summary) = replayed(&bench, &[("rim", &clip)], &inputs, &[]);
    assert_eq!(summary["frames"], 1500);
    let begun = |events: &str| events.lines().take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(begun(&fs::read_to_string(&file).unwrap()), begun(&whole));
}

/// What was not played to its end was not seen to its end: nothing is kept of it.
#[test]
fn a_half_made_file_is_never_left_behind() {
    let bench = Bench::tiny();
    let inputs = bench.at("inputs.jsonl");
    let clip = video::ball(1500, Index::Front, bench.at("clip.mov"));
    let mut stopped = bench.replay(&[("rim", &clip)], &["--realtime"]);
    let mut stopped = Running::start(stopped.arg("--inputs").arg(&inputs));
    let begun = |stopped: &mut Running| {
        assert_eq!(stopped.ended(), None, "{}", stopped.stderr());
        (parts(&bench).len() == 1).then_some(())
    };
    wait_until(|| begun(&mut stopped), || "the recording has begun".to_owned());
    stopped.signal(Signal::TERM);
    stopped.end().expect_code(1);
    assert!(!inputs.exists() && parts(&bench).is_empty());

    let cut = video::cut_off(&video::ball(100, Index::Front, bench.at("whole.mov")), bench.at("cut.mov"));
    run(bench.replay(&[("rim", &cut)], &[]).arg("--inputs").arg(&inputs)).expect_code(3);
    assert!(!inputs.exists() && parts(&bench).is_empty());
}

#[test]
fn files_that_are_not_taken() {
    let (bench, clip, inputs) = recorded(10);
    let good = fs::read_to_string(&inputs).unwrap();
    let other_clip = video::ball(11, Index::Front, bench.at("other.mov"));
    let line_end = good[..good.len() - 1].rfind('\n').unwrap() + 1;
    let mut altered = good.clone().into_bytes();
    let digit = good.find("at_ns\":2").unwrap() + "at_ns\":".len();
    altered[digit] = b'3';
    let events = bench.at("events.jsonl");
    let mut table = Table::default();
    let mut case = |name: &str, inputs: &Path, cameras: &[(&str, &Path)], what: &str, next: &str| {
        let mut command = bench.replay(cameras, &["--events", events.to_str().unwrap()]);
        command.arg("--inputs").arg(inputs);
        table.case(name, command, 2, what, next);
    };
    let rim = [("rim", clip.as_path())];
    let newer = good.replacen("\"version\":1", "\"version\":2", 1);
    for (name, content, what) in [
        ("nothing in it", &b""[..], "holds no recorded inputs"),
        ("a text", b"just a text\n", "holds no recorded inputs"),
        ("other JSON", b"{\"format\":\"other\",\"version\":1}\n", "holds no recorded inputs"),
        ("another version", newer.as_bytes(), "of version 2"),
        ("cut off at a line's end", &good.as_bytes()[..line_end], "cut off"),
        ("cut off within a line", &good.as_bytes()[..line_end - 5], "cut off"),
        ("cut off in the seal", &good.as_bytes()[..good.len() - 5], "cut off"),
        ("only its first line", &good.as_bytes()[..=good.find('\n').unwrap()], "cut off"),
        ("a digit altered", &altered, "altered"),
        ("two in one", format!("{good}{good}").as_bytes(), "altered"),
    ] {
        case(name, &bench.write("bad.jsonl", content), &rim, what, "delete");
    }
    case("a directory", bench.place.path(), &rim, "cannot read the recorded inputs", "check the path");
    case("another recording", &inputs, &[("rim", &other_clip)], "another recording of camera rim", "delete");
    case("another name", &inputs, &[("top", &clip)], "cameras rim and not top", "delete");
    let two = [("rim", clip.as_path()), ("top", clip.as_path())];
    case("a camera more", &inputs, &two, "cameras rim and not rim, top", "delete");
    case("no recording", &inputs, &[("rim", &bench.at("absent.mov"))], "absent.mov", "check the path");
    case("its own events", &events, &rim, "events would be written over the recorded inputs", "another file");
    // The same name, and made again for other classes.
    let manifest = bench.bundle.join("bundle.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let other = text.replacen("\"bottle\"", "\"flask\"", 1);
    assert_ne!(other, text);
    fs::write(&manifest, other).unwrap();
    case("another bundle", &inputs, &rim, "of other content", "delete");
    fs::write(&manifest, text).unwrap();
    assert!(!events.exists(), "what is refused writes no events");
    assert_eq!(fs::read_to_string(&inputs).unwrap(), good);

    let nowhere = bench.at("absent/inputs.jsonl");
    let mut command = bench.replay(&rim, &[]);
    command.arg("--inputs").arg(nowhere);
    table.case("nowhere", command, 3, "cannot write the recorded inputs", "--inputs");
}
