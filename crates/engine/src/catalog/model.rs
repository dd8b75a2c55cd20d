//! A model card: what is known of one model at one provider, and the line that says it.
//!
//! A line is `provider/model`, a tab, and fields `name=value` separated by single spaces; white space and `%` inside a
//! model name or a value are percent-encoded. Prices are fields whose name starts with `$`:
//! `$component[@kind][+service][>tokens]`, in USD per million tokens, per second or per piece.

use std::fmt::Write as _;

use switchboard_wire::Operation;

use super::price::{Component, PriceKey, Prices, Rate, Service, Unit};

/// What is known of one model at one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelCard {
    /// The provider's id.
    pub provider: String,
    /// The model's name at that provider.
    pub model: String,
    /// What it does, as price lists name it: `chat`, `embedding`, `image_generation` …
    pub mode: Option<String>,
    /// The longest prompt, in tokens.
    pub max_input_tokens: Option<u64>,
    /// The longest answer, in tokens.
    pub max_output_tokens: Option<u64>,
    /// A limit of which the source does not say whether it is of the prompt or of the answer.
    pub max_tokens: Option<u64>,
    /// The length of an embedding.
    pub vector_size: Option<u64>,
    /// The shortest prompt that is cached, in tokens.
    pub cache_min_tokens: Option<u64>,
    /// Requests per minute granted by default.
    pub rpm: Option<u64>,
    /// Tokens per minute granted by default.
    pub tpm: Option<u64>,
    /// What a prompt may hold: `text`, `image`, `audio`, `video`.
    pub input_modalities: Vec<String>,
    /// What an answer may hold.
    pub output_modalities: Vec<String>,
    /// Abilities it has: `function_calling`, `vision`, `prompt_caching` …
    pub supports: Vec<String>,
    /// Abilities the source says it lacks; what is in neither list is not known.
    pub lacks: Vec<String>,
    /// The paths under which OpenAI-like surfaces offer it.
    pub endpoints: Vec<String>,
    /// The levels of reasoning effort it takes.
    pub efforts: Vec<String>,
    /// The level it takes when none is given.
    pub default_effort: Option<String>,
    /// The regions it is offered in.
    pub regions: Vec<String>,
    /// The day it is or was withdrawn, `YYYY-MM-DD`.
    pub deprecated_on: Option<String>,
    /// When the quiet hours are, as `weekdays@from-to|from-to` in UTC, separated by `;`.
    pub off_peak_hours: Option<String>,
    /// The time zone whose weekdays `off_peak_hours` names, where it is not UTC.
    pub off_peak_zone: Option<String>,
    /// Searches that cost nothing: `count/period/group`.
    pub free_searches: Option<String>,
    /// What one search is to this provider: `per_query` or `per_prompt`.
    pub search_unit: Option<String>,
    /// Factors on the whole price under some condition, such as `fast` or `us`, as decimals.
    pub factors: Vec<(String, String)>,
    /// The prices.
    pub prices: Prices,
    /// Where the facts are from.
    pub source: Option<String>,
}

/// A line that is no model card.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("model line `{line}`: {why}")]
pub struct CardError {
    /// The beginning of the line.
    pub line: String,
    /// What is wrong with it.
    pub why: String,
}

impl ModelCard {
    /// Reads one line.
    pub fn parse(line: &str) -> Result<ModelCard, CardError> {
        let mut card = ModelCard::default();
        card.apply(line)?;
        Ok(card)
    }

    /// Reads one line over this card: what the line says replaces what the card said, field by field.
    pub fn apply(&mut self, line: &str) -> Result<(), CardError> {
        self.read(line).map_err(|why| CardError { line: line.chars().take(80).collect(), why })
    }

    fn read(&mut self, line: &str) -> Result<(), String> {
        let (key, fields) = line.split_once('\t').unwrap_or((line, ""));
        let (provider, model) = key.split_once('/').ok_or("the name is not `provider/model`")?;
        if provider.is_empty() || model.is_empty() {
            return Err("the name is not `provider/model`".to_owned());
        }
        self.provider = decode(provider);
        self.model = decode(model);
        for field in fields.split(' ').filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').ok_or_else(|| format!("`{field}` is not `name=value`"))?;
            self.set(name, value)?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        if let Some(key) = name.strip_prefix('$') {
            let key = parse_price_key(key).ok_or_else(|| format!("`{name}` is no price"))?;
            let shift = if key.component.unit() == Unit::Token { -6 } else { 0 };
            let rate = Rate::parse_scaled(value, shift).map_err(|error| error.to_string())?;
            self.prices.set(key, rate);
            return Ok(());
        }
        if let Some(factor) = name.strip_prefix('*') {
            self.factors.retain(|(other, _)| other != factor);
            self.factors.push((decode(factor), decode(value)));
            return Ok(());
        }
        if let Some(number) = self.number(name) {
            *number = Some(value.parse().map_err(|_| format!("`{name}` is no whole number"))?);
        } else if let Some(list) = self.list(name) {
            *list = value.split(',').filter(|item| !item.is_empty()).map(decode).collect();
        } else if let Some(text) = self.text(name) {
            *text = Some(decode(value));
        } else {
            return Err(format!("`{name}` is no field of a card"));
        }
        Ok(())
    }

