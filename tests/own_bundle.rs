//! The repository's own bundle: it watches the dummy cart, and its temporal classifier a real camera too. How good it is
//! stands in its card; here it is whether it works at all.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use cartvision_core::features::VERSION;
use cartvision_tests::bench::{Bench, figure};
use cartvision_tests::input::{Real, own_bundle};
use cartvision_tests::program::{cartlab, run};
use cartvision_tests::video::{self, DIMMED, MIRRORED};
use serde_json::Value;

/// No session of the locked test split: this one's seed was seen by nobody either, but is looked at here every day.
#[test]
fn it_tells_most_of_what_happens_in_the_dummy_cart() {
    let bench = Bench::tiny();
    let set = bench.at("set");
    let mut sim = cartlab();
    sim.arg("sim").arg("--out").arg(&set).args(["--split", "val", "--seed", "9000", "--difficulty", "easy"]);
    run(sim.args(["--count", "1", "--seconds", "30", "--cameras", "2"])).expect_code(0);
    let mut eval = cartlab();
    eval.arg("eval").arg("--sessions").arg(&set).arg("--bundle").arg(own_bundle());
    eval.arg("--out").arg(bench.at("report")).arg("--cache").arg(bench.at("cache")).arg("--json");
    let said: Value = serde_json::from_str(&run(&mut eval).expect_code(0).stdout).unwrap();
    let f1 = figure(&said, "event_f1");
    assert!(f1["of"].as_f64().unwrap() >= 4.0, "a session with a few changes: {f1}");
    assert!(f1["value"].as_f64().unwrap() >= 0.6, "{f1}");
}

/// What it learned of acts on the dummy cart holds for a COCO detector and a real hand.
#[test]
fn its_temporal_classifier_tells_the_real_clip() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::of(&real, "bottle").and_temporal(&own_bundle().join("temporal.onnx"), VERSION);
    let copies = [("mirrored", MIRRORED), ("dimmed", DIMMED)];
    let copies =
        copies.map(|(name, how)| video::filtered(&real.video, how, bench.at(&format!("{name}.mkv"))));
    for clip in [real.video.as_path()].into_iter().chain(copies.iter().map(|copy| copy.as_path())) {
        let (ran, events) = bench.replay_to_file(&[("rim", clip)], &[]);
        assert!(ran.stderr.contains(r#""classifier_failures":0"#), "{}", ran.stderr);
        real.expect_all(&real.truth, &events, 0);
    }
}
