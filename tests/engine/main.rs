//! A cart and its GPU: engines are built beside the running cart and kept, and the CPU stands in wherever the GPU cannot
//! be used, which the state says.
//!
//! No GPU is here. `fake_shim.c` stands for one, and says what it cannot show; the real shim with a real TensorRT-RTX
//! shows what a cart does that has the one and not the other.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cartvision_tests::bench::Bench;
use cartvision_tests::cart::stop;
use cartvision_tests::input::{PATTERN, camera, configuration, repository};
use cartvision_tests::mosquitto::{Door, Mosquitto};
use cartvision_tests::observer::{Observer, root};
use cartvision_tests::program::{Ran, Running, cartvisiond, run, wait_until};

struct Shop {
    bench: Bench,
    observer: Observer,
    broker: Mosquitto,
}

impl Shop {
    /// With the tiny models; the classifier says "none" on CPU and fake alike.
    fn open() -> Self {
        let broker = Mosquitto::start(Door::Open);
        let bench = Bench::temporal("temporal.onnx", cartvision_core::features::VERSION);
        Self { bench, observer: Observer::of(&broker, root()), broker }
    }

    /// A configuration whose `[model]` goes on with this.
    fn configuration(&self, model: &str) -> PathBuf {
        let url = format!("url = '{}'", self.broker.url());
        configuration(
            &self.bench.at("cart"),
            &url,
            &self.bench.bundle,
            &format!("{model}\n{}", camera("rim", PATTERN)),
        )
    }

    /// Pictures that the fake looked at.
    fn runs(&self) -> u64 {
        fs::metadata(self.bench.at("runs")).map_or(0, |about| about.len())
    }

    fn wait_runs(&self) {
        let before = self.runs();
        wait_until(|| (self.runs() > before + 3).then_some(()), || "the GPU looks at pictures".to_owned());
    }

    /// The engines that are kept.
    fn engines(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.bench.at("cart/state/engines")) else { return Vec::new() };
        let mut engines: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
        engines.sort();
        engines
    }

    /// `cartvisiond COMMAND --config …` with the fake, which behaves like this and is of that version.
    fn with_fake(&self, command: &str, configuration: &Path, behaves: &str, version: u32) -> Command {
        let shim = self.bench.at("libcartvision_tensorrt.so");
        if !shim.exists() {
            compile_fake(&shim);
        }
        let mut program = with_shim(command, configuration, &shim);
        program.env("FAKE_GPU", behaves).env("FAKE_VERSION", version.to_string());
        program.env("FAKE_RUNS", self.bench.at("runs"));
        program
    }
}

fn compile_fake(shim: &Path) {
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o"]).arg(shim);
    cc.arg("-I")
        .arg(repository().join("engines/tensorrt"))
        .arg(repository().join("tests/engine/fake_shim.c"));
    run(&mut cc).expect_code(0);
}

fn with_shim(command: &str, configuration: &Path, shim: &Path) -> Command {
    let mut program = cartvisiond();
    program.args([command, "--config"]).arg(configuration).env("CARTVISION_TENSORRT", shim);
    program
}

#[test]
fn engines_are_built_beside_the_running_cart_and_kept() {
    let shop = Shop::open();
    let configuration = shop.configuration("");
    let check =
        |version| run(&mut shop.with_fake("check", &configuration, "", version)).expect_code(0).stdout;
    assert!(check(1).contains("not built yet"), "{}", check(1));

    let cart = Running::start(&mut shop.with_fake("run", &configuration, "", 1));
    shop.observer.wait_degraded("the engine for the GPU is being built");
    shop.observer.wait_state("online", |_| true);
    shop.wait_runs();
    let log = stop(cart);
    assert!(log.contains("the GPU infers from now on"), "{log}");
    assert_eq!(shop.engines().len(), 2, "the detector's and the classifier's");
    assert!(check(1).contains("engine of temporal.onnx: built"), "{}", check(1));

    let built = |log: &str| log.matches("building it for the GPU").count();
    let again = |version: u32| {
        let cart = Running::start(&mut shop.with_fake("run", &configuration, "", version));
        shop.wait_runs();
        stop(cart)
    };
    assert_eq!(built(&again(1)), 0, "what was kept is taken");
    // Another TensorRT, as after an update of the system.
    assert!(check(2).contains("built for something else"), "{}", check(2));
    assert_eq!(built(&again(2)), 2);
    assert_eq!((built(&again(2)), shop.engines().len()), (0, 2));
    // A disk that lost the end of a file.
    let damaged = &shop.engines()[0];
    let bytes = fs::read(damaged).unwrap();
    fs::write(damaged, &bytes[..bytes.len() - 1]).unwrap();
    assert!(check(2).contains("damaged"), "{}", check(2));
    assert_eq!(built(&again(2)), 1);
    assert_eq!(fs::read(damaged).unwrap(), bytes);
}

