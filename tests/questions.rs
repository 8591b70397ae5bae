//! `cartvisiond replay --questions`: what a temporal classifier is trained on.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cartvision_core::features::{ASKED, ASKED_COLUMNS, ROW, ROW_COLUMNS, VERSION, WINDOW};
use cartvision_tests::bench::Bench;
use cartvision_tests::input::Real;
use cartvision_tests::log::EventLog;
use cartvision_tests::program::{Running, run, wait_until};
use cartvision_tests::script::Scripted;
use cartvision_tests::table::Table;
use cartvision_tests::video::{self, Index};
use rustix::process::Signal;
use serde_json::{Value, json};

/// The header and the questions of a file.
fn read(file: &Path) -> (Value, Vec<Value>) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.ends_with('\n'));
    let mut lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (lines.next().unwrap(), lines.collect())
}

fn numbers(of: &Value) -> Vec<f64> {
    of.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
}

/// A question has as many values as the header promises, none of them longer than it needs to be.
fn check(question: &Value) {
    let window = question["window"].as_array().unwrap();
    assert_eq!((window.len(), question["asked"].as_array().unwrap().len()), (WINDOW, ASKED));
    let mut values = numbers(&question["asked"]);
    for row in window {
        assert_eq!(row.as_array().unwrap().len(), ROW);
        values.extend(numbers(row));
    }
    let seen = question["seen"].as_array().unwrap();
    assert!(!seen.is_empty() && seen.len() <= WINDOW, "{question}");
    for sighting in seen {
        let sighting = numbers(sighting);
        assert_eq!(sighting.len(), 5);
        values.extend(&sighting[1..]);
    }
    for value in values {
        assert_eq!((value * 1e4).round() / 1e4, value, "{question}");
    }
    let newest = numbers(&window[WINDOW - 1]);
    let column = |name| ROW_COLUMNS.iter().position(|c| c.name == name).unwrap();
    assert_eq!((newest[column("known")], newest[column("age_s")]), (1.0, 0.0), "{question}");
    let added = question["change"] == "added";
    assert_eq!(question["asked"][0], if added { 1.0 } else { 0.0 });
    let last = seen.last().unwrap()[0].as_u64().unwrap();
    assert!(last <= question["asked_ms"].as_u64().unwrap(), "{question}");
    for p in ["analytic", "answer"] {
        assert!((0.0..=1.0).contains(&question[p].as_f64().unwrap()), "{question}");
    }
}

#[test]
fn two_replays_give_the_same_bytes_and_tell_what_was_asked() {
    let scripted = Scripted::new(2);
    let (first, second) = (scripted.bench.at("first.jsonl"), scripted.bench.at("second.jsonl"));
    let asked = |file: &Path| {
        let ran = run(scripted.replay(&["--events", "-"]).arg("--questions").arg(file)).expect_code(0);
        ran.stdout
    };
    let events = asked(&first);
    assert_eq!(asked(&second), events);
    let text = fs::read(&first).unwrap();
    assert_eq!(fs::read(&second).unwrap(), text);
    // Over one that is there, and without them: the events are the same.
    asked(&second);
    assert_eq!(fs::read(&second).unwrap(), text);
    assert_eq!(run(&mut scripted.replay(&["--events", "-"])).expect_code(0).stdout, events);

    let (header, questions) = read(&first);
    let expected = json!({
        "format": "cartvision-questions",
        "features_version": VERSION,
        "rows": ROW_COLUMNS.map(|c| c.name),
        "asked": ASKED_COLUMNS.map(|c| c.name),
        "window": WINDOW,
    });
    assert_eq!(header, expected);
    questions.iter().for_each(check);
    // Both cameras saw the bottle come and go; the cup was stock.
    let told: Vec<_> = questions.iter().map(|q| (q["camera"].as_str(), q["change"].as_str())).collect();
    let both = |change| [(Some("rim-0"), Some(change)), (Some("rim-1"), Some(change))];
    assert_eq!(told, [both("added"), both("removed")].concat());
    assert!(questions.iter().all(|q| q["item"] == "42" && q["answer"] == q["analytic"]), "{questions:#?}");
    let events = EventLog::from_lines(&events);
    let moments: Vec<u64> = events.acts().iter().map(|(_, at)| *at).collect();
    for (pair, moment) in questions.chunks(2).zip(&moments) {
        assert!(pair.iter().any(|q| q["moment_ms"] == *moment), "{pair:#?} at {moment}");
    }
    assert_eq!(moments.len(), 2);
}

