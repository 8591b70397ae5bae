//! What the cart said: CloudEvents as JSON lines, as `cartvisiond replay --events` and the broker give them.
//!
//! Read leniently, so that files of older and newer carts, and of other systems, can be scored: only what the
//! figures need is asked for, and unknown types are passed over. A line that cannot be read is an error all the
//! same: a file that is broken in the middle must not score as a cart that was silent.

use std::collections::{BTreeMap, BTreeSet};

use cartvision_wire::{Change, DecidedBy};
use serde_json::Value;

use crate::item::Reported;

mod line;

/// The most that one event may count for: more is no quantity.
pub const MAX_QUANTITY: u32 = 1_000;

/// A line of an events file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct EventsError {
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

/// What an act claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This happened.
    Resolved(Change),
    /// Something happened: perhaps this, or nobody can say.
    Unresolved(Option<Change>),
}

impl Claim {
    /// Whether the basket was changed by it.
    pub fn is_resolved(self) -> bool {
        matches!(self, Self::Resolved(_))
    }
}

/// One act as the cart reported it: an event with quantity n gives n of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// The event's line in the file, from 1.
    pub line: usize,
    /// The event's id.
    pub event: String,
    /// What it claims.
    pub claim: Claim,
    /// About which item; the best guess where it is unresolved.
    pub item: Reported,
    /// The moment of the act, seconds on the media time line.
    pub moment: f64,
    /// When the decision fell, on the same line.
    pub decided: f64,
    /// How sure the cart was; absent in what other systems wrote.
    pub confidence: Option<f64>,
    /// Whose decision it was, where that is said.
    pub decided_by: Option<DecidedBy>,
    /// What it may have been about, the likeliest first.
    pub candidates: Vec<Reported>,
}

/// A change of the basket that stands for an event, or for a part of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub(crate) kind: Change,
    pub(crate) item: Reported,
    pub(crate) quantity: u32,
}

/// An event that changes the basket, or could.
#[derive(Clone, Debug)]
struct Posting {
    event: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Correction {
    line: usize,
    corrects: String,
    revision: u32,
    decided_by: Option<DecidedBy>,
    pieces: Vec<Piece>,
}

/// What the cart said at the session's end.
#[derive(Clone, Debug)]
struct Ending {
    line: usize,
    at: f64,
    /// Items and how many; `None` where the event could not carry them all.
    basket: Option<Vec<Piece>>,
}

/// A session's events.
#[derive(Clone, Debug, Default)]
pub struct EventLog {
    /// In the order of the file.
    pub acts: Vec<Act>,
    /// Events that were there before: same id.
    pub delivered_again: u64,
    /// Events of types that say nothing about items.
    pub others: u64,
    postings: Vec<Posting>,
    corrections: Vec<Correction>,
    ending: Option<Ending>,
    questions: BTreeSet<String>,
}

impl EventLog {
    /// Reads the text of an events file. `file` is its name for messages.
    ///
    /// # Errors
    /// [`EventsError`] with the first line that cannot be read.
    pub fn read(file: &str, text: &str) -> Result<Self, EventsError> {
        let mut log = Self::default();
        let mut seen = BTreeSet::new();
        for (index, json) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let line = index + 1;
            let wrong = |reason: String| EventsError { file: file.to_owned(), line, reason };
            let event: line::Envelope = serde_json::from_str(json).map_err(|e| wrong(e.to_string()))?;
            if seen.contains(&event.id) {
                log.delivered_again += 1;
                continue;
            }
            seen.insert(event.id.clone());
            log.take(line, event).map_err(|e| wrong(format!("event without usable data: {e}")))?;
        }
        Ok(log)
    }

    fn take(&mut self, at: usize, event: line::Envelope) -> Result<(), serde_json::Error> {
        let line::Envelope { id, event_type, subject, data } = event;
        // Acts outside a session change no basket.
        let in_session = subject.as_deref() != Some("none");
        match event_type.as_str() {
            "cartvision.item.added.v1" => {
                self.act(at, id, in_session, data, |_| Claim::Resolved(Change::Added))
            }
            "cartvision.item.removed.v1" => {
                self.act(at, id, in_session, data, |_| Claim::Resolved(Change::Removed))
            }
            "cartvision.item.unresolved.v1" => {
                self.act(at, id, in_session, data, |act| Claim::Unresolved(act.change.into()))
            }
            "cartvision.item.corrected.v1" => {
                let correction: line::Correction = serde_json::from_value(data)?;
                self.corrections.push(Correction {
                    line: at,
                    corrects: correction.corrects,
                    revision: correction.revision,
                    decided_by: correction.decided_by,
                    pieces: correction.replacement.into_iter().map(Piece::from).collect(),
                });
                Ok(())
            }
            "cartvision.session.ended.v1" => {
                let ended: line::Ended = serde_json::from_value(data)?;
                let whole = ended.basket.lines_omitted == 0;
                let lines = ended.basket.lines.into_iter().map(Piece::from).collect();
                let at_s = ended.media_time_ms / 1e3;
                self.ending = Some(Ending { line: at, at: at_s, basket: whole.then_some(lines) });
                self.questions.extend(ended.pending_questions.into_iter().filter_map(|q| q.unresolved));
                Ok(())
            }
            _ => {
                self.others += 1;
                Ok(())
            }
        }
    }

