//! A provider row as written, and its one conversion to what is meant.

mod checks;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::half::{Budgets, Inputs, Thinking};
use switchboard_wire::{Dialect, Operation};

use self::checks::{check_places, check_template};
use super::accent::AccentRow;
use super::auth::Auth;
use super::provider::{
    CacheMarks, Company, Edits, Exchange, Made, Pass, PassedCall, Place, Provider, RowError, Rule, StreamUsage, Variable, Variant,
};
use super::tools::Tools;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    #[serde(default)]
    base: String,
    #[serde(default)]
    base_env: Vec<String>,
    auth: String,
    #[serde(default)]
    key_env: Vec<String>,
    #[serde(default)]
    token_env: Vec<String>,
    token_url: Option<String>,
    #[serde(default)]
    exchange: Exchange,
    #[serde(default)]
    variables: BTreeMap<String, VariableRow>,
    #[serde(default)]
    chat: Vec<String>,
    compact: Option<String>,
    count_tokens: Option<String>,
    embeddings: Option<String>,
    rerank: Option<String>,
    moderations: Option<String>,
    image_generations: Option<String>,
    image_edits: Option<String>,
    image_variations: Option<String>,
    speech: Option<String>,
    transcriptions: Option<String>,
    translations: Option<String>,
    #[serde(default)]
    at: BTreeMap<String, PlaceRow>,
    #[serde(default)]
    paths: BTreeMap<String, String>,
    #[serde(default)]
    variants: Vec<VariantRow>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    edits: EditsRow,
    #[serde(default)]
    rules: Vec<RuleRow>,
    #[serde(default)]
    stream_usage: StreamUsageRow,
    #[serde(default)]
    states_cost: bool,
    #[serde(default)]
    searches: Vec<String>,
    #[serde(default)]
    tools: Tools,
    usage: Option<String>,
    reasoning_field: Option<String>,
    #[serde(default)]
    bytes_only: Vec<String>,
    #[serde(default)]
    model_prefixes: Vec<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    price_names: Vec<String>,
    #[serde(default)]
    authors: Vec<String>,
    #[serde(default)]
    makes: Vec<MadeRow>,
    #[serde(default)]
    inputs: Vec<InputsRow>,
    #[serde(default)]
    flavor: FlavorRow,
    bare_rank: Option<u8>,
    #[serde(default)]
    bare: Vec<String>,
    #[serde(default)]
    hyphens: bool,
    cards_of: Option<String>,
    #[serde(default)]
    thinking_switch: bool,
    #[serde(default)]
    betas: BTreeMap<String, String>,
    #[serde(default)]
    plain_messages: bool,
    #[serde(default)]
    accent: AccentRow,
    #[serde(default)]
    cache_marks: CacheMarks,
    #[serde(default)]
    knobs: Vec<String>,
    #[serde(default)]
    rewritten: bool,
    #[serde(default)]
    newer_calls: bool,
    #[serde(default)]
    gateway: bool,
    #[serde(default)]
    local: bool,
    trains: Option<bool>,
    retains: Option<bool>,
    #[serde(default)]
    docs: String,
    #[serde(default)]
    checked: String,
    note: Option<String>,
    listed_as: Option<String>,
    slug: Option<String>,
    family: Option<String>,
    #[serde(default)]
    company: Company,
    #[serde(default)]
    pass: Pass,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VariableRow {
    #[serde(default)]
    params: Vec<String>,
    #[serde(default)]
    env: Vec<String>,
    default: Option<String>,
    by: Option<String>,
    #[serde(default)]
    cases: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceRow {
    base: Option<String>,
    #[serde(default)]
    follows: bool,
    #[serde(default)]
    base_env: Vec<String>,
    auth: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VariantRow {
    base: Option<String>,
    #[serde(default)]
    values: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    paths: BTreeMap<String, String>,
    auth: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct EditsRow {
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    rename: BTreeMap<String, String>,
    #[serde(default)]
    set: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleRow {
    models: Vec<String>,
    strip: Option<String>,
    #[serde(default)]
    chat: Vec<String>,
    #[serde(default)]
    operations: BTreeMap<String, String>,
    base: Option<String>,
    #[serde(default)]
    paths: BTreeMap<String, String>,
    #[serde(default)]
    edits: EditsRow,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MadeRow {
    #[serde(default)]
    models: Vec<String>,
    thinking: Option<ThinkingRow>,
    #[serde(default)]
    presumed: bool,
    #[serde(default)]
    efforts: Vec<String>,
    budgets: Option<BudgetsRow>,
    #[serde(default)]
    newer_limit: bool,
    #[serde(default)]
    newer_calls: bool,
    #[serde(default)]
    unsampled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetsRow {
    least: u64,
    most: u64,
    off: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ThinkingRow {
    Never,
    Effort,
    Budget,
    Adaptive,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InputsRow {
    models: Vec<String>,
    limit: Option<String>,
    system: Option<String>,
    image: Option<String>,
    #[serde(default)]
    lists_images: bool,
    knobs: Option<Vec<String>>,
    effort: Option<String>,
    budget: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum FlavorRow {
    #[default]
    OpenAi,
    OpenRouter,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum StreamUsageRow {
    #[default]
    Option,
    Always,
    Never,
}

impl StreamUsageRow {
    fn resolve(self) -> StreamUsage {
        match self {
            Self::Option => StreamUsage::Option,
            Self::Always => StreamUsage::Always,
            Self::Never => StreamUsage::Never,
        }
    }
}

impl Provider {
    /// Reads rows, one TOML table per provider.
    pub fn parse_rows(text: &str) -> Result<Vec<Provider>, RowError> {
        let rows: BTreeMap<String, Row> = toml::from_str(text).map_err(|error| RowError::Toml(error.to_string().trim_end().to_owned()))?;
        rows.into_iter().map(|(id, row)| row.resolve(&id).map_err(|why| RowError::Field { provider: id, why })).collect()
    }
}

// === impl Row ===

impl Row {
    fn check(&self, id: &str) -> Result<(), String> {
        if id.is_empty() || id.contains(['/', ' ', '\t', '\n']) {
            return Err("the id may hold neither a slash nor white space".to_owned());
        }
        check_template(&self.base)?;
        self.pass.base.iter().chain(self.pass.names.values()).chain(self.pass.below.values()).try_for_each(|base| check_template(base))?;
        let unknown = |call: &&PassedCall| operation(&call.operation).is_none() && call.operation != Operation::PassThrough.as_str();
        if let Some(call) = self.pass.calls.iter().find(unknown) {
            return Err(format!("pass: `{}` is no operation", call.operation));
        }
        check_places(self.paths.keys().chain(self.at.keys()))
    }

    fn resolve(self, id: &str) -> Result<Provider, String> {
        self.check(id)?;
        Ok(Provider {
            id: id.to_owned(),
            shapes: self.shapes(),
            name: self.name,
            base: self.base.trim_end_matches('/').to_owned(),
            base_env: self.base_env,
            is_own: false,
            auth: self.auth.parse().map_err(|error| format!("auth: {error}"))?,
            key_env: self.key_env,
            token_env: self.token_env,
            token_url: self.token_url,
            exchange: self.exchange,
            variables: self.variables.into_iter().map(|(name, row)| (name, row.resolve())).collect(),
            chat: dialects(&self.chat)?,
            at: resolve_all(self.at, PlaceRow::resolve)?,
            paths: self.paths,
            variants: self.variants.into_iter().map(VariantRow::resolve).collect::<Result<_, _>>()?,
            headers: self.headers,
            edits: self.edits.resolve(),
            rules: self.rules.into_iter().map(RuleRow::resolve).collect::<Result<_, _>>()?,
            stream_usage: self.stream_usage.resolve(),
            states_cost: self.states_cost,
            searches: self.searches,
            tools: self.tools,
            usage: self.usage,
            reasoning_field: self.reasoning_field,
            model_prefixes: self.model_prefixes,
            aliases: with_slug(self.aliases, self.slug.as_deref()),
            slug: self.slug,
            price_names: self.price_names,
            authors: self.authors,
            makes: self.makes.into_iter().map(MadeRow::resolve).collect(),
            inputs: self.inputs.into_iter().map(InputsRow::resolve).collect(),
            flavor: self.flavor.resolve(),
            bare_rank: self.bare_rank,
            bare: self.bare,
            hyphens: self.hyphens,
            cards_of: self.cards_of,
            bytes_only: dialects(&self.bytes_only)?,
            thinking_switch: self.thinking_switch,
            betas: self.betas,
            plain_messages: self.plain_messages,
            accent: self.accent.resolve(),
            cache_marks: self.cache_marks,
            knobs: self.knobs,
            rewritten: self.rewritten,
            newer_calls: self.newer_calls,
            gateway: self.gateway,
            local: self.local,
            trains: self.trains,
            retains: self.retains,
            docs: self.docs,
            checked: self.checked,
            note: self.note,
            listed_as: self.listed_as,
            family: self.family,
            company: self.company,
            pass: self.pass,
        })
    }

    fn shapes(&self) -> BTreeMap<Operation, String> {
        [
            (Operation::Compact, &self.compact),
            (Operation::CountTokens, &self.count_tokens),
            (Operation::Embeddings, &self.embeddings),
            (Operation::Rerank, &self.rerank),
            (Operation::Moderations, &self.moderations),
            (Operation::ImageGenerations, &self.image_generations),
            (Operation::ImageEdits, &self.image_edits),
            (Operation::ImageVariations, &self.image_variations),
            (Operation::Speech, &self.speech),
            (Operation::Transcriptions, &self.transcriptions),
            (Operation::Translations, &self.translations),
        ]
        .into_iter()
        .filter_map(|(operation, shape)| shape.clone().map(|shape| (operation, shape)))
        .collect()
    }
}

impl VariableRow {
    fn resolve(self) -> Variable {
        Variable { params: self.params, env: self.env, default: self.default, by: self.by, cases: self.cases }
    }
}

impl PlaceRow {
    fn resolve(self) -> Result<Place, String> {
        if let Some(base) = &self.base {
            check_template(base)?;
        }
        let auth = self.auth.map(|auth| auth.parse::<Auth>()).transpose();
        Ok(Place {
            base: self.base.map(|base| base.trim_end_matches('/').to_owned()),
            follows: self.follows,
            base_env: self.base_env,
            auth: auth.map_err(|error| format!("auth: {error}"))?,
            headers: self.headers,
        })
    }
}

impl VariantRow {
    fn resolve(self) -> Result<Variant, String> {
        check_places(self.paths.keys())?;
        let auth = self.auth.map(|auth| auth.parse::<Auth>()).transpose().map_err(|error| format!("auth: {error}"))?;
        Ok(Variant { base: self.base, values: self.values, paths: self.paths, auth })
    }
}

impl EditsRow {
    fn resolve(self) -> Edits {
        let set = self.set.into_iter().map(|(field, value)| (field, value.to_string())).collect();
        Edits { remove: self.remove, rename: self.rename, set }
    }
}

impl RuleRow {
    fn resolve(self) -> Result<Rule, String> {
        check_places(self.paths.keys())?;
        let mut shapes = BTreeMap::new();
        for (name, shape) in self.operations {
            shapes.insert(operation(&name).ok_or_else(|| format!("rules: `{name}` is no operation"))?, shape);
        }
        Ok(Rule {
            models: self.models,
            strip: self.strip,
            chat: dialects(&self.chat)?,
            shapes,
            base: self.base.map(|base| base.trim_end_matches('/').to_owned()),
            paths: self.paths,
            edits: self.edits.resolve(),
        })
    }
}

impl FlavorRow {
    fn resolve(self) -> Flavor {
        match self {
            FlavorRow::OpenAi => Flavor::OpenAi,
            FlavorRow::OpenRouter => Flavor::OpenRouter,
        }
    }
}

impl MadeRow {
    fn resolve(self) -> Made {
        let thinking = self.thinking.map(|thinking| match thinking {
            ThinkingRow::Never => Thinking::Never,
            ThinkingRow::Effort => Thinking::Effort,
            ThinkingRow::Budget => Thinking::Budget,
            ThinkingRow::Adaptive => Thinking::Adaptive,
        });
        Made {
            models: self.models,
            thinking,
            presumed: self.presumed,
            efforts: self.efforts,
            budgets: self.budgets.map(|row| Budgets { least: row.least, most: row.most, off: row.off }),
            newer_limit: self.newer_limit,
            newer_calls: self.newer_calls,
            unsampled: self.unsampled,
        }
    }
}

impl InputsRow {
    fn resolve(self) -> (Vec<String>, Arc<Inputs>) {
        let usual = Inputs::default();
        let inputs = Inputs {
            limit: self.limit.unwrap_or(usual.limit),
            system: self.system.unwrap_or(usual.system),
            image: self.image.unwrap_or(usual.image),
            lists_images: self.lists_images,
            knobs: self.knobs,
            effort: self.effort,
            budget: self.budget,
        };
        (self.models, Arc::new(inputs))
    }
}

fn resolve_all<R, T>(rows: BTreeMap<String, R>, resolve: impl Fn(R) -> Result<T, String>) -> Result<BTreeMap<String, T>, String> {
    rows.into_iter().map(|(name, row)| Ok((name, resolve(row)?))).collect()
}

fn dialects(names: &[String]) -> Result<Vec<Dialect>, String> {
    names.iter().map(|name| Dialect::from_name(name).ok_or_else(|| format!("chat: `{name}` is no dialect"))).collect()
}

fn operation(name: &str) -> Option<Operation> {
    Operation::ALL.into_iter().find(|operation| operation.as_str() == name)
}

/// The slug in public lists leads to the row like any alias.
fn with_slug(mut aliases: Vec<String>, slug: Option<&str>) -> Vec<String> {
    let further = slug.filter(|slug| !aliases.iter().any(|alias| alias == slug)).map(str::to_owned);
    aliases.extend(further);
    aliases
}
