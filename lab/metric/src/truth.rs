//! What really happened: `truth.jsonl`.

use std::collections::BTreeSet;

use cartvision_wire::Change;
use serde::{Deserialize, Deserializer};

use crate::item::Identity;

/// A line of a truth file that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct TruthError {
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

/// An item came to rest in the zone, or left it. Seconds on the media time line.
#[derive(Clone, Debug, PartialEq)]
pub struct TrueChange {
    /// In or out.
    pub kind: Change,
    /// What it was.
    pub item: Identity,
    /// For people.
    pub label: String,
    /// It starts to move.
    pub start: f64,
    /// It rests, or has left.
    pub end: f64,
    /// The place of its episode in [`Truth::episodes`].
    pub episode: Option<usize>,
}

/// From the moment a hand or an item enters the zone until it is quiet.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Its number in the file.
    pub number: u64,
    /// Seconds.
    pub start: f64,
    /// Seconds.
    pub end: f64,
    /// Which kinds of act it holds.
    pub acts: Vec<String>,
    /// How many changes; none makes it a null episode.
    pub changes: u64,
}

impl Episode {
    /// Nothing came to rest in the zone or left it.
    pub fn is_null(&self) -> bool {
        self.changes == 0
    }
}

/// A session's truth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// In the order of the file.
    pub changes: Vec<TrueChange>,
    /// In the order of the file. Empty for a file made by hand: then nothing can be said about null episodes.
    pub episodes: Vec<Episode>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Added(ChangeLine),
    Removed(ChangeLine),
    Episode(EpisodeLine),
}

#[derive(Deserialize)]
struct ChangeLine {
    /// Absent: the label stands for it. Null: not in the catalogue.
    #[serde(default, deserialize_with = "present")]
    id: Option<Option<String>>,
    label: String,
    start: f64,
    end: f64,
    episode: Option<u64>,
}

#[derive(Deserialize)]
struct EpisodeLine {
    episode: u64,
    start: f64,
    end: f64,
    #[serde(default)]
    acts: Vec<String>,
    changes: u64,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

impl Truth {
    /// Reads a truth file's text. `file` is its name for messages.
    ///
    /// # Errors
    /// [`TruthError`] with the first line that cannot be meant.
    pub fn read(file: &str, text: &str) -> Result<Self, TruthError> {
        let wrong = |line: usize, reason: String| TruthError { file: file.to_owned(), line, reason };
        let mut truth = Self::default();
        // The line and the episode number of each change: episodes may stand after their changes.
        let mut belongs: Vec<(usize, Option<u64>)> = vec![];
        let mut stands: Vec<usize> = vec![];
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let at = index + 1;
            let parsed = serde_json::from_str(line).map_err(|e| wrong(at, e.to_string()))?;
            let (start, end) = match &parsed {
                Line::Added(c) | Line::Removed(c) => (c.start, c.end),
                Line::Episode(e) => (e.start, e.end),
            };
            if !(start.is_finite() && end.is_finite() && 0.0 <= start && start <= end) {
                return Err(wrong(at, format!("it starts at {start} s and ends at {end} s")));
            }
            match parsed {
                Line::Added(line) => {
                    belongs.push((at, line.episode));
                    truth.changes.push(line.change(Change::Added));
                }
                Line::Removed(line) => {
                    belongs.push((at, line.episode));
                    truth.changes.push(line.change(Change::Removed));
                }
                Line::Episode(line) => {
                    if truth.episodes.iter().any(|e| e.number == line.episode) {
                        return Err(wrong(at, format!("episode {} is there twice", line.episode)));
                    }
                    stands.push(at);
                    let EpisodeLine { episode: number, start, end, acts, changes } = line;
                    truth.episodes.push(Episode { number, start, end, acts, changes });
                }
            }
        }
        for (change, (line, number)) in truth.changes.iter_mut().zip(&belongs) {
            change.episode = match number {
                Some(number) => {
                    let found = truth.episodes.iter().position(|e| e.number == *number);
                    // A file with numbers but without episode lines only leaves them out.
                    if found.is_none() && !truth.episodes.is_empty() {
                        return Err(wrong(*line, format!("there is no episode {number}")));
                    }
                    found
                }
                None => truth.episodes.iter().position(|e| e.start <= change.start && change.end <= e.end),
            };
        }
        // An episode that is wrongly taken for a null one would spoil the specificity. (In a file made by hand, whose
        // changes do not say where they belong, nothing can be counted.)
        let told = truth.changes.is_empty() || belongs.iter().any(|(_, number)| number.is_some());
        for (index, (episode, line)) in truth.episodes.iter().zip(stands).enumerate() {
            let counted = truth.changes.iter().filter(|c| c.episode == Some(index)).count() as u64;
            if told && counted != episode.changes {
                let Episode { number, changes, .. } = episode;
                let reason = format!("episode {number} says {changes} changes, but {counted} belong to it");
                return Err(wrong(line, reason));
            }
        }
        Ok(truth)
    }

