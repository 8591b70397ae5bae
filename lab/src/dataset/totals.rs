//! Sessions added up: for the table of splits and the card.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

use serde::Serialize;

use super::survey::Summary;
use crate::recording::Split;

/// What some sessions come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Totals {
    pub(super) sessions: usize,
    pub(super) hours: f64,
    /// Of all cameras together.
    pub(super) frames: u64,
    /// Changes by kind.
    pub(super) changes: BTreeMap<String, usize>,
    pub(super) episodes: usize,
    /// Episodes without a change.
    pub(super) null_episodes: usize,
    /// Share of episodes that are null episodes; `None` without episodes.
    pub(super) null_share: Option<f64>,
    /// Episodes by act; an episode may hold several.
    pub(super) acts: BTreeMap<String, usize>,
    /// Sessions by style, light and difficulty.
    pub(super) styles: BTreeMap<String, usize>,
    pub(super) lights: BTreeMap<String, usize>,
    pub(super) difficulties: BTreeMap<String, usize>,
    /// How many different shoppers, and things in different looks.
    pub(super) shoppers: usize,
    pub(super) looks: usize,
}

impl Totals {
    pub(super) fn of<'a>(summaries: impl IntoIterator<Item = &'a Summary>) -> Self {
        let mut totals = Self::default();
        let (mut shoppers, mut looks) = (BTreeSet::new(), BTreeSet::new());
        let mut seconds = 0.0;
        for summary in summaries {
            totals.sessions += 1;
            seconds += summary.duration_s;
            totals.frames += summary.frames;
            add(&mut totals.changes, &summary.changes);
            totals.episodes += summary.episodes;
            totals.null_episodes += summary.null_episodes;
            add(&mut totals.acts, &summary.acts);
            *totals.styles.entry(summary.style.clone()).or_default() += 1;
            *totals.lights.entry(summary.light.clone()).or_default() += 1;
            *totals.difficulties.entry(format!("{:?}", summary.difficulty).to_lowercase()).or_default() += 1;
            shoppers.insert(&summary.shopper);
            looks.extend(&summary.instances);
        }
        totals.hours = seconds / 3600.0;
        totals.null_share =
            (totals.episodes > 0).then(|| totals.null_episodes as f64 / totals.episodes as f64);
        (totals.shoppers, totals.looks) = (shoppers.len(), looks.len());
        totals
    }
}

fn add(sum: &mut BTreeMap<String, usize>, more: &BTreeMap<String, usize>) {
    for (name, count) in more {
        *sum.entry(name.clone()).or_default() += count;
    }
}

/// The totals of each split that has sessions, and of those that have none.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct BySplit(pub(super) BTreeMap<String, Totals>);

impl BySplit {
    pub(super) fn of(summaries: &[Summary]) -> Self {
        let of = |split: Option<Split>| Totals::of(summaries.iter().filter(|summary| summary.split == split));
        let splits = Split::ALL.into_iter().map(|split| (split.name(), Some(split))).chain([("none", None)]);
        let totals = splits.map(|(name, split)| (name.to_owned(), of(split)));
        Self(totals.filter(|(_, totals)| totals.sessions > 0).collect())
    }
}

impl fmt::Display for BySplit {
    /// A Markdown table, which reads as text as well.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = String::from(
            "| split | sessions |  hours |   frames | changes | episodes |  null | shoppers | looks |\n\
             |-------|---------:|-------:|---------:|--------:|---------:|------:|---------:|------:|\n",
        );
        // Train first, though "test" comes first in the alphabet.
        let order = ["train", "val", "test", "none"];
        for (name, t) in order.iter().filter_map(|name| self.0.get_key_value(*name)) {
            let null = t.null_share.map_or("–".to_owned(), |share| format!("{:.0} %", share * 100.0));
            writeln!(
                table,
                "| {name:<5} | {:>8} | {:>6.2} | {:>8} | {:>7} | {:>8} | {null:>5} | {:>8} | {:>5} |",
                t.sessions,
                t.hours,
                t.frames,
                t.changes.values().sum::<usize>(),
                t.episodes,
                t.shoppers,
                t.looks
            )?;
        }
        f.write_str(&table)
    }
}
