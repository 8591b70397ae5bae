//! Bad input, as users bring it: each with the documented exit code and an error that says what is wrong, where,
//! and what to do next. Every table reports all that went wrong in it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use cartvision_tests::input::{PATTERN, Real, camera, configuration, tiny_bundle, tiny_model};
use cartvision_tests::log::EventLog;
use cartvision_tests::mosquitto::{Door, Mosquitto, PASSWORD, certify, closed_port};
use cartvision_tests::program::{cartlab, cartvisiond, run};
use cartvision_tests::table::Table;
use cartvision_tests::video::{self, Index};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// A good bundle and a good recording, to spoil.
struct Bench {
    place: TempDir,
    bundle: PathBuf,
    clip: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let place = tempdir().unwrap();
        let bundle = tiny_bundle(place.path());
        let clip = video::ball(10, Index::Front, place.path().join("clip.mov"));
        Self { place, bundle, clip }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.at(name);
        fs::write(&file, content).unwrap();
        file
    }

    /// A replay of that bundle and these cameras (`NAME=FILE`).
    fn replay_of(&self, bundle: &Path, cameras: &[String]) -> Command {
        let mut command = cartvisiond();
        command.arg("replay").arg("--bundle").arg(bundle);
        cameras.iter().for_each(|camera| _ = command.arg("--camera").arg(camera));
        command
    }

    /// A replay of one recording.
    fn replay(&self, clip: &Path) -> Command {
        self.replay_of(&self.bundle, &[format!("rim={}", clip.display())])
    }

    /// The replay that works, with more arguments.
    fn with(&self, more: &[&str]) -> Command {
        let mut command = self.replay(&self.clip);
        command.args(more);
        command
    }

    /// The bundle with its files changed.
    fn spoilt(&self, name: &str, spoil: impl FnOnce(&Path)) -> PathBuf {
        let copy = self.at(name);
        fs::create_dir(&copy).unwrap();
        for file in fs::read_dir(&self.bundle).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
        spoil(&copy);
        copy
    }
}

#[test]
fn recordings() {
    let bench = Bench::new();
    let text = bench.write("text.mp4", "just a text, no video\n".repeat(100));
    let empty = bench.write("empty.mp4", "");
    let cut = video::cut_off(&video::ball(100, Index::End, bench.at("whole.mov")), bench.at("cut.mov"));
    let mut table = Table::default();
    let mut refused = |name: &str, file: &Path, what: &str, next: &str| {
        table.case(name, bench.replay(file), 2, what, next);
    };
    refused("no such file", &bench.at("absent.mp4"), "no such file", "check the path");
    refused("a text file", &text, "text file", "give a file");
    refused("a directory", bench.place.path(), "not a file", "give the path");
    refused("zero length", &empty, "empty (0 bytes)", "copy it again");
    refused("cut off, index at the end", &cut, "index is missing", "copy or record it again");
}

/// What goes wrong on the way is told with another code, and what was decided before it stays whole.
#[test]
fn recordings_that_go_wrong_on_the_way() {
    let bench = Bench::new();
    let cut = video::cut_off(&video::ball(100, Index::Front, bench.at("whole.mov")), bench.at("cut.mov"));
    let part = |name: &str, size| fs::read(video::ball_ogg(20, size, bench.at(name))).unwrap();
    let joined = [part("small.ogg", (64, 48)), part("large.ogg", (128, 96))].concat();
    let joined = bench.write("joined.ogg", joined);
    let mut table = Table::default();
    for (name, file, what, next) in [
        ("cut off, index in front", &cut, "cut off: it ends at", "copy or record it again"),
        ("the size changes", &joined, "size changes midway from 64x48 to 128x96", "split the recording"),
    ] {
        let events = bench.at(&format!("{name}.jsonl"));
        let mut command = bench.replay(file);
        command.arg("--events").arg(&events);
        table.case(name, command, 3, what, next);
        let log = EventLog::from_lines(&fs::read_to_string(events).unwrap());
        assert_eq!(log.kinds()[..2], ["log.opened", "session.started"], "{name}");
    }
}