    fn act(
        &mut self,
        line: usize,
        event: String,
        in_session: bool,
        data: Value,
        claim: impl FnOnce(&line::Act) -> Claim,
    ) -> Result<(), serde_json::Error> {
        let act: line::Act = serde_json::from_value(data)?;
        let claim = claim(&act);
        // A correction can put something in the place of an unresolved event, so that has its place too.
        let pieces = match claim {
            Claim::Resolved(kind) if !act.not_in_basket => {
                vec![Piece { kind, item: act.item.clone(), quantity: act.quantity }]
            }
            _ => vec![],
        };
        if in_session {
            self.postings.push(Posting { event: event.clone(), pieces });
        }
        let quantity = act.quantity as usize;
        let act = Act {
            line,
            event,
            claim,
            item: act.item,
            moment: act.media_time_ms / 1e3,
            decided: act.decided_media_time_ms / 1e3,
            confidence: act.confidence,
            decided_by: act.decided_by,
            candidates: act.candidates.into_iter().map(Reported::from).collect(),
        };
        self.acts.extend(std::iter::repeat_n(act, quantity));
        Ok(())
    }

    /// When the session ended, as the cart says; seconds.
    pub fn ended(&self) -> Option<f64> {
        self.ending.as_ref().map(|ending| ending.at)
    }

    /// Whether the cloud was asked about the act, as far as events tell: it decided, or the question was open
    /// when the session ended.
    pub fn was_asked(&self, act: &Act) -> bool {
        act.decided_by == Some(DecidedBy::Cloud) || self.questions.contains(&act.event)
    }

    /// The log as it would be without a cloud: its decisions unresolved, its corrections not made.
    #[must_use]
    pub fn without_cloud(&self) -> Self {
        let mut log = self.clone();
        let mut gone = BTreeSet::new();
        for act in log.acts.iter_mut().filter(|act| act.decided_by == Some(DecidedBy::Cloud)) {
            if let Claim::Resolved(change) = act.claim {
                act.claim = Claim::Unresolved(Some(change));
                gone.insert(act.event.clone());
            }
        }
        for posting in log.postings.iter_mut().filter(|posting| gone.contains(&posting.event)) {
            posting.pieces.clear();
        }
        log.corrections.retain(|correction| correction.decided_by != Some(DecidedBy::Cloud));
        // It was said with the cloud's decisions in it.
        if let Some(ending) = &mut log.ending {
            ending.basket = None;
        }
        log
    }

    /// What stands in the end, in the order of first delivery: each event, or the highest revision of its
    /// corrections. An event that a correction names and that is not in the file counts as its correction.
    pub(crate) fn standing(&self) -> Vec<&Piece> {
        self.standing_until(usize::MAX)
    }

    fn standing_until(&self, line: usize) -> Vec<&Piece> {
        let mut latest: BTreeMap<&str, &Correction> = BTreeMap::new();
        for correction in self.corrections.iter().filter(|c| c.line <= line) {
            let known = latest.entry(&correction.corrects).or_insert(correction);
            if known.revision < correction.revision {
                *known = correction;
            }
        }
        let mut pieces = vec![];
        for posting in &self.postings {
            let correction = latest.remove(posting.event.as_str());
            pieces.extend(correction.map_or(&posting.pieces, |c| &c.pieces));
        }
        pieces.extend(latest.into_values().flat_map(|c| &c.pieces));
        pieces
    }

