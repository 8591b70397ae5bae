//! The report: everything that was measured, as JSON and as a page.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cartvision_metric::{
    Bin, Breakdown, Confusion, Estimate, Figure, MIN_SESSIONS, Outcome, RESAMPLES, Risk, Rule, SEED, Session,
    Twins, breakdowns, confusions, estimates, reliability, risk_coverage,
};
use serde::{Deserialize, Serialize};

use super::clip::Clip;
use super::comparison::{Comparison, Other};
use super::gates::Gate;
use super::sheets::{self, Sheet};
use super::{Arguments, Error, html};

/// The version of report.json.
pub(super) const FORMAT: u32 = 1;

/// What every report says first.
pub(super) const CAVEAT: &str = "Simulation, and single clips, certify nothing about a store: a store's acceptance \
    needs that store's recorded sessions.";

/// Where the events come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Source {
    /// A bundle, by `cartvisiond replay`.
    Bundle {
        identity: String,
        directory: PathBuf,
        /// Of bundle.toml, which names the digests of all its files.
        digest: String,
        cartvisiond: PathBuf,
        /// Which code it was, to the byte.
        cartvisiond_sha256: String,
    },
    /// Files that were there.
    Events { path: PathBuf },
    /// The truth's own boxes through the core, and whose temporal classifier answered; none: the analytic one.
    PerfectBoxes { classifier: Option<String> },
}

/// What it was measured on.
#[derive(Debug, Serialize)]
pub(super) struct Data {
    /// Sets, or the truth of a single clip.
    pub(super) from: Vec<PathBuf>,
    pub(super) sessions: usize,
    pub(super) recorded_hours: f64,
    pub(super) changes: u64,
    /// None where no truth has episodes.
    pub(super) null_episodes: Option<u64>,
    /// Sessions by split, difficulty and generator; `none` where that is not said.
    pub(super) splits: BTreeMap<String, usize>,
    pub(super) difficulties: BTreeMap<String, usize>,
    pub(super) generators: BTreeMap<String, usize>,
    /// Sessions by number of cameras.
    pub(super) cameras: BTreeMap<String, usize>,
}

/// How it was measured, so that it can be done again.
#[derive(Debug, Serialize)]
pub(super) struct Method {
    pub(super) cartlab: &'static str,
    pub(super) tolerance_s: f64,
    pub(super) decided_within_s: f64,
    pub(super) resamples: usize,
    pub(super) seed: u64,
    pub(super) min_sessions: usize,
}

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) format: u32,
    pub(super) caveat: &'static str,
    pub(super) source: Source,
    pub(super) data: Data,
    pub(super) method: Method,
    /// What a reader has to know besides.
    pub(super) notes: Vec<String>,
    pub(super) gates: Vec<Gate>,
    pub(super) figures: Vec<Estimate>,
    /// The figures as they would be without the cloud; only where the cloud was asked.
    pub(super) figures_before_cloud: Option<Vec<Estimate>>,
    pub(super) comparison: Option<Comparison>,
    pub(super) risk_coverage: Vec<Risk>,
    pub(super) reliability: Vec<Bin>,
    pub(super) breakdowns: Vec<Breakdown>,
    pub(super) confusions: Vec<Confusion>,
    pub(super) twins: Twins,
    pub(super) worst: Vec<Sheet>,
    pub(super) sessions: Vec<Outcome>,
}

impl Report {
    pub(super) fn new(
        arguments: &Arguments,
        clips: &[Clip],
        sessions: &[Session],
        source: Source,
        other: Option<Other>,
    ) -> Result<Self, Error> {
        let outcomes: Vec<Outcome> = sessions.iter().map(Session::outcome).collect();
        let comparison = other.map(|other| other.compare(&outcomes)).transpose()?;
        let figures = estimates(&outcomes, Figure::ALL);
        let asked: u64 = outcomes.iter().map(|outcome| outcome.tally.escalated).sum();
        let figures_before_cloud = (asked > 0).then(|| {
            let before = sessions.iter().map(|s| s.without_cloud(Rule::default()).outcome());
            estimates(&before.collect::<Vec<_>>(), Figure::ALL)
        });
        let decisions: Vec<_> = outcomes.iter().flat_map(|o| o.decisions.iter().copied()).collect();
        let (mut labels, mut families) = (BTreeMap::new(), BTreeMap::new());
        for clip in clips {
            labels.extend(clip.labels.clone());
            families.extend(clip.families.clone());
        }
        let (confusions, twins) = confusions(sessions, &families);
        let mut notes = notes(sessions, &outcomes);
        let worst = sheets::of(clips, sessions, arguments.worst, &mut notes);
        let from = match &arguments.truth {
            Some(truth) => vec![truth.clone()],
            None => arguments.sessions.clone(),
        };
        let rule = Rule::default();
        Ok(Self {
            format: FORMAT,
            caveat: CAVEAT,
            source,
            data: data(from, clips, sessions, &outcomes),
            method: Method {
                cartlab: env!("CARGO_PKG_VERSION"),
                tolerance_s: rule.tolerance,
                decided_within_s: rule.decided_within,
                resamples: RESAMPLES,
                seed: SEED,
                min_sessions: MIN_SESSIONS,
            },
            notes,
            gates: arguments.gates.judge(&figures),
            figures,
            figures_before_cloud,
            comparison,
            risk_coverage: risk_coverage(&decisions),
            reliability: reliability(&decisions),
            breakdowns: breakdowns(sessions, &labels),
            confusions,
            twins,
            worst,
            sessions: outcomes,
        })
    }

