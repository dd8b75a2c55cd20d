//! From the many ways to write a model's name to its card.
//!
//! A name is first taken at its word. Only where that leads nowhere are the spellings of different markets compared, by a
//! *plain* form in which they agree: `anthropic/claude-sonnet-4.5`, `claude-sonnet-4-5-20250929` and
//! `us.anthropic.claude-sonnet-4-5-20250929-v1:0` are one model.

use std::hash::{DefaultHasher, Hash, Hasher};

use switchboard_wire::Operation;
use switchboard_wire::dialect::Flavor;

use super::model::ModelCard;
use super::provider::Provider;
use super::table::{Table, first_column};
use super::{Catalog, Family};
use crate::pattern::matches;

/// A model at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The provider's id.
    pub provider: String,
    /// The model's name at that provider.
    pub model: String,
    /// What is known of it.
    pub card: ModelCard,
}

/// Every card by the plain form of its name: hash and place of the line, sorted.
#[derive(Debug)]
pub(super) struct PlainNames(Vec<(u64, u32)>);

impl PlainNames {
    pub(super) fn of(table: &Table) -> PlainNames {
        let entry = |(at, line): (usize, &str)| Some((hash(&plain(model_of(line))), u32::try_from(at).ok()?));
        let mut entries: Vec<(u64, u32)> = table.lines().filter_map(entry).collect();
        entries.sort_unstable();
        PlainNames(entries)
    }

    fn find<'a>(&'a self, table: &'a Table, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let wanted = hash(name);
        let name = name.to_owned();
        let from = self.0.partition_point(|(hash, _)| *hash < wanted);
        let same = self.0[from..].iter().take_while(move |(hash, _)| *hash == wanted);
        same.filter_map(move |(_, at)| table.line_at(usize::try_from(*at).ok()?)).filter(move |line| plain(model_of(line)) == name)
    }
}

impl Catalog {
    /// The card a name means: `provider/model`, a bare model name (the provider that makes it wins), an `author/slug`, or
    /// any spelling of these that differs in dots, dates and variants only.
    ///
    /// Behind a provider that is no author the answer is of that provider or none. Behind an author it may be of anyone who
    /// offers the model: look at [`Found::provider`].
    pub fn lookup(&self, name: &str) -> Option<Found> {
        if let Some(found) = self.lookup_prefixed(name) {
            return Some(found);
        }
        let Some((prefix, _)) = name.split_once('/') else {
            return self.lookup_bare(name).or_else(|| self.lookup_plain(name, Whose::Anyones));
        };
        let is_author = self.providers().any(|row| row.authors.iter().any(|author| author == prefix));
        let own = self.lookup_plain(name, Whose::Of(prefix));
        if own.is_some() || (self.provider(prefix).is_some() && !is_author) {
            return own;
        }
        self.lookup_bare(name).or_else(|| self.lookup_plain(name, Whose::Anyones))
    }

    /// Every provider that offers the model a name means, whatever the spelling, sorted by provider and model.
    pub fn offers(&self, name: &str) -> Vec<Found> {
        let mut found: Vec<Found> = self.lines_of_plain(&plain(name)).into_iter().filter_map(|line| self.found(line)).collect();
        found.sort_by(|one, other| (&one.provider, &one.model).cmp(&(&other.provider, &other.model)));
        found.dedup_by(|one, other| one.provider == other.provider && one.model == other.model);
        found
    }

    /// The whole names (`provider/model`) that a name may stand for which leads nowhere as it is, the best first: of a bare name, where
    /// its model is; of an `author/slug`, at the author's own provider and as the model is spelled there, of a family those of its models
    /// that are for chats, the newest first; then at gateways that know models by such names.
    pub fn whole_names(&self, name: &str) -> Vec<String> {
        let Some((author, slug)) = name.split_once('/') else {
            let unknown = || self.providers().find(|row| row.bare.iter().any(|pattern| matches(pattern, name)));
            let provider = self.lookup(name).map(|found| found.provider).or_else(|| unknown().map(|row| row.id.clone()));
            return provider.map(|provider| format!("{provider}/{name}")).into_iter().collect();
        };
        let family = Family::of(name);
        let author = family.map_or(author, |family| family.author);
        let makers: Vec<&Provider> = self.providers().filter(|row| row.authors.iter().any(|own| own == author)).collect();
        let is_author = !makers.is_empty();
        let own = makers.into_iter().flat_map(|row| match &family {
            Some(family) => self.members(row, family),
            None => vec![format!("{}/{}", row.id, self.spelled(row, slug).unwrap_or_else(|| slug.to_owned()))],
        });
        let gateways = self.providers().filter(|row| is_author && row.flavor == Flavor::OpenRouter);
        own.chain(gateways.map(|row| format!("{}/{name}", row.id))).collect()
    }

