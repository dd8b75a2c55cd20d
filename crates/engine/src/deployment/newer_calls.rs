//! Whether a model calls functions while it thinks in the responses API alone.

use super::{Spec, profile};
use crate::catalog::{Catalog, Provider};

/// Where it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewerCalls {
    /// It does so in chats, too.
    #[default]
    Never,
    /// Where it is told to think: at its maker's API with an address of the user's own may be anybody, who thinks otherwise.
    WhereTold,
    /// It does.
    Always,
}

impl NewerCalls {
    pub(super) fn of(catalog: &Catalog, provider: &Provider, spec: &Spec, value: &dyn Fn(&str) -> Option<String>) -> Self {
        let moved = || spec.base.is_some() || provider.base_env.iter().any(|name| value(name).is_some());
        let model = profile::telling(catalog, provider, spec);
        let says_so = |maker: &&Provider| provider.newer_calls && maker.made(model).is_some_and(|made| made.newer_calls);
        match profile::maker(catalog, provider, model).filter(says_so) {
            Some(maker) if maker.id == provider.id && moved() => Self::WhereTold,
            Some(_) => Self::Always,
            None => Self::Never,
        }
    }
}
