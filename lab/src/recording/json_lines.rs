//! Files of JSON objects, one a line.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use super::{Fault, RecordingError};

/// The longest line. A frame with more boxes than this holds is no frame of a cart.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// The lines of a file with their numbers. Blank lines are passed over; a line that cannot be read is a fault, and the
/// next one is tried; when the file itself cannot be read on, or a line is too long, that is the last.
#[derive(Debug)]
pub(crate) struct JsonLines<T> {
    file: PathBuf,
    reader: Option<BufReader<File>>,
    line: usize,
    buffer: Vec<u8>,
    of: PhantomData<T>,
}

impl<T: DeserializeOwned> JsonLines<T> {
    pub(crate) fn open(file: PathBuf) -> Result<Self, RecordingError> {
        match File::open(&file) {
            Ok(opened) => Ok(Self {
                file,
                reader: Some(BufReader::new(opened)),
                line: 0,
                buffer: vec![],
                of: PhantomData,
            }),
            Err(reason) => Err(RecordingError::Unreadable { path: file, reason }),
        }
    }

    /// The file that is read.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }
}

impl<T: DeserializeOwned> Iterator for JsonLines<T> {
    type Item = Result<(usize, T), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let reader = self.reader.as_mut()?;
            self.buffer.clear();
            self.line += 1;
            let read = reader.take(MAX_LINE_BYTES).read_until(b'\n', &mut self.buffer);
            let fault = |what: String| Some(Err(Fault::at(&self.file, self.line, what)));
            match read {
                Ok(0) => return None,
                Ok(_) if self.buffer.len() as u64 == MAX_LINE_BYTES && !self.buffer.ends_with(b"\n") => {
                    self.reader = None;
                    return fault(format!("the line is longer than {MAX_LINE_BYTES} bytes"));
                }
                Ok(_) if self.buffer.iter().all(u8::is_ascii_whitespace) => {}
                Ok(_) => {
                    return match serde_json::from_slice(&self.buffer) {
                        Ok(value) => Some(Ok((self.line, value))),
                        Err(e) => fault(Fault::json(&e)),
                    };
                }
                Err(e) => {
                    self.reader = None;
                    return fault(format!("cannot read on: {e}"));
                }
            }
        }
    }
}
