//! Who answers the core's questions: the bundle's learned classifier, or the core's analytic one.

use std::fmt;

use cartvision_core::{ActProbabilities, Question, Session, analytic};
use cartvision_engines::{Bundle, EngineError, Runtime, TemporalClassifier};

/// A kind of classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The bundle's temporal model
    Learned,
    /// A few products over the evidence
    Analytic,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Learned, Self::Analytic];

    const fn name(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::Analytic => "analytic",
        }
    }

    /// By its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The classifier of a cart.
#[derive(Debug)]
pub(crate) enum Classifier {
    /// The core's own, which never fails.
    Analytic,
    /// The bundle's; where it fails, the core's own stands in.
    Learned(Box<Learned>),
}

/// A learned classifier, and how it does.
#[derive(Debug)]
pub(crate) struct Learned {
    engine: TemporalClassifier,
    failures: u64,
    /// Whether it failed on the last question.
    failing: bool,
}

impl Classifier {
    /// The kind that is wanted; where none is, the learned one if the bundle has it.
    pub(crate) fn kind_of(wanted: Option<Kind>, bundle: &Bundle) -> Kind {
        let best = || if bundle.manifest().temporal.is_some() { Kind::Learned } else { Kind::Analytic };
        wanted.unwrap_or_else(best)
    }

    /// Loads the one that is wanted, on the CPU.
    pub(crate) fn load(wanted: Option<Kind>, bundle: &Bundle) -> Result<Self, EngineError> {
        match Self::kind_of(wanted, bundle) {
            Kind::Analytic => Ok(Self::Analytic),
            // Told before an engine is looked for.
            Kind::Learned if bundle.manifest().temporal.is_none() => {
                Err(EngineError::TemporalAbsent { bundle: bundle.identity() })
            }
            Kind::Learned => Ok(Self::learned(TemporalClassifier::load(&Runtime::open()?, bundle)?)),
        }
    }

    /// A learned one that is loaded.
    pub(crate) fn learned(engine: TemporalClassifier) -> Self {
        Self::Learned(Box::new(Learned { engine, failures: 0, failing: false }))
    }

    /// Which one it is.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Analytic => Kind::Analytic,
            Self::Learned(_) => Kind::Learned,
        }
    }

    /// Answers a question that the core asked in its last step.
    pub(crate) fn answer(&mut self, core: &Session, question: &Question) -> ActProbabilities {
        match self {
            Self::Analytic => analytic::classify(question),
            Self::Learned(learned) => learned.answer(core, question),
        }
    }

    /// The learned one's engine, where there is one.
    pub(crate) fn engine(&mut self) -> Option<&mut TemporalClassifier> {
        match self {
            Self::Analytic => None,
            Self::Learned(learned) => Some(&mut learned.engine),
        }
    }

    /// Questions so far on which the learned classifier failed; `None` where there is none.
    pub(crate) fn failures(&self) -> Option<u64> {
        match self {
            Self::Analytic => None,
            Self::Learned(learned) => Some(learned.failures),
        }
    }

    /// Counts failures on from another one's.
    pub(crate) fn count_on(&mut self, before: &Self) {
        if let (Self::Learned(learned), Self::Learned(before)) = (self, before) {
            learned.failures = before.failures;
        }
    }

    /// Whether the learned classifier failed on the last question.
    pub(crate) fn is_failing(&self) -> bool {
        matches!(self, Self::Learned(learned) if learned.failing)
    }
}

impl Learned {
    fn answer(&mut self, core: &Session, question: &Question) -> ActProbabilities {
        let answer = self.engine.answer(core, question);
        self.failing = answer.is_err();
        answer.unwrap_or_else(|error| {
            if self.failures == 0 {
                // Once: what fails on one question may fail on each, and a count tells the rest.
                tracing::error!(
                    "{error}; the analytic classifier answers instead, now and whenever this happens"
                );
            }
            self.failures += 1;
            analytic::classify(question)
        })
    }
}
