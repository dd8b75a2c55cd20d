//! `/compliance/…`: whether the record of a request has what two regulations ask for. The verdict follows from what is sent alone.

use serde_json::{Value, json};

use super::form::Form;
use super::routes::Row;
use super::routes::{Action, post};
use super::{Answer, Request};
use crate::authz::Policy::Info;

/// A regulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the regulation it is named after")]
pub enum Compliance {
    EuAiAct,
    Gdpr,
}

/// The routes.
pub(super) const ROWS: &[Row] = &[
    post(
        "/compliance/eu-ai-act",
        Action::Compliance(Compliance::EuAiAct),
        Info,
        "ComplianceCheckRequest",
        "Whether a record has what the EU's AI Act asks for",
    ),
    post(
        "/compliance/gdpr",
        Action::Compliance(Compliance::Gdpr),
        Info,
        "ComplianceCheckRequest",
        "Whether a record has what the GDPR asks for",
    ),
];

/// Guardrails as a record tells of them.
struct Record<'a> {
    form: &'a Form,
    ran: Vec<&'a Value>,
}

impl<'a> Record<'a> {
    fn of(form: &'a Form) -> Self {
        let told = form.get("guardrail_information").and_then(Value::as_array).into_iter().flatten();
        Self { form, ran: told.filter(|one| one["guardrail_status"] != "not_run").collect() }
    }

    /// Those that ran before the model was asked, for certain.
    fn before(&self) -> Vec<&'a Value> {
        self.ran.iter().copied().filter(|one| is_before(&one["guardrail_mode"])).collect()
    }

    /// What an audit would miss.
    fn missing(&self) -> Vec<&'static str> {
        let fields = ["user_id", "model", "timestamp"].into_iter();
        let mut missing: Vec<&str> = fields.filter(|name| self.form.text(name).is_none_or(str::is_empty)).collect();
        missing.extend(self.ran.is_empty().then_some("guardrail_results"));
        missing
    }
}

/// Whether a guardrail of that mode runs before the model is asked, whatever branch is taken. Without a mode it does.
fn is_before(mode: &Value) -> bool {
    match mode {
        Value::Null => true,
        Value::String(mode) => mode == "pre_call",
        Value::Array(modes) => !modes.is_empty() && modes.iter().all(|mode| mode == "pre_call"),
        Value::Object(by_tag) => {
            let default = by_tag.get("default").filter(|default| !default.is_null());
            let tags = by_tag.get("tags").and_then(Value::as_object).into_iter().flat_map(|tags| tags.values());
            default.is_some_and(|default| is_before(default) && tags.into_iter().all(|branch| !branch.is_null() && is_before(branch)))
        }
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn check(name: &str, article: &str, passed: bool, detail: String) -> Value {
    json!({"check_name": name, "article": article, "passed": passed, "detail": detail})
}

fn counted(count: usize, what: &str, none: &str) -> String {
    if count > 0 { format!("{count} {what}") } else { none.to_owned() }
}

fn audit(record: &Record<'_>, article: &str) -> Value {
    let missing = record.missing();
    let detail =
        if missing.is_empty() { "All required audit fields present".to_owned() } else { format!("Missing: {}", missing.join(", ")) };
    check("Audit record complete", article, missing.is_empty(), detail)
}

fn eu_ai_act(record: &Record<'_>) -> Vec<Value> {
    let (ran, before) = (record.ran.len(), record.before().len());
    vec![
        check("Guardrails applied", "Art. 9", ran > 0, counted(ran, "guardrail(s) applied", "No guardrails applied")),
        check(
            "Content screened before LLM",
            "Art. 5",
            before > 0,
            counted(before, "pre-call guardrail(s) screened content", "No pre-call screening applied"),
        ),
        audit(record, "Art. 12"),
    ]
}

fn gdpr(record: &Record<'_>) -> Vec<Value> {
    let before = record.before();
    let stepped_in =
        before.iter().any(|one| matches!(one["guardrail_status"].as_str(), Some("guardrail_intervened" | "failed" | "blocked")));
    let clean = !before.is_empty() && before.iter().all(|one| one["guardrail_status"] == "success");
    let detail = match () {
        () if stepped_in => "Guardrail intervened to protect sensitive data",
        () if clean => "No sensitive data detected",
        () => "No pre-call guardrails to protect sensitive data",
    };
    vec![
        check(
            "Data protection applied",
            "Art. 32",
            !before.is_empty(),
            counted(before.len(), "pre-call guardrail(s) protect data", "No pre-call data protection applied"),
        ),
        check("Sensitive data protected", "Art. 5(1)(c)", stepped_in || clean, detail.to_owned()),
        audit(record, "Art. 30"),
    ]
}

/// Does what a route does.
pub(super) fn dispatch(action: Compliance, request: &Request) -> Answer {
    let form = request.form("ComplianceCheckRequest")?;
    let record = Record::of(&form);
    let (regulation, checks) = match action {
        Compliance::EuAiAct => ("EU AI Act", eu_ai_act(&record)),
        Compliance::Gdpr => ("GDPR", gdpr(&record)),
    };
    let compliant = checks.iter().all(|check| check["passed"] == true);
    Ok(json!({"compliant": compliant, "regulation": regulation, "checks": checks}))
}
