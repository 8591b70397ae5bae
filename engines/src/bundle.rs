//! Model bundles: a directory with `bundle.toml` and the files it names.
//!
//! A bundle is opened as a whole or not at all: every file is there and has the SHA-256 that `bundle.toml`
//! states. The engine then loads the very bytes that were checked ([`Bundle::read`]), so a file that changes
//! between the check and the load is refused too.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

mod digest;
mod draft;
mod manifest;

pub use digest::Digest;
pub use draft::Draft;
pub use manifest::{
    Calibration, Class, Colour, DetectorModel, Dtype, Family, FileRef, Manifest, Padding, Placement,
    TemporalClassifier, TensorLayout, Thresholds, Variant, Variants,
};

/// The manifest's file name within the bundle.
pub const MANIFEST: &str = "bundle.toml";

/// Why a bundle is refused, or could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file or directory could not be read or written.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Io {
        /// What it is about.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// No such bundle, or a file that it names is missing.
    #[error("{}: missing; {hint}", path.display())]
    Missing {
        /// What is not there.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
    },
    /// `bundle.toml` is not well-formed, or lacks or has too many keys.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The manifest.
        path: PathBuf,
        /// What the parser said, with line and column.
        reason: String,
    },
    /// A value in `bundle.toml` makes no sense.
    #[error("{}: {key}: {reason}", path.display())]
    Invalid {
        /// The manifest.
        path: PathBuf,
        /// The key with that value.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A named file lies outside the bundle.
    #[error("{}: file {file:?} is not inside the bundle; name files relative to it, without \"..\"", path.display())]
    Outside {
        /// The manifest.
        path: PathBuf,
        /// The name as it stands there.
        file: String,
    },
    /// A file is not the one that the bundle was made with.
    #[error("{}: altered: SHA-256 is {actual}, bundle.toml says {expected}; restore the file or make the bundle \
             again", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// What `bundle.toml` states.
        expected: Digest,
        /// What the file has.
        actual: Digest,
    },
    /// There is something at the place for a new bundle.
    #[error("{}: exists and is not empty; {hint}", path.display())]
    Occupied {
        /// The place.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
    },
}

impl BundleError {
    /// Whether the machine is at fault and not what the user gave.
    pub fn is_environment(&self) -> bool {
        matches!(self, Self::Io { .. })
    }

    fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), doing, source }
    }
}

/// A bundle whose files are all there and unaltered.
#[derive(Clone, Debug)]
pub struct Bundle {
    directory: PathBuf,
    manifest: Manifest,
    digest: Digest,
}

impl Bundle {
    /// Opens the bundle in `directory` and checks every file it names.
    ///
    /// # Errors
    /// [`BundleError`], always with the file that is at fault.
    pub fn open(directory: &Path) -> Result<Self, BundleError> {
        let path = directory.join(MANIFEST);
        let text = fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => BundleError::Missing {
                path: path.clone(),
                hint: "give a bundle's directory; `cartlab bundle` makes one",
            },
            _ => BundleError::Io { path: path.clone(), doing: "read it", source },
        })?;
        let digest = Digest::of(&text);
        let malformed = |reason: String| BundleError::Malformed { path: path.clone(), reason };
        let text = str::from_utf8(&text).map_err(|e| malformed(e.to_string()))?;
        let manifest: Manifest =
            toml::from_str(text).map_err(|e| malformed(e.to_string().trim_end().to_owned()))?;
        manifest.validate().map_err(|manifest::Fault { key, reason }| BundleError::Invalid {
            path: path.clone(),
            key,
            reason,
        })?;
        let bundle = Self { directory: directory.to_owned(), manifest, digest };
        for file in bundle.manifest.files() {
            bundle.read(file)?;
        }
        Ok(bundle)
    }

    /// The bytes of one of its files, checked against the digest that the manifest states.
    ///
    /// # Errors
    /// [`BundleError::Outside`], [`BundleError::Missing`], [`BundleError::Altered`] or [`BundleError::Io`].
    pub fn read(&self, file: &FileRef) -> Result<Vec<u8>, BundleError> {
        let path = self.resolve(file)?;
        let bytes = fs::read(&path).map_err(BundleError::io(&path, "read it"))?;
        let actual = Digest::of(&bytes);
        if actual == file.sha256 {
            Ok(bytes)
        } else {
            Err(BundleError::Altered { path, expected: file.sha256, actual })
        }
    }

    /// Where one of its files lies; refused when that is outside the bundle, by its name or through a link.
    fn resolve(&self, file: &FileRef) -> Result<PathBuf, BundleError> {
        let outside =
            || BundleError::Outside { path: self.directory.join(MANIFEST), file: file.file.clone() };
        let relative = Path::new(&file.file);
        let inside = relative.components().all(|c| matches!(c, Component::Normal(_)));
        if !inside || file.file.is_empty() {
            return Err(outside());
        }
        let path = self.directory.join(relative);
        let real = path.canonicalize().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => BundleError::Missing {
                path: path.clone(),
                hint: "bundle.toml names it; restore it or make the bundle again",
            },
            _ => BundleError::Io { path: path.clone(), doing: "read it", source },
        })?;
        let home = self.directory.canonicalize().map_err(BundleError::io(&self.directory, "read it"))?;
        if real.starts_with(home) { Ok(path) } else { Err(outside()) }
    }

    /// Where a file lies, for messages.
    pub(crate) fn path_of(&self, file: &FileRef) -> PathBuf {
        self.directory.join(&file.file)
    }

    /// What `bundle.toml` says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The directory it was opened in.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `name@version`, as events state it.
    pub fn identity(&self) -> String {
        self.manifest.identity()
    }

    /// Stands for all that decides what the detector sees, and for nothing else: bundles that differ in their temporal
    /// classifier or their figures alone see the same. A version of this program that writes its types otherwise gives
    /// another digest: then what was kept under it is looked at again.
    pub fn detector_digest(&self) -> Digest {
        let Manifest { detector, thresholds, calibration, classes, .. } = &self.manifest;
        Digest::of(format!("{detector:?}\n{thresholds:?}\n{calibration:?}\n{classes:?}").as_bytes())
    }

    /// SHA-256 of `bundle.toml`, and by that of all files it names.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}
