//! A file of JSON lines that lies at its place whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use cartvision_engines::bundle::Digest;
use serde::Serialize;

use crate::failure::Failure;

/// What a file holds, and the option that names its place: for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    pub(super) what: &'static str,
    pub(super) option: &'static str,
}

/// Such a file in the making: it is written beside its place. Dropped before it is put there, it leaves nothing.
#[derive(Debug)]
pub(super) struct WholeFile {
    content: Content,
    place: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
}

impl WholeFile {
    /// Begins the file that will lie in `place`.
    pub(super) fn begin(place: &Path, content: Content) -> Result<Self, Failure> {
        // Otherwise it would be found only when all work is done.
        if place.is_dir() {
            return Err(content.cannot_be_written(place, &ErrorKind::IsADirectory.into()));
        }
        // With a name of this process, so that two replays to one place do not write into each other's.
        let mut part = place.as_os_str().to_owned();
        part.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(part);
        let file = File::create(&part).map_err(|e| content.cannot_be_written(place, &e))?;
        Ok(Self { content, place: place.to_owned(), part, file: BufWriter::new(file) })
    }

    /// Adds a line.
    pub(super) fn line(&mut self, line: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.file, line)
            .map_err(io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|e| self.content.cannot_be_written(&self.place, &e))
    }

    /// Of all lines so far.
    pub(super) fn digest(&mut self) -> Result<Digest, Failure> {
        let digest = self.file.flush().and_then(|()| File::open(&self.part)).and_then(Digest::of_reader);
        digest.map_err(|e| self.content.cannot_be_written(&self.place, &e))
    }

    /// Moves it to its place.
    pub(super) fn publish(mut self) -> Result<(), Failure> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.part, &self.place))
            .map_err(|e| self.content.cannot_be_written(&self.place, &e))
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // After `publish` it is no longer there; otherwise what cannot be removed is left to be seen.
        _ = fs::remove_file(&self.part);
    }
}

impl Content {
    fn cannot_be_written(self, place: &Path, e: &io::Error) -> Failure {
        Failure::environment(format_args!(
            "{}: cannot write {}: {e}; make room, or name a file in a directory that can be written with {}",
            place.display(),
            self.what,
            self.option
        ))
    }
}
