//! Bad input, as users bring it: each with the documented exit code and an error that says what is wrong, where,
//! and what to do next. Every table reports all that went wrong in it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cartvision_tests::bench::Bench;
use cartvision_tests::input::{Real, tiny_model};
use cartvision_tests::log::EventLog;
use cartvision_tests::program::{cartctl, cartlab, cartvisiond, run};
use cartvision_tests::table::Table;
use cartvision_tests::video::{self, Index};

/// A replay of any bundle and cameras (`NAME=FILE`).
fn replay_of(bundle: &Path, cameras: &[String]) -> Command {
    let mut command = cartvisiond();
    command.arg("replay").arg("--bundle").arg(bundle);
    cameras.iter().for_each(|camera| _ = command.arg("--camera").arg(camera));
    command
}

/// The bundle with its files changed.
fn spoilt(bench: &Bench, name: &str, spoil: impl FnOnce(&Path)) -> PathBuf {
    let copy = bench.at(name);
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(&bench.bundle).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    spoil(&copy);
    copy
}

#[test]
fn recordings() {
    let bench = Bench::tiny();
    let text = bench.write("text.mp4", "just a text, no video\n".repeat(100));
    let empty = bench.write("empty.mp4", "");
    let cut = video::cut_off(&video::ball(100, Index::End, bench.at("whole.mov")), bench.at("cut.mov"));
    let mut table = Table::default();
    let mut refused = |name: &str, file: &Path, what: &str, next: &str| {
        table.case(name, bench.replay(&[("rim", file)], &[]), 2, what, next);
    };
    refused("no such file", &bench.at("absent.mp4"), "no such file", "check the path");
    refused("a text file", &text, "text file", "give a file");
    refused("a directory", bench.place.path(), "not a file", "give the path");
    refused("zero length", &empty, "empty (0 bytes)", "copy it again");
    refused("cut off, index at the end", &cut, "index is missing", "copy or record it again");
}

/// What goes wrong on the way is told with another code, and what was decided before it stays whole.
#[test]
fn recordings_that_go_wrong_on_the_way() {
    let bench = Bench::tiny();
    let cut = video::cut_off(&video::ball(100, Index::Front, bench.at("whole.mov")), bench.at("cut.mov"));
    let part = |name: &str, size| fs::read(video::ball_ogg(20, size, bench.at(name))).unwrap();
    let joined = [part("small.ogg", (64, 48)), part("large.ogg", (128, 96))].concat();
    let joined = bench.write("joined.ogg", joined);
    let mut table = Table::default();
    for (name, file, what, next) in [
        ("cut off, index in front", &cut, "cut off: it ends at", "copy or record it again"),
        ("the size changes", &joined, "size changes midway from 64x48 to 128x96", "split the recording"),
    ] {
        let events = bench.at(&format!("{name}.jsonl"));
        let mut command = bench.replay(&[("rim", file)], &[]);
        command.arg("--events").arg(&events);
        table.case(name, command, 3, what, next);
        let log = EventLog::from_lines(&fs::read_to_string(events).unwrap());
        assert_eq!(log.kinds()[..2], ["log.opened", "session.started"], "{name}");
    }
}

/// The real clip cut off, whichever way it was written.
#[test]
fn a_real_recording_cut_off() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::tiny();
    let mut table = Table::default();
    for (index, code, what) in [(Index::End, 2, "index is missing"), (Index::Front, 3, "cut off: it ends at")]
    {
        let whole = video::remuxed(&real.video, index, None, bench.at("whole.mp4"));
        let cut = video::cut_off(&whole, bench.at("cut.mp4"));
        table.case(
            &format!("{index:?}"),
            bench.replay(&[("rim", &cut)], &[]),
            code,
            what,
            "copy or record it again",
        );
    }
}

