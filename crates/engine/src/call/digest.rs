//! Whether two calls are the same.

use ring::digest::{Context, SHA256};

use crate::call::{Call, Content};
use crate::principal::Principal;

/// What stands for a call among others.
pub type Digest = [u8; 32];

/// Headers by which an answer may differ, beside those a client sends with each attempt anew.
const STEERING: [&str; 7] = ["x-litellm-", "x-tfy-", "x-switchboard-", "x-openrouter-", "anthropic-", "openai-", "x-session-"];
/// Of these, what only names an attempt.
const NAMES: [&str; 2] = ["x-litellm-call-id", "x-litellm-trace-id"];

/// What is asked: the door, the model and the body.
pub(crate) fn request(call: &Call) -> Digest {
    finish(asked(call))
}

/// The same by that caller and with its wishes.
pub(crate) fn whole(call: &Call) -> Digest {
    let mut context = asked(call);
    add_tenant(&mut context, &call.principal);
    let mut headers: Vec<(&str, &[u8])> = call
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .filter(|(name, _)| STEERING.iter().any(|prefix| name.starts_with(prefix)) && !NAMES.contains(name))
        .collect();
    headers.sort_unstable();
    for (name, value) in headers {
        add(&mut context, name.as_bytes());
        add(&mut context, value);
    }
    finish(context)
}

/// A name that only that caller knows.
pub(crate) fn named(principal: &Principal, name: &[u8]) -> Digest {
    let mut context = Context::new(&SHA256);
    add_tenant(&mut context, principal);
    add(&mut context, name);
    finish(context)
}

/// Who may share: one key, or where there is none (a signed token, a session) one user in one team.
fn add_tenant(context: &mut Context, principal: &Principal) {
    let Principal { key_hash, key, user, team, organization, customer, .. } = principal;
    let named = key_hash
        .as_ref()
        .map_or_else(|| vec![Some(key), user.as_ref(), team.as_ref(), organization.as_ref(), customer.as_ref()], |hash| vec![Some(hash)]);
    for part in named {
        add(context, &[u8::from(part.is_some())]);
        add(context, part.map_or(&[], |part| part.as_bytes()));
    }
}

fn asked(call: &Call) -> Context {
    let mut context = Context::new(&SHA256);
    add(&mut context, format!("{:?}", call.door).as_bytes());
    add(&mut context, call.model.as_bytes());
    add(&mut context, &[u8::from(call.stream), u8::from(call.strict), u8::from(call.lenient)]);
    if let Content::Form(kind) = &call.content {
        add(&mut context, kind.as_bytes());
    }
    context.update(&(call.body.len() as u64).to_le_bytes());
    call.body.parts().iter().for_each(|part| context.update(part));
    context
}

/// With its length, so that nothing can pass for something else.
fn add(context: &mut Context, bytes: &[u8]) {
    context.update(&(bytes.len() as u64).to_le_bytes());
    context.update(bytes);
}

fn finish(context: Context) -> Digest {
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}
