//! `/credentials`: values that models refer to by name.

use serde_json::{Value, json};
use switchboard_store::object::{Credential, Model, Object};
use switchboard_store::vault::Vault;
use switchboard_store::{Desk, Time};

use super::{Json, vault};
use crate::admin::form::Form;
use crate::admin::{Answer, Request};
use crate::live::seal;
use crate::refused::Refused;

const LONGEST: usize = 255;

/// What a person reads instead of the name. Sent as null it is none.
fn label(form: &Form) -> Result<Option<String>, Refused> {
    let Some(text) = form.text("display_name") else { return Ok(None) };
    let text = text.trim();
    let invalid = |message: &str| Err(Refused::new(400, "validation_error", json!("display_name"), message));
    if text.is_empty() {
        return invalid("display_name cannot be blank. Send null to clear it or omit the field to leave it unchanged.");
    }
    if text.chars().count() > LONGEST {
        return invalid("display_name cannot be longer than 255 characters.");
    }
    if text.chars().any(|letter| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{feff}')) {
        return invalid("display_name cannot contain control, formatting, or line separator characters.");
    }
    Ok(Some(text.to_owned()))
}

fn in_file(request: &Request, name: &str) -> bool {
    request.app.live.base().credentials.iter().any(|known| known == name)
}

fn missing(name: &str) -> Refused {
    Refused::new(404, "internal_server_error", json!("None"), format!("Credential not found. Got credential name: {name}"))
}

/// Parameters of a deployment by which it is reached: a credential may be made of them.
fn of_deployment(params: Json) -> Json {
    const KEPT: [&str; 8] = ["api_key", "api_base", "base_url", "api_version", "organization", "region_name", "tenant_id", "client_id"];
    let own = ["aws_", "vertex_", "azure_", "watsonx_"];
    params
        .into_iter()
        .filter(|(name, value)| {
            KEPT.contains(&name.as_str()) || seal::is_secret(name, value) || own.iter().any(|own| name.starts_with(own))
        })
        .filter(|(name, _)| name != "litellm_credential_name" && name != "extra_headers" && name != "extra_body")
        .collect()
}

/// The values a request brings, or those of the deployment that it names.
async fn sent(desk: &Desk, vault: &Vault, form: &Form) -> Result<Option<Json>, Refused> {
    let Some(id) = form.text("model_id") else {
        let values = form.object("credential_values").cloned();
        return Ok(values.map(|values| values.into_iter().filter(|(_, value)| !value.is_null()).collect()));
    };
    let missing = || Refused::new(404, "internal_server_error", json!("None"), "Model not found");
    let model: Model = desk.get(id).await?.ok_or_else(missing)?;
    Ok(Some(of_deployment(seal::params(desk, Some(vault), &model).await?)))
}

/// `POST /credentials`
pub(super) async fn new(request: &Request) -> Answer {
    let form = request.form("CreateCredentialItem")?;
    let (name, display_name) = (form.owned("credential_name").unwrap_or_default(), label(&form)?);
    if name.is_empty() {
        return Err(Refused::new(400, "validation_error", json!("credential_name"), "credential_name cannot be empty."));
    }
    if form.object("credential_values").is_none_or(serde_json::Map::is_empty) && form.text("model_id").is_none() {
        let message = "Value error, Either credential_values or model_id must be set";
        return Err(Refused::invalid(vec![json!({"type": "value_error", "loc": ["body"], "msg": message, "input": null})]));
    }
    if in_file(request, &name) {
        let message = format!("Credential '{name}' is defined in config. Edit config.yaml to change it.");
        return Err(Refused::new(409, "validation_error", json!("credential_name"), message));
    }
    let vault = vault(request).await?;
    let write = request.write(move |desk| async move {
        if desk.get::<Credential>(&name).await?.is_some() {
            let message = format!("Credential '{name}' already exists. Update it with PATCH /credentials/{name}, or delete it first.");
            return Err(Refused::new(409, "internal_server_error", json!("None"), message));
        }
        let Some(values) = sent(&desk, &vault, &form).await? else {
            let message = "Credential values are required. Unable to infer credential values from model ID.";
            return Err(Refused::new(400, "internal_server_error", json!("None"), message));
        };
        let (now, actor) = (Some(Time::now()), Some(desk.actor().to_owned()));
        let credential = Credential {
            credential_name: name,
            display_name,
            credential_info: form.object("credential_info").cloned().unwrap_or_default(),
            created_at: now,
            created_by: actor.clone(),
            updated_at: now,
            updated_by: actor,
            ..Credential::default()
        };
        Ok(seal::put_credential(&desk, &vault, credential, values).await?)
    });
    write.await?;
    request.app.live.renewed().await;
    Ok(json!({"success": true, "message": "Credential created successfully"}))
}

