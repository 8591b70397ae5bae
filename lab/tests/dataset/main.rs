//! `cartlab dataset` as a user meets it, on small sessions made by hand: what it makes is read back and compared with the
//! truth, what it checks is broken and found, what it refuses is refused with the right code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, clippy::cast_possible_truncation)]

mod cards;
mod checks;
mod exports;
mod recorded;
mod refusals;
mod splits;
