//! Where frames wait to be taken: one slot per camera, one lock, and the numbers that put results in order.
//!
//! Bound: one frame per camera. Live, a new frame replaces an unread one and `dropped` counts it; losslessly the
//! producer waits and nothing is dropped. It knows nothing of GStreamer.
//!
//! Where takers cannot follow, live cameras share what there is evenly: the one whose last frame was taken longest ago
//! is next, whatever the rates at which they come. A limit on the rate holds for each camera.
//!
//! Lock order: there is one lock, and nothing is called while it is held.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use cartvision_core::{CameraId, MediaTime, Span};

use crate::error::{Fault, Size};

/// After an error, how long a replay waits for the frames that were decoded before it. They are a few and on
/// their way; the end of the stream usually arrives first and settles it.
const LAST_FRAMES_WITHIN: Duration = Duration::from_secs(1);

/// No limit on the rate has frames wait for so long.
const CLOCK_JUMP: Span = Span::from_ms(10_000);

/// A frame in its slot.
struct Fresh<T> {
    index: u64,
    at: MediaTime,
    payload: T,
}

/// Where one camera's stream of frames stands:
///
/// ```text
/// Awaited ──frame──► Flowing ──error, replay──► Doomed
///    │ └──error, end, too late──┐ │ error, end,   │ end, frames stay out
///    └───────frame              ▼ ▼ silent (live) │
///                             Closing ◄───────────┘
///                                └──told──► Closed ──reopened──► Awaited
/// ```
enum Feed<T> {
    /// No frame yet.
    Awaited { since: Instant, until: Instant },
    /// Frames come.
    Flowing { fresh: Option<Fresh<T>>, since: Instant },
    /// The source has failed, but good frames may still be on their way.
    Doomed { fresh: Option<Fresh<T>>, fault: Fault, until: Instant },
    /// No further frame will come; nobody has been told.
    Closing { fresh: Option<Fresh<T>>, how: Result<(), Fault> },
    /// The end was told.
    Closed,
}

/// One camera's feed and figures.
struct Post<T> {
    feed: Feed<T>,
    /// Which opening of the camera this is: a graph that was given up cannot disturb its successor.
    run: u32,
    arrived: u64,
    /// How long the first frame may take, and every next one.
    patience: (Duration, Duration),
    tally: Tally,
    last_at: Option<MediaTime>,
    /// The ticket of the frame that was given last.
    given: Option<u64>,
    /// Under a limit: frames before this are not given.
    due: MediaTime,
}

impl<T> Post<T> {
    /// The frame that waits, unless a limit has it wait for a later one. The last frame of all is given anyway.
    fn fresh(&self) -> Option<&Fresh<T>> {
        match &self.feed {
            // Far before it: the camera's clock was set back, and no later frame would do.
            Feed::Flowing { fresh, .. } => {
                fresh.as_ref().filter(|fresh| fresh.at >= self.due || fresh.at + CLOCK_JUMP < self.due)
            }
            Feed::Doomed { fresh, .. } | Feed::Closing { fresh, .. } => fresh.as_ref(),
            Feed::Awaited { .. } | Feed::Closed => None,
        }
    }
}

/// One camera's figures since the set was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub delivered: u64,
    pub dropped: u64,
    /// Mean distance of frames, a moving average over about 16; 0 before the second.
    pub interval_ns: f64,
    pub sizes: Option<Sizes>,
}

/// The sizes of one camera's pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sizes {
    /// As the source shows them.
    pub source: Size,
    /// As they are handed over.
    pub fitted: Size,
}

struct State<T> {
    posts: Vec<Post<T>>,
    tickets: u64,
    stopped: bool,
    /// The least mean distance of one camera's frames; live.
    spacing: Span,
}

/// The slots of all cameras.
pub(crate) struct Board<T> {
    /// Producers wait for room, takers for a frame of every camera.
    lossless: bool,
    state: Mutex<State<T>>,
    /// Something to take.
    news: Condvar,
    /// A slot became free.
    room: Condvar,
}

