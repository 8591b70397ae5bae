//! Fuzz targets are tests named `fuzz_…` beside what they try; here is what they have in common.
//!
//! What reads the outside mostly reads text, and random bytes never get past its first line. So a target starts from a
//! document that is right, and edits it: [`edited`]. `make test` runs each target for a moment, `make fuzz` for as long
//! as is asked, and `cargo bolero test` lets coverage guide it.

use std::sync::atomic::{AtomicU64, Ordering};

pub use bolero;

/// Where (of 65536 parts of the document), what, and with what.
pub type Edit = (u16, u8, u8);

/// A few edits: many would leave nothing of the document.
pub fn edits() -> impl bolero::generator::ValueGenerator<Output = Vec<Edit>> {
    bolero::generator::produce::<Vec<Edit>>().with().len(0..5_usize)
}

/// What people and programs write that nobody thought of.
const WORDS: [&str; 24] = [
    "",
    "-1",
    "0",
    "1",
    "NaN",
    "-inf",
    "1e999",
    "-0.0",
    "0.1",
    "99999999999999999999",
    "-9223372036854775808",
    "true",
    "null",
    "\"\"",
    "''",
    "[]",
    "{}",
    "[[]]",
    "\0",
    "\u{feff}",
    "é",
    "../../x",
    "\\",
    "#",
];

/// The document after these edits.
#[must_use]
pub fn edited(document: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut out = document.to_vec();
    for &(place, what, with) in edits {
        let at = usize::from(place) * out.len() / (usize::from(u16::MAX) + 1);
        let end = (at + usize::from(with) % 64).min(out.len());
        match what % 6 {
            0 => {
                if let Some(byte) = out.get_mut(at) {
                    *byte = with;
                }
            }
            1 => out.insert(at, with),
            2 => drop(out.drain(at..end)),
            3 => {
                let piece = out[at..end].to_vec();
                out.splice(at..at, piece);
            }
            4 => out.truncate(at),
            _ => {
                // A whole word becomes another one.
                let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
                let length = out[at..].iter().take_while(|byte| word(byte)).count();
                out.splice(at..at + length, WORDS[usize::from(with) % WORDS.len()].bytes());
            }
        }
    }
    out
}

/// Counts a target's executions, and says how many they were at its end.
#[derive(Debug)]
pub struct Executions {
    target: &'static str,
    count: AtomicU64,
    passed: AtomicU64,
}

impl Executions {
    /// Of this target.
    #[must_use]
    pub const fn of(target: &'static str) -> Self {
        Self { target, count: AtomicU64::new(0), passed: AtomicU64::new(0) }
    }

    /// One more, and whether what was tried took the input for right.
    pub fn one(&self, passed: bool) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.passed.fetch_add(passed.into(), Ordering::Relaxed);
    }
}

impl Drop for Executions {
    #[expect(clippy::print_stdout, reason = "a test tells how much it tried")]
    fn drop(&mut self) {
        let (count, passed) = (self.count.load(Ordering::Relaxed), self.passed.load(Ordering::Relaxed));
        println!(
            "{}: {count} executions, {passed} of them with an input that was taken for right",
            self.target
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits() {
        let of = |edits: &[Edit]| String::from_utf8(edited(b"one = 1, two = 2", edits)).unwrap_or_default();
        assert_eq!(of(&[]), "one = 1, two = 2");
        assert_eq!(of(&[(0, 0, b'O')]), "One = 1, two = 2");
        assert_eq!(of(&[(0, 1, b'!')]), "!one = 1, two = 2");
        assert_eq!(of(&[(0, 2, 6)]), "1, two = 2");
        assert_eq!(of(&[(0, 3, 3)]), "oneone = 1, two = 2");
        assert_eq!(of(&[(32768, 4, 0)]), "one = 1,");
        assert_eq!(of(&[(0, 5, 1)]), "-1 = 1, two = 2");
        assert_eq!(edited(b"", &[(9, 0, 1), (9, 2, 1), (9, 3, 1), (9, 5, 1)]), b"-1");
    }
}
