//! One fact into the core, its questions answered, its effects carried out.

use std::num::NonZeroU32;

use cartvision_core::{
    ActProbabilities, CameraSet, Change, Decision, Effect, Input, MAX_EFFECTS, MediaTime, Outcome, QuestionId,
};
use cartvision_wire::event::{self, Cameras, Removal, Unresolved};
use cartvision_wire::item::OpenChange;
use cartvision_wire::{Candidate, DecidedBy, EventData, EventError, Item, Probability};

use super::{Answered, Cart};

impl Cart {
    /// One fact into the core; its questions are answered at once.
    pub(super) fn step(&mut self, now: MediaTime, input: Input<'_>) -> Result<(), EventError> {
        self.core.step(now, input, &mut self.effects);
        // All of them before the first answer is stepped in: each is about what the core knows now.
        let mut answers: [Option<(QuestionId, ActProbabilities)>; MAX_EFFECTS] = [None; MAX_EFFECTS];
        for (place, effect) in answers.iter_mut().zip(&self.effects) {
            if let Effect::Classify(question) = effect {
                let answer = self.classifier.answer(&self.core, question);
                if let Some(kept) = &mut self.answered {
                    let asked = (question, answer);
                    kept.extend(Answered::of(asked, &self.core, &self.cameras, &self.catalogue, now));
                }
                *place = Some((question.id, answer));
            }
        }
        self.carry_out(now)?;
        for (question, answer) in answers.into_iter().flatten() {
            self.core.step(now, Input::Classified { question, answer }, &mut self.effects);
            self.carry_out(now)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, now: MediaTime) -> Result<(), EventError> {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Publish(decision) => self.publish(now, &decision)?,
                Effect::BasketOverflowed(item) => {
                    self.overflows += 1;
                    tracing::error!(item = %self.catalogue.item(item).label(), "the basket is full; the item was published but is not in it");
                }
                // Answered by `step`.
                Effect::Classify(_) => {}
            }
        }
        Ok(())
    }

    fn publish(&mut self, now: MediaTime, decision: &Decision) -> Result<(), EventError> {
        let act = event::Act {
            item: self.catalogue.item(decision.item),
            quantity: NonZeroU32::MIN,
            confidence: Probability::new(decision.confidence.into()),
            decided_by: DecidedBy::Edge,
            cameras: self.names(decision.cameras),
            media_time_ms: decision.moment.as_ms(),
            decided_media_time_ms: decision.decided.as_ms(),
            candidates: decision.candidates.iter().filter_map(|c| self.candidate(c)).collect(),
            bundle: self.bundle.clone(),
            clock: self.time.clock(),
        };
        let (data, pieces) = match decision.outcome {
            Outcome::Added => (EventData::ItemAdded(act), vec![(Change::Added, decision.item, 1)]),
            Outcome::Removed { not_in_basket } => {
                let pieces = if not_in_basket { vec![] } else { vec![(Change::Removed, decision.item, 1)] };
                (EventData::ItemRemoved(Removal { act, not_in_basket }), pieces)
            }
            Outcome::Unresolved { change } => {
                let change = match change {
                    Change::Added => OpenChange::Added,
                    Change::Removed => OpenChange::Removed,
                };
                (EventData::ItemUnresolved(Unresolved { change, act, reason: None }), vec![])
            }
        };
        let session = self.session.clone().filter(|_| decision.in_session);
        let event = self.record_for(session, decision.moment, now, data)?;
        if decision.in_session {
            self.corrections.note(event, pieces);
        }
        Ok(())
    }

    fn candidate(&self, candidate: &cartvision_core::Candidate) -> Option<Candidate> {
        match self.catalogue.item(candidate.item) {
            Item::Catalogue { id, label } => {
                Some(Candidate { id, label: Some(label), p: Probability::new(candidate.p.into()) })
            }
            Item::Unknown { .. } => None,
        }
    }

    fn names(&self, cameras: CameraSet) -> Cameras {
        cameras.iter().filter_map(|c| self.cameras.get(c.index()).cloned()).collect()
    }
}
