//! `cartvisiond`: cameras in, cart events out.
//!
//! The composition root. Edges (capture, inference workers, the broker link, signals) send facts over one
//! bounded channel; one loop ([`run`] or [`replay`]) puts pictures back in order and hands them to the [`cart`],
//! the only one who decides; what the cart records goes to the outbox and from there to the broker.
//!
//! Absent on purpose: an async runtime around the loop (only the broker link needs one, and keeps it to its own
//! thread), and any decision outside `cartvision-core`.

mod bench;
mod broker;
mod cart;
mod catalogue;
mod check;
mod classifier;
mod cli;
mod clock;
mod commands;
mod config;
mod corrections;
mod engine;
mod facts;
mod failure;
mod figures;
mod health;
mod heat;
mod inference;
mod journal;
mod logging;
mod order;
mod outbox;
mod prepare;
mod replay;
mod run;
mod service;
mod sight;
mod signals;
mod store;
mod zones;

use cartvision_wire::ExitCode;
use clap::Parser as _;

use cli::{Cli, Command};

fn main() -> std::process::ExitCode {
    logging::exit_on_panic();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // clap's own exit code for a wrong command line is 2 as well; help and version are fine.
        Err(e) => e.exit(),
    };
    logging::start(&cli.command);
    let ended = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Prepare(args) => prepare::prepare(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Replay(args) => replay::replay(&args),
    };
    match ended {
        Ok(code) => code.into(),
        Err(failure) => {
            failure.report();
            failure.code.into()
        }
    }
}

/// What a command ends with.
type Ended = Result<ExitCode, failure::Failure>;
