//! Something in the making: it lies beside its place with `.part` behind its name, and is moved there whole. Dropped
//! unpublished it is removed, so that half a data set is never taken for a whole one.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::Error;

/// A directory in the making.
#[derive(Debug)]
pub(super) struct Draft {
    place: PathBuf,
    work: PathBuf,
}

impl Draft {
    /// Begins what will lie in `place`: nothing, or an empty directory.
    pub(super) fn begin(place: &Path) -> Result<Self, Error> {
        let occupied = |hint| Err(Error::Occupied { path: place.to_owned(), hint });
        match fs::read_dir(place) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return occupied("it is not empty");
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => return occupied("it is a file"),
            Err(e) => return Err(Error::write(place, "look into it")(e)),
        }
        let work = beside(place)?;
        match fs::create_dir(&work) {
            Ok(()) => Ok(Self { place: place.to_owned(), work }),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => left_behind(work),
            Err(e) => Err(Error::write(&work, "create it")(e)),
        }
    }

    /// Where it is made.
    pub(super) fn directory(&self) -> &Path {
        &self.work
    }

    /// A new folder in it, with those above it.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.work.join(name);
        fs::create_dir_all(&path).map_err(Error::write(&path, "create it"))?;
        Ok(path)
    }

    /// A new file in it.
    pub(super) fn file(&self, name: &str) -> Result<Output, Error> {
        Output::create(self.work.join(name))
    }

    /// Puts it in its place.
    pub(super) fn publish(self) -> Result<(), Error> {
        // All of it is on the disk before its name says that it is whole: a disk that is full only on writing back is
        // told here too.
        let folder = File::open(&self.work).map_err(Error::write(&self.work, "open it"))?;
        let synced = rustix::fs::syncfs(&folder).map_err(io::Error::from);
        synced.map_err(Error::write(&self.work, "write it to the disk"))?;
        fs::rename(&self.work, &self.place).map_err(Error::write(&self.place, "put it there"))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `publish` nothing is there; what cannot be removed is left to be seen.
        let _ = fs::remove_dir_all(&self.work);
    }
}

/// Writes one file whole, in the same way.
pub(super) fn write_whole(place: &Path, content: &[u8]) -> Result<(), Error> {
    let hint = "it is there already";
    if place.symlink_metadata().is_ok() {
        return Err(Error::Occupied { path: place.to_owned(), hint });
    }
    let work = beside(place)?;
    let mut file = match File::create_new(&work) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return left_behind(work),
        Err(e) => return Err(Error::write(&work, "create it")(e)),
    };
    let written =
        file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&work, place));
    written.map_err(|e| {
        let _ = fs::remove_file(&work);
        Error::write(place, "write it")(e)
    })
}

fn left_behind<T>(work: PathBuf) -> Result<T, Error> {
    Err(Error::Occupied { path: work, hint: "another run is at it, or was killed and left it behind" })
}

/// The sibling in which `place` is made.
fn beside(place: &Path) -> Result<PathBuf, Error> {
    let place = std::path::absolute(place).map_err(Error::write(place, "find it"))?;
    let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
        return Err(Error::Occupied { path: place, hint: "it is no name for something new" });
    };
    fs::create_dir_all(parent).map_err(Error::write(parent, "create it"))?;
    let mut part = name.to_owned();
    part.push(".part");
    Ok(parent.join(part))
}

/// A file in the making, which knows its name when writing fails.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Output {
    pub(super) fn create(path: PathBuf) -> Result<Self, Error> {
        let file = File::create_new(&path).map_err(Error::write(&path, "create it"))?;
        Ok(Self { path, file: BufWriter::new(file) })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(Error::write(&self.path, "write it"))
    }

    /// One value as JSON, without a line break.
    pub(super) fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Error> {
        serde_json::to_writer(&mut self.file, value)
            .map_err(|e| Error::write(&self.path, "write it")(io::Error::from(e)))
    }

    /// All of another file.
    pub(super) fn append(&mut self, file: &Path) -> Result<(), Error> {
        let mut other = File::open(file).map_err(Error::read(file))?;
        io::copy(&mut other, &mut self.file).map(drop).map_err(Error::write(&self.path, "write it"))
    }

    /// Flushes; without it an error at the very end would be lost.
    pub(super) fn close(mut self) -> Result<PathBuf, Error> {
        self.file.flush().map_err(Error::write(&self.path, "write it"))?;
        Ok(self.path)
    }
}
