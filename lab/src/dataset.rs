//! `cartlab dataset`: recorded sessions become data sets that trainers read, and are kept honest.
//!
//! ```text
//! sessions ─► survey ─► leaks proved absent ─► export: coco, yolo │ windows │ chat ─► DIR, whole or not at all
//!                │                                                                      │
//!                └────────────────────────────► check, card ◄───────────────────────────┘
//! ```
//! One session is in memory at a time, its frames are streamed: GStreamer decodes and scales on its own thread, this one
//! encodes and writes.

mod card;
mod chat;
mod check;
mod classes;
mod coco;
mod draft;
mod error;
mod export;
mod labels;
mod leaks;
mod made;
mod manifest;
mod pictures;
mod split;
mod survey;
mod totals;
mod video;
mod windows;
mod yolo;

use std::fmt::Display;

use cartvision_wire::ExitCode;
use serde::Serialize;

pub(crate) use error::Error;

use crate::halt::Halt;

const EXAMPLE: &str = "\
Example:
  cartlab dataset split --sessions sets/a --out sets/a-split.json
  cartlab dataset export --sessions sets/a --splits sets/a-split.json --format yolo --out data/a-yolo
  cartlab dataset check --data data/a-yolo
  cartlab dataset card --data data/a-yolo --out data/a-card";

/// Make data sets from recorded sessions, check them, describe them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Assign sessions to train, val and test so that nothing leaks, or prove that nothing does
    Split(split::Arguments),
    /// Write a data set that trainers read: pictures with boxes, windows of features, or conversations
    Export(export::Arguments),
    /// Look for everything that is wrong with recorded sessions or with a data set
    Check(check::Arguments),
    /// Describe recorded sessions or a data set: a card and a contact sheet
    Card(card::Arguments),
}

/// What a command came to.
pub(crate) struct Outcome {
    /// For standard output.
    pub(crate) text: String,
    pub(crate) code: ExitCode,
}

impl Outcome {
    /// A result as text, or as JSON where that was asked for.
    fn of(result: &(impl Display + Serialize), json: bool, code: ExitCode) -> Result<Self, Error> {
        let text = if json {
            serde_json::to_string(result).map_err(|e| Error::Output { reason: e.to_string() })?
        } else {
            result.to_string().trim_end().to_owned()
        };
        Ok(Self { text, code })
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Error> {
    let halt = Halt::on_signals().map_err(|e| Error::System { reason: e.to_string() })?;
    match &arguments.command {
        Command::Split(arguments) => split::run(arguments, &halt),
        Command::Export(arguments) => export::run(arguments, &halt),
        Command::Check(arguments) => check::run(arguments, &halt),
        Command::Card(arguments) => card::run(arguments, &halt),
    }
}