#[test]
fn the_real_clip_asks_the_same_from_recorded_inputs() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::of(&real, "bottle");
    let inputs = bench.at("inputs.jsonl");
    let asked = |name: &str| {
        let file = bench.at(name);
        let cameras = [("rim", real.video.as_path())];
        run(bench.replay(&cameras, &[]).arg("--inputs").arg(&inputs).arg("--questions").arg(&file))
            .expect_code(0);
        file
    };
    let (detected, recorded) = (asked("detected.jsonl"), asked("recorded.jsonl"));
    assert_eq!(fs::read(&detected).unwrap(), fs::read(&recorded).unwrap());
    let (_, questions) = read(&detected);
    questions.iter().for_each(check);
    // Eight acts, and perhaps more that came to nothing.
    let sure = |q: &&Value| q["answer"].as_f64().unwrap() >= 0.7;
    // While a hand may still hold the item it is asked again.
    let acts: BTreeSet<String> =
        questions.iter().filter(sure).map(|q| format!("{} {}", q["track"], q["moment_ms"])).collect();
    assert_eq!(acts.len(), 8, "{acts:?}");
}

/// The questions of a replay that did not come to its end are not all there are.
#[test]
fn a_half_made_file_is_never_left_behind() {
    let bench = Bench::tiny();
    let clip = video::ball(1500, Index::Front, bench.at("clip.mov"));
    let file = bench.at("questions.jsonl");
    let left = || {
        let names = fs::read_dir(bench.place.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("questions.jsonl")).count()
    };
    let mut stopped = bench.replay(&[("rim", &clip)], &["--realtime"]);
    let mut stopped = Running::start(stopped.arg("--questions").arg(&file));
    let begun = |stopped: &mut Running| {
        assert_eq!(stopped.ended(), None, "{}", stopped.stderr());
        (left() == 1).then_some(())
    };
    wait_until(|| begun(&mut stopped), || "the file has been begun".to_owned());
    stopped.signal(Signal::TERM);
    stopped.end().expect_code(1);
    assert_eq!(left(), 0);

    let cut = video::cut_off(&video::ball(100, Index::Front, bench.at("whole.mov")), bench.at("cut.mov"));
    run(bench.replay(&[("rim", &cut)], &[]).arg("--questions").arg(&file)).expect_code(3);
    assert_eq!(left(), 0);
}

#[test]
fn places_that_are_not_taken() {
    let scripted = Scripted::new(1);
    let bench = &scripted.bench;
    let zones = bench.write("zones.toml", "[zones]\nrim-0 = [[0, 0], [1, 0], [1, 1]]");
    let directory = bench.place.path();
    let around = directory.join("./events.jsonl");
    let mut table = Table::default();
    let mut case = |name: &str, file: &Path, code, what: &str, next: &str| {
        let mut command = scripted.replay(&[]);
        command.arg("--zones").arg(&zones).arg("--events").arg(bench.at("events.jsonl"));
        command.arg("--questions").arg(file);
        table.case(name, command, code, what, next);
    };
    let inputs = fs::read(&scripted.inputs).unwrap();
    case("the recording", &scripted.clip, 2, "written over a recording", "another file with --questions");
    case("the zones", &zones, 2, "written over the zones", "another file with --questions");
    case("the inputs", &scripted.inputs, 2, "written over the recorded inputs", "another file");
    case("the events", &around, 2, "questions would be written over the events", "another file");
    case("standard output", Path::new("-"), 2, "not to standard output", "--questions");
    case("a directory", directory, 3, "cannot write the questions", "--questions");
    case("nowhere", &bench.at("absent/q.jsonl"), 3, "cannot write the questions", "--questions");
    assert_eq!(fs::read(&scripted.inputs).unwrap(), inputs);
    assert!(!bench.at("events.jsonl").exists(), "what is refused writes no events");
}
