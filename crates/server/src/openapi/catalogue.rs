//! What OpenRouter's catalogue is asked, and what it answers.

use crate::market::Listing;

/// A parameter of a query: name, type, what it is for.
type Parameter = (&'static str, &'static str, &'static str);

const PAGE: [Parameter; 2] = [
    ("offset", "integer", "Models to leave out"),
    ("limit", "integer", "Models on one page, at most 1000; without it and `offset`, all of them"),
];

const OUTPUTS: Parameter =
    ("output_modalities", "string", "Only models that give one of these, separated by commas, or `all`; `text` where it is not said");

const FILTERS: [Parameter; 31] = [
    ("q", "string", "Part of a name"),
    ("category", "string", "What operators say the model is for (`model_info.categories`)"),
    ("supported_parameters", "string", "Parameters that must be taken, separated by commas"),
    ("input_modalities", "string", "Kinds of input that must be read, separated by commas"),
    OUTPUTS,
    (
        "sort",
        "string",
        "`most-popular` and `top-weekly` (by what this gateway saw within a day), `newest`, `pricing-low-to-high`, \
         `pricing-high-to-low`, `context-high-to-low`, `throughput-high-to-low`, `latency-low-to-high`; orders by benchmarks change \
         nothing. What is not known comes last",
    ),
    ("context", "integer", "The least context, in tokens"),
    ("min_price", "number", "The least price of the prompt, US dollars for a million tokens"),
    ("max_price", "number", "The highest price of the prompt"),
    ("min_output_price", "number", "The least price of the answer"),
    ("max_output_price", "number", "The highest price of the answer"),
    ("arch", "string", "The family of models, such as `GPT`"),
    ("model_authors", "string", "Who made the model, separated by commas"),
    ("providers", "string", "Who serves it, separated by commas"),
    ("distillable", "string", "Whether answers may be used for training: `true` or `false`, as operators say"),
    ("zdr", "string", "`true`: only models that some endpoint serves which keeps nothing"),
    ("region", "string", "`eu` or `us`: only models that are served there"),
    ("min_age_days", "integer", "Days since the model came out, at least"),
    ("max_age_days", "integer", "Days since the model came out, at most"),
    ("min_intelligence_index", "number", "A benchmark that is not known here: no model fits"),
    ("max_intelligence_index", "number", "A benchmark that is not known here: no model fits"),
    ("min_coding_index", "number", "A benchmark that is not known here: no model fits"),
    ("max_coding_index", "number", "A benchmark that is not known here: no model fits"),
    ("min_agentic_index", "number", "A benchmark that is not known here: no model fits"),
    ("max_agentic_index", "number", "A benchmark that is not known here: no model fits"),
    ("min_tool_success_rate", "number", "A figure that is not known here: no model fits"),
    ("max_tool_success_rate", "number", "A figure that is not known here: no model fits"),
    ("use_rss", "string", "`true`: as a feed"),
    ("use_rss_chat_links", "string", "`true`: a feed whose links begin a chat"),
    PAGE[0],
    PAGE[1],
];

/// What a page of deployments may be asked for.
pub(super) const DEPLOYMENTS: [Parameter; 9] = [
    ("page", "integer", "The page, from 1"),
    ("size", "integer", "Deployments on one page; 50 where it is not said"),
    ("search", "string", "Part of a model's name"),
    ("model", "string", "The model"),
    ("modelId", "string", "The deployment's id"),
    ("access_group", "string", "Only deployments of this access group"),
    ("wildcard_only", "boolean", "Only patterns"),
    ("sortBy", "string", "`model_name`, `created_at`, `updated_at`, `costs` or `status`"),
    ("sortOrder", "string", "`asc` or `desc`"),
];

/// What a document's query may hold.
pub(super) fn parameters(listing: Listing) -> impl Iterator<Item = Parameter> {
    let list: &[Parameter] = match listing {
        Listing::Models => &FILTERS,
        Listing::Count => &[OUTPUTS],
        Listing::Mine | Listing::Embeddings => &PAGE,
        _ => &[],
    };
    list.iter().copied()
}

/// The name of a document's schema.
pub(super) fn schema(listing: Listing) -> &'static str {
    match listing {
        Listing::Models | Listing::Mine | Listing::Embeddings => "OpenRouterModelList",
        Listing::Count => "OpenRouterCount",
        Listing::One => "OpenRouterOneModel",
        Listing::Endpoints => "OpenRouterModelEndpoints",
        Listing::ZeroRetention => "OpenRouterEndpointList",
        Listing::Providers => "OpenRouterProviderList",
        Listing::Images => "OpenRouterImageModelList",
        Listing::ImageEndpoints => "OpenRouterImageEndpoints",
        Listing::Parameters => "OpenRouterParameters",
    }
}
