//! What a client of the catalogue asks for: filters, an order, a page.

use switchboard_engine::catalog::Rate;
use switchboard_engine::wire::problem::{Kind, Problem};

use super::abilities::{INPUTS, OUTPUTS};

/// The most models on one page, and as many as there are where a client asks for a page and does not say.
const MOST: usize = 1000;
const USUAL: usize = 500;

/// OpenRouter's uses of models.
const CATEGORIES: [&str; 12] = [
    "programming",
    "roleplay",
    "marketing",
    "marketing/seo",
    "technology",
    "science",
    "translation",
    "legal",
    "finance",
    "health",
    "trivia",
    "academia",
];

/// Bounds on figures that only OpenRouter's own benchmarks give, and the highest value each may have.
const BENCHMARKS: [(&str, f64); 8] = [
    ("min_intelligence_index", f64::MAX),
    ("max_intelligence_index", f64::MAX),
    ("min_coding_index", f64::MAX),
    ("max_coding_index", f64::MAX),
    ("min_agentic_index", f64::MAX),
    ("max_agentic_index", f64::MAX),
    ("min_tool_success_rate", 1.0),
    ("max_tool_success_rate", 1.0),
];

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Most requests first.
    MostPopular,
    /// Most tokens first.
    TopWeekly,
    /// The youngest first.
    Newest,
    /// The cheapest first.
    PriceUp,
    /// The dearest first.
    PriceDown,
    /// The longest context first.
    Context,
    /// The highest throughput first.
    Throughput,
    /// The lowest latency first.
    Latency,
    /// By a benchmark of OpenRouter's, of which nothing is known here: all stay as they are.
    Benchmark,
}

const SORTS: [(&str, Sort); 12] = [
    ("most-popular", Sort::MostPopular),
    ("top-weekly", Sort::TopWeekly),
    ("newest", Sort::Newest),
    ("pricing-low-to-high", Sort::PriceUp),
    ("pricing-high-to-low", Sort::PriceDown),
    ("context-high-to-low", Sort::Context),
    ("throughput-high-to-low", Sort::Throughput),
    ("latency-low-to-high", Sort::Latency),
    ("intelligence-high-to-low", Sort::Benchmark),
    ("coding-high-to-low", Sort::Benchmark),
    ("agentic-high-to-low", Sort::Benchmark),
    ("design-arena-elo-high-to-low", Sort::Benchmark),
];

/// The least and the most of something; what has no such figure fits only where neither is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds<T> {
    least: Option<T>,
    most: Option<T>,
}

