//! Closed sets of names, each written once.

/// An enum whose variants stand for names on the wire: `as_str`, `parse`, `ALL`, and serde by the same names.
macro_rules! names {
    ($(#[$about:meta])* pub enum $Set:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $Set {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl $Set {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name as it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The one that is written so; `None` for a name that we do not know.
            pub fn parse(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use names;
