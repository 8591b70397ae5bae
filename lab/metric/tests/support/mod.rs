//! Truth and events as text, from few words.
// Each test program uses its own part of it.
#![allow(dead_code, clippy::unwrap_used)]

use cartvision_metric::{EventLog, Rule, Session, Truth};
use serde_json::{Value, json};

/// Seconds, exact to the millisecond.
pub fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

pub fn change(kind: &str, id: Option<&str>, start_ms: i64, end_ms: i64, episode: Option<u64>) -> Value {
    json!({"kind": kind, "id": id, "label": id.map_or("unknown".to_owned(), |id| format!("label of {id}")),
        "start": seconds(start_ms), "end": seconds(end_ms), "episode": episode})
}

pub fn episode(number: u64, start_ms: i64, end_ms: i64, acts: &[&str], changes: u64) -> Value {
    json!({"kind": "episode", "episode": number, "start": seconds(start_ms), "end": seconds(end_ms),
        "acts": acts, "changes": changes})
}

/// An `added`, `removed` or `unresolved` event.
pub fn event(id: &str, kind: &str, item: Option<&str>, at_ms: i64, decided_ms: i64) -> Value {
    let label = item.map_or("unknown".to_owned(), |id| format!("label of {id}"));
    json!({"specversion": "1.0", "id": id, "type": format!("cartvision.item.{kind}.v1"), "subject": "s",
        "data": {"item": {"kind": if item.is_some() { "catalogue" } else { "unknown" }, "id": item, "label": label},
            "quantity": 1, "confidence": 0.9, "decided_by": "edge", "media_time_ms": at_ms,
            "decided_media_time_ms": decided_ms}})
}

pub fn lines(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

pub fn session(name: &str, recorded: f64, truth: &[Value], events: &[Value]) -> Session {
    let truth = Truth::read("truth", &lines(truth)).unwrap();
    let log = EventLog::read("events", &lines(events)).unwrap();
    Session::new(name.to_owned(), recorded, truth, log, Rule::default())
}
