//! From usage to cost: what was used of what has a price, and what that comes to.

use switchboard_wire::reply::Usage;

use crate::catalog::{Amount, Component, CostError, Exact, ModelCard, PicoUsd, Prices, Rate, Service, Share};
use crate::tariff::{Markup, Tariff};

/// What an answer costs, and how that came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// By the price list.
    pub list: Exact,
    /// To the provider: less the discount.
    pub owed: Exact,
    /// To the caller: with the margin.
    pub charged: Exact,
    /// What was taken off and laid on.
    pub markup: Markup,
    /// Of the list price: what the parts come to.
    pub parts: Parts,
}

/// The parts of a list price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// All of the prompt, with what was read from and written to caches.
    pub input: Exact,
    /// All of the answer, with the thoughts.
    pub output: Exact,
    /// Of the prompt: read from a cache.
    pub cache_read: Exact,
    /// Of the prompt: written to a cache.
    pub cache_write: Exact,
    /// Of the answer: thoughts.
    pub reasoning: Exact,
    /// Searches and other tools of the provider.
    pub tools: Exact,
}

impl Bill {
    fn of(list: Exact, parts: Parts, markup: Markup) -> Option<Self> {
        let owed = markup.owed(list)?;
        Some(Self { list, owed, charged: markup.charged(owed)?, markup, parts })
    }

    /// With everything of the price list so many times as dear, but for tools.
    fn scaled(self, factor: Share) -> Option<Self> {
        let Parts { input, output, cache_read, cache_write, reasoning, tools } = self.parts;
        let [input, output, cache_read, cache_write, reasoning] = [
            input.scaled(factor)?,
            output.scaled(factor)?,
            cache_read.scaled(factor)?,
            cache_write.scaled(factor)?,
            reasoning.scaled(factor)?,
        ];
        let list = input.plus(output)?.plus(tools)?;
        Self::of(list, Parts { input, output, cache_read, cache_write, reasoning, tools }, self.markup)
    }

    /// What was taken off.
    pub fn discount(&self) -> Exact {
        self.list.minus(self.owed)
    }

    /// What was laid on.
    pub fn margin(&self) -> Exact {
        self.charged.minus(self.owed)
    }

    /// The share that was laid on.
    pub fn margin_share(&self) -> Share {
        self.markup.margin
    }
}

impl Parts {
    fn add(&mut self, component: Component, cost: Exact) -> Option<()> {
        use Component as C;
        let to = |sum: &mut Exact| sum.plus(cost).map(|total| *sum = total);
        match component {
            C::CacheRead | C::ExplicitCacheRead | C::AudioCacheRead | C::ImageCacheRead => {
                to(&mut self.cache_read)?;
                to(&mut self.input)
            }
            C::CacheWrite | C::CacheWriteHour | C::AudioCacheWrite => {
                to(&mut self.cache_write)?;
                to(&mut self.input)
            }
            C::Reasoning => {
                to(&mut self.reasoning)?;
                to(&mut self.output)
            }
            C::Output | C::AudioOutput | C::ImageOutput | C::VideoOutput => to(&mut self.output),
            C::OutputImage | C::OutputPixel | C::OutputCharacter | C::OutputTime | C::OutputVideoTime => to(&mut self.output),
            C::GuardrailUnit => to(&mut self.tools),
            tool if tool.is_tool() => to(&mut self.tools),
            _ => to(&mut self.input),
        }
    }
}

/// What that usage, and what was counted beside tokens, costs by the card's prices, as far as these go; `None` where nothing that was
/// used has a known price or count.
pub fn cost(card: &ModelCard, usage: Option<&Usage>, counted: &[(Component, u64)], service: Option<&str>) -> Option<PicoUsd> {
    bill(&Tariff::listed(Some(card)), usage, counted, service).map(|bill| bill.list.pico())
}

/// What it costs by a tariff.
pub fn bill(tariff: &Tariff<'_>, usage: Option<&Usage>, counted: &[(Component, u64)], service: Option<&str>) -> Option<Bill> {
    if let Some(list) = tariff.stated(usage) {
        return Bill::of(list, Parts { output: list, ..Parts::default() }, tariff.markup);
    }
    let list = tariff.prices()?;
    let prices: &Prices = &list;
    let usage = usage.filter(|usage| usage.input.is_some());
    // A search that was seen counts where the provider does not count searches.
    let uncounted = usage.is_none_or(|usage| usage.web_searches.is_none());
    let is_paid = |component: Component| if component.is_search() { uncounted } else { usage.is_none() || is_beside(prices, component) };
    let paid = |(component, _): &&(Component, u64)| is_paid(*component) && priced(prices, *component);
    let pieces = || counted.iter().filter(paid);
    // That something was searched for says nothing of the rest.
    if usage.is_none() && pieces().all(|(component, _)| component.is_search()) {
        return None;
    }
    // A model that is paid by the call has no price for tokens.
    let by_call = !priced(prices, Component::Input) && priced(prices, Component::Request);
    let tokens: &[(Component, u64)] = match usage {
        None => &[],
        Some(_) if by_call => &[(Component::Request, 1)],
        Some(usage) => &tokens(tariff, prices, usage),
    };
    let service = tariff.service(service);
    // Each turn is paid by the length of its own prompt.
    let prompt = usage.and_then(|usage| usage.longest_input.or(usage.input)).unwrap_or(0);
    let used = tokens.iter().chain(pieces());
    let amounts = used.map(|(component, quantity)| Amount { component: *component, qualifier: tariff.drawn(), quantity: *quantity });
    let bill = sum(prices, amounts, (service, prompt), tariff.markup)?;
    match usage {
        Some(usage) => tariff.factors(usage).try_fold(bill, Bill::scaled),
        None => Some(bill),
    }
}

