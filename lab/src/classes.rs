//! The class list, and what its classes mean to the cart.

use std::{collections::BTreeMap, fs, path::Path};

use cartvision_core::Role;
use cartvision_engines::bundle::Class;

/// Why a class list, or a choice of its classes, makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClassError {
    #[error("{file}: cannot read the class list: {reason}")]
    Unreadable { file: String, reason: String },
    #[error("{file}: no class in it")]
    Empty { file: String },
    #[error("{file}: line {line}: is empty, but lines follow; which class is it?")]
    Blank { file: String, line: usize },
    #[error("{file}: line {line}: class {label:?} is there twice")]
    Twice { file: String, line: usize, label: String },
    #[error("--{option}: no class {label:?} in {file}; the nearest is {nearest:?}")]
    Unknown { option: &'static str, label: String, file: String, nearest: String },
    #[error("--{option}: class {label:?} is named twice, there or as another role")]
    Again { option: &'static str, label: String },
    #[error("--items: {entry:?}: the catalogue id after '=' is empty")]
    NoId { entry: String },
    #[error("--items: no class is an item, so there is nothing to sell")]
    NoItem,
}

impl ClassError {
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::Empty { .. } | Self::Blank { .. } | Self::Twice { .. } => {
                "give the file the model was trained with: one label a line, in the order of the model's outputs"
            }
            Self::Unknown { .. } => "use labels exactly as they stand in the class list",
            Self::Again { .. } => "name each class once, as an item or as a hand",
            Self::NoId { .. } => "write label=id, or only the label to use it as the id",
            Self::NoItem => "name at least one class with --items, or all of them with --items all",
        }
    }
}

/// The labels in a file, one a line. A byte order mark, CRLF and blank lines at the end are nothing.
pub(crate) fn labels(file: &Path) -> Result<Vec<String>, ClassError> {
    let name = || file.display().to_string();
    let text = fs::read_to_string(file)
        .map_err(|e| ClassError::Unreadable { file: name(), reason: e.to_string() })?;
    let text = text.trim_start_matches('\u{feff}').trim_end();
    if text.is_empty() {
        return Err(ClassError::Empty { file: name() });
    }
    let mut labels: Vec<String> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (label, line) = (line.trim(), index + 1);
        if label.is_empty() {
            return Err(ClassError::Blank { file: name(), line });
        }
        if labels.iter().any(|known| known == label) {
            return Err(ClassError::Twice { file: name(), line, label: label.to_owned() });
        }
        labels.push(label.to_owned());
    }
    Ok(labels)
}

/// The classes with their roles: `items` (`label` or `label=id`; `all` or `*` for every class that is nothing else),
/// `unknown` ones, `hands`, and all others ignored. `file` is for messages.
pub(crate) fn roles(
    labels: &[String],
    items: &[String],
    (unknown, hands): (&[String], &[String]),
    file: &Path,
) -> Result<Vec<Class>, ClassError> {
    let index = |option: &'static str, label: &str| {
        labels.iter().position(|known| known == label).ok_or_else(|| ClassError::Unknown {
            option,
            label: label.to_owned(),
            file: file.display().to_string(),
            nearest: nearest(labels, label),
        })
    };
    let mut chosen: BTreeMap<usize, (Role, Option<String>)> = BTreeMap::new();
    let mut choose = |option, index, role, id| match chosen.insert(index, (role, id)) {
        None => Ok(()),
        Some(_) => Err(ClassError::Again { option, label: labels[index].clone() }),
    };
    for (option, labels, role) in [("hand", hands, Role::Hand), ("unknown", unknown, Role::Unknown)] {
        for label in labels {
            choose(option, index(option, label.trim())?, role, None)?;
        }
    }
    let all = matches!(items, [one] if matches!(one.trim(), "all" | "*"));
    if !all {
        for entry in items {
            // A label may itself hold an equals sign.
            let (label, id) = match entry.trim().split_once('=') {
                Some((label, id)) if !labels.iter().any(|known| known == entry.trim()) => {
                    (label.trim(), Some(id.trim()))
                }
                _ => (entry.trim(), None),
            };
            if id == Some("") {
                return Err(ClassError::NoId { entry: entry.clone() });
            }
            choose("items", index("items", label)?, Role::Item, id.map(str::to_owned))?;
        }
    }
    let rest = if all { Role::Item } else { Role::Ignore };
    let classes: Vec<Class> = labels
        .iter()
        .enumerate()
        .map(|(index, label)| {
            let (role, id) = chosen.remove(&index).unwrap_or((rest, None));
            let id = (role == Role::Item).then(|| id.unwrap_or_else(|| label.clone()));
            Class { label: label.clone(), id, role }
        })
        .collect();
    if classes.iter().any(|class| class.role == Role::Item) { Ok(classes) } else { Err(ClassError::NoItem) }
}

