//! What is to be done, for people and for machines. Secrets are never told.

use std::fmt::Write;

use serde_json::{Value, json};

use super::difference::{Clash, Deed, Moves, Plan, Step, told, who};
use super::secret::HIDDEN;

/// The whole plan.
pub(super) fn plan(plan: &Plan, machine: bool) -> String {
    if machine {
        return document(plan).to_string();
    }
    let mut text = String::new();
    for step in &plan.steps {
        text.push_str(&one(step));
    }
    text.push_str(&summary(plan, false));
    text
}

/// How much it is.
pub(super) fn summary(plan: &Plan, done: bool) -> String {
    let count = |deed| plan.count(deed);
    let (made, changed, gone) = (count(Deed::Create), count(Deed::Change), count(Deed::Delete));
    let foreign = count(Deed::Conflict(Clash::Foreign));
    let stuck = count(Deed::Conflict(Clash::Fixed)) + count(Deed::Conflict(Clash::Past));
    let mut clashes = Vec::new();
    if foreign > 0 {
        let hint = "made elsewhere, or by files of another owner. Rename them here, or take them over with --adopt.";
        clashes.push(format!("{} in the way: {hint}", objects(foreign)));
    }
    if stuck > 0 {
        clashes.push(format!("{} not changed so; why is said beside each.", objects(stuck)));
    }
    if !clashes.is_empty() {
        return clashes.join(" ");
    }
    let left = match (count(Deed::Leave), count(Deed::Hold)) {
        (0, 0) => String::new(),
        (0, held) => format!(" {} no longer in the files and held already; --past-prices deletes.", objects(held)),
        (left, _) => format!(" {} no longer in the files; --prune deletes.", objects(left)),
    };
    if plan.is_empty() {
        return format!("Nothing to do: the gateway is as the files say.{left}");
    }
    let marks = count(Deed::Mark) + count(Deed::Forget) + count(Deed::Release);
    let marks = if marks > 0 { format!(", {marks} only marked") } else { String::new() };
    if done {
        format!("Done: {made} made, {changed} changed, {gone} deleted{marks}.{left}")
    } else {
        format!("To do: {made} to make, {changed} to change, {gone} to delete{marks}.{left}")
    }
}

fn objects(count: usize) -> String {
    if count == 1 { "1 object is".to_owned() } else { format!("{count} objects are") }
}

/// One step, with what changes.
pub(super) fn one(step: &Step) -> String {
    let sign = match step.deed {
        Deed::Create => '+',
        Deed::Change => '~',
        Deed::Mark | Deed::Release | Deed::Forget => '=',
        Deed::Delete => '-',
        Deed::Conflict(_) => '!',
        Deed::Leave | Deed::Hold => '?',
    };
    let fixed = format!("  cannot become that: {}", step.kind.fixed.1);
    let why = match step.deed {
        Deed::Conflict(Clash::Foreign) => "  exists and was not made by these files",
        Deed::Conflict(Clash::Fixed) => fixed.as_str(),
        Deed::Conflict(Clash::Past) => {
            "  holds already, and calls may have been charged by it: let another one follow it, or change it with --past-prices"
        }
        Deed::Hold => "  is no longer in the files, but calls may have been charged by it; --past-prices deletes",
        Deed::Release => "  is no longer in the files: what was put in stays, and its mark goes",
        Deed::Leave => "  is no longer in the files",
        Deed::Mark => "  is as it is to be and gets the mark of these files",
        Deed::Forget => "  is gone, and its mark goes too",
        Deed::Create | Deed::Change | Deed::Delete => "",
    };
    let mut text = format!("{sign} {} {}{why}\n", step.kind.name, step.name);
    if !matches!(step.deed, Deed::Create | Deed::Change | Deed::Conflict(Clash::Fixed | Clash::Past)) {
        return text;
    }
    let kind = step.kind;
    for change in step.changes.iter().filter(|change| !kind.is_name(&change.field)) {
        let field = kind.written(&change.field);
        // Writing to a text cannot fail.
        let _ = match step.deed {
            Deed::Create => writeln!(text, "    {field}: {}", told(&change.after)),
            _ => writeln!(text, "    {field}: {} -> {}", told(&change.before), told(&change.after)),
        };
    }
    for field in step.secrets.keys() {
        let _ = writeln!(text, "    {}: {HIDDEN}", kind.written(field));
    }
    if step.begun && !matches!(step.deed, Deed::Conflict(_)) {
        text.push_str("    it holds for calls that were charged already: `switchboard reprice` reckons them again\n");
    }
    for Moves { field, add, remove, .. } in &step.moves {
        let named = |list: &[Value]| list.iter().map(who).map(str::to_owned).collect::<Vec<_>>().join(", ");
        if !add.is_empty() {
            let _ = writeln!(text, "    {field}: + {}", named(add));
        }
        if !remove.is_empty() {
            let _ = writeln!(text, "    {field}: - {}", named(remove));
        }
    }
    text
}

fn document(plan: &Plan) -> Value {
    let name = |deed| match deed {
        Deed::Create => "create",
        Deed::Change => "change",
        Deed::Mark => "mark",
        Deed::Delete => "delete",
        Deed::Conflict(_) => "conflict",
        Deed::Leave => "leave",
        Deed::Hold => "hold",
        Deed::Release => "release",
        Deed::Forget => "forget",
    };
    let step = |step: &Step| {
        let changes = step.changes.iter().map(|change| json!({"field": change.field, "before": change.before, "after": change.after}));
        let secrets = step.secrets.keys().map(|field| json!({"field": field, "secret": true}));
        let moves = step.moves.iter().map(|moves| json!({"field": moves.field, "add": moves.add, "remove": moves.remove}));
        json!({
            "action": name(step.deed), "kind": step.kind.name, "name": step.name,
            "changes": changes.chain(secrets).chain(moves).collect::<Vec<_>>(),
        })
    };
    json!({"changed": !plan.is_empty(), "conflicts": plan.conflicts(), "steps": plan.steps.iter().map(step).collect::<Vec<_>>()})
}