/// What a producer learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    Kept,
    /// Nobody wants this graph's frames any more.
    Unwanted,
}

/// What a taker gets.
#[derive(Debug, PartialEq)]
pub(crate) enum Took<T> {
    Frame { ticket: u64, camera: CameraId, index: u64, at: MediaTime, payload: T },
    Closed { ticket: u64, camera: CameraId, run: u32, how: Result<(), Fault> },
    Idle,
    Over,
}

impl<T> Board<T> {
    /// A board of as many cameras as `patience` has entries (how long the first frame may take, and every next one),
    /// all awaited from now on.
    pub fn new(lossless: bool, patience: &[(Duration, Duration)]) -> Self {
        let since = Instant::now();
        let awaited = |patience: &(Duration, Duration)| Post {
            feed: Feed::Awaited { since, until: since + patience.0 },
            run: 0,
            arrived: 0,
            patience: *patience,
            tally: Tally::default(),
            last_at: None,
            given: None,
            due: MediaTime::ZERO,
        };
        let posts = patience.iter().map(awaited).collect();
        Self {
            lossless,
            state: Mutex::new(State { posts, tickets: 0, stopped: false, spacing: Span::ZERO }),
            news: Condvar::new(),
            room: Condvar::new(),
        }
    }

    /// A frame of `camera`. Losslessly it waits until the slot is free.
    pub fn put(&self, camera: CameraId, run: u32, at: MediaTime, payload: T) -> Put {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return Put::Unwanted;
            }
            let post = &mut state.posts[camera.index()];
            if post.run != run {
                return Put::Unwanted;
            }
            if matches!(post.feed, Feed::Awaited { .. }) {
                post.feed = Feed::Flowing { fresh: None, since: Instant::now() };
            }
            let slot = match &mut post.feed {
                Feed::Flowing { fresh, since } => {
                    *since = Instant::now();
                    fresh
                }
                Feed::Doomed { fresh, until, .. } => {
                    *until = Instant::now() + LAST_FRAMES_WITHIN;
                    fresh
                }
                Feed::Awaited { .. } | Feed::Closing { .. } | Feed::Closed => return Put::Unwanted,
            };
            if self.lossless && slot.is_some() {
                state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let index = post.arrived;
            if slot.replace(Fresh { index, at, payload }).is_some() {
                post.tally.dropped += 1;
            }
            post.arrived += 1;
            if let Some(last) = post.last_at.replace(at) {
                let ns = at.since(last).ns as f64;
                let mean = &mut post.tally.interval_ns;
                *mean = if *mean == 0.0 { ns } else { *mean + (ns - *mean) / 16.0 };
            }
            self.news.notify_all();
            return Put::Kept;
        }
    }

    /// `camera` gives no further frame: it ended, or failed. The first to say so is believed.
    pub fn close(&self, camera: CameraId, run: u32, how: Result<(), Fault>) {
        self.change(camera, run, |feed| match feed {
            Feed::Awaited { .. } => Feed::Closing { fresh: None, how },
            Feed::Flowing { fresh, .. } => Feed::Closing { fresh, how },
            Feed::Doomed { fresh, fault, .. } => Feed::Closing { fresh, how: Err(fault) },
            done => done,
        });
    }

    /// `camera` has failed; in a replay, frames before the failure are still taken.
    pub fn doom(&self, camera: CameraId, run: u32, fault: Fault) {
        if !self.lossless {
            return self.close(camera, run, Err(fault));
        }
        let until = Instant::now() + LAST_FRAMES_WITHIN;
        self.change(camera, run, |feed| match feed {
            Feed::Awaited { .. } => Feed::Doomed { fresh: None, fault, until },
            Feed::Flowing { fresh, .. } => Feed::Doomed { fresh, fault, until },
            done => done,
        });
    }

    /// `camera`'s frames have these sizes.
    pub fn sized(&self, camera: CameraId, run: u32, sizes: Sizes) {
        let post = &mut self.lock().posts[camera.index()];
        if post.run == run {
            post.tally.sizes = Some(sizes);
        }
    }

    /// Awaits `camera` anew, for another graph; gives the number of its run, or `None` while it is not closed.
    pub fn reopen(&self, camera: CameraId) -> Option<u32> {
        let mut state = self.lock();
        let post = &mut state.posts[camera.index()];
        if !matches!(post.feed, Feed::Closed) {
            return None;
        }
        let since = Instant::now();
        post.feed = Feed::Awaited { since, until: since + post.patience.0 };
        post.due = MediaTime::ZERO;
        post.run += 1;
        Some(post.run)
    }

    /// From now on each live camera's frames are given at least so far apart, on average; [`Span::ZERO`]: as they come.
    pub fn space(&self, spacing: Span) {
        let mut state = self.lock();
        state.spacing = spacing;
        state.posts.iter_mut().for_each(|post| post.due = MediaTime::ZERO);
        drop(state);
        self.news.notify_all();
    }

    /// Nobody waits any longer, neither here nor in a graph.
    pub fn stop(&self) {
        self.lock().stopped = true;
        self.news.notify_all();
        self.room.notify_all();
    }

    /// Waits until every camera has given a frame; the first that will not is the error.
    pub fn all_flowing(&self) -> Result<(), (CameraId, Fault)> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            state.expire(now, self.lossless);
            let mut next = None;
            for (camera, post) in CameraId::all().zip(&mut state.posts) {
                match &mut post.feed {
                    Feed::Awaited { until, .. } | Feed::Doomed { fresh: None, until, .. } => {
                        next = earlier(next, *until);
                    }
                    Feed::Closing { fresh: None, how } => {
                        let waited = Duration::ZERO;
                        let how = std::mem::replace(how, Ok(()));
                        return Err((camera, how.err().unwrap_or(Fault::NoFrame { waited })));
                    }
                    _ => {}
                }
            }
            let Some(next) = next else { return Ok(()) };
            state = self.wait(state, next.saturating_duration_since(now));
        }
    }

    /// The next thing to handle, in the order of the tickets; waits for it up to `timeout`.
    pub fn take(&self, timeout: Duration) -> Took<T> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            if state.stopped {
                return Took::Over;
            }
            let now = Instant::now();
            let expiry = state.expire(now, self.lossless);
            match state.next(self.lossless) {
                Next::Frame(camera) => {
                    if let Some(took) = state.give(camera) {
                        self.room.notify_all();
                        // What is left may be another taker's.
                        self.news.notify_one();
                        return took;
                    }
                }
                Next::Close(camera) => {
                    if let Some(took) = state.tell(camera) {
                        self.news.notify_all();
                        return took;
                    }
                }
                Next::Over => return Took::Over,
                Next::Nothing => {}
            }
            if now >= deadline {
                return Took::Idle;
            }
            let until = expiry.map_or(deadline, |e| e.min(deadline));
            state = self.wait(state, until.saturating_duration_since(now));
        }
    }

    /// `camera`'s figures.
    pub fn tally(&self, camera: CameraId) -> Tally {
        self.lock().posts[camera.index()].tally
    }

    fn change(&self, camera: CameraId, run: u32, step: impl FnOnce(Feed<T>) -> Feed<T>) {
        let mut state = self.lock();
        let post = &mut state.posts[camera.index()];
        if post.run == run {
            post.feed = step(std::mem::replace(&mut post.feed, Feed::Closed));
        }
        drop(state);
        self.news.notify_all();
        self.room.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Every change leaves the state whole, so a panic elsewhere does no harm here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>, timeout: Duration) -> MutexGuard<'a, State<T>> {
        self.news.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
    }
}

