//! `cartctl bench`: has `cartvisiond bench` measure, and shows what came of it.

mod table;

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use cartvision_wire::{Bench, ExitCode};

const DAEMON: &str = "cartvisiond";

/// What is asked of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The cart's configuration; of its cameras none may be in use: stop the cart first
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How long to look at one picture, and then through the cameras; default: 20
    #[arg(long, value_name = "S")]
    seconds: Option<u16>,
    /// So many cameras that show a test picture (1280×720, 30 a second), instead of the configuration's own
    #[arg(long, value_name = "N")]
    pattern: Option<u8>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The program that measures is not there.
    #[error("{DAEMON}, which measures, is neither beside this program nor in PATH")]
    NoDaemon,
    /// It is there and cannot be started.
    #[error("{} cannot be started: {reason}", program.display())]
    NotStarted {
        /// Where it is.
        program: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// It said why on standard error.
    #[error("{} bench measured nothing ({status})", program.display())]
    Failed {
        /// Which one.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
    },
    /// It is of another version.
    #[error("what {} bench printed is none of this version's results: {reason}", program.display())]
    Unread {
        /// Which one.
        program: PathBuf,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
}

impl Error {
    /// What to do next.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::NoDaemon => "install the package cartvision, or build it with `make build`",
            Self::NotStarted { .. } => "see that this user may run it",
            Self::Failed { .. } => "its own message stands above",
            Self::Unread { .. } => "install cartctl and cartvisiond of one package",
        }
    }

    /// What the shell sees: what the daemon ended with, where it has.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoDaemon | Self::NotStarted { .. } | Self::Unread { .. } => ExitCode::Environment,
            Self::Failed { status, .. } => {
                let known = cartvision_wire::exit::TABLE.into_iter().map(|(code, _)| code);
                let same = |code: &ExitCode| status.code() == Some(code.code().into());
                known.filter(|code| *code != ExitCode::Fine).find(same).unwrap_or(ExitCode::Environment)
            }
        }
    }
}

/// Measures; gives what is to be printed.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Error> {
    let program = find().ok_or(Error::NoDaemon)?;
    let mut command = Command::new(&program);
    command.arg("bench").arg("--config").arg(&arguments.config);
    if let Some(seconds) = arguments.seconds {
        command.arg("--seconds").arg(seconds.to_string());
    }
    if let Some(cameras) = arguments.pattern {
        command.arg("--pattern").arg(cameras.to_string());
    }
    // It says itself how far it is, and what is wrong.
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|reason| Error::NotStarted { program: program.clone(), reason })?;
    if !output.status.success() {
        return Err(Error::Failed { program, status: output.status });
    }
    let bench: Bench =
        serde_json::from_slice(&output.stdout).map_err(|reason| Error::Unread { program, reason })?;
    Ok(if arguments.json {
        // As it came: another version's further figures stay.
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    } else {
        table::text(&bench)
    })
}

/// The sibling of this program, as they are built and installed together; else the one in PATH.
fn find() -> Option<PathBuf> {
    let here = env::current_exe().ok();
    let beside = here.iter().filter_map(|here| Some(here.parent()?.join(DAEMON)));
    let path = env::var_os("PATH").unwrap_or_default();
    let mut candidates = beside.chain(env::split_paths(&path).map(|folder| folder.join(DAEMON)));
    candidates.find(|candidate| candidate.is_file())
}