    /// The gates that were missed.
    pub(super) fn missed(&self) -> impl Iterator<Item = &Gate> {
        self.gates.iter().filter(|gate| !gate.held)
    }

    /// Writes `report.json` and `index.html`.
    pub(super) fn write(&self, place: &Path) -> Result<(), Error> {
        let json = serde_json::to_string_pretty(self).map_err(Error::Json)?;
        for (name, content) in [("report.json", json), ("index.html", html::page(self))] {
            let path = place.join(name);
            fs::write(&path, content).map_err(|reason| Error::Unwritable { path, reason })?;
        }
        Ok(())
    }
}

fn data(from: Vec<PathBuf>, clips: &[Clip], sessions: &[Session], outcomes: &[Outcome]) -> Data {
    let count = |of: &dyn Fn(&Clip) -> Option<String>| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for clip in clips {
            *counts.entry(of(clip).unwrap_or_else(|| "none".to_owned())).or_default() += 1;
        }
        counts
    };
    let episodes = sessions.iter().any(|s| !s.truth.episodes.is_empty());
    Data {
        from,
        sessions: clips.len(),
        recorded_hours: outcomes.iter().map(|o| o.tally.recorded).sum::<f64>() / 3600.0,
        changes: outcomes.iter().map(|o| o.tally.changes).sum(),
        null_episodes: episodes.then(|| outcomes.iter().map(|o| o.tally.null_episodes).sum()),
        splits: count(&|clip| clip.split.clone()),
        difficulties: count(&|clip| clip.traits.get("difficulty").cloned()),
        generators: count(&|clip| clip.generator.clone()),
        cameras: count(&|clip| Some(clip.cameras.len().to_string())),
    }
}

/// What the figures do not say by themselves.
fn notes(sessions: &[Session], outcomes: &[Outcome]) -> Vec<String> {
    let mut notes = vec![];
    let without = sessions.iter().filter(|s| s.truth.episodes.is_empty()).count();
    if without > 0 {
        notes.push(format!(
            "{without} of {} session(s) have a truth without episodes: they say nothing about specificity.",
            sessions.len()
        ));
    }
    if sessions.len() < MIN_SESSIONS {
        notes.push(format!(
            "{} session(s) are too few to be resampled: intervals are exact ones for shares and rates, which take each \
             change for an independent one; means have none.",
            sessions.len()
        ));
    }
    let unsure: usize = outcomes.iter().map(|o| o.decisions.len()).sum();
    let acts: usize = sessions.iter().map(|s| s.log.acts.len()).sum();
    if unsure < acts {
        notes.push(format!(
            "{} of {acts} events state no confidence and are not in the curves.",
            acts - unsure
        ));
    }
    let again: u64 = sessions.iter().map(|s| s.log.delivered_again).sum();
    if again > 0 {
        notes.push(format!("{again} event(s) were delivered again and count once."));
    }
    let disagreeing: Vec<_> = sessions
        .iter()
        .filter(|s| s.scored.basket.stated_agrees == Some(false))
        .map(|s| s.name.as_str())
        .collect();
    if !disagreeing.is_empty() {
        notes.push(format!(
            "In {} session(s) the basket that the cart stated at the end is not what its events give: {}. That is a \
             defect of the cart; figures go by the events.",
            disagreeing.len(),
            disagreeing.join(", ")
        ));
    }
    notes.push(
        "Event latency (capture to the broker's PUBACK) is wall-clock time of a running cart and is in no file: it is \
         measured where a cart publishes to a broker. Decision delay is on the media time line."
            .to_owned(),
    );
    notes
}
