//! The programs under test, as a user starts them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// No test waits longer for a program, or for anything that one should do.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// How often something that cannot be waited for is looked at again.
const GLANCE: Duration = Duration::from_millis(10);

/// A program of this workspace, in the profile of the running test.
///
/// # Panics
/// When it was not built, or one of its sources (as cargo lists them beside it) is newer than it.
pub fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join(name);
    let built = modified(&program).unwrap_or_else(|| {
        panic!("{} is not built; run `make build` first", program.display());
    });
    // "program: source source …", with blanks in paths escaped.
    let listed = fs::read_to_string(profile.join(format!("{name}.d"))).unwrap_or_default();
    let (_, sources) = listed.split_once(": ").unwrap_or_default();
    for source in sources.replace("\\ ", "\0").split_whitespace() {
        let source = PathBuf::from(source.replace('\0', " "));
        if modified(&source).is_some_and(|changed| changed > built) {
            panic!("{} is older than {}; run `make build` first", program.display(), source.display());
        }
    }
    program
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// `cartvisiond`, without what the surroundings might tell it.
pub fn cartvisiond() -> Command {
    command("cartvisiond")
}

/// `cartlab`, likewise.
pub fn cartlab() -> Command {
    command("cartlab")
}

/// `cartctl`, likewise.
pub fn cartctl() -> Command {
    command("cartctl")
}

fn command(name: &str) -> Command {
    let mut command = Command::new(path(name));
    command.stdin(Stdio::null());
    for variable in ["CARTVISION_BROKER_PASSWORD", "RUST_LOG", "JOURNAL_STREAM", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command
}

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Asserts the exit code.
    ///
    /// # Panics
    /// With all that the program said.
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stderr:\n{}\nstdout:\n{}", self.stderr, self.stdout);
        self
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Ran {
    Running::start(command).end()
}

/// A program that runs; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    said: TempDir,
}

impl Running {
    /// Starts it. What it says goes to files, so that it never waits for a reader.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let said = TempDir::new().unwrap();
        let file = |name: &str| File::create(said.path().join(name)).unwrap();
        let child = command
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?} cannot be started: {e}; did `make setup` run?"));
        Self { child, said }
    }

    /// Its standard error so far.
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// Its standard output so far.
    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.said.path().join(name)).unwrap()).into_owned()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until its standard error satisfies `there`.
    ///
    /// # Panics
    /// When it ends before, or after [`PATIENCE`].
    pub fn wait_for_log(&mut self, what: &str, there: impl Fn(&str) -> bool) {
        wait_until(
            || {
                let ended = self.ended();
                let said = self.stderr();
                match ended {
                    _ if there(&said) => Some(()),
                    None => None,
                    Some(status) => panic!("ended ({status}) before its log had {what}:\n{said}"),
                }
            },
            || format!("the log had {what}"),
        );
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    pub fn wait(&mut self) -> ExitStatus {
        let said = self.said.path().join("stderr");
        let so_far = || fs::read_to_string(&said).unwrap_or_default();
        wait_until(|| self.child.try_wait().unwrap(), || format!("the program ended; it said:\n{}", so_far()))
    }

    /// Waits for its end and tells how it was.
    pub fn end(mut self) -> Ran {
        let status = self.wait();
        Ran { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Waits for something that nobody reports.
///
/// # Panics
/// After [`PATIENCE`].
pub fn wait_until<T>(mut there: impl FnMut() -> Option<T>, what: impl Fn() -> String) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited {} s until {}", PATIENCE.as_secs(), what());
        thread::sleep(GLANCE);
    }
}