/// A credential as it is shown; everything that may be a secret is masked.
fn shown(credential: &Credential, values: &Json) -> Value {
    let values: Json = values
        .iter()
        .map(|(name, value)| (name.clone(), if seal::is_secret(name, value) { seal::masked(value) } else { value.clone() }))
        .collect();
    json!({
        "credential_name": credential.credential_name,
        "display_name": credential.display_name,
        "credential_values": values,
        "credential_info": credential.credential_info,
        "source": "db",
    })
}

/// One that stands in the configuration's file: of its values only the gateway knows.
fn of_file(name: &str) -> Value {
    json!({"credential_name": name, "display_name": null, "credential_values": {}, "credential_info": {}, "source": "config"})
}

/// `GET /credentials`
pub(super) async fn list(request: &Request) -> Answer {
    let vault = vault(request).await?;
    let mut all: Vec<Value> = request.app.live.base().credentials.iter().map(|name| of_file(name)).collect();
    let read = request.read(move |desk| async move {
        let mut list = Vec::new();
        for credential in desk.all::<Credential>().await? {
            list.push(shown(&credential, &seal::values(&desk, Some(&vault), &credential).await?));
        }
        Ok::<_, Refused>(list)
    });
    all.extend(read.await?);
    Ok(json!({"success": true, "credentials": all}))
}

/// The rest of the path, which may hold slashes.
fn name(request: &Request) -> &str {
    request.part(0)
}

/// `GET /credentials/by_name/{credential_name}`
pub(super) async fn by_name(request: &Request) -> Answer {
    let (vault, name) = (vault(request).await?, name(request).to_owned());
    if in_file(request, &name) {
        return Ok(of_file(&name));
    }
    let read = request.read(move |desk| async move {
        let credential: Credential = desk.get(&name).await?.ok_or_else(|| missing(&name))?;
        Ok(shown(&credential, &seal::values(&desk, Some(&vault), &credential).await?))
    });
    read.await
}

/// `GET /credentials/by_model/{model_id}`
pub(super) async fn by_model(request: &Request) -> Answer {
    let (vault, id) = (vault(request).await?, request.part(0).to_owned());
    let read = request.read(move |desk| async move {
        let missing = || Refused::new(404, "internal_server_error", json!("None"), "Model not found");
        let model: Model = desk.get(&id).await?.ok_or_else(missing)?;
        let values = of_deployment(seal::params(&desk, Some(&vault), &model).await?);
        let credential = Credential { credential_name: format!("{}-credential-{id}", model.model_name), ..Credential::default() };
        Ok(shown(&credential, &values))
    });
    read.await
}

