//! Logs: human on a terminal, to journald as a service, JSON lines otherwise. `RUST_LOG` sets what is logged.

use std::io::IsTerminal as _;

use cartvision_wire::ExitCode;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::cli::Command;

/// Starts logging to stderr or to journald. Those that take long tell what they do; the other commands only of trouble.
pub(crate) fn start(command: &Command) {
    let tells = matches!(command, Command::Run(_) | Command::Prepare(_) | Command::Bench(_));
    let default = if tells { "info" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let registry = tracing_subscriber::registry().with(filter);
    let terminal = std::io::stderr().is_terminal();
    // systemd sets this for a service whose stderr it reads.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    match journal {
        Some(journal) => registry.with(journal).init(),
        None if terminal => {
            let colour = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
            registry
                .with(fmt::layer().with_writer(std::io::stderr).with_ansi(colour).with_target(false))
                .init();
        }
        None => registry.with(fmt::layer().json().with_writer(std::io::stderr)).init(),
    }
}

/// A panic is a defect: it ends the whole process with the exit code for one, whichever thread it is on, so that
/// the service manager starts a whole daemon again and never keeps half of one.
pub(crate) fn exit_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        std::process::exit(ExitCode::Defect.code().into());
    }));
}
