//! `cartvisiond`: where it is, and which it is.

use std::{
    env, fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::Error;

const NAME: &str = "cartvisiond";

/// The sibling of this program, as they are built and installed together; else the one in PATH.
pub(super) fn find() -> Result<PathBuf, Error> {
    let here = env::current_exe().ok();
    let beside = here.iter().filter_map(|here| Some(here.parent()?.join(NAME)));
    let path = env::var_os("PATH").unwrap_or_default();
    let mut candidates = beside.chain(env::split_paths(&path).map(|folder| folder.join(NAME)));
    candidates.find(|candidate| candidate.is_file()).ok_or(Error::NoProgram)
}

/// The SHA-256 of a file, in hexadecimal digits.
pub(super) fn sha256(path: &Path) -> Result<String, Error> {
    let unreadable = |reason| Error::Unreadable { path: path.to_owned(), reason };
    let mut file = fs::File::open(path).map_err(unreadable)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(unreadable)? {
            0 => return Ok(hex(&digest.finalize())),
            n => digest.update(&buffer[..n]),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
