//! `cartlab`: the computer-vision engineer's tool.
//!
//! One subcommand, one module. Results go to standard output (with `--json` as one JSON object), errors to
//! standard error: what failed and where, then what to do next.
#![forbid(unsafe_code)]

use std::io::Write as _;

use cartvision_wire::ExitCode;
use clap::{Parser, Subcommand};

mod bundle;
mod classes;

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
}

fn main() -> ExitCode {
    // A usage error ends the process here, with code 2 as the table says.
    let Arguments { command: Command::Bundle(arguments) } = Arguments::parse();
    let printed = match bundle::run(&arguments) {
        Ok(made) => writeln!(std::io::stdout(), "{}", if arguments.json { made.json() } else { made.text() }),
        Err(error) => {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(std::io::stderr(), "error: {error}\nnext: {}", error.advice());
            return error.exit_code();
        }
    };
    // A closed pipe on standard output: the bundle is made, only nobody reads about it.
    if printed.is_ok() { ExitCode::Fine } else { ExitCode::Environment }
}
