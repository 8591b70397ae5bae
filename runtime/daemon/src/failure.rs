//! The end of a command that failed: what failed, where, and what to do next, under one exit code.

use std::fmt::Display;
use std::io::Write as _;

use cartvision_engines::{BundleError, EngineError};
use cartvision_wire::ExitCode;

/// A failure that ends the program.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: ExitCode,
    what: String,
}

impl Failure {
    /// Wrong usage, configuration, or input found wrong before the run.
    pub(crate) fn usage(what: impl Display) -> Self {
        Self { code: ExitCode::Usage, what: what.to_string() }
    }

    /// Camera, broker, engine or disk; or input that fails during the run.
    pub(crate) fn environment(what: impl Display) -> Self {
        Self { code: ExitCode::Environment, what: what.to_string() }
    }

    /// A defect of ours.
    pub(crate) fn defect(what: impl Display) -> Self {
        Self { code: ExitCode::Defect, what: what.to_string() }
    }

    /// Prints it for people.
    pub(crate) fn report(&self) {
        // Nowhere is left to report that stderr is closed.
        _ = writeln!(std::io::stderr(), "error: {}", self.what);
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

/// A wrong bundle is wrong input; a disk that fails is the environment.
impl From<BundleError> for Failure {
    fn from(e: BundleError) -> Self {
        match e {
            e if e.is_environment() => Self::environment(e),
            e @ BundleError::Malformed { .. } => {
                Self::usage(format_args!("{e}; make the bundle again with `cartlab bundle`"))
            }
            e => Self::usage(e),
        }
    }
}

/// A wrong model is wrong input; an engine that fails is the environment.
impl From<EngineError> for Failure {
    fn from(e: EngineError) -> Self {
        if e.is_environment() { Self::environment(e) } else { Self::usage(e) }
    }
}
