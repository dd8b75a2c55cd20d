//! What shows the credentials of providers whose own API is passed on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_engine::catalog::Provider;
use switchboard_engine::sign::Signer;
use switchboard_engine::upstream::Origin;

use super::credential::Ingredients;
use crate::config::Config;
use crate::config::resolved::Deployment;

/// What shows credentials, kept for as long as the configuration holds: tokens are not fetched for every request.
#[derive(Default)]
pub(crate) struct Signers(Mutex<Made>);

#[derive(Default)]
struct Made {
    /// The configuration they are of.
    config: Option<Arc<Config>>,
    signers: HashMap<(String, String, String), Arc<Signer>>,
}

impl Signers {
    /// What shows that provider's credential at that place.
    pub(crate) fn of(
        &self,
        (deployment, origin): (&Deployment, &Origin),
        (provider, config): (&Provider, &Arc<Config>),
    ) -> Result<Arc<Signer>, String> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.config.as_ref().is_some_and(|known| Arc::ptr_eq(known, config)) {
            *made = Made { config: Some(config.clone()), signers: HashMap::new() };
        }
        let key = (provider.id.clone(), origin.to_string(), deployment.model_info.id.clone());
        if let Some(signer) = made.signers.get(&key) {
            return Ok(signer.clone());
        }
        let environment = config.environment_of(deployment);
        let ingredients = Ingredients { deployment, provider, environment, elsewhere: &config.elsewhere, callers: None };
        let signer = ingredients.signer(&provider.auth, origin)?;
        made.signers.insert(key, signer.clone());
        Ok(signer)
    }
}
