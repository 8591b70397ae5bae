//! Everything that is wrong with a data set of ours.

use std::{collections::BTreeMap, path::Path};

use cartvision_core::features;
use serde_json::Value;

use super::Seen;
use crate::halt::Halt;
use crate::{
    dataset::{
        Error,
        chat::{self, Answer, Content, Conversation, Part},
        leaks,
        made::{self, Faults, Pictures},
        manifest::{self, Kind, Manifest},
        windows::{self, HeaderRead, Window},
    },
    recording::{Fault, JsonLines, Split},
};

/// Pixels by which six decimals of a share may move an edge of the largest picture.
const SLACK: f64 = 0.02;

pub(super) fn check(directory: &Path, faults: &mut Faults, halt: &Halt) -> Result<Seen, Error> {
    let manifest = Manifest::read(directory)?;
    let file = directory.join(manifest::FILE);
    let mut seen = Seen { sessions: manifest.sessions.len(), ..Seen::default() };
    for leak in leaks::find(&manifest.sessions) {
        faults.of(&file, leak.to_string());
    }
    let splits: Vec<_> = manifest.counts.keys().copied().collect();
    let mut pictures = Pictures::default();
    for split in &splits {
        let found = match manifest.kind {
            Kind::Coco | Kind::Yolo => {
                boxes(directory, &manifest, *split, &mut pictures, &mut seen, faults, halt)?
            }
            Kind::Windows => rows(directory, &manifest, *split, &mut seen, faults, halt)?,
            Kind::Chat => conversations(directory, *split, &mut pictures, &mut seen, faults, halt)?,
        };
        for (what, count) in found {
            let said = manifest.counts[split].get(what).copied().unwrap_or(0);
            if said != count {
                faults.of(&file, format!("{split} is to hold {said} {what}, and {count} are there"));
            }
        }
    }
    if manifest.kind != Kind::Windows {
        pictures.unlabelled(directory, &splits, faults);
    }
    if matches!(manifest.kind, Kind::Coco | Kind::Yolo)
        && let Some(what) = seen.empty_classes(&manifest.classes)
    {
        faults.of(&file, what);
    }
    Ok(seen)
}

type Found = BTreeMap<&'static str, u64>;

fn boxes(
    directory: &Path,
    manifest: &Manifest,
    split: Split,
    pictures: &mut Pictures,
    seen: &mut Seen,
    faults: &mut Faults,
    halt: &Halt,
) -> Result<Found, Error> {
    let mut found = Found::from([("pictures", 0), ("boxes", 0)]);
    let mut add = |what, more: usize| *found.entry(what).or_default() += more as u64;
    for entry in made::entries(manifest, directory, split, faults) {
        halt.check()?;
        seen.frames += 1;
        add("pictures", 1);
        add("boxes", entry.labels.len());
        let path = directory.join(&entry.image);
        let size = pictures.look(directory, split, &entry.image, faults);
        if let (Some(is), Some(said)) = (size, entry.size)
            && is != said
        {
            faults
                .of(&path, format!("the picture is {}x{}, its labels say {}x{}", is.0, is.1, said.0, said.1));
        }
        for label in &entry.labels {
            seen.count(label.class);
            // Of a picture that cannot be read the size is unknown, and its labels are not to blame.
            let Some(size) = entry.size.or(size) else { continue };
            if let Some(what) = label.fault(size, manifest.classes.len(), SLACK) {
                faults.of(&path, what);
            }
        }
    }
    Ok(found)
}

fn rows(
    directory: &Path,
    manifest: &Manifest,
    split: Split,
    seen: &mut Seen,
    faults: &mut Faults,
    halt: &Halt,
) -> Result<Found, Error> {
    let mut found: Found = windows::LABELS.into_iter().map(|label| (label, 0)).collect();
    let file = directory.join(windows::document(split));
    let mut lines = match JsonLines::<Value>::open(file.clone()) {
        Ok(lines) => lines,
        Err(e) => {
            faults.add(e.into_fault());
            return Ok(found);
        }
    };
    let header = match lines.next() {
        Some(Ok((_, header))) => serde_json::from_value::<HeaderRead>(header).map_err(|e| e.to_string()),
        Some(Err(fault)) => Err(fault.what),
        None => Err("the file is empty".to_owned()),
    };
    if let Err(what) = header.and_then(sound) {
        faults.at(&file, 1, what);
        return Ok(found);
    }
    let own: BTreeMap<_, _> =
        manifest.sessions.iter().map(|session| (session.name.as_str(), session.split)).collect();
    for line in lines {
        halt.check()?;
        let (number, window) = match line.and_then(|(number, line)| match serde_json::from_value(line) {
            Ok(window) => Ok((number, window)),
            Err(e) => Err(Fault::at(&file, number, e.to_string())),
        }) {
            Ok(read) => read,
            Err(fault) => {
                faults.add(fault);
                continue;
            }
        };
        seen.frames += 1;
        let Window { session, label, window, asked, .. } = window;
        if own.get(session.as_str()) != Some(&Some(split)) {
            faults.at(&file, number, format!("session {session} is none of {split}"));
        }
        match windows::LABELS.iter().find(|known| **known == label) {
            Some(known) => *found.entry(known).or_default() += 1,
            None => faults.at(&file, number, format!("{label:?} is no label")),
        }
        let rows = window.len() == features::WINDOW && window.iter().all(|row| row.len() == features::ROW);
        if !rows || asked.len() != features::ASKED {
            let (window, row, asked) = (features::WINDOW, features::ROW, features::ASKED);
            faults.at(&file, number, format!("it is not {window} rows of {row} values, and {asked} more"));
        }
    }
    Ok(found)
}

