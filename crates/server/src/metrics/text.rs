//! How metrics are written: Prometheus' text format, as its Python client writes it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use super::row::{BOUNDS, Histogram};
use crate::config::resolved::MetricsGroup;

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How often something took how long.
    Histogram,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// The value of one set of labels.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A distribution.
    Distribution(Histogram),
}

/// One metric under way: values by their labels, added up where labels agree.
#[derive(Debug)]
pub struct Metric {
    name: Cow<'static, str>,
    help: &'static str,
    kind: Kind,
    /// The labels that are kept; `None`: all.
    kept: Option<Vec<String>>,
    /// The labels before a histogram's bound, those after it, and the value.
    values: BTreeMap<(String, String), Value>,
}

/// A page under way.
#[derive(Debug, Default)]
pub struct Page {
    out: String,
    groups: Vec<MetricsGroup>,
}

impl Page {
    /// An empty one. With groups, of LiteLLM's metrics only what they name is kept.
    pub fn new(groups: Vec<MetricsGroup>) -> Self {
        Self { out: String::new(), groups }
    }

    /// Begins a metric; none where the operator does not want it.
    pub fn metric(&self, name: impl Into<Cow<'static, str>>, help: &'static str, kind: Kind) -> Option<Metric> {
        let name = name.into();
        let mut kept = None;
        if !self.groups.is_empty() && name.starts_with("litellm_") {
            let group = self.groups.iter().find(|group| group.metrics.iter().any(|wanted| *wanted == name))?;
            kept.clone_from(&group.labels);
        }
        Some(Metric { name, help, kind, kept, values: BTreeMap::new() })
    }

    /// Writes a metric that has values.
    pub fn add(&mut self, metric: &Metric) {
        if metric.values.is_empty() {
            return;
        }
        let (out, kind) = (&mut self.out, metric.kind.as_str());
        let total = if metric.kind == Kind::Counter && !metric.name.ends_with("_total") { "_total" } else { "" };
        let name = format!("{}{total}", metric.name);
        let _ = write!(out, "# HELP {name} {}\n# TYPE {name} {kind}\n", metric.help);
        for (labels, value) in &metric.values {
            match value {
                Value::Number(number) => {
                    let _ = writeln!(out, "{name}{} {}", joined(&[&labels.0, &labels.1]), shown(*number));
                }
                Value::Distribution(histogram) => write_histogram(out, &name, labels, histogram),
            }
        }
    }

    /// A metric without labels.
    pub fn one(&mut self, name: &'static str, help: &'static str, kind: Kind, value: f64) {
        if let Some(mut metric) = self.metric(name, help, kind) {
            metric.put(&[], Value::Number(value));
            self.add(&metric);
        }
    }

    /// The text.
    pub fn end(self) -> String {
        self.out
    }
}

impl Metric {
    /// Adds a value. Labels come in the order of their names.
    pub fn put(&mut self, labels: &[(&str, &str)], value: Value) {
        let mut key = (String::new(), String::new());
        for (name, said) in labels {
            if self.kept.as_ref().is_some_and(|kept| !kept.iter().any(|kept| kept == name)) {
                continue;
            }
            let text = if *name < "le" { &mut key.0 } else { &mut key.1 };
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(name);
            text.push_str("=\"");
            escape(said, text);
            text.push('"');
        }
        match (self.values.get_mut(&key), value) {
            (Some(Value::Distribution(known)), Value::Distribution(more)) => known.merge(&more),
            (Some(Value::Number(known)), Value::Number(more)) if self.kind == Kind::Counter => *known += more,
            _ => drop(self.values.insert(key, value)),
        }
    }
}

fn write_histogram(out: &mut String, name: &str, (before, after): &(String, String), histogram: &Histogram) {
    let mut sum = 0;
    for (at, count) in histogram.buckets.iter().enumerate() {
        sum += count;
        let bound = BOUNDS.get(at).map_or_else(|| "+Inf".to_owned(), |bound| shown(seconds(*bound)));
        let labels = joined(&[before, &format!("le=\"{bound}\""), after]);
        let _ = writeln!(out, "{name}_bucket{labels} {}", shown(number(sum)));
    }
    let labels = joined(&[before, after]);
    let _ = writeln!(out, "{name}_count{labels} {}", shown(number(sum)));
    let _ = writeln!(out, "{name}_sum{labels} {}", shown(seconds(histogram.sum)));
}

fn joined(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { format!("{{{}}}", parts.join(",")) }
}

/// A count as a number of the format, which knows no other kind.
#[allow(clippy::cast_precision_loss, reason = "numbers of the format are floats")]
pub fn number(count: u64) -> f64 {
    count as f64
}

/// Microseconds as seconds.
pub fn seconds(micros: u64) -> f64 {
    number(micros) / 1e6
}

/// Billionths of a dollar as dollars.
#[allow(clippy::cast_precision_loss, reason = "numbers of the format are floats")]
pub fn dollars(nano: i64) -> f64 {
    nano as f64 / 1e9
}

fn shown(number: f64) -> String {
    if number.is_infinite() { if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned() } else { format!("{number:?}") }
}

/// Escapes a label's value. Other separators of lines would break readers that split by them, and are left out.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push(' '),
            _ => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn text_is_that_of_pythons_client() {
        let mut page = Page::default();
        let mut counter = page.metric("litellm_spend_metric", "Spend", Kind::Counter).unwrap();
        counter.put(&[("model", "a\"b\\c\nd\u{2028}e"), ("team", "None")], Value::Number(0.5));
        counter.put(&[("model", "a\"b\\c\nd\u{2028}e"), ("team", "None")], Value::Number(1.5));
        page.add(&counter);
        let mut histogram = page.metric("took", "Time", Kind::Histogram).unwrap();
        let mut took = Histogram::default();
        took.observe(Duration::from_millis(400_000));
        histogram.put(&[("end_user", "x,m"), ("model", "y")], Value::Distribution(took));
        page.add(&histogram);
        let text = page.end();
        let begins = "# HELP litellm_spend_metric_total Spend\n# TYPE litellm_spend_metric_total counter\n\
                      litellm_spend_metric_total{model=\"a\\\"b\\\\c\\nd e\",team=\"None\"} 2.0\n# HELP took Time\n# TYPE took histogram\n";
        assert!(text.starts_with(begins), "{text}");
        assert!(text.contains("took_bucket{end_user=\"x,m\",le=\"300.0\",model=\"y\"} 0.0\n"), "{text}");
        assert!(
            text.ends_with(
                "le=\"+Inf\",model=\"y\"} 1.0\ntook_count{end_user=\"x,m\",model=\"y\"} 1.0\ntook_sum{end_user=\"x,m\",model=\"y\"} 400.0\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn what_the_operator_does_not_want_is_left_out() {
        let page = Page::new(vec![MetricsGroup { metrics: vec!["litellm_a".into()], labels: Some(vec!["team".into()]) }]);
        assert!(page.metric("litellm_b", "", Kind::Gauge).is_none());
        assert!(page.metric("switchboard_b", "", Kind::Gauge).is_some());
        let mut kept = page.metric("litellm_a", "", Kind::Counter).unwrap();
        kept.put(&[("model", "x"), ("team", "t")], Value::Number(1.0));
        kept.put(&[("model", "y"), ("team", "t")], Value::Number(1.0));
        assert_eq!(kept.values.len(), 1);
    }
}