impl<T: PartialOrd> Bounds<T> {
    pub(super) fn hold(&self, value: Option<T>) -> bool {
        match value {
            Some(value) => self.least.as_ref().is_none_or(|least| value >= *least) && self.most.as_ref().is_none_or(|most| value <= *most),
            None => self.least.is_none() && self.most.is_none(),
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// Part of a name.
    pub(super) text: Option<String>,
    /// What operators call a model's use.
    pub(super) category: Option<String>,
    /// Parameters, all of which must be taken.
    pub(super) parameters: Vec<String>,
    /// Kinds of input, all of which must be read.
    pub(super) inputs: Vec<String>,
    /// Kinds of output, of which one must be given; none: any.
    pub(super) outputs: Vec<String>,
    /// The least context.
    pub(super) context: Option<u64>,
    /// The price of a token of the prompt.
    pub(super) prompt: Bounds<Rate>,
    /// The price of a token of the answer.
    pub(super) completion: Bounds<Rate>,
    /// The family of models.
    pub(super) family: Option<String>,
    /// Who made it.
    pub(super) authors: Vec<String>,
    /// Who serves it.
    pub(super) providers: Vec<String>,
    /// Whether its licence allows distillation.
    pub(super) distillable: Option<bool>,
    /// Only what some endpoint serves that keeps nothing.
    pub(super) zdr: bool,
    /// The part of the world where some endpoint is.
    pub(super) region: Option<String>,
    /// Days since it came out.
    pub(super) age: Bounds<u64>,
    /// Whether a figure is asked for that is not known of any model.
    pub(super) benchmarked: bool,
    /// The order; `None`: by name.
    pub(super) sort: Option<Sort>,
    /// How many to leave out.
    pub(super) offset: usize,
    /// How many to give; `None`: all.
    pub(super) limit: Option<usize>,
    /// As a feed.
    pub(super) rss: bool,
    /// A feed whose links begin a chat.
    pub(super) rss_chat: bool,
}

impl Wanted {
    /// What `GET /models` is asked for.
    pub(super) fn read(query: Option<&str>) -> Result<Self, Problem> {
        let given = Given(query);
        let is_on = |name: &str| given.text(name).is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "1"));
        let mut benchmarked = false;
        for (name, most) in BENCHMARKS {
            benchmarked |= given.decimal(name, most)?.is_some();
        }
        let mut wanted = Self {
            text: given.text("q").map(|text| text.to_lowercase()),
            category: given.one_of("category", &CATEGORIES)?,
            parameters: given.list("supported_parameters"),
            inputs: given.all_of("input_modalities", &INPUTS)?,
            outputs: outputs(given)?,
            context: given.whole("context", 1)?,
            prompt: Bounds { least: given.price("min_price")?, most: given.price("max_price")? },
            completion: Bounds { least: given.price("min_output_price")?, most: given.price("max_output_price")? },
            family: given.text("arch"),
            authors: given.list("model_authors"),
            providers: given.list("providers"),
            distillable: given.one_of("distillable", &["true", "false"])?.map(|text| text == "true"),
            zdr: given.one_of("zdr", &["true"])?.is_some(),
            region: given.one_of("region", &["eu", "us"])?,
            age: Bounds { least: given.whole("min_age_days", 0)?, most: given.whole("max_age_days", 0)? },
            benchmarked,
            sort: None,
            offset: 0,
            limit: None,
            rss: is_on("use_rss"),
            rss_chat: is_on("use_rss_chat_links"),
        };
        if let Some(text) = given.text("sort") {
            let known = SORTS.iter().find(|(name, _)| *name == text);
            wanted.sort = Some(known.ok_or_else(|| wrong("sort", &one_of(&SORTS.map(|(name, _)| name))))?.1);
        }
        (wanted.offset, wanted.limit) = page(given)?;
        Ok(wanted)
    }

    /// A page of everything.
    pub(super) fn page(query: Option<&str>) -> Result<Self, Problem> {
        let (offset, limit) = page(Given(query))?;
        Ok(Self { offset, limit, outputs: Vec::new(), ..Self::read(None)? })
    }

    /// Everything that gives one of those kinds, as `output_modalities` says.
    pub(super) fn outputs(query: Option<&str>) -> Result<Self, Problem> {
        Ok(Self { outputs: outputs(Given(query))?, ..Self::read(None)? })
    }
}

fn page(given: Given<'_>) -> Result<(usize, Option<usize>), Problem> {
    let offset = given.whole("offset", 0)?;
    let limit = given.whole("limit", 1)?;
    if limit.is_some_and(|limit| limit > MOST as u64) {
        return Err(wrong("limit", &format!("must be at most {MOST}")));
    }
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let limit = limit.map(size).or_else(|| offset.map(|_| USUAL));
    Ok((offset.map_or(0, size), limit))
}

fn outputs(given: Given<'_>) -> Result<Vec<String>, Problem> {
    let mut known = OUTPUTS.to_vec();
    known.push("all");
    let list = given.all_of("output_modalities", &known)?;
    Ok(match list {
        list if list.is_empty() => vec!["text".to_owned()],
        list if list.iter().any(|kind| kind == "all") => Vec::new(),
        list => list,
    })
}

/// A query string as written.
#[derive(Clone, Copy)]
struct Given<'a>(Option<&'a str>);