/// The real clip cut off, whichever way it was written.
#[test]
fn a_real_recording_cut_off() {
    let Some(real) = Real::find() else { return };
    let bench = Bench::new();
    let mut table = Table::default();
    for (index, code, what) in [(Index::End, 2, "index is missing"), (Index::Front, 3, "cut off: it ends at")]
    {
        let whole = video::remuxed(&real.video, index, None, bench.at("whole.mp4"));
        let cut = video::cut_off(&whole, bench.at("cut.mp4"));
        table.case(&format!("{index:?}"), bench.replay(&cut), code, what, "copy or record it again");
    }
}

#[test]
fn bundles() {
    let bench = Bench::new();
    let clip = format!("rim={}", bench.clip.display());
    let changed = bench.spoilt("changed", |place| {
        let file = place.join("detector.onnx");
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
    });
    let missing = bench.spoilt("missing", |place| fs::remove_file(place.join("detector.onnx")).unwrap());
    let unlisted = bench.spoilt("unlisted", |place| fs::remove_file(place.join("bundle.toml")).unwrap());
    let broken = bench.spoilt("broken", |place| fs::write(place.join("bundle.toml"), "name = ").unwrap());
    let mut table = Table::default();
    for (name, bundle, what, next) in [
        ("a changed byte", &changed, "detector.onnx", "again"),
        ("a missing file", &missing, "detector.onnx", "again"),
        ("no bundle.toml", &unlisted, "bundle.toml", "cartlab bundle"),
        ("bundle.toml is no TOML", &broken, "bundle.toml", "cartlab bundle"),
        ("no such directory", &bench.at("absent"), "absent", "cartlab bundle"),
    ] {
        table.case(name, bench.replay_of(bundle, std::slice::from_ref(&clip)), 2, what, next);
    }
}

#[test]
fn models_and_class_lists() {
    let bench = Bench::new();
    let one = bench.write("one.txt", "bottle\n");
    let two = bench.write("two.txt", "cup\nbottle\n");
    let three = bench.write("three.txt", "cup\nbottle\njar\n");
    let text = bench.write("text.onnx", "this is no model\n");
    let make = |model: &Path, classes: &Path| {
        let mut command = cartlab();
        command.args(["bundle", "--family", "yolo", "--items", "bottle", "--onnx"]).arg(model);
        command.arg("--classes").arg(classes).arg("--out").arg(bench.at("out"));
        command
    };
    let yolo = tiny_model("yolo.onnx");
    let mut table = Table::default();
    table.case("ten numbers", make(&tiny_model("ten_numbers.onnx"), &two), 2, "detector", "next: ");
    table.case("a classifier", make(&tiny_model("picture_classifier.onnx"), &two), 2, "output", "next: ");
    table.case("a text as a model", make(&text, &two), 2, "text.onnx", "next: ");
    table.case("one class too few", make(&yolo, &one), 2, "class", "--classes");
    table.case("one class too many", make(&yolo, &three), 2, "class", "--classes");
    table.case(
        "no such list",
        make(&yolo, &bench.at("absent.txt")),
        2,
        "cannot read the class list",
        "next: ",
    );
    assert!(!bench.at("out").exists(), "what was refused leaves nothing behind");
}

#[test]
fn zones() {
    let bench = Bench::new();
    let mut table = Table::default();
    for (name, text, what, next) in [
        ("two points", "[zones]\nrim = [[0, 0], [1, 1]]", "zone of camera rim", "at least 3 corners"),
        ("crossing edges", "[zones]\nrim = [[0, 0], [1, 1], [1, 0], [0, 1]]", "cross", "order"),
        (
            "a point outside",
            "[zones]\nrim = [[0, 0], [1.5, 0], [1, 1]]",
            "zone of camera rim: corner 2",
            "0 to 1",
        ),
        ("another camera", "[zones]\nother = [[0, 0], [1, 0], [1, 1]]", "no camera other", "there is rim"),
        ("no TOML", "zones, somehow", "zones.toml", "write one line for each camera"),
    ] {
        let file = bench.write("zones.toml", text);
        table.case(name, bench.with(&["--zones", file.to_str().unwrap()]), 2, what, next);
    }
    let absent = bench.at("absent.toml");
    table.case(
        "no such file",
        bench.with(&["--zones", absent.to_str().unwrap()]),
        2,
        "cannot read the zones",
        "--zones",
    );
}