/// A running cart uses what it has built; whoever prepares does so for later.
#[test]
fn engines_that_cannot_be_kept() {
    let shop = Shop::open();
    let configuration = shop.configuration("");
    // In the place of the folder.
    fs::create_dir_all(shop.bench.at("cart/state")).unwrap();
    shop.bench.write("cart/state/engines", "");
    let cart = Running::start(&mut shop.with_fake("run", &configuration, "", 1));
    shop.observer.wait_state("online", |_| true);
    shop.wait_runs();
    let log = stop(cart);
    assert!(log.contains("it is used all the same"), "{log}");
    let Ran { stderr, .. } = run(&mut shop.with_fake("prepare", &configuration, "", 1)).expect_code(3);
    assert!(stderr.contains("cannot make the folder of it"), "{stderr}");
}

/// Whole, for this GPU and this TensorRT, and not taken all the same.
#[test]
fn an_engine_that_is_refused_is_built_again() {
    let shop = Shop::open();
    let configuration = shop.configuration("");
    let with_driver = |command: &str, driver: &str| {
        let mut program = shop.with_fake(command, &configuration, "", 1);
        program.env("FAKE_DRIVER", driver);
        program
    };
    let built = |log: &str| log.matches("building it for the GPU").count();
    let prepare = |driver| built(&run(&mut with_driver("prepare", driver)).expect_code(0).stderr);
    assert_eq!((prepare("a"), prepare("a"), prepare("b")), (2, 0, 2));
    let cart = Running::start(&mut with_driver("run", "c"));
    shop.observer.wait_degraded("the engine for the GPU is being built");
    shop.wait_runs();
    let log = stop(cart);
    assert!(log.contains("is built again: it does not take the engine: another driver"), "{log}");
    assert_eq!((built(&log), shop.engines().len()), (2, 2));
    assert_eq!(prepare("c"), 0, "what was built last is kept");
}

#[test]
fn engines_are_prepared_before_they_are_needed() {
    let shop = Shop::open();
    let configuration = shop.configuration("");
    let prepare = |behaves| run(&mut shop.with_fake("prepare", &configuration, behaves, 1));
    let Ran { stderr, .. } = prepare("refuses").expect_code(3);
    assert!(stderr.contains("cannot build the model"), "{stderr}");
    assert!(shop.engines().is_empty());
    let Ran { stderr, .. } = prepare("").expect_code(0);
    assert!(stderr.contains("prepared"), "{stderr}");
    let cart = Running::start(&mut shop.with_fake("run", &configuration, "", 1));
    shop.observer.wait_state("online", |_| true);
    shop.wait_runs();
    assert!(!stop(cart).contains("building"));
    // Where there is no GPU to be had there is nothing to prepare.
    let mut plain = cartvisiond();
    let Ran { stderr, .. } = run(plain.args(["prepare", "--config"]).arg(&configuration)).expect_code(0);
    assert!(stderr.contains("nothing to prepare"), "{stderr}");
}

#[test]
fn a_bench_measures_the_gpu_that_the_cart_would_use() {
    let shop = Shop::open();
    let configuration = shop.configuration("");
    let bench = |behaves| {
        let mut program = shop.with_fake("bench", &configuration, behaves, 1);
        run(program.args(["--seconds", "1", "--pattern", "1"]))
    };
    // A cart would go on with its CPU; whoever measures wants to know.
    let Ran { stderr, .. } = bench("refuses").expect_code(3);
    assert!(stderr.contains("cannot build the model"), "{stderr}");
    let said: cartvision_wire::Bench = serde_json::from_str(&bench("").expect_code(0).stdout).unwrap();
    assert!(said.engine.as_str().starts_with("a fake of TensorRT on a fake GPU, "), "{said:?}");
    assert_eq!(shop.engines().len(), 2, "what was built is kept");
    assert!(shop.runs() >= said.engine_only.inferences + said.pipeline.pictures, "{said:?}");
    let said: cartvision_wire::Bench = serde_json::from_str(&bench("none").expect_code(0).stdout).unwrap();
    assert!(said.engine.as_str().contains("on the CPU") && said.fallback.is_some(), "{said:?}");
}

#[test]
fn the_cpu_stands_in_and_the_state_says_why() {
    let shop = Shop::open();
    let best = shop.configuration("");
    let wanted = {
        let text =
            fs::read_to_string(&best).unwrap().replace("threads = 1", "threads = 1\nengine = 'tensorrt'");
        let file = shop.bench.write("wanted.toml", text);
        move || file.clone()
    };
    let junk = shop.bench.write("junk.so", "no library at all");
    let mut without = cartvisiond();
    without.args(["run", "--config"]).arg(wanted());
    for (what, mut program, reason) in [
        (
            "no GPU",
            shop.with_fake("run", &best, "none", 1),
            "the CPU infers: the NVIDIA driver is there, but no GPU",
        ),
        ("no build", shop.with_fake("run", &best, "refuses", 1), "the CPU infers: it cannot build the model"),
        ("no library", with_shim("run", &best, &junk), "the CPU infers: "),
        ("not installed", without, "the CPU infers: model.engine is \\\"tensorrt\\\""),
    ] {
        let heard = shop.observer.messages().len();
        let mut cart = Running::start(&mut program);
        shop.observer.wait(what, |messages| {
            let mut states = messages[heard..].iter().filter(|m| m.topic == root().state()).map(|m| m.json());
            states
                .any(|s| s["status"] == "degraded" && s["reasons"].to_string().contains(reason))
                .then_some(())
        });
        // It works all the same.
        cart.wait_for_log(what, |log| {
            log.contains("the CPU infers instead") || log.contains("goes on inferring")
        });
        stop(cart);
    }
    assert_eq!(shop.runs(), 0);
}

