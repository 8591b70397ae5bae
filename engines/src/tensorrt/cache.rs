//! Engines on disk. TensorRT builds one on the device that it will run on, in seconds to minutes; so each is kept, with
//! what it depends on, and built again when that has changed or the file is damaged.
//!
//! ```text
//!            no such file ──► Absent  ─┐
//! state() ─┬ another key  ──► Stale   ─┼─ build(), put() ──► Ready
//!          ├ not whole    ──► Damaged ─┘
//!          └ else         ──► Ready
//! ```

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::Gpu;
use crate::{bundle::Digest, error::EngineError};

/// The first line of a file.
const MAGIC: &str = "cartvision engine 1";
/// Files that are kept: those of the present bundle, and of some before it, to go back to.
const KEPT: usize = 8;
const SUFFIX: &str = "engine";
/// Of a file that is being written.
const PART: &str = "part";

/// Where engines are kept. A file is written beside its place and renamed into it, so it is there whole or not at all.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
}

/// What is known of a model's engine. Every state but `Ready` means that it is to be built.
#[derive(Debug, PartialEq, Eq)]
pub enum Engine {
    /// There is none.
    Absent,
    /// It was built for something else.
    Stale {
        /// Model, TensorRT and GPU that it was built for.
        found: String,
    },
    /// The file is not what was written.
    Damaged {
        /// In which way.
        reason: String,
    },
    /// It is whole, and for this GPU.
    Ready(Vec<u8>),
}

impl Engine {
    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Self::Absent => "not built yet".to_owned(),
            Self::Stale { found } => format!("built for something else ({found})"),
            Self::Damaged { reason } => format!("damaged ({reason})"),
            Self::Ready(bytes) => format!("built, {} KiB", bytes.len() / 1024),
        }
    }
}

impl Cache {
    /// Engines in this directory, which is made when the first is written.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// The file of this model's engine: one for each model, whatever it was built for.
    pub fn file(&self, model: Digest) -> PathBuf {
        self.directory.join(format!("{:.16}.{SUFFIX}", model.to_string()))
    }

    /// What there is for this model on this GPU. A file that cannot be read is a damaged one.
    pub fn state(&self, gpu: &Gpu, model: Digest) -> Engine {
        self.read(&gpu.key(model), model)
    }

    fn read(&self, key: &str, model: Digest) -> Engine {
        match fs::read(self.file(model)) {
            Ok(bytes) => parse(bytes, key),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Engine::Absent,
            Err(e) => Engine::Damaged { reason: e.to_string() },
        }
    }

    /// Keeps an engine that was built for this GPU, and those of the models `beside` it.
    ///
    /// # Errors
    /// [`EngineError::EngineFile`].
    pub fn put(&self, gpu: &Gpu, model: Digest, engine: &[u8], beside: &[Digest]) -> Result<(), EngineError> {
        self.write(&gpu.key(model), model, engine, beside)
    }

    fn write(&self, key: &str, model: Digest, engine: &[u8], beside: &[Digest]) -> Result<(), EngineError> {
        let path = self.file(model);
        // Of its own: two programs may build at once, a cart and whoever prepares.
        let part = path.with_extension(format!("{}.{PART}", std::process::id()));
        let failed = |doing| {
            let path = path.clone();
            move |source| EngineError::EngineFile { path, doing, source }
        };
        fs::create_dir_all(&self.directory).map_err(failed("make the folder of"))?;
        let mut file = fs::File::create(&part).map_err(failed("write"))?;
        write!(file, "{MAGIC}\n{key}\n{}\n", Digest::of(engine))
            .and_then(|()| file.write_all(engine))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&part, &path))
            .and_then(|()| fs::File::open(&self.directory)?.sync_all())
            .map_err(|e| {
                // Should it be there still, it only takes room.
                _ = fs::remove_file(&part);
                failed("write")(e)
            })?;
        let kept: Vec<PathBuf> = beside.iter().map(|model| self.file(*model)).chain([path]).collect();
        self.forget_oldest(&kept);
        Ok(())
    }

    /// Past the bound the oldest go, and parts that were left behind with them. What cannot be removed stays: it costs room
    /// and nothing else. By name go those that must not: a cart's clock may be wrong.
    fn forget_oldest(&self, kept: &[PathBuf]) {
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        let age = |path: &Path| fs::metadata(path).and_then(|about| about.modified());
        let mut engines: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == SUFFIX || e == PART) && !kept.contains(path))
            .filter_map(|path| Some((age(&path).ok()?, path)))
            .collect();
        engines.sort();
        let too_many = (engines.len() + kept.len()).saturating_sub(KEPT).min(engines.len());
        for (_, path) in &engines[..too_many] {
            _ = fs::remove_file(path);
        }
    }
}

