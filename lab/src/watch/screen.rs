//! What is shown of a message: one line, readable at a glance. Pure, but for the question whether colours are welcome.

use std::{fmt::Write as _, io::IsTerminal as _};

use cartvision_metric::TrueChange;
use cartvision_wire::{
    Basket, BasketLine, Epoch, Event, EventData, Item, Probability, Sequence, State, Status,
    event::{Act, Cameras, Correction},
    item::{Change, OpenChange},
};

/// Columns of an item's name; a longer one pushes the rest to the right.
const NAME: usize = 16;
/// Columns before an item's name: the time of day, the sign, blanks.
const LEAD: usize = 16;
/// Columns before what the truth says: most events are shorter.
const TRUTH: usize = 56;

#[derive(Clone, Copy, PartialEq)]
enum Colour {
    Green,
    Red,
    Yellow,
    Faint,
    Bold,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Self::Green => "\x1b[32m",
            Self::Red => "\x1b[31m",
            Self::Yellow => "\x1b[33m",
            Self::Faint => "\x1b[2m",
            Self::Bold => "\x1b[1m",
        }
    }
}

/// The screen, and what it needs to remember so that nothing is shown twice.
#[derive(Debug)]
pub(super) struct Screen {
    colours: bool,
    basket: Option<Basket>,
    state: Option<State>,
    /// Position of the last event.
    last: Option<(Epoch, Sequence)>,
}

impl Screen {
    pub(super) fn new(colours: bool) -> Self {
        Self { colours, basket: None, state: None, last: None }
    }

    /// With colours on a terminal, unless NO_COLOR says otherwise.
    pub(super) fn of_the_surroundings() -> Self {
        let unwelcome = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::new(!unwelcome && std::io::stdout().is_terminal())
    }

    /// An event: when, what, how sure, who saw it.
    pub(super) fn event(&mut self, event: &Event) -> String {
        let (sign, colour, what) = told(&event.data);
        let time = event.time.to_string();
        // 2026-11-23T10:15:30.123Z
        let time = time.get(11..23).unwrap_or(&time);
        let mut line = format!("{time}  {sign} {what}");
        // Delivery is at least once; within an epoch, order is that of the sequence.
        let again =
            self.last.is_some_and(|(epoch, sequence)| epoch == event.epoch && sequence >= event.sequence);
        if again {
            line += "  (sent again)";
        } else {
            self.last = Some((event.epoch, event.sequence));
        }
        self.painted(if again { Colour::Faint } else { colour }, &line)
    }

    /// What really happened: beside the events, on the right.
    pub(super) fn truth(&self, change: &TrueChange) -> String {
        let sign = match change.kind {
            Change::Added => '+',
            Change::Removed => '−',
        };
        let line = format!("{:TRUTH$}truth {sign} {}  at {:.1} s", "", change.label, change.end);
        self.painted(Colour::Faint, &line)
    }

    /// The basket, where it holds something else than before.
    pub(super) fn basket(&mut self, basket: &Basket) -> Option<String> {
        let before = self.basket.replace(basket.clone());
        let same = before.is_some_and(|before| {
            (before.session, before.lines) == (basket.session.clone(), basket.lines.clone())
        });
        if same || basket.session.is_none() {
            return None;
        }
        let line = format!("{:LEAD$}basket: {}", "", contents(&basket.lines));
        Some(self.painted(Colour::Bold, &line))
    }

    /// The cart's state, where it says something else than before.
    pub(super) fn state(&mut self, state: &State) -> Option<String> {
        let before = self.state.replace(state.clone());
        if before.is_some_and(|before| before.status == state.status && before.reasons == state.reasons) {
            return None;
        }
        let (word, colour) = match state.status {
            Status::Online => ("online", Colour::Faint),
            Status::Degraded => ("degraded", Colour::Yellow),
            Status::Offline => ("offline", Colour::Faint),
        };
        let mut line = format!("{:LEAD$}cart {word}", "");
        for (i, reason) in state.reasons.iter().enumerate() {
            let _ = write!(line, "{} {reason}", if i == 0 { ":" } else { ";" });
        }
        Some(self.painted(colour, &line))
    }

    fn painted(&self, colour: Colour, text: &str) -> String {
        if self.colours { format!("{}{text}\x1b[0m", colour.code()) } else { text.to_owned() }
    }
}

