//! Carrying a plan out over the management API.
//!
//! An object is marked before it is made, so that a run that broke off leaves nothing that nobody owns; marks say what was named
//! after it is done. Each step is one object: what was done until something fails stays, and the next run goes on from there.

use http::Method;
use serde_json::{Map, Value, json};

use super::difference::{Deed, Moves, Plan, Step, who};
use super::kind::{self, Call, Kind, Part};
use super::secret::KeyFile;
use super::state::{Mark, State, id_of};
use super::tell;
use crate::auth::digest;
use crate::command::client::Client;
use crate::query::encode as segment;

/// Something could not be carried out.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Carries plans out.
pub(super) struct Carrier<'a> {
    pub(super) client: &'a Client,
    pub(super) owner: &'a str,
    pub(super) state: State,
    pub(super) keys: Option<KeyFile>,
}

impl Carrier<'_> {
    /// Does everything of a plan, and says what was done.
    pub(super) async fn carry(&mut self, plan: &Plan, say: impl Fn(&str)) -> Result<(), Trouble> {
        for step in &plan.steps {
            let done = match step.deed {
                Deed::Create => self.create(step).await,
                Deed::Change => self.change(step).await,
                Deed::Mark => self.mark(step, &step.mark).await,
                Deed::Delete => self.delete(step).await,
                Deed::Forget => self.release(step).await,
                Deed::Leave | Deed::Conflict => continue,
            };
            done.map_err(|error| format!("{} `{}`: {error}", step.kind.name, step.name))?;
            say(tell::one(step).trim_end());
        }
        Ok(())
    }

    async fn create(&mut self, step: &Step) -> Result<(), Trouble> {
        self.mark(step, &Mark { owner: self.owner.to_owned(), ..Mark::default() }).await?;
        let kind = step.kind;
        let mut body = self.body(step)?;
        body.insert(kind.alias.to_owned(), json!(step.name));
        match kind.name {
            "user" => {
                body.entry("auto_create_key").or_insert(json!(false));
            }
            "key" => {
                if let Some(value) = body.remove("value") {
                    body.insert("key".to_owned(), value);
                }
            }
            _ => {}
        }
        let answer = self.call(&kind.create, "", body).await?;
        let row = made(kind, answer);
        if let (Some(keys), false) = (&mut self.keys, step.secrets.contains_key("value"))
            && kind.name == "key"
        {
            let key = row.get("key").and_then(Value::as_str).ok_or("the gateway gave no key")?;
            keys.write(&step.name, key)?;
        }
        let strangers = strangers(step, &row);
        self.state.learn(kind, &step.name, row);
        self.parts(step).await?;
        if let Some(team) = self.state.id(kind, &step.name).filter(|_| !strangers.is_empty()) {
            let moves = Moves { part: Part::TeamMembers, field: "members", add: Vec::new(), remove: strangers };
            self.members(&team, &moves, ("team", Method::POST, Method::POST)).await?;
        }
        self.mark(step, &step.mark).await
    }

    async fn change(&mut self, step: &Step) -> Result<(), Trouble> {
        let kind = step.kind;
        let mut id = self.state.id(kind, &step.name).ok_or("it is there no more")?;
        let mut body = self.body(step)?;
        if let Some(value) = body.remove("value") {
            // A key is what it is; another secret is another key under the same name.
            let secret = value.as_str().unwrap_or_default().to_owned();
            let same = hex::encode(digest(secret.as_bytes())) == id;
            if !same {
                let answer = self.client.json(Method::POST, "/key/regenerate", Some(&json!({"key": id, "new_key": secret}))).await?;
                let row = made(kind, answer);
                id = id_of(kind, &row).unwrap_or(id);
                self.state.learn(kind, &step.name, row);
            }
        }
        if kind.clears_by_name() {
            cleared(&mut body);
        }
        if !body.is_empty() {
            if !kind.update.1.contains("{id}") {
                body.insert(kind.handle.to_owned(), json!(id));
            }
            self.call(&kind.update, &id, body).await?;
        }
        self.parts(step).await?;
        self.mark(step, &step.mark).await
    }

    async fn delete(&mut self, step: &Step) -> Result<(), Trouble> {
        let kind = step.kind;
        if let Some(id) = self.state.id(kind, &step.name) {
            let mut body = Map::new();
            match (kind.delete.1, kind.delete.1.strip_suffix('*')) {
                ("", _) => {}
                (_, Some(field)) => {
                    body.insert(field.to_owned(), json!([id]));
                }
                (field, None) => {
                    body.insert(field.to_owned(), json!(id));
                }
            }
            self.call(&kind.delete.0, &id, body).await?;
        }
        self.release(step).await
    }

    /// The fields to be sent, with ids for names, and with secrets.
    fn body(&self, step: &Step) -> Result<Map<String, Value>, Trouble> {
        let mut body = Map::new();
        for change in &step.changes {
            let (value, known) = self.state.referred(step.kind, &change.field, &change.after);
            if !known && !value.is_null() {
                return Err(format!("`{}` names {}, which is not there", change.field, change.after).into());
            }
            body.insert(change.field.clone(), value);
        }
        body.extend(step.secrets.clone());
        if step.kind.name == "model" && !body.is_empty() {
            let mut info = body.remove("model_info").and_then(|info| info.as_object().cloned()).unwrap_or_default();
            info.insert("id".to_owned(), json!(step.name));
            body.insert("model_info".to_owned(), Value::Object(info));
        }
        Ok(body)
    }

    async fn call(&self, call: &Call, id: &str, body: Map<String, Value>) -> Result<Value, Trouble> {
        let method: Method = call.0.parse()?;
        let path = call.1.replace("{id}", &segment(id));
        let body = Value::Object(body);
        let body = (method != Method::DELETE || body.as_object().is_some_and(|body| !body.is_empty())).then_some(&body);
        Ok(self.client.json(method, &path, body).await?)
    }

    /// Brings parts of an object to what they are to be.
    async fn parts(&self, step: &Step) -> Result<(), Trouble> {
        for moves in &step.moves {
            let id = self.state.id(step.kind, &step.name).ok_or("it is there no more")?;
            match moves.part {
                Part::TeamMembers => self.members(&id, moves, ("team", Method::POST, Method::POST)).await?,
                Part::OrganizationMembers => self.members(&id, moves, ("organization", Method::PATCH, Method::DELETE)).await?,
                Part::GuardedKeys => self.assigned(&id, moves, ("keys", "key_hashes")).await?,
                Part::GuardedMembers => self.assigned(&id, moves, ("members", "member_user_ids")).await?,
            }
        }
        Ok(())
    }

    /// Of a team or an organization, which change and remove members by those methods.
    async fn members(&self, id: &str, moves: &Moves, (of, update, delete): (&str, Method, Method)) -> Result<(), Trouble> {
        let place = format!("{of}_id");
        for member in &moves.add {
            let (user, role) = (who(member), &member["role"]);
            let added = json!({&place: id, "member": {"user_id": user, "role": role}});
            let changed = json!({&place: id, "user_id": user, "role": role});
            // Somebody who is in it already only gets another role.
            if self.client.json(Method::POST, &format!("/{of}/member_add"), Some(&added)).await.is_err() {
                self.client.json(update.clone(), &format!("/{of}/member_update"), Some(&changed)).await?;
            }
        }
        for member in &moves.remove {
            let body = json!({&place: id, "user_id": who(member)});
            self.client.json(delete.clone(), &format!("/{of}/member_delete"), Some(&body)).await?;
        }
        Ok(())
    }

    async fn assigned(&self, id: &str, moves: &Moves, (place, field): (&str, &str)) -> Result<(), Trouble> {
        let keys = kind::of("key").filter(|_| place == "keys");
        // Keys that were made a moment ago are known by alias until now.
        let named = |one: &Value| keys.and_then(|kind| self.state.id(kind, who(one))).unwrap_or_else(|| who(one).to_owned());
        for (list, end) in [(&moves.add, ""), (&moves.remove, "/remove")] {
            if !list.is_empty() {
                let body = json!({field: list.iter().map(named).collect::<Vec<_>>()});
                let path = format!("/api/v1/guardrails/{}/assignments/{place}{end}", segment(id));
                self.client.json(Method::POST, &path, Some(&body)).await?;
            }
        }
        Ok(())
    }

    async fn mark(&self, step: &Step, mark: &Mark) -> Result<(), Trouble> {
        let body = json!({
            "owner": self.owner, "kind": step.kind.name, "name": step.name, "fields": mark.fields, "digest": mark.digest,
        });
        self.client.json(Method::POST, "/ownership", Some(&body)).await?;
        Ok(())
    }

    async fn release(&self, step: &Step) -> Result<(), Trouble> {
        let body = json!({"owner": self.owner, "kind": step.kind.name, "name": step.name});
        self.client.json(Method::POST, "/ownership/release", Some(&body)).await?;
        Ok(())
    }
}

