//! The shim's C interface (`engines/tensorrt/shim.h`), and what makes it safe to use.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString, c_char, c_void},
    fmt,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    ptr::{self, NonNull},
    sync::Arc,
};

use super::{Device, Listener, Progress};
use crate::{
    bundle::Dtype,
    error::{EngineError, with_causes},
    onnx::Port,
};

/// The interface that this file is written to.
const ABI: u32 = 1;
/// What it gives where TensorRT does not take an engine.
const REFUSED: i32 = 2;
/// What an error's sentence may take, its 0 included.
const SENTENCE: usize = 1024;

/// The shim's opaque types.
#[repr(C)]
struct Opened([u8; 0]);
#[repr(C)]
struct Loaded([u8; 0]);
#[repr(C)]
struct Built([u8; 0]);

#[repr(C)]
struct RawDevice {
    name: [c_char; 128],
    capability: i32,
    integrated: i32,
    driver: i32,
    multiprocessors: i32,
    clock_khz: i32,
    reserved: i32,
    memory: u64,
}

#[repr(C)]
struct RawPlan {
    capabilities: *const i32,
    capability_count: usize,
    workspace: u64,
    batch: i32,
    reserved: i32,
    progress: Option<unsafe extern "C" fn(*mut c_void, *const c_char, i32, i32) -> i32>,
    context: *mut c_void,
}

#[repr(C)]
struct RawPort {
    name: [c_char; 128],
    input: i32,
    dtype: i32,
    rank: i32,
    reserved: i32,
    extents: [i64; 8],
    bytes: u64,
    host: *mut c_void,
}

// The shim asserts the same numbers.
const _: () =
    assert!(size_of::<RawDevice>() == 160 && size_of::<RawPlan>() == 48 && size_of::<RawPort>() == 224);

/// What a call that may fail leaves its sentence in.
type Say<'a> = (*mut c_char, usize);

/// The functions of shim.h, under their names there.
struct Functions {
    abi: unsafe extern "C" fn() -> u32,
    built_for: unsafe extern "C" fn() -> *const c_char,
    open: unsafe extern "C" fn(*const c_char, *mut *mut Opened, *mut c_char, usize) -> i32,
    close: unsafe extern "C" fn(*mut Opened),
    version: unsafe extern "C" fn(*const Opened) -> i32,
    device_of: unsafe extern "C" fn(*mut Opened, *mut RawDevice, *mut c_char, usize) -> i32,
    build: unsafe extern "C" fn(
        *mut Opened,
        *const c_void,
        usize,
        *const RawPlan,
        *mut *mut Built,
        *mut c_char,
        usize,
    ) -> i32,
    data: unsafe extern "C" fn(*const Built, *mut usize) -> *const c_void,
    forget: unsafe extern "C" fn(*mut Built),
    load: unsafe extern "C" fn(
        *mut Opened,
        *const c_void,
        usize,
        i32,
        *mut *mut Loaded,
        *mut c_char,
        usize,
    ) -> i32,
    unload: unsafe extern "C" fn(*mut Loaded),
    port_count: unsafe extern "C" fn(*const Loaded) -> i32,
    port_of: unsafe extern "C" fn(*const Loaded, i32, *mut RawPort) -> i32,
    start: unsafe extern "C" fn(*mut Loaded, *mut c_char, usize) -> i32,
    wait: unsafe extern "C" fn(*mut Loaded, *mut c_char, usize) -> i32,
    captured: unsafe extern "C" fn(*const Loaded) -> i32,
}

