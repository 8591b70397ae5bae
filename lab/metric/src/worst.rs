//! The episodes that went worst: where to look first.

use crate::tally::Session;

/// A moment that is so far off, in seconds, is worth a look even where everything else is right (the metric's first
/// target for the mean).
const FAR_OFF: f64 = 0.3;
/// Around an act that lies in no episode, and around a change where the truth has no episodes; seconds.
const AROUND: f64 = 1.0;

/// A stretch of a session, with what went wrong in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// The place of its session.
    pub session: usize,
    /// Seconds.
    pub start: f64,
    /// Seconds.
    pub end: f64,
    /// The place of the episode, where there is one.
    pub episode: Option<usize>,
    /// Changes in it.
    pub changes: Vec<usize>,
    /// Acts in it.
    pub acts: Vec<usize>,
    /// Changes without a match.
    pub missed: usize,
    /// Acts that match no change.
    pub extra: usize,
    /// The largest |moment − end| of its matches, seconds.
    pub moment_error: f64,
}

impl Stretch {
    fn new(session: usize, start: f64, end: f64, episode: Option<usize>) -> Self {
        let (changes, acts) = (vec![], vec![]);
        Self { session, start, end, episode, changes, acts, missed: 0, extra: 0, moment_error: 0.0 }
    }

    /// Missed changes and extra acts.
    pub fn errors(&self) -> usize {
        self.missed + self.extra
    }
}

/// Stretches with an error or a moment far off, the worst first, at most `limit`.
pub fn worst(sessions: &[Session], limit: usize) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = sessions.iter().enumerate().flat_map(|(i, s)| stretches(i, s)).collect();
    all.retain(|s| s.errors() > 0 || s.moment_error > FAR_OFF);
    all.sort_by(|a, b| b.errors().cmp(&a.errors()).then(b.moment_error.total_cmp(&a.moment_error)));
    all.truncate(limit);
    all
}

/// The session's episodes; what lies outside them (or everything, where the truth has none) as stretches around
/// changes and acts, joined where they overlap.
fn stretches(place: usize, session: &Session) -> Vec<Stretch> {
    let episodes = session.truth.episodes.iter().enumerate();
    let mut within: Vec<Stretch> =
        episodes.map(|(i, e)| Stretch::new(place, e.start, e.end, Some(i))).collect();
    let mut outside: Vec<Stretch> = vec![];
    for (index, change, verdict) in session.changes() {
        let error = verdict.matched.map(|a| (session.log.acts[a].moment - change.end).abs());
        let mut own = Stretch::new(place, change.start - AROUND, change.end + AROUND, None);
        let stretch = change.episode.map_or(&mut own, |e| &mut within[e]);
        stretch.changes.push(index);
        stretch.missed += usize::from(error.is_none());
        stretch.moment_error = stretch.moment_error.max(error.unwrap_or(0.0));
        outside.extend(change.episode.is_none().then_some(own));
    }
    for (index, act, verdict) in session.acts() {
        let mut own = Stretch::new(place, act.moment - AROUND, act.moment + AROUND, None);
        let stretch = verdict.episode.map_or(&mut own, |e| &mut within[e]);
        stretch.acts.push(index);
        stretch.extra += usize::from(verdict.is_false());
        outside.extend(verdict.episode.is_none().then_some(own));
    }
    outside.sort_by(|a, b| a.start.total_cmp(&b.start));
    let mut joined: Vec<Stretch> = vec![];
    for next in outside {
        match joined.last_mut().filter(|last| next.start <= last.end) {
            Some(last) => last.join(next),
            None => joined.push(next),
        }
    }
    within.extend(joined);
    within
}

impl Stretch {
    fn join(&mut self, next: Self) {
        self.end = self.end.max(next.end);
        self.changes.extend(next.changes);
        self.acts.extend(next.acts);
        self.missed += next.missed;
        self.extra += next.extra;
        self.moment_error = self.moment_error.max(next.moment_error);
    }
}
