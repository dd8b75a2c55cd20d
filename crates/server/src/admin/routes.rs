//! The routes of the management API: path, who may use it, and what it does.

use crate::authz::Policy;
use crate::router::{Route, Row};

use super::{Answer, Request, audit, keys};

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Action {
    KeyGenerate,
    KeyServiceAccount,
    KeyUpdate,
    KeyBulkUpdate,
    KeyDelete,
    KeyBlock,
    KeyUnblock,
    KeyRegenerate,
    KeyInfo,
    KeyInfoOfMany,
    KeyList,
    KeyAliases,
    KeyHealth,
    AuditList,
    Audit,
}

const fn post(path: &'static str, action: Action, policy: Policy, form: &'static str, summary: &'static str) -> Row {
    Row { method: "POST", path, route: Route::Admin(action), policy, summary, form }
}

const fn get(path: &'static str, action: Action, policy: Policy, summary: &'static str) -> Row {
    Row { method: "GET", path, route: Route::Admin(action), policy, summary, form: "" }
}

use Policy::{Info, Keys};

/// Every route.
pub const ROWS: [Row; 16] = [
    post("/key/generate", Action::KeyGenerate, Keys, "GenerateKeyRequest", "Make a key"),
    post("/key/service-account/generate", Action::KeyServiceAccount, Keys, "GenerateKeyRequest", "Make a key of a team and of no user"),
    post("/key/update", Action::KeyUpdate, Keys, "UpdateKeyRequest", "Change a key"),
    post("/key/bulk_update", Action::KeyBulkUpdate, Policy::Admin, "BulkUpdateKeyRequest", "Change several keys"),
    post("/key/delete", Action::KeyDelete, Keys, "KeyRequest", "Delete keys"),
    post("/key/block", Action::KeyBlock, Keys, "BlockKeyRequest", "Block a key"),
    post("/key/unblock", Action::KeyUnblock, Keys, "BlockKeyRequest", "Unblock a key"),
    post("/key/regenerate", Action::KeyRegenerate, Keys, "RegenerateKeyRequest", "Put a new key in the place of one"),
    post("/key/{key}/regenerate", Action::KeyRegenerate, Keys, "RegenerateKeyRequest", "Put a new key in the place of one"),
    get("/key/info", Action::KeyInfo, Info, "One key; the caller's own unless said"),
    post("/v2/key/info", Action::KeyInfoOfMany, Info, "KeyInfoRequest", "Several keys"),
    get("/key/list", Action::KeyList, Info, "Keys, page by page"),
    get("/key/aliases", Action::KeyAliases, Info, "What keys are called"),
    post("/key/health", Action::KeyHealth, Info, "", "Whether the caller's key can be used"),
    get("/audit", Action::AuditList, Policy::Viewer, "What administrators did and were refused, page by page"),
    get("/audit/{id}", Action::Audit, Policy::Viewer, "One thing that an administrator did"),
];

/// Does what a route does.
pub(super) async fn dispatch(action: Action, request: &Request) -> Answer {
    match action {
        Action::KeyGenerate => keys::generate(request).await,
        Action::KeyServiceAccount => keys::service_account(request).await,
        Action::KeyUpdate => keys::update(request).await,
        Action::KeyBulkUpdate => keys::bulk_update(request).await,
        Action::KeyDelete => keys::delete(request).await,
        Action::KeyBlock => keys::block(request).await,
        Action::KeyUnblock => keys::unblock(request).await,
        Action::KeyRegenerate => keys::regenerate(request).await,
        Action::KeyInfo => keys::info(request).await,
        Action::KeyInfoOfMany => keys::info_of_many(request).await,
        Action::KeyList => keys::list(request).await,
        Action::KeyAliases => keys::aliases(request).await,
        Action::KeyHealth => keys::health(request).await,
        Action::AuditList => audit::list(request).await,
        Action::Audit => audit::one(request).await,
    }
}

/// The variable parts of a path, in their order.
pub(super) fn variables(pattern: &str, path: &str) -> Vec<String> {
    let pairs = pattern.split('/').rev().zip(path.split('/').rev());
    let mut found: Vec<String> = pairs.filter(|(part, _)| part.starts_with('{')).map(|(_, value)| crate::query::decode(value)).collect();
    found.reverse();
    found
}
