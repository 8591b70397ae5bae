//! Sessions through `cartvisiond replay`, as children: what is measured is the very program that runs on a cart.

use std::{
    env, fs,
    num::NonZero,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use cartvision_engines::{Bundle, bundle::Digest};

use super::clip::{Clip, Zones};
use super::report::Source;
use super::{Arguments, Error, program};
use crate::halt::Halt;
use crate::progress::Progress;

/// How much of what a failed replay said is shown.
const SAID_LINES: usize = 20;

/// What all replays have in common.
pub(super) struct Replays<'a> {
    program: PathBuf,
    program_sha256: Digest,
    bundle: &'a Bundle,
    cache: PathBuf,
    jobs: usize,
    threads: usize,
    classifier: Option<&'a str>,
    halt: &'a Halt,
}

impl<'a> Replays<'a> {
    pub(super) fn prepare(
        arguments: &'a Arguments,
        bundle: &'a Bundle,
        halt: &'a Halt,
    ) -> Result<Self, Error> {
        let program = program::find()?;
        let program_sha256 = program::sha256(&program)?;
        let cache = arguments.cache.clone().or_else(default_cache).ok_or(Error::NoCache)?;
        // Replays run in this directory too, but it costs nothing to be sure.
        let unwritable = |reason| Error::Unwritable { path: cache.clone(), reason };
        fs::create_dir_all(&cache).map_err(unwritable)?;
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let jobs = arguments.jobs.map_or(cores.min(2), usize::from);
        let classifier = arguments.classifier.as_deref();
        let threads = (cores / jobs).max(1);
        Ok(Self { program, program_sha256, bundle, cache, jobs, threads, classifier, halt })
    }

    /// Where events come from, for the report's head.
    pub(super) fn source(&self) -> Source {
        Source::Bundle {
            identity: self.bundle.identity(),
            directory: self.bundle.directory().to_owned(),
            digest: self.bundle.digest().to_string(),
            cartvisiond: self.program.clone(),
            cartvisiond_sha256: self.program_sha256.to_string(),
        }
    }

    /// Replays every clip; the events of each are `events/NAME.jsonl`, and what the core asked is
    /// `questions/NAME.jsonl`. The first failure ends it, once those that run
    /// beside it are through.
    pub(super) fn run(&self, clips: &[Clip], events: &Path, questions: &Path) -> Result<(), Error> {
        let next = AtomicUsize::new(0);
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        let progress = Progress::new("replay", clips.len());
        let work = || {
            while let Some(clip) = clips.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcome = self.replay(clip, events, questions);
                progress.step(&clip.name);
                if let Err(error) = outcome {
                    // The others take no more.
                    next.store(clips.len(), Ordering::Relaxed);
                    if let Ok(mut failed) = failed.lock() {
                        failed.get_or_insert(error);
                    }
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.jobs.min(clips.len()) {
                scope.spawn(work);
            }
        });
        match failed.into_inner() {
            Ok(None) => Ok(()),
            Ok(Some(error)) => Err(error),
            Err(poisoned) => poisoned.into_inner().map_or(Ok(()), Err),
        }
    }

    fn replay(&self, clip: &Clip, events: &Path, questions: &Path) -> Result<(), Error> {
        self.halt.check()?;
        let mut command = Command::new(&self.program);
        command.arg("replay").arg("--bundle").arg(self.bundle.directory());
        for (name, file) in &clip.cameras {
            let mut pair = std::ffi::OsString::from(format!("{name}="));
            pair.push(file);
            command.arg("--camera").arg(pair);
        }
        // Held until the replay is through.
        let mut part = None;
        match &clip.zones {
            Zones::None => {}
            Zones::File(file) => _ = command.arg("--zones").arg(file),
            Zones::Part(text) => {
                let unwritable = |reason| Error::Unwritable { path: events.to_owned(), reason };
                let file = tempfile::NamedTempFile::new().map_err(unwritable)?;
                fs::write(file.path(), text).map_err(unwritable)?;
                command.arg("--zones").arg(file.path());
                part = Some(file);
            }
        }
        command.arg("--events").arg(events.join(format!("{}.jsonl", clip.name)));
        command.arg("--questions").arg(questions.join(format!("{}.jsonl", clip.name)));
        command.arg("--inputs").arg(self.inputs(clip)?);
        if let Some(classifier) = self.classifier {
            command.arg("--classifier").arg(classifier);
        }
        command.arg("--threads").arg(self.threads.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let ran =
            command.output().map_err(|reason| Error::NotStarted { program: self.program.clone(), reason })?;
        drop(part);
        // At a terminal the child hears Ctrl-C too, and its failure is ours.
        self.halt.check()?;
        if ran.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ran.stderr);
        let lines: Vec<&str> = said.lines().collect();
        Err(Error::Replay {
            session: clip.name.clone(),
            status: ran.status.to_string(),
            usage: ran.status.code() == Some(2),
            said: lines[lines.len().saturating_sub(SAID_LINES)..].join("\n"),
        })
    }

    /// Where what the bundle sees in a recording is kept; whatever changes what it sees changes the name. What was
    /// kept of more of the session's cameras serves too: it begins with these.
    fn inputs(&self, clip: &Clip) -> Result<PathBuf, Error> {
        let mut key = format!("{} {}", self.bundle.identity(), self.bundle.detector_digest());
        let mut own = self.cache.clone();
        for (place, (name, file)) in clip.cameras.iter().chain(&clip.unused).enumerate() {
            // Names hold no line end, digests are of one length: no two lists give the same text.
            key += &format!("\n{name}\n{}", program::sha256(file)?);
            let inputs = self.cache.join(format!("{}.jsonl", Digest::of(key.as_bytes())));
            let cameras = place + 1;
            if cameras >= clip.cameras.len() && inputs.exists() {
                return Ok(inputs);
            }
            if cameras == clip.cameras.len() {
                own = inputs;
            }
        }
        Ok(own)
    }
}

/// `$XDG_CACHE_HOME/cartvision/inputs`, else `~/.cache/cartvision/inputs`.
fn default_cache() -> Option<PathBuf> {
    // The specification has relative paths ignored.
    let absolute =
        |variable: &str| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(home.join("cartvision/inputs"))
}
