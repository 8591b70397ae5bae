//! `cartlab eval` as a user meets it: small sets made here, a stand-in for `cartvisiond replay` beside the program, what
//! comes out, and the table of what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod eval_bench;

use std::{fs, process::Stdio, thread, time::Duration};

use eval_bench::{Bench, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn figure<'a>(report: &'a Value, name: &str) -> &'a Value {
    let figures = report["figures"].as_array().unwrap();
    figures.iter().find(|f| f["figure"] == name).unwrap_or_else(|| panic!("no figure {name}"))
}

#[test]
fn a_set_is_replayed_and_reported() {
    let bench = Bench::new();
    bench.sessions("set", &["easy-1", "easy-2"]);
    // The first session's cart is right about all; the second one's says nothing but a false thing.
    bench.says("easy-1", &[("added", "1", 900), ("removed", "2", 1_500)]);
    bench.says("easy-2", &[("added", "3", 400)]);
    let ran = bench.eval(&["--sessions", "set", "--bundle", "bundle", "--out", "report", "--cache", "cache"]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    let said = text(&ran.stdout);
    for words in ["2 session(s)", "event F1", "2 of 4", "certify nothing about a store", "report/index.html"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(ran.stderr.is_empty(), "no progress where nobody looks: {}", text(&ran.stderr));

    let report: Value = serde_json::from_str(&bench.read("report/report.json")).unwrap();
    let value = |name: &str| figure(&report, name)["value"].as_f64();
    // 2 pairs; 1 event and 2 changes alone.
    assert_eq!((value("recall"), value("event_f1")), (Some(0.5), Some(4.0 / 7.0)));
    assert_eq!((value("specificity"), value("basket_accuracy")), (Some(0.5), Some(0.5)));
    assert_eq!(figure(&report, "specificity")["of"], 2.0);
    assert_eq!(
        (&report["data"]["splits"]["test"], &report["data"]["difficulties"]["easy"]),
        (&2.into(), &2.into())
    );
    assert_eq!(report["source"]["identity"], "standard@1.0.0");
    assert_eq!(report["sessions"].as_array().unwrap().len(), 2);
    let by: Vec<_> =
        report["breakdowns"].as_array().unwrap().iter().map(|b| b["by"].as_str().unwrap()).collect();
    assert_eq!(by, ["kind", "act", "item", "cameras", "difficulty", "light", "preset", "style"]);
    // The second session's false event and its two missed changes come first and last.
    assert_eq!(report["worst"][0]["session"], "easy-2");

    let page = bench.read("report/index.html");
    for words in [
        "Evaluation of standard@1.0.0",
        "certify nothing",
        "<svg class=plot",
        "data:image/jpeg;base64,",
        "By style",
    ] {
        assert!(page.contains(words), "{words}");
    }
    for words in ["http:", "https:", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(words), "the page loads something: {words}");
    }
    assert_eq!(page.matches("src=").count(), page.matches("src=\"data:image/jpeg;base64,/9j/").count());
    assert!(bench.path("report/events/easy-1.jsonl").is_file());
    // Nothing half-made is left.
    let left: Vec<_> = fs::read_dir(bench.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".report")), "{left:?}");
}

#[test]
fn every_session_gets_its_own_cameras_zones_and_cache() {
    let bench = Bench::new();
    bench.sessions("set", &["a-1", "a-2"]);
    let eval = |out: &str, more: &[&str]| {
        let base = ["--sessions", "set", "--bundle", "bundle", "--cache", "cache", "--out", out];
        let ran = bench.eval(&[&base, more].concat());
        assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
        bench.calls()
    };
    let first = eval("one", &["--jobs", "1"]);
    assert_eq!(first.len(), 2);
    for (call, name) in first.iter().zip(["a-1", "a-2"]) {
        let set = format!("set/{name}");
        assert!(
            call.contains(&format!("--camera left={set}/left.mov --camera right={set}/right.mov")),
            "{call}"
        );
        assert!(call.contains(&format!("--zones {set}/zones.toml")), "{call}");
        assert!(call.starts_with("made "), "{call}");
    }
    let kept = || fs::read_dir(bench.path("cache")).unwrap().count();
    assert_eq!(kept(), 2, "each session's videos are its own");

    let again = eval("two", &[]);
    assert!(again.iter().all(|call| call.starts_with("found ")), "{again:?}");
    assert_eq!(kept(), 2);

    // One camera: what both saw serves, and the zones file names no other.
    let one = eval("three", &["--cameras", "1", "--limit", "1"]);
    assert_eq!(one.len(), 1);
    assert!(one[0].starts_with("found ") && !one[0].contains("right="), "{one:?}");
    assert!(one[0].ends_with("zones: left"), "{one:?}");

    // A video that changed is another input.
    let video = bench.path("set/a-1/left.mov");
    fs::copy(bench.path("set/a-2/right.mov"), video).unwrap();
    let changed = eval("four", &["--cameras", "1", "--jobs", "1"]);
    assert!(changed[0].starts_with("made ") && changed[1].starts_with("found "), "{changed:?}");
    // What one saw is not enough for both.
    let both = eval("five", &["--jobs", "1"]);
    assert!(both[0].starts_with("made ") && both[1].starts_with("found "), "{both:?}");
}

