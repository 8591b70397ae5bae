//! What keeps the house in order where the compiler alone does not: who may use whom, where `unsafe` may stand,
//! what the core links, and that it reads no clock.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Which crates of ours each crate may depend on, tests and build scripts included.
const MAY_USE: &[(&str, &[&str])] = &[
    ("cartvision-core", &[]),
    // For tests alone.
    ("cartvision-fuzz", &[]),
    ("cartvision-rtsp", &[]),
    ("cartvision-wire", &["cartvision-core", "cartvision-fuzz"]),
    ("cartvision-pipelines", &["cartvision-core", "cartvision-rtsp"]),
    ("cartvision-engines", &["cartvision-core", "cartvision-fuzz"]),
    (
        "cartvisiond",
        &[
            "cartvision-core",
            "cartvision-wire",
            "cartvision-pipelines",
            "cartvision-engines",
            "cartvision-fuzz",
        ],
    ),
    ("cartctl", &["cartvision-core", "cartvision-wire"]),
    ("cartvision-cloud", &["cartvision-core", "cartvision-wire", "cartvision-engines"]),
    // Training reports and acceptance tests take their figures from it too: it knows messages, and nobody who makes them.
    ("cartvision-metric", &["cartvision-wire"]),
    // The dummy cart knows nothing of what will look at it.
    ("cartvision-sim", &[]),
    (
        "cartlab",
        &["cartvision-core", "cartvision-wire", "cartvision-engines", "cartvision-metric", "cartvision-sim"],
    ),
    // Nobody may depend on it; what it tests itself is its own affair.
    (
        "cartvision-tests",
        &[
            "cartvision-core",
            "cartvision-wire",
            "cartvision-pipelines",
            "cartvision-engines",
            "cartvision-rtsp",
        ],
    ),
];
/// What only tests may use.
const FOR_TESTS: &[&str] = &["cartvision-fuzz", "cartvision-rtsp"];
/// What else the core may be built on.
const CORE_MAY_USE: &[&str] = &["heapless", "libm"];
/// The one crate that may hold unsafe code.
const MAY_BE_UNSAFE: &str = "cartvision-engines";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

struct Package {
    name: String,
    folder: PathBuf,
    /// Name and kind (`None` for a normal one) of each direct dependency.
    dependencies: Vec<(String, Option<String>)>,
}

fn packages() -> Vec<Package> {
    let output = cargo()
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let packages: Vec<_> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| Package {
            name: text(&p["name"]).unwrap(),
            folder: Path::new(p["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned(),
            dependencies: p["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .map(|d| (text(&d["name"]).unwrap(), text(&d["kind"])))
                .collect(),
        })
        .collect();
    assert!(packages.len() >= 7, "the workspace's members were found");
    packages
}

#[test]
fn dependencies_point_one_way() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let mut wrong = vec![];
    for p in &packages {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == p.name) else {
            wrong.push(format!("{}: a new crate; say in this test whom it may use", p.name));
            continue;
        };
        for (used, kind) in &p.dependencies {
            let of_tests = p.name == "cartvision-tests" || kind.as_deref() == Some("dev");
            if FOR_TESTS.contains(&used.as_str()) && !of_tests {
                wrong.push(format!("{} must use {used} in its tests alone", p.name));
            }
            if ours.contains(used.as_str()) && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} must not use {used}", p.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_is_built_on_two_crates() {
    let packages = packages();
    let core = packages.iter().find(|p| p.name == "cartvision-core").unwrap();
    let used: Vec<_> = core.dependencies.iter().filter(|(_, kind)| kind.as_deref() != Some("dev")).collect();
    for (name, _) in &used {
        assert!(CORE_MAY_USE.contains(&name.as_str()), "the core must not use {name}");
    }
}

/// The lines of a section of a manifest, without comments.
fn section(manifest: &str, name: &str) -> Vec<String> {
    let header = format!("[{name}]");
    manifest
        .lines()
        .map(|line| line.split('#').next().unwrap().trim())
        .skip_while(|line| *line != header)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.is_empty())
        .map(|line| line.replace(' ', ""))
        .collect()
}