fn sound(header: HeaderRead) -> Result<(), String> {
    let differ =
        |names: &[String], columns: &[features::Column]| !names.iter().eq(columns.iter().map(|c| c.name));
    if header.format != windows::FORMAT {
        Err(format!("the format is {:?}, not {:?}", header.format, windows::FORMAT))
    } else if header.features_version != features::VERSION {
        Err(format!(
            "the features have version {}, and this cartlab {}",
            header.features_version,
            features::VERSION
        ))
    } else if differ(&header.rows, &features::ROW_COLUMNS) || differ(&header.asked, &features::ASKED_COLUMNS)
    {
        Err("the columns are not those of the features' version".to_owned())
    } else {
        Ok(())
    }
}

fn conversations(
    directory: &Path,
    split: Split,
    pictures: &mut Pictures,
    seen: &mut Seen,
    faults: &mut Faults,
    halt: &Halt,
) -> Result<Found, Error> {
    let mut found = Found::from([("conversations", 0), ("null conversations", 0)]);
    let file = directory.join(chat::document(split));
    let lines = match JsonLines::<Conversation>::open(file.clone()) {
        Ok(lines) => lines,
        Err(e) => {
            faults.add(e.into_fault());
            return Ok(found);
        }
    };
    for line in lines {
        halt.check()?;
        let (number, conversation) = match line {
            Ok(line) => line,
            Err(fault) => {
                faults.add(fault);
                continue;
            }
        };
        seen.frames += 1;
        match turns(&conversation) {
            Ok((images, question, answer)) => {
                for image in images {
                    pictures.look(directory, split, Path::new(image), faults);
                }
                if let Some(what) = answer_fault(question, &answer) {
                    faults.at(&file, number, what);
                }
                let kind = if answer.events.is_empty() { "null conversations" } else { "conversations" };
                *found.entry(kind).or_default() += 1;
            }
            Err(what) => faults.at(&file, number, what),
        }
    }
    Ok(found)
}

/// The pictures, the question and the answer.
fn turns(conversation: &Conversation) -> Result<(Vec<&str>, &str, Answer), String> {
    let roles: Vec<_> = conversation.messages.iter().map(|message| message.role.as_str()).collect();
    let contents: Vec<_> = conversation.messages.iter().map(|message| &message.content).collect();
    let (["system", "user", "assistant"], [_, Content::Parts(parts), Content::Text(answer)]) =
        (&roles[..], &contents[..])
    else {
        return Err("it is not system, user with parts, assistant with text".to_owned());
    };
    let mut images = Vec::new();
    let mut question = "";
    for part in parts {
        match part {
            Part::Image { image } => images.push(image.as_str()),
            Part::Text { text } => question = text,
        }
    }
    if images.is_empty() {
        return Err("it shows no picture".to_owned());
    }
    let answer = serde_json::from_str(answer).map_err(|e| format!("the answer is not as asked for: {e}"))?;
    Ok((images, question, answer))
}

fn answer_fault(question: &str, answer: &Answer) -> Option<String> {
    answer.events.iter().find_map(|event| {
        let offered = question.lines().any(|line| {
            line.strip_prefix("- ")
                .and_then(|rest| rest.split_once(": "))
                .is_some_and(|(id, _)| id == event.id)
        });
        if !offered {
            Some(format!("the answer names {}, which is no candidate", event.id))
        } else if !event.time.is_finite() || event.time < 0.0 {
            Some(format!("the answer's time {} is before the first picture", event.time))
        } else {
            None
        }
    })
}
