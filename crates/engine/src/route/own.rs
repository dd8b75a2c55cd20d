//! Keys of providers that callers bring along, in a plan.

use std::sync::Arc;

use super::{Plan, Target};
use crate::call::Call;

impl Plan {
    /// Puts the caller's own keys in; where the caller brings a place along, there is no other.
    pub(crate) fn bring(&mut self, call: &Call) {
        if let Some(detour) = &call.principal.detour {
            self.targets = vec![Target::plain(detour.clone())];
            self.fallbacks = Arc::default();
            return;
        }
        let Some(own) = &call.principal.own_keys else { return };
        if let Some(instead) = &own.instead {
            let fits = |target: &&mut Target| instead.provider.is_empty() || target.deployment.facts.is_named(&instead.provider);
            self.targets.iter_mut().filter(fits).for_each(|target| target.own = Some(instead.clone()));
            return;
        }
        if own.keys.is_empty() {
            return;
        }
        let with = |is_fallback: bool| {
            let keys = own.keys.iter().filter(move |key| key.is_fallback == is_fallback);
            keys.flat_map(|key| {
                let fits = self.targets.iter().filter(|target| key.fits(&target.deployment));
                fits.map(|target| Target { own: Some(key.clone()), ..target.clone() }).collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
        };
        let (mut targets, last) = (with(false), with(true));
        targets.append(&mut self.targets);
        targets.extend(last);
        self.targets = targets;
    }
}