#[test]
fn command_lines() {
    let bench = Bench::new();
    let clip = bench.clip.to_str().unwrap();
    let twice = [format!("rim={clip}"), format!("rim={clip}")];
    let directory = bench.place.path().to_str().unwrap();
    let beyond = bench.at("absent/events.jsonl");
    let mut table = Table::default();
    let mut case =
        |name: &str, command, code, what: &str, next: &str| table.case(name, command, code, what, next);
    let cameras = |cameras: &[String]| bench.replay_of(&bench.bundle, cameras);
    case("the same camera twice", cameras(&twice), 2, "two cameras are called rim", "a name of its own");
    case("a camera without '='", cameras(&[clip.to_owned()]), 2, "NAME=FILE", "rim-left=clip.mp4");
    case("a camera without a file", cameras(&["rim=".to_owned()]), 2, "no file after rim=", "--help");
    case("no camera", cameras(&[]), 2, "--camera", "--help");
    case("no threads", bench.with(&["--threads", "0"]), 2, "1..=64", "--help");
    case("no time", bench.with(&["--start-time", "noon"]), 2, "noon", "--help");
    case("a stranger", bench.with(&["--realtme"]), 2, "--realtme", "--realtime");
    case("a CA without a broker", bench.with(&["--broker-ca", clip]), 2, "--broker", "--help");
    case("events into a directory", bench.with(&["--events", directory]), 3, directory, "--events");
    case(
        "events nowhere",
        bench.with(&["--events", beyond.to_str().unwrap()]),
        3,
        "absent/events.jsonl",
        "--events",
    );

    let mut absent = bench.with(&[]);
    absent.env("ORT_DYLIB_PATH", bench.at("absent.so"));
    case("no engine", absent, 3, "absent.so", "ORT_DYLIB_PATH");
    let mut text = bench.with(&[]);
    text.env("ORT_DYLIB_PATH", bench.write("text.so", "no library"));
    case("a text as the engine", text, 3, "text.so", "ORT_DYLIB_PATH");
}

#[test]
fn brokers() {
    let bench = Bench::new();
    let tls = Mosquitto::start(Door::Tls);
    let plain = Mosquitto::start(Door::Password);
    let stranger = tempdir().unwrap();
    certify(stranger.path());
    let (ca, wrong_ca) = (tls.ca(), stranger.path().join("ca.pem"));
    let (ca, wrong_ca) = (ca.to_str().unwrap(), wrong_ca.to_str().unwrap());
    let with = |password: &str, more: &[&str]| {
        let mut command = bench.with(more);
        command.env("CARTVISION_BROKER_PASSWORD", password);
        command
    };
    let closed = format!("mqtt://127.0.0.1:{}", closed_port());
    let (tls_url, plain_url) = (tls.url(), plain.url());
    let anonymous = plain_url.replace("cart@", "");
    let tls_to_plain = plain_url.replace("mqtt:", "mqtts:");
    let mut table = Table::default();
    let mut case =
        |name: &str, command, code, what: &str, next: &str| table.case(name, command, code, what, next);
    case("nobody listens", with("", &["--broker", &closed]), 3, "cannot be reached", "is the address right");
    case(
        "no such host",
        with("", &["--broker", "mqtt://nowhere.invalid"]),
        3,
        "nowhere.invalid",
        "is the address right",
    );
    case(
        "a wrong password",
        with("wrong", &["--broker", &plain_url]),
        3,
        "refused the connection",
        "are user and password right",
    );
    case(
        "no user",
        with("", &["--broker", &anonymous]),
        3,
        "refused the connection",
        "are user and password right",
    );
    case(
        "a wrong password over TLS",
        with("wrong", &["--broker", &tls_url, "--broker-ca", ca]),
        3,
        "refused the connection",
        "are user and password right",
    );
    case(
        "another CA",
        with(PASSWORD, &["--broker", &tls_url, "--broker-ca", wrong_ca]),
        3,
        "TLS failed",
        "does the CA file fit",
    );
    case("the system's CAs", with(PASSWORD, &["--broker", &tls_url]), 3, "TLS failed", "CA file");
    case(
        "TLS where there is none",
        with(PASSWORD, &["--broker", &tls_to_plain, "--broker-ca", ca]),
        3,
        "TLS",
        "does the port speak TLS",
    );
    let video = bench.clip.to_str().unwrap();
    case("a CA that is none", with(PASSWORD, &["--broker", &tls_url, "--broker-ca", video]), 2, video, "PEM");
    case(
        "no CA file",
        with(PASSWORD, &["--broker", &tls_url, "--broker-ca", "/absent.pem"]),
        2,
        "/absent.pem",
        "give a file",
    );
    case(
        "no password file",
        with("", &["--broker", &plain_url, "--broker-password-file", "/absent"]),
        2,
        "/absent",
        "give a file",
    );
    case(
        "no scheme",
        with("", &["--broker", "localhost:1883"]),
        2,
        "must start with mqtt://",
        "write mqtts://user@host:8883",
    );
    case("no host", with("", &["--broker", "mqtt://:1883"]), 2, "host", "write mqtts://user@host:8883");
    case(
        "a port beyond all",
        with("", &["--broker", "mqtt://localhost:99999"]),
        2,
        "65535",
        "write mqtts://user@host:8883",
    );
    let secret = "mqtt://cart:hunter2@localhost";
    case(
        "a password in it",
        with("", &["--broker", secret]),
        2,
        "does not belong",
        "CARTVISION_BROKER_PASSWORD",
    );
    assert!(!table.said("a password in it").contains("hunter2"), "the password is not repeated");
}

