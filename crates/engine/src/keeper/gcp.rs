//! Google Secret Manager, after <https://cloud.google.com/secret-manager/docs/reference/rest>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, KeeperError, Place, Secret, segment, send};
use crate::sign::token::Tokens;
use crate::sign::{Auth, Signer};
use crate::upstream::Upstream;

/// Where it is reached.
const ADDRESS: &str = "https://secretmanager.googleapis.com";

/// The secrets of one project.
#[derive(Debug)]
pub struct SecretManager {
    place: Place,
    project: String,
    signer: Signer,
}

#[derive(Deserialize)]
struct Version {
    payload: Payload,
}

#[derive(Deserialize)]
struct Payload {
    data: String,
}

impl SecretManager {
    /// The secrets of that project, at Google's address or another.
    pub fn new(project: &str, address: Option<&str>, tokens: Tokens) -> Result<Self, KeeperError> {
        let place = Place::of(address.unwrap_or(ADDRESS), None)?;
        let signer = Signer::new(place.origin.clone(), Auth::Token(tokens));
        Ok(Self { place, project: segment(project)?, signer })
    }

    pub(super) async fn read(&self, upstream: &Upstream, name: &str) -> Result<Option<Secret>, KeeperError> {
        let path = format!("/v1/projects/{}/secrets/{}/versions/latest:access", self.project, segment(name)?);
        let answer = self.ask(upstream, Method::GET, &path, None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let version: Version = answer.good()?.json()?;
        let bytes = STANDARD.decode(version.payload.data).map_err(|_| KeeperError::Unreadable)?;
        String::from_utf8(bytes).map(|text| Some(text.into())).map_err(|_| KeeperError::Unreadable)
    }

    pub(super) async fn write(&self, upstream: &Upstream, name: &str, secret: &Secret) -> Result<(), KeeperError> {
        let name = segment(name)?;
        let body = json!({"payload": {"data": STANDARD.encode(secret.reveal())}});
        let add = format!("/v1/projects/{}/secrets/{name}:addVersion", self.project);
        let answer = self.ask(upstream, Method::POST, &add, Some(&body)).await?;
        if answer.status != StatusCode::NOT_FOUND {
            return answer.good().map(drop);
        }
        let create = format!("/v1/projects/{}/secrets?secretId={name}", self.project);
        self.ask(upstream, Method::POST, &create, Some(&json!({"replication": {"automatic": {}}}))).await?.good()?;
        self.ask(upstream, Method::POST, &add, Some(&body)).await?.good().map(drop)
    }

    pub(super) async fn remove(&self, upstream: &Upstream, name: &str) -> Result<(), KeeperError> {
        let path = format!("/v1/projects/{}/secrets/{}", self.project, segment(name)?);
        let answer = self.ask(upstream, Method::DELETE, &path, None).await?;
        if answer.status == StatusCode::NOT_FOUND { Ok(()) } else { answer.good().map(drop) }
    }

    async fn ask(&self, upstream: &Upstream, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, KeeperError> {
        let mut request = self.place.request(method, path, body)?;
        self.signer.sign(upstream, &mut request).await?;
        send(upstream, request).await
    }
}
