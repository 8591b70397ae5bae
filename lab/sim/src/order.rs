//! What is asked for: a seed, how hard, how many cameras, how long.

use crate::dice::Dice;
use crate::hand::Arms;
use crate::texture::Rgb;

/// How hard a session is to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difficulty {
    /// Calm hands, few items, good light.
    Easy,
    /// What a shop is like.
    Normal,
    /// Crowded, dim, hurried, dirty lenses.
    Hard,
}

impl Difficulty {
    /// Every difficulty.
    pub const ALL: [Self; 3] = [Self::Easy, Self::Normal, Self::Hard];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Easy => "easy",
            Self::Normal => "normal",
            Self::Hard => "hard",
        }
    }

    /// One of three values, by difficulty.
    pub(crate) fn of<T>(self, easy: T, normal: T, hard: T) -> T {
        match self {
            Self::Easy => easy,
            Self::Normal => normal,
            Self::Hard => hard,
        }
    }
}

/// What a session is for. It follows from the seed (its last digit), so that no two splits can share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// To learn from: seeds that end in 0 to 7.
    Train,
    /// To choose by: seeds that end in 8.
    Val,
    /// To measure with, used for nothing else: seeds that end in 9.
    Test,
}

impl Split {
    /// Every split.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// The split of a seed.
    pub const fn of_seed(seed: u64) -> Self {
        match seed % 10 {
            9 => Self::Test,
            8 => Self::Val,
            _ => Self::Train,
        }
    }

    /// The `n`-th seed of this split.
    pub const fn seed(self, n: u64) -> u64 {
        match self {
            Self::Train => n / 8 * 10 + n % 8,
            Self::Val => n * 10 + 8,
            Self::Test => n * 10 + 9,
        }
    }

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }

    /// Texture variants of products that belong to it, first and one past the last of [`crate::VARIANTS`].
    pub(crate) const fn variants(self) -> (u32, u32) {
        match self {
            Self::Train => (0, 14),
            Self::Val => (14, 17),
            Self::Test => (17, 20),
        }
    }

    /// Shoppers that belong to it, first and one past the last.
    const fn shoppers(self) -> (u32, u32) {
        match self {
            Self::Train => (0, 48),
            Self::Val => (48, 60),
            Self::Test => (60, 84),
        }
    }
}

/// A session to be made. Equal orders give equal sessions, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    /// Determines everything that is left to chance.
    pub seed: u64,
    /// How hard.
    pub difficulty: Difficulty,
    /// 1 to [`crate::MAX_CAMERAS`].
    pub cameras: usize,
    /// Seconds.
    pub duration: f32,
    /// Pictures a second, of each camera.
    pub fps: u32,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

/// How somebody shops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Style {
    /// One hand, steady.
    Calm,
    /// Quick, little pause between acts.
    Fast,
    /// Slow, stops over the basket, changes their mind.
    Hesitant,
    /// Both hands.
    TwoHanded,
}

impl Style {
    const ALL: [Self; 4] = [Self::Calm, Self::Fast, Self::Hesitant, Self::TwoHanded];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Fast => "fast",
            Self::Hesitant => "hesitant",
            Self::TwoHanded => "two-handed",
        }
    }
}

/// One shopper: always the same one under the same number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shopper {
    /// Their number.
    pub number: u32,
    /// How they shop.
    pub style: Style,
    /// Speed of their hands, 1 is the usual one.
    pub(crate) pace: f32,
    pub(crate) right_handed: bool,
    pub(crate) arms: Arms,
    pub(crate) shirt: Rgb,
}

/// The ten tones of the Monk skin tone scale (Monk, 2019; published for free use), sRGB.
const SKIN: [Rgb; 10] = [
    [246, 237, 228],
    [243, 231, 219],
    [247, 234, 208],
    [234, 218, 186],
    [215, 189, 150],
    [160, 126, 86],
    [130, 92, 67],
    [96, 65, 52],
    [58, 49, 42],
    [41, 36, 32],
];

const CLOTH: [Rgb; 10] = [
    [40, 44, 60],
    [200, 196, 186],
    [122, 32, 38],
    [46, 82, 60],
    [28, 28, 30],
    [206, 170, 70],
    [92, 110, 140],
    [150, 80, 110],
    [236, 236, 232],
    [96, 74, 56],
];

impl Shopper {
    /// The shopper of a session.
    pub(crate) fn of(order: &Order) -> Self {
        let (from, to) = Split::of_seed(order.seed).shoppers();
        let mut dice = Dice::new(order.seed, "shopper", 0);
        Self::number(from + dice.below((to - from) as usize) as u32)
    }

    fn number(number: u32) -> Self {
        let mut dice = Dice::new(0, "who", number.into());
        // Every style and every skin tone is in every split.
        let style = Style::ALL[number as usize % 4];
        let skin = SKIN[number as usize % 10];
        let pace = match style {
            Style::Calm => dice.between(0.9, 1.1),
            Style::Fast => dice.between(1.3, 1.6),
            Style::Hesitant => dice.between(0.7, 0.85),
            Style::TwoHanded => dice.between(0.85, 1.15),
        };
        let sleeve = CLOTH[dice.below(CLOTH.len())];
        let long = dice.chance(0.6);
        let glove = dice.chance(0.12).then(|| CLOTH[dice.below(CLOTH.len())]);
        let arms = Arms {
            skin,
            sleeve,
            bare: if long { dice.between(0.02, 0.35) } else { 1.0 },
            glove,
            size: dice.between(0.9, 1.12),
        };
        Self { number, style, pace, right_handed: dice.chance(0.88), arms, shirt: sleeve }
    }

    /// What tells one shopper from another, in files.
    pub fn name(&self) -> String {
        format!("{}-{:02}", self.style.name(), self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_belongs_to_one_split_and_every_split_has_its_own() {
        for split in Split::ALL {
            for n in 0..50 {
                assert_eq!(Split::of_seed(split.seed(n)), split);
                assert!(n == 0 || split.seed(n) > split.seed(n - 1));
            }
        }
    }

    #[test]
    fn splits_share_no_shopper_and_no_variant() {
        for (a, b) in [(Split::Train, Split::Val), (Split::Val, Split::Test), (Split::Train, Split::Test)] {
            assert!(a.shoppers().1 <= b.shoppers().0);
            assert!(a.variants().1 <= b.variants().0);
        }
        assert_eq!(Split::Test.variants().1, crate::VARIANTS);
    }
}