#[test]
fn configurations() {
    let bench = Bench::new();
    let broker = format!("url = 'mqtt://127.0.0.1:{}'", closed_port());
    let pattern = camera("rim", PATTERN);
    let good =
        fs::read_to_string(configuration(&bench.at("cart"), &broker, &bench.bundle, &pattern)).unwrap();
    let absent = bench.at("absent");
    let absent = absent.to_str().unwrap();
    let mut table = Table::default();
    for (name, text, code, what, next) in [
        (
            "an unknown key",
            good.replace("threads", "thraeds"),
            2,
            "unknown key `model.thraeds`",
            "did you mean `threads`?",
        ),
        (
            "an unknown section",
            format!("{good}[decisions]\naccept = 0.8\n"),
            2,
            "unknown key `decisions`",
            "did you mean `decision`?",
        ),
        ("no TOML", "cart, somehow".to_owned(), 2, "cart.toml", "--print-reference"),
        (
            "a key is missing",
            good.replace("id = 'cart-1'\n", ""),
            2,
            "missing field `id`",
            "--print-reference",
        ),
        ("no camera", good.replace(&pattern, ""), 2, "no [[camera]]", "at least one"),
        (
            "two cameras of one name",
            format!("{good}{pattern}"),
            2,
            "two cameras are called rim",
            "a name of its own",
        ),
        (
            "a zone of two points",
            good.replace("name = 'rim'", "name = 'rim'\nzone = [[0, 0], [1, 1]]"),
            2,
            "zone of camera rim",
            "at least 3 corners",
        ),
        (
            "a password in the url",
            good.replace("mqtt://", "mqtt://cart:hunter2@"),
            2,
            "does not belong",
            "CARTVISION_BROKER_PASSWORD",
        ),
        ("no bundle", good.replace(bench.bundle.to_str().unwrap(), absent), 2, "absent", "cartlab bundle"),
    ] {
        let file = bench.write("cart.toml", text);
        for command in ["check", "run"] {
            let name = format!("{command}: {name}");
            let mut program = cartvisiond();
            program.args([command, "--config"]).arg(&file);
            table.case(&name, program, code, what, next);
            assert!(!table.said(&name).contains("hunter2"), "{name}");
        }
    }
    // A state directory that cannot be: below a file.
    let below = good.replace("state_dir = '", &format!("state_dir = '{}/", bench.clip.display()));
    let file = bench.write("cart.toml", below);
    let mut command = cartvisiond();
    command.args(["run", "--config"]).arg(file);
    table.case("no state directory", command, 3, "cannot use the state directory", "cart.state_dir");
    let mut command = cartvisiond();
    command.args(["run", "--config", absent]);
    table.case("no configuration", command, 2, "cannot read the configuration", "--print-reference");
}