#[test]
fn bundles() {
    let bench = Bench::tiny();
    let clip = format!("rim={}", bench.clip().display());
    let changed = spoilt(&bench, "changed", |place| {
        let file = place.join("detector.onnx");
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
    });
    let missing = spoilt(&bench, "missing", |place| fs::remove_file(place.join("detector.onnx")).unwrap());
    let unlisted = spoilt(&bench, "unlisted", |place| fs::remove_file(place.join("bundle.toml")).unwrap());
    let broken = spoilt(&bench, "broken", |place| fs::write(place.join("bundle.toml"), "name = ").unwrap());
    let mut table = Table::default();
    for (name, bundle, what, next) in [
        ("a changed byte", &changed, "detector.onnx", "again"),
        ("a missing file", &missing, "detector.onnx", "again"),
        ("no bundle.toml", &unlisted, "bundle.toml", "cartlab bundle"),
        ("bundle.toml is no TOML", &broken, "bundle.toml", "cartlab bundle"),
        ("no such directory", &bench.at("absent"), "absent", "cartlab bundle"),
    ] {
        table.case(name, replay_of(bundle, std::slice::from_ref(&clip)), 2, what, next);
    }
}

#[test]
fn models_and_class_lists() {
    let bench = Bench::tiny();
    let one = bench.write("one.txt", "bottle\n");
    let two = bench.write("two.txt", "cup\nbottle\n");
    let three = bench.write("three.txt", "cup\nbottle\njar\n");
    let text = bench.write("text.onnx", "this is no model\n");
    let make = |model: &Path, classes: &Path| {
        let mut command = cartlab();
        command.args(["bundle", "--family", "yolo", "--items", "bottle", "--onnx"]).arg(model);
        command.arg("--classes").arg(classes).arg("--out").arg(bench.at("out"));
        command
    };
    let yolo = tiny_model("yolo.onnx");
    let mut table = Table::default();
    table.case("ten numbers", make(&tiny_model("ten_numbers.onnx"), &two), 2, "detector", "next: ");
    table.case("a classifier", make(&tiny_model("picture_classifier.onnx"), &two), 2, "output", "next: ");
    table.case("a text as a model", make(&text, &two), 2, "text.onnx", "next: ");
    table.case("one class too few", make(&yolo, &one), 2, "class", "--classes");
    table.case("one class too many", make(&yolo, &three), 2, "class", "--classes");
    table.case(
        "no such list",
        make(&yolo, &bench.at("absent.txt")),
        2,
        "cannot read the class list",
        "next: ",
    );
    assert!(!bench.at("out").exists(), "what was refused leaves nothing behind");
}

#[test]
fn zones() {
    let bench = Bench::tiny();
    let mut table = Table::default();
    for (name, text, what, next) in [
        ("two points", "[zones]\nrim = [[0, 0], [1, 1]]", "zone of camera rim", "at least 3 corners"),
        ("crossing edges", "[zones]\nrim = [[0, 0], [1, 1], [1, 0], [0, 1]]", "cross", "order"),
        (
            "a point outside",
            "[zones]\nrim = [[0, 0], [1.5, 0], [1, 1]]",
            "zone of camera rim: corner 2",
            "0 to 1",
        ),
        ("another camera", "[zones]\nother = [[0, 0], [1, 0], [1, 1]]", "no camera other", "there is rim"),
        ("no TOML", "zones, somehow", "zones.toml", "write one line for each camera"),
    ] {
        let file = bench.write("zones.toml", text);
        table.case(name, bench.replay_with(&["--zones", file.to_str().unwrap()]), 2, what, next);
    }
    let absent = bench.at("absent.toml");
    table.case(
        "no such file",
        bench.replay_with(&["--zones", absent.to_str().unwrap()]),
        2,
        "cannot read the zones",
        "--zones",
    );
}

