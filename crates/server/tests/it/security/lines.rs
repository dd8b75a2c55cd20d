//! Texts that would be lines of a log, colours of a terminal or formulas of a table, in every place a request has one (X7).

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed};

const BEGINNINGS: [&str; 25] = [
    "\n",
    "\r",
    "\r\n",
    "\r\n\r\n",
    "\u{b}",
    "\u{c}",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\0",
    "\u{8}\u{8}\u{8}",
    "\u{1b}[31m",
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}]0;title\u{7}",
    "\u{1b}]8;;http://evil.test\u{1b}\\",
    "\u{1b}P1$r",
    "\u{9b}31m",
    "\u{9d}0;title\u{9c}",
    "\u{90}",
    "\u{7f}",
    "\u{202e}",
    "\u{2066}",
    "\u{feff}",
    "\"}\n{\"",
    "%0a%0d",
];
const ENDINGS: [&str; 4] =
    ["{\"event\":\"request\",\"status\":200}", "\",\"status\":200,\"x\":\"", "2026-11-23 ERROR forged", "=cmd|' /C calc'!A0"];
const FORMULAS: [&str; 14] = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=HYPERLINK(\"http://x\")",
    "=\"a\",\"b\"",
    "＝1",
    "＋1",
    "－1",
    "＠1",
    "\"=1",
];

/// What a terminal takes for more than a letter.
fn is_control(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn each_request_is_one_line_whatever_it_says() {
    let gateway = Managed::signing_in("", &[]);
    let (mut asked, mut texts) = (0, 0);
    for text in BEGINNINGS.iter().flat_map(|begun| ENDINGS.iter().map(move |end| format!("sk-x{begun}{end}"))) {
        texts += 1;
        let named =
            gateway.as_key(MASTER, "POST", "/key/generate", &json!({"key_alias": text, "user_id": text, "metadata": {"tags": [text]}}));
        let key = named.json()["key"].as_str().map_or(MASTER.to_owned(), str::to_owned);
        // A comma would name several models, each of which is asked.
        for model in ["good", &text.replace(',', ";")] {
            let body = json!({
                "model": model, "messages": [{"role": "user", "content": text}], "user": text, "metadata": {"tags": [text], "trace_id": text},
            });
            let header: String = text
                .chars()
                .filter(|letter| !matches!(letter, '\0' | '\r' | '\n' | '\u{1}'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'))
                .collect();
            let ask =
                gateway.app.ask("POST", "/v1/chat/completions").key(&key).header("user-agent", &header).header("x-request-id", &header);
            let reply = ask.header("x-litellm-tags", &header).header("x-litellm-end-user-id", &header).json(&body).send();
            assert!(reply.status.as_u16() < 500, "{text:?}: {}", reply.text());
            asked += 1;
        }
    }
    assert_eq!(texts, 100);
    let (_folder, log) = gateway.stop();
    let lines: Vec<&str> = log.split('\n').filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), asked, "a line for each");
    for line in lines {
        let read: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert_eq!(read["event"], "request", "{line}");
        assert!(!line.contains(is_control), "{line:?}");
    }
}

#[test]
fn no_cell_of_a_table_is_a_formula() {
    let gateway = Managed::signing_in("", &[]);
    for (at, formula) in FORMULAS.iter().enumerate() {
        let team = format!("team-{at}");
        gateway.post("/team/new", &json!({"team_id": team, "team_alias": formula}));
        let key = gateway.key(&json!({"team_id": team, "key_alias": formula}));
        assert_eq!(gateway.chat(&key, "good").status, 200);
    }
    let path = "/team/daily/activity/export?start_date=2020-01-01&end_date=2099-01-01&export_type=daily_with_keys&format=csv";
    let mut text = String::new();
    crate::app::until("every team is counted", || {
        gateway.as_key(MASTER, "GET", path, &Value::Null).text().clone_into(&mut text);
        (0..FORMULAS.len()).all(|at| text.contains(&format!("team-{at},")))
    });
    let mut read = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let cells: Vec<String> =
        read.records().flat_map(|record| record.expect("a row").iter().map(str::to_owned).collect::<Vec<_>>()).collect();
    let formulas: Vec<&String> =
        cells.iter().filter(|cell| cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])).collect();
    assert!(formulas.is_empty(), "{formulas:?}");
}
