//! `cartlab`: the computer-vision engineer's tool.
//!
//! One subcommand, one module. Results go to standard output (with `--json` as JSON), errors to standard error: what
//! failed and where, then what to do next.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io::Write as _;

use cartvision_wire::ExitCode;
use clap::{Parser, Subcommand};

mod bundle;
mod classes;
mod dataset;
mod eval;
mod halt;
mod progress;
mod questions;
mod recording;
mod sim;
mod watch;

/// The computer-vision engineer's tool.
#[derive(Debug, Parser)]
#[command(name = "cartlab", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = cartvision_wire::exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a model bundle from an exported detector, and run it once to see that it works
    Bundle(bundle::Arguments),
    /// Make labelled sessions with the dummy cart
    Sim(sim::Arguments),
    /// Make data sets from recorded sessions, check them, describe them
    Dataset(dataset::Arguments),
    /// Measure a bundle, or events that exist already, on recorded sessions
    Eval(Box<eval::Arguments>),
    /// Print a cart's events and basket as they come
    Watch(watch::Arguments),
}

fn main() -> ExitCode {
    // A usage error ends the process here, with code 2 as the table says.
    match Arguments::parse().command {
        Command::Bundle(arguments) => match bundle::run(&arguments) {
            Ok(made) => print(if arguments.json { made.json() } else { made.text() }),
            Err(error) => failed(&error, error.advice(), error.exit_code()),
        },
        Command::Sim(arguments) => match sim::run(&arguments) {
            Ok(made) => print(if arguments.json { made.json() } else { made.text() }),
            Err(error) => failed(&error, error.advice(), error.exit_code()),
        },
        Command::Dataset(arguments) => match dataset::run(&arguments) {
            Ok(outcome) => match print(outcome.text) {
                ExitCode::Fine => outcome.code,
                unread => unread,
            },
            Err(error) => failed(&error, error.advice(), error.exit_code()),
        },
        Command::Eval(arguments) => match eval::run(&arguments) {
            Ok(done) => match print(if arguments.json { done.json() } else { done.text() }) {
                ExitCode::Fine => done.exit_code(),
                unread => unread,
            },
            Err(error) => failed(&error, error.advice(), error.exit_code()),
        },
        Command::Watch(arguments) => match watch::run(&arguments) {
            Ok(()) => ExitCode::Fine,
            Err(error) => failed(&error, error.advice(), error.exit_code()),
        },
    }
}

/// Prints a result. A closed pipe: it is there, only nobody reads about it.
fn print(result: String) -> ExitCode {
    match writeln!(std::io::stdout(), "{result}") {
        Ok(()) => ExitCode::Fine,
        Err(_) => ExitCode::Environment,
    }
}

fn failed(error: &dyn Display, advice: &str, code: ExitCode) -> ExitCode {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(std::io::stderr(), "error: {error}\nnext: {advice}");
    code
}
