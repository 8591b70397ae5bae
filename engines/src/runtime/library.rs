//! Asks a shared library whether it is ONNX Runtime, and which, before `ort` takes it: `ort` states no version,
//! and panics on some of the libraries that this refuses.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, c_char},
    path::Path,
};

use crate::error::with_causes;

/// Why a file is no ONNX Runtime.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("the loader refuses it ({})", with_causes(.0))]
    Unloadable(libloading::Error),
    #[error("it does not export OrtGetApiBase")]
    Foreign,
    #[error("it does not state its version")]
    Nameless,
}

/// The head of ONNX Runtime's C interface, unchanged since its first release.
#[repr(C)]
struct ApiBase {
    _get_api: unsafe extern "C" fn(u32) -> *const std::ffi::c_void,
    get_version_string: unsafe extern "C" fn() -> *const c_char,
}

/// The version that the library at `path` states. A bare name is searched by the system's loader.
pub(super) fn version(path: &Path) -> Result<String, Refused> {
    // SAFETY: loading runs the library's initializers; whoever may set ORT_DYLIB_PATH or write beside the
    // executable is trusted with that, as with the executable itself.
    let library = unsafe { libloading::Library::new(path) }.map_err(Refused::Unloadable)?;
    // SAFETY: this is the signature that onnxruntime_c_api.h gives that name.
    let base = unsafe { library.get::<unsafe extern "C" fn() -> *const ApiBase>(b"OrtGetApiBase") }
        .map_err(|_| Refused::Foreign)?;
    // SAFETY: as above; the returned table is static in the library, which stays loaded until the end of this
    // function, and the version is copied out.
    unsafe {
        let base = base().as_ref().ok_or(Refused::Nameless)?;
        let version = (base.get_version_string)();
        if version.is_null() {
            return Err(Refused::Nameless);
        }
        CStr::from_ptr(version).to_str().map(str::to_owned).map_err(|_| Refused::Nameless)
    }
}