impl Given<'_> {
    /// What is written, where it is not empty.
    fn text(self, name: &str) -> Option<String> {
        let value = crate::query::value(self.0?, name)?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty() && value != "null")
    }

    fn list(self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    fn one_of(self, name: &str, known: &[&str]) -> Result<Option<String>, Problem> {
        match self.text(name) {
            Some(text) if !known.contains(&text.as_str()) => Err(wrong(name, &one_of(known))),
            text => Ok(text),
        }
    }

    fn all_of(self, name: &str, known: &[&str]) -> Result<Vec<String>, Problem> {
        let list = self.list(name);
        if list.iter().all(|item| known.contains(&item.as_str())) { Ok(list) } else { Err(wrong(name, &one_of(known))) }
    }

    fn whole(self, name: &str, least: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number: &u64| *number >= least);
        number.map(Some).ok_or_else(|| wrong(name, &format!("must be a whole number from {least}")))
    }

    fn decimal(self, name: &str, most: f64) -> Result<Option<f64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number: &f64| number.is_finite() && (0.0..=most).contains(number));
        let bound = if most < f64::MAX { format!("must be a number from 0 to {most}") } else { "must be a number from 0".to_owned() };
        number.map(Some).ok_or_else(|| wrong(name, &bound))
    }

    /// US dollars for a million tokens.
    fn price(self, name: &str) -> Result<Option<Rate>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let rate = Rate::parse_scaled(&text, -6).ok().filter(|rate| *rate >= Rate::ZERO);
        rate.map(Some).ok_or_else(|| wrong(name, "must be a number from 0, in US dollars for a million tokens"))
    }
}

fn one_of(known: &[&str]) -> String {
    format!("must be one of {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
}

fn wrong(name: &str, why: &str) -> Problem {
    Problem::new(Kind::BadRequest, format!("`{name}` {why}")).with_param(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Wanted {
        Wanted::read(Some(query)).unwrap_or_else(|problem| panic!("{query}: {}", problem.message))
    }

    #[test]
    fn nothing_asked_for_is_all_that_gives_text() {
        let wanted = Wanted::read(None).expect("a query");
        assert_eq!((wanted.outputs, wanted.offset, wanted.limit, wanted.sort), (vec!["text".to_owned()], 0, None, None));
        assert_eq!(read("output_modalities=all").outputs, Vec::<String>::new());
        assert_eq!(read("output_modalities=image,%20audio").outputs, ["image", "audio"]);
    }

    #[test]
    fn pages_are_as_large_as_asked() {
        assert_eq!((read("offset=5").offset, read("offset=5").limit), (5, Some(500)));
        assert_eq!((read("limit=7").offset, read("limit=7").limit), (0, Some(7)));
    }

    #[test]
    fn prices_are_by_the_million_and_exact() {
        let wanted = read("min_price=0.1&max_output_price=10");
        let rate = |text| Rate::parse_scaled(text, -6).ok();
        assert!(wanted.prompt.hold(rate("0.1")) && !wanted.prompt.hold(rate("0.0999999")) && !wanted.prompt.hold(None));
        assert!(wanted.completion.hold(rate("10")) && !wanted.completion.hold(rate("10.1")));
        assert!(read("min_price=null&max_price=").prompt.hold(None));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let bad = [
            "sort=best",
            "limit=0",
            "limit=1001",
            "limit=x",
            "offset=-1",
            "context=0",
            "category=cooking",
            "input_modalities=smell",
            "output_modalities=text,smell",
            "distillable=maybe",
            "zdr=false",
            "region=mars",
            "min_price=-1",
            "max_price=cheap",
            "max_age_days=1.5",
            "min_tool_success_rate=1.1",
            "max_coding_index=NaN",
        ];
        for query in bad {
            let problem = Wanted::read(Some(query)).expect_err(query);
            assert_eq!((problem.kind, problem.param.as_deref()), (Kind::BadRequest, query.split('=').next()), "{query}");
        }
    }
}