fn sum<'a>(prices: &Prices, used: impl Iterator<Item = Amount<'a>>, (service, prompt): (Service, u64), markup: Markup) -> Option<Bill> {
    let (mut list, mut parts) = (Exact::ZERO, Parts::default());
    let (mut known, mut unknown) = (false, false);
    for amount in used {
        let cost = match prices.exact(&amount, service, prompt) {
            Ok(cost) => cost,
            // What has no price must not make the rest free.
            Err(CostError::Unpriced(_)) => {
                unknown = true;
                continue;
            }
            Err(CostError::OutOfRange) => return None,
        };
        known |= amount.quantity > 0;
        list = list.plus(cost)?;
        parts.add(amount.component, cost)?;
    }
    if unknown && !known {
        return None;
    }
    Bill::of(list, parts, markup)
}

/// What a model is paid by whose answers are paid by the time they take; the first of these that has a price.
pub(super) fn time(tariff: &Tariff<'_>) -> Option<Component> {
    let prices = tariff.prices()?;
    if prices.base(Component::Input).is_some() {
        return None;
    }
    let timed = [Component::HeldTime, Component::InputTime, Component::OutputTime];
    timed.into_iter().find(|component| prices.base(*component).is_some())
}

/// Whether what is no token is paid although tokens are known: searches always, and else what stands at an end of the call where tokens
/// have no price.
fn is_beside(prices: &Prices, component: Component) -> bool {
    use Component as C;
    let dear = |tokens: &[Component]| tokens.iter().any(|token| prices.base(*token).is_some_and(|rate| rate > Rate::ZERO));
    match component {
        C::Query => true,
        C::HeldTime => !priced(prices, C::Input),
        C::InputImage | C::InputPixel | C::InputCharacter | C::InputTime | C::InputAudioTime | C::InputVideoTime => {
            !dear(&[C::Input, C::AudioInput, C::ImageInput, C::VideoInput])
        }
        C::OutputImage | C::OutputPixel | C::OutputCharacter | C::OutputTime | C::OutputVideoTime => {
            !dear(&[C::Output, C::Reasoning, C::AudioOutput, C::ImageOutput, C::VideoOutput])
        }
        _ => false,
    }
}

/// Whether the component, or what it falls back to, has a price.
fn priced(prices: &Prices, component: Component) -> bool {
    prices.base(component).is_some() || component.otherwise().is_some_and(|other| prices.base(other).is_some())
}

/// The components of a usage in tokens.
fn tokens(tariff: &Tariff<'_>, prices: &Prices, usage: &Usage) -> [(Component, u64); 19] {
    let count = |value: Option<u64>| value.unwrap_or(0);
    // What the counts leave out is billed like the rest.
    let all = |told: Option<u64>, extra: Option<u64>| count(told).saturating_add(count(extra));
    let (prompt, output) = (all(usage.input, usage.extra_input), all(usage.output, usage.extra_output));
    let hour = all(usage.cache_write_1h, usage.extra_cache_write_1h);
    let (read, written) = (all(usage.cache_read, usage.extra_cache_read), all(usage.cache_write, usage.extra_cache_write));
    let (audio, image, video) = (count(usage.input_audio), count(usage.input_image), count(usage.input_video));
    let special = [read, written.max(hour), audio, image, video].into_iter().fold(0, u64::saturating_add);
    let (thoughts, sound, images) = (count(usage.reasoning), count(usage.output_audio), count(usage.output_image));
    let answered = [thoughts, sound, images].into_iter().fold(0, u64::saturating_add);
    [
        (Component::CacheRead, read),
        (Component::CacheWrite, written.saturating_sub(hour)),
        (Component::CacheWriteHour, hour),
        (Component::AudioInput, audio),
        (Component::ImageInput, image),
        (Component::VideoInput, video),
        (Component::Input, prompt.saturating_sub(special)),
        (Component::Reasoning, thoughts),
        (Component::AudioOutput, sound),
        (Component::ImageOutput, images),
        (Component::Output, output.saturating_sub(answered)),
        tariff.searches(count(usage.web_searches)),
        (Component::MapsQuery, tariff.looked_up(count(usage.maps_queries))),
        (Component::FileSearch, count(usage.file_searches)),
        (Component::CodeSession, count(usage.code_sessions)),
        (Component::DrawingText, count(usage.drawing_text)),
        (Component::DrawingImage, count(usage.drawing_images)),
        (Component::DrawingOutput, count(usage.drawing_output)),
        (Component::Request, u64::from(prices.base(Component::Request).is_some())),
    ]
}
