//! `cartctl`: the technician's tool.
//!
//! One subcommand, one module. Results go to standard output (with `--json` as JSON), errors to standard error: what
//! failed and where, then what to do next. It never links the daemon: what only the daemon can do, `cartvisiond` is
//! started for.
#![forbid(unsafe_code)]

mod bench;

use std::io::Write as _;

use cartvision_wire::ExitCode;
use clap::{Parser, Subcommand};

/// The technician's tool.
#[derive(Debug, Parser)]
#[command(name = "cartctl", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = cartvision_wire::exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure what this computer makes of a cart's configuration: speed, latencies, power and heat
    #[command(after_help = "Example:\n  cartctl bench --config /etc/cartvision/cart.toml --seconds 60")]
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    // A usage error ends the process here, with code 2 as the table says.
    match Arguments::parse().command {
        Command::Bench(arguments) => match bench::run(&arguments) {
            // A closed pipe: it is there, only nobody reads about it.
            Ok(result) => match writeln!(std::io::stdout(), "{result}") {
                Ok(()) => ExitCode::Fine,
                Err(_) => ExitCode::Environment,
            },
            Err(error) => {
                // Nobody is left to tell when standard error is gone.
                _ = writeln!(std::io::stderr(), "error: {error}\nnext: {}", error.advice());
                error.exit_code()
            }
        },
    }
}