    /// The basket that the cart stated at the session's end, and what stood by then.
    pub(crate) fn stated(&self) -> Option<(&[Piece], Vec<&Piece>)> {
        let ending = self.ending.as_ref()?;
        Some((ending.basket.as_deref()?, self.standing_until(ending.line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, kind: &str, item: &str, more: &str) -> String {
        format!(
            r#"{{"id":"{id}","type":"cartvision.item.{kind}.v1","subject":"s","data":{{"item":{{"id":"{item}","label":"L"}},"media_time_ms":1500,"decided_media_time_ms":1750{more}}}}}"#
        )
    }

    fn pieces(log: &EventLog) -> String {
        let one = |p: &&Piece| format!("{:?} {} {}", p.kind, p.quantity, p.item.id.as_deref().unwrap_or("-"));
        log.standing().iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_same_id_counts_once_and_a_quantity_counts_as_many() {
        let text = [
            line("1", "added", "a", r#","quantity":2"#),
            line("1", "added", "a", r#","quantity":2"#),
            r#"{"id":"2","type":"cartvision.something.new.v1"}"#.to_owned(),
            String::new(),
            line(
                "3",
                "removed",
                "a",
                r#","confidence":0.5,"decided_by":"edge","candidates":[{"id":"b","p":1}]"#,
            ),
        ];
        let log = EventLog::read("e", &text.join("\n")).unwrap();
        assert_eq!((log.acts.len(), log.delivered_again, log.others), (3, 1, 1));
        let last = &log.acts[2];
        assert_eq!((last.line, last.moment, last.decided, last.confidence), (5, 1.5, 1.75, Some(0.5)));
        assert_eq!((last.decided_by, last.candidates[0].id.as_deref()), (Some(DecidedBy::Edge), Some("b")));
        assert_eq!(pieces(&log), "Added 2 a, Removed 1 a");
    }

    #[test]
    fn the_highest_revision_stands_where_the_event_stood() {
        let correct = |id: &str, corrects: &str, revision: u32, replacement: &str| {
            format!(
                r#"{{"id":"{id}","type":"cartvision.item.corrected.v1","data":{{"corrects":"{corrects}","revision":{revision},"replacement":[{replacement}],"decided_by":"cloud"}}}}"#
            )
        };
        let b = r#"{"change":"added","item":{"id":"b","label":"B"},"quantity":3}"#;
        let text = [
            line("1", "added", "a", ""),
            line("2", "unresolved", "a", r#","change":"added""#),
            line("3", "added", "c", ""),
            correct("4", "1", 2, b),
            correct("5", "1", 1, ""),
            correct("6", "2", 1, b),
        ];
        let log = EventLog::read("e", &text.join("\n")).unwrap();
        assert_eq!(pieces(&log), "Added 3 b, Added 3 b, Added 1 c");
        assert_eq!(log.acts[1].claim, Claim::Unresolved(Some(Change::Added)));
        assert_eq!(pieces(&log.without_cloud()), "Added 1 a, Added 1 c");
    }

    #[test]
    fn what_changes_no_basket_has_no_piece() {
        let outside = line("1", "added", "a", "").replace(r#""subject":"s""#, r#""subject":"none""#);
        let text = [
            outside,
            line("2", "removed", "a", r#","not_in_basket":true"#),
            line("3", "unresolved", "a", r#","change":"unknown""#),
        ];
        let log = EventLog::read("e", &text.join("\n")).unwrap();
        assert_eq!((log.acts.len(), pieces(&log).as_str()), (3, ""));
        assert_eq!(log.acts[2].claim, Claim::Unresolved(None));
    }

    #[test]
    fn a_bad_line_is_told_with_its_number() {
        let good = line("1", "added", "a", "");
        for (bad, words) in [
            ("{".to_owned(), "e:2: "),
            ("[1]".to_owned(), "e:2: "),
            (r#"{"type":"x"}"#.to_owned(), "missing field `id`"),
            (r#"{"id":null,"type":"x"}"#.to_owned(), "e:2: "),
            (line("2", "added", "a", r#","quantity":0"#), "quantity"),
            (line("2", "added", "a", r#","quantity":1.5"#), "1.5"),
            (line("2", "added", "a", r#","quantity":1001"#), "quantity"),
            (line("2", "added", "a", "").replace("1500", "null"), "e:2: event without usable data"),
            (line("2", "added", "a", "").replace(r#""label":"L""#, r#""x":1"#), "missing field `label`"),
            (line("2", "added", "a", r#","confidence":1.5"#), "1.5 is no probability"),
            (line("2", "unresolved", "a", r#","change":"both""#), "unknown variant `both`"),
        ] {
            let error = EventLog::read("e", &format!("{good}\n{bad}")).unwrap_err();
            assert_eq!(error.line, 2);
            assert!(error.to_string().contains(words), "{bad}: {error}");
        }
    }
}
