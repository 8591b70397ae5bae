//! `cartvisiond`: where it is, and which it is.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use cartvision_engines::bundle::Digest;

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

/// The SHA-256 of a file.
pub(super) fn sha256(path: &Path) -> Result<Digest, Error> {
    let file = fs::File::open(path).and_then(Digest::of_reader);
    file.map_err(|reason| Error::Unreadable { path: path.to_owned(), reason })
}
