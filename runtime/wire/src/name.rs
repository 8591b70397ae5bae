//! Names and identities that come from outside. They are checked once, where they enter, and never altered.

use thiserror::Error;

/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// A name that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// Nothing is left to name it by.
    #[error("a {what} is empty; give it at least one character")]
    Empty {
        /// What was to be named.
        what: &'static str,
    },
    /// Longer than [`MAX_NAME_CHARS`].
    #[error("the {what} {name:?} has more than {MAX_NAME_CHARS} characters; shorten it")]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// The name, shortened.
        name: String,
    },
    /// A character that the name may not hold.
    #[error("the {what} {name:?} holds {found:?}; {allowed}")]
    Character {
        /// What was to be named.
        what: &'static str,
        /// The name.
        name: String,
        /// The first character in the way.
        found: char,
        /// Which characters may be used.
        allowed: &'static str,
    },
    /// A word that means something else on the wire.
    #[error("the {what} {name:?} is reserved; choose another")]
    Reserved {
        /// What was to be named.
        what: &'static str,
        /// The name.
        name: String,
    },
}

fn check(
    what: &'static str,
    name: &str,
    may_hold: fn(char) -> bool,
    allowed: &'static str,
    reserved: &[&str],
) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty { what });
    }
    if name.chars().nth(MAX_NAME_CHARS).is_some() {
        return Err(NameError::TooLong { what, name: name.chars().take(MAX_NAME_CHARS).collect() });
    }
    if let Some(found) = name.chars().find(|&c| !may_hold(c)) {
        return Err(NameError::Character { what, name: name.to_owned(), found, allowed });
    }
    if reserved.contains(&name) {
        return Err(NameError::Reserved { what, name: name.to_owned() });
    }
    Ok(())
}

// Also safe as an MQTT topic level (no '/', '+', '#', NUL) and as a file name.
const PLAIN: &str = "use letters, digits, '.', '_' and '-'";
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

const PRINTABLE: &str = "control characters cannot be used";
fn is_printable(c: char) -> bool {
    !c.is_control()
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $may_hold:ident, $allowed:ident, $reserved:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks a name.
            ///
            /// # Errors
            /// [`NameError`] says which rule it breaks.
            pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
                let name = name.into();
                check($what, &name, $may_hold, $allowed, $reserved)?;
                Ok(Self(name))
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl std::str::FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// A store: one level of the topic.
    StoreId, "store name", is_plain, PLAIN, &[]
);
name!(
    /// A cart: one level of the topic, part of an event's `source` and of the MQTT client id.
    CartId, "cart name", is_plain, PLAIN, &[]
);
name!(
    /// A camera of the cart.
    CameraName, "camera name", is_plain, PLAIN, &[]
);
name!(
    /// A shopping session, named by the backend that starts it. `none` is the subject of acts outside one.
    SessionId, "session id", is_plain, PLAIN, &["none"]
);
name!(
    /// A catalogue's identifier: a GTIN where there is one.
    CatalogueId, "catalogue id", is_printable, PRINTABLE, &[]
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_topic_levels() {
        for bad in ["", "a/b", "+", "#", "a\0", "a b", "ü", &"x".repeat(65)] {
            assert!(CartId::new(bad).is_err(), "{bad:?} was taken");
        }
        for good in ["cart-17", "a.b_c", &"x".repeat(64)] {
            assert!(CartId::new(good).is_ok(), "{good:?} was refused");
        }
    }

    #[test]
    fn errors_say_what_and_how() {
        let message = |name: &str| CartId::new(name).unwrap_err().to_string();
        assert_eq!(message("a/b"), "the cart name \"a/b\" holds '/'; use letters, digits, '.', '_' and '-'");
        assert_eq!(message(""), "a cart name is empty; give it at least one character");
        assert_eq!(
            SessionId::new("none").unwrap_err().to_string(),
            "the session id \"none\" is reserved; choose another"
        );
    }

    #[test]
    fn catalogue_ids_may_be_labels() {
        assert!(CatalogueId::new("wine glass").is_ok());
        assert!(CatalogueId::new("wine\nglass").is_err());
        assert!(serde_json::from_str::<CatalogueId>("\"\"").is_err());
    }
}