impl Functions {
    fn of(library: &libloading::Library) -> Result<Self, libloading::Error> {
        /// # Safety
        /// `F` must be the type that shim.h gives that name.
        unsafe fn find<F: Copy>(library: &libloading::Library, name: &str) -> Result<F, libloading::Error> {
            // SAFETY: the caller's promise.
            unsafe { library.get::<F>(name) }.map(|symbol| *symbol)
        }
        // SAFETY: these are the types of shim.h, in its ABI 1; `abi` itself, which tells that, never changes its type.
        unsafe {
            Ok(Self {
                abi: find(library, "cvt_abi")?,
                built_for: find(library, "cvt_built_for")?,
                open: find(library, "cvt_open")?,
                close: find(library, "cvt_close")?,
                version: find(library, "cvt_version")?,
                device_of: find(library, "cvt_device_of")?,
                build: find(library, "cvt_build")?,
                data: find(library, "cvt_data")?,
                forget: find(library, "cvt_forget")?,
                load: find(library, "cvt_load")?,
                unload: find(library, "cvt_unload")?,
                port_count: find(library, "cvt_port_count")?,
                port_of: find(library, "cvt_port_of")?,
                start: find(library, "cvt_start")?,
                wait: find(library, "cvt_wait")?,
                captured: find(library, "cvt_captured")?,
            })
        }
    }
}

