//! Who changes the states of one camera's graph, on a thread of its own: that waits for devices and drivers, and some
//! of them hang for good (one failing CSI sensor is known to hang Argus).

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use cartvision_core::CameraId;

use crate::{
    board::Board,
    error::Fault,
    graph::Graph,
    port::{Epoch, Newest, Port, Shot},
    settings::{CameraSettings, Pace},
};

/// How often it is looked whether one has left.
const GLANCE: Duration = Duration::from_millis(5);

/// What is asked of an attendant; each number is that of the camera's opening it is about. Of each kind the newest
/// counts, so that nothing piles up while a driver hangs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Wishes {
    /// The camera is closed: give its device back.
    retire: Option<u32>,
    /// Open the camera.
    open: Option<u32>,
    /// Play the file from its start again.
    rewind: Option<u32>,
    /// The set is gone.
    leave: bool,
}

/// Where wishes lie until the attendant has time.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    wishes: Mutex<Wishes>,
    changed: Condvar,
}

impl Desk {
    pub fn open(&self, run: u32) {
        self.wish(|wishes| wishes.open = Some(run));
    }

    pub fn rewind(&self, run: u32) {
        self.wish(|wishes| wishes.rewind = Some(run));
    }

    pub fn retire(&self, run: u32) {
        self.wish(|wishes| wishes.retire = Some(run));
    }

    fn wish(&self, set: impl FnOnce(&mut Wishes)) {
        set(&mut self.lock());
        self.changed.notify_one();
    }

    /// Waits for wishes.
    fn take(&self) -> Wishes {
        let none = |wishes: &mut Wishes| *wishes == Wishes::default();
        let mut wishes = self.changed.wait_while(self.lock(), none).unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *wishes)
    }

    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One camera's attendant.
pub(crate) struct Attendant {
    pub desk: Arc<Desk>,
    thread: JoinHandle<()>,
}

impl Attendant {
    /// Opens the camera for the first time, and waits for wishes.
    pub fn start(
        camera: CameraId,
        settings: CameraSettings,
        pace: Pace,
        board: &Arc<Board<Shot>>,
        epoch: &Epoch,
        newest: &Newest,
    ) -> Result<Self, Fault> {
        let desk = Arc::new(Desk::default());
        desk.open(0);
        let (board, epoch, newest) = (board.clone(), epoch.clone(), newest.clone());
        let post = Post { camera, settings, pace, board, epoch, desk: desk.clone(), newest };
        let thread = thread::Builder::new()
            .name("capture".into())
            .spawn(move || post.attend())
            .map_err(|e| Fault::Settings(format!("cannot start a thread: {e}; raise the limit on tasks")))?;
        Ok(Self { desk, thread })
    }

    /// Sends it away.
    pub fn dismiss(&self) {
        self.desk.wish(|wishes| wishes.leave = true);
    }

    /// Whether it has left by then; one that has not is left behind.
    pub fn has_left(self, by: Instant) -> bool {
        while !self.thread.is_finished() {
            if Instant::now() >= by {
                return false;
            }
            thread::sleep(GLANCE);
        }
        self.thread.join().is_ok()
    }
}

/// What an attendant knows.
struct Post {
    camera: CameraId,
    settings: CameraSettings,
    pace: Pace,
    board: Arc<Board<Shot>>,
    epoch: Epoch,
    desk: Arc<Desk>,
    newest: Newest,
}

impl Post {
    fn attend(&self) {
        let mut graph: Option<Graph> = None;
        loop {
            let Wishes { retire, open, rewind, leave } = self.desk.take();
            if leave {
                return;
            }
            if let Some(graph) = graph.as_ref().filter(|g| Some(g.run()) == retire) {
                graph.retire();
            }
            if let Some(run) = open {
                // The old graph gives its device back before the new one asks for it.
                drop(graph.take());
                match self.open(run) {
                    Ok(opened) => graph = Some(opened),
                    Err(fault) => self.board.close(self.camera, run, Err(fault)),
                }
            }
            if let Some(graph) = graph.as_ref().filter(|g| Some(g.run()) == rewind) {
                graph.rewind();
            }
        }
    }

    fn open(&self, run: u32) -> Result<Graph, Fault> {
        let (board, epoch) = (self.board.clone(), self.epoch.clone());
        let told = (self.desk.clone(), self.newest.clone());
        let port = Port::new(board, (self.camera, run), &self.settings, self.pace, epoch, told);
        let graph = Graph::build(&self.settings, self.pace, port)?;
        graph.play();
        Ok(graph)
    }
}
