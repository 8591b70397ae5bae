//! Tables of what must be refused.

use std::process::Command;

use crate::program::run;

/// Commands with the exit code each must give, and the words that must be in what it says: what is wrong, and
/// what to do next.
#[derive(Debug, Default)]
pub struct Table {
    wrong: Vec<String>,
    said: Vec<(String, String)>,
}

impl Table {
    /// Runs a case.
    pub fn case(&mut self, name: &str, mut command: Command, code: i32, what: &str, next: &str) {
        let ran = run(&mut command);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let mut wrong = Vec::new();
        if ran.code != Some(code) {
            wrong.push(format!("exit code {:?}, expected {code}", ran.code));
        }
        for words in [what, next] {
            if !said.contains(words) {
                wrong.push(format!("does not say {words:?}"));
            }
        }
        for words in ["panicked", "RUST_BACKTRACE", "Error {", "Os {"] {
            if said.contains(words) {
                wrong.push(format!("says {words:?}"));
            }
        }
        if !ran.stderr.lines().any(|line| line.starts_with("error: ")) {
            wrong.push("has no line `error: …` on stderr".to_owned());
        }
        if !wrong.is_empty() {
            self.wrong.push(format!("{name}: {}; it said:\n{said}", wrong.join("; ")));
        }
        self.said.push((name.to_owned(), said));
    }

    /// What a case said.
    ///
    /// # Panics
    /// When there was none of this name.
    pub fn said(&self, name: &str) -> &str {
        self.said.iter().find_map(|(n, said)| (n == name).then_some(said)).unwrap()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if !self.wrong.is_empty() && !std::thread::panicking() {
            panic!("{} of {} cases:\n{}", self.wrong.len(), self.said.len(), self.wrong.join("\n"));
        }
    }
}