/// The label that looks most like `wanted`, whatever the case.
fn nearest(labels: &[String], wanted: &str) -> String {
    let likeness = |label: &str| strsim::jaro_winkler(&label.to_lowercase(), &wanted.to_lowercase());
    labels.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, ClassError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        labels(file.path())
    }

    #[test]
    fn line_ends_and_blank_last_lines_do_not_count() {
        for text in
            ["a\nwine glass", "a\nwine glass\n", "a\r\nwine glass\r\n\r\n", "\u{feff}a \n wine glass\n\n \n"]
        {
            assert_eq!(read(text).unwrap(), ["a", "wine glass"], "{text:?}");
        }
    }

    #[test]
    fn lists_that_cannot_be_meant_are_refused_with_the_line() {
        for (text, words) in [
            ("", "no class"),
            ("\n\n", "no class"),
            ("a\n\nb\n", "line 2: is empty"),
            ("a\nb\na\n", "line 3: class \"a\" is there twice"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text:?}: {error}");
        }
        assert!(matches!(labels(Path::new("/nowhere/at/all")), Err(ClassError::Unreadable { .. })));
    }

    #[test]
    fn classes_get_the_roles_that_were_asked_for() {
        let labels = ["person", "bottle", "a=b", "cup"].map(str::to_owned);
        let shown = |items: &[&str], hands: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
            let classes = roles(&labels, &own(items), (&[], &own(hands)), Path::new("list.txt"));
            classes.map_err(|e| e.to_string()).map(|classes| {
                let one = |c: &Class| format!("{:?}:{}", c.role, c.id.as_deref().unwrap_or("-"));
                classes.iter().map(one).collect::<Vec<_>>().join(" ")
            })
        };
        for (items, hands, expected) in [
            (&["bottle"][..], &["person"][..], Ok("Hand:- Item:bottle Ignore:- Ignore:-")),
            (&[" bottle = 0890 ", "a=b"], &[], Ok("Ignore:- Item:0890 Item:a=b Ignore:-")),
            (&["*"], &["person"], Ok("Hand:- Item:bottle Item:a=b Item:cup")),
            (&["all"], &["person", "cup"], Ok("Hand:- Item:bottle Item:a=b Hand:-")),
            (&["botle"], &[], Err("no class \"botle\" in list.txt; the nearest is \"bottle\"")),
            (
                &["bottle"],
                &["Person"],
                Err("--hand: no class \"Person\" in list.txt; the nearest is \"person\""),
            ),
            (&["bottle", "bottle=1"], &[], Err("--items: class \"bottle\" is named twice")),
            (&["bottle"], &["bottle"], Err("--items: class \"bottle\" is named twice")),
            (&["bottle="], &[], Err("is empty")),
            (&[], &["person"], Err("no class is an item")),
            (&["all"], &["person", "bottle", "a=b", "cup"], Err("no class is an item")),
        ] {
            match (shown(items, hands), expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected),
                (Err(got), Err(words)) => assert!(got.contains(words), "{items:?} {hands:?}: {got}"),
                (got, _) => panic!("{items:?} {hands:?}: {got:?}"),
            }
        }
    }
}