/// Who is in a new team without having been named: whoever made it.
fn strangers(step: &Step, row: &Map<String, Value>) -> Vec<Value> {
    let Some(moves) = step.moves.iter().find(|moves| moves.part == Part::TeamMembers) else { return Vec::new() };
    let present = row.get("members_with_roles").and_then(Value::as_array).into_iter().flatten();
    present.filter(|member| !moves.add.iter().any(|wanted| who(wanted) == who(member))).cloned().collect()
}

/// Says by its name of what is to be nothing that it is: null alone is what clients send for what they do not mean to change.
fn cleared(body: &mut Map<String, Value>) {
    let is_nothing = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    let gone: Vec<String> = body.iter().filter(|(_, value)| is_nothing(value)).map(|(name, _)| name.clone()).collect();
    if !gone.is_empty() {
        gone.iter().for_each(|name| drop(body.remove(name)));
        body.insert("cleared".to_owned(), json!(gone));
    }
}

/// The row in an answer: some routes wrap it.
fn made(kind: &Kind, answer: Value) -> Map<String, Value> {
    let inner = match kind.name {
        "tag" => answer.get("tag"),
        "guardrail" => answer.get("data"),
        _ => None,
    };
    inner.unwrap_or(&answer).as_object().cloned().unwrap_or_default()
}
