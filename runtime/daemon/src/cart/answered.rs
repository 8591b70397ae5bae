//! A question of the core as it was asked and answered: what a temporal classifier can learn from.

use cartvision_core::features::{ROW, WINDOW, Window};
use cartvision_core::{ActProbabilities, BBox, MediaTime, Question, Session};
use cartvision_wire::{CameraName, CatalogueId, Item};

use crate::catalogue::Catalogue;

/// A question, all that was known when it was asked, and the answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) camera: CameraName,
    /// The catalogue's id of the item in question; `None` where it is none of the catalogue.
    pub(crate) item: Option<CatalogueId>,
    pub(crate) question: Question,
    pub(crate) asked_at: MediaTime,
    pub(crate) answer: ActProbabilities,
    /// When and where the track was seen lately, oldest first.
    pub(crate) seen: Vec<(MediaTime, BBox)>,
    pub(crate) window: Box<Window>,
}

impl Answered {
    /// What the core knows about a question that it asked in its last step; `None` if there is no such camera.
    pub(super) fn of(
        (question, answer): (&Question, ActProbabilities),
        core: &Session,
        cameras: &[CameraName],
        catalogue: &Catalogue,
        asked_at: MediaTime,
    ) -> Option<Self> {
        let item = match question.item.map(|class| catalogue.item(class)) {
            Some(Item::Catalogue { id, .. }) => Some(id),
            Some(Item::Unknown { .. }) | None => None,
        };
        let mut window = Box::new([[0.0; ROW]; WINDOW]);
        core.window(question.camera, question.track, &mut window);
        Some(Self {
            camera: cameras.get(question.camera.index())?.clone(),
            item,
            question: *question,
            asked_at,
            answer,
            seen: core.sightings(question.camera, question.track).collect(),
            window,
        })
    }
}