    fn number(&mut self, name: &str) -> Option<&mut Option<u64>> {
        Some(match name {
            "max_in" => &mut self.max_input_tokens,
            "max_out" => &mut self.max_output_tokens,
            "max" => &mut self.max_tokens,
            "vector" => &mut self.vector_size,
            "cache_min" => &mut self.cache_min_tokens,
            "rpm" => &mut self.rpm,
            "tpm" => &mut self.tpm,
            _ => return None,
        })
    }

    fn list(&mut self, name: &str) -> Option<&mut Vec<String>> {
        Some(match name {
            "takes" => &mut self.input_modalities,
            "gives" => &mut self.output_modalities,
            "supports" => &mut self.supports,
            "lacks" => &mut self.lacks,
            "endpoints" => &mut self.endpoints,
            "efforts" => &mut self.efforts,
            "regions" => &mut self.regions,
            _ => return None,
        })
    }

    fn text(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "mode" => &mut self.mode,
            "effort" => &mut self.default_effort,
            "deprecated" => &mut self.deprecated_on,
            "off_peak" => &mut self.off_peak_hours,
            "off_peak_zone" => &mut self.off_peak_zone,
            "free_searches" => &mut self.free_searches,
            "search_unit" => &mut self.search_unit,
            "source" => &mut self.source,
            _ => return None,
        })
    }

    /// The line that says this card.
    pub fn to_line(&self) -> String {
        let mut fields: Vec<String> = Vec::new();
        let mut text = |name: &str, value: &Option<String>| {
            fields.extend(value.iter().map(|value| format!("{name}={}", encode(value))));
        };
        text("mode", &self.mode);
        text("effort", &self.default_effort);
        text("deprecated", &self.deprecated_on);
        text("off_peak", &self.off_peak_hours);
        text("off_peak_zone", &self.off_peak_zone);
        text("free_searches", &self.free_searches);
        text("search_unit", &self.search_unit);
        let numbers = [
            ("max_in", self.max_input_tokens),
            ("max_out", self.max_output_tokens),
            ("max", self.max_tokens),
            ("vector", self.vector_size),
            ("cache_min", self.cache_min_tokens),
            ("rpm", self.rpm),
            ("tpm", self.tpm),
        ];
        fields.extend(numbers.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))));
        fields.extend(self.prices.iter().map(|(key, rate)| price_field(key, rate)));
        fields.extend(self.factors.iter().map(|(name, value)| format!("*{}={}", encode(name), encode(value))));
        let lists = [
            ("takes", &self.input_modalities),
            ("gives", &self.output_modalities),
            ("supports", &self.supports),
            ("lacks", &self.lacks),
            ("efforts", &self.efforts),
            ("endpoints", &self.endpoints),
            ("regions", &self.regions),
        ];
        for (name, items) in lists.into_iter().filter(|(_, items)| !items.is_empty()) {
            let items: Vec<String> = items.iter().map(|item| encode(item)).collect();
            fields.push(format!("{name}={}", items.join(",")));
        }
        fields.extend(self.source.iter().map(|source| format!("source={}", encode(source))));
        format!("{}\t{}", key_of(&self.provider, &self.model), fields.join(" "))
    }

    /// Whether it has an ability; `None` where the source does not say.
    pub fn supports(&self, ability: &str) -> Option<bool> {
        if self.supports.iter().any(|other| other == ability) {
            return Some(true);
        }
        self.lacks.iter().any(|other| other == ability).then_some(false)
    }

    /// The operation it serves, where that is one of ours.
    pub fn operation(&self) -> Option<Operation> {
        match self.mode.as_deref()? {
            "chat" | "responses" | "completion" => Some(Operation::Chat),
            "embedding" => Some(Operation::Embeddings),
            "rerank" => Some(Operation::Rerank),
            "moderation" => Some(Operation::Moderations),
            "image_generation" => Some(Operation::ImageGenerations),
            "image_edit" => Some(Operation::ImageEdits),
            "audio_speech" => Some(Operation::Speech),
            "audio_transcription" => Some(Operation::Transcriptions),
            _ => None,
        }
    }
}

/// The first column of a line.
pub(super) fn key_of(provider: &str, model: &str) -> String {
    format!("{}/{}", encode(provider), encode(model))
}

fn price_field(key: &PriceKey, rate: Rate) -> String {
    let mut field = format!("${}", key.component.as_str());
    if !key.qualifier.is_empty() {
        field.push('@');
        field.push_str(&key.qualifier);
    }
    if key.service != Service::Standard {
        field.push('+');
        field.push_str(key.service.as_str());
    }
    if key.above > 0 {
        // Writing to a string cannot fail.
        let _ = write!(field, ">{}", key.above);
    }
    let shift = if key.component.unit() == Unit::Token { 6 } else { 0 };
    field.push('=');
    field.push_str(&rate.to_decimal(shift));
    field
}

fn parse_price_key(text: &str) -> Option<PriceKey> {
    let (text, above) = match text.split_once('>') {
        Some((text, above)) => (text, above.parse().ok()?),
        None => (text, 0),
    };
    let (text, service) = match text.split_once('+') {
        Some((text, service)) => (text, Service::from_name(service)?),
        None => (text, Service::Standard),
    };
    let (name, qualifier) = text.split_once('@').unwrap_or((text, ""));
    Some(PriceKey { component: Component::from_name(name)?, qualifier: qualifier.to_owned(), service, above })
}

/// White space and the percent sign, percent-encoded; everything else as it is.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '%' || character.is_ascii_whitespace() || character.is_ascii_control() {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{:02X}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii);
        match byte {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &after[2..];
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}
