//! Events as a consumer reads them: each held against the schema, their order checked, their basket summed up.

use std::collections::{BTreeMap, HashSet};

use cartvision_wire::schema;
use jsonschema::Validator;
use serde_json::Value;

/// A validator of one of the published schemas.
pub fn validator(schema: &str) -> Validator {
    let schema = serde_json::from_str(schema).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// Asserts that a message is as its schema says.
///
/// # Panics
/// With the message and everything that is wrong with it.
pub fn expect_valid(validator: &Validator, message: &Value) {
    let errors: Vec<_> =
        validator.iter_errors(message).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{message:#}\n{}", errors.join("\n"));
}

/// The events of one epoch, each once.
#[derive(Clone, Debug)]
pub struct EventLog(Vec<Value>);

impl EventLog {
    /// From JSON lines.
    ///
    /// # Panics
    /// See [`Self::new`]; and when the last line is cut off.
    pub fn from_lines(text: &str) -> Self {
        assert!(text.is_empty() || text.ends_with('\n'), "the last line is cut off: {text:?}");
        let read = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        Self::new(text.lines().map(read))
    }

    /// From events as they came; repeated ones (by id) are left out.
    ///
    /// # Panics
    /// When one is no valid event, or they are no log: `log.opened` first, one epoch, sequence from 1 without a
    /// gap in the order of first delivery.
    pub fn new(events: impl IntoIterator<Item = Value>) -> Self {
        let validator = validator(schema::EVENT);
        let mut seen = HashSet::new();
        let events: Vec<Value> = events.into_iter().filter(|e| seen.insert(e["id"].to_string())).collect();
        for (n, event) in events.iter().enumerate() {
            expect_valid(&validator, event);
            assert_eq!(event["epoch"], events[0]["epoch"], "one epoch");
            assert_eq!(event["sequence"], format!("{:020}", n + 1), "no gap, and in order: {event:#}");
            assert_eq!(event["type"] == "cartvision.log.opened.v1", n == 0, "the log is opened once, first");
        }
        Self(events)
    }

    /// All of them.
    pub fn events(&self) -> &[Value] {
        &self.0
    }

    /// The kinds (`item.added`, …) in order.
    pub fn kinds(&self) -> Vec<&str> {
        self.0.iter().map(kind).collect()
    }

    /// Those of a kind.
    pub fn of(&self, wanted: &str) -> Vec<&Value> {
        self.0.iter().filter(|e| kind(e) == wanted).collect()
    }

    /// What was added and removed: (kind, media time in ms) in order.
    pub fn acts(&self) -> Vec<(&str, u64)> {
        let act = |e| matches!(kind(e), "item.added" | "item.removed");
        let told = |e| (kind(e), e["data"]["media_time_ms"].as_u64().unwrap());
        self.0.iter().filter(|e| act(e)).map(told).collect()
    }

    /// The basket that the events of the session make, as the contract says: an added item goes in, a removed one
    /// out (unless it never was in), an unresolved one changes nothing, and of the corrections of an event the
    /// last stands in its place.
    pub fn basket(&self) -> BTreeMap<String, i64> {
        // By event id: what it did, as (item, count).
        let mut did: BTreeMap<&str, Vec<(&str, i64)>> = BTreeMap::new();
        for event in &self.0 {
            let data = &event["data"];
            let piece = |of: &'_ Value, sign: i64| sign * of["quantity"].as_i64().unwrap();
            let id = event["id"].as_str().unwrap();
            match kind(event) {
                "session.started" => did.clear(),
                "item.added" => _ = did.insert(id, vec![(item(data), piece(data, 1))]),
                "item.removed" if data["not_in_basket"] != true => {
                    did.insert(id, vec![(item(data), piece(data, -1))]);
                }
                "item.corrected" => {
                    let sign = |r: &Value| if r["change"] == "added" { 1 } else { -1 };
                    let replacement = data["replacement"].as_array().unwrap();
                    let pieces = replacement.iter().map(|r| (item(r), piece(r, sign(r)))).collect();
                    did.insert(data["corrects"].as_str().unwrap(), pieces);
                }
                _ => {}
            }
        }
        let mut basket = BTreeMap::new();
        for (item, count) in did.into_values().flatten() {
            *basket.entry(item.to_owned()).or_default() += count;
        }
        basket.retain(|_, count| *count != 0);
        basket
    }
}

/// Whose item it is.
fn item(of: &Value) -> &str {
    of["item"]["id"].as_str().unwrap()
}

/// An event's type without what all types share.
pub fn kind(event: &Value) -> &str {
    let name = event["type"].as_str().unwrap();
    name.strip_prefix("cartvision.").and_then(|n| n.strip_suffix(".v1")).unwrap()
}

/// The lines of a basket, as the retained basket and `session.ended` carry them.
pub fn lines(basket: &Value) -> BTreeMap<String, i64> {
    let lines = basket["lines"].as_array().unwrap();
    lines.iter().map(|l| (l["id"].as_str().unwrap().to_owned(), l["quantity"].as_i64().unwrap())).collect()
}