#[test]
fn the_default_cache_is_the_users() {
    let bench = Bench::new();
    bench.sessions("set", &["a-1"]);
    let base = ["--sessions", "set", "--bundle", "bundle", "--out"];
    let ran =
        bench.command(&[&base[..], &["one"]].concat()).env("XDG_CACHE_HOME", bench.path("xdg")).output();
    assert_eq!(ran.unwrap().status.code(), Some(0));
    assert_eq!(fs::read_dir(bench.path("xdg/cartvision/inputs")).unwrap().count(), 1);
    let ran = bench.command(&[&base[..], &["two"]].concat()).env("HOME", bench.path("home")).output();
    assert_eq!(ran.unwrap().status.code(), Some(0));
    assert_eq!(fs::read_dir(bench.path("home/.cache/cartvision/inputs")).unwrap().count(), 1);
    let ran = bench.command(&[&base[..], &["three"]].concat()).output().unwrap();
    assert_eq!(ran.status.code(), Some(3), "{}", text(&ran.stderr));
    assert!(text(&ran.stderr).contains("--cache"), "{}", text(&ran.stderr));
}

#[test]
fn a_missed_gate_says_no_and_which() {
    let bench = Bench::new();
    bench.sessions("set", &["a-1", "a-2", "a-3"]);
    bench.all_right(&["a-1", "a-2", "a-3"]);
    let base = ["--sessions", "set", "--bundle", "bundle", "--cache", "cache", "--out"];
    // 6 of 6: the lower bound of event F1 is that of Clopper and Pearson, 0.5407, as an F1.
    for (out, gates, code, words) in [
        (
            "1",
            &["--min-event-f1", "0.7"][..],
            0,
            "gate held: event F1 at least 0.7: the lower bound is 0.7019",
        ),
        (
            "2",
            &["--min-event-f1", "0.71"],
            1,
            "gate missed: event F1 at least 0.71: the lower bound is 0.7019",
        ),
        ("3", &["--min-specificity", "0.9", "--min-event-f1", "0.7"], 1, "gate missed: specificity"),
        ("4", &["--max-moment-error", "1"], 1, "too few sessions for an interval"),
        ("5", &["--min-cacc", "0.1"], 1, "cAcc, 3–15 changes at least 0.1"),
        ("6", &["--max-false-per-hour", "1e6"], 0, "gate held: false events"),
    ] {
        let ran = bench.eval(&[&base[..], &[out], gates].concat());
        assert_eq!(ran.status.code(), Some(code), "{gates:?}: {}{}", text(&ran.stdout), text(&ran.stderr));
        assert!(text(&ran.stdout).contains(words), "{gates:?}: {}", text(&ran.stdout));
    }
    let ran = bench.eval(&[&base[..], &["7", "--json", "--min-event-f1", "0.99"]].concat());
    assert_eq!(ran.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&said["missed"][0], &said["gates"][0]["held"]), (&"event_f1".into(), &false.into()));
    assert_eq!(figure(&said, "recall")["hits"], 6);
}

