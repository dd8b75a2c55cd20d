//! Files that say what a gateway is to have, and commands that make it so.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, with};

pub(crate) const SECRET: &str = "sk-brought-along-0123456789";

const FILES: &str = "
owner: platform
budgets:
  - {name: small, max_budget: 5, budget_duration: 30d}
organizations:
  - {alias: acme, models: [good, other], max_budget: 100, members: [{user: ann, role: org_admin}, bob]}
users:
  - {id: ann, user_email: ann@example.com, user_role: internal_user, max_budget: 10}
  - {id: bob, user_role: internal_user}
customers:
  - {id: shop, alias: The shop, budget: small}
teams:
  - {alias: lab, organization: acme, models: [good], max_budget: 20, members: [{user: ann, role: admin}, bob]}
projects:
  - {alias: thunder, team: lab, max_budget: 3}
tags:
  - {name: nightly, description: Jobs of the night, max_budget: 1}
keys:
  - {alias: ci, team: lab, project: thunder, max_budget: 2, models: [good], metadata: {purpose: tests}}
  - {alias: own, user: ann, budget: small, value: {env: OWN_KEY}}
access_groups:
  - {name: everyday, models: [good], teams: [lab]}
guardrails:
  - {name: quiet, allowed_models: [good], limit_usd: 1, reset_interval: daily, keys: [ci], members: [bob]}
";

/// A folder with files, and the gateway that they speak of.
pub(crate) struct Place<'a> {
    gateway: &'a Managed,
    folder: tempfile::TempDir,
}

impl Place<'_> {
    pub(crate) fn write(&self, text: &str) {
        std::fs::write(self.folder.path().join("gateway.yaml"), text).expect("written");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        command.arg(arguments[0]).arg("-f").arg(self.folder.path()).args(&arguments[1..]).args(["--url", &self.gateway.app.url()]);
        command.env_clear().env("SWITCHBOARD_MASTER_KEY", MASTER).env("OWN_KEY", SECRET).stdin(Stdio::null());
        let output = command.output().expect("it runs");
        let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(!told.contains(SECRET) && !told.contains(MASTER), "{told}");
        output
    }

    /// Runs a command, which ends with that code; gives what it said.
    pub(crate) fn ended(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        told
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

pub(crate) fn place(gateway: &Managed) -> Place<'_> {
    Place { gateway, folder: tempfile::tempdir().expect("a folder") }
}

#[test]
fn what_files_say_is_made_once_and_a_second_run_changes_nothing() {
    with("", |gateway| {
        let place = place(gateway);
        place.write(FILES);
        let told = place.ended(&["plan"], 2);
        assert!(told.contains("To do: 12 to make") && told.contains("value: (secret)"), "{told}");
        assert!(place.ended(&["apply"], 64).contains("--keys-to"), "a key would be generated and lost");
        let keys = place.folder.path().join("keys.txt");
        let keys = keys.to_str().expect("text");
        assert!(place.ended(&["apply", "--keys-to", keys], 0).contains("Done: 12 made"));
        assert!(place.ended(&["plan"], 0).contains("Nothing to do"));
        assert!(place.ended(&["apply"], 0).contains("Nothing to do"));
        assert_eq!(std::fs::metadata(keys).expect("there").permissions().mode() & 0o777, 0o600);
        let written = std::fs::read_to_string(keys).expect("read");
        let ci = written.trim().strip_prefix("\"ci\": \"").and_then(|rest| rest.strip_suffix('"')).expect("one key");
        assert_eq!((gateway.chat(ci, "good").status.as_u16(), gateway.chat(SECRET, "good").status.as_u16()), (200, 200));
        let team = gateway.get("/team/list");
        let team = team.as_array().expect("teams").iter().find(|team| team["team_alias"] == "lab").expect("the team").clone();
        let members: Vec<(&Value, &Value)> =
            team["members_with_roles"].as_array().expect("members").iter().map(|one| (&one["user_id"], &one["role"])).collect();
        assert_eq!(members, [(&json!("ann"), &json!("admin")), (&json!("bob"), &json!("user"))]);
        let info = gateway.get(&format!("/key/info?key={ci}"))["info"].clone();
        assert_eq!((&info["team_id"], &info["max_budget"], &info["metadata"]["purpose"]), (&team["team_id"], &json!(2.0), &json!("tests")));
        let guarded = gateway.get("/api/v1/guardrails/assignments/keys");
        assert_eq!((&guarded["total_count"], &guarded["data"][0]["key_name"]), (&json!(1), &json!("ci")));
    });
}

