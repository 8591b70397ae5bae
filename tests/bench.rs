//! `cartctl bench`: what it measures makes sense, and what it cannot measure it says. How fast anything is, is its
//! output and never asserted here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cartvision_tests::bench::Bench;
use cartvision_tests::cart::{start, stop};
use cartvision_tests::input::{PATTERN, camera, configuration};
use cartvision_tests::program::{cartctl, path, run};
use cartvision_wire::telemetry::StageFigures;
use tempfile::TempDir;

/// Nobody listens there: no bench asks a broker.
const BROKER: &str = "url = 'mqtt://127.0.0.1:9'";

fn bench(configuration: &Path, more: &[&str]) -> Command {
    let mut cartctl = cartctl();
    cartctl.args(["bench", "--seconds", "1", "--config"]).arg(configuration).args(more);
    cartctl
}

/// A configuration with one camera of this source.
fn one_camera(bench: &Bench, name: &str, source: &str) -> PathBuf {
    configuration(&bench.at(name), BROKER, &bench.bundle, &camera("rim", source))
}

const ABSENT: &str = "kind = 'v4l2', device = '/dev/no-such-camera', width = 640, height = 360, framerate = 30, format = 'raw'";

fn expect_sane(stage: &StageFigures) {
    assert!(stage.p50_ms.get() >= 0.0 && stage.p50_ms <= stage.p99_ms, "{stage:?}");
}

#[test]
fn figures_make_sense() {
    let place = Bench::temporal("temporal.onnx", cartvision_core::features::VERSION);
    let configuration = one_camera(&place, "cart", PATTERN);
    let sysfs = place.at("sys/class/thermal/thermal_zone0");
    fs::create_dir_all(&sysfs).unwrap();
    fs::write(sysfs.join("temp"), "51500\n").unwrap();
    let text = fs::read_to_string(&configuration).unwrap();
    let limits = format!("[limits]\nsysfs = '{}'\n[[camera]]", place.at("sys").display());
    fs::write(&configuration, text.replace("[[camera]]", &limits)).unwrap();

    let ran = run(&mut bench(&configuration, &["--pattern", "2", "--json"])).expect_code(0);
    let said: cartvision_wire::Bench = serde_json::from_str(&ran.stdout).unwrap();
    assert!(said.engine.as_str().contains("ONNX Runtime") && said.fallback.is_none(), "{said:?}");
    assert!(said.pattern && !said.device.as_str().is_empty(), "{said:?}");
    assert_eq!(said.threads, 1);

    let alone = &said.engine_only;
    assert!(alone.inferences > 0 && alone.seconds.get() >= 1.0, "{alone:?}");
    expect_sane(&alone.detector);
    expect_sane(alone.classifier.as_ref().expect("the bundle has one"));
    let line = &said.pipeline;
    assert!(line.pictures > 0 && line.seconds.get() >= 1.0, "{line:?}");
    assert!(line.cpu_ms_per_picture.get() > 0.0 && line.peak_rss_mib.get() > 0.0, "{line:?}");
    assert_eq!(
        line.stages.iter().map(|s| s.stage.as_str()).collect::<Vec<_>>(),
        ["slot", "inference", "decision"]
    );
    line.stages.iter().for_each(expect_sane);
    assert_eq!(line.cameras.len(), 2);
    assert_eq!(line.cameras.iter().map(|c| c.dropped).sum::<u64>(), line.dropped);
    for sensors in [alone.sensors, line.sensors] {
        assert_eq!(sensors.most_c.map(|c| c.get()), Some(51.5));
        assert_eq!(sensors.mean_w, None, "nothing here measures it");
    }
    // The state directory is the cart's alone.
    assert!(!place.at("cart/state").exists(), "it wrote something");
}

