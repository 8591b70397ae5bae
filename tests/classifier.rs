//! Who answers the core's questions: the bundle's learned classifier or the analytic one, as somebody chooses; and
//! what happens where the learned one fails.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;

use cartvision_core::features::{ASKED, ROW, VERSION, WINDOW};
use cartvision_tests::bench::Bench;
use cartvision_tests::input::{PATTERN, camera, configuration};
use cartvision_tests::log::EventLog;
use cartvision_tests::mosquitto::closed_port;
use cartvision_tests::program::{Ran, cartvisiond, run};
use cartvision_tests::script::Scripted;
use cartvision_tests::table::Table;
use serde_json::Value;

/// A replay of the script: its events, its questions, and how it went.
fn replayed(scripted: &Scripted, more: &[&str]) -> (EventLog, Vec<Value>, Ran) {
    let file = scripted.bench.at("questions.jsonl");
    let ran = run(scripted.replay(more).args(["--events", "-", "--questions"]).arg(&file)).expect_code(0);
    let questions = fs::read_to_string(&file).unwrap();
    let questions = questions.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    (EventLog::from_lines(&ran.stdout), questions, ran)
}

fn summary(ran: &Ran) -> Value {
    serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap()
}

/// What the tiny temporal classifier makes of a question: its logits are 0, the window's last value and the last
/// one asked.
fn expected(question: &Value) -> f64 {
    let added = question["window"][WINDOW - 1][ROW - 1].as_f64().unwrap();
    let removed = question["asked"][ASKED - 1].as_f64().unwrap();
    let logit = if question["change"] == "added" { added } else { removed };
    logit.exp() / (1.0 + added.exp() + removed.exp())
}

fn near(p: &Value, expected: f64) -> bool {
    (p.as_f64().unwrap() - expected).abs() < 1e-4
}

#[test]
fn the_bundles_own_answers_unless_another_is_chosen() {
    let plain = Scripted::new(2);
    let learned = Scripted::of(Bench::temporal("temporal.onnx", VERSION), 2);
    let (events, questions, ran) = replayed(&plain, &[]);
    assert_eq!(events.acts().len(), 2);
    assert_eq!(questions.len(), 4);
    assert!(questions.iter().all(|q| q["answer"] == q["analytic"]));
    assert_eq!(summary(&ran)["classifier_failures"], Value::Null);

    let (by_learned, questions, ran) = replayed(&learned, &[]);
    let acts: BTreeSet<String> =
        questions.iter().map(|q| format!("{} {} {}", q["camera"], q["track"], q["moment_ms"])).collect();
    assert_eq!(acts.len(), 4);
    assert!(questions.len() > 4, "what is unsure is asked about again");
    for question in &questions {
        assert!(near(&question["answer"], expected(question)), "{question:#}");
        assert!(!near(&question["analytic"], expected(question)), "{question:#}");
    }
    assert_eq!(by_learned.acts(), [("item.added", 4000)], "it is sure of what the other camera sees too");
    assert_eq!(summary(&ran)["classifier_failures"], 0);
    let (named, ..) = replayed(&learned, &["--classifier", "learned"]);
    assert_eq!(named.events(), by_learned.events(), "the same by name");

    let (by_analytic, questions, _) = replayed(&learned, &["--classifier", "analytic"]);
    assert!(questions.iter().all(|q| q["answer"] == q["analytic"]));
    assert_eq!(by_analytic.acts(), events.acts());
    let id = |log: &EventLog| log.events()[0]["id"].clone();
    assert_ne!(id(&by_analytic), id(&by_learned), "other rules, other ids");
}

/// The failing one answers as long as the oldest row of its window is empty.
#[test]
fn where_the_learned_one_fails_the_analytic_one_answers_and_it_is_told_once() {
    let scripted = Scripted::of(Bench::temporal("temporal_failing.onnx", VERSION), 2);
    let (_, questions, ran) = replayed(&scripted, &[]);
    let (failed, answered): (Vec<_>, Vec<_>) = questions.iter().partition(|q| q["window"][0][0] == 1.0);
    assert!(failed.len() > 1 && !answered.is_empty(), "{questions:#?}");
    assert!(failed.iter().all(|q| q["answer"] == q["analytic"]));
    assert!(answered.iter().all(|q| near(&q["answer"], expected(q))));
    assert_eq!(ran.stderr.matches("the analytic classifier answers instead").count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("temporal.onnx"), "{}", ran.stderr);
    assert_eq!(summary(&ran)["classifier_failures"], failed.len());
}

#[test]
fn classifiers_that_are_not_there() {
    let plain = Bench::tiny();
    let later = Bench::temporal("temporal.onnx", VERSION + 1);
    let other = Bench::temporal("ten_numbers.onnx", VERSION);
    let mut table = Table::default();
    let learned = ["--classifier", "learned"];
    let none = plain.replay_with(&learned);
    table.case("none", none, 2, "bundle-yolo@1.0.0 has no", "cartlab bundle --temporal");
    let version = format!("this program has those of version {VERSION}");
    table.case("another version", later.replay_with(&[]), 2, &version, "train it again");
    table.case("no classifier", other.replay_with(&[]), 2, "temporal.onnx", "export it again");
    table.case("no kind", plain.replay_with(&["--classifier", "best"]), 2, "best", "analytic");
    // What is not used need not be usable.
    run(&mut later.replay_with(&["--classifier", "analytic"])).expect_code(0);
}

#[test]
fn check_says_which_one_is_used() {
    let plain = Bench::tiny();
    let learned = Bench::temporal("temporal.onnx", VERSION);
    let broker = format!("url = 'mqtt://127.0.0.1:{}'", closed_port());
    let ran = format!("learned: temporal.onnx for features of version {VERSION} ran");
    for (bench, choice, expected) in [
        (&plain, "", "analytic: the bundle has no learned one"),
        (&plain, "analytic", "analytic: the bundle has no learned one"),
        (&learned, "", &ran),
        (&learned, "learned", &ran),
        (&learned, "analytic", "analytic: model.classifier says so"),
    ] {
        let file = configuration(&bench.at("cart"), &broker, &bench.bundle, &camera("rim", PATTERN));
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("threads = 1", &format!("threads = 1\nclassifier = '{choice}'")))
            .unwrap();
        // No broker listens: that is told beside the rest.
        let ran = run(cartvisiond().args(["check", "--json", "--config"]).arg(&file)).expect_code(3);
        let told: Value = serde_json::from_str(&ran.stdout).unwrap();
        let checks = told["checks"].as_array().unwrap();
        let classifier = checks.iter().find(|c| c["check"] == "classifier").unwrap();
        assert_eq!((&classifier["ok"], &classifier["detail"]), (&true.into(), &expected.into()));
    }
}
