//! `cartlab eval` with the real `cartvisiond`, as both are built and installed together.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

use cartvision_tests::bench::{Bench, figure};
use cartvision_tests::input::Real;
use cartvision_tests::program::{cartlab, run};
use serde_json::Value;

fn eval(bench: &Bench, out: &str) -> Command {
    let mut command = cartlab();
    command.arg("eval").arg("--bundle").arg(&bench.bundle).arg("--out").arg(bench.at(out));
    command.arg("--cache").arg(bench.at("cache")).arg("--json");
    command
}

#[test]
fn the_real_clip_is_measured_as_the_other_scorer_does() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::of(&real, "bottle");
    let clip = |out: &str| {
        let mut command = eval(&bench, out);
        command.arg("--truth").arg(&real.truth);
        command.arg("--camera").arg(format!("rim={}", real.video.display()));
        command
    };
    let ran = run(&mut clip("first")).expect_code(0);
    let said: Value = serde_json::from_str(&ran.stdout).unwrap();
    let theirs = real.score(&real.truth, &bench.at("first/events/clip.jsonl"));
    let [tp, missed, extra] = ["tp", "fn", "fp"].map(|count| theirs[count].as_u64().unwrap());
    let [precision, recall] = ["precision", "recall"].map(|name| figure(&said, name));
    assert_eq!((precision["hits"].as_u64(), precision["of"].as_f64()), (Some(tp), Some((tp + extra) as f64)));
    assert_eq!((recall["hits"].as_u64(), recall["of"].as_f64()), (Some(tp), Some((tp + missed) as f64)));
    let error = figure(&said, "moment_error")["value"].as_f64().unwrap();
    assert!((error - theirs["moment_error_s"].as_f64().unwrap()).abs() < 0.000_5 + 1e-9, "{error}");
    assert!(figure(&said, "specificity")["value"].is_null(), "the clip's truth has no episodes");

    // From what was seen: ONNX Runtime is not asked again.
    let ran = run(clip("again").env("ORT_DYLIB_PATH", bench.at("absent.so"))).expect_code(0);
    let again: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(again["figures"], said["figures"]);
}

#[test]
fn sessions_of_the_dummy_cart_are_measured() {
    let bench = Bench::tiny();
    let set = bench.at("set");
    let mut sim = cartlab();
    sim.arg("sim").arg("--out").arg(&set).args(["--split", "test", "--count", "2", "--seconds", "8"]);
    run(sim.args(["--size", "160x90", "--fps", "5"])).expect_code(0);

    let ran = run(eval(&bench, "report").arg("--sessions").arg(&set)).expect_code(0);
    let said: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&said["data"]["sessions"], &said["data"]["splits"]["test"]), (&2.into(), &2.into()));
    let truth: usize = fs::read_dir(&set)
        .unwrap()
        .map(|session| fs::read_to_string(session.unwrap().path().join("truth.jsonl")).unwrap())
        .map(|truth| truth.lines().filter(|line| !line.contains(r#""kind":"episode""#)).count())
        .sum();
    assert!(truth > 0);
    assert_eq!(figure(&said, "recall")["of"], truth as f64);

    // Fewer cameras: fewer zones, and what two saw serves for one.
    run(eval(&bench, "one").args(["--cameras", "1", "--sessions"]).arg(&set)).expect_code(0);
    assert_eq!(fs::read_dir(bench.at("cache")).unwrap().count(), 2);

    // What was kept is of other input by now: the replay says so, and so do we.
    for kept in fs::read_dir(bench.at("cache")).unwrap() {
        fs::write(kept.unwrap().path(), "{}\n").unwrap();
    }
    let ran = run(eval(&bench, "refused").arg("--sessions").arg(&set)).expect_code(2);
    assert!(ran.stderr.contains("cartvisiond replay failed"), "{}", ran.stderr);
    assert!(ran.stderr.contains(".jsonl"), "{}", ran.stderr);
    assert!(!bench.at("refused").exists());
}
