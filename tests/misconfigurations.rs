//! A cart that is set up wrong, as technicians do it: brokers, configurations, and what `check` says of them. Each
//! with the documented exit code and an error that says what is wrong, where, and what to do next.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use cartvision_tests::bench::Bench;
use cartvision_tests::input::{PATTERN, camera, configuration};
use cartvision_tests::mosquitto::{Door, Mosquitto, PASSWORD, certify, closed_port};
use cartvision_tests::program::{cartvisiond, run};
use cartvision_tests::table::Table;
use serde_json::Value;
use tempfile::tempdir;

#[test]
fn brokers() {
    let bench = Bench::tiny();
    let tls = Mosquitto::start(Door::Tls);
    let plain = Mosquitto::start(Door::Password);
    let stranger = tempdir().unwrap();
    certify(stranger.path());
    let (ca, wrong_ca) = (tls.ca(), stranger.path().join("ca.pem"));
    let (ca, wrong_ca) = (ca.to_str().unwrap(), wrong_ca.to_str().unwrap());
    let with = |password: &str, more: &[&str]| {
        let mut command = bench.replay_with(more);
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
    let clip = bench.clip();
    let video = clip.to_str().unwrap();
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
    let bench = Bench::tiny();
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
        (
            "a learned classifier where there is none",
            good.replace("threads = 1", "threads = 1\nclassifier = 'learned'"),
            2,
            "has no temporal classifier",
            "cartlab bundle --temporal",
        ),
        (
            "a classifier of no kind",
            good.replace("threads = 1", "threads = 1\nclassifier = 'best'"),
            2,
            "model.classifier = \"best\"",
            "give \"learned\" or \"analytic\"",
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
    let below = good.replace("state_dir = '", &format!("state_dir = '{}/", bench.clip().display()));
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
    let bench = Bench::tiny();
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
    // A picture of what each camera sees, where it is asked for.
    let file = configuration(&bench.at("seen"), &reach(&password), &bench.bundle, &pattern);
    let check = |pictures: &Path| {
        let mut command = cartvisiond();
        run(command.args(["check", "--config"]).arg(&file).arg("--pictures").arg(pictures))
    };
    let said = check(&bench.at("pictures")).expect_code(0).stdout;
    let jpeg = fs::read(bench.at("pictures/rim.jpg")).unwrap();
    assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]), "{} bytes", jpeg.len());
    assert!(said.contains("pictures/rim.jpg"), "{said}");
    let said = check(&bench.at("pictures/rim.jpg")).expect_code(3).stderr;
    assert!(said.contains("give --pictures a directory"), "{said}");
    let bad = bench.write("bad.toml", "[cart]\nnam = 'x'\n");
    let mut command = cartvisiond();
    command.args(["check", "--json", "--config"]).arg(bad);
    let told: Value = serde_json::from_str(&run(&mut command).expect_code(2).stdout).unwrap();
    assert_eq!((&told["ok"], &told["checks"][0]["exit_code"]), (&false.into(), &2.into()));
}
