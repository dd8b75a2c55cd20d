//! What the provider's own tools did for an answer: as `tool_usage` tells it, else by the items of the output.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::content::{RESULTS, read_results};
use crate::chat::Citation;
use crate::lenient::Count;
use crate::reply::Usage;

/// What was seen of the provider's tools in the items of an output.
#[derive(Debug, Default)]
pub(super) struct Runs {
    searches: u64,
    file_searches: u64,
    containers: BTreeSet<String>,
    /// Pages that were found, for a text to come.
    found: Vec<Citation>,
}

#[derive(Deserialize)]
struct Item {
    r#type: Option<String>,
    action: Option<Action>,
    container_id: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    r#type: Option<String>,
}

#[derive(Deserialize)]
struct ToolUsage {
    web_search: Option<WebSearch>,
    image_gen: Option<ImageGen>,
}

#[derive(Deserialize)]
struct WebSearch {
    num_requests: Count,
}

#[derive(Deserialize)]
struct ImageGen {
    input_tokens: Count,
    output_tokens: Count,
    input_tokens_details: Option<ImageGenInput>,
}

#[derive(Deserialize)]
struct ImageGenInput {
    image_tokens: Count,
}

impl Runs {
    /// What is seen of the tools in those items.
    pub(super) fn of<'a>(items: impl IntoIterator<Item = &'a RawValue>) -> Self {
        let mut runs = Self::default();
        items.into_iter().for_each(|raw| runs.see(raw));
        runs
    }

    /// Takes note of an item that is done. Whoever opens a page, or looks for something in one, does not search.
    pub(super) fn see(&mut self, raw: &RawValue) {
        let Ok(item) = serde_json::from_str::<Item>(raw.get()) else { return };
        match item.r#type.as_deref() {
            Some("web_search_call") => {
                let did = item.action.and_then(|action| action.r#type);
                self.searches += u64::from(!matches!(did.as_deref(), Some("open_page" | "find_in_page")));
            }
            Some("file_search_call") => self.file_searches += 1,
            Some(RESULTS) => self.found.extend(read_results(raw)),
            Some("code_interpreter_call") => self.containers.extend(item.container_id),
            _ => {}
        }
    }

    /// Gives what was found to a text that names no source itself.
    pub(super) fn give_found(&mut self, citations: &mut Vec<Citation>) {
        if citations.is_empty() {
            citations.append(&mut self.found);
        }
    }

    /// Adds it to what the provider counted: of searches its own counts come first.
    pub(super) fn add_to(&self, usage: &mut Usage, tool_usage: Option<&RawValue>) {
        let counted = |count: u64| Some(count).filter(|count| *count > 0);
        let told = tool_usage.and_then(|raw| serde_json::from_str::<Option<ToolUsage>>(raw.get()).ok().flatten());
        let (searched, drawn) = told.map_or((None, None), |told| (told.web_search, told.image_gen));
        usage.web_searches = searched.and_then(|search| *search.num_requests).or(usage.web_searches).or(counted(self.searches));
        usage.file_searches = counted(self.file_searches);
        usage.code_sessions = counted(self.containers.len() as u64);
        if let Some(drawn) = drawn {
            let images = drawn.input_tokens_details.and_then(|details| *details.image_tokens).unwrap_or(0);
            usage.drawing_text = counted(drawn.input_tokens.unwrap_or(0).saturating_sub(images));
            usage.drawing_images = counted(images);
            usage.drawing_output = drawn.output_tokens.and_then(counted);
        }
    }
}
