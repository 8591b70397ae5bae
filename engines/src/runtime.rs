//! ONNX Runtime: where it is, and the one environment of this process.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ort::{environment::Environment, logging::LogLevel};

use crate::error::EngineError;

mod library;

/// How the library was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `ORT_DYLIB_PATH` names it.
    Variable,
    /// It lies beside the executable.
    Executable,
    /// It lies in `lib/cartvision/`, where a package puts it that puts the executable into `bin/`.
    Package,
    /// It lies in `.deps/onnxruntime/`, above the executable: the repository's own.
    Repository,
    /// The system's loader found it.
    System,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Variable => "ORT_DYLIB_PATH",
            Self::Executable => "beside the executable",
            Self::Package => "the package's lib/cartvision",
            Self::Repository => "the repository's .deps/onnxruntime",
            Self::System => "the system's loader",
        })
    }
}

/// ONNX Runtime, opened. Cheap to clone; every clone is the process's one environment.
#[derive(Clone, Debug)]
pub struct Runtime {
    environment: Environment,
    path: Arc<Path>,
    origin: Origin,
    version: Arc<str>,
}

/// The runtime of this process once it is open. Never dropped: ONNX Runtime allows one environment per process
/// and does not like to be torn down by static destructors.
static OPENED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Finds and opens ONNX Runtime: `ORT_DYLIB_PATH`, else beside the executable, else in its package's
    /// `lib/cartvision/`, else `.deps/onnxruntime/` in a directory above it, else the system's. The first that exists
    /// counts: a broken one is an error, never a reason to take another silently. A second call gives the same runtime.
    ///
    /// # Errors
    /// [`EngineError::RuntimeMissing`], [`EngineError::RuntimeUnusable`], [`EngineError::RuntimeTooOld`] or
    /// [`EngineError::Failed`].
    pub fn open() -> Result<Self, EngineError> {
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*opened {
            return Ok(runtime.clone());
        }
        let executable = env::current_exe().ok();
        let variable = env::var_os("ORT_DYLIB_PATH").filter(|v| !v.is_empty()).map(PathBuf::from);
        let runtime = Self::load(find(variable.as_deref(), executable.as_deref())?)?;
        *opened = Some(runtime.clone());
        Ok(runtime)
    }

    fn load(found: Found) -> Result<Self, EngineError> {
        let Found { path, origin, tried } = found;
        let version = match library::version(&path) {
            Ok(version) => version,
            Err(library::Refused::Unloadable(_)) if origin == Origin::System => {
                return Err(EngineError::RuntimeMissing { tried });
            }
            Err(e) => return Err(EngineError::RuntimeUnusable { path, reason: e.to_string() }),
        };
        if minor(&version).is_none_or(|minor| minor < ort::MINOR_VERSION) {
            return Err(EngineError::RuntimeTooOld {
                path,
                found: version,
                needed_minor: ort::MINOR_VERSION,
            });
        }
        let environment = ort::init_from(&path)
            .map_err(|e| EngineError::RuntimeUnusable { path: path.clone(), reason: e.to_string() })?
            .with_name("cartvision")
            .with_telemetry(false)
            .with_logger(Arc::new(log))
            .build()
            .map_err(EngineError::failed("starting"))?;
        // With a logger of one's own the environment starts at "verbose", which formats a line per node and run.
        environment.set_log_level(LogLevel::Warning);
        Ok(Self { environment, path: path.into(), origin, version: version.into() })
    }

    /// The library's file; only a name where the system's loader found it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it was found.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The version the library states, like `1.23.2`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The environment to make bare `ort` sessions in, for measuring against them; there is one per process.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// ONNX Runtime's own messages. Its errors come back as results too, so here they are for the curious only.
fn log(level: LogLevel, _category: &str, _id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Fatal | LogLevel::Error | LogLevel::Warning => {
            tracing::debug!(location, "ONNX Runtime: {message}");
        }
        LogLevel::Info | LogLevel::Verbose => tracing::trace!(location, "ONNX Runtime: {message}"),
    }
}

