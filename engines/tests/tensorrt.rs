//! TensorRT as far as it goes without a GPU: the shim compiles against each TensorRT's headers, and with a real
//! TensorRT-RTX builds engines of the repository's own bundle for GPUs that are not here. What runs on one is tried where
//! there is one (`a_gpu_sees_what_the_cpu_sees`, which says so where there is none).
//!
//! `scripts/tensorrt` brings headers and library, for x86-64 alone.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use cartvision_core::{Detections, PixelFormat};
use cartvision_engines::tensorrt::{Cache, Engine, Library};
use cartvision_engines::{Bundle, Detector, EngineError, Runtime, TemporalClassifier};

mod support;
use support::Plain;

/// The TensorRT-RTX that is here to be run.
const RTX: &str = "TRT-RTX-1.7";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What `scripts/tensorrt` brought.
fn fetched() -> PathBuf {
    let place = repository().join(".deps/tensorrt");
    assert!(place.join("made-of").exists(), "{} is missing; next: scripts/tensorrt", place.display());
    place
}

/// Compiles the shim against these headers.
fn compile(headers: &str, out: &Path) -> Output {
    let place = fetched();
    Command::new(repository().join("engines/tensorrt/build"))
        .arg(out)
        .args([place.join("headers").join(headers), place.join("cuda")])
        .output()
        .unwrap()
}

/// The shim for the TensorRT-RTX that is here, compiled once.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let shim = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("libcartvision_tensorrt.so");
        let made = compile(RTX, &shim);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        shim
    })
}

fn library() -> Library {
    Library::at(shim(), Some(&fetched().join("rtx-1.7"))).unwrap()
}

fn own_bundle() -> Bundle {
    Bundle::open(&repository().join("engines/models/dummy-24")).unwrap()
}

/// Whether the NVIDIA driver is there; says aloud what is left out where not.
fn has_gpu(what: &str) -> bool {
    let there = Path::new("/dev/nvidiactl").exists() || Path::new("/dev/nvhost-gpu").exists();
    if !there {
        // Not by a macro: the harness would swallow it.
        _ = writeln!(std::io::stderr(), "SKIPPED: no NVIDIA GPU is here: {what}");
    }
    there
}

#[test]
fn the_shim_compiles_without_a_warning_against_every_tensorrt_at_hand() {
    let place = tempfile::tempdir().unwrap();
    for (headers, name) in [
        ("TRT-RTX-1.4", "TensorRT-RTX 1.4"),
        (RTX, "TensorRT-RTX 1.7"),
        ("TRT-Enterprise-11.4", "TensorRT 11.4"),
    ] {
        let out = place.path().join("shim.so");
        let made = compile(headers, &out);
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success() && said.is_empty(), "{headers}: {said}");
        // It opens no TensorRT but its own: what is here is 1.7.
        let opened = Library::at(&out, Some(&fetched().join("rtx-1.7")));
        match opened {
            Ok(library) => assert!(headers == RTX && library.built_for().starts_with(name), "{headers}"),
            Err(e) => {
                assert!(headers != RTX, "{e}");
                let why = if headers.contains("RTX") { "is version 1.7" } else { "libnvinfer.so.11" };
                assert!(
                    matches!(e, EngineError::TensorRt { .. }) && e.to_string().contains(why),
                    "{headers}: {e}"
                );
                assert!(e.is_environment());
            }
        }
    }
}

#[test]
fn folders_without_headers_are_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let build = |args: &[&Path]| {
        let made = Command::new(repository().join("engines/tensorrt/build")).args(args).output().unwrap();
        (made.status.code(), String::from_utf8_lossy(&made.stderr).into_owned())
    };
    let (out, missing) = (place.path().join("shim.so"), place.path().join("no-such-folder"));
    let (code, said) = build(&[&out, &missing]);
    assert!(code == Some(2) && said.contains("no-such-folder: no such folder"), "{code:?} {said}");
    let (code, said) = build(&[&out]);
    assert!(code == Some(2) && said.contains("OUT INCLUDE"), "{code:?} {said}");
    let (code, said) = build(&[&out, place.path()]);
    assert!(code != Some(0) && said.contains("cuda.h"), "{code:?} {said}");
    assert!(!out.exists());
}

