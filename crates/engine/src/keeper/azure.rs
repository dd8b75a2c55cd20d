//! Azure Key Vault, after <https://learn.microsoft.com/rest/api/keyvault/secrets/>.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, KeeperError, Place, Secret, segment, send};
use crate::sign::token::Tokens;
use crate::sign::{Auth, Signer};
use crate::upstream::Upstream;

const AUDIENCE: &str = "https://vault.azure.net/.default";
const VERSION: &str = "api-version=7.4";

/// One vault.
#[derive(Debug)]
pub struct KeyVault {
    place: Place,
    signer: Signer,
}

#[derive(Deserialize)]
struct Held {
    value: String,
}

impl KeyVault {
    /// The scope of the tokens it wants.
    pub const SCOPE: &str = AUDIENCE;

    /// The vault at that address, `https://NAME.vault.azure.net`.
    pub fn new(address: &str, tokens: Tokens) -> Result<Self, KeeperError> {
        let place = Place::of(address, None)?;
        let signer = Signer::new(place.origin.clone(), Auth::Token(tokens));
        Ok(Self { place, signer })
    }

    pub(super) async fn read(&self, upstream: &Upstream, name: &str) -> Result<Option<Secret>, KeeperError> {
        let answer = self.ask(upstream, Method::GET, name, None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let held: Held = answer.good()?.json()?;
        Ok(Some(held.value.into()))
    }

    pub(super) async fn write(&self, upstream: &Upstream, name: &str, secret: &Secret) -> Result<(), KeeperError> {
        self.ask(upstream, Method::PUT, name, Some(&json!({"value": secret.reveal()}))).await?.good().map(drop)
    }

    pub(super) async fn remove(&self, upstream: &Upstream, name: &str) -> Result<(), KeeperError> {
        let answer = self.ask(upstream, Method::DELETE, name, None).await?;
        if answer.status == StatusCode::NOT_FOUND { Ok(()) } else { answer.good().map(drop) }
    }

    async fn ask(&self, upstream: &Upstream, method: Method, name: &str, body: Option<&Value>) -> Result<Answer, KeeperError> {
        // Names have letters, digits and dashes; those of variables have underscores.
        let path = format!("/secrets/{}?{VERSION}", segment(&name.replace('_', "-"))?);
        let mut request = self.place.request(method, &path, body)?;
        self.signer.sign(upstream, &mut request).await?;
        send(upstream, request).await
    }
}