    /// The name under which markets list a model of its maker's own provider (`author/slug`), where [`Self::whole_names`] leads back
    /// from it. They write versions with a dot.
    pub fn market_name(&self, whole: &str) -> Option<String> {
        let (provider, model) = whole.split_once('/')?;
        let row = self.provider(provider)?;
        let name = format!("{}/{}", row.authors.first()?, with_versions(model));
        self.whole_names(&name).first().is_some_and(|back| *back == format!("{}/{model}", row.id)).then_some(name)
    }

    /// The models of a family at a provider, the newest first.
    fn members(&self, provider: &Provider, family: &Family<'_>) -> Vec<String> {
        let chats = self.models_of(&provider.id).filter(|card| card.operation() == Some(Operation::Chat));
        let mut members: Vec<_> = chats.filter_map(|card| Some((family.age(&card.model)?, card.model))).collect();
        members.sort_unstable_by(|one, other| other.cmp(one));
        members.into_iter().map(|(_, model)| format!("{}/{model}", provider.id)).collect()
    }

    /// How a provider spells a model that others spell in another way. Another edition of it is another model.
    fn spelled(&self, provider: &Provider, slug: &str) -> Option<String> {
        let base = slug.split_once(':').map_or(slug, |(base, _)| base);
        let wanted = undotted(base);
        let is_dated = without_date(&wanted).len() < wanted.len();
        let models = self.lines_of_plain(&plain(base)).into_iter().filter(|line| provider_of(line) == provider.id).map(model_of);
        let fits = models.filter(|model| undotted(model) == wanted || !is_dated);
        fits.min_by_key(|model| (undotted(model) != wanted, std::cmp::Reverse((*model).to_owned()))).map(str::to_owned)
    }

    /// How a provider is likely to spell a model that no list has yet, where that is not as markets do.
    pub fn respelled(&self, provider: &Provider, model: &str) -> Option<String> {
        (provider.hyphens && self.spelled(provider, model).is_none()).then(|| without_dots(model)).filter(|other| other != model)
    }

    /// The card of a model that another one is said to be, for a deployment of that provider: with a provider's name before it or without.
    pub fn base(&self, provider: &str, name: &str) -> Option<ModelCard> {
        let own = || self.model(provider, name.strip_prefix(provider)?.strip_prefix('/')?);
        self.model(provider, name).or_else(own).or_else(|| self.lookup_prefixed(name).map(|found| found.card))
    }

    fn lookup_prefixed(&self, name: &str) -> Option<Found> {
        let (prefix, model) = name.split_once('/')?;
        let provider = self.provider(prefix);
        let id = provider.map_or(prefix, |provider| provider.id.as_str());
        let card = self.model(id, model)?;
        Some(Found { provider: card.provider.clone(), model: model.to_owned(), card })
    }

    fn lookup_bare(&self, name: &str) -> Option<Found> {
        self.ranked().into_iter().find_map(|provider| {
            let card = self.model(&provider.id, name)?;
            Some(Found { provider: provider.id.clone(), model: card.model.clone(), card })
        })
    }

    fn lookup_plain(&self, name: &str, whose: Whose<'_>) -> Option<Found> {
        let lines = self.lines_of_plain(&plain(name)).into_iter();
        let eligible = lines.filter(|line| match whose {
            Whose::Anyones => true,
            Whose::Of(name) => self.provider(provider_of(line)).is_some_and(|row| makes(row, name)),
        });
        let last = undotted(name.rsplit('/').next().unwrap_or(name));
        let best = eligible.min_by_key(|line| {
            let rank = self.provider(provider_of(line)).and_then(|row| row.bare_rank).unwrap_or(u8::MAX);
            let model = model_of(line);
            // Among dated editions the latest stands for the undated name.
            (rank, undotted(model) != last, std::cmp::Reverse(model.to_owned()), (*line).to_owned())
        })?;
        self.found(best)
    }

