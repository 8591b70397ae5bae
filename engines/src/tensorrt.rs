//! TensorRT, where there is one: found, opened, asked to build engines and to run them.
//!
//! ```text
//! Library::open ──► Library ──gpu()──► Gpu ──load(engine)──► Execution ──run()──► …
//!   the shim is       TensorRT has       driver and GPU        an engine on it
//!   installed         the version        answer
//!                     it is for
//! ```
//!
//! TensorRT is a C++ library whose tables of functions differ between versions, so nothing here calls it: a small
//! library of ours does (`engines/tensorrt`, the *shim*), compiled against the headers of the TensorRT that it will meet
//! and loaded here when the program starts. One program so runs with any TensorRT, or with none. Each step above is a
//! type, so that none can be left out: without a driver TensorRT may answer with a pointer to nothing.
//!
//! Absent on purpose: calibration (the bundle's Q/DQ says what is INT8), and any choice between GPUs: a cart has one.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{bundle::Digest, error::EngineError};

mod cache;
mod shim;

pub use cache::{Cache, Engine};
pub(crate) use shim::{Execution, Slice};

/// The shim's file.
const SHIM: &str = "libcartvision_tensorrt.so";

/// TensorRT, opened; of the version that its shim was compiled for. No GPU was touched. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Library(Arc<shim::Library>);

impl Library {
    /// Finds the shim (`CARTVISION_TENSORRT` names it, else it lies beside the executable or in its package's
    /// `lib/cartvision/`) and opens its TensorRT (in the folder `CARTVISION_TENSORRT_LIBRARIES`, else where the system's
    /// loader finds it). `None` where no shim is installed: this computer is not meant to have a GPU.
    ///
    /// # Errors
    /// [`EngineError::ShimUnusable`] or [`EngineError::TensorRt`].
    pub fn open() -> Result<Option<Self>, EngineError> {
        let named = |variable| env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from);
        let shim = match named("CARTVISION_TENSORRT") {
            Some(path) => Some(path),
            None => env::current_exe().ok().and_then(|executable| installed(&executable)),
        };
        shim.map(|shim| Self::at(&shim, named("CARTVISION_TENSORRT_LIBRARIES").as_deref())).transpose()
    }

    /// Opens this shim, and its TensorRT in `directory` or where the system's loader finds it.
    ///
    /// # Errors
    /// [`EngineError::ShimUnusable`] or [`EngineError::TensorRt`].
    pub fn at(shim: &Path, directory: Option<&Path>) -> Result<Self, EngineError> {
        Ok(Self(Arc::new(shim::Library::open(shim, directory)?)))
    }

    /// The shim's file.
    pub fn shim(&self) -> &Path {
        self.0.path()
    }

    /// Product and version that the shim was compiled for, and so the one that was opened, or nearly: `TensorRT 10.3.0`.
    pub fn built_for(&self) -> &str {
        self.0.built_for()
    }

    /// The opened library's own number: 10000 × major + 100 × minor + patch.
    pub fn version(&self) -> i32 {
        self.0.version()
    }

    /// Starts the driver, and says what the GPU is.
    ///
    /// # Errors
    /// [`EngineError::TensorRt`]: no driver, no GPU, or one that does not answer.
    pub fn gpu(&self) -> Result<Gpu, EngineError> {
        let device = self.0.device()?;
        Ok(Gpu { library: self.clone(), device })
    }

    /// Builds an engine of an ONNX model for the GPUs of these compute capabilities (10 × major + minor), none of which
    /// need be here. Only TensorRT-RTX can.
    ///
    /// # Errors
    /// [`EngineError::TensorRt`].
    pub fn build_for(&self, capabilities: &[i32], onnx: &[u8]) -> Result<Vec<u8>, EngineError> {
        self.0.build(onnx, capabilities, 0, &mut |_| true)
    }
}

/// TensorRT and a GPU that answers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gpu {
    library: Library,
    device: Device,
}

impl Gpu {
    /// The TensorRT that uses it.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// What it is.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Builds an engine of an ONNX model for this GPU: seconds to minutes.
    ///
    /// # Errors
    /// [`EngineError::TensorRt`], also when it was given up.
    pub fn build(&self, onnx: &[u8], progress: &mut Listener<'_>) -> Result<Vec<u8>, EngineError> {
        // Left to itself TensorRT may try as much as there is: on a Jetson that is the memory of everything.
        let workspace = if self.device.integrated { self.device.memory / 4 } else { 0 };
        self.library.0.build(onnx, &[], workspace, progress)
    }

    /// Brings a built engine onto the GPU, runs it once, and records it as a CUDA graph where that can be done.
    pub(crate) fn load(&self, engine: &[u8]) -> Result<Execution, EngineError> {
        Execution::load(&self.library.0, engine)
    }

    /// What an engine of this model depends on: with another TensorRT or on another GPU it is of no use.
    fn key(&self, model: Digest) -> String {
        let Device { name, capability, .. } = &self.device;
        format!("{model} {} {} {name} sm_{capability}", self.library.built_for(), self.library.version())
    }
}

/// A GPU, as its driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Compute capability, 10 × major + minor: 87 is Orin.
    pub capability: i32,
    /// Whether it shares its memory with the CPU, as on Jetson: nothing is copied then.
    pub integrated: bool,
    /// Bytes of memory.
    pub memory: u64,
    /// Streaming multiprocessors.
    pub multiprocessors: i32,
    /// Their highest clock, kHz.
    pub clock_khz: i32,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.memory / (1 << 20);
        write!(
            f,
            "{} (sm_{}, {memory} MiB{})",
            self.name,
            self.capability,
            if self.integrated { ", shared" } else { "" }
        )
    }
}

/// Who is told of a build's progress, and answers whether to go on; called from threads of TensorRT's, one at a time.
pub type Listener<'a> = dyn FnMut(Progress<'_>) -> bool + Send + 'a;

/// How far a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What is being done, in TensorRT's words. Phases nest.
    pub phase: &'a str,
    /// Steps of it that are done.
    pub step: i32,
    /// Steps that it has.
    pub steps: i32,
}

/// The shim that is installed with this executable.
fn installed(executable: &Path) -> Option<PathBuf> {
    let directory = executable.parent()?;
    let packaged =
        directory.parent().filter(|_| directory.ends_with("bin")).map(|p| p.join("lib/cartvision"));
    [Some(directory.to_owned()), packaged]
        .into_iter()
        .flatten()
        .map(|at| at.join(SHIM))
        .find(|shim| shim.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shim_lies_beside_the_program_or_in_its_package() {
        let root = tempfile::tempdir().unwrap();
        let executable = root.path().join("usr/bin/cartvisiond");
        let (beside, packaged) =
            (executable.with_file_name(SHIM), root.path().join("usr/lib/cartvision").join(SHIM));
        for place in [&beside, &packaged] {
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        }
        assert_eq!(installed(&executable), None);
        std::fs::write(&packaged, "").unwrap();
        assert_eq!(installed(&executable).as_ref(), Some(&packaged));
        std::fs::write(&beside, "").unwrap();
        assert_eq!(installed(&executable), Some(beside));
    }
}
