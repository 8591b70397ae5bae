//! Strings and lists that carry their bound in their type, so that a message cannot outgrow its schema.

use std::fmt;
use std::ops::Deref;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text for people: at most `MAX` characters, none of them a control character. Building it shortens and
/// cleans what does not fit (the last character becomes `…`), because a message must not fail over a label;
/// reading it refuses what does not fit. Not for identities: those are never altered, see [`crate::name`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// `text`, shortened to `MAX` characters, control characters replaced by `U+FFFD`.
    pub fn new(text: &str) -> Self {
        let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let fits = text.chars().nth(MAX).is_none();
        let kept = if fits { MAX } else { MAX.saturating_sub(1) };
        let mut bounded: String = text.chars().take(kept).map(clean).collect();
        if !fits && MAX > 0 {
            bounded.push('…');
        }
        Self(bounded)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> From<&str> for Text<MAX> {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const MAX: usize> Serialize for Text<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.chars().nth(MAX).is_some() {
            return Err(D::Error::custom(format_args!("text has more than {MAX} characters")));
        }
        if text.chars().any(char::is_control) {
            return Err(D::Error::custom("text has a control character"));
        }
        Ok(Self(text))
    }
}

/// At most `MAX` elements. Collecting keeps the first `MAX` and drops the rest: put what matters first.
/// Reading refuses more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> FromIterator<T> for List<T, MAX> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self(elements.into_iter().take(MAX).collect())
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a List<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let elements = Vec::deserialize(deserializer)?;
        if elements.len() > MAX {
            return Err(D::Error::custom(format_args!("{} elements where {MAX} may be", elements.len())));
        }
        Ok(Self(elements))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shortened_at_characters_and_cleaned() {
        for (input, expected) in
            [("", ""), ("abcd", "abcd"), ("abcde", "abc…"), ("ééééé", "ééé…"), ("a\nb", "a\u{fffd}b")]
        {
            assert_eq!(Text::<4>::new(input).as_str(), expected, "{input:?}");
        }
    }

    #[test]
    fn reading_refuses_what_building_would_alter() {
        assert!(serde_json::from_str::<Text<4>>("\"abcd\"").is_ok());
        assert!(serde_json::from_str::<Text<4>>("\"abcde\"").is_err());
        assert!(serde_json::from_str::<Text<4>>("\"a\\nb\"").is_err());
        assert!(serde_json::from_str::<List<u8, 2>>("[1,2]").is_ok());
        assert!(serde_json::from_str::<List<u8, 2>>("[1,2,3]").is_err());
        assert_eq!(&*(1..9).collect::<List<i32, 2>>(), [1, 2]);
    }
}