#[test]
fn the_configurations_own_cameras_are_the_default() {
    let place = Bench::tiny();
    let ran = run(&mut bench(&one_camera(&place, "cart", PATTERN), &[])).expect_code(0);
    for said in ["rim", "engine only"] {
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }
    let row = ran.stdout.lines().last().unwrap();
    assert!(row.starts_with("| ") && row.ends_with(" |"), "{}", ran.stdout);
}

#[test]
fn a_camera_that_gives_too_few_pictures_is_named() {
    let place = Bench::tiny();
    let seldom = "kind = 'test', pattern = 'ball', width = 64, height = 48, framerate = 1";
    let mut cartctl = cartctl();
    cartctl.args(["bench", "--seconds", "4", "--config"]).arg(one_camera(&place, "seldom", seldom));
    let ran = run(&mut cartctl).expect_code(0);
    assert!(ran.stdout.contains("rim: looked at too seldom to decide by"), "{}", ran.stdout);
}

#[test]
fn a_cart_that_runs_is_left_alone_and_named() {
    let place = Bench::tiny();
    let configuration = one_camera(&place, "cart", PATTERN);
    let mut cart = start(&configuration);
    cart.wait_for_log("its start", |log| log.contains("inference is ready"));
    let ran = run(&mut bench(&configuration, &["--pattern", "1", "--json"])).expect_code(0);
    let said: cartvision_wire::Bench = serde_json::from_str(&ran.stdout).unwrap();
    assert!(said.beside_a_cart);
    // Whoever looks for a camera that is taken is told who may have it.
    let gone = one_camera(&place, "gone", ABSENT);
    let ran = run(&mut bench(&gone, &[])).expect_code(3);
    assert!(ran.stderr.contains("systemctl stop cartvisiond"), "{}", ran.stderr);
    stop(cart);
}

#[test]
fn what_cannot_be_measured_is_said() {
    let place = Bench::tiny();
    let ran = run(&mut bench(&place.at("none.toml"), &[])).expect_code(2);
    assert!(ran.stderr.contains("none.toml") && ran.stderr.contains("next: "), "{}", ran.stderr);
    let ran = run(&mut bench(&one_camera(&place, "gone", ABSENT), &[])).expect_code(3);
    assert!(ran.stderr.contains("/dev/no-such-camera"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    let ends = "kind = 'test', pattern = 'ball', width = 64, height = 48, framerate = 10, frames = 3";
    let ran = run(&mut bench(&one_camera(&place, "ends", ends), &[])).expect_code(3);
    assert!(ran.stderr.contains("repeat = true"), "{}", ran.stderr);
    for wrong in [["--seconds", "0"], ["--pattern", "9"]] {
        let mut cartctl = cartctl();
        let configuration = one_camera(&place, "cart", PATTERN);
        let ran = run(cartctl.args(["bench", "--config"]).arg(configuration).args(wrong)).expect_code(2);
        assert!(ran.stderr.contains(wrong[0]), "{wrong:?}: {}", ran.stderr);
    }
}

#[test]
fn without_the_daemon_it_says_what_to_install() {
    let alone = TempDir::new().unwrap();
    let program = alone.path().join("cartctl");
    fs::copy(path("cartctl"), &program).unwrap();
    let mut cartctl = Command::new(&program);
    cartctl.env("PATH", alone.path()).args(["bench", "--config", "cart.toml"]);
    let ran = run(&mut cartctl).expect_code(3);
    assert!(ran.stderr.contains("neither beside this program nor in PATH"), "{}", ran.stderr);
    assert!(ran.stderr.contains("next: install the package"), "{}", ran.stderr);
    // One that measures nothing it understands.
    let other = alone.path().join("cartvisiond");
    fs::write(&other, "#!/bin/sh\necho '{}'\n").unwrap();
    run(Command::new("chmod").arg("755").arg(&other)).expect_code(0);
    let ran = run(&mut cartctl).expect_code(3);
    assert!(ran.stderr.contains("of one package"), "{}", ran.stderr);
}
