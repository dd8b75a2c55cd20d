//! Whose model an entry means, and what else its name says.

use std::borrow::Cow;

use switchboard_engine::catalog::{Catalog, Found, Provider};
use switchboard_engine::wire::Dialect;

use crate::config::closest;
use crate::config::resolved::{Connection, Deployment as Configured};

/// Whose a name is that is nobody else's.
const OPENAI: &str = "openai";

/// The provider and the model behind its prefix; a bare name is one the catalog knows, else OpenAI's. An error where nobody here knows whom
/// the prefix means: a key and prompts that are meant for one are never sent to another. At an address of the user's own, what is nobody's
/// is spoken to in OpenAI's format.
pub fn split<'a>(catalog: &Catalog, configured: &'a Configured) -> Result<(String, Cow<'a, str>), String> {
    let (model, connection) = (configured.model.as_str(), &configured.connection);
    if let Some(provider) = &connection.provider {
        let bare = model.strip_prefix(provider.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(model);
        return Ok((provider.clone(), bare.into()));
    }
    let prefixed = model.split_once('/');
    if let Some((prefix, rest)) = prefixed
        && let Some(provider) = catalog.provider(prefix)
    {
        return Ok((provider.id.clone(), rest.into()));
    }
    let has_base = connection.api_base.is_some();
    let found = catalog.lookup(model);
    if let Some((prefix, _)) = prefixed {
        return match found {
            _ if has_base && catalog.unreachable(prefix).is_none() => Ok((OPENAI.to_owned(), model.into())),
            Some(found) if !has_base && is_meant(catalog, &found, prefix, connection) => Ok((found.provider, model.into())),
            _ => Err(unknown(catalog, prefix)),
        };
    }
    let is_strangers = found.as_ref().is_some_and(|found| is_strangers(catalog, found, model));
    if is_strangers && !has_base && connection.api_key.is_some() {
        return Err(format!("whose `{model}` is meant is not said, and its key goes to nobody else: write `provider/{model}`"));
    }
    let makers = found.filter(|_| !(is_strangers && has_base)).map(|found| found.provider);
    let provider = placed(catalog, model, connection).or(makers).unwrap_or_else(|| OPENAI.to_owned());
    Ok((provider, model.into()))
}

/// Why there is no provider of that name.
pub fn unknown(catalog: &Catalog, name: &str) -> String {
    match catalog.unreachable(name) {
        Some(why) => format!("the provider `{name}` is not reached: {why}"),
        None => {
            let guess = closest(name, catalog.providers().map(|row| row.id.as_str()));
            let guess = guess.map(|guess| format!("; did you mean `{guess}`?")).unwrap_or_default();
            format!(
                "there is no provider `{name}`{guess}; `switchboard models --providers` lists them; one that speaks OpenAI's API is `openai/…` with an `api_base`"
            )
        }
    }
}

/// Whether who offers that model may be meant by the author it is named after: not where a key is written, which may be anybody's.
fn is_meant(catalog: &Catalog, found: &Found, author: &str, connection: &Connection) -> bool {
    let writes = |row: &Provider| row.authors.iter().any(|name| name == author);
    // A row of the user's own models need not be there.
    found.provider == author || connection.api_key.is_none() && catalog.providers().any(writes)
}

/// Whether a bare name means a model of a market that merely offers one of such a name.
fn is_strangers(catalog: &Catalog, found: &Found, model: &str) -> bool {
    // Markets write where a model is and who made it before its name.
    let is_word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let named = found.model.rsplit_once('/').map_or(found.model.as_str(), |(_place, named)| named);
    let mut words = named.split('.').take_while(is_word).peekable();
    let row = catalog.provider(&found.provider).filter(|row| !row.authors.is_empty());
    let makes = row.is_some_and(|row| words.peek().is_none() || words.any(|word| row.authors.iter().any(|author| author == word)));
    found.model != model && !makes
}

/// The provider of a bare name where the entry says its place as one provider alone wants it.
fn placed(catalog: &Catalog, model: &str, connection: &Connection) -> Option<String> {
    let vertex = &connection.vertex;
    if vertex.project.is_none() && vertex.location.is_none() && vertex.credentials.is_none() {
        return None;
    }
    let wants = |row: &&Provider| row.variables.values().any(|variable| variable.params.iter().any(|param| param == "vertex_project"));
    catalog.providers().filter(wants).find(|row| catalog.model(&row.id, model).is_some()).map(|row| row.id.clone())
}

/// What the name of a model on Bedrock says beside it: `model_id` is the name it is called by, and a region may stand in an ARN or before
/// the name. What the entry itself says of its region goes before.
pub(super) fn settle(configured: &mut Configured, provider: &Provider, catalog: &Catalog, model: String) -> String {
    if !provider.chat.contains(&Dialect::Bedrock) {
        return model;
    }
    let (region, bare) = match model.split_once('/').filter(|(first, _)| is_region(first)) {
        Some((region, rest)) => (Some(region.to_owned()), without_commitment(rest).to_owned()),
        None => (None, model.clone()),
    };
    let called = configured.connection.aws.model_id.clone().unwrap_or_else(|| bare.clone());
    let said = &mut configured.model_info.base_model;
    if said.is_none() && called != *model {
        // What it costs in a region, where that is listed.
        let listed = catalog.base(&provider.id, &model).is_some();
        *said = Some(if listed { model } else { bare });
    }
    let own = &mut configured.connection.aws.region_name;
    *own = own.take().or_else(|| of_arn(&called).map(str::to_owned)).or(region);
    called
}

/// Prices for models that are paid by the month are listed by such a name.
fn without_commitment(model: &str) -> &str {
    model.split_once('/').filter(|(first, _)| first.ends_with("-commitment")).map_or(model, |(_, rest)| rest)
}

/// The region in the ARN that a name holds.
fn of_arn(name: &str) -> Option<&str> {
    let (_, arn) = name.split_once("arn:aws")?;
    arn.split(':').nth(2).filter(|region| is_region(region))
}

/// The region in the name of a host of Amazon's.
pub(super) fn of_host(host: &str) -> Option<&str> {
    let is_amazons = ["amazonaws.com", "amazonaws.com.cn", "api.aws"].into_iter().any(|domain| host.ends_with(domain));
    host.split('.').find(|label| is_amazons && is_region(label))
}

/// Whether that is how Amazon calls a region: `eu-west-1`, `us-gov-east-1`.
pub(super) fn is_region(text: &str) -> bool {
    let mut parts = text.split('-').rev();
    let number = parts.next().is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    let words: Vec<&str> = parts.collect();
    let plain = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    number && (2..=3).contains(&words.len()) && words.iter().all(plain) && words.last().is_some_and(|land| land.len() <= 3)
}

#[cfg(test)]
mod tests;
