//! What splits must not share, and sessions divided so that they do not.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Error, survey::Summary};
use crate::recording::Split;

/// Something that two sessions have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Shared {
    /// The scene's seed.
    Seed(u64),
    /// A thing with one of its looks: id and variant.
    Instance(String, u32),
    /// One shopper's way of moving.
    Shopper(String),
    /// The same frames.
    Content(String),
}

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Seed(seed) => write!(f, "the seed {seed}"),
            Self::Instance(id, variant) => write!(f, "the item {id} in its look {variant}"),
            Self::Shopper(shopper) => write!(f, "the shopper {shopper}"),
            Self::Content(digest) => write!(f, "the same frames (SHA-256 {digest})"),
        }
    }
}

/// Two sessions of different splits that share something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Leak {
    pub(super) shared: Shared,
    pub(super) sessions: [String; 2],
    pub(super) splits: [Split; 2],
}

impl std::fmt::Display for Leak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ([a, b], [in_a, in_b]) = (&self.sessions, &self.splits);
        write!(f, "{a} ({in_a}) and {b} ({in_b}) share {}", self.shared)
    }
}

/// Everything about a session that no session of another split may have.
fn keys(summary: &Summary) -> Vec<Shared> {
    let instances = summary.instances.iter().map(|(id, variant)| Shared::Instance(id.clone(), *variant));
    let content = summary.content.iter().map(|digest| Shared::Content(digest.clone()));
    [Shared::Seed(summary.seed), Shared::Shopper(summary.shopper.clone())]
        .into_iter()
        .chain(instances)
        .chain(content)
        .collect()
}

/// Every leak: one for each thing that is shared and each pair of splits, with the first sessions that share it.
pub(super) fn find<'a>(summaries: impl IntoIterator<Item = &'a Summary>) -> Vec<Leak> {
    let mut owners: BTreeMap<Shared, BTreeMap<Split, &str>> = BTreeMap::new();
    for summary in summaries {
        let Some(split) = summary.split else { continue };
        for key in keys(summary) {
            owners.entry(key).or_default().entry(split).or_insert(&summary.name);
        }
    }
    let mut leaks = Vec::new();
    for (shared, owners) in owners {
        let owners: Vec<_> = owners.into_iter().collect();
        for (i, (in_a, a)) in owners.iter().enumerate() {
            for (in_b, b) in &owners[i + 1..] {
                leaks.push(Leak {
                    shared: shared.clone(),
                    sessions: [(*a).to_owned(), (*b).to_owned()],
                    splits: [*in_a, *in_b],
                });
            }
        }
    }
    leaks
}

/// An error when anything leaks.
pub(super) fn refuse<'a>(summaries: impl IntoIterator<Item = &'a Summary>) -> Result<(), Error> {
    let leaks = find(summaries);
    match leaks.first() {
        None => Ok(()),
        Some(leak) => Err(Error::Leaks { leak: leak.to_string(), count: leaks.len() }),
    }
}

/// Gives every session without a split one: sessions that share something, directly or by way of others, stay together;
/// the largest groups go first, each to the split that lacks most of its share.
pub(super) fn assign(summaries: &mut [Summary], shares: [f64; 3]) -> Result<(), Error> {
    let groups = groups(summaries);
    let total: f64 = summaries.len() as f64;
    let mut filled = [0.0; 3];
    let mut open = Vec::new();
    for group in groups {
        let given = group.iter().find_map(|i| summaries[*i].split);
        match given {
            Some(split) => take(summaries, &group, split, &mut filled),
            None => open.push(group),
        }
    }
    // Stable: of equal groups the one with the first session goes first, so that the same set is divided the same way.
    open.sort_by_key(|group| std::cmp::Reverse(group.len()));
    if open.is_empty() {
        // All carry their splits, and need not fill every one of them.
        return Ok(());
    }
    let largest = open.first().map_or(0, Vec::len);
    let asked: Vec<Split> = Split::ALL.into_iter().filter(|split| shares[*split as usize] > 0.0).collect();
    for (done, group) in open.iter().enumerate() {
        let empty = |split: &Split| filled[*split as usize] == 0.0;
        // The last groups are for splits that would stay empty.
        let scarce = open.len() - done <= asked.iter().filter(|split| empty(split)).count();
        let lacks = |split: &Split| shares[*split as usize] - filled[*split as usize] / total;
        let choice = asked.iter().filter(|split| !scarce || empty(split)).max_by(|a, b| {
            // Of two that lack as much, the earlier one.
            lacks(a).total_cmp(&lacks(b)).then(b.cmp(a))
        });
        if let Some(split) = choice {
            take(summaries, group, *split, &mut filled);
        }
    }
    match asked.iter().find(|split| filled[**split as usize] == 0.0) {
        None => Ok(()),
        Some(split) => {
            let reason = format!(
                "{split} would be empty; of {} sessions, {largest} hang together by a seed, a look or a shopper that \
                 they share",
                summaries.len()
            );
            Err(Error::Indivisible { reason })
        }
    }
}

fn take(summaries: &mut [Summary], group: &[usize], split: Split, filled: &mut [f64; 3]) {
    for i in group {
        // A session that has another split already keeps it: a leak, which is looked for afterwards.
        let split = *summaries[*i].split.get_or_insert(split);
        filled[split as usize] += 1.0;
    }
}

/// The sessions in groups that share nothing with each other, each ordered, by their first.
fn groups(summaries: &[Summary]) -> Vec<Vec<usize>> {
    // A forest in an array: each session points to one of its group, the root to itself.
    let mut parent: Vec<usize> = (0..summaries.len()).collect();
    fn root(parent: &[usize], mut i: usize) -> usize {
        while parent[i] != i {
            i = parent[i];
        }
        i
    }
    let mut owners = BTreeMap::new();
    for (i, summary) in summaries.iter().enumerate() {
        for key in keys(summary) {
            let other = *owners.entry(key).or_insert(i);
            let (a, b) = (root(&parent, i), root(&parent, other));
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for i in 0..summaries.len() {
        groups.entry(root(&parent, i)).or_default().push(i);
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests;
