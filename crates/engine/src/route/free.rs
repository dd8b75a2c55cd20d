//! `openrouter/free`: a free model by chance, where nothing here is called so.

use fastrand::Rng;

use crate::call::Call;
use crate::catalog::Rate;
use crate::route::fleet::Fleet;
use crate::route::wishes::Wishes;

const FREE: &str = "openrouter/free";

impl Fleet {
    /// What a call for any free model wishes: all of them, in an order of chance, whichever supports it and costs nothing. Other calls
    /// wish what they do.
    pub(super) fn or_any_free(&self, call: &Call, wishes: Option<Box<Wishes>>, rng: &mut Rng) -> Option<Box<Wishes>> {
        if call.model != FREE || self.resolve(&call.principal.group(FREE)).is_some() {
            return wishes;
        }
        let mut wishes = wishes.unwrap_or_default();
        let operation = call.door.operation;
        // An alias is no further model.
        let free = self
            .groups()
            .filter(|(name, group)| group.iter().any(|one| one.spec.group == *name && one.facts.free && one.is_for(operation)));
        wishes.models = free.map(|(name, _)| name.to_owned()).collect();
        wishes.models.sort_unstable();
        rng.shuffle(&mut wishes.models);
        wishes.is_openrouter = true;
        wishes.provider.require_parameters = Some(true);
        let most = wishes.provider.max_price.get_or_insert_default();
        (most.prompt, most.completion, most.request) = (Some(Rate::ZERO), Some(Rate::ZERO), Some(Rate::ZERO));
        Some(wishes)
    }
}
