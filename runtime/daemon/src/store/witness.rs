//! The witness: a small file beside the database that says how far it had come. A database that is behind its witness is
//! an older copy. It is written after each commit and never waited for: after a power cut it may be behind the database,
//! which is no contradiction.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use cartvision_wire::{Epoch, Sequence};

use super::{Position, StoreError};

/// The file in the state directory: an epoch, a space, a sequence of 20 digits, a line end.
const FILE: &str = "position";

#[derive(Debug)]
pub(super) struct Witness {
    file: File,
}

impl Witness {
    /// Opens it, and tells what it says; nothing where there was none or nobody can read it.
    pub(super) fn open(directory: &Path) -> Result<(Self, Option<Position>), StoreError> {
        let place = directory.join(FILE);
        let open = || -> std::io::Result<(File, Option<Position>)> {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&place)?;
            let mut said = String::new();
            // What is no text says nothing.
            _ = (&mut file).take(256).read_to_string(&mut said);
            let position = parse(&said);
            if position.is_none() {
                // So that later ones are written in place: none is ever half a line.
                file.set_len(0)?;
                file.write_all_at(&[b' '; LINE_BYTES], 0)?;
                file.flush()?;
                file.sync_all()?;
            }
            Ok((file, position))
        };
        let (file, position) =
            open().map_err(|reason| StoreError::File { place: place.clone(), what: "use it", reason })?;
        Ok((Self { file }, position))
    }

    /// The database has come as far as this.
    pub(super) fn note(&self, (epoch, sequence): Position) -> std::io::Result<()> {
        self.file.write_all_at(line(epoch, sequence).as_bytes(), 0)
    }
}

/// Bytes of a line.
const LINE_BYTES: usize = 36 + 1 + 20 + 1;

fn line(epoch: Epoch, sequence: Sequence) -> String {
    format!("{} {sequence}\n", epoch.0)
}

fn parse(said: &str) -> Option<Position> {
    let (epoch, sequence) = said.lines().next()?.split_once(' ')?;
    Some((Epoch(epoch.parse().ok()?), Sequence::new(sequence.parse().ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn it_says_what_was_noted_last() {
        let directory = tempfile::tempdir().unwrap();
        let (witness, said) = Witness::open(directory.path()).unwrap();
        assert_eq!(said, None);
        assert_eq!(Witness::open(directory.path()).unwrap().1, None, "blank says nothing");
        let epoch = Epoch(Uuid::now_v7());
        for number in [1, 2, 12_345_678_901] {
            witness.note((epoch, Sequence::new(number).unwrap())).unwrap();
            assert_eq!(
                Witness::open(directory.path()).unwrap().1,
                Some((epoch, Sequence::new(number).unwrap()))
            );
        }
        let bytes = std::fs::read(directory.path().join(FILE)).unwrap();
        assert_eq!(bytes.len(), LINE_BYTES);
        for broken in [&b"\xff\xff\xff"[..], b"0", b"", &bytes[..40]] {
            std::fs::write(directory.path().join(FILE), broken).unwrap();
            assert_eq!(Witness::open(directory.path()).unwrap().1, None, "{broken:?}");
        }
    }
}
