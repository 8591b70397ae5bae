//! What really happened, read off the world: changes and episodes as the metric defines them.

use crate::act::Act;
use crate::director::Note;
use crate::world::{Kind, Motion, Thing, World, in_zone};

/// It must rest, or stay away, this long to count, seconds.
const LASTS: f32 = 0.3;
/// An episode ends when it has been quiet for this long, seconds.
const QUIET: f32 = 1.0;
/// How finely the world is looked at, seconds.
const STEP: f32 = 0.01;

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It came in.
    Added,
    /// It went out.
    Removed,
}

/// One item entered or left the basket region for good.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// In or out.
    pub kind: ChangeKind,
    /// Which thing: its place in [`crate::Simulation::instances`].
    pub thing: usize,
    /// When it started to move into or out of the zone, seconds.
    pub start: f32,
    /// When it had come to rest, or left, seconds.
    pub end: f32,
    /// The episode it belongs to.
    pub episode: usize,
}

/// From the first movement until it is quiet.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Seconds.
    pub start: f32,
    /// Seconds; with the second of quiet that ends it.
    pub end: f32,
    /// What was played in it.
    pub acts: Vec<Act>,
    /// How many changes it holds; none: a null episode.
    pub changes: usize,
}

/// What happened in a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// In order of their start.
    pub changes: Vec<Change>,
    /// In order.
    pub episodes: Vec<Episode>,
}

impl Truth {
    pub(crate) fn of(world: &World, notes: &[Note]) -> Self {
        let mut changes = Vec::new();
        for (thing, body) in world.things.iter().enumerate() {
            changes_of(world, thing, body, &mut changes);
        }
        changes.sort_by(|a, b| a.start.total_cmp(&b.start).then(a.thing.cmp(&b.thing)));
        let mut episodes: Vec<Episode> = Vec::new();
        let mut step = 0_u32;
        loop {
            let t = step as f32 * STEP;
            if t > world.duration {
                break;
            }
            step += 1;
            if !busy(world, t) {
                continue;
            }
            match episodes.last_mut() {
                // `end` is the last busy moment, for now.
                Some(last) if t - last.end < QUIET => last.end = t,
                _ => episodes.push(Episode { start: t, end: t, acts: Vec::new(), changes: 0 }),
            }
        }
        for episode in &mut episodes {
            let meets = |from: f32, to: f32| from <= episode.end && to >= episode.start;
            episode.acts = notes.iter().filter(|n| meets(n.from, n.to)).map(|n| n.act).collect();
        }
        for change in &mut changes {
            let home = episodes.iter().position(|e| change.start <= e.end && change.end >= e.start);
            if let Some(home) = home {
                change.episode = home;
                episodes[home].changes += 1;
                // The two were looked for in different steps.
                episodes[home].start = episodes[home].start.min(change.start);
            }
        }
        for episode in &mut episodes {
            episode.end = (episode.end + QUIET).min(world.duration);
        }
        Self { changes, episodes }
    }
}

/// Whether anything goes on in the basket region, or disturbs it.
fn busy(world: &World, t: f32) -> bool {
    let disturbed = world.disturbances.iter().any(|d| {
        let (from, to) = d.span();
        (from..=to).contains(&t)
    });
    disturbed
        || (0..2).any(|hand| in_zone(world.grasp(hand, t).point))
        || world
            .things
            .iter()
            .any(|thing| world.place(thing, t).is_some_and(|(placed, moves)| moves && in_zone(placed.middle)))
}

fn changes_of(world: &World, thing: usize, body: &Thing, changes: &mut Vec<Change>) {
    let inside = |t: f32| world.place(body, t).is_some_and(|(placed, _)| in_zone(placed.middle));
    // Rests that last; the first may be stock.
    let rests: Vec<(f32, f32)> = body
        .legs
        .iter()
        .filter(|l| matches!(l.motion, Motion::Resting(_)))
        .map(|l| (l.from, l.to.min(world.duration)))
        .filter(|(from, to)| to - from >= LASTS)
        .collect();
    let Some(first) = body.legs.first() else { return };
    let mut in_basket = matches!(first.motion, Motion::Resting(_)) && first.from <= 0.0;
    let mut change = |kind, start: f32, end: f32| {
        changes.push(Change { kind, thing, start, end, episode: 0 });
    };
    let mut moves_from = first.from;
    for (n, &(from, to)) in rests.iter().enumerate() {
        if !in_basket {
            // Back from the rest to where it came in.
            let mut start = from;
            while start - STEP >= moves_from && inside(start - STEP) {
                start -= STEP;
            }
            change(ChangeKind::Added, start, from);
            in_basket = true;
        }
        moves_from = to;
        let until = rests.get(n + 1).map_or(world.duration, |next| next.0);
        if to >= world.duration {
            break;
        }
        // The first time it stays out for long enough, before it rests again.
        let mut out_since: Option<f32> = None;
        let mut t = to;
        while t <= until {
            match (inside(t), out_since) {
                (true, _) => out_since = None,
                (false, None) => out_since = Some(t),
                (false, Some(since)) if t - since >= LASTS => {
                    change(ChangeKind::Removed, to, since);
                    in_basket = false;
                    break;
                }
                _ => {}
            }
            t += STEP;
        }
    }
}

/// The label of what is not in the catalogue.
pub const UNKNOWN: &str = "unknown";

impl Kind {
    pub(crate) fn product(self) -> Option<usize> {
        match self {
            Self::Product(i) => Some(i),
            Self::Stranger(_) => None,
        }
    }
}