/// A driver that has lost its GPU never gets it back.
#[test]
fn the_cpu_takes_over_from_a_gpu_that_fails() {
    let shop = Shop::open();
    let configuration = shop.configuration("");
    run(&mut shop.with_fake("prepare", &configuration, "", 1)).expect_code(0);
    let mut cart = Running::start(&mut shop.with_fake("run", &configuration, "breaks", 1));
    let state = shop.observer.wait_degraded("the CPU infers: the GPU fell off the bus");
    assert!(!state["reasons"].to_string().contains("gives no pictures"), "the camera is well: {state:#}");
    cart.wait_for_log("the change", |log| log.contains("the CPU infers from now on"));
    shop.observer.wait_state("degraded", |state| {
        let reasons = state["reasons"].to_string();
        reasons.contains("the CPU infers") && !reasons.contains("the detector fails")
    });
    let log = stop(cart);
    assert_eq!(log.matches("fell off the bus").count(), 2, "each is not told: {log}");
}

/// Out of memory, a fault in a driver: what ended the process may end the next one too.
#[test]
fn a_build_that_ends_the_cart_is_not_tried_for_ever() {
    let shop = Shop::open();
    let configuration = shop.configuration("");
    for _ in 0..3 {
        let ran = Running::start(&mut shop.with_fake("run", &configuration, "kills", 1)).end();
        assert_eq!(ran.code, None, "by a signal: {}", ran.stderr);
    }
    let cart = Running::start(&mut shop.with_fake("run", &configuration, "kills", 1));
    shop.observer.wait_degraded("building the engine for the GPU ended the cart 3 times");
    stop(cart);
    run(&mut shop.with_fake("prepare", &configuration, "", 1)).expect_code(0);
    let cart = Running::start(&mut shop.with_fake("run", &configuration, "", 1));
    shop.observer.wait_state("online", |_| true);
    shop.wait_runs();
    stop(cart);
}

#[test]
fn a_cart_stops_in_the_middle_of_a_build() {
    let shop = Shop::open();
    let configuration = shop.configuration("");
    let mut cart = Running::start(&mut shop.with_fake("run", &configuration, "slow", 1));
    cart.wait_for_log("the build", |log| log.contains("building it for the GPU"));
    shop.observer.wait_degraded("is being built");
    stop(cart);
    assert!(shop.engines().is_empty(), "nothing half done is kept, and it did not die: {:?}", shop.engines());
}

#[test]
fn told_to_leave_the_gpu_alone_it_does() {
    let shop = Shop::open();
    let configuration = shop.configuration("engine = 'cpu'");
    let checked = run(&mut shop.with_fake("check", &configuration, "", 1)).expect_code(0);
    assert!(checked.stdout.contains("left alone"), "{}", checked.stdout);
    let cart = Running::start(&mut shop.with_fake("run", &configuration, "", 1));
    shop.observer.wait_state("online", |_| true);
    stop(cart);
    assert_eq!(shop.runs(), 0);
    let wrong = shop.configuration("engine = 'gpu'");
    let refused = run(&mut shop.with_fake("check", &wrong, "", 1)).expect_code(2);
    assert!(
        refused.stderr.contains("model.engine = \"gpu\": give \"tensorrt\" or \"cpu\""),
        "{}",
        refused.stderr
    );
}

/// The real shim and a real TensorRT-RTX, where no driver is.
#[test]
fn a_tensorrt_without_a_driver_is_said() {
    if Path::new("/dev/nvidiactl").exists() {
        return;
    }
    let deps = repository().join(".deps/tensorrt");
    assert!(deps.join("made-of").exists(), "{} is missing; next: scripts/tensorrt", deps.display());
    let shop = Shop::open();
    let shim = shop.bench.at("real.so");
    let mut build = Command::new(repository().join("engines/tensorrt/build"));
    run(build.arg(&shim).args([deps.join("headers/TRT-RTX-1.7"), deps.join("cuda")])).expect_code(0);
    let configuration = shop.configuration("");
    let with_real = |command| {
        let mut program = with_shim(command, &configuration, &shim);
        program.env("CARTVISION_TENSORRT_LIBRARIES", deps.join("rtx-1.7"));
        program
    };
    let checked = run(&mut with_real("check")).expect_code(3);
    assert!(checked.stderr.contains("libcuda.so.1"), "{}", checked.stderr);
    assert!(checked.stdout.contains("FAILED  gpu"), "{}", checked.stdout);
    let cart = Running::start(&mut with_real("run"));
    shop.observer.wait_degraded("the CPU infers: there is no NVIDIA driver");
    stop(cart);
}