/// Reads a file's content: three lines, and the engine behind them.
fn parse(mut bytes: Vec<u8>, key: &str) -> Engine {
    let damaged = |reason: &str| Engine::Damaged { reason: reason.to_owned() };
    let mut lines = bytes.splitn(4, |b| *b == b'\n').map(str::from_utf8);
    let mut line = || lines.next().and_then(Result::ok);
    let (Some(magic), Some(found), Some(digest)) = (line(), line(), line()) else {
        return damaged("it has no head");
    };
    if magic != MAGIC {
        return damaged("it is no engine of ours");
    }
    let (found, digest) = (found.to_owned(), digest.to_owned());
    let head = magic.len() + found.len() + digest.len() + 3;
    if head > bytes.len() {
        return damaged("it is cut off");
    }
    bytes.drain(..head);
    match digest.parse::<Digest>() {
        Err(_) => damaged("it has no head"),
        Ok(digest) if digest != Digest::of(&bytes) => {
            damaged("its content has another SHA-256 than its head says")
        }
        Ok(_) if found != key => Engine::Stale { found },
        Ok(_) => Engine::Ready(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_comes_back_whole_or_is_told_what_it_is() {
        let place = tempfile::tempdir().unwrap();
        let cache = Cache::at(place.path().join("engines"));
        let model = Digest::of(b"model");
        let state = |key: &str| cache.read(key, model);
        assert_eq!(state("orin"), Engine::Absent);
        // With line ends in it, as an engine may have.
        let engine = b"engine\nof\n\nbytes".as_slice();
        cache.write("orin", model, engine, &[]).unwrap();
        assert_eq!(state("orin"), Engine::Ready(engine.to_vec()));
        assert_eq!(state("thor"), Engine::Stale { found: "orin".into() });

        let whole = fs::read(cache.file(model)).unwrap();
        for length in 0..whole.len() {
            fs::write(cache.file(model), &whole[..length]).unwrap();
            assert!(matches!(state("orin"), Engine::Damaged { .. }), "cut to {length}");
        }
        for at in [0, 5, MAGIC.len() + 9, whole.len() - 1] {
            let mut other = whole.clone();
            other[at] ^= 1;
            fs::write(cache.file(model), &other).unwrap();
            assert!(matches!(state("orin"), Engine::Damaged { .. }), "byte {at}");
        }
        fs::write(cache.file(model), b"").unwrap();
        assert!(matches!(state("orin"), Engine::Damaged { .. }));

        cache.write("thor", model, engine, &[]).unwrap();
        assert_eq!(state("thor"), Engine::Ready(engine.to_vec()));
        let left: Vec<_> = fs::read_dir(place.path().join("engines")).unwrap().collect();
        assert_eq!(left.len(), 1, "no part is left: {left:?}");
    }

    #[test]
    fn the_oldest_engines_go() {
        let place = tempfile::tempdir().unwrap();
        let cache = Cache::at(place.path());
        let model = |n: usize| Digest::of(&n.to_le_bytes());
        let write = |n: usize, beside: &[Digest]| {
            cache.write("key", model(n), b"engine", beside).unwrap();
            let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(n as u64);
            fs::File::options().write(true).open(cache.file(model(n))).unwrap().set_modified(then).unwrap();
        };
        let there = |last| (0..=last).filter(|n| cache.file(model(*n)).exists()).collect::<Vec<_>>();
        (0..KEPT + 3).for_each(|n| write(n, &[]));
        assert_eq!(there(KEPT + 2), (3..KEPT + 3).collect::<Vec<_>>());
        // The oldest by a clock that was wrong, and needed all the same.
        write(KEPT + 3, &[model(3)]);
        assert_eq!(there(KEPT + 3), [3].into_iter().chain(5..KEPT + 4).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_read_is_damaged() {
        let place = tempfile::tempdir().unwrap();
        let cache = Cache::at(place.path());
        fs::create_dir(cache.file(Digest::of(b"model"))).unwrap();
        assert!(matches!(cache.read("key", Digest::of(b"model")), Engine::Damaged { .. }));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_said() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "").unwrap();
        let cache = Cache::at(place.path().join("file"));
        let error = cache.write("key", Digest::of(b"model"), b"engine", &[]).unwrap_err();
        assert!(error.to_string().contains("cannot make the folder of it"), "{error}");
        assert!(error.is_environment());
    }
}
