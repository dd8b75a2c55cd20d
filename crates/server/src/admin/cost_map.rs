//! LiteLLM's document of every known model. It is megabytes, and whoever has a key may ask for it: it is made once for each catalog.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use http::Response;
use serde_json::{Map, Value};
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::catalog::{Catalog, ModelCard, derive};

use crate::answered::written;
use crate::models::info;

/// The document as it was last made, and of which catalog.
static MADE: Mutex<Option<(Weak<Catalog>, Bytes)>> = Mutex::new(None);

/// The answer to who asks for it.
pub(super) fn response(catalog: &Arc<Catalog>) -> Response<AnswerBody> {
    written(bytes(catalog))
}

fn bytes(catalog: &Arc<Catalog>) -> Bytes {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    match &*made {
        Some((of, bytes)) if of.as_ptr() == Arc::as_ptr(catalog) => bytes.clone(),
        _ => {
            let bytes = Bytes::from(of(catalog).to_string());
            // As long as somebody remembers that catalog, no other has its place in memory.
            *made = Some((Arc::downgrade(catalog), bytes.clone()));
            bytes
        }
    }
}

/// `GET /get/litellm_model_cost_map`: by the names of LiteLLM's list, those that are known alone.
pub(super) fn of(catalog: &Catalog) -> Value {
    let mut map = Map::new();
    for card in catalog.models() {
        let told = entry(&card);
        let whole = format!("{}/{}", card.provider, card.model);
        // A bare name is the one that a request without a provider means.
        let bare = catalog.lookup(&card.model).is_some_and(|found| found.provider == card.provider && found.model == card.model);
        if bare {
            map.insert(card.model.clone(), Value::Object(told.clone()));
        }
        map.insert(whole, Value::Object(told));
    }
    Value::Object(map)
}

/// What is known of one model.
pub(super) fn entry(card: &ModelCard) -> Map<String, Value> {
    let mut told = info::facts(Some(card));
    told.retain(|_, value| !value.is_null());
    told.insert("litellm_provider".to_owned(), card.provider.clone().into());
    told.extend(derive::listed_prices(card).filter_map(|(name, usd)| Some((name, serde_json::from_str(&usd).ok()?))));
    told
}
