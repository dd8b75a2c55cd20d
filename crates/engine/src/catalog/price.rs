//! What things cost, exactly.
//!
//! A rate is an integer count of 1e-24 USD per unit: the finest price in the public lists has twenty-four decimals (binary
//! residue of someone's division), and with this unit every one of them is held as printed. Quantities are integers too, so
//! a cost is one exact sum, rounded once, up, to [`PicoUsd`].

mod written;

pub use written::Written;

mod bound;
mod exact;

pub use exact::{Exact, Share};

/// Money in units of 1e-12 USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PicoUsd(pub i128);

/// The price of one unit of something, in units of 1e-24 USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(i128);

const DECIMALS: usize = 24;
const RATES_PER_PICO: i128 = 1_000_000_000_000;

/// A number that is no decimal, or finer or larger than a [`Rate`] can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no price")]
pub struct NoPrice(pub String);

impl Rate {
    /// Nothing.
    pub const ZERO: Rate = Rate(0);

    /// Reads a decimal as JSON writes it (`2.5e-06`, `0.0001`, `3`), exactly, and multiplies it by ten to the `shift`.
    pub fn parse_scaled(text: &str, shift: i32) -> Result<Rate, NoPrice> {
        parse_decimal(text, shift).map(Rate).ok_or_else(|| NoPrice(text.to_owned()))
    }

    /// Reads USD per unit.
    pub fn parse(text: &str) -> Result<Rate, NoPrice> {
        Rate::parse_scaled(text, 0)
    }

    /// The number of 1e-24 USD, for comparing.
    pub fn raw(self) -> i128 {
        self.0
    }

    /// USD per unit as the shortest plain decimal, multiplied by ten to the `shift` (0 or more).
    pub fn to_decimal(self, shift: usize) -> String {
        let digits = format!("{:0>width$}", self.0.unsigned_abs(), width = DECIMALS + 1);
        let point = digits.len() - DECIMALS;
        let shift = shift.min(DECIMALS);
        let (whole, fraction) = digits.split_at(point + shift);
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        let sign = if self.0 < 0 { "-" } else { "" };
        match fraction.trim_end_matches('0') {
            "" => format!("{sign}{whole}"),
            fraction => format!("{sign}{whole}.{fraction}"),
        }
    }

    /// The price of `quantity` units, rounded up; `None` when it is larger than any bill.
    pub fn times_exact(self, quantity: u64) -> Option<PicoUsd> {
        let fine = self.0.checked_mul(i128::from(quantity))?;
        Some(PicoUsd(fine.div_euclid(RATES_PER_PICO) + i128::from(fine.rem_euclid(RATES_PER_PICO) != 0)))
    }

    /// The same in pico-dollars, where it is a whole number of them.
    pub fn whole_pico(self) -> Option<u64> {
        let whole = u64::try_from(self.0 / RATES_PER_PICO).ok()?;
        (self.0 % RATES_PER_PICO == 0).then_some(whole)
    }

    /// The price of `quantity` units, in units of 1e-24 USD; `None` when it is larger than any bill.
    fn times(self, quantity: u64, per: u64) -> Option<i128> {
        let total = self.0.checked_mul(i128::from(quantity))?;
        let per = i128::from(per.max(1));
        Some(total.div_euclid(per) + i128::from(total.rem_euclid(per) != 0))
    }
}

impl PicoUsd {
    /// Reads a decimal number of dollars as JSON writes it; what is finer than a pico-dollar is rounded up.
    pub fn parse(text: &str) -> Option<Self> {
        let fine = parse_decimal(text, 0)?;
        Some(Self(fine.div_euclid(RATES_PER_PICO) + i128::from(fine.rem_euclid(RATES_PER_PICO) != 0)))
    }
}
fn parse_decimal(text: &str, shift: i32) -> Option<i128> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let kept = digits.trim_end_matches('0');
    let dropped = i32::try_from(digits.len() - kept.len()).ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    let power = i32::try_from(DECIMALS).ok()?.checked_add(shift)?.checked_add(exponent)?;
    let power = power.checked_sub(places)?.checked_add(dropped)?;
    let scale = 10_i128.checked_pow(u32::try_from(power).ok()?)?;
    let value = kept.parse::<i128>().ok()?.checked_mul(scale)?;
    Some(if negative { -value } else { value })
}