/// An event's sign, its colour, and what follows the sign.
fn told(data: &EventData) -> (char, Colour, String) {
    let quiet = |text: String| ('·', Colour::Faint, text);
    match data {
        EventData::ItemAdded(act) => ('+', Colour::Green, seen(act)),
        EventData::ItemRemoved(removal) => {
            let note = if removal.not_in_basket { "  (was not in the basket)" } else { "" };
            ('−', Colour::Red, format!("{}{note}", seen(&removal.act)))
        }
        EventData::ItemUnresolved(unresolved) => {
            let change = match unresolved.change {
                OpenChange::Added => "perhaps added",
                OpenChange::Removed => "perhaps removed",
                OpenChange::Unknown => "perhaps moved",
            };
            let reason = unresolved.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
            ('?', Colour::Yellow, format!("{}  {change}{reason}", seen(&unresolved.act)))
        }
        EventData::ItemCorrected(correction) => ('~', Colour::Yellow, corrected(correction)),
        EventData::SessionStarted(started) => {
            quiet(format!("session started, cameras {}", cameras(&started.cameras)))
        }
        EventData::SessionEnded(ended) => quiet(format!(
            "session ended with {}{}{}",
            contents(ended.basket.lines()),
            some(ended.basket.lines_omitted() as usize, "more lines"),
            some(ended.pending_questions.len(), "open questions"),
        )),
        EventData::SessionSettled(_) => quiet("session settled".to_owned()),
        EventData::CameraDegraded(camera) => {
            ('!', Colour::Yellow, format!("camera {}: {}", camera.camera, camera.reason))
        }
        EventData::CameraRecovered(camera) => quiet(format!("camera {} works again", camera.camera)),
        EventData::LogOpened(_) => quiet("event log opened".to_owned()),
    }
}

/// `bottle            97 %  rim-left, rim-right`
fn seen(act: &Act) -> String {
    let name = name(&act.item);
    let name = match act.quantity.get() {
        1 => name,
        quantity => format!("{quantity} × {name}"),
    };
    format!("{name:NAME$} {} {}", percent(act.confidence), cameras(&act.cameras))
}

fn corrected(correction: &Correction) -> String {
    let mut text = format!("correction {}: ", correction.revision);
    for (i, replacement) in correction.replacement.iter().enumerate() {
        let sign = match replacement.change {
            Change::Added => '+',
            Change::Removed => '−',
        };
        let comma = if i == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}{sign} {} × {}", replacement.quantity, name(&replacement.item));
    }
    if correction.replacement.is_empty() {
        text += "nothing happened";
    }
    text
}

/// The label, and the catalogue's id where it says more.
fn name(item: &Item) -> String {
    match item.id() {
        Some(id) if id.as_str() != item.label().as_str() => format!("{} ({id})", item.label()),
        Some(_) => item.label().to_string(),
        None => format!("{} (unknown)", item.label()),
    }
}

fn percent(confidence: Probability) -> String {
    format!("{:3.0} % ", confidence.get() * 100.0)
}

fn cameras(cameras: &Cameras) -> String {
    let names: Vec<_> = cameras.iter().map(ToString::to_string).collect();
    if names.is_empty() { "no camera".to_owned() } else { names.join(", ") }
}

fn contents(lines: &[BasketLine]) -> String {
    let lines: Vec<_> =
        lines.iter().map(|line| format!("{} × {}", line.quantity, name(&line.item))).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join(", ") }
}