/// `PATCH /credentials/{credential_name}`
pub(super) async fn update(request: &Request) -> Answer {
    let form = request.form("UpdateCredentialItem")?;
    let name = name(request).to_owned();
    if form.text("credential_name").is_some_and(|sent| sent != name) {
        let message = "credential_name is immutable. Set display_name to change how the credential is labeled.";
        return Err(Refused::new(400, "validation_error", json!("credential_name"), message));
    }
    let display_name = label(&form)?;
    let gone = form.texts("credential_values_to_delete").unwrap_or_default();
    let new = form.object("credential_values").cloned().unwrap_or_default();
    let both: Vec<&String> = gone.iter().filter(|name| new.contains_key(*name)).collect();
    if !both.is_empty() {
        let message = format!("credential_values_to_delete overlaps credential_values for key(s): {both:?}");
        return Err(Refused::new(400, "internal_server_error", json!("None"), message));
    }
    not_of_file(request, &name)?;
    let vault = vault(request).await?;
    let write = request.write(move |desk| async move {
        let mut credential: Credential = desk.get(&name).await?.ok_or_else(|| missing(&name))?;
        let mut values = seal::values(&desk, Some(&vault), &credential).await?;
        for (name, value) in sent(&desk, &vault, &form).await?.unwrap_or_default() {
            // A masked value that comes back is the value.
            if values.get(&name).is_none_or(|old| !seal::is_secret(&name, old) || seal::masked(old) != value) {
                values.insert(name, value);
            }
        }
        values.retain(|name, _| !gone.contains(name));
        if form.sent("display_name") {
            credential.display_name = display_name;
        }
        credential.credential_info.extend(form.object("credential_info").cloned().unwrap_or_default());
        (credential.updated_at, credential.updated_by) = (Some(Time::now()), Some(desk.actor().to_owned()));
        Ok(seal::put_credential(&desk, &vault, credential, values).await?)
    });
    write.await?;
    request.app.live.renewed().await;
    Ok(json!({"success": true, "message": "Credential updated successfully"}))
}

fn not_of_file(request: &Request, name: &str) -> Result<(), Refused> {
    if !in_file(request, name) {
        return Ok(());
    }
    let message = format!("Credential '{name}' is defined in config and cannot be edited from the API or UI.");
    Err(Refused::new(405, "validation_error", json!("credential_name"), message))
}

/// `DELETE /credentials/{credential_name}`
pub(super) async fn delete(request: &Request) -> Answer {
    let (vault, name) = (vault(request).await?, name(request).to_owned());
    not_of_file(request, &name)?;
    let write = request.write(move |desk| async move {
        desk.forget(&vault, Credential::KIND, &name).await?;
        if desk.delete::<Credential>(&name).await? { Ok(()) } else { Err(missing(&name)) }
    });
    write.await?;
    request.app.live.renewed().await;
    Ok(json!({"success": true, "message": "Credential deleted successfully"}))
}

/// `GET /credentials/migrate-encryption/check`: what is sealed has one form, so that nothing is left to be migrated; what does not
/// open is counted.
pub(super) async fn migration(request: &Request) -> Answer {
    let vault = vault(request).await?;
    let read = request.read(move |desk| async move {
        let (mut models, mut credentials) = ((0, 0), (0, 0));
        for model in desk.all::<Model>().await?.iter().filter(|model| !model.sealed.is_empty()) {
            models.0 += 1;
            models.1 += u64::from(seal::params(&desk, Some(&vault), model).await.is_err());
        }
        for credential in &desk.all::<Credential>().await? {
            credentials.0 += 1;
            credentials.1 += u64::from(seal::values(&desk, Some(&vault), credential).await.is_err());
        }
        Ok::<_, Refused>((models, credentials))
    });
    let (models, credentials) = read.await?;
    let place = |(sealed, closed): (u64, u64)| json!({"scanned": sealed, "migrated": 0, "already_v2": sealed - closed, "plaintext": 0, "undecryptable": closed, "legacy": 0});
    let report = json!({
        "residual_legacy": 0, "total_scanned": models.0 + credentials.0, "total_undecryptable": models.1 + credentials.1,
        "locations": {"model_table": place(models), "credentials": place(credentials)},
    });
    Ok(json!({"status": "success", "report": report}))
}