    /// The names that its items go by.
    pub fn names(&self) -> BTreeSet<&str> {
        self.changes.iter().map(|c| c.item.name()).collect()
    }

    /// When the last change or episode ends, seconds.
    pub fn end(&self) -> f64 {
        let changes = self.changes.iter().map(|c| c.end);
        changes.chain(self.episodes.iter().map(|e| e.end)).fold(0.0, f64::max)
    }
}

impl ChangeLine {
    fn change(self, kind: Change) -> TrueChange {
        let item = match self.id {
            Some(Some(id)) => Identity::Named(id),
            Some(None) => Identity::Unknown,
            None => Identity::Named(self.label.clone()),
        };
        TrueChange { kind, item, label: self.label, start: self.start, end: self.end, episode: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_labels_and_the_unknown_are_told_apart() {
        let text = r#"
{"kind":"added","id":"040","label":"Cola","start":1,"end":2,"track":3,"episode":7}
{"kind":"removed","label":"bottle","start":3.5,"end":4,"where":"left"}

{"kind":"added","id":null,"label":"unknown","start":5,"end":6}
{"kind":"episode","episode":7,"start":0.5,"end":4.5,"acts":["swap"],"changes":2}
{"kind":"episode","episode":8,"start":5,"end":6,"changes":1}
{"kind":"episode","episode":9,"start":7,"end":8,"acts":["shadow"],"changes":0}"#;
        let truth = Truth::read("t", text).unwrap();
        let seen: Vec<_> = truth.changes.iter().map(|c| (c.item.name(), c.episode)).collect();
        assert_eq!(seen, [("040", Some(0)), ("bottle", Some(0)), ("unknown", Some(1))]);
        assert_eq!(truth.changes[2].item, Identity::Unknown);
        assert_eq!(truth.episodes.iter().map(Episode::is_null).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(truth.end(), 8.0);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_line() {
        let change = r#"{"kind":"added","label":"a","start":1,"end":2,"episode":1}"#;
        for (text, words) in [
            ("{\n", "t:1: EOF"),
            ("[]", "t:1: "),
            (r#"{"kind":"aded","label":"a","start":1,"end":2}"#, "t:1: unknown variant `aded`"),
            (r#"{"kind":"added","start":1,"end":2}"#, "missing field `label`"),
            (r#"{"kind":"added","label":"a","start":2,"end":1}"#, "starts at 2 s and ends at 1 s"),
            (r#"{"kind":"added","label":"a","start":-1,"end":1}"#, "starts at -1 s"),
            (
                &format!(
                    "{change}\n{0}\n{0}",
                    r#"{"kind":"episode","episode":1,"start":0,"end":3,"changes":1}"#
                ),
                "t:3: episode 1 is there twice",
            ),
            (
                &format!("{change}\n{}", r#"{"kind":"episode","episode":1,"start":0,"end":3,"changes":0}"#),
                "t:2: episode 1 says 0 changes, but 1 belong to it",
            ),
            (
                &format!(
                    "{}\n{}",
                    r#"{"kind":"added","label":"a","start":1,"end":2,"episode":4}"#,
                    r#"{"kind":"episode","episode":1,"start":0,"end":3,"changes":0}"#
                ),
                "t:1: there is no episode 4",
            ),
        ] {
            let error = Truth::read("t", text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