fn some(count: usize, what: &str) -> String {
    if count == 0 { String::new() } else { format!(", {count} {what}") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(kind: &str, sequence: u64, data: Value) -> Event {
        let event = json!({
            "specversion": "1.0", "id": "01890a5d-ac96-774b-bcce-b302099a8057", "source": "/carts/cart-17",
            "subject": "visit-1", "type": format!("cartvision.{kind}.v1"), "time": "1970-01-01T00:00:13.012Z",
            "datacontenttype": "application/json", "epoch": "01890a5d-ac96-774b-bcce-b302099a8057",
            "sequence": format!("{sequence:020}"), "data": data,
        });
        serde_json::from_value(event).unwrap()
    }

    fn act(more: Value) -> Value {
        let mut act = json!({
            "item": {"kind": "catalogue", "id": "bottle", "label": "bottle"}, "quantity": 1, "confidence": 0.974,
            "decided_by": "edge", "cameras": ["rim-left", "top"], "media_time_ms": 13012,
            "decided_media_time_ms": 13250, "candidates": [], "bundle": "grocery-24@1.3.0",
            "clock": {"synced": true, "uncertainty_ms": 4},
        });
        act.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        act
    }

    fn basket(lines: Value) -> Basket {
        let epoch = "01890a5d-ac96-774b-bcce-b302099a8057";
        serde_json::from_value(
            json!({"session": "visit-1", "epoch": epoch, "sequence": format!("{:020}", 4), "lines": lines}),
        )
        .unwrap()
    }

    #[test]
    fn an_event_is_one_line() {
        let clock = json!({"synced": true, "uncertainty_ms": null});
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let cases = [
            ("item.added", act(json!({})), "+ bottle            97 %  rim-left, top"),
            (
                "item.added",
                act(json!({"item": {"kind": "catalogue", "id": "42", "label": "cup"}, "quantity": 2})),
                "+ 2 × cup (42)      97 %  rim-left, top",
            ),
            (
                "item.removed",
                act(json!({"not_in_basket": true})),
                "− bottle            97 %  rim-left, top  (was not in the basket)",
            ),
            (
                "item.unresolved",
                act(json!({"change": "removed", "reason": "it vanished", "confidence": 0.5, "cameras": [],
                    "item": {"kind": "unknown", "id": null, "label": "thing"}})),
                "? thing (unknown)   50 %  no camera  perhaps removed: it vanished",
            ),
            (
                "item.corrected",
                json!({"corrects": id, "revision": 2, "decided_by": "staff", "media_time_ms": 1,
                    "decided_media_time_ms": 2, "bundle": "b@1", "clock": clock, "replacement": [
                        {"change": "removed", "quantity": 3, "confidence": 1.0,
                         "item": {"kind": "catalogue", "id": "cup", "label": "cup"}}]}),
                "~ correction 2: − 3 × cup",
            ),
            (
                "item.corrected",
                json!({"corrects": id, "revision": 1, "decided_by": "staff", "media_time_ms": 1,
                    "decided_media_time_ms": 2, "bundle": "b@1", "clock": clock, "replacement": []}),
                "~ correction 1: nothing happened",
            ),
            (
                "session.ended",
                json!({"media_time_ms": 1, "clock": clock, "pending_questions": [], "basket": {"lines": [
                    {"kind": "catalogue", "id": "cup", "label": "cup", "quantity": 2}], "lines_omitted": 4}}),
                "· session ended with 2 × cup, 4 more lines",
            ),
            (
                "camera.degraded",
                json!({"camera": "top", "reason": "no pictures", "media_time_ms": 1, "clock": clock}),
                "! camera top: no pictures",
            ),
        ];
        let mut screen = Screen::new(false);
        for (sequence, (kind, data, shown)) in (1..).zip(cases) {
            assert_eq!(
                screen.event(&event(kind, sequence, data)),
                format!("00:00:13.012  {shown}"),
                "{kind}"
            );
        }
    }

    #[test]
    fn the_truth_stands_on_the_right() {
        let line = r#"{"kind":"removed","id":"42","label":"cola","start":6.4,"end":7.25}"#;
        let truth = cartvision_metric::Truth::read("truth.jsonl", line).unwrap();
        let shown = Screen::new(false).truth(&truth.changes[0]);
        assert_eq!(shown, format!("{}truth − cola  at 7.2 s", " ".repeat(TRUTH)));
    }

    #[test]
    fn a_repetition_says_so() {
        let mut screen = Screen::new(false);
        for (sequence, again) in [(1, false), (2, false), (1, true), (2, true), (3, false)] {
            let line = screen.event(&event("item.added", sequence, act(json!({}))));
            assert_eq!(line.ends_with("(sent again)"), again, "{line}");
        }
    }

    #[test]
    fn only_changes_of_basket_and_state_are_shown() {
        let mut screen = Screen::new(false);
        let bottle = json!([{"kind": "catalogue", "id": "bottle", "label": "bottle", "quantity": 2}]);
        for (lines, shown) in [
            (json!([]), Some("basket: nothing")),
            (bottle.clone(), Some("basket: 2 × bottle")),
            (bottle, None),
            (json!([]), Some("basket: nothing")),
        ] {
            let line = screen.basket(&basket(lines));
            assert_eq!(line.as_deref().map(str::trim_start), shown);
        }
        let state = |status: &str, reasons: Value| {
            serde_json::from_value::<State>(json!({
                "status": status, "reasons": reasons, "connection_id": "01890a5d-ac96-774b-bcce-b302099a8057",
                "version": "1", "bundle": "b@1", "clock": {"synced": true, "uncertainty_ms": 1}}))
            .unwrap()
        };
        for (said, shown) in [
            (state("online", json!([])), Some("cart online")),
            (state("online", json!([])), None),
            (state("degraded", json!(["too hot", "too slow"])), Some("cart degraded: too hot; too slow")),
            (state("degraded", json!(["too hot"])), Some("cart degraded: too hot")),
        ] {
            assert_eq!(screen.state(&said).as_deref().map(str::trim_start), shown);
        }
    }

    #[test]
    fn colours_only_where_they_are_welcome() {
        let event = event("item.added", 1, act(json!({})));
        assert!(!Screen::new(false).event(&event).contains('\x1b'));
        let line = Screen::new(true).event(&event);
        assert!(line.starts_with("\x1b[32m") && line.ends_with("\x1b[0m"), "{line:?}");
    }
}