/// A whole number as JSON may write it: `4096`, `4096.0`, `4.096e3`.
pub(super) fn parse_whole(text: &str) -> Option<u64> {
    let shift = -i32::try_from(DECIMALS).ok()?;
    u64::try_from(parse_decimal(text, shift)?).ok()
}

macro_rules! components {
    ($($(#[$doc:meta])* $variant:ident = $name:literal / $unit:ident),* $(,)?) => {
        /// Something that is counted and billed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Component { $($(#[$doc])* $variant),* }

        impl Component {
            /// Every component, in the order of the models file.
            pub const ALL: &[Component] = &[$(Component::$variant),*];

            /// The name in the models file.
            pub fn as_str(self) -> &'static str {
                match self { $(Component::$variant => $name),* }
            }

            /// What one of it is.
            pub fn unit(self) -> Unit {
                match self { $(Component::$variant => Unit::$unit),* }
            }

            /// The component of that name.
            pub fn from_name(name: &str) -> Option<Component> {
                match name { $($name => Some(Component::$variant),)* _ => None }
            }
        }
    };
}

/// What a component is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Tokens; the models file gives USD per million of them.
    Token,
    /// Milliseconds; the models file gives USD per second.
    Time,
    /// Things; the models file gives USD for one.
    Piece,
}

components! {
    /// Prompt text.
    Input = "input" / Token,
    /// Answer text.
    Output = "output" / Token,
    /// Prompt tokens read from the provider's cache.
    CacheRead = "cache_read" / Token,
    /// Prompt tokens written to the cache for five minutes, or for the provider's one time to live.
    CacheWrite = "cache_write" / Token,
    /// Prompt tokens written to the cache for an hour.
    CacheWriteHour = "cache_write_1h" / Token,
    /// Prompt tokens read from a cache the caller made explicitly.
    ExplicitCacheRead = "explicit_cache_read" / Token,
    /// Reasoning tokens.
    Reasoning = "reasoning" / Token,
    /// Audio in the prompt.
    AudioInput = "audio_in" / Token,
    /// Audio in the answer.
    AudioOutput = "audio_out" / Token,
    /// Audio of the prompt read from the cache.
    AudioCacheRead = "audio_cache_read" / Token,
    /// Audio of the prompt written to the cache.
    AudioCacheWrite = "audio_cache_write" / Token,
    /// Images in the prompt, in tokens.
    ImageInput = "image_in" / Token,
    /// Images in the answer, in tokens.
    ImageOutput = "image_out" / Token,
    /// Images of the prompt read from the cache, in tokens.
    ImageCacheRead = "image_cache_read" / Token,
    /// Video in the prompt, in tokens.
    VideoInput = "video_in" / Token,
    /// Video in the answer, in tokens.
    VideoOutput = "video_out" / Token,
    /// Tokens of cited sources.
    Citation = "citation" / Token,
    /// A request as such.
    Request = "request" / Piece,
    /// A query, as of a reranker or a search model.
    Query = "query" / Piece,
    /// An image in the prompt.
    InputImage = "input_image" / Piece,
    /// An image in the answer.
    OutputImage = "output_image" / Piece,
    /// A pixel in the prompt.
    InputPixel = "input_pixel" / Piece,
    /// A pixel in the answer.
    OutputPixel = "output_pixel" / Piece,
    /// A character in the prompt.
    InputCharacter = "input_character" / Piece,
    /// A character in the answer.
    OutputCharacter = "output_character" / Piece,
    /// Time of input, mostly audio.
    InputTime = "input_second" / Time,
    /// Time of output, mostly audio or video.
    OutputTime = "output_second" / Time,
    /// Time of audio in the prompt.
    InputAudioTime = "input_audio_second" / Time,
    /// Time of video in the prompt.
    InputVideoTime = "input_video_second" / Time,
    /// Time of video in the answer.
    OutputVideoTime = "output_video_second" / Time,
    /// Time during which capacity is held.
    HeldTime = "held_second" / Time,
    /// A page read.
    Page = "page" / Piece,
    /// A page annotated.
    AnnotatedPage = "annotated_page" / Piece,
    /// One of the provider's own credits.
    Credit = "credit" / Piece,
    /// A text message in a voice session.
    TextMessage = "text_message" / Piece,
    /// A web search with a small context.
    SearchLow = "search_low" / Piece,
    /// A web search with a medium context.
    SearchMedium = "search_medium" / Piece,
    /// A web search with a large context.
    SearchHigh = "search_high" / Piece,
    /// A look-up in maps.
    MapsQuery = "maps_query" / Piece,
    /// A session of the code interpreter.
    CodeSession = "code_session" / Piece,
    /// A search of kept files.
    FileSearch = "file_search" / Piece,
    /// Text that a model read which another one had draw.
    DrawingText = "drawing_text" / Token,
    /// Images that it read, in tokens.
    DrawingImage = "drawing_image" / Token,
    /// What it drew, in tokens.
    DrawingOutput = "drawing_output" / Token,
    /// A unit of a guardrail policy, named by the qualifier.
    GuardrailUnit = "guardrail_unit" / Piece,
}