    fn found(&self, line: &str) -> Option<Found> {
        let card = self.card_of(line)?;
        Some(Found { provider: card.provider.clone(), model: card.model.clone(), card })
    }

    fn ranked(&self) -> Vec<&Provider> {
        let mut ranked: Vec<&Provider> = self.providers().filter(|provider| provider.bare_rank.is_some()).collect();
        ranked.sort_by_key(|provider| provider.bare_rank);
        ranked
    }

    fn lines_of_plain(&self, wanted: &str) -> Vec<&str> {
        self.tables().flat_map(|(table, names)| names.find(table, wanted)).collect()
    }
}

/// Whose cards may answer.
#[derive(Clone, Copy)]
enum Whose<'a> {
    Anyones,
    /// Of the provider that has this name, or makes the models of this author.
    Of(&'a str),
}

/// Whether the provider has that name, or makes the models of that author.
fn makes(provider: &Provider, name: &str) -> bool {
    provider.authors.iter().any(|author| author == name) || provider.names().any(|own| own == name)
}

fn provider_of(line: &str) -> &str {
    first_column(line).split_once('/').map_or("", |(provider, _)| provider)
}

fn model_of(line: &str) -> &str {
    first_column(line).split_once('/').map_or("", |(_, model)| model)
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// A name with a dot in its version: `4.5` for `4-5`. A number of more digits is a date or a size.
fn with_versions(name: &str) -> String {
    let is_digit = |part: &str| part.len() == 1 && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut out = String::with_capacity(name.len());
    let (mut before, mut dotted) = ("", false);
    for (at, part) in name.split('-').enumerate() {
        dotted = at > 0 && !dotted && is_digit(before) && is_digit(part);
        if at > 0 {
            out.push(if dotted { '.' } else { '-' });
        }
        out.push_str(part);
        before = part;
    }
    out
}

/// A name with hyphens in its versions: `4-5` for `4.5`.
fn without_dots(name: &str) -> String {
    let bytes = name.as_bytes();
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let is_point = |at: usize| is_digit(at.checked_sub(1)) && is_digit(Some(at + 1));
    name.char_indices().map(|(at, letter)| if letter == '.' && is_point(at) { '-' } else { letter }).collect()
}

fn undotted(name: &str) -> String {
    name.to_lowercase().replace(['.', '_', ' '], "-")
}

/// The form in which the spellings of one model agree: the last path segment, in lower case, with dashes for dots, without
/// vendor prefix, edition date, revision and market variant.
pub(super) fn plain(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let mut rest = name.as_str();
    while let Some((vendor, model)) = rest.split_once('.') {
        let is_vendor = vendor.len() > 1 && vendor.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        if !is_vendor || model.is_empty() {
            break;
        }
        rest = model;
    }
    let rest = rest.split_once('@').map_or(rest, |(model, _)| model);
    let rest = rest.split_once(':').map_or(rest, |(model, _)| model);
    let rest = undotted(rest);
    let rest = without_revision(&rest);
    let rest = without_date(rest);
    rest.strip_suffix("-latest").unwrap_or(rest).to_owned()
}

/// `-v1`, as one market ends every name.
fn without_revision(name: &str) -> &str {
    match name.rsplit_once("-v") {
        Some((model, digits)) if digits.len() == 1 && digits == "1" => model,
        Some(_) | None => name,
    }
}

/// A name without `-20250929` or `-2025-09-29` at its end.
pub(super) fn without_date(name: &str) -> &str {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((model, date)) = name.rsplit_once('-')
        && digits(date, 8)
        && date.starts_with("20")
    {
        return model;
    }
    let mut parts = name.rsplitn(4, '-');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(day), Some(month), Some(year), Some(model)) if digits(day, 2) && digits(month, 2) && digits(year, 4) => model,
        _ => name,
    }
}
