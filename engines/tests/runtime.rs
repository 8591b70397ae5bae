//! Finding and opening ONNX Runtime. What is loaded is the process's for good, so each case runs in a child.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::io::Write as _;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use cartvision_engines::{Origin, Runtime};
use tempfile::tempdir;

/// The child: opens twice, prints what came.
#[test]
#[ignore = "only as a child of the tests below"]
fn child() {
    let first = Runtime::open();
    match (&first, Runtime::open()) {
        (Ok(a), Ok(b)) => {
            assert_eq!((a.path(), a.version(), a.origin()), (b.path(), b.version(), b.origin()));
            println!("opened {} {} by {}", a.version(), a.path().display(), a.origin());
        }
        (Err(e), Err(_)) => println!("environment={} error: {e}", e.is_environment()),
        (_, second) => panic!("{first:?}, then {second:?}"),
    }
}

/// What the child says with this ORT_DYLIB_PATH.
fn open_with(variable: &Path) -> String {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env("ORT_DYLIB_PATH", variable)
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the child crashed:\n{text}");
    text
}

/// A library that exports what `source` says, or `None` without a compiler.
fn library(directory: &Path, source: &str) -> Option<PathBuf> {
    let (file, out) = (directory.join("fake.rs"), directory.join("libfake.so"));
    fs::write(&file, source).unwrap();
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let built = Command::new(rustc)
        .args(["--crate-type=cdylib", "--edition=2024", "-o"])
        .args([&out, &file])
        .output();
    match built {
        Ok(output) if output.status.success() => Some(out),
        other => {
            // Not by a macro: the harness would swallow it.
            _ = writeln!(std::io::stderr(), "SKIPPED: rustc cannot build a shared library here: {other:?}");
            None
        }
    }
}

const FAKE: &str = r#"
#[repr(C)]
pub struct Base(extern "C" fn(u32) -> *const u8, extern "C" fn() -> *const u8);
extern "C" fn api(_: u32) -> *const u8 { std::ptr::null() }
extern "C" fn version() -> *const u8 { c"VERSION".as_ptr().cast() }
static BASE: Base = Base(api, version);
#[unsafe(no_mangle)]
pub extern "C" fn OrtGetApiBase() -> *const Base { &BASE }
"#;

#[test]
fn what_is_no_onnx_runtime_is_refused_with_its_path_and_what_to_do() {
    let place = tempdir().unwrap();
    let missing = place.path().join("nowhere.so");
    let text = place.path().join("text.so");
    fs::write(&text, "no library\n").unwrap();
    let mut cases = vec![
        (missing, "not found; tried"),
        (text, "the loader refuses it"),
        (place.path().to_owned(), "the loader refuses it"),
    ];
    for (name, source, words) in [
        ("foreign", "#[unsafe(no_mangle)] pub extern \"C\" fn hello() {}".to_owned(), "OrtGetApiBase"),
        ("old", FAKE.replace("VERSION", "1.17.1"), "ONNX Runtime 1.17.1, but at least 1.23"),
        ("strange", FAKE.replace("VERSION", "dev"), "ONNX Runtime dev"),
    ] {
        let directory = place.path().join(name);
        fs::create_dir(&directory).unwrap();
        cases.extend(library(&directory, &source).map(|path| (path, words)));
    }
    for (path, words) in cases {
        let said = open_with(&path);
        for word in [words, "environment=true", "make setup", "ORT_DYLIB_PATH", path.to_str().unwrap()] {
            assert!(said.contains(word), "{}: no {word:?} in: {said}", path.display());
        }
    }
}

#[test]
fn the_variable_wins_and_an_empty_one_does_not_count() {
    let here = Runtime::open().unwrap();
    assert!(here.version().starts_with("1."), "{here:?}");
    if here.origin() != Origin::System {
        let said = open_with(here.path());
        assert!(
            said.contains(&format!("opened {} ", here.version())) && said.contains("by ORT_DYLIB_PATH"),
            "{said}"
        );
    }
    // Without the variable: the repository's, the system's, or an error that lists where it looked.
    let said = open_with(Path::new(""));
    assert!(said.contains("opened") || said.contains("the system's loader"), "{said}");
    assert!(!said.contains("by ORT_DYLIB_PATH"), "{said}");
}