impl Component {
    /// Whether it is a search of the web.
    pub fn is_search(self) -> bool {
        matches!(self, Self::SearchLow | Self::SearchMedium | Self::SearchHigh)
    }

    /// Whether it is work of a tool that the provider runs.
    pub fn is_tool(self) -> bool {
        let draws = matches!(self, Self::DrawingText | Self::DrawingImage | Self::DrawingOutput);
        draws || self.is_search() || matches!(self, Self::MapsQuery | Self::CodeSession | Self::FileSearch)
    }

    /// What it is billed as where it has no price of its own; a model without a cache price bills the plain input.
    pub fn otherwise(self) -> Option<Component> {
        let other = match self {
            Component::CacheRead | Component::CacheWrite | Component::AudioInput => Component::Input,
            Component::ImageInput | Component::VideoInput | Component::Citation => Component::Input,
            Component::CacheWriteHour => Component::CacheWrite,
            Component::ExplicitCacheRead => Component::CacheRead,
            Component::AudioCacheRead => Component::AudioInput,
            Component::AudioCacheWrite => Component::AudioInput,
            Component::ImageCacheRead => Component::ImageInput,
            Component::Reasoning | Component::AudioOutput => Component::Output,
            Component::ImageOutput | Component::VideoOutput => Component::Output,
            Component::InputAudioTime | Component::InputVideoTime => Component::InputTime,
            Component::OutputVideoTime => Component::OutputTime,
            Component::SearchLow | Component::SearchHigh | Component::MapsQuery => Component::SearchMedium,
            Component::DrawingImage => Component::DrawingText,
            // Where pictures are made, lists write the price of one at either end.
            Component::OutputImage => Component::InputImage,
            Component::OutputPixel => Component::InputPixel,
            _ => return None,
        };
        Some(other)
    }
}

/// The terms of service a request was served under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// The usual terms.
    #[default]
    Standard,
    /// Asynchronous batches.
    Batch,
    /// Cheaper and slower.
    Flex,
    /// Dearer and faster.
    Priority,
    /// Between flex and priority.
    Balanced,
    /// The fastest.
    Ultrafast,
    /// Decisions instead of text.
    Decisions,
    /// In the provider's quiet hours.
    OffPeak,
}

impl Service {
    /// Whether a caller asks for it and pays its price, whatever the usual terms cost.
    pub(super) fn is_a_tier(self) -> bool {
        matches!(self, Service::Flex | Service::Priority | Service::Balanced | Service::Ultrafast)
    }

    /// Whether it may cost more than the usual terms.
    pub(crate) fn is_dearer(self) -> bool {
        matches!(self, Service::Priority | Service::Balanced | Service::Ultrafast | Service::Decisions)
    }