/// Makes a call that may fail; its sentence becomes the error.
fn call(function: impl FnOnce(Say<'_>) -> i32) -> Result<(), EngineError> {
    let mut sentence: [c_char; SENTENCE] = [0; SENTENCE];
    match function((sentence.as_mut_ptr(), SENTENCE)) {
        0 => Ok(()),
        REFUSED => Err(EngineError::EngineRefused { reason: text(&sentence) }),
        _ => Err(EngineError::TensorRt { reason: text(&sentence) }),
    }
}

/// The text up to the first 0 of a buffer.
fn text(buffer: &[c_char]) -> String {
    let bytes: Vec<u8> = buffer.iter().map(|c| *c as u8).take_while(|c| *c != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The shim, loaded, and the TensorRT that it opened.
pub(super) struct Library {
    opened: NonNull<Opened>,
    functions: Functions,
    path: PathBuf,
    built_for: String,
    version: i32,
    // Unloaded last: the functions lie in it.
    _shim: libloading::Library,
}

// SAFETY: shim.h allows calls on a library from any thread at a time.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} through {}", self.built_for, self.path.display())
    }
}

impl Library {
    pub(super) fn open(path: &Path, directory: Option<&Path>) -> Result<Self, EngineError> {
        let unusable = |reason: String| EngineError::ShimUnusable { path: path.to_owned(), reason };
        // Against the working directory, as a shell user means it; the loader would search elsewhere.
        let place = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // SAFETY: loading runs initializers; whoever may set the variable or write beside the executable is trusted
        // with that, as with the executable itself.
        let shim = unsafe { libloading::Library::new(place) }.map_err(|e| unusable(with_causes(&e)))?;
        let functions = Functions::of(&shim).map_err(|e| unusable(with_causes(&e)))?;
        // SAFETY: neither takes anything; the second gives a constant of the shim's.
        let (abi, built_for) = unsafe { ((functions.abi)(), CStr::from_ptr((functions.built_for)())) };
        if abi != ABI {
            return Err(unusable(format!("its interface is {abi}, but this program knows {ABI}")));
        }
        let built_for = built_for.to_string_lossy().into_owned();
        let directory = directory
            .map(|d| CString::new(d.as_os_str().as_bytes()))
            .transpose()
            .map_err(|e| unusable(e.to_string()))?;
        let mut opened = ptr::null_mut();
        let directory = directory.as_deref().map_or(ptr::null(), CStr::as_ptr);
        // SAFETY: `directory` is null or a C string that lives through the call; the others are ours to write.
        call(|(error, capacity)| unsafe { (functions.open)(directory, &raw mut opened, error, capacity) })?;
        let opened = NonNull::new(opened).ok_or_else(|| unusable("it opened nothing".to_owned()))?;
        // SAFETY: `opened` is what `cvt_open` just gave.
        let version = unsafe { (functions.version)(opened.as_ptr()) };
        Ok(Self { opened, functions, path: path.to_owned(), built_for, version, _shim: shim })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn built_for(&self) -> &str {
        &self.built_for
    }

    pub(super) fn version(&self) -> i32 {
        self.version
    }

    pub(super) fn device(&self) -> Result<Device, EngineError> {
        // SAFETY: all zero is a value of this struct of numbers.
        let mut raw: RawDevice = unsafe { std::mem::zeroed() };
        let opened = self.opened.as_ptr();
        // SAFETY: `opened` lives as long as `self`; the struct has the shim's layout and is ours to write.
        call(|(error, capacity)| unsafe {
            (self.functions.device_of)(opened, &raw mut raw, error, capacity)
        })?;
        Ok(Device {
            name: text(&raw.name),
            capability: raw.capability,
            integrated: raw.integrated != 0,
            memory: raw.memory,
            multiprocessors: raw.multiprocessors,
            clock_khz: raw.clock_khz,
        })
    }

    /// For these capabilities, or for the GPU that is here; with so many bytes to work in, or as many as TensorRT takes (0).
    pub(super) fn build(
        &self,
        onnx: &[u8],
        capabilities: &[i32],
        workspace: u64,
        progress: &mut Listener<'_>,
    ) -> Result<Vec<u8>, EngineError> {
        // A thin pointer to the fat one.
        let mut listener: &mut Listener<'_> = progress;
        let plan = RawPlan {
            capabilities: capabilities.as_ptr(),
            capability_count: capabilities.len(),
            workspace,
            batch: 1,
            reserved: 0,
            progress: Some(tell),
            context: (&raw mut listener).cast(),
        };
        let mut built = ptr::null_mut();
        let (opened, size) = (self.opened.as_ptr(), onnx.len());
        // SAFETY: model, plan, capabilities and listener live through the call, in which alone the shim uses them. It
        // calls the listener from one thread at a time, which may be another one than this: it is `Send`. `opened` lives as long as `self`.
        call(|(error, capacity)| unsafe {
            (self.functions.build)(
                opened,
                onnx.as_ptr().cast(),
                size,
                &raw const plan,
                &raw mut built,
                error,
                capacity,
            )
        })?;
        let mut size = 0;
        // SAFETY: `built` was just given; its data lives until it is forgotten, once, behind the copy.
        unsafe {
            let data = (self.functions.data)(built, &raw mut size);
            let engine = std::slice::from_raw_parts(data.cast::<u8>(), size).to_vec();
            (self.functions.forget)(built);
            Ok(engine)
        }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: engines hold the library by an `Arc`, so none is left; nobody closes it twice.
        unsafe { (self.functions.close)(self.opened.as_ptr()) }
    }
}

/// Passes progress on to the listener: from threads of TensorRT's, one at a time. A panic in it ends the process, as it
/// may not pass through C++.
unsafe extern "C" fn tell(context: *mut c_void, phase: *const c_char, step: i32, steps: i32) -> i32 {
    // SAFETY: `context` is the listener of the call to `build` that is under way.
    let listener = unsafe { &mut *context.cast::<&mut Listener<'_>>() };
    // SAFETY: the shim gives a C string that lives through this call.
    let phase = unsafe { CStr::from_ptr(phase) }.to_string_lossy();
    i32::from(listener(Progress { phase: &phase, step, steps }))
}

/// An engine on the GPU, with its buffers.
pub(crate) struct Execution {
    loaded: NonNull<Loaded>,
    ports: Vec<Bound>,
    library: Arc<Library>,
}

/// An input or output, and where it lies.
struct Bound {
    port: Port,
    input: bool,
    host: NonNull<c_void>,
    /// Elements.
    count: usize,
}

/// A port's memory.
pub(crate) enum Slice<'a> {
    F32(&'a mut [f32]),
    U8(&'a mut [u8]),
}

// SAFETY: shim.h wants one thread at a time, which `&mut self` sees to; which thread does not matter to it.
unsafe impl Send for Execution {}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ports.iter().map(|bound| &bound.port)).finish()
    }
}

impl Execution {
    pub(super) fn load(library: &Arc<Library>, engine: &[u8]) -> Result<Self, EngineError> {
        let mut loaded = ptr::null_mut();
        let (opened, size) = (library.opened.as_ptr(), engine.len());
        // SAFETY: the bytes live through the call; `opened` lives as long as the library, which `Self` holds.
        call(|(error, capacity)| unsafe {
            (library.functions.load)(
                opened,
                engine.as_ptr().cast(),
                size,
                1,
                &raw mut loaded,
                error,
                capacity,
            )
        })?;
        let nothing = || EngineError::TensorRt { reason: "the shim loaded nothing".to_owned() };
        let loaded = NonNull::new(loaded).ok_or_else(nothing)?;
        // From here on dropping it unloads.
        let mut execution = Self { loaded, ports: Vec::new(), library: library.clone() };
        // SAFETY: `loaded` is live.
        let count = unsafe { (library.functions.port_count)(loaded.as_ptr()) };
        for index in 0..count {
            // SAFETY: all zero is a value of this struct of numbers and a null pointer.
            let mut raw: RawPort = unsafe { std::mem::zeroed() };
            // SAFETY: `loaded` is live, the index within its ports, and the struct has the shim's layout.
            unsafe { (library.functions.port_of)(loaded.as_ptr(), index, &raw mut raw) };
            execution.ports.push(Bound::of(&raw).ok_or_else(nothing)?);
        }
        Ok(execution)
    }

    /// The inputs, or the outputs.
    pub(crate) fn ports(&self, inputs: bool) -> Vec<Port> {
        self.ports.iter().filter(|bound| bound.input == inputs).map(|bound| bound.port.clone()).collect()
    }

    /// Where the port of this name lies among all of them.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.ports.iter().position(|bound| bound.port.name == name)
    }

    /// A port's memory.
    pub(crate) fn memory(&mut self, position: usize) -> Slice<'_> {
        let Bound { port, host, count, .. } = &self.ports[position];
        // SAFETY: `host` is pinned memory of that many elements (`Bound::of`), aligned to a page, zeroed when it was
        // made, and lives as long as the engine; `&mut self` keeps runs and other slices away.
        unsafe {
            match port.dtype {
                Some(Dtype::F32) => Slice::F32(std::slice::from_raw_parts_mut(host.as_ptr().cast(), *count)),
                _ => Slice::U8(std::slice::from_raw_parts_mut(host.as_ptr().cast(), *count)),
            }
        }
    }

    /// Runs the model on what its inputs hold; the outputs hold the answer then. Costs no heap on this side.
    pub(crate) fn run(&mut self) -> Result<(), EngineError> {
        let (functions, loaded) = (&self.library.functions, self.loaded.as_ptr());
        // SAFETY: `loaded` is live, and `&mut self` keeps the buffers from being written meanwhile.
        call(|(error, capacity)| unsafe { (functions.start)(loaded, error, capacity) })?;
        // SAFETY: as above.
        call(|(error, capacity)| unsafe { (functions.wait)(loaded, error, capacity) })
    }

    /// Whether a run is one launch of a recorded CUDA graph.
    pub(crate) fn is_captured(&self) -> bool {
        // SAFETY: `loaded` is live.
        unsafe { (self.library.functions.captured)(self.loaded.as_ptr()) != 0 }
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        // SAFETY: `loaded` is live, and nobody unloads it twice.
        unsafe { (self.library.functions.unload)(self.loaded.as_ptr()) }
    }
}

impl Bound {
    /// `None` where the shim contradicts itself.
    fn of(raw: &RawPort) -> Option<Self> {
        let dtype = match raw.dtype {
            0 => Dtype::F32,
            1 => Dtype::U8,
            _ => return None,
        };
        let extents = raw.extents.get(..usize::try_from(raw.rank).ok()?)?;
        let shape: Vec<usize> = extents.iter().map(|e| usize::try_from(*e).ok()).collect::<Option<_>>()?;
        let count = shape.iter().product();
        let size = if dtype == Dtype::F32 { 4 } else { 1 };
        if u64::try_from(count).ok()?.checked_mul(size)? != raw.bytes {
            return None;
        }
        let host = NonNull::new(raw.host)?;
        Some(Self { port: Port::fixed(&text(&raw.name), dtype, &shape), input: raw.input != 0, host, count })
    }
}
