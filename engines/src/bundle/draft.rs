//! Makes bundles: beside their place, and moved there whole.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{Bundle, BundleError, Digest, FileRef, MANIFEST, Manifest};

/// A bundle in the making. It lies in a hidden directory beside its place and is removed when dropped unpublished,
/// so that a bundle is never seen half made.
#[derive(Debug)]
pub struct Draft {
    /// Where the bundle will be.
    place: PathBuf,
    /// Where it is being made.
    work: PathBuf,
}

impl Draft {
    /// Begins a bundle that will lie in `place`: nothing, an empty directory, or, with `replace`, another bundle.
    ///
    /// # Errors
    /// [`BundleError::Occupied`] or [`BundleError::Io`].
    pub fn begin(place: &Path, replace: bool) -> Result<Self, BundleError> {
        let occupied = |hint| Err(BundleError::Occupied { path: place.to_owned(), hint });
        match fs::read_dir(place) {
            Ok(mut entries) => match (entries.next().is_some(), replace) {
                (false, _) => {}
                (true, false) => {
                    return occupied("choose another directory, or pass --force to replace a bundle");
                }
                // `replace` removes what is there: nothing but a bundle may be lost that way.
                (true, true) if !place.join(MANIFEST).is_file() => {
                    return occupied(
                        "it holds no bundle.toml, so it is not replaced; choose another directory",
                    );
                }
                (true, true) => {}
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
                return occupied("it is a file; choose another place");
            }
            Err(e) => return Err(BundleError::io(place, "read it")(e)),
        }
        let work = beside(place, "partial")?;
        let parent = work.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(BundleError::io(parent, "create it"))?;
        fs::create_dir(&work).map_err(BundleError::io(&work, "create it"))?;
        Ok(Self { place: place.to_owned(), work })
    }

    /// Adds a file with this name and content.
    ///
    /// # Errors
    /// [`BundleError::Io`].
    pub fn add(&self, name: &str, content: &[u8]) -> Result<FileRef, BundleError> {
        let path = self.work.join(name);
        File::create_new(&path)
            .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
            .map_err(BundleError::io(&path, "write it"))?;
        Ok(FileRef { file: name.to_owned(), sha256: Digest::of(content) })
    }

    /// Writes the manifest and opens the result, as a check.
    ///
    /// # Errors
    /// What [`Bundle::open`] gives, and [`BundleError::Malformed`] for what TOML cannot hold.
    pub fn finish(&self, manifest: &Manifest) -> Result<Bundle, BundleError> {
        let text = toml::to_string(manifest)
            .map_err(|e| BundleError::Malformed { path: self.work.join(MANIFEST), reason: e.to_string() })?;
        self.add(MANIFEST, text.as_bytes())?;
        Bundle::open(&self.work)
    }

    /// Moves the finished bundle to its place.
    ///
    /// # Errors
    /// [`BundleError::Io`].
    pub fn publish(self) -> Result<Bundle, BundleError> {
        let moving = || BundleError::io(&self.place, "put the bundle there");
        let bundle = Bundle::open(&self.work)?;
        // A directory cannot be exchanged in one step with what `std` offers: the old one steps aside first.
        if self.place.join(MANIFEST).exists() {
            let old = beside(&self.place, "old")?;
            fs::rename(&self.place, &old).map_err(moving())?;
            fs::rename(&self.work, &self.place).map_err(moving())?;
            fs::remove_dir_all(&old).map_err(BundleError::io(&old, "remove the replaced bundle"))?;
        } else {
            fs::rename(&self.work, &self.place).map_err(moving())?;
        }
        Ok(Bundle { directory: self.place.clone(), ..bundle })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `publish` it is no longer there; otherwise what cannot be removed is left to be seen.
        let _ = fs::remove_dir_all(&self.work);
    }
}

/// A hidden sibling of `place`, unique to this process.
fn beside(place: &Path, kind: &str) -> Result<PathBuf, BundleError> {
    let place = std::path::absolute(place).map_err(BundleError::io(place, "find it"))?;
    let Some(name) = place.file_name() else {
        return Err(BundleError::Occupied { path: place, hint: "name a directory that can be created" });
    };
    let name = format!(".{}.{kind}-{}", name.to_string_lossy(), std::process::id());
    Ok(place.with_file_name(name))
}
