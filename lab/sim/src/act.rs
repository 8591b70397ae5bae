//! The kinds of acts, and how often each is played.

/// A kind of act, as the truth tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// One item put in.
    Add,
    /// One item taken out.
    Remove,
    /// One taken out and another put in.
    Swap,
    /// Several put in at once.
    Several,
    /// One put in or taken out with both hands.
    TwoHands,
    /// One let fall from the rim.
    Drop,
    /// Something that is not sold, put in.
    AddUnknown,
    /// Something that is not sold, taken out.
    RemoveUnknown,
    /// Lifted and laid elsewhere in the basket.
    Move,
    /// An empty hand in and out.
    HandInOut,
    /// Pushed aside.
    Shift,
    /// Held over the basket and taken back.
    HoldOver,
    /// The cart is knocked.
    Jolt,
    /// Somebody walks by.
    PasserBy,
    /// The light flickers.
    Flicker,
    /// A shadow passes.
    Shadow,
}

impl Act {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::Add,
        Self::Remove,
        Self::Swap,
        Self::Several,
        Self::TwoHands,
        Self::Drop,
        Self::AddUnknown,
        Self::RemoveUnknown,
        Self::Move,
        Self::HandInOut,
        Self::Shift,
        Self::HoldOver,
        Self::Jolt,
        Self::PasserBy,
        Self::Flicker,
        Self::Shadow,
    ];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Swap => "swap",
            Self::Several => "several",
            Self::TwoHands => "two-hands",
            Self::Drop => "drop",
            Self::AddUnknown => "add-unknown",
            Self::RemoveUnknown => "remove-unknown",
            Self::Move => "move",
            Self::HandInOut => "hand-in-out",
            Self::Shift => "shift",
            Self::HoldOver => "hold-over",
            Self::Jolt => "jolt",
            Self::PasserBy => "passer-by",
            Self::Flicker => "flicker",
            Self::Shadow => "shadow",
        }
    }

    /// How likely it is, next to the others, at each difficulty.
    pub(crate) const fn weights(self) -> [f32; 3] {
        match self {
            Self::Add => [10.0, 10.0, 9.0],
            Self::Remove => [5.0, 5.0, 5.0],
            Self::Swap => [0.0, 1.5, 2.0],
            Self::Several => [0.0, 2.0, 3.0],
            Self::TwoHands => [1.0, 2.0, 2.0],
            Self::Drop => [0.5, 2.0, 2.5],
            Self::AddUnknown => [0.0, 1.0, 1.5],
            Self::RemoveUnknown => [0.0, 0.7, 1.0],
            Self::Move => [1.0, 2.0, 2.5],
            Self::HandInOut => [4.0, 3.0, 3.0],
            Self::Shift => [1.0, 2.0, 2.5],
            Self::HoldOver => [2.0, 2.5, 3.0],
            Self::Jolt => [0.5, 1.0, 1.5],
            Self::PasserBy => [0.5, 1.0, 1.0],
            Self::Flicker => [0.3, 0.7, 1.0],
            Self::Shadow => [0.3, 0.7, 1.0],
        }
    }

    /// Whether it changes nothing in the basket.
    pub(crate) const fn is_null(self) -> bool {
        matches!(
            self,
            Self::Move
                | Self::HandInOut
                | Self::Shift
                | Self::HoldOver
                | Self::Jolt
                | Self::PasserBy
                | Self::Flicker
                | Self::Shadow
        )
    }
}
