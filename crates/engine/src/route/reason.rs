//! Why a deployment may not serve a call.

/// A reason to leave a deployment out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// It has failed too often of late.
    Cooldown,
    /// It does not serve what is asked for.
    Operation,
}

impl Reason {
    /// The name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Cooldown => "cooldown",
            Reason::Operation => "operation",
        }
    }
}