#[test]
fn a_package_holds_the_shim_and_asks_for_its_tensorrt() {
    let (place, deps) = (tempfile::tempdir().unwrap(), fetched());
    let made = Command::new(repository().join("engines/tensorrt/package"))
        .arg(place.path())
        .args([deps.join("headers/TRT-Enterprise-11.4"), deps.join("cuda")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let package = String::from_utf8(made.stdout).unwrap();
    assert!(package.contains("+trt11.4_"), "{package}");
    let ask = |option: &str| {
        let told = Command::new("dpkg-deb").args([option, package.trim()]).output().unwrap();
        String::from_utf8(told.stdout).unwrap()
    };
    assert!(
        ask("--field").contains("libnvinfer11 (>= 11.4), libnvonnxparsers11 (>= 11.4)"),
        "{}",
        ask("--field")
    );
    assert!(
        ask("--contents").contains("./usr/lib/cartvision/libcartvision_tensorrt.so"),
        "{}",
        ask("--contents")
    );
}

#[test]
fn engines_of_the_own_bundle_are_built_for_gpus_that_are_not_here() {
    let (library, bundle) = (library(), own_bundle());
    let (_, detector) = Detector::gpu_model(&bundle).unwrap();
    for model in [detector, TemporalClassifier::model(&bundle).unwrap()] {
        let onnx = bundle.read(model).unwrap();
        let engine = library.build_for(&[86, 89], &onnx).unwrap();
        assert!(engine.len() > 100_000, "{}: {} bytes", model.file, engine.len());
    }
}

#[test]
fn what_is_no_model_is_refused_in_tensorrts_words() {
    let (library, bundle) = (library(), own_bundle());
    let onnx = bundle.read(Detector::gpu_model(&bundle).unwrap().1).unwrap();
    let said = |onnx: &[u8], capabilities: &[i32]| {
        let error = library.build_for(capabilities, onnx).unwrap_err();
        assert!(matches!(error, EngineError::TensorRt { .. }) && error.is_environment());
        error.to_string()
    };
    for junk in [&b""[..], b"junk", &onnx[..onnx.len() / 2]] {
        let error = said(junk, &[86]);
        assert!(error.contains("cannot read the model"), "{} bytes: {error}", junk.len());
    }
    let error = said(&onnx, &[52]);
    assert!(error.contains("builds nothing for sm_52"), "{error}");
    // Still whole after all that.
    library.build_for(&[89], &bundle.read(TemporalClassifier::model(&bundle).unwrap()).unwrap()).unwrap();
}

#[test]
fn a_shim_that_is_none_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let junk = place.path().join("libcartvision_tensorrt.so");
    fs::write(&junk, "no library").unwrap();
    let onnxruntime = Runtime::open().unwrap();
    for (shim, why) in [
        (junk.as_path(), "file too short"),
        (&place.path().join("absent.so"), "No such file"),
        (onnxruntime.path(), "cvt_abi"),
    ] {
        let error = Library::at(shim, None).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, EngineError::ShimUnusable { .. }) && said.contains(why), "{said}");
    }
}

#[test]
fn without_a_driver_that_is_what_is_said() {
    if Path::new("/dev/nvidiactl").exists() {
        _ = writeln!(std::io::stderr(), "SKIPPED: there is an NVIDIA GPU, so its absence cannot be tried");
        return;
    }
    let error = library().gpu().unwrap_err();
    let said = error.to_string();
    assert!(error.is_environment() && said.contains("libcuda.so.1"), "{said}");
    assert!(
        said.contains("cartvisiond check") && said.contains("model.engine"),
        "it says what to do: {said}"
    );
}

#[test]
fn a_gpu_sees_what_the_cpu_sees() {
    if !has_gpu("engines are loaded and run on none; buffers, streams and CUDA graphs are not tried") {
        return;
    }
    let (gpu, bundle) = (library().gpu().unwrap(), own_bundle());
    let (_, model) = Detector::gpu_model(&bundle).unwrap();
    let place = tempfile::tempdir().unwrap();
    let cache = Cache::at(place.path());
    assert_eq!(cache.state(&gpu, model.sha256), Engine::Absent);
    let mut steps = 0;
    let mut count = |_: cartvision_engines::tensorrt::Progress<'_>| {
        steps += 1;
        true
    };
    let built = gpu.build(&bundle.read(model).unwrap(), &mut count).unwrap();
    assert!(steps > 1, "progress was told");
    cache.put(&gpu, model.sha256, &built, &[]).unwrap();
    let Engine::Ready(engine) = cache.state(&gpu, model.sha256) else { panic!("it was just kept") };

    let picture = Plain::new(320, 180, PixelFormat::Rgbx, [90, 120, 150]);
    let mut on_gpu = Detector::load_engine(&gpu, &bundle, &engine).unwrap();
    let mut on_cpu = Detector::load(&Runtime::open().unwrap(), &bundle, 1).unwrap();
    let (mut a, mut b) = (Detections::new(), Detections::new());
    for _ in 0..3 {
        on_gpu.detect(picture.picture(), &mut a).unwrap();
        on_cpu.detect(picture.picture(), &mut b).unwrap();
        assert_eq!(a.len(), b.len());
    }
    assert_eq!(on_gpu.is_captured(), Some(true));
    // Junk that got past the cache is TensorRT's to refuse.
    for junk in [&b"junk"[..], &engine[..engine.len() / 2]] {
        let error = Detector::load_engine(&gpu, &bundle, junk).unwrap_err();
        assert!(error.to_string().contains("does not take the engine"), "{error}");
    }
}
