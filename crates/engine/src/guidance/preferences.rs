//! Preferences among providers, as OpenRouter's clients write them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::catalog::Rate;

/// OpenRouter's `provider` object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Provider {
    /// Try these first, in this order.
    pub order: Option<Vec<String>>,
    /// These and no others.
    pub only: Option<Vec<String>>,
    /// None of these.
    pub ignore: Option<Vec<String>>,
    /// Whether others may be tried than the first choices.
    pub allow_fallbacks: Option<bool>,
    /// Only those that support every parameter sent.
    pub require_parameters: Option<bool>,
    /// Whether the data may be stored and trained on.
    pub data_collection: Option<DataCollection>,
    /// Only those that retain nothing.
    pub zdr: Option<bool>,
    /// Only models whose licence allows distillation.
    pub enforce_distillable_text: Option<bool>,
    /// Only weights of these precisions.
    pub quantizations: Option<Vec<String>>,
    /// Rank by one figure alone.
    pub sort: Option<Sort>,
    /// The highest prices, USD per million.
    pub max_price: Option<MaxPrice>,
    /// Tokens a second below which an endpoint is a last choice.
    pub preferred_min_throughput: Option<Preferred>,
    /// Seconds to the first token above which an endpoint is a last choice.
    pub preferred_max_latency: Option<Preferred>,
}

/// Whether data may be collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataCollection {
    /// It may.
    Allow,
    /// It may not.
    #[serde(alias = "disallow")]
    Deny,
}

/// The figure that endpoints are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The lowest price first.
    Price,
    /// The highest throughput first.
    Throughput,
    /// The shortest wait first.
    Latency,
    /// The best at calling tools first.
    Exacto,
}

/// Whether the models of a request are ranked one after the other or together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partition {
    /// All endpoints of the first model before those of the second.
    #[default]
    Model,
    /// All endpoints of all models together.
    None,
}

/// `sort`, in either of its forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "SortForm")]
pub struct Sort {
    /// The figure.
    pub by: Option<By>,
    /// Across models or not.
    pub partition: Partition,
}

impl Provider {
    /// Whether it may leave any endpoint out.
    pub fn is_choosy(&self) -> bool {
        let lists = self.only.is_some() || self.ignore.is_some() || self.quantizations.is_some();
        let rules = self.require_parameters.is_some() || self.zdr.is_some() || self.enforce_distillable_text.is_some();
        lists || rules || self.data_collection.is_some() || self.max_price.is_some()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SortForm {
    By(By),
    Full { by: Option<By>, partition: Option<Partition> },
}

impl From<SortForm> for Sort {
    fn from(form: SortForm) -> Self {
        match form {
            SortForm::By(by) => Self { by: Some(by), partition: Partition::Model },
            SortForm::Full { by, partition } => Self { by, partition: partition.unwrap_or_default() },
        }
    }
}

/// A threshold: for the median, or for several percentiles that must all hold.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "PreferredForm")]
pub struct Preferred(pub Vec<(f64, f64)>);

#[derive(Deserialize)]
#[serde(untagged)]
enum PreferredForm {
    Median(f64),
    Percentiles { p50: Option<f64>, p75: Option<f64>, p90: Option<f64>, p99: Option<f64> },
}

impl From<PreferredForm> for Preferred {
    fn from(form: PreferredForm) -> Self {
        match form {
            PreferredForm::Median(value) => Self(vec![(0.5, value)]),
            PreferredForm::Percentiles { p50, p75, p90, p99 } => {
                let all = [(0.5, p50), (0.75, p75), (0.9, p90), (0.99, p99)];
                Self(all.into_iter().filter_map(|(at, value)| Some((at, value?))).collect())
            }
        }
    }
}

/// The highest prices a caller would pay, as exact rates for one unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, Box<RawValue>>")]
pub struct MaxPrice {
    /// For a token of the prompt.
    pub prompt: Option<Rate>,
    /// For a token of the answer.
    pub completion: Option<Rate>,
    /// For an image.
    pub image: Option<Rate>,
    /// For a token of sound.
    pub audio: Option<Rate>,
    /// For a request.
    pub request: Option<Rate>,
}

impl TryFrom<BTreeMap<String, Box<RawValue>>> for MaxPrice {
    type Error = String;

    fn try_from(written: BTreeMap<String, Box<RawValue>>) -> Result<Self, String> {
        let mut prices = Self::default();
        for (name, value) in written {
            // Tokens are priced by the million; what is bought by the piece, by the piece.
            let (place, shift) = match name.as_str() {
                "prompt" => (&mut prices.prompt, -6),
                "completion" => (&mut prices.completion, -6),
                "audio" => (&mut prices.audio, -6),
                "image" => (&mut prices.image, 0),
                "request" => (&mut prices.request, 0),
                _ => continue,
            };
            let text = value.get().trim_matches('"');
            if text != "null" {
                *place = Some(Rate::parse_scaled(text, shift).map_err(|error| format!("`max_price.{name}`: {error}"))?);
            }
        }
        Ok(prices)
    }
}
