//! Exit codes: one table for every program of the project.

use std::fmt;
use std::process::Termination;

/// How a program of the project ends. Every error maps to exactly one of these.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// Done as asked, or stopped cleanly by a signal.
    Fine = 0,
    /// The program worked and the answer to its question is "no".
    No = 1,
    /// The command line, a configuration file, or an input that is refused before the run: media, bundle, zones.
    Usage = 2,
    /// What the program needs from around it failed: camera, broker, engine, disk, or media during the run.
    Environment = 3,
    /// A defect of ours. Please report it with what was printed.
    Defect = 70,
}

/// The table as it is printed by `--help` and in the documentation: code and meaning.
pub const TABLE: [(ExitCode, &str); 5] = [
    (ExitCode::Fine, "fine"),
    (ExitCode::No, "the answer is \"no\""),
    (ExitCode::Usage, "usage or configuration: command line, configuration, bad input found before the run"),
    (ExitCode::Environment, "environment: camera, broker, engine, disk, or input that fails during the run"),
    (ExitCode::Defect, "a defect of the program; please report it"),
];

/// [`TABLE`] as text, for `--help`.
pub const HELP: &str = "\
Exit codes:
   0  fine
   1  the answer is \"no\"
   2  usage or configuration: command line, configuration, bad input found before the run
   3  environment: camera, broker, engine, disk, or input that fails during the run
  70  a defect of the program; please report it";

impl ExitCode {
    /// The number the shell sees.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

impl Termination for ExitCode {
    fn report(self) -> std::process::ExitCode {
        self.into()
    }
}

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_prints_the_table() {
        let table: String =
            TABLE.iter().map(|(code, meaning)| format!("\n  {:>2}  {meaning}", code.code())).collect();
        assert_eq!(HELP, format!("Exit codes:{table}"));
    }

    #[test]
    fn the_contract_fixes_the_first_four() {
        let codes =
            [ExitCode::Fine, ExitCode::No, ExitCode::Usage, ExitCode::Environment].map(ExitCode::code);
        assert_eq!(codes, [0, 1, 2, 3]);
    }
}