enum Next {
    Frame(CameraId),
    Close(CameraId),
    Over,
    Nothing,
}

impl<T> State<T> {
    /// Closes what is too late at `now`; gives the moment at which the next would be.
    fn expire(&mut self, now: Instant, lossless: bool) -> Option<Instant> {
        let mut next = None;
        for post in &mut self.posts {
            match &mut post.feed {
                Feed::Awaited { since, until } if *until <= now => {
                    let waited = *until - *since;
                    post.feed = Feed::Closing { fresh: None, how: Err(Fault::NoFrame { waited }) };
                }
                Feed::Doomed { fresh: None, fault, until } if *until <= now => {
                    post.feed = Feed::Closing { fresh: None, how: Err(fault.clone()) };
                }
                Feed::Flowing { fresh, since } if !lossless => {
                    let (_, waited) = post.patience;
                    if *since + waited <= now {
                        let fresh = fresh.take();
                        post.feed = Feed::Closing { fresh, how: Err(Fault::Silent { waited }) };
                    } else {
                        next = earlier(next, *since + waited);
                    }
                }
                Feed::Awaited { until, .. } | Feed::Doomed { fresh: None, until, .. } => {
                    next = earlier(next, *until);
                }
                _ => {}
            }
        }
        next
    }

    /// What comes next. Losslessly nothing does until it is known of every camera what it gives next: only then
    /// does the order depend on the recordings alone.
    fn next(&self, lossless: bool) -> Next {
        let (mut first, mut closing, mut unknown, mut open) = (None, None, false, false);
        for (camera, post) in CameraId::all().zip(&self.posts) {
            open |= !matches!(post.feed, Feed::Closed);
            if let Some(fresh) = post.fresh() {
                let waiting = (post.given.filter(|_| !lossless), fresh.at, camera);
                first = Some(first.map_or(waiting, |first| waiting.min(first)));
            }
            match &post.feed {
                Feed::Closing { fresh: None, .. } => closing = closing.or(Some(camera)),
                Feed::Flowing { fresh: Some(_), .. }
                | Feed::Doomed { fresh: Some(_), .. }
                | Feed::Closing { fresh: Some(_), .. } => {}
                Feed::Awaited { .. }
                | Feed::Flowing { fresh: None, .. }
                | Feed::Doomed { fresh: None, .. } => {
                    unknown = true;
                }
                Feed::Closed => {}
            }
        }
        match (closing, first) {
            _ if !open => Next::Over,
            _ if lossless && unknown => Next::Nothing,
            (Some(camera), _) => Next::Close(camera),
            (None, Some((.., camera))) => Next::Frame(camera),
            (None, None) => Next::Nothing,
        }
    }