#[test]
fn only_what_differs_is_changed_and_only_what_is_owned_is_touched() {
    with("", |gateway| {
        let place = place(gateway);
        gateway.post("/team/new", &json!({"team_alias": "theirs", "max_budget": 1}));
        place.write("teams:\n  - {alias: mine, max_budget: 5, models: [good]}\n  - {alias: other}\nkeys:\n  - {alias: k, value: {env: OWN_KEY}, rpm_limit: 10}\n");
        place.ended(&["apply"], 0);
        let named = |alias: &str| {
            let all = gateway.get("/team/list");
            all.as_array().expect("teams").iter().find(|team| team["team_alias"] == alias).cloned()
        };
        // Somebody changes it by hand, and a field is no longer named.
        let id = named("mine").expect("there")["team_id"].clone();
        gateway.post("/team/update", &json!({"team_id": id, "max_budget": 50}));
        place.write("teams:\n  - {alias: mine, max_budget: 5}\nkeys:\n  - {alias: k, value: {env: OWN_KEY}, rpm_limit: 20}\n");
        let told = place.ended(&["plan", "--format", "json"], 2);
        let plan: Value = serde_json::from_str(told.trim()).expect("a document");
        let step = |name: &str| plan["steps"].as_array().expect("steps").iter().find(|step| step["name"] == name).expect("a step").clone();
        assert_eq!(step("mine")["changes"][0], json!({"field": "max_budget", "before": 50.0, "after": 5}));
        assert_eq!(step("mine")["changes"][1]["after"], json!([]), "a field that is no longer named is nothing again");
        assert_eq!((&step("other")["action"], &step("k")["changes"][0]["after"]), (&json!("leave"), &json!(20)));
        place.ended(&["apply"], 0);
        assert_eq!((&named("mine").expect("there")["max_budget"], named("other").is_some()), (&json!(5.0), true));
        assert!(place.ended(&["plan"], 0).contains("--prune deletes"));
        assert!(place.ended(&["apply", "--prune"], 0).contains("1 deleted"));
        assert!(named("other").is_none() && named("theirs").is_some());
        // What others made stands in the way, and is taken over only when that is asked for.
        place.write("teams:\n  - {alias: mine, max_budget: 5}\n  - {alias: theirs, max_budget: 2}\nkeys:\n  - {alias: k, value: {env: OWN_KEY}, rpm_limit: 20}\n");
        assert!(place.ended(&["plan"], 64).contains("! team theirs"));
        place.ended(&["apply"], 64);
        assert_eq!(named("theirs").expect("there")["max_budget"], json!(1.0));
        place.ended(&["apply", "--adopt"], 0);
        assert_eq!(named("theirs").expect("there")["max_budget"], json!(2.0));
        place.ended(&["plan"], 0);
        place.write("owner: somebody else\nteams:\n  - {alias: theirs}\n");
        place.ended(&["plan", "--adopt"], 64);
    });
}

#[test]
fn what_is_no_longer_said_of_people_is_nothing_again() {
    with("", |gateway| {
        let place = place(gateway);
        let said = "{alias: acme, models: [good], max_budget: 5}";
        place.write(&format!("organizations:\n  - {said}\nusers:\n  - {{id: ann, user_alias: Ann, models: [good], max_budget: 5}}\n"));
        place.ended(&["apply"], 0);
        place.write("organizations:\n  - {alias: acme}\nusers:\n  - {id: ann}\n");
        place.ended(&["apply"], 0);
        let ann = gateway.get("/user/info?user_id=ann")["user_info"].clone();
        assert_eq!((&ann["user_alias"], &ann["models"], &ann["max_budget"]), (&Value::Null, &json!([]), &Value::Null), "{ann}");
        let acme = gateway.get("/organization/list")[0].clone();
        assert_eq!((&acme["models"], &acme["litellm_budget_table"]["max_budget"]), (&json!([]), &Value::Null), "{acme}");
        assert!(place.ended(&["plan"], 0).contains("Nothing to do"));
    });
}

#[test]
fn files_that_cannot_be_used_and_gateways_that_cannot_be_asked_are_told_apart() {
    with("", |gateway| {
        let place = place(gateway);
        place.write("keys:\n  - {alias: k, max_budgt: 1}\n");
        assert!(place.ended(&["plan"], 64).contains("gateway.yaml:2"));
        place.write("keys:\n  - {alias: k, team: nowhere, value: {env: OWN_KEY}}\n");
        assert!(place.ended(&["apply"], 1).contains("nowhere"));
        place.write("teams:\n  - {alias: nowhere}\nkeys:\n  - {alias: k, team: nowhere, value: {env: OWN_KEY}}\n");
        place.ended(&["apply"], 0);
        place.ended(&["plan"], 0);
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        command.args(["plan", "--url", "http://127.0.0.1:9", "-f"]).arg(place.folder.path()).env_clear().env("OWN_KEY", SECRET);
        assert_eq!(command.output().expect("it runs").status.code(), Some(1));
    });
}
