//! Carrying a plan out over the management API.
//!
//! An object is marked before it is made, so that a run that broke off leaves nothing that nobody owns; that its secrets are as they
//! are to be is marked when it is done. Each step is one object: what was done until something fails stays, and the next run goes on
//! from there.

use http::Method;
use serde_json::{Map, Value, json};

use super::difference::{Deed, Moves, Plan, Step, nothing, who};
use super::kind::{self, Call, Clears, Delete, Kind, Named, Part};
use super::secret::KeyFile;
use super::state::{self, Mark, State, id_of};
use super::{budgets, tell};
use crate::auth::digest;
use crate::command::client::Client;
use crate::query::encode as segment;

/// Something could not be carried out.
pub(super) type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Where settings are set.
const SETTINGS: &str = "/config/update";
/// Terms of a member that are said of those alone who are in a team already.
const LATER: [&str; 4] = ["tpm_limit", "rpm_limit", "temp_budget_increase", "temp_budget_expiry"];

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
                Deed::Release | Deed::Forget => self.release(step).await,
                Deed::Leave | Deed::Hold | Deed::Conflict(_) => continue,
            };
            done.map_err(|error| format!("{} `{}`: {error}", step.kind.name, step.name))?;
            say(tell::one(step).trim_end());
        }
        Ok(())
    }

    async fn create(&mut self, step: &Step) -> Result<(), Trouble> {
        self.mark(step, &Mark { digest: None, ..step.mark.clone() }).await?;
        let kind = step.kind;
        let mut body = self.body(step)?;
        if let Named::By(_, field) = kind.named {
            body.insert(field.to_owned(), self.state.referred(kind, field, &json!(step.name)).0);
        }
        for (field, value) in kind.unless_said {
            body.entry(*field).or_insert(serde_json::from_str(value)?);
        }
        if kind.name == "key"
            && let Some(value) = body.remove("value")
        {
            body.insert("key".to_owned(), value);
        }
        let answer = self.call(&kind.create, "", body).await?;
        if answer["already_known"] == true {
            return Err("something was put in under this id meanwhile: plan again".into());
        }
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
        let mut id = self.id(kind, &step.name)?;
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
        self.send(step, &id, body).await?;
        self.parts(step).await?;
        self.mark(step, &step.mark).await
    }

    /// Sends the changes of an object, if there are any.
    async fn send(&self, step: &Step, id: &str, mut body: Map<String, Value>) -> Result<(), Trouble> {
        let kind = step.kind;
        if body.is_empty() {
            return Ok(());
        }
        if kind.clears == Clears::ByName {
            cleared(&mut body);
        }
        body.extend(self.state.naming(kind, &step.name));
        body.extend(step.along.clone());
        if !kind.handle.is_empty() && !kind.update.1.contains("{id}") {
            body.insert(kind.handle.to_owned(), json!(id));
        }
        self.call(&kind.update, id, body).await?;
        Ok(())
    }

    /// The id of an object; what has none goes by its name.
    fn id(&self, kind: &Kind, name: &str) -> Result<String, Trouble> {
        let named = || kind.id.is_empty().then(|| name.to_owned());
        self.state.id(kind, name).or_else(named).ok_or_else(|| "it is there no more".into())
    }

    async fn delete(&mut self, step: &Step) -> Result<(), Trouble> {
        let (kind, mut body) = (step.kind, Map::new());
        let id = self.id(kind, &step.name)?;
        match &kind.delete {
            Delete::By(call, field) => {
                match (*field, field.strip_suffix('*')) {
                    ("", _) => None,
                    (_, Some(field)) => body.insert(field.to_owned(), json!([id])),
                    (field, None) => body.insert(field.to_owned(), json!(id)),
                };
                self.call(call, &id, body).await?;
            }
            Delete::Clear => self.clear(step, &id).await?,
            Delete::Never => {}
        }
        self.release(step).await
    }

    /// What files said of an object is nothing again.
    async fn clear(&self, step: &Step, id: &str) -> Result<(), Trouble> {
        let kind = step.kind;
        let Some(row) = self.state.row(kind, &step.name) else { return Ok(()) };
        let (parts, fields): (Vec<&String>, Vec<&String>) =
            step.mark.fields.iter().partition(|field| kind.parts().iter().any(|(part, _)| part == field));
        let naming = self.state.naming(kind, &step.name);
        let gone = fields.into_iter().filter(|field| !naming.contains_key(*field));
        let body = gone.map(|field| (field.clone(), nothing(kind, row.get(field).unwrap_or(&Value::Null)))).collect();
        self.send(step, id, body).await?;
        for (field, part) in kind.parts().iter().filter(|(field, _)| parts.iter().any(|part| part == field)) {
            let remove = state::present(self.client, *part, row, &[]).await?;
            self.part(step, id, &Moves { part: *part, field, add: Vec::new(), remove }).await?;
        }
        Ok(())
    }

    /// The fields to be sent, with ids for names, and with secrets.
    fn body(&self, step: &Step) -> Result<Map<String, Value>, Trouble> {
        let mut body = Map::new();
        for (field, after) in step.changes.iter().map(|change| (&change.field, &change.after)).chain(&step.secrets) {
            let (value, known) = self.state.referred(step.kind, field, after);
            if !known && !value.is_null() {
                return Err(format!("`{field}` names {after}, which is not there").into());
            }
            body.insert(field.clone(), value);
        }
        if step.kind.name == "model" && !body.is_empty() {
            let mut info = body.remove("model_info").and_then(|info| info.as_object().cloned()).unwrap_or_default();
            info.insert("id".to_owned(), json!(step.name));
            body.insert("model_info".to_owned(), Value::Object(info));
        }
        Ok(body)
    }

    async fn call(&self, call: &Call, id: &str, mut body: Map<String, Value>) -> Result<Value, Trouble> {
        let method: Method = call.0.parse()?;
        let mut path = call.1.replace("{id}", &segment(id));
        while let Some((before, (field, after))) = path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
            let value = body.remove(field);
            path = format!("{before}{}{after}", segment(value.as_ref().and_then(Value::as_str).unwrap_or_default()));
        }
        let body = Value::Object(if call.1 == SETTINGS { setting(&body) } else { body });
        let body = (method != Method::DELETE || body.as_object().is_some_and(|body| !body.is_empty())).then_some(&body);
        Ok(self.client.json(method, &path, body).await?)
    }

    /// Brings parts of an object to what they are to be.
    async fn parts(&self, step: &Step) -> Result<(), Trouble> {
        for moves in &step.moves {
            let id = self.id(step.kind, &step.name)?;
            self.part(step, &id, moves).await?;
        }
        Ok(())
    }

    async fn part(&self, step: &Step, id: &str, moves: &Moves) -> Result<(), Trouble> {
        let present = self.state.part(step.kind, &step.name, moves.field);
        match moves.part {
            Part::TeamMembers => self.members(id, moves, ("team", Method::POST, Method::POST)).await,
            Part::OrganizationMembers => self.members(id, moves, ("organization", Method::PATCH, Method::DELETE)).await,
            Part::GuardedKeys => self.assigned(id, moves, ("keys", "key_hashes")).await,
            Part::GuardedMembers => self.assigned(id, moves, ("members", "member_user_ids")).await,
            Part::TeamPermissions => self.permissions(id, moves, present).await,
            Part::WorkspaceBudgets => budgets::carry(self.client, id, moves, present).await,
        }
    }

    /// Of a team or an organization, which change and remove members by those methods.
    async fn members(&self, id: &str, moves: &Moves, (of, update, delete): (&str, Method, Method)) -> Result<(), Trouble> {
        let place = format!("{of}_id");
        for member in &moves.add {
            let (user, role) = (who(member), &member["role"]);
            let (mut added, mut changed) = (member.clone(), member.clone());
            changed[&place] = json!(id);
            added["member"] = json!({"user_id": user, "role": role});
            added[&place] = json!(id);
            let has_more = member.as_object().is_some_and(|fields| fields.keys().any(|field| LATER.contains(&field.as_str())));
            // Somebody who is in it already only gets another role, and other terms.
            if self.client.json(Method::POST, &format!("/{of}/member_add"), Some(&added)).await.is_err() || has_more {
                self.client.json(update.clone(), &format!("/{of}/member_update"), Some(&changed)).await?;
            }
        }
        for member in &moves.remove {
            let body = json!({&place: id, "user_id": who(member)});
            self.client.json(delete.clone(), &format!("/{of}/member_delete"), Some(&body)).await?;
        }
        Ok(())
    }

    async fn permissions(&self, id: &str, moves: &Moves, present: &[Value]) -> Result<(), Trouble> {
        let all: Vec<&Value> = present.iter().filter(|one| !moves.remove.contains(one)).chain(&moves.add).collect();
        let body = json!({"team_id": id, "team_member_permissions": all});
        self.client.json(Method::POST, "/team/permissions_update", Some(&body)).await?;
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

/// A setting as requests write it: its section, and in it the key.
fn setting(body: &Map<String, Value>) -> Map<String, Value> {
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let value = body.get("field_value").cloned().unwrap_or_default();
    Map::from_iter([(text("section"), json!({text("field_name"): value}))])
}

/// The row in an answer: some routes wrap it.
fn made(kind: &Kind, answer: Value) -> Map<String, Value> {
    let inner = match kind.name {
        "tag" => answer.get("tag"),
        _ => answer.get("data"),
    };
    inner.filter(|inner| inner.is_object()).unwrap_or(&answer).as_object().cloned().unwrap_or_default()
}
