//! The evaluator against the other implementation of the same definition, a script beside the repository: on random
//! clips and everything that can go wrong with events, both count the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use cartvision_metric::{EventLog, Rule, Session, Truth};
use serde_json::{Value, json};
use support::{event, lines};

const CLIPS: u64 = 50;
/// Catalogue ids; some things are in no catalogue.
const ITEMS: [Option<&str>; 5] =
    [Some("04012345000016"), Some("04012345000023"), Some("cola"), Some("tea"), None];

fn scorer() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/tools/score-events");
    if !path.exists() {
        // Past the test harness's capture: a skipped test must not look like one that passed.
        _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {} is absent: nothing was held against the other implementation",
            path.display()
        );
        return None;
    }
    Some(path)
}

struct Clip {
    truth: Vec<Value>,
    events: Vec<Value>,
}

/// Changes that crowd each other, and events that were lost, doubled, shifted, swapped, redelivered, early or late.
fn clip(seed: u64) -> Clip {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut truth, mut events): (Vec<Value>, Vec<Value>) = (vec![], vec![]);
    let mut at_ms = 2_000;
    let mut number = 0;
    for _ in 0..random.usize(1..25) {
        // Often before the last change is over, so that windows overlap.
        at_ms += random.i64(0..3_000);
        let kind = if random.bool() { "added" } else { "removed" };
        let item = ITEMS[random.usize(..ITEMS.len())];
        let (start, end) = (at_ms, at_ms + random.i64(300..2_500));
        let label = item.map_or("unknown".to_owned(), |id| format!("label of {id}"));
        let mut change =
            json!({"kind": kind, "label": label, "start": start as f64 / 1e3, "end": end as f64 / 1e3});
        // With ids, with labels only (the unknown then by its label), and null for what is in no catalogue.
        match random.u8(..3) {
            0 => {}
            _ => change["id"] = json!(item),
        }
        truth.push(change);
        for _ in 0..[1, 1, 1, 1, 0, 2][random.usize(..6)] {
            let (mut kind, mut item) = (kind, item);
            let mut moment = end + random.i64(-400..500);
            let mut decided = moment + random.i64(0..600);
            match random.u8(..12) {
                0 => moment = start - random.i64(0..3),
                1 => moment = end + random.i64(998..1_003),
                2 => decided = end + random.i64(1_998..2_003),
                3 => item = ITEMS[random.usize(..ITEMS.len())],
                4 => kind = if kind == "added" { "removed" } else { "added" },
                5 => moment = random.i64(0..60_000),
                6 => kind = "unresolved",
                _ => {}
            }
            number += 1;
            let mut event = event(&format!("e{number}"), kind, item, moment.max(0), decided.max(0));
            if kind == "unresolved" {
                event["data"]["change"] = json!("unknown");
            }
            if random.u8(..8) == 0 {
                event["data"]["quantity"] = json!(random.u8(1..4));
            }
            if item.is_some() && random.u8(..10) == 0 {
                // Another system's event: its id is what the truth has as label, or it knows labels only.
                event["data"]["item"]["id"] = event["data"]["item"]["label"].clone();
            }
            events.push(event);
        }
    }
    for _ in 0..random.usize(0..3) {
        let copy = events.get(random.usize(..events.len().max(1))).cloned();
        let place = random.usize(..=events.len());
        if let Some(copy) = copy {
            events.insert(place, copy);
        }
    }
    if random.bool() {
        random.shuffle(&mut events);
    }
    events.push(json!({"id": "new", "type": "cartvision.something.new.v1", "data": 1}));
    Clip { truth, events }
}

/// tp, fp, fn, redeliveries, and the mean moment error.
type Counts = ([u64; 4], Option<f64>);

fn theirs(script: &Path, clip: &Clip) -> Counts {
    let place = tempfile::tempdir().unwrap();
    let (truth, events) = (place.path().join("truth.jsonl"), place.path().join("events.jsonl"));
    std::fs::write(&truth, lines(&clip.truth)).unwrap();
    std::fs::write(&events, lines(&clip.events)).unwrap();
    let ran = Command::new(script)
        .arg("--truth")
        .arg(&truth)
        .arg("--events")
        .arg(&events)
        .arg("--json")
        .output()
        .expect("score-events needs python3");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let n = |key: &str| said[key].as_u64().unwrap();
    ([n("tp"), n("fp"), n("fn"), n("delivered_again")], said["moment_error_s"].as_f64())
}

fn ours(clip: &Clip) -> Counts {
    let truth = Truth::read("truth", &lines(&clip.truth)).unwrap();
    let log = EventLog::read("events", &lines(&clip.events)).unwrap();
    let again = log.delivered_again;
    let t = Session::new("clip".into(), 60.0, truth, log, Rule::default()).outcome().tally;
    let error = (t.matched > 0).then(|| t.moment_error / t.matched as f64);
    ([t.matched, t.events - t.matched, t.changes - t.matched, again], error)
}

#[test]
fn both_implementations_count_the_same() {
    let Some(script) = scorer() else { return };
    let mut total = [0; 4];
    for seed in 0..CLIPS {
        let clip = clip(seed);
        let (ours, theirs) = (ours(&clip), theirs(&script, &clip));
        let ([tp, fp, missed, again], error) = ours;
        eprintln!("seed {seed}: tp {tp} fp {fp} fn {missed} again {again} moment error {error:?}");
        // Theirs is rounded to three decimals.
        let same_error = match (ours.1, theirs.1) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs() < 0.000_5 + 1e-9,
            (ours, theirs) => ours == theirs,
        };
        assert!(
            ours.0 == theirs.0 && same_error,
            "seed {seed}: ours {ours:?}, theirs {theirs:?}\n{}\n{}",
            lines(&clip.truth),
            lines(&clip.events)
        );
        total.iter_mut().zip(ours.0).for_each(|(sum, n)| *sum += n);
    }
    // The clips are neither all right nor all wrong, so that agreeing means something.
    let [tp, fp, missed, again] = total;
    assert!(tp > 100 && fp > 100 && missed > 100 && again > 10, "{total:?}");
}