    fn give(&mut self, camera: CameraId) -> Option<Took<T>> {
        let ticket = self.tickets;
        let post = &mut self.posts[camera.index()];
        let fresh = match &mut post.feed {
            Feed::Flowing { fresh, .. } | Feed::Doomed { fresh, .. } | Feed::Closing { fresh, .. } => fresh,
            Feed::Awaited { .. } | Feed::Closed => return None,
        };
        let Fresh { index, at, payload } = fresh.take()?;
        post.tally.delivered += 1;
        post.given = Some(ticket);
        post.due = match self.spacing {
            Span::ZERO => MediaTime::ZERO,
            _ if at + CLOCK_JUMP < post.due => at,
            // What was missed is not made up for.
            spacing => (post.due + spacing).max(at),
        };
        if let Feed::Doomed { until, .. } = &mut post.feed {
            *until = Instant::now() + LAST_FRAMES_WITHIN;
        }
        Some(Took::Frame { ticket: self.ticket(), camera, index, at, payload })
    }

    fn tell(&mut self, camera: CameraId) -> Option<Took<T>> {
        let post = &mut self.posts[camera.index()];
        let run = post.run;
        match std::mem::replace(&mut post.feed, Feed::Closed) {
            Feed::Closing { how, .. } => Some(Took::Closed { ticket: self.ticket(), camera, run, how }),
            other => {
                post.feed = other;
                None
            }
        }
    }

    fn ticket(&mut self) -> u64 {
        let ticket = self.tickets;
        self.tickets += 1;
        ticket
    }
}

fn earlier(a: Option<Instant>, b: Instant) -> Option<Instant> {
    Some(a.map_or(b, |a| a.min(b)))
}

#[cfg(test)]
mod tests;
