//! Models that price lists have by what they draw: a line for each quality and size (`azure/hd/1024-x-1024/dall-e-3`), and none for the
//! model itself.

use super::model::key_of;
use super::price::PriceKey;
use super::table::first_column;
use super::{Catalog, ModelCard, Prices};

/// What is drawn where a call does not say.
const USUAL: &str = "standard/1024-x-1024";

/// The kind of an image of that quality and size, as price lists write it.
pub(crate) fn kind(quality: Option<&str>, size: Option<&str>) -> String {
    let (usual_quality, usual_size) = USUAL.split_once('/').unwrap_or_default();
    let said = |word: Option<&str>| word.filter(|word| *word != "auto").map(|word| word.trim().to_ascii_lowercase());
    let quality = said(quality).unwrap_or_else(|| usual_quality.to_owned());
    let size = said(size).map_or_else(|| usual_size.to_owned(), |size| size.replacen('x', "-x-", 1));
    format!("{quality}/{size}")
}

impl Catalog {
    /// The card of such a model: its prices are those of the kinds, each by its name, and that of the usual one.
    pub(super) fn by_kind(&self, provider: &str, model: &str) -> Option<ModelCard> {
        let prefix = key_of(provider, "");
        let mut card: Option<ModelCard> = None;
        for line in self.models.iter().flat_map(|shelf| shelf.table.starting_with(prefix.clone())) {
            let kind = first_column(line).strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(model)?.strip_suffix('/'));
            let Some(kind) = kind.filter(|kind| is_kind(kind)) else { continue };
            let Some(one) = self.card_of(line) else { continue };
            let card = card.get_or_insert_with(|| ModelCard { model: model.to_owned(), prices: Prices::default(), ..one.clone() });
            for (key, rate) in one.prices.iter().filter(|(key, _)| key.qualifier.is_empty()) {
                if kind == USUAL || card.prices.rate(key.component, "", key.service, 0).is_none() {
                    card.prices.set(key.clone(), rate);
                }
                card.prices.set(PriceKey { qualifier: kind.to_owned(), ..key.clone() }, rate);
            }
        }
        card
    }
}

/// Whether that is a quality and a size.
fn is_kind(kind: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let size = kind.split_once('/').and_then(|(quality, size)| size.split_once("-x-").filter(|_| !quality.contains('/')));
    size.is_some_and(|(width, height)| is_number(width) && is_number(height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Component, Service};

    #[test]
    fn a_model_that_is_listed_by_what_it_draws_has_a_card() {
        let catalog = Catalog::embedded();
        let card = catalog.model("azure", "dall-e-3").expect("a card");
        let rate = |kind: &str| card.prices.rate(Component::InputPixel, kind, Service::Standard, 0).map(|rate| rate.to_decimal(0));
        assert_eq!((&*card.provider, &*card.model), ("azure", "dall-e-3"));
        assert_eq!(rate(&kind(Some("hd"), Some("1024x1024"))).as_deref(), Some("0.0000000839233"));
        assert_eq!(rate(&kind(None, Some("1024x1792"))).as_deref(), Some("0.0000000479562"));
        for (quality, size) in [(None, None), (Some("auto"), Some("auto")), (Some("Standard"), Some("1024X1024"))] {
            assert_eq!(rate(&kind(quality, size)).as_deref(), Some("0.0000000419617"), "{quality:?} {size:?}");
        }
        assert_eq!(rate(""), rate(USUAL), "the usual one where nothing is known");
        assert!(catalog.model("azure", "no-such-model").is_none());
        assert!(catalog.model("azure", "gpt-image-1").is_some_and(|card| card.prices.base(Component::ImageOutput).is_some()));
    }
}