#[test]
fn command_lines() {
    let bench = Bench::tiny();
    let clip = bench.clip();
    let clip = clip.to_str().unwrap();
    let twice = [format!("rim={clip}"), format!("rim={clip}")];
    let directory = bench.place.path().to_str().unwrap();
    let beyond = bench.at("absent/events.jsonl");
    let mut table = Table::default();
    let mut case =
        |name: &str, command, code, what: &str, next: &str| table.case(name, command, code, what, next);
    let cameras = |cameras: &[String]| replay_of(&bench.bundle, cameras);
    case("the same camera twice", cameras(&twice), 2, "two cameras are called rim", "a name of its own");
    case("a camera without '='", cameras(&[clip.to_owned()]), 2, "NAME=FILE", "rim-left=clip.mp4");
    case("a camera without a file", cameras(&["rim=".to_owned()]), 2, "no file after rim=", "--help");
    case("no camera", cameras(&[]), 2, "--camera", "--help");
    case("no threads", bench.replay_with(&["--threads", "0"]), 2, "1..=64", "--help");
    case("no time", bench.replay_with(&["--start-time", "noon"]), 2, "noon", "--help");
    case("a stranger", bench.replay_with(&["--realtme"]), 2, "--realtme", "--realtime");
    case("a CA without a broker", bench.replay_with(&["--broker-ca", clip]), 2, "--broker", "--help");
    case("events into a directory", bench.replay_with(&["--events", directory]), 3, directory, "--events");
    case(
        "events nowhere",
        bench.replay_with(&["--events", beyond.to_str().unwrap()]),
        3,
        "absent/events.jsonl",
        "--events",
    );

    // What is read is not written over.
    let zones = bench.write("zones.toml", "[zones]\nrim = [[0, 0], [1, 0], [1, 1]]");
    let zones = zones.to_str().unwrap();
    let before = fs::read(clip).unwrap();
    let around = format!("{directory}/./ten-frames.mov");
    for target in [clip, &around, zones] {
        let command = bench.replay_with(&["--zones", zones, "--events", target]);
        case(target, command, 2, "events would be written over", "another file");
    }
    assert_eq!(fs::read(clip).unwrap(), before);

    let mut absent = bench.replay_with(&[]);
    absent.env("ORT_DYLIB_PATH", bench.at("absent.so"));
    case("no engine", absent, 3, "absent.so", "ORT_DYLIB_PATH");
    let mut text = bench.replay_with(&[]);
    text.env("ORT_DYLIB_PATH", bench.write("text.so", "no library"));
    case("a text as the engine", text, 3, "text.so", "ORT_DYLIB_PATH");
}

#[test]
fn help_has_an_example_and_the_exit_codes() {
    for (arguments, words) in [
        (&["--help"][..], &["Exit codes:", "replay"][..]),
        (&["run", "--help"], &["Example:", "cartvisiond run --config"]),
        (&["check", "--help"], &["Examples:", "cartvisiond check --config"]),
        (&["bench", "--help"], &["Example:", "cartvisiond bench --config"]),
        (&["replay", "--help"], &["Example:", "cartvisiond replay --bundle"]),
        (&["--version"], &["cartvisiond"]),
    ] {
        let ran = run(cartvisiond().args(arguments)).expect_code(0);
        assert!(words.iter().all(|w| ran.stdout.contains(w)), "{arguments:?}: {}", ran.stdout);
        assert_eq!(ran.stderr, "", "{arguments:?}");
    }
    let ran = run(cartlab().args(["bundle", "--help"])).expect_code(0);
    assert!(ran.stdout.contains("Example:"), "{}", ran.stdout);
    let ran = run(cartctl().args(["bench", "--help"])).expect_code(0);
    assert!(ran.stdout.contains("Example:"), "{}", ran.stdout);
    // Without anything: what there is, and the code for wrong usage.
    for program in [cartvisiond, cartlab, cartctl] {
        let ran = run(&mut program()).expect_code(2);
        assert!(ran.stderr.contains("Usage:") && ran.stderr.contains("--help"), "{}", ran.stderr);
    }
}