    /// Every service but the standard one has a name in the models file.
    pub const ALL: [Service; 8] = [
        Service::Standard,
        Service::Batch,
        Service::Flex,
        Service::Priority,
        Service::Balanced,
        Service::Ultrafast,
        Service::Decisions,
        Service::OffPeak,
    ];

    /// The name in the models file.
    pub fn as_str(self) -> &'static str {
        match self {
            Service::Standard => "standard",
            Service::Batch => "batch",
            Service::Flex => "flex",
            Service::Priority => "priority",
            Service::Balanced => "balanced",
            Service::Ultrafast => "ultrafast",
            Service::Decisions => "decisions",
            Service::OffPeak => "off_peak",
        }
    }

    /// The service of that name.
    pub fn from_name(name: &str) -> Option<Service> {
        // One vendor's name for what others call priority.
        let name = if name == "fast" { "priority" } else { name };
        Service::ALL.into_iter().find(|service| service.as_str() == name)
    }
}

/// Which price: of what, for what kind of it, under which terms, and from which prompt length on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PriceKey {
    /// What is priced.
    pub component: Component,
    /// The kind of it, such as a resolution; empty where there is but one.
    pub qualifier: String,
    /// The terms.
    pub service: Service,
    /// Holds for prompts of more tokens than this; 0 is the price of every length.
    pub above: u32,
}

/// The prices of a model, sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices(Vec<(PriceKey, Rate)>);

/// What a call used of one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount<'a> {
    /// What was used.
    pub component: Component,
    /// The kind of it, such as a resolution.
    pub qualifier: &'a str,
    /// How much: tokens, milliseconds or pieces.
    pub quantity: u64,
}

/// A cost that cannot be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// The model has no price for something it used.
    #[error("the model has no price for `{}`", .0.as_str())]
    Unpriced(Component),
    /// The sum is larger than money can be.
    #[error("the cost is out of range")]
    OutOfRange,
}

impl Prices {
    /// Sets one price.
    pub fn set(&mut self, key: PriceKey, rate: Rate) {
        match self.0.binary_search_by(|(other, _)| other.cmp(&key)) {
            Ok(at) => self.0[at].1 = rate,
            Err(at) => self.0.insert(at, (key, rate)),
        }
    }

    /// Forgets every price of a component, and of those that are billed as it where they have none; of terms that `kept` names, none.
    pub(super) fn forget(&mut self, component: Component, kept: impl Fn(Service) -> bool) {
        let heir = |mut one: Component| loop {
            match one.otherwise() {
                _ if one == component => return true,
                Some(other) => one = other,
                None => return false,
            }
        };
        self.0.retain(|(key, _)| kept(key.service) || !heir(key.component));
    }

    /// Forgets the prices of all such components.
    pub(super) fn forget_all(&mut self, is_such: impl Fn(Component) -> bool) {
        self.0.retain(|(key, _)| !is_such(key.component));
    }

    /// Every price, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&PriceKey, Rate)> {
        self.0.iter().map(|(key, rate)| (key, *rate))
    }

    /// Whether nothing is known of what the model costs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The plain price of a component: standard terms, any length, no kind.
    pub fn base(&self, component: Component) -> Option<Rate> {
        self.rate(component, "", Service::Standard, 0)
    }

    /// The price that holds for a prompt of that many tokens: of the bands the prompt reaches, the highest; within it the
    /// terms asked for, else the standard ones.
    pub fn rate(&self, component: Component, qualifier: &str, service: Service, prompt: u64) -> Option<Rate> {
        self.of_service(component, qualifier, service, prompt).map(|(rate, _)| rate)
    }

    /// What a call cost. `prompt` is the number of all prompt tokens, cached ones included: it chooses the length band.
    pub fn cost(&self, amounts: &[Amount<'_>], service: Service, prompt: u64) -> Result<PicoUsd, CostError> {
        let mut total = Exact::ZERO;
        for amount in amounts {
            total = total.plus(self.exact(amount, service, prompt)?).ok_or(CostError::OutOfRange)?;
        }
        Ok(total.pico())
    }
}
