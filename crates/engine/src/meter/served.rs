//! Whose answer a call got.

/// Whose answer a call got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Served {
    /// Its own: a provider was asked for it.
    #[default]
    Asked,
    /// That of an identical call that was under way.
    Shared,
    /// One that was kept.
    Repeated,
}

impl Served {
    /// Its name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Served::Asked => "asked",
            Served::Shared => "shared",
            Served::Repeated => "repeated",
        }
    }
}