/// `check` looks at everything, says all that is wrong, and ends with the code of the gravest.
#[test]
fn check_tells_for_programs_too() {
    let bench = Bench::new();
    let broker = Mosquitto::start(Door::Tls);
    let password = bench.write("password", format!("{PASSWORD}\n"));
    let reach = |password: &Path| {
        format!(
            "url = '{}'\nca = '{}'\npassword_file = '{}'",
            broker.url(),
            broker.ca().display(),
            password.display()
        )
    };
    // Somebody takes the call and says nothing.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let silent = format!(
        "kind = 'rtsp', url = 'rtsp://{}/x', latency_ms = 100, transport = 'tcp'",
        silent.local_addr().unwrap()
    );
    let silent = camera("mute", &silent).replace("source", "first_frame_s = 1\nsource");
    let pattern = camera("rim", PATTERN);
    let wrong = bench.write("wrong", "wrong");
    for (name, reach, bundle, cameras, code, failing) in [
        ("good", reach(&password), &bench.bundle, pattern.clone(), 0, &[][..]),
        ("mute", reach(&password), &bench.bundle, format!("{pattern}{silent}"), 3, &["camera mute"]),
        ("refused", reach(&wrong), &bench.bundle, pattern.clone(), 3, &["broker"]),
        ("both", reach(&wrong), &bench.at("absent"), pattern.clone(), 2, &["bundle", "broker"]),
    ] {
        let file = configuration(&bench.at(name), &reach, bundle, &cameras);
        let mut command = cartvisiond();
        command.args(["check", "--json", "--config"]).arg(&file);
        let ran = run(&mut command).expect_code(code);
        assert_eq!(ran.stdout.lines().count(), 1, "{name}: {}", ran.stdout);
        let told: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(told["ok"], code == 0, "{name}: {told:#}");
        let checks = told["checks"].as_array().unwrap();
        let failed: Vec<_> =
            checks.iter().filter(|c| c["ok"] == false).map(|c| c["check"].as_str().unwrap()).collect();
        assert_eq!(failed, failing, "{name}: {told:#}");
        assert!(
            checks.iter().all(|c| c["detail"].as_str().is_some_and(|d| !d.is_empty())),
            "{name}: {told:#}"
        );
        assert!(!file.parent().unwrap().join("state").exists(), "{name}: it changes nothing");

        let mut text = cartvisiond();
        text.args(["check", "--config"]).arg(&file);
        let ran = run(&mut text).expect_code(code);
        assert_eq!(ran.stdout.matches("FAILED").count(), failing.len(), "{name}: {}", ran.stdout);
        assert_eq!(ran.stderr.matches("error: ").count(), failing.len(), "{name}: {}", ran.stderr);
    }
    let bad = bench.write("bad.toml", "[cart]\nnam = 'x'\n");
    let mut command = cartvisiond();
    command.args(["check", "--json", "--config"]).arg(bad);
    let told: Value = serde_json::from_str(&run(&mut command).expect_code(2).stdout).unwrap();
    assert_eq!((&told["ok"], &told["checks"][0]["exit_code"]), (&false.into(), &2.into()));
}

#[test]
fn help_has_an_example_and_the_exit_codes() {
    for (arguments, words) in [
        (&["--help"][..], &["Exit codes:", "replay"][..]),
        (&["run", "--help"], &["Example:", "cartvisiond run --config"]),
        (&["check", "--help"], &["Example:", "cartvisiond check --config"]),
        (&["replay", "--help"], &["Example:", "cartvisiond replay --bundle"]),
        (&["--version"], &["cartvisiond"]),
    ] {
        let ran = run(cartvisiond().args(arguments)).expect_code(0);
        assert!(words.iter().all(|w| ran.stdout.contains(w)), "{arguments:?}: {}", ran.stdout);
        assert_eq!(ran.stderr, "", "{arguments:?}");
    }
    let ran = run(cartlab().args(["bundle", "--help"])).expect_code(0);
    assert!(ran.stdout.contains("Example:"), "{}", ran.stdout);
    // Without anything: what there is, and the code for wrong usage.
    for program in [cartvisiond, cartlab] {
        let ran = run(&mut program()).expect_code(2);
        assert!(ran.stderr.contains("Usage:") && ran.stderr.contains("--help"), "{}", ran.stderr);
    }
}