#[test]
fn unsafe_is_forbidden_by_the_compiler() {
    let manifest = |folder: &Path| fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let lints = section(&manifest(&root()), "workspace.lints.rust");
    assert!(lints.contains(&r#"unsafe_code="forbid""#.to_owned()), "{lints:?}");
    for p in packages() {
        let manifest = manifest(&p.folder);
        if p.name == MAY_BE_UNSAFE {
            let lints = section(&manifest, "lints.rust");
            assert!(lints.contains(&r#"unsafe_code="deny""#.to_owned()), "{}: {lints:?}", p.name);
            let clippy = section(&manifest, "lints.clippy");
            assert!(
                clippy.contains(&r#"undocumented_unsafe_blocks="deny""#.to_owned()),
                "{}: {clippy:?}",
                p.name
            );
        } else {
            assert_eq!(section(&manifest, "lints"), ["workspace=true"], "{}", p.name);
        }
    }
}

/// All Rust files under `folder`, but for build outputs.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|n| n != "target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a source file: comments and the contents of strings become spaces, line breaks stay.
fn code(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if c == '"' {
            quoted(rest)
        } else if let Some(length) = raw_string(rest).filter(|_| !out.ends_with(is_word)) {
            length
        } else if rest.starts_with("'\"'") {
            3
        } else if rest.starts_with("'\\") {
            4
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[length..];
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let (step, change) = match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        (at, depth) = (at + step, depth + change);
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw string that starts here.
fn raw_string(text: &str) -> Option<usize> {
    let after =
        text.strip_prefix("br").or_else(|| text.strip_prefix("cr")).or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(body.find(&end).map_or(text.len(), |at| text.len() - body.len() + at + end.len()))
}

/// The places (line numbers from 1) where `code` has the word.
fn word_lines(code: &str, word: &str) -> Vec<usize> {
    let lines = code.lines().enumerate();
    lines.filter(|(_, line)| line.split(|c| !is_word(c)).any(|w| w == word)).map(|(i, _)| i + 1).collect()
}

#[test]
fn the_scan_sees_code_and_nothing_else() {
    let text = r##"
// unsafe
/* unsafe /* unsafe */ unsafe */ let a = "unsafe \" unsafe"; let b = r#"unsafe " unsafe"#;
#![forbid(unsafe_code)]
let c = '"'; let d = '\''; unsafe { e() }
fn f<'a>(x: &'a str) {} // "
unsafe impl G for H {}"##;
    assert_eq!(word_lines(&code(text), "unsafe"), [5, 7]);
}

#[test]
fn unsafe_stands_in_engines_only_and_says_why() {
    let mut wrong = vec![];
    let mut scanned = 0;
    for p in packages() {
        for file in sources(&p.folder) {
            scanned += 1;
            let text = fs::read_to_string(&file).unwrap();
            let lines: Vec<_> = text.lines().collect();
            let code = code(&text);
            for line in word_lines(&code, "unsafe") {
                let said = lines[..line - 1]
                    .iter()
                    .rev()
                    .take_while(|l| l.trim_start().starts_with("//") || l.trim_start().starts_with("#["))
                    .any(|l| l.contains("SAFETY:"));
                // A function's type promises nothing; a block or an implementation does.
                let here = code.lines().nth(line - 1).unwrap();
                let promises = here.contains("unsafe {") || here.contains("unsafe impl");
                if p.name != MAY_BE_UNSAFE {
                    wrong.push(format!("{}:{line}: unsafe code", file.display()));
                } else if promises && !said {
                    wrong.push(format!("{}:{line}: no SAFETY comment above", file.display()));
                }
            }
        }
    }
    assert!(scanned > 50, "{scanned} files were scanned");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_reads_no_clock() {
    let folder = root().join("runtime/core/src");
    let mut wrong = vec![];
    for file in sources(&folder) {
        let code = code(&fs::read_to_string(&file).unwrap());
        for word in ["Instant", "SystemTime", "Duration", "UNIX_EPOCH", "thread", "env", "fs"] {
            for line in word_lines(&code, word) {
                wrong.push(format!("{}:{line}: {word}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A program without the standard library and without an allocator that uses the core links, and decides. Were
/// the core to use `alloc`, an allocator would be missing; were it to use `std`, there would be two panic handlers.
#[test]
fn the_core_needs_no_allocator() {
    let place = tempfile::tempdir().unwrap();
    let program = root().join("runtime/core/tests/no_alloc");
    // A copy, so that the repository stays as it is; with the versions that everything else uses.
    let manifest = fs::read_to_string(program.join("Cargo.toml")).unwrap();
    let core = root().join("runtime/core");
    let moved = manifest.replace(r#"path = "../..""#, &format!("path = {core:?}"));
    assert_ne!(manifest, moved);
    fs::write(place.path().join("Cargo.toml"), moved).unwrap();
    fs::copy(root().join("Cargo.lock"), place.path().join("Cargo.lock")).unwrap();
    fs::create_dir(place.path().join("src")).unwrap();
    fs::copy(program.join("src/main.rs"), place.path().join("src/main.rs")).unwrap();

    let target = place.path().join("target");
    let built = cargo()
        .args(["build", "--release", "--offline", "--target-dir"])
        .arg(&target)
        .current_dir(place.path())
        // Flags of an outer build (coverage, sanitizers) bring a runtime that needs the standard library.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(target.join("release/no-alloc")).status().expect("the program starts");
    assert_eq!(ran.code(), Some(0), "one item was added");
}