#[test]
fn reports_are_compared_on_the_same_sessions_only() {
    let bench = Bench::new();
    let names: Vec<String> = (0..8).map(|i| format!("a-{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.sessions("set", &names);
    let base = ["--sessions", "set", "--bundle", "bundle", "--cache", "cache", "--out"];
    for name in &names {
        bench.says(name, &[("added", "1", 900)]);
    }
    assert_eq!(bench.eval(&[&base[..], &["half"]].concat()).status.code(), Some(0));
    bench.all_right(&names);
    let half = bench.path("half/report.json").display().to_string();
    let ran = bench.eval(&[&base[..], &["whole", "--compare", &half]].concat());
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    let report: Value = serde_json::from_str(&bench.read("whole/report.json")).unwrap();
    let verdict = |name: &str| {
        let figures = report["comparison"]["figures"].as_array().unwrap();
        figures.iter().find(|f| f["figure"] == name).unwrap()["verdict"].as_str().unwrap()
    };
    assert_eq!(
        (verdict("recall"), verdict("precision"), verdict("event_f1")),
        ("better", "not-told", "better")
    );
    assert!(bench.read("whole/index.html").contains("<h2>Compared</h2>"));

    // Events that exist already, of this very report.
    let ran =
        bench.eval(&["--sessions", "set", "--events", "whole/events", "--out", "again", "--compare", &half]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    let again: Value = serde_json::from_str(&bench.read("again/report.json")).unwrap();
    assert_eq!(again["figures"], report["figures"]);

    let ran = bench.eval(&[&base[..], &["fewer", "--compare", &half, "--limit", "7"]].concat());
    assert_eq!(ran.status.code(), Some(2));
    let said = text(&ran.stderr);
    assert!(said.contains("not the same sessions: only the first has 1 (a-7)"), "{said}");
    assert!(!bench.path("fewer").exists(), "no report where something failed");
}

#[test]
fn a_single_clip_needs_no_set() {
    let bench = Bench::new();
    bench.sessions("set", &["a-1"]);
    let truth = "{\"kind\":\"added\",\"label\":\"label of 1\",\"start\":0.3,\"end\":0.9}\n";
    fs::write(bench.path("truth.jsonl"), truth).unwrap();
    bench.says("clip", &[("added", "1", 900)]);
    let events = bench.path("says/clip.jsonl").display().to_string();
    let ran = bench.eval(&["--truth", "truth.jsonl", "--events", &events, "--out", "one", "--json"]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(figure(&said, "event_f1")["value"], 1.0);
    assert!(figure(&said, "specificity")["value"].is_null(), "no episodes, no specificity");
    assert!(text(&ran.stdout).contains("they say nothing about specificity"));

    let video = format!("rim={}", bench.path("set/a-1/left.mov").display());
    let base = ["--truth", "truth.jsonl", "--bundle", "bundle", "--cache", "cache"];
    let ran = bench.eval(&[&base[..], &["--camera", &video, "--out", "two"]].concat());
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    assert!(bench.calls()[0].contains(&format!("--camera {video} --events")), "{:?}", bench.calls());
    let ran = bench.eval(&[&base[..], &["--out", "three"]].concat());
    assert_eq!(ran.status.code(), Some(2));
    assert!(text(&ran.stderr).contains("--camera NAME=FILE"), "{}", text(&ran.stderr));
}

#[test]
fn being_interrupted_leaves_nothing_behind() {
    let bench = Bench::new();
    bench.sessions("set", &["a-1", "a-2"]);
    fs::write(bench.path("waits"), "").unwrap();
    let base = ["--sessions", "set", "--bundle", "bundle", "--cache", "cache", "--out", "report"];
    let mut command = bench.command(&[&base[..], &["--jobs", "1"]].concat());
    let running = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    while !bench.path("waiting").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&running), Signal::INT).unwrap();
    let ran = running.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(3), "{}", text(&ran.stderr));
    assert!(text(&ran.stderr).starts_with("error: interrupted"), "{}", text(&ran.stderr));
    assert_eq!(bench.calls().len(), 1, "the second session was not begun");
    let left: Vec<_> = fs::read_dir(bench.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("report")), "{left:?}");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let bench = Bench::new();
    let set = ["--sessions", "set", "--bundle", "bundle", "--cache", "cache", "--out", "report"];
    for (case, prepare, arguments, code, words) in [
        (
            "an empty set",
            &(|| fs::remove_dir_all(bench.path("set/a-1")).unwrap()) as &dyn Fn(),
            &set[..],
            2,
            &["set: it holds no complete session", "cartlab sim"][..],
        ),
        (
            "no set",
            &|| {},
            &["--sessions", "nowhere", "--bundle", "bundle", "--out", "report"],
            2,
            &["nowhere: "],
        ),
        (
            "a missing video",
            &|| fs::remove_file(bench.path("set/a-1/right.mov")).unwrap(),
            &set,
            2,
            &["right.mov: the video of camera right is missing"],
        ),
        (
            "a truth that is longer than the video",
            &|| bench.replace("set/a-1/session.json", "\"duration\":2.0", "\"duration\":1.0"),
            &set,
            2,
            &["10 frames are not 1 s at 5 frames a second", "(and "],
        ),
        (
            "a truth that goes on after the video",
            &|| bench.replace("set/a-1/truth.jsonl", "\"end\":1.9", "\"end\":2.9"),
            &set,
            2,
            &["truth.jsonl:", "ends at 2.9 s, but the videos end at 2 s"],
        ),
        (
            "a truth that cannot be read",
            &|| fs::write(bench.path("set/a-1/truth.jsonl"), "{\n").unwrap(),
            &set,
            2,
            &["truth.jsonl:1: "],
        ),
        (
            "no bundle",
            &|| {},
            &["--sessions", "set", "--bundle", "nowhere", "--out", "report"],
            2,
            &["nowhere/bundle.toml: missing", "--bundle"],
        ),
        (
            "a replay that fails",
            &|| bench.fails(3, "error: the camera left is on fire"),
            &set,
            3,
            &[
                "session a-1: cartvisiond replay failed (exit status: 3)",
                "error: the camera left is on fire",
                "cache",
            ],
        ),
        (
            "a replay that refuses its input",
            &|| bench.fails(2, "error: made from other input"),
            &set,
            2,
            &["error: made from other input"],
        ),
        (
            "events that cannot be read",
            &|| fs::write(bench.path("says/a-1.jsonl"), "{}\n").unwrap(),
            &set,
            2,
            &["a-1.jsonl:1: missing field `id`"],
        ),
        (
            "a report that is there",
            &|| {
                fs::create_dir(bench.path("report")).unwrap();
                fs::write(bench.path("report/x"), "").unwrap();
            },
            &set,
            2,
            &["report: exists and is not empty", "--out"],
        ),
        (
            "a session that is there twice",
            &|| {},
            &[
                "--sessions",
                "set",
                "--sessions",
                "set/a-1",
                "--bundle",
                "bundle",
                "--cache",
                "cache",
                "--out",
                "report",
            ],
            2,
            &["session a-1 is in "],
        ),
        (
            "more cameras than there are",
            &|| {},
            &[&set[..], &["--cameras", "3"]].concat(),
            2,
            &["session a-1 has 2 camera(s), not 3"],
        ),
        (
            "no events of a session",
            &|| fs::create_dir(bench.path("none")).unwrap(),
            &["--sessions", "set", "--events", "none", "--out", "report"],
            2,
            &["there are no events of session a-1"],
        ),
        (
            "no report to compare with",
            &|| fs::write(bench.path("other"), "{}").unwrap(),
            &[&set[..], &["--compare", "other"]].concat(),
            2,
            &["other: it is no report.json of this version"],
        ),
        (
            "no cartvisiond",
            &|| fs::remove_file(bench.path("bin/cartvisiond")).unwrap(),
            &set,
            3,
            &["cartvisiond is neither beside this program nor in PATH"],
        ),
        (
            "a cartvisiond that cannot run",
            &|| fs::write(bench.path("bin/cartvisiond"), "").unwrap(),
            &set,
            3,
            &["bin/cartvisiond: cannot be started"],
        ),
        (
            "neither bundle nor events",
            &|| {},
            &["--sessions", "set", "--out", "report"],
            2,
            &["--bundle <DIR>"],
        ),
        (
            "a gate that cannot be met",
            &|| {},
            &[&set[..], &["--min-event-f1", "1.5"]].concat(),
            2,
            &["from 0 to 1"],
        ),
    ] {
        bench.fresh();
        prepare();
        let ran = bench.eval(arguments);
        let said = text(&ran.stderr);
        assert_eq!(ran.status.code(), Some(code), "{case}: {said}");
        for words in words {
            assert!(said.contains(words), "{case}: {words:?} is not in: {said}");
        }
        assert!(ran.stdout.is_empty(), "{case}");
        let made = bench.path("report").join("report.json").exists();
        assert!(!made, "{case}: a report all the same");
    }
}