/// The minor part of a version 1.x.y; `None` for anything else.
fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("1.")?.split('.').next()?.parse().ok()
}

#[derive(Debug, PartialEq)]
struct Found {
    path: PathBuf,
    origin: Origin,
    tried: Vec<String>,
}

/// The place to load from, by the files that exist.
fn find(variable: Option<&Path>, executable: Option<&Path>) -> Result<Found, EngineError> {
    let name = format!("{}onnxruntime{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let mut tried = Vec::new();
    if let Some(path) = variable {
        tried.push(format!("{} (ORT_DYLIB_PATH)", path.display()));
        // Against the working directory, as a shell user means it; the loader would search elsewhere.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        return if path.exists() {
            Ok(Found { path, origin: Origin::Variable, tried })
        } else {
            Err(EngineError::RuntimeMissing { tried })
        };
    }
    if let Some(directory) = executable.and_then(Path::parent) {
        let beside = directory.join(&name);
        tried.push(beside.display().to_string());
        if beside.exists() {
            return Ok(Found { path: beside, origin: Origin::Executable, tried });
        }
        if let Some(prefix) = directory.parent().filter(|_| directory.ends_with("bin")) {
            let packaged = prefix.join("lib/cartvision").join(&name);
            tried.push(packaged.display().to_string());
            if packaged.exists() {
                return Ok(Found { path: packaged, origin: Origin::Package, tried });
            }
        }
        let below = Path::new(".deps/onnxruntime").join(&name);
        tried.push(format!("{} in {} and every directory above", below.display(), directory.display()));
        if let Some(path) = directory.ancestors().map(|above| above.join(&below)).find(|path| path.exists()) {
            return Ok(Found { path, origin: Origin::Repository, tried });
        }
    }
    tried.push(format!("{name} (the system's loader)"));
    Ok(Found { path: name.into(), origin: Origin::System, tried })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }

    #[test]
    fn versions_below_one_and_above_are_not_ours() {
        for (version, expected) in [
            ("1.23.2", Some(23)),
            ("1.4", Some(4)),
            ("2.0.0", None),
            ("0.9", None),
            ("", None),
            ("1.x", None),
        ] {
            assert_eq!(minor(version), expected, "{version}");
        }
    }

    #[test]
    fn the_nearest_place_wins() {
        let root = tempfile::tempdir().unwrap();
        let executable = root.path().join("repo/target/release/cartvisiond");
        let name = format!("{}onnxruntime{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
        let found = |variable: Option<&Path>| find(variable, Some(&executable)).map(|f| (f.path, f.origin));

        let system = find(None, Some(&executable)).unwrap();
        assert_eq!((system.origin, system.path), (Origin::System, PathBuf::from(&name)));
        assert_eq!(system.tried.len(), 3, "{:?}", system.tried);

        let repository = root.path().join("repo/.deps/onnxruntime").join(&name);
        touch(&repository);
        assert_eq!(found(None).unwrap(), (repository, Origin::Repository));

        let beside = executable.parent().unwrap().join(&name);
        touch(&beside);
        assert_eq!(found(None).unwrap(), (beside, Origin::Executable));

        let installed = root.path().join("usr/bin/cartvisiond");
        let packaged = root.path().join("usr/lib/cartvision").join(&name);
        touch(&packaged);
        let from_package = find(None, Some(&installed)).map(|f| (f.path, f.origin)).unwrap();
        assert_eq!(from_package, (packaged, Origin::Package));

        let named = root.path().join("mine.so");
        assert!(matches!(found(Some(&named)), Err(EngineError::RuntimeMissing { .. })));
        touch(&named);
        assert_eq!(found(Some(&named)).unwrap(), (named, Origin::Variable));
    }
}
